"""`genomed risk --model BUNDLE`: what is told of people is what the model says of their calls."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pytest
from packed_cohorts import array_store, packed, write_fileset
from simulated_reads import SimulatedSites, write_bam
from small_cohorts import Record, Scored, row, score, write_model, write_vcf
from trained_bundles import (
    PARTS,
    covariate_table,
    dated_table,
    design_of,
    net_part,
    risk_model,
    sequences_of,
    write_trained_bundle,
)

from genomed.errors import BuildError, InputError, UsageError
from genomed.features.design import Design
from genomed.kernels.packed import take_samples
from genomed.models.ancestry_part import AncestryPart, GroupTrunk
from genomed.models.risk_model import RiskModel
from genomed.scores.absolute import spread_of
from genomed.scores.deep import DeepSums
from genomed.scores.deep_accuracy import Variances
from genomed.stats.calibration import Observed, fit_calibration, fit_survival
from genomed.steps import risk as step
from genomed.steps.risk_bundles import read_bundle
from genomed.tables import TABLES

N, N_VARIANTS = 150, 60
PAIRS = (("A", "G"), ("C", "T"), ("A", "T"), ("G", "C"), ("T", "G"))
TABLE = ("linear_predictor", "full_predictor", "prediction")


@dataclass
class Setting:
    """People, a model of all parts, its bundle and covariates.

    counts : int8 (variants, people), -9 missing; variants : contig .. alt_allele_frequency
    """

    folder: Path
    counts: np.ndarray
    variants: pl.DataFrame
    table: pl.DataFrame
    design: Design
    model: RiskModel
    bundle: Path
    covariates: Path

    @property
    def samples(self) -> list[str]:
        return self.table["sample"].to_list()

    def words(self, counts: np.ndarray | None = None) -> np.ndarray:
        """Packed calls of the model's variants."""
        rows = self.variants.with_row_index("at").join(
            self.model.variants, on=["contig", "position", "alt"], maintain_order="right"
        )["at"]
        return packed((self.counts if counts is None else counts)[rows.to_numpy()])

    def expected(self, counts: np.ndarray | None = None, model: RiskModel | None = None):
        d, words = self.design, self.words(counts)
        return (model or self.model).predict(
            words, len(d.matrix), d.matrix.astype(np.float64), categories=d.categories,
            levels=tuple(d.category_sizes),
        )  # fmt: skip

    def run(self, out: Path, cohort: Path, threads: int = 2, **options: object) -> Scored:
        models = options.pop("models", [self.bundle])
        given = {"covariates": self.covariates, "build": "GRCh38"} | options
        return score(cohort, models, out, threads, **given)

    def vcf(self, path: Path, counts: np.ndarray | None = None, **changed: object) -> Path:
        return write_vcf(path, self.records(counts, **changed), samples=self.samples)

    def records(
        self, counts: np.ndarray | None = None, swap: tuple[int, ...] = (),
        leave: tuple[int, ...] = (),
    ) -> list[Record]:  # fmt: skip
        """Records of the variants, some with REF and ALT exchanged, some left out."""
        counts = self.counts if counts is None else counts
        cells = {0: "0/0", 1: "0/1", 2: "1/1", -9: "./."}
        turned = {0: "1/1", 1: "0/1", 2: "0/0", -9: "./."}
        found = []
        for v, place in enumerate(self.variants.iter_rows(named=True)):
            if v in leave:
                continue
            alleles = (place["ref"], place["alt"])
            ref, alt = alleles[::-1] if v in swap else alleles
            code = turned if v in swap else cells
            calls = " ".join(code[int(c)] for c in counts[v])
            found.append(Record(place["contig"], place["position"], ref, alt, calls))
        return found


def make_setting(folder: Path, parts=PARTS, kind="quantitative", missing=0.03) -> Setting:
    rng = np.random.default_rng(77)
    frequency = rng.uniform(0.1, 0.45, N_VARIANTS)
    frequency[2::5] = 0.5  # of A/T variants, whose strand frequencies cannot tell
    counts = rng.binomial(2, frequency[:, None], (N_VARIANTS, N)).astype(np.int8)
    counts[rng.random(counts.shape) < missing] = -9
    alleles = [PAIRS[v % len(PAIRS)] for v in range(N_VARIANTS)]
    variants = pl.DataFrame(
        {
            "contig": [str(1 + v // 25) for v in range(N_VARIANTS)],
            "position": [1000 * (v + 1) for v in range(N_VARIANTS)],
            "id": [f"rs{v}" if v % 3 else None for v in range(N_VARIANTS)],
            "ref": [a for a, _ in alleles],
            "alt": [b for _, b in alleles],
            "alt_allele_frequency": frequency,
        }
    )
    samples = [f"s{i}" for i in range(N)]
    table = covariate_table(samples, rng)
    design = design_of(table)
    model = risk_model(packed(counts), N, variants, design, parts, kind)
    folder.mkdir(exist_ok=True)
    covariates = folder / "covariates.tsv"
    table.write_csv(covariates, separator="\t")
    bundle = write_trained_bundle(folder / "bundle", model, design)
    return Setting(folder, counts, variants, table, design, model, bundle, covariates)


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    return make_setting(tmp_path_factory.mktemp("setting") / "all")


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    return make_setting(tmp_path_factory.mktemp("setting") / "linear", ("linear",), missing=0)


def check(run: Scored, expected, at: np.ndarray | None = None) -> None:
    at = np.arange(N) if at is None else at
    np.testing.assert_allclose(
        run.scores(column="linear_predictor"), expected.linear[at], atol=1e-6
    )
    np.testing.assert_allclose(run.scores(column="full_predictor"), expected.full[at], atol=1e-6)
    np.testing.assert_allclose(run.scores(column="net_spread"), expected.spread[at], atol=1e-6)


# ---------------------------------------------------------------- the same prediction


@pytest.mark.parametrize("kind", ["quantitative", "binary", "survival"])
def test_people_of_a_store_are_told_what_the_model_predicts_of_them(tmp_path, kind):
    made = make_setting(tmp_path / "made", kind=kind)
    store = array_store(made.counts, made.variants["contig"], made.variants["position"])
    store.variants = store.variants.with_columns(made.variants.select("ref", "alt"))
    prefix = write_fileset(tmp_path / "store", store)
    run = made.run(tmp_path / "out", f"{prefix}.pgen")
    expected = made.expected()
    check(run, expected)
    eta = expected.full
    told = {
        "quantitative": eta,
        "binary": 1 / (1 + np.exp(-eta)),
        "survival": 1 - 1 / (1 + np.exp(eta - 3)) / (1 + np.exp(eta - 2)),
    }
    np.testing.assert_allclose(run.scores(column="prediction"), told[kind], atol=1e-6)
    assert run.risk.columns == [*TABLES["risk"], *TABLES["risk_bundle"]]
    assert run.risk["model"].unique().to_list() == ["trait"]


@pytest.mark.parametrize("parts", [("linear",), ("pairs",), ("dominance",), ("linear", "net")])
def test_models_of_some_parts_predict_as_they_should(tmp_path, parts):
    made = make_setting(tmp_path / "made", parts)
    run = made.run(tmp_path / "out", made.vcf(tmp_path / "c.vcf"))
    expected = made.expected()
    np.testing.assert_allclose(run.scores(column="full_predictor"), expected.full, atol=1e-6)
    assert (run.risk["net_spread"].null_count() == 0) == ("net" in parts)


def test_alleles_may_be_exchanged_in_the_file(setting, tmp_path):
    """Those of A/T and C/G variants too, where frequencies tell."""
    p = setting.variants["alt_allele_frequency"]
    swap = tuple(v for v in range(N_VARIANTS) if v % 5 not in (2, 3) or p[v] < 0.3)[::2]
    run = setting.run(tmp_path / "out", setting.vcf(tmp_path / "c.vcf", swap=swap))
    check(run, setting.expected())
    assert {"exact", "swapped"} == set(run.reasons)


def test_samples_may_be_shuffled_or_left_out(setting, tmp_path):
    cohort = setting.vcf(tmp_path / "c.vcf.gz")
    at = np.random.default_rng(3).permutation(N)[:40]
    at.sort()
    run = setting.run(tmp_path / "out", cohort, samples=[f"s{i}" for i in at])
    check(run, setting.expected(), at)
    order = np.random.default_rng(4).permutation(N)
    shuffled = write_vcf(
        tmp_path / "s.vcf", setting.records(setting.counts[:, order]),
        samples=[f"s{i}" for i in order],
    )  # fmt: skip
    check(setting.run(tmp_path / "out2", shuffled), setting.expected(), order)


def test_one_person_alone_is_told_the_same(setting, tmp_path):
    """Frequencies of one person are no ground to turn a strand over."""
    cohort = setting.vcf(tmp_path / "c.vcf")
    for i in (0, 17, 99):
        run = setting.run(tmp_path / f"out{i}", cohort, samples=[f"s{i}"])
        check(run, setting.expected(), np.array([i]))


def test_a_bcf_gives_the_same(setting, tmp_path):
    bcftools = shutil.which("bcftools") or pytest.skip("bcftools is not installed")
    cohort, bcf = setting.vcf(tmp_path / "c.vcf"), tmp_path / "c.bcf"
    subprocess.run([bcftools, "view", "-Ob", "-o", bcf, cohort], check=True)
    check(setting.run(tmp_path / "out", bcf), setting.expected())


def test_a_bundle_in_a_zip_or_in_the_library_gives_the_same_table(setting, tmp_path):
    from genomed.steps.models import add_models

    cohort = setting.vcf(tmp_path / "c.vcf")
    packed_bundle = write_trained_bundle(tmp_path / "b.zip", setting.model, setting.design)
    (entry,) = add_models(tmp_path / "library", setting.bundle)
    assert (entry.name, entry.kind, entry.builds) == ("trait", "risk-net", ("GRCh38",))
    runs = [
        setting.run(tmp_path / "a", cohort),
        setting.run(tmp_path / "b", cohort, models=[packed_bundle]),
        setting.run(tmp_path / "c", cohort, models=["trait"], library=tmp_path / "library"),
    ]
    assert runs[0].risk.equals(runs[1].risk)
    assert runs[0].risk.equals(runs[2].risk)


def test_another_alt_at_the_place_is_no_copy_of_the_model_s(linear, tmp_path):
    records = linear.records()
    at = 4
    calls = records[at].calls.split()
    calls[0], calls[1] = "1/2", "2/2"
    other = next(b for b in "ACGT" if b not in (records[at].ref, records[at].alt))
    records[at] = replace(records[at], alt=f"{records[at].alt},{other}", calls=" ".join(calls))
    counts = linear.counts.copy()
    counts[at, :2] = 1, 0
    cohort = write_vcf(tmp_path / "c.vcf", records, samples=linear.samples)
    check_linear(linear.run(tmp_path / "out", cohort), linear.expected(counts))


def check_linear(run: Scored, expected) -> None:
    np.testing.assert_allclose(run.scores(column="full_predictor"), expected.full, atol=1e-6)


def test_reference_blocks_prove_calls_without_a_fasta(setting, tmp_path):
    """The bundle knows the reference's base, even of A/T variants."""
    records = setting.records(leave=(2, 3, 4, 5))
    block = Record(
        "1", 2500, "N", "<NON_REF>", " ".join(["0/0:30:60"] * N), info="END=6500",
        format="GT:DP:GQ",
    )  # fmt: skip
    counts = setting.counts.copy()
    counts[2:6] = 0
    records.insert(2, block)
    cohort = write_vcf(tmp_path / "c.g.vcf", records, samples=setting.samples)
    run = setting.run(tmp_path / "out", cohort)
    check(run, setting.expected(counts))
    assert run.reasons.count("hom_ref_block") == 4
    beside = write_model(tmp_path / "m.txt", [row("1", 2700, "A", "G", 1.0)])
    both = setting.run(tmp_path / "both", cohort, models=[beside, setting.bundle])
    assert both.reasons[0] == "reference_unknown"
    check(Scored(both.out, both.summary, both.risk[N:], both.models, both.ledger),
          setting.expected(counts))  # fmt: skip


def test_absent_variants_can_be_assumed_hom_ref_without_a_fasta(setting, tmp_path):
    cohort = setting.vcf(tmp_path / "c.vcf", leave=(2, 5))
    counts = setting.counts.copy()
    counts[[2, 5]] = 0
    check(setting.run(tmp_path / "out", cohort, assume_hom_ref=True), setting.expected(counts))
    beside = write_model(tmp_path / "m.txt", [row("1", 1000, "G", "A", 1.0)])
    with pytest.raises(UsageError, match="needs --fasta"):
        setting.run(
            tmp_path / "no", cohort, assume_hom_ref=True, models=[beside, setting.bundle]
        )  # fmt: skip


def test_dosages_between_calls_weigh_in_proportion(linear, tmp_path):
    records = linear.records()
    at = 0
    calls = [f"{cell}:{c}" for cell, c in zip(records[at].calls.split(), linear.counts[at],
                                              strict=True)]  # fmt: skip
    calls[3] = "0/1:0.75"
    records = [
        replace(r, format="GT:DS", calls=" ".join(
            f"{cell}:{c}" for cell, c in zip(r.calls.split(), linear.counts[v], strict=True)))
        for v, r in enumerate(records)
    ]  # fmt: skip
    records[at] = replace(records[at], calls=" ".join(calls))
    cohort = write_vcf(tmp_path / "c.vcf", records, samples=linear.samples)
    run = linear.run(tmp_path / "out", cohort, dosage_field="DS")
    expected = linear.expected().full.copy()
    w = linear.model.genotype_weights[0]
    expected[3] += w[0] + 0.75 * (w[1] - w[0]) - w[linear.counts[at, 3]]
    np.testing.assert_allclose(run.scores(column="full_predictor"), expected, atol=1e-6)


# ---------------------------------------------------------------- laws


def test_neither_threads_nor_batches_change_a_bit(setting, tmp_path, monkeypatch):
    cohort = setting.vcf(tmp_path / "c.vcf.gz")
    runs = [setting.run(tmp_path / f"t{n}", cohort, n) for n in (1, 3)]
    monkeypatch.setattr(step, "_batch_bytes", lambda limit: 1000)
    runs.append(setting.run(tmp_path / "small", cohort))
    for name in ("risk.tsv", "ledger.tsv.gz", "models.tsv"):
        assert len({(run.out / name).read_bytes() for run in runs}) == 1, name


def test_a_scoring_file_in_the_same_run_scores_as_alone(setting, tmp_path):
    cohort = setting.vcf(tmp_path / "c.vcf")
    model = write_model(
        tmp_path / "m.txt", [row("1", 1000 * v, *PAIRS[(v - 1) % 5][::-1], 0.1 * v)
                             for v in range(1, 25)]
    )  # fmt: skip
    alone = score(cohort, [model], tmp_path / "alone", build="GRCh38")
    both = setting.run(tmp_path / "both", cohort, models=[model, setting.bundle])
    name = alone.risk["model"][0]
    mine = both.risk.filter(pl.col("model") == name)
    assert mine.select(alone.risk.columns).equals(alone.risk)
    assert mine.select(list(TABLES["risk_bundle"])).null_count().sum_horizontal()[0] == 8 * N
    check(Scored(both.out, both.summary, both.risk.filter(pl.col("model") == "trait"), both.models,
                 both.ledger), setting.expected())  # fmt: skip
    assert list(alone.risk.columns) == list(TABLES["risk"])


def test_the_score_is_the_linear_part_but_for_a_constant(tmp_path):
    made = make_setting(tmp_path / "made", ("linear", "dominance"), missing=0)
    run = made.run(tmp_path / "out", made.vcf(tmp_path / "c.vcf"))
    shift = run.scores() - run.scores(column="linear_predictor")
    np.testing.assert_allclose(shift, shift[0], atol=1e-6)


def test_every_variant_that_any_part_reads_is_in_the_ledger(setting, tmp_path):
    run = setting.run(tmp_path / "out", setting.vcf(tmp_path / "c.vcf", leave=(9,)))
    assert run.ledger.height == len(setting.model.variants)
    lost = run.ledger.filter(pl.col("position") == 10_000)
    assert lost["reason"].to_list() == ["absent"]  # pairs alone read it
    assert run.models["n_variants"].to_list() == [len(setting.model.variants)]


# ---------------------------------------------------------------- trust


def test_the_accuracy_of_a_linear_model_falls_by_the_variance_that_is_missing(linear, tmp_path):
    leave = (0, 4, 10, 20)
    counts = linear.counts.copy()
    counts[6, 5] = -9
    run = linear.run(tmp_path / "out", linear.vcf(tmp_path / "c.vcf", counts, leave=leave))
    w = linear.model.genotype_weights
    slope = (w[:, 2] - w[:, 0]) / 2
    p = linear.model.variants["alt_allele_frequency"].to_numpy()
    position = linear.model.variants["position"].to_numpy()
    variance = 2 * p * (1 - p) * slope**2
    found = ~np.isin(position, [1000 * (v + 1) for v in leave])
    share = np.full(N, variance[found].sum())
    share[5] -= variance[position == 7000].sum()
    np.testing.assert_allclose(
        run.scores(column="expected_accuracy_share"), share / variance.sum(), rtol=1e-5
    )
    assert (run.scores(column="expected_accuracy_share") < 1).all()
    assert run.risk["prediction"].null_count() == 0


def test_below_the_coverage_limit_there_is_no_prediction(setting, tmp_path):
    cohort = setting.vcf(tmp_path / "c.vcf", leave=tuple(range(0, N_VARIANTS, 3)))
    whole = setting.run(tmp_path / "whole", cohort, min_weighted_coverage=0.0)
    share = whole.scores(column="expected_accuracy_share")
    limit = float(np.median(share))
    run = setting.run(tmp_path / "out", cohort, min_weighted_coverage=limit)
    told = run.scores(column="prediction")
    np.testing.assert_array_equal(np.isnan(told), share < limit)
    few = run.risk["flags"].str.contains("low_accuracy").to_numpy()
    np.testing.assert_array_equal(few, share < limit)
    assert any("no prediction for" in text for text in run.summary.page.warnings)
    assert np.isfinite(run.scores(column="full_predictor")).all()


def test_what_only_the_net_reads_counts_for_accuracy(setting, tmp_path):
    """A hub that the linear part does not read; so does a variant of a pair."""
    share = {}
    for v in (3, 9):
        run = setting.run(tmp_path / f"o{v}", setting.vcf(tmp_path / f"{v}.vcf", leave=(v,)))
        share[v] = run.scores(column="expected_accuracy_share")
    for one in share.values():
        assert (one < 0.999).all()
        assert (one > 0.5).all()


def test_the_net_s_variance_is_that_of_its_correction(setting):
    sums = DeepSums(replace(setting.model, pairs=None, covariates=None), N)
    terms = Variances.of(sums.total_variance, sums.reader)
    many = np.random.default_rng(9).binomial(2, setting.variants["alt_allele_frequency"],
                                             (4000, N_VARIANTS)).T.astype(np.int8)  # fmt: skip
    average = np.zeros((4000, setting.design.matrix.shape[1]))
    found = setting.model.predict(
        setting.words(many), 4000, average, categories=np.zeros((4000, 1), np.int64),
        levels=tuple(setting.design.category_sizes),
    )  # fmt: skip
    assert terms.net.sum() == pytest.approx(found.parts["net"].var(), rel=0.2)
    assert (terms.net > 0).sum() == 3  # its hubs


def test_a_bundle_without_variants_predicts_from_covariates(setting, tmp_path):
    model = risk_model(
        packed(setting.counts), N, setting.variants, setting.design, ("covariates",)
    )  # fmt: skip
    model = replace(model, covariates=None).narrowed()
    assert not len(model.variants)
    bundle = write_trained_bundle(tmp_path / "b", model, setting.design)
    run = setting.run(
        tmp_path / "out", setting.vcf(tmp_path / "c.vcf"), models=[bundle],
        min_weighted_coverage=0.75,
    )  # fmt: skip
    expected = 0.5 + setting.design.matrix @ model.coefficients
    np.testing.assert_allclose(run.scores(column="prediction"), expected, atol=1e-6)
    assert run.summary.unusable == []
    assert run.summary.page.warnings == []


def test_a_bundle_that_predicts_for_nobody_is_of_no_use(setting, tmp_path):
    cohort = setting.vcf(tmp_path / "c.vcf", leave=tuple(range(1, N_VARIANTS)))
    run = setting.run(tmp_path / "out", cohort, min_weighted_coverage=0.75)
    assert run.summary.unusable == ["trait"]


def test_what_moved_a_person_most_are_the_largest_terms(linear, tmp_path):
    run = linear.run(tmp_path / "out", linear.vcf(tmp_path / "c.vcf"))
    w, names = linear.model.genotype_weights, linear.model.variants["id"].to_list()
    place = linear.model.variants.select(
        pl.concat_str("contig", "position", "ref", "alt", separator=":")
    ).to_series()
    names = [name or at for name, at in zip(names, place, strict=True)]
    rows = [int(p) // 1000 - 1 for p in linear.model.variants["position"]]
    for i in (0, 50, 149):
        calls = linear.counts[rows, i]
        effect = w[np.arange(len(w)), calls]
        top = np.argsort(-np.abs(effect))[:3]
        told = "; ".join(f"{names[v]}={calls[v]} {effect[v]:+.3g}" for v in top)
        assert run.risk["moved_most"][i] == told


# ---------------------------------------------------------------- covariates


def test_people_without_covariates_count_as_average_and_are_flagged(setting, tmp_path):
    cohort = setting.vcf(tmp_path / "c.vcf")
    table = tmp_path / "some.tsv"
    setting.table.head(100).write_csv(table, separator="\t")
    run = setting.run(tmp_path / "out", cohort, covariates=table)
    flagged = run.risk["flags"].str.contains("covariates_missing").to_numpy()
    np.testing.assert_array_equal(flagged, np.arange(N) >= 100)
    design = replace(
        setting.design, matrix=setting.design.matrix.copy(),
        categories=setting.design.categories.copy(),
    )  # fmt: skip
    design.matrix[100:], design.categories[100:] = 0, 0
    check(run, replace(setting, design=design).expected())
    none = setting.run(tmp_path / "none", cohort, covariates=None)
    assert none.risk["flags"].str.contains("covariates_missing").all()
    assert any("give --covariates" in text for text in none.summary.page.warnings)


def test_a_column_that_is_not_there_counts_as_average(setting, tmp_path):
    table = tmp_path / "some.tsv"
    setting.table.drop("age", "site").write_csv(table, separator="\t")
    run = setting.run(tmp_path / "out", setting.vcf(tmp_path / "c.vcf"), covariates=table)
    design = replace(
        setting.design, matrix=setting.design.matrix.copy(),
        categories=np.zeros_like(setting.design.categories),
    )  # fmt: skip
    design.matrix[:, 0] = 0
    check(run, replace(setting, design=design).expected())
    assert run.risk["flags"].str.contains("covariates_missing").all()
    assert any("no column age, site" in text for text in run.summary.page.warnings)


def test_dated_codes_are_read_as_in_training(tmp_path):
    made = make_setting(tmp_path / "made", (*PARTS, "codes"))
    table = dated_table(made.samples, np.random.default_rng(4))
    dated = sequences_of(table, made.samples)
    bundle = write_trained_bundle(
        tmp_path / "b", made.model, made.design, codes={"encoder": dated.encoder, "times": "ages"}
    )
    codes = tmp_path / "codes.tsv"
    table.write_csv(codes, separator="\t")
    cohort, d = made.vcf(tmp_path / "c.vcf"), made.design
    run = made.run(tmp_path / "out", cohort, models=[bundle], codes=codes)
    expected = made.model.predict(
        made.words(), N, d.matrix.astype(np.float64), categories=d.categories,
        levels=tuple(d.category_sizes), codes=dated.codes, times=dated.times,
    )  # fmt: skip
    check(run, expected)
    assert np.abs(expected.full - made.expected().full).max() > 0.01
    facts = json.loads((tmp_path / "out" / "run.json").read_text())
    assert str(codes) in facts["inputs"]
    told = f"{int((~dated.codes.any(axis=1)).sum())} of {N} people have no dated code in"
    assert any(told in text for text in run.summary.page.warnings)
    with pytest.raises(UsageError, match="reads dated codes, and to know of none is not to have"):
        made.run(tmp_path / "none", cohort, models=[bundle])
    assert not (tmp_path / "none").exists()


def test_a_net_of_other_codes_than_its_encoder_is_refused(tmp_path):
    made = make_setting(tmp_path / "made", (*PARTS, "codes"))
    for name, codes in (("none", None), ("few", {"encoder": {"codes": ["E11"]}})):
        bundle = write_trained_bundle(tmp_path / name, made.model, made.design, codes=codes)
        with pytest.raises(InputError, match="the net and the encoder of dated codes differ"):
            read_bundle(bundle)


def test_dated_codes_for_scoring_files_are_refused(setting, tmp_path):
    model = write_model(tmp_path / "m.txt", [row("1", 1000, "G", "A", 1.0)])
    codes = tmp_path / "codes.tsv"
    with pytest.raises(UsageError, match="--codes is for bundles"):
        setting.run(
            tmp_path / "out", setting.vcf(tmp_path / "c.vcf"), models=[model], covariates=None,
            codes=codes,
        )  # fmt: skip


def test_covariates_for_scoring_files_are_refused(setting, tmp_path):
    model = write_model(tmp_path / "m.txt", [row("1", 1000, "G", "A", 1.0)])
    with pytest.raises(UsageError, match="--covariates is for bundles"):
        setting.run(tmp_path / "out", setting.vcf(tmp_path / "c.vcf"), models=[model])
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- calibration, absolute risk


def test_a_bundle_s_calibration_makes_the_prediction_and_its_interval(tmp_path):
    made = make_setting(tmp_path / "made", ("linear",), "binary", missing=0)
    eta = made.expected().full
    rng = np.random.default_rng(8)
    truth = (rng.random(N) < 1 / (1 + np.exp(-0.5 * eta))).astype(float)
    group = np.where(np.arange(N) < 75, "north", "south")
    calibration = fit_calibration("binary", eta, truth, group.tolist())
    bundle = write_trained_bundle(
        tmp_path / "b", made.model, made.design, calibration=calibration.to_dict(),
        settings={"prevalence": 0.1},
    )  # fmt: skip
    groups = tmp_path / "groups.tsv"
    pl.DataFrame({"sample": made.samples, "people": group}).write_csv(groups, separator="\t")
    cohort = made.vcf(tmp_path / "c.vcf")
    for given, of in ((f"{groups}:people", group.tolist()), (None, None)):
        run = made.run(tmp_path / f"out{given is None}", cohort, models=[bundle], groups=given)
        expected = calibration.apply(eta, of, prevalence=0.1)
        for name, values in zip(("", "_low", "_high"), expected, strict=True):
            np.testing.assert_allclose(run.scores(column=f"prediction{name}"), values, atol=1e-6)


def test_the_calibration_of_a_time_to_an_event_is_applied(tmp_path):
    made = make_setting(tmp_path / "made", ("linear",), "survival", missing=0)
    eta = made.expected().full
    rng = np.random.default_rng(9)
    happened = rng.random((N, 2)) < 1 / (1 + np.exp(-(np.array([-2.0, -1]) + 0.5 * eta[:, None])))
    last = np.where(happened[:, 0], 1, 2)
    observed = Observed(np.zeros(N, int), last, happened.any(axis=1))
    calibration = fit_survival(eta, observed, 2)
    bundle = write_trained_bundle(
        tmp_path / "b", made.model, made.design, calibration=calibration.to_dict()
    )  # fmt: skip
    cohort = made.vcf(tmp_path / "c.vcf")
    run = made.run(tmp_path / "out", cohort, models=[bundle])
    for name, values in zip(("", "_low", "_high"), calibration.apply(eta), strict=True):
        np.testing.assert_allclose(run.scores(column=f"prediction{name}"), values, atol=1e-6)
    for wrong in (fit_survival(eta, observed, 3), fit_calibration("quantitative", eta, eta + 1)):
        bad = write_trained_bundle(
            tmp_path / f"bad{wrong.kind}", made.model, made.design, calibration=wrong.to_dict()
        )  # fmt: skip
        with pytest.raises(InputError, match="a calibration of"):
            read_bundle(bad)


def test_a_prevalence_moves_probabilities_and_their_intervals(tmp_path):
    made = make_setting(tmp_path / "made", ("linear",), "binary", missing=0)
    eta = made.expected().full
    rng = np.random.default_rng(9)
    truth = (rng.random(N) < 1 / (1 + np.exp(-eta))).astype(float)
    calibration = fit_calibration("binary", eta, truth)
    bundle = write_trained_bundle(
        tmp_path / "b", made.model, made.design, calibration=calibration.to_dict(),
        settings={"prevalence": 0.1},
    )  # fmt: skip
    cohort = made.vcf(tmp_path / "c.vcf")
    run = made.run(tmp_path / "out", cohort, models=[bundle], prevalence=0.02)
    expected = calibration.apply(eta, prevalence=0.02)
    for name, values in zip(("", "_low", "_high"), expected, strict=True):
        np.testing.assert_allclose(run.scores(column=f"prediction{name}"), values, atol=1e-6)
    assert "At a prevalence of" in (tmp_path / "out" / "risk.html").read_text()
    plain = write_trained_bundle(tmp_path / "plain", made.model, made.design)
    twice = [bundle, write_trained_bundle(tmp_path / "b2", made.model, made.design, name="other")]
    for models, share, said in (
        ([plain], 0.02, "is not calibrated"), (twice, 0.02, "the run has 2"),
        ([bundle], 1.0, "between 0 and 1"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=f"--prevalence.*{said}"):
            made.run(tmp_path / "no", cohort, models=models, prevalence=share)
    model = write_model(tmp_path / "m.txt", [row("1", 1000, "G", "A", 1.0)])
    with pytest.raises(UsageError, match="--prevalence is for bundles"):
        made.run(tmp_path / "no", cohort, models=[model], covariates=None, prevalence=0.1)


def test_a_calibration_that_is_none_is_refused(linear, tmp_path):
    bundle = write_trained_bundle(
        tmp_path / "b", linear.model, linear.design, calibration={"kind": "guess"}
    )  # fmt: skip
    with pytest.raises(InputError, match="its parts do not make a model"):
        read_bundle(bundle)


def test_absolute_risks_follow_from_relative_ones_and_the_incidence(tmp_path):
    made = make_setting(tmp_path / "made", ("linear", "covariates"), "survival", missing=0)
    sex = pl.Series("sex", ["M", "F", "F"] * 50)
    made.table.with_columns(sex).write_csv(made.covariates, separator="\t")
    incidence = tmp_path / "i.tsv"
    incidence.write_text("sex\tage\trate\nM\t30\t0.001\nM\t50\t0.01\nF\t30\t0.002\nF\t40\t0\n")
    cohort = made.vcf(tmp_path / "c.vcf")
    with pytest.raises(InputError, match="train it again"):
        made.run(tmp_path / "no", cohort, incidence=incidence)
    design = replace(made.design, matrix=made.design.matrix.copy())
    design.matrix[:, 0] = 0  # of average age
    eta = replace(made, design=design).expected().full
    bundle = write_trained_bundle(
        tmp_path / "b", made.model, made.design,
        spread=spread_of(eta, design, made.model.coefficients, None),
    )  # fmt: skip
    run = made.run(tmp_path / "out", cohort, models=[bundle], incidence=incidence)
    table = pl.read_parquet(run.out / "absolute_risk.parquet")
    assert table.columns == list(TABLES["absolute_risk"])
    first = table.filter(pl.col("sample") == "s0")
    assert first["age"].to_list() == [50, 70]
    assert first["population_risk"][0] == pytest.approx(1 - np.exp(-0.02))
    assert table.filter(pl.col("sample") == "s1")["age"].to_list() == [40, 50]
    relative = table.unique("sample", maintain_order=True)["relative_risk"].to_numpy()
    np.testing.assert_allclose(np.log(relative / relative[0]), eta - eta[0], atol=1e-6)
    mean = table.group_by("age").agg(pl.col("absolute_risk", "population_risk").mean())
    assert (mean["absolute_risk"] / mean["population_risk"]).is_between(0.8, 1.25).all()
    assert any("average age" in text for text in run.summary.page.warnings)
    assert "absolute_risk.tsv" in (run.out / "risk.html").read_text()


def test_an_incidence_without_one_event_to_predict_is_refused(setting, tmp_path):
    incidence = tmp_path / "i.tsv"
    incidence.write_text("age\trate\n30\t0.001\n50\t0.01\n")
    with pytest.raises(UsageError, match="the run has 0"):
        setting.run(tmp_path / "out", setting.vcf(tmp_path / "c.vcf"), incidence=incidence)


# ---------------------------------------------------------------- refused


def test_a_bundle_on_another_build_is_refused(setting, tmp_path):
    bundle = write_trained_bundle(
        tmp_path / "b37", setting.model, setting.design, build="GRCh37"
    )  # fmt: skip
    with pytest.raises(BuildError, match="train it on a store on GRCh38") as caught:
        setting.run(tmp_path / "out", setting.vcf(tmp_path / "c.vcf"), models=[bundle])
    assert caught.value.exit_code == 3
    assert not (tmp_path / "out").exists()


def test_a_bundle_that_was_changed_is_refused(setting, tmp_path):
    bundle = tmp_path / "b"
    shutil.copytree(setting.bundle, bundle)
    content = bytearray((bundle / "weights.safetensors").read_bytes())
    content[-3] ^= 1
    (bundle / "weights.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="changed or damaged"):
        setting.run(tmp_path / "out", setting.vcf(tmp_path / "c.vcf"), models=[bundle])


def test_parts_that_do_not_belong_together_are_refused(setting, tmp_path):
    other = replace(setting.model, net=net_part(np.array([0, 3]), setting.design, 1))
    head = setting.model.net.head._replace(members=other.net.head.members)
    wrong_shape = replace(setting.model, net=replace(setting.model.net, head=head))
    too_few = replace(setting.model, coefficients=setting.model.coefficients[:1], covariates=None)
    for name, model in {"shape": wrong_shape, "few": too_few}.items():
        bundle = write_trained_bundle(tmp_path / name, model, setting.design)
        with pytest.raises(InputError, match="its parts do not make a model"):
            read_bundle(bundle)


def test_a_weight_that_is_not_finite_is_refused(setting, tmp_path):
    members = [dict(member) for member in setting.model.net.head.members]
    members[1]["gate"] = members[1]["gate"] * float("nan")
    head = setting.model.net.head._replace(members=members)
    model = replace(setting.model, net=replace(setting.model.net, head=head))
    bundle = write_trained_bundle(tmp_path / "b", model, setting.design)
    with pytest.raises(InputError, match=r"net\.1\.gate holds a number that is not finite"):
        read_bundle(bundle)


@pytest.mark.parametrize(
    ("column", "value"), [("position", -5), ("ref", "<DEL>"), ("alt_allele_frequency", 1.5)]
)
def test_variants_without_a_place_alleles_or_frequency_are_refused(
    setting, tmp_path, column, value
):
    odd = setting.model.variants.with_columns(
        pl.when(pl.int_range(pl.len()) == 2).then(pl.lit(value)).otherwise(column).alias(column)
    )
    bundle = write_trained_bundle(
        tmp_path / "b", replace(setting.model, variants=odd), setting.design
    )  # fmt: skip
    with pytest.raises(InputError, match="1 of its variants lack"):
        read_bundle(bundle)


# ---------------------------------------------------------------- surface


@pytest.mark.parametrize("trained", [False, True])
def test_a_run_without_a_net_loads_no_torch_and_one_without_a_bundle_nothing_for_it(
    linear, tmp_path, trained
):
    cohort = linear.vcf(tmp_path / "c.vcf")
    model = linear.bundle if trained else linear.bundle / "linear.txt"
    program = (
        "import sys; from genomed.cli import main\n"
        "try: main()\nfinally: print(*('torch' in sys.modules, 'scipy' in sys.modules, "
        "'genomed.steps.risk_bundles' in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "risk", cohort, "--model", model, "--quiet",
         "--ambiguous", "keep", "--out", tmp_path / "out"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == f"False False {trained}"


def test_shares_of_products_fall_when_either_call_is_missing(setting):
    model = replace(
        setting.model, genotype_weights=np.zeros_like(setting.model.genotype_weights), net=None,
        covariates=None,
    ).narrowed()  # fmt: skip
    terms = Variances.of(0.0, model)
    np.testing.assert_allclose(terms.pairs, [0.16, 0.09, 0.04])
    rows = model.pairs.terms
    calls = np.ones((len(model.variants), 4), np.int8)
    calls[rows.row1[0], 1] = -9
    calls[rows.row2[1], 2] = -9
    calls[:, 3] = -9
    share = terms.shares(np.zeros(4), packed(calls))
    gone = np.array([0, *(terms.pairs[(rows.row1 == at) | (rows.row2 == at)].sum()
                          for at in (rows.row1[0], rows.row2[1])), 0.29])  # fmt: skip
    np.testing.assert_allclose(share, 1 - gone / 0.29, atol=1e-12)


def test_the_page_shows_the_bundle_and_escapes_its_words(linear, tmp_path):
    bundle = write_trained_bundle(
        tmp_path / "b", linear.model, linear.design, name="<script>alert(1)</script>",
        verdict="<img src=x onerror=alert(2)>",
    )  # fmt: skip
    run = linear.run(tmp_path / "out", linear.vcf(tmp_path / "c.vcf"), models=[bundle])
    page = (run.out / "risk.html").read_text()
    assert 'id="bundles"' in page
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(2)&gt;" in page


def test_the_run_s_record_names_the_bundle_and_its_digest(setting, tmp_path):
    run = setting.run(tmp_path / "out", setting.vcf(tmp_path / "c.vcf"))
    inputs = json.loads((run.out / "run.json").read_text())["inputs"]
    assert "sha256_of_its_card" in inputs[str(setting.bundle)]
    assert "sha256" in inputs[str(setting.covariates)]


def test_words_of_some_people_are_those_words(setting):
    """Keeps the helper of these tests honest."""
    words = setting.words()
    out = np.empty((len(words), 1), np.uint64)
    take_samples(words, np.arange(20), out)
    np.testing.assert_array_equal(out, setting.words(setting.counts[:, :20]))


def test_people_of_a_group_with_a_trunk_of_its_own_are_told_by_it(linear, tmp_path):
    rows = np.array([1, 4, 7])
    weights = np.array([[0.0, 0.5, 1.0, 0.0], [0.1, -0.2, 0.3, 0.0], [0.4, 0.2, 0.0, 0.0]])
    covariates = np.zeros(len(linear.model.coefficients))
    part = AncestryPart((GroupTrunk("north", 0.25, covariates, rows, weights),))
    model = replace(linear.model, ancestry=part)
    bundle = write_trained_bundle(tmp_path / "b", model, linear.design)
    group = np.where(np.arange(N) < 75, "north", "south")
    groups = tmp_path / "groups.tsv"
    pl.DataFrame({"sample": linear.samples, "people": group}).write_csv(groups, separator="\t")
    cohort = linear.vcf(tmp_path / "c.vcf")
    run = linear.run(tmp_path / "out", cohort, models=[bundle], groups=f"{groups}:people")
    d = linear.design
    expected = model.predict(
        linear.words(), N, d.matrix.astype(np.float64), group=part.places(group.tolist())
    )
    assert expected.parts["ancestry"][:75].any()
    assert not expected.parts["ancestry"][75:].any()
    check_linear(run, expected)
    alone = linear.run(tmp_path / "alone", cohort, models=[bundle])
    assert any("nobody is told to be of them" in text for text in alone.summary.page.warnings)


def test_reads_prove_what_is_absent_for_all_parts(setting, tmp_path):
    """The bundle says which allele is REF, even of A/T variants; others are as without reads."""
    rng = np.random.default_rng(12)
    length = 61_000
    base = np.array(list("ACGT"))[rng.integers(0, 4, length)]
    places = setting.variants.with_row_index("at").filter(pl.col("contig") == "1")
    base[places["position"].to_numpy() - 1] = places["ref"].to_numpy()
    fasta = tmp_path / "reference.fa"
    fasta.write_text("".join(f">{contig}\n{''.join(base)}\n" for contig in ("1", "2", "3")))
    pysam.faidx(str(fasta))
    number = {letter: i for i, letter in enumerate("ACGT")}
    ref, alt = (np.array([number[x] for x in places[name]], np.uint8) for name in ("ref", "alt"))
    start = places["position"].to_numpy() - 1
    sites = SimulatedSites("1", start, ref, alt, np.full(len(start), 0.5), "".join(base))
    left = (2, 3, 7, 11)
    truth = setting.counts[: len(start), 4].clip(0)
    person = np.stack([truth > 0, truth > 1]).astype(np.int8)
    bam = write_bam(tmp_path / "s4.bam", "s4", sites, [person], [1.0], 30, rng)
    cohort = setting.vcf(tmp_path / "c.vcf", leave=left)
    run = setting.run(tmp_path / "out", cohort, fasta=fasta, reads=[("s4", bam)])
    assert {run.reasons.count(x) for x in ("absent", "reads_no_coverage")} == {0}
    counts = setting.counts.copy()
    counts[list(left)] = -9
    counts[list(left), 4] = truth[list(left)]
    check(run, setting.expected(counts))
