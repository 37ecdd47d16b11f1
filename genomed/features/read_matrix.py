"""Read matrices: the reads around a site as they lie, for sites that sums leave open."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import polars as pl

from genomed.features.call_tiles import Tile
from genomed.kernels import read_matrix as kernels

__all__ = [
    "MATRIX_READS",
    "MATRIX_WIDTH",
    "ReadSupport",
    "draw_read_matrices",
    "no_reads",
    "reads_of_sites",
]

MATRIX_READS = 64
MATRIX_WIDTH = 65


class ReadSupport(NamedTuple):
    """Reads at each site and what they support, in the order of the file.

    first  : int64 (sites + 1,), rows of each site
    read   : int32 (rows,), which read of the tile
    allele : uint8 (rows,), 0 ref, 1 alt1, 2 alt2, 3 none better than the others
    """

    first: np.ndarray
    read: np.ndarray
    allele: np.ndarray

    def only(self, sites: np.ndarray) -> Self:
        """Some of the sites: int64, in any order."""
        sizes = np.diff(self.first)[sites]
        first = np.concatenate([[0], np.cumsum(sizes)])
        rows = np.repeat(self.first[:-1][sites] - first[:-1], sizes) + np.arange(first[-1])
        return type(self)(first, self.read[rows], self.allele[rows])


def no_reads() -> ReadSupport:
    """Of no site."""
    return ReadSupport(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.uint8))


def reads_of_sites(
    loglik: np.ndarray,
    read: np.ndarray,
    pair_first: np.ndarray,
    haplotype_first: np.ndarray,
    site_cluster: np.ndarray,
    allele_first: np.ndarray,
    allele_of: np.ndarray,
    chosen: np.ndarray,
) -> ReadSupport:
    """List the reads of each site; the arguments are those of kernels.diplotypes."""
    sizes = (pair_first[1:] - pair_first[:-1])[site_cluster]
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    which, allele = np.empty(first[-1], np.int32), np.empty(first[-1], np.uint8)
    kernels.site_reads(
        loglik, read, pair_first, haplotype_first, site_cluster, allele_first, allele_of, chosen,
        first, which, allele,
    )  # fmt: skip
    return ReadSupport(first, which, allele)


def draw_read_matrices(
    tile: Tile, table: pl.DataFrame, support: ReadSupport, rows: np.ndarray
) -> np.ndarray:
    """Draw the reads around some sites of a tile.

    table, support : of all its sites; rows : int64 (n,), which
    returns        : uint8 (n, 64, 65, 8), channels as kernels.read_matrix.draw_reads lists them
    """
    pictures = np.zeros((len(rows), MATRIX_READS, MATRIX_WIDTH, kernels.N_CHANNELS), np.uint8)
    some = support.only(rows)
    reads = tile.reads
    kernels.draw_reads(
        reads.data, reads.place, reads.start, reads.flag, reads.mapq, tile.ref, tile.first,
        table["position"].to_numpy()[rows].astype(np.int64) - 1, some.first, some.read,
        some.allele, pictures,
    )  # fmt: skip
    return pictures
