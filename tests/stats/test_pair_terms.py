"""Pairs as columns: the formula written out, the same numbers for new people, and clumps."""

import json

import numpy as np
import polars as pl
import pytest
from packed_cohorts import packed

from genomed.stats.pair_terms import PairTerms, clump_pairs, fit_pair_terms, pair_columns
from genomed.stats.pairs import all_pairs


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    rng = np.random.default_rng(1)
    counts = rng.binomial(2, rng.uniform(0.2, 0.8, (10, 1)), (10, 500)).astype(np.int8)
    counts[3] = np.where(rng.random(500) < 0.3, counts[2], counts[3])
    counts[rng.random(counts.shape) < 0.03] = -9
    return counts


def test_columns_are_what_is_left_of_the_product_after_both_variants(counts: np.ndarray) -> None:
    weight = np.random.default_rng(2).uniform(0, 1, 500) * (np.arange(500) > 100)
    first, second = np.array([0, 2, 7]), np.array([5, 3, 1])
    terms = fit_pair_terms(packed(counts), 500, first, second, weight)
    columns = pair_columns(packed(counts), 500, terms)
    for i, j, column in zip(first, second, columns, strict=True):
        called = (counts[i] >= 0) & (counts[j] >= 0)
        assert (column[~called] == 0).all()
        a, b, w = counts[i, called].astype(float), counts[j, called].astype(float), weight[called]
        x = np.column_stack([np.ones(len(a)), a, b, a == 1, b == 1])
        root = np.sqrt(w)
        fitted = np.linalg.lstsq(x * root[:, None], a * b * root, rcond=None)[0]
        rest = a * b - x @ fitted
        expected = rest / np.sqrt(np.average(rest**2, weights=w))
        np.testing.assert_allclose(column[called], expected, atol=2e-6)


def test_without_dominance_only_the_copies_are_partialled_out(counts: np.ndarray) -> None:
    terms = fit_pair_terms(packed(counts), 500, [2], [3], np.ones(500), dominance=False)
    assert (terms.coefficients[:, 3:] == 0).all()
    column = pair_columns(packed(counts), 500, terms)[0].astype(float)
    called = (counts[2] >= 0) & (counts[3] >= 0)
    a, b = counts[2, called].astype(float), counts[3, called].astype(float)
    np.testing.assert_allclose([column[called] @ x for x in (a, b, a * 0 + 1)], 0, atol=1e-3)
    assert abs(column[called] @ (a == 1)) > 1


def test_new_people_get_the_same_numbers_after_a_round_trip(counts: np.ndarray) -> None:
    terms = fit_pair_terms(packed(counts), 500, [0, 2], [5, 3], np.ones(500))
    again = PairTerms.from_dict(json.loads(json.dumps(terms.to_dict())))
    for one, other in zip(terms, again, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    some = np.random.default_rng(3).choice(500, 77)
    np.testing.assert_array_equal(
        pair_columns(packed(counts[:, some]), 77, again),
        pair_columns(packed(counts), 500, terms)[:, some],
    )


def test_no_terms_are_terms_too() -> None:
    terms = fit_pair_terms(np.zeros((2, 1), np.uint64), 20, [], [], np.ones(20))
    again = PairTerms.from_dict(json.loads(json.dumps(terms.to_dict())))
    assert pair_columns(np.zeros((2, 1), np.uint64), 20, again).shape == (0, 20)


def test_a_pair_that_says_nothing_is_a_column_of_zeros(counts: np.ndarray) -> None:
    same = counts.copy()
    same[1] = same[0]
    same[4] = 2
    terms = fit_pair_terms(packed(same), 500, [0, 4, 0], [1, 5, 5], np.ones(500))
    columns = pair_columns(packed(same), 500, terms)
    assert (columns != 0).any(axis=1).tolist() == [False, False, True]


def test_terms_that_do_not_fit_are_refused(counts: np.ndarray) -> None:
    terms = fit_pair_terms(packed(counts), 500, [0], [9], np.ones(500))
    with pytest.raises(ValueError, match="outside"):
        pair_columns(packed(counts[:5]), 500, terms)
    with pytest.raises(ValueError, match="do not hold"):
        pair_columns(packed(counts), 400, terms)
    content = terms.to_dict()
    with pytest.raises(ValueError, match="shapes"):
        PairTerms.from_dict(content | {"scale": [1.0, 2.0]})
    with pytest.raises(ValueError, match="not finite"):
        PairTerms.from_dict(content | {"scale": [float("nan")]})


def correlated(rng: np.random.Generator, n: int) -> np.ndarray:
    """Variants 0-2 in strong LD, 3-5 in strong LD, 6 and 7 alone."""
    base = rng.binomial(2, 0.4, (4, n))
    rows = [base[k] for k in (0, 0, 0, 1, 1, 1, 2, 3)]
    noise = rng.binomial(2, 0.4, (8, n))
    return np.where(rng.random((8, n)) < 0.05, noise, rows).astype(np.int8)


def naive_clumps(pairs: list[tuple[int, int]], r2: np.ndarray, limit: float) -> list[int]:
    kept: list[int] = []
    for p, (i, j) in enumerate(pairs):
        if not any(
            (r2[i, a] >= limit and r2[j, b] >= limit) or (r2[i, b] >= limit and r2[j, a] >= limit)
            for a, b in (pairs[k] for k in kept)
        ):
            kept.append(p)
    return kept


def test_clumps_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(4)
    counts = correlated(rng, 400)
    first, second = np.triu_indices(8, 1)
    z = rng.permutation(len(first)) + 4.0
    table = pl.DataFrame({"row1": first, "row2": second, "z": z * rng.choice([-1, 1], len(z))})
    for limit in (0.2, 0.5, 0.99):
        found = clump_pairs(table, packed(counts), 400, r2=limit, conditional_z=0)
        ordered = table.sort(pl.col("z").abs(), descending=True)
        pairs = ordered["row1", "row2"].rows()
        r2 = np.corrcoef(counts) ** 2
        expected = [pairs[k] for k in naive_clumps(pairs, r2, limit)]
        assert found["row1", "row2"].rows() == expected
        assert found["n_clumped"].sum() == len(table)
    assert len(clump_pairs(table, packed(counts), 400, conditional_z=0, max_pairs=3)) == 3
    assert clump_pairs(table.head(0), packed(counts), 400).is_empty()


def test_the_shadow_of_a_pair_goes_and_an_effect_of_its_own_stays() -> None:
    rng = np.random.default_rng(5)
    n = 4000
    base = rng.binomial(2, 0.4, (3, n))
    linked = np.where(rng.random(n) < 0.4, base[1], rng.binomial(2, 0.4, n))  # r2 of 0.16
    counts = np.array([base[0], base[1], linked, base[2]], np.int8)
    g = counts - counts.mean(axis=1, keepdims=True)
    y = 0.7 * g[0] * g[1] + rng.standard_normal(n)
    for own, rows in ((0.0, [(0, 1)]), (0.5, [(0, 1), (0, 2)])):
        trait = y + own * g[0] * g[2]
        hits = all_pairs(packed(counts), n, trait - trait.mean(), np.ones(n)).pairs
        assert (0, 2) in hits["row1", "row2"].rows()
        kept = clump_pairs(hits, packed(counts), n)
        assert sorted(kept["row1", "row2"].rows()) == rows
    assert len(clump_pairs(hits, packed(counts), n, conditional_z=0)) >= 2
