"""Run scenarios x seeds x methods, one cell at a time, and hold them against bars.toml.

python benchmarks/risk/run.py --stage development --only hubs --seeds 1 --methods ours,lasso

Every cell (a scenario, seed, trait and method) leaves predictions and a JSON file below --work, and
is not run again while they are there: kill it, and start the same command later. --report makes the
table and judges the bars from whatever is there.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent


class Cell(NamedTuple):
    """One thing to run."""

    scenario: str
    seed: int
    trait: str
    method: str

    def folder(self, work: Path) -> Path:
        """Where its files lie."""
        return work / f"{self.scenario}_{self.seed}" / f"{self.trait}.{self.method}"


def main() -> None:
    options = parse_options()
    bars = tomllib.loads(options.bars.read_text())
    failed = 0
    for cell in [] if options.report else chosen_cells(options, bars):
        done = cell.folder(options.work) / "cell.json"
        if not done.exists() and not run_cell(cell, options, bars):
            failed += 1
    from report import write_report

    missed = write_report(options.work, bars, options.stage)
    raise SystemExit(1 if failed or (options.check and missed) else 0)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=("quick", "development", "final"), default="development")
    parser.add_argument("--work", type=Path, help="default: results/STAGE beside this script")
    parser.add_argument("--only", help="scenarios, with commas; all of bars.toml by default")
    parser.add_argument("--seeds", help="with commas; those of the stage by default")
    parser.add_argument("--traits", help="with commas; those of the scenario by default")
    parser.add_argument("--methods", help="with commas; ours and all peers by default")
    parser.add_argument("--budget", type=float, help="seconds a peer has; default in bars.toml")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--genomed", default="genomed", help="the program that is judged")
    parser.add_argument("--ours", default="", help="further options of `genomed train`")
    parser.add_argument("--eir", default="python", help="Python of the environment with EIR")
    parser.add_argument(
        "--hipster",
        type=Path,
        default=Path(os.environ.get("GENOMED_TEST_DATA", HERE.parents[2] / "shared" / "data"))
        / "cohort" / "variantspark_hipster",
        help="directory of the real genotypes",
    )  # fmt: skip
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a bar is missed")
    parser.add_argument("--bars", type=Path, default=HERE / "bars.toml")
    options = parser.parse_args()
    options.work = options.work or HERE / "results" / options.stage
    return options


def chosen_cells(options: argparse.Namespace, bars: dict[str, Any]) -> Iterator[Cell]:
    """Cells in an order that gives whole scenarios early."""
    methods = _words(options.methods) or ["ours", *bars["run"]["peers"]]
    for scenario in _words(options.only) or list(bars["scenarios"]):
        traits = bars["scenarios"][scenario]["traits"]
        usual = bars["scenarios"][scenario].get("seeds", bars[options.stage]["seeds"])
        for seed in _words(options.seeds) or usual:
            for trait in _words(options.traits) or traits:
                for method in methods:
                    yield Cell(scenario, int(seed), trait, method)


def run_cell(cell: Cell, options: argparse.Namespace, bars: dict[str, Any]) -> bool:
    """Run a cell into its folder; False when it fails, with its output kept in log.txt."""
    case = make_case(cell, options, bars)
    folder = cell.folder(options.work)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    commands = ours_commands if cell.method == "ours" else peer_commands
    spent: dict[str, dict[str, float]] = {}
    for name, command in commands(cell, case, folder, options, bars).items():
        status, spent[name] = timed(command, folder / "log.txt")
        if status:
            print(f"FAILED {cell}: see {folder / 'log.txt'}", flush=True)
            return False
    note = {"cell": cell._asdict(), "spent": spent}
    (folder / "cell.json").write_text(json.dumps(note, indent=1) + "\n")
    print(*cell, {name: round(used["wall_s"]) for name, used in spent.items()}, flush=True)
    return True


def make_case(cell: Cell, options: argparse.Namespace, bars: dict[str, Any]) -> Path:
    """Simulate the case, or cut a fold of real people, unless it is there."""
    case = options.work / f"{cell.scenario}_{cell.seed}" / "case"
    if (case / "store.psam").exists():
        return case
    if cell.scenario == "hipster":
        command = [sys.executable, HERE / "hipster.py", "--data", options.hipster, "--out", case]
        command += ["--seed", cell.seed, "--genomed", options.genomed]
        command += ["--cache", options.work / "genotypes"]
        subprocess.run([str(word) for word in command], check=True)
        return case
    shape = {key: value for key, value in bars[options.stage].items() if key != "seeds"}
    command = [sys.executable, HERE / "simulate.py", "--out", case, "--scenario", cell.scenario]
    command += ["--seed", cell.seed, "--cache", options.work / "genotypes"]
    for key, value in shape.items():
        command += [f"--{key.replace('_', '-')}", value]
    subprocess.run([str(word) for word in command], check=True)
    return case


def peer_commands(
    cell: Cell, case: Path, folder: Path, options: argparse.Namespace, bars: dict[str, Any]
) -> dict[str, list[str]]:
    """One command, of peers.py."""
    command = [sys.executable, HERE / "peers.py", case, "--method", cell.method]
    command += ["--trait", cell.trait, "--seed", cell.seed, "--out", folder / "predictions.tsv"]
    command += ["--budget", options.budget or bars["run"]["budget"], "--eir", options.eir]
    command += ["--threads", options.threads or bars["run"]["threads"]]
    if bars["scenarios"][cell.scenario].get("covariates"):
        command.append("--covariates")
    return {"train": [str(word) for word in command]}


def ours_commands(
    cell: Cell, case: Path, folder: Path, options: argparse.Namespace, bars: dict[str, Any]
) -> dict[str, list[str]]:
    """`genomed train` and `genomed risk`, as bars.toml spells them."""
    ours, scenario = bars["ours"], bars["scenarios"][cell.scenario]
    train, predict = [ours["train"]], [ours["predict"]]
    for wanted in ("covariates", "groups"):
        if scenario.get(wanted):
            train.append(ours[f"train_{wanted}"])
            predict.append(ours.get(f"predict_{wanted}", ""))
    train.append(options.ours)
    names = {
        "genomed": options.genomed, "case": case, "work": folder, "trait": cell.trait,
        "seed": cell.seed, "threads": options.threads or bars["run"]["threads"],
        "build": scenario.get("build", "GRCh38"),
    }  # fmt: skip
    parts = {"train": train, "predict": predict}
    return {key: shlex.split(" ".join(words).format(**names)) for key, words in parts.items()}


def timed(command: list[str], log: Path) -> tuple[int, dict[str, float]]:
    """Exit code; wall and processor seconds and the peak memory of the process, in MB."""
    began = time.monotonic()
    with log.open("a") as out:
        out.write(f"$ {shlex.join(command)}\n")
        out.flush()
        process = subprocess.Popen(command, stdout=out, stderr=out)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, {
        "wall_s": round(time.monotonic() - began, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": round(usage.ru_maxrss / 1024, 1),
    }


def _words(text: str | None) -> list[str]:
    return [word for word in (text or "").split(",") if word]


if __name__ == "__main__":
    main()
