"""What `genomed train` found, for the terminal.

Names are put into `Text` objects, never into markup, as in genomed.report.summary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["train_summary"]

N_WARNINGS = 10


class Trained(Protocol):
    """What the summary wants of a trait."""

    @property
    def verdict(self) -> str: ...

    def facts(self) -> dict[str, Any]: ...


def train_summary(
    console: Console,
    traits: Sequence[Trained],
    outputs: Mapping[str, Path],
    warnings: Sequence[str],
) -> None:
    """Print the stages of each trait with what they gain, the verdict, and where things are."""
    for trained in traits:
        facts = trained.facts()
        console.print(_text(f"{facts['trait']} ({facts['kind']})", "bold"))
        for stage in facts["stages"]:
            mark = _text("kept    ", "green") if stage["accepted"] else _text("left out", "dim")
            gain = f"{stage['share']:+.4f} ± {stage['share_error']:.4f}  "
            console.print(
                _text(f"  {stage['stage']:<11}") + mark + _text(f"  {gain}")
                + _text(stage["reason"].partition(": ")[2] or stage["reason"], "dim"),
                soft_wrap=True,
            )  # fmt: skip
        for row in facts["metrics"]:
            if row["set"] == "test" and row["group"] == "all":
                console.print(_metric(row), soft_wrap=True)
        console.print(_text("  " + trained.verdict), soft_wrap=True)
    for warning in warnings[:N_WARNINGS]:
        console.print(_text("warning: ", "yellow") + _text(warning), soft_wrap=True)
    for name, path in outputs.items():
        if name.startswith("model of"):
            console.print(_text(f"{path}: ", "cyan") + _text(name), soft_wrap=True)


def _metric(row: Mapping[str, Any]) -> Text:
    told = "" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})"
    value = "unknown" if row["value"] is None else f"{row['value']:.3f}"
    return _text(f"  {row['model']:<7}{row['measure']:<22}{value}{told}")


def _text(value: object, style: str = "") -> Text:
    from rich.text import Text  # noqa: PLC0415 - only where something is printed

    return Text(str(value), style=style)
