"""The losses of families of traits, in torch: half of Family.deviance, person by person."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from genomed.models.families import Binary, Family, Quantitative, Survival

__all__ = ["Labels", "labels_of"]


class Labels(NamedTuple):
    """What the loss of one trait needs, on a device.

    kind     : as in Family
    observed : float32 (people,), 1 with a label, 0 without
    y        : float32 (people,), a measured trait less its centre, or 1 and 0; 0 without a label
    at_risk  : int64 (people,), intervals until the end of observation, for times to an event
    before   : int64 (people,), intervals that were over when it began
    baseline : float32 (intervals,), logits of the hazards
    """

    kind: str
    observed: torch.Tensor
    y: torch.Tensor
    at_risk: torch.Tensor
    before: torch.Tensor
    baseline: torch.Tensor

    def loss(self, eta: torch.Tensor, people: torch.Tensor) -> torch.Tensor:
        """Half the deviance of some people at linear predictors: (people,), 0 without a label."""
        observed, y = self.observed[people], self.y[people]  # (people,) each
        eta = eta.float()
        if self.kind == "quantitative":
            return observed * (y - eta) ** 2 / 2  # (people,)
        if self.kind == "binary":
            return observed * (functional.softplus(eta) - y * eta)  # (people,)
        at_risk = self.at_risk[people]  # (people,)
        logit = self.baseline + eta[:, None]  # (people, intervals)
        interval = torch.arange(len(self.baseline), device=eta.device)  # (intervals,)
        inside = interval < at_risk[:, None]  # (people, intervals)
        inside &= interval >= self.before[people][:, None]
        survived = functional.softplus(logit) * inside  # (people, intervals)
        last = self.baseline[(at_risk - 1).clamp(min=0)] + eta  # (people,)
        return observed * (survived.sum(1) - y * last)  # (people,)


def labels_of(family: Family, device: torch.device) -> Labels:
    """The labels of a family on a device. Raises ValueError for a family of another kind."""
    observed = np.asarray(family.observed)
    at_risk = before = np.zeros(len(observed), np.int64)
    baseline = np.zeros(0)
    if isinstance(family, Quantitative | Binary):
        y = np.where(observed, family.y, 0.0)
    elif isinstance(family, Survival):
        y = np.where(observed, family.event, 0.0)
        at_risk, baseline = np.maximum(family.n_at_risk, 0), family.baseline
        before = before if family.n_before is None else family.n_before
    else:
        raise ValueError(f"no loss is known for a family of kind {family.kind!r}")

    def sent(array: np.ndarray, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device, dtype)

    return Labels(
        family.kind, sent(observed), sent(y), sent(at_risk, torch.int64),
        sent(before, torch.int64), sent(baseline),
    )  # fmt: skip
