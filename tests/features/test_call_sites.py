"""Call sites: the same wherever tiles begin, normalised, and with the shapes that nets rely on."""

from pathlib import Path

import numpy as np
import polars as pl
import pysam
import pytest
from small_alignments import Read, random_bases, write_bam

from genomed.features import call_tiles
from genomed.features.call_sites import (
    EVIDENCE_NAMES,
    IMPOSSIBLE,
    N_EVIDENCE,
    PILEUP_CENTRE,
    PILEUP_CHANNELS,
    PILEUP_NAMES,
    PILEUP_WIDTH,
    CallSites,
    iter_called_tiles,
)
from genomed.io.alignments import AlignmentReader
from genomed.io.fasta import Fasta
from genomed.regions import Region
from genomed.settings import CallSettings

LENGTH = 4_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Many SNPs, and a deletion from a run of A that every other read shows at its right end."""
    folder = tmp_path_factory.mktemp("sites")
    rng = np.random.default_rng(11)
    bases = random_bases(rng, LENGTH)
    bases = f"{bases[:2000]}CAAAAAAG{bases[2008:]}"
    places = np.arange(55, LENGTH - 55, 97)
    places = places[np.abs(places - 2004) > 30]
    other = {int(p): "ACGT".replace(bases[p], "")[int(rng.integers(3))] for p in places}
    changed = "".join(other.get(i, base) for i, base in enumerate(bases))
    reads = []
    for i, start in enumerate(rng.integers(0, LENGTH - 102, 1_600).tolist()):
        copy = changed if i % 2 else bases
        text, cigar = copy[start : start + 100], "100M"
        if i % 2 and start < 1_980 and start + 100 > 2_025:
            left = 2_006 - start  # the read ends its run of A with the deletion of two of them
            text = copy[start : start + left - 1] + copy[start + left + 1 : start + 102]
            cigar = f"{left - 1}M2D{101 - left}M"
        reads.append(Read(f"r{i}", start, cigar, text, 30, 16 * (i // 2 % 2)))
    fasta = folder / "ref.fa"
    fasta.write_text(f">1\n{bases}\n")
    pysam.faidx(str(fasta))
    return write_bam(folder / "reads.bam", reads, {"1": LENGTH}), fasta


def sites_of(
    files: tuple[Path, Path], regions: list[Region] | None = None, threads: int = 1
) -> CallSites:
    reader, fasta = AlignmentReader(files[0]), Fasta(files[1])
    tiles = iter_called_tiles(reader, fasta, regions, CallSettings(), threads=threads)
    parts = [tile.sites for tile in tiles]
    return CallSites(
        pl.concat([part.table for part in parts]),
        *(np.concatenate([getattr(part, name) for part in parts])
          for name in ("pileup", "evidence", "loglik")),
    )  # fmt: skip


def assert_same(one: CallSites, other: CallSites) -> None:
    assert one.table.equals(other.table)
    for name in ("pileup", "evidence", "loglik"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_arrays_have_the_shapes_and_kinds_that_are_documented(files: tuple[Path, Path]) -> None:
    sites = sites_of(files)
    n = len(sites.table)
    assert n > 30
    assert sites.pileup.shape == (n, PILEUP_WIDTH, PILEUP_CHANNELS)
    assert sites.evidence.shape == (n, N_EVIDENCE)
    assert sites.loglik.shape == (n, 6)
    assert (sites.pileup.dtype, sites.evidence.dtype, sites.loglik.dtype) == (
        np.int16, np.float32, np.float32,
    )  # fmt: skip
    assert np.isfinite(sites.evidence).all()
    assert (sites.loglik.max(axis=1) == 0).all()
    has_two = (sites.table["alt2"] != "").to_numpy()
    assert (sites.loglik[~has_two][:, 3:] == IMPOSSIBLE).all()


def test_the_middle_of_the_pileup_is_the_position_of_the_site(files: tuple[Path, Path]) -> None:
    sites = sites_of(files)
    first = PILEUP_NAMES.index("ref_a")
    middle = sites.pileup[:, PILEUP_CENTRE, first : first + 4].argmax(axis=1)
    assert ["ACGT"[i] for i in middle] == sites.table["ref"].str.slice(0, 1).to_list()


def test_a_deletion_is_moved_to_the_left_end_of_its_repeat(files: tuple[Path, Path]) -> None:
    sites = sites_of(files)
    indels = sites.table.filter(pl.col("ref").str.len_bytes() > 1)
    assert indels.select("position", "ref", "alt1").rows() == [(2001, "CAA", "C")]
    row = int((sites.table["position"] == 2001).arg_true()[0])
    assert sites.evidence[row, EVIDENCE_NAMES.index("length_1")] == -2
    assert sites.evidence[row, EVIDENCE_NAMES.index("homopolymer")] == 6
    assert sites.loglik[row].argmax() == 1


def test_a_deletion_is_called_where_there_is_nothing_else(files: tuple[Path, Path]) -> None:
    reader, fasta = AlignmentReader(files[0]), Fasta(files[1])
    (tile,) = iter_called_tiles(reader, fasta, [Region("1", 1_990, 2_012)], CallSettings())
    assert tile.sites.table.select("position", "ref", "alt1").rows() == [(2001, "CAA", "C")]


@pytest.mark.parametrize("tile_bp", [97, 500, 2_048])
def test_sites_are_the_same_wherever_tiles_begin(
    files: tuple[Path, Path], tile_bp: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sites_of(files)
    monkeypatch.setattr(call_tiles, "TILE_BP", tile_bp)
    assert_same(sites_of(files, threads=2), whole)


def test_sites_of_regions_are_those_of_the_whole(files: tuple[Path, Path]) -> None:
    regions = [Region("1", 0, 1_111), Region("1", 1_111, 2_003), Region("1", 2_003, LENGTH)]
    assert_same(sites_of(files, regions), sites_of(files))


def test_read_matrices_show_the_reads_that_support_each_allele(files: tuple[Path, Path]) -> None:
    reader, fasta = AlignmentReader(files[0]), Fasta(files[1])
    (called,) = iter_called_tiles(reader, fasta, None, CallSettings())
    pictures = called.read_matrices(np.arange(len(called.sites.table)))
    assert pictures.shape == (len(called.sites.table), 64, 65, 8)
    assert pictures.dtype == np.uint8
    position = called.sites.table["position"].to_numpy()
    row = int(np.flatnonzero((position > 1_000) & (position < 1_900))[0])
    ref, alt = called.sites.table.row(row)[2:4]
    codes = {"ACGT".index(base) * 50 + 50: name for base, name in ((ref, "ref"), (alt, "alt"))}
    middle = pictures[row, :, 32]
    seen = middle[middle[:, 0] > 0]
    assert set(seen[:, 0].tolist()) == set(codes)
    supported = {40: "ref", 120: "alt"}
    sure = seen[seen[:, 6] < 250]
    assert len(sure) > 10
    assert [supported[int(s)] for s in sure[:, 6]] == [codes[int(c)] for c in sure[:, 0]]


@pytest.mark.parametrize("operation", ["0I", "0D"])
def test_indels_of_no_bases_are_no_candidates(
    files: tuple[Path, Path], tmp_path: Path, operation: str
) -> None:
    text = "".join(files[1].read_text().split("\n")[1:])
    reads = [
        Read(f"r{i}", 500, f"50M{operation}50M", text[500:600], 30, 16 * (i % 2)) for i in range(20)
    ]
    path = write_bam(tmp_path / "reads.bam", reads, {"1": LENGTH})
    assert not len(sites_of((path, files[1])).table)


def called_alleles(folder: Path, bases: str, reads: list[Read]) -> list[tuple[int, str, str]]:
    (folder / "ref.fa").write_text(f">1\n{bases}\n")
    pysam.faidx(str(folder / "ref.fa"))
    bam = write_bam(folder / "reads.bam", reads, {"1": len(bases)})
    table = sites_of((bam, folder / "ref.fa")).table
    return table.select("position", "ref", "alt1").rows()


@pytest.mark.parametrize("length", [60, -60, 20, -20])
def test_a_long_indel_that_aligners_only_clip_is_a_candidate(tmp_path: Path, length: int) -> None:
    bases = random_bases(np.random.default_rng(3), 1_000)
    inserted = random_bases(np.random.default_rng(4), max(length, 0))
    gone = max(-length, 0)
    donor = bases[:500] + inserted + bases[500 + gone :]
    reads = []
    for i, start in enumerate(range(385, 520, 4)):
        text = donor[start : start + 120]
        before = 500 - start  # bases of the read before the indel
        behind = 120 - before - len(inserted)
        if behind <= 5 or before >= 60:
            reads.append(Read(f"r{i}", start, f"{before}M{120 - before}S", text, 30))
        elif before > 0 or behind < 120:
            left = 120 - behind
            reads.append(Read(f"r{i}", 500 + gone, f"{left}S{behind}M", text, 30, 16))
    reads.sort(key=lambda read: read.start)
    found = called_alleles(tmp_path, bases, reads)
    assert len(found) == 1
    position, ref, alt = found[0]
    assert len(alt) - len(ref) == length
    assert bases[: position - 1] + alt + bases[position - 1 + len(ref) :] == donor


def test_insertions_that_hold_a_wrong_base_count_for_the_repeat(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    left, right = random_bases(rng, 298) + "TT", "TT" + random_bases(rng, 298)
    bases = left + "ACG" * 10 + right
    reads = [Read(f"a{i}", 250, "110M", bases[250:360], 30, 16 * (i % 2)) for i in range(20)]
    for i in range(8):  # the aligner opens the gap where a base was misread: seven of eight times
        unit, at = ("ACG", 0) if i == 0 else ("ATG", 3 * i)
        text = bases[250:300] + "ACG" * (at // 3) + unit + bases[300 + at : 357]
        cigar = f"{50 + at}M3I{57 - at}M"
        reads.append(Read(f"i{i}", 250, cigar, text, 30, 16 * (i % 2)))
    assert called_alleles(tmp_path, bases, reads) == [(300, "T", "TACG")]


def test_one_read_makes_a_base_a_candidate_where_there_are_few(tmp_path: Path) -> None:
    bases = random_bases(np.random.default_rng(19), 900)
    reads = []
    for n_reads, at in ((1, 150), (3, 350), (4, 550)):
        for k in range(n_reads):
            text = bases[at - 50 : at + 50]
            if k == 0:
                text = f"{text[:50]}{'CATG'['ACGT'.index(bases[at])]}{text[51:]}"
            reads.append(Read(f"r{at}{k}", at - 50, "100M", text, 30, 16 * (k % 2)))
    found = called_alleles(tmp_path, bases, reads)
    assert [position for position, _, _ in found] == [151, 351]
