"""A net's correction shared out to its inputs: integrated gradients (Sundararajan 2017,
arXiv:1703.01365), by captum.

The path goes in a straight line from the mean of those learned from to the person. The mean of a
call is the Hardy-Weinberg shares of 0, 1 and 2 copies at the frequency of training; a covariate's
is 0, as it is standardised, and a category's its level of rare and unknown ones. Of dated codes
what each adds to the token that they become is the input (CodeHistory.shares), and its mean the
token of somebody without codes. Contributions add up to the net's correction less its correction at
the mean, but for the error of the sum that stands for the integral: at Gauss-Legendre points, in
float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import nn

from genomed.models.head_inputs import DeviceInputs
from genomed.models.hub_net import CALLS
from genomed.models.risk_model import NetPart, net_inputs
from genomed.models.risk_net import HeadBatch, RiskNet
from genomed.models.training import nets
from genomed.models.window_net import PLANES

__all__ = ["NetAttributions", "has_captum", "net_attributions", "permuted"]

_Shares = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of dated codes and their times

UNKNOWN_LEVEL = 0  # of a category, as genomed.features.design has it
NUMBERS = 1 << 21  # that a batch of points on paths may hold
MISSING_CAPTUM = (
    "integrated gradients of the net need captum; install it with `pip install 'genomed[explain]'`"
)


class NetAttributions(NamedTuple):
    """What a net's inputs add, member by member.

    base       : float64 (members,), correction at the mean
    rows       : int64 (r,), variants of the model that the net reads, ascending
    variants   : float64 (members, r, n)
    covariates : float64 (members, columns and categories of the design, n); dated codes behind
                 them, where the net reads such
    codes      : float64 (members, n, length), the same of each dated code, of which that is the sum
    """

    base: np.ndarray
    rows: np.ndarray
    variants: np.ndarray
    covariates: np.ndarray
    codes: np.ndarray


def has_captum() -> bool:
    """Whether captum is installed."""
    try:
        _integrated_gradients()
    except ValueError:
        return False
    return True


def net_attributions(
    part: NetPart,
    words: np.ndarray,
    n_samples: int,
    covariates: np.ndarray,
    frequency: np.ndarray,
    *,
    categories: np.ndarray | None = None,
    levels: tuple[int, ...] = (),
    codes: np.ndarray | None = None,
    times: np.ndarray | None = None,
    n_steps: int = 32,
    threads: int = 1,
) -> NetAttributions:
    """Integrated gradients of every member for some people.

    words, covariates, categories, levels, codes, times : as in RiskModel.predict
    frequency : float64 (variants,), of ALT in training
    threads   : members at once; the result does not depend on it
    Raises ValueError where captum is not installed.
    """
    method = _integrated_gradients()
    n_codes = part.head.sizes.n_codes
    dated: dict[str, Any] = {"n_codes": n_codes} if n_codes else {}
    if n_codes:
        dated |= {"codes": codes, "times": times}
    inputs = net_inputs(
        words, n_samples, part.hubs, covariates, categories, levels, part.windows, **dated
    )
    cpu = torch.device("cpu")
    held = DeviceInputs(inputs, cpu, genome=bool(part.head.config.net.genome))
    read = _Read(part, held, frequency)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in one order, whatever the number of threads
    try:
        with ThreadPoolExecutor(max(1, threads)) as pool:
            found = list(pool.map(lambda net: read.explain(net, method, n_steps), nets(part.head)))
    finally:
        torch.set_num_threads(before)
    base, of_variants, others, of_codes = map(np.stack, zip(*found, strict=True))
    return NetAttributions(base, read.rows, of_variants, others, of_codes)


def permuted(part: NetPart, rng: np.random.Generator) -> NetPart:
    """The same net with the numbers of each of its tensors put in random order: what a member
    learned is gone, the sizes of its weights are not. Gates and codings stay."""
    members = []
    for member in part.head.members:
        changed = {}
        for name, tensor in member.items():
            kept = not tensor.is_floating_point() or name in ("gate", "scale")
            order = torch.from_numpy(rng.permutation(tensor.numel()))
            mixed = tensor if kept or name.endswith("contrasts") else tensor.flatten()[order]
            changed[name] = mixed.view(tensor.shape).clone()
        members.append(changed)
    return replace(part, head=part.head._replace(members=members))


class _Read:
    """Inputs of people as numbers that a gradient can be taken of, and their means."""

    def __init__(self, part: NetPart, held: DeviceInputs, frequency: np.ndarray) -> None:
        self.part, self.held = part, held
        inside = part.windows >= 0 if held.windows[0] else np.zeros(part.windows.shape, bool)
        both = np.concatenate([part.hubs, part.windows[inside]])
        self.inside = inside
        self.rows, place = np.unique(both, return_inverse=True)
        self.hub_place, self.window_place = np.split(place, [len(part.hubs)])
        self.levels = part.head.sizes.levels
        shares = np.stack([(1 - frequency) ** 2, 2 * frequency * (1 - frequency), frequency**2], 1)
        hubs = np.zeros((len(part.hubs), CALLS))
        hubs[:, :3] = shares[part.hubs]
        windows = np.zeros((*held.windows, PLANES))
        if held.windows[0]:
            windows[inside, :2] = shares[part.windows[inside], 1:]
        widest = max(self.levels, default=0)
        levels = np.zeros((len(self.levels), widest))
        levels[:, UNKNOWN_LEVEL : UNKNOWN_LEVEL + 1] = 1.0
        numbers = np.zeros(held.numbers.shape[1])
        self.mean = tuple(
            torch.from_numpy(one)[None].double() for one in (hubs, numbers, levels, windows)
        )
        self.n_dated = int(part.head.sizes.n_codes > 0)
        self.length = held.batch(torch.arange(0)).codes.shape[1]

    def explain(
        self, net: RiskNet, method: Callable[..., Any], n_steps: int
    ) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        """Correction at the mean, and what variants and covariates add: (rows or k, n); and what
        dated codes do: (n, length)."""
        n, length = len(self.held.numbers), self.length
        net, shares = _on_shares(net)
        nobody = torch.zeros(1, length, dtype=torch.int64)
        means = [*self.mean, shares(nobody, torch.zeros(1, length))]
        used = [i for i, one in enumerate(means) if one.numel()]
        forward = self._forward(net, means, used)
        mean = tuple(means[i] for i in used)
        with torch.no_grad():
            base = float(forward(*mean))
        k, c = self.held.numbers.shape[1], len(self.levels)
        variants, covariates = np.zeros((len(self.rows), n)), np.zeros((k + c + self.n_dated, n))
        codes = np.zeros((n, length))
        for some, inputs in self._batches(n_steps, shares):
            given = tuple(inputs[i] for i in used)
            each = method(forward).attribute(
                given, baselines=mean, n_steps=n_steps, method="gausslegendre"
            )
            found = dict(zip(used, (one.detach().numpy() for one in each), strict=True))
            if 0 in found:
                np.add.at(variants[:, some], self.hub_place, found[0].sum(axis=2).T)
            if 1 in found:
                covariates[:k, some] = found[1].T
            if 2 in found:
                covariates[k : k + c, some] = found[2].sum(axis=2).T
            if 3 in found:
                by_place = found[3].sum(axis=3)[:, self.inside].T
                np.add.at(variants[:, some], self.window_place, by_place)
            if 4 in found:
                codes[some] = found[4].sum(axis=2)
                covariates[k + c, some] = codes[some].sum(axis=1)
        return base, variants, covariates, codes

    def _forward(
        self, net: RiskNet, means: Sequence[torch.Tensor], used: Sequence[int]
    ) -> Callable[..., torch.Tensor]:
        def forward(*given: torch.Tensor) -> torch.Tensor:
            n = len(given[0])
            all_five = [one.expand(n, *one.shape[1:]) for one in means]
            for place, one in zip(used, given, strict=True):
                all_five[place] = one
            hubs, numbers, levels, planes, shares = all_five
            batch = HeadBatch(hubs, numbers, levels, shares, shares, planes)
            return net(batch)[0][:, self.part.trait]

        return forward

    def _batches(self, n_steps: int, shares: _Shares) -> Iterator[tuple[slice, list[torch.Tensor]]]:
        """People a few at a time, as many as fit; each stands for `n_steps` points."""
        n = len(self.held.numbers)
        at_a_time = max(NUMBERS // (n_steps * (64 + self.held.n_unpacked)), 1)
        for start in range(0, n, at_a_time):
            people = torch.arange(start, min(start + at_a_time, n))
            batch = self.held.batch(people)
            widest = max(self.levels, default=0)
            levels = batch.categories[:, :, None] == torch.arange(widest)
            inputs = [one.double() for one in (batch.hubs, batch.numbers, levels, batch.planes)]
            inputs.append(shares(batch.codes, batch.times))
            yield slice(start, start + len(people)), inputs


class _FromShares(nn.Module):
    """In the place of what makes a token of dated codes, where what each adds to it is given."""

    def __init__(self, nothing: torch.Tensor) -> None:
        super().__init__()
        self.nothing = nothing

    def forward(self, shares: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """Shares (people, length, width) to the token (people, 1, width)."""
        return self.nothing + shares.sum(1, keepdim=True)


class _LevelShares(nn.Module):
    """An embedding that reads shares of levels, so that there is something between two levels."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, shares: torch.Tensor) -> torch.Tensor:
        """Shares (people, widest) to (people, width)."""
        return shares[:, : len(self.weight)] @ self.weight


def _on_shares(net: RiskNet) -> tuple[RiskNet, _Shares]:
    """The net in float64, without gradients of its own, on shares of levels and of dated codes; and
    what makes the latter, without columns where the net reads no codes."""
    net = net.double().requires_grad_(False)
    tables = [_LevelShares(table.get_parameter("weight")) for table in net.covariates.by_level]
    net.covariates.by_level = nn.ModuleList(tables)
    history = net.history
    if history is None:
        return net, lambda codes, times: torch.zeros(*codes.shape, 0, dtype=torch.float64)
    net.history = _FromShares(history.nothing)  # type: ignore[assignment]

    def shares(codes: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return history.shares(codes, times.double())

    return net, shares


def _integrated_gradients() -> Callable[..., Any]:
    """Of captum, an optional package."""
    try:
        from captum.attr import IntegratedGradients  # noqa: PLC0415  (optional, and slow to load)
    except ImportError:
        raise ValueError(MISSING_CAPTUM) from None
    return cast("Callable[..., Any]", IntegratedGradients)
