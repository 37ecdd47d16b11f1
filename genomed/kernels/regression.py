"""Regression on packed calls: products of columns with residuals, and coordinate descent.

A column of a design is a row of packed calls with the value that each of the four codes has. The
words are looked at as halves, 16 calls each, and everything per sample lies in "slices": slice k
holds the samples whose call is the k-th of its half, so that sample 16 h + k is at [k, h]. All
loops over samples then run over neighbours, with one shift for all, and become vector code.

Products are float32 in a fixed order: every entry of `sums` adds up 16 samples at a stretch, and
the entries are added by halving. Results do not depend on threads.
"""

import numpy as np

from genomed.kernels.native import inner, kernel

__all__ = ["adapt", "add_columns", "decode_columns", "descend", "find_moments", "weigh_codes"]

LOW = np.uint32(1)
HIGH = np.uint32(2)


@inner
def _pick(code, v0, v1, v2, v3):
    """The value of the lower two bits of a code."""
    below = v1 if code & LOW else v0
    above = v3 if code & LOW else v2
    return above if code & HIGH else below


@inner
def _total(sums):
    """Add up by halving; `sums` is used up."""
    n = len(sums)
    while n > 1:
        half = (n + 1) >> 1
        for h in range(n - half):
            sums[h] += sums[half + h]
        n = half
    return np.float64(sums[0])


@inner
def _dot_packed(calls, v0, v1, v2, v3, u, sums):
    """Sum over samples of a packed column times u."""
    n = len(calls)
    for h in range(n):
        sums[h] = np.float32(0)
    for k in range(0, 16, 4):
        a, b, c, d = u[k], u[k + 1], u[k + 2], u[k + 3]
        first = np.uint32(2 * k)
        second, third, fourth = np.uint32(2 * k + 2), np.uint32(2 * k + 4), np.uint32(2 * k + 6)
        for h in range(n):
            code = calls[h]
            sums[h] += (
                _pick(code >> first, v0, v1, v2, v3) * a[h]
                + _pick(code >> second, v0, v1, v2, v3) * b[h]
            ) + (
                _pick(code >> third, v0, v1, v2, v3) * c[h]
                + _pick(code >> fourth, v0, v1, v2, v3) * d[h]
            )
    return _total(sums)


@inner
def _dot_dense(x, u, sums):
    """Sum over samples of a dense column times u."""
    n = u.shape[1]
    for h in range(n):
        sums[h] = np.float32(0)
    for k in range(16):
        a, b = x[k], u[k]
        for h in range(n):
            sums[h] += a[h] * b[h]
    return _total(sums)


@inner
def _subtract_packed(calls, v0, v1, v2, v3, w, u):
    """u -= w x, for a packed column x."""
    n = len(calls)
    for k in range(16):
        a, b = u[k], w[k]
        shift = np.uint32(2 * k)
        for h in range(n):
            a[h] -= _pick(calls[h] >> shift, v0, v1, v2, v3) * b[h]


@inner
def _subtract_dense(x, delta, w, u):
    """u -= delta w x, for a dense column x."""
    for k in range(16):
        a, b, c = u[k], w[k], x[k]
        for h in range(u.shape[1]):
            a[h] -= delta * c[h] * b[h]


@inner
def _decode(calls, v0, v1, v2, v3, out):
    """Values of one packed column: (16, halves)."""
    for k in range(16):
        part = out[k]
        shift = np.uint32(2 * k)
        for h in range(len(calls)):
            part[h] = _pick(calls[h] >> shift, v0, v1, v2, v3)


@kernel
def decode_columns(halves, row, value, out):
    """Values of packed columns.

    halves : uint32 (variants, halves), the words of packed calls
    row    : int64 (columns,), rows of halves
    value  : float32 (columns, 4)
    out    : float32 (columns, 16, halves), filled
    """
    for j in range(len(row)):
        _decode(halves[row[j]], value[j, 0], value[j, 1], value[j, 2], value[j, 3], out[j])


@kernel
def weigh_codes(halves, weight, sums, out):
    """Add up the weights of the samples with each code.

    halves : uint32 (variants, halves)
    weight : float64 (16, halves)
    sums   : float64 (3, halves), scratch
    out    : float64 (variants, 4), filled: weight with 0, 1, 2 copies of ALT, and not called
    """
    n = halves.shape[1]
    zero = np.float64(0)
    whole = zero
    for k in range(16):
        for h in range(n):
            whole += weight[k, h]
    first, second, third = sums[0], sums[1], sums[2]
    for v in range(len(halves)):
        calls = halves[v]
        for h in range(n):
            first[h] = zero
            second[h] = zero
            third[h] = zero
        for k in range(16):
            part = weight[k]
            shift = np.uint32(2 * k)
            for h in range(n):
                code = calls[h] >> shift
                first[h] += _pick(code, zero, part[h], zero, zero)
                second[h] += _pick(code, zero, zero, part[h], zero)
                third[h] += _pick(code, zero, zero, zero, part[h])
        out[v, 1] = _total(first)
        out[v, 2] = _total(second)
        out[v, 3] = _total(third)
        out[v, 0] = whole - out[v, 1] - out[v, 2] - out[v, 3]


@kernel
def add_columns(halves, row, value, dense, index, coefficient, out):
    """Add coefficients times columns, in float64.

    halves      : uint32 (variants, halves)
    row         : int64 (packed,), rows of halves of the packed columns
    value       : float32 (packed, 4)
    dense       : float32 (dense, 16, halves), further columns
    index       : int64 (m,), columns; those from `packed` on are dense
    coefficient : float64 (m,)
    out         : float64 (16, halves), added to
    """
    n = halves.shape[1]
    for j in range(len(index)):
        b = coefficient[j]
        i = index[j]
        if i >= len(row):
            x = dense[i - len(row)]
            for k in range(16):
                part, values = out[k], x[k]
                for h in range(n):
                    part[h] += b * values[h]
            continue
        calls = halves[row[i]]
        v0, v1, v2, v3 = value[i, 0] * b, value[i, 1] * b, value[i, 2] * b, value[i, 3] * b
        for k in range(16):
            part = out[k]
            shift = np.uint32(2 * k)
            for h in range(n):
                part[h] += _pick(calls[h] >> shift, v0, v1, v2, v3)


@kernel
def find_moments(halves, row, value, dense, index, basis, w, x, sums, along, curvature):
    """Sums over samples of columns times each of some vectors, and of weights times their squares.

    halves, row, value, dense, index : columns, as in add_columns
    basis     : float32 (q, 16, halves)
    w         : float32 (16, halves)
    x         : float32 (16, halves), scratch
    sums      : float32 (halves,), scratch
    along     : float64 (m, q), filled
    curvature : float64 (m,), filled
    """
    packed = len(row)
    for j in range(len(index)):
        i = index[j]
        if i < packed:
            _decode(halves[row[i]], value[i, 0], value[i, 1], value[i, 2], value[i, 3], x)
        else:
            for k in range(16):
                part, values = x[k], dense[i - packed, k]
                for h in range(len(sums)):
                    part[h] = values[h]
        for q in range(len(basis)):
            along[j, q] = _dot_dense(x, basis[q], sums)
        for k in range(16):
            part = x[k]
            for h in range(len(sums)):
                part[h] *= part[h]
        curvature[j] = _dot_dense(x, w, sums)


@kernel
def descend(
    halves, row, value, dense, index, along, curvature, l1, l2, beta, u, w, g, sums, tolerance,
    max_cycles,
):  # fmt: skip
    """Minimise a penalised weighted sum of squares over some columns, one coordinate at a time.

    Covariates Q without penalty, orthonormal in the weights (Q'WQ = 1), are eliminated exactly: the
    gradient of column x is x'u - a'g, with a = Q'Wx, while only u and g = Q'u are kept up to date.
    Cycles run over the columns in use until they rest, then over all (Friedman 2010).

    halves, row, value, dense, index : columns, as in add_columns
    along      : float64 (m, q), a of each column
    curvature  : float64 (m,), x'Wx - a'a; a column without is passed over
    l1, l2     : float64 (m,), penalties times the sum of weights
    beta       : float64 (m,), changed
    u          : float32 (16, halves), weighted residuals, changed: u -= W x delta
    w          : float32 (16, halves), weights
    g          : float64 (q,), changed
    sums       : float32 (halves,), scratch
    tolerance  : a cycle rests when no curvature x delta^2 is greater
    max_cycles : most cycles
    returns    : cycles made, the largest curvature x delta^2 of any, and of the last over all
    """
    packed, m = len(row), len(index)
    overall = 0.0
    last = np.inf
    everything = True
    cycles = 0
    while cycles < max_cycles:
        cycles += 1
        largest = 0.0
        for j in range(m):
            old = beta[j]
            d = curvature[j]
            if d <= 0 or (old == 0 and not everything):
                continue
            i = index[j]
            v0 = v1 = v2 = v3 = np.float32(0)
            if i < packed:
                v0, v1, v2, v3 = value[i, 0], value[i, 1], value[i, 2], value[i, 3]
                gradient = _dot_packed(halves[row[i]], v0, v1, v2, v3, u, sums)
            else:
                gradient = _dot_dense(dense[i - packed], u, sums)
            for q in range(len(g)):
                gradient -= along[j, q] * g[q]
            gradient += d * old
            new = 0.0
            if gradient > l1[j]:
                new = (gradient - l1[j]) / (d + l2[j])
            elif gradient < -l1[j]:
                new = (gradient + l1[j]) / (d + l2[j])
            delta = new - old
            if delta == 0:
                continue
            beta[j] = new
            step = np.float32(delta)
            if i < packed:
                _subtract_packed(halves[row[i]], v0 * step, v1 * step, v2 * step, v3 * step, w, u)
            else:
                _subtract_dense(dense[i - packed], step, w, u)
            for q in range(len(g)):
                g[q] -= along[j, q] * delta
            largest = max(largest, d * delta * delta)
        overall = max(overall, largest)
        if everything:
            last = largest
            if largest <= tolerance:
                break
        everything = largest <= tolerance
    return cycles, overall, last


@kernel
def adapt(
    halves, row, value, dense, along, curvature, chance, spread, factor, noise, beta, u, w, g,
    sums, odds, counts,
):  # fmt: skip
    """One cycle over all columns of a regression whose effects come from a mixture of normals.

    An effect is normal with variance noise x spread[k] x factor[j] with chance[k]. Given the means
    of all others, its posterior is a mixture again, and beta becomes its mean (coordinate ascent
    of the evidence's lower bound, Kim 2024).

    halves .. dense, along, curvature, beta, u, w, g, sums : as in descend, for all columns
    chance, spread : float64 (k,), the first spread is 0
    factor         : float64 (columns,)
    odds           : float64 (k,), scratch
    counts         : float64 (k,), the posterior chances of all columns are added
    returns        : sum of curvature (estimate - beta) beta, largest curvature x delta^2
    """
    packed, m, n_spreads = len(row), len(curvature), len(spread)
    slack = 0.0
    largest = 0.0
    for j in range(m):
        d = curvature[j]
        if d <= 0:
            continue
        v0 = v1 = v2 = v3 = np.float32(0)
        if j < packed:
            v0, v1, v2, v3 = value[j, 0], value[j, 1], value[j, 2], value[j, 3]
            gradient = _dot_packed(halves[row[j]], v0, v1, v2, v3, u, sums)
        else:
            gradient = _dot_dense(dense[j - packed], u, sums)
        for q in range(len(g)):
            gradient -= along[j, q] * g[q]
        old = beta[j]
        gradient += d * old
        most = -np.inf
        for k in range(n_spreads):
            reach = 1 + d * spread[k] * factor[j]
            odds[k] = np.log(chance[k]) - 0.5 * np.log(reach)
            odds[k] += 0.5 * gradient * gradient * spread[k] * factor[j] / (noise * reach)
            most = max(most, odds[k])
        whole = 0.0
        new = 0.0
        for k in range(n_spreads):
            odds[k] = np.exp(odds[k] - most)
            whole += odds[k]
            new += odds[k] * gradient * spread[k] * factor[j] / (1 + d * spread[k] * factor[j])
        new /= whole
        for k in range(n_spreads):
            counts[k] += odds[k] / whole
        slack += (gradient - d * new) * new
        delta = new - old
        beta[j] = new
        step = np.float32(delta)
        if j < packed:
            _subtract_packed(halves[row[j]], v0 * step, v1 * step, v2 * step, v3 * step, w, u)
        else:
            _subtract_dense(dense[j - packed], step, w, u)
        for q in range(len(g)):
            g[q] -= along[j, q] * delta
        largest = max(largest, d * delta * delta)
    return slack, largest
