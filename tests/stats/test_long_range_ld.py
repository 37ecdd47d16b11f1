"""Regions of long-range LD: inside their contigs, in order, and the same ones in every build."""

import gzip
from itertools import pairwise

import pytest
from datafiles import shared_data

from genomed.assemblies import CONTIG_LENGTHS
from genomed.stats.long_range_ld import LONG_RANGE_LD


@pytest.mark.parametrize("build", sorted(LONG_RANGE_LD))
def test_regions_lie_inside_their_contigs_and_do_not_overlap(build):
    regions = LONG_RANGE_LD[build]
    for region in regions:
        assert 0 < region.start < region.end < CONTIG_LENGTHS[build][region.contig]
    for one, other in pairwise(regions):
        assert one.contig != other.contig or one.end < other.start


def test_the_hla_and_the_inversion_of_chromosome_8_are_among_them():
    for regions in LONG_RANGE_LD.values():
        assert any(r.contig == "6" and r.start < 30_000_000 < r.end for r in regions)
        assert any(r.contig == "8" and r.start < 10_000_000 < r.end for r in regions)


def lifted(path, contig: str, place: int) -> list[int]:
    """0-based places of GRCh38 that the chains of one contig onto itself give a place of GRCh37."""
    found, there = [], False
    with gzip.open(path, "rt") as file:
        for line in file:
            fields = line.split()
            if not fields:
                continue
            if fields[0] == "chain":
                there = fields[2] == fields[7] == f"chr{contig}" and fields[9] == "+"
                target, query = int(fields[5]), int(fields[10])
            elif there:
                size = int(fields[0])
                if target <= place < target + size:
                    found.append(query + place - target)
                if len(fields) == 3:
                    target, query = target + size + int(fields[1]), query + size + int(fields[2])
    return found


def test_regions_of_grch38_are_those_of_grch37_lifted_over():
    chain = shared_data("liftover/hg19ToHg38.over.chain.gz")
    pairs = zip(LONG_RANGE_LD["GRCh37"], LONG_RANGE_LD["GRCh38"], strict=True)
    for old, new in pairs:
        assert old.contig == new.contig
        assert new.start in lifted(chain, old.contig, old.start)
        assert new.end - 1 in lifted(chain, old.contig, old.end - 1)
