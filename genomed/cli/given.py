"""What commands make of their arguments alike, and print alike."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from genomed.io.bgzf import TextStream

__all__ = [
    "command_line",
    "one_of",
    "print_json",
    "print_timings",
    "print_warnings",
    "sample_names",
    "some_of",
    "start_inflating",
    "words",
]


def one_of(option: str, value: str, *choices: str) -> str:
    """The value, when it is one of the choices; else a usage error that names them."""
    if value not in choices:
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(choices)}", param_hint=option)
    return value


def some_of(
    option: str, text: str, choices: Sequence[str], *, or_none: bool = False
) -> tuple[str, ...]:
    """Those of the choices that a list names, in their order; else a usage error that shows them.

    or_none : whether there may be none of them, which an empty list says, or the word "none"
    """
    asked = set(words(text)) - ({"none"} if or_none else set())
    if asked - set(choices) or not (asked or or_none):
        known = ", ".join(choices) + (", or none" if or_none else "")
        raise typer.BadParameter(f"{text!r}: choose from {known}", param_hint=option)
    return tuple(choice for choice in choices if choice in asked)


def words(text: str | None) -> tuple[str, ...]:
    """Words of a comma-separated list."""
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def start_inflating(cohort: str) -> TextStream | None:
    """Open a VCF and inflate in the background while Python still imports polars."""
    from genomed.io.bgzf import TextStream
    from genomed.io.formats import cohort_format

    if cohort_format(cohort) != "vcf":
        return None
    stream = TextStream(cohort)
    if cohort != "-" and not stream.starts_with_bcf():
        stream.prefetch()
    return stream


def sample_names(text: str | None) -> list[str] | None:
    """Names from a file with one a line, or from a comma-separated list."""
    if text is None:
        return None
    path = Path(text)
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
        return [line.split("\t")[0].strip() for line in lines if line.strip() and line[0] != "#"]
    return list(words(text))


def command_line() -> str:
    """The command as it was typed, quoted for a shell."""
    return shlex.join(["genomed", *sys.argv[1:]])


def print_timings(timings: Mapping[str, float]) -> None:
    """Seconds of each phase on stderr, a line each: what the hidden --timings asks for."""
    for phase, seconds in timings.items():
        typer.echo(f"timing\t{phase}\t{seconds:.4f}", err=True)


def print_json(facts: Mapping[str, object]) -> None:
    """A summary on stdout, for another program: what --json asks for."""
    typer.echo(json.dumps(facts, indent=2, default=os.fspath))


def print_warnings(warnings: Iterable[str]) -> None:
    """Warnings on stderr, a line each."""
    for warning in warnings:
        typer.secho(f"warning: {warning}", fg="yellow", err=True)
