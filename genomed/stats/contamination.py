"""How much of a sample's reads are another person's, by the bases at common variants.

The likelihood is that of verifyBamID (Jun et al. 2012, doi:10.1016/j.ajhg.2012.09.004): the
genotypes of both people are unknown; a share alpha of the reads is the other person's. Two things
are ours. The probability of an error at each base quality is learnt from bases that are neither of
a site's alleles (two of three errors), as stated qualities tend to be too good. And frequencies of
a panel are of the world, not of the population that somebody comes from: how far that population
has drifted, and whether the other person is of it, too, is learnt together with alpha (alleles of
one population by Balding & Nichols 1995, doi:10.1007/BF01441146).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from genomed.kernels.read_identity import mixture_log_likelihood, other_log_likelihoods
from genomed.stats.site_reads import SiteReads

__all__ = [
    "Contamination",
    "contamination",
    "error_rates",
    "hardy_weinberg",
    "kinds_and_errors",
    "other_genotypes",
    "pair_priors",
    "stated_error",
]

MOST = 0.5  # a larger share is the other person's sample
MIN_QUALITY = 13  # phred; bases of a lower one say little (verifyBamID's)
LEAST_SITES = 100  # with reads, for an estimate
LEAST_FREQUENCY = 0.001  # frequencies are kept so far from 0 and 1
PRIOR_BASES = 1000.0  # bases that a stated quality weighs as much as
FIRST_DRIFT = 0.05  # of human populations from the world's frequencies, before it is learnt
ROUNDS = 2  # of learning it
DROP = 1.92  # of the log likelihood at the ends of a 95 % interval
GOLDEN = (np.sqrt(5) - 1) / 2


class Contamination(NamedTuple):
    """share, low, high : of another person's reads, 0 to 0.5, and its 95 % interval; NaN with too
                       few sites
    log_odds : of that share against none, natural logs
    n_sites  : sites with reads; mean_depth : reads at them, of either allele
    error    : probability that a base is wrong, over all qualities that count
    """

    share: float
    low: float
    high: float
    log_odds: float
    n_sites: int
    mean_depth: float
    error: float


def stated_error() -> np.ndarray:
    """Probability that a base of each phred quality is wrong: float64 (256,), at most 0.75."""
    return np.minimum(10.0 ** (-np.arange(256) / 10), 0.75)


def error_rates(kind: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """The same as the bases show it that are neither of a site's two alleles.

    kind, quality : uint8 (observations,), see SiteReads.kinds; deletions are not among them
    returns       : float64 (256,); a quality that occurs rarely stays near what it states
    """
    stated = stated_error()
    total = np.bincount(quality, minlength=256).astype(float)
    neither = np.bincount(quality[kind == 2], minlength=256).astype(float)
    found = (1.5 * neither + PRIOR_BASES * stated) / (total + PRIOR_BASES)
    return np.clip(found, 1e-6, 0.75)


def hardy_weinberg(frequency: np.ndarray) -> np.ndarray:
    """Probability of 0, 1 and 2 copies of ALT: float64 (sites, 3)."""
    p = np.clip(frequency, LEAST_FREQUENCY, 1 - LEAST_FREQUENCY)
    return np.stack([(1 - p) ** 2, 2 * p * (1 - p), p**2], axis=1)


def pair_priors(frequency: np.ndarray, drift: float, alike: float) -> np.ndarray:
    """Probability of the copies of ALT in two people, 00 01 02 10 11 12 20 21 22: (sites, 9).

    drift : F_ST between their populations and that of the frequencies, 0 to 1
    alike : probability that they are of one population, and not of two that drifted apart
    """
    p = np.clip(frequency, LEAST_FREQUENCY, 1 - LEAST_FREQUENCY)

    def drawn(n_alt: int, n: int) -> list[np.ndarray]:
        """0, 1, 2 copies among two more alleles, when n_alt of n are known."""

        def alt(n_alt: int, n: int) -> np.ndarray:
            return np.asarray((n_alt * drift + (1 - drift) * p) / (1 + (n - 1) * drift) if n else p)

        first, after_alt, after_ref = alt(n_alt, n), alt(n_alt + 1, n + 1), alt(n_alt, n + 1)
        het = (1 - first) * after_ref + first * (1 - after_alt)
        return [(1 - first) * (1 - after_ref), het, first * after_alt]

    one = drawn(0, 0)
    return np.stack(
        [
            one[i] * ((1 - alike) * apart + alike * near)
            for i in range(3)
            for apart, near in zip(one, drawn(i, 2), strict=True)
        ],
        axis=1,
    )


def contamination(
    reads: SiteReads,
    ref: np.ndarray,
    alt: np.ndarray,
    frequency: np.ndarray,
    *,
    other_frequency: np.ndarray | None = None,
    min_quality: int = MIN_QUALITY,
) -> Contamination:
    """The share of another person's reads that makes the bases most probable.

    ref, alt  : uint8 (sites,), 0 to 3; frequency : float64 (sites,), of ALT; NaN leaves a site out
    other_frequency : of ALT in the population of the other person, where `frequency` is that of the
                sample's own: nothing is left to learn about populations then
    """
    known = ~np.isnan(frequency)
    kind, error = kinds_and_errors(reads, ref, alt)
    counts = (kind < 2) & (reads.quality >= min_quality)
    depth = np.bincount(reads.site[counts], minlength=reads.n_sites) * known
    n_sites = int((depth > 0).sum())
    mean_depth = float(depth.sum() / n_sites) if n_sites else 0.0
    usual = float(error[reads.quality[counts]].mean()) if counts.any() else np.nan
    if n_sites < LEAST_SITES:
        return Contamination(np.nan, np.nan, np.nan, np.nan, n_sites, mean_depth, usual)
    kind = np.where(known[reads.site], kind, 2).astype(np.uint8)
    p = np.where(known, frequency, 0.5)

    def likelihood(alpha: float, prior: np.ndarray) -> float:
        return float(
            mixture_log_likelihood(
                reads.offset, kind, reads.quality, error, min_quality, prior, float(alpha)
            )
        )

    if other_frequency is None:
        here = _learnt(likelihood, p)
    else:
        both = hardy_weinberg(p)[:, :, None] * hardy_weinberg(other_frequency)[:, None, :]
        here = partial(likelihood, prior=both.reshape(len(p), 9))
    share, top = _highest(here)
    low = _crossing(here, top - DROP, share, 0.0)
    high = _crossing(here, top - DROP, share, MOST)
    return Contamination(share, low, high, top - here(0.0), n_sites, mean_depth, usual)


def other_genotypes(
    reads: SiteReads,
    ref: np.ndarray,
    alt: np.ndarray,
    frequency: np.ndarray,
    share: float,
    *,
    min_quality: int = MIN_QUALITY,
) -> np.ndarray:
    """What a share of the reads, as `contamination` finds it, shows of the other's genotypes.

    frequency : float64 (sites,), of ALT in the sample's own population, NaN unknown
    returns   : float64 (sites, 3), log likelihoods of 0, 1, 2 copies of ALT, less the largest
    """
    kind, error = kinds_and_errors(reads, ref, alt)
    prior = hardy_weinberg(np.where(np.isnan(frequency), 0.5, frequency))
    likelihood = np.empty((reads.n_sites, 3))
    other_log_likelihoods(
        reads.offset, kind, reads.quality, error, min_quality, prior, float(share), likelihood
    )
    return likelihood


def kinds_and_errors(
    reads: SiteReads, ref: np.ndarray, alt: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What each observation shows, see SiteReads.kinds; and `error_rates` of these."""
    kind = reads.kinds(ref, alt)
    bases = (reads.code & 7) != 5
    return kind, error_rates(kind[bases], reads.quality[bases])


def _learnt(likelihood: Callable[..., float], frequency: np.ndarray) -> Callable[[float], float]:
    """The likelihood of a share, with the drift and alikeness of populations that it goes with."""
    drift, alike = FIRST_DRIFT, 0.5
    here = partial(likelihood, prior=pair_priors(frequency, drift, alike))
    for _ in range(ROUNDS):
        share, _ = _highest(here)
        drift = _top(
            lambda d: likelihood(share, pair_priors(frequency, d, alike)),  # noqa: B023 - at once
            0.0, 0.4, 0.01,
        )  # fmt: skip
        alike = _top(
            lambda a: likelihood(share, pair_priors(frequency, drift, a)),  # noqa: B023 - at once
            0.0, 1.0, 0.05,
        )  # fmt: skip
        here = partial(likelihood, prior=pair_priors(frequency, drift, alike))
    return here


def _highest(function: Callable[[float], float]) -> tuple[float, float]:
    """Where a function of a share is highest, within 0 .. MOST, and how high."""
    grid = np.array([0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, MOST])
    values = np.array([function(alpha) for alpha in grid])
    best = int(values.argmax())
    a, b = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    middle = _top(function, a, b, 1e-4 * max(1.0, 100 * a))
    found = [(function(middle), float(middle)), (float(values[best]), float(grid[best]))]
    top, share = max(found)
    return share, top


def _top(function: Callable[[float], float], a: float, b: float, width: float) -> float:
    """Where a function with one top between a and b has it, by golden sections."""
    c, d = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
    at_c, at_d = function(c), function(d)
    while b - a > width:
        if at_c > at_d:
            b, d, at_d = d, c, at_c
            c = b - GOLDEN * (b - a)
            at_c = function(c)
        else:
            a, c, at_c = c, d, at_d
            d = a + GOLDEN * (b - a)
            at_d = function(d)
    return (a + b) / 2


def _crossing(function: Callable[[float], float], level: float, inside: float, end: float) -> float:
    """Where the function falls to a level between a place above it and an end; else the end."""
    if function(end) >= level:
        return end
    above, below = inside, end
    while abs(above - below) > 1e-4 * max(1.0, 100 * above):
        middle = (above + below) / 2
        if function(middle) >= level:
            above = middle
        else:
            below = middle
    return (above + below) / 2
