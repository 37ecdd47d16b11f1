"""Simulate a trait of a known make, with genotypes, covariates and the truth.

python benchmarks/risk/simulate.py --out DIR --scenario hubs --seed 1

Writes store.pgen/.pvar/.psam, traits.tsv (sample; y; case_1, case_5, case_20: the same liability
cut at those prevalences), covariates.tsv, groups.tsv, split.tsv (sample, set: develop or test) and
truth.json. Genotypes depend on shape and seed only and are kept in --cache for other scenarios.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from genotypes import ANCESTRIES, Genotypes, Shape, simulate_genotypes, write_store
from scenarios import SCENARIOS, Scenario
from sklearn.metrics import roc_auc_score
from trait_models import Cohort, Component, residual, standardised

PREVALENCES = (1, 5, 20)  # per cent
MISSING = 0.002  # of the calls, and of the values of two covariates


def main() -> None:
    options = parse_options()
    scenario = SCENARIOS[options.scenario]
    shape = Shape(
        _people(options.people, scenario.ancestries), options.variants, options.chromosomes,
        options.length_bp, options.min_maf,
    )  # fmt: skip
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        write_case(_genotypes(shape, options), scenario, options)
    except ValueError as error:
        raise SystemExit(f"error: {options.scenario}, seed {options.seed}: {error}") from None


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scenario", choices=SCENARIOS, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--people", type=int, default=8000)
    parser.add_argument("--variants", type=int, default=12_000)
    parser.add_argument("--chromosomes", type=int, default=20)
    parser.add_argument("--length-bp", type=int, default=5_000_000, help="of each chromosome")
    parser.add_argument("--min-maf", type=float, default=0.05)
    parser.add_argument("--test-share", type=float, default=0.2)
    parser.add_argument("--h2", type=float, default=0.5, help="share of the variance in the genes")
    parser.add_argument("--cache", type=Path, help="directory of genotypes simulated before")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args(arguments)


def write_case(genotypes: Genotypes, scenario: Scenario, options: argparse.Namespace) -> None:
    """Draw a trait on genotypes and write everything."""
    number = sum(ord(letter) * 31**i for i, letter in enumerate(options.scenario))
    rng = np.random.default_rng([options.seed, number % 2**32])
    covariates = draw_covariates(genotypes, rng)
    measured = {name: standardised(covariates[name].to_numpy()) for name in ("smoking", "bmi")}
    group = np.array([ANCESTRIES.index(name) for name in genotypes.ancestry])
    cohort = Cohort(genotypes.alt_count, genotypes.variants, group, measured)
    parts = scenario.parts(cohort, rng)
    genetic = standardised(sum(np.sqrt(share) * part.value for share, part in parts))
    expected = np.sqrt(options.h2) * genetic
    expected += _surroundings(covariates, group, scenario.environment)
    noise = standardised(rng.standard_normal(len(group)))
    y = expected + np.sqrt(max(0.0, 1 - options.h2 - scenario.environment)) * noise
    if scenario.permuted:
        y = y[rng.permutation(len(y))]
    test = _test_people(group, options.test_share, rng)
    traits = _traits(genotypes.samples, y)
    truth = _truth(cohort, parts, options.h2) | _ceilings(expected, traits, test, group)
    asked = {key: str(v) if isinstance(v, Path) else v for key, v in vars(options).items()}
    for key in ("out", "cache", "processes"):
        asked.pop(key)
    _write_tables(options.out, genotypes, traits, covariates, test, options.seed)
    (options.out / "truth.json").write_text(
        json.dumps({"about": scenario.about, "options": asked} | truth, indent=1) + "\n"
    )
    hidden = np.unique(np.concatenate([part.rows for _, part in parts]))
    _write_genotypes(genotypes, hidden if scenario.hidden else None, options)


def draw_covariates(genotypes: Genotypes, rng: np.random.Generator) -> pl.DataFrame:
    """Age, sex, smoking, BMI, a clinic (six unequal ones), and components for several ancestries.

    BMI and clinic have gaps when written, not here; PCs come from every eighth variant.
    """
    n = len(genotypes.ancestry)
    columns: dict[str, Any] = {
        "sample": genotypes.samples,
        "age": np.round(rng.uniform(40, 70, n), 1),
        "sex": rng.choice(["F", "M"], n),
        "smoking": (rng.random(n) < 0.35).astype(np.int64),
        "bmi": np.round(27 * np.exp(0.17 * rng.standard_normal(n)), 1),
        "clinic": rng.choice(list("ABCDEF"), n, p=[0.4, 0.25, 0.15, 0.1, 0.06, 0.04]),
    }
    if len(set(genotypes.ancestry)) > 1:
        calls = standardised(genotypes.alt_count[::8]).astype(np.float32)
        for number, values in enumerate(_components(calls, rng), 1):
            columns[f"pc{number}"] = np.round(values.astype(np.float64) * np.sqrt(n), 5)
    return pl.DataFrame(columns)


def _components(calls: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Four leading components, float32 (4, samples), by subspace iteration."""
    basis = rng.standard_normal((calls.shape[1], 20)).astype(np.float32)
    for _ in range(8):
        basis, _ = np.linalg.qr(calls.T @ (calls @ basis))
    return basis[:, :4].T


def _surroundings(covariates: pl.DataFrame, group: np.ndarray, share: float) -> np.ndarray:
    """What age, sex, smoking, BMI and ancestry do by themselves, with the variance asked."""
    if not share:
        return np.zeros(len(group))
    pieces = [0.6 * standardised(covariates[name].to_numpy()) for name in ("age", "smoking", "bmi")]
    pieces.append(0.4 * standardised((covariates["sex"] == "M").to_numpy()))
    if np.ptp(group):
        pieces.append(0.8 * standardised((group == 2).astype(float) - 0.5 * (group == 1)))
    return np.sqrt(share) * standardised(sum(pieces))


def _people(n: int, shares: tuple[float, ...]) -> tuple[int, ...]:
    counts = [round(n * share) for share in shares]
    return (n - sum(counts[1:]), *counts[1:])


def _genotypes(shape: Shape, options: argparse.Namespace) -> Genotypes:
    """Those of the cache, or new ones."""
    if options.cache is None:
        return simulate_genotypes(shape, options.seed, options.processes)
    people = "-".join(map(str, shape.people))
    name = f"{people}x{shape.n_variants}_{shape.chromosomes}x{shape.length_bp}_{shape.min_maf}"
    path = options.cache / f"{name}_{options.seed}.npz"
    if path.exists():
        held = np.load(path)
        frame = pl.DataFrame({key: held[key] for key in ("contig", "position", "id", "ref", "alt")})
        return Genotypes(held["alt_count"], frame, held["ancestry"].tolist())
    made = simulate_genotypes(shape, options.seed, options.processes)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{os.getpid()}.{path.name}")
    columns = {key: made.variants[key].to_numpy().astype("U" if key != "position" else "i8")
               for key in made.variants.columns}  # fmt: skip
    np.savez(partial, alt_count=made.alt_count, ancestry=np.array(made.ancestry), **columns)
    partial.replace(path)
    return made


def _test_people(group: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """bool (samples,): the same share of every ancestry."""
    test = np.zeros(len(group), bool)
    for name in np.unique(group):
        people = np.flatnonzero(group == name)
        test[rng.choice(people, round(share * len(people)), replace=False)] = True
    return test


def _traits(samples: list[str], y: np.ndarray) -> pl.DataFrame:
    cases = {f"case_{k}": (y > np.quantile(y, 1 - k / 100)).astype(np.int64) for k in PREVALENCES}
    return pl.DataFrame({"sample": samples, "y": np.round(y, 6), **cases})


def _truth(cohort: Cohort, parts: list[tuple[float, Component]], h2: float) -> dict[str, Any]:
    """Causes, and how much of the genetic variance additive effects of the causal variants hold."""
    genetic = standardised(sum(np.sqrt(share) * part.value for share, part in parts))
    rows = np.unique(np.concatenate([part.rows for _, part in parts]))
    mixed = any(part.terms[0]["kind"] != "additive" for _, part in parts) or np.ptp(cohort.group)
    left = residual(genetic, standardised(cohort.alt_count[rows])) if mixed else np.zeros(1)
    components = [
        {
            "kind": part.terms[0]["kind"],
            "share_of_genetic": share,
            "share_of_y": share * h2,
            "correlation_with_genetic": float(np.mean(genetic * part.value)),
            "terms": part.terms,
        }
        for share, part in parts
    ]
    return {
        "h2": h2,
        "additive_share_of_genetic": float(1 - left.var()),
        "causal": [cohort.variants["id"][int(row)] for row in rows],
        "components": components,
    }


def _ceilings(
    expected: np.ndarray, traits: pl.DataFrame, test: np.ndarray, group: np.ndarray
) -> dict[str, Any]:
    """What somebody would reach in the test people who knew the expectation of everybody."""
    y = traits["y"].to_numpy()
    by_ancestry = {
        ANCESTRIES[name]: _r2(expected[test & (group == name)], y[test & (group == name)])
        for name in np.unique(group)
    }
    auroc = {
        name: float(roc_auc_score(traits[name].to_numpy()[test], expected[test]))
        for name in traits.columns[2:]
    }
    return {"ceiling": {"r2": _r2(expected[test], y[test]), "auroc": auroc, "r2_by": by_ancestry}}


def _r2(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1] ** 2)


def _write_tables(
    out: Path,
    genotypes: Genotypes,
    traits: pl.DataFrame,
    covariates: pl.DataFrame,
    test: np.ndarray,
    seed: int,
) -> None:
    """The tables beside the store; clinic and BMI have gaps."""
    rng = np.random.default_rng([seed, 8])
    gap = {name: pl.Series(rng.random(len(traits)) < 10 * MISSING) for name in ("bmi", "clinic")}
    gaps = [pl.when(gap[name]).then(None).otherwise(pl.col(name)).alias(name) for name in gap]
    sample = traits["sample"]
    tables = {
        "traits": traits,
        "covariates": covariates.with_columns(gaps),
        "groups": pl.DataFrame({"sample": sample, "ancestry": genotypes.ancestry}),
        "split": pl.DataFrame({"sample": sample, "set": np.where(test, "test", "develop")}),
    }
    for name, table in tables.items():
        table.write_csv(out / f"{name}.tsv", separator="\t", null_value="NA")


def _write_genotypes(
    genotypes: Genotypes, hidden: np.ndarray | None, options: argparse.Namespace
) -> None:
    if hidden is not None:
        kept = np.setdiff1d(np.arange(len(genotypes.alt_count)), hidden)
        genotypes = genotypes._replace(
            alt_count=genotypes.alt_count[kept], variants=genotypes.variants[kept]
        )
    write_store(genotypes, options.out / "store", MISSING, options.seed)


if __name__ == "__main__":
    main()
