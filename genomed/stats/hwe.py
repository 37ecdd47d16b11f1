"""Exact tests of Hardy-Weinberg equilibrium, on autosomes and on X."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genomed.kernels import hwe as kernel

__all__ = ["ExactTest", "exact", "exact_x"]


class ExactTest(NamedTuple):
    """P-values of each variant, float64 (variants,).

    p     : sum of the probabilities of all tables that are not likelier than the one observed
    mid_p : the same with the tables that are as likely counted half
    """

    p: np.ndarray
    mid_p: np.ndarray


def exact(n_het: np.ndarray, n_hom1: np.ndarray, n_hom2: np.ndarray) -> ExactTest:
    """Exact test of Hardy-Weinberg equilibrium in diploid calls.

    n_het, n_hom1, n_hom2 : integers (variants,), samples of each genotype
    returns : p is 1 and mid_p 0.5 where nobody is called, or only one allele is there
    raises  : ValueError when a count is negative or the lengths differ

    Wigginton, Cutler and Abecasis 2005, doi:10.1086/429864; mid-p: Graffelman and Moreno 2013,
    doi:10.1515/sagmb-2012-0039. Probabilities within a relative 1e-7 count as equal, as in plink2.
    """
    counts = _checked(n_het, n_hom1, n_hom2)
    test = _empty(len(counts[0]))
    kernel.exact_rows(*counts, *test)
    return test


def exact_x(
    n_het: np.ndarray,
    n_hom1: np.ndarray,
    n_hom2: np.ndarray,
    n_male1: np.ndarray,
    n_male2: np.ndarray,
) -> ExactTest:
    """Exact test on X: equilibrium in females and equal allele frequencies in both sexes at once.

    n_het, n_hom1, n_hom2 : integers (variants,), females of each genotype
    n_male1, n_male2      : integers (variants,), males with each allele; 1 is that of n_hom1
    returns : as `exact`; without males it is the test of the females
    raises  : ValueError when a count is negative or the lengths differ

    Graffelman and Weir 2016, doi:10.1038/hdy.2016.20.
    """
    counts = _checked(n_het, n_hom1, n_hom2, n_male1, n_male2)
    test = _empty(len(counts[0]))
    kernel.exact_x_rows(*counts, *test)
    return test


def _checked(*counts: np.ndarray) -> list[np.ndarray]:
    arrays = [np.ascontiguousarray(c, np.int64) for c in counts]
    if len({a.shape for a in arrays}) > 1 or arrays[0].ndim != 1:
        raise ValueError("counts of genotypes need one number per variant each")
    if any(a.size and a.min() < 0 for a in arrays):
        raise ValueError("a count of genotypes is negative")
    return arrays


def _empty(n: int) -> ExactTest:
    return ExactTest(np.empty(n), np.empty(n))
