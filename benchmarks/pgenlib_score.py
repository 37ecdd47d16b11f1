"""What a bioinformatician would write today: one score from a PGEN with pgenlib and numpy.

python benchmarks/pgenlib_score.py cohort.pgen weights.tsv out.tsv

weights.tsv has the columns ID, A1 and WEIGHT. A missing call counts as the variant's mean.
"""

import sys
from pathlib import Path

import numpy as np
import pgenlib

VARIANTS_PER_BLOCK = 1000


def read_weights(path: Path) -> dict[str, tuple[str, float]]:
    rows = (line.split() for line in path.read_text().splitlines()[1:])
    return {name: (allele, float(weight)) for name, allele, weight in rows}


def wanted_variants(
    pvar: Path, weights: dict[str, tuple[str, float]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers, weights, and whether REF is the effect allele, of the variants in both files."""
    found = []
    with pvar.open() as file:
        lines = (line for line in file if not line.startswith("#"))
        for row, line in enumerate(lines):
            _, _, name, ref, alt = line.split(maxsplit=5)[:5]
            allele, weight = weights.get(name, (None, 0.0))
            if allele in (ref, alt):
                found.append((row, weight, allele == ref))
    rows, values, swapped = zip(*found, strict=True)
    return np.array(rows, np.uint32), np.array(values), np.array(swapped)


def score(pgen: Path, weights_path: Path) -> np.ndarray:
    """Sum of weight x effect-allele dosage: float64 (samples,)."""
    rows, values, swapped = wanted_variants(pgen.with_suffix(".pvar"), read_weights(weights_path))
    reader = pgenlib.PgenReader(str(pgen).encode())
    total = np.zeros(reader.get_raw_sample_ct())
    for first in range(0, len(rows), VARIANTS_PER_BLOCK):
        part = slice(first, first + VARIANTS_PER_BLOCK)
        calls = np.empty((len(rows[part]), len(total)), np.int8)
        reader.read_list(rows[part], calls)
        dosage = calls.astype(np.float32)
        dosage[calls < 0] = np.nan
        mean = np.nan_to_num(np.nanmean(dosage, axis=1, keepdims=True))
        dosage = np.where(np.isnan(dosage), mean, dosage)
        dosage[swapped[part]] = 2 - dosage[swapped[part]]
        total += values[part].astype(np.float32) @ dosage
    return total


def main() -> None:
    pgen, weights, out = map(Path, sys.argv[1:4])
    np.savetxt(out, score(pgen, weights))


if __name__ == "__main__":
    main()
