"""BGEN 1.1 to 1.3, read through the optional package `bgen`: genotype probabilities as dosages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from genomed.errors import InputError, UnfitError
from genomed.io.haploid import split_ploidy
from genomed.io.selection import OrderWatch, RowSelector, keep_samples
from genomed.io.variant_frame import Records, batch_rows, build_frame
from genomed.regions import Region
from genomed.schema import MISSING, ReadCounts, VariantBatch, Wanted

__all__ = ["BgenReader"]

HARD_CALL_DISTANCE = 0.1  # from a whole number of copies, as plink2 --hard-call-threshold
BLOCK_VARIANTS = 1024  # looked at together before any is decoded


class BgenReader:
    """A BGEN file as batches; satisfies the Reader contract of genomed.schema.

    The first allele is REF, as in UK Biobank and `plink2 --bgen FILE ref-first`; the ID is the
    rsID, or the variant ID where there is none. Dosages are always given; alt_count is the dosage
    rounded where it lies within 0.1 of a whole number (on the scale of two copies), else missing.
    Records with a call of more than two alleles are refused as "ploidy".

    phase   : whether to give the phase of heterozygous calls, where haplotypes are stored
    samples : names in the file, else ID_2 of the .sample file beside it
    contigs : those of the records, found by scanning them once; lengths are not known
    counts  : what the latest iteration met
    dosage, threads : not used, dosages are always there and decoding is one thread's work

    A .sample file beside it that tells sex makes homozygous calls haploid on X in males, and on Y
    and MT, in records that store all calls as diploid, see genomed.io.haploid.
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
        self.path = Path(path)
        self._phase = phase
        with self._open() as file:
            self._n_variants = int(file.header.nvariants)
            named = bool(file.header.has_sample_ids)
            names = list(file.samples) if named else []
            n_samples = int(file.header.nsamples)
        names, male = _match_samples(self.path, names, n_samples)
        kept = keep_samples(names, samples, self.path)
        self._kept = np.arange(n_samples) if kept is None else kept
        self.samples: list[str] = [names[i] for i in self._kept]
        self._male = male[self._kept]
        self._max_rows = batch_rows(len(self.samples), max_batch_bytes)
        self.counts = ReadCounts()

    @cached_property
    def contigs(self) -> dict[str, int | None]:
        """Contig name as spelt in the file -> None."""
        with self._open() as file:
            return dict.fromkeys(variant.chrom for variant in self._variants(file))

    def close(self) -> None:
        """Nothing stays open between iterations."""

    def iter_batches(
        self, region: Region | None = None, wanted: Wanted | None = None
    ) -> Iterator[VariantBatch]:
        """Yield rows in the order of the file: all, or those in `region`, or those `wanted`."""
        self.counts = ReadCounts()
        selector = RowSelector(region, wanted)
        batch = _Batch(self)
        with self._open() as file:
            for number, variant in self._chosen(file, selector):
                decoded = self._decode(variant, number)
                if decoded is None:
                    self.counts.refused["ploidy"] = self.counts.refused.get("ploidy", 0) + 1
                    continue
                self.counts.n_emitted += 1
                if batch.is_full_with(len(decoded.dosage)):
                    yield batch.take(selector.contigs)
                batch.add(number, selector.code(variant.chrom), variant, decoded)
        if batch.n_rows:
            yield batch.take(selector.contigs)

    def _chosen(self, file: Any, selector: RowSelector) -> Iterator[tuple[int, Any]]:
        """Selected variants and their 1-based numbers; counts all of them."""
        variants = self._variants(file)
        order = OrderWatch()
        before = 0
        while block := list(islice(variants, BLOCK_VARIANTS)):
            names = [_name(v).encode() for v in block]
            stop = np.cumsum([len(name) for name in names]).astype(np.int32)
            code = np.array([selector.code(v.chrom) for v in block], np.int32)
            position = np.array([v.pos for v in block], np.int64)
            length = np.array([len(v.alleles[0]) for v in block], np.int64)
            chosen = selector.select(
                np.frombuffer(bytearray(b"".join(names)), np.uint8),
                code,
                position,
                position + np.maximum(length, 1) - 1,
                stop - np.array([len(name) for name in names], np.int32),
                stop,
            )
            order.see(self.counts, code, position)
            self.counts.n_records += len(block)
            self.counts.n_passed_over += len(block) - len(chosen)
            for i in chosen:
                yield before + int(i) + 1, block[i]
            before += len(block)
        if before != self._n_variants:
            raise self._damaged(f"{before} variants, not {self._n_variants}")

    def _variants(self, file: Any) -> Iterator[Any]:
        try:
            yield from file
        except (ValueError, OSError, IndexError, UnicodeDecodeError) as error:
            raise self._damaged(error) from None

    def _decode(self, variant: Any, number: int) -> _Decoded | None:
        """What a variant holds of the samples kept; None if a call has over two alleles."""
        try:
            ploidy = np.asarray(variant.ploidy)
            if len(ploidy) and ploidy.max() > 2:
                return None
            probabilities = np.asarray(variant.probabilities)[self._kept]
        except (ValueError, OSError) as error:
            raise self._damaged(f"variant {number}: {error}") from None
        ploidy = ploidy[self._kept].astype(np.int8)
        n_alleles, phased = len(variant.alleles), bool(variant.is_phased)
        dosage = _dosages(probabilities, ploidy, n_alleles, phased).astype(np.float32)
        phase = None
        if self._phase:
            phase = _phases(probabilities if phased else None, n_alleles, dosage.shape)
        return _Decoded(dosage, ploidy, phase)

    def _open(self) -> Any:
        try:
            import bgen  # noqa: PLC0415 - an optional package
        except ImportError:
            raise UnfitError(
                f"{self.path}: BGEN needs the package bgen; install it with "
                "`pip install 'genomed[bgen]'`"
            ) from None
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file; give a .bgen")
        try:
            return bgen.BgenReader(str(self.path), delay_parsing=True)
        except (ValueError, OSError) as error:
            raise self._damaged(error) from None

    def _damaged(self, what: object) -> InputError:
        return InputError(
            f"{self.path}: not a whole BGEN file ({what}); copy it again or check it with bgenix"
        )


class _Decoded(NamedTuple):
    """Calls of one variant.

    dosage : float32 (ALTs, samples), NaN missing; one row of 0 without ALT
    ploidy : int8 (samples,)
    phase  : int8 (ALTs, samples), see ARRAYS["call_phase"] (of homozygous calls, anything); or None
    """

    dosage: np.ndarray
    ploidy: np.ndarray
    phase: np.ndarray | None


class _Batch:
    """Rows waiting to become a batch."""

    def __init__(self, reader: BgenReader) -> None:
        self._reader = reader
        self._clear()

    def _clear(self) -> None:
        self.n_rows = 0
        self._number: list[int] = []
        self._code: list[int] = []
        self._position: list[int] = []
        self._text: list[str] = []
        self._dosage: list[np.ndarray] = []
        self._ploidy: list[np.ndarray] = []
        self._phase: list[np.ndarray] = []

    def is_full_with(self, rows: int) -> bool:
        """Whether so many rows more need another batch."""
        return bool(self.n_rows) and self.n_rows + rows > self._reader._max_rows

    def add(self, number: int, code: int, variant: Any, decoded: _Decoded) -> None:
        """Keep one record."""
        ref, *alts = map(_spelling, variant.alleles)
        self._number.append(number)
        self._code.append(code)
        self._position.append(variant.pos)
        self._text.append(f"{_name(variant)}\t{ref}\t{','.join(alts) or '.'}\n")
        self._dosage.append(decoded.dosage)
        self._ploidy.extend([decoded.ploidy] * len(decoded.dosage))
        if decoded.phase is not None:
            self._phase.append(decoded.phase)
        self.n_rows += len(decoded.dosage)

    def take(self, contig_names: list[str]) -> VariantBatch:
        """All rows as a batch; begins a new one."""
        records = Records(
            np.array(self._number, np.int64),
            np.array(self._code, np.int32),
            np.array(self._position, np.int64),
            np.zeros(len(self._number), np.int64),
            "".join(self._text).encode(),
            self.n_rows,
        )
        try:
            frame, _ = build_frame(records, contig_names)
        except ValueError as error:
            raise self._reader._damaged(f"{error}, near variant {self._number[0]}") from None
        dosage, stored = np.concatenate(self._dosage), np.stack(self._ploidy)
        phase = np.concatenate(self._phase) if self._phase else None
        self._clear()
        alt_count = _hard_calls(dosage, stored)
        if phase is not None:
            phase[(alt_count != 1) | (stored == 1)] = 0
        ploidy = np.where(np.isnan(dosage), 2, stored).astype(np.int8)
        told = pl.Series((ploidy == 1).any(axis=1))  # the record says itself who is haploid
        by_sex = split_ploidy(frame["contig"].set(told, ""), self._reader._male, alt_count, dosage)
        if by_sex is not None:
            ploidy = np.minimum(ploidy, by_sex)
        haploid = ploidy if (ploidy == 1).any() else None
        return VariantBatch(frame, alt_count, haploid, dosage, phase)


def _dosages(
    probabilities: np.ndarray, ploidy: np.ndarray, n_alleles: int, phased: bool
) -> np.ndarray:
    """Expected copies of each ALT: (ALTs, samples), NaN where missing; one row of 0 without ALT.

    probabilities : (samples, columns), NaN missing. Phased: the alleles of the first haplotype,
                    then of the second. Unphased: genotypes 0/0 0/1 1/1 0/2 ... or, haploid, the
                    alleles (BGEN 1.2 specification, "Genotype data block")
    ploidy        : int8 (samples,), 0 to 2
    """
    missing = np.isnan(probabilities[:, 0]) | (ploidy == 0)
    known = np.nan_to_num(probabilities)
    copies = np.zeros((n_alleles, len(known)))
    if phased:
        for column in range(known.shape[1]):
            copies[column % n_alleles] += known[:, column]
    else:
        haploid = ploidy == 1
        pairs = [(a, b) for b in range(n_alleles) for a in range(b + 1)]
        for column in range(known.shape[1]):
            a, b = pairs[column]
            copies[a] += np.where(haploid, 0, known[:, column])
            copies[b] += np.where(haploid, 0, known[:, column])
            if column < n_alleles:
                copies[column] += np.where(haploid, known[:, column], 0)
    copies[:, missing] = np.nan
    return copies[1:] if n_alleles > 1 else np.where(missing, np.nan, 0)[np.newaxis]


def _phases(probabilities: np.ndarray | None, n_alleles: int, shape: tuple[int, ...]) -> np.ndarray:
    """Which haplotype is likely to bear each ALT: 1 the second, 2 the first, 0 neither or both.

    probabilities : (samples, 2 x alleles) of the haplotypes, or None where they are not stored
    shape         : (ALTs, samples) of the result, int8
    """
    phase = np.zeros(shape, np.int8)
    if probabilities is None or probabilities.shape[1] < 2 * n_alleles:
        return phase
    for alt in range(1, n_alleles):
        first, second = probabilities[:, alt] > 0.5, probabilities[:, n_alleles + alt] > 0.5
        phase[alt - 1] = np.where(first == second, 0, np.where(first, 2, 1))
    return phase


def _hard_calls(dosage: np.ndarray, ploidy: np.ndarray) -> np.ndarray:
    """Nearest whole number of copies where it is near enough, else -9: int8 (rows, samples)."""
    diploid = np.nan_to_num(dosage * (2 / np.maximum(ploidy, 1)), nan=0.5)
    nearest = np.rint(diploid)
    near = np.abs(diploid - nearest) <= HARD_CALL_DISTANCE + 1e-6
    near &= (ploidy != 1) | (nearest != 1)
    return np.where(near, np.where(ploidy == 1, nearest / 2, nearest), MISSING).astype(np.int8)


def _name(variant: Any) -> str:
    """The rsID, or the variant ID, or a dot."""
    return next((n for n in (variant.rsid, variant.varid) if n not in ("", ".")), ".")


def _spelling(allele: str) -> str:
    """Bases in upper case; symbolic alleles and breakends as they are."""
    return allele if any(c in allele for c in "<>[]") else allele.upper()


def _match_samples(path: Path, names: list[str], n_samples: int) -> tuple[list[str], np.ndarray]:
    """Names of the file, or of the .sample file beside it; and who is male there."""
    beside = path.with_suffix(".sample")
    if not beside.is_file():
        if not names:
            raise InputError(f"{path}: holds no sample names; put {beside.name} beside it")
        return _unique(path, names), np.zeros(n_samples, np.bool_)
    rows = [line.split() for line in beside.read_text(errors="backslashreplace").splitlines()]
    header = [cell.lower() for cell in rows[0]] if rows else []
    people = [row for row in rows[2:] if row]
    if len(people) != n_samples or any(len(row) < max(2, len(header)) for row in people):
        raise InputError(
            f"{beside}: should have two header lines and {n_samples} whole rows, as {path.name} "
            f"has samples, but has {len(people)}; take both files from the same run"
        )
    sex = header.index("sex") if "sex" in header else None
    male = np.array([sex is not None and row[sex] == "1" for row in people], np.bool_)
    return _unique(path, names or [row[1] for row in people]), male


def _unique(path: Path, names: list[str]) -> list[str]:
    name, n = Counter(names).most_common(1)[0] if names else ("", 0)
    if n > 1:
        raise InputError(
            f"{path}: sample {name!r} occurs {n} times; give every sample its own name"
        )
    return names
