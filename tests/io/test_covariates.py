"""Covariates and dated codes: what a column is, and the tables that are refused."""

import datetime
from pathlib import Path

import pytest
from datafiles import shared_data

from genomed.errors import InputError, UnknownNameError, UsageError
from genomed.io.covariates import read_covariates, read_dated_codes


def written(folder: Path, text: str, name: str = "covariates.tsv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def column(folder: Path, name: str, cells: list[str], **options) -> list:
    rows = "".join(f"s{i}\t{cell}\n" for i, cell in enumerate(cells))
    path = written(folder, f"IID\t{name}\n{rows}")
    samples = [f"s{i}" for i in range(len(cells))]
    return read_covariates(path, samples, **options).frame[name].to_list()


def test_the_covariates_of_regenie_are_numbers_and_a_category():
    samples = [str(i) for i in range(500, 0, -1)]
    read = read_covariates(shared_data("gwas/regenie/covariates_wBin.txt"), samples)
    assert list(read.kinds.values()) == ["numeric"] * 4 + ["categorical"]
    assert read.frame["V5"].n_unique() > 1
    assert read.frame["V1"][-1] == 1.46837294454993
    assert read.found.all()


def test_the_order_is_the_stores_and_absent_people_are_unknown(tmp_path):
    path = written(tmp_path, "sample,age,site\nb,2,x\na,NA,y\n", "covariates.csv")
    read = read_covariates(path, ["a", "z", "b"])
    assert read.frame.rows() == [(None, "y"), (None, None), (2.0, "x")]
    assert read.kinds == {"age": "numeric", "site": "categorical"}
    assert "1 of 3 samples of the store are not in it (z)" in read.warnings[0]


def test_codes_that_are_numbers_stay_text_when_said_to_be_categories(tmp_path):
    assert column(tmp_path, "site", ["01", "1", "10"]) == [1.0, 1.0, 10.0]
    told = column(tmp_path, "site", ["01", "1", "10"], kinds={"site": "categorical"})
    assert told == ["01", "1", "10"]


def test_mostly_text_is_a_category_and_mostly_numbers_with_text_an_error(tmp_path):
    assert column(tmp_path, "icd", ["250", "E11", "I25"]) == ["250", "E11", "I25"]
    with pytest.raises(
        InputError, match=r"line 6: 'high' in column ldl is not a number, as 5 of 6 fields are"
    ):
        column(tmp_path, "ldl", ["1", "2", "3", "4", "high", "5"])


def test_a_sex_of_0_1_and_2_is_unknown_where_0_as_in_a_psam(tmp_path):
    assert column(tmp_path, "SEX", ["0", "1", "2"]) == [None, 1, 2]
    assert column(tmp_path, "SEX", ["0", "1", "1"]) == [0, 1, 1]


def test_a_minus_nine_is_unknown_and_warned_of_where_plausible(tmp_path):
    assert column(tmp_path, "age", ["50", "-9", "60"]) == [50, None, 60]
    path = written(tmp_path, "IID\tPC1\na\t-20\nb\t-9\nc\t10\n")
    read = read_covariates(path, list("abc"))
    assert read.frame["PC1"].to_list() == [-20, None, 10]
    assert "1 values of -9 in column PC1 were read as missing" in read.warnings[0]


@pytest.mark.parametrize(
    "cells",
    [
        ["1970-01-31", "NA", "1980-12-01"],
        ["31.01.1970", "1.12.1980", "2.2.1990"],
        ["01/31/1970", "12/01/1980", "02/02/1990"],
        ["1970-01-31 10:00:00", "1980-12-01T00:00", "1990-02-02"],
        ["19700131", "19801201", "19900202"],
    ],
)
def test_dates_are_refused_with_a_remedy(tmp_path, cells):
    with pytest.raises(InputError, match=r"line 2: '.*' in column birth is a date; give an age"):
        column(tmp_path, "birth", cells)


def test_decimal_commas_are_refused_rather_than_taken_for_categories(tmp_path):
    with pytest.raises(InputError, match=r"line 3: '2,5' in column ldl has a decimal comma"):
        column(tmp_path, "ldl", ["1", "2,5", "3,7"])


def test_numbers_of_eight_digits_that_are_no_dates_are_numbers(tmp_path):
    assert column(tmp_path, "income", ["19700131", "19801299"]) == [19700131, 19801299]


def test_a_trait_cannot_be_a_covariate(tmp_path):
    path = written(tmp_path, "IID\tage\tT2D\na\t1\t0\nb\t2\t1\n")
    with pytest.raises(UsageError, match="T2D is the trait to be predicted"):
        read_covariates(path, ["a", "b"], traits={"T2D"})
    assert read_covariates(path, ["a", "b"], ["age"], traits={"T2D"}).frame.columns == ["age"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("IID\tage\na\tinf\n", InputError, r"line 2: 'inf' in column age is not a finite number"),
        ("IID\tage\na\t1\na\t2\n", InputError, r"line 3: sample 'a' was already on line 2"),
        ("IID\tage\nx\t1\n", InputError, r"names nobody of the store"),
        ("IID\na\n", InputError, r"no column beside the samples' names"),
        ("IID\tbmi\na\t1\n", UnknownNameError, r"no column 'age'; its columns: bmi"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, text, error, message):
    names = ["age"] if error is UnknownNameError else []
    with pytest.raises(error, match=message):
        read_covariates(written(tmp_path, text), ["a", "b"], names)


def test_dated_codes_are_sorted_and_counted_once(tmp_path):
    path = written(
        tmp_path,
        "eid,icd10,date\nb,I25,2001-01-01\na,E11,1971-01-01\na,E11,1971-01-01\na,I10,1970-01-01\n"
        "x,I10,1970-01-01\nb,Z00,\n",
    )
    read = read_dated_codes(path, ["a", "b"])
    assert read.frame.rows() == [
        (0, "I10", 0.0),
        (0, "E11", pytest.approx(365 / 365.25)),
        (1, "I25", pytest.approx(31 + 8 / 365.25 - 31 * 0.25 / 365.25)),
    ]
    assert [w.partition(": ")[2] for w in read.warnings] == [
        "1 people in it are not in the store; left out.",
        "1 codes have no date; left out.",
        "1 rows repeat another; counted once.",
    ]


def test_ages_of_codes_are_years_as_they_are(tmp_path):
    path = written(tmp_path, "sample\tdx\twhen\na\tI10\t50.5\n")
    read = read_dated_codes(path, ["a"], columns=("dx", "when"))
    assert read.frame.rows() == [(0, "I10", 50.5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sample\tcode\tage\na\tI10\told\n",
            r"line 2: 'old' is not a date as YYYY-MM-DD or an age",
        ),
        (
            "sample\tcode\tdate\na\tI10\t2001-02-03\na\tI11\t50\n",
            r"line 3: '50' is not a date as YYYY-MM-DD, as others are",
        ),
        ("sample\tcode\tdate\na\tI10\t2001-02-30\n", r"line 2: '2001-02-30' is not a date"),
        ("sample\tcode\tdate\na\tI10\t2010\n", r"line 2: '2010' is no age in years; give dates"),
        ("sample\tcode\tage\na\t\t50\n", r"line 2: has no code"),
        ("sample\tname\tage\na\tI10\t50\n", r"line 1: none of the columns .* holds the codes"),
        ("sample\tcode\tage\nx\tI10\t50\n", r"names nobody of the store"),
    ],
)
def test_codes_that_cannot_be_dated_are_named_by_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_dated_codes(written(tmp_path, text), ["a"])


def test_dates_of_codes_may_be_eight_digits(tmp_path):
    compact = written(tmp_path, "sample\tcode\tdate\na\tI10\t19700101\na\tE11\t20080806\n")
    read = read_dated_codes(compact, ["a"])
    days = (datetime.date(2008, 8, 6) - datetime.date(1970, 1, 1)).days
    assert read.times == "dates"
    assert read.frame.rows() == [(0, "I10", 0.0), (0, "E11", pytest.approx(days / 365.25))]
