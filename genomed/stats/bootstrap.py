"""Bootstrap intervals of any measure of people: draw people with replacement, measure again.

A draw is the number of times each person is in it, so a measure that takes counts needs no copies
of its data. Draws are paired: two models, or two groups, are measured on the same draw, and the
interval of their difference is that of the differences. People of one family can be drawn together.
A draw is made from the seed and its own number: results do not depend on threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from genomed.kernels import evaluation
from genomed.stats.measures import Judge, share_interval

__all__ = [
    "METHODS",
    "Bootstrap",
    "Estimate",
    "bootstrap",
    "difference",
    "draw_counts",
    "estimate",
    "estimates",
    "interval",
    "largest_difference",
]

METHODS = ("percentile", "bca", "basic")
# Larger in every draw, because noise adds to them.
BIASED = frozenset({"ece", "integrated_brier", "integrated_calibration"})
SHARES = frozenset({"coverage"})  # of all people that are judged
MAX_LOST = 0.05  # share of draws in which a measure may be undefined
N_LEFT_OUT = 100  # parts that are left out in turn, for the acceleration

Statistic = Callable[[np.ndarray], np.ndarray]


class Bootstrap(NamedTuple):
    """A statistic of k numbers and what became of it in every draw.

    value    : float64 (k,), of the sample
    draws    : float64 (draws, k), NaN where undefined
    left_out : float64 (parts, k), of the sample without a hundredth of the people
    """

    value: np.ndarray
    draws: np.ndarray
    left_out: np.ndarray


class Estimate(NamedTuple):
    """A measure with its interval; NaN and the reason where one is undefined."""

    name: str
    value: float
    low: float
    high: float
    reason: str = ""


def draw_counts(
    n: int, seed: int, draw: int, families: np.ndarray | None = None, n_families: int = 0
) -> np.ndarray:
    """How often each person is in a draw: int32 (n,).

    families : int64 (n,), 0 to n_families - 1, who are drawn together
    """
    rng = np.random.default_rng((seed, draw))
    units = n if families is None else n_families
    count = np.zeros(units, np.int32)
    evaluation.tally(rng.integers(0, units, units, np.int32), count)
    return count if families is None else count[families]


def bootstrap(
    statistic: Statistic,
    n: int,
    *,
    n_draws: int = 1000,
    seed: int = 1,
    families: np.ndarray | None = None,
    threads: int = 1,
    left_out: bool = True,
) -> Bootstrap:
    """Measure the sample, and draws from it.

    statistic : int32 (n,) counts -> float64 (k,); called by several threads at once
    families  : int64 (n,), any numbers; who shares one is drawn together. Independent by default
    left_out  : whether to measure without a hundredth of the people each, for BCa intervals
    """
    code, n_families = None, n
    if families is not None:
        if len(families) != n:
            raise ValueError(f"{len(families)} families of {n} people")
        found, code = np.unique(families, return_inverse=True)
        n_families = len(found)
    value = statistic(np.ones(n, np.int32))
    if not n:
        return Bootstrap(value, np.full((0, len(value)), np.nan), np.full((0, len(value)), np.nan))

    def drawn(draw: int) -> np.ndarray:
        return statistic(draw_counts(n, seed, draw, code, n_families))

    parts = min(N_LEFT_OUT, n_families) if left_out else 0
    part = np.random.default_rng((seed, 1 << 40)).permutation(n_families) % max(parts, 1)
    part = part if code is None else part[code]

    def without(one: int) -> np.ndarray:
        return statistic((part != one).astype(np.int32))

    with ThreadPoolExecutor(threads) as pool:
        draws = list(pool.map(drawn, range(n_draws)))
        others = list(pool.map(without, range(parts)))
    shape = (-1, len(value))
    return Bootstrap(value, np.reshape(draws, shape), np.reshape(others, shape))


def interval(
    value: float,
    draws: np.ndarray,
    left_out: np.ndarray | None = None,
    *,
    level: float = 0.95,
    method: str = "bca",
) -> tuple[float, float]:
    """Ends of a confidence interval: NaN where more than a twentieth of the draws are undefined.

    draws  : float64 (draws,)
    method : "percentile"; "bca", corrected for bias and skewness (Efron 1987,
             doi:10.1080/01621459.1987.10478410), the acceleration from `left_out`; or "basic", the
             percentiles mirrored at the value, for measures that noise makes larger
    """
    if method not in METHODS:
        raise ValueError(f"{method=} is not one of {METHODS}")
    known = np.sort(draws[np.isfinite(draws)])
    if not math.isfinite(value) or len(known) < max(2, (1 - MAX_LOST) * len(draws)):
        return math.nan, math.nan
    tails = ((1 - level) / 2, (1 + level) / 2)
    if method == "bca":
        tails = _corrected(value, known, left_out, tails)
    low, high = np.quantile(known, tails).tolist()
    return (2 * value - high, 2 * value - low) if method == "basic" else (low, high)


def _corrected(
    value: float, known: np.ndarray, left_out: np.ndarray | None, tails: tuple[float, float]
) -> tuple[float, float]:
    """Quantiles of the draws that a BCa interval ends at."""
    normal = NormalDist()
    below = (np.searchsorted(known, value, "left") + np.searchsorted(known, value, "right")) / 2
    share = min(max(below / len(known), 0.5 / len(known)), 1 - 0.5 / len(known))
    bias = normal.inv_cdf(float(share))
    skewness = 0.0
    if left_out is not None and len(left_out) > 2 and np.isfinite(left_out).all():
        apart = left_out.mean() - left_out
        size = float((apart**2).sum())
        skewness = float((apart**3).sum()) / (6 * size**1.5) if size > 0 else 0.0
    ends = []
    for tail in tails:
        z = bias + normal.inv_cdf(tail)
        shrunk = 1 - skewness * z
        ends.append(normal.cdf(bias + z / shrunk) if shrunk > 0.1 else tail)
    return ends[0], ends[1]


def estimate(
    name: str,
    found: Bootstrap,
    column: int,
    *,
    n: int = 0,
    level: float = 0.95,
    reason: str = "",
) -> Estimate:
    """One number of a bootstrap with its BCa interval.

    Noise adds to some measures (BIASED), more so in a draw: their interval is from the lower end of
    the basic one to the upper end of the percentiles, which errs on the wide side. Of a share of n
    people (SHARES) that is nobody or everybody, and so in every draw, it is Wilson's.
    """
    value = float(found.value[column])
    draws = found.draws[:, column]
    left_out = found.left_out[:, column] if len(found.left_out) else None
    low, high = interval(value, draws, left_out, level=level)
    if name in BIASED:
        low = max(interval(value, draws, level=level, method="basic")[0], 0.0)
        high = interval(value, draws, level=level, method="percentile")[1]
    if name in SHARES and value in (0.0, 1.0) and n:
        low, high = (float(end) for end in share_interval(value, n, level))
    if math.isfinite(value) and math.isnan(low) and len(draws):
        reason = "no interval: undefined in more than 5% of the draws"
    return Estimate(name, value, low, high, reason)


def estimates(judge: Judge, found: Bootstrap | None = None, **options: object) -> list[Estimate]:
    """All measures of a judge with their intervals.

    found   : its bootstrap, when there is one; else it is made
    options : of `bootstrap`, and `level`
    """
    level = float(options.pop("level", 0.95))  # type: ignore[arg-type]
    if found is None:
        found = bootstrap(judge.measure, judge.n, **options)  # type: ignore[arg-type]
    why = judge.why(found.value)
    return [
        estimate(name, found, k, n=judge.n, level=level, reason=why.get(name, ""))
        for k, name in enumerate(judge.names)
    ]


def difference(
    first: Judge, second: Judge, *, level: float = 0.95, **options: object
) -> list[Estimate]:
    """Measures of the first less those of the second, on the same people in the same draws.

    options : of `bootstrap`
    """
    if first.n != second.n or first.names != second.names:
        raise ValueError("both must judge the same people by the same measures")

    def apart(count: np.ndarray) -> np.ndarray:
        return first.measure(count) - second.measure(count)

    found = bootstrap(apart, first.n, **options)  # type: ignore[arg-type]
    return _plain(first.names, found, level)


def _plain(names: Sequence[str], found: Bootstrap, level: float) -> list[Estimate]:
    """Estimates of differences, which no noise makes larger."""
    out = []
    for k, name in enumerate(names):
        value = float(found.value[k])
        low, high = interval(value, found.draws[:, k], found.left_out[:, k], level=level)
        reason = "" if math.isfinite(value) else "undefined for one of the two"
        out.append(Estimate(name, value, low, high, reason))
    return out


def largest_difference(
    found: Bootstrap, columns: Sequence[int], level: float
) -> tuple[float, float]:
    """Interval of the highest of several values less the lowest.

    The two were picked for being far apart, so the interval is as wide as it takes to hold all
    differences of the columns at once: by the distribution over draws of the largest one in its
    standard errors (Tukey's studentised range without its normal distribution). NaN for both ends
    where there are no draws.

    columns : of found.value, finite
    """
    value, draws = found.value[columns], found.draws[:, columns]
    if len(draws) < 2:
        return math.nan, math.nan
    apart = draws - value  # (draws, columns)
    largest, errors = np.zeros(len(apart)), np.zeros((len(columns), len(columns)))
    for i in range(len(columns) - 1):
        pairs = apart[:, i + 1 :] - apart[:, i : i + 1]
        errors[i, i + 1 :] = errors[i + 1 :, i] = np.nanstd(pairs, axis=0, ddof=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            largest = np.fmax(largest, np.fmax.reduce(np.abs(pairs) / errors[i, i + 1 :], axis=1))
    gap = float(value.max() - value.min())
    reach = float(np.quantile(largest, level) * errors[value.argmax(), value.argmin()])
    return gap - reach, gap + reach
