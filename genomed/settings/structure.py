"""Defaults of `genomed structure`; see genomed.settings."""

from dataclasses import dataclass, field

__all__ = ["RohSettings", "StructureSettings"]


@dataclass(frozen=True)
class RohSettings:
    """What a run of homozygosity is; the names are those of plink's options --homozyg-*."""

    # Least number of variants in a run.
    snp: int = 100
    # Least length of a run, kilobases.
    kb: float = 1000.0
    # A run has at least one variant in this many kilobases, on average.
    density: float = 50.0
    # Variants further apart than this, in kilobases, are never in one run.
    gap: float = 1000.0
    # Most heterozygous calls in one run; None sets no limit.
    het: int | None = None
    # Variants in the sliding window.
    window_snp: int = 50
    # Most heterozygous calls in a good window.
    window_het: int = 1
    # Most missing calls in a good window.
    window_missing: int = 5
    # Share of the windows over a variant, 0 to 1, that must be good.
    window_threshold: float = 0.05


@dataclass(frozen=True)
class StructureSettings:
    """What decides relatedness, components and diversity, apart from the store."""

    # What to do: any of prune, kinship, pca, roh, diversity.
    steps: tuple[str, ...] = ("prune", "kinship", "pca", "roh", "diversity")
    # Genome build, for the regions of long-range LD; None tells it from the store.
    build: str | None = None
    # Least minor allele frequency among founders, 0 to 0.5, for all but diversity.
    min_maf: float = 0.01
    # Least share of samples with a call, 0 to 1, for a variant to be used at all.
    min_call_rate: float = 0.95
    # Whether regions of long-range LD stay out of prune and pca.
    leave_long_range_ld: bool = True
    # Window of LD pruning: kilobases, or variants when prune_kb is False.
    prune_window: float = 500.0
    prune_kb: bool = True
    # Variants that the window moves on at a time; 1 where it is in kilobases.
    prune_step: int = 1
    # Of two variants with a larger r2 one goes.
    prune_r2: float = 0.2
    # Pairs from this kinship on are told; None is 0.0442, the border of the third degree, or what
    # chance gives to one pair in the cohort, if that is more.
    min_kinship: float | None = None
    # Of two people with a larger kinship one is projected; None is 0.0884, the border of the second
    # degree, or what chance gives.
    max_kinship: float | None = None
    # Principal components.
    n_components: int = 10
    # How they are found: "auto", "exact" or "randomised"; the last draws from the seed.
    pca_method: str = "auto"
    seed: int = 1
    # Share of the loadings' squares of a reference, 0 to 1, that must lie at called variants.
    min_projection_coverage: float = 0.5
    # Length of the windows of diversity, kilobases.
    diversity_kb: float = 100.0
    roh: RohSettings = field(default_factory=RohSettings)
