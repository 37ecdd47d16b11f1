"""`structure` from end to end: what is planted is found and nothing else, and edges hold."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bed_files import write_bed_files
from datafiles import REPOSITORY

from genomed.errors import GenomedError, InputError, OutputError, UnfitError, UsageError
from genomed.ledger import STRUCTURE
from genomed.settings import ConvertSettings, StructureSettings
from genomed.steps.convert import ConvertInputs, run_convert
from genomed.steps.structure import StructureInputs, run_structure
from genomed.tables import TABLES

EXAMPLE = REPOSITORY / "examples" / "data"
DEFAULTS = StructureSettings()


@pytest.fixture(scope="module")
def example_store(tmp_path_factory) -> str:
    prefix = tmp_path_factory.mktemp("store") / "cohort"
    inputs = ConvertInputs([str(EXAMPLE / "cohort.vcf.gz")], people=[EXAMPLE / "cohort.psam"])
    run_convert(inputs, prefix, ConvertSettings())
    return str(prefix)


@pytest.fixture(scope="module")
def example(example_store, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "structure"
    return run_structure(StructureInputs(example_store, groups="population"), out, DEFAULTS)


@pytest.fixture(scope="module")
def truth() -> pl.DataFrame:
    return pl.read_csv(EXAMPLE / "truth.tsv", separator="\t")


def planted_pairs(truth: pl.DataFrame) -> set[tuple[str, str, str]]:
    pairs = set()
    for sample, kind, detail in truth.select("sample", "kind", "detail").iter_rows():
        if kind == "duplicate":
            pairs.add((*sorted((sample, detail.split()[-1])), "duplicate"))
        elif kind == "trio_child":
            parents = [part.split()[-1] for part in detail.split(",")]
            pairs |= {(*sorted((sample, parent)), "parent_child") for parent in parents}
    return pairs


@pytest.mark.parametrize("device", ["torch", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_device_finds_the_same_relatives_and_prunes_alike(
    example_store, example, tmp_path, device
):
    steps = ("prune", "kinship", "pca")
    inputs = StructureInputs(example_store)
    found = run_structure(inputs, tmp_path / "out", replace(DEFAULTS, steps=steps), device=device)
    for name in ("kinship.tsv", "unrelated.samples", "prune.in", "prune.out"):
        there, here = found.outputs[name], example.outputs[name]
        assert there.read_bytes() == here.read_bytes()
    eigenvalues = (run.results.tables["eigenvalues"]["eigenvalue"] for run in (found, example))
    np.testing.assert_allclose(*eigenvalues, rtol=2e-5)


def test_a_device_that_calculates_wrongly_is_refused_before_it_is_used(
    example_store, tmp_path, monkeypatch
):
    monkeypatch.setattr("genomed.stats.packed_device.FLOAT32_TOLERANCE", 1e-12)
    with pytest.raises(UnfitError, match=r"--device torch: cpu has an error of .*genomed doctor"):
        run_structure(StructureInputs(example_store), tmp_path / "out", DEFAULTS, device="torch")
    assert not (tmp_path / "out").exists()


def test_every_planted_relation_is_found_and_nothing_else(example, truth):
    found = example.results.tables["kinship"]
    assert {
        (*sorted((a, b)), relation)
        for a, b, relation in found.select("sample1", "sample2", "relation").iter_rows()
    } == planted_pairs(truth)
    assert len(planted_pairs(truth)) == 4


def test_one_of_each_duplicate_and_the_child_are_projected(example, truth):
    table = example.results.tables["pcs"]
    projected = set(table.filter(pl.col("projected"))["sample"])
    child = set(truth.filter(pl.col("kind") == "trio_child")["sample"])
    doubles = [set(p[:2]) for p in planted_pairs(truth) if p[2] == "duplicate"]
    assert child <= projected
    assert all(len(pair & projected) == 1 for pair in doubles)
    assert len(projected) == len(child) + len(doubles)


def test_duplicates_lie_on_top_of_each_other(example, truth):
    table = example.results.tables["pcs"]
    place = {row[0]: np.array(row[2:4]) for row in table.iter_rows()}
    spread = np.std([place[name] for name in place], axis=0).max()
    for one, other, relation in planted_pairs(truth):
        if relation == "duplicate":
            assert np.abs(place[one] - place[other]).max() < 0.1 * spread


def test_two_components_tell_the_three_populations_apart(example):
    table = example.results.tables["pcs"].with_columns(pl.col("sample").str.slice(0, 3).alias("p"))
    points = table.select("PC1", "PC2").to_numpy()
    names = table["p"].to_numpy()
    centres = {name: points[names == name].mean(axis=0) for name in sorted(set(names))}
    nearest = [min(centres, key=lambda c: ((centres[c] - x) ** 2).sum()) for x in points]
    assert nearest == names.tolist()


def test_variants_in_are_variants_kept_and_dropped(example, example_store):
    facts = json.loads(example.outputs["run.json"].read_text())["variants"]
    lines = Path(f"{example_store}.pvar").read_text().splitlines()
    assert facts["read"] == sum(not line.startswith("#") for line in lines)
    assert facts["read"] == facts["kept"] + sum(facts["dropped"].values())
    assert set(facts["dropped"]) <= set(STRUCTURE)
    fates = example.results.tables["variants"]["fate"].value_counts()
    assert dict(fates.iter_rows()) == {"kept": facts["kept"], **facts["dropped"]}
    kept = example.outputs["prune.in"].read_text().splitlines()
    assert len(kept) == facts["kept"] == example.results.steps["prune"]["kept"]


def test_tables_have_the_columns_of_the_dictionary(example):
    for name, table in example.results.tables.items():
        known = f"structure_{name}" if name in ("variants", "groups") else name
        stated = list(TABLES[known])
        fixed = [column for column in stated if column != "PC1"]
        assert table.columns[: len(fixed)] == fixed
        again = pl.read_parquet(example.outputs[f"{name}.parquet"])
        assert again.equals(table)


def test_groups_differ_as_simulated_and_the_related_are_not_counted(example):
    assert example.results.steps["diversity"]["groups"] == {"AFR": 99, "EAS": 99, "EUR": 99}
    fst = {
        (r["group1"], r["group2"]): r["hudson"]
        for r in example.results.tables["fst"].iter_rows(named=True)
    }
    assert fst["AFR", "EAS"] > fst["AFR", "EUR"] > fst["EAS", "EUR"] > 0.05


def test_multiqc_content_names_every_sample(example):
    content = json.loads(example.outputs["structure_mqc.json"].read_text())
    assert len(content["data"]) == 300
    assert content["data"]["AFR100"]["duplicate_of"] == "AFR017"
    points = json.loads(example.outputs["structure_pca_mqc.json"].read_text())["data"]
    assert len({point["color"] for point in points.values()}) == 3


def outputs_of(folder: Path) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    facts = json.loads(files.pop("run.json"))
    del facts["run"]
    return files | {"run": json.dumps(facts).encode()}


def test_threads_change_no_byte(example, example_store, tmp_path):
    inputs = StructureInputs(example_store, groups="population")
    run_structure(inputs, tmp_path / "two", DEFAULTS, threads=2)
    assert outputs_of(tmp_path / "two") == outputs_of(example.outputs["run.json"].parent)


def test_a_wrong_pedigree_is_told(example_store, tmp_path):
    for ending in ("pgen", "pvar", "psam"):
        shutil.copy(f"{example_store}.{ending}", tmp_path / f"cohort.{ending}")
    header, *lines = (tmp_path / "cohort.psam").read_text().splitlines()
    name = header.split("\t").index("IID")
    parents, no_parents = {"EUR100": "EUR059\tEUR023"}, "0\t0"  # the father is another one
    rows = [f"{line}\t{parents.get(line.split()[name], no_parents)}" for line in lines]
    (tmp_path / "cohort.psam").write_text("\n".join([f"{header}\tPAT\tMAT", *rows]) + "\n")
    settings = replace(DEFAULTS, steps=("kinship",))
    found = run_structure(StructureInputs(str(tmp_path / "cohort")), tmp_path / "out", settings)
    table = found.results.tables["pedigree"]
    verdict = {frozenset(row[:2]): row[-1] for row in table.iter_rows()}
    assert verdict[frozenset({"EUR100", "EUR023"})] == "agrees"
    assert verdict[frozenset({"EUR100", "EUR059"})] == "disagrees"
    assert verdict[frozenset({"EUR100", "EUR058"})] == "undeclared"
    assert any("pedigree" in warning for warning in found.results.warnings)


@pytest.mark.parametrize(
    ("step", "files"),
    [
        ("prune", {"prune.in", "prune.out"}),
        ("kinship", {"kinship.tsv", "kinship.parquet", "unrelated.samples"}),
        ("roh", {"roh.tsv", "roh.parquet", "roh_samples.tsv", "roh_samples.parquet"}),
    ],
)
def test_a_step_alone_writes_its_own_files(step, files, example_store, tmp_path):
    settings = replace(DEFAULTS, steps=(step,))
    found = run_structure(StructureInputs(example_store), tmp_path / "out", settings)
    common = {
        "variants.parquet", "structure_mqc.json", "structure_variants_mqc.json", "run.json",
    }  # fmt: skip
    assert set(found.outputs) == files | common


def common_calls(n_variants: int, n_samples: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(0.1, 0.9, (n_variants, 1))
    return rng.binomial(2, frequency, (n_variants, n_samples)).astype(np.int8)


def structure_of(calls: np.ndarray, folder: Path, **options):
    prefix = write_bed_files(folder / "store", calls, **options)
    return run_structure(StructureInputs(prefix), folder / "out", DEFAULTS)


def test_one_sample_has_no_relatives_and_no_components(tmp_path):
    found = structure_of(common_calls(300, 1, 1), tmp_path)
    assert found.results.tables["kinship"].height == 0
    assert "pcs" not in found.results.tables
    assert any(warning.startswith("No components") for warning in found.results.warnings)
    assert found.results.tables["roh_samples"].height == 1


def test_no_variants_give_empty_tables(tmp_path):
    found = structure_of(np.zeros((0, 5), np.int8), tmp_path)
    assert found.results.tables["kinship"].height == 0
    assert found.results.tables["roh_samples"]["f_roh"].to_list() == [None] * 5
    assert any("nothing to measure" in warning for warning in found.results.warnings)
    assert json.loads(found.outputs["run.json"].read_text())["variants"]["read"] == 0


def test_all_calls_missing_drop_every_variant(tmp_path):
    found = structure_of(np.full((50, 6), -9, np.int8), tmp_path)
    assert found.results.variants["low_call_rate"] == 50
    assert found.results.tables["kinship"].height == 0


def test_only_x_drops_every_variant(tmp_path):
    found = structure_of(common_calls(80, 6, 2), tmp_path, contig=["X"] * 80)
    assert found.results.variants["not_autosomal"] == 80


def test_everybody_a_copy_of_one_leaves_one(tmp_path):
    calls = np.repeat(common_calls(3000, 1, 3), 8, axis=1)
    found = structure_of(calls, tmp_path)
    assert found.results.steps["kinship"]["unrelated"] == 1
    assert set(found.results.tables["kinship"]["relation"]) == {"duplicate"}
    assert "pcs" not in found.results.tables


def test_few_founders_are_warned_of(tmp_path):
    found = structure_of(common_calls(500, 20, 4), tmp_path)
    assert any("Only 20 of 20 samples are founders" in w for w in found.results.warnings)
    assert found.results.tables["pcs"].height == 20


def test_nobody_a_founder_makes_everybody_one(tmp_path):
    people = [f"0 s{n} f{n} m{n} 0 -9" for n in range(60)]
    found = structure_of(common_calls(500, 60, 5), tmp_path, people=people)
    assert any("Nobody is a founder" in warning for warning in found.results.warnings)
    assert found.results.tables["pcs"].height == 60


def test_a_repeated_variant_is_used_once(tmp_path):
    calls = np.repeat(common_calls(300, 60, 6), 2, axis=0)
    position = np.repeat(np.arange(1, 301) * 1000, 2).tolist()
    found = structure_of(calls, tmp_path, position=position)
    assert found.results.variants["repeated"] == 300


@pytest.mark.parametrize(
    ("contig", "position", "said"),
    [
        (["1", "2", "1"], [5, 5, 9], "contig 1 lie in several places"),
        (["1", "1", "1"], [5, 9, 7], r"variant 3, at 1:7, lies before"),
    ],
)
def test_an_unsorted_store_is_refused(contig, position, said, tmp_path):
    with pytest.raises(InputError, match=said):
        structure_of(common_calls(3, 60, 7), tmp_path, contig=contig, position=position)
    assert not (tmp_path / "out").exists()


def test_a_vcf_is_sent_to_convert(tmp_path):
    inputs = StructureInputs(str(EXAMPLE / "cohort.vcf.gz"))
    with pytest.raises(InputError, match=r"not a genotype store.*genomed convert"):
        run_structure(inputs, tmp_path / "out", DEFAULTS)
    assert not (tmp_path / "out").exists()


def test_a_store_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        run_structure(StructureInputs(str(tmp_path / "nowhere")), tmp_path / "out", DEFAULTS)


@pytest.mark.parametrize("ending", ["pvar", "psam", "pgen"])
def test_files_that_disagree_or_are_cut_short_are_refused(ending, example_store, tmp_path):
    for name in ("pgen", "pvar", "psam"):
        shutil.copy(f"{example_store}.{name}", tmp_path / f"cohort.{name}")
    path = tmp_path / f"cohort.{ending}"
    data = path.read_bytes()
    path.write_bytes(
        data[: len(data) // 2] if ending == "pgen" else data[: data.rindex(b"\n", 0, -1) + 1]
    )
    out = tmp_path / "out"
    out.mkdir()
    (out / "run.json").write_text("old")
    with pytest.raises(InputError, match="cohort"):
        run_structure(StructureInputs(str(tmp_path / "cohort")), out, DEFAULTS)
    assert [(p.name, p.read_text()) for p in out.iterdir()] == [("run.json", "old")]


@pytest.mark.parametrize(
    ("groups", "kind", "said"),
    [
        ("nowhere", UsageError, "no such file, and no such column of the store .columns: popul"),
        ("strangers.tsv", InputError, "a group for nobody"),
    ],
)
def test_groups_of_nobody_are_refused(groups, kind, said, example_store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("strangers.tsv").write_text("sample\tpopulation\nnobody\tX\n")
    with pytest.raises(kind, match=said):
        run_structure(StructureInputs(example_store, groups=groups), Path("out"), DEFAULTS)


def test_groups_come_from_a_table_and_its_column(example_store, tmp_path):
    table = tmp_path / "groups.tsv"
    lines = [f"AFR{n:03}\tx\t{'even' if n % 2 == 0 else 'odd'}\n" for n in range(1, 99)]
    table.write_text("sample\tpopulation\tparity\n" + "".join(lines))
    settings = replace(DEFAULTS, steps=("diversity",))
    inputs = StructureInputs(example_store, groups=f"{table}:parity")
    found = run_structure(inputs, tmp_path / "out", settings)
    assert found.results.steps["diversity"]["groups"] == {"even": 49, "odd": 49}
    assert any("202 of 300 samples are in no group" in w for w in found.results.warnings)


def test_an_unknown_build_is_refused(example_store, tmp_path):
    settings = replace(DEFAULTS, build="GRCh99")
    with pytest.raises(UsageError, match="--build 'GRCh99' is not a genome build"):
        run_structure(StructureInputs(example_store), tmp_path / "out", settings)


def test_results_that_cannot_be_written_leave_nothing(example_store, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        run_structure(StructureInputs(example_store), tmp_path / "file" / "out", DEFAULTS)


def test_every_expected_error_is_one_sentence(example_store, tmp_path):
    for inputs in (StructureInputs(str(EXAMPLE / "cohort.vcf.gz")), StructureInputs("nowhere")):
        with pytest.raises(GenomedError) as caught:
            run_structure(inputs, tmp_path / "out", DEFAULTS)
        assert "\n" not in str(caught.value)
