import gzip
import hashlib
import shutil
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from datafiles import shared_data
from packed_cohorts import packed
from trained_bundles import covariate_table, design_of, risk_model, write_trained_bundle

from genomed.errors import InputError, NetworkError, UnknownNameError, UsageError
from genomed.io.archives import zip_bundle
from genomed.io.download import DownloadSettings
from genomed.io.library import PANEL_SOURCE, find_model, panel_paths
from genomed.io.scorefile import read_models
from genomed.steps.models import (
    add_models,
    fetch_model,
    list_models,
    pack_models,
    show_model,
    verify_models,
)

TEXT = """\
#pgs_id=PGS000042
#trait_reported=Height
#genome_build=NR
#HmPOS_build=GRCh38
rsID\teffect_allele\tother_allele\teffect_weight\thm_chr\thm_pos
rs1\tA\tG\t0.5\t1\t100
rs2\tC\tT\t-0.25\t1\t200
rs3\tC\tT\tx\t1\t300
"""
QUICK = DownloadSettings(timeout_s=5, attempts=2, backoff_s=0)


@pytest.fixture
def library(tmp_path) -> Path:
    return tmp_path / "library"


@pytest.fixture
def score(tmp_path) -> Path:
    path = tmp_path / "height.txt"
    path.write_text(TEXT)
    return path


def listed(library: Path) -> list[str]:
    return [entry.name for entry in list_models(library) if entry.source != PANEL_SOURCE]


def test_the_panel_is_listed_with_its_traits_and_the_library_after_it(library, score):
    add_models(library, score)
    entries = list_models(library)
    n_panel = len(panel_paths())
    assert [entry.name for entry in entries[:n_panel]] == [path.stem for path in panel_paths()]
    assert all(entry.trait and entry.n_variants for entry in entries)
    assert [entry.name for entry in entries[n_panel:]] == ["PGS000042"]


def test_a_file_that_cannot_be_read_is_listed_as_such(library):
    library.mkdir()
    (library / "bad.txt").write_text("no table")
    assert [e.trait for e in list_models(library) if e.name == "bad"] == [
        "cannot be read; see `genomed models verify`"
    ]


def test_show_tells_what_is_refused_and_the_range_of_weights(score, library):
    (score_details,) = show_model(str(score), library)
    assert (score_details.name, score_details.trait) == ("PGS000042", "Height")
    assert (score_details.n_variants, score_details.n_usable) == (3, 2)
    assert score_details.refused == {"bad_weight": 1}
    assert score_details.builds == {"GRCh38": 3}
    assert (score_details.weight_min, score_details.weight_max) == (-0.25, 0.5)
    assert score_details.header["genome_build"] == "NR"


def test_verify_finds_what_was_changed_is_gone_or_is_damaged(library, score, tmp_path):
    for name in ("sound", "changed", "gone", "damaged"):
        add_models(library, score, name=name)
    (library / "dropped.txt").write_text(TEXT)
    (library / "broken.txt").write_text("ID A1 WEIGHT\nrs1 A\n")
    (library / "changed" / "height.txt").write_text(TEXT.replace("0.5", "0.6"))
    (library / "gone" / "height.txt").unlink()
    (library / "damaged" / "model.json").write_text("{")
    verdicts = {v.name: v for v in verify_models(library, [])}
    panel = {path.stem for path in panel_paths()}
    assert {name: v.status for name, v in verdicts.items() if name not in panel} == {
        "sound": "ok",
        "changed": "changed",
        "gone": "missing",
        "damaged": "unreadable",
        "dropped": "no digest",
        "broken": "unreadable",
    }
    assert {verdicts[name].status for name in panel} == {"ok"}
    sound = {name for name, v in verdicts.items() if v.is_sound}
    assert sound == panel | {"sound", "dropped"}


def test_verify_takes_names_and_refuses_unknown_ones(library, score):
    add_models(library, score)
    assert [v.name for v in verify_models(library, ["PGS000042"])] == ["PGS000042"]
    with pytest.raises(UnknownNameError, match="no model called 'x'"):
        verify_models(library, ["x"])


def test_verify_takes_paths_of_what_is_in_no_library(library, score):
    (verdict,) = verify_models(library, [str(score)])
    assert (verdict.status, verdict.is_sound) == ("no digest", True)
    assert verdict.detail == "3 variants, 1 of them refused"
    score.write_text("ID A1 WEIGHT\nrs1 A\n")
    (verdict,) = verify_models(library, [str(score)])
    assert (verdict.status, verdict.is_sound) == ("unreadable", False)


def test_models_can_be_carried_to_another_machine(library, score, tmp_path):
    add_models(library, score)
    (library / "dropped.txt").write_text(TEXT)
    panel = panel_paths()[0].stem
    out = tmp_path / "models.tar"
    names = ["PGS000042", panel, "dropped", "PGS000042"]
    assert [entry.name for entry in pack_models(library, names, out)] == names[:3]
    there = tmp_path / "there"
    assert sorted(e.name for e in add_models(there, out)) == sorted(names[:3])
    assert {v.status for v in verify_models(there, names)} == {"ok"}
    assert find_model(panel, there).read_bytes() == panel_paths()[0].read_bytes()


def test_a_changed_model_is_not_packed(library, score, tmp_path):
    add_models(library, score)
    (library / "PGS000042" / "height.txt").write_text(TEXT.replace("0.5", "0.6"))
    with pytest.raises(InputError, match="was not packed"):
        pack_models(library, ["PGS000042"], tmp_path / "models.tar")
    assert not (tmp_path / "models.tar").exists()


def test_a_pack_has_one_of_two_endings_and_keeps_its_names(library, score, tmp_path):
    add_models(library, score)
    with pytest.raises(UsageError, match=r"a pack is a \.tar or a \.zip"):
        pack_models(library, ["PGS000042"], tmp_path / "models.rar")
    pack_models(library, ["PGS000042"], tmp_path / "models.zip")
    with pytest.raises(UsageError, match="leave --name away"):
        add_models(library, tmp_path / "models.zip", name="x")


# ---------------------------------------------------------------- fetch


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        self.server.n_requests += 1  # type: ignore[attr-defined]


@pytest.fixture
def catalog(tmp_path) -> Iterator[ThreadingHTTPServer]:
    """A mirror of the PGS Catalog on this machine, with one score on both builds."""
    root = tmp_path / "catalog"
    folder = root / "PGS000042" / "ScoringFiles" / "Harmonized"
    folder.mkdir(parents=True)
    for build in ("GRCh37", "GRCh38"):
        content = gzip.compress(TEXT.replace("GRCh38", build).encode(), mtime=0)
        file = folder / f"PGS000042_hmPOS_{build}.txt.gz"
        file.write_bytes(content)
        digest = hashlib.md5(content).hexdigest()
        file.with_name(f"{file.name}.md5").write_text(f"{digest}  {file.name}\n")
    running = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    running.n_requests = 0  # type: ignore[attr-defined]
    running.folder = folder  # type: ignore[attr-defined]
    running.url = f"http://127.0.0.1:{running.server_port}/"  # type: ignore[attr-defined]
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield running
    running.shutdown()
    thread.join(10)
    running.server_close()


def test_a_score_fetched_is_a_model_of_its_accession(catalog, library):
    entry = fetch_model(library, "pgs000042", base_url=catalog.url, settings=QUICK)
    assert (entry.name, entry.trait, entry.builds) == ("PGS000042", "Height", ("GRCh38",))
    assert entry.source.endswith("/PGS000042/ScoringFiles/Harmonized/PGS000042_hmPOS_GRCh38.txt.gz")
    assert [model.name for model in read_models(find_model("PGS000042", library))] == ["PGS000042"]
    assert list((library / ".incoming").iterdir()) == []
    assert {v.status for v in verify_models(library, ["PGS000042"])} == {"ok"}


def test_what_is_there_is_not_fetched_again(catalog, library):
    first = fetch_model(library, "PGS000042", base_url=catalog.url, settings=QUICK)
    n_requests = catalog.n_requests
    assert fetch_model(library, "PGS000042", base_url=catalog.url, settings=QUICK) == first
    assert catalog.n_requests == n_requests


def test_the_other_build_needs_another_name(catalog, library):
    fetch_model(library, "PGS000042", base_url=catalog.url, settings=QUICK)
    other = partial(
        fetch_model, library, "PGS000042", build="GRCh37", base_url=catalog.url, settings=QUICK
    )
    with pytest.raises(UsageError, match="PGS000042_GRCh37"):
        other()
    assert other(name="PGS000042_GRCh37").builds == ("GRCh37",)
    assert listed(library) == ["PGS000042", "PGS000042_GRCh37"]
    assert other(replace_it=True).builds == ("GRCh37",)


def test_a_wrong_checksum_installs_nothing(catalog, library):
    (md5,) = catalog.folder.glob("*38.txt.gz.md5")
    md5.write_text("0" * 32)
    with pytest.raises(NetworkError, match="its MD5 is"):
        fetch_model(library, "PGS000042", base_url=catalog.url, settings=QUICK)
    assert listed(library) == []


def test_without_a_checksum_a_damaged_file_still_installs_nothing(catalog, library):
    for md5 in catalog.folder.glob("*.md5"):
        md5.unlink()
    file = catalog.folder / "PGS000042_hmPOS_GRCh38.txt.gz"
    file.write_bytes(file.read_bytes()[:-6])
    with pytest.raises(InputError, match="truncated or damaged"):
        fetch_model(library, "PGS000042", base_url=catalog.url, settings=QUICK)
    assert listed(library) == []
    assert list((library / ".incoming").iterdir()) == []


@pytest.mark.parametrize(
    "accession", ["PGS42", "../../etc/passwd", "PGS000042/..", "", "PGP000042"]
)
def test_an_accession_is_checked_before_anything_is_asked_for(catalog, library, accession):
    with pytest.raises(UsageError, match="write it as PGS000001"):
        fetch_model(library, accession, base_url=catalog.url, settings=QUICK)
    with pytest.raises(UsageError, match="choose GRCh37 or GRCh38"):
        fetch_model(library, "PGS000042", build="hg19", base_url=catalog.url, settings=QUICK)
    assert catalog.n_requests == 0


def test_a_score_that_does_not_exist_is_said_so(catalog, library):
    with pytest.raises(NetworkError, match="check the name and the build"):
        fetch_model(library, "PGS999999", base_url=catalog.url, settings=QUICK)


def test_a_real_catalog_file_survives_the_round_trip(library, tmp_path):
    source = shared_data("prs/pgs_catalog/PGS001229_hmPOS_GRCh38.txt.gz")
    (entry,) = add_models(library, source)
    assert (entry.name, entry.builds, entry.n_variants) == ("PGS001229", ("GRCh38",), 51209)
    assert find_model("PGS001229", library).read_bytes() == source.read_bytes()


# ---------------------------------------------------------------- trained models


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A bundle as `genomed train` writes it."""
    rng = np.random.default_rng(3)
    n = 60
    counts = rng.binomial(2, rng.uniform(0.2, 0.8, (20, 1)), (20, n)).astype(np.int8)
    variants = pl.DataFrame(
        {
            "contig": ["1"] * 20,
            "position": range(100, 120),
            "id": [f"rs{i}" for i in range(20)],
            "ref": ["A"] * 20,
            "alt": ["C"] * 20,
            "alt_allele_frequency": counts.mean(axis=1) / 2,
        }
    )
    design = design_of(covariate_table([f"s{i}" for i in range(n)], rng))
    model = risk_model(packed(counts), n, variants, design, ("linear", "pairs", "covariates"))
    return write_trained_bundle(tmp_path_factory.mktemp("trained") / "bundle", model, design)


def test_a_trained_model_is_added_listed_shown_and_verified(library, trained):
    (entry,) = add_models(library, trained, name="mine")
    assert (entry.kind, entry.builds, entry.trait) == (
        "risk-net", ("GRCh38",), "trait (quantitative trait)",
    )  # fmt: skip
    assert [e.kind for e in list_models(library) if e.name == "mine"] == ["risk-net"]
    for text in ("mine", str(trained)):
        (shown,) = show_model(text, library)
        assert shown.name == "trait"
        assert shown.header["verdict"] == "It beats the linear model."
        assert shown.header["covariates"] == "age, centre, site"
        assert shown.header["variants of linear"] == "10"  # every second of 20
    (verdict,) = verify_models(library, ["mine"])
    assert (verdict.status, verdict.is_sound) == ("ok", True)
    assert verdict.detail.endswith("variants that it reads")


def test_a_trained_model_is_carried_in_a_pack(library, trained, tmp_path):
    add_models(library, trained)
    pack_models(library, ["trait"], tmp_path / "carried.zip")
    (entry,) = add_models(tmp_path / "elsewhere", tmp_path / "carried.zip")
    assert entry.kind == "risk-net"
    assert entry.path.read_bytes() == find_model("trait", library).read_bytes()


def test_a_trained_model_that_was_changed_is_neither_added_nor_sound(library, trained, tmp_path):
    bundle = tmp_path / "bundle"
    shutil.copytree(trained, bundle)
    weights = bundle / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8] + bytes(8))
    with pytest.raises(InputError, match="changed or damaged"):
        add_models(library, bundle)
    assert listed(library) == []
    (entry,) = add_models(library, trained)
    content = bytearray(entry.path.read_bytes())
    content[len(content) // 2] ^= 1
    entry.path.write_bytes(content)
    (verdict,) = verify_models(library, ["trait"])
    assert verdict.status == "changed"


def test_a_bundle_that_is_in_no_library_is_verified_by_its_own_digests(library, trained, tmp_path):
    zipped, directory = tmp_path / "b.zip", tmp_path / "bundle"
    zip_bundle(trained, zipped)
    shutil.copytree(trained, directory)
    names = [str(zipped), str(directory)]
    assert [v.status for v in verify_models(library, names)] == ["ok", "ok"]
    weights = directory / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8] + bytes(8))
    with zipfile.ZipFile(zipped, "a") as archive:
        archive.writestr("model.pkl", "x")
    foreign, changed = verify_models(library, names)
    assert (foreign.status, changed.status) == ("unreadable", "unreadable")
    assert "'model.pkl' has no place in a model bundle" in foreign.detail
    assert "changed or damaged" in changed.detail


def test_a_foreign_file_in_a_zip_of_a_trained_model_is_refused(library, trained, tmp_path):
    path = tmp_path / "b.zip"
    zip_bundle(trained, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model.pkl", "x")
    with pytest.raises(InputError, match=r"'model\.pkl' has no place in a model bundle"):
        add_models(library, path)
    assert listed(library) == []
