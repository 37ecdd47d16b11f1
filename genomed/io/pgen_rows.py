"""Groups of rows to PGEN records, in any number of threads at once; used by pgen_writer."""

from __future__ import annotations

from threading import local
from typing import NamedTuple, Self

import numpy as np

from genomed.kernels import pgen_encode as kernel

__all__ = ["ENTRY", "Encoded", "RowEncoder", "Rows"]

ENTRY = np.dtype([("length", "<u4"), ("type", "u1")])  # what the header says of a record


class Rows(NamedTuple):
    """A group of rows to encode; see PgenWriter.write_counts."""

    alt_count: np.ndarray
    ploidy: np.ndarray | None
    phase: np.ndarray | None
    dosage: np.ndarray | None


class Encoded(NamedTuple):
    """Records of a group, and their lengths and types (ENTRY)."""

    body: bytes
    entries: bytes


class RowEncoder:
    """Encodes groups of at most `rows` rows.

    call_within : a call is within this of its dosage, else it is missing
    """

    def __init__(self, n_samples: int, rows: int, call_within: float) -> None:
        self._n_samples = n_samples
        self._rows = rows
        self._call_within = int(call_within * kernel.COPY)
        self._buffers = _Buffers()

    def encode(self, rows: Rows | np.ndarray) -> Encoded:
        """In a thread: a group of rows to records."""
        b = self._buffers.sized(self._rows, self._n_samples)
        if isinstance(rows, np.ndarray):
            return self._records(np.ascontiguousarray(rows), None, None, b)
        calls, entries, phase = rows.alt_count, None, None
        if rows.dosage is not None:
            calls, entries = b.for_dosages(len(rows.alt_count))
            kernel.round_dosages(
                rows.alt_count, rows.ploidy, rows.dosage, self._call_within, calls, entries
            )
        elif rows.ploidy is not None:
            calls = np.where((rows.ploidy == 1) & (calls > 0), np.int8(2), calls)
        words = b.words[: len(calls)]
        kernel.pack_rows(np.ascontiguousarray(calls), words, b.row, b.row_words)
        if rows.phase is not None:
            phase = b.phase_words(len(calls))
            kernel.pack_rows(np.ascontiguousarray(rows.phase), phase, b.row, b.row_words)
        return self._records(words, phase, entries, b)

    def _records(
        self,
        words: np.ndarray,
        phase: np.ndarray | None,
        entries: np.ndarray | None,
        b: _Buffers,
    ) -> Encoded:
        n = self._n_samples
        out = b.records(n // 2 + 64 + (3 * n if entries is not None else 0))
        found = np.empty(len(words), ENTRY)
        lengths, types = b.lengths[: len(words)], b.types[: len(words)]
        used = kernel.encode_rows(
            words, phase, entries, n, _id_bytes(n), b.listed, out, lengths, types
        )
        found["length"], found["type"] = lengths, types
        return Encoded(out[:used].tobytes(), found.tobytes())


class _Buffers(local):
    """Arrays of one thread, reused for every group."""

    def __init__(self) -> None:
        self.rows = 0

    def sized(self, rows: int, n_samples: int) -> Self:
        """Make the arrays, the first time."""
        if not self.rows:
            n_words = (n_samples + 31) // 32
            self.rows, self.n_samples = rows, n_samples
            self.words = np.empty((rows, n_words), np.uint64)
            self.row_words = np.zeros(4 * n_words, np.uint64)
            self.row = self.row_words.view(np.int8)
            self.listed = np.empty(n_words, np.uint64)
            self.lengths = np.empty(rows, np.uint32)
            self.types = np.empty(rows, np.uint8)
            self._phase = np.empty((0, n_words), np.uint64)
            self._out = np.empty(0, np.uint8)
            self._calls = np.empty((0, n_samples), np.int8)
            self._entries = np.empty((0, n_samples), np.uint16)
        return self

    def phase_words(self, n: int) -> np.ndarray:
        """uint64 (n, words)."""
        if not len(self._phase):
            self._phase = np.empty_like(self.words)
        return self._phase[:n]

    def for_dosages(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """int8 and uint16 (n, samples): calls, and entries of the dosage track."""
        if not len(self._calls):
            self._calls = np.empty((self.rows, self.n_samples), np.int8)
            self._entries = np.empty((self.rows, self.n_samples), np.uint16)
        return self._calls[:n], self._entries[:n]

    def records(self, row_bytes: int) -> np.ndarray:
        """uint8, space for a group of rows."""
        if len(self._out) < self.rows * row_bytes:
            self._out = np.empty(self.rows * row_bytes, np.uint8)
        return self._out


def _id_bytes(n_samples: int) -> int:
    """Bytes of a sample's number; 256 samples take two, though the specification says one."""
    if n_samples < 1 << 16:
        return 1 if n_samples < 1 << 8 else 2
    return 3 if n_samples < 1 << 24 else 4
