"""Alignments cut into tiles: stretches of a contig with all the reads that overlap them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from genomed.io.alignments import AlignmentReader
from genomed.io.fasta import Fasta
from genomed.kernels import pileup as kernels
from genomed.regions import Region
from genomed.schema import AlignmentBlock
from genomed.settings import CallSettings

__all__ = ["MARGIN_BP", "TILE_BP", "Tile", "iter_tiles", "reference_window"]

TILE_BP = 65_536  # tiles begin at multiples of this, whatever is asked for
MARGIN_BP = 640  # beyond a tile that decides what is called inside


class Tile(NamedTuple):
    """A stretch of a contig: 0-based `start`, `end` not included, where sites are looked for.

    reads : all that overlap it, or the margin around it, and are not passed over; by start
    first : 0-based place of ref[0]
    ref   : uint8, codes (kernels.pileup) of the reference, as far as the margin or the contig goes
    """

    contig: str
    start: int
    end: int
    reads: AlignmentBlock
    first: int
    ref: np.ndarray


def iter_tiles(
    reader: AlignmentReader,
    fasta: Fasta,
    regions: Sequence[Region] | None,
    settings: CallSettings,
) -> Iterator[Tile]:
    """Cut regions, or everything, into tiles; those without reads come without reads.

    Regions must not overlap. raises ValueError when a contig is not in the FASTA.
    """
    if regions is None:
        for contig, blocks in _by_contig(reader.blocks()):
            whole = Region(reader.contigs[contig], 0, int(reader.lengths[contig]))
            yield from _cut(blocks, contig, whole, fasta, settings)
        return
    for region in regions:
        contig = reader.contig_index(region.contig)
        end = min(region.end, int(reader.lengths[contig]))
        asked = Region(reader.contigs[contig], region.start, end)
        wide = Region(asked.contig, max(0, asked.start - MARGIN_BP), asked.end + MARGIN_BP)
        yield from _cut(reader.blocks([wide]), contig, asked, fasta, settings)


def reference_window(fasta: Fasta, contig: str, start: int, end: int) -> tuple[int, np.ndarray]:
    """Codes (kernels.pileup) of the bases of a contig, and the place of the first one.

    raises ValueError when the FASTA lacks the contig
    """
    sequence = fasta.sequence(contig)
    if sequence is None:
        raise ValueError(f"the reference has no contig {contig!r}")
    low, high = max(0, start), min(end, sequence.length)
    codes = np.empty(max(0, high - low), np.uint8)
    kernels.reference_codes(
        sequence.text, sequence.first, sequence.line_bases, sequence.line_bytes, low,
        max(low, high), codes,
    )  # fmt: skip
    return low, codes


def _by_contig(
    blocks: Iterable[AlignmentBlock],
) -> Iterator[tuple[int, Iterator[AlignmentBlock]]]:
    """Contigs in the order of the file, each with its blocks; reads without a position are left."""
    rest = iter(blocks)
    ahead = [block] if (block := next(rest, None)) else []

    def of(contig: int) -> Iterator[AlignmentBlock]:
        while ahead and ahead[0].contig == contig:
            yield ahead.pop()
            ahead.extend(block for block in (next(rest, None),) if block is not None)

    while ahead and ahead[0].contig >= 0:
        contig = ahead[0].contig
        yield contig, of(contig)


def _cut(
    blocks: Iterator[AlignmentBlock],
    contig: int,
    region: Region,
    fasta: Fasta,
    settings: CallSettings,
) -> Iterator[Tile]:
    """Tiles of one region; blocks are held as long as a tile needs them."""
    held: list[AlignmentBlock] = []
    ahead: AlignmentBlock | None = None
    is_over = False
    start = region.start
    while start < region.end:
        end = min(region.end, (start // TILE_BP + 1) * TILE_BP)
        low, high = start - MARGIN_BP, end + MARGIN_BP
        while not is_over and (ahead is None or not len(ahead.start) or ahead.start[0] < high):
            if ahead is not None and len(ahead.start):
                held.append(ahead)
            ahead = next(blocks, None)
            is_over = ahead is None
        held = [block for block in held if block.end.max() > low]
        reads = _gather([_chosen(block, low, high, settings) for block in held], contig)
        first, ref = reference_window(fasta, region.contig, low, high)
        yield Tile(region.contig, start, end, reads, first, ref)
        start = end
    for _ in blocks:  # what lies behind the region; a reader may be shared
        pass


def _chosen(block: AlignmentBlock, low: int, high: int, settings: CallSettings) -> AlignmentBlock:
    keep = (
        (block.start < high) & (block.end > low) & (block.mapq >= settings.min_mapq)
        & (block.flag & settings.exclude_flags == 0)
    )  # fmt: skip
    kernels.keep_with_bases(block.data, block.place, keep)
    return block._replace(
        place=block.place[keep], start=block.start[keep], end=block.end[keep],
        flag=block.flag[keep], mapq=block.mapq[keep],
    )  # fmt: skip


def _gather(blocks: list[AlignmentBlock], contig: int) -> AlignmentBlock:
    """Copy what is left of some blocks into one."""
    size = sum(
        kernels.gather_records(block.data, block.place, block.data, 0, None) for block in blocks
    )
    data = np.empty(size + 64, np.uint8)
    data[size:] = 0
    places = []
    at = 0
    for block in blocks:
        place = np.empty(len(block.place), np.int64)
        at = kernels.gather_records(block.data, block.place, data, at, place)
        places.append(place)

    def joined(name: str, kind: type) -> np.ndarray:
        parts = [getattr(block, name) for block in blocks]
        return np.concatenate(parts) if parts else np.empty(0, kind)

    return AlignmentBlock(
        data, np.concatenate(places) if places else np.empty(0, np.int64), contig,
        joined("start", np.int32), joined("end", np.int32), joined("flag", np.uint16),
        joined("mapq", np.uint8),
    )  # fmt: skip
