"""Compressed or plain files as a stream of inflated chunks, as fast as zlib-ng inflates.

BGZF (SAMv1 section 4.1) is a chain of small gzip members that say their own length, so chunks of
whole members inflate independently, in any thread, straight into reused buffers and off the GIL.
Plain gzip is one long stream: it works, on one thread, and cannot be sought in.

This module needs nothing but the standard library and zlib-ng, so that inflating can start while
Python is still importing the rest; from then on libdeflate does it, where there is one.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

from zlib_ng import zlib_ng

from genomed.errors import InputError

__all__ = [
    "EOF_BLOCK",
    "RECORD_ROOM",
    "ZLIB_ERROR",
    "Chunk",
    "TextStream",
    "check_end",
    "stream_kind",
    "unfit_index",
]

# The empty member that ends every whole BGZF file (SAMv1 section 4.1.2).
EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

BLOCKS_PER_CHUNK = 64  # x 64 KiB: fewer cost more of Python's time, more lie outside the cache
CHUNK_BYTES = BLOCKS_PER_CHUNK * 65536
READ_BYTES = 1 << 20
MAX_BLOCK = 65536  # bytes of a BGZF block, as it lies in the file and inflated
PADDING = 64  # spare bytes behind every buffer
RECORD_ROOM = 1 << 16  # bytes to leave free before binary records, for one that was cut off
PREFETCH_BYTES = 96 << 20
_USUAL_HEAD = struct.Struct("<2s10x4sH")  # of a BGZF block whose first subfield is BC
_GzipReader: Any = zlib_ng._GzipReader  # zlib-ng's stub allows for fewer sources than it takes
ZLIB_ERROR: Any = zlib_ng.error
_DAMAGE = (EOFError, OSError, ValueError, ZLIB_ERROR)  # what inflating damaged bytes raises
_inflate_fast: Callable[[Any, Any], int] | None = None  # once it is loaded; see _load_libdeflate


class Chunk:
    """A piece of the inflated stream: `fill` inflates it into a buffer and says how long it is.

    room         : bytes that are free at the front of the buffer, before the text
    n_compressed : bytes of the file up to the end of this chunk, for progress bars
    blocks       : of a chunk that was sought, (place in the text, address in the file) of each one
    begins_range : whether what was sought begins with this chunk, that is with a line
    """

    __slots__ = (
        "_compressed",
        "_filled",
        "_lines",
        "_path",
        "_pool",
        "_span",
        "begins_range",
        "blocks",
        "n_compressed",
        "room",
    )

    def __init__(self, path: str, pool: _BufferPool, n_compressed: int) -> None:
        self._path = path
        self._pool = pool
        self.room = pool.room
        self._compressed: bytes | None = None
        self._filled: tuple[bytearray, int] | None = None
        self._span: tuple[int, int] | None = None  # of the text, what was asked for
        self._lines = True
        self.n_compressed = n_compressed
        self.blocks: list[tuple[int, int]] = []
        self.begins_range = False

    def fill(self) -> tuple[bytearray, int]:
        """Return (buffer, bytes of text); give the buffer back with `release` when done."""
        if self._filled is not None:
            return self._filled
        return self._inflate()

    def _inflate(self) -> tuple[bytearray, int]:
        buffer = self._pool.take()
        text = memoryview(buffer)[self.room : self.room + CHUNK_BYTES]
        n = -1 if _inflate_fast is None else _inflate_fast(self._compressed, text)
        try:
            if n < 0:
                n = _read_fully(_GzipReader(self._compressed), text, len(text))
        except _DAMAGE as error:
            raise _damaged(self._path, self.n_compressed, error) from None
        self._compressed = None
        return buffer, n if self._span is None else self._cut(text, n, *self._span)

    def _cut(self, text: memoryview, n: int, first: int, stop: int) -> int:
        """Move text[first:stop] to the front; the bytes it has."""
        if stop > n or (self._lines and first and text[first - 1] != 10):
            raise unfit_index(self._path)
        if first:
            text[: stop - first] = bytes(text[first:stop])
        return stop - first

    def release(self, buffer: bytearray) -> None:
        """Hand a buffer back for reuse; nothing may look at it afterwards."""
        self._filled = None
        self._pool.put(buffer)


class _BufferPool:
    """Reused bytearrays of `room`, CHUNK_BYTES and padding: fresh ones cost page faults."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._free: list[bytearray] = []

    def take(self) -> bytearray:
        try:
            return self._free.pop()
        except IndexError:
            return bytearray(self.room + CHUNK_BYTES + PADDING)

    def put(self, buffer: bytearray) -> None:
        self._free.append(buffer)


class TextStream:
    """The inflated bytes of a file (or of standard input, ``-``) as Chunks, in order.

    room      : bytes left free in every buffer before the text
    kind      : "bgzf", "gzip" or "plain"
    size      : bytes of the file as it lies on disk, None for a pipe
    sha256    : digest of the bytes as they lie on disk; complete once all chunks were taken
    """

    def __init__(self, path: Path | str, *, stream: IO[bytes] | None = None, room: int = 0) -> None:
        self.path = str(path)
        self._raw = stream if stream is not None else _open(self.path)
        self.size = _size(self._raw)
        self._digest = hashlib.sha256()
        self._pool = _BufferPool(room)
        self._n_read = 0
        self._pending: bytes = self._read(READ_BYTES)
        self._start = self._pending[:65536]
        self.kind = stream_kind(self._pending)
        self._chunks = self._make_chunks()
        self._ahead: deque[Chunk] = deque()
        self._ahead_error: BaseException | None = None
        self._prefetcher: threading.Thread | None = None
        self._stop = threading.Event()

    def starts_with_bcf(self) -> bool:
        """Does the inflated stream begin with BCF's magic?"""
        return self.peek(3) == b"BCF"

    def peek(self, n_bytes: int) -> bytes:
        """The first bytes of the inflated stream, fewer where it is shorter or damaged."""
        if self.kind == "plain":
            return self._start[:n_bytes]
        start = bytearray(n_bytes)
        n = 0
        try:
            reader = _GzipReader(self._start)
            while n < n_bytes and (more := reader.readinto(memoryview(start)[n:])):
                n += more
        except _DAMAGE:
            pass
        return bytes(start[:n])

    @property
    def sha256(self) -> str:
        """Hex digest of what was read so far."""
        return self._digest.hexdigest()

    def chunks(self) -> Iterator[Chunk]:
        """Yield every chunk once, in order; ends any prefetching first."""
        if self.kind == "bgzf":
            _load_libdeflate()
        self._stop.set()
        if self._prefetcher is not None:
            self._prefetcher.join()
            self._prefetcher = None
        while self._ahead:
            yield self._ahead.popleft()
        if self._ahead_error is not None:
            raise self._ahead_error
        yield from self._chunks

    def range_chunks(
        self, ranges: Sequence[tuple[int, int]], *, lines: bool = True
    ) -> Iterator[Chunk]:
        """Yield the text between pairs of virtual offsets of a BGZF file, range by range.

        ranges : in order and without a block in common; each begins and ends between records
        lines  : whether records are lines of text, which is then checked
        """
        _load_libdeflate()
        self._stop.set()
        if self._prefetcher is not None:
            self._prefetcher.join()
            self._prefetcher = None
        self._ahead.clear()
        for first, stop in ranges:
            blocks = self._blocks(first >> 16, (stop >> 16) + (1 if stop & 0xFFFF else 0))
            begins = True
            while group := list(itertools.islice(blocks, BLOCKS_PER_CHUNK)):
                chunk = self._range_chunk(group, first, stop, begins)
                chunk._lines = lines
                yield chunk
                begins = False

    def ends_at(self, offset: int) -> bool:
        """Whether there is no text behind this virtual offset of a BGZF file."""
        assert self.size is not None
        address, place = offset >> 16, offset & 0xFFFF
        if address > self.size or (address == self.size and place):
            return False
        here = self._raw.tell()
        try:
            for _, block in self._blocks(address, self.size):
                if _text_bytes(block) != place:
                    return False
                place = 0
        except InputError:
            return False
        finally:
            self._raw.seek(here)
        return not place

    def check_end(self) -> None:
        """Raise InputError when a BGZF file does not end with the end-of-file block."""
        check_end(self._raw, self.path)

    def prefetch(self) -> None:
        """Begin to inflate in the background, up to PREFETCH_BYTES, until `chunks` is called."""
        self._prefetcher = threading.Thread(target=self._run_ahead, daemon=True)
        self._prefetcher.start()

    def close(self) -> None:
        """Close the file; chunks already yielded stay usable."""
        self._stop.set()
        if self._prefetcher is not None:
            self._prefetcher.join()
        if self._raw is not sys.stdin.buffer:
            self._raw.close()

    def _run_ahead(self) -> None:
        n = 0
        try:
            for chunk in self._chunks:
                self._ahead.append(chunk)
                if chunk._filled is None:
                    chunk._filled = chunk._inflate()
                n += CHUNK_BYTES
                if n >= PREFETCH_BYTES or self._stop.is_set():
                    break
        except InputError as error:  # told to the caller when it gets there
            self._ahead_error = error

    def _read(self, n: int) -> bytes:
        try:
            data = self._raw.read(n)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror or error})") from None
        self._digest.update(data)
        self._n_read += len(data)
        return data

    def _make_chunks(self) -> Iterator[Chunk]:
        if self.kind == "bgzf":
            return self._bgzf_chunks()
        source = _Rest(self)
        return self._sequential_chunks(_GzipReader(source) if self.kind == "gzip" else source)

    def _sequential_chunks(self, source: object) -> Iterator[Chunk]:
        while True:
            buffer = self._pool.take()
            try:
                n = _read_fully(source, memoryview(buffer)[self._pool.room :], CHUNK_BYTES)
            except _DAMAGE as error:
                raise _damaged(self.path, self._n_read, error) from None
            if n == 0:
                self._pool.put(buffer)
                return
            chunk = Chunk(self.path, self._pool, self._n_read)
            chunk._filled = (buffer, n)
            yield chunk

    def _bgzf_chunks(self) -> Iterator[Chunk]:
        """Cut the file at member borders, BLOCKS_PER_CHUNK members at a time."""
        data, done, ended = self._pending, 0, False  # `done` bytes of the file lie before `data`
        self._pending = b""
        at = first = n_blocks = 0
        while True:
            length = _block_length(data, at, self.path, done)
            if length is None:  # the block reaches beyond `data`
                rest = data[first:]
                more = self._read(READ_BYTES)
                if not more:
                    break
                at -= first
                done += first
                data, first = rest + more, 0
                continue
            ended = length == len(EOF_BLOCK) and data[at : at + length] == EOF_BLOCK
            at += length
            n_blocks += 1
            if n_blocks == BLOCKS_PER_CHUNK:
                yield self._bgzf_chunk(data[first:at], done + at)
                first, n_blocks = at, 0
        if at < len(data):
            raise InputError(
                f"{self.path}: truncated at byte {done + at} in the middle of a BGZF block; "
                "copy or make the file again"
            )
        if not ended:
            raise _no_end(self.path)
        if n_blocks:
            yield self._bgzf_chunk(data[first:at], done + at)

    def _bgzf_chunk(self, compressed: bytes, n_compressed: int) -> Chunk:
        chunk = Chunk(self.path, self._pool, n_compressed)
        chunk._compressed = compressed
        return chunk

    def text_behind(self, offset: int) -> bytes:
        """Text from a virtual offset of a BGZF file to the end of a block or so; b"" at its end.

        Raises InputError where no block begins there, or it holds less than that.
        """
        assert self.size is not None
        address = offset >> 16
        if address > self.size:
            raise unfit_index(self.path)
        blocks = self._blocks(address, min(self.size, address + MAX_BLOCK))
        group = list(itertools.islice(blocks, 2))
        if not group:
            return b""
        chunk = self._range_chunk(group, offset, self.size << 16, True)
        chunk._lines = False
        buffer, n = chunk.fill()
        text = bytes(memoryview(buffer)[chunk.room : chunk.room + n])
        chunk.release(buffer)
        return text

    def _blocks(self, address: int, end: int) -> Iterator[tuple[int, bytes]]:
        """(address, bytes) of every block that begins at or after `address` and before `end`."""
        data, at = b"", 0  # data[at:] begins at `address`
        self._raw.seek(address)
        while address < end:
            length = _block_length(data, at, self.path, address - at)
            if length is None:
                more = self._raw.read(min(READ_BYTES, end - address + MAX_BLOCK))
                if not more:
                    raise unfit_index(self.path)
                data, at = data[at:] + more, 0
                continue
            yield address, data[at : at + length]
            at += length
            address += length

    def _range_chunk(
        self, group: list[tuple[int, bytes]], first: int, stop: int, begins: bool
    ) -> Chunk:
        last_address, last = group[-1]
        chunk = self._bgzf_chunk(b"".join(b for _, b in group), last_address + len(last))
        skipped = first & 0xFFFF if begins else 0
        place = -skipped
        for address, block in group:
            chunk.blocks.append((place, address))
            place += _text_bytes(block)
        if last_address == stop >> 16:
            place = chunk.blocks[-1][0] + (stop & 0xFFFF)
        if place < 0:
            raise unfit_index(self.path)
        chunk._span = skipped, skipped + place
        chunk.begins_range = begins
        return chunk


class _Rest(io.RawIOBase):
    """The bytes of a stream as they lie on disk, as a file: what was peeked at, then the rest."""

    def __init__(self, stream: TextStream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        view, stream = memoryview(target), self._stream
        if stream._pending:
            data = stream._pending[: len(view)]
            stream._pending = stream._pending[len(data) :]
        else:
            data = stream._read(min(len(view), READ_BYTES))
        view[: len(data)] = data
        return len(data)


@cache
def _load_libdeflate() -> None:
    """Have chunks inflated by libdeflate from now on, where it is found."""
    from genomed.io.libdeflate import find_libdeflate, inflate  # noqa: PLC0415 - see the module

    if find_libdeflate() is not None:
        global _inflate_fast
        _inflate_fast = inflate


def _open(path: str) -> IO[bytes]:
    if path == "-":
        return sys.stdin.buffer
    try:
        return open(path, "rb", buffering=0)  # noqa: PTH123 - closed by TextStream.close
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a directory; name a file in it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from None


def _size(raw: IO[bytes]) -> int | None:
    try:
        status = os.fstat(raw.fileno())
    except (OSError, ValueError):
        return None
    return status.st_size if (status.st_mode & 0o170000) == 0o100000 else None


def stream_kind(start: bytes) -> str:
    """What the first bytes of a file, 18 or more, tell: bgzf, gzip or plain."""
    if start[:2] != b"\x1f\x8b":
        return "plain"
    if len(start) >= 18 and start[3] & 4 and _subfield(start, 0) is not None:
        return "bgzf"
    return "gzip"


def _subfield(data: bytes, at: int) -> int | None:
    """BSIZE of the gzip member at `at`, or None when it carries no BC subfield."""
    extra_stop = at + 12 + struct.unpack_from("<H", data, at + 10)[0]
    field = at + 12
    while field + 6 <= min(extra_stop, len(data)):
        size = struct.unpack_from("<H", data, field + 2)[0]
        if data[field : field + 2] == b"BC" and size == 2:
            return struct.unpack_from("<H", data, field + 4)[0]
        field += 4 + size
    return None


def _block_length(data: bytes, at: int, path: str, done: int) -> int | None:
    """Bytes of the BGZF block at data[at:]; None when the block is not whole in `data`."""
    if at + 18 > len(data):
        return None
    magic, subfield, size = _USUAL_HEAD.unpack_from(data, at)
    if magic != b"\x1f\x8b":
        size = None
    elif subfield != b"BC\x02\x00":
        size = _subfield(data, at)
    if size is None:
        raise InputError(
            f"{path}: no BGZF block at byte {done + at}: the file is damaged or was joined with "
            "something else; copy or make it again"
        )
    return size + 1 if at + size + 1 <= len(data) else None


def _text_bytes(block: bytes) -> int:
    """Length of a block's text, as its last four bytes say."""
    return int(struct.unpack_from("<I", block, len(block) - 4)[0])


def _read_fully(source: object, buffer: bytearray | memoryview, n: int) -> int:
    """Fill buffer[:n] from an object with readinto; bytes read, fewer than n only at the end."""
    view = memoryview(buffer)
    done = 0
    while done < n:
        got = source.readinto(view[done:n])  # type: ignore[attr-defined]
        if not got:
            break
        done += got
    view.release()
    return done


def check_end(file: IO[bytes], path: str) -> None:
    """Raise InputError when an open BGZF file does not end with the end-of-file block."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - len(EOF_BLOCK)))
    if file.read(len(EOF_BLOCK)) != EOF_BLOCK:
        raise _no_end(path)


def unfit_index(path: str) -> InputError:
    """What is raised when an index leads to a place where no line or record begins or ends."""
    of, tool = "lines", "bcftools index -f"
    if path.endswith(".bam"):
        of, tool = "records", "samtools index"
    return InputError(
        f"{path}: its index leads to places that are not between {of}, so it was made for another "
        f"file; make it again with `{tool}`"
    )


def _no_end(path: str) -> InputError:
    return InputError(
        f"{path}: no BGZF end-of-file block: the file is probably truncated; copy it "
        "again, or if you know it is whole, rewrite it with `bgzip -d | bgzip`"
    )


def _damaged(path: str, at: int, error: Exception) -> InputError:
    what = "truncated" if isinstance(error, EOFError) else "damaged"
    return InputError(
        f"{path}: {what} before byte {at} of the compressed file ({error}); copy or make it again"
    )
