"""Tabix (.tbi) and CSI (.csi) indexes: where in a BGZF file the records of given places lie.

Layouts: the Tabix and CSIv1 specifications of hts-specs; see genomed.io.bin_index.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from zlib_ng import gzip_ng

from genomed.io.bgzf import ZLIB_ERROR
from genomed.io.bin_index import (
    compressed_bytes,
    merged_ranges,
    needed_ranges,
    read_contig,
    whole_windows,
)
from genomed.regions import canonical_contig

__all__ = ["VcfIndex", "compressed_bytes"]

# A record whose INFO/END says less than its REF is indexed under the shorter span; so places are
# looked up this far to the left as well.
LEFT_MARGIN_BP = 256
_TBI_SHIFT, _TBI_DEPTH = 14, 5
_VCF = 2  # the tabix preset
_BROKEN = (EOFError, OSError, ValueError, struct.error, ZLIB_ERROR)


class VcfIndex:
    """A .tbi or .csi file of a VCF.

    path  : where it was read from
    names : contigs, as the file spells them
    end   : virtual offset behind the last record, 0 when there is no record

    Raises ValueError when the file is not such an index, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            data = gzip_ng.decompress(path.read_bytes())
            self._read(data)
        except _BROKEN as error:
            raise ValueError(f"{path} is not an index of a VCF, or is damaged ({error})") from None
        self.end = max((int(c.stop.max()) for c in self._contigs if len(c.stop)), default=0)

    def ranges(self, places: Mapping[str, np.ndarray]) -> np.ndarray:
        """Where records may lie that overlap `places`; the text between holds whole lines only.

        places  : canonical contig -> int64 (n, 2), 0-based, end not included
        returns : int64 (ranges, 2) virtual offsets, in order; no two have a block in common
        """
        found = [np.zeros((0, 2), np.int64)]
        for name, contig in zip(self.names, self._contigs, strict=True):
            spans = places.get(canonical_contig(name))
            if spans is not None and len(spans) and len(contig.first):
                windows = whole_windows(spans, self._shift, LEFT_MARGIN_BP)
                found.append(needed_ranges(contig, windows))
        return merged_ranges(np.concatenate(found))

    def _read(self, data: bytes) -> None:
        is_csi = data[:4] == b"CSI\1"
        if is_csi:
            self._shift, self._depth, n_aux = struct.unpack_from("<3i", data, 4)
            at = 16 + n_aux
            (n_contigs,) = struct.unpack_from("<i", data, at)
            self.names = _names(data, 16)
        elif data[:4] == b"TBI\1":
            self._shift, self._depth = _TBI_SHIFT, _TBI_DEPTH
            (n_contigs,) = struct.unpack_from("<i", data, 4)
            self.names = _names(data, 8)
            at = 32 + struct.unpack_from("<i", data, 32)[0]
        else:
            raise ValueError("neither TBI nor CSI")
        if len(self.names) != n_contigs or not (0 < self._shift < 32 and 0 <= self._depth <= 15):
            raise ValueError("its header contradicts itself")
        at += 4
        self._contigs = []
        for _ in range(n_contigs):
            contig, at = read_contig(data, at, self._shift, self._depth, is_csi)
            self._contigs.append(contig)


def _names(data: bytes, at: int) -> list[str]:
    """Contig names from the seven numbers and the text that both kinds of index have."""
    preset, *_, n_bytes = struct.unpack_from("<7i", data, at)
    if preset & 0xFFFF != _VCF:
        raise ValueError("it is not one of a VCF")
    text = data[at + 28 : at + 28 + n_bytes]
    return [name.decode("utf-8", "backslashreplace") for name in text.split(b"\0")[:-1]]
