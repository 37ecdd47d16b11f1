"""Training that promises how little can be learned about any one person (DP-SGD, Abadi 2016,
arXiv:1607.00133).

Every person joins a batch by a throw of its own, a person's gradient is shortened to one norm, and
noise of a spread that belongs to that norm is added to the sum. The noise comes from no seed that
anybody could know, so that no two runs are alike. What that costs is accounted by
opacus (Renyi differential privacy, Mironov 2019, arXiv:1908.10530).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from genomed.models.risk_net import HeadBatch, RiskNet

__all__ = ["PrivacyConfig", "needed_noise", "noisy_gradient", "privacy_ledger"]

# Orders of the Renyi divergence that the account looks for the best among.
ORDERS = [1 + i / 10 for i in range(1, 100)] + list(range(12, 64)) + [2**i for i in range(6, 11)]
CHUNK = 256  # people whose gradients are held at a time


@dataclass(frozen=True)
class PrivacyConfig:
    """What is promised: (epsilon, delta)-differential privacy of the head's weights."""

    epsilon: float = 8.0
    delta: float = 1e-5
    clip: float = 1.0  # most norm of a person's gradient


@cache
def needed_noise(config: PrivacyConfig, rate: float, steps: int) -> float:
    """Spread of the noise, in units of `clip`, that keeps the promise after `steps` batches.

    rate : chance of a person to be in a batch, 0 to 1
    Raises ValueError for a promise that no noise keeps, or where opacus is not installed.
    """
    _, calibration = _opacus()
    if not (config.epsilon > 0 and 0 < config.delta < 1 and config.clip > 0):
        raise ValueError(f"epsilon and clip are above 0 and delta is between 0 and 1: {config}")
    wanted = {"target_epsilon": config.epsilon, "target_delta": config.delta}
    with warnings.catch_warnings():  # on its way the search tries noise that no order suits
        warnings.simplefilter("ignore", UserWarning)
        noise = calibration(
            **wanted, sample_rate=rate, steps=steps, accountant="rdp", alphas=ORDERS
        )
    return float(noise)


def privacy_ledger(
    config: PrivacyConfig, noise: float, rate: float, steps: int, members: int
) -> dict[str, Any]:
    """What was spent, and what the promise is about: JSON-able.

    steps   : batches of all members that a person may have been in
    members : of the ensemble that saw a person
    """
    accountants, _ = _opacus()
    accountant = accountants.RDPAccountant()
    accountant.history = [(noise, rate, steps)]
    return {
        "epsilon": float(accountant.get_epsilon(config.delta, alphas=ORDERS)),
        "delta": config.delta,
        "noise_multiplier": noise,
        "clip": config.clip,
        "sample_rate": rate,
        "steps": steps,
        "members_per_person": members,
        "accountant": "Renyi differential privacy, Poisson sampling (opacus)",
        "covers": "the weights of the head, given the variants it reads, the frequencies they are "
        "coded by, the linear predictor and its mean loss, which is the unit of the head; none of "
        "these is private",
        "neighbours": "cohorts that differ by the addition or removal of one person",
        "random_numbers": "torch's generator, which is not made for cryptography, from a seed of "
        "the operating system for each epoch that is kept nowhere",
    }


def noisy_gradient(
    net: RiskNet,
    batch: HeadBatch,
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    people: torch.Tensor,
    config: PrivacyConfig,
    noise: float,
    expected: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """The sum of shortened gradients and noise, over the number of people expected: (numbers,).

    batch, people : of those in the batch, who may be none
    loss_of       : (corrections (1, traits), people (1,)) -> loss (1,)
    """
    named = {name: p.detach() for name, p in net.named_parameters()}
    buffers = dict(net.named_buffers())

    def loss(values: dict[str, torch.Tensor], one: HeadBatch, who: torch.Tensor) -> torch.Tensor:
        single = HeadBatch(*(part[None] for part in one))
        correction, _ = functional_call(net, (values, buffers), (single,))
        return loss_of(correction, who[None]).sum()

    each = vmap(grad(loss), in_dims=(None, 0, 0), randomness="different")
    n_numbers = sum(value.numel() for value in named.values())
    total = torch.zeros(n_numbers, device=people.device)
    for start in range(0, len(people), CHUNK):
        part = slice(start, start + CHUNK)
        with sdpa_kernel(SDPBackend.MATH):  # the only one that runs person by person
            gradients = each(named, HeadBatch(*(field[part] for field in batch)), people[part])
        flat = torch.cat([gradients[name].flatten(1) for name in named], 1)  # (people, numbers)
        norm = flat.norm(dim=1)  # (people,)
        total += (config.clip / norm.clamp(min=config.clip)) @ flat  # (numbers,)
    drawn = torch.randn(n_numbers, generator=generator, device=people.device)
    return (total + noise * config.clip * drawn) / expected


def _opacus() -> tuple[Any, Callable[..., float]]:
    """The accountants and the calibration of opacus, an optional package."""
    try:
        from opacus import accountants  # noqa: PLC0415  (optional, and slow to load)
        from opacus.accountants.utils import get_noise_multiplier  # noqa: PLC0415
    except ImportError:
        raise ValueError(
            "private training needs opacus; install it with `pip install 'genomed[private]'`"
        ) from None
    return accountants, get_noise_multiplier
