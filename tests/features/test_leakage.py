"""Covariates that tell the trait are found and named; honest ones are not."""

import numpy as np
import polars as pl
import pytest

from genomed.features import sequences
from genomed.features.design import encode
from genomed.features.leakage import find_leaks
from genomed.io.traits import Trait
from genomed.settings import DesignSettings

N = 400
EVERYBODY = np.ones(N, np.bool_)


def cases() -> Trait:
    value = (np.random.default_rng(5).random(N) < 0.3).astype(float)
    return Trait("cad", "binary", value)


def found(columns: dict, trait: Trait, mask: np.ndarray = EVERYBODY, **options) -> list[tuple]:
    leaks = find_leaks(encode(pl.DataFrame(columns)), [trait], mask, **options)
    return [(leak.covariate, leak.trait, leak.measure) for leak in leaks]


def test_a_covariate_that_equals_the_trait_is_named():
    trait = cases()
    (leak,) = find_leaks(encode(pl.DataFrame({"copy": 1 - trait.value})), [trait], EVERYBODY)
    assert str(leak).startswith("Covariate copy tells cad with AUROC 1.000 (it equals the trait)")


def test_honest_covariates_are_silent():
    trait = cases()
    rng = np.random.default_rng(6)
    sites = [f"s{i}" for i in rng.integers(0, 20, N)]
    strong = trait.value + rng.normal(size=N)
    assert found({"age": rng.normal(size=N), "strong": strong, "site": sites}, trait) == []


def test_that_a_value_is_unknown_may_tell():
    trait = cases()
    onset = np.where(trait.value == 1, np.random.default_rng(7).normal(60, 5, N), np.nan)
    assert ("onset=(missing)", "cad", "AUROC") in found({"onset": onset}, trait)


@pytest.mark.parametrize("n_levels", [2, 20])
def test_levels_that_tell_together_are_found(n_levels):
    trait = cases()
    rng = np.random.default_rng(8)
    ward = [f"{'ill' if v else 'well'}{rng.integers(n_levels)}" for v in trait.value]
    design = encode(pl.DataFrame({"ward": ward}), DesignSettings(min_level=5))
    assert [leak.covariate for leak in find_leaks(design, [trait], EVERYBODY)] == ["ward"]


def test_a_number_that_is_nearly_the_trait_is_told_by_r2():
    rng = np.random.default_rng(9)
    height = rng.normal(170, 10, N)
    trait = Trait("height", "quantitative", height)
    columns = {
        "inches": height / 2.54 + rng.normal(0, 0.1, N),
        "weight": height + rng.normal(0, 9, N),
    }
    assert found(columns, trait) == [("inches", "height", "r2")]


def test_the_time_of_an_event_is_a_leak_too():
    rng = np.random.default_rng(10)
    time = rng.exponential(5, N)
    trait = Trait("death", "survival", (rng.random(N) < 0.5).astype(float), time)
    assert found({"follow_up": time}, trait) == [("follow_up", "death", "r2")]


def test_only_people_of_the_mask_with_a_label_are_looked_at():
    trait = cases()
    copy = trait.value.copy()
    copy[:200] = np.random.default_rng(11).permutation(copy[:200])
    assert found({"copy": copy}, trait) == []
    assert found({"copy": copy}, trait, np.arange(N) >= 200) == [("copy", "cad", "AUROC")]


def test_a_code_that_only_cases_have_is_found():
    trait = cases()
    ill = np.flatnonzero(trait.value)
    rows = {
        "sample": [*ill.tolist(), *range(N)],
        "code": ["I25"] * len(ill) + ["Z00"] * N,
        "time": [50.0] * (len(ill) + N),
    }
    coded = sequences.encode(pl.DataFrame(rows), N)
    assert found({"age": np.arange(N) * 1.0}, trait, sequences=coded) == [
        ("code I25", "cad", "AUROC")
    ]
