"""Options mean what their help says."""

import os

import pytest
import typer

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
