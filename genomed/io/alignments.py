"""BAM and CRAM files as blocks of alignments: inflated in threads, walked by our own kernel.

CRAM and SAM go through htslib (pysam), which hands them on as BAM records; from there on all three
are the same bytes.
"""

from __future__ import annotations

import itertools
import struct
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genomed.errors import InputError
from genomed.io.alignment_header import AlignmentHeader, parse_header, reference_problem
from genomed.io.bam_index import BamIndex, find_index
from genomed.io.bgzf import PADDING, Chunk, TextStream, unfit_index
from genomed.io.fasta import Fasta
from genomed.io.htslib_records import IndexedRegions, text_of_header, turned
from genomed.io.sam_text import check_sam, explain_sam
from genomed.kernels import bam_records as kernel
from genomed.regions import Region, canonical_contig

__all__ = ["AlignmentBlock", "AlignmentReader"]

_WHAT = {
    kernel.BAD_STRUCTURE: "its parts do not fit together",
    kernel.BAD_CONTIG: "its contig is not in the header",
    kernel.BAD_CIGAR: "its CIGAR and its bases differ in length",
    kernel.BAD_POSITION: "its position is below 1 or above 2147483647",
}
_MAX_HEADER = 1 << 30
_PEEK_BYTES = 1 << 16
# The container that ends a CRAM of version 3 and 2.1 (CRAMv3 section 9, CRAMv2.1 section 7.5).
_CRAM_ENDS = (
    bytes.fromhex("0f000000ffffffff0fe0454f4600000000010005bdd94f0001000606010001000100ee63014b"),
    bytes.fromhex("0b000000ffffffff0fe0454f460000000001000001000606010001000100"),
)
_EOF_BYTES = 38


class AlignmentBlock(NamedTuple):
    """Alignments of one contig in the order of the file, as BAM records.

    data       : uint8, records as SAMv1 section 4.2 lays them out (see kernels.bam_records)
    place      : int64 (alignments,), where in `data` each record's refID lies
    contig     : index of the contig in the header, -1 for reads without a position
    start, end : int32 (alignments,), 0-based span on the reference
    flag       : uint16 (alignments,), SAMv1 section 1.4; mapq : uint8 (alignments,)
    """

    data: np.ndarray
    place: np.ndarray
    contig: int
    start: np.ndarray
    end: np.ndarray
    flag: np.ndarray
    mapq: np.ndarray

    def only(self, keep: np.ndarray) -> AlignmentBlock:
        """The alignments that a mask or a slice picks."""
        return AlignmentBlock(
            self.data, self.place[keep], self.contig, self.start[keep], self.end[keep],
            self.flag[keep], self.mapq[keep],
        )  # fmt: skip


class AlignmentReader:
    """Reads a coordinate-sorted BAM, CRAM or SAM.

    contigs     : names in the order of the header; lengths : int64 (contigs,)
    header      : code of a header line (HD, SQ, RG, PG) -> its fields, line by line
    samples     : names of read groups (RG SM), each once, in order; empty without read groups
    read_groups : read group ID -> sample
    reference   : FASTA that a CRAM is decoded with
    threads     : threads that inflate
    sample      : gives only the alignments whose read group is of this sample
    ordered     : refuses a file that is not sorted by coordinate
    """

    def __init__(
        self, path: Path | str, *, reference: Path | None = None, threads: int = 1,
        sample: str | None = None, ordered: bool = True,
    ) -> None:  # fmt: skip
        self.path = str(path)
        self._reference = reference
        self._threads = max(1, threads)
        self._ordered = ordered
        self.kind = _kind(self.path)
        self._header = self._read_header()
        self.contigs: list[str] = self._header.contigs
        self.lengths = self._header.lengths
        self.header = self._header.records
        self.read_groups = self._header.read_groups
        self.samples = list(dict.fromkeys(s for s in self.read_groups.values() if s))
        self.sha256: str | None = None  # of a BAM that was read whole
        self._groups = None if sample is None else self._groups_of(sample)
        self._index: BamIndex | None = None
        self._by_name = {canonical_contig(c): i for i, c in reversed(list(enumerate(self.contigs)))}
        self._by_name |= {c: i for i, c in enumerate(self.contigs)}
        if ordered and self._header.sort_order in {"unsorted", "queryname"}:
            raise self._unsorted("its header says that it is not sorted by coordinate")

    def blocks(self, regions: Sequence[Region] | None = None) -> Iterator[AlignmentBlock]:
        """Yield all alignments, or those that overlap each region, region after region.

        An alignment that overlaps two regions comes with both. Without regions, reads that have no
        position come last, with contig -1.
        """
        if regions is None:
            with closing(self._records(None)) as records:
                yield from self._blocks(records)
            return
        indexed = None
        if self.kind == "cram":
            if not _has_crai(self.path):
                raise self._no_index()
            indexed = IndexedRegions(self.path, self._reference, self._threads)
        with ExitStack() as opened:
            if indexed is not None:
                opened.callback(indexed.close)
            stream = opened.enter_context(closing(TextStream(self.path)))
            for region in regions:
                contig = self.contig_index(region.contig)
                end = min(region.end, int(self.lengths[contig]))
                place = Region(self.contigs[contig], max(region.start, 0), end)
                with closing(self._records(place, stream, indexed)) as records:
                    yield from self._overlapping(records, contig, place)

    def contig_index(self, name: str) -> int:
        """Index of a contig under any of its usual spellings (chr1 or 1)."""
        found = self._by_name.get(name, self._by_name.get(canonical_contig(name)))
        if found is None:
            raise InputError(
                f"{self.path}: has no contig {name!r}; its contigs begin with "
                f"{', '.join(self.contigs[:3]) or 'none'}, so it may be of another build"
            )
        return found

    def check_reference(self, fasta: Fasta, contigs: Sequence[str] | None = None) -> None:
        """Raise InputError unless a FASTA has these contigs (or all), with length and MD5."""
        names = self.contigs if contigs is None else list(contigs)
        if problem := reference_problem(self._header, fasta, names):
            raise InputError(
                f"{fasta.path}: is not the reference of {self.path}: {problem}; give the FASTA "
                "that the reads were aligned to"
            )

    def _overlapping(
        self, records: Iterator[memoryview], contig: int, region: Region
    ) -> Iterator[AlignmentBlock]:
        for block in self._blocks(records):
            if block.contig != contig:
                continue
            keep = (block.start < region.end) & (block.end > region.start)
            yield block.only(keep)
            if len(block.start) and block.start[-1] >= region.end:
                return

    def _blocks(self, records: Iterator[memoryview]) -> Iterator[AlignmentBlock]:
        """Cut inflated records into blocks."""
        rest = np.zeros(0, np.uint8)
        n_records = 0
        last = (0, -1)  # contig and start of the last alignment; no position is the last contig
        for piece in records:
            n_bytes = len(rest) + len(piece)
            data = np.empty(n_bytes + PADDING, np.uint8)
            data[: len(rest)] = rest
            data[len(rest) : n_bytes] = np.frombuffer(piece, np.uint8)
            data[n_bytes:] = 0
            size = n_bytes // 36 + 1
            place = np.empty(size, np.int64)
            contig, start, end = (np.empty(size, np.int32) for _ in range(3))
            flag, mapq = np.empty(size, np.uint16), np.empty(size, np.uint8)
            n, used, wrong, disorder = kernel.walk_alignments(
                data, n_bytes, self.lengths, *last, place, contig, start, end, flag, mapq
            )
            if self._ordered and disorder >= 0:
                raise self._unsorted(
                    f"record {n_records + disorder + 1} ({self._where(contig, start, disorder)}) "
                    "lies before the one above it"
                )
            cuts = [0, *(np.flatnonzero(np.diff(contig[:n])) + 1), n] if n else [0]
            for first, stop in itertools.pairwise(cuts):
                some = slice(first, stop)
                block = AlignmentBlock(
                    data, place[some], int(contig[first]), start[some], end[some], flag[some],
                    mapq[some],
                )  # fmt: skip
                yield block if self._groups is None else block.only(self._in_groups(block))
            n_records += n
            if n:
                last = (int(contig[n - 1]), int(start[n - 1]))
            if wrong:
                raise InputError(
                    f"{self.path}, record {n_records + 1}: {_WHAT[wrong]}; the file is damaged, "
                    "copy or make it again"
                )
            rest = data[used:n_bytes].copy()
        if len(rest):
            raise InputError(
                f"{self.path}: ends in the middle of record {n_records + 1}; copy or make it again"
            )

    def _where(self, contig: np.ndarray, start: np.ndarray, i: int) -> str:
        if contig[i] < 0:
            return "without position"
        return f"{self.contigs[contig[i]]}:{start[i] + 1}"

    def _unsorted(self, why: str) -> InputError:
        return InputError(f"{self.path}: {why}; sort it with `samtools sort`")

    def _groups_of(self, sample: str) -> tuple[np.ndarray, np.ndarray]:
        """IDs of a sample's read groups, one after the other, and where each begins and ends."""
        names = [g.encode() for g, of in self.read_groups.items() if of == sample]
        if not names:
            raise InputError(
                f"{self.path}: no read group is of sample {sample!r}; its samples are "
                f"{', '.join(self.samples) or 'not named'}"
            )
        stops = np.cumsum([0, *(len(name) for name in names)]).astype(np.int64)
        return np.frombuffer(b"".join(names), np.uint8), stops

    def _in_groups(self, block: AlignmentBlock) -> np.ndarray:
        assert self._groups is not None
        group = np.empty(len(block.place), np.int32)
        kernel.read_groups(block.data, block.place, *self._groups, group)
        return group >= 0

    # Where records come from

    def _records(
        self,
        region: Region | None,
        stream: TextStream | None = None,
        indexed: IndexedRegions | None = None,
    ) -> Generator[memoryview, None, None]:
        """Inflated records without the header; what is yielded holds until the next."""
        if self.kind != "bam":
            yield from self._through_htslib(region, indexed)
        elif region is None:
            with closing(TextStream(self.path)) as whole:
                yield from _without_header(self._inflated(whole.chunks()))
                self.sha256 = whole.sha256
        else:
            assert stream is not None
            yield from self._sought(region, stream)

    def _inflated(self, chunks: Iterator[Chunk]) -> Iterator[memoryview]:
        """Texts of chunks in order, inflated ahead in threads."""
        ahead: deque[tuple[Chunk, Future[tuple[bytearray, int]]]] = deque()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="genomed-inflate") as pool:
            try:
                more = True
                while more or ahead:
                    while more and len(ahead) <= self._threads:
                        chunk = next(chunks, None)
                        if chunk is None:
                            more = False
                        else:
                            ahead.append((chunk, pool.submit(chunk.fill)))
                    if ahead:
                        chunk, future = ahead.popleft()
                        buffer, n = future.result()
                        yield memoryview(buffer)[:n]
                        chunk.release(buffer)
            finally:
                for _, future in ahead:
                    future.cancel()

    def _sought(self, region: Region, stream: TextStream) -> Iterator[memoryview]:
        index = self._bam_index()
        if stream.kind != "bgzf":
            raise InputError(f"{self.path}: is not compressed by blocks; make it with `samtools`")
        ranges = index.ranges(self.contig_index(region.contig), region.start, region.end)
        assert stream.size is not None
        if len(ranges) and int(ranges[-1, 1] >> 16) > stream.size:
            raise unfit_index(self.path)
        chunks = stream.range_chunks(ranges.tolist(), lines=False)
        for chunk in chunks:
            buffer, n = chunk.fill()
            yield memoryview(buffer)[:n]
            chunk.release(buffer)

    def _bam_index(self) -> BamIndex:
        if self._index is None:
            path = find_index(Path(self.path))
            if path is None:
                raise self._no_index()
            try:
                self._index = BamIndex(path)
            except ValueError as error:
                raise InputError(f"{error}; make it again with `samtools index`") from None
            if self._index.n_contigs > len(self.contigs):
                raise unfit_index(self.path)
        return self._index

    def _no_index(self) -> InputError:
        return InputError(
            f"{self.path}: has no index, which regions need; make it with `samtools index`"
        )

    # The header

    def _read_header(self) -> AlignmentHeader:
        if self.kind == "bam":
            text, contigs = _bam_header(self.path)
            header = parse_header(text, self.path, contigs)
            named = [one.get("SN") for one in header.records["SQ"]]
            if named and named != header.contigs:
                raise InputError(
                    f"{self.path}: the text of its header and its list of contigs differ; write "
                    "it again with `samtools reheader`"
                )
            return header
        if self.kind == "sam":
            header = parse_header(check_sam(self.path), self.path)
            check_sam(self.path, header.contigs)
            return header
        return _cram_header(self.path)

    # CRAM and SAM

    def _through_htslib(
        self, region: Region | None, indexed: IndexedRegions | None
    ) -> Generator[memoryview, None, None]:
        if region is None or indexed is None:
            streams = turned(self.path, self._reference, self._threads)
        else:
            streams = indexed.streams(region)
        try:
            for stream in streams:
                yield from _without_header(self._inflated(stream.chunks()))
        except OSError as error:
            raise self._explained(error) from None

    def _explained(self, error: Exception) -> InputError:
        """What htslib stumbled over, as far as it can be found."""
        if self.kind == "sam" and (reason := explain_sam(self.path)):
            return InputError(f"{self.path}, {reason}; correct the line")
        if self.kind == "cram" and self._reference is None:
            return InputError(
                f"{self.path}: cannot be decoded without the FASTA it was made with; give "
                "--reference"
            )
        if self.kind == "cram" and self._reference is not None:
            fasta = Fasta(self._reference)
            named = [c for c in self.contigs if c in self._header.md5] or self.contigs
            if problem := reference_problem(self._header, fasta, named):
                return InputError(
                    f"{self._reference}: is not the reference of {self.path}: {problem}; give the "
                    "FASTA that the CRAM was made with"
                )
        return InputError(f"{self.path}: is truncated or damaged ({error}); copy or make it again")


def _kind(path: str) -> str:
    """What a file is, by how it begins: bam, cram or sam."""
    with closing(TextStream(path)) as stream:
        start = stream.peek(_PEEK_BYTES)
    if not start:
        raise InputError(f"{path}: is empty; copy or make it again")
    if start[:4] == b"BAM\1":
        return "bam"
    if start[:4] == b"CRAM":
        return "cram"
    line = start.partition(b"\n")[0]
    if start[:1] == b"@" or line.count(b"\t") >= 10:
        return "sam"
    raise InputError(f"{path}: is not BAM, CRAM or SAM; give alignments of reads")


def _cram_header(path: str) -> AlignmentHeader:
    with Path(path).open("rb") as file:
        file.seek(max(0, Path(path).stat().st_size - _EOF_BYTES))
        if not file.read().endswith(_CRAM_ENDS):
            raise InputError(
                f"{path}: has no end-of-file container, so it is truncated; copy or make it again"
            )
    text, contigs = text_of_header(path)
    return parse_header(text, path, contigs)


def _has_crai(path: str) -> bool:
    return Path(f"{path}.crai").is_file() or Path(path).with_suffix(".crai").is_file()


def _bam_header(path: str) -> tuple[str, list[tuple[str, int]]]:
    """Text and contigs of a BAM's header (SAMv1 section 4.2)."""
    data = b""
    with closing(TextStream(path)) as stream:
        for chunk in stream.chunks():
            buffer, n = chunk.fill()
            data += bytes(memoryview(buffer)[:n])
            chunk.release(buffer)
            if _header_bytes(data, path) is not None:
                break
    if _header_bytes(data, path) is None:
        raise InputError(f"{path}: ends within its header; copy or make it again")
    (n_text,) = struct.unpack_from("<i", data, 4)
    at = 8 + n_text
    (n_contigs,) = struct.unpack_from("<i", data, at)
    at += 4
    contigs = []
    for _ in range(n_contigs):
        (n_name,) = struct.unpack_from("<i", data, at)
        name = data[at + 4 : at + 3 + n_name].decode("utf-8", "backslashreplace")
        contigs.append((name, struct.unpack_from("<i", data, at + 4 + n_name)[0]))
        at += 8 + n_name
    text = data[8 : 8 + n_text].decode("utf-8", "backslashreplace")
    return text.rstrip("\0"), contigs


def _without_header(pieces: Iterator[memoryview]) -> Iterator[memoryview]:
    """Skip magic, text and contigs."""
    data = b""
    for piece in pieces:
        data += piece
        at = _header_bytes(data, "")
        if at is not None:
            yield memoryview(data)[at:]
            break
    yield from pieces


def _header_bytes(data: bytes, path: str) -> int | None:
    """Length of the header, None while it is not whole; raises InputError where it is none."""
    if len(data) < 12:
        return None
    (n_text,) = struct.unpack_from("<i", data, 4)
    at = 8 + n_text
    if not 0 <= n_text <= _MAX_HEADER:
        raise InputError(f"{path}: its header says that it has {n_text} bytes; the file is damaged")
    if at + 4 > len(data):
        return None
    (n_contigs,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(n_contigs):
        if at + 4 > len(data):
            return None
        (n_name,) = struct.unpack_from("<i", data, at)
        if not 0 < n_name <= _MAX_HEADER:
            raise InputError(f"{path}: the list of contigs in its header is damaged")
        at += 8 + n_name
    return at if n_contigs >= 0 and at <= len(data) else None
