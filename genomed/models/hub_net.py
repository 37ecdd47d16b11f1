"""Nets over a few variants that matter together (hubs) and over what is known of the person.

Nothing here knows positions along the genome: a hub is told from another by weights of its own.
Additive and dominance codings are those of ordinary regression, so that a missing call, which has
zeros there, says nothing until training teaches otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

__all__ = [
    "AttentionBlock",
    "AttentionBlockConfig",
    "HubAttention",
    "HubAttentionConfig",
    "HubProducts",
    "HubProductsConfig",
    "HubTokens",
    "HubTokensConfig",
    "call_contrasts",
]

CALLS = 4  # 0, 1 or 2 copies, and not called
CONTRASTS = 3  # additive, dominance, not called
SMALL = 0.1  # share of the usual spread that weights to outputs start with


def call_contrasts(frequency: torch.Tensor) -> torch.Tensor:
    """How each call is coded: float32 (hubs, 4 calls, 3 contrasts).

    The additive contrast is (copies - 2p) / sd. The dominance contrast is that of Vitezica 2013
    (doi:10.1534/genetics.113.155176), -2p^2, 2pq and -2q^2 for 2, 1 and 0 copies, over 2pq: both
    have mean 0 and variance 1 in Hardy-Weinberg proportions, and no covariance. A call that was not
    made is 0 in both and 1 in the third.

    frequency : float (hubs,), of ALT; 0 and 1 give zeros
    """
    p = frequency.double()[:, None]  # (hubs, 1)
    q = 1 - p  # (hubs, 1)
    heterozygosity = 2 * p * q  # (hubs, 1)
    inverse = torch.where(heterozygosity > 0, 1 / heterozygosity, 0.0)  # (hubs, 1)
    copies = torch.arange(3, device=p.device, dtype=p.dtype)[None]  # (1, 3)
    additive = (copies - 2 * p) * inverse.sqrt()  # (hubs, 3)
    deviation = torch.cat([-2 * p**2, heterozygosity, -2 * q**2], 1)  # (hubs, 3)
    coding = torch.zeros(len(p), CALLS, CONTRASTS, device=p.device)  # (hubs, calls, contrasts)
    coding[:, :3, 0] = additive.float()
    coding[:, :3, 1] = (deviation * inverse).float()
    coding[:, 3, 2] = 1
    return coding  # (hubs, calls, contrasts)


@dataclass(frozen=True)
class HubTokensConfig:
    """Sizes of the tokens of hubs."""

    n_hubs: int
    width: int


class HubTokens(nn.Module):
    """One token for each hub: a place of its own, moved by the call."""

    contrasts: torch.Tensor

    def __init__(self, config: HubTokensConfig) -> None:
        super().__init__()
        self.config = config
        shape = (config.n_hubs, CONTRASTS, config.width)
        self.register_buffer("contrasts", torch.zeros(config.n_hubs, CALLS, CONTRASTS))
        self.by_call = nn.Parameter(torch.randn(shape) / 2)  # (hubs, contrasts, width)
        self.place = nn.Parameter(torch.randn(config.n_hubs, config.width) / 2)
        with torch.no_grad():
            self.by_call[:, 2] = 0  # until it is trained, a missing call moves nothing

    def forward(self, calls: torch.Tensor) -> torch.Tensor:
        """Tokens (people, hubs, width) of one-hot calls (people, hubs, 4)."""
        table = self.contrasts @ self.by_call  # (hubs, 4, width)
        moved = torch.einsum("phc,hcw->phw", calls, table)  # (people, hubs, width)
        return moved + self.place  # (people, hubs, width)


@dataclass(frozen=True)
class AttentionBlockConfig:
    """Sizes of one block."""

    width: int
    heads: int
    dropout: float


class AttentionBlock(nn.Module):
    """A transformer block whose norms come first (Xiong 2020, arXiv:2002.04745)."""

    def __init__(self, config: AttentionBlockConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.norm_attention = nn.LayerNorm(width)
        self.to_query_key_value = nn.Linear(width, 3 * width)
        self.from_heads = nn.Linear(width, width)
        self.norm_inner = nn.LayerNorm(width)
        self.inner = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU())
        self.from_inner = nn.Linear(2 * width, width)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Every token looks at all: (people, tokens, width) to the same."""
        people, count, width = tokens.shape
        heads = (people, count, 3, self.config.heads, width // self.config.heads)
        projected = self.to_query_key_value(
            self.norm_attention(tokens)
        )  # (people, tokens, 3 width)
        split = projected.view(heads).permute(2, 0, 3, 1, 4)  # (3, people, heads, tokens, each)
        query, key, value = split.unbind(0)  # each (people, heads, tokens, each)
        mixed = functional.scaled_dot_product_attention(query, key, value)  # the same
        joined = mixed.transpose(1, 2).reshape(people, count, width)  # (people, tokens, width)
        tokens = tokens + self.drop(self.from_heads(joined))  # (people, tokens, width)
        inner = self.inner(self.norm_inner(tokens))  # (people, tokens, 2 width)
        return tokens + self.drop(self.from_inner(inner))  # (people, tokens, width)


@dataclass(frozen=True)
class HubAttentionConfig:
    """Sizes of the attention over tokens."""

    width: int
    layers: int
    heads: int
    dropout: float
    n_out: int


class HubAttention(nn.Module):
    """A small transformer over tokens of hubs and covariates, read out from their mean."""

    def __init__(self, config: HubAttentionConfig) -> None:
        super().__init__()
        self.config = config
        block = AttentionBlockConfig(config.width, config.heads, config.dropout)
        self.blocks = nn.ModuleList(AttentionBlock(block) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.readout = nn.Linear(config.width, config.n_out)
        with torch.no_grad():
            self.readout.weight.mul_(SMALL)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(people, tokens, width) to outputs (people, out) and the person (people, width)."""
        for block in self.blocks:
            tokens = block(tokens)  # (people, tokens, width)
        person = self.norm(tokens.mean(1))  # (people, width)
        return self.readout(person), person


@dataclass(frozen=True)
class HubProductsConfig:
    """Sizes of the net over products."""

    n_hubs: int
    n_numbers: int
    n_other: int
    n_products: int
    width: int
    dropout: float
    n_out: int


class HubProducts(nn.Module):
    """A plain net over calls of hubs, covariates, and products of two or three of them.

    Which products is decided before training (see hub_products). The straight path is a regression
    on calls and products and starts at their fit; the hidden layers add what is no product.
    """

    contrasts: torch.Tensor
    columns: torch.Tensor

    def __init__(self, config: HubProductsConfig) -> None:
        super().__init__()
        self.config = config
        n_columns = 2 * config.n_hubs + config.n_numbers
        self.register_buffer("contrasts", torch.zeros(config.n_hubs, CALLS, CONTRASTS))
        # Behind the columns there are one of zeros, for products not used, and one of ones.
        empty = torch.full((config.n_products, 3), n_columns, dtype=torch.int64)
        self.register_buffer("columns", empty)  # (products, 3)
        n_in = CONTRASTS * config.n_hubs + config.n_numbers + config.n_other + config.n_products
        self.first = nn.Linear(n_in, config.width)
        self.second = nn.Linear(config.width, config.width)
        self.drop = nn.Dropout(config.dropout)
        self.readout = nn.Linear(config.width, config.n_out)
        self.straight = nn.Linear(n_in, config.n_out)
        with torch.no_grad():
            self.straight.weight.zero_()
            self.straight.bias.zero_()
            self.readout.weight.mul_(SMALL)

    def start_at(
        self, columns: torch.Tensor, coefficient: torch.Tensor, mean: torch.Tensor
    ) -> None:
        """Take products, int64 (k, 3) with -1 for none, their coefficients (k, out), means (k,)."""
        n_columns, count = 2 * self.config.n_hubs + self.config.n_numbers, len(columns)
        self.columns[:count] = torch.where(columns < 0, n_columns + 1, columns)
        with torch.no_grad():
            place = self.straight.in_features - self.config.n_products
            self.straight.weight[:, place : place + count] = coefficient.T.float()
            self.straight.bias.copy_(-(mean @ coefficient))

    def forward(
        self, calls: torch.Tensor, numbers: torch.Tensor, other: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One-hot calls (people, hubs, 4), numbers (people, numbers), columns (people, other) to
        outputs (people, out) and the person (people, width)."""
        coded = torch.einsum("phc,hcd->phd", calls, self.contrasts)  # (people, hubs, contrasts)
        ends = torch.tensor([0.0, 1.0], dtype=numbers.dtype, device=numbers.device)
        ends = ends.expand(len(numbers), 2)  # (people, 2)
        columns = torch.cat([coded[:, :, 0], coded[:, :, 1], numbers, ends], 1)  # (people, columns)
        products = columns[:, self.columns].prod(2)  # (people, products)
        known = torch.cat([coded.flatten(1), numbers, other, products], 1)  # (people, in)
        hidden = self.drop(functional.gelu(self.first(known)))  # (people, width)
        person = self.drop(functional.gelu(self.second(hidden))) + hidden  # (people, width)
        return self.readout(person) + self.straight(known), person
