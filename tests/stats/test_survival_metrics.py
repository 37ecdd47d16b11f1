"""Measures of times to an event: their definitions, written out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.stats.measures import MEASURES, measured
from genomed.stats.survival_metrics import SurvivalJudge, censoring_curve


def people(seed: int, n: int = 40):
    rng = np.random.default_rng(seed)
    risk = np.round(rng.normal(size=n), 1)
    time = np.ceil(rng.exponential(np.exp(-risk)) * 5)
    censored = np.ceil(rng.exponential(1.5, n) * 5)
    return np.minimum(time, censored), time <= censored, risk


def naive_c_index(time, event, risk, entry=None):
    entry = np.zeros(len(time)) if entry is None else entry
    good, n = 0.0, 0
    for i in range(len(time)):
        for j in range(len(time)):
            later = time[j] > time[i] or (time[j] == time[i] and not event[j])
            if i != j and event[i] and later and entry[j] < time[i]:
                n += 1
                good += 1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0
    return good / n if n else math.nan


def naive_observed(time, event, at, *, strictly):
    """Kaplan-Meier share not yet censored at a time, or before it."""
    share = 1.0
    for t in sorted(set(time.tolist())):
        if t < at or (t == at and not strictly):
            at_risk = sum(time > t) + sum((time == t) & ~event)
            share *= 1 - sum((time == t) & ~event) / at_risk if at_risk else 1.0
    return share


@given(st.integers(0, 10_000), st.booleans())
def test_the_c_index_counts_all_comparable_pairs(seed, late):
    time, event, risk = people(seed)
    entry = None
    if late:
        entry = np.floor(time * np.random.default_rng(seed).random(len(time)) * 0.9)
        entry = np.minimum(entry, time - 1)
    judge = SurvivalJudge(time, event, risk, entry=entry)
    found = measured(judge).values["c_index"]
    assert found == pytest.approx(naive_c_index(time, event, risk, entry), nan_ok=True)


@given(st.integers(0, 10_000))
def test_counts_do_what_repeating_people_does(seed):
    time, event, risk = people(seed)
    count = np.random.default_rng(seed).integers(0, 3, len(time)).astype(np.int32)
    repeated = SurvivalJudge(*(np.repeat(x, count) for x in (time, event, risk)))
    weighted = SurvivalJudge(time, event, risk).measure(count)[0]
    assert weighted == pytest.approx(measured(repeated).values["c_index"], nan_ok=True)


@given(st.integers(0, 10_000))
def test_the_censoring_curve_is_kaplan_and_meiers(seed):
    time, event, _ = people(seed)
    times, observed = censoring_curve(time, event)
    for t, share in zip(times.tolist(), observed.tolist(), strict=True):
        assert share == pytest.approx(naive_observed(time, event, t, strictly=False))


def test_the_integrated_brier_score_is_its_definition():
    time, event, risk = people(3, 60)
    edges = np.array([1.0, 2, 4, 7])
    survival = np.exp(-edges / 5 * np.exp(risk)[:, None])
    loss = []
    for k, edge in enumerate(edges):
        total = 0.0
        for i in range(len(time)):
            if time[i] <= edge and event[i]:
                weight = naive_observed(time, event, time[i], strictly=True)
                total += survival[i, k] ** 2 / weight
            elif time[i] > edge:
                weight = naive_observed(time, event, edge, strictly=False)
                total += (1 - survival[i, k]) ** 2 / weight
        loss.append(total / len(time))
    expected = np.trapezoid(loss, edges) / (edges[-1] - edges[0])
    judge = SurvivalJudge(time, event, risk, survival=survival, edges=edges)
    assert measured(judge).values["integrated_brier"] == pytest.approx(expected)


def test_the_calibration_error_over_time_is_its_definition():
    time, event, risk = people(4, 95)
    edges = np.array([1.0, 2, 4, 7])
    survival = np.exp(-edges / 5 * np.exp(risk)[:, None])
    order = np.argsort(-survival[:, -1], kind="stable")
    errors = []
    for k, edge in enumerate(edges):
        total = 0.0
        for part in np.split(order, np.linspace(0, 95, 11).astype(int)[1:-1]):
            had = known = 0.0
            for i in part:
                if time[i] <= edge and event[i]:
                    weight = 1 / naive_observed(time, event, time[i], strictly=True)
                    had, known = had + weight, known + weight
                elif time[i] > edge:
                    known += 1 / naive_observed(time, event, edge, strictly=False)
            mean = (1 - survival[part, k]).mean()
            total += len(part) * abs(mean - (had / known if known else mean))
        errors.append(total / 95)
    expected = np.trapezoid(errors, edges) / (edges[-1] - edges[0])
    judge = SurvivalJudge(time, event, risk, survival=survival, edges=edges)
    assert measured(judge).values["integrated_calibration"] == pytest.approx(expected)


def test_true_probabilities_are_calibrated_and_doubled_hazards_are_not():
    rng = np.random.default_rng(5)
    n, edges = 40_000, np.linspace(0.5, 4, 8)
    risk = rng.normal(0, 0.7, n)
    rate = 0.1 * np.exp(risk)
    entry = np.where(rng.random(n) < 0.3, rng.uniform(0, 1, n), 0.0)
    time, censored = rng.exponential(1 / rate), entry + rng.exponential(6, n)
    late = time > entry  # who had the event before is never met
    survival = np.exp(-edges * rate[:, None])
    for people, came in ((late, entry), (np.ones(n, bool), None)):
        watched = np.minimum(time, censored if came is not None else rng.exponential(6, n))[people]
        event = time[people] <= watched
        given = {"entry": None if came is None else came[people], "edges": edges}
        judge = SurvivalJudge(watched, event, risk[people], survival=survival[people], **given)
        right = measured(judge).values
        assert right["observed_expected"] == pytest.approx(1, abs=0.03)
        twice = SurvivalJudge(watched, event, risk[people], survival=survival[people] ** 2, **given)
        wrong = measured(twice).values
        assert wrong["observed_expected"] == pytest.approx(0.5, abs=0.02)
        if came is None:
            assert right["integrated_calibration"] < 0.012
            assert wrong["integrated_calibration"] > 0.1
        else:
            assert math.isnan(right["integrated_calibration"])
            assert "later than at 0" in measured(judge).why["integrated_calibration"]


def test_nobody_with_an_event_leaves_a_reason():
    found = measured(SurvivalJudge(np.ones(4), np.zeros(4), np.arange(4.0)))
    assert math.isnan(found.values["c_index"])
    assert set(found.why) == set(SurvivalJudge.names)
    assert set(SurvivalJudge.names) <= set(MEASURES)


def test_wrong_events_are_refused():
    with pytest.raises(ValueError, match="event"):
        SurvivalJudge(np.ones(2), np.array([0, 2]), np.ones(2))
