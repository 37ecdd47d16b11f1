"""Stages of the adaptive model find what was planted, and stay away where nothing was."""

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
from planted_traits import planted

from genomed.models.adaptive import AdaptiveFit, fit_stages
from genomed.models.families import Binary, Quantitative
from genomed.models.few_terms import ridge_fits
from genomed.models.risk_model import NetPart, RiskModel, net_inputs
from genomed.models.training import HeadConfig, fit_head, predict_head
from genomed.models.training_set import TrainingSet
from genomed.models.verdicts import judge
from genomed.settings import TrainSettings

SETTINGS = TrainSettings()


def r2(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1] ** 2)


def with_frequency(data: TrainingSet) -> pl.DataFrame:
    return data.variants.drop("row").with_columns(alt_allele_frequency=pl.lit(0.3))


def test_one_standard_column_is_shrunk_by_one_plus_the_penalty() -> None:
    rng = np.random.default_rng(1)
    column = rng.normal(size=400)
    column = (column - column.mean()) / column.std()
    y = 0.4 * column + rng.normal(size=400)
    (fit,) = ridge_fits(
        column[None].astype(np.float32), Quantitative(y), np.zeros(400), np.ones(400),
        np.array([0.25]),
    )  # fmt: skip
    assert fit[0] == pytest.approx((column @ y / 400) / 1.25, rel=1e-6)


def test_ridge_of_a_binary_trait_is_at_the_maximum() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, 500)).astype(np.float32)
    y = (rng.random(500) < 1 / (1 + np.exp(-0.7 * x[0]))).astype(float)
    family, weight = Binary(y), np.r_[np.ones(400), np.zeros(100)]
    (fit,) = ridge_fits(x, family, np.full(500, 0.2), weight, np.array([0.1]))
    residual, information = family.working(0.2 + fit @ x)
    gradient = x @ (weight * residual) - 0.1 * (weight * information).sum() * fit
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_a_person_left_out_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 300)).astype(np.float32), rng.normal(size=300)
    weight = np.r_[np.ones(200), np.zeros(100)]
    first = ridge_fits(x, Quantitative(y), np.zeros(300), weight, np.array([0.1]))
    changed = np.where(weight > 0, y, 1e6)
    again = ridge_fits(x, Quantitative(changed), np.zeros(300), weight, np.array([0.1]))
    np.testing.assert_array_equal(first, again)


def test_a_gain_within_chance_is_refused() -> None:
    rng = np.random.default_rng(4)
    y = rng.normal(size=1000)
    people = np.ones(1000, bool)
    better, noise = np.zeros(1000) + 0.3 * y, rng.normal(0, 1e-3, 1000)
    same = judge("x", Quantitative(y), np.zeros(1000), noise, people, 1.0, accept_z=2)
    gain = judge("x", Quantitative(y), np.zeros(1000), better, people, 1.0, accept_z=2)
    assert gain.accepted
    assert not same.accepted
    assert gain.gain == pytest.approx(np.mean(y**2 - (0.7 * y) ** 2))


def pair_fit(seed: int) -> tuple[AdaptiveFit, TrainingSet, np.ndarray, np.ndarray]:
    cohort = planted(seed)
    value = cohort.z[5] * cohort.z[70] + cohort.z[20] * cohort.z[100]
    y = cohort.trait(value)
    fit = fit_stages(cohort.data, Quantitative(y), SETTINGS, threads=2)
    return fit, cohort.data, y, cohort.test


def test_planted_pairs_are_found_by_name_and_told_in_new_people() -> None:
    fit, _, y, test = pair_fit(10)
    assert fit.pairs is not None
    found = set(zip(fit.pairs.terms.row1.tolist(), fit.pairs.terms.row2.tolist(), strict=True))
    assert {(5, 70), (20, 100)} <= found
    assert len(found) <= 4
    assert r2(y[test], fit.whole[test]) > 0.35  # of 0.5; the sampling error is 0.05
    assert r2(y[test], fit.additive[1][test]) < 0.05
    assert set(fit.hubs.tolist()) >= {5, 20, 70, 100}


def test_dominance_is_found_and_told_in_new_people() -> None:
    cohort = planted(11)
    value = np.where(cohort.alt_count[3] == 1, 1.0, 0) - np.where(cohort.alt_count[50] == 1, 1.0, 0)
    y = cohort.trait(value)
    settings = replace(SETTINGS, stages=("dominance",))
    fit = fit_stages(cohort.data, Quantitative(y), settings, threads=2)
    assert fit.kept == ["linear", "dominance"]
    assert r2(y[cohort.test], fit.whole[cohort.test]) > 0.35


def test_an_effect_that_depends_on_a_covariate_is_found() -> None:
    cohort = planted(12, covariates=2)
    score = cohort.z[:10].sum(axis=0) / np.sqrt(10)
    y = cohort.trait(score * (1 + cohort.data.covariates[:, 1]))
    settings = replace(SETTINGS, stages=("covariates",))
    fit = fit_stages(cohort.data, Quantitative(y), settings, threads=2)
    assert fit.covariates is not None
    assert abs(fit.covariates.by_score[1]) > 5 * abs(fit.covariates.by_score[0])
    assert r2(y[cohort.test], fit.whole[cohort.test]) > (
        0.05 + r2(y[cohort.test], fit.additive[1][cohort.test])
    )


@pytest.mark.parametrize("seed", [21, 22, 23])
def test_on_an_additive_trait_nothing_is_added(seed: int) -> None:
    cohort = planted(seed, covariates=1)
    y = cohort.trait(cohort.z[:20].sum(axis=0))
    fit = fit_stages(cohort.data, Quantitative(y), SETTINGS, threads=2)
    assert fit.kept == ["linear"]
    np.testing.assert_array_equal(fit.whole, fit.additive[1])


def test_labels_of_the_test_people_are_never_looked_at() -> None:
    cohort = planted(31)
    y = cohort.trait(cohort.z[5] * cohort.z[70])
    first = fit_stages(cohort.data, Quantitative(y), SETTINGS)
    blind = fit_stages(cohort.data, Quantitative(np.where(cohort.test, 99.0, y)), SETTINGS)
    np.testing.assert_array_equal(first.whole, blind.whole)


def test_threads_change_nothing() -> None:
    cohort = planted(32)
    y = (cohort.trait(cohort.z[5] * cohort.z[70]) > 0.5).astype(float)
    one = fit_stages(cohort.data, Binary(y), SETTINGS, threads=1)
    two = fit_stages(cohort.data, Binary(y), SETTINGS, threads=2)
    np.testing.assert_array_equal(one.whole, two.whole)
    np.testing.assert_array_equal(one.out_of_fold, two.out_of_fold)


@cache
def with_every_part() -> tuple[RiskModel, np.ndarray, TrainingSet]:
    """A model with all parts, and the predictor that training gave to everybody."""
    cohort = planted(41, covariates=2)
    score = cohort.z[:10].sum(axis=0) / np.sqrt(10)
    het = (cohort.alt_count[60] == 1) * 2.0
    value = score * (1 + cohort.data.covariates[:, 1]) + cohort.z[5] * cohort.z[70] + het
    fit = fit_stages(cohort.data, Quantitative(cohort.trait(value, 0.8)), SETTINGS, threads=2)
    assert fit.kept == ["linear", "dominance", "pairs", "covariates"]
    data = cohort.data
    read = net_inputs(data.words, data.n_samples, fit.hubs, data.covariates)
    quick = HeadConfig()
    quick = replace(quick, training=replace(quick.training, epochs=1))
    head = fit_head(read, [fit.family], fit.out_of_fold[:, None], data.fold, quick, seed=1)
    whole = fit.whole + predict_head(head, read)[:, :, 0].mean(axis=0)
    net = NetPart(head, 0, fit.hubs, np.zeros((0, 0), np.int64))
    return RiskModel.of(fit, with_frequency(data), net), whole, data


def test_a_model_in_numbers_predicts_what_training_did() -> None:
    model, whole, data = with_every_part()
    tensors, facts = model.to_parts()
    again = RiskModel.from_parts(tensors, facts, model.variants)
    rows = data.variants.with_row_index("at").join(
        model.variants, on=["contig", "position"], how="inner", maintain_order="right"
    )["at"].to_numpy().astype(np.int64)  # fmt: skip
    found = again.predict(data.words[rows], data.n_samples, data.covariates)
    np.testing.assert_allclose(found.full, whole, atol=1e-5)
    straight = model.predict(data.words[rows], data.n_samples, data.covariates)
    np.testing.assert_array_equal(found.full, straight.full)


def test_variants_that_no_part_reads_are_left_out() -> None:
    model, _, _ = with_every_part()
    assert all(model.used_by())
    weights = model.genotype_weights.copy()
    weights[::2] = 0  # now half of them are read by other parts or by none
    narrow = replace(model, genotype_weights=weights).narrowed()
    others = np.setdiff1d(np.arange(len(weights)), model.read_rows)
    assert len(narrow.variants) == len(weights) - (others % 2 == 0).sum()
    assert all(narrow.used_by())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, f: t.update({"pairs.row1": t["pairs.row1"] + 10**6}), "outside"),
        (lambda t, f: t.update({"pairs.beta": t["pairs.beta"] * np.nan}), "not finite"),
        (lambda t, f: t.update({"linear.genotype_weights": np.zeros((3, 4))}), "not float64"),
        (lambda t, f: t.update({"covariates.by_score": np.zeros(5)}), "covariates"),
        (lambda t, f: f.update({"kind": "horoscope"}), "none of"),
        (lambda t, f: f["net"].update({"trait": 7}), "another trait"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(change, message: str) -> None:  # type: ignore[no-untyped-def]
    model, _, _ = with_every_part()
    tensors, facts = deepcopy(model.to_parts())
    change(tensors, facts)
    with pytest.raises(ValueError, match=message):
        RiskModel.from_parts(tensors, facts, model.variants)
