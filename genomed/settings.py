"""Every default of the suite: one frozen dataclass per step, each field with its unit."""

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
    # FORMAT field the dosage is taken from: "GT", "DS" or "GP".
    dosage_field: str = "GT"
