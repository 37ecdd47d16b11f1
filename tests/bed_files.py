"""Write small BED filesets by their definition, for tests that need a store of given calls."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

_CODE = {2: 0, -9: 1, 1: 2, 0: 3}  # ALT count -> two bits; A1 is ALT


def write_bed_files(
    prefix: Path,
    alt_count: np.ndarray,
    *,
    contig: Sequence[str] | None = None,
    position: Sequence[int] | None = None,
    people: Sequence[str] | None = None,
) -> str:
    """Write PREFIX.bed, .bim and .fam of int8 (variants, samples) ALT counts; the prefix as text.

    people : lines of the .fam; founders s0, s1 ... of unknown sex by default
    """
    n_variants, n_samples = alt_count.shape
    padded = np.zeros((n_variants, -(-n_samples // 4) * 4), np.uint8)
    for count, code in _CODE.items():
        padded[:, :n_samples][alt_count == count] = code
    four = padded.reshape(n_variants, padded.shape[1] // 4, 4)
    bits = four[:, :, 0] | four[:, :, 1] << 2 | four[:, :, 2] << 4 | four[:, :, 3] << 6
    Path(f"{prefix}.bed").write_bytes(b"\x6c\x1b\x01" + bits.astype(np.uint8).tobytes())
    contig = contig or ["1"] * n_variants
    position = position or range(1000, 1000 * (n_variants + 1), 1000)
    variants = [
        f"{c}\tv{number}\t0\t{p}\tG\tA\n"
        for number, (c, p) in enumerate(zip(contig, position, strict=True))
    ]
    Path(f"{prefix}.bim").write_text("".join(variants))
    people = people or [f"0 s{number} 0 0 0 -9" for number in range(n_samples)]
    Path(f"{prefix}.fam").write_text("".join(f"{line}\n" for line in people))
    return str(prefix)
