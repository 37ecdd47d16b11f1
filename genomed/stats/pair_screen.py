"""The screen of all pairs: tiles of A' diag(r) A, of which only the large elements are kept.

A holds the calls of every variant, centred and scaled so that sum(w a^2) = sum(w) (a missing call
is 0). For independent variants an element has the variance dispersion x sum(w), so one limit does
for all. A tile of the upper triangle is a float32 product of a left block, scaled by r once, with a
right block; both are decoded from packed calls as they are needed, the right one anew for each left
block (with 2,048 rows on the left that costs one in a hundred of the products' time).

Variants go in the order of their carriers, so that pairs that are too rare to be tested (see
genomed.stats.pairs) fill whole tiles, which are passed over.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from genomed.stats.pair_engine import (
    Decoder,
    Engine,
    Found,
    Part,
    Plan,
)
from genomed.stats.score_test import Cells

__all__ = ["Candidates", "screen"]

SAMPLED = 400_000  # elements whose median tells the inflation


class Candidates(NamedTuple):
    """What a screen leaves to be tested.

    first, second : int64, rows, first < second, ascending
    z             : float64, of the screen
    n_pairs       : pairs that were screened and are common enough to be tested
    limit         : |z| from which on all pairs are here
    inflation     : median z^2 of a sample of the pairs over that of chance
    """

    first: np.ndarray
    second: np.ndarray
    z: np.ndarray
    n_pairs: int
    limit: float
    inflation: float


class _Best:
    """The largest elements of one screen, of all tiles so far; what is left never depends on the
    order of the tiles."""

    def __init__(self, limit: float, keep: int) -> None:
        self.limit, self._keep = limit, max(1, keep)
        self._first: list[np.ndarray] = []
        self._second: list[np.ndarray] = []
        self._value: list[np.ndarray] = []
        self._n = 0

    def add(self, first: np.ndarray, second: np.ndarray, value: np.ndarray) -> None:
        self._first.append(first)
        self._second.append(second)
        self._value.append(value)
        self._n += len(value)
        if self._n > 2 * self._keep:
            self.settle()

    def settle(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Leave the largest, and those as large as the last of them; raise the limit to it."""
        first, second, value = (
            np.concatenate(parts) if parts else np.empty(0, kind)
            for parts, kind in (
                (self._first, np.int64), (self._second, np.int64), (self._value, np.float32)
            )
        )  # fmt: skip
        if len(value) > self._keep:
            place = len(value) - self._keep
            self.limit = max(self.limit, float(np.partition(np.abs(value), place)[place]))
            large = np.abs(value) >= np.float32(self.limit)
            first, second, value = first[large], second[large], value[large]
        self._first, self._second, self._value = [first], [second], [value]
        self._n = len(value)
        return first, second, value


class _Screens:
    """Collects what the tiles give."""

    def __init__(
        self, rows: np.ndarray, carriers: np.ndarray, needed: list[float], best: list[_Best]
    ) -> None:
        self.rows, self.carriers, self.needed, self.best = rows, carriers, needed, best
        self.samples: list[list[np.ndarray]] = [[] for _ in best]
        self._lock = Lock()

    def limits(self) -> list[float]:
        with self._lock:
            return [one.limit for one in self.best]

    def add(self, left: int, right: int, step: int, found: list[Found]) -> None:
        """Take in a tile whose first row and column are these places."""
        for s, one in enumerate(found):
            i, j = one.at[:, 0] + left, one.at[:, 1] + right
            common = self.carriers[i] * self.carriers[j] >= self.needed[s]
            first, second = self.rows[i[common]], self.rows[j[common]]
            n_rows, n_columns = one.sample.shape
            i = np.arange(left, left + n_rows * step, step)[:, None]
            j = np.arange(right, right + n_columns * step, step)[None]
            usable = (j > i) & (
                self.carriers[np.minimum(i, len(self.rows) - 1)]
                * self.carriers[np.minimum(j, len(self.rows) - 1)]
                >= self.needed[s]
            )
            sample = one.sample[usable]
            with self._lock:
                self.samples[s].append(sample)
                self.best[s].add(
                    np.minimum(first, second), np.maximum(first, second), one.value[common]
                )


def screen(
    cells: Cells,
    rows: np.ndarray,
    usable: np.ndarray,
    carriers: np.ndarray,
    parts: list[Part],
    scales: list[float],
    needed: list[float],
    *,
    threshold_z: float,
    keep: int,
    plan: Plan,
    threads: int = 1,
    device: str = "cpu",
    progress: Callable[[float], None] | None = None,
) -> list[Candidates]:
    """Screen all pairs of the usable variants.

    cells    : sums by call of the rows, under the weights that standardise
    rows     : int64 (cells' rows,), what the rows are called in the result
    usable   : int64, places among them of the variants to pair
    carriers : float64 (cells' rows,), share with the rarer allele
    parts    : for one part there is one screen, its own; for p there are p + 1: without each part
               in turn, and with all
    scales   : for each screen, what an element is divided by to be z
    needed   : for each screen, the product of two variants' carriers from which on they are a pair
    The rest is as in genomed.stats.pairs.all_pairs.
    """
    order = usable[np.argsort(-carriers[usable], kind="stable")]
    rows, carriers = rows[order], carriers[order]
    n_pairs = [_count_pairs(carriers, least) for least in needed]
    step = max(1, int(np.sqrt(max(n_pairs) / SAMPLED)))
    best = [_Best(threshold_z * scale, keep) for scale in scales]
    screens = _Screens(rows, carriers, needed, best)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(max(1, threads)) as pool:
        engine = make_engine(Decoder(cells, order, parts), plan, threads, device)
        done, whole = 0.0, max(1.0, float(sum(_areas(carriers, min(needed), engine))))
        for left, stop in _left_blocks(carriers, min(needed), engine):
            engine.load_left(left, pool)

            def one(right: slice, left: slice = left) -> float:
                n_left, diagonal = min(left.stop, right.stop) - left.start, left.start - right.start
                found = engine.search(n_left, right, diagonal, screens.limits(), step)
                screens.add(left.start, right.start, step, found)
                return float(n_left * (right.stop - right.start))

            blocks = _right_blocks(left, stop, engine)
            for area in pool.map(one, blocks) if engine.threads > 1 else map(one, blocks):
                done += area
                if progress:
                    progress(min(1.0, done / whole))
    return [
        _candidates(one, scale, n, sample)
        for one, scale, n, sample in zip(best, scales, n_pairs, screens.samples, strict=True)
    ]


def make_engine(decoder: Decoder, plan: Plan, threads: int, device: str) -> Engine:
    """What multiplies on a device."""
    if device == "cpu":
        return Engine(decoder, plan, threads)
    from genomed.stats.pairs_device import DeviceEngine  # noqa: PLC0415 - torch takes seconds

    return DeviceEngine(decoder, plan, device)


def _left_blocks(
    carriers: np.ndarray, needed: float, engine: Engine
) -> Iterator[tuple[slice, int]]:
    """Left blocks, and where the right ones of each stop: carriers fall, and so do partners."""
    n = len(carriers)
    for start in range(0, n, engine.left_rows):
        left = slice(start, min(start + engine.left_rows, n))
        least = needed / max(carriers[start], 1e-300)
        stop = int(np.searchsorted(-carriers, -least, "right"))
        if stop <= start + 1:
            return
        yield left, stop


def _right_blocks(left: slice, stop: int, engine: Engine) -> Iterator[slice]:
    """Right blocks of a left one: narrow where rows of the left one lie below the diagonal."""
    start = left.start
    while start < stop:
        narrow = start < left.stop
        end = start + (max(32, engine.right_rows // 4) if narrow else engine.right_rows)
        end = min(end, stop, left.stop if narrow else stop)
        yield slice(start, end)
        start = end


def _areas(carriers: np.ndarray, needed: float, engine: Engine) -> Iterator[int]:
    for left, stop in _left_blocks(carriers, needed, engine):
        for right in _right_blocks(left, stop, engine):
            yield (min(left.stop, right.stop) - left.start) * (right.stop - right.start)


def _count_pairs(carriers: np.ndarray, needed: float) -> int:
    """Pairs whose carriers, falling, have a product of at least this."""
    with np.errstate(divide="ignore"):
        stop = np.searchsorted(-carriers, -needed / carriers, "right")
    return int(np.maximum(stop - np.arange(len(carriers)) - 1, 0).sum())


def _candidates(best: _Best, scale: float, n_pairs: int, sample: list[np.ndarray]) -> Candidates:
    first, second, value = best.settle()
    order = np.lexsort((second, first))
    z = value[order].astype(np.float64) / scale
    squares = (np.concatenate([np.empty(0), *sample]) / scale) ** 2
    median = float(np.median(squares)) / 0.454936 if len(squares) else float("nan")
    return Candidates(first[order], second[order], z, n_pairs, float(best.limit / scale), median)
