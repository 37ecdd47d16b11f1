"""`genomed risk --reference`: planted ancestries are found, and scores adjusted for them."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from packed_cohorts import array_store
from reference_cohorts import POPULATIONS, World, cohort_vcf, score_model, write_reference
from small_cohorts import Scored, score, write_model

from genomed.errors import BuildError, CoverageError, UsageError
from genomed.io.bundle import open_bundle
from genomed.kernels.packed import unpack_rows
from genomed.stats.adjustment import fit_adjustment, z_norm1, z_norm2
from genomed.stats.projection import project
from genomed.steps import risk as step
from genomed.tables import TABLES

SIZES = (400, 400, 400)  # reference people of each population
OURS = (150, 150, 150)
N_VARIANTS = 3000
ADJUSTED = ("z_norm1", "z_norm2", "population_percentile", "neighbourhood_percentile")
FILES = ("risk.tsv", "ancestry.tsv", "models.tsv", "ledger.tsv.gz", "risk.html")
GROUP = np.repeat(POPULATIONS, OURS)


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """A reference, a cohort of other people of the same populations, and a score."""
    rng = np.random.default_rng(31)
    folder = tmp_path_factory.mktemp("setting")
    world = World.drawn(N_VARIANTS, rng)
    bundle = write_reference(folder / "bundle", world, world.people(SIZES, rng), SIZES)
    alt_count = world.people(OURS, rng)
    vcf = cohort_vcf(folder / "cohort.vcf", world, alt_count)
    header = {"ancestry_discovery": "European (UK Biobank)"}
    model, weights = score_model(folder / "model.txt", world, rng, slice(1, None, 2), header)
    return Setting(folder, world, bundle, alt_count, vcf, model, weights)


class Setting:
    def __init__(self, folder, world, bundle, alt_count, vcf, model, weights) -> None:
        self.folder, self.world, self.bundle = folder, world, bundle
        self.alt_count, self.vcf, self.model, self.weights = alt_count, vcf, model, weights

    def run(self, out: Path, threads: int = 2, **options: object) -> Scored:
        cohort, models = options.pop("cohort", self.vcf), options.pop("models", [self.model])
        return score(cohort, models, out, threads, reference=str(self.bundle), **options)


@pytest.fixture(scope="module")
def found(setting, tmp_path_factory):
    return setting.run(tmp_path_factory.mktemp("out") / "run")


def ancestry(run: Scored) -> pl.DataFrame:
    return pl.read_parquet(run.out / "ancestry.parquet")


# ---------------------------------------------------------------- planted truth


def test_everybody_is_most_similar_to_the_population_they_were_drawn_from(found):
    table = ancestry(found)
    inside = ~table["outside_reference"].to_numpy()
    assert inside.mean() > 0.98  # one in a hundred is taken for a stranger
    assert (table["most_similar_population"].to_numpy() == GROUP)[inside].all()
    assert table["population_probability"].min() > 0.99
    assert table["genetic_distance"].median() == pytest.approx(1, abs=0.15)
    sums = table.select(pl.sum_horizontal("^probability_.*$")).to_series()
    np.testing.assert_allclose(sums, 1)


@pytest.mark.parametrize("column", ["z_norm1", "z_norm2"])
def test_adjusted_scores_have_mean_0_and_variance_1_in_every_population(setting, tmp_path, column):
    """Over 30 scores the standard errors of cohort and reference together are about 1/60."""
    rng = np.random.default_rng(32)
    models = [score_model(tmp_path / f"m{i}.txt", setting.world, rng)[0] for i in range(30)]
    run = setting.run(tmp_path / "out", models=models)
    z = run.risk[column].to_numpy().reshape(30, -1)
    raw = run.risk["cohort_z"].to_numpy().reshape(30, -1)
    error = np.sqrt(1 / OURS[0] + 1 / SIZES[0])  # of a group's mean, in one score
    for name in POPULATIONS:
        mean = np.nanmean(z[:, name == GROUP], axis=1)
        variance = np.nanvar(z[:, name == GROUP], axis=1, ddof=1)
        assert abs(mean.mean()) < 4 * error / np.sqrt(30)
        assert np.abs(mean).max() < 4.5 * error
        assert abs(variance.mean() - 1) < 4 * error * np.sqrt(2 / 30) + 0.03
        assert np.abs(raw[:, name == GROUP].mean(axis=1)).mean() > 2 * np.abs(mean).mean()


def test_percentiles_of_people_like_the_reference_are_uniform(setting, tmp_path):
    rng = np.random.default_rng(33)
    models = [score_model(tmp_path / f"m{i}.txt", setting.world, rng)[0] for i in range(20)]
    run = setting.run(tmp_path / "out", models=models)
    for column in ADJUSTED[2:]:
        values = run.risk[column].to_numpy()
        share = np.histogram(values, np.linspace(0, 100, 6))[0] / len(values)
        np.testing.assert_allclose(share, 0.2, atol=0.03)


def test_people_of_no_population_of_the_reference_are_not_adjusted(setting, tmp_path):
    rng = np.random.default_rng(34)
    strangers = World.drawn(N_VARIANTS, rng, fst=0.3, n_populations=1)
    alt_count = np.hstack([setting.alt_count[:, ::50], strangers.people([8], rng)])
    vcf = cohort_vcf(tmp_path / "cohort.vcf", setting.world, alt_count)
    run = setting.run(tmp_path / "out", cohort=vcf, missing="drop")
    outside = run.risk["flags"].str.contains("outside_reference").to_list()
    assert outside == [False] * 9 + [True] * 8
    strange = run.risk[9:]
    assert strange.select(*ADJUSTED, "most_similar_population").null_count().row(0) == (8,) * 5
    assert strange["score"].null_count() == 0
    assert set(strange["accuracy_note"]) == {
        "outside the reference: not adjusted, accuracy unknown"
    }
    assert run.risk[:9].select(ADJUSTED).null_count().row(0) == (0,) * 4
    assert "8 of 17 people lie outside the reference" in run.summary.page.warnings[-1]
    here = setting.run(tmp_path / "here", missing="drop").risk
    for column in ADJUSTED:  # strangers change nothing for the others
        mine = here[column].to_numpy()[::50]
        np.testing.assert_allclose(run.risk[:9][column].to_numpy(), mine, rtol=1e-9)


def test_people_of_mixed_ancestry_lie_between(setting, tmp_path):
    rng = np.random.default_rng(35)
    half = setting.world.frequency[[0, 2]].mean(axis=0)
    vcf = cohort_vcf(
        tmp_path / "cohort.vcf", setting.world,
        rng.binomial(2, half[:, None], (N_VARIANTS, 20)).astype(np.int8),
    )  # fmt: skip
    run = setting.run(tmp_path / "out", cohort=vcf)
    assert set(run.risk["flags"]) == {"outside_reference"}  # nobody in the reference is like them


def test_people_of_the_reference_and_their_children_lie_inside_it(setting, tmp_path):
    rng = np.random.default_rng(37)
    parents = unpacked(open_bundle(setting.bundle).store())[:, 400:600]
    gametes = rng.binomial(1, parents / 2)
    children = gametes[:, ::2] + gametes[:, 1::2]
    vcf = cohort_vcf(
        tmp_path / "cohort.vcf", setting.world, np.hstack([parents, children]).astype(np.int8)
    )
    run = setting.run(tmp_path / "out", cohort=vcf)
    assert ancestry(run)["outside_reference"].mean() < 0.03
    assert "200 of 300 people are in the reference" in run.summary.page.warnings[-1]
    assert run.summary.page.warnings == json.loads((run.out / "run.json").read_text())["warnings"]


def test_nobody_is_compared_with_themselves(setting, tmp_path):
    """A percentile is that among the others of the population."""
    reference = unpacked(open_bundle(setting.bundle).store())
    vcf = cohort_vcf(tmp_path / "cohort.vcf", setting.world, reference[:, 100:130])
    run = setting.run(tmp_path / "out", cohort=vcf)
    score = setting.weights @ reference[:, : SIZES[0]]
    inside = ~ancestry(run)["outside_reference"].to_numpy()
    below = (score[:, None] < score[100:130] - 1e-9).sum(axis=0)
    found = run.risk["population_percentile"].to_numpy()
    assert inside.mean() > 0.9
    np.testing.assert_allclose(found[inside], 100 * below[inside] / (SIZES[0] - 1), rtol=1e-9)


# ---------------------------------------------------------------- definitions


def test_components_equal_those_of_the_reference_projection(setting, found):
    components = open_bundle(setting.bundle).components
    store = array_store(setting.alt_count)
    direct = project(store, components, np.arange(N_VARIANTS))
    ours = ancestry(found).select("^PC.*$").to_numpy()
    np.testing.assert_allclose(ours, direct.scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ancestry(found)["projection_coverage"], direct.coverage, rtol=1e-6)


def test_the_reference_is_scored_on_the_variants_the_cohort_has(setting, tmp_path):
    """Half of the score's variants are not in the reference."""
    rng = np.random.default_rng(36)
    part = setting.folder / "part"
    half = slice(0, N_VARIANTS // 2)
    thinned = World(setting.world.variants[half], setting.world.frequency[:, half])
    write_reference(part, thinned, thinned.people(SIZES, rng), SIZES)
    model, weights = score_model(tmp_path / "model.txt", setting.world, rng)
    run = score(
        setting.vcf, [model], tmp_path / "out", 2, reference=str(part), min_weighted_coverage=0.3
    )
    own = weights[half] @ setting.alt_count[half]
    bundle = open_bundle(part)
    store = bundle.store()
    reference = weights[half] @ unpacked(store)
    expected = fit_adjustment(reference, bundle.components.scores[:, :2])
    pcs = ancestry(run).select("PC1", "PC2").to_numpy()
    inside = ~ancestry(run)["outside_reference"].to_numpy()
    assert inside.mean() > 0.97
    for column, defined in (("z_norm1", z_norm1), ("z_norm2", z_norm2)):
        np.testing.assert_allclose(
            run.risk[column].to_numpy()[inside], defined(expected, own, pcs)[inside],
            rtol=1e-6, atol=1e-8,
        )  # fmt: skip
    whole = weights @ setting.alt_count
    np.testing.assert_allclose(run.scores() - run.scores()[0], whole - whole[0], atol=1e-8)
    assert run.risk["adjusted_coverage"][0] == pytest.approx(0.5, abs=0.05)


def unpacked(store) -> np.ndarray:
    words = store.read(np.arange(store.n_variants))
    alt_count = np.empty((store.n_variants, store.n_samples), np.int8)
    unpack_rows(words, store.n_samples, alt_count)
    return alt_count


def test_a_score_of_which_too_little_is_in_the_reference_is_not_adjusted(setting, tmp_path):
    rows = [
        {"chr_name": "1", "chr_position": 17, "effect_allele": "G", "other_allele": "A",
         "effect_weight": 1.0}
    ]  # fmt: skip
    lines = setting.vcf.read_text().splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    calls = "\t".join(["0/1", "0/0", "1/1"] * (sum(OURS) // 3))
    lines.insert(first, f"1\t17\t.\tA\tG\t.\t.\t.\tGT\t{calls}\n")
    cohort = tmp_path / "cohort.vcf"
    cohort.write_text("".join(lines))
    run = setting.run(tmp_path / "out", cohort=cohort, models=[write_model(tmp_path / "m", rows)])
    assert run.risk["flags"].str.starts_with("low_reference_coverage").all()
    assert run.risk["score"].null_count() == 0
    assert run.risk.select(ADJUSTED).null_count().row(0) == (sum(OURS),) * 4
    assert "too little of the score is in both" in run.summary.page.warnings[-1]


def test_people_with_few_calls_are_not_placed(setting, tmp_path):
    alt_count = setting.alt_count[:, ::30].copy()
    alt_count[: N_VARIANTS // 2, 0] = -9
    alt_count[: N_VARIANTS // 10, 1] = -9
    vcf = cohort_vcf(tmp_path / "cohort.vcf", setting.world, alt_count)
    run = setting.run(tmp_path / "out", cohort=vcf, missing="drop")
    assert run.risk["flags"].to_list() == ["low_projection_coverage"] + [""] * 14
    assert run.risk["z_norm2"].is_null().to_list() == [True] + [False] * 14
    table = ancestry(run)
    assert table["projection_coverage"].to_list()[:3] == pytest.approx([0.5, 0.9, 1.0], abs=0.05)
    assert table["PC1"].is_null().to_list() == [True] + [False] * 14
    components = open_bundle(setting.bundle).components
    direct = project(array_store(alt_count), components, np.arange(N_VARIANTS))
    np.testing.assert_allclose(
        table.select("^PC.*$").to_numpy()[1:], direct.scores[1:], rtol=1e-4, atol=1e-5
    )


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize(("threads", "batch_bytes"), [(1, 5000), (3, 5000), (3, 1 << 20)])
def test_neither_threads_nor_batches_change_a_byte(
    setting, found, threads, batch_bytes, tmp_path, monkeypatch
):
    monkeypatch.setattr(step, "_batch_bytes", lambda max_memory: batch_bytes)
    other = setting.run(tmp_path / "run", threads)
    for name in FILES:
        assert (other.out / name).read_bytes() == (found.out / name).read_bytes(), name


@pytest.mark.parametrize("kind", ["vcf.gz", "bcf", "pgen", "bed"])
def test_every_format_gives_the_same_numbers(setting, found, kind, tmp_path):
    program = {"bcf": "bcftools", "vcf.gz": "bcftools"}.get(kind, "plink2")
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    cohort = tmp_path / f"cohort.{kind}"
    if program == "bcftools":
        mode = {"bcf": "-Ob", "vcf.gz": "-Oz"}[kind]
        command = ["bcftools", "view", mode, "-o", str(cohort), str(setting.vcf)]
    else:
        make = {"pgen": "--make-pgen", "bed": "--make-bed"}[kind]
        command = ["plink2", "--vcf", str(setting.vcf), make, "--out", str(tmp_path / "cohort")]
    subprocess.run(command, check=True, capture_output=True)
    run = setting.run(tmp_path / "run", cohort=cohort, build="GRCh38")
    assert ancestry(run).equals(ancestry(found))
    assert run.risk.equals(found.risk)


def test_a_reference_changes_nothing_in_the_scores_themselves(setting, found, tmp_path):
    plain = score(setting.vcf, [setting.model], tmp_path / "plain", 2)
    columns = [name for name in plain.risk.columns if name != "flags"]
    assert found.risk.select(columns).equals(plain.risk.select(columns))
    assert found.models.equals(plain.models)
    assert found.ledger.equals(plain.ledger)
    assert not (plain.out / "ancestry.tsv").exists()


def test_columns_are_those_of_the_dictionary(found):
    assert found.risk.columns == [*TABLES["risk"], *TABLES["risk_reference"]]
    fixed = [name for name in TABLES["ancestry"] if name not in ("PC1", "probability_*")]
    assert ancestry(found).columns[: len(fixed)] == fixed
    text = pl.read_csv(found.out / "ancestry.tsv", separator="\t")
    assert text.columns == ancestry(found).columns


def test_the_distance_from_the_discovery_ancestry_is_told(found):
    near = found.risk.filter(pl.Series(GROUP == "EUR"))
    far = found.risk.filter(pl.Series(GROUP != "EUR"))
    assert near["discovery_distance"].median() == pytest.approx(1, abs=0.2)
    assert far["discovery_distance"].min() > 3
    inside = far.filter(pl.col("z_norm1").is_not_null())
    assert inside["accuracy_note"].str.contains("times as far from the discovery ancestry").all()
    told = near["accuracy_note"].value_counts().sort("count")
    assert told["accuracy_note"][-1] == "within the discovery ancestry (EUR)"


def test_the_page_and_the_provenance_name_the_reference(setting, found):
    page = (found.out / "risk.html").read_text()
    assert 'id="ancestry"' in page
    assert 'href="#ancestry"' in page
    facts = json.loads((found.out / "run.json").read_text())
    assert str(setting.bundle) in facts["inputs"]


# ---------------------------------------------------------------- what is refused


def test_a_cohort_on_another_build_is_refused(setting, tmp_path):
    other = tmp_path / "cohort.vcf"
    other.write_text(setting.vcf.read_text().replace("248956422", "249250621"))
    lines = [x for x in other.read_text().splitlines() if "contig=<ID=" not in x or "ID=1," in x]
    other.write_text("\n".join(lines) + "\n")
    model = tmp_path / "model.txt"
    model.write_text(setting.model.read_text().replace("GRCh38", "GRCh37"))
    with pytest.raises(
        BuildError, match=r"is on GRCh37 .* but the reference .* is on GRCh38; make"
    ):
        setting.run(tmp_path / "out", cohort=other, models=[model])
    assert not (tmp_path / "out").exists()


def test_a_cohort_with_too_few_of_the_variants_is_refused(setting, tmp_path):
    few = cohort_vcf(tmp_path / "few.vcf", setting.world, setting.alt_count, slice(0, 1500))
    with pytest.raises(CoverageError, match=r"1500 of the 3000 variants that place people in") as e:
        setting.run(tmp_path / "out", cohort=few)
    assert e.value.exit_code == 4
    assert not (tmp_path / "out").exists()
    lower = setting.run(tmp_path / "lower", cohort=few, min_projection_coverage=0.4)
    table = ancestry(lower)  # of half the variants, places are less sure
    placed = (~table["outside_reference"]).to_numpy()
    assert placed.mean() > 0.97
    assert (table["most_similar_population"].to_numpy() == GROUP)[placed].all()


def test_a_region_has_no_reference(setting, tmp_path):
    with pytest.raises(UsageError, match="leave --region away"):
        setting.run(tmp_path / "out", region="1:1-1000")


def test_nobody_can_be_placed_in_a_cohort_of_nobody(setting, tmp_path):
    empty = cohort_vcf(tmp_path / "empty.vcf", setting.world, setting.alt_count[:, :0])
    run = setting.run(tmp_path / "out", cohort=empty)
    assert run.risk.height == 0
    assert ancestry(run).height == 0
