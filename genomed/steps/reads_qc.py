"""`genomed reads qc`: one pass over each file of alignments; depth and quality measured."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from genomed.errors import UsageError
from genomed.io.alignments import AlignmentReader
from genomed.io.bgzf import TextStream
from genomed.io.fasta import Fasta
from genomed.io.intervals import Intervals, read_intervals
from genomed.io.multiqc_reads import multiqc_reads_texts
from genomed.io.outputs import OutputDirectory
from genomed.provenance import Fingerprints, file_fingerprint, record
from genomed.settings import ReadsQcSettings
from genomed.steps.clock import Clock
from genomed.steps.reads_qc_measure import measure_file, no_regions
from genomed.steps.reads_qc_outputs import (
    contig_rows,
    distribution_frame,
    file_row,
    frame_of,
    write_depth_texts,
)

if TYPE_CHECKING:
    from genomed.steps.reads_identity import IdentityPanel, IdentityResults, Person

__all__ = ["ReadsQcInputs", "ReadsQcSummary", "run_reads_qc"]

EVERYONE = "all"
_SUFFIXES = (".bam", ".cram", ".sam", ".sam.gz")


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
    identity: IdentityResults | None
    warnings: list[str]
    outputs: dict[str, Path]
    timings: dict[str, float] = field(default_factory=dict)


def run_reads_qc(
    inputs: ReadsQcInputs,
    out: Path,
    settings: ReadsQcSettings,
    *,
    threads: int = 1,
    stream: TextStream | None = None,
    command: str = "genomed reads qc",
) -> ReadsQcSummary:
    """Measure every file and write the tables and run.json.

    stream : the first file, a BAM, that is being inflated already
    Raises InputError, UsageError and OutputError; nothing is left in `out` then.
    """
    clock = Clock()
    if inputs.store is not None and inputs.sites is None:
        raise UsageError("--store needs --sites, the places at which people are compared")
    with OutputDirectory(out) as directory, Fingerprints() as fingerprints:
        readers = [
            _open(path, inputs.reference, settings, threads, None if i else stream)
            for i, path in enumerate(inputs.alignments)
        ]
        for path in (inputs.reference, inputs.targets, inputs.sites):
            if path is not None:
                fingerprints.begin(path)
        fasta = None if inputs.reference is None else Fasta(inputs.reference)
        panel = None
        if inputs.sites is not None:
            panel = _identity().open_panel(inputs.sites, inputs.store, threads=threads)
            for reader in readers:
                panel.check_contigs(reader.path, reader.contigs)
        run = _Run(inputs, settings, fasta, panel, directory, threads)
        clock.lap("open")
        for reader, prefix in zip(readers, _prefixes(inputs.alignments), strict=True):
            run.measure(reader, prefix)
        clock.lap("stream")
        identity = None if panel is None else _identity().identify(run.people, panel)
        read = {
            str(path): fingerprints.of(path)
            for path in (inputs.reference, inputs.targets, inputs.sites)
            if path is not None
        }
        read |= {
            reader.path: file_fingerprint(Path(reader.path), reader.sha256) for reader in readers
        }
        facts = record("reads qc", settings, read)
        summary = run.write(identity, {"genomed": json.dumps(facts, sort_keys=True)})
        about = facts | {
            "warnings": summary.warnings,
            "run": {"command_line": command, "started": clock.started},
        }
        text = json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False)
        directory.write_text("run.json", text + "\n")
        clock.lap("write")
    summary.outputs = directory.files()
    summary.timings = clock.phases
    return summary


class _Run:
    """Files measured one after the other, and the tables that they make together."""

    def __init__(
        self, inputs: ReadsQcInputs, settings: ReadsQcSettings, fasta: Fasta | None,
        panel: IdentityPanel | None, directory: OutputDirectory, threads: int,
    ) -> None:  # fmt: skip
        self._inputs, self._settings, self._fasta, self._panel = inputs, settings, fasta, panel
        self._directory, self._threads = directory, threads
        self.people: list[Person] = []
        self.warnings: list[str] = []
        self._files: list[dict[str, Any]] = []
        self._contigs: list[dict[str, Any]] = []
        self._regions: list[pl.DataFrame] = []
        self._distributions: list[pl.DataFrame] = []

    def measure(self, reader: AlignmentReader, prefix: str) -> None:
        """Read one file."""
        settings, name = self._settings, reader.path
        on_targets = self._inputs.targets is not None
        counter = None if self._panel is None else self._panel.counter(reader.contigs)
        found = measure_file(
            reader, prefix, self._directory, settings, targets=self._targets(reader),
            fasta=self._fasta, also=counter, threads=self._threads,
        )  # fmt: skip
        if counter is not None:
            sample = reader.samples[0] if len(reader.samples) == 1 else None
            self.people.append(_identity().Person(name, sample, counter.finish()))
        row = file_row(name, prefix, reader, found, settings, on_targets=on_targets)
        self._files.append(row)
        self._contigs += contig_rows(name, reader, found, settings)
        told = pl.concat([no_regions(settings), *(one for one in found.regions if len(one))])
        self._regions.append(told.insert_column(0, pl.lit(name).alias("file")))
        self._distributions.append(distribution_frame(name, found, on_targets=on_targets))
        write_depth_texts(self._directory, prefix, reader, found)
        self.warnings += found.warnings
        self._warn(row, reader)

    def write(self, identity: IdentityResults | None, footer: dict[str, str]) -> ReadsQcSummary:
        """Write the tables of all files; footer : of those in Parquet."""
        out = self._directory
        files = frame_of("reads_qc", self._files)
        distributions = pl.concat(self._distributions)
        for name, table in (
            ("files", files),
            ("contigs", frame_of("reads_qc_contigs", self._contigs)),
            ("distributions", distributions),
        ):
            out.write_tsv(f"{name}.tsv", table)
            out.write_parquet(f"{name}.parquet", table, footer)
        out.write_parquet("regions.parquet", pl.concat(self._regions), footer)
        for name, text in multiqc_reads_texts(files, distributions).items():
            out.write_text(name, text)
        if identity is not None:
            self.warnings += identity.warnings
            tables = {"identity": identity.files, "pairs": identity.pairs}
            if self._inputs.store is not None:
                tables["matches"] = identity.matches
            for name, table in tables.items():
                out.write_tsv(f"{name}.tsv", table)
                out.write_parquet(f"{name}.parquet", table, footer)
        return ReadsQcSummary(files, identity, self.warnings, {})

    def _targets(self, reader: AlignmentReader) -> dict[int, Intervals] | None:
        if self._inputs.targets is None:
            return None
        targets, strange = read_intervals(self._inputs.targets, reader.contigs)
        if strange:
            self.warnings.append(
                f"{self._inputs.targets}: {len(strange)} of its contigs are not in {reader.path} "
                f"({', '.join(strange[:3])}); their regions were left out."
            )
        return targets

    def _warn(self, row: dict[str, Any], reader: AlignmentReader) -> None:
        name = row["file"]
        if not row["n_alignments"]:
            self.warnings.append(f"{name}: has no alignments.")
        elif not row["n_mapped"]:
            self.warnings.append(f"{name}: has no mapped reads, so its depth is 0 everywhere.")
        elif not reader.read_groups:
            self.warnings.append(f"{name}: has no read groups, so nobody says whose reads it has.")
        if row["n_mapped"] and not row["n_duplicates"]:
            self.warnings.append(
                f"{name}: has no reads marked as duplicates; mark them (`samtools markdup`), or "
                "depth counts them."
            )


def _identity() -> Any:
    """genomed.steps.reads_identity, whose imports take longer than a small file."""
    return import_module("genomed.steps.reads_identity")


def _open(
    path: Path, reference: Path | None, settings: ReadsQcSettings, threads: int,
    stream: TextStream | None,
) -> AlignmentReader:  # fmt: skip
    sample = None if settings.sample == EVERYONE else settings.sample
    reader = AlignmentReader(
        path, reference=reference, threads=threads, sample=sample, stream=stream
    )
    if settings.sample is None:
        reader.check_one_sample("choose one with --sample, or all to measure them together")
    return reader


def _prefixes(paths: tuple[Path, ...]) -> list[str]:
    """How the files of each input begin: its name without suffix, numbered where two are alike."""
    stems = []
    for path in paths:
        suffix = next((s for s in _SUFFIXES if path.name.lower().endswith(s)), "")
        stems.append(path.name[: len(path.name) - len(suffix)])
    prefixes: list[str] = []
    for stem in stems:
        names = itertools.chain([stem], (f"{stem}_{n}" for n in itertools.count(2)))
        prefixes.append(next(name for name in names if name not in prefixes))
    return prefixes
