"""Which run read what which other run wrote, and what each did with its records.

A record names its inputs by path, as they were given. A path belongs to a run where the end of one
of that run's files is the same; of several runs the one with the longest common end.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from genomed.ledger import CONVERTED, LENIENCIES, QC_SAMPLES, QC_VARIANTS, REASONS, STRUCTURE
from genomed.report.run_records import RunRecord
from genomed.report.run_sankey import Loss, Step

__all__ = ["chain_of", "learned_step", "people_step", "variant_step"]

STORES = (".pgen", ".bed", ".pvar", ".bim", ".pvar.zst")
MEANINGS = {**LENIENCIES, **REASONS, **CONVERTED, **QC_SAMPLES, **QC_VARIANTS, **STRUCTURE}
OWN_MEANINGS = {
    "passed_over": "at no place that was asked for",
    "split": "records with several ALT alleles become a row for each",
    "no_row": "records that prove calls of others, and make no row",
    "unaccounted": "this is a fault in genomed, or the results are of different runs",
    "not_read": "the next step was given a part of them, or another file",
    "several_alts": "more than one ALT in its record",
    "repeated": "the same position and alleles as a row before",
}


def chain_of(run: RunRecord, runs: Sequence[RunRecord]) -> list[list[RunRecord]]:
    """The runs that lead to this one, first ones first, and it: runs of one step together."""
    chain, seen = [[run]], {id(run)}
    while True:
        parents = [p for p in _parents(chain[0], runs) if id(p) not in seen]
        if not parents:
            return chain
        seen |= {id(p) for p in parents}
        chain.insert(0, parents)


def _parents(children: Sequence[RunRecord], runs: Sequence[RunRecord]) -> list[RunRecord]:
    found: dict[int, RunRecord] = {}
    for child in children:
        for path in child.record.get("inputs") or {}:
            if not path.endswith(STORES):
                continue
            scored = [(_common(path, own), run) for run in runs for own in _written(run)
                      if run is not child]  # fmt: skip
            best = max((score for score, _ in scored), default=0)
            writers = {id(run): run for score, run in scored if score == best and best}
            if len(writers) == 1:
                found |= writers
    return list(found.values())


def _written(run: RunRecord) -> list[str]:
    """Stores that a run wrote, as far as its record tells."""
    if run.command == "convert":
        link = run.files.get("run.json", "").removesuffix(".run.json")  # as the page has it
        prefix = "/".join(part for part in PurePosixPath(link).parts if part != "..")
        return [prefix + ending for ending in STORES]  # those of parts may be gone by now
    given = _option(run, "--write")
    return [given + ending for ending in STORES] if given and run.command == "qc" else []


def _option(run: RunRecord, name: str) -> str | None:
    line = (run.record.get("run") or {}).get("command_line")
    try:
        words = shlex.split(line or "")
    except ValueError:
        return None
    for place, word in enumerate(words):
        if word == name and place + 1 < len(words):
            return words[place + 1]
        if word.startswith(f"{name}="):
            return word.removeprefix(f"{name}=")
    return None


def _common(one: str, other: str) -> int:
    """Parts that both paths end with; 0 unless the shorter path is all of that."""
    a, b = PurePosixPath(one).parts[::-1], PurePosixPath(other).parts[::-1]
    same = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        same += 1
    return same if same == min(len(a), len(b)) else 0


def _losses(counts: Mapping[str, int]) -> list[Loss]:
    return [
        Loss(code.replace("_", " "), int(count), _meaning(code), code == "passed_over")
        for code, count in counts.items()
        if count
    ]


def _meaning(code: str) -> str:
    text = OWN_MEANINGS.get(code) or MEANINGS.get(code) or ""
    return text.removeprefix("dropped: ")


def _added(tables: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for table in tables:
        total.update(table)
    return total


def _balanced(name: str, n_in: int, lost: dict[str, int], rows: int, n_out: int) -> Step:
    """A step whose sums agree; what cannot be told goes by a name of its own.

    rows : what the records that were not lost became, before `lost` rows were left out
    """
    gains: dict[str, int] = {}
    difference = rows - n_in
    if difference > 0:
        gains["split"] = difference
    elif difference < 0:
        lost = {**lost, "no_row": -difference}
    rest = n_in + sum(gains.values()) - sum(lost.values()) - n_out
    if rest > 0:
        lost = {**lost, "unaccounted": rest}
    elif rest < 0:
        gains["unaccounted"] = gains.get("unaccounted", 0) - rest
    return Step(name, n_in, _losses(lost), _losses(gains), n_out)


def variant_step(runs: Sequence[RunRecord]) -> Step | None:
    """What runs of one command did with records and variants; None where they do not tell."""
    steps = [step for step in map(_variant_step, runs) if step is not None]
    if not steps:
        return None
    return _merged(steps)


def _merged(steps: Sequence[Step]) -> Step:
    first = steps[0]
    if len(steps) == 1:
        return first
    losses = _by_reason([loss for step in steps for loss in step.losses])
    gains = _by_reason([gain for step in steps for gain in step.gains])
    n_in, n_out = sum(s.n_in for s in steps), sum(s.n_out for s in steps)
    return Step(f"{first.name}, {len(steps):,} runs", n_in, losses, gains, n_out)


def _by_reason(losses: Sequence[Loss]) -> list[Loss]:
    first = {loss.reason: loss for loss in reversed(losses)}
    total = _added([{loss.reason: loss.n} for loss in losses])
    return [first[reason]._replace(n=count) for reason, count in total.items()]


def _variant_step(run: RunRecord) -> Step | None:
    record = run.record
    if run.command == "convert":
        return _converted(record.get("records") or [])
    if run.command == "qc":
        return _checked(record)
    variants = record.get("variants")
    if run.command == "structure" and isinstance(variants, dict):
        lost = dict(variants["dropped"])
        return _balanced("structure", variants["read"], lost, variants["read"], variants["kept"])
    if run.command == "train" and isinstance(variants, dict):
        lost = {code: count for code, count in variants.items() if code != "kept"}
        n_in = sum(variants.values())
        return _balanced("train", n_in, lost, n_in, variants["kept"])
    return None


def _converted(inputs: Sequence[Mapping[str, Any]]) -> Step:
    refused = _added([one["refused"] for one in inputs])
    dropped = _added([one["dropped"] for one in inputs])
    passed_over = sum(one["passed_over"] for one in inputs)
    n_in = sum(one["records"] for one in inputs)
    read = n_in - passed_over - sum(refused.values())
    rows = sum(one["rows"] for one in inputs)
    lost = _added([{"passed_over": passed_over}, refused, dropped])
    stored = sum(one["stored"] for one in inputs)
    return _balanced("convert", n_in, lost, n_in + rows - read, stored)


def _checked(record: Mapping[str, Any]) -> Step:
    counts, variants = record["records"], record["variants"]
    n_in, measured = counts["n_records"], variants["measured"]
    lost = _added([{"passed_over": counts["n_passed_over"]}, counts["refused"],
                   variants["dropped"]])  # fmt: skip
    read = n_in - counts["n_passed_over"] - sum(counts["refused"].values())
    return _balanced("qc", n_in, lost, n_in + measured - read, variants["kept"])


def people_step(runs: Sequence[RunRecord]) -> Step | None:
    """What runs of one command did with people; None where they do not tell."""
    run, record = runs[0], runs[0].record
    if run.command == "qc":
        counts = record["samples"]
        measured = counts["measured"]
        return _balanced("qc", measured, dict(counts["dropped"]), measured, counts["kept"])
    if run.command == "train" and isinstance(record.get("people"), dict):
        people = record["people"]
        n_in = sum(people.values())
        lost = Loss("without trait or covariates", people.get("not used", 0),
                    "no value of the trait, or of a covariate that is needed", True)  # fmt: skip
        test = Loss("kept for the test", people.get("test", 0),
                    "nothing is learned from them: they measure the model", True)  # fmt: skip
        return Step("train", n_in, [lost, test], [], people.get("develop", 0))
    if run.command == "structure":
        kinship = (record.get("steps") or {}).get("kinship")
        if kinship:
            n_in, unrelated = int(record["samples"]), int(kinship["unrelated"])
            lost = Loss("relatives", n_in - unrelated,
                        "components are found without them; they are projected", True)  # fmt: skip
            return Step("structure", n_in, [lost], [], unrelated)
    return None


def learned_step(run: RunRecord, runs: Sequence[RunRecord]) -> Step | None:
    """Variants of a trained model among the candidates, where a run of risk used the model."""
    variants, out = run.record.get("variants"), _option(run, "--out")
    if run.command != "train" or not isinstance(variants, dict) or out is None:
        return None
    for other in runs:
        table = other.tables.get("models") if other.command == "risk" else None
        if table is None:
            continue
        sizes = [size for path, size in table.select("source", "n_variants").iter_rows()
                 if path == out]  # fmt: skip
        if len(sizes) == 1 and sizes[0] <= variants["kept"]:
            n_in, size = int(variants["kept"]), int(sizes[0])
            lost = Loss(
                "without a weight", n_in - size, "the model that was chosen needs them not", True
            )
            return Step("model", n_in, [lost], [], size)
    return None
