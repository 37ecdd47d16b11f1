"""Projection of a cohort onto components, against a direct computation with numpy."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from genomed.schema import VariantBatch
from genomed.scores.projection import Loadings, Projected, Projection, both_wanted

PAIRS = (("A", "G"), ("C", "A"), ("G", "GT"), ("T", "C"))


def loadings(n_variants: int, k: int, seed: int) -> Loadings:
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.05, 0.5, n_variants)
    pairs = [PAIRS[v % len(PAIRS)] for v in range(n_variants)]
    variants = pl.DataFrame(
        {
            "contig": ["1" if v < n_variants // 2 else "2" for v in range(n_variants)],
            "position": np.arange(n_variants) * 100 + 100,
            "ref": [a for a, _ in pairs],
            "alt": [b for _, b in pairs],
        }
    )
    own = np.linalg.qr(rng.normal(size=(n_variants, k)))[0]
    scale = 1 / np.sqrt(2 * frequency * (1 - frequency))
    shrinkage = rng.uniform(0.5, 1.0, k)
    telling = rng.normal(size=(n_variants, 3 if k > 1 else 0))
    return Loadings(
        variants, 2 * frequency, scale, own, shrinkage, telling, n_variants + 7, "GRCh38"
    )


def calls(of: Loadings, n_samples: int, seed: int, lost: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    copies = rng.binomial(2, of.centre[:, None] / 2, (len(of.centre), n_samples)).astype(np.int8)
    copies[rng.random(copies.shape) < lost] = -9
    return copies


def batches(variants: pl.DataFrame, alt_count: np.ndarray, size: int) -> Iterator[VariantBatch]:
    whole = variants.with_columns(
        pl.lit(None, pl.Utf8).alias("id"),
        (pl.col("position") + pl.col("ref").str.len_bytes().cast(pl.Int64) - 1).alias(
            "end_position"
        ),
        pl.lit(1, pl.Int32).alias("n_alts"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("line"),
    )
    for first in range(0, len(alt_count), size):
        yield VariantBatch(whole[first : first + size], alt_count[first : first + size])


def project(
    of: Loadings, variants: pl.DataFrame, alt_count: np.ndarray, size: int = 7, **options: bool
) -> Projected:
    projection = Projection(of, alt_count.shape[1])
    for batch in batches(variants, alt_count, size):
        rows = batch.variants.with_columns(
            pl.col("contig").alias("canonical"), pl.int_range(pl.len(), dtype=pl.Int64).alias("row")
        )
        projection.add(batch, rows)
    if options.get("hom_ref"):
        projection.assume_hom_ref()
    return projection.finish()


def expected(of: Loadings, alt_count: np.ndarray) -> np.ndarray:
    """The definition: least squares of the standardised calls that were made on their loadings."""
    z = (alt_count - of.centre[:, None]) * of.scale[:, None]
    found = [
        np.linalg.lstsq(of.loadings[called], calls[called], rcond=None)[0]
        for calls, called in zip(z.T, (alt_count >= 0).T, strict=True)
    ]
    return np.stack(found) / np.sqrt(of.n_variants) / of.shrinkage


def part(of: Loadings, rows: slice) -> Loadings:
    return replace(
        of, variants=of.variants[rows], centre=of.centre[rows], scale=of.scale[rows],
        loadings=of.loadings[rows], discriminants=of.discriminants[rows],
    )  # fmt: skip


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_components_equal_a_direct_product(k, size):
    of = loadings(40, k, 1)
    alt_count = calls(of, 25, 2)
    found = project(of, of.variants, alt_count, size)
    np.testing.assert_allclose(found.pcs, expected(of, alt_count), rtol=1e-10, atol=1e-10)
    assert found.n_found == 40
    assert found.matched == pytest.approx(1.0)


def test_discriminants_are_sums_over_calls_scaled_by_the_share_called():
    of = loadings(40, 2, 13)
    alt_count = calls(of, 25, 14)
    alt_count[:5] = -9
    found = project(of, of.variants[5:], alt_count[5:])
    z = (alt_count - of.centre[:, None]) * of.scale[:, None]
    z[alt_count < 0] = 0
    share = (alt_count >= 0).T @ of.discriminants**2 / (of.discriminants**2).sum(axis=0)
    np.testing.assert_allclose(found.discriminants, z.T @ of.discriminants / share, rtol=1e-9)


def test_alleles_the_other_way_round_and_on_the_other_strand_give_the_same_components():
    of = loadings(40, 3, 3)
    of = replace(part(of, slice(0, 3)), loadings=np.linalg.qr(of.loadings[:3])[0])
    # A/G, C/A and G/GT
    alt_count = calls(of, 25, 4, lost=0.0)
    swapped = of.variants.with_columns(ref=of.variants["alt"], alt=of.variants["ref"])
    other = swapped.with_columns(
        ref=pl.Series(["C", "A", "GT"]), alt=pl.Series(["T", "C", "G"])
    )  # the first on the other strand, with the alleles swapped: G/A as C/T
    np.testing.assert_allclose(
        project(of, swapped, (2 - alt_count).astype(np.int8)).pcs, expected(of, alt_count)
    )
    np.testing.assert_allclose(
        project(of, other, (2 - alt_count).astype(np.int8)).pcs, expected(of, alt_count)
    )


def test_absent_variants_add_nothing_and_lower_the_coverage():
    of = loadings(40, 3, 5)
    alt_count = calls(of, 25, 6)
    alt_count[:10] = -9
    here = np.arange(10, 40)
    found = project(of, of.variants[here], alt_count[here])
    np.testing.assert_allclose(found.pcs, expected(of, alt_count), rtol=1e-10, atol=1e-10)
    square = (of.loadings**2).sum(axis=1) / 3
    share = square @ (alt_count >= 0)
    np.testing.assert_allclose(found.coverage, share, rtol=1e-10)
    assert found.n_found == 30
    assert found.matched == pytest.approx(square[10:].sum())


def test_absent_variants_can_be_taken_for_hom_ref():
    of = loadings(40, 2, 7)
    alt_count = calls(of, 25, 8, lost=0.0)
    alt_count[::4] = 0
    here = np.flatnonzero(alt_count.any(axis=1))
    found = project(of, of.variants[here], alt_count[here], hom_ref=True)
    np.testing.assert_allclose(found.pcs, expected(of, alt_count), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found.coverage, 1.0)


def test_another_allele_at_the_place_is_no_match():
    of = loadings(40, 2, 9)
    alt_count = calls(of, 5, 10, lost=0.0)
    other = of.variants.with_columns(pl.lit("ACGTACGT").alias("alt"))
    found = project(of, other, alt_count)
    assert found.n_found in range(40)  # hom-ref is proved where nobody holds the model's ALT
    apart = project(of, of.variants.with_columns(position=pl.col("position") + 1), alt_count)
    assert apart.n_found == 0
    assert np.isnan(apart.pcs).all()
    assert not apart.coverage.any()


def test_variants_whose_strand_cannot_be_told_are_left_out():
    of = loadings(40, 2, 11)
    doubtful = of.variants.with_columns(ref=pl.lit("C"), alt=pl.lit("G"))[:20]
    of = replace(of, variants=pl.concat([doubtful, of.variants[20:]]))
    found = project(of, of.variants, calls(of, 25, 12))
    assert found.found.tolist() == [False] * 20 + [True] * 20


def test_what_two_callers_want_is_read_once():
    a, b = loadings(10, 1, 1), loadings(20, 1, 1)
    both = both_wanted(Projection(a, 1).entries.wanted(), Projection(b, 1).entries.wanted())
    loci = {(c, p) for c, positions in both.positions.items() for p in positions.tolist()}
    frames = [x.variants.select("contig", "position").iter_rows() for x in (a, b)]
    assert loci == {locus for frame in frames for locus in frame}
