"""The share of another person's reads comes out as it was mixed."""

import numpy as np
import pytest
from simulated_reads import haplotypes_of, simulated_sites, write_bam

from genomed.io.alignments import AlignmentReader
from genomed.kernels.read_identity import mixture_log_likelihood
from genomed.stats.contamination import (
    contamination,
    hardy_weinberg,
    pair_priors,
    stated_error,
)
from genomed.stats.site_reads import SiteCounter, SiteReads

N_SITES = 5000


def reads_at(path, sites, **options):
    reader = AlignmentReader(path)
    counter = SiteCounter(reader.contigs, [sites.contig] * len(sites.start), sites.start, **options)
    for block in reader.blocks():
        counter.add(block)
    return counter.finish()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Reads of two people, by the share of the second."""
    folder = tmp_path_factory.mktemp("mixed")
    rng = np.random.default_rng(7)
    sites = simulated_sites(N_SITES, rng)
    people = [haplotypes_of(sites, rng) for _ in range(2)]

    def make(share, depth=30, **options):
        path = folder / f"{share}-{depth}-{len(options)}.bam"
        drawn = np.random.default_rng(round(1000 * share) + depth)
        write_bam(path, "S", sites, people, [1 - share, share], depth, drawn, **options)
        return sites, reads_at(path, sites)

    return make


@pytest.mark.parametrize("share", [0.0, 0.005, 0.01, 0.02, 0.05, 0.1])
def test_a_mixture_is_found_within_half_a_point(mixed, share):
    sites, reads = mixed(share)
    found = contamination(reads, sites.ref, sites.alt, sites.frequency)
    assert abs(found.share - share) < 0.005
    assert found.low <= share <= found.high + 0.002
    assert found.high - found.low < 0.012
    assert (found.log_odds > 3) == (share > 0)


def test_qualities_that_promise_too_much_are_no_contamination(mixed):
    sites, reads = mixed(0.0, error=0.004, quality=37)
    found = contamination(reads, sites.ref, sites.alt, sites.frequency)
    assert found.share < 0.001
    assert 0.003 < found.error < 0.005


def test_five_reads_a_site_are_enough(mixed):
    sites, reads = mixed(0.03, depth=5)
    found = contamination(reads, sites.ref, sites.alt, sites.frequency)
    assert found.low < 0.03 < found.high
    assert abs(found.share - 0.03) < 0.01


def test_too_few_sites_give_no_estimate():
    empty = np.empty(0, np.uint8)
    reads = SiteReads(np.zeros(51, np.int64), np.empty(0, np.int32), empty, empty)
    bases = np.zeros(50, np.uint8)
    found = contamination(reads, bases, bases + 1, np.full(50, 0.5))
    assert np.isnan(found.share)
    assert found.n_sites == 0


def test_the_likelihood_is_the_sum_over_both_genotypes():
    rng = np.random.default_rng(3)
    offset = np.array([0, 5, 5, 45], np.int64)
    kind = rng.integers(0, 3, 45).astype(np.uint8)
    quality = rng.integers(5, 41, 45).astype(np.uint8)
    prior = pair_priors(np.array([0.3, 0.5, 0.8]), 0.1, 0.3)
    error, alpha = stated_error(), 0.07
    expected = 0.0
    for s in (0, 2):
        site = 0.0
        for own in range(3):
            for other in range(3):
                product = prior[s, 3 * own + other]
                share = (1 - alpha) * own / 2 + alpha * other / 2
                for i in range(offset[s], offset[s + 1]):
                    if kind[i] < 2 and quality[i] >= 13:
                        e = error[quality[i]]
                        of_alt, of_ref = (1 - e, e / 3) if kind[i] else (e / 3, 1 - e)
                        product *= share * of_alt + (1 - share) * of_ref
                site += product
        expected += np.log(site)
    found = mixture_log_likelihood(offset, kind, quality, error, 13, prior, alpha)
    assert found == pytest.approx(expected, rel=1e-12)


def test_priors_of_pairs_are_those_of_drawing_alleles_from_drifted_populations():
    rng = np.random.default_rng(4)
    p, drift, alike = 0.3, 0.12, 0.6
    n = 400_000
    a, b = p * (1 - drift) / drift, (1 - p) * (1 - drift) / drift
    own, second = rng.beta(a, b, (2, n))
    theirs = np.where(rng.random(n) < alike, own, second)
    pair = 3 * rng.binomial(2, own) + rng.binomial(2, theirs)
    found = pair_priors(np.array([p]), drift, alike)[0]
    np.testing.assert_allclose(found, np.bincount(pair, minlength=9) / n, atol=0.003)
    assert found.sum() == pytest.approx(1)
    plain = hardy_weinberg(np.array([p]))[0]
    apart = pair_priors(np.array([p]), 0.0, 0.5)[0].reshape(3, 3)
    np.testing.assert_allclose(apart, np.outer(plain, plain))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05, 0.1])
def test_people_of_drifted_populations_are_no_contamination_nor_hide_it(share):
    """Frequencies are of an ancestral population; both people are of one that has drifted."""
    rng = np.random.default_rng(17)
    sites = simulated_sites(12_000, rng)
    p, drift = sites.frequency, 0.1
    own = rng.beta(p * (1 - drift) / drift, (1 - p) * (1 - drift) / drift)
    copies = rng.binomial(2, own, (2, len(p)))
    n = rng.poisson(25, len(p))
    site = np.repeat(np.arange(len(p)), n).astype(np.int32)
    carried = copies[(rng.random(len(site)) < share).astype(int), site]
    is_alt = rng.random(len(site)) < carried / 2
    code = np.where(is_alt, sites.alt[site], sites.ref[site])
    wrong = rng.random(len(site)) < 0.001
    code = np.where(wrong, (code + rng.integers(1, 4, len(site))) % 4, code).astype(np.uint8)
    offset = np.concatenate([[0], np.cumsum(n)]).astype(np.int64)
    reads = SiteReads(offset, site, code, np.full(len(site), 30, np.uint8))
    found = contamination(reads, sites.ref, sites.alt, p)
    assert abs(found.share - share) < 0.005
