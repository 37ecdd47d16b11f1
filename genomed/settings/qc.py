"""Defaults of `genomed qc`; see genomed.settings."""

from dataclasses import dataclass

__all__ = ["OUTLIER_COLUMNS", "QcSettings"]

# Columns of the table of samples that outliers can be looked for in.
OUTLIER_COLUMNS = (
    "call_rate", "n_het", "n_hom_alt", "n_transition", "n_transversion", "titv", "n_singleton",
    "het_hom_ratio", "f",
)  # fmt: skip


@dataclass(frozen=True)
class QcSettings:
    """Which variants and samples pass. Marees 2018 is doi:10.1002/mpr.1608, a tutorial of the QC of
    genome-wide studies; Anderson 2010 is doi:10.1038/nprot.2010.116, the protocol before it."""

    # Genome build, which tells the pseudo-autosomal regions; None takes it from contig lengths.
    build: str | None = None
    # Least share of samples with a call, 0 to 1 (Marees 2018).
    min_call_rate: float = 0.98
    # Least share of variants with a call, 0 to 1 (Marees 2018).
    min_sample_call_rate: float = 0.98
    # A variant whose exact Hardy-Weinberg P is below this fails; 0 fails none (Marees 2018, for
    # controls).
    hwe_p: float = 1e-6
    # Least minor allele frequency, 0 to 0.5; 0 fails none, as what is rare depends on the study.
    min_maf: float = 0.0
    # A variant whose calls are missing in cases and controls with a P below this fails; 0 fails
    # none (Anderson 2010).
    missing_p: float = 1e-5
    # Most Mendel errors of a variant, per trio, and of a child, per variant (the values in plink
    # 1.9's documentation of --me).
    max_variant_mendel: float = 0.1
    max_sample_mendel: float = 0.05
    # F on X below which a sample is female, above which it is male, and the least number of
    # genotypes behind it (plink 1.9 --check-sex; the number is ours: F varies too much below).
    max_female_f: float = 0.2
    min_male_f: float = 0.8
    min_x_variants: int = 50
    # Most distance from the median of the group, in median absolute deviations (gnomAD v2 to v4:
    # 4); 0 looks for no outliers.
    outlier_mads: float = 4.0
    # Columns of the table of samples that outliers are looked for in; empty means f and titv, and
    # within --groups het_hom_ratio as well: it depends on ancestry too much to be compared across.
    outlier_columns: tuple[str, ...] = ()
    # Least samples of a group in which there can be outliers (ours).
    min_group: int = 20
