"""What every reader must pass: `check_reader` holds the Reader contract of genomed.schema."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import polars as pl

from genomed.regions import Region, canonical_contig
from genomed.schema import Reader, VariantBatch, Wanted
from genomed.tables import TABLES

MakeReader = Callable[..., Reader]

DTYPES = {
    "contig": pl.String,
    "position": pl.Int64,
    "id": pl.String,
    "ref": pl.String,
    "alt": pl.String,
    "end_position": pl.Int64,
    "n_alts": pl.Int64,
    "line": pl.Int64,
}


def check_reader(
    make_reader: MakeReader, expected_samples: Sequence[str], n_rows: int | None = None
) -> VariantBatch:
    """Put a reader through everything the contract promises; the whole file as one batch.

    make_reader      : called with samples=, max_batch_bytes= or threads=, opens the same file anew
    expected_samples : names in the order of the file
    n_rows           : rows of the whole file, where they are known
    """
    whole = check_full_read(make_reader, expected_samples, n_rows)
    check_batch_sizes(make_reader, whole)
    check_sample_subset(make_reader, whole, expected_samples)
    if whole.n_variants:
        check_wanted(make_reader, whole)
        check_region(make_reader, whole)
    return whole


def check_full_read(
    make_reader: MakeReader, expected_samples: Sequence[str], n_rows: int | None
) -> VariantBatch:
    """Attributes, shapes, dtypes, counts; reading twice and on two threads gives the same."""
    reader = make_reader()
    assert list(reader.samples) == list(expected_samples)
    whole = read_all(reader)
    if n_rows is not None:
        assert whole.n_variants == n_rows
    assert reader.counts.n_passed_over == 0
    assert reader.counts.n_emitted == whole.variants["line"].n_unique()
    assert whole.variants["line"].is_sorted()
    assert set(whole.variants["contig"]) <= set(reader.contigs)
    assert all(length is None or length > 0 for length in reader.contigs.values())
    counts = reader.counts
    assert_same(read_all(reader), whole)
    assert reader.counts == counts
    assert_same(read_all(make_reader(threads=2)), whole)
    return whole


def check_batch_sizes(make_reader: MakeReader, whole: VariantBatch) -> None:
    """No batch is over its limit, unless it is a single record; the limit changes no value."""
    n_samples = max(1, whole.alt_count.shape[1])
    for limit in (1, 7 * n_samples + 1):
        if limit == 1 and whole.n_variants > 3000:
            continue
        reader = make_reader(max_batch_bytes=limit)
        batches = list(reader.iter_batches())
        for batch in batches:
            one_record = batch.variants["line"].n_unique() == 1
            assert batch.alt_count.nbytes <= limit or one_record
        assert_same(join(batches, whole), whole)


def check_sample_subset(
    make_reader: MakeReader, whole: VariantBatch, expected_samples: Sequence[str]
) -> None:
    """Keeping samples is taking columns, in the order of the file whatever order was asked."""
    if not len(expected_samples):
        return
    columns = list(range(0, len(expected_samples), 3))
    reader = make_reader(samples=[expected_samples[i] for i in reversed(columns)])
    assert list(reader.samples) == [expected_samples[i] for i in columns]
    assert_same(read_all(reader), take(whole, slice(None), columns))


def check_wanted(make_reader: MakeReader, whole: VariantBatch) -> None:
    """`wanted` is a filter by position (anywhere in a record's span) or by ID (or part of it)."""
    every_fifth = whole.variants[::5]
    by_place = {
        canonical_contig(contig): np.unique(rows["end_position"].to_numpy())
        for (contig,), rows in every_fifth.group_by("contig")
    }
    ids = frozenset(every_fifth["id"].drop_nulls().str.split(";").list.last())
    nothing = Wanted({"no_such_contig": np.array([1, 2])}, frozenset({"no such ID"}))
    half = {contig: places[::2] for contig, places in by_place.items()}
    choices = [Wanted(positions=by_place), Wanted(ids=ids), Wanted(half, ids), nothing, Wanted()]
    for wanted in choices:
        rows = np.flatnonzero([is_wanted(row, wanted) for row in whole.variants.iter_rows()])
        assert_filtered(make_reader(), whole, rows, {"wanted": wanted})


def check_region(make_reader: MakeReader, whole: VariantBatch) -> None:
    """`region` is a filter by overlap, with contig names compared in canonical spelling."""
    middle = whole.variants.row(whole.n_variants // 2, named=True)
    contig, place = middle["contig"], middle["position"]
    other = contig[3:] if contig.startswith("chr") else f"chr{contig}"
    regions = [
        Region(contig, 0, 2**31 - 1),
        Region(other, max(0, place - 20_000), place + 20_000),
        Region(contig, max(0, middle["end_position"] - 1), middle["end_position"]),
        Region("no_such_contig", 0, 100),
    ]
    for region in regions:
        rows = np.flatnonzero([is_inside(row, region) for row in whole.variants.iter_rows()])
        assert_filtered(make_reader(), whole, rows, {"region": region})


def is_wanted(row: tuple, wanted: Wanted) -> bool:
    """The definition, for one row of a variants frame."""
    contig, position, name, _, _, end_position, *_ = row
    places = wanted.positions.get(canonical_contig(contig), np.zeros(0, int))
    names = {name, *name.split(";")} if name else set()
    return bool(((places >= position) & (places <= end_position)).any() or names & wanted.ids)


def is_inside(row: tuple, region: Region) -> bool:
    """The definition, for one row of a variants frame."""
    contig, position, _, _, _, end_position, *_ = row
    same = canonical_contig(contig) == canonical_contig(region.contig)
    return same and position - 1 < region.end and end_position > region.start


def assert_filtered(reader: Reader, whole: VariantBatch, rows: np.ndarray, limits: dict) -> None:
    """A limited read gives these rows; the other records are passed over (or refused)."""
    assert_same(read_all(reader, **limits), take(whole, rows, slice(None)))
    counts = reader.counts
    assert counts.n_emitted == whole.variants["line"][rows].n_unique()


def read_all(reader: Reader, **limits: object) -> VariantBatch:
    """Every batch, each checked, as one; the counts reconcile."""
    batches = list(reader.iter_batches(**limits))
    for batch in batches:
        check_batch(batch, len(reader.samples))
    counts = reader.counts
    refused = sum(counts.refused.values())
    assert counts.n_records == counts.n_passed_over + counts.n_emitted + refused
    return join(batches, len(reader.samples))


def check_batch(batch: VariantBatch, n_samples: int) -> None:
    """Shapes, dtypes and ranges of one batch."""
    assert dict(batch.variants.schema) == DTYPES
    assert list(batch.variants.columns) == list(TABLES["variants"])
    shape = (len(batch.variants), n_samples)
    assert len(batch.variants) > 0
    assert batch.alt_count.shape == shape
    assert batch.alt_count.dtype == np.int8
    assert batch.variants["position"].null_count() == 0
    assert (batch.variants["end_position"] >= batch.variants["position"]).all()
    assert not batch.variants["id"].is_in(["."]).any()
    ploidy: np.ndarray | int = 2
    if batch.call_ploidy is not None:
        assert batch.call_ploidy.shape == shape
        assert batch.call_ploidy.dtype == np.int8
        assert set(np.unique(batch.call_ploidy)) <= {1, 2}
        ploidy = batch.call_ploidy
    called = batch.alt_count != -9
    assert np.all(~called | ((batch.alt_count >= 0) & (batch.alt_count <= ploidy)))
    if batch.call_dosage is not None:
        assert batch.call_dosage.shape == shape
        assert batch.call_dosage.dtype == np.float32
        known = ~np.isnan(batch.call_dosage)
        assert np.all(batch.call_dosage[known] >= 0)
        assert np.all((batch.call_dosage <= ploidy + 1e-4)[known])


def join(batches: Iterable[VariantBatch], like: VariantBatch | int) -> VariantBatch:
    """One batch of many; `like` (a batch, or a number of samples) gives the shape of none."""
    batches = list(batches)
    if not batches:
        n_samples = like if isinstance(like, int) else like.alt_count.shape[1]
        return VariantBatch(pl.DataFrame(schema=DTYPES), np.zeros((0, n_samples), np.int8))
    ploidy = [b.call_ploidy for b in batches]
    dosage = [b.call_dosage for b in batches]
    filled = [
        np.full(b.alt_count.shape, 2, np.int8) if p is None else p
        for b, p in zip(batches, ploidy, strict=True)
    ]
    return VariantBatch(
        pl.concat([b.variants for b in batches]),
        np.concatenate([b.alt_count for b in batches]),
        None if all(p is None for p in ploidy) else np.concatenate(filled),
        None if any(d is None for d in dosage) else np.concatenate(dosage),
    )


def take(batch: VariantBatch, rows: object, columns: object) -> VariantBatch:
    """Rows and columns of a batch; no ploidy when all that is left is diploid."""
    ploidy = None if batch.call_ploidy is None else batch.call_ploidy[rows][:, columns]
    if ploidy is not None and (ploidy == 2).all():
        ploidy = None
    frame = batch.variants if isinstance(rows, slice) else batch.variants[rows]
    return VariantBatch(
        frame,
        batch.alt_count[rows][:, columns],
        ploidy,
        None if batch.call_dosage is None else batch.call_dosage[rows][:, columns],
    )


def assert_same(left: VariantBatch, right: VariantBatch) -> None:
    """Equal in every value; a missing ploidy array equals one full of twos."""
    assert left.variants.equals(right.variants)
    np.testing.assert_array_equal(left.alt_count, right.alt_count)
    np.testing.assert_array_equal(ploidy_of(left), ploidy_of(right))
    if len(left.alt_count):
        assert (left.call_dosage is None) == (right.call_dosage is None)
    if left.call_dosage is not None and right.call_dosage is not None:
        np.testing.assert_array_equal(left.call_dosage, right.call_dosage)


def ploidy_of(batch: VariantBatch) -> np.ndarray:
    """call_ploidy, or twos."""
    if batch.call_ploidy is None:
        return np.full(batch.alt_count.shape, 2, np.int8)
    return batch.call_ploidy
