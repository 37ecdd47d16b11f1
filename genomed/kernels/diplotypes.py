"""From the likelihoods of reads under haplotypes to those of genotypes at each site of a cluster.

A cluster is a stretch with a few candidates (bits of a mask) and a few haplotypes made of them.
"""

import math

import numpy as np

from genomed.kernels.native import inner, kernel

__all__ = ["judge_sites", "sum_up_reads"]

LEAST_ODDS = 2.0  # natural log; a read that fits an allele so much better supports it
MOST_ODDS = 20.0
LEAST_SURE = 20  # mapping quality
NEVER = -1e30
ONE_MORE = -5.0  # log prior of a difference beside another, at least
GIVEN = 1e9  # what an allele that was asked for is ahead of the others


@inner
def _cluster_loglik(loglik, counts, first, stop, n_haplotypes, total):
    """Fill total with the log-likelihood of each pair of haplotypes, VCF's order of genotypes."""
    n_pairs = n_haplotypes * (n_haplotypes + 1) // 2
    for d in range(n_pairs):
        total[d] = 0.0
    for p in range(first, stop):
        if not counts[p]:
            continue
        d = 0
        for b in range(n_haplotypes):
            with_b = np.float64(loglik[p, b])
            for a in range(b):
                with_a = np.float64(loglik[p, a])
                high, low = max(with_a, with_b), min(with_a, with_b)
                total[d] += high + math.log(0.5 + 0.5 * math.exp(low - high))
                d += 1
            total[d] += with_b
            d += 1


@inner
def _prior(mask, prior, first):
    """Log prior of the candidates in a mask: differences come in clusters, so that one more is not
    as rare as the first."""
    total = 0.0
    rarest = 0.0
    c = first
    while mask:
        if mask & 1:
            total += max(prior[c], ONE_MORE)
            rarest = min(rarest, prior[c] - max(prior[c], ONE_MORE))
        mask >>= 1
        c += 1
    return total + rarest


@inner
def _count(mask):
    """Candidates in a mask."""
    n = 0
    while mask:
        n += mask & 1
        mask >>= 1
    return n


@kernel
def judge_sites(
    loglik, counts, pair_first, haplotype_first, mask, prior, candidate_first, site_cluster,
    site_bits, allele_first, allele_of, n_alts, n_given, total, score, chosen, linked,
    genotypes,
):  # fmt: skip
    """Find the two likeliest alternative alleles of each site, and the genotypes' likelihoods.

    loglik          : float32 (pairs, haplotypes), of each read at each cluster
    counts          : bool (pairs,); pair_first : int64 (clusters + 1,), pairs of each cluster
    haplotype_first : int64 (clusters + 1,); mask : int64 (haplotypes,), which candidates it holds
    prior           : float64 (candidates,), log prior; candidate_first : int64 (clusters + 1,)
    site_cluster    : int64 (sites,), sorted; site_bits : int64 (sites,), its candidates as a mask
    allele_first    : int64 (sites + 1,); allele_of : int64, per site and haplotype of its cluster
                      the allele, 0 the reference's
    n_alts          : int64 (sites,); n_given : int64 (sites,), of these so many, the first, are
                      chosen before others
    total           : float64 (most pairs of haplotypes,), score : float64 (most alts + 1,), scratch
    chosen          : int64 (sites, 2), filled: the likeliest alts, 0 for none
    linked          : int64 (sites,), filled: other candidates on the haplotype of the likeliest alt
    genotypes       : float32 (sites, 6), filled: log-likelihoods of 00 01 11 02 12 22 of the chosen
                      alts, each with the best haplotypes around; NEVER where there is none
    """
    done = -1
    for s in range(len(site_cluster)):
        c = site_cluster[s]
        h0 = haplotype_first[c]
        n = haplotype_first[c + 1] - h0
        if c != done:
            _cluster_loglik(loglik, counts, pair_first[c], pair_first[c + 1], n, total)
            done = c
        alleles = allele_first[s]
        for a in range(n_alts[s] + 1):
            score[a] = NEVER
        d = 0
        for j in range(n):
            for i in range(j + 1):
                value = total[d] + _prior(mask[h0 + i] | mask[h0 + j], prior, candidate_first[c])
                a, b = allele_of[alleles + i], allele_of[alleles + j]
                score[a] = max(score[a], value)
                score[b] = max(score[b], value)
                d += 1
        for a in range(1, n_given[s] + 1):
            if score[a] > NEVER:
                score[a] += GIVEN
        best, second = 0, 0
        for a in range(1, n_alts[s] + 1):
            if score[a] > NEVER and (best == 0 or score[a] > score[best]):
                second = best
                best = a
            elif score[a] > NEVER and (second == 0 or score[a] > score[second]):
                second = a
        chosen[s, 0] = best
        chosen[s, 1] = second
        for g in range(6):
            genotypes[s, g] = NEVER
        linked[s] = 0
        most = NEVER
        d = 0
        for j in range(n):
            for i in range(j + 1):
                a, b = allele_of[alleles + i], allele_of[alleles + j]
                if best and (a == best or b == best):
                    value = total[d] + _prior(
                        mask[h0 + i] | mask[h0 + j], prior, candidate_first[c]
                    )
                    if value > most:
                        most = value
                        carrier = mask[h0 + j] if b == best else mask[h0 + i]
                        linked[s] = _count(carrier & ~site_bits[s])
                x = 0 if a == 0 else (1 if a == best else (2 if a == second else 3))
                y = 0 if b == 0 else (1 if b == best else (2 if b == second else 3))
                if x < 3 and y < 3:
                    g = max(x, y) * (max(x, y) + 1) // 2 + min(x, y)
                    other = (mask[h0 + i] | mask[h0 + j]) & ~site_bits[s]
                    value = total[d] + _prior(other, prior, candidate_first[c])
                    genotypes[s, g] = max(np.float64(genotypes[s, g]), value)
                d += 1


@kernel
def sum_up_reads(
    loglik, counts, pair_first, haplotype_first, site_cluster, allele_first, allele_of, chosen,
    strand, mapq, base_quality, from_start, from_end, mismatches, gaps, clipped, facts,
):  # fmt: skip
    """Sum up the reads by the allele that they support; the arguments are those of judge_sites.

    strand, mapq, ... : per pair, as in genomed.stats.allele_evidence
    facts             : float32 (sites, 27), filled with the first 27 of EVIDENCE_NAMES
                        (genomed.features.call_sites)
    """
    for s in range(len(site_cluster)):
        c = site_cluster[s]
        n = haplotype_first[c + 1] - haplotype_first[c]
        alleles = allele_first[s]
        row = facts[s]
        row[:] = 0
        n_all = 0
        n_ambiguous = 0
        n_unsure = 0
        for p in range(pair_first[c], pair_first[c + 1]):
            if not counts[p]:
                continue
            fit0, fit1, fit2 = NEVER, NEVER, NEVER
            for h in range(n):
                allele = allele_of[alleles + h]
                value = np.float64(loglik[p, h])
                if allele == 0:
                    fit0 = max(fit0, value)
                elif allele == chosen[s, 0]:
                    fit1 = max(fit1, value)
                elif allele == chosen[s, 1]:
                    fit2 = max(fit2, value)
            k = 0
            best, next_best = fit0, fit1
            if fit1 > fit0:
                k, best, next_best = 1, fit1, fit0
            if fit2 > best:
                k, next_best, best = 2, best, fit2
            elif fit2 > next_best:
                next_best = fit2
            n_all += 1
            n_unsure += mapq[p] < LEAST_SURE
            if best - next_best < LEAST_ODDS:
                n_ambiguous += 1
                continue
            at = 8 * k
            row[at] += 1
            row[at + 1] += 1 - strand[p]
            row[at + 2] += min(best - next_best, MOST_ODDS)
            row[at + 3] += base_quality[p]
            row[at + 4] += mapq[p]
            row[at + 5] += min(max(min(from_start[p], from_end[p]), 0), 50)
            row[at + 6] += mismatches[p] + gaps[p]
            row[at + 7] += clipped[p] > 0
        for k in range(3):
            for j in range(1, 8):
                row[8 * k + j] /= max(row[8 * k], np.float32(1))
        row[24] = n_all
        row[25] = n_ambiguous / max(n_all, 1)
        row[26] = n_unsure / max(n_all, 1)
