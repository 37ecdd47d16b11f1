"""Sums over people by the calls of one variant, or of two, and the tests that need no more.

Everything that a model of one variant or of a pair needs is a sum over the people with the same
call (four cells: 0, 1 or 2 copies, not called) or with the same two calls (sixteen). People with
the commonest call of a variant are never visited: their sums are what is left of the total. So a
pair costs as many additions as there are people with neither commonest call.
"""

import numpy as np

from genomed.kernels.bits import LOW_BITS, count_ones
from genomed.kernels.native import inner, kernel

__all__ = ["FOUND", "cell_sums", "code_sums", "find_large", "pair_rows", "test_pairs"]

ONE = np.uint64(1)
THREE = np.uint64(3)
WEIGHT, RESIDUAL, BASIS = 0, 1, 2  # columns of the moments
EMPTY = 1e-9  # of a regressor's own square: what is left of it then is rounding
FOUND = ("beta", "information", "tolerance", "r", "parents", "pair")
CHUNK = 64
SIZE = np.int32(0x7FFFFFFF)  # all bits of a float32 but the sign


@inner
def _uncommon(word, common, keep):
    """The lower bit of everyone to keep whose call is not the commonest."""
    other = word ^ (LOW_BITS * np.uint64(common))
    return (other | (other >> ONE)) & keep


@kernel
def code_sums(words, keep, common, moments, total, out):
    """Add up moments over the people with each call.

    words   : uint64 (variants, words), see genomed.kernels.packed
    keep    : uint64 (words,), the lower bit of every kept sample's two is set
    common  : int64 (variants,), the commonest call, 0 to 3
    moments : float64 (samples padded to whole words, q)
    total   : float64 (q,), their sums over the people to keep
    out     : float64 (variants, 4, q), filled
    """
    q = moments.shape[1]
    for v in range(words.shape[0]):
        sums = out[v]
        sums[:] = 0.0
        for w in range(words.shape[1]):
            word = words[v, w]
            bits = _uncommon(word, common[v], keep[w])
            while bits != np.uint64(0):
                shift = np.uint64(count_ones(~bits & (bits - ONE)))
                bits &= bits - ONE
                code = np.int64((word >> shift) & THREE)
                s = 32 * w + (np.int64(shift) >> 1)
                for t in range(q):
                    sums[code, t] += moments[s, t]
        for t in range(q):
            rest = total[t]
            for call in range(4):
                if call != common[v]:
                    rest -= sums[call, t]
            sums[common[v], t] = rest


@inner
def _fill_cells(words, keep, common, moments, margins, total, i, j, cells):
    """Moments of the people with each pair of calls: cell 4 x (call of i) + (call of j)."""
    q = moments.shape[1]
    ci, cj = common[i], common[j]
    cells[:] = 0.0
    for w in range(words.shape[1]):
        first, second = words[i, w], words[j, w]
        bits = _uncommon(first, ci, keep[w]) & _uncommon(second, cj, keep[w])
        while bits != np.uint64(0):
            shift = np.uint64(count_ones(~bits & (bits - ONE)))
            bits &= bits - ONE
            cell = 4 * np.int64((first >> shift) & THREE) + np.int64((second >> shift) & THREE)
            s = 32 * w + (np.int64(shift) >> 1)
            if q == 2:  # a loop would cost more than the additions
                cells[cell, 0] += moments[s, 0]
                cells[cell, 1] += moments[s, 1]
            else:
                for t in range(q):
                    cells[cell, t] += moments[s, t]
    for t in range(q):
        rest = total[t]
        for a in range(4):
            if a != ci:
                here = margins[i, a, t]
                for b in range(4):
                    if b != cj:
                        here -= cells[4 * a + b, t]
                cells[4 * a + cj, t] = here
                rest -= margins[i, a, t]
        for b in range(4):
            if b != cj:
                here = margins[j, b, t]
                for a in range(4):
                    if a != ci:
                        here -= cells[4 * a + b, t]
                cells[4 * ci + b, t] = here
                rest -= here
        cells[4 * ci + cj, t] = rest


@kernel
def cell_sums(words, keep, common, moments, margins, total, first, second, out):
    """Add up moments over the people with each pair of calls.

    words .. total : as in code_sums; margins as it leaves them
    first, second  : int64 (pairs,), places of the variants
    out            : float64 (pairs, 16, q), filled: cell 4 x (call of first) + (call of second)
    """
    for p in range(len(first)):
        _fill_cells(words, keep, common, moments, margins, total, first[p], second[p], out[p])


@inner
def _code_of(value, i, j, f, n_parents, a, b):
    """Regressor f of someone with call a of variant i and call b of variant j."""
    if f == n_parents:
        return value[i, a, 0] * value[j, b, 0]
    if f & 1:
        return value[j, b, f >> 1]
    return value[i, a, f >> 1]


@kernel
def test_pairs(
    words, keep, common, moments, margins, total, value, n_parents, first, second,
    cells, shadow, gram, out,
):  # fmt: skip
    """Regress on the product of two variants' codes, beside covariates and the variants themselves.

    words .. total : as in code_sums; the moments are weight, residual, and weight x each column of
                     a basis that is orthonormal under the weights and holds the constant; without
                     such columns the basis is the constant
    value          : float64 (variants, 4, 2), additive and dominance code of every call, centred
                     and scaled so that their squares add up to the total weight; 0 for 3
    n_parents      : 2, additive codes; 4, dominance codes too
    first, second  : int64 (pairs,), places of the variants
    cells, shadow, gram : float64 (16, q), (5, max(1, q - 2)), (5, 6): scratch
    out            : float64 (pairs, 6), filled, as FOUND: coefficient of the product and its
                     information (NaN and 0 when it is a combination of the others), share of the
                     product's variance beside the covariates that its variants do not explain, the
                     correlation of the additive codes, the squares that the variants and then the
                     product explain
    """
    k = moments.shape[1] - BASIS
    n = n_parents + 1
    for p in range(len(first)):
        i, j = first[p], second[p]
        _fill_cells(words, keep, common, moments, margins, total, i, j, cells)
        gram[:] = 0.0
        shadow[:] = 0.0
        for a in range(4):
            for b in range(4):
                cell = cells[4 * a + b]
                for f in range(n):
                    x = _code_of(value, i, j, f, n_parents, a, b)
                    if x == 0.0:
                        continue
                    for g in range(f, n):
                        y = _code_of(value, i, j, g, n_parents, a, b)
                        gram[f, g] += x * y * cell[WEIGHT]
                    gram[f, n] += x * cell[RESIDUAL]
                    for t in range(k):
                        shadow[f, t] += x * cell[BASIS + t]
                    if k == 0:
                        shadow[f, 0] += x * cell[WEIGHT]
        for f in range(n):
            for g in range(f, n):
                inside = 0.0
                for t in range(max(1, k)):
                    inside += shadow[f, t] * shadow[g, t]
                gram[f, g] -= inside if k > 0 else inside / total[WEIGHT]
        r_scale = gram[0, 0] * gram[1, 1]
        r = gram[0, 1] / np.sqrt(r_scale) if r_scale > 0.0 else 0.0
        own = gram[n_parents, n_parents]
        explained = 0.0
        for f in range(n_parents):
            pivot = gram[f, f]
            if pivot <= EMPTY * total[WEIGHT]:
                continue
            explained += gram[f, n] * gram[f, n] / pivot
            for g in range(f + 1, n):
                factor = gram[f, g] / pivot
                for h in range(g, n + 1):
                    gram[g, h] -= factor * gram[f, h]
        left = gram[n_parents, n_parents]
        good = own > 0.0 and left > EMPTY * own and left > EMPTY * total[WEIGHT]
        score = gram[n_parents, n]
        out[p, 0] = score / left if good else np.nan
        out[p, 1] = left if good else 0.0
        out[p, 2] = left / own if good else 0.0
        out[p, 3] = r
        out[p, 4] = explained
        out[p, 5] = score * score / left if good else 0.0


@kernel
def pair_rows(words, n_samples, first, second, value, out):
    """Give everyone the value of their two calls.

    words         : uint64 (variants, words)
    first, second : int64 (pairs,), places of the variants
    value         : float32 (pairs, 4, 4), by the calls of first and of second
    out           : float32 (pairs, samples), filled
    """
    for p in range(len(first)):
        table = value[p]
        for w in range((n_samples + 31) // 32):
            a, b = words[first[p], w], words[second[p], w]
            for s in range(32 * w, min(n_samples, 32 * w + 32)):
                out[p, s] = table[np.int64(a & THREE), np.int64(b & THREE)]
                a >>= np.uint64(2)
                b >>= np.uint64(2)


@kernel
def find_large(tile, bits, limit, limit_bits, diagonal, at, value):
    """List the elements of a tile whose size is a limit or more, row by row.

    Floats of one sign are in the order of their bits taken as integers, which compare faster.

    tile     : float32 (rows, columns)
    bits     : the same as int32
    limit    : elements of at least this size; a float32, and limit_bits its bits
    diagonal : only elements with column - row above this
    at       : int64 (room, 2), filled: row and column
    value    : float32 (room,), filled
    returns  : how many there are; beyond the room they are counted, but not listed
    """
    n_rows, n_columns = tile.shape
    bound, bound_bits = np.float32(limit), np.int32(limit_bits - 1)
    room = len(value)
    n = 0
    for i in range(n_rows):
        row = tile[i]
        begin = max(0, i + diagonal + 1)
        begin -= begin % CHUNK
        for start in range(begin, n_columns, CHUNK):
            stop = min(start + CHUNK, n_columns)
            short = np.int32(0)
            for x in bits[i, start:stop]:
                short |= np.int32(bound_bits - np.int32(x & SIZE))
            if short >= 0:
                continue
            for j in range(start, stop):
                if abs(row[j]) >= bound and j - i > diagonal:
                    if n < room:
                        at[n, 0] = i
                        at[n, 1] = j
                        value[n] = row[j]
                    n += 1
    return n
