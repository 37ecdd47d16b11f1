"""`genomed explain` end to end: what it names, what adds up, and what it refuses."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from packed_cohorts import array_store, packed, write_fileset
from train_cohort import Cohort
from trained_bundles import (
    PARTS,
    covariate_table,
    dated_table,
    design_of,
    risk_model,
    sequences_of,
    write_trained_bundle,
)

from genomed.errors import BuildError, CoverageError, InputError, UnfitError, UsageError
from genomed.io.traits import SurvivalColumns
from genomed.models.risk_model import RiskModel
from genomed.settings import ExplainSettings, SplitSettings, TrainSettings
from genomed.steps.explain import ExplainInputs, ExplainSummary, run_explain
from genomed.steps.train import run_train
from genomed.tables import TABLES

N, M = 90, 24
SETTINGS = ExplainSettings(build="GRCh38", n_permuted=1)


class Work:
    """A store, covariates and bundles of random models over its variants."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(7)
        p = rng.uniform(0.2, 0.5, M)
        self.counts = rng.binomial(2, p[:, None], (M, N)).astype(np.int8)
        self.counts[rng.random((M, N)) < 0.03] = -9
        store = array_store(self.counts)
        self.store = write_fileset(folder / "store", store)
        self.samples = store.samples
        table = covariate_table(self.samples, rng)
        table.write_csv(folder / "covariates.tsv", separator="\t")
        self.design = design_of(table)
        dated = dated_table(self.samples, rng)
        dated.write_csv(folder / "codes.tsv", separator="\t")
        self.dated = sequences_of(dated, self.samples)
        groups = [None, "north", "south"]
        table = pl.DataFrame({"sample": self.samples, "population": (groups * N)[:N]})
        table.write_csv(folder / "groups.tsv", separator="\t")
        self.variants = store.variants.drop("row").with_columns(alt_allele_frequency=pl.Series(p))

    def model(self, parts: tuple[str, ...]) -> RiskModel:
        return risk_model(packed(self.counts), N, self.variants, self.design, parts)

    def bundle(self, name: str, parts: tuple[str, ...]) -> Path:
        path = self.folder / name
        if not path.exists():
            codes = {"encoder": self.dated.encoder, "times": "ages"} if "codes" in parts else None
            write_trained_bundle(path, self.model(parts), self.design, codes=codes)
        return path

    def run(
        self, out: str, bundle: Path, settings: ExplainSettings = SETTINGS, **more: object
    ) -> tuple[ExplainSummary, Callable[[str], pl.DataFrame]]:
        given = {"store": str(self.store), "covariates": self.folder / "covariates.tsv"} | more
        inputs = ExplainInputs(str(bundle), **given)  # type: ignore[arg-type]
        found = run_explain(inputs, self.folder / out, settings)
        return found, lambda name: pl.read_parquet(self.folder / out / f"{name}.parquet")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return Work(tmp_path_factory.mktemp("explain"))


@pytest.fixture(scope="module")
def exact(work: Work) -> Callable[[str], pl.DataFrame]:
    return work.run("exact-out", work.bundle("exact", PARTS[:4]))[1]


def test_every_table_has_the_columns_of_the_dictionary(
    work: Work, exact: Callable[[str], pl.DataFrame]
) -> None:
    for name in ("variants", "pairs", "covariates", "people", "person_terms"):
        assert exact(name).columns == list(TABLES[f"explain_{name}"]), name
        text = pl.read_csv(work.folder / "exact-out" / f"{name}.tsv", separator="\t")
        assert text.columns == exact(name).columns
    assert "What moves predictions?" in (work.folder / "exact-out" / "explain.html").read_text()


def test_base_and_parts_are_the_predictor_of_risk(
    work: Work, exact: Callable[[str], pl.DataFrame]
) -> None:
    people = exact("people")
    model = work.model(PARTS[:4])
    rows = [int(name[1:]) for name in model.variants["id"]]
    predicted = model.predict(
        packed(work.counts[rows]), N, work.design.matrix.astype(np.float64),
        categories=work.design.categories, levels=tuple(work.design.category_sizes),
    ).full  # fmt: skip
    assert people["sample"].to_list() == work.samples
    np.testing.assert_allclose(people["full_predictor"], predicted, atol=1e-9)
    parts = people.select("base_value", "linear", "pairs", "covariates", "net").sum_horizontal()
    np.testing.assert_allclose(parts, predicted, atol=1e-6)
    assert people["completeness_error"].abs().max() < 1e-9
    assert people["net"].abs().max() == 0


def test_parts_with_those_of_ancestry_groups_are_the_predictor_of_risk(work: Work) -> None:
    parts = (*PARTS[:4], "ancestry")
    bundle = work.bundle("groups", parts)
    found, read = work.run("groups-out", bundle, groups=str(work.folder / "groups.tsv"))
    people, model = read("people"), work.model(parts)
    rows = [int(name[1:]) for name in model.variants["id"]]
    predicted = model.predict(
        packed(work.counts[rows]), N, work.design.matrix.astype(np.float64),
        categories=work.design.categories, levels=tuple(work.design.category_sizes),
        group=np.arange(N) % 3 - 1,
    )  # fmt: skip
    np.testing.assert_allclose(people["ancestry"], predicted.parts["ancestry"], atol=1e-6)
    told = ("base_value", "linear", "ancestry", "pairs", "covariates")
    np.testing.assert_allclose(people.select(told).sum_horizontal(), predicted.full, atol=1e-6)
    assert people["completeness_error"].abs().max() < 1e-6
    assert "ancestry group" in read("covariates")["covariate"].to_list()
    assert read("variants")["ancestry"].sum() > 0
    assert any("30 of 90 samples are in no group" in text for text in found.page.warnings)
    total = read("variants")["share"].sum() + read("covariates")["share"].sum()
    assert total == pytest.approx(1)


def test_without_groups_a_bundle_of_groups_says_so(work: Work) -> None:
    bundle = work.bundle("groups", (*PARTS[:4], "ancestry"))
    found, read = work.run("no-groups-out", bundle)
    assert any("own for north, south, and nobody" in text for text in found.page.warnings)
    assert read("people")["ancestry"].abs().max() == 0
    exact = work.bundle("exact", PARTS[:4])
    found, _ = work.run("for-nothing", exact, groups=str(work.folder / "groups.tsv"))
    assert any("--groups changes nothing" in text for text in found.page.warnings)


def test_dated_codes_are_explained_one_by_one_and_as_one_covariate(work: Work) -> None:
    pytest.importorskip("captum")
    bundle = work.bundle("codes", (*PARTS, "codes"))
    _, read = work.run("codes-out", bundle, codes=work.folder / "codes.tsv")
    assert read("people")["completeness_error"].abs().max() < 1e-3
    whole = read("covariates").filter(pl.col("covariate") == "dated codes")
    assert whole["mean_abs_contribution"][0] == whole["net"][0] > 0
    codes = read("codes")
    assert codes["share"].sum() == pytest.approx(whole["share"][0], abs=1e-9)
    records = pl.read_csv(work.folder / "codes.tsv", separator="\t")
    for name, n_records, n_people in (
        records.group_by("code").agg(pl.len(), pl.col("sample").n_unique()).iter_rows()
    ):
        told = codes.filter(code=name)
        assert (told["n_records"][0], told["n_people"][0]) == (n_records, n_people)


def test_a_bundle_that_reads_dated_codes_wants_them(work: Work, tmp_path: Path) -> None:
    bundle = work.bundle("codes", (*PARTS, "codes"))
    with pytest.raises(UsageError, match=r"reads dated codes.*give the table with --codes"):
        work.run("refused", bundle)
    dates = tmp_path / "dates.tsv"
    dates.write_text("sample\tcode\tdate\ns1\tE11\t2001-02-03\n")
    with pytest.raises(InputError, match=r"has dates, but .* was trained with ages"):
        work.run("refused", bundle, codes=dates)


def test_shares_of_variants_and_covariates_add_up_to_one(
    exact: Callable[[str], pl.DataFrame],
) -> None:
    total = exact("variants")["share"].sum() + exact("covariates")["share"].sum()
    assert total == pytest.approx(1)


def test_all_terms_of_a_chosen_person_add_up(work: Work) -> None:
    found, read = work.run("person-out", work.bundle("exact", PARTS[:4]), persons=("s3",))
    told = read("person_terms")
    single = told.filter(pl.col("sample") == "s3", pl.col("kind").is_in(["variant", "covariate"]))
    person = read("people").filter(pl.col("sample") == "s3").row(0, named=True)
    total = single["contribution"].sum() + found.page.base
    assert total == pytest.approx(person["full_predictor"])
    others = told.filter(pl.col("sample") == "s4", pl.col("kind").is_in(["variant", "covariate"]))
    assert len(others) == 10
    size = others["contribution"].abs()
    assert size.to_list() == sorted(size, reverse=True)
    pairs = told.filter(pl.col("sample") == "s3", pl.col("kind") == "pair")
    assert 0 < len(pairs) <= 3


def test_the_net_is_explained_and_compared_with_permuted_ones(work: Work) -> None:
    pytest.importorskip("captum")
    found, read = work.run("net-out", work.bundle("net", PARTS))
    assert read("people")["completeness_error"].abs().max() < 1e-3
    assert read("variants").filter(pl.col("net") > 0)["variant"].sort().to_list() == [
        "v0", "v11", "v3",
    ]  # fmt: skip
    assert read("variants")["net_sd"].count() == 3
    checks = {name: value for name, value, _, _ in found.page.checks}
    assert list(checks) == [
        "largest_completeness_error", "net_member_agreement", "net_permuted_agreement",
    ]  # fmt: skip
    assert np.isfinite(list(checks.values())).all()


def test_a_net_without_captum_says_what_to_install(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    with pytest.raises(UnfitError, match=r"pip install 'genomed\[explain\]'"):
        work.run("no-out", work.bundle("net", PARTS))
    assert not (work.folder / "no-out").exists()


def test_the_other_allele_as_alt_in_the_store_changes_nothing(
    work: Work, exact: Callable[[str], pl.DataFrame]
) -> None:
    turned = array_store(np.where(work.counts < 0, -9, 2 - work.counts).astype(np.int8))
    turned.variants = turned.variants.with_columns(ref=pl.col("alt"), alt=pl.col("ref"))
    prefix = write_fileset(work.folder / "turned", turned)
    _, read = work.run("turned-out", work.bundle("exact", PARTS[:4]), store=str(prefix))
    assert set(read("variants")["reason"]) == {"swapped"}
    for name in ("variants", "pairs", "covariates", "people"):
        assert (
            read(name).drop("reason", strict=False).equals(exact(name).drop("reason", strict=False))
        ), name


def test_variants_that_the_store_lacks_are_named_and_add_nothing(work: Work) -> None:
    store = array_store(work.counts[4:])
    store.variants = work.variants[4:].drop("alt_allele_frequency").with_row_index("row")
    store.variants = store.variants.with_columns(
        alt=pl.when(pl.col("id") == "v4").then(pl.lit("T")).otherwise("alt")
    )
    prefix = write_fileset(work.folder / "few", store)
    found, read = work.run("few-out", work.bundle("linear", PARTS[:1]), store=str(prefix))
    reasons = dict(read("variants").select("variant", "reason").iter_rows())
    assert (reasons["v0"], reasons["v2"], reasons["v4"], reasons["v6"]) == (
        "absent", "absent", "alleles_differ", "exact",
    )  # fmt: skip
    lost = read("variants").filter(pl.col("reason") != "exact")
    assert lost["mean_abs_contribution"].to_list() == [0.0] * 3
    assert any("3 of the bundle's 12 variants" in text for text in found.page.warnings)
    facts = json.loads((work.folder / "few-out" / "run.json").read_text())
    assert facts["variants"] == {"absent": 2, "alleles_differ": 1, "exact": 9}


def test_genes_are_sums_of_their_variants(work: Work) -> None:
    genes = work.folder / "genes.bed"
    genes.write_text("1\t0\t3\tFIRST\n1\t2\t5\tSECOND\n2\t0\t99\tELSEWHERE\n")
    _, read = work.run("genes-out", work.bundle("linear", PARTS[:1]), genes=genes)
    table = read("genes")
    assert table.columns == list(TABLES["explain_genes"])
    assert dict(table.select("gene", "n_variants").iter_rows()) == {"FIRST": 2, "SECOND": 2}
    weights = work.model(PARTS[:1]).genotype_weights
    codes = np.where(work.counts < 0, 3, work.counts)[[0, 2]]
    both = np.abs(weights[0][codes[0]] + weights[1][codes[1]]).mean()
    mine = table.filter(pl.col("gene") == "FIRST")["mean_abs_contribution"][0]
    assert mine == pytest.approx(both, rel=1e-6)


def test_the_same_run_gives_the_same_tables_whatever_the_threads(work: Work) -> None:
    bundle = work.bundle("exact", PARTS[:4])
    inputs = ExplainInputs(str(bundle), str(work.store), work.folder / "covariates.tsv")
    for threads in (1, 2):
        run_explain(inputs, work.folder / f"t{threads}", SETTINGS, threads=threads, command="x")
    for path in sorted((work.folder / "t1").iterdir()):
        if path.name != "run.json":
            assert path.read_bytes() == (work.folder / "t2" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    ("error", "said", "more", "settings"),
    [
        (UsageError, "--person nobody: no such sample", {"persons": ("nobody",)}, SETTINGS),
        (BuildError, "is on GRCh37, but", {}, replace(SETTINGS, build="GRCh37")),
        (InputError, "no such file", {"store": "nowhere"}, SETTINGS),
    ],
)
def test_what_cannot_be_explained_is_refused(
    work: Work, error: type[Exception], said: str, more: dict[str, object],
    settings: ExplainSettings,
) -> None:  # fmt: skip
    with pytest.raises(error, match=said):
        work.run("refused", work.bundle("linear", PARTS[:1]), settings, **more)
    assert not (work.folder / "refused").exists()


def test_a_store_without_any_of_the_variants_is_refused(work: Work) -> None:
    elsewhere = array_store(work.counts, contigs=["9"] * M)
    prefix = write_fileset(work.folder / "elsewhere", elsewhere)
    with pytest.raises(CoverageError, match="holds none of the 12 variants"):
        work.run("refused", work.bundle("linear", PARTS[:1]), store=str(prefix))


def test_people_without_covariates_count_as_average_and_are_counted(work: Work) -> None:
    found, read = work.run("alone-out", work.bundle("exact", PARTS[:4]), covariates=None)
    assert any(f"{N} of {N} people lack covariates" in text for text in found.page.warnings)
    assert read("covariates")["mean_abs_contribution"].max() == 0


def test_planted_pairs_come_first_and_permuted_labels_move_less(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path, n=800)
    out = tmp_path / "model"
    trained = TrainSettings(
        build="GRCh38", stages=("pairs",), split=SplitSettings(n_folds=3)
    )  # fmt: skip
    run_train(cohort.inputs(), out, trained, threads=1)
    inputs = ExplainInputs(
        str(out), str(cohort.store), traits=tmp_path / "traits.tsv", genes=None
    )  # fmt: skip
    found = run_explain(inputs, tmp_path / "out", SETTINGS)
    page = found.page
    first = page.pairs.head(2).select("first", "second").rows()
    assert {frozenset(pair) for pair in first} == {
        frozenset({"v5", "v70"}), frozenset({"v20", "v100"}),
    }  # fmt: skip
    assert {"v5", "v70", "v20", "v100"} <= set(page.variants["variant"].head(14))
    shuffles = pl.read_parquet(tmp_path / "out" / "shuffles.parquet")
    assert shuffles.columns == list(TABLES["explain_shuffles"])
    real, permuted = shuffles.rows(named=True)
    assert permuted["predictor_sd"] < 0.5 * real["predictor_sd"]
    assert permuted["largest_variant"] < real["largest_variant"]
    checks = {name: passed for name, _, _, passed in page.checks}
    assert checks["shuffled_largest_variant"] is True
    assert checks["shuffled_largest_pair"] is True


def test_permuted_labels_are_learned_from_beside_the_bundle_s_own_columns(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path, n=400)
    table, out = tmp_path / "covariates.tsv", tmp_path / "model"
    trained = TrainSettings(build="GRCh38", stages=(), split=SplitSettings(n_folds=3))
    traits = pl.read_csv(tmp_path / "traits.tsv", separator="\t")
    traits = traits.rename({"t_time": "years", "t_event": "dead"})
    traits.write_csv(tmp_path / "traits.tsv", separator="\t")
    given = cohort.inputs(
        "death", survival={"death": SurvivalColumns("years", "dead")}, covariates=table,
        covariate_names=("age",),
    )  # fmt: skip
    run_train(given, out, trained, threads=1)
    inputs = ExplainInputs(
        str(out), str(cohort.store), covariates=table, traits=tmp_path / "traits.tsv"
    )
    run_explain(inputs, tmp_path / "out", SETTINGS)
    real, permuted = pl.read_parquet(tmp_path / "out" / "shuffles.parquet").rows(named=True)
    assert 0 < permuted["predictor_sd"] < real["predictor_sd"]
