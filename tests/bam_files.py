"""Small BAM files made for tests."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pysam

HEADER = {"HD": {"VN": "1.6", "SO": "coordinate"}}


def alignment(
    contig: int = 0, start: int = 0, cigar: str = "10M", *, name: str = "r", flag: int = 0,
    mapq: int = 60, mate: tuple[int, int] = (-1, -1), size: int = 0, group: str | None = None,
    bases: str | None = None, quality: int | None = 30,
) -> pysam.AlignedSegment:  # fmt: skip
    """One record; its bases are A unless given."""
    read = pysam.AlignedSegment()
    read.query_name, read.flag = name, flag
    read.reference_id, read.reference_start, read.mapping_quality = contig, start, mapq
    read.next_reference_id, read.next_reference_start = mate
    read.template_length = size
    if cigar != "*":
        read.cigarstring = cigar
        length = read.infer_query_length() or 0
    else:
        length = 10
    read.query_sequence = bases if bases is not None else "A" * length
    if quality is not None:
        text = chr(33 + quality) * len(read.query_sequence)
        read.query_qualities = pysam.qualitystring_to_array(text)
    if group is not None:
        read.set_tag("RG", group)
    return read


def write_bam(
    path: Path,
    reads: Iterable[pysam.AlignedSegment],
    contigs: Mapping[str, int] | None = None,
    groups: Mapping[str, str] | None = None,
    *,
    index: bool = True,
    header: Mapping[str, object] = HEADER,
) -> Path:
    """Write alignments in the order given. groups : read group -> sample."""
    contigs = {"1": 1000} if contigs is None else contigs
    lines = {
        **header,
        "SQ": [{"SN": name, "LN": length} for name, length in contigs.items()],
        "RG": [{"ID": group, "SM": sample} for group, sample in (groups or {}).items()],
    }
    with pysam.AlignmentFile(str(path), "wb", header=lines) as file:
        for read in reads:
            file.write(read)
    if index:
        pysam.index(str(path))
    return path
