"""The linear trunk against scikit-learn's solvers, penalty by penalty."""

import numpy as np
import pytest
from linear_cases import Problem, problem

from genomed.models.families import Binary, Quantitative
from genomed.models.linear import PathSettings, fit_path

EXACT = PathSettings(tolerance=1e-13, max_cycles=20_000, max_reweightings=50)


@pytest.fixture(scope="module")
def small() -> Problem:
    return problem(3, n=250, p=400)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.1])
def test_the_path_is_that_of_scikit_learn(small: Problem, l1_ratio: float) -> None:
    from sklearn.linear_model import ElasticNet

    y = 3 + small.eta + np.random.default_rng(1).normal(size=250)
    penalties = np.array([0.4, 0.2, 0.1, 0.05]) / l1_ratio
    fits = fit_path(
        small.columns, np.empty((250, 0)), Quantitative(y), l1_ratio, penalties, EXACT, threads=2
    )
    for penalty, fit in zip(penalties, fits, strict=True):
        judge = ElasticNet(alpha=penalty, l1_ratio=l1_ratio, tol=1e-12, max_iter=200_000)
        judge.fit(small.dense, y)
        np.testing.assert_allclose(fit.beta, judge.coef_, atol=1e-5)
        assert fit.intercept == pytest.approx(judge.intercept_, abs=1e-5)
    assert np.count_nonzero(fits[-1].beta) > 80


def test_weighted_people_are_those_of_scikit_learn(small: Problem) -> None:
    from sklearn.linear_model import ElasticNet

    rng = np.random.default_rng(2)
    y, weight = small.eta + rng.normal(size=250), rng.integers(0, 4, 250) / 2
    fit = fit_path(small.columns, np.empty((250, 0)), Quantitative(y), 0.7, np.array([0.1]), EXACT,
                   weight=weight)[0]  # fmt: skip
    judge = ElasticNet(alpha=0.1, l1_ratio=0.7, tol=1e-12, max_iter=200_000)
    judge.fit(small.dense, y, sample_weight=weight)
    np.testing.assert_allclose(fit.beta, judge.coef_, atol=1e-5)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_logistic_fits_are_those_of_scikit_learn(small: Problem, l1_ratio: float) -> None:
    from sklearn.linear_model import LogisticRegression

    eta = 2 * small.eta - 1
    y = (np.random.default_rng(4).logistic(size=250) < eta).astype(np.float64)
    penalties = np.array([0.08, 0.04]) / l1_ratio
    fits = fit_path(small.columns, np.empty((250, 0)), Binary(y), l1_ratio, penalties, EXACT)
    for penalty, fit in zip(penalties, fits, strict=True):
        judge = LogisticRegression(
            C=1 / (250 * penalty), l1_ratio=l1_ratio, solver="saga", tol=1e-9, max_iter=50_000
        ).fit(small.dense, y)
        np.testing.assert_allclose(fit.beta, judge.coef_[0], atol=1e-5)
        assert fit.intercept == pytest.approx(judge.intercept_[0], abs=1e-5)
    assert np.count_nonzero(fits[-1].beta) > 25
