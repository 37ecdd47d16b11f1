"""People a second that a net over all variants learns from: ours beside EIR's, in alternation.

python benchmarks/risk/net_speed.py --eir /path/to/eir/bin/python --out speed.json

Both read one-hot calls of every variant through a locally connected first layer, on the same
simulated people, with the batch that each of them takes by default (256, 64). The time is that of
later epochs, measurement on the people left out included, by the difference of a long and a short
run; so start-up and reading do not count.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from casefiles import Case
from eir_peer import train, write_inputs

from genomed.kernels.packed import pack_rows
from genomed.models.families import Quantitative
from genomed.models.head_inputs import HeadInputs, genome_windows
from genomed.models.risk_net import NetConfig
from genomed.models.training import HeadConfig, TrainingConfig, fit_head

SHORT, LONG = 1, 4  # epochs


def main() -> None:
    options = parse_options()
    rng = np.random.default_rng(1)
    frequency = rng.uniform(0.05, 0.95, (options.variants, 1))
    calls = rng.binomial(2, frequency, (options.variants, options.people)).astype(np.int8)
    y = rng.standard_normal(options.people)
    rows = []
    for _ in range(options.pairs):
        rows.append({"ours": ours(calls, y, options), "eir": eir(calls, y, options)})
        print(json.dumps(rows[-1]), flush=True)
    median = statistics.median(row["ours"] / row["eir"] for row in rows)
    found = {
        "people": options.people, "variants": options.variants, "threads": options.threads,
        "people_per_second": rows, "median_ratio": median,
        "machine": {"processor": platform.processor(), "processors": os.cpu_count()},
    }  # fmt: skip
    print(f"ours / EIR: {median:.1f}")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--eir", required=True, help="Python that has EIR")
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--variants", type=int, default=16000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--window", type=int, default=16, help="variants of a window, or kernel")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def ours(calls: np.ndarray, y: np.ndarray, options: argparse.Namespace) -> float:
    """People a second, those of all five members added up."""
    n = len(y)
    words = np.empty((len(calls), -(-n // 32)), np.uint64)
    pack_rows(calls, words)
    inputs = HeadInputs.of(n, words=words, windows=genome_windows(len(calls), options.window))
    family = Quantitative(y)
    fold = (np.arange(n) % 5).astype(np.int8)
    training = TrainingConfig(patience=LONG)

    def run(epochs: int) -> float:
        config = HeadConfig(NetConfig(), replace(training, epochs=epochs))
        began = time.perf_counter()
        fit_head(inputs, [family], np.zeros((n, 1)), fold, config, seed=1, threads=options.threads)
        return time.perf_counter() - began

    short, long = run(SHORT), run(LONG)
    return (LONG - SHORT) * 4 * n / (long - short)  # each of five members learns from four fifths


def eir(calls: np.ndarray, y: np.ndarray, options: argparse.Namespace) -> float:
    """People a second."""
    n = len(y)
    values = calls.T.astype(np.float32) - 1.5  # a case has 0 where there is no call
    case = Case([f"s{i}" for i in range(n)], values, np.empty((n, 0)), y, np.zeros(n, bool))
    given = {"rate": 1e-3, "kernel": options.window, "channels": 2}
    with tempfile.TemporaryDirectory(prefix="eir-speed-") as scratch:
        work = Path(scratch)
        write_inputs(case, work)
        held = np.arange(n)[::5]
        (work / "held.txt").write_text("".join(f"{case.samples[i]}\n" for i in held))

        def run(epochs: int) -> float:
            began = time.perf_counter()
            how = options.eir, options.threads, 3600.0
            train(case, work, work / f"run{epochs}", given | {"epochs": epochs}, how)
            return time.perf_counter() - began

        short, long = run(SHORT), run(LONG)
    return (LONG - SHORT) * (n - len(held)) / (long - short)


if __name__ == "__main__":
    main()
