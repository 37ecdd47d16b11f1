"""Sizes of inputs by their headers and indexes alone are those that reading everything gives."""

import gzip
import random
from pathlib import Path

import numpy as np
import pysam
import pytest
from bed_files import write_bed_files
from datafiles import REPOSITORY
from judges import plink2
from small_alignments import Read, random_bases, write_bam

from genomed.errors import InputError
from genomed.io import cohort_sizes as module
from genomed.io.alignment_sizes import alignment_sizes
from genomed.io.cohort_sizes import cohort_sizes
from genomed.io.index_counts import index_counts


@pytest.fixture(scope="module")
def vcf(tmp_path_factory) -> Path:
    """600 people and 2,000 records, of which a tenth has two ALTs and a quarter is common."""
    path = tmp_path_factory.mktemp("sizes") / "cohort.vcf"
    chance = random.Random(5)
    people = [f"p{i}" for i in range(600)]
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=1,length=1000000>", "##contig=<ID=2,length=99>"]
    lines += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    fixed = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    lines.append("\t".join(fixed + people))
    for i in range(2000):
        share = 0.2 if i % 4 == 0 else 0.001
        alt = "C,G" if i % 10 == 0 else "C"
        calls = ["0/1" if chance.random() < share else "0/0" for _ in people]
        lines.append("\t".join(["1", str(i + 1), ".", "A", alt, ".", "PASS", ".", "GT", *calls]))
    path.write_text("\n".join(lines) + "\n")
    pysam.tabix_compress(str(path), f"{path}.gz")
    pysam.tabix_index(f"{path}.gz", preset="vcf")
    return Path(f"{path}.gz")


@pytest.fixture(autouse=True)
def _a_short_head(monkeypatch) -> None:
    monkeypatch.setattr(module, "HEAD_TEXT", 5 << 18)


def test_a_vcf_with_an_index_tells_its_records_exactly(vcf):
    sizes = cohort_sizes(str(vcf))
    assert (sizes.kind, sizes.samples) == ("vcf", 600)
    assert sizes.variants == pytest.approx(2200, rel=0.001)
    assert sizes.common == pytest.approx(550, rel=0.1)
    assert sizes.text_bytes == pytest.approx(len(gzip.decompress(vcf.read_bytes())), rel=0.01)
    assert "text_bytes" in sizes.estimated


def test_without_an_index_records_are_estimated_by_the_first_ones(vcf, tmp_path):
    alone = tmp_path / "alone.vcf.gz"
    alone.write_bytes(vcf.read_bytes())
    sizes = cohort_sizes(str(alone))
    assert sizes.variants == pytest.approx(2200, rel=0.1)
    assert "variants" in sizes.estimated


def test_a_plain_vcf_and_a_small_one_are_seen_whole(vcf, tmp_path):
    first = gzip.decompress(vcf.read_bytes())[: 1 << 20]
    plain = tmp_path / "plain.vcf"
    plain.write_bytes(first[: first.rfind(b"\n") + 1])
    records = sum(1 for line in first.split(b"\n")[:-1] if not line.startswith(b"#"))
    sizes = cohort_sizes(str(plain))
    assert sizes.variants == records + -(-records // 10)
    assert sizes.estimated == ()


def test_a_bcf_tells_the_same(vcf, tmp_path):
    path = tmp_path / "cohort.bcf"
    with pysam.VariantFile(str(vcf)) as source, pysam.VariantFile(
        str(path), "wb", header=source.header
    ) as target:  # fmt: skip
        for record in source:
            target.write(record)
    pysam.tabix_index(str(path), preset="bcf", force=True)
    sizes = cohort_sizes(str(path))
    assert (sizes.kind, sizes.samples) == ("bcf", 600)
    assert sizes.variants == pytest.approx(2200, rel=0.001)
    assert sizes.common == pytest.approx(550, rel=0.1)


@pytest.mark.parametrize("csi", [False, True], ids=["tbi", "csi"])
def test_indexes_count_the_records_of_each_contig(vcf, tmp_path, csi):
    copy = tmp_path / "cohort.vcf.gz"
    copy.write_bytes(vcf.read_bytes())
    index = pysam.tabix_index(str(copy), preset="vcf", csi=csi) + (".csi" if csi else ".tbi")
    assert sum(index_counts(Path(index))) == 2000


def test_a_damaged_index_is_told(tmp_path):
    path = tmp_path / "x.tbi"
    path.write_bytes(b"TBI\1" + b"\0" * 9)
    with pytest.raises(ValueError, match="damaged"):
        index_counts(path)


def test_a_fileset_is_counted_by_the_head_of_its_genotypes(vcf, tmp_path):
    made = plink2(tmp_path / "made", "--vcf", vcf, "--max-alleles", 2, "--make-pgen")
    counted = plink2(tmp_path / "count", "--pfile", made, "--make-bed")
    frequent = plink2(tmp_path / "common", "--pfile", made, "--maf", 0.01, "--make-just-pvar")
    lines = {end: _rows(Path(f"{made}{end}")) for end in (".pvar", ".psam")}
    sizes = cohort_sizes(str(made))
    assert (sizes.kind, sizes.variants, sizes.samples) == ("pgen", lines[".pvar"], lines[".psam"])
    assert sizes.common == pytest.approx(_rows(Path(f"{frequent}.pvar")), rel=0.02)
    bed = cohort_sizes(f"{counted}.bed")
    assert (bed.variants, bed.samples) == (sizes.variants, sizes.samples)


def _rows(path: Path) -> int:
    return sum(1 for line in path.read_text().splitlines() if not line.startswith("#"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.vcf", None, "no such file"),
        ("empty.vcf", b"", "is empty"),
        ("words.vcf", b"once upon a time\n", "no line #CHROM"),
        ("broken.vcf.gz", b"\x1f\x8b\x08\x00" + b"x" * 99, "damaged"),
        ("x.bcf", b"BCX", "is no BCF"),
        ("x.bgen", b"1234", "is no BGEN"),
        ("x.bgen", b"once upon a time there was", "is no BGEN"),
    ],
)
def test_what_is_no_cohort_is_refused_with_its_name(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=said) as refused:
        cohort_sizes(str(path))
    assert name in str(refused.value)


def test_a_directory_is_called_one(tmp_path):
    for sizes_of in (cohort_sizes, lambda path: alignment_sizes(Path(path))):
        with pytest.raises(InputError, match="is a directory; name a file in it"):
            sizes_of(str(tmp_path))


def test_a_cut_file_is_no_small_cohort(tmp_path):
    whole = (REPOSITORY / "examples/data/cohort.vcf.gz").read_bytes()
    path = tmp_path / "cut.vcf.gz"
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(InputError, match=r"cut\.vcf\.gz: no BGZF end-of-file block"):
        cohort_sizes(str(path))
    bam = write_bam(tmp_path / "reads.bam", [Read("a", 5, "4M", "ACGT")], {"1": 100})
    bam.write_bytes(bam.read_bytes()[:-28])
    with pytest.raises(InputError, match=r"reads\.bam: cannot .* may be truncated"):
        alignment_sizes(bam)


def test_a_bed_is_counted_by_its_length_and_the_lines_of_people(tmp_path):
    prefix = write_bed_files(tmp_path / "few", np.zeros((7, 9), np.int8))
    people = tmp_path / "few.fam"
    people.write_text(people.read_text().rstrip("\n"))
    sizes = cohort_sizes(prefix)
    assert (sizes.kind, sizes.variants, sizes.samples) == ("bed", 7, 9)


def test_alignments_are_counted_by_their_index(tmp_path):
    rng = np.random.default_rng(3)
    reads = [Read(f"r{i}", 10 * i, "100M", random_bases(rng, 100)) for i in range(500)]
    bam = write_bam(tmp_path / "reads.bam", reads, {"1": 6000, "2": 4000})
    sizes = alignment_sizes(bam)
    assert (sizes.records, sizes.read_length, sizes.genome) == (500, 100.0, 10_000)
    assert (sizes.covered, sizes.contigs, sizes.longest) == (6000, 2, 6000)
    assert sizes.depth == pytest.approx(500 * 100 / 6000)
    Path(f"{bam}.bai").unlink()
    sam = tmp_path / "reads.sam"
    sam.write_text(pysam.view("-h", str(bam)))
    for path in (bam, sam):
        guessed = alignment_sizes(path)
        assert guessed.records == pytest.approx(500, rel=0.2)
        assert "records" in guessed.estimated


def test_what_is_no_alignment_is_refused(tmp_path):
    path = tmp_path / "reads.bam"
    path.write_text("no reads")
    with pytest.raises(InputError, match="quickcheck"):
        alignment_sizes(path)
