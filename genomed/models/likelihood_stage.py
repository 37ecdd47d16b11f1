"""The likelihood caller: what the reads say of each diplotype, and how common it is."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from genomed.models.call_inputs import FLOOR, N_DIPLOTYPES, NEVER, possible

__all__ = ["N_KINDS", "LikelihoodStage"]

N_KINDS = 4  # SNP, indel; each with one alternative, with two


class LikelihoodStage(nn.Module):
    """Logits of diplotypes = exp(temperature of the kind) x log-likelihood + prior of the kind.

    prior       : (kinds, 6), logarithms; temperature : (kinds, 1), logarithms, 0 to believe all
    """

    def __init__(self) -> None:
        super().__init__()
        self.prior = nn.Parameter(torch.zeros(N_KINDS, N_DIPLOTYPES))
        self.temperature = nn.Parameter(torch.zeros(N_KINDS, 1))

    @torch.no_grad()
    def start(self, kind: np.ndarray, truth: np.ndarray) -> None:
        """Take for prior how often each diplotype is true of a kind of candidate site."""
        counts = np.zeros((N_KINDS, N_DIPLOTYPES))
        np.add.at(counts, (kind, truth), 1.0)
        share = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)
        self.prior.copy_(torch.from_numpy(np.log(share)))

    def forward(self, loglik: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        """float32 (sites, 6), int64 (sites,) to logits (sites, 6)."""
        logits = torch.exp(self.temperature[kind]) * loglik.clamp(min=FLOOR) + self.prior[kind]
        return torch.where(possible(loglik), logits, NEVER)
