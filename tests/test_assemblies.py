"""Genome builds are told from contig lengths, and PARs are where the consortia put them."""

import gzip
from itertools import combinations

import pysam
import pytest
from datafiles import shared_data

from genomed.assemblies import (
    CONTIG_LENGTHS,
    PSEUDO_AUTOSOMAL,
    detect_build,
    is_pseudo_autosomal,
    normalise_build,
)
from genomed.regions import canonical_contig


def header_contigs(relative: str) -> dict[str, int | None]:
    with pysam.VariantFile(str(shared_data(relative))) as file:
        return {name: contig.length for name, contig in file.header.contigs.items()}


def test_no_length_is_shared_by_two_builds():
    for one, other in combinations(CONTIG_LENGTHS.values(), 2):
        assert not set(one.items()) & set(other.items())


@pytest.mark.parametrize(
    ("relative", "build"),
    [
        ("cohort/akt_cgi433/ALL.cgi_multi_sample.20130725.pruned.snps.bcf", "GRCh37"),
        ("cohort/edge_cases/test.snpeff.vcf", "GRCh37"),  # UCSC's hg19, with the older chrM
        ("cohort/bio2zarr/CEUTrio.20.21.gatk3.4.g.vcf.bgz", "GRCh37"),
        ("cohort/edge_cases/test-haploidX.vcf", "GRCh37"),
        ("cohort/peddy_sites_1kg_train/1kg_exonic_sites.GRCh38.vcf.gz", "GRCh38"),
        ("cohort/hail_gvcf_chr22/HG00187.hg38.g.vcf.gz", "GRCh38"),
        ("cohort/sompy_grch38/PG_admix_truth_grch38_snvs.vcf.gz", "GRCh38"),
        ("genes/vep/test.vcf", "GRCh38"),
        ("prs/pgsc_calc_cineca/cineca_synthetic_subset.vcf.gz", None),  # a length of no build
    ],
)
def test_headers_of_real_files_tell_their_build(relative, build):
    assert detect_build(header_contigs(relative)) == build


@pytest.mark.parametrize(("table", "build"), [("hg19", "GRCh37"), ("hg38", "GRCh38")])
def test_lengths_equal_the_ends_of_the_last_cytogenetic_bands(table, build):
    text = gzip.decompress(shared_data(f"liftover/cytoBand_{table}.txt.gz").read_bytes()).decode()
    ends: dict[str, int] = {}
    for line in text.splitlines():
        contig, _, end, *_ = line.split("\t")
        name = canonical_contig(contig)
        if name in CONTIG_LENGTHS[build]:
            ends[name] = max(ends.get(name, 0), int(end))
    assert ends == CONTIG_LENGTHS[build]


@pytest.mark.parametrize("build", list(CONTIG_LENGTHS))
def test_one_chromosome_is_enough(build):
    for contig, length in CONTIG_LENGTHS[build].items():
        assert detect_build({f"chr{contig}": length}) == build


def test_unknown_lengths_tell_nothing():
    assert detect_build({}) is None
    assert detect_build({"chr1": None, "2": 12345, "GL000192.1": 547496, "MT": 16569}) is None


def test_the_majority_wins_over_one_foreign_chromosome():
    contigs = dict(CONTIG_LENGTHS["T2T-CHM13v2"]) | {"Y": CONTIG_LENGTHS["GRCh38"]["Y"]}
    assert detect_build(contigs) == "T2T-CHM13v2"


def test_a_draw_is_refused_with_the_contigs_that_contradict():
    with pytest.raises(ValueError, match=r"chr1 of GRCh37 and chr2 of GRCh38; name the build"):
        detect_build({"chr1": 249250621, "chr2": 242193529})


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("hg18", "NCBI36"),
        ("NCBI Build 36", None),
        ("hg19", "GRCh37"),
        ("GRCh37.p13", "GRCh37"),
        ("hs37d5", "GRCh37"),
        ("human_g1k_v37", "GRCh37"),
        ("hg38", "GRCh38"),
        ("grch38", "GRCh38"),
        (" GRCh38.p14 ", "GRCh38"),
        ("T2T-CHM13v2.0", "T2T-CHM13v2"),
        ("T2T-CHM13v2", "T2T-CHM13v2"),
        ("hs1", "T2T-CHM13v2"),
        ("NR", None),
        ("mm10", None),
        ("", None),
    ],
)
def test_builds_have_many_names(name, build):
    assert normalise_build(name) == build


def test_second_region_has_the_same_length_on_x_and_y_and_ends_the_chromosome():
    for build, (_, second_x, _, second_y) in PSEUDO_AUTOSOMAL.items():
        assert second_x.contig == "X"
        assert second_y.contig == "Y"
        lengths = CONTIG_LENGTHS[build]
        assert lengths["X"] - second_x.end == lengths["Y"] - second_y.end <= 10_000
        if build != "T2T-CHM13v2":  # two people's chromosomes
            assert second_x.end - second_x.start == second_y.end - second_y.start


@pytest.mark.parametrize(
    ("build", "contig", "position", "inside"),
    [
        ("GRCh37", "X", 60_000, False),
        ("GRCh37", "X", 60_001, True),
        ("hg19", "chrX", 2_699_520, True),
        ("hg19", "chrX", 2_699_521, False),
        ("GRCh38", "X", 155_701_382, False),
        ("GRCh38", "23", 155_701_383, True),
        ("GRCh38", "Y", 2_781_479, True),
        ("GRCh38", "1", 20_000, False),
    ],
)
def test_pseudo_autosomal_bounds_are_inclusive(build, contig, position, inside):
    assert is_pseudo_autosomal(build, contig, position) is inside


def test_pseudo_autosomal_of_an_unknown_build_is_refused():
    with pytest.raises(ValueError, match="'hg17' is not a known genome build"):
        is_pseudo_autosomal("hg17", "X", 1)
