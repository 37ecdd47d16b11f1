"""Cohorts with a trait whose make is known, for tests of the adaptive model."""

from typing import NamedTuple

import numpy as np
from packed_cohorts import packed, variant_frame

from genomed.models.training_set import TrainingSet

N, M = 1500, 120


class Planted(NamedTuple):
    """A training set of unlinked variants on four chromosomes, a fifth of its people a test."""

    data: TrainingSet
    alt_count: np.ndarray  # int8 (variants, n)
    z: np.ndarray  # float64 (variants, n), standardised
    noise: np.ndarray  # float64 (n,), variance 1

    def trait(self, value: np.ndarray, share: float = 0.5) -> np.ndarray:
        """A trait of variance 1 about, of which a value makes this share."""
        value = (value - value.mean()) / value.std()
        return np.sqrt(share) * value + np.sqrt(1 - share) * self.noise

    @property
    def test(self) -> np.ndarray:
        """The people of the test."""
        return np.asarray(self.data.fold < 0)


def planted(seed: int, *, covariates: int = 0, missing: float = 0.01, n: int = N) -> Planted:
    """Common variants of n people, some calls missing."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.25, 0.5, M)
    alt_count = rng.binomial(2, p[:, None], (M, n)).astype(np.int8)
    z = (alt_count - 2 * p[:, None]) / np.sqrt(2 * p * (1 - p))[:, None]
    alt_count[rng.random((M, n)) < missing] = -9
    contigs = [str(1 + v * 4 // M) for v in range(M)]
    fold = np.where(np.arange(n) < n - n // 5, np.arange(n) % 5, -1).astype(np.int8)
    columns = rng.normal(size=(n, covariates))
    positions = [1000 * (1 + v) for v in range(M)]
    data = TrainingSet(packed(alt_count), n, variant_frame(contigs, positions), columns, fold)
    return Planted(data, alt_count, z, rng.normal(size=n))
