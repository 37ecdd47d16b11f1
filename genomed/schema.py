"""The dictionary of arrays, the batch that carries them, and what readers and stores promise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    import polars as pl

    from genomed.regions import Region

__all__ = [
    "ARRAYS",
    "BUILDS",
    "MISSING",
    "AlignmentBlock",
    "AncestryModel",
    "ArraySpec",
    "Gaussians",
    "Packed",
    "PackedBlock",
    "Pca",
    "ReadCounts",
    "Reader",
    "ScoreModel",
    "VariantBatch",
    "Wanted",
]

MISSING = -9  # alt_count of a call that was not made, as PGEN readers give it

BUILDS = ("GRCh37", "GRCh38")  # the builds a model may carry positions for


class ArraySpec(NamedTuple):
    """Dimensions, numpy dtype and meaning of one array."""

    dims: tuple[str, ...]
    dtype: str
    meaning: str


ARRAYS = {
    "alt_count": ArraySpec(
        ("variants", "samples"),
        "i1",
        "Called copies of this row's ALT: 0, 1 or 2; a haploid call counts 0 or 1; -9 not called. "
        "A call that holds another ALT is 0 copies of this one, not missing.",
    ),
    "call_ploidy": ArraySpec(
        ("variants", "samples"),
        "i1",
        "Alleles in the call, 1 or 2 (2 where not called); absent when every call is diploid.",
    ),
    "call_dosage": ArraySpec(
        ("variants", "samples"),
        "f4",
        "Expected copies of this row's ALT, 0 to call_ploidy; NaN unknown.",
    ),
    "call_phase": ArraySpec(
        ("variants", "samples"),
        "i1",
        "Which haplotype bears this row's ALT: 1 for 0|1, 2 for 1|0; 0 where not phased or not "
        "heterozygous.",
    ),
    "words": ArraySpec(
        ("variants", "words"),
        "u8",
        "Packed calls, 32 samples a word, sample s in bits 2(s % 32) and above of word s // 32: 0, "
        "1 or 2 copies of ALT, 3 not called. Haploid calls are 0 or 2; padding samples are 3.",
    ),
}


@dataclass(frozen=True)
class Wanted:
    """Which rows a caller needs; a reader passes over all others without decoding them.

    positions : canonical contig -> sorted unique int64 1-based positions. A record is wanted when
                any of these lies in its span: POS .. POS + len(REF) - 1, or to INFO/END for a
                reference block
    ids       : wanted variant IDs; a record is also wanted when its ID, or one of its
                semicolon-separated parts, is among them
    """

    positions: Mapping[str, np.ndarray] = field(default_factory=dict)
    ids: frozenset[str] = frozenset()


@dataclass
class ReadCounts:
    """What a reader has met so far; every record is counted exactly once.

    n_records = n_passed_over + n_emitted + sum(refused.values())
    """

    n_records: int = 0
    n_passed_over: int = 0  # at no wanted place, or outside the region
    n_emitted: int = 0  # records (not rows) that reached a batch
    refused: dict[str, int] = field(default_factory=dict)  # reason code -> records
    # contig as spelt and position of refused records, so that they are never taken for absent
    refused_at: list[tuple[str, int]] = field(default_factory=list, repr=False)
    notes: dict[str, int] = field(default_factory=dict)  # leniency code -> times taken


@dataclass(frozen=True)
class VariantBatch:
    """Rows of a cohort, one per (position, ref, alt), in the order of the file.

    variants    : polars frame with the columns of TABLES["variants"]
    alt_count   : int8 (variants, samples), see ARRAYS; where only a dosage is known, the nearest
                  count when it is within 0.1, else -9 (plink2's --hard-call-threshold)
    call_ploidy : int8 (variants, samples), or None when every call is diploid
    call_dosage : float32 (variants, samples), or None unless dosages were asked for
    call_phase  : int8 (variants, samples), or None unless phase was asked for
    """

    variants: pl.DataFrame
    alt_count: np.ndarray
    call_ploidy: np.ndarray | None = None
    call_dosage: np.ndarray | None = None
    call_phase: np.ndarray | None = None

    @property
    def n_variants(self) -> int:
        """Rows in this batch."""
        return len(self.alt_count)


class AlignmentBlock(NamedTuple):
    """Alignments of one contig in the order of the file, as BAM records.

    data       : uint8, records as SAMv1 section 4.2 lays them out (see kernels.bam_records)
    place      : int64 (alignments,), where in `data` each record's refID lies
    contig     : index of the contig in the header, -1 for reads without a position
    start, end : int32 (alignments,), 0-based span on the reference
    flag       : uint16 (alignments,), SAMv1 section 1.4; mapq : uint8 (alignments,)
    """

    data: np.ndarray
    place: np.ndarray
    contig: int
    start: np.ndarray
    end: np.ndarray
    flag: np.ndarray
    mapq: np.ndarray

    def only(self, keep: np.ndarray) -> AlignmentBlock:
        """The alignments that a mask or a slice picks."""
        return AlignmentBlock(
            self.data, self.place[keep], self.contig, self.start[keep], self.end[keep],
            self.flag[keep], self.mapq[keep],
        )  # fmt: skip


class Reader(Protocol):
    """What every format promises. A reader is done when it passes tests/io/contract.py.

    samples : names in file order, after any sample selection
    contigs : name as spelt in the file -> length in bases, or None where it is not known
    counts  : a ReadCounts, complete once the iterator is exhausted
    """

    samples: list[str]
    contigs: dict[str, int | None]
    counts: ReadCounts

    def iter_batches(
        self, region: Region | None = None, wanted: Wanted | None = None
    ) -> Iterator[VariantBatch]:
        """Yield rows in the order of the file: all, or those in `region`, or those `wanted`."""
        ...

    def close(self) -> None:
        """Let go of the file, whether it was read to its end or not."""
        ...


@dataclass(frozen=True)
class PackedBlock:
    """Packed calls of some rows of a store.

    rows  : int64 (variants,), 0-based rows of the store
    words : uint64 (variants, words), see ARRAYS
    """

    rows: np.ndarray
    words: np.ndarray


class Packed(Protocol):
    """Packed calls that can be read as often as needed: what stats/ knows of a store.

    samples  : names in the order of the calls
    variants : polars frame: row Int64 · contig · position · id (null for '.') · ref · alt
    people   : polars frame, one row per sample: sample · family · father · mother · sex (Int8,
               1 male, 2 female, null unknown) · any phenotypes the store declares
    """

    samples: list[str]
    variants: pl.DataFrame
    people: pl.DataFrame

    def read(self, rows: np.ndarray, threads: int = 1) -> np.ndarray:
        """Packed calls of some rows: uint64 (rows, words)."""
        ...

    def blocks(
        self, rows: np.ndarray | None = None, *, block_rows: int = 4096, threads: int = 1
    ) -> Iterator[PackedBlock]:
        """All rows, or the chosen ones, a block at a time."""
        ...


@dataclass(frozen=True)
class Pca:
    """Principal components and what it takes to place other people among them.

    eigenvalues : float64 (k,), of the relationship matrix, as plink2 prints them
    scores      : float64 (samples used, k): sqrt(eigenvalue) x unit eigenvector, so that squared
                  distances are those of the relationship matrix and do not grow with the samples
    loadings    : float64 (variants, k), columns of unit length: scores = Z' loadings / sqrt(M)
    centre      : float64 (variants,), twice the ALT frequency, NaN where nobody was called
    scale       : float64 (variants,), 1 / sqrt(2p(1-p)); 0 where monomorphic or never called
    shrinkage   : float64 (k,), how far projections of other people shrink towards 0
    n_variants  : M, all variants given, monomorphic ones included as in plink2
    method      : "exact" or "randomised"
    angle       : sine of the largest angle to the exact components that the residual allows
    """

    eigenvalues: np.ndarray
    scores: np.ndarray
    loadings: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    shrinkage: np.ndarray
    n_variants: int
    method: str
    angle: float

    @property
    def eigenvectors(self) -> np.ndarray:
        """Scores of unit length, as in plink2's .eigenvec (up to sign): float64 (samples, k)."""
        return self.scores / np.sqrt(np.where(self.eigenvalues > 0, self.eigenvalues, 1.0))


class Gaussians(NamedTuple):
    """One Gaussian for each population, p of them, in the space of d discriminants.

    mean        : float64 (p, d)
    precision   : float64 (p, d, d), inverse covariances
    offset      : float64 (p,), minus half the log determinant of the covariance
    temperature : log densities are divided by it; 1 or more
    excess      : float64 (p, d), how far beyond its mean people of a population can lie because
                  the discriminants were learnt from them
    limit       : strangeness beyond which a person is like none of them; see
                  genomed.stats.strangeness
    odds_power  : share of the log likelihoods by allele frequencies (genomed.stats.allele_odds)
                  that is added to log densities; 0 where there are none
    odds_offset : float64 (p,), what is added to these
    """

    mean: np.ndarray
    precision: np.ndarray
    offset: np.ndarray
    temperature: float
    excess: np.ndarray
    limit: float
    odds_power: float
    odds_offset: np.ndarray


@dataclass(frozen=True)
class AncestryModel:
    """What tells populations apart, by weights of variants.

    populations      : names, sorted
    superpopulations : the superpopulation of each, in the same order
    weights          : float64 (variants, populations), per standardised genotype; of few variants
                       (variants, 2 x populations), with the allele odds behind the discriminants
    centre, scale    : float64 (variants,), as in Pca
    gaussians        : see Gaussians
    """

    populations: list[str]
    superpopulations: list[str]
    weights: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    gaussians: Gaussians


@dataclass(frozen=True)
class ScoreModel:
    """One additive (or dominant, recessive, per-dosage) score as it was read from a file.

    name     : unique in a run, for example PGS000001
    trait    : what it predicts, or the name again when the file does not say
    source   : path it was read from, or "bundled panel"
    variants : polars frame, one row per model variant, in file order:
               source_line Int64 · variant_id Utf8? · effect_allele Utf8 · other_allele Utf8? ·
               effect_weight Float64? (log scale for OR/HR; null for effect_type "dosage") ·
               effect_type Utf8 (additive dominant recessive dosage) ·
               dosage_0_weight dosage_1_weight dosage_2_weight Float64? ·
               effect_allele_frequency Float64? (as the file or its source gives it) ·
               refused Utf8? (reason code of genomed.ledger.REASONS, null for a usable row)
    loci     : build -> polars frame (contig Utf8? canonical, position Int64?), row by row beside
               `variants`; the key "" stands for a file that names no build; empty dict when the
               model has IDs only
    header   : the file's header block, key -> text
    """

    name: str
    trait: str
    source: str
    variants: pl.DataFrame
    loci: Mapping[str, pl.DataFrame]
    header: Mapping[str, str] = field(default_factory=dict)
