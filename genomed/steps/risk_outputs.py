"""What a risk run writes: tables under the models' own names, warnings, the page and run.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed.io.labels import named_file
from genomed.io.library import CARD
from genomed.io.outputs import OutputDirectory
from genomed.ledger import REASONS
from genomed.provenance import Fingerprints, file_fingerprint, record
from genomed.report.content import RiskPage
from genomed.report.page import render_risk_page
from genomed.schema import Reader, ScoreModel
from genomed.scores.matching import Entries
from genomed.scores.results import FEW_SAMPLES
from genomed.settings import RiskSettings
from genomed.steps.risk_builds import Candidates
from genomed.steps.risk_inputs import RiskInputs

__all__ = [
    "input_fingerprints",
    "model_facts",
    "of_families",
    "of_models",
    "risk_warnings",
    "write_results",
]


def of_models(frame: pl.DataFrame, candidates: Candidates, kept: Sequence[int]) -> pl.DataFrame:
    """The rows of the models kept, each under its final name."""
    names = {candidates.models[m].name: str(candidates.final_names[m]) for m in kept}
    if len(names) < len(candidates.models):
        frame = frame.filter(pl.col("model").is_in(list(names)))
    if any(name != final for name, final in names.items()):
        frame = frame.with_columns(pl.col("model").replace(names))
    return frame


def of_families(
    ledger: pl.DataFrame, entries: Entries, candidates: Candidates, kept: Sequence[int]
) -> pl.DataFrame:
    """The ledger's rows of the models kept; a model of its own under its final name."""
    keep = np.zeros(ledger.height, bool)
    names: dict[str, str] = {}
    for family in entries.families:
        keep[family.rows] = any(m in kept for m in family.members.tolist())
        if family.weights is None:
            names[family.label] = str(candidates.final_names[family.members[0]])
    return ledger.filter(pl.Series(keep)).with_columns(pl.col("model").replace(names))


def model_facts(model: ScoreModel) -> dict[str, str]:
    """What the page says about a model: the header of its file, and where it lies."""
    facts = dict(model.header)
    facts["source"] = model.source
    if "license" in facts:
        facts["licence"] = facts["license"]
    return facts


def risk_warnings(
    models: pl.DataFrame, entries: Entries, reader: Reader, settings: RiskSettings
) -> Iterator[str]:
    """Sentences about scores that are missing or rest on little.

    models : the columns of TABLES["models"]
    """
    n = len(reader.samples)
    if not n:
        yield "The cohort has no samples: there is nobody to score."
    for row in models.filter(pl.col("n_variants") > 0).iter_rows(named=True):
        if n and row["n_null"] == n:
            yield (
                f"{row['model']}: no score, because {row['weighted_coverage']:.1%} of its variance "
                f"is covered and {settings.min_weighted_coverage:.0%} are needed "
                "(--min-weighted-coverage)."
            )
        elif row["n_null"]:
            yield (
                f"{row['model']}: {row['n_null']} of {n} samples without a score, because too many "
                "of their calls are missing."
            )
    n_ambiguous = int((entries.reason == "ambiguous").sum())
    if n_ambiguous and any(row["n_null"] for row in models.iter_rows(named=True)):
        yield (
            f"{n_ambiguous} A/T or C/G variants were left out: their strand cannot be told; "
            "--ambiguous keep takes them as they stand, --reference-frequencies can tell."
        )
    if any("few_samples" in flags for flags in models["flags"]):
        yield (
            f"Missing calls were filled with the mean of fewer than {FEW_SAMPLES} samples; "
            "--reference-frequencies with --missing reference-mean does better."
        )
    if entries.n_conflicts:
        yield (
            f"{entries.n_conflicts} model variants lie in a reference block and in a record of "
            "their own; the block came first and was used. Check the gVCF for overlapping records."
        )
    for code, n_records in reader.counts.refused.items():
        yield f"{n_records} records were refused: {REASONS[code]}."


def write_results(
    directory: OutputDirectory,
    page: RiskPage,
    tables: Mapping[str, pl.DataFrame],
    explained: Sequence[str],
    settings: RiskSettings,
    fingerprints: dict[str, dict[str, Any]],
) -> None:
    """Write every file of a run; run.json alone holds what differs between equal runs.

    tables : "ledger"; "ancestry" with a reference; "absolute_risk" with rates by age; "reads" with
             --reads
    """
    facts = record("risk", settings, fingerprints)
    footer = {"genomed": json.dumps(facts, sort_keys=True)}
    with ThreadPoolExecutor(1) as pool:  # the page is all Python, the tables are none
        html = pool.submit(render_risk_page, replace(page, started="", seconds=0.0))
        directory.write_tsv("risk.tsv", page.risk)
        directory.write_parquet("risk.parquet", page.risk, footer)
        for name in ("ancestry", "absolute_risk", "reads"):
            if name in tables:
                directory.write_tsv(f"{name}.tsv", tables[name])
                directory.write_parquet(f"{name}.parquet", tables[name], footer)
        directory.write_tsv("models.tsv", page.models)
        directory.write_tsv("ledger.tsv.gz", tables["ledger"])
        directory.write_text("risk.html", html.result())
    facts["build"] = {"name": page.build, "evidence": page.build_evidence}
    facts["records"] = page.record_counts
    facts["explained"] = list(explained)
    facts["warnings"] = list(page.warnings)
    facts["run"] = {"command_line": page.command, "started": page.started}
    text = json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False)
    directory.write_text("run.json", text + "\n")


def input_fingerprints(
    inputs: RiskInputs, reader: Reader, models: Sequence[ScoreModel], begun: Fingerprints
) -> dict[str, dict[str, Any]]:
    """Path -> size and SHA-256 of every file a run has read.

    begun : where some of them are in the making
    """
    found: dict[str, dict[str, Any]] = {}
    cohort = Path(inputs.cohort)
    if cohort.is_file():
        known = getattr(reader, "sha256", None)
        found[inputs.cohort] = file_fingerprint(cohort, known) if known else begun.of(cohort)
    for source in dict.fromkeys(model.source for model in models):
        if Path(source).is_file():
            found[source] = begun.of(Path(source))
        elif Path(source).is_dir():  # a bundle, whose card holds the digests of all its files
            found[source] = {"sha256_of_its_card": file_fingerprint(Path(source, CARD))["sha256"]}
    tables = (inputs.covariates, inputs.codes, named_file(inputs.groups), inputs.incidence)
    for extra in (inputs.reference_frequencies, inputs.fasta, *tables):
        if extra is not None:
            found[str(extra)] = begun.of(extra)
    return found
