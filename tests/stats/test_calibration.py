"""Calibrations: they recover what was planted, hold what they promise, and survive JSON."""

import json
import math

import numpy as np
import pytest

from genomed.settings import CalibrationSettings
from genomed.stats.binary_metrics import BinaryJudge
from genomed.stats.calibration import calibration_from_dict, fit_calibration
from genomed.stats.logistic import expit, logit
from genomed.stats.measures import measured
from genomed.stats.quantitative_calibration import conformal_quantiles

GROUPS = np.array(["EUR", "AFR", "EAS"])


def cohort(seed, n, shift=(0.0, 0.6, -0.4), stretch=(1.0, 0.6, 1.2)):
    """Predictors, log odds and groups of 80/10/10 in which the predictor means different things."""
    rng = np.random.default_rng(seed)
    group = rng.choice(3, n, p=(0.8, 0.1, 0.1))
    eta = rng.normal(0, 1, n)
    return eta, -1.5 + np.array(shift)[group] + 0.7 * np.array(stretch)[group] * eta, GROUPS[group]


def drawn(log_odds, seed):
    return (np.random.default_rng(seed).random(len(log_odds)) < expit(log_odds)).astype(float)


def same(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_probabilities_are_calibrated_in_new_people_of_every_group():
    eta, z, group = cohort(1, 30_000)
    made = fit_calibration("binary", eta, drawn(z, 2), group)
    assert set(made.groups) == set(GROUPS)
    eta, z, group = cohort(3, 60_000)
    p = made.apply(eta, group).prediction
    case = drawn(z, 4)
    for name in GROUPS:
        there = group == name
        found = measured(BinaryJudge(case[there], p[there])).values
        assert found["ece"] < 0.02
        assert found["calibration_slope"] == pytest.approx(1, abs=0.15)


def test_a_group_of_few_cases_has_the_common_curve():
    eta, z, group = cohort(1, 3000)
    group[5:] = "EUR"
    made = fit_calibration("binary", eta, drawn(z, 2), group)
    assert set(made.groups) == {"EUR"}
    unknown = made.apply(eta[:5], ["AFR", None, "XYZ", "", "AFR"])
    same(unknown, made.apply(eta[:5]))


def test_the_interval_holds_the_share_of_cases_as_often_as_it_says():
    at = np.array([-1.5, 0.0, 1.5])
    held = np.zeros(3)
    for seed in range(120):
        rng = np.random.default_rng(seed)
        eta = rng.normal(0, 1, 800)
        made = fit_calibration("binary", eta, drawn(-1 + 0.8 * eta, seed + 1000))
        _, low, high = made.apply(at)
        held += (low <= expit(-1 + 0.8 * at)) & (expit(-1 + 0.8 * at) <= high)
    assert (np.abs(held / 120 - 0.9) < 3 * math.sqrt(0.09 / 120)).all()


def test_the_isotonic_curve_is_taken_where_the_logistic_one_is_wrong():
    rng = np.random.default_rng(7)
    eta = rng.normal(0, 1, 20_000)
    z = np.where(eta > 0, 0.5 + 2 * eta, -1.0)  # flat below, steep above
    made = fit_calibration("binary", eta, drawn(z, 8))
    assert made.method == "isotonic"
    assert made.losses["isotonic"] < made.losses["logistic"]
    p = made.apply(eta).prediction
    assert (np.diff(p[np.argsort(eta)]) >= 0).all()
    assert measured(BinaryJudge(drawn(z, 9), p)).values["ece"] < 0.015
    straight = fit_calibration("binary", eta, drawn(-1 + eta, 8))
    assert straight.method == "logistic"


def test_an_isotonic_interval_holds_the_truth():
    rng = np.random.default_rng(11)
    eta = rng.normal(0, 1, 12_000)
    z = np.where(eta > 0, 0.5 + 2 * eta, -1.0)
    made = fit_calibration("binary", eta, drawn(z, 8), settings=CalibrationSettings(n_draws=40))
    found = made.apply(eta)
    held = (found.low <= expit(z)) & (expit(z) <= found.high)
    assert made.method == "isotonic"
    assert held.mean() > 0.8


def test_another_prevalence_moves_log_odds_by_the_difference():
    eta, z, group = cohort(1, 20_000, shift=(0, 0, 0), stretch=(1, 1, 1))
    made = fit_calibration("binary", eta, drawn(z, 2))
    moved = made.apply(eta, prevalence=0.02).prediction
    expected = logit(np.array(0.02)) - logit(np.array(made.share))
    np.testing.assert_allclose(
        logit(moved) - logit(made.apply(eta).prediction), expected, atol=1e-9
    )
    by_group = made.apply(eta, group, prevalence={"AFR": 0.02}).prediction
    there = group == "AFR"
    np.testing.assert_allclose(by_group[there], moved[there])
    np.testing.assert_allclose(by_group[~there], made.apply(eta).prediction[~there])
    with pytest.raises(ValueError, match="prevalence"):
        made.apply(eta, prevalence=1.0)


def test_cases_sampled_tenfold_are_put_right_by_the_prevalence():
    rng = np.random.default_rng(5)
    eta = rng.normal(0, 1, 200_000)
    case = drawn(-4 + eta, 6)
    kept = (case > 0) | (rng.random(len(case)) < 0.1)
    made = fit_calibration("binary", eta[kept], case[kept])
    p = made.apply(eta, prevalence=float(case.mean())).prediction
    assert p.mean() == pytest.approx(case.mean(), rel=0.05)


def test_a_case_control_study_is_put_right_by_the_prevalence_in_every_group():
    """One case in two, of a disease of one in twenty, of 4 to 12 % in three groups."""
    eta, z, group = cohort(21, 300_000, shift=(-0.6, 0.2, 0.6), stretch=(1, 1, 1))
    z = z - 1.3
    case = drawn(z, 22)
    k = float(case.mean())
    assert 0.04 < k < 0.06
    controls = np.flatnonzero(case == 0)[: int(case.sum())]
    kept = np.concatenate([np.flatnonzero(case), controls])
    made = fit_calibration("binary", eta[kept], case[kept], group[kept])
    assert made.share == 0.5
    new_eta, new_z, new_group = cohort(23, 100_000, shift=(-0.6, 0.2, 0.6), stretch=(1, 1, 1))
    truth = expit(new_z - 1.3)
    found = made.apply(new_eta, new_group, prevalence=k)
    assert found.prediction.mean() == pytest.approx(truth.mean(), rel=0.03)
    for name in GROUPS:
        there = new_group == name
        assert found.prediction[there].mean() == pytest.approx(truth[there].mean(), rel=0.08), name
    told = measured(BinaryJudge(drawn(new_z - 1.3, 24), found.prediction))
    assert told.values["ece"] < 0.004
    assert told.values["calibration_slope"] == pytest.approx(1, abs=0.07)
    assert (
        measured(BinaryJudge(drawn(new_z - 1.3, 24), made.apply(new_eta).prediction)).values["ece"]
        > 0.2
    )


def test_the_interval_at_another_prevalence_holds_the_truth():
    at, held = np.array([-1.5, 0.0, 1.5]), np.zeros(3)
    for seed in range(120):
        rng = np.random.default_rng(seed)
        eta = rng.normal(0, 1, 20_000)
        case = drawn(-3.4 + eta, seed + 1000)
        kept = np.concatenate([np.flatnonzero(case), np.flatnonzero(case == 0)[: int(case.sum())]])
        made = fit_calibration("binary", eta[kept], case[kept])
        k = float(expit(-3.4 + np.random.default_rng(1).normal(0, 1, 400_000)).mean())
        _, low, high = made.apply(at, prevalence=k)
        held += (low <= expit(-3.4 + at)) & (expit(-3.4 + at) <= high)
    assert (held / 120 > 0.82).all()


def test_intervals_hold_new_people_of_every_group_as_often_as_they_say():
    def values(seed, n):
        rng = np.random.default_rng(seed)
        eta, z, group = cohort(seed, n)
        width = np.select([group == "AFR", group == "EAS"], [3.0, 0.7], 1.0)
        return eta, z + width * rng.standard_gamma(2.0, n), group  # skewed, of unequal spread

    eta, y, group = values(1, 20_000)
    made = fit_calibration("quantitative", eta, y, group)
    eta, y, group = values(2, 40_000)
    p, low, high = made.apply(eta, group)
    held = (low <= y) & (y <= high)
    assert 0.88 <= held.mean() <= 0.92
    for name in GROUPS:
        there = group == name
        assert 0.87 <= held[there].mean() <= 0.93
        assert (y - p)[there].mean() == pytest.approx(0, abs=0.12)


def test_intervals_follow_a_spread_that_grows_with_the_prediction():
    rng = np.random.default_rng(3)
    eta = rng.uniform(1, 5, 8000)
    y = 2 + 3 * eta + eta * rng.normal(size=8000)
    made = fit_calibration("quantitative", eta[:4000], y[:4000])
    assert len(made.places) > 1
    p, low, high = made.apply(eta[4000:])
    held = (low <= y[4000:]) & (y[4000:] <= high)
    for part in np.array_split(np.argsort(p), 4):
        assert 0.85 <= held[part].mean() <= 0.95
    even = fit_calibration("quantitative", eta, 2 + 3 * eta + rng.normal(size=8000))
    assert len(even.places) == 1


def test_conformal_quantiles_hold_a_new_value_at_least_as_often_as_they_say():
    rng = np.random.default_rng(4)
    held = []
    for _ in range(3000):
        left = rng.standard_exponential(60)
        found = conformal_quantiles(left[:59], 0.9)
        held.append(found.low <= left[59] <= found.high)
    assert np.mean(held) == pytest.approx(0.9, abs=0.017)


@pytest.mark.parametrize("kind", ["binary", "quantitative"])
def test_a_calibration_is_the_same_after_json(kind):
    eta, z, group = cohort(1, 9000)
    truth = drawn(z, 2) if kind == "binary" else z + np.random.default_rng(2).normal(size=9000)
    made = fit_calibration(kind, eta, truth, group)
    again = calibration_from_dict(json.loads(json.dumps(made.to_dict(), allow_nan=False)))
    same(again.apply(eta, group), made.apply(eta, group))
    assert again.to_dict() == made.to_dict()


def test_unknown_predictors_stay_unknown_and_teach_nothing():
    eta, z, _ = cohort(1, 2000)
    truth = drawn(z, 2)
    made = fit_calibration("binary", eta, truth)
    with_gaps = fit_calibration(
        "binary", np.append(eta, [np.nan, 3]), np.append(truth, [1, np.nan])
    )
    assert made.to_dict() == with_gaps.to_dict()
    assert np.isnan(made.apply(np.array([np.nan, 1.0])).prediction).tolist() == [True, False]


@pytest.mark.parametrize(
    ("kind", "eta", "truth"),
    [
        ("binary", [0.0, 1], [1.0, 1]),
        ("binary", [0.0, 1, 2, 3], [0.0, 0, 1, 1]),
        ("quantitative", [0.0, 1], [1.0, 1]),
        ("survival", [0.0, 1], [1.0, 1]),
        ("binary", [0.0, 1], [1.0, 2]),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(kind, eta, truth):
    with pytest.raises(ValueError, match=r"calibrat|separates|cases"):
        fit_calibration(kind, np.array(eta), np.array(truth))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "other"},
        {"knots": [1.0, 0.0]},
        {"knots": "x"},
        {"variance": [1.0]},
        {"method": "pickle"},
        {"level": "0.9"},
        {"groups": {"A": {}}},
    ],
    ids=str,
)
def test_a_calibration_of_another_make_is_refused(change):
    eta, z, _ = cohort(1, 500)
    facts = fit_calibration("binary", eta, drawn(z, 2)).to_dict() | change
    with pytest.raises(ValueError, match=r"calibration|method|could not convert"):
        calibration_from_dict(facts)


@pytest.mark.parametrize("kind", ["binary", "quantitative"])
@pytest.mark.parametrize("n", [400, 20_000])
def test_a_predictor_that_ranks_against_the_trait_says_nothing(kind, n):
    eta, z, _ = cohort(21, n)
    truth = drawn(z, 22) if kind == "binary" else z + np.random.default_rng(23).normal(0, 1, n)
    said = fit_calibration(kind, -eta, truth).apply(np.linspace(-3, 3, 20)).prediction
    assert np.ptp(said) < 0.02 * truth.std()
    assert said.mean() == pytest.approx(truth.mean(), abs=0.01)
