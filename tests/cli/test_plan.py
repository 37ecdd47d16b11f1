"""`genomed plan` as it is typed: the table, the JSON, the exit code."""

import json

import pytest
import yaml
from datafiles import REPOSITORY
from typer.testing import CliRunner

from genomed.cli import app
from genomed.errors import UnfitError, UsageError

EXAMPLE = "workflows/config/config.yaml"


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch) -> None:
    monkeypatch.chdir(REPOSITORY)


def plan(*words):
    return CliRunner().invoke(app, ["plan", "--speed", "1", *map(str, words)])


def test_the_table_has_a_line_for_each_job_and_what_will_not_fit_ends_with_7(tmp_path):
    out = tmp_path / "plan.yaml"
    done = plan(EXAMPLE, "--out", out, "--memory", "400M", "--disk", "64G")
    heading, *rows = done.stdout.splitlines()
    assert heading.split("\t")[:4] == ["rule", "job", "people", "variants"]
    assert rows[0].split("\t")[:3] == ["convert", "example", "300"]
    assert done.stderr.startswith(f"{len(rows)} jobs: ")
    assert isinstance(done.exception, UnfitError)
    assert str(done.exception).startswith("this will not fit: ")
    assert yaml.safe_load(out.read_text())["planned"]["qc"]


def test_json_has_every_job_with_what_is_predicted_and_asked(tmp_path):
    done = plan(EXAMPLE, "--out", tmp_path / "plan.yaml", "--json")
    facts = json.loads(done.stdout)
    assert {job["rule"] for job in facts["jobs"]} >= {"convert", "train", "risk"}
    for job in facts["jobs"]:
        assert job["asked"]["mem_mb"] >= job["predicted"]["memory_mb"]


def test_a_biobank_is_predicted_from_numbers_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = plan("--people", 500_000, "--variants", 1_000_000, "--nodes", 100, "--cores", 32,
                "--memory", "2T", "--disk", "100T", "--threads", 32, "--parts", 22)  # fmt: skip
    assert done.exit_code == 0
    assert "convert_part\tcohort x 22\t500,000\t" in done.stdout
    assert " on 100 machines of 32 processors" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_options_that_an_input_has_no_use_for_are_refused(tmp_path):
    cohort = plan("examples/data/cohort.vcf.gz", "--out", tmp_path / "plan.yaml")
    reads = plan("reads.bam", "--people", 5)
    assert isinstance(cohort.exception, UsageError)
    assert "--out takes resources" in str(cohort.exception)
    assert isinstance(reads.exception, UsageError)
    assert "are of a cohort" in str(reads.exception)
