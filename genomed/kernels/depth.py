"""Loops over alignments that add up depth, and over depths that summarise it.

Depth is kept as differences: `delta[i]` is how much the depth at `origin + i` differs from the one
before. A base counts where an alignment has it under M, = or X; deletions and skips count nothing,
as in `samtools depth` and mosdepth.
"""

import numpy as np

from genomed.kernels.bam_records import (
    CIGAR_EQUAL,
    CIGAR_MATCH,
    CIGAR_UNEQUAL,
    ON_REFERENCE,
    cigar_offset,
    i32,
    name_hash,
    u16,
    u32,
)
from genomed.kernels.native import inner, kernel

__all__ = [
    "add_alignments",
    "carry_mates",
    "change_classes",
    "change_depths",
    "count_depths",
    "gc_depths",
    "gc_of_windows",
    "sum_deltas",
    "sum_regions",
]

EMPTY, GONE = 0, 1  # keys of the table of mates that stand for no read
PROPER, SUPPLEMENTARY = 0x2, 0x800


@inner
def _slot(keys, key):
    """Where a key lies in an open-addressed table of 2**n slots, or the slot it would take."""
    mask = len(keys) - 1
    i = np.int64(key >> np.uint64(8)) & mask
    while keys[i] != np.uint64(EMPTY) and keys[i] != key:
        i = (i + 1) & mask
    return i


@inner
def _is_base(operation):
    return operation in (CIGAR_MATCH, CIGAR_EQUAL, CIGAR_UNEQUAL)


@inner
def _add(delta, at, by):
    """Change delta[at], or its ends where `at` lies outside."""
    if at < 0:
        at = 0
    if at >= len(delta):
        at = len(delta) - 1
    delta[at] += by


@inner
def _mate_key(data, at):
    key = name_hash(data, at)
    return key if key > np.uint64(GONE) else key + np.uint64(2)


@inner
def _remember(data, at, pos, keys, where, key, pool, used):
    """Put the spans of an alignment into the pool; the pool's new length."""
    cigar = cigar_offset(data, at)
    head = used
    used += 2
    for k in range(u16(data, at + 12)):
        word = u32(data, cigar + 4 * k)
        if _is_base(word & 15):
            pool[used] = pos
            pool[used + 1] = pos + (word >> 4)
            used += 2
        if (ON_REFERENCE >> (word & 15)) & 1:
            pos += word >> 4
    pool[head] = (used - head - 2) // 2
    pool[head + 1] = i32(data, at + 24)  # where its mate begins
    i = _slot(keys, key)
    keys[i] = key
    where[i] = head
    return used


@inner
def _uncount(data, at, pos, pool, head, origin, delta):
    """Take away one where both mates have a base: this one, and the one in the pool."""
    cigar = cigar_offset(data, at)
    n = np.int64(pool[head])
    first = head + 2
    for k in range(u16(data, at + 12)):
        word = u32(data, cigar + 4 * k)
        if _is_base(word & 15):
            end = pos + (word >> 4)
            for j in range(n):
                low = max(pos, np.int64(pool[first + 2 * j]))
                high = min(end, np.int64(pool[first + 2 * j + 1]))
                if low < high:
                    _add(delta, low - origin, -1)
                    _add(delta, high - origin, 1)
        if (ON_REFERENCE >> (word & 15)) & 1:
            pos += word >> 4


@kernel
def add_alignments(
    data, place, start, end, flag, mapq, exclude, include, min_mapq, once, origin, delta,
    keys, where, pool, used,
):  # fmt: skip
    """Add alignments of one contig, in order, to the depth.

    place, start, end, flag, mapq : as in schema.AlignmentBlock
    exclude, include : flags of which none, and (if not 0) one must be set
    once             : whether bases under both mates of a pair count once; as in mosdepth, of pairs
                       that are marked proper, supplementary alignments aside
    origin, delta    : int32 (bases,), differences of depth from `origin` on; changed
    keys, where      : uint64, int64 (2**n,), names of reads whose mates are still to come; changed
    pool, used       : int32, their spans; how much of it is used
    returns          : (used, alignments counted)
    """
    counted = 0
    for r in range(len(place)):
        if flag[r] & exclude or mapq[r] < min_mapq or (include and not flag[r] & include):
            continue
        counted += 1
        at = place[r]
        pos = np.int64(start[r])
        if once and flag[r] & PROPER and not flag[r] & SUPPLEMENTARY:
            mate = i32(data, at + 24)
            maybe = i32(data, at) == i32(data, at + 20) and end[r] > mate and pos <= mate
            key = _mate_key(data, at)
            i = _slot(keys, key)
            if maybe and (pos < mate or keys[i] != key):
                used = _remember(data, at, pos, keys, where, key, pool, used)
            elif keys[i] == key:
                _uncount(data, at, pos, pool, where[i], origin, delta)
                keys[i] = np.uint64(GONE)
        cigar = cigar_offset(data, at)
        last = np.int64(-1)
        for k in range(u16(data, at + 12)):
            word = u32(data, cigar + 4 * k)
            if _is_base(word & 15):
                if pos != last:
                    if last >= 0:
                        _add(delta, last - origin, -1)
                    _add(delta, pos - origin, 1)
                last = pos + (word >> 4)
            if (ON_REFERENCE >> (word & 15)) & 1:
                pos += word >> 4
        if last >= 0:
            _add(delta, last - origin, -1)
    return used, counted


@kernel
def carry_mates(keys, where, pool, new_keys, new_where, new_pool, position):
    """Copy the reads whose mates begin at `position` or later into new, empty tables.

    returns : how much of new_pool is used
    """
    used = 0
    for i in range(len(keys)):
        if keys[i] == np.uint64(EMPTY) or keys[i] == np.uint64(GONE):
            continue
        head = where[i]
        if pool[head + 1] < position:
            continue
        slot = _slot(new_keys, keys[i])
        new_keys[slot] = keys[i]
        new_where[slot] = used
        for k in range(2 + 2 * np.int64(pool[head])):
            new_pool[used + k] = pool[head + k]
        used += 2 + 2 * np.int64(pool[head])
    return used


@kernel
def sum_deltas(delta, n, running, depth):
    """Turn the first n differences into depths; returns the last one."""
    for i in range(n):
        running += delta[i]
        depth[i] = running
    return running


@kernel
def count_depths(depth, counts):
    """Count bases by depth; those beyond the end of `counts` go into its last place.

    returns : (sum of depths, greatest depth)
    """
    last = len(counts) - 1
    total = 0
    most = 0
    for i in range(len(depth)):
        d = np.int64(depth[i])
        total += d
        most = max(most, d)
        counts[min(d, last)] += 1
    return total, most


@kernel
def sum_regions(depth, origin, start, end, level_of_depth, total, levels, counts):
    """Add depths from `origin` on to regions of one contig.

    start, end     : int64 (regions,), 0-based, sorted by start
    level_of_depth : uint8, how many thresholds a depth reaches; the last place for all beyond
    total          : int64 (regions,); levels : int64 (regions, thresholds + 1), bases by level
    counts         : int64, bases of all regions by depth, the last place for all beyond
    """
    stop = origin + len(depth)
    last = len(counts) - 1
    last_level = len(level_of_depth) - 1
    for g in range(len(start)):
        if start[g] >= stop:
            break
        low = max(start[g], origin)
        high = min(end[g], stop)
        for i in range(low - origin, high - origin):
            d = np.int64(depth[i])
            total[g] += d
            counts[min(d, last)] += 1
            levels[g, level_of_depth[min(d, last_level)]] += 1


@kernel
def change_depths(depth, origin, before, position, value):
    """List where the depth changes.

    before   : depth at origin - 1, -1 at the beginning
    position : int64, value : int32 (len(depth),), filled
    returns  : changes
    """
    n = 0
    for i in range(len(depth)):
        if depth[i] != before:
            before = np.int64(depth[i])
            position[n] = origin + i
            value[n] = before
            n += 1
    return n


@kernel
def change_classes(depth, origin, class_of_depth, before, position, value):
    """List where the class of the depth changes.

    class_of_depth : int8, the last place for all beyond
    before         : class at origin - 1, -2 at the beginning
    position       : int64, value : int32 (len(depth),), filled
    returns        : changes
    """
    n = 0
    last = len(class_of_depth) - 1
    for i in range(len(depth)):
        kind = np.int64(class_of_depth[min(np.int64(depth[i]), last)])
        if kind != before:
            before = kind
            position[n] = origin + i
            value[n] = kind
            n += 1
    return n


@kernel
def gc_of_windows(text, first, line_bases, line_bytes, size, gc):
    """Percentage of G and C in each whole window of a contig; 255 where it has another letter.

    text, first, ... : see io.fasta.Sequence; size : bases of a window; gc : uint8 (windows,)
    """
    at = first
    column = 0
    for w in range(len(gc)):
        n_gc = 0
        n_at = 0
        for _ in range(size):
            letter = text[at] & 0xDF
            n_gc += letter in (67, 71)
            n_at += letter in (65, 84)
            at += 1
            column += 1
            if column == line_bases:
                column = 0
                at += line_bytes - line_bases
        gc[w] = (200 * n_gc + size) // (2 * size) if n_gc + n_at == size else 255


@kernel
def gc_depths(depth, first_window, size, gc, total):
    """Add depths to the GC percentages of their windows; the depths begin with a window.

    total : int64 (101,), sum of depths
    """
    for w in range(len(depth) // size):
        if first_window + w >= len(gc):
            break
        percent = np.int64(gc[first_window + w])
        if percent > 100:
            continue
        for i in range(w * size, (w + 1) * size):
            total[percent] += depth[i]
