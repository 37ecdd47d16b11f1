"""`reads call`: what it finds, what it writes, and what it refuses."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pysam
import pytest
from datafiles import shared_data
from small_alignments import Read, random_bases, write_bam

from genomed.errors import InputError
from genomed.io.alignments import AlignmentReader
from genomed.regions import Region
from genomed.settings import CallSettings
from genomed.steps.reads_call import ReadsCallInputs, run_reads_call

LENGTH = 3_000
READ = 100


def write_fasta(path: Path, bases: str, contig: str = "1") -> Path:
    path.write_text(f">{contig}\n{bases}\n")
    pysam.faidx(str(path))
    return path


class Person:
    """A contig of random bases with changes on one or two copies, and exact alignments."""

    def __init__(self, seed: int, changes: dict[int, tuple[str, str, str]]) -> None:
        """changes : 0-based place -> (ref, alleles of copy one and two)"""
        self.rng = np.random.default_rng(seed)
        self.bases = random_bases(self.rng, LENGTH)
        for place, (ref, _, _) in changes.items():
            self.bases = self.bases[:place] + ref + self.bases[place + len(ref) :]
        self.changes = changes

    def read(self, copy: int, start: int, name: str, flag: int) -> Read:
        """A read of 100 bases of one copy that begins at a place of the reference."""
        bases, cigar, at = "", [], start
        while len(bases) < READ:
            ref, *alleles = self.changes.get(at, (self.bases[at], self.bases[at], self.bases[at]))
            allele = alleles[copy]
            shared = min(len(ref), len(allele))
            bases += allele
            cigar.append((shared, "M"))
            if len(allele) > shared:
                cigar.append((len(allele) - shared, "I"))
            elif len(ref) > shared:
                cigar.append((len(ref) - shared, "D"))
            at += len(ref)
        merged: list[list[int | str]] = []
        for size, operation in cigar:
            if merged and merged[-1][1] == operation:
                merged[-1][0] = int(merged[-1][0]) + size
            else:
                merged.append([size, operation])
        text = "".join(f"{size}{operation}" for size, operation in merged)
        return Read(name, start, text, bases, 35, flag)

    def reads(self, depth: int) -> list[Read]:
        """So many reads over each place, on both strands, of both copies."""
        n = depth * LENGTH // READ
        starts = self.rng.integers(0, LENGTH - READ - 60, n)
        return [
            self.read(
                int(self.rng.integers(2)), int(start), f"r{i}", 16 * int(self.rng.integers(2))
            )
            for i, start in enumerate(starts)
        ]


@pytest.fixture(scope="module")
def person() -> Person:
    """A heterozygous and a homozygous SNP, a deletion, an insertion, and two insertions at once."""
    return Person(
        7,
        {
            500: ("A", "A", "G"),
            900: ("C", "T", "T"),
            1300: ("GACT", "GACT", "G"),
            1700: ("T", "TACCGA", "TACCGA"),
            2100: ("G", "GAC", "GT"),
            2500: ("A", "C", "G"),
        },
    )


@pytest.fixture(scope="module")
def files(person: Person, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("call")
    fasta = write_fasta(folder / "ref.fa", person.bases)
    return write_bam(folder / "reads.bam", person.reads(40), {"1": LENGTH}), fasta


def called(out: Path, name: str = "calls.vcf.gz") -> dict[tuple[int, str, str], str]:
    """(position, ref, alts) -> genotype."""
    with pysam.VariantFile(str(out / name)) as file:
        return {
            (r.pos, r.ref or "", ",".join(r.alts or ())): "/".join(
                "." if a is None else str(a) for a in r.samples[0]["GT"]
            )
            for r in file
        }


def run(files: tuple[Path, Path], out: Path, **inputs: object) -> Path:
    settings = inputs.pop("settings", CallSettings())
    threads = inputs.pop("threads", 1)
    run_reads_call(
        ReadsCallInputs(files[0], files[1], **inputs),
        out,
        settings,
        threads=threads,  # type: ignore[arg-type]
    )
    return out


def test_every_kind_of_variant_is_found_with_its_genotype(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    found = called(run(files, tmp_path / "out"))
    assert found[501, "A", "G"] == "0/1"
    assert found[901, "C", "T"] == "1/1"
    assert found[1301, "GACT", "G"] == "0/1"
    assert found[1701, "T", "TACCGA"] == "1/1"
    both = [key for key in found if key[0] == 2101]
    assert [found[key] for key in both] == ["1/2"]
    assert set(both[0][2].split(",")) == {"GAC", "GT"}
    snps = [key for key in found if key[0] == 2501]
    assert [found[key] for key in snps] == ["1/2"]
    assert len(found) == 6


def test_the_shipped_caller_finds_the_same_with_the_same_bytes_for_any_threads(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    one = run(files, tmp_path / "one", model="shipped")
    two = run(files, tmp_path / "two", model="shipped", threads=2)
    assert (one / "calls.vcf.gz").read_bytes() == (two / "calls.vcf.gz").read_bytes()
    assert called(one) == called(run(files, tmp_path / "none"))
    assert json.loads((one / "run.json").read_text())["model"] == {
        "kind": "trained", "bundle": "shipped"
    }  # fmt: skip


def test_calls_are_the_same_for_any_threads_and_for_each_region(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    one = run(files, tmp_path / "one")
    two = run(files, tmp_path / "two", threads=3)
    assert (one / "calls.vcf.gz").read_bytes() == (two / "calls.vcf.gz").read_bytes()
    parts: dict[tuple[int, str, str], str] = {}
    for n, (start, end) in enumerate([(0, 1310), (1310, 2100), (2100, LENGTH)]):
        parts |= called(run(files, tmp_path / str(n), regions=(Region("1", start, end),)))
    assert parts == called(one)


def test_a_gvcf_covers_every_position_once_and_bcftools_reads_it(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = run(files, tmp_path / "out", gvcf=True)
    covered = np.zeros(LENGTH, int)
    with pysam.VariantFile(str(out / "calls.g.vcf.gz")) as file:
        for record in file:
            covered[record.start : record.stop] += 1
    assert (covered == 1).all()
    variants = {
        key: genotype for key, genotype in called(out, "calls.g.vcf.gz").items() if key[2] != "<*>"
    }
    assert variants == called(run(files, tmp_path / "plain"))
    if shutil.which("bcftools"):
        done = subprocess.run(
            ["bcftools", "norm", "-f", files[1], "-c", "e", out / "calls.g.vcf.gz"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "0/0/0" in done.stderr.replace(" ", "") or "realigned" in done.stderr


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="no bcftools")
def test_bcftools_finds_nothing_to_normalise_in_the_calls(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = run(files, tmp_path / "out") / "calls.vcf.gz"
    done = subprocess.run(
        ["bcftools", "norm", "-f", files[1], "-c", "e", out], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    before = [line for line in subprocess.run(
        ["bcftools", "view", "-H", out], capture_output=True, text=True, check=True
    ).stdout.splitlines()]  # fmt: skip
    after = [line for line in done.stdout.splitlines() if line[0] != "#"]
    assert [line.split("\t")[:5] for line in before] == [line.split("\t")[:5] for line in after]


def test_all_alleles_asked_for_at_a_place_are_written_or_counted(tmp_path: Path) -> None:
    bases = random_bases(np.random.default_rng(3), 600)
    fasta = write_fasta(tmp_path / "ref.fa", bases)
    reads = [Read(f"r{i}", i, f"{READ}M", bases[i : i + READ], 30, 16 * (i % 2)) for i in range(90)]
    bam = write_bam(tmp_path / "x.bam", reads, {"1": 600})
    others = [base for base in "ACGT" if base != bases[94]]
    sites = tmp_path / "sites.vcf"
    head = "##fileformat=VCFv4.2\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    for n_alts in (2, 3):
        alts = ",".join(others[:n_alts])
        sites.write_text(f"{head}1\t95\t.\t{bases[94]}\t{alts}\t.\t.\t.\n")
        summary = run_reads_call(
            ReadsCallInputs(bam, fasta, sites=sites), tmp_path / f"out{n_alts}", CallSettings()
        )
        with pysam.VariantFile(str(tmp_path / f"out{n_alts}/calls.vcf.gz")) as file:
            (record,) = file
            assert (record.pos, len(record.alts), record.qual) == (95, 2, 0)
            assert set(record.alts) <= set(others[:n_alts])
            assert record.samples[0]["GT"] == (0, 0)
        assert summary.counts["not_judged"] == n_alts - 2
        assert len(summary.warnings) == n_alts - 2 + (not AlignmentReader(bam).samples)


def test_sites_are_called_whatever_the_reads_show(
    files: tuple[Path, Path], person: Person, tmp_path: Path
) -> None:
    base = person.bases
    other = "ACGT".replace(base[599], "")[0]
    sites = tmp_path / "sites.vcf"
    rows = [
        ("1", 501, "A", "G"), ("1", 600, base[599], other),
        ("1", 1301, "GACT", "G"), ("1", 2_990, base[2989], "ACGT".replace(base[2989], "")[0]),
    ]  # fmt: skip
    sites.write_text(
        "##fileformat=VCFv4.3\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        + "".join(f"{c}\t{p}\t.\t{r}\t{a}\t.\t.\t.\n" for c, p, r, a in rows)
    )
    found = called(run(files, tmp_path / "out", sites=sites))
    assert found == {
        (501, "A", "G"): "0/1", (600, base[599], other): "0/0", (1301, "GACT", "G"): "0/1",
        (2990, rows[3][2], rows[3][3]): "./.",
    }  # fmt: skip


def test_counts_are_of_the_sites_that_were_asked_for(
    files: tuple[Path, Path], person: Person, tmp_path: Path
) -> None:
    """The SNP at 501 lies between two that were asked for, and is neither written nor counted."""
    sites = tmp_path / "sites.vcf"
    header = (
        "##fileformat=VCFv4.3\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    )
    refs = [(position, person.bases[position - 1]) for position in (491, 511)]
    rows = [f"1\t{p}\t.\t{r}\t{'ACGT'.replace(r, '')[0]}\t.\t.\t.\n" for p, r in refs]
    sites.write_text(header + "".join(rows))
    out = run(files, tmp_path / "out", sites=sites)
    assert list(called(out).values()) == ["0/0", "0/0"]
    counts = json.loads((out / "run.json").read_text())["counts"]
    assert (counts["candidate_sites"], counts["snps"], counts["below_min_qual"]) == (2, 0, 2)
    sites.write_text(header)
    facts = json.loads((run(files, tmp_path / "none", sites=sites) / "run.json").read_text())
    assert facts["warnings"] == ["--sites has no alleles: there is nothing to judge."]


def test_sites_of_which_none_can_be_looked_for_are_refused(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    sites = tmp_path / "sites.vcf"
    sites.write_text(
        "##fileformat=VCFv4.3\n##contig=<ID=7>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        "7\t501\t.\tA\tG\t.\t.\t.\n7\t502\t.\tA\t<DEL>\t.\t.\t.\n"
    )
    with pytest.raises(InputError, match=r"sites\.vcf: none of its alleles .* lack the contig"):
        run(files, tmp_path / "out", sites=sites)
    assert not (tmp_path / "out").exists()


def test_alleles_that_cannot_be_looked_for_are_counted_by_reason(
    files: tuple[Path, Path], person: Person, tmp_path: Path
) -> None:
    other = "ACGT".replace(person.bases[599], "")[0]
    rows = [("7", 5, "A", "G"), ("8", 5, "A", "G"), ("1", 600, other, "A"), ("1", 501, "A", "G")]
    sites = tmp_path / "sites.vcf"
    sites.write_text(
        "##fileformat=VCFv4.3\n##contig=<ID=1>\n##contig=<ID=7>\n##contig=<ID=8>\n"
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        + "".join(f"{c}\t{p}\t.\t{r}\t{a}\t.\t.\t.\n" for c, p, r, a in rows)
    )
    out = run(files, tmp_path / "out", sites=sites)
    facts = json.loads((out / "run.json").read_text())
    assert facts["counts"]["refused_contig_not_in_reference"] == 2
    assert facts["counts"]["refused_ref_mismatch"] == 1
    assert [text.partition(";")[0] for text in facts["warnings"]] == [
        "2 alleles of --sites cannot be looked for: the reads or their reference lack the contig",
        "1 alleles of --sites cannot be looked for: REF is not what the reference has there",
    ]
    assert list(called(out)) == [(501, "A", "G")]


def test_ten_thousand_reads_over_a_site_lose_no_site(tmp_path: Path) -> None:
    deep = Person(3, {1500: ("A", "A", "G"), 1560: ("C", "CTT", "C")})
    rng = np.random.default_rng(1)
    starts = rng.integers(1405, 1495, 12_000)
    reads = [
        deep.read(i % 2, int(start), f"r{i}", 16 * int(rng.integers(2)))
        for i, start in enumerate(starts)
    ]
    fasta = write_fasta(tmp_path / "ref.fa", deep.bases)
    bam = write_bam(tmp_path / "deep.bam", reads, {"1": LENGTH})
    out = tmp_path / "out"
    summary = run_reads_call(ReadsCallInputs(bam, fasta), out, CallSettings())
    found = called(out)
    assert found[1501, "A", "G"] == "0/1"
    assert found[1561, "C", "CTT"] == "0/1"
    assert len(found) == 2
    assert summary.counts["thinned_sites"] == 2
    assert any("even sample" in warning for warning in summary.warnings)


@pytest.mark.parametrize(("strands", "expected"), [((0,), 0), ((0, 16), 1)])
def test_an_allele_that_few_reads_of_one_strand_show_is_doubted(
    strands: tuple[int, ...], expected: int, tmp_path: Path
) -> None:
    people = Person(5, {1500: ("A", "A", "G")})
    reads = []
    for i in range(40):
        flag = 16 * (i % 2)
        copy = int(i // 2 % 4 == 0 and flag in strands)
        reads.append(people.read(copy, 1410 + 2 * i, f"r{i}", flag))
    bam = write_bam(tmp_path / "reads.bam", reads, {"1": LENGTH})
    fasta = write_fasta(tmp_path / "ref.fa", people.bases)
    assert len(called(run((bam, fasta), tmp_path / "out"))) == expected


def test_reads_without_bases_or_qualities_do_no_harm(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    path = tmp_path / "bare.bam"
    with (
        pysam.AlignmentFile(str(files[0])) as source,
        pysam.AlignmentFile(str(path), "wb", template=source) as file,
    ):
        for i, read in enumerate(source):
            if i % 10 == 0:
                read.query_sequence = None
            elif i % 10 == 1:
                read.query_qualities = None
            file.write(read)
    assert called(run((path, files[1]), tmp_path / "bare")) == called(run(files, tmp_path / "out"))


def test_no_coverage_gives_no_calls_and_says_so(files: tuple[Path, Path], tmp_path: Path) -> None:
    bam = write_bam(tmp_path / "none.bam", [], {"1": LENGTH})
    summary = run_reads_call(
        ReadsCallInputs(bam, files[1], gvcf=True), tmp_path / "out", CallSettings()
    )
    assert any("no coverage" in warning for warning in summary.warnings)
    assert called(tmp_path / "out", "calls.g.vcf.gz") == {}


def test_a_region_beyond_its_contig_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 ends at .*, before the region 1:900001-900100"):
        run(files, tmp_path / "out", regions=(Region("1", 900_000, 900_100),))
    assert not (tmp_path / "out").exists()


def test_sites_that_cannot_be_read_are_told_by_place(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    sites = tmp_path / "sites.vcf"
    head = "##fileformat=VCFv4.2\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    sites.write_text(f"{head}1\t10\t.\tA\tC\t.\t.\t.\n1\tten\t.\tA\tC\t.\t.\t.\n")
    with pytest.raises(
        InputError, match=r"sites\.vcf: cannot be read .* after 1:10 .*bcftools view"
    ):
        run(files, tmp_path / "out", sites=sites)


def test_of_several_samples_one_must_be_chosen(
    files: tuple[Path, Path], person: Person, tmp_path: Path
) -> None:
    header = pysam.AlignmentHeader.from_dict({
        "HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": "1", "LN": LENGTH}],
        "RG": [{"ID": "a", "SM": "anna"}, {"ID": "b", "SM": "ben"}],
    })  # fmt: skip
    path = tmp_path / "two.bam"
    with (
        pysam.AlignmentFile(str(files[0])) as source,
        pysam.AlignmentFile(str(path), "wb", header=header) as file,
    ):
        for i, read in enumerate(source):
            again = pysam.AlignedSegment.fromstring(read.to_string(), header)
            again.set_tag("RG", "ab"[i % 2])
            file.write(again)
    pysam.index(str(path))
    with pytest.raises(InputError, match=r"anna, ben.*--sample"):
        run((path, files[1]), tmp_path / "out")
    out = run((path, files[1]), tmp_path / "out", sample="ben")
    assert json.loads((out / "run.json").read_text())["sample"] == "ben"
    assert called(out)[901, "C", "T"] == "1/1"


def test_another_reference_is_refused_and_nothing_is_left(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    fasta = write_fasta(tmp_path / "other.fa", "ACGT" * 100, "other")
    with pytest.raises(InputError, match="aligned to"):
        run((files[0], fasta), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_reference_of_other_bases_and_the_same_length_is_refused(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    fasta = write_fasta(tmp_path / "other.fa", random_bases(np.random.default_rng(77), LENGTH))
    with pytest.raises(InputError, match=r"differ from .* of the bases of 1:1-3000"):
        run((files[0], fasta), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_cram_and_bam_of_the_same_reads_give_the_same_calls(tmp_path: Path) -> None:
    folder = shared_data("reads/freebayes_tiny")
    found = [
        called(run((folder / f"NA12878.chr22.tiny.{kind}", folder / "q.fa"), tmp_path / kind))
        for kind in ("bam", "cram")
    ]
    assert found[0] == found[1]
    assert len(found[0]) > 0


def test_known_variants_of_a_known_person_are_found(tmp_path: Path) -> None:
    folder = shared_data("reads/freebayes_tiny")
    out = run((folder / "NA12878.chr22.tiny.bam", folder / "q.fa"), tmp_path / "out")
    found = called(out)
    with pysam.VariantFile(str(folder / "NA12878.chr22.tiny.giab.vcf")) as truth:
        expected = {(r.pos, r.ref, (r.alts or ("",))[0]) for r in truth}
    assert len(expected & set(found)) >= 0.9 * len(expected)
