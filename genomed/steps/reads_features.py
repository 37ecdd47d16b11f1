"""`genomed reads features`: what the alignments say of each call of a VCF."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.features.call_candidates import LETTERS
from genomed.io.alignments import AlignmentReader
from genomed.io.call_features import FEATURE_FIELDS, feature_info
from genomed.io.call_records import CallBatch, CallRecords, annotated, extended_header
from genomed.io.call_vcf import CallVcf
from genomed.io.fasta import Fasta
from genomed.io.outputs import OutputDirectory
from genomed.provenance import Fingerprints, record
from genomed.regions import Region
from genomed.settings import ReadsFeaturesSettings
from genomed.stats.allele_evidence import Alleles, allele_evidence, flat_alleles
from genomed.stats.call_facts import call_facts
from genomed.steps.clock import Clock
from genomed.steps.reads_reference import reference_of
from genomed.threads import in_order

__all__ = ["ReadsFeaturesInputs", "ReadsFeaturesSummary", "run_reads_features"]

MARGIN_BP = 400  # of the reference beside the calls
VCF_NAME, TABLE_NAME = "features.vcf.gz", "features.parquet"


@dataclass(frozen=True)
class ReadsFeaturesInputs:
    """What a run reads."""

    calls: Path
    alignments: Path
    reference: Path


@dataclass
class ReadsFeaturesSummary:
    """What a run found, for the terminal.

    records : of the calls; alleles: ALTs with features; without: ALTs passed over, because they
              are not spelt as bases or are too long
    """

    records: int = 0
    alleles: int = 0
    without: int = 0
    outputs: dict[str, Path] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)


class _Annotated(NamedTuple):
    """What comes of one batch of calls."""

    lines: list[str]
    table: pl.DataFrame
    n_alts: int


def run_reads_features(
    inputs: ReadsFeaturesInputs,
    out: Path,
    settings: ReadsFeaturesSettings,
    *,
    threads: int = 1,
    command: str = "genomed reads features",
) -> ReadsFeaturesSummary:
    """Compare the reads with the alleles of every call; write a VCF, a table and run.json.

    Raises InputError and OutputError; nothing is left in `out` then.
    """
    clock = Clock()
    summary = ReadsFeaturesSummary()
    with ExitStack() as opened:
        directory = opened.enter_context(OutputDirectory(out))
        fingerprints = opened.enter_context(Fingerprints())
        files = (inputs.calls, inputs.alignments, inputs.reference)
        for path in files:
            fingerprints.begin(path)
        calls = opened.enter_context(closing(CallRecords(inputs.calls)))
        measure = _Measure(inputs, settings)
        clock.lap("open")
        vcf = CallVcf(
            directory.place(VCF_NAME), extended_header(calls.text, FEATURE_FIELDS),
            int(measure.longest),
        )  # fmt: skip
        tables = [measure.empty_table()]
        with vcf:
            batches = calls.batches()
            for done in in_order(batches, measure, threads, "reads", ahead=2 * threads):
                vcf.add(done.lines)
                tables.append(done.table)
                summary.records += len(done.lines)
                summary.without += done.n_alts - len(done.table)
        directory.place(vcf.index().name)
        clock.lap("measure")
        table = pl.concat(tables)
        summary.alleles = len(table)
        facts = record(
            "reads features", settings, {str(path): fingerprints.of(path) for path in files}
        )
        footer = {"genomed": json.dumps(facts, sort_keys=True)}
        directory.write_parquet(TABLE_NAME, table, footer)
        facts |= {
            "records": summary.records, "alleles": summary.alleles,
            "alleles_passed_over": summary.without,
            "run": {"command_line": command, "started": clock.started},
        }  # fmt: skip
        directory.write_text("run.json", json.dumps(facts, indent=2) + "\n")
        clock.lap("write")
    summary.outputs, summary.timings = directory.files(), clock.phases
    return summary


class _Measure:
    """Turns batches of calls into annotated lines and rows of a table; each thread reads alone.

    longest : bases of the longest contig of the alignments
    """

    def __init__(self, inputs: ReadsFeaturesInputs, settings: ReadsFeaturesSettings) -> None:
        self._inputs, self._settings = inputs, settings
        self._fasta = Fasta(inputs.reference)
        self._local = threading.local()
        reader = self._reader()
        known = [c for c in reader.contigs if self._fasta.sequence(c) is not None]
        reader.check_reference(self._fasta, known)
        self.longest = reader.lengths.max(initial=0)
        if settings.sample is None:
            reader.check_one_sample()

    def __call__(self, batch: CallBatch) -> _Annotated:
        alts = [self._chosen(batch, i) for i in range(len(batch.lines))]
        first, codes = reference_of(batch, self._inputs.calls, self._fasta, MARGIN_BP)
        some = [i for i, chosen in enumerate(alts) if chosen]
        n_alts = sum(len(one) for one in batch.alts)
        if not some:
            table = self.empty_table()
            return _Annotated(self._lines(batch, alts, table), table, n_alts)
        alleles = flat_alleles([(batch.ref[i], *(batch.alts[i][k] for k in alts[i])) for i in some])
        start = np.array([batch.start[i] for i in some], np.int64)
        table = self._facts(batch, start, alleles, first, codes)
        rows = [(i, k) for i in some for k in alts[i]]
        named = pl.DataFrame(
            {
                "contig": [batch.contig] * len(rows),
                "position": [batch.start[i] + 1 for i, _ in rows],
                "ref": [batch.ref[i] for i, _ in rows],
                "alt": [batch.alts[i][k] for i, k in rows],
            },
            schema_overrides={"position": pl.Int32},
        )
        return _Annotated(
            self._lines(batch, alts, table), pl.concat([named, table], how="horizontal"), n_alts
        )

    def empty_table(self) -> pl.DataFrame:
        """The table without rows."""
        none = flat_alleles([])
        start, bases = np.empty(0, np.int64), np.empty(0, np.uint8)
        facts = call_facts(allele_evidence([], start, none, bases), none, start, bases, 0)
        names = {"contig": pl.Utf8, "position": pl.Int32, "ref": pl.Utf8, "alt": pl.Utf8}
        return pl.concat([pl.DataFrame(schema=names), facts], how="horizontal")

    def _chosen(self, batch: CallBatch, i: int) -> list[int]:
        """ALTs of a record that reads are compared with."""
        most = self._settings.max_allele_bp
        if len(batch.ref[i]) > most:
            return []
        return [k for k in batch.plain[i] if len(batch.alts[i][k]) <= most]

    def _facts(
        self, batch: CallBatch, start: np.ndarray, alleles: Alleles, first: int, codes: np.ndarray
    ) -> pl.DataFrame:
        blocks = list(self._reader().blocks([Region(batch.contig, first, first + len(codes))]))
        evidence = allele_evidence(
            blocks, start, alleles, LETTERS[codes], first, self._settings.evidence
        )
        return call_facts(evidence, alleles, start, codes, first)

    def _lines(self, batch: CallBatch, alts: list[list[int]], table: pl.DataFrame) -> list[str]:
        info = feature_info(table, [len(one) for one in batch.alts], alts)
        return [annotated(line, values) for line, values in zip(batch.lines, info, strict=True)]

    def _reader(self) -> AlignmentReader:
        reader = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = AlignmentReader(
                self._inputs.alignments, reference=self._inputs.reference,
                sample=self._settings.sample,
            )  # fmt: skip
        return reader
