"""Calibration of times to an event: it recovers what was planted, and holds what it promises."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from genomed.models.families import Survival
from genomed.settings import CalibrationSettings
from genomed.stats.calibration import calibration_from_dict
from genomed.stats.logistic import expit
from genomed.stats.survival_calibration import Observed, SurvivalCalibration, fit_survival

BASELINE = np.array([-3.5, -3.0, -2.6, -2.4, -2.0, -2.2])
T = len(BASELINE)


def watched(z: np.ndarray, seed: int, *, late: bool = False) -> Observed:
    """People with these log hazards above the baseline, followed for 1 to T intervals.

    late : from the second or third on for two thirds; who had the event before is never met
    """
    rng = np.random.default_rng(seed)
    n = len(z)
    happens = rng.random((n, T)) < expit(BASELINE + z[:, None])
    first = np.where(happens.any(axis=1), happens.argmax(axis=1) + 1, T + 1)
    end = rng.integers(1, T + 1, n)
    before = rng.integers(0, 3, n) if late else np.zeros(n, int)
    last = np.minimum(first, end)
    met = last > before
    return Observed(np.where(met, before, 0), np.where(met, last, 0), (first <= end) & met)


def true_risk(z: np.ndarray) -> np.ndarray:
    return 1 - np.prod(1 - expit(BASELINE + z[:, None]), axis=1)


@pytest.mark.parametrize("late", [False, True])
def test_a_predictor_that_is_twice_too_steep_and_shifted_is_put_right(late: bool) -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(0, 0.8, 40_000)
    eta = 3 + 2 * z  # what a model says where the truth is z
    made = fit_survival(eta, watched(z, 2, late=late), T)
    assert made.slope == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(made.baseline + 1.5, BASELINE, atol=0.15)
    new = rng.normal(0, 0.8, 20_000)
    found = made.apply(3 + 2 * new)
    truth = true_risk(new)
    assert np.abs(found.prediction - truth).max() < 0.03
    assert found.prediction.mean() == pytest.approx(truth.mean(), rel=0.02)
    np.testing.assert_allclose(made.survival(3 + 2 * new)[:, -1], 1 - found.prediction, atol=1e-12)
    order = np.argsort(found.prediction)  # tenths of the predicted risk have that risk
    event = watched_to_the_end(new, 5)
    for tenth in np.array_split(order, 10):
        expected = found.prediction[tenth].mean()
        assert abs(event[tenth].mean() - expected) < 4 * np.sqrt(expected / len(tenth))


def watched_to_the_end(z: np.ndarray, seed: int) -> np.ndarray:
    happens = np.random.default_rng(seed).random((len(z), T)) < expit(BASELINE + z[:, None])
    return happens.any(axis=1)


def test_the_fit_is_the_logistic_regression_on_persons_and_intervals() -> None:
    rng = np.random.default_rng(3)
    eta = rng.normal(2, 1.5, 3000)
    observed = watched(0.4 * (eta - 2), 4, late=True)
    made = fit_survival(eta, observed, T)
    person, interval = np.nonzero(observed.at_risk(T))
    event = observed.event[person] & (interval == observed.n_at_risk[person] - 1)
    design = np.column_stack([np.eye(T)[interval], eta[person]])
    judge = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000)
    judge.fit(design, event)
    np.testing.assert_allclose(judge.coef_[0], [*made.baseline, made.slope], atol=1e-3)
    p = judge.predict_proba(design)[:, 1]
    information = (design * (p * (1 - p))[:, None]).T @ design
    np.testing.assert_allclose(made.covariance, np.linalg.inv(information), rtol=0.01, atol=1e-6)


def test_the_interval_holds_the_true_risk_as_often_as_it_says() -> None:
    at, held = np.array([-1.5, 0.0, 1.5]), np.zeros(3)
    for seed in range(150):
        z = np.random.default_rng(seed).normal(0, 1, 600)
        _, low, high = fit_survival(z / 0.7, watched(z, seed + 500), T).apply(at / 0.7)
        held += (low <= true_risk(at)) & (true_risk(at) <= high)
    assert (np.abs(held / 150 - 0.9) < 0.08).all()


def test_groups_with_enough_events_have_levels_of_their_own() -> None:
    rng = np.random.default_rng(6)
    group = rng.choice(["EUR", "AFR", "TINY"], 20_000, p=(0.79, 0.2, 0.01))
    eta = rng.normal(0, 1, 20_000)
    z = eta + np.where(group == "AFR", 0.7, 0.0)
    made = fit_survival(eta, watched(z, 7), T, group.tolist())
    assert set(made.groups) == {"EUR", "AFR"}
    for name, shift in (("EUR", 0.0), ("AFR", 0.7)):
        found = made.apply(eta[:2000], [name] * 2000).prediction
        assert found.mean() == pytest.approx(true_risk(eta[:2000] + shift).mean(), rel=0.06)
    tiny = made.apply(eta[:50], ["TINY"] * 50)
    np.testing.assert_array_equal(tiny.prediction, made.apply(eta[:50]).prediction)


def test_what_is_kept_says_the_same_again() -> None:
    rng = np.random.default_rng(8)
    eta, group = rng.normal(0, 1, 4000), ["A", "B"] * 2000
    made = fit_survival(eta, watched(eta, 9), T, group, CalibrationSettings(level=0.8))
    again = calibration_from_dict(json.loads(json.dumps(made.to_dict())))
    assert isinstance(again, SurvivalCalibration)
    for a, b in zip(made.apply(eta, group), again.apply(eta, group), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="covariance of a calibration"):
        calibration_from_dict(made.to_dict() | {"covariance": [1.0]})


def test_a_constant_predictor_leaves_the_baseline_alone() -> None:
    observed = watched(np.zeros(5000), 10)
    made = fit_survival(np.full(5000, 3.0), observed, T)
    assert made.slope == 0
    np.testing.assert_allclose(made.baseline, BASELINE, atol=0.35)
    assert np.isfinite(made.apply(np.array([3.0]))).all()


def test_an_interval_in_which_nobody_is_at_risk_has_the_level_before_it() -> None:
    observed = watched(np.zeros(2000), 11)
    made = fit_survival(np.random.default_rng(1).normal(size=2000), observed, T + 2)
    assert made.baseline[T] == made.baseline[T + 1] == made.baseline[T - 1]
    low, high = made.apply(np.zeros(1))[1:]
    assert 0 < low[0] < high[0] < 1


def test_no_event_and_a_predictor_that_has_seen_the_truth_are_refused() -> None:
    observed = watched(np.zeros(500), 12)
    nobody = observed._replace(event=np.zeros(500, bool))
    with pytest.raises(ValueError, match="no event"):
        fit_survival(np.zeros(500), nobody, T)
    once = Observed(np.zeros(500, int), np.ones(500, int), np.arange(500) < 100)
    with pytest.raises(ValueError, match="has seen the truth"):
        fit_survival(once.event * 1.0, once, 1)


def test_the_family_s_intervals_are_those_of_the_calibration() -> None:
    rng = np.random.default_rng(13)
    time = rng.exponential(5, 3000)
    entry = np.where(rng.random(3000) < 0.3, time * 0.5, 0.0)
    family = Survival.from_times(time, rng.random(3000) < 0.6, entry=entry)
    before = family.n_before
    assert before is not None
    observed = Observed(before, family.n_at_risk, family.event)
    np.testing.assert_array_equal(observed.at_risk(len(family.baseline)), family.at_risk)
    made = fit_survival(np.zeros(3000), observed, len(family.baseline))
    np.testing.assert_allclose(made.baseline, family.baseline, atol=1e-6)


def test_a_predictor_that_ranks_against_the_events_says_nothing() -> None:
    z = np.random.default_rng(14).normal(0, 1, 3000)
    seen = watched(z, 15)
    made = fit_survival(-z, seen, T)
    flat = fit_survival(np.zeros(3000), seen, T)
    assert made.slope == 0
    np.testing.assert_array_equal(made.baseline, flat.baseline)
    assert np.ptp(made.apply(z).prediction) == 0
