"""Errors that strike many reads of a site at once, and the alleles that they feign."""

import math

import numpy as np

from genomed.kernels.native import inner, kernel

__all__ = ["allow_artefacts"]

NEVER = -1e30


@inner
def _fits(loglik, p, alleles, n, allele_of, first, second, fits):
    """Fill fits with the best log-likelihood of read p among the haplotypes of each allele."""
    fits[0], fits[1], fits[2] = NEVER, NEVER, NEVER
    for h in range(n):
        allele = allele_of[alleles + h]
        k = 0 if allele == 0 else (1 if allele == first else (2 if allele == second else 3))
        if k < 3:
            fits[k] = max(fits[k], np.float64(loglik[p, h]))


@kernel
def allow_artefacts(
    loglik, counts, strand, pair_first, haplotype_first, site_cluster, allele_first, allele_of,
    chosen, strand_rates, strand_log_share, all_rates, all_log_share, sums, fits, genotypes,
):  # fmt: skip
    """Let errors shared by many reads explain the alleles that a genotype lacks.

    At a few sites the reads of one strand, and at some sites all reads, show an allele that is not
    there, with a rate that is not known (the reference's is never feigned). The likelihood of each
    genotype becomes the mean over sites with such errors (of any rate) and without, which makes an
    allele doubtful that one strand alone shows, or few reads that may belong elsewhere.

    loglik, ..., chosen : as in kernels.diplotypes.judge_sites; strand : uint8 (pairs,)
    strand_rates, all_rates : float64 (rates,), errors per read
    strand_log_share : float64 (sites, rates), log of the share of sites with each, on one given
                       strand
    all_log_share    : float64 (sites, rates), the same of all reads
    sums             : float64 (3, 6, rates), fits : float64 (3,), scratch
    genotypes        : float32 (sites, 6), of judge_sites; changed
    """
    n_rates = len(strand_rates)
    for s in range(len(site_cluster)):
        c = site_cluster[s]
        n = haplotype_first[c + 1] - haplotype_first[c]
        for side in range(3):
            for g in range(6):
                for r in range(n_rates):
                    sums[side, g, r] = 0
        n_alts = 2 if chosen[s, 1] else 1
        for p in range(pair_first[c], pair_first[c + 1]):
            if not counts[p]:
                continue
            _fits(
                loglik, p, allele_first[s], n, allele_of, chosen[s, 0], chosen[s, 1], fits
            )  # fmt: skip
            best = max(fits[0], fits[1], fits[2])
            if best == NEVER:
                continue
            side = np.int64(strand[p])
            g = 0
            for b in range(n_alts + 1):
                for a in range(b + 1):
                    usual = 0.5 * (math.exp(fits[a] - best) + math.exp(fits[b] - best))
                    wrong = 0.0
                    n_wrong = 0
                    for k in range(1, n_alts + 1):
                        if k not in (a, b):
                            wrong += math.exp(fits[k] - best)
                            n_wrong += 1
                    if n_wrong:
                        ratio = wrong / n_wrong / max(usual, 1e-300)
                        for r in range(n_rates):
                            rate = strand_rates[r]
                            sums[side, g, r] += math.log(1 - rate + rate * ratio)
                            rate = all_rates[r]
                            sums[2, g, r] += math.log(1 - rate + rate * ratio)
                    g += 1
        n_genotypes = (n_alts + 1) * (n_alts + 2) // 2
        for g in range(n_genotypes):
            most = 0.0
            for r in range(n_rates):
                sums[0, g, r] += strand_log_share[s, r]
                sums[1, g, r] += strand_log_share[s, r]
                sums[2, g, r] += all_log_share[s, r]
                most = max(most, sums[0, g, r], sums[1, g, r], sums[2, g, r])
            total = math.exp(-most)
            for side in range(3):
                for r in range(n_rates):
                    total += math.exp(sums[side, g, r] - most)
            if genotypes[s, g] > NEVER:
                genotypes[s, g] += most + math.log(total)
