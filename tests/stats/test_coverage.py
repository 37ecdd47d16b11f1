"""Depth by its definition: walk every alignment base by base, and count."""

from collections.abc import Iterator

import numpy as np
import pysam
import pytest
from bam_files import alignment, write_bam
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genomed.io.alignments import AlignmentReader
from genomed.stats import coverage
from genomed.stats.coverage import DepthCounter, DepthRules, mean_of_counts, median_of_counts

LENGTH = 700
BORDERS = np.array([0, 1, 3, 6])
THRESHOLDS = np.array([1, 2, 5])


def bases(read: pysam.AlignedSegment) -> set[int]:
    """0-based positions under M, = or X."""
    found, at = set(), read.reference_start
    for operation, n in read.cigartuples or []:
        if operation in (0, 7, 8):
            found |= set(range(at, at + n))
        if operation in (0, 2, 3, 7, 8):
            at += n
    return found


def naive_depth(reads: list[pysam.AlignedSegment], once: bool, length: int) -> np.ndarray:
    depth = np.zeros(length, np.int64)
    seen: dict[str, set[int]] = {}
    for read in reads:
        if read.flag & 0x704:
            continue
        here = bases(read)
        for at in here:
            depth[at] += at < length
        if not (once and read.flag & 2) or read.flag & 0x800:
            continue
        before = seen.pop(read.query_name, None)
        if before is not None:
            for at in here & before:
                depth[at] -= 1
        else:
            seen[read.query_name] = here
    return depth


def added_up(blocks, length: int, once: bool, regions: np.ndarray):
    """Depth of every base, classes of every base, and the summary."""
    depth = np.full(length, -9)
    classes = np.full(length, -9)

    def into(array: np.ndarray):
        def emit(start: np.ndarray, end: np.ndarray, value: np.ndarray) -> None:
            for a, b, v in zip(start.tolist(), end.tolist(), value.tolist(), strict=True):
                assert (array[a:b] == -9).all()
                array[a:b] = v

        return emit

    counter = DepthCounter(
        DepthRules(0x704, 0, 0, once, THRESHOLDS, BORDERS), into(classes), into(depth)
    )
    counter.begin(length, regions[:, 0], regions[:, 1])
    for block in blocks:
        counter.add(block.data, block.place, block.start, block.end, block.flag, block.mapq)
    return depth, classes, counter.finish()


CIGARS = st.sampled_from(
    ["10M", "1M", "5S20M", "12M3D8M", "10M4I10M", "6=1X9=", "8M150N8M", "3H9M2S", "5M1D1M1I5M"]
)


@st.composite
def pairs(draw) -> list[pysam.AlignedSegment]:
    """Alignments of one contig, sorted: pairs that overlap or not, and single reads."""
    reads = []
    for i in range(draw(st.integers(0, 25))):
        first = draw(st.integers(0, LENGTH - 200))
        proper = draw(st.sampled_from([0, 2]))
        if draw(st.booleans()):
            second = first + draw(st.integers(0, 25))
            mates = [(first, second, 0x63 - 2 + proper), (second, first, 0x93 - 2 + proper)]
        else:
            mates = [(first, -1, 0)]
        odd = draw(st.sampled_from([0, 0, 0, 0x400, 0x100, 0x200]))
        for start, mate, flag in mates:
            cigar = draw(CIGARS)
            reads.append(alignment(0, start, cigar, name=f"r{i}", flag=flag | odd, mate=(0, mate)))
    return sorted(reads, key=lambda read: read.reference_start)


def cut(reader: AlignmentReader, size: int) -> Iterator:
    """Blocks of a few alignments each."""
    for block in reader.blocks():
        for at in range(0, len(block.place), size):
            yield block.only(slice(at, at + size))


REGIONS = np.array([[0, 50], [40, 60], [100, 400], [399, 700], [690, 900]])


@given(pairs(), st.booleans(), st.integers(1, 30))
@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
def test_depth_is_what_a_walk_over_every_base_counts(tmp_path_factory, reads, once, size):
    path = tmp_path_factory.mktemp("bam") / "x.bam"
    write_bam(path, reads, {"1": LENGTH}, index=False)
    blocks = cut(AlignmentReader(path), size)
    depth, classes, found = added_up(blocks, LENGTH, once, REGIONS)
    expected = naive_depth(reads, once, LENGTH)
    np.testing.assert_array_equal(depth, expected)
    np.testing.assert_array_equal(classes, np.searchsorted(BORDERS, expected, side="right") - 1)
    counts = np.bincount(expected)
    np.testing.assert_array_equal(found.counts, counts)
    assert (found.total, found.most) == (expected.sum(), expected.max())
    for i, (start, end) in enumerate(REGIONS):
        part = expected[start:end]
        assert found.region_total[i] == part.sum()
        assert found.region_reached[i].tolist() == [(part >= t).sum() for t in THRESHOLDS]
    together = np.concatenate([expected[a:b] for a, b in REGIONS])
    np.testing.assert_array_equal(found.region_counts, np.bincount(together))


def test_far_apart_alignments_leave_zeros_between(tmp_path):
    reads = [alignment(0, at, "100M") for at in (5, 3_000_000, 9_000_001, 39_999_950)]
    path = write_bam(tmp_path / "x.bam", reads, {"1": 40_000_000})
    none = np.zeros((0, 2), np.int64)
    depth, classes, found = added_up(AlignmentReader(path).blocks(), 40_000_000, True, none)
    assert found.counts.tolist() == [40_000_000 - 350, 350]
    assert np.flatnonzero(depth).tolist()[:100] == list(range(5, 105))
    assert depth.min() == 0
    assert classes.max() == 1


def test_ten_thousand_reads_on_one_base_are_ten_thousand(tmp_path):
    reads = [alignment(0, 100, "50M", name=f"r{i}") for i in range(10_000)]
    path = write_bam(tmp_path / "x.bam", reads)
    none = np.zeros((0, 2), np.int64)
    depth, _, found = added_up(AlignmentReader(path).blocks(), 1000, True, none)
    assert depth[100:150].tolist() == [10_000] * 50
    assert found.most == 10_000
    assert found.counts[10_000] == 50


def test_reads_beyond_the_contig_count_up_to_its_end(tmp_path):
    path = write_bam(tmp_path / "x.bam", [alignment(0, 95, "10M")], {"1": 100}, index=False)
    none = np.zeros((0, 2), np.int64)
    depth, _, found = added_up(AlignmentReader(path).blocks(), 100, True, none)
    assert depth[95:].tolist() == [1] * 5
    assert found.total == 5


def test_reads_that_are_not_mapped_have_no_depth_whatever_flags_are_asked_for(tmp_path):
    reads = [alignment(0, 100, "300M", flag=4), alignment(0, 800, "50M")]
    reader = AlignmentReader(write_bam(tmp_path / "x.bam", reads))
    counter = DepthCounter(DepthRules(0, 0, 0, True, THRESHOLDS, BORDERS))
    counter.begin(1000, np.empty(0, np.int64), np.empty(0, np.int64))
    for block in reader.blocks():
        counter.add(block.data, block.place, block.start, block.end, block.flag, block.mapq)
    depth = counter.finish()
    assert (depth.n_alignments, depth.total) == (1, 50)


def test_gc_of_windows_is_the_share_of_g_and_c():
    text = np.frombuffer(b">x\n" + b"G" * 60 + b"\n" + b"a" * 60 + b"\n" + b"N" * 80, np.uint8)
    gc = coverage.window_gc(text, 3, 200, 60, 61)
    assert gc.tolist() == [60, 255]


@pytest.mark.parametrize("values", [[3], [1, 2], [0, 0, 7, 9], [5, 5, 1]])
def test_mean_and_median_of_counts_are_those_of_the_values(values):
    counts = np.bincount(values)
    assert mean_of_counts(counts) == np.mean(values)
    assert median_of_counts(counts) == sorted(values)[(len(values) - 1) // 2]


def test_nothing_has_no_mean():
    assert np.isnan(mean_of_counts(np.zeros(3, np.int64)))
    assert np.isnan(median_of_counts(np.zeros(3, np.int64)))


def test_borders_that_do_not_rise_are_refused():
    rules = DepthRules(0, 0, 0, True, np.array([5, 1]), BORDERS)
    with pytest.raises(ValueError, match="rise"):
        DepthCounter(rules)
