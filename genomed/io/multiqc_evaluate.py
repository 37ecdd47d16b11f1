"""MultiQC custom content: what a MultiQC report shows of an `evaluate` run.

Format: https://docs.seqera.io/multiqc/custom_content.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from genomed.io.multiqc import content_text

__all__ = ["multiqc_evaluate"]


def multiqc_evaluate(trait: str, metrics: pl.DataFrame, words: Mapping[str, str]) -> str:
    """The text of ``evaluate_mqc.json``: one row per prediction, one column per measure.

    metrics : columns of TABLES["evaluate_metrics"]
    words   : measure -> its name for people
    """
    known = metrics.filter(pl.col("value").is_not_null())
    data: dict[str, dict[str, float]] = {}
    for name, measure, value in known.select("prediction", "measure", "value").iter_rows():
        data.setdefault(f"{trait}: {name}", {})[measure] = value
    measures = known["measure"].unique(maintain_order=True).to_list()
    content = {
        "id": "genomed_evaluate",
        "section_name": "genomed: predictions",
        "description": f"Measures of predictions of {trait}; intervals are in metrics.tsv.",
        "plot_type": "table",
        "pconfig": {
            "id": "genomed_evaluate_table",
            "title": "genomed: predictions",
            "namespace": "genomed evaluate",
            "no_violin": True,
        },
        "headers": {m: {"title": words.get(m, m), "format": "{:,.4f}"} for m in measures},
        "data": data,
    }
    return content_text(content)
