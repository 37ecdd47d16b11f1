"""Compressed or plain files as a stream of inflated chunks, as fast as zlib-ng inflates.

BGZF (SAMv1 section 4.1) is a chain of small gzip members that say their own length, so chunks of
whole members inflate independently, in any thread, straight into reused buffers and off the GIL.
Plain gzip is one long stream: it works, on one thread, and cannot be sought in.

This module needs nothing but the standard library and zlib-ng, so that inflating can start while
Python is still importing the rest.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from zlib_ng import zlib_ng

from genomed.errors import InputError

__all__ = ["EOF_BLOCK", "Chunk", "TextStream"]

# The empty member that ends every whole BGZF file (SAMv1 section 4.1.2).
EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

BLOCKS_PER_CHUNK = 24  # x 64 KiB: a chunk's text still lies in the cache when it is parsed
CHUNK_BYTES = BLOCKS_PER_CHUNK * 65536
READ_BYTES = 1 << 20
PADDING = 64  # spare bytes behind every buffer
PREFETCH_BYTES = 96 << 20
_DAMAGE = (EOFError, OSError, ValueError, zlib_ng.error)  # what inflating damaged bytes raises


class Chunk:
    """A piece of the inflated stream: `fill` inflates it into a buffer and says how long it is.

    n_compressed : bytes of the file up to the end of this chunk, for progress bars
    """

    __slots__ = ("_compressed", "_filled", "_path", "_pool", "n_compressed")

    def __init__(self, path: str, pool: _BufferPool, n_compressed: int) -> None:
        self._path = path
        self._pool = pool
        self._compressed: bytes | None = None
        self._filled: tuple[bytearray, int] | None = None
        self.n_compressed = n_compressed

    def fill(self) -> tuple[bytearray, int]:
        """Return (buffer, valid bytes); give the buffer back with `release` when done."""
        if self._filled is not None:
            return self._filled
        return self._inflate()

    def _inflate(self) -> tuple[bytearray, int]:
        buffer = self._pool.take()
        try:
            n = _read_fully(zlib_ng._GzipReader(self._compressed), buffer, len(buffer) - PADDING)
        except _DAMAGE as error:
            raise _damaged(self._path, self.n_compressed, error) from None
        self._compressed = None
        return buffer, n

    def release(self, buffer: bytearray) -> None:
        """Hand a buffer back for reuse; nothing may look at it afterwards."""
        self._filled = None
        self._pool.put(buffer)


class _BufferPool:
    """Reused bytearrays of CHUNK_BYTES plus padding: fresh ones cost page faults."""

    def __init__(self) -> None:
        self._free: list[bytearray] = []
        self._lock = threading.Lock()

    def take(self) -> bytearray:
        with self._lock:
            if self._free:
                return self._free.pop()
        return bytearray(CHUNK_BYTES + PADDING)

    def put(self, buffer: bytearray) -> None:
        with self._lock:
            self._free.append(buffer)


class TextStream:
    """The inflated bytes of a file (or of standard input, ``-``) as Chunks, in order.

    kind      : "bgzf", "gzip" or "plain"
    size      : bytes of the file as it lies on disk, None for a pipe
    sha256    : digest of the bytes as they lie on disk; complete once all chunks were taken
    """

    def __init__(self, path: Path | str, *, stream: IO[bytes] | None = None) -> None:
        self.path = str(path)
        self._raw = stream if stream is not None else _open(self.path)
        self.size = _size(self._raw)
        self._digest = hashlib.sha256()
        self._pool = _BufferPool()
        self._n_read = 0
        self._pending: bytes = self._read(READ_BYTES)
        self._start = self._pending[:65536]
        self.kind = _kind(self._pending)
        self._chunks = self._make_chunks()
        self._ahead: deque[Chunk] = deque()
        self._ahead_error: BaseException | None = None
        self._prefetcher: threading.Thread | None = None
        self._stop = threading.Event()

    def starts_with_bcf(self) -> bool:
        """Does the inflated stream begin with BCF's magic?"""
        if self.kind == "plain":
            return self._start[:3] == b"BCF"
        magic = bytearray(3)
        try:
            n = zlib_ng._GzipReader(self._start).readinto(magic)
        except _DAMAGE:
            return False
        return n == 3 and magic == b"BCF"

    @property
    def sha256(self) -> str:
        """Hex digest of what was read so far."""
        return self._digest.hexdigest()

    def chunks(self) -> Iterator[Chunk]:
        """Yield every chunk once, in order; ends any prefetching first."""
        self._stop.set()
        if self._prefetcher is not None:
            self._prefetcher.join()
            self._prefetcher = None
        while self._ahead:
            yield self._ahead.popleft()
        if self._ahead_error is not None:
            raise self._ahead_error
        yield from self._chunks

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
        return self._sequential_chunks(
            zlib_ng._GzipReader(source) if self.kind == "gzip" else source
        )

    def _sequential_chunks(self, source: object) -> Iterator[Chunk]:
        while True:
            buffer = self._pool.take()
            try:
                n = _read_fully(source, buffer, len(buffer) - PADDING)
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
            raise InputError(
                f"{self.path}: no BGZF end-of-file block: the file is probably truncated; copy it "
                "again, or if you know it is whole, rewrite it with `bgzip -d | bgzip`"
            )
        if n_blocks:
            yield self._bgzf_chunk(data[first:at], done + at)

    def _bgzf_chunk(self, compressed: bytes, n_compressed: int) -> Chunk:
        chunk = Chunk(self.path, self._pool, n_compressed)
        chunk._compressed = compressed
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


def _kind(start: bytes) -> str:
    if start[:2] != b"\x1f\x8b":
        return "plain"
    if len(start) >= 18 and start[3] & 4 and _subfield(start, 0) is not None:
        return "bgzf"
    return "gzip"


def _subfield(data: bytes, at: int) -> int | None:
    """BSIZE of the gzip member at `at`, or None when it carries no BC subfield."""
    if data[at + 12 : at + 16] == b"BC\x02\x00":
        return struct.unpack_from("<H", data, at + 16)[0]
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
    size = _subfield(data, at) if data[at : at + 2] == b"\x1f\x8b" else None
    if size is None:
        raise InputError(
            f"{path}: no BGZF block at byte {done + at}: the file is damaged or was joined with "
            "something else; copy or make it again"
        )
    return size + 1 if at + size + 1 <= len(data) else None


def _read_fully(source: object, buffer: bytearray, n: int) -> int:
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


def _damaged(path: str, at: int, error: Exception) -> InputError:
    what = "truncated" if isinstance(error, EOFError) else "damaged"
    return InputError(
        f"{path}: {what} before byte {at} of the compressed file ({error}); copy or make it again"
    )
