"""Whether calls are missing more often in cases than in controls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genomed.kernels import hwe as kernel
from genomed.stats.variants import MALE, MT, Calls, Counted, X, Y

__all__ = ["MissingTest", "fisher", "test_missing"]


class MissingTest(NamedTuple):
    """Per variant, float64 (variants,), NaN where nothing can be said.

    case, control : share of samples without a call
    p             : two-sided, Fisher's exact test; NaN where no call or every call is missing
    """

    case: np.ndarray
    control: np.ndarray
    p: np.ndarray


def test_missing(counted: Counted, place: np.ndarray) -> MissingTest:
    """Compare cases with controls, founders or not.

    place : int8 (variants,), index into genomed.stats.variants.PLACES

    As plink 1.9 --test-missing: a heterozygous call of a male on X and of anybody on Y is missing,
    and on Y only males count.
    """
    case, control = (_calls(counted, place, status) for status in (2, 1))
    n_missing, n_called = case.missing + control.missing, case.called + control.called
    p = np.full(len(place), np.nan)
    rows = np.flatnonzero((n_missing > 0) & (n_called > 0))
    numbers = (case.missing, case.called, control.missing, control.called)
    p[rows] = fisher(*(number[rows] for number in numbers))
    with np.errstate(invalid="ignore"):
        of_cases, of_controls = (c.missing / (c.missing + c.called) for c in (case, control))
    return MissingTest(of_cases, of_controls, p)


def fisher(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Two-sided P of Fisher's exact test of the tables ((a, b), (c, d)): float64 (variants,).

    a, b, c, d : integers (variants,)
    raises     : ValueError when a count is negative or the lengths differ
    """
    tables = [np.ascontiguousarray(number, np.int64) for number in (a, b, c, d)]
    if len({t.shape for t in tables}) > 1 or any(t.size and t.min() < 0 for t in tables):
        raise ValueError("tables need four counts each, none negative")
    p = np.empty(len(tables[0]))
    kernel.fisher_rows(*tables, p)
    return p


def _calls(counted: Counted, place: np.ndarray, status: int) -> Calls:
    everybody = counted.of(status=status)
    sexed = (place == X) | (place == Y)
    if not sexed.any():
        return everybody
    males = _without_hets(counted.of((MALE,), status=status))
    others = counted.of((0, 2), status=status)
    rest = everybody.where((place < X) | (place == MT)) + others.where(place == X)
    return rest + males.where(sexed)


def _without_hets(calls: Calls) -> Calls:
    return Calls(calls.ref, np.zeros_like(calls.het), calls.alt, calls.missing + calls.het)
