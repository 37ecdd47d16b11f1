"""KING-robust counts on a device, as products of indicator matrices of calls.

With c, h and d of a call saying whether it was made, whether it is heterozygous, and -1 or 1 for
the two homozygotes (else 0), the sums over variants of c1 c2, h1 h2, h1 c2, c1 h2 and d1 d2 are all
that a pair needs. The products are exact (see genomed.stats.packed_device) and are added up in
int32, so the table equals that of the popcounts on the CPU: tolerance zero.

Pairs are counted tile by tile. Pairs below the least kinship are left on the device, which is asked
once a tile. Memory does not depend on the number of samples: on CUDA, with tiles of 8,192 x 8,192
samples, at most 6 GiB beside the packed calls (see genomed.stats.packed_device.Calls; 1.25 GB for
100,000 people x 50,000 variants), on the CPU at most 512 MiB.
"""

from collections.abc import Iterator

import numpy as np
import torch

from genomed.kernels.packed import count_rows, keep_bits
from genomed.schema import Packed
from genomed.stats.kinship_tiles import Part, Tile, mean_opposites, opposites, tiles_of
from genomed.stats.packed_device import MISSING, Calls, Products, decode, open_device

__all__ = ["device_pairs"]

TILES = {"cuda": 8192, "cpu": 2048}  # most samples a side; multiples of 32
READ_BYTES = 32 << 20  # packed calls read at a time
ROOM = {"cuda": 1 << 24, "cpu": 1 << 21}  # pairs looked through at a time
SLACK = 1e-9  # on the device; what it lets through is looked at exactly
CALLED, HET, CODE = range(3)
SUMS = ((CALLED, CALLED), (HET, HET), (HET, CALLED), (CALLED, HET), (CODE, CODE))


def device_pairs(
    store: Packed, rows: np.ndarray, least: float, device: str, threads: int = 1
) -> tuple[list[Part], float]:
    """Pairs with their counts and kinship, and the opposite homozygotes expected per variant.

    rows    : int64, ascending
    least   : kinship from which on a pair is wanted; all of them when it is NaN
    device  : see genomed.stats.packed_device.open_device
    returns : as genomed.stats.kinship has them of the CPU
    Raises ValueError for a device that is not there or multiplies wrongly.
    """
    source = _Source(store, rows, open_device(device), threads)
    parts = [part for tile in source.tiles() for part in source.pairs(tile, least)]
    return parts, mean_opposites(source.opposites)


class _Source:
    """The calls of all variants on a device, and the counts of pairs."""

    def __init__(self, store: Packed, rows: np.ndarray, device: torch.device, threads: int) -> None:
        self._store, self._rows, self._threads = store, rows, threads
        self._device, self._products = device, Products(device)
        self._n_samples = len(store.samples)
        self._row_bytes = -(-self._n_samples // 32) * 8
        self.opposites: list[np.ndarray] = []
        self._calls = Calls(self._read, len(rows) * self._row_bytes, self._products.longest, device)

    def _read(self) -> Iterator[np.ndarray]:
        """Packed calls; what is expected of unrelated people is noted in the first pass."""
        note = not self.opposites
        everybody = keep_bits(np.ones(self._n_samples, np.bool_))
        at_once = max(64, min(self._products.longest, READ_BYTES // self._row_bytes))
        blocks = self._store.blocks(self._rows, block_rows=at_once, threads=self._threads)
        for block in blocks:
            if note:
                counts = np.empty((len(block.words), 4), np.int64)
                count_rows(block.words, everybody, counts)
                self.opposites.append(opposites(counts))
            yield block.words

    def tiles(self) -> list[Tile]:
        """Tiles of about equal size."""
        n, most = self._n_samples, TILES[self._device.type]
        n_sides = -(-n // most)
        return tiles_of(n, -(-n // (32 * n_sides)) * 32)

    def pairs(self, tile: Tile, least: float) -> list[Part]:
        """Pairs of a tile that are wanted."""
        n, m = tile.stop - tile.first, tile.others_stop - tile.others
        shape = (len(SUMS), -(-n // 32) * 32, -(-m // 32) * 32)
        total = torch.zeros(shape, dtype=torch.int32, device=self._device)
        for packed in self._calls.blocks():
            mine = self._indicators(packed, tile.first, tile.stop)
            theirs = mine if tile.below else self._indicators(packed, tile.others, tile.others_stop)
            for k, (one, other) in enumerate(SUMS):
                total[k] += self._products(mine[one].T, theirs[other])
        step = max(1, ROOM[self._device.type] // m)
        return [
            _selected(total[:, a : min(a + step, n), :m], tile, a, least) for a in range(0, n, step)
        ]

    def _indicators(
        self, packed: torch.Tensor, first: int, stop: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """c, h and d of some samples, padded with calls not made: (variants, padded samples)."""
        code = decode(packed[:, first // 4 : -(-stop // 32) * 8])
        dtype = self._products.dtype
        homozygote = (code == 2).to(dtype).sub_((code == 0).to(dtype))
        return (code != MISSING).to(dtype), (code == 1).to(dtype), homozygote


def _selected(total: torch.Tensor, tile: Tile, start: int, least: float) -> Part:
    """Pairs that are wanted among some samples of a tile, from `start` on, and all others.

    total : int32 (5, samples, others), in the order of SUMS
    """
    n_snps, het_het, i_het, j_het, alike = total
    opposite = (n_snps - i_het - j_het + het_het - alike) >> 1
    far = 4 * opposite + i_het + j_het - 2 * het_het
    fewer = torch.minimum(i_het, j_het)
    everything = bool(np.isnan(least))
    if everything:
        wanted = torch.ones_like(far, dtype=torch.bool)
    else:
        wanted = far <= (0.5 - least + SLACK) * (4 * fewer).to(torch.float64)
    if tile.below:  # a pair once, and nobody with himself
        wanted.tril_(start - 1)
    here, there = wanted.nonzero().T  # the only wait for the device
    columns = (n_snps, het_het, opposite, j_het - het_het, i_het - het_het)
    counts = torch.stack([column[here, there] for column in columns], dim=1).cpu().numpy()
    pair = torch.stack([there + tile.others, here + (tile.first + start)], dim=1)
    kinship = _kinship(counts)
    kept = everything | (kinship >= least)
    return pair.to(torch.int32).cpu().numpy()[kept], counts[kept], kinship[kept]


def _kinship(counts: np.ndarray) -> np.ndarray:
    """Kinship, by the formula in genomed.stats.kinship: float64 (pairs,).

    NaN where a sample has no heterozygous call. A device might round its quotient otherwise.
    """
    _, het_het, opposite, one, other = counts.T.astype(np.float64)
    fewer = het_het + np.minimum(one, other)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(fewer > 0, 0.5 - (4 * opposite + one + other) / (4 * fewer), np.nan)
