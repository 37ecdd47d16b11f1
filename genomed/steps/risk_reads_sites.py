"""Files of reads for `risk`: opened for one sample, and their bases at scattered sites."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import UsageError
from genomed.io.alignments import AlignmentReader
from genomed.regions import Region
from genomed.stats.site_reads import SiteCounter, SiteReads

__all__ = [
    "clusters",
    "gather",
    "open_reads",
]

NEAR = 4096  # sites so near are read in one go


def open_reads(name: str, path: Path, fasta: Path, threads: int) -> AlignmentReader:
    """One sample's reads; of a file of several samples, those of that name."""
    reader = AlignmentReader(path, reference=fasta, threads=threads)
    if len(reader.samples) < 2:
        return reader
    if name not in reader.samples:
        raise UsageError(
            f"--reads {name}={path}: the file has reads of {', '.join(reader.samples[:5])}; name "
            "one of these, or split the file with `samtools split`"
        )
    return AlignmentReader(path, reference=fasta, threads=threads, sample=name)


def clusters(sites: pl.DataFrame, near: int) -> pl.Series:
    """Number of the group of neighbours that each site is in; sites are sorted."""
    new = (sites["contig"] != sites["contig"].shift(1)) | (
        sites["position"] - sites["position"].shift(1) > near
    )
    return new.fill_null(True).cast(pl.Int64).cum_sum().alias("cluster")


def gather(
    reader: AlignmentReader, sites: pl.DataFrame, min_mapq: int, threads: int = 1
) -> SiteReads:
    """Bases of all reads at the sites, neighbours being read in one go; threads share them."""
    ordered = sites.with_row_index("site").sort("contig", "position", maintain_order=True)
    ordered = ordered.with_columns(clusters(ordered, NEAR))

    def read(part: pl.DataFrame) -> SiteReads:
        counter = SiteCounter(
            reader.contigs, part["contig"].to_numpy(), part["position"].to_numpy() - 1,
            min_mapping_quality=min_mapq,
        )  # fmt: skip
        for contig, starts in sorted(counter.contig_sites.items()):
            for near in np.split(starts, np.flatnonzero(np.diff(starts) > NEAR) + 1):
                start, end = int(near[0]), int(near[-1]) + 1
                for block in reader.blocks([Region(reader.contigs[contig], start, end)]):
                    counter.add(block, start, end)
        return counter.finish()

    shares = _shares(ordered["cluster"].to_numpy(), threads)
    parts = [ordered[first:stop] for first, stop in itertools.pairwise(shares)]
    if len(parts) > 1:
        with ThreadPoolExecutor(threads, thread_name_prefix="genomed-reads") as pool:
            found = list(pool.map(read, parts))
    else:
        found = [read(part) for part in parts]
    return SiteReads.joined(found, ordered["site"].to_numpy().astype(np.int64))


def _shares(cluster: np.ndarray, threads: int) -> list[int]:
    """Bounds of about equal shares that part no cluster: 0 .. the number of sites."""
    n = len(cluster)
    wanted = np.linspace(0, n, threads + 1).astype(np.int64)[1:-1]
    borders = np.searchsorted(cluster, cluster[wanted], side="left") if n else wanted[:0]
    return sorted({0, n, *borders.tolist()})
