"""Counts of records, by walking them with pysam; dropout and insert sizes by hand."""

import numpy as np
import pytest
from datafiles import shared_data

from genomed.io.alignments import AlignmentReader
from genomed.stats.depth_sex import depth_ratios
from genomed.stats.read_quality import MAX_INSERT, ReadCounter, gc_dropout, insert_sizes

pysam = pytest.importorskip("pysam")


def counted(path) -> ReadCounter:
    counter = ReadCounter()
    for block in AlignmentReader(path).blocks():
        other = ReadCounter()
        other.add(block.data, block.place, block.flag, block.mapq)
        counter.merge(other)
    return counter


def test_counts_are_those_of_a_walk_over_the_records():
    path = shared_data("reads/deepvariant_chr20/NA12878_S1.chr20.10_10p1mb.bam")
    n = counted(path).named()
    with pysam.AlignmentFile(str(path)) as file:
        reads = [r for r in file.fetch(until_eof=True) if not r.flag & 0x900]
    mapped = [r for r in reads if not r.is_unmapped]
    assert n["n_reads"] == len(reads)
    assert n["n_forward"] == sum(not r.is_reverse for r in mapped)
    letters = "".join(r.query_sequence for r in reads)
    assert n["n_gc"] == letters.count("G") + letters.count("C")
    assert n["n_acgt"] == sum(letters.count(x) for x in "ACGT")
    for name, operations in (("n_soft_clipped", {4}), ("n_inserted", {1}), ("n_deleted", {2}),
                             ("n_bases_mapped", {0, 1, 7, 8})):  # fmt: skip
        assert n[name] == sum(k for r in mapped for op, k in r.cigartuples if op in operations)
    assert n["n_mismatches"] == sum(r.get_tag("NM") for r in mapped if r.has_tag("NM"))


def test_quality_is_by_cycle_in_the_order_of_sequencing():
    path = shared_data("reads/freebayes_tiny/NA12878.chr22.tiny.bam")
    found = counted(path).mean_cycle_quality()
    by_cycle: list[dict[int, list[int]]] = [{}, {}]
    with pysam.AlignmentFile(str(path)) as file:
        for read in file.fetch(until_eof=True):
            if read.flag & 0x900:
                continue
            order = read.query_qualities[::-1] if read.is_reverse else read.query_qualities
            for cycle, quality in enumerate(order):
                by_cycle[read.is_read2].setdefault(cycle, []).append(quality)
    expected = [[np.mean(by_cycle[mate][c]) for c in sorted(by_cycle[mate])] for mate in (0, 1)]
    np.testing.assert_allclose(found, expected)


def test_insert_sizes_are_of_the_most_frequent_orientation():
    counts = np.zeros((3, MAX_INSERT + 1), np.int64)
    for size in (300, 310, 320, 330, 340, 7000):
        counts[0, size] += 2
    counts[1, 50] = 3
    found = insert_sizes(counts)
    assert found.orientation == "inward"
    assert (found.median, found.mad) == (320, 10)
    assert found.mean == 320
    assert found.sd == pytest.approx(np.std([300, 310, 320, 330, 340] * 2, ddof=1))


def test_nothing_has_no_insert_size():
    found = insert_sizes(np.zeros((3, 10), np.int64))
    assert found.orientation is None
    assert np.isnan(found.median)


def test_dropout_is_the_depth_that_gc_rich_windows_lack():
    windows, depth = np.zeros(101, np.int64), np.zeros(101, np.int64)
    windows[[40, 60]] = 50
    depth[[40, 60]] = [700, 300]
    assert gc_dropout(windows, depth) == (0, pytest.approx(0.2))
    assert np.isnan(gc_dropout(np.zeros(101), depth)[0])


@pytest.mark.parametrize(
    ("x", "y", "sex"),
    [(30, 0, "female"), (15, 6, "male"), (29, 0.3, "female"), (15, 0, "ambiguous"),
     (30, 6, "ambiguous"), (0, 0, None)],
)  # fmt: skip
def test_sex_is_told_by_the_depth_of_x_and_y(x, y, sex):
    length = 1000
    depth = {"chr1": (30 * length, length), "chr22": (30 * length, length),
             "chrX": (x * length, length), "chrY": (int(y * length), length),
             "chrM": (9000 * length, length)}  # fmt: skip
    found = depth_ratios(depth)
    assert found.sex == sex
    assert found.x == x / 30
    assert found.mt == 300


def test_without_autosomes_nothing_is_told():
    assert depth_ratios({"X": (10, 10)}) == (None, None, None, None)
