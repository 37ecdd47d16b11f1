"""Odds of alleles and genotypes, from probabilities that are added by hand."""

import math

import numpy as np
import pytest

from genomed.stats.call_odds import allele_log_odds, copy_probabilities, genotype_log_odds
from genomed.stats.call_pieces import Piece

ONE, TWO, FAR = Piece(10, 0, b"\1"), Piece(10, 0, b"\2"), Piece(14, 1, b"\0")
COPIES = {ONE: (0.1, 0.7, 0.2), TWO: (0.6, 0.3, 0.1)}


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def test_copies_add_up_over_diplotypes() -> None:
    posterior = np.array([[0.1, 0.2, 0.05, 0.3, 0.15, 0.2]])  # 00 01 11 02 12 22
    first, second = copy_probabilities(posterior)[0].tolist()
    assert first == pytest.approx([0.6, 0.35, 0.05])
    assert second == pytest.approx([0.35, 0.45, 0.2])


def test_an_allele_is_as_sure_as_the_least_sure_of_its_changes() -> None:
    assert allele_log_odds([ONE], COPIES) == pytest.approx(logit(0.9))
    assert allele_log_odds([ONE, TWO], COPIES) == pytest.approx(logit(0.4))
    assert allele_log_odds([ONE, FAR], COPIES) is None
    assert allele_log_odds([], COPIES) is None


@pytest.mark.parametrize(
    ("called", "share"),
    [([0, 1], 0.7), ([1, 1], 0.2), ([0, 0], 0.1), ([1], 0.2), ([0], 0.1), ([1, 0], 0.7)],
)
def test_a_genotype_is_as_sure_as_its_copies(called: list[int | None], share: float) -> None:
    assert genotype_log_odds([[ONE]], called, COPIES) == pytest.approx(logit(share))


def test_two_alternatives_are_both_asked() -> None:
    found = genotype_log_odds([[ONE], [TWO]], [1, 2], COPIES)
    assert found == pytest.approx(min(logit(0.7), logit(0.3)))


def test_a_change_that_both_alternatives_hold_is_there_twice() -> None:
    found = genotype_log_odds([[ONE], [ONE, TWO]], [1, 2], COPIES)
    assert found == pytest.approx(min(logit(0.2), logit(0.3)))


@pytest.mark.parametrize("called", [[], [None, 1], [None], [0, 2]])
def test_what_is_not_called_is_not_judged(called: list[int | None]) -> None:
    assert genotype_log_odds([[ONE]], called, COPIES) is None


def test_sure_probabilities_stay_finite() -> None:
    found = allele_log_odds([ONE], {ONE: (0.0, 1.0, 0.0)})
    assert found is not None
    assert 600 < found < 700
