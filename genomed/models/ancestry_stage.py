"""A linear trunk of its own for each smaller ancestry group, beside the one fitted to everybody.

Effects differ between ancestries less than linkage and frequencies do, so a group gains from the
others, but is not served by the average person's model. A group's trunk is fitted to its own people
with help of the others in two ways: what the others alone would say of its people, by their calls
and by their covariates, are its two covariates without penalty, and the variants that this reads
are penalised less than those it does not (Li et al. 2022, J R Stat Soc B 84:149, on transfer by a
first fit to the other populations). The others' fit has seen nobody of the group, so the group's
people can be judged out of fold as ever. The predictor of the group is the mean of its own trunk
and the pooled one: weights, or coefficients of all covariates, fitted to a few hundred people told
others of the group less well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.models.ancestry_part import SHARE, AncestryPart, GroupTrunk, of_people
from genomed.models.columns import Columns, additive_columns
from genomed.models.families import Binary, Family, Quantitative, Survival
from genomed.models.linear import CrossFit, cross_fit, fit_path
from genomed.models.training_set import Proposal, TrainingSet
from genomed.models.verdicts import judge

__all__ = ["Trunk", "propose_ancestry"]

FEWEST = 200  # people of a group with the trait, among those learned from
FEWEST_CASES = 50  # and cases, and controls, of a trait with two classes; events of a time
LARGEST = 0.5  # share of the people from which on the pooled trunk is the group's
LESS = 0.3  # penalty of a variant that the others' fit reads


class Trunk(NamedTuple):
    """The pooled linear part: its columns, how it was chosen, and its predictors.

    out_of_fold, whole : float64 (n,), see Proposal
    """

    columns: Columns
    cross: CrossFit
    out_of_fold: np.ndarray
    whole: np.ndarray


Recall = Callable[[str, Family, Callable[[], CrossFit]], CrossFit]


def propose_ancestry(
    data: TrainingSet,
    family: Family,
    trunk: Trunk,
    *,
    accept_z: float,
    threads: int = 1,
    recall: Recall = lambda name, family, make: make(),
) -> Proposal | str:
    """Trunks of the groups that gain by one, or why there are none.

    accept_z : standard errors that the gain of a group out of fold must reach
    recall   : asked for the fit of a name before it is made
    """
    penalties = _penalties(trunk.cross)
    if not len(data.group_names) or not len(penalties):
        return "no groups" if len(penalties) else "nothing to be read from the pooled fit"
    run = _Groups(data, family, trunk, penalties, threads, recall)
    out_of_fold, kept, said = trunk.out_of_fold.copy(), [], []
    observed = family.observed & data.develop
    for number, name in enumerate(data.group_names):
        inside = data.group == number
        if reason := _unfit(family, observed & inside, observed):
            said.append(f"{name} {reason}")
            continue
        try:
            own, one = run.fit(number)
        except ValueError as error:
            said.append(f"{name} left out, {error}")
            continue
        after = trunk.out_of_fold.copy()
        after[inside] = (1 - SHARE) * trunk.out_of_fold[inside] + SHARE * own
        null = float(family.deviance(trunk.out_of_fold)[observed & inside].mean())
        verdict = judge(
            "ancestry", family, trunk.out_of_fold, after, data.develop & inside, null,
            accept_z=accept_z,
        )  # fmt: skip
        said.append(
            f"{name} {'has' if verdict.accepted else 'without'} a trunk of its own, "
            f"{verdict.share:+.3f} of its deviance (standard error {verdict.error / null:.3f})"
        )
        if verdict.accepted:
            kept.append(one)
            out_of_fold[inside] = after[inside]
    if not kept:
        return "; ".join(said)
    part = AncestryPart(tuple(kept))
    names = [data.group_names[k] if k >= 0 else None for k in data.group.tolist()]
    change = part.correction(data.words, trunk.whole, data.covariates, part.places(names))
    return Proposal(out_of_fold, trunk.whole + change, part, "; ".join(said))


def _penalties(cross: CrossFit) -> np.ndarray:
    """Penalties of the pooled lasso down to the one that was chosen: float64, falling."""
    chosen = cross.candidates.filter(pl.col("candidate") == "lasso")["penalty"]
    path = cross.path.filter(pl.col("candidate") == "lasso")["penalty"].to_numpy()
    return path[path >= chosen[0]] if len(chosen) else np.zeros(0)


def _unfit(family: Family, people: np.ndarray, everybody: np.ndarray) -> str | None:
    """Why a group gets no trunk of its own."""
    if people.sum() > LARGEST * everybody.sum():
        return "is most of the people"
    few = people.sum() < FEWEST
    if isinstance(family, Binary):
        n_cases = int(family.y[people].sum())
        few |= min(n_cases, int(people.sum()) - n_cases) < FEWEST_CASES
    if isinstance(family, Survival):
        few |= int(family.event[people].sum()) < FEWEST_CASES
    return f"is too small ({int(people.sum())} people)" if few else None


class _Groups:
    """Fits of groups."""

    def __init__(
        self, data: TrainingSet, family: Family, trunk: Trunk, penalties: np.ndarray, threads: int,
        recall: Recall,
    ) -> None:  # fmt: skip
        self.data, self.family, self.trunk = data, family, trunk
        self.penalties, self.threads, self.recall = penalties, threads, recall

    def fit(self, number: int) -> tuple[np.ndarray, GroupTrunk]:
        """What a trunk of its own says of a group's people out of fold, and the trunk.

        returns : float64 (people of the group,); of those not learned from what the trunk says
        Raises ValueError where a fold of the group tells nothing.
        """
        data, threads = self.data, self.threads
        people = np.flatnonzero(data.group == number)
        family = _of_people(self.family, people)
        others, by_covariates = self._others(number)
        fold = np.where(data.fold[people] >= 0, data.fold[people], -1)
        words = of_people(data.words, people)
        columns = additive_columns(words, len(people), (fold >= 0).astype(float))
        columns = replace(columns, penalty=np.where(others.any(axis=1), LESS, 1.0))
        said = np.column_stack(
            [data.covariates[people] @ by_covariates, _score(words, len(people), others)]
        )

        def make() -> CrossFit:
            return cross_fit(columns, said, family, fold, threads=threads)

        cross = self.recall(f"ancestry-{number}", family, make)
        slope = cross.fit.covariates
        table = slope[1] * others + cross.fit.beta[:, None] * columns.value
        row = np.flatnonzero(table.any(axis=1))
        one = GroupTrunk(
            data.group_names[number], cross.fit.intercept, slope[0] * by_covariates, row, table[row]
        )
        whole = one.predictor(words[row], len(people), data.covariates[people])
        found = np.where(fold >= 0, cross.out_of_fold, whole)
        if isinstance(self.family, Survival):  # the trunk's own baseline is not that of the model
            level = _level(_of_people(self.family, people), found, fold >= 0)
            found, one = found + level, replace(one, intercept=one.intercept + level)
        return found, one

    def _others(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """What calls and covariates weigh in a lasso of everybody else.

        returns : float64 (variants, 4), float64 (k,)
        """
        data, columns = self.data, self.trunk.columns
        weight = data.weight() * (data.group != number)
        fit = fit_path(
            columns, np.where(data.develop[:, None], data.covariates, 0.0), self.family, 1.0,
            self.penalties, weight=weight, threads=self.threads,
        )[-1]  # fmt: skip
        table = np.zeros((len(data.words), 4))
        np.add.at(table, columns.row, fit.beta[:, None] * columns.value)
        return table, fit.covariates


def _of_people(family: Family, people: np.ndarray) -> Family:
    """The same trait of some people."""
    if isinstance(family, Survival):
        before = family.n_before
        return replace(
            family, n_at_risk=family.n_at_risk[people], event=family.event[people],
            n_before=None if before is None else before[people],
        )  # fmt: skip
    assert isinstance(family, Quantitative | Binary)
    return replace(family, y=family.y[people])


def _score(words: np.ndarray, n_samples: int, table: np.ndarray) -> np.ndarray:
    """Sum of weights of calls: float64 (n,)."""
    row = np.flatnonzero(table.any(axis=1))
    return GroupTrunk("", 0.0, np.zeros(0), row, table[row]).predictor(
        words[row], n_samples, np.zeros((n_samples, 0))
    )


def _level(family: Family, eta: np.ndarray, people: np.ndarray) -> float:
    """What to add to a predictor so that it is right on average, by Newton's method."""
    level = 0.0
    for _ in range(25):
        residual, information = family.working(eta + level)
        step = residual[people].sum() / max(float(information[people].sum()), 1e-12)
        level += float(np.clip(step, -2, 2))
        if abs(step) < 1e-10:
            break
    return level
