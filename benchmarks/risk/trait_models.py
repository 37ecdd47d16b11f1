"""Traits with a known cause: what part of a genetic value is additive, dominant or a product.

A genetic value is a sum of components. Each is scaled to its share of the genetic variance, so that
a scenario says plainly what a linear model can and cannot reach. Dominance and products are taken
orthogonal to the genotypes they are made of, in the people at hand: what is left has no marginal
additive effect there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl

LOCAL_BP = (2_000, 1_000_000)  # distances of local pairs are log-uniform between these
N_HUBS = 8
ROUNDING = 1e-9  # standard deviation below which a row of numbers of about 1 does not vary


class Cohort(NamedTuple):
    """What effects are drawn on.

    alt_count  : int8 (variants, samples), no gaps
    variants   : contig · position · id, one row each
    group      : int64 (samples,), ancestry
    covariates : name -> float64 (samples,), standardised
    """

    alt_count: np.ndarray
    variants: pl.DataFrame
    group: np.ndarray
    covariates: dict[str, np.ndarray]


class Component(NamedTuple):
    """Part of a genetic value: float64 (samples,), mean 0, variance 1, and what it is made of."""

    value: np.ndarray
    terms: list[dict[str, Any]]
    rows: np.ndarray  # causal variants


def standardised(values: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1 along the last axis, float64.

    raises : ValueError for a row that does not vary, but for rounding: one of a single call, or
             what is left of a product of two variants that are always inherited together
    """
    values = values.astype(np.float64)
    centred = values - values.mean(axis=-1, keepdims=True)
    spread = centred.std(axis=-1, keepdims=True)
    _check_varies(values, spread)
    return centred / spread


def _check_varies(values: np.ndarray, spread: np.ndarray) -> None:
    size = np.maximum(np.abs(values).max(axis=-1, keepdims=True, initial=0.0), 1.0)
    n = int((~(spread > ROUNDING * size)).sum())
    if n:
        raise ValueError(f"{n} of {spread.size} rows do not vary; take more people or another seed")


def residual(values: np.ndarray, explaining: np.ndarray) -> np.ndarray:
    """What the rows of `explaining` (k, samples) and a constant leave of values (samples,)."""
    design = np.column_stack([np.ones(len(values)), *explaining])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def additive(
    cohort: Cohort, rng: np.random.Generator, n: int, min_maf: float = 0.0, correlation: float = 1.0
) -> Component:
    """Normal effects of `n` standardised variants.

    correlation : of a variant's effects in two ancestries
    """
    rows = _draw(cohort, rng, n, min_maf)
    shared = rng.standard_normal(n)
    values = np.zeros(cohort.alt_count.shape[1])
    effects = {}
    calls = standardised(cohort.alt_count[rows])
    for group in np.unique(cohort.group):
        own = rng.standard_normal(n)
        effects[group] = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
        people = cohort.group == group
        values[people] = effects[group] @ calls[:, people]
    terms = [
        {"kind": "additive", "variants": [_name(cohort, row)]}
        | {"effects": [float(e[i]) for e in effects.values()]}
        for i, row in enumerate(rows)
    ]
    return _component(values, terms, rows)


def dominance(
    cohort: Cohort, rng: np.random.Generator, n: int, min_maf: float = 0.1
) -> tuple[Component, Component]:
    """Heterozygotes off the line, and additive effects of the same loci, as two components.

    Where one ancestry has only the one allele and the others only the other, nobody is
    heterozygous: such variants are drawn again.
    """
    rows = _draw(cohort, rng, n, min_maf)
    while not (all_three := _has_all_calls(cohort.alt_count[rows])).all():
        others = np.setdiff1d(_draw(cohort, rng, 2 * n, min_maf), rows)
        rows[~all_three] = rng.choice(others, int((~all_three).sum()), replace=False)
    effects, slopes = rng.standard_normal(n), rng.standard_normal(n)
    deviation, line = np.zeros((2, cohort.alt_count.shape[1]))
    for row, effect, slope in zip(rows, effects, slopes, strict=True):
        calls = standardised(cohort.alt_count[row])
        heterozygous = (cohort.alt_count[row] == 1).astype(np.float64)
        deviation += effect * standardised(residual(heterozygous, calls[None]))
        line += slope * calls
    terms = [
        {"kind": kind, "variants": [_name(cohort, row)], "effects": [float(effect)]}
        for kind, values in (("dominance", effects), ("additive", slopes))
        for row, effect in zip(rows, values, strict=True)
    ]
    return _component(deviation, terms[:n], rows), _component(line, terms[n:], rows)


def local_pairs(
    cohort: Cohort, rng: np.random.Generator, n: int, min_maf: float = 0.1
) -> Component:
    """Products of two variants of one chromosome, at log-uniform distances."""
    allowed = np.flatnonzero(_maf(cohort) >= min_maf)
    contig = cohort.variants["contig"].to_numpy()
    position = cohort.variants["position"].to_numpy()
    pairs: list[tuple[int, int]] = []
    while len(pairs) < n:
        first = int(rng.choice(allowed))
        distance = np.exp(rng.uniform(*np.log(LOCAL_BP)))
        same = allowed[(contig[allowed] == contig[first]) & (allowed != first)]
        off = np.abs(position[same] - position[first] - rng.choice([-1, 1]) * distance)
        second = int(same[np.argmin(off)])
        pair = (min(first, second), max(first, second))
        if off.min() <= distance / 2 and pair not in pairs:
            pairs.append(pair)
    return _products(cohort, rng, pairs, "local")


def far_pairs(cohort: Cohort, rng: np.random.Generator, n: int, min_maf: float = 0.1) -> Component:
    """Products of two variants of different chromosomes, none of them in two pairs."""
    contig = cohort.variants["contig"].to_numpy()
    rows = _draw(cohort, rng, 4 * n, min_maf)
    pairs: list[tuple[int, int]] = []
    while len(pairs) < n:
        first, rows = int(rows[0]), rows[1:]
        place = int(np.argmax(contig[rows] != contig[first]))
        pairs.append((first, int(rows[place])))
        rows = np.delete(rows, place)
    return _products(cohort, rng, pairs, "far")


def hubs(
    cohort: Cohort, rng: np.random.Generator, min_maf: float = 0.2
) -> tuple[Component, Component]:
    """All pairs of a few loci, each on a chromosome of its own, and ten products of three."""
    contig = cohort.variants["contig"].to_numpy()
    names = rng.choice(np.unique(contig), N_HUBS, replace=False)
    allowed = np.flatnonzero(_maf(cohort) >= min_maf)
    loci = [int(rng.choice(allowed[contig[allowed] == name])) for name in names]
    pairs = [(a, b) for i, a in enumerate(loci) for b in loci[i + 1 :]]
    first = _products(cohort, rng, pairs, "hub")
    calls = standardised(cohort.alt_count[loci])
    below = np.array([calls[i] * calls[j] for i in range(N_HUBS) for j in range(i)])
    value, terms = np.zeros(calls.shape[1]), []
    every = [(i, j, k) for i in range(N_HUBS) for j in range(i) for k in range(j)]
    for number in rng.choice(len(every), 10, replace=False):
        three = list(every[number])
        effect = rng.standard_normal()
        product = residual(calls[three].prod(axis=0), np.concatenate([calls, below]))
        value += effect * standardised(product)
        named = [_name(cohort, loci[i]) for i in three]
        terms.append({"kind": "hub of three", "variants": named, "effects": [float(effect)]})
    return first, _component(value, terms, np.array(loci))


def with_covariate(
    cohort: Cohort, rng: np.random.Generator, name: str, n: int, min_maf: float = 0.1
) -> Component:
    """Effects of `n` variants that grow with a covariate and vanish at its mean."""
    rows = _draw(cohort, rng, n, min_maf)
    effects = rng.standard_normal(n)
    covariate = cohort.covariates[name]
    value = np.zeros(len(covariate))
    for row, effect in zip(rows, effects, strict=True):
        calls = standardised(cohort.alt_count[row])
        product = residual(calls * covariate, np.array([calls, covariate]))
        value += effect * standardised(product)
    terms = [
        {"kind": f"x {name}", "variants": [_name(cohort, row)], "effects": [float(effect)]}
        for row, effect in zip(rows, effects, strict=True)
    ]
    return _component(value, terms, rows)


def _products(
    cohort: Cohort, rng: np.random.Generator, pairs: list[tuple[int, int]], kind: str
) -> Component:
    """Normal effects of standardised products, orthogonal to the two variants."""
    value, terms = np.zeros(cohort.alt_count.shape[1]), []
    position = cohort.variants["position"].to_numpy()
    for first, second in pairs:
        calls = standardised(cohort.alt_count[[first, second]])
        product = residual(calls[0] * calls[1], calls)
        effect = rng.standard_normal()
        value += effect * standardised(product)
        terms.append(
            {
                "kind": kind,
                "variants": [_name(cohort, first), _name(cohort, second)],
                "effects": [float(effect)],
                "r2": float(np.mean(calls[0] * calls[1]) ** 2),
            }
            | ({"distance_bp": int(abs(position[second] - position[first]))} if kind == "local"
               else {})
        )  # fmt: skip
    return _component(value, terms, np.unique(np.array(pairs)))


def _component(value: np.ndarray, terms: list[dict[str, Any]], rows: np.ndarray) -> Component:
    """Scale a value to variance 1, and the effects with it; ValueError where it does not vary."""
    spread = value.std()
    _check_varies(value, np.array([spread]))
    for term in terms:
        term["effects"] = [effect / float(spread) for effect in term["effects"]]
    return Component((value - value.mean()) / spread, terms, rows)


def _maf(cohort: Cohort) -> np.ndarray:
    frequency = cohort.alt_count.mean(axis=1) / 2
    return np.minimum(frequency, 1 - frequency)


def _draw(cohort: Cohort, rng: np.random.Generator, n: int, min_maf: float) -> np.ndarray:
    """`n` different rows that vary, of at least that frequency; ValueError when there are fewer."""
    maf = _maf(cohort)
    allowed = np.flatnonzero((maf >= min_maf) & (maf > 0))
    if len(allowed) < n:
        raise ValueError(f"{len(allowed)} variants have MAF >= {min_maf}, {n} are needed")
    return rng.choice(allowed, n, replace=False)


def _has_all_calls(alt_count: np.ndarray) -> np.ndarray:
    """Which rows have people with 0, 1 and 2 copies of ALT: bool (rows,)."""
    return np.all([(alt_count == copies).any(axis=1) for copies in range(3)], axis=0)


def _name(cohort: Cohort, row: int) -> str:
    return cohort.variants["id"][int(row)]
