"""Pairs of samples in tiles, and what unrelated ones share by chance: the same on every device."""

from typing import NamedTuple

import numpy as np

__all__ = ["Part", "Tile", "mean_opposites", "opposites", "tiles_of"]


def opposites(counts: np.ndarray) -> np.ndarray:
    """Probability that two unrelated people are opposite homozygotes: float64 (variants,).

    counts : int64 (variants, 4), people with 0, 1, 2 copies of ALT, and not called
    """
    n_called = counts[:, :3].sum(axis=1)
    frequency = (counts[:, 1] + 2 * counts[:, 2]) / np.maximum(2 * n_called, 1)
    return np.asarray(2 * frequency**2 * (1 - frequency) ** 2)


def mean_opposites(parts: list[np.ndarray]) -> float:
    """Opposite homozygotes expected per variant, from `opposites` of all; NaN without variants.

    One sum over all variants: how they were cut into parts does not change a bit of it.
    """
    whole = np.concatenate([np.zeros(0), *parts])
    return float(whole.sum() / len(whole)) if len(whole) else np.nan


class Tile(NamedTuple):
    """Pairs of a sample from `first` .. `stop` - 1 and an earlier one from `others` on."""

    first: int
    stop: int
    others: int
    others_stop: int

    @property
    def below(self) -> bool:
        """Whether both sides are the same samples."""
        return self.first == self.others


def tiles_of(n: int, size: int) -> list[Tile]:
    """Tiles that hold every pair of n samples once, with so many samples a side at most."""
    return [
        Tile(first, min(first + size, n), others, min(others + size, n))
        for first in range(0, n, size)
        for others in range(0, first + 1, size)
    ]


Part = tuple[np.ndarray, np.ndarray, np.ndarray]  # pairs, counts, kinship: see select_pairs
