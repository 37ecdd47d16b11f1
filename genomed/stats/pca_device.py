"""The products of PCA on a device: packed calls are sent there as they are and decoded on it.

Two bits a call cross the bus, sixteen times less than float32. Products are float32 (TF32 stays
off) and are added up in float64, as on the CPU; only the order of additions within a block differs.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from genomed.stats.pca import Engine, Genotypes

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
        self.device = torch.device("cpu" if device == "torch" else device)
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError("torch finds no CUDA device here")
        self._shift = 2 * torch.arange(32, device=self.device)

    def _decoded(self, place: slice, words: np.ndarray) -> torch.Tensor:
        """Standardised genotypes, float32 (variants, samples), on the device."""
        packed = torch.from_numpy(words.view(np.int64)).to(self.device)
        code = (packed[:, :, None] >> self._shift) & 3
        code = code.reshape(len(words), -1)[:, : self.source.n_samples]
        centre, scale = (
            torch.from_numpy(part[place]).to(self.device)[:, None]
            for part in (self.centre, self.scale)
        )
        return torch.where(code == 3, 0.0, (code - centre) * scale)

    def product(self, block: np.ndarray) -> np.ndarray:
        """Z'Z / M times some columns: float64 (samples, columns)."""
        columns = torch.from_numpy(block.astype(np.float32)).to(self.device)
        total = torch.zeros(block.shape, dtype=torch.float64, device=self.device)
        for place, words in self.source.blocks():
            z = self._decoded(place, words)
            total += z.T @ (z @ columns)
        return np.asarray((total / self.source.n_variants).cpu())

    def loadings(self, vectors: np.ndarray) -> np.ndarray:
        """Z times some columns: float64 (variants, columns)."""
        columns = torch.from_numpy(vectors.astype(np.float32)).to(self.device)
        out = np.empty((self.source.n_variants, vectors.shape[1]))
        for place, words in self.source.blocks():
            out[place] = (self._decoded(place, words) @ columns).cpu()
        return out

    def relationship(self) -> np.ndarray:
        """Z'Z: float64 (samples, samples)."""
        n = self.source.n_samples
        total = torch.zeros((n, n), dtype=torch.float64, device=self.device)
        for place, words in self.source.blocks():
            z = self._decoded(place, words)
            total += z.T @ z
        return np.asarray(total.cpu())
