"""From sums to the tables a user reads: risk per sample, models, and the ledger."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from genomed.ledger import USED
from genomed.schema import ScoreModel
from genomed.scores.matching import Entries
from genomed.scores.polygenic import ScoreSums

__all__ = ["ModelShares", "ledger_table", "models_table", "risk_table", "variance_shares"]

FEW_SAMPLES = 50  # below this many, a cohort mean is a poor guess for a missing call


@dataclass(frozen=True)
class ModelShares:
    """Shares of sum(weight^2 x 2p(1-p)) of each model.

    share   : float64 (entries,), of each entry in its model
    total   : float64 (models,), the sum itself (0 for a model without weight)
    matched : float64 (models,), share of the entries in use
    """

    share: np.ndarray
    total: np.ndarray
    matched: np.ndarray


def variance_shares(entries: Entries, sums: ScoreSums, n_models: int) -> ModelShares:
    """Complete the variances of entries that were not used, and take each one's share.

    p is the reference (or the model file's) frequency where known, else the cohort's; where neither
    is known, 2p(1-p) is the model's mean over known variants, and 1/2 if none is. Refused rows count
    too, with their weight (0 where it is no number), but repeated ones do not. In a model without
    any variance (all weights 0, or everybody alike at every variant) each variant counts the same.
    """
    table = entries.table
    model = table["model"].to_numpy()
    slope = np.nan_to_num(table["slope"].cast(float).fill_null(0.0).to_numpy())
    known = sums.reference_frequency
    p = np.where(np.isnan(known), sums.frequency, known)
    spread = 2 * p * (1 - p)
    filled = np.where(np.isnan(spread), 0.0, spread)
    n_known = np.bincount(model, ~np.isnan(spread), minlength=n_models)
    total = np.bincount(model, filled, minlength=n_models)
    mean = np.divide(total, n_known, out=np.full(n_models, 0.5), where=n_known > 0)
    variance = slope**2 * np.where(np.isnan(spread), mean[model], spread)
    repeated = entries.reason == "duplicate_in_model"
    variance[repeated] = 0.0
    model_total = np.bincount(model, variance, minlength=n_models)
    variance = np.where(model_total[model] > 0, variance, ~repeated)
    whole = np.bincount(model, variance, minlength=n_models)
    share = np.divide(variance, whole[model], out=np.zeros_like(variance), where=whole[model] > 0)
    used = np.isin(entries.reason.astype(str), USED)
    return ModelShares(
        share, model_total, np.bincount(model[used], share[used], minlength=n_models)
    )


def risk_table(
    models: list[ScoreModel],
    samples: list[str],
    entries: Entries,
    sums: ScoreSums,
    shares: ModelShares,
    min_weighted_coverage: float,
    model_flags: list[list[str]],
) -> pl.DataFrame:
    """The columns of TABLES["risk"], models in order, samples in the cohort's order."""
    model = entries.table["model"].to_numpy()
    used = np.isin(entries.reason.astype(str), USED)
    imputed = entries.reason == "imputed_reference"
    frames = []
    for m, score_model in enumerate(models):
        mine = used & (model == m)
        total = shares.total[m]
        lost = (
            sums.missing_share[m] / total
            if total > 0
            else sums.n_missing[m] * float(shares.share[model == m].max(initial=0.0))
        )
        constant = float(shares.share[mine & imputed].sum())
        coverage = np.clip(shares.matched[m] - constant - lost, 0.0, 1.0)
        left_out = sums.missing in ("drop", "zero-dosage")
        alleles = sums.alleles[mine].sum() - (
            sums.missing_alleles[m] if sums.missing == "drop" else 0.0
        )
        score = sums.sums[m].copy()
        enough = (coverage >= min_weighted_coverage) & mine.any()
        score[~enough] = np.nan
        average = np.divide(score, alleles, out=np.full(len(samples), np.nan), where=alleles > 0)
        flags = np.array(["low_coverage", ""], object)[enough.astype(int)]
        common = ";".join(f for f in model_flags[m] if f != "low_coverage")
        if common:
            flags = np.array([f"{f};{common}" if f else common for f in flags], object)
        frames.append(
            pl.DataFrame(
                {
                    "sample": samples,
                    "model": [score_model.name] * len(samples),
                    "trait": [score_model.trait] * len(samples),
                    "score": score,
                    "average": average,
                    "cohort_z": _z(score),
                    "cohort_percentile": _percentile(score),
                    "n_matched": np.full(len(samples), mine.sum(), np.int64),
                    "n_missing_calls": sums.n_missing[m],
                    "weighted_coverage": coverage,
                    "imputed_share": constant + (0.0 if left_out else 1.0) * lost,
                    "flags": flags.tolist(),
                },
                schema_overrides=dict.fromkeys(("sample", "model", "trait", "flags"), pl.Utf8),
            ).with_columns(pl.col(pl.Float64).fill_nan(None))
        )
    return pl.concat(frames)


def _z(score: np.ndarray) -> np.ndarray:
    known = score[~np.isnan(score)]
    sd = known.std(ddof=1) if len(known) > 1 else 0.0
    if not sd > 1e-12 * max(1.0, float(np.abs(known).max(initial=0.0))):
        return np.full(len(score), np.nan)
    return (score - known.mean()) / sd


def _percentile(score: np.ndarray) -> np.ndarray:
    """Share of known scores below each, ties counted half, 0 to 100."""
    known = np.sort(score[~np.isnan(score)])
    if len(known) < 2:
        return np.full(len(score), np.nan)
    below = np.searchsorted(known, score, side="left") + np.searchsorted(known, score, side="right")
    return np.where(np.isnan(score), np.nan, 50.0 * below / len(known))


def models_table(
    models: list[ScoreModel],
    builds: list[str | None],
    entries: Entries,
    shares: ModelShares,
    risk: pl.DataFrame,
    flags: list[list[str]],
) -> pl.DataFrame:
    """The columns of TABLES["models"], one row per model in the order of the run."""
    reasons = pl.DataFrame({"model": entries.table["model"], "reason": entries.reason.astype(str)})
    counts = {(m, r): n for m, r, n in reasons.group_by("model", "reason").len().iter_rows()}
    scores = {key[0]: frame["score"] for key, frame in risk.group_by("model", maintain_order=True)}
    rows = []
    for m, model in enumerate(models):
        n = {reason: counts.get((m, reason), 0) for reason in USED}
        matched = sum(n.values())
        score = scores.get(model.name, pl.Series([], dtype=pl.Float64))
        rows.append(
            {
                "model": model.name,
                "trait": model.trait,
                "source": model.source,
                "build": builds[m] or None,
                "n_variants": model.variants.height,
                "n_matched": matched,
                "n_exact": n["exact"],
                "n_swapped": n["swapped"],
                "n_flipped": n["flipped"] + n["flipped_swapped"],
                "n_hom_ref": n["hom_ref_called"] + n["hom_ref_block"] + n["hom_ref_assumed"],
                "n_dropped": model.variants.height - matched,
                "weighted_coverage": float(shares.matched[m]),
                "score_mean": score.mean(),
                "score_sd": score.std() if len(score) > 1 else None,
                "n_null": score.null_count(),
                "flags": ";".join(flags[m]),
            }
        )
    return pl.DataFrame(
        rows, schema_overrides={"build": pl.Utf8, "score_mean": pl.Float64, "score_sd": pl.Float64}
    )


def ledger_table(
    models: list[ScoreModel],
    entries: Entries,
    sums: ScoreSums,
    shares: ModelShares,
    records: pl.DataFrame,
) -> pl.DataFrame:
    """The columns of TABLES["ledger"], one row per model variant, in the order of the models' files.

    records : entry, record (text), record_line of the matched entries
    """
    table = entries.table
    names = pl.Series("model", [m.name for m in models])
    n_called = pl.Series(sums.n_called)
    return (
        table.select(
            "entry",
            names[table["model"].to_numpy()].alias("model"),
            "source_line",
            "variant_id",
            "contig",
            "position",
            "effect_allele",
            "other_allele",
            "effect_weight",
            "effect_type",
            pl.Series("reason", entries.reason.astype(str)),
        )
        .join(records, on="entry", how="left", maintain_order="left")
        .with_columns(
            pl.Series("effect_allele_frequency", sums.frequency).fill_nan(None),
            pl.Series("n_called", n_called).replace(-1, None),
            pl.Series("share", shares.share),
        )
        .drop("entry")
    )
