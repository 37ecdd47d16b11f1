"""What the reads at a call say of each alternative allele, beside the reference: sums and tests."""

import math

import numpy as np

from genomed.kernels.native import inner, kernel

__all__ = ["FACTS", "MOST", "sum_up_alleles"]

# Columns of what sum_up_alleles fills, one row per allele, the reference among them.
FACTS = (
    "depth",  # fragments that fit this allele better than all others, by the margin
    "forward",  # of these: fragments (their counting reads) on the forward strand
    "base_quality",  # mean over them, as all that follow down to `starts`
    "mapping_quality",
    "end_distance",  # bases to the nearer end of the read's aligned part
    "mismatches",  # bases nearby that differ from the reference, and gaps
    "clipped",  # share of reads with a soft clip
    "proper_pairs",  # share of reads flagged as properly paired
    "fit",  # log-likelihood beside that of a read without errors
    "starts",  # different 5' ends: reads that one molecule gave rise to share theirs
    "fisher_phred",  # strand against allele (this or the reference): -10 log10 of Fisher's P
    "odds_ratio",  # the same as a symmetric log odds ratio
    "base_quality_z",  # Wilcoxon rank sum, this allele against the reference: above 0 is higher
    "mapping_quality_z",
    "end_distance_z",
)
MOST = 255  # values above are held to it


@inner
def _log_factorial(n):
    return math.lgamma(n + 1.0)


@inner
def _fisher(a, b, c, d):
    """Two-sided P of the table a b | c d: all tables as unlikely as this one or more so."""
    row, other, column, n = a + b, c + d, a + c, a + b + c + d
    if n == 0:
        return 1.0
    constant = (
        _log_factorial(row) + _log_factorial(other) + _log_factorial(column)
        + _log_factorial(n - column) - _log_factorial(n)
    )  # fmt: skip
    low, high = max(0, column - other), min(row, column)
    observed = 0.0
    for turn in range(2):
        total = 0.0
        for x in range(low, high + 1):
            if turn == 0 and x != a:
                continue
            p = math.exp(
                constant - _log_factorial(x) - _log_factorial(row - x)
                - _log_factorial(column - x) - _log_factorial(other - column + x)
            )  # fmt: skip
            if turn == 0:
                observed = p
            elif p <= observed * (1 + 1e-7):
                total += p
    return min(total, 1.0)


@inner
def _odds_ratio(a, b, c, d):
    """GATK's StrandOddsRatio: ln(R + 1/R) of the table + 1, less ln of each allele's imbalance."""
    a, b, c, d = a + 1.0, b + 1.0, c + 1.0, d + 1.0
    ratio = a * d / (b * c)
    return (
        math.log(ratio + 1.0 / ratio)
        + math.log(min(a, b) / max(a, b))
        - math.log(min(c, d) / max(c, d))
    )


@inner
def _rank_sum(ref, alt):
    """z of Wilcoxon's rank sum with ties, from histograms; NaN where either has no values."""
    n_ref = 0.0
    n_alt = 0.0
    for i in range(len(ref)):
        n_ref += ref[i]
        n_alt += alt[i]
    n = n_ref + n_alt
    if n_ref == 0 or n_alt == 0:
        return np.nan
    below = 0.0
    ranks = 0.0
    ties = 0.0
    for i in range(len(ref)):
        both = np.float64(ref[i] + alt[i])
        ranks += alt[i] * (below + 0.5 * (both + 1.0))
        ties += both * (both * both - 1.0)
        below += both
    variance = n_ref * n_alt / 12.0 * (n + 1.0 - ties / (n * max(n - 1.0, 1.0)))
    if variance <= 0.0:
        return 0.0
    return (ranks - 0.5 * n_alt * (n + 1.0)) / math.sqrt(variance)


@inner
def _best(loglik, row, n_alleles, margin):
    """The allele that a read fits better than all others by the margin; -1 for none."""
    best, top, second = -1, np.float32(-1e30), np.float32(-1e30)
    for a in range(n_alleles):
        value = loglik[row, a]
        if value > top:
            best, top, second = a, value, top
        elif value > second:
            second = value
    return best if top - second >= margin else -1


@kernel
def sum_up_alleles(
    first, allele_first, loglik, fit, counts, strand, mapq, base_quality, from_start, from_end,
    mismatches, gaps, clipped, flag, margin, histogram, seen, facts, site_facts,
):  # fmt: skip
    """Sum up the rows of each site, allele by allele.

    first        : int64 (sites + 1,), rows of each site; from loglik to flag: see
                   genomed.stats.allele_evidence.AlleleEvidence
    allele_first : int64 (sites + 1,), rows of each site's alleles in `facts`, the reference first
    margin       : natural-log likelihood by which an allele must be better
    histogram    : int32 (3, alleles of a site, MOST + 1), scratch
    seen         : int64 (alleles of a site, 2, MOST + 1), -1 on entry: scratch
    facts        : float64 (alleles, FACTS), filled; NaN where no read tells
    site_facts   : int64 (sites, 4), filled: fragments; of these, those that fit no allele better,
                   those of mapping quality below 20; and reads whose mate stands for them
    """
    for v in range(len(first) - 1):
        f0, n_alleles = allele_first[v], allele_first[v + 1] - allele_first[v]
        for a in range(n_alleles):
            facts[f0 + a] = 0.0
            histogram[:, a] = 0
        site_facts[v] = 0
        for row in range(first[v], first[v + 1]):
            if not counts[row]:
                site_facts[v, 3] += 1
                continue
            site_facts[v, 0] += 1
            if mapq[row] < 20:
                site_facts[v, 2] += 1
            a = _best(loglik, row, n_alleles, margin)
            if a < 0:
                site_facts[v, 1] += 1
                continue
            edge = max(0, min(from_start[row], from_end[row], MOST))
            quality = base_quality[row]
            here = facts[f0 + a]
            here[0] += 1
            here[1] += strand[row] == 0
            here[2] += quality
            here[3] += mapq[row]
            here[4] += edge
            here[5] += np.int64(mismatches[row]) + gaps[row]
            here[6] += clipped[row] > 0
            here[7] += (flag[row] & 2) != 0
            here[8] += fit[row]
            histogram[0, a, quality] += 1
            histogram[1, a, mapq[row]] += 1
            histogram[2, a, edge] += 1
            start = max(0, min(from_start[row], MOST))
            if seen[a, strand[row], start] != v:
                seen[a, strand[row], start] = v
                here[9] += 1
        for a in range(n_alleles):
            here = facts[f0 + a]
            for k in range(2, 9):
                here[k] = here[k] / here[0] if here[0] > 0 else np.nan
            if a == 0:
                for k in range(10, 15):
                    here[k] = np.nan
                continue
            ref_forward, alt_forward = facts[f0, 1], here[1]
            ref_reverse, alt_reverse = facts[f0, 0] - ref_forward, here[0] - alt_forward
            p = _fisher(
                np.int64(ref_forward), np.int64(ref_reverse), np.int64(alt_forward),
                np.int64(alt_reverse),
            )  # fmt: skip
            here[10] = max(0.0, -10.0 * math.log10(max(p, 1e-300)))
            here[11] = _odds_ratio(ref_forward, ref_reverse, alt_forward, alt_reverse)
            for k in range(3):
                here[12 + k] = _rank_sum(histogram[k, 0], histogram[k, a])
