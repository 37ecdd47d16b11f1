"""`genomed qc` as a shell sees it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from datafiles import REPOSITORY

EXAMPLE = REPOSITORY / "examples/data"
OUTPUTS = [
    "pass.samples", "pass.variants", "qc_samples_mqc.json", "qc_variants_mqc.json", "run.json",
    "samples.parquet", "samples.tsv", "variants.parquet", "variants.tsv.gz",
]  # fmt: skip


def genomed(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "genomed", "qc", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_example_is_measured_and_judged(tmp_path) -> None:
    done = genomed(EXAMPLE / "cohort.vcf.gz", "--psam", EXAMPLE / "cohort.psam", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "genomed-qc").iterdir()) == OUTPUTS
    for said in ("AFR064", "call rate 0.85", "EUR071", "declared female, calls say male"):
        assert said in done.stdout
    assert "outlier" not in done.stdout
    assert "people of several ancestries together look like this" in done.stdout + done.stderr


def test_json_is_for_programs(tmp_path) -> None:
    done = genomed(
        EXAMPLE / "cohort.vcf.gz", "--psam", EXAMPLE / "cohort.psam", "--json", "--out", "x",
        "--region", "chr22", "--timings", cwd=tmp_path,
    )  # fmt: skip

    told = json.loads(done.stdout)
    assert told["variants"]["measured"] == told["variants"]["kept"] + sum(
        told["variants"]["dropped"].values()
    )
    assert [row["sample"] for row in told["failed_samples"]] == ["AFR064"]
    phases = [line.split("\t")[1] for line in done.stderr.splitlines() if "timing" in line]
    assert phases == ["open", "stream", "samples", "write"]


def test_quiet_says_nothing(tmp_path) -> None:
    done = genomed(EXAMPLE / "cohort.vcf.gz", "-q", "--region", "chr1", cwd=tmp_path)

    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--psam", "a", "--fam", "b"], 2, "give one of the two"),
        (["--outlier-columns", "colour"], 2, "'colour' is not one of"),
        (["--min-call-rate", "2"], 2, "2"),
        (["--build", "hg99"], 2, "is not a genome build"),
        (["--pheno", "nothing"], 2, "neither a file nor a column"),
        (["--psam", "absent.psam"], 3, "cannot be read"),
        (["--out", "/proc/x"], 5, "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, arguments, code, said) -> None:
    done = genomed(EXAMPLE / "cohort.vcf.gz", *arguments, cwd=tmp_path)

    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_absent_cohort_is_said(tmp_path) -> None:
    done = genomed("absent.vcf.gz", cwd=tmp_path)

    assert done.returncode == 3
    assert "absent.vcf.gz" in done.stderr
