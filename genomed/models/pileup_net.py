"""The first stage of a caller: a pileup of 33 positions and the evidence of realigned reads.

Dilated residual convolutions look along the reference, a gated recurrent unit walks from either
edge to the centre, and what they find there joins the evidence. The net does not replace the
likelihood caller: it says how far to believe it, and moves it,

    logits = belief x (log-likelihood + log prior) + shift

Its last layer begins at zero, so the untrained net is the likelihood caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from genomed.models.call_inputs import N_DIPLOTYPES, CallInputs, InputNames, moved
from genomed.models.call_targets import N_CLASSES, N_LENGTHS

__all__ = ["CallOutputs", "PileupNet", "PileupNetConfig"]


class CallOutputs(NamedTuple):
    """What a call net says of sites.

    logits   : (sites, 6), of diplotypes; those that cannot be have -1e4
    classes  : (sites, 21), which two kinds of allele there are
    lengths  : (sites, 2, 33), by how much the shorter and the longer allele differ from ref
    hidden   : (sites, width), what it thought of them
    """

    logits: torch.Tensor
    classes: torch.Tensor
    lengths: torch.Tensor
    hidden: torch.Tensor


@dataclass(frozen=True)
class PileupNetConfig:
    """Sizes of the net."""

    names: InputNames
    channels: int = 20
    hidden: int = 20
    width: int = 64
    dropout: float = 0.1


class _Residual(nn.Module):
    """A dilated convolution beside what it reads."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.along = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """(sites, channels, positions) to the same."""
        return planes + functional.relu(self.along(planes))


class PileupNet(nn.Module):
    """See the module."""

    def __init__(self, config: PileupNetConfig) -> None:
        super().__init__()
        self.config = config
        self.inputs = CallInputs(config.names)
        channels, width = config.channels, config.width
        self.stem = nn.Conv1d(self.inputs.n_planes, channels, 3, padding=1)
        self.residuals = nn.ModuleList(_Residual(channels, d) for d in (1, 2, 4))
        self.from_left = nn.GRU(channels, config.hidden, batch_first=True)
        self.from_right = nn.GRU(channels, config.hidden, batch_first=True)
        n_seen = 2 * config.hidden + 2 * channels
        self.evidence = nn.Linear(self.inputs.n_features, width)
        self.join = nn.Linear(n_seen + width, width)
        self.second = nn.Linear(width, width)
        self.drop = nn.Dropout(config.dropout)
        self.correct = nn.Linear(width, N_DIPLOTYPES + 1)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)
        self.classes = nn.Linear(width, N_CLASSES)
        self.lengths = nn.Linear(width, 2 * N_LENGTHS)

    def forward(
        self,
        pileup: torch.Tensor,
        evidence: torch.Tensor,
        loglik: torch.Tensor,
        logits: torch.Tensor,
    ) -> CallOutputs:
        """What it says of sites.

        pileup   : int16 (sites, 33, channels); evidence : float32 (sites, evidence)
        loglik   : float32 (sites, 6); logits : float32 (sites, 6), of the likelihood caller
        """
        seen = self._look(self.inputs.planes(pileup))  # (sites, 2 hidden + 2 channels)
        features = self.drop(self.inputs.features(evidence, loglik))
        told = functional.gelu(self.evidence(features))  # (sites, width)
        hidden = functional.gelu(self.join(torch.cat([seen, told], 1)))  # (sites, width)
        hidden = hidden + functional.gelu(self.second(self.drop(hidden)))
        correction = self.correct(hidden)  # (sites, 7)
        logits = moved(logits, correction)
        lengths = self.lengths(hidden).unflatten(1, (2, N_LENGTHS))
        return CallOutputs(logits, self.classes(hidden), lengths, hidden)

    def _look(self, planes: torch.Tensor) -> torch.Tensor:
        """(sites, planes, positions) to what is known of the centre."""
        along = functional.relu(self.stem(planes))  # (sites, channels, positions)
        for residual in self.residuals:
            along = residual(along)
        middle = along.shape[2] // 2
        walk = along.transpose(1, 2)  # (sites, positions, channels)
        _, left = self.from_left(walk[:, : middle + 1])  # (1, sites, hidden)
        _, right = self.from_right(walk[:, middle:].flip(1))
        return torch.cat([left[0], right[0], along[:, :, middle], along.mean(2)], 1)
