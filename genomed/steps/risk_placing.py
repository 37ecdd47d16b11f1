"""Where the samples of a risk run lie among the people of a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from genomed.io.bundle import ReferenceBundle
from genomed.io.packed import PackedStore
from genomed.scores.adjustment import nearby
from genomed.scores.discovery import discovery_distance
from genomed.scores.projection import Projected, Projection
from genomed.stats.ancestry import ancestry_probabilities, grouped_probabilities
from genomed.stats.neighbours import Neighbours, surroundings, typical_surroundings
from genomed.stats.same_people import same_people
from genomed.stats.strangeness import outside_populations
from genomed.steps.structure_ancestry import read_calls

__all__ = ["Placed", "ancestry_table", "distance_and_notes", "people_of_both", "place"]


@dataclass(frozen=True)
class Placed:
    """Where the samples lie among the reference people.

    population : int64 (samples,), index of the most similar one; -1 outside, or not placed
    outside, few_calls : bool (samples,), why a sample is not placed
    neighbours : int32 (samples, any), nearest reference people
    same       : int64 (samples,), the reference person that a sample is, else -1
    """

    names: list[str]
    reference_population: np.ndarray
    pcs: np.ndarray
    probability: np.ndarray
    distance: np.ndarray
    population: np.ndarray
    outside: np.ndarray
    few_calls: np.ndarray
    neighbours: np.ndarray
    same: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """Probability of the most similar population, NaN where there is none."""
        best = self.probability.max(axis=1, initial=0.0)
        return np.where(self.population >= 0, best, np.nan)


def people_of_both(
    projection: Projection,
    samples: Sequence[str],
    bundle: ReferenceBundle,
    store: PackedStore,
    threads: int,
) -> np.ndarray:
    """Which reference person used each sample is: int64 (samples,), -1 where none.

    store : the bundle's
    """
    seen = (projection.calls >= 0).any(axis=1)
    varies = bundle.components.scale > 0
    rows = bundle.variants["row"].to_numpy()[varies][projection.kept[seen]]
    names = bundle.labels["sample"].filter(pl.Series(bundle.used)).to_list()
    reference = read_calls(store, rows, threads)[:, bundle.used]
    return same_people(projection.calls[seen], reference, samples, names)


def place(
    bundle: ReferenceBundle,
    labels: Sequence[str],
    reference: np.ndarray,
    projected: Projected,
    same: np.ndarray,
    min_coverage: float,
) -> Placed:
    """Find everybody's place.

    labels       : population of each reference person used
    reference    : float64 (people used, components), their steady components
    same         : see Placed
    min_coverage : share of the loadings' squares that must lie at called variants
    """
    ancestry = bundle.ancestry
    # projections of people who made the components fall too far out
    pcs = np.where(same[:, None] >= 0, bundle.pcs[bundle.used][same], projected.pcs)
    few = projected.coverage < min_coverage
    few |= np.isnan(pcs).any(axis=1) | np.isnan(projected.discriminants).any(axis=1)
    typical, limit = typical_surroundings(reference)
    near = nearby(reference, pcs[:, : reference.shape[1]], same)
    around = surroundings(
        Neighbours(near.place[:, : near.distance.shape[1]], near.distance), typical, limit
    )
    probability = grouped_probabilities(
        ancestry_probabilities(ancestry.gaussians, np.nan_to_num(projected.discriminants)),
        ancestry.superpopulations,
    )
    names = sorted(set(ancestry.superpopulations))
    strange = outside_populations(ancestry.gaussians, projected.discriminants, projected.coverage)
    outside = (around.outside | strange) & ~few
    return Placed(
        names=names,
        reference_population=np.array([names.index(x) if x in names else -1 for x in labels]),
        pcs=np.where(few[:, None], np.nan, pcs),
        probability=np.where(few[:, None], np.nan, probability),
        distance=np.where(few, np.nan, around.isolation),
        population=np.where(few | outside, -1, probability.argmax(axis=1)),
        outside=outside,
        few_calls=few,
        neighbours=near.place,
        same=same,
    )


def distance_and_notes(
    people: Mapping[str, np.ndarray], text: str | None, reference_pcs: np.ndarray, placed: Placed
) -> tuple[np.ndarray, list[str]]:
    """discovery_distance and accuracy_note of the samples, for one discovery ancestry.

    people : label -> bool (reference people,), those of the discovery ancestry
    text   : what the model says of it
    """
    n = len(placed.population)
    inside = placed.population >= 0
    distance = np.full(n, np.nan)
    if people:
        found = discovery_distance(
            people, reference_pcs, np.nan_to_num(placed.pcs[:, : reference_pcs.shape[1]])
        )
        distance = np.where(placed.few_calls, np.nan, found.distance)
        notes = found.notes()
    elif text:
        notes = ["the discovery ancestry is not one that the reference names: accuracy unknown"] * n
    else:
        notes = ["the model does not name its discovery ancestry: accuracy unknown"] * n
    return distance, [
        said if there else "outside the reference: not adjusted, accuracy unknown"
        if out else "not placed: accuracy unknown"
        for said, there, out in zip(notes, inside.tolist(), placed.outside.tolist(), strict=True)
    ]  # fmt: skip


def ancestry_table(samples: Sequence[str], placed: Placed, projected: Projected) -> pl.DataFrame:
    """The columns of TABLES["ancestry"]."""
    names = np.array([*placed.names, None], object)
    columns = {
        "sample": list(samples),
        "most_similar_population": names[placed.population].tolist(),
        "population_probability": placed.best,
        "genetic_distance": placed.distance,
        "outside_reference": placed.outside,
        "projection_coverage": projected.coverage,
    }
    columns |= {f"PC{i + 1}": placed.pcs[:, i] for i in range(placed.pcs.shape[1])}
    columns |= {f"probability_{p}": placed.probability[:, i] for i, p in enumerate(placed.names)}
    texts = {"sample": pl.Utf8, "most_similar_population": pl.Utf8}
    return pl.DataFrame(columns, schema_overrides=texts).with_columns(
        pl.col(pl.Float64).fill_nan(None)
    )
