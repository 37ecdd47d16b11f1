"""From the pieces that the VCF kernel found to batches of the agreed shape."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from genomed.io.vcf_header import decode_text
from genomed.io.vcf_scan import Piece
from genomed.kernels import vcf_codes as codes
from genomed.schema import VariantBatch

__all__ = ["BatchBuilder"]


class BatchBuilder:
    """Collects pieces and cuts batches of at most `max_rows` rows."""

    def __init__(self, max_rows: int, with_dosage: bool) -> None:
        self._max_rows = max_rows
        self._with_dosage = with_dosage
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
        dosage = np.concatenate([p.call_dosage for p in pieces]) if self._with_dosage else None
        variants = _variants_frame(pieces)
        yield VariantBatch(variants, alt_count, ploidy, dosage)


def _split_haploid(alt_count: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Turn the kernel's haploid codes back into copies, in place; int8 ploidy of every call."""
    ploidy = np.full(alt_count.shape, 2, np.int8)
    for v in np.flatnonzero(flags & codes.HAS_HAPLOID):
        haploid = alt_count[v] >= codes.HAPLOID_CODE
        ploidy[v, haploid] = 1
        alt_count[v, haploid] -= codes.HAPLOID_CODE
    return ploidy


def _variants_frame(pieces: list[Piece]) -> pl.DataFrame:
    """The columns of TABLES["variants"], from the first five columns of the lines."""
    head = b"".join(p.head for p in pieces)
    if not head.isascii():
        head = decode_text(head, {}).encode()
    lines = pl.read_csv(
        head,
        separator="\t",
        has_header=False,
        quote_char=None,
        schema={
            "contig": pl.Utf8,
            "position": pl.Int64,
            "id": pl.Utf8,
            "ref": pl.Utf8,
            "alt": pl.Utf8,
        },
    ).with_columns(
        end_position=np.concatenate([p.row_end for p in pieces]),
        n_alts=np.concatenate([p.row_n_alts for p in pieces]).astype(np.int64),
        line=np.concatenate([p.row_line for p in pieces]),
        alt_number=np.concatenate([p.row_alt for p in pieces]),
    )
    if lines["n_alts"].max() > 1:  # type: ignore[operator]
        alts = (
            pl.col("alt")
            .str.split(",")
            .list.get(pl.col("alt_number").cast(pl.Int64) - 1, null_on_oob=True)
        )
        lines = lines.with_columns(alt=pl.when(pl.col("n_alts") > 1).then(alts).otherwise("alt"))
    upper = pl.col("alt").str.to_uppercase()
    symbolic = pl.col("alt").str.contains(r"[<>\[\]]")  # <DEL> and breakends name other things
    return lines.with_columns(
        id=pl.when(pl.col("id") != ".").then("id"),
        ref=pl.col("ref").str.to_uppercase(),
        alt=pl.when(symbolic).then("alt").otherwise(upper),
    ).drop("alt_number")
