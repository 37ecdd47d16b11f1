"""Left-alignment: the haplotype stays, no shorter or further left spelling exists."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.kernels.normalise import ALIGNED, ALT_IS_REF, BAD_REF, SAME, UNTOUCHED
from genomed.stats.normalise import align_alleles, sort_window


def sequence(text: str) -> tuple:
    return np.frombuffer(text.encode(), np.uint8), 0, len(text), max(len(text), 1), len(text) + 1


def aligned(genome: str, position: int, ref: str, alt: str) -> tuple[int, int, str, str]:
    """Fate, position, REF, ALT."""
    found = align_alleles(
        np.array([position]), pl.Series([ref]), pl.Series([alt]), sequence(genome)
    )
    return int(found.fate[0]), int(found.position[0]), found.ref[0], found.alt[0]


def haplotype(genome: str, position: int, ref: str, alt: str) -> str:
    assert genome[position - 1 : position - 1 + len(ref)] == ref
    return genome[: position - 1] + alt + genome[position - 1 + len(ref) :]


def spellings(genome: str, changed: str) -> list[tuple[int, str, str]]:
    """Every (position, REF, ALT) that makes `changed` of `genome`, the naive way."""
    found = []
    for start in range(len(genome)):
        for stop in range(start + 1, len(genome) + 1):
            rest = len(genome) - stop
            alt = changed[start : len(changed) - rest]
            if (
                alt
                and changed[:start] == genome[:start]
                and start + len(alt) + rest == len(changed)
                and changed[len(changed) - rest :] == genome[stop:]
            ):
                found.append((start + 1, genome[start:stop], alt))
    return found


@given(
    st.text("AC", min_size=3, max_size=9), st.integers(0, 8), st.integers(1, 4),
    st.text("AC", min_size=1, max_size=4),
)  # fmt: skip
def test_a_variant_gets_its_shortest_leftmost_spelling(
    genome: str, start: int, length: int, alt: str
) -> None:
    start = min(start, len(genome) - 1)
    ref = genome[start : start + length]
    fate, *place = aligned(genome, start + 1, ref, alt)
    if ref == alt:
        assert fate == UNTOUCHED
        return
    changed = haplotype(genome, start + 1, ref, alt)
    assert haplotype(genome, *place) == changed
    shortest = min(len(r) + len(a) for _, r, a in spellings(genome, changed))
    best = [s for s in spellings(genome, changed) if len(s[1]) + len(s[2]) == shortest]
    assert tuple(place) == min(best)
    assert fate == (SAME if tuple(place) == (start + 1, ref, alt) else ALIGNED)


@pytest.mark.parametrize("alt", ["<DEL>", "*", ".", "A[2:5[", "<NON_REF>"])
def test_alleles_that_are_no_bases_stay_as_they_are(alt: str) -> None:
    assert aligned("AAAA", 2, "A", alt) == (UNTOUCHED, 2, "A", alt)


def test_a_wrong_ref_is_told_from_one_that_is_alt() -> None:
    assert aligned("ACGT", 2, "T", "A")[0] == BAD_REF
    assert aligned("ACGT", 2, "T", "C")[0] == ALT_IS_REF
    assert aligned("ACGT", 4, "TA", "T")[0] == ALT_IS_REF  # runs off the end
    assert aligned("ACGT", 9, "A", "T")[0] == BAD_REF


def test_lower_case_is_upper_case_and_odd_letters_are_n() -> None:
    assert aligned("aaRa", 4, "A", "NA") == (ALIGNED, 2, "A", "AN")
    assert aligned("acgt", 2, "C", "T") == (SAME, 2, "C", "T")
    assert aligned("ACRT", 3, "N", "T")[0] == SAME


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60)), max_size=40), st.integers(1, 30))
def test_rows_are_in_order_within_the_window(places: list, window: int) -> None:
    """As bcftools: a buffer kept in order, which rows leave when one lies `window` behind them."""
    places = sorted(places, key=lambda place: place[0])
    contig = np.array([c for c, _ in places], np.int32)
    position = np.array([p for _, p in places], np.int64)
    expected, buffer = [], []
    for v in range(len(places)):
        if buffer and contig[buffer[-1]] != contig[v]:
            expected += buffer
            buffer = []
        buffer.append(v)
        buffer.sort(key=lambda i: position[i])
        while position[buffer[-1]] - position[buffer[0]] >= window:
            expected.append(buffer.pop(0))
    order = np.empty(len(places), np.int64)
    n = sort_window(0, contig, position, window, False, order)
    assert order[:n].tolist() == expected
    assert order[n:].tolist() == buffer
    assert sort_window(0, contig, position, window, True, order) == len(places)
