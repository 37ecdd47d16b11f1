"""Defaults of `genomed reads`; see genomed.settings."""

from dataclasses import dataclass, field

__all__ = [
    "CallSettings",
    "CallTrainSettings",
    "EvidenceSettings",
    "IdentitySettings",
    "ReadsFeaturesSettings",
    "ReadsQcSettings",
    "ReadsScoreSettings",
]


@dataclass(frozen=True)
class IdentitySettings:
    """Which bases tell whose reads these are, and what is warned of."""

    # Least mapping quality of a read, and least quality of a base, phred-scaled (verifyBamID's).
    min_mapping_quality: int = 10
    min_base_quality: int = 13
    # A file is warned of when the 95 % interval of its contamination lies above this share.
    max_contamination: float = 0.02


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
    # Among so few reads one makes a base a candidate: a true one is likelier than an error there.
    single_read_depth: int = 3
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
