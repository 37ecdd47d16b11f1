"""A bundle's variants are found in a store whichever allele it calls ALT."""

import numpy as np
import polars as pl
from packed_cohorts import packed

from genomed.kernels.packed import unpack_rows
from genomed.scores.store_matching import match_store, read_matched


def table(*rows: tuple[str, int, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["contig", "position", "ref", "alt"], orient="row")


STORE = table(
    ("chr1", 10, "A", "C"), ("chr1", 20, "G", "T"), ("chr1", 20, "T", "G"), ("chr1", 30, "A", "G"),
    ("chr2", 10, "A", "C"), ("chr2", 40, "a", "t"),
)  # fmt: skip
USABLE = np.array([True, True, True, True, False, True])


def test_each_variant_gets_its_row_and_a_reason() -> None:
    wanted = table(
        ("1", 10, "A", "C"), ("1", 10, "C", "A"), ("1", 20, "T", "G"), ("1", 30, "A", "T"),
        ("2", 10, "A", "C"), ("2", 40, "A", "T"), ("3", 1, "A", "C"),
    )  # fmt: skip
    found = match_store(wanted, STORE, USABLE)
    assert found.row.tolist() == [0, 0, 2, -1, -1, 5, -1]
    assert found.swapped.tolist() == [False, True, False, False, False, False, False]
    assert found.reason == [
        "exact", "swapped", "exact", "alleles_differ", "alleles_differ", "exact", "absent",
    ]  # fmt: skip


def test_calls_of_a_swapped_variant_count_the_other_allele() -> None:
    rng = np.random.default_rng(1)
    calls = rng.choice(np.array([0, 1, 2, -9], np.int8), (6, 45))
    words = packed(calls)
    wanted = table(("1", 30, "G", "A"), ("1", 10, "A", "C"), ("9", 1, "A", "C"))
    found = read_matched(lambda rows: words[rows], match_store(wanted, STORE, USABLE))
    out = np.empty((3, 45), np.int8)
    unpack_rows(found, 45, out)
    np.testing.assert_array_equal(out[0], np.where(calls[3] < 0, -9, 2 - calls[3]))
    np.testing.assert_array_equal(out[1], calls[0])
    assert (out[2] == -9).all()


def test_a_store_without_the_variants_gives_none() -> None:
    found = match_store(table(("5", 1, "A", "C")), STORE, USABLE)
    assert found.row.tolist() == [-1]
    words = read_matched(lambda rows: np.zeros((len(rows), 2), np.uint64), found)
    assert (words == ~np.uint64(0)).all()
