"""Batches are cut where positions change, and nowhere else."""

import numpy as np
import polars as pl
import pytest

from genomed.schema import VariantBatch
from genomed.scores.batching import whole_positions


def batch_of(rows: list[tuple[str, int]]) -> VariantBatch:
    variants = pl.DataFrame(rows, schema={"contig": pl.Utf8, "position": pl.Int64}, orient="row")
    return VariantBatch(variants, np.array([[p] for _, p in rows], np.int8))


def positions(batches: list[list[tuple[str, int]]]) -> list[list[tuple[str, int]]]:
    return [b.variants.rows() for b in whole_positions(batch_of(rows) for rows in batches)]


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([], []),
        ([[("1", 1), ("1", 2)], [("1", 3)]], [[("1", 1), ("1", 2)], [("1", 3)]]),
        ([[("1", 1)], [("2", 1)]], [[("1", 1)], [("2", 1)]]),
        (
            [[("1", 1), ("1", 2)], [("1", 2), ("1", 3)]],
            [[("1", 1)], [("1", 2), ("1", 2)], [("1", 3)]],
        ),
        ([[("1", 2)], [("1", 2)], [("1", 2)], [("1", 4)]], [[("1", 2)] * 3, [("1", 4)]]),
    ],
)
def test_no_position_is_spread_over_two_batches(batches, expected):
    assert positions(batches) == expected


def test_a_batch_whose_neighbour_begins_elsewhere_passes_untouched():
    first, second = batch_of([("1", 1), ("1", 2)]), batch_of([("1", 3)])
    passed = list(whole_positions([first, second]))
    assert passed[0] is first
    assert passed[1] is second


def test_calls_follow_their_rows():
    batches = [batch_of([("1", 1), ("1", 2)]), batch_of([("1", 2), ("1", 3)])]
    calls = [b.alt_count[:, 0].tolist() for b in whole_positions(batches)]
    assert calls == [[1], [2, 2], [3]]
