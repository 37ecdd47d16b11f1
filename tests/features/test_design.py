"""Covariates as arrays: learned from a mask alone, without unknowns, and the same when applied."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.features.design import UNKNOWN_LEVEL, apply, column_kinds, encode
from genomed.settings import DesignSettings

SMALL = DesignSettings(min_level=2, max_one_hot=3)

numbers = st.one_of(st.none(), st.sampled_from([0.0, 1.0]), st.floats(allow_infinity=False))
texts = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "d", "e", "(missing)", "", "é"]))


@st.composite
def tables(draw):
    """Numbers and categories of some people, and whom to learn from."""
    n = draw(st.integers(1, 25))
    frame = pl.DataFrame(
        {
            "x": draw(st.lists(numbers, min_size=n, max_size=n)),
            "y": draw(st.lists(numbers, min_size=n, max_size=n)),
            "k": draw(st.lists(texts, min_size=n, max_size=n)),
        },
        schema={"x": pl.Float64, "y": pl.Float64, "k": pl.Utf8},
    )
    mask = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    mask[draw(st.integers(0, n - 1))] = True
    return frame, mask


@given(tables(), st.sampled_from([1, 3]))
def test_the_matrix_is_finite_and_standardised_where_it_was_learned(table, max_one_hot):
    frame, mask = table
    design = encode(frame, DesignSettings(min_level=2, max_one_hot=max_one_hot), mask)
    assert design.matrix.dtype == np.float32
    assert design.matrix.shape == (len(mask), len(design.names))
    assert np.isfinite(design.matrix).all()
    learned = design.matrix[mask].astype(float)
    assert np.allclose(learned.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(learned.std(axis=0), 1, atol=1e-5)
    assert (design.categories >= 0).all()
    assert (design.categories < np.array(design.category_sizes, np.int64)).all()


@given(tables(), st.sampled_from([1, 3]))
def test_an_encoder_from_json_gives_the_same_bytes_to_each_alone(table, max_one_hot):
    frame, mask = table
    design = encode(frame, DesignSettings(min_level=2, max_one_hot=max_one_hot), mask)
    encoder = json.loads(json.dumps(design.encoder, allow_nan=False))
    for row in range(frame.height):
        one = apply(encoder, frame[row])
        assert one.matrix.tobytes() == design.matrix[row].tobytes()
        assert one.categories.tolist() == [design.categories[row].tolist()]
        assert (one.names, one.category_sizes) == (design.names, design.category_sizes)


@given(tables(), tables())
def test_people_outside_the_mask_teach_nothing(table, other):
    frame, mask = table
    strangers = pl.concat([frame.filter(pl.Series(mask)), other[0]])
    chosen = np.arange(strangers.height) < mask.sum()
    assert encode(strangers, SMALL, chosen).encoder == encode(frame, SMALL, mask).encoder


def test_numbers_are_centred_scaled_and_unknown_ones_told():
    design = encode(pl.DataFrame({"age": [1.0, 3.0, None, None]}), SMALL)
    assert design.names == ["age", "age=(missing)"]
    assert np.allclose(design.matrix[:, 0], [-(2**0.5), 2**0.5, 0, 0])
    assert np.allclose(design.matrix[:, 1], [-1, -1, 1, 1])


def test_the_commonest_level_has_no_column_and_rare_ones_share_one():
    cells = ["a"] * 4 + ["b"] * 3 + ["x", "y", "z"] + [None] * 2
    frame = pl.DataFrame({"k": cells})
    design = encode(frame, SMALL)
    assert design.names == ["k=b", "k=(rare)", "k=(missing)"]
    assert (design.matrix[:, 1] > 0).tolist() == [cell in ("x", "y", "z") for cell in cells]
    new = apply(design.encoder, pl.DataFrame({"k": ["x", "never met", None, "a"]}))
    assert new.matrix[0].tolist() == new.matrix[1].tolist() == design.matrix[7].tolist()
    assert new.matrix[2].tolist() == design.matrix[-1].tolist()
    assert new.warnings == [
        "Covariate k: 2 samples have levels that are rare or were not met in training ('x')."
    ]


def test_a_level_never_met_is_at_the_mean_where_none_was_rare():
    design = encode(pl.DataFrame({"k": ["a", "b"] * 5}), SMALL)
    assert apply(design.encoder, pl.DataFrame({"k": ["c", None]})).matrix.tolist() == [[0], [0]]


def test_many_levels_become_whole_numbers_with_one_for_the_unknown():
    cells = [f"site{i}" for i in range(20) for _ in range(3)] + ["lonely", None, None]
    design = encode(pl.DataFrame({"site": cells}), SMALL)
    assert design.matrix.shape == (63, 0)
    assert design.category_names == ["site"]
    assert design.category_sizes == [22]
    assert design.categories[60, 0] == UNKNOWN_LEVEL
    assert design.categories[61, 0] == 21
    assert sorted(set(design.categories[:60, 0].tolist())) == list(range(1, 21))
    new = apply(design.encoder, pl.DataFrame({"site": ["site3", "site99"]}))
    assert new.categories[:, 0].tolist() == [design.categories[9, 0], UNKNOWN_LEVEL]


def test_constant_and_unknown_columns_are_left_out_and_named():
    frame = pl.DataFrame(
        {
            "one": [0.1] * 30,
            "none": [None] * 30,
            "city": ["x"] * 30,
            "id": [f"p{i}" for i in range(30)],
        },
        schema_overrides={"none": pl.Float64},
    )
    design = encode(frame)
    assert design.names == []
    said = " ".join(design.warnings)
    for name in ("one", "none", "city", "id"):
        assert f"Covariate {name} is left out" in said


def test_columns_that_follow_from_others_are_left_out_with_their_origins():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 200))
    frame = pl.DataFrame(
        {
            "a": a,
            "months": 12 * a + 7,
            "b": b,
            "sum": a + b,
            "noisy": a + 0.01 * rng.normal(size=200),
        }
    )
    design = encode(frame)
    assert design.names == ["a", "b", "noisy"]
    assert design.warnings == [
        "Covariate months is left out: it follows from a.",
        "Covariate sum is left out: it follows from b, a.",
    ] or design.warnings[1].endswith("a, b.")


def test_what_tells_of_unknowns_is_left_out_before_values_are():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 200))
    a[:50] = b[:50] = np.nan
    design = encode(pl.DataFrame({"a": a, "b": b}))
    assert design.names == ["a", "a=(missing)", "b"]
    assert design.warnings == ["Covariate b=(missing) is left out: it follows from a=(missing)."]


def test_a_code_for_unknown_among_ages_is_warned_of_and_cut():
    rng = np.random.default_rng(3)
    age = rng.normal(50, 10, 5000)
    age[7] = 99999
    design = encode(pl.DataFrame({"age": age}))
    assert (
        "1 values are more than 10 standard deviations from the mean (99999)" in design.warnings[0]
    )
    assert design.matrix.max() == 10


def test_a_missing_column_is_an_error_or_the_mean():
    frame = pl.DataFrame({"age": [1.0, 3.0, None, None], "k": ["a", "b", "a", "b"]})
    design = encode(frame, SMALL)
    with pytest.raises(ValueError, match="covariate age is missing"):
        apply(design.encoder, frame.drop("age"))
    new = apply(design.encoder, frame.drop("age"), absent="mean")
    assert new.names == design.names
    assert (new.matrix[:, :2] == 0).all()
    assert new.matrix[:, 2:].tolist() == design.matrix[:, 2:].tolist()
    assert "Covariate age is missing" in new.warnings[0]


def test_columns_of_another_type_are_refused():
    design = encode(pl.DataFrame({"age": [1.0, 3.0], "k": ["a", "b"]}), DesignSettings(min_level=1))
    with pytest.raises(ValueError, match="age holds String, not numbers"):
        apply(design.encoder, pl.DataFrame({"age": ["1"], "k": ["a"]}))
    with pytest.raises(ValueError, match="k holds Int64, not text"):
        apply(design.encoder, pl.DataFrame({"age": [1.0], "k": [1]}))
    with pytest.raises(ValueError, match="infinite"):
        encode(pl.DataFrame({"age": [1.0, float("inf")]}))
    with pytest.raises(ValueError, match="version 9"):
        apply({"version": 9, "columns": []}, pl.DataFrame({"age": [1.0]}))
    assert column_kinds(design.encoder) == {"age": "numeric", "k": "categorical"}
