"""What `genomed train` found, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.text import Text

from genomed.report.evaluate_content import words
from genomed.report.tables import UNKNOWN
from genomed.report.terminal import print_warnings, safe_line

__all__ = ["train_summary"]


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
        console.print(
            safe_line(f"{facts['trait']} ({facts['kind']})", "bold")
            + safe_line("  share of the deviance explained in addition, out of fold", "dim"),
            soft_wrap=True,
        )
        for stage in facts["stages"]:
            word, style = ("kept    ", "green") if stage["accepted"] else ("left out", "dim")
            measured = stage["share_error"] > 0
            gain = f"{stage['share']:+.4f} ± {stage['share_error']:.4f}" if measured else UNKNOWN
            console.print(
                safe_line(f"  {stage['stage']:<11}") + safe_line(word, style)
                + safe_line(f"  {gain:<18}")
                + safe_line(stage["reason"], "dim"),
                soft_wrap=True,
            )  # fmt: skip
        is_linear = not any(s["accepted"] for s in facts["stages"] if s["stage"] != "linear")
        for row in facts["metrics"]:
            is_repeated = is_linear and row["model"] == "full"  # it is the linear model
            if row["set"] == "test" and row["group"] == "all" and not is_repeated:
                console.print(_metric(row), soft_wrap=True)
        console.print(safe_line("  " + trained.verdict), soft_wrap=True)
    print_warnings(console, warnings)
    for name, path in outputs.items():
        if name.startswith("model of"):
            console.print(safe_line(f"{path}: ", "cyan") + safe_line(name), soft_wrap=True)


def _metric(row: Mapping[str, Any]) -> Text:
    told = "" if row["low"] is None else f" ({row['low']:.3f} to {row['high']:.3f})"
    value = "unknown" if row["value"] is None else f"{row['value']:.3f}"
    return safe_line(f"  {row['model']:<7}{words(row['measure']):<30}{value}{told}")
