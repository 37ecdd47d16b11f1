"""The `variants` frame of a batch, from the joined text of its records and arrays beside it."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.selection import RowSelector
from genomed.schema import MISSING, ReadCounts
from genomed.tables import TABLES

__all__ = [
    "MAX_BATCH_ROWS",
    "Records",
    "batch_rows",
    "build_frame",
    "build_records",
    "called_dosage",
    "iter_frames",
    "whole_records",
]

MAX_BATCH_ROWS = 1 << 16  # a batch has no more rows than this, however few samples there are

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


def build_frame(records: Records, contig_names: list[str]) -> tuple[pl.DataFrame, bool]:
    """Columns of TABLES["variants"], one row per ALT; and whether some text was not UTF-8.

    Undecodable bytes appear as \\xNN. Raises ValueError when the text does not have one line with
    three fields per record.
    """
    frame, not_utf8 = build_records(records, contig_names)
    n_alts = (
        pl.when(pl.col("alt") == ".").then(0).otherwise(pl.col("alt").str.count_matches(",") + 1)
    )
    block_end = pl.Series(records.reference_end)
    last = pl.col("position") + pl.col("ref").str.len_bytes().cast(pl.Int64) - 1
    frame = frame.with_columns(
        pl.Series("line", records.number),
        n_alts.cast(pl.Int64).alias("n_alts"),
        pl.when(block_end > 0).then(block_end).otherwise(last).alias("end_position"),
    )
    if records.n_rows != len(frame):
        frame = frame.with_columns(pl.col("alt").str.split(",")).explode("alt")
    return frame.select(_COLUMNS), not_utf8


def build_records(records: Records, contig_names: list[str]) -> tuple[pl.DataFrame, bool]:
    """One row per record, ALTs with their commas; and whether some text was not UTF-8.

    Columns: contig, position, id, ref, alt. Raises ValueError as build_frame does.
    """
    text, not_utf8 = _as_utf8(records.text)
    if len(records.number):
        fields = pl.read_csv(
            text,
            separator="\t",
            has_header=False,
            new_columns=["id", "ref", "alt"],
            infer_schema=False,
            quote_char=None,
        )
    else:
        fields = pl.DataFrame(schema=dict.fromkeys(["id", "ref", "alt"], pl.String))
    if fields.shape != (len(records.number), 3):
        raise ValueError("an ID or allele holds a tab or a line feed")
    frame = fields.select(
        pl.Series(contig_names, dtype=pl.String).gather(records.contig).alias("contig"),
        pl.Series("position", records.position),
        pl.when(pl.col("id") == ".").then(None).otherwise(pl.col("id")).alias("id"),
        "ref",
        "alt",
    )
    return frame, not_utf8


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
