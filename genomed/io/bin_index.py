"""Binned indexes (TBI, BAI, CSI): where in a BGZF file the records of given places lie.

Layouts: SAMv1 section 5, and the Tabix and CSIv1 specifications of hts-specs. A record lies in the
smallest bin that holds all of it; bins are windows of 6 sizes (or as many as a CSI has), each 8
times the one below. Every bin lists chunks, pairs of virtual offsets: address of a BGZF block << 16
| place in its text.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

__all__ = [
    "BinnedContig",
    "compressed_bytes",
    "first_bin",
    "merged_ranges",
    "needed_ranges",
    "read_contig",
    "whole_windows",
]


class BinnedContig(NamedTuple):
    """Chunks of one contig, and bounds of what a window can need; all int64.

    bin_start, bin_end      : (chunks,) 0-based span of the chunk's bin
    first, stop             : (chunks,) virtual offsets
    low_start, low_offset   : no record that reaches to low_start or beyond begins before low_offset
    high_start, high_offset : every record that begins at high_offset or behind is at or after
                              high_start
    """

    bin_start: np.ndarray
    bin_end: np.ndarray
    first: np.ndarray
    stop: np.ndarray
    low_start: np.ndarray
    low_offset: np.ndarray
    high_start: np.ndarray
    high_offset: np.ndarray


def read_contig(
    data: bytes, at: int, shift: int, depth: int, is_csi: bool
) -> tuple[BinnedContig, int]:
    """One contig of a TBI, BAI or CSI that begins at data[at:], and where the next one begins.

    shift, depth : the smallest bin spans 1 << shift bases; levels of bins below the largest
    Raises ValueError and struct.error when the bytes are not that.
    """
    n_bins, at = struct.unpack_from("<i", data, at)[0], at + 4
    bins: list[int] = []
    lows: list[int] = []
    counts: list[int] = []
    offsets: list[int] = []
    for _ in range(n_bins):
        number = struct.unpack_from("<I", data, at)[0]
        low = struct.unpack_from("<q", data, at + 4)[0] if is_csi else 0
        at += 12 if is_csi else 4
        n_chunks = struct.unpack_from("<i", data, at)[0]
        chunks = struct.unpack_from(f"<{2 * n_chunks}q", data, at + 4)
        at += 4 + 16 * n_chunks
        if number < first_bin(depth + 1):  # else it is no bin: htslib keeps counts there
            bins.append(number)
            lows.append(low)
            counts.append(n_chunks)
            offsets += chunks
    start, end = _bin_span(np.array(bins, np.int64), shift, depth)
    low_start, low_offset = start, np.array(lows, np.int64)
    if not is_csi:
        n_windows, at = struct.unpack_from("<i", data, at)[0], at + 4
        low_start = np.arange(n_windows, dtype=np.int64) << shift
        low_offset = np.frombuffer(data, "<i8", n_windows, at).astype(np.int64)
        at += 8 * n_windows
    return _contig(start, end, counts, offsets, low_start, low_offset), at


def compressed_bytes(ranges: np.ndarray) -> int:
    """About how many bytes of the file lie in `ranges`; a last block that is cut counts whole."""
    address = ranges >> 16
    return int((address[:, 1] - address[:, 0]).sum() + 16384 * len(ranges))


def first_bin(level: int) -> int:
    """Number of the first bin of a level; level 0 is the one bin that holds everything."""
    return ((1 << 3 * level) - 1) // 7


def _bin_span(number: np.ndarray, shift: int, depth: int) -> tuple[np.ndarray, np.ndarray]:
    first = np.array([first_bin(level) for level in range(depth + 1)], np.int64)
    level = np.searchsorted(first, number, side="right") - 1
    size = np.int64(1) << (shift + 3 * (depth - level))
    start = (number - first[level]) * size
    return start, start + size


def _contig(
    start: np.ndarray,
    end: np.ndarray,
    counts: list[int],
    offsets: list[int],
    low_start: np.ndarray,
    low_offset: np.ndarray,
) -> BinnedContig:
    chunks = np.array(offsets, np.int64).reshape(-1, 2)
    if (chunks < 0).any() or (chunks[:, 0] > chunks[:, 1]).any():
        raise ValueError("a chunk ends before it begins")
    bin_start, bin_end = np.repeat(start, counts), np.repeat(end, counts)
    low_order = np.argsort(low_start, kind="stable")
    high_order = np.argsort(bin_start, kind="stable")
    return BinnedContig(
        bin_start,
        bin_end,
        chunks[:, 0],
        chunks[:, 1],
        low_start[low_order],
        np.maximum.accumulate(low_offset[low_order]),
        bin_start[high_order],
        np.minimum.accumulate(chunks[high_order[::-1], 0])[::-1],
    )


def whole_windows(spans: np.ndarray, shift: int, left_margin_bp: int = 0) -> np.ndarray:
    """Spans widened to whole windows of the smallest size, sorted, those that touch made one."""
    start = np.maximum(spans[:, 0] - left_margin_bp, 0) >> shift << shift
    end = (((spans[:, 1] - 1) >> shift) + 1) << shift
    order = np.argsort(start, kind="stable")
    start, end = start[order], np.maximum.accumulate(end[order])
    begins = np.flatnonzero(np.concatenate([[True], start[1:] > end[:-1]]))
    last = np.concatenate([begins[1:], [len(start)]]) - 1
    return np.stack([start[begins], end[last]], axis=1)


def needed_ranges(contig: BinnedContig, windows: np.ndarray) -> np.ndarray:
    """Chunks of the bins that overlap each window, cut to what can overlap it; int64 (n, 2)."""
    start, end = windows.T
    low = np.zeros(len(windows), np.int64)
    at = np.searchsorted(contig.low_start, start, side="right") - 1
    low[at >= 0] = contig.low_offset[at[at >= 0]]
    high = np.full(len(windows), np.iinfo(np.int64).max)
    at = np.searchsorted(contig.high_start, end)
    inside = at < len(contig.high_start)
    high[inside] = contig.high_offset[at[inside]]
    # Every chunk with every window that its bin overlaps: windows `begin` to `begin + count`.
    begin = np.searchsorted(end, contig.bin_start, side="right")
    count = np.maximum(np.searchsorted(start, contig.bin_end) - begin, 0)
    chunk = np.repeat(np.arange(len(count)), count)
    window = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + begin[chunk]
    first = np.maximum(contig.first[chunk], low[window])
    stop = np.minimum(contig.stop[chunk], high[window])
    return np.stack([first, stop], axis=1)[first < stop]


def merged_ranges(ranges: np.ndarray) -> np.ndarray:
    """Sort ranges and join those that overlap, touch, or have a block in common."""
    ranges = ranges[np.argsort(ranges[:, 0], kind="stable")]
    if not len(ranges):
        return ranges
    stop = np.maximum.accumulate(ranges[:, 1])
    begins = np.flatnonzero(np.concatenate([[True], ranges[1:, 0] >> 16 > stop[:-1] >> 16]))
    last = np.concatenate([begins[1:], [len(ranges)]]) - 1
    return np.stack([ranges[begins, 0], stop[last]], axis=1)
