"""How exactly kinship can be known from the variants at hand.

KING-robust kinship of two people without common ancestors scatters around 0, the more so the less
of the genome the variants cover and the more they are in LD. Nearly unrelated pairs of some people
show by how much: a jackknife over stretches of the genome gives the standard error of each, LD and
all.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from threadpoolctl import threadpool_limits

from genomed.kernels.packed import take_samples, unpack_rows
from genomed.schema import Packed

__all__ = ["kinship_error", "least_kinship"]

PEOPLE, STRETCHES, STRETCH_ROWS = 128, 20, 2000
NEARLY_UNRELATED = (-0.05, 0.15)  # kinship; in other pairs there is more than chance
FALSE_PAIRS = 0.05  # expected among all pairs of a cohort


def kinship_error(store: Packed, rows: np.ndarray) -> float:
    """Standard error of the kinship of nearly unrelated pairs; NaN where there are none.

    rows : int64, rows of the store that kinship is computed on, in the order of the genome
    Looks at up to 128 people, and at up to 2,000 variants in a row of each twentieth of the rows.
    """
    n, n_stretches = len(store.samples), min(STRETCHES, len(rows) // 2)
    if n < 2 or n_stretches < 2:
        return float("nan")
    people = np.unique(np.linspace(0, n - 1, PEOPLE).astype(np.int64))
    stretches = [part[:STRETCH_ROWS] for part in np.array_split(rows, n_stretches)]
    with threadpool_limits(1, "blas"):
        counts = np.stack([_pair_counts(store, part, people) for part in stretches])
    total = counts.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        kinship = _kinship(total)
        without = _kinship(total - counts)
        spread = ((without - without.mean(axis=0)) ** 2).sum(axis=0)
    variance = spread * (n_stretches - 1) / n_stretches
    variance *= sum(map(len, stretches)) / len(rows)
    used = (kinship > NEARLY_UNRELATED[0]) & (kinship < NEARLY_UNRELATED[1]) & np.isfinite(variance)
    return float(np.sqrt(np.median(variance[used]))) if used.any() else float("nan")


def least_kinship(error: float, n_samples: int) -> float:
    """Kinship that chance gives 0.05 of all pairs of a cohort at most, were nobody related."""
    pairs = max(1, n_samples * (n_samples - 1) // 2)
    return 0.0 if np.isnan(error) else error * NormalDist().inv_cdf(1 - FALSE_PAIRS / pairs)


def _pair_counts(store: Packed, rows: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Float64 (4, people, people): het in both, opposite homozygotes, het in one or the other."""
    words = store.read(rows)
    taken = np.empty((len(rows), -(-len(people) // 32)), np.uint64)
    take_samples(words, people, taken)
    calls = np.empty((len(rows), len(people)), np.int8)
    unpack_rows(taken, len(people), calls)
    turned = np.ascontiguousarray(calls.T)
    ref, het, alt = ((turned == k).astype(np.float32) for k in range(3))
    opposite = ref @ alt.T
    one = het @ (ref + alt).T
    return np.stack([het @ het.T, opposite + opposite.T, one, one.T]).astype(np.float64)


def _kinship(counts: np.ndarray) -> np.ndarray:
    """KING-robust between-family estimate (Manichaikul 2010, equation 11) above the diagonal."""
    upper = np.triu_indices(counts.shape[-1], 1)
    both, opposite, first, second = (counts[..., k, :, :][..., *upper] for k in range(4))
    least = np.minimum(both + first, both + second)
    return 0.5 - (4 * opposite + first + second) / (4 * least)
