"""Correlations of pairs of variants on a device, as products of indicator matrices of calls.

With c, x and x*x of a call saying whether it was made, and its code -1, 0 or 1 (copies of ALT less
one) and that squared (0 where not called), the sums over samples of c1 c2, x1 c2, c1 x2, x1*x1 c2,
c1 x2*x2 and x1 x2 are all that r2 needs; where nobody lacks a call, the last alone. The products
are exact (see genomed.stats.packed_device), and from there on the arithmetic is that of the
CPU, operation by operation, in int64 and float64: lists, pairs and r are equal, tolerance zero.

Pruning stays where it is, on the CPU and one variant after the other, but learns from bits that the
device made which pairs of a window are over the limit. Memory on the device is, beside the packed
calls of a window, at most 2 GiB on CUDA and 256 MiB on the CPU.
"""

from threading import Lock
from typing import NamedTuple

import numpy as np
import torch

from genomed.kernels.ld import N_PLANES, N_TOTALS, SURE
from genomed.kernels.packed import count_rows
from genomed.schema import Packed
from genomed.stats.ld_sight import Sight, varies
from genomed.stats.packed_device import MISSING, Products, decode, open_device, send

__all__ = ["Marks", "correlate_contig"]

ROWS = {"cuda": (512, 2048), "cpu": (64, 256)}  # least and most variants marked at a time
COLUMNS = {"cuda": 4096, "cpu": 1024}  # partners looked at a time
SAMPLES = {"cuda": 1 << 14, "cpu": 1 << 11}  # decoded at a time; a multiple of 4
READ_BYTES = 32 << 20  # packed calls read at a time

_turn = Lock()  # contigs are pruned side by side, but use the device in turn: memory stays bounded


class _Moments(NamedTuple):
    """Covariance and variances of pairs, each times the square of the number of samples.

    All float64 whole numbers: (rows, columns), or (rows, 1) and (1, columns) of the variances where
    all pairs of a variant have the same.
    """

    covariance: torch.Tensor
    row_variance: torch.Tensor
    column_variance: torch.Tensor


class _Contig:
    """The calls of one contig's variants, those of a window on the device.

    frequency : float64 (variants,), of the commoner allele, of variants read so far
    counts    : int64 (variants, 4), the calls that count: 0, 1, 2 copies of ALT, and not called
    """

    def __init__(self, store: Packed, rows: np.ndarray, sight: Sight, device: torch.device) -> None:
        self._store, self._rows, self._sight, self.device = store, rows, sight, device
        self._products = Products(device)
        self._samples = min(SAMPLES[device.type], self._products.longest)
        one = np.uint64(1)
        self._left_out = ~(sight.keep | sight.keep << one)
        self.frequency = np.empty(len(rows))
        self.counts = np.empty((len(rows), 4), np.int64)
        self._first = self._stop = 0
        row_bytes = 8 * len(sight.keep)
        self._packed = torch.empty((0, row_bytes), dtype=torch.uint8, device=device)
        self._at_once = max(64, READ_BYTES // row_bytes)

    def hold(self, first: int, stop: int) -> None:
        """Have the variants first .. stop - 1 on the device; neither may go back."""
        parts = [self._packed[first - self._first :]]
        for start in range(self._stop, stop, self._at_once):
            parts.append(self._read(slice(start, min(start + self._at_once, stop))))
        self._packed = torch.cat(parts)
        self._first, self._stop = first, max(stop, self._stop)

    def _read(self, here: slice) -> torch.Tensor:
        words = self._sight.read(self._store, self._rows[here])
        self.frequency[here] = self._sight.major_frequency(words)
        words = self._sight.without_haploid_hets(words)
        count_rows(words, self._sight.keep, self.counts[here])
        return send(words | self._left_out, self.device)

    def moments(self, rows: slice, columns: slice) -> _Moments:
        """Of all pairs of some variants with some others, which must be on the device."""
        if not (self.counts[rows, 3].any() or self.counts[columns, 3].any()):
            return self._moments_of_all(rows, columns)
        called, x, y, xx, yy, product = self._sums(rows, columns, (CC, XC, CX, SC, CS, XX))
        return _Moments(
            (called * product - x * y).to(torch.float64),
            (called * xx - x * x).to(torch.float64),
            (called * yy - y * y).to(torch.float64),
        )

    def _moments_of_all(self, rows: slice, columns: slice) -> _Moments:
        """The same, where nobody lacks a call."""
        (product,) = self._sums(rows, columns, (XX,))
        n = self._sight.n_samples
        own = []
        for here in (rows, columns):
            reference, _, alt, _ = self.counts[here].T
            sums = np.stack([alt - reference, n * (alt + reference) - (alt - reference) ** 2])
            own.append(torch.from_numpy(sums).to(self.device))
        (x, x_variance), (y, y_variance) = own
        return _Moments(
            (n * product - x[:, None] * y).to(torch.float64),
            x_variance[:, None].to(torch.float64),
            y_variance[None].to(torch.float64),
        )

    def _sums(
        self, rows: slice, columns: slice, wanted: tuple[tuple[int, int], ...]
    ) -> list[torch.Tensor]:
        """Sums over samples of products of indicators: int64 (rows, columns) each."""
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        sums = [torch.zeros(shape, dtype=torch.int32, device=self.device) for _ in wanted]
        for start in range(0, 4 * self._packed.shape[1], self._samples):
            part = slice(start // 4, (start + self._samples) // 4)
            left, right = (self._indicators(here, part) for here in (rows, columns))
            for total, (one, other) in zip(sums, wanted, strict=True):
                total += self._products(left[one], right[other].T)
        return [total.to(torch.int64) for total in sums]

    def _indicators(self, here: slice, part: slice) -> tuple[torch.Tensor, ...]:
        """c, x and x*x of some samples: (variants, samples)."""
        code = decode(self._packed[here.start - self._first : here.stop - self._first, part])
        dtype = self._products.dtype
        reference, alt = (code == 0).to(dtype), (code == 2).to(dtype)
        return (code != MISSING).to(dtype), alt - reference, alt + reference


_CALLED, _CODE, _SQUARE = range(3)
CC, XC, CX = (_CALLED, _CALLED), (_CODE, _CALLED), (_CALLED, _CODE)
SC, CS, XX = (_SQUARE, _CALLED), (_CALLED, _SQUARE), (_CODE, _CODE)


class Marks:
    """Which pairs of a contig's variants are over a limit; see genomed.stats.ld.Pieces."""

    def __init__(
        self, store: Packed, rows: np.ndarray, sight: Sight, most: int, limit: float, device: str
    ) -> None:
        """What to look at.

        most  : variants in a window
        limit : of r2
        """
        self._contig = _Contig(store, rows, sight, open_device(device))
        kind = self._contig.device.type
        least_rows, most_rows = ROWS[kind]
        self._n, self._limit, self._columns = len(rows), limit, COLUMNS[kind]
        self._block = max(least_rows, min(most_rows, 4 * most))
        self._n_words = max(1, -(-(most - 1) // 64))
        self.planes = np.empty((0, N_PLANES, 0), np.uint64)
        self.totals = np.empty((0, N_TOTALS), np.int64)
        self.marks = np.empty((0, self._n_words), np.uint64)
        self.n_fresh = 0
        self._first = 0

    def advance(self, first: int, loaded: int, n: int) -> tuple[int, int]:
        self.marks = self.marks[first - self._first :]
        self.n_fresh = min(self._block, n - loaded)
        self._first = first
        return first, loaded + self.n_fresh

    def load(self, fresh: slice, stop: int) -> tuple[np.ndarray, np.ndarray]:
        last = min(fresh.stop + 64 * self._n_words, self._n)
        self._contig.hold(fresh.start, last)
        with _turn:
            marks = self._marked(fresh, last)
        self.marks = np.concatenate([self.marks, marks])
        reference, het, alt, _ = self._contig.counts[fresh].T
        return (
            self._contig.frequency[fresh],
            varies(reference + alt, alt, reference + het + alt),
        )

    def _marked(self, fresh: slice, last: int) -> np.ndarray:
        """Marks of some variants, by those before `last`: uint64 (variants, words).

        Column k of the square of pairs is the variant k + 1 places behind the first row, so that
        what belongs to a row lies on a diagonal; it is looked at with a stride of one more.
        """
        n_rows, width = fresh.stop - fresh.start, 64 * self._n_words
        behind, device = fresh.start + 1, self._contig.device
        n_columns = n_rows - 1 + width
        over = torch.zeros((n_rows, n_columns), dtype=torch.bool, device=device)
        for start in range(behind, last, self._columns):
            columns = slice(start, min(start + self._columns, last))
            moments = self._contig.moments(fresh, columns)
            over[:, start - behind : columns.stop - behind] = (
                moments.covariance * moments.covariance
                > self._limit * moments.row_variance * moments.column_variance
            )
        band = over.as_strided((n_rows, width // 8, 8), (n_columns + 1, 8, 1))
        weight = 1 << torch.arange(8, dtype=torch.uint8, device=device)
        marks = (band * weight).sum(dim=2, dtype=torch.uint8)
        return marks.cpu().numpy().view(np.uint64)


def correlate_contig(
    store: Packed,
    rows: np.ndarray,
    sight: Sight,
    last: np.ndarray,
    anchors: np.ndarray | None,
    min_r2: float,
    device: str,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs of one contig's variants with r2 of at least min_r2.

    last    : int64 (rows,), the last place that each is paired with
    anchors : bool (rows,); pairs without any of these are left out
    returns : places of the first, places of the second, and r, some rows after others; in order
    """
    contig = _Contig(store, rows, sight, open_device(device))
    found = []
    _, at_once = ROWS[contig.device.type]
    for first in range(0, len(rows), at_once):
        here = slice(first, min(first + at_once, len(rows)))
        stop = int(last[here].max()) + 1
        contig.hold(first, stop)
        parts = []
        for start in range(first, stop, COLUMNS[contig.device.type]):
            columns = slice(start, min(start + COLUMNS[contig.device.type], stop))
            parts.append(_good_pairs(contig, here, columns, last, anchors, min_r2))
        left, right, r = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.lexsort((right, left))
        found.append((left[order], right[order], r[order]))
    return found


def _good_pairs(
    contig: _Contig,
    rows: slice,
    columns: slice,
    last: np.ndarray,
    anchors: np.ndarray | None,
    min_r2: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    device = contig.device
    covariance, row_variance, column_variance = contig.moments(rows, columns)
    square = row_variance * column_variance
    left = torch.arange(rows.start, rows.stop, device=device)[:, None]
    right = torch.arange(columns.start, columns.stop, device=device)
    good = (covariance * covariance >= SURE * min_r2 * square) & (square > 0)
    good &= (right > left) & (right <= torch.from_numpy(last[rows]).to(device)[:, None])
    if anchors is not None:
        one, other = (torch.from_numpy(anchors[here]).to(device) for here in (rows, columns))
        good &= one[:, None] | other
    x, y = good.nonzero().T  # the only wait for the device
    chosen = x + rows.start, y + columns.start, covariance[x, y], square[x, y]
    first, second, numerator, denominator = (part.cpu().numpy() for part in chosen)
    r = numerator / np.sqrt(denominator)  # torch's own root may be one unit off in the last place
    kept = r * r >= min_r2
    return first[kept], second[kept], r[kept]
