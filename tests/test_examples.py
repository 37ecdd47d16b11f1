"""The example cohort holds what its README and truth.tsv promise."""

import gzip
import importlib.metadata
import importlib.util
import math
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam
import pytest

from genomed.assemblies import detect_build, is_pseudo_autosomal

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "examples" / "data"
PANEL = ROOT / "genomed" / "panel"


class Cohort(NamedTuple):
    """The VCF as text: one row of `calls` per record, GT only."""

    samples: list[str]
    records: list[tuple[str, int, str, str, tuple[str, ...]]]  # contig, position, id, ref, alts
    calls: np.ndarray  # str (records, samples)

    def on(self, contig: str) -> np.ndarray:
        return np.array([record[0] == contig for record in self.records])

    def column(self, sample: str) -> np.ndarray:
        return self.calls[:, self.samples.index(sample)]


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    records, calls = [], []
    with pysam.VariantFile(str(DATA / "cohort.vcf.gz")) as file:
        samples = list(file.header.samples)
        for record in file:
            alts = tuple(record.alts)
            records.append((record.contig, record.pos, record.id or ".", record.ref, alts))
            fields = str(record).rstrip("\n").split("\t")[9:]
            calls.append([field.partition(":")[0] for field in fields])
    return Cohort(samples, records, np.array(calls))


def read_table(name: str) -> list[dict[str, str]]:
    lines = (DATA / name).read_text().splitlines()
    return [dict(zip(lines[0].split("\t"), x.split("\t"), strict=True)) for x in lines[1:]]


def planted(kind: str) -> list[dict[str, str]]:
    return [row for row in read_table("truth.tsv") if row["kind"] == kind]


def alleles(call: str) -> list[str]:
    return sorted(call.replace("|", "/").split("/"))


def is_called(calls: np.ndarray) -> np.ndarray:
    return np.char.find(calls, ".") < 0


def alt_count(calls: np.ndarray) -> np.ndarray:
    """Copies of the first ALT, float, NaN where not called."""
    return np.where(is_called(calls), np.char.count(calls, "1"), np.nan)


def panel_rows() -> list[dict[str, str]]:
    rows = []
    for path in sorted(PANEL.glob("*.txt")):
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        rows += [dict(zip(lines[0].split("\t"), x.split("\t"), strict=True)) for x in lines[1:]]
    return rows


def panel_index(cohort: Cohort) -> dict[str, int]:
    names = {row["rsID"] for row in panel_rows()}
    return {r[2]: i for i, r in enumerate(cohort.records) if r[2] in names}


def test_data_stay_small():
    assert sum(path.stat().st_size for path in DATA.iterdir()) <= 4_000_000


def test_header_tells_the_build_and_the_index_finds_x():
    with pysam.VariantFile(str(DATA / "cohort.vcf.gz")) as file:
        lengths = {name: contig.length for name, contig in file.header.contigs.items()}
        found = [record.pos for record in file.fetch("chrX", 100_000_000, 110_000_000)]
    assert detect_build(lengths) == "GRCh38"
    assert len(found) > 100
    assert not any(is_pseudo_autosomal("GRCh38", "chrX", position) for position in found)


def test_a_hundred_people_of_each_population_in_the_same_order_everywhere(cohort):
    table = read_table("samples.tsv")
    assert [row["sample"] for row in table] == cohort.samples
    assert Counter(row["population"] for row in table) == {"AFR": 100, "EUR": 100, "EAS": 100}
    psam = (DATA / "cohort.psam").read_text().splitlines()[1:]
    expected = [f"{x['sample']}\t{'MF'.index(x['sex']) + 1}\t{x['population']}" for x in table]
    assert psam == expected
    for name in ("traits.tsv", "covariates.tsv"):
        assert [row["sample"] for row in read_table(name)] == cohort.samples


def test_record_counts_are_those_of_the_readme(cohort):
    contigs = Counter(record[0] for record in cohort.records)
    several = [r for r in cohort.records if len(r[4]) > 1]
    indels = [r for r in cohort.records if {len(a) for a in (r[3], *r[4])} != {1}]
    assert len(cohort.records) == 9_868
    assert 8_000 < contigs["chr22"] < 12_000
    assert contigs["chrX"] > 500
    assert sum("*" in r[4] for r in several) == 15
    assert len(several) == 86 + 15
    assert 450 < len(indels) < 500
    assert f"{len(cohort.records):,} records" in (ROOT / "examples" / "README.md").read_text()


def test_records_are_sorted_and_no_position_comes_twice(cohort):
    places = [record[:2] for record in cohort.records]
    assert len(places) == len(set(places))
    for contig in {place[0] for place in places}:
        positions = [position for name, position in places if name == contig]
        assert positions == sorted(positions)


def test_every_panel_locus_is_there_with_its_two_alleles(cohort):
    index = panel_index(cohort)
    for row in panel_rows():
        contig, position, _, ref, alts = cohort.records[index[row["rsID"]]]
        assert (contig, position) == (f"chr{row['hm_chr']}", int(row["hm_pos"]))
        assert {ref, *alts} == {row["effect_allele"], row["other_allele"]}


def test_panel_loci_are_called_but_for_the_planted_gaps(cohort):
    gaps = {(row["sample"], row["detail"]) for row in planted("not_called")}
    (low,) = planted("low_call_rate")
    found = {
        (cohort.samples[s], rsid)
        for rsid, i in panel_index(cohort).items()
        for s in np.flatnonzero(~is_called(cohort.calls[i]))
    }
    assert {gap for gap in found if gap[0] != low["sample"]} == gaps
    assert len(gaps) == 2


def test_panel_frequencies_in_europeans_are_the_published_ones(cohort):
    index, population = panel_index(cohort), read_table("samples.tsv")
    european = np.array([row["population"] == "EUR" for row in population])
    published = [row for row in panel_rows() if row["allelefrequency_effect"]]
    assert len(published) == 33
    for row in published:
        copies = alt_count(cohort.calls[index[row["rsID"]]])[european]
        copies = copies[~np.isnan(copies)]
        share = copies.sum() / (2 * len(copies))
        if cohort.records[index[row["rsID"]]][3] == row["effect_allele"]:
            share = 1 - share
        expected = float(row["allelefrequency_effect"])
        error = math.sqrt(expected * (1 - expected) / (2 * len(copies)))
        planted_copies = 2 / (2 * len(copies)) if row["rsID"] == "rs1800562" else 0
        assert abs(share - expected) < 4 * error + planted_copies


def test_nobody_has_the_apoe_haplotype_that_does_not_exist(cohort):
    index = panel_index(cohort)
    e4, e2 = (alt_count(cohort.calls[index[rsid]]) for rsid in ("rs429358", "rs7412"))
    assert np.nanmax(e4 + e2) == 2
    assert np.nanmax(e4) == np.nanmax(e2) == 2


def test_the_planted_person_is_homozygous_for_hfe(cohort):
    (row,) = planted("hfe_homozygote")
    assert cohort.column(row["sample"])[panel_index(cohort)["rs1800562"]] == "1/1"


def test_males_are_haploid_on_x_and_nobody_elsewhere(cohort):
    truth = {row["sample"]: row["sex"] for row in read_table("truth.tsv")}
    sex = {row["sample"]: row["sex"] for row in read_table("samples.tsv")} | truth
    male = np.array([sex[sample] == "M" for sample in cohort.samples])
    alleles_given = 1 + np.char.count(cohort.calls, "|") + np.char.count(cohort.calls, "/")
    on_x = cohort.on("chrX")
    assert np.all(alleles_given[on_x][:, male] == 1)
    assert np.all(alleles_given[on_x][:, ~male] == 2)
    assert np.all(alleles_given[~on_x] == 2)
    assert 100 < male.sum() < 200


def test_one_declared_sex_is_wrong(cohort):
    declared = {row["sample"]: row["sex"] for row in read_table("samples.tsv")}
    wrong = {
        row["sample"] for row in read_table("truth.tsv") if declared[row["sample"]] != row["sex"]
    }
    (row,) = planted("sex_mismatch")
    assert wrong == {row["sample"]}


def test_duplicates_agree_wherever_both_are_called_and_no_other_pair_does(cohort):
    autosomal = ~cohort.on("chrX")
    counts = alt_count(cohort.calls[autosomal][:3000])
    alike = set()
    for a in range(len(cohort.samples)):
        differs = np.abs(counts[:, a + 1 :] - counts[:, [a]])  # NaN where one is not called
        same = np.nanmean(differs, axis=0) == 0 if differs.size else np.array([])
        alike |= {(cohort.samples[a], cohort.samples[a + 1 + b]) for b in np.flatnonzero(same)}
    copies = {(row["detail"].removeprefix("of "), row["sample"]) for row in planted("duplicate")}
    assert alike == copies
    for original, copy in copies:
        one, other = cohort.column(original), cohort.column(copy)
        both = is_called(one) & is_called(other)
        assert both.mean() > 0.98
        assert np.all(one[both] == other[both])


def test_the_child_has_one_allele_of_each_parent(cohort):
    (row,) = planted("trio_child")
    (mother,), (father,) = planted("trio_mother"), planted("trio_father")
    trio = [cohort.column(x["sample"]) for x in (row, mother, father)]
    called = np.all([is_called(calls) for calls in trio], axis=0)
    assert called.mean() > 0.97
    for child, mothers, fathers in zip(*(calls[called] for calls in trio), strict=True):
        first, second = alleles(child)
        from_each = {(m, f) for m in alleles(mothers) for f in alleles(fathers)}
        assert (first, second) in from_each or (second, first) in from_each


def test_one_sample_is_badly_called_and_the_others_well(cohort):
    (row,) = planted("low_call_rate")
    rates = dict(zip(cohort.samples, is_called(cohort.calls).mean(axis=0), strict=True))
    assert rates.pop(row["sample"]) == pytest.approx(float(row["detail"]), abs=0.01)
    assert min(rates.values()) > 0.99


def test_half_a_percent_of_calls_is_missing_and_some_are_half(cohort):
    (low,) = planted("low_call_rate")
    background = cohort.on("chr22")
    others = [s for s, sample in enumerate(cohort.samples) if sample != low["sample"]]
    calls = cohort.calls[background][:, others]
    half = np.isin(calls, ["0|.", "1|.", ".|0", ".|1"])
    assert (~is_called(calls)).mean() == pytest.approx(0.0055, abs=0.0005)
    assert half.mean() == pytest.approx(0.0005, abs=0.0001)


def test_carriers_of_a_star_carry_the_deletion_above_it(cohort):
    spans = {}
    for i, (contig, position, _, ref, alts) in enumerate(cohort.records):
        if contig == "chr22" and len(ref) > 1 and alts == (ref[0],):
            spans |= dict.fromkeys(range(position + 1, position + len(ref)), i)
    starred = [i for i, record in enumerate(cohort.records) if "*" in record[4]]
    for i in starred:
        _, position, _, ref, alts = cohort.records[i]
        assert alts[1] == "*"
        above = spans[position]
        offset = position - cohort.records[above][1]
        assert cohort.records[above][3][offset : offset + len(ref)] == ref
        both = is_called(cohort.calls[i]) & is_called(cohort.calls[above])
        stars = np.char.count(cohort.calls[i][both], "2")
        assert np.array_equal(stars, np.char.count(cohort.calls[above][both], "1"))
        assert stars.sum() > 0


def test_traits_follow_their_causal_loci(cohort):
    place = {record[:2]: i for i, record in enumerate(cohort.records)}
    causal, traits = read_table("causal.tsv"), read_table("traits.tsv")
    assert Counter(row["trait"] for row in causal) == {"biomarker": 10, "disease": 8}
    genetic = {"biomarker": np.zeros(300), "disease": np.zeros(300)}
    for row in causal:
        i = place[row["contig"], int(row["position"])]
        assert cohort.records[i][2:] == (row["id"], row["ref"], (row["alt"],))
        copies = alt_count(cohort.calls[i])
        assert np.nanmean(copies) / 2 == pytest.approx(float(row["alt_frequency"]), abs=0.01)
        filled = np.where(np.isnan(copies), np.nanmean(copies), copies)
        genetic[row["trait"]] += float(row["effect"]) * filled
    assert genetic["biomarker"].var() == pytest.approx(0.5, rel=0.1)
    assert genetic["disease"].var() == pytest.approx(0.6, rel=0.1)
    biomarker = np.array([float(row["biomarker"]) for row in traits])
    disease = np.array([int(row["disease"]) for row in traits])
    assert np.corrcoef(genetic["biomarker"], biomarker)[0, 1] > 0.6
    assert np.corrcoef(genetic["disease"], disease)[0, 1] > 0.4
    assert disease.mean() == pytest.approx(0.3, abs=0.01)


@pytest.mark.slow
def test_script_reproduces_the_committed_data(tmp_path):
    pytest.importorskip("msprime")
    spec = importlib.util.spec_from_file_location("make_cohort", ROOT / "examples/make_cohort.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if importlib.metadata.version("msprime") != module.MSPRIME_VERSION:
        pytest.skip(f"the data were made with msprime {module.MSPRIME_VERSION}")
    module.main(tmp_path)
    names = sorted(path.name for path in DATA.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        made, kept = (tmp_path / name).read_bytes(), (DATA / name).read_bytes()
        if name.endswith(".gz"):  # zlib may compress otherwise
            made, kept = gzip.decompress(made), gzip.decompress(kept)
        assert made == kept or name.endswith(".tbi"), name
