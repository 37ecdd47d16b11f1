"""Packed calls on a torch device: sent as they are, decoded there, multiplied without rounding.

Two bits a call cross the bus, sixteen times less than float32. Matrices of -1, 0 and 1 are
multiplied in half precision, on tensor cores where there are any, and added up in float32: every
sum of a product is a whole number below 2^24, which float32 holds exactly, in whatever order it is
added up. So counts of pairs do not come near those of the processor, they are the same.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import torch

__all__ = ["Calls", "Products", "check_device", "decode", "open_device", "send"]

KEPT_BYTES = 448 << 20  # packed calls that may stay in memory where the device is the processor
FREE_SHARE = 0.5  # of the memory that is free on a CUDA device
FLOAT32_TOLERANCE = 1e-5  # largest error of a float32 product over its largest entry
MISSING = 3


def open_device(name: str) -> torch.device:
    """The device of a name: "cuda", "cuda:1", or "torch" for torch on the processor.

    Raises ValueError for a device that is not there.
    """
    device = torch.device("cpu" if name == "torch" else name)
    if device.type != "cuda":
        return device
    if (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"torch finds {torch.cuda.device_count()} CUDA devices here")
    return torch.device("cuda", device.index or 0)


def send(words: np.ndarray, device: torch.device) -> torch.Tensor:
    """Packed calls on a device: uint8 (rows, 8 x words), from uint64 (rows, words).

    On CUDA the copy is from pinned memory and does not wait for what the device is doing.
    """
    packed = torch.from_numpy(np.ascontiguousarray(words).view(np.uint8))
    if device.type != "cuda":
        return packed
    return packed.pin_memory().to(device, non_blocking=True)


def decode(packed: torch.Tensor) -> torch.Tensor:
    """Calls as packed, 0, 1, 2 or 3: uint8 (rows, 4 x bytes), from uint8 (rows, bytes)."""
    shift = torch.arange(0, 8, 2, dtype=torch.uint8, device=packed.device)
    return (packed[:, :, None] >> shift).bitwise_and_(3).flatten(1)


class Calls:
    """Packed calls of many rows on a device, block by block, as often as needed.

    They are read once where all of them fit, and else in every pass: half of the memory that is
    free on a CUDA device is room for them, 448 MiB where the device is the processor.
    """

    def __init__(
        self,
        read: Callable[[], Iterator[np.ndarray]],
        n_bytes: int,
        rows_at_once: int,
        device: torch.device,
    ) -> None:
        """What to read.

        read         : begins a pass; yields uint64 (rows, words), at most rows_at_once rows each
        n_bytes      : of all packed calls
        rows_at_once : most rows of a block; what is read in smaller pieces is joined
        """
        self._read, self._rows_at_once, self._device = read, rows_at_once, device
        self._keeps = n_bytes <= _room(device)
        self._kept: list[torch.Tensor] | None = None

    def blocks(self) -> Iterator[torch.Tensor]:
        """All rows in order: uint8 (rows, bytes), see `send`."""
        if self._kept is not None:
            yield from self._kept
            return
        kept = []
        for block in self._joined():
            if self._keeps:
                kept.append(block)
            yield block
        if self._keeps:
            self._kept = kept

    def _joined(self) -> Iterator[torch.Tensor]:
        pieces: list[torch.Tensor] = []
        n = 0
        for words in self._read():
            if n + len(words) > self._rows_at_once:
                yield _join(pieces)
                pieces, n = [], 0
            pieces.append(send(words, self._device))
            n += len(words)
        if n:
            yield _join(pieces)


def _join(pieces: list[torch.Tensor]) -> torch.Tensor:
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _room(device: torch.device) -> float:
    if device.type != "cuda":
        return KEPT_BYTES
    free = torch.cuda.mem_get_info(device)[0]
    idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return FREE_SHARE * (free + idle)


class _Way(NamedTuple):
    """One way to multiply: type of the factors, longest sums that are exact, and how."""

    dtype: torch.dtype
    longest: int
    multiply: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _into_float32(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.mm(a, b, out_dtype=torch.float32)


# A sum of n numbers of -1, 0 and 1, and each part of it, is a whole number up to n. float32 holds
# these up to 2^24, half precision up to 2^11. Half precision with a result in float32 is there from
# PyTorch 2.8 on, and on CUDA only. Longer products than 2^14 would only take more memory.
_CUDA = (_Way(torch.float16, 1 << 14, _into_float32), _Way(torch.float16, 1 << 11, torch.mm))
_OTHER = (_Way(torch.float32, 1 << 11, torch.mm),)


class Products:
    """Products of matrices of -1, 0 and 1, without rounding.

    dtype   : of the matrices
    longest : most terms of a sum: columns of the one matrix, rows of the other

    The way to multiply is the first that gives, on this device, a product whose every entry is
    right; where none does, a ValueError says so.
    """

    def __init__(self, device: torch.device) -> None:
        self.dtype, self.longest, self._multiply = _exact_way(device)

    def __call__(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """a @ b, whole numbers: int32 (rows of a, columns of b)."""
        return self._multiply(a, b).to(torch.int32)


@cache
def _exact_way(device: torch.device) -> _Way:
    for way in _CUDA if device.type == "cuda" else _OTHER:
        if _is_exact(way, device):
            return way
    raise ValueError(f"{device} multiplies whole numbers wrongly")


def _is_exact(way: _Way, device: torch.device) -> bool:
    """Whether a product of the greatest length is right; its sums are large, and many are odd."""
    rng = np.random.default_rng(1)
    shapes = (96, way.longest), (way.longest, 160)
    a, b = (rng.choice([-1, 0, 1], shape, p=[0.02, 0.05, 0.93]) for shape in shapes)
    a[0], b[:, 0] = 1, 1
    on_device = (torch.from_numpy(part.astype(np.float32)).to(device, way.dtype) for part in (a, b))
    try:
        found = way.multiply(*on_device).cpu()
    except (RuntimeError, TypeError):  # this PyTorch, or this device, does not know this way
        return False
    expected = a.astype(np.float64) @ b.astype(np.float64)
    return bool(np.array_equal(found.to(torch.float64).numpy(), expected))


def check_device(name: str) -> None:
    """Raise ValueError for a device that is not there or calculates wrongly.

    Products of whole numbers must be exact, and float32 ones within 1e-5 of float64, relative to
    the largest entry: reduced precision, such as TF32, is a hundred times further off.
    """
    device = open_device(name)
    Products(device)
    a, b = np.random.default_rng(2).standard_normal((2, 512, 512)).astype(np.float32)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    found = (torch.from_numpy(a).to(device) @ torch.from_numpy(b).to(device)).cpu().numpy()
    error = float(np.abs(found - expected).max() / np.abs(expected).max())
    if not error <= FLOAT32_TOLERANCE:
        raise ValueError(f"{device} has an error of {error:.1e} in float32 products")
