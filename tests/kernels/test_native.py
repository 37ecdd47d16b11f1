"""Kernels are the same function compiled, loaded from a file, and in plain Python."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from genomed.kernels.native import inner, kernel, memchr

TWO = 2


@inner
def _twice(value):
    return TWO * value


@kernel
def scaled_sum(values, factor, out):
    """Fill out with factor x 2 x values; (how many, their sum)."""
    total = 0.0
    for i in range(len(values)):
        out[i] = factor * _twice(values[i])
        total += out[i]
    return len(values), total


@kernel
def nothing(values):
    values[0, 1] = 7


@kernel
def is_positive(value):
    return value > 0


@kernel
def place_of_newline(text):
    base = np.uintp(text.ctypes.data)
    return np.int64(memchr(base, np.int32(10), np.uintp(len(text))) - base)


@kernel
def length_or_minus_one(values):
    return -1 if values is None else len(values)


@kernel
def quotient(a, b):
    return a // b


@kernel
def allocates(n):
    return np.zeros(n).sum()


def test_a_kernel_returns_what_its_function_returns():
    values = np.arange(5, dtype=np.int8)
    out = np.zeros(5)
    assert scaled_sum(values, 1.5, out) == (5, 30.0)
    assert out.tolist() == [0, 3, 6, 9, 12]
    assert is_positive(3) is True
    assert is_positive(-0.5) is False
    assert place_of_newline(np.frombuffer(b"ab\ncd", np.uint8)) == 2
    assert [length_or_minus_one(None), length_or_minus_one(values)] == [-1, 5]


def test_arrays_with_gaps_and_of_two_dimensions_are_seen_as_they_lie():
    out = np.zeros((6, 3), np.float32)
    scaled_sum(np.arange(6)[::2], np.float32(1), out[::2, 1])
    assert out[:, 1].tolist() == [0, 0, 4, 0, 8, 0]
    assert nothing(out.T) is None
    assert out[1, 0] == 7


def test_an_error_in_a_kernel_is_raised():
    assert quotient(7, 2) == 3
    with pytest.raises(RuntimeError, match="arithmetic error"):
        quotient(1, 0)


def test_a_kernel_that_allocates_is_refused_when_it_is_compiled():
    with pytest.raises(Exception, match=r"np\.zeros"):
        allocates(3)


def test_threads_may_call_a_kernel_for_the_first_time_together():
    @kernel
    def square(value):
        return value * value

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(square, range(20))) == [n * n for n in range(20)]


SCRIPT = """
import sys
import numpy as np
from genomed.kernels.bed_decode import count_alts
out = np.zeros((1, 5), np.int8)
count_alts(np.array([0b11100100, 1], np.uint8), np.array([0]), out)
print(out[0].tolist(), "numba" in sys.modules)
"""


def run(cache: Path) -> str:
    environment = {**os.environ, "GENOMED_KERNEL_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_later_process_loads_the_code_without_numba_and_a_damaged_file_is_made_anew(tmp_path):
    assert run(tmp_path) == "[2, -9, 1, 0, -9] True"
    assert run(tmp_path) == "[2, -9, 1, 0, -9] False"
    [file] = tmp_path.iterdir()
    whole = file.read_bytes()
    for damaged in (
        whole[:-9],
        whole[: len(whole) // 2] + b"?" + whole[len(whole) // 2 + 1 :],
        b"",
    ):
        file.write_bytes(damaged)
        assert run(tmp_path) == "[2, -9, 1, 0, -9] True"
        assert file.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path):
    (tmp_path / "file").write_text("")
    assert run(tmp_path / "file" / "cache") == "[2, -9, 1, 0, -9] True"
