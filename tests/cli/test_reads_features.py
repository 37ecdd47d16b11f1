"""`genomed reads features` and `genomed reads score` as a shell sees them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from datafiles import shared_data


def genomed(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "genomed", "reads", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def tiny() -> tuple[Path, Path, str, Path]:
    folder = shared_data("reads/freebayes_tiny")
    calls, reads = folder / "NA12878.chr22.tiny.vcf", folder / "NA12878.chr22.tiny.bam"
    return calls, reads, "--reference", folder / "q.fa"


def test_features_say_how_many_alleles_were_measured(tiny, tmp_path: Path) -> None:
    done = genomed("features", *tiny, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("150 records, features of 154 alleles\n")
    made = sorted(path.name for path in (tmp_path / "genomed-reads-features").iterdir())
    assert made == ["features.parquet", "features.vcf.gz", "features.vcf.gz.tbi", "run.json"]


def test_scores_tell_tranches_by_kind(tiny, tmp_path: Path) -> None:
    done = genomed("score", *tiny, "--model", "none", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["records"], told["unscored"]) == (150, 0)
    assert sum(sum(counts.values()) for counts in told["tranches"].values()) == 150
    assert sorted(told["outputs"]) == [
        "run.json", "scored.vcf.gz", "scored.vcf.gz.tbi", "scores.parquet"
    ]  # fmt: skip


@pytest.mark.parametrize("command", ["features", "score"])
def test_quiet_says_nothing(command: str, tiny, tmp_path: Path) -> None:
    options = ["--model", "none"] if command == "score" else []
    done = genomed(command, *tiny, *options, "-q", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("command", ["features", "score"])
def test_a_file_that_is_not_there_is_one_sentence(command: str, tiny, tmp_path: Path) -> None:
    options = ["--model", "none"] if command == "score" else []
    done = genomed(command, "none.vcf", *tiny[1:], *options, cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")
    assert "none.vcf" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["", "0", "99,98", "x"])
def test_tranches_that_do_not_rise_are_refused(text: str, tiny, tmp_path: Path) -> None:
    done = genomed("score", *tiny, "--snp-tranches", text, cwd=tmp_path)
    assert done.returncode == 2
    assert "--snp-tranches" in done.stderr
