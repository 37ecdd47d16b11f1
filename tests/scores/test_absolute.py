"""Absolute risks average to what the incidence alone gives, and order people as their risks do."""

from types import SimpleNamespace

import numpy as np
import pytest

from genomed.scores.absolute import RelativeRisk, baseline_hazards, cumulative_risk
from genomed.scores.deep_outcome import Outcome

EDGES = np.array([0.0, 40.0, 60.0, 80.0])
RATE = np.array([0.0005, 0.004, 0.02])


def model(intercept: float, coefficient: float) -> SimpleNamespace:
    return SimpleNamespace(intercept=intercept, coefficients=np.array([coefficient]))


@pytest.mark.parametrize(("kind", "intercept"), [("binary", -2.0), ("survival", 0.3)])
def test_the_mean_over_people_like_those_of_training_is_the_population_s_risk(kind, intercept):
    """Also at high risk, where many of those with large relative risks are gone."""
    outcome = Outcome(kind, None, np.array([-2.0]))
    risk = RelativeRisk.of(model(intercept, 0.6), outcome, 0.8)
    eta = intercept + np.random.default_rng(2).normal(0, np.sqrt(0.8 + 0.36), 400_000)
    relative = risk.apply(eta)
    assert relative.mean() == pytest.approx(1, abs=0.01)
    found = cumulative_risk(relative, baseline_hazards(EDGES, RATE, risk)).mean(axis=0)
    population = np.append(0, 1 - np.exp(-np.cumsum(RATE * np.diff(EDGES))))
    assert population[-1] > 0.3
    np.testing.assert_allclose(found, population, rtol=0.01)


def test_risk_is_that_of_the_incidence_where_everybody_is_alike():
    risk = RelativeRisk.of(model(-1.0, 0.0), Outcome("binary", None, np.zeros(0)), 0.0)
    hazards = baseline_hazards(EDGES, RATE, risk)
    np.testing.assert_allclose(hazards, [0, 0.02, 0.1, 0.5], rtol=1e-12)
    np.testing.assert_allclose(cumulative_risk(np.array([1.0, 2.0]), hazards),
                               [1 - np.exp(-hazards), 1 - np.exp(-2 * hazards)])  # fmt: skip


def test_nobody_s_risk_leaves_0_to_1_or_falls_with_age():
    risk = RelativeRisk.of(model(0.0, 1.0), Outcome("survival", None, np.zeros(1)), 2.0)
    found = cumulative_risk(
        risk.apply(np.array([-40.0, 0.0, 40.0])), baseline_hazards(EDGES, RATE, risk)
    )
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found, axis=1) >= 0).all()
    assert (np.diff(found, axis=0)[:, 1:] > 0).all()
