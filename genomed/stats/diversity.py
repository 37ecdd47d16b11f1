"""Diversity within groups of people and between them.

scikit-allel computes pairwise differences, expected heterozygosity and Hudson's F_ST at each
variant (https://scikit-allel.readthedocs.io/en/stable/stats.html). Its windows take a loop of
Python each, and its F_ST of Weir and Cockerham whole genotypes: both are sums over what is here
already, so they are added up here, and compared with scikit-allel's in the tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import allel
import numpy as np
import polars as pl

from genomed.kernels.packed import count_rows, keep_bits
from genomed.schema import Packed
from genomed.stats.roh import contig_stretches
from genomed.tables import TABLES

__all__ = ["MOST_PAIRS", "Diversity", "group_counts", "measure_diversity", "weir_cockerham"]

MOST_PAIRS = 10  # with more pairs of groups, windows are told for groups only
ALL_GROUPS = "*"
MIN_SEGREGATING = 3  # variants, for Tajima's D; scikit-allel's choice
MIN_CHROMOSOMES = 3  # with two, the variance is 0


class Diversity(NamedTuple):
    """Frames with the columns of TABLES: "diversity", "fst" and "diversity_windows"."""

    groups: pl.DataFrame
    fst: pl.DataFrame
    windows: pl.DataFrame


def measure_diversity(
    store: Packed,
    rows: np.ndarray,
    groups: Mapping[str, np.ndarray],
    *,
    window_kb: float = 100.0,
    threads: int = 1,
) -> Diversity:
    """Measure every group, every pair of groups, and windows along the contigs.

    rows   : int64, rows of the store with one ALT each, where everybody is diploid: contig by
             contig, sorted by position
    groups : name -> bool (samples,), who belongs; nobody belongs to two
    raises : ValueError for a window shorter than a base

    Per-base figures take every base of the windows that hold a variant as looked at, so they are
    too low where a store holds chosen variants only.
    """
    size = int(window_kb * 1000)
    if size < 1:
        raise ValueError("a window is at least one base long")
    sums = _Sums(groups, size)
    variants = store.variants[rows].select("contig", "position")
    for contig, first, stop in contig_stretches(variants["contig"]):
        position = variants["position"][first:stop].to_numpy().astype(np.int64)
        counts = group_counts(store, rows[first:stop], list(groups.values()), threads=threads)
        with np.errstate(invalid="ignore", divide="ignore"):
            sums.add(contig, position, counts)
    return sums.result()


def group_counts(
    store: Packed, rows: np.ndarray, groups: Sequence[np.ndarray], *, threads: int = 1
) -> np.ndarray:
    """People with 0, 1, 2 copies of ALT, and without a call: int64 (groups, rows, 4)."""
    masks = [keep_bits(group) for group in groups]
    counts = np.empty((len(groups), len(rows), 4), np.int64)
    done = 0
    for block in store.blocks(rows, threads=threads):
        there = slice(done, done + len(block.rows))
        for mask, of_group in zip(masks, counts, strict=True):
            count_rows(block.words, mask, of_group[there])
        done = there.stop
    return counts


def weir_cockerham(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numerator and denominator of F_ST at each variant: a, and a + b + c.

    counts  : int64 (groups, variants, 4), as `group_counts` gives them; at least two groups
    returns : float64 (variants,) each; NaN where a group has no call, or one call is all
    source  : Weir and Cockerham 1984, equations 2 to 4 (doi:10.2307/2408641)
    """
    n = counts[:, :, :3].sum(axis=2).astype(float)
    r = len(n)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = (counts[:, :, 1] / 2 + counts[:, :, 2]) / n
        total, mean = n.sum(axis=0), n.mean(axis=0)
        n_c = (total - (n**2).sum(axis=0) / total) / (r - 1)
        p_mean = (n * p).sum(axis=0) / total
        variance = (n * (p - p_mean) ** 2).sum(axis=0) / ((r - 1) * mean)
        het = counts[:, :, 1].sum(axis=0) / total
        inner = p_mean * (1 - p_mean) - (r - 1) / r * variance
        a = mean / n_c * (variance - (inner - het / 4) / (mean - 1))
        b = mean / (mean - 1) * (inner - (2 * mean - 1) / (4 * mean) * het)
        abc = a + b + het / 2
    known = (n > 0).all(axis=0) & (mean > 1)
    return np.where(known, a, np.nan), np.where(known, abc, np.nan)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> float:
    total = float(np.nansum(denominator))
    return float(np.nansum(numerator)) / total if total > 0 else np.nan


def _jackknife(numerator: np.ndarray, denominator: np.ndarray) -> float:
    """Standard error of a ratio of sums, leaving out one window after the other (Busing 1999)."""
    used = denominator > 0
    numerator, denominator = numerator[used], denominator[used]
    n = len(numerator)
    if n < 2:
        return np.nan
    without = (numerator.sum() - numerator) / (denominator.sum() - denominator)
    return float(np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2)))


class _TajimaScale(NamedTuple):
    """What turns differences and segregating variants of n chromosomes into Tajima's D.

    source : Tajima 1989, equations 3 and 33 to 38 (doi:10.1093/genetics/123.3.585)
    """

    a1: float
    e1: float
    e2: float

    @classmethod
    def of(cls, n: int) -> _TajimaScale:
        i = np.arange(1, n, dtype=float)
        a1, a2 = float((1 / i).sum()), float((1 / i**2).sum())
        if n < MIN_CHROMOSOMES:
            return cls(a1, np.nan, np.nan)
        b1, b2 = (n + 1) / (3 * (n - 1)), 2 * (n * n + n + 3) / (9 * n * (n - 1))
        c1, c2 = b1 - 1 / a1, b2 - (n + 2) / (a1 * n) + a2 / a1**2
        return cls(a1, c1 / a1, c2 / (a1**2 + a2))

    def d(self, differences: np.ndarray, segregating: np.ndarray) -> np.ndarray:
        """Tajima's D of each window: NaN with fewer than 3 segregating variants."""
        variance = self.e1 * segregating + self.e2 * segregating * (segregating - 1)
        found = (differences - segregating / self.a1) / np.sqrt(variance)
        return np.where(segregating >= MIN_SEGREGATING, found, np.nan)


class _Pair:
    """What is added up of two groups."""

    def __init__(self) -> None:
        self.n_variants = 0
        self.numerators: list[np.ndarray] = []  # Hudson's, per window
        self.denominators: list[np.ndarray] = []
        self.weir_cockerham = np.zeros(2)


class _Sums:
    """What is added up contig by contig."""

    def __init__(self, groups: Mapping[str, np.ndarray], size: int) -> None:
        self.groups, self.size = groups, size
        self.names = list(groups)
        self.pairs = {pair: _Pair() for pair in combinations(range(len(groups)), 2)}
        self.everybody = _Pair()
        columns = ("n_variants", "n_segregating", "n_private", "observed", "expected", "pi", "w")
        self.sums = {name: np.zeros(len(groups)) for name in columns}
        self.bases = 0
        self.windows: list[pl.DataFrame] = []

    def add(self, contig: str, position: np.ndarray, counts: np.ndarray) -> None:
        n0, n1, n2 = (counts[:, :, k] for k in range(3))
        alleles = np.stack([2 * n0 + n1, n1 + 2 * n2], axis=2)  # (groups, variants, 2)
        first = np.unique((position - 1) // self.size) * self.size
        self.bases += int((np.minimum(first + self.size, position[-1]) - first).sum())
        self._add_groups(contig, position, counts, alleles)
        of_window = (position - 1) // self.size
        for (i, j), pair in self.pairs.items():
            hudson = allel.hudson_fst(alleles[i], alleles[j])
            sums = [np.bincount(of_window, np.nan_to_num(x)) for x in hudson]
            pair.numerators.append(sums[0])
            pair.denominators.append(sums[1])
            self._add_weir_cockerham(pair, counts[[i, j]])
            if len(self.pairs) <= MOST_PAIRS:
                name = f"{self.names[i]}:{self.names[j]}"
                fst = sums[0] / np.where(sums[1] > 0, sums[1], np.nan)
                self._add_windows(contig, position, name, {"fst": fst})
        if len(self.pairs) > 1:
            self._add_weir_cockerham(self.everybody, counts)

    def _add_groups(
        self, contig: str, position: np.ndarray, counts: np.ndarray, alleles: np.ndarray
    ) -> None:
        of_window = (position - 1) // self.size
        n_in = np.bincount(of_window)
        seen = alleles > 0
        private = (seen & (seen.sum(axis=0) == 1)).any(axis=2).sum(axis=1)
        for g, name in enumerate(self.names):
            own, called = alleles[g], counts[g, :, :3].sum(axis=1)
            p = own[:, 1] / (2 * called)  # 1 - p keeps the sum at 1, below which there is no answer
            expected = allel.heterozygosity_expected(np.stack([1 - p, p], axis=1), ploidy=2)
            n_bases = np.diff(np.minimum(np.arange(len(n_in) + 1) * self.size, position[-1]))
            differences = np.bincount(of_window, allel.mean_pairwise_difference(own, fill=0))
            segregating = np.bincount(of_window, seen[g].all(axis=1))
            scale = _TajimaScale.of(int(own.sum(axis=1).max()))
            tajima = scale.d(differences, segregating)
            found = {
                "n_variants": (called > 0).sum(),
                "n_segregating": seen[g].all(axis=1).sum(),
                "n_private": private[g],
                "observed": np.nansum(counts[g, :, 1] / called),
                "expected": np.nansum(expected),
                "pi": differences.sum(),
                "w": segregating.sum() / scale.a1 if scale.a1 else 0.0,
            }
            for column, value in found.items():
                self.sums[column][g] += value
            self._add_windows(
                contig, position, name, {"pi": differences / n_bases, "tajima_d": tajima}
            )

    def _add_weir_cockerham(self, pair: _Pair, counts: np.ndarray) -> None:
        a, abc = weir_cockerham(counts)
        used = abc > 0
        pair.n_variants += int(used.sum())
        pair.weir_cockerham += a[used].sum(), abc[used].sum()

    def _add_windows(
        self, contig: str, position: np.ndarray, name: str, values: dict[str, np.ndarray]
    ) -> None:
        n_variants = np.bincount((position - 1) // self.size)
        first = np.arange(len(n_variants)) * self.size + 1
        nothing = np.full(len(first), np.nan)
        self.windows.append(
            pl.DataFrame(
                {
                    "contig": [contig] * len(first),
                    "first": first,
                    "last": np.minimum(first + self.size - 1, position[-1]),
                    "group": [name] * len(first),
                    "n_variants": n_variants,
                    **{c: values.get(c, nothing) for c in ("pi", "tajima_d", "fst")},
                },
                nan_to_null=True,
            ).filter(pl.col("n_variants") > 0)
        )

    def result(self) -> Diversity:
        windows = pl.concat([_NO_WINDOWS, *self.windows])
        return Diversity(self._groups(windows), self._fst(), windows)

    def _groups(self, windows: pl.DataFrame) -> pl.DataFrame:
        # polars would add up in an order of its own, another one in every run
        d = {key[0]: part["tajima_d"].drop_nulls().to_numpy()
             for key, part in windows.partition_by("group", as_dict=True).items()}  # fmt: skip
        sums = {name: values.tolist() for name, values in self.sums.items()}
        table = []
        for g, (name, members) in enumerate(self.groups.items()):
            n = sums["n_variants"][g]
            observed, expected = sums["observed"][g], sums["expected"][g]
            table.append(
                {
                    "group": name,
                    "n_samples": int(members.sum()),
                    "n_variants": int(n),
                    "n_segregating": int(sums["n_segregating"][g]),
                    "n_private": int(sums["n_private"][g]),
                    "heterozygosity_observed": observed / n if n else None,
                    "heterozygosity_expected": expected / n if n else None,
                    "f_is": 1 - observed / expected if expected else None,
                    "pi": sums["pi"][g] / self.bases if n else None,
                    "theta_w": sums["w"][g] / self.bases if n else None,
                    "tajima_d": float(d[name].mean()) if len(d.get(name, ())) else None,
                }
            )
        return pl.DataFrame(table, schema=_GROUPS)

    def _fst(self) -> pl.DataFrame:
        table = []
        for (i, j), pair in self.pairs.items():
            parts = [
                np.concatenate([np.zeros(0), *x]) for x in (pair.numerators, pair.denominators)
            ]
            hudson = (_ratio(*parts), _jackknife(*parts))
            table.append((self.names[i], self.names[j], pair, *hudson))
        if len(self.pairs) > 1:
            table.append((ALL_GROUPS, ALL_GROUPS, self.everybody, np.nan, np.nan))
        lines = [
            (one, other, pair.n_variants, fst, se, _ratio(*pair.weir_cockerham))
            for one, other, pair, fst, se in table
        ]
        return pl.DataFrame(lines, schema=_FST, orient="row").fill_nan(None)


_GROUPS = {
    name: pl.Utf8 if name == "group" else pl.Int64 if name.startswith("n_") else pl.Float64
    for name in TABLES["diversity"]
}
_FST = {
    name: pl.Utf8 if name.startswith("group") else pl.Int64 if name[:2] == "n_" else pl.Float64
    for name in TABLES["fst"]
}
_WINDOW_TYPES = (pl.Utf8, pl.Int64, pl.Int64, pl.Utf8, pl.Int64, pl.Float64, pl.Float64, pl.Float64)
_NO_WINDOWS = pl.DataFrame(
    schema=dict(zip(TABLES["diversity_windows"], _WINDOW_TYPES, strict=True))
)
