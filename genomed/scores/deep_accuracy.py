"""How much of a bundle's predictor rests on calls that were made.

The share is of the variance of the genetic part of the full predictor, in people like those of
training. Each term brings its own variance, as if variants were independent and in Hardy-Weinberg
proportions at the frequencies of training: a linear effect E[w(g)^2] - E[w(g)]^2, which is
2p(1-p)w^2 for an additive one; a product of two variants, or of a variant and a covariate, the
square of its coefficient, for these are standardised; the product of the whole score and a
covariate as much of its square as the linear part keeps. The net's variance is that of its
correction among people drawn from the frequencies, average in the covariates; it is shared out to
the variants by what changes when one variant alone (or one window of them) is masked as not called.
A person's share leaves out every term with a call that is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genomed.kernels.packed import pack_rows, unpack_rows
from genomed.models.risk_model import NetPart, RiskModel

__all__ = ["Variances", "linear_variances"]

DRAWN = 512  # people that the net is tried on, whole words
SEED = 1


def linear_variances(model: RiskModel) -> np.ndarray:
    """Variance of the linear effect of each variant: float64 (variants,)."""
    shares = _genotype_shares(_frequency(model))
    effect = model.genotype_weights[:, :3]
    mean = (shares * effect).sum(axis=1, keepdims=True)
    return np.asarray((shares * (effect - mean) ** 2).sum(axis=1))


def _frequency(model: RiskModel) -> np.ndarray:
    return model.variants["alt_allele_frequency"].fill_null(0.5).to_numpy().astype(np.float64)


def _genotype_shares(p: np.ndarray) -> np.ndarray:
    """Hardy-Weinberg proportions: float64 (variants, 3)."""
    return np.stack([(1 - p) ** 2, 2 * p * (1 - p), p**2], axis=1)


@dataclass(frozen=True)
class Variances:
    """Variance of each term of a model; rows are those of the variants read one by one.

    linear   : of all linear effects together
    score    : of products of the whole score and covariates
    pairs    : float64 (k,); products : float64 (m,), with a covariate
    net      : float64 (rows read,), of the net, shared out
    """

    model: RiskModel
    linear: float
    score: float
    pairs: np.ndarray
    products: np.ndarray
    net: np.ndarray

    @classmethod
    def of(cls, linear: float, reader: RiskModel) -> Variances:
        """The terms of a model.

        linear : sum of linear_variances; reader : the model on the variants read one by one
        """
        pairs = products = np.zeros(0)
        score = 0.0
        if reader.pairs is not None:
            pairs = np.where(reader.pairs.terms.scale > 0, reader.pairs.coefficients**2, 0.0)
        if reader.covariates is not None:
            part = reader.covariates
            products = part.coefficients**2 * (part.value != 0).any(axis=1)
            score = float((part.by_score**2).sum()) * (part.score.scale > 0)
        net = np.zeros(len(reader.variants))
        if reader.net is not None:
            net = _net_variances(reader, reader.net)
        return cls(reader, linear, score, pairs, products, net)

    @property
    def total(self) -> float:
        """Of all terms."""
        parts = (self.pairs.sum(), self.products.sum(), self.net.sum())
        return float(self.linear + self.score + sum(parts))

    def shares(self, linear_called: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Share that rests on calls, of each person: float64 (n,), 0 to 1; 1 without any variance.

        linear_called : float64 (n,), variance of the linear effects called
        words         : uint64 (rows read, words)
        """
        n = len(linear_called)
        if not self.total > 0:
            return np.ones(n)
        calls = np.empty((len(words), n), np.int8)
        unpack_rows(words, n, calls)
        called = calls >= 0
        kept = linear_called.copy()
        if self.linear > 0:
            kept += self.score * linear_called / self.linear
        kept += self.net @ called
        if self.model.pairs is not None:
            terms = self.model.pairs.terms
            kept += self.pairs @ (called[terms.row1] & called[terms.row2])
        if self.model.covariates is not None:
            kept += self.products @ called[self.model.covariates.row]
        return np.clip(kept / self.total, 0.0, 1.0)


def _net_variances(reader: RiskModel, net: NetPart) -> np.ndarray:
    """The variance of the net's correction, shared out to the variants: float64 (variants,)."""
    rng = np.random.default_rng(SEED)
    n_variants = len(reader.variants)
    drawn = rng.binomial(2, _frequency(reader)[:, None], (n_variants, DRAWN)).astype(np.int8)
    whole = _correction(reader, net, drawn)
    changed = np.zeros(n_variants)
    windows = [window[window >= 0] for window in net.windows]
    for rows in [*net.hubs[:, None], *windows]:
        masked = drawn.copy()
        masked[rows] = -9
        changed[rows] += ((_correction(reader, net, masked) - whole) ** 2).mean() / len(rows)
    total = changed.sum()
    if not total > 0:
        return np.zeros(n_variants)
    return np.asarray(whole.var() * changed / total)


def _correction(reader: RiskModel, net: NetPart, calls: np.ndarray) -> np.ndarray:
    """The net's correction of people average in every covariate: float64 (n,)."""
    sizes = net.head.sizes
    words = np.empty((len(calls), -(-calls.shape[1] // 32)), np.uint64)
    pack_rows(calls, words)
    n, k = calls.shape[1], len(reader.coefficients)
    found = reader.predict(
        words, n, np.zeros((n, k)), linear_sum=np.zeros(n),
        categories=np.zeros((n, len(sizes.levels)), np.int64), levels=sizes.levels,
    )  # fmt: skip
    return found.parts["net"]
