"""Who samples are: .psam, .fam and tables of IID and SEX, read, matched and written."""

from pathlib import Path

import polars as pl
import pytest

from genomed.errors import InputError
from genomed.io.psam import merge_people, psam_text, read_people, unknown_people


def read(tmp_path: Path, text: str) -> pl.DataFrame:
    (tmp_path / "people").write_text(text)
    return read_people(tmp_path / "people")


@pytest.mark.parametrize(
    "text",
    [
        "f a x y 1 -9\n0 b 0 0 0 -9\n",
        "#FID\tIID\tPAT\tMAT\tSEX\nf\ta\tx\ty\t1\n0\tb\t0\t0\tNA\n",
        "##comment\n#FID IID SEX PAT MAT PHENO1\nf a M x y NA\n\n0 b 0 0 0 -9\n",
        "f\ta\tx\ty\tmale\n0\tb\t0\t0\tother\n".replace("male", "1").replace("other", "-9"),
    ],
)
def test_every_layout_tells_the_same(tmp_path: Path, text: str) -> None:
    people = read(tmp_path, text)
    assert people.columns == ["sample", "family", "father", "mother", "sex"]
    assert people.rows() == [("a", "f", "x", "y", 1), ("b", None, None, None, None)]


def test_a_table_of_sex_alone_may_lack_a_header(tmp_path: Path) -> None:
    for text in ("a 1\nb F\n", "#IID SEX\na M\nb 2\n"):
        assert read(tmp_path, text).select("sample", "sex").rows() == [("a", 1), ("b", 2)]


def test_phenotypes_are_kept_where_anybody_has_one(tmp_path: Path) -> None:
    people = read(tmp_path, "#IID SEX BMI Q\na 1 22.5 NA\nb 2 -9 NA\n")
    assert people.select("sample", "BMI").rows() == [("a", "22.5"), ("b", None)]
    assert "Q" not in people.columns


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "names nobody"),
        ("#IID SEX\n", "names nobody"),
        ("a 1\na 2\n", "occurs 2 times"),
        ("#FID SEX\nx 1\n", "no IID column"),
        ("a b c\n", "3 columns and no header"),
        ("#FID IID SEX\nx a\n", "line 2: has 2 of 3 columns"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        read(tmp_path, text)


def test_later_facts_win_and_unknown_ones_do_not() -> None:
    first = unknown_people(["a", "b"]).with_columns(sex=pl.Series([1, 2], dtype=pl.Int8))
    told = unknown_people(["b", "c"]).with_columns(
        sex=pl.Series([None, 1], dtype=pl.Int8), family=pl.Series(["f", None])
    )
    people, said = merge_people(first, told, Path("x"))
    assert people.select("sample", "sex", "family").rows() == [("a", 1, None), ("b", 2, "f")]
    assert len(said) == 2


def test_a_psam_begins_with_fid_as_regenie_wants_it() -> None:
    people = unknown_people(["a"]).with_columns(BMI=pl.lit("22"))
    assert psam_text(people) == "#FID\tIID\tSEX\tBMI\n0\ta\tNA\t22\n"
