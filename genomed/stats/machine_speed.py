"""How quick a processor is beside the one that the cost models were fitted on.

The self-test does, in a tenth of a second, what commands spend their time with: inflating, sorting,
counting, a matrix product, and Python itself. It counts processor time, so that a busy machine is
not taken for a slow one.
"""

import time
import zlib

import numpy as np

__all__ = ["REFERENCE_S", "measure_speed"]

REFERENCE_S = 0.0200  # of one round, on the machine that costs.toml names
ROUNDS = 3


def measure_speed() -> float:
    """Speed of this machine's processor as a multiple of the reference's; about 1 there."""
    rng = np.random.default_rng(1)
    data = rng.integers(0, 4, 1 << 20, np.uint8)
    packed = zlib.compress(data.tobytes(), 1)
    matrix = rng.standard_normal((256, 256)).astype(np.float32)
    return REFERENCE_S / min(_round(data, packed, matrix) for _ in range(ROUNDS))


def _round(data: np.ndarray, packed: bytes, matrix: np.ndarray) -> float:
    began = time.thread_time()
    zlib.decompress(packed)
    np.sort(data[: 1 << 18].astype(np.int32) * 65537)
    np.bincount(data, minlength=4)
    np.einsum("ij,jk->ik", matrix, matrix)
    sum(i * i for i in range(50_000))
    return time.thread_time() - began
