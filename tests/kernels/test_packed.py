"""Packed calls: packing and its inverse, counts, standardised values, selections."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from packed_cohorts import packed

from genomed.kernels.bits import count_ones, spread
from genomed.kernels.native import kernel
from genomed.kernels.packed import (
    count_rows,
    keep_bits,
    standardise_rows,
    take_samples,
    unpack_rows,
)

CODES = [0, 1, 2, -9]
counts = hnp.arrays(
    np.int8,
    st.tuples(st.integers(0, 5), st.integers(1, 70)),
    elements=st.sampled_from(CODES),
    fill=st.nothing(),
)


def unpacked(words: np.ndarray, n_samples: int) -> np.ndarray:
    out = np.empty((len(words), n_samples), np.int8)
    unpack_rows(words, n_samples, out)
    return out


@given(counts)
def test_unpacking_is_the_inverse_of_packing(alt_count: np.ndarray):
    np.testing.assert_array_equal(unpacked(packed(alt_count), alt_count.shape[1]), alt_count)


@given(counts)
def test_a_sample_lies_at_its_two_bits_and_padding_is_missing(alt_count: np.ndarray):
    words = packed(alt_count)
    for v, row in enumerate(alt_count):
        value = sum(int(word) << (64 * w) for w, word in enumerate(words[v]))
        codes = [value >> (2 * s) & 3 for s in range(32 * words.shape[1])]
        assert codes[: len(row)] == [3 if c < 0 else c for c in row]
        assert set(codes[len(row) :]) <= {3}


@given(counts, st.randoms(use_true_random=False))
def test_counts_are_those_of_the_kept_samples(alt_count: np.ndarray, random):
    kept = np.array([random.random() < 0.6 for _ in range(alt_count.shape[1])])
    out = np.empty((len(alt_count), 4), np.int64)
    count_rows(packed(alt_count), keep_bits(kept), out)
    expected = [[int((row[kept] == code).sum()) for code in CODES] for row in alt_count]
    np.testing.assert_array_equal(out, np.reshape(expected, (-1, 4)))


@given(counts)
def test_standardised_calls_are_zero_where_missing(alt_count: np.ndarray):
    n = len(alt_count)
    center = np.linspace(0, 2, n, dtype=np.float32)
    scale = np.linspace(3, 0.5, n, dtype=np.float32)
    out = np.empty(alt_count.shape, np.float32)
    standardise_rows(packed(alt_count), center, scale, out)
    expected = (alt_count - center[:, None]) * scale[:, None]
    np.testing.assert_allclose(out, np.where(alt_count < 0, 0, expected), rtol=1e-6, atol=1e-6)


@given(counts, st.data())
def test_taken_samples_come_in_the_order_asked_for(alt_count: np.ndarray, data):
    places = st.lists(st.integers(0, alt_count.shape[1] - 1), min_size=1, max_size=40)
    sample = np.array(data.draw(places), np.int64)
    out = np.empty((len(alt_count), -(-len(sample) // 32)), np.uint64)
    take_samples(packed(alt_count), sample, out)
    np.testing.assert_array_equal(out, packed(alt_count[:, sample]))


@kernel
def ones_of(words, out):
    for i in range(len(words)):
        out[i] = count_ones(words[i])


@kernel
def spread_of(words, out):
    for i in range(len(words)):
        out[i] = spread(words[i])


@given(hnp.arrays(np.uint64, 5))
def test_count_ones_counts_set_bits(words: np.ndarray):
    out = np.empty(len(words), np.int64)
    ones_of(words, out)
    assert out.tolist() == [int(word).bit_count() for word in words]


@given(hnp.arrays(np.uint64, 5, elements=st.integers(0, 2**32 - 1)))
def test_spread_puts_each_bit_at_twice_its_place(words: np.ndarray):
    out = np.empty_like(words)
    spread_of(words, out)
    for word, wide in zip(words.tolist(), out.tolist(), strict=True):
        assert wide == sum((word >> i & 1) << (2 * i) for i in range(32))


@pytest.mark.parametrize("n", [1, 31, 32, 33, 64])
def test_keep_bits_of_everybody_are_the_lower_bits(n: int):
    mask = keep_bits(np.ones(n, np.bool_))
    assert sum(int(word).bit_count() for word in mask) == n
    assert not int(mask[0]) & 0xAAAAAAAAAAAAAAAA
