"""Where the calls of a `qc` run come from: packed rows of a store, or batches of any other file."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from genomed.io.bgzf import TextStream
from genomed.io.cohort import open_cohort
from genomed.io.formats import cohort_format
from genomed.io.packed import PackedStore, open_store
from genomed.io.plink_tables import companion_paths
from genomed.io.psam import unknown_people
from genomed.io.variant_frame import MAX_BATCH_ROWS
from genomed.kernels.packed import pack_rows
from genomed.regions import Region, canonical_contig
from genomed.schema import ReadCounts, VariantBatch
from genomed.steps.genome_build import choose_build

__all__ = ["Block", "Source", "open_source"]

PACKED_BYTES = 16 << 20  # of a block of a store; smaller ones cost more than they save in cache


class Block(NamedTuple):
    """Some rows of the cohort, in its order.

    variants : columns contig, position, id, ref, alt
    words    : makes the packed calls, uint64 (variants, words); safe in any thread, whose next
               call may use the array again
    """

    variants: pl.DataFrame
    words: Callable[[], np.ndarray]


class Source(ABC):
    """An open cohort.

    people : what it says of its samples, one row each
    contigs : names as spelt -> length, or None where it is not known
    build  : normalised name, or None where it is not known
    files  : every file that is read
    """

    def __init__(
        self,
        path: str,
        people: pl.DataFrame,
        contigs: dict[str, int | None],
        build: str | None,
        files: list[Path],
    ) -> None:
        self.path = path
        self.people = people
        self.contigs = contigs
        self.build, _ = choose_build(contigs, build, path)
        self.files = files
        self.samples: list[str] = people["sample"].to_list()

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """All rows."""

    @property
    @abstractmethod
    def counts(self) -> ReadCounts:
        """What was read, once the blocks are exhausted."""

    @abstractmethod
    def progress(self) -> tuple[int, int | None]:
        """Bytes or rows read, and in all."""

    def close(self) -> None:  # noqa: B027 - a store has nothing to let go of
        """Let go of the file."""

    def sha256(self) -> str | None:
        """Digest of the file, where reading has made it."""
        return None


class _Store(Source):
    def __init__(
        self, store: PackedStore, path: str, build: str | None, region: Region | None
    ) -> None:
        files = list(companion_paths(store.path))
        super().__init__(path, store.people, store.contigs, build, files)
        self._store, self._local = store, threading.local()
        self._rows = _rows_in(store.variants, region)
        self._done = 0

    def blocks(self) -> Iterator[Block]:
        step = min(MAX_BATCH_ROWS, max(64, PACKED_BYTES // (8 * self._store.n_words)))
        variants = self._store.variants.drop("row")
        if self._rows is not None:
            variants = variants[self._rows]
        rows = np.arange(self._store.n_variants) if self._rows is None else self._rows
        for first in range(0, len(rows), step):
            chosen = variants[first : first + step]
            self._done += len(chosen)
            yield Block(chosen, partial(self._read, rows[first : first + step], step))

    def _read(self, rows: np.ndarray, step: int) -> np.ndarray:
        """Packed calls, in an array that each thread has for itself."""
        if not hasattr(self._local, "words"):
            self._local.words = np.empty((step, self._store.n_words), np.uint64)
        return self._store.read(rows, out=self._local.words[: len(rows)])

    @property
    def counts(self) -> ReadCounts:
        n = self._store.n_variants
        return ReadCounts(n, n - self._done, self._done, {}, [], dict(self._store.notes))

    def progress(self) -> tuple[int, int | None]:
        return self._done, self._store.n_variants


class _Cohort(Source):
    def __init__(
        self, reader: Any, path: str, people: pl.DataFrame, build: str | None,
        region: Region | None, files: list[Path],
    ) -> None:  # fmt: skip
        super().__init__(path, people, reader.contigs, build, files)
        self._reader, self._region = reader, region

    def blocks(self) -> Iterator[Block]:
        for batch in self._reader.iter_batches(self._region):
            names = ("contig", "position", "id", "ref", "alt")
            yield Block(batch.variants.select(names), _packer(batch))

    @property
    def counts(self) -> ReadCounts:
        counts: ReadCounts = self._reader.counts
        return counts

    def progress(self) -> tuple[int, int | None]:
        return getattr(self._reader, "n_compressed", 0), getattr(self._reader, "size", None)

    def close(self) -> None:
        self._reader.close()

    def sha256(self) -> str | None:
        return getattr(self._reader, "sha256", None)


def open_source(
    path: str,
    *,
    samples: Sequence[str] | None,
    region: Region | None,
    build: str | None,
    threads: int,
    max_batch_bytes: int,
    stream: TextStream | None,
) -> Source:
    """Open a cohort: PGEN and BED as packed rows, all others as batches.

    A PGEN with records of several ALTs is read as batches too: a packed row would not tell its ALTs
    apart.
    """
    people = None
    files = [Path(path)]
    if cohort_format(path) in ("pgen", "bed"):
        store = open_store(path, samples=samples, threads=threads)
        if not store.several_alts.any():
            return _Store(store, path, build, region)
        people, files = store.people, list(companion_paths(store.path))
    reader = open_cohort(
        path, samples=samples, threads=threads, max_batch_bytes=max_batch_bytes, stream=stream
    )
    if people is None:
        people = unknown_people(reader.samples)
    try:
        return _Cohort(reader, path, people, build, region, files)
    except BaseException:
        reader.close()
        raise


def _rows_in(variants: pl.DataFrame, region: Region | None) -> np.ndarray | None:
    if region is None:
        return None
    wanted = canonical_contig(region.contig)
    names = [n for n in variants["contig"].unique() if canonical_contig(n) == wanted]
    position = pl.col("position")
    inside = (position > region.start) & (position <= region.end)
    chosen = variants.filter(pl.col("contig").is_in(names) & inside)
    return chosen["row"].to_numpy()


def _packer(batch: VariantBatch) -> Callable[[], np.ndarray]:
    def pack() -> np.ndarray:
        counts = batch.alt_count
        if batch.call_ploidy is not None:
            counts = np.where((batch.call_ploidy == 1) & (counts == 1), np.int8(2), counts)
        words = np.empty((len(counts), -(-counts.shape[1] // 32)), np.uint64)
        pack_rows(counts, words)
        return words

    return pack
