"""`genomed risk --reference`: place people in a reference, and compare scores with its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import BuildError, CoverageError, InputError
from genomed.io.bundle import ReferenceBundle, open_bundle
from genomed.io.library import find_model, is_bundle
from genomed.report.ancestry import AncestryPart, Spread
from genomed.schema import ScoreModel, VariantBatch, Wanted
from genomed.scores.adjustment import Adjusted, adjust
from genomed.scores.discovery import discovery_people
from genomed.scores.matching import Entries, RowMatches
from genomed.scores.polygenic import ScoreSums
from genomed.scores.projection import Loadings, Projected, Projection, both_wanted
from genomed.scores.reference_people import ReferencePeople
from genomed.scores.results import ModelShares
from genomed.settings import RiskSettings
from genomed.stats.neighbours import steady_components
from genomed.steps.risk_placing import (
    Placed,
    ancestry_table,
    distance_and_notes,
    people_of_both,
    place,
)
from genomed.steps.structure_ancestry import in_reference

__all__ = ["ReferenceResult", "RiskReference", "bundle_digest", "check_build", "find_bundle"]

MapFn = Callable[[Callable[[int], None], Iterable[int]], Iterable[None]]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
FEWEST_DRAWN = 5  # people of a population below which its box is not drawn
SPREADS = 6


def find_bundle(text: str, library: Path | None) -> ReferenceBundle:
    """Open a bundle by its path (a directory or .zip), or by its name in the library."""
    path = Path(text).expanduser()
    found = path if path.exists() else find_model(text, library)
    if not is_bundle(found):
        raise InputError(
            f"{found}: is no reference bundle; make one with `genomed structure reference`, and a "
            "genome with --fasta"
        )
    return open_bundle(found)


def check_build(bundle: ReferenceBundle, build: str | None, cohort: str, evidence: str) -> None:
    """Refuse a reference on another build than the cohort's, once that is known."""
    if build not in (None, bundle.build):
        raise BuildError(
            f"{cohort} is on {build} ({evidence}), but the reference {bundle.path} is on "
            f"{bundle.build}; make one on {build} with `genomed structure reference`"
        )


@dataclass(frozen=True)
class ReferenceResult:
    """What a reference adds to a run's results.

    columns  : the columns of TABLES["risk_reference"], rows as in the risk table
    flags    : text (rows,), to be joined to the risk table's
    ancestry : the columns of TABLES["ancestry"]
    """

    columns: pl.DataFrame
    flags: pl.Series
    ancestry: pl.DataFrame
    part: AncestryPart
    warnings: list[str] = field(default_factory=list)


class RiskReference:
    """A reference bundle beside one pass over a cohort."""

    def __init__(
        self,
        bundle: ReferenceBundle,
        models: Sequence[ScoreModel],
        entries: Entries,
        n_samples: int,
        reference_frequency: np.ndarray,
        settings: RiskSettings,
        threads: int,
        map_fn: MapFn,
    ) -> None:
        self.bundle, self._settings, self._map = bundle, settings, map_fn
        self._models, self._entries, self._frequency = models, entries, reference_frequency
        self.n_steady = steady_components(bundle.components.shrinkage)
        self._labels = bundle.labels.filter(bundle.used)  # related people would count twice
        self._steady_pcs = bundle.pcs[bundle.used, : self.n_steady]
        self.projection = Projection(loadings_of(bundle), n_samples, map_fn)
        self._store, self._threads = bundle.store(), threads
        self.people = ReferencePeople(self._store, entries, threads)
        self._rest = ScoreSums(
            entries, len(models), n_samples, reference_frequency,
            missing=settings.missing, ambiguous=settings.ambiguous, map_fn=map_fn,
        )  # fmt: skip

    def wanted(self, models: Wanted) -> Wanted:
        """What the models want, and the components."""
        return both_wanted(models, self.projection.entries.wanted())

    def add(
        self, batch: VariantBatch, rows: pl.DataFrame, found: RowMatches, *,
        few_known: bool = False, fill: bool = True,
    ) -> None:  # fmt: skip
        """Add a batch; `rows` as for Entries.match, `found` what the models found in it, the others
        as for ScoreSums.add. What is known of some people only is not compared with the reference.
        """
        self.projection.add(batch, rows)
        if not fill:
            self.people.usable[found.entry] = False
        apart = ~self.people.usable[found.entry]
        if apart.any():
            line, canonical = rows["line"].to_numpy(), rows["canonical"].to_numpy()
            some = found.some(apart)
            self._rest.add(batch, line, canonical, some, few_known=few_known, fill=fill)

    def add_constant(
        self, entry: np.ndarray, effect_copies: np.ndarray, scale: np.ndarray, *, imputed: bool
    ) -> None:
        """What was the same for everybody; what is imputed is not compared with the reference."""
        apart = np.full(len(entry), imputed) | ~self.people.usable[entry]
        self._rest.add_constant(entry[apart], effect_copies[apart], scale[apart])

    def finish(
        self,
        cohort: str,
        samples: Sequence[str],
        sums: ScoreSums,
        shares: ModelShares,
        risk: pl.DataFrame,
        kept: Sequence[int],
    ) -> ReferenceResult:
        """Place everybody, adjust the scores of the kept models, and lay out the results.

        risk : the columns of TABLES["risk"] of all models, in order
        Raises CoverageError when too few variants of the components were found.
        """
        if self._settings.assume_hom_ref:
            self.projection.assume_hom_ref()
        projected = self.projection.finish()
        self._check_coverage(projected, cohort, len(samples))
        same = people_of_both(self.projection, samples, self.bundle, self._store, self._threads)
        placed = place(
            self.bundle, population_labels(self._labels), self._steady_pcs, projected, same,
            self._settings.min_projection_coverage,
        )  # fmt: skip
        n_models, n = len(self._models), len(samples)
        self._rest.finish()
        score = risk["score"].to_numpy().reshape(n_models, n)
        comparable = np.where(np.isnan(score), np.nan, sums.sums - self._rest.sums)
        share = self._adjusted_share(shares)
        enough = (share >= self._settings.min_weighted_coverage) & (share > 0)
        chosen = [m for m in kept if enough[m]]
        reference = self.people.scores(
            self._entries, n_models, self._frequency, self._settings.missing, self._map
        )[:, self.bundle.used]
        adjusted = dict.fromkeys(range(n_models), Adjusted.none(n))
        adjusted |= dict(
            zip(
                chosen,
                adjust(
                    reference[chosen], self._steady_pcs, placed.reference_population,
                    comparable[chosen], placed.pcs[:, : self.n_steady], placed.population,
                    placed.neighbours,
                    self._settings.n_adjustment_components, placed.same,
                ),
                strict=True,
            )
        )  # fmt: skip
        return ReferenceResult(
            self._columns(placed, adjusted, share),
            self._flags(placed, enough),
            ancestry_table(samples, placed, projected),
            self._part(placed, projected, reference, adjusted, kept),
            [
                *self._warnings(placed, enough, share, kept),
                *in_reference(samples, self.bundle.name, placed.same),
            ],
        )

    def _check_coverage(self, projected: Projected, cohort: str, n: int) -> None:
        least = self._settings.min_projection_coverage
        if n and projected.matched < least:
            raise CoverageError(
                f"{cohort}: {projected.n_found} of the {len(projected.found)} variants that place "
                f"people in {self.bundle.path} were found, {projected.matched:.1%} of their "
                f"variance, and {least:.0%} are needed (--min-projection-coverage); make a "
                "reference of variants that the cohort has with `genomed structure reference`"
            )

    def _adjusted_share(self, shares: ModelShares) -> np.ndarray:
        """Share of each model's variance that the reference can be compared on: (models,)."""
        comparable = self.people.comparable(self._entries)
        total = np.zeros(len(self._models))
        for family, share in zip(self._entries.families, shares.share, strict=True):
            total[family.members] = share[comparable[family.rows]].sum(axis=0)
        return total

    def _columns(
        self, placed: Placed, adjusted: Mapping[int, Adjusted], share: np.ndarray
    ) -> pl.DataFrame:
        n, n_models = len(placed.population), len(self._models)
        names = np.array([*placed.names, None], object)
        each = [adjusted[m] for m in range(n_models)]
        distance, note = self._discovery(placed)
        columns = {
            "most_similar_population": np.tile(names[placed.population], n_models).tolist(),
            "population_probability": np.tile(placed.best, n_models),
            "genetic_distance": np.tile(placed.distance, n_models),
            "adjusted_coverage": np.repeat(share, n),
        }
        for name in ("z_norm1", "z_norm2", "population_percentile", "neighbourhood_percentile"):
            columns[name] = np.concatenate([getattr(a, name) for a in each])
        columns["discovery_distance"] = distance
        columns["accuracy_note"] = note
        texts = {"most_similar_population": pl.Utf8, "accuracy_note": pl.Utf8}
        return pl.DataFrame(columns, schema_overrides=texts).with_columns(
            pl.col(pl.Float64).fill_nan(None)
        )

    def _discovery(self, placed: Placed) -> tuple[np.ndarray, list[str]]:
        """discovery_distance and accuracy_note of every row of the risk table."""
        groups = label_groups(self._labels)
        known: dict[tuple[str, ...], tuple[np.ndarray, list[str]]] = {}
        distance, note = [], []
        for model in self._models:
            text = model.header.get("ancestry_discovery")
            people = discovery_people(text, groups)
            key = tuple(people) or (("stated",) if text else ("",))
            if key not in known:
                known[key] = distance_and_notes(people, text, self._steady_pcs, placed)
            distance.append(known[key][0])
            note += known[key][1]
        return np.concatenate(distance), note

    def _flags(self, placed: Placed, enough: np.ndarray) -> pl.Series:
        person = np.where(
            placed.outside,
            "outside_reference",
            np.where(placed.few_calls, "low_projection_coverage", ""),
        ).tolist()
        return pl.Series(
            [
                ";".join(word for word in ("" if fine else "low_reference_coverage", said) if word)
                for fine in enough.tolist()
                for said in person
            ],
            dtype=pl.Utf8,
        )

    def _part(
        self,
        placed: Placed,
        projected: Projected,
        reference: np.ndarray,
        adjusted: Mapping[int, Adjusted],
        kept: Sequence[int],
    ) -> AncestryPart:
        pcs = self.bundle.pcs[self.bundle.used]
        drawn = [m for m in kept if np.isfinite(adjusted[m].z_norm2).any()]
        return AncestryPart(
            reference=self.bundle.name,
            build=self.bundle.build,
            n_reference=len(pcs),
            populations=placed.names,
            reference_pcs=_first_two(pcs),
            reference_population=placed.reference_population,
            cohort_pcs=_first_two(placed.pcs),
            cohort_population=placed.population,
            n_variants=len(projected.found),
            n_found=projected.n_found,
            coverage=projected.matched,
            n_low_coverage=int(placed.few_calls.sum()),
            spreads=[
                _spread(self._models[m].name, reference[m], adjusted[m], placed)
                for m in drawn[:SPREADS]
            ],
            n_more=max(0, len(drawn) - SPREADS),
        )

    def _warnings(
        self, placed: Placed, enough: np.ndarray, share: np.ndarray, kept: Sequence[int]
    ) -> Iterable[str]:
        n = len(placed.population)
        if placed.outside.any():
            yield (
                f"{int(placed.outside.sum())} of {n} people lie outside the reference "
                f"{self.bundle.name}: their scores are not adjusted."
            )
        if placed.few_calls.any():
            yield (
                f"{int(placed.few_calls.sum())} of {n} people have too few called genotypes to be "
                "placed in the reference (--min-projection-coverage): their scores are not "
                "adjusted."
            )
        few = [m for m in kept if not enough[m]]
        if few:
            names = ", ".join(self._models[m].name for m in few[:5])
            yield (
                f"Not adjusted, because too little of the score is in both the cohort and the "
                f"reference (--min-weighted-coverage): {names}"
                + (f" and {len(few) - 5} more." if len(few) > 5 else ".")
            )


def loadings_of(bundle: ReferenceBundle) -> Loadings:
    """What places people among those of a bundle, of the variants that vary there."""
    found, ancestry = bundle.components, bundle.ancestry
    varies = found.scale > 0
    return Loadings(
        bundle.variants.filter(varies).select("contig", "position", "ref", "alt"),
        found.centre[varies], found.scale[varies], found.loadings[varies], found.shrinkage,
        ancestry.weights[varies], found.n_variants, bundle.build,
    )  # fmt: skip


def bundle_digest(bundle: ReferenceBundle) -> str:
    """SHA-256 over what a bundle says of itself, which holds the digests of all its files."""
    text = json.dumps(dict(bundle.facts), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _first_two(pcs: np.ndarray) -> np.ndarray:
    two = np.zeros((len(pcs), 2))
    two[:, : pcs.shape[1]] = pcs[:, :2]
    return two


def population_labels(labels: pl.DataFrame) -> list[str]:
    """The label that distributions go by: the superpopulation where there is one."""
    return labels.select(pl.coalesce("superpopulation", "population"))["superpopulation"].to_list()


def label_groups(labels: pl.DataFrame) -> dict[str, np.ndarray]:
    """Label -> bool (people,), of superpopulations, then of populations."""
    groups: dict[str, np.ndarray] = {}
    for column in ("superpopulation", "population"):
        for label in labels[column].drop_nulls().unique().sort().to_list():
            groups.setdefault(label, (labels[column] == label).fill_null(False).to_numpy())
    return groups


def _spread(model: str, reference: np.ndarray, adjusted: Adjusted, placed: Placed) -> Spread:
    """Five numbers per population of the reference's scores as they are, and of the cohort's."""
    standard = (reference - reference.mean()) / (reference.std() or 1.0)
    as_is, after, n = {}, {}, {}
    for i, name in enumerate(placed.names):
        as_is[name] = np.quantile(standard[placed.reference_population == i], QUANTILES).tolist()
        z = adjusted.z_norm2[placed.population == i]
        z = z[np.isfinite(z)]
        n[name] = len(z)
        if len(z) >= FEWEST_DRAWN:
            after[name] = np.quantile(z, QUANTILES).tolist()
    return Spread(model, as_is, after, n)
