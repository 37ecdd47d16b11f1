"""A directory of results -> one page of all of them, or of one person, and a MultiQC section."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from genomed import __version__
from genomed.errors import InputError, UsageError
from genomed.io.multiqc_report import multiqc_report
from genomed.io.outputs import OutputDirectory
from genomed.io.text_table import read_text_table
from genomed.report.markup import plain
from genomed.report.run_page import (
    OddRecordError,
    needs,
    parts,
    person_needs,
    render_person,
    render_report,
)
from genomed.report.run_people import People
from genomed.report.run_records import Finding, ReportData, RunRecord
from genomed.steps.clock import Clock
from genomed.steps.report_runs import FoundRun, find_runs, load_tables, sample_names

__all__ = ["ReportSummary", "run_report"]

DEFAULT = "report.html"


@dataclass
class ReportSummary:
    """What was shown: findings in the order of the page, runs by command, and where it is.

    findings : chapter and finding, in plain text
    """

    findings: list[tuple[str, Finding]]
    runs: dict[str, int]
    warnings: Sequence[str]
    outputs: dict[str, Path]
    timings: dict[str, float] = field(default_factory=dict)


def run_report(
    directory: Path,
    out: Path | None = None,
    *,
    title: str | None = None,
    person: str | None = None,
    names: Path | None = None,
    command: str = "genomed report",
) -> ReportSummary:
    """Show every run below a directory in one page, or what they say of one person.

    out    : where to write it; DIRECTORY/report.html, or DIRECTORY/PERSON.html, PERSON as the page
             calls that person
    person : a sample's ID, or what the page calls it
    names  : table with the columns sample and name, to show names instead of pseudonyms
    raises InputError where nothing is found or read, UsageError for a person nobody knows,
    OutputError where the page cannot be written; it appears whole or not at all
    """
    clock = Clock()
    page = _page_path(directory, out)
    found, warnings = find_runs(directory, page)
    if not found:
        raise InputError(
            f"{directory}: no run.json of genomed is below it; name a directory with results"
        )
    people = _people(found, names)
    clock.lap("find")
    sample = None if person is None else _sample(people, person)
    if sample is not None and out is None:
        page = directory / f"{_fit_for_a_file(people.shown(sample))}.html"
    wanted = person_needs() if person else needs()
    runs = [_masked(load_tables(run, wanted), people) for run in found]
    clock.lap("read")
    shown = title or directory.resolve().name or "results"
    data = ReportData(shown, runs, people, warnings, __version__, command)
    summary = _written(data, page, sample)
    clock.lap("write")
    summary.timings = clock.phases
    return summary


def _page_path(directory: Path, out: Path | None) -> Path:
    if out is None:
        return directory / DEFAULT
    if out.is_dir() or out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {out}: give the name of a file that ends in .html")
    return out


def _fit_for_a_file(name: str) -> str:
    """A name without what no file name should hold."""
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in name).strip("-")
    return kept[:80] or "person"


def _people(found: Sequence[FoundRun], names: Path | None) -> People:
    everybody = sample_names(found)
    return People(everybody, _salt(found), _read_names(names, everybody) if names else None)


def _masked(run: RunRecord, people: People) -> RunRecord:
    """The run without samples in its name and place, as those of reads have them."""
    return replace(run, name=people.masked(run.name), place=people.masked(run.place))


def _salt(found: Sequence[FoundRun]) -> str:
    """Digest of what the first command of the chain read: another cohort, other pseudonyms."""
    first = found[0].record.command
    read = {
        str(facts.get("sha256") or facts)
        for run in found
        if run.record.command == first
        for facts in (run.record.record.get("inputs") or {}).values()
        if isinstance(facts, Mapping)
    }
    return hashlib.sha256("\n".join(sorted(read)).encode()).hexdigest()


def _read_names(path: Path, everybody: set[str]) -> dict[str, str]:
    """sample -> name; an InputError for a column that lacks, or for samples twice or unknown."""
    table = read_text_table(path, frozenset({"sample"})).frame
    lacking = [column for column in ("sample", "name") if column not in table.columns]
    if lacking:
        raise InputError(
            f"{path}: there is no column {' and no column '.join(lacking)}; a table of names has "
            "the columns sample and name"
        )
    rows = table.select("sample", "name").drop_nulls()
    twice = rows.filter(rows["sample"].is_duplicated())["sample"]
    if len(twice):
        raise InputError(f"{path}: sample {twice[0]!r} stands there twice; keep one of its names")
    named = dict(rows.iter_rows())
    if not everybody & named.keys():
        raise InputError(f"{path}: none of its samples is in the results; are these its names?")
    return named


def _written(data: ReportData, page: Path, sample: str | None) -> ReportSummary:
    """Render and write the page, and MultiQC's file beside that of all runs."""
    counts: dict[str, int] = {}
    for run in data.runs:
        counts[run.command] = counts.get(run.command, 0) + 1
    if sample is not None:
        texts = {page.name: _person_page(data, sample)}
        return ReportSummary([], counts, data.warnings, _write(page.parent, texts))
    try:
        chapters = parts(data)
    except OddRecordError as error:
        raise InputError(str(error)) from error
    findings = [
        (part.short, f._replace(subject=plain(f.subject), sentence=plain(f.sentence)))
        for part in chapters
        for f in part.findings
    ]
    rows = [(c, f.level, f.word, f.subject, f.sentence) for c, f in findings]
    texts = {
        f"{page.stem}_mqc.json": multiqc_report(rows),
        page.name: render_report(data, chapters),
    }
    return ReportSummary(findings, counts, data.warnings, _write(page.parent, texts))


def _sample(people: People, person: str) -> str:
    sample = people.sample(person)
    if sample is None:
        raise UsageError(
            f"--person {person}: nobody in these results is called so; give a sample's ID as in "
            "the tables, or what the report calls it"
        )
    return sample


def _person_page(data: ReportData, sample: str) -> str:
    try:
        return render_person(data, sample)
    except OddRecordError as error:
        raise InputError(str(error)) from error
    except ValueError as error:
        raise InputError(
            f"--person {data.people.shown(sample)}: {error}; run `genomed risk` first"
        ) from None


def _write(directory: Path, texts: Mapping[str, str]) -> dict[str, Path]:
    """Write files that appear together or not at all; their paths."""
    with OutputDirectory(directory) as place:
        for name, text in texts.items():
            place.write_text(name, text)
    return place.files()
