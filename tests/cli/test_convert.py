"""`genomed convert` as a shell sees it: exit codes, what is printed where, and what is left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_cohorts import Record, write_vcf

STORE = [".ledger.tsv.gz", ".pgen", ".psam", ".pvar", ".run.json"]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    records = [Record("1", 100, "A", "G,T", "0/1 1/2"), Record("1", 200, "A", "G", "0/0 ./.")]
    write_vcf(tmp_path / "c.vcf", records, samples=["a", "b"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def genomed(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one run of ``genomed convert``."""
    done = subprocess.run(
        [sys.executable, "-m", "genomed", "convert", *arguments],
        capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "100"},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "c.vcf")


def test_a_run_says_what_it_read_and_wrote(work: Path) -> None:
    code, out, err = genomed("c.vcf", "--out", "s", "--max-missing", "0.4")
    assert (code, err.splitlines()[-1]) == (
        0,
        "warning: 1 rows dropped: more calls are missing than --max-missing allows.",
    )
    assert out.splitlines() == [
        "2 samples x 2 variants",
        "  c.vcf: 2 records, 3 rows, one per ALT, 1 missing; 2 stored",
        *(f"  s{ending}" for ending in (".pgen", ".pvar", ".psam", ".ledger.tsv.gz", ".run.json")),
    ]
    assert left(work) == [f"s{ending}" for ending in STORE]


def test_json_is_for_other_programs_and_quiet_says_nothing(work: Path) -> None:
    code, out, _ = genomed("c.vcf", "--out", "s", "--json")
    facts = json.loads(out)
    assert (code, facts["n_variants"], facts["outputs"][".pgen"]) == (0, 3, "s.pgen")
    assert genomed("c.vcf", "--out", "s", "--quiet") == (0, "", "")


def test_a_vcf_may_come_from_standard_input(work: Path) -> None:
    command = [sys.executable, "-m", "genomed", "convert", "-", "--out", "s", "-q"]
    with (work / "c.vcf").open() as source:
        assert subprocess.run(command, stdin=source, check=False).returncode == 0
    assert left(work) == [f"s{ending}" for ending in STORE]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("c.vcf",), 2, "Missing option '--out'"),
        (("c.vcf", "--out", "s", "--ref-mismatch", "x"), 2, "'x' is not one of error, warn"),
        (("c.vcf", "--out", "s", "--dosage", "x"), 2, "'x' is not one of DS, GP"),
        (("c.vcf", "--out", "s", "--max-missing", "2"), 2, "--max-missing"),
        (("c.vcf", "--out", "s", "--explain", "x"), 2, "'x' is not a variant"),
        (("c.vcf", "-", "--out", "s"), 2, "standard input cannot be one of several"),
        (("absent.vcf", "--out", "s"), 3, "absent.vcf"),
        (("c.vcf", "--out", "s", "--info", "AC"), 3, "declares no INFO field 'AC'"),
        (("c.vcf", "--out", "s", "--samples", "z"), 3, "no sample 'z'"),
        (("c.vcf", "--out", "s", "--region", "1:x"), 3, "not a region"),
        (("c.vcf", "--out", "s", "--region", "2"), 3, "no variants are left"),
        (("c.vcf", "--out", "s", "--reference", "absent.fa"), 3, "absent.fa: cannot be read"),
        (("c.vcf", "--out", "c.vcf/s"), 5, "cannot be written"),
    ],
)
def test_what_cannot_be_done_has_an_exit_code_and_a_sentence(
    work: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    found, out, err = genomed(*arguments)
    assert (found, out) == (code, "")
    assert said in err
    assert "Traceback" not in err
    assert left(work) == []


def test_one_variant_is_explained(work: Path) -> None:
    asked = ("--explain", "chr1:100:A:T", "--explain", "1:101:A:T")
    _, out, _ = genomed("c.vcf", "--out", "s", *asked)
    said = out.splitlines()[-2:]
    assert said == [
        "chr1:100:A:T: c.vcf: line 9: 2 samples called, 1 copies of ALT. Stored as it stood.",
        "1:101:A:T: no such row was read.",
    ]
    _, out, _ = genomed("c.vcf", "--out", "again", "--quiet", *asked)
    assert out.splitlines() == said
