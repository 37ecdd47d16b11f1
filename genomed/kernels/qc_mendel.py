"""Calls of children beside those of their parents."""

import numpy as np

from genomed.kernels.native import inner, kernel

__all__ = ["check_trios"]

_X, _NOT_CHECKED = 3, 4  # places on X, and from Y on: see genomed.stats.variants.PLACES


@inner
def _code(row, s):
    return np.int64((row[s >> 5] >> np.uint64(2 * (s & 31))) & np.uint64(3))


@kernel
def check_trios(words, place, child, father, mother, son, table, errors, by_blame):
    """Look every trio up at every variant.

    words                 : uint64 (variants, words), packed calls
    place                 : int8 (variants,)
    child, father, mother : int64 (trios,), samples
    son                   : bool (trios,)
    table                 : int8 (3, 4, 4, 4), see genomed.stats.mendel.error_table
    errors                : int32 (variants,), added to
    by_blame              : int64 (trios, 5), added to in the column that the table names
    """
    for v in range(words.shape[0]):
        if place[v] >= _NOT_CHECKED:
            continue
        row = words[v]
        carried = np.uint64(0)
        for w in range(len(row)):
            carried |= (row[w] ^ (row[w] >> np.uint64(1))) & np.uint64(0x5555555555555555)
        if carried == np.uint64(0):
            continue
        for t in range(len(child)):
            where = 0
            if place[v] == _X:
                where = 2 if son[t] else 1
            c, f, m = _code(row, child[t]), _code(row, father[t]), _code(row, mother[t])
            blame = table[where, c, f, m]
            if blame:
                errors[v] += np.int32(1)
                by_blame[t, blame] += 1
