"""Which rows of a table lie in a region, at a wanted position, or bear a wanted ID."""

import numpy as np

from genomed.kernels.native import inner, kernel, memchr

__all__ = ["fill_slots", "select_rows"]

SEMICOLON = 59
MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio (Knuth, TAOCP 6.4)
ONE, EIGHT, HALF = np.uint64(1), np.uint64(8), np.uint64(32)


@inner
def _slot_of(text, start, stop, mask):
    """Place of some bytes in a table of mask + 1 slots: a multiplicative hash of 8-byte words.

    Unsigned indices spare numba's test for negative ones, so that LLVM can merge the eight loads.
    """
    h = np.uint64(stop - start) * MIX
    i, end = np.uint64(start), np.uint64(stop)
    while i + EIGHT <= end:
        word = np.uint64(0)
        for k in range(8):
            word |= np.uint64(text[i + np.uint64(k)]) << np.uint64(8 * k)
        h = (h ^ word) * MIX
        h ^= h >> HALF
        i += EIGHT
    word = np.uint64(0)
    while i < end:
        word = (word << EIGHT) | np.uint64(text[i])
        i += ONE
    h = (h ^ word) * MIX
    return np.int64((h ^ (h >> HALF)) & np.uint64(mask))


@kernel
def fill_slots(id_text, id_offset, slots):
    """Enter wanted IDs into an open-addressed hash table.

    id_text   : uint8, all IDs one after the other
    id_offset : int64 (ids + 1,), where each begins; the last is the end
    slots     : int32 (a power of two, over 1.5 x ids,), -1 on entry; filled with ID numbers
    """
    mask = len(slots) - 1
    for k in range(len(id_offset) - 1):
        slot = _slot_of(id_text, id_offset[k], id_offset[k + 1], mask)
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = k


@inner
def _has_id(text, start, stop, id_text, id_offset, slots):
    """Tell whether one stretch of bytes is a wanted ID."""
    mask = len(slots) - 1
    slot = _slot_of(text, start, stop, mask)
    while slots[slot] >= 0:
        k = slots[slot]
        first = id_offset[k]
        if id_offset[k + 1] - first == stop - start:
            i = 0
            while i < stop - start and id_text[first + i] == text[start + i]:
                i += 1
            if i == stop - start:
                return True
        slot = (slot + 1) & mask
    return False


@kernel
def _has_id_part(text, start, stop, id_text, id_offset, slots):
    """Tell whether one of the parts between semicolons is a wanted ID (rare, so not inlined)."""
    part = start
    for i in range(start, stop + 1):
        if i == stop or text[i] == SEMICOLON:
            if _has_id(text, part, i, id_text, id_offset, slots):
                return True
            part = i + 1
    return False


@inner
def _first_not_below(values, low, high, guess, target):
    """Index of the first of values[low:high] that is >= target, looked for from `guess` on."""
    if guess >= low and (guess == low or values[guess - 1] < target):
        steps = 0
        while guess < high and values[guess] < target and steps < 16:
            guess += 1
            steps += 1
        if guess == high or values[guess] >= target:
            return guess
        low = guess
    while low < high:
        middle = (low + high) // 2
        if values[middle] < target:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def select_rows(
    text,
    contig_code,
    position,
    end_position,
    id_start,
    id_stop,
    region_start,
    region_end,
    place_offset,
    places,
    id_text,
    id_offset,
    slots,
    use_wanted,
    selected,
):
    """Mark the rows that overlap the region and, if `use_wanted`, a wanted place or ID.

    text                   : uint8, holds the IDs at id_start[row]:id_stop[row]
    contig_code            : int32 (rows,)
    position, end_position : int64 (rows,), 1-based, both included
    region_start           : int64 (contigs,), 0-based; a contig outside has an empty region
    region_end             : int64 (contigs,)
    place_offset           : int64 (contigs, 2): the contig's places are places[first:last]
    places                 : int64, 1-based wanted positions, sorted within a contig
    id_text .. slots       : see fill_slots; no slots means no IDs
    selected               : bool (rows,), filled
    """
    base = np.uintp(text.ctypes.data)
    guess = 0
    for row in range(len(position)):
        code = contig_code[row]
        first, last = position[row], end_position[row]
        keep = first <= region_end[code] and last > region_start[code]
        if keep and use_wanted:
            low, high = place_offset[code, 0], place_offset[code, 1]
            keep = False
            if low < high:
                guess = _first_not_below(places, low, high, min(guess, high), first)
                keep = guess < high and places[guess] <= last
            if not keep and len(slots) > 0:
                start, stop = np.int64(id_start[row]), np.int64(id_stop[row])
                keep = _has_id(text, start, stop, id_text, id_offset, slots)
                if not keep and memchr(
                    base + np.uintp(start), np.int32(SEMICOLON), np.uintp(stop - start)
                ):
                    keep = _has_id_part(text, start, stop, id_text, id_offset, slots)
        selected[row] = keep
