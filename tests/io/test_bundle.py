"""Reference bundles: what was written is read, and nothing else is taken for one."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from packed_cohorts import array_store, write_fileset

from genomed.errors import BuildError, InputError, OutputError
from genomed.io.bundle import open_bundle, write_bundle
from genomed.io.packed import open_store
from genomed.stats.ancestry import fit_ancestry
from genomed.stats.pca import pca
from genomed.stats.projection import project

N_PEOPLE = 60
LABELS = ["north"] * 25 + ["south"] * 25 + [None] * 10
SUPER = ["N"] * 25 + ["S"] * 25 + [None] * 10


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a bundle in it, and the .zip of the same."""
    folder = tmp_path_factory.mktemp("bundle")
    rng = np.random.default_rng(51)
    p = rng.uniform(0.1, 0.9, (2, 200))[[0] * 30 + [1] * 30].T
    counts = rng.binomial(2, p).astype(np.int8)
    counts[5, 7] = -9
    store = open_store(write_fileset(folder / "people", array_store(counts)))
    rows, used = np.arange(0, 200, 2), np.arange(N_PEOPLE) % 5 > 0
    components = pca(store, rows, used, 3)
    ancestry, _ = fit_ancestry(store, rows, LABELS, SUPER, founders=used)
    scores = project(store, components, rows).scores
    scores[used] = components.scores
    labels = pl.DataFrame(
        {"sample": store.samples, "population": LABELS, "superpopulation": SUPER}
    ).filter(pl.col("population").is_not_null())
    for out in (folder / "reference", folder / "reference.zip"):
        write_bundle(
            out, name="test people", build="GRCh38", store=store, rows=rows, labels=labels,
            pcs=scores, used=used, components=components, ancestry=ancestry, facts={"note": "made"},
        )  # fmt: skip
    np.savez(
        folder / "expected.npz", scores=scores, used=used, weights=ancestry.weights,
        precision=ancestry.gaussians.precision, loadings=components.loadings,
        eigenvalues=components.eigenvalues, shrinkage=components.shrinkage, counts=counts,
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("form", ["reference", "reference.zip"])
def test_what_was_written_is_read(made: Path, form: str) -> None:
    bundle = open_bundle(made / form)
    expected = np.load(made / "expected.npz")
    np.testing.assert_array_equal(bundle.pcs, expected["scores"])
    np.testing.assert_array_equal(bundle.used, expected["used"])
    np.testing.assert_array_equal(bundle.components.loadings, expected["loadings"])
    np.testing.assert_array_equal(bundle.components.eigenvalues, expected["eigenvalues"])
    np.testing.assert_array_equal(bundle.components.shrinkage, expected["shrinkage"])
    np.testing.assert_array_equal(bundle.components.scores, expected["scores"][expected["used"]])
    np.testing.assert_array_equal(bundle.ancestry.weights, expected["weights"])
    np.testing.assert_array_equal(bundle.ancestry.gaussians.precision, expected["precision"])
    assert bundle.ancestry.superpopulations == ["N", "S"]
    assert (bundle.name, bundle.build, bundle.facts["note"]) == ("test people", "GRCh38", "made")
    assert bundle.labels["population"].to_list() == LABELS
    assert bundle.variants["row"].to_list() == list(range(0, 200, 2))
    assert bundle.loadings.columns[-1] == "PC3"
    store = bundle.store()
    assert store.samples == bundle.labels["sample"].to_list()
    again = project(store, bundle.components, bundle.variants["row"].to_numpy())
    np.testing.assert_allclose(
        again.scores[bundle.used] * bundle.components.shrinkage, bundle.components.scores, atol=1e-6
    )


def test_the_same_content_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    bundle = open_bundle(made / "reference")
    arguments = {
        "name": bundle.name, "build": bundle.build, "store": bundle.store(),
        "rows": bundle.variants["row"].to_numpy(), "labels": bundle.labels, "pcs": bundle.pcs,
        "used": bundle.used, "components": bundle.components, "ancestry": bundle.ancestry,
        "facts": {"note": "made"},
    }  # fmt: skip
    write_bundle(tmp_path / "again.zip", **arguments, threads=2)
    assert (tmp_path / "again.zip").read_bytes() == (made / "reference.zip").read_bytes()


def test_ancestry_may_rest_on_more_rows_than_the_components(made: Path, tmp_path: Path) -> None:
    bundle = open_bundle(made / "reference")
    store, rows = bundle.store(), bundle.variants["row"].to_numpy()
    more = np.arange(0, 200)
    ancestry, _ = fit_ancestry(store, more, LABELS, SUPER, founders=bundle.used)
    arguments = {
        "name": "x", "build": "GRCh38", "store": store, "rows": rows, "labels": bundle.labels,
        "pcs": bundle.pcs, "used": bundle.used, "components": bundle.components,
    }  # fmt: skip
    write_bundle(tmp_path / "x", ancestry=ancestry, ancestry_rows=more, **arguments)
    found = open_bundle(tmp_path / "x")
    np.testing.assert_array_equal(found.variants["row"].to_numpy(), more)
    np.testing.assert_array_equal(found.ancestry.weights, ancestry.weights)
    a, b = (
        project(store, one.components, one.variants["row"].to_numpy()) for one in (bundle, found)
    )
    np.testing.assert_allclose(a.scores, b.scores, atol=1e-6)
    np.testing.assert_allclose(a.coverage, b.coverage)
    with pytest.raises(ValueError, match="rows that ancestry does not rest on"):
        write_bundle(tmp_path / "y", ancestry=ancestry, ancestry_rows=more[1:], **arguments)
    other, _ = fit_ancestry(store, rows, LABELS, SUPER)
    with pytest.raises(ValueError, match="not standardised by the same people"):
        write_bundle(tmp_path / "y", ancestry=other, **arguments)


def test_another_build_than_asked_for_is_refused(made: Path) -> None:
    assert open_bundle(made / "reference", build="GRCh38").build == "GRCh38"
    with pytest.raises(BuildError, match="is on GRCh38, but GRCh37 is needed"):
        open_bundle(made / "reference", build="GRCh37")


def copy_of(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "reference", tmp_path / "copy"))


def changed_byte(folder: Path) -> None:
    data = bytearray((folder / "reference.pgen").read_bytes())
    data[-1] ^= 1
    (folder / "reference.pgen").write_bytes(data)


def edited(folder: Path, **changes: object) -> None:
    card = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps(card | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (changed_byte, "reference.pgen was changed or damaged"),
        (lambda f: (f / "pcs.parquet").unlink(), "pcs.parquet is missing"),
        (lambda f: (f / "bundle.json").unlink(), "is not a reference bundle"),
        (lambda f: (f / "bundle.json").write_text("{"), "bundle.json is damaged"),
        (lambda f: (f / "bundle.json").write_text("[]"), "bundle.json is damaged"),
        (lambda f: edited(f, kind="model"), "of kind 'model'"),
        (lambda f: edited(f, format=2), "of format 2, and this genomed reads 1"),
        (lambda f: edited(f, build="hg12"), "names no genome build"),
        (lambda f: edited(f, files={"../x": {}}), "does not list a bundle's files"),
        (lambda f: edited(f, components={}), "does not hold what a bundle must"),
        (lambda f: edited(f, n_people=3), "labels and scores are of different people"),
    ],
)
def test_a_damaged_bundle_is_refused(
    made: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    folder = copy_of(made, tmp_path)
    damage(folder)
    with pytest.raises(InputError, match=message):
        open_bundle(folder)


def rezipped(
    made: Path, out: Path, change: Callable[[str, bytes], list[tuple[str, bytes]]]
) -> Path:
    with (
        zipfile.ZipFile(made / "reference.zip") as source,
        zipfile.ZipFile(out, "w") as target,
    ):
        for name in source.namelist():
            for new, data in change(name, source.read(name)):
                target.writestr(new, data)
    return out


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/b", "reference.pgen.exe"])
def test_a_zip_with_another_file_is_refused(made: Path, tmp_path: Path, name: str) -> None:
    odd = rezipped(
        made,
        tmp_path / "x.zip",
        lambda n, d: [(n, d), (name, b"evil")] if n == "bundle.json" else [(n, d)],
    )
    with pytest.raises(InputError, match="has no place in a reference bundle"):
        open_bundle(odd)
    assert not (tmp_path / "evil").exists()


def test_a_zip_that_lacks_or_changes_a_file_is_refused(made: Path, tmp_path: Path) -> None:
    lacking = rezipped(made, tmp_path / "a.zip", lambda n, d: [] if n == "labels.tsv" else [(n, d)])
    with pytest.raises(InputError, match=r"labels.tsv is missing"):
        open_bundle(lacking)
    longer = rezipped(made, tmp_path / "b.zip", lambda n, d: [(n, d + b"\n" * (n == "labels.tsv"))])
    with pytest.raises(InputError, match=r"labels.tsv was changed or damaged"):
        open_bundle(longer)


def test_what_is_no_bundle_is_refused(made: Path, tmp_path: Path) -> None:
    text = tmp_path / "x.zip"
    text.write_text("not a zip")
    with pytest.raises(InputError, match="cannot be read as a reference bundle"):
        open_bundle(text)
    cut = tmp_path / "cut.zip"
    cut.write_bytes((made / "reference.zip").read_bytes()[:5000])
    with pytest.raises(InputError, match="cannot be read as a reference bundle"):
        open_bundle(cut)
    with pytest.raises(InputError, match="cannot be read as a reference bundle"):
        open_bundle(tmp_path / "absent.zip")
    with pytest.raises(InputError, match="is not a reference bundle"):
        open_bundle(tmp_path)


def test_nothing_is_left_where_nothing_can_be_written(made: Path, tmp_path: Path) -> None:
    bundle = open_bundle(made / "reference")
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "reference", tmp_path / "file" / "x.zip"):
        with pytest.raises(OutputError):
            write_bundle(
                out, name="x", build="GRCh38", store=bundle.store(),
                rows=bundle.variants["row"].to_numpy(), labels=bundle.labels, pcs=bundle.pcs,
                used=bundle.used, components=bundle.components, ancestry=bundle.ancestry,
            )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
