"""PLINK 1.9's scan of all pairs of variants, beside the pairs that are truly there.

python benchmarks/risk/pairscan.py CASE --trait case_20 --out DIR [--ours PAIRS.tsv]

A binary trait is scanned by `--fast-epistasis boost`, a quantitative one by `--epistasis`, both on
the develop people. Given pairs of ours (columns variant1 and variant2), they are judged alike: a
pair is true when its variants are within --near bases of the two of a simulated pair, because a
neighbour in linkage stands for the variant itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from casefiles import TSV

Pair = tuple[str, str]


def main() -> None:
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    truth = json.loads((options.case / "truth.json").read_text())
    wanted = true_pairs(truth)
    n_variants = sum(1 for line in (options.case / "store.pvar").open() if line[0] != "#")
    threshold = 0.05 / (n_variants * (n_variants - 1) / 2)
    began = time.monotonic()
    found = scan(options, threshold)
    result = {"trait": options.trait, "threshold": threshold, "true_pairs": len(wanted)}
    result["plink"] = {"seconds": round(time.monotonic() - began, 1)}
    result["plink"] |= judge(found, wanted, options.near)
    if options.ours:
        table = pl.read_csv(options.ours, **TSV)
        ours = list(zip(table["variant1"], table["variant2"], strict=True))
        result["ours"] = judge(ours, wanted, options.near)
    (options.out / "pairscan.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", type=Path, help="directory that simulate.py wrote")
    parser.add_argument("--trait", default="case_20")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ours", type=Path, help="pairs of ours: variant1, variant2")
    parser.add_argument("--near", type=int, default=80_000, help="bases")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plink2", default="plink2")
    parser.add_argument("--plink", default="plink1.9")
    return parser.parse_args()


def true_pairs(truth: dict[str, Any]) -> list[Pair]:
    """Pairs of variants that the simulation multiplied."""
    terms = (term for part in truth["components"] for term in part["terms"])
    return [tuple(term["variants"]) for term in terms if len(term["variants"]) == 2]


def scan(options: argparse.Namespace, threshold: float) -> list[Pair]:
    """Pairs below the threshold, as plink reports them."""
    out = options.out
    develop = pl.read_csv(options.case / "split.tsv", **TSV).filter(pl.col("set") == "develop")
    ids = develop.select(pl.lit("0").alias("#FID"), pl.col("sample").alias("IID"))
    ids.write_csv(out / "keep.txt", separator="\t")
    traits = pl.read_csv(options.case / "traits.tsv", **TSV)
    trait = pl.col(options.trait) + (1 if _binary(traits[options.trait]) else 0)
    traits.select(pl.lit("0").alias("FID"), pl.col("sample").alias("IID"), trait).write_csv(
        out / "pheno.txt", separator="\t"
    )
    store = options.case / "store"
    make = [options.plink2, "--pfile", store, "--keep", out / "keep.txt", "--make-bed"]
    _run([*make, "--out", out / "develop"])
    how = ["--fast-epistasis", "boost"] if _binary(traits[options.trait]) else ["--epistasis"]
    command = [options.plink, "--bfile", out / "develop", "--pheno", out / "pheno.txt", *how]
    command += ["--epi1", threshold, "--threads", options.threads, "--allow-no-sex"]
    _run([*command, "--out", out / "scan"])
    (result,) = [path for path in out.glob("scan.epi.??") if path.suffix != ".summary"]
    rows = [line.split() for line in result.read_text().splitlines()[1:]]
    return [(row[1], row[3]) for row in rows]


def _binary(values: pl.Series) -> bool:
    return set(values.unique().to_list()) <= {0, 1}


def _run(command: Sequence[object]) -> None:
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"error: {command[0]} failed\n{ended.stderr[-1500:]}")


def judge(found: Sequence[Pair], wanted: Sequence[Pair], near: int) -> dict[str, int]:
    """How many pairs were found, how many of them are true, and how many true ones are among them.

    IDs are contig:position:ref:alt.
    """
    true, seen = 0, set()
    for pair in found:
        hit = [number for number, other in enumerate(wanted) if same_pair(pair, other, near)]
        true += bool(hit)
        seen |= set(hit)
    return {"pairs": len(found), "true": true, "recovered": len(seen)}


def same_pair(one: Pair, other: Pair, near: int) -> bool:
    """True when the variants of two pairs are the same or neighbours, in either order."""
    return any(
        all(_close(a, b, near) for a, b in zip(one, turned, strict=True))
        for turned in (other, other[::-1])
    )


def _close(one: str, other: str, near: int) -> bool:
    if one == other or ":" not in one or ":" not in other:
        return one == other
    (contig1, position1), (contig2, position2) = (name.split(":")[:2] for name in (one, other))
    return contig1 == contig2 and abs(int(position1) - int(position2)) <= near


if __name__ == "__main__":
    main()
