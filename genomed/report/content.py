"""What a risk page is made of, and the digest of each model that page and terminal share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from genomed.ledger import REASONS, USED

if TYPE_CHECKING:
    from genomed.report.ancestry import AncestryPart
    from genomed.report.bundles import BundlesPart

__all__ = ["N_HIGHEST", "N_UNSCORED", "Fates", "ModelDigest", "RiskPage", "digest_models", "floats"]

N_HIGHEST = 10  # samples listed per model
N_UNSCORED = 5  # samples without a score listed per model

FOUND = ("exact", "swapped", "flipped", "flipped_swapped", "reads_alternative")
PROVED = ("hom_ref_called", "hom_ref_block", "reads_hom_ref")


@dataclass(frozen=True)
class RiskPage:
    """Everything that risk.html and the terminal summary show; plain values only.

    cohort         : path or name of the cohort, as the user gave it
    build_evidence : sentence that says why `build` was believed
    started        : time of the start, as text
    settings       : option -> value, as used
    models         : columns of schema.TABLES["models"], one row per model
    risk           : columns of schema.TABLES["risk"], one row per sample and model, any order
    ledger_counts  : model, reason, n (variants of the model); optionally share, their share of the
                     model's sum(weight^2 x 2p(1-p))
    top_variants   : model, variant_id, record, effect_allele, effect_weight,
                     effect_allele_frequency, share, reason; at most ten per model are shown
    record_counts  : figures of a schema.ReadCounts: n_records, n_passed_over, n_emitted, refused
                     (reason -> records), notes (leniency -> times)
    model_facts    : model -> citation, ancestry_discovery, licence, source, weight_type and
                     whatever else its header says
    warnings       : sentences
    ancestry       : where the cohort lies in a reference, None without --reference
    bundles        : what trained models predict, None without any
    """

    title: str
    cohort: str
    n_samples: int
    build: str | None
    build_evidence: str
    version: str
    command: str
    started: str
    seconds: float
    settings: Mapping[str, object]
    models: pl.DataFrame
    risk: pl.DataFrame
    ledger_counts: pl.DataFrame
    top_variants: pl.DataFrame
    record_counts: Mapping[str, Any]
    model_facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    ancestry: AncestryPart | None = None
    bundles: BundlesPart | None = None

    @property
    def coverage_limit(self) -> float | None:
        """The --min-weighted-coverage of the run, 0 to 1, where the settings hold it."""
        limit = self.settings.get("min_weighted_coverage")
        return float(limit) if isinstance(limit, int | float) else None


class Fates(NamedTuple):
    """How many variants of a model met each fate; the four groups add up to the model."""

    found: int  # as a variant of the cohort
    proved: int  # absent as a variant, proved hom-ref
    filled: int  # absent, assumed hom-ref or filled in from a reference
    lost: dict[str, int]  # reason code -> variants, most frequent first

    @property
    def n_used(self) -> int:
        """Variants that contribute to the score."""
        return self.found + self.proved + self.filled


@dataclass(frozen=True)
class ModelDigest:
    """One model's part of a RiskPage.

    row       : its row of `models`
    score     : float64 (scored samples,), finite, in the order of `risk`
    highest   : rows of `risk`, highest score first, at most N_HIGHEST; without the part of a
                crowd of equals at or under the cohort's mean
    n_tied    : samples beyond `highest` that share the last score in it
    unscored  : rows of `risk` without a finite score, lowest coverage first, at most N_UNSCORED
    fates     : reason code -> variants, in the order of REASONS
    shares    : reason code -> share of the model's weight, empty where not known
    called    : mean over samples of weighted_coverage, NaN where not known
    imputed   : mean over samples of imputed_share, NaN where not known
    """

    index: int
    row: Mapping[str, Any]
    score: np.ndarray
    n_rows: int
    highest: list[dict[str, Any]]
    n_tied: int
    unscored: list[dict[str, Any]]
    fates: dict[str, int]
    shares: dict[str, float]
    top_variants: list[dict[str, Any]]
    facts: Mapping[str, str]
    called: float
    imputed: float

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.row["model"])

    @property
    def n_unscored(self) -> int:
        """Rows of `risk` without a finite score."""
        return self.n_rows - len(self.score)

    def ranks(self) -> list[str]:
        """Rank of each of `highest`, from 1; equals share a rank and are marked with "="."""
        higher = [int((self.score > row["score"]).sum()) for row in self.highest]
        equal = [int((self.score == row["score"]).sum()) for row in self.highest]
        return [
            f"{n + 1}=" if ties > 1 else str(n + 1) for n, ties in zip(higher, equal, strict=True)
        ]

    def grouped_fates(self) -> Fates:
        """Fates in the four groups of the coverage bar."""
        lost = {reason: n for reason, n in self.fates.items() if reason not in USED and n}
        used = {reason: n for reason, n in self.fates.items() if reason in USED}
        found = sum(used.get(reason, 0) for reason in FOUND)
        proved = sum(used.get(reason, 0) for reason in PROVED)
        ordered = dict(sorted(lost.items(), key=lambda item: -item[1]))
        return Fates(found, proved, sum(used.values()) - found - proved, ordered)


def floats(table: pl.DataFrame, column: str) -> np.ndarray:
    """A numeric column as float64, NaN where null."""
    return table[column].cast(pl.Float64).to_numpy()


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _rows_of(table: pl.DataFrame, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Rows of each model in a table, ascending; one sort, however many models there are."""
    if table.is_empty():
        return {}
    known = list(dict.fromkeys(names))
    code = table["model"].cast(pl.String).cast(pl.Enum(known), strict=False).to_physical()
    small = pl.Int16 if len(known) < 2**15 else pl.Int64  # numpy sorts small integers by radix
    place = code.cast(small).fill_null(-1).to_numpy()
    order = np.argsort(place, kind="stable")
    cuts = np.searchsorted(place[order], np.arange(len(known) + 1))
    spans = zip(known, cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)
    return {name: order[start:stop] for name, start, stop in spans}


def _dicts_of(table: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Rows of a small table by model, as dicts."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in table.iter_rows(named=True):
        rows.setdefault(str(row["model"]), []).append(row)
    return rows


class _Scored(NamedTuple):
    """Rows of `risk` that one model's digest shows, and numbers over all of its rows."""

    score: np.ndarray
    n_rows: int
    n_tied: int
    highest: np.ndarray
    unscored: np.ndarray
    called: float
    imputed: float


def _scored(
    rows: np.ndarray, score: np.ndarray, coverage: np.ndarray, imputed: np.ndarray
) -> _Scored:
    """Find a model's highest samples, and those without a score; ties stay in cohort order."""
    score, coverage = score[rows], coverage[rows]
    finite = np.isfinite(score)
    known = score[finite]
    order = np.argsort(np.where(finite, -score, np.inf), kind="stable")
    highest, n_tied = _highest(score[order[: len(known)]])
    without = np.flatnonzero(~finite)
    return _Scored(
        score=known,
        n_rows=len(rows),
        n_tied=n_tied,
        highest=rows[order[:highest]],
        unscored=rows[without[np.argsort(coverage[without], kind="stable")][:N_UNSCORED]],
        called=_mean(coverage),
        imputed=_mean(imputed[rows]),
    )


def _highest(ordered: np.ndarray) -> tuple[int, int]:
    """How many of scores in falling order to list, and how many more equal the last one listed."""
    n = min(N_HIGHEST, len(ordered))
    if not n:
        return 0, 0
    last = ordered[n - 1]
    higher, up_to = int((ordered > last).sum()), int((ordered >= last).sum())
    with np.errstate(over="ignore"):
        crowd = up_to > n and higher > 0 and last <= ordered.mean()
    return (higher, 0) if crowd else (n, up_to - n)


def _fates(counts: Sequence[Mapping[str, Any]]) -> tuple[dict[str, int], dict[str, float]]:
    """Variants and share of weight by reason, in the order of REASONS."""
    order = {reason: place for place, reason in enumerate(REASONS)}
    ordered = sorted(counts, key=lambda row: (order.get(row["reason"], len(order)), row["reason"]))
    shares = {r["reason"]: r["share"] for r in ordered if r.get("share") is not None}
    return {row["reason"]: row["n"] for row in ordered}, shares


def digest_models(page: RiskPage) -> list[ModelDigest]:
    """Digest every model of the page, in the order of `page.models`."""
    models = page.models.to_dicts()
    names = [str(row["model"]) for row in models]
    rows_of, nothing = _rows_of(page.risk, names), np.empty(0, np.int64)
    columns = [floats(page.risk, c) for c in ("score", "weighted_coverage", "imputed_share")]
    parts = [_scored(rows_of.get(name, nothing), *columns) for name in names]
    shown = [rows for part in parts for rows in (part.highest, part.unscored)]
    found = iter(page.risk[np.concatenate([nothing, *shown])].to_dicts())
    counts, top = _dicts_of(page.ledger_counts), _dicts_of(page.top_variants)
    digests = []
    for index, (name, row, part) in enumerate(zip(names, models, parts, strict=True), start=1):
        fates, shares = _fates(counts.get(name, []))
        digests.append(
            ModelDigest(
                index=index,
                row=row,
                score=part.score,
                n_rows=part.n_rows,
                highest=list(islice(found, len(part.highest))),
                n_tied=part.n_tied,
                unscored=list(islice(found, len(part.unscored))),
                fates=fates,
                shares=shares,
                top_variants=top.get(name, [])[:N_HIGHEST],
                facts=page.model_facts.get(name, {}),
                called=part.called,
                imputed=part.imputed,
            )
        )
    return digests
