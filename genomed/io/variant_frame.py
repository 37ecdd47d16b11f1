"""The `variants` frame of a batch, from the joined text of its records and arrays beside it."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.arrow_text import text_column
from genomed.io.selection import RowSelector
from genomed.kernels.variant_rows import INLINE, view_cells
from genomed.schema import MISSING, ReadCounts
from genomed.tables import TABLES

__all__ = [
    "MAX_BATCH_ROWS",
    "Cells",
    "Records",
    "batch_rows",
    "build_frame",
    "called_dosage",
    "find_cells",
    "iter_frames",
    "text_columns",
    "whole_records",
]

MAX_BATCH_ROWS = 1 << 16  # a batch has no more rows than this, however few samples there are

MOST_BYTES = 1 << 31  # of text whose places fit a view

_COLUMNS = tuple(TABLES["variants"])


class Records(NamedTuple):
    """Records of a block that are wanted.

    number         : int64 (records,), 1-based number in the file
    contig         : int32 (records,), index into the contig names
    position       : int64 (records,)
    reference_end  : int64 (records,), end of a reference block, or 0 for POS + len(REF) - 1
    text           : bytes, ``ID <tab> REF <tab> ALT[,ALT..] <line feed>`` per record
    n_rows         : rows they will make, one per ALT
    """

    number: np.ndarray
    contig: np.ndarray
    position: np.ndarray
    reference_end: np.ndarray
    text: bytes
    n_rows: int

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Put the records of several blocks one after the other."""
        return cls(
            np.concatenate([part.number for part in parts]),
            np.concatenate([part.contig for part in parts]),
            np.concatenate([part.position for part in parts]),
            np.concatenate([part.reference_end for part in parts]),
            b"".join([part.text for part in parts]),
            sum(part.n_rows for part in parts),
        )


def batch_rows(n_samples: int, max_batch_bytes: int) -> int:
    """Most rows of a batch: int8 counts within max_batch_bytes, and at least one row."""
    return min(MAX_BATCH_ROWS, max(1, max_batch_bytes // max(n_samples, 1)))


class Cells(NamedTuple):
    """ID, REF and ALT of some records, as a kernel has found them in one text.

    text     : bytes, UTF-8; undecodable bytes of the source appear as \\xNN
    views    : uint32 (3, records, 4), Arrow views of the three cells
    valid    : bool (3, records), False for an empty cell, and for an ID "."
    n_alts   : int64 (records,), 0 where ALT is "."
    not_utf8 : whether the source was not UTF-8
    """

    text: bytes
    views: np.ndarray
    valid: np.ndarray
    n_alts: np.ndarray
    not_utf8: bool


def find_cells(text: bytes, n: int) -> Cells:
    """Find the cells of n records in their joined text (Records.text).

    Raises ValueError when the text does not have one line with three cells per record.
    """
    text, not_utf8 = _as_utf8(text)
    if len(text) >= MOST_BYTES:
        raise ValueError(f"{len(text)} bytes of IDs and alleles are too many to be held at once")
    views, valid = np.empty((3, n, 4), np.uint32), np.empty((3, n), np.bool_)
    n_alts = np.empty(n, np.int64)
    if view_cells(np.frombuffer(text, np.uint8), views, valid, n_alts) != n:
        raise ValueError("an ID or allele holds a tab or a line feed")
    return Cells(text, views, valid, n_alts, not_utf8)


def text_columns(parts: Sequence[Cells]) -> list[pl.Series]:
    """Columns id (null for "."), ref and alt (with its commas) of cells that follow each other."""
    texts = [part.text for part in parts]
    views = np.empty((3, sum(len(part.n_alts) for part in parts), 4), np.uint32)
    valid = np.empty(views.shape[:2], np.bool_)
    first = 0
    for number, part in enumerate(parts):
        rows = slice(first, first + len(part.n_alts))
        views[:, rows] = part.views
        views[:, rows, 2][part.views[:, :, 0] > INLINE] = number
        valid[:, rows] = part.valid
        first = rows.stop
    names = ("id", "ref", "alt")
    return [text_column(name, views[i], texts, valid[i]) for i, name in enumerate(names)]


def build_frame(records: Records, contig_names: list[str]) -> tuple[pl.DataFrame, bool]:
    """Columns of TABLES["variants"], one row per ALT; and whether some text was not UTF-8.

    Undecodable bytes appear as \\xNN. Raises ValueError when the text does not have one line with
    three fields per record.
    """
    cells = find_cells(records.text, len(records.number))
    block_end = pl.Series(records.reference_end)
    last = pl.col("position") + pl.col("ref").str.len_bytes().cast(pl.Int64) - 1
    frame = pl.DataFrame(
        [
            pl.Series("contig", contig_names, dtype=pl.String).gather(records.contig),
            pl.Series("position", records.position),
            *text_columns([cells]),
            pl.Series("line", records.number),
            pl.Series("n_alts", cells.n_alts),
        ]
    ).with_columns(pl.when(block_end > 0).then(block_end).otherwise(last).alias("end_position"))
    if records.n_rows != len(frame):
        frame = frame.with_columns(pl.col("alt").str.split(",")).explode("alt")
    return frame.select(_COLUMNS), cells.not_utf8


def _as_utf8(text: bytes) -> tuple[bytes, bool]:
    if text.isascii():
        return text, False
    try:
        text.decode()
    except UnicodeDecodeError:
        return text.decode(errors="backslashreplace").encode(), True
    return text, False


def whole_records(line: np.ndarray, max_rows: int) -> int:
    """How many of the first rows to put into one batch, so that no record is split.

    line : int64 (rows,), record numbers; a record that is longer than a batch gets one of its own
    """
    if len(line) <= max_rows:
        return len(line)
    cut = max_rows
    while cut > 0 and line[cut - 1] == line[cut]:
        cut -= 1
    if cut == 0:
        cut = int(np.searchsorted(line != line[0], True))
    return cut or len(line)


def called_dosage(alt_count: np.ndarray) -> np.ndarray:
    """Dosages of a file that has hard calls only: float32 (variants, samples), NaN missing."""
    dosage = alt_count.astype(np.float32)
    dosage[alt_count == MISSING] = np.nan
    return dosage


def iter_frames(
    parts: Iterable[Records],
    selector: RowSelector,
    counts: ReadCounts,
    max_rows: int,
    path: Path,
) -> Iterator[pl.DataFrame]:
    """Cut the records of many blocks into frames of at most max_rows rows, whole records each.

    Adds the note "not_utf8" to `counts`; raises InputError when the text cannot be told apart.
    """
    rest = pl.DataFrame()
    pending: list[Records] = []
    n_pending = 0
    for part in chain(parts, [None]):
        if part is not None:
            pending.append(part)
            n_pending += part.n_rows
            if n_pending + len(rest) < max_rows:
                continue
        if n_pending:
            frame = _frame_of(Records.join(pending), selector.contigs, counts, path)
            rest = pl.concat([rest, frame]) if len(rest) else frame
            pending, n_pending = [], 0
        line = rest["line"].to_numpy() if len(rest) else np.zeros(0, np.int64)
        first = 0
        while len(line) - first >= max_rows or (part is None and first < len(line)):
            taken = whole_records(line[first:], max_rows)
            yield rest[first : first + taken]
            first += taken
        rest = rest[first:]


def _frame_of(
    records: Records, contig_names: list[str], counts: ReadCounts, path: Path
) -> pl.DataFrame:
    try:
        frame, not_utf8 = build_frame(records, contig_names)
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{path}: {error}, near record {records.number[0]}; the file is damaged, make it again"
        ) from None
    if not_utf8:
        counts.notes["not_utf8"] = counts.notes.get("not_utf8", 0) + 1
    return frame
