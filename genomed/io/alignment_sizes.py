"""How large alignments are, told by their header, their index and their first records."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pysam

from genomed.errors import InputError
from genomed.io.bam_index import find_index
from genomed.io.index_counts import index_counts

__all__ = ["AlignmentSizes", "alignment_sizes"]

FIRST_RECORDS = 2000
USUAL_LENGTH = 150  # bases of a read, where none can be looked at
CRAM_READ_BYTES = 45.0  # of a read of 150 bases with unbinned qualities; half of that with binned


@dataclass(frozen=True)
class AlignmentSizes:
    """What the cost of a command on alignments depends on.

    records     : alignments; read_length : bases of one, on average
    genome      : bases of all contigs; contigs: how many; longest: bases of the longest
    covered     : bases of those with records
    file_bytes  : as it lies on disk
    estimated   : which of these are not exact
    """

    records: int
    read_length: float
    genome: int
    contigs: int
    longest: int
    covered: int
    file_bytes: int
    estimated: tuple[str, ...] = ()

    @property
    def depth(self) -> float:
        """Mean depth of the contigs with records."""
        return self.records * self.read_length / max(1, self.covered)


def alignment_sizes(path: Path) -> AlignmentSizes:
    """Sizes of a BAM, CRAM or SAM. Raises InputError where it is absent or none of these."""
    if path.is_dir():
        raise InputError(f"{path}: is a directory; name a file in it")
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a BAM or CRAM")
    size = path.stat().st_size
    verbosity = pysam.set_verbosity(0)
    try:
        with pysam.AlignmentFile(str(path), check_sq=False) as file:
            lengths = [int(length) for length in file.lengths]
            is_cram = file.is_cram
            first = [] if is_cram else list(islice(file.fetch(until_eof=True), FIRST_RECORDS))
            taken = file.tell() >> 16 if file.is_bam else sum(len(r.to_string()) + 1 for r in first)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be opened as BAM, CRAM or SAM ({error}); check it with "
            f"`samtools quickcheck {path}`"
        ) from None
    finally:
        pysam.set_verbosity(verbosity)
    read_lengths = [record.query_length for record in first if record.query_length]
    read_length = sum(read_lengths) / len(read_lengths) if read_lengths else float(USUAL_LENGTH)
    counts = _counts(path)
    estimated: tuple[str, ...] = ("read_length",)
    if counts is None:
        each = CRAM_READ_BYTES if is_cram or not first else max(20.0, taken / len(first))
        counts = [round(size / each)] + [0] * (len(lengths) - 1)
        estimated = ("records", "read_length", "covered")
        covered = sum(lengths)
    else:
        covered = sum(length for length, n in zip(lengths, counts, strict=False) if n)
    return AlignmentSizes(
        sum(counts), read_length, sum(lengths), len(lengths), max(lengths, default=0), covered,
        size, estimated,
    )  # fmt: skip


def _counts(path: Path) -> list[int] | None:
    index = find_index(path)
    if index is None:
        return None
    try:
        return index_counts(index)
    except ValueError:
        return None
