"""What multiplies tiles of the pair screen: calls decoded as needed, large elements kept."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import NamedTuple

import numpy as np

from genomed.kernels.packed import standardise_rows, take_samples
from genomed.kernels.pairs import find_large
from genomed.stats.score_test import Cells

__all__ = ["Decoder", "Engine", "Found", "Part", "Plan", "standards"]

ROOM = 1 << 12  # large elements of a tile that there is space for at first


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
