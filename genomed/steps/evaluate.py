"""`genomed evaluate`: predictions and truth -> how good they are, for everybody and in groups."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from genomed import __version__
from genomed.errors import GapError, UsageError
from genomed.io.multiqc_evaluate import multiqc_evaluate
from genomed.io.outputs import OutputDirectory
from genomed.provenance import file_fingerprint, record
from genomed.report.evaluate_content import WORDS, EvaluatePage
from genomed.report.evaluate_page import render_evaluate_page
from genomed.settings import EvaluateSettings
from genomed.stats.measures import MAIN, MEASURES
from genomed.steps.clock import Clock
from genomed.steps.evaluate_data import Evaluated, read_evaluated
from genomed.steps.evaluate_groups import EvaluateInputs
from genomed.steps.evaluate_measures import Measures, curve_table, curves, measure

__all__ = ["EvaluateInputs", "EvaluateSummary", "run_evaluate"]

FEW_PEOPLE = 20  # of a trait that is a number


@dataclass(frozen=True)
class EvaluateSummary:
    """What a run found and where it is; `gap` says what is more than was allowed."""

    page: EvaluatePage
    outputs: dict[str, Path]
    seconds: float
    timings: dict[str, float]
    gap: str | None = None

    def check(self) -> None:
        """Raise a GapError where groups differ more than was allowed."""
        if self.gap is not None:
            raise GapError(self.gap)


def run_evaluate(
    inputs: EvaluateInputs,
    out: Path,
    settings: EvaluateSettings,
    *,
    threads: int = 1,
    command: str = "",
) -> EvaluateSummary:
    """Measure predictions and write all tables and the page; see EvaluateSummary.check."""
    begun, started = time.perf_counter(), time.strftime("%Y-%m-%dT%H:%M:%S%z")
    clock = Clock()
    data = read_evaluated(inputs, settings)
    _check_options(data, settings)
    clock.lap("read")
    measures = measure(data, settings, threads)
    drawn = curves(data, settings)
    clock.lap("measure")
    page = EvaluatePage(
        trait=data.trait.name,
        kind=data.trait.kind,
        coding=data.trait.coding,
        n=len(data.samples),
        n_cases=data.trait.n_cases,
        scales=data.scales,
        versus=data.versus,
        metrics=measures.metrics,
        groups=measures.groups,
        gaps=measures.gaps,
        comparison=measures.versus,
        thresholds=measures.thresholds,
        by_chance=measures.by_chance,
        curves=drawn,
        level=settings.level,
        n_draws=settings.n_draws,
        seed=settings.seed,
        prevalence=settings.prevalence,
        max_gap=settings.max_gap,
        warnings=[*data.warnings, *_remarks(data, measures, settings)],
        files=[str(path) for path in data.files],
        version=__version__,
        command=command,
        started=started,
    )
    gap = _gap(data, measures, settings, out)
    with OutputDirectory(out) as directory:
        _write(directory, page, data, settings, gap)
        outputs = directory.files()
    clock.lap("write")
    return EvaluateSummary(page, outputs, time.perf_counter() - begun, clock.phases, gap)


def _check_options(data: Evaluated, settings: EvaluateSettings) -> None:
    """Refuse a measure that there is none of, and thresholds of what has no cases."""
    if settings.gap_measure is not None and settings.gap_measure not in MEASURES:
        raise UsageError(
            f"--gap-measure {settings.gap_measure}: no such measure; known: {', '.join(MEASURES)}"
        )
    if settings.max_gap is not None and not data.groups:
        raise UsageError("--max-gap needs groups to compare; give --by or --groups")
    if data.trait.kind == "binary" or (settings.threshold is None and settings.prevalence is None):
        return
    raise UsageError(
        f"--threshold and --prevalence are of a binary trait, and {data.trait.name} is "
        f"{data.trait.kind}; leave them away"
    )


def _remarks(data: Evaluated, measures: Measures, settings: EvaluateSettings) -> list[str]:
    """What a reader should know before believing the numbers."""
    said = []
    n_cases = data.trait.n_cases
    if n_cases is not None:
        n_controls = len(data.samples) - n_cases
        fewest = min(n_cases, n_controls) if data.trait.kind == "binary" else n_cases
        if fewest < 100:
            words = ("cases", "controls")
            word = words[int(n_cases > n_controls and data.trait.kind == "binary")]
            word = "events" if data.trait.kind == "survival" else word
            said.append(f"There are only {fewest} {word}: expect wide intervals.")
    elif len(data.samples) < FEW_PEOPLE:
        said.append(f"There are only {len(data.samples)} people: rely on nothing of so few.")
    if data.trait.kind == "binary" and data.low is not None:
        said.append(
            "low and high are of a probability, which no single person can confirm or refute; see "
            "the calibration curve."
        )
    small = measures.groups.filter(~pl.col("compared")).select("by", "group").unique()
    if len(small):
        names = ", ".join(f"{by} {group}" for by, group in small.sort("by", "group").iter_rows())
        said.append(
            f"Too small to be compared (under {settings.min_group} people or "
            f"{settings.min_group_cases} cases): {names}."
        )
    if settings.n_draws and settings.n_draws < 200:
        said.append(f"{settings.n_draws} draws are few; intervals are rough.")
    return said


def _gap(data: Evaluated, measures: Measures, settings: EvaluateSettings, out: Path) -> str | None:
    """The largest gap that is more than was allowed, in a sentence."""
    if settings.max_gap is None:
        return None
    name = settings.gap_measure or MAIN[data.trait.kind]
    judged = pl.col("prediction") != (data.versus or "")
    own = measures.gaps.filter(pl.col("measure") == name, judged)
    if not len(own):
        raise UsageError(
            f"--max-gap: {name} is not known in two groups large enough to be compared; group "
            "people otherwise, or choose another --gap-measure"
        )
    row = own.sort("gap", descending=True).row(0, named=True)
    if row["gap"] <= settings.max_gap:
        return None
    told = "" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})"
    return (
        f"{row['prediction']}: {name} is {row['lowest_value']:.3f} in {row['lowest']} and "
        f"{row['highest_value']:.3f} in {row['highest']} (by {row['by']}), a gap of "
        f"{row['gap']:.3f}{told} where --max-gap allows {settings.max_gap:g}; "
        f"see {out / 'gaps.tsv'}"
    )


def _write(
    directory: OutputDirectory,
    page: EvaluatePage,
    data: Evaluated,
    settings: EvaluateSettings,
    gap: str | None,
) -> None:
    """Write every file; run.json, the last, alone holds what differs between equal runs."""
    prints = {str(path): file_fingerprint(path) for path in dict.fromkeys(data.files)}
    facts: dict[str, Any] = record("evaluate", settings, prints, seed=settings.seed)
    footer = {"genomed": json.dumps(facts, sort_keys=True)}
    tables = {
        "metrics": page.metrics,
        "groups": page.groups if data.groups else None,
        "gaps": page.gaps if data.groups else None,
        "versus": page.comparison if data.versus else None,
        "curves": curve_table(page.curves) if any(page.curves.values()) else None,
    }
    for name, table in tables.items():
        if table is not None:
            directory.write_tsv(f"{name}.tsv", table)
            directory.write_parquet(f"{name}.parquet", table, footer)
    directory.write_text("evaluate_mqc.json", multiqc_evaluate(page.trait, page.metrics, WORDS))
    plain = replace(page, started="", seconds=math.nan)
    directory.write_text("evaluate.html", render_evaluate_page(plain))
    facts |= {
        "trait": {
            "name": page.trait, "kind": page.kind, "coding": page.coding, "people": page.n,
            "cases": page.n_cases,
        },
        "scales": dict(page.scales),
        "thresholds": dict(page.thresholds),
        "by_chance": dict(page.by_chance),
        "groups": {
            by: {level: int(there.sum()) for level, there in levels.items()}
            for by, levels in data.groups.items()
        },
        "gap": gap,
        "warnings": list(page.warnings),
        "run": {"command_line": page.command, "started": page.started},
    }  # fmt: skip
    text = json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False)
    directory.write_text("run.json", text + "\n")
