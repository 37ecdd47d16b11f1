"""The second stage of a caller, for sites that the first leaves in doubt: the reads themselves.

A matrix holds up to 64 reads of a site, each 65 positions wide, 8 numbers at each. Every read goes
through the same convolutions; then the site asks its reads (attention with a few questions), so
that neither their order nor their number matters. It corrects the logits of the first stage, and
begins by leaving them as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from genomed.models.likelihood_stage import N_DIPLOTYPES
from genomed.models.pileup_net import moved

__all__ = ["MATRIX_SHAPE", "ReadMatrixConfig", "ReadMatrixNet"]

MATRIX_SHAPE = (64, 65, 8)  # reads, positions, channels


@dataclass(frozen=True)
class ReadMatrixConfig:
    """Sizes of the net.

    width_before : of what the first stage thought of a site
    scale        : what each channel is divided by
    """

    width_before: int
    channels: int = 16
    questions: int = 4
    width: int = 32
    dropout: float = 0.1
    scale: tuple[float, ...] = (255.0,) * MATRIX_SHAPE[2]


class ReadMatrixNet(nn.Module):
    """See the module."""

    scale: torch.Tensor

    def __init__(self, config: ReadMatrixConfig) -> None:
        super().__init__()
        self.config = config
        channels, width = config.channels, config.width
        self.register_buffer("scale", torch.tensor(config.scale)[:, None], persistent=False)
        n_in = MATRIX_SHAPE[2]
        self.first = nn.Conv1d(n_in, channels, 5, stride=2, padding=2)
        self.second = nn.Conv1d(channels, channels, 3, stride=2, padding=1)
        self.third = nn.Conv1d(channels, channels, 3, padding=1)
        self.read = nn.Linear(2 * channels, width)
        self.question = nn.Linear(width, config.questions)
        self.join = nn.Linear(config.questions * width + width + config.width_before, width)
        self.drop = nn.Dropout(config.dropout)
        self.correct = nn.Linear(width, N_DIPLOTYPES + 1)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)

    def forward(
        self, matrix: torch.Tensor, logits: torch.Tensor, hidden: torch.Tensor
    ) -> torch.Tensor:
        """Logits (sites, 6) from uint8 (sites, 64, 65, 8) and what the first stage said.

        A read of zeros is none.
        """
        n_sites, n_reads = matrix.shape[:2]
        there = matrix.flatten(2).amax(2) > 0  # (sites, reads)
        which = there.flatten().nonzero()[:, 0]  # (all reads,)
        rows = matrix.flatten(0, 1)[which]  # (all reads, positions, channels)
        found = self._of_reads(rows)  # (all reads, width)
        reads = found.new_zeros(n_sites * n_reads, found.shape[1])
        reads = reads.index_copy(0, which, found).unflatten(0, (n_sites, n_reads))
        asked = self.question(reads)  # (sites, reads, questions)
        asked = asked.masked_fill(~there[:, :, None], -1e4).softmax(1) * there[:, :, None]
        answer = torch.einsum("srq,srw->sqw", asked, reads).flatten(1)  # (sites, questions x width)
        mean = reads.sum(1) / there.sum(1, keepdim=True).clamp(min=1)  # (sites, width)
        joined = torch.cat([answer, mean, self.drop(hidden)], 1)
        correction = self.correct(functional.gelu(self.join(joined)))  # (sites, 7)
        return moved(logits, correction)

    def _of_reads(self, rows: torch.Tensor) -> torch.Tensor:
        """uint8 (reads, positions, channels) to (reads, width)."""
        planes = rows.transpose(1, 2).float() / self.scale  # (reads, channels, positions)
        along = functional.relu(self.first(planes))
        along = functional.relu(self.second(along))
        along = functional.relu(self.third(along))  # (reads, channels, positions / 4)
        middle = along.shape[2] // 2
        seen = torch.cat([along[:, :, middle], along.amax(2)], 1)  # (reads, 2 channels)
        return functional.gelu(self.read(self.drop(seen)))
