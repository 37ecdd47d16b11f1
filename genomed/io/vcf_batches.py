"""From the pieces that the VCF kernel found to batches of the agreed shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from genomed.errors import UsageError
from genomed.io.vcf_header import decode_text
from genomed.io.vcf_scan import Piece
from genomed.kernels import vcf_codes as codes
from genomed.schema import VariantBatch
from genomed.tables import TABLES

__all__ = ["FIELDS", "BatchBuilder", "n_head"]

FIELDS = ("qual", "filter", "info")  # columns that come on request, as the file spells them
_COLUMNS = ("contig", "position", "id", "ref", "alt", *FIELDS)


class BatchBuilder:
    """Collects pieces and cuts batches of at most `max_rows` rows.

    fields : columns that the frame has beside those of TABLES["variants"], out of FIELDS
    """

    def __init__(self, max_rows: int, fields: Sequence[str] = ()) -> None:
        self._max_rows = max_rows
        self._fields = fields
        self._pieces: list[Piece] = []
        self._n_rows = 0

    def add(self, piece: Piece) -> Iterator[VariantBatch]:
        if not len(piece.alt_count):
            return
        if self._n_rows + len(piece.alt_count) > self._max_rows:
            yield from self.rest()
        self._pieces.append(piece)
        self._n_rows += len(piece.alt_count)

    def rest(self) -> Iterator[VariantBatch]:
        """Everything collected so far."""
        if not self._pieces:
            return
        pieces, self._pieces, self._n_rows = self._pieces, [], 0
        alt_count = np.concatenate([p.alt_count for p in pieces])
        flags = np.concatenate([p.row_flags for p in pieces])
        ploidy = _split_haploid(alt_count, flags) if (flags & codes.HAS_HAPLOID).any() else None
        dosage = _joined([p.call_dosage for p in pieces])
        phase = _joined([p.call_phase for p in pieces])
        variants = _variants_frame(pieces, self._fields)
        yield VariantBatch(variants, alt_count, ploidy, dosage, phase)


def _joined(parts: list[np.ndarray | None]) -> np.ndarray | None:
    """Arrays one after the other; None when there are none."""
    arrays = [part for part in parts if part is not None]
    return np.concatenate(arrays) if arrays else None


def n_head(fields: Sequence[str]) -> int:
    """How many of the first columns of a line hold these fields.

    raises : UsageError for a field that is not in FIELDS
    """
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is not one of {', '.join(FIELDS)}")
    return 8 if "info" in fields else 7 if fields else 5


def _split_haploid(alt_count: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Turn the kernel's haploid codes back into copies, in place; int8 ploidy of every call."""
    ploidy = np.full(alt_count.shape, 2, np.int8)
    for v in np.flatnonzero(flags & codes.HAS_HAPLOID):
        haploid = alt_count[v] >= codes.HAPLOID_CODE
        ploidy[v, haploid] = 1
        alt_count[v, haploid] -= codes.HAPLOID_CODE
    return ploidy


def _variants_frame(pieces: list[Piece], fields: Sequence[str]) -> pl.DataFrame:
    """The columns of TABLES["variants"], and `fields`, from the first columns of the lines."""
    head = b"".join(p.head for p in pieces)
    if not head.isascii():
        head = decode_text(head, {}).encode()
    columns = _COLUMNS[: n_head(fields)]
    lines = pl.read_csv(
        head,
        separator="\t",
        has_header=False,
        quote_char=None,
        schema={name: pl.Int64 if name == "position" else pl.Utf8 for name in columns},
    ).with_columns(
        end_position=np.concatenate([p.row_end for p in pieces]),
        n_alts=np.concatenate([p.row_n_alts for p in pieces]).astype(np.int64),
        line=np.concatenate([p.row_line for p in pieces]),
        alt_number=np.concatenate([p.row_alt for p in pieces]).astype(np.int64),
    )
    if lines["n_alts"].max() > 1:  # type: ignore[operator]
        alts = pl.col("alt").str.split(",").list.get(pl.col("alt_number") - 1, null_on_oob=True)
        lines = lines.with_columns(alt=pl.when(pl.col("n_alts") > 1).then(alts).otherwise("alt"))
    upper = pl.col("alt").str.to_uppercase()
    symbolic = pl.col("alt").str.contains(r"[<>\[\]]")  # <DEL> and breakends name other things
    also = ("alt_number", *fields) if fields else ()
    return lines.with_columns(
        pl.col(*fields).fill_null(".") if fields else [],  # nothing between two tabs
        id=pl.when(pl.col("id") != ".").then("id"),
        ref=pl.col("ref").str.to_uppercase(),
        alt=pl.when(symbolic).then("alt").otherwise(upper),
    ).select(*TABLES["variants"], *also)
