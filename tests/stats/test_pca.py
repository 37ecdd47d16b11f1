"""PCA against its definition written out, and against what was planted."""

import numpy as np
import pytest
from packed_cohorts import ArrayStore, array_store

from genomed.stats.pca import Pca, pca


def drifted(
    rng: np.random.Generator, n_variants: int, sizes: list[int], fst: float, missing: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Counts of populations that drifted apart (Balding and Nichols 1995), and who is of which."""
    ancestral = rng.uniform(0.1, 0.9, n_variants)
    spread = (1 - fst) / fst
    groups = []
    for size in sizes:
        frequency = rng.beta(ancestral * spread, (1 - ancestral) * spread)
        groups.append(rng.binomial(2, frequency[:, None], (n_variants, size)))
    counts = np.hstack(groups).astype(np.int8)
    counts[rng.random(counts.shape) < missing] = -9
    return counts, np.repeat(np.arange(len(sizes)), sizes)


def relationship(counts: np.ndarray, founders: np.ndarray, missing: str) -> np.ndarray:
    """The definition: (samples, samples)."""
    g = np.where(counts < 0, np.nan, counts.astype(float))
    with np.errstate(all="ignore"):
        p = np.nansum(g[:, founders], axis=1) / (2 * (counts[:, founders] >= 0).sum(axis=1))
        z = (g - 2 * p[:, None]) / np.sqrt(2 * p * (1 - p))[:, None]
    z[~np.isfinite(z)] = 0.0
    called = (counts >= 0).astype(float)
    return z.T @ z / (called.T @ called if missing == "pairwise" else len(counts))


def leading(matrix: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1][:k], vectors[:, ::-1][:, :k]


def apart(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference of columns, up to their signs."""
    return float(np.abs(a * np.sign((a * b).sum(axis=0)) - b).max())


@pytest.fixture(scope="module")
def cohort() -> tuple[ArrayStore, np.ndarray]:
    counts, group = drifted(np.random.default_rng(5), 3000, [40, 30, 30], 0.1, missing=0.03)
    counts[17] = 0  # monomorphic
    counts[18] = -9  # never called
    return array_store(counts), group


@pytest.mark.parametrize(
    ("method", "missing", "device"),
    [
        pytest.param(method, missing, device, marks=[pytest.mark.gpu] * (device == "cuda"))
        for method, missing in (("exact", "pairwise"), ("exact", "mean"), ("randomised", "mean"))
        for device in ("cpu", "torch", "cuda")
    ],
)
def test_components_are_those_of_the_definition(
    cohort: tuple[ArrayStore, np.ndarray], method: str, missing: str, device: str
) -> None:
    store, _ = cohort
    found = pca(
        store, np.arange(3000), k=4, method=method, missing=missing, device=device, tolerance=1e-6
    )
    everybody = np.ones(100, np.bool_)
    values, vectors = leading(relationship(store.alt_count, everybody, missing), 4)
    np.testing.assert_allclose(found.eigenvalues, values, rtol=2e-5)
    assert apart(found.eigenvectors, vectors) < (1e-4 if method == "exact" else 1e-3)
    assert found.method == method
    assert found.n_variants == 3000


@pytest.mark.parametrize("device", ["torch", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("method", ["exact", "randomised"])
def test_a_device_is_within_its_stated_tolerance_of_the_processor(
    cohort: tuple[ArrayStore, np.ndarray], method: str, device: str
) -> None:
    store, _ = cohort
    given = {"k": 2, "method": method, "missing": "mean"}  # two components stand well apart
    here, there = (pca(store, np.arange(3000), **given, device=on) for on in ("cpu", device))
    np.testing.assert_allclose(there.eigenvalues, here.eigenvalues, rtol=2e-5)
    assert apart(there.eigenvectors, here.eigenvectors) < 1e-4
    assert apart(there.loadings, here.loadings) < 1e-4


def test_frequencies_are_those_of_the_founders(cohort: tuple[ArrayStore, np.ndarray]) -> None:
    store, _ = cohort
    founders = np.arange(100) % 3 > 0
    found = pca(store, np.arange(3000), k=3, founders=founders)
    values, vectors = leading(relationship(store.alt_count, founders, "pairwise"), 3)
    np.testing.assert_allclose(found.eigenvalues, values, rtol=2e-5)
    assert apart(found.eigenvectors, vectors) < 1e-4


def test_some_samples_and_rows_are_a_store_of_their_own(
    cohort: tuple[ArrayStore, np.ndarray],
) -> None:
    store, _ = cohort
    used = np.arange(100) % 7 != 2
    rows = np.arange(5, 2500, 2)
    for method in ("exact", "randomised"):
        some = pca(store, rows, used, 3, method=method)
        alone = pca(
            array_store(store.alt_count[rows][:, used]), np.arange(len(rows)), k=3, method=method
        )
        np.testing.assert_allclose(some.scores, alone.scores, atol=1e-12)
        np.testing.assert_allclose(some.loadings, alone.loadings, atol=1e-12)


def test_scores_are_what_the_loadings_give() -> None:
    counts, _ = drifted(np.random.default_rng(6), 2000, [40, 40], 0.05)
    found = pca(array_store(counts), np.arange(2000), k=3)
    z = (counts - found.centre[:, None]) * found.scale[:, None]
    np.testing.assert_allclose(z.T @ found.loadings / np.sqrt(2000), found.scores, atol=1e-5)
    np.testing.assert_allclose((found.loadings**2).sum(axis=0), 1)


def test_two_populations_fall_apart_on_the_first_component(
    cohort: tuple[ArrayStore, np.ndarray],
) -> None:
    store, group = cohort
    found = pca(store, np.arange(3000), k=2, method="randomised")
    centres = np.array([found.scores[group == g].mean(axis=0) for g in range(3)])
    within = np.concatenate([found.scores[group == g] - centres[g] for g in range(3)]).std()
    distances = np.linalg.norm(centres[[0, 0, 1]] - centres[[1, 2, 2]], axis=1)
    assert distances.min() > 10 * within


def bits(found: Pca) -> list[bytes]:
    return [found.scores.tobytes(), found.loadings.tobytes(), found.shrinkage.tobytes()]


@pytest.mark.parametrize("method", ["exact", "randomised"])
def test_threads_change_nothing(method: str) -> None:
    counts, _ = drifted(np.random.default_rng(7), 5000, [700, 500], 0.02, missing=0.01)
    store = array_store(counts)
    one = pca(store, np.arange(5000), k=3, method=method)
    for threads in (2, 3):
        assert bits(pca(store, np.arange(5000), k=3, method=method, threads=threads)) == bits(one)


def test_swapping_ref_and_alt_changes_nothing(cohort: tuple[ArrayStore, np.ndarray]) -> None:
    store, _ = cohort
    counts = store.alt_count.copy()
    counts[::2] = np.where(counts[::2] < 0, -9, 2 - counts[::2])
    a, b = (pca(array_store(c), np.arange(3000), k=2) for c in (store.alt_count, counts))
    np.testing.assert_allclose(a.eigenvalues, b.eigenvalues, rtol=1e-6)
    assert apart(a.eigenvectors, b.eigenvectors) < 1e-5


def test_calls_that_nobody_shares_do_not_make_nan() -> None:
    counts, _ = drifted(np.random.default_rng(8), 400, [10, 10], 0.05)
    counts[:200, 0] = -9
    counts[200:, 1] = -9
    found = pca(array_store(counts), np.arange(400), k=2)
    assert np.isfinite(found.scores).all()


def test_samples_that_miss_most_calls_are_counted_in_pairs() -> None:
    counts, _ = drifted(np.random.default_rng(9), 1500, [30, 30], 0.1, missing=0.5)
    found = pca(array_store(counts), np.arange(1500), k=2)
    values, _ = leading(relationship(counts, np.ones(60, np.bool_), "pairwise"), 2)
    np.testing.assert_allclose(found.eigenvalues, values, rtol=1e-5)


def test_more_components_than_samples_are_refused() -> None:
    store = array_store(np.zeros((5, 3), np.int8))
    with pytest.raises(ValueError, match="4 components cannot be had of 3 samples"):
        pca(store, np.arange(5), k=4)
    with pytest.raises(ValueError, match="1 components cannot be had of 3 samples and 0 variants"):
        pca(store, np.arange(0), k=1)
    with pytest.raises(ValueError, match="no variant varies"):
        pca(store, np.arange(5), k=1)


def test_pairwise_counts_need_the_exact_method() -> None:
    store = array_store(np.ones((5, 3), np.int8))
    with pytest.raises(ValueError, match="pairwise counts need"):
        pca(store, np.arange(5), k=1, method="randomised", missing="pairwise")
    with pytest.raises(ValueError, match="there is no PCA"):
        pca(store, np.arange(5), k=1, method="fast")
