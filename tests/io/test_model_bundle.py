"""Model bundles: what was written is read, and nothing else is taken for one."""

import hashlib
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genomed.errors import BuildError, InputError
from genomed.io.model_bundle import VARIANTS, open_model_bundle, write_model_bundle

TENSORS = {"pairs.row1": np.arange(3), "head.0.gate": np.array([0.25], np.float32)}


def variants() -> pl.DataFrame:
    """Two variants, one of them without an ID."""
    rows = [
        ("1", 100, "rs1", "A", "G", 0.25, 0.1, -0.05, 0.05, 0.15, "linear"),
        ("22", 7, None, "C", "CT", 0.5, 0.0, 0.0, 0.0, 0.0, "pairs"),
    ]
    return pl.DataFrame(rows, schema=VARIANTS, orient="row")


def write(out: Path) -> Path:
    """A small bundle."""
    write_model_bundle(
        out, variants=variants(), tensors=TENSORS, scoring_file="#pgs_name=x\n", card="# Card\n",
        facts={"name": "x", "build": "GRCh38", "kind": "mine"},
    )  # fmt: skip
    return out


@pytest.mark.parametrize("form", ["bundle", "bundle.zip"])
def test_what_was_written_is_read(tmp_path: Path, form: str) -> None:
    bundle = open_model_bundle(write(tmp_path / form))
    assert bundle.variants.equals(variants())
    assert {k: v.tolist() for k, v in bundle.tensors.items()} == {
        k: v.tolist() for k, v in TENSORS.items()
    }
    assert (bundle.name, bundle.build, bundle.facts["kind"]) == ("x", "GRCh38", "risk-net")
    assert bundle.scoring_file.read_text() == "#pgs_name=x\n"
    assert bundle.card == "# Card\n"


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.zip"), write(tmp_path / "b.zip")
    assert a.read_bytes() == b.read_bytes()


def test_another_build_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="is on GRCh38, but GRCh37 is needed"):
        open_model_bundle(write(tmp_path / "bundle"), build="GRCh37")


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "bundle")
    path = folder / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.safetensors was changed or damaged"):
        open_model_bundle(folder)


def test_a_path_that_leads_out_of_the_archive_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "bundle.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../evil", "x")
    with pytest.raises(InputError, match=r"'\.\./\.\./evil' has no place in a model bundle"):
        open_model_bundle(path)
    assert not (tmp_path.parent / "evil").exists()


def test_a_pickle_in_place_of_the_weights_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "bundle")
    content = pickle.dumps({"a": 1})
    (folder / "weights.safetensors").write_bytes(content)
    card = json.loads((folder / "model.json").read_text())
    card["files"]["weights.safetensors"] = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (folder / "model.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="does not hold what a bundle must"):
        open_model_bundle(folder)


def test_a_reference_bundle_is_no_model(tmp_path: Path) -> None:
    folder = write(tmp_path / "bundle")
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(card | {"kind": "reference"}))
    with pytest.raises(InputError, match="is a bundle of kind 'reference'"):
        open_model_bundle(folder)


def test_an_archive_that_says_it_is_encrypted_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "bundle.zip")
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(mark, at + 4)
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a model bundle"):
        open_model_bundle(path)
