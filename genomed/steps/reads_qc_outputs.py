"""What a `reads qc` run writes beside the .bed.gz files: tables, mosdepth's texts, MultiQC's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from genomed.io.alignments import AlignmentReader
from genomed.io.mosdepth import distribution_text, summary_text
from genomed.io.outputs import OutputDirectory
from genomed.settings import ReadsQcSettings
from genomed.stats.coverage import mean_of_counts, median_of_counts
from genomed.stats.depth_sex import depth_ratios
from genomed.stats.read_quality import ORIENTATIONS, gc_dropout
from genomed.steps.reads_qc_measure import FileMeasures
from genomed.tables import TABLES

__all__ = ["contig_rows", "distribution_frame", "file_row", "frame_of", "write_depth_texts"]

CALLABLE = 2  # class of --quantize
_TEXTS = {"file", "prefix", "sample", "orientation", "sex", "contig"}
_WHOLE = {"length", "min_depth", "max_depth"}


def frame_of(table: str, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Rows as the columns of TABLES[table]."""
    schema = {
        name: pl.Utf8
        if name in _TEXTS
        else pl.Int64
        if name.startswith("n_") or name in _WHOLE
        else pl.Float64
        for name in TABLES[table]
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def file_row(
    name: str,
    prefix: str,
    reader: AlignmentReader,
    found: FileMeasures,
    settings: ReadsQcSettings,
    *,
    on_targets: bool,
) -> dict[str, Any]:
    """The row of a file in TABLES["reads_qc"]."""
    counts = _sum(_depths(found, on_targets))
    at, gc = gc_dropout(found.gc_windows, found.gc_total)
    ratios = depth_ratios(_lengths(reader, found, on_targets))
    return {
        "file": name,
        "prefix": prefix,
        "sample": settings.sample
        if settings.sample not in (None, "all")
        else ",".join(reader.samples) or None,
        **found.reads.measures(),
        **_depth_measures(counts, settings),
        "at_dropout": None if np.isnan(at) else at,
        "gc_dropout": None if np.isnan(gc) else gc,
        "x_ratio": ratios.x,
        "y_ratio": ratios.y,
        "mt_ratio": ratios.mt,
        "sex": ratios.sex,
    }


def contig_rows(
    name: str, reader: AlignmentReader, found: FileMeasures, settings: ReadsQcSettings
) -> list[dict[str, Any]]:
    """Rows of a file in TABLES["reads_qc_contigs"]."""
    rows = []
    for i, depth in found.contigs.items():
        measures = _depth_measures(depth.counts, settings)
        rows.append(
            {
                "file": name,
                "contig": reader.contigs[i],
                "length": depth.length,
                "n_alignments": depth.n_alignments,
                "min_depth": int(np.flatnonzero(depth.counts).min(initial=depth.most)),
                "max_depth": depth.most,
                **measures,
            }
        )
    return rows


def write_depth_texts(
    directory: OutputDirectory,
    prefix: str,
    reader: AlignmentReader,
    found: FileMeasures,
) -> None:
    """PREFIX.mosdepth.summary.txt, .mosdepth.global.dist.txt and .mosdepth.region.dist.txt.

    The last one is of regions by their mean depth, as mosdepth writes it from version 0.3 on.
    """
    seen = [(reader.contigs[i], one) for i, one in found.contigs.items() if one.n_alignments]
    rows = []
    for contig, one in seen:
        rows.append(_summary_row(contig, one.counts))
        rows.append(_summary_row(f"{contig}_region", one.region_counts))
    whole, inside = (_sum([one.counts for _, one in seen]),
                     _sum([one.region_counts for _, one in seen]))  # fmt: skip
    rows += [_summary_row("total", whole), _summary_row("total_region", inside)]
    directory.write_text(f"{prefix}.mosdepth.summary.txt", summary_text(rows))
    directory.write_text(
        f"{prefix}.mosdepth.global.dist.txt",
        distribution_text([*((c, one.counts) for c, one in seen), ("total", whole)]),
    )
    means = [(contig, _mean_counts(found, contig)) for contig, _ in seen]
    directory.write_text(
        f"{prefix}.mosdepth.region.dist.txt",
        distribution_text([*means, ("total", _sum([one for _, one in means]))]),
    )


def distribution_frame(name: str, found: FileMeasures, *, on_targets: bool) -> pl.DataFrame:
    """Rows of a file in TABLES["reads_qc_distributions"]."""
    reads = found.reads
    depth = _sum(_depths(found, on_targets))
    parts = [
        _counts("mapq", reads.mapqs),
        _counts("base_quality", reads.qualities),
        _counts("read_length", reads.lengths),
        *(
            _counts("insert_size", inserts, orientation)
            for orientation, inserts in zip(ORIENTATIONS, reads.inserts, strict=True)
        ),
        _counts("depth", depth),
    ]
    for mate, quality in enumerate(reads.mean_cycle_quality(), 1):
        cycle = np.flatnonzero(~np.isnan(quality))
        parts.append(_part("cycle_quality", str(mate), cycle + 1, quality[cycle]))
    if found.gc_windows.any():
        percent = np.flatnonzero(found.gc_windows)
        mean = found.gc_total.sum() / found.gc_windows.sum()
        by_gc = found.gc_total[percent] / found.gc_windows[percent] / (mean or np.nan)
        parts.append(_part("gc_windows", None, percent, found.gc_windows[percent]))
        parts.append(_part("gc_depth", None, percent, by_gc))
    whole = pl.concat(parts).with_columns(file=pl.lit(name), value=pl.col("value").fill_nan(None))
    return whole.select(*TABLES["reads_qc_distributions"])


def _depths(found: FileMeasures, on_targets: bool) -> list[np.ndarray]:
    if on_targets:
        return [one.region_counts for one in found.contigs.values()]
    return [one.counts for one in found.contigs.values() if one.n_alignments]


def _lengths(
    reader: AlignmentReader, found: FileMeasures, on_targets: bool
) -> dict[str, tuple[int, int]]:
    """Contig -> sum of depths and the bases over which: targets, known bases, or all."""
    lengths = {}
    for i, one in found.contigs.items():
        if on_targets:
            counts = one.region_counts
            total = int((counts * np.arange(len(counts))).sum())
            lengths[reader.contigs[i]] = (total, int(counts.sum()))
        elif one.n_alignments or reader.contigs[i].removeprefix("chr") in ("X", "Y"):
            lengths[reader.contigs[i]] = (one.total, found.known.get(i) or one.length)
    return lengths


def _depth_measures(counts: np.ndarray, settings: ReadsQcSettings) -> dict[str, float | None]:
    n = int(counts.sum())
    borders = [*settings.quantize, len(counts)]
    low, high = (borders[CALLABLE], borders[CALLABLE + 1]) if len(borders) > 3 else (0, 0)
    inside = int(counts[low : max(high, low)].sum())
    return {
        "mean_depth": mean_of_counts(counts) if n else None,
        "median_depth": median_of_counts(counts) if n else None,
        "covered_share": float(counts[1:].sum() / n) if n else None,
        "callable_share": inside / n if n and len(borders) > 3 else None,
    }


def _summary_row(name: str, counts: np.ndarray) -> tuple[str, int, int, int, int]:
    some = np.flatnonzero(counts)
    least, most = (int(some[0]), int(some[-1])) if len(some) else (0, 0)
    total = int((counts * np.arange(len(counts))).sum())
    return name, int(counts.sum()), total, least, most


def _mean_counts(found: FileMeasures, contig: str) -> np.ndarray:
    """Regions of a contig by their mean depth, rounded."""
    for part in found.regions:
        if len(part) and part["contig"][0] == contig:
            return np.bincount((part["mean_depth"].to_numpy() + 0.5).astype(np.int64))
    return np.zeros(1, np.int64)


def _sum(arrays: Sequence[np.ndarray]) -> np.ndarray:
    total = np.zeros(max(map(len, arrays), default=1), np.int64)
    for one in arrays:
        total[: len(one)] += one
    return total


def _counts(measure: str, counts: np.ndarray, group: str | None = None) -> pl.DataFrame:
    key = np.flatnonzero(counts)
    return _part(measure, group, key, counts[key])


def _part(measure: str, group: str | None, key: np.ndarray, value: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "measure": pl.repeat(measure, len(key), dtype=pl.Utf8, eager=True),
            "group": pl.repeat(group, len(key), dtype=pl.Utf8, eager=True),
            "key": key.astype(np.int64),
            "value": value.astype(np.float64),
        }
    )
