"""Chapters of a run directory -> report.html: one self-contained page, the same bytes for the same.

The page loads nothing. Its one script, allowed by digest, searches and pages tables and lets the
reader choose light or dark; without it everything can still be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType

import polars as pl

from genomed.report import (
    run_evaluate,
    run_explain,
    run_flow,
    run_models,
    run_people_table,
    run_person,
    run_provenance,
    run_qc,
    run_reads,
    run_risk,
    run_structure,
)
from genomed.report.curves import CURVE_CSS
from genomed.report.document import document, navigation, section
from genomed.report.figures import PATTERNS
from genomed.report.group_figures import GROUP_CSS
from genomed.report.markup import Html, element, label, shortened
from genomed.report.run_records import Need, Part, ReportData, told_apart
from genomed.report.run_script import SCRIPT_AFTER, SCRIPT_BEFORE
from genomed.report.run_style import RUN_CSS
from genomed.report.run_summary import summary_part

__all__ = [
    "CHAPTERS",
    "OddRecordError",
    "needs",
    "parts",
    "person_needs",
    "render_person",
    "render_report",
]

# In the order of the page.
CHAPTERS: tuple[ModuleType, ...] = (
    run_risk, run_people_table, run_models, run_evaluate, run_explain, run_qc, run_structure,
    run_reads, run_flow, run_provenance,
)  # fmt: skip
FOOT = (
    "For research. No number on this page is a diagnosis, nor a basis for one on its own. The page "
    "loads nothing from the network; links lead to the files it was made from."
)


class OddRecordError(ValueError):
    """What a run says of itself lacks something that every run of this version says."""


def needs() -> list[Need]:
    """Every table that a chapter wants read, once; a ledger takes its time."""
    return list(dict.fromkeys(need for module in CHAPTERS for need in module.NEEDS))


def person_needs() -> list[Need]:
    """Every table that the page of one person wants read."""
    return list(run_person.NEEDS)


def parts(data: ReportData) -> list[Part]:
    """The chapters that have something to show, in the order of the page, after the summary.

    raises OddRecordError where a chapter meets a run.json that is not as this version writes it
    """
    chapters = []
    for module in CHAPTERS:
        with _told_of_odd_records(module, data):
            chapters.append(module.chapter(data))
    made = [
        replace(part, findings=told_apart(part.findings)) for part in chapters if part is not None
    ]
    return [summary_part(data, made), *made]


@contextmanager
def _told_of_odd_records(module: ModuleType, data: ReportData) -> Iterator[None]:
    """Name the runs whose records a module could not read."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, pl.exceptions.PolarsError) as error:
        commands = {need.command for need in module.NEEDS}
        read = [run for run in data.runs if run.command in commands or not commands]
        places = ", ".join(run.place for run in read[:5])
        old = sorted({str(run.record.get("version")) for run in read})
        raise OddRecordError(
            f"run.json of one of {places}, or a table beside it, is not as genomed {data.version} "
            f"writes it (they were written by {', '.join(old)}; {type(error).__name__}: {error}); "
            "run these again, or leave them out"
        ) from error


def render_report(data: ReportData, chapters: Sequence[Part]) -> str:
    """The page of a run directory as one HTML document."""
    n = len(data.runs)
    runs = "1 run" if n == 1 else f"{n:,} runs"
    lead = f"{runs} of genomed, {len(data.people):,} people."
    return _render(data, chapters, "genomed report", data.title, lead)


def render_person(data: ReportData, sample: str) -> str:
    """The page of one person as one HTML document.

    raises OddRecordError as `parts` does, another ValueError where no run tells of that person
    """
    with _told_of_odd_records(run_person, data):
        chapters = run_person.person_parts(data, sample)
    if not chapters:
        raise ValueError("no run of risk tells of them")
    lead = f"One person of {data.title}."
    return _render(data, chapters, "genomed report --person", data.people.shown(sample), lead)


def _render(
    data: ReportData, chapters: Sequence[Part], eyebrow: str, heading: str, lead: str
) -> str:
    css = RUN_CSS + CURVE_CSS + GROUP_CSS + "".join(dict.fromkeys(part.css for part in chapters))
    script = SCRIPT_BEFORE + "".join(dict.fromkeys(p.script for p in chapters)) + SCRIPT_AFTER
    first = chapters[0]
    body = element(
        "body",
        element("a", f"Skip to {first.short.lower()}", href=f"#{first.identity}", class_="skip"),
        PATTERNS,
        _head(eyebrow, heading, lead),
        navigation({part.identity: part.short for part in chapters}),
        element("main", [section(p.identity, p.heading, p.body) for p in chapters], id="main"),
        element("footer", element("p", FOOT), _made_by(data), class_="foot"),
    )
    return document(shortened(heading, 120), body, css, data.version, script)


def _head(eyebrow: str, heading: str, lead: str) -> Html:
    theme = element("button", "Theme", type="button", class_="theme", hidden=True)
    words = element(
        "div", element("p", eyebrow, class_="eyebrow"), element("h1", label(heading, 120))
    )
    top = element("div", words, theme, class_="top")
    return element("header", top, element("p", lead, class_="lead"), class_="head")


def _made_by(data: ReportData) -> Html:
    return element("p", f"Made by genomed {shortened(data.version)}.")
