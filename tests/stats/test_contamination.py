"""The share of another person's reads comes out as it was mixed."""

import numpy as np
import pytest
from simulated_reads import haplotypes_of, simulated_sites, write_bam

from genomed.io.alignments import AlignmentReader
from genomed.kernels.read_identity import mixture_log_likelihood
from genomed.stats.contamination import contamination, hardy_weinberg, stated_error
from genomed.stats.site_reads import SiteCounter, SiteReads

N_SITES = 4000


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
        write_bam(path, "S", sites, people, [1 - share, share], depth, rng, **options)
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
    prior = hardy_weinberg(np.array([0.3, 0.5, 0.8]))
    error, alpha = stated_error(), 0.07
    expected = 0.0
    for s in (0, 2):
        site = 0.0
        for own in range(3):
            for other in range(3):
                product = prior[s, own] * prior[s, other]
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
