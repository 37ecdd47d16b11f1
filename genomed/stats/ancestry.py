"""Which of the labelled reference people someone is like: probabilities, and how good they are.

Principal components show the largest differences between people; neighbouring populations differ
in many small ones. So the labels themselves are regressed on all genotypes, by ridge regression on
the indicators of the populations, which in the sample space is one solve with the relationship
matrix; then a Gaussian is fitted to each population in the space of these discriminants (penalised
discriminant analysis: Hastie, Buja and Tibshirani 1995; its Gaussians regularised as by Friedman
1989). The Gaussians are fitted to leave-one-out values (Allen's PRESS), which are spread as those
of new people are, and a temperature found by cross-validation calibrates the probabilities. Where
variants are few, how likely the calls are by allele frequencies is added (see allele_odds).
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import NamedTuple

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from genomed.kernels.packed import unpack_rows
from genomed.schema import AncestryModel, Gaussians, Packed
from genomed.stats.allele_odds import allele_odds, odds_scores
from genomed.stats.pca_engine import Engine, Genotypes
from genomed.stats.projection import weighted_sums
from genomed.stats.strangeness import limit_of, strangeness

__all__ = [
    "AncestryModel",
    "CrossValidation",
    "Gaussians",
    "ancestry_probabilities",
    "cross_validated",
    "discriminant_scores",
    "fit_ancestry",
    "grouped_probabilities",
]

RIDGE = 3.0  # beside relationships, whose diagonal is about 1; 1 does as well with many variants
FEW_VARIANTS = 5000  # up to here allele odds are learnt too; of 23,770 they have nothing to add
OWN_COVARIANCE = 0.2  # share of a population's own covariance in its Gaussian
ROUND_COVARIANCE = 0.05  # share of the identity
FOLDS = 5  # of the cross-validation that is reported
TEMPERATURE_FOLDS = 10
CALIBRATION_ROUNDS = 3


class CrossValidation(NamedTuple):
    """What the model says of reference people who were held back from it.

    population           : float64 (people, populations), probabilities
    true                 : int64 (people,), population of each, by its place in the model's list
    population_accuracy, superpopulation_accuracy : shares of people, 0 to 1
    population_log_loss  : mean of -log(probability of the true population)
    strangeness          : float64 (people,), see genomed.stats.strangeness
    confusion            : polars frame: population · predicted · n, all pairs with n > 0
    super_confusion      : polars frame: superpopulation · predicted · n
    """

    population: np.ndarray
    true: np.ndarray
    population_accuracy: float
    superpopulation_accuracy: float
    population_log_loss: float
    strangeness: np.ndarray
    confusion: pl.DataFrame
    super_confusion: pl.DataFrame


def fit_ancestry(
    store: Packed,
    rows: np.ndarray,
    populations: Sequence[str | None],
    superpopulations: Sequence[str | None],
    *,
    founders: np.ndarray | None = None,
    seed: int = 1,
    threads: int = 1,
) -> tuple[AncestryModel, CrossValidation]:
    """Learn to tell labelled people apart.

    rows             : int64, rows of the store to use
    populations      : label of each sample; people with None are not used
    superpopulations : as well; a population lies in one superpopulation
    founders         : bool (samples,), samples whose frequencies standardise; None for the labelled
    Memory grows with the square of the labelled people. Raises ValueError when there are fewer than
    two populations, when one has fewer than two people, or lies in two superpopulations.
    """
    used = np.array([label is not None for label in populations], np.bool_)
    names, supers, true = _labels(populations, superpopulations)
    source = Genotypes(store, np.asarray(rows, np.int64), used, threads)
    import_module("scipy.linalg")  # its BLAS can be limited only once it is there
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        centre, scale = source.standards(used if founders is None else founders)
        engine = Engine(source, centre, scale, pool)
        relationship = engine.relationship() / max(1, source.n_variants)
        relationship = np.tril(relationship) + np.tril(relationship, -1).T
        rng = np.random.default_rng(seed)
        few = None
        if len(rows) <= FEW_VARIANTS:
            few = _FewCalls(_calls(store, rows, used, scale > 0, threads), centre[scale > 0])
        learnt = _learnt(relationship, few, true, len(names), rng)
        gaussians = learnt.gaussians
        weights = engine.loadings(learnt.ridge.coefficients) / max(1, source.n_variants)
        if few is not None and gaussians.odds_power > 0:
            weights = np.column_stack([weights, np.zeros_like(weights)])
            odds = allele_odds(few.calls, true, len(names), few.centre).weights
            weights[scale > 0, len(names) :] = odds / scale[scale > 0, None]
        check = cross_validated(relationship, few, true, names, supers, rng)
        gaussians = gaussians._replace(limit=limit_of(check.strangeness))
    return AncestryModel(names, supers, weights, centre, scale, gaussians), check


class _FewCalls(NamedTuple):
    """Calls of few variants: int8 (variants, people), and their mean float64 (variants,)."""

    calls: np.ndarray
    centre: np.ndarray


def _calls(
    store: Packed, rows: np.ndarray, used: np.ndarray, varies: np.ndarray, threads: int
) -> np.ndarray:
    words = store.read(np.asarray(rows, np.int64)[varies], threads)
    calls = np.empty((len(words), len(used)), np.int8)
    unpack_rows(words, len(used), calls)
    return calls[:, used]


def _labels(
    populations: Sequence[str | None], superpopulations: Sequence[str | None]
) -> tuple[list[str], list[str], np.ndarray]:
    """Names of populations, their superpopulations, and the place of each person's in them."""
    pairs = [(p, s) for p, s in zip(populations, superpopulations, strict=True) if p is not None]
    names = sorted({p for p, _ in pairs})
    above: dict[str, str] = {}
    for name, parent in pairs:
        if above.setdefault(name, parent or name) != (parent or name):
            raise ValueError(f"population {name} lies in {above[name]} and in {parent}")
    place = {name: i for i, name in enumerate(names)}
    true = np.array([place[name] for name, _ in pairs], np.int64)
    if len(names) < 2:
        raise ValueError("a reference needs people of two populations at least")
    sizes = np.bincount(true, minlength=len(names))
    if sizes.min() < 2:
        raise ValueError(f"population {names[int(sizes.argmin())]} has one person only")
    return names, [above[name] for name in names], true


def _indicators(true: np.ndarray, n_populations: int) -> np.ndarray:
    return np.asarray(true[:, None] == np.arange(n_populations), np.float64)


class _Ridge(NamedTuple):
    """A regression on relationships.

    coefficients : float64 (people, p)
    held_out     : float64 (people, p), what each person gets from all others
    aim          : float64 (people, p), what was regressed: the indicators, centred
    pull         : how far the fit moves people who were learnt from towards their aim, 0 to 1, at
                   most
    """

    coefficients: np.ndarray
    held_out: np.ndarray
    aim: np.ndarray
    pull: float


def _ridge(relationship: np.ndarray, indicator: np.ndarray) -> _Ridge:
    centred = indicator - indicator.mean(axis=0)
    inverse = _inverse(relationship + RIDGE * np.eye(len(relationship)))
    coefficients = inverse @ centred
    # relationship @ inverse = 1 - RIDGE x inverse, whose diagonal is a person's pull on itself
    residual = RIDGE * coefficients
    own = RIDGE * np.diag(inverse)[:, None]
    return _Ridge(coefficients, centred - residual / own, centred, float(1 - own.min()))


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Of a symmetric positive definite matrix, by Cholesky's factors; the matrix is overwritten."""
    from scipy.linalg import lapack  # noqa: PLC0415 - takes long, and placing people needs none

    factor, failed = lapack.dpotrf(matrix, lower=1, overwrite_a=1)
    if failed:
        raise ValueError("the relationship matrix is not positive, or not a number")
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    return np.asarray(np.tril(inverse) + np.tril(inverse, -1).T)


class _Learnt(NamedTuple):
    ridge: _Ridge
    gaussians: Gaussians


def _learnt(
    relationship: np.ndarray,
    few: _FewCalls | None,
    true: np.ndarray,
    n_populations: int,
    rng: np.random.Generator,
) -> _Learnt:
    """Discriminants, Gaussians, and what makes their probabilities honest."""
    ridge = _ridge(relationship, _indicators(true, n_populations))
    points, n = ridge.held_out, n_populations
    fold = _folds(true, rng, TEMPERATURE_FOLDS)
    log_density = np.empty((len(points), n))
    log_odds = None if few is None else np.empty((len(points), n))
    for f in range(TEMPERATURE_FOLDS):
        learn, test = fold != f, fold == f
        fitted = _gaussians(points[learn], true[learn], n)
        log_density[test] = _log_density(fitted, points[test])
        if few is not None and log_odds is not None:
            odds = allele_odds(few.calls[:, learn], true[learn], n, few.centre)
            log_odds[test] = odds_scores(odds, few.calls[:, test], few.centre)
    fitted = _gaussians(points, true, n)
    temperature, power = _calibrated(log_density, log_odds, true)
    offset = np.zeros(n)
    if few is not None and power > 0:
        offset = allele_odds(few.calls, true, n, few.centre).offset
    aim = np.array([ridge.aim[true == p][0] for p in range(n)])
    return _Learnt(
        ridge,
        fitted._replace(
            temperature=temperature, excess=ridge.pull * (aim - fitted.mean), odds_power=power,
            odds_offset=offset,
        ),
    )  # fmt: skip


def _folds(true: np.ndarray, rng: np.random.Generator, n_folds: int = FOLDS) -> np.ndarray:
    """Fold of each person: every population is spread over all of them."""
    fold = np.empty(len(true), np.int64)
    for name in np.unique(true):
        members = np.flatnonzero(true == name)
        start = rng.integers(n_folds)
        fold[rng.permutation(members)] = (np.arange(len(members)) + start) % n_folds
    return fold


def _gaussians(points: np.ndarray, true: np.ndarray, n_populations: int) -> Gaussians:
    d = points.shape[1]
    mean = np.zeros((n_populations, d))
    for p in np.unique(true):
        mean[p] = points[true == p].mean(axis=0)
    residual = points - mean[true]
    shared = residual.T @ residual / max(1, len(points) - n_populations)
    precision, offset = np.empty((n_populations, d, d)), np.empty(n_populations)
    for p in range(n_populations):
        covariance = shared
        own = residual[true == p]
        if len(own) > 1:
            covariance = (1 - OWN_COVARIANCE) * shared + OWN_COVARIANCE * (own.T @ own) / (
                len(own) - 1
            )
        size = max(float(np.trace(covariance)) / d, 1e-12)
        covariance = (1 - ROUND_COVARIANCE) * covariance + ROUND_COVARIANCE * size * np.eye(d)
        precision[p] = np.linalg.inv(covariance)
        offset[p] = -np.linalg.slogdet(covariance)[1] / 2
    return Gaussians(mean, precision, offset, 1.0, np.zeros_like(mean), np.inf, 0.0,
                     np.zeros(n_populations))  # fmt: skip


def _log_density(gaussians: Gaussians, points: np.ndarray) -> np.ndarray:
    """Up to a constant: float64 (people, populations)."""
    apart = points[:, None, :] - gaussians.mean[None]
    squares = np.einsum("npd,pde,npe->np", apart, gaussians.precision, apart, optimize=True)
    return np.asarray(gaussians.offset - squares / 2)


def _normalised(log_density: np.ndarray) -> np.ndarray:
    ratio = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    return np.asarray(ratio / ratio.sum(axis=1, keepdims=True))


def _calibrated(
    log_density: np.ndarray, log_odds: np.ndarray | None, true: np.ndarray
) -> tuple[float, float]:
    """The divisor of log densities, 1 to 20, and the factor of log likelihoods, 0 to 1, under which
    the true labels are likeliest; one is sought after the other."""
    temperatures, powers = np.geomspace(1.0, 20.0, 61), np.append(0.0, np.geomspace(0.01, 1.0, 31))
    person = np.arange(len(true))

    def loss(t: float, power: float) -> float:
        sums = log_density / t if log_odds is None else log_density / t + power * log_odds
        return float(-np.log(np.maximum(_normalised(sums)[person, true], 1e-300)).mean())

    best, power = 1.0, 0.0
    for _ in range(CALIBRATION_ROUNDS):
        best = float(min(temperatures, key=lambda t: loss(t, power)))
        if log_odds is not None:
            power = float(min(powers, key=lambda p: loss(best, p)))
    return best, power


def cross_validated(
    relationship: np.ndarray,
    few: _FewCalls | None,
    true: np.ndarray,
    populations: list[str],
    superpopulations: list[str],
    rng: np.random.Generator,
) -> CrossValidation:
    """Hold back a fifth of the people at a time, and learn from the others all over again."""
    fold, n = _folds(true, rng), len(populations)
    probability, strange = np.empty((len(true), n)), np.empty(len(true))
    for f in range(FOLDS):
        learn, test = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        if not len(test):
            continue
        part = None if few is None else _FewCalls(few.calls[:, learn], few.centre)
        ridge, gaussians = _learnt(relationship[np.ix_(learn, learn)], part, true[learn], n, rng)
        scores = relationship[np.ix_(test, learn)] @ ridge.coefficients
        if few is not None and part is not None and gaussians.odds_power > 0:
            odds = allele_odds(part.calls, true[learn], n, few.centre)
            told = odds_scores(odds, few.calls[:, test], few.centre) - odds.offset
            scores = np.column_stack([scores, told])
        probability[test] = ancestry_probabilities(gaussians, scores)
        strange[test] = strangeness(gaussians, scores)
    return _judged(probability, strange, true, populations, superpopulations)


def _judged(
    probability: np.ndarray,
    strange: np.ndarray,
    true: np.ndarray,
    populations: list[str],
    superpopulations: list[str],
) -> CrossValidation:
    above = np.array(superpopulations)
    groups = sorted(set(superpopulations))
    grouped = grouped_probabilities(probability, superpopulations)
    predicted = probability.argmax(axis=1)
    predicted_group = np.array(groups)[grouped.argmax(axis=1)]
    own = np.maximum(probability[np.arange(len(true)), true], 1e-300)
    return CrossValidation(
        population=probability,
        true=true,
        population_accuracy=float((predicted == true).mean()),
        superpopulation_accuracy=float((predicted_group == above[true]).mean()),
        population_log_loss=float(-np.log(own).mean()),
        strangeness=strange,
        confusion=_confusion("population", np.array(populations)[true],
                             np.array(populations)[predicted]),
        super_confusion=_confusion("superpopulation", above[true], predicted_group),
    )  # fmt: skip


def _confusion(name: str, true: np.ndarray, predicted: np.ndarray) -> pl.DataFrame:
    pairs = pl.DataFrame({name: true.tolist(), "predicted": predicted.tolist()})
    return pairs.group_by(name, "predicted").len("n").sort(name, "predicted")


def ancestry_probabilities(gaussians: Gaussians, scores: np.ndarray) -> np.ndarray:
    """Probability of each population: float64 (people, populations); NaN where scores are NaN.

    scores : float64 (people, discriminants), from discriminant_scores
    Populations are equally likely beforehand. The probabilities say which reference people someone
    is most like; whether they are like any is told by genomed.stats.strangeness and .neighbours.
    """
    d = gaussians.mean.shape[1]
    sums = _log_density(gaussians, scores[:, :d]) / gaussians.temperature
    if scores.shape[1] > d:
        sums += gaussians.odds_power * (scores[:, d:] + gaussians.odds_offset)
    return _normalised(sums)


def grouped_probabilities(probability: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Sums over the populations of each group, groups in sorted order: (people, groups)."""
    member = np.array(groups)[:, None] == np.array(sorted(set(groups)))[None]
    return np.asarray(probability @ member)


def discriminant_scores(
    store: Packed,
    model: AncestryModel,
    rows: np.ndarray,
    *,
    loci: np.ndarray | None = None,
    swapped: np.ndarray | None = None,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Where the samples of a store fall: float64 (samples, discriminants), and coverage (samples,).

    rows, loci, swapped : as for genomed.stats.projection.project
    Coverage is the share of the weights' squares at called loci; a sum over a share of them is
    scaled up by it. Scores are NaN where nothing was called. Where many loci are absent from the
    cohort it is better to learn anew from those that are there: see fit_ancestry.
    """
    sums, coverage = weighted_sums(
        store,
        model.weights,
        model.centre,
        model.scale,
        rows,
        loci=loci,
        swapped=swapped,
        threads=threads,
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.where(coverage > 0, sums / coverage, np.nan)
    return scores, coverage.mean(axis=1)
