"""What the numbers of a model amount to, in words a statistician can quote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from genomed.report.content import ModelDigest, RiskPage
from genomed.report.tables import format_count, format_share, is_number, shares_apart

__all__ = ["Verdict", "flag_words", "no_score_reason", "score_unit", "verdict", "whole"]

IMPUTED_SHARE_OF_NOTE = 0.10  # of a model's weight; more than this filled in asks for care
COARSE_COHORT = 30  # samples; percentiles of fewer move by more than three per person

UNITS = {
    "log(or)": "sum of log odds ratios",
    "or": "sum of log odds ratios",
    "log(hr)": "sum of log hazard ratios",
    "hr": "sum of log hazard ratios",
    "beta": "sum of effect sizes, as the model gives them",
}

CAUTIONS = {  # flag of a model -> what it asks a reader to mind
    "build_unverified": "The genome build was not verified; a wrong one gives wrong scores.",
    "few_samples": "Missing calls were filled in with a mean over few samples.",
}


class Verdict(NamedTuple):
    """status: "usable", "care", "part" or "none"; word: the same for readers; sentences."""

    status: str
    word: str
    sentences: list[str]


def flag_words(flags: str | None) -> list[str]:
    """Semicolon-separated codes, such as flags or reasons, in words."""
    return [word.strip().replace("_", " ") for word in (flags or "").split(";") if word.strip()]


def score_unit(facts: Mapping[str, str]) -> str:
    """What one unit of the score is, from the weight type in the model's header."""
    kind = str(facts.get("weight_type") or "").strip().lower().replace(" ", "")
    return UNITS.get(kind, "sum of weight × effect alleles")


def verdict(page: RiskPage, model: ModelDigest) -> Verdict:
    """Say how many samples a model scored, on how much of it, and whether that can be used."""
    scored, total = len(model.score), model.n_rows or page.n_samples
    sentences = [
        f"{format_count(scored)} of {format_count(total)} samples scored.",
        _found(model),
    ]
    if not scored:
        return Verdict("none", "No score", [*sentences, _why_none(page, model)])
    cautions = _cautions(page, model)
    if model.n_unscored:
        have = "has" if model.n_unscored == 1 else "have"
        left = f"{format_count(model.n_unscored)} {have} no score, for reasons given below."
        return Verdict("part", "Scored in part", [*sentences, left, *cautions])
    if cautions:
        return Verdict("care", "Use with care", [*sentences, *cautions])
    return Verdict("usable", "Usable", sentences)


def _found(model: ModelDigest) -> str:
    matched, total = model.row["n_matched"], model.row["n_variants"]
    share = model.row["weighted_coverage"]
    text = f"{format_count(matched)} of {format_count(total)} variants found"
    if not is_number(share):
        return f"{text}; the share of the model's weight they carry is not known."
    return f"{text}, carrying {format_share(whole(share))} of the model's weight."


def whole(share: float | None) -> float | None:
    """A share without the last digits of a sum, so that all of it is one."""
    return round(float(share), 9) if is_number(share) else None  # type: ignore[arg-type]


def _why_none(page: RiskPage, model: ModelDigest) -> str:
    limit, share = page.coverage_limit, model.row["weighted_coverage"]
    if not page.n_samples:
        return "The cohort has no samples."
    if not model.row["n_matched"]:
        return "No variant of the model was found in the cohort; check the build and the IDs."
    if limit is not None and is_number(share) and share < limit:
        under, allowed = shares_apart(share, limit)
        return f"{under} is under the limit of {allowed} (--min-weighted-coverage)."
    if limit is not None:
        return f"No sample reaches the limit of {format_share(limit)} by its own calls."
    return "No sample has enough of the model called."


def _cautions(page: RiskPage, model: ModelDigest) -> list[str]:
    flags = str(model.row["flags"] or "").split(";")
    cautions = [CAUTIONS[flag] for flag in flags if flag in CAUTIONS]
    if model.imputed > IMPUTED_SHARE_OF_NOTE:
        share = format_share(model.imputed)
        cautions.append(f"{share} of its weight was filled in by the --missing rule, not called.")
    if len(model.score) > 1 and model.score.min() == model.score.max():
        cautions.append("All samples have the same score, so it ranks nobody.")
    elif 1 < len(model.score) < COARSE_COHORT:
        cautions.append(f"Percentiles among {len(model.score)} samples are coarse.")
    elif len(model.score) == 1:
        cautions.append("With one sample there is no cohort to compare it with.")
    return cautions


def no_score_reason(page: RiskPage, row: Mapping[str, Any]) -> str:
    """Say why a row of the risk table has no score."""
    score, coverage, limit = row["score"], row["weighted_coverage"], page.coverage_limit
    if score is not None and score in (float("inf"), float("-inf")):
        return "the score is not finite"
    if row["n_matched"] == 0:
        return "no variant of the model was found"
    if limit is not None and is_number(coverage) and coverage < limit:
        under, allowed = shares_apart(coverage, limit)
        return f"coverage {under} is under the limit of {allowed}"
    if row["flags"]:
        return ", ".join(flag_words(row["flags"]))
    return "the run gave no reason"
