"""Real genotypes with a published trait, as a case: one fold of a repeated cross-validation.

python benchmarks/risk/hipster.py --data DIR --out CASE --seed 23     # repeat 2, fold 3 is tested

The genotypes are those of 2,504 people of the 1000 Genomes around five loci; the trait is
VariantSpark's HipsterIndex, (2 + a)(1.5 + b) + (0.5 + c)(1 + d) with a .. d the copies of ALT of
four variants, and a case has more than 10 (Bayat et al. 2020, GigaScience 9:giaa077). There is no
noise: who knew the formula would reach an r2 of 1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl

FOLDS = 5
CAUSAL = (("rs2218065", "rs1363387"), ("rs4410790", "rs4864809"))


def main() -> None:
    options = parse_options()
    options.out.mkdir(parents=True, exist_ok=True)
    store = options.cache or options.out
    if not (store / "hipster.psam").exists():
        store.mkdir(parents=True, exist_ok=True)
        command = [options.genomed, "convert", options.data / "hipster.vcf.bgz"]
        subprocess.run([*map(str, command), "--out", str(store / "hipster")], check=True)
    for suffix in ("pgen", "pvar", "psam"):
        shutil.copyfile(store / f"hipster.{suffix}", options.out / f"store.{suffix}")
    told = pl.read_csv(options.data / "hipster_labels_covariates.txt")
    write_case(told, options.seed, options.out)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="directory of hipster.vcf.bgz")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True, help="ten times the repeat, plus fold")
    parser.add_argument("--cache", type=Path, help="where the converted store is kept")
    parser.add_argument("--genomed", default="genomed")
    return parser.parse_args()


def write_case(told: pl.DataFrame, seed: int, out: Path) -> None:
    """Tables beside the store.

    told : samples · score · label · age · PC0 · PC1 · PC2, of which the last four mean nothing
    """
    repeat, fold = divmod(seed, 10)
    if not 1 <= fold <= FOLDS:
        raise SystemExit(f"error: --seed {seed} names fold {fold}; it ends in 1 .. {FOLDS}")
    order = np.random.default_rng([repeat, 9]).permutation(told.height)
    order = order[np.argsort(told["label"].to_numpy()[order], kind="stable")]
    test = np.zeros(told.height, bool)
    test[order[fold - 1 :: FOLDS]] = True
    sample = told["samples"].alias("sample")
    tables = {
        "traits": told.select(sample, y="score", case="label"),
        "covariates": told.select(sample, "age", "PC0", "PC1", "PC2"),
        "groups": told.select(sample, ancestry=pl.lit("ALL")),
        "split": told.select(sample).with_columns(
            pl.Series("set", np.where(test, "test", "develop"))
        ),
    }
    for name, table in tables.items():
        table.write_csv(out / f"{name}.tsv", separator="\t")
    terms = [{"kind": "pair", "variants": list(pair)} for pair in CAUSAL]
    truth = {
        "about": "HipsterIndex on 1000 Genomes",
        "causal": [name for pair in CAUSAL for name in pair],
        "components": [{"kind": "pair", "terms": terms}],
        "ceiling": {"r2": 1.0, "auroc": {"case": 1.0}},
    }
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
