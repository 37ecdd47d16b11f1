"""Genotypes: priors that make sense, and posteriors, GQ, QUAL and PL by hand."""

import numpy as np
import pytest

from genomed.settings import CallSettings
from genomed.stats.call_quality import call_genotypes
from genomed.stats.genotype_likelihood import (
    difference_rate,
    genotype_log_prior,
    genotype_posterior,
)

SETTINGS = CallSettings()


def prior(length: tuple[int, int], repeat: float, is_transition: bool) -> np.ndarray:
    return genotype_log_prior(
        np.array([length]), np.array([repeat]), np.array([is_transition]), SETTINGS
    )[0]


def test_rates_of_the_three_other_bases_add_up_to_the_rate_of_snps() -> None:
    rates = difference_rate(np.ones(3, bool), np.zeros(3), np.array([True, False, False]), SETTINGS)
    assert rates.sum() == pytest.approx(SETTINGS.snp_rate)


def test_indels_are_likelier_in_longer_repeats_up_to_a_limit() -> None:
    repeats = np.array([0.0, 6.0, 10.0, 20.0, 60.0, 90.0])
    rates = difference_rate(np.zeros(6, bool), repeats, np.zeros(6, bool), SETTINGS)
    assert rates[0] == rates[1] == SETTINGS.indel_rate
    assert (np.diff(rates[1:4]) > 0).all()
    assert rates[4] == rates[5]


def test_the_prior_makes_heterozygotes_twice_as_likely_as_homozygotes() -> None:
    log_prior = prior((0, 0), 0, True)
    assert np.exp(log_prior[1] - log_prior[2]) == pytest.approx(2)
    assert log_prior.argmax() == 0
    assert np.exp(log_prior[:3]).sum() == pytest.approx(1, abs=1e-3)


def test_posterior_is_bayes_rule() -> None:
    loglik = np.array([[-3.0, 0.0, -2.0, -1e4, -1e4, -1e4]], np.float32)
    log_prior = np.log(np.array([[0.9, 0.06, 0.04, 0.1, 0.1, 0.1]]))
    weights = np.array([0.9 * np.exp(-3), 0.06, 0.04 * np.exp(-2)])
    posterior = genotype_posterior(loglik, log_prior)[0]
    np.testing.assert_allclose(posterior[:3], weights / weights.sum(), rtol=1e-6)
    assert (posterior[3:] == 0).all()


def test_gq_qual_and_pl_are_phred_scaled() -> None:
    posterior = np.array([[0.01, 0.9, 0.09, 0, 0, 0], [0.001, 0, 0, 0, 0.999, 0]])
    loglik = np.log(np.array([[0.1, 1, 0.01, 1, 1, 1], [1, 1, 1, 1, 1, 1]]))
    calls = call_genotypes(posterior, loglik)
    assert calls.genotype.tolist() == [[0, 1], [1, 2]]
    assert calls.gq.tolist() == [10, 30]
    np.testing.assert_allclose(calls.qual, [20, 30], rtol=1e-5)
    assert calls.pl[0].tolist() == [10, 0, 20, 0, 0, 0]
