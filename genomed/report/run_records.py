"""What a report of a run directory is made of: runs and their tables in, parts of a page out.

A chapter is a module ``genomed/report/run_<word>.py`` with two names:

NEEDS   : the tables that it wants read, a tuple of Need; genomed.steps.report_runs reads them
chapter : function of ReportData -> Part, or None where there is nothing to show

and one line in `CHAPTERS` of genomed.report.run_page. Chapters open no files. Text that comes from
files (warnings, paths, commands) passes through `data.people.masked`, and samples through
`data.people.shown`, so that no sample is named unless that was asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import polars as pl
import polars.selectors as cs

from genomed.report.markup import Html, element, join, label, plain
from genomed.report.run_people import People

__all__ = [
    "Finding",
    "Need",
    "Part",
    "ReportData",
    "RunRecord",
    "card",
    "figure_from",
    "file_link",
    "present",
    "run_heading",
    "source",
    "told_apart",
]


class Need(NamedTuple):
    """A table of a command that a chapter reads; runs without the file are left without it.

    command : as in run.json: "qc", "reads qc" ...
    file    : as the command calls it, without its prefix: "samples.parquet", "ledger.tsv.gz"
    query   : what is kept of it, as it is read: selects columns, counts, draws a sample. Tables
              may have millions of rows, so a chapter that shows a few asks for these
    name    : of the result in RunRecord.tables; the file's by default
    """

    command: str
    file: str
    query: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None
    name: str = ""

    @property
    def key(self) -> str:
        """Name of the result in RunRecord.tables."""
        return self.name or self.file


@dataclass(frozen=True)
class RunRecord:
    """One run of one command, found by its run.json.

    command : "convert", "qc", "structure", "train", "risk", "evaluate", "explain", "reads qc" ...
    name    : what the run is of, as the directory or prefix says: "example"
    place   : its directory, below that of the results: "qc/example"; samples in both are masked
    files   : file as the command calls it, without a prefix -> path relative to the page, as it is
    record  : run.json
    tables  : what was asked for with Need, by Need.key; those that are not there are left out
    """

    command: str
    name: str
    place: str
    files: Mapping[str, str]
    record: Mapping[str, Any]
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its command and its name, once where they are the same."""
        return self.command if self.name == self.command else f"{self.command} {self.name}"

    @property
    def identity(self) -> str:
        """An id that is unique among runs and fit for HTML, from command and place."""
        text = f"{self.command}-{self.place}"
        return "".join(c if c.isascii() and c.isalnum() else "-" for c in text).strip("-")


@dataclass(frozen=True)
class ReportData:
    """Everything a chapter may ask for.

    runs     : in the order of the chain, then by place
    people   : pseudonyms, or names where they were asked for
    warnings : of the search itself, such as a record that cannot be read
    """

    title: str
    runs: Sequence[RunRecord]
    people: People
    warnings: Sequence[str] = ()
    version: str = ""
    command: str = ""

    def of(self, *commands: str) -> list[RunRecord]:
        """The runs of these commands, in order."""
        return [run for run in self.runs if run.command in commands]


class Finding(NamedTuple):
    """One line of the summary.

    level    : usable, care, none or told: good, to be looked at, bad, and neither
    word     : what the level amounts to here, in a word or two: "usable", "2 left out"
    subject  : what it is about: "Samples of example"
    sentence : the finding, with its number
    link     : id of the place in the part that tells more; the part itself by default
    place    : of its run, for `told_apart`
    """

    level: str
    word: str
    subject: str | Html
    sentence: str | Html
    link: str = ""
    place: str = ""


def told_apart(findings: Sequence[Finding]) -> list[Finding]:
    """Findings with the place of their run where others are about what has the same name."""
    times = Counter(plain(finding.subject) for finding in findings)
    return [
        f._replace(subject=join([f.subject, ", ", label(f.place, 60)]))
        if f.place and times[plain(f.subject)] > 1 else f
        for f in findings
    ]  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A chapter of the page, ready to be laid out.

    identity : id of its section, unique in the page, letters only: "qc"
    heading  : in full; short : in the navigation
    findings : for the summary; each links to this part
    css      : rules beyond genomed.report.stylesheet and run_style; no style attributes anywhere
    script   : JavaScript beyond genomed.report.run_script; the page must be readable without
    """

    identity: str
    heading: str
    short: str
    body: Html
    findings: Sequence[Finding] = ()
    css: str = ""
    script: str = ""


def present(*columns: str) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    """A query for those of the columns that the table has."""
    return lambda table: table.select(cs.by_name(*columns, require_all=False))


def card(heading: object, *parts: object, look: str = "card") -> Html:
    """A box with its heading; look : "card wide" where it takes the whole width."""
    return element("div", element("h4", heading), *parts, class_=look)


def run_heading(run: RunRecord) -> Html:
    """The heading of a run in a chapter: its name, and where it lies if that is not the same."""
    place = element("small", label(run.place, 80)) if run.place != run.name else None
    return element("h3", label(run.name, 60), place)


def file_link(data: ReportData, run: RunRecord, file: str, text: str | None = None) -> Html:
    """A file of a run, as a link; without one where its path would name a sample, or is missing.

    text : what to show; the path by default
    """
    path = run.files.get(file)
    if path is None:
        return element("code", str(PurePosixPath(run.place) / file))
    masked = data.people.masked(path)
    shown = label(text or masked, 120)
    if masked != path:
        return element("code", shown)
    return element("a", element("code", shown), href=_quoted(path), class_="file")


def source(data: ReportData, run: RunRecord, file: str, rows: str = "") -> Html:
    """The line under a table or figure that says which file and rows its numbers come from."""
    told = f", {rows}" if rows else ""
    return element("p", "Source: ", file_link(data, run, file), told, class_="source")


def figure_from(data: ReportData, run: RunRecord, file: str, row: str, shown: str | Html) -> Html:
    """A number that links to its file; the row it stands in, or is counted from, is its tooltip."""
    path = run.files.get(file)
    if path is None or data.people.masked(path) != path:
        return element("span", shown)
    title = f"{path}: {data.people.masked(row)}"
    return element("a", shown, href=_quoted(path), title=title, class_="from")


def _quoted(path: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - a slow import, of this function alone

    return quote(path)
