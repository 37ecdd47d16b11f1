"""MultiQC custom content: what a MultiQC report of the same directory shows of a `qc` run.

Format: https://docs.seqera.io/multiqc/custom_content. Each file, known by its ending ``_mqc.json``,
is one section of the report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

__all__ = ["content_text", "multiqc_texts"]

MAX_SAMPLES = 2000  # a report of more would not open in a browser: those that fail come first

_COLUMNS: dict[str, dict[str, Any]] = {
    "call_rate": {"title": "Call rate", "max": 1, "scale": "RdYlGn", "format": "{:,.4f}"},
    "f": {"title": "F", "description": "Inbreeding coefficient", "format": "{:,.4f}"},
    "titv": {"title": "Ti/Tv", "format": "{:,.3f}"},
    "het_hom_ratio": {"title": "Het/hom", "format": "{:,.3f}"},
    "n_singleton": {"title": "Singletons", "format": "{:,.0f}"},
    "x_f": {"title": "F on X", "format": "{:,.3f}"},
    "y_call_rate": {"title": "Y calls", "max": 1, "format": "{:,.3f}"},
    "sex": {"title": "Sex", "description": "As the calls have it"},
    "declared_sex": {"title": "Declared"},
    "reason": {"title": "Fails for", "description": "Reasons; empty where the sample passes"},
}


def multiqc_texts(
    cohort: str,
    samples: pl.DataFrame,
    variants: Mapping[str, Any],
    reasons: Mapping[str, str],
    judged: Mapping[str, Any],
) -> dict[str, str]:
    """File name -> text.

    samples  : columns of TABLES["qc_samples"]
    variants : kept, and dropped by reason
    reasons  : reason -> what it means
    judged   : measured and kept samples
    """
    return {
        "qc_samples_mqc.json": content_text(_samples(samples, judged)),
        "qc_variants_mqc.json": content_text(_variants(cohort, variants, reasons)),
    }


def _samples(samples: pl.DataFrame, judged: Mapping[str, Any]) -> dict[str, Any]:
    shown = samples.sort("pass", maintain_order=True).head(MAX_SAMPLES)
    present = [name for name in _COLUMNS if shown[name].is_not_null().any()]
    rows = shown.select("sample", *present).to_dicts()
    data = {
        str(row.pop("sample")): {name: value for name, value in row.items() if value is not None}
        for row in rows
    }
    left = len(samples) - len(shown)
    more = f" {left} more that pass are in samples.tsv." if left else ""
    return {
        "id": "genomed_qc_samples",
        "section_name": "genomed: samples",
        "description": f"{judged['kept']} of {judged['measured']} samples pass.{more}",
        "plot_type": "table",
        "pconfig": {
            "id": "genomed_qc_samples_table",
            "title": "genomed: samples",
            "namespace": "genomed qc",
            "no_violin": True,
        },
        "headers": {name: _COLUMNS[name] for name in present},
        "data": data,
    }


def _variants(
    cohort: str, variants: Mapping[str, Any], reasons: Mapping[str, str]
) -> dict[str, Any]:
    counts = {"kept": variants["kept"], **variants["dropped"]}
    meaning = "; ".join(f"{code}: {reasons[code]}" for code in variants["dropped"])
    return {
        "id": "genomed_qc_variants",
        "section_name": "genomed: variants",
        "description": f"Variants kept, and dropped by the first reason. {meaning}".strip(),
        "plot_type": "bargraph",
        "pconfig": {
            "id": "genomed_qc_variants_plot",
            "title": "genomed: variants",
            "ylab": "Variants",
        },
        "data": {cohort: counts},
    }


def content_text(content: Mapping[str, Any]) -> str:
    """The text of a file of custom content."""
    # no indent: with one, Python's own encoder is used, which takes ten times as long
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"
