"""Facts of calls: sums of known reads, and tests beside those of scipy and by hand."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from small_alignments import letters, random_bases

from genomed.stats.allele_evidence import AlleleEvidence, flat_alleles
from genomed.stats.call_facts import call_facts
from genomed.tables import TABLES

stats = pytest.importorskip("scipy.stats")

REFERENCE = random_bases(np.random.default_rng(2), 300)
CODES = np.array(["ACGT".index(base) for base in REFERENCE], np.uint8)


def evidence_of(
    site: list[int], best: list[int], n_alleles: int = 2, **given: Any
) -> AlleleEvidence:
    """Reads that fit one allele (-1 for none) of a site; what is not given is the same for all."""
    n = len(site)
    loglik = np.full((n, n_alleles), -10, np.float32)
    for row, allele in enumerate(best):
        loglik[row, allele if allele >= 0 else slice(None)] = 0
    plain: dict[str, tuple[type, Any]] = {
        "read": (np.int32, 0), "fit": (np.float32, -1), "counts": (bool, True),
        "spans": (bool, True), "realigned": (bool, False), "strand": (np.uint8, 0),
        "mapq": (np.uint8, 60), "base_quality": (np.uint8, 30), "from_start": (np.int16, 20),
        "from_end": (np.int16, 50), "mismatches": (np.uint8, 0), "gaps": (np.uint8, 0),
        "clipped": (np.int16, 0), "flag": (np.uint16, 3), "fragment": (np.uint64, 0),
    }  # fmt: skip
    arrays = {
        name: np.array(given.get(name, [value] * n), kind) for name, (kind, value) in plain.items()
    }
    n_sites = max(site, default=-1) + 1
    first = np.searchsorted(site, np.arange(n_sites + 1)).astype(np.int64)
    return AlleleEvidence(
        first=first, site=np.array(site, np.int32), loglik=loglik,
        depth=np.diff(first).astype(np.int32), **arrays,
    )  # fmt: skip


def facts_of(evidence: AlleleEvidence, starts: list[int], alleles: list[tuple[str, ...]]):
    return call_facts(evidence, flat_alleles(alleles), np.array(starts), CODES, 0)


def test_columns_are_those_of_the_dictionary() -> None:
    table = facts_of(evidence_of([0], [1]), [100], [("A", "C")])
    assert ["contig", "position", "ref", "alt", *table.columns] == list(TABLES["reads_features"])


def test_means_are_of_the_reads_that_fit_each_allele() -> None:
    evidence = evidence_of(
        [0] * 6, [0, 0, 1, 1, 1, -1], base_quality=[10, 20, 30, 40, 41, 2],
        mapq=[60, 20, 0, 30, 60, 3], strand=[0, 1, 1, 1, 0, 0], from_start=[1, 2, 3, 3, 70, 9],
        clipped=[0, 5, 0, 0, 9, 9], mismatches=[0, 1, 2, 3, 0, 0], gaps=[0, 0, 0, 0, 3, 0],
        flag=[3, 1, 3, 3, 1, 1], counts=[True] * 6,
    )  # fmt: skip
    row = facts_of(evidence, [100], [("A", "C")]).row(0, named=True)
    assert (row["depth"], row["ambiguous"], row["low_mapping_quality"]) == (6, 1, 2)
    assert (row["ref_depth"], row["alt_depth"]) == (2, 3)
    assert row["alt_fraction"] == pytest.approx(0.6)
    assert row["ref_base_quality"] == pytest.approx(15)
    assert row["alt_base_quality"] == pytest.approx(37)
    assert row["alt_mapping_quality"] == pytest.approx(30)
    assert row["alt_end_distance"] == pytest.approx((3 + 3 + 50) / 3)
    assert row["alt_mismatches"] == pytest.approx(8 / 3)
    assert (row["ref_clipped"], row["alt_clipped"]) == pytest.approx((0.5, 1 / 3))
    assert row["alt_proper_pairs"] == pytest.approx(2 / 3)
    assert (row["ref_forward"], row["alt_forward"]) == (1, 1)
    assert row["alt_starts"] == 2  # two reads of one strand begin at the same base


def test_a_mate_that_stands_for_both_counts_once() -> None:
    evidence = evidence_of([0] * 3, [1, 1, 1], counts=[True, False, True])
    row = facts_of(evidence, [100], [("A", "C")]).row(0, named=True)
    assert (row["depth"], row["alt_depth"], row["overlapping_mates"]) == (2, 2, 1)


@pytest.mark.parametrize("seed", range(8))
def test_biases_are_those_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 80))
    best = [0, 1, *rng.integers(0, 2, n - 2).tolist()]
    strand = rng.integers(0, 2, n)
    quality, mapq, edge = rng.integers(2, 42, n), rng.integers(0, 61, n), rng.integers(0, 60, n)
    evidence = evidence_of(
        [0] * n, best, strand=strand, base_quality=quality, mapq=mapq, from_start=edge,
        from_end=[200] * n,
    )  # fmt: skip
    row = facts_of(evidence, [100], [("A", "C")]).row(0, named=True)
    alt = np.array(best) == 1
    table = [[int((strand[k] == s).sum()) for s in (0, 1)] for k in (~alt, alt)]
    p = stats.fisher_exact(table)[1]
    assert row["fisher_phred"] == pytest.approx(-10 * math.log10(p), abs=1e-6)
    (a, b), (c, d) = [[x + 1 for x in line] for line in table]
    ratio = a * d / (b * c)
    expected = (
        math.log(ratio + 1 / ratio) + math.log(min(a, b) / max(a, b))
        - math.log(min(c, d) / max(c, d))
    )  # fmt: skip
    assert row["odds_ratio"] == pytest.approx(expected)
    for name, values in (("base_quality_z", quality), ("mapping_quality_z", mapq),
                         ("end_distance_z", edge)):  # fmt: skip
        test = stats.mannwhitneyu(
            values[alt], values[~alt], method="asymptotic", use_continuity=False
        )
        sign = 1 if test.statistic > alt.sum() * (~alt).sum() / 2 else -1
        assert row[name] == pytest.approx(sign * abs(stats.norm.isf(test.pvalue / 2)), abs=1e-6)


def test_without_reads_counts_are_zero_and_the_rest_unknown() -> None:
    evidence = evidence_of([1], [0], 3)
    table = facts_of(evidence, [50, 100], [("A", "C"), ("A", "C", "G")])
    assert table["depth"].to_list() == [0, 1, 1]
    assert table["alt_depth"].to_list() == [0, 0, 0]
    for name in ("alt_fraction", "alt_base_quality", "base_quality_z", "end_distance_z"):
        assert table[name][0] is None
    assert table["fisher_phred"][0] == 0


def test_log_odds_weigh_genotypes_with_an_allele_against_those_without() -> None:
    evidence = evidence_of([0] * 4, [0, 0, 1, 1])
    row = facts_of(evidence, [100], [("A", "C")]).row(0, named=True)
    het = 4 * math.log((1 + math.exp(-10)) / 2)
    assert row["log_odds"] == pytest.approx((het + 20) / math.log(10), rel=1e-4)


def test_repeats_are_those_of_the_reference() -> None:
    text = REFERENCE[:96] + "GGTT" + "CA" * 10 + "GTTTTTTTA" + REFERENCE[150:]
    codes = np.array(["ACGT".index(base) for base in text], np.uint8)
    at = [99, text.index("GTTTTTTTA")]
    alleles = [(text[p], text[p] + "CA") for p in at]
    alleles[1] = (text[at[1]], text[at[1]] + "T")
    table = call_facts(evidence_of([0, 1], [0, 0]), flat_alleles(alleles), np.array(at), codes, 0)
    assert table["repeat_period"].to_list() == [2, 1]
    assert table["repeat_length"][0] == 20
    assert table["homopolymer"].to_list() == [1, 7]
    assert table.select(pl.col("gc").is_between(0, 1).all()).item()
    assert len(letters(text)) == len(codes)


def test_evidence_of_other_alleles_is_refused() -> None:
    with pytest.raises(ValueError, match="not of these alleles"):
        facts_of(evidence_of([0], [0]), [100], [("A", "C", "G")])
