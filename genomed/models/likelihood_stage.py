"""The likelihood caller: what the reads say of each diplotype, and how usual it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from genomed.models.call_inputs import FLOOR, N_DIPLOTYPES, NEVER, possible
from genomed.settings import CallSettings
from genomed.stats.genotype_likelihood import genotype_log_prior

__all__ = ["N_KINDS", "LikelihoodStage", "site_prior"]

N_KINDS = 4  # SNP, indel; each with one alternative, with two


def site_prior(evidence: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Natural log of how usual each diplotype is, float32 (sites, 6), from evidence of these names.

    The same as `genomed reads call --model none` uses.
    """
    length, repeat, transition = (
        evidence[:, [names.index(name) for name in columns]]
        for columns in (("length_1", "length_2"), ("repeat_length",), ("transition",))
    )
    prior = genotype_log_prior(length, repeat[:, 0], transition[:, 0] > 0, CallSettings())
    return prior.astype(np.float32)


class LikelihoodStage(nn.Module):
    """Logits of diplotypes = exp(temperature of the kind) x log-likelihood + prior + its shift.

    shift : (kinds, 6); temperature : (kinds, 1), logarithms. Both are 0 before it is fitted: then
            it is Bayes' rule
    """

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(N_KINDS, N_DIPLOTYPES))
        self.temperature = nn.Parameter(torch.zeros(N_KINDS, 1))

    @torch.no_grad()
    def forget(self, is_indel: bool) -> None:
        """Be as before the fit for SNPs, or for indels."""
        self.shift[int(is_indel) :: 2] = 0
        self.temperature[int(is_indel) :: 2] = 0

    def forward(
        self, loglik: torch.Tensor, prior: torch.Tensor, kind: torch.Tensor
    ) -> torch.Tensor:
        """float32 (sites, 6) twice, int64 (sites,) to logits (sites, 6)."""
        logits = torch.exp(self.temperature[kind]) * loglik.clamp(min=FLOOR)
        return torch.where(possible(loglik), logits + prior + self.shift[kind], NEVER)
