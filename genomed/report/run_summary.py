"""The report's first chapter: what was found, in numbers, and what to make of it, in verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from genomed.report.document import WARNING_CHARACTERS, pill
from genomed.report.markup import Html, element, join, label
from genomed.report.run_records import Finding, Part, ReportData, RunRecord, figure_from
from genomed.report.tables import format_count

__all__ = ["summary_part"]

MOST_WARNINGS = 12  # shown at once; the rest is one click away
MOST_TILES = 3  # cohorts and models with tiles of their own; verdicts have them all


def summary_part(data: ReportData, chapters: Sequence[Part]) -> Part:
    """Numbers, the chapters' findings with links to them, and the warnings of all runs."""
    lines = [_line(finding, chapter) for chapter in chapters for finding in chapter.findings]
    verdicts = element("ul", lines, class_="verdicts few") if lines else None
    body = join([_tiles(data), verdicts, _warnings(data)])
    return Part("summary", "Summary", "Summary", body)


def _line(finding: Finding, chapter: Part) -> Html:
    subject = element(
        "a", finding.subject, href=f"#{finding.link or chapter.identity}", class_="who"
    )
    return element(
        "li",
        element("span", pill(finding.level, finding.word)),
        element("span", subject, element("span", chapter.short, class_="chapter")),
        element("p", finding.sentence),
    )


def _tile(number: object, meaning: object) -> Html:
    return element("li", element("b", number), element("span", meaning))


def _tiles(data: ReportData) -> Html | None:
    """The few numbers that say what the page is about."""
    tiles: list[Html] = []
    for run in data.of("qc")[:MOST_TILES]:
        tiles += _qc_tiles(data, run)
    if not tiles:
        for run in data.of("convert")[:MOST_TILES]:
            number = _number(data, run, "variants")
            tiles.append(_tile(number, ["variants stored, ", label(run.name)]))
    for run in data.of("structure")[:MOST_TILES]:
        related = (run.record.get("steps") or {}).get("kinship")
        if related:
            shown = format_count(sum(related["pairs"].values()))
            number = figure_from(data, run, "run.json", "steps, kinship, pairs", shown)
            tiles.append(_tile(number, ["related pairs, ", label(run.name)]))
    tiles += _more_tiles(data)
    return element("ul", tiles, class_="tiles") if tiles else None


def _qc_tiles(data: ReportData, run: RunRecord) -> list[Html]:
    tiles = []
    for what in ("samples", "variants"):
        counts = run.record[what]
        number = figure_from(data, run, "run.json", f"{what}, kept", format_count(counts["kept"]))
        told = f"of {format_count(counts['measured'])} {what} pass, "
        tiles.append(_tile(number, [told, label(run.name)]))
    return tiles


def _more_tiles(data: ReportData) -> list[Html]:
    tiles = []
    n_reads = len(data.of("reads qc"))
    if n_reads:
        tables = [run.tables["files.parquet"] for run in data.of("reads qc")
                  if "files.parquet" in run.tables]  # fmt: skip
        tiles.append(_tile(format_count(sum(map(len, tables))), "files of reads measured"))
    if data.of("train"):
        traits = sum(len(run.record.get("traits") or ()) for run in data.of("train"))
        tiles.append(
            _tile(format_count(traits), "model learned" if traits == 1 else "models learned")
        )
    builds = sorted({b for run in data.runs if (b := _build(run))})
    if builds:
        tiles.append(_tile(", ".join(builds), "genome build" + ("s" if len(builds) > 1 else "")))
    return tiles


def _build(run: RunRecord) -> str | None:
    build = run.record.get("build")
    if isinstance(build, dict):
        build = build.get("name")
    return build if isinstance(build, str) else None


def _number(data: ReportData, run: RunRecord, key: str) -> Html:
    return figure_from(data, run, "run.json", key, format_count(run.record.get(key)))


def _warnings(data: ReportData) -> Html | None:
    """What the runs warned of, said once each, with the runs that said it."""
    said: dict[str, list[str]] = {}
    for text in data.warnings:
        said.setdefault(data.people.masked(text), []).append("report")
    for run in data.runs:
        for text in run.record.get("warnings") or ():
            said.setdefault(data.people.masked(str(text)), []).append(run.title)
    if not said:
        return None
    lines = [
        element(
            "li",
            element("b", label(", ".join(dict.fromkeys(who)), 120), class_="who"),
            label(text, WARNING_CHARACTERS),
        )
        for text, who in said.items()
    ]
    heading = element("h3", "What the runs warned of")
    shown = element("ul", lines[:MOST_WARNINGS], class_="warn", aria_label="Warnings")
    rest = lines[MOST_WARNINGS:]
    more = (
        element(
            "details",
            element("summary", f"{len(rest):,} more warning{'s' if len(rest) > 1 else ''}"),
            element("ul", rest, class_="warn", aria_label="More warnings"),
        )
        if rest
        else None
    )
    return element("div", heading, shown, more, class_="run")
