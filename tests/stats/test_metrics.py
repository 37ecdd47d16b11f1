"""Measures of predictions: their definitions, their laws, and what is undefined."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.stats.binary_metrics import BinaryJudge, calibration_bins, liability_r2
from genomed.stats.logistic import Refit, expit, fit_logistic, logit
from genomed.stats.measures import MEASURES, measured
from genomed.stats.metrics import discrimination
from genomed.stats.quantitative_metrics import QuantitativeJudge


def people(seed: int, n: int = 300, values: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Cases, and probabilities that say something of them; of few values where asked."""
    rng = np.random.default_rng(seed)
    eta = rng.normal(-0.5, 1, n)
    case = (rng.random(n) < expit(eta)).astype(float)
    case[:2] = 0, 1
    probability = expit(eta)
    return case, probability if values is None else np.round(probability * values) / values


def naive_auroc(case: np.ndarray, prediction: np.ndarray) -> float:
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in prediction[case == 1]
        for low in prediction[case == 0]
    ]
    return sum(pairs) / len(pairs)


def naive_average_precision(case: np.ndarray, prediction: np.ndarray) -> float:
    total, recall = 0.0, 0.0
    for threshold in sorted(set(prediction.tolist()), reverse=True):
        above = prediction >= threshold
        now = case[above].sum() / case.sum()
        total += (now - recall) * case[above].mean()
        recall = now
    return total


@given(st.integers(0, 10_000), st.sampled_from([None, 3, 10]))
def test_areas_and_losses_are_their_definitions(seed, values):
    case, p = people(seed, 40, values)
    found = measured(BinaryJudge(case, p, threshold=0.4)).values
    above = p >= 0.4
    assert found["auroc"] == pytest.approx(naive_auroc(case, p))
    assert found["auprc"] == pytest.approx(naive_average_precision(case, p))
    assert found["brier"] == pytest.approx(((p - case) ** 2).mean())
    assert found["recall"] == pytest.approx(above[case == 1].mean())
    assert found["specificity"] == pytest.approx(1 - above[case == 0].mean())
    benefit = (above & (case == 1)).mean() - (above & (case == 0)).mean() * 0.4 / 0.6
    assert found["net_benefit"] == pytest.approx(benefit)


@given(st.integers(0, 10_000), st.sampled_from([None, 5]))
def test_counts_do_what_repeating_people_does(seed, values):
    case, p = people(seed, 60, values)
    count = np.random.default_rng(seed).integers(0, 4, 60).astype(np.int32)
    count[:2] = 1
    options = {"threshold": 0.5, "n_bins": 1}
    weighted = BinaryJudge(case, p, **options).measure(count)
    repeated = BinaryJudge(np.repeat(case, count), np.repeat(p, count), **options)
    np.testing.assert_allclose(weighted, list(measured(repeated).values.values()), atol=1e-6)
    y = np.random.default_rng(seed).normal(size=60) + p
    weighted = QuantitativeJudge(y, p).measure(count)
    repeated = QuantitativeJudge(np.repeat(y, count), np.repeat(p, count))
    expected = list(measured(repeated).values.values())
    np.testing.assert_allclose(weighted, expected, rtol=1e-8, atol=1e-10)


def test_calibration_error_is_the_mean_gap_of_bins_of_equal_size():
    case, p = people(3, 1000)
    found = measured(BinaryJudge(case, p, n_bins=10)).values["ece"]
    gaps = [
        abs(p[part].mean() - case[part].mean())
        for part in np.array_split(np.argsort(p, kind="stable"), 10)
    ]
    assert found == pytest.approx(np.mean(gaps))


def test_calibration_error_by_chance_is_its_mean_under_perfect_calibration():
    rng = np.random.default_rng(8)
    p = expit(rng.normal(-1, 1, 2000))
    judges = [BinaryJudge((rng.random(2000) < p).astype(float), p) for _ in range(60)]
    errors = [measured(judge).values["ece"] for judge in judges]
    assert np.mean(errors) == pytest.approx(judges[0].ece_by_chance(), rel=0.06)


@given(st.lists(st.sampled_from([0.1, 0.2, 0.5]), min_size=1, max_size=30), st.integers(1, 12))
def test_equal_predictions_share_a_bin_and_bins_ascend(values, n_bins):
    p = np.array(values)
    bins = calibration_bins(p, n_bins)
    assert set(bins.tolist()) == set(range(bins.max() + 1))
    for value in set(values):
        assert len(set(bins[p == value].tolist())) == 1
    assert (np.diff(bins[np.argsort(p, kind="stable")]) >= 0).all()


def test_slope_and_intercept_recover_a_planted_miscalibration():
    rng = np.random.default_rng(4)
    eta = rng.normal(-1, 1.5, 60_000)
    case = (rng.random(60_000) < expit(0.3 + 0.6 * eta)).astype(float)
    found = measured(BinaryJudge(case, expit(eta))).values
    assert found["calibration_slope"] == pytest.approx(0.6, abs=0.03)
    fit = fit_logistic(eta, case > 0)
    assert fit.intercept == pytest.approx(0.3, abs=0.04)
    large = fit_logistic(eta, case > 0, slope=1.0).intercept
    assert found["calibration_intercept"] == pytest.approx(large, abs=1e-8)
    assert (expit(eta + large) - case).mean() == pytest.approx(0, abs=1e-8)


@given(st.integers(0, 10_000), st.sampled_from([None, 1.0]))
def test_a_refit_is_the_fit_of_the_draw(seed, slope):
    case, p = people(seed, 200)
    eta = logit(p)
    count = np.random.default_rng(seed).multinomial(200, np.full(200, 1 / 200)).astype(np.int32)
    refit = Refit(eta, case > 0, slope=slope).fit(count)
    expected = fit_logistic(eta, case > 0, count, slope=slope)
    np.testing.assert_allclose(refit, expected, atol=1e-5)


def test_a_refit_of_a_large_draw_is_off_by_less_than_a_thirtieth_of_its_standard_error():
    case, p = people(3, 40_000)
    refit = Refit(logit(p), case > 0)
    rng = np.random.default_rng(1)
    made, exact = [], []
    for _ in range(20):
        count = rng.multinomial(40_000, np.full(40_000, 1 / 40_000)).astype(np.int32)
        made.append(refit.fit(count))
        exact.append(fit_logistic(logit(p), case > 0, count))
    off = np.abs(np.subtract(made, exact)).max(axis=0)
    assert (off < np.std(exact, axis=0) / 30).all()


def test_liability_r2_is_that_of_the_liability_however_cases_were_sampled():
    rng = np.random.default_rng(5)
    score = rng.normal(size=2_000_000)
    liability = np.sqrt(0.2) * score + np.sqrt(0.8) * rng.normal(size=score.size)
    case = liability > 1.6448536  # 5%
    cases, controls = np.flatnonzero(case), np.flatnonzero(~case)
    for n_controls in (len(controls), len(cases)):
        kept = np.concatenate([cases, controls[:n_controls]])
        r2 = np.corrcoef(score[kept], case[kept])[0, 1] ** 2
        assert liability_r2(r2, case[kept].mean(), 0.05) == pytest.approx(0.2, abs=0.006)


def test_a_score_has_areas_but_no_losses_and_says_so():
    case, p = people(1)
    judge = BinaryJudge(case, logit(p) * 3 + 7, scale="score")
    found = measured(judge)
    same = measured(BinaryJudge(case, p)).values
    assert found.values["auroc"] == pytest.approx(same["auroc"])
    for name in ("brier", "log_loss", "ece", "calibration_slope", "net_benefit"):
        assert math.isnan(found.values[name])
        assert "score" in found.why[name]
    by_logit = measured(BinaryJudge(case, logit(p), scale="logit")).values
    for name, value in same.items():
        assert by_logit[name] == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("case", [np.zeros(5), np.ones(5), np.zeros(0)], ids=str)
def test_one_class_leaves_nan_and_a_reason(case):
    judge = BinaryJudge(case, np.linspace(0.1, 0.9, len(case)))
    found = measured(judge)
    assert math.isnan(found.values["auroc"])
    assert set(found.why) == {k for k, v in found.values.items() if math.isnan(v)}
    assert found.why["auroc"] in ("there is no case", "there is no control", "there is nobody")


def test_separate_classes_have_no_slope():
    found = measured(BinaryJudge(np.array([0.0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])))
    assert found.values["auroc"] == 1
    assert math.isnan(found.values["calibration_slope"])
    assert "separate" in found.why["calibration_slope"]


def test_quantitative_measures_are_their_definitions():
    rng = np.random.default_rng(2)
    x = rng.normal(100, 3, 500)
    y = 0.5 * x + rng.normal(50, 2, 500)
    found = measured(QuantitativeJudge(y, x)).values
    slope, intercept = np.polyfit(x, y, 1)
    assert found["r2"] == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
    assert found["r2_explained"] == pytest.approx(1 - ((y - x) ** 2).sum() / (500 * y.var()))
    assert found["mae"] == pytest.approx(np.abs(y - x).mean())
    assert found["rmse"] == pytest.approx(np.sqrt(((y - x) ** 2).mean()))
    assert found["calibration_slope"] == pytest.approx(slope)
    assert found["calibration_intercept"] == pytest.approx(intercept)


def test_a_constant_prediction_has_no_r2_and_the_reason_is_told():
    found = measured(QuantitativeJudge(np.arange(5.0), np.full(5, 2.0)))
    assert math.isnan(found.values["r2"])
    assert "vary" in found.why["r2"]
    assert found.values["mae"] == pytest.approx(1.2)


def test_the_main_measure_ignores_people_without_truth_or_prediction():
    case, p = people(6)
    truth = np.append(case, [np.nan, 1])
    prediction = np.append(p, [0.5, np.nan])
    expected = measured(BinaryJudge(case, p)).values["auroc"]
    assert discrimination("binary", truth, prediction) == expected


def test_wrong_arrays_are_refused():
    for case, p in (([0, 2], [0.1, 0.2]), ([0, 1], [0.1, 1.2]), ([0, 1], [0.1, np.nan])):
        with pytest.raises(ValueError, match=r"cases|probability"):
            BinaryJudge(np.array(case, float), np.array(p))


def test_every_measure_is_explained():
    assert {*BinaryJudge.names, *QuantitativeJudge.names} <= set(MEASURES)
