"""Correlation of alleles on haplotypes, from calls whose phase is not known.

The frequency x of the haplotype with both ALTs is the one that makes the calls likeliest, given the
frequencies p and q of the ALTs: a root of a cubic (Hill 1974, doi:10.1038/hdy.1974.89; Gaunt et al.
2007, doi:10.1186/1471-2105-8-428), among people in Hardy-Weinberg equilibrium.
"""

import math

import numpy as np

from genomed.kernels.bits import count_ones
from genomed.kernels.ld import SURE, called_in_both
from genomed.kernels.native import inner, kernel

__all__ = ["correlate_haplotypes"]

INSIDE = 1e-9  # rounding of a root


@inner
def _log_likelihood(x, p, q, both, first, second, neither, unknown):
    """Of haplotype counts (with both ALTs, one of them, none) and double heterozygotes."""
    alone, other, rest = p - x, q - x, 1 - p - q + x
    total = 0.0
    if both > 0:
        total += both * math.log(max(x, 1e-300))
    if first > 0:
        total += first * math.log(max(alone, 1e-300))
    if second > 0:
        total += second * math.log(max(other, 1e-300))
    if neither > 0:
        total += neither * math.log(max(rest, 1e-300))
    if unknown > 0:
        total += unknown * math.log(max(x * rest + alone * other, 1e-300))
    return total


@inner
def _roots(a, b, c):
    """Real roots of x^3 + a x^2 + b x + c: how many (1 to 3), and they; a double root is two."""
    shift = -a / 3
    slope = a * a / 9 - b / 3
    value = (2 * a * a * a - 9 * a * b + 27 * c) / 54
    if slope > 0 and value * value <= slope * slope * slope:
        root = math.sqrt(slope)
        angle = math.acos(min(1.0, max(-1.0, value / (slope * root)))) / 3
        turn = 2 * math.pi / 3
        return (
            3,
            shift - 2 * root * math.cos(angle),
            shift - 2 * root * math.cos(angle + turn),
            shift - 2 * root * math.cos(angle - turn),
        )
    size = (abs(value) + math.sqrt(max(value * value - slope * slope * slope, 0.0))) ** (1.0 / 3.0)
    size = -size if value > 0 else size
    x = shift + size + (slope / size if size != 0 else 0.0)
    return 1, x, x, x


@inner
def _likeliest(p, q, both, first, second, neither, unknown):
    """Frequency of the haplotype with both ALTs."""
    n = both + first + second + neither + 2 * unknown
    low, share = both / n, unknown / n
    high = low + share
    a = (1 - 2 * p - 2 * q - 2 * low - share) / 2
    b = (p * q - low * (1 - 2 * p - 2 * q) - share * (1 - p - q)) / 2
    c = -low * p * q / 2
    n_roots, x0, x1, x2 = _roots(a, b, c)
    best = low
    n_inside = 0
    for k in range(n_roots):
        x = x0 if k == 0 else x1 if k == 1 else x2
        if low - INSIDE < x < high + INSIDE:
            n_inside += 1
            best = min(max(x, low), high)
    if n_inside == 1:
        return best
    best = low
    best_value = _log_likelihood(low, p, q, both, first, second, neither, unknown)
    for k in range(4):
        x = x0 if k == 0 else x1 if k == 1 else x2 if k == 2 else high
        x = min(max(x, low), high)
        value = _log_likelihood(x, p, q, both, first, second, neither, unknown)
        if value > best_value:
            best, best_value = x, value
    return best


@kernel
def correlate_haplotypes(planes, first, second, min_r2, out):
    """Correlation of the ALTs of pairs of variants on haplotypes.

    planes        : as genomed.kernels.ld.split_planes leaves them
    first, second : int64 (pairs,), places of the variants
    min_r2        : pairs below it may get NaN
    out           : float64 (pairs,), filled: r; NaN where one does not vary among the samples that
                    are called in both
    """
    for pair in range(len(first)):
        x, y = planes[first[pair]], planes[second[pair]]
        a, b, c, d = x[0], x[1], y[0], y[1]
        homozygous = np.int64(0)
        x_alt_y_homozygous = np.int64(0)
        x_homozygous_y_alt = np.int64(0)
        n22 = np.int64(0)
        for w in range(len(a)):
            homozygous += count_ones(a[w] & c[w])
            x_alt_y_homozygous += count_ones(b[w] & c[w])
            x_homozygous_y_alt += count_ones(a[w] & d[w])
            n22 += count_ones(b[w] & d[w])
        n, x_hom, x_alt, y_hom, y_alt = called_in_both(x, y)
        n20 = x_alt_y_homozygous - n22
        n02 = x_homozygous_y_alt - n22
        n00 = homozygous - n22 - n20 - n02
        n21 = x_alt - n22 - n20
        n12 = y_alt - n22 - n02
        n01 = x_hom - homozygous - n21
        n10 = y_hom - homozygous - n12
        unknown = n - n00 - n01 - n02 - n10 - n12 - n20 - n21 - n22
        p = np.float64(n - x_hom + 2 * x_alt)
        q = np.float64(n - y_hom + 2 * y_alt)
        if not (0 < p < 2 * n and 0 < q < 2 * n):
            out[pair] = np.nan
            continue
        p /= 2 * n
        q /= 2 * n
        known = np.float64(2 * n22 + n21 + n12)
        base, size = p * q, p * (1 - p) * q * (1 - q)
        lowest = known / (2 * n) - base
        highest = lowest + np.float64(unknown) / (2 * n)
        farthest = max(abs(lowest), abs(highest))
        out[pair] = np.nan
        if farthest * farthest >= SURE * min_r2 * size:
            both = _likeliest(
                p, q, known, np.float64(2 * n20 + n21 + n10), np.float64(2 * n02 + n12 + n01),
                np.float64(2 * n00 + n01 + n10), np.float64(unknown),
            )  # fmt: skip
            out[pair] = (both - base) / math.sqrt(size)
