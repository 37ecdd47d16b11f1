"""`genomed risk --reference` and `genomed models` with bundles, as a shell sees them."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from reference_cohorts import POPULATIONS, World, cohort_vcf, score_model, write_reference

from genomed.io.archives import zip_bundle

SIZES = (80, 80, 80)
OURS = (20, 20, 20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A reference as a directory and as a .zip, a cohort and a model."""
    rng = np.random.default_rng(41)
    path = tmp_path_factory.mktemp("shell")
    world = World.drawn(1200, rng, fst=0.15)
    write_reference(path / "three", world, world.people(SIZES, rng), SIZES, k=3)
    zip_bundle(path / "three", path / "three.zip")
    cohort_vcf(path / "c.vcf", world, world.people(OURS, rng))
    score_model(path / "m.txt", world, rng, slice(0, None, 2))
    return path


@pytest.fixture
def genomed(folder, tmp_path, monkeypatch):
    """Call genomed in `folder` with a library of its own; returns the finished process."""
    monkeypatch.setenv("GENOMED_LIBRARY", str(tmp_path / "library"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "genomed", *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    return run


def risk(genomed, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return genomed("risk", "c.vcf", "-m", "m.txt", "--out", str(out), *arguments)


def test_a_directory_a_zip_and_a_name_are_one_reference(genomed, tmp_path):
    added = genomed("models", "add", "three", "--name", "three-1")
    assert added.returncode == 0, added.stderr
    assert added.stdout.startswith("three-1: 1200 variants (reference of 240 people in 3 popul")
    tables = []
    for i, reference in enumerate(("three", "three.zip", "three-1")):
        done = risk(genomed, tmp_path / f"out{i}", "--reference", reference, "--threads", "2")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        tables.append((tmp_path / f"out{i}" / "risk.tsv").read_bytes())
        facts = json.loads((tmp_path / f"out{i}" / "run.json").read_text())["inputs"]
        tables.append([v for v in facts.values() if "sha256_of_its_digests" in v])
    assert tables[0] == tables[2] == tables[4]
    assert tables[1] == tables[3] == tables[5]
    table = pl.read_csv(tmp_path / "out0" / "ancestry.tsv", separator="\t")
    assert table["most_similar_population"].to_list() == np.repeat(POPULATIONS, OURS).tolist()


def test_z_norms_come_out_of_the_command_with_mean_0_and_variance_1(genomed, tmp_path):
    assert risk(genomed, tmp_path / "out", "--reference", "three").returncode == 0
    table = pl.read_csv(tmp_path / "out" / "risk.tsv", separator="\t")
    group = np.repeat(POPULATIONS, OURS)
    for column in ("z_norm1", "z_norm2"):
        z = table[column].to_numpy()
        for name in POPULATIONS:
            own = z[group == name]
            error = np.sqrt(1 / OURS[0] + 1 / SIZES[0])
            assert abs(own.mean()) < 4 * error
            assert abs(own.var(ddof=1) - 1) < 4 * error * np.sqrt(2)


def test_a_bundle_is_listed_shown_verified_packed_and_carried(genomed, tmp_path):
    assert genomed("models", "add", "three.zip").returncode == 0
    assert genomed("models", "add", "m.txt").returncode == 0
    rows = [line.split("\t") for line in genomed("models", "list").stdout.splitlines()]
    kinds = {row[0]: row[1] for row in rows[1:]}
    assert kinds["three"] == "reference"
    assert kinds["m"] == "scores"
    shown = genomed("models", "show", "three").stdout
    for text in ("reference of 240 people in 3 populations", "header: people of AFR\t80"):
        assert text in shown
    assert "three\tok\treference of 240" in genomed("models", "verify", "three").stdout
    pack = tmp_path / "both.tar"
    assert genomed("models", "pack", "three", "m", "--out", str(pack)).returncode == 0
    there = str(tmp_path / "there")
    unpacked = genomed("models", "unpack", str(pack), "--library", there)
    assert unpacked.returncode == 0, unpacked.stderr
    verified = genomed("models", "verify", "--library", there)
    assert verified.returncode == 0
    done = risk(genomed, tmp_path / "out", "--reference", "three", "--library", there)
    assert done.returncode == 0, done.stderr


def test_an_altered_bundle_is_found_by_verify(genomed, tmp_path):
    assert genomed("models", "add", "three.zip").returncode == 0
    (stored,) = (tmp_path / "library" / "three").glob("*.zip")
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    done = genomed("models", "verify", "three")
    assert done.returncode == 3
    assert "three\tchanged\t" in done.stdout


@pytest.mark.parametrize(
    ("reference", "code", "message"),
    [
        ("nothing", 6, "no file and no model called 'nobody'"),
        ("m.txt", 3, "m.txt: is no reference bundle; make one with `genomed structure reference`"),
        ("altered", 3, "labels.tsv was changed or damaged; copy the bundle again"),
        ("absent", 3, "labels.tsv is missing; copy the whole bundle again"),
        ("cut.zip", 3, "cut.zip: is no reference bundle"),
    ],
)
def test_a_reference_that_cannot_be_used_is_one_sentence(
    genomed, folder, tmp_path, reference, code, message
):
    if reference in ("altered", "absent"):
        damaged = folder / reference
        damaged.mkdir(exist_ok=True)
        for path in (folder / "three").iterdir():
            (damaged / path.name).write_bytes(path.read_bytes())
        if reference == "absent":
            (damaged / "labels.tsv").unlink()
        else:
            text = (damaged / "labels.tsv").read_text()
            (damaged / "labels.tsv").write_text(text.replace("AFR", "EUR", 1))
    if reference == "cut.zip":
        data = (folder / "three.zip").read_bytes()
        (folder / "cut.zip").write_bytes(data[: len(data) // 2])
    if reference == "nothing":
        reference = "nobody"
    done = risk(genomed, tmp_path / "out", "--reference", reference)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_bundle_is_no_model(genomed, tmp_path):
    done = genomed("risk", "c.vcf", "-m", "three.zip", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "is a reference bundle, not a model; give it with --reference" in done.stderr


def test_an_archive_with_a_bundle_and_more_is_refused(genomed, folder, tmp_path):
    odd = tmp_path / "odd.zip"
    odd.write_bytes((folder / "three.zip").read_bytes())
    with zipfile.ZipFile(odd, "a") as archive:
        archive.writestr("../evil", "x")
    done = genomed("models", "add", str(odd))
    assert done.returncode == 3
    assert "has no place in a reference bundle" in done.stderr
