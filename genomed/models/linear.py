"""The linear trunk of a model: penalised regression on all columns, chosen by cross-validation.

Candidates are elastic-net paths with several shares of the absolute penalty, ridge regression, and
mixtures of normals, from nearly ridge to nearly lasso.
Each is fitted with every fold left out in turn, and its penalty is the one whose predictions of the
people left out have the least deviance. The candidates are then combined with weights that are not
negative, fitted to those predictions, and refitted on all people: the result is one coefficient per
column. Predictions out of fold are stacked with weights that the fold had no part in either; where
they are no better than those of the best candidate, that one stands alone.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from genomed.models.columns import (
    Columns,
    Products,
    additive_columns,
    dominance_columns,
    join,
)
from genomed.models.elastic_net import Lane, advance, gradients, largest_penalty, start_lanes
from genomed.models.families import Family
from genomed.models.mixture import MixtureFit, mixture_fits
from genomed.models.ridge import RidgeFits, ridge_fits
from genomed.models.stacking import stack
from genomed.settings import PathSettings

__all__ = [
    "Columns",
    "CrossFit",
    "LinearFit",
    "PathSettings",
    "additive_columns",
    "cross_fit",
    "dominance_columns",
    "fit_path",
    "join",
    "predict",
]

Progress = Callable[[str, float], None]


class LinearFit(NamedTuple):
    """A linear model of columns and covariates.

    intercept  : number
    covariates : float64 (k,)
    beta       : float64 (columns,), on the scale of the columns
    penalty    : lambda; NaN for a combination of fits
    l1_ratio   : share of the absolute penalty; NaN for a combination
    """

    intercept: float
    covariates: np.ndarray
    beta: np.ndarray
    penalty: float
    l1_ratio: float


class CrossFit(NamedTuple):
    """A linear model, and how it was chosen.

    fit              : the combination, of all people of the development set
    out_of_fold      : float64 (n,), linear predictor, offset included, of each fold's people by a
                       fit to the others; NaN for people in no fold
    null_out_of_fold : the same, of the covariates alone
    family           : the family given, its own parameters (a baseline) fitted at out_of_fold
    candidates       : one row per candidate: candidate, l1_ratio, penalty, deviance (mean per
                       person, out of fold), n_columns (coefficients that are not 0), share (in
                       the combination); then the rows "combined" and "covariates"
    path             : one row per candidate and penalty: candidate, l1_ratio, penalty, deviance,
                       n_columns (mean over folds; null for ridge)
    """

    fit: LinearFit
    out_of_fold: np.ndarray
    null_out_of_fold: np.ndarray
    family: Family
    candidates: pl.DataFrame
    path: pl.DataFrame


class _Problem(NamedTuple):
    """What all candidates share. design has the intercept first; weight is 0 outside folds."""

    products: Products
    design: np.ndarray
    family: Family
    fold: np.ndarray
    weight: np.ndarray
    offset: np.ndarray
    settings: PathSettings
    pool: ThreadPoolExecutor
    report: Progress

    @property
    def folds(self) -> list[int]:
        return [int(f) for f in np.unique(self.fold[self.fold >= 0])]

    def training(self, fold: int) -> np.ndarray:
        return np.where(self.fold == fold, 0.0, self.weight)

    def deviance(self, families: list[Family], eta: np.ndarray) -> float:
        """Mean over people of each fold, by the family fitted without it."""
        used = self.weight * self.family.observed
        total = 0.0
        for fold, family in zip(self.folds, families, strict=True):
            total += float((used * (self.fold == fold)) @ family.deviance(eta))
        return total / float(used.sum())


class _Refit(NamedTuple):
    """A fit to all people: float64 (k,) of the design, and float64 (columns,)."""

    coefficients: np.ndarray
    beta: np.ndarray


class _Candidate(NamedTuple):
    """One way to fit: its best penalty, and what it predicts out of fold there."""

    name: str
    l1_ratio: float
    penalty: float
    deviance: float
    genetic: np.ndarray  # float64 (n,), the columns' part of the predictor out of fold
    eta: np.ndarray  # float64 (n,), the predictor out of fold
    refit: Callable[[], "_Refit"]
    path: pl.DataFrame


def cross_fit(
    columns: Columns,
    covariates: np.ndarray,
    family: Family,
    fold: np.ndarray,
    settings: PathSettings | None = None,
    *,
    weight: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> CrossFit:
    """Choose, fit and judge a linear model.

    covariates : float64 (n, k), without penalty and without an intercept; may be (n, 0)
    fold       : int8 (n,), 0 .. of the development set; -1 for people who take no part
    weight     : float64 (n,), 0 for people left out of fitting
    offset     : float64 (n,), added to the linear predictor
    progress   : called with what is being done and the share of it that is done
    Results are the same for any number of threads. Raises ValueError for arrays that do not fit
    together, fewer than two folds, a trait of which a fold, or the rest of it, tells nothing, and
    covariates that are as many as people.
    """
    settings = settings or PathSettings()
    n = columns.n_samples
    weight = np.ones(n) if weight is None else np.asarray(weight, np.float64)
    offset = np.zeros(n) if offset is None else np.asarray(offset, np.float64)
    covariates = np.asarray(covariates, np.float64).reshape(n, -1)
    fold = np.asarray(fold)
    _check(columns, covariates, family, fold, weight, offset)
    weight = np.where(fold >= 0, weight, 0.0)
    inside = (fold >= 0)[:, None]
    design = np.where(inside, np.concatenate([np.ones((n, 1)), covariates], 1), 0.0)
    offset = np.where(inside[:, 0], offset, 0.0)
    report = progress or (lambda what, share: None)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        problem = _Problem(
            Products(columns, pool), design, family, fold, weight, offset, settings, pool, report
        )
        candidates = _path_candidates(problem)
        if settings.ridge:
            candidates.append(_ridge_candidate(problem))
        if settings.mixture_floors and columns.n_columns:
            candidates.append(_mixture_candidate(problem, candidates))
        return _combine(problem, candidates)


def predict(columns: Columns, fit: LinearFit, covariates: np.ndarray) -> np.ndarray:
    """Linear predictor, without any offset: float64 (n,); covariates (n, k)."""
    eta = fit.intercept + np.asarray(covariates, np.float64).reshape(
        columns.n_samples, -1
    ) @ fit.covariates  # fmt: skip
    used = np.flatnonzero(fit.beta)
    columns.add(used, fit.beta[used], eta)
    return np.asarray(eta)


def fit_path(
    columns: Columns,
    covariates: np.ndarray,
    family: Family,
    l1_ratio: float,
    penalties: np.ndarray,
    settings: PathSettings | None = None,
    *,
    weight: np.ndarray | None = None,
    offset: np.ndarray | None = None,
    threads: int = 1,
) -> list[LinearFit]:
    """Elastic-net fits to all people, for falling penalties; arguments as in cross_fit."""
    settings = settings or PathSettings()
    n = columns.n_samples
    weight = np.ones(n) if weight is None else np.asarray(weight, np.float64)
    covariates = np.asarray(covariates, np.float64).reshape(n, -1)
    _check(columns, covariates, family, np.arange(n) % 2, weight, np.zeros(n), by_fold=False)
    design = np.concatenate([np.ones((n, 1)), covariates], axis=1)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        products = Products(columns, pool)
        lane = start_lanes(products, design, family, [weight], [l1_ratio], settings, offset)[0][0]
        return list(_walk(products, lane, penalties, pool))


def _walk(
    products: Products, lane: Lane, penalties: np.ndarray, pool: ThreadPoolExecutor
) -> list[LinearFit]:
    gradient = gradients(products, [lane])
    lane.penalty = largest_penalty(products.columns, lane, gradient[:, 0])
    fits = []
    for penalty in penalties:
        gradient = advance(products, [lane], [penalty], gradient, pool)
        fits.append(_as_fit(lane))
    return fits


def _as_fit(lane: Lane) -> LinearFit:
    return LinearFit(
        float(lane.coefficients[0]), lane.coefficients[1:].copy(), lane.beta.copy(),
        lane.penalty, lane.l1_ratio,
    )  # fmt: skip


def _path_candidates(problem: _Problem) -> list[_Candidate]:
    """Follow the paths of all shares with every fold left out, side by side."""
    p, settings = problem, problem.settings
    ratios = settings.l1_ratios
    if not ratios:
        return []
    whole = start_lanes(p.products, p.design, p.family, [p.weight], ratios, settings, p.offset)[0]
    gradient = gradients(p.products, whole)
    first = [
        largest_penalty(p.products.columns, lane, gradient[:, k]) for k, lane in enumerate(whole)
    ]
    if max(first) <= 0:
        return []
    weights = [p.training(f) for f in p.folds]
    lanes = start_lanes(p.products, p.design, p.family, weights, ratios, settings, p.offset)
    walks = [_Walk(p, ratio, [one[k] for one in lanes], first[k]) for k, ratio in enumerate(ratios)]
    found = {id(lane): g for lane, g in _by_lane(p, [x for one in lanes for x in one])}
    for step in range(settings.n_penalties):
        running = [walk for walk in walks if not walk.is_over]
        if not running:
            break
        p.report("elastic net", step / settings.n_penalties)
        active = [lane for walk in running for lane in walk.lanes]
        penalties = [walk.penalties[step] for walk in running for _ in walk.lanes]
        before = np.stack([found[id(lane)] for lane in active], axis=1)
        after = advance(p.products, active, penalties, before, p.pool)
        found.update({id(lane): after[:, k] for k, lane in enumerate(active)})
        for walk in running:
            walk.judge()
    return [walk.candidate() for walk in walks]


def _by_lane(problem: _Problem, lanes: list[Lane]) -> list[tuple[Lane, np.ndarray]]:
    gradient = gradients(problem.products, lanes)
    return [(lane, gradient[:, k]) for k, lane in enumerate(lanes)]


class _Walk:
    """The path of one share of the absolute penalty, in all folds."""

    def __init__(self, problem: _Problem, l1_ratio: float, lanes: list[Lane], first: float) -> None:
        settings = problem.settings
        self.problem, self.l1_ratio, self.lanes = problem, l1_ratio, lanes
        self.penalties = first * np.geomspace(1, settings.min_penalty_ratio, settings.n_penalties)
        for lane in lanes:
            lane.penalty = first
        self.deviances: list[float] = []
        self.sizes: list[float] = []
        self.best = -1
        self.genetic, self.eta = np.zeros((2, len(problem.fold)))

    @property
    def is_over(self) -> bool:
        n = len(self.deviances)
        return n >= len(self.penalties) or n - 1 - self.best >= self.problem.settings.patience

    def judge(self) -> None:
        """Take the deviance out of fold at the penalty just reached."""
        p = self.problem
        eta = np.zeros(len(p.fold))
        genetic = np.zeros(len(p.fold))
        for fold, lane in zip(p.folds, self.lanes, strict=True):
            out = p.fold == fold
            eta[out] = lane.eta[out]
            genetic[out] = (lane.eta - lane.offset - lane.design @ lane.coefficients)[out]
        self.deviances.append(p.deviance([lane.family for lane in self.lanes], eta))
        self.sizes.append(float(np.mean([np.count_nonzero(lane.beta) for lane in self.lanes])))
        if self.best < 0 or self.deviances[-1] < self.deviances[self.best]:
            self.best, self.genetic, self.eta = len(self.deviances) - 1, genetic, eta

    def candidate(self) -> _Candidate:
        n = len(self.deviances)
        name = f"elastic net {self.l1_ratio:g}" if self.l1_ratio < 1 else "lasso"
        path = _path_frame(name, self.l1_ratio, self.penalties[:n], self.deviances, self.sizes)
        return _Candidate(
            name, self.l1_ratio, float(self.penalties[self.best]), self.deviances[self.best],
            self.genetic, self.eta, self._refit, path,
        )  # fmt: skip

    def _refit(self) -> _Refit:
        p = self.problem
        lane = start_lanes(
            p.products, p.design, p.family, [p.weight], [self.l1_ratio], p.settings, p.offset
        )[0][0]
        penalties = self.penalties[: self.best + 1]
        _walk(p.products, lane, penalties, p.pool)
        return _Refit(lane.coefficients, lane.beta)


def _ridge_candidate(problem: _Problem) -> _Candidate:
    """Ridge regression, its penalty by cross-validation."""
    p, settings = problem, problem.settings
    p.report("ridge", 0.0)
    columns = p.products.columns
    varies = np.concatenate([columns.value.any(axis=1), columns.dense.any(axis=1)])
    size = float((varies / columns.penalty).sum())
    ratios = np.geomspace(settings.ridge_first, settings.ridge_last, settings.n_ridge_penalties)
    penalties = ratios * max(size, 1e-12) / float((p.weight * p.family.observed).sum())
    *left_out, whole = ridge_fits(
        p.products, p.design, p.family, [*(p.training(f) for f in p.folds), p.weight], penalties,
        p.offset, max_steps=settings.max_ridge_steps,
    )  # fmt: skip
    genetic, eta = np.zeros((2, len(p.fold), len(penalties)))
    for fold, fits in zip(p.folds, left_out, strict=True):
        out = p.fold == fold
        genetic[out] = fits.genetic[out]
        eta[out] = p.offset[out, None] + p.design[out] @ fits.coefficients + fits.genetic[out]
    families = [fits.family for fits in left_out]
    deviances = [p.deviance(families, eta[:, k]) for k in range(len(penalties))]
    best = int(np.argmin(deviances))
    return _Candidate(
        "ridge", 0.0, float(penalties[best]), deviances[best], genetic[:, best],
        eta[:, best], lambda: _ridge_refit(p.products, whole, best),
        _path_frame("ridge", 0.0, penalties, deviances, [None] * len(penalties)),
    )  # fmt: skip


def _ridge_refit(products: Products, fits: RidgeFits, place: int) -> _Refit:
    dual = np.ascontiguousarray(fits.dual[:, [place]])
    beta = products.with_columns(dual)[:, 0].astype(np.float64) / products.columns.penalty
    return _Refit(fits.coefficients[:, place], beta)


def _mixture_candidate(problem: _Problem, candidates: list[_Candidate]) -> _Candidate:
    """A mixture of normals; its floor, beside the spread of the ridge candidate, by validation."""
    p = problem
    p.report("mixture", 0.0)
    total = float((p.weight * p.family.observed).sum())
    ridge = [1 / (total * one.penalty) for one in candidates if one.name == "ridge"]
    shares = p.settings.mixture_floors if ridge else (0.0,)
    floors = [share * (ridge or [1.0])[0] for share in shares]

    def fits(weight: np.ndarray) -> list[MixtureFit]:
        columns = p.products.columns
        return mixture_fits(columns, p.design, p.family, weight, p.offset, floors)

    genetic, eta = np.zeros((2, len(p.fold), len(floors)))
    families = []
    found = list(p.pool.map(fits, [p.training(fold) for fold in p.folds]))
    for fold, some in zip(p.folds, found, strict=True):
        out = p.fold == fold
        for k, fit in enumerate(some):
            genetic[out, k] = fit.genetic[out]
            eta[out, k] = (p.offset + p.design @ fit.coefficients + fit.genetic)[out]
        families.append(some[0].family)
    deviances = [p.deviance(families, eta[:, k]) for k in range(len(floors))]
    best = int(np.argmin(deviances))

    def refit() -> _Refit:
        fit = fits(p.weight)[best]
        return _Refit(fit.coefficients, fit.beta)

    penalties = np.array([1 / (total * floor) if floor else np.inf for floor in floors])
    return _Candidate(
        "mixture", 0.0, float(penalties[best]), deviances[best], genetic[:, best], eta[:, best],
        refit, _path_frame("mixture", 0.0, penalties, deviances, [None] * len(floors)),
    )  # fmt: skip


def _combine(problem: _Problem, candidates: list[_Candidate]) -> CrossFit:
    """Stack the candidates, or take the best alone where the stack is no better; refit."""
    p = problem
    genetic = np.stack([one.genetic for one in candidates], 1) if candidates else np.zeros(
        (len(p.design), 0)
    )  # fmt: skip
    null, null_families = _out_of_fold(p, genetic[:, :0])
    out_of_fold, families = _out_of_fold(p, genetic)
    deviance, null_deviance = p.deviance(families, out_of_fold), p.deviance(null_families, null)
    shares, coefficients, beta = np.zeros(0), np.zeros(0), np.zeros(p.products.columns.n_columns)
    best = min(candidates, key=lambda one: one.deviance, default=None)
    alone = best is not None and best.deviance <= deviance
    if best is not None and alone:
        out_of_fold, deviance = best.eta, best.deviance
        shares = np.array([float(one is best) for one in candidates])
    else:
        fitted = stack(p.family, p.design, genetic, p.weight, p.offset)
        shares, coefficients = fitted.shares, fitted.coefficients
    sizes: list[int | None] = []
    for number, (one, share) in enumerate(zip(candidates, shares, strict=True)):
        p.report("refit", number / len(candidates))
        refitted = one.refit() if share > 0 else None
        sizes.append(None if refitted is None else int(np.count_nonzero(refitted.beta)))
        if refitted is not None:
            beta = beta + share * refitted.beta
            if alone:
                coefficients = refitted.coefficients
    p.report("refit", 1.0)
    fit = LinearFit(
        float(coefficients[0]), coefficients[1:], beta,
        best.penalty if best and alone else np.nan, best.l1_ratio if best and alone else np.nan,
    )  # fmt: skip
    inside = p.fold >= 0
    return CrossFit(
        fit,
        np.where(inside, out_of_fold, np.nan),
        np.where(inside, null, np.nan),
        p.family.fitted(out_of_fold, p.weight * p.family.observed),
        _candidate_frame(candidates, shares, sizes, beta, (deviance, null_deviance)),
        pl.concat([_path_frame("", 0.0, np.zeros(0), [], []), *(one.path for one in candidates)]),
    )


def _out_of_fold(problem: _Problem, genetic: np.ndarray) -> tuple[np.ndarray, list[Family]]:
    """Each fold predicted by covariates and candidates, stacked without it: float64 (n,)."""
    p = problem
    eta = np.zeros(len(p.fold))
    families = []
    for fold in p.folds:
        fitted = stack(p.family, p.design, genetic, p.training(fold), p.offset)
        found = p.offset + p.design @ fitted.coefficients + genetic @ fitted.shares
        eta[p.fold == fold] = found[p.fold == fold]
        families.append(fitted.family)
    return eta, families


def _path_frame(
    name: str, l1_ratio: float, penalties: np.ndarray, deviances: list, sizes: list
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "candidate": pl.Series([name] * len(penalties), dtype=pl.String),
            "l1_ratio": pl.Series([l1_ratio] * len(penalties), dtype=pl.Float64),
            "penalty": pl.Series(penalties, dtype=pl.Float64),
            "deviance": pl.Series(deviances, dtype=pl.Float64),
            "n_columns": pl.Series(sizes, dtype=pl.Float64),
        }
    )


def _candidate_frame(
    candidates: list[_Candidate], shares: np.ndarray, sizes: list, beta: np.ndarray,
    deviances: tuple[float, float],
) -> pl.DataFrame:  # fmt: skip
    return pl.DataFrame(
        {
            "candidate": [*(one.name for one in candidates), "combined", "covariates"],
            "l1_ratio": [*(one.l1_ratio for one in candidates), None, None],
            "penalty": [*(one.penalty for one in candidates), None, None],
            "deviance": [*(one.deviance for one in candidates), *deviances],
            "n_columns": [*sizes, int(np.count_nonzero(beta)), 0],
            "share": [*shares, None, None],
        },
        schema={
            "candidate": pl.String, "l1_ratio": pl.Float64, "penalty": pl.Float64,
            "deviance": pl.Float64, "n_columns": pl.Int64, "share": pl.Float64,
        },
    )  # fmt: skip


def _check(
    columns: Columns, covariates: np.ndarray, family: Family, fold: np.ndarray,
    weight: np.ndarray, offset: np.ndarray, *, by_fold: bool = True,
) -> None:  # fmt: skip
    n = columns.n_samples
    if {len(covariates), family.n_samples, len(fold), len(weight), len(offset)} != {n}:
        raise ValueError(f"calls are of {n} people, but the trait or another array is not")
    inside = fold >= 0
    if not (np.isfinite(covariates[inside]).all() and np.isfinite(offset[inside]).all()):
        raise ValueError("a covariate or the offset is not finite in a person to learn from")
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError("a person's weight is negative or not finite")
    used = np.where(inside, weight, 0.0) * family.observed
    parts = [("", used)]
    if by_fold:
        folds = np.unique(fold[inside])
        if len(folds) < 2:
            raise ValueError(f"cross-validation needs two folds, but there are {len(folds)}")
        parts += [(f"fold {f} leaves ", np.where(fold == f, 0.0, used)) for f in folds]
        if family.kind != "quantitative":
            parts += [(f"fold {f} holds ", np.where(fold == f, used, 0.0)) for f in folds]
    for where, some in parts:
        if problem := family.problem(some):
            raise ValueError(f"{where or 'the trait has '}{problem}; use fewer folds, or stratify")
        if "holds" not in where and (some > 0).sum() < covariates.shape[1] + 2:
            raise ValueError(
                f"{where or 'there are '}{int((some > 0).sum())} people with the trait, too few "
                f"for {covariates.shape[1]} covariates"
            )
