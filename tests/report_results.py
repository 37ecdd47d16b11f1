"""Directories of results as commands leave them, for any number of people.

Scores are drawn, so that nothing has to be run: what the pages are tested for is their size, their
speed, and that no name in the tables is taken for markup.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl

from genomed.settings import QcSettings

HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(2)</script>",
    "' onmouseover='alert(3)",
    "__proto__",
    "</style></title><iframe src=//evil.example>",
    "abc\u202egnp.cod",
    "-->]]>",
    "x" * 3000,
]
GROUPS = ("AFR", "AMR", "EAS", "EUR", "SAS")
LIMIT = 0.75


def write_results(folder, n, *, names=(), models=("heart", "height", "PGS000001"), seed=1):
    """Runs of qc, reads qc, train, risk, evaluate and explain below a folder; the samples' names.

    names  : of the first samples; the others are S000000 ...
    models : a bundle that predicts a probability, one that predicts a value, and scoring files
    """
    rng = np.random.default_rng(seed)
    samples = [*names, *(f"S{i:06d}" for i in range(n - len(names)))]
    group = rng.integers(0, len(GROUPS), n)
    _write_qc(folder / "qc" / "c", samples, group, rng)
    _write_reads(folder / "reads" / "c", samples[0])
    _write_risk(folder / "risk" / "c", samples, group, models, rng)
    kinds = ("binary", "quantitative")
    for model, kind in zip(models, kinds, strict=False):
        _write_train(folder / "models" / f"{model}.training", model, kind)
    _write_evaluate(folder / "evaluate" / models[0], models[0])
    _write_explain(folder / "explain" / models[0], models[0], samples, rng)
    return samples


def _record(folder, command, **facts):
    counts = {"n_records": 10, "n_passed_over": 0, "n_emitted": 10, "refused": {}, "notes": {}}
    record = {
        "program": "genomed",
        "version": "0.1.0",
        "command": command,
        "seed": 1,
        "inputs": {},
        "settings": {},
        "packages": {},
        "warnings": [],
        "records": counts,
        "run": {"command_line": f"genomed {command}", "started": "2026-01-01 00:00:00 UTC"},
    }
    Path(folder).mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(record | facts))


def _write(folder, name, table):
    folder.mkdir(parents=True, exist_ok=True)
    table.write_parquet(folder / f"{name}.parquet")
    table.write_csv(folder / f"{name}.tsv", separator="\t", quote_style="never")


def _write_qc(folder, samples, group, rng):
    n = len(samples)
    table = pl.DataFrame(
        {
            "sample": samples,
            "group": [GROUPS[g] for g in group],
            "call_rate": 1 - rng.beta(1, 80, n),
            "f": rng.normal(0, 0.02, n),
            "titv": rng.normal(2.1, 0.03, n),
            "het_hom_ratio": rng.normal(1.6, 0.1, n),
            "n_singleton": rng.integers(0, 50, n),
            "x_f": rng.normal(0, 0.1, n),
            "y_call_rate": 0.0,
            "declared_sex": "female",
            "sex": "female",
            "sex_status": "ok",
            "pass": rng.random(n) > 0.01,
        }
    ).with_columns(reason=pl.when(pl.col("pass")).then(pl.lit("")).otherwise(pl.lit("outlier")))
    folder.mkdir(parents=True, exist_ok=True)
    table.write_parquet(folder / "samples.parquet")
    kept = int(table["pass"].sum())
    counts = {"measured": n, "kept": kept, "dropped": {"outlier": n - kept}}
    _record(folder, "qc", samples=counts, variants={"measured": 10, "kept": 10, "dropped": {}},
            settings=asdict(QcSettings()))  # fmt: skip


def _write_reads(folder, sample):
    """A file of reads that name a person and are another's."""
    file = {"file": "a.bam", "prefix": "a", "sample": sample}
    measures = {"n_reads": 1000, "mapped_share": 0.99, "duplicate_share": 0.1, "mean_depth": 31.0,
                "callable_share": 0.9, "insert_median": 350.0, "q30_share": 0.9,
                "mismatch_rate": 0.001, "sex": "female"}  # fmt: skip
    identity = {"n_sites": 1500, "contamination": 0.0, "contamination_low": 0.0,
                "contamination_high": 0.01, "identity": "swapped"}  # fmt: skip
    _write(folder, "files", pl.DataFrame([file | measures]))
    names = {"best_match": pl.lit(None, pl.String), "contaminant": pl.lit(None, pl.String)}
    _write(folder, "identity", pl.DataFrame([file | identity]).with_columns(**names))
    _record(folder, "reads qc")


def _write_risk(folder, samples, group, models, rng):
    tables = [_scores(samples, group, m, place, rng) for place, m in enumerate(models)]
    table = pl.concat(tables)
    folder.mkdir(parents=True, exist_ok=True)
    table.write_parquet(folder / "risk.parquet")
    table.head(100).write_csv(folder / "risk.tsv", separator="\t")
    rows = [
        f"{m}\ttrait of {m}\t{'models/' + m + '.zip' if i < 2 else m + '.txt'}\tGRCh38\t100\t98\t90"
        f"\t8\t0\t0\t2\t0.97\t0.1\t1.0\t3\t"
        for i, m in enumerate(models)
    ]
    columns = (
        "model", "trait", "source", "build", "n_variants", "n_matched", "n_exact", "n_swapped",
        "n_flipped", "n_hom_ref", "n_dropped", "weighted_coverage", "score_mean", "score_sd",
        "n_null", "flags",
    )  # fmt: skip
    head = "\t".join(columns)
    (folder / "models.tsv").write_text("\n".join([head, *rows]) + "\n")
    _record(folder, "risk", settings={"min_weighted_coverage": LIMIT})


def _scores(samples, group, model, place, rng):
    n = len(samples)
    score = rng.normal(0.2 * group, 1.0)
    coverage = 1 - rng.beta(1, 60, n)
    coverage[rng.random(n) < 0.003] = 0.4
    score[coverage < LIMIT] = np.nan
    known = np.isfinite(score)
    rank = np.full(n, np.nan)
    rank[known] = (np.argsort(np.argsort(score[known])) + 0.5) / known.sum() * 100
    odds = 1 / (1 + np.exp(4 - score))
    prediction = {0: odds, 1: 170 + 7 * score}.get(place, np.full(n, np.nan))
    spread = {0: 0.3 * odds, 1: np.full(n, 9.0)}.get(place, np.full(n, np.nan))
    pick, size = rng.integers(0, 100, (n, 3)), rng.normal(0, 0.5, (n, 3))
    held = rng.integers(0, 3, (n, 3))
    moved = [
        "; ".join(f"rs{1000 + v}={h} {s:+.3g}" for v, h, s in zip(*three, strict=True))
        for three in zip(pick.tolist(), held.tolist(), size.tolist(), strict=True)
    ]
    return pl.DataFrame(
        {
            "sample": samples,
            "model": model,
            "trait": f"trait of {model}",
            "score": score,
            "cohort_z": score,
            "cohort_percentile": rank,
            "n_matched": 98,
            "n_missing_calls": rng.integers(0, 3, n),
            "weighted_coverage": coverage,
            "imputed_share": 1 - coverage,
            "flags": "",
            "prediction": prediction,
            "prediction_low": prediction - spread,
            "prediction_high": prediction + spread,
            "moved_most": moved if place < 2 else [""] * n,
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))


def _write_train(folder, model, kind):
    measure = "auroc" if kind == "binary" else "r2"
    rows = [
        {"set": "test", "group": g, "model": m, "measure": measure, "n": 300, "value": v,
         "low": v - 0.04, "high": v + 0.04}
        for g in ("all", *GROUPS) for m, v in (("full", 0.74), ("linear", 0.71))
    ]  # fmt: skip
    stages = [
        {"stage": s, "accepted": kept, "gain": g, "error": e, "share": g, "share_error": e,
         "reason": "what it adds"}
        for s, kept, g, e in (("linear", True, 0.3, 0.02), ("pairs", True, 0.05, 0.01),
                              ("net", False, 0.001, 0.004))
    ]  # fmt: skip
    trait = {"trait": f"trait of {model}", "kind": kind, "stages": stages, "metrics": rows,
             "verdict": "Beyond the linear model, pairs told people better."}  # fmt: skip
    _record(folder, "train", traits=[trait], people={"develop": 700, "test": 300},
            variants={"kept": 5000, "low_maf": 100}, settings={"interval": 0.9})  # fmt: skip


def _write_evaluate(folder, model):
    def rows(name, value):
        return {"prediction": name, "measure": "auroc", "value": value, "low": value - 0.03,
                "high": value + 0.03, "n": 300, "n_cases": 60, "reason": ""}  # fmt: skip

    _write(folder, "metrics", pl.DataFrame([rows("prediction", 0.74),
                                            rows("linear_prediction", 0.71)]))  # fmt: skip
    x = np.linspace(0.05, 0.95, 10)
    curve = pl.DataFrame({"prediction": "prediction", "curve": "calibration", "x": x, "y": x**1.1,
                          "low": x * 0.8, "high": np.minimum(x * 1.2, 1.0), "n": 30})  # fmt: skip
    _write(folder, "curves", curve)
    read = f"models/{model}.training/predictions.tsv.gz"
    _record(folder, "evaluate",
            trait={"name": f"trait of {model}", "kind": "binary", "coding": "0 and 1",
                   "people": 300, "cases": 60},
            scales={"prediction": "probability", "linear_prediction": "probability"},
            thresholds={"prediction": 0.2}, settings={"level": 0.95, "n_draws": 100},
            inputs={read: {"bytes": 1, "sha256": "0"}})  # fmt: skip


def _write_explain(folder, model, samples, rng):
    n = 40
    size = np.sort(rng.random(n))[::-1]
    parts = {part: size / 5 for part in ("linear", "ancestry", "pairs", "covariates", "net")}
    table = pl.DataFrame(
        {"variant": [f"rs{1000 + i}" for i in range(n)], "contig": "1",
         "position": np.arange(n) + 1, "id": "", "ref": "A", "alt": "G",
         "alt_allele_frequency": rng.random(n), "reason": "exact", "n_called": 300,
         "mean_abs_contribution": size, "share": size / size.sum(),
         "effect_per_copy": rng.normal(0, 1, n), "direction": "raises", **parts,
         "net_sd": size / 20}
    )  # fmt: skip
    _write(folder, "variants", table)
    first = pl.DataFrame(
        {"sample": [s for s in samples[:20] for _ in range(3)], "kind": "variant",
         "rank": [1, 2, 3] * len(samples[:20]), "term": ["rs1", "rs2", "rs3"] * len(samples[:20]),
         "call": "1", "contribution": [0.5, -0.3, 0.1] * len(samples[:20])}
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    first.write_parquet(folder / "person_terms.parquet")
    _record(folder, "explain", bundle={"name": model, "trait": model, "base_value": 0.0},
            people=len(samples),
            checks=[{"name": "largest_completeness_error", "passed": True, "told": "t",
                     "value": 1e-15}])  # fmt: skip
