"""Where people of a store lie among those of a reference bundle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed.errors import BuildError, CoverageError
from genomed.io.bundle import ReferenceBundle, open_bundle
from genomed.io.library import find_model
from genomed.io.packed import PackedStore
from genomed.kernels.packed import unpack_rows
from genomed.schema import AncestryModel
from genomed.stats.ancestry import (
    ancestry_probabilities,
    discriminant_scores,
    fit_ancestry,
    grouped_probabilities,
)
from genomed.stats.neighbours import (
    N_NEIGHBOURS,
    others_near,
    steady_components,
    surroundings,
    typical_surroundings,
)
from genomed.stats.projection import LociMatch, match_loci, project
from genomed.stats.same_people import informative_loci, same_people
from genomed.stats.strangeness import outside_populations

__all__ = ["find_reference", "in_reference", "place_people", "read_calls"]

NEARLY_ALL = 0.98  # of the reference's variants


def find_reference(text: str, library: Path | None, build: str | None) -> ReferenceBundle:
    """Open a bundle by its path, or by its name in the library; a BuildError on another build."""
    path = Path(text).expanduser()
    bundle = open_bundle(path if path.exists() else find_model(text, library))
    if build not in (None, bundle.build):
        raise BuildError(
            f"{bundle.path} is on {bundle.build}, but the store is on {build}; give a reference on "
            f"{build}, or name the store's build with --build if it is not"
        )
    return bundle


def place_people(
    store: PackedStore, bundle: ReferenceBundle, min_coverage: float, *, threads: int = 1
) -> tuple[pl.DataFrame, dict[str, Any], list[str]]:
    """Place everybody among the reference people.

    min_coverage : share of the loadings' squares, 0 to 1, that must lie at called variants
    returns      : frame with the columns of TABLES["structure_ancestry"]; facts for run.json;
                   warnings
    raises       : CoverageError where too few of the reference's variants are in the store
    """
    match = match_loci(bundle.variants, store.variants)
    _check_coverage(store, bundle, match, min_coverage)
    projection = project(
        store, bundle.components, match.rows, loci=match.loci, swapped=match.swapped,
        threads=threads,
    )  # fmt: skip
    model, loci = _model(bundle, match, threads)
    discriminants, share = discriminant_scores(
        store, model, match.rows, loci=loci, swapped=match.swapped, threads=threads
    )
    same = _same_people(store, bundle, match, threads)
    # projections of people who made the components fall too far out
    pcs = np.where(same[:, None] >= 0, bundle.pcs[same], projection.scores)
    few = projection.coverage < min_coverage
    few |= np.isnan(pcs).any(axis=1) | np.isnan(discriminants).any(axis=1)
    k = steady_components(bundle.components.shrinkage)
    reference = bundle.pcs[:, :k]
    typical, limit = typical_surroundings(reference)
    n_near = min(N_NEIGHBOURS, len(reference) - 1)
    near = others_near(reference, np.nan_to_num(pcs[:, :k]), n_near, same)
    around = surroundings(near, typical, limit)
    probability = ancestry_probabilities(model.gaussians, np.nan_to_num(discriminants))
    strange = outside_populations(model.gaussians, discriminants, share)
    outside = (around.outside | strange) & ~few
    placed = ~few & ~outside
    table = pl.DataFrame(
        {
            "sample": pl.Series(store.samples, dtype=pl.Utf8),
            **_most_similar(model, probability, placed),
            "genetic_distance": np.where(few, np.nan, around.isolation),
            "outside_reference": outside,
            "projection_coverage": projection.coverage,
            **{f"PC{i + 1}": pc for i, pc in enumerate(pcs.T)},
            **_probabilities(model, np.where(few[:, None], np.nan, probability)),
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))
    facts = _facts(bundle, match, outside, few) | {"in_reference": int((same >= 0).sum())}
    return (
        table,
        facts,
        [*_warnings(bundle, outside, few), *in_reference(store.samples, bundle.name, same)],
    )


def _same_people(
    store: PackedStore, bundle: ReferenceBundle, match: LociMatch, threads: int
) -> np.ndarray:
    """Which reference person each of the store's people is: int64 (samples,), -1 where none."""
    reference = bundle.store()
    chosen = informative_loci(bundle.ancestry.centre[match.loci] / 2)
    theirs = bundle.variants["row"].to_numpy()[match.loci[chosen]]
    calls = read_calls(store, match.rows[chosen], threads)
    swapped = match.swapped[chosen, None] & (calls >= 0)
    return same_people(
        np.where(swapped, 2 - calls, calls), read_calls(reference, theirs, threads), store.samples,
        reference.samples,
    )  # fmt: skip


def read_calls(store: PackedStore, rows: np.ndarray, threads: int) -> np.ndarray:
    """Copies of ALT in some rows of a store: int8 (rows, samples)."""
    calls = np.empty((len(rows), store.n_samples), np.int8)
    unpack_rows(store.read(rows, threads), store.n_samples, calls)
    return calls


def in_reference(samples: Sequence[str], name: str, same: np.ndarray) -> Iterator[str]:
    """Say how many people of a cohort are reference people too."""
    both = np.flatnonzero(same >= 0)
    if len(both):
        some = ", ".join(samples[i] for i in both[:5].tolist())
        yield (
            f"{len(both)} of {len(same)} people are in the reference {name} too, by their "
            f"genotypes: nobody is compared with themselves ({some}"
            + (f" and {len(both) - 5} more)." if len(both) > 5 else ").")
        )


def _check_coverage(
    store: PackedStore, bundle: ReferenceBundle, match: LociMatch, min_coverage: float
) -> None:
    squares = (bundle.components.loadings**2).sum(axis=1)
    share = float(squares[match.loci].sum() / max(squares.sum(), 1e-300))
    if share < min_coverage:
        raise CoverageError(
            f"{store.path}: {len(match.rows)} of the {bundle.variants.height} variants that place "
            f"people in {bundle.path} were found, {share:.1%} of their weight, and "
            f"{min_coverage:.0%} is needed (--min-projection-coverage); make a reference of "
            "variants that the store has with `genomed structure reference`"
        )


def _model(
    bundle: ReferenceBundle, match: LociMatch, threads: int
) -> tuple[AncestryModel, np.ndarray]:
    """What tells populations apart by the variants found, and the places of these in it.

    Where more than a few are absent, it is learnt anew from those that are there.
    """
    if len(match.loci) >= NEARLY_ALL * bundle.variants.height:
        return bundle.ancestry, match.loci
    rows = bundle.variants["row"].to_numpy()[match.loci]
    used = pl.Series(bundle.used)
    labels = bundle.labels.with_columns(
        pl.when(used).then(pl.col("population", "superpopulation")).name.keep()
    )
    model, _ = fit_ancestry(
        bundle.store(), rows, labels["population"].to_list(), labels["superpopulation"].to_list(),
        threads=threads,
    )  # fmt: skip
    return model, np.arange(len(rows))


def _most_similar(
    model: AncestryModel, probability: np.ndarray, placed: np.ndarray
) -> dict[str, pl.Series]:
    """The likeliest population and superpopulation of everybody who is placed, else null."""
    columns = {}
    groups = sorted(set(model.superpopulations))
    grouped = grouped_probabilities(probability, model.superpopulations)
    for level, names, share in (
        ("population", model.populations, probability),
        ("superpopulation", groups, grouped),
    ):
        best = share.argmax(axis=1)
        text = [names[b] if is_placed else None for b, is_placed in zip(best, placed, strict=True)]
        columns[f"most_similar_{level}"] = pl.Series(text, dtype=pl.Utf8)
        columns[f"{level}_probability"] = pl.Series(
            np.where(placed, share.max(axis=1, initial=0.0), np.nan)
        )
    return columns


def _probabilities(model: AncestryModel, probability: np.ndarray) -> dict[str, np.ndarray]:
    """A column for each superpopulation and each population; one where they are the same."""
    grouped = grouped_probabilities(probability, model.superpopulations)
    groups = sorted(set(model.superpopulations))
    columns = {f"probability_{g}": p for g, p in zip(groups, grouped.T, strict=True)}
    fine = {f"probability_{g}": p for g, p in zip(model.populations, probability.T, strict=True)}
    return columns | fine


def _facts(
    bundle: ReferenceBundle, match: LociMatch, outside: np.ndarray, few: np.ndarray
) -> dict[str, Any]:
    return {
        "reference": bundle.name,
        "loci": bundle.variants.height,
        "found": len(match.rows),
        "exact": match.n_exact,
        "swapped": match.n_swapped,
        "flipped": match.n_flipped,
        "ambiguous": match.n_ambiguous,
        "outside": int(outside.sum()),
        "few_calls": int(few.sum()),
    }


def _warnings(bundle: ReferenceBundle, outside: np.ndarray, few: np.ndarray) -> list[str]:
    said = []
    if outside.any():
        said.append(
            f"{int(outside.sum())} of {len(outside)} people lie outside the reference "
            f"{bundle.name}: no population is named for them."
        )
    if few.any():
        said.append(
            f"{int(few.sum())} of {len(few)} people have too few called genotypes to be placed in "
            "the reference (--min-projection-coverage)."
        )
    return said
