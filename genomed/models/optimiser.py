"""AdamW over all parameters of a net at once, as one vector.

One vector makes a step a few operations whatever the number of layers, a message to other processes
one sum, and a checkpoint two arrays.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

__all__ = ["FlatAdamW"]

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class FlatAdamW:
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) with a rate and a decay per parameter.

    The parameters become views of `values`, their gradients views of `gradient`.

    named : parameters by name, all on one device
    rate  : learning rate of each beside that given to `step`, by name; 1 where not named
    decay : decoupled weight decay of each, by name; 0 where not named
    """

    def __init__(
        self,
        named: Mapping[str, nn.Parameter],
        rate: Mapping[str, float],
        decay: Mapping[str, float],
    ) -> None:
        self.named = dict(named)
        parts = [p.detach().reshape(-1) for p in named.values()]
        self.values = torch.cat(parts)  # (numbers,)
        self.gradient = torch.zeros_like(self.values)
        self.mean = torch.zeros_like(self.values)
        self.square = torch.zeros_like(self.values)
        self.steps = 0
        pairs = list(zip(named, parts, strict=True))
        self.rate = torch.cat([torch.full_like(part, rate.get(n, 1.0)) for n, part in pairs])
        self.decay = torch.cat([torch.full_like(part, decay.get(n, 0.0)) for n, part in pairs])
        at = 0
        for parameter in named.values():
            end = at + parameter.numel()
            parameter.data = self.values[at:end].view_as(parameter)
            parameter.grad = self.gradient[at:end].view_as(parameter)
            at = end

    def clip(self, most: float) -> None:
        """Shorten the gradient to a norm of `most`."""
        norm = torch.linalg.vector_norm(self.gradient)
        self.gradient *= (most / (norm + 1e-6)).clamp(max=1.0)

    def step(self, learning_rate: float) -> None:
        """Move along the gradient and forget it."""
        self.steps += 1
        first, second = BETAS
        self.mean.lerp_(self.gradient, 1 - first)
        self.square.mul_(second).addcmul_(self.gradient, self.gradient, value=1 - second)
        spread = (self.square / (1 - second**self.steps)).sqrt_().add_(EPSILON)
        move = (self.mean / (1 - first**self.steps)).div_(spread)
        move.addcmul_(self.decay, self.values).mul_(self.rate)
        self.values.sub_(move, alpha=learning_rate)
        self.gradient.zero_()

    def arrays(self) -> dict[str, np.ndarray]:
        """All it remembers, copied to the host."""
        kept = {"values": self.values, "mean": self.mean, "square": self.square}
        arrays = {name: value.cpu().numpy().copy() for name, value in kept.items()}
        return arrays | {"steps": np.array([self.steps])}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Be as when the arrays were taken. Raises ValueError for arrays of another net."""
        if arrays["values"].shape != tuple(self.values.shape):
            raise ValueError(f"{arrays['values'].shape} numbers do not fit {self.values.shape}")
        for name in ("values", "mean", "square"):
            getattr(self, name).copy_(torch.from_numpy(arrays[name]))
        self.steps = int(arrays["steps"][0])
