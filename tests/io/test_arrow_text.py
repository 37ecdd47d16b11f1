"""Columns of text made by a kernel, beside the same made of Python's strings."""

import gc

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from genomed.io import arrow_text
from genomed.io.variant_frame import find_cells, text_columns

letters = st.characters(exclude_characters="\t\n", exclude_categories=["Cs"])
cell = st.one_of(st.just("."), st.text("ACGT,", max_size=30), st.text(letters, max_size=14))
rows = st.lists(st.tuples(cell, cell, cell), max_size=6)


def joined(table: list[tuple[str, str, str]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in table).encode()


@given(st.lists(rows, max_size=4))
def test_columns_of_several_texts_hold_every_cell(parts: list[list[tuple[str, str, str]]]) -> None:
    found = [find_cells(joined(part), len(part)) for part in parts]
    expected = [
        (None if one in ("", ".") else one, two or None, three or None)
        for part in parts
        for one, two, three in part
    ]

    assert_frame_equal(
        pl.DataFrame(text_columns(found)),
        pl.DataFrame(expected, schema=["id", "ref", "alt"], orient="row").cast(pl.String),
    )
    counted = [n for one in found for n in one.n_alts.tolist()]
    alts = [row[2] for part in parts for row in part]
    assert counted == [0 if alt == "." else alt.count(",") + 1 for alt in alts]


@pytest.mark.parametrize("text", [b"a\tA\n", b"a\tA\tC\tG\n", b"a\tA\tC", b"a\n\tA\tC\n", b"\n"])
def test_a_line_without_three_cells_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="tab or a line feed"):
        find_cells(text, 1)


def test_text_lives_as_long_as_a_column_that_holds_it() -> None:
    before = len(arrow_text._lent)
    ids = [f"a_name_of_more_than_twelve_bytes_{i}" for i in range(1000)]
    text = joined([(name, "A", "C") for name in ids])
    column = text_columns([find_cells(text, len(ids))])[0]
    del text
    gc.collect()
    kept = column.filter(column.str.ends_with("7"))
    del column
    gc.collect()

    assert kept.to_list() == [name for name in ids if name.endswith("7")]
    del kept
    gc.collect()
    assert len(arrow_text._lent) == before
