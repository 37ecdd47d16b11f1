"""Linear trunks of single ancestry groups in a model, each averaged with the pooled one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genomed.kernels.packed import take_samples
from genomed.models.columns import Columns

__all__ = ["SHARE", "AncestryPart", "GroupTrunk"]

SHARE = 0.5  # of the group's own trunk in the predictor of its people


@dataclass(frozen=True)
class GroupTrunk:
    """A linear model of the people of one group.

    group            : its name
    intercept        : number
    coefficients     : float64 (k,), of the covariates
    row              : int64 (r,), rows of the variants, ascending
    genotype_weights : float64 (r, 4), of 0, 1, 2 copies of ALT and of a missing call (0)
    """

    group: str
    intercept: float
    coefficients: np.ndarray
    row: np.ndarray
    genotype_weights: np.ndarray

    def predictor(self, words: np.ndarray, n_samples: int, covariates: np.ndarray) -> np.ndarray:
        """The linear predictor of people of the group: float64 (n,); words hold only `row`."""
        columns = Columns(
            words, np.arange(len(self.row)), self.genotype_weights.astype(np.float32),
            np.empty((0, n_samples), np.float32), np.ones(len(self.row)),
        )  # fmt: skip
        eta = self.intercept + covariates @ self.coefficients
        columns.add(np.arange(len(self.row)), np.ones(len(self.row)), eta)
        return np.asarray(eta)


@dataclass(frozen=True)
class AncestryPart:
    """The groups that have a trunk of their own; everybody else has the pooled one alone."""

    trunks: tuple[GroupTrunk, ...]

    @property
    def groups(self) -> list[str]:
        """Names of the groups."""
        return [trunk.group for trunk in self.trunks]

    @property
    def rows(self) -> np.ndarray:
        """Variants that are read: int64, ascending."""
        return np.unique(np.concatenate([trunk.row for trunk in self.trunks]))

    def places(self, names: Sequence[str | None]) -> np.ndarray:
        """The trunk of each person by the name of the group: int64 (n,), -1 for none."""
        place = {name: k for k, name in enumerate(self.groups)}
        return np.array([-1 if name is None else place.get(name, -1) for name in names], np.int64)

    def tables(self, pooled: np.ndarray) -> Iterator[tuple[GroupTrunk, np.ndarray]]:
        """Each trunk, and what a call adds for its people beside the pooled linear part: float64
        (variants, 4).

        pooled : float64 (variants, 4), genotype weights of the linear part
        """
        for trunk in self.trunks:
            table = -SHARE * pooled
            table[trunk.row] += SHARE * trunk.genotype_weights.astype(np.float32)
            yield trunk, table

    def correction(
        self, words: np.ndarray, linear: np.ndarray, covariates: np.ndarray, group: np.ndarray
    ) -> np.ndarray:
        """What to add to the pooled predictor: float64 (n,), 0 for people of no group.

        words      : uint64 (variants, words), rows as those of the trunks
        linear     : float64 (n,), predictor of the model's linear part
        covariates : float64 (n, k); group : int64 (n,), from `places`
        """
        out = np.zeros(len(linear))
        for k, trunk in enumerate(self.trunks):
            people = np.flatnonzero(group == k)
            if len(people):
                own = trunk.predictor(
                    of_people(words[trunk.row], people), len(people), covariates[people]
                )
                out[people] = SHARE * (own - linear[people])
        return out


def of_people(words: np.ndarray, people: np.ndarray) -> np.ndarray:
    """The packed calls of some people: uint64 (variants, ceil(people / 32))."""
    out = np.empty((len(words), -(-len(people) // 32)), np.uint64)
    take_samples(np.ascontiguousarray(words), np.ascontiguousarray(people, np.int64), out)
    return out
