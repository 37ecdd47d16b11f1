"""`genomed doctor`: is this machine fit?"""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from genomed.cli.options import Json
from genomed.errors import UnfitError

if TYPE_CHECKING:
    from genomed.steps.doctor import Finding

__all__ = ["doctor"]

_STYLES = {"ok": "green", "note": "yellow", "unfit": "bold red"}


def doctor(as_json: Json = False) -> None:
    """Check versions, threads, memory, scratch, models and numerics; exit code 7 when unfit."""
    from genomed.steps.doctor import UNFIT, examine

    findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    elif sys.stdout.isatty():
        _print_for_the_eye(findings)
    else:
        for finding in findings:
            fields = (finding.status, finding.name, finding.value, finding.advice)
            typer.echo("\t".join(" ".join(field.split()) for field in fields))
    unfit = [finding.name for finding in findings if finding.status == UNFIT]
    if unfit:
        raise UnfitError(
            f"this machine is unfit: {', '.join(unfit)}; the advice stands beside each of them"
        )


def _print_for_the_eye(findings: "list[Finding]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        value = Text(finding.value)
        if finding.advice:
            value.append(f"\n{finding.advice}", style="italic")
        status = Text(finding.status.upper(), style=_STYLES[finding.status])
        table.add_row(status, Text(finding.name), value)
    Console().print(table)
