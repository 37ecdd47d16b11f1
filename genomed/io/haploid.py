"""Haploid calls of formats that store every call as diploid: PLINK files know them by sex.

plink2 writes a haploid call as homozygous (https://www.cog-genomics.org/plink/2.0/formats#pgen),
so a male's homozygous call on X, and anybody's on Y or the mitochondrion, is one allele.
"""

import numpy as np
import polars as pl

from genomed.schema import MISSING

__all__ = ["haploid_rows", "split_ploidy"]

_X = {"X", "23"}
_Y_OR_MT = {"Y", "24", "M", "MT", "26"}


def _bare(contig: str) -> str:
    return (contig[3:] if contig[:3].lower() == "chr" else contig).upper()


def haploid_rows(contig: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Rows on X outside PAR1, PAR2 and XY, and rows on Y or MT: two int64 index arrays."""
    names = contig.unique()
    kinds = [[n for n in names if _bare(n) in kind] for kind in (_X, _Y_OR_MT)]
    x, y = (contig.is_in(k).arg_true().to_numpy().astype(np.int64) for k in kinds)
    return x, y


def split_ploidy(
    contig: pl.Series, male: np.ndarray, alt_count: np.ndarray, dosage: np.ndarray | None
) -> np.ndarray | None:
    """Turn homozygous calls in haploid places into one allele, in place; the ploidies, or None.

    male      : bool (samples,); samples of unknown sex stay diploid on X
    alt_count : int8 (variants, samples), diploid on entry; 2 becomes 1 where haploid. A
                heterozygous call stays diploid, as called
    dosage    : float32 (variants, samples) or None; halved where haploid, also where it is known
                although no hard call was made
    returns   : int8 (variants, samples), or None when no call is haploid
    """
    x_rows, y_rows = haploid_rows(contig)
    everybody = np.ones(len(male), np.bool_)
    ploidy = None
    for rows, who in ((x_rows, male), (y_rows, everybody)):
        if not (len(rows) and who.any()):
            continue
        cells = np.ix_(rows, np.flatnonzero(who))
        counts = alt_count[cells]
        haploid = (counts == 0) | (counts == 2)
        if dosage is not None:
            known = dosage[cells]
            haploid |= (counts == MISSING) & ~np.isnan(known)
            dosage[cells] = np.where(haploid, known / 2, known)
        alt_count[cells] = np.where(counts == 2, 1, counts)
        if haploid.any():
            ploidy = np.full(alt_count.shape, 2, np.int8) if ploidy is None else ploidy
            ploidy[cells] = np.where(haploid, 1, 2)
    return ploidy
