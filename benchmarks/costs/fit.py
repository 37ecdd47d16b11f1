"""Fit the cost models to what measure.py measured: writes genomed/costs.toml and a table.

python benchmarks/costs/fit.py [--check]

Each quantity is a sum of terms (genomed/stats/costs.py) with coefficients that are not negative, so
that nothing gets cheaper by being larger; relative errors count (non-negative least squares of
rows divided by what was measured). Terms that the measured cases cannot tell are not fitted but
fixed below, with their source.

table.md has, for every run, the prediction beside the measurement; `held out` is a prediction by
models that were fitted without any run on that case. With --check the exit code is 1 where memory
is off by more than 1.3, or time by more than 2, on cohorts S, M and W.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from genomed.settings import StructureSettings
from genomed.stats.costs import estimate, parts_of, terms

HERE = Path(__file__).resolve().parent
COSTS = HERE.parent.parent / "genomed" / "costs.toml"
TABLE = HERE / "table.md"
MOST_TIME, MOST_MEMORY = 2.0, 1.3
CHECKED = ("S", "M", "W")
MB = 1 << 20

# Part -> quantity -> terms to fit. cpu_s stands for serial_s and parallel_s.
MODELS: dict[str, dict[str, list[str]]] = {
    "convert": {
        "cpu_s": ["one", "variants", "vcf_gb", "bcf_gb", "calls", "common_calls", "file_gb"],
        "memory_mb": ["one", "batch", "vcf_buffer", "thread_buffers", "threads", "samples",
                      "variants", "batch_rows"],
        "disk_mb": ["one", "variants", "calls", "common_calls"],
    },
    "qc": {
        "cpu_s": ["one", "variants", "calls", "common_calls", "samples"],
        "memory_mb": ["one", "batch", "packed_buffer", "thread_buffers", "threads",
                      "samples", "variants", "block_rows", "queued_rows"],
        "disk_mb": ["one", "variants", "calls", "common_calls", "samples"],
    },
    "structure": {
        "cpu_s": ["one", "variants", "calls", "common_calls"],
        "memory_mb": ["one", "samples", "variants"],
        "disk_mb": ["one", "variants", "samples"],
    },
    "structure.kinship": {
        "cpu_s": ["pairs", "sample_pairs", "common_calls", "one"],
        "memory_mb": ["one", "tile", "kept", "samples"],
    },
    "structure.prune": {
        "cpu_s": ["common_calls", "common", "one"],
        "memory_mb": ["one", "samples", "common"],
    },
    "structure.pca": {
        "cpu_s": ["exact_pairs", "exact_cube", "random_calls", "exact_matrix", "one"],
        "memory_mb": ["one", "exact_matrix", "random_samples", "kept_for_pca", "common"],
    },
    "structure.roh": {"cpu_s": ["common_calls", "samples", "one"], "memory_mb": ["one", "samples"]},
    "structure.diversity": {
        "cpu_s": ["calls", "variants", "one"],
        "memory_mb": ["one", "variants", "samples"],
    },
    "risk": {
        "cpu_s": ["one", "text_gb", "text_variants", "store_variants", "weights",
                  "weight_samples", "scores", "weight_variant_samples", "file_gb"],
        "memory_mb": ["one", "batch", "vcf_buffer", "thread_buffers", "threads", "samples",
                      "scores", "weights", "store_variants", "weight_samples"],
        "disk_mb": ["one", "scores", "weights", "samples"],
    },
    "train": {
        "cpu_s": ["one", "common_calls"],
        "memory_mb": ["one", "samples"],
        "disk_mb": ["one", "samples", "common"],
    },
    "evaluate": {
        "cpu_s": ["one", "draws"], "memory_mb": ["one", "samples"], "disk_mb": ["one", "samples"],
    },
    "explain": {
        "cpu_s": ["one", "samples", "common_calls"],
        "memory_mb": ["one", "samples", "common"],
        "disk_mb": ["one", "samples"],
    },
    "report": {
        "cpu_s": ["one", "samples"], "memory_mb": ["one", "samples"], "disk_mb": ["one", "samples"],
    },
    "reads_qc": {
        "cpu_s": ["one", "bases_gb", "genome_gb", "records"],
        "memory_mb": ["one", "reads_buffer", "genome_gb"],
        "disk_mb": ["one", "genome_gb"],
    },
    "reads_call": {
        "cpu_s": ["one", "bases_gb", "covered_gb"],
        "memory_mb": ["one", "reads_buffer"],
        "disk_mb": ["one", "covered_gb"],
    },
}  # fmt: skip

# Part -> quantity -> term -> value. Training holds its calls packed, two bits each. Memory of a GPU
# is worked out from the arrays in the code, as it was not measured: libraries; kinship's tiles, at
# most 6 GiB (genomed/stats/kinship_device.py); the relationship matrix in float64 and a product in
# float32, and a decoded block of 2,048 variants (pca_device.py). Calls are kept there only where
# half of what is free has room for them.
FIXED: dict[str, dict[str, dict[str, float]]] = {
    "structure": {"gpu_mb": {"one": 600.0}},
    "structure.kinship": {"gpu_mb": {"device_tile": 91.6}},
    "structure.prune": {"gpu_mb": {"one": 512.0}},
    "structure.pca": {"gpu_mb": {"exact_matrix": 16.0, "samples": 20.0}},
    "train": {"gpu_mb": {"one": 1500.0}, "memory_mb": {"common_calls": 238.4}},
}

Run = dict[str, Any]
Fitted = dict[str, dict[str, dict[str, float]]]


def steps_of(run: Run) -> list[str]:
    steps = run["options"].get("steps", [])
    return list(StructureSettings.steps) if run["rule"] == "structure" and not steps else steps


def sizes_of(run: Run) -> dict[str, float]:
    numbers = {k: v for k, v in run["options"].items() if isinstance(v, int | float)}
    sizes = {k: v for k, v in run["sizes"].items() if isinstance(v, int | float)}
    if "samples" in sizes:
        sizes["samples"] *= numbers.get("samples_share", 1.0)
    sizes["is_bcf"] = float(run["sizes"].get("kind") == "bcf")
    return sizes | numbers | {"threads": run["threads"], "binary": float(is_binary(run))}


def is_binary(run: Run) -> bool:
    return run["options"].get("kind") == "binary"


def measured(run: Run, quantity: str) -> float:
    """Of a run, on the scale of the reference machine."""
    used = run["used"]
    if quantity == "memory_mb":
        return used["peak_bytes"] / MB
    if quantity == "disk_mb":
        return used["written_bytes"] / MB
    share = used["parallel_share"]
    seconds = run["speed"] * used["cpu_s"]
    return seconds * {"serial_s": 1 - share, "parallel_s": share, "cpu_s": 1.0}[quantity]


def fit(runs: Iterable[Run]) -> Fitted:
    """Coefficients of all parts of all rules."""
    runs = list(runs)
    found: Fitted = {part: {} for part in MODELS}
    for rule in dict.fromkeys(part.partition(".")[0] for part in MODELS):
        chosen = [run for run in runs if run["rule"] == rule]
        if not chosen:
            continue
        for quantity in ("serial_s", "parallel_s", "memory_mb", "disk_mb"):
            _fit_quantity(rule, quantity, chosen, found)
    for part, quantities in FIXED.items():
        for quantity, weights in quantities.items():
            found[part][quantity] = found[part].get(quantity, {}) | weights
    return found


def _fit_quantity(rule: str, quantity: str, runs: list[Run], found: Fitted) -> None:
    """One quantity of a rule and its steps at once: each run is a row."""
    wanted = "cpu_s" if quantity in ("serial_s", "parallel_s") else quantity
    if quantity == "memory_mb":  # of several steps the hungriest counts, which is no sum
        runs = [run for run in runs if len(steps_of(run)) <= 1]
    columns = [
        (part, term)
        for part, models in MODELS.items()
        if part.partition(".")[0] == rule
        for term in models.get(wanted, [])
    ]
    rows = np.zeros((len(runs), len(columns)))
    for i, run in enumerate(runs):
        known, parts = terms(rule, sizes_of(run)), parts_of(rule, steps_of(run))
        rows[i] = [known[term] if part in parts else 0.0 for part, term in columns]
    against = "cpu_s" if wanted == "cpu_s" else quantity
    weight = 1 / np.array([max(measured(run, against), 1e-3) for run in runs])
    y = np.array([measured(run, quantity) for run in runs])
    solution, _ = nnls(rows * weight[:, None], y * weight)
    for (part, term), value in zip(columns, solution, strict=True):
        if value > 0:
            found[part].setdefault(quantity, {})[term] = float(f"{value:.4g}")


def to_toml(fitted: Fitted, record: dict[str, Any], runs: list[Run]) -> str:
    """The table of coefficients, with where it comes from."""
    dates = sorted(run["time"][:10] for run in runs)
    lines = [
        "# What commands cost, as sums of the terms of genomed/stats/costs.py: seconds of the",
        "# processor below, and MB of 2^20 bytes. Made by benchmarks/costs/fit.py; do not edit.",
        "",
        "[reference]",
        f"processor = {json.dumps(record['machine']['processor'])}",
        f"system = {json.dumps(record['machine']['system'])}",
        f"measured = {json.dumps(f'{dates[0]} to {dates[-1]}')}",
        f"runs = {len(runs)}",
        f"version = {json.dumps(runs[-1]['version'])}",
    ]
    for part, quantities in fitted.items():
        for quantity, weights in quantities.items():
            lines += ["", f"[{'.'.join(json.dumps(word) for word in ('parts', part, quantity))}]"]
            lines += [f"{term} = {value}" for term, value in weights.items()]
    return "\n".join(lines) + "\n"


def table(runs: list[Run], fitted: Fitted) -> tuple[str, bool]:
    """Predicted beside measured, in Markdown; and whether all that is checked is near enough."""
    lines = [
        "| task | cohort | cpu s: measured | predicted | ratio | held out | "
        "memory MB: measured | predicted | ratio | held out |",
        "|" + "---|" * 10,
    ]
    good = True
    for run in sorted(runs, key=lambda run: (run["task"], run["case"])):
        left = fit([other for other in runs if other["case"] != run["case"]])
        cells = [run["task"], run["case"]]
        for quantity, most in (("cpu_s", MOST_TIME), ("memory_mb", MOST_MEMORY)):
            truth = measured(run, quantity)
            here, out = (
                getattr(estimate(one, run["rule"], sizes_of(run), steps_of(run)), quantity)
                for one in (fitted, left)
            )
            ratio = here / truth
            if run["case"] in CHECKED and not 1 / most <= ratio <= most:
                good = False
            digits = 1 if quantity == "cpu_s" else 0
            cells += [f"{truth:.{digits}f}", f"{here:.{digits}f}", f"{ratio:.2f}",
                      f"{out / truth:.2f}"]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n", good


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    record = json.loads((HERE / "measurements.json").read_text())
    runs = record["runs"]
    fitted = fit(runs)
    COSTS.write_text(to_toml(fitted, record, runs))
    text, good = table(runs, fitted)
    TABLE.write_text(text)
    print(text)
    raise SystemExit(0 if good or not options.check else 1)


if __name__ == "__main__":
    main()
