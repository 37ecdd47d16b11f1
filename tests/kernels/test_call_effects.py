"""Effects of calls, summed: both kernels do what the definition says, and the same to the bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genomed.kernels.call_effects import add_call_effects, add_effects

K = 2


def naive(dosage: np.ndarray, effect: np.ndarray, variance: np.ndarray):
    """Sums, variances called, and the K largest effects of each person with their variants."""
    n = dosage.shape[1]
    sums, called = np.zeros(n), np.zeros(n)
    largest: list[list[tuple[float, int, float]]] = [[] for _ in range(n)]
    for v, row in enumerate(dosage):
        for s, d in enumerate(row):
            if d >= 0:
                value = float(np.interp(d, [0, 1, 2], effect[v]))
                sums[s] += value
                called[s] += variance[v]
                if value:
                    largest[s].append((value, v, d))
    best = [sorted(one, key=lambda x: -abs(x[0]))[:K] for one in largest]
    return sums, called, best


def empty(n: int):
    return np.zeros(n), np.zeros(n), np.zeros((n, K)), np.full((n, K), -1), np.zeros((n, K))


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 9))
def test_both_kernels_follow_the_definition(seed, n_variants, n):
    rng = np.random.default_rng(seed)
    counts = rng.integers(-1, 3, (n_variants, n)).astype(np.int8)
    counts[counts < 0] = -9
    effect = rng.integers(-3, 4, (n_variants, 3)) * 0.25  # equals are common
    variance = rng.random(n_variants)
    turned = rng.random(n_variants) < 0.3
    stored = np.where(turned[:, None] & (counts >= 0), 2 - counts, counts).astype(np.int8)
    order = rng.permutation(n_variants)  # of rows in the batch
    batch = np.empty_like(stored)
    batch[order] = stored
    variant = np.arange(n_variants)
    plain, generic, parted = empty(n), empty(n), empty(n)
    add_call_effects(batch, order, turned, effect, variance, variant, 0, n, *plain)
    add_effects(counts.astype(np.float64), effect, variance, variant, 0, *generic)
    for first in range(0, n, 4):  # people and variants in pieces
        stop = min(first + 4, n)
        for cut in (slice(0, 3), slice(3, None)):
            add_call_effects(
                batch, order[cut], turned[cut], effect[cut], variance[cut], variant[cut], first,
                stop, *parted,
            )  # fmt: skip
    sums, called, best = naive(counts.astype(float), effect, variance)
    for found in (plain, generic, parted):
        np.testing.assert_allclose(found[0], sums, atol=1e-12)
        np.testing.assert_allclose(found[1], called, atol=1e-12)
        for one, other in zip(found, plain, strict=True):
            np.testing.assert_array_equal(one, other)
    for s in range(n):
        told = list(zip(plain[2][s], plain[3][s], plain[4][s], strict=True))
        assert [x for x in told if x[1] >= 0] == best[s]


@given(st.integers(0, 2**32 - 1))
def test_effects_are_linear_between_whole_copies(seed):
    rng = np.random.default_rng(seed)
    dosage = rng.uniform(-0.5, 2, (5, 7))
    effect, variance = rng.normal(size=(5, 3)), rng.random(5)
    found = empty(7)
    add_effects(dosage, effect, variance, np.arange(5), 0, *found)
    sums, called, _ = naive(dosage, effect, variance)
    np.testing.assert_allclose(found[0], sums, atol=1e-12)
    np.testing.assert_allclose(found[1], called, atol=1e-12)
