"""Tables of sets and of relatives."""

from pathlib import Path

import polars as pl
import pytest

from genomed.errors import InputError
from genomed.io.split_table import read_relatives, read_split


def written(folder: Path, text: str, name: str = "table.tsv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_training_and_validation_are_one_set(tmp_path):
    path = written(tmp_path, "sample\tset\na\ttrain\nb\tTest\nc\tvalid\nd\tdevelop\ne\tNA\n")
    split = read_split(path, list("edcbaf"))
    assert split.test.tolist() == [False, False, False, True, False, False]
    assert split.used.tolist() == [False, True, True, True, True, False]
    assert "1 of 6 samples of the store are not in it (f)" in split.warnings[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample\tset\na\ttrain\nb\tx\n", r"line 3: no set is called 'x'; write develop, or test"),
        ("sample\tset\na\ttrain\nb\ttrain\n", r"nobody of the store is in the set test"),
        ("sample\tset\na\ttest\nb\ttest\n", r"nobody of the store is in the set develop"),
        ("sample\tgroup\na\ttest\nb\ttest\n", r"none of the columns group says the set"),
    ],
)
def test_splits_without_a_meaning_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_split(written(tmp_path, text), ["a", "b"])


OURS = "sample1\tsample2\tkinship\nb\ta\t0.25\na\tc\t0.01\nb\tc\t\nx\ta\t0.3\n"
PLINK2 = "#FID1\tIID1\tFID2\tIID2\tNSNP\tKINSHIP\nf\tb\tf\ta\t9\t0.25\nf\ta\tf\tc\t9\t0.01\n"
NO_FAMILIES = "#IID1\tIID2\tNSNP\tKINSHIP\nb\ta\t9\t0.25\na\tc\t9\t0.01\n"


@pytest.mark.parametrize("text", [OURS, PLINK2, NO_FAMILIES])
def test_pairs_from_a_kinship_on_are_found(tmp_path, text):
    for samples in (list("abc"), ["f_a", "f_b", "f_c"] if text is PLINK2 else list("abc")):
        found = read_relatives(written(tmp_path, text), samples, 0.0442)
        assert found.pairs.tolist() == [[0, 1]]
        assert len(found.warnings) == (text is OURS)


def test_a_parquet_file_says_the_same(tmp_path):
    frame = pl.DataFrame({"sample1": ["b", "a"], "sample2": ["a", "c"], "kinship": [0.25, None]})
    frame.write_parquet(tmp_path / "kinship.parquet")
    assert read_relatives(tmp_path / "kinship.parquet", list("abc"), 0.0442).pairs.tolist() == [
        [0, 1]
    ]


def test_a_table_without_pairs_is_nobody_related(tmp_path):
    path = written(tmp_path, "sample1\tsample2\tkinship\n")
    assert read_relatives(path, list("abc"), 0.0442).pairs.shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample1\tsample2\tkinship\na\tb\thigh\n", r"line 2: the kinship 'high' is not a number"),
        ("one\ttwo\tkinship\na\tb\t0.3\n", r"none of the columns .* is called sample1"),
        ("sample1\tsample2\tkinship\nx\ty\t0.3\n", r"names nobody of the store"),
    ],
)
def test_other_tables_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_relatives(written(tmp_path, text), ["a", "b"], 0.0442)


def test_a_damaged_parquet_file_is_refused(tmp_path):
    path = tmp_path / "kinship.parquet"
    path.write_bytes(b"PAR1 nonsense")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_relatives(path, ["a"], 0.0442)
