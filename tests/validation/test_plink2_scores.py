"""plink2 judges `genomed risk`: sums and averages on public cohorts, from every format it reads.

plink2 was told what it does not know by itself: the sexes, where X matters. What differs by design
is tested as such at the end.
"""

import gzip
import random
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from datafiles import shared_data
from small_cohorts import Record, row, score, vcf_text, write_model
from validation.plink2_judge import (
    PRINTED,
    SET_IDS,
    Weighed,
    digit_groups,
    exact_sums,
    judged_dosages,
    printed_score,
    read_variants,
    run_plink2,
    summed_dosages,
)

pytestmark = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")

FORMATS = ("vcf", "bcf", "pgen", "bed")
PLAIN = set("ACGT")
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


@dataclass(frozen=True)
class Cohort:
    """The same genotypes in several formats, and how plink2 is given them."""

    folder: Path
    paths: dict[str, Path]
    source: tuple[str, ...]

    def path(self, kind: str) -> Path:
        if kind == "bcf":
            needs("bcftools")
            pytest.importorskip("genomed.io.bcf", reason="no reader of BCF", exc_type=ImportError)
            bcf = self.folder / "cohort.bcf"
            if not bcf.exists():
                command = ["bcftools", "view", "-Ob", "-o", str(bcf), str(self.paths["vcf"])]
                subprocess.run(command, check=True, capture_output=True)
            return bcf
        return self.paths[kind]

    def variants(self) -> pl.DataFrame:
        return read_variants(self.folder / "cohort.pvar")


def make_cohort(folder: Path, vcf: Path, *options: str) -> Cohort:
    """Convert a VCF to PGEN, with IDs contig:position:ref:alt, and (biallelic only) to BED."""
    run_plink2(folder, "--vcf", str(vcf), *SET_IDS, *options, "--make-pgen", "pvar-cols=")
    for ending in ("pgen", "pvar", "psam"):
        (folder / f"out.{ending}").rename(folder / f"cohort.{ending}")
    run_plink2(folder, "--pfile", "cohort", "--max-alleles", "2", "--make-bed")
    for ending in ("bed", "bim", "fam"):
        (folder / f"out.{ending}").rename(folder / f"biallelic.{ending}")
    paths = {"vcf": vcf, "pgen": folder / "cohort.pgen", "bed": folder / "biallelic.bed"}
    return Cohort(folder, paths, ("--pfile", "cohort"))


def random_model(
    variants: pl.DataFrame, n: int, seed: int, biallelic: bool = False, positive: bool = False
) -> tuple[list[Weighed], list[dict]]:
    """Weights of four decimals for n variants, the effect allele REF or any ALT: for both sides."""
    rng = random.Random(seed)
    usable = [
        v
        for v in variants.iter_rows(named=True)
        if set(v["ref"] + v["alt"].replace(",", "")) <= PLAIN
        and not (biallelic and "," in v["alt"])
    ]
    judged, rows = [], []
    for v in sorted(rng.sample(usable, min(n, len(usable))), key=lambda v: v["id"]):
        alleles = [v["ref"], rng.choice(v["alt"].split(","))]
        rng.shuffle(alleles)
        weight = f"{rng.randint(1 if positive else -9999, 9999) / 10000:.4f}"
        judged.append(Weighed(v["id"], alleles[0], weight))
        rows.append(row(v["contig"], int(v["position"]), *alleles, weight))
    return judged, rows


def risk(cohort: Path, rows: Sequence[dict], folder: Path, **options):
    """Score with these rows as a model without a build, ambiguous variants kept."""
    model = write_model(folder / "model.txt", rows, build=None)
    return score(cohort, [model], folder / "risk", threads=2, ambiguous="keep", **options)


# ---------------------------------------------------------------- called genotypes


@pytest.fixture(scope="module")
def hipster(tmp_path_factory) -> Cohort:
    vcf = shared_data("cohort/variantspark_hipster/hipster.vcf.bgz")
    return make_cohort(tmp_path_factory.mktemp("hipster"), vcf)


@pytest.fixture(scope="module")
def hipster_judged(hipster):
    """(rows, sums, denominators): all variants, and biallelic ones only for BED."""
    judged = {}
    for biallelic in (False, True):
        weights, rows = random_model(hipster.variants(), 5000, 7 + biallelic, biallelic)
        judged[biallelic] = rows, *exact_sums(hipster.folder, hipster.source, weights)
    return judged


@pytest.mark.parametrize("kind", FORMATS)
def test_sums_and_averages_on_1000_genomes_are_plink2s(hipster, hipster_judged, kind, tmp_path):
    rows, sums, denominators = hipster_judged[kind == "bed"]
    ours = risk(hipster.path(kind), rows, tmp_path)
    assert ours.models["n_matched"].item() == len(rows)
    assert ours.models["n_flipped"].item() == 0
    np.testing.assert_allclose(ours.scores(), sums, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        ours.scores(column="average"), sums / denominators, rtol=1e-6, atol=1e-12
    )


def test_multi_allelic_records_of_1000_genomes_are_in_the_comparison(hipster, hipster_judged):
    several = set(hipster.variants().filter(pl.col("alt").str.contains(","))["position"])
    rows = hipster_judged[False][0]
    assert sum(str(r["chr_position"]) in several for r in rows) >= 10


def test_the_average_is_the_printed_score_avg(hipster, tmp_path):
    weights, rows = random_model(hipster.variants(), 300, 3, positive=True)
    sums, averages = printed_score(hipster.folder, hipster.source, weights)
    ours = risk(hipster.path("pgen"), rows, tmp_path)
    np.testing.assert_allclose(ours.scores(), sums, rtol=PRINTED)
    np.testing.assert_allclose(ours.scores(column="average"), averages, rtol=PRINTED)


@pytest.mark.parametrize("kind", FORMATS)
def test_25_000_weights_on_a_phased_panel_are_plink2s(kind, tmp_path, tmp_path_factory, request):
    cohort = request.getfixturevalue("shapeit4")
    weights, rows = random_model(cohort.variants(), 30_000, 20)
    sums, denominators = exact_sums(cohort.folder, cohort.source, weights)
    ours = risk(cohort.path(kind), rows, tmp_path)
    assert ours.models["n_matched"].item() == len(rows) == 24_990
    np.testing.assert_allclose(ours.scores(), sums, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        ours.scores(column="average"), sums / denominators, rtol=1e-6, atol=1e-12
    )


@pytest.fixture(scope="module")
def shapeit4(tmp_path_factory) -> Cohort:
    return make_cohort(
        tmp_path_factory.mktemp("shapeit4"), shared_data("cohort/shapeit4_chr20/reference.vcf.gz")
    )


# ---------------------------------------------------------------- a published score, X included


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Cohort:
    """1000 Genomes on GRCh38; whoever has haploid calls on X is male."""
    folder = tmp_path_factory.mktemp("tiny")
    vcf = shared_data("cohort/tiny1000G/tiny1000G.vcf.gz")
    male = None
    with gzip.open(vcf, "rt") as lines:
        for line in lines:
            if line.startswith("#CHROM"):
                names = line.rstrip().split("\t")[9:]
            elif line.startswith("X\t"):
                haploid = np.array([len(c) == 1 for c in line.rstrip().split("\t")[9:]])
                male = haploid if male is None else male | haploid
    assert male is not None
    assert 1000 < male.sum() < 2000
    sexes = "".join(f"{n}\t{1 if m else 2}\n" for n, m in zip(names, male, strict=True))
    (folder / "sex.txt").write_text("#IID\tSEX\n" + sexes)
    return make_cohort(folder, vcf, "--update-sex", "sex.txt")


def catalogue_rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        lines = [line.rstrip("\n") for line in file if not line.startswith("#")]
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"), strict=False)) for line in lines[1:]]


@pytest.fixture(scope="module")
def height(tiny):
    """PGS001229 without the variants the cohort lacks; on the cohort's strand, for plink2."""
    path = shared_data("prs/pgs_catalog/PGS001229_hmPOS_GRCh38.txt.gz")
    known: dict[tuple[str, str], list[dict[str, str]]] = {}
    for v in tiny.variants().iter_rows(named=True):
        known.setdefault((v["contig"], v["position"]), []).append(v)
    judged = {}
    for r in catalogue_rows(path):
        alleles = r["effect_allele"], r["other_allele"]
        for v in known.get((r["chr_name"], r["chr_position"]), ()):
            for effect, other in (alleles, tuple(a.translate(COMPLEMENT) for a in alleles)):
                if {v["ref"], v["alt"]} == {effect, other}:
                    judged.setdefault((v["id"], effect), r["effect_weight"])
                    break
    return path, [Weighed(*key, weight) for key, weight in judged.items()]


@pytest.mark.parametrize("kind", FORMATS)
def test_pgs001229_with_haploid_males_is_plink2s(tiny, height, kind, tmp_path):
    path, weights = height
    sums, denominators = exact_sums(tiny.folder, tiny.source, weights)
    ours = score(
        tiny.path(kind), [path], tmp_path / "risk", threads=2, ambiguous="keep",
        build=None if kind in ("vcf", "bcf") else "GRCh38",
    )  # fmt: skip
    exact = ours.models["n_exact"].item() + ours.models["n_swapped"].item()
    assert (exact, ours.models["n_flipped"].item()) == (983, 3)
    assert len(weights) == 986
    assert sum(w.id.startswith("X:") for w in weights) >= 30
    np.testing.assert_allclose(ours.scores(), sums, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        ours.scores(column="average"), sums / denominators, rtol=1e-6, atol=1e-12
    )


# ---------------------------------------------------------------- missing calls


def with_missing_calls(source: Path, target: Path, every: int, rate: float, seed: int) -> None:
    """Every n-th record of a VCF whose REF and ALT are common, with calls taken away."""
    rng = np.random.default_rng(seed)
    kept = 0
    with gzip.open(source, "rt") as lines, target.open("w") as out:
        for line in lines:
            if line.startswith("#"):
                out.write(line)
                continue
            cells = line.rstrip("\n").split("\t")
            carriers = line.count("|1")
            if not 0.05 * len(cells) < carriers < 0.9 * len(cells):
                continue
            kept += 1
            if kept % every:
                continue
            lost = rng.random(len(cells) - 9) < rate
            calls = ["./." if m else c for m, c in zip(lost, cells[9:], strict=True)]
            out.write("\t".join([*cells[:9], *calls]) + "\n")


@pytest.fixture(scope="module")
def gappy(tmp_path_factory) -> Cohort:
    folder = tmp_path_factory.mktemp("gappy")
    with_missing_calls(
        shared_data("cohort/variantspark_hipster/hipster.vcf.bgz"),
        folder / "gappy.vcf",
        16,
        0.08,
        5,
    )
    return make_cohort(folder, folder / "gappy.vcf")


@pytest.fixture(scope="module")
def gappy_judged(gappy):
    weights, rows = random_model(gappy.variants(), 400, 9, biallelic=True, positive=True)
    mean = summed_dosages(gappy.folder, gappy.source, weights)
    left_out = exact_sums(gappy.folder, gappy.source, weights, "no-mean-imputation")
    printed = printed_score(gappy.folder, gappy.source, weights)
    return rows, mean, left_out, printed


@pytest.mark.parametrize("kind", FORMATS)
def test_missing_calls_filled_with_the_mean_are_plink2s(gappy, gappy_judged, kind, tmp_path):
    rows, (sums, denominators), _, (printed, _) = gappy_judged
    ours = risk(gappy.path(kind), rows, tmp_path)
    assert ours.risk["n_missing_calls"].mean() > 5
    np.testing.assert_allclose(ours.scores(), sums, rtol=1e-6)
    np.testing.assert_allclose(ours.scores(), printed, rtol=PRINTED)
    np.testing.assert_allclose(ours.scores(column="average"), sums / denominators, rtol=1e-6)


@pytest.mark.parametrize("kind", FORMATS)
def test_missing_calls_left_out_are_plink2s_no_mean_imputation(gappy, gappy_judged, kind, tmp_path):
    rows, _, (sums, denominators), _ = gappy_judged
    ours = risk(gappy.path(kind), rows, tmp_path, missing="drop")
    np.testing.assert_allclose(ours.scores(), sums, rtol=1e-6)
    np.testing.assert_allclose(ours.scores(column="average"), sums / denominators, rtol=1e-6)


def test_zero_dosage_has_the_sums_of_no_mean_imputation_over_all_alleles(
    gappy, gappy_judged, tmp_path
):
    rows, (_, all_alleles), (sums, _), _ = gappy_judged
    ours = risk(gappy.path("pgen"), rows, tmp_path, missing="zero-dosage")
    np.testing.assert_allclose(ours.scores(), sums, rtol=1e-6)
    np.testing.assert_allclose(ours.scores(column="average"), sums / all_alleles, rtol=1e-6)


def test_reference_mean_is_plink2s_with_the_same_frequencies(gappy, gappy_judged, tmp_path):
    rows = gappy_judged[0]
    table = gappy.variants().filter(~pl.col("alt").str.contains(","))
    rng = random.Random(4)
    frequency = {v: f"{rng.randint(1, 99) / 100}" for v in table["id"]}
    lines = [
        f"{v['contig']}\t{v['id']}\t{v['ref']}\t{v['alt']}\t{frequency[v['id']]}\t5008"
        for v in table.iter_rows(named=True)
    ]
    afreq = "#CHROM\tID\tREF\tALT\tALT_FREQS\tOBS_CT\n"
    (gappy.folder / "known.afreq").write_text(afreq + "\n".join(lines) + "\n")
    place = dict(zip(table["id"], table["position"], strict=True))
    plain = "".join(
        f"{v['contig']}\t{place[v['id']]}\t{v['alt']}\t{v['ref']}\t{frequency[v['id']]}\n"
        for v in table.iter_rows(named=True)
    )
    (tmp_path / "known.tsv").write_text(
        "chr_name\tchr_position\teffect_allele\tother_allele\tfrequency\n" + plain
    )
    usable = set(table["position"])
    rows = [r for r in rows if str(r["chr_position"]) in usable]
    by_place = {v["position"]: v["id"] for v in table.iter_rows(named=True)}
    weights = [
        Weighed(by_place[str(r["chr_position"])], r["effect_allele"], r["effect_weight"])
        for r in rows
    ]
    sums, _ = summed_dosages(gappy.folder, (*gappy.source, "--read-freq", "known.afreq"), weights)
    ours = risk(
        gappy.path("vcf"), rows, tmp_path, missing="reference-mean",
        reference_frequencies=tmp_path / "known.tsv",
    )  # fmt: skip
    np.testing.assert_allclose(ours.scores(), sums, rtol=1e-6)


# ---------------------------------------------------------------- published sums


CINECA = "prs/pgsc_calc_cineca"


@pytest.fixture(scope="module")
def cineca(tmp_path_factory) -> Cohort:
    return make_cohort(
        tmp_path_factory.mktemp("cineca"), shared_data(f"{CINECA}/cineca_synthetic_subset.vcf.gz")
    )


def cineca_rows(path: Path, column: str) -> list[dict]:
    """Rows keyed 22:position:allele:allele, as rows with two alleles and a position."""
    with gzip.open(path, "rt") as file:
        table = [line.rstrip("\n").split("\t") for line in file]
    at = table[0].index(column)
    rows = []
    for cells in table[1:]:
        contig, position, *alleles = cells[0].split(":")
        alleles.remove(cells[1])
        rows.append(row(contig, int(position), cells[1], alleles[0], cells[at]))
    return rows


@pytest.mark.parametrize("kind", ["vcf.gz", "pgen", "bed"])
def test_the_published_sums_of_pgsc_calc_come_out(kind, tmp_path):
    zstandard = pytest.importorskip("zstandard")
    expected = shared_data(f"{CINECA}/expected")
    with (expected / "cineca_22_additive_0.sscore.zst").open("rb") as file:
        text = zstandard.ZstdDecompressor().stream_reader(file).read()
    published = pl.read_csv(text, separator="\t")
    weights = expected / "cineca_22_additive_0.scorefile.gz"
    cohort = shared_data(f"{CINECA}/cineca_synthetic_subset.{kind}")
    for column in ("PGS001229", "duplicatetest"):
        (tmp_path / column).mkdir()
        ours = risk(cohort, cineca_rows(weights, column), tmp_path / column)
        assert ours.models["n_matched"].item() == 782
        names = ours.risk["sample"].str.split("_").list.first()
        assert names.to_list() == published["IID"].to_list()
        difference = ours.scores() - published[f"{column}_SUM"].to_numpy()
        assert np.abs(difference).max() <= 5.001e-6
        np.testing.assert_allclose(
            ours.scores(column="average"), published[f"{column}_AVG"], rtol=PRINTED, atol=1e-9
        )


def multiscore_columns(path: Path) -> dict[str, list[Weighed]]:
    table = [line.split() for line in path.read_text().splitlines()]
    return {
        name: [Weighed(cells[0], cells[1], cells[at]) for cells in table[1:]]
        for at, name in enumerate(table[0])
        if at > 1
    }


@pytest.fixture(scope="module")
def cineca_judged(cineca):
    """Sums of each column of multiscore.txt, their denominators, and the variants present."""
    columns = multiscore_columns(shared_data(f"{CINECA}/multiscore.txt"))
    known = set(cineca.variants()["id"])
    columns = {name: [w for w in lines if w.id in known] for name, lines in columns.items()}
    first = next(iter(columns.values()))
    dosage, denominators = judged_dosages(cineca.folder, cineca.source, first)
    run_plink2(cineca.folder, "--pfile", "cohort", "--export", "vcf")  # with the IDs set
    sums = {name: dosage @ [float(w.weight) for w in lines] for name, lines in columns.items()}
    return sums, denominators, len(first)


@pytest.mark.parametrize("kind", ["vcf", "pgen", "bed"])
def test_several_scores_keyed_by_id_are_plink2s(cineca, cineca_judged, kind, tmp_path):
    sums, denominators, n_known = cineca_judged
    cohort = cineca.folder / "out.vcf" if kind == "vcf" else cineca.path(kind)
    path = shared_data(f"{CINECA}/multiscore.txt")
    ours = score(cohort, [path], tmp_path / "risk", ambiguous="keep")
    assert ours.models["model"].to_list() == list(sums)
    assert ours.models["n_matched"].to_list() == [n_known] * len(sums)
    assert n_known > 800
    for name in sums:
        np.testing.assert_allclose(ours.scores(name), sums[name], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(
            ours.scores(name, "average"), sums[name] / denominators, rtol=1e-6, atol=1e-10
        )


def test_dominant_and_recessive_rows_in_one_file_are_plink2s_without_filling(cineca, tmp_path):
    path = shared_data(f"{CINECA}/scorefile_dominant_and_recessive.txt")
    lines = [x for x in path.read_text().splitlines() if not x.startswith("#")]
    known = {v["position"]: v for v in cineca.variants().iter_rows(named=True)}
    parts: dict[str, list[Weighed]] = {"": [], "dominant": [], "recessive": []}
    for _, position, effect, other, weight, dominant, recessive in (
        x.split("\t") for x in lines[1:]
    ):
        v = known.get(position)
        if v and {v["ref"], v["alt"]} == {effect, other}:
            kind = "dominant" if dominant == "TRUE" else "recessive" if recessive == "TRUE" else ""
            parts[kind].append(Weighed(v["id"], effect, weight))
    assert all(parts.values())
    sums = sum(
        exact_sums(cineca.folder, cineca.source, part, "no-mean-imputation", *filter(None, [kind]))[
            0
        ]
        for kind, part in parts.items()
    )
    for missing in ("drop", "zero-dosage"):
        ours = score(
            cineca.path("pgen"), [path], tmp_path / missing, ambiguous="keep", missing=missing,
            build="GRCh37",
        )  # fmt: skip
        assert ours.models["n_matched"].item() == sum(map(len, parts.values()))
        np.testing.assert_allclose(ours.scores(), sums, rtol=1e-6, atol=1e-9)


def test_bolt_betas_on_merged_bed_files_are_plink2s(tmp_path):
    needs("plink1.9")
    folder = shared_data("prs/polypred_1kg_eur")
    prefixes = [str((folder / f"1000G.subset.{c}").resolve()) for c in range(1, 23)]
    (tmp_path / "list.txt").write_text("\n".join(prefixes[1:]) + "\n")
    command = ["plink1.9", "--bfile", prefixes[0], "--merge-list", "list.txt", "--make-bed"]
    subprocess.run([*command, "--out", "all"], cwd=tmp_path, check=True, capture_output=True)
    table = pl.read_csv(folder / "bolt.betas.gz", separator="\t", infer_schema=False)
    bim = pl.read_csv(
        tmp_path / "all.bim", separator="\t", has_header=False, infer_schema=False,
        new_columns=["contig", "SNP", "cm", "position", "a1", "a2"],
    )  # fmt: skip
    here = table.join(bim, left_on=["CHR", "BP"], right_on=["contig", "position"])
    effect = pl.col("ALLELE1")
    present = here.filter((effect == pl.col("a1")) | (effect == pl.col("a2")))
    weights = [Weighed(*r) for r in present.select("SNP_right", "ALLELE1", "BETA").iter_rows()]
    sums, denominators = exact_sums(tmp_path, ("--bfile", "all"), weights)
    ours = score(
        tmp_path / "all.bed", [folder / "bolt.betas.gz"], tmp_path / "risk", ambiguous="keep"
    )
    assert ours.models["n_matched"].item() == len(weights) == 8929
    np.testing.assert_allclose(ours.scores(), sums, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        ours.scores(column="average"), sums / denominators, rtol=1e-6, atol=1e-12
    )


# ---------------------------------------------------------------- X, Y, MT; recoded weights

N = 60  # plink2 wants 50 founders to estimate frequencies
X_VARIANTS = [
    ("X", 50_000_000, "C", "A"),
    ("X", 50_000_300, "G", "T,C"),
    ("X", 60_000_000, "AT", "A"),
]


def haploid_cohort(folder: Path, variants, seed: int, men_only=False, missing=0.12) -> Cohort:
    """Odd samples are male and haploid on X; everybody is on Y and MT."""
    rng = random.Random(seed)
    records = []
    for contig, position, ref, alt in variants:
        cells = []
        for sample in range(N):
            male = men_only or sample % 2
            ploidy = 1 if contig in ("Y", "MT") or (contig == "X" and male) else 2
            alleles = [str(rng.randrange(alt.count(",") + 2)) for _ in range(ploidy)]
            cells.append("/".join(["."] * ploidy if rng.random() < missing else alleles))
        records.append(Record(contig, position, ref, alt, " ".join(cells)))
    (folder / "cohort.vcf").write_text(vcf_text(records))
    sexes = "".join(f"s{i}\t{1 if men_only or i % 2 else 2}\n" for i in range(N))
    (folder / "sex.txt").write_text("#IID\tSEX\n" + sexes)
    return make_cohort(folder, folder / "cohort.vcf", "--update-sex", "sex.txt")


@pytest.mark.parametrize("missing", ["mean", "drop"])
@pytest.mark.parametrize("kind", FORMATS)
def test_x_with_haploid_males_and_missing_calls_is_plink2s(kind, missing, tmp_path):
    cohort = haploid_cohort(tmp_path, [("1", 1000, "A", "G"), *X_VARIANTS], 31)
    weights, rows = random_model(cohort.variants(), 4, 2, biallelic=kind == "bed", positive=True)
    modifiers = ["no-mean-imputation"] if missing == "drop" else []
    sums, denominators = summed_dosages(tmp_path, cohort.source, weights, *modifiers)
    ours = risk(cohort.path(kind), rows, tmp_path, missing=missing, build="GRCh38")
    assert ours.models["n_matched"].item() == len(rows) >= 3
    np.testing.assert_allclose(ours.scores(), sums, rtol=5e-6, atol=1e-6)
    np.testing.assert_allclose(
        ours.scores(column="average"), sums / denominators, rtol=5e-6, atol=1e-6
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_y_and_mt_of_men_are_plink2s(kind, tmp_path):
    variants = [("1", 1000, "A", "G"), ("Y", 7_000_000, "C", "A"), ("MT", 500, "G", "A")]
    cohort = haploid_cohort(tmp_path, variants, 8, men_only=True)
    weights, rows = random_model(cohort.variants(), 3, 2, positive=True)
    sums, denominators = summed_dosages(tmp_path, cohort.source, weights)
    ours = risk(cohort.path(kind), rows, tmp_path, build="GRCh38")
    assert ours.models["n_matched"].item() == 3
    np.testing.assert_allclose(ours.scores(), sums, rtol=5e-6, atol=1e-6)
    np.testing.assert_allclose(ours.scores(column="average"), sums / denominators, rtol=5e-6)


AUTOSOMES = [("1", 1000 + 100 * i, "A", "G" if i % 3 else "C,T") for i in range(12)]


@pytest.mark.parametrize("effect_type", ["dominant", "recessive"])
def test_recoded_weights_without_missing_calls_are_plink2s(effect_type, tmp_path):
    cohort = haploid_cohort(tmp_path, AUTOSOMES, 4, missing=0)
    weights, rows = random_model(cohort.variants(), 12, 6)
    sums, denominators = exact_sums(tmp_path, cohort.source, weights, effect_type)
    rows = [r | {"effect_type": effect_type} for r in rows]
    ours = risk(cohort.path("vcf"), rows, tmp_path)
    np.testing.assert_allclose(ours.scores(), sums, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        ours.scores(column="average"), sums / denominators, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("effect_type", ["dominant", "recessive"])
def test_a_missing_recoded_call_is_the_mean_genotype_here_and_the_frequency_in_plink2(
    effect_type, tmp_path
):
    calls = ["./.", "0/0", "0/1", "1/1", "1/1", *(["0/0"] * 55)]
    (tmp_path / "cohort.vcf").write_text(vcf_text([Record("1", 1000, "A", "G", " ".join(calls))]))
    cohort = make_cohort(tmp_path, tmp_path / "cohort.vcf")
    judged, _ = summed_dosages(
        tmp_path, cohort.source, [Weighed("1:1000:A:G", "G", "1")], effect_type
    )
    ours = risk(
        cohort.path("vcf"), [row("1", 1000, "G", "A", 1, effect_type=effect_type)], tmp_path
    )
    carriers = 3 if effect_type == "dominant" else 2
    assert judged[0] == pytest.approx(5 / (2 * 59), rel=PRINTED)
    assert ours.scores()[0] == pytest.approx(carriers / 59)
    np.testing.assert_array_equal(ours.scores()[1:], judged[1:])


def test_dosages_are_plink2s_to_the_precision_it_stores(tmp_path):
    rng = random.Random(12)
    records = [
        Record(
            "1", 1000 + 10 * i, "A", "G",
            " ".join(
                "./.:." if rng.random() < 0.05 else f"0/0:{rng.randint(0, 2000) / 1000}"
                for _ in range(N)
            ),
            format="GT:DS",
        )
        for i in range(20)
    ]  # fmt: skip
    (tmp_path / "cohort.vcf").write_text(vcf_text(records))
    cohort = make_cohort_with_dosages(tmp_path)
    weights, rows = random_model(cohort.variants(), 20, 3, positive=True)
    sums, _ = summed_dosages(tmp_path, cohort.source, weights)
    for kind in ("vcf", "pgen"):
        ours = risk(cohort.path(kind), rows, tmp_path, dosage_field="DS")
        np.testing.assert_allclose(ours.scores(), sums, rtol=2e-5, atol=2e-5 * 20)


def make_cohort_with_dosages(folder: Path) -> Cohort:
    run_plink2(folder, "--vcf", "cohort.vcf", "dosage=DS", *SET_IDS, "--make-pgen", "pvar-cols=")
    for ending in ("pgen", "pvar", "psam"):
        (folder / f"out.{ending}").rename(folder / f"cohort.{ending}")
    paths = {"vcf": folder / "cohort.vcf", "pgen": folder / "cohort.pgen"}
    return Cohort(folder, paths, ("--pfile", "cohort"))


def test_a_variant_listed_with_both_alleles_adds_up_as_in_plink2(tmp_path):
    cohort = haploid_cohort(tmp_path, AUTOSOMES, 4)
    weights = [Weighed("1:1100:A:G", "G", "0.5"), Weighed("1:1100:A:G", "A", "0.25")]
    sums, denominators = summed_dosages(tmp_path, cohort.source, weights)
    rows = [row("1", 1100, "G", "A", 0.5), row("1", 1100, "A", "G", 0.25)]
    ours = risk(cohort.path("vcf"), rows, tmp_path)
    np.testing.assert_allclose(ours.scores(), sums, rtol=5e-6)
    # plink2 divides by the alleles of variants, genomed by those of model variants.
    assert set(denominators) == {2}
    np.testing.assert_allclose(ours.scores(column="average"), sums / 4, rtol=5e-6)


def test_the_judge_cuts_weights_into_groups_that_add_up_to_them():
    weights = ["0.0073042", "-4.201864e-05", "12", "0", "-3.5"]
    groups, units = digit_groups(weights)
    assert np.abs(groups).max() < 100
    back = [
        float(sum(u * int(g) for u, g in zip(units, column, strict=True))) for column in groups.T
    ]
    assert back == [float(w) for w in weights]
