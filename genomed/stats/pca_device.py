"""The products of PCA on a device: packed calls are sent there as they are and decoded on it.

Products are float32 (TF32 stays off) and are added up in float64, as on the CPU; only the order of
additions within a block differs. Eigenvalues are within 2e-5 of the CPU's, relatively, and unit
eigenvectors within 1e-4 where eigenvalues are apart. Memory on the device is, beside the packed
calls (see genomed.stats.packed_device.Calls), 12 bytes for each call of 2,048 variants and, for the
exact method, 12 bytes for each entry of the relationship matrix.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from genomed.stats.packed_device import MISSING, Calls, decode, open_device
from genomed.stats.pca_engine import Engine, Genotypes

__all__ = ["DeviceEngine"]


class DeviceEngine(Engine):
    """Products with the standardised genotypes on a torch device: "cuda", "cuda:1" or "torch".

    "torch" is torch on the CPU, which is what the checks without an accelerator use. Raises
    ValueError for a device that is not there.
    """

    def __init__(
        self,
        source: Genotypes,
        centre: np.ndarray,
        scale: np.ndarray,
        pool: ThreadPoolExecutor,
        device: str,
    ) -> None:
        super().__init__(source, centre, scale, pool)
        self.device = open_device(device)
        self._centre, self._scale = (
            torch.from_numpy(part).to(self.device)[:, None] for part in (self.centre, self.scale)
        )
        n_bytes = source.n_variants * -(-source.n_samples // 32) * 8
        self._calls = Calls(self._words, n_bytes, Genotypes.BLOCK, self.device)

    def _words(self) -> Iterator[np.ndarray]:
        return (words for _, words in self.source.blocks())

    def _decoded(self) -> Iterator[torch.Tensor]:
        """Standardised genotypes, float32 (variants, samples), block after block."""
        first = 0
        for packed in self._calls.blocks():
            stop = first + len(packed)
            code = decode(packed)[:, : self.source.n_samples]
            z = code.to(torch.float32).sub_(self._centre[first:stop])
            yield z.mul_(self._scale[first:stop]).masked_fill_(code == MISSING, 0.0)
            first = stop

    def product(self, block: np.ndarray) -> np.ndarray:
        """Z'Z / M times some columns: float64 (samples, columns)."""
        columns = torch.from_numpy(block.astype(np.float32)).to(self.device)
        total = torch.zeros(block.shape, dtype=torch.float64, device=self.device)
        for z in self._decoded():
            total += z.T @ (z @ columns)
        return np.asarray((total / self.source.n_variants).cpu())

    def loadings(self, vectors: np.ndarray) -> np.ndarray:
        """Z times some columns: float64 (variants, columns)."""
        columns = torch.from_numpy(vectors.astype(np.float32)).to(self.device)
        parts = [z @ columns for z in self._decoded()]
        return np.asarray(torch.cat(parts).to(torch.float64).cpu())

    def relationship(self) -> np.ndarray:
        """Z'Z: float64 (samples, samples)."""
        n = self.source.n_samples
        total = torch.zeros((n, n), dtype=torch.float64, device=self.device)
        for z in self._decoded():
            total += z.T @ z
        return np.asarray(total.cpu())
