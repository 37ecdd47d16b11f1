"""MultiQC custom content: what a MultiQC report shows of a `structure` run.

Format: https://docs.seqera.io/multiqc/custom_content. Each file, known by its ending ``_mqc.json``,
is one section of the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from genomed.io.multiqc import content_text

__all__ = ["multiqc_structure"]

MAX_SAMPLES = 2000  # a report of more would not open in a browser
_COLOURS = (
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f",
    "#bcbd22", "#17becf",
)  # fmt: skip
_COLUMNS: dict[str, dict[str, Any]] = {
    "n_relatives": {"title": "Relatives", "description": "Pairs up to the least kinship told"},
    "duplicate_of": {"title": "Duplicate of"},
    "group": {"title": "Group"},
    "most_similar_population": {"title": "Most similar", "description": "Reference population"},
    "genetic_distance": {"title": "Distance", "format": "{:,.2f}"},
    "f_roh": {"title": "F ROH", "max": 1, "format": "{:,.4f}"},
    "PC1": {"title": "PC1", "format": "{:,.4f}"},
    "PC2": {"title": "PC2", "format": "{:,.4f}"},
}


def multiqc_structure(
    samples: pl.DataFrame, variants: Mapping[str, int], cohort: str
) -> dict[str, str]:
    """File name -> text.

    samples  : sample, and any of the columns above; null where not known
    variants : fate -> variants, see genomed.ledger.STRUCTURE
    """
    texts = {
        "structure_mqc.json": _samples(samples),
        "structure_variants_mqc.json": _variants(variants, cohort),
    }
    if {"PC1", "PC2"} <= set(samples.columns):
        texts["structure_pca_mqc.json"] = _components(samples)
    return {name: content_text(content) for name, content in texts.items()}


def _samples(samples: pl.DataFrame) -> dict[str, Any]:
    present = [name for name in _COLUMNS if name in samples.columns]
    present = [name for name in present if samples[name].is_not_null().any()]
    shown = samples.head(MAX_SAMPLES).select("sample", *present)
    data = {
        str(row.pop("sample")): {name: value for name, value in row.items() if value is not None}
        for row in shown.to_dicts()
    }
    left = samples.height - shown.height
    more = f" {left} more are in the tables." if left else ""
    return {
        "id": "genomed_structure",
        "section_name": "genomed: structure",
        "description": f"Relatives, ancestry and homozygosity of {samples.height} samples.{more}",
        "plot_type": "table",
        "pconfig": {
            "id": "genomed_structure_table",
            "title": "genomed: structure",
            "namespace": "genomed structure",
            "no_violin": True,
        },
        "headers": {name: _COLUMNS[name] for name in present},
        "data": data,
    }


def _variants(variants: Mapping[str, int], cohort: str) -> dict[str, Any]:
    return {
        "id": "genomed_structure_variants",
        "section_name": "genomed: variants of structure",
        "description": "Variants used for principal components, and the others by why not.",
        "plot_type": "bargraph",
        "pconfig": {
            "id": "genomed_structure_variants_plot",
            "title": "genomed: variants of structure",
            "ylab": "Variants",
        },
        "data": {cohort: {fate: n for fate, n in variants.items() if n}},
    }


def _components(samples: pl.DataFrame) -> dict[str, Any]:
    colour: dict[str | None, str] = {}
    data = {}
    groups = samples["group"] if "group" in samples.columns else pl.Series([None] * len(samples))
    placed = samples.with_columns(groups.cast(pl.Utf8).alias("group"))
    placed = placed.filter(pl.col("PC1").is_not_null(), pl.col("PC2").is_not_null())
    for name, x, y, group in placed.select("sample", "PC1", "PC2", "group").iter_rows():
        shade = colour.setdefault(group, _COLOURS[len(colour) % len(_COLOURS)])
        data[name] = {"x": x, "y": y, "color": shade, "name": group or name}
    return {
        "id": "genomed_structure_pca",
        "section_name": "genomed: principal components",
        "description": "Each point is a person; relatives are projected.",
        "plot_type": "scatter",
        "pconfig": {
            "id": "genomed_structure_pca_plot",
            "title": "genomed: principal components",
            "xlab": "PC1",
            "ylab": "PC2",
        },
        "data": data,
    }
