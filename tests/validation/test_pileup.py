"""Counts of the pileup are those of samtools mpileup and bcftools mpileup, on every file."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from datafiles import shared_data

from genomed.features.call_candidates import count_bases
from genomed.features.call_tiles import iter_tiles
from genomed.io.alignments import AlignmentReader
from genomed.io.fasta import Fasta
from genomed.kernels import pileup
from genomed.regions import Region
from genomed.settings import CallSettings

pytestmark = pytest.mark.skipif(
    not (shutil.which("samtools") and shutil.which("bcftools")), reason="no samtools or no bcftools"
)

EXCLUDED = 0x4 | 0x100 | 0x200 | 0x400
EVERYTHING = CallSettings(exclude_flags=EXCLUDED, min_mapq=0, min_base_quality=0)
MPILEUP = "mpileup.ref.fa"
TINY, CHR17, CHR20 = (
    "freebayes_tiny/q.fa", "gatk_chr17/human_g1k_v37.chr17_1Mb.fasta",
    "deepvariant_chr20/ucsc.hg19.chr20.unittest.fasta.gz",
)  # fmt: skip
FILES = {
    "bcftools_mpileup/mpileup.1.bam": (f"bcftools_mpileup/{MPILEUP}", "17:1-4200"),
    "bcftools_mpileup/mpileup.2.bam": (f"bcftools_mpileup/{MPILEUP}", "17:1-4200"),
    "bcftools_mpileup/mpileup.3.bam": (f"bcftools_mpileup/{MPILEUP}", "17:1-4200"),
    "freebayes_tiny/1read.bam": (TINY, "q:1-12356"),
    "freebayes_tiny/NA12878.chr22.tiny.bam": (TINY, "q:1-12356"),
    "freebayes_tiny/NA12878.chr22.tiny.cram": (TINY, "q:1-12356"),
    "gatk_chr17/NA12878.chr17_69k_70k.dictFix.bam": (CHR17, "17:68000-72000"),
    "gatk_chr17/NA12878.chr17_69k_70k.dictFix.cram": (CHR17, "17:68000-72000"),
    "deepvariant_chr20/NA12878_S1.chr20.10_10p1mb.bam": (CHR20, "chr20:9999001-10101000"),
}


def plain_fasta(path: Path, folder: Path) -> Path:
    """samtools reads BGZF only with an index that fits; a plain copy is read by all."""
    if path.suffix != ".gz":
        return path
    plain = folder / path.stem
    with plain.open("wb") as file:
        subprocess.run(["gzip", "-dc", path], stdout=file, check=True)
    subprocess.run(["samtools", "faidx", plain], check=True)
    return plain


@pytest.fixture(scope="module")
def plain_chr20(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plain_fasta(shared_data(f"reads/{CHR20}"), tmp_path_factory.mktemp("fasta"))


def counted(
    path: Path, fasta: Path, region: Region, settings: CallSettings = EVERYTHING
) -> np.ndarray:
    """Our counts over a region: int32 (positions, N_COUNTS)."""
    reader = AlignmentReader(path, reference=fasta)
    counts = np.zeros((region.end - region.start, pileup.N_COUNTS), np.int32)
    for tile in iter_tiles(reader, Fasta(fasta), [region], settings):
        inside = slice(tile.start - tile.first, tile.end - tile.first)
        counts[tile.start - region.start : tile.end - region.start] = count_bases(tile, settings)[
            inside
        ]
    return counts


def lines_of(*command: object) -> list[list[str]]:
    """Rows of a program's output, without headers."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines() if line[:1] != "#"]


def with_index(path: Path, folder: Path) -> Path:
    """The file, or a link to it beside an index that it lacks."""
    if any(path.with_name(path.name + suffix).is_file() for suffix in (".bai", ".crai")):
        return path
    link = folder / path.name
    if not link.exists():
        link.symlink_to(path.resolve())
        subprocess.run(["samtools", "index", link], check=True)
    return link


def place(relative: str, plain_chr20: Path) -> tuple[Path, Path, Region]:
    fasta, region = FILES[relative]
    path = with_index(shared_data(f"reads/{relative}"), plain_chr20.parent)
    return (
        path, plain_chr20 if fasta == CHR20 else shared_data(f"reads/{fasta}"), Region.parse(region)
    )  # fmt: skip


@pytest.mark.parametrize("relative", FILES)
def test_bases_by_strand_are_those_of_bcftools_mpileup(relative: str, plain_chr20: Path) -> None:
    path, fasta, region = place(relative, plain_chr20)
    counts = counted(path, fasta, region)
    expected = np.zeros((len(counts), 8), np.int64)
    wanted = "%POS\t%REF\t%ALT\t%INDEL[\t%ADF\t%ADR]\n"
    table = subprocess.run(
        ["bcftools", "mpileup", "-B", "-Q0", "-A", "-x", "-d", "1000000", "-I", "-a",
         "ADF,ADR", "-f", str(fasta), "-r", str(region), "-Ou", str(path)],
        capture_output=True, check=True,
    )  # fmt: skip
    rows = subprocess.run(
        ["bcftools", "query", "-f", wanted], input=table.stdout, capture_output=True, check=True
    ).stdout.decode()
    for line in rows.splitlines():
        position, ref, alts, _, *by_sample = line.split("\t")
        alleles = [ref.upper(), *alts.split(",")]
        for k, numbers in enumerate(by_sample):  # forward and reverse of each sample
            for allele, n in zip(alleles, numbers.split(","), strict=True):
                if allele in "ACGT":
                    column = "ACGT".index(allele) + 4 * (k % 2)
                    expected[int(position) - 1 - region.start, column] += int(n)
    ours = counts[:, [0, 1, 2, 3, 5, 6, 7, 8]]
    np.testing.assert_array_equal(ours, expected)
    assert expected.sum() > 0


def of_text(text: str, ref: str) -> Counter[str]:
    """What a column of samtools mpileup says: bases and indels by strand."""
    seen: Counter[str] = Counter()
    at = 0
    text = re.sub(r"\^.", "", text).replace("$", "")
    while at < len(text):
        c = text[at]
        if c in "+-":
            size = re.match(r"\d+", text[at + 1 :])
            assert size is not None
            first = at + 1 + len(size[0])
            strand = "forward" if text[first].isupper() or text[first] == "*" else "reverse"
            seen[f"{'insertion' if c == '+' else 'deletion'} {strand}"] += 1
            at = first + int(size[0])
            continue
        if c in "*#":
            seen["deleted forward" if c == "*" else "deleted reverse"] += 1
        elif c not in "<>":
            base = ref if c in ".," else c.upper()
            seen[f"{base} {'forward' if c == '.' or c.isupper() else 'reverse'}"] += 1
        at += 1
    return seen


@pytest.mark.parametrize("relative", FILES)
def test_indels_and_deleted_bases_are_those_of_samtools_mpileup(
    relative: str, plain_chr20: Path
) -> None:
    path, fasta, region = place(relative, plain_chr20)
    if region.end - region.start > 20_000:
        region = region._replace(start=10_000_000, end=10_012_000)
    counts = counted(path, fasta, region)
    names = {
        "A forward": 0, "C forward": 1, "G forward": 2, "T forward": 3, "N forward": 4,
        "A reverse": 5, "C reverse": 6, "G reverse": 7, "T reverse": 8, "N reverse": 9,
        "insertion forward": pileup.INSERTION, "insertion reverse": pileup.INSERTION + 1,
        "deletion forward": pileup.DELETION, "deletion reverse": pileup.DELETION + 1,
        "deleted forward": pileup.DELETED, "deleted reverse": pileup.DELETED + 1,
    }  # fmt: skip
    expected = np.zeros((len(counts), pileup.N_COUNTS), np.int64)
    command = [
        "samtools", "mpileup", "-B", "-Q0", "-A", "-x", "-d", "0", "--reverse-del", "-f", fasta,
        "-r", region, path,
    ]  # fmt: skip
    for _, position, ref, _, text, *_ in lines_of(*command):
        row = expected[int(position) - 1 - region.start]
        for name, n in of_text(text, ref.upper()).items():
            row[names[name]] += n
    columns = list(names.values())
    np.testing.assert_array_equal(counts[:, columns], expected[:, columns])
    assert expected.sum() > 0


def test_depth_is_that_of_the_published_output_of_bcftools_mpileup() -> None:
    folder = shared_data("reads/bcftools_mpileup")
    region = Region("17", 99, 600)
    paired = 0x1
    depth = np.zeros(region.end - region.start, np.int64)
    for number in (1, 2, 3):
        path = folder / f"mpileup.{number}.bam"
        reader = AlignmentReader(path)
        for tile in iter_tiles(reader, Fasta(folder / MPILEUP), [region], EVERYTHING):
            reads = tile.reads
            orphan = (reads.flag & paired != 0) & (reads.flag & 0x2 == 0)
            kept = tile._replace(
                reads=reads._replace(
                    place=reads.place[~orphan], start=reads.start[~orphan], end=reads.end[~orphan],
                    flag=reads.flag[~orphan], mapq=reads.mapq[~orphan],
                )
            )  # fmt: skip
            inside = slice(tile.start - tile.first, tile.end - tile.first)
            depth += count_bases(kept, EVERYTHING)[inside, pileup.READS]
    lines = (folder / "mpileup.2.out").read_text().splitlines()
    published = {}
    for line in lines:
        if line[0] != "#" and "INDEL" not in line:
            cells = line.split("\t")
            published[int(cells[1])] = int(cells[7].split(";")[0].removeprefix("DP="))
    assert len(published) > 400
    differing = {p: (n, depth[p - 100]) for p, n in published.items() if n != depth[p - 100]}
    assert not differing
