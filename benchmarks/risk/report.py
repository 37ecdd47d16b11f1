"""From cells to a table, and from bars.toml to verdicts."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from casefiles import TSV
from measures import MEASURES, Interval, coverage, ece, paired_bootstrap, worst

LARGE_GROUP = 500  # test people over all seeds; only such groups are judged by themselves
POOLED = ("ece", "coverage", "group_coverage")  # too noisy by seed


class Run(NamedTuple):
    """Test people of one seed as one method sees them.

    columns : prediction, and of ours: linear, probability, low, high where there; float64 (people,)
    """

    truth: np.ndarray
    group: np.ndarray
    columns: dict[str, np.ndarray]
    accepted: dict[str, Any]


Results = dict[tuple[str, str, str], dict[int, Run]]  # scenario, trait, method -> seed


def write_report(work: Path, bars: dict[str, Any], stage: str) -> int:
    """Write report.json, report.md and figures.tsv, seed by seed, below `work`.

    Returns the number of bars that were missed.
    """
    results = read_results(work, bars)
    rows = [row for key in sorted(results) for row in _rows(key, results, work, bars)]
    verdicts = [judge(bar, results, work, bars) for bar in bars["bar"]]
    text = _markdown(rows, verdicts, stage)
    (work / "report.md").write_text(text)
    record = {"stage": stage, "results": rows, "bars": verdicts}
    (work / "report.json").write_text(json.dumps(record, indent=1) + "\n")
    figures = [
        {name: row[name] for name in ("scenario", "trait", "method", "measure")}
        | {"seed": int(seed), "value": round(value, 5)}
        for row in rows
        for seed, value in row["by_seed"].items()
    ]
    pl.DataFrame(figures).write_csv(work / "figures.tsv", separator="\t")
    print(text)
    return sum(verdict["met"] is False for verdict in verdicts)


def read_results(work: Path, bars: dict[str, Any]) -> Results:
    """All cells that are done."""
    results: Results = {}
    for path in sorted(work.glob("*/*/cell.json")):
        cell = json.loads(path.read_text())["cell"]
        case = path.parent.parent / "case"
        key = (cell["scenario"], cell["trait"], cell["method"])
        results.setdefault(key, {})[cell["seed"]] = read_run(case, path.parent, cell, bars)
    return results


def read_run(case: Path, folder: Path, cell: dict[str, Any], bars: dict[str, Any]) -> Run:
    """Predictions of the test people, in the order of traits.tsv."""
    table = pl.read_csv(case / "traits.tsv", **TSV).select("sample", cell["trait"])
    for name in ("split", "groups"):
        table = table.join(pl.read_csv(case / f"{name}.tsv", **TSV), on="sample", how="left")
    accepted = {}
    if cell["method"] == "ours":
        told = bars["ours"]["columns"]
        given = pl.read_csv(folder / bars["ours"]["table"], **TSV)
        used = {as_: name for as_, name in told.items() if name in given.columns}
        given = given.select("sample", **{as_: pl.col(name) for as_, name in used.items()})
        accepted = _accepted(folder, bars["ours"]["accepted"])
    else:
        given = pl.read_csv(folder / "predictions.tsv", **TSV)
    table = table.join(given, on="sample", how="left").filter(pl.col("set") == "test")
    columns = {name: table[name].cast(pl.Float64).to_numpy() for name in given.columns[1:]}
    if not np.isfinite(columns["prediction"]).all():
        raise SystemExit(f"error: {folder}: not every test person is predicted")
    return Run(table[cell["trait"]].to_numpy().astype(float), table["ancestry"].to_numpy(),
               columns, accepted)  # fmt: skip


def _accepted(folder: Path, told: dict[str, str]) -> dict[str, Any]:
    """Which stages training kept: stages by name, pairs in number, and whether the head is kept."""
    path = folder / told["stages"]
    if not path.exists():
        return {}
    table = pl.read_csv(path, **TSV)
    kept = table.filter(pl.col("accepted"))["stage"].to_list()
    pairs = folder / told["pairs"]
    n_pairs = pl.read_csv(pairs, **TSV).height if "pairs" in kept and pairs.exists() else 0
    return {"stages": kept, "pairs": n_pairs, "head": told["head"] in kept}


def figure(measure: str, run: Run, column: str = "prediction") -> float:
    """One measure of one run; NaN where it does not apply."""
    if measure == "worst_r2":
        return worst(MEASURES["r2"], run.columns[column], run.truth, run.group)
    if measure in MEASURES:
        return MEASURES[measure](run.columns[column], run.truth)
    return pooled(measure, [run])


def pooled(measure: str, runs: list[Run]) -> float:
    """Calibration or coverage over the people of all runs; NaN where it does not apply.

    group_coverage is that of the group farthest from 90%, of those with LARGE_GROUP people or more.
    Who was told nothing, because too many calls are missing, is neither right nor wrong.
    """
    needed = ("probability",) if measure == "ece" else ("low", "high")
    if not all(name in run.columns for run in runs for name in needed):
        return float("nan")
    truth = np.concatenate([run.truth for run in runs])
    columns = [np.concatenate([run.columns[name] for run in runs]) for name in needed]
    group = np.concatenate([run.group for run in runs])
    told = np.isfinite(columns).all(axis=0)
    truth, group, columns = truth[told], group[told], [column[told] for column in columns]
    if measure == "ece":
        return ece(columns[0], truth)
    if measure == "coverage":
        return coverage(*columns, truth)
    large = [name for name in np.unique(group) if np.sum(group == name) >= LARGE_GROUP]
    parts = [coverage(*(c[group == name] for c in columns), truth[group == name]) for name in large]
    return max(parts, key=lambda value: abs(value - 0.9), default=float("nan"))


def mean_figure(measure: str, runs: dict[int, Run], column: str = "prediction") -> float:
    """Mean over seeds, or of all seeds' people together where a seed is too few."""
    if measure in POOLED:
        return pooled(measure, list(runs.values()))
    return float(np.mean([figure(measure, run, column) for run in runs.values()]))


def ceiling(scenario: str, trait: str, measure: str, seeds: list[int], work: Path) -> float:
    """What somebody would reach who knew the truth, mean over seeds."""
    values = []
    for seed in seeds:
        truth = json.loads((work / f"{scenario}_{seed}" / "case" / "truth.json").read_text())
        known = truth["ceiling"]
        values.append(known["auroc"][trait] if measure == "auroc" else known["r2"])
    return float(np.mean(values))


def _rows(
    key: tuple[str, str, str], results: Results, work: Path, bars: dict[str, Any]
) -> list[dict[str, Any]]:
    """Lines of the table: a method's figure, and ours less it with its interval."""
    scenario, trait, method = key
    runs = results[key]
    measure = "r2" if trait == "y" else "auroc"
    spent = [json.loads(p.read_text())["spent"]["train"] for s in runs
             for p in [work / f"{scenario}_{s}" / f"{trait}.{method}" / "cell.json"]]  # fmt: skip
    row: dict[str, Any] = {
        "scenario": scenario,
        "trait": trait,
        "method": method,
        "measure": measure,
        "seeds": sorted(runs),
        "value": mean_figure(measure, runs),
        "by_seed": {str(seed): figure(measure, run) for seed, run in runs.items()},
        "wall_s": float(np.mean([s["wall_s"] for s in spent])),
        "peak_mb": max(s["peak_mb"] for s in spent),
    }
    if all("ceiling" in _truth_of(work, scenario, seed) for seed in runs):
        row["ceiling"] = ceiling(scenario, trait, measure, sorted(runs), work)
    ours = results.get((scenario, trait, "ours"), {})
    shared = sorted(set(ours) & set(runs))
    if method != "ours" and shared:
        row["ours_less_this"] = _gain(measure, ours, runs, shared, bars)._asdict()
    elif "linear" in next(iter(runs.values())).columns:
        row["linear"] = mean_figure(measure, runs, "linear")
        row["accepted"] = {str(seed): run.accepted for seed, run in runs.items()}
    return [row]


def _truth_of(work: Path, scenario: str, seed: int) -> dict[str, Any]:
    return json.loads((work / f"{scenario}_{seed}" / "case" / "truth.json").read_text())


def _gain(
    measure: str,
    ours: dict[int, Run],
    theirs: dict[int, Run],
    seeds: list[int],
    bars: dict[str, Any],
    column: str = "prediction",
) -> Interval:
    """Ours less theirs; with several groups and worst_r2, of the worst group."""
    if measure == "worst_r2":  # whose worst is worst changes with the draw: left without interval
        value = mean_figure(measure, ours) - mean_figure(measure, theirs, column)
        return Interval(value, float("nan"), float("nan"))
    compare = partial(paired_bootstrap, MEASURES[measure], n=bars["run"]["bootstrap"])
    return compare(
        [ours[seed].columns["prediction"] for seed in seeds],
        [theirs[seed].columns[column] for seed in seeds],
        [ours[seed].truth for seed in seeds],
    )


def judge(
    bar: dict[str, Any], results: Results, work: Path, bars: dict[str, Any]
) -> dict[str, Any]:
    """Hold ours against a bar: met is None as long as something needed has not been run."""
    scenario, trait, measure = bar["scenario"], bar["trait"], bar["measure"]
    ours = results.get((scenario, trait, "ours"), {})
    verdict: dict[str, Any] = {"name": bar["name"], "met": None, "seeds": sorted(ours)}
    if not ours:
        return verdict
    verdict["ours"] = mean_figure(measure, ours)
    if np.isnan(verdict["ours"]):
        return verdict
    met = []
    if "range" in bar:
        verdict["bar"] = bar["range"]
        met.append(bar["range"][0] <= verdict["ours"] <= bar["range"][1])
    if "least" in bar:
        name, least = bar["least"]["reference"], bar["least"]
        value = _reference(name, (scenario, trait, measure), ours, results, work, bars)
        if value is None:
            return verdict
        verdict |= {"reference": value, "bar": least["factor"] * value[1] + least["offset"]}
        met.append(verdict["ours"] >= verdict["bar"])
    if "gain" in bar:
        column = "linear" if bar["gain"]["reference"] == "own_linear" else "prediction"
        gain = _gain(measure, ours, ours, sorted(ours), bars, column)
        verdict |= {"bar": "0 within", "gain": list(gain)}
        met.append(gain.low <= 0 <= gain.high)
    if "quiet" in bar:
        if not all(run.accepted for run in ours.values()):
            return verdict
        pairs = [run.accepted["pairs"] for run in ours.values()]
        heads = [run.accepted["head"] for run in ours.values()]
        verdict |= {"pairs": float(np.mean(pairs)), "heads_accepted": sum(map(bool, heads))}
        met.append(np.mean(pairs) <= bar["quiet"]["pairs"] and not any(heads))
    verdict["met"] = bool(all(met))
    return verdict


def _reference(
    name: str,
    what: tuple[str, str, str],
    ours: dict[int, Run],
    results: Results,
    work: Path,
    bars: dict[str, Any],
) -> tuple[str, float] | None:
    """Name and value of what ours is held against, over the same seeds; None when not run."""
    scenario, trait, measure = what
    if name == "none":
        return name, 0.0
    if name == "ceiling":
        return name, ceiling(scenario, trait, measure, sorted(ours), work)
    names = bars["run"]["best_linear"] if name == "best_linear" else [name]
    values = {}
    for method in names:
        runs = results.get((scenario, trait, method), {})
        if set(ours) <= set(runs):
            values[method] = mean_figure(measure, {seed: runs[seed] for seed in ours})
    if len(values) < len(names):
        return None
    best = max(values, key=values.__getitem__)
    return best, values[best]


def _markdown(rows: list[dict[str, Any]], verdicts: list[dict[str, Any]], stage: str) -> str:
    lines = [f"# Stage {stage}", ""]
    lines += [
        "| scenario | trait | method | seeds | measure | value | ceiling | ours less this | s |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        gain = row.get("ours_less_this")
        shown = (
            ""
            if gain is None
            else f"{gain['value']:+.3f} ({gain['low']:+.3f}, {gain['high']:+.3f})"
        )
        top = f"{row['ceiling']:.3f}" if "ceiling" in row else ""
        lines.append(
            f"| {row['scenario']} | {row['trait']} | {row['method']} | {len(row['seeds'])} | "
            f"{row['measure']} | {row['value']:.3f} | {top} | {shown} | {row['wall_s']:.0f} |"
        )
    lines += ["", "| bar | ours | needed | |", "|---|---|---|---|"]
    words = {True: "met", False: "MISSED", None: "not run"}
    for verdict in verdicts:
        ours = f"{verdict['ours']:.4f}" if "ours" in verdict else ""
        needed = verdict.get("bar", "")
        needed = f"{needed:.4f}" if isinstance(needed, float) else needed
        lines.append(f"| {verdict['name']} | {ours} | {needed} | {words[verdict['met']]} |")
    return "\n".join(lines) + "\n"
