"""Precision, recall, areas and calibration are what they are defined as."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score

from genomed.stats.call_accuracy import (
    accuracy,
    calibration_error,
    precision_recall_area,
    window_counts,
)
from genomed.stats.truth_match import Match


def side(positions, matched, is_snp=True, inside=True):
    n = len(positions)
    return pl.DataFrame({
        "contig": ["c"] * n, "position": positions, "matched": matched,
        "genotype_error": [False] * n, "is_snp": [is_snp] * n, "inside": [inside] * n,
    })  # fmt: skip


MATCH = Match(
    pl.concat([side([1, 2500, 9000], [True, True, False]), side([50], [False], is_snp=False)]),
    pl.concat([side([1, 2500, 7000, 7001], [True, True, False, False]),
               side([60], [False], inside=False)]),
)  # fmt: skip


def test_rates_count_alleles_inside_by_type():
    snp = accuracy(MATCH, snps=True)
    assert (snp.n_truth, snp.n_calls, snp.missed, snp.wrong) == (3, 4, 1, 2)
    assert snp.precision[0] == pytest.approx(1 / 2)
    assert snp.recall[0] == pytest.approx(2 / 3)
    assert snp.f1[0] == pytest.approx(4 / 7)
    assert snp.f1[1] <= snp.f1[0] <= snp.f1[2]
    assert accuracy(MATCH).n_truth == 4
    assert accuracy(MATCH, snps=False).f1[0] == 0


def test_nothing_to_find_and_nothing_called_has_no_rates():
    none = Match(side([5], [True], inside=False), side([6], [True], inside=False))
    made = accuracy(none)
    assert (made.n_truth, made.n_calls) == (0, 0)
    assert np.isnan(made.f1[0])


def test_alleles_in_another_number_are_right_alleles():
    wrong = side([5, 60], [True, False]).with_columns(genotype_error=pl.Series([False, True]))
    made = accuracy(Match(wrong, wrong))
    assert made.f1[0] == pytest.approx(0.5)
    assert made.genotype_errors == 1
    assert made.allele_f1 == 1


def test_windows_hold_both_sides():
    counts = window_counts(MATCH, snps=True)
    assert counts.found.tolist() == [1, 1, 0, 0]
    assert counts.missed.tolist() == [0, 0, 0, 1]
    assert counts.wrong.tolist() == [0, 0, 2, 0]


def test_intervals_cover_the_rate_of_the_genome():
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(60):
        at = np.sort(rng.integers(1, 1_000_000, 400))
        hit = rng.random(400) < 0.9
        made = accuracy(Match(side(at, hit), side(at, hit)), draws=300)
        covered += made.recall[1] <= 0.9 <= made.recall[2]
    assert covered >= 51


def test_the_area_is_average_precision():
    rng = np.random.default_rng(3)
    right = rng.random(500) < 0.7
    score = np.round(right + rng.normal(0, 1, 500), 1)
    expected = average_precision_score(right, score)
    assert precision_recall_area(score, right, right.sum()) == pytest.approx(expected)
    half = precision_recall_area(score, right, 2 * right.sum())
    assert half == pytest.approx(expected / 2)
    assert precision_recall_area(np.array([]), np.array([], bool), 5) == 0
    assert np.isnan(precision_recall_area(np.array([3.0]), np.array([False]), 0))


def test_calibrated_qualities_have_no_error_and_boasting_ones_have_theirs():
    rng = np.random.default_rng(4)
    quality = rng.uniform(3, 30, 200_000)
    right = rng.random(len(quality)) > 10 ** (-0.1 * quality)
    assert calibration_error(quality, right) < 0.003
    assert calibration_error(np.full(1000, 30.0), np.arange(1000) < 900) == pytest.approx(
        0.099, abs=0.001
    )
