"""Files in BGZF (SAMv1 section 4.1), which bgzip, tabix and any gzip read."""

from __future__ import annotations

import struct
from pathlib import Path
from types import TracebackType
from typing import Self

from zlib_ng import zlib_ng

from genomed.io.bgzf import EOF_BLOCK

__all__ = ["BgzfWriter"]

BLOCK_BYTES = 0xFF00  # of text, so that a block that does not shrink still fits
LEVEL = 1
_HEAD = struct.Struct("<4BI2BH2B2H")
_TAIL = struct.Struct("<2I")


class BgzfWriter:
    """Writes text as blocks; closing it writes the end-of-file block."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._rest = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._file.write(_block(bytes(self._rest)) if self._rest else b"")
            self._file.write(EOF_BLOCK)
        self._file.close()

    def write(self, text: bytes) -> None:
        """Append text."""
        self._rest += text
        n = len(self._rest) // BLOCK_BYTES * BLOCK_BYTES
        for at in range(0, n, BLOCK_BYTES):
            self._file.write(_block(bytes(self._rest[at : at + BLOCK_BYTES])))
        del self._rest[:n]


def _block(text: bytes) -> bytes:
    packer = zlib_ng.compressobj(LEVEL, zlib_ng.DEFLATED, -15)
    packed = packer.compress(text) + packer.flush()
    size = _HEAD.size + len(packed) + _TAIL.size
    head = _HEAD.pack(0x1F, 0x8B, 8, 4, 0, 0, 0xFF, 6, 0x42, 0x43, 2, size - 1)
    return head + packed + _TAIL.pack(zlib_ng.crc32(text), len(text))
