"""`genomed structure reference`: labelled people -> a bundle that places others among them."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed import __version__
from genomed.errors import InputError, UsageError
from genomed.io.bundle import write_bundle
from genomed.io.labels import read_labels
from genomed.io.packed import PackedStore, open_store
from genomed.io.plink_tables import companion_paths
from genomed.provenance import Fingerprints
from genomed.schema import BUILDS, AncestryModel
from genomed.settings import StructureSettings
from genomed.stats.ancestry import CrossValidation, fit_ancestry
from genomed.stats.ld import founder_mask
from genomed.steps.genome_build import choose_build
from genomed.steps.structure_parts import find_components, find_relations, require_device
from genomed.steps.structure_variants import (
    Variants,
    choose_variants,
    leave_long_range_ld,
    prune_variants,
)

__all__ = ["ReferenceSummary", "build_reference"]

LEAST_MAF = 0.001  # of variants that tell populations apart
MOST_RARE = 100_000
_STRANDED = ("AT", "TA", "CG", "GC")  # read alike on both strands


@dataclass
class ReferenceSummary:
    """What a bundle was made of, and how well it tells its people apart.

    n_variants, n_telling : variants of the components, and of what tells populations apart
    check : people held back from learning, a fifth at a time
    """

    path: Path
    name: str
    build: str
    n_people: int
    n_unrelated: int
    n_variants: int
    n_telling: int
    populations: dict[str, int]
    check: CrossValidation
    warnings: list[str]
    timings: dict[str, float]


def build_reference(
    store_path: str,
    labels_path: Path,
    out: Path,
    settings: StructureSettings,
    *,
    name: str | None = None,
    samples: list[str] | None = None,
    threads: int = 1,
    device: str = "cpu",
) -> ReferenceSummary:
    """Prune, find the unrelated, their components and what tells their labels apart; write it.

    labels_path : table of samples with a population and perhaps a superpopulation; people without
                  are left out
    out         : a directory, or a file that ends in .zip
    device      : see run_structure
    Raises InputError, UsageError, OutputError and UnfitError; nothing is left at `out` then.
    """
    began = time.perf_counter()
    require_device(device)
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise UsageError(f"{out}: is there already; give --out a new name")
    store, labels, warnings = _labelled(store_path, labels_path, samples)
    build, _ = choose_build(store.contigs, settings.build, store.path)
    if build not in BUILDS:
        raise UsageError(
            f"{store_path}: its genome build is {build or 'not known'}, and a reference is on one "
            f"of {', '.join(BUILDS)}; name it with --build"
        )
    with Fingerprints() as fingerprints:
        files = [*companion_paths(store.path), labels_path]
        for file in files:
            fingerprints.begin(file)
        variants, kept = _pruned(store, build, settings, threads, device)
        rows = variants.rows("kept")
        try:
            found = find_components(store, rows, kept, settings, threads=threads, device=device)
            more = _telling_rows(variants)
            learnt, check = _learn(store, more, labels, kept, settings, threads)
        except ValueError as error:
            raise InputError(f"{store_path}: no reference can be made: {error}") from None
        facts = _facts(settings, variants.counts(), check, kept)
        facts["inputs"] = {file.name: fingerprints.of(file) for file in files}
        write_bundle(
            out, name=name or out.stem, build=build, store=store, rows=rows, labels=labels,
            pcs=found.scores, used=kept, components=found.found, ancestry=learnt, facts=facts,
            ancestry_rows=more, threads=threads,
        )  # fmt: skip
    return ReferenceSummary(
        path=out,
        name=name or out.stem,
        build=build,
        n_people=store.n_samples,
        n_unrelated=int(kept.sum()),
        n_variants=len(rows),
        n_telling=len(more),
        populations=dict(labels["population"].value_counts().sort("population").iter_rows()),
        check=check,
        warnings=warnings,
        timings={"reference": time.perf_counter() - began},
    )


def _labelled(
    store_path: str, labels_path: Path, samples: list[str] | None
) -> tuple[PackedStore, pl.DataFrame, list[str]]:
    """The people of a store who have labels, their labels in its order, and warnings."""
    labels = read_labels(labels_path)
    everybody = open_store(store_path, samples=samples).samples
    named = set(labels["sample"].to_list())
    chosen = [sample for sample in everybody if sample in named]
    if not chosen:
        raise InputError(f"{labels_path}: labels nobody in {store_path}; check the sample names")
    store = open_store(store_path, samples=chosen)
    order = pl.DataFrame({"sample": store.samples}, schema={"sample": pl.Utf8})
    left = len(everybody) - len(chosen)
    warnings = [f"{left} samples without a label are left out."] if left else []
    return store, order.join(labels, on="sample", how="left", maintain_order="left"), warnings


def _pruned(
    store: PackedStore, build: str, settings: StructureSettings, threads: int, device: str
) -> tuple[Variants, np.ndarray]:
    """The variants that a reference rests on, and who is unrelated: bool (samples,)."""
    founders = founder_mask(store.people)
    founders = founders if founders.any() else np.ones(store.n_samples, np.bool_)
    variants = choose_variants(store, settings, founders, threads=threads)
    variants.drop(_unclear(store.variants), "unclear_strand")
    relations = find_relations(store, variants.common, settings, threads=threads, device=device)
    if settings.leave_long_range_ld:
        leave_long_range_ld(variants, build)
    kept = relations.unrelated
    prune_variants(variants, settings, founders & kept, threads=threads, device=device)
    return variants, kept


def _telling_rows(variants: Variants) -> np.ndarray:
    """Rows that tell populations apart: those of the components, and rarer ones, int64.

    What is rare is young and local: of 26 populations of the 1000 Genomes it names 1 to 2 percent
    more people rightly.
    """
    rare = np.setdiff1d(variants.rows("low_maf"), _unclear(variants.store.variants))
    rare = rare[variants.minor_frequency[rare] >= LEAST_MAF]
    if len(rare) > MOST_RARE:
        rare = rare[np.linspace(0, len(rare) - 1, MOST_RARE).astype(np.int64)]
    return np.sort(np.concatenate([variants.rows("kept"), rare]))


def _learn(
    store: PackedStore,
    rows: np.ndarray,
    labels: pl.DataFrame,
    kept: np.ndarray,
    settings: StructureSettings,
    threads: int,
) -> tuple[AncestryModel, CrossValidation]:
    """What tells the labels of the unrelated apart."""
    used = pl.when(pl.Series(kept))
    table = labels.select(used.then(pl.col("population", "superpopulation")).name.keep())
    populations, above = (table[column].to_list() for column in table.columns)
    return fit_ancestry(store, rows, populations, above, seed=settings.seed, threads=threads)


def _unclear(variants: pl.DataFrame) -> np.ndarray:
    """Rows whose alleles do not tell the strand, or are not plain bases: no one else has them."""
    pair = pl.concat_str("ref", "alt")
    plain = pl.col("ref").str.contains("^[ACGT]+$") & pl.col("alt").str.contains("^[ACGT]+$")
    return variants.filter(~plain | pair.is_in(_STRANDED))["row"].to_numpy()


def _facts(
    settings: StructureSettings, variants: dict[str, int], check: CrossValidation, used: np.ndarray
) -> dict[str, Any]:
    return {
        "program": "genomed",
        "version": __version__,
        "settings": {k: v for k, v in asdict(settings).items() if k not in ("steps", "roh")},
        "variants": variants,
        "n_unrelated": int(used.sum()),
        "cross_validation": {
            "population_accuracy": check.population_accuracy,
            "superpopulation_accuracy": check.superpopulation_accuracy,
            "population_log_loss": check.population_log_loss,
            "confusion": check.confusion.rows(),
            "super_confusion": check.super_confusion.rows(),
        },
    }
