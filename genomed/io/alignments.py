"""BAM and CRAM files as blocks of alignments: inflated in threads, walked by our own kernel.

CRAM and SAM go through htslib (pysam), which hands them on as BAM records; from there on all three
are the same bytes.
"""

from __future__ import annotations

import itertools
import os
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysam

from genomed.errors import InputError
from genomed.io.bgzf import TextStream
from genomed.kernels import bam_records as kernel
from genomed.regions import Region, canonical_contig

__all__ = ["AlignmentBlock", "AlignmentReader"]

_WHAT = {
    kernel.BAD_STRUCTURE: "its parts do not fit together",
    kernel.BAD_CONTIG: "its contig is not in the header",
    kernel.BAD_CIGAR: "its CIGAR and its bases differ in length",
}


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


class AlignmentReader:
    """Reads a coordinate-sorted BAM, CRAM or SAM.

    contigs     : names in the order of the header; lengths : int64 (contigs,)
    samples     : names of read groups (RG SM), each once, in order; empty without read groups
    read_groups : read group ID -> sample
    reference   : FASTA that a CRAM is decoded with
    threads     : threads that inflate
    """

    def __init__(self, path: Path | str, *, reference: Path | None = None, threads: int = 1):
        self.path = str(path)
        self._reference = reference
        self._threads = max(1, threads)
        with self._open() as file:
            self.contigs: list[str] = list(file.references)
            self.lengths = np.array(file.lengths, np.int64)
            self.header = file.header.to_dict()
        groups = self.header.get("RG", [])
        self.read_groups = {str(g.get("ID")): str(g.get("SM", "")) for g in groups}
        self.samples = list(dict.fromkeys(s for s in self.read_groups.values() if s))

    def blocks(self, regions: Sequence[Region] | None = None) -> Iterator[AlignmentBlock]:
        """Yield all alignments, or those that overlap each region, region after region.

        An alignment that overlaps two regions comes with both. Without regions, reads that have no
        position come last, with contig -1.
        """
        if regions is None:
            yield from self._pieces(None)
            return
        for region in regions:
            contig = self.contig_index(region.contig)
            for block in self._pieces(Region(self.contigs[contig], region.start, region.end)):
                keep = (block.start < region.end) & (block.end > region.start)
                yield block._replace(**{
                    name: getattr(block, name)[keep]
                    for name in ("place", "start", "end", "flag", "mapq")
                })  # fmt: skip

    def contig_index(self, name: str) -> int:
        """Index of a contig under any of its usual spellings (chr1 or 1)."""
        if name in self.contigs:
            return self.contigs.index(name)
        for i, contig in enumerate(self.contigs):
            if canonical_contig(contig) == canonical_contig(name):
                return i
        raise InputError(f"{self.path}: has no contig {name!r}; its first is {self.contigs[:1]}")

    def _open(self) -> pysam.AlignmentFile:
        reference = None if self._reference is None else str(self._reference)
        try:
            return pysam.AlignmentFile(self.path, reference_filename=reference, check_sq=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: cannot be read as BAM, CRAM or SAM ({error})") from None

    def _pieces(self, region: Region | None) -> Iterator[AlignmentBlock]:
        """Blocks of whatever lies near the region."""
        rest = b""
        n_records = 0
        for piece in self._records(region):
            data = np.frombuffer(rest + piece + bytes(64), np.uint8)
            n_bytes = len(data) - 64
            size = n_bytes // 36 + 1
            place = np.empty(size, np.int64)
            contig, start, end = (np.empty(size, np.int32) for _ in range(3))
            flag, mapq = np.empty(size, np.uint16), np.empty(size, np.uint8)
            n, used, wrong = kernel.walk_alignments(
                data, n_bytes, len(self.contigs), place, contig, start, end, flag, mapq
            )
            cuts = [0, *(np.flatnonzero(np.diff(contig[:n])) + 1), n] if n else [0]
            for first, stop in itertools.pairwise(cuts):
                some = slice(first, stop)
                yield AlignmentBlock(
                    data, place[some], int(contig[first]), start[some], end[some], flag[some],
                    mapq[some],
                )  # fmt: skip
            n_records += n
            if wrong:
                raise InputError(
                    f"{self.path}, record {n_records + 1}: {_WHAT[wrong]}; the file is damaged"
                )
            rest = data[used:n_bytes].tobytes()
        if rest:
            raise InputError(f"{self.path}: ends in the middle of record {n_records + 1}")

    def _records(self, region: Region | None) -> Iterator[bytes]:
        """Inflated records without the header."""
        if region is None and self.path.endswith(".bam"):
            with closing(TextStream(self.path)) as stream:
                yield from _without_header(stream)
            return
        read, write = os.pipe()
        thread = threading.Thread(target=self._copy, args=(region, write), daemon=True)
        thread.start()
        with os.fdopen(read, "rb") as file:
            yield from _without_header(TextStream(self.path, stream=file))
        thread.join()

    def _copy(self, region: Region | None, write: int) -> None:
        with (
            os.fdopen(write, "wb") as pipe,
            self._open() as file,
            pysam.AlignmentFile(pipe, "wbu", template=file) as out,
        ):
            for read in file.fetch(*(region or ()), until_eof=region is None):
                out.write(read)


def _without_header(stream: TextStream) -> Iterator[bytes]:
    """Skip magic, text and contigs (SAMv1 section 4.2)."""
    data = b""
    chunks = stream.chunks()
    pending = True
    for chunk in chunks:
        buffer, n = chunk.fill()
        data += bytes(memoryview(buffer)[:n])
        chunk.release(buffer)
        if pending and (at := _header_bytes(data)) is not None:
            data, pending = data[at:], False
        if not pending:
            yield data
            data = b""


def _header_bytes(data: bytes) -> int | None:
    if len(data) < 12:
        return None
    at = 8 + struct.unpack_from("<i", data, 4)[0]
    if at + 4 > len(data):
        return None
    (n_contigs,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(n_contigs):
        if at + 4 > len(data):
            return None
        at += 8 + struct.unpack_from("<i", data, at)[0]
    return at if at <= len(data) else None
