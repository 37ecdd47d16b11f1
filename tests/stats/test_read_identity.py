"""Kinship from reads is that of the people's genotypes, for real families and few reads."""

import numpy as np
import polars as pl
import pytest
from packed_cohorts import packed
from real_stores import make_store

from genomed.io.packed import open_store
from genomed.stats.contamination import contamination, other_genotypes
from genomed.stats.kinship import king_table
from genomed.stats.read_identity import (
    Genotypes,
    certain_genotypes,
    kinship,
    log_odds_of_store,
    nearby_frequency,
    read_genotypes,
)
from genomed.stats.site_reads import SiteReads

REF, ALT = 0, 2  # A and G everywhere


def simulated_reads(copies, depth, rng, quality=30):
    """Reads at sites A>G of a person with so many copies of ALT; -9 has none."""
    n = np.where(copies < 0, 0, rng.poisson(depth, len(copies)))
    offset = np.concatenate([[0], np.cumsum(n)]).astype(np.int64)
    site = np.repeat(np.arange(len(copies)), n).astype(np.int32)
    code = np.where(rng.random(len(site)) < copies[site] / 2, ALT, REF)
    wrong = rng.random(len(site)) < 10 ** (-quality / 10)
    code = np.where(wrong, (code + rng.integers(1, 4, len(site))) % 4, code).astype(np.uint8)
    return SiteReads(offset, site, code, np.full(len(site), quality, np.uint8))


def genotypes(copies, frequency, depth, rng):
    alleles = np.full((2, len(copies)), [[REF], [ALT]], np.uint8)
    return read_genotypes(simulated_reads(copies, depth, rng), *alleles, frequency)


@pytest.fixture(scope="module")
def real_people(tmp_path_factory):
    """433 real people at 16,000 sites: calls, frequencies, and KING's table of the calls."""
    prefix = make_store(tmp_path_factory.mktemp("akt"), "akt", "--maf", "0.05")
    store = open_store(prefix)
    rows = np.arange(store.n_variants)
    words = store.read(rows)
    number = np.arange(len(store.samples))
    calls = (words[:, number // 32] >> (2 * (number % 32)).astype(np.uint64)) & np.uint64(3)
    calls = np.where(calls == 3, -9, calls.astype(np.int8)).astype(np.int8)
    counts = store.count()
    frequency = (counts[:, 1] + 2 * counts[:, 2]) / (2 * counts[:, :3].sum(axis=1))
    return store.samples, calls, frequency, words, king_table(store, min_kinship=-1.0)


def some_pairs(table):
    """Pairs of each relation, from the calls."""
    table = table.with_columns(
        kind=pl.when(pl.col("kinship") > 0.18).then(pl.lit("first"))
        .when(pl.col("kinship").is_between(0.1, 0.15)).then(pl.lit("second"))
        .when(pl.col("kinship").abs() < 0.02).then(pl.lit("none"))
    )  # fmt: skip
    chosen = [
        table.filter(pl.col("kind") == kind).sort("sample1", "sample2").head(6)
        for kind in ("first", "second", "none")
    ]
    return pl.concat(chosen)


@pytest.mark.parametrize("depth", [30, 4])
def test_kinship_of_real_people_is_that_of_their_calls(real_people, depth):
    samples, calls, frequency, _, table = real_people
    rng = np.random.default_rng(11)
    pairs = some_pairs(table)
    assert pairs.height >= 12
    for row in pairs.iter_rows(named=True):
        a, b = (calls[:, samples.index(row[name])] for name in ("sample1", "sample2"))
        one, other = (genotypes(c, frequency, depth, rng) for c in (a, b))
        found = kinship(one, other, frequency)
        if depth == 30:
            assert found.king == pytest.approx(row["kinship"], abs=0.02)
        if row["kind"] != "none":
            assert found.kinship == pytest.approx(row["kinship"], abs=0.05)
        else:
            assert found.kinship < 0.1


def test_one_read_at_every_fifth_site_finds_the_person_among_hundreds(real_people):
    samples, calls, frequency, words, _ = real_people
    rng = np.random.default_rng(12)
    for person in rng.choice(len(samples), 5, replace=False):
        known = genotypes(calls[:, person], frequency, 0.2, rng)
        log_odds, n_called = log_odds_of_store(known, words, frequency, len(samples))
        assert int(log_odds.argmax()) == person
        assert log_odds[person] > 100
        assert (np.delete(log_odds, person) < 0).all()
        assert 2000 < n_called[person] < 4000
        found = kinship(known, certain_genotypes(calls[:, person]), frequency)
        assert found.kinship > 0.45


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_a_real_mixture_of_any_two_populations_is_found_within_half_a_point(real_people, share):
    """By frequencies of people like each; neither of the two is among those."""
    samples, calls, frequency, words, _ = real_people
    rng = np.random.default_rng(14)
    alleles = np.full((2, len(frequency)), [[REF], [ALT]], np.uint8)
    for own, other in rng.choice(len(samples), (3, 2), replace=False):
        pair = calls[:, [own, other]]
        copies = np.where((pair >= 0).all(axis=1)[:, None], pair, -9)
        parts = [
            simulated_reads(copies[:, i], 30 * s, rng) for i, s in enumerate((1 - share, share))
        ]
        reads = merged_reads(parts)
        known = read_genotypes(reads, *alleles, frequency)
        gone = words.copy()
        for sample in (own, other):
            gone[:, sample // 32] |= np.uint64(3) << np.uint64(2 * (sample % 32))
        log_odds = log_odds_of_store(known, gone, frequency, len(samples))[0]
        log_odds[[own, other]] = -np.inf
        near = nearby_frequency(log_odds, gone, frequency)
        first = contamination(reads, *alleles, frequency)
        shown = other_genotypes(reads, *alleles, near, first.share)
        person = Genotypes(shown, known.call, known.depth)
        found = log_odds_of_store(person, words, frequency, len(samples))[0]
        assert int(found.argmax()) == other
        found[[own, other]] = -np.inf
        theirs = nearby_frequency(found, gone, frequency)
        mixed = contamination(reads, *alleles, near, other_frequency=theirs)
        assert abs(mixed.share - share) < 0.005
        assert abs(first.share - share) < 0.015


def merged_reads(parts):
    """The reads of several people as if they were one's."""
    site, code, quality = (np.concatenate([getattr(p, name) for p in parts])
                           for name in ("site", "code", "quality"))  # fmt: skip
    order = np.argsort(site, kind="stable")
    offset = sum(p.offset for p in parts)
    return SiteReads(offset, site[order], code[order], quality[order])


def test_the_likelihood_of_sharing_is_that_of_its_definition():
    """Against the sum over both genotypes, by the table of joint probabilities."""
    from genomed.kernels.read_identity import expected_sharing

    rng = np.random.default_rng(5)
    one, other = rng.random((2, 40, 3))
    p = rng.uniform(0.05, 0.95, 40)
    k = np.array([0.2, 0.5, 0.3])
    share = np.empty(4)
    expected_sharing(one, other, p, *k, share)
    expected = np.zeros(4)
    for s in range(40):
        terms = np.zeros(3)
        for x1, x2, y1, y2 in np.ndindex(2, 2, 2, 2):
            prob = [p[s] if a else 1 - p[s] for a in (x1, x2, y1, y2)]
            weight = one[s, x1 + x2] * other[s, y1 + y2]
            terms[0] += np.prod(prob) * weight
            terms[1] += (x1 == y1) * prob[0] * prob[1] * prob[3] * weight
            terms[2] += (x1 == y1) * (x2 == y2) * prob[0] * prob[1] * weight
        whole = terms @ k
        expected[:3] += k * terms / whole
        expected[3] += np.log(whole)
    np.testing.assert_allclose(share, expected, rtol=1e-10)


def test_log_odds_are_those_of_the_definition():
    rng = np.random.default_rng(8)
    calls = rng.choice([0, 1, 2, -9], (60, 40)).astype(np.int8)
    likelihood = np.log(rng.random((60, 3)))
    likelihood -= likelihood.max(axis=1, keepdims=True)
    known = Genotypes(likelihood, np.zeros(60, np.int8), np.zeros((60, 2), np.int32))
    p = rng.uniform(0.05, 0.95, 60)
    found, n_called = log_odds_of_store(known, packed(calls), p, 40)
    own = np.exp(likelihood)
    prior = np.stack([(1 - p) ** 2, 2 * p * (1 - p), p**2], axis=1)
    stranger = (own * prior).sum(axis=1)
    for s in range(40):
        called = np.flatnonzero(calls[:, s] >= 0)
        here = own[called]
        right = here[np.arange(len(called)), calls[called, s]]
        mixed = 0.995 * right + 0.0025 * (here.sum(axis=1) - right)
        assert found[s] == pytest.approx(np.log(mixed / stranger[called]).sum())
        assert n_called[s] == len(called)
