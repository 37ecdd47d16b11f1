"""The elastic-net path: coordinate descent on packed calls, for several sets of people at once.

Minimised is, with W the sum of weights,

    1/(2W) sum_i w_i deviance_i + lambda sum_j f_j (a |beta_j| + (1 - a)/2 beta_j^2)

over beta and the coefficients of covariates without penalty (Zou and Hastie 2005), as glmnet and
scikit-learn do. Each penalty starts from the fit of the one before; where the family is not
Gaussian its quadratic approximation is minimised in turns (Friedman 2010). Columns that the
sequential strong rule discards are left out (Tibshirani 2012), and after each fit the gradient of
all columns is found, for all fits at once, so that none is missed.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import numpy as np

from genomed.kernels.regression import descend
from genomed.models.columns import Columns, Products, to_slices
from genomed.models.families import Family, fit_unpenalised, orthonormal
from genomed.settings import PathSettings

__all__ = ["Lane", "Metric", "advance", "largest_penalty", "start_lanes"]

KKT_SLACK = 1e-5  # a gradient over the penalty by less than this share is rounding


class Metric:
    """Weights of people, and what coordinate descent needs of columns under them."""

    def __init__(self, columns: Columns, design: np.ndarray, weight: np.ndarray) -> None:
        """design: float64 (n, k) without penalty; weight: float64 (n,)."""
        n_halves = columns.halves.shape[1]
        self.transform = orthonormal(design, weight)
        basis = design @ self.transform
        self.basis = basis
        self.weight = to_slices(weight, n_halves)
        self._columns = columns
        self._weighted = np.array(
            [to_slices(q, n_halves) for q in (basis * weight[:, None]).T], np.float32
        ).reshape(-1, 16, n_halves)
        self._lock = Lock()
        self._curvature = np.full(columns.n_columns, np.nan)
        self._place = np.full(columns.n_columns, -1, np.int64)
        self._rows = np.empty((0, basis.shape[1]))

    def of(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Moments of some columns (see Columns.moments), kept for the next time."""
        with self._lock:
            new = index[self._place[index] < 0]
            if len(new):
                along, curvature = self._columns.moments(new, self._weighted, self.weight)
                self._place[new] = np.arange(len(self._rows), len(self._rows) + len(new))
                self._rows = np.concatenate([self._rows, along])
                self._curvature[new] = curvature
            return self._rows[self._place[index]], self._curvature[index]


class Lane:
    """One fit on its way along the path: some people, some share of the absolute penalty.

    eta          : float64 (n,), the linear predictor of everybody
    beta         : float64 (columns,)
    coefficients : float64 (k,), of the covariates
    """

    def __init__(
        self,
        products: Products,
        design: np.ndarray,
        family: Family,
        weight: np.ndarray,
        l1_ratio: float,
        settings: PathSettings,
        offset: np.ndarray | None,
        metric: Metric | None,
    ) -> None:
        self.products, self.columns = products, products.columns
        self.design, self.weight, self.l1_ratio = design, weight * family.observed, l1_ratio
        self.settings = settings
        self.offset = np.zeros(len(design)) if offset is None else offset
        null = fit_unpenalised(family, design, self.weight, self.offset)
        self.family, self.coefficients = null.family, null.coefficients
        self.beta = np.zeros(self.columns.n_columns)
        self.eta = self.offset + design @ self.coefficients
        self.total = float(self.weight.sum())
        self.null_deviance = float(self.weight @ self.family.deviance(self.eta))
        self.metric = metric
        self.used = np.zeros(0, np.int64)
        self.penalty = np.inf
        self.n_cycles = 0
        self._sums = np.empty(self.columns.halves.shape[1], np.float32)

    def residual(self) -> np.ndarray:
        """Weighted working residuals in slices: float32 (16 x halves,)."""
        residual = self.family.working(self.eta)[0] * self.weight
        return to_slices(residual, len(self._sums)).reshape(-1)

    def screen(self, gradient: np.ndarray, penalty: float) -> None:
        """Go to the next penalty, with the columns that the strong rule keeps for it."""
        before = min(self.penalty, 2 * penalty)
        level = self.l1_ratio * self.total * (2 * penalty - before) * self.columns.penalty
        kept = (self.beta != 0) | (np.abs(gradient) >= level)
        self.used, self.penalty = np.flatnonzero(kept), penalty

    def violations(self, gradient: np.ndarray) -> np.ndarray:
        """Columns that were left out wrongly."""
        level = self.l1_ratio * self.total * self.penalty * self.columns.penalty
        wrong = np.abs(gradient) > level * (1 + KKT_SLACK) + 1e-9 * self.total
        wrong[self.used] = False
        return np.flatnonzero(wrong)

    def solve(self) -> None:
        """Minimise over the columns in use."""
        if not len(self.used):
            return
        tolerance = self.settings.tolerance * self.null_deviance
        for _ in range(self.settings.max_reweightings):
            residual, information = self.family.working(self.eta)
            metric = self.metric
            if metric is None:
                metric = Metric(self.columns, self.design, self.weight * information)
            change = self._step(metric, self.weight * residual, tolerance)
            if self.family.constant_information or change <= tolerance:
                break

    def _step(self, metric: Metric, residual: np.ndarray, tolerance: float) -> float:
        """Minimise the quadratic approximation; returns the largest curvature x delta^2."""
        along, curvature = metric.of(self.used)
        share = self.total * self.penalty * self.columns.penalty[self.used]
        beta, g = self.beta[self.used], metric.basis.T @ residual
        columns, old = self.columns, self.beta[self.used]
        cycles, change, _ = descend(
            columns.halves, columns.row, columns.value, columns.slices, self.used, along,
            curvature, share * self.l1_ratio, share * (1 - self.l1_ratio), beta,
            to_slices(residual, len(self._sums)), metric.weight, g, self._sums, tolerance,
            self.settings.max_cycles,
        )  # fmt: skip
        self.n_cycles += cycles
        moved = np.flatnonzero(beta != old)
        step = np.zeros(len(self.eta))
        columns.add(self.used[moved], (beta - old)[moved], step)
        self._move(beta - old, metric.transform @ g, step)
        return float(change)

    def _move(self, beta: np.ndarray, coefficients: np.ndarray, step: np.ndarray) -> None:
        """Take a step, or the part of it that lowers the objective."""
        step = step + self.design @ coefficients
        part = 1.0
        if not self.family.constant_information:
            before = self._objective(self.eta, self.beta[self.used])
            for _ in range(10):
                after = self._objective(self.eta + part * step, self.beta[self.used] + part * beta)
                if after <= before * (1 + 1e-12):
                    break
                part /= 2
        self.beta[self.used] += part * beta
        self.coefficients = self.coefficients + part * coefficients
        self.eta = self.eta + part * step
        self.family = self.family.fitted(self.eta, self.weight)

    def _objective(self, eta: np.ndarray, beta: np.ndarray) -> float:
        share = self.total * self.penalty * self.columns.penalty[self.used]
        a = self.l1_ratio
        size = share @ (a * np.abs(beta) + (1 - a) / 2 * beta**2)
        return float(self.weight @ self.family.deviance(eta)) / 2 + float(size)


def start_lanes(
    products: Products,
    design: np.ndarray,
    family: Family,
    weights: Sequence[np.ndarray],
    l1_ratios: Sequence[float],
    settings: PathSettings,
    offset: np.ndarray | None,
) -> list[list[Lane]]:
    """A lane for each set of weights (n,) and each share: [weights][shares]."""
    lanes = []
    for weight in weights:
        used = weight * family.observed
        metric = Metric(products.columns, design, used) if family.constant_information else None
        lanes.append(
            [
                Lane(products, design, family, weight, ratio, settings, offset, metric)
                for ratio in l1_ratios
            ]
        )
    return lanes


def largest_penalty(columns: Columns, lane: Lane, gradient: np.ndarray) -> float:
    """The least penalty at which all coefficients are 0, given a lane's gradient at its start."""
    largest = float(np.max(np.abs(gradient) / columns.penalty, initial=0.0))
    return largest / (lane.l1_ratio * lane.total)


def gradients(products: Products, lanes: Sequence[Lane]) -> np.ndarray:
    """Of the log likelihood by every column: float32 (columns, lanes)."""
    if not lanes:
        return np.empty((products.columns.n_columns, 0), np.float32)
    return products.with_columns(np.stack([lane.residual() for lane in lanes], axis=1))


def advance(
    products: Products,
    lanes: Sequence[Lane],
    penalties: Sequence[float],
    gradient: np.ndarray,
    pool: ThreadPoolExecutor,
) -> np.ndarray:
    """Bring each lane to its next penalty; gradient, in and out: float32 (columns, lanes)."""
    for k, (lane, penalty) in enumerate(zip(lanes, penalties, strict=True)):
        lane.screen(gradient[:, k], penalty)
    gradient = gradient.copy()
    left = list(range(len(lanes)))
    while left:
        list(pool.map(Lane.solve, [lanes[k] for k in left]))
        gradient[:, left] = gradients(products, [lanes[k] for k in left])
        again = []
        for k in left:
            wrong = lanes[k].violations(gradient[:, k])
            if len(wrong):
                lanes[k].used = np.union1d(lanes[k].used, wrong)
                again.append(k)
        left = again
    return gradient
