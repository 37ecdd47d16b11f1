"""Alleles as least changes: together they make the same sequence, in one spelling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.stats.call_pieces import Piece, allele_pieces

BASES = "ACGT"


def codes(text: str) -> np.ndarray:
    return np.array(["ACGTN".index(base) for base in text], np.uint8)


def applied(reference: str, pieces: list[Piece]) -> str:
    """The sequence with all changes."""
    for piece in sorted(pieces, reverse=True):
        new = "".join(BASES[code] for code in piece.letters)
        at = piece.position + (piece.length != 0)
        end = at + (max(-piece.length, 0) if piece.length else 1)
        reference = reference[:at] + new + reference[end:]
    return reference


few = st.text("AC", min_size=1, max_size=8)  # two letters, so that repeats are common


@given(few, few, few, few)
def test_changes_together_make_the_allele(before: str, ref: str, alt: str, after: str) -> None:
    reference = "G" + before + ref + after
    start = 1 + len(before)
    pieces = allele_pieces(start, ref, alt, codes(reference), 0)
    assert applied(reference, pieces) == "G" + before + alt + after
    assert sum(piece.length != 0 for piece in pieces) == (len(ref) != len(alt))


@given(few, few, few, st.integers(0, 20))
def test_one_sequence_of_one_indel_has_one_spelling(
    before: str, letters: str, after: str, at: int
) -> None:
    reference = "G" + before + after + "T"
    at %= len(before + after) + 1
    haplotype = reference[: 1 + at] + letters + reference[1 + at :]
    spellings = set()
    for place in range(1, len(reference)):
        one = reference[:place] + haplotype[place : place + len(letters)] + reference[place:]
        if one == haplotype:
            alt = haplotype[place - 1 : place + len(letters)]
            pieces = allele_pieces(place - 1, reference[place - 1], alt, codes(reference), 0)
            spellings.add(tuple(pieces))
    assert len(spellings) == 1


@pytest.mark.parametrize(
    ("ref", "alt", "expected"),
    [
        ("A", "C", [Piece(10, 0, b"\1")]),
        ("ATG", "CTC", [Piece(10, 0, b"\1"), Piece(12, 0, b"\1")]),
        ("ATGCC", "ACC", [Piece(10, -2, b"")]),
        ("AT", "AGGT", [Piece(10, 2, b"\2\2")]),
        ("ATG", "CT", [Piece(10, 0, b"\1"), Piece(11, -1, b"")]),
        ("A", "A", []),
        ("A", "N", []),
    ],
)
def test_known_alleles_fall_into_known_changes(ref: str, alt: str, expected: list[Piece]) -> None:
    reference = "CTCTCTCTCT" + "ATGCC" + "AGTAGT"
    assert allele_pieces(10, ref, alt, codes(reference), 0) == expected


def test_an_indel_at_the_first_base_has_no_base_before_it() -> None:
    assert allele_pieces(0, "AAT", "AT", codes("AATCG"), 0) == []


def test_alleles_given_as_rows_of_a_vcf_are_one_change_or_none() -> None:
    assert Piece.of(10, "A", "C") == Piece(9, 0, b"\x01")
    assert Piece.of(10, "A", "ACG") == Piece(9, 2, b"\x01\x02")
    assert Piece.of(10, "ACG", "A") == Piece(9, -2, b"")
    for ref, alt in (("AC", "GT"), ("A", "<DEL>"), ("A", "*"), ("A", "CAT"), ("ACG", "AT")):
        assert Piece.of(10, ref, alt) is None
