"""What a trait is to a model: its likelihood as a function of one linear predictor per person.

Every fit in genomed talks to a trait through `working` (the score and the information of each
person) and `deviance`; nothing else knows whether a trait is measured, present or absent, or a time
to an event. Persons without a label have score, information and deviance 0.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, Self

import numpy as np

__all__ = [
    "Binary",
    "Family",
    "Quantitative",
    "Survival",
    "Unpenalised",
    "fit_unpenalised",
    "orthonormal",
]

MAX_PREDICTOR = 30.0  # a probability of 1e-13: beyond it a logit says nothing more
RANK_TOLERANCE = 1e-9  # least eigenvalue, beside the largest, of a direction that counts


class Family(Protocol):
    """A trait of n people.

    kind      : "quantitative", "binary" or "survival"
    n_samples : people, with or without a label
    observed  : bool (n,), people with a label
    constant_information : whether the information is the same for every linear predictor
    """

    @property
    def kind(self) -> str: ...

    @property
    def n_samples(self) -> int: ...

    @property
    def observed(self) -> np.ndarray: ...

    @property
    def constant_information(self) -> bool: ...

    def working(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First derivative of the log likelihood by the linear predictor, and minus the second's
        expectation: two float64 (n,)."""
        ...

    def deviance(self, eta: np.ndarray) -> np.ndarray:
        """Squared error, or minus twice the log likelihood, per person: float64 (n,)."""
        ...

    def fitted(self, eta: np.ndarray, weight: np.ndarray) -> Self:
        """The same trait, its own parameters (a baseline) refitted to weighted people."""
        ...

    def fit_null(
        self, design: np.ndarray, weight: np.ndarray, offset: np.ndarray | None = None
    ) -> np.ndarray:
        """Coefficients without penalty: float64 (k,) of a design (n, k) with its intercept."""
        ...

    def problem(self, weight: np.ndarray) -> str | None:
        """Why nothing can be learned from the people of positive weight; None where it can."""
        ...


class _Trait:
    """What all families share."""

    constant_information = False

    def fitted(self, eta: np.ndarray, weight: np.ndarray) -> Self:
        return self

    def fit_null(
        self, design: np.ndarray, weight: np.ndarray, offset: np.ndarray | None = None
    ) -> np.ndarray:
        return fit_unpenalised(self, design, weight, offset).coefficients  # type: ignore[arg-type]


@dataclass(frozen=True)
class Quantitative(_Trait):
    """A measured trait: y float64 (n,), NaN where it is not known."""

    y: np.ndarray
    kind: str = field(default="quantitative", init=False)
    constant_information = True

    @property
    def n_samples(self) -> int:
        return len(self.y)

    @property
    def observed(self) -> np.ndarray:
        return np.isfinite(self.y)

    def working(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = self.observed
        return np.where(known, self.y - eta, 0.0), known.astype(np.float64)

    def deviance(self, eta: np.ndarray) -> np.ndarray:
        return self.working(eta)[0] ** 2

    def problem(self, weight: np.ndarray) -> str | None:
        values = self.y[self.observed & (weight > 0)]
        if len(values) == 0:
            return "nobody with a value"
        return "the same value for everybody" if (values == values[0]).all() else None


@dataclass(frozen=True)
class Binary(_Trait):
    """Cases and controls: y float64 (n,), 1 or 0, NaN where it is not known; logit link."""

    y: np.ndarray
    kind: str = field(default="binary", init=False)

    def __post_init__(self) -> None:
        if not np.isin(self.y[np.isfinite(self.y)], (0.0, 1.0)).all():
            raise ValueError("a binary trait is 0, 1 or NaN")

    @property
    def n_samples(self) -> int:
        return len(self.y)

    @property
    def observed(self) -> np.ndarray:
        return np.isfinite(self.y)

    def working(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = self.observed
        probability = _probability(eta)
        residual = np.where(known, self.y - probability, 0.0)
        return residual, np.where(known, probability * (1 - probability), 0.0)

    def deviance(self, eta: np.ndarray) -> np.ndarray:
        case = np.where(self.observed, self.y, 0.0) > 0
        return np.where(self.observed, 2 * np.logaddexp(0, np.where(case, -eta, eta)), 0.0)

    def problem(self, weight: np.ndarray) -> str | None:
        values = self.y[self.observed & (weight > 0)]
        if not (values == 1).any():
            return "no case"
        return None if (values == 0).any() else "no control"


@dataclass(frozen=True)
class Survival(_Trait):
    """Time to an event, as hazards of intervals with a logit link (discrete-time survival).

    In interval t a person who is still at risk has the event with probability
    1 / (1 + exp(-baseline[t] - eta)). The information about eta adds up over intervals.

    n_at_risk : int64 (n,), intervals at risk, the one of the event included; -1 not known
    event     : bool (n,), whether the last of them brought the event
    edges     : float64 (intervals + 1,), in the unit of the times; the first is 0
    baseline  : float64 (intervals,), logits
    n_before  : int64 (n,), intervals that were over before observation began; None for nobody's
    """

    n_at_risk: np.ndarray
    event: np.ndarray
    edges: np.ndarray
    baseline: np.ndarray
    n_before: np.ndarray | None = None
    kind: str = field(default="survival", init=False)

    @classmethod
    def from_times(
        cls,
        time: np.ndarray,
        event: np.ndarray,
        n_intervals: int = 20,
        *,
        entry: np.ndarray | None = None,
        used: np.ndarray | None = None,
    ) -> Self:
        """Cut time at quantiles of the events.

        time  : float64 (n,), to the event or to the end of observation; NaN not known
        event : float64 or bool (n,), 1 where it happened, 0 where not; NaN not known
        entry : float64 (n,), when observation began, below `time`; at 0 by default
        used  : bool (n,), whose events say where it is cut; everybody's by default
        Who left in the second half of an interval is taken to have survived it, who left in the
        first is not counted there (Gensheimer and Narasimhan 2019). Likewise who came in the first
        half is at risk in it, who came in the second is so from the next on, or from the interval
        of the event. Who was observed beyond the last event is at risk in all intervals. Raises
        ValueError without any event.
        """
        known = np.isfinite(time) & np.isfinite(np.asarray(event, np.float64))
        happened = known & (np.where(known, event, 0) > 0)
        if (time[known] < 0).any():
            raise ValueError("a time to an event is negative")
        told = happened if used is None else happened & used
        if not told.any():
            raise ValueError("no event in any person")
        ends = np.unique(np.quantile(time[told], np.arange(1, n_intervals + 1) / n_intervals))
        edges = np.concatenate(([0.0], ends[ends > 0]))
        if len(edges) < 2:
            raise ValueError("all events happen at time 0")
        n = len(edges) - 1
        happened &= time <= edges[-1]  # later ones are beyond what is modelled
        last = np.clip(np.searchsorted(edges, time, "left"), 1, n)  # ]edges[i-1], edges[i]]
        middle = (edges[last - 1] + edges[last]) / 2
        at_risk = np.where(happened | (time > middle), last, last - 1)
        before = None
        if entry is not None:
            begun = np.where(known, entry, 0.0)
            if not (begun[known] < time[known]).all():
                raise ValueError("observation begins after its end, or at no known time")
            at = np.minimum(np.searchsorted(edges, begun, "right") - 1, n - 1)  # [edges[i], ...[
            before = at + (begun >= (edges[at] + edges[at + 1]) / 2)
            before = np.minimum(before, np.where(happened, last - 1, before))
        family = cls(np.where(known, at_risk, -1), happened, edges, np.zeros(n), before)
        weight = np.ones(len(time)) if used is None else used.astype(np.float64)
        return family.fitted(np.zeros(len(time)), weight)

    @property
    def n_samples(self) -> int:
        return len(self.n_at_risk)

    @property
    def observed(self) -> np.ndarray:
        return np.asarray(self.n_at_risk >= 0)

    @property
    def at_risk(self) -> np.ndarray:
        """bool (n, intervals)."""
        interval = np.arange(len(self.baseline))
        inside = interval < self.n_at_risk[:, None]
        return inside if self.n_before is None else inside & (interval >= self.n_before[:, None])

    def hazard(self, eta: np.ndarray) -> np.ndarray:
        """Probability of the event in each interval, for who is at risk: float64 (n, intervals)."""
        return _probability(self.baseline + np.asarray(eta)[:, None])

    def working(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hazard = np.where(self.at_risk, self.hazard(eta), 0.0)
        return self.event - hazard.sum(axis=1), (hazard * (1 - hazard)).sum(axis=1)

    def deviance(self, eta: np.ndarray) -> np.ndarray:
        logit = self.baseline + eta[:, None]
        loss = np.where(self.at_risk, np.logaddexp(0, logit), 0.0).sum(axis=1)
        final = self.baseline[np.maximum(self.n_at_risk - 1, 0)] + eta
        return 2 * (loss - np.where(self.event, final, 0.0))

    def fitted(self, eta: np.ndarray, weight: np.ndarray) -> Self:
        """Newton's method in every interval at once: the derivatives cross no intervals.

        An interval without an event takes the pseudo-count of half an event, as it could not be
        estimated otherwise; so does one in which everybody at risk had it.
        """
        at_risk = self.at_risk * weight[:, None]
        n_events = np.bincount(
            self.n_at_risk[self.event] - 1, weight[self.event], minlength=len(self.baseline)
        )
        n = at_risk.sum(axis=0)
        target = np.clip(n_events, 0.5, np.maximum(n - 0.5, 0.5))
        baseline = self.baseline.copy()
        for _ in range(50):
            hazard = _probability(baseline + eta[:, None])
            slope = (at_risk * hazard * (1 - hazard)).sum(axis=0)
            gap = target - (at_risk * hazard).sum(axis=0)
            step = np.clip(gap / np.maximum(slope, 1e-12), -2, 2)
            step[n < 1] = 0.0
            baseline = np.clip(baseline + step, -MAX_PREDICTOR, MAX_PREDICTOR)
            if np.abs(step).max() < 1e-10:
                break
        return replace(self, baseline=baseline)

    def problem(self, weight: np.ndarray) -> str | None:
        used = self.observed & (weight > 0)
        if not self.event[used].any():
            return "no event"
        return (
            "nobody who is at risk in more than one interval and has no event"
            if (self.event[used].all() and (self.at_risk[used].sum(axis=1) < 2).all())
            else None
        )


class Unpenalised(NamedTuple):
    """A fit without penalty.

    coefficients : float64 (k,)
    family       : with its own parameters fitted
    """

    coefficients: np.ndarray
    family: Family


def fit_unpenalised(
    family: Family,
    design: np.ndarray,
    weight: np.ndarray,
    offset: np.ndarray | None = None,
    *,
    tolerance: float = 1e-10,
    max_iterations: int = 50,
) -> Unpenalised:
    """Maximum likelihood by iteratively reweighted least squares, steps halved where they fail.

    design : float64 (n, k), with a column of ones where an intercept is wanted
    weight : float64 (n,), 0 for people left out
    offset : float64 (n,), added to the linear predictor
    Directions of the design that do not vary get the least coefficients that there are.
    """
    weight = weight * family.observed
    start = np.zeros(len(design)) if offset is None else offset
    coefficients = np.zeros(design.shape[1])
    family = family.fitted(start, weight)
    loss = float(weight @ family.deviance(start))
    for _ in range(max_iterations):
        residual, information = family.working(start + design @ coefficients)
        basis = orthonormal(design, weight * information)
        step = basis @ (basis.T @ (design.T @ (weight * residual)))
        before = loss
        for _ in range(20):
            eta = start + design @ (coefficients + step)
            loss = float(weight @ family.deviance(eta))
            if np.isfinite(loss) and loss <= before * (1 + 1e-12) + 1e-12:
                break
            step = step / 2
        coefficients = coefficients + step
        family = family.fitted(eta, weight)
        loss = float(weight @ family.deviance(eta))
        if before - loss <= tolerance * (abs(loss) + 1e-6):
            break
    return Unpenalised(coefficients, family)


def orthonormal(design: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """T such that (design T)' diag(weight) (design T) is the identity.

    design  : float64 (n, k)
    weight  : float64 (n,)
    returns : float64 (k, rank)
    """
    moments = (design * weight[:, None]).T @ design
    scale = np.sqrt(np.maximum(np.diag(moments), 0.0))
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    values, vectors = np.linalg.eigh(moments * inverse[:, None] * inverse)
    kept = values > RANK_TOLERANCE * max(values.max(initial=0.0), 1e-300)
    return np.asarray((inverse[:, None] * vectors[:, kept]) / np.sqrt(values[kept]))


def _probability(eta: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.clip(eta, -MAX_PREDICTOR, MAX_PREDICTOR))))
