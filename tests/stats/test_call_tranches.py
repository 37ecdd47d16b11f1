"""Tranches: the share of true calls above each score, and what FILTER says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.stats.call_tranches import tranche_labels, tranche_thresholds


def test_a_tranche_holds_its_share_of_the_known_calls() -> None:
    score = np.arange(100.0)
    known = (np.arange(100) % 2).astype(float)  # 50 of 100
    assert tranche_thresholds(score, known, [90, 98, 100]) == [11, 3, 1]


def test_without_known_calls_probabilities_add_up() -> None:
    score = np.array([3.0, 2, 1, 0])
    assert tranche_thresholds(score, np.array([1, 0.9, 0.1, 0.0]), [50, 95, 100]) == [3, 2, 1]


@given(st.lists(st.tuples(st.integers(-9, 9), st.booleans()), max_size=40), st.integers(1, 100))
def test_the_threshold_is_the_highest_that_keeps_the_share(
    calls: list[tuple[int, bool]], percent: int
) -> None:
    score = np.array([s for s, _ in calls], np.float64)
    weight = np.array([w for _, w in calls], np.float64)
    (found,) = tranche_thresholds(score, weight, [percent])
    total = weight.sum()
    if not total:
        assert found == -np.inf
        return
    assert weight[score >= found].sum() >= percent / 100 * total - 1e-9
    assert weight[score > found].sum() < percent / 100 * total


def test_filter_names_the_tranche() -> None:
    score = np.array([5.0, 4.0, 3.0, 2.0, 1.0, np.nan])
    labels = tranche_labels(score, [4, 2], [99, 99.9], "SNP")
    assert labels == [
        "PASS", "PASS", "CNN_SNP_99.00_99.90", "CNN_SNP_99.00_99.90", "CNN_SNP_99.90_100.00", ""
    ]  # fmt: skip


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_shares_beyond_all_are_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="percentages"):
        tranche_thresholds(np.ones(1), np.ones(1), [percent])
