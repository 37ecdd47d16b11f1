"""A PGEN or BED fileset as packed calls that can be read as often as needed."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.bed import bed_variants
from genomed.io.people import read_people
from genomed.io.pgen_index import read_index
from genomed.io.plink_tables import VariantTable, companion_paths, read_samples
from genomed.io.selection import keep_samples
from genomed.kernels.packed import count_rows, keep_bits, take_samples
from genomed.kernels.pgen_decode import count_records, decode_bed, decode_records
from genomed.schema import PackedBlock, ReadCounts

__all__ = ["PackedStore", "open_store"]

CALLS_PER_PART = 1 << 22  # fewer are not worth another thread
BED_MAGIC = 3  # bytes before the first row of a .bed


def open_store(
    path: str | Path, *, samples: Sequence[str] | None = None, threads: int = 1
) -> PackedStore:
    """Open a .pgen or .bed, or the prefix that its three files share.

    samples : names to keep, in the order of the file; all by default

    An InputError names the file that is absent, damaged, or belongs to another fileset.
    """
    return PackedStore(Path(path), samples=samples, threads=threads)


class PackedStore:
    """Packed calls of a PGEN or BED fileset; satisfies genomed.schema.Packed.

    One row per record. Where a record has several ALTs, a call counts any of them: 0, 1 or 2
    alleles that are not REF. Haploid calls are 0 or 2, as PLINK files hold them; contig and sex
    tell which they are. In a .bed A1 is ALT, and an allele "0" becomes ".".

    path     : the .pgen or .bed
    samples  : IIDs, FID_IID where IIDs repeat; after any selection
    people   : one row per sample: sample, family, father, mother, sex, phenotypes; see
               genomed.io.people
    variants : row Int64, contig (as spelt), position, id (null for "."), ref, alt ("C,G" for two)
    several_alts : bool (variants,), whether a record has more than one ALT
    contigs  : name -> length or None, as the ##contig lines of a .pvar declare them
    notes    : what was read leniently, by code, as in ReadCounts.notes
    """

    def __init__(
        self, path: Path, *, samples: Sequence[str] | None = None, threads: int = 1
    ) -> None:
        self.path, variants, people = companion_paths(path)
        table = read_samples(people)
        self._n_stored = len(table.names)
        self._map, self._file = _map(self.path)
        if self.path.suffix == ".bed":
            self._index = None
            self.n_variants = bed_variants(self.path, people, -(-self._n_stored // 4))
        else:
            self._index = read_index(self.path, self._file)
            self.n_variants = len(self._index.kind)
            if self._index.n_samples != self._n_stored:
                raise InputError(
                    f"{people}: names {self._n_stored} samples, but {self.path} holds "
                    f"{self._index.n_samples}; take both files from the same run"
                )
        kept = keep_samples(table.names, samples, people)
        self._kept = None if kept is None else kept.astype(np.int64)
        frame = read_people(table)
        self.people = frame if self._kept is None else frame[self._kept]
        self.samples: list[str] = self.people["sample"].to_list()
        if not self.samples:
            raise InputError(f"{self.path}: no samples are left; check --samples")
        counts = ReadCounts(notes={"iid_repeated": self._n_stored} if table.renamed else {})
        listed = VariantTable(variants)
        self.variants = _read_variants(listed, self.path, self.n_variants, counts, threads)
        self.several_alts = self.variants.drop_in_place("n_alts").to_numpy() > 1
        self.contigs = listed.contigs
        self.notes = counts.notes

    @property
    def n_samples(self) -> int:
        """Samples, after any selection."""
        return len(self.samples)

    @property
    def n_words(self) -> int:
        """Words in a row."""
        return -(-self.n_samples // 32)

    def read(
        self, rows: np.ndarray, threads: int = 1, *, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Packed calls of some rows: uint64 (rows, words).

        rows : int64, 0-based; quickest when ascending. A ValueError when one is out of range
        out  : where to put them, with one thread
        """
        rows = self._checked(rows)
        if threads <= 1:
            words = np.empty((len(rows), self.n_words), np.uint64) if out is None else out
            self._decode(rows, words)
            self._forget()
            return words
        with ThreadPoolExecutor(threads) as pool:
            return self._await(*self._submit(pool, rows, threads))

    def blocks(
        self, rows: np.ndarray | None = None, *, block_rows: int = 4096, threads: int = 1
    ) -> Iterator[PackedBlock]:
        """All rows, or the chosen ones, a block at a time; the next one is read meanwhile."""
        rows = self._checked(np.arange(self.n_variants) if rows is None else rows)
        with ThreadPoolExecutor(max(1, threads)) as pool:
            pending = None
            for first in range(0, len(rows), block_rows):
                coming = self._submit(pool, rows[first : first + block_rows], threads)
                if pending is not None:
                    yield self._block(*pending)
                pending = (rows[first : first + block_rows], *coming)
            if pending is not None:
                yield self._block(*pending)

    def count(
        self, rows: np.ndarray | None = None, *, keep: np.ndarray | None = None, threads: int = 1
    ) -> np.ndarray:
        """Samples with 0, 1 and 2 copies of ALT, and without a call: int64 (rows, 4).

        rows : int64, 0-based; all by default
        keep : bool (samples,), whom to count; all by default

        Much quicker than counting the rows of a block: most records of a .pgen say how many
        carriers there are.
        """
        rows = self._checked(np.arange(self.n_variants) if rows is None else rows)
        counted = np.zeros(self._n_stored, np.bool_)
        everyone = np.arange(self._n_stored) if self._kept is None else self._kept
        counted[everyone if keep is None else everyone[keep]] = True
        mask = keep_bits(counted)
        out = np.empty((len(rows), 4), np.int64)
        parts = _parts(len(rows), self._n_stored, threads)
        with ThreadPoolExecutor(max(1, threads)) as pool:
            jobs = [pool.submit(self._count, rows[part], mask, out[part]) for part in parts]
            for job in jobs:
                job.result()
        self._forget()
        return out

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        rows = np.ascontiguousarray(rows, np.int64)
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.n_variants:
            raise ValueError(f"rows must lie in 0 .. {self.n_variants - 1}")
        return rows

    def _submit(
        self, pool: ThreadPoolExecutor, rows: np.ndarray, threads: int
    ) -> tuple[np.ndarray, list[Future[None]]]:
        words = np.empty((len(rows), self.n_words), np.uint64)
        parts = _parts(len(rows), self._n_stored, threads)
        return words, [pool.submit(self._decode, rows[part], words[part]) for part in parts]

    def _await(self, words: np.ndarray, jobs: list[Future[None]]) -> np.ndarray:
        for job in jobs:
            job.result()
        self._forget()
        return words

    def _block(self, rows: np.ndarray, words: np.ndarray, jobs: list[Future[None]]) -> PackedBlock:
        return PackedBlock(rows, self._await(words, jobs))

    def _forget(self) -> None:
        """Let go of mapped pages, so that memory stays bounded; the page cache keeps them."""
        self._map.madvise(mmap.MADV_DONTNEED)

    def _decode(self, rows: np.ndarray, out: np.ndarray) -> None:
        if self._kept is None:
            self._decode_all(rows, out)
            return
        step = max(1, CALLS_PER_PART // 8 // self._n_stored)
        whole = np.empty((min(step, len(rows)), -(-self._n_stored // 32)), np.uint64)
        for first in range(0, len(rows), step):
            part = rows[first : first + step]
            self._decode_all(part, whole[: len(part)])
            take_samples(whole[: len(part)], self._kept, out[first : first + step])

    def _decode_all(self, rows: np.ndarray, out: np.ndarray) -> None:
        if self._index is None:
            decode_bed(self._file, BED_MAGIC, rows, self._n_stored, out)
            return
        scratch = np.empty(out.shape[1], np.uint64)
        self._check(decode_records(*self._records(rows), scratch, out), rows)

    def _count(self, rows: np.ndarray, mask: np.ndarray, out: np.ndarray) -> None:
        if self._index is None:
            words = np.empty((min(256, len(rows)), len(mask)), np.uint64)
            for first in range(0, len(rows), 256):
                part = rows[first : first + 256]
                self._decode_all(part, words[: len(part)])
                count_rows(words[: len(part)], mask, out[first : first + 256])
            return
        scratch = np.empty((2, len(mask)), np.uint64)
        four = np.empty(4, np.int64)
        self._check(count_records(*self._records(rows), mask, scratch, four, out), rows)

    def _records(self, rows: np.ndarray) -> tuple[Any, ...]:
        """What decode_records and count_records take first."""
        assert self._index is not None
        n, start, stop, kind, base = self._index
        id_bytes = 1 if n <= 0xFF else 2 if n <= 0xFFFF else 3 if n <= 0xFFFFFF else 4
        return self._file, start, stop, kind, base, rows, n, id_bytes

    def _check(self, faulty: int, rows: np.ndarray) -> None:
        if faulty >= 0:
            raise InputError(
                f"{self.path}, record {int(rows[faulty]) + 1}: its bytes make no calls of "
                f"{self._n_stored} samples; the file is damaged, copy it again or make it again, "
                "and check it with `plink2 --validate`"
            )


def _map(path: Path) -> tuple[mmap.mmap, np.ndarray]:
    """A file in memory, and its bytes as uint8."""
    if not path.stat().st_size:
        raise InputError(f"{path}: is empty; make it again")
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return mapped, np.frombuffer(mapped, np.uint8)


def _parts(n_rows: int, n_samples: int, threads: int) -> list[slice]:
    """Rows for each thread."""
    n = max(1, min(threads, n_rows * n_samples // CALLS_PER_PART))
    edges = np.linspace(0, n_rows, n + 1).astype(int)
    return [slice(a, b) for a, b in pairwise(edges)]


def _read_variants(
    table: VariantTable, genotypes: Path, n: int, counts: ReadCounts, threads: int
) -> pl.DataFrame:
    """The variant table, one row per record; it must list as many as the genotype file holds."""
    frame = table.read_all(counts, n, threads=threads)
    if counts.refused:
        raise InputError(
            f"{table.path}: has {sum(counts.refused.values())} variants at a negative position; "
            f"leave them out of {genotypes} with `plink2 --make-pgen`"
        )
    if genotypes.suffix == ".bed":
        frame = frame.with_columns(pl.col("ref", "alt").replace("0", "."))
    return frame.insert_column(0, pl.Series("row", np.arange(n)))
