"""VCF text, compressed or not, as batches of ALT counts.

Threads inflate chunks and scan their lines; the main thread joins what lies across chunk borders,
keeps everything in the order of the file, and cuts batches. What a line holds is decided by
`genomed.kernels.vcf_text`, and only for the lines somebody wants. With an index and few wanted
places, only the chunks that can hold them are read.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from genomed.errors import InputError, UsageError
from genomed.io.bgzf import TextStream, unfit_index
from genomed.io.formats import index_paths
from genomed.io.vcf_batches import BatchBuilder, n_head
from genomed.io.vcf_header import VcfHeader, decode_text, parse_header
from genomed.io.vcf_index import VcfIndex, compressed_bytes
from genomed.io.vcf_scan import Delivery, Piece, ScannedChunk, ScanPlan, padded, scan_chunk
from genomed.kernels import vcf_codes as codes
from genomed.regions import Region, canonical_contig
from genomed.schema import ReadCounts, VariantBatch, Wanted

__all__ = ["VcfReader"]

_LOG = logging.getLogger("genomed")

_DOSAGE = {None: codes.NO_DOSAGE, "DS": codes.DS, "GP": codes.GP}
AHEAD = 24  # scanned chunks that may wait: what they hold is a quarter of their text at most
# Through an index no more than this share of a file is read, and no file smaller than this. Both
# ways take as long at a share of 0.8, but a whole read also checks the file and gives its digest.
SEEK_SHARE = 0.2
SEEK_MIN_BYTES = 1 << 20

_WHAT = {
    codes.BAD_POSITION: "POS is not a whole number between 0 and 2147483647",
    codes.EMPTY_ALLELE: "ID, REF or an ALT is empty",
    codes.BLANK_LINE: "the line is blank",
    codes.BAD_CHARACTER: "CHROM, ID, REF or ALT holds a character that cannot stand there "
    "(REF: letters only)",
    codes.BAD_END: "INFO/END is not a whole number",
    codes.TOO_MANY_CHANGES: "the contig changes on nearly every line; sort the file with "
    "`bcftools sort`",
}


class VcfReader:
    """Reads VCF, VCF.gz (BGZF or plain gzip) and, with path ``-``, VCF on standard input.

    samples         : names to keep, in file order; all when None
    dosage          : None, "DS" or "GP": which FORMAT field fills call_dosage
    threads         : threads that inflate and scan
    max_batch_bytes : upper limit of a batch's alt_count array (one record always fits)
    block_thresholds : least MIN_DP (else DP) and least GQ of a reference block; calls of blocks
                      that fall short count as not called
    call_thresholds : least DP and least GQ of every call, 0 for none; calls that fall short count
                      as not called, those without DP or GQ stand
    phase           : whether to fill call_phase
    fields          : of "qual", "filter", "info": columns that the frame of a batch has besides, as
                      the file spells them, and with any of them `alt_number`, which of its
                      record's ALTs the row has (1-based; 0 without ALT)
    stream          : an already opened TextStream of the same file (it may be prefetching)

    Where a .csi or .tbi lies beside a BGZF file and the parts that can hold what is asked for are
    less than SEEK_SHARE of it, only those are read: counts are then of the records looked at, with
    the note "seeked"; `line` is the virtual file offset of the record (address of its BGZF block
    << 16 | place in the block), which is unique and rises along the file; sha256 is None. Wanted
    IDs need a whole read.
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
        call_thresholds: tuple[int, int] = (0, 0),
        phase: bool = False,
        fields: Sequence[str] = (),
        stream: TextStream | None = None,
    ) -> None:
        if dosage not in _DOSAGE:
            raise UsageError(f"dosage field {dosage!r} is not DS or GP")
        self._fields = tuple(fields)
        self._delivery = Delivery(
            _DOSAGE[dosage], phase, n_head(fields), block_thresholds, call_thresholds
        )
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
        self._digest: str | None = None
        self._threads = max(1, threads)
        self._max_batch_bytes = max_batch_bytes
        kept = self._slots >= 0
        self.samples = [s for s, keep in zip(self.header.samples, kept, strict=True) if keep]

    @property
    def size(self) -> int | None:
        """Bytes of the file on disk, None for a pipe."""
        return self._stream.size if self._stream else None

    @property
    def header_text(self) -> bytes:
        """The header, lines ending in a line feed only."""
        return self.header.text.replace(b"\r\n", b"\n")

    @property
    def sha256(self) -> str | None:
        """Digest of the file as it lies on disk, once it was read to its end."""
        return self._digest

    def close(self) -> None:
        """Close the file."""
        if self._stream:
            self._stream.close()
            self._stream = None

    def iter_batches(
        self, region: Region | None = None, wanted: Wanted | None = None
    ) -> Iterator[VariantBatch]:
        """Yield rows in the order of the file: all, or those in `region`, or those `wanted`."""
        if self._stream is None:  # a second time round
            self._open_again()
        assert self._stream is not None
        try:
            plan = self._start(region, wanted, self.header.n_lines)
            builder = self._builder()
            ranges = self._ranges(region, wanted)
            if ranges is not None:
                self._seek(ranges)
            with ThreadPoolExecutor(self._threads, thread_name_prefix="genomed-read") as pool:
                for piece in self._pieces_in_order(pool, plan):
                    self._account(piece)
                    yield from builder.add(piece)
            yield from builder.rest()
            self._note_undecoded(plan)
            self._digest = None if self._seeking else self._stream.sha256
        finally:
            self.close()

    def _open_again(self) -> None:
        if self.path == "-":
            raise UsageError("standard input can be read only once; save it to a file first")
        self._stream = TextStream(self.path)
        self._chunks = self._stream.chunks()
        self.header, self._rest = self._read_header()

    def _start(self, region: Region | None, wanted: Wanted | None, n_lines: int) -> ScanPlan:
        self.counts = ReadCounts(notes=dict(self.header.notes))
        self._lines_done = n_lines
        self._contig, self._position, self._ended = b"", -1, False
        self._contigs_seen: set[bytes] = set()
        self._seeking = False
        return ScanPlan.make(
            self.header, self._slots, len(self.samples), self._delivery, region, wanted,
            self._max_batch_bytes,
        )  # fmt: skip

    def _ranges(self, region: Region | None, wanted: Wanted | None) -> np.ndarray | None:
        """Virtual offsets to read instead of the whole file; None when that does not pay."""
        stream = self._stream
        if stream is None or stream.kind != "bgzf" or self.path == "-":
            return None
        if (stream.size or 0) < SEEK_MIN_BYTES:
            return None
        choices = list(_places(region, wanted))
        index = _open_index(self.path, stream) if choices else None
        if index is None:
            return None
        found = [index.ranges(places) for places in choices]
        ranges = min(found, key=compressed_bytes)
        return ranges if compressed_bytes(ranges) < SEEK_SHARE * (stream.size or 0) else None

    def _seek(self, ranges: np.ndarray) -> None:
        """Read `ranges` only; a file that was cut off is refused all the same."""
        assert self._stream is not None
        self._stream.check_end()
        self._chunks = self._stream.range_chunks(ranges.tolist())
        self._rest = b""
        self._seeking = True
        self.counts.notes["seeked"] = 1

    def _builder(self) -> BatchBuilder:
        max_rows = max(1, self._max_batch_bytes // max(1, len(self.samples)))
        return BatchBuilder(max_rows, self._fields)

    def _note_undecoded(self, plan: ScanPlan) -> None:
        if self.counts.n_records:
            self.counts.notes["not_checked"] = self.counts.n_records
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
            f"{self.path}: the header ends without a #CHROM line; the file is truncated or "
            "not a VCF"
        )

    def _pieces_in_order(self, pool: ThreadPoolExecutor, plan: ScanPlan) -> Iterator[Piece]:
        """Scan chunks in threads, a few ahead of the one handed out; join lines across borders."""
        carry_at = 0  # virtual offset of the line that lies across a border
        at = self._rest.rfind(b"\n") + 1
        if at:
            yield from plan.scan(padded(self._rest[:at]), 0, at)
        carry, self._rest = [self._rest[at:]], b""
        for scanned in self._scanned(pool, plan):
            self.n_compressed = scanned.n_compressed
            if not any(carry):
                carry_at = scanned.head_at
            elif scanned.begins_range:
                raise unfit_index(self.path)
            if not scanned.has_newline:
                carry.append(scanned.tail)
                continue
            line = b"".join([*carry, scanned.head])
            yield from self._across_border(plan, line, carry_at)
            yield from scanned.pieces
            carry, carry_at = [scanned.tail], scanned.tail_at
        line = b"".join(carry)
        if line:
            self.counts.notes["no_final_newline"] = 1
            self._check_last_line(line)
            yield from self._across_border(plan, line + b"\n", carry_at)

    def _across_border(self, plan: ScanPlan, line: bytes, at: int) -> Iterator[Piece]:
        """Scan one line that was put together; when seeking it begins at virtual offset `at`."""
        for piece in plan.scan(padded(line), 0, len(line)):
            if self._seeking:
                piece.row_line = np.full_like(piece.row_line, at)
            yield piece

    def _scanned(self, pool: ThreadPoolExecutor, plan: ScanPlan) -> Iterator[ScannedChunk]:
        ahead: deque[Future[ScannedChunk]] = deque()
        try:
            for chunk in self._chunks:
                ahead.append(pool.submit(scan_chunk, chunk, plan))
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
                f"{self.path}, last line: the file ends in the middle of a line ({found} of "
                f"{columns} columns); it is truncated, copy or make it again"
            )

    def _account(self, piece: Piece) -> None:
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
            counts.refused_at += [(decode_text(c, counts.notes), at) for c, at in piece.refused]
        for note, slot in _NOTES.items():
            if state[slot]:
                counts.notes[note] = counts.notes.get(note, 0) + int(state[slot])
        for contig in piece.contigs:
            self._enter_contig(contig, int(state[codes.FIRST_POSITION]))
        if state[codes.N_LINES]:
            self._position = int(state[codes.LAST_POSITION])
        if not self._seeking:
            piece.row_line = piece.row_line + (self._lines_done + 1)
        self._lines_done += int(state[codes.N_LINES])
        self._ended = self._ended or bool(state[codes.BLANK_END])
        if piece.error is not None:
            code, column, excerpt, place = piece.error
            raise self._error(code, self._lines_done + 1, column, excerpt, place)

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

    def _error(
        self, code: int, line: int, column: int, excerpt: bytes, place: bytes = b""
    ) -> InputError:
        where = f"{self.path}, line {line}"
        if self._seeking:  # lines were not counted
            where = f"{self.path}, the line of {decode_text(place, {})!r} (found through the index)"
        shown = decode_text(excerpt[:40], {})
        if code == codes.BAD_COLUMNS:
            columns = self.header.n_fixed + len(self.header.samples)
            what = f"the line has not the {columns} tab-separated columns of the header"
        elif code in (codes.BAD_GENOTYPE, codes.BAD_ALLELE, codes.BAD_NUMBER):
            name = self.header.samples[column]
            kind = {
                codes.BAD_GENOTYPE: "is not a genotype",
                codes.BAD_ALLELE: "names an allele that the line does not have",
                codes.BAD_NUMBER: "holds a dosage that is not a number between 0 and 2",
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
    "low_quality_call": codes.N_LOW_CALLS,
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


def _places(region: Region | None, wanted: Wanted | None) -> Iterator[dict[str, np.ndarray]]:
    """Sets of places, canonical contig -> int64 (n, 2) spans; each covers every row asked for."""
    if region is not None:
        yield {canonical_contig(region.contig): np.array([[region.start, region.end]], np.int64)}
    if wanted is not None and not wanted.ids:
        positions = {c: np.asarray(p, np.int64) for c, p in wanted.positions.items()}
        yield {c: np.stack([p - 1, p], axis=1) for c, p in positions.items()}


def _open_index(path: str, stream: TextStream) -> VcfIndex | None:
    """The first index beside the file that is not older, sound, and ends where the file ends."""
    for index_path in index_paths(path):
        why = ""
        try:
            index = VcfIndex(index_path)
            if index_path.stat().st_mtime < Path(path).stat().st_mtime:
                why = "it is older than the file"
            elif not index.end:
                continue  # no records, or none that it knows of
            elif not stream.ends_at(index.end):
                why = "it does not end where the file ends"
            else:
                return index
        except (OSError, ValueError) as error:
            why = str(error)
        _LOG.warning(
            "%s is not used (%s); make it again with `bcftools index -f %s`", index_path, why, path
        )
    return None
