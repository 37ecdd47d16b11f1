"""Blocks of a gVCF: what lies between the calls of `genomed reads call`."""

from __future__ import annotations

import numpy as np

from genomed.features.call_candidates import LETTERS
from genomed.features.call_sites import CalledTile
from genomed.io.call_vcf import block_lines
from genomed.stats.reference_confidence import reference_quality

__all__ = ["ReferenceBlocks"]


class ReferenceBlocks:
    """Puts blocks between the calls of tile after tile; no block covers what a call covers."""

    def __init__(self) -> None:
        self._contig = ""
        self._until = 0  # 0-based end of the calls so far

    def merge(self, called: CalledTile, calls: list[str]) -> list[str]:
        """The records of a tile in order: its calls, and blocks for all other positions."""
        tile = called.tile
        if tile.contig != self._contig:
            self._contig, self._until = tile.contig, 0
        inside = slice(tile.start - tile.first, tile.end - tile.first)
        ref = tile.ref[inside]
        gq, depth = reference_quality(called.counts[inside], ref)
        is_call = np.zeros(len(ref), bool)
        is_call[: max(0, self._until - tile.start)] = True
        for line in calls:
            _, position, _, text, _ = line.split("\t", 4)
            end = int(position) - 1 + len(text)
            is_call[int(position) - 1 - tile.start : end - tile.start] = True
            self._until = max(self._until, end)
        letters = LETTERS[ref].tobytes().decode()
        blocks = block_lines(tile.contig, letters, tile.start, gq, depth, is_call)
        keyed = [(int(line.split("\t", 2)[1]), line) for line in (*calls, *blocks)]
        return [line for _, line in sorted(keyed, key=lambda one: one[0])]
