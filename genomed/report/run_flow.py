"""The chapter on what became of the records: what came in, was kept, was left out, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from genomed.ledger import LENIENCIES, REASONS, USED
from genomed.report.markup import Html, element, join, label
from genomed.report.run_chain import chain_of, learned_step, people_step, variant_step
from genomed.report.run_records import (
    Finding,
    Part,
    ReportData,
    RunRecord,
    card,
    figure_from,
    file_link,
    source,
)
from genomed.report.run_sankey import Loss, Step, sankey
from genomed.report.run_scores import FATES, MODELS
from genomed.report.svg import figure_of
from genomed.report.tables import Column, format_count, format_share, html_table

__all__ = ["NEEDS", "chapter"]

TALL, LOW = 190.0, 120.0  # heights of flows of variants and of people
MOST_MODELS = 12  # of a risk run with a flow of their own
NOTE = (
    "Every record has one fate at each step. Amber: left out, with the reason; grey: set aside; "
    "green: rows that a record with several ALT alleles was split into. Point at a band for its "
    "meaning."
)
CSS = """
.link.in{fill:var(--ok);opacity:.45}.link.aside{fill:var(--hatch)}.node.aside{fill:var(--soft)}
.t.big{font:600 17px var(--serif);fill:var(--ink)}
.flow{margin:16px 0 0}.flow .plot{min-width:760px}
.flow>h4 small{text-transform:none;letter-spacing:0;font-weight:400;margin-left:.5rem}
"""
LAST = {
    "convert": "stored",
    "qc": "pass",
    "structure": "used for components",
    "train": "candidates",
}
LAST_PEOPLE = {"qc": "pass", "structure": "unrelated", "train": "learned from"}
NEEDS = (MODELS, FATES)


def chapter(data: ReportData) -> Part | None:
    """Flows of variants and people from run to run; None where no run counts any."""
    flows = [
        *(flow for chain in _chains(data) for flow in _chain_flows(data, chain)),
        *(flow for run in data.of("risk") for flow in _risk_flows(data, run)),
    ]
    if not flows:
        return None
    body = join([element("p", NOTE, class_="note"), *flows, _leniencies(data)])
    return Part("flow", "What became of the records", "Records", body, _findings(data), CSS)


def _chains(data: ReportData) -> list[list[list[RunRecord]]]:
    """Chains that are not the beginning of another."""
    ends = [run for word in ("train", "structure", "qc", "convert") for run in data.of(word)]
    chains, led = [], set()
    for run in ends:
        if id(run) in led:
            continue
        chain = chain_of(run, data.runs)
        chains.append(chain)
        led |= {id(one) for stage in chain for one in stage}
    return sorted(chains, key=lambda chain: [data.runs.index(run) for run in chain[-1]])


def _steps(chain: Sequence[Sequence[RunRecord]], *, people: bool) -> list[tuple[Step, RunRecord]]:
    """The steps of a chain, each with a run of it; what lies between two of them is told."""
    found: list[tuple[Step, RunRecord]] = []
    for stage in chain:
        step = people_step(stage) if people else variant_step(stage)
        if step is None:
            continue
        if found:
            before = found[-1][0]
            missing = before.n_out - step.n_in
            if missing > 0:
                loss = Loss(
                    "not read by the next step", missing, "it was given a part of them", True
                )
                losses = [*before.losses, loss]
                found[-1] = (before._replace(losses=losses, n_out=step.n_in), found[-1][1])
            elif missing < 0:
                gain = Loss("from elsewhere", -missing, "the next step read more than came here")
                gains = [*before.gains, gain]
                found[-1] = (before._replace(gains=gains, n_out=step.n_in), found[-1][1])
        found.append((step, stage[0]))
    return found


def _chain_flows(data: ReportData, chain: Sequence[Sequence[RunRecord]]) -> list[Html]:
    flows = []
    end = chain[-1][0]
    for people, unit, names in ((False, "variants", LAST), (True, "people", LAST_PEOPLE)):
        found = _steps(chain, people=people)
        if not found:
            continue
        last = names.get(found[-1][1].command, "kept")
        learned = None if people else learned_step(end, data.runs)
        if learned is not None:
            found.append((learned, end))
            last = "in the model"
        words = " → ".join(step.name for step, _ in found)
        title = f"{unit.capitalize()} of {end.name}"
        identity = f"flow-{end.identity}-{unit}"
        flows.append(_flow(data, title, words, found, last, unit, identity))
    return flows


def _flow(
    data: ReportData,
    title: str,
    words: str,
    found: Sequence[tuple[Step, RunRecord]],
    last: str,
    unit: str,
    identity: str,
) -> Html:
    steps = [step for step, _ in found]
    tallest = TALL if unit == "variants" else LOW
    figure = sankey(title, steps, last, unit, identity, tallest)
    runs = list({id(run): run for _, run in found}.values())
    links = [
        [", " if place else "", file_link(data, run, "run.json")] for place, run in enumerate(runs)
    ]
    return card(
        [label(title, 80), element("small", words)],
        figure_of(figure),
        element("details", element("summary", "The same as a table"),
                _table(data, title, found, last, unit)),
        element("p", "Source: ", links, class_="source"),
        look="card flow",
    )  # fmt: skip


def _table(
    data: ReportData,
    title: str,
    found: Sequence[tuple[Step, RunRecord]],
    last: str,
    unit: str,
) -> Html:
    rows: list[list[object]] = []
    for step, run in found:
        shown = figure_from(data, run, "run.json", f"{step.name}, {unit}", format_count(step.n_in))
        rows.append([step.name, "come in", shown, ""])
        for sign, changes in (("+", step.gains), ("", step.losses)):
            for one in changes:
                if one.n:
                    number = figure_from(data, run, "run.json", one.reason,
                                         f"{sign}{format_count(one.n)}")  # fmt: skip
                    rows.append([step.name, one.reason, number, one.meaning])
    step, run = found[-1]
    end = figure_from(data, run, "run.json", last, format_count(step.n_out))
    rows.append([step.name, last, end, ""])
    columns = [Column("Step"), Column("Fate"), Column(unit.capitalize(), True), Column("Meaning")]
    return html_table(f"{title}, as a table", columns, rows)


def _risk_flows(data: ReportData, run: RunRecord) -> list[Html]:
    """Records of the cohort that a risk run met, and the fates of its models' variants."""
    flows = []
    counts = run.record.get("records")
    if isinstance(counts, dict) and counts.get("n_records"):
        aside = "at no place that a model asks for"
        lost = [Loss("passed over", counts["n_passed_over"], aside, True)]
        lost += [
            Loss(code.replace("_", " "), k, REASONS.get(code, ""))
            for code, k in counts["refused"].items()
        ]
        step = Step("risk", counts["n_records"], lost, [], counts["n_emitted"])
        title = f"Records of {run.name} in risk"
        words, identity = "records of the cohort → models", f"flow-{run.identity}-records"
        found = [(step, run)]
        flows.append(_flow(data, title, words, found, "offered to models", "records", identity))
    table = run.tables.get("fates")
    if table is not None and len(table):
        flows += [_fate_flow(data, run, table), _model_fates(data, run, table)]
    return flows


def _fate_flow(data: ReportData, run: RunRecord, table: pl.DataFrame) -> Html:
    """What became of the variants of all models together."""
    total = table.group_by("reason").agg(pl.col("n").sum()).sort("reason")
    counts = dict(total.iter_rows())
    lost = [
        Loss(code.replace("_", " "), count, REASONS.get(code, ""))
        for code, count in counts.items()
        if code not in USED
    ]
    used = sum(count for code, count in counts.items() if code in USED)
    step = Step("in the models", sum(counts.values()), lost, [], used)
    return _flow(data, f"Variants of models in {run.name}", "models → cohort", [(step, run)],
                 "used", "variants", f"flow-{run.identity}-models")  # fmt: skip


def _model_fates(data: ReportData, run: RunRecord, table: pl.DataFrame) -> Html:
    """A table of what became of each model's variants; models with the most losses first."""
    models = (
        table.group_by("model")
        .agg(
            total=pl.col("n").sum(),
            used=pl.col("n").filter(pl.col("reason").is_in(USED)).sum(),
        )
        .with_columns(lost=pl.col("total") - pl.col("used"))
        .sort(["lost", "model"], descending=[True, False])
    )
    rows: list[list[object]] = []
    for model in models.head(MOST_MODELS).iter_rows(named=True):
        own = table.filter(pl.col("model") == model["model"])
        ordered = own.sort(["n", "reason"], descending=[True, False]).iter_rows(named=True)
        for reason in ordered:
            number = figure_from(data, run, "ledger.tsv.gz",
                                 f"model {model['model']}, reason {reason['reason']}",
                                 format_count(reason["n"]))  # fmt: skip
            rows.append([
                label(model["model"], 40), reason["reason"].replace("_", " "), number,
                format_share(reason["n"] / model["total"]),
                "used" if reason["reason"] in USED else "lost",
                REASONS.get(reason["reason"], ""),
            ])  # fmt: skip
    more = len(models) - MOST_MODELS
    told = f"The {MOST_MODELS} models that lost most; {more:,} more are there." if more > 0 else ""
    columns = [Column("Model"), Column("Fate"), Column("Variants", True), Column("Share", True),
               Column(""), Column("Meaning")]  # fmt: skip
    return card(
        ["Variants of models in ", label(run.name, 60), ", model by model"],
        html_table(f"Fates of the variants of models in {run.name}", columns, rows),
        element("p", told, class_="note") if told else None,
        source(data, run, "ledger.tsv.gz", "a row for each variant of each model"),
        look="card flow",
    )


def _leniencies(data: ReportData) -> Html | None:
    """What was accepted although custom says otherwise, run by run."""
    rows: list[list[object]] = []
    for run in data.runs:
        for code, times in sorted(_notes(run.record).items(), key=lambda item: (-item[1], item[0])):
            number = figure_from(data, run, "run.json", code, format_count(times))
            what = run.title
            rows.append([label(what, 60), code.replace("_", " "), number,
                         LENIENCIES.get(code, "")])  # fmt: skip
    if not rows:
        return None
    columns = [Column("Run"), Column("Kind"), Column("Times", True), Column("Meaning")]
    table = html_table("Leniencies taken, by run and kind", columns, rows)
    return card("Accepted leniently", table, look="card flow")


def _notes(record: Mapping[str, Any]) -> dict[str, int]:
    counts = record.get("records")
    tables = counts if isinstance(counts, list) else [counts] if isinstance(counts, dict) else []
    total: dict[str, int] = dict(record.get("notes") or {})
    for table in tables:
        for code, times in (table.get("notes") or {}).items():
            total[code] = total.get(code, 0) + int(times)
    return total


def _findings(data: ReportData) -> list[Finding]:
    """Whether all sums agree, which they must."""
    wrong = []
    n_flows = 0
    for chain in _chains(data):
        for people in (False, True):
            for step, run in _steps(chain, people=people):
                n_flows += 1
                odd = [x for x in (*step.losses, *step.gains)
                       if x.reason in ("unaccounted", "from elsewhere")]  # fmt: skip
                wrong += [f"{x.n:,} at {step.name} of {run.name}" for x in odd]
    if wrong:
        said = (
            f"Sums of records do not agree: {', '.join(wrong[:6])}. Results of different runs lie "
            "beside each other, or this is a fault in genomed; make them again."
        )
        return [Finding("none", "does not add up", "Records", said)]
    if not n_flows:
        return []
    return [Finding("usable", "adds up", "Records",
                    f"In all {n_flows:,} steps what came in is what was kept and what was left out "
                    "for a reason.")]  # fmt: skip
