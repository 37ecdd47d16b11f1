"""Depth along contigs: added up from alignments in order, summarised on the way.

Memory does not grow with contigs: what no later alignment can change is summed up and let go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from genomed.kernels import depth as kernel

__all__ = [
    "GC_WINDOW_BP",
    "ContigDepth",
    "DepthCounter",
    "DepthRules",
    "Runs",
    "mean_of_counts",
    "median_of_counts",
    "window_gc",
]

UNMAPPED = 4  # flag: such reads have no depth, even where they have a CIGAR
GC_WINDOW_BP = 100  # as Picard's CollectGcBiasMetrics
MAX_SPAN_BP = 1 << 22  # of alignments that are added at a time
MAX_COUNTED = 1 << 22  # depths beyond are counted as this
_FIRST_COUNTS = 1 << 10
_MIN_SLOTS = 1 << 12
_NO_CLASS = -2  # before the first base of a contig

Emit = Callable[[np.ndarray, np.ndarray, np.ndarray], None]


class DepthRules(NamedTuple):
    """What counts as depth, and what is told of it.

    exclude_flags, include_flags : mapped alignments without any of the first and, if not 0, with
                                   one of the second; min_mapq : and of at least this mapping
                                   quality
    once                         : whether a base under both mates of a pair counts once
    thresholds                   : int64, rising, depths whose reach is told of regions
    borders                      : int64, rising, lower borders of the classes of depth
    """

    exclude_flags: int
    include_flags: int
    min_mapq: int
    once: bool
    thresholds: np.ndarray
    borders: np.ndarray


class ContigDepth(NamedTuple):
    """Depth of one contig.

    length, total, most : bases; sum of depths; greatest depth
    counts              : int64, bases by depth
    n_alignments        : alignments that count
    region_total        : int64 (regions,); region_reached : int64 (regions, thresholds)
    region_counts       : int64, bases of all regions by depth
    gc_total            : int64 (101,), sum of depths in windows by percentage of GC
    """

    length: int
    total: int
    most: int
    counts: np.ndarray
    n_alignments: int
    region_total: np.ndarray
    region_reached: np.ndarray
    region_counts: np.ndarray
    gc_total: np.ndarray


class Runs:
    """Turns places where a value changes into stretches of one value, handed on as they end.

    emit : called with start, end (int64, 0-based) and value (int32) of stretches
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self.begin()

    def begin(self) -> None:
        """Before the first base of a contig."""
        self._start, self.value = 0, _NO_CLASS

    def change(self, position: np.ndarray, value: np.ndarray) -> None:
        """Take changes in order."""
        if not len(position):
            return
        start = np.concatenate([[self._start], position[:-1]])
        before = np.concatenate([[self.value], value[:-1]])
        first = 1 if self.value == _NO_CLASS else 0
        self._emit(start[first:], position[first:], before[first:].astype(np.int32))
        self._start, self.value = int(position[-1]), int(value[-1])

    def end(self, length: int) -> None:
        """Behind the last base of a contig."""
        if self.value != _NO_CLASS and self._start < length:
            self._emit(
                np.array([self._start]), np.array([length]), np.array([self.value], np.int32)
            )


class DepthCounter:
    """Adds up the depth of one contig after the other.

    classes : where stretches of one class of depth go; depths : of one depth; None for nowhere
    """

    def __init__(
        self, rules: DepthRules, classes: Emit | None = None, depths: Emit | None = None
    ) -> None:
        if (np.diff(rules.thresholds) <= 0).any() or (np.diff(rules.borders) <= 0).any():
            raise ValueError("thresholds and borders must rise")
        self._rules = rules
        self._classes = None if classes is None else Runs(classes)
        self._depths = None if depths is None else Runs(depths)
        self._level = _steps(rules.thresholds).astype(np.uint8)
        self._class = (_steps(rules.borders) - 1).astype(np.int8)
        self._delta = np.zeros(MAX_SPAN_BP // 4, np.int32)

    def begin(
        self, length: int, start: np.ndarray, end: np.ndarray, gc: np.ndarray | None = None
    ) -> None:
        """Begin a contig.

        start, end : int64 (regions,), 0-based, sorted by start
        gc         : uint8 (windows,) of the reference (see window_gc), None without one
        """
        self._length = length
        self._start, self._end = start, np.minimum(end, length)
        self._reach = np.maximum.accumulate(self._end) if len(end) else self._end
        self._gc = gc
        self._origin, self._running, self._frontier = 0, 0, 0
        self._delta[:] = 0
        self._total, self._most, self._n = 0, 0, 0
        self._counts = np.zeros(_FIRST_COUNTS, np.int64)
        self._region_counts = np.zeros(_FIRST_COUNTS, np.int64)
        self._region_total = np.zeros(len(start), np.int64)
        self._levels = np.zeros((len(start), len(self._rules.thresholds) + 1), np.int64)
        self._gc_total = np.zeros(101, np.int64)
        self._keys, self._where = np.zeros(_MIN_SLOTS, np.uint64), np.zeros(_MIN_SLOTS, np.int64)
        self._pool, self._used = np.zeros(0, np.int32), 0
        for runs in (self._classes, self._depths):
            if runs is not None:
                runs.begin()

    def add(
        self, data: np.ndarray, place: np.ndarray, start: np.ndarray, end: np.ndarray,
        flag: np.ndarray, mapq: np.ndarray,
    ) -> None:  # fmt: skip
        """Add alignments of the contig, in order; the arrays are those of an AlignmentBlock."""
        first = 0
        while first < len(place):
            stop = int(np.searchsorted(start, int(start[first]) + MAX_SPAN_BP))
            some = slice(first, stop)
            self._add(data, place[some], start[some], end[some], flag[some], mapq[some])
            first = stop

    def _add(
        self, data: np.ndarray, place: np.ndarray, start: np.ndarray, end: np.ndarray,
        flag: np.ndarray, mapq: np.ndarray,
    ) -> None:  # fmt: skip
        rules = self._rules
        self._settle(min(int(start[0]), self._length))
        self._frontier = max(self._frontier, min(int(end.max()), self._length))
        self._grow(self._frontier - self._origin + 1)
        self._make_room(len(place), len(data), int(start[0]))
        delta = self._delta[: self._length - self._origin + 1]
        self._used, n = kernel.add_alignments(
            data, place, start, end, flag, mapq, rules.exclude_flags | UNMAPPED,
            rules.include_flags, rules.min_mapq, int(rules.once), self._origin, delta,
            self._keys, self._where, self._pool, self._used,
        )  # fmt: skip
        self._n += n

    def finish(self) -> ContigDepth:
        """End the contig."""
        self._settle(self._length, last=True)
        for runs in (self._classes, self._depths):
            if runs is not None:
                runs.end(self._length)
        inside = np.maximum(self._end - self._start, 0)
        counts = _trimmed(self._counts)
        region_counts = self._region_counts
        region_counts[0] += int(inside.sum()) - int(region_counts.sum())
        reached = np.cumsum(self._levels[:, :0:-1], axis=1)[:, ::-1]
        zero = np.searchsorted(self._rules.thresholds, 0, side="right")
        reached[:, :zero] = inside[:, None]
        return ContigDepth(
            self._length, self._total, self._most, counts, self._n, self._region_total, reached,
            _trimmed(region_counts), self._gc_total,
        )  # fmt: skip

    def _settle(self, position: int, *, last: bool = False) -> None:
        """Sum up what lies before `position` (rounded down to whole windows, but at the end)."""
        step = 1 if last else GC_WINDOW_BP
        position -= position % step
        covered = min(-(-self._frontier // step) * step, position)
        while self._origin < covered:
            n = min(covered - self._origin, MAX_SPAN_BP // GC_WINDOW_BP * GC_WINDOW_BP)
            self._grow(n)
            depth = np.empty(n, np.int32)
            self._running = kernel.sum_deltas(self._delta, n, self._running, depth)
            self._summarise(depth)
            rest = max(self._frontier + 1 - self._origin - n, 0)
            self._delta[:rest] = self._delta[n : n + rest].copy()
            self._delta[rest : rest + n] = 0
            self._origin += n
        if position > self._origin:
            self._skip(position)

    def _skip(self, position: int) -> None:
        """Pass over bases that nothing covers."""
        at, zero = np.array([self._origin]), np.zeros(1, np.int32)
        self._counts[0] += position - self._origin
        if self._depths is not None and self._depths.value != 0:
            self._depths.change(at, zero)
        kind = self._class[:1].astype(np.int32)
        if self._classes is not None and self._classes.value != kind[0]:
            self._classes.change(at, kind)
        self._delta[:] = 0
        self._running, self._origin = 0, position

    def _summarise(self, depth: np.ndarray) -> None:
        size = min(int(depth.max()) + 2, MAX_COUNTED)
        self._counts = _longer(self._counts, size)
        total, most = kernel.count_depths(depth, self._counts)
        self._total += total
        self._most = max(self._most, most)
        first = int(np.searchsorted(self._reach, self._origin, side="right"))
        if first < len(self._start):
            self._region_counts = _longer(self._region_counts, size)
            kernel.sum_regions(
                depth, self._origin, self._start[first:], self._end[first:], self._level,
                self._region_total[first:], self._levels[first:], self._region_counts,
            )  # fmt: skip
        if self._gc is not None:
            window = self._origin // GC_WINDOW_BP
            kernel.gc_depths(depth, window, GC_WINDOW_BP, self._gc, self._gc_total)
        position, value = np.empty(len(depth), np.int64), np.empty(len(depth), np.int32)
        if self._classes is not None:
            n = kernel.change_classes(
                depth, self._origin, self._class, self._classes.value, position, value
            )
            self._classes.change(position[:n].copy(), value[:n].copy())
        if self._depths is not None:
            n = kernel.change_depths(depth, self._origin, self._depths.value, position, value)
            self._depths.change(position[:n].copy(), value[:n].copy())

    def _grow(self, size: int) -> None:
        if size > len(self._delta):
            longer = np.zeros(max(size, 2 * len(self._delta)), np.int32)
            longer[: len(self._delta)] = self._delta
            self._delta = longer

    def _make_room(self, n: int, n_bytes: int, position: int) -> None:
        """Tables of mates with room for n alignments; those whose mates cannot come are let go."""
        if not self._rules.once:
            return
        waiting = int((self._keys > kernel.GONE).sum())
        slots = max(_MIN_SLOTS, 1 << int(2 * (waiting + n)).bit_length())
        keys, where = np.zeros(slots, np.uint64), np.zeros(slots, np.int64)
        pool = np.empty(self._used + n_bytes // 2 + 2 * n + 2, np.int32)
        self._used = kernel.carry_mates(
            self._keys, self._where, self._pool, keys, where, pool, position
        )
        self._keys, self._where, self._pool = keys, where, pool


def window_gc(
    text: np.ndarray, first: int, length: int, line_bases: int, line_bytes: int
) -> np.ndarray:
    """Percentage of G and C in each whole window of GC_WINDOW_BP; 255 where a base is not ACGT.

    The arguments are the fields of io.fasta.Sequence; returns uint8 (windows,).
    """
    gc = np.empty(length // GC_WINDOW_BP, np.uint8)
    kernel.gc_of_windows(text, first, line_bases, line_bytes, GC_WINDOW_BP, gc)
    return gc


def mean_of_counts(counts: np.ndarray) -> float:
    """Mean of what was counted by value; NaN of nothing."""
    n = int(counts.sum())
    return float((counts * np.arange(len(counts))).sum() / n) if n else float("nan")


def median_of_counts(counts: np.ndarray) -> float:
    """Median of what was counted by value (the lower one of two); NaN of nothing."""
    n = int(counts.sum())
    return float(np.searchsorted(np.cumsum(counts), (n + 1) // 2)) if n else float("nan")


def _steps(borders: np.ndarray) -> np.ndarray:
    """How many borders each depth reaches, up to the last border."""
    last = int(borders[-1]) if len(borders) else 0
    return np.searchsorted(borders, np.arange(last + 1), side="right")


def _longer(counts: np.ndarray, size: int) -> np.ndarray:
    if size <= len(counts):
        return counts
    longer = np.zeros(max(size, 2 * len(counts)), np.int64)
    longer[: len(counts)] = counts
    return longer


def _trimmed(counts: np.ndarray) -> np.ndarray:
    """Without the zeros behind the greatest depth."""
    some = np.flatnonzero(counts)
    return counts[: int(some[-1]) + 1 if len(some) else 1]
