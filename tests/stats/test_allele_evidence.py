"""Reads against alleles: the definition, facts of single reads, and genotypes of a real person."""

import math
from pathlib import Path

import numpy as np
import pysam
import pytest
from datafiles import shared_data
from small_alignments import Read, letters, random_bases, write_bam

from genomed.io.alignments import AlignmentReader
from genomed.settings import EvidenceSettings
from genomed.stats.allele_evidence import (
    AlleleEvidence,
    allele_evidence,
    flat_alleles,
    genotype_loglik,
)

REFERENCE = random_bases(np.random.default_rng(5), 600)
DIPLOTYPES = [(0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2)]


def evidence(
    path: Path,
    reads: list[Read],
    sites: list[tuple[int, tuple[str, ...]]],
    reference: str = REFERENCE,
    **settings: float,
) -> AlleleEvidence:
    write_bam(path / "reads.bam", reads, {"one": len(reference)})
    blocks = [b for b in AlignmentReader(path / "reads.bam").blocks() if b.contig == 0]
    start = np.array([site[0] for site in sites])
    alleles = flat_alleles([site[1] for site in sites])
    return allele_evidence(
        blocks, start, alleles, letters(reference), 0, EvidenceSettings(**settings)
    )


def other(base: str) -> str:
    return "ACGT"[("ACGT".index(base) + 1) % 4]


def changed(reference: str, at: int, ref: str, alt: str) -> str:
    assert reference[at : at + len(ref)] == ref
    return reference[:at] + alt + reference[at + len(ref) :]


def units(haplotype: str, j: int) -> int:
    """Most units of a tandem repeat of a period of up to 4 that holds base j or the next one."""
    most = 1
    for period in range(1, 5):
        for begin in range(len(haplotype)):
            end = begin + period
            while end < len(haplotype) and haplotype[end] == haplotype[end - period]:
                end += 1
            if begin - 1 <= j < end and (end - begin) // period > 1:
                most = max(most, (end - begin) // period)
    return most


def naive_fit(bases: str, quality: list[int], haplotype: str, settings: EvidenceSettings) -> float:
    """Log-likelihood of the best alignment, from the recurrences, without a band."""
    n, h = len(bases), len(haplotype)
    opening = []
    for j in range(h):
        phred = settings.gap_open_phred - settings.gap_open_per_unit * max(
            units(haplotype, j) - 4, 0
        )
        opening.append(-max(phred, settings.min_gap_open_phred) / 10 * math.log(10))
    extend, close = math.log(0.1), math.log(0.9)
    low = -math.inf
    m = [[low] * h for _ in range(n)]
    ins = [[low] * h for _ in range(n)]
    gap = [[low] * h for _ in range(n)]
    for i in range(n):
        error = 10 ** (-quality[i] / 10)
        for j in range(h):
            emission = math.log(1 - error if bases[i] == haplotype[j] else error / 3)
            if i == 0:
                m[i][j] = emission
            elif j:
                before = (m[i - 1][j - 1], close + ins[i - 1][j - 1], close + gap[i - 1][j - 1])
                m[i][j] = emission + max(before)
            if i:
                ins[i][j] = max(opening[j] + m[i - 1][j], extend + ins[i - 1][j])
            if j:
                gap[i][j] = max(opening[j - 1] + m[i][j - 1], extend + gap[i][j - 1])
    return max(max(m[-1]), max(ins[-1]))


def naive_slip(true: str, read: str, unit: int, settings: EvidenceSettings) -> float:
    """Log-probability that a fragment gains or loses one unit of its longest tandem repeat."""
    longest = run = 0
    for one, next_one in zip(true, true[unit:], strict=False):
        run = run + 1 if one == next_one else 0
        longest = max(longest, run + unit if run else 0)
    phred = settings.gap_open_phred - settings.gap_open_per_unit * max(longest // unit - 4, 0)
    assert abs(len(true) - len(read)) == unit
    return -max(phred, settings.min_gap_open_phred) / 10 * math.log(10) + math.log(0.9)


@pytest.mark.parametrize("seed", range(6))
def test_realigned_reads_have_the_likelihood_of_the_definition(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    unit = ["A", "CA", "CAG"][seed % 3]
    reference = random_bases(rng, 200) + unit * 6 + random_bases(rng, 200)
    anchor, size = reference[199], len(unit)
    ref, alt = (anchor + unit, anchor) if seed % 2 else (anchor, anchor + unit)
    haplotype = changed(reference, 199, ref, alt)
    reads = []
    for k in range(8):
        source = [reference, haplotype][k % 2]
        bases = list(source[165:255])
        quality = [int(q) for q in rng.integers(10, 40, len(bases))]
        for i in rng.choice(len(bases), [0, 0, 2, 6][k // 2], replace=False):
            bases[i] = other(bases[i])
        if k % 4 == 3:
            bases = [*bases[:50], "G", *bases[50:]]  # an insertion beside the repeat
            quality.insert(50, 25)
        reads.append(Read(f"r{k}", 165, f"{len(bases)}M", "".join(bases), quality))
    # All bases in view, so that the file's alignment cuts nothing off
    wide = {"flank_bp": 150, "band_bp": 12}
    found = evidence(tmp_path, reads, [(199, (ref, alt))], reference, **wide)
    settings = EvidenceSettings()
    assert found.realigned.all()
    assert len(found.read) == len(reads)
    for row, r in enumerate(found.read):
        read = reads[r]
        two = (reference[140:280], haplotype[140 : 280 + size])
        alone = [naive_fit(read.bases, list(read.quality), one, settings) for one in two]
        fits = [
            max(alone[0], alone[1] + naive_slip(*two, len(unit), settings)),
            max(alone[1], alone[0] + naive_slip(*two[::-1], len(unit), settings)),
        ]
        best = max(fits)
        perfect = sum(math.log(1 - 10 ** (-q / 10)) for q in read.quality)
        assert found.fit[row] == pytest.approx(best - perfect, abs=1e-3)
        capped = [math.log((1 - 1e-6) * math.exp(one - best) + 1e-6) for one in fits]
        expected = np.array(capped) - max(capped)
        np.testing.assert_allclose(found.loglik[row], expected, atol=1e-3)


def test_a_repeat_that_lost_a_unit_is_as_likely_whatever_the_unit(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    odds = []
    for unit in ("AC", "ACG", "ACGTG"):
        # Bases beside the repeat that cannot be taken for a part of it
        left, right = random_bases(rng, 198) + "TT", "TT" + random_bases(rng, 198)
        reference = left + unit * 8 + right
        read = left[-30:] + unit * 7 + right[:30]
        cigar = f"30M{len(unit)}D{7 * len(unit) + 30}M"
        found = evidence(
            tmp_path, [Read("slipped", 170, cigar, read, 40)], [(199, ("T" + unit, "T"))], reference
        )
        odds.append(float(found.loglik[0, 1] - found.loglik[0, 0]))
    settings = EvidenceSettings()
    phred = settings.gap_open_phred - settings.gap_open_per_unit * 4
    expected = phred / 10 * math.log(10) - math.log(0.9)
    assert odds == pytest.approx([expected] * 3, abs=0.05)


def test_a_base_speaks_with_its_quality(tmp_path: Path) -> None:
    ref, alt = REFERENCE[300], other(REFERENCE[300])
    with_alt = changed(REFERENCE, 300, ref, alt)
    reads = [
        Read("ref", 260, "80M", REFERENCE[260:340], 20),
        Read("alt", 270, "80M", with_alt[270:350], 30, flag=16),
        Read("elsewhere", 301, "80M", REFERENCE[301:381], 30),
    ]
    found = evidence(tmp_path, reads, [(300, (ref, alt))])
    assert found.read.tolist() == [0, 1]
    assert not found.realigned.any()
    for row, quality in enumerate((20, 30)):
        error = 10 ** (-quality / 10)
        odds = math.log(1 - error) - math.log(error / 3)
        assert found.loglik[row, row] == 0
        assert found.loglik[row, 1 - row] == pytest.approx(-odds, abs=1e-2)
    assert found.base_quality.tolist() == [20, 30]
    assert found.strand.tolist() == [0, 1]
    assert found.from_start.tolist() == [40, 49]  # the second is read from the right
    assert found.from_end.tolist() == [39, 30]
    assert found.fit == pytest.approx([0, 0], abs=1e-5)


def test_no_read_says_more_than_its_mapping_quality(tmp_path: Path) -> None:
    ref, alt = REFERENCE[300], other(REFERENCE[300])
    reads = [
        Read(f"q{mapq}", 260, "80M", REFERENCE[260:340], 40, mapq=mapq) for mapq in (0, 3, 20, 255)
    ]
    found = evidence(tmp_path, reads, [(300, (ref, alt))])
    most = -found.loglik[:, 1] * 10 / math.log(10)
    assert most == pytest.approx([0, 3, 20, 20], abs=0.05)


def test_mates_that_cover_one_site_count_once(tmp_path: Path) -> None:
    ref, alt = REFERENCE[300], other(REFERENCE[300])
    with_alt = changed(REFERENCE, 300, ref, alt)
    reads = [
        Read("agree", 250, "80M", with_alt[250:330], 20, flag=99),
        Read("agree", 270, "80M", with_alt[270:350], 30, flag=147),
        Read("differ", 251, "80M", with_alt[251:331], 30, flag=99),
        Read("differ", 271, "80M", REFERENCE[271:351], 30, flag=147),
        Read("alone", 272, "80M", REFERENCE[272:352], 30, flag=99),
    ]
    found = evidence(tmp_path, reads, [(300, (ref, alt))])
    names = ["agree", "differ", "agree", "differ", "alone"]
    counted = dict(zip(names, range(5), strict=True))
    assert found.counts.tolist() == [True, True, False, False, True]
    odds = found.loglik[:, 1] - found.loglik[:, 0]
    error = 10**-3
    assert odds[0] == pytest.approx(math.log(1 - error) - math.log(error / 3), abs=1e-2)
    assert odds[1] == pytest.approx(0, abs=1e-5)
    assert (odds[2:4] == 0).all()
    assert counted["alone"] == 4
    assert len(set(found.fragment.tolist())) == 3


def test_duplicates_secondary_and_failed_reads_are_passed_over(tmp_path: Path) -> None:
    site = (300, (REFERENCE[300], other(REFERENCE[300])))
    reads = [
        Read(f"f{flag}", 260, "80M", REFERENCE[260:340], flag=flag) for flag in (0, 256, 512, 1024)
    ]
    assert len(evidence(tmp_path, reads, [site]).read) == 1


@pytest.mark.parametrize("letter", ["N", "="])
def test_a_base_that_is_not_told_says_nothing(tmp_path: Path, letter: str) -> None:
    ref, alt = REFERENCE[300], other(REFERENCE[300])
    bases = REFERENCE[260:300] + letter + REFERENCE[301:340]
    reads = [Read("plain", 260, "80M", bases), Read("gap", 250, "30M10I40M", bases)]
    found = evidence(tmp_path, reads, [(300, (ref, alt))])
    assert found.loglik[found.read == 1].tolist() == [[0, 0]]


@pytest.mark.parametrize("clip", [6, 12])
def test_a_clipped_end_tells_of_an_insertion(tmp_path: Path, clip: int) -> None:
    ref = REFERENCE[300]
    inserted = "GATTACAGATTACA"
    with_alt = changed(REFERENCE, 300, ref, ref + inserted)
    bases = with_alt[301 + clip - 80 : 301 + clip]
    reads = [Read("clipped", 301 + clip - 80, f"{80 - clip}M{clip}S", bases)]
    found = evidence(tmp_path, reads, [(300, (ref, ref + inserted))])
    assert found.loglik[0, 1] == 0
    assert found.loglik[0, 0] < -13  # as much as mapping quality 60 allows
    assert found.clipped[0] == clip


def test_a_deletion_is_found_in_reads_that_end_in_mismatches(tmp_path: Path) -> None:
    ref = REFERENCE[300:305]
    with_alt = changed(REFERENCE, 300, ref, ref[0])
    reads = [Read("end", 232, "80M", with_alt[232:312])]  # 11 bases behind the deletion
    found = evidence(tmp_path, reads, [(300, (ref, ref[0]))])
    assert found.loglik[0].tolist()[1] == 0
    assert found.loglik[0, 0] < -10


def test_a_read_within_a_repeat_does_not_tell_its_length(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    reference = random_bases(rng, 200) + "CA" * 15 + random_bases(rng, 200)
    site = (199, (reference[199] + "CA", reference[199]))
    reads = [
        Read("inside", 170, "50M", reference[170:220]),
        Read("through", 170, "80M", reference[170:250]),
    ]
    found = evidence(tmp_path, reads, [site], reference)
    odds = dict(zip(found.read.tolist(), found.loglik[:, 1].tolist(), strict=True))
    assert odds[0] == pytest.approx(0, abs=1e-5)
    assert odds[1] < -5
    assert found.spans.tolist() == [False, True]


def test_spliced_out_sites_have_no_say(tmp_path: Path) -> None:
    site = (300, (REFERENCE[300], other(REFERENCE[300])))
    bases = REFERENCE[250:290] + REFERENCE[320:360]
    found = evidence(tmp_path, [Read("rna", 250, "40M30N40M", bases)], [site])
    assert (found.loglik == 0).all()


def test_three_alleles_and_sites_with_fewer_share_a_table(tmp_path: Path) -> None:
    ref = REFERENCE[300]
    two, three = other(ref), other(other(ref))
    reads = [Read("three", 260, "80M", changed(REFERENCE, 300, ref, three)[260:340])]
    sites = [(300, (ref, two, three)), (310, (REFERENCE[310], other(REFERENCE[310])))]
    found = evidence(tmp_path, reads, sites)
    assert found.loglik[0].argmax() == 2
    assert found.loglik[1].tolist()[2] == -1e4
    alleles = flat_alleles([site[1] for site in sites])
    assert genotype_loglik(found, alleles).argmax(axis=1).tolist() == [5, 0]


def test_ten_thousand_reads_are_thinned_evenly_and_no_site_is_lost(tmp_path: Path) -> None:
    ref, alt = REFERENCE[300], other(REFERENCE[300])
    rng = np.random.default_rng(1)
    with_alt = changed(REFERENCE, 300, ref, alt)
    reads = []
    for k in range(10_000):
        start = int(rng.integers(225, 300))
        bases = [REFERENCE, with_alt][k % 2][start : start + 80]
        reads.append(Read(f"read{k}", start, "80M", bases))
    found = evidence(tmp_path, reads, [(300, (ref, alt))], max_reads=500)
    assert found.depth[0] == 10_000
    assert 400 < len(found.read) < 600
    share = float((found.loglik[:, 1] == 0).mean())
    assert 0.4 < share < 0.6
    alleles = flat_alleles([(ref, alt)])
    assert genotype_loglik(found, alleles)[0].argmax() == 1


def test_sites_without_reads_have_no_rows(tmp_path: Path) -> None:
    reads = [Read("here", 10, "80M", REFERENCE[10:90])]
    sites = [(s, (REFERENCE[s], other(REFERENCE[s]))) for s in (50, 300)]
    found = evidence(tmp_path, reads, sites)
    assert np.diff(found.first).tolist() == [1, 0]
    alleles = flat_alleles([site[1] for site in sites])
    assert genotype_loglik(found, alleles)[1].tolist() == [0, 0, 0]


def test_alleles_at_the_ends_of_a_contig_are_compared(tmp_path: Path) -> None:
    last = len(REFERENCE) - 1
    sites = [(s, (REFERENCE[s], REFERENCE[s] + "GG")) for s in (0, last)]
    reads = [
        Read("first", 0, "80M", REFERENCE[:80]),
        Read("last", last - 79, "80M", REFERENCE[-80:]),
    ]
    found = evidence(tmp_path, reads, sites)
    assert np.diff(found.first).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("start", "alleles", "why"),
    [
        ([5, 3], [("A", "C")] * 2, "not sorted"),
        ([700], [("A", "C")], "outside"),
        ([5], [("A", "")], "no bases"),
        ([5], [()], "REF first"),
    ],
)
def test_sites_that_make_no_sense_are_refused(
    start: list[int], alleles: list[tuple[str, ...]], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        allele_evidence([], np.array(start), flat_alleles(alleles), letters(REFERENCE))


def test_likelihoods_give_the_genotypes_of_a_known_person() -> None:
    folder = shared_data("reads/deepvariant_chr20")
    reader = AlignmentReader(folder / "NA12878_S1.chr20.10_10p1mb.bam")
    blocks = [b for b in reader.blocks() if b.contig >= 0]
    with pysam.FastaFile(str(folder / "ucsc.hg19.chr20.unittest.fasta.gz")) as fasta:
        reference = letters(fasta.fetch("chr20", 9_995_000, 10_110_000))
    with pysam.VariantFile(str(folder / "test_nist.b37_chr20_100kbp_at_10mb.vcf.gz")) as truth:
        rows = [(r.start, r.alleles, tuple(sorted(r.samples[0]["GT"]))) for r in truth]
    alleles = flat_alleles([row[1] for row in rows])
    found = allele_evidence(
        blocks, np.array([row[0] for row in rows]), alleles, reference, 9_995_000
    )
    best = genotype_loglik(found, alleles).argmax(axis=1)
    right = sum(DIPLOTYPES[g] == row[2] for g, row in zip(best, rows, strict=True))
    assert right >= 219  # of 221


def test_one_block_or_several_give_the_same() -> None:
    folder = shared_data("reads/freebayes_tiny")
    reader = AlignmentReader(folder / "NA12878.chr22.tiny.bam")
    (block,) = (b for b in reader.blocks() if b.contig == 0)
    with pysam.FastaFile(str(folder / "q.fa")) as fasta:
        text = fasta.fetch("q").upper()
    start = np.arange(500, 12_000, 37)
    alleles = flat_alleles([(text[s], other(text[s])) for s in start.tolist()])
    names = ("place", "start", "end", "flag", "mapq")
    n = len(block.place)
    parts = [
        block._replace(**{name: getattr(block, name)[i : i + 700] for name in names})
        for i in range(0, n, 700)
    ]
    whole = allele_evidence([block], start, alleles, letters(text))
    several = allele_evidence(parts, start, alleles, letters(text))
    for one, two in zip(whole, several, strict=True):
        np.testing.assert_array_equal(one, two)
