"""The dictionary: every array and table column of the suite, and the batch that carries them."""

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
    "TABLES",
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

# Columns of every table a command writes: name -> meaning. Order is the order in the file.
TABLES: dict[str, dict[str, str]] = {
    "variants": {
        "contig": "sequence name as the file spells it",
        "position": "1-based position as in VCF",
        "id": "variant ID, null where the file has '.'",
        "ref": "reference allele, upper case",
        "alt": "this row's ALT, upper case; '.' for a record without ALT; '<NON_REF>', '<*>', "
        "'<DEL>', '*' and so on for symbolic alleles",
        "end_position": "last position covered (1-based, inclusive): POS + len(REF) - 1, or "
        "INFO/END of a reference block",
        "n_alts": "number of ALTs in the record this row came from",
        "line": "1-based line of a text file, or record number of a binary one",
    },
    "risk": {
        "sample": "sample name",
        "model": "model name",
        "trait": "what the model predicts",
        "score": "sum of weight x effect-allele dosage; null under the coverage limit",
        "average": "score / number of alleles counted, as plink2's SCORE_AVG",
        "cohort_z": "score minus the cohort's mean, over its standard deviation (n - 1)",
        "cohort_percentile": "share of the cohort with a lower score, ties counted half, 0 to 100",
        "n_matched": "model variants found in the cohort (or proved hom-ref)",
        "n_missing_calls": "of those, the ones without a call in this sample",
        "weighted_coverage": "share of sum(weight^2 x 2p(1-p)) that rests on a called genotype in "
        "this sample",
        "imputed_share": "share of sum(weight^2 x 2p(1-p)) that was filled in by the --missing "
        "rule",
        "flags": "semicolon-separated words, empty when there is nothing to say",
    },
    "risk_reference": {
        "most_similar_population": "population of the reference that this person's components fit "
        "best; null outside the reference",
        "population_probability": "how probable it is among the reference's populations, 0 to 1",
        "genetic_distance": 'see TABLES["ancestry"]',
        "adjusted_coverage": "share of sum(weight^2 x 2p(1-p)) found in the cohort and in the "
        "reference: what the columns that follow rest on",
        "z_norm1": "score, less what the components predict, over the standard deviation of the "
        "same among the reference people (Khera 2019; pgsc_calc's Z_norm1)",
        "z_norm2": "the same, over the standard deviation that the components predict (Khan 2022; "
        "pgsc_calc's Z_norm2)",
        "population_percentile": "rank of the score among the reference people of the most similar "
        "population, 0 to 100; those that equal it count by their mean rank, as in pgsc_calc",
        "neighbourhood_percentile": "the same of the nearest reference people (20 to 200, a tenth "
        "of them), whatever their label",
        "discovery_distance": "distance from the reference people of the score's discovery "
        "ancestry, over the root mean square of their own: 1 is typical of them; null where the "
        "model names none that the reference has",
        "accuracy_note": "what the distance means: a score's accuracy falls with the distance from "
        "the people it was trained on (Ding 2023, doi:10.1038/s41586-023-06079-4)",
    },
    "ancestry": {
        "sample": "sample name",
        "most_similar_population": "population of the reference that fits best; null outside it",
        "population_probability": "its probability, 0 to 1",
        "genetic_distance": "mean distance from the 20 nearest reference people in components, "
        "over the same of those people themselves: about 1 inside the reference",
        "outside_reference": "whether the person lies outside the reference: nothing is adjusted",
        "projection_coverage": "share of the loadings' variance that rests on called genotypes",
        "PC1": "first component, in the units of the reference's; PC2 and so on follow",
        "probability_*": "probability of each population of the reference, one column each",
    },
    "models": {
        "model": "model name",
        "trait": "what the model predicts",
        "source": "file the model was read from",
        "build": "genome build of the positions used; null when the variants were matched by ID",
        "n_variants": "variants in the model",
        "n_matched": "variants found in the cohort (or proved hom-ref)",
        "n_exact": "matched with the effect allele as ALT",
        "n_swapped": "matched with the effect allele as REF",
        "n_flipped": "matched on the other strand",
        "n_hom_ref": "absent as a variant, proved hom-ref",
        "n_dropped": "not matched or refused, by any reason",
        "weighted_coverage": "share of sum(weight^2 x 2p(1-p)) of the matched variants",
        "score_mean": "mean score over the cohort",
        "score_sd": "standard deviation of the score over the cohort (n - 1)",
        "n_null": "samples whose score is null",
        "flags": "semicolon-separated words",
    },
    "ledger": {
        "model": "model name",
        "source_line": "1-based line in the model file",
        "variant_id": "the model's ID for the variant",
        "contig": "canonical contig name",
        "position": "1-based position in the build used",
        "effect_allele": "allele the weight counts",
        "other_allele": "the other allele",
        "effect_weight": "weight per copy, as used (log of an odds or hazard ratio)",
        "effect_type": "additive, dominant, recessive or dosage",
        "reason": "reason code, see genomed.ledger.REASONS",
        "record": "contig:position:ref:alt of the record matched",
        "record_line": "line (or record number) of that record in the cohort",
        "effect_allele_frequency": "of the effect allele among called genotypes of the cohort",
        "n_called": "samples with a call at the record",
        "share": "this variant's share of the model's sum(weight^2 x 2p(1-p))",
    },
    "qc_variants": {
        "contig": "sequence name as the file spells it",
        "position": "1-based position as in VCF",
        "id": "variant ID, null where the file has '.'",
        "ref": "reference allele",
        "alt": "this row's ALT",
        "place": "autosome, pseudo_autosomal, X, Y, MT or other: decides the ploidy of calls",
        "kind": "transition, transversion, or other (no substitution of one base)",
        "n_called": "samples with a call, on Y among males",
        "call_rate": "n_called / samples that can have a call; null where nobody can",
        "n_hom_ref": "diploid calls 0/0: everybody's, but not males' on X, nor any on Y and MT",
        "n_het": "diploid calls 0/1; a second ALT counts as 0 in all these",
        "n_hom_alt": "diploid calls 1/1",
        "n_hap_ref": "haploid calls 0: males' on X and Y, everybody's on MT",
        "n_hap_alt": "haploid calls 1",
        "n_het_haploid": "heterozygous calls where there is one copy; they count as called only",
        "alt_count": "copies of ALT in founders",
        "allele_number": "alleles called in founders",
        "alt_frequency": "alt_count / allele_number; null without calls",
        "het_observed": "share of heterozygous calls among founders' diploid ones",
        "het_expected": "2p(1-p), p the frequency in the same calls",
        "hwe_p": "exact Hardy-Weinberg test of founders; on X of both sexes at once; null on Y, MT",
        "hwe_mid_p": "the same, tables as likely as the one observed counted half",
        "hwe_group_p": "smallest hwe_p of the founders of each group (--groups); null without",
        "n_mendel": "trios with a Mendel error; null without trios, and on Y and MT",
        "missing_case": "share of cases without a call; null without cases",
        "missing_control": "share of controls without a call; null without controls",
        "missing_p": "Fisher's exact test of the two; null where no call is missing, or every one",
        "pass": "whether no filter stops it",
        "reason": "codes of genomed.ledger.QC_VARIANTS, with semicolons between; empty if none",
    },
    "qc_samples": {
        "sample": "sample name",
        "group": "group it is compared in (--groups); null without",
        "n_eligible": "variants that it can have a call at: those on Y only if it is male",
        "n_called": "of these, variants with a call",
        "call_rate": "n_called / n_eligible",
        "n_hom_ref": "diploid calls 0/0: not on Y and MT, nor on X if it is male",
        "n_het": "diploid calls 0/1",
        "n_hom_alt": "diploid calls 1/1",
        "n_hap_ref": "haploid calls 0: on MT, and on X and Y if it is male",
        "n_hap_alt": "haploid calls 1",
        "n_het_haploid": "heterozygous calls where it has one copy; they count as called only",
        "n_transition": "calls with the ALT of a transition, in one copy or two",
        "n_transversion": "calls with the ALT of a transversion",
        "titv": "n_transition / n_transversion",
        "n_singleton": "ALTs that no other sample has, in one copy or two",
        "het_hom_ratio": "heterozygous over homozygous ALT calls, on autosomes only",
        "n_f": "autosomal genotypes, at variants that vary among founders, behind f",
        "hom_observed": "of these, homozygous ones",
        "hom_expected": "homozygous ones expected from the frequencies in founders",
        "f": "(hom_observed - hom_expected) / (n_f - hom_expected)",
        "n_x": "genotypes on X behind x_f",
        "x_f": "the same coefficient on X, where a male's calls are homozygous",
        "y_call_rate": "share of the variants on Y with a call; null without such variants",
        "declared_sex": "male, female, or null",
        "sex": "sex as the calls have it: male, female, or null where they do not decide",
        "sex_status": "ok, mismatch, ambiguous (X and Y disagree), undeclared or unknown",
        "n_mendel": "Mendel errors it may be to blame for; null without trios",
        "mendel_rate": "as a child: errors / variants checked; null for others",
        "outlier": "columns in which it is an outlier, each with its distance from the median of "
        "its group in median absolute deviations",
        "pass": "whether no filter stops it",
        "reason": "codes of genomed.ledger.QC_SAMPLES, with semicolons between; empty if none",
    },
    "structure_variants": {
        "contig": "sequence name as the store spells it",
        "position": "1-based position as in VCF",
        "id": "variant ID, null where the store has '.'",
        "ref": "reference allele",
        "alt": "ALT allele; several with commas between",
        "minor_allele_frequency": "among founders; null for variants dropped before it was counted",
        "fate": "what became of it, see genomed.ledger.STRUCTURE",
    },
    "pcs": {
        "sample": "sample name",
        "projected": "whether the person was placed on components found without them, as relatives "
        "of others are",
        "PC1": "score on the first component: sqrt(eigenvalue) x unit eigenvector, so that squared "
        "distances are those of the relationship matrix; PC2 and so on follow",
    },
    "eigenvalues": {
        "component": "PC1 and so on",
        "eigenvalue": "of the relationship matrix, as plink2 --pca prints it",
        "shrinkage": "what projections of people without relatives here are to be divided by",
    },
    "loadings": {
        "contig": "sequence name as the store spells it",
        "position": "1-based position as in VCF",
        "id": "variant ID, null where the store has '.'",
        "ref": "reference allele",
        "alt": "the allele counted",
        "centre": "mean copies of ALT, 2p; null where nobody was called",
        "scale": "1 / sqrt(2p(1-p)); 0 where the variant does not vary",
        "PC1": "unit-length loading on the first component; PC2 and so on follow",
    },
    "structure_ancestry": {
        "sample": "sample name",
        "most_similar_population": "population of the reference that fits best; null outside it",
        "population_probability": "its probability, 0 to 1",
        "most_similar_superpopulation": "superpopulation that fits best; null outside it",
        "superpopulation_probability": "its probability, 0 to 1",
        "genetic_distance": "distance from the nearest reference people, in units of how far they "
        "are apart",
        "outside_reference": "whether the person lies outside the reference",
        "projection_coverage": "share of the loadings' squares that lies at called variants",
        "PC1": "first component, in the units of the reference's; PC2 and so on follow",
        "probability_*": "probability of each superpopulation and population, one column each",
    },
    "kinship": {
        "sample1": "sample name",
        "sample2": "name of a sample that comes later in the store",
        "n_snps": "variants called in both",
        "n_het_het": "variants where both are heterozygous",
        "n_ibs0": "variants where they are homozygous for different alleles",
        "n_het1_hom2": "variants where sample1 is heterozygous and sample2 homozygous",
        "n_hom1_het2": "variants where sample1 is homozygous and sample2 heterozygous",
        "kinship": "KING-robust kinship; null where one has no heterozygous call",
        "ibd0": "n_ibs0 over its expectation for unrelated people, sum(2p^2(1-p)^2)",
        "relation": "duplicate, parent_child, siblings, second_degree, third_degree, or unrelated; "
        "null without a kinship",
    },
    "pedigree": {
        "sample1": "sample name",
        "sample2": "sample name",
        "declared": "relation that the declared parents make; null where they make none up to the "
        "third degree",
        "declared_kinship": "its expected kinship",
        "found": "relation that the genotypes show; null where none up to the third degree",
        "found_kinship": "KING-robust kinship; null where below the least told",
        "verdict": "agrees, disagrees, or undeclared (found to the second degree)",
    },
    "roh": {
        "sample": "sample name",
        "contig": "sequence name as the store spells it",
        "first": "1-based position of the run's first variant",
        "last": "1-based position of its last variant",
        "length_kb": "kilobases from the first to the last, both included",
        "n_variants": "variants in the run",
        "n_het": "heterozygous calls among them",
        "n_missing": "missing calls among them",
    },
    "roh_samples": {
        "sample": "sample name",
        "n_runs": "runs of homozygosity",
        "length_kb": "kilobases in runs",
        "mean_kb": "mean length of a run, kilobases; null without runs",
        "longest_kb": "length of the longest run, kilobases; null without runs",
        "f_roh": "share, 0 to 1, of the autosomes between the first and last variant of each "
        "contig that lies in runs",
    },
    "diversity": {
        "group": "group name",
        "n_samples": "unrelated people of the group",
        "n_variants": "variants looked at in whom anybody of the group is called",
        "n_segregating": "variants with both alleles in the group",
        "n_private": "variants whose ALT, or REF, is in this group alone",
        "heterozygosity_observed": "mean over variants of the share of heterozygous calls",
        "heterozygosity_expected": "mean over variants of 2p(1-p)",
        "f_is": "1 - observed / expected heterozygosity",
        "pi": "mean pairwise differences per base of the windows",
        "theta_w": "Watterson's estimator per base of the windows",
        "tajima_d": "mean of Tajima's D over windows with at least 3 segregating variants",
    },
    "fst": {
        "group1": "group name",
        "group2": "group name; '*' for all groups together",
        "n_variants": "variants that vary among the two groups",
        "hudson": "F_ST of Hudson, a ratio of sums over variants; null for all groups together",
        "hudson_se": "its standard error from a jackknife over windows",
        "weir_cockerham": "F_ST of Weir and Cockerham, a ratio of sums over variants",
    },
    "diversity_windows": {
        "contig": "sequence name as the store spells it",
        "first": "1-based first position of the window",
        "last": "1-based last position of the window",
        "group": "group name, or two with a colon between for F_ST",
        "n_variants": "variants in the window",
        "pi": "mean pairwise differences per base; null for two groups",
        "tajima_d": "Tajima's D; null with fewer than 3 segregating variants or two groups",
        "fst": "F_ST of Hudson; null for one group",
    },
    "convert_ledger": {
        "input": "file the row came from",
        "line": "line (or record number) of the record in it",
        "contig": "sequence name as the file spells it",
        "position": "1-based position in the file",
        "id": "variant ID, null where the file has '.'",
        "ref": "reference allele in the file",
        "alt": "this row's ALT in the file",
        "fate": "code of genomed.ledger.CONVERTED",
        "stored": "position:ref:alt in the store, null for a dropped row",
    },
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
    """

    mean: np.ndarray
    precision: np.ndarray
    offset: np.ndarray
    temperature: float


@dataclass(frozen=True)
class AncestryModel:
    """What tells populations apart, by weights of variants.

    populations      : names, sorted
    superpopulations : the superpopulation of each, in the same order
    weights          : float64 (variants, populations), per standardised genotype
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
