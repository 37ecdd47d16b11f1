"""Every default of the suite: one frozen dataclass per step, each field with its unit."""

from dataclasses import dataclass, field

__all__ = [
    "OUTLIER_COLUMNS",
    "CallTrainSettings",
    "ConvertSettings",
    "DesignSettings",
    "EvidenceSettings",
    "ExplainSettings",
    "IdentitySettings",
    "PathSettings",
    "PlanSettings",
    "QcSettings",
    "ReadsFeaturesSettings",
    "ReadsQcSettings",
    "ReadsScoreSettings",
    "RiskSettings",
    "RohSettings",
    "RunSettings",
    "SplitSettings",
    "StructureSettings",
    "TrainSettings",
    "TraitSettings",
]


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


@dataclass(frozen=True)
class IdentitySettings:
    """Which bases tell whose reads these are, and what is warned of."""

    # Least mapping quality of a read, and least quality of a base, phred-scaled (verifyBamID's).
    min_mapping_quality: int = 10
    min_base_quality: int = 13
    # A file is warned of when the 95 % interval of its contamination lies above this share.
    max_contamination: float = 0.02


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


@dataclass(frozen=True)
class ConvertSettings:
    """What decides which variants and calls reach a store, and how they look there."""

    # Words of FILTER that are kept, "PASS" meaning "." as well; empty keeps all.
    filters: tuple[str, ...] = ()
    # INFO fields to keep; ("all",) keeps every one, empty none.
    info: tuple[str, ...] = ()
    # A call of a lower FORMAT/GQ (phred-scaled) or FORMAT/DP (reads) is not called; 0 takes all.
    min_gq: int = 0
    min_dp: int = 0
    # A half-call (./1) is "missing" or an "error".
    half_calls: str = "missing"
    # Most samples without a call, as a share 0 to 1.
    max_missing: float = 1.0
    # Least copies of ALT among the calls.
    min_ac: int = 0
    # Most alleles of a record, REF included; 0 sets no limit.
    max_alleles: int = 0
    # Where REF is not what the FASTA has: "error", "warn" (keep), "drop" or "swap" (with ALT).
    ref_mismatch: str = "error"
    # Whether to keep phase.
    phase: bool = False
    # FORMAT field that dosages are kept from, "DS" or "GP"; None keeps none.
    dosage: str | None = None
    # Which allele of a BGEN is REF: "first" (UK Biobank) or "last" (what regenie takes by default).
    bgen_ref: str = "first"
    # Whether the inputs are gVCFs to be put side by side: their samples differ.
    gvcf: bool = False
    # Least depth (reads) and genotype quality for a gVCF reference block to prove hom-ref.
    min_block_depth: int = 10
    min_block_quality: int = 20
    # Whether the .pvar is compressed.
    zst: bool = False


# Columns of the table of samples of qc that can be told to find outliers in.
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
    # Prevalence of a binary trait in those who will be scored; None is that of the cohort.
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


@dataclass(frozen=True)
class CallTrainSettings:
    """How the nets of a caller are learned from reads whose truth is known."""

    # Depths, in reads, that alignments are thinned to beside their own; larger ones are left out.
    depths: tuple[float, ...] = (5.0, 10.0, 20.0)
    # Shares of the sites to stop and calibrate by, and to judge by.
    stop_share: float = 0.15
    judge_share: float = 0.15
    # Bases of the pieces that contigs are divided into; one is learned from or judged by.
    block_bp: int = 50_000
    # Passes of either net at most; after so many that were no better it ends.
    n_epochs: int = 8
    n_matrix_epochs: int = 8
    patience: int = 8
    # Most sites of a pass, drawn anew for each.
    epoch_sites: int = 60_000
    batch_sites: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    max_gradient: float = 1.0
    # Weights of the heads for allele class and indel length, beside the diplotype's.
    class_weight: float = 0.1
    length_weight: float = 0.05
    # Standard errors by which a net must gain to be kept.
    accept_z: float = 2.0
    # A site is for the read-matrix net where its best diplotype is less likely than this.
    sure: float = 0.99
    # Most sites whose matrices are kept to learn from; one takes 33 kB.
    max_matrices: int = 12_000
    seed: int = 1


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
class EvaluateSettings:
    """What decides an evaluation, apart from the predictions and the truth."""

    # Draws of the bootstrap; 0 for no intervals. Their seed, and the level of the intervals.
    n_draws: int = 1000
    seed: int = 1
    level: float = 0.95
    # Unit of the prediction: auto, probability, logit, score, value or risk.
    scale: str = "auto"
    # On the scale of the prediction; None is the share of cases, or the highest tenth of a score.
    threshold: float | None = None
    # Of a binary trait in the population; None is the share of cases.
    prevalence: float | None = None
    # Bins of the calibration error and the calibration curve.
    n_bins: int = 10
    # Groups of fewer people, or of fewer cases or controls, are shown but not compared.
    min_group: int = 100
    min_group_cases: int = 20
    # Ages are cut below these.
    age_bands: tuple[float, ...] = (40.0, 50.0, 60.0, 70.0)
    # Share of people that intervals in the predictions are meant to hold.
    interval: float = 0.9
    # Largest gap of a measure between groups; None for no limit. The measure; None is the main one.
    max_gap: float | None = None
    gap_measure: str | None = None


@dataclass(frozen=True)
class ExplainSettings:
    """What decides an explanation, apart from the bundle and the cohort."""

    # Genome build of the store; None tells it from the contigs' lengths.
    build: str | None = None
    # Terms told of each person.
    top: int = 10
    # Points of the sum that stands for the integral over the net's gradients.
    n_steps: int = 16
    # Nets whose weights are put in random order, for comparison (Adebayo 2018, arXiv:1810.03292).
    n_permuted: int = 3
    # Trainings on permuted labels, where traits are given; and the epochs of their nets, at most.
    n_shuffles: int = 1
    shuffle_epochs: int = 2
    seed: int = 1


@dataclass(frozen=True)
class EvidenceSettings:
    """How reads are compared with the alleles of a site."""

    # Alignments with any of these flags are passed over: not mapped, secondary, failed, duplicate.
    exclude_flags: int = 0x4 | 0x100 | 0x200 | 0x400
    # Reads of lower mapping quality are passed over.
    min_mapq: int = 0
    # Base qualities are held between these; where a file has none, this one stands for all.
    min_base_quality: int = 3
    max_base_quality: int = 41
    no_base_quality: int = 20
    # Mapping quality, phred, that stands for "not available" (255); and the most that is believed.
    no_mapq: int = 20
    max_mapq: int = 60
    # Bases looked at on each side of the alleles, and of the repeat in which they may be shifted.
    flank_bp: int = 15
    # Bases that reads may be shifted beyond what the alleles and the file's alignment ask for.
    band_bp: int = 5
    # Phred of the probability that sequencing puts a gap at a place; what comes off for each unit
    # of a repeat above four (as in Albers 2011, doi:10.1101/gr.112326.110; the values make known
    # genotypes likeliest in simulated reads of four kinds); and the least that is left.
    gap_open_phred: float = 42.0
    gap_open_per_unit: float = 2.0
    min_gap_open_phred: float = 8.0
    # Least quality of a base that counts as a mismatch.
    min_mismatch_quality: int = 15
    # A site's reads are thinned evenly, by fragment, to about this many.
    max_reads: int = 1000


@dataclass(frozen=True)
class CallSettings:
    """How candidate sites are found in reads, and called."""

    # Alignments with any of these flags are passed over: not mapped, secondary, failed, duplicate,
    # supplementary; and those of lower mapping quality.
    exclude_flags: int = 0x4 | 0x100 | 0x200 | 0x400 | 0x800
    min_mapq: int = 5
    # Bases of lower quality are not counted.
    min_base_quality: int = 10
    # A base or an indel is a candidate with this share of the reads (Clair3's), and so many reads:
    # one read with an indel tells as much as two with a base, as indels are rarer errors.
    min_snp_fraction: float = 0.08
    min_indel_fraction: float = 0.15
    min_reads: int = 2
    min_indel_reads: int = 1
    # Candidates so close are judged together, as haplotypes; at most so many of both.
    cluster_gap_bp: int = 12
    max_cluster_bp: int = 100
    max_candidates: int = 8
    max_haplotypes: int = 14
    # Longest insertion or deletion.
    max_indel_bp: int = 80
    # Chance that a site differs from the reference on one of two copies: by a base, by an indel.
    snp_rate: float = 1e-3
    indel_rate: float = 1.5e-4
    # Share of sites at which errors strike reads of one strand.
    artefact_rate: float = 4e-5
    # Calls of a lower QUAL are not written.
    min_qual: float = 3.0
    # Sites of more reads are judged by about so many of them.
    max_reads: int = 500


@dataclass(frozen=True)
class ReadsQcSettings:
    """What decides what `reads qc` measures, apart from the alignments."""

    # Windows of depth, where no targets are given.
    window_bp: int = 10_000
    # Depths: how many bases of each region reach them.
    thresholds: tuple[int, ...] = (1, 5, 10, 15, 20, 30, 50, 100)
    # Lower borders of classes of depth: none, low, callable, high.
    quantize: tuple[int, ...] = (0, 1, 5, 150)
    # Whether the depth of every base is written.
    per_base: bool = False
    # Depth is of alignments of at least this mapping quality, without any of the first flags (not
    # mapped, secondary, failed, duplicate) and, if not 0, with one of the second.
    min_mapq: int = 0
    exclude_flags: int = 0x4 | 0x100 | 0x200 | 0x400
    include_flags: int = 0
    # Where two mates overlap: "once" (mosdepth) or "both" (samtools depth).
    overlaps: str = "once"
    # Sample whose read groups are read; None is the only one there is, "all" everything.
    sample: str | None = None


@dataclass(frozen=True)
class ReadsFeaturesSettings:
    """What decides what `reads features` tells of calls, apart from calls and alignments."""

    evidence: EvidenceSettings = field(default_factory=lambda: EvidenceSettings(max_reads=20_000))
    # Longer alleles have no features.
    max_allele_bp: int = 500
    # Sample whose read groups are read; None reads everything.
    sample: str | None = None


@dataclass(frozen=True)
class ReadsScoreSettings:
    """How calls are scored by their reads, and filtered."""

    call: CallSettings = field(default_factory=CallSettings)
    # Percent of the true calls that each tranche and those above it hold, rising; PASS is the first
    # (the defaults of GATK's FilterVariantTranches).
    snp_tranches: tuple[float, ...] = (99.95,)
    indel_tranches: tuple[float, ...] = (99.4,)
    # Records with longer alleles are not scored.
    max_allele_bp: int = 200
    # Sample whose read groups are read; None where there is one only.
    sample: str | None = None


@dataclass(frozen=True)
class RunSettings:
    """How the workflow is run, and how long `genomed run` waits for what may never come."""

    cores: int = 0  # most processors that jobs on this machine use together; 0: all
    profile: str = ""  # of Snakemake: a directory, a file, or the name of one that comes along
    until: tuple[str, ...] = ()  # rules after which to stop
    dry_run: bool = False
    plan: bool = True  # resources are predicted first
    ask_every_s: float = 60.0  # a cluster is asked whether it knows the jobs that are waited for
    lost_after_s: float = 600.0  # the run ends when it has not known one for so long
    leave_after_s: float = 75.0  # and the process, so long after a signal, whatever hangs


@dataclass(frozen=True)
class PlanSettings:
    """How much room is left beside what `genomed plan` predicts, and for whom it predicts."""

    # Memory and disc, and time, that are asked for, as multiples of what is predicted.
    memory_room: float = 1.3
    time_room: float = 3.0
    # Least time and memory that are asked for.
    least_minutes: int = 15  # a busy machine that has kernels to compile needs that
    least_memory_mb: int = 300
    # What Snakemake takes of a job's memory on a cluster, where it starts the command.
    launcher_memory_mb: int = 200
    # What starting a job takes, seconds, beside the job.
    job_overhead_s: float = 3.0
    # People and variants to predict for; None is as many as the cohort has.
    people: int | None = None
    variants: int | None = None
    # Jobs that a cohort is converted in, where no configuration says.
    parts: int = 1
