"""The reference around given calls, once their REF says that it is theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genomed.errors import InputError
from genomed.features.call_candidates import LETTERS
from genomed.features.call_tiles import reference_window
from genomed.io.call_records import CallBatch
from genomed.io.fasta import Fasta

__all__ = ["reference_of"]

_REMEDY = "give the reference that the calls were made with"


def reference_of(
    batch: CallBatch, calls: Path, fasta: Fasta, margin_bp: int
) -> tuple[int, np.ndarray]:
    """The 0-based place of the first base around a batch of calls, and the codes of all of them.

    Codes are those of kernels.pileup; calls : the file that the batch is of.
    Raises InputError, with the line, where the reference lacks the contig or has another REF.
    """
    low, high = batch.start[0] - margin_bp, batch.end() + margin_bp
    try:
        first, codes = reference_window(fasta, batch.contig, low, high)
    except ValueError:
        raise InputError(
            f"{fasta.path}: has no contig {batch.contig!r}, which {calls} has calls on (line "
            f"{batch.first_line}); {_REMEDY}"
        ) from None
    text = LETTERS[codes].tobytes().decode()
    for line, (start, ref) in enumerate(zip(batch.start, batch.ref, strict=True), batch.first_line):
        here = text[start - first : start - first + len(ref)]
        if here != ref and (len(here) < len(ref) or not _alike(here, ref)):
            raise InputError(
                f"{calls}, line {line}: REF is {ref[:20]!r}, but {fasta.path} has {here[:20]!r} at "
                f"{batch.contig}:{start + 1}; {_REMEDY}"
            )
    return first, codes


def _alike(here: str, ref: str) -> bool:
    """Whether two stretches agree wherever both have A, C, G or T."""
    return all(a == b or a not in "ACGT" or b not in "ACGT" for a, b in zip(here, ref, strict=True))
