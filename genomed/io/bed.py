"""PLINK 1 genotypes: a .bed with its .bim and .fam."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.haploid import split_ploidy
from genomed.io.plink_tables import VariantTable, companion_paths, read_samples
from genomed.io.selection import RowSelector, keep_samples
from genomed.io.variant_frame import batch_rows, called_dosage, iter_frames
from genomed.kernels.bed_decode import count_alts, count_kept_alts
from genomed.regions import Region
from genomed.schema import ReadCounts, VariantBatch, Wanted

__all__ = ["BedReader", "bed_variants"]

MAGIC = b"\x6c\x1b\x01"
INDIVIDUAL_MAJOR = b"\x6c\x1b\x00"


class BedReader:
    """A BED fileset as batches; satisfies the Reader contract of genomed.schema.

    A1 (column 5 of the .bim) is ALT and A2 is REF, as in plink2; the allele "0" becomes ".".
    Haploid calls are told by sex, see genomed.io.haploid; variants at a negative position, which
    PLINK ignores, are refused as "no_position".

    samples : IIDs; FID_IID where IIDs repeat (counts.notes says so under "iid_repeated")
    contigs : those of the .bim, found by scanning it once; lengths are not known
    counts  : what the latest iteration met
    dosage  : None; with "DS" or "GP" the hard calls are given as dosages, for a .bed has no other
    threads : not used, decoding is bound by memory
    """

    def __init__(
        self,
        path: Path,
        *,
        samples: Sequence[str] | None = None,
        dosage: str | None = None,
        threads: int = 1,
        max_batch_bytes: int = 16 << 20,
    ) -> None:
        self.path, bim, fam = companion_paths(Path(path), (".bed",))
        table = read_samples(fam)
        self._stride = -(-len(table.names) // 4)
        self._n_variants = bed_variants(self.path, fam, self._stride)
        kept = keep_samples(table.names, samples, fam)
        self._kept = None if kept is None else kept.astype(np.int64)
        everyone = np.arange(len(table.names)) if kept is None else kept
        self.samples: list[str] = [table.names[i] for i in everyone]
        self._male = table.male[everyone]
        self._notes = {"iid_repeated": len(table.names)} if table.renamed else {}
        self._table = VariantTable(bim)
        self._dosage = dosage
        self._max_rows = batch_rows(len(self.samples), max_batch_bytes)
        self.counts = ReadCounts(notes=dict(self._notes))

    @cached_property
    def contigs(self) -> dict[str, int | None]:
        """Contig name as spelt in the .bim -> None."""
        return self._table.contigs or dict.fromkeys(self._table.survey()[0])

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
        records = self._table.iter_records(selector, self.counts, self._n_variants)
        frames = iter_frames(records, selector, self.counts, self._max_rows, self._table.path)
        with (
            self.path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        ):
            for frame in frames:
                yield self._batch(mapped, frame)
                mapped.madvise(mmap.MADV_DONTNEED)  # memory stays bounded; the page cache keeps it

    def _batch(self, mapped: mmap.mmap, frame: pl.DataFrame) -> VariantBatch:
        alt_count = np.empty((len(frame), len(self.samples)), np.int8)
        offset = len(MAGIC) + (frame["line"].to_numpy() - 1) * self._stride
        packed = np.frombuffer(mapped, np.uint8)
        if self._kept is None:
            count_alts(packed, offset, alt_count)
        else:
            count_kept_alts(packed, offset, self._kept, alt_count)
        del packed  # a view would keep the map from closing
        several = np.flatnonzero((frame["n_alts"] > 1).to_numpy())
        if len(several):
            raise InputError(
                f"{self._table.path}, variant {frame['line'][int(several[0])]}: names several "
                "ALTs, which a .bed cannot hold; use the .pgen it was made from"
            )
        dosage = None if self._dosage is None else called_dosage(alt_count)
        ploidy = split_ploidy(frame["contig"], self._male, alt_count, dosage)
        return VariantBatch(_without_zeros(frame), alt_count, ploidy, dosage)


def bed_variants(path: Path, fam: Path, stride: int) -> int:
    """Number of variants, from the size of a file that begins as it should."""
    with path.open("rb") as file:
        magic = file.read(3)
    if magic == INDIVIDUAL_MAJOR:
        raise InputError(
            f"{path}: holds one row per individual, the layout of PLINK before 1.0; turn it with "
            "`plink --make-bed`"
        )
    if magic != MAGIC:
        raise InputError(f"{path}: not a PLINK 1 .bed file; give the .bed that plink wrote")
    n_variants, rest = divmod(path.stat().st_size - len(magic), stride)
    if rest:
        raise InputError(
            f"{path}: ends within a variant of {stride} bytes, which the samples of {fam.name} "
            "need; the file is cut off or belongs to another .fam, copy all three again"
        )
    return n_variants


def _without_zeros(frame: pl.DataFrame) -> pl.DataFrame:
    """PLINK 1 writes 0 for an allele it has not seen, where VCF has a dot."""
    if not ((frame["alt"] == "0").any() or (frame["ref"] == "0").any()):
        return frame
    absent = pl.col("alt") == "0"
    return frame.with_columns(
        pl.when(absent).then(pl.lit(".")).otherwise("alt").alias("alt"),
        pl.col("ref").replace("0", "."),
        pl.when(absent).then(0).otherwise("n_alts").alias("n_alts"),
    )
