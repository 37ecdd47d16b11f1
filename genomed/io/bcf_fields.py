"""QUAL, FILTER and INFO of the records of a BCF as columns of text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from genomed.io.bcf_header import BcfHeader
from genomed.io.vcf_batches import FIELDS, n_head
from genomed.kernels import bcf_fields as kernel

__all__ = ["FieldText"]

FIRST_BYTES = 1 << 16


class FieldText:
    """Collects the fields of records, and gives them as columns, one row per ALT.

    fields : of "qual", "filter", "info"
    """

    def __init__(self, fields: Sequence[str], header: BcfHeader) -> None:
        self._fields = tuple(fields)
        self._with_info = n_head(fields) == 8
        self._text, self._bounds = _joined_names(header.keys)
        self._word = np.empty(1, np.uint32)
        self._out = np.empty(FIRST_BYTES if fields else 0, np.uint8)
        self.clear()

    def clear(self) -> None:
        """Begin a new batch."""
        self._parts: list[bytes] = []
        self._n_alts: list[np.ndarray] = []

    def add(self, buffer: np.ndarray, place: np.ndarray, rows: np.ndarray) -> int | None:
        """Take the fields of walked records; which of `rows` is damaged, or None."""
        if not self._fields:
            return None
        self._n_alts.append(place[rows, kernel.N_ALTS])
        done, damaged = 0, False
        while done < len(rows) and not damaged:
            reached, n, damaged = kernel.join_fields(
                buffer, place, rows, done, self._with_info, self._text, self._bounds, self._out,
                self._word, self._word.view(np.float32),
            )  # fmt: skip
            self._parts.append(self._out[:n].tobytes())
            if reached == done and not damaged:
                self._out = np.empty(4 * len(self._out), np.uint8)
            done = reached
        return done if damaged else None

    def columns(self) -> pl.DataFrame:
        """The fields, and `alt_number`: which of its record's ALTs a row has.

        raises : ValueError when a field holds a tab or a line feed
        """
        text = b"".join(self._parts)
        if not text.isascii():
            text = text.decode(errors="backslashreplace").encode()
        names = FIELDS if self._with_info else FIELDS[:2]
        records = pl.read_csv(
            text,
            separator="\t",
            has_header=False,
            schema=dict.fromkeys(names, pl.String),
            quote_char=None,
        )
        n_alts = np.concatenate(self._n_alts)
        if len(records) != len(n_alts):
            raise ValueError("QUAL, FILTER or INFO holds a line feed")
        n_rows = np.maximum(n_alts, 1)
        record = np.repeat(np.arange(len(n_alts)), n_rows)
        before = np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
        number = np.where(n_alts[record] > 0, np.arange(len(record)) - before + 1, 0)
        return records[record].select(
            pl.Series("alt_number", number.astype(np.int64)), *self._fields
        )


def _joined_names(keys: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Names in the order of their numbers, joined uint8; int64 bounds of each."""
    names = [b""] * (max(keys.values(), default=-1) + 1)
    for name, number in keys.items():
        names[number] = name.encode()
    bounds = np.cumsum([0, *(len(name) for name in names)], dtype=np.int64)
    return np.frombuffer(b"".join(names) + b"\0", np.uint8), bounds
