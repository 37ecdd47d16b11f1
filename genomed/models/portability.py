"""Penalties that keep a net from leaning on ancestry, so that it holds in other people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

__all__ = ["Adversary", "AdversaryConfig", "invariance_penalty"]


class _Reverse(torch.autograd.Function):
    """The identity, whose gradient has the other sign (Ganin 2016, arXiv:1505.07818)."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return -gradients[0]


@dataclass(frozen=True)
class AdversaryConfig:
    """Sizes of the net that guesses the group."""

    n_person: int
    n_groups: int
    hidden: int = 32


class Adversary(nn.Module):
    """Guesses a person's group from the net's description, which learns to give nothing away."""

    def __init__(self, config: AdversaryConfig) -> None:
        super().__init__()
        self.config = config
        self.guess = nn.Sequential(
            nn.Linear(config.n_person, config.hidden),
            nn.GELU(),
            nn.Linear(config.hidden, config.n_groups),
        )

    def forward(self, person: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
        """Mean loss of the guess for (people, n_person) of group (people,), -1 left out: scalar."""
        logits = self.guess(_Reverse.apply(person)).float()  # (people, groups)
        known = group >= 0  # (people,)
        loss = functional.cross_entropy(logits, group.clamp(min=0), reduction="none")  # (people,)
        return (loss * known).sum() / known.sum().clamp(min=1)


def invariance_penalty(
    loss_at: torch.Tensor, factor: torch.Tensor, group: torch.Tensor, n_groups: int
) -> torch.Tensor:
    """How much each group would gain by a scale of its own (IRM; Arjovsky 2019, arXiv:1907.02893).

    loss_at : (people,), losses that depend on `factor`
    factor  : scalar 1 that multiplied the predictions, with gradient
    returns : scalar, mean over groups of the squared slope of the group's mean loss
    """
    slopes = []
    for g in range(n_groups):
        inside = group == g  # (people,)
        mean = (loss_at * inside).sum() / inside.sum().clamp(min=1)
        slopes.append(torch.autograd.grad(mean, factor, create_graph=True)[0] ** 2)
    return torch.stack(slopes).mean()
