"""The surface of `genomed report`: exit codes, what it prints, what it leaves."""

import json

import pytest
from report_results import write_results
from typer.testing import CliRunner

from genomed.cli import app
from genomed.errors import GenomedError


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write_results(folder, 30)
    return folder


def invoke(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_findings_are_printed_and_the_page_lies_beside_the_results(results):
    done = invoke(results)
    assert done.exit_code == 0, done.output
    assert "Samples of c" in done.stdout
    assert "report.html" in done.stdout
    assert (results / "report.html").is_file()
    assert (results / "report_mqc.json").is_file()


def test_quiet_prints_nothing_and_json_everything(results, tmp_path):
    out = tmp_path / "page.html"
    assert invoke(results, "--out", out, "-q").stdout == ""
    told = json.loads(invoke(results, "--out", out, "--json", "--title", "A <b>trial</b>").stdout)
    assert told["outputs"]["page.html"] == str(out)
    assert {finding["level"] for finding in told["findings"]} <= {"usable", "care", "none", "told"}
    assert "heart" in {finding["subject"] for finding in told["findings"]}
    assert told["runs"]["qc"] == 1
    assert "A &lt;b&gt;trial&lt;/b&gt;" in out.read_text()


def test_one_persons_page_is_named_as_the_report_calls_the_person(results):
    done = invoke(results, "--person", "S000003", "-q")
    assert done.exit_code == 0, done.output
    (page,) = results.glob("P-*.html")
    assert "S000003" not in page.read_text()
    assert not list(results.glob("S000003*"))


def test_results_that_are_not_there_are_an_error(tmp_path):
    done = invoke(tmp_path)
    assert isinstance(done.exception, GenomedError)
    assert done.exception.exit_code == 3
