"""Asking for help is quick, because nothing heavy is loaded until a step runs."""

import os
import subprocess
import sys

import pytest

HEAVY = [
    "allel",
    "jinja2",
    "numba",
    "numpy",
    "pgenlib",
    "plotly",
    "polars",
    "pydantic",
    "pysam",
    "scipy",
    "sklearn",
    "torch",
    "zstandard",
]
MAX_SECONDS = 0.4

LIST_HEAVY = f"""
import atexit, sys
heavy = {HEAVY!r}
atexit.register(lambda: print(*[m for m in heavy if m in sys.modules], file=sys.stderr))
"""


def loaded_by(program: str, *arguments: str) -> list[str]:
    """Heavy packages in memory when a program of a few lines ends."""
    done = subprocess.run(
        [sys.executable, "-c", LIST_HEAVY + program, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stderr.split()


@pytest.mark.parametrize("module", ["genomed", "genomed.cli", "genomed.errors", "genomed.plugins"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import {module}") == []


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["risk", "--help"], ["evaluate", "--help"], ["models", "--help"]],
    ids=" ".join,
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert loaded_by("from genomed.cli import main; main()", *arguments) == []


def cpu_seconds(command: list[str]) -> float:
    """Processor time of one run, which other work on the machine changes little."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


def test_help_takes_less_than_four_tenths_of_a_second() -> None:
    command = [sys.executable, "-m", "genomed", "--help"]

    assert min(cpu_seconds(command) for _ in range(5)) <= MAX_SECONDS
