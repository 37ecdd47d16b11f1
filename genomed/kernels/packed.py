"""Packed calls: 32 samples in a 64-bit word, two bits each (see "words" in genomed.schema.ARRAYS).

Sample s lies in bits 2(s % 32) and above of word s // 32: 0, 1 or 2 copies of ALT, 3 not called.
Padding samples, behind the last one, are 3.
"""

import numpy as np

from genomed.kernels.bits import count_ones
from genomed.kernels.native import kernel

__all__ = [
    "count_rows",
    "keep_bits",
    "pack_rows",
    "standardise_rows",
    "take_samples",
    "unpack_rows",
]

MISSING = np.int8(-9)


@kernel
def pack_rows(alt_count, words):
    """Pack calls.

    alt_count : int8 (variants, samples): 0, 1, 2, anything else (-9) missing
    words     : uint64 (variants, ceil(samples / 32)), filled
    """
    n_variants, n_samples = alt_count.shape
    for v in range(n_variants):
        row = alt_count[v]
        for w in range(words.shape[1]):
            word = np.uint64(0)
            n = min(32, n_samples - 32 * w)
            for k in range(n):
                count = row[32 * w + k]
                code = np.uint64(count) if count >= 0 and count < 3 else np.uint64(3)
                word |= code << np.uint64(2 * k)
            if n < 32:
                word |= ~np.uint64(0) << np.uint64(2 * n)
            words[v, w] = word


@kernel
def unpack_rows(words, n_samples, out):
    """Unpack calls.

    words     : uint64 (variants, words)
    n_samples : samples, at most 32 a word
    out       : int8 (variants, samples), filled; -9 missing
    """
    for v in range(words.shape[0]):
        row = out[v]
        for w in range((n_samples + 31) // 32):
            word = words[v, w]
            for k in range(min(32, n_samples - 32 * w)):
                code = np.int8((word >> np.uint64(2 * k)) & np.uint64(3))
                row[32 * w + k] = MISSING if code == 3 else code


@kernel
def count_rows(words, keep, out):
    """Count the calls of each kind in every row, among the samples to keep.

    words : uint64 (variants, words)
    keep  : uint64 (words,), the lower bit of every kept sample's two is set
    out   : int64 (variants, 4), filled: samples with 0, 1, 2 copies of ALT, and not called
    """
    n_kept = 0
    for w in range(len(keep)):
        n_kept += count_ones(keep[w])
    for v in range(words.shape[0]):
        row = words[v]
        low = np.int64(0)
        high = np.int64(0)
        both = np.int64(0)
        for w in range(len(keep)):
            a = row[w] & keep[w]
            b = (row[w] >> np.uint64(1)) & keep[w]
            low += count_ones(a)
            high += count_ones(b)
            both += count_ones(a & b)
        out[v, 0] = n_kept - low - high + both
        out[v, 1] = low - both
        out[v, 2] = high - both
        out[v, 3] = both


@kernel
def standardise_rows(words, center, scale, out):
    """Unpack calls as (copies of ALT - center) x scale; 0 where not called.

    words  : uint64 (variants, words)
    center : float32 (variants,)
    scale  : float32 (variants,)
    out    : float32 (variants, samples), filled
    """
    n_samples = out.shape[1]
    for v in range(words.shape[0]):
        row = out[v]
        zero = -center[v] * scale[v]
        step = scale[v]
        for w in range((n_samples + 31) // 32):
            word = words[v, w]
            for k in range(min(32, n_samples - 32 * w)):
                code = np.int32((word >> np.uint64(2 * k)) & np.uint64(3))
                value = zero + np.float32(code) * step
                row[32 * w + k] = np.float32(0) if code == 3 else value


@kernel
def take_samples(words, sample, out):
    """Pack some samples' calls anew.

    words  : uint64 (variants, words)
    sample : int64 (kept,), places of the samples to take, in the order to have them
    out    : uint64 (variants, ceil(kept / 32)), filled
    """
    n = len(sample)
    for v in range(words.shape[0]):
        row = words[v]
        for w in range(out.shape[1]):
            word = np.uint64(0)
            stop = min(n, 32 * w + 32)
            for i in range(32 * w, stop):
                s = sample[i]
                code = (row[s >> 5] >> np.uint64(2 * (s & 31))) & np.uint64(3)
                word |= code << np.uint64(2 * (i & 31))
            if stop < 32 * w + 32:
                word |= ~np.uint64(0) << np.uint64(2 * (stop & 31))
            out[v, w] = word


def keep_bits(kept: np.ndarray) -> np.ndarray:
    """The mask that count_rows takes: uint64 (words,), from bool (samples,)."""
    n_words = -(-len(kept) // 32)
    bits = np.zeros((n_words * 32, 2), np.bool_)
    bits[: len(kept), 0] = kept
    return np.packbits(bits, bitorder="little").view("<u8").astype(np.uint64)
