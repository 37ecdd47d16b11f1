"""BED files of regions (https://samtools.github.io/hts-specs/BEDv1.pdf), by contig."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.text_table import read_plain_bytes
from genomed.regions import ContigNames

__all__ = ["Intervals", "read_bed", "read_intervals", "windows"]


class Intervals(NamedTuple):
    """Regions of one contig, sorted by start.

    start, end : int64 (regions,), 0-based, end not included
    name       : of each region, or None where the file names none
    """

    start: np.ndarray
    end: np.ndarray
    name: list[str | None] | None


def read_intervals(path: Path, contigs: Sequence[str]) -> tuple[dict[int, Intervals], list[str]]:
    """Regions of a BED, which may be compressed.

    contigs : as the alignments spell them; a BED may spell them otherwise (chr1 or 1)
    returns : index of the contig -> its regions; names of contigs that the alignments lack
    Raises InputError that names the line.
    """
    frame = read_bed(path)
    if frame.is_empty():
        raise InputError(f"{path}: has no regions; give a BED")
    index = ContigNames(contigs)
    found: dict[int, Intervals] = {}
    strange = []
    for (contig,), part in frame.group_by(["contig"], maintain_order=True):
        at = index.place(str(contig))
        if at is None:
            strange.append(str(contig))
            continue
        part = part.sort("start", maintain_order=True)
        if at in found:
            raise InputError(
                f"{path}: spells the contig {contigs[at]} in two ways; write it in one"
            )
        names = part["name"].to_list() if part["name"].is_not_null().any() else None
        found[at] = Intervals(part["start"].to_numpy(), part["end"].to_numpy(), names)
    if not found:
        raise InputError(
            f"{path}: none of its contigs ({', '.join(strange[:3])}) is one of the alignments; it "
            "may be of another build"
        )
    return found, strange


def windows(length: int, size: int) -> Intervals:
    """A contig cut into windows of `size`, the last one shorter."""
    start = np.arange(0, length, size, dtype=np.int64)
    return Intervals(start, np.minimum(start + size, length), None)


def read_bed(path: Path) -> pl.DataFrame:
    """Columns contig, start, end, name of a BED, which may be compressed: a row for each line.

    Header lines and empty ones are left out; start and end : int64, 0-based, end not included
    Raises InputError that names the line.
    """
    lines = read_plain_bytes(path).decode("utf-8", "backslashreplace").splitlines()
    frame = pl.DataFrame({"line": lines}, schema={"line": pl.Utf8}).with_row_index("number", 1)
    empty = pl.col("line").str.strip_chars() == ""
    frame = frame.filter(~(empty | pl.col("line").str.contains(r"^(#|track\b|browser\b)")))
    cells = pl.col("line").str.strip_chars_end("\r").str.splitn("\t", 5)
    parts = frame.select(
        "number",
        cells.struct.field("field_0").alias("contig"),
        cells.struct.field("field_1").cast(pl.Int64, strict=False).alias("start"),
        cells.struct.field("field_2").cast(pl.Int64, strict=False).alias("end"),
        cells.struct.field("field_3").alias("name"),
    )
    good = (
        pl.col("start").is_not_null()
        & pl.col("end").is_not_null()
        & (pl.col("start") >= 0)
        & (pl.col("start") <= pl.col("end"))
    )
    bad = parts.filter(~good.fill_null(False))
    if len(bad):
        raise InputError(
            f"{path}, line {bad['number'][0]}: is not a region of a BED, contig, start and end "
            "with tabs between; correct the line"
        )
    return parts.drop("number")
