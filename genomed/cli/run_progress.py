"""What `genomed run` shows: on a terminal a bar and the running jobs, else a line a change."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from genomed.steps.run_events import Progress

__all__ = ["following"]


@contextmanager
def following(quiet: bool) -> Iterator[tuple[Progress, Callable[[str], None]]]:
    """Yield what follows the run, and what takes a line to be told."""
    from genomed.steps.run_events import Progress

    if quiet:
        yield Progress(), lambda line: None
    elif sys.stderr.isatty():
        with _live() as shown:
            yield shown
    else:
        began = time.monotonic()

        def say(line: str) -> None:
            typer.echo(f"{time.monotonic() - began:7.1f} s  {line}", err=True)

        yield Progress(say), say


@contextmanager
def _live() -> Iterator[tuple[Progress, Callable[[str], None]]]:
    """A display that is renewed four times a second; lines that are told scroll above it."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from genomed.steps.run_events import Progress

    console = Console(stderr=True)

    def say(line: str) -> None:
        console.print(Text(line, style="red" if ": failed" in line else ""))

    progress = Progress(lambda line: None if line.endswith(": begins") else say(line))
    with Live(
        get_renderable=lambda: _display(progress),
        console=console,
        refresh_per_second=4,
        transient=True,
        redirect_stdout=False,
    ):
        yield progress, say


def _display(progress: Progress) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    from genomed.report.tables import format_seconds

    head = Table.grid(padding=(0, 2))
    total = progress.n_to_do
    left = progress.seconds_left()
    head.add_row(
        Text(f"{progress.n_done}/{total} jobs" if total else "looking at what is there"),
        ProgressBar(total=max(total, 1), completed=progress.n_done, width=40),
        Text(f"about {format_seconds(left)} left" if left is not None else ""),
    )
    jobs = Table.grid(padding=(0, 2))
    now = progress.clock()
    for job in sorted(list(progress.running.values()), key=lambda job: job.began)[:12]:
        slurm = f"Slurm {job.slurm_job}" if job.slurm_job else ""
        log = job.logs[0] if job.logs else ""
        jobs.add_row(
            Text("  " + job.name),
            Text(format_seconds(now - job.began), justify="right"),
            Text(slurm, style="dim"),
            Text(log, style="dim"),
        )
    return Group(head, jobs)
