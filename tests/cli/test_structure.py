"""The surface of `genomed structure`: words, options, exit codes."""

import json

import numpy as np
import pytest
from bed_files import write_bed_files
from datafiles import REPOSITORY
from typer.testing import CliRunner

from genomed.cli import app
from genomed.errors import InputError, UnfitError

VCF = REPOSITORY / "examples" / "data" / "cohort.vcf.gz"


@pytest.fixture
def store(tmp_path) -> str:
    rng = np.random.default_rng(31)
    frequency = rng.uniform(0.1, 0.9, (600, 1))
    calls = rng.binomial(2, frequency, (600, 70)).astype(np.int8)
    return write_bed_files(tmp_path / "store", calls)


def run(*words: object):
    return CliRunner().invoke(app, ["structure", *map(str, words)])


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_help_tells_of_the_store_and_of_the_reference_command(words):
    result = run(*words)
    assert result.exit_code == 0
    assert "structure [OPTIONS] {STORE}" in " ".join(result.stdout.split())
    assert "genomed structure reference --help" in result.stdout
    assert "--prune-window" in result.stdout


def test_the_reference_command_has_its_own_help():
    result = run("reference", "--help")
    assert result.exit_code == 0
    assert "--labels" in result.stdout


def test_options_may_come_before_the_store(store, tmp_path):
    result = run("--out", tmp_path / "out", "--steps", "prune", store)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "prune.in").read_text().startswith("v0\n")
    assert "LD pruning keeps" in result.stdout


def test_json_is_one_object(store, tmp_path):
    result = run(store, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["samples"] == 70
    assert sum(facts["variants"].values()) == 600
    assert set(facts["steps"]) == {"prune", "kinship", "pca", "roh", "diversity"}


def test_quiet_says_nothing(store, tmp_path):
    result = run(store, "--out", tmp_path / "out", "--steps", "roh", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_kernels_that_take_long_to_compile_are_told_of_where_they_are_needed(
    store, tmp_path, monkeypatch
):
    monkeypatch.setattr("genomed.kernels.compiled", lambda *names: not names)
    told = "compiling kernels for this processor"
    assert told in run(store, "--steps", "kinship,roh", "--out", tmp_path / "a").stderr
    assert told not in run(store, "--steps", "roh", "--out", tmp_path / "b").stderr


def test_timings_name_the_phases(store, tmp_path):
    result = run(store, "--out", tmp_path / "out", "--steps", "prune", "-q", "--timings")
    phases = [line.split("\t")[1] for line in result.stderr.splitlines()]
    assert phases == ["open", "variants", "prune", "write"]


def test_samples_may_be_chosen(store, tmp_path):
    chosen = ",".join(f"s{n}" for n in range(55))
    out = tmp_path / "out"
    result = run(store, "--out", out, "--samples", chosen, "--steps", "kinship", "--json")
    assert json.loads(result.stdout)["samples"] == 55


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--steps", "prune,dance"), "choose from prune, kinship, pca, roh, diversity"),
        (("--steps", ""), "choose from"),
        (("--prune-window", "50mb"), "write it as 50 or 500kb"),
        (("--prune-window", "0"), "write it as 50 or 500kb"),
        (("--prune-window", "1.5"), "write it as 50 or 500kb"),
        (("--prune-r2", "2"), "--prune-r2"),
        (("--pca-method", "magic"), "is not one of auto, exact, randomised"),
        (("--min-maf", "0.7"), "--min-maf"),
        (("--device", "banana"), "neither cpu nor cuda"),
    ],
)
def test_options_without_sense_are_refused(words, said, store, tmp_path):
    result = run(store, "--out", tmp_path / "out", *words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


def test_a_gpu_that_is_not_there_is_an_unfit_machine(store, tmp_path):
    result = run(store, "--out", tmp_path / "out", "--device", "cuda:77")
    assert isinstance(result.exception, UnfitError)
    assert not (tmp_path / "out").exists()


def test_a_vcf_is_refused_with_the_command_that_helps(tmp_path):
    result = run(VCF, "--out", tmp_path / "out")
    assert isinstance(result.exception, InputError)
    assert f"genomed convert {VCF} --out PREFIX" in str(result.exception)
