"""The surface of `genomed evaluate`: exit codes, what it prints, what it leaves."""

import json

import pytest
from prediction_tables import write_cohort
from typer.testing import CliRunner

from genomed.cli import app
from genomed.errors import GapError, GenomedError


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"), 600)


def invoke(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_measures_are_printed_and_tables_written(tables, tmp_path):
    done = invoke(
        tables[0], "--traits", tables[1], "--trait", "disease", "--by", "ancestry,sex",
        "--versus", "weak", "--bootstrap", 30, "--out", tmp_path / "o",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "AUROC" in done.stdout
    for name in ("metrics", "groups", "gaps", "versus", "curves"):
        assert (tmp_path / "o" / f"{name}.tsv").is_file()
        assert (tmp_path / "o" / f"{name}.parquet").is_file()


def test_json_holds_every_measure(tables, tmp_path):
    done = invoke(
        tables[0], "--traits", tables[1], "--trait", "disease", "--bootstrap", 10, "--json",
        "--out", tmp_path / "o",
    )  # fmt: skip
    facts = json.loads(done.stdout)
    assert facts["people"] == 600
    assert {row["measure"] for row in facts["metrics"]} >= {"auroc", "ece", "r2_liability"}


def test_a_gap_that_is_too_large_sets_the_exit_code(tables, tmp_path):
    done = invoke(
        tables[0], "--traits", tables[1], "--trait", "disease", "--by", "ancestry",
        "--max-gap", 0.01, "--bootstrap", 10, "--out", tmp_path / "o", "-q",
    )  # fmt: skip
    assert isinstance(done.exception, GapError)
    assert done.exception.exit_code == 9
    assert (tmp_path / "o" / "gaps.tsv").is_file()


@pytest.mark.parametrize(
    "options",
    [
        ["--max-gap", "0.1"],
        ["--prevalence", "1.5"],
        ["--scale", "percent"],
        ["--time", "death_time"],
        ["--by", "ancestry", "--max-gap", "0.1", "--gap-measure", "luck"],
        ["--trait", "height", "--prediction", "value", "--prevalence", "0.1"],
    ],
    ids=" ".join,
)
def test_options_that_make_no_sense_are_refused(tables, tmp_path, options):
    trait = [] if "--trait" in options else ["--trait", "disease"]
    done = invoke(tables[0], "--traits", tables[1], *trait, *options, "--out", tmp_path / "o")
    code = done.exception.exit_code if isinstance(done.exception, GenomedError) else done.exit_code
    assert code == 2
    assert not (tmp_path / "o").exists()


def two_people(folder, predictions):
    predicted, truth = folder / "predictions.tsv", folder / "traits.tsv"
    predicted.write_text("sample\tprediction\n" + predictions)
    truth.write_text("sample\theight\na\t1\nb\t2.5\n")
    return [predicted, "--traits", truth, "--trait", "height", "--out", folder / "o"]


def test_what_is_measured_on_two_people_is_not_to_be_relied_on(tmp_path):
    done = invoke(*two_people(tmp_path, "a\t1\nb\t2\n"))
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "o" / "run.json").read_text())["warnings"]
    assert told == ["There are only 2 people: rely on nothing of so few."]


def test_a_table_that_predicts_for_nobody_is_the_one_that_is_named(tmp_path):
    done = invoke(*two_people(tmp_path, "a\tNA\nb\tNA\n"))
    assert isinstance(done.exception, GenomedError)
    assert str(done.exception) == (
        f"{tmp_path / 'predictions.tsv'}: 0 of the 2 people whose height is known have a "
        "prediction; predict for them first"
    )
