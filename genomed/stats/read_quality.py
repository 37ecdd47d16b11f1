"""What the records of alignments say of sequencing: flags, qualities, inserts, lengths."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

from genomed.kernels import read_counts as kernel
from genomed.stats.coverage import mean_of_counts, median_of_counts

__all__ = ["Inserts", "ReadCounter", "gc_dropout", "insert_sizes"]

MAX_INSERT = 8000  # as `samtools stats`: larger ones are counted as this
MAX_LENGTH = 1 << 16
MAX_CYCLES = 1024
N_QUALITIES = 128
DEVIATIONS = 10  # of the median absolute deviation: what lies beyond is no insert (Picard)
ORIENTATIONS = ("inward", "outward", "same")
NO_QUALITY = 255


class ReadCounter:
    """Counts alignments; what each array holds is said in kernels.read_counts."""

    def __init__(self) -> None:
        self.counts = np.zeros(len(kernel.COUNTS), np.int64)
        self.mapqs = np.zeros(256, np.int64)
        self.by_cycle = np.zeros((2, N_QUALITIES, MAX_CYCLES + 1), np.int64)
        self.inserts = np.zeros((kernel.N_ORIENTATIONS, MAX_INSERT + 1), np.int64)
        self.lengths = np.zeros(MAX_LENGTH + 1, np.int64)

    def add(self, data: np.ndarray, place: np.ndarray, flag: np.ndarray, mapq: np.ndarray) -> None:
        """Add alignments; the arrays are those of an AlignmentBlock."""
        kernel.count_alignments(
            data, place, flag, mapq, kernel.LETTERS_OF_BYTE, self.counts, self.mapqs,
            self.by_cycle, self.inserts, self.lengths,
        )  # fmt: skip

    @property
    def qualities(self) -> np.ndarray:
        """Bases by quality: int64 (128,)."""
        return self.by_cycle.sum(axis=(0, 2))

    def merge(self, other: Self) -> None:
        """Add what another one has counted."""
        for name, array in vars(self).items():
            array += getattr(other, name)

    def named(self) -> dict[str, int]:
        """Name of a count -> count."""
        return dict(zip(kernel.COUNTS, self.counts.tolist(), strict=True))

    def measures(self) -> dict[str, Any]:
        """Columns of TABLES["reads_qc"] that rest on single records; None where unknown."""
        n = self.named()
        sizes = insert_sizes(self.inserts)
        qualities = self.qualities
        n_qualities = int(qualities.sum())
        pairs = n["n_paired"]
        return {
            "n_alignments": n["n_alignments"],
            "n_secondary": n["n_secondary"],
            "n_supplementary": n["n_supplementary"],
            "n_reads": n["n_reads"],
            "n_mapped": n["n_mapped"],
            "n_paired": pairs,
            "n_duplicates": n["n_duplicates"],
            "n_failed": n["n_failed"],
            "mapped_share": _share(n["n_mapped"], n["n_reads"]),
            "proper_share": _share(n["n_proper"], pairs),
            "mate_elsewhere_share": _share(n["n_mate_elsewhere"], pairs),
            "duplicate_share": _share(n["n_duplicates"], n["n_reads"]),
            "mapq0_share": _share(n["n_mapq0"], n["n_mapped"]),
            "mean_mapq": _known(mean_of_counts(self.mapqs[:NO_QUALITY])),
            "forward_share": _share(n["n_forward"], n["n_mapped"]),
            "mean_read_length": _share(n["n_bases"], n["n_reads"]),
            "mean_base_quality": _known(mean_of_counts(qualities)),
            "q20_share": _share(int(qualities[20:].sum()), n_qualities),
            "q30_share": _share(int(qualities[30:].sum()), n_qualities),
            "gc_share": _share(n["n_gc"], n["n_acgt"]),
            "mismatch_rate": _share(n["n_mismatches"], n["n_bases_mapped"]),
            "soft_clipped_share": _share(n["n_soft_clipped"], n["n_bases"]),
            "insert_median": _known(sizes.median),
            "insert_mad": _known(sizes.mad),
            "insert_mean": _known(sizes.mean),
            "insert_sd": _known(sizes.sd),
            "orientation": sizes.orientation,
        }

    def mean_cycle_quality(self) -> np.ndarray:
        """Mean base quality by read of the pair and cycle: float64 (2, cycles); NaN for none."""
        counts = self.by_cycle[:, :, :MAX_CYCLES]
        n = counts.sum(axis=1)
        last = int(np.flatnonzero(n.any(axis=0)).max(initial=-1)) + 1
        total = np.arange(N_QUALITIES) @ counts
        return np.where(n, total / np.maximum(n, 1), np.nan)[:, :last]


class Inserts(NamedTuple):
    """Sizes of inserts, in bases, of pairs in the most frequent orientation; NaN without any.

    median, mad : over all sizes
    mean, sd    : over sizes up to the median plus DEVIATIONS x MAD (Picard's
                  CollectInsertSizeMetrics)
    orientation : the most frequent of ORIENTATIONS, None without pairs
    """

    median: float
    mad: float
    mean: float
    sd: float
    orientation: str | None


def insert_sizes(inserts: np.ndarray) -> Inserts:
    """Summarise reads of pairs by orientation and size: int64 (3, sizes)."""
    if not inserts[:, 1:].any():
        nan = float("nan")
        return Inserts(nan, nan, nan, nan, None)
    which = int(inserts[:, 1:].sum(axis=1).argmax())
    counts = inserts[which].copy()
    counts[0] = 0
    sizes = np.arange(len(counts))
    median = median_of_counts(counts)
    away = np.bincount(np.abs(sizes - int(median)), weights=counts)
    mad = median_of_counts(away)
    kept = np.where(sizes <= median + DEVIATIONS * mad, counts, 0)
    mean = mean_of_counts(kept)
    n = int(kept.sum())
    square = float((kept * (sizes - mean) ** 2).sum())
    sd = (square / (n - 1)) ** 0.5 if n > 1 else float("nan")
    return Inserts(median, mad, mean, sd, ORIENTATIONS[which])


def gc_dropout(windows: np.ndarray, total: np.ndarray) -> tuple[float, float]:
    """Depth that is missing from windows rich in AT, and in GC, as shares of all depth.

    windows : int64 (101,), windows by percentage of GC; total : int64 (101,), their depths
    returns : sum over percentages 0 to 50 (and 51 to 100) of how much the share of the depth falls
              short of the share of the windows (Picard's AT_DROPOUT and GC_DROPOUT, over 100); NaN
              without windows or depth
    """
    if not windows.sum() or not total.sum():
        return float("nan"), float("nan")
    short = np.maximum(windows / windows.sum() - total / total.sum(), 0)
    return float(short[:51].sum()), float(short[51:].sum())


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
