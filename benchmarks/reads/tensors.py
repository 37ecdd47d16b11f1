"""Tensors of candidate sites per second of one processor: pileups, evidence, pictures of reads.

python benchmarks/reads/tensors.py DIR/region/made/reads.bam --reference DIR/region/made/ref.fa

Reads are inflated and cut into tiles first, which is not timed. Processor seconds of one thread,
the least of --repeats for each tile, so that other work on the machine disturbs little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from genomed.features.call_candidates import count_bases, find_candidates
from genomed.features.call_sites import PILEUP_CHANNELS, PILEUP_WIDTH, call_tile
from genomed.features.call_tiles import Tile, iter_tiles
from genomed.io.alignments import AlignmentReader
from genomed.io.fasta import Fasta
from genomed.kernels import call_candidates as kernels
from genomed.settings import CallSettings

BAR = 20_000  # tensors a second


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("alignments", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--tiles", type=int, default=40, help="of 65,536 bases")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    settings = CallSettings()
    reader, fasta = AlignmentReader(options.alignments), Fasta(options.reference)
    tiles = list(islice(iter_tiles(reader, fasta, None, settings), options.tiles + 1))
    call_tile(tiles[0], settings).read_matrices(np.arange(1))  # kernels are compiled
    seconds = {name: 0.0 for name in ("count", "find", "cut", "call", "draw")}
    n_sites = n_reads = 0
    for tile in tiles[1:]:
        n_reads += len(tile.reads.place)
        n_sites += time_tile(tile, settings, options.repeats, seconds)
    print(f"{n_sites} sites, {n_reads} reads, {len(tiles) - 1} tiles")
    pileup = seconds["count"] + seconds["cut"]
    for what, took in (
        ("pileup tensors, counting all bases of all reads", pileup),
        ("pileup tensors, candidates found as well", pileup + seconds["find"]),
        ("pileup, evidence and likelihoods, all of a call but the caller", seconds["call"]),
        ("pictures of reads", seconds["draw"]),
    ):
        rate = n_sites / took
        print(f"{rate:10,.0f} a second  {'met' if rate >= BAR else 'missed'}  {what}")
    for name, took in seconds.items():
        print(f"{1e6 * took / n_sites:10.1f} us a site  {name}")


def time_tile(tile: Tile, settings: CallSettings, repeats: int, seconds: dict[str, float]) -> int:
    """Add the seconds of a tile; its sites."""

    def timed(name: str, function: Callable[[], Any]) -> Any:
        took = []
        for _ in range(repeats):
            began = time.thread_time()
            made = function()
            took.append(time.thread_time() - began)
        seconds[name] += min(took)
        return made

    counts = timed("count", lambda: count_bases(tile, settings))
    candidates = timed("find", lambda: find_candidates(tile, counts, settings))
    called = timed("call", lambda: call_tile(tile, settings))
    position = called.sites.table["position"].to_numpy().astype(np.int64) - 1 - tile.first
    windows = np.empty((len(position), PILEUP_WIDTH, PILEUP_CHANNELS), np.int16)
    timed("cut", lambda: kernels.pileup_windows(
        counts, tile.ref, candidates.best, position, PILEUP_WIDTH, windows
    ))  # fmt: skip
    assert np.array_equal(windows, called.sites.pileup)
    rows = np.arange(len(position))
    timed("draw", lambda: called.read_matrices(rows))
    return len(position)


if __name__ == "__main__":
    main()
