"""Tokens of what is known of a person beside the genotypes: numbers, categories, dated codes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

__all__ = ["CodeHistory", "CodeHistoryConfig", "CovariateTokens", "CovariateTokensConfig"]


@dataclass(frozen=True)
class CovariateTokensConfig:
    """How many numbers there are, and how many levels each category has, 0 (unknown) included."""

    n_numbers: int
    levels: tuple[int, ...]
    width: int


class CovariateTokens(nn.Module):
    """One token for each covariate.

    Categories with many levels start at the level 0, unknown, and move away as far as the data and
    the decay of weights let them: a level that was seen once stays near it.
    """

    def __init__(self, config: CovariateTokensConfig) -> None:
        super().__init__()
        self.config = config
        self.slope = nn.Parameter(torch.randn(config.n_numbers, config.width) / 2)
        self.place = nn.Parameter(
            torch.randn(config.n_numbers + len(config.levels), config.width) / 2
        )
        self.by_level = nn.ModuleList(nn.Embedding(n, config.width) for n in config.levels)
        for table in self.by_level:
            nn.init.normal_(table.weight, std=0.1)  # type: ignore[arg-type]

    def forward(self, numbers: torch.Tensor, categories: torch.Tensor) -> torch.Tensor:
        """Numbers (people, k) and levels (people, c) to tokens (people, k + c, width)."""
        scaled = numbers[:, :, None] * self.slope  # (people, k, width)
        levels = [table(categories[:, i]) for i, table in enumerate(self.by_level)]
        parts = [scaled, *(level[:, None] for level in levels)]  # (people, 1 or k, width) each
        return torch.cat(parts, 1) + self.place  # (people, k + c, width)


@dataclass(frozen=True)
class CodeHistoryConfig:
    """How codes are read: by a gated recurrent unit, or by attention over them ("attention")."""

    n_codes: int  # 0, the padding, included
    width: int
    reader: str = "attention"


class CodeHistory(nn.Module):
    """One token of a person's dated codes, the earliest first and 0 behind the last."""

    def __init__(self, config: CodeHistoryConfig) -> None:
        super().__init__()
        if config.reader not in ("attention", "gru"):
            raise ValueError(f"reader is 'attention' or 'gru', not {config.reader!r}")
        self.config = config
        self.by_code = nn.Embedding(config.n_codes, config.width, padding_idx=0)
        nn.init.normal_(self.by_code.weight, std=0.3)
        with torch.no_grad():
            self.by_code.weight[0] = 0
        self.by_time = nn.Linear(1, config.width)
        self.score = nn.Linear(config.width, 1)
        self.walk = nn.GRU(config.width, config.width, batch_first=True)
        self.nothing = nn.Parameter(torch.zeros(config.width))

    def forward(self, codes: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """Codes (people, length), times (people, length) to a token (people, 1, width)."""
        events = self.by_code(codes) + torch.tanh(self.by_time(times[:, :, None]))
        known = codes > 0  # (people, length)
        empty = ~known.any(1)  # (people,)
        if self.config.reader == "gru":
            token = self._last(events, known)  # (people, width)
        else:
            score = self.score(torch.tanh(events)).squeeze(2)  # (people, length)
            score = score.masked_fill(~known, -torch.inf).masked_fill(empty[:, None], 0.0)
            token = (functional.softmax(score, 1)[:, :, None] * events).sum(1)  # (people, width)
        return torch.where(empty[:, None], self.nothing, token)[:, None]  # (people, 1, width)

    def shares(self, codes: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """What every code adds to the token of somebody without codes: (people, length, width).

        Their sum over a record is the token less `nothing`. Of attention it is the code's part of
        the average, of a recurrent unit the step that its state takes at the code.
        """
        events = self.by_code(codes) + torch.tanh(self.by_time(times[:, :, None]))
        known = codes > 0  # (people, length)
        if self.config.reader == "gru":
            states, _ = self.walk(events)
            first = self.nothing.expand(len(states), 1, -1)
            steps = states - torch.cat([first, states[:, :-1]], 1)
        else:
            score = self.score(torch.tanh(events)).squeeze(2).masked_fill(~known, -torch.inf)
            score = score.masked_fill(~known.any(1)[:, None], 0.0)
            steps = functional.softmax(score, 1)[:, :, None] * (events - self.nothing)
        return torch.where(known[:, :, None], steps, 0.0)

    def _last(self, events: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """The state after each person's last code: (people, width)."""
        states, _ = self.walk(events)  # (people, length, width)
        last = (known.sum(1) - 1).clamp(min=0)  # (people,)
        people = torch.arange(len(last), device=last.device)
        return states[people, last]  # (people, width)
