"""Changes to calls while training, which teach a net what it will meet and what does not matter."""

from __future__ import annotations

import math

import torch

__all__ = ["donors_within_groups", "exchange_block", "mask_calls"]

NOT_CALLED = 3


def mask_calls(
    codes: torch.Tensor, rate: float, generator: torch.Generator, *, apart: bool = False
) -> torch.Tensor:
    """Forget calls at random, so that a call that was not made is met in training.

    codes   : uint8 (people, places)
    rate    : share of the calls, 0 to 1
    apart   : by a throw for each call, so that no person's depend on who else is there; slower
    returns : uint8 (people, places); the same tensor when nothing is forgotten
    """
    if rate <= 0 or not codes.numel():
        return codes
    if apart:
        thrown = torch.rand(codes.shape, generator=generator, device=codes.device)
        return codes.masked_fill(thrown < rate, NOT_CALLED)
    # A place may be drawn twice, so more are drawn than are to be forgotten.
    count = round(-math.log1p(-min(rate, 0.999)) * codes.numel())
    drawn = torch.randint(codes.numel(), (count,), generator=generator, device=codes.device)
    return codes.flatten().index_fill(0, drawn, NOT_CALLED).view_as(codes)


def donors_within_groups(group: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """For each person another of the same group, at random: int64 (people,).

    A person of an unknown group (negative), or alone in it, is its own donor.
    """
    n = len(group)
    order = torch.randperm(n, generator=generator, device=group.device)  # (people,)
    by_group = order[torch.sort(group[order], stable=True).indices]  # people, group after group
    here = group[by_group]  # (people,)
    first = torch.searchsorted(here, here)  # where the group starts
    after = torch.searchsorted(here, here, right=True)  # where it ends
    place = torch.arange(n, device=group.device)  # (people,)
    following = torch.where(place + 1 < after, place + 1, first)  # round the group
    donor = torch.empty_like(by_group)
    donor[by_group] = by_group[following]
    return torch.where(group < 0, torch.arange(n, device=group.device), donor)


def exchange_block(
    codes: torch.Tensor, donor: torch.Tensor, share: float, generator: torch.Generator
) -> torch.Tensor:
    """Give each person one block of neighbouring places of its donor.

    share   : of the places, 0 to 1; the block starts anywhere and goes round the end
    returns : uint8 (people, places)
    """
    people, places = codes.shape
    if share <= 0 or not places:
        return codes
    start = torch.randint(places, (people, 1), generator=generator, device=codes.device)
    offset = (torch.arange(places, device=codes.device) - start) % places  # (people, places)
    return torch.where(offset < round(share * places), codes[donor], codes)
