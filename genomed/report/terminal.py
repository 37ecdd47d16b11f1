"""What summaries on the terminal are made of: text, tables, warnings, and where the outputs are.

Names are put into `Text` objects, never into markup, and what cannot be seen in them is shown, so
that no file can colour, move or clear the user's terminal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from genomed.report.markup import shortened

__all__ = ["empty_table", "print_outputs", "print_warnings", "safe_line", "safe_text"]

N_WARNINGS = 10


def safe_text(value: object, limit: int = 60, style: str = "") -> Text:
    """Untrusted text: visible characters only, shortened, without markup."""
    return Text(shortened(str(value), limit), style=style)


def safe_line(value: object, style: str = "") -> Text:
    """The same of what has a line, or several, of its own."""
    return safe_text(value, 600, style)


def empty_table(
    title: str, columns: Sequence[str], right: Collection[int] = (), whole: Collection[int] = ()
) -> Table:
    """An empty table with its headings.

    right : columns that are on the right, as numbers are; whole : those that are never broken
    """
    made = Table(
        title=safe_text(title, 120, "bold"), title_justify="left", box=box.SIMPLE, pad_edge=False
    )
    for place, heading in enumerate(columns):
        made.add_column(
            safe_text(heading),
            justify="right" if place in right else "left",
            no_wrap=place in whole,
            overflow="fold",
        )
    return made


def print_warnings(console: Console, warnings: Sequence[str], rest: str = "run.json") -> None:
    """Print the first warnings, and how many more the file `rest` has."""
    for warning in warnings[:N_WARNINGS]:
        console.print(safe_line("warning: ", "yellow") + safe_line(warning), soft_wrap=True)
    more = len(warnings) - N_WARNINGS
    if more > 0:
        console.print(safe_line(f"and {more:,} more warning{'s' if more > 1 else ''} in {rest}"))


def print_outputs(console: Console, outputs: Mapping[str, Path]) -> None:
    """Print where each output is, in their order."""
    width = max((len(shortened(name, 24)) for name in outputs), default=0)
    for name, path in outputs.items():
        line = safe_text(f"  {shortened(name, 24):<{width}}  ") + safe_text(path, 4096, "cyan")
        console.print(line, soft_wrap=True)
