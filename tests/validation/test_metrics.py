"""Measures and intervals judged by scikit-learn, by scipy, and by planted truth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomed.kernels.evaluation import pool_violators
from genomed.settings import CalibrationSettings
from genomed.stats.binary_metrics import BinaryJudge
from genomed.stats.bootstrap import bootstrap, difference, estimate
from genomed.stats.calibration import fit_calibration
from genomed.stats.curves import precision_recall, roc
from genomed.stats.logistic import expit, fit_logistic, logit
from genomed.stats.measures import measured
from genomed.stats.quantitative_metrics import QuantitativeJudge

judge = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")


def people(seed, n=400, decimals=2):
    rng = np.random.default_rng(seed)
    eta = rng.normal(-1, 1.3, n)
    case = (rng.random(n) < expit(0.4 + 0.7 * eta)).astype(float)
    case[:2] = 0, 1
    return case, np.clip(np.round(expit(eta), decimals), 0.01, 0.99), rng.integers(0, 4, n)


@given(st.integers(0, 10_000), st.sampled_from([1, 2, 9]))
@settings(max_examples=40)
def test_measures_are_scikit_learns_with_weights(seed, decimals):
    case, p, count = people(seed, decimals=decimals)
    count[:2] = 1
    made = BinaryJudge(case, p, threshold=0.3)
    found = dict(zip(made.names, made.measure(count.astype(np.int32)).tolist(), strict=True))
    weight = {"sample_weight": count}
    above = p >= 0.3
    expected = {
        "auroc": judge.roc_auc_score(case, p, **weight),
        "auprc": judge.average_precision_score(case, p, **weight),
        "brier": judge.brier_score_loss(case, p, **weight),
        "log_loss": judge.log_loss(case, p, **weight),
        "recall": judge.recall_score(case, above, **weight),
        "f1": judge.f1_score(case, above, zero_division=0, **weight),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-10), name


def test_calibration_regressions_are_scikit_learns():
    from sklearn.linear_model import LogisticRegression

    case, p, _ = people(5, 5000)
    fit = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(p)[:, None], case)
    found = fit_logistic(logit(p), case > 0)
    assert found.slope == pytest.approx(float(fit.coef_[0, 0]), abs=1e-6)
    assert found.intercept == pytest.approx(float(fit.intercept_[0]), abs=1e-6)


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_pooled_values_are_scikit_learns_isotonic_regression(seed):
    from sklearn.isotonic import isotonic_regression

    rng = np.random.default_rng(seed)
    value, weight = rng.normal(size=50), rng.integers(1, 5, 50).astype(float)
    expected = isotonic_regression(value, sample_weight=weight)
    pooled, mass, first = value.copy(), weight.copy(), np.zeros(50, np.int64)
    n = pool_violators(pooled, mass, first)
    sizes = np.diff(np.append(first[:n], 50))
    np.testing.assert_allclose(np.repeat(pooled[:n], sizes), expected, atol=1e-12)


def test_quantitative_measures_are_scikit_learns():
    rng = np.random.default_rng(3)
    x = rng.normal(size=500)
    y = 0.4 * x + rng.normal(size=500)
    found = measured(QuantitativeJudge(y, x)).values
    assert found["r2_explained"] == pytest.approx(judge.r2_score(y, x))
    assert found["mae"] == pytest.approx(judge.mean_absolute_error(y, x))
    assert found["rmse"] == pytest.approx(judge.root_mean_squared_error(y, x))


def test_curves_have_the_areas_of_their_measures():
    case, p, _ = people(7, 200, 2)
    curve = roc(case, p)
    assert judge.auc(curve.x, curve.y) == pytest.approx(judge.roc_auc_score(case, p), abs=1e-3)
    curve = precision_recall(case, p)
    area = float(np.diff(np.append(0, curve.x)) @ curve.y)
    assert area == pytest.approx(judge.average_precision_score(case, p), abs=5e-3)


def test_bootstrap_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(11)

    def draw(n):
        eta = rng.normal(-1.5, 1.2, n)
        return (rng.random(n) < expit(0.2 + 0.8 * eta)).astype(float), expit(eta)

    case, p = draw(1_000_000)
    options = {"threshold": 0.25, "prevalence": float(case.mean())}
    whole = BinaryJudge(case, p, **options)
    truth = whole.measure(np.ones(whole.n, np.int32))
    trials, held = 120, np.zeros(len(truth))
    for trial in range(trials):
        sample = BinaryJudge(*draw(600), **options)
        found = bootstrap(sample.measure, 600, n_draws=100, seed=trial)
        for k, name in enumerate(sample.names):
            one = estimate(name, found, k, level=0.9)
            held[k] += one.low <= truth[k] <= one.high
    error = 3 * math.sqrt(0.09 / trials) + 0.015  # of the trials, and of 100 draws of 600 people
    for name, share in zip(whole.names, held / trials, strict=True):
        assert share >= 0.9 - error, name
        assert share <= 0.9 + error or name == "ece", name


@pytest.mark.slow
def test_the_paired_interval_of_two_models_holds_the_true_difference():
    rng = np.random.default_rng(12)

    def draw(n):
        x, z = rng.normal(size=n), rng.normal(size=n)
        return x + 0.4 * z + rng.normal(size=n), x + 0.4 * z, x

    y, full, linear = draw(1_000_000)
    truth = np.corrcoef(y, full)[0, 1] ** 2 - np.corrcoef(y, linear)[0, 1] ** 2
    held = 0
    for trial in range(150):
        y, full, linear = draw(300)
        models = QuantitativeJudge(y, full), QuantitativeJudge(y, linear)
        one = difference(*models, level=0.9, n_draws=200, seed=trial)[0]
        held += one.low <= truth <= one.high
    assert held / 150 == pytest.approx(0.9, abs=3 * math.sqrt(0.09 / 150) + 0.015)


def test_conformal_intervals_hold_nine_in_ten_overall_and_in_every_large_group():
    rng = np.random.default_rng(13)
    names, n = np.array(["EUR", "AFR", "EAS"]), 16_000
    group = names[rng.choice(3, n, p=(0.8, 0.1, 0.1))]
    eta = rng.normal(size=n)
    spread = np.select([group == "AFR", group == "EAS"], [2.0, 0.6], 1.0)
    y = 3 + eta * np.where(group == "AFR", 0.4, 1.0) + spread * rng.standard_t(4, n)
    learn = np.arange(n) < n // 2
    made = fit_calibration("quantitative", eta[learn], y[learn], group[learn])
    _, low, high = made.apply(eta[~learn], group[~learn])
    held = (low <= y[~learn]) & (y[~learn] <= high)
    assert 0.88 <= held.mean() <= 0.92
    for name in names:
        there = group[~learn] == name
        assert there.sum() >= 500
        assert 0.85 <= held[there].mean() <= 0.95


def test_calibrated_probabilities_of_a_rare_disease_are_within_two_hundredths():
    rng = np.random.default_rng(14)
    group = np.array(["EUR", "AFR"])[rng.choice(2, 20_000, p=(0.85, 0.15))]
    eta = 2.5 * rng.normal(size=20_000)  # far too extreme
    z = -2.4 + 0.3 * eta + np.where(group == "AFR", 0.5, 0.0)
    case = (rng.random(20_000) < expit(z)).astype(float)
    learn = np.arange(20_000) < 8000
    made = fit_calibration(
        "binary", eta[learn], case[learn], group[learn], settings=CalibrationSettings()
    )
    p = made.apply(eta[~learn], group[~learn]).prediction
    for there in (group[~learn] == "EUR", group[~learn] == "AFR"):
        one = BinaryJudge(case[~learn][there], p[there])
        assert measured(one).values["ece"] <= 0.02 + one.ece_by_chance()
    assert measured(BinaryJudge(case[~learn], p)).values["ece"] <= 0.02
