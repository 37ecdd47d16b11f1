"""Tables of predictions: what is taken from them, and what is refused by line."""

import numpy as np
import pytest

from genomed.errors import InputError, UnknownNameError, UsageError
from genomed.io.predictions import read_predictions


def written(tmp_path, text, name="p.tsv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_the_usual_column_is_taken_and_intervals_with_it(tmp_path):
    text = "sample\tscore\tprobability\tlow\thigh\nA\t3\t0.5\t0.1\t0.9\nB\t2\tNA\t0\t1\n"
    found = read_predictions(written(tmp_path, text))
    assert found.samples == ["A", "B"]
    np.testing.assert_array_equal(found.values["probability"], [0.5, np.nan])
    np.testing.assert_array_equal(found.low, [0.1, 0])


def test_a_risk_table_has_one_prediction_per_model(tmp_path):
    text = "sample\tmodel\tscore\taverage\nA\tM1\t1\t0.1\nA\tM2\t2\t0.2\nB\tM2\t4\t0.4\n"
    path = written(tmp_path, text)
    found = read_predictions(path)
    np.testing.assert_array_equal(found.values["M1"], [1, np.nan])
    np.testing.assert_array_equal(found.values["M2"], [2, 4])
    assert found.columns == {"M1": "score", "M2": "score"}
    assert list(read_predictions(path, ["M2"]).values) == ["M2"]
    by_column = read_predictions(path, ["M2:average"])
    np.testing.assert_array_equal(by_column.values["M2:average"], [0.2, 0.4])
    assert list(read_predictions(path, ["average"]).values) == ["M1:average", "M2:average"]


def test_a_bundle_is_taken_by_its_prediction_and_a_scoring_file_by_its_score(tmp_path):
    text = (
        "sample\tmodel\tscore\tfull_predictor\tprediction\tprediction_low\tprediction_high\n"
        "A\tbundle\t\t-1.5\t0.2\t0.1\t0.3\nB\tbundle\t\t0.5\t0.6\t0.5\t0.7\n"
        "A\tpgs\t3\t\t\t\t\nB\tpgs\t4\t\t\t\t\n"
    )
    found = read_predictions(written(tmp_path, text))
    assert found.columns == {"bundle": "prediction", "pgs": "score"}
    np.testing.assert_array_equal(found.low, [0.1, 0.5])
    np.testing.assert_array_equal(found.high, [0.3, 0.7])
    np.testing.assert_array_equal(found.values["pgs"], [3, 4])
    assert read_predictions(tmp_path / "p.tsv", ["pgs", "bundle"]).low is None


def test_people_of_the_test_are_taken_where_a_set_is_named(tmp_path):
    text = "sample,set,full\nA,develop,1\nB,test,2\nC,test,3\n"
    path = written(tmp_path, text, "p.csv")
    found = read_predictions(path)
    assert found.samples == ["B", "C"]
    assert "the 2 of the set test" in found.warnings[0]
    assert read_predictions(path, only="all").samples == ["A", "B", "C"]
    assert read_predictions(path, only="develop").samples == ["A"]


def test_parquet_says_the_same_as_text(tmp_path):
    import polars as pl

    frame = pl.DataFrame({"sample": ["A", "B"], "prediction": [0.25, None]})
    frame.write_parquet(tmp_path / "p.parquet")
    found = read_predictions(tmp_path / "p.parquet")
    np.testing.assert_array_equal(found.values["prediction"], [0.25, np.nan])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sample\tprobability\nA\t0.1\nA\t0.2\n", "line 3: sample 'A'"),
        ("sample\tprobability\nA\tx\n", "line 2: 'x' in column probability"),
        ("sample\tprobability\nA\tinf\n", "line 2: 'inf'"),
        ("sample\tprobability\nA\t0.1\n\t0.2\n", "line 3: has no sample name"),
        ("name1\tprobability\nA\t0.1\n", "call theirs sample"),
        ("sample\tcomment\nA\tyes\n", "holds numbers"),
        ("sample\tmodel\tscore\nA\tM\t1\nA\tM\t2\n", "line 3: sample 'A' of model 'M'"),
    ],
)
def test_what_is_wrong_is_told_by_line(tmp_path, text, told):
    with pytest.raises(InputError) as caught:
        read_predictions(written(tmp_path, text))
    assert told in str(caught.value)


def test_an_unclear_choice_is_asked_for(tmp_path):
    path = written(tmp_path, "sample\tx\ty\nA\t1\t2\n")
    with pytest.raises(UsageError, match="--prediction"):
        read_predictions(path)
    with pytest.raises(UnknownNameError, match="'z'"):
        read_predictions(path, ["z"])
    with pytest.raises(InputError, match="set"):
        read_predictions(path, ["x"], only="test")


def test_intervals_and_risks_of_one_prediction_are_not_those_of_another(tmp_path):
    path = tmp_path / "predictions.tsv"
    path.write_text(
        "sample\tlinear_prediction\tprediction\tprediction_low\tprediction_high\trisk_by_5\n"
        "a\t0.3\t0.2\t0.1\t0.4\t0.1\nb\t0.5\t0.6\t0.5\t0.8\t0.3\n"
    )
    own, other = read_predictions(path), read_predictions(path, ["linear_prediction"])
    assert own.low is not None
    assert list(own.risk_by) == [5.0]
    assert (other.low, other.high, other.risk_by) == (None, None, {})
