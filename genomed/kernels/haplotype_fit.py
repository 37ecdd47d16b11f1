"""How well reads fit the haplotypes of a site's alleles.

A haplotype is the reference around a site with one allele in place of REF. The best alignment of a
read's part near the site to each haplotype decides (see kernels.haplotype_align). Reads that
equal one haplotype need no search: what the others lack is one gap, or a few bases.
"""

import math

import numpy as np

from genomed.kernels.bam_records import (
    CIGAR_DEL,
    CIGAR_EQUAL,
    CIGAR_HARD,
    CIGAR_INS,
    CIGAR_MATCH,
    CIGAR_PAD,
    CIGAR_SKIP,
    CIGAR_SOFT,
    CIGAR_UNEQUAL,
    base_at,
    cigar_offset,
    i32,
    quality_offset,
    sequence_offset,
    u16,
    u32,
)
from genomed.kernels.haplotype_align import (
    ANY,
    SAME,
    align,
    fit_one_gap,
    fit_without_gaps,
    lay_haplotype,
    log_slip,
    open_gaps,
)
from genomed.kernels.native import inner, kernel

__all__ = ["MAX_NET", "add_genotypes", "fit_reads"]

MAX_NET = 64  # bases of a read's own insertions or deletions that widen the band
NO_ALLELE = np.float32(-1e4)


@kernel
def fit_reads(
    data, place, start, end, mapq, site_start, bases, offset, first, reach, is_plain, reference,
    reference_start, row_first, row_read, match, mismatch, gap_open, extend, mapq_error, flank,
    band, min_mismatch_quality, haplotype, hap_length, opening, slip, hap_fit, state, loglik, fit,
    spans, realigned, base_quality, from_start, from_end, mismatches, gaps,
):  # fmt: skip
    """Compare each listed read with each allele of its site.

    data, place, start, end, mapq : see genomed.schema.AlignmentBlock
    site_start   : int64 (sites,), 0-based; offset, first : see stats.allele_evidence.Alleles
    reach        : int64 (sites, 2); is_plain : bool (sites,): from site_reads.measure_sites
    bases, reference : uint8, 4-bit codes as in BAM; the reference from reference_start on
    row_first    : int64 (sites + 1,); row_read : int32 (rows,): reads of each site
    match, mismatch : float64 (2, 256), probability of a base, and its logarithm, by quality byte
    gap_open, extend : see haplotype_align.open_gaps; probability that a gap goes on
    mapq_error   : float64 (256,), probability that a read lies elsewhere, by mapping quality
    haplotype    : uint8 (alleles, bases), opening : float64 (2, alleles, bases), hap_length : int64
                   (alleles,), slip : float64 (alleles, alleles), hap_fit : float64 (alleles,),
                   state : float64 (3, diagonals + 1): scratch
    loglik and all behind it : filled, see genomed.stats.allele_evidence.AlleleEvidence
    """
    log_match, log_mismatch = match[1], mismatch[1]
    log_extend, log_close = math.log(extend), math.log(1.0 - extend)
    reference_end = reference_start + len(reference)
    for v in range(len(site_start)):
        a_first, n_alleles = first[v], first[v + 1] - first[v]
        site_end = site_start[v] + offset[a_first + 1] - offset[a_first]
        shorter, longer = np.int64(0), np.int64(0)
        for a in range(n_alleles):
            d = _change(offset, a_first, a)
            shorter, longer = min(shorter, d), max(longer, d)
        low_end, high_end = reach[v, 0], reach[v, 1]
        w0 = max(min(low_end, site_start[v]) - flank, reference_start)
        w1 = min(max(high_end, site_end) + flank, reference_end)
        h0 = max(w0 - band + shorter - longer, reference_start)
        h1 = min(w1 + band - shorter + longer, reference_end)
        is_laid = False
        for row in range(row_first[v], row_first[v + 1]):
            r = row_read[row]
            at = place[r]
            sequence, quality = sequence_offset(data, at), quality_offset(data, at)
            n_bases = i32(data, at + 16)
            (
                q0, q1, p0, net, n_gaps, n_wrong, anchor, left_end, right_end, is_skipped, right,
                outside,
            ) = _walk(
                data, at, start[r], site_start[v], low_end, high_end, w0, w1, reference,
                reference_start, log_match, log_mismatch, min_mismatch_quality,
            )  # fmt: skip
            mismatches[row] = min(n_wrong, 255)
            gaps[row] = min(n_gaps, 255)
            is_reverse = u16(data, at + 14) & 16 != 0
            if anchor < 0:
                anchor = left_end if site_start[v] < start[r] else right_end - 1
            before, behind = max(anchor - left_end, 0), max(right_end - 1 - anchor, 0)
            from_start[row] = min(behind if is_reverse else before, 32767)
            from_end[row] = min(before if is_reverse else behind, 32767)
            if is_plain[v]:
                spans[row] = start[r] <= low_end and end[r] >= high_end
            else:
                spans[row] = start[r] < low_end and end[r] > high_end
            realigned[row] = False
            base_quality[row] = 0
            fit[row] = 0
            for a in range(loglik.shape[1]):
                loglik[row, a] = 0.0 if a < n_alleles else NO_ALLELE
            if q0 >= q1 or is_skipped:
                continue

            if is_plain[v] and n_gaps == 0:
                shift = q0 - p0
                i0, i1 = max(low_end + shift, left_end), min(high_end + shift, right_end)
                best, perfect, least = _fit_bases(
                    data, sequence, quality, i0, i1, site_start[v] + shift, bases, offset, a_first,
                    n_alleles, log_match, log_mismatch, outside, loglik[row],
                )  # fmt: skip
                perfect += right
                base_quality[row] = least
            else:
                if not is_laid:
                    _lay_haplotypes(
                        reference, h0 - reference_start, site_start[v] - reference_start,
                        site_end - reference_start, h1 - reference_start, bases, offset, a_first,
                        n_alleles, gap_open, log_extend, log_close, haplotype, hap_length, opening,
                        slip,
                    )  # fmt: skip
                    is_laid = True
                realigned[row] = True
                best = _fit_haplotypes(
                    data, sequence, quality, q0, q1, p0 - h0 - q0, net, band, offset, a_first,
                    n_alleles, haplotype, hap_length, opening, slip, extend, log_extend, log_close,
                    match, mismatch, hap_fit, state, loglik[row],
                )  # fmt: skip
                perfect = 0.0
                for i in range(q0, q1):
                    perfect += log_match[data[quality + i]]
                byte = np.int64(data[quality + max(anchor, 0)])
                if anchor + 1 < n_bases:
                    byte = min(byte, np.int64(data[quality + anchor + 1]))
                base_quality[row] = byte
            fit[row] = best - perfect
            _allow_elsewhere(loglik[row], n_alleles, best, q1 - q0, mapq_error[mapq[r]])


@inner
def _change(offset, a_first, a):
    """Bases that allele a of a site has more than its REF."""
    return offset[a_first + a + 1] - offset[a_first + a] - offset[a_first + 1] + offset[a_first]


@inner
def _walk(
    data, at, start, site_start, low_end, high_end, w0, w1, reference, reference_start, log_match,
    log_mismatch, min_mismatch_quality,
):  # fmt: skip
    """Walk along the file's alignment of a read: what of it lies in the window w0 to w1, and how
    it differs from the reference there.

    returns : its bases q0 and q1 (q0 >= q1: none), and where on the reference q0 lies; bases that
              it has more (or less); gaps; good bases that are wrong, low_end to high_end left out;
              the base at site_start, or -1; first and last base of the aligned part; whether it
              skips what differs; log-likelihood of what was left in, were all right, and as it is
    """
    cigar, sequence = cigar_offset(data, at), sequence_offset(data, at)
    quality, n_bases = quality_offset(data, at), i32(data, at + 16)
    q, p = 0, start
    q0, q1, p0 = n_bases, 0, np.int64(0)
    net, n_gaps, n_wrong = 0, 0, 0
    anchor = -1
    left_end, right_end = 0, n_bases
    is_skipped = False
    right, outside = 0.0, 0.0
    for c in range(u16(data, at + 12)):
        word = u32(data, cigar + 4 * c)
        operation, length = word & 15, word >> 4
        if operation in (CIGAR_HARD, CIGAR_PAD):
            continue
        if operation == CIGAR_INS:
            if w0 < p < w1:
                n_gaps += 1
                net += length
            q += length
            continue
        if operation in (CIGAR_DEL, CIGAR_SKIP):
            if p < w1 and p + length > w0:
                n_gaps += 1
                net -= length
                if operation == CIGAR_SKIP and p < high_end and p + length > low_end:
                    is_skipped = True
            if anchor < 0 and p <= site_start < p + length:
                anchor = max(q - 1, 0)
            p += length
            continue
        if operation == CIGAR_SOFT and q == 0:
            p -= length
            left_end = length
        elif operation == CIGAR_SOFT:
            right_end = q
        i0, i1 = q + max(w0 - p, 0), q + min(length, w1 - p)
        if i0 < i1:
            if i0 < q0:
                q0, p0 = i0, p + i0 - q
            q1 = i1
        if anchor < 0 and p <= site_start < p + length:
            anchor = q + site_start - p
        if operation in (CIGAR_MATCH, CIGAR_EQUAL, CIGAR_UNEQUAL):
            for i in range(i0, i1):
                here = p + i - q
                base = base_at(data, sequence, i)
                code = reference[here - reference_start]
                if base in (ANY, SAME) or code == ANY or low_end <= here < high_end:
                    continue
                byte = data[quality + i]
                right += log_match[byte]
                if base == code:
                    outside += log_match[byte]
                else:
                    outside += log_mismatch[byte]
                    if byte >= min_mismatch_quality:
                        n_wrong += 1
        q += length
        p += length
    return (
        q0, q1, p0, net, n_gaps, n_wrong, anchor, left_end, right_end, is_skipped, right, outside
    )  # fmt: skip


@inner
def _fit_bases(
    data, sequence, quality, i0, i1, site, bases, offset, a_first, n_alleles, log_match,
    log_mismatch, outside, loglik,
):  # fmt: skip
    """Fill loglik where only the bases i0 to i1 of a read tell alleles of one length apart.

    site    : base of the read where alleles begin; outside : log-likelihood of its other bases
    returns : the best, that of right bases, and the least quality of them
    """
    best, perfect = -1e30, 0.0
    least = 255
    for i in range(i0, i1):
        byte = data[quality + i]
        perfect += log_match[byte]
        least = min(least, np.int64(byte))
    for a in range(n_alleles):
        total = 0.0
        for i in range(i0, i1):
            code = bases[offset[a_first + a] + i - site]
            base = base_at(data, sequence, i)
            byte = data[quality + i]
            if base in (ANY, SAME) or code == ANY:
                total += math.log(0.25)
            else:
                total += log_match[byte] if base == code else log_mismatch[byte]
        loglik[a] = total + outside
        best = max(best, total + outside)
    return best, perfect, least if i1 > i0 else 0


@inner
def _lay_haplotypes(
    reference, begin, site, after, end, bases, offset, a_first, n_alleles, gap_open, log_extend,
    log_close, haplotype, hap_length, opening, slip,
):  # fmt: skip
    """Fill the haplotype of each allele of a site, where gaps open in it, and how it may slip."""
    for a in range(n_alleles):
        hap_length[a] = lay_haplotype(
            reference, begin, site, after, end, bases, offset[a_first + a],
            offset[a_first + a + 1], haplotype[a],
        )  # fmt: skip
        open_gaps(haplotype[a], hap_length[a], gap_open, opening[:, a])
    for a in range(n_alleles):
        for b in range(n_alleles):
            slip[a, b] = log_slip(
                haplotype[a], hap_length[a], haplotype[b], hap_length[b], gap_open[1], log_extend,
                log_close,
            )  # fmt: skip


@inner
def _fit_haplotypes(
    data, sequence, quality, q0, q1, diagonal, net, band, offset, a_first, n_alleles, haplotype,
    hap_length, opening, slip, extend, log_extend, log_close, match, mismatch, hap_fit, state,
    loglik,
):  # fmt: skip
    """Fill loglik by aligning the bases q0 to q1 of a read to each haplotype; returns the best.

    diagonal : of the file's alignment, as far as it has no gap; net : bases of its gaps
    """
    net = min(max(net, -MAX_NET), MAX_NET)
    # The first allele whose haplotype the read equals, and the diagonal there.
    equal, equal_at, equal_fit = -1, np.int64(0), 0.0
    for a in range(n_alleles):
        d = _change(offset, a_first, a)
        for side in range(2):
            if equal < 0 and (side == 0 or d != 0):
                total = fit_without_gaps(
                    data, sequence, quality, q0, q1, haplotype[a], hap_length[a],
                    diagonal + side * d, match[1],
                )  # fmt: skip
                if total <= 0:
                    equal, equal_at, equal_fit = a, diagonal + side * d, total
    best = -1e30
    for a in range(n_alleles):
        d = _change(offset, a_first, a)
        if a == equal:
            total = equal_fit
        elif equal >= 0:
            total = fit_one_gap(
                data, sequence, quality, q0, q1, haplotype[a], hap_length[a], equal_at,
                equal_at + d - _change(offset, a_first, equal), opening[1, a], log_extend,
                log_close, match[1], mismatch[1],
            )  # fmt: skip
        else:
            low = diagonal + min(0, d, -net, d - net) - band
            high = diagonal + max(0, d, -net, d - net) + band
            high = min(high, low + state.shape[1] - 2)
            total = align(
                data, sequence, quality, q0, q1, haplotype[a], hap_length[a], low, high,
                opening[0, a], extend, match[0], mismatch[0], state,
            )  # fmt: skip
        loglik[a] = total
        best = max(best, total)
    # A fragment of one allele may have slipped, and look like another one.
    for a in range(n_alleles):
        hap_fit[a] = loglik[a]
    for a in range(n_alleles):
        for b in range(n_alleles):
            loglik[a] = max(loglik[a], hap_fit[b] + slip[a, b])
    return best


@inner
def _allow_elsewhere(loglik, n_alleles, best, n_bases, error):
    """The read may lie elsewhere, or be none of these: L_a (1 - e) + e x the best that is."""
    ceiling = max(best, n_bases * math.log(0.25))
    top = np.float32(-1e30)
    for a in range(n_alleles):
        ratio = (1.0 - error) * math.exp(loglik[a] - ceiling) + error
        loglik[a] = math.log(ratio)
        top = max(top, loglik[a])
    for a in range(n_alleles):
        loglik[a] -= top


@kernel
def add_genotypes(first, loglik, counts, n_alleles, total):
    """Sum over reads of the log-likelihood of each diplotype.

    first     : int64 (sites + 1,), rows of each site; loglik : float32 (rows, alleles)
    counts    : bool (rows,); n_alleles : int64 (sites,), alleles that each site has
    total     : float64 (sites, diplotypes), filled, in the order 00 01 11 02 12 22 ...
    """
    n_most = loglik.shape[1]
    for v in range(len(first) - 1):
        for g in range(total.shape[1]):
            total[v, g] = 0.0
        for row in range(first[v], first[v + 1]):
            if not counts[row]:
                continue
            g = 0
            for b in range(n_most):
                for a in range(b + 1):
                    if b < n_alleles[v]:
                        x, y = np.float64(loglik[row, a]), np.float64(loglik[row, b])
                        top = max(x, y)
                        total[v, g] += top + math.log(0.5 + 0.5 * math.exp(min(x, y) - top))
                    g += 1
        top = -1e30
        n = n_alleles[v] * (n_alleles[v] + 1) // 2
        for g in range(n):
            top = max(top, total[v, g])
        for g in range(total.shape[1]):
            total[v, g] = max(total[v, g] - top, -1e4) if g < n else -1e4
