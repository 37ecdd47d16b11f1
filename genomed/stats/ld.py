"""Linkage disequilibrium: pruning as plink2 does it, and correlations of pairs of variants.

r2 is the squared correlation of ALT counts over the samples called at both variants, from whole
numbers, so that a comparison with a limit never hangs on rounding, nor on the device.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from genomed.kernels.ld import (
    ALT,
    CALLED,
    HOMOZYGOUS,
    N_PLANES,
    N_TOTALS,
    correlate_pairs,
    prune_windows,
    split_planes,
)
from genomed.kernels.ld_haplotypes import correlate_haplotypes
from genomed.schema import Packed
from genomed.stats.ld_sight import Sight, varies

__all__ = ["founder_mask", "prune", "r2_pairs"]

BLOCK_BYTES = 2 << 20  # planes loaded at a time
BLOCK_ROWS = 2048
PAIRS = 1 << 18  # pairs correlated at a time
TIE = 1 + 2.0**-44  # plink2's factor: what differs by less is equal

_UNPLACED = {"0", "chr0"}


def founder_mask(people: pl.DataFrame) -> np.ndarray:
    """Who has no parent named: bool (samples,). A named parent need not be in the data."""
    return (people["father"].is_null() & people["mother"].is_null()).to_numpy()


def prune(
    store: Packed,
    rows: np.ndarray,
    *,
    window: float,
    step: int = 1,
    r2: float,
    window_kb: bool = False,
    founders: np.ndarray | None = None,
    threads: int = 1,
    device: str = "cpu",
) -> np.ndarray:
    """Choose variants no two of which, within a window, have r2 above a limit.

    The list is that of plink2 --indep-pairwise: windows slide over the variants of a contig; of
    a pair over the limit the variant with the lower minor allele frequency goes, at a tie the later
    one. Monomorphic variants go, but have their place in a window; one that no other is near
    stays, whatever it is. Unplaced variants, on contig 0, go. On X, males count half and
    their heterozygous calls are missing; on Y only males count, on Y and MT heterozygous calls are
    missing. Where a record has several ALTs, they count as one allele.

    rows      : int64, ascending; variants that passed every other filter
    window    : variants, or thousands of bases with window_kb
    step      : variants from one window to the next
    founders  : bool (samples,), whom to measure r2 on; by default those without parents
    device    : "cpu"; "cuda", "cuda:1" measure r2 on that device; "torch" with torch on the CPU.
                The list is the same
    returns   : bool (rows,), True for those to keep
    raises    : ValueError for a window or step that is none, or positions that are not ascending
                with window_kb
    """
    if window <= 0 or step < 1 or not 0 <= r2 <= 1:
        raise ValueError(f"no window: {window=}, {step=}, {r2=}")
    used = founder_mask(store.people) if founders is None else np.asarray(founders, np.bool_)
    rows = np.ascontiguousarray(rows, np.int64)
    kept = np.zeros(len(rows), np.bool_)
    contigs = store.variants["contig"].gather(rows)
    positions = store.variants["position"].gather(rows).to_numpy()
    jobs = []
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for contig in contigs.unique(maintain_order=True):
            if contig in _UNPLACED:
                continue
            where = (contigs == contig).arg_true().to_numpy().astype(np.int64)
            place = np.ascontiguousarray(positions[where], np.int64)
            if window_kb and (np.diff(place) < 0).any():
                raise ValueError(f"positions of contig {contig} are not ascending; sort them")
            sight = Sight(store, contig, used)
            reach = round(window * 1000) if window_kb else -1
            rule = (reach, 0 if window_kb else int(window), step, r2 * TIE)
            job = pool.submit(_prune_contig, store, rows[where], sight, place, rule, device)
            jobs.append((where, job))
        for where, job in jobs:
            kept[where] = job.result()
    return kept


def _prune_contig(
    store: Packed,
    rows: np.ndarray,
    sight: "Sight",
    position: np.ndarray,
    rule: tuple[int, int, int, float],
    device: str,
) -> np.ndarray:
    """Which variants of one contig to keep: bool (rows,)."""
    n = len(rows)
    reach, window, _, limit = rule
    removed = np.zeros(n, np.bool_)
    if not sight.n_samples:
        return _alone(position, reach)
    unchecked = np.zeros(n, np.int64)
    frequency = np.empty(n)
    if reach >= 0:
        most = int((np.searchsorted(position, position + reach, "right") - np.arange(n)).max())
    else:
        most = min(window, n)
    pieces = _pieces(store, rows, sight, most, limit, device)
    first = loaded = start = 0
    while loaded < n:
        first, loaded = pieces.advance(min(max(first, start), loaded), loaded, n)
        fresh = slice(loaded - pieces.n_fresh, loaded)
        frequency[fresh], varies = pieces.load(fresh, loaded - first)
        removed[fresh] = ~varies
        if start < n:
            start = prune_windows(
                pieces.planes, pieces.totals, pieces.marks, sight.n_samples, first, loaded,
                position, *rule, frequency, removed, unchecked, start, TIE,
            )  # fmt: skip
    removed[_alone(position, reach)] = False
    return ~removed


class Pieces(Protocol):
    """What pruning needs of the variants first .. loaded - 1 of a contig; see prune_windows."""

    planes: np.ndarray
    totals: np.ndarray
    marks: np.ndarray
    n_fresh: int

    def advance(self, first: int, loaded: int, n: int) -> tuple[int, int]:
        """Forget the variants before `first`, make room for more; the new first and loaded."""
        ...

    def load(self, fresh: slice, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Load variants into the places before `stop`.

        returns : their major allele frequencies, and which of them have a variance: bool
        """
        ...


def _pieces(
    store: Packed, rows: np.ndarray, sight: "Sight", most: int, limit: float, device: str
) -> Pieces:
    """The variants of a contig, of which a window holds `most`, as the device has them."""
    if device == "cpu":
        return _Planes(store, rows, sight, most)
    from genomed.stats.ld_device import Marks  # noqa: PLC0415 - torch takes seconds

    return Marks(store, rows, sight, most, limit, device)


def _alone(position: np.ndarray, reach: int) -> np.ndarray:
    """Variants that have no neighbour on the contig, or none within `reach` where that is used."""
    if reach < 0:
        return np.full(len(position), len(position) == 1)
    far = np.concatenate([[True], np.diff(position) > reach, [True]])
    return far[:-1] & far[1:]


class _Planes:
    """Planes of the variants first .. loaded - 1 of a contig, in an array that is used again."""

    def __init__(self, store: Packed, rows: np.ndarray, sight: Sight, most: int) -> None:
        self._store, self._rows, self._sight = store, rows, sight
        n_words = -(-len(sight.keep) // 2)
        self._block = max(64, min(BLOCK_ROWS, BLOCK_BYTES // (8 * N_PLANES * n_words)))
        self.planes = np.empty((most + self._block, N_PLANES, n_words), np.uint64)
        self.totals = np.empty((most + self._block, N_TOTALS), np.int64)
        self.marks = np.empty((0, 0), np.uint64)
        self.n_fresh = 0
        self._first = 0

    def advance(self, first: int, loaded: int, n: int) -> tuple[int, int]:
        left = slice(first - self._first, loaded - self._first)
        n_left = loaded - first
        self.planes[:n_left] = self.planes[left].copy()
        self.totals[:n_left] = self.totals[left].copy()
        self.n_fresh = min(self._block, n - loaded)
        self._first = first
        return first, loaded + self.n_fresh

    def load(self, fresh: slice, stop: int) -> tuple[np.ndarray, np.ndarray]:
        words = self._sight.read(self._store, self._rows[fresh])
        frequency = self._sight.major_frequency(words)
        words = self._sight.without_haploid_hets(words)
        here = slice(stop - len(words), stop)
        totals = self.totals[here]
        split_planes(words, self._sight.keep, self.planes[here], totals)
        return frequency, varies(totals[:, HOMOZYGOUS], totals[:, ALT], totals[:, CALLED])


def r2_pairs(
    store: Packed,
    rows: np.ndarray,
    *,
    window: int | None = None,
    window_kb: float | None = None,
    min_r2: float = 0.2,
    founders: np.ndarray | None = None,
    haplotypes: bool = False,
    anchors: np.ndarray | None = None,
    threads: int = 1,
    device: str = "cpu",
) -> pl.DataFrame:
    """Pairs of variants with r2 of at least min_r2, of one contig and near each other.

    rows       : int64, ascending, positions ascending within a contig
    window     : variants further apart than this many places are not looked at; None for no limit
    window_kb  : nor those further apart than so many thousand bases
    haplotypes : whether r is that of alleles on haplotypes, whose frequencies are estimated by
                 maximum likelihood, rather than that of ALT counts
    anchors    : bool (rows,); pairs without any of these are not looked at
    device     : see `prune`; the pairs are the same, to the last bit. Haplotypes need the CPU
    returns    : row1 Int64 · row2 Int64 (of the store) · r Float64 (of ALTs) · r2 Float64, in the
                 order of row1, then row2
    raises     : ValueError for haplotypes on another device
    """
    if haplotypes and device != "cpu":
        raise ValueError("correlations on haplotypes are computed on the CPU only")
    used = founder_mask(store.people) if founders is None else np.asarray(founders, np.bool_)
    rows = np.ascontiguousarray(rows, np.int64)
    contigs = store.variants["contig"].gather(rows)
    positions = store.variants["position"].gather(rows).to_numpy()
    found = []
    for contig in contigs.unique(maintain_order=True):
        where = (contigs == contig).arg_true().to_numpy().astype(np.int64)
        sight = Sight(store, contig, used)
        if not sight.n_samples:
            continue
        reach = None if window_kb is None else round(window_kb * 1000)
        chosen = None if anchors is None else np.asarray(anchors, np.bool_)[where]
        last = _last_partner(positions[where], window, reach)
        if device == "cpu":
            measure = (min_r2, haplotypes)
            blocks = _near_pairs(last, chosen)
            parts = _correlate_contig(store, rows[where], sight, blocks, measure, threads)
        else:
            from genomed.stats.ld_device import correlate_contig  # noqa: PLC0415 - see above

            parts = correlate_contig(store, rows[where], sight, last, chosen, min_r2, device)
        found += [_frame(rows[where], *part) for part in parts]
    return pl.concat([_NO_PAIRS, *found])


def _frame(rows: np.ndarray, left: np.ndarray, right: np.ndarray, r: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame((rows[left], rows[right], r, r**2), schema=_NO_PAIRS.schema)


_NO_PAIRS = pl.DataFrame(
    schema={"row1": pl.Int64, "row2": pl.Int64, "r": pl.Float64, "r2": pl.Float64}
)


class _Near(NamedTuple):
    """Pairs of places first .. stop - 1 of a contig, whose first members are a run."""

    first: int
    stop: int
    left: np.ndarray
    right: np.ndarray


def _last_partner(position: np.ndarray, window: int | None, reach: int | None) -> np.ndarray:
    """The last place that is near enough to each: int64 (variants,); itself where there is none."""
    n = len(position)
    last = np.full(n, n - 1) if window is None else np.minimum(np.arange(n) + window, n - 1)
    if reach is not None:
        last = np.minimum(last, np.searchsorted(position, position + reach, "right") - 1)
    return last


def _near_pairs(last: np.ndarray, anchors: np.ndarray | None) -> Iterator[_Near]:
    """All pairs within the window with an anchor, some hundred thousand at a time."""
    n = len(last)
    before = np.concatenate([[0], np.cumsum(last - np.arange(n))])
    first = 0
    while first < n:
        room = before[first] + PAIRS
        stop = max(first + 1, int(np.searchsorted(before, room, "right")) - 1)
        here = np.arange(first, min(stop, n))
        n_right = last[here] - here
        left = np.repeat(here, n_right)
        offset = np.arange(len(left)) - np.repeat(np.cumsum(n_right) - n_right, n_right)
        right = left + 1 + offset
        if anchors is not None:
            wanted = anchors[left] | anchors[right]
            left, right = left[wanted], right[wanted]
        if len(left):
            yield _Near(first, int(last[here].max()) + 1, left, right)
        first = stop


def _correlate_contig(
    store: Packed,
    rows: np.ndarray,
    sight: Sight,
    blocks: Iterator[_Near],
    measure: tuple[float, bool],
    threads: int,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs above the least r2: their places, and r."""
    min_r2, haplotypes = measure

    def one(near: _Near) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        some = rows[near.first : near.stop]
        words = sight.without_haploid_hets(sight.read(store, some))
        planes = np.empty((len(some), N_PLANES, -(-words.shape[1] // 2)), np.uint64)
        totals = np.empty((len(some), N_TOTALS), np.int64)
        split_planes(words, sight.keep, planes, totals)
        r = np.empty(len(near.left))
        left, right = near.left - near.first, near.right - near.first
        if haplotypes:
            correlate_haplotypes(planes, left, right, min_r2, r)
        else:
            correlate_pairs(planes, totals, sight.n_samples, left, right, r)
        good = np.flatnonzero(r * r >= min_r2)
        return near.left[good], near.right[good], r[good]

    with ThreadPoolExecutor(max(1, threads)) as pool:
        return list(pool.map(one, blocks))
