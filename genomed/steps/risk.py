"""`genomed risk`: one pass over a cohort, all models at once, every variant accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from genomed import __version__
from genomed.errors import CoverageError, UsageError
from genomed.io.bgzf import TextStream
from genomed.io.cohort import open_cohort
from genomed.io.outputs import OutputDirectory
from genomed.provenance import Fingerprints
from genomed.regions import Region, canonical_contig
from genomed.report.content import RiskPage
from genomed.schema import MISSING, Reader, ScoreModel, VariantBatch
from genomed.scores.batching import whole_positions
from genomed.scores.matching import Entries, RowMatches
from genomed.scores.polygenic import ScoreSums
from genomed.scores.results import (
    FEW_SAMPLES,
    ModelShares,
    ledger_table,
    models_table,
    reason_counts,
    risk_table,
    top_variants,
    variance_shares,
)
from genomed.settings import RiskSettings
from genomed.steps.clock import Clock
from genomed.steps.risk_builds import Candidates, Outcome, choose_candidates
from genomed.steps.risk_explain import Explainer
from genomed.steps.risk_inputs import (
    ReferenceBases,
    RiskInputs,
    reference_frequencies,
)
from genomed.steps.risk_models import read_all_models
from genomed.steps.risk_outputs import (
    input_fingerprints,
    model_facts,
    of_families,
    of_models,
    risk_warnings,
    write_results,
)

if TYPE_CHECKING:
    from genomed.io.bundle import ReferenceBundle
    from genomed.steps.risk_bundles import BundleResult, RiskBundles
    from genomed.steps.risk_reads import RiskReads
    from genomed.steps.risk_reference import ReferenceResult, RiskReference

__all__ = ["RiskInputs", "RiskSummary", "run_risk"]


LEAST_MEMORY = 512 << 20  # bytes; measured peaks are 250 to 430 MB for one model


@dataclass
class RiskSummary:
    """What a run found, for the terminal; `page` holds the tables."""

    page: RiskPage
    outputs: dict[str, Path]
    unusable: list[str]
    explained: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)


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
    Raises InputError, BuildError, CoverageError (none of the variants found) and OutputError;
    nothing is left in `out` then.
    """
    if max_memory is not None and max_memory < LEAST_MEMORY:
        raise UsageError(
            f"--max-memory of {max_memory / 2**20:.0f} MiB is too little: Python and its libraries "
            f"take most of {LEAST_MEMORY >> 20} MiB"
        )
    clock, started = Clock(), datetime.now(UTC)
    with OutputDirectory(out) as directory, Fingerprints() as fingerprints:
        if stream is None:  # else it is being read already, and digested as it is read
            fingerprints.begin(Path(inputs.cohort))
        models = read_all_models(inputs)
        _check_options(inputs, settings, models)
        for source in {model.source for model in models}:
            if not Path(source).is_dir():
                fingerprints.begin(Path(source))
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
            bundle = _open_reference(inputs, candidates)
            run = _Run(inputs, settings, reader, candidates, bundle, threads, max_memory)
            clock.lap("prepare")
            with closing(run):
                run.stream(progress)
                clock.lap("stream")
                if run.reads is not None:
                    run.look_into_reads()
                    clock.lap("reads")
                page, tables = run.finish(command, f"{started:%Y-%m-%d %H:%M:%S} UTC")
        clock.lap("finish")
        explained = run.explainer.sentences()
        read = input_fingerprints(inputs, reader, candidates.models, fingerprints)
        if run.reads is not None:
            read |= run.reads.fingerprints()
        if bundle is not None:
            from genomed.steps.risk_reference import bundle_digest  # noqa: PLC0415 - few runs need it

            read[str(bundle.path)] = {"sha256_of_its_digests": bundle_digest(bundle)}
        write_results(directory, page, tables, explained, settings, read)
        clock.lap("write")
    page = replace(page, seconds=sum(clock.phases.values()))
    return RiskSummary(page, directory.files(), _unusable(page), explained, clock.phases)


def _unusable(page: RiskPage) -> list[str]:
    """Models that say nothing of anybody: no score, or of a bundle no prediction."""
    if not page.n_samples:
        return []
    nobody = page.models["n_null"] == page.n_samples
    silent = dict(zip(page.models["model"], nobody, strict=True))
    if page.bundles is not None:
        silent |= {bundle.name: not len(bundle.prediction) for bundle in page.bundles.bundles}
    return [name for name, is_silent in silent.items() if is_silent]


def _check_options(
    inputs: RiskInputs, settings: RiskSettings, models: Sequence[ScoreModel]
) -> None:
    """Refuse options that these models cannot use."""
    trained = [model for model in models if _is_trained(model)]
    if settings.assume_hom_ref and inputs.fasta is None and len(trained) < len(models):
        raise UsageError(
            "--assume-hom-ref needs --fasta FILE: only the reference says which of a model's "
            "two alleles an absent record stands for"
        )
    if inputs.reads and inputs.fasta is None:
        raise UsageError("--reads needs --fasta FILE, the reference that the reads were aligned to")
    given = {
        "covariates": inputs.covariates, "codes": inputs.codes, "groups": inputs.groups,
        "incidence": inputs.incidence, "prevalence": settings.prevalence,
    }  # fmt: skip
    for name, value in given.items():
        if value is not None and not trained:
            raise UsageError(
                f"--{name} is for bundles that `genomed train` made, and no model is one; leave it "
                "away"
            )


def _is_trained(model: ScoreModel) -> bool:
    """Whether a model is a bundle that `genomed train` made; its class is loaded only then."""
    return type(model) is not ScoreModel


def _batch_bytes(max_memory: int | None) -> int:
    """Bytes of int8 calls per batch: 16 MiB, less when memory is short."""
    return 16 << 20 if max_memory is None else int(min(16 << 20, max(1 << 20, max_memory // 64)))


def _open_reference(inputs: RiskInputs, candidates: Candidates) -> ReferenceBundle | None:
    """The bundle asked for, on the cohort's build as far as that is known."""
    if inputs.reference is None:
        return None
    if inputs.region is not None:
        raise UsageError(
            "--reference places people by variants of the whole genome; leave --region away"
        )
    from genomed.steps.risk_reference import check_build, find_bundle  # noqa: PLC0415 - as above

    bundle = find_bundle(inputs.reference, inputs.library)
    check_build(bundle, candidates.known_build, inputs.cohort, candidates.evidence)
    return bundle


_NO_RECORDS = pl.DataFrame(schema={"entry": pl.Int64, "record": pl.Utf8, "record_line": pl.Int64})


class _Run:
    """One pass over the cohort."""

    def __init__(
        self,
        inputs: RiskInputs,
        settings: RiskSettings,
        reader: Reader,
        candidates: Candidates,
        bundle: ReferenceBundle | None,
        threads: int,
        max_memory: int | None,
    ) -> None:
        self.inputs, self.settings = inputs, settings
        self.reader, self.candidates = reader, candidates
        self.entries = Entries.make(candidates.models, candidates.builds)
        n_models, n_samples = len(candidates.models), len(reader.samples)
        needed = n_models * n_samples * (28 if bundle is None else 100)
        needed += 200 * n_samples * sum(map(_is_trained, candidates.models))
        if max_memory is not None and needed > max_memory // 2:
            raise UsageError(
                f"{n_models} models x {n_samples} samples need {needed / 2**30:.1f} GiB for the "
                "sums alone; raise --max-memory or give fewer models at a time"
            )
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="genomed-score")
        frequencies = reference_frequencies(self.entries, inputs.reference_frequencies)
        self.sums = ScoreSums(
            self.entries, n_models, n_samples, frequencies,
            missing=settings.missing, ambiguous=settings.ambiguous, map_fn=self._map,
        )  # fmt: skip
        self.reference: RiskReference | None = None
        if bundle is not None:
            from genomed.steps.risk_reference import RiskReference  # noqa: PLC0415 - few runs need it

            self.reference = RiskReference(
                bundle, candidates.models, self.entries, n_samples, frequencies, settings, threads,
                self._map,
            )  # fmt: skip
        self.bundles: RiskBundles | None = None
        if any(map(_is_trained, candidates.models)):
            from genomed.steps.risk_bundles import RiskBundles  # noqa: PLC0415 - few runs need it

            self.bundles = RiskBundles(
                candidates.models, self.entries, reader.samples, inputs, settings, self._map
            )  # fmt: skip
        self.region = Region.parse(inputs.region) if inputs.region else None
        self.explainer = Explainer(inputs.explain)
        known = self.bundles.bases if self.bundles else None
        self._bases = None
        if inputs.fasta is not None or known is not None:
            self._bases = ReferenceBases(inputs.fasta, self.entries, known)
        self._records: list[pl.DataFrame] = []
        self.reads: RiskReads | None = None
        names = {name for name, _ in inputs.reads}
        self.reads_of_all = settings.assume_hom_ref or len(names) == n_samples
        if inputs.reads:
            from genomed.steps.risk_reads import RiskReads  # noqa: PLC0415 - few runs need it

            assert inputs.fasta is not None  # run_risk has seen to it
            self.reads = RiskReads(
                inputs.reads, n_models, reader.samples, inputs.fasta, settings, threads
            )

    def _map(self, work: Callable[[int], None], items: Iterable[int]) -> Iterator[None]:
        jobs = list(items)
        if len(jobs) < 2:
            return map(work, jobs)
        return self._pool.map(work, jobs)

    def stream(self, progress: Callable[[int, int | None], None] | None) -> None:
        """Read the cohort once and add up."""
        wanted = self.explainer.extend(self.entries.wanted())
        if self.reference is not None:
            wanted = self.reference.wanted(wanted)
        for batch in whole_positions(self.reader.iter_batches(self.region, wanted)):
            self._add(batch)
            if progress is not None:
                progress(
                    getattr(self.reader, "n_compressed", 0), getattr(self.reader, "size", None)
                )

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown()

    def look_into_reads(self) -> None:
        """Look up in reads what the cohort has no record of; what they prove is added as records
        would be."""
        assert self.reads is not None
        outcome = self.candidates.decide(self.entries, self.settings.ambiguous)
        kept = np.zeros(self.entries.table.height, bool)
        for family in self.entries.families:
            kept[family.rows] = any(m in outcome.kept for m in family.members.tolist())
        absent = self._absent()
        fill = 0 if self.settings.assume_hom_ref else MISSING
        told = self.bundles.known_reference if self.bundles else np.zeros(len(kept), bool)
        for batch in self.reads.look(self.entries, absent[kept[absent]], fill, told):
            self.reads.take(self.entries, self._add(batch, from_reads=True), batch)

    def _add(self, batch: VariantBatch, *, from_reads: bool = False) -> RowMatches:
        contigs = batch.variants["contig"].unique().to_list()
        names = {c: canonical_contig(c) for c in contigs}
        canonical = pl.col("contig").replace_strict(names, return_dtype=pl.Utf8)
        rows = batch.variants.with_columns(
            canonical.alias("canonical"), pl.int_range(pl.len(), dtype=pl.Int64).alias("row")
        )
        if not from_reads:
            self.explainer.look(rows, batch)
            if self.reads is not None:
                self.reads.note(rows, batch)
        found = self.entries.match(rows, self._bases.table if self._bases else None)
        if self.bundles is not None:
            found = self.bundles.certain(found)
        fill = not from_reads or self.reads_of_all
        self.sums.add(
            batch, rows["line"].to_numpy(), rows["canonical"].to_numpy(), found,
            few_known=from_reads, fill=fill,
        )  # fmt: skip
        if self.reference is not None:
            self.reference.add(batch, rows, found, few_known=from_reads, fill=fill)
        if self.bundles is not None:
            self.bundles.add(batch, rows, found)
        if len(found.entry):
            line = pl.lit(None, pl.Int64) if from_reads else pl.col("line")
            self._records.append(
                rows[found.row].select(
                    pl.Series("entry", found.entry),
                    pl.concat_str("contig", "position", "ref", "alt", separator=":").alias(
                        "record"
                    ),
                    line.alias("record_line"),
                )
            )
        return found

    def finish(self, command: str, started: str) -> tuple[RiskPage, dict[str, pl.DataFrame]]:
        """Settle what was not found, choose the build, and make the page and the other tables: the
        ledger, and with a reference that of ancestry."""
        self._settle()
        self.sums.finish()
        entries, sums, candidates = self.entries, self.sums, self.candidates
        shares = variance_shares(entries, sums, len(candidates.models))
        outcome = candidates.decide(entries, self.settings.ambiguous)
        flags = self._flags(shares.matched, outcome.flags)
        risk = risk_table(
            candidates.models, self.reader.samples, entries, sums, shares,
            self.settings.min_weighted_coverage, flags,
        )  # fmt: skip
        models = models_table(candidates.models, candidates.builds, entries, shares, risk, flags)
        placed = self._compare(risk, shares, outcome)
        predicted = self._predict(placed, outcome)
        for more in (predicted, placed):
            if more is not None:
                said = pl.concat_str(risk["flags"], more.flags, separator=";").str.strip_chars(";")
                risk = risk.with_columns(flags=said).hstack(more.columns)
        if self.reads is not None:
            said = pl.concat_str(risk["flags"], self.reads.flags(), separator=";")
            risk = risk.with_columns(flags=said.str.strip_chars(";"))
        whole = ledger_table(entries, sums, shares, pl.concat([_NO_RECORDS, *self._records]))
        counts = reason_counts(candidates.models, entries, shares, outcome.kept)
        top = top_variants(candidates.models, entries, whole, shares, outcome.kept)
        tables = (
            of_models(frame, candidates, outcome.kept) for frame in (risk, models, counts, top)
        )
        risk, models, counts, top = tables
        ledger = of_families(whole, entries, candidates, outcome.kept)
        self.explainer.note(ledger)
        self._check_found(models)
        warnings = risk_warnings(models, entries, self.reader, self.settings)
        page = RiskPage(
            title=f"Disease risk: {self.inputs.cohort_name}",
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
            record_counts=asdict(replace(self.reader.counts, refused_at=[])),
            model_facts={
                str(candidates.final_names[m]): model_facts(candidates.models[m])
                for m in outcome.kept
            },
            warnings=[
                *outcome.warnings, *warnings, *(predicted.warnings if predicted else ()),
                *(placed.warnings if placed else ()),
                *(self.reads.sentences() if self.reads else ()),
            ],
            ancestry=placed.part if placed else None,
            bundles=predicted.part if predicted else None,
        )  # fmt: skip
        written = {"ledger": ledger}
        if placed is not None:
            written["ancestry"] = placed.ancestry
        if predicted is not None and predicted.absolute is not None:
            written["absolute_risk"] = predicted.absolute
        if self.reads is not None:
            written["reads"] = self.reads.table
            self.explainer.hear(self.reads.table)
        return page, written

    def _predict(self, placed: ReferenceResult | None, outcome: Outcome) -> BundleResult | None:
        """What bundles predict, where there are any; a reference tells whose calibration to use."""
        if self.bundles is None:
            return None
        group = None
        if placed is not None:
            group = placed.ancestry["most_similar_population"].to_list()
        return self.bundles.finish(outcome.kept, group)

    def _compare(
        self, risk: pl.DataFrame, shares: ModelShares, outcome: Outcome
    ) -> ReferenceResult | None:
        """What the reference adds, where there is one and its build is the cohort's."""
        if self.reference is None:
            return None
        from genomed.steps.risk_reference import check_build  # noqa: PLC0415 - few runs need it

        cohort = self.inputs.cohort
        check_build(self.reference.bundle, outcome.build, cohort, outcome.evidence)
        return self.reference.finish(
            cohort, self.reader.samples, self.sums, shares, risk, outcome.kept
        )

    def _check_found(self, models: pl.DataFrame) -> None:
        looked_for = int(models["n_variants"].sum())
        if looked_for and not models["n_matched"].sum() and self.reader.samples:
            raise CoverageError(
                f"{self.inputs.cohort}: no variant of any model was found "
                f"({looked_for} looked for in {self.reader.counts.n_records} "
                "records); check the genome build, or that variants are keyed as the models key "
                "them"
            )

    def _settle(self) -> None:
        """Give every entry that no record decided its reason."""
        reason, seen, in_block = self.entries.reason, self.entries.seen, self.entries.in_block
        undecided = ~reason.astype(bool)  # None
        refused = self._refused()
        absent = self._absent()
        reason[undecided & refused] = "ploidy"
        undecided &= ~refused
        reason[undecided & in_block] = "reference_unknown"
        reason[undecided & seen & ~in_block] = "alleles_differ"
        reason[undecided & ~seen & ~in_block] = "outside_region"
        reason[absent] = "absent"
        if self.reads is not None:
            reason[self.reads.unproved(self.entries, absent)] = "reads_no_coverage"
        one_copy = np.isin(self.entries.table["contig"].to_numpy()[absent], ["Y", "MT"])
        scale = np.where(one_copy, 1.0, 2.0)
        if self.settings.assume_hom_ref:
            self._assume_hom_ref(absent, scale)
        elif self.settings.missing == "reference-mean":
            frequency = self.sums.reference_frequency[absent]
            known = ~np.isnan(frequency)
            self._add_constant(absent[known], frequency[known], scale[known], imputed=True)
            reason[absent[known]] = "imputed_reference"

    def _add_constant(
        self, entry: np.ndarray, copies: np.ndarray, scale: np.ndarray, *, imputed: bool
    ) -> None:
        self.sums.add_constant(entry, copies, scale)
        if self.bundles is not None and not imputed:
            self.bundles.add_constant(entry, copies)
        if self.reference is not None:
            self.reference.add_constant(entry, copies, scale, imputed=imputed)

    def _refused(self) -> np.ndarray:
        """bool (entries,): a record at the entry's position was refused, so it is not absent."""
        places = {(canonical_contig(c), at) for c, at in self.reader.counts.refused_at}
        if not places:
            return np.zeros(self.entries.table.height, bool)
        loci = self.entries.table.select("contig", "position").iter_rows()
        return np.array([locus in places for locus in loci])

    def _absent(self) -> np.ndarray:
        """Entries without a record, where records were looked for: int64."""
        entries = self.entries
        absent = np.flatnonzero(
            ~entries.reason.astype(bool) & ~self._refused() & ~entries.seen & ~entries.in_block
        )
        if self.region is None:
            return absent
        contig = entries.table["contig"].to_numpy()[absent]
        position = entries.table["position"].cast(float).to_numpy()[absent]
        outside = (contig != canonical_contig(self.region.contig)) | (
            (position <= self.region.start) | (position > self.region.end)
        )
        return absent[~(outside & ~np.isnan(position))]

    def _assume_hom_ref(self, absent: np.ndarray, scale: np.ndarray) -> None:
        """Score absent entries as two copies of the reference base, where their strand is sure."""
        assert self._bases is not None  # run_risk has seen to it
        table, reason = self.entries.table, self.entries.reason
        if self.settings.ambiguous != "keep":
            doubtful = table["ambiguous"].fill_null(False).to_numpy()[absent]
            if self.bundles is not None and self.settings.ambiguous == "by-frequency":
                doubtful &= ~self.bundles.known_reference[absent]
            reason[absent[doubtful]] = "ambiguous"
            absent, scale = absent[~doubtful], scale[~doubtful]
        base = self._bases.bases[absent]
        effect = table["effect_allele"].to_numpy()[absent] == base
        known = effect | (table["other_allele"].to_numpy()[absent] == base)
        copies = effect[known].astype(float)
        self._add_constant(absent[known], copies, scale[known], imputed=False)
        reason[absent[known]] = "hom_ref_assumed"

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
