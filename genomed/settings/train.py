"""Defaults of `genomed train`; see genomed.settings."""

from dataclasses import dataclass, field

__all__ = [
    "CalibrationSettings",
    "DesignSettings",
    "PathSettings",
    "SplitSettings",
    "TrainSettings",
    "TraitSettings",
]


@dataclass(frozen=True)
class TraitSettings:
    """What a trait must have to be learned from."""

    # Number that says that a value is missing (plink's); None for none.
    missing_code: float | None = -9.0
    # Least cases and controls, events, or values in each fold of cross-validation; 0 for any.
    min_per_fold: int = 4
    # Fewer cases, controls or events than this are warned of.
    few: int = 100


@dataclass(frozen=True)
class DesignSettings:
    """How covariates become numbers."""

    # Categories with more levels than this become numbers of levels, for embeddings.
    max_one_hot: int = 12
    # Levels of fewer people than this are pooled; so few missing values get no column.
    min_level: int = 10
    # Standardised values end here, in standard deviations.
    max_sd: float = 10.0
    # A column goes where the others leave less than this share of its standard deviation.
    collinear: float = 1e-3
    # A covariate that tells a trait with a larger AUROC or r2 is warned of.
    leak: float = 0.98
    # Least people with a dated code for it to have a number of its own.
    min_code: int = 10
    # Most dated codes of a person; the latest stay.
    max_codes: int = 256


@dataclass(frozen=True)
class SplitSettings:
    """Who is set aside for the test, and who is held out together."""

    n_folds: int = 5
    # Share of people set aside, 0 to 1, where no table says who.
    test_fraction: float = 0.2
    # People with at least this kinship are held out together (the border of the third degree).
    min_kinship: float = 0.0442


@dataclass(frozen=True)
class PathSettings:
    """The linear trunk: which penalised fits are tried, and how far each is taken."""

    # Shares of the absolute penalty, above 0 to 1; each is a candidate.
    l1_ratios: tuple[float, ...] = (1.0, 0.5, 0.1)
    # Whether ridge regression on all columns is a candidate too.
    ridge: bool = True
    # Penalties on a path, evenly in the logarithm, the last this share of the first.
    n_penalties: int = 80
    min_penalty_ratio: float = 0.01
    # A path ends when so many penalties in a row were no better out of fold.
    patience: int = 8
    # A fit is done when no step lowers the deviance by more than this share of the deviance of
    # the covariates alone.
    tolerance: float = 1e-7
    # Most cycles over the columns, and most quadratic approximations, for one penalty.
    max_cycles: int = 1000
    max_reweightings: int = 12
    # Ridge penalties, as 1 / h2 - 1 of traits whose variance is explained by h2.
    ridge_first: float = 300.0
    ridge_last: float = 0.1
    n_ridge_penalties: int = 24
    # Products with all columns that ridge regression may take.
    max_ridge_steps: int = 100
    # Candidates of the mixture of normals: least variance of an effect, beside that of the ridge
    # candidate. Empty leaves the mixture out.
    mixture_floors: tuple[float, ...] = (1.0, 0.25, 0.0)


@dataclass(frozen=True)
class CalibrationSettings:
    """How predictions out of fold are made probabilities, or intervals."""

    # Intervals hold this share, 0 to 1.
    level: float = 0.9
    # Cases, and controls, from which an isotonic curve is tried beside the logistic one.
    min_isotonic: int = 1000
    # A group has a curve of its own from so many cases and controls, or people with a number; it is
    # drawn to the common one by a normal prior on how far its intercept (in logits, or standard
    # deviations of the trait) and its slope are off.
    min_group_cases: int = 100
    min_group: int = 200
    prior_intercept: float = 0.5
    prior_slope: float = 0.25
    # A group has intervals of its own from so many people.
    min_group_interval: int = 500
    # Widths depend on the prediction where the F test between tenths of it exceeds this.
    uneven_f: float = 4.0
    # Folds that choose between curves, and draws that tell how sure an isotonic one is.
    n_folds: int = 5
    n_draws: int = 100


@dataclass(frozen=True)
class TrainSettings:
    """What decides a model, apart from the people and their traits."""

    # Genome build of the store; None tells it from the contigs' lengths.
    build: str | None = None
    # Least minor allele frequency among those learned from, 0 to 0.5, and least share of samples
    # with a call.
    min_maf: float = 0.01
    min_call_rate: float = 0.95
    # Stages beyond the linear one that may be tried.
    stages: tuple[str, ...] = ("dominance", "ancestry", "pairs", "covariates", "net")
    # A stage is kept when its gain out of fold is this many standard errors.
    accept_z: float = 2.0
    # Near pairs: at most so far apart, in base pairs and in variants.
    pair_window_bp: int = 1_000_000
    pair_window_variants: int = 50
    # Variants above which distant pairs are not screened; the work grows with their square.
    max_screened_variants: int = 60_000
    # Most pairs in a model, and most variants that the net reads as hubs.
    max_pairs: int = 256
    max_hubs: int = 64
    # Intervals hold this share of people, 0 to 1.
    interval: float = 0.9
    # Prevalence of a binary trait in those who will be scored; None is that of the cohort. What the
    # run itself tells, of its own people, is at that of the cohort.
    prevalence: float | None = None
    # Epochs of the net, at most; and the seed of the folds, and of the net's weights and training.
    net_epochs: int = 20
    seed: int = 1
    # Nets over windows of all variants, or of genes: some of local, convolution, recurrent. Most
    # variants of a window.
    genome_net: tuple[str, ...] = ()
    window_variants: int = 64
    # Weight, beside the loss, of hiding the ancestry group from the net, and of the IRM penalty.
    adversary: float = 0.0
    invariance: float = 0.0
    # (epsilon, delta)-differential privacy of the net; None promises nothing.
    private_epsilon: float | None = None
    private_delta: float = 1e-5
    split: SplitSettings = field(default_factory=SplitSettings)
    traits: TraitSettings = field(default_factory=TraitSettings)
    design: DesignSettings = field(default_factory=DesignSettings)
