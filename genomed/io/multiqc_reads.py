"""MultiQC custom content of `reads qc`; depth itself MultiQC reads from mosdepth's files.

Format: https://docs.seqera.io/multiqc/custom_content.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from genomed.io.multiqc import content_text

__all__ = ["multiqc_reads_texts"]

_COLUMNS: dict[str, dict[str, Any]] = {
    "sample": {"title": "Sample", "description": "As the read groups name it"},
    "n_reads": {"title": "Reads", "format": "{:,.0f}"},
    "mapped_share": {"title": "Mapped", "min": 0, "max": 1, "format": "{:,.4f}"},
    "duplicate_share": {"title": "Duplicates", "min": 0, "max": 1, "format": "{:,.4f}"},
    "mapq0_share": {"title": "MAPQ 0", "min": 0, "max": 1, "format": "{:,.4f}"},
    "mean_depth": {"title": "Depth", "format": "{:,.2f}"},
    "callable_share": {"title": "Callable", "min": 0, "max": 1, "format": "{:,.4f}"},
    "insert_median": {"title": "Insert", "suffix": " bp", "format": "{:,.0f}"},
    "q30_share": {"title": "Q30", "min": 0, "max": 1, "format": "{:,.4f}"},
    "mismatch_rate": {"title": "Mismatches", "format": "{:,.5f}"},
    "forward_share": {"title": "Forward", "min": 0, "max": 1, "format": "{:,.4f}"},
    "at_dropout": {"title": "AT dropout", "format": "{:,.4f}"},
    "gc_dropout": {"title": "GC dropout", "format": "{:,.4f}"},
    "sex": {"title": "Sex", "description": "By the depth of X and Y"},
}
_PLOTS = {
    "insert_size": ("Insert sizes", "Bases", "Reads", "inward"),
    "cycle_quality": ("Base quality by cycle, read 1", "Cycle", "Mean quality", "1"),
    "gc_depth": ("Depth by GC", "GC of 100 bases, %", "Depth over the mean", None),
    "mapq": ("Mapping quality", "Mapping quality", "Reads", None),
}


def multiqc_reads_texts(files: pl.DataFrame, distributions: pl.DataFrame) -> dict[str, str]:
    """File name -> text, from TABLES["reads_qc"] and TABLES["reads_qc_distributions"]."""
    texts = {"reads_qc_mqc.json": content_text(_table(files))}
    prefixes = dict(files.select("file", "prefix").iter_rows())
    for measure, (title, x, y, group) in _PLOTS.items():
        rows = distributions.filter(
            (pl.col("measure") == measure) & pl.col("group").eq_missing(pl.lit(group, pl.Utf8))
        )
        if len(rows):
            texts[f"reads_qc_{measure}_mqc.json"] = content_text(
                _plot(measure, title, x, y, rows, prefixes)
            )
    return texts


def _table(files: pl.DataFrame) -> dict[str, Any]:
    present = [name for name in _COLUMNS if files[name].is_not_null().any()]
    data = {}
    for row in files.select("prefix", *present).to_dicts():
        name = row.pop("prefix")
        data[name] = {key: value for key, value in row.items() if value is not None}
    return {
        "id": "genomed_reads_qc",
        "section_name": "genomed: reads",
        "description": "Alignments as they were sequenced and mapped.",
        "plot_type": "table",
        "pconfig": {
            "id": "genomed_reads_qc_table",
            "title": "genomed: reads",
            "namespace": "genomed reads qc",
            "no_violin": True,
        },
        "headers": {name: _COLUMNS[name] for name in present},
        "data": data,
    }


def _plot(
    measure: str, title: str, x: str, y: str, rows: pl.DataFrame, prefixes: dict[str, str]
) -> dict[str, Any]:
    data: dict[str, dict[int, float]] = {}
    for file, key, value in rows.select("file", "key", "value").iter_rows():
        if value is not None:
            data.setdefault(prefixes[file], {})[key] = value
    return {
        "id": f"genomed_reads_{measure}",
        "section_name": f"genomed: {title[0].lower()}{title[1:]}",
        "plot_type": "linegraph",
        "pconfig": {
            "id": f"genomed_reads_{measure}_plot",
            "title": f"genomed: {title}",
            "xlab": x,
            "ylab": y,
        },
        "data": data,
    }
