"""What the call nets read: counts as shares of the depth, evidence squashed and standardised.

The pileup and the evidence of a site come as genomed.features.call_sites documents them; here they
are told apart by their names only, which a trained model keeps and compares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

__all__ = ["FLOOR", "NEVER", "N_DIPLOTYPES", "CallInputs", "InputNames", "moved", "possible"]

N_DIPLOTYPES = 6
FLOOR = -120.0  # log-likelihoods below count as this one; 1e-52 is as good as never
NEVER = -1e4  # of a diplotype that there cannot be
_IMPOSSIBLE = -9000.0  # below it a diplotype is of an allele that there is not
_QUALITY = {"ref_quality": 40.0, "alt_quality": 40.0, "mapping_quality": 60.0}
_SHARES = ("ref_a", "ref_c", "ref_g", "ref_t", *_QUALITY)
_BASES = tuple(f"{base}_{strand}" for strand in ("forward", "reverse") for base in "acgt")
_DEPTH = (*_BASES, "deleted_forward", "deleted_reverse")
_SQUASH = 20.0  # log-likelihood at which the net sees half of the most it can see
_MOST_SHIFT = 6.0  # nats by which a net moves a logit, either way
_MOST_SHARPER = 1.0  # of the logarithm of what logits are multiplied by, either way
_MOST = 6.0  # standard deviations beyond which evidence is all the same


def possible(loglik: torch.Tensor) -> torch.Tensor:
    """Which diplotypes there can be: bool (sites, 6)."""
    return loglik > _IMPOSSIBLE


def moved(logits: torch.Tensor, correction: torch.Tensor) -> torch.Tensor:
    """Logits (sites, 6) made sharper or blunter and shifted, as a net says.

    correction : (sites, 7), a shift of each and then the logarithm of what they are multiplied by;
                 0 leaves them as they are. Both are bounded, so that no net can talk the reads
                 down where they are plain. Those that cannot be stay so.
    """
    sharper = torch.exp(_MOST_SHARPER * torch.tanh(correction[:, N_DIPLOTYPES:]))  # (sites, 1)
    apart = logits - logits.amax(1, keepdim=True)
    shift = _MOST_SHIFT * torch.tanh(correction[:, :N_DIPLOTYPES] / _MOST_SHIFT)
    return torch.where(possible(logits), sharper * apart + shift, NEVER)


@dataclass(frozen=True)
class InputNames:
    """The columns of the two arrays, in order."""

    pileup: tuple[str, ...]
    evidence: tuple[str, ...]


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
        missing = set(_DEPTH) - set(names.pileup)
        if missing:
            raise ValueError(f"a pileup lacks the channel {min(missing)!r}")
        self.n_planes = len(names.pileup) + 1
        self._reads = [i for i, name in enumerate(names.evidence) if name.startswith("reads_")]
        self._depth = names.evidence.index("depth")
        self.n_features = len(names.evidence) + len(self._reads) + N_DIPLOTYPES
        divisor = [_QUALITY.get(name, 1.0) for name in names.pileup]
        self.register_buffer("divisor", torch.tensor(divisor), persistent=False)
        counts = torch.tensor([name not in _SHARES for name in names.pileup])
        self.register_buffer("is_count", counts, persistent=False)
        depth = torch.tensor([float(name in _DEPTH) for name in names.pileup])
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
        return features.clamp(-_MOST, _MOST)

    def raw(self, evidence: torch.Tensor, loglik: torch.Tensor) -> torch.Tensor:
        """Features before they are standardised."""
        squashed = torch.sign(evidence) * torch.log1p(evidence.abs())  # (sites, evidence)
        share = evidence[:, self._reads] / (evidence[:, [self._depth]] + 1)  # (sites, alleles)
        floored = loglik.clamp(min=FLOOR)
        likely = torch.where(possible(loglik), floored / (_SQUASH - floored), -1.0)  # (sites, 6)
        return torch.cat([squashed, share, likely], 1)

    @torch.no_grad()
    def standardise(self, evidence: np.ndarray, loglik: np.ndarray) -> None:
        """Take means and spreads from sites; one that is always the same has a spread of 1."""
        raw = self.raw(torch.from_numpy(evidence), torch.from_numpy(loglik)).double()
        spread = raw.std(0, unbiased=False)
        self.centre.copy_(raw.mean(0))
        self.spread.copy_(torch.where(spread > 1e-6, spread, 1.0))
