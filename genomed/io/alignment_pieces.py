"""The beginnings of BAM, CRAM and SAM, and the bytes of BAM that follow, piece by piece."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from weakref import finalize

import numpy as np

from genomed.errors import InputError
from genomed.io.alignment_header import AlignmentHeader, parse_header
from genomed.io.bgzf import PADDING, RECORD_ROOM, Chunk, TextStream
from genomed.io.htslib_records import text_of_header
from genomed.io.sam_text import check_sam

__all__ = ["Piece", "file_kind", "fill", "read_header", "without_header"]

_MAX_HEADER = 1 << 30
_PEEK_BYTES = 1 << 16
# The container that ends a CRAM of version 3 and 2.1 (CRAMv3 section 9, CRAMv2.1 section 7.5).
_CRAM_ENDS = (
    bytes.fromhex("0f000000ffffffff0fe0454f4600000000010005bdd94f0001000606010001000100ee63014b"),
    bytes.fromhex("0b000000ffffffff0fe0454f460000000001000001000606010001000100"),
)
_EOF_BYTES = 38


class Piece(NamedTuple):
    """Inflated bytes data[first:stop]; before them is room to write."""

    data: np.ndarray
    first: int
    stop: int

    def after(self, rest: np.ndarray) -> Piece:
        """These bytes with others before them."""
        if len(rest) <= self.first:
            self.data[self.first - len(rest) : self.first] = rest
            return self._replace(first=self.first - len(rest))
        data = np.empty(RECORD_ROOM + len(rest) + self.stop - self.first + PADDING, np.uint8)
        data[RECORD_ROOM : RECORD_ROOM + len(rest)] = rest
        stop = RECORD_ROOM + len(rest) + self.stop - self.first
        data[RECORD_ROOM + len(rest) : stop] = self.data[self.first : self.stop]
        return Piece(data, RECORD_ROOM, stop)


def file_kind(path: str) -> str:
    """What a file is, by how it begins: bam, cram or sam."""
    with closing(TextStream(path)) as stream:
        start = stream.peek(_PEEK_BYTES)
    if not start:
        raise InputError(f"{path}: is empty; copy or make it again")
    if start[:4] == b"BAM\1":
        return "bam"
    if start[:4] == b"CRAM":
        return "cram"
    line = start.partition(b"\n")[0]
    if start[:1] == b"@" or line.count(b"\t") >= 10:
        return "sam"
    raise InputError(f"{path}: is not BAM, CRAM or SAM; give alignments of reads")


def _cram_header(path: str) -> AlignmentHeader:
    with Path(path).open("rb") as file:
        file.seek(max(0, Path(path).stat().st_size - _EOF_BYTES))
        if not file.read().endswith(_CRAM_ENDS):
            raise InputError(
                f"{path}: has no end-of-file container, so it is truncated; copy or make it again"
            )
    text, contigs = text_of_header(path)
    return parse_header(text, path, contigs)


def read_header(path: str, kind: str) -> AlignmentHeader:
    """Header of a BAM, CRAM or SAM; a SAM is checked line by line as well."""
    if kind == "cram":
        return _cram_header(path)
    if kind == "sam":
        header = parse_header(check_sam(path), path)
        check_sam(path, header.contigs)
        return header
    text, contigs = _bam_header(path)
    header = parse_header(text, path, contigs)
    named = [one.get("SN") for one in header.records["SQ"]]
    if named and named != header.contigs:
        raise InputError(
            f"{path}: the text of its header and its list of contigs differ; write it again with "
            "`samtools reheader`"
        )
    return header


def _bam_header(path: str) -> tuple[str, list[tuple[str, int]]]:
    """Text and contigs of a BAM's header (SAMv1 section 4.2)."""
    with closing(TextStream(path)) as stream:
        data = stream.peek(_PEEK_BYTES)
        if _header_bytes(data, path) is None:
            data = b""
            for chunk in stream.chunks():
                buffer, n = chunk.fill()
                data += bytes(memoryview(buffer)[:n])
                chunk.release(buffer)
                if _header_bytes(data, path) is not None:
                    break
    if _header_bytes(data, path) is None:
        raise InputError(f"{path}: ends within its header; copy or make it again")
    (n_text,) = struct.unpack_from("<i", data, 4)
    at = 8 + n_text
    (n_contigs,) = struct.unpack_from("<i", data, at)
    at += 4
    contigs = []
    for _ in range(n_contigs):
        (n_name,) = struct.unpack_from("<i", data, at)
        name = data[at + 4 : at + 3 + n_name].decode("utf-8", "backslashreplace")
        contigs.append((name, struct.unpack_from("<i", data, at + 4 + n_name)[0]))
        at += 8 + n_name
    text = data[8 : 8 + n_text].decode("utf-8", "backslashreplace")
    return text.rstrip("\0"), contigs


def fill(chunk: Chunk) -> Piece:
    """Inflate a chunk; its buffer is used again when nobody looks at the array any more."""
    buffer, n = chunk.fill()
    data = np.frombuffer(buffer, np.uint8)
    finalize(data, chunk.release, buffer).atexit = False
    return Piece(data, chunk.room, chunk.room + n)


def without_header(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Skip magic, text and contigs."""
    head = np.zeros(0, np.uint8)
    for piece in pieces:
        whole = piece.after(head)
        head = whole.data[whole.first : whole.stop].copy()
        at = _header_bytes(head.data, "")
        if at is not None:
            yield whole._replace(first=whole.first + at)
            break
    yield from pieces


def _header_bytes(data: bytes | memoryview, path: str) -> int | None:
    """Length of the header, None while it is not whole; raises InputError where it is none."""
    if len(data) < 12:
        return None
    (n_text,) = struct.unpack_from("<i", data, 4)
    at = 8 + n_text
    if not 0 <= n_text <= _MAX_HEADER:
        raise InputError(f"{path}: its header says that it has {n_text} bytes; the file is damaged")
    if at + 4 > len(data):
        return None
    (n_contigs,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(n_contigs):
        if at + 4 > len(data):
            return None
        (n_name,) = struct.unpack_from("<i", data, at)
        if not 0 < n_name <= _MAX_HEADER:
            raise InputError(f"{path}: the list of contigs in its header is damaged")
        at += 8 + n_name
    return at if n_contigs >= 0 and at <= len(data) else None
