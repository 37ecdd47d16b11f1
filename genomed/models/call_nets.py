"""The nets of a trained caller as it asks them: arrays of sites in, arrays out.

They are apart from genomed.models.call_model so that a caller without nets does not load torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from genomed.models.likelihood_stage import InputNames, Said
from genomed.models.pileup_inputs import PileupNetConfig
from genomed.models.pileup_net import PileupNet
from genomed.models.read_matrix_net import ReadMatrixConfig, ReadMatrixNet

__all__ = ["CallNets", "threads_of"]

_BATCH = 256  # sites at a time
_MATRIX_BATCH = 64


class CallNets(nn.Module):
    """See the module.

    matrix  : None where the second stage was not kept
    threads : that torch uses
    """

    def __init__(
        self, pileup: PileupNet, matrix: ReadMatrixNet | None = None, threads: int = 1
    ) -> None:
        super().__init__()
        self.pileup, self.matrix, self.threads = pileup, matrix, threads

    @torch.no_grad()
    def first(
        self, pileup: np.ndarray, evidence: np.ndarray, loglik: np.ndarray, logits: np.ndarray
    ) -> Said:
        """What the pileup net makes of the likelihood's logits; other arrays as in CallSites."""
        hidden = np.empty((len(logits), self.pileup.config.width), np.float32)
        said = Said(np.empty_like(logits), hidden)
        with threads_of(self.threads):
            for first in range(0, len(logits), _BATCH):
                rows = slice(first, min(first + _BATCH, len(logits)))
                arrays = (_padded(a[rows], _BATCH) for a in (pileup, evidence, loglik, logits))
                out, n = self.pileup(*arrays), rows.stop - first
                said.logits[rows], said.hidden[rows] = out.logits[:n], out.hidden[:n]
        return said

    @torch.no_grad()
    def second(self, matrices: np.ndarray, said: Said) -> np.ndarray:
        """Logits (sites, 6) that the read-matrix net corrected, before calibration."""
        assert self.matrix is not None
        corrected = np.empty_like(said.logits)
        with threads_of(self.threads):
            for first in range(0, len(corrected), _MATRIX_BATCH):
                rows = slice(first, first + _MATRIX_BATCH)
                arrays = (torch.from_numpy(a[rows]) for a in (matrices, *said))
                corrected[rows] = self.matrix(*arrays)
        return corrected

    def tensors(self) -> dict[str, np.ndarray]:
        """Every array, by stage and name."""
        return {name: value.numpy().copy() for name, value in self.state_dict().items()}

    def facts(self) -> dict[str, Any]:
        """Sizes, as JSON holds them."""
        return {
            "pileup_net": {k: v for k, v in asdict(self.pileup.config).items() if k != "names"},
            "matrix_net": None if self.matrix is None else asdict(self.matrix.config),
        }

    @classmethod
    def from_parts(
        cls, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any], names: InputNames
    ) -> Self:
        """What `tensors` and `facts` have made; an error of any kind for anything else."""
        pileup = PileupNet(PileupNetConfig(names, **facts["pileup_net"]))
        matrix = None
        if facts["matrix_net"] is not None:
            scale = tuple(facts["matrix_net"]["scale"])
            matrix = ReadMatrixNet(ReadMatrixConfig(**(facts["matrix_net"] | {"scale": scale})))
        made = cls(pileup, matrix)
        made.load_state_dict({
            name: torch.from_numpy(np.array(value))
            for name, value in tensors.items() if not name.startswith("likelihood.")
        })  # fmt: skip
        return made.eval().requires_grad_(False)


@contextmanager
def threads_of(threads: int) -> Iterator[None]:
    """A `with` block in which torch uses so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _padded(array: np.ndarray, n: int) -> torch.Tensor:
    """An array with rows of zeros behind, so that every product has one shape."""
    behind = [(0, n - len(array)), *[(0, 0)] * (array.ndim - 1)]
    return torch.from_numpy(np.pad(array, behind))
