"""What `genomed train` is doing, and how long it may take: on a terminal a bar, else lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

__all__ = ["Lines", "told"]

AGAIN_S = 30.0  # a stage that goes on is told of again after so long


@contextmanager
def told(quiet: bool) -> Iterator[Callable[[str, float], None] | None]:
    """Yield what the step calls with (what is being done, share of it that is done), or None."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield Lines(lambda line: typer.echo(line, err=True))
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Left

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), Left())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task, stage = bar.add_task("reading", total=1.0), "reading"

        def step(what: str, share: float) -> None:
            nonlocal stage
            if _stage(what) != stage:  # the time left is that of a stage
                stage = _stage(what)
                bar.reset(task, total=1.0)
            bar.update(task, description=what, completed=share)

        yield step


class Lines:
    """A line as a stage begins, and, while it goes on, how much is done and what is left."""

    def __init__(
        self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.say, self.clock = say, clock
        self.stage, self.began = "", clock()
        self.stage_began = self.said = self.began

    def __call__(self, what: str, share: float) -> None:
        """Tell."""
        now = self.clock()
        if _stage(what) != self.stage:
            self.stage, self.stage_began, self.said = _stage(what), now, now
            self.say(f"{now - self.began:7.1f} s  {self.stage}")
        elif now - self.said >= AGAIN_S and 0 < share < 1:
            self.said = now
            left = (now - self.stage_began) * (1 - share) / share
            self.say(f"{now - self.began:7.1f} s  {what}: {share:.0%}, about {_time(left)} left")


def _stage(what: str) -> str:
    return what.partition(": epoch")[0]


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
