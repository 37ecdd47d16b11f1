"""`genomed run` as it is typed: what is printed where, exit codes, and how it is ended."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from datafiles import REPOSITORY

psutil = pytest.importorskip("psutil", reason="comes with snakemake")
pytest.importorskip("snakemake", reason="not installed: pip install 'genomed[workflow]'")

PROGRAM = [sys.executable, "-c", "from genomed.cli import main; main()", "run"]
HEADER = (
    "##fileformat=VCFv4.2\n##contig=<ID=1>\n"
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tA\tB\n"
)
GOOD = HEADER + "1\t100\t.\tA\tG\t.\tPASS\t.\tGT\t0/1\t0/0\n"
BROKEN = HEADER + "1\tx\t.\tA\tG\t.\tPASS\t.\tGT\t0/1\t0/0\n"
CONFIG = """\
cohorts: {{{cohorts}}}
qc: {{run: true}}
structure: {{run: false}}
train: {{trait: []}}
explain: {{run: false}}
report: {{run: false}}
retries: 0
"""
CONVERTED = "results/store/{}.pgen"


def genomed_run(
    directory: Path, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *words], cwd=directory, capture_output=True, text=True, check=False,
        env=os.environ | environment,
    )  # fmt: skip


def configured(directory: Path, **cohorts: str) -> Path:
    for name, text in cohorts.items():
        (directory / f"{name}.vcf").write_text(text)
    listed = ", ".join(f"{name}: {name}.vcf" for name in cohorts)
    (directory / "my.yaml").write_text(CONFIG.format(cohorts=listed))
    return directory


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess]:
    """A run of two cohorts, of which one cannot be read."""
    place = configured(tmp_path_factory.mktemp("run"), good=GOOD, bad=BROKEN)
    return place, genomed_run(place, "my.yaml", "--until", "convert", "--keep-going")


def test_a_failed_job_ends_the_run_with_its_own_exit_code_and_words(failed) -> None:
    place, done = failed

    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert "convert good: done after" in done.stderr
    error = done.stderr[done.stderr.index("error: a job failed") :]
    assert error.startswith("error: a job failed\nconvert bad failed: exit code 3\n")
    assert "  the end of results/logs/convert/bad.log:\n    error: bad.vcf, line 4: POS is" in error
    assert "run the same command again: what is finished stays" in error
    assert (place / CONVERTED.format("good")).exists()
    assert not (place / CONVERTED.format("bad")).exists()


def test_the_next_run_does_only_what_is_missing_of_the_files_that_are_asked_for(failed) -> None:
    place, _ = failed
    (place / "bad.vcf").write_text(GOOD)

    done = genomed_run(place, "my.yaml", CONVERTED.format("good"), CONVERTED.format("bad"))

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 jobs done in ")
    assert "good" not in done.stderr
    assert not (place / ".snakemake/genomed-run.json").exists()


def test_a_dry_run_says_what_would_run_and_writes_no_results(tmp_path: Path) -> None:
    done = genomed_run(configured(tmp_path, good=GOOD), "my.yaml", "--dry-run")

    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert sorted(line[0] for line in lines[:-1]) == ["convert good", "qc good", "risk good"]
    assert lines[-1] == ["3 jobs would run"]
    assert not (tmp_path / "results").exists()


def test_faults_of_the_configuration_are_told_together_before_snakemake_begins(
    tmp_path: Path,
) -> None:
    text = CONFIG.format(cohorts="one: absent.vcf, two: missing.vcf") + "threads: two\n"
    (tmp_path / "my.yaml").write_text(text)

    done = genomed_run(tmp_path, "my.yaml")

    assert done.returncode == 3
    assert done.stderr.startswith("error: my.yaml has 3 faults")
    assert all(named in done.stderr for named in ("absent.vcf", "missing.vcf", "threads"))
    assert not (tmp_path / ".snakemake").exists()


def test_an_option_that_snakemake_does_not_know_is_named(tmp_path: Path) -> None:
    done = genomed_run(configured(tmp_path, good=GOOD), "my.yaml", "--no-plan", "--frobnicate")

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--frobnicate" in done.stderr


def test_a_rule_that_there_is_not_is_a_usage_error(tmp_path: Path) -> None:
    done = genomed_run(configured(tmp_path, good=GOOD), "my.yaml", "--dry-run", "--until", "nope")

    assert done.returncode == 2
    assert done.stderr.startswith("error: no rule is called nope")
    assert done.stderr.count("\n") == 1


def test_without_snakemake_the_line_that_installs_it_is_told(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['snakemake'] = None\n"
    command = [sys.executable, "-c", hidden + PROGRAM[2], "run", "my.yaml"]
    configured(tmp_path, good=GOOD)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 7
    assert "pip install 'genomed[workflow]'" in done.stderr


# ---------------------------------------------------------------- ended before its time

EXAMPLE = """\
cohorts: {example: DATA/cohort.vcf.gz}
qc: {run: false}
structure: {run: false}
explain: {run: false}
report: {run: false}
train: {trait: [biomarker], traits: DATA/traits.tsv}
"""


@pytest.fixture
def training(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run in tmp_path that has come to its longest job."""
    data = str(REPOSITORY / "examples" / "data")
    (tmp_path / "my.yaml").write_text(EXAMPLE.replace("DATA", data))
    out = tmp_path / "out.txt"
    with out.open("w") as stream:
        words = [*PROGRAM, "my.yaml", "--until", "train"]
        process = subprocess.Popen(words, cwd=tmp_path, stdout=stream, stderr=stream, text=True)
    until = time.monotonic() + 120
    while "train biomarker: begins" not in out.read_text() and process.poll() is None:
        assert time.monotonic() < until, out.read_text()
        time.sleep(0.1)
    time.sleep(1)
    yield process
    process.kill()


def running(place: Path) -> list[int]:
    """Processes that work in a directory."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(place) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_jobs_and_opens_the_lock(training, tmp_path, number, code) -> None:
    os.kill(training.pid, number)

    assert training.wait(timeout=30) == code
    assert running(tmp_path) == []
    assert not list(tmp_path.glob(".snakemake/locks/*"))
    again = genomed_run(tmp_path, "my.yaml", "--until", "convert")
    assert again.stdout.startswith("nothing to do"), again.stderr


@pytest.mark.slow
def test_a_run_that_was_killed_is_put_aside_and_one_that_lives_is_not(training, tmp_path) -> None:
    for job in psutil.Process(training.pid).children(recursive=True):
        job.suspend()  # lasts as long as the test, and does not listen to SIGTERM
    beside = genomed_run(tmp_path, "my.yaml")
    assert beside.returncode == 5
    assert f"process {training.pid}; wait for it" in beside.stderr

    training.kill()
    training.wait()
    assert running(tmp_path)
    again = genomed_run(tmp_path, "my.yaml", "--until", "convert")

    assert again.returncode == 0, again.stderr
    assert "an earlier run was killed: " in again.stderr
    assert running(tmp_path) == []


# ---------------------------------------------------------------- on Slurm


@pytest.mark.slow
def test_slurm_runs_the_chain_and_a_cancelled_job_is_reported(tmp_path: Path) -> None:
    from genomed.steps.slurm import find_cluster

    cluster = find_cluster()
    if cluster is None or not cluster.answers:
        pytest.skip("no Slurm answers here")
    words = ("my.yaml", "--profile", "slurm", "--slurm-init-seconds-before-status-checks", "2")
    done = genomed_run(configured(tmp_path, good=GOOD), *words, "--until", "convert")

    assert done.returncode == 0, done.stderr
    assert "convert good: Slurm job " in done.stderr
    assert (tmp_path / CONVERTED.format("good")).exists()
    assert list(tmp_path.glob("results/logs/slurm/**/*.log")) == []  # kept of failed jobs only

    shutil.rmtree(tmp_path / "results")
    command, said = [*PROGRAM, *words, "--until", "convert"], ""
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr or ():
            said += line
            if found := re.search(r"convert good: Slurm job (\d+)", line):
                subprocess.run(["scancel", found[1]], check=True)
    assert process.returncode == 1, said
    assert "ended as CANCELLED" in said
    assert "somebody cancelled it" in said
