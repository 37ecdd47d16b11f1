"""Bases at sites are those that samtools sees, whatever the size of blocks."""

import re
import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest
from bam_files import alignment, write_bam
from datafiles import shared_data

from genomed.io.alignments import AlignmentReader
from genomed.stats import site_reads
from genomed.stats.site_reads import SiteCounter

FILES = [
    "reads/deepvariant_chr20/NA12878_S1.chr20.10_10p1mb.bam",
    "reads/bcftools_mpileup/mpileup.1.bam",
    "reads/bcftools_mpileup/mpileup.2.bam",
    "reads/freebayes_tiny/NA12878.chr22.tiny.bam",
    "reads/gatk_chr17/NA12878.chr17_69k_70k.dictFix.bam",
]


def gathered(path, every, **options):
    """Contig, the sites asked for, and their reads."""
    reader = AlignmentReader(path)
    blocks = [block for block in reader.blocks() if block.contig >= 0]
    contig = reader.contigs[blocks[0].contig]
    first = min(int(block.start.min()) for block in blocks)
    stop = max(int(block.end.max()) for block in blocks)
    sites = np.arange(first, stop, every)
    counter = SiteCounter(reader.contigs, [contig] * len(sites), sites, **options)
    for block in blocks:
        counter.add(block)
    return contig, sites, counter.finish()


def bases_of(pileup):
    """Bases of a column of samtools mpileup: no starts, ends, or indels that follow."""
    text = re.sub(r"\^.", "", pileup).replace("$", "")
    found, at = [], 0
    while at < len(text):
        if text[at] in "+-":
            n = re.match(r"\d+", text[at + 1 :])
            at += 1 + len(n[0]) + int(n[0])
        else:
            found.append(text[at])
            at += 1
    return found


@pytest.mark.parametrize("name", FILES)
def test_reads_by_base_and_strand_are_those_of_samtools(name, tmp_path):
    if shutil.which("samtools") is None:
        pytest.skip("samtools is not installed")
    path = shared_data(name)
    contig, sites, reads = gathered(path, 3, overlaps=True, min_mapping_quality=5)
    listed = tmp_path / "sites.bed"
    listed.write_text("".join(f"{contig}\t{s}\t{s + 1}\n" for s in sites))
    command = ["samtools", "mpileup", "-A", "-B", "-x", "-Q", "0", "-q", "5", "-d", "0"]
    out = subprocess.run([*command, "-l", str(listed), str(path)], capture_output=True, check=True)
    expected = np.zeros((len(sites), 6, 2), np.int32)
    place = {int(s): i for i, s in enumerate(sites)}
    for line in out.stdout.decode().splitlines():
        cells = line.split("\t")
        for base in bases_of(cells[4]):
            if base not in "<>":
                kind = {"*": 5, "#": 5}.get(base, "ACGT".find(base.upper()))
                reverse = base == "#" or base.islower()
                # samtools mpileup writes '*' for a deletion on either strand
                expected[place[int(cells[1]) - 1], 4 if kind < 0 else kind, int(reverse)] += 1
    found = reads.counts()
    np.testing.assert_array_equal(found[:, :5], expected[:, :5])
    np.testing.assert_array_equal(found[:, 5].sum(axis=1), expected[:, 5].sum(axis=1))
    assert found.sum() > 500


def test_small_room_changes_nothing(monkeypatch):
    path = shared_data(FILES[0])
    whole = gathered(path, 7)[2]
    monkeypatch.setattr(site_reads, "ROOM", 64)
    pieces = gathered(path, 7)[2]
    for one, other in zip(
        (whole.offset, whole.site, whole.code, whole.quality),
        (pieces.offset, pieces.site, pieces.code, pieces.quality), strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(one, other)


def test_regions_give_what_the_whole_file_gives():
    path = shared_data(FILES[0])
    contig, sites, whole = gathered(path, 11)
    reader = AlignmentReader(path)
    counter = SiteCounter(reader.contigs, [contig] * len(sites), sites)
    edges = np.linspace(sites[0], sites[-1] + 1, 6).astype(int)
    blocks = [b for b in reader.blocks() if b.contig >= 0]
    for start, end in pairwise(edges.tolist()):
        for block in blocks:
            near = (block.start < end) & (block.end > start)
            part = block._replace(**{
                name: getattr(block, name)[near]
                for name in ("place", "start", "end", "flag", "mapq")
            })  # fmt: skip
            counter.add(part, start, end)
    np.testing.assert_array_equal(counter.finish().counts(), whole.counts())


def test_a_fragment_whose_reads_overlap_counts_once():
    path = shared_data(FILES[0])
    once = gathered(path, 5)[2]
    twice = gathered(path, 5, overlaps=True)[2]
    assert 0.5 < len(once.site) / len(twice.site) < 1
    assert (once.counts() <= twice.counts()).all()


def test_a_read_over_more_sites_than_there_is_room_for_is_taken_whole(monkeypatch, tmp_path):
    path = write_bam(tmp_path / "x.bam", [alignment(0, 10, "100M"), alignment(0, 20, "90M")])
    monkeypatch.setattr(site_reads, "ROOM", 4)
    assert len(gathered(path, 1)[2].site) == 190
