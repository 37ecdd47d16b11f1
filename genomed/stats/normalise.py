"""Left-alignment and REF check of variants, one row per ALT, against a reference sequence."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from genomed.kernels import normalise as kernel

__all__ = ["Aligned", "align_alleles", "reference_bases", "sort_window"]

WINDOW = 1000  # bases within which rows are put in order, as `bcftools norm --site-win`

sort_window = kernel.sort_window


class Aligned(NamedTuple):
    """Variants after normalisation.

    fate     : int8 (variants,), see genomed.kernels.normalise
    position : int64 (variants,), 1-based
    ref, alt : alleles, upper case where they changed
    """

    fate: np.ndarray
    position: np.ndarray
    ref: pl.Series
    alt: pl.Series


def align_alleles(
    position: np.ndarray, ref: pl.Series, alt: pl.Series, sequence: tuple[Any, ...]
) -> Aligned:
    """Trim and move variants as far left as they go, as `bcftools norm -f` does.

    position : int64 (variants,), 1-based
    ref, alt : text; symbolic alleles, "*" and "." are left as they are
    sequence : text (uint8), first, length, line_bases, line_bytes of the contig, see
               genomed.io.fasta.Sequence
    """
    n = len(position)
    letters = np.frombuffer((ref.str.join("")[0] + alt.str.join("")[0]).encode(), np.uint8)
    stop = np.cumsum(np.concatenate([ref.str.len_bytes(), alt.str.len_bytes()]).astype(np.int64))
    start = np.concatenate([[0], stop[:-1]]).astype(np.int64)
    fate = np.zeros(n, np.int8)
    new = np.zeros((3, n), np.int64)
    kernel.align_left(
        *sequence, position, letters, start[:n], stop[:n], start[n:], stop[n:], fate, *new
    )
    changed = np.flatnonzero(fate == kernel.ALIGNED)
    if not len(changed):
        return Aligned(fate, position, ref, alt)
    rows = zip(changed.tolist(), *new[:, changed].tolist(), strict=True)
    alleles = [_alleles(sequence, int(position[v]), alt[v], *to) for v, *to in rows]
    moved = position.copy()
    moved[changed] = new[0, changed]
    return Aligned(
        fate,
        moved,
        ref.scatter(changed, [one for one, _ in alleles]),
        alt.scatter(changed, [one for _, one in alleles]),
    )


def _alleles(
    sequence: tuple[Any, ...], position: int, alt: str, to: int, n_ref: int, n_alt: int
) -> tuple[str, str]:
    """REF and ALT of a variant that went from `position` to `to`."""
    ref = reference_bases(sequence, to - 1, to - 1 + n_ref)
    if to >= position:
        return ref, alt[to - position : to - position + n_alt].upper()
    before = reference_bases(sequence, to - 1, position - 1)
    return ref, (before + alt.upper())[:n_alt]


def reference_bases(sequence: tuple[Any, ...], start: int, end: int) -> str:
    """Bases start to end (0-based, not included) in upper case, N for anything but A, C, G, T."""
    text, first, length, line_bases, line_bytes = sequence
    at = np.arange(start, min(end, length))
    found = text[first + at // line_bases * line_bytes + at % line_bases] & np.uint8(223)
    found[~np.isin(found, np.frombuffer(b"ACGT", np.uint8))] = ord("N")
    return found.tobytes().decode()
