"""Counts of a pileup are those of a count base by base, its sums of qualities among them."""

from pathlib import Path

import numpy as np
import pysam
from small_alignments import Read, random_bases, write_bam

from genomed.features.call_candidates import count_bases
from genomed.features.call_tiles import iter_tiles
from genomed.io.alignments import AlignmentReader
from genomed.io.fasta import Fasta
from genomed.kernels import pileup
from genomed.settings import CallSettings

LENGTH = 400
CIGARS = ("60M", "20M3D40M", "20M4I36M", "5S50M5S", "20M30N40M", "10=1X49M", "7H30M1D30M")


def write_reads(folder: Path, bases: str) -> Path:
    """Reads with wrong and unknown bases, of any quality or none."""
    rng = np.random.default_rng(6)
    reads = []
    for i, start in enumerate(rng.integers(0, LENGTH - 100, 300).tolist()):
        text = list(bases[start : start + 60].ljust(60, "A"))
        for at in rng.integers(0, 60, 6):
            text[at] = "ACGTN"[int(rng.integers(5))]
        quality = 0 if i % 9 == 0 else rng.integers(2, 41, 60).tolist()  # 0: none, see below
        strand, mapq = 16 * int(rng.integers(2)), int(rng.choice([0, 7, 19, 20, 60, 255]))
        cigar = CIGARS[i % len(CIGARS)]
        reads.append(Read(f"r{i}", start, cigar, "".join(text), quality, strand, mapq))
    plain = write_bam(folder / "plain.bam", reads, {"1": LENGTH})
    path = folder / "reads.bam"
    with (
        pysam.AlignmentFile(str(plain)) as source,
        pysam.AlignmentFile(str(path), "wb", template=source) as file,
    ):
        for read in source:
            if set(read.query_qualities) == {0}:
                read.query_qualities = None
            file.write(read)
    return path


def counted(path: Path, bases: str, least: int) -> np.ndarray:
    """What each read says of each base of the contig, by pysam's alignment of the two."""
    counts = np.zeros((LENGTH, pileup.N_COUNTS), np.int64)
    with pysam.AlignmentFile(str(path)) as file:
        for read in file:
            strand = int(read.is_reverse)
            mapq = 20 if read.mapping_quality == 255 else read.mapping_quality
            spanned = []
            for i, at in read.get_aligned_pairs():
                if at is None:
                    continue
                if i is None:
                    if not in_skip(read, at):
                        counts[at, pileup.DELETED + strand] += 1
                        spanned.append(at)
                    continue
                quality = 20 if read.query_qualities is None else read.query_qualities[i]
                if read.query_qualities is not None and quality < least:
                    continue
                code = "ACGTN".index(read.query_sequence[i])
                counts[at, code + 5 * strand] += 1
                same = code == "ACGTN".index(bases[at])
                counts[at, pileup.REF_QUALITY if same else pileup.OTHER_QUALITY] += quality
                spanned.append(at)
            counts[spanned, pileup.MAPPING_QUALITY] += mapq
            counts[spanned, pileup.UNSURE] += mapq < 20
            counts[spanned, pileup.READS] += 1
    return counts


def in_skip(read: pysam.AlignedSegment, at: int) -> bool:
    """Whether a place lies in an N of the CIGAR."""
    place = read.reference_start
    for operation, length in read.cigartuples:
        if operation == pysam.CREF_SKIP and place <= at < place + length:
            return True
        place += length if operation in (0, 2, 3, 7, 8) else 0
    return False


def test_every_sum_is_that_of_a_count_base_by_base(tmp_path: Path) -> None:
    bases = random_bases(np.random.default_rng(1), LENGTH)
    bases = f"{bases[:150]}NNNNN{bases[155:]}"
    fasta = tmp_path / "ref.fa"
    fasta.write_text(f">1\n{bases}\n")
    path = write_reads(tmp_path, bases)
    for least in (0, 10, 30):
        settings = CallSettings(min_mapq=0, min_base_quality=least, exclude_flags=0)
        (tile,) = iter_tiles(AlignmentReader(path), Fasta(fasta), None, settings)
        found, expected = count_bases(tile, settings), counted(path, bases, least)
        columns = [*range(10), pileup.DELETED, pileup.DELETED + 1, *range(18, pileup.N_COUNTS)]
        np.testing.assert_array_equal(found[:, columns], expected[:, columns])
        assert (expected[:, columns].sum(axis=0) > 0).all()
