"""Figures show the numbers they are given: bars add up, ticks are round."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.report.figures import Segment, distribution, share_bar, small_bar, ticks

RECT = re.compile(r'<rect class="bar" ([^>]*)><title>([^<]*)</title>')


def draw(score, highest=()):
    """Draw a distribution with fixed texts."""
    return distribution(
        np.asarray(score, float), highest, title="T", axis_label="score", identity="f"
    )


def bars(svg):
    """Height and count of every bar."""
    found = []
    for attributes, tip in RECT.findall(svg):
        height = float(re.search(r'height="([\d.]+)"', attributes)[1])
        count = re.search(r": ([\d,]+)", tip)[1]
        found.append((height, int(count.replace(",", ""))))
    return found


@pytest.mark.parametrize("n", [13, 40, 300, 5000])
def test_bars_hold_every_sample_and_their_heights_are_proportional(n):
    svg = draw(np.random.default_rng(1).normal(2, 0.4, n)).svg
    heights, counts = np.array(bars(svg)).T
    assert counts.sum() == n
    assert len(counts) <= 60
    np.testing.assert_allclose(heights / heights.max(), counts / counts.max(), atol=0.002)


def test_outliers_do_not_make_more_bars_than_there_is_room_for():
    score = np.append(np.random.default_rng(2).normal(0, 1, 500), 1e6)
    counts = [n for _, n in bars(draw(score).svg)]
    assert sum(counts) == 501
    assert len(counts) <= 60


def test_few_values_have_one_bar_each_with_their_numbers():
    svg = draw([0.0] * 250 + [1.2] * 45 + [2.4] * 5).svg
    assert sorted(n for _, n in bars(svg)) == [5, 45, 250]
    assert ">250</text>" in svg


def test_values_that_differ_by_rounding_are_one_bar():
    assert len(bars(draw([0.1 + 0.2, 0.3, 0.3, 0.0]).svg)) == 2
    assert len(bars(draw([0.3, 0.1 + 0.2]).svg)) == 1


@pytest.mark.parametrize("score", [[0.0], [5.5], [-3.0, -3.0], [1e-12, 2e-12], [1e300, 0.0]])
def test_odd_cohorts_can_be_drawn(score):
    svg = draw(score).svg
    assert "nan" not in svg
    assert "inf" not in svg


@given(st.lists(st.floats(-1e90, 1e90), min_size=1, max_size=40))
def test_any_finite_scores_can_be_drawn(score):
    assert "nan" not in draw(score).svg


def test_the_highest_samples_are_named_and_escaped():
    score = np.random.default_rng(3).normal(0, 1, 100)
    svg = draw(score, [("<b>&", float(score.max()))]).svg
    assert "1. &lt;b&gt;&amp; " in svg


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 9))
def test_ticks_are_few_and_inside(low, span, wanted):
    high = low + span
    if high > low:
        marks = [t.value for t in ticks(low, high, wanted)]
        assert len(marks) <= wanted + 1
        slack = 1e-6 * (span + abs(low))
        assert all(low - slack <= mark <= high + slack for mark in marks)


def test_a_share_bar_never_runs_over():
    svg = share_bar("T", [Segment("found", 0.7, "a"), Segment("lost", 0.6, "b")], "x")
    assert 'width="70.000%"' in svg
    assert 'width="30.000%"' in svg


def test_a_share_that_is_not_known_has_no_bar():
    assert small_bar(float("nan")) == ""
