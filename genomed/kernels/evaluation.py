"""One draw of people, each of them counted so many times: how well predictions did on it.

A bootstrap draw is an array of counts. What does not depend on it (the order of the predictions,
the loss of each person) is made once, so that a draw is one pass over people.
"""

import math

import numpy as np

from genomed.kernels.native import inner, kernel

__all__ = [
    "add_moments",
    "count_concordant",
    "count_ranked",
    "pool_violators",
    "sum_fitted",
    "sum_logistic",
    "tally",
]

FAR = 30.0  # a logit beyond which a probability says nothing more


@kernel
def tally(drawn, count):
    """Count how often each person was drawn.

    drawn : int32 (draws,)
    count : int32 (people,), zero on entry
    """
    for i in range(len(drawn)):
        count[drawn[i]] += 1


@kernel
def count_ranked(order, case, last, losses, probability, bins, count, n_above, out, sums):
    """Areas under the curves, losses, and what lies above a threshold.

    order       : int32 (n,), people from the highest prediction to the lowest
    case        : uint8 (n,), and all that follow in this order
    last        : uint8 (n,), the person is the last of those who share the prediction
    losses      : float64 (n, 2), log loss and squared error; (0, 2) where there are none
    probability : float64 (n,); (0,) where there is none
    bins        : int32 (n,), bin of the calibration curve; (0,) where there is none
    count       : int32 (n,), of people as they came
    n_above     : people, from the first on, who are above the threshold
    out         : float64 (8,): cases, controls, AUROC x cases x controls, average precision x
                  cases, sum of log losses, of squared errors, cases and controls above
    sums        : float64 (bins, 3), zero on entry: people, cases, sum of probabilities
    """
    n = len(order)
    for k in range(8):
        out[k] = 0.0
    cases, controls, area, precision = 0.0, 0.0, 0.0, 0.0
    new_cases, new_controls = 0.0, 0.0
    has_losses, has_bins = len(losses) > 0, len(bins) > 0
    for i in range(n):
        times = count[order[i]]
        if times > 0:
            c = np.float64(times)
            if case[i]:
                new_cases += c
            else:
                new_controls += c
            if has_losses:
                out[4] += c * losses[i, 0]
                out[5] += c * losses[i, 1]
            if has_bins:
                b = bins[i]
                sums[b, 0] += c
                sums[b, 2] += c * probability[i]
                if case[i]:
                    sums[b, 1] += c
        if last[i]:
            area += new_controls * (cases + 0.5 * new_cases)
            cases += new_cases
            controls += new_controls
            if new_cases > 0:
                precision += new_cases * cases / (cases + controls)
            new_cases, new_controls = 0.0, 0.0
        if i + 1 == n_above:
            out[6] = cases + new_cases
            out[7] = controls + new_controls
    out[0], out[1], out[2], out[3] = cases, controls, area, precision


@kernel
def sum_logistic(eta, case, count, intercept, slope, with_likelihood, out):
    """Score and information of a logistic regression on one variable.

    eta  : float64 (n,)
    case : uint8 (n,)
    out  : float64 (6,): both parts of the score; information 00, 01, 11; log likelihood, 0 where
           it is not asked for
    """
    s0, s1, i00, i01, i11, likelihood = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(eta)):
        if count[i] > 0:
            c = np.float64(count[i])
            z = min(max(intercept + slope * eta[i], -FAR), FAR)
            p = 1.0 / (1.0 + math.exp(-z))
            residual = c * ((1.0 if case[i] else 0.0) - p)
            weight = c * p * (1.0 - p)
            s0 += residual
            s1 += residual * eta[i]
            i00 += weight
            i01 += weight * eta[i]
            i11 += weight * eta[i] * eta[i]
            if with_likelihood:
                likelihood += c * (math.log(p) if case[i] else math.log(1.0 - p))
    out[0], out[1], out[2], out[3], out[4], out[5] = s0, s1, i00, i01, i11, likelihood


@kernel
def sum_fitted(eta, residual, weight, count, out):
    """The same, of a fit whose residuals and weights are known: float64 (n,) each."""
    s0, s1, i00, i01, i11 = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(eta)):
        c = np.float64(count[i])
        s0 += c * residual[i]
        s1 += c * residual[i] * eta[i]
        i00 += c * weight[i]
        i01 += c * weight[i] * eta[i]
        i11 += c * weight[i] * eta[i] * eta[i]
    out[0], out[1], out[2], out[3], out[4] = s0, s1, i00, i01, i11


@kernel
def add_moments(x, y, count, out):
    """Weighted sums of two numbers per person, best centred before.

    x, y : float64 (n,)
    out  : float64 (6,): people, x, y, xx, xy, yy
    """
    n, sx, sy, sxx, sxy, syy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(x)):
        c = np.float64(count[i])
        n += c
        sx += c * x[i]
        sy += c * y[i]
        sxx += c * x[i] * x[i]
        sxy += c * x[i] * y[i]
        syy += c * y[i] * y[i]
    out[0], out[1], out[2], out[3], out[4], out[5] = n, sx, sy, sxx, sxy, syy


@inner
def _add(tree, at, amount):
    """Add to one place of a binary indexed tree (Fenwick 1994, doi:10.1002/spe.4380240306)."""
    at += 1
    while at < len(tree):
        tree[at] += amount
        at += at & -at


@inner
def _below(tree, at):
    """Sum of the places before `at`."""
    total = 0.0
    while at > 0:
        total += tree[at]
        at -= at & -at
    return total


@kernel
def count_concordant(by_time, by_entry, time, entry, event, rank, count, tree, out):
    """Pairs of which the one with the event was predicted to have it earlier.

    by_time  : int32 (n,), people from the latest time to the earliest; at one time, those without
               the event come first
    by_entry : int32 (n,), people from the latest entry to the earliest; (0,) where all enter at 0
    time     : float64 (n,)
    entry    : float64 (n,), or (0,)
    event    : uint8 (n,)
    rank     : int32 (n,), of the prediction among the distinct ones, 0 the lowest
    tree     : float64 (ranks + 1,), zero on entry
    out      : float64 (3,): pairs that can be compared, concordant, tied in the prediction
    """
    n = len(by_time)
    compared, concordant, tied, inside = 0.0, 0.0, 0.0, 0.0
    leaving, first = 0, 0
    while first < n:
        now = time[by_time[first]]
        while leaving < len(by_entry) and entry[by_entry[leaving]] >= now:
            person = by_entry[leaving]
            if count[person] > 0:
                _add(tree, rank[person], -np.float64(count[person]))
                inside -= np.float64(count[person])
            leaving += 1
        stop = first
        while stop < n and time[by_time[stop]] == now and not event[by_time[stop]]:
            person = by_time[stop]
            if count[person] > 0:
                _add(tree, rank[person], np.float64(count[person]))
                inside += np.float64(count[person])
            stop += 1
        first = stop
        while stop < n and time[by_time[stop]] == now:
            person = by_time[stop]
            c = np.float64(count[person])
            if c > 0:
                lower = _below(tree, rank[person])
                same = _below(tree, rank[person] + 1) - lower
                compared += c * inside
                concordant += c * lower
                tied += c * same
            stop += 1
        while first < stop:
            person = by_time[first]
            if count[person] > 0:
                _add(tree, rank[person], np.float64(count[person]))
                inside += np.float64(count[person])
            first += 1
    out[0], out[1], out[2] = compared, concordant, tied


@kernel
def pool_violators(value, weight, first):
    """Least-squares ascending values: neighbours that descend are pooled (Ayer 1955).

    value  : float64 (n,); on return the values of the blocks
    weight : float64 (n,), above 0; on return the weights of the blocks
    first  : int64 (n,); on return the first place of each block
    returns: number of blocks
    """
    n_blocks = 0
    for i in range(len(value)):
        v, w, start = value[i], weight[i], i
        while n_blocks > 0 and value[n_blocks - 1] >= v:
            n_blocks -= 1
            total = weight[n_blocks] + w
            v = (value[n_blocks] * weight[n_blocks] + v * w) / total
            w, start = total, first[n_blocks]
        value[n_blocks], weight[n_blocks], first[n_blocks] = v, w, start
        n_blocks += 1
    return n_blocks
