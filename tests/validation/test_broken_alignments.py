"""Public SAM, BAM and CRAM: what passes elsewhere is read, what is broken is refused with a reason.

The files are those of hts-specs, htsjdk, samtools and pysam.
"""

import re
import shutil
from pathlib import Path

import pytest
from datafiles import data_root, shared_data

from genomed.errors import InputError
from genomed.io.alignments import AlignmentReader
from genomed.regions import Region

BROKEN = data_root() / "broken"

# A broken file, and words of the reason; of hts-specs each is named after what is wrong.
REASONS = {
    "aux.fail-B1": "tag 'BA:B:F,1'",
    "aux.fail-B2": "tag 'BC:B:C,-1'",
    "aux.fail-Z1": "tag 'Z0:Z:",
    "aux.fail-format2": "tag 'ZZZ:Z:long'",
    "aux.fail-format4": "tag 'ZZ' is there twice",
    "aux.fail-i1": "does not fit into 32 bits",
    "aux.fail-i2": "does not fit into 32 bits",
    "aux.fail-i3": "tag 'I0:i:'",
    "aux.fail-tag": "tag '0A:Z:0'",
    "cigar.fail1": "SEQ has 50 bases and QUAL 49",
    "cigar.fail2": "CIGAR is '2S1H46M1H2S'",
    "cigar.fail5": "CIGAR is ''",
    "flag.fail1": "FLAG is '*'",
    "hdr.HD1": "version (VN)",
    "hdr.HD2": "sort order (SO) 'query'",
    "hdr.HD4": "sub-sort (SS)",
    "hdr.HD7": "@HD is not the first line",
    "hdr.PG2": "program (@PG) without ID",
    "hdr.PG3": "'missing', which is not there",
    "hdr.RG0": "without ID",
    "hdr.RG1": "read group 'RG:r' is there twice",
    "hdr.RG3": "date (DT)",
    "hdr.RG5": "platform (PL)",
    "hdr.SQ12": "MD5 (M5)",
    "hdr.SQ13": "topology (TP)",
    "hdr.SQ4": "locus (AH)",
    "hdr.SQ9": "names both contig",
    "mapq.fail1": "MAPQ is '-1'",
    "pnext.fail1": "PNEXT is '-1'",
    "pnext.fail2": "PNEXT is '1.9'",
    "pnext.fail3": "PNEXT is '*'",
    "pos.fail4": "POS is '*'",
    "qname.fail2": "QNAME is '@x'",
    "qname.fail4": "QNAME is ''",
    "qual.fail1": "QUAL is",
    "qual.fail2": "QUAL is",
    "qual.fail4": "QUAL is given, but SEQ is not",
    "qual.fail5": "QUAL is ''",
    "rname.fail10": "RNAME is ''",
    "rname.fail3": "contig name 'x,'",
    "rname.fail5": "contig name 'x[]'",
    "rname.fail6": "contig name 'x()'",
    "rnext.fail1": "contig name 'space space'",
    "rnext.fail10": "contig name",
    "rnext.fail2": "contig name '*foo'",
    "rnext.fail3": "contig name 'x,'",
    "rnext.fail5": "contig name 'x[]'",
    "rnext.fail7": "contig name 'x<>'",
    "rnext.fail8": "contig name",
    "seq.fail1": "SEQ is 'A C'",
    "seq.fail2": "SEQ is '*A'",
    "seq.fail3": "SEQ is ''",
    "tlen.fail1": "TLEN is '199.1'",
    "tlen.fail2": "TLEN is '*'",
    "tlen.fail3": "TLEN is '*'",
}
OTHERS = {
    "htsjdk/duplicate_rg.sam": "is there twice",
    "htsjdk/invalid_coord_sort_order.sam": "lies before the one above it",
    "htsjdk/missing_fields.sam": "date (DT)",
    "htsjdk/truncated_quals.sam": "date (DT)",
    "htsjdk/truncated.bam": "truncated at byte",
    "pysam_misc/ex9_fail.sam": "platform (PL)",
    "samtools_quickcheck/1.quickcheck.badeof.bam": "no BGZF end-of-file block",
    "samtools_quickcheck/5.quickcheck.scramble30.truncated.cram": "no end-of-file container",
    "samtools_quickcheck/7.quickcheck.cram30.ok.cram": "give --reference",
}
GOOD = {
    "pysam_misc/example_empty_header.sam": 320,
    "pysam_misc/rg_with_tab.sam": 3270,
    "samtools_quickcheck/3.quickcheck.ok.bam": 40,
}


def found(path: Path, **options) -> list[tuple[int, ...]]:
    """Contig, start, end, flag and MAPQ of every alignment."""
    return [
        (block.contig, *row)
        for block in AlignmentReader(path, **options).blocks()
        for row in zip(*(x.tolist() for x in block[3:]), strict=True)
    ]


def listed(folder: str, ending: str) -> list[str]:
    return sorted(p.relative_to(BROKEN).as_posix() for p in (BROKEN / folder).glob(f"*{ending}"))


def test_every_broken_sam_of_the_specification_is_judged():
    shared_data("broken/hts_specs/sam/failed")
    assert {Path(name).stem for name in listed("hts_specs/sam/failed", ".sam")} == set(REASONS)


@pytest.mark.parametrize(
    ("name", "reason"),
    [*((f"hts_specs/sam/failed/{name}.sam", why) for name, why in REASONS.items()),
     *OTHERS.items()],
)  # fmt: skip
def test_a_broken_file_is_refused_with_the_reason(name, reason):
    path = shared_data(f"broken/{name}")
    ordered = "sort_order" in name  # others are not sorted, besides what they are broken for
    with pytest.raises(InputError, match=re.escape(reason)) as caught:
        found(path, ordered=ordered)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("name", listed("hts_specs/sam/passed", ".sam"))
def test_a_sam_that_the_specification_passes_is_read(name):
    path = shared_data(f"broken/{name}")
    records = [line for line in path.read_bytes().splitlines() if line[:1] != b"@"]
    assert len(found(path, ordered=False)) == len(records)


@pytest.mark.parametrize(("name", "n"), GOOD.items())
def test_a_sound_file_is_read(name, n):
    assert len(found(shared_data(f"broken/{name}"))) == n


@pytest.mark.parametrize("name", listed("hts_specs/cram/3.0/passed", ".cram"))
def test_a_cram_holds_what_its_sam_holds(name):
    path = shared_data(f"broken/{name}")
    cram = found(path, reference=shared_data("broken/hts_specs/ce.fa"), ordered=False)
    sam = path.with_suffix(".sam")
    if sam.is_file():
        assert cram == found(sam, ordered=False)
    else:
        assert len(cram) in (1000, 910, 20000)


@pytest.mark.parametrize("name", listed("hts_specs/cram/3.1/passed", ".cram"))
def test_cram_3_1_is_read(name):
    same = shared_data("broken/hts_specs/cram/3.0/passed/level-1.cram")
    assert found(shared_data(f"broken/{name}")) == found(same)


def test_a_cram_without_index_refuses_regions(tmp_path):
    source = shared_data("reads/freebayes_tiny/NA12878.chr22.tiny.cram")
    path = tmp_path / "copy.cram"
    shutil.copy(source, path)
    reader = AlignmentReader(path, reference=shared_data("reads/freebayes_tiny/q.fa"))
    with pytest.raises(InputError, match="has no index"):
        list(reader.blocks([Region("q", 0, 100)]))


def test_a_cram_with_another_reference_is_refused_with_the_reason(tmp_path):
    path = shared_data("reads/freebayes_tiny/NA12878.chr22.tiny.cram")
    text = shared_data("reads/freebayes_tiny/q.fa").read_text()
    other = tmp_path / "other.fa"
    other.write_text(text.replace("A", "t").replace("C", "A"))
    with pytest.raises(InputError, match="MD5"):
        found(path, reference=other)
