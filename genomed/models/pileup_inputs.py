"""What the pileup net is made of and reads, whoever works it out: torch, or numpy without it."""

from __future__ import annotations

from dataclasses import dataclass

from genomed.models.likelihood_stage import InputNames

__all__ = [
    "DEPTH", "DILATIONS", "MOST", "MOST_SHARPER", "MOST_SHIFT", "QUALITY", "SHARES", "SQUASH",
    "PileupNetConfig", "read_columns",
]  # fmt: skip

QUALITY = {"ref_quality": 40.0, "alt_quality": 40.0, "mapping_quality": 60.0}
SHARES = ("ref_a", "ref_c", "ref_g", "ref_t", *QUALITY)
_BASES = tuple(f"{base}_{strand}" for strand in ("forward", "reverse") for base in "acgt")
DEPTH = (*_BASES, "deleted_forward", "deleted_reverse")
SQUASH = 20.0  # log-likelihood at which the net sees half of the most it can see
MOST_SHIFT = 6.0  # nats by which a net moves a logit, either way
MOST_SHARPER = 1.0  # of the logarithm of what logits are multiplied by, either way
MOST = 6.0  # standard deviations beyond which evidence is all the same
DILATIONS = (1, 2, 4)  # of the residual convolutions


@dataclass(frozen=True)
class PileupNetConfig:
    """Sizes of the net."""

    names: InputNames
    channels: int = 20
    hidden: int = 20
    width: int = 64
    dropout: float = 0.1


def read_columns(names: InputNames) -> list[int]:
    """Columns of the evidence that count reads of an allele."""
    return [i for i, name in enumerate(names.evidence) if name.startswith("reads_")]
