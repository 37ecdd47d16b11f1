"""Depth in the files, and under the names, that mosdepth writes (Pedersen & Quinlan 2018,
doi:10.1093/bioinformatics/btx699), which MultiQC and many pipelines read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import polars as pl

from genomed.io.bgzf_writer import BgzfWriter
from genomed.io.intervals import Intervals

__all__ = ["BedFile", "class_labels", "distribution_text", "region_frame", "summary_text"]

ALWAYS_TOLD = 300  # depths up to this are told even where no base has them
LEAST_SHARE = 8e-5
LABELS = ("NO_COVERAGE", "LOW_COVERAGE", "CALLABLE", "HIGH_COVERAGE")  # of mosdepth's manual
_BED: dict[str, Any] = {
    "separator": "\t",
    "include_header": False,
    "quote_style": "never",
    "null_value": "",
    "float_precision": 2,
}


def summary_text(rows: Sequence[tuple[str, int, int, int, int]]) -> str:
    """PREFIX.mosdepth.summary.txt.

    rows : (contig, length, sum of depths, least depth, greatest depth), in order
    """
    lines = ["chrom\tlength\tbases\tmean\tmin\tmax"]
    for name, length, total, least, most in rows:
        mean = total / length if length else 0.0
        lines.append(f"{name}\t{length}\t{total}\t{mean:.2f}\t{least}\t{most}")
    return "\n".join(lines) + "\n"


def distribution_text(rows: Sequence[tuple[str, np.ndarray]]) -> str:
    """PREFIX.mosdepth.global.dist.txt: share of bases of at least each depth, deepest first.

    rows : (contig, bases by depth), in order
    """
    lines = []
    for name, counts in rows:
        if not counts.sum():
            continue
        known = np.zeros(max(len(counts), ALWAYS_TOLD + 1), np.int64)
        known[: len(counts)] = counts
        share = np.cumsum(known[::-1])[::-1] / known.sum()
        depth = np.arange(len(known))
        told = ((depth <= ALWAYS_TOLD) | (known > 0)) & (share >= LEAST_SHARE)
        for d in np.flatnonzero(told)[::-1].tolist():
            lines.append(f"{name}\t{d}\t{share[d]:.2f}")
    return "\n".join(lines) + "\n" if lines else ""


def class_labels(borders: Sequence[int]) -> list[str]:
    """Names of the classes of depth: words where there are four from 0 on, else from:to."""
    if len(borders) == len(LABELS) and borders[0] == 0:
        return list(LABELS)
    ends = [*map(str, borders[1:]), "inf"]
    return [f"{low}:{high}" for low, high in zip(borders, ends, strict=True)]


def region_frame(contig: str, regions: Intervals, **columns: Any) -> pl.DataFrame:
    """Columns contig, start, end, name where there are names, and those given."""
    n = len(regions.start)
    frame: dict[str, Any] = {
        "contig": pl.repeat(contig, n, dtype=pl.Utf8, eager=True),
        "start": regions.start,
        "end": regions.end,
    }
    if regions.name is not None:
        frame["name"] = pl.Series(regions.name, dtype=pl.Utf8)
    return pl.DataFrame(frame | columns)


class BedFile:
    """A .bed.gz in BGZF with a CSI index, written as rows come.

    header : first line, without its end; None for none
    """

    def __init__(self, path: Path, header: str | None = None) -> None:
        self._path = path
        self._writer = BgzfWriter(path)
        if header is not None:
            self._writer.write(header.encode() + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)
        if kind is None:
            import pysam  # noqa: PLC0415 - callers may have it imported in the background

            pysam.tabix_index(str(self._path), preset="bed", csi=True, force=True)

    def write(self, frame: pl.DataFrame) -> None:
        """Append rows: contig, start, end and what follows."""
        text = frame.write_csv(**_BED)
        self._writer.write(text.encode())

    def stretches(
        self, contig: str, start: np.ndarray, end: np.ndarray, value: np.ndarray | pl.Series
    ) -> None:
        """Append stretches of one value."""
        self.write(region_frame(contig, Intervals(start, end, None), value=value))
