"""Defaults of `genomed risk`; see genomed.settings."""

from dataclasses import dataclass

__all__ = ["RiskSettings"]


@dataclass(frozen=True)
class RiskSettings:
    """What decides a score, apart from the cohort and the model."""

    # Share of sum(weight^2 x 2p(1-p)), 0 to 1, below which a score is null.
    min_weighted_coverage: float = 0.75
    # A/T and C/G variants: "drop", "keep" (as the file's strand) or "by-frequency".
    ambiguous: str = "by-frequency"
    # A call that was not made: "mean" (the cohort's), "reference-mean", "drop" or "zero-dosage".
    missing: str = "mean"
    # Whether a variant absent from the file counts as 0/0; only the user can know.
    assume_hom_ref: bool = False
    # Least depth, in reads, for a gVCF reference block to prove hom-ref.
    min_block_depth: int = 10
    # Least genotype quality, phred-scaled, for a gVCF reference block to prove hom-ref.
    min_block_quality: int = 20
    # Least reads, and least phred-scaled quality, for reads (--reads) to prove hom-ref; the quality
    # is asked of other genotypes, too.
    min_reads_depth: int = 10
    min_reads_quality: int = 20
    # Least mapping quality of such a read, and least quality of its base, phred-scaled.
    min_read_mapq: int = 20
    min_read_base_quality: int = 13
    # FORMAT field the dosage is taken from: "GT", "DS" or "GP".
    dosage_field: str = "GT"
    # Share of the variance of a reference's loadings, 0 to 1, that must rest on called genotypes
    # for a person to be placed; a cohort in which less was found is refused.
    min_projection_coverage: float = 0.75
    # Prevalence among those who are scored, between 0 and 1, of the disease of a bundle of cases
    # and controls; None is what the bundle was trained for.
    prevalence: float | None = None
    # Components of a reference that z_norm1 and z_norm2 are regressed on (pgsc_calc's default).
    n_adjustment_components: int = 4
