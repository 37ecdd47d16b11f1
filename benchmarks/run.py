"""Time genomed and a peer in alternation on the same file, with the same threads.

python benchmarks/run.py --cohorts DIR --only S,M --pairs 5

Timings on a shared machine are noise; the ratio of two runs, one right after the other, is not. So
each pair is A then B, the ratio is taken pair by pair, and the first pair, which fills caches and
compiles kernels, is not counted. Wall time is of the whole process; processor time and peak memory
(of the largest single process) are what the kernel says when the process ends. Without --cohorts,
small ones are simulated below benchmarks/cohorts.
"""

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
PHASE = re.compile(r"^timing\t(.+)\t([0-9.]+)$", re.MULTILINE)
VERSIONED = ("genomed", "numba", "numpy", "pgenlib", "polars", "pysam", "zlib-ng")

# A program with threads of its own, as plink2 has, is slowed by a BLAS that adds more.
PEER_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}


class Run(NamedTuple):
    """One process: seconds and MB; `counted` is the wall time, or that of its phases."""

    wall: float
    cpu: float
    peak_mb: float
    counted: float


class RunError(Exception):
    """A command that ended with another status than 0."""


def phases(text: str) -> dict[str, float]:
    """Seconds of each phase that `genomed risk --timings` printed: after imports, to the end."""
    return {name: float(value) for name, value in PHASE.findall(text)}


# This script stays small: a child's peak memory starts from what its parent held when it forked.
def run_once(command: str, environment: dict[str, str], net: bool) -> Run:
    """Run a command to its end and let the kernel say what it used."""
    with tempfile.TemporaryFile("w+") as said:
        began = time.monotonic()
        process = subprocess.Popen(  # reaped by wait4 below, which also tells what was used
            shlex.split(command), stdout=said, stderr=said, env=os.environ | environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if process.returncode != 0:
        raise RunError(f"exit code {process.returncode}: {command}\n{text[-2000:]}")
    cpu = usage.ru_utime + usage.ru_stime
    counted = sum(phases(text).values()) if net else 0.0
    return Run(wall, cpu, usage.ru_maxrss / 1024, counted or wall)


def run_pairs(
    commands: list[str], peer_environment: dict[str, str], out: Path, pairs: int, net: bool
) -> list[list[Run]]:
    """A B A B ...: `pairs` pairs after one that is not counted; `out` is empty before each run."""
    runs = []
    for _ in range(pairs + 1):
        pair = []
        for command, environment in zip(commands, ({}, peer_environment), strict=True):
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            pair.append(run_once(command, environment, net))
        runs.append(pair)
    return runs[1:]


def summary(values: list[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {
        "median": round(statistics.median(values), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
    }


def compare(runs: list[list[Run]]) -> dict[str, Any]:
    """Both sides, and the ratios pair by pair."""
    sides = {
        side: {
            "wall_s": summary([pair[n].wall for pair in runs]),
            "counted_s": summary([pair[n].counted for pair in runs]),
            "cpu_s": summary([pair[n].cpu for pair in runs]),
            "peak_mb": round(max(pair[n].peak_mb for pair in runs), 1),
        }
        for n, side in enumerate(("ours", "peer"))
    }
    return sides | {
        "ratio": summary([a.counted / b.counted for a, b in runs]),
        "wall_ratio": summary([a.wall / b.wall for a, b in runs]),
        "cpu_ratio": summary([a.cpu / b.cpu for a, b in runs]),
        "ratio_by_pair": [round(a.counted / b.counted, 4) for a, b in runs],
    }


def describe(result: dict[str, Any]) -> str:
    """A few lines for people."""
    lines = [f"{result['task']}  {result['cohort']}  {result['title']}"]
    for side in ("ours", "peer"):
        figures = result[side]
        wall, counted = figures["wall_s"]["median"], figures["counted_s"]["median"]
        lines.append(
            f"  {side}   wall {wall:.3f} s"
            + (f" (counted: {counted:.3f} s)" if counted != wall else "")
            + f"   cpu {figures['cpu_s']['median']:.3f} s   peak {figures['peak_mb']:.0f} MB"
        )
    ratio, goal = result["ratio"], result["goal"]
    verdict = "" if goal is None else f"   goal {goal}: {'met' if result['met'] else 'MISSED'}"
    lines.append(
        f"  ratio  median {ratio['median']:.3f}  min {ratio['min']:.3f}  max {ratio['max']:.3f}"
        f"{verdict}"
    )
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu_info = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", cpu_info.read_text()) if cpu_info.exists() else []
    return {
        "processor": models[0] if models else platform.processor(),
        "processors_usable": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "load_average": os.getloadavg()[0],
    }


def versions(tools: dict[str, str]) -> dict[str, str]:
    """Version of everything that was timed."""
    plink2 = subprocess.run([tools["plink2"], "--version"], capture_output=True, text=True)
    packages = {name: metadata.version(name) for name in VERSIONED}
    return packages | {"python": platform.python_version(), "plink2": plink2.stdout.strip()}


def find_tools() -> dict[str, str]:
    """Programs by the name that tasks.toml uses; genomed is the one beside this Python."""
    beside = Path(sys.executable).parent / "genomed"
    genomed = str(beside) if beside.exists() else shutil.which("genomed")
    found = {"python": sys.executable, "genomed": genomed, "plink2": shutil.which("plink2")}
    for name, path in found.items():
        if path is None:
            raise SystemExit(f"error: {name} is not installed")
    return {name: str(path) for name, path in found.items()}


def chosen_tasks(options: argparse.Namespace) -> Iterator[tuple[dict[str, Any], str]]:
    """(task, cohort) that were asked for and whose files are there."""
    names = options.tasks.split(",") if options.tasks else None
    cohorts = options.only.split(",") if options.only else None
    for task in tomllib.loads((HERE / "tasks.toml").read_text())["task"]:
        if names and task["name"] not in names:
            continue
        for cohort in task["cohorts"]:
            if cohorts and cohort not in cohorts:
                continue
            if not (options.cohorts / f"{cohort}.vcf.gz").exists():
                print(f"{task['name']}: left out, no {cohort}.vcf.gz in {options.cohorts}")
                continue
            yield task, cohort


def run_task(
    task: dict[str, Any],
    cohort: str,
    options: argparse.Namespace,
    tools: dict[str, str],
    scratch: Path,
) -> list[list[Run]]:
    """Derive what the task needs below `scratch`, fill in its commands and run them."""
    work = scratch / "work"
    if "{work}" in task["ours"] + task["peer"] or "{models}" in task["ours"]:
        script = [sys.executable, HERE / "inputs.py", options.cohorts, cohort, work]
        script += ["reference"] if "reference.zip" in task["ours"] else []
        subprocess.run(script, check=True)
    names = tools | {
        "data": str(options.cohorts),
        "work": str(work),
        "out": str(scratch / "out"),
        "here": str(HERE),
        "cohort": cohort,
        "threads": str(options.threads),
        "models": " ".join(f"--model {path}" for path in sorted(work.glob("*.models/*.tsv"))),
    }
    commands = [task[side].format(**names) for side in ("ours", "peer")]
    environment = PEER_ENVIRONMENT | dict(pair.split("=", 1) for pair in options.peer_env)
    net = task.get("net", False)
    return run_pairs(commands, environment, scratch / "out", options.pairs, net)


def measure(
    task: dict[str, Any], cohort: str, options: argparse.Namespace, tools: dict[str, str]
) -> dict[str, Any]:
    """Time one task on one cohort."""
    with tempfile.TemporaryDirectory(prefix="genomed-bench-") as scratch:
        result = compare(run_task(task, cohort, options, tools, Path(scratch)))
    goal = task.get("goal", {}).get(cohort)
    return {
        "task": task["name"],
        "title": task["title"],
        "cohort": cohort,
        "size_bytes": (options.cohorts / f"{cohort}.vcf.gz").stat().st_size,
        "threads": options.threads,
        "commands": {"ours": task["ours"], "peer": task["peer"]},
        "goal": goal,
        "met": None if goal is None else result["ratio"]["median"] <= goal,
    } | result


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohorts", type=Path, help="directory with S.vcf.gz, S.pgen, ...")
    parser.add_argument("--tasks", help="names from tasks.toml, with commas; all by default")
    parser.add_argument("--only", help="cohorts, with commas; all by default")
    parser.add_argument("--pairs", type=int, default=5, help="pairs that count (default 5)")
    parser.add_argument("--threads", type=int, default=2, help="for both sides (default 2)")
    parser.add_argument(
        "--peer-env", action="append", default=[], metavar="NAME=VALUE", help="for the peer only"
    )
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    if options.cohorts is None:
        options.cohorts = HERE / "cohorts"
        if not (options.cohorts / "F.pgen").exists():
            subprocess.run([sys.executable, HERE / "make_cohorts.py", options.cohorts], check=True)
    tools = find_tools()
    results, failed = [], False
    for task, cohort in chosen_tasks(options):
        try:
            results.append(measure(task, cohort, options, tools))
        except RunError as error:
            failed = True
            print(f"{task['name']}  {cohort}  FAILED\n{error}")
        else:
            print(describe(results[-1]), flush=True)
    now = datetime.now(UTC)
    record = {"time": now.isoformat(timespec="seconds"), "machine": machine()}
    record |= {"versions": versions(tools), "results": results}
    path = options.json or HERE / "results" / f"{now:%Y%m%d-%H%M%S}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n")
    print(f"figures: {path}")
    missed = options.check and any(result["met"] is False for result in results)
    raise SystemExit(1 if failed or missed else 0)


if __name__ == "__main__":
    main()
