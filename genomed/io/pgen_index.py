"""The head of a .pgen: how many variants and samples, and where each record lies.

Layout: https://github.com/chrchang/plink-ng/tree/master/pgen_spec, sections 2.1 and 2.2.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from genomed.errors import InputError

__all__ = ["PgenIndex", "read_index"]

VBLOCK = 1 << 16  # variants described together
FIXED_WIDTH, VARIABLE_WIDTH = 2, 16  # storage modes
_NEEDS_BASE = 2  # record types 2 and 3, by bits 1 and 2
_REMEDY = "make it again with `plink2 --make-pgen`"


class PgenIndex(NamedTuple):
    """Where the records of a .pgen lie.

    n_samples : samples
    start     : int64 (variants,), first byte of each record
    stop      : int64 (variants,), one after its last byte
    kind      : uint8 (variants,), record type
    base      : int64 (variants,), the record that one of type 2 or 3 differs from; -1 for none
    """

    n_samples: int
    start: np.ndarray
    stop: np.ndarray
    kind: np.ndarray
    base: np.ndarray


def read_index(path: Path, file: np.ndarray) -> PgenIndex:
    """Read the head of a file that is mapped as uint8 (bytes,).

    An InputError where the file is no .pgen, is of a kind that is not read, or does not end where
    its head says.
    """
    if bytes(file[:2]) != b"\x6c\x1b":
        raise InputError(f"{path}: not a PGEN file; give the .pgen that plink2 wrote")
    mode = int(file[2]) if len(file) > 2 else 0
    if mode == 1:
        raise InputError(f"{path}: holds PLINK 1 genotypes; rename it to .bed")
    if mode not in (FIXED_WIDTH, VARIABLE_WIDTH):
        raise InputError(f"{path}: storage mode 0x{mode:02x} is not read; {_REMEDY}")
    if len(file) < 12:
        raise _wrong_length(path, len(file), 12)
    n_variants, n_samples = (int(n) for n in np.frombuffer(file[3:11].tobytes(), "<u4"))
    if not n_samples:
        raise InputError(f"{path}: holds no samples; {_REMEDY}")
    if mode == FIXED_WIDTH:
        width = -(-n_samples // 4)
        if 12 + width * n_variants > len(file):
            raise _wrong_length(path, len(file), 12 + width * n_variants)
        start = 12 + width * np.arange(n_variants, dtype=np.int64)
        kind, stop = np.zeros(n_variants, np.uint8), start + width
        end = 12 + width * n_variants
    else:
        start, stop, kind, end = _variable_width(path, file, n_variants)
    if end != len(file):
        raise _wrong_length(path, len(file), end)
    return PgenIndex(n_samples, start, stop, kind, _bases(kind))


def _variable_width(
    path: Path, file: np.ndarray, n_variants: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Start, stop and type of every record, and where the last one ends."""
    control = int(file[11])
    width = control & 15
    if width > 7:
        raise InputError(f"{path}: its control byte 0x{control:02x} is unknown; {_REMEDY}")
    type_bits, length_bytes = (4, width + 1) if width < 4 else (8, width - 3)
    n_blocks = -(-n_variants // VBLOCK)
    at = 12 + 8 * n_blocks
    least = at + (n_variants * type_bits + 7) // 8 + n_variants * length_bytes
    if least > len(file):
        raise _wrong_length(path, len(file), least)
    block_start = np.frombuffer(file[12:at].tobytes(), "<u8")
    kind = np.empty(n_variants, np.uint8)
    start = np.empty(n_variants, np.int64)
    stop = np.empty(n_variants, np.int64)
    end = at
    for block in range(n_blocks):
        first = block * VBLOCK
        n = min(VBLOCK, n_variants - first)
        lengths_at = at + (n * type_bits + 7) // 8
        head_end = lengths_at + n * length_bytes
        if head_end > len(file):
            raise _wrong_length(path, len(file), head_end)
        rows = slice(first, first + n)
        kind[rows] = _types(file[at:lengths_at], type_bits, n)
        length = _numbers(file[lengths_at:head_end], length_bytes)
        begin = int(block_start[block])
        if (block and begin != end) or begin > len(file):
            raise InputError(
                f"{path}: its head places variant {first + 1} at byte {begin}, where it cannot "
                f"be; the file is damaged, copy it again or {_REMEDY}"
            )
        np.cumsum(length, out=stop[rows])
        stop[rows] += begin
        start[rows] = stop[rows] - length
        end = int(stop[first + n - 1])
        at = head_end + n * (control >> 4 & 3) + (-(-n // 8) if control >> 6 == 3 else 0)
    if n_variants and int(block_start[0]) < at:
        raise InputError(
            f"{path}: its head says that records begin within the head; the file is damaged, copy "
            f"it again or {_REMEDY}"
        )
    return start, stop, kind, end


def _types(packed: np.ndarray, type_bits: int, n: int) -> np.ndarray:
    if type_bits == 8:
        return packed
    return np.column_stack([packed & 15, packed >> 4]).ravel()[:n]


def _numbers(packed: np.ndarray, n_bytes: int) -> np.ndarray:
    """Whole numbers of n_bytes each, lowest byte first: int64."""
    cells = packed.reshape(-1, n_bytes).astype(np.int64)
    number = cells[:, 0]
    for i in range(1, n_bytes):
        number = number + (cells[:, i] << (8 * i))
    return number


def _bases(kind: np.ndarray) -> np.ndarray:
    """The last record before each one that stands alone, in the same block of the head."""
    base = np.full(len(kind), -1, np.int64)
    if not ((kind & 6) == _NEEDS_BASE).any():
        return base
    for first in range(0, len(kind), VBLOCK):
        needs = (kind[first : first + VBLOCK] & 6) == _NEEDS_BASE
        alone = np.where(needs, -1, np.arange(first, first + len(needs)))
        base[first : first + VBLOCK] = np.where(needs, np.maximum.accumulate(alone), -1)
    return base


def _wrong_length(path: Path, size: int, end: int) -> InputError:
    what = "the file is cut off" if size < end else "something follows its records"
    return InputError(
        f"{path}: is {size} bytes long, where its head tells of {end}; {what}, copy it again"
    )
