"""What moved a person's prediction most, against the mean of those that were learned from.

Every term of a model has mean 0 among these: a linear effect, a product of two calls, a covariate,
a product with a covariate, the net's correction. So the largest terms are what sets a person apart.
What the trunk of an ancestry group changes is one term, about 0 but for the groups' own levels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.features.design import Design
from genomed.kernels.packed import unpack_rows
from genomed.models.risk_model import Predicted
from genomed.scores.deep import DeepSums, pieces_of
from genomed.stats.pair_terms import pair_columns

__all__ = ["moved_most"]

N_TOLD = 3


def moved_most(sums: DeepSums, design: Design, predicted: Predicted) -> list[str]:
    """The largest terms of each person as text, largest first: `rs1=2 +0.31; age -0.08`.

    A variant's name is followed by the copies of ALT called in the person; `x` is a product, and
    `score` the linear part's genetic score.
    """
    names = _names(sums)
    return [
        line
        for some in pieces_of(sums.n_samples)
        for line in _told(sums, design, predicted, some, names)
    ]


class _Term(NamedTuple):
    """A product of factors, each the name of a variant or of a covariate.

    factors : name, and the row of the variant among those read; -1 for what is no variant
    value   : float64 (people,)
    """

    factors: Sequence[tuple[str, int]]
    value: np.ndarray


def _told(
    sums: DeepSums, design: Design, predicted: Predicted, some: slice, names: Sequence[str]
) -> Iterator[str]:
    n = some.stop - some.start
    words = np.ascontiguousarray(sums.words[:, some.start // 32 : -(-some.stop // 32)])
    calls = np.empty((len(words), n), np.int8)
    unpack_rows(words, n, calls)
    terms = list(_terms(sums, design, predicted, some, words, calls, names))
    top = sums.top[some]
    value = np.concatenate([top.T, np.array([t.value for t in terms]).reshape(-1, n)])
    order = np.argsort(-np.abs(value), axis=0, kind="stable")[:N_TOLD].T
    variant, copies = sums.top_variant[some], sums.top_dosage[some]
    width = top.shape[1]
    for i in range(n):
        parts = []
        for t in order[i].tolist():
            if value[t, i] == 0:
                break
            if t < width:
                text = f"{names[variant[i, t]]}={copies[i, t]:.3g}"
            else:
                text = " x ".join(
                    f"{name}={calls[row, i]}" if row >= 0 else name
                    for name, row in terms[t - width].factors
                )
            parts.append(f"{text} {value[t, i]:+.3g}")
        yield "; ".join(parts)


def _terms(
    sums: DeepSums,
    design: Design,
    predicted: Predicted,
    some: slice,
    words: np.ndarray,
    calls: np.ndarray,
    names: Sequence[str],
) -> Iterator[_Term]:
    """Every term but the linear ones of variants."""
    reader = sums.reader
    read = [names[row] for row in sums.read]
    covariates = design.matrix[some].astype(np.float64)
    for j in np.flatnonzero(reader.coefficients):
        yield _Term([(design.names[j], -1)], reader.coefficients[j] * covariates[:, j])
    if "ancestry" in predicted.parts:
        yield _Term([("ancestry group", -1)], predicted.parts["ancestry"][some])
    if reader.pairs is not None:
        pairs = reader.pairs.terms
        products = pair_columns(words, calls.shape[1], pairs)
        for k, beta in enumerate(reader.pairs.coefficients):
            factors = [(read[r], int(r)) for r in (pairs.row1[k], pairs.row2[k])]
            yield _Term(factors, beta * products[k].astype(np.float64))
    if reader.covariates is not None:
        part = reader.covariates
        score = part.score.of(predicted.linear[some], covariates)
        for j in np.flatnonzero(part.by_score):
            value = part.by_score[j] * score * covariates[:, j]
            yield _Term([("score", -1), (design.names[j], -1)], value)
        codes = np.where(calls < 0, 3, calls)
        for k, (row, j) in enumerate(zip(part.row, part.covariate, strict=True)):
            value = part.coefficients[k] * part.value[k][codes[row]] * covariates[:, j]
            yield _Term([(read[row], int(row)), (design.names[j], -1)], value)
    if "net" in predicted.parts:
        yield _Term([("net", -1)], predicted.parts["net"][some])


def _names(sums: DeepSums) -> list[str]:
    """IDs of the model's variants, or place and alleles of those without one."""
    place = pl.concat_str("contig", "position", "ref", "alt", separator=":")
    return sums.model.variants.select(pl.coalesce("id", place).alias("name"))["name"].to_list()
