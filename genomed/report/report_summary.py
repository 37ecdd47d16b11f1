"""A `report` run -> the terminal: the findings, and where the page is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genomed.report.markup import shortened
from genomed.report.run_records import Finding

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["report_summary"]

COLOURS = {"usable": "green", "care": "yellow", "none": "red", "told": "cyan"}
N_WARNINGS = 10


def report_summary(
    console: Console,
    findings: Sequence[tuple[str, Finding]],
    warnings: Sequence[str],
    outputs: Mapping[str, Path],
) -> None:
    """Print a line for each finding, what could not be read, and where the page is."""
    for _, finding in findings:
        line = _text(f"{finding.word:<16}", COLOURS[finding.level])
        line += _text(finding.subject, "bold") + _text("  ") + _text(finding.sentence)
        console.print(line, soft_wrap=True)
    for warning in warnings[:N_WARNINGS]:
        console.print(_text("warning: ", "yellow") + _text(warning), soft_wrap=True)
    if len(warnings) > N_WARNINGS:
        console.print(_text(f"and {len(warnings) - N_WARNINGS} more warnings in the page"))
    for path in outputs.values():
        console.print(_text(path, "cyan"), soft_wrap=True)


def _text(value: object, style: str = "") -> Text:
    from rich.text import Text  # noqa: PLC0415 - rich is loaded only where something is printed

    return Text(shortened(str(value), 600), style=style)
