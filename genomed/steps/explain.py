"""`genomed explain`: a bundle and a cohort -> what moves its predictions, and how sure that is."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed import __version__
from genomed.errors import BuildError, CoverageError, InputError, UnfitError, UsageError
from genomed.features.design import column_kinds
from genomed.io.genes import read_genes
from genomed.io.labels import named_file
from genomed.io.library import locate_model
from genomed.io.outputs import OutputDirectory
from genomed.io.packed import PackedStore, open_store
from genomed.io.plink_tables import companion_paths
from genomed.io.traits import SurvivalColumns
from genomed.models.risk_model import RiskModel
from genomed.provenance import file_fingerprint, record
from genomed.report.explain_page import ExplainPage, render_explain_page
from genomed.scores.deep import BundleScore
from genomed.scores.deep_accuracy import linear_variances
from genomed.scores.explanation import Explanation, explained_blocks
from genomed.scores.store_matching import StoreMatch, match_store, read_matched
from genomed.settings import ExplainSettings
from genomed.steps.bundle_people import BundlePeople, bundle_people
from genomed.steps.clock import Clock
from genomed.steps.explain_checks import Check, permuted_nets, shuffled_models
from genomed.steps.genome_build import choose_build
from genomed.steps.risk_bundles import read_bundle
from genomed.steps.structure_parts import read_groups
from genomed.steps.train_data import TrainInputs

__all__ = ["ExplainInputs", "ExplainSummary", "run_explain"]

Progress = Callable[[str, float], None]

TOLERANCE = 1e-3  # of contributions to add up, in standard deviations of the predictor


@dataclass(frozen=True)
class ExplainInputs:
    """What a run reads.

    bundle     : a bundle, or its name in the library
    store      : a .pgen or .bed, or the prefix of the fileset
    covariates : table of covariates, and codes, of dated codes, as the bundle was trained with
    groups     : FILE, FILE:COLUMN or COLUMN, ancestry of people as the bundle was trained with
    genes      : GFF3, GTF, BED, or a table of variants and genes
    traits     : table of the trait, for trainings on permuted labels; relatives : as for `train`
    samples    : names to keep; None for all
    persons    : of whom every term is told
    """

    bundle: str
    store: str
    covariates: Path | None = None
    codes: Path | None = None
    groups: str | None = None
    genes: Path | None = None
    traits: Path | None = None
    relatives: Path | None = None
    samples: tuple[str, ...] | None = None
    persons: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        """Files beside bundle and store."""
        groups = named_file(self.groups)
        given = (self.covariates, self.codes, groups, self.genes, self.traits, self.relatives)
        return [path for path in given if path is not None]


@dataclass
class ExplainSummary:
    """What a run found, for the terminal; `page` holds the tables."""

    page: ExplainPage
    outputs: dict[str, Path]
    timings: dict[str, float] = field(default_factory=dict)


def run_explain(
    inputs: ExplainInputs,
    out: Path,
    settings: ExplainSettings,
    *,
    threads: int = 1,
    progress: Progress | None = None,
    command: str = "genomed explain",
) -> ExplainSummary:
    """Explain a bundle's predictions of a cohort, and write tables and a page.

    progress : called with what is being done and the share of it that is done
    Raises BuildError, CoverageError, InputError, UsageError, OutputError, and UnfitError where the
    bundle has a net and captum is not installed; nothing is left at `out` then.
    """
    run = _Run(inputs, settings, threads, progress or (lambda *_: None))
    run.read()
    run.explain()
    run.check()
    page = run.page(command)
    with OutputDirectory(out) as directory:
        _write(directory, run, page, command)
        outputs = directory.files()
    run.clock.lap("write")
    return ExplainSummary(page, outputs, run.clock.phases)


class _Run:
    """One run, step after step."""

    def __init__(
        self, inputs: ExplainInputs, settings: ExplainSettings, threads: int, progress: Progress
    ) -> None:
        self.inputs, self.settings, self.threads = inputs, settings, threads
        self.progress = progress
        self.clock = Clock()
        self.warnings: list[str] = []
        self.checks: list[Check] = []
        self.shuffles: pl.DataFrame | None = None

    def read(self) -> None:
        """Open everything, and find the bundle's variants."""
        inputs = self.inputs
        self.path = locate_model(inputs.bundle)
        self.score: BundleScore = read_bundle(self.path)
        self.model: RiskModel = self.score.risk
        if self.model.net is not None:
            _need_captum(self.path)
        names = None if inputs.samples is None else list(inputs.samples)
        self.store: PackedStore = open_store(inputs.store, samples=names)
        self._check_build()
        strangers = sorted(set(inputs.persons) - set(self.store.samples))
        if strangers:
            raise UsageError(f"--person {strangers[0]}: no such sample in {self.store.path}")
        self.variants = self.score.bundle.variants
        self.match = match_store(self.variants, self.store.variants, ~self.store.several_alts)
        self._check_coverage()
        self.words = read_matched(lambda rows: self.store.read(rows, self.threads), self.match)
        people: BundlePeople = bundle_people(
            self.score.bundle, self.store.samples, inputs.covariates, inputs.codes
        )
        self.design, self.dated = people.design, people.sequences
        self.group = self._groups()
        self.warnings += people.warnings
        lacking = int(people.missing.sum())
        if lacking:
            self.warnings.append(
                f"{lacking} of {self.store.n_samples} people lack covariates that the bundle was "
                "trained with; they count as average in these."
            )
        self.genes = (np.zeros(0, np.int64), []) if inputs.genes is None else read_genes(
            inputs.genes).of(self.variants)  # fmt: skip
        if inputs.genes is not None and not len(self.genes[0]):
            raise InputError(
                f"{inputs.genes}: none of its genes holds a variant of the bundle; check the "
                "genome build, or the names of variants"
            )
        self.clock.lap("read")

    def _groups(self) -> np.ndarray | None:
        """The trunk of each person's ancestry group: int64 (people,), -1 for none."""
        own, given = self.model.ancestry, self.inputs.groups
        if own is None:
            if given is not None and self.inputs.traits is None:
                self.warnings.append(
                    "--groups changes nothing: the bundle has no linear parts of ancestry groups."
                )
            return None
        place = np.full(self.store.n_samples, -1)
        if given is not None:
            members, remarks = read_groups(self.store, given)
            self.warnings += remarks
            for name, inside in members.items():
                place[inside] = own.places([name])[0]
        if not (place >= 0).any():
            self.warnings.append(
                f"The bundle has linear parts of their own for {', '.join(own.groups)}, and nobody "
                "is told to be of these (--groups); everybody is explained by the common one."
            )
        return place

    def _check_build(self) -> None:
        build, _ = choose_build(self.store.contigs, self.settings.build, self.store.path)
        own = self.score.bundle.build
        if build is None:
            self.warnings.append(
                f"{self.store.path} does not tell its genome build; it is taken to be {own}."
            )
        elif build != own:
            raise BuildError(
                f"{self.store.path} is on {build}, but {self.path} on {own}; give a store on {own}"
            )

    def _check_coverage(self) -> None:
        found = self.match.row >= 0
        if not found.any():
            raise CoverageError(
                f"{self.store.path}: holds none of the {len(found):,} variants of {self.path}; "
                "check that both are on the same genome build"
            )
        variance = linear_variances(self.model)
        lost = float(variance[~found].sum() / variance.sum()) if variance.sum() > 0 else 0.0
        if not found.all():
            self.warnings.append(
                f"{int((~found).sum()):,} of the bundle's {len(found):,} variants are not in the "
                f"store, and explain nothing here; they hold {lost:.1%} of the linear part's "
                "variance."
            )

    def explain(self) -> None:
        """Add up the contributions of everybody, a few people at a time."""
        n, design = self.store.n_samples, self.design
        predicted = self.model.predict(
            self.words, n, design.matrix.astype(np.float64), categories=design.categories,
            levels=tuple(design.category_sizes), group=self.group,
            codes=None if self.dated is None else self.dated.codes,
            times=None if self.dated is None else self.dated.times, threads=self.threads,
        ).full  # fmt: skip
        rows, names = self.genes
        self.found = Explanation(
            self.model, design, self.store.samples, self._reasons(self.match), rows, names,
            top=self.settings.top, whole=frozenset(self.inputs.persons), dated=self.dated,
        )  # fmt: skip
        blocks = explained_blocks(
            self.model, self.words, design, dated=self.dated, group=self.group,
            n_steps=self.settings.n_steps, threads=self.threads,
        )  # fmt: skip
        for some, part in blocks:
            self.found.add(some, part, predicted)
            self.progress("contributions", some.stop / n)
        self.clock.lap("explain")

    def _reasons(self, match: StoreMatch) -> list[str]:
        """Fates of the variants: those found without a single call say so."""
        counts = np.zeros(len(match.row), np.int64)
        some = np.flatnonzero(match.row >= 0)
        counts[some] = self.store.count(match.row[some])[:, :3].sum(axis=1)
        return [
            "monomorphic_no_call" if row >= 0 and not n else reason
            for row, n, reason in zip(match.row, counts.tolist(), match.reason, strict=True)
        ]

    def check(self) -> None:
        """How far contributions add up, and whether they are of what was learned."""
        people = self.found.people_table()
        error = float(people["completeness_error"].abs().max())  # type: ignore[arg-type]
        spread = float(people["full_predictor"].to_numpy().std())
        self.checks.append(
            Check(
                "largest_completeness_error", error,
                "Base value and contributions together, less the predictor, in the person in whom "
                "they differ most.",
                error <= TOLERANCE * max(spread, 1e-3),
            )
        )  # fmt: skip
        if self.model.net is not None:
            self.progress("permuted nets", 0.0)
            self.checks += permuted_nets(
                self.model, self.words, self.design, self.dated, self.found.member_cells,
                self.settings, threads=self.threads,
            )  # fmt: skip
        if self.inputs.traits is not None and self.settings.n_shuffles:
            facts = self.score.bundle.facts
            kinds = column_kinds(facts["covariates"]["encoder"])
            name, kind = str(facts["trait"]["name"]), str(facts["trait"]["kind"])
            times = facts["trait"].get("columns")
            given = TrainInputs(
                self.inputs.store, self.inputs.traits, (name,),
                kinds={} if kind == "survival" else {name: kind},
                survival={name: SurvivalColumns(**times)} if times else {},
                covariates=self.inputs.covariates if kinds else None,
                covariate_names=tuple(kinds), covariate_kinds=kinds, codes=self.inputs.codes,
                groups=self.inputs.groups, relatives=self.inputs.relatives,
                samples=self.inputs.samples,
            )  # fmt: skip
            self.shuffles, checks = shuffled_models(
                given, facts, self.found, self.settings, threads=self.threads,
                progress=self.progress,
            )  # fmt: skip
            self.checks += checks
        self.warnings += [
            f"{check.name} is {check.value:.3g}. {check.told}"
            for check in self.checks
            if check.passed is False
        ]
        self.clock.lap("check")

    def page(self, command: str) -> ExplainPage:
        """Everything that is shown."""
        facts = self.score.bundle.facts
        return ExplainPage(
            name=self.score.name,
            trait=self.score.trait,
            verdict=str(facts["verdict"]),
            n_people=self.store.n_samples,
            n_variants=len(self.variants),
            n_found=int((self.match.row >= 0).sum()),
            base=self.found.base,
            variants=self.found.variants_table(),
            pairs=self.found.pairs_table(),
            covariates=self.found.covariates_table(),
            genes=self.found.genes_table(),
            codes=self.found.codes_table(),
            checks=[(c.name, c.value, c.told, c.passed) for c in self.checks],
            warnings=self.warnings,
            version=__version__,
            command=command,
        )


def _need_captum(path: Path) -> None:
    from genomed.models.net_attribution import has_captum  # noqa: PLC0415 - torch takes seconds

    if not has_captum():
        raise UnfitError(
            f"{path}: has a net, whose integrated gradients need captum; install it with "
            "`pip install 'genomed[explain]'`"
        )


def _write(directory: OutputDirectory, run: _Run, page: ExplainPage, command: str) -> None:
    """Write every file; run.json, the last, alone holds what differs between equal runs."""
    files: Sequence[Path] = [*run.inputs.files, *companion_paths(run.store.path)]
    bundle = run.path / "model.json" if run.path.is_dir() else run.path
    prints = {str(path): file_fingerprint(path) for path in dict.fromkeys([bundle, *files])}
    facts: dict[str, Any] = record("explain", run.settings, prints, seed=run.settings.seed)
    footer = {"genomed": json.dumps(facts, sort_keys=True)}
    tables = {
        "variants": page.variants,
        "pairs": page.pairs if len(page.pairs) else None,
        "covariates": page.covariates if len(page.covariates) else None,
        "codes": page.codes if len(page.codes) else None,
        "genes": page.genes if run.inputs.genes is not None else None,
        "people": run.found.people_table(),
        "person_terms": run.found.person_terms_table(),
        "shuffles": run.shuffles,
    }
    for name, table in tables.items():
        if table is not None:
            directory.write_tsv(f"{name}.tsv", table)
            directory.write_parquet(f"{name}.parquet", table, footer)
    directory.write_text("explain.html", render_explain_page(page))
    facts |= {
        "bundle": {"name": page.name, "trait": page.trait, "base_value": page.base},
        "variants": dict(sorted(Counter(run.found.reason).items())),
        "people": page.n_people,
        "checks": [_known(asdict(check)) for check in run.checks],
        "warnings": list(page.warnings),
        "run": {"command_line": command, "started": run.clock.started},
    }
    text = json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False)
    directory.write_text("run.json", text + "\n")


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    """The same with null for a number that is not known."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in facts.items()}
