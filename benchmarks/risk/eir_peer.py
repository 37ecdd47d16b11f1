"""EIR (Sigurdsson et al. 2021, bioRxiv 2021.06.11.448163) from its own environment.

The genome-local net on one-hot calls with all else at EIR's defaults; rate, kernel width and
channels are chosen on a held-out fifth of the develop people, within the budget of every peer.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from casefiles import Case

SHIM = Path(__file__).with_name("eir_shim.py")
MOST_EPOCHS = 60


def eir(
    case: Case, budget: float, threads: int, seed: int, python: str, searched: Callable[..., Any]
) -> tuple[np.ndarray, dict[str, Any]]:
    """Predictions of everybody, float64 (samples,), and what was chosen.

    python : of the environment that has EIR
    """
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory(prefix="eir-") as scratch:
        work = Path(scratch)
        write_inputs(case, work)
        held = np.flatnonzero(case.folds(5, seed) == 1)
        (work / "held.txt").write_text("".join(f"{case.samples[i]}\n" for i in held))

        def settings() -> Iterator[dict[str, Any]]:
            yield {"rate": 1e-3, "kernel": 16, "channels": 2}
            while True:
                yield {
                    "rate": float(rng.choice([2e-4, 5e-4, 1e-3, 2e-3])),
                    "kernel": int(rng.choice([8, 16, 64])),
                    "channels": int(rng.choice([1, 2, 3])),
                }

        runs: list[Path] = []

        def judge(given: dict[str, Any], deadline: float) -> float:
            run = work / f"run{len(runs)}"
            runs.append(run)
            given["run"] = str(run)
            limit = max(60.0, deadline - time.monotonic())
            return train(case, work, run, given, (python, threads, limit))

        chosen, tried = searched(budget, settings(), judge)
        prediction = _predict(case, work, Path(chosen.pop("run")), python)
        return prediction, {"engine": "EIR", "tried": tried} | chosen


def write_inputs(case: Case, work: Path) -> None:
    """One file of 4 x variants a person, a .bim, and the labels of develop people and of all."""
    (work / "calls").mkdir(parents=True)
    codes = _codes(case.calls)
    for person, sample in enumerate(case.samples):
        hot = codes[person][None, :] == np.arange(4, dtype=np.uint8)[:, None]
        np.save(work / "calls" / f"{sample}.npy", hot.astype(np.int8))
    lines = (f"1\tv{i}\t0\t{i + 1}\tA\tC\n" for i in range(case.calls.shape[1]))
    (work / "variants.bim").write_text("".join(lines))
    table = pl.DataFrame({"ID": case.samples, "label": case.y})
    if case.binary:
        words = pl.when(pl.col("label") == 1).then(pl.lit("case")).otherwise(pl.lit("control"))
        table = table.with_columns(words.alias("label"))
    known = pl.DataFrame({f"c{i}": column for i, column in enumerate(case.covariates.T)})
    if known.width:
        pl.concat([table.select("ID"), known], how="horizontal").write_csv(work / "known.csv")
    table.filter(~pl.Series(case.test)).write_csv(work / "labels.csv")
    table.write_csv(work / "everybody.csv")


def _codes(calls: np.ndarray) -> np.ndarray:
    """uint8 (samples, variants): 0, 1, 2 by rising value, 3 for a gap (which is exactly 0)."""
    codes = np.empty(calls.shape, np.uint8)
    for column in range(calls.shape[1]):
        values = calls[:, column]
        levels = np.unique(values[values != 0])
        codes[:, column] = np.where(values == 0, 3, np.searchsorted(levels, values))
    return codes


def train(
    case: Case, work: Path, run: Path, given: dict[str, Any], how: tuple[str, int, float]
) -> float:
    """One run with early stopping; its loss on the held-out people."""
    python, threads, limit = how
    n_learn = int((~case.test).sum() * 0.8)
    every = max(1, n_learn // 64)  # steps of an epoch
    inputs = [_omics(work, given)]
    if case.covariates.shape[1]:
        inputs.append(_known(case, work))
    configs = {
        "global": {
            "basic_experiment": {
                "output_folder": str(run), "n_epochs": given.get("epochs", MOST_EPOCHS),
                "batch_size": 64,
                "manual_valid_ids_file": str(work / "held.txt"), "memory_dataset": True,
            },
            "optimization": {"lr": given["rate"]},
            "evaluation_checkpoint": {
                "sample_interval": every, "checkpoint_interval": every, "n_saved_models": 1,
                "saved_result_detail_level": 1,
            },
            "metrics": {
                "con_metrics": ["r2", "loss"], "con_averaging_metrics": ["loss"],
                "cat_metrics": ["roc-auc-macro"], "cat_averaging_metrics": ["loss"],
            },
            "training_control": {
                "early_stopping_patience": 8, "early_stopping_buffer": 8 * every,
            },
            "visualization_logging": {"no_pbar": True, "log_level": "warning"},
        },
        "fusion": {"model_type": "mlp-residual"},
        "output": _output(case, work / "labels.csv"),
    }  # fmt: skip
    options = _write_configs(work / f"{run.name}.configs", configs, inputs)
    environment = {"OMP_NUM_THREADS": str(threads), "PATH": "/usr/bin:/bin", "HOME": str(work)}
    log = (work / f"{run.name}.log").open("w")
    command = [python, str(SHIM), "train", *options]
    try:
        ended = subprocess.run(command, stdout=log, stderr=log, env=environment, timeout=limit)
        failed = ended.returncode != 0
    except subprocess.TimeoutExpired:
        failed = False
    history = run / "validation_average_history.log"
    if failed or not history.exists() or not list((run / "saved_models").glob("*.pt")):
        told = (work / f"{run.name}.log").read_text()[-1500:]
        if failed:
            raise SystemExit(f"error: EIR failed\n{told}")
        return float("inf")
    return float(pl.read_csv(history)["loss-average"].min())


def _omics(work: Path, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "input_info": {
            "input_source": str(work / "calls"), "input_name": "genotype", "input_type": "omics",
        },
        "input_type_info": {"snp_file": str(work / "variants.bim")},
        "model_config": {
            "model_type": "genome-local-net",
            "model_init_config": {
                "kernel_width": given["kernel"], "channel_exp_base": given["channels"],
            },
        },
    }  # fmt: skip


def _known(case: Case, work: Path) -> dict[str, Any]:
    return {
        "input_info": {
            "input_source": str(work / "known.csv"), "input_name": "known",
            "input_type": "tabular",
        },
        "input_type_info": {
            "input_con_columns": [f"c{i}" for i in range(case.covariates.shape[1])]
        },
        "model_config": {"model_type": "tabular"},
    }  # fmt: skip


def _output(case: Case, labels: Path) -> dict[str, Any]:
    kind = "target_cat_columns" if case.binary else "target_con_columns"
    return {
        "output_info": {
            "output_name": "trait", "output_source": str(labels), "output_type": "tabular",
        },
        "output_type_info": {kind: ["label"]},
    }  # fmt: skip


def _write_configs(
    folder: Path, configs: dict[str, Any], inputs: list[dict[str, Any]]
) -> list[str]:
    """Files (JSON is YAML) and the options that name them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    options = []
    for name, content in configs.items():
        (folder / f"{name}.yaml").write_text(json.dumps(content))
        options += [f"--{name}_configs", str(folder / f"{name}.yaml")]
    options.append("--input_configs")
    for number, content in enumerate(inputs):
        (folder / f"input{number}.yaml").write_text(json.dumps(content))
        options.append(str(folder / f"input{number}.yaml"))
    return options


def _predict(case: Case, work: Path, run: Path, python: str) -> np.ndarray:
    """Everybody's expectation, or log odds."""
    configs = {"global": {}, "fusion": {}, "output": _output(case, work / "everybody.csv")}
    folder = work / f"{run.name}.configs"
    whole = json.loads((folder / "global.yaml").read_text())
    configs["global"] = whole
    configs["fusion"] = json.loads((folder / "fusion.yaml").read_text())
    inputs = [json.loads(path.read_text()) for path in sorted(folder.glob("input*.yaml"))]
    options = _write_configs(work / "predict.configs", configs, inputs)
    out = work / "predicted"
    out.mkdir()
    models = sorted((run / "saved_models").glob("*.pt"))
    if not models:
        raise SystemExit("error: EIR saved no model in the time given; raise --budget")
    command = [python, str(SHIM), "predict", *options, "--model_path", str(models[0])]
    command += ["--output_folder", str(out), "--evaluate"]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"error: EIR cannot predict\n{ended.stderr[-1500:]}")
    (found,) = out.rglob("predictions.csv")
    table = pl.read_csv(found)
    place = dict(zip(table["ID"].to_list(), range(table.height), strict=True))
    if case.binary:
        eta = table["case"].cast(pl.Float64) - table["control"].cast(pl.Float64)
    else:
        eta = table["label"].cast(pl.Float64)
    order = [place[sample] for sample in case.samples]
    return eta.to_numpy()[order]
