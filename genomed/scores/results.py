"""From sums to the tables a user reads: risk per sample, models, and the ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl

from genomed.ledger import USED
from genomed.schema import ScoreModel
from genomed.scores.matching import Entries
from genomed.scores.polygenic import ScoreSums

__all__ = [
    "ModelShares",
    "ledger_table",
    "models_table",
    "reason_counts",
    "risk_table",
    "top_variants",
    "variance_shares",
]

MODELS_IN_FULL = 30  # models whose top variants the page shows
FEW_SAMPLES = 50  # below this many, a cohort mean is a poor guess for a missing call


@dataclass(frozen=True)
class ModelShares:
    """Shares of sum(weight^2 x 2p(1-p)) of each model.

    share   : per family, float64 (entries of the family, its members)
    total   : float64 (models,), the sum itself (0 for a model without weight)
    matched : float64 (models,), share of the entries in use
    imputed : float64 (models,), share of the entries filled in for everybody
    n_used  : int64 (models,), entries in use
    alleles : float64 (models,), alleles they have in one person
    """

    share: list[np.ndarray]
    total: np.ndarray
    matched: np.ndarray
    imputed: np.ndarray
    n_used: np.ndarray
    alleles: np.ndarray


def variance_shares(entries: Entries, sums: ScoreSums, n_models: int) -> ModelShares:
    """Complete the variances of entries that were not used, and take each one's share.

    p is the reference (or the model file's) frequency where known, else the cohort's; where neither
    is known, 2p(1-p) is the model's mean over known variants, and 1/2 if none is. Refused rows
    count too, with their weight (0 where it is no number), but repeated ones do not. In a model
    without any variance (all weights 0, or everybody alike) each variant counts the same.
    """
    slope = np.nan_to_num(entries.table["slope"].cast(float).fill_null(0.0).to_numpy())
    p = sums.reference_frequency
    spread = np.where(np.isnan(sums.spread), 2 * p * (1 - p), sums.spread)
    used = np.isin(entries.reason.astype(str), USED)
    imputed = entries.reason == "imputed_reference"
    repeated = entries.reason == "duplicate_in_model"
    shares: list[np.ndarray] = []
    total, matched, filled, alleles = np.zeros((4, n_models))
    n_used = np.zeros(n_models, np.int64)
    for family in entries.families:
        rows, members = family.rows, family.members
        here = spread[rows]
        mean = np.nanmean(here) if not np.isnan(here).all() else 0.5
        weight = slope[rows, None] if family.weights is None else np.nan_to_num(family.weights)
        variance = weight**2 * np.where(np.isnan(here), mean, here)[:, None]
        variance[repeated[rows]] = 0.0
        total[members] = variance.sum(axis=0)
        variance = np.where(total[members] > 0, variance, ~repeated[rows, None])
        whole = variance.sum(axis=0)
        share = np.divide(variance, whole, out=np.zeros(variance.shape), where=whole > 0)
        shares.append(share)
        matched[members] = share[used[rows]].sum(axis=0)
        filled[members] = share[imputed[rows]].sum(axis=0)
        n_used[members] = used[rows].sum()
        alleles[members] = sums.alleles[rows][used[rows]].sum()
    return ModelShares(shares, total, matched, filled, n_used, alleles)


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
    n_models, n = sums.sums.shape
    each = np.zeros(n_models)  # of a variant, in a model whose variants all count the same
    for family, share in zip(entries.families, shares.share, strict=True):
        each[family.members] = share.max(axis=0, initial=0.0)
    total = shares.total[:, None]
    lost = np.where(
        total > 0,
        np.divide(sums.missing_share, total, out=np.zeros((n_models, n)), where=total > 0),
        sums.n_missing * each[:, None],
    )
    coverage = np.clip((shares.matched - shares.imputed)[:, None] - lost, 0.0, 1.0)
    alleles = np.repeat(shares.alleles[:, None], n, axis=1)
    if sums.missing == "drop":
        alleles -= sums.missing_alleles
    elif sums.has_unfilled:
        alleles -= sums.unfilled_alleles
    enough = (coverage >= min_weighted_coverage) & (shares.n_used > 0)[:, None]
    score = np.where(enough, sums.sums, np.nan)
    average = np.divide(score, alleles, out=np.full((n_models, n), np.nan), where=alleles > 0)
    filled = np.zeros((n_models, n)) if sums.missing in ("drop", "zero-dosage") else lost
    if sums.has_unfilled and sums.missing not in ("drop", "zero-dosage"):
        rest = sums.unfilled_share
        filled = filled - np.divide(rest, total, out=np.zeros_like(rest), where=total > 0)
    of_model = np.repeat(np.arange(n_models), n)
    flags = [[f for f in said if f != "low_coverage"] for said in model_flags]
    words = [";".join(f) for f in flags] + [";".join(["low_coverage", *f]) for f in flags]
    texts = {
        "sample": pl.Series(samples, dtype=pl.Utf8)[np.tile(np.arange(n), n_models)],
        "model": pl.Series([m.name for m in models], dtype=pl.Utf8)[of_model],
        "trait": pl.Series([m.trait for m in models], dtype=pl.Utf8)[of_model],
    }
    numbers = {
        "score": score,
        "average": average,
        "cohort_z": np.array([_z(s) for s in score]),
        "cohort_percentile": np.array([_percentile(s) for s in score]),
        "n_matched": np.repeat(shares.n_used[:, None], n, axis=1),
        "n_missing_calls": sums.n_missing,
        "weighted_coverage": coverage,
        "imputed_share": shares.imputed[:, None] + filled,
    }
    return pl.DataFrame(
        texts
        | {name: values.reshape(-1) for name, values in numbers.items()}
        | {"flags": pl.Series(words, dtype=pl.Utf8)[of_model + n_models * ~enough.reshape(-1)]}
    ).with_columns(pl.col(pl.Float64).fill_nan(None))


def _z(score: np.ndarray) -> np.ndarray:
    known = score[~np.isnan(score)]
    sd = known.std(ddof=1) if len(known) > 1 else 0.0
    if not sd > 1e-12 * max(1.0, float(np.abs(known).max(initial=0.0))):
        return np.full(len(score), np.nan)
    return (score - known.mean()) / sd


def _percentile(score: np.ndarray) -> np.ndarray:
    """Share of known scores below each, ties counted half, 0 to 100."""
    order = np.argsort(score)  # NaN comes last
    known = score[order[: len(score) - np.count_nonzero(np.isnan(score))]]
    percentile = np.full(len(score), np.nan)
    if len(known) < 2:
        return percentile
    edges = np.flatnonzero(np.diff(known)) + 1  # of runs of equal scores
    first, stop = np.concatenate([[0], edges]), np.concatenate([edges, [len(known)]])
    percentile[order[: len(known)]] = np.repeat(50.0 * (first + stop) / len(known), stop - first)
    return percentile


def models_table(
    models: list[ScoreModel],
    builds: list[str | None],
    entries: Entries,
    shares: ModelShares,
    risk: pl.DataFrame,
    flags: list[list[str]],
) -> pl.DataFrame:
    """The columns of TABLES["models"], one row per model in the order of the run."""
    counts: dict[int, Counter[str]] = {}
    for family in entries.families:
        of_family = Counter(entries.reason[family.rows])
        counts |= {m: of_family for m in family.members.tolist()}
    n_samples = risk.height // max(1, len(models))
    rows = []
    for m, model in enumerate(models):
        n = counts[m]
        matched = sum(n[reason] for reason in USED)
        score = risk["score"].slice(m * n_samples, n_samples)
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
                "n_hom_ref": n["hom_ref_called"]
                + n["hom_ref_block"]
                + n["hom_ref_assumed"]
                + n["reads_hom_ref"],
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
    entries: Entries, sums: ScoreSums, shares: ModelShares, records: pl.DataFrame
) -> pl.DataFrame:
    """The columns of TABLES["ledger"], one row per model variant, in the order of the model files.

    Scores that are columns of one table, over the same variants, share their rows: `model` names
    the table then, and effect_weight and share are null.

    records : entry, record (text), record_line of the matched entries
    """
    table = entries.table
    labels = np.empty(table.height, object)
    share = np.full(table.height, np.nan)
    for family, shares_of in zip(entries.families, shares.share, strict=True):
        labels[family.rows] = family.label
        if family.weights is None:
            share[family.rows] = shares_of[:, 0]
    alone = pl.Series(~np.isnan(share))
    return (
        table.select(
            "entry",
            pl.Series("model", labels.tolist(), dtype=pl.Utf8),
            "source_line",
            "variant_id",
            "contig",
            "position",
            "effect_allele",
            "other_allele",
            pl.when(alone).then("effect_weight").alias("effect_weight"),
            "effect_type",
            pl.Series("reason", entries.reason.tolist(), dtype=pl.Utf8),
        )
        .join(records, on="entry", how="left", maintain_order="left")
        .with_columns(
            pl.Series("effect_allele_frequency", sums.frequency).fill_nan(None),
            pl.Series("n_called", sums.n_called).replace(-1, None),
            pl.Series("share", share).fill_nan(None),
        )
        .drop("entry")
    )


def reason_counts(
    models: list[ScoreModel], entries: Entries, shares: ModelShares, kept: list[int]
) -> pl.DataFrame:
    """One row per model and reason: model, reason, n (variants), share (of its variance)."""
    rows: list[tuple[str, str, int, float]] = []
    for family, share in zip(entries.families, shares.share, strict=True):
        reasons, number = np.unique(entries.reason[family.rows].astype(str), return_inverse=True)
        counts = np.bincount(number, minlength=len(reasons))
        of_reason = [share[number == r].sum(axis=0) for r in range(len(reasons))]
        for i, m in enumerate(family.members.tolist()):
            if m in kept:
                rows += [
                    (models[m].name, str(reason), int(counts[r]), float(of_reason[r][i]))
                    for r, reason in enumerate(reasons)
                ]
    schema = {"model": pl.Utf8, "reason": pl.Utf8, "n": pl.Int64, "share": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def top_variants(
    models: list[ScoreModel],
    entries: Entries,
    ledger: pl.DataFrame,
    shares: ModelShares,
    kept: list[int],
    n: int = 10,
) -> pl.DataFrame:
    """Rows of the ledger with the largest shares of each model, `n` at most, under its own name."""
    frames = []
    for family, share in zip(entries.families, shares.share, strict=True):
        here = ledger.slice(family.rows.start, family.rows.stop - family.rows.start)
        for i, m in enumerate(family.members.tolist()):
            if m in kept[:MODELS_IN_FULL]:
                order = np.argsort(-share[:, i], kind="stable")[:n]
                weight = here["effect_weight"] if family.weights is None else family.weights[:, i]
                frames.append(
                    here.with_columns(
                        pl.lit(models[m].name).alias("model"),
                        pl.Series("effect_weight", weight),
                        pl.Series("share", share[:, i]),
                    )[order].filter(pl.col("share") > 0)
                )
    return pl.concat(frames) if frames else ledger.clear()
