"""Measure what commands cost: processor time, memory and disc, for genomed/costs.toml.

python benchmarks/costs/measure.py DATA [--reads READS] [--only TASK,TASK] [--cases S,M]

DATA holds the cohorts of make_cohorts.py (S, M, W, F), READS what simulate.py of benchmarks/reads
makes: directories with reads.bam and ref.fa. tasks.toml says what is run on what. Every run is
added to measurements.json, which fit.py reads; run a task once before, to have kernels compiled.

The machine may be busy with other things: what is fitted is processor time, which that hardly
changes, told apart in what one thread did alone and what several did at the same time, see `Watch`.
Memory is the largest sum of resident sizes of the process and its children.
"""

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import genomed
from genomed.io.alignment_sizes import alignment_sizes
from genomed.io.cohort_sizes import cohort_sizes
from genomed.stats.machine_speed import measure_speed

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from inputs import read_rows, write_many_columns  # noqa: E402 - of the directory above

MEASUREMENTS = HERE / "measurements.json"
EVERY_S = 0.02
COHORTS = ("S", "M", "W", "F")
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Used:
    """What a run took: seconds, bytes."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    parallel_share: float = 0.0  # of the processor time
    idle_s: float = 0.0  # when no thread wanted a processor
    peak_bytes: int = 0
    written_bytes: int = 0


class Watch(threading.Thread):
    """Looks at a process every 20 ms.

    A thread that runs, or waits for a processor, wants one; the kernel tells for how long it did
    either (/proc/PID/task/TID/schedstat). If threads wanted p processors on average between two
    looks, one of two that wanted them at once did 2 (p - 1) / p of the work then, for p up to 2.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.ended = pid, threading.Event()
        self.work = self.together = self.idle = 0.0
        self.peak = 0
        self._seen: dict[str, tuple[int, int]] = {}

    def run(self) -> None:
        last = time.monotonic()
        while not self.ended.wait(EVERY_S):
            now = time.monotonic()
            self._look(now - last)
            last = now

    def _look(self, seconds: float) -> None:
        ran = wanted = 0.0
        resident = 0
        for pid in _family(self.pid):
            try:
                resident += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
                for task in Path(f"/proc/{pid}/task").iterdir():
                    run_ns, wait_ns, _ = map(int, (task / "schedstat").read_text().split())
                    before = self._seen.get(task.name, (0, 0))
                    self._seen[task.name] = run_ns, wait_ns
                    ran += (run_ns - before[0]) / 1e9
                    wanted += (run_ns - before[0] + wait_ns - before[1]) / 1e9
            except (OSError, ValueError, IndexError):
                continue
        self.peak = max(self.peak, resident)
        parallelism = wanted / seconds
        self.work += ran
        self.idle += max(0.0, 1 - parallelism) * seconds
        if parallelism > 1:
            self.together += ran * min(1.0, 2 * (parallelism - 1) / parallelism)


def _family(pid: int) -> list[int]:
    """A process and all that came of it."""
    found = [pid]
    try:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                found += _family(int(child))
    except OSError:
        pass
    return found


def run_once(command: str, out: Path) -> Used:
    """Run a command to its end and say what it took."""
    with tempfile.TemporaryFile("w+") as said:
        began = time.monotonic()
        process = subprocess.Popen(shlex.split(command), stdout=said, stderr=said)
        watch = Watch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        watch.ended.set()
        watch.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"exit code {process.returncode}: {command}\n{said.read()[-2000:]}")
    return Used(
        wall_s=round(wall, 3),
        cpu_s=round(usage.ru_utime + usage.ru_stime, 3),
        parallel_share=round(watch.together / max(watch.work, 1e-9), 4),
        idle_s=round(watch.idle, 3),
        peak_bytes=max(watch.peak, usage.ru_maxrss * 1024),
        written_bytes=sum(path.stat().st_size for path in out.rglob("*") if path.is_file()),
    )


def machine() -> dict[str, Any]:
    """What was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")
    return {"processor": model, "processors": os.cpu_count(), "system": platform.platform()}


def measure(
    task: dict[str, Any], case: dict[str, Any], threads: int, options: argparse.Namespace
) -> dict[str, Any]:
    """One run of a task on one case, as a record of measurements.json."""
    out = options.work / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    path, parent = prepare(case, options)
    names = {"data": options.data, "work": options.work, "out": out, "path": path}
    names["case"] = case["name"]
    names |= {"genomed": shlex.quote(str(Path(sys.executable).parent / "genomed"))}
    names |= {"traits": f"{parent}.pheno", "covariates": f"{parent}.cov"}
    names |= {"weights": f"{parent}.w10k.tsv", "many": options.work / f"{parent.name}.w500.tsv"}
    names["threads"] = threads
    command, source = task["command"].format(**names), task["input"].format(**names)
    _in_cache(source)
    facts = dict(task.get("options", {}))
    if task.get("models") == "many" and not names["many"].is_file():
        write_many_columns(read_rows(Path(names["weights"])), names["many"])
    if "models" in task:
        facts |= _model_sizes(Path(names["many" if task["models"] == "many" else "weights"]))
    speed = measure_speed()
    used = run_once(command, out)
    if task.get("keep"):
        kept = options.work / "kept" / f"{task['name']}-{case['name']}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(out, kept)
    return {
        "task": task["name"], "rule": task["rule"], "case": case["name"],
        "sizes": sizes_of(task["sizes"], source), "options": facts, "threads": threads,
        "used": asdict(used), "speed": round(speed, 3),
        "time": datetime.now(UTC).isoformat(timespec="seconds"), "version": genomed.__version__,
    }  # fmt: skip


def prepare(case: dict[str, Any], options: argparse.Namespace) -> tuple[Path, Path]:
    """Prefixes of a case, which is made where it is not there, and of the cohort it is part of."""
    path = options.work / case["name"]
    if "make" not in case:
        path = Path(case.get("path", f"{options.data}/{case['name']}").format(reads=options.reads))
        return path, path
    made_of = [name for name in COHORTS if f"{{data}}/{name} " in case["make"]]
    make = case["make"].format(data=options.data, path=path, reads=options.reads, here=HERE,
                               work=options.work)  # fmt: skip
    options.work.mkdir(parents=True, exist_ok=True)
    if not made_of:
        if not (path.exists() or path.with_suffix(".pgen").exists()):
            subprocess.run(shlex.split(make), check=True)
        return path, path
    parent = options.data / made_of[0]
    if not path.with_suffix(".vcf.gz").is_file():
        export = f"plink2 --threads 1 --pfile {path} --export vcf bgz --out {path}"
        for command in (make, export, f"tabix {path}.vcf.gz"):
            subprocess.run(shlex.split(command), check=True, stdout=subprocess.DEVNULL)
    return path, parent


def sizes_of(kind: str, path: str) -> dict[str, Any]:
    """What `genomed plan` sees of an input."""
    return asdict(cohort_sizes(path) if kind == "cohort" else alignment_sizes(Path(path)))


def _model_sizes(path: Path) -> dict[str, int]:
    """Models of a table ID, A1 and a column for each, and weights in all."""
    text = path.read_bytes()
    models = text[: text.index(b"\n")].count(b"\t") - 1
    return {"models": models, "weights": models * (text.count(b"\n") - 1)}


def _in_cache(prefix: str) -> None:
    """Read the files once, so that no run waits for a disc that the next one does not."""
    path = Path(prefix)
    for file in [path, *path.parent.glob(path.name + ".*")]:
        if file.is_file():
            file.read_bytes()


def write(record: dict[str, Any]) -> None:
    """A line for each run, in the order of tasks, cases and threads."""
    runs = sorted(record["runs"], key=lambda run: (run["task"], run["case"], run["threads"]))
    lines = ",\n".join(json.dumps(run) for run in runs)
    head = json.dumps(record["machine"])
    MEASUREMENTS.write_text(f'{{"machine": {head},\n"runs": [\n{lines}\n]}}\n')


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--reads", type=Path, help="directories of benchmarks/reads/simulate.py")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "genomed-costs")
    parser.add_argument("--tasks", type=Path, default=HERE / "tasks.toml")
    parser.add_argument("--only", default="", help="names of tasks, with commas")
    parser.add_argument("--cases", default="", help="names of cases, with commas")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    wanted, cases = (set(filter(None, t.split(","))) for t in (options.only, options.cases))
    known = tomllib.loads(options.tasks.read_text())
    record = {"machine": machine(), "runs": []}
    if MEASUREMENTS.is_file():
        record = json.loads(MEASUREMENTS.read_text())
    for task in known["task"]:
        if wanted and task["name"] not in wanted:
            continue
        chosen = [(name, 2) for name in task["cases"]]
        chosen += [(name, n) for name in task.get("by_threads", []) for n in (1, 4)]
        for name, threads in chosen:
            if cases and name not in cases:
                continue
            case = known["case"].get(name, {}) | {"name": name}
            run = measure(task, case, threads, options)
            key = (run["task"], run["case"], run["threads"])
            record["runs"] = [
                old for old in record["runs"] if (old["task"], old["case"], old["threads"]) != key
            ] + [run]
            write(record)
            print(*key, json.dumps(run["used"]), flush=True)


if __name__ == "__main__":
    main()
