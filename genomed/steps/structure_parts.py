"""The parts of `structure`: relations, components, runs of homozygosity and diversity."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.errors import InputError, UnfitError, UsageError
from genomed.io.labels import read_labels
from genomed.io.packed import PackedStore
from genomed.settings import StructureSettings
from genomed.stats.kinship import king_table, unrelated
from genomed.stats.kinship_error import kinship_error, least_kinship
from genomed.stats.pca import Pca, pca
from genomed.stats.pedigree import compare_relations, declared_relations
from genomed.stats.projection import project
from genomed.stats.roh import contig_stretches, find_runs, summarise_runs

__all__ = [
    "Components",
    "Relations",
    "check_pedigree",
    "covered_bases",
    "find_components",
    "find_relations",
    "read_groups",
    "require_device",
    "runs_of_homozygosity",
]


THIRD_DEGREE, SECOND_DEGREE = 0.0442, 0.0884  # borders of Manichaikul 2010: powers of 2 to a half


class Relations(NamedTuple):
    """Who is related to whom.

    pairs     : frame with the columns of TABLES["kinship"], from the least kinship told on
    unrelated : bool (samples,), a maximal set without pairs above the greatest kinship allowed
    error     : standard error of the kinship of unrelated people; NaN where it cannot be told
    least     : kinship from which on pairs are told
    """

    pairs: pl.DataFrame
    unrelated: np.ndarray
    error: float
    least: float


def require_device(device: str) -> None:
    """An UnfitError where a device is not there, or does not calculate as the processor does."""
    if device == "cpu":
        return
    from genomed.stats.packed_device import check_device  # noqa: PLC0415 - torch takes seconds

    try:
        check_device(device)
    except ValueError as error:
        raise UnfitError(
            f"--device {device}: {error}; see `genomed doctor`, or leave --device away"
        ) from None


def find_relations(
    store: PackedStore,
    rows: np.ndarray,
    settings: StructureSettings,
    *,
    threads: int = 1,
    device: str = "cpu",
) -> Relations:
    """Kinship of all pairs, and a maximal set of unrelated people.

    Where the settings leave it open, no pair is told that could be so near by chance.
    """
    error = kinship_error(store, rows)
    chance = least_kinship(error, store.n_samples)
    least = max(THIRD_DEGREE, chance) if settings.min_kinship is None else settings.min_kinship
    most = max(SECOND_DEGREE, chance) if settings.max_kinship is None else settings.max_kinship
    pairs = king_table(store, rows, threads=threads, min_kinship=min(least, most), device=device)
    close = pairs.filter(pl.col("kinship") > most)
    place = {name: i for i, name in enumerate(store.samples)}
    edges = np.array(
        [(place[a], place[b]) for a, b in close.select("sample1", "sample2").iter_rows()], np.int64
    ).reshape(-1, 2)
    kept = unrelated(store.n_samples, edges)
    return Relations(pairs.filter(pl.col("kinship") >= least), kept, error, least)


def check_pedigree(store: PackedStore, pairs: pl.DataFrame) -> pl.DataFrame | None:
    """Declared beside found relations; None where nobody has a declared parent."""
    people = store.people.select("sample", "father", "mother")
    if people["father"].null_count() == people["mother"].null_count() == people.height:
        return None
    try:
        declared = declared_relations(people)
    except ValueError as error:
        raise InputError(f"{store.path}: pedigree: {error}; correct its parents") from None
    return compare_relations(declared, pairs)


class Components(NamedTuple):
    """Principal components of the unrelated, and everybody's scores on them.

    rows      : int64, rows of the store they were found on
    found     : what genomed.stats.pca found
    scores    : float64 (samples, k)
    projected : bool (samples,), whose scores are projections
    """

    rows: np.ndarray
    found: Pca
    scores: np.ndarray
    projected: np.ndarray

    def table(self, samples: list[str]) -> pl.DataFrame:
        """One row per sample: sample, projected, PC1 and so on."""
        scores = {f"PC{i + 1}": self.scores[:, i] for i in range(self.scores.shape[1])}
        columns = {"sample": samples, "projected": self.projected, **scores}
        return pl.DataFrame(columns, nan_to_null=True, schema_overrides={"sample": pl.Utf8})

    def eigenvalues(self) -> pl.DataFrame:
        """One row per component: TABLES["eigenvalues"]."""
        return pl.DataFrame(
            {
                "component": [f"PC{i + 1}" for i in range(len(self.found.eigenvalues))],
                "eigenvalue": self.found.eigenvalues,
                "shrinkage": self.found.shrinkage,
            }
        )

    def loadings(self, store: PackedStore) -> pl.DataFrame:
        """One row per variant used: TABLES["loadings"]."""
        facts = {"centre": self.found.centre, "scale": self.found.scale}
        facts |= {f"PC{i + 1}": column for i, column in enumerate(self.found.loadings.T)}
        variants = store.variants[self.rows].drop("row")
        return pl.concat([variants, pl.DataFrame(facts, nan_to_null=True)], how="horizontal")


def find_components(
    store: PackedStore,
    rows: np.ndarray,
    used: np.ndarray,
    settings: StructureSettings,
    *,
    threads: int = 1,
    device: str = "cpu",
) -> Components:
    """Principal components of the people used; everybody else is projected on them.

    Raises ValueError where there are too few people or variants. Those who are projected are
    relatives of those used, so their scores are not corrected for shrinkage.
    """
    k = min(settings.n_components, int(used.sum()) - 1, len(rows))
    if k < 1:
        raise ValueError(f"{int(used.sum())} people and {len(rows)} variants have no components")
    found = pca(
        store, rows, used, k, method=settings.pca_method, seed=settings.seed, threads=threads,
        device=device,
    )  # fmt: skip
    scores = np.empty((store.n_samples, k))
    scores[used] = found.scores
    if not used.all():
        everybody = project(store, found, rows, shrinkage=False, threads=threads)
        scores[~used] = everybody.scores[~used]
    return Components(rows, found, scores, ~used)


def covered_bases(store: PackedStore, rows: np.ndarray) -> int:
    """Bases from the first to the last of these variants, summed over contigs."""
    table = store.variants[rows].select("contig", "position")
    ends = table["position"].to_numpy()
    stretches = contig_stretches(table["contig"])
    return sum(int(ends[stop - 1] - ends[first]) + 1 for _, first, stop in stretches)


def runs_of_homozygosity(
    store: PackedStore, rows: np.ndarray, settings: StructureSettings, *, threads: int = 1
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Runs, and their sums for each sample: TABLES "roh" and "roh_samples"."""
    runs = find_runs(store, rows, settings.roh, threads=threads)
    return runs, summarise_runs(runs, store.samples, covered_bases(store, rows))


def read_groups(store: PackedStore, given: str) -> tuple[dict[str, np.ndarray], list[str]]:
    """Groups of samples, from a table or a phenotype column of the store; and warnings.

    given   : FILE, FILE:COLUMN or COLUMN
    returns : name -> bool (samples,), in alphabetical order
    """
    file, _, column = given.rpartition(":")
    if Path(given).is_file():
        file, column = given, ""
    if file and Path(file).is_file():
        labels = read_labels(Path(file), column or None)
        of = dict(labels.select("sample", "population").iter_rows())
        group = [of.get(sample) for sample in store.samples]
        source = f"{given}: it names"
    elif given in store.people.columns[5:]:
        group = store.people[given].cast(pl.Utf8).to_list()
        source = f"column {given}: it has"
    else:
        columns = ", ".join(store.people.columns[5:]) or "none"
        raise UsageError(
            f"--groups {given}: no such file, and no such column of the store (columns: {columns})"
        )
    label = np.array([name or "" for name in group])
    names = sorted(set(label.tolist()) - {""})
    if not names:
        raise InputError(f"{source} a group for nobody in {store.path}; check the sample names")
    warnings = []
    if n_without := int((label == "").sum()):
        warnings.append(f"{n_without} of {len(group)} samples are in no group of {given}.")
    return {name: label == name for name in names}, warnings
