"""New people among the components of others: alleles, missing loci, and shrinkage."""

import numpy as np
import polars as pl
import pytest
from packed_cohorts import array_store

from genomed.stats.pca import Pca, pca
from genomed.stats.projection import match_loci, project


def drifted(
    rng: np.random.Generator, n_variants: int, sizes: list[int], fst: float
) -> tuple[np.ndarray, np.ndarray]:
    """Counts of populations that drifted apart (Balding and Nichols 1995), and who is of which."""
    ancestral = rng.uniform(0.1, 0.9, n_variants)
    spread = (1 - fst) / fst
    groups = []
    for size in sizes:
        frequency = rng.beta(ancestral * spread, (1 - ancestral) * spread)
        groups.append(rng.binomial(2, frequency[:, None], (n_variants, size)))
    return np.hstack(groups).astype(np.int8), np.repeat(np.arange(len(sizes)), sizes)


@pytest.fixture(scope="module")
def cohort() -> tuple[np.ndarray, np.ndarray, Pca]:
    """Three populations, half of whose people make the components."""
    counts, group = drifted(np.random.default_rng(31), 6000, [200, 200, 200], 0.006)
    reference = np.arange(600) % 2 == 0
    return counts, group, pca(array_store(counts), np.arange(6000), reference, 2)


def test_those_who_made_the_components_keep_their_scores(
    cohort: tuple[np.ndarray, np.ndarray, Pca],
) -> None:
    counts, _, found = cohort
    again = project(array_store(counts[:, ::2]), found, np.arange(6000), shrinkage=False)
    np.testing.assert_allclose(again.scores, found.scores, atol=1e-6)
    np.testing.assert_allclose(again.coverage, 1.0)


def slope(reference: np.ndarray, projected: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Centres of the groups of projected people, on those of the reference: (k,)."""
    centre, new = (
        np.array([scores[group == g].mean(axis=0) for g in range(3)])
        for scores in (reference, projected)
    )
    return (centre * new).sum(axis=0) / (centre**2).sum(axis=0)


def test_shrinkage_towards_0_is_real_and_is_removed(
    cohort: tuple[np.ndarray, np.ndarray, Pca],
) -> None:
    counts, group, found = cohort
    store = array_store(counts[:, 1::2])
    plain = project(store, found, np.arange(6000), shrinkage=False).scores
    corrected = project(store, found, np.arange(6000)).scores
    own = group[::2]
    within = np.array([plain[own == g] - plain[own == g].mean(axis=0) for g in range(3)]).std()
    error = 2 * within / np.sqrt(100) / found.scores.std(axis=0)  # of a slope, both sides
    assert (slope(found.scores, plain, own) < 0.85).all()
    assert (np.abs(slope(found.scores, corrected, own) - 1) < 3 * error).all()
    assert (found.shrinkage < 0.85).all()


def test_loci_without_a_call_do_not_pull_towards_0() -> None:
    counts, group = drifted(np.random.default_rng(32), 4000, [100, 100], 0.1)
    found = pca(array_store(counts), np.arange(4000), k=1)
    sparse = counts.copy()
    sparse[np.random.default_rng(33).random(counts.shape) < 0.6] = -9
    scores = project(array_store(sparse), found, np.arange(4000), shrinkage=False)
    ratio = [scores.scores[group == g].mean() / found.scores[group == g].mean() for g in (0, 1)]
    np.testing.assert_allclose(ratio, 1, atol=0.02)
    np.testing.assert_allclose(scores.coverage, 0.4, atol=0.05)
    np.testing.assert_array_equal(scores.n_called, (sparse >= 0)[found.scale > 0].sum(axis=0))


def test_loci_absent_from_the_cohort_do_not_pull_towards_0() -> None:
    counts, group = drifted(np.random.default_rng(34), 4000, [100, 100], 0.1)
    found = pca(array_store(counts), np.arange(4000), k=1)
    present = np.arange(1, 4000, 3)
    scores = project(
        array_store(counts[present]), found, np.arange(len(present)), loci=present, shrinkage=False
    ).scores
    ratio = [scores[group == g].mean() / found.scores[group == g].mean() for g in (0, 1)]
    np.testing.assert_allclose(ratio, 1, atol=0.03)


def test_a_person_without_calls_has_no_score() -> None:
    counts, _ = drifted(np.random.default_rng(35), 500, [20, 20], 0.1)
    found = pca(array_store(counts), np.arange(500), k=2)
    counts[:, 3] = -9
    scores = project(array_store(counts), found, np.arange(500))
    assert np.isnan(scores.scores[3]).all()
    assert np.isfinite(np.delete(scores.scores, 3, axis=0)).all()
    assert scores.coverage[3] == 0
    nothing = project(array_store(counts[:0]), found, np.arange(0))
    assert np.isnan(nothing.scores).all()


def test_threads_change_no_projection(cohort: tuple[np.ndarray, np.ndarray, Pca]) -> None:
    counts, _, found = cohort
    some = counts.copy()
    some[::5, ::7] = -9
    one, two = (project(array_store(some), found, np.arange(6000), threads=t) for t in (1, 2))
    assert one.scores.tobytes() == two.scores.tobytes()


def loci(*rows: tuple[str, int, str, str]) -> pl.DataFrame:
    names = ["contig", "position", "ref", "alt"]
    return pl.DataFrame(rows, schema=names, orient="row").with_row_index("row").cast(
        {"row": pl.Int64}
    )  # fmt: skip


def test_loci_are_matched_by_position_and_alleles_in_any_guise() -> None:
    reference = loci(
        ("1", 10, "A", "G"), ("1", 20, "A", "C"), ("2", 30, "G", "T"), ("2", 40, "C", "T"),
        ("2", 50, "A", "G"), ("X", 60, "A", "AT"),
    )  # fmt: skip
    cohort = loci(
        ("chr1", 10, "A", "G"),  # exact
        ("chr1", 20, "c", "a"),  # swapped
        ("chr2", 30, "C", "A"),  # the other strand
        ("chr2", 40, "A", "G"),  # the other strand, swapped
        ("chr2", 50, "A", "C"),  # another ALT
        ("chrX", 60, "A", "AT"),
        ("chrX", 61, "A", "AT"),  # elsewhere
    )
    found = match_loci(reference, cohort)
    assert found.rows.tolist() == [0, 1, 2, 3, 5]
    assert found.loci.tolist() == [0, 1, 2, 3, 5]
    assert found.swapped.tolist() == [False, True, False, True, False]
    assert (found.n_exact, found.n_swapped, found.n_flipped) == (2, 1, 2)


def test_of_several_rows_the_best_is_taken() -> None:
    reference = loci(("1", 10, "A", "G"))
    cohort = loci(("1", 10, "A", "T"), ("1", 10, "G", "A"), ("1", 10, "A", "G"),
                  ("1", 10, "A", "G"))  # fmt: skip
    assert match_loci(reference, cohort).rows.tolist() == [2]


def test_ambiguous_loci_are_left_out_once_another_was_flipped() -> None:
    reference = loci(("1", 10, "A", "T"), ("1", 20, "C", "G"), ("1", 30, "A", "G"))
    plain = loci(("1", 10, "A", "T"), ("1", 20, "G", "C"), ("1", 30, "A", "G"))
    flipped = loci(("1", 10, "A", "T"), ("1", 20, "G", "C"), ("1", 30, "T", "C"))
    assert match_loci(reference, plain).swapped.tolist() == [False, True, False]
    found = match_loci(reference, flipped)
    assert found.loci.tolist() == [2]
    assert found.n_ambiguous == 2


def test_swapped_loci_give_the_same_scores() -> None:
    counts, _ = drifted(np.random.default_rng(36), 800, [30, 30], 0.1)
    found = pca(array_store(counts), np.arange(800), k=2)
    swapped = np.arange(800) % 2 == 0
    turned = np.where(swapped[:, None], 2 - counts, counts).astype(np.int8)
    turned[:, 5] = counts[:, 5] = -9
    turned[3], counts[3] = -9, -9
    a = project(array_store(counts), found, np.arange(800)).scores
    b = project(array_store(turned), found, np.arange(800), swapped=swapped).scores
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_rows_and_loci_belong_together() -> None:
    counts, _ = drifted(np.random.default_rng(37), 50, [10, 10], 0.1)
    found = pca(array_store(counts), np.arange(50), k=1)
    with pytest.raises(ValueError, match="3 rows, 2 loci"):
        project(array_store(counts), found, np.arange(3), loci=np.arange(2))
