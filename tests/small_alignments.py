"""Small BAM files made of reads that a test writes down."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam


class Read(NamedTuple):
    """One alignment; a base quality for all bases, or one for each."""

    name: str
    start: int
    cigar: str
    bases: str
    quality: int | list[int] = 30
    flag: int = 0
    mapq: int = 60


def write_bam(path: Path, reads: list[Read], lengths: dict[str, int]) -> Path:
    """Write reads of the first contig, sorted by start, with an index."""
    header = {
        "HD": {"VN": "1.6", "SO": "coordinate"},
        "SQ": [{"SN": name, "LN": length} for name, length in lengths.items()],
        "RG": [{"ID": "one", "SM": "person"}],
    }
    with pysam.AlignmentFile(path, "wb", header=header) as file:
        for read in sorted(reads, key=lambda one: one.start):
            segment = pysam.AlignedSegment(file.header)
            segment.query_name, segment.flag = read.name, read.flag
            segment.reference_id, segment.reference_start = 0, read.start
            segment.mapping_quality, segment.cigarstring = read.mapq, read.cigar
            segment.query_sequence = read.bases
            n = len(read.bases)
            every = [read.quality] * n if isinstance(read.quality, int) else read.quality
            segment.query_qualities = pysam.qualitystring_to_array(
                "".join(chr(q + 33) for q in every)
            )
            segment.set_tag("RG", "one")
            file.write(segment)
    pysam.index(str(path))
    return path


def random_bases(rng: np.random.Generator, n: int) -> str:
    """A sequence without repeats worth the name."""
    return "".join(rng.choice(list("ACGT"), n))


def letters(text: str) -> np.ndarray:
    """A sequence as kernels take it."""
    return np.frombuffer(text.encode(), np.uint8)
