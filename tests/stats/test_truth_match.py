"""Calls are compared with the truth by the haplotypes that they make."""

import numpy as np
import polars as pl
import pytest

from genomed.stats.truth_labels import true_genotype
from genomed.stats.truth_match import CALLS, inside_intervals, match_calls

#        0         1         2         3         4         5         6
#        0123456789012345678901234567890123456789012345678901234567890123456789
BASES = "GATTACAGGCACACACACTTGCATTTTTTTTGACCGTAGGATCCTTAGCAACGTTGCAAGCTTACGATC"
CONFIDENT = pl.DataFrame({"contig": ["c"], "start": [0], "end": [len(BASES)]})


def sequence_of(contig):
    if contig != "c":
        return None
    text = np.frombuffer(BASES.encode(), np.uint8)
    return text, 0, len(BASES), len(BASES), len(BASES) + 1


def calls(*rows):
    """Rows of (position, ref, alts, genotype)."""
    made = [("c", at, ref, alts.split(","), *genotype, 9.0) for at, ref, alts, genotype in rows]
    return pl.DataFrame(made, schema=CALLS, orient="row")


def outcome(truth, called, confident=CONFIDENT):
    match = match_calls(truth, called, sequence_of, confident)
    return match.truth["matched"].to_list(), match.calls["matched"].to_list()


def labels(truth, *sites, confident=CONFIDENT):
    table = pl.DataFrame(
        [("c", *site) for site in sites],
        schema=["contig", "position", "ref", "alt1", "alt2"],
        orient="row",
    )
    return true_genotype(table, truth, sequence_of, confident).tolist()


HET_DELETION = calls((9, "GCA", "G", (0, 1)))  # of one CA among five


def test_an_indel_written_elsewhere_in_its_repeat_matches():
    assert outcome(HET_DELETION, calls((15, "ACA", "A", (1, 0)))) == ([True], [True])
    assert outcome(HET_DELETION, calls((15, "ACAC", "AC", (1, 0)))) == ([True], [True])


def test_the_same_allele_in_another_number_is_a_genotype_error():
    match = match_calls(HET_DELETION, calls((9, "GCA", "G", (1, 1))), sequence_of, CONFIDENT)
    assert match.truth["matched"].to_list() == [False]
    assert match.truth["genotype_error"].to_list() == [True]
    assert match.calls["genotype_error"].to_list() == [True]


def test_two_snps_match_one_row_of_both():
    truth = calls((34, "C", "T", (0, 1)), (35, "C", "A", (0, 1)))
    assert outcome(truth, calls((34, "CC", "TA", (0, 1)))) == ([True, True], [True, True])


def test_a_substitution_and_a_deletion_match_one_complex_row():
    truth = calls((34, "C", "T", (1, 1)), (36, "GT", "G", (1, 1)))
    assert outcome(truth, calls((34, "CCGTA", "TCGA", (1, 1)))) == ([True, True], [True])


def test_two_short_deletions_match_a_long_one():
    truth = calls((23, "ATTT", "A", (0, 1)))
    called = calls((23, "AT", "A", (0, 1)), (25, "TTT", "T", (0, 1)))
    assert outcome(truth, called) == ([True], [True, True])


def test_an_insertion_written_as_substitutions_matches_in_part_only():
    truth = calls((34, "C", "T", (0, 1)), (41, "A", "G", (0, 1)))
    called = calls((34, "C", "T", (0, 1)), (41, "A", "C", (0, 1)))
    assert outcome(truth, called) == ([True, False], [True, False])


def test_both_alleles_of_a_site_are_counted():
    truth = calls((23, "ATT", "A,AT", (1, 2)))
    assert outcome(truth, calls((23, "ATT", "A,AT", (1, 2)))) == ([True] * 2, [True] * 2)
    assert outcome(truth, calls((23, "ATT", "A", (0, 1)))) == ([False, True], [True]) or outcome(
        truth, calls((23, "ATT", "A", (0, 1)))
    ) == ([True, False], [True])


def test_phase_is_tried_both_ways():
    truth = calls((34, "C", "T", (0, 1)), (36, "GT", "G", (1, 0)))
    called = calls((34, "CCG", "TCG", (1, 0)), (37, "TA", "A", (0, 1)))
    assert outcome(truth, called) == ([True, True], [True, True])


def test_calls_outside_the_regions_are_not_judged():
    confident = pl.DataFrame({"contig": ["c", "c"], "start": [30, 0], "end": [40, 5]})
    match = match_calls(
        calls(), calls((3, "T", "G", (0, 1)), (20, "T", "G", (0, 1)), (33, "A", "G", (0, 1))),
        sequence_of, confident,
    )  # fmt: skip
    assert match.calls["inside"].to_list() == [True, False, True]
    assert not match.calls["matched"].any()


def test_a_wrong_reference_is_refused():
    with pytest.raises(ValueError, match="c:34: REF G is not"):
        match_calls(calls((34, "G", "T", (0, 1))), calls(), sequence_of, CONFIDENT)
    other = calls((34, "C", "T", (0, 1))).with_columns(contig=pl.lit("other"))
    with pytest.raises(ValueError, match="'other' is not in the reference"):
        match_calls(other, calls(), sequence_of, CONFIDENT)


def test_spans_must_lie_within_one_interval_and_touching_ones_are_one():
    intervals = pl.DataFrame({"contig": ["a", "a", "b"], "start": [0, 10, 5], "end": [10, 20, 8]})
    contig = pl.Series(["a", "a", "a", "b", "b", "z"])
    start, end = np.array([5, 15, 19, 5, 4, 0]), np.array([15, 20, 21, 8, 6, 1])
    inside = inside_intervals(contig, start, end, intervals)
    assert inside.tolist() == [True, True, False, True, False, False]


def test_random_truth_matches_itself_in_random_words():
    rng = np.random.default_rng(7)
    for _ in range(40):
        at = sorted(rng.choice(np.arange(2, 60), 6, replace=False).tolist())
        rows, last = [], 0
        for start in at:
            if start <= last + 1:
                continue
            ref = BASES[start : start + int(rng.integers(1, 4))]
            alt = "".join(rng.choice(list("ACGT"), int(rng.integers(1, 4))))
            last = start + len(ref)
            if ref != alt:
                rows.append((start, ref, alt, [(0, 1), (1, 0), (1, 1)][rng.integers(3)]))
        truth = calls(*[(s + 1, r, a, g) for s, r, a, g in rows])
        longer = [  # a base more on both sides says the same
            (s, BASES[s - 1] + r + BASES[s + len(r)], BASES[s - 1] + a + BASES[s + len(r)], g)
            for s, r, a, g in rows
        ]
        found = outcome(truth, calls(*longer))
        assert all(found[0])
        assert all(found[1])


def test_candidates_get_the_genotype_of_the_truth():
    truth = calls((34, "C", "T", (0, 1)), (41, "A", "G", (1, 1)), (23, "ATT", "A,AT", (1, 2)))
    assert labels(truth, (34, "C", "T", "")) == [1]
    assert labels(truth, (34, "C", "G", "T")) == [3]
    assert labels(truth, (41, "A", "G", "C")) == [2]
    assert labels(truth, (41, "A", "C", "")) == [-1]  # the truth has another allele there
    assert labels(truth, (23, "ATT", "AT", "A")) == [4]
    assert labels(truth, (23, "ATTT", "AT", "ATT")) == [4]
    assert labels(truth, (60, "C", "G", "")) == [0]


def test_candidates_that_together_make_the_truth_are_labelled():
    truth = calls((34, "CCGTA", "TCGA", (1, 1)))
    sites = [(34, "C", "T", ""), (36, "GT", "G", ""), (45, "T", "A", "")]
    assert labels(truth, *sites) == [2, 2, 0]


def test_candidates_near_truth_that_nothing_explains_are_not_labelled():
    truth = calls((34, "C", "CGGTA", (0, 1)))
    assert labels(truth, (36, "G", "T", ""), (60, "C", "G", "")) == [-1, 0]


def test_candidates_outside_the_regions_are_not_labelled():
    narrow = pl.DataFrame({"contig": ["c"], "start": [0], "end": [30]})
    assert labels(HET_DELETION, (9, "GCA", "G", ""), (34, "C", "T", ""), confident=narrow) == [
        1,
        -1,
    ]
