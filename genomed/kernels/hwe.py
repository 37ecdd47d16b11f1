"""Exact tests of Hardy-Weinberg equilibrium, and Fisher's exact test of two proportions.

Each walks from the table observed through all tables of the same margins, both ways, and sorts them
into those as likely as the one observed, those less likely, and those more likely. Probabilities
rise towards the mode and fall behind it, so a walk ends where what follows is negligible.
"""

import math

from genomed.kernels.native import inner, kernel

__all__ = ["exact_rows", "exact_x_rows", "fisher_rows"]

TIE = 1e-7  # relative difference up to which two tables are as likely as each other
NEGLIGIBLE = 1e-16  # share of a sum that is not added any more
HUGE = 1e250


@kernel
def exact_rows(n_het, n_hom1, n_hom2, p, mid_p):
    """Test each variant on diploid calls; see genomed.stats.hwe.exact.

    n_het, n_hom1, n_hom2 : int64 (variants,)
    p, mid_p              : float64 (variants,), filled
    """
    for v in range(len(n_het)):
        p[v], mid_p[v] = _exact(n_het[v], n_hom1[v], n_hom2[v])


@inner
def _exact(n_het, n_hom1, n_hom2):
    """P and mid-P of one table. With h hets and r, c homozygotes the next table but one has
    P(h + 2) / P(h) = 4 r c / ((h + 2)(h + 1)) (Wigginton 2005, equation 2)."""
    if min(n_hom1, n_hom2) == 0 and n_het <= 1:
        return 1.0, 0.5
    observed, same, less, more = 1.0, 1.0, 0.0, 0.0
    for upwards in range(2):
        h, r, c = float(n_het), float(n_hom1), float(n_hom2)
        term = observed
        while True:
            if upwards == 1:
                ratio = 4.0 * r * c / ((h + 2.0) * (h + 1.0))
                h, r, c = h + 2.0, r - 1.0, c - 1.0
            else:
                ratio = h * (h - 1.0) / (4.0 * (r + 1.0) * (c + 1.0))
                h, r, c = h - 2.0, r + 1.0, c + 1.0
            term *= ratio
            if term > observed * (1.0 + TIE):
                more += term
                if term > HUGE:
                    term, more, observed = term / HUGE, more / HUGE, observed / HUGE
                    same, less = same / HUGE, less / HUGE
            elif term >= observed * (1.0 - TIE) and term > 0.0:
                same += term
            else:
                less += term
                if term <= NEGLIGIBLE * less:
                    break
    total = same + less + more
    return min(1.0, (same + less) / total), (0.5 * same + less) / total


@kernel
def fisher_rows(a, b, c, d, p):
    """Two-sided P of Fisher's exact test of each 2 x 2 table ((a, b), (c, d)).

    a, b, c, d : int64 (variants,)
    p          : float64 (variants,), filled: all tables not more likely than the one observed
    """
    for v in range(len(a)):
        p[v] = _fisher(a[v], b[v], c[v], d[v])


@inner
def _fisher(a, b, c, d):
    observed, tail, more = 1.0, 1.0, 0.0
    for upwards in range(2):
        i, j, k, m = float(a), float(b), float(c), float(d)
        term = observed
        while True:
            if upwards == 1:
                ratio = j * k / ((i + 1.0) * (m + 1.0))
                i, j, k, m = i + 1.0, j - 1.0, k - 1.0, m + 1.0
            else:
                ratio = i * m / ((j + 1.0) * (k + 1.0))
                i, j, k, m = i - 1.0, j + 1.0, k + 1.0, m - 1.0
            term *= ratio
            if term > observed * (1.0 + TIE):
                more += term
                if term > HUGE:
                    term, more, observed, tail = (
                        term / HUGE, more / HUGE, observed / HUGE, tail / HUGE
                    )  # fmt: skip
            else:
                tail += term
                if term <= NEGLIGIBLE * tail:
                    break
    return min(1.0, tail / (tail + more))


@inner
def _log_factorial(n):
    """ln n!, by Stirling's series from 16 on; absolute error below 1e-15 n ln n."""
    if n < 16:
        product = 1.0
        for i in range(2, n + 1):
            product *= i
        return math.log(product)
    x = n + 1.0
    inverse = 1.0 / (x * x)
    series = (
        1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse / 1680.0))
    ) / x
    return (x - 0.5) * math.log(x) - x + 0.9189385332046727 + series


@inner
def _log_weight(nf, nm, n_a, m, h):
    """ln of what differs between tables: m males bear A, h females are heterozygous.

    P = constant x 2^h / (m! (nm - m)! aa! h! bb!), aa and bb females of each homozygous kind
    (Graffelman and Weir 2016, equation 2).
    """
    aa = (n_a - m - h) // 2
    bb = nf - aa - h
    return h * 0.6931471805599453 - (
        _log_factorial(m)
        + _log_factorial(nm - m)
        + _log_factorial(aa)
        + _log_factorial(h)
        + _log_factorial(bb)
    )


@inner
def _mode(nf, k):
    """Likeliest number of heterozygotes among nf females with k copies of A, of k's parity."""
    h = int(k * (2.0 * nf - k) / max(1.0, 2.0 * nf - 1.0))
    if (h ^ k) & 1:
        h += 1
    while h + 2 <= min(k, 2 * nf - k) and _rises(nf, k, h):
        h += 2
    while h >= 2 and (h > min(k, 2 * nf - k) or not _rises(nf, k, h - 2)):
        h -= 2
    return h


@inner
def _rises(nf, k, h):
    """Whether h + 2 heterozygotes are likelier than h."""
    aa = (k - h) // 2
    return 4.0 * aa * (nf - aa - h) > (h + 2.0) * (h + 1.0)


@inner
def _side(nf, nm, n_a, m, h, towards, log_observed):
    """Sums over h, h + towards, ...: as likely as the table observed, and less likely.

    The walk begins at the mode. Likelier tables are passed over by bisection.
    """
    k = n_a - m
    last = (k & 1) if towards < 0 else min(k, 2 * nf - k)
    n_steps = abs(last - h) // 2
    first, stop = 0, n_steps + 1  # the first step that is not likelier lies in first .. stop
    while first < stop:
        middle = (first + stop) // 2
        if _log_weight(nf, nm, n_a, m, h + towards * middle) > log_observed + TIE:
            first = middle + 1
        else:
            stop = middle
    if first > n_steps:
        return 0.0, 0.0
    at = h + towards * first
    term = math.exp(_log_weight(nf, nm, n_a, m, at) - log_observed)
    same, less = 0.0, 0.0
    aa = float((k - at) // 2)
    bb = float(nf) - aa - at
    x = float(at)
    while term > 0.0:
        if term >= 1.0 - TIE:
            same += term
        else:
            less += term
            if term <= NEGLIGIBLE * less:
                break
        if towards > 0:
            term *= 4.0 * aa * bb / ((x + 2.0) * (x + 1.0))
            x, aa, bb = x + 2.0, aa - 1.0, bb - 1.0
        else:
            term *= x * (x - 1.0) / (4.0 * (aa + 1.0) * (bb + 1.0))
            x, aa, bb = x - 2.0, aa + 1.0, bb + 1.0
    return same, less


@inner
def _exact_x(n_het, n_hom1, n_hom2, n_male1, n_male2):
    """P and mid-P of one table of females and males."""
    nf, nm = n_het + n_hom1 + n_hom2, n_male1 + n_male2
    n_a = 2 * n_hom1 + n_het + n_male1
    n = 2 * nf + nm
    low, high = max(0, n_a - 2 * nf), min(n_a, nm)
    log_observed = _log_weight(nf, nm, n_a, n_male1, n_het)
    # ln of the sum of all weights: C(n, n_a) ways, over the factors that are in none of them
    log_total = (
        _log_factorial(n)
        - _log_factorial(n_a)
        - _log_factorial(n - n_a)
        - _log_factorial(nf)
        - _log_factorial(nm)
    )
    same, less = 0.0, 0.0
    middle = min(max(int(n_a * float(nm) / max(1, n)), low), high)
    for upwards in range(2):
        m = middle + 1 if upwards else middle
        while low <= m <= high:
            k = n_a - m
            mode = _mode(nf, k)
            likeliest = _log_weight(nf, nm, n_a, m, mode)
            # ln of the sum of this row's weights relative to that of the table observed
            row = (
                _log_factorial(2 * nf)
                - _log_factorial(k)
                - _log_factorial(2 * nf - k)
                - _log_factorial(m)
                - _log_factorial(nm - m)
                - _log_factorial(nf)
                - log_observed
            )
            if likeliest < log_observed - TIE:
                mass = math.exp(row)
                less += mass
                if mass <= NEGLIGIBLE * less:
                    break
            else:
                left_same, left_less = _side(nf, nm, n_a, m, mode, -2, log_observed)
                same += left_same
                less += left_less
                if mode + 2 <= min(k, 2 * nf - k):
                    right_same, right_less = _side(nf, nm, n_a, m, mode + 2, 2, log_observed)
                    same += right_same
                    less += right_less
            m += 1 if upwards else -1
    scale = math.exp(log_observed - log_total)
    return min(1.0, (same + less) * scale), (0.5 * same + less) * scale


@kernel
def exact_x_rows(n_het, n_hom1, n_hom2, n_male1, n_male2, p, mid_p):
    """Test each variant on X, females and males together; see genomed.stats.hwe.exact_x.

    n_het .. n_male2 : int64 (variants,): females by genotype, males by allele
    p, mid_p         : float64 (variants,), filled
    """
    for v in range(len(n_het)):
        p[v], mid_p[v] = _exact_x(n_het[v], n_hom1[v], n_hom2[v], n_male1[v], n_male2[v])
