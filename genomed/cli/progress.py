"""Progress bars on stderr, only on a terminal, and one line while kernels are compiled."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

__all__ = ["announce_compiling", "reading", "stage_of", "working"]


def announce_compiling(quiet: bool, *kernels: str) -> None:
    """Say on stderr that time will pass, where these kernels are still to be compiled."""
    from genomed.kernels import compiled

    if not quiet and not compiled(*kernels):
        typer.echo(
            "compiling kernels for this processor: each command does so once, in up to a minute",
            err=True,
        )


@contextmanager
def reading(
    what: str, quiet: bool, kernels: tuple[str, ...] = ("scoring.summarise_features",)
) -> Iterator[Callable[[int, int | None], None] | None]:
    """Yield what a step calls with (bytes read, bytes in all); None where nobody would see it.

    kernels : some that the step needs, to tell whether they are still to be compiled
    """
    from genomed.io.formats import cohort_format

    needed = [*kernels]
    if cohort_format(what) == "vcf":
        needed.append("vcf_text.scan_lines")
    announce_compiling(quiet, *needed)
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def step(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield step


@contextmanager
def working(quiet: bool) -> Iterator[Callable[[str, float], None] | None]:
    """Yield what a step calls with (what is being done, share of it that is done), or None.

    What stands before ": epoch" is the stage, to which the time left belongs.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    left = TimeRemainingColumn()
    with Progress(*columns, left, console=Console(stderr=True), transient=True) as bar:
        task, stage = bar.add_task("reading", total=1.0), "reading"

        def step(what: str, share: float) -> None:
            nonlocal stage
            if stage_of(what) != stage:
                stage = stage_of(what)
                bar.reset(task, total=1.0)
            bar.update(task, description=what, completed=share)

        yield step


def stage_of(what: str) -> str:
    """The stage that "net: epoch 3" belongs to."""
    return what.partition(": epoch")[0]
