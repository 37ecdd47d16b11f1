"""Numbers as text, beside C's %g."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genomed.kernels.table_text import MAX_NUMBER, write_rows

finite = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
shares = st.floats(0, 1)


def written(values: np.ndarray, whole: list[bool], digits: int = 6) -> list[list[str]]:
    """The cells between an "a" in front and a "z" behind, row by row."""
    n = values.shape[1]
    head, tail = (np.frombuffer(letter * n, np.uint8) for letter in (b"a\n", b"z\n"))
    out = np.empty(4 * n + (MAX_NUMBER * len(whole) + 2) * n, np.uint8)
    size = write_rows(head, values, np.array(whole), tail, digits, out)
    lines = out[:size].tobytes().decode().split("\n")
    assert lines.pop() == ""
    rows = [line.split("\t") for line in lines]
    assert all(row[0] == "a" and row[-1] == "z" for row in rows)
    return [row[1:-1] for row in rows]


@given(st.lists(st.one_of(finite, shares), min_size=1, max_size=30))
def test_a_number_is_written_as_c_does_but_where_two_texts_are_as_near(values: list[float]) -> None:
    for value, (text,) in zip(values, written(np.array([values]), [False]), strict=True):
        expected = f"{value:.6g}".replace("-0", "0", 1) if value == 0 else f"{value:.6g}"
        if text != expected:  # half a unit of the last digit away from both
            unit = 10.0 ** (math.floor(math.log10(abs(value))) - 5)
            assert abs(float(text) - value) <= 0.5000001 * unit
            assert len(text) <= len(expected) + 1


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=30))
def test_a_whole_number_is_written_in_full(values: list[int]) -> None:
    assert written(np.array([values], float), [True]) == [[str(value)] for value in values]


def test_unknown_is_an_empty_field() -> None:
    values = np.array([[1.0, np.nan], [np.nan, 0.25], [3.0, 4.0]])

    assert written(values, [True, False, False]) == [["1", "", "3"], ["", "0.25", "4"]]


def test_digits_carry_over() -> None:
    numbers = [[0.9999999, 0.00009999999, 99999.99, 999999.9, 1e-300, 5e-5, 123456789.0]]

    assert [cell for (cell,) in written(np.array(numbers), [False])] == [
        "1", "0.0001", "100000", "1e+06", "1e-300", "5e-05", "1.23457e+08",
    ]  # fmt: skip
