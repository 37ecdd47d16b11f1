"""What every variant, pair and covariate adds to the linear predictor of a person.

Terms of a risk model are tables of numbers, so what each adds is exact; only the net is shared out
by an integral (see net_attribution). All are relative to the mean of those learned from, whose
predictor is the base value:

    base value + contributions of variants + contributions of covariates = full predictor

linear      the weight of the call; the coefficient times the covariate
ancestry    for people of a group with a trunk of its own: half of the difference between what the
            trunk and the linear part make of the call or the covariate; half of the difference
            between their intercepts is the term of the group
pairs       a product of two variants belongs half to each
covariates  a product of a variant and a covariate belongs half to each; so does the product of the
            genetic score and a covariate, the score's half shared out by the variants' linear terms
net         integrated gradients, the mean over its members

A call that was not made adds nothing, but to the net, which has its own answer to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from genomed.kernels.packed import unpack_rows
from genomed.models.ancestry_part import SHARE
from genomed.models.risk_model import RiskModel
from genomed.stats.pair_terms import pair_columns

__all__ = [
    "ANCESTRY", "DATED_CODES", "Contributions", "Term", "contributions", "covariate_names",
    "terms_of", "variant_names",
]  # fmt: skip

NOT_CALLED = 3
DATED_CODES, ANCESTRY = "dated codes", "ancestry group"  # terms beside the covariates' columns


@dataclass(frozen=True)
class Term:
    """A term of more than one member, listed beside what its members add.

    kind    : "pair", "variant x covariate" or "score x covariate"
    variants : rows of the model's variants, -1 for none
    covariate : its name, empty for none
    """

    kind: str
    variants: tuple[int, int]
    covariate: str


@dataclass(frozen=True)
class Contributions:
    """Contributions to the linear predictors of n people.

    base       : the predictor of everybody's mean
    codes      : uint8 (variants, n), copies of ALT, 3 not called
    variants   : part -> float64 (variants, n)
    covariates : part -> float64 (covariates, n), in the order of `covariate_names`
    terms      : float64 (terms, n), whole terms as `terms_of` lists them; these are among the
                 contributions of their members already
    net_rows   : int64 (r,), variants that the net reads
    members    : float64 (members of the net, r, n), what these add to its answer
    net_covariates : float64 (members, covariates that it reads, n), the same of covariates
    dated      : float64 (n, length), what each dated code adds; together they are the contribution
                 of DATED_CODES
    """

    base: float
    codes: np.ndarray
    variants: dict[str, np.ndarray]
    covariates: dict[str, np.ndarray]
    terms: np.ndarray
    net_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    members: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0)))
    net_covariates: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0)))
    dated: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def of_variants(self) -> np.ndarray:
        """All parts together: float64 (variants, n)."""
        return np.asarray(sum(self.variants.values()))

    @property
    def of_covariates(self) -> np.ndarray:
        """All parts together: float64 (covariates, n)."""
        return np.asarray(sum(self.covariates.values()))

    @property
    def predictor(self) -> np.ndarray:
        """Base value and everything that was added: float64 (n,)."""
        both = self.of_variants.sum(axis=0) + self.of_covariates.sum(axis=0)
        return np.asarray(self.base + both)


def terms_of(model: RiskModel, names: Sequence[str]) -> list[Term]:
    """Every term with more than one member, in the order of Contributions.terms.

    names : of the covariates' columns
    """
    found = []
    if model.pairs is not None:
        both = zip(model.pairs.terms.row1.tolist(), model.pairs.terms.row2.tolist(), strict=True)
        found += [Term("pair", rows, "") for rows in both]
    if model.covariates is not None:
        part = model.covariates
        for row, j in zip(part.row.tolist(), part.covariate.tolist(), strict=True):
            found.append(Term("variant x covariate", (row, -1), names[j]))
        for j in np.flatnonzero(part.by_score).tolist():
            found.append(Term("score x covariate", (-1, -1), names[j]))
    return found


def covariate_names(model: RiskModel, names: Sequence[str]) -> list[str]:
    """What adds to a predictor beside variants: columns, categories, dated codes, the group.

    names : of columns and categories
    """
    names = list(names)
    if model.net is not None and model.net.head.sizes.n_codes:
        names.append(DATED_CODES)
    return names if model.ancestry is None else [*names, ANCESTRY]


def variant_names(model: RiskModel) -> list[str]:
    """IDs of the model's variants, or place and alleles of those without one."""
    table = model.variants
    place = (f"{c}:{p}:{r}:{a}" for c, p, r, a in
             table.select("contig", "position", "ref", "alt").iter_rows())  # fmt: skip
    return [name or other for name, other in zip(table["id"], place, strict=True)]


def contributions(
    model: RiskModel,
    words: np.ndarray,
    n_samples: int,
    covariates: np.ndarray,
    *,
    categories: np.ndarray | None = None,
    levels: tuple[int, ...] = (),
    codes: np.ndarray | None = None,
    times: np.ndarray | None = None,
    group: np.ndarray | None = None,
    n_steps: int = 32,
    threads: int = 1,
) -> Contributions:
    """Share out the predictors of people.

    words      : uint64 (variants, words), calls of the people, rows as in the model
    covariates : float64 (n, k), encoded as in training
    categories : int64 (n, c), and how many levels each has
    codes      : int64 (n, length), dated codes, and times, float32; None where nobody has any
    group      : int64 (n,), from AncestryPart.places; None where no group is known
    n_steps    : of the integral over the net's gradients
    Raises ValueError where the net needs captum and it is not installed.
    """
    matrix = covariates
    k = matrix.shape[1]
    n_read = k + len(levels) + (model.net is not None and model.net.head.sizes.n_codes > 0)
    n_covariates = n_read + (model.ancestry is not None)
    calls = _codes(words, n_samples)
    weights = model.genotype_weights.astype(np.float32).astype(np.float64)  # as RiskModel.predict
    linear = np.take_along_axis(weights, calls, axis=1)
    variants = {"linear": linear}
    others = {"linear": np.zeros((n_covariates, n_samples))}
    others["linear"][:k] = model.coefficients[:, None] * matrix.T
    base, terms = model.intercept, [np.zeros((0, n_samples))]
    of_net: tuple[np.ndarray, ...] = ()
    if model.ancestry is not None and group is not None:
        variants["ancestry"] = np.zeros_like(linear)
        others["ancestry"] = np.zeros((n_covariates, n_samples))
        for place, (trunk, table) in enumerate(model.ancestry.tables(weights)):
            people = np.flatnonzero(group == place)
            variants["ancestry"][:, people] = np.take_along_axis(table, calls[:, people], axis=1)
            slope = SHARE * (trunk.coefficients - model.coefficients)
            others["ancestry"][:k, people] = slope[:, None] * matrix[people].T
            others["ancestry"][-1, people] = SHARE * (trunk.intercept - model.intercept)
    if model.pairs is not None:
        values = pair_columns(words, n_samples, model.pairs.terms).astype(np.float64)
        values *= model.pairs.coefficients[:, None]
        variants["pairs"] = np.zeros_like(linear)
        np.add.at(variants["pairs"], model.pairs.terms.row1, values / 2)
        np.add.at(variants["pairs"], model.pairs.terms.row2, values / 2)
        terms.append(values)
    if model.covariates is not None:
        variants["covariates"], by_covariate, values = _products(model, calls, linear, matrix)
        others["covariates"] = np.zeros((n_covariates, n_samples))
        others["covariates"][:k] = by_covariate
        terms.append(values)
    if model.net is not None:
        from genomed.models.net_attribution import net_attributions  # noqa: PLC0415 - torch is slow

        net = net_attributions(
            model.net, words, n_samples, matrix, _frequency(model), categories=categories,
            levels=levels, codes=codes, times=times, n_steps=n_steps, threads=threads,
        )  # fmt: skip
        base += float(net.base.mean())
        of_net = net.rows, net.variants, net.covariates, net.codes.mean(axis=0)
        variants["net"] = np.zeros_like(linear)
        variants["net"][net.rows] = net.variants.mean(axis=0)
        others["net"] = np.zeros((n_covariates, n_samples))
        others["net"][:n_read] = net.covariates.mean(axis=0)
    return Contributions(
        base, calls.astype(np.uint8), variants, others, np.concatenate(terms), *of_net
    )


def _products(
    model: RiskModel, codes: np.ndarray, linear: np.ndarray, matrix: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Products with covariates: what variants (variants, n) and covariates (k, n) add, and the
    whole products (terms, n)."""
    part = model.covariates
    assert part is not None
    variants, covariates = np.zeros_like(linear), np.zeros((matrix.shape[1], len(matrix)))
    called = np.take_along_axis(part.value.astype(np.float64), codes[part.row], axis=1)
    values = part.coefficients[:, None] * called * matrix.T[part.covariate]  # (m, n)
    np.add.at(variants, part.row, values / 2)
    np.add.at(covariates, part.covariate, values / 2)
    # score = scale x (sum of linear terms + what the covariates leave of the predictor)
    genetic = part.score.scale * linear.sum(axis=0)  # (n,)
    own = model.intercept + matrix @ model.coefficients
    score = part.score.of(own, matrix) + genetic  # (n,)
    by = part.by_score[:, None] * matrix.T  # (k, n)
    variants += linear * (part.score.scale * by.sum(axis=0) / 2)
    covariates += by * (score - genetic / 2)
    return variants, covariates, np.concatenate([values, (by * score)[part.by_score != 0]])


def _codes(words: np.ndarray, n_samples: int) -> np.ndarray:
    """Copies of ALT: int64 (variants, n), 3 not called."""
    out = np.empty((len(words), n_samples), np.int8)
    unpack_rows(np.ascontiguousarray(words), n_samples, out)
    return np.where(out < 0, NOT_CALLED, out).astype(np.int64)


def _frequency(model: RiskModel) -> np.ndarray:
    return model.variants["alt_allele_frequency"].fill_null(0.5).to_numpy().astype(np.float64)
