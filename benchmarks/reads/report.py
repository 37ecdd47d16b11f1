"""The table of all cells, and which bars are met."""

from __future__ import annotations

import json
import platform
import statistics
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from judge import TYPES, Truth, calibration, judge, qualities, read_truth, score_areas
from peers import HARD_FILTERS, version

if TYPE_CHECKING:
    from run import Cell

__all__ = ["write_report"]

PEERS = ("bcftools", "freebayes")


def write_report(cells: list[Cell], options: Namespace, sets: dict[str, Any]) -> list[str]:
    """Write report.json and report.md; returns the bars that are missed."""
    truths = {c.name: _truths(c, options.work, sets) for c in cells if _has_calls(c, options)}
    rows, areas, gq = [], [], []
    for cell in cells:
        for caller in options.callers:
            calls = _calls(cell.folder(options.work) / caller)
            if calls is None:
                continue
            for where, truth in truths[cell.name].items():
                for kept, rates in judge(calls, truth, caller).items():
                    made = {"caller": caller, "kept": kept, "where": where}
                    rows.append({**cell._asdict(), **made, **rates})
            truth = truths[cell.name]["confident"]
            if caller in ("genomed", "likelihood"):
                gq.append((cell, caller, qualities(calls, truth)))
            areas += _areas(cell, caller, calls, truth, options.work)
    rows += _pooled(rows)
    errors = _calibration(gq)
    speed = _read(options.work / "speed.json")
    verdicts = _verdicts(_judged(rows, sets), areas, errors, speed, sets["bars"])
    found = {
        "machine": platform.processor() or platform.machine(), "versions": _versions(),
        "rows": rows, "areas": areas, "calibration": errors, "speed": speed, "verdicts": verdicts,
    }  # fmt: skip
    options.work.mkdir(parents=True, exist_ok=True)
    (options.work / "report.json").write_text(json.dumps(found, indent=1) + "\n")
    text = _markdown(rows, areas, errors, speed, verdicts)
    (options.work / "report.md").write_text(text)
    print(text)
    return [name for name, met, _ in verdicts if not met]


def _truths(cell: Cell, work: Path, sets: dict[str, Any]) -> dict[str, Truth]:
    """Name of the regions -> truth there."""
    from run import data_root

    if cell.kind == "simulated":
        made = work / cell.name / "made"
        beds = {where: made / f"{where}.bed" for where in ("confident", "hard")}
        return {
            where: read_truth(made / "truth.vcf.gz", bed, bed, made / "ref.fa")
            for where, bed in beds.items()
        }
    recipe = sets["real"][cell.name]
    truth, reference = (data_root() / recipe[key] for key in ("truth", "reference"))
    bed = recipe["confident"]
    certain = data_root() / bed if bed.endswith(".bed") else bed
    found = {"confident": read_truth(truth, certain, certain, reference)}
    if "complete" in recipe:
        complete = recipe["complete"]
        found["mixed"] = read_truth(truth, complete, certain, reference)
        found["wide"] = read_truth(truth, complete, complete, reference)
    return found


def _judged(rows: list[dict[str, Any]], sets: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the regions that bars are about."""
    return [
        row for row in rows
        if row["where"] == sets[row["kind"]].get(row["name"], {}).get("judged", "confident")
    ]  # fmt: skip


def _has_calls(cell: Cell, options: Namespace) -> bool:
    return any(_calls(cell.folder(options.work) / caller) for caller in options.callers)


def _calls(folder: Path) -> Path | None:
    done = _read(folder / "cell.json")
    return folder / done["calls"] if done else None


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None


def _areas(cell: Cell, caller: str, calls: Path, truth: Truth, work: Path) -> list[dict[str, Any]]:
    scored = _calls(cell.folder(work) / f"{caller}_scored")
    if caller not in HARD_FILTERS or scored is None:
        return []
    filtered = cell.folder(work) / f"{caller}_hard.vcf.gz"
    found = score_areas(calls, scored, filtered, truth)
    return [{**cell._asdict(), "caller": caller, "type": kind, **found[kind]} for kind in TYPES]


def _calibration(gq: list[tuple[Cell, str, Any]]) -> list[dict[str, Any]]:
    """Error of GQ by caller, kind of set and depth."""
    groups: dict[tuple[str, str, int], list[tuple[np.ndarray, np.ndarray]]] = {}
    for cell, caller, pair in gq:
        groups.setdefault((caller, cell.kind, cell.depth), []).append(pair)
    return [
        {"caller": caller, "kind": kind, "depth": depth, "error": calibration(parts),
         "calls": sum(len(one) for one, _ in parts)}
        for (caller, kind, depth), parts in groups.items()
    ]  # fmt: skip


def _pooled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of all simulated sets together, where there are several; without intervals."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        if row["kind"] == "simulated":
            key = (row["depth"], row["where"], row["caller"], row["kept"])
            groups.setdefault(key, []).append(row)
    most = max((len(group) for group in groups.values()), default=0)
    pooled = []
    for (depth, where, caller, kept), group in groups.items():
        if len(group) == most > 1:
            facts = {"name": "all_simulated", "kind": "simulated", "depth": depth, "draw": 1}
            rates = {kind: _sum([row[kind] for row in group]) for kind in TYPES}
            pooled.append({**facts, "caller": caller, "kept": kept, "where": where, **rates})
    return pooled


def _sum(parts: list[dict[str, Any]]) -> dict[str, Any]:
    counts = ("n_truth", "n_calls", "missed", "wrong", "genotype_errors")
    total = {name: sum(part[name] for part in parts) for name in counts}
    precision = 1 - total["wrong"] / max(total["n_calls"], 1)
    recall = 1 - total["missed"] / max(total["n_truth"], 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    known = {"precision": precision, "recall": recall, "f1": f1}
    return {
        **total,
        **{name: (value, float("nan"), float("nan")) for name, value in known.items()},
        "allele_f1": float("nan"),
    }


def _mean_f1(rows: list[dict[str, Any]], name: str, depth: int, caller: str, kind: str) -> float:
    """Mean over draws; of a peer, the better of its calls with and without a filter."""
    means = []
    for kept in ("all", "quality_20"):
        found = [
            row[kind]["f1"][0] for row in rows
            if (row["name"], row["depth"]) == (name, depth)
            and (row["caller"], row["kept"]) == (caller, kept)
        ]  # fmt: skip
        if found:
            means.append(statistics.mean(0.0 if np.isnan(f1) else f1 for f1 in found))
    return max(means, default=float("nan"))


def _verdicts(
    rows: list[dict[str, Any]], areas: list[dict[str, Any]], errors: list[dict[str, Any]],
    speed: dict[str, list[float]] | None, bars: dict[str, float],
) -> list[tuple[str, bool, str]]:  # fmt: skip
    """Name of each bar that can be judged, whether it is met, and the figures."""
    verdicts = []
    for name, kind, depth in dict.fromkeys((r["name"], r["kind"], r["depth"]) for r in rows):
        for type_ in TYPES:
            ours = _mean_f1(rows, name, depth, "genomed", type_)
            best = max(_mean_f1(rows, name, depth, peer, type_) for peer in PEERS)
            if np.isnan(ours):
                continue
            label = f"{name} {depth}x {type_} F1"
            figures = f"{ours:.4f}, best peer {best:.4f}"
            if not np.isnan(best) and depth <= 10 and name != "freebayes_tiny":
                verdicts.append((f"{label} above peers", ours > best, figures))
            bar = bars.get(f"{'real_' if kind == 'real' else ''}{type_}_f1_at_{depth}")
            if bar is not None and name != "freebayes_tiny":
                verdicts.append((f"{label} >= {bar}", ours >= bar, figures))
    for error in errors:
        if error["caller"] == "genomed" and error["kind"] == "simulated":
            bar = bars["calibration_error"]
            label = f"calibration error at {error['depth']}x <= {bar}"
            verdicts.append((label, error["error"] <= bar, f"{error['error']:.4f}"))
    verdicts += _area_verdicts(areas)
    if speed and speed.get("genomed") and speed.get("freebayes"):
        ratio = statistics.median(
            a / b for a, b in zip(speed["genomed"], speed["freebayes"], strict=True)
        )
        bar = bars["time_of_freebayes"]
        verdicts.append((f"time over freebayes <= {bar}", ratio <= bar, f"{ratio:.2f}"))
    return verdicts


def _area_verdicts(areas: list[dict[str, Any]]) -> list[tuple[str, bool, str]]:
    """Means over the sets and depths of what a caller's calls are scored like.

    Cells without such variants, or in which a hard filter leaves no call, tell nothing.
    """
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for one in areas:
        if not np.isnan([one["QUAL_area"], one["hard_precision"]]).any():
            groups.setdefault((one["kind"], one["caller"], one["type"]), []).append(one)
    verdicts = []
    for (kind, caller, type_), group in groups.items():
        label = f"{type_}s of {caller}, {kind}, mean of {len(group)}"
        for what, ours, theirs in (
            ("area above QUAL", "CNN_LOD_area", "QUAL_area"),
            ("above hard filter", "CNN_LOD_precision_there", "hard_precision"),
        ):
            one, other = (statistics.mean(cell[key] for cell in group) for key in (ours, theirs))
            met = one >= other if what == "above hard filter" else one > other
            verdicts.append((f"{label}: {what}", met, f"{one:.4f}, {other:.4f}"))
    return verdicts


def _versions() -> dict[str, str]:
    return {tool: version(tool) for tool in ("bcftools", "freebayes", "samtools")}


def _markdown(
    rows: list[dict[str, Any]], areas: list[dict[str, Any]], errors: list[dict[str, Any]],
    speed: dict[str, list[float]] | None, verdicts: list[tuple[str, bool, str]],
) -> str:  # fmt: skip
    lines = [
        "| set | depth | draw | where | caller | kept | SNP F1 (95 %) | P | R |"
        " allele F1 | indel F1 (95 %) | P | R | allele F1 |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row["name"], f"{row['depth']}x", row["draw"], row["where"], row["caller"]]
        cells.append(row["kept"])
        for kind in TYPES:
            value, low, high = row[kind]["f1"]
            cells.append(f"{value:.4f} ({low:.4f}-{high:.4f})")
            cells += [f"{row[kind][rate][0]:.4f}" for rate in ("precision", "recall")]
            cells.append(f"{row[kind]['allele_f1']:.4f}")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += ["", *(
        f"- GQ of {e['caller']}, {e['kind']}, {e['depth']}x: error {e['error']:.4f} of {e['calls']}"
        for e in errors
    )]  # fmt: skip
    lines.append("")
    for a in areas:
        lines.append(
            f"- {a['name']} {a['depth']}x {a['draw']} {a['caller']} {a['type']}: area"
            f" {a['CNN_LOD_area']:.4f} (QUAL {a['QUAL_area']:.4f}); precision where the hard filter"
            f" is {a['CNN_LOD_precision_there']:.4f} (filter {a['hard_precision']:.4f})"
        )
    lines += ["", *(f"- {tool}: {seconds} s" for tool, seconds in (speed or {}).items()), ""]
    lines += [
        f"- {'met' if met else 'MISSED'}: {name} ({figures})" for name, met, figures in verdicts
    ]
    return "\n".join(lines) + "\n"
