"""`run_risk` as a whole: laws, planted truth, proof of hom-ref, and a reason for every variant."""

import gzip
import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pytest
from small_cohorts import Record, row, score, vcf_text, write_model, write_vcf
from strategies import bgzf_bytes

from genomed.errors import CoverageError, UsageError
from genomed.ledger import REASONS, USED
from genomed.settings import RiskSettings
from genomed.steps import risk as step

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "data" / "cohort.vcf.gz"
COMPARED = ("risk.tsv", "risk.parquet", "models.tsv", "ledger.tsv.gz", "risk.html")


def random_records(n_samples: int, n_variants: int, seed: int, alts=("G", "T", "G,C", "AT")):
    """Records on 1, 22 and X with one missing call in ten."""
    rng = np.random.default_rng(seed)
    records = []
    for v in range(n_variants):
        contig = ("1", "22", "X")[3 * v // n_variants]
        alt = alts[v % len(alts)]
        p = rng.uniform(0.1, 0.5)
        alleles = (rng.random((n_samples, 2)) < p) * rng.integers(
            1, alt.count(",") + 2, (n_samples, 2)
        )
        lost = rng.random(n_samples) < 0.1
        calls = [
            "./." if m else f"{a}/{b}" for (a, b), m in zip(alleles.tolist(), lost, strict=True)
        ]
        records.append(Record(contig, 1000 + 10 * v, "A", alt, " ".join(calls)))
    return records


def random_rows(records, seed: int):
    """A weight for one ALT, or REF, of every record."""
    rng = np.random.default_rng(seed)
    rows = []
    for r in records:
        pair = [r.alt.split(",")[-1], "A"]
        if rng.random() < 0.4:
            pair.reverse()
        rows.append(row(r.contig, r.position, *pair, round(rng.normal(), 4)))
    return rows


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """(VCF, model, records): 40 samples and 60 variants."""
    folder = tmp_path_factory.mktemp("cohort")
    records = random_records(40, 60, 1)
    model = write_model(folder / "model.txt", random_rows(records, 2))
    return write_vcf(folder / "cohort.vcf", records), model, records


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("batch_bytes", [1, 100, 5000])
@pytest.mark.parametrize("threads", [1, 3])
def test_neither_threads_nor_batches_change_a_byte(
    cohort, threads, batch_bytes, tmp_path, monkeypatch
):
    vcf, model, _ = cohort
    plain = score(vcf, [model], tmp_path / "plain", ambiguous="keep")
    monkeypatch.setattr(step, "_batch_bytes", lambda max_memory: batch_bytes)
    other = score(vcf, [model], tmp_path / "other", threads, ambiguous="keep")
    for name in COMPARED:
        assert (other.out / name).read_bytes() == (plain.out / name).read_bytes(), name


def test_the_example_scores_alike_with_one_thread_and_with_three(tmp_path, monkeypatch):
    one = score(EXAMPLE, [], tmp_path / "one", 1)
    monkeypatch.setattr(step, "_batch_bytes", lambda max_memory: 3001)
    three = score(EXAMPLE, [], tmp_path / "three", 3)
    for name in COMPARED:
        assert (three.out / name).read_bytes() == (one.out / name).read_bytes(), name


def test_compression_of_the_cohort_changes_nothing(cohort, tmp_path, monkeypatch):
    vcf, model, _ = cohort
    text = vcf.read_bytes()
    written = {"plain": text, "bgzf": bgzf_bytes(text, 700), "gzip": gzip.compress(text)}
    outputs = {}
    for name, data in written.items():
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        Path("cohort.vcf.gz").write_bytes(data)
        found = score("cohort.vcf.gz", [model], Path("out"), ambiguous="keep")
        compared = [n for n in COMPARED if n != "risk.parquet"]  # its footer has the file's digest
        outputs[name] = [(found.out / n).read_bytes() for n in compared], found.risk
    for name in ("bgzf", "gzip"):
        assert outputs[name][0] == outputs["plain"][0]
        assert outputs[name][1].equals(outputs["plain"][1])


def test_reversing_the_samples_reverses_the_rows(cohort, tmp_path):
    vcf, model, records = cohort
    names = [f"s{i}" for i in range(40)]
    backwards = [
        Record(r.contig, r.position, r.ref, r.alt, " ".join(reversed(r.calls.split())))
        for r in records
    ]
    turned = write_vcf(tmp_path / "turned.vcf", backwards, samples=names[::-1])
    one = score(vcf, [model], tmp_path / "one", ambiguous="keep")
    two = score(turned, [model], tmp_path / "two", ambiguous="keep")
    assert two.risk["sample"].to_list() == names[::-1]
    for column in one.risk.columns:
        ours, theirs = one.risk[column], two.risk[column].reverse()
        if ours.dtype == pl.Float64:  # frequencies are sums over samples: the last bit may differ
            np.testing.assert_allclose(theirs.to_numpy(), ours.to_numpy(), rtol=1e-9, atol=1e-12)
        else:
            assert theirs.to_list() == ours.to_list()


def test_choosing_samples_gives_their_scores_when_nothing_is_filled_in(cohort, tmp_path):
    vcf, model, _ = cohort
    everybody = score(vcf, [model], tmp_path / "all", ambiguous="keep", missing="drop")
    some = score(
        vcf, [model], tmp_path / "some", ambiguous="keep", missing="drop", samples=["s7", "s3"]
    )
    assert some.risk["sample"].to_list() == ["s3", "s7"]
    np.testing.assert_array_equal(some.scores(), everybody.scores()[[3, 7]])


def test_a_second_model_changes_nothing_in_the_first(cohort, tmp_path):
    vcf, model, records = cohort
    second = write_model(tmp_path / "second.txt", random_rows(records[::2], 5))
    alone = score(vcf, [model], tmp_path / "alone", ambiguous="keep")
    for order in ([model, second], [second, model]):
        both = score(vcf, order, tmp_path / order[0].stem, ambiguous="keep")
        assert both.risk.filter(model="model").equals(alone.risk)
        assert both.models.filter(model="model").equals(alone.models)
        assert both.ledger.filter(model="model").equals(alone.ledger)


def test_counting_the_other_allele_with_the_opposite_sign_shifts_all_scores_alike(cohort, tmp_path):
    vcf, _, records = cohort
    usable = [r for r in records if "," not in r.alt]
    rows = random_rows(usable, 8)
    turned = [
        r | {
            "effect_allele": r["other_allele"],
            "other_allele": r["effect_allele"],
            "effect_weight": -r["effect_weight"],
        }
        for r in rows
    ]  # fmt: skip
    one = score(vcf, [write_model(tmp_path / "a.txt", rows)], tmp_path / "a", ambiguous="keep")
    two = score(vcf, [write_model(tmp_path / "b.txt", turned)], tmp_path / "b", ambiguous="keep")
    shift = 2 * sum(r["effect_weight"] for r in rows)
    np.testing.assert_allclose(one.scores() - two.scores(), shift, rtol=1e-12)
    np.testing.assert_allclose(one.ledger["share"], two.ledger["share"])
    assert one.models["n_exact"].item() == two.models["n_swapped"].item()


def test_splitting_multi_allelic_records_changes_no_score_of_an_alt(cohort, tmp_path):
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not installed")
    vcf, _, records = cohort
    rows = [row(r.contig, r.position, a, "A", 0.5) for r in records for a in r.alt.split(",")]
    model = write_model(tmp_path / "model.txt", rows)
    command = ["bcftools", "norm", "-m-", "-o", str(tmp_path / "split.vcf"), str(vcf)]
    subprocess.run(command, check=True, capture_output=True)
    whole = score(vcf, [model], tmp_path / "whole", ambiguous="keep")
    split = score(tmp_path / "split.vcf", [model], tmp_path / "split", ambiguous="keep")
    assert split.summary.page.record_counts["n_records"] > len(records)
    np.testing.assert_array_equal(split.scores(), whole.scores())
    np.testing.assert_array_equal(split.scores(column="average"), whole.scores(column="average"))


def test_bcftools_gives_a_call_of_two_alts_a_reference_allele_when_it_splits_the_record(tmp_path):
    together = [Record("1", 100, "A", "G,T", "1/2 0/1 0/0")]
    apart = [Record("1", 100, "A", "G", "1/0 0/1 0/0"), Record("1", 100, "A", "T", "0/1 0/0 0/0")]
    rows = [row("1", 100, "A", "G", 1.0)]
    scores = {}
    for name, records in (("together", together), ("apart", apart)):
        (tmp_path / name).mkdir()
        cohort = write_vcf(tmp_path / name / "cohort.vcf", records)
        model = write_model(tmp_path / name / "model.txt", rows)
        scores[name] = score(cohort, [model], tmp_path / name / "out").scores().tolist()
    assert scores == {"together": [0, 1, 2], "apart": [1, 1, 2]}


def test_regions_add_up_to_the_whole(cohort, tmp_path):
    vcf, model, _ = cohort
    whole = score(vcf, [model], tmp_path / "whole", ambiguous="keep")
    parts = [
        score(vcf, [model], tmp_path / f"part{i}", ambiguous="keep", region=region)
        for i, region in enumerate(("1", "chr22", "X:1-1500", "X:1501-9999"))
    ]
    np.testing.assert_allclose(
        sum(p.scores() for p in parts), whole.scores(), rtol=1e-12, atol=1e-12
    )
    assert sum(p.models["n_matched"].item() for p in parts) == whole.models["n_matched"].item()
    for part in parts:
        assert set(part.reasons) <= {*USED, "outside_region"}
        assert len(part.reasons) == 60


# ---------------------------------------------------------------- planted truth


def test_a_score_finds_the_trait_it_was_planted_in(tmp_path):
    rng = np.random.default_rng(2024)
    n, m, heritability = 2000, 100, 0.4
    frequency = rng.uniform(0.05, 0.5, m)
    copies = rng.binomial(2, frequency[:, None], (m, n))  # (variants, samples)
    effect = rng.normal(size=m)
    genetic = effect @ copies
    noise = rng.normal(size=n) * genetic.std() * math.sqrt(1 / heritability - 1)
    cells = np.array(["0/0", "0/1", "1/1"])[copies]
    records = [Record("1", 100 * (v + 1), "A", "G", " ".join(c)) for v, c in enumerate(cells)]
    cohort = write_vcf(tmp_path / "cohort.vcf", records)
    rows = [
        row("1", r.position, "G", "A", repr(float(b))) for r, b in zip(records, effect, strict=True)
    ]
    found = score(cohort, [write_model(tmp_path / "model.txt", rows)], tmp_path / "out", 2)
    np.testing.assert_allclose(found.scores(), genetic, rtol=1e-12, atol=1e-12)
    r = np.corrcoef(found.scores(), genetic + noise)[0, 1]
    # Fisher: atanh(r) is normal about atanh(sqrt(h2)) with standard deviation 1 / sqrt(n - 3).
    assert abs(math.atanh(r) - math.atanh(math.sqrt(heritability))) < 4 / math.sqrt(n - 3)
    np.testing.assert_allclose(
        found.ledger["effect_allele_frequency"], copies.mean(axis=1) / 2, rtol=1e-12
    )


# ---------------------------------------------------------------- proof of hom-ref


@pytest.fixture
def fasta(tmp_path):
    """Contig 1 of 400 bases: A at multiples of 10, elsewhere C."""
    path = tmp_path / "reference.fa"
    bases = "".join("A" if p % 10 == 0 else "C" for p in range(1, 401))
    path.write_text(f">chr1\n{bases}\n")
    pysam.faidx(str(path))
    return path


def run_variants(folder, records, variants, **options):
    """Score weight 1 per copy; a first, called variant keeps every run usable."""
    anchor = Record("1", 5, "C", "T", " ".join(["0/0"] * len(records[0].calls.split())))
    cohort = write_vcf(folder / "cohort.vcf", [anchor, *records])
    rows = [row("1", 5, "T", "C", 0.0), *(row("1", *v, 1.0) for v in variants)]
    found = score(cohort, [write_model(folder / "model.txt", rows)], folder / "out", **options)
    assert found.reasons[0] == "exact"
    return found


@pytest.mark.parametrize("alt", [".", "<NON_REF>", "<*>"])
def test_a_record_without_the_alt_proves_hom_ref_and_a_missing_call_there_does_not(alt, tmp_path):
    records = [Record("1", 100, "A", alt, "0/0 ./.")]
    found = run_variants(tmp_path, records, [(100, "G", "A"), (100, "A", "G")], missing="drop")
    assert found.reasons[1:] == ["hom_ref_called", "hom_ref_called"]
    assert found.scores().tolist() == [2.0, 0.0]
    assert found.risk["n_missing_calls"].to_list() == [0, 2]


def test_a_called_0_0_with_another_alt_proves_hom_ref(tmp_path):
    records = [Record("1", 100, "A", "T", "0/0 0/1 1/1 ./.")]
    found = run_variants(tmp_path, records, [(100, "G", "A"), (100, "A", "G")], missing="drop")
    assert found.reasons[1:] == ["hom_ref_called", "hom_ref_called"]
    assert found.scores().tolist() == [2.0, 1.0, 0.0, 0.0]


def test_another_alt_beside_non_ref_is_matched_in_its_own_row(tmp_path):
    records = [Record("1", 100, "A", "G,<NON_REF>", "0/1 0/0")]
    found = run_variants(tmp_path, records, [(100, "G", "A"), (100, "T", "A")])
    assert found.reasons[1:] == ["exact", "ambiguous"]
    assert found.scores().tolist() == [1.0, 0.0]


BLOCK = Record("1", 91, "C", "<NON_REF>", "0/0:30:50 0/0:9:50", info="END=120", format="GT:DP:GQ")


def test_the_interior_of_a_block_is_proved_with_the_reference_at_hand(fasta, tmp_path):
    variants = [(100, "G", "A"), (110, "A", "G"), (120, "G", "A"), (130, "G", "A"), (111, "G", "A")]
    found = run_variants(tmp_path, [BLOCK], variants, fasta=fasta, missing="drop")
    assert found.reasons[1:] == [
        "hom_ref_block", "hom_ref_block", "hom_ref_block", "absent", "alleles_differ",
    ]  # fmt: skip
    assert found.scores().tolist() == [2.0, 0.0]
    assert found.risk["n_missing_calls"].to_list() == [0, 3]  # a depth of 9 proves nothing
    assert found.models["n_hom_ref"].item() == 3


def test_the_interior_of_a_block_is_not_proved_without_the_reference(tmp_path):
    found = run_variants(tmp_path, [BLOCK], [(100, "G", "A"), (91, "T", "C")])
    assert found.reasons[1:] == ["reference_unknown", "hom_ref_called"]


def test_depth_and_quality_a_block_needs_are_the_users(fasta, tmp_path):
    shallow = run_variants(tmp_path, [BLOCK], [(100, "A", "G")], fasta=fasta, min_block_depth=5)
    assert shallow.scores().tolist() == [2.0, 2.0]
    assert shallow.risk["n_missing_calls"].to_list() == [0, 0]
    strict = run_variants(tmp_path, [BLOCK], [(100, "A", "G")], fasta=fasta, min_block_quality=51)
    assert strict.reasons[1:] == ["low_quality_block"]


def test_absent_variants_are_assumed_hom_ref_only_when_told_so_and_only_by_the_reference(
    fasta, tmp_path
):
    variants = [(100, "G", "A"), (110, "A", "G"), (111, "G", "A"), (390, "A", None)]
    records = [Record("1", 50, "A", "G", "0/1 0/0")]
    told = run_variants(tmp_path, records, variants, fasta=fasta, assume_hom_ref=True)
    assert told.reasons[1:] == ["hom_ref_assumed", "hom_ref_assumed", "absent", "hom_ref_assumed"]
    assert told.scores().tolist() == [4.0, 4.0]
    untold = run_variants(tmp_path, records, variants, fasta=fasta)
    assert untold.reasons[1:] == ["absent"] * 4
    assert untold.scores().tolist() == [0.0, 0.0]


def test_assuming_hom_ref_without_a_reference_is_a_usage_error(tmp_path):
    records = [Record("1", 50, "A", "G", "0/1 0/0")]
    with pytest.raises(UsageError, match="--assume-hom-ref needs --fasta FILE"):
        run_variants(tmp_path, records, [(100, "G", "A")], assume_hom_ref=True)
    assert not (tmp_path / "out").exists()


def test_absent_variants_are_filled_in_from_reference_frequencies(tmp_path):
    (tmp_path / "known.tsv").write_text(
        "chr_name\tchr_position\teffect_allele\tother_allele\tfrequency\n1\t100\tG\tA\t0.25\n"
    )
    records = [Record("1", 50, "A", "G", "0/1 0/0")]
    variants = [(100, "G", "A"), (100, "A", "G"), (110, "G", "A")]
    found = run_variants(
        tmp_path, records, variants, missing="reference-mean",
        reference_frequencies=tmp_path / "known.tsv",
    )  # fmt: skip
    assert found.reasons[1:] == ["imputed_reference", "imputed_reference", "absent"]
    assert found.scores() == pytest.approx([0.5 + 1.5] * 2)
    # 2p(1-p) is 0.375 twice, 0 at the first variant, and their mean at the one nothing is known of.
    assert found.scores(column="imputed_share") == pytest.approx([0.75 / (0.75 + 0.25)] * 2)
    assert found.scores(column="weighted_coverage") == pytest.approx([0, 0])


# ---------------------------------------------------------------- reasons


# The bookkeeping of readers: a record they refuse reaches no model variant.
OF_READERS = {"ploidy"}
# What --reads say: see test_risk_reads.py.
OF_READS = {"reads_hom_ref", "reads_alternative", "reads_no_coverage"}


def test_every_reason_has_a_variant_that_meets_it_and_no_variant_is_lost(fasta, tmp_path):
    records = [
        Record("1", 10, "A", "G", "0/0 0/1"),
        Record("1", 20, "A", "G", "0/0 0/1"),
        Record("1", 30, "A", "G", "0/0 0/1"),
        Record("1", 40, "A", "G", "0/0 0/1"),
        Record("1", 50, "A", "T", "0/0 0/1"),
        Record("1", 60, "A", "T", "0/0 0/1"),
        Record("1", 70, "A", "G", "./. ./."),
        BLOCK,
        Record("1", 131, "C", ".", "0/0:1:1 0/0:1:1", info="END=150", format="GT:DP:GQ"),
        Record("1", 160, "AC", "A", "0/0 0/1"),
    ]
    rows = [
        (row("1", 10, "G", "A", 1), "exact"),
        (row("1", 20, "A", "G", 1), "swapped"),
        (row("1", 30, "C", "T", 1), "flipped"),
        (row("1", 40, "T", "C", 1), "flipped_swapped"),
        (row("1", 50, "T", "A", 1), "ambiguous"),
        (row("1", 60, "G", "A", 1), "hom_ref_called"),
        (row("1", 70, "G", "A", 1), "monomorphic_no_call"),
        (row("1", 100, "G", "A", 1), "hom_ref_block"),
        (row("1", 140, "G", "A", 1), "low_quality_block"),
        (row("1", 160, "G", "A", 1), "alleles_differ"),
        (row("1", 200, "G", "A", 1, allelefrequency_effect=0.3), "imputed_reference"),
        (row("1", 210, "G", "A", 1), "absent"),
        (row("1", 390, "G", "A", 1), "outside_region"),
        (row("1", 10, "G", "A", 2), "duplicate_in_model"),
        (row("", "", "G", "A", 1, rsID="rs1"), "no_position"),
        (row("1", 220, "", "A", 1), "no_effect_allele"),
        (row("1", 221, "N", "A", 1), "bad_alleles"),
        (row("1", 222, "G", "A", "nan"), "bad_weight"),
        (row("1", 223, "G", "A", 1, effect_type="codominant"), "bad_effect_type"),
        (row("1", 224, "G", "A", 1, is_haplotype="True"), "haplotype"),
        (row("1", 225, "G", "A", 1, is_interaction="True"), "interaction"),
        (row("1", 226, "G", "A", 1, inclusion_criteria="carriers of E4"), "conditional"),
    ]
    cohort = write_vcf(tmp_path / "cohort.vcf", records)
    model = write_model(tmp_path / "model.txt", [r for r, _ in rows])
    found = score(
        cohort, [model], tmp_path / "out", fasta=fasta, region="1:1-300", ambiguous="drop",
        missing="reference-mean",
    )  # fmt: skip
    expected = [reason for _, reason in rows]
    assert found.reasons == expected
    assert found.ledger["source_line"].to_list() == list(range(3, 3 + len(rows)))
    elsewhere = {"hom_ref_assumed", "reference_unknown"}
    assert set(expected) | elsewhere | OF_READERS | OF_READS == set(REASONS)
    m = found.models.row(0, named=True)
    assert m["n_matched"] == sum(reason in USED for reason in expected)
    assert m["n_matched"] + m["n_dropped"] == m["n_variants"] == len(rows)
    counts = found.summary.page.record_counts
    refused = sum(counts["refused"].values())
    assert counts["n_records"] == counts["n_passed_over"] + counts["n_emitted"] + refused == 10


def test_a_duplicate_record_is_left_out_and_noted(tmp_path):
    records = [Record("1", 100, "A", "G", "0/1 0/0"), Record("1", 100, "A", "G", "1/1 1/1")]
    found = run_variants(tmp_path, records, [(100, "G", "A")])
    assert found.scores().tolist() == [1.0, 0.0]
    assert found.summary.page.record_counts["notes"]["duplicate_position"] == 1
    assert found.ledger.filter(pl.col("position") == 100).height == 1


def test_records_of_one_position_are_judged_together_whatever_the_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(step, "_batch_bytes", lambda max_memory: 1)
    records = [Record("1", 100, "A", "T", "0/1 0/0"), Record("1", 100, "A", "G", "0/0 0/1")]
    found = run_variants(tmp_path, records, [(100, "G", "A")])
    assert found.reasons[1:] == ["exact"]
    assert found.scores().tolist() == [0.0, 1.0]


# ---------------------------------------------------------------- what a run leaves


def test_no_variant_at_all_is_an_error_that_leaves_nothing(tmp_path):
    cohort = write_vcf(tmp_path / "cohort.vcf", [Record("1", 100, "A", "G", "0/1")])
    model = write_model(tmp_path / "model.txt", [row("1", 999, "G", "A", 1)])
    with pytest.raises(CoverageError, match="no variant of any model was found"):
        score(cohort, [model], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_error_leaves_an_older_result_as_it_was(tmp_path):
    cohort = write_vcf(tmp_path / "cohort.vcf", [Record("1", 100, "A", "G", "0/1")])
    model = write_model(tmp_path / "model.txt", [row("1", 100, "G", "A", 1)])
    score(cohort, [model], tmp_path / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    cohort.write_text(vcf_text([Record("1", 100, "A", "G", "0/7")]))
    with pytest.raises(Exception, match="names an allele that the line does not have"):
        score(cohort, [model], tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before


def test_provenance_names_inputs_settings_and_counts(cohort, tmp_path):
    vcf, model, records = cohort
    found = score(vcf, [model], tmp_path / "out", ambiguous="keep")
    facts = json.loads((found.out / "run.json").read_text())
    assert {str(vcf), str(model)} <= set(facts["inputs"])
    assert facts["settings"]["ambiguous"] == "keep"
    assert facts["records"]["n_records"] == len(records)
    assert set(facts["settings"]) == set(RiskSettings.__dataclass_fields__)
    metadata = pl.read_parquet_metadata(found.out / "risk.parquet")
    assert json.loads(metadata["genomed"])["inputs"] == facts["inputs"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # an open file
def test_memory_for_the_sums_is_checked_before_reading(cohort, tmp_path, monkeypatch):
    vcf, model, _ = cohort
    monkeypatch.setattr(step, "LEAST_MEMORY", 0)
    inputs = step.RiskInputs(str(vcf), (str(model),))
    with pytest.raises(UsageError, match="raise --max-memory"):
        step.run_risk(inputs, tmp_path / "out", RiskSettings(), max_memory=2000)


def test_a_variant_under_a_called_deletion_is_never_assumed_hom_ref(fasta, tmp_path):
    deletion = Record("1", 98, "AAA", "A", "1/1 0/0")
    found = run_variants(tmp_path, [deletion], [(100, "G", "A")], fasta=fasta, assume_hom_ref=True)
    assert found.reasons[1:] == ["alleles_differ"]


def test_a_record_inside_a_reference_block_is_warned_of(fasta, tmp_path):
    inside = Record("1", 100, "A", "G", "0/1 1/1")
    found = run_variants(tmp_path, [BLOCK, inside], [(100, "G", "A")], fasta=fasta)
    assert found.reasons[1:] == ["hom_ref_block"]
    assert "in a reference block and in a record of" in " ".join(found.summary.page.warnings)


def test_a_record_refused_for_ploidy_is_never_taken_for_absent(fasta, tmp_path):
    triploid = Record("1", 100, "A", "G", "0/1/1 0/0/0")
    found = run_variants(tmp_path, [triploid], [(100, "G", "A")], fasta=fasta, assume_hom_ref=True)
    assert found.reasons[1:] == ["ploidy"]


def test_less_memory_than_the_program_itself_takes_is_refused(tmp_path):
    with pytest.raises(UsageError, match="too little"):
        step.run_risk(
            step.RiskInputs("any.vcf"), tmp_path / "out", RiskSettings(), max_memory=1 << 20
        )
    assert not (tmp_path / "out").exists()


def test_ambiguous_variants_that_cost_the_score_are_named_with_the_remedy(tmp_path):
    records = [Record("1", 100, "A", "T", "0/1 1/1"), Record("1", 200, "C", "T", "0/1 0/0")]
    cohort = write_vcf(tmp_path / "cohort.vcf", records)
    rows = [row("1", 100, "T", "A", 2.0), row("1", 200, "T", "C", 0.1)]
    model = write_model(tmp_path / "model.txt", rows)
    found = score(cohort, [model], tmp_path / "out", ambiguous="drop", min_weighted_coverage=0.75)
    assert found.reasons == ["ambiguous", "exact"]
    said = " ".join(found.summary.page.warnings)
    assert "1 A/T or C/G variants were left out" in said
    assert "--ambiguous keep" in said
