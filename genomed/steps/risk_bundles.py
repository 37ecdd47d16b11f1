"""`genomed risk --model BUNDLE`: predictions of what `genomed train` made, in the same pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.features.sequences import UNKNOWN_CODE
from genomed.io.model_bundle import ModelBundle, open_model_bundle
from genomed.kernels.scoring import COUNT_ALT, COUNT_NONE, COUNT_REF
from genomed.ledger import USED
from genomed.models.risk_model import Predicted, RiskModel
from genomed.regions import canonical_contig
from genomed.report.bundles import BundleDigest, BundlesPart
from genomed.schema import ScoreModel, VariantBatch
from genomed.scores.deep import BundleScore, DeepSums, bundle_score
from genomed.scores.deep_accuracy import Variances
from genomed.scores.deep_effects import moved_most
from genomed.scores.deep_outcome import Outcome
from genomed.scores.features import Calls
from genomed.scores.matching import EXACT, HOM_REF_CALLED, Entries, RowMatches
from genomed.settings import RiskSettings
from genomed.steps.bundle_people import BundlePeople, average_design, bundle_people, group_names
from genomed.steps.risk_absolute import (
    AbsoluteRisk,
    absolute_risk,
    check_one_event,
    check_prevalence,
)
from genomed.steps.risk_inputs import RiskInputs
from genomed.tables import TABLES

__all__ = ["BundleResult", "RiskBundles", "read_bundle"]

MapFn = Callable[[Callable[[int], None], Iterable[int]], Iterable[None]]

ABSOLUTE = (
    "Absolute risks by age are in absolute_risk.tsv: relative risks of these predictions, with the "
    "incidence of the table that was given. Method: Pal Choudhury P et al. iCARE: An R package to "
    "build, validate and apply absolute risk models. PLoS One 15, e0228198 (2020). "
    "doi:10.1371/journal.pone.0228198"
)
_BASES = r"^[ACGT]+$"
N_OWN_CODES = UNKNOWN_CODE + 1  # whole numbers before those of the codes known
_NUMBERS = [
    "linear_predictor", "full_predictor", "prediction", "prediction_low", "prediction_high",
    "net_spread", "expected_accuracy_share",
]  # fmt: skip


def read_bundle(path: Path) -> BundleScore:
    """Open a bundle as a score, having tried its model.

    Raises InputError for a bundle that is damaged, or whose parts do not belong together.
    """
    bundle = open_model_bundle(path)
    _check_variants(bundle)
    spelt = bundle.variants.select("contig", "position", "id", "ref", "alt", "alt_allele_frequency")
    try:
        model = RiskModel.from_parts(bundle.tensors, bundle.facts["parts"], spelt)
        design = average_design(bundle, 1)
        words = np.full((len(spelt), 1), ~np.uint64(0))
        found = model.predict(
            words, 1, design.matrix.astype(np.float64), categories=design.categories,
            levels=tuple(design.category_sizes),
        )  # fmt: skip
        Outcome.of(model, bundle.facts).apply(found.full)
        _check_finite(bundle)
        _check_codes(bundle, model)
        str(bundle.facts["trait"]["name"]), str(bundle.facts["verdict"])
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError, AttributeError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: its parts do not make a model ({why[:200]}); make the bundle again"
        ) from None
    names = {contig: canonical_contig(contig) for contig in spelt["contig"].unique()}
    canonical = pl.col("contig").replace_strict(names, return_dtype=pl.Utf8)
    return bundle_score(replace(bundle, variants=bundle.variants.with_columns(canonical)), model)


def _check_finite(bundle: ModelBundle) -> None:
    for name, tensor in bundle.tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise ValueError(f"{name} holds a number that is not finite")


def _check_codes(bundle: ModelBundle, model: RiskModel) -> None:
    """The net must read as many codes as the encoder makes of them, none where there is none."""
    facts = bundle.facts.get("codes")
    n_codes = 0 if model.net is None else model.net.head.sizes.n_codes
    if n_codes != (len(facts["encoder"]["codes"]) + N_OWN_CODES if facts else 0):
        raise ValueError("the net and the encoder of dated codes differ")


def _check_variants(bundle: ModelBundle) -> None:
    """Variants that a record of a cohort can be compared with."""
    frequency = pl.col("alt_allele_frequency")
    odd = bundle.variants.filter(
        ~(
            pl.col("contig").is_not_null()
            & (pl.col("position") > 0)
            & pl.col("ref").str.contains(_BASES)
            & pl.col("alt").str.contains(_BASES)
            & frequency.is_between(0, 1)
        ).fill_null(False)
    )
    if odd.height:
        raise InputError(
            f"{bundle.path}: {odd.height} of its variants lack a place, alleles of A, C, G and T, "
            "or a frequency; make the bundle again"
        )


@dataclass(frozen=True)
class BundleResult:
    """What bundles add to a run's results.

    columns : the columns of TABLES["risk_bundle"], rows as in the risk table
    flags   : text (rows,), to be joined to the risk table's
    absolute : the columns of TABLES["absolute_risk"], None without --incidence
    """

    columns: pl.DataFrame
    flags: pl.Series
    part: BundlesPart
    absolute: pl.DataFrame | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Bundle:
    """A bundle in the run: its place among the models, its entries, what was collected."""

    index: int
    score: BundleScore
    rows: slice
    sums: DeepSums


@dataclass(frozen=True)
class _Predictions:
    """What one bundle says of everybody."""

    predicted: Predicted
    low: np.ndarray
    high: np.ndarray
    value: np.ndarray
    terms: Variances
    share: np.ndarray
    moved: list[str]
    people: BundlePeople


class RiskBundles:
    """The bundles of a run beside its one pass over a cohort.

    bases : object (entries,), reference base at each entry of a bundle; None at others
    """

    def __init__(
        self,
        models: Sequence[ScoreModel],
        entries: Entries,
        samples: Sequence[str],
        inputs: RiskInputs,
        settings: RiskSettings,
        map_fn: MapFn,
    ) -> None:
        self._entries, self._samples, self._settings = entries, samples, settings
        self._covariates, self._n_models = inputs.covariates, len(models)
        self._incidence = inputs.incidence
        self._group = None if inputs.groups is None else group_names(inputs.groups, samples)
        self._bundles: list[_Bundle] = []
        self.bases = np.full(entries.table.height, None, object)
        for family in entries.families:
            index = int(family.members[0])
            score = models[index]
            if isinstance(score, BundleScore):
                sums = DeepSums(score.risk, len(samples), map_fn)
                self._bundles.append(_Bundle(index, score, family.rows, sums))
                self.bases[family.rows] = score.variants["other_allele"].str.slice(0, 1).to_numpy()
        self._people = {
            b.index: bundle_people(b.score.bundle, samples, inputs.covariates, inputs.codes)
            for b in self._bundles
        }
        if inputs.incidence is not None:
            check_one_event([bundle.score for bundle in self._bundles])
        if settings.prevalence is not None:
            check_prevalence([bundle.score for bundle in self._bundles], settings.prevalence)

    @property
    def known_reference(self) -> np.ndarray:
        """Entries whose reference base is known: bool (entries,)."""
        return self.bases.astype(bool)  # not None

    def certain(self, found: RowMatches) -> RowMatches:
        """The same matches; an A/T or C/G variant of a bundle with the bundle's REF as REF is in no
        doubt, for both are the reference's base."""
        if self._settings.ambiguous != "by-frequency":
            return found
        none = (found.fit >= HOM_REF_CALLED) & (found.count == COUNT_NONE)
        agrees = (found.fit == EXACT) | none
        doubt = found.ambiguous & ~(agrees & self.known_reference[found.entry])
        return replace(found, ambiguous=doubt)

    def add(self, batch: VariantBatch, rows: pl.DataFrame, found: RowMatches) -> None:
        """Add a batch that the scores have been added from; `rows` and `found` as for these."""
        reason = self._entries.reason[found.entry].astype(str)
        used = np.isin(reason, USED)
        turned = found.ambiguous & np.isin(reason, ("flipped", "flipped_swapped"))
        other = np.where(found.count == COUNT_REF, COUNT_ALT, COUNT_REF)
        count = np.where(turned, other, found.count).astype(np.int8)
        calls = None
        for bundle in self._bundles:
            at = np.flatnonzero(
                used & (found.entry >= bundle.rows.start) & (found.entry < bundle.rows.stop)
            )
            if len(at):
                calls = calls or Calls(batch, rows["line"].to_numpy(), rows["canonical"].to_numpy())
                features = calls.features(found.row[at], count[at])
                bundle.sums.add(calls, features, found.entry[at] - bundle.rows.start)

    def add_constant(self, entry: np.ndarray, effect_share: np.ndarray) -> None:
        """Entries assumed to be the same in everybody: their share of ALT, 0 to 1."""
        for bundle in self._bundles:
            here = (entry >= bundle.rows.start) & (entry < bundle.rows.stop)
            copies = 2.0 * effect_share[here].astype(np.float64)
            bundle.sums.add_constant(entry[here] - bundle.rows.start, copies)

    def finish(self, kept: Sequence[int], group: Sequence[str | None] | None) -> BundleResult:
        """Predict everybody by the bundles kept, after the last batch.

        group : population of each person where a reference has told it; what the user says of
                groups stands before it
        """
        group = self._group or group
        n = len(self._samples)
        numbers = {name: np.full((self._n_models, n), np.nan) for name in _NUMBERS}
        moved: list[list[str | None]] = [[None] * n for _ in range(self._n_models)]
        flags = np.full((self._n_models, n), "", object)
        digests: list[BundleDigest] = []
        warnings: list[str] = []
        absolute: AbsoluteRisk | None = None
        for bundle in (b for b in self._bundles if b.index in kept):
            found = self._predict(bundle, group)
            values = (
                found.predicted.linear, found.predicted.full, found.value, found.low, found.high,
                found.predicted.spread, found.share,
            )  # fmt: skip
            for name, value in zip(_NUMBERS, values, strict=True):
                numbers[name][bundle.index] = value
            if bundle.score.risk.net is None:
                numbers["net_spread"][bundle.index] = np.nan
            moved[bundle.index] = list(found.moved)
            flags[bundle.index] = self._flags(found)
            digests.append(self._digest(bundle, found))
            warnings += self._warnings(bundle, found)
            if self._incidence is not None and bundle.score.risk.kind != "quantitative":
                absolute = self._absolute(bundle, found, self._incidence)
                warnings += absolute.warnings
        columns = {name: value.reshape(-1) for name, value in numbers.items()}
        told = [text for of_model in moved for text in of_model]
        frame = pl.DataFrame(columns | {"moved_most": pl.Series(told, dtype=pl.Utf8)})
        return BundleResult(
            frame.with_columns(pl.col(pl.Float64).fill_nan(None)).select(*TABLES["risk_bundle"]),
            pl.Series(flags.reshape(-1).tolist(), dtype=pl.Utf8),
            BundlesPart(digests, None if absolute is None else ABSOLUTE),
            None if absolute is None else absolute.table,
            warnings,
        )

    def _absolute(self, bundle: _Bundle, found: _Predictions, path: Path) -> AbsoluteRisk:
        return absolute_risk(
            path, bundle.score, self._outcome(bundle), bundle.sums, found.people,
            self._samples, np.isfinite(found.value), self._covariates,
        )  # fmt: skip

    def _outcome(self, bundle: _Bundle) -> Outcome:
        """What the predictor of a bundle means here."""
        binary = bundle.score.risk.kind == "binary"
        prevalence = self._settings.prevalence if binary else None
        return Outcome.of(bundle.score.risk, bundle.score.bundle.facts, prevalence)

    def _predict(self, bundle: _Bundle, group: Sequence[str | None] | None) -> _Predictions:
        sums, people = bundle.sums, self._people[bundle.index]
        predicted = sums.predict(people.design, group, people.sequences)
        terms = Variances.of(sums.total_variance, sums.reader)
        share = terms.shares(sums.called, sums.words)
        made = self._outcome(bundle).apply(predicted.full, group)
        few = share < self._settings.min_weighted_coverage
        value, low, high = (np.where(few, np.nan, x) for x in made)
        moved = moved_most(sums, people.design, predicted)
        return _Predictions(predicted, low, high, value, terms, share, moved, people)

    def _flags(self, found: _Predictions) -> list[str]:
        few = found.share < self._settings.min_weighted_coverage
        return [
            ";".join(
                word
                for word, said in (("low_accuracy", a), ("covariates_missing", b))
                if said
            )
            for a, b in zip(few.tolist(), found.people.missing.tolist(), strict=True)
        ]  # fmt: skip

    def _digest(self, bundle: _Bundle, found: _Predictions) -> BundleDigest:
        facts, model = bundle.score.bundle.facts, bundle.score.risk
        used = np.isin(self._entries.reason[bundle.rows].astype(str), USED)
        present = {
            "ancestry": model.ancestry, "pairs": model.pairs, "covariates": model.covariates,
            "net": model.net,
        }  # fmt: skip
        return BundleDigest(
            name=bundle.score.name,
            trait=bundle.score.trait,
            kind=model.kind,
            verdict=str(facts["verdict"]),
            parts=["linear", *(name for name, part in present.items() if part is not None)],
            n_variants=len(used),
            n_found=int((used & (self._entries.reason[bundle.rows] != "imputed_reference")).sum()),
            prediction=found.value[np.isfinite(found.value)],
            n_people=len(found.value),
            n_covariates_missing=int(found.people.missing.sum()),
            accuracy=float(found.share.mean()) if len(found.share) else float("nan"),
            prevalence=self._outcome(bundle).prevalence if model.kind == "binary" else None,
        )

    def _warnings(self, bundle: _Bundle, found: _Predictions) -> Iterator[str]:
        name, n = bundle.score.name, len(found.share)
        yield from (f"{name}: {text}" for text in found.people.warnings)
        if bundle.score.risk.ancestry is not None and "ancestry" in found.predicted.parts:
            told = np.count_nonzero(found.predicted.parts["ancestry"])
            groups = ", ".join(bundle.score.risk.ancestry.groups)
            if not told:
                yield (
                    f"{name}: has trunks of its own for {groups}, and nobody is told to be of them "
                    "(give --groups, or a --reference with such names)."
                )
        lacking = int(found.people.missing.sum())
        if lacking:
            yield (
                f"{name}: {lacking} of {n} people lack covariates that it was trained with"
                + (" (give --covariates)" if self._covariates is None else "")
                + "; a value that is not known counts as in training, and who is not told of at "
                "all as average."
            )
        few = int((found.share < self._settings.min_weighted_coverage).sum())
        if few:
            yield (
                f"{name}: no prediction for {few} of {n} people, because less than "
                f"{self._settings.min_weighted_coverage:.0%} of its predictor's variance rests on "
                "their calls (--min-weighted-coverage)."
            )
