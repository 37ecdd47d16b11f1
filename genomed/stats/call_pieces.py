"""Alleles of a record as the least changes that they consist of: bases exchanged, and indels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Piece", "allele_pieces"]

MAX_SHIFT = 500  # bases that an indel is moved to the left
_CODES = np.full(256, 4, np.uint8)
_CODES[np.frombuffer(b"ACGTacgt", np.uint8)] = [0, 1, 2, 3, 0, 1, 2, 3]


class Piece(NamedTuple):
    """One change, normalised: an indel lies as far to the left as it can.

    position : 0-based: the base that is exchanged, or the base before an indel
    length   : bases more or less than the reference, 0 for an exchanged base
    letters  : codes (A, C, G, T are 0 to 3) of the new base, or of the inserted ones
    """

    position: int
    length: int
    letters: bytes

    @classmethod
    def of(cls, position: int, ref: str, alt: str) -> Piece | None:
        """From a normalised row of a VCF; None unless it is one base, one insertion or deletion."""
        letters = _CODES[np.frombuffer(alt.encode(), np.uint8)]
        if (letters > 3).any() or not ref or not alt:
            return None
        if len(ref) == len(alt) == 1:
            return cls(position - 1, 0, letters.tobytes())
        if (len(ref) == 1) == (len(alt) == 1) or ref[0].upper() != alt[0].upper():
            return None
        return cls(position - 1, len(alt) - len(ref), letters[1:].tobytes())


def allele_pieces(
    start: int, ref: str, alt: str, reference: np.ndarray, reference_start: int
) -> list[Piece]:
    """What changes REF into ALT: at most one indel, and the exchanged bases beside it.

    Where both differ in length, the indel lies where fewest bases are exchanged.

    start     : 0-based place of the first base of REF
    reference : uint8, codes of the bases from the 0-based reference_start on
    returns   : pieces by position; none when the alleles are the same or hold other letters than
                A, C, G and T, or when an indel has no base before it
    """
    old, new = (_CODES[np.frombuffer(text.encode(), np.uint8)] for text in (ref, alt))
    if (new > 3).any() or not len(old) or not len(new):
        return []
    change = len(new) - len(old)
    if not change:
        return _exchanged(start, old, new)
    short = min(len(old), len(new))
    left = np.concatenate([[0], np.cumsum(old[:short] != new[:short])])
    right = np.concatenate([[0], np.cumsum(old[::-1][:short] != new[::-1][:short])])[::-1]
    at = int(np.argmin(left + right))  # bases before the indel
    pieces = _exchanged(start, old[:at], new[:at])
    n_after = short - at
    pieces += _exchanged(start + len(old) - n_after, old[len(old) - n_after :],
                         new[len(new) - n_after :])  # fmt: skip
    indel = _leftmost(start + at, change, new[at : at + max(change, 0)], reference, reference_start)
    return [] if indel is None else sorted([*pieces, indel])


def _exchanged(start: int, old: np.ndarray, new: np.ndarray) -> list[Piece]:
    return [Piece(start + int(i), 0, new[i : i + 1].tobytes()) for i in np.flatnonzero(old != new)]


def _leftmost(
    at: int, change: int, letters: np.ndarray, reference: np.ndarray, reference_start: int
) -> Piece | None:
    """The indel before base `at`, moved to the left while the sequence stays the same."""
    size = abs(change)
    for _ in range(MAX_SHIFT):
        before = at - 1 - reference_start
        if before < 0:
            return None
        base = reference[before]
        last = letters[-1] if change > 0 else reference[before + size]
        if base != last or base > 3:
            break
        letters = np.roll(letters, 1)
        at -= 1
    return Piece(at - 1, change, letters.astype(np.uint8).tobytes())
