"""Sums over blocks of people equal the definitions over all of them."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from genomed.stats.contribution_sums import ContributionSums, mean_agreement, rank_agreement


def test_blocks_of_people_add_up_to_the_definitions() -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 4, (4, 90)).astype(np.uint8)
    value = rng.normal(size=(4, 90)) * (codes < 3) + codes * 0.3
    eta = value.sum(axis=0)
    sums = ContributionSums(4)
    for some in (slice(0, 32), slice(32, 64), slice(64, 90)):
        sums.add(value[:, some], eta[some], codes[:, some])
    np.testing.assert_allclose(sums.mean_absolute, np.abs(value).mean(axis=1))
    assert sums.share.sum() == pytest.approx(1)
    for row in range(4):
        expected = np.cov(value[row], eta)[0, 1] / np.var(eta, ddof=1)
        assert sums.share[row] == pytest.approx(expected)
        called = codes[row] < 3
        line = np.polyfit(codes[row][called].astype(float), value[row][called], 1)
        assert sums.slope[row] == pytest.approx(line[0])


def test_what_does_not_vary_has_no_share_and_no_slope() -> None:
    sums = ContributionSums(1)
    sums.add(np.full((1, 5), 0.2), np.full(5, 0.2), np.ones((1, 5), np.uint8))
    assert np.isnan(sums.share).all()
    assert np.isnan(sums.slope).all()
    assert np.isnan(ContributionSums(2).share).all()


def test_rank_agreement_is_spearmans() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 5, (2, 40)).astype(float)
    assert rank_agreement(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert np.isnan(rank_agreement(a, np.zeros(40)))
    assert np.isnan(mean_agreement(a[None]))
    assert mean_agreement(np.stack([a, a, -a])) == pytest.approx((1 - 1 - 1) / 3)
