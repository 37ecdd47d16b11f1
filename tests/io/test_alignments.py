"""BAM and CRAM come as the same blocks, with what htslib sees in them."""

import pysam
import pytest
from datafiles import shared_data

from genomed.io.alignments import AlignmentReader
from genomed.regions import Region

FILES = [
    ("reads/deepvariant_chr20/NA12878_S1.chr20.10_10p1mb.bam", None),
    ("reads/bcftools_mpileup/mpileup.1.bam", None),
    ("reads/freebayes_tiny/NA12878.chr22.tiny.cram", "reads/freebayes_tiny/q.fa"),
]


@pytest.mark.parametrize(("path", "reference"), FILES)
def test_every_alignment_comes_once_with_the_span_that_htslib_gives_it(path, reference):
    fasta = shared_data(reference) if reference else None
    found = [
        (block.contig, start, end, flag, mapq)
        for block in AlignmentReader(shared_data(path), reference=fasta).blocks()
        for start, end, flag, mapq in zip(
            block.start.tolist(), block.end.tolist(), block.flag.tolist(), block.mapq.tolist(),
            strict=True,
        )
    ]  # fmt: skip
    name = None if fasta is None else str(fasta)
    with pysam.AlignmentFile(str(shared_data(path)), reference_filename=name) as judge:
        expected = [
            (r.reference_id, r.reference_start, r.reference_end or r.reference_start + 1,
             r.flag, r.mapping_quality)
            for r in judge.fetch(until_eof=True)
        ]  # fmt: skip
    assert len(found) == len(expected)
    assert all(one == other for one, other in zip(found, expected, strict=True))


def test_a_region_gives_the_alignments_that_overlap_it():
    path = shared_data(FILES[0][0])
    blocks = AlignmentReader(path).blocks([Region("20", 10_005_000, 10_006_000)])
    with pysam.AlignmentFile(str(path)) as judge:
        expected = judge.count("chr20", 10_005_000, 10_006_000)
    assert sum(len(block.place) for block in blocks) == expected == 583
