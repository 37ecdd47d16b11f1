"""What `genomed train` is doing, and how long it may take: on a terminal a bar, else lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from genomed.cli.progress import stage_of, working

__all__ = ["Lines", "told"]

AGAIN_S = 30.0  # a stage that goes on is told of again after so long


@contextmanager
def told(quiet: bool) -> Iterator[Callable[[str, float], None] | None]:
    """Yield what the step calls with (what is being done, share of it that is done), or None."""
    if quiet or sys.stderr.isatty():
        with working(quiet) as step:
            yield step
    else:
        yield Lines(lambda line: typer.echo(line, err=True))


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
        from genomed.report.tables import format_seconds

        now = self.clock()
        if stage_of(what) != self.stage:
            self.stage, self.stage_began, self.said = stage_of(what), now, now
            self.say(f"{now - self.began:7.1f} s  {self.stage}")
        elif now - self.said >= AGAIN_S and 0 < share < 1:
            self.said = now
            left = (now - self.stage_began) * (1 - share) / share
            self.say(
                f"{now - self.began:7.1f} s  {what}: {share:.0%}, about {format_seconds(left)} left"
            )
