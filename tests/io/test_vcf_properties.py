"""The VCF reader against the reference parser, on text that Hypothesis makes.

Whole text: same rows, however the file is compressed, whatever the threads and the batch size.
Broken text: the same rows, or InputError; never another exception, never rows that differ.
"""

import gzip
import math
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_vcf import ReferenceCohort, ReferenceRow, ReferenceVcfError, read_vcf_text
from strategies import (
    CONTIGS,
    bgzf_bytes,
    broken_vcf_text,
    regions,
    regular_matrix_text,
    vcf_text,
)

from genomed.errors import InputError
from genomed.ledger import LENIENCIES
from genomed.regions import canonical_contig
from genomed.schema import ReadCounts, Wanted
from genomed.tables import TABLES

VcfReader = pytest.importorskip(
    "genomed.io.vcf", reason="the VCF reader is not there", exc_type=ModuleNotFoundError
).VcfReader

modest = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
few = settings(modest, max_examples=12)

PACKINGS = {
    "plain": (".vcf", lambda data: data),
    "bgzf": (".vcf.gz", bgzf_bytes),
    "bgzf in small blocks": (".vcf.gz", lambda data: bgzf_bytes(data, 61)),
    "gzip": (".vcf.gz", gzip.compress),
    "gzip in two members": (
        ".vcf.gz",
        lambda data: gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :]),
    ),
}


class Seen:
    """Everything one pass of the reader gave, as plain lists."""

    def __init__(self, reader: VcfReader, **iter_options):
        self.rows: list[ReferenceRow] = []
        with closing(reader):
            for batch in reader.iter_batches(**iter_options):
                check_batch(batch, len(reader.samples))
                self.rows += rows_of(batch)
        self.samples: list[str] = reader.samples
        self.contigs: dict[str, int | None] = reader.contigs
        self.counts: ReadCounts = reader.counts


def check_batch(batch, n_samples: int) -> None:
    """Shapes, dtypes and columns that schema.py promises."""
    assert batch.variants.columns == list(TABLES["variants"])
    assert batch.alt_count.shape == (len(batch.variants), n_samples)
    assert batch.alt_count.dtype == np.int8
    assert batch.n_variants > 0
    if batch.call_ploidy is not None:
        assert batch.call_ploidy.shape == batch.alt_count.shape
        assert batch.call_ploidy.dtype == np.int8
    if batch.call_dosage is not None:
        assert batch.call_dosage.shape == batch.alt_count.shape
        assert batch.call_dosage.dtype == np.float32


def rows_of(batch) -> list[ReferenceRow]:
    """The rows of a batch, copied at once since a reader may use its buffers again."""
    alt_count = batch.alt_count.tolist()
    if batch.call_ploidy is None:
        ploidy = [[2] * len(row) for row in alt_count]
    else:
        ploidy = batch.call_ploidy.tolist()
    dosage = [None] * len(alt_count)
    if batch.call_dosage is not None:
        dosage = [[None if math.isnan(d) else d for d in row] for row in batch.call_dosage.tolist()]
    table = batch.variants.iter_rows()
    return [
        ReferenceRow(*row, counts, copies, expected)
        for row, counts, copies, expected in zip(table, alt_count, ploidy, dosage, strict=True)
    ]


def read(data: bytes, packing: str = "plain", iter_options=None, **reader_options) -> Seen:
    """Write `data` in one of PACKINGS and read it back."""
    suffix, pack = PACKINGS[packing]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"cohort{suffix}"
        path.write_bytes(pack(data))
        return Seen(VcfReader(path, **reader_options), **(iter_options or {}))


def assert_same_rows(seen: list[ReferenceRow], expected: list[ReferenceRow]) -> None:
    """Equal in every field; dosages to single precision; no dosage at all counts as unknown."""
    assert [site(row) for row in seen] == [site(row) for row in expected]
    for row, truth in zip(seen, expected, strict=True):
        assert row.alt_count == truth.alt_count, site(truth)
        assert row.ploidy == truth.ploidy, site(truth)
        if truth.dosage is not None:
            assert row.dosage == pytest.approx(truth.dosage, abs=2e-6), site(truth)


def site(row: ReferenceRow) -> tuple:
    """The columns of the variant table."""
    return tuple(getattr(row, name) for name in TABLES["variants"])


def assert_same_cohort(seen: Seen, expected: ReferenceCohort) -> None:
    assert seen.samples == expected.samples
    assert {name: seen.contigs.get(name) for name in expected.contigs} == expected.contigs
    assert_same_rows(seen.rows, expected.rows)
    assert_counts_add_up(seen.counts)
    assert seen.counts.n_records == expected.n_records
    assert seen.counts.refused == expected.refused
    assert seen.counts.notes.get("half_call", 0) == expected.half_calls


def assert_counts_add_up(counts: ReadCounts) -> None:
    assert set(counts.notes) <= set(LENIENCIES)
    refused = sum(counts.refused.values())
    assert counts.n_records == counts.n_passed_over + counts.n_emitted + refused


@modest
@given(vcf_text(), st.sampled_from(list(PACKINGS)), st.sampled_from([1, 3]))
def test_rows_equal_the_reference_however_the_file_is_packed(data, packing, threads):
    assert_same_cohort(read(data, packing, threads=threads), read_vcf_text(data))


@few
@given(vcf_text(), st.sampled_from([1, 64, 1000]), st.sampled_from([1, 3]))
def test_rows_do_not_depend_on_the_batch_size(data, max_batch_bytes, threads):
    seen = read(data, "bgzf in small blocks", threads=threads, max_batch_bytes=max_batch_bytes)
    assert_same_cohort(seen, read_vcf_text(data))


@modest
@given(regular_matrix_text(), st.sampled_from(list(PACKINGS)), st.sampled_from([1, 3]))
def test_one_odd_cell_in_a_regular_matrix_is_read_right(data, packing, threads):
    seen = read(data, packing, threads=threads, max_batch_bytes=20_000)
    assert_same_cohort(seen, read_vcf_text(data))


@modest
@given(vcf_text(), st.sampled_from(["DS", "GP"]), st.sampled_from(["plain", "bgzf"]))
def test_dosages_equal_the_reference(data, field, packing):
    assert_same_cohort(read(data, packing, dosage=field), read_vcf_text(data, field))


@few
@given(vcf_text(), st.data())
def test_chosen_samples_are_the_same_columns_in_file_order(data, draw):
    expected = read_vcf_text(data)
    if not expected.samples:
        return
    chosen = draw.draw(st.lists(st.sampled_from(expected.samples), min_size=1, unique=True))
    seen = read(data, samples=chosen)
    kept = [index for index, name in enumerate(expected.samples) if name in chosen]
    assert seen.samples == [expected.samples[index] for index in kept]
    # A record with a triploid call outside the selection may be read; compare the others.
    lines = {row.line for row in expected.rows}
    seen_rows = [row for row in seen.rows if row.line in lines]
    assert [site(row) for row in seen_rows] == [site(row) for row in expected.rows]
    for row, truth in zip(seen_rows, expected.rows, strict=True):
        assert row.alt_count == [truth.alt_count[index] for index in kept]


def wanted_rows(cohort: ReferenceCohort, wanted: Wanted) -> list[ReferenceRow]:
    """Rows whose span holds a wanted position, or one of whose IDs is wanted."""
    return [
        row
        for row in cohort.rows
        if any(
            row.position <= position <= row.end_position
            for position in wanted.positions.get(canonical_contig(row.contig), ())
        )
        or (row.id is not None and wanted.ids & {row.id, *row.id.split(";")})
    ]


@modest
@given(vcf_text(), st.data(), st.sampled_from(["plain", "bgzf in small blocks"]))
def test_wanted_rows_are_all_there_and_no_others(data, draw, packing):
    cohort = read_vcf_text(data)
    near = sorted({p for row in cohort.rows for p in (row.position, row.end_position)}) or [1]
    places = st.lists(st.one_of(st.sampled_from(near), st.integers(0, 60)), max_size=5)
    names = draw.draw(st.lists(st.sampled_from(CONTIGS), max_size=3))
    wanted = Wanted(
        {
            canonical_contig(name): np.unique(np.array(draw.draw(places), np.int64))
            for name in names
        },
        frozenset(
            draw.draw(st.lists(st.sampled_from(["rs1", "rs2", "rs3", "rs2;rs3"]), max_size=2))
        ),
    )
    seen = read(data, packing, {"wanted": wanted})
    assert_same_rows(seen.rows, wanted_rows(cohort, wanted))
    assert_counts_add_up(seen.counts)


@modest
@given(vcf_text(), regions())
def test_a_region_gives_the_rows_that_overlap_it(data, region):
    seen = read(data, "plain", {"region": region})
    expected = [
        row
        for row in read_vcf_text(data).rows
        if canonical_contig(row.contig) == canonical_contig(region.contig)
        and row.position - 1 < region.end
        and row.end_position > region.start
    ]
    assert_same_rows(seen.rows, expected)
    assert_counts_add_up(seen.counts)


@modest
@given(vcf_text())
def test_no_missing_call_is_ever_given_as_a_count(data):
    expected = read_vcf_text(data).rows
    for row, truth in zip(read(data, "bgzf").rows, expected, strict=True):
        for count, true_count in zip(row.alt_count, truth.alt_count, strict=True):
            assert (count == -9) == (true_count == -9)


def assert_refused_or_equal(data: bytes, packing: str, **options) -> None:
    try:
        seen = read(data, packing, **options)
    except InputError as error:
        if "cohort" not in str(error):
            pytest.fail(f"the message does not name the file: {error}")
        return
    try:
        expected = read_vcf_text(data)
    except ReferenceVcfError as refusal:
        pytest.fail(f"the reader accepts what the reference refuses: {refusal}")
    assert seen.samples == expected.samples
    assert_same_rows(seen.rows, expected.rows)
    assert_counts_add_up(seen.counts)


@settings(modest, max_examples=80)
@given(broken_vcf_text(), st.sampled_from(list(PACKINGS)), st.sampled_from([1, 3]))
def test_broken_text_is_refused_or_read_like_the_reference(data, packing, threads):
    assert_refused_or_equal(data, packing, threads=threads)


@modest
@given(broken_vcf_text(regular_matrix_text(40, 20)), st.sampled_from(["plain", "bgzf"]))
def test_a_broken_regular_matrix_is_refused_or_read_like_the_reference(data, packing):
    assert_refused_or_equal(data, packing)


@few
@given(vcf_text(), st.sampled_from(["bgzf", "bgzf in small blocks", "gzip"]), st.data())
def test_a_truncated_compressed_file_is_an_input_error(data, packing, draw):
    suffix, pack = PACKINGS[packing]
    whole = pack(data)
    cut = whole[: draw.draw(st.integers(1, len(whole) - 1))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"cohort{suffix}"
        path.write_bytes(cut)
        with pytest.raises(InputError, match="cohort"):
            Seen(VcfReader(path))


@few
@given(vcf_text(), st.sampled_from(["bgzf", "bgzf in small blocks", "gzip"]), st.data())
def test_a_flipped_bit_in_a_compressed_file_never_changes_rows(data, packing, draw):
    suffix, pack = PACKINGS[packing]
    damaged = bytearray(pack(data))
    damaged[draw.draw(st.integers(0, len(damaged) - 1))] ^= 1 << draw.draw(st.integers(0, 7))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"cohort{suffix}"
        path.write_bytes(damaged)
        try:
            seen = Seen(VcfReader(path))
        except InputError:
            return
    assert_same_rows(seen.rows, read_vcf_text(data).rows)


@pytest.mark.slow
def test_the_strategies_reach_what_they_promise():
    met: Counter[str] = Counter()

    @settings(max_examples=250, deadline=None, database=None, derandomize=True)
    @given(vcf_text())
    def look(data):
        cohort = read_vcf_text(data)
        met["no samples"] += not cohort.samples
        met["no records"] += not cohort.n_records
        met["crlf"] += b"\r\n" in data
        met["triploid"] += bool(cohort.refused)
        met["half call"] += bool(cohort.half_calls)
        for row in cohort.rows:
            met["haploid"] += 1 in row.ploidy
            met["more than 9 ALTs"] += row.n_alts > 9
            met["no ALT"] += row.alt == "."
            met["symbolic"] += row.alt.startswith("<")
            met["star"] += row.alt == "*"
            met["block"] += row.end_position >= row.position + len(row.ref)

    look()
    assert all(met.values()), met
