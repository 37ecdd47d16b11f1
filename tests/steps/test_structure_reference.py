"""`structure reference` makes a bundle of labelled people, and `structure` places others in it."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from bed_files import write_bed_files
from datafiles import REPOSITORY

from genomed.errors import BuildError, CoverageError, InputError, UsageError
from genomed.io.bundle import open_bundle
from genomed.settings import ConvertSettings, StructureSettings
from genomed.steps.convert import ConvertInputs, run_convert
from genomed.steps.structure import StructureInputs, run_structure
from genomed.steps.structure_reference import build_reference
from genomed.tables import TABLES

EXAMPLE = REPOSITORY / "examples" / "data"
DEFAULTS = StructureSettings()
QUICK = replace(DEFAULTS, steps=("diversity",))


@pytest.fixture(scope="module")
def example_store(tmp_path_factory) -> str:
    prefix = tmp_path_factory.mktemp("store") / "cohort"
    inputs = ConvertInputs([str(EXAMPLE / "cohort.vcf.gz")], people=[EXAMPLE / "cohort.psam"])
    run_convert(inputs, prefix, ConvertSettings())
    return str(prefix)


def names(which: int) -> list[str]:
    """Every other person of the example, so that reference and cohort are different people."""
    return [f"{p}{n:03}" for p in ("AFR", "EAS", "EUR") for n in range(1 + which, 100, 2)]


@pytest.fixture(scope="module")
def made(example_store, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "example.zip"
    labels = EXAMPLE / "cohort.psam"
    return build_reference(example_store, labels, out, DEFAULTS, samples=names(0))


@pytest.fixture(scope="module")
def placed(example_store, made, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "structure"
    inputs = StructureInputs(example_store, samples=names(1), reference=str(made.path))
    return run_structure(inputs, out, QUICK)


def test_people_held_back_are_told_apart(made):
    assert made.n_people == 150
    assert made.populations == {"AFR": 50, "EAS": 50, "EUR": 50}
    assert made.check.population_accuracy > 0.98


def test_the_bundle_holds_what_the_run_says(made):
    bundle = open_bundle(made.path)
    assert (bundle.name, bundle.build) == ("example", "GRCh38")
    assert bundle.variants.height == made.n_telling
    assert (bundle.components.loadings != 0).any(axis=1).sum() == made.n_variants
    assert bundle.labels["sample"].to_list() == bundle.store().samples
    alleles = bundle.variants.select(pl.concat_str("ref", "alt")).to_series()
    assert not set(alleles) & {"AT", "TA", "CG", "GC"}


def test_new_people_are_put_into_their_population(placed):
    table = placed.results.tables["ancestry"]
    assert table.columns[:8] == list(TABLES["structure_ancestry"])[:8]
    known = table.filter(pl.col("most_similar_population").is_not_null())
    assert known.height >= 0.95 * table.height
    assert (known["most_similar_population"] == known["sample"].str.slice(0, 3)).all()
    assert known["population_probability"].min() > 0.5


def test_a_references_own_people_are_inside_it_and_known_again(example_store, made, tmp_path):
    inputs = StructureInputs(example_store, samples=names(0), reference=str(made.path))
    found = run_structure(inputs, tmp_path / "out", QUICK).results
    assert found.steps["ancestry"]["in_reference"] == 150
    assert found.tables["ancestry"]["outside_reference"].mean() <= 0.02
    assert "150 of 150 people are in the reference example too" in found.warnings[-1]


def test_groups_are_the_populations_found(placed):
    groups = placed.results.tables["diversity"]
    assert groups["group"].to_list() == ["AFR", "EAS", "EUR"]
    assert groups["n_samples"].sum() <= 147


def test_people_unlike_the_reference_are_outside_it(example_store, tmp_path):
    labels = tmp_path / "labels.tsv"
    people = [name for name in names(0) if name[:3] != "AFR"]
    labels.write_text("sample\tpopulation\n" + "".join(f"{n}\t{n[:3]}\n" for n in people))
    bundle = tmp_path / "two"
    build_reference(example_store, labels, bundle, DEFAULTS)
    inputs = StructureInputs(example_store, samples=names(1), reference=str(bundle))
    table = run_structure(inputs, tmp_path / "out", QUICK).results.tables["ancestry"]
    african = pl.col("sample").str.starts_with("AFR")
    assert table.filter(african)["outside_reference"].mean() > 0.9
    assert table.filter(~african)["outside_reference"].mean() < 0.1


def test_variants_that_a_store_lacks_do_not_move_people(placed, made, tmp_path):
    inputs = ConvertInputs([str(EXAMPLE / "cohort.vcf.gz")], region="chr22:1-33000000")
    run_convert(inputs, tmp_path / "part", ConvertSettings())
    settings = replace(QUICK, min_projection_coverage=0.2)
    inputs = StructureInputs(str(tmp_path / "part"), samples=names(1), reference=str(made.path))
    found = run_structure(inputs, tmp_path / "out", settings).results
    assert 0.2 < found.steps["ancestry"]["found"] / made.n_telling < 0.8
    part, whole = found.tables["ancestry"], placed.results.tables["ancestry"]
    known = part.filter(~pl.col("outside_reference"))
    assert known.height > 0.9 * part.height
    assert (known["most_similar_population"] == known["sample"].str.slice(0, 3)).mean() > 0.98
    for component in ("PC1", "PC2"):
        slope = np.polyfit(whole[component].to_numpy(), part[component].to_numpy(), 1)[0]
        assert slope == pytest.approx(1, abs=0.1)


def test_too_few_variants_in_common_are_an_error(made, tmp_path):
    rng = np.random.default_rng(3)
    prefix = write_bed_files(tmp_path / "other", rng.integers(0, 3, (200, 5)).astype(np.int8))
    inputs = StructureInputs(prefix, reference=str(made.path))
    with pytest.raises(CoverageError, match=r"0 of the .* variants that place people"):
        run_structure(inputs, tmp_path / "out", QUICK)
    assert not (tmp_path / "out").exists()


def test_another_build_is_refused(made, tmp_path):
    rng = np.random.default_rng(3)
    prefix = write_bed_files(tmp_path / "other", rng.integers(0, 3, (20, 5)).astype(np.int8))
    inputs = StructureInputs(prefix, reference=str(made.path))
    with pytest.raises(BuildError, match="is on GRCh38, but the store is on GRCh37"):
        run_structure(inputs, tmp_path / "out", replace(QUICK, build="hg19"))


def test_threads_change_no_byte_of_a_bundle(example_store, made, tmp_path):
    again = tmp_path / "example.zip"
    labels = EXAMPLE / "cohort.psam"
    build_reference(example_store, labels, again, DEFAULTS, samples=names(0), threads=2)
    assert again.read_bytes() == made.path.read_bytes()


@pytest.mark.parametrize(
    ("labels", "kind", "said"),
    [
        ("sample\tpopulation\nnobody\tX\n", InputError, "labels nobody"),
        ("sample\tpopulation\nAFR001\tX\nAFR002\tX\nAFR003\tX\n", InputError, "two populations"),
        ("sample\theight\nAFR001\t2\n", InputError, "called population"),
    ],
)
def test_labels_that_make_no_reference_are_refused(labels, kind, said, example_store, tmp_path):
    path = tmp_path / "labels.tsv"
    path.write_text(labels)
    with pytest.raises(kind, match=said):
        build_reference(example_store, path, tmp_path / "bundle", DEFAULTS)
    assert not (tmp_path / "bundle").exists()


def test_a_bundle_is_never_overwritten(example_store, made):
    before = made.path.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        build_reference(example_store, EXAMPLE / "cohort.psam", made.path, DEFAULTS)
    assert made.path.read_bytes() == before


def test_a_reference_must_know_its_build(tmp_path):
    rng = np.random.default_rng(4)
    prefix = write_bed_files(tmp_path / "store", rng.integers(0, 3, (200, 6)).astype(np.int8))
    labels = tmp_path / "labels.tsv"
    labels.write_text("sample\tpopulation\n" + "".join(f"s{n}\tp{n % 2}\n" for n in range(6)))
    with pytest.raises(UsageError, match="name it with --build"):
        build_reference(prefix, labels, tmp_path / "bundle", DEFAULTS)
