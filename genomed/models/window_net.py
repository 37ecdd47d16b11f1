"""Nets over windows of the genome, which read one-hot calls.

A window is a row of places: variants that lie together, or the variants of one gene. A call is
given as three planes, which say of it: one copy, two copies, not called. Zero in all three is no
copy, and so is the padding of a window that is not full.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

__all__ = [
    "PLANES",
    "Convolution",
    "ConvolutionConfig",
    "LocalWindows",
    "LocalWindowsConfig",
    "Recurrent",
    "RecurrentConfig",
    "call_planes",
]

PLANES = 3  # one copy, two copies, not called


def call_planes(codes: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Planes (..., 3) of codes 0, 1, 2 and 3 (not called) (...)."""
    which = torch.arange(1, 4, device=codes.device, dtype=codes.dtype)  # (3,)
    return (codes.unsqueeze(-1) == which).to(dtype)


@dataclass(frozen=True)
class LocalWindowsConfig:
    """Sizes of the locally connected net."""

    n_windows: int
    window_variants: int
    rank: int
    width: int
    dropout: float
    n_out: int


class LocalWindows(nn.Module):
    """Weights of its own for each window, of low rank; windows add up.

    What variants of one window do together is learned; what windows do together is left to the
    token that goes to the attention.
    """

    def __init__(self, config: LocalWindowsConfig) -> None:
        super().__init__()
        self.config = config
        n_in = config.window_variants * PLANES
        shape = (config.n_windows, n_in, config.rank)
        self.by_call = nn.Parameter(torch.randn(shape) / n_in**0.5)  # (windows, calls, rank)
        self.shift = nn.Parameter(torch.zeros(config.n_windows, config.rank))
        self.norm = nn.LayerNorm(config.rank)
        self.drop = nn.Dropout(config.dropout)
        n_features = config.n_windows * config.rank
        self.to_token = nn.Linear(n_features, config.width)
        self.readout = nn.Linear(n_features, config.n_out)

    def forward(self, planes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Planes (people, windows, variants, 3) to outputs (people, out), token (people, width)."""
        flat = planes.flatten(2)  # (people, windows, variants x 3)
        local = (
            torch.einsum("pwc,wcr->pwr", flat, self.by_call) + self.shift
        )  # (people, windows, rank)
        local = functional.gelu(self.norm(local))  # (people, windows, rank)
        features = self.drop(local).flatten(1)  # (people, windows x rank)
        return self.readout(features), self.to_token(features)


@dataclass(frozen=True)
class ConvolutionConfig:
    """Sizes of the convolution; kernel and stride are variants."""

    kernel: int
    stride: int
    channels: int
    width: int
    dropout: float
    n_out: int


class Convolution(nn.Module):
    """The same weights everywhere: motifs of calls that mean the same wherever they are."""

    def __init__(self, config: ConvolutionConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.first = nn.Conv1d(PLANES, channels, config.kernel, config.stride, config.kernel // 2)
        self.second = nn.Conv1d(channels, channels, 3, 2, 1)
        self.norm = nn.LayerNorm(2 * channels)
        self.drop = nn.Dropout(config.dropout)
        self.to_token = nn.Linear(2 * channels, config.width)
        self.readout = nn.Linear(2 * channels, config.n_out)

    def forward(self, planes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Planes (people, windows, variants, 3) to outputs (people, out), token (people, width)."""
        along = planes.flatten(1, 2).transpose(1, 2)  # (people, 3, places)
        motifs = functional.gelu(self.first(along))  # (people, channels, places / stride)
        motifs = functional.gelu(self.second(motifs))  # (people, channels, half of them)
        pooled = torch.cat([motifs.mean(2), motifs.amax(2)], 1)  # (people, 2 channels)
        features = self.drop(self.norm(pooled))  # (people, 2 channels)
        return self.readout(features), self.to_token(features)


@dataclass(frozen=True)
class RecurrentConfig:
    """Sizes of the recurrent net."""

    window_variants: int
    rank: int
    hidden: int
    width: int
    dropout: float
    n_out: int


class Recurrent(nn.Module):
    """A gated recurrent unit that walks over the windows, both ways (Cho 2014, arXiv:1406.1078)."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Linear(config.window_variants * PLANES, config.rank)
        self.walk = nn.GRU(config.rank, config.hidden, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(config.dropout)
        self.to_token = nn.Linear(2 * config.hidden, config.width)
        self.readout = nn.Linear(2 * config.hidden, config.n_out)

    def forward(self, planes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Planes (people, windows, variants, 3) to outputs (people, out), token (people, width)."""
        embedded = functional.gelu(self.embed(planes.flatten(2)))  # (people, windows, rank)
        states, _ = self.walk(embedded)  # (people, windows, 2 hidden)
        features = self.drop(states.mean(1))  # (people, 2 hidden)
        return self.readout(features), self.to_token(features)
