"""Dated codes: sorted, padded, cut to the latest, and the same when applied again."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.features.sequences import PADDING, UNKNOWN_CODE, apply, encode
from genomed.settings import DesignSettings

SMALL = DesignSettings(min_code=2, max_codes=3)
rows = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from("abcd"), st.integers(0, 9).map(float)),
    max_size=30,
    unique=True,
)


def frame(cells) -> pl.DataFrame:
    schema = {"sample": pl.Int64, "code": pl.Utf8, "time": pl.Float64}
    return pl.DataFrame(cells, schema=schema, orient="row")


@given(rows, st.integers(1, 63))
def test_sequences_match_the_definition(cells, bits):
    mask = np.array([bits >> i & 1 for i in range(6)], np.bool_)
    made = encode(frame(cells), 6, SMALL, mask)
    people = {c: {s for s, code, _ in cells if code == c and mask[s]} for c in "abcd"}
    common = sorted((c for c in "abcd" if len(people[c]) >= 2), key=lambda c: (-len(people[c]), c))
    number = {code: i + 2 for i, code in enumerate(common)}
    longest = 0
    for sample in range(6):
        mine = sorted((t, c) for s, c, t in cells if s == sample)[-3:]
        longest = max(longest, len(mine))
        expected = [number.get(c, UNKNOWN_CODE) for _, c in mine]
        codes = made.codes[sample].tolist()
        assert codes == expected + [PADDING] * (len(codes) - len(expected))
        scaled = (np.array([t for t, _ in mine]) - made.encoder["mean"]) / made.encoder["sd"]
        assert np.allclose(made.times[sample, : len(mine)], np.clip(scaled, -10, 10), atol=1e-5)
    assert made.codes.shape == (6, longest)
    assert made.n_codes == len(common) + 2
    assert np.isfinite(made.times).all()


@given(rows, st.randoms())
def test_the_order_of_rows_and_json_change_nothing(cells, random):
    made = encode(frame(cells), 6, SMALL)
    random.shuffle(cells)
    again = apply(json.loads(json.dumps(made.encoder)), frame(cells), 6)
    assert again.codes.tolist() == made.codes.tolist()
    assert again.times.tobytes() == made.times.tobytes()


def test_what_came_after_the_limit_is_not_used():
    cells = [(0, "a", 1.0), (0, "b", 2.0), (1, "a", 1.0), (1, "b", 2.0)]
    made = encode(frame(cells), 2, SMALL, before=np.array([2.0, np.nan]))
    assert made.codes.tolist() == [[2, 0], [2, 1]]


def test_a_sample_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="outside the 2"):
        encode(frame([(2, "a", 1.0)]), 2)
