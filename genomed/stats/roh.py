"""Runs of homozygosity as plink 1.9 finds them, and the share of the genome that lies in them.

A window of `window_snps` variants slides along each autosome. It is good for a person when it
holds at most `window_hets` heterozygous and `window_missing` missing calls. A variant may be part
of a run when at least the share `window_threshold` of the windows that cover it are good (near the
ends of a contig fewer windows cover it). Runs are broken by gaps, and told when they are long and
dense enough. Method: Purcell 2007 (doi:10.1086/519795) as in ``plink --homozyg`` of plink 1.9
(https://www.cog-genomics.org/plink/1.9/ibd#homozyg), whose defaults these are.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

from genomed.kernels import roh as kernels
from genomed.kernels.packed import keep_bits
from genomed.schema import Packed
from genomed.settings import RohSettings

__all__ = ["contig_stretches", "find_runs", "summarise_runs"]

_ROUNDING = 2.0**-30  # plink 1.9's, so that 0.05 of 20 windows is 1 window
_TILE = 16  # words of one kernel call: the state of their samples stays in the cache
_NO_LIMIT = 1 << 30


def find_runs(
    store: Packed, rows: np.ndarray, settings: RohSettings, *, threads: int = 1
) -> pl.DataFrame:
    """Every run of every sample.

    rows    : int64, rows of the store to look at: contig by contig, sorted by position
    returns : frame with the columns of TABLES["roh"], by sample, then in the order of the rows
    raises  : ValueError when settings make no sense
    """
    _check(settings)
    variants = store.variants[rows].select("contig", "position")
    pieces = []
    for contig, first, stop in contig_stretches(variants["contig"]):
        position = variants["position"][first:stop].to_numpy().astype(np.int64)
        if len(position) >= settings.window_snp:
            scan = _Scan(len(store.samples), position, settings, threads)
            for block in store.blocks(rows[first:stop], threads=threads):
                scan.add(block.words)
            pieces.append(_described(scan.finish(), position, contig, settings))
    names = pl.DataFrame(
        {"at": np.arange(len(store.samples)), "sample": pl.Series(store.samples, dtype=pl.Utf8)}
    )
    found = pl.concat([_NO_RUNS, *pieces]).join(names, on="at", how="left", maintain_order="left")
    return found.sort("at", maintain_order=True).select("sample", *_NO_RUNS.columns[1:])


def summarise_runs(runs: pl.DataFrame, samples: list[str], covered: int) -> pl.DataFrame:
    """Runs of each sample added up.

    covered : bases of the autosomes between the first and the last variant looked at, of all
              contigs together
    returns : frame with the columns of TABLES["roh_samples"]; F_ROH is the share of `covered` in
              runs (McQuillan 2008, doi:10.1016/j.ajhg.2008.08.007), null where nothing is covered
    """
    order = pl.DataFrame({"sample": pl.Series(samples, dtype=pl.Utf8)})
    sums = runs.group_by("sample", maintain_order=True).agg(
        n_runs=pl.len().cast(pl.Int64),
        length_kb=pl.sum("length_kb"),
        longest_kb=pl.max("length_kb"),
    )
    table = order.join(sums, on="sample", how="left", maintain_order="left").with_columns(
        pl.col("n_runs", "length_kb").fill_null(0)
    )
    share = pl.col("length_kb") * 1000 / covered if covered else pl.lit(None, pl.Float64)
    return table.select(
        "sample",
        "n_runs",
        "length_kb",
        pl.when(pl.col("n_runs") > 0).then(pl.col("length_kb") / pl.col("n_runs")).alias("mean_kb"),
        "longest_kb",
        share.alias("f_roh"),
    )


def _check(settings: RohSettings) -> None:
    if settings.window_snp < 1 or settings.snp < 1:
        raise ValueError("a window and a run hold at least one variant")
    if not 0 <= settings.window_threshold <= 1:
        raise ValueError("the share of good windows lies between 0 and 1")


def contig_stretches(contig: pl.Series) -> Iterator[tuple[str, int, int]]:
    """Name, first row and row behind the last of each stretch of one contig."""
    lengths = contig.rle().struct.field("len").to_numpy() if len(contig) else np.zeros(0, int)
    stops = np.cumsum(lengths)
    for first, stop in zip(stops - lengths, stops, strict=True):
        yield str(contig[int(first)]), int(first), int(stop)


class _Scan:
    """One contig, a block of rows after the other."""

    def __init__(
        self, n_samples: int, position: np.ndarray, settings: RohSettings, threads: int
    ) -> None:
        n, width = len(position), settings.window_snp
        self.settings, self.threads, self.n_rows, self.done = settings, threads, n, 0
        place = np.arange(n)
        windows = np.where(place <= n - width, np.minimum(place + 1, width), n - place)
        self.least = (windows * settings.window_threshold + 1 - _ROUNDING).astype(np.int64)
        self.broken = np.diff(position, prepend=position[:1]) > settings.gap * 1000
        self.valid = keep_bits(np.ones(n_samples, np.bool_))
        counts = np.zeros((5, n_samples), np.int32)
        self.het, self.missing, self.cover, self.run_het, self.run_missing = counts
        self.start = np.zeros(n_samples, np.int64)
        n_words = len(self.valid)
        self.good, self.runs, self.is_open = np.zeros((3, n_words), np.uint64)
        self.recent = np.zeros((width, n_words), np.uint64)
        self.held = np.empty((0, n_words), np.uint64)
        self.ended: list[np.ndarray] = []

    def add(self, words: np.ndarray) -> None:
        """Take the next rows; all rows are gone through whose window has been seen to its end."""
        words = np.concatenate([self.held, words]) if len(self.held) else words
        if self.done == 0:
            self._count_first(words)
        is_last = self.done + len(words) == self.n_rows
        n = len(words) if is_last else max(0, len(words) - self.settings.window_snp + 1)
        self._scan(words, n)
        self.held = words[n:]
        self.done += n

    def finish(self) -> np.ndarray:
        """int64 (runs, 5): sample, first and last row, het and missing calls of every run."""
        bits = np.unpackbits(self.is_open.view(np.uint8), bitorder="little")[::2]
        who = np.flatnonzero(bits)
        last = np.full(len(who), self.n_rows - 1)
        calls = (self.run_het[who], self.run_missing[who])
        self.ended.append(np.stack([who, self.start[who], last, *calls], axis=1))
        return np.concatenate(self.ended)

    def _count_first(self, words: np.ndarray) -> None:
        """Count the calls in the rows that the first window shares with the next."""
        self.het[:], self.missing[:] = 0, 0
        for row in words[: self.settings.window_snp - 1]:
            call = np.unpackbits(row.view(np.uint8), bitorder="little").reshape(-1, 2)
            low, high = call[: len(self.het)].T.astype(np.bool_)
            self.het += low & ~high
            self.missing += low & high
        few = self.het <= self.settings.window_het
        self.good[:] = keep_bits(few & (self.missing <= self.settings.window_missing))

    def _scan(self, words: np.ndarray, n: int) -> None:
        settings, n_words = self.settings, len(self.valid)
        capacity = 32 * (n // settings.snp + 2)  # runs that can end in one word
        max_hets = _NO_LIMIT if settings.het is None else settings.het

        def one(first: int) -> np.ndarray:
            stop = min(first + _TILE, n_words)
            ended = np.empty((capacity * (stop - first), 5), np.int64)
            n_ended = kernels.scan_rows(
                words, n, self.done, settings.window_snp, self.least, self.broken,
                settings.window_het, settings.window_missing, max_hets, settings.snp, first, stop,
                self.valid, self.het, self.missing, self.good, self.recent, self.cover, self.runs,
                self.is_open, self.start, self.run_het, self.run_missing, ended,
            )  # fmt: skip
            return ended[:n_ended].copy()

        with ThreadPoolExecutor(self.threads) as pool:
            self.ended += pool.map(one, range(0, n_words, _TILE))


_NO_RUNS = pl.DataFrame(
    schema={
        "at": pl.Int64, "contig": pl.Utf8, "first": pl.Int64, "last": pl.Int64,
        "length_kb": pl.Float64, "n_variants": pl.Int64, "n_het": pl.Int64, "n_missing": pl.Int64,
    }
)  # fmt: skip


def _described(
    runs: np.ndarray, position: np.ndarray, contig: str, settings: RohSettings
) -> pl.DataFrame:
    """Runs that are long and dense enough, with their positions."""
    sample, first, last, n_het, n_missing = runs.T
    n = last - first + 1
    length = position[last] - position[first] + 1
    kept = (n >= settings.snp) & (length >= settings.kb * 1000)
    kept &= n * (settings.density * 1000 + _ROUNDING) >= length
    table = pl.DataFrame(
        {
            "at": sample, "first": position[first], "last": position[last],
            "length_kb": length / 1000, "n_variants": n, "n_het": n_het, "n_missing": n_missing,
        },
        schema={k: v for k, v in _NO_RUNS.schema.items() if k != "contig"},
    )  # fmt: skip
    table = table.filter(pl.Series(kept)).sort("at", "first", maintain_order=True)
    return table.with_columns(pl.lit(contig).alias("contig")).select(_NO_RUNS.columns)
