"""What PCA multiplies with: genotypes of the samples used, standardised as they are decoded."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from genomed.kernels.packed import count_rows, keep_bits, standardise_rows, take_samples
from genomed.schema import Packed

__all__ = ["TILE", "Engine", "Genotypes"]

KEPT_BYTES = 256 << 20  # packed calls that stay in memory between passes
TILE = 320  # a side of a tile of the relationship matrix: it stays in the cache


class Genotypes:
    """Packed calls of the samples used, a block of 2,048 variants at a time, as often as needed."""

    BLOCK = 2048

    def __init__(self, store: Packed, rows: np.ndarray, used: np.ndarray, threads: int) -> None:
        self._store, self._rows, self._threads = store, rows, threads
        self._sample = None if used.all() else np.flatnonzero(used)
        self._used = used
        self.n_samples, self.n_variants = int(used.sum()), len(rows)
        self._keeps = len(rows) * -(-self.n_samples // 32) * 8 <= KEPT_BYTES
        self._kept: list[np.ndarray] = []

    def standards(self, founders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centre and scale of every variant, by the calls of some samples of the store."""
        keep = keep_bits(founders)
        parts = []
        for words in self._read():
            counts = np.empty((len(words), 4), np.int64)
            count_rows(words, keep, counts)
            parts.append(counts)
            if self._keeps:
                self._kept.append(self._taken(words))
        counts = np.concatenate(parts)
        n_called = counts[:, :3].sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            frequency = (counts[:, 1] + 2 * counts[:, 2]) / (2 * n_called)
            variance = 2 * frequency * (1 - frequency)
            scale = np.where(variance > 0, 1 / np.sqrt(variance), 0.0)
        return 2 * frequency, scale

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Places among the rows, and packed calls of the samples used."""
        first = 0
        kept = self._kept if self._keeps else (self._taken(words) for words in self._read())
        for words in kept:
            yield slice(first, first + len(words)), words
            first += len(words)

    def _read(self) -> Iterator[np.ndarray]:
        for block in self._store.blocks(self._rows, block_rows=self.BLOCK, threads=self._threads):
            yield block.words

    def _taken(self, words: np.ndarray) -> np.ndarray:
        if self._sample is None:
            return words.copy() if self._keeps else words
        taken = np.empty((len(words), -(-self.n_samples // 32)), np.uint64)
        take_samples(words, self._sample, taken)
        return taken


class Engine:
    """Products with the standardised genotypes Z (variants x samples), on the CPU.

    Work is cut into pieces of a size that depends on the samples only, and their results are
    added up in one order, so that the number of threads changes nothing.
    """

    def __init__(
        self, source: Genotypes, centre: np.ndarray, scale: np.ndarray, pool: ThreadPoolExecutor
    ) -> None:
        self.source, self.pool = source, pool
        self.centre = np.nan_to_num(centre).astype(np.float32)
        self.scale = scale.astype(np.float32)
        self.piece = max(16, min(256, (4 << 20) // max(1, source.n_samples)))

    def _pieces(self) -> Iterator[list[tuple[slice, np.ndarray]]]:
        """Blocks, cut into pieces: places among the rows, packed calls."""
        for place, words in self.source.blocks():
            yield [
                (
                    slice(place.start + i, place.start + min(i + self.piece, len(words))),
                    words[i : i + self.piece],
                )
                for i in range(0, len(words), self.piece)
            ]

    def _standardised(
        self, place: slice, words: np.ndarray, out: np.ndarray | None = None
    ) -> np.ndarray:
        out = np.empty((len(words), self.source.n_samples), np.float32) if out is None else out
        standardise_rows(words, self.centre[place], self.scale[place], out)
        return out

    def product(self, block: np.ndarray) -> np.ndarray:
        """Z'Z / M times some columns: float64 (samples, columns)."""
        columns = block.astype(np.float32)
        total = np.zeros(block.shape)

        def one(piece: tuple[slice, np.ndarray]) -> np.ndarray:
            z = self._standardised(*piece)
            return np.asarray(z.T @ (z @ columns))

        for pieces in self._pieces():
            for part in self.pool.map(one, pieces):
                total += part
        return total / self.source.n_variants

    def loadings(self, vectors: np.ndarray) -> np.ndarray:
        """Z times some columns: float64 (variants, columns)."""
        columns = vectors.astype(np.float32)
        out = np.empty((self.source.n_variants, vectors.shape[1]))

        def one(piece: tuple[slice, np.ndarray]) -> None:
            out[piece[0]] = self._standardised(*piece) @ columns

        for pieces in self._pieces():
            list(self.pool.map(one, pieces))
        return out

    def relationship(self) -> np.ndarray:
        """Z'Z, lower triangle by tiles (some of the upper is filled too): float64 (n, n)."""
        n = self.source.n_samples
        total = np.zeros((n, n))
        tiles = [(i, j) for i in range(0, n, TILE) for j in range(0, i + 1, TILE)]
        z = np.empty((Genotypes.BLOCK, n), np.float32)
        for pieces in self._pieces():
            first = pieces[0][0].start
            fill = partial(self._fill, z=z, first=first)
            list(self.pool.map(fill, pieces))
            used = z[: pieces[-1][0].stop - first]
            list(self.pool.map(partial(_add_tile, used, total), tiles))
        return total

    def _fill(self, piece: tuple[slice, np.ndarray], *, z: np.ndarray, first: int) -> None:
        self._standardised(*piece, out=z[piece[0].start - first : piece[0].stop - first])


def _add_tile(z: np.ndarray, total: np.ndarray, tile: tuple[int, int]) -> None:
    i, j = tile
    total[i : i + TILE, j : j + TILE] += z[:, i : i + TILE].T @ z[:, j : j + TILE]
