"""One pass over one file of alignments: depth in order, counts of records in threads."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.alignments import AlignmentReader
from genomed.io.fasta import Fasta
from genomed.io.intervals import Intervals, windows
from genomed.io.mosdepth import BedFile, class_labels, region_frame
from genomed.io.outputs import OutputDirectory
from genomed.schema import AlignmentBlock
from genomed.settings import ReadsQcSettings
from genomed.stats.coverage import (
    GC_WINDOW_BP,
    ContigDepth,
    DepthCounter,
    DepthRules,
    window_gc,
)
from genomed.stats.read_quality import ReadCounter

__all__ = ["FileMeasures", "depth_rules", "measure_file", "no_regions"]

N_GC = 101
NO_WINDOW = 255


class BlockCounter(Protocol):
    """What else takes the blocks of a file, in order."""

    def add(self, block: AlignmentBlock) -> None:
        """Take the next one."""


@dataclass
class FileMeasures:
    """What one file holds.

    contigs    : index of the contig -> its depth, in the order of the header
    known      : bases of A, C, G and T by contig, in whole windows; empty without a reference
    gc_windows, gc_total : int64 (101,), windows by percentage of GC, and sums of their depths
    regions    : a row per target or window
    warnings   : sentences
    """

    reads: ReadCounter
    contigs: dict[int, ContigDepth] = field(default_factory=dict)
    known: dict[int, int] = field(default_factory=dict)
    gc_windows: np.ndarray = field(default_factory=lambda: np.zeros(N_GC, np.int64))
    gc_total: np.ndarray = field(default_factory=lambda: np.zeros(N_GC, np.int64))
    regions: list[pl.DataFrame] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def depth_rules(settings: ReadsQcSettings) -> DepthRules:
    """What counts as depth, from the settings."""
    return DepthRules(
        settings.exclude_flags,
        settings.include_flags,
        settings.min_mapq,
        settings.overlaps == "once",
        np.array(settings.thresholds, np.int64),
        np.array(settings.quantize, np.int64),
    )


def no_regions(settings: ReadsQcSettings) -> pl.DataFrame:
    """FileMeasures.regions of a file without contigs."""
    schema: dict[str, Any] = {"contig": pl.Utf8, "start": pl.Int64, "end": pl.Int64}
    schema |= {"name": pl.Utf8, "mean_depth": pl.Float64}
    return pl.DataFrame(schema=schema | {f"reached_{t}": pl.Int32 for t in settings.thresholds})


def measure_file(
    reader: AlignmentReader,
    prefix: str,
    directory: OutputDirectory,
    settings: ReadsQcSettings,
    *,
    targets: dict[int, Intervals] | None = None,
    fasta: Fasta | None = None,
    also: BlockCounter | None = None,
    threads: int = 1,
) -> FileMeasures:
    """Measure a file, and write its .bed.gz files on the way.

    targets : index of the contig -> regions; None cuts contigs into windows
    """
    with ExitStack() as opened:
        files = _BedFiles(directory, prefix, reader, settings, targets, opened)
        n_counting = max(1, threads // 2)  # others inflate, and this one adds up depth
        pool = opened.enter_context(
            ThreadPoolExecutor(n_counting, thread_name_prefix="genomed-count")
        )
        pool.submit(import_module, "pysam")  # for the indexes of what is written
        run = _Run(reader, settings, targets, fasta, files)
        counters = _Counters(pool, also)
        for block in reader.blocks():
            counters.add(block)
            if block.contig >= 0:
                run.add(block)
        run.finish()
        run.measures.reads.merge(counters.finish())
        with directory.explained():
            opened.close()
    return run.measures


class _Run:
    """The contigs of a file, one after the other; those without alignments, too."""

    def __init__(
        self, reader: AlignmentReader, settings: ReadsQcSettings,
        targets: dict[int, Intervals] | None, fasta: Fasta | None, files: _BedFiles,
    ) -> None:  # fmt: skip
        self._reader, self._settings, self._targets = reader, settings, targets
        self._fasta, self._files = fasta, files
        self.measures = FileMeasures(ReadCounter())
        depths = files.depths if settings.per_base else None
        self._counter = DepthCounter(depth_rules(settings), files.classes, depths)
        self._contig = -1
        self._gc: np.ndarray | None = None

    def add(self, block: AlignmentBlock) -> None:
        if block.contig != self._contig:
            self._move_to(block.contig, covered=True)
        self._counter.add(block.data, block.place, block.start, block.end, block.flag, block.mapq)

    def finish(self) -> None:
        self._move_to(len(self._reader.contigs), covered=False)

    def _move_to(self, contig: int, *, covered: bool) -> None:
        if self._contig >= 0:
            self._end()
        for empty in range(self._contig + 1, contig):
            self._begin(empty, covered=False)
            self._end()
        if covered:
            self._begin(contig, covered=True)
        self._contig = contig

    def _begin(self, contig: int, *, covered: bool) -> None:
        reader = self._reader
        length = int(reader.lengths[contig])
        if self._targets is None:
            self._regions = windows(length, self._settings.window_bp)
        else:
            none = np.zeros(0, np.int64)
            self._regions = self._targets.get(contig, Intervals(none, none, None))
        self._gc = None
        if covered and self._fasta is not None:
            self._gc = self._window_gc(self._fasta, reader.contigs[contig])
        self._counter.begin(length, self._regions.start, self._regions.end, self._gc)
        self._files.begin(contig)
        self._at = contig

    def _window_gc(self, fasta: Fasta, contig: str) -> np.ndarray | None:
        """None, with a warning, where a CRAM's header contradicts a FASTA that has decoded it."""
        try:
            self._reader.check_reference(fasta, [contig])
        except InputError as error:
            if self._reader.kind != "cram":
                raise
            self.measures.warnings.append(f"GC is not measured: {error}.")
            return None
        sequence = fasta.sequence(contig)
        assert sequence is not None
        return window_gc(*sequence)

    def _end(self) -> None:
        contig = self._at
        depth = self._counter.finish()
        measures = self.measures
        measures.contigs[contig] = depth
        if self._gc is not None:
            by_gc = np.bincount(self._gc, minlength=NO_WINDOW + 1)[:N_GC]
            measures.gc_windows += by_gc
            measures.gc_total += depth.gc_total
            measures.known[contig] = int(by_gc.sum()) * GC_WINDOW_BP
        measures.regions.append(self._files.regions(self._regions, depth))


class _BedFiles:
    """The .bed.gz files of one file of alignments."""

    def __init__(
        self, directory: OutputDirectory, prefix: str, reader: AlignmentReader,
        settings: ReadsQcSettings, targets: dict[int, Intervals] | None, opened: ExitStack,
    ) -> None:  # fmt: skip
        def file(name: str, header: str | None = None) -> BedFile:
            path = directory.place(f"{prefix}.{name}.bed.gz")
            directory.place(f"{prefix}.{name}.bed.gz.csi")
            return opened.enter_context(BedFile(path, header))

        self._contigs = reader.contigs
        self._thresholds = settings.thresholds
        reached = "\t".join(f"{t}X" for t in settings.thresholds)
        self._regions = file("regions")
        self._reached = file("thresholds", f"#chrom\tstart\tend\tregion\t{reached}")
        self._classes = file("quantized")
        self._depths = file("per-base") if settings.per_base else None
        self._labels = pl.Series(class_labels(settings.quantize), dtype=pl.Utf8)
        self._contig = ""

    def begin(self, contig: int) -> None:
        self._contig = self._contigs[contig]

    def classes(self, start: np.ndarray, end: np.ndarray, value: np.ndarray) -> None:
        known = value >= 0
        if not known.any():
            return
        labels = self._labels.gather(value[known])
        self._classes.stretches(self._contig, start[known], end[known], labels)

    def depths(self, start: np.ndarray, end: np.ndarray, value: np.ndarray) -> None:
        assert self._depths is not None
        self._depths.stretches(self._contig, start, end, value)

    def regions(self, regions: Intervals, depth: ContigDepth) -> pl.DataFrame:
        """Write the regions of a contig; the rows of the Parquet table."""
        size = regions.end - regions.start
        mean = np.divide(depth.region_total, size, where=size > 0, out=np.zeros(len(size)))
        frame = region_frame(self._contig, regions, mean_depth=mean)
        self._regions.write(frame)
        reached = {
            f"reached_{t}": depth.region_reached[:, i].astype(np.int32)
            for i, t in enumerate(self._thresholds)
        }
        unknown = pl.lit("unknown")
        name = pl.col("name").fill_null(unknown) if "name" in frame.columns else unknown
        told = frame.select("contig", "start", "end", name.alias("name"))
        self._reached.write(told.with_columns(**{k: pl.Series(v) for k, v in reached.items()}))
        if "name" not in frame.columns:
            frame = frame.insert_column(3, pl.lit(None, pl.Utf8).alias("name"))
        return frame.with_columns(**{k: pl.Series(v) for k, v in reached.items()})


class _Counters:
    """What takes blocks beside the depth: counts in any order, `also` in the file's."""

    def __init__(self, pool: ThreadPoolExecutor, also: BlockCounter | None) -> None:
        self._pool, self._also = pool, also
        self._own = ThreadPoolExecutor(1, thread_name_prefix="genomed-sites") if also else None
        self._local = threading.local()
        self._all: list[ReadCounter] = []
        self._ahead: deque[Future[Any]] = deque()

    def add(self, block: AlignmentBlock) -> None:
        self._ahead.append(self._pool.submit(self._count, block))
        if self._own is not None and self._also is not None:
            self._ahead.append(self._own.submit(self._also.add, block))
        while len(self._ahead) > 4:
            self._ahead.popleft().result()

    def finish(self) -> ReadCounter:
        while self._ahead:
            self._ahead.popleft().result()
        if self._own is not None:
            self._own.shutdown()
        total = ReadCounter()
        for one in self._all:
            total.merge(one)
        return total

    def _count(self, block: AlignmentBlock) -> None:
        counter = getattr(self._local, "counter", None)
        if counter is None:
            counter = self._local.counter = ReadCounter()
            self._all.append(counter)
        counter.add(block.data, block.place, block.flag, block.mapq)
