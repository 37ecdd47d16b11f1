"""Call simulated and real reads with genomed, bcftools and freebayes, and judge the calls.

python benchmarks/reads/run.py --work DIR --only unseen,deepvariant_chr20 --depths 10

A cell is a set, a depth, a draw and a caller. Its calls stay below --work, and are not made again
while they are there. --report judges whatever is there. --rescore lets `genomed reads score` score
the calls of the peers; --speed times ours and freebayes in alternation on 5 Mb at 30x.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from peers import CALLERS, HARD_FILTERS, Input, Timed, call, hard_filtered, rescore

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Cell(NamedTuple):
    """Reads to be called: a set, a depth, and which draw of the reads."""

    name: str
    kind: str
    depth: int
    draw: int

    def folder(self, work: Path) -> Path:
        """Where its reads and calls lie."""
        return work / self.name / f"{self.depth}x_{self.draw}"


def main() -> None:
    options = parse_options()
    sets = tomllib.loads((HERE / "sets.toml").read_text())
    cells = list(chosen_cells(options, sets))
    if not options.report:
        for cell in cells:
            run_cell(cell, options, sets)
    if options.speed:
        time_speed(options, sets)
    from report import write_report

    missed = write_report(cells, options, sets)
    raise SystemExit(1 if options.check and missed else 0)


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=HERE / "results")
    parser.add_argument("--only", help="sets, by comma; default: all")
    parser.add_argument("--depths", help="depths, by comma; default: all")
    parser.add_argument("--callers", default=",".join(CALLERS))
    parser.add_argument("--draws", type=int, help="of real reads; default: as in sets.toml")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rescore", action="store_true")
    parser.add_argument("--model", default="shipped", help="that --rescore scores with")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument(
        "--pairs",
        type=int,
        default=3,
        help="timed in alternation, by --speed, after one that is not counted; 0: only that",
    )
    parser.add_argument("--again", help="callers whose calls are made again, by comma")
    parser.add_argument("--report", action="store_true", help="judge what is there, run nothing")
    parser.add_argument("--check", action="store_true", help="fail where a bar is missed")
    options = parser.parse_args(arguments)
    options.callers = options.callers.split(",")
    options.again = options.again.split(",") if options.again else []
    return options


def data_root() -> Path:
    """Directory of the public data."""
    return Path(os.environ.get("GENOMED_TEST_DATA", ROOT.parent / "shared" / "data"))


def chosen_cells(options: argparse.Namespace, sets: dict[str, Any]) -> Iterator[Cell]:
    only = options.only.split(",") if options.only else [*sets["simulated"], *sets["real"]]
    wanted = [int(d) for d in options.depths.split(",")] if options.depths else None
    for kind in ("simulated", "real"):
        for name in sets[kind]:
            for depth in sets["depths"][kind] if name in only else ():
                thinned = kind == "real" and depth < max(sets["depths"]["real"])
                draws = (options.draws or sets["depths"]["draws"]) if thinned else 1
                for draw in range(1, 1 + draws):
                    if wanted is None or depth in wanted:
                        yield Cell(name, kind, depth, draw)


def run_cell(cell: Cell, options: argparse.Namespace, sets: dict[str, Any]) -> None:
    """Call with every caller, and score the calls of the peers."""
    data = cell_input(cell, options.work, sets)
    folder = cell.folder(options.work)
    for caller in options.callers:
        done = folder / caller / "cell.json"
        if caller in options.again or not done.exists():
            made = call(caller, data, folder / caller, options.threads)
            print(
                f"{cell.name} {cell.depth}x {cell.draw} {caller}: {made.seconds:.1f} s", flush=True
            )
            done.write_text(_facts(made))
        if options.rescore and caller in HARD_FILTERS:
            rescore_cell(cell, caller, data, options)


def rescore_cell(cell: Cell, caller: str, data: Input, options: argparse.Namespace) -> None:
    folder = cell.folder(options.work)
    done = folder / f"{caller}_scored" / "cell.json"
    if done.exists() and "score" not in options.again:
        return
    plain = folder / caller / json.loads((folder / caller / "cell.json").read_text())["calls"]
    made = rescore(plain, data, done.parent, options.threads, options.model)
    hard_filtered(caller, plain, folder / f"{caller}_hard.vcf.gz")
    done.write_text(_facts(made))
    print(f"{cell.name} {cell.depth}x {caller} scored: {made.seconds:.1f} s", flush=True)


def _facts(made: Timed) -> str:
    return json.dumps({
        "calls": made.calls.name, "seconds": round(made.seconds, 2),
        "cpu_seconds": round(made.cpu_seconds, 2),
    }) + "\n"  # fmt: skip


def cell_input(cell: Cell, work: Path, sets: dict[str, Any]) -> Input:
    """The reads of a cell, made or thinned where they are not there yet."""
    recipe = sets[cell.kind][cell.name]
    if cell.kind == "real":
        whole = data_root() / recipe["reads"]
        data = Input(whole, plain_reference(cell.name, recipe, work), recipe["region"])
        depth = mean_depth(whole, recipe["region"])
    else:
        whole = make_set(cell.name, recipe, work, sets) / "reads.bam"
        data = Input(whole, whole.with_name("ref.fa"))
        depth = float(max(sets["depths"]["simulated"]))
    if cell.depth >= max(sets["depths"][cell.kind]):
        return data
    thin = cell.folder(work) / "reads.bam"
    if not thin.exists():
        thin.parent.mkdir(parents=True, exist_ok=True)
        share = min(cell.depth / depth, 0.999)
        command = ["samtools", "view", "-b", "-s", f"{cell.draw + share:.4f}", "-o", thin, whole]
        subprocess.run(command, check=True)
        subprocess.run(["samtools", "index", thin], check=True)
    return data._replace(reads=thin)


def plain_reference(name: str, recipe: dict[str, Any], work: Path) -> Path:
    """The reference, inflated where it is compressed: freebayes reads no other."""
    path = data_root() / recipe["reference"]
    if path.suffix != ".gz":
        return path
    plain = work / name / path.stem
    if not plain.exists():
        plain.parent.mkdir(parents=True, exist_ok=True)
        with plain.open("wb") as file:
            subprocess.run(["bgzip", "-dc", path], stdout=file, check=True)
        subprocess.run(["samtools", "faidx", plain], check=True)
    return plain


def mean_depth(reads: Path, region: str) -> float:
    text = subprocess.run(
        ["samtools", "coverage", "-H", "-r", region, reads],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return float(text.split()[6])


def make_set(name: str, recipe: dict[str, Any], work: Path, sets: dict[str, Any]) -> Path:
    """Simulate a set at full depth, once."""
    out = work / name / "made"
    if not (out / "made.json").exists():
        command = [
            sys.executable, HERE / "simulate.py", "--out", out, "--seed", str(recipe["seed"]),
            "--depth", str(max(sets["depths"]["simulated"])), "--contigs", *recipe["contigs"],
            "--fasta", *(data_root() / path for path in sets["data"]["fasta"]),
        ]  # fmt: skip
        for key in ("model", "sequencer", "aligner"):
            command += [f"--{key}", recipe[key]] if key in recipe else []
        subprocess.run(command, check=True)
    return out


def time_speed(options: argparse.Namespace, sets: dict[str, Any]) -> None:
    """Time ours and the peers in alternation on one region; the first round is not counted."""
    (name, recipe), *_ = sets["speed"].items()
    made = make_set(name, recipe, options.work, sets)
    data = Input(made / "reads.bam", made / "ref.fa")
    seconds: dict[str, list[float]] = {}
    for turn in range(options.pairs + 1):
        for caller in options.callers:
            took = call(caller, data, options.work / name / caller, options.threads)
            print(
                f"{name} round {turn} {caller}: {took.seconds:.1f} s, {took.cpu_seconds:.1f} s of"
                " processors", flush=True,
            )  # fmt: skip
            if turn or not options.pairs:
                seconds.setdefault(caller, []).append(round(took.seconds, 2))
                cpu = f"{caller}, of processors"
                seconds.setdefault(cpu, []).append(round(took.cpu_seconds, 2))
    (options.work / "speed.json").write_text(json.dumps(seconds, indent=1) + "\n")


if __name__ == "__main__":
    main()
