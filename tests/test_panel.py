"""The bundled panel: its bytes come from its script, its facts agree with public data."""

import gzip
import math
import subprocess
import sys
from pathlib import Path

import pysam
import pytest
from datafiles import shared_data

PANEL = Path(__file__).resolve().parent.parent / "genomed" / "panel"
FILES = ("APOE.txt", "F5_F2.txt", "HFE.txt", "PGS000001.txt")
EUROPEANS = ("CEU", "FIN", "GBR", "IBS", "TSI")
COMPLEMENT = str.maketrans("ACGT", "TGCA")
REVERSED = {"rs1432679", "rs17529111"}


def read_header(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().split("\n") if line.startswith("#")]
    return dict(line[1:].split("=", 1) for line in lines if "=" in line)


def read_rows(text: str) -> list[dict[str, str]]:
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    columns = lines[0].split("\t")
    return [dict(zip(columns, line.split("\t"), strict=False)) for line in lines[1:]]


def panel_rows() -> list[dict[str, str]]:
    return [row for name in FILES for row in read_rows((PANEL / name).read_text())]


def panel_row(rsid: str) -> dict[str, str]:
    return next(row for row in panel_rows() if row["rsID"] == rsid)


def catalog_rows(name: str) -> dict[str, dict[str, str]]:
    path = shared_data(f"prs/pgs_catalog/{name}")
    return {row["rsID"]: row for row in read_rows(gzip.decompress(path.read_bytes()).decode())}


def test_script_reproduces_the_committed_bytes(tmp_path):
    script = PANEL / "make_panel.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (PANEL / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_header_names_trait_paper_ancestry_licence_and_both_builds(name):
    header = read_header(PANEL / name)
    for key in ("trait_reported", "ancestry_discovery", "license", "allelefrequency_population"):
        assert header[key]
    for key in ("weights", "positions", "alleles"):
        assert header[f"source_checked_{key}"]
    assert "doi:10." in header["citation"]
    assert header["genome_build"] == "GRCh37"
    assert header["HmPOS_build"] == "GRCh38"
    assert header["weight_type"] == "beta"
    assert int(header["variants_number"]) == len(read_rows((PANEL / name).read_text()))


def test_every_row_has_two_alleles_two_positions_and_the_log_of_its_odds_ratio():
    rows = panel_rows()
    assert len(rows) == len({row["rsID"] for row in rows}) == 82
    for row in rows:
        assert {row["effect_allele"], row["other_allele"]} < set("ACGT")
        assert row["effect_allele"] != row["other_allele"]
        assert int(row["chr_position"]) > 0
        assert int(row["hm_pos"]) > 0
        assert row["chr_name"] == row["hm_chr"]
        assert float(row["effect_weight"]) == pytest.approx(math.log(float(row["OR"])), abs=1e-11)


def test_published_intervals_hold_their_odds_ratio():
    rows = [row for row in panel_rows() if "OR_95CI_lower" in row]
    assert len(rows) == 5
    for row in rows:
        assert float(row["OR_95CI_lower"]) < float(row["OR"]) < float(row["OR_95CI_upper"])


def test_only_haemochromatosis_is_recessive():
    flagged = [row["rsID"] for row in panel_rows() if row.get("is_recessive") == "True"]
    assert flagged == ["rs1800562"]


def test_breast_cancer_score_equals_the_catalogue_but_for_two_reversed_rows():
    grch37 = catalog_rows("PGS000001_hmPOS_GRCh37.txt.gz")
    grch38 = catalog_rows("PGS000001_hmPOS_GRCh38.txt.gz")
    rows = read_rows((PANEL / "PGS000001.txt").read_text())
    assert [row["rsID"] for row in rows] == list(grch37)
    for row in rows:
        published = grch37[row["rsID"]]
        alleles = published["effect_allele"] + published["other_allele"]
        if row["rsID"] in REVERSED:
            alleles = alleles.translate(COMPLEMENT)
        assert row["effect_allele"] + row["other_allele"] == alleles
        assert row["OR"] == published["OR"]
        assert row["chr_position"] == published["hm_pos"]
        assert row["hm_pos"] == grch38[row["rsID"]]["hm_pos"]
        weight = float(published["effect_weight"])
        assert float(row["effect_weight"]) == pytest.approx(weight, abs=1e-12)


@pytest.mark.parametrize("rsid", ["rs429358", "rs7412", "rs6025", "rs1799963"])
def test_single_loci_agree_with_the_pharmacogenetic_variant_table(rsid):
    table = shared_data("pgx/pypgx/variant-table.csv").read_text().split("\n")
    columns = table[0].split(",")
    found = next(line.split(",") for line in table if f",{rsid}," in line)
    known = dict(zip(columns, found, strict=True))
    row = panel_row(rsid)
    assert row["chr_name"] == known["Chromosome"]
    assert row["chr_position"] == known["GRCh37Position"]
    assert row["hm_pos"] == known["GRCh38Position"]
    assert {row["effect_allele"], row["other_allele"]} == set(known["GRCh38Name"].split("-")[2:4])


@pytest.mark.parametrize("rsid", ["rs429358", "rs7412", "rs6025", "rs1800562"])
def test_single_loci_agree_with_clinvar(rsid):
    path = shared_data("pathogenicity/clinvar_2017/clinvar_snv_20170404.GRCh37.tsv.gz")
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    contig, position, ref, alt, _ = next(x for x in lines if f"\t{rsid}\t" in x).split("\t", 4)
    row = panel_row(rsid)
    assert (row["chr_name"], row["chr_position"]) == (contig, position)
    assert {row["effect_allele"], row["other_allele"]} == {ref, alt}


def test_leiden_allele_is_the_grch37_reference():
    path = shared_data("pathogenicity/clinvar_2017/clinvar_snv_20170404.GRCh37.tsv.gz")
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    ref = next(x for x in lines if "\trs6025\t" in x).split("\t")[2]
    assert panel_row("rs6025")["effect_allele"] == ref == "T"


def test_frequencies_are_those_of_the_europeans_of_1000_genomes():
    path = shared_data("cohort/aeon_1kg_counts/g1k_alt_counts.GRCh38.tsv.gz")
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    sizes = dict(pair.split(":") for pair in lines[0].removeprefix("##2N=").split(","))
    columns = lines[1].split("\t")
    n_alleles = sum(int(sizes[population]) for population in EUROPEANS)
    for rsid in ("rs17529111", "rs6472903"):
        row = panel_row(rsid)
        place = f"chr{row['hm_chr']}\t{row['hm_pos']}\t"
        counts = dict(
            zip(columns, next(x for x in lines if x.startswith(place)).split("\t"), strict=True)
        )
        copies = sum(int(counts[population]) for population in EUROPEANS)
        if row["effect_allele"] == counts["ref"]:
            copies = n_alleles - copies
        assert row["allelefrequency_effect"] == f"{copies / n_alleles:.4f}"
        assert row["allelefrequency_source"].endswith(f" {copies}/{n_alleles}")


@pytest.mark.parametrize("rsid", ["rs1045485", "rs1800562", "rs429358", "rs7412", "rs6025"])
def test_exonic_frequencies_are_those_of_the_genotyped_europeans(rsid):
    vcf = shared_data("cohort/peddy_sites_1kg_train/1kg_exonic_sites.GRCh38.vcf.gz")
    panel = shared_data("cohort/panel/integrated_call_samples_v3.20130502.ALL.panel")
    region = {x.split()[0]: x.split()[2] for x in panel.read_text().split("\n")[1:] if x}
    row = panel_row(rsid)
    position = int(row["hm_pos"])
    with pysam.VariantFile(str(vcf)) as file:
        people = [sample for sample in file.header.samples if region[sample] == "EUR"]
        record = next(file.fetch(row["hm_chr"], position - 1, position))
        called = [a for sample in people for a in record.samples[sample]["GT"] if a is not None]
    copies = sum(called)
    # These genotypes count the ALT of GRCh37, where the reference at rs6025 is the Leiden allele.
    counted = "C" if rsid == "rs6025" else record.alts[0]
    if row["effect_allele"] != counted:
        copies = len(called) - copies
    assert row["allelefrequency_source"].endswith(f" {copies}/{len(called)}")
    assert row["allelefrequency_effect"] == f"{copies / len(called):.4f}"


def test_catalogue_frequencies_are_of_the_effect_allele():
    path = shared_data("gwas/gwas_catalog/gwas_catalog_associations_subset.tsv.gz")
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    columns = lines[0].split("\t")
    known = [dict(zip(columns, line.split("\t"), strict=False)) for line in lines[1:] if line]
    cited = [r for r in panel_rows() if r.get("allelefrequency_source", "").startswith("PMID:")]
    assert len(cited) == 24
    for row in cited:
        pmid = row["allelefrequency_source"].removeprefix("PMID:")
        study = next(k for k in known if k["PUBMEDID"] == pmid and k["SNPS"] == row["rsID"])
        assert "European" in study["INITIAL SAMPLE SIZE"]
        risk = study["STRONGEST SNP-RISK ALLELE"].split("-")[1]
        if risk not in (row["effect_allele"], row["other_allele"]):
            risk = risk.translate(COMPLEMENT)
        frequency = float(study["RISK ALLELE FREQUENCY"])
        if risk != row["effect_allele"]:
            frequency = 1 - frequency
        assert float(row["allelefrequency_effect"]) == pytest.approx(frequency, abs=1e-6)


def test_no_frequency_is_given_without_a_source():
    for row in panel_rows():
        assert bool(row["allelefrequency_effect"]) == bool(row["allelefrequency_source"])


def test_positions_map_to_each_other_through_the_ucsc_chains():
    forward = read_chain(shared_data("liftover/hg19ToHg38.over.chain.gz"))
    backward = read_chain(shared_data("liftover/hg38ToHg19.over.chain.gz"))
    for row in panel_rows():
        grch37, grch38 = int(row["chr_position"]), int(row["hm_pos"])
        assert lift(forward, row["chr_name"], grch37) == (row["hm_chr"], grch38, "+")
        assert lift(backward, row["hm_chr"], grch38) == (row["chr_name"], grch37, "+")


def read_chain(path: Path) -> dict[str, list[tuple]]:
    """Aligned blocks per source contig: start, end, score, target contig, target start, strand."""
    blocks: dict[str, list[tuple]] = {}
    for line in gzip.decompress(path.read_bytes()).decode().split("\n"):
        fields = line.split()
        if fields[:1] == ["chain"]:
            score, contig, target, strand = int(fields[1]), fields[2], fields[7], fields[9]
            start, target_start = int(fields[5]), int(fields[10])
        elif fields:
            size, *gaps = map(int, fields)
            block = (start, start + size, score, target, target_start, strand)
            blocks.setdefault(contig.removeprefix("chr"), []).append(block)
            if gaps:
                start, target_start = start + size + gaps[0], target_start + size + gaps[1]
    return blocks


def lift(blocks: dict[str, list[tuple]], contig: str, position: int) -> tuple[str, int, str]:
    """The best-scoring chain's place for a 1-based position (on the plus strand)."""
    _, target, place, strand = max(
        (score, target, target_start + position - start, strand)
        for start, end, score, target, target_start, strand in blocks[contig]
        if start < position <= end
    )
    return target.removeprefix("chr"), place, strand
