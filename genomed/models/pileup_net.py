"""The first stage of a caller: a pileup of 33 positions and the evidence of realigned reads.

Dilated residual convolutions look along the reference, a gated recurrent unit walks from either
edge to the centre, and what they find there joins the evidence. The net does not replace the
likelihood caller: it says how far to believe it, and moves it,

    logits = belief x (log-likelihood + log prior) + shift

Its last layer begins at zero, so the untrained net is the likelihood caller.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from genomed.models.call_targets import N_CLASSES, N_LENGTHS
from genomed.models.likelihood_stage import FLOOR, IMPOSSIBLE, N_DIPLOTYPES, NEVER, InputNames
from genomed.models.pileup_inputs import (
    DEPTH,
    DILATIONS,
    MOST,
    MOST_SHARPER,
    MOST_SHIFT,
    QUALITY,
    SHARES,
    SQUASH,
    PileupNetConfig,
    read_columns,
)

__all__ = ["CallInputs", "CallOutputs", "PileupNet", "moved"]


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


def moved(logits: torch.Tensor, correction: torch.Tensor) -> torch.Tensor:
    """Logits (sites, 6) made sharper or blunter and shifted, as a net says.

    correction : (sites, 7), a shift of each and then the logarithm of what they are multiplied by;
                 0 leaves them as they are. Both are bounded, so that no net can talk the reads
                 down where they are plain. Those that cannot be stay so.
    """
    sharper = torch.exp(MOST_SHARPER * torch.tanh(correction[:, N_DIPLOTYPES:]))  # (sites, 1)
    apart = logits - logits.amax(1, keepdim=True)
    shift = MOST_SHIFT * torch.tanh(correction[:, :N_DIPLOTYPES] / MOST_SHIFT)
    return torch.where(logits > IMPOSSIBLE, sharper * apart + shift, NEVER)


class CallInputs(nn.Module):
    """Numbers of sites to planes and features, without anything learned but means and spreads.

    n_planes   : channels of a position
    n_features : numbers of a site
    """

    divisor: torch.Tensor
    is_count: torch.Tensor
    is_depth: torch.Tensor
    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(self, names: InputNames) -> None:
        super().__init__()
        self.names = names
        missing = set(DEPTH) - set(names.pileup)
        if missing:
            raise ValueError(f"a pileup lacks the channel {min(missing)!r}")
        self.n_planes = len(names.pileup) + 1
        self._reads = read_columns(names)
        self._depth = names.evidence.index("depth")
        self.n_features = len(names.evidence) + len(self._reads) + N_DIPLOTYPES
        divisor = [QUALITY.get(name, 1.0) for name in names.pileup]
        self.register_buffer("divisor", torch.tensor(divisor), persistent=False)
        counts = torch.tensor([name not in SHARES for name in names.pileup])
        self.register_buffer("is_count", counts, persistent=False)
        depth = torch.tensor([float(name in DEPTH) for name in names.pileup])
        self.register_buffer("is_depth", depth, persistent=False)
        self.register_buffer("centre", torch.zeros(self.n_features))
        self.register_buffer("spread", torch.ones(self.n_features))

    def planes(self, pileup: torch.Tensor) -> torch.Tensor:
        """int16 (sites, positions, channels) to float32 (sites, planes, positions).

        Counts are shares of the depth of their position, whose logarithm is the last plane.
        """
        values = pileup.float() / self.divisor  # (sites, positions, channels)
        depth = (values * self.is_depth).sum(2, keepdim=True)  # (sites, positions, 1)
        shares = (values / (depth + 1)).clamp(max=2.0)
        values = torch.where(self.is_count, shares, values)
        return torch.cat([values, torch.log1p(depth) / 4], 2).transpose(1, 2)

    def features(self, evidence: torch.Tensor, loglik: torch.Tensor) -> torch.Tensor:
        """float32 (sites, evidence), (sites, 6) to standardised features (sites, features)."""
        features = (self.raw(evidence, loglik) - self.centre) / self.spread
        return features.clamp(-MOST, MOST)

    def raw(self, evidence: torch.Tensor, loglik: torch.Tensor) -> torch.Tensor:
        """Features before they are standardised."""
        squashed = torch.sign(evidence) * torch.log1p(evidence.abs())  # (sites, evidence)
        share = evidence[:, self._reads] / (evidence[:, [self._depth]] + 1)  # (sites, alleles)
        floored = loglik.clamp(min=FLOOR)
        likely = torch.where(loglik > IMPOSSIBLE, floored / (SQUASH - floored), -1.0)  # (sites, 6)
        return torch.cat([squashed, share, likely], 1)

    @torch.no_grad()
    def standardise(self, evidence: np.ndarray, loglik: np.ndarray) -> None:
        """Take means and spreads from sites; one that is always the same has a spread of 1."""
        raw = self.raw(torch.from_numpy(evidence), torch.from_numpy(loglik)).double()
        spread = raw.std(0, unbiased=False)
        self.centre.copy_(raw.mean(0))
        self.spread.copy_(torch.where(spread > 1e-6, spread, 1.0))


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
        self.residuals = nn.ModuleList(_Residual(channels, d) for d in DILATIONS)
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
