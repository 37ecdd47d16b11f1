"""Who is like whom: planted populations, and what is refused."""

import numpy as np
import pytest
from packed_cohorts import array_store

from genomed.schema import Gaussians
from genomed.stats.allele_odds import allele_odds, odds_scores
from genomed.stats.ancestry import (
    ancestry_probabilities,
    discriminant_scores,
    fit_ancestry,
    grouped_probabilities,
)
from genomed.stats.strangeness import NOMINAL_RATE, outside_populations, strangeness


def cohort(
    seed: int, n_variants: int, size: int, within: float = 0.02
) -> tuple[np.ndarray, list[str | None], list[str | None]]:
    """Four populations in two superpopulations: F_ST about 0.1 between, `within` within them."""
    rng = np.random.default_rng(seed)
    ancestral = rng.uniform(0.1, 0.9, n_variants)

    def drift(p: np.ndarray, fst: float) -> np.ndarray:
        return np.clip(rng.beta(p * (1 - fst) / fst, (1 - p) * (1 - fst) / fst), 0.001, 0.999)

    parts, names = [], []
    for above in "XY":
        parent = drift(ancestral, 0.1)
        for name in "ab":
            parts.append(rng.binomial(2, drift(parent, within)[:, None], (n_variants, size)))
            names += [above + name] * size
    return np.hstack(parts).astype(np.int8), names, [name[0] for name in names]


def test_held_back_people_are_assigned_and_the_probabilities_are_honest() -> None:
    counts, names, supers = cohort(41, 1500, 100, within=0.005)
    labelled = np.arange(400) % 2 == 0
    model, check = fit_ancestry(
        array_store(counts),
        np.arange(1500),
        [n if ok else None for n, ok in zip(names, labelled, strict=True)],
        supers,
    )
    scores, coverage = discriminant_scores(array_store(counts), model, np.arange(1500))
    new = ancestry_probabilities(model.gaussians, scores)[~labelled]
    true = np.array([model.populations.index(n) for n in names])[~labelled]
    right = new.argmax(axis=1) == true
    grouped = grouped_probabilities(new, model.superpopulations)
    assert (np.array(["X", "Y"])[grouped.argmax(axis=1)] == np.array(supers)[~labelled]).all()
    assert right.mean() > 0.85
    assert check.superpopulation_accuracy == 1.0
    error = np.sqrt(right.mean() * (1 - right.mean()) / len(right))
    assert abs(right.mean() - check.population_accuracy) < 4 * error
    assert abs(new.max(axis=1).mean() - right.mean()) < 4 * error
    assert (coverage == 1).all()


def test_the_confusion_counts_everybody_once() -> None:
    counts, names, supers = cohort(42, 300, 30)
    model, check = fit_ancestry(array_store(counts), np.arange(300), names, supers)
    assert check.confusion["n"].sum() == check.super_confusion["n"].sum() == 120
    same = check.confusion.filter(check.confusion["population"] == check.confusion["predicted"])
    assert same["n"].sum() / 120 == check.population_accuracy
    assert model.populations == ["Xa", "Xb", "Ya", "Yb"]
    assert model.superpopulations == ["X", "X", "Y", "Y"]
    np.testing.assert_allclose(check.population.sum(axis=1), 1)


def test_missing_calls_do_not_pull_towards_the_middle() -> None:
    counts, names, supers = cohort(43, 2000, 60)
    model, _ = fit_ancestry(array_store(counts), np.arange(2000), names, supers)
    whole, _ = discriminant_scores(array_store(counts), model, np.arange(2000))
    sparse = counts.copy()
    sparse[np.random.default_rng(44).random(counts.shape) < 0.3] = -9
    thin, coverage = discriminant_scores(array_store(sparse), model, np.arange(2000))
    np.testing.assert_allclose(coverage, 0.7, atol=0.06)
    slope = (whole * thin).sum(axis=0) / (whole**2).sum(axis=0)
    np.testing.assert_allclose(slope, 1, atol=0.05)


def test_a_person_without_calls_has_no_probability() -> None:
    counts, names, supers = cohort(45, 200, 20)
    model, _ = fit_ancestry(array_store(counts), np.arange(200), names, supers)
    counts[:, 7] = -9
    scores, _ = discriminant_scores(array_store(counts), model, np.arange(200))
    found = ancestry_probabilities(model.gaussians, scores)
    assert np.isnan(found[7]).all()
    assert np.isfinite(np.delete(found, 7, axis=0)).all()


def test_the_same_seed_gives_the_same_model_for_any_threads() -> None:
    counts, names, supers = cohort(46, 400, 30)
    models = [
        fit_ancestry(array_store(counts), np.arange(400), names, supers, threads=threads)[0]
        for threads in (1, 2)
    ]
    assert models[0].weights.tobytes() == models[1].weights.tobytes()
    assert models[0].gaussians.precision.tobytes() == models[1].gaussians.precision.tobytes()


def test_labels_that_teach_nothing_are_refused() -> None:
    store, rows = array_store(np.ones((10, 4), np.int8)), np.arange(10)
    with pytest.raises(ValueError, match="two populations at least"):
        fit_ancestry(store, rows, ["a", "a", "a", None], ["A"] * 4)
    with pytest.raises(ValueError, match="population b has one person only"):
        fit_ancestry(store, rows, ["a", "a", "a", "b"], ["A"] * 4)
    with pytest.raises(ValueError, match="population a lies in A and in B"):
        fit_ancestry(store, rows, ["a", "a", "b", "b"], ["A", "B", "B", "B"])


def test_a_population_that_is_not_there_is_strange_and_the_others_are_not() -> None:
    """Populations apart by an F_ST of 0.03, in a reference that lacks one of four."""
    counts, names, supers = cohort(47, 4000, 150, within=0.03)
    store, rows = array_store(counts), np.arange(4000)
    learnt = np.arange(600) % 3 > 0
    known = [
        name if some and name != "Yb" else None for name, some in zip(names, learnt, strict=True)
    ]
    model, check = fit_ancestry(store, rows, known, supers)
    scores, share = discriminant_scores(store, model, rows)
    outside = outside_populations(model.gaussians, scores, share)
    absent = np.array(names) == "Yb"
    assert outside[absent].mean() > 0.95
    assert outside[~absent & ~learnt].mean() < 0.05
    assert outside[~absent & learnt].mean() < 0.02
    assert (check.strangeness > model.gaussians.limit).mean() <= NOMINAL_RATE


def test_strangeness_is_the_distance_from_a_segment() -> None:
    one = Gaussians(
        mean=np.zeros((1, 2)), precision=np.diag([1.0, 4.0])[None], offset=np.zeros(1),
        temperature=1.0, excess=np.array([[2.0, 0.0]]), limit=4.0,
        odds_power=0.0, odds_offset=np.zeros(1),
    )  # fmt: skip
    points = np.array([[0, 0], [1, 0], [2, 0], [4, 0], [-1, 0], [1, 1.5], [np.nan, 0]], float)
    np.testing.assert_allclose(strangeness(one, points), [0, 0, 0, 4, 1, 9, np.nan])
    outside = outside_populations(one, points, np.ones(7))
    assert outside.tolist() == [False] * 5 + [True] * 2
    assert not outside_populations(one, points, np.full(7, 0.4))[5]


def test_few_variants_are_told_by_allele_odds_too() -> None:
    counts, names, supers = cohort(48, 60, 150, within=0.08)
    store, rows = array_store(counts), np.arange(60)
    learnt = np.arange(600) % 3 > 0
    known = [name if some else None for name, some in zip(names, learnt, strict=True)]
    model, check = fit_ancestry(store, rows, known, supers)
    assert model.weights.shape == (60, 8)
    assert 0 < model.gaussians.odds_power <= 1
    scores, _ = discriminant_scores(store, model, rows)
    new = ancestry_probabilities(model.gaussians, scores)[~learnt]
    true = np.array([model.populations.index(n) for n in names])[~learnt]
    right = (new.argmax(axis=1) == true).mean()
    assert right == pytest.approx(check.population_accuracy, abs=0.08)
    assert new.max(axis=1).mean() == pytest.approx(right, abs=0.06)


def test_allele_odds_are_log_likelihoods() -> None:
    rng = np.random.default_rng(49)
    calls = rng.binomial(2, 0.3, (12, 40)).astype(np.int8)
    true = np.arange(40) % 2
    centre = calls.mean(axis=1)
    odds = allele_odds(calls, true, 2, centre)
    found = odds_scores(odds, calls, centre)
    for group in (0, 1):
        own = calls[:, true == group]
        pool = (calls.sum(axis=1) + 1) / (2 * 40 + 2)
        f = ((own.sum(axis=1) + pool) / (2 * 20 + 1))[:, None]
        expected = (calls * np.log(f) + (2 - calls) * np.log(1 - f)).sum(axis=0)
        np.testing.assert_allclose(found[:, group], expected)
