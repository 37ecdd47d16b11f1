"""BAI and CSI indexes of a BAM: where in the file the alignments of a region lie."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from zlib_ng import gzip_ng

from genomed.io.bgzf import ZLIB_ERROR
from genomed.io.bin_index import merged_ranges, needed_ranges, read_contig, whole_windows

__all__ = ["BamIndex", "find_index"]

_BAI_SHIFT, _BAI_DEPTH = 14, 5
_BROKEN = (EOFError, OSError, ValueError, struct.error, ZLIB_ERROR)


def find_index(path: Path, endings: Sequence[str] = (".bai", ".csi")) -> Path | None:
    """The index that lies beside a BAM (a CRAM: .crai) under one of its usual names, or None."""
    names = [path.with_name(path.name + ending) for ending in endings]
    names += [path.with_suffix(ending) for ending in endings]
    return next((name for name in names if name.is_file()), None)


class BamIndex:
    """A .bai or .csi file of a BAM.

    n_contigs : contigs that it was made for
    end       : virtual offset behind the last alignment that has a place, 0 when none has

    Raises ValueError when the file is not such an index, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._read(path.read_bytes())
        except _BROKEN as error:
            raise ValueError(f"{path} is not an index of a BAM, or is damaged ({error})") from None
        self.n_contigs = len(self._contigs)
        self.end = max((int(c.stop.max()) for c in self._contigs if len(c.stop)), default=0)

    def ranges(self, contig: int, start: int, end: int) -> np.ndarray:
        """Where alignments of a contig may lie that overlap start to end (0-based).

        returns : int64 (ranges, 2) virtual offsets, in order; no two have a block in common
        """
        place = self._contigs[contig] if contig < self.n_contigs else None
        if place is None or not len(place.first) or start >= end:
            return np.zeros((0, 2), np.int64)
        spans = np.array([[start, min(end, self._longest)]], np.int64)
        return merged_ranges(needed_ranges(place, whole_windows(spans, self._shift)))

    def _read(self, data: bytes) -> None:
        if data[:2] == b"\x1f\x8b":
            data = gzip_ng.decompress(data)
        is_csi = data[:4] == b"CSI\1"
        if is_csi:
            self._shift, self._depth, n_aux = struct.unpack_from("<3i", data, 4)
            at = 16 + n_aux
        elif data[:4] == b"BAI\1":
            self._shift, self._depth, at = _BAI_SHIFT, _BAI_DEPTH, 4
        else:
            raise ValueError("neither BAI nor CSI")
        if not (0 < self._shift < 32 and 0 <= self._depth <= 15):
            raise ValueError("its header contradicts itself")
        self._longest = 1 << (self._shift + 3 * self._depth)
        (n_contigs,) = struct.unpack_from("<i", data, at)
        at += 4
        self._contigs = []
        for _ in range(n_contigs):
            contig, at = read_contig(data, at, self._shift, self._depth, is_csi)
            self._contigs.append(contig)
