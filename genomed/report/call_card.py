"""The card of a caller, and the same for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from genomed.report.terminal import safe_line

__all__ = ["call_card", "caller_summary", "caller_verdict"]

_MEASURES = "| stage | kind | sites | wrong | -ln p of the truth | calibration error |"


def caller_verdict(facts: Mapping[str, Any]) -> str:
    """Whether any net beat the likelihood of the reads, in a sentence."""
    unseen = (
        "in libraries that nothing was learned from"
        if facts.get("judged_by")
        else "on pieces of genome that they had not seen"
    )
    nets = [v for v in facts["verdicts"] if "net" in v["stage"].split()]
    kept = [v["stage"] for v in nets if v["accepted"]]
    if not kept:
        return (
            f"No net beat the likelihood of the reads {unseen}: this is the likelihood caller, "
            "calibrated."
        )
    failed = [v["stage"] for v in nets if not v["accepted"]]
    said = (
        f"{unseen[0].upper()}{unseen[1:]}, these told genotypes better than the likelihood of the "
        f"reads did, and got not more of them wrong: {', '.join(kept)}."
    )
    return said + (f" Left out, as they did not: {', '.join(failed)}." if failed else "")


def call_card(facts: Mapping[str, Any]) -> str:
    """The card as Markdown, from what model.json says."""
    sites = facts["sites"]
    lines = [
        f"# {facts['name']}",
        "",
        facts["verdict"],
        "",
        "## What it is",
        "",
        f"A caller of genotypes for `genomed reads call` and `reads score`, made by genomed "
        f"{facts['version']} with seed {facts['settings']['seed']}: the likelihood of the "
        "realigned reads, with a prior, and behind it a calibration for SNPs and for indels. "
        "Between them stands what was tried and kept, as the table says: a fit of the likelihood; "
        "a net over the pileup of 33 positions and the evidence of the reads (dilated residual "
        "convolutions, a bidirectional GRU); for ambiguous sites a net over the reads themselves "
        f"(convolutions, attention over reads). It has {facts['n_weights']:,} weights.",
        "",
        "| stage | kept | gain of ln p | error | why |",
        "|---|---|---|---|---|",
        *(
            f"| {v['stage']} | {'yes' if v['accepted'] else 'no'} | {v['gain']:+.5f} | "
            f"{v['error']:.5f} | {v['reason']} |"
            for v in facts["verdicts"]
        ),
        "",
        "## What it was learned from",
        "",
        f"{sites['learn']:,} candidate sites to learn from, {sites['stop']:,} to stop and "
        f"calibrate by, {sites['judge']:,} to judge by, in {sites['blocks']:,} pieces of genome, "
        f"none of them in two of the three{_judges(facts)}. The same reads at several depths count "
        "as several sites.",
        "",
        "| reads | depth | sites | SNP sites | indel sites | left out: truth is another allele |",
        "|---|---|---|---|---|---|",
        *(
            f"| {s['reads']} | {s['depth']:.1f} | {s['sites']:,} | {s['snps']:,} | "
            f"{s['indels']:,} | {s['other_allele']:,} |"
            for s in facts["sources"]
        ),
        "",
        "## How good it is",
        "",
        "On the sites that were judged by. Wrong: the best diplotype is not the true one.",
        "",
        _MEASURES,
        "|---|---|---|---|---|---|",
        *(_measure_row(m) for m in facts["measures"]),
        "",
        "By depth, of what was kept:",
        "",
        _MEASURES.replace("| stage |", "| depth |"),
        "|---|---|---|---|---|---|",
        *(_measure_row(m) for m in facts["by_depth"]),
        "",
        "These are rates over candidate sites; sites that are no candidates are not among them.",
        "",
        "## What it is meant for, and what not",
        "",
        "- For short reads of diploid genomes, 5 to 40 times deep, mapped by bwa mem or alike. It "
        "has not seen long reads, tumours, pooled samples or ancient DNA.",
        "- Simulated reads are not real ones: their errors are a model of errors.",
        "- It is not a medical device.",
        "",
    ]
    return "\n".join(lines)


def _judges(facts: Mapping[str, Any]) -> str:
    judges = facts.get("judged_by")
    return f"; those to judge by are all of {' and '.join(judges)}" if judges else ""


def _measure_row(m: Mapping[str, Any]) -> str:
    return (
        f"| {m['stage']} | {m['kind']} | {m['n']:,} | {m['n_wrong']:,} | {m['deviance']:.5f} | "
        f"{m['calibration_error']:.4f} |"
    )


def caller_summary(console: Console, facts: Mapping[str, Any], out: Path) -> None:
    """Print what was learned and kept."""
    console.print(safe_line(facts["verdict"]), soft_wrap=True)
    for verdict in facts["verdicts"]:
        line = safe_line(f"  {verdict['stage']}: {verdict['reason']}")
        console.print(line, soft_wrap=True)
    for m in facts["measures"]:
        told = (
            f"  {m['stage']:<30}{m['kind']:<7}{m['n_wrong']:>6,} of {m['n']:>8,} wrong, "
            f"calibration error {m['calibration_error']:.4f}"
        )
        console.print(safe_line(told), soft_wrap=True)
    console.print(safe_line(f"Caller: {out}"), soft_wrap=True)
