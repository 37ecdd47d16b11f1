"""Numbers are shown without rounding them into a claim."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.report.tables import (
    Column,
    format_count,
    format_fixed,
    format_frequency,
    format_memory,
    format_percentile,
    format_score,
    format_seconds,
    format_share,
    format_signed,
    html_table,
    score_decimals,
    shares_apart,
)

finite = st.floats(-1e300, 1e300)


def test_an_unknown_score_is_no_score():
    assert format_score(None) == "no score"
    assert format_score(math.nan) == "no score"
    assert format_score(np.float64("nan")) == "no score"
    assert format_score(math.inf) == "infinite"


@given(finite, st.none() | st.integers(0, 9))
def test_a_score_reads_back_within_its_last_digit(x, decimals):
    text = format_score(x, decimals)
    step = 10.0 ** -(3 if decimals is None else decimals)
    assert float(text.replace(",", "")) == pytest.approx(x, rel=1e-3, abs=0.51 * step)
    assert text.strip("-0.,") or not text.startswith("-")


@given(st.floats(0, 1))
def test_only_all_is_100_percent_and_only_none_is_0(x):
    text = format_share(x)
    assert (text == "100%") == (x == 1)
    assert (text in ("0%", "0.0%")) == (x == 0)
    assert "100" not in text or x == 1


@pytest.mark.parametrize(
    ("x", "text"),
    [(0.98714, "98.7%"), (0.99999, ">99.9%"), (1e-7, "<0.1%"), (1.0, "100%"), (None, "—")],
)
def test_shares_are_percentages(x, text):
    assert format_share(x) == text


@given(st.floats(0.0, 0.999), st.floats(0.0, 1.0))
def test_a_share_under_a_limit_never_looks_like_it(x, limit):
    if x != limit:
        under, allowed = shares_apart(x, limit)
        assert under != allowed


def test_a_column_of_scores_has_three_digits_of_its_spread():
    assert score_decimals(np.array([0.0, 1.0])) == 3
    assert score_decimals(np.array([0.0, 2.0])) == 2
    assert score_decimals(np.array([0.0, 2e-5])) == 7
    assert score_decimals(np.array([1e9, 3e9])) == 0
    assert score_decimals(np.array([])) == 3
    assert score_decimals(np.array([4.0, 4.0])) == 3


def test_other_numbers():
    assert format_count(1103547) == "1,103,547"
    assert format_count(None) == "—"
    assert format_signed(1.234) == "+1.23"
    assert format_signed(math.nan) == "—"
    assert format_percentile(99.83) == "99.8"
    assert format_percentile(99.98) == ">99.9"
    assert format_percentile(50) == "50.0"
    assert format_percentile(None) == "—"
    assert format_frequency(0.25) == "0.250"
    assert format_frequency(0.00012) == "1.2e-04"
    assert format_frequency(0.0) == "0.000"
    assert format_fixed(1234.5678, 2) == "1,234.57"
    assert format_fixed(math.nan, 2) == "—"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2.31, "2.3 s"),
        (9.99, "10 s"),
        (75, "1 min 15 s"),
        (599.7, "10 min"),
        (754, "13 min"),
        (3599.9, "1 h 00 min"),
        (7260, "2 h 01 min"),
        (None, "—"),
    ],
)
def test_durations_suit_their_size(seconds, text):
    assert format_seconds(seconds) == text


def test_memory_is_in_binary_units():
    assert [format_memory(mib) for mib in (0.4, 521, 1536)] == ["0 MiB", "521 MiB", "1.5 GiB"]


def test_a_table_escapes_its_cells_and_heads_its_rows():
    made = html_table("Things", [Column("Name"), Column("n", True)], [["<x>", "3"]])
    assert '<th scope="row">&lt;x&gt;</th><td class="n">3</td>' in made
    assert 'tabindex="0"' in made


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="zip"):
        html_table("Things", [Column("Name")], [["a", "b"]])
