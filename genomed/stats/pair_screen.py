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
from threading import Lock, local
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from genomed.kernels.packed import standardise_rows, take_samples
from genomed.kernels.pairs import find_large
from genomed.stats.score_test import Cells

__all__ = ["Candidates", "Decoder", "Engine", "Found", "Part", "Plan", "screen"]

SAMPLED = 400_000  # elements whose median tells the inflation
ROOM = 1 << 12


class Part(NamedTuple):
    """People whose products are added up together.

    people   : int64, places among the samples
    residual : float64 (samples,)
    """

    people: np.ndarray
    residual: np.ndarray


class Plan(NamedTuple):
    """Sizes of tiles, and the numbers of a device.

    left, right : variants of a tile; fewer where a block would pass left_mib or right_mib (one for
                  each thread). On the diagonal a quarter as many on the right, as half is wasted
    device_tile : variants on either side of a tile on a device
    precision   : of a device's products: "float32" (TF32 off), "tf32" (10 bits behind the leading
                  one) or "bf16" (7 bits, for calls, residuals and a tile's elements). Sums are
                  float32. "tf32" and "bf16" move |z| of the screen by a few parts in a thousand;
                  what passes is tested in float64 on the CPU
    """

    left: int = 2048
    right: int = 1024
    left_mib: int = 512
    right_mib: int = 64
    device_tile: int = 8192
    precision: str = "float32"


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


class Found(NamedTuple):
    """Large elements of one tile for one screen, and a sample of all of them.

    at     : int64 (found, 2), row and column in the tile
    value  : float32 (found,)
    sample : float32, every step-th element of every step-th row, rows and columns
    """

    at: np.ndarray
    value: np.ndarray
    sample: np.ndarray


class Decoder:
    """Standardised calls of the people of all parts, part after part.

    n_people : people in all parts
    parts    : slices of the people, one for each part
    residual : float32 (people,)
    """

    def __init__(self, cells: Cells, places: np.ndarray, parts: list[Part]) -> None:
        order = np.concatenate([part.people for part in parts]).astype(np.int64)
        ends = np.cumsum([len(part.people) for part in parts])
        self.parts = [slice(e - len(p.people), e) for e, p in zip(ends, parts, strict=True)]
        self.residual = np.concatenate([p.residual[p.people] for p in parts]).astype(np.float32)
        self.n_people = len(order)
        self.places = places
        self._words = cells.words
        self._order = order
        in_order = np.array_equal(order, np.arange(len(order)))
        self._as_stored = in_order and -(-len(order) // 32) == cells.words.shape[1]
        self.centre, self.scale = standards(cells)

    def words(self, some: slice) -> np.ndarray:
        """Packed calls of some variants, people in the order of the parts."""
        words = np.ascontiguousarray(self._words[self.places[some]])
        if self._as_stored:
            return words
        taken = np.empty((len(words), -(-self.n_people // 32)), np.uint64)
        take_samples(words, self._order, taken)
        return taken

    def decode(self, some: slice, out: np.ndarray) -> np.ndarray:
        """Standardised calls of some variants: float32 (variants, people), in `out`'s rows."""
        out = out[: len(self.places[some])]
        rows = self.places[some]
        standardise_rows(self.words(some), self.centre[rows], self.scale[rows], out)
        return out


def standards(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean of ALT copies, and what scales them: float32 (rows,); 0 where all are alike."""
    value = cells.values()[:, :, 0]
    scale = value[:, 1] - value[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.where(scale > 0, -value[:, 0] / scale, 0.0)
    return centre.astype(np.float32), scale.astype(np.float32)


class Engine:
    """Tiles on the CPU: every call of `search` is one product, by one thread."""

    def __init__(self, decoder: Decoder, plan: Plan, threads: int) -> None:
        self.decoder, self.threads = decoder, max(1, threads)
        row_bytes = 4 * max(1, decoder.n_people)
        self.left_rows = max(64, min(plan.left, (plan.left_mib << 20) // row_bytes))
        self.right_rows = max(32, min(plan.right, (plan.right_mib << 20) // row_bytes))
        self._left = np.empty((0, 0), np.float32)
        self._own = local()

    def _buffer(self, name: str, shape: tuple[int, int]) -> np.ndarray:
        """This thread's own array of that name: memory fresh from the system costs time."""
        kept = getattr(self._own, name, None)
        if kept is None or kept.size < shape[0] * shape[1]:
            kept = np.empty(shape[0] * shape[1], np.float32)
            setattr(self._own, name, kept)
        return np.asarray(kept[: shape[0] * shape[1]].reshape(shape))

    def load_left(self, some: slice, pool: ThreadPoolExecutor) -> None:
        """Make the left block: calls x residual."""
        n = some.stop - some.start
        if len(self._left) < n:
            self._left = np.empty((n, self.decoder.n_people), np.float32)
        step = 64

        def one(first: int) -> None:
            rows = slice(some.start + first, min(some.start + first + step, some.stop))
            out = self.decoder.decode(rows, self._left[first : first + step])
            out *= self.decoder.residual

        list(pool.map(one, range(0, n, step)))

    def search(
        self, n_left: int, right: slice, diagonal: int, limits: list[float], step: int
    ) -> list[Found]:
        """Multiply with a right block; for each screen, elements of at least its limit.

        n_left   : rows of the left block to use, from its first
        diagonal : only elements with column - row above this
        """
        width = right.stop - right.start
        calls = self.decoder.decode(right, self._buffer("calls", (width, self.decoder.n_people)))
        products = [
            np.matmul(
                self._left[:n_left, part], calls[:, part].T,
                out=self._buffer(f"tile{p}", (n_left, width)),
            )
            for p, part in enumerate(self.decoder.parts)
        ]  # fmt: skip
        return [
            _large(tile, limit, diagonal, step)
            for tile, limit in zip(_sums_without_each(products), limits, strict=True)
        ]


def _sums_without_each(products: list[np.ndarray]) -> Iterator[np.ndarray]:
    """For one part, itself; for several, the sum without each in turn, then the sum."""
    total = products[0]
    if len(products) > 1:
        total = products[0] + products[1]
        for product in products[2:]:
            total += product
        for product in products:
            yield np.subtract(total, product, out=product)
    yield total


def _large(tile: np.ndarray, limit: float, diagonal: int, step: int) -> Found:
    room, bits = ROOM, tile.view(np.int32)
    bound = np.float32(limit)
    while True:
        at, value = np.empty((room, 2), np.int64), np.empty(room, np.float32)
        n = find_large(tile, bits, bound, bound.view(np.int32), diagonal, at, value)
        if n <= room:
            return Found(at[:n], value[:n], tile[::step, ::step].copy())
        room = n


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
