"""`genomed reads score` over calls of freebayes, and over calls that were made up."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pytest
from datafiles import shared_data
from small_alignments import Read, random_bases, write_bam

from genomed.errors import InputError
from genomed.settings import ReadsScoreSettings
from genomed.steps.reads_score import ReadsScoreInputs, ReadsScoreSummary, run_reads_score
from genomed.tables import TABLES

REFERENCE = random_bases(np.random.default_rng(8), 3000)
HEAD = (
    "##fileformat=VCFv4.2\n##contig=<ID=1,length=3000>\n"
    '##FILTER=<ID=old,Description="Of another program">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
)


def other(base: str) -> str:
    return "ACGT"[("ACGT".index(base) + 1) % 4]


def row(position: int, ref: str, alt: str, filters: str = ".") -> str:
    return f"1\t{position}\t.\t{ref}\t{alt}\t9\t{filters}\t.\n"


def made_up(folder: Path, *rows: str) -> tuple[Path, Path, Path]:
    """Forty reads; half have another base at 1000 and lack two bases behind 1500."""
    changed = REFERENCE[:999] + other(REFERENCE[999]) + REFERENCE[1000:1500] + REFERENCE[1502:]
    reads = []
    for k in range(80):
        start, at = [(900, 900), (1420, 1420)][k % 2]
        start += k
        source = [REFERENCE, changed][(k // 2) % 2]
        inside = source is changed and at == 1420
        cigar = f"{1500 - start}M2D{100 - 1500 + start}M" if inside else "100M"
        flag = 16 if (k // 4) % 2 else 0
        reads.append(Read(f"r{k}", start, cigar, source[start : start + 100], 35, flag))
    bam = write_bam(folder / "reads.bam", reads, {"1": len(REFERENCE), "2": 500})
    fasta = folder / "ref.fa"
    fasta.write_text(f">1\n{REFERENCE}\n>2\n{REFERENCE[:500]}\n")
    vcf = folder / "calls.vcf"
    vcf.write_text(HEAD + "".join(rows))
    return vcf, bam, fasta


def run(
    files: tuple[Path, Path, Path], out: Path, known: Path | None = None, threads: int = 1,
    **settings: object,
) -> ReadsScoreSummary:  # fmt: skip
    return run_reads_score(
        ReadsScoreInputs(*files, known=known, model="none"), out,
        ReadsScoreSettings(**settings), threads=threads,
    )  # fmt: skip


def scores(summary: ReadsScoreSummary) -> pl.DataFrame:
    return pl.read_parquet(summary.outputs["scores.parquet"])


def records(summary: ReadsScoreSummary) -> list[pysam.VariantRecord]:
    with pysam.VariantFile(str(summary.outputs["scored.vcf.gz"])) as file:
        return [record.copy() for record in file]


def test_what_reads_show_is_likely_and_what_they_do_not_show_is_not(tmp_path: Path) -> None:
    snp, wrong = REFERENCE[999], REFERENCE[1449]
    gap = REFERENCE[1499:1502]
    files = made_up(
        tmp_path, row(1000, snp, other(snp)), row(1450, wrong, other(wrong)),
        row(1500, gap, gap[0]),
    )  # fmt: skip
    summary = run(files, tmp_path / "out")
    table = scores(summary)
    assert table.columns == list(TABLES["reads_scores"])
    assert table["kind"].to_list() == ["SNP", "SNP", "INDEL"]
    true, false, deletion = table["log_odds"].to_list()
    assert true > 10
    assert deletion > 10
    assert false < -5
    assert [list(r.filter) for r in records(summary)] == [
        ["PASS"], ["CNN_SNP_99.95_100.00"], ["PASS"]
    ]  # fmt: skip
    assert summary.tranches["SNP"] == {"PASS": 1, "CNN_SNP_99.95_100.00": 1}


def test_a_complex_allele_is_as_sure_as_its_least_sure_change(tmp_path: Path) -> None:
    ref = REFERENCE[999:1003]
    both = other(ref[0]) + ref[1:3] + other(ref[3])
    files = made_up(
        tmp_path, row(1000, ref, both), row(1000, ref[0], other(ref[0])),
        row(1003, ref[3], other(ref[3])),
    )  # fmt: skip
    together, first, second = scores(run(files, tmp_path / "out"))["log_odds"].to_list()
    assert first > 10
    assert together == second < 0


def test_the_genotype_that_reads_show_is_the_sure_one(tmp_path: Path) -> None:
    snp = REFERENCE[999]
    vcf, bam, fasta = made_up(tmp_path)
    genotypes = ("0/1", "1|1", "./1")
    declared = '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">'
    head = HEAD.replace("##FILTER", f"{declared}\n##FILTER")
    rows = [row(1000, snp, other(snp)).strip() + f"\tGT\t{one}\n" for one in genotypes]
    vcf.write_text(head.replace("INFO\n", "INFO\tFORMAT\tx\n") + "".join(rows))
    summary = run((vcf, bam, fasta), tmp_path / "out")
    het, hom, half = scores(summary)["genotype_log_odds"].to_list()
    assert het > 5
    assert hom < -5
    assert half is None
    assert [("CNN_GT_LOD" in r.info) for r in records(summary)] == [True, True, False]
    assert scores(summary)["log_odds"].n_unique() == 1


def test_calls_without_reads_or_bases_are_not_scored(tmp_path: Path) -> None:
    far, snp = REFERENCE[2899], REFERENCE[999]
    files = made_up(
        tmp_path, row(1000, snp, "<DEL>", "old"), row(1000, snp, "."), row(2900, far, other(far))
    )
    summary = run(files, tmp_path / "out")
    assert (summary.records, summary.unscored) == (3, 3)
    assert [list(r.filter) for r in records(summary)] == [["old"], [], []]


def test_filters_of_others_stay_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    snp, wrong = REFERENCE[999], REFERENCE[1449]
    files = made_up(
        tmp_path, row(1000, snp, other(snp), "old"), row(1450, wrong, other(wrong), "old")
    )
    first = run(files, tmp_path / "one").outputs["scored.vcf.gz"]
    second = run((first, *files[1:]), tmp_path / "two").outputs["scored.vcf.gz"]
    with pysam.BGZFile(str(first)) as one, pysam.BGZFile(str(second)) as two:
        text = one.read()
        assert text == two.read()
    filters = [line.split(b"\t")[6] for line in text.splitlines() if line[:1] != b"#"]
    assert filters == [b"old", b"old;CNN_SNP_99.95_100.00"]


def test_known_variants_tell_tranches(tmp_path: Path) -> None:
    snp, wrong = REFERENCE[999], REFERENCE[1449]
    files = made_up(tmp_path, row(1000, snp, other(snp)), row(1450, wrong, other(wrong)))
    known = tmp_path / "known.vcf"
    # The same base, spelt with one more beside it
    text = REFERENCE[998:1000]
    known.write_text(HEAD + row(999, text, text[0] + other(snp)))
    summary = run(files, tmp_path / "out", known)
    assert scores(summary)["known"].to_list() == [True, False]
    assert summary.thresholds["SNP"]["99.95"] == pytest.approx(scores(summary)["log_odds"][0])


def test_crowded_places_are_scored_whole(tmp_path: Path) -> None:
    rows = [row(p, REFERENCE[p - 1], other(REFERENCE[p - 1])) for p in range(990, 1030)]
    summary = run(made_up(tmp_path, *rows), tmp_path / "out")
    table = scores(summary)
    assert summary.unscored == 0
    assert table["log_odds"].arg_max() == 10


def test_another_reference_is_refused(tmp_path: Path) -> None:
    snp = REFERENCE[999]
    vcf, bam, fasta = made_up(tmp_path, row(1000, snp, other(snp)))
    vcf.write_text(HEAD + row(1000, other(snp), snp))
    with pytest.raises(InputError, match=r"calls.vcf, line 5: REF is .*give the reference"):
        run((vcf, bam, fasta), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_reference_with_another_md5_than_the_reads_is_refused(tmp_path: Path) -> None:
    snp = REFERENCE[999]
    vcf, bam, fasta = made_up(tmp_path, row(1000, snp, other(snp)))
    with pysam.AlignmentFile(str(bam)) as file:
        header, reads = file.header.to_dict(), list(file)
    header["SQ"][0]["M5"] = "0" * 32
    with pysam.AlignmentFile(str(bam), "wb", header=header) as file:
        for read in reads:
            file.write(read)
    pysam.index(str(bam))
    with pytest.raises(InputError, match="another MD5"):
        run((vcf, bam, fasta), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_several_samples_need_a_choice(tmp_path: Path) -> None:
    snp = REFERENCE[999]
    vcf, bam, fasta = made_up(tmp_path, row(1000, snp, other(snp)))
    two = tmp_path / "two.bam"
    with pysam.AlignmentFile(str(bam)) as source:
        header = source.header.to_dict()
        header["RG"].append({"ID": "two", "SM": "another"})
        with pysam.AlignmentFile(str(two), "wb", header=header) as out:
            for read in source:
                out.write(read)
    pysam.index(str(two))
    with pytest.raises(InputError, match="choose one with --sample"):
        run((vcf, two, fasta), tmp_path / "out")
    summary = run((vcf, two, fasta), tmp_path / "out", sample="person")
    assert summary.unscored == 0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ReadsScoreSummary]:
    folder = shared_data("reads/freebayes_tiny")
    files = (folder / "NA12878.chr22.tiny.vcf", folder / "NA12878.chr22.tiny.bam", folder / "q.fa")
    return folder, run(files, tmp_path_factory.mktemp("score") / "out")


def average_precision(score: np.ndarray, is_true: np.ndarray) -> float:
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(is_true[order])
    return float((hits / np.arange(1, len(hits) + 1))[is_true[order]].mean())


def test_snps_of_freebayes_are_ranked_no_worse_than_by_their_quality(
    tiny: tuple[Path, ReadsScoreSummary],
) -> None:
    folder, summary = tiny
    with pysam.VariantFile(str(folder / "NA12878.chr22.tiny.giab.vcf")) as file:
        truth = {(r.pos, a) for r in file for a in r.alts}
    # The truth lacks the indels that the reads show
    rows = [r for r in records(summary) if len(r.ref) == len(r.alts[0]) == 1]
    is_true = np.array([any((r.pos, a) in truth for a in r.alts) for r in rows])
    quality = np.array([r.qual for r in rows])
    found = np.array([max(r.info["CNN_LOD"]) for r in rows])
    assert summary.unscored == 0
    assert is_true.sum() >= 8
    assert average_precision(found, is_true) >= average_precision(quality, is_true) - 0.01


def test_threads_change_nothing(tiny: tuple[Path, ReadsScoreSummary], tmp_path: Path) -> None:
    folder, summary = tiny
    files = (folder / "NA12878.chr22.tiny.vcf", folder / "NA12878.chr22.tiny.bam", folder / "q.fa")
    again = run(files, tmp_path / "out", threads=3)
    assert scores(again).equals(scores(summary))


def test_bcftools_accepts_the_scored_calls(tiny: tuple[Path, ReadsScoreSummary]) -> None:
    if shutil.which("bcftools") is None:
        pytest.skip("bcftools is not installed")
    _, summary = tiny
    path = str(summary.outputs["scored.vcf.gz"])
    command = ["bcftools", "query", "-f", "%POS %FILTER %INFO/CNN_LOD\n", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == summary.records


def test_run_json_says_what_judged(tiny: tuple[Path, ReadsScoreSummary]) -> None:
    _, summary = tiny
    facts = json.loads(summary.outputs["run.json"].read_text())
    assert facts["model"] == {"kind": "none"}
    assert facts["tranches"] == summary.tranches
    footer = pl.read_parquet_metadata(summary.outputs["scores.parquet"])["genomed"]
    assert json.loads(footer)["inputs"] == facts["inputs"]
    assert len(facts["inputs"]) == 3


def test_a_tranche_of_an_earlier_run_goes_where_nothing_is_scored_now(tmp_path: Path) -> None:
    base, earlier = REFERENCE[999], "CNN_SNP_99.95_100.00"
    filters = [earlier, f"old;{earlier}", "old", "PASS"]
    rows = [row(1000, base, "<DEL>", one) for one in filters]
    run(made_up(tmp_path, *rows), tmp_path / "out")
    with pysam.BGZFile(str(tmp_path / "out/scored.vcf.gz")) as file:
        lines = file.read().decode().splitlines()
    found = [line.split("\t")[6] for line in lines if line[0] != "#"]
    assert found == [".", "old", "old", "PASS"]
