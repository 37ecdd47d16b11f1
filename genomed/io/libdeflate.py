"""libdeflate, which inflates BGZF blocks half again as fast as zlib-ng, where it is found.

No package of PyPI offers it off the global lock. But pgenlib is linked with it and lets others call
it, and conda and Linux distributions have it as a library of its own.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

import numpy as np

from genomed.kernels.inflate import FUNCTIONS, inflate_blocks
from genomed.kernels.native import provide

__all__ = ["find_libdeflate", "inflate"]

_LIBRARIES = ("libdeflate.so.0", f"{sys.prefix}/lib/libdeflate.so.0", "libdeflate.0.dylib")


@cache
def find_libdeflate() -> str | None:
    """Path of the library that holds it, with which `inflate` works from then on."""
    for path in _places():
        try:
            provide(ctypes.CDLL(path), FUNCTIONS)
        except (OSError, AttributeError):  # no such file, or without these functions
            continue
        return path
    return None


def inflate(blocks: bytes, text: memoryview) -> int:
    """Inflate whole BGZF blocks, and check their sums.

    text    : filled from its beginning
    returns : bytes of text; -1 for blocks that are unusual or damaged, which zlib-ng then explains
    """
    n: int = inflate_blocks(np.frombuffer(blocks, np.uint8), np.frombuffer(text, np.uint8))
    return n


def _places() -> Iterator[str]:
    found = find_spec("pgenlib")
    if found is not None and found.origin is not None:
        yield found.origin
    yield from _LIBRARIES
