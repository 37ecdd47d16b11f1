"""Options mean what their help says."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from genomed.cli import app
from genomed.cli.command import Command
from genomed.cli.options import available_threads, parse_memory


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("4G", 4 << 30),
        ("4", 4 << 30),
        ("512M", 512 << 20),
        ("1.5 GiB", 3 << 29),
        ("100kb", 100 << 10),
        ("1t", 1 << 40),
    ],
)
def test_memory_is_read_in_binary_units(text: str, n_bytes: int) -> None:
    assert parse_memory(text) == n_bytes


@pytest.mark.parametrize("text", ["", "much", "-4G", "0", "4 apples", "nan", "1e9"])
def test_what_is_not_an_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="write it as 4G or 512M"):
        parse_memory(text)


def test_threads_are_those_this_process_may_use() -> None:
    assert 1 <= available_threads() <= (os.cpu_count() or 1)


def commands_of(group: Any) -> Iterator[Any]:
    for inner in getattr(group, "commands", {}).values():
        yield from commands_of(inner)
    yield group


def test_every_command_with_fractions_among_its_options_refuses_nan() -> None:
    commands = commands_of(typer.main.get_command(app))
    with_fractions = [
        one for one in commands if any(p.type.name.startswith("float") for p in one.params)
    ]
    assert len(with_fractions) >= 8
    assert all(isinstance(one, Command) for one in with_fractions)


@pytest.mark.parametrize(
    "words",
    [
        "qc absent --min-maf nan",
        "plan absent --speed NaN",
        "structure absent --prune-r2 nan",
        "evaluate absent --traits absent --threshold 0.1 --threshold nan",
    ],
)
def test_no_number_is_not_held_back_by_any_limit_and_refused(words: str) -> None:
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 2
    assert f"'{words.split()[-2]}': nan is not a number" in done.output
