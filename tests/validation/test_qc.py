"""`genomed qc` beside plink2, plink 1.9, vcftools, bcftools and scikit-allel."""

import json
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from datafiles import shared_data
from judges import tool
from validation.qc_judge import (
    PRINTED,
    PRINTED_4,
    SET_IDS,
    Plink2Tables,
    assert_same,
    numbers,
    plink,
    qc,
    random_cohort,
    table,
)

from genomed.settings import QcSettings


def errors_of_samples(folder: Path) -> pl.DataFrame:
    """IID and n: plink 1.9 has a row for each nuclear family that somebody is in."""
    rows = table(folder / "out.imendel").select("IID", n=pl.col("N").cast(pl.Int64))
    return rows.group_by("IID", maintain_order=True).sum()


def store(folder: Path, name: str, *source: object, psam: Path | None = None) -> Path:
    """A PGEN that plink2 makes of a source, with a .psam put in the place of its own."""
    plink("plink2", folder, *source, "--make-pgen")
    for ending in ("pgen", "pvar", "psam"):
        (folder / f"out.{ending}").rename(folder / f"{name}.{ending}")
    if psam is not None:
        (folder / f"{name}.psam").write_bytes(psam.read_bytes())
    return folder / f"{name}.pgen"


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("het_haploids", [False, True])
def test_any_mixture_of_chromosomes_sexes_and_founders_is_as_plink2_has_it(
    tmp_path: Path, seed: int, het_haploids: bool
) -> None:
    vcf = random_cohort(tmp_path, seed, het_haploids=het_haploids)
    pgen = store(tmp_path, "in", "--vcf", vcf, psam=tmp_path / "cohort.psam")
    judge = Plink2Tables(tmp_path, "--pfile", tmp_path / "in")

    from_vcf = qc(vcf, tmp_path / "vcf", people=tmp_path / "cohort.psam")
    from_pgen = qc(pgen, tmp_path / "pgen")

    judge.judge(*from_vcf[:2], frequencies=not het_haploids)
    assert from_vcf[0].equals(from_pgen[0])
    assert from_vcf[1].equals(from_pgen[1])


@pytest.mark.parametrize("seed", [4, 5])
def test_sex_mendel_and_missingness_are_as_plink_1_9_has_them(tmp_path: Path, seed: int) -> None:
    vcf = random_cohort(tmp_path, seed, het_haploids=True, n_rows=120)
    psam = tmp_path / "cohort.psam"
    store(tmp_path, "in", "--vcf", vcf, psam=psam)
    plink("plink2", tmp_path, "--pfile", tmp_path / "in", "--make-bed")
    for ending in ("bed", "bim", "fam"):
        (tmp_path / f"out.{ending}").rename(tmp_path / f"in.{ending}")
    plink("plink1.9", tmp_path, "--bfile", "in", "--check-sex", "--allow-no-sex")
    sex = table(tmp_path / "out.sexcheck")
    plink("plink1.9", tmp_path, "--bfile", "in", "--mendel", "--test-missing", "--allow-no-sex")

    variants, samples, _ = qc(
        vcf, tmp_path / "qc", QcSettings(min_x_variants=1), people=psam, pheno="PHENO1"
    )

    np.testing.assert_allclose(numbers(samples["x_f"]), numbers(sex["F"]), rtol=PRINTED_4)
    by_x = {"1": "male", "2": "female", "0": None}
    clear = sex.with_columns(ours=samples["sex"]).filter(pl.col("SNPSEX") != "0")
    assert len(clear) > 40
    status = samples["sex_status"].to_list()
    assert [by_x[s] for s in clear["SNPSEX"]] == clear["ours"].to_list()
    assert [s == "mismatch" for s in status] == [
        a != b and "0" not in (a, b) for a, b in sex.select("PEDSEX", "SNPSEX").iter_rows()
    ]
    lmendel = table(tmp_path / "out.lmendel").select("SNP", n=pl.col("N").cast(pl.Int32))
    checked = variants.join(lmendel, left_on="id", right_on="SNP", how="left")
    assert_same(checked["n_mendel"], checked["n"])
    imendel = errors_of_samples(tmp_path)
    both = imendel.join(samples, left_on="IID", right_on="sample")
    assert both["n"].sum() > 100
    assert_same(both["n_mendel"], both["n"])
    told = table(tmp_path / "out.missing")
    tested = variants.filter(pl.col("missing_p").is_not_null())
    assert tested["id"].to_list() == told["SNP"].to_list()
    assert_same(tested["missing_case"], told["F_MISS_A"], PRINTED_4)
    assert_same(tested["missing_control"], told["F_MISS_U"], PRINTED_4)
    assert_same(tested["missing_p"], told["P"], PRINTED_4)


def test_hipster_is_as_plink2_has_it_once_its_records_are_split(tmp_path: Path) -> None:
    vcf = shared_data("cohort/variantspark_hipster/hipster.vcf.bgz")
    split = tmp_path / "split.vcf.gz"
    command = [tool("bcftools"), "norm", "-m-any", "-Oz", "-o", str(split), str(vcf)]
    subprocess.run(command, check=True, capture_output=True)
    store(tmp_path, "in", "--vcf", split, *SET_IDS)
    judge = Plink2Tables(tmp_path, "--pfile", tmp_path / "in")

    variants, samples, summary = qc(vcf, tmp_path / "qc")

    assert summary.facts.records["n_records"] == 17010
    judge.judge(variants, samples)


def test_tiny1000g_is_as_plink2_has_it(tmp_path: Path) -> None:
    vcf = shared_data("cohort/tiny1000G/tiny1000G.vcf.gz")
    panel = shared_data("cohort/panel/integrated_call_samples_v3.20130502.ALL.panel")
    store(tmp_path, "in", "--vcf", vcf, *SET_IDS)
    known = {
        row[0]: {"male": "1", "female": "2"}[row[3]]
        for row in (line.split() for line in panel.read_text().splitlines()[1:])
    }
    names = [line.split()[0] for line in (tmp_path / "in.psam").read_text().splitlines()[1:]]
    rows = ["#IID\tSEX", *(f"{name}\t{known.get(name, 'NA')}" for name in names)]
    psam = tmp_path / "in.psam"
    psam.write_text("\n".join(rows) + "\n")
    judge = Plink2Tables(tmp_path, "--pfile", tmp_path / "in")

    judge.judge(*qc(vcf, tmp_path / "qc", people=psam)[:2], frequencies=False)


BEDS = ["cohort/bigsnpr/example", "cohort/hapmap_snprelate/hapmap279"]
BEDS += [f"prs/polypred_1kg_eur/1000G.subset.{chromosome}" for chromosome in (1, 22)]


@pytest.mark.parametrize("prefix", BEDS)
def test_public_beds_are_as_plink2_has_them(tmp_path: Path, prefix: str) -> None:
    bed = shared_data(f"{prefix}.bed")
    judge = Plink2Tables(tmp_path, "--bfile", bed.with_suffix(""))

    variants, samples, _ = qc(bed, tmp_path / "qc")

    judge.judge(variants, samples, frequencies=not variants["n_het_haploid"].sum())


def test_the_sex_of_hapmap_people_is_as_plink_1_9_has_it(tmp_path: Path) -> None:
    bed = shared_data("cohort/hapmap_snprelate/hapmap279.bed")
    prefix = bed.with_suffix("")
    plink("plink1.9", tmp_path, "--bfile", prefix, "--check-sex")
    sex = table(tmp_path / "out.sexcheck")
    plink("plink1.9", tmp_path, "--bfile", prefix, "--mendel")
    imendel = errors_of_samples(tmp_path)

    _, samples, _ = qc(bed, tmp_path / "qc")

    np.testing.assert_allclose(
        numbers(samples["x_f"]), numbers(sex["F"]), rtol=PRINTED_4, atol=6e-5
    )
    both = imendel.join(samples, left_on="IID", right_on="sample")
    assert len(both) == len(imendel)
    assert_same(both["n_mendel"], both["n"])
    assert not samples.filter(pl.col("sex_status") == "mismatch")["sample"].to_list()


def test_cgi433_and_its_pedigree_are_as_plink_1_9_has_them(tmp_path: Path) -> None:
    bcf = shared_data("cohort/akt_cgi433/ALL.cgi_multi_sample.20130725.pruned.snps.bcf")
    pedigree = shared_data("cohort/akt_cgi433/20130606_g1k.pedigree.txt")
    store(tmp_path, "in", "--bcf", bcf, *SET_IDS)
    told = {line.split()[1]: line.split() for line in pedigree.read_text().splitlines()}
    names = [line.split()[0] for line in (tmp_path / "in.psam").read_text().splitlines()[1:]]
    rows = ["#FID\tIID\tPAT\tMAT\tSEX"]
    fathers = {row[2] for row in told.values()}
    for name in names:
        _, _, father, mother = told.get(name, ["", name, "0", "0"])
        rows.append(f"f\t{name}\t{father}\t{mother}\t{1 if name in fathers else 2}")
    psam = tmp_path / "in.psam"
    psam.write_text("\n".join(rows) + "\n")
    judge = Plink2Tables(tmp_path, "--pfile", tmp_path / "in")
    plink("plink2", tmp_path, "--pfile", "in", "--make-bed")
    plink("plink1.9", tmp_path, "--bfile", "out", "--mendel", "--allow-no-sex")
    imendel = errors_of_samples(tmp_path)

    variants, samples, summary = qc(bcf, tmp_path / "qc", people=psam)

    judge.judge(variants, samples)
    assert summary.facts.n_trios > 100
    both = imendel.join(samples, left_on="IID", right_on="sample")
    assert both["n"].sum() > 0
    assert_same(both["n_mendel"], both["n"])


@pytest.mark.parametrize("name", ["x-chromosome.vcf", "HWE_test.vcf", "sample.vcf.gz"])
def test_hail_s_files_are_as_plink2_has_them(tmp_path: Path, name: str) -> None:
    vcf = shared_data(f"cohort/hail/{name}")
    store(tmp_path, "in", "--vcf", vcf, *SET_IDS)
    names = [line.split()[0] for line in (tmp_path / "in.psam").read_text().splitlines()[1:]]
    psam = tmp_path / "in.psam"
    rows = ["#IID\tSEX", *(f"{name}\t{1 + i % 2}" for i, name in enumerate(names))]
    psam.write_text("\n".join(rows) + "\n")
    judge = Plink2Tables(tmp_path, "--pfile", tmp_path / "in")

    variants, samples, _ = qc(vcf, tmp_path / "qc", people=psam)

    judge.judge(variants, samples, frequencies=not variants["n_het_haploid"].sum())


def test_hail_s_mendel_errors_are_those_of_plink_1_9(tmp_path: Path) -> None:
    vcf = shared_data("cohort/hail/mendel.vcf")
    fam = shared_data("cohort/hail/mendel.fam")
    store(tmp_path, "in", "--vcf", vcf, *SET_IDS)
    told = {line.split()[1]: line.split() for line in fam.read_text().splitlines()}
    names = [line.split()[0] for line in (tmp_path / "in.psam").read_text().splitlines()[1:]]
    rows = ["#FID\tIID\tPAT\tMAT\tSEX", *("\t".join(told[name][:5]) for name in names)]
    (tmp_path / "in.psam").write_text("\n".join(rows) + "\n")
    plink("plink2", tmp_path, "--pfile", "in", "--make-bed")
    plink("plink1.9", tmp_path, "--bfile", "out", "--mendel", "--allow-no-sex")
    lmendel = table(tmp_path / "out.lmendel")

    variants, _, _ = qc(vcf, tmp_path / "qc", people=fam)

    assert int(numbers(lmendel["N"]).sum()) > 10
    # plink 1.9 knows no pseudo-autosomal region; Y is not in its list
    usual = (variants["place"].cast(pl.Utf8) != "pseudo_autosomal") & (variants["contig"] != "Y")
    in_list = usual.filter(variants["contig"] != "Y")
    assert_same(variants.filter(usual)["n_mendel"], lmendel["N"].filter(in_list))


@pytest.fixture(scope="module")
def hail_sample(tmp_path_factory) -> tuple[Path, pl.DataFrame, pl.DataFrame]:
    """Hail's 100 people at 346 biallelic variants of an exome, all calls diploid."""
    vcf = shared_data("cohort/hail/sample.vcf.gz")
    variants, samples, _ = qc(vcf, tmp_path_factory.mktemp("qc") / "out")
    return vcf, variants, samples


def run_tool(folder: Path, name: str, *arguments: object) -> str:
    """Run a program in `folder`; what it printed."""
    command = [tool(name), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_hwe_and_missingness_are_as_vcftools_has_them(tmp_path: Path, hail_sample) -> None:
    vcf, variants, samples = hail_sample
    for asked in ("--hardy", "--missing-site", "--missing-indv", "--freq"):
        run_tool(tmp_path, "vcftools", "--gzvcf", vcf, asked, "--out", "v")
    hardy = table(tmp_path / "v.hwe")
    sites, people = table(tmp_path / "v.lmiss"), table(tmp_path / "v.imiss")

    once = hardy.filter(pl.col("POS").is_unique()).select(
        pl.col("POS").cast(pl.Int64), "P_HWE", counts="OBS(HOM1/HET/HOM2)"
    )
    tested = variants.join(once, left_on="position", right_on="POS")
    assert len(tested) > 300
    genotypes = tested.select("n_hom_ref", "n_het", "n_hom_alt")
    assert tested["counts"].to_list() == ["/".join(map(str, row)) for row in genotypes.iter_rows()]
    assert_same(tested["hwe_p"], tested["P_HWE"], PRINTED)
    alleles = numbers(sites["N_DATA"]) - numbers(sites["N_MISS"])
    assert_same(variants["n_called"], pl.Series(alleles / 2))
    called = numbers(people["N_DATA"]) - numbers(people["N_MISS"])
    assert_same(samples["n_called"], pl.Series(called))


def test_samples_are_as_bcftools_stats_counts_them(tmp_path: Path, hail_sample) -> None:
    vcf, _, samples = hail_sample
    lines = run_tool(tmp_path, "bcftools", "stats", "-s", "-", vcf).splitlines()
    rows = [line.split("\t") for line in lines if line.startswith("PSC")]
    psc = pl.DataFrame(
        [row[2:14] for row in rows],
        schema=["sample", "ref", "alt", "het", "ts", "tv", "indels", "depth", "single", "hap_ref",
                "hap_alt", "missing"],
        orient="row",
    )  # fmt: skip

    assert samples["sample"].to_list() == psc["sample"].to_list()
    assert_same(samples["n_hom_ref"], psc["ref"])
    assert_same(samples["n_transition"], psc["ts"])
    assert_same(samples["n_transversion"], psc["tv"])
    assert_same(samples["n_singleton"], psc["single"])
    assert_same(samples["n_eligible"] - samples["n_called"], psc["missing"])
    carried = (samples["n_het"] + samples["n_hom_alt"]) - (
        samples["n_transition"] + samples["n_transversion"]
    )
    assert_same(carried, psc["indels"])


def test_counts_and_f_are_as_scikit_allel_has_them(hail_sample) -> None:
    allel = pytest.importorskip("allel")
    vcf, variants, samples = hail_sample
    calls = allel.GenotypeArray(allel.read_vcf(str(vcf), fields=["calldata/GT"])["calldata/GT"])

    assert variants["n_called"].to_list() == calls.count_called(axis=1).tolist()
    assert variants["n_het"].to_list() == calls.count_het(axis=1).tolist()
    assert variants["n_hom_alt"].to_list() == calls.count_hom_alt(axis=1).tolist()
    frequencies = calls.count_alleles(max_allele=1).to_frequencies()
    np.testing.assert_allclose(numbers(variants["alt_frequency"]), frequencies[:, 1])
    np.testing.assert_allclose(
        numbers(variants["het_expected"]), 1 - (frequencies**2).sum(axis=1), atol=1e-12
    )
    assert samples["n_het"].to_list() == calls.count_het(axis=0).tolist()
    assert samples["n_called"].to_list() == calls.count_called(axis=0).tolist()


def test_multiqc_shows_both_sections(tmp_path: Path, hail_sample) -> None:
    multiqc = tool("multiqc")
    vcf, _, samples = hail_sample
    qc(vcf, tmp_path / "out", QcSettings(min_call_rate=0.99))
    command = [multiqc, "-q", "--no-ansi", "-o", str(tmp_path / "report"), str(tmp_path / "out")]
    subprocess.run(command, check=True, capture_output=True)

    data = json.loads((tmp_path / "report/multiqc_data/multiqc_data.json").read_text())
    shown = json.dumps(data["report_saved_raw_data"])
    assert "genomed_qc_samples" in shown
    assert "genomed_qc_variants" in shown
    assert samples["sample"][0] in shown
