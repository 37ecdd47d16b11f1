"""Trunks of ancestry groups: kept where a group differs, told in new people, harmless elsewhere."""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from planted_traits import planted

from genomed.models.adaptive import AdaptiveFit, fit_stages
from genomed.models.ancestry_part import of_people
from genomed.models.families import Binary, Family, Quantitative, Survival
from genomed.models.memory import Remembered
from genomed.models.risk_model import RiskModel
from genomed.models.training_set import TrainingSet
from genomed.settings import TrainSettings

SETTINGS = TrainSettings(stages=("ancestry",))
NAMES = ("large", "small", "tiny")


class Case(NamedTuple):
    data: TrainingSet
    value: np.ndarray  # float64 (n,), genetic value
    noise: np.ndarray

    @property
    def y(self) -> np.ndarray:
        return np.asarray(np.sqrt(0.5) * (self.value + self.noise))


def case(seed: int, *, differ: bool, covariates: int = 2, n: int = 3000) -> Case:
    """20 effects; in a sixth of the people, half of the effects have the other sign, or not."""
    cohort = planted(seed, covariates=covariates, n=n)
    group = np.where(np.arange(n) % 6 == 0, 1, 0)
    group[np.arange(n) % 41 == 3] = 2
    group[np.arange(n) % 29 == 1] = -1
    effects = np.random.default_rng([seed, 1]).normal(size=20)
    other = effects * np.where(np.arange(20) % 2, 1, -1) if differ else effects
    value = np.where(group == 1, other @ cohort.z[:20], effects @ cohort.z[:20])
    data = replace(cohort.data, group=group, group_names=NAMES)
    return Case(data, value / value.std(), cohort.noise)


def r2(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1] ** 2)


def fitted(made: Case, family: Family, **options: object) -> AdaptiveFit:
    return fit_stages(made.data, family, SETTINGS, threads=2, **options)


@cache
def known() -> tuple[Case, AdaptiveFit]:
    """A group whose effects differ, and the model."""
    made = case(1, differ=True)
    return made, fitted(made, Quantitative(made.y))


def model_of(made: Case, fit: AdaptiveFit) -> RiskModel:
    variants = made.data.variants.drop("row").with_columns(alt_allele_frequency=pl.lit(0.3))
    return RiskModel.of(fit, variants)


def calls_of(model: RiskModel, made: Case) -> np.ndarray:
    place = {name: i for i, name in enumerate(made.data.variants["id"])}
    return made.data.words[[place[name] for name in model.variants["id"]]]


def test_a_group_whose_effects_differ_is_predicted_better() -> None:
    made, fit = known()
    assert fit.kept == ["linear", "ancestry"]
    assert fit.ancestry is not None
    assert fit.ancestry.groups == ["small"]
    small = ~made.data.develop & (made.data.group == 1)
    before, after = (r2(eta[small], made.value[small]) for eta in (fit.additive[1], fit.whole))
    assert after > before + 0.1
    told = {verdict.stage: verdict.reason for verdict in fit.verdicts}
    assert "tiny is too small" in told["ancestry"]
    assert "large is most of the people" in told["ancestry"]


def test_everybody_else_keeps_the_pooled_trunk() -> None:
    made, fit = known()
    rest = made.data.group != 1
    np.testing.assert_array_equal(fit.whole[rest], fit.additive[1][rest])
    np.testing.assert_array_equal(fit.out_of_fold[rest], fit.additive[0][rest])


@pytest.mark.parametrize("seed", [2, 3])
def test_a_group_that_does_not_differ_loses_nothing(seed: int) -> None:
    made = case(seed, differ=False)
    fit = fitted(made, Quantitative(made.y))
    small = ~made.data.develop & (made.data.group == 1)
    assert (
        r2(fit.whole[small], made.value[small])
        > r2(fit.additive[1][small], made.value[small]) - 0.01
    )


def test_without_an_effect_hardly_any_group_gets_a_trunk() -> None:
    found = 0
    for seed in range(40, 45):
        made = case(seed, differ=True, n=1800)
        found += fitted(made, Quantitative(made.noise)).ancestry is not None
    assert found <= 1


def test_people_out_of_fold_do_not_decide_what_is_said_of_them() -> None:
    made = case(7, differ=True)
    y = made.y
    fit = fitted(made, Quantitative(y))
    assert fit.ancestry is not None
    small = made.data.develop & (made.data.group == 1)
    assert r2(fit.out_of_fold[small], y[small]) < r2(fit.whole[small], y[small])


@pytest.mark.parametrize("kind", ["binary", pytest.param("survival", marks=pytest.mark.slow)])
def test_other_kinds_of_traits_gain_as_well(kind: str) -> None:
    made = case(8, differ=True, n=4000 if kind == "binary" else 2000)
    liability = made.value * 1.5 + made.noise * 0.5
    if kind == "binary":
        family: Family = Binary((liability > 0).astype(float))
    else:
        rng = np.random.default_rng(8)
        time = rng.exponential(np.exp(-liability))
        family = Survival.from_times(np.minimum(time, 2.0), time < 2.0, 6)
    fit = fitted(made, family)
    assert fit.ancestry is not None
    small = ~made.data.develop & (made.data.group == 1)
    before, after = (fit.family.deviance(eta)[small].mean() for eta in (fit.additive[1], fit.whole))
    assert after < 0.97 * before


def test_a_model_says_what_training_said() -> None:
    made, fit = known()
    model = model_of(made, fit)
    again = RiskModel.from_parts(*model.to_parts(), model.variants)
    names = [NAMES[k] if k >= 0 else None for k in made.data.group]
    assert again.ancestry is not None
    found = again.predict(
        calls_of(again, made), made.data.n_samples, made.data.covariates,
        group=again.ancestry.places(names),
    )  # fmt: skip
    np.testing.assert_allclose(found.full, fit.whole, atol=1e-5)
    alone = again.predict(calls_of(again, made), made.data.n_samples, made.data.covariates)
    np.testing.assert_allclose(alone.full, fit.additive[1], atol=1e-5)


def test_a_group_is_fitted_without_covariates_as_well() -> None:
    made = case(1, differ=True, covariates=0, n=1800)
    fit = fitted(made, Quantitative(made.y))
    assert fit.ancestry is not None
    assert np.isfinite(fit.whole).all()


def test_an_unknown_group_is_none() -> None:
    part = known()[1].ancestry
    assert part is not None
    assert part.places(["small", "elsewhere", None, "large"]).tolist() == [0, -1, -1, -1]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ancestry.0.row", lambda a: a[::-1].copy()),
        ("ancestry.0.row", lambda a: a + 10_000),
        ("ancestry.0.genotype_weights", lambda a: a[:, :3]),
        ("ancestry.0.genotype_weights", lambda a: a * np.nan),
        ("ancestry.0.coefficients", lambda a: a[:1]),
    ],
)
def test_tensors_that_do_not_fit_are_refused(name: str, change: object) -> None:
    model = model_of(*known())
    tensors, facts = model.to_parts()
    tensors[name] = change(tensors[name])  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"ancestry|covariates"):
        RiskModel.from_parts(tensors, facts, model.variants)


def test_threads_and_a_memory_change_nothing() -> None:
    made = case(9, differ=True, n=1800)
    kept: dict[str, Remembered] = {}

    class Shelf:
        def recall(self, name: str) -> Remembered | None:
            return kept.get(name)

        def keep(self, name: str, result: Remembered) -> None:
            kept[name] = result

    family = Quantitative(made.y)
    first = fit_stages(made.data, family, SETTINGS, threads=1, memory=Shelf())
    assert "ancestry-1" in kept
    again = fit_stages(made.data, family, SETTINGS, threads=2, memory=Shelf())
    fresh = fit_stages(made.data, family, SETTINGS, threads=2)
    np.testing.assert_array_equal(first.whole, again.whole)
    np.testing.assert_array_equal(first.whole, fresh.whole)


def test_packed_calls_of_some_people_are_theirs() -> None:
    made = case(1, differ=True, n=1800)
    people = np.array([3, 70, 71, 1500, 2])
    model_rows = np.array([0, 5])
    some = of_people(made.data.words[model_rows], people)
    for i, person in enumerate(people.tolist()):
        word = made.data.words[model_rows, person // 32] >> np.uint64(2 * (person % 32))
        np.testing.assert_array_equal(some[:, 0] >> np.uint64(2 * i) & np.uint64(3),
                                      word & np.uint64(3))  # fmt: skip
