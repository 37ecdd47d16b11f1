"""One loop over BGZF blocks that libdeflate inflates; io.libdeflate finds the library."""

import numpy as np

from genomed.kernels.bam_records import u16, u32
from genomed.kernels.native import External, inner, kernel

__all__ = ["FUNCTIONS", "inflate_blocks"]

HEAD_BYTES = 12  # of a gzip member, before its extra field
TAIL_BYTES = 8  # behind its data: CRC-32 and length of the text
NOT_INFLATED = -1

make_decompressor = External("libdeflate_alloc_decompressor", "uintp()")
free_decompressor = External("libdeflate_free_decompressor", "void(uintp)")
decompress = External(
    "libdeflate_deflate_decompress", "int32(uintp, uintp, uintp, uintp, uintp, uintp)"
)
crc32 = External("libdeflate_crc32", "uint32(uint32, uintp, uintp)")
FUNCTIONS = tuple(f.name for f in (make_decompressor, free_decompressor, decompress, crc32))


@inner
def _inflate(data, text, decompressor):
    """As inflate_blocks."""
    source, target = np.uintp(data.ctypes.data), np.uintp(text.ctypes.data)
    at = n_text = 0
    while at < len(data):
        if at + HEAD_BYTES + 6 > len(data) or u32(data, at) != 0x04088B1F:
            return NOT_INFLATED  # not a gzip member whose only addition is an extra field
        if u16(data, at + 12) != 0x4342 or u16(data, at + 14) != 2:
            return NOT_INFLATED  # whose first part says how long the block is
        first = at + HEAD_BYTES + u16(data, at + 10)
        stop = at + u16(data, at + 16) + 1
        if first + TAIL_BYTES > stop or stop > len(data):
            return NOT_INFLATED
        size = u32(data, stop - 4)
        if size > len(text) - n_text:
            return NOT_INFLATED
        to = target + np.uintp(n_text)
        if decompress(
            decompressor, source + np.uintp(first), np.uintp(stop - TAIL_BYTES - first), to,
            np.uintp(size), np.uintp(0),
        ):  # fmt: skip
            return NOT_INFLATED
        if np.int64(crc32(np.uint32(0), to, np.uintp(size))) != u32(data, stop - TAIL_BYTES):
            return NOT_INFLATED
        n_text += size
        at = stop
    return n_text


@kernel
def inflate_blocks(data, text):
    """Inflate BGZF blocks (SAMv1 section 4.1), one after the other, and check their sums.

    data    : uint8, whole blocks; text : uint8, filled from its beginning
    returns : bytes of text; -1 for anything unusual or damaged, which zlib-ng then explains
    """
    decompressor = make_decompressor()
    if decompressor == 0:
        return NOT_INFLATED
    n_text = _inflate(data, text, decompressor)
    free_decompressor(decompressor)
    return n_text
