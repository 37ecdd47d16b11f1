"""A table of any length, written block by block as gzip'd TSV and as Parquet.

Blocks have a fixed number of rows, however the rows arrive, so that the bytes do not depend on how
they were made. Both files grow while the rows are still being made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Full, Queue
from typing import Any

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source
from zlib_ng import gzip_ng

from genomed.kernels.table_text import MAX_NUMBER, write_rows

__all__ = ["TableParts"]

BLOCK_ROWS = 1 << 15
ROW_GROUP = 1 << 17  # rows of a Parquet row group
DIGITS = 6  # significant ones of a number in the TSV; Parquet holds it as it is
AHEAD = 8  # blocks that may wait to be written
PATIENCE_S = 0.1  # before a writer that takes no block is asked whether it has failed

_TSV: dict[str, Any] = {
    "separator": "\t",
    "quote_style": "never",
    "null_value": "",
    "include_header": False,
}


class TableParts:
    """Collects the rows of one table.

    tsv      : path of the .tsv.gz
    parquet  : path of the other file
    schema   : columns and types; the numeric ones stand together
    metadata : of the Parquet file
    pool     : where blocks are formatted and compressed
    """

    def __init__(
        self, tsv: Path, parquet: Path, schema: Mapping[str, Any], metadata: dict[str, str],
        pool: ThreadPoolExecutor,
    ) -> None:  # fmt: skip
        self._file = tsv.open("wb")
        self._pool = pool
        self._rows = pl.DataFrame(schema=schema)
        self._n_blocks = 0
        self._ahead: deque[Future[bytes]] = deque()
        self._queue: Queue[pl.DataFrame | None] = Queue(AHEAD)
        other = ThreadPoolExecutor(1, thread_name_prefix="genomed-parquet")
        self._parquet = other.submit(self._sink, parquet, metadata)
        other.shutdown(wait=False)  # it ends with what it was given

    def add(self, rows: pl.DataFrame) -> None:
        """Append rows, of the schema."""
        self._rows = pl.concat([self._rows, rows])
        while len(self._rows) >= BLOCK_ROWS:
            self._submit(self._rows[:BLOCK_ROWS])
            self._rows = self._rows[BLOCK_ROWS:]

    def finish(self) -> None:
        """Write what is left."""
        if len(self._rows) or not self._n_blocks:
            self._submit(self._rows)
        self._offer(None)
        while self._ahead:
            self._file.write(self._ahead.popleft().result())
        self._file.close()
        self._parquet.result()

    def close(self) -> None:
        """Let go of the files, when they cannot be finished."""
        for future in self._ahead:
            future.cancel()
        self._file.close()
        with suppress(Exception):
            self._offer(None)
            self._parquet.result()

    def _submit(self, rows: pl.DataFrame) -> None:
        self._offer(rows)
        self._ahead.append(self._pool.submit(_compressed, rows, self._n_blocks == 0))
        self._n_blocks += 1
        while len(self._ahead) > AHEAD or (self._ahead and self._ahead[0].done()):
            self._file.write(self._ahead.popleft().result())

    def _offer(self, rows: pl.DataFrame | None) -> None:
        """Hand a block, or the end, to the writer of Parquet; raise what has stopped it."""
        while not self._parquet.done():
            with suppress(Full):
                self._queue.put(rows, timeout=PATIENCE_S)
                return
        self._parquet.result()

    def _sink(self, path: Path, metadata: dict[str, str]) -> None:
        def blocks(*_: object) -> Iterator[pl.DataFrame]:
            while (rows := self._queue.get()) is not None:
                yield rows

        register_io_source(blocks, schema=self._rows.schema).sink_parquet(
            path,
            compression="zstd",
            compression_level=1,
            statistics=False,
            row_group_size=ROW_GROUP,
            metadata=metadata,
        )


def _compressed(rows: pl.DataFrame, with_header: bool) -> bytes:
    """A block as a member of a .gz file."""
    return bytes(gzip_ng.compress(_text(rows, with_header), 1, mtime=0))


def _text(rows: pl.DataFrame, with_header: bool) -> np.ndarray:
    """Lines of a table: uint8. The last numeric columns that stand together are written here, what
    is before and behind them by polars, which takes several times as long for a number."""
    numeric = [kind.is_numeric() for kind in rows.dtypes]
    stop = len(numeric) - numeric[::-1].index(True)
    first = stop - [*numeric[:stop][::-1], False].index(False)
    head, tail = (
        np.frombuffer(part.write_csv(**_TSV).encode(), np.uint8)
        for part in (rows[:, :first], rows[:, stop:])
    )
    numbers = rows[:, first:stop]
    whole = np.array([kind.is_integer() for kind in numbers.dtypes])
    values = np.empty((len(whole), len(rows)))
    for row, column in zip(values, numbers.iter_columns(), strict=True):
        row[:] = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    top = "\t".join(rows.columns).encode() + b"\n" if with_header else b""
    room = (MAX_NUMBER * len(whole) + 2) * len(rows)
    out = np.empty(len(top) + len(head) + len(tail) + room, np.uint8)
    out[: len(top)] = np.frombuffer(top, np.uint8)
    n = write_rows(head, values, whole, tail, DIGITS, out[len(top) :])
    return out[: len(top) + n]
