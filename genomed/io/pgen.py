"""PLINK 2 genotypes: a .pgen with its .pvar and .psam, read through pgenlib."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pgenlib
import polars as pl

from genomed.errors import InputError
from genomed.io.haploid import split_ploidy
from genomed.io.plink_tables import VariantTable, companion_paths, read_samples
from genomed.io.selection import RowSelector, keep_samples
from genomed.io.variant_frame import batch_rows, iter_frames
from genomed.regions import Region
from genomed.schema import MISSING, ReadCounts, VariantBatch, Wanted

__all__ = ["PgenReader"]

VBLOCK = 1 << 16  # variants described together in a header
CALLS_PER_THREAD = 1 << 20  # fewer are not worth another thread


class PgenReader:
    """A PGEN fileset as batches; satisfies the Reader contract of genomed.schema.

    One row per ALT of the .pvar, with the count of that ALT. Calls of a male on X and of anybody
    on Y and MT are haploid when homozygous, see genomed.io.haploid; INFO/END is not looked at, as
    plink2 does not import reference blocks. Variants at a negative position, which PLINK ignores,
    are refused as "no_position".

    samples : IIDs; FID_IID where IIDs repeat (counts.notes says so under "iid_repeated")
    contigs : of the ##contig lines; without any, found by scanning the table once
    counts  : what the latest iteration met
    phase   : whether to read the phase of heterozygous calls
    dosage  : None for hard calls; "DS" or "GP" to read stored dosages as well (the hard call where
              none is stored)
    """

    def __init__(
        self,
        path: Path,
        *,
        samples: Sequence[str] | None = None,
        dosage: str | None = None,
        threads: int = 1,
        max_batch_bytes: int = 16 << 20,
        phase: bool = False,
    ) -> None:
        self._phase = phase
        self.path, pvar, psam = companion_paths(Path(path), (".pgen",))
        table = read_samples(psam)
        self._header = _read_header(self.path)
        if self._header.n_samples != len(table.names):
            raise InputError(
                f"{psam}: names {len(table.names)} samples, but {self.path} holds "
                f"{self._header.n_samples}; take both files from the same run"
            )
        self._kept = keep_samples(table.names, samples, psam)
        everyone = np.arange(len(table.names)) if self._kept is None else self._kept
        self.samples: list[str] = [table.names[i] for i in everyone]
        self._male = table.male[everyone]
        self._notes = {"iid_repeated": len(table.names)} if table.renamed else {}
        self._table = VariantTable(pvar)
        self._dosage = dosage
        self._threads = max(1, threads)
        self._max_rows = batch_rows(len(self.samples), max_batch_bytes)
        self.counts = ReadCounts(notes=dict(self._notes))

    @cached_property
    def contigs(self) -> dict[str, int | None]:
        """Contig name as spelt in the .pvar -> length or None."""
        return self._table.contigs or dict.fromkeys(self._survey[0])

    @cached_property
    def _survey(self) -> tuple[list[str], np.ndarray]:
        return self._table.survey()

    def close(self) -> None:
        """Nothing stays open between iterations."""

    def iter_batches(
        self, region: Region | None = None, wanted: Wanted | None = None
    ) -> Iterator[VariantBatch]:
        """Yield rows in the order of the file: all, or those in `region`, or those `wanted`."""
        self.counts = ReadCounts(notes=dict(self._notes))
        if not self.samples:
            raise InputError(f"{self.path}: no samples are left; check --samples")
        selector = RowSelector(region, wanted)
        records = self._table.iter_records(
            selector, self.counts, self._header.n_variants, threads=self._threads
        )
        frames = iter_frames(records, selector, self.counts, self._max_rows, self._table.path)
        offsets = self._offsets()
        with _Genotypes(self.path, self._header, offsets, self._kept, self._threads) as calls:
            for frame in frames:
                yield self._batch(calls, frame)

    def _batch(self, calls: _Genotypes, frame: pl.DataFrame) -> VariantBatch:
        variant = (frame["line"].to_numpy() - 1).astype(np.uint32)
        allele = _allele_index(variant)
        shape = (len(frame), len(self.samples))
        alt_count = calls.read(variant, allele, np.empty(shape, np.int8))
        dosage = None
        if self._dosage is not None:
            dosage = calls.read(variant, allele, np.empty(shape, np.float32))
            dosage[dosage == MISSING] = np.nan
        phase = calls.read_phase(variant, allele) if self._phase else None
        ploidy = split_ploidy(frame["contig"], self._male, alt_count, dosage)
        return VariantBatch(frame, alt_count, ploidy, dosage, phase)

    def _offsets(self) -> np.ndarray | None:
        """Where each variant's alleles begin; needed only when a call holds a second ALT."""
        if not self._header.multiallelic:
            return None
        n_alts = self._survey[1]
        if len(n_alts) != self._header.n_variants:
            raise InputError(
                f"{self._table.path}: lists {len(n_alts)} variants, but {self.path} holds "
                f"{self._header.n_variants}; take both files from the same run"
            )
        return np.concatenate([[0], np.cumsum(n_alts.astype(np.int64) + 1)]).astype(np.uintp)


class _Header(NamedTuple):
    """Sizes a .pgen declares, and whether any of its calls holds a second ALT."""

    n_variants: int
    n_samples: int
    multiallelic: bool


def _read_header(path: Path) -> _Header:
    """Read the sizes and check that the file is as long as its index says.

    Layout: https://github.com/chrchang/plink-ng/tree/master/pgen_spec, sections 2.1 and 2.2.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:2] != b"\x6c\x1b":
            raise InputError(f"{path}: not a PGEN file; give the .pgen that plink2 wrote")
        if head[2:3] == b"\x01":
            raise InputError(f"{path}: holds PLINK 1 genotypes; rename it to .bed")
        if len(head) < 12:
            raise _cut_off(path, size, 12)
        n_variants, n_samples = np.frombuffer(head, "<u4", 2, 3).tolist()
        if head[2] != 0x10 or head[11] & 15 > 7 or not n_variants:
            return _Header(n_variants, n_samples, False)
        end, multiallelic = _read_index(file, n_variants, head[11])
    if size < end:
        raise _cut_off(path, size, end)
    return _Header(n_variants, n_samples, multiallelic)


def _read_index(file: BinaryIO, n_variants: int, control: int) -> tuple[int, bool]:
    """Where the last record ends, or the index if it is cut off; and whether any record type has
    the multiallelic bit, 8.
    """
    width = control & 15
    type_bits, length_bytes = (4, width + 1) if width < 4 else (8, width - 3)
    alts_bytes = control >> 4 & 3
    flags = control >> 6 == 3
    starts = file.read(8 * -(-n_variants // VBLOCK))
    multiallelic = False
    for first in range(0, n_variants, VBLOCK):
        n = min(VBLOCK, n_variants - first)
        types = np.frombuffer(file.read((n * type_bits + 7) // 8), np.uint8)
        multiallelic = multiallelic or bool((types & (0x08 if type_bits == 8 else 0x88)).any())
        lengths = file.read(n * length_bytes)
        index_end = file.seek(n * alts_bytes + (-(-n // 8) if flags else 0), os.SEEK_CUR)
        if len(lengths) < n * length_bytes:
            return index_end + n * length_bytes, multiallelic
    cells = np.frombuffer(lengths, np.uint8).reshape(-1, length_bytes)
    last_start = int.from_bytes(starts[-8:], "little")
    return last_start + int((cells * 256 ** np.arange(length_bytes)).sum()), multiallelic


def _cut_off(path: Path, size: int, end: int) -> InputError:
    return InputError(
        f"{path}: is {size} bytes long, where at least {end} are needed; the file is cut off, "
        "copy it again"
    )


def _allele_index(variant: np.ndarray) -> np.ndarray:
    """Which ALT of its record each row is, from 1: int64 (rows,); records are runs of `variant`."""
    if not len(variant):
        return np.zeros(0, np.int64)
    new = np.concatenate([[True], variant[1:] != variant[:-1]])
    at = np.arange(len(variant))
    return at - np.maximum.accumulate(np.where(new, at, 0)) + 1


class _Genotypes:
    """One pgenlib reader per thread over the same file; pgenlib lets go of the GIL."""

    def __init__(
        self,
        path: Path,
        header: _Header,
        allele_offset: np.ndarray | None,
        kept: np.ndarray | None,
        threads: int,
    ) -> None:
        self._path = path
        self._header = header
        self._offset = allele_offset
        self._kept = kept
        self._threads = threads
        self._readers: list[pgenlib.PgenReader] = []

    def __enter__(self) -> _Genotypes:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers:
            reader.close()

    def read(self, variant: np.ndarray, allele: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Fill `out` with copies of each row's ALT: int8 counts or float32 dosages, -9 missing.

        variant : uint32 (rows,), ascending, a record's rows together
        allele  : int64 (rows,), 1 for the first ALT
        """
        parts = min(self._threads, 1 + out.size // CALLS_PER_THREAD)
        while len(self._readers) < parts:
            self._readers.append(self._open())
        edges = np.linspace(0, len(variant), parts + 1).astype(int)
        jobs = [
            (reader, variant[a:b], allele[a:b], out[a:b])
            for reader, a, b in zip(self._readers, edges[:-1], edges[1:], strict=False)
        ]
        if parts == 1:
            self._read_part(*jobs[0])
        else:
            with ThreadPoolExecutor(parts) as pool:
                list(pool.map(lambda job: self._read_part(*job), jobs))
        return out

    def read_phase(self, variant: np.ndarray, allele: np.ndarray) -> np.ndarray:
        """Which haplotype bears each row's ALT: int8 (rows, samples), ARRAYS["call_phase"]."""
        reader = self._readers[0] if self._readers else self._open()
        n_samples = self._header.n_samples if self._kept is None else len(self._kept)
        phase = np.empty((len(variant), n_samples), np.int8)
        step = max(1, CALLS_PER_THREAD // n_samples)
        for first in range(0, len(variant), step):
            rows = slice(first, first + step)
            codes = np.empty((len(variant[rows]), 2 * n_samples), np.int32)
            phased = np.empty((len(codes), n_samples), np.bool_)
            try:
                reader.read_alleles_and_phasepresent_list(variant[rows], codes, phased)
            except RuntimeError as error:
                raise self._damaged(error) from None
            bears = codes == allele[rows, np.newaxis]
            het = (bears[:, 0::2] != bears[:, 1::2]) & phased
            phase[rows] = np.where(het, 1 + bears[:, 0::2], 0)
        return phase

    def _open(self) -> pgenlib.PgenReader:
        try:
            return pgenlib.PgenReader(
                os.fsencode(self._path),
                raw_sample_ct=self._header.n_samples,
                variant_ct=self._header.n_variants,
                sample_subset=self._kept,
                allele_idx_offsets=self._offset,
            )
        except RuntimeError as error:
            raise self._damaged(error) from None

    def _read_part(
        self, reader: pgenlib.PgenReader, variant: np.ndarray, allele: np.ndarray, out: np.ndarray
    ) -> None:
        counts = out.dtype == np.int8
        try:
            (reader.read_list if counts else reader.read_dosages_list)(variant, out)
            for row in np.flatnonzero(allele > 1):
                if self._offset is None:  # nobody carries it
                    out[row] = np.where(out[row] == MISSING, MISSING, 0)
                else:
                    read = reader.read if counts else reader.read_dosages
                    read(variant[row], out[row], allele[row])
        except RuntimeError as error:
            raise self._damaged(error) from None

    def _damaged(self, error: RuntimeError) -> InputError:
        why = error.args[0]
        text = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        return InputError(
            f"{self._path}: pgenlib cannot read it ({text.strip()}); check it with "
            "`plink2 --validate`"
        )
