"""Reads settle what a cohort has no record of: real reads of NA12878, and simulated ones."""

import numpy as np
import polars as pl
import pysam
import pytest
from datafiles import shared_data
from simulated_reads import BASES, haplotypes_of, simulated_sites, write_bam
from small_cohorts import Record, row, score, write_model, write_vcf

from genomed.errors import InputError, UsageError
from genomed.ledger import REASONS

FOLDER = "reads/deepvariant_chr20/"
BAM = FOLDER + "NA12878_S1.chr20.10_10p1mb.bam"
FASTA = FOLDER + "ucsc.hg19.chr20.unittest.fasta.gz"
TEXT = ["0/0", "0/1", "1/1"]
TRUTH = FOLDER + "test_nist.b37_chr20_100kbp_at_10mb.vcf.gz"


@pytest.fixture(scope="module")
def na12878():
    """The file of reads, the reference, and the truth: position -> (ref, alt, copies)."""
    bam, fasta = shared_data(BAM), shared_data(FASTA)
    truth = {}
    with pysam.VariantFile(str(shared_data(TRUTH))) as file:
        for record in file:
            alleles = record.samples[0].allele_indices
            if len(record.alts) == 1 and None not in alleles:
                truth[record.pos] = (record.ref, record.alts[0], sum(alleles))
    return bam, fasta, truth


def half_recorded(na12878, tmp_path, *, samples=("NA12878",), calls="{}"):
    """A VCF with every other truth variant, and a model of all, of hom-ref places and of places
    without reads; returns both and the truth of each model row."""
    _, fasta, truth = na12878
    places = sorted(truth)
    records = [
        Record("chr20", p, ref, alt, calls.format(TEXT[copies]))
        for p, (ref, alt, copies) in [(p, truth[p]) for p in places[::2]]
    ]
    vcf = write_vcf(tmp_path / "cohort.vcf", records, samples=list(samples), build="GRCh37")
    rows, kinds = [], []
    with pysam.FastaFile(str(fasta)) as reference:
        for i, p in enumerate(places):
            ref, alt, _ = truth[p]
            rows.append(row("20", p, alt, ref, 1.0))
            kinds.append("recorded" if i % 2 == 0 else "unrecorded")
        near = {p + d for p in places for d in range(-60, 61)}
        for p in [*range(10_003_000, 10_097_000, 1000), *range(10_500_000, 10_510_000, 1000)]:
            if p not in near:
                ref = reference.fetch("chr20", p - 1, p).upper()
                alt = BASES[(BASES.index(ref) + 1) % 4]
                rows.append(row("20", p, ref, alt, 1.0))  # the effect allele is the reference's
                kinds.append("hom_ref" if p < 10_100_000 else "no_reads")
    return vcf, write_model(tmp_path / "model.txt", rows, build="GRCh37"), np.array(kinds)


def test_real_reads_settle_every_place_and_leave_none_assumed(na12878, tmp_path):
    bam, fasta, truth = na12878
    vcf, model, kinds = half_recorded(na12878, tmp_path)
    found = score(
        vcf, [model], tmp_path / "out", fasta=fasta, reads=[("NA12878", bam)], ambiguous="keep"
    )
    reasons = np.array(found.reasons)
    assert set(reasons[kinds == "no_reads"]) == {"reads_no_coverage"}
    is_hom_ref = reasons[kinds == "hom_ref"] == "reads_hom_ref"
    assert is_hom_ref.mean() > 0.97
    assert "reads_alternative" not in reasons[kinds == "hom_ref"]
    unrecorded = reasons[kinds == "unrecorded"]
    assert (unrecorded == "reads_alternative").mean() > 0.85
    assert (reasons[kinds == "recorded"] == "exact").all()
    assert set(reasons) <= set(REASONS)
    table = pl.read_parquet(tmp_path / "out" / "reads.parquet")
    wrong = 0
    for one in table.filter(pl.col("verdict") == "alternative").iter_rows(named=True):
        ref, alt, copies = truth[one["position"]]
        assert (one["ref"], one["alt"]) == (ref, alt)
        wrong += one["genotype"] != TEXT[copies]
    assert wrong <= 3
    flags = found.risk["flags"][0].split(";")
    assert {"hom_ref_by_reads", "alternative_in_reads", "no_reads"} <= set(flags)


def test_threads_change_nothing(na12878, tmp_path):
    bam, fasta, _ = na12878
    vcf, model, _ = half_recorded(na12878, tmp_path)
    outs = []
    for threads in (1, 3):
        out = tmp_path / f"out{threads}"
        score(vcf, [model], out, threads, fasta=fasta, reads=[("NA12878", bam)])
        outs.append([(out / name).read_bytes() for name in ("risk.tsv", "reads.tsv")])
    assert outs[0] == outs[1]


def test_the_score_is_that_of_a_cohort_with_all_records(na12878, tmp_path):
    bam, fasta, truth = na12878
    vcf, model, kinds = half_recorded(na12878, tmp_path)
    found = score(
        vcf, [model], tmp_path / "out", fasta=fasta, reads=[("NA12878", bam)], ambiguous="keep",
        missing="drop",
    )  # fmt: skip
    places = np.array(sorted(truth))
    copies = np.array([truth[p][2] for p in places])
    settled = np.isin(found.reasons, ["exact", "reads_alternative"])[: len(places)]
    expected = copies[settled].sum() + 2 * found.reasons.count("reads_hom_ref")
    assert found.scores()[0] == pytest.approx(expected, abs=3)
    assert found.scores(column="weighted_coverage")[0] == pytest.approx(
        sum(r in ("exact", "reads_alternative", "reads_hom_ref") for r in found.reasons)
        / len(kinds), abs=0.2,
    )  # fmt: skip


def test_indels_are_called_from_reads(na12878, tmp_path):
    bam, fasta, truth = na12878
    vcf, model, _ = half_recorded(na12878, tmp_path)
    score(vcf, [model], tmp_path / "out", fasta=fasta, reads=[("NA12878", bam)])
    table = pl.read_csv(tmp_path / "out" / "reads.tsv", separator="\t")
    longer = table.filter((pl.col("ref").str.len_chars() > 1) | (pl.col("alt").str.len_chars() > 1))
    assert longer.height >= 2
    right = [
        one["genotype"] == TEXT[truth[one["position"]][2]] for one in longer.iter_rows(named=True)
    ]
    assert all(right)


def test_a_sample_without_reads_gains_no_coverage(na12878, tmp_path):
    bam, fasta, _ = na12878
    vcf, model, _ = half_recorded(na12878, tmp_path, samples=("other", "NA12878"), calls="0/0 {}")
    plain = score(vcf, [model], tmp_path / "plain", fasta=fasta, ambiguous="keep")
    found = score(
        vcf, [model], tmp_path / "out", fasta=fasta, reads=[("NA12878", bam)], ambiguous="keep"
    )
    before, after = (x.scores(column="weighted_coverage") for x in (plain, found))
    assert after[0] == pytest.approx(before[0])
    assert found.scores()[0] == pytest.approx(plain.scores()[0])
    assert found.scores(column="average")[0] == pytest.approx(plain.scores(column="average")[0])
    shares = [x.scores(column="imputed_share")[0] for x in (plain, found)]
    assert shares[1] == pytest.approx(shares[0])
    assert after[1] > before[1]
    assert found.risk["flags"][0] == "" or "reads" not in found.risk["flags"][0]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Sites on contig 1, a person's haplotypes, reads 20 deep, and the reference."""
    folder = tmp_path_factory.mktemp("simulated")
    rng = np.random.default_rng(31)
    sites = simulated_sites(200, rng)
    person = haplotypes_of(sites, rng)
    fasta = folder / "reference.fa"
    fasta.write_text(f">1\n{sites.reference}\n")
    pysam.faidx(str(fasta))
    bam = write_bam(folder / "s0.bam", "s0", sites, [person], [1.0], 20, rng)
    return folder, sites, person, fasta, bam


def cohort_of(simulated, tmp_path, shown, person=None):
    """A VCF with the sites where `shown`, and a model of all of them."""
    _, sites, own, _, _ = simulated
    copies = (own if person is None else person).sum(axis=0)
    records = [
        Record("1", int(start) + 1, BASES[ref], BASES[alt], TEXT[n])
        for start, ref, alt, n, is_shown in zip(
            sites.start, sites.ref, sites.alt, copies, shown, strict=True
        )
        if is_shown
    ]
    rows = [
        row("1", int(s) + 1, BASES[a], BASES[r], 0.1 * (i % 7 + 1))
        for i, (s, r, a) in enumerate(zip(sites.start, sites.ref, sites.alt, strict=True))
    ]
    vcf = write_vcf(tmp_path / "c.vcf", records, build=None)
    return vcf, write_model(tmp_path / "m.txt", rows)


def test_what_reads_prove_is_scored_as_records_would_be(simulated, tmp_path):
    _, sites, _, fasta, bam = simulated
    every = np.ones(len(sites.start), bool)
    some = np.arange(len(sites.start)) % 3 == 0
    vcf, model = cohort_of(simulated, tmp_path, every)
    whole = score(vcf, [model], tmp_path / "whole", ambiguous="keep", build="GRCh38")
    vcf, model = cohort_of(simulated, tmp_path, some)
    found = score(
        vcf, [model], tmp_path / "part", fasta=fasta, reads=[("s0", bam)], ambiguous="keep",
        build="GRCh38", missing="drop",
    )  # fmt: skip
    reasons = np.array(found.reasons)
    proved = np.isin(reasons, ["exact", "reads_hom_ref", "reads_alternative"])
    assert proved.mean() > 0.9
    full = (
        whole.ledger["effect_weight"].to_numpy()
        * 2
        * (whole.ledger["effect_allele_frequency"].to_numpy())
    )
    assert found.scores()[0] == pytest.approx(full[proved].sum())


def test_turned_alleles_and_strands_give_the_same(simulated, tmp_path):
    """A model on the other strand, and with the reference's allele as effect."""
    _, sites, person, fasta, bam = simulated
    turn = str.maketrans("ACGT", "TGCA")
    plain = [i for i in range(200) if (sites.ref[i] + sites.alt[i]) != 3]  # neither A/T nor C/G
    copies = person.sum(axis=0)
    rows = [
        row("1", int(sites.start[i]) + 1, BASES[sites.ref[i]].translate(turn),
            BASES[sites.alt[i]].translate(turn), 1.0)
        for i in plain
    ]  # fmt: skip
    vcf = write_vcf(
        tmp_path / "c.vcf", [Record("1", 5, sites.reference[4], "N", "0/0")], build=None
    )
    model = write_model(tmp_path / "m.txt", rows)
    found = score(
        vcf, [model], tmp_path / "out", fasta=fasta, reads=[("s0", bam)], build="GRCh38",
        missing="drop",
    )  # fmt: skip
    proved = np.isin(found.reasons, ["reads_hom_ref", "reads_alternative"])
    assert proved.mean() > 0.9
    expected = (2 - copies[plain])[proved].sum()
    assert found.scores()[0] == pytest.approx(expected)


def test_reads_of_another_person_are_refused(simulated, tmp_path):
    _, sites, _, fasta, bam = simulated
    other = haplotypes_of(sites, np.random.default_rng(99))
    some = np.arange(len(sites.start)) % 2 == 0
    vcf, model = cohort_of(simulated, tmp_path, some, other)
    with pytest.raises(InputError, match="the reads are another person's"):
        score(vcf, [model], tmp_path / "out", fasta=fasta, reads=[("s0", bam)], build="GRCh38")


def test_wrong_options_are_refused(simulated, tmp_path):
    _, sites, _, fasta, bam = simulated
    vcf, model = cohort_of(simulated, tmp_path, np.ones(len(sites.start), bool))
    with pytest.raises(UsageError, match="--reads needs --fasta"):
        score(vcf, [model], tmp_path / "a", reads=[("s0", bam)], build="GRCh38")
    with pytest.raises(UsageError, match="the cohort has no sample 'x'"):
        score(vcf, [model], tmp_path / "b", reads=[("x", bam)], fasta=fasta, build="GRCh38")
    with pytest.raises(UsageError, match="is given twice"):
        score(vcf, [model], tmp_path / "c", reads=[("s0", bam)] * 2, fasta=fasta, build="GRCh38")


def test_few_reads_prove_nothing(simulated, tmp_path):
    folder, sites, person, fasta, _ = simulated
    rng = np.random.default_rng(4)
    bam = write_bam(folder / "few.bam", "s0", sites, [person], [1.0], 3, rng)
    vcf, model = cohort_of(simulated, tmp_path, np.arange(len(sites.start)) < 3)
    found = score(vcf, [model], tmp_path / "out", fasta=fasta, reads=[("s0", bam)], build="GRCh38")
    assert found.reasons.count("reads_hom_ref") == 0
    assert found.reasons.count("reads_no_coverage") > 150
    again = score(
        vcf, [model], tmp_path / "low", fasta=fasta, reads=[("s0", bam)], build="GRCh38",
        min_reads_depth=2, min_reads_quality=3,
    )  # fmt: skip
    assert again.reasons.count("reads_hom_ref") > 20


def test_explain_tells_what_the_reads_show(simulated, tmp_path):
    _, sites, person, fasta, bam = simulated
    i = int(np.flatnonzero(person.sum(axis=0) == 0)[5])
    place = f"1:{sites.start[i] + 1}"
    vcf, model = cohort_of(simulated, tmp_path, np.arange(len(sites.start)) == 0)
    found = score(
        vcf, [model], tmp_path / "out", fasta=fasta, reads=[("s0", bam)], build="GRCh38",
        explain=[place], ambiguous="keep",
    )  # fmt: skip
    assert "reads of s0: " in found.summary.explained[0]
    assert "hom_ref" in found.summary.explained[0]


def test_of_a_file_of_several_samples_only_the_named_one_is_read(simulated, tmp_path):
    folder, sites, _, fasta, bam = simulated
    other = haplotypes_of(sites, np.random.default_rng(98))
    second = write_bam(
        folder / "s1.bam", "s1", sites, [other], [1.0], 20, np.random.default_rng(97)
    )
    merged = tmp_path / "both.bam"
    pysam.merge("-f", str(merged), str(bam), str(second))
    pysam.index(str(merged))
    vcf, model = cohort_of(simulated, tmp_path, np.arange(len(sites.start)) % 3 == 0)
    options = {"fasta": fasta, "build": "GRCh38", "ambiguous": "keep"}
    alone = score(vcf, [model], tmp_path / "alone", reads=[("s0", bam)], **options)
    both = score(vcf, [model], tmp_path / "both", reads=[("s0", merged)], **options)
    assert both.reasons == alone.reasons
    assert both.scores()[0] == alone.scores()[0]
    renamed = write_vcf(tmp_path / "c2.vcf", [Record("1", 5, "A", "C", "0/0")], samples=["x"],
                        build=None)  # fmt: skip
    with pytest.raises(UsageError, match="the file has reads of s0, s1"):
        score(renamed, [model], tmp_path / "x", reads=[("x", merged)], **options)


def test_reads_without_an_index_are_refused_in_a_sentence(simulated, tmp_path):
    _, sites, _, fasta, bam = simulated
    bare = tmp_path / "bare.bam"
    bare.write_bytes(bam.read_bytes())
    vcf, model = cohort_of(simulated, tmp_path, np.arange(len(sites.start)) < 3)
    with pytest.raises(InputError, match="index"):
        score(vcf, [model], tmp_path / "out", fasta=fasta, reads=[("s0", bare)], build="GRCh38")
    assert not (tmp_path / "out").exists()
