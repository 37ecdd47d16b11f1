"""The deep head of a risk model: a correction to what a linear model predicts.

The linear predictor of a trait is ``offset + gate x scale x net(person)``. The gate is one number
for each trait and starts at zero, so that before training the model is the linear one. Nets over
windows of the genome, over dated codes and over covariates hand tokens to one mixer, which sees the
hubs call by call: an attention, a plain net over calls and products, or the sum of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from genomed.models.covariate_net import (
    CodeHistory,
    CodeHistoryConfig,
    CovariateTokens,
    CovariateTokensConfig,
)
from genomed.models.hub_net import (
    HubAttention,
    HubAttentionConfig,
    HubProducts,
    HubProductsConfig,
    HubTokens,
    HubTokensConfig,
)
from genomed.models.window_net import (
    Convolution,
    ConvolutionConfig,
    LocalWindows,
    LocalWindowsConfig,
    Recurrent,
    RecurrentConfig,
)

__all__ = ["GENOME_PARTS", "MIXERS", "HeadBatch", "NetConfig", "NetSizes", "RiskNet"]

MIXERS = ("attention", "products", "both")
GENOME_PARTS = ("local", "convolution", "recurrent")


class HeadBatch(NamedTuple):
    """What the net sees of some people; parts that a model does without have no columns.

    hubs       : float (people, hubs, 4), one-hot calls: 0, 1, 2 copies, not called
    numbers    : float (people, numbers), standardised, 0 where unknown
    categories : int64 (people, categories), level, 0 unknown
    codes      : int64 (people, length), 0 behind the last
    times      : float (people, length), when each code was given, standardised
    planes     : float (people, windows, variants, 3), see window_net
    """

    hubs: torch.Tensor
    numbers: torch.Tensor
    categories: torch.Tensor
    codes: torch.Tensor
    times: torch.Tensor
    planes: torch.Tensor


class NetSizes(NamedTuple):
    """What the data decide."""

    n_traits: int
    n_hubs: int
    n_numbers: int
    levels: tuple[int, ...]
    n_codes: int
    n_windows: int
    window_variants: int


@dataclass(frozen=True)
class NetConfig:
    """What is chosen."""

    # How hubs and covariates meet: one of MIXERS.
    mixer: str = "products"
    # Which nets read the windows, if there are any: some of GENOME_PARTS.
    genome: tuple[str, ...] = ("local",)
    # How dated codes are read: "attention" or "gru".
    code_reader: str = "attention"
    width: int = 16  # of a token
    layers: int = 2
    heads: int = 2
    hidden: int = 48  # of the net over products
    n_products: int = 64  # most products, of 2 or 3 (`order`) calls or numbers
    order: int = 3
    dropout: float = 0.1
    window_rank: int = 4
    kernel: int = 16  # of the convolution, variants
    stride: int = 8
    channels: int = 16
    recurrent_rank: int = 16
    recurrent_hidden: int = 32


class RiskNet(nn.Module):
    """The correction to the linear predictor of each trait."""

    scale: torch.Tensor

    def __init__(self, config: NetConfig, sizes: NetSizes) -> None:
        super().__init__()
        _check(config, sizes)
        self.config, self.sizes = config, sizes
        width, n_out = config.width, sizes.n_traits
        mixes = config.mixer in ("attention", "both")
        self.hubs = HubTokens(HubTokensConfig(sizes.n_hubs, width)) if mixes else None
        self.covariates = CovariateTokens(
            CovariateTokensConfig(sizes.n_numbers, sizes.levels, width)
        )
        self.history = (
            CodeHistory(CodeHistoryConfig(sizes.n_codes, width, config.code_reader))
            if sizes.n_codes
            else None
        )
        chosen = config.genome if sizes.n_windows else ()
        self.genome = nn.ModuleDict({name: _genome_part(name, config, sizes) for name in chosen})
        self.attention = self.products = None
        if mixes:
            self.attention = HubAttention(
                HubAttentionConfig(width, config.layers, config.heads, config.dropout, n_out)
            )
        if config.mixer in ("products", "both"):
            n_other = width * (self._n_tokens() - sizes.n_hubs - sizes.n_numbers)
            shape = (sizes.n_hubs, sizes.n_numbers, n_other, config.n_products)
            self.products = HubProducts(
                HubProductsConfig(*shape, config.hidden, config.dropout, n_out)
            )
        self.gate = nn.Parameter(torch.zeros(n_out))  # (traits,)
        self.register_buffer("scale", torch.ones(n_out))  # (traits,)

    def _n_tokens(self) -> int:
        single = len(self.genome) + (self.history is not None)
        return self.sizes.n_hubs + self.sizes.n_numbers + len(self.sizes.levels) + single

    @property
    def n_person(self) -> int:
        """Numbers that describe a person, see `forward`."""
        config = self.config
        by_mixer = {"attention": config.width, "products": config.hidden}
        return by_mixer.get(config.mixer, config.width + config.hidden)

    def code_hubs(self, contrasts: torch.Tensor) -> None:
        """Set how the calls of hubs are coded: float32 (hubs, 4, 3) of `call_contrasts`."""
        if self.hubs is not None:
            self.hubs.contrasts.copy_(contrasts)
        if self.products is not None:
            self.products.contrasts.copy_(contrasts)

    def penalised(self) -> list[torch.Tensor]:
        """Weights in groups along their first dimension: those of one hub, column or window."""
        groups: list[torch.Tensor] = []
        if self.hubs is not None:
            groups.append(self.hubs.by_call)  # (hubs, contrasts, width)
        if self.products is not None:
            groups.append(self.products.first.weight.T)  # (columns, width)
        if "local" in self.genome:
            local = self.genome["local"]
            assert isinstance(local, LocalWindows)
            groups.append(local.by_call)  # (windows, calls, rank)
        return groups

    def forward(self, batch: HeadBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Corrections (people, traits), and descriptions of the people (people, n_person)."""
        outputs, tokens = [], [self.covariates(batch.numbers, batch.categories)]
        for part in self.genome.values():
            output, token = part(batch.planes)  # (people, traits), (people, width)
            outputs.append(output)
            tokens.append(token[:, None])  # (people, 1, width)
        if self.history is not None:
            tokens.append(self.history(batch.codes, batch.times))  # (people, 1, width)
        known = torch.cat(tokens, 1)  # (people, covariates and parts, width)
        people = []
        if self.attention is not None and self.hubs is not None:
            output, person = self.attention(torch.cat([self.hubs(batch.hubs), known], 1))
            outputs.append(output)  # (people, traits)
            people.append(person)  # (people, width)
        if self.products is not None:
            rest = known[:, self.sizes.n_numbers :].flatten(1)  # (people, others x width)
            output, person = self.products(batch.hubs, batch.numbers, rest)
            outputs.append(output)  # (people, traits)
            people.append(person)  # (people, hidden)
        total = torch.stack(outputs).sum(0)  # (people, traits)
        return self.gate * self.scale * total, torch.cat(people, 1)


def _genome_part(name: str, config: NetConfig, sizes: NetSizes) -> nn.Module:
    """The net over windows of that name."""
    width, dropout, n_out = config.width, config.dropout, sizes.n_traits
    if name == "local":
        shape = (sizes.n_windows, sizes.window_variants, config.window_rank)
        return LocalWindows(LocalWindowsConfig(*shape, width, dropout, n_out))
    if name == "convolution":
        kernel = (config.kernel, config.stride, config.channels)
        return Convolution(ConvolutionConfig(*kernel, width, dropout, n_out))
    inner = (sizes.window_variants, config.recurrent_rank, config.recurrent_hidden)
    return Recurrent(RecurrentConfig(*inner, width, dropout, n_out))


def _check(config: NetConfig, sizes: NetSizes) -> None:
    if config.mixer not in MIXERS:
        raise ValueError(f"mixer is one of {', '.join(MIXERS)}, not {config.mixer!r}")
    if unknown := set(config.genome) - set(GENOME_PARTS):
        raise ValueError(f"genome holds some of {', '.join(GENOME_PARTS)}, not {min(unknown)!r}")
    if config.width % config.heads:
        raise ValueError(f"{config.heads} heads do not divide a width of {config.width}")
    inputs = (sizes.n_hubs, sizes.n_numbers, sizes.levels, sizes.n_codes)
    if not any(inputs) and not (sizes.n_windows and config.genome):
        raise ValueError("the head has no inputs: no hubs, covariates, codes or windows")
