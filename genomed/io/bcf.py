"""BCF 2.1 and 2.2 as batches of ALT counts: inflated in threads, decoded by our own kernel."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError, UsageError
from genomed.io.bcf_fields import FieldText
from genomed.io.bcf_header import MAGIC, BcfHeader, parse_bcf_header
from genomed.io.bgzf import Chunk, TextStream
from genomed.io.selection import OrderWatch, RowSelector, keep_samples
from genomed.io.variant_frame import Records, batch_rows, build_frame
from genomed.io.vcf_batches import n_head
from genomed.kernels import bcf_binary as kernel
from genomed.kernels.vcf_cells import split_phase
from genomed.regions import Region
from genomed.schema import ReadCounts, VariantBatch, Wanted

__all__ = ["BcfReader"]

_DOSAGE = {None: kernel.NO_DOSAGE, "DS": kernel.DS, "GP": kernel.GP}
MAX_RECORD_BYTES = 1 << 30
MIN_RECORD_BYTES = 36

_WHAT = {
    kernel.BAD_STRUCTURE: "its parts do not fit together",
    kernel.BAD_CONTIG: "its contig is not in the header",
    kernel.BAD_SAMPLES: "it has another number of samples than the header",
    kernel.BAD_ALLELE: "a call names an allele that the record does not have",
    kernel.BAD_DOSAGE: "a dosage is not between 0 and 2",
}

_NOTES = {"half_call": kernel.HALF_CALLS, "low_quality_call": kernel.LOW_CALLS}


class BcfReader:
    """Reads BCF, BGZF-compressed or not; satisfies the Reader contract of genomed.schema.

    The rules are those of VCF text: one row per ALT; a half-call (./1) is not called and counted in
    counts.notes; a record with a call of more than two alleles is refused as "ploidy"; END counts
    where every ALT is symbolic or absent. Records that are not wanted are passed over after their
    shared block; their genotypes are not looked at (noted as "not_decoded").

    samples, contigs, counts : see genomed.schema.Reader
    dosage  : None, "DS" or "GP": the FORMAT field of call_dosage; where it is missing, the call
    threads : threads that inflate
    call_thresholds, phase, fields : as in VcfReader; `qual` and numbers in `info` are written with
              six significant digits, as bcftools does
    stream  : an opened TextStream of the same file; path ``-`` is standard input
    size    : bytes of the file on disk, None for a pipe; n_compressed of them are read so far
    """

    def __init__(
        self,
        path: Path | str,
        *,
        samples: Sequence[str] | None = None,
        dosage: str | None = None,
        threads: int = 1,
        max_batch_bytes: int = 16 << 20,
        call_thresholds: tuple[int, int] = (0, 0),
        phase: bool = False,
        fields: Sequence[str] = (),
        stream: TextStream | None = None,
    ) -> None:
        if dosage not in _DOSAGE:
            raise UsageError(f"dosage field {dosage!r} is not DS or GP")
        n_head(fields)  # refuses what is not known
        self.path = str(path)
        self._threads = max(1, threads)
        self._stream: TextStream | None = None
        self._open(stream)
        if stream is None and self.path != "-":
            self.close()  # opened again to be read
        kept = keep_samples(self._header.samples, samples, Path(self.path))
        everyone = np.arange(len(self._header.samples)) if kept is None else kept
        self._kept = everyone.astype(np.int64)
        self.samples: list[str] = [self._header.samples[i] for i in everyone]
        self.contigs = self._header.contigs
        self.counts = ReadCounts(notes=dict(self._header.notes))
        self._field = _DOSAGE[dosage]
        self._keys = self._format_keys(dosage, call_thresholds)
        self._thresholds = np.array(call_thresholds, np.int64)
        self._phase = phase
        self._fields = tuple(fields)
        self._max_rows = batch_rows(len(self.samples), max_batch_bytes)
        self.n_compressed = 0

    @property
    def header_text(self) -> bytes:
        """The header as a VCF has it, lines ending in a line feed only."""
        return self._header.text

    def _format_keys(self, dosage: str | None, thresholds: tuple[int, int]) -> np.ndarray:
        """int64 (4,): numbers of GT, the dosage field, DP and GQ; -1 for what is not needed."""
        names = ("GT", dosage or "", "DP", "GQ")
        needed = (True, dosage is not None, thresholds[0] > 0, thresholds[1] > 0)
        keys = self._header.keys
        found = [keys.get(n, -1) if use else -1 for n, use in zip(names, needed, strict=True)]
        return np.array(found, np.int64)

    def close(self) -> None:
        """Close the file; it is opened again when it is read again."""
        if self._stream:
            self._stream.close()
        self._stream = None

    def iter_batches(
        self, region: Region | None = None, wanted: Wanted | None = None
    ) -> Iterator[VariantBatch]:
        """Yield rows in the order of the file: all, or those in `region`, or those `wanted`."""
        if self._stream is None:
            if self.path == "-":
                raise UsageError("standard input can be read only once; save it to a file first")
            self._open(None)
        self.counts = ReadCounts(notes=dict(self._header.notes))
        selector = RowSelector(region, wanted)
        batch = _Batch(self, self._header.names)
        try:
            for walked in self._walk(selector):
                yield from batch.add(walked)
            yield from batch.rest()
        finally:
            self._chunks.close()
            self.close()
        if not selector.takes_all and self.counts.n_passed_over:
            self.counts.notes["not_decoded"] = self.counts.n_passed_over

    def _open(self, stream: TextStream | None) -> None:
        self._stream = stream or TextStream(self.path)
        self.size = self._stream.size
        self._chunks = self._inflated(self._stream)
        try:
            text, self._rest = self._read_header()
            self._header: BcfHeader = parse_bcf_header(text, self.path)
        except InputError:
            self._chunks.close()
            self.close()
            raise

    def _read_header(self) -> tuple[bytes, bytes]:
        """Text of the header, and what was inflated beyond it."""
        data = b""
        needed = 9
        while len(data) < needed:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise InputError(f"{self.path}: ends within its header; copy or make it again")
            data += bytes(chunk)
            if len(data) >= 9 and needed == 9:
                if data[:4] != MAGIC:
                    raise InputError(
                        f"{self.path}: not a BCF of version 2; convert it with `bcftools view -Ob`"
                    )
                needed = 9 + struct.unpack_from("<I", data, 5)[0]
        return data[9:needed], data[needed:]

    def _inflated(self, stream: TextStream) -> Generator[memoryview, None, None]:
        """Inflated bytes in order; a view is good until the next one is asked for."""
        for buffer, n, chunk in self._filled(stream):
            self.n_compressed = chunk.n_compressed
            yield memoryview(buffer)[:n]
            chunk.release(buffer)

    def _filled(self, stream: TextStream) -> Iterator[tuple[bytearray, int, Chunk]]:
        if self._threads == 1:
            for chunk in stream.chunks():
                yield *chunk.fill(), chunk
            return
        ahead: deque[tuple[Future[tuple[bytearray, int]], Chunk]] = deque()
        with ThreadPoolExecutor(self._threads - 1, thread_name_prefix="genomed-inflate") as pool:
            try:
                for chunk in stream.chunks():
                    ahead.append((pool.submit(chunk.fill), chunk))
                    if len(ahead) > self._threads:
                        future, done = ahead.popleft()
                        yield *future.result(), done
                while ahead:
                    future, done = ahead.popleft()
                    yield *future.result(), done
            finally:
                for future, _ in ahead:
                    future.cancel()

    def _walk(self, selector: RowSelector) -> Iterator[_Walked]:
        """Whole records of each chunk, counted and selected."""
        codes = np.array([selector.code(name) for name in self._header.names], np.int32)
        walk = _Walk(self, selector, codes)
        yield from walk.take(np.frombuffer(bytearray(self._rest), np.uint8))
        for chunk in self._chunks:
            yield from walk.take(np.frombuffer(chunk, np.uint8))
        walk.finish()

    def damaged(self, record: int, what: int) -> InputError:
        """The error for one record, by its number in the file."""
        return InputError(
            f"{self.path}, record {record}: {_WHAT[what]}; the file is damaged, make it again"
        )


class _Walked:
    """Records that lie whole in the buffer, and which of them are wanted."""

    def __init__(self, size: int) -> None:
        self.buffer = np.zeros(0, np.uint8)
        self.first = 0  # records of the file before these
        self.chosen = np.zeros(0, np.int64)
        self.contig = np.empty(size, np.int32)
        self.position = np.empty(size, np.int64)
        self.end_position = np.empty(size, np.int64)
        self.place = np.empty((size, kernel.N_PLACES), np.int32)


class _Walk:
    """Finds, counts and selects the records of chunk after chunk, also those across a border."""

    def __init__(self, reader: BcfReader, selector: RowSelector, codes: np.ndarray) -> None:
        self._reader = reader
        self._selector = selector
        self._codes = codes
        self._begun = bytearray()  # a record whose end is still to come
        self._order = OrderWatch()
        self._n_records = 0
        self._walked = _Walked(0)

    def take(self, chunk: np.ndarray) -> Iterator[_Walked]:
        """Yield the records that are whole now, in one or two parts; the chunk is not kept."""
        used = 0
        if self._begun:
            used = self._complete(chunk)
            if used == len(chunk) and len(self._begun) < self._begun_size():
                return
            whole, self._begun = self._begun, bytearray()
            yield from self._records(np.frombuffer(whole, np.uint8))
        yield from self._records(chunk[used:])

    def finish(self) -> None:
        """Nothing may be left at the end of the file."""
        if self._begun:
            raise InputError(
                f"{self._reader.path}: ends in the middle of record {self._n_records + 1}; it is "
                "truncated, copy or make it again"
            )

    def _complete(self, chunk: np.ndarray) -> int:
        """Add what the begun record lacks; the bytes taken from the chunk."""
        used = 0
        for _ in range(2):  # first its two lengths, then the rest
            stop = min(len(chunk), used + self._begun_size() - len(self._begun))
            self._begun += chunk[used:stop].tobytes()
            used = stop
        return used

    def _begun_size(self) -> int:
        """Bytes of the begun record, or of its two lengths while they are not known."""
        if len(self._begun) < 8:
            return 8
        size = 8 + sum(struct.unpack_from("<II", self._begun))
        if size > MAX_RECORD_BYTES:
            raise self._reader.damaged(self._n_records + 1, kernel.BAD_STRUCTURE)
        return size

    def _records(self, buffer: np.ndarray) -> Iterator[_Walked]:
        header = self._reader._header
        capacity = len(buffer) // MIN_RECORD_BYTES + 1
        if len(self._walked.position) < capacity:
            self._walked = _Walked(capacity)
        w = self._walked
        n, stop, wrong = kernel.walk_records(
            buffer,
            len(buffer),
            len(header.names),
            len(header.samples),
            header.keys.get("END", -1),
            w.contig,
            w.position,
            w.end_position,
            w.place,
        )
        w.buffer, w.first = buffer, self._n_records
        if n:
            self._select(w, n)
            yield w
        if wrong:
            raise self._reader.damaged(self._n_records + 1, wrong)
        self._begun += buffer[stop:].tobytes()

    def _select(self, w: _Walked, n: int) -> None:
        code = self._codes[w.contig[:n]]
        w.chosen = self._selector.select(
            w.buffer,
            code,
            w.position[:n],
            w.end_position[:n],
            w.place[:n, kernel.ID_START],
            w.place[:n, kernel.ID_STOP],
        )
        counts = self._reader.counts
        counts.n_records += n
        counts.n_passed_over += n - len(w.chosen)
        self._order.see(counts, code, w.position[:n])
        self._n_records += n


class _Batch:
    """Decodes chosen records into the rows of a batch until it is full."""

    def __init__(self, reader: BcfReader, names: list[str]) -> None:
        self._reader = reader
        self._names = names
        self._tally = np.zeros(kernel.N_TALLIES, np.int64)
        self._text = FieldText(reader._fields, reader._header)
        self._word = np.empty(1, np.uint32)
        self._begin(reader._max_rows)

    def add(self, w: _Walked) -> Iterator[VariantBatch]:
        """Decode the chosen records; yield the batches that are full."""
        done = 0
        while done < len(w.chosen):
            reached = self._decode(w, done)
            if reached < len(w.chosen):
                yield from self.rest()
                if reached == done:  # this record alone is longer than a batch
                    self._begin(int(w.place[w.chosen[done], kernel.N_ALTS]))
            done = reached

    def rest(self) -> Iterator[VariantBatch]:
        """Yield what was decoded, if anything, and begin anew."""
        if self._row:
            records = Records.join(self._records)
            try:
                frame, not_utf8 = build_frame(records, self._names)
            except ValueError as error:
                raise InputError(
                    f"{self._reader.path}: {error}, near record {records.number[0]}; mend the file"
                ) from None
            if not_utf8:
                notes = self._reader.counts.notes
                notes["not_utf8"] = notes.get("not_utf8", 0) + 1
            if self._reader._fields:
                frame = frame.hstack(self._columns(records))
            alt_count, phase = self._alt_count[: self._row], None
            if self._reader._phase:
                phase = np.empty_like(alt_count)
                split_phase(alt_count.ravel(), phase.ravel())
            ploidy = _split_haploid(alt_count) if self._tally[kernel.HAPLOID_CALLS] else None
            dosage = self._dosage[: self._row] if self._reader._field else None
            yield VariantBatch(frame, alt_count, ploidy, dosage, phase)
        self._begin(self._reader._max_rows)

    def _columns(self, records: Records) -> pl.DataFrame:
        try:
            return self._text.columns()
        except (ValueError, pl.exceptions.PolarsError) as error:
            raise InputError(
                f"{self._reader.path}: {error}, near record {records.number[0]}; mend the file"
            ) from None

    def _begin(self, rows: int) -> None:
        n_samples = len(self._reader.samples)
        self._row = 0
        self._records: list[Records] = []
        self._alt_count = np.empty((rows, n_samples), np.int8)
        shape = (rows, n_samples) if self._reader._field else (0, 0)
        self._dosage = np.empty(shape, np.float32)
        self._tally[:] = 0
        self._text.clear()

    def _decode(self, w: _Walked, first: int) -> int:
        """Decode from chosen[first] on; the first record that did not fit."""
        reader = self._reader
        fate = np.zeros(len(w.chosen), np.uint8)
        before = self._tally.copy()
        reached, self._row, wrong = kernel.decode_records(
            w.buffer,
            w.place,
            w.chosen,
            first,
            len(reader._header.samples),
            reader._keys,
            reader._field,
            reader._thresholds,
            reader._phase,
            reader._kept,
            self._alt_count,
            self._dosage,
            self._row,
            fate,
            self._tally,
            self._word,
            self._word.view(np.float32),
        )
        if wrong:
            raise reader.damaged(w.first + int(w.chosen[reached]) + 1, wrong)
        kept = w.chosen[first:reached][fate[first:reached] == kernel.EMITTED]
        self._count(reached - first, len(kept), self._tally - before)
        lost = w.chosen[first:reached][fate[first:reached] != kernel.EMITTED]
        reader.counts.refused_at += [
            (self._names[c], int(p)) for c, p in zip(w.contig[lost], w.position[lost], strict=True)
        ]
        if len(kept):
            self._records.append(_records(w, kept))
            damaged = self._text.add(w.buffer, w.place, kept)
            if damaged is not None:
                raise reader.damaged(w.first + int(kept[damaged]) + 1, kernel.BAD_STRUCTURE)
        return reached

    def _count(self, n: int, n_kept: int, met: np.ndarray) -> None:
        counts = self._reader.counts
        counts.n_emitted += n_kept
        if n > n_kept:
            counts.refused["ploidy"] = counts.refused.get("ploidy", 0) + n - n_kept
        for note, slot in _NOTES.items():
            if met[slot]:
                counts.notes[note] = counts.notes.get(note, 0) + int(met[slot])


def _records(w: _Walked, kept: np.ndarray) -> Records:
    place = w.place[kept]
    size = int((place[:, kernel.INDIVIDUAL] - place[:, kernel.ID_START]).sum()) + 8 * len(kept)
    text = np.empty(size, np.uint8)
    n = kernel.join_alleles(w.buffer, w.place, kept, text)
    return Records(
        w.first + kept + 1,
        w.contig[kept],
        w.position[kept],
        w.end_position[kept],
        text[:n].tobytes(),
        int(np.maximum(place[:, kernel.N_ALTS], 1).sum()),
    )


def _split_haploid(alt_count: np.ndarray) -> np.ndarray:
    """Take the code for haploid calls out of alt_count, in place; the ploidies, int8."""
    haploid = alt_count >= kernel.HAPLOID
    alt_count[haploid] -= kernel.HAPLOID
    return np.where(haploid, 1, 2).astype(np.int8)
