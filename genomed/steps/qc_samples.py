"""The table of samples of a `qc` run: measures, sex, outliers, and who passes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import polars as pl

from genomed.ledger import QC_SAMPLES
from genomed.settings import QcSettings
from genomed.stats.mendel import MendelSums
from genomed.stats.samples import SampleMeasures, outliers
from genomed.stats.sex import STATUSES, check_sex
from genomed.steps.qc_people import People

__all__ = ["sample_reasons", "samples_table"]

_SEX = {1: "male", 2: "female", 0: None}


def samples_table(
    people: People, measures: SampleMeasures, mendel: MendelSums, settings: QcSettings
) -> pl.DataFrame:
    """One row per sample, with the columns of TABLES["qc_samples"]."""
    columns = _measures(people, measures)
    sex = check_sex(
        people.sex,
        measures.x.f,
        measures.x.n,
        columns["y_call_rate"],
        max_female_f=settings.max_female_f,
        min_male_f=settings.min_male_f,
        min_n_x=settings.min_x_variants,
    )
    columns["declared_sex"] = [_SEX[one] for one in people.sex.tolist()]
    columns["sex"] = [_SEX[one] for one in sex.sex.tolist()]
    columns["sex_status"] = [STATUSES[one] for one in sex.status.tolist()]
    n = len(people.sex)
    has_trios = len(people.trios.child) > 0
    columns["n_mendel"] = mendel.of_samples(n) if has_trios else [None] * n
    columns["mendel_rate"] = mendel.of_children(n)
    columns["outlier"] = _outliers(people, columns, settings)
    reasons = _reasons(measures, columns, settings)
    columns["pass"] = [not reason for reason in reasons]
    columns["reason"] = [";".join(reason) for reason in reasons]
    order = [
        "sample", "group", "n_eligible", "n_called", "call_rate", "n_hom_ref", "n_het",
        "n_hom_alt", "n_hap_ref", "n_hap_alt", "n_het_haploid", "n_transition", "n_transversion",
        "titv", "n_singleton", "het_hom_ratio", "n_f", "hom_observed", "hom_expected", "f", "n_x",
        "x_f", "y_call_rate", "declared_sex", "sex", "sex_status", "n_mendel", "mendel_rate",
        "outlier", "pass", "reason",
    ]  # fmt: skip
    texts = {"sample", "group", "declared_sex", "sex", "sex_status", "outlier", "reason"}
    schema: dict[str, Any] = {name: pl.Utf8 for name in order if name in texts}
    schema |= {"n_mendel": pl.Int64, "pass": pl.Boolean}
    frame = pl.DataFrame({name: columns[name] for name in order}, schema_overrides=schema)
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def sample_reasons(table: pl.DataFrame) -> Counter[str]:
    """Samples by the first reason for which they do not pass."""
    failed = table.filter(~pl.col("pass"))["reason"]
    return Counter(text.split(";")[0] for text in failed.to_list())


def _measures(people: People, m: SampleMeasures) -> dict[str, Any]:
    names = people.group_names
    group = None if people.group is None else people.group.tolist()
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "sample": people.samples,
            "group": [None if group is None or g < 0 else names[g] for g in group or people.sex],
            "n_eligible": m.n_eligible,
            "n_called": m.n_called,
            "call_rate": _ratio(m.n_called, m.n_eligible),
            "n_hom_ref": m.n_hom_ref,
            "n_het": m.n_het,
            "n_hom_alt": m.n_hom_alt,
            "n_hap_ref": m.n_hap_ref,
            "n_hap_alt": m.n_hap_alt,
            "n_het_haploid": m.n_het_haploid,
            "n_transition": m.n_transition,
            "n_transversion": m.n_transversion,
            "titv": _ratio(m.n_transition, m.n_transversion),
            "n_singleton": m.n_singleton,
            "het_hom_ratio": m.het_hom_ratio,
            "n_f": m.inbreeding.n,
            "hom_observed": m.inbreeding.observed,
            "hom_expected": m.inbreeding.expected,
            "f": m.inbreeding.f,
            "n_x": m.x.n,
            "x_f": m.x.f,
            "y_call_rate": m.n_y_called / m.n_y if m.n_y else np.full(len(people.sex), np.nan),
        }


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)


def _outliers(people: People, columns: dict[str, Any], settings: QcSettings) -> list[str]:
    """Of each sample, the columns in which it is one."""
    n = len(people.sex)
    found: list[list[str]] = [[] for _ in range(n)]
    group = np.zeros(n, np.int64) if people.group is None else people.group
    usual = ("f", "titv") if people.group is None else ("f", "titv", "het_hom_ratio")
    for name in (settings.outlier_columns or usual) if settings.outlier_mads else ():
        values = np.asarray(columns[name], np.float64)
        chosen, distance = outliers(values, group, settings.outlier_mads, settings.min_group)
        for i in np.flatnonzero(chosen).tolist():
            found[i].append(f"{name}:{distance[i]:+.2f}")
    return [";".join(names) for names in found]


def _reasons(m: SampleMeasures, columns: dict[str, Any], settings: QcSettings) -> list[list[str]]:
    no_calls = (m.n_eligible > 0) & (m.n_called == 0)
    low = ~no_calls & (m.n_called < settings.min_sample_call_rate * m.n_eligible)
    failed = {
        "no_calls": no_calls,
        "low_call_rate": low,
        "sex_mismatch": np.array([s == "mismatch" for s in columns["sex_status"]], np.bool_),
        "mendel": columns["mendel_rate"] > settings.max_sample_mendel,
        "outlier": np.array([bool(text) for text in columns["outlier"]], np.bool_),
    }
    reasons: list[list[str]] = [[] for _ in range(len(low))]
    for code in QC_SAMPLES:
        for i in np.flatnonzero(failed[code]).tolist():
            reasons[i].append(code)
    return reasons
