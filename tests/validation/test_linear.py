"""The linear trunk against other solvers, penalty by penalty, and on planted traits.

The other solvers are those of scikit-learn and of R's glmnet, where that is installed.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from linear_cases import Problem, linked_alt_count, problem, written_out
from packed_cohorts import packed
from validation.glmnet_judge import glmnet_path

from genomed.models.columns import additive_columns
from genomed.models.families import Binary, Quantitative
from genomed.models.linear import PathSettings, cross_fit, fit_path

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


@pytest.mark.parametrize("kind", ["gaussian", "binomial"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.3])
def test_fits_with_covariates_weights_and_factors_are_those_of_glmnet(
    small: Problem, kind: str, l1_ratio: float, tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    covariates, weight = rng.normal(size=(250, 2)), rng.uniform(0.5, 2, 250)
    factor = rng.uniform(0.5, 2, 400)
    eta = small.eta + covariates[:, 0]
    y = eta + rng.normal(size=250)
    y /= np.sqrt(np.cov(y, aweights=weight, ddof=0))  # else glmnet's l2 penalty is another one
    if kind == "binomial":
        y = (rng.logistic(size=250) < 2 * eta).astype(np.float64)
    family = Quantitative(y) if kind == "gaussian" else Binary(y)
    penalties = np.array([0.1, 0.06, 0.04]) / l1_ratio
    judge = glmnet_path(
        tmp_path, np.concatenate([covariates, small.dense], axis=1), y, kind, l1_ratio, penalties,
        weight, np.concatenate([np.zeros(2), factor]),
    )  # fmt: skip
    columns = replace(small.columns, penalty=factor)
    fits = fit_path(columns, covariates, family, l1_ratio, penalties, EXACT, weight=weight)
    for k, fit in enumerate(fits):
        mine = np.concatenate([[fit.intercept], fit.covariates, fit.beta])
        np.testing.assert_allclose(mine, judge[:, k], atol=1e-5)
    assert np.count_nonzero(fits[-1].beta) > 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Objective did not converge")
@pytest.mark.parametrize("n_causal", [10, 400])
def test_planted_traits_are_predicted_as_well_as_by_lasso_and_by_gblup(n_causal: int) -> None:
    """r2 out of fold on linked genotypes, against peers tuned within the same folds."""
    from sklearn.linear_model import LassoCV, Ridge

    alt_count = linked_alt_count(31, n_samples=600, n_variants=800)
    n = alt_count.shape[1]
    columns = additive_columns(packed(alt_count), n, np.ones(n))
    x = written_out(columns)
    rng = np.random.default_rng(32)
    effect = np.zeros(800)
    effect[rng.choice(800, n_causal, replace=False)] = rng.normal(size=n_causal)
    eta = x @ effect
    y = eta / eta.std() + rng.normal(size=n)
    fold = (np.arange(n) % 5).astype(np.int8)
    mine = cross_fit(columns, np.empty((n, 0)), Quantitative(y), fold, threads=2).out_of_fold
    lasso, gblup = np.empty((2, n))
    alphas = np.geomspace(0.5, 0.015, 40)
    for f in range(5):
        train, test = fold != f, fold == f
        lasso[test] = LassoCV(cv=5, alphas=alphas).fit(x[train], y[train]).predict(x[test])
        gblup[test] = Ridge(alpha=800.0).fit(x[train], y[train]).predict(x[test])  # h2 = 0.5
    r2 = [np.corrcoef(y, one)[0, 1] ** 2 for one in (mine, lasso, gblup)]
    assert r2[0] >= max(r2[1:]) - 0.003, r2
    assert r2[0] > 0.1
