"""Loops over the bases that reads show at sites of two alleles: whose reads they may be.

Observations of a site lie together, see genomed.kernels.site_counts; `kind` is what `classify`
fills, `error` (256,) the probability that a base of a quality is wrong, and observations of a
quality below `least` are left out.
"""

import numpy as np

from genomed.kernels.native import inner, kernel
from genomed.kernels.site_counts import ALT, REF

__all__ = [
    "expected_sharing",
    "genotype_log_likelihoods",
    "mixture_log_likelihood",
    "other_log_likelihoods",
    "store_log_odds",
]


@kernel
def genotype_log_likelihoods(offset, kind, quality, error, least, likelihood, depth):
    """Natural log likelihoods of 0, 1 and 2 copies of ALT, less the largest.

    offset     : int64 (sites + 1,), where each site's observations begin
    kind       : uint8 (observations,), see classify; those of neither allele are left out
    error      : float64 (256,), probability that a base of that quality is wrong
    likelihood : float64 (sites, 3) and depth : int32 (sites, 2) are filled
    """
    for s in range(len(depth)):
        a = 0.0
        b = 0.0
        c = 0.0
        n_ref = 0
        n_alt = 0
        for i in range(offset[s], offset[s + 1]):
            if quality[i] < least or kind[i] > ALT:
                continue
            e = error[quality[i]]
            b += np.log(0.5 - e / 3)
            if kind[i] == REF:
                a += np.log(1 - e)
                c += np.log(e / 3)
                n_ref += 1
            else:
                a += np.log(e / 3)
                c += np.log(1 - e)
                n_alt += 1
        top = max(a, b, c)
        likelihood[s, 0] = a - top
        likelihood[s, 1] = b - top
        likelihood[s, 2] = c - top
        depth[s, 0] = n_ref
        depth[s, 1] = n_alt


@inner
def _mixed(kind, quality, first, stop, error, least, alpha):
    """Likelihoods of a site's observations when a share alpha is another person's.

    returns : of the copies of ALT in both people, 00 01 02 10 11 12 20 21 22; and the log of what
              these are to be multiplied by
    """
    p00 = p01 = p02 = p10 = p11 = p12 = p20 = p21 = p22 = 1.0
    scale = 0.0
    n = 0
    h = alpha / 2
    for i in range(first, stop):
        if quality[i] < least or kind[i] > ALT:
            continue
        e = error[quality[i]]
        of_ref = 1 - e
        of_alt = e / 3
        if kind[i] == ALT:
            of_ref, of_alt = of_alt, of_ref
        slope = of_alt - of_ref  # times the share of ALT in the mixture
        p00 *= of_ref
        p01 *= of_ref + slope * h
        p02 *= of_ref + slope * alpha
        p10 *= of_ref + slope * (0.5 - h)
        p11 *= of_ref + slope * 0.5
        p12 *= of_ref + slope * (0.5 + h)
        p20 *= of_ref + slope * (1 - alpha)
        p21 *= of_ref + slope * (1 - h)
        p22 *= of_alt
        n += 1
        if n & 15 == 0:  # lest the products fall below what floats hold
            top = max(p00, p01, p02, p10, p11, p12, p20, p21, p22)
            scale += np.log(top)
            p00 /= top
            p01 /= top
            p02 /= top
            p10 /= top
            p11 /= top
            p12 /= top
            p20 /= top
            p21 /= top
            p22 /= top
    return p00, p01, p02, p10, p11, p12, p20, p21, p22, scale


@kernel
def mixture_log_likelihood(offset, kind, quality, error, least, prior, alpha):
    """Log likelihood that a share alpha of the reads is another person's (Jun et al. 2012,
    doi:10.1016/j.ajhg.2012.09.004, equation 1).

    prior   : float64 (sites, 9), probability of the copies of ALT that the sample and the other
              person have: 00 01 02 10 11 12 20 21 22
    returns : the sum over sites, of both people's unknown genotypes, in natural logs
    """
    total = 0.0
    for s in range(len(prior)):
        if offset[s] == offset[s + 1]:
            continue
        p = _mixed(kind, quality, offset[s], offset[s + 1], error, least, alpha)
        whole = prior[s, 0] * p[0] + prior[s, 1] * p[1] + prior[s, 2] * p[2]
        whole += prior[s, 3] * p[3] + prior[s, 4] * p[4] + prior[s, 5] * p[5]
        whole += prior[s, 6] * p[6] + prior[s, 7] * p[7] + prior[s, 8] * p[8]
        total += p[9] + np.log(max(whole, 1e-300))
    return total


@kernel
def other_log_likelihoods(offset, kind, quality, error, least, prior, alpha, likelihood):
    """Natural log likelihoods of 0, 1 and 2 copies of ALT in the other person, less the largest.

    prior      : float64 (sites, 3), probability of the copies of ALT in the sample itself
    likelihood : float64 (sites, 3), filled; 0 where there are no reads
    """
    for s in range(len(prior)):
        p = _mixed(kind, quality, offset[s], offset[s + 1], error, least, alpha)
        a = prior[s, 0] * p[0] + prior[s, 1] * p[3] + prior[s, 2] * p[6]
        b = prior[s, 0] * p[1] + prior[s, 1] * p[4] + prior[s, 2] * p[7]
        c = prior[s, 0] * p[2] + prior[s, 1] * p[5] + prior[s, 2] * p[8]
        top = max(a, b, c, 1e-300)
        likelihood[s, 0] = np.log(max(a / top, 1e-300))
        likelihood[s, 1] = np.log(max(b / top, 1e-300))
        likelihood[s, 2] = np.log(max(c / top, 1e-300))


@kernel
def expected_sharing(one, other, frequency, k0, k1, k2, share):
    """One step of expectation and maximisation of how much two people share by descent.

    one, other : float64 (sites, 3), likelihoods of 0, 1, 2 copies of ALT (not logs)
    frequency  : float64 (sites,), of ALT; NaN leaves a site out
    share      : float64 (4,), filled: sums of the probabilities of sharing 0, 1 and 2 alleles by
                 descent, and the log likelihood of k0, k1, k2
    """
    share[:] = 0.0
    for s in range(len(frequency)):
        p = frequency[s]
        if not p >= 0:
            continue
        q = 1 - p
        a0, a1, a2 = one[s, 0], one[s, 1], one[s, 2]
        b0, b1, b2 = other[s, 0], other[s, 1], other[s, 2]
        h0 = q * q
        h1 = 2 * p * q
        h2 = p * p
        z0 = (h0 * a0 + h1 * a1 + h2 * a2) * (h0 * b0 + h1 * b1 + h2 * b2)
        z1 = q * q * q * a0 * b0 + p * p * p * a2 * b2 + p * q * a1 * b1
        z1 += p * q * q * (a0 * b1 + a1 * b0) + p * p * q * (a1 * b2 + a2 * b1)
        z2 = h0 * a0 * b0 + h1 * a1 * b1 + h2 * a2 * b2
        whole = k0 * z0 + k1 * z1 + k2 * z2
        if whole > 0:
            share[0] += k0 * z0 / whole
            share[1] += k1 * z1 / whole
            share[2] += k2 * z2 / whole
            share[3] += np.log(whole)


@kernel
def store_log_odds(words, gain, n_samples, log_odds, n_called):
    """Add, for each person of a store, the log odds that the reads are theirs and not a stranger's.

    words    : uint64 (sites, words), see genomed.schema.ARRAYS
    gain     : float64 (sites, 3), log of the likelihood of 0, 1, 2 copies over that of a stranger
    log_odds : float64 (samples,), n_called : int64 (samples,), added to
    """
    for v in range(len(words)):
        a, b, c = gain[v, 0], gain[v, 1], gain[v, 2]
        for s in range(n_samples):
            call = (words[v, s >> 5] >> np.uint64(2 * (s & 31))) & np.uint64(3)
            if call == 3:
                continue
            n_called[s] += 1
            if call == 0:
                log_odds[s] += a
            elif call == 1:
                log_odds[s] += b
            else:
                log_odds[s] += c
