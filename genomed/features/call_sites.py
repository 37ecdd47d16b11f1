"""What a caller eats: candidate sites with their pileup, their reads summed up, and likelihoods.

Calling, training and re-scoring use the same sites, made here from alignments and a reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.features.call_artefacts import (
    ALL_RATES,
    STRAND_RATES,
    all_log_share,
    strand_log_share,
)
from genomed.features.call_candidates import (
    LETTERS,
    Candidates,
    Clusters,
    count_bases,
    find_candidates,
    make_clusters,
)
from genomed.features.call_tiles import Tile, iter_tiles
from genomed.features.given_alleles import GivenAlleles
from genomed.features.read_matrix import ReadSupport, draw_read_matrices, no_reads, reads_of_sites
from genomed.io.alignments import AlignmentReader
from genomed.io.fasta import Fasta
from genomed.kernels import call_artefacts as artefact_kernels
from genomed.kernels import call_candidates as candidate_kernels
from genomed.kernels import diplotypes as kernels
from genomed.kernels.pileup import READS
from genomed.regions import Region
from genomed.settings import CallSettings, EvidenceSettings
from genomed.stats.allele_evidence import AlleleEvidence, Alleles, allele_evidence
from genomed.stats.genotype_likelihood import difference_rate
from genomed.threads import in_order

__all__ = [
    "DIPLOTYPES",
    "EVIDENCE_NAMES",
    "IMPOSSIBLE",
    "N_EVIDENCE",
    "PILEUP_CENTRE",
    "PILEUP_CHANNELS",
    "PILEUP_NAMES",
    "PILEUP_WIDTH",
    "SITES_SCHEMA",
    "CallSites",
    "CalledTile",
    "call_tile",
    "iter_called_tiles",
]

PILEUP_WIDTH = 33
PILEUP_CENTRE = PILEUP_WIDTH // 2
PILEUP_NAMES = (
    "a_forward", "c_forward", "g_forward", "t_forward",  # reads with this base here
    "a_reverse", "c_reverse", "g_reverse", "t_reverse",
    "insertion_forward", "insertion_reverse",  # insertions between this base and the next
    "deletion_forward", "deletion_reverse",  # deletions that begin with the next base
    "deleted_forward", "deleted_reverse",  # reads in which this base is deleted
    "best_insertion", "best_deletion",  # reads of the most frequent one that begins here
    "clip_left", "clip_right",  # reads whose soft clip ends before, begins behind this base
    "ref_quality", "alt_quality",  # mean base quality of the reference's base, and of all others
    "mapping_quality",  # mean over all reads here
    "unsure",  # reads here of a mapping quality below 20
    "ref_a", "ref_c", "ref_g", "ref_t",  # 1 where the reference has this base
)  # fmt: skip
PILEUP_CHANNELS = len(PILEUP_NAMES)

_OF_ALLELE = (
    "reads",  # fragments that fit this allele at least e^2 times better than the others
    "forward",  # fraction of them on the forward strand
    "odds",  # mean of ln(likelihood / likelihood of the next best allele), 20 at most
    "base_quality",  # mean over the bases at the site
    "mapping_quality",
    "edge",  # mean distance to the nearer end of the read's aligned part, in bases, 50 at most
    "mismatches",  # mean number of mismatches and indels elsewhere in the read
    "clipped",  # fraction of reads with a soft clip
)
EVIDENCE_NAMES = (
    *(f"{name}_{allele}" for allele in range(3) for name in _OF_ALLELE),
    "depth",  # fragments that overlap the site
    "ambiguous",  # fraction of them that fit no allele better than the others
    "unsure",  # fraction of them of a mapping quality below 20
    "local_depth",  # mean depth of the 201 bases around
    "is_snp",  # 1 or 0
    "length_1", "length_2",  # bases that alt1, alt2 has more (or less) than ref
    "homopolymer",  # bases of the run of one base at the site (behind the anchor of an indel)
    "repeat_period",  # bases of the unit of the tandem repeat there, 1 to 6; 0 for none
    "repeat_length",  # bases that the tandem repeat takes
    "gc",  # fraction of G and C in the 101 bases around
    "neighbours",  # other candidate sites within 16 bases
    "cpg",  # 1 where ref is the C or the G of a CG, else 0
    "transition",  # 1 where alt1 is a transition, else 0
)  # fmt: skip
N_EVIDENCE = len(EVIDENCE_NAMES)

DIPLOTYPES = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))  # in the order of VCF's PL
IMPOSSIBLE = -1e4

SITES_SCHEMA = {
    "contig": pl.Utf8,
    "position": pl.Int32,
    "ref": pl.Utf8,
    "alt1": pl.Utf8,
    "alt2": pl.Utf8,
}


class CallSites(NamedTuple):
    """Candidate sites of one stretch of a contig, in order of position.

    table    : SITES_SCHEMA, one row per site: contig, 1-based position, ref, alt1, alt2 ("" where
               there is one only). All share one ref, are normalised (left-aligned, parsimonious)
               and in order of support. A SNP and an indel at one position are two sites
    pileup   : int16 (sites, 33, PILEUP_CHANNELS), see PILEUP_NAMES; counts above 32767 are 32767.
               Row 16 is the site's position (the SNP, or an indel's anchor: the base before it).
               0 where the contig does not reach
    evidence : float32 (sites, N_EVIDENCE), see EVIDENCE_NAMES; 0 where no read tells (no NaN)
    loglik   : float32 (sites, 6), natural log of the likelihood of all reads for DIPLOTYPES,
               relative to the best; IMPOSSIBLE for those with an alt2 that there is not. Each
               is with the best haplotypes of the candidates around, and allows for errors that
               many reads share (call_artefacts)
    """

    table: pl.DataFrame
    pileup: np.ndarray
    evidence: np.ndarray
    loglik: np.ndarray


class CalledTile(NamedTuple):
    """What was found in one tile.

    tile    : its place and its reads
    counts  : int32 (positions, N_COUNTS) of kernels.pileup, from tile.first on
    support : which reads each site has
    n_thinned : clusters of sites that were judged by a sample of their reads
    """

    tile: Tile
    counts: np.ndarray
    sites: CallSites
    support: ReadSupport
    n_thinned: int

    def read_matrices(self, rows: np.ndarray) -> np.ndarray:
        """The reads around some of the sites: uint8 (n, 64, 65, 8), see kernels.read_matrix."""
        return draw_read_matrices(self.tile, self.sites.table, self.support, rows)


class _Places(NamedTuple):
    """Sites of clusters, before their alleles are chosen.

    position, is_indel : of each site, 0-based; cluster, bits : its cluster and candidates there
    allele_first, allele_of, n_alts : as in kernels.diplotypes
    n_given    : alts that were asked for, which come first
    candidates : of each site, the candidate of each alt
    """

    position: np.ndarray
    is_indel: np.ndarray
    cluster: np.ndarray
    bits: np.ndarray
    allele_first: np.ndarray
    allele_of: np.ndarray
    n_alts: np.ndarray
    n_given: np.ndarray
    candidates: list[list[int]]


def iter_called_tiles(
    reader: AlignmentReader,
    fasta: Fasta,
    regions: Sequence[Region] | None,
    settings: CallSettings,
    *,
    given: GivenAlleles | None = None,
    threads: int = 1,
) -> Iterator[CalledTile]:
    """Yield the tiles of regions, or of everything, in order; the same for any threads.

    Regions must not overlap. Stretches without candidates have tables without rows.
    raises : ValueError when the FASTA lacks a contig; InputError as the reader does
    """
    tiles = iter_tiles(reader, fasta, regions, settings)
    return in_order(
        tiles, lambda tile: call_tile(tile, settings, given), threads, "call", ahead=threads + 1
    )


def call_tile(tile: Tile, settings: CallSettings, given: GivenAlleles | None = None) -> CalledTile:
    """Find the candidate sites of a tile and compare the reads with their alleles.

    given : alleles that are judged whatever the reads show
    """
    counts = count_bases(tile, settings)
    asked = given.within(tile.contig, tile.start, tile.end) if given else []
    candidates = find_candidates(tile, counts, settings, asked)
    clusters = make_clusters(tile, candidates, settings)
    if not len(clusters.start):
        return CalledTile(tile, counts, _no_sites(), no_reads(), 0)
    places = _places(tile, candidates, clusters)
    evidence = _compare(tile, clusters, settings)
    prior = _log_prior(tile, candidates, settings)[clusters.order]
    haplotypes = (
        clusters.haplotype_first, places.cluster, places.allele_first, places.allele_of,
    )  # fmt: skip
    chosen, linked, genotypes = _judge(clusters, places, evidence, prior)
    facts = np.empty((len(places.position), N_EVIDENCE), np.float32)
    kernels.sum_up_reads(
        evidence.loglik, evidence.counts, evidence.first, *haplotypes, chosen, evidence.strand,
        evidence.mapq, evidence.base_quality, evidence.from_start, evidence.from_end,
        evidence.mismatches, evidence.gaps, evidence.clipped, facts,
    )  # fmt: skip
    keep = chosen[:, 0] > 0
    table, lengths = _table(tile, candidates, places, chosen)
    site = places.position - tile.first
    windows = np.empty((len(site), PILEUP_WIDTH, PILEUP_CHANNELS), np.int16)
    candidate_kernels.pileup_windows(counts, tile.ref, candidates.best, site, PILEUP_WIDTH, windows)
    _add_place_facts(facts, tile, counts, candidates, places, lengths, table)
    _allow_artefacts(clusters, places, evidence, chosen, linked, facts, genotypes, settings)
    best = genotypes.max(axis=1, keepdims=True)
    loglik = np.maximum(genotypes - best, np.float32(IMPOSSIBLE))
    sites = CallSites(table.filter(keep), windows[keep], facts[keep], loglik[keep])
    support = reads_of_sites(
        evidence.loglik, evidence.read, evidence.first, *haplotypes, chosen
    )  # fmt: skip
    support = support.only(np.flatnonzero(keep))
    n_thinned = int((evidence.depth > settings.max_reads).sum())
    return CalledTile(tile, counts, sites, support, n_thinned)


def _no_sites() -> CallSites:
    return CallSites(
        pl.DataFrame(schema=SITES_SCHEMA),
        np.empty((0, PILEUP_WIDTH, PILEUP_CHANNELS), np.int16),
        np.empty((0, N_EVIDENCE), np.float32), np.empty((0, len(DIPLOTYPES)), np.float32),
    )  # fmt: skip


def _places(tile: Tile, candidates: Candidates, clusters: Clusters) -> _Places:
    """Sites of the clusters that lie in the tile, and which allele each haplotype has there."""
    position, is_indel, of_cluster, bits, n_alts, n_given = [], [], [], [], [], []
    allele_first, allele_of = [0], []
    members_of = []
    all_positions, all_lengths = candidates.position.tolist(), candidates.length.tolist()
    is_given = candidates.given.tolist()
    order, firsts = clusters.order.tolist(), clusters.candidate_first.tolist()
    masks, haplotypes = clusters.mask.tolist(), clusters.haplotype_first.tolist()
    for c in range(len(firsts) - 1):
        members = order[firsts[c] : firsts[c + 1]]
        sites: dict[tuple[int, bool], list[int]] = {}
        for b, candidate in enumerate(members):
            where = all_positions[candidate], all_lengths[candidate] != 0
            sites.setdefault(where, []).append(b)
        for (at, indel), some in sites.items():
            if not tile.start <= at < tile.end:
                continue
            position.append(at)
            is_indel.append(indel)
            of_cluster.append(c)
            bits.append(sum(1 << b for b in some))
            some.sort(key=lambda b: not is_given[members[b]])
            n_alts.append(len(some))
            n_given.append(sum(is_given[members[b]] for b in some))
            members_of.append([members[b] for b in some])
            for mask in masks[haplotypes[c] : haplotypes[c + 1]]:
                allele_of.append(next((k for k, b in enumerate(some, 1) if mask >> b & 1), 0))
            allele_first.append(len(allele_of))
    return _Places(
        np.array(position, np.int64), np.array(is_indel, bool), np.array(of_cluster, np.int64),
        np.array(bits, np.int64), np.array(allele_first, np.int64), np.array(allele_of, np.int64),
        np.array(n_alts, np.int64), np.array(n_given, np.int64), members_of,
    )  # fmt: skip


def _log_prior(tile: Tile, candidates: Candidates, settings: CallSettings) -> np.ndarray:
    """Log of how likely each candidate is before any read is seen."""
    at = candidates.position - tile.first
    is_snp = candidates.length == 0
    repeats = np.empty((len(at), 5), np.float32)
    candidate_kernels.repeat_facts(tile.ref, at, is_snp, repeats)
    letters = np.append(candidates.letters, np.uint8(0))  # a lone deletion brings no letter
    new = np.where(is_snp, letters[np.minimum(candidates.offset[:-1], len(letters) - 1)], 0)
    is_transition = is_snp & ((tile.ref[at] ^ new) == 2)  # A and G, C and T
    return np.log(difference_rate(is_snp, repeats[:, 2], is_transition, settings))


def _compare(tile: Tile, clusters: Clusters, settings: CallSettings) -> AlleleEvidence:
    """Fit of every read with every haplotype of the clusters that it covers."""
    return allele_evidence(
        [tile.reads], clusters.start,
        Alleles(clusters.bases, clusters.offset, clusters.haplotype_first),
        LETTERS[tile.ref], tile.first,
        EvidenceSettings(max_reads=settings.max_reads, exclude_flags=settings.exclude_flags),
    )  # fmt: skip


def _judge(
    clusters: Clusters,
    places: _Places,
    evidence: AlleleEvidence,
    prior: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two likeliest alts of each site, the differences that come with the first, and the
    genotypes' log-likelihoods."""
    most = int(np.diff(clusters.haplotype_first).max())
    chosen = np.zeros((len(places.position), 2), np.int64)
    linked = np.zeros(len(places.position), np.int64)
    genotypes = np.empty((len(places.position), len(DIPLOTYPES)), np.float32)
    kernels.judge_sites(
        evidence.loglik, evidence.counts, evidence.first, clusters.haplotype_first, clusters.mask,
        prior, clusters.candidate_first, places.cluster, places.bits, places.allele_first,
        places.allele_of, places.n_alts, places.n_given, np.empty(most * (most + 1) // 2),
        np.empty(int(places.n_alts.max(initial=0)) + 1), chosen, linked,
        genotypes,
    )  # fmt: skip
    return chosen, linked, genotypes


def _allow_artefacts(
    clusters: Clusters,
    places: _Places,
    evidence: AlleleEvidence,
    chosen: np.ndarray,
    linked: np.ndarray,
    facts: np.ndarray,
    genotypes: np.ndarray,
    settings: CallSettings,
) -> None:
    """Change the genotypes' log-likelihoods by what errors that reads share could feign."""
    share = all_log_share(facts[:, EVIDENCE_NAMES.index("mapping_quality_1")])
    artefact_kernels.allow_artefacts(
        evidence.loglik, evidence.counts, evidence.strand, evidence.first,
        clusters.haplotype_first, places.cluster, places.allele_first, places.allele_of, chosen,
        STRAND_RATES, strand_log_share(places.is_indel, linked, settings), ALL_RATES, share,
        np.empty((3, len(DIPLOTYPES), len(ALL_RATES))), np.empty(3), genotypes,
    )  # fmt: skip


def _table(
    tile: Tile, candidates: Candidates, places: _Places, chosen: np.ndarray
) -> tuple[pl.DataFrame, np.ndarray]:
    """SITES_SCHEMA of all sites; and int64 (sites, 2), bases that alt1 and alt2 have more."""
    refs, firsts, seconds = [], [], []
    lengths = np.zeros(chosen.shape, np.int64)
    ref_text = LETTERS[tile.ref].tobytes().decode()
    letters = LETTERS[candidates.letters].tobytes().decode()
    offset = candidates.offset.tolist()
    change = candidates.length.tolist()
    for s, (position, indel, picked) in enumerate(
        zip(places.position.tolist(), places.is_indel.tolist(), chosen.tolist(), strict=True)
    ):
        at = position - tile.first
        alts = [places.candidates[s][k - 1] for k in picked if k]
        deleted = max([-change[c] for c in alts if change[c] < 0], default=0)
        ref = ref_text[at : at + 1 + deleted]
        texts = []
        for k, c in enumerate(alts):
            new = letters[offset[c] : offset[c + 1]]
            lengths[s, k] = change[c]
            texts.append(ref[0] + new + ref[1 + max(-change[c], 0) :] if indel else new)
        refs.append(ref)
        firsts.append(texts[0] if texts else "")
        seconds.append(texts[1] if len(texts) > 1 else "")
    table = pl.DataFrame(
        {
            "contig": [tile.contig] * len(refs),
            "position": places.position + 1,
            "ref": refs,
            "alt1": firsts,
            "alt2": seconds,
        },
        schema_overrides=SITES_SCHEMA,
    )
    return table, lengths


def _add_place_facts(
    facts: np.ndarray,
    tile: Tile,
    counts: np.ndarray,
    candidates: Candidates,
    places: _Places,
    lengths: np.ndarray,
    table: pl.DataFrame,
) -> None:
    """Fill what EVIDENCE_NAMES says of the place, behind what it says of the reads."""
    site = places.position - tile.first
    sums = np.concatenate([[0], np.cumsum(counts[:, READS], dtype=np.int64)])
    low, high = np.maximum(site - 100, 0), np.minimum(site + 101, len(counts))
    repeats = np.empty((len(site), 5), np.float32)
    candidate_kernels.repeat_facts(tile.ref, site, ~places.is_indel, repeats)
    near = np.searchsorted(candidates.position, places.position + 17) - np.searchsorted(
        candidates.position, places.position - 16
    )
    changes = (table["ref"] + table["alt1"]).is_in(["AG", "GA", "CT", "TC"]).to_numpy()
    column = EVIDENCE_NAMES.index("local_depth")
    facts[:, column] = (sums[high] - sums[low]) / (high - low)
    facts[:, column + 1] = ~places.is_indel
    facts[:, column + 2 : column + 4] = lengths
    facts[:, column + 4 : column + 8] = repeats[:, :4]
    facts[:, column + 8] = near - places.n_alts
    facts[:, column + 9] = repeats[:, 4]
    facts[:, column + 10] = changes
