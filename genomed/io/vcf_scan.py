"""What the VCF kernel must know to scan lines, the buffers it fills, the pieces it hands back."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import local
from typing import NamedTuple

import numpy as np

from genomed.io.bgzf import PADDING, Chunk
from genomed.io.vcf_header import VcfHeader, spellings
from genomed.kernels import vcf_codes as codes
from genomed.kernels import vcf_text as kernel
from genomed.kernels.vcf_cells import split_phase
from genomed.regions import Region, canonical_contig
from genomed.schema import Wanted

__all__ = ["Delivery", "Piece", "ScanPlan", "ScannedChunk", "padded", "scan_chunk"]


def padded(text: bytes) -> np.ndarray:
    """uint8 copy of `text` with spare bytes behind it."""
    array = np.zeros(len(text) + PADDING, np.uint8)
    array[: len(text)] = np.frombuffer(text, np.uint8)
    return array


@dataclass
class Piece:
    """What one call of the kernel found.

    row_line : of each row, the line within this call; or, where it was sought, the virtual offset
               of its line
    row_at   : of each row, where its line begins in the text scanned
    error    : code, sample column, the text in question, and contig:position of the line
    """

    state: np.ndarray
    contigs: list[bytes]
    refused: list[tuple[bytes, int]]
    alt_count: np.ndarray
    call_dosage: np.ndarray | None
    call_phase: np.ndarray | None
    row_line: np.ndarray
    row_at: np.ndarray
    row_alt: np.ndarray
    row_n_alts: np.ndarray
    row_end: np.ndarray
    row_flags: np.ndarray
    head: bytes
    error: tuple[int, int, bytes, bytes] | None = None


class Delivery(NamedTuple):
    """What a reader was asked to deliver of the rows that somebody wants.

    dosage           : NO_DOSAGE, DS or GP
    phase            : whether to fill call_phase
    n_head           : first columns of the line that are delivered: 5, 7 (to FILTER) or 8 (to INFO)
    block_thresholds : least depth and quality of the calls of a reference block
    call_thresholds  : least depth and quality of every call
    """

    dosage: int = codes.NO_DOSAGE
    phase: bool = False
    n_head: int = 5
    block_thresholds: tuple[int, int] = (0, 0)
    call_thresholds: tuple[int, int] = (0, 0)


_NO_ROWS = (
    np.zeros((0, 0), np.int8), None, None, np.zeros(0, np.int64), np.zeros(0, np.int64),
    np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.uint8), b"",
)  # fmt: skip


class ScannedChunk(NamedTuple):
    """A chunk: the end of a line begun before, whole lines, the beginning of the next line.

    head_at, tail_at : virtual offsets of head and tail, where the chunk was sought
    begins_range     : whether the head begins a line, because the chunk was sought
    """

    head: bytes
    pieces: list[Piece]
    tail: bytes
    has_newline: bool
    n_compressed: int
    begins_range: bool = False
    head_at: int = 0
    tail_at: int = 0


def scan_chunk(chunk: Chunk, plan: ScanPlan) -> ScannedChunk:
    """Inflate a chunk, scan the whole lines in it, and keep what lies before and behind them."""
    buffer, n = chunk.fill()
    blocks = np.array(chunk.blocks, np.int64).reshape(-1, 2)
    first = buffer.find(b"\n", 0, n) + 1
    if first == 0:
        scanned = ScannedChunk(b"", [], bytes(buffer[:n]), False, chunk.n_compressed)
        last = 0
    else:
        last = buffer.rfind(b"\n", 0, n) + 1
        pieces = plan.scan(np.frombuffer(buffer, np.uint8), first, last) if last > first else []
        for piece in pieces if len(blocks) else ():
            piece.row_line = _virtual_offset(piece.row_at, blocks)
        scanned = ScannedChunk(
            bytes(buffer[:first]), pieces, bytes(buffer[last:n]), True, chunk.n_compressed
        )
    chunk.release(buffer)
    if len(blocks):
        head_at, tail_at = _virtual_offset(np.array([0, last]), blocks).tolist()
        return scanned._replace(begins_range=chunk.begins_range, head_at=head_at, tail_at=tail_at)
    return scanned


def _virtual_offset(place: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Address of the block << 16 | place in the block, of places in a chunk's text; int64."""
    block = np.searchsorted(blocks[:, 0], place, side="right") - 1
    return (blocks[block, 1] << 16) + (place - blocks[block, 0])


class _Buffers(local):
    """Output arrays of one thread, reused until a piece takes them."""

    made: bool = False
    rows: int = 0


@dataclass
class ScanPlan:
    """Everything the kernel needs to know about what is wanted; shared by all threads."""

    n_fixed: int
    n_samples: int
    n_kept: int
    slots: np.ndarray
    keep_all: bool
    contig_text: np.ndarray
    contig_bounds: np.ndarray
    contig_first: np.ndarray
    contig_last: np.ndarray
    positions: np.ndarray
    id_table: np.ndarray
    region: np.ndarray
    delivery: Delivery
    thresholds: np.ndarray
    call_thresholds: np.ndarray
    rows: int
    buffers: _Buffers = field(default_factory=_Buffers)

    @classmethod
    def make(
        cls,
        header: VcfHeader,
        slots: np.ndarray,
        n_kept: int,
        delivery: Delivery,
        region: Region | None,
        wanted: Wanted | None,
        max_batch_bytes: int,
    ) -> ScanPlan:
        positions = dict(wanted.positions) if wanted else {}
        order = list(positions)
        limits = np.zeros(3, np.int64)
        if region is not None:
            contig = canonical_contig(region.contig)
            order = [contig, *(c for c in order if c != contig)]
            limits[:] = len(spellings(contig)), region.start + 1, region.end
        names, first, last, at = [], [], [], 0
        for contig in order:
            n = len(positions.get(contig, ()))
            for name in spellings(contig):
                names.append(name.encode())
                first.append(at)
                last.append(at + n)
            at += n
        return cls(
            n_fixed=header.n_fixed,
            n_samples=len(header.samples),
            n_kept=n_kept,
            slots=slots,
            keep_all=wanted is None,
            contig_text=np.frombuffer(b"".join(names) + b"\0", np.uint8),
            contig_bounds=np.cumsum([0, *(len(n) for n in names)], dtype=np.int64),
            contig_first=np.array(first, np.int64),
            contig_last=np.array(last, np.int64),
            positions=np.concatenate(
                [np.asarray(positions.get(c, ()), np.int64) for c in order]
                or [np.zeros(0, np.int64)]
            ),
            id_table=_id_table(wanted.ids if wanted else frozenset()),
            region=limits,
            delivery=delivery,
            thresholds=np.array(delivery.block_thresholds, np.int64),
            call_thresholds=np.array(delivery.call_thresholds, np.int64),
            rows=max(1, min(8192, max_batch_bytes // max(1, n_kept), (4 << 20) // max(1, n_kept))),
        )

    def scan(self, text: np.ndarray, begin: int, end: int) -> list[Piece]:
        """Scan whole lines text[begin:end], text[end - 1] being a newline."""
        pieces = []
        status = codes.FULL
        needed = self._rows_in(end - begin)
        while status == codes.FULL:
            b = self._thread_buffers(needed)
            state = np.zeros(codes.STATE_SIZE, np.int64)
            state[codes.FIRST_POSITION] = -1
            status = kernel.scan_lines(
                text, begin, end, self.n_fixed, self.n_samples, self.slots, self.keep_all,
                self.contig_text, self.contig_bounds, self.contig_first, self.contig_last,
                self.positions, self.id_table, self.region, self.delivery.dosage, self.thresholds,
                self.call_thresholds, self.delivery.phase, self.delivery.n_head, b.pairs, b.codes,
                b.values, b.alt_count, b.call_dosage, b.row_line, b.row_at, b.row_alt, b.row_n_alts,
                b.row_end, b.row_flags, b.head, b.head_bounds, b.changes, b.refused_at, state,
            )  # fmt: skip
            pieces.append(self._piece(text, b, state, status))
            begin = int(state[codes.RESUME])
            needed = max(self._rows_in(end - begin), int(state[codes.ROWS_NEEDED]))
            head_bytes = int(state[codes.HEAD_USED] + state[codes.HEAD_NEEDED])
            if head_bytes > len(b.head):
                b.head = np.empty(2 * head_bytes, np.uint8)
        return pieces

    def _rows_in(self, n_bytes: int) -> int:
        """Rows to make room for, when so much text is read: what diploid calls alone would fill."""
        if not self.keep_all:
            return self.rows
        return min(self.rows, n_bytes // (4 * self.n_samples + 1) + 2)

    def _piece(self, text: np.ndarray, b: _Buffers, state: np.ndarray, status: int) -> Piece:
        n = int(state[codes.N_ROWS]) if status != codes.ERROR else 0
        contigs = []
        for at in b.changes[: state[codes.N_CHANGES]].tolist():
            line = text[at : at + 65536].tobytes()
            contigs.append(line[: line.find(b"\t")])
        refused = []
        for at in b.refused_at[: state[codes.N_REFUSED_PLOIDY]].tolist():
            contig, position = text[at : at + 65536].tobytes().split(b"\t", 2)[:2]
            refused.append((contig, int(position)))
        error = None
        if status == codes.ERROR:
            at = int(state[codes.ERROR_AT])
            excerpt = text[at : at + 60].tobytes().split(b"\n")[0].split(b"\t")[0]
            place = _contig_and_position(text[:at].tobytes(), text[at : at + 65536].tobytes())
            error = (int(state[codes.ERROR_CODE]), int(state[codes.ERROR_COLUMN]), excerpt, place)
        if n == 0:
            return Piece(state, contigs, refused, *_NO_ROWS, error)
        taken = 2 * n > b.rows  # the thread makes itself new arrays
        if taken:
            b.rows = 0

        def rows(array: np.ndarray) -> np.ndarray:
            return array[:n] if taken else array[:n].copy()

        alt_count, phase = rows(b.alt_count), None
        if self.delivery.phase:
            phase = np.empty_like(alt_count)
            split_phase(alt_count.ravel(), phase.ravel())
        return Piece(
            state, contigs, refused, alt_count,
            None if b.call_dosage is None else rows(b.call_dosage), phase, rows(b.row_line),
            rows(b.row_at), rows(b.row_alt), rows(b.row_n_alts), rows(b.row_end), rows(b.row_flags),
            b.head[: int(state[codes.HEAD_USED])].tobytes(), error,
        )  # fmt: skip

    def _thread_buffers(self, rows: int) -> _Buffers:
        """Arrays of this thread, with room for so many rows."""
        b = self.buffers
        if not b.made:
            b.made = True
            b.pairs = np.zeros(self.n_samples // 2 + 1, np.uint16)
            b.codes = b.pairs.view(np.int8)
            b.values = np.zeros(codes.VALUES, np.float64)
            b.changes = np.zeros(4096, np.int64)
            b.refused_at = np.zeros(65536, np.int64)
            b.head = np.empty(1 << 16, np.uint8)
        if b.rows < rows or b.rows > 2 * max(rows, self.rows):
            b.rows = rows
            b.alt_count = np.empty((rows, self.n_kept), np.int8)
            with_dosage = self.delivery.dosage != codes.NO_DOSAGE
            b.call_dosage = np.empty((rows, self.n_kept), np.float32) if with_dosage else None
            b.row_line = np.empty(rows, np.int64)
            b.row_at = np.empty(rows, np.int64)
            b.row_alt = np.empty(rows, np.int32)
            b.row_n_alts = np.empty(rows, np.int32)
            b.row_end = np.empty(rows, np.int64)
            b.row_flags = np.empty(rows, np.uint8)
            b.head_bounds = np.empty(rows + 1, np.int64)
        return b


def _contig_and_position(before: bytes, behind: bytes) -> bytes:
    """CHROM:POS, or what stands there, of the line in which `before` ends."""
    line = before[before.rfind(b"\n") + 1 :] + behind.split(b"\n")[0]
    return b":".join(column[:40] for column in line.split(b"\t")[:2])


def _id_table(ids: frozenset[str]) -> np.ndarray:
    """Open-addressing table of the hashes of `ids`, uint64; empty without ids."""
    if not ids:
        return np.zeros(0, np.uint64)
    encoded = [i.encode() for i in ids]
    bounds = np.cumsum([0, *(len(e) for e in encoded)], dtype=np.int64)
    hashes = np.empty(len(encoded), np.uint64)
    kernel.hash_ids(np.frombuffer(b"".join(encoded) + b"\0", np.uint8), bounds, hashes)
    table = np.zeros(1 << (2 * len(ids)).bit_length(), np.uint64)
    kernel.fill_id_table(hashes, table)
    return table
