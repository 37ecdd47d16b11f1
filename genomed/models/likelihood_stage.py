"""The likelihood caller: what the reads say of each diplotype, and how usual it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from genomed.settings import CallSettings
from genomed.stats.genotype_likelihood import genotype_log_prior

__all__ = [
    "FLOOR", "IMPOSSIBLE", "NEVER", "N_DIPLOTYPES",
    "InputNames", "LikelihoodStage", "Said", "site_prior",
]  # fmt: skip

N_DIPLOTYPES = 6
_N_KINDS = 4  # SNP, indel; each with one alternative, with two
FLOOR = -120.0  # log-likelihoods below count as this one; 1e-52 is as good as never
IMPOSSIBLE = -9000.0  # below it a diplotype is of an allele that there is not
NEVER = -1e4  # logit of a diplotype that there cannot be


@dataclass(frozen=True)
class InputNames:
    """Columns of the pileup and of the evidence, in order; see genomed.features.call_sites."""

    pileup: tuple[str, ...]
    evidence: tuple[str, ...]


class Said(NamedTuple):
    """What the stages before the read-matrix net say.

    logits : float32 (sites, 6); hidden : float32 (sites, width), none without a net
    """

    logits: np.ndarray
    hidden: np.ndarray


def site_prior(evidence: np.ndarray, names: Sequence[str], settings: CallSettings) -> np.ndarray:
    """Natural log of how usual each diplotype is: float64 (sites, 6), from columns so named."""
    length, repeat, transition = (
        evidence[:, [names.index(name) for name in columns]]
        for columns in (("length_1", "length_2"), ("repeat_length",), ("transition",))
    )
    return genotype_log_prior(length, repeat[:, 0], transition[:, 0] > 0, settings)


class LikelihoodStage(NamedTuple):
    """Logits of diplotypes = exp(temperature of the kind) x log-likelihood + prior + its shift.

    shift : float32 (kinds, 6); temperature : float32 (kinds, 1), logarithms. Both are 0 before it
            is fitted: then it is Bayes' rule
    """

    shift: np.ndarray = np.zeros((_N_KINDS, N_DIPLOTYPES), np.float32)
    temperature: np.ndarray = np.zeros((_N_KINDS, 1), np.float32)

    def forget(self, is_indel: bool) -> LikelihoodStage:
        """As before the fit for SNPs, or for indels."""
        kept = np.arange(_N_KINDS)[:, None] % 2 != is_indel
        return LikelihoodStage(*(np.where(kept, array, np.float32(0)) for array in self))

    def logits(self, loglik: np.ndarray, prior: np.ndarray, kind: np.ndarray) -> np.ndarray:
        """float32 (sites, 6) from such log-likelihoods and priors, and uint8 (sites,)."""
        factor = np.exp(self.temperature, dtype=np.float64).astype(np.float32)  # rounded once
        logits = factor[kind] * np.maximum(loglik, FLOOR) + prior + self.shift[kind]
        return np.where(loglik > IMPOSSIBLE, logits, NEVER)
