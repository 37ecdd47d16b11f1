"""Calls of children that their parents' calls do not allow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genomed.kernels import qc_mendel as kernel
from genomed.stats.variants import X

__all__ = ["MendelSums", "Trios"]

MISSING = 3
# Who is to blame for an error: all three, father and child, mother and child, the child alone.
ALL, FATHER, MOTHER, CHILD = range(1, 5)


class Trios(NamedTuple):
    """Children with both parents in the data: places of the three among the samples.

    child, father, mother : int64 (trios,)
    son                   : bool (trios,), whether the child is male
    """

    child: np.ndarray
    father: np.ndarray
    mother: np.ndarray
    son: np.ndarray

    @classmethod
    def find(
        cls, samples: list[str], father: list[str | None], mother: list[str | None], sex: np.ndarray
    ) -> Trios:
        """The trios among `samples`, whose parents are named in `father` and `mother`."""
        place = {name: i for i, name in enumerate(samples)}
        rows = [
            (child, place[f], place[m])
            for child, (f, m) in enumerate(zip(father, mother, strict=True))
            if f in place and m in place
        ]
        table = np.array(rows, np.int64).reshape(-1, 3)
        children, fathers, mothers = (np.ascontiguousarray(column) for column in table.T)
        return cls(children, fathers, mothers, sex[children] == 1)


class MendelSums:
    """Errors of each variant, and the running sums of each trio.

    Which calls are errors, and whose, is as in plink 1.9 --mendel: autosomes and X are checked, Y
    and MT are not; on X a son's father does not matter, and a heterozygous male is not called. One
    parent without a call still leaves the other one's to be contradicted.
    """

    def __init__(self, trios: Trios) -> None:
        self.trios = trios
        self.n_checked = 0
        self.by_blame = np.zeros((len(trios.child), 5), np.int64)
        self._table = error_table()

    def add(self, words: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Check some variants; errors of each, int32 (variants,).

        words : uint64 (variants, words), packed calls
        place : int8 (variants,), index into genomed.stats.variants.PLACES
        """
        errors = np.zeros(len(words), np.int32)
        if len(self.trios.child):
            trios = self.trios
            kernel.check_trios(
                words, place, trios.child, trios.father, trios.mother, trios.son,
                self._table, errors, self.by_blame,
            )  # fmt: skip
            self.n_checked += int((place <= X).sum())
        return errors

    def merge(self, other: MendelSums) -> None:
        """Add another one's sums to these."""
        self.n_checked += other.n_checked
        self.by_blame += other.by_blame

    def of_samples(self, n_samples: int) -> np.ndarray:
        """Errors that each sample is to blame for: int64 (samples,)."""
        blamed = np.zeros(n_samples, np.int64)
        blame, trios = self.by_blame, self.trios
        np.add.at(blamed, trios.child, blame[:, 1:].sum(axis=1))
        np.add.at(blamed, trios.father, blame[:, ALL] + blame[:, FATHER])
        np.add.at(blamed, trios.mother, blame[:, ALL] + blame[:, MOTHER])
        return blamed

    def of_children(self, n_samples: int) -> np.ndarray:
        """Errors of each sample as a child, as a share of the variants checked; NaN for others."""
        share = np.full(n_samples, np.nan)
        if self.n_checked:
            share[self.trios.child] = self.by_blame[:, 1:].sum(axis=1) / self.n_checked
        return share


def error_table() -> np.ndarray:
    """Who is to blame: int8 (3, 4, 4, 4) over where, child, father and mother; 0 for no error.

    Where is 0 on autosomes, 1 for daughters on X, 2 for sons on X.
    """
    table = np.zeros((3, 4, 4, 4), np.int8)
    for where in range(3):
        for child in range(4):
            for father in range(4):
                for mother in range(4):
                    table[where, child, father, mother] = _blame(where, child, father, mother)
    return table


def _blame(where: int, child: int, father: int, mother: int) -> int:
    if where and father == 1:
        father = MISSING
    if where == 2:
        return MOTHER if (child, mother) in ((0, 2), (2, 0)) else 0
    if child == 1:
        return ALL if father == mother and father in (0, 2) else 0
    if child == MISSING:
        return 0
    opposite = 2 - child
    if father == mother == opposite:
        return CHILD
    if father == opposite:
        return FATHER
    return MOTHER if mother == opposite else 0
