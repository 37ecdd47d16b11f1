"""Pair tests and screens against least squares written out, chance, and what was planted."""

import numpy as np
import polars as pl
import pytest
from packed_cohorts import packed

from genomed.stats import pair_screen
from genomed.stats.pair_engine import Part, Plan
from genomed.stats.pairs import PairHits, all_pairs, exact_pairs, fold_pairs, local_pairs
from genomed.stats.score_test import bonferroni_z, score_target


def counts_at(rng: np.random.Generator, frequency: np.ndarray, n: int) -> np.ndarray:
    return rng.binomial(2, frequency[:, None], (len(frequency), n)).astype(np.int8)


def linked_counts(rng: np.random.Generator, n_blocks: int, width: int, n: int) -> np.ndarray:
    """Blocks of variants in LD: alleles of a block follow a latent normal on each haplotype."""
    shape = (n_blocks, 1, n, 2)
    latent = 0.8 * rng.standard_normal(shape) + 0.6 * rng.standard_normal((n_blocks, width, n, 2))
    cut = rng.uniform(-1.2, 1.2, (n_blocks, width, 1, 1))
    return (latent < cut).sum(axis=3).reshape(n_blocks * width, n).astype(np.int8)


def standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / x.std()


def least_squares_t(columns: list[np.ndarray], weight: np.ndarray, y: np.ndarray) -> float:
    """t of the last column, by weighted least squares."""
    x = np.column_stack([np.ones(len(y)), *columns]) * np.sqrt(weight)[:, None]
    y = y * np.sqrt(weight)
    coefficients = np.linalg.lstsq(x, y, rcond=None)[0]
    rest = y - x @ coefficients
    variance = rest @ rest / ((weight > 0).sum() - x.shape[1])
    return float(coefficients[-1] / np.sqrt(variance * np.linalg.inv(x.T @ x)[-1, -1]))


def rejected(hits: PairHits) -> int:
    """Pairs beyond the Bonferroni line at 5 %."""
    return int((hits.pairs["z"].abs() >= bonferroni_z(hits.n_tests)).sum())


@pytest.mark.parametrize("dominance", [True, False])
@pytest.mark.parametrize("left_out", [0, 100])
def test_exact_tests_are_those_of_least_squares(dominance: bool, left_out: int) -> None:
    rng = np.random.default_rng(1)
    n, m = 500, 12
    counts = counts_at(rng, rng.uniform(0.1, 0.9, m), n)
    covariates = rng.standard_normal((n, 3))
    y = rng.standard_normal(n) + covariates[:, 0] + 0.5 * counts[3] * counts[7] + (counts[5] == 1)
    weight = (np.arange(n) >= left_out) * 1.0
    first, second = np.triu_indices(m, 1)
    target = score_target(y - y.mean(), weight, covariates)
    found = exact_pairs(packed(counts), n, first, second, target, dominance=dominance)
    kept = weight > 0
    for i, j, z in zip(first, second, found["z"], strict=True):
        a, b = counts[i, kept].astype(float), counts[j, kept].astype(float)
        parents = [a, b, a == 1, b == 1] if dominance else [a, b]
        columns = [*covariates[kept].T, *parents, a * b]
        assert z == pytest.approx(least_squares_t(columns, weight[kept], y[kept]), abs=1e-9)


def test_weighted_tests_are_score_tests_with_missing_calls_as_the_mean() -> None:
    rng = np.random.default_rng(2)
    n = 400
    counts = counts_at(rng, np.full(2, 0.4), n)
    counts[rng.random(counts.shape) < 0.1] = -9
    probability = rng.uniform(0.05, 0.6, n)
    residual, weight = (
        (rng.random(n) < probability) - probability,
        probability * (1 - probability),
    )
    target = score_target(residual, weight)
    found = exact_pairs(packed(counts), n, [0], [1], target, dominance=False).row(0, named=True)
    codes = []
    for row in counts.astype(float):
        called = row >= 0
        centred = row - np.average(row[called], weights=weight[called])
        centred[~called] = 0
        codes.append(centred / np.sqrt(np.average(centred**2, weights=weight)))
    x = np.column_stack([np.ones(n), *codes])
    product = codes[0] * codes[1]
    root = np.sqrt(weight)[:, None]
    rest = product - x @ np.linalg.lstsq(x * root, product * root[:, 0], rcond=None)[0]
    information = (weight * rest**2).sum()
    assert found["beta"] == pytest.approx(rest @ target.residual / information, rel=1e-9)
    centred = residual - weight * residual.sum() / weight.sum()
    dispersion = (centred**2).sum() / weight.sum()
    assert found["se"] == pytest.approx(np.sqrt(dispersion / information), rel=0.01)


def test_a_product_that_its_variants_explain_is_not_tested() -> None:
    rng = np.random.default_rng(3)
    counts = counts_at(rng, np.full(4, 0.3), 300)
    counts[1] = counts[0]  # the product is then a dominance effect
    counts[2] = 1  # does not vary
    target = score_target(rng.standard_normal(300), np.ones(300))
    found = exact_pairs(packed(counts), 300, [0, 2, 0], [1, 3, 3], target)
    assert np.isnan(found["z"].to_numpy()).tolist() == [True, True, False]
    assert found["r2"][0] == pytest.approx(1)


def everything(hits: PairHits) -> np.ndarray:
    return hits.pairs.sort("row1", "row2").to_numpy()


@pytest.fixture(scope="module")
def cohort() -> tuple[np.ndarray, int, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    n, m = 700, 150
    counts = counts_at(rng, rng.uniform(0.15, 0.85, m), n)
    counts[rng.random(counts.shape) < 0.02] = -9
    return packed(counts), n, rng.standard_normal(n), (rng.random(n) < 0.9) * 1.0


def test_the_screen_loses_no_pair(cohort: tuple[np.ndarray, int, np.ndarray, np.ndarray]) -> None:
    words, n, residual, weight = cohort
    small = Plan(left=64, right=40, device_tile=70)
    first, second = np.triu_indices(len(words), 1)
    target = score_target(residual, weight)
    wanted = exact_pairs(words, n, first, second, target).to_numpy()
    for device, threads in (("cpu", 1), ("cpu", 3), ("torch", 1)):
        if device == "torch":
            pytest.importorskip("torch")
        hits = all_pairs(
            words, n, residual, weight, threshold_z=0, plan=small, threads=threads, device=device
        )
        assert hits.n_tests == hits.n_retested == len(first)
        np.testing.assert_array_equal(everything(hits), wanted)


def test_threads_and_tiles_change_nothing_when_only_the_best_are_kept(
    cohort: tuple[np.ndarray, int, np.ndarray, np.ndarray],
) -> None:
    words, n, residual, weight = cohort
    plans = [Plan(), Plan(left=64, right=33), Plan(left=100, right=50)]
    found = [
        all_pairs(words, n, residual, weight, threshold_z=0, keep=40, plan=plan, threads=threads)
        for plan, threads in zip(plans, (1, 3, 2), strict=True)
    ]
    assert found[0].n_retested == 40
    assert found[0].limit > 2
    for other in found[1:]:
        np.testing.assert_array_equal(everything(other), everything(found[0]))


@pytest.mark.parametrize("device", ["cpu", "torch"])
def test_folds_screened_together_are_screened_as_if_alone(
    cohort: tuple[np.ndarray, int, np.ndarray, np.ndarray], device: str
) -> None:
    if device == "torch":
        pytest.importorskip("torch")
    words, n, residual, weight = cohort
    fold = np.random.default_rng(5).integers(-1, 3, n)
    together = fold_pairs(words, n, residual, weight, fold, threshold_z=2.5, device=device)
    assert len(together) == 4
    kept = np.where(fold >= 0, weight, 0.0)
    centred = score_target(residual, kept).residual
    for f, hits in enumerate(together):
        alone = all_pairs(words, n, centred, np.where(fold == f, 0.0, kept), threshold_z=2.5)
        both = hits.pairs.join(alone.pairs, on=["row1", "row2"], suffix="_alone")
        # the screens standardise with other people, so that pairs at the threshold may differ
        for one in (hits, alone):
            assert len(both) >= (one.pairs["z"].abs() >= 3).sum() > 10
        np.testing.assert_allclose(both["z"], both["z_alone"], atol=1e-9)
        assert hits.n_tests == alone.n_tests


def test_the_screens_statistic_is_near_the_exact_one(
    cohort: tuple[np.ndarray, int, np.ndarray, np.ndarray],
) -> None:
    words, n, residual, weight = cohort
    target = score_target(residual, weight)
    cells = pair_screen.Cells(words, n, target)
    part = Part(np.flatnonzero(weight > 0), target.residual)
    scale = np.sqrt(target.dispersion * weight.sum())
    (found,) = pair_screen.screen(
        cells, np.arange(len(words)), np.arange(len(words)), cells.carriers(), [part], [scale],
        [0.0], threshold_z=0, keep=10**6, plan=Plan(),
    )  # fmt: skip
    exact = exact_pairs(words, n, found.first, found.second, target)["z"].to_numpy()
    assert np.corrcoef(found.z, exact)[0, 1] > 0.98
    assert found.inflation == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("device", ["torch", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize(
    ("precision", "error"), [("float32", 1e-4), ("tf32", 5e-3), ("bf16", 0.03)]
)
def test_tiles_of_a_device_equal_those_of_the_cpu(
    cohort: tuple[np.ndarray, int, np.ndarray, np.ndarray],
    device: str,
    precision: str,
    error: float,
) -> None:
    words, n, residual, weight = cohort
    target = score_target(residual, weight)
    cells = pair_screen.Cells(words, n, target)
    part = Part(np.flatnonzero(weight > 0), target.residual)
    found = []
    if device == "torch":
        pytest.importorskip("torch")
    for place in ("cpu", device):
        (one,) = pair_screen.screen(
            cells, np.arange(len(words)), np.arange(len(words)), cells.carriers(), [part],
            [np.sqrt(target.dispersion * weight.sum())], [0.0], threshold_z=0, keep=10**6,
            plan=Plan(precision=precision), device=place,
        )  # fmt: skip
        found.append(one.z)
    np.testing.assert_allclose(found[1], found[0], atol=error)


def null_traits(
    rng: np.random.Generator, counts: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Residual and weight of traits without a pair."""
    n = counts.shape[1]
    a = np.array([standard(row) for row in counts])
    heterozygous = np.array([standard(row == 1) for row in counts])
    some = rng.choice(len(counts), 20, replace=False)
    e = rng.standard_normal(n)
    cases = (rng.random(n) < 0.05) * 1.0
    rate = cases.mean()
    return {
        "nothing": (e - e.mean(), np.ones(n)),
        "additive": (e + 0.2 * a[some].sum(axis=0), np.ones(n)),
        "dominance": (e + 0.3 * heterozygous[some].sum(axis=0), np.ones(n)),
        "disease": (cases - rate, np.full(n, rate * (1 - rate))),
    }


@pytest.mark.parametrize("trait", ["nothing", "additive", "dominance", "disease"])
def test_pairs_of_linked_variants_are_no_more_than_chance_gives(trait: str) -> None:
    rng = np.random.default_rng(6)
    n = 1500 if trait != "disease" else 6000
    counts = linked_counts(rng, 60, 5, n)
    words = packed(counts)
    residual, weight = null_traits(rng, counts)[trait]
    target = score_target(residual, weight)
    first, second = np.triu_indices(len(counts), 1)
    exact = exact_pairs(words, n, first, second, target)
    good = exact.filter(pl.col("z").is_not_nan() & (pl.col("tolerance") >= 0.05))
    z = good["z"].to_numpy()
    assert z.std() == pytest.approx(1, abs=0.02)
    assert abs(z.mean()) < 0.05  # neighbours share their luck
    for line, share in ((2.0, 0.0455), (3.0, 0.0027)):
        expected = share * len(z)
        assert abs((np.abs(z) >= line).sum() - expected) < 5 * np.sqrt(expected)
    assert rejected(all_pairs(words, n, residual, weight)) == 0


def test_population_structure_makes_no_pairs() -> None:
    rng = np.random.default_rng(7)
    m, sizes = 400, (900, 600, 300)
    ancestral = rng.uniform(0.2, 0.8, m)
    groups = [counts_at(rng, rng.beta(ancestral * 6, (1 - ancestral) * 6), size) for size in sizes]
    counts = np.hstack(groups)
    group = np.repeat(np.arange(3), sizes)
    n = len(group)
    y = rng.standard_normal(n) + np.array([0.0, 1.0, -1.0])[group]
    z = np.array([standard(row) for row in counts if row.std() > 0])
    components = z.T @ np.linalg.eigh(z @ z.T)[1][:, -5:]
    hits = all_pairs(packed(counts), n, y - y.mean(), np.ones(n), components, threshold_z=3.5)
    assert rejected(hits) == 0
    assert hits.n_tests > 60_000
    table = hits.pairs.filter(pl.col("z").abs() >= 3.5)
    assert len(table) < 2 * 4.65e-4 * hits.n_tests
    without = all_pairs(packed(counts), n, y - y.mean(), np.ones(n), threshold_z=3.5)
    assert len(without.pairs) > 3 * len(table)


def test_pairs_too_rare_for_a_rare_disease_are_left_out() -> None:
    rng = np.random.default_rng(8)
    n = 2000
    counts = counts_at(rng, np.array([0.01, 0.02, 0.4, 0.45, 0.5]), n)
    cases = (rng.random(n) < 0.05) * 1.0
    rate = cases.mean()
    hits = all_pairs(packed(counts), n, cases - rate, np.full(n, rate * (1 - rate)), threshold_z=0)
    assert {tuple(pair) for pair in hits.pairs["row1", "row2"].iter_rows()} <= {
        (2, 3), (2, 4), (3, 4),
    }  # fmt: skip
    assert hits.n_tests == 3
    normal = all_pairs(packed(counts), n, rng.standard_normal(n), np.ones(n), threshold_z=0)
    assert normal.n_tests == 9


def test_hubs_without_marginal_effects_are_found() -> None:
    rng = np.random.default_rng(9)
    n, m = 3200, 1500
    counts = counts_at(rng, rng.uniform(0.1, 0.9, m), n)
    hubs = np.sort(rng.choice(m, 8, replace=False))
    a = np.array([standard(counts[h]) for h in hubs])
    first, second = np.triu_indices(8, 1)
    genetic = standard((rng.choice([-1, 1], 28)[:, None] * a[first] * a[second]).sum(axis=0))
    y = np.sqrt(0.5) * genetic + np.sqrt(0.5) * rng.standard_normal(n)
    hits = all_pairs(packed(counts), n, y - y.mean(), np.ones(n), threads=2)
    line = bonferroni_z(hits.n_tests)
    found = {tuple(p) for p in hits.pairs.filter(pl.col("z").abs() >= line)["row1", "row2"].rows()}
    true = {(int(hubs[i]), int(hubs[j])) for i, j in zip(first, second, strict=True)}
    assert len(found & true) >= 24
    assert len(found - true) <= 1


def variants(position: list[int], contig: list[str] | None = None) -> pl.DataFrame:
    return pl.DataFrame({"contig": contig or ["1"] * len(position), "position": position})


def test_local_pairs_are_those_within_both_windows() -> None:
    rng = np.random.default_rng(10)
    n = 300
    counts = counts_at(rng, np.full(8, 0.5), n)
    where = variants([10, 20, 40, 80, 160, 10, 15, 3000], ["1"] * 5 + ["2"] * 3)
    hits = local_pairs(
        packed(counts), n, rng.standard_normal(n), np.ones(n), where, threshold_z=0,
        window_bp=70, window_variants=2,
    )  # fmt: skip
    pairs = set(hits.pairs["row1", "row2"].rows())
    assert pairs == {(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (5, 6)}
    assert hits.n_tests == 6


def test_local_pairs_are_tested_exactly_and_the_planted_one_leads() -> None:
    rng = np.random.default_rng(11)
    n = 2000
    counts = linked_counts(rng, 40, 5, n)
    covariates = rng.standard_normal((n, 2))
    y = 0.25 * standard(standard(counts[51]) * standard(counts[54]) - 0)
    y = y + rng.standard_normal(n) + covariates[:, 0]
    target = score_target(y - y.mean(), np.ones(n), covariates)
    hits = local_pairs(
        packed(counts), n, y - y.mean(), np.ones(n), variants(list(range(200))), covariates,
        window_variants=10, threshold_z=3.0, threads=2,
    )  # fmt: skip
    best = hits.pairs.row(0, named=True)
    assert 50 <= best["row1"] < best["row2"] <= 54
    assert abs(best["z"]) > bonferroni_z(hits.n_tests)
    again = exact_pairs(packed(counts), n, hits.pairs["row1"], hits.pairs["row2"], target)
    np.testing.assert_allclose(again["z"], hits.pairs["z"], atol=1e-12)


def test_no_variants_no_pairs() -> None:
    words, residual, weight = np.empty((0, 1), np.uint64), np.arange(20.0), np.ones(20)
    assert all_pairs(words, 20, residual, weight).n_tests == 0
    assert local_pairs(words, 20, residual, weight, variants([])).n_tests == 0


def test_input_that_does_not_fit_is_refused() -> None:
    words = np.zeros((3, 2), np.uint64)
    with pytest.raises(ValueError, match="do not hold 20 samples"):
        all_pairs(words, 20, np.zeros(20), np.ones(20))
    with pytest.raises(ValueError, match="not finite"):
        all_pairs(words, 40, np.full(40, np.nan), np.ones(40))
    with pytest.raises(ValueError, match="two folds or more"):
        fold_pairs(words, 40, np.zeros(40), np.ones(40), np.zeros(40, np.int8))
    with pytest.raises(ValueError, match="not ascending"):
        local_pairs(words, 40, np.arange(40.0), np.ones(40), variants([3, 2, 1]))
    with pytest.raises(ValueError, match="outside"):
        exact_pairs(words, 40, [0], [3], score_target(np.arange(40.0), np.ones(40)))
