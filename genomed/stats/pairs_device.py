"""Tiles of the pair screen on a device: packed calls are sent there once, and decoded there.

Two bits a call lie in the device's memory; a block of a few thousand variants is decoded when its
tile comes. Only elements over the limit come back. To find them, a tile is looked at once, 64
elements at a time: the blocks whose smallest or largest element passes the limit are looked at
again.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from genomed.stats.pair_engine import Decoder, Engine, Found, Plan

__all__ = ["DeviceEngine"]

CHUNK = 64
SENT_ROWS, DECODED_ROWS = 4096, 1024
DTYPES = {"float32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}


class DeviceEngine(Engine):
    """Tiles on a torch device: "cuda", "cuda:1" or "torch", which is torch on the CPU.

    Raises ValueError for a device that is not there, or a precision of another name.
    """

    def __init__(self, decoder: Decoder, plan: Plan, device: str) -> None:
        if plan.precision not in DTYPES:
            raise ValueError(
                f"there is no precision {plan.precision!r}; known: {', '.join(DTYPES)}"
            )
        self.decoder, self.threads = decoder, 1
        self.device = torch.device("cpu" if device == "torch" else device)
        if self.device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError("torch finds no CUDA device here")
        self.dtype, self.tf32 = DTYPES[plan.precision], plan.precision == "tf32"
        self.left_rows = self.right_rows = plan.device_tile
        self._shift = 2 * torch.arange(4, dtype=torch.uint8, device=self.device)
        self._residual = torch.from_numpy(decoder.residual).to(self.device)
        self._bytes = self._sent()

    def _sent(self) -> torch.Tensor:
        """Packed calls of everything, four people a byte: uint8 (variants, bytes)."""
        n, n_bytes = len(self.decoder.places), -(-self.decoder.n_people // 4)
        out = torch.empty((n, n_bytes), dtype=torch.uint8, device=self.device)
        for first in range(0, n, SENT_ROWS):
            some = slice(first, min(first + SENT_ROWS, n))
            words = self.decoder.words(some).astype("<u8", copy=False)
            out[some] = torch.from_numpy(words.view(np.uint8)[:, :n_bytes]).to(self.device)
        return out

    def _decoded(self, some: slice) -> torch.Tensor:
        """Standardised calls in the precision of the products, (variants, people)."""
        rows, n = self.decoder.places[some], self.decoder.n_people
        centre, scale = (
            torch.from_numpy(part[rows]).to(self.device, self.dtype)[:, None]
            for part in (self.decoder.centre, self.decoder.scale)
        )
        packed = self._bytes[some]
        out = torch.empty((len(rows), n), dtype=self.dtype, device=self.device)
        for first in range(0, len(rows), DECODED_ROWS):
            part = slice(first, first + DECODED_ROWS)
            code = (packed[part, :, None] >> self._shift).bitwise_and_(3)
            code = code.reshape(len(packed[part]), -1)[:, :n]
            out[part] = code
            out[part].sub_(centre[part]).mul_(scale[part]).masked_fill_(code == 3, 0)
        return out

    def load_left(self, some: slice, pool: ThreadPoolExecutor) -> None:
        """Make the left block: calls x residual, in the precision of the products."""
        self._device_left = (self._decoded(some) * self._residual).to(self.dtype)

    def search(
        self, n_left: int, right: slice, diagonal: int, limits: list[float], step: int
    ) -> list[Found]:
        """Multiply with a right block; for each screen, elements of at least its limit."""
        calls = self._decoded(right)
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = self.tf32
        try:
            products = [
                self._device_left[:n_left, part] @ calls[:, part].T for part in self.decoder.parts
            ]
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before
        return [
            _large(tile, limit, diagonal, step)
            for tile, limit in zip(_sums_without_each(products), limits, strict=True)
        ]


def _sums_without_each(products: list[torch.Tensor]) -> Iterator[torch.Tensor]:
    """As that of genomed.stats.pair_engine; the sum of several is float32."""
    total = products[0]
    if len(products) > 1:
        total = sum((product.float() for product in products[1:]), products[0].float())
        yield from (total - product for product in products)
    yield total


def _large(tile: torch.Tensor, limit: float, diagonal: int, step: int) -> Found:
    n_rows, n_columns = tile.shape
    blocks = torch.nn.functional.pad(tile, (0, -n_columns % CHUNK)).view(n_rows, -1, CHUNK)
    low, high = torch.aminmax(blocks, dim=2)
    row, block = torch.nonzero((high >= limit) | (low <= -limit), as_tuple=True)
    inside = blocks[row, block].float()
    which, place = torch.nonzero(inside.abs() >= limit, as_tuple=True)
    i, j = row[which], block[which] * CHUNK + place
    kept = (j - i > diagonal) & (j < n_columns)
    at = torch.stack([i[kept], j[kept]], dim=1)
    value = inside[which, place][kept]
    sample = tile[::step, ::step].float()
    return Found(at.cpu().numpy(), value.cpu().numpy(), sample.cpu().numpy())
