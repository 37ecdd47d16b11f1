"""`plink2 --score` as a judge, beyond the six digits that it prints.

A sum below a million prints exactly when it is an integer. So each weight is cut into groups of
decimal digits, every group becomes a score column of small integers, and the sums of the columns
are put together again here: exact for called genotypes. Where calls are missing and filled with
fractions, one column per variant does it: a called dosage prints exactly, a fill to 5e-6.

Seen with v2.00a3.5; see also the remarks in tests/reference_score.py.
"""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl

PRINTED = 6e-6  # relative: half a unit of the sixth digit
SET_IDS = ("--set-all-var-ids", "@:#:$r:$a", "--new-id-max-allele-len", "900")


@dataclass(frozen=True)
class Weighed:
    """One line of a score file: ID of a variant, allele, weight as text."""

    id: str
    allele: str
    weight: str


def run_plink2(folder: Path, *arguments: str) -> str:
    """Run plink2 in `folder`, writing to ``out.*``; its log. Fails with what it said."""
    command = ["plink2", *arguments, "--threads", "2", "--memory", "2000", "--out", "out"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def digit_groups(weights: Sequence[str]) -> tuple[np.ndarray, list[Decimal]]:
    """Integers (groups, weights) and a unit per group: weight = sum(unit x integer), exactly."""
    numbers = [Decimal(w) for w in weights]
    exponent = min(n.normalize().as_tuple().exponent for n in numbers)
    whole = [int(n.scaleb(-exponent)) for n in numbers]
    base = 100 if 99 * 2 * len(weights) < 1_000_000 else 10
    assert (base - 1) * 2 * len(weights) < 1_000_000
    groups, units = [], []
    while any(whole) or not groups:
        groups.append([(abs(n) % base) * (1 if n >= 0 else -1) for n in whole])
        units.append(Decimal(base) ** len(units) * Decimal(1).scaleb(exponent))
        whole = [abs(n) // base * (1 if n >= 0 else -1) for n in whole]
    return np.array(groups), units


def score_table(
    folder: Path, source: Sequence[str], rows: Sequence[tuple[str, ...]], *modifiers: str
) -> pl.DataFrame:
    """IID, DENOM and, per column of weights i, c<i>_AVG and c<i>_SUM.

    rows : ID, allele, weights
    """
    n = len(rows[0]) - 2
    names = "\t".join(["ID", "A1", *(f"c{i}" for i in range(n))])
    (folder / "score.tsv").write_text("\n".join([names, *("\t".join(r) for r in rows)]) + "\n")
    columns = "cols=denom,scoreavgs,scoresums"
    run_plink2(
        folder, *source, "--score", "score.tsv", "1", "2", "header-read", *modifiers, columns,
        "--score-col-nums", "3" if n == 1 else f"3-{n + 2}",
    )  # fmt: skip
    table = pl.read_csv(folder / "out.sscore", separator="\t", infer_schema_length=None)
    table = table.rename({name: name.removeprefix("#") for name in table.columns})
    return table.with_columns(pl.col("IID").cast(pl.Utf8))


def exact_sums(
    folder: Path, source: Sequence[str], model: Sequence[Weighed], *modifiers: str
) -> tuple[np.ndarray, np.ndarray]:
    """SCORE_SUM and DENOM per sample, float64; exact where every term is an integer."""
    groups, units = digit_groups([w.weight for w in model])
    rows = [(w.id, w.allele, *map(str, g)) for w, g in zip(model, groups.T.tolist(), strict=True)]
    table = score_table(folder, source, rows, *modifiers)
    sums = [table[f"c{i}_SUM"].to_list() for i in range(len(units))]
    total = [
        float(sum(unit * Decimal(repr(s)) for unit, s in zip(units, row, strict=True)))
        for row in zip(*sums, strict=True)
    ]
    return np.array(total), table["DENOM"].cast(pl.Float64).to_numpy()


def judged_dosages(
    folder: Path, source: Sequence[str], model: Sequence[Weighed], *modifiers: str
) -> tuple[np.ndarray, np.ndarray]:
    """What each line adds per unit of weight, float64 (samples, lines); and DENOM (samples,)."""
    n = len(model)
    rows = [
        (w.id, w.allele, *("1" if i == j else "0" for j in range(n))) for i, w in enumerate(model)
    ]
    table = score_table(folder, source, rows, *modifiers)
    dosage = table.select(f"c{i}_SUM" for i in range(n)).to_numpy()
    return dosage, table["DENOM"].cast(pl.Float64).to_numpy()


def summed_dosages(
    folder: Path, source: Sequence[str], model: Sequence[Weighed], *modifiers: str
) -> tuple[np.ndarray, np.ndarray]:
    """SCORE_SUM per sample from one column per variant, and DENOM; float64 (samples,)."""
    dosage, denominators = judged_dosages(folder, source, model, *modifiers)
    return dosage @ np.array([float(w.weight) for w in model]), denominators


def printed_score(
    folder: Path, source: Sequence[str], model: Sequence[Weighed], *modifiers: str
) -> tuple[np.ndarray, np.ndarray]:
    """SCORE1_SUM and SCORE1_AVG as plink2 adds them up and prints them: six digits."""
    rows = [(w.id, w.allele, w.weight) for w in model]
    table = score_table(folder, source, rows, *modifiers)
    return table["c0_SUM"].to_numpy(), table["c0_AVG"].to_numpy()


def read_variants(pvar: Path) -> pl.DataFrame:
    """contig, position, id, ref, alt (all ALTs) of a .pvar without QUAL to CM, all text."""
    lines = [line for line in pvar.read_text().splitlines() if not line.startswith("##")]
    cells = [re.split(r"\s", line)[:5] for line in lines[1:]]
    return pl.DataFrame(cells, schema=["contig", "position", "id", "ref", "alt"], orient="row")
