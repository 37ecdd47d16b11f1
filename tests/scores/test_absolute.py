"""Absolute risks average to what the incidence alone gives, and order people as their risks do."""

import numpy as np
import pytest

from genomed.features.design import Design
from genomed.scores.absolute import (
    RelativeRisk,
    baseline_hazards,
    cumulative_risk,
    is_age,
    spread_of,
)
from genomed.scores.deep_outcome import Outcome

EDGES = np.array([0.0, 40.0, 60.0, 80.0])
RATE = np.array([0.0005, 0.004, 0.02])
POPULATION = np.append(0, 1 - np.exp(-np.cumsum(RATE * np.diff(EDGES))))
NO_COLUMNS = np.zeros(0)


def design(n: int, **columns: np.ndarray) -> Design:
    matrix = np.stack([*columns.values()], axis=1) if columns else np.zeros((n, 0))
    none = np.zeros((n, 0), np.int64)
    return Design(matrix.astype(np.float32), list(columns), none, [], [], encoder={})


def spread(mean: float, variance: float) -> list[dict[str, float]]:
    return [{"share": 1.0, "mean": mean, "variance": variance}]


def scores_in_ld(n: int, seed: int) -> np.ndarray:
    """A score of 40 blocks of 25 variants of r2 0.8, effects spread over each block."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(40, 1, n)) * np.sqrt(0.9)
    block = common + rng.normal(size=(40, 25, n)) * np.sqrt(0.1)
    effect = np.repeat(rng.normal(0, 0.16 / 25, (40, 1)), 25, axis=1)
    return np.einsum("bvn,bv->n", block, effect)


@pytest.mark.parametrize(("kind", "mean"), [("binary", -2.0), ("survival", 0.3)])
def test_the_mean_over_people_like_those_of_training_is_the_population_s_risk(kind, mean):
    """Where variants are in LD, and at high risk, where many of those concerned are gone."""
    outcome = Outcome(kind, None, np.array([-2.0]))
    trained = mean + scores_in_ld(20_000, 2)
    assert 0.5 < trained.var() < 2
    case = None
    if kind == "binary":
        case = (np.random.default_rng(3).random(20_000) < 1 / (1 + np.exp(-trained))).astype(float)
    risk = RelativeRisk.of(outcome, spread_of(trained, design(20_000), NO_COLUMNS, case))
    relative = risk.apply(trained)
    assert relative.mean() == pytest.approx(1, abs=0.02)
    found = cumulative_risk(relative, baseline_hazards(EDGES, RATE, risk)).mean(axis=0)
    assert POPULATION[-1] > 0.3
    np.testing.assert_allclose(found, POPULATION, rtol=0.02)


def test_cases_that_were_sampled_more_often_count_as_often_as_there_are_any():
    rng = np.random.default_rng(5)
    eta = rng.normal(-3, 1, 400_000)
    case = (rng.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(float)
    kept = (case == 1) | (rng.random(len(eta)) < 0.1)
    known = np.where(kept, eta, np.nan)
    sampled = spread_of(known, design(len(eta)), NO_COLUMNS, case)
    everybody = spread_of(eta, design(len(eta)), NO_COLUMNS, case)
    assert sampled[1]["share"] > 3 * everybody[1]["share"]
    told = Outcome("survival", None, np.zeros(1), prevalence=case.mean())
    one, other = RelativeRisk.of(told, sampled), RelativeRisk.of(told, everybody)
    assert one.scale == pytest.approx(other.scale, rel=0.01)
    assert one.apply(eta).mean() == pytest.approx(1, abs=0.02)


def test_age_is_no_part_of_the_spread():
    rng = np.random.default_rng(6)
    table = {"age": rng.normal(size=5000), "bmi": rng.normal(size=5000)}
    table["age2"] = table["age"] ** 2
    weights = np.array([0.9, 0.5, -0.3])
    rest = 0.5 * table["bmi"] + rng.normal(0, 0.2, 5000)
    (found,) = spread_of(
        rest + 0.9 * table["age"] - 0.3 * table["age2"], design(5000, **table), weights, None
    )
    assert found["variance"] == pytest.approx(rest.var(), rel=1e-3)


def test_columns_of_age_are_known_by_their_names():
    age = ["age", "Age", "age2", "age_at_recruitment", "baseline.age", "AGE=(missing)", "age_sq",
           "agesq", "age:sex", "year_of_birth", "yob"]  # fmt: skip
    other = ["stage", "dosage", "language", "bmi", "average_bmi", "sex=age", "packages"]
    assert is_age(age).all()
    assert not is_age(other).any()


def test_risk_is_that_of_the_incidence_where_everybody_is_alike():
    risk = RelativeRisk.of(Outcome("binary", None, np.zeros(0)), spread(-1.0, 0.0))
    hazards = baseline_hazards(EDGES, RATE, risk)
    np.testing.assert_allclose(hazards, [0, 0.02, 0.1, 0.5], rtol=1e-12)
    np.testing.assert_allclose(cumulative_risk(np.array([1.0, 2.0]), hazards),
                               [1 - np.exp(-hazards), 1 - np.exp(-2 * hazards)])  # fmt: skip


def test_nobody_s_risk_leaves_0_to_1_or_falls_with_age():
    risk = RelativeRisk.of(Outcome("survival", None, np.zeros(1)), spread(0.0, 3.0))
    found = cumulative_risk(
        risk.apply(np.array([-40.0, 0.0, 40.0])), baseline_hazards(EDGES, RATE, risk)
    )
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found, axis=1) >= 0).all()
    assert (np.diff(found, axis=0)[:, 1:] > 0).all()
