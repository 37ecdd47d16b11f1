"""What a caller learns from: candidate sites of alignments at several depths, with their truth."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.features.call_sites import EVIDENCE_NAMES, CallSites, iter_called_tiles
from genomed.io.alignments import AlignmentReader
from genomed.io.fasta import Fasta
from genomed.io.truth_set import read_calls, read_confident
from genomed.kernels.read_sampling import keep_fragments
from genomed.models.call_targets import call_targets, site_kind
from genomed.models.call_training import CallData
from genomed.models.likelihood_stage import site_prior
from genomed.models.read_matrix_net import MATRIX_SHAPE
from genomed.regions import Region
from genomed.schema import AlignmentBlock
from genomed.settings import CallSettings, CallTrainSettings
from genomed.stats.genotype_likelihood import genotype_posterior
from genomed.stats.truth_labels import true_genotype
from genomed.stats.truth_match import inside_intervals

__all__ = ["Source", "ThinnedReads", "TrainingReads", "gather_sites"]

_NEARLY = 0.85  # a depth above this share of the reads' own is the same


@dataclass(frozen=True)
class TrainingReads:
    """Alignments of one person, their reference, the true genotypes, and where these are whole.

    enriched : how many times as many differences from the reference they have as people do (reads
               simulated so that there is more to learn from); sites without one count that often
    """

    reads: Path
    reference: Path
    truth: Path
    confident: Path
    enriched: float = 1.0

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return self.reads, self.reference, self.truth, self.confident


@dataclass(frozen=True)
class Source:
    """Candidate sites of one file of alignments at one depth.

    data           : those in confident regions whose true alleles are among the candidate's
    other_allele   : how many more there are whose are not
    rows, matrices : ambiguous sites, int64 (m,), and their reads, uint8 (m, 64, 65, 8)
    """

    reads: str
    depth: float
    data: CallData
    other_allele: int
    rows: np.ndarray
    matrices: np.ndarray

    def facts(self) -> dict[str, Any]:
        """For the card."""
        indels = int(self.data.is_indel.sum())
        return {
            "reads": self.reads, "depth": self.depth, "sites": len(self.data.truth),
            "snps": len(self.data.truth) - indels, "indels": indels,
            "other_allele": self.other_allele,
        }  # fmt: skip


class ThinnedReads:
    """A reader of a share of the fragments, chosen by their names; mates stay together."""

    def __init__(self, reader: AlignmentReader, share: float, seed: int) -> None:
        self._reader = reader
        self._limit = np.uint64(round(share * 2**32))
        self._seed = np.uint64(0xCBF29CE484222325 ^ seed)  # FNV's offset

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def blocks(self, regions: Sequence[Region] | None = None) -> Iterator[AlignmentBlock]:
        """As AlignmentReader.blocks."""
        for block in self._reader.blocks(regions):
            keep = np.empty(len(block.place), bool)
            keep_fragments(block.data, block.place, self._seed, self._limit, keep)
            yield block._replace(**{
                name: getattr(block, name)[keep]
                for name in ("place", "start", "end", "flag", "mapq")
            })  # fmt: skip


def gather_sites(
    source: TrainingReads, settings: CallTrainSettings, *, threads: int = 1
) -> list[Source]:
    """The sites of one person's reads, at their own depth and thinned to others.

    Raises InputError for files that cannot be read, or do not belong together.
    """
    reader = AlignmentReader(source.reads, reference=source.reference, threads=threads)
    reader.check_one_sample("take one's reads out with `samtools view -r`, for a truth is of one")
    fasta = Fasta(source.reference)
    truth, confident = read_calls(source.truth), read_confident(source.confident)
    depth = mean_depth(reader, confident)
    if not depth > 0:
        raise InputError(f"{source.reads}: no read lies in {source.confident}; give their own BED")
    found = []
    for wanted in (depth, *(d for d in settings.depths if d < _NEARLY * depth)):
        seed = zlib.crc32(f"{source.reads.name} {wanted:g} {settings.seed}".encode())
        thinned = ThinnedReads(reader, min(wanted / depth, 1.0), seed)
        reads: Any = reader if wanted == depth else thinned
        try:
            sites, rows, matrices = _candidates(reads, fasta, settings, threads)
            genotype = true_genotype(sites.table, truth, fasta.sequence)
        except ValueError as error:
            raise InputError(
                f"{source.reads}: {error}; give the reference that the reads and the truth are on"
            ) from None
        found.append(
            _labelled(source, wanted, sites, genotype, confident, settings, rows, matrices)
        )
    return found


def _candidates(
    reads: Any, fasta: Fasta, settings: CallTrainSettings, threads: int
) -> tuple[CallSites, np.ndarray, np.ndarray]:
    """All sites, and rows and matrices of those that Bayes' rule leaves in doubt."""
    parts, rows, matrices = [], [np.empty(0, np.int64)], [np.empty((0, *MATRIX_SHAPE), np.uint8)]
    n = 0
    for called in iter_called_tiles(reads, fasta, None, CallSettings(), threads=threads):
        parts.append(called.sites)
        if settings.max_matrices and len(called.sites.table):
            prior = site_prior(called.sites.evidence, EVIDENCE_NAMES, CallSettings())
            best = genotype_posterior(called.sites.loglik, prior).max(axis=1)
            doubtful = np.flatnonzero(best < settings.sure)
            rows.append(doubtful + n)
            matrices.append(called.read_matrices(doubtful))
        n += len(called.sites.table)
    return join_sites(parts), np.concatenate(rows), np.concatenate(matrices)


def _labelled(
    source: TrainingReads,
    depth: float,
    sites: CallSites,
    genotype: np.ndarray,
    confident: pl.DataFrame,
    settings: CallTrainSettings,
    rows: np.ndarray,
    matrices: np.ndarray,
) -> Source:
    """Sites in confident regions, with what is to be learned; rows and matrices are of `sites`."""
    start = sites.table["position"].to_numpy().astype(np.int64) - 1
    end = start + sites.table["ref"].str.len_bytes().to_numpy()
    inside = inside_intervals(sites.table["contig"], start, end, confident)
    keep = np.flatnonzero(inside & (genotype >= 0))
    table = sites.table[keep]
    ref, alt1, alt2 = (table[name].to_list() for name in ("ref", "alt1", "alt2"))
    truth = genotype[keep].astype(np.int64)
    classes, lengths = call_targets(ref, alt1, alt2, truth)
    data = CallData(
        sites.pileup[keep], sites.evidence[keep], sites.loglik[keep],
        site_prior(sites.evidence[keep], EVIDENCE_NAMES, CallSettings()).astype(np.float32),
        site_kind(ref, alt1, alt2), truth, classes, lengths, _blocks(table, settings.block_bp),
        np.where(truth == 0, max(round(source.enriched), 1), 1),
    )  # fmt: skip
    there = np.searchsorted(keep, rows)  # `keep` ascends
    used = keep[np.minimum(there, len(keep) - 1)] == rows if len(keep) else rows < 0
    return Source(
        str(source.reads), depth, data, int((inside & (genotype < 0)).sum()), there[used],
        matrices[used],
    )  # fmt: skip


def _blocks(table: pl.DataFrame, block_bp: int) -> np.ndarray:
    """Number of the piece of genome each site lies in, the same at every depth: int32 (sites,)."""
    names = [f"{contig}:{position // block_bp}"
             for contig, position in table.select("contig", "position").iter_rows()]  # fmt: skip
    return np.array([zlib.crc32(name.encode()) & 0xFFFFF for name in names], np.int32)


def join_sites(parts: Sequence[CallSites]) -> CallSites:
    """All sites of several stretches."""
    if not parts:
        raise ValueError("there are no alignments")
    table = pl.concat([part.table for part in parts])
    arrays = (np.concatenate([part[i] for part in parts]) for i in (1, 2, 3))
    return CallSites(table, *arrays)


def mean_depth(reader: AlignmentReader, confident: pl.DataFrame) -> float:
    """Mean depth of the contigs that have confident regions, from the spans of the reads."""
    wanted = {reader.contig_index(name) for name in confident["contig"].unique().to_list()}
    bases = 0
    for block in reader.blocks():
        if block.contig in wanted:
            used = (block.flag & CallSettings().exclude_flags) == 0
            bases += int((block.end - block.start)[used].sum())
    length = int(reader.lengths[sorted(wanted)].sum())
    return bases / max(length, 1)
