"""`genomed reads qc` as a shell sees it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bam_files import alignment, write_bam


def genomed(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "genomed", "reads", "qc", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def bam(tmp_path) -> Path:
    reads = [alignment(0, at, "100M", group="g") for at in range(0, 900, 10)]
    return write_bam(tmp_path / "anna.bam", reads, groups={"g": "anna"})


def test_files_are_measured_and_named(bam, tmp_path):
    done = genomed(bam, "--window", "100", "--out", "x", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "anna" in done.stdout
    assert "9.00x" in done.stdout
    assert "no reads marked as duplicates" in done.stdout
    assert (tmp_path / "x/anna.mosdepth.summary.txt").is_file()


def test_json_is_for_programs(bam, tmp_path):
    done = genomed(bam, "--json", "--out", "x", "--thresholds", "1,10", "--timings", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert told["files"][0]["n_reads"] == 90
    assert told["identity"] is None
    assert "timing\tstream" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(["none.bam"], 3, "none.bam: no such file"), (["--thresholds", "9,1"], 2, "rising"),
     (["--overlaps", "thrice"], 2, "once, both"), (["--store", "x"], 2, "--sites"),
     (["--quantize", "a:b"], 2, "rising"), (["--sample", "carl"], 3, "carl")],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_an_exit_code(bam, tmp_path, arguments, code, said):
    files = [] if arguments[0].endswith(".bam") else [bam]
    done = genomed(*files, *arguments, "--out", "x", cwd=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_panel_of_other_contigs_is_refused_before_anything_is_measured(bam, tmp_path):
    panel = tmp_path / "panel.vcf"
    panel.write_text(
        "##fileformat=VCFv4.2\n##contig=<ID=chr7>\n"
        '##INFO=<ID=AF,Number=A,Type=Float,Description="frequency">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr7\t9\t.\tA\tC\t.\t.\tAF=0.5\n"
    )
    done = genomed(bam, "--sites", panel, "--out", "x", cwd=tmp_path)
    assert done.returncode == 3
    assert f"{panel}: has no site on a contig of {bam}" in done.stderr
    assert not (tmp_path / "x").exists()
