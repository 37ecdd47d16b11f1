"""VCF text, compressed or not, as batches of ALT counts.

Threads inflate chunks and scan their lines; the main thread joins what lies across chunk borders,
keeps everything in the order of the file, and cuts batches. What a line holds is decided by
`genomed.kernels.vcf_text`, and only for the lines somebody wants.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import local
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.errors import InputError, UsageError
from genomed.io.bgzf import PADDING, Chunk, TextStream
from genomed.io.vcf_header import VcfHeader, decode_text, parse_header, spellings
from genomed.kernels import vcf_codes as codes
from genomed.kernels import vcf_text as kernel
from genomed.regions import Region, canonical_contig
from genomed.schema import ReadCounts, VariantBatch, Wanted

__all__ = ["VcfReader"]

_DOSAGE = {None: codes.NO_DOSAGE, "DS": codes.DS, "GP": codes.GP}
AHEAD = 48  # scanned chunks that may wait: what they hold is a quarter of their text at most
_VALUES = 8192  # GP values held at a time: enough for 126 ALTs

_WHAT = {
    codes.BAD_POSITION: "POS is not a whole number between 0 and 2147483647",
    codes.EMPTY_ALLELE: "ID, REF or an ALT is empty",
    codes.BLANK_LINE: "the line is blank",
    codes.BAD_CHARACTER: "CHROM, ID, REF or ALT holds a character that cannot stand there",
    codes.BAD_END: "INFO/END is not a whole number",
    codes.TOO_MANY_CHANGES: "the contig changes on nearly every line; sort the file with `bcftools sort`",
}


class VcfReader:
    """Reads VCF, VCF.gz (BGZF or plain gzip) and, with path ``-``, VCF on standard input.

    samples         : names to keep, in file order; all when None
    dosage          : None, "DS" or "GP": which FORMAT field fills call_dosage
    threads         : threads that inflate and scan
    max_batch_bytes : upper limit of a batch's alt_count array (one record always fits)
    block_thresholds : least MIN_DP (else DP) and least GQ of a reference block; calls of blocks that
                      fall short count as not called
    stream          : an already opened TextStream of the same file (it may be prefetching)
    """

    def __init__(
        self,
        path: Path | str,
        *,
        samples: Sequence[str] | None = None,
        dosage: str | None = None,
        threads: int = 1,
        max_batch_bytes: int = 16 << 20,
        block_thresholds: tuple[int, int] = (0, 0),
        stream: TextStream | None = None,
    ) -> None:
        if dosage not in _DOSAGE:
            raise UsageError(f"dosage field {dosage!r} is not DS or GP")
        self.path = str(path)
        self._stream: TextStream | None = stream or TextStream(path)
        self._chunks = self._stream.chunks()
        try:
            self.header, self._rest = self._read_header()
            self._slots = _sample_slots(self.header.samples, samples, self.path)
        except BaseException:
            self._stream.close()
            raise
        self.contigs = dict(self.header.contigs)
        self.counts = ReadCounts()
        self.n_compressed = 0
        self._dosage = _DOSAGE[dosage]
        self._thresholds = np.array(block_thresholds, np.int64)
        self._threads = max(1, threads)
        self._max_batch_bytes = max_batch_bytes
        kept = self._slots >= 0
        self.samples = [s for s, keep in zip(self.header.samples, kept, strict=True) if keep]

    @property
    def size(self) -> int | None:
        """Bytes of the file on disk, None for a pipe."""
        return self._stream.size if self._stream else None

    @property
    def sha256(self) -> str | None:
        """Digest of the file as it lies on disk, once it was read to its end."""
        return self._digest if hasattr(self, "_digest") else None

    def close(self) -> None:
        """Close the file."""
        if self._stream:
            self._stream.close()

    def iter_batches(
        self, region: Region | None = None, wanted: Wanted | None = None
    ) -> Iterator[VariantBatch]:
        """Yield rows in the order of the file: all, or those in `region`, or those `wanted`."""
        if self._stream is None:  # a second time round
            if self.path == "-":
                raise UsageError("standard input can be read only once; save it to a file first")
            self._stream = TextStream(self.path)
            self._chunks = self._stream.chunks()
            self.header, self._rest = self._read_header()
        plan = self._start(region, wanted, self.header.n_lines)
        builder = self._builder(plan)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="genomed-read") as pool:
            for piece in self._pieces_in_order(pool, plan):
                self._account(piece)
                yield from builder.add(piece)
        yield from builder.rest()
        self._note_undecoded(plan)
        self._digest = self._stream.sha256
        self._stream.close()
        self._stream = None

    def read_lines(
        self, text: bytes, region: Region | None = None, wanted: Wanted | None = None
    ) -> Iterator[VariantBatch]:
        """Rows of loose lines of this file, as an index finds them; `counts` are of these lines."""
        plan = self._start(region, wanted, 0)
        builder = self._builder(plan)
        for piece in plan.scan(_padded(text), 0, len(text)) if text else ():
            self._account(piece)
            yield from builder.add(piece)
        yield from builder.rest()
        self._note_undecoded(plan)

    def _start(self, region: Region | None, wanted: Wanted | None, n_lines: int) -> _ScanPlan:
        self.counts = ReadCounts(notes=dict(self.header.notes))
        self._lines_done = n_lines
        self._contig, self._position, self._ended = b"", -1, False
        self._contigs_seen: set[bytes] = set()
        return _ScanPlan.make(
            self.header, self._slots, len(self.samples), self._dosage, self._thresholds, region, wanted,
            self._max_batch_bytes,
        )  # fmt: skip

    def _builder(self, plan: _ScanPlan) -> _BatchBuilder:
        max_rows = max(1, self._max_batch_bytes // max(1, len(self.samples)))
        return _BatchBuilder(max_rows, self._dosage != codes.NO_DOSAGE)

    def _note_undecoded(self, plan: _ScanPlan) -> None:
        if not plan.keep_all and self.counts.n_passed_over:
            self.counts.notes["not_decoded"] = self.counts.n_passed_over

    def _read_header(self) -> tuple[VcfHeader, bytes]:
        """Parse the header; the second value is what was inflated beyond it."""
        text = b""
        at = 0
        for chunk in self._chunks:
            buffer, n = chunk.fill()
            text += bytes(memoryview(buffer)[:n])
            chunk.release(buffer)
            while True:
                if at < len(text) and text[at : at + 1] != b"#":
                    line = text.count(b"\n", 0, at) + 1
                    shown = decode_text(text[at : at + 40].split(b"\n")[0], {})
                    what = "not a VCF" if at == 0 else "the header ends without a #CHROM line"
                    raise InputError(
                        f"{self.path}, line {line}: {what} (found {shown!r}); "
                        "give a VCF with its whole header"
                    )
                stop = text.find(b"\n", at)
                if stop < 0:
                    break
                if text[at : at + 2] != b"##":
                    return parse_header(text[: stop + 1], self.path), text[stop + 1 :]
                at = stop + 1
        if text[at : at + 1] == b"#" and text[at : at + 2] != b"##":
            return parse_header(text, self.path), b""
        if not text:
            raise InputError(f"{self.path}: the file is empty; give a VCF with its header")
        raise InputError(
            f"{self.path}: the header ends without a #CHROM line; the file is truncated or not a VCF"
        )

    def _pieces_in_order(self, pool: ThreadPoolExecutor, plan: _ScanPlan) -> Iterator[_Piece]:
        """Scan chunks in threads, a few ahead of the one handed out; join lines across borders."""
        at = self._rest.rfind(b"\n") + 1
        if at:
            yield from plan.scan(_padded(self._rest[:at]), 0, at)
        carry, self._rest = [self._rest[at:]], b""
        for scanned in self._scanned(pool, plan):
            self.n_compressed = scanned.n_compressed
            if not scanned.has_newline:
                carry.append(scanned.tail)
                continue
            line = b"".join([*carry, scanned.head])
            yield from plan.scan(_padded(line), 0, len(line))
            yield from scanned.pieces
            carry = [scanned.tail]
        line = b"".join(carry)
        if line:
            self.counts.notes["no_final_newline"] = 1
            self._check_last_line(line)
            yield from plan.scan(_padded(line + b"\n"), 0, len(line) + 1)

    def _scanned(self, pool: ThreadPoolExecutor, plan: _ScanPlan) -> Iterator[_Scanned]:
        ahead: deque[Future[_Scanned]] = deque()
        try:
            for chunk in self._chunks:
                ahead.append(pool.submit(_scan_chunk, chunk, plan))
                if len(ahead) > AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()

    def _check_last_line(self, line: bytes) -> None:
        """A last line without an end must at least have all its columns."""
        columns = self.header.n_fixed + len(self.header.samples)
        found = line.count(b"\t") + 1
        if line.strip() and found != columns:
            raise InputError(
                f"{self.path}, last line: the file ends in the middle of a line ({found} of {columns} "
                "columns); it is truncated, copy or make it again"
            )

    def _account(self, piece: _Piece) -> None:
        """Add one piece to the counts, check the order, set line numbers; raise its error."""
        counts, state = self.counts, piece.state
        if self._ended and (state[codes.N_LINES] or piece.error):
            raise self._error(codes.BLANK_LINE, self._lines_done, 0, b"")
        counts.n_records += int(state[codes.N_LINES])
        counts.n_passed_over += int(state[codes.N_PASSED_OVER])
        counts.n_emitted += int(state[codes.N_EMITTED])
        if state[codes.N_REFUSED_PLOIDY]:
            counts.refused["ploidy"] = counts.refused.get("ploidy", 0) + int(
                state[codes.N_REFUSED_PLOIDY]
            )
        for note, slot in _NOTES.items():
            if state[slot]:
                counts.notes[note] = counts.notes.get(note, 0) + int(state[slot])
        for contig in piece.contigs:
            self._enter_contig(contig, int(state[codes.FIRST_POSITION]))
        if state[codes.N_LINES]:
            self._position = int(state[codes.LAST_POSITION])
        piece.row_line = piece.row_line + (self._lines_done + 1)
        self._lines_done += int(state[codes.N_LINES])
        self._ended = self._ended or bool(state[codes.BLANK_END])
        if piece.error is not None:
            code, column, excerpt = piece.error
            raise self._error(code, self._lines_done + 1, column, excerpt)

    def _enter_contig(self, contig: bytes, first_position: int) -> None:
        notes = self.counts.notes
        if contig == self._contig:  # the piece goes on where the one before stopped
            if first_position < self._position:
                notes["unsorted"] = notes.get("unsorted", 0) + 1
            elif first_position == self._position:
                notes["duplicate_position"] = notes.get("duplicate_position", 0) + 1
            return
        if contig in self._contigs_seen:
            notes["contig_split"] = notes.get("contig_split", 0) + 1
        else:
            self._contigs_seen.add(contig)
            name = decode_text(contig, notes)
            if name not in self.header.contigs:
                notes["contig_undeclared"] = notes.get("contig_undeclared", 0) + 1
                self.contigs[name] = None
        self._contig, self._position = contig, -1

    def _error(self, code: int, line: int, column: int, excerpt: bytes) -> InputError:
        where = f"{self.path}, line {line}"
        shown = decode_text(excerpt[:40], {})
        if code == codes.BAD_COLUMNS:
            columns = self.header.n_fixed + len(self.header.samples)
            what = f"the line has not the {columns} tab-separated columns of the header"
        elif code in (codes.BAD_GENOTYPE, codes.BAD_ALLELE, codes.BAD_NUMBER):
            name = self.header.samples[column]
            kind = {
                codes.BAD_GENOTYPE: "is not a genotype",
                codes.BAD_ALLELE: "names an allele that the line does not have",
                codes.BAD_NUMBER: "holds a dosage that is not a number",
            }[code]
            what = f"sample {name[:80]!r}: {shown!r} {kind}"
        else:
            what = _WHAT[code]
        return InputError(f"{where}: {what}; mend the line, or make the file again")


# Leniencies that the kernel counts.
_NOTES = {
    "half_call": codes.N_HALF_CALLS,
    "crlf": codes.N_CRLF,
    "unsorted": codes.N_UNSORTED,
    "duplicate_position": codes.N_SAME_POSITION,
    "allele_without_alt": codes.N_UNNAMED_ALTS,
    "low_quality_block": codes.N_LOW_BLOCK_CALLS,
}


def _sample_slots(names: list[str], keep: Sequence[str] | None, path: str) -> np.ndarray:
    """int64 (len(names),): output column of each sample in file order, -1 for one left out."""
    if keep is None:
        return np.arange(len(names), dtype=np.int64)
    unknown = [s for s in keep if s not in set(names)]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise InputError(
            f"{path}: no sample {unknown[0][:80]!r}{more}; `bcftools query -l` lists them"
        )
    chosen = set(keep)
    kept = np.array([s in chosen for s in names], dtype=bool)
    return np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int64)


def _padded(text: bytes) -> np.ndarray:
    """uint8 copy of `text` with spare bytes behind it."""
    array = np.zeros(len(text) + PADDING, np.uint8)
    array[: len(text)] = np.frombuffer(text, np.uint8)
    return array


@dataclass
class _Piece:
    """What one call of the kernel found."""

    state: np.ndarray
    contigs: list[bytes]
    alt_count: np.ndarray
    call_dosage: np.ndarray | None
    row_line: np.ndarray
    row_alt: np.ndarray
    row_n_alts: np.ndarray
    row_end: np.ndarray
    row_flags: np.ndarray
    head: bytes
    error: tuple[int, int, bytes] | None = None


_NO_ROWS = (
    np.zeros((0, 0), np.int8), None, np.zeros(0, np.int64), np.zeros(0, np.int32),
    np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.uint8), b"",
)  # fmt: skip


class _Scanned(NamedTuple):
    """A chunk: the end of a line begun before, whole lines, the beginning of the next line."""

    head: bytes
    pieces: list[_Piece]
    tail: bytes
    has_newline: bool
    n_compressed: int


def _scan_chunk(chunk: Chunk, plan: _ScanPlan) -> _Scanned:
    buffer, n = chunk.fill()
    first = buffer.find(b"\n", 0, n) + 1
    if first == 0:
        scanned = _Scanned(b"", [], bytes(buffer[:n]), False, chunk.n_compressed)
    else:
        last = buffer.rfind(b"\n", 0, n) + 1
        pieces = plan.scan(np.frombuffer(buffer, np.uint8), first, last) if last > first else []
        scanned = _Scanned(
            bytes(buffer[:first]), pieces, bytes(buffer[last:n]), True, chunk.n_compressed
        )
    chunk.release(buffer)
    return scanned


class _Buffers(local):
    """Output arrays of one thread, reused for every chunk."""

    rows: int = 0
    head_bytes: int = 0


@dataclass
class _ScanPlan:
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
    dosage: int
    thresholds: np.ndarray
    rows: int
    buffers: _Buffers = field(default_factory=_Buffers)

    @classmethod
    def make(
        cls,
        header: VcfHeader,
        slots: np.ndarray,
        n_kept: int,
        dosage: int,
        thresholds: np.ndarray,
        region: Region | None,
        wanted: Wanted | None,
        max_batch_bytes: int,
    ) -> _ScanPlan:
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
            dosage=dosage,
            thresholds=thresholds,
            rows=max(1, min(8192, max_batch_bytes // max(1, n_kept), (4 << 20) // max(1, n_kept))),
        )

    def scan(self, text: np.ndarray, begin: int, end: int) -> list[_Piece]:
        """Scan whole lines text[begin:end], text[end - 1] being a newline."""
        pieces = []
        status = codes.FULL
        while status == codes.FULL:
            b = self._thread_buffers()
            state = np.zeros(codes.STATE_SIZE, np.int64)
            state[codes.FIRST_POSITION] = -1
            status = kernel.scan_lines(
                text, begin, end, self.n_fixed, self.n_samples, self.slots, self.keep_all,
                self.contig_text, self.contig_bounds, self.contig_first, self.contig_last,
                self.positions, self.id_table, self.region, self.dosage, self.thresholds, b.scratch, b.words,
                b.row, b.values, b.alt_count, b.call_dosage, b.row_line, b.row_alt, b.row_n_alts,
                b.row_end, b.row_flags, b.head, b.head_bounds, b.changes, state,
            )  # fmt: skip
            pieces.append(self._piece(text, b, state, status))
            begin = int(state[codes.RESUME])
            if status == codes.FULL and state[codes.N_ROWS] == 0:
                b.rows = max(b.rows, int(state[codes.ROWS_NEEDED]))
                b.head_bytes = max(b.head_bytes, int(state[codes.HEAD_NEEDED]))
                self._allocate(b)
        return pieces

    def _piece(self, text: np.ndarray, b: _Buffers, state: np.ndarray, status: int) -> _Piece:
        n = int(state[codes.N_ROWS]) if status != codes.ERROR else 0
        contigs = []
        for at in b.changes[: state[codes.N_CHANGES]].tolist():
            line = text[at : at + 65536].tobytes()
            contigs.append(line[: line.find(b"\t")])
        error = None
        if status == codes.ERROR:
            at = int(state[codes.ERROR_AT])
            excerpt = text[at : at + 60].tobytes().split(b"\n")[0].split(b"\t")[0]
            error = (int(state[codes.ERROR_CODE]), int(state[codes.ERROR_COLUMN]), excerpt)
        if n == 0:
            return _Piece(state, contigs, *_NO_ROWS, error)
        dosage = None if b.call_dosage is None else b.call_dosage[:n].copy()
        return _Piece(
            state, contigs, b.alt_count[:n].copy(), dosage, b.row_line[:n].copy(),
            b.row_alt[:n].copy(), b.row_n_alts[:n].copy(), b.row_end[:n].copy(), b.row_flags[:n].copy(),
            b.head[: int(state[codes.HEAD_USED])].tobytes(), error,
        )  # fmt: skip

    def _thread_buffers(self) -> _Buffers:
        b = self.buffers
        if not b.rows:
            b.rows = self.rows
            b.head_bytes = max(1 << 16, 64 * self.rows)
            b.words = np.zeros(self.n_samples + 1, np.uint32)
            b.scratch = b.words.view(np.uint8)
            b.row = np.zeros(max(1, self.n_samples), np.int8)
            b.values = np.zeros(_VALUES, np.float64)
            b.changes = np.zeros(4096, np.int64)
            self._allocate(b)
        return b

    def _allocate(self, b: _Buffers) -> None:
        b.alt_count = np.empty((b.rows, self.n_kept), np.int8)
        with_dosage = self.dosage != codes.NO_DOSAGE
        b.call_dosage = np.empty((b.rows, self.n_kept), np.float32) if with_dosage else None
        b.row_line = np.empty(b.rows, np.int64)
        b.row_alt = np.empty(b.rows, np.int32)
        b.row_n_alts = np.empty(b.rows, np.int32)
        b.row_end = np.empty(b.rows, np.int64)
        b.row_flags = np.empty(b.rows, np.uint8)
        b.head = np.empty(b.head_bytes, np.uint8)
        b.head_bounds = np.empty(b.rows + 1, np.int64)


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


class _BatchBuilder:
    """Collects pieces and cuts batches of at most `max_rows` rows."""

    def __init__(self, max_rows: int, with_dosage: bool) -> None:
        self._max_rows = max_rows
        self._with_dosage = with_dosage
        self._pieces: list[_Piece] = []
        self._n_rows = 0

    def add(self, piece: _Piece) -> Iterator[VariantBatch]:
        if not len(piece.alt_count):
            return
        if self._n_rows + len(piece.alt_count) > self._max_rows:
            yield from self.rest()
        self._pieces.append(piece)
        self._n_rows += len(piece.alt_count)

    def rest(self) -> Iterator[VariantBatch]:
        """Everything collected so far."""
        if not self._pieces:
            return
        pieces, self._pieces, self._n_rows = self._pieces, [], 0
        alt_count = np.concatenate([p.alt_count for p in pieces])
        flags = np.concatenate([p.row_flags for p in pieces])
        ploidy = _split_haploid(alt_count, flags) if (flags & codes.HAS_HAPLOID).any() else None
        dosage = np.concatenate([p.call_dosage for p in pieces]) if self._with_dosage else None  # type: ignore[misc]
        variants = _variants_frame(pieces)
        yield VariantBatch(variants, alt_count, ploidy, dosage)


def _split_haploid(alt_count: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Turn the kernel's haploid codes back into copies, in place; int8 ploidy of every call."""
    ploidy = np.full(alt_count.shape, 2, np.int8)
    for v in np.flatnonzero(flags & codes.HAS_HAPLOID):
        haploid = alt_count[v] >= codes.HAPLOID_CODE
        ploidy[v, haploid] = 1
        alt_count[v, haploid] -= codes.HAPLOID_CODE
    return ploidy


def _variants_frame(pieces: list[_Piece]) -> pl.DataFrame:
    """The columns of TABLES["variants"], from the first five columns of the lines."""
    head = b"".join(p.head for p in pieces)
    if not head.isascii():
        head = decode_text(head, {}).encode()
    lines = pl.read_csv(
        head,
        separator="\t",
        has_header=False,
        quote_char=None,
        schema={
            "contig": pl.Utf8,
            "position": pl.Int64,
            "id": pl.Utf8,
            "ref": pl.Utf8,
            "alt": pl.Utf8,
        },
    ).with_columns(
        end_position=np.concatenate([p.row_end for p in pieces]),
        n_alts=np.concatenate([p.row_n_alts for p in pieces]).astype(np.int64),
        line=np.concatenate([p.row_line for p in pieces]),
        alt_number=np.concatenate([p.row_alt for p in pieces]),
    )
    if lines["n_alts"].max() > 1:  # type: ignore[operator]
        alts = (
            pl.col("alt")
            .str.split(",")
            .list.get(pl.col("alt_number").cast(pl.Int64) - 1, null_on_oob=True)
        )
        lines = lines.with_columns(alt=pl.when(pl.col("n_alts") > 1).then(alts).otherwise("alt"))
    upper = pl.col("alt").str.to_uppercase()
    return lines.with_columns(
        id=pl.when(pl.col("id") != ".").then("id"),
        ref=pl.col("ref").str.to_uppercase(),
        alt=pl.when(pl.col("alt").str.starts_with("<")).then("alt").otherwise(upper),
    ).drop("alt_number")
