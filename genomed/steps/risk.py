"""`genomed risk`: one pass over a cohort, all models at once, every variant accounted for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed import __version__, ledger
from genomed.errors import CoverageError, InputError, UsageError
from genomed.io.bgzf import TextStream
from genomed.io.cohort import open_cohort
from genomed.io.library import panel_paths, read_named_models
from genomed.io.outputs import OutputDirectory
from genomed.io.scorefile import read_frequencies, read_models
from genomed.provenance import file_fingerprint, record
from genomed.regions import Region, canonical_contig
from genomed.report.content import RiskPage
from genomed.report.page import render_risk_page
from genomed.schema import Reader, ScoreModel, VariantBatch
from genomed.scores.matching import Entries
from genomed.scores.polygenic import ScoreSums
from genomed.scores.results import (
    FEW_SAMPLES,
    ledger_table,
    models_table,
    reason_counts,
    risk_table,
    top_variants,
    variance_shares,
)
from genomed.settings import RiskSettings
from genomed.steps.risk_builds import Candidates, choose_candidates
from genomed.steps.risk_explain import Explainer

__all__ = ["RiskInputs", "RiskSummary", "run_risk"]


@dataclass(frozen=True)
class RiskInputs:
    """What to score and with what; None and empty mean "not given".

    models  : paths or names; the bundled panel when empty
    samples : names to keep
    explain : variants, ``contig:position:ref:alt``
    build   : the cohort's genome build, when the user says it
    """

    cohort: str
    models: Sequence[str] = ()
    library: Path | None = None
    region: str | None = None
    samples: Sequence[str] | None = None
    reference: Path | None = None
    reference_frequencies: Path | None = None
    build: str | None = None
    explain: Sequence[str] = ()


@dataclass
class RiskSummary:
    """What a run found, for the terminal; `page` holds the tables."""

    page: RiskPage
    outputs: dict[str, Path]
    unusable: list[str]
    explained: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)


class _Clock:
    """Seconds spent in each phase."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.phases[name] = self.phases.get(name, 0.0) + now - self._last
        self._last = now


def run_risk(
    inputs: RiskInputs,
    out: Path,
    settings: RiskSettings,
    *,
    threads: int = 1,
    max_memory: int | None = None,
    stream: TextStream | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    command: str = "genomed risk",
) -> RiskSummary:
    """Score every sample of a cohort with every model, and write the tables, the page and run.json.

    stream   : the cohort, already opened and inflating
    progress : called with (compressed bytes read, bytes in all or None)
    Raises InputError, BuildError, CoverageError (no variant of any model found) and OutputError;
    nothing is left in `out` then.
    """
    if settings.assume_hom_ref and inputs.reference is None:
        raise UsageError(
            "--assume-hom-ref needs --reference FASTA: only the reference says which of a model's two "
            "alleles an absent record stands for"
        )
    clock, started = _Clock(), datetime.now(UTC)
    with OutputDirectory(out) as directory:
        models = read_all_models(inputs)
        clock.lap("models")
        reader = open_cohort(
            inputs.cohort, samples=inputs.samples, threads=threads, stream=stream,
            dosage=None if settings.dosage_field == "GT" else settings.dosage_field,
            max_batch_bytes=_batch_bytes(max_memory),
            block_thresholds=(settings.min_block_depth, settings.min_block_quality),
        )  # fmt: skip
        clock.lap("open")
        with closing(reader):
            candidates = choose_candidates(models, reader.contigs, inputs.build, inputs.cohort)
            run = _Run(inputs, settings, reader, candidates, threads, max_memory)
            clock.lap("prepare")
            run.stream(progress)
        clock.lap("stream")
        page, records = run.finish(command, started.strftime("%Y-%m-%d %H:%M:%S UTC"))
        clock.lap("finish")
        _write(directory, run, page, records)
        clock.lap("write")
    unusable = (
        page.models.filter(pl.col("n_null") == page.n_samples)["model"].to_list()
        if page.n_samples
        else []
    )
    return RiskSummary(page, directory.files(), unusable, run.explainer.sentences(), clock.phases)


def read_all_models(inputs: RiskInputs) -> list[ScoreModel]:
    """The models asked for, or the bundled panel; names made unique."""
    if inputs.models:
        models = [m for text in inputs.models for m in read_named_models(text, inputs.library)]
    else:
        models = [
            replace(m, source="bundled panel") for path in panel_paths() for m in read_models(path)
        ]
    seen: dict[str, int] = {}
    unique = []
    for model in models:
        n = seen[model.name] = seen.get(model.name, 0) + 1
        unique.append(model if n == 1 else replace(model, name=f"{model.name}#{n}"))
    return unique


def _batch_bytes(max_memory: int | None) -> int:
    """Bytes of int8 calls per batch: 16 MiB, less when memory is short."""
    return 16 << 20 if max_memory is None else int(min(16 << 20, max(1 << 20, max_memory // 64)))


class _Run:
    """One pass over the cohort."""

    def __init__(
        self,
        inputs: RiskInputs,
        settings: RiskSettings,
        reader: Reader,
        candidates: Candidates,
        threads: int,
        max_memory: int | None,
    ) -> None:
        self.inputs, self.settings, self.reader, self.candidates = (
            inputs,
            settings,
            reader,
            candidates,
        )
        self.entries = Entries.make(candidates.models, candidates.builds)
        n_models, n_samples = len(candidates.models), len(reader.samples)
        needed = n_models * n_samples * 28
        if max_memory is not None and needed > max_memory // 2:
            raise UsageError(
                f"{n_models} models x {n_samples} samples need {needed / 2**30:.1f} GiB for the sums alone; "
                "raise --max-memory or give fewer models at a time"
            )
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="genomed-score")
        self.sums = ScoreSums(
            self.entries, n_models, n_samples,
            _reference_frequencies(self.entries, inputs.reference_frequencies),
            missing=settings.missing, ambiguous=settings.ambiguous, map_fn=self._map,
        )  # fmt: skip
        self.region = Region.parse(inputs.region) if inputs.region else None
        self.explainer = Explainer(inputs.explain)
        self._reference = (
            _ReferenceBases(inputs.reference, self.entries) if inputs.reference else None
        )
        self._records: list[pl.DataFrame] = []

    def _map(self, work: Callable[[int], None], items: Iterable[int]) -> Iterator[None]:
        jobs = list(items)
        if len(jobs) < 2:
            return map(work, jobs)
        return self._pool.map(work, jobs)

    def stream(self, progress: Callable[[int, int | None], None] | None) -> None:
        """Read the cohort once and add up."""
        wanted = self.explainer.extend(self.entries.wanted())
        try:
            for batch in whole_positions(self.reader.iter_batches(self.region, wanted)):
                self._add(batch)
                if progress is not None:
                    progress(
                        getattr(self.reader, "n_compressed", 0), getattr(self.reader, "size", None)
                    )
        finally:
            self._pool.shutdown()

    def _add(self, batch: VariantBatch) -> None:
        contigs = batch.variants["contig"].unique().to_list()
        rows = batch.variants.with_columns(
            pl.col("contig").replace_strict({c: canonical_contig(c) for c in contigs}, return_dtype=pl.Utf8)
            .alias("canonical")
        ).with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))  # fmt: skip
        self.explainer.look(rows, batch)
        found = self.entries.match(rows, self._reference.table if self._reference else None)
        if not len(found.entry):
            return
        canonical = rows["canonical"].to_numpy()
        self.sums.add(batch, rows["line"].to_numpy(), canonical, found)
        matched = rows[found.row]
        self._records.append(
            matched.select(
                pl.Series("entry", found.entry),
                pl.concat_str("contig", "position", "ref", "alt", separator=":").alias("record"),
                pl.col("line").alias("record_line"),
            )
        )

    def finish(self, command: str, started: str) -> tuple[RiskPage, pl.DataFrame]:
        """Settle what was not found, choose the build, and make the tables."""
        self._settle()
        self.sums.finish()
        entries, sums = self.entries, self.sums
        shares = variance_shares(entries, sums, len(self.candidates.models))
        outcome = self.candidates.decide(entries, self.settings.ambiguous)
        flags = self._flags(shares.matched, outcome.flags)
        risk = risk_table(
            self.candidates.models, self.reader.samples, entries, sums, shares,
            self.settings.min_weighted_coverage, flags,
        )  # fmt: skip
        models = models_table(
            self.candidates.models, self.candidates.builds, entries, shares, risk, flags
        )
        records = pl.concat(
            self._records
            or [
                pl.DataFrame(schema={"entry": pl.Int64, "record": pl.Utf8, "record_line": pl.Int64})
            ]
        )
        whole = ledger_table(entries, sums, shares, records)
        listed = self.candidates.models, entries
        counts = reason_counts(*listed, shares, outcome.kept)
        top = top_variants(*listed, whole, shares, outcome.kept)
        risk, models, counts, top = (
            _of_models(frame, self.candidates, outcome.kept) for frame in (risk, models, counts, top)
        )
        table = _of_families(whole, entries, self.candidates, outcome.kept)
        self.explainer.note(table)
        if not models["n_matched"].sum() and self.reader.samples:
            raise CoverageError(
                f"{self.inputs.cohort}: no variant of any model was found ({self.entries.table.height} looked "
                f"for in {self.reader.counts.n_records} records); check the genome build, or that "
                "variants are keyed as the models key them"
            )
        page = RiskPage(
            title="Disease risk",
            cohort=self.inputs.cohort,
            n_samples=len(self.reader.samples),
            build=outcome.build,
            build_evidence=outcome.evidence,
            version=__version__,
            command=command,
            started=started,
            seconds=0.0,
            settings=asdict(self.settings),
            models=models,
            risk=risk,
            ledger_counts=counts,
            top_variants=top,
            record_counts=asdict(self.reader.counts),
            model_facts={
                str(self.candidates.final_names[m]): _facts(self.candidates.models[m])
                for m in outcome.kept
            },
            warnings=self._warnings(outcome.warnings, models),
        )
        return page, table

    def _settle(self) -> None:
        """Give every entry that no record decided its reason."""
        entries, sums = self.entries, self.sums
        open_ = np.equal(entries.reason, None)
        entries.reason[open_ & entries.in_block] = "reference_unknown"
        entries.reason[open_ & entries.seen & ~entries.in_block] = "alleles_differ"
        absent = np.flatnonzero(open_ & ~entries.seen)
        entries.reason[absent] = "absent"
        if self.region is not None:
            contig = entries.table["contig"].to_numpy()[absent]
            position = entries.table["position"].cast(float).to_numpy()[absent]
            outside = (contig != canonical_contig(self.region.contig)) | (
                (position <= self.region.start) | (position > self.region.end)
            )
            outside &= ~np.isnan(position)
            entries.reason[absent[outside]] = "outside_region"
            absent = absent[~outside]
        table = entries.table
        scale = np.where(np.isin(table["contig"].to_numpy()[absent], ["Y", "MT"]), 1.0, 2.0)
        if self.settings.assume_hom_ref:
            assert self._reference is not None  # run_risk has seen to it
            if self.settings.ambiguous != "keep":
                doubtful = table["ambiguous"].fill_null(False).to_numpy()[absent]
                entries.reason[absent[doubtful]] = "ambiguous"
                absent, scale = absent[~doubtful], scale[~doubtful]
            base = self._reference.bases[absent]
            effect = table["effect_allele"].to_numpy()[absent] == base
            other = table["other_allele"].to_numpy()[absent] == base
            known = effect | other
            sums.add_constant(absent[known], effect[known].astype(float), scale[known])
            entries.reason[absent[known]] = "hom_ref_assumed"
        elif self.settings.missing == "reference-mean":
            frequency = sums.reference_frequency[absent]
            known = ~np.isnan(frequency)
            sums.add_constant(absent[known], frequency[known], scale[known])
            entries.reason[absent[known]] = "imputed_reference"

    def _flags(self, matched: np.ndarray, build_flags: list[list[str]]) -> list[list[str]]:
        flags = [list(f) for f in build_flags]
        for m in range(len(flags)):
            if matched[m] < self.settings.min_weighted_coverage:
                flags[m].insert(0, "low_coverage")
            if (
                len(self.reader.samples) < FEW_SAMPLES
                and self.settings.missing == "mean"
                and self.sums.n_missing[m].any()
            ):
                flags[m].append("few_samples")
        return flags

    def _warnings(self, build: list[str], models: pl.DataFrame) -> list[str]:
        warnings = list(build)
        n = len(self.reader.samples)
        if not n:
            warnings.append("The cohort has no samples: there is nobody to score.")
        for row in models.iter_rows(named=True):
            if n and row["n_null"] == n:
                warnings.append(
                    f"{row['model']}: no score, because {row['weighted_coverage']:.1%} of its variance is covered "
                    f"and {self.settings.min_weighted_coverage:.0%} are needed (--min-weighted-coverage)."
                )
            elif row["n_null"]:
                warnings.append(
                    f"{row['model']}: {row['n_null']} of {n} samples without a score, because too many of "
                    "their calls are missing."
                )
        if any("few_samples" in f for f in models["flags"]):
            warnings.append(
                f"Missing calls were filled with the mean of fewer than {FEW_SAMPLES} samples; "
                "--reference-frequencies with --missing reference-mean does better."
            )
        if self.entries.n_conflicts:
            warnings.append(
                f"{self.entries.n_conflicts} model variants lie in a reference block and in a record of "
                "their own; the block came first and was used. Check the gVCF for overlapping records."
            )
        for code, n_records in self.reader.counts.refused.items():
            warnings.append(f"{n_records} records were refused: {ledger.REASONS[code]}.")
        return warnings


def _of_models(frame: pl.DataFrame, candidates: Candidates, kept: list[int]) -> pl.DataFrame:
    return frame.filter(
        pl.col("model").is_in([candidates.models[m].name for m in kept])
    ).with_columns(
        pl.col("model").replace(
            {candidates.models[m].name: str(candidates.final_names[m]) for m in kept}
        )
    )


def _of_families(
    ledger: pl.DataFrame, entries: Entries, candidates: Candidates, kept: list[int]
) -> pl.DataFrame:
    """The ledger's rows of the models kept; a model of its own under its final name."""
    keep = np.zeros(ledger.height, bool)
    names: dict[str, str] = {}
    for family in entries.families:
        keep[family.rows] = any(m in kept for m in family.members.tolist())
        if family.weights is None:
            names[family.label] = str(candidates.final_names[family.members[0]])
    return ledger.filter(pl.Series(keep)).with_columns(pl.col("model").replace(names))


def _facts(model: ScoreModel) -> dict[str, str]:
    facts = dict(model.header)
    facts["source"] = model.source
    if "license" in facts:
        facts["licence"] = facts["license"]
    return facts


def whole_positions(batches: Iterable[VariantBatch]) -> Iterator[VariantBatch]:
    """The same rows, cut so that neighbours at one position (and so one record) stay together."""
    held: VariantBatch | None = None
    for batch in batches:
        if held is not None:
            n = _leading(batch, held.variants[0, "contig"], held.variants[0, "position"])
            if n:
                held = _joined(held, _rows(batch, 0, n))
                batch = _rows(batch, n, batch.n_variants)
            if not batch.n_variants:
                continue
            yield held
        last = batch.variants[-1, "contig"], batch.variants[-1, "position"]
        same = (batch.variants["contig"] == last[0]) & (batch.variants["position"] == last[1])
        differ = np.flatnonzero(~same.to_numpy())
        cut = int(differ[-1]) + 1 if len(differ) else 0
        if cut:
            yield _rows(batch, 0, cut)
        held = _rows(batch, cut, batch.n_variants)
    if held is not None:
        yield held


def _leading(batch: VariantBatch, contig: str, position: int) -> int:
    same = (
        (batch.variants["contig"] == contig) & (batch.variants["position"] == position)
    ).to_numpy()
    return int(np.argmin(same)) if not same.all() else len(same)


def _rows(batch: VariantBatch, first: int, stop: int) -> VariantBatch:
    part = slice(first, stop)
    return VariantBatch(
        batch.variants[part],
        batch.alt_count[part],
        None if batch.call_ploidy is None else batch.call_ploidy[part],
        None if batch.call_dosage is None else batch.call_dosage[part],
    )


def _joined(a: VariantBatch, b: VariantBatch) -> VariantBatch:
    ploidy = None
    if a.call_ploidy is not None or b.call_ploidy is not None:
        ploidy = np.concatenate(
            [
                np.full(x.alt_count.shape, 2, np.int8) if x.call_ploidy is None else x.call_ploidy
                for x in (a, b)
            ]
        )
    dosage = (
        np.concatenate([a.call_dosage, b.call_dosage])
        if a.call_dosage is not None and b.call_dosage is not None
        else None
    )
    return VariantBatch(
        pl.concat([a.variants, b.variants]),
        np.concatenate([a.alt_count, b.alt_count]),
        ploidy,
        dosage,
    )


def _reference_frequencies(entries: Entries, path: Path | None) -> np.ndarray:
    """Effect-allele frequency of each entry: from the file, else from the model, else NaN."""
    table = entries.table
    own = (
        table["effect_allele_frequency"].cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    )
    if path is None:
        return own
    known = read_frequencies(path)
    both = pl.concat(
        [
            known.select("contig", "position", "variant_id", effect_allele="allele", f="frequency"),
            known.filter(pl.col("other_allele").is_not_null()).select(
                "contig",
                "position",
                "variant_id",
                effect_allele="other_allele",
                f=1 - pl.col("frequency"),
            ),
        ]
    )
    for keys in (["contig", "position", "effect_allele"], ["variant_id", "effect_allele"]):
        usable = (
            both.drop_nulls(keys).unique(keys, keep="first", maintain_order=True).select(*keys, "f")
        )
        found = table.select("entry", *keys).join(
            usable, on=keys, how="left", maintain_order="left"
        )["f"]
        values = found.fill_null(float("nan")).to_numpy()
        own = np.where(np.isnan(values), own, values)
    return own


class _ReferenceBases:
    """The reference base at each entry, from an indexed FASTA."""

    def __init__(self, path: Path, entries: Entries) -> None:
        import pysam

        try:
            fasta = pysam.FastaFile(str(path))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: not an indexed FASTA ({error}); index it with `samtools faidx`"
            ) from None
        names = {canonical_contig(name): name for name in reversed(fasta.references)}
        self.bases = np.array(
            [
                fasta.fetch(names[c], p - 1, p).upper() or None if c in names and p else None
                for c, p in entries.table.select("contig", "position").iter_rows()
            ],
            dtype=object,
        )
        self.table = pl.DataFrame(
            {"entry": entries.table["entry"], "ref": pl.Series(self.bases.tolist(), dtype=pl.Utf8)}
        )


def _write(directory: OutputDirectory, run: _Run, page: RiskPage, records: pl.DataFrame) -> None:
    import json

    inputs: dict[str, dict[str, Any]] = {}
    cohort = Path(run.inputs.cohort)
    if cohort.is_file():
        inputs[run.inputs.cohort] = file_fingerprint(cohort, getattr(run.reader, "sha256", None))
    for source in dict.fromkeys(model.source for model in run.candidates.models):
        if Path(source).is_file():
            inputs[source] = file_fingerprint(Path(source))
    for extra in (run.inputs.reference_frequencies, run.inputs.reference):
        if extra is not None:
            inputs[str(extra)] = file_fingerprint(extra)
    facts = record("risk", run.settings, inputs)
    directory.write_tsv("risk.tsv", page.risk)
    directory.write_parquet(
        "risk.parquet", page.risk, {"genomed": json.dumps(facts, sort_keys=True)}
    )
    directory.write_tsv("models.tsv", page.models)
    directory.write_tsv("ledger.tsv.gz", records)
    directory.write_text("risk.html", render_risk_page(replace(page, started="", seconds=0.0)))
    facts["build"] = {"name": page.build, "evidence": page.build_evidence}
    facts["records"] = page.record_counts
    facts["explained"] = run.explainer.sentences()
    facts["warnings"] = list(page.warnings)
    facts["run"] = {"command_line": page.command, "started": page.started}
    directory.write_text(
        "run.json", json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    )
