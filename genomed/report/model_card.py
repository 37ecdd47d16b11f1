"""The card of a model: what it is, what it was learned from, how good it is, and for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

__all__ = ["model_card", "verdict_sentence"]

_SHOWN = ("r2", "auroc", "c_index", "brier", "calibration_slope", "ece",
          "integrated_calibration", "observed_expected", "coverage")  # fmt: skip


def verdict_sentence(kept: Sequence[str], gain: Mapping[str, float] | None) -> str:
    """Whether anything beat the linear model, in a sentence.

    kept : stages beyond the linear one that are part of the model
    gain : measure, full, linear, difference, low, high on the test people; None without a test
    """
    if not kept:
        return "Nothing beat the linear model on people it was not fitted to: this is that model."
    names = " and ".join([", ".join(kept[:-1]), kept[-1]] if len(kept) > 1 else kept)
    said = f"Beyond the linear model, {names} told people better who were not learned from"
    if gain is None:
        return f"{said}; no test people were set aside."
    sure = "" if gain["low"] > 0 else ", which may be chance"
    return (
        f"{said}: on the test people {gain['measure']} is {gain['full']:.3f} instead of "
        f"{gain['linear']:.3f} (difference {gain['difference']:+.3f}, "
        f"{gain['low']:+.3f} to {gain['high']:+.3f}{sure})."
    )


def model_card(facts: Mapping[str, Any], metrics: pl.DataFrame) -> str:
    """The card as Markdown.

    facts   : what model.json says
    metrics : set · group · model · measure · n · value · low · high
    """
    people = facts["people"]
    lines = [
        f"# {_plain(facts['name'])}",
        "",
        facts["verdict"],
        "",
        "## What it is",
        "",
        f"A model of the {facts['trait']['kind']} trait {_plain(facts['trait']['name'])} on "
        f"{facts['build']}, made by genomed {facts['version']}. It reads "
        f"{facts['n_variants']:,} variants and {len(facts['covariates']['names'])} columns of "
        "covariates"
        + (f" ({', '.join(map(_plain, facts['covariates']['names']))})."
           if facts["covariates"]["names"] else "."),
        "",
        "Stage after stage, judged by people each stage was not fitted to (share of the deviance "
        "that it explains in addition, and its standard error):",
        "",
        "| stage | kept | gain | error | why |",
        "|---|---|---|---|---|",
        *(
            f"| {v['stage']} | {'yes' if v['accepted'] else 'no'} | {v['share']:+.4f} | "
            f"{v['share_error']:.4f} | {_plain(v['reason'])} |"
            for v in facts["stages"]
        ),
        "",
        "## What it was learned from",
        "",
        f"{people['develop']:,} people ({people['test']:,} more were set aside as test"
        + (f"; {people['cases']:,} cases or events among those learned from" if
           people.get("cases") is not None else "")
        + f"), {facts['variants_offered']:,} variants of minor allele frequency "
        f"{facts['settings']['min_maf']:g} or more on chromosomes 1 to 22.",
        "",
        *_groups(people["groups"]),
        "## How good it is",
        "",
        *_metrics(metrics),
        *_privacy(facts.get("privacy")),
        "## What it is meant for, and what not",
        "",
        "- For research on people like those it was learned from. In other ancestries its figures "
        "do not hold; compare genetic distance with `genomed risk --reference`.",
        "- A variant that is missing in a cohort counts as the mean of those learned from; "
        "`genomed risk` says how much of the model that leaves.",
        "- It is not a medical device, and no single figure here is a diagnosis.",
        *(f"- {_plain(warning)}" for warning in facts["warnings"]),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text that cannot become Markdown, HTML or a new line."""
    cleaned = "".join(c if c.isprintable() else " " for c in str(text))
    for mark in "\\`*_[]<>|#":
        cleaned = cleaned.replace(mark, f"\\{mark}" if mark not in "<>" else " ")
    return cleaned


def _groups(groups: Mapping[str, int]) -> list[str]:
    if not groups:
        return ["Nothing was said of their ancestry.", ""]
    told = ", ".join(f"{_plain(name)} {n:,}" for name, n in groups.items())
    return [f"Ancestry groups among those learned from: {told}.", ""]


def _privacy(facts: Mapping[str, Any] | None) -> list[str]:
    """What a promise of privacy covers, and what it does not."""
    if facts is None:
        return []
    epsilon, delta = facts["asked_for"]
    lines = ["## Privacy", ""]
    if facts["ledger"] is None:
        told = f"A net of epsilon {epsilon:g} and delta {delta:g} was asked for, and is no part of"
        return [*lines, f"{told} this model: nothing in it is private.", ""]
    spent = facts["ledger"]
    return [
        *lines,
        f"The weights of the net keep ({spent['epsilon']:.3g}, {spent['delta']:g})-differential "
        f"privacy ({spent['accountant']}; noise {spent['noise_multiplier']:.3g} times the norm of "
        f"{spent['clip']:g} that each person's gradient was cut to, {spent['steps']:,} batches, "
        f"each person in one of {1 / spent['sample_rate']:.3g}, at random).",
        "",
        "Not private are the linear part, pairs and products with covariates; which variants the "
        "net reads; the frequencies they are coded by; means and levels of covariates; the "
        "calibration, the figures, and that the net was kept. Whoever needs all of these to be "
        "private cannot hand this model out.",
        "",
    ]


def _metrics(metrics: pl.DataFrame) -> list[str]:
    """A table of measures, the linear model beside the full one."""
    if not len(metrics):
        return ["No test people were set aside, so there are no figures.", ""]
    lines = ["| people | n | measure | full model | linear model |", "|---|---|---|---|---|"]
    rows = metrics.filter(pl.col("measure").is_in(_SHOWN))
    for (group, measure), part in rows.group_by("group", "measure", maintain_order=True):
        by = {row["model"]: row for row in part.to_dicts()}
        cells = [_value(by.get(name)) for name in ("full", "linear")]
        n = max(row["n"] for row in by.values())
        lines.append(f"| {_plain(str(group))} | {n:,} | {measure} | {cells[0]} | {cells[1]} |")
    return [*lines, "", "In brackets: 95 % intervals by bootstrap over the test people.", ""]


def _value(row: Mapping[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return ""
    if row["low"] is None:
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
