"""Defaults of `genomed convert`; see genomed.settings."""

from dataclasses import dataclass

__all__ = ["ConvertSettings"]


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
