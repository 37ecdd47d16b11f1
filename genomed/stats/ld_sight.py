"""Whose calls LD counts on a contig, and how: founders, by sex on X, Y and MT."""

import numpy as np

from genomed.kernels.packed import count_rows, keep_bits, take_samples
from genomed.schema import Packed

__all__ = ["Sight", "varies"]

MALE = 1  # sex of a .psam
_X = {"x", "23"}
_Y = {"y", "24"}
_MT = {"m", "mt", "26"}


class Sight:
    """Whose calls count on a contig, and how.

    n_samples : samples looked at; on X everybody but males twice, so that a male counts half
    take      : their places in the store, or None for everybody there, in order
    keep      : uint64 (words,), lower bits of those to look at, of the words taken
    haploid   : uint64 (words,), lower bits of those whose heterozygous calls are missing
    """

    def __init__(self, store: Packed, contig: str, founders: np.ndarray) -> None:
        name = contig.lower().removeprefix("chr")
        male = (store.people["sex"] == MALE).fill_null(False).to_numpy()
        self.take: np.ndarray | None
        if name in _X:
            others = np.flatnonzero(founders & ~male)
            self.take = np.concatenate([others, others, np.flatnonzero(founders & male)])
        elif name in _Y or name in _MT or 2 * founders.sum() < len(founders):
            self.take = np.flatnonzero(founders & male if name in _Y else founders)
        else:
            self.take = None
        here = founders if self.take is None else np.ones(len(self.take), np.bool_)
        haploid = np.zeros(len(here), np.bool_)
        if self.take is not None and name in _X:
            haploid = male[self.take]
        elif name in _Y or name in _MT:
            haploid[:] = True
        self.n_samples = int(here.sum())
        self.keep = keep_bits(here)
        self.haploid = keep_bits(haploid) if haploid.any() else None

    def read(self, store: Packed, rows: np.ndarray) -> np.ndarray:
        """Packed calls of the samples taken, as stored."""
        words = store.read(rows)
        if self.take is None:
            return words
        taken = np.empty((len(rows), len(self.keep)), np.uint64)
        take_samples(words, self.take, taken)
        return taken

    def major_frequency(self, words: np.ndarray) -> np.ndarray:
        """Frequency of the commoner allele: float64 (rows,), NaN when nobody was called."""
        counts = np.empty((len(words), 4), np.int64)
        count_rows(words, self.keep, counts)
        alt = 2 * counts[:, 2] + counts[:, 1]
        total = 2 * counts[:, :3].sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.maximum(alt, total - alt) / total

    def without_haploid_hets(self, words: np.ndarray) -> np.ndarray:
        """Calls with the heterozygous ones of haploid samples missing."""
        if self.haploid is None:
            return words
        heterozygous = words & ~(words >> np.uint64(1)) & self.haploid
        return words | heterozygous << np.uint64(1)


def varies(homozygous: np.ndarray, alt: np.ndarray, called: np.ndarray) -> np.ndarray:
    """Which variants have a variance, by their calls of three kinds: bool, from int64."""
    code_sum = 2 * alt - homozygous
    return np.asarray(called * homozygous > code_sum * code_sum)
