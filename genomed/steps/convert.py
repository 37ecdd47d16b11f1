"""`genomed convert`: cohorts of any format to one PGEN store, every record accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from genomed import __version__
from genomed.errors import InputError, UsageError
from genomed.io.bgzf import TextStream
from genomed.io.fasta import Fasta
from genomed.io.formats import cohort_format
from genomed.io.pgen_writer import PgenProgress, PgenWriter
from genomed.io.psam import psam_text
from genomed.io.pvar import PvarFields, merge_headers, write_pvar
from genomed.provenance import Fingerprints
from genomed.regions import Region, canonical_contig
from genomed.schema import VariantBatch, Wanted
from genomed.settings import ConvertSettings
from genomed.steps.clock import Clock
from genomed.steps.convert_gvcf import GvcfSet
from genomed.steps.convert_info import InfoFields
from genomed.steps.convert_inputs import (
    ConvertInputs,
    Source,
    files_of,
    gather_people,
    open_sources,
    read_list,
)
from genomed.steps.convert_outputs import (
    ConvertSummary,
    convert_warnings,
    explained,
    pieces_in_order,
    run_facts,
    write_json,
    write_ledger,
)
from genomed.steps.convert_pieces import Piece, Workplace, file_errors, file_states
from genomed.steps.convert_rows import Passage, Rows

__all__ = ["ConvertInputs", "ConvertSummary", "run_convert"]

BATCH_BYTES = 16 << 20  # calls that go from the reader to the writer at a time


def run_convert(
    inputs: ConvertInputs,
    out: Path,
    settings: ConvertSettings,
    *,
    threads: int = 1,
    resume: bool = False,
    allow_no_variants: bool = False,
    stream: TextStream | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    command: str = "genomed convert",
) -> ConvertSummary:
    """Write PREFIX.pgen, .pvar (or .pvar.zst), .psam, .ledger.tsv.gz and .run.json.

    out      : the prefix
    resume   : take up what an earlier, killed run of the same inputs and settings has finished
    allow_no_variants : make an empty store where nothing is left, which is an error otherwise
    stream   : the first input, already opened and inflating
    progress : called with (compressed bytes read, bytes in all or None)
    Raises InputError, UsageError and OutputError; an old store at `out` is untouched then.
    """
    clock = Clock()
    with ExitStack() as open_things:
        sources = open_sources(inputs, settings, threads, BATCH_BYTES, stream)
        for source in sources:
            open_things.callback(source.reader.close)
        people, said = gather_people(sources, inputs.people, settings.gvcf)
        clock.lap("open")
        place = open_things.enter_context(Workplace(out, _task(inputs, settings), resume=resume))
        digests = open_things.enter_context(Fingerprints())
        for path in inputs.files:
            if cohort_format(str(path)) != "vcf":  # those are digested as they are read
                digests.begin(path)
        run = _Run(inputs, settings, sources, place, threads, progress)
        pieces = pieces_in_order(run.make_pieces(), allow_none=allow_no_variants)
        clock.lap("stream")
        files = run.assemble(pieces)
        with file_errors(out):
            files[".psam"] = place.path / "psam"
            files[".psam"].write_text(psam_text(people))
            files[".ledger.tsv.gz"] = write_ledger(place.path / "ledger", pieces)
        clock.lap("assemble")
        summary = ConvertSummary(
            n_samples=len(people),
            n_variants=sum(piece.variants.n_rows for piece in pieces),
            accounts=[account for piece in pieces for account in piece.accounts],
            warnings=[*said, *convert_warnings(pieces, settings)],
            explained=explained(inputs.explain, pieces),
        )
        facts = run_facts(inputs, settings, summary, pieces, digests)
        facts["run"] = {"command_line": command, "started": clock.started}
        with file_errors(out):
            files[".run.json"] = write_json(place.path / "run.json", facts)
        summary.outputs = place.publish(files)
        clock.lap("write")
    summary.timings = clock.phases
    return summary


def _task(inputs: ConvertInputs, settings: ConvertSettings) -> dict[str, Any]:
    """What decides how pieces are made."""
    return {
        "version": __version__,
        "settings": asdict(settings),
        "samples": None if inputs.samples is None else list(inputs.samples),
        "region": inputs.region,
        "explain": list(inputs.explain),
        "files": file_states(path for path in (inputs.variants, inputs.reference) if path),
    }


class _Run:
    """One conversion: every input to a piece, all pieces to a store."""

    def __init__(
        self,
        inputs: ConvertInputs,
        settings: ConvertSettings,
        sources: Sequence[Source],
        place: Workplace,
        threads: int,
        progress: Callable[[int, int | None], None] | None,
    ) -> None:
        self._inputs, self._settings, self._sources = inputs, settings, sources
        self._place, self._threads, self._progress = place, threads, progress
        self._region = Region.parse(inputs.region) if inputs.region else None
        self._listed = read_list(inputs.variants) if inputs.variants else None
        self._wanted: Wanted | None = self._listed.wanted() if self._listed else None
        self._reference = Fasta(inputs.reference) if inputs.reference else None
        self._watched = frozenset(map(_watched, inputs.explain))
        self._bytes_done = 0

    def make_pieces(self) -> list[Piece]:
        """Convert every input, but for those that an earlier run has finished."""
        if self._settings.gvcf:
            return [self._make_union()]
        pieces = []
        for number, source in enumerate(self._sources):
            state = file_states(files_of(source.path))
            piece = self._place.finished_piece(number, source.path, state)
            if piece is None:
                piece = self._make_piece(number, source)
                if len(self._sources) > 1:
                    self._place.finish_piece(number, piece, state)
            pieces.append(piece)
            self._bytes_done += getattr(source.reader, "size", None) or 0
        return pieces

    def assemble(self, pieces: Sequence[Piece]) -> dict[str, Path]:
        """Put the pieces together: ending -> whole file."""
        first = pieces[0]
        if first.progress is not None:
            n_samples = len(self._sources[0].reader.samples)
            with PgenWriter(
                first.pgen, n_samples, nonref=self._nonref, resume=PgenProgress(*first.progress)
            ) as writer:
                for piece in pieces[1:]:
                    writer.append_piece(piece.pgen)
        ending = ".pvar.zst" if self._settings.zst else ".pvar"
        table = self._place.path / f"variants{ending}"
        with file_errors(self._place.out):
            header = merge_headers(piece.header for piece in pieces)
            write_pvar(table, [piece.variants for piece in pieces], header)
        return {".pgen": first.pgen, ending: table}

    @property
    def _nonref(self) -> bool:
        """Whether REF is provisional; a reference settles it."""
        checked = self._reference is not None and self._settings.ref_mismatch != "warn"
        return not checked and any(source.provisional for source in self._sources)

    def _make_piece(self, number: int, source: Source) -> Piece:
        piece = self._place.new_piece(number, source.path)
        ledger = Rows(piece.ledger, piece.account, self._watched)
        passage = Passage(
            self._settings,
            ledger,
            path=source.path,
            listed=self._listed,
            reference=self._reference,
        )
        info = None
        if self._settings.info:
            info = InfoFields(source.header, self._settings.info, source.path)
        piece.header = info.lines(source.header) if info else source.header
        n_samples = len(source.reader.samples)
        reader = source.reader
        with (
            file_errors(self._place.out),
            closing(reader),
            PgenWriter(piece.pgen, n_samples, nonref=self._nonref, threads=self._threads) as writer,
        ):
            for batch in self._batches(source):
                piece.account.rows += batch.n_variants
                self._check_calls(source)
                for ready in passage.take(batch):
                    self._store(piece, writer, ready, info)
                self._tell(source)
            for ready in passage.rest():
                self._store(piece, writer, ready, info)
            self._check_calls(source)
            if len(self._sources) > 1:
                reached = writer.leave()
                piece.progress = (reached.n_variants, reached.body_bytes)
        piece.account.take(reader.counts)
        piece.account.stored = piece.variants.n_rows
        piece.sha256 = getattr(reader, "sha256", None)
        piece.seen = ledger.seen
        return piece

    def _batches(self, source: Source) -> Iterator[VariantBatch]:
        """What an input holds, with QUAL, FILTER and INFO where it has them."""
        batches = source.reader.iter_batches(self._region, self._wanted)
        if source.table is None:
            yield from batches
            return
        with closing(PvarFields(source.table)) as fields:
            for batch in batches:
                yield replace(batch, variants=fields.add(batch.variants))

    def _make_union(self) -> Piece:
        """One piece of all gVCFs."""
        piece = self._place.new_piece(0, "union of the inputs")
        ledger = Rows(piece.ledger, piece.account, self._watched)
        passage = Passage(
            self._settings, ledger, path=piece.account.input, listed=self._listed,
            reference=self._reference,
        )  # fmt: skip
        union = GvcfSet(
            self._inputs, self._settings, self._sources, self._place.path, self._threads
        )
        piece.header, piece.joined = union.header, union.accounts
        with (
            file_errors(self._place.out),
            PgenWriter(piece.pgen, len(union.samples), threads=self._threads) as writer,
        ):
            for batch in union.iter_batches(BATCH_BYTES):
                piece.account.rows += batch.n_variants
                for ready in passage.take(batch):
                    self._store(piece, writer, ready, None)
            for ready in passage.rest():
                self._store(piece, writer, ready, None)
        piece.account.records = piece.account.read = piece.account.rows
        piece.account.stored = piece.variants.n_rows
        piece.seen = ledger.seen
        return piece

    def _store(
        self, piece: Piece, writer: PgenWriter, batch: VariantBatch, info: InfoFields | None
    ) -> None:
        rows = batch.variants if info is None else info.keep(batch.variants)
        if piece.first is None:
            piece.first = (rows["contig"][0], rows["position"][0])
        piece.last = (rows["contig"][-1], rows["position"][-1])
        piece.variants.append(rows)
        writer.write_counts(
            batch.alt_count,
            ploidy=batch.call_ploidy,
            phase=batch.call_phase,
            dosage=batch.call_dosage,
        )

    def _check_calls(self, source: Source) -> None:
        n = source.reader.counts.notes.get("half_call", 0)
        if n and self._settings.half_calls == "error":
            raise InputError(
                f"{source.path}: holds calls with one missing allele (./1), at least {n}; take "
                "them as missing with --half-calls missing"
            )

    def _tell(self, source: Source) -> None:
        if self._progress is not None:
            done = getattr(source.reader, "n_compressed", 0)
            sizes = [getattr(one.reader, "size", None) for one in self._sources]
            total = None if None in sizes else sum(sizes)  # type: ignore[arg-type]
            self._progress(self._bytes_done + done, total)


def _watched(text: str) -> str:
    """``chr1:123:a:g`` in the spelling that rows are compared in."""
    parts = text.split(":")
    if len(parts) != 4 or not parts[1].isdigit():
        raise UsageError(f"{text!r} is not a variant; write it as 1:12345:A:G")
    contig, position, ref, alt = parts
    return f"{canonical_contig(contig)}:{int(position)}:{ref.upper()}:{alt}"
