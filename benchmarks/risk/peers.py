"""Train a peer on the develop people of a case and predict everybody.

python benchmarks/risk/peers.py CASE --method lasso --trait y --out predictions.tsv

Every peer gets the same --budget in seconds for choosing its settings, among develop people only;
it then learns from all of them. The table has the columns sample and prediction; what was chosen
goes to a JSON file beside it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from casefiles import Case, read_case
from scipy.linalg import eigh
from sklearn.linear_model import enet_path

FOLDS = 5
PATH_END = 0.05  # the smallest penalty of a path, by the largest


class Task(NamedTuple):
    """How a peer may work: seconds for choosing, threads, seed, EIR's Python.

    deadline : of one fit, by time.monotonic()
    """

    budget: float
    threads: int
    seed: int
    eir: str
    deadline: float = float("inf")


class Fitted(NamedTuple):
    """Predictions float64 (samples,), on any scale, and what was chosen."""

    prediction: np.ndarray
    chosen: dict[str, Any]


def elastic_net(case: Case, task: Task, ratios: tuple[float, ...]) -> Fitted:
    """By glmnet where R has it, else by scikit-learn; covariates are not penalised."""
    if case.binary or has_glmnet():
        return glmnet(case, task, ratios)
    return sklearn_path(case, task, ratios)


def has_glmnet() -> bool:
    """True when R and its package glmnet are installed."""
    if shutil.which("Rscript") is None:
        return False
    return subprocess.run(["Rscript", "-e", "library(glmnet)"], capture_output=True).returncode == 0


def glmnet(case: Case, task: Task, ratios: tuple[float, ...]) -> Fitted:
    """Cross-validated by glmnet; it warns about few cases, which is no error."""
    script = Path(__file__).with_name("glmnet.R")
    with tempfile.TemporaryDirectory(prefix="glmnet-") as scratch:
        work = Path(scratch)
        with (work / "x.f32").open("wb") as out:
            case.covariates.T.astype(np.float32).tofile(out)
            case.calls.T.tofile(out)
        case.y.tofile(work / "y.f64")
        case.folds(FOLDS, task.seed).tofile(work / "fold.i32")
        np.array([case.covariates.shape[1]], np.int32).tofile(work / "n_free.i32")
        family = "binomial" if case.binary else "gaussian"
        command = ["Rscript", script, work, family, ",".join(map(str, ratios)), PATH_END]
        command += [task.threads, task.budget]
        ran = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(f"glmnet failed:\n{ran.stderr[-2000:]}")
        chosen = pl.read_csv(work / "chosen.tsv", separator="\t").row(0, named=True)
        return Fitted(np.fromfile(work / "eta.f64"), {"engine": "glmnet"} | chosen)


def sklearn_path(case: Case, task: Task, ratios: tuple[float, ...]) -> Fitted:
    """Cross-validated by scikit-learn; covariates are taken out of trait and calls before."""
    fold = case.folds(FOLDS, task.seed)
    began, best = time.monotonic(), (np.inf, 0.0, 0.0)
    for number, ratio in enumerate(ratios):
        if number and (time.monotonic() - began) * (number + 1) / number > task.budget:
            break
        largest = _largest_penalty(case) / ratio
        penalties = largest * np.geomspace(1, PATH_END, 50)
        losses = np.zeros(50)
        for k in range(1, FOLDS + 1):
            eta = _path(case, (fold > 0) & (fold != k), ratio, penalties)
            held = fold == k
            losses += ((case.y[held, None] - eta[held]) ** 2).sum(axis=0)
        if losses.min() < best[0]:
            best = (losses.min(), ratio, float(penalties[np.argmin(losses)]))
    _, ratio, penalty = best
    whole = _path(case, fold > 0, ratio, np.geomspace(1, penalty / largest, 20) * largest)
    return Fitted(whole[:, -1], {"engine": "sklearn", "alpha": ratio, "lambda": penalty})


def _largest_penalty(case: Case) -> float:
    develop = ~case.test
    y = case.y[develop] - case.y[develop].mean()
    return float(np.abs(y.astype(np.float32) @ case.calls[develop]).max() / develop.sum())


def _path(case: Case, rows: np.ndarray, ratio: float, penalties: np.ndarray) -> np.ndarray:
    """Predictions (samples, penalties) of everybody by a path fitted to `rows`."""
    design = np.column_stack([np.ones(len(case.y)), case.covariates])
    basis, _ = np.linalg.qr(design[rows])
    y = case.y[rows] - basis @ (basis.T @ case.y[rows])
    calls = np.asfortranarray(case.calls[rows])
    calls -= (basis @ (basis.T @ calls)).astype(np.float32)
    _, beta, _ = enet_path(calls, y.astype(np.float32), l1_ratio=ratio, alphas=penalties, tol=1e-3)
    genetic = case.calls @ beta
    left = case.y[rows, None] - genetic[rows]
    return genetic + design @ np.linalg.lstsq(design[rows], left, rcond=None)[0]


def ridge(case: Case, task: Task) -> Fitted:
    """GBLUP: ridge on all variants, its penalty by leaving one person out, in closed form."""
    develop = ~case.test
    design = np.column_stack([np.ones(len(case.y)), case.covariates])
    basis, _ = np.linalg.qr(design[develop])
    calls = np.ascontiguousarray(case.calls[develop])
    calls -= (basis @ (basis.T @ calls)).astype(np.float32)
    y = case.y[develop] - basis @ (basis.T @ case.y[develop])
    values, vectors = eigh(calls @ calls.T / calls.shape[1], overwrite_a=True, driver="evd")
    along, squares = vectors.T @ y, vectors**2
    losses = {}
    for h2 in np.round(np.concatenate([[0.01, 0.02], np.arange(0.05, 0.96, 0.05)]), 3):
        penalty = (1 - h2) / h2
        shrunk = values.clip(0) / (values.clip(0) + penalty)
        left = (y - vectors @ (shrunk * along)) / (1 - squares @ shrunk)
        losses[float(h2)] = float(np.mean(left**2))
    h2 = min(losses, key=losses.__getitem__)
    weights = vectors @ (along / (values.clip(0) + (1 - h2) / h2)) / calls.shape[1]
    genetic = case.calls @ (calls.T @ weights.astype(np.float32))
    fixed = np.linalg.lstsq(design[develop], case.y[develop] - genetic[develop], rcond=None)[0]
    return Fitted(genetic + design @ fixed, {"engine": "eigendecomposition", "h2": h2})


def searched(
    budget: float,
    settings: Iterator[dict[str, Any]],
    judge: Callable[[dict[str, Any], float], float],
) -> tuple[dict[str, Any], int]:
    """Try settings until the budget is spent, at least one; the best and how many were tried.

    judge : settings, deadline -> loss on held-out develop people; it may add to the settings, and
            stops training when time.monotonic() passes the deadline
    """
    began, best, tried = time.monotonic(), (np.inf, {}), 0
    longest = 0.0
    for given in settings:
        started = time.monotonic()
        loss = judge(given, began + budget)
        tried += 1
        longest = max(longest, time.monotonic() - started)
        if loss < best[0] or tried == 1:
            best = (loss, given)
        if time.monotonic() - began + longest / 2 > budget:
            break
    return best[1], tried


def _held_out(case: Case, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows to judge by, both of develop people."""
    fold = case.folds(FOLDS, task.seed)
    return np.flatnonzero(fold > 1), np.flatnonzero(fold == 1)


def boosting(case: Case, task: Task) -> Fitted:
    """LightGBM where installed, else scikit-learn's; held-out loss says how many trees."""
    rng = np.random.default_rng(task.seed)
    features = np.hstack([case.calls, case.covariates.astype(np.float32)])
    learn, judge_rows = _held_out(case, task)
    engine = _lightgbm if importlib.util.find_spec("lightgbm") else _hist_boosting

    def settings() -> Iterator[dict[str, Any]]:
        yield {"rate": 0.05, "leaves": 15, "columns": 0.2, "smallest": 50, "l2": 1.0}
        while True:
            yield {
                "rate": float(rng.choice([0.02, 0.05, 0.1])),
                "leaves": int(rng.choice([3, 7, 15, 31, 63])),
                "columns": float(rng.choice([0.05, 0.2, 0.5, 1.0])),
                "smallest": int(rng.choice([10, 30, 100])),
                "l2": float(rng.choice([0.1, 1.0, 10.0])),
            }

    def judge(given: dict[str, Any], deadline: float) -> float:
        timed = task._replace(deadline=deadline)
        loss, given["trees"], _ = engine(case, features, learn, judge_rows, given, timed)
        return loss

    chosen, tried = searched(task.budget, settings(), judge)
    develop = np.flatnonzero(~case.test)
    _, _, prediction = engine(case, features, develop, None, chosen, task)
    return Fitted(prediction, {"engine": engine.__name__.strip("_"), "tried": tried} | chosen)


def _lightgbm(
    case: Case,
    features: np.ndarray,
    rows: np.ndarray,
    held: np.ndarray | None,
    given: dict[str, Any],
    task: Task,
) -> tuple[float, int, np.ndarray]:
    """Loss on `held` (or NaN), number of trees, predictions of everybody."""
    import lightgbm

    options = {
        "objective": "binary" if case.binary else "regression",
        "learning_rate": given["rate"], "num_leaves": given["leaves"],
        "feature_fraction": given["columns"], "min_data_in_leaf": given["smallest"],
        "lambda_l2": given["l2"], "max_bin": 15, "num_threads": task.threads, "seed": task.seed,
        "verbosity": -1, "feature_pre_filter": False,
    }  # fmt: skip
    data = lightgbm.Dataset(features[rows], case.y[rows])
    if held is None:
        model = lightgbm.train(options, data, num_boost_round=given["trees"])
        return float("nan"), given["trees"], model.predict(features, raw_score=True)
    against = lightgbm.Dataset(features[held], case.y[held], reference=data)
    losses: list[float] = []

    def stop(now: Any) -> None:
        losses.append(now.evaluation_result_list[0][2])
        best = int(np.argmin(losses))
        if len(losses) - best > 50 or time.monotonic() > task.deadline:
            raise lightgbm.callback.EarlyStopException(best, now.evaluation_result_list)

    lightgbm.train(options, data, 3000, valid_sets=[against], callbacks=[stop])
    return min(losses), int(np.argmin(losses)) + 1, np.empty(0)


def _hist_boosting(
    case: Case,
    features: np.ndarray,
    rows: np.ndarray,
    held: np.ndarray | None,
    given: dict[str, Any],
    task: Task,
) -> tuple[float, int, np.ndarray]:
    """As _lightgbm, by scikit-learn."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if case.binary else HistGradientBoostingRegressor
    model = kind(
        learning_rate=given["rate"], max_leaf_nodes=given["leaves"],
        max_iter=given.get("trees", 1000),
        max_features=given["columns"], min_samples_leaf=given["smallest"],
        l2_regularization=given["l2"], max_bins=15, random_state=task.seed,
        early_stopping=held is not None, n_iter_no_change=30,
    )  # fmt: skip
    if held is None:
        model.fit(features[rows], case.y[rows])
        score = model.decision_function if case.binary else model.predict
        return float("nan"), model.n_iter_, score(features)
    model.fit(features[rows], case.y[rows], X_val=features[held], y_val=case.y[held])
    return -float(max(model.validation_score_)), model.n_iter_, np.empty(0)


def mlp(case: Case, task: Task) -> Fitted:
    """Two hidden layers on all variants, stopped early; the mean of three fits predicts."""
    import torch

    torch.set_num_threads(task.threads)
    rng = np.random.default_rng(task.seed)
    features = torch.from_numpy(np.hstack([case.calls, case.covariates.astype(np.float32)]))
    centre, spread = case.y[~case.test].mean(), case.y[~case.test].std()
    target = case.y if case.binary else (case.y - centre) / spread
    truth = torch.from_numpy(target.astype(np.float32))
    learn, held = (torch.from_numpy(rows) for rows in _held_out(case, task))
    loss_of = torch.nn.BCEWithLogitsLoss() if case.binary else torch.nn.MSELoss()

    def settings() -> Iterator[dict[str, Any]]:
        yield {"width": 128, "dropout": 0.5, "rate": 3e-4, "decay": 0.1}
        while True:
            yield {
                "width": int(rng.choice([32, 128, 512])),
                "dropout": float(rng.choice([0.2, 0.5, 0.8])),
                "rate": float(rng.choice([1e-4, 3e-4, 1e-3])),
                "decay": float(rng.choice([1e-3, 0.1, 1.0])),
            }

    def judge(given: dict[str, Any], deadline: float) -> float:
        loss, given["epochs"], _ = fit(given, learn, held, task.seed, deadline)
        return loss

    def fit(
        given: dict[str, Any], rows: Any, against: Any, seed: int, deadline: float = float("inf")
    ) -> tuple[float, int, Any]:
        torch.manual_seed(seed)
        width, drop = given["width"], given["dropout"]
        model = torch.nn.Sequential(
            torch.nn.Dropout(drop / 2), torch.nn.Linear(features.shape[1], width), torch.nn.GELU(),
            torch.nn.Dropout(drop), torch.nn.Linear(width, width), torch.nn.GELU(),
            torch.nn.Dropout(drop), torch.nn.Linear(width, 1),
        )  # fmt: skip
        steps = torch.optim.AdamW(model.parameters(), lr=given["rate"], weight_decay=given["decay"])
        best = (float("inf"), 1)
        for epoch in range(1, (100 if against is not None else given["epochs"]) + 1):
            model.train()
            for some in rows[torch.randperm(len(rows))].split(256):
                steps.zero_grad()
                loss_of(model(features[some]).squeeze(1), truth[some]).backward()
                steps.step()
            if against is None:
                continue
            model.eval()
            with torch.no_grad():
                loss = float(loss_of(model(features[against]).squeeze(1), truth[against]))
            best = min(best, (loss, epoch))
            if epoch - best[1] >= 8 or time.monotonic() > deadline:
                break
        model.eval()
        with torch.no_grad():
            return *best, model(features).squeeze(1).numpy().astype(np.float64)

    chosen, tried = searched(task.budget, settings(), judge)
    develop = torch.from_numpy(np.flatnonzero(~case.test))
    parts = [fit(chosen, develop, None, task.seed + i)[2] for i in range(3)]
    return Fitted(np.mean(parts, axis=0), {"engine": "torch", "tried": tried} | chosen)


def eir(case: Case, task: Task) -> Fitted:
    """EIR's genome-local net, in an environment of its own."""
    from eir_peer import eir as run_eir

    prediction, chosen = run_eir(case, task.budget, task.threads, task.seed, task.eir, searched)
    return Fitted(prediction, chosen)


METHODS: dict[str, Callable[[Case, Task], Fitted]] = {
    "lasso": lambda case, task: elastic_net(case, task, (1.0,)),
    "elastic_net": lambda case, task: elastic_net(case, task, (1.0, 0.5, 0.1)),
    "ridge": ridge,
    "boosting": boosting,
    "mlp": mlp,
    "eir": eir,
}


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", type=Path, help="directory that simulate.py wrote")
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--trait", default="y")
    parser.add_argument("--covariates", action="store_true", help="use covariates.tsv too")
    parser.add_argument("--budget", type=float, default=180, help="seconds for choosing settings")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--eir", default="python", help="Python of the environment with EIR")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    case = read_case(options.case, options.trait, options.covariates)
    began = time.monotonic()
    task = Task(options.budget, options.threads, options.seed, options.eir)
    fitted = METHODS[options.method](case, task)
    spent = round(time.monotonic() - began, 1)
    table = pl.DataFrame({"sample": case.samples, "prediction": fitted.prediction})
    table.write_csv(options.out, separator="\t")
    note = {"method": options.method, "seconds": spent, "chosen": fitted.chosen}
    options.out.with_suffix(".json").write_text(json.dumps(note, indent=1, default=str) + "\n")
    print(json.dumps(note, default=str), file=sys.stderr)


if __name__ == "__main__":
    main()
