"""Effect-allele dosages and their weighted sums, in an order that no setting can change.

A *feature* is one row of numbers over samples: the dosage of one allele at one record, recoded.

Its inputs, the same in every kernel here:

alt_count   : int8 (variants, samples), negative not called
call_ploidy : int8 of the same shape; looked at only if has_ploidy
call_dosage : float32 of the same shape, NaN unknown; looked at only if has_dosage, and then
              instead of alt_count
row, record_first, record_stop : int64 (features,), the row counted and the rows of its record
count       : int8 (features,), COUNT_ALT, COUNT_REF or COUNT_NONE
recode      : int8 (features,), ADDITIVE (d), DOMINANT (min(d, 1)), RECESSIVE (max(d - 1, 0)) or
              PRESENT (1)
scale       : float64 (features,), dosage of a call whose every allele is the effect allele: 2, or
              1 on Y and MT
"""

import numpy as np

from genomed.kernels.native import inner, kernel

__all__ = [
    "add_calls",
    "add_family",
    "add_family_missing",
    "add_missing",
    "add_scores",
    "fill_features",
    "summarise_features",
]

# What is counted: copies of the row's ALT, copies of the record's REF, or nothing (the effect
# allele is in no call, so every call holds 0 copies).
COUNT_ALT, COUNT_REF, COUNT_NONE = 0, 1, 2

ADDITIVE, DOMINANT, RECESSIVE, PRESENT = 0, 1, 2, 3


@inner
def _read_calls(
    alt_count, call_ploidy, has_ploidy, call_dosage, has_dosage, v, first, stop, count,
    first_sample, n, copies, ploidy,
):  # fmt: skip
    """Effect-allele copies and ploidy (0 without a call) of n samples, float64, for one feature."""
    calls = alt_count[v]
    for i in range(n):
        c = calls[first_sample + i]
        copies[i] = float(c)
        ploidy[i] = 2.0 if c >= 0 else 0.0
    if has_ploidy:
        for i in range(n):
            if ploidy[i] > 0:
                ploidy[i] = float(call_ploidy[v, first_sample + i])
    if has_dosage:  # a dosage may be known where no call was made, and the other way round
        for i in range(n):
            copies[i] = call_dosage[v, first_sample + i]
            if not copies[i] >= 0:
                ploidy[i] = 0.0
            elif ploidy[i] == 0:
                ploidy[i] = 2.0
    if count == COUNT_REF:
        for i in range(n):
            copies[i] = ploidy[i]
        for r in range(first, stop):
            for i in range(n):
                if has_dosage:
                    copies[i] -= call_dosage[r, first_sample + i]
                else:
                    copies[i] -= float(alt_count[r, first_sample + i])
        if has_dosage:
            for i in range(n):
                if np.isnan(copies[i]):  # another ALT's dosage is not known, so neither is REF's
                    ploidy[i] = 0.0
    elif count == COUNT_NONE:
        for i in range(n):
            copies[i] = 0.0


@inner
def _recoded(d, recode):
    if recode == ADDITIVE:
        return d
    if recode == DOMINANT:
        return min(d, 1.0)
    if recode == RECESSIVE:
        return max(d - 1.0, 0.0)
    return 1.0


@kernel
def summarise_features(
    alt_count, call_ploidy, has_ploidy, call_dosage, has_dosage, row, record_first, record_stop,
    count, recode, scale, first, stop, frequency, mean, n_called, copies, ploidy,
):  # fmt: skip
    """Effect-allele frequency, mean of the recoded dosage, and called samples of some features.

    first, stop : features to work on
    frequency   : float64 (features,) out, copies over called alleles; NaN without calls
    mean        : float64 (features,) out; scale x frequency when additive, else the mean over
                  called samples; NaN without calls
    n_called    : int64 (features,) out
    copies, ploidy : float64 (samples,), scratch
    """
    n = alt_count.shape[1]
    for k in range(first, stop):
        if count[k] == COUNT_ALT and recode[k] == ADDITIVE and not (has_ploidy or has_dosage):
            called, alts = 0, 0
            calls = alt_count[row[k]]
            for at in range(0, n, 4096):  # int32 in the inner loop is twice as fast
                some, of_them = np.int32(0), np.int32(0)
                for i in range(at, min(at + 4096, n)):
                    c = np.int32(calls[i])
                    some += np.int32(c >= 0)
                    of_them += max(c, np.int32(0))
                called += int(some)
                alts += int(of_them)
            n_called[k] = called
            frequency[k] = alts / (2.0 * called) if called else np.nan
            mean[k] = scale[k] * frequency[k]
            continue
        _read_calls(
            alt_count, call_ploidy, has_ploidy, call_dosage, has_dosage, row[k], record_first[k],
            record_stop[k], count[k], 0, n, copies, ploidy,
        )  # fmt: skip
        total, alleles, recoded, called = 0.0, 0.0, 0.0, 0
        for i in range(n):
            if ploidy[i] > 0:
                called += 1
                total += copies[i]
                alleles += ploidy[i]
        n_called[k] = called
        frequency[k] = total / alleles if called else np.nan
        if recode[k] == ADDITIVE:
            mean[k] = scale[k] * frequency[k]
            continue
        for i in range(n):
            if ploidy[i] > 0:
                recoded += _recoded(copies[i] * (scale[k] / ploidy[i]), recode[k])
        mean[k] = recoded / called if called else np.nan


@kernel
def fill_features(
    alt_count, call_ploidy, has_ploidy, call_dosage, has_dosage, row, record_first, record_stop,
    count, recode, scale, fill, first_sample, stop_sample, x, ploidy,
):  # fmt: skip
    """Write the recoded effect-allele dosage of some samples into x.

    fill : float64 (features,), stands for a call that was not made
    x    : float64 (at least features, stop_sample - first_sample), written from column 0 on
    ploidy : float64 (at least stop_sample - first_sample,), scratch
    """
    n = stop_sample - first_sample
    for k in range(len(row)):
        out = x[k]
        _read_calls(
            alt_count, call_ploidy, has_ploidy, call_dosage, has_dosage, row[k], record_first[k],
            record_stop[k], count[k], first_sample, n, out, ploidy,
        )  # fmt: skip
        for i in range(n):
            if ploidy[i] > 0:
                out[i] = _recoded(out[i] * (scale[k] / ploidy[i]), recode[k])
            else:
                out[i] = fill[k]


@kernel
def add_scores(
    x, term_feature, term_weight, model_first, model_stop, models, first_sample, stop_sample, sums
):
    """sums[m, s] += weight x dosage, one term after the other in the order given.

    x            : float64 (features, stop_sample - first_sample)
    term_feature : int64 (terms,), row of x; terms of one model are contiguous
    term_weight  : float64 (terms,)
    model_first, model_stop, models : int64 (k,), range of terms, and row of `sums`, of each model
    sums         : float64 (models, samples), columns first_sample:stop_sample are changed
    """
    n = stop_sample - first_sample
    for i in range(len(models)):
        total = sums[models[i], first_sample:stop_sample]
        t = model_first[i]
        while t + 4 <= model_stop[i]:  # the sum's order is that of the plain loop below
            a, b = x[term_feature[t]], x[term_feature[t + 1]]
            c, d = x[term_feature[t + 2]], x[term_feature[t + 3]]
            wa, wb = term_weight[t], term_weight[t + 1]
            wc, wd = term_weight[t + 2], term_weight[t + 3]
            for s in range(n):
                total[s] = (((total[s] + wa * a[s]) + wb * b[s]) + wc * c[s]) + wd * d[s]
            t += 4
        while t < model_stop[i]:
            a, wa = x[term_feature[t]], term_weight[t]
            for s in range(n):
                total[s] = total[s] + wa * a[s]
            t += 1


@kernel
def add_family(x, term_feature, term_weight, members, first_sample, stop_sample, sums):
    """add_scores for models that share their terms.

    term_weight : float64 (members, terms)
    """
    n = stop_sample - first_sample
    n_terms = len(term_feature)
    for i in range(len(members)):
        total = sums[members[i], first_sample:stop_sample]
        weight = term_weight[i]
        t = 0
        while t + 4 <= n_terms:
            a, b = x[term_feature[t], :n], x[term_feature[t + 1], :n]
            c, d = x[term_feature[t + 2], :n], x[term_feature[t + 3], :n]
            wa, wb, wc, wd = weight[t], weight[t + 1], weight[t + 2], weight[t + 3]
            for s in range(n):
                total[s] = (((total[s] + wa * a[s]) + wb * b[s]) + wc * c[s]) + wd * d[s]
            t += 4
        while t < n_terms:
            a, wa = x[term_feature[t], :n], weight[t]
            for s in range(n):
                total[s] = total[s] + wa * a[s]
            t += 1


@kernel
def add_family_missing(
    alt_count, call_dosage, has_dosage, entry_row, entry_first, entry_stop, variance,
    entry_alleles, first_sample, stop_sample, n_missing, missing_share, missing_alleles,
):  # fmt: skip
    """add_missing for models that share their variants.

    variance      : float64 (entries, members), the share each entry has in each model
    n_missing     : int32 (samples,); missing_alleles : float64 (samples,)
    missing_share : float64 (samples, members)
    """
    for e in range(len(entry_row)):
        calls = alt_count[entry_row[e]]
        for s in range(first_sample, stop_sample):
            missing = calls[s] < 0
            if has_dosage:
                missing = False
                for r in range(entry_first[e], entry_stop[e]):
                    if not call_dosage[r, s] >= 0:
                        missing = True
            if missing:
                n_missing[s] += 1
                missing_alleles[s] += entry_alleles[e]
                total, each = missing_share[s], variance[e]
                for m in range(len(each)):
                    total[m] += each[m]


@kernel
def add_calls(
    alt_count, row, offset, factor, fill, weight, model_first, model_stop, models, first_sample,
    stop_sample, sums,
):  # fmt: skip
    """What fill_features and add_scores do, to the bit, for plain diploid calls of one ALT.

    offset, factor : float64 (terms,); the dosage is offset + factor x copies: (0, 1) counts the
                     ALT, (2, -1) the REF, half of each on Y and MT
    fill, weight   : float64 (terms,); row : int64 (terms,), row of alt_count
    model_first, model_stop, models : as in add_scores
    """
    n = stop_sample - first_sample
    for i in range(len(models)):
        total = sums[models[i], first_sample:stop_sample]
        t = model_first[i]
        while t + 2 <= model_stop[i]:
            a = alt_count[row[t], first_sample:stop_sample]
            b = alt_count[row[t + 1], first_sample:stop_sample]
            oa, ob, fa, fb = offset[t], offset[t + 1], factor[t], factor[t + 1]
            na, nb, wa, wb = fill[t], fill[t + 1], weight[t], weight[t + 1]
            for s in range(n):
                ca, cb = float(a[s]), float(b[s])
                xa = oa + fa * ca if ca >= 0.0 else na
                xb = ob + fb * cb if cb >= 0.0 else nb
                total[s] = (total[s] + wa * xa) + wb * xb
            t += 2
        while t < model_stop[i]:
            a = alt_count[row[t], first_sample:stop_sample]
            oa, fa, na, wa = offset[t], factor[t], fill[t], weight[t]
            for s in range(n):
                ca = float(a[s])
                xa = oa + fa * ca if ca >= 0.0 else na
                total[s] = total[s] + wa * xa
            t += 1


@kernel
def add_missing(
    alt_count, call_dosage, has_dosage, entry_row, entry_first, entry_stop, entry_model,
    entry_share, entry_alleles, first_sample, stop_sample, n_missing, missing_share,
    missing_alleles,
):  # fmt: skip
    """Add up, per model and sample, the entries without a call, their share and their alleles.

    entry_row, entry_model : int64 (entries,)
    entry_first, entry_stop : int64 (entries,), rows whose dosages must be known: those of the
                             record where REF is counted, else the one row. Neighbours that agree in
                             these and in the row are looked at together
    entry_share            : float64 (entries,), share of the model's variance
    entry_alleles          : float64 (entries,), 2, or 1 on Y and MT
    n_missing              : int32 (models, samples), added to; missing_share and missing_alleles
                             float64 likewise
    """
    at = 0
    while at < len(entry_row):
        v = entry_row[at]
        stop = at
        while (
            stop < len(entry_row)
            and entry_row[stop] == v
            and entry_first[stop] == entry_first[at]
            and entry_stop[stop] == entry_stop[at]
        ):
            stop += 1
        calls = alt_count[v]
        for start in range(first_sample, stop_sample, 64):
            end = min(start + 64, stop_sample)
            signs = np.int8(-1)
            if not has_dosage:
                signs = np.int8(0)
                some = calls[start:end]
                for i in range(len(some)):  # 64 calls in a few instructions
                    signs |= some[i]
            if signs >= 0:  # everybody is called
                continue
            for s in range(start, end):
                missing = calls[s] < 0
                if has_dosage:
                    missing = False
                    for r in range(entry_first[at], entry_stop[at]):
                        if not call_dosage[r, s] >= 0:
                            missing = True
                if missing:
                    for e in range(at, stop):
                        m = entry_model[e]
                        n_missing[m, s] += 1
                        missing_share[m, s] += entry_share[e]
                        missing_alleles[m, s] += entry_alleles[e]
        at = stop
