"""A `report` run -> the terminal: the findings, and where the page is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from genomed.report.run_records import Finding
from genomed.report.terminal import print_warnings, safe_line

__all__ = ["report_summary"]

COLOURS = {"usable": "green", "care": "yellow", "none": "red", "told": "cyan"}


def report_summary(
    console: Console,
    findings: Sequence[tuple[str, Finding]],
    warnings: Sequence[str],
    outputs: Mapping[str, Path],
) -> None:
    """Print a line for each finding, what could not be read, and where the page is."""
    for _, finding in findings:
        line = safe_line(f"{finding.word:<16}", COLOURS[finding.level])
        line += safe_line(finding.subject, "bold") + safe_line("  ")
        console.print(line + safe_line(finding.sentence), soft_wrap=True)
    print_warnings(console, warnings, "the page")
    for path in outputs.values():
        console.print(safe_line(path, "cyan"), soft_wrap=True)
