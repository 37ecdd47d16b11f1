"""`genomed reads call` as a shell sees it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_alignments import Read, random_bases, write_bam


def genomed(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "genomed", "reads", "call", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Thirty reads, half of them with another base at place 401."""
    bases = random_bases(np.random.default_rng(2), 800)
    other = "ACGT".replace(bases[400], "")[0]
    changed = bases[:400] + other + bases[401:]
    reads = [
        Read(f"r{i}", 310 + 2 * i, "100M", (changed if i % 4 < 2 else bases)[at : at + 100],
             35, 16 * (i % 2))
        for i in range(30) for at in (310 + 2 * i,)
    ]  # fmt: skip
    fasta = tmp_path / "ref.fa"
    fasta.write_text(f">1\n{bases}\n")
    return write_bam(tmp_path / "reads.bam", reads, {"1": 800}), fasta


def test_calls_are_counted_and_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = genomed(
        files[0], "--reference", files[1], "--model", "none", "-o", "x", "--timings", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "person: 1 SNPs and 0 indels at 1 candidate sites" in done.stdout
    assert "timing\tcall" in done.stderr
    assert (tmp_path / "x/calls.vcf.gz.tbi").is_file()


def test_json_is_for_programs(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = genomed(
        files[0], "--reference", files[1], "--gvcf", "--json", "-o", "x", "--model", "none",
        "--region", "1:301-500", cwd=tmp_path,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["sample"] == "person"
    assert told["counts"]["heterozygous"] == 1
    assert told["outputs"]["calls.g.vcf.gz"].endswith("x/calls.g.vcf.gz")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "nowhere"), "nowhere"),
        (("--region", "2:1-100", "--model", "none"), "no contig '2'"),
        (("--sample", "somebody", "--model", "none"), "somebody"),
        (("--sites", "nothing.vcf", "--model", "none"), "nothing.vcf"),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_nothing(
    arguments: tuple[str, ...], said: str, files: tuple[Path, Path], tmp_path: Path
) -> None:
    done = genomed(files[0], "--reference", files[1], "-o", "x", *arguments, cwd=tmp_path)
    assert done.returncode not in (0, 1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()
