"""`genomed models audit`: can those whom a bundle was learned from be told from others?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genomed.errors import BuildError, CoverageError, InputError
from genomed.io.library import locate_model
from genomed.io.packed import PackedStore, open_store
from genomed.io.split_table import GivenSplit, read_split
from genomed.io.traits import SurvivalColumns, read_traits
from genomed.models.families import Family
from genomed.models.risk_model import Predicted, RiskModel
from genomed.scores.store_matching import match_store, read_matched
from genomed.stats.bootstrap import Estimate
from genomed.stats.membership import membership, shadowed_loss
from genomed.steps.bundle_people import bundle_people
from genomed.steps.genome_build import choose_build
from genomed.steps.risk_bundles import read_bundle
from genomed.steps.structure_parts import read_groups
from genomed.steps.train_data import family_of

__all__ = ["AuditInputs", "AuditSummary", "run_audit"]


@dataclass(frozen=True)
class AuditInputs:
    """What an audit reads.

    bundle      : path, or name in the library
    store       : people of the training and others alike: those of its test
    traits      : their labels; trait : column, by default as the bundle's is called
    members     : table of sample and set: develop for those learned from, test for the others;
                  OUT.training/predictions.tsv.gz, which knows folds, or the table given to --split
    groups      : FILE, FILE:COLUMN or COLUMN, ancestry, where the bundle has trunks of groups
    """

    bundle: str
    store: str
    traits: Path
    members: Path
    trait: str | None = None
    survival: SurvivalColumns | None = None
    covariates: Path | None = None
    codes: Path | None = None
    groups: str | None = None


@dataclass(frozen=True)
class AuditSummary:
    """What was found.

    measures : model (full, its linear part, or the members of its net) -> numbers with intervals
    """

    name: str
    n_members: int
    n_others: int
    measures: dict[str, list[Estimate]]
    warnings: list[str]

    @property
    def verdict(self) -> str:
        """One sentence."""
        auroc = self.measures["full"][0]
        told = f"by the loss ({_shown(auroc)})"
        found = auroc.low > 0.5
        if "net_members" in self.measures:
            ratio = self.measures["net_members"][0]
            joined = "or" if ratio.low > 0.5 or found else "nor"
            told += (
                f" {joined}, of the net, by the likelihood ratio of its members ({_shown(ratio)})"
            )
            found |= ratio.low > 0.5
        if math.isnan(auroc.low):
            return (
                f"Whether people learned from can be told from others {told} or that is chance, "
                "only draws of people tell: --bootstrap 1000."
            )
        if found:
            return (
                f"People learned from can be told from others {told}: the model remembers them, or "
                "the others are people of another kind."
            )
        return (
            f"People learned from could not be told from others {told}; another attack may do "
            "better."
        )


def _shown(auroc: Estimate) -> str:
    interval = "" if math.isnan(auroc.low) else f", {auroc.low:.3f} to {auroc.high:.3f}"
    return f"AUROC {auroc.value:.3f}{interval}"


def run_audit(
    inputs: AuditInputs, *, n_draws: int = 1000, seed: int = 1, threads: int = 1
) -> AuditSummary:
    """Attack a bundle by the loss of each person under the final model, not out of fold; and its
    net by the losses under its members, of which each has left out a fold.

    A bundle keeps no models of folds but the net's members, so the linear part, and pairs, can be
    attacked by the loss alone.
    Raises BuildError, CoverageError, InputError, UnknownNameError and UsageError.
    """
    path = locate_model(inputs.bundle)
    score = read_bundle(path)
    model, bundle = score.risk, score.bundle
    store = open_store(inputs.store)
    build, _ = choose_build(store.contigs, None, store.path)
    if build not in (None, bundle.build):
        raise BuildError(
            f"{store.path} is on {build}, but {path} on {bundle.build}; give the training's store"
        )
    match = match_store(bundle.variants, store.variants, ~store.several_alts)
    if (match.row < 0).any():
        raise CoverageError(
            f"{store.path}: lacks {int((match.row < 0).sum()):,} variants of {path}; an audit "
            "needs the store that it was trained on"
        )
    words = read_matched(lambda rows: store.read(rows, threads), match)
    people = bundle_people(bundle, store.samples, inputs.covariates, inputs.codes)
    warnings = list(people.warnings)
    if people.missing.any():
        warnings.append(
            f"{int(people.missing.sum())} people lack covariates and count as average in them: the "
            "audit is too kind; give the table of the training with --covariates."
        )
    dated = people.sequences
    name = inputs.trait or str(bundle.facts["trait"]["name"])
    kind = str(bundle.facts["trait"]["kind"])
    survival = {} if inputs.survival is None else {name: inputs.survival}
    single = {} if kind == "survival" else {name: kind}
    traits = read_traits(inputs.traits, store.samples, [name], kinds=single, survival=survival)
    trait = traits.traits[0]
    if trait.kind != kind:
        raise InputError(f"{inputs.traits}: {name} is {trait.kind}, but the bundle's trait {kind}")
    split = read_split(inputs.members, store.samples)
    used = split.used & trait.observed
    predicted = model.predict(
        words, store.n_samples, people.design.matrix.astype(np.float64),
        categories=people.design.categories, levels=tuple(people.design.category_sizes),
        codes=None if dated is None else dated.codes,
        times=None if dated is None else dated.times,
        group=_trunks(model, store, inputs.groups, warnings), threads=threads,
    )  # fmt: skip
    measures = {}
    for part, eta in (("full", predicted.full), ("linear", predicted.linear)):
        family = family_of(trait).fitted(eta, np.ones(len(eta)))
        try:
            measures[part] = membership(
                family.deviance(eta)[used], ~split.test[used], n_draws=n_draws, seed=seed,
                threads=threads,
            )  # fmt: skip
        except ValueError as error:
            raise InputError(
                f"{inputs.members}: {error}; the trait is known for too few people"
            ) from None
    if len(predicted.members):
        told = _net_members(predicted, family_of(trait), split, used, n_draws, seed, threads)
        if isinstance(told, str):
            warnings.append(f"{inputs.members}: {told}")
        else:
            measures["net_members"] = told
    member = used & ~split.test
    others = int(used.sum() - member.sum())
    return AuditSummary(bundle.name, int(member.sum()), others, measures, warnings)


def _trunks(
    model: RiskModel, store: PackedStore, groups: str | None, warnings: list[str]
) -> np.ndarray | None:
    """The trunk of each person's ancestry group: int64 (people,), -1 for none."""
    if model.ancestry is None:
        return None
    place = np.full(store.n_samples, -1)
    if groups is None:
        warnings.append(
            "The bundle has linear parts of ancestry groups: without --groups the audit is too "
            "kind."
        )
        return place
    members, remarks = read_groups(store, groups)
    warnings += remarks
    for name, inside in members.items():
        place[inside] = model.ancestry.places([name])[0]
    return place


def _net_members(
    predicted: Predicted,
    family: Family,
    split: GivenSplit,
    used: np.ndarray,
    n_draws: int,
    seed: int,
    threads: int,
) -> list[Estimate] | str:
    """The attack on the net by its members, or why there is none."""
    develop = used & ~split.test
    n_members = len(predicted.members)
    if not (split.fold[develop] >= 0).all() or n_members < 2:
        return (
            "says no folds, so the net is not attacked by its members; give predictions.tsv.gz of "
            "the training"
        )
    if split.fold.max() >= n_members:
        return f"has more folds than the net members ({n_members}); it is of another training"
    rest = predicted.full - predicted.parts["net"]
    family = family.fitted(predicted.full, np.ones(len(rest)))
    loss = np.stack([family.deviance(rest + member) for member in predicted.members])
    score = shadowed_loss(loss[:, used], split.fold[used], seed=seed)
    return membership(score, develop[used], n_draws=n_draws, seed=seed, threads=threads)
