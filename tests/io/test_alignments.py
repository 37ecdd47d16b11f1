"""BAM and CRAM come as the same blocks, with what htslib sees in them; damage is told."""

import hashlib
import os
import random
import shutil
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pysam
import pytest
from bam_files import HEADER, alignment, write_bam
from datafiles import shared_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genomed.errors import InputError
from genomed.io import htslib_records
from genomed.io.alignments import AlignmentReader
from genomed.io.bgzf_writer import BgzfWriter
from genomed.io.fasta import Fasta
from genomed.regions import Region

FILES = [
    ("reads/deepvariant_chr20/NA12878_S1.chr20.10_10p1mb.bam", None),
    ("reads/bcftools_mpileup/mpileup.1.bam", None),
    ("reads/freebayes_tiny/NA12878.chr22.tiny.cram", "reads/freebayes_tiny/q.fa"),
]
BIG = FILES[0][0]


def rows(blocks) -> list[tuple[int, ...]]:
    """Contig, start, end, flag and MAPQ of every alignment."""
    return [
        (block.contig, *row)
        for block in blocks
        for row in zip(*(x.tolist() for x in block[3:]), strict=True)
    ]


def names(blocks) -> list[bytes]:
    """Names of the reads."""
    return [
        bytes(block.data[at + 32 : at + 31 + block.data[at + 8]])
        for block in blocks
        for at in block.place
    ]


def judged(reads) -> list[tuple[int, ...]]:
    return [
        (r.reference_id, r.reference_start, r.reference_end or r.reference_start + 1, r.flag,
         r.mapping_quality)
        for r in reads
    ]  # fmt: skip


@pytest.mark.parametrize(("path", "reference"), FILES)
@pytest.mark.parametrize("threads", [1, 3])
def test_every_alignment_comes_once_with_the_span_that_htslib_gives_it(path, reference, threads):
    fasta = shared_data(reference) if reference else None
    found = rows(AlignmentReader(shared_data(path), reference=fasta, threads=threads).blocks())
    name = None if fasta is None else str(fasta)
    with pysam.AlignmentFile(str(shared_data(path)), reference_filename=name) as judge:
        assert found == judged(judge.fetch(until_eof=True))


def test_a_region_gives_the_alignments_that_overlap_it():
    path = shared_data(BIG)
    blocks = AlignmentReader(path).blocks([Region("20", 10_005_000, 10_006_000)])
    with pysam.AlignmentFile(str(path)) as judge:
        expected = judge.count("chr20", 10_005_000, 10_006_000)
    assert sum(len(block.place) for block in blocks) == expected == 583


@pytest.fixture(scope="module")
def scattered(tmp_path_factory) -> Path:
    """Alignments far and near, long and short, on three contigs; several BGZF blocks."""
    draw = random.Random(7)
    contigs = {"1": 3_000_000, "2": 200_000, "3": 600_000_000}
    reads = []
    for contig, length in enumerate(contigs.values()):
        for i in range(4000):
            cigar = draw.choice(["100M", "50M20000N50M", "80M900000N20M", "10M", "30M5D70M"])
            start = draw.randrange(length - 1_000_000) if length > 2_000_000 else draw.randrange(90)
            reads.append(alignment(contig, start, cigar, name=f"c{contig}r{i}"))
    reads.sort(key=lambda read: (read.reference_id, read.reference_start))
    reads += [alignment(-1, -1, "*", flag=4, name=f"u{i}") for i in range(50)]
    path = tmp_path_factory.mktemp("scattered") / "x.bam"
    return write_bam(path, reads, contigs, index=False)


@pytest.mark.parametrize("kind", ["csi", "csi of another size"])
def test_regions_give_what_htslib_finds_by_the_same_index(scattered, kind, tmp_path):
    path = tmp_path / "x.bam"
    shutil.copy(scattered, path)
    pysam.index("-c", *(["-m", "12"] if kind != "csi" else []), str(path))
    draw = random.Random(3)
    regions = [Region("2", 0, 200_000), Region("1", 0, 1), Region("3", 599_999_000, 600_000_000)]
    for _ in range(40):
        contig, length = draw.choice([("1", 3_000_000), ("3", 600_000_000)])
        start = draw.randrange(length - 10)
        regions.append(Region(contig, start, start + draw.choice([1, 100, 20_000, 3_000_000])))
    reader = AlignmentReader(path)
    with pysam.AlignmentFile(str(path)) as judge:
        for region in regions:
            assert names(reader.blocks([region])) == [
                read.query_name.encode() for read in judge.fetch(*region)
            ]


def test_a_bai_gives_the_same_regions(tmp_path):
    path = tmp_path / "x.bam"
    shutil.copy(shared_data(BIG), path)
    pysam.index(str(path))
    reader = AlignmentReader(path)
    regions = [Region("chr20", at, at + 700) for at in range(9_999_000, 10_101_000, 9_900)]
    with pysam.AlignmentFile(str(path)) as judge:
        expected = [judged(judge.fetch(*region)) for region in regions]
    assert [rows(reader.blocks([region])) for region in regions] == expected
    assert rows(reader.blocks(regions)) == [row for part in expected for row in part]


def test_regions_of_a_cram_are_those_of_its_bam(tmp_path):
    source = shared_data("reads/freebayes_tiny/NA12878.chr22.tiny.cram")
    cram = tmp_path / "x.cram"
    shutil.copy(source, cram)
    pysam.index(str(cram))
    reader = AlignmentReader(cram, reference=shared_data("reads/freebayes_tiny/q.fa"))
    bam = AlignmentReader(shared_data("reads/freebayes_tiny/NA12878.chr22.tiny.bam"))
    regions = [Region("q", 100, 200), Region("q", 5000, 9000), Region("q", 12_000, 13_000)]
    regions.append(Region("q", 2_000_000, 2_000_100))  # beyond its end
    assert rows(reader.blocks(regions)) == rows(bam.blocks(regions))


def test_a_file_that_is_left_early_can_be_read_again():
    reader = AlignmentReader(shared_data(BIG), threads=2)
    first = next(iter(reader.blocks()))
    assert next(iter(reader.blocks())).start[0] == first.start[0]


def test_only_reads_of_the_sample_come(tmp_path):
    groups = {"a1": "anna", "b": "bert", "a2": "anna"}
    reads = [alignment(0, i, group=g) for i, g in enumerate(["a1", "b", "a2", None, "a1", "x"])]
    path = write_bam(tmp_path / "x.bam", reads, groups=groups)
    reader = AlignmentReader(path, sample="anna")
    assert reader.samples == ["anna", "bert"]
    assert [row[1] for row in rows(reader.blocks())] == [0, 2, 4]
    assert [row[1] for row in rows(reader.blocks([Region("1", 2, 5)]))] == [0, 2, 4]


def test_a_sample_without_read_group_is_refused(tmp_path):
    path = write_bam(tmp_path / "x.bam", [alignment()], groups={"a": "anna"})
    with pytest.raises(InputError, match=r"no read group is of sample 'carl'.*anna"):
        AlignmentReader(path, sample="carl")


def test_a_contig_goes_by_its_usual_names(tmp_path):
    path = write_bam(tmp_path / "x.bam", [alignment(1, 5)], {"chr1": 90, "chrM": 90})
    reader = AlignmentReader(path)
    assert reader.contig_index("MT") == reader.contig_index("chrM") == 1
    assert len(rows(reader.blocks([Region("MT", 0, 90)]))) == 1
    with pytest.raises(InputError, match=r"no contig '7'.*chr1, chrM"):
        reader.contig_index("7")


@pytest.mark.parametrize(
    ("places", "where"),
    [([(0, 5), (0, 4)], r"record 2 \(1:5\)"), ([(1, 0), (0, 9)], r"record 2 \(1:10\)"),
     ([(-1, -1), (0, 0)], r"record 2 \(1:1\)")],
)  # fmt: skip
def test_an_unsorted_file_is_refused_by_record(tmp_path, places, where):
    reads = [alignment(c, s, "10M" if c >= 0 else "*", flag=0 if c >= 0 else 4) for c, s in places]
    path = write_bam(tmp_path / "x.bam", reads, {"1": 100, "2": 100}, index=False, header={})
    with pytest.raises(InputError, match=where + ".*samtools sort"):
        list(AlignmentReader(path).blocks())
    assert len(rows(AlignmentReader(path, ordered=False).blocks())) == 2


def test_a_header_that_says_unsorted_is_believed(tmp_path):
    header = {"HD": {"VN": "1.6", "SO": "queryname"}}
    path = write_bam(tmp_path / "x.bam", [alignment()], index=False, header=header)
    with pytest.raises(InputError, match="not sorted by coordinate"):
        AlignmentReader(path)


def test_regions_need_an_index(tmp_path):
    path = write_bam(tmp_path / "x.bam", [alignment()], index=False)
    with pytest.raises(InputError, match=r"x\.bam: has no index.*samtools index"):
        list(AlignmentReader(path).blocks([Region("1", 0, 10)]))


def test_an_index_that_is_none_is_told(tmp_path):
    path = write_bam(tmp_path / "x.bam", [alignment()], index=False)
    path.with_name("x.bam.bai").write_bytes(b"BAI\1\5\0\0")
    with pytest.raises(InputError, match="not an index of a BAM, or is damaged"):
        list(AlignmentReader(path).blocks([Region("1", 0, 10)]))


def test_regions_of_a_file_without_its_end_are_refused(tmp_path):
    path = write_bam(tmp_path / "x.bam", [alignment()])
    path.write_bytes(path.read_bytes()[:-28])
    with pytest.raises(InputError, match="no BGZF end-of-file block"):
        list(AlignmentReader(path).blocks([Region("1", 0, 10)]))


def test_an_index_older_than_its_file_is_warned_of_once(tmp_path, caplog):
    path = write_bam(tmp_path / "x.bam", [alignment()])
    os.utime(path.with_name("x.bam.bai"), (1e9, 1e9))
    for _ in range(2):
        blocks = list(AlignmentReader(path).blocks([Region("1", 0, 10)]))
        assert sum(len(block.place) for block in blocks) == 1
    assert [r.getMessage().split(" and ")[1] for r in caplog.records] == [
        "may lack some of its reads; make it again with `samtools index`"
    ]


def test_an_index_of_another_file_is_told_where_it_has_nothing_of_a_region(scattered, tmp_path):
    """Of fewer reads of the same people, as of an earlier delivery: no read would be found."""
    path = tmp_path / "all.bam"
    path.write_bytes(scattered.read_bytes())
    with pysam.AlignmentFile(str(scattered)) as whole:
        reads = list(whole)
        with pysam.AlignmentFile(str(tmp_path / "few.bam"), "wb", template=whole) as few:
            for read in reads[:5]:
                few.write(read)
    pysam.index(str(tmp_path / "few.bam"))
    (tmp_path / "few.bam.bai").rename(tmp_path / "all.bam.bai")
    last = [read for read in reads if not read.is_unmapped][-1]
    place = Region(last.reference_name, last.reference_start, last.reference_start + 1)
    with pytest.raises(InputError, match="it was made for another file"):
        list(AlignmentReader(path).blocks([place]))


def test_an_index_that_leads_into_a_record_is_told(tmp_path):
    path = write_bam(tmp_path / "many.bam", [alignment(name=str(k)) for k in range(9)])
    index = bytearray(path.with_name("many.bam.bai").read_bytes())
    begin = int.from_bytes(index[20:28], "little")  # of the only chunk; its end lies behind
    index[28:36] = (begin + 20).to_bytes(8, "little")
    path.with_name("many.bam.bai").write_bytes(index)
    with pytest.raises(InputError, match=r"many\.bam: its index leads to .*`samtools index`"):
        list(AlignmentReader(path).blocks([Region("1", 0, 10)]))


def test_an_index_of_another_file_is_told(tmp_path):
    path = write_bam(tmp_path / "x.bam", [alignment()], index=False)
    shutil.copy(shared_data(BIG + ".bai"), tmp_path / "x.bam.bai")
    with pytest.raises(InputError, match="index"):
        list(AlignmentReader(path).blocks([Region("1", 0, 10)]))


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_what_is_no_alignment_is_refused(tmp_path, content):
    path = tmp_path / "x.bam"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is empty|is not BAM, CRAM or SAM"):
        AlignmentReader(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        AlignmentReader(tmp_path / "none.bam")


def test_a_reference_of_another_build_is_refused(tmp_path):
    fasta = tmp_path / "x.fa"
    fasta.write_text(">1\nACGTACGT\n>2\nAC\n")
    path = write_bam(tmp_path / "x.bam", [alignment()], {"1": 8, "2": 3, "3": 5}, index=False)
    reader = AlignmentReader(path)
    reader.check_reference(Fasta(fasta), ["1"])
    with pytest.raises(InputError, match="its 2 has 2 bases, the alignments' 3"):
        reader.check_reference(Fasta(fasta), ["2"])
    with pytest.raises(InputError, match="has no contig 3"):
        reader.check_reference(Fasta(fasta), ["3"])


def test_a_reference_with_another_md5_is_refused(tmp_path):
    fasta = tmp_path / "x.fa"
    fasta.write_text(">1\nacgtACGT\nAA\n")
    for name, bases in (("right", b"ACGTACGTAA"), ("wrong", b"ACGTACGTAC")):
        line = {"SN": "1", "LN": 10, "M5": hashlib.md5(bases).hexdigest()}
        path = tmp_path / f"{name}.bam"
        with pysam.AlignmentFile(str(path), "wb", header={**HEADER, "SQ": [line]}):
            pass
        reader = AlignmentReader(path)
        if name == "right":
            reader.check_reference(Fasta(fasta))
        else:
            with pytest.raises(InputError, match="another MD5"):
                reader.check_reference(Fasta(fasta))


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> tuple[bytes, int]:
    """Inflated bytes of a small BAM, and where its records begin."""
    path = tmp_path_factory.mktemp("plain") / "x.bam"
    reads = [
        alignment(0, i, "4M1I4M2S", name=f"read{i}", group="a", mate=(0, i + 3)) for i in range(40)
    ]
    write_bam(path, reads, groups={"a": "anna"}, index=False)
    data = pysam.BGZFile(str(path)).read()
    (n_text,) = struct.unpack_from("<i", data, 4)
    return data, 12 + n_text + 8 + 2


def read_bytes(path: Path, data: bytes) -> int:
    with BgzfWriter(path) as file:
        file.write(data)
    reader = AlignmentReader(path, sample="anna")
    return sum(len(block.place) for block in reader.blocks())


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
def test_changed_bytes_are_read_or_refused_but_never_break_the_program(plain, tmp_path, changes):
    data, first = plain
    changed = bytearray(data)
    for share, value in changes:
        changed[first + int(share * (len(data) - first - 1))] = value
    with suppress(InputError):
        assert read_bytes(tmp_path / "x.bam", bytes(changed)) <= 40


@pytest.mark.parametrize("cut", [1, 3, 30, 60])
def test_a_record_that_is_cut_off_is_told(plain, tmp_path, cut):
    with pytest.raises(InputError, match="ends in the middle of record 40"):
        read_bytes(tmp_path / "x.bam", plain[0][:-cut])


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [(0, struct.pack("<I", 9), "parts do not fit"), (4, struct.pack("<i", 7), "contig"),
     (8, struct.pack("<i", -5), "position"), (12, b"\0", "parts do not fit"),
     (20, struct.pack("<i", 5), "CIGAR"), (20, struct.pack("<i", 1 << 30), "parts do not fit")],
)  # fmt: skip
def test_a_damaged_record_is_told_by_its_number(plain, tmp_path, offset, value, reason):
    data, first = plain
    changed = bytearray(data)
    changed[first + offset : first + offset + len(value)] = value
    with pytest.raises(InputError, match=f"record 1: .*{reason}"):
        read_bytes(tmp_path / "x.bam", bytes(changed))


def test_what_the_writer_of_bgzf_writes_is_read_back(tmp_path):
    text = np.random.default_rng(1).integers(0, 5, 300_000).astype(np.uint8).tobytes()
    path = tmp_path / "x.gz"
    with BgzfWriter(path) as file:
        file.write(text[:7])
        file.write(text[7:])
    with pysam.BGZFile(str(path)) as judge:
        assert judge.read() == text


def test_what_htslib_says_comes_before_what_is_missing_behind_it(monkeypatch):
    bam = str(shared_data("reads/freebayes_tiny/NA12878.chr22.tiny.bam"))
    program = f"""
import sys
sys.stdout.buffer.write(open({bam!r}, "rb").read()[:20000])
sys.exit("[E::cram] it broke")
"""
    monkeypatch.setattr(htslib_records, "_PROGRAM", program)
    cram, fasta = (shared_data(name) for name in FILES[2])
    with pytest.raises(InputError, match=r"is truncated or damaged \(\[E::cram\] it broke\)"):
        list(AlignmentReader(cram, reference=fasta).blocks())
