"""How many records an index of a VCF, BCF or BAM counts, contig by contig: nothing else is read.

htslib and samtools note it in a bin that no record can lie in (SAMv1 section 5.2, and the CSIv1
specification): of two chunks the second holds the numbers of mapped and of unmapped records. An
index by another program may lack it.
"""

from __future__ import annotations

import struct
from pathlib import Path

from zlib_ng import gzip_ng

from genomed.io.bgzf import ZLIB_ERROR
from genomed.io.bin_index import first_bin

__all__ = ["index_counts"]

_BROKEN = (EOFError, OSError, ValueError, IndexError, struct.error, ZLIB_ERROR)
_TBI_DEPTH = 5


def index_counts(path: Path) -> list[int] | None:
    """Records of each contig of a .tbi, .csi or .bai, in its order; None where it does not count.

    Raises ValueError when the file is no such index, or is damaged.
    """
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip_ng.decompress(data)
        return _counts(data)
    except _BROKEN as error:
        raise ValueError(f"{path} is not an index, or is damaged ({error})") from None


def _counts(data: bytes) -> list[int] | None:
    is_csi, depth = data[:4] == b"CSI\1", _TBI_DEPTH
    if is_csi:
        depth, n_aux = struct.unpack_from("<2i", data, 8)
        at = 16 + n_aux
    elif data[:4] == b"BAI\1":
        at = 4
    elif data[:4] == b"TBI\1":
        at = 36 + struct.unpack_from("<i", data, 32)[0]
    else:
        raise ValueError("neither TBI, CSI nor BAI")
    is_tbi = data[:4] == b"TBI\1"
    (n_contigs,) = struct.unpack_from("<i", data, 4 if is_tbi else at)
    at += 0 if is_tbi else 4
    counts, known = [], False
    for _ in range(n_contigs):
        n, found, at = _contig(data, at, first_bin(depth + 1) + 1, is_csi)
        counts.append(n)
        known = known or found
    return counts if known or not n_contigs else None


def _contig(data: bytes, at: int, pseudo_bin: int, is_csi: bool) -> tuple[int, bool, int]:
    """Records of one contig, whether they are told, and where the next contig begins."""
    (n_bins,) = struct.unpack_from("<i", data, at)
    at, count, found = at + 4, 0, False
    for _ in range(n_bins):
        (number,) = struct.unpack_from("<I", data, at)
        at += 12 if is_csi else 4
        (n_chunks,) = struct.unpack_from("<i", data, at)
        if number == pseudo_bin and n_chunks == 2:
            mapped, unmapped = struct.unpack_from("<2Q", data, at + 20)
            count, found = mapped + unmapped, True
        at += 4 + 16 * n_chunks
    if not is_csi:
        at += 4 + 8 * struct.unpack_from("<i", data, at)[0]
    return count, found, at
