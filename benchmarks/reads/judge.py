"""Hold calls against the truth: F1 by type, calibration of GQ, areas of scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from genomed.io.fasta import Fasta
from genomed.io.truth_set import read_calls, read_confident
from genomed.regions import Region
from genomed.stats.call_accuracy import accuracy, calibration_error, precision_recall_area
from genomed.stats.truth_match import Match, inside_intervals, match_calls

__all__ = ["TYPES", "Truth", "judge", "qualities", "read_truth", "score_areas"]

TYPES = {"snp": True, "indel": False}
MIN_QUAL = {"freebayes": 20.0, "bcftools": 20.0}  # a peer is judged with and without


class Truth(NamedTuple):
    """What is known of a donor.

    complete : regions where all that is missed is known
    certain  : regions where all that is wrong is known
    """

    calls: pl.DataFrame
    complete: pl.DataFrame
    certain: pl.DataFrame
    fasta: Fasta


def read_truth(truth: Path, complete: Path | str, certain: Path | str, reference: Path) -> Truth:
    """complete, certain : a BED, or a region (contig:first-last)."""
    return Truth(read_calls(truth), _regions(complete), _regions(certain), Fasta(reference))


def _regions(where: Path | str) -> pl.DataFrame:
    if isinstance(where, Path):
        return read_confident(where)
    contig, start, end = Region.parse(where)
    return pl.DataFrame({"contig": [contig], "start": [start], "end": [end]})


def judge(calls: Path, truth: Truth, caller: str) -> dict[str, Any]:
    """Accuracy of a caller by type, as it is and above a QUAL of 20 for peers."""
    table = read_calls(calls)
    made: dict[str, Any] = {"all": _rates(table, truth)}
    if caller in MIN_QUAL:
        kept = table.filter(pl.col("score") >= MIN_QUAL[caller])
        made["quality_20"] = _rates(kept, truth)
    return made


def _rates(table: pl.DataFrame, truth: Truth) -> dict[str, Any]:
    match = _match(table, truth)
    return {name: accuracy(match, snps=snps)._asdict() for name, snps in TYPES.items()}


def qualities(calls: Path, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """GQ of the records called within the confident regions; whether all their alleles are true."""
    table = read_calls(calls, score="GQ")
    match = _match(table, truth)
    records = (
        match.calls.group_by("record")
        .agg(pl.col("score").first(), pl.col("matched").all(), pl.col("inside").all())
        .filter("inside")
        .sort("record")
    )
    return records["score"].fill_null(0).to_numpy(), records["matched"].to_numpy()


def calibration(parts: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Error of GQ over the calls of several sets."""
    quality = np.concatenate([one for one, _ in parts])
    return calibration_error(quality, np.concatenate([two for _, two in parts]))


def score_areas(
    plain: Path, scored: Path, filtered: Path, truth: Truth, field: str = "CNN_LOD"
) -> dict[str, dict[str, float]]:
    """By type: areas under precision and recall by QUAL and by our score of the same calls, and
    the precision of both where recall is that of the hard filter.

    Both tell whether an allele is there, not in what number: the number is forgiven here."""
    by = {
        name: _match(read_calls(path, score=score), truth)
        for name, path, score in (("QUAL", plain, "QUAL"), (field, scored, field))
    }
    hard = _match(read_calls(filtered), truth)
    found: dict[str, dict[str, float]] = {}
    for name, snps in TYPES.items():
        _, right, n_truth = _scores(hard, snps)
        recall = float(right.sum() / max(n_truth, 1))
        precision = float(right.mean()) if len(right) else float("nan")
        made = {"hard_precision": precision, "hard_recall": recall}
        for label, match in by.items():
            score, right, n_truth = _scores(match, snps)
            made[f"{label}_area"] = precision_recall_area(score, right, n_truth)
            made[f"{label}_precision_there"] = _precision_at(score, right, n_truth, recall)
        found[name] = made
    return found


def _match(table: pl.DataFrame, truth: Truth) -> Match:
    match = match_calls(truth.calls, table, truth.fasta.sequence, truth.certain)
    if truth.complete.equals(truth.certain):
        return match
    start = match.truth["position"].to_numpy() - 1
    end = start + match.truth["ref"].str.len_bytes().to_numpy()
    inside = inside_intervals(match.truth["contig"], start, end, truth.complete)
    return Match(match.truth.with_columns(inside=pl.Series(inside)), match.calls)


def _scores(match: Match, snps: bool) -> tuple[np.ndarray, np.ndarray, int]:
    calls = match.calls.filter(pl.col("inside") & (pl.col("is_snp") == snps))
    n_truth = match.truth.filter(pl.col("inside") & (pl.col("is_snp") == snps)).height
    score = calls["score"].fill_null(float("nan")).to_numpy()
    right = (calls["matched"] | calls["genotype_error"]).to_numpy()
    return score, right, n_truth


def _precision_at(score: np.ndarray, right: np.ndarray, n_truth: int, recall: float) -> float:
    """Precision of the best calls that find as much of the truth."""
    order = np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")
    true = np.cumsum(right[order])
    enough = np.flatnonzero(true >= recall * n_truth - 1e-9)
    return float(true[enough[0]] / (enough[0] + 1)) if len(enough) else float("nan")
