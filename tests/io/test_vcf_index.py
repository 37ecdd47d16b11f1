"""Reading a VCF through its index gives what reading it whole gives, or the index is not used."""

import gzip
import logging
import os
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pytest
from contract import assert_same, read_all
from datafiles import shared_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judges import tool
from strategies import bgzf_bytes, regions, vcf_text

import genomed.io.vcf as vcf
from genomed.errors import InputError
from genomed.io.bgzf import TextStream
from genomed.io.formats import has_index
from genomed.io.vcf import VcfReader
from genomed.regions import Region, canonical_contig
from genomed.schema import VariantBatch, Wanted

INDEXES = ["tbi", 14, 9, 5, 17]  # a number is the min_shift of a CSI

modest = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def always_seek(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seek however much of however small a file is needed."""
    monkeypatch.setattr(vcf, "SEEK_SHARE", 1e9)
    monkeypatch.setattr(vcf, "SEEK_MIN_BYTES", 0)


def make_index(path: Path, kind: str | int) -> None:
    for ending in (".tbi", ".csi"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    if kind == "tbi":
        pysam.tabix_index(str(path), preset="vcf", force=True)
    else:
        pysam.tabix_index(str(path), preset="vcf", force=True, csi=True, min_shift=kind)


def write(folder: Path, data: bytes, block_size: int, kind: str | int) -> Path:
    path = folder / "cohort.vcf.gz"
    path.write_bytes(bgzf_bytes(data, block_size))
    make_index(path, kind)
    return path


def streamed(reader: VcfReader, **limits: object) -> VariantBatch:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vcf, "SEEK_SHARE", -1.0)
        return read_all(reader, **limits)


def without_line(batch: VariantBatch) -> VariantBatch:
    return VariantBatch(
        batch.variants.with_columns(line=pl.lit(0, pl.Int64)),
        batch.alt_count,
        batch.call_ploidy,
        batch.call_dosage,
    )


def line_at(path: Path, offset: int) -> list[str]:
    """The columns of the line at a virtual offset, as htslib reads it."""
    with pysam.BGZFile(str(path)) as file:
        file.seek(offset)
        return file.readline().decode("utf-8", "backslashreplace").rstrip("\r").split("\t")


def assert_seeking_is_streaming(path: Path, **limits: object) -> None:
    whole = streamed(VcfReader(path), **limits)
    for threads, max_batch_bytes in ((1, 1 << 20), (3, 20)):
        reader = VcfReader(path, threads=threads, max_batch_bytes=max_batch_bytes)
        sought = read_all(reader, **limits)
        assert "seeked" in reader.counts.notes
        assert reader.sha256 is None
        assert_same(without_line(sought), without_line(whole))
    lines = sought.variants["line"]
    assert lines.is_sorted()
    assert lines.n_unique() == whole.variants["line"].n_unique()
    for row in sought.variants.iter_rows(named=True):
        columns = line_at(path, row["line"])
        assert (columns[0], int(columns[1])) == (row["contig"], row["position"])


@st.composite
def contigs_apart(draw: st.DrawFn) -> bytes:
    """Sorted text whose positions spread over many windows, with deletions and END blocks."""
    header, lines = [], []
    n_samples = draw(st.integers(0, 2))
    names = draw(st.sampled_from([["1", "2"], ["chr1", "chrX"], ["1", "chr1"]]))
    for contig in names:
        header.append(f"##contig=<ID={contig}>")
        steps = draw(st.lists(st.integers(0, 40_000) | st.integers(0, 40), max_size=25))
        position = draw(st.integers(1, 100_000))
        for step in steps:
            position += step
            length = draw(st.sampled_from([1, 1, 1, 2, 30, 300, 20_000]))
            if draw(st.booleans()):
                last = position + length - 1
                fixed = [contig, str(position), ".", "A", "<NON_REF>", ".", ".", f"END={last}"]
            else:
                fixed = [contig, str(position), ".", "A" * min(length, 300), "C", ".", ".", "."]
            cells = draw(st.lists(st.sampled_from(["0|1", "./.", "1"]), min_size=2, max_size=2))
            lines.append("\t".join([*fixed, "GT", *cells[:n_samples]]))
    columns = ["CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    header.append("#" + "\t".join([*columns, *"ab"[:n_samples]]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = end.join(["##fileformat=VCFv4.3", *header, *lines])
    return (text + draw(st.sampled_from([end, end, ""]))).encode()


@st.composite
def wanted_places(draw: st.DrawFn, data: bytes) -> Wanted:
    """Positions at, inside, just beside and far from records; spelt canonically."""
    starts: dict[str, list[int]] = {}
    for line in data.splitlines():
        if not line.startswith(b"#"):
            contig, position, _ = line.split(b"\t", 2)
            starts.setdefault(canonical_contig(contig.decode()), []).append(int(position))
    positions = {}
    for contig, here in starts.items():
        near = st.builds(
            int.__add__, st.sampled_from(here), st.sampled_from([-1, 0, 1, 29, 19_999])
        )
        places = draw(st.lists(near | st.integers(1, 500_000), max_size=4))
        positions[contig] = np.unique(np.array([max(1, p) for p in places], np.int64))
    return Wanted(positions)


@modest
@given(contigs_apart(), st.data(), st.sampled_from(INDEXES), st.sampled_from([61, 700, 65280]))
def test_wanted_rows_are_those_of_a_whole_read(tmp_path, data, draw, kind, block_size):
    path = write(tmp_path, data, block_size, kind)
    if data.splitlines()[-1].startswith(b"#"):
        return
    assert_seeking_is_streaming(path, wanted=draw.draw(wanted_places(data)))


@modest
@given(contigs_apart(), st.data(), st.sampled_from(INDEXES), st.sampled_from([61, 65280]))
def test_rows_of_a_region_are_those_of_a_whole_read(tmp_path, data, draw, kind, block_size):
    path = write(tmp_path, data, block_size, kind)
    if data.splitlines()[-1].startswith(b"#"):
        return
    region = draw.draw(regions(("1", "chr1", "2", "X"), 500_000))
    limits: dict[str, object] = {"region": region}
    if draw.draw(st.booleans()):
        limits["wanted"] = draw.draw(wanted_places(data))
    assert_seeking_is_streaming(path, **limits)


@settings(modest, max_examples=40)
@given(vcf_text(max_records=12, sort=True), st.data(), st.sampled_from(INDEXES))
def test_any_record_is_found_through_an_index(tmp_path, data, draw, kind):
    data = bytes(data).rstrip(b"\r\n") + b"\n"
    try:
        path = write(tmp_path, data, 61, kind)
    except OSError:
        return  # htslib will not index it
    if data.splitlines()[-1].startswith(b"#"):
        return
    assert_seeking_is_streaming(path, wanted=draw.draw(wanted_places(data)))


@pytest.mark.parametrize(
    "name",
    [
        "cohort/tiny1000G/tiny1000G.vcf.gz",
        "cohort/akt_pca_wgs/wgs.grch37.vcf.gz",
        "cohort/peddy_sites_1kg_train/1kg_exonic_sites.GRCh38.vcf.gz",
    ],
)
def test_public_files_give_the_same_rows_through_their_own_index(name, tmp_path):
    source = shared_data(name)
    path = tmp_path / source.name
    path.symlink_to(source)
    index = path.with_name(path.name + ".tbi")
    index.write_bytes(source.with_name(source.name + ".tbi").read_bytes())
    whole = streamed(VcfReader(path))
    rows = whole.variants[:: max(1, whole.n_variants // 20)]
    wanted = Wanted(
        {
            canonical_contig(contig): np.unique(group["position"].to_numpy())
            for (contig,), group in rows.group_by("contig")
        }
    )
    assert_seeking_is_streaming(path, wanted=wanted)
    contig, position = rows.row(len(rows) // 2)[:2]
    assert_seeking_is_streaming(path, region=Region(contig, position - 1, position + 100_000))


TEXT = """\
##fileformat=VCFv4.3
##contig=<ID=1>
##contig=<ID=2>
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb
""" + "".join(
    f"{contig}\t{position}\trs{position}\tA\tC\t.\t.\t.\tGT\t0|1\t1|1\n"
    for contig in "12"
    for position in range(1000, 400_000, 1000)
)
TEN_THOUSAND = Wanted({"1": np.array([10_000]), "2": np.array([399_000])})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path, TEXT.encode(), 700, "tbi")


def warnings_of(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(record.getMessage() for record in caplog.records)


def assert_streams(path: Path, caplog: pytest.LogCaptureFixture, why: str | None) -> None:
    """All rows are there, the whole file was read, and a warning says why."""
    reader = VcfReader(path)
    with caplog.at_level(logging.WARNING, "genomed"):
        rows = read_all(reader, wanted=TEN_THOUSAND)
    assert rows.variants["position"].to_list() == [10_000, 399_000]
    assert reader.counts.n_records == 798
    assert reader.sha256 is not None
    assert "seeked" not in reader.counts.notes
    assert why is None or why in warnings_of(caplog)
    assert (why is None) == (not caplog.records)


def test_only_a_few_records_are_looked_at(path):
    reader = VcfReader(path)
    rows = read_all(reader, wanted=TEN_THOUSAND)
    assert rows.variants["position"].to_list() == [10_000, 399_000]
    assert reader.counts.n_records < 100
    assert reader.counts.notes["seeked"] == 1


def test_a_reader_can_seek_then_stream_then_seek_again(path):
    reader = VcfReader(path)
    first = read_all(reader, wanted=TEN_THOUSAND)
    assert read_all(reader).n_variants == 798
    assert len(reader.sha256 or "") == 64
    assert_same(read_all(reader, wanted=TEN_THOUSAND), first)


def test_a_stream_that_was_prefetching_is_sought_in_and_closed(path):
    stream = TextStream(path)
    stream.prefetch()
    reader = VcfReader(path, stream=stream)
    assert read_all(reader, wanted=TEN_THOUSAND).n_variants == 2
    assert stream._raw.closed


def test_ids_are_looked_for_in_the_whole_file(path):
    reader = VcfReader(path)
    found = read_all(reader, wanted=Wanted({"1": np.array([10_000])}, frozenset({"rs20000"})))
    assert found.n_variants == 3
    assert reader.counts.n_records == 798


def test_nothing_wanted_reads_nothing(path):
    reader = VcfReader(path)
    assert read_all(reader, wanted=Wanted()).n_variants == 0
    assert reader.counts.n_records == 0


def test_small_shares_of_large_files_only_are_sought(path, monkeypatch, caplog):
    monkeypatch.setattr(vcf, "SEEK_MIN_BYTES", 1 << 20)
    assert_streams(path, caplog, None)
    monkeypatch.setattr(vcf, "SEEK_MIN_BYTES", 0)
    monkeypatch.setattr(vcf, "SEEK_SHARE", 0.001)
    assert_streams(path, caplog, None)


def test_an_index_older_than_its_file_is_not_used(path, caplog):
    index = path.with_name(path.name + ".tbi")
    os.utime(index, (1, 1))
    assert_streams(path, caplog, "older than the file")


def test_an_index_beside_a_name_without_gz_is_found(path):
    path.with_name(path.name + ".tbi").rename(path.with_suffix(".tbi"))
    assert has_index(str(path))
    reader = VcfReader(path)
    read_all(reader, wanted=TEN_THOUSAND)
    assert "seeked" in reader.counts.notes


def test_without_an_index_the_file_is_streamed(path, caplog):
    path.with_name(path.name + ".tbi").unlink()
    assert not has_index(str(path))
    assert_streams(path, caplog, None)


@pytest.mark.parametrize(
    "content", [b"", b"no index", gzip.compress(b"TBI\1", mtime=0), b"\x1f\x8b\x08"]
)
def test_a_damaged_index_is_not_used(path, caplog, content):
    path.with_name(path.name + ".tbi").write_bytes(content)
    assert_streams(path, caplog, "not an index of a VCF, or is damaged")


@pytest.mark.parametrize("kind", ["tbi", 14])
def test_an_index_with_any_byte_changed_never_ends_in_a_traceback(path, kind, caplog):
    make_index(path, kind)
    (index,) = (p for p in path.parent.iterdir() if p.suffix in (".tbi", ".csi"))
    whole = bytearray(gzip.decompress(index.read_bytes()))
    for at in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[at] ^= 0xFF
        index.write_bytes(gzip.compress(changed, 1))
        with suppress(InputError):
            read_all(VcfReader(path), wanted=TEN_THOUSAND)


def test_the_index_of_another_file_is_not_used(path, caplog):
    path.write_bytes(bgzf_bytes((TEXT + TEXT.splitlines()[-1] + "\n").encode(), 700))
    os.utime(path, (1, 1))
    reader = VcfReader(path)
    with caplog.at_level(logging.WARNING, "genomed"):
        assert read_all(reader, wanted=TEN_THOUSAND).n_variants == 3
    assert "does not end where the file ends" in warnings_of(caplog)


def test_an_index_that_points_between_two_lines_is_an_input_error(path):
    index = path.with_name(path.name + ".tbi")
    data = bytearray(gzip.decompress(index.read_bytes()))
    at = 8 + 28 + 4 + 4 + 8  # first chunk of the first bin of contig 1
    first = struct.unpack_from("<Q", data, at)[0]
    struct.pack_into("<Q", data, at, first + 5)
    index.write_bytes(gzip.compress(data))
    with pytest.raises(
        InputError, match=r"cohort.vcf.gz: its index leads to places .*`bcftools index -f`"
    ):
        read_all(VcfReader(path), region=Region("1", 0, 2000))


def test_a_file_cut_off_is_refused_when_it_is_sought_in(path):
    path.write_bytes(path.read_bytes()[:-28])
    os.utime(path, (1, 1))
    with pytest.raises(InputError, match="no BGZF end-of-file block"):
        read_all(VcfReader(path), wanted=TEN_THOUSAND)


def test_a_bad_line_found_through_the_index_is_named_by_its_place(tmp_path):
    text = TEXT.replace(
        "2\t399000\trs399000\tA\tC\t.\t.\t.\tGT\t0|1", "2\t399000\t.\tA\tC\t.\t.\t.\tGT\t0|9"
    )
    path = write(tmp_path, text.encode(), 700, "tbi")
    with pytest.raises(InputError, match=r"cohort.vcf.gz, the line of '2:399000' .*'a': '0\|9'"):
        read_all(VcfReader(path), wanted=TEN_THOUSAND)


def test_an_index_made_by_bcftools_is_used(path):
    path.with_name(path.name + ".tbi").unlink()
    subprocess.run([tool("bcftools"), "index", "-m", "7", path], check=True)
    assert_seeking_is_streaming(path, wanted=TEN_THOUSAND)
