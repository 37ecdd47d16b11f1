"""The exact tests beside sums of exact fractions over every table."""

from fractions import Fraction
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.stats.hwe import exact, exact_x
from genomed.stats.missingness import fisher

few = st.integers(0, 12)


def p_values(weights: dict[tuple[int, ...], Fraction], observed: tuple[int, ...]) -> tuple:
    """P and mid-P of one of the tables whose weights are given."""
    total = sum(weights.values())
    less = sum(w for w in weights.values() if w < weights[observed])
    same = sum(w for w in weights.values() if w == weights[observed])
    return float((less + same) / total), float((less + same / 2) / total)


def female_weights(n: int, copies: int) -> dict[int, Fraction]:
    """Heterozygotes among n diploids with so many copies of an allele -> ways, up to a factor."""
    found = {}
    for het in range(copies & 1, min(copies, 2 * n - copies) + 1, 2):
        hom = (copies - het) // 2
        below = factorial(hom) * factorial(het) * factorial(n - hom - het)
        found[het] = Fraction(2**het, below)
    return found


@given(few, few, few)
def test_p_is_the_share_of_tables_that_are_not_likelier(het: int, hom1: int, hom2: int) -> None:
    ways = female_weights(het + hom1 + hom2, 2 * hom1 + het)
    weights = {(h,): w for h, w in ways.items()}

    test = exact(np.array([het]), np.array([hom1]), np.array([hom2]))

    np.testing.assert_allclose((test.p[0], test.mid_p[0]), p_values(weights, (het,)), rtol=1e-12)


@given(few, few, few, few, few)
def test_p_on_x_is_the_share_of_tables_of_both_sexes(
    het: int, hom1: int, hom2: int, male1: int, male2: int
) -> None:
    n, males = het + hom1 + hom2, male1 + male2
    copies = 2 * hom1 + het + male1
    weights = {
        (m, h): w / (factorial(m) * factorial(males - m))
        for m in range(max(0, copies - 2 * n), min(copies, males) + 1)
        for h, w in female_weights(n, copies - m).items()
    }

    test = exact_x(*(np.array([count]) for count in (het, hom1, hom2, male1, male2)))

    np.testing.assert_allclose(
        (test.p[0], test.mid_p[0]), p_values(weights, (male1, het)), rtol=1e-10
    )


@given(few, few, few)
def test_without_males_x_is_as_an_autosome(het: int, hom1: int, hom2: int) -> None:
    counts = [np.array([n]) for n in (het, hom1, hom2)]
    none = np.array([0])

    np.testing.assert_allclose(exact_x(*counts, none, none), exact(*counts), rtol=1e-10)


@given(few, few, few, few)
def test_fisher_s_p_is_the_share_of_tables_that_are_not_likelier(
    a: int, b: int, c: int, d: int
) -> None:
    weights = {
        (i,): Fraction(
            1, factorial(i) * factorial(a + b - i) * factorial(a + c - i) * factorial(d - a + i)
        )
        for i in range(max(0, a - d), min(a + b, a + c) + 1)
    }

    p = fisher(*(np.array([count]) for count in (a, b, c, d)))

    assert p[0] == pytest.approx(p_values(weights, (a,))[0], rel=1e-12)


def test_a_single_allele_has_p_one() -> None:
    test = exact(np.array([0, 0, 0]), np.array([0, 5, 0]), np.array([0, 0, 900]))

    assert test.p.tolist() == [1, 1, 1]
    assert test.mid_p.tolist() == [0.5, 0.5, 0.5]


def test_a_million_heterozygotes_are_not_in_equilibrium() -> None:
    test = exact(np.array([1_000_000, 500_000]), np.array([0, 250_000]), np.array([0, 250_000]))

    assert test.p[0] == 0
    assert test.p[1] == pytest.approx(1)


def test_p_values_are_uniform_in_equilibrium() -> None:
    rng = np.random.default_rng(20)
    alleles = rng.random((2000, 400, 2)) < 0.5
    copies = alleles.sum(axis=2)

    test = exact(*((copies == n).sum(axis=1) for n in (1, 0, 2)))

    # the mean of a uniform variable over 2,000 variants: 1/2, standard error 0.0065
    assert test.mid_p.mean() == pytest.approx(0.5, abs=0.026)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        exact(np.array([1]), np.array([-1]), np.array([1]))


def test_counts_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="per variant"):
        exact(np.array([1, 2]), np.array([1]), np.array([1]))
