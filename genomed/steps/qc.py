"""`genomed qc`: one pass over a cohort; every variant and every sample measured and judged."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from genomed.io.bgzf import TextStream
from genomed.io.outputs import OutputDirectory
from genomed.io.table_parts import TableParts
from genomed.provenance import Fingerprints, file_fingerprint
from genomed.regions import Region
from genomed.settings import QcSettings
from genomed.stats.variants import Strata
from genomed.steps.clock import Clock
from genomed.steps.qc_measure import VARIANT_SCHEMA, Sums, measure_block
from genomed.steps.qc_outputs import QcFacts, passing_ids, variants_metadata, write_outputs
from genomed.steps.qc_people import People, gather_people
from genomed.steps.qc_samples import samples_table
from genomed.steps.qc_source import Block, Source, open_source
from genomed.steps.qc_write import FilteredStore

__all__ = ["QcInputs", "QcSummary", "run_qc"]

BATCH_BYTES = 24 << 20  # of int8 calls

# Rows of a block; of those that pass the IDs, and if asked for the packed calls
Measured = tuple[pl.DataFrame, bytes, np.ndarray | None]


@dataclass(frozen=True)
class QcInputs:
    """What a run reads.

    people        : a .psam or .fam: sex, parents and phenotypes; beside what a store says
    pheno, groups : a table of samples (FILE or FILE:COLUMN), or a column of `people`
    write         : prefix of a store of what passes
    """

    cohort: str
    samples: Sequence[str] | None = None
    region: Region | None = None
    people: Path | None = None
    pheno: str | None = None
    groups: str | None = None
    write: Path | None = None


@dataclass
class QcSummary:
    """What a run found, for the terminal."""

    facts: QcFacts
    samples: pl.DataFrame
    outputs: dict[str, Path]
    seconds: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)


def run_qc(
    inputs: QcInputs,
    out: Path,
    settings: QcSettings,
    *,
    threads: int = 1,
    max_memory: int | None = None,
    stream: TextStream | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    command: str = "genomed qc",
) -> QcSummary:
    """Measure a cohort and write the tables, the lists of what passes, and run.json.

    stream   : the cohort, already opened and inflating
    progress : called with (read, in all or None)
    Raises InputError, UsageError, BuildError and OutputError; nothing is left in `out` then.
    """
    clock = Clock()
    with ExitStack() as opened:
        directory = opened.enter_context(OutputDirectory(out))
        fingerprints = opened.enter_context(Fingerprints())
        source = open_source(
            inputs.cohort, samples=inputs.samples, region=inputs.region, build=settings.build,
            threads=threads, stream=stream,
            max_batch_bytes=min(BATCH_BYTES, (max_memory or 1 << 62) // 64),
        )  # fmt: skip
        opened.callback(source.close)
        for path in source.files if stream is None else ():  # else it is digested as it is read
            fingerprints.begin(path)
        pool = opened.enter_context(ThreadPoolExecutor(threads, thread_name_prefix="genomed-qc"))
        people = gather_people(source.people, inputs.people, inputs.pheno, inputs.groups)
        store = None
        if inputs.write is not None:
            store = FilteredStore(inputs.write, people.table, source.contigs, threads)
            opened.enter_context(store)
        clock.lap("open")
        files = directory.place("variants.tsv.gz"), directory.place("variants.parquet")
        table = TableParts(*files, VARIANT_SCHEMA, variants_metadata(settings), pool)
        with closing(table):
            run = _Run(source, people, settings, pool, threads)
            run.stream(table, directory, store, progress)
            clock.lap("stream")
            sums = run.total()
            measured = sums.samples.measures()
            samples = samples_table(people, measured, sums.mendel, settings)
            facts = QcFacts.of(source, people, settings, sums, samples, inputs)
            clock.lap("samples")
            with directory.explained():
                table.finish()
        stored = store.finish(samples["pass"]) if store is not None else {}
        if store is not None and not stored:
            facts.warnings.append("--write: nothing passes, so no store was written.")
        read = _fingerprints(inputs, source, fingerprints)
        write_outputs(directory, facts, samples, people, settings, read, command, clock.started)
        clock.lap("write")
    outputs = directory.files() | stored
    return QcSummary(facts, samples, outputs, sum(clock.phases.values()), clock.phases)


def _fingerprints(
    inputs: QcInputs, source: Source, fingerprints: Fingerprints
) -> dict[str, dict[str, object]]:
    """Path -> size and SHA-256 of every file that was read."""
    tables = [spec.rpartition(":")[0] if not Path(spec).is_file() else spec
              for spec in (inputs.pheno, inputs.groups) if spec]  # fmt: skip
    files = [*source.files, *([inputs.people] if inputs.people else []), *map(Path, tables)]
    found: dict[str, dict[str, object]] = {}
    for path in files:
        if path.is_file():
            known = source.sha256() if path == Path(inputs.cohort) else None
            found[str(path)] = file_fingerprint(path, known) if known else fingerprints.of(path)
    return found


class _Run:
    """One pass over the calls: blocks are measured in threads and their rows kept in order."""

    def __init__(
        self, source: Source, people: People, settings: QcSettings, pool: ThreadPoolExecutor,
        threads: int,
    ) -> None:  # fmt: skip
        self._source, self._people, self._settings = source, people, settings
        self._pool, self._ahead = pool, threads + 1
        self._strata = Strata(people.sex, people.founder, people.status, people.group)
        self._local = threading.local()
        self._all: list[Sums] = []

    def stream(
        self,
        table: TableParts,
        directory: OutputDirectory,
        store: FilteredStore | None,
        progress: Callable[[int, int | None], None] | None,
    ) -> None:
        """Measure everything; rows go to `table`, and IDs of what passes to pass.variants."""
        with directory.place("pass.variants").open("wb") as passing:
            for rows, names, words in self._measured(store is not None):
                with directory.explained():
                    table.add(rows)
                    passing.write(names)
                if store is not None and words is not None:
                    store.add(rows.filter(rows["pass"]), words)
                if progress is not None:
                    progress(*self._source.progress())

    def total(self) -> Sums:
        """The sums of all threads."""
        total = Sums.of(self._people)
        for one in self._all:
            total.merge(one)
        return total

    def _measured(self, keep: bool) -> Iterator[Measured]:
        """What comes of each block, in the order of the cohort."""
        ahead: deque[Future[Measured]] = deque()
        try:
            for block in self._source.blocks():
                ahead.append(self._pool.submit(self._measure, block, keep))
                while len(ahead) > self._ahead or (ahead and ahead[0].done()):
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()

    def _measure(self, block: Block, keep: bool) -> Measured:
        sums = getattr(self._local, "sums", None)
        if sums is None:
            sums = self._local.sums = Sums.of(self._people)
            self._all.append(sums)
        words = block.words()
        rows = measure_block(
            block.variants, words, self._strata, self._people, self._source.build, self._settings,
            sums,
        )  # fmt: skip
        kept = words[rows["pass"].to_numpy()] if keep else None
        return rows, passing_ids(rows), kept
