"""The scoring kernels against loops over single calls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.kernels import scoring as kernel

COUNTS = (kernel.COUNT_ALT, kernel.COUNT_REF, kernel.COUNT_NONE)
RECODES = (kernel.ADDITIVE, kernel.DOMINANT, kernel.RECESSIVE, kernel.PRESENT)
NO_PLOIDY, NO_DOSAGE = np.zeros((0, 0), np.int8), np.zeros((0, 0), np.float32)


@st.composite
def batches(draw):
    """One record of one or two ALTs, as arrays, and a feature over it."""
    n_alts, n_samples = draw(st.integers(1, 2)), draw(st.integers(1, 9))
    calls = []
    for _ in range(n_samples):
        ploidy = draw(st.integers(1, 2))
        alleles = [draw(st.integers(0, n_alts)) for _ in range(ploidy)]
        calls.append(None if draw(st.integers(0, 3)) == 0 else alleles)
    count = [[-9 if c is None else c.count(a + 1) for c in calls] for a in range(n_alts)]
    ploidy = [[2 if c is None else len(c) for c in calls]] * n_alts
    row = draw(st.integers(0, n_alts - 1))
    feature = row, draw(st.sampled_from(COUNTS)), draw(st.sampled_from(RECODES))
    return calls, np.array(count, np.int8), np.array(ploidy, np.int8), feature


def expected_dosage(call, row, count, recode, scale, fill):
    """The recoded dosage of one call, written out."""
    if call is None:
        return fill
    copies = {
        kernel.COUNT_ALT: call.count(row + 1),
        kernel.COUNT_REF: call.count(0),
        kernel.COUNT_NONE: 0,
    }[count]
    d = copies * scale / len(call)
    recoded = {
        kernel.ADDITIVE: d,
        kernel.DOMINANT: min(d, 1),
        kernel.RECESSIVE: max(d - 1, 0),
        kernel.PRESENT: 1,
    }
    return recoded[recode]


def feature_arrays(feature, n_rows, scale):
    row, count, recode = feature
    return (
        np.array([row]), np.array([0]), np.array([n_rows]), np.array([count], np.int8),
        np.array([recode], np.int8), np.array([float(scale)]),
    )  # fmt: skip


@given(batches(), st.sampled_from([1, 2]))
def test_dosages_are_those_of_single_calls(batch, scale):
    calls, alt_count, ploidy, feature = batch
    n = len(calls)
    x = np.full((1, n), np.nan)
    kernel.fill_features(
        alt_count, ploidy, True, NO_DOSAGE, False, *feature_arrays(feature, len(alt_count), scale),
        np.array([-7.0]), 0, n, x, np.empty(n),
    )  # fmt: skip
    expected = [expected_dosage(c, feature[0], *feature[1:], scale, -7.0) for c in calls]
    np.testing.assert_array_equal(x[0], expected)


@given(batches(), st.sampled_from([1, 2]))
def test_frequency_and_mean_are_over_called_samples(batch, scale):
    calls, alt_count, ploidy, feature = batch
    frequency, mean, n_called = np.zeros(1), np.zeros(1), np.zeros(1, np.int64)
    n = len(calls)
    kernel.summarise_features(
        alt_count, ploidy, True, NO_DOSAGE, False, *feature_arrays(feature, len(alt_count), scale),
        0, 1, frequency, mean, n_called, *np.empty((2, n)),
    )  # fmt: skip
    called = [c for c in calls if c is not None]
    assert n_called[0] == len(called)
    if not called:
        assert np.isnan(frequency[0])
        assert np.isnan(mean[0])
        return
    row, count, recode = feature
    allele = {kernel.COUNT_ALT: row + 1, kernel.COUNT_REF: 0, kernel.COUNT_NONE: -1}[count]
    copies = sum(c.count(allele) for c in called)
    assert frequency[0] == pytest.approx(copies / sum(map(len, called)))
    dosages = [expected_dosage(c, row, count, recode, scale, None) for c in called]
    expected = scale * frequency[0] if recode == kernel.ADDITIVE else np.mean(dosages)
    assert mean[0] == pytest.approx(expected)


@given(st.integers(0, 2**32 - 1), st.integers(1, 11), st.integers(1, 40))
def test_sums_are_taken_term_by_term(seed, n_terms, n_samples):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(5, n_samples))
    feature = rng.integers(0, 5, n_terms)
    weight = rng.normal(size=n_terms)
    sums = rng.normal(size=(2, n_samples))
    expected = sums.copy()
    for s in range(n_samples):
        for k in range(n_terms):
            expected[1, s] = expected[1, s] + weight[k] * x[feature[k], s]
    kernel.add_scores(
        x, feature, weight, np.array([0]), np.array([n_terms]), np.array([1]), 0, n_samples, sums
    )
    np.testing.assert_array_equal(sums, expected)  # to the last bit


def test_a_stripe_of_samples_touches_no_other_column():
    x = np.ones((1, 2))
    sums = np.zeros((1, 5))
    one = np.array([0])
    kernel.add_scores(x, one, np.array([3.0]), one, np.array([1]), one, 1, 3, sums)
    assert sums.tolist() == [[0, 3, 3, 0, 0]]


def test_missing_calls_are_counted_once_per_entry():
    alt_count = np.array([[0, -9, 2], [-9, -9, 1]], np.int8)
    row, model = np.array([0, 0, 1]), np.array([0, 1, 1])
    n_missing = np.zeros((2, 3), np.int32)
    share, alleles = np.zeros((2, 3)), np.zeros((2, 3))
    kernel.add_missing(
        alt_count, NO_DOSAGE, False, row, row, row + 1, model, np.array([0.5, 0.25, 0.125]),
        np.array([2.0, 2.0, 1.0]), 0, 3, n_missing, share, alleles,
    )  # fmt: skip
    assert n_missing.tolist() == [[0, 1, 0], [1, 2, 0]]
    assert share.tolist() == [[0, 0.5, 0], [0.125, 0.375, 0]]
    assert alleles.tolist() == [[0, 2, 0], [1, 3, 0]]


def test_a_reference_dosage_is_missing_when_any_alt_is():
    nan = np.float32("nan")
    dosage = np.array([[0.5, 0.5, nan], [0.25, nan, nan]], np.float32)
    alt_count = np.array([[0, 0, -9], [0, 0, -9]], np.int8)
    ploidy = np.full((2, 3), 2, np.int8)
    x = np.zeros((1, 3))
    kernel.fill_features(
        alt_count, ploidy, True, dosage, True,
        *feature_arrays((0, kernel.COUNT_REF, kernel.ADDITIVE), 2, 2), np.array([9.0]), 0, 3, x,
        np.empty(3),
    )  # fmt: skip
    assert x.tolist() == [[1.25, 9, 9]]
    n_missing = np.zeros((1, 3), np.int32)
    unused = np.zeros((1, 3))
    zero = np.array([0])
    kernel.add_missing(
        alt_count, dosage, True, zero, zero, np.array([2]), zero, np.array([1.0]), np.array([2.0]),
        0, 3, n_missing, unused.copy(), unused.copy(),
    )  # fmt: skip
    assert n_missing.tolist() == [[0, 1, 1]]
