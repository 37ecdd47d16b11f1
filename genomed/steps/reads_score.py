"""`genomed reads score`: calls of any program, judged anew by their reads and a caller."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import polars as pl

from genomed.features.call_sites import EVIDENCE_NAMES, CalledTile, iter_called_tiles
from genomed.features.given_alleles import GivenAlleles
from genomed.io.alignments import AlignmentReader
from genomed.io.call_records import (
    CallBatch,
    CallRecords,
    InfoField,
    annotated,
    extended_header,
    number_texts,
)
from genomed.io.call_vcf import CallVcf
from genomed.io.fasta import Fasta
from genomed.io.outputs import OutputDirectory
from genomed.provenance import Fingerprints, record
from genomed.regions import canonical_contig
from genomed.settings import ReadsScoreSettings
from genomed.stats.call_odds import (
    Copies,
    allele_log_odds,
    copy_probabilities,
    genotype_log_odds,
)
from genomed.stats.call_pieces import MAX_SHIFT, Piece, allele_pieces
from genomed.stats.call_tranches import tranche_labels, tranche_thresholds
from genomed.steps.clock import Clock
from genomed.steps.reads_call_model import Judge, open_judge
from genomed.steps.reads_reference import reference_of
from genomed.tables import TABLES

__all__ = ["ReadsScoreInputs", "ReadsScoreSummary", "run_reads_score"]

VCF_NAME, TABLE_NAME = "scored.vcf.gz", "scores.parquet"
ROUNDS = 4  # passes over places with more changes than are judged together
FIELD = InfoField(
    "CNN_LOD", "A", "Float",
    "Natural log odds that the sample has the ALT, by the reads and the caller",
)  # fmt: skip
GENOTYPE_FIELD = InfoField(
    "CNN_GT_LOD", "1", "Float",
    "Natural log odds that the genotype of the sample is right, by the same",
)  # fmt: skip
KINDS = ("SNP", "INDEL")
_COLUMNS = {
    "record": pl.Int64, "contig": pl.Utf8, "position": pl.Int32, "ref": pl.Utf8, "alt": pl.Utf8,
    "kind": pl.Utf8, "log_odds": pl.Float64, "genotype_log_odds": pl.Float64, "known": pl.Boolean,
}  # fmt: skip


@dataclass(frozen=True)
class ReadsScoreInputs:
    """What a run reads.

    known : VCF of variants known to be true, by which tranches are told; None: by probability
    model : directory of a trained caller, "shipped", or "none" for likelihoods alone
    """

    calls: Path
    alignments: Path
    reference: Path
    known: Path | None = None
    model: str = "shipped"


@dataclass
class ReadsScoreSummary:
    """What a run found, for the terminal.

    tranches : FILTER -> records, by kind
    """

    records: int = 0
    unscored: int = 0
    tranches: dict[str, dict[str, int]] = field(default_factory=dict)
    thresholds: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    outputs: dict[str, Path] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)


def run_reads_score(
    inputs: ReadsScoreInputs,
    out: Path,
    settings: ReadsScoreSettings,
    *,
    threads: int = 1,
    command: str = "genomed reads score",
) -> ReadsScoreSummary:
    """Score every call and tell its tranche; write a VCF, a table and run.json.

    Raises InputError and OutputError; nothing is left in `out` then.
    """
    clock = Clock()
    summary = ReadsScoreSummary()
    with ExitStack() as opened:
        directory = opened.enter_context(OutputDirectory(out))
        fingerprints = opened.enter_context(Fingerprints())
        files = [inputs.calls, inputs.alignments, inputs.reference]
        files += [inputs.known] if inputs.known else []
        for path in files:
            fingerprints.begin(path)
        judge = open_judge(inputs.model, settings.call)
        scorer = _Scorer(inputs, settings, judge, threads)
        clock.lap("open")
        table = scorer.score()
        summary.warnings += scorer.warnings
        summary.records = scorer.records
        scored = table.filter(pl.col("log_odds").is_not_null())["record"].n_unique()
        summary.unscored = summary.records - scored
        clock.lap("score")
        table = _with_tranches(table, settings, summary, by_known=inputs.known is not None)
        calls = opened.enter_context(closing(CallRecords(inputs.calls)))
        facts = [f"genomed_score={json.dumps(judge.facts(), sort_keys=True)}"]
        header = extended_header(calls.text, [FIELD, GENOTYPE_FIELD], [*_filters(settings), *facts])
        with CallVcf(directory.place(VCF_NAME), header, scorer.longest) as vcf:
            for lines in _scored_lines(calls, table):
                vcf.add(lines)
        directory.place(vcf.index().name)
        about = record("reads score", settings, {str(p): fingerprints.of(p) for p in files})
        footer = {"genomed": json.dumps(about, sort_keys=True)}
        directory.write_parquet(TABLE_NAME, table.select(list(TABLES["reads_scores"])), footer)
        about |= {
            "model": judge.facts(), "records": summary.records, "unscored": summary.unscored,
            "tranches": summary.tranches, "thresholds": summary.thresholds,
            "warnings": summary.warnings,
            "run": {"command_line": command, "started": clock.started},
        }  # fmt: skip
        directory.write_text("run.json", json.dumps(about, indent=2, sort_keys=True) + "\n")
        clock.lap("write")
    summary.outputs, summary.timings = directory.files(), clock.phases
    return summary


class _Scorer:
    """Looks up each call's alleles in the reads, contig by contig."""

    def __init__(
        self, inputs: ReadsScoreInputs, settings: ReadsScoreSettings, judge: Judge, threads: int
    ) -> None:
        self._inputs, self._settings = inputs, settings
        self._judge, self._threads = judge, threads
        self._fasta = Fasta(inputs.reference)
        self._reader = AlignmentReader(
            inputs.alignments, reference=inputs.reference, threads=threads, sample=settings.sample
        )
        if settings.sample is None:
            self._reader.check_one_sample()
        self.longest = int(self._reader.lengths.max(initial=0))
        self.warnings: list[str] = []
        self.records = 0

    def score(self) -> pl.DataFrame:
        """One row per ALT of each record, in order: `record` counts them from 0."""
        known = self._known()
        rows: dict[str, list[object]] = {name: [] for name in _COLUMNS}
        n_records = 0
        with closing(CallRecords(self._inputs.calls)) as calls:
            for contig, batches in groupby(calls.batches(), lambda batch: batch.contig):
                own = list(batches)
                pieces = [p for batch in own for p in self._pieces(batch, self._inputs.calls)]
                wanted = {p for of_alts in pieces for one in of_alts for p in one}
                copies = self._copies(contig, wanted)
                true = known.get(canonical_contig(contig), set())
                lines = [(b, i) for b in own for i in range(len(b.lines))]
                for (batch, i), of_alts in zip(lines, pieces, strict=True):
                    genotype = _called(batch.lines[i], self._column(calls.header.samples))
                    sure = genotype_log_odds(of_alts, genotype, copies)
                    for alt, some in zip(batch.alts[i], of_alts, strict=True):
                        rows["record"].append(n_records)
                        rows["contig"].append(contig)
                        rows["position"].append(batch.start[i] + 1)
                        rows["ref"].append(batch.ref[i])
                        rows["alt"].append(alt)
                        rows["kind"].append(KINDS[len(alt) != len(batch.ref[i])] if some else None)
                        rows["log_odds"].append(allele_log_odds(some, copies))
                        rows["genotype_log_odds"].append(sure)
                        rows["known"].append(bool(some) and all(p in true for p in some))
                    n_records += 1
        self.records = n_records
        return pl.DataFrame(rows, schema=_COLUMNS)

    def _known(self) -> dict[str, set[Piece]]:
        """Contig -> changes of the variants known to be true."""
        found: dict[str, set[Piece]] = {}
        if self._inputs.known is None:
            return found
        with closing(CallRecords(self._inputs.known)) as records:
            for batch in records.batches():
                own = found.setdefault(canonical_contig(batch.contig), set())
                for alts in self._pieces(batch, self._inputs.known):
                    own.update(piece for some in alts for piece in some)
        return found

    def _pieces(self, batch: CallBatch, calls: Path) -> list[list[list[Piece]]]:
        """Changes of each ALT of each record; none where it cannot be looked up."""
        first, codes = reference_of(batch, calls, self._fasta, MAX_SHIFT + 1)
        most = self._settings.max_allele_bp
        rows = zip(batch.start, batch.ref, batch.alts, batch.plain, strict=True)
        return [
            [
                allele_pieces(start, ref, alt, codes, first)
                if k in plain and max(len(ref), len(alt)) <= most else []
                for k, alt in enumerate(alts)
            ]
            for start, ref, alts, plain in rows
        ]  # fmt: skip

    def _copies(self, contig: str, pieces: set[Piece]) -> dict[Piece, Copies]:
        """How many copies of each change the sample has, where reads tell."""
        if not pieces:
            return {}
        at = self._reader.names.place(contig)
        if at is None:
            self.warnings.append(f"{self._reader.path} has no contig {contig}: not scored there.")
            return {}
        name = self._reader.contigs[at]
        self._reader.check_reference(self._fasta, [name])
        found: dict[Piece, Copies] = {}
        for _ in range(ROUNDS):
            missing = pieces - found.keys()
            before = len(found)
            if missing:
                self._look_up(name, missing, found)
            if len(found) == before:
                break
        return found

    def _look_up(self, contig: str, pieces: set[Piece], found: dict[Piece, Copies]) -> None:
        """Add what one pass over the reads tells; few changes are judged together at one place."""
        given = GivenAlleles({contig: pieces})
        regions = list(given.regions([contig]))
        for called in iter_called_tiles(
            self._reader, self._fasta, regions, self._settings.call, given=given,
            threads=self._threads,
        ):  # fmt: skip
            if len(called.sites.table):
                for piece, copies in _tile_copies(called, self._judge.posterior(called)):
                    found.setdefault(piece, copies)

    def _column(self, samples: Sequence[str]) -> int | None:
        """Column of the VCF that holds the calls of the reads' sample; its only sample, else."""
        named = self._settings.sample or next(iter(self._reader.samples), None)
        if named in samples:
            return 9 + samples.index(named)
        return 9 if len(samples) == 1 else None


def _tile_copies(called: CalledTile, posterior: np.ndarray) -> Iterator[tuple[Piece, Copies]]:
    """Each alternative allele of sites with reads, and how many copies the sample has."""
    table = called.sites.table
    rows = zip(*(table[c].to_list() for c in ("position", "ref", "alt1", "alt2")), strict=True)
    copies = copy_probabilities(posterior).tolist()
    depth = called.sites.evidence[:, EVIDENCE_NAMES.index("depth")].tolist()
    for of_alts, n_reads, (position, ref, *alts) in zip(copies, depth, rows, strict=True):
        for (none, one, two), alt in zip(of_alts, alts, strict=True):
            if not n_reads or not alt:
                continue
            change = len(alt) - len(ref)
            new = alt if len(ref) == len(alt) == 1 else alt[1 : 1 + max(change, 0)]
            letters = bytes("ACGT".index(base) for base in new)
            yield Piece(position - 1, change, letters), (none, one, two)


def _called(line: str, column: int | None) -> list[int | None]:
    """Alleles that a record's GT names for the sample in a column; none where it has no GT."""
    parts = line.split("\t") if column is not None else []
    if column is None or len(parts) <= column or parts[8].split(":")[0] != "GT":
        return []
    alleles = parts[column].split(":")[0].replace("|", "/").split("/")
    return [int(a) if a.isascii() and a.isdigit() else None for a in alleles]


def _with_tranches(
    table: pl.DataFrame, settings: ReadsScoreSettings, summary: ReadsScoreSummary, *, by_known: bool
) -> pl.DataFrame:
    """Add the FILTER of each record, which its best ALT decides: column `tranche`."""
    best = table.group_by("record", maintain_order=True).agg(
        pl.col("log_odds").max(), pl.col("kind").sort_by("log_odds", nulls_last=False).last(),
        pl.col("known").any(),
    )  # fmt: skip
    score = best["log_odds"].to_numpy().astype(np.float64)
    labels = np.array([""] * len(best), dtype=object)
    for kind, percents in zip(KINDS, (settings.snp_tranches, settings.indel_tranches), strict=True):
        own = (best["kind"] == kind).fill_null(False).to_numpy()
        weight = best["known"].to_numpy()[own] if by_known else 0.5 + 0.5 * np.tanh(score[own] / 2)
        thresholds = tranche_thresholds(score[own], weight.astype(np.float64), percents)
        labels[own] = tranche_labels(score[own], thresholds, percents, kind)
        names, counts = np.unique(labels[own].astype(str), return_counts=True)
        counted = zip(names.tolist(), counts.tolist(), strict=True)
        summary.tranches[kind] = {name or "unscored": n for name, n in counted}
        summary.thresholds[kind] = {
            f"{p:.2f}": t for p, t in zip(percents, thresholds, strict=True) if np.isfinite(t)
        }
        if by_known and own.any() and not weight.any():
            summary.warnings.append(f"No {kind} is among the known variants: none is filtered.")
    best = best.with_columns(pl.Series("tranche", labels.tolist(), dtype=pl.Utf8))
    best = best.select("record", "tranche")
    return table.join(best, on="record", how="left", maintain_order="left")


def _filters(settings: ReadsScoreSettings) -> list[str]:
    """Header lines of the tranches."""
    lines = []
    for kind, percents in zip(KINDS, (settings.snp_tranches, settings.indel_tranches), strict=True):
        bounds = [*percents, 100.0]
        lines += [
            f'FILTER=<ID=CNN_{kind}_{low:.2f}_{high:.2f},Description="{kind} whose CNN_LOD is '
            f'below that of {low:.2f} percent of the true ones">'
            for low, high in pairwise(bounds) if low < high
        ]  # fmt: skip
    return lines


def _scored_lines(calls: CallRecords, table: pl.DataFrame) -> Iterator[list[str]]:
    """Lines of each batch with CNN_LOD and FILTER."""
    texts = number_texts(table["log_odds"], 3)
    sure = number_texts(table["genotype_log_odds"], 3)
    columns = zip(table["record"].to_list(), texts, sure, table["tranche"].to_list(), strict=True)
    by_record = {number: list(rows) for number, rows in groupby(columns, lambda row: row[0])}
    number = 0
    for batch in calls.batches():
        lines = []
        for line in batch.lines:
            rows = by_record.get(number, [])
            number += 1
            scored = any(text != "." for _, text, _, _ in rows)
            info = {
                FIELD.name: ",".join(text for _, text, _, _ in rows) if scored else "",
                GENOTYPE_FIELD.name: rows[0][2] if rows and rows[0][2] != "." else "",
            }
            line = annotated(line, info)
            lines.append(_filtered(line, rows[0][3] if scored else None))
        yield lines


def _filtered(line: str, tranche: str | None) -> str:
    """A record with another FILTER; those of others stay, those of an earlier run go.

    tranche : None of a record without a score
    """
    parts = line.split("\t", 7)
    others = [
        one for one in parts[6].split(";")
        if one not in (".", "PASS", "") and not one.startswith(("CNN_SNP_", "CNN_INDEL_"))
    ]  # fmt: skip
    if tranche is None and "CNN_" not in parts[6]:
        return line
    if tranche not in (None, "PASS"):
        others.append(tranche)
    parts[6] = ";".join(others) or ("." if tranche is None else "PASS")
    return "\t".join(parts)
