"""BAM and CRAM files as blocks of alignments: inflated in threads, walked by our own kernel.

CRAM and SAM go through htslib (pysam), which hands them on as BAM records; from there on all three
are the same bytes.
"""

from __future__ import annotations

import itertools
import logging
import struct
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path

import numpy as np

from genomed.errors import InputError
from genomed.io.alignment_header import reference_problem
from genomed.io.alignment_pieces import (
    Piece,
    file_kind,
    fill,
    read_header,
    without_header,
)
from genomed.io.bam_index import BamIndex, find_index
from genomed.io.bgzf import RECORD_ROOM, Chunk, TextStream, unfit_index
from genomed.io.fasta import Fasta
from genomed.io.htslib_records import IndexedRegions, turned
from genomed.io.sam_text import explain_sam
from genomed.kernels import bam_records as kernel
from genomed.regions import ContigNames, Region
from genomed.schema import AlignmentBlock
from genomed.threads import in_order

__all__ = ["AlignmentReader"]

_LOG = logging.getLogger(__name__)
_WHAT = {
    kernel.BAD_STRUCTURE: "its parts do not fit together",
    kernel.BAD_CONTIG: "its contig is not in the header",
    kernel.BAD_CIGAR: "its CIGAR and its bases differ in length",
    kernel.BAD_POSITION: "its position is below 1 or above 2147483647",
}


class AlignmentReader:
    """Reads a coordinate-sorted BAM, CRAM or SAM.

    contigs     : names in the order of the header; lengths : int64 (contigs,)
    names       : the same, to be found under any usual spelling
    header      : code of a header line (HD, SQ, RG, PG) -> its fields, line by line
    samples     : names of read groups (RG SM), each once, in order; empty without read groups
    read_groups : read group ID -> sample
    reference   : FASTA that a CRAM is decoded with
    threads     : threads that inflate
    sample      : gives only the alignments whose read group is of this sample
    ordered     : refuses a file that is not sorted by coordinate
    stream      : a BAM that is being inflated already, for the first pass over the whole of it
    """

    def __init__(
        self, path: Path | str, *, reference: Path | None = None, threads: int = 1,
        sample: str | None = None, ordered: bool = True, stream: TextStream | None = None,
    ) -> None:  # fmt: skip
        self.path = str(path)
        self._reference = reference
        self._threads = max(1, threads)
        self._ordered = ordered
        self._stream = stream
        self.kind = file_kind(self.path)
        self._header = read_header(self.path, self.kind)
        self.contigs: list[str] = self._header.contigs
        self.lengths = self._header.lengths
        self.header = self._header.records
        self.read_groups = self._header.read_groups
        self.samples = list(dict.fromkeys(s for s in self.read_groups.values() if s))
        self.sha256: str | None = None  # of a BAM that was read whole
        self._groups = None if sample is None else self._groups_of(sample)
        self._index: BamIndex | None = None
        self.names = ContigNames(self.contigs)
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
            if find_index(Path(self.path), [".crai"]) is None:
                raise self._no_index()
            indexed = IndexedRegions(self.path, self._reference, self._threads)
        with ExitStack() as opened:
            if indexed is not None:
                opened.callback(indexed.close)
            stream = opened.enter_context(closing(TextStream(self.path, room=RECORD_ROOM)))
            for region in regions:
                contig = self.contig_index(region.contig)
                end = min(region.end, int(self.lengths[contig]))
                place = Region(self.contigs[contig], max(region.start, 0), end)
                if place.start >= end:
                    continue
                with closing(self._records(place, stream, indexed)) as records:
                    yield from self._overlapping(records, contig, place)

    def contig_index(self, name: str) -> int:
        """Index of a contig under any of its usual spellings (chr1 or 1)."""
        found = self.names.place(name)
        if found is None:
            raise InputError(
                f"{self.path}: has no contig {name!r}; its contigs begin with "
                f"{', '.join(self.contigs[:3]) or 'none'}, so it may be of another build"
            )
        return found

    def check_one_sample(self, remedy: str = "choose one with --sample") -> None:
        """Raise InputError where reads of several people would be taken for one person's."""
        if len(self.samples) > 1:
            raise InputError(
                f"{self.path}: holds reads of {len(self.samples)} samples "
                f"({', '.join(self.samples[:5])}); {remedy}"
            )

    def check_reference(self, fasta: Fasta, contigs: Sequence[str] | None = None) -> None:
        """Raise InputError unless a FASTA has these contigs (or all), with length and MD5."""
        names = self.contigs if contigs is None else list(contigs)
        if problem := reference_problem(self._header, fasta, names):
            raise InputError(
                f"{fasta.path}: is not the reference of {self.path}: {problem}; give the FASTA "
                "that the reads were aligned to"
            )

    def _overlapping(
        self, records: Iterator[Piece], contig: int, region: Region
    ) -> Iterator[AlignmentBlock]:
        for block in self._blocks(records, sought=self.kind == "bam"):
            if block.contig != contig:
                continue
            keep = (block.start < region.end) & (block.end > region.start)
            yield block.only(keep)
            if len(block.start) and block.start[-1] >= region.end:
                return

    def _blocks(
        self, records: Iterator[Piece], *, sought: bool = False
    ) -> Iterator[AlignmentBlock]:
        """Cut inflated records into blocks; those that an index led to are `sought`."""
        rest = np.zeros(0, np.uint8)
        n_records = 0
        last = (0, -1)  # contig and start of the last alignment; no position is the last contig
        for piece in records:
            whole = piece.after(rest)
            data, n_bytes = whole.data[whole.first :], whole.stop - whole.first
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
        if len(rest) and sought:
            raise unfit_index(self.path)
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
    ) -> Generator[Piece, None, None]:
        """Inflated records without the header; what is yielded holds until the next."""
        if self.kind != "bam":
            yield from self._through_htslib(region, indexed)
        elif region is None:
            stream, self._stream = self._stream, None
            with closing(stream or TextStream(self.path, room=RECORD_ROOM)) as whole:
                yield from without_header(self._inflated(whole.chunks()))
                self.sha256 = whole.sha256
        else:
            assert stream is not None
            yield from self._sought(region, stream)

    def _inflated(self, chunks: Iterator[Chunk]) -> Iterator[Piece]:
        """Texts of chunks in order, inflated ahead in threads."""
        return in_order(chunks, fill, self._threads, "inflate", ahead=self._threads)

    def _sought(self, region: Region, stream: TextStream) -> Iterator[Piece]:
        if stream.kind != "bgzf":
            raise InputError(f"{self.path}: is not compressed by blocks; make it with `samtools`")
        if self._index is None:
            stream.check_end()
            self._check_index(self._bam_index(), stream)
        index = self._bam_index()
        ranges = index.ranges(self.contig_index(region.contig), region.start, region.end)
        assert stream.size is not None
        if len(ranges) and int(ranges[-1, 1] >> 16) > stream.size:
            raise unfit_index(self.path)
        for chunk in stream.range_chunks(ranges.tolist(), lines=False):
            yield fill(chunk)

    def _bam_index(self) -> BamIndex:
        if self._index is None:
            path = find_index(Path(self.path))
            if path is None:
                raise self._no_index()
            if path.stat().st_mtime < Path(self.path).stat().st_mtime:
                _warn_of_age(path, self.path)
            try:
                self._index = BamIndex(path)
            except ValueError as error:
                raise InputError(f"{error}; make it again with `samtools index`") from None
            if self._index.n_contigs > len(self.contigs):
                raise unfit_index(self.path)
        return self._index

    def _check_index(self, index: BamIndex, stream: TextStream) -> None:
        """Behind the last alignment that the index knows lie only those that have no place."""
        try:
            behind = stream.text_behind(index.end) if index.end else b""
        except InputError:
            raise unfit_index(self.path) from None
        if len(behind) >= 8 and struct.unpack_from("<4xi", behind)[0] >= 0:
            raise unfit_index(self.path)

    def _no_index(self) -> InputError:
        return InputError(
            f"{self.path}: has no index, which regions need; make it with `samtools index`"
        )

    # CRAM and SAM

    def _through_htslib(
        self, region: Region | None, indexed: IndexedRegions | None
    ) -> Generator[Piece, None, None]:
        if region is None or indexed is None:
            opened = turned(self.path, self._reference, self._threads)
        else:
            opened = indexed.stream(region)
        try:
            with opened as stream:
                yield from without_header(self._inflated(stream.chunks()))
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


@cache  # a file has many readers
def _warn_of_age(index: Path, path: str) -> None:
    _LOG.warning(
        "%s is older than %s and may lack some of its reads; make it again with `samtools index`",
        index, path,
    )  # fmt: skip
