"""Sums of samples, counts of variants and trios beside loops over single calls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.kernels.packed import pack_rows
from genomed.stats.mendel import MendelSums, Trios
from genomed.stats.samples import KINDS, SampleSums, outliers
from genomed.stats.variants import MT, PLACES, Strata, X, Y, measure_variants

FEMALE_OR_UNKNOWN = (0, 2)


@st.composite
def cohorts(draw):
    """Calls 0, 1, 2, -9 int8 (variants, samples), places, kinds, sexes, founders."""
    n = draw(st.integers(1, 70))
    v = draw(st.integers(0, 30))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    calls = rng.choice(np.array([0, 1, 2, -9], np.int8), (v, n), p=rng.dirichlet([2, 1, 1, 1]))
    calls[rng.random(v) < 0.2] = rng.choice(np.array([0, 2, -9], np.int8))
    place = rng.integers(0, len(PLACES), v).astype(np.int8)
    kind = rng.integers(0, len(KINDS), v).astype(np.int8)
    return calls, place, kind, rng.integers(0, 3, n).astype(np.int8), rng.random(n) < 0.7


def packed(calls: np.ndarray) -> np.ndarray:
    words = np.empty((len(calls), -(-calls.shape[1] // 32)), np.uint64)
    pack_rows(calls, words)
    return words


def ploidy(place: int, sex: int) -> int:
    """Copies that a sample of one sex has at a place."""
    if place == X:
        return 1 if sex == 1 else 2
    if place == Y:
        return 1 if sex == 1 else 0
    return 1 if place == MT else 2


@given(cohorts())
def test_variants_are_counted_as_one_by_one(cohort) -> None:
    calls, place, _, sex, founder = cohort
    measures = measure_variants(Strata(sex, founder).count(packed(calls)), place)

    for v, row in enumerate(calls):
        copies = [ploidy(place[v], s) for s in sex]
        seen = [(c, p, f) for c, p, f in zip(row, copies, founder, strict=True) if p]
        valid = [(c, p, f) for c, p, f in seen if c >= 0 and not (c == 1 and p == 1)]
        alt = sum(c * p // 2 for c, p, f in valid if f)
        number = sum(p for _, p, f in valid if f)
        assert measures.n_eligible[v] == len(seen)
        assert measures.n_called[v] == sum(c >= 0 for c, _, _ in seen)
        assert measures.n_het[v] == sum(c == 1 for c, _, _ in valid)
        assert measures.n_het_haploid[v] == sum(c == 1 and p == 1 for c, p, _ in seen)
        assert measures.n_hom_alt[v] == sum(c == 2 and p == 2 for c, p, _ in valid)
        assert measures.n_hap_alt[v] == sum(c == 2 and p == 1 for c, p, _ in valid)
        assert (measures.alt_count[v], measures.allele_number[v]) == (alt, number)
        if number:
            assert measures.alt_frequency[v] == alt / number
        else:
            assert np.isnan(measures.alt_frequency[v])


@given(cohorts(), st.integers(1, 9))
def test_samples_are_counted_as_one_by_one_whatever_the_blocks(cohort, step: int) -> None:
    calls, place, kind, sex, founder = cohort
    words = packed(calls)
    frequency = measure_variants(Strata(sex, founder).count(words), place).alt_frequency
    parts = [SampleSums(sex), SampleSums(sex)]
    for i, first in enumerate(range(0, len(calls), step)):
        part = slice(first, first + step)
        measured = measure_variants(Strata(sex, founder).count(words[part]), place[part])
        parts[i % 2].add(words[part], place[part], kind[part], measured)
    parts[0].merge(parts[1])
    measures = parts[0].measures()

    for s, column in enumerate(calls.T):
        copies = np.array([ploidy(p, sex[s]) for p in place], int)
        valid = (column >= 0) & (copies > 0) & ~((column == 1) & (copies == 1))
        carrier = valid & (column > 0)
        assert measures.n_eligible[s] == (copies > 0).sum()
        assert measures.n_called[s] == ((copies > 0) & (column >= 0)).sum()
        assert measures.n_het[s] == (valid & (column == 1)).sum()
        assert measures.n_hom_ref[s] == (valid & (column == 0) & (copies == 2)).sum()
        assert measures.n_hap_alt[s] == (valid & (column == 2) & (copies == 1)).sum()
        assert measures.n_transition[s] == (carrier & (kind == 0)).sum()
        assert measures.n_transversion[s] == (carrier & (kind == 1)).sum()
        varied = (frequency > 0) & (frequency < 1) & (column >= 0)
        for inbreeding, at in ((measures.inbreeding, 0), (measures.x, X)):
            used = varied & (place == at)
            expected = (1 - 2 * frequency * (1 - frequency))[used].sum()
            assert inbreeding.n[s] == used.sum()
            assert inbreeding.observed[s] == (used & (column != 1)).sum()
            assert inbreeding.expected[s] == pytest.approx(expected, abs=1e-9)


@given(cohorts())
def test_a_singleton_is_an_alt_that_one_sample_alone_has(cohort) -> None:
    calls, place, kind, sex, founder = cohort
    words = packed(calls)
    sums = SampleSums(sex)
    sums.add(words, place, kind, measure_variants(Strata(sex, founder).count(words), place))
    expected = np.zeros(len(sex), int)
    for v, row in enumerate(calls):
        copies = np.array([ploidy(place[v], s) for s in sex])
        has = (row > 0) & (copies > 0) & ~((row == 1) & (copies == 1))
        if has.sum() == 1:
            expected += has

    assert sums.measures().n_singleton.tolist() == expected.tolist()


def trio(child_sex: int) -> Trios:
    """A child and its parents, in this order."""
    sex = np.array([child_sex, 1, 2])
    return Trios.find(["c", "f", "m"], ["f", None, None], ["m", None, None], sex)


def test_children_are_contradicted_as_mendel_has_it() -> None:
    #                 child father mother, and who is to blame: child father mother
    cases = {
        (1, 0, 0): (1, 1, 1), (1, 2, 2): (1, 1, 1), (2, 0, 1): (1, 1, 0), (2, 1, 0): (1, 0, 1),
        (2, 0, 0): (1, 0, 0), (0, 2, -9): (1, 1, 0), (0, -9, 2): (1, 0, 1), (0, 2, 2): (1, 0, 0),
        (1, 0, 2): (0, 0, 0), (0, 1, 1): (0, 0, 0), (-9, 0, 2): (0, 0, 0), (1, 1, -9): (0, 0, 0),
    }  # fmt: skip
    for calls, blamed in cases.items():
        trios = Trios.find(
            ["c", "f", "m"], ["f", None, None], ["m", None, None], np.array([0, 1, 2])
        )
        sums = MendelSums(trios)
        errors = sums.add(packed(np.array([calls], np.int8)), np.zeros(1, np.int8))

        assert errors.tolist() == [int(any(blamed))]
        assert sums.of_samples(3).tolist() == list(blamed)


def test_a_son_s_x_is_his_mother_s() -> None:
    trios = trio(child_sex=1)
    sums = MendelSums(trios)
    calls = np.array([[2, 0, 1], [2, 0, 0], [0, 2, 2], [1, 0, 0]], np.int8)

    errors = sums.add(packed(calls), np.full(4, X, np.int8))

    assert errors.tolist() == [0, 1, 1, 0]
    assert sums.of_samples(3).tolist() == [2, 0, 2]


def test_y_and_mt_are_not_checked() -> None:
    trios = trio(child_sex=1)
    calls = np.array([[2, 0, 0], [2, 0, 0]], np.int8)

    assert MendelSums(trios).add(packed(calls), np.array([Y, MT], np.int8)).tolist() == [0, 0]


def test_an_outlier_is_far_from_the_median_of_its_own_group() -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(0, 1, 200), rng.normal(50, 1, 200)])
    values[[7, 207]] = 50, 0
    group = np.repeat([0, 1], 200)

    within, distance = outliers(values, group, 5, 20)
    across, _ = outliers(values, np.zeros(400, int), 5, 20)

    assert np.flatnonzero(within).tolist() == [7, 207]
    assert distance[7] > 30
    assert not across.any()


def test_small_groups_and_equal_values_have_no_outliers() -> None:
    values = np.array([0.0] * 30 + [9.0] + [1.0, 2.0, 99.0, np.nan])
    group = np.array([0] * 31 + [1] * 4)

    found, distance = outliers(values, group, 4, 20)

    assert not found.any()
    assert np.isnan(distance).all()
