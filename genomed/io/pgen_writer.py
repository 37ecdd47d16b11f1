"""Writes .pgen files: packed calls, phase and dosages, without knowing how many variants will come.

Records go to a file beside the final one as they are made, with their types and lengths in another;
when all are there, the header is written under the final name and the records copied behind it.
What these two files hold at any time can be taken up again by a later run, or appended to another
store, because no record refers to another one.

Layout: PGEN file format specification, draft (Chang, 2023), as far as plink2 and regenie read it:
storage mode 0x10, biallelic, no allele counts in the header.
"""

from __future__ import annotations

import errno
import os
import struct
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from genomed.errors import InputError, OutputError
from genomed.io.pgen_rows import ENTRY, Encoded, RowEncoder, Rows

__all__ = ["PgenProgress", "PgenWriter"]

BLOCK = 65536  # the header gives the place of every so many records
GROUP_BYTES = 1 << 20  # calls that one thread encodes at a time
COPY_BYTES = 1 << 24
REF_KNOWN, REF_PROVISIONAL = 0x40, 0x80

# What a file system answers that cannot copy by itself.
_CANNOT = (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)


class PgenProgress(NamedTuple):
    """How far a store is: what `PgenWriter(resume=...)` takes up again."""

    n_variants: int
    body_bytes: int


class PgenWriter:
    """Writes `path`; it appears whole, at close(), or not at all.

    n_samples  : samples of every row
    nonref     : True when it is not known which allele is the reference
    threads    : threads that encode; the bytes do not depend on them, nor on the size of batches
    call_within : a call is within this of its dosage, else it is missing
    resume     : take up what an earlier writer of the same path had reached

    Arrays that were given must not change until flush() or close(): rows are encoded in threads.
    Every method raises OutputError when nothing can be written, and then nothing is left.
    """

    def __init__(
        self,
        path: Path | str,
        n_samples: int,
        *,
        nonref: bool = False,
        threads: int = 1,
        call_within: float = 0.1,
        resume: PgenProgress | None = None,
    ) -> None:
        if not 0 < n_samples < 2**31 - 1:
            raise ValueError(f"a store of {n_samples} samples cannot be made")
        self.path = Path(path)
        self.n_samples = n_samples
        self.n_variants = 0
        self._nonref = nonref
        self._threads = max(1, threads)
        self._group = max(1, min(4096, GROUP_BYTES // n_samples))
        self._encoder = RowEncoder(n_samples, self._group, call_within)
        self._ahead: deque[Future[Encoded]] = deque()
        self._pool: ThreadPoolExecutor | None = None
        self._body: FileIO | None = None
        self._index: FileIO | None = None
        self._body_bytes = 0
        with self._explained():
            self._open(resume)

    def write_counts(
        self,
        alt_count: np.ndarray,
        *,
        ploidy: np.ndarray | None = None,
        phase: np.ndarray | None = None,
        dosage: np.ndarray | None = None,
    ) -> None:
        """Append rows. A haploid call of ALT is stored as two copies, as plink2 does.

        alt_count : int8 (variants, samples), ARRAYS["alt_count"]
        ploidy    : int8 (variants, samples), ARRAYS["call_ploidy"]
        phase     : int8 (variants, samples), ARRAYS["call_phase"]
        dosage    : float32 (variants, samples), ARRAYS["call_dosage"]; where it is known, the call
                    is made again from it: the nearest whole number within call_within, else missing
        """
        self._check(alt_count, np.int8)
        for array, kind in ((ploidy, np.int8), (phase, np.int8), (dosage, np.float32)):
            if array is not None:
                self._check(array, kind, len(alt_count))
        for first in range(0, len(alt_count), self._group):
            part = slice(first, first + self._group)
            self._submit(
                Rows(alt_count[part], _part(ploidy, part), _part(phase, part), _part(dosage, part))
            )

    def write_packed(self, words: np.ndarray) -> None:
        """Append rows of packed calls: uint64 (variants, words), ARRAYS["words"]."""
        if words.dtype != np.uint64 or words.ndim != 2 or words.shape[1] != self._n_words:
            raise ValueError(f"rows of {self._n_words} uint64 words are expected")
        for first in range(0, len(words), self._group):
            self._submit(words[first : first + self._group])

    def append_piece(self, path: Path | str) -> None:
        """Append the rows of another writer that was left with leave(); its files stay."""
        self._drain(0)
        body, index = _body_path(Path(path)), _index_path(Path(path))
        try:
            size = body.stat().st_size
            entries = np.fromfile(index, ENTRY)
        except OSError as error:
            raise InputError(
                f"{body}: the piece cannot be read ({error.strerror}); make it again"
            ) from None
        if int(entries["length"].sum(dtype=np.int64)) != size:
            raise InputError(f"{body}: the piece is not whole; make it again")
        assert self._body is not None
        assert self._index is not None
        with self._explained():
            with FileIO(body) as source:
                _copy(source, self._body, size)
            _write_all(self._index, entries.tobytes())
        self._body_bytes += size
        self.n_variants += len(entries)

    def flush(self) -> PgenProgress:
        """Put all rows given so far to disk and say how far the store is."""
        self._drain(0)
        assert self._body is not None
        assert self._index is not None
        with self._explained():
            os.fsync(self._body.fileno())
            os.fsync(self._index.fileno())
        return PgenProgress(self.n_variants, self._body_bytes)

    def leave(self) -> PgenProgress:
        """Stop here, and leave the rows for a later writer to resume or to append."""
        progress = self.flush()
        self._shut()
        return progress

    def close(self) -> int:
        """Make the final file whole; returns the number of variants."""
        self._drain(0)
        assert self._body is not None
        assert self._index is not None
        with self._explained():
            with FileIO(self.path, "w") as target:
                for part in self._header():
                    _write_all(target, part)
                self._body.seek(0)
                _copy(self._body, target, self._body_bytes)
            self._shut()
            self._remove()
        return self.n_variants

    def abort(self) -> None:
        """Leave nothing, neither the file nor what would have become it."""
        self._shut()
        self._remove()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.abort()
        elif self._body is not None:
            self.close()

    @property
    def _n_words(self) -> int:
        return (self.n_samples + 31) // 32

    def _check(self, array: np.ndarray, kind: type, n_rows: int | None = None) -> None:
        shape = (len(array) if n_rows is None else n_rows, self.n_samples)
        if array.dtype != kind or array.shape != shape:
            raise ValueError(f"expected {np.dtype(kind)} {shape}, not {array.dtype} {array.shape}")

    def _open(self, resume: PgenProgress | None) -> None:
        body, index = _body_path(self.path), _index_path(self.path)
        if resume is None:
            self._body, self._index = FileIO(body, "w+"), FileIO(index, "w+")
            return
        index_bytes = resume.n_variants * ENTRY.itemsize
        self._body, self._index = FileIO(body, "r+"), FileIO(index, "r+")
        for file, size in ((self._body, resume.body_bytes), (self._index, index_bytes)):
            if file.seek(0, os.SEEK_END) < size:
                self._shut()
                raise InputError(
                    f"{file.name!s}: shorter than an earlier run left it; start without resuming"
                )
            file.truncate(size)
            file.seek(size)
        self.n_variants, self._body_bytes = resume

    def _submit(self, rows: Rows | np.ndarray) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="genomed-encode")
        self._ahead.append(self._pool.submit(self._encoder.encode, rows))
        self._drain(2 * self._threads)

    def _drain(self, leave: int) -> None:
        """Write what the threads have encoded, until no more than `leave` groups are under way."""
        if self._body is None or self._index is None:
            raise ValueError("the writer is closed")
        with self._explained():
            while len(self._ahead) > leave:
                encoded = self._ahead.popleft().result()
                _write_all(self._body, encoded.body)
                _write_all(self._index, encoded.entries)
                self.n_variants += len(encoded.entries) // ENTRY.itemsize
                self._body_bytes += len(encoded.body)

    def _header(self) -> Iterator[bytes]:
        """The header, in parts; reads the file of types and lengths twice."""
        assert self._index is not None
        longest, highest = 0, 0
        sizes = []
        for entries in _blocks(self._index):
            longest = max(longest, int(entries["length"].max()))
            highest = max(highest, int(entries["type"].max()))
            sizes.append(int(entries["length"].sum(dtype=np.int64)))
        width = max(1, (longest.bit_length() + 7) // 8)
        wide = highest > 15
        control = (4 if wide else 0) + width - 1
        control |= REF_PROVISIONAL if self._nonref else REF_KNOWN
        yield b"\x6c\x1b\x10" + struct.pack("<IIB", self.n_variants, self.n_samples, control)
        at = 12 + 8 * len(sizes) + self.n_variants * width
        if wide:
            at += self.n_variants
        else:  # a block's types end with a whole byte
            at += (self.n_variants + 1) // 2
        yield (at + np.cumsum([0, *sizes])[:-1]).astype("<u8").tobytes()
        for entries in _blocks(self._index):
            yield _types(entries["type"], wide)
            yield entries["length"].reshape(-1, 1).view(np.uint8)[:, :width].tobytes()

    def _shut(self) -> None:
        for future in self._ahead:
            future.cancel()
        self._ahead.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        for file in (self._body, self._index):
            if file is not None:
                file.close()
        self._body = self._index = None

    def _remove(self) -> None:
        for path in (_body_path(self.path), _index_path(self.path)):
            path.unlink(missing_ok=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the file system says into one sentence, and leave nothing."""
        try:
            yield
        except OSError as error:
            self.abort()
            raise OutputError(
                f"{self.path}: the store cannot be written ({error.strerror or error}); nothing "
                "was left there, choose another --out or make room"
            ) from None


def _part(array: np.ndarray | None, part: slice) -> np.ndarray | None:
    return None if array is None else array[part]


def _body_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.body")


def _index_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.index")


def _types(types: np.ndarray, wide: bool) -> bytes:
    """Types of a block: a byte each, or two in a byte, the first in the lower half."""
    if wide:
        return types.tobytes()
    even = np.append(types, np.uint8(0)) if len(types) & 1 else types
    return (even[0::2] | (even[1::2] << 4)).astype(np.uint8).tobytes()


def _blocks(index: FileIO) -> Iterator[np.ndarray]:
    """Types and lengths of BLOCK records at a time."""
    index.seek(0)
    while data := _read_all(index, BLOCK * ENTRY.itemsize):
        yield np.frombuffer(data, ENTRY)


def _read_all(file: FileIO, size: int) -> bytes:
    parts = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write_all(file: FileIO, data: bytes) -> None:
    """Write without buffers, so that a full disc is met here."""
    view = memoryview(data)
    while len(view):
        view = view[file.write(view) :]


def _copy(source: FileIO, target: FileIO, size: int) -> None:
    """Copy the next `size` bytes, inside the file system where it can do that."""
    while size:
        try:
            n = os.copy_file_range(source.fileno(), target.fileno(), min(size, 1 << 30))
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            n = 0
        if n == 0:
            break
        size -= n
    while size:
        data = _read_all(source, min(size, COPY_BYTES))
        if not data:
            raise OSError(errno.EIO, "what was written before is gone")
        _write_all(target, data)
        size -= len(data)
