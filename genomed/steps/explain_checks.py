"""Whether an explanation is one of what was learned: nets of permuted weights, and models of
permuted labels, are explained beside the bundle's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.features.design import Design
from genomed.features.sequences import Sequences
from genomed.io.traits import Trait
from genomed.models.adaptive import AdaptiveFit, fit_stages
from genomed.models.risk_model import NetPart, RiskModel, net_inputs
from genomed.models.training_set import TrainingSet
from genomed.models.verdicts import judge
from genomed.scores.explanation import Explanation, explained_blocks
from genomed.settings import (
    DesignSettings,
    ExplainSettings,
    SplitSettings,
    TrainSettings,
    TraitSettings,
)
from genomed.stats.contribution_sums import mean_agreement, rank_agreement
from genomed.steps.train_data import TrainData, TrainInputs, family_of, read_train_data
from genomed.tables import TABLES

__all__ = ["Check", "permuted_nets", "shuffled_models"]

COMPARED = 256  # people, whole words, of whom permuted nets are asked
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Check:
    """A number that says how far to trust an explanation.

    name, value : what was measured; NaN where it cannot be
    told        : what it means, a sentence
    passed      : None where there is no limit to it
    """

    name: str
    value: float
    told: str
    passed: bool | None = None


def permuted_nets(
    model: RiskModel,
    words: np.ndarray,
    design: Design,
    dated: Sequences | None,
    member_cells: np.ndarray,
    settings: ExplainSettings,
    *,
    threads: int = 1,
) -> list[Check]:
    """Compare contributions in the net with those in nets whose weights are in random order.

    dated        : dated codes, for a net that reads such
    member_cells : float64 (members, cells), what each member says
    """
    from genomed.models.net_attribution import permuted  # noqa: PLC0415 - torch takes seconds

    assert model.net is not None
    agreement = mean_agreement(member_cells)
    n = min(COMPARED, len(design.matrix))
    few = replace(design, matrix=design.matrix[:n], categories=design.categories[:n])
    if dated is not None:
        dated = dated._replace(codes=dated.codes[:n], times=dated.times[:n])
    few_words = np.ascontiguousarray(words[:, : -(-n // 32)])
    rng = np.random.default_rng(settings.seed)
    nets = [model.net, *(permuted(model.net, rng) for _ in range(settings.n_permuted))]
    found = [_net_cells(model, net, few_words, few, dated, settings, threads) for net in nets]
    others = [rank_agreement(found[0], other) for other in found[1:]]
    known = [one for one in others if np.isfinite(one)]
    alike = float(np.mean(known)) if known else float("nan")
    checks = [
        Check(
            "net_member_agreement", agreement,
            "Rank correlation of what two members of the net say an input adds to a person, over "
            "inputs and people: 1 is a stable explanation, 0 one that depends on the seed.",
            None if np.isnan(agreement) else agreement >= 0.5,
        )
    ]  # fmt: skip
    if settings.n_permuted:
        checks.append(
            Check(
                "net_permuted_agreement", alike,
                "The same between the net and nets of the same weights in random order (Adebayo "
                "2018): about 0 where the explanation is of what was learned.",
                None if np.isnan(alike) else abs(alike) < 0.5,
            )
        )  # fmt: skip
    return checks


def _net_cells(
    model: RiskModel,
    net: NetPart,
    words: np.ndarray,
    design: Design,
    dated: Sequences | None,
    settings: ExplainSettings,
    threads: int,
) -> np.ndarray:
    """What inputs add to people in a net, the mean over its members."""
    alone = replace(
        model, genotype_weights=np.zeros_like(model.genotype_weights), ancestry=None, pairs=None,
        covariates=None, net=net,
    )  # fmt: skip
    options: dict[str, Any] = {"dated": dated, "n_steps": settings.n_steps, "threads": threads}
    cells = [
        np.concatenate([part.members, part.net_covariates], axis=1).mean(axis=0).ravel()
        for _, part in explained_blocks(alone, words, design, **options)
    ]
    return np.concatenate(cells)


def shuffled_models(
    inputs: TrainInputs,
    facts: Mapping[str, Any],
    found: Explanation,
    settings: ExplainSettings,
    *,
    threads: int = 1,
    progress: Progress | None = None,
) -> tuple[pl.DataFrame, list[Check]]:
    """Train as the bundle was trained, on permuted labels, and explain that.

    A bundle does not say who was set aside, so that the people are split anew; its net is tried
    without windows of variants, and in few epochs.

    facts : model.json of the bundle; found : its explanation
    returns : TABLES["explain_shuffles"], and what it means
    Raises InputError where the traits, or the bundle's settings, cannot be trained with.
    """
    report = progress or (lambda what, share: None)
    wanted = _train_settings(inputs.traits, facts)
    data = read_train_data(inputs, wanted, threads=threads)
    (trait,) = data.traits.traits
    design, dated = data.design(wanted.design), data.sequences(wanted.design)
    training = data.training_set(design)
    stages = [stage for stage in facts["stages"] if stage["accepted"]]
    rows = [(0, ",".join(s["stage"] for s in stages), *_size(found),
             sum(s["share"] for s in stages), *_largest(found))]  # fmt: skip
    rng = np.random.default_rng(settings.seed)
    for run in range(1, settings.n_shuffles + 1):
        report(f"permuted labels {run}", run / (settings.n_shuffles + 1))
        mixed = _permuted(trait, training.develop, rng)
        fit, net = _fit(
            training, mixed, design, dated, wanted, settings, threads, facts, inputs.traits
        )
        told = _explain(fit, net, data, training, design, dated, settings, threads)
        gain = sum(verdict.share for verdict in fit.verdicts if verdict.accepted)
        rows.append((run, ",".join(fit.kept), *_size(told), gain, *_largest(told)))
    numbers = {"run": pl.Int64(), "stages": pl.Utf8(), "n_variants": pl.Int64()}
    numbers["n_pairs"] = pl.Int64()
    schema = {name: numbers.get(name, pl.Float64()) for name in TABLES["explain_shuffles"]}
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return table, _said(table)


def _said(table: pl.DataFrame) -> list[Check]:
    real, others = table.row(0, named=True), table[1:]
    if not len(others):
        return []
    checks = []
    for name, what in (("largest_variant", "variant"), ("largest_pair", "pair of variants")):
        if real[name] > 0:
            most = float(others[name].max())  # type: ignore[arg-type]
            checks.append(
                Check(
                    f"shuffled_{name}", most / real[name],
                    f"Mean size of what the {what} adds that moves most, in models trained on "
                    "permuted labels, over that in this model: below 1, or the explanation is no "
                    "better than chance.",
                    most < real[name],
                )
            )  # fmt: skip
    return checks


def _size(found: Explanation) -> tuple[int, int]:
    pairs = found.model.pairs
    return len(found.model.variants), 0 if pairs is None else len(pairs.terms.row1)


def _largest(found: Explanation) -> tuple[float, float, float]:
    """Standard deviation of the predictor, and the largest variant and pair."""
    eta = found.people_table()["full_predictor"].to_numpy()
    pairs = found.pairs_table().filter(pl.col("kind") == "pair")["mean_abs_contribution"]
    variants = found.variants.mean_absolute
    return float(eta.std()), float(variants.max(initial=0)), float(pairs[0]) if len(pairs) else 0.0


def _permuted(trait: Trait, develop: np.ndarray, rng: np.random.Generator) -> Trait:
    """The labels of those learned from, in random order among them."""
    people = np.flatnonzero(develop & trait.observed)
    order = np.arange(len(develop))
    order[people] = rng.permutation(people)
    changed = {
        part.name: getattr(trait, part.name)[order]
        for part in fields(trait)
        if isinstance(getattr(trait, part.name), np.ndarray)
    }
    return replace(trait, **changed)


def _fit(
    training: TrainingSet,
    trait: Trait,
    design: Design,
    dated: Sequences | None,
    settings: TrainSettings,
    asked: ExplainSettings,
    threads: int,
    facts: Mapping[str, Any],
    path: Path,
) -> tuple[AdaptiveFit, NetPart | None]:
    """All stages that the bundle tried, the net in few epochs and only where the bundle has one."""
    try:
        fit = fit_stages(training, family_of(trait, training.develop), settings, threads=threads)
    except ValueError as error:
        raise InputError(f"{path}: {trait.name}: {error}; see the column") from None
    anything = len(fit.hubs) or design.matrix.shape[1] or dated is not None
    if "net" not in facts["parts"] or not anything:
        return fit, None
    from genomed.models.members import TrainingConfig  # noqa: PLC0415 - torch takes seconds
    from genomed.models.training import HeadConfig, fit_head  # noqa: PLC0415 - as above

    windows = np.zeros((0, 0), np.int64)
    read = net_inputs(
        training.words, training.n_samples, fit.hubs, training.covariates, design.categories,
        tuple(design.category_sizes), windows,
        codes=None if dated is None else dated.codes, times=None if dated is None else dated.times,
        n_codes=0 if dated is None else dated.n_codes,
    )  # fmt: skip
    config = HeadConfig(training=TrainingConfig(epochs=asked.shuffle_epochs))
    head = fit_head(
        read, [fit.family], fit.out_of_fold[:, None], np.where(training.develop, training.fold, -1),
        config, seed=settings.seed, threads=threads,
    )  # fmt: skip
    after = fit.out_of_fold + np.nan_to_num(head.out_of_fold[:, 0])
    verdict = judge(
        "net", fit.family, fit.out_of_fold, after, training.develop, fit.null,
        accept_z=settings.accept_z,
    )  # fmt: skip
    fit.verdicts.append(verdict)
    return fit, NetPart(head, 0, fit.hubs, windows) if verdict.accepted else None


def _explain(
    fit: AdaptiveFit,
    net: NetPart | None,
    data: TrainData,
    training: TrainingSet,
    design: Design,
    dated: Sequences | None,
    settings: ExplainSettings,
    threads: int,
) -> Explanation:
    """What moves the people of the store in a model that was just fitted."""
    numbered = training.variants.drop("row").with_columns(
        pl.Series("alt_allele_frequency", data.alt_allele_frequency()),
        pl.int_range(pl.len()).alias("row"),
    )
    model = RiskModel.of(fit, numbered, net)
    words = np.ascontiguousarray(data.words[model.variants["row"].to_numpy()])
    model = replace(model, variants=model.variants.drop("row"))
    found = Explanation(
        model, design, data.store.samples, ["exact"] * len(words), np.zeros(0, np.int64), [], top=0
    )
    group = None
    if model.ancestry is not None:
        of = model.ancestry.places([*data.group_names, None])
        group = of[data.group]  # of nobody's group, -1, the last
    blocks = explained_blocks(
        model, words, design, dated=dated, group=group, n_steps=settings.n_steps, threads=threads
    )
    for some, part in blocks:
        predicted = np.zeros(data.store.n_samples)
        predicted[some] = part.predictor
        found.add(some, part, predicted)
    return found


def _train_settings(path: Path, facts: Mapping[str, Any]) -> TrainSettings:
    """The settings that the bundle was trained with."""
    try:
        given = dict(facts["settings"])
        given["split"] = SplitSettings(**given["split"])
        given["traits"] = TraitSettings(**given["traits"])
        given["design"] = DesignSettings(**given["design"])
        given["stages"] = tuple(given["stages"])
        return TrainSettings(**given)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the bundle does not say how it was trained ({error}), so labels of {path} cannot be "
            "permuted; leave --traits away, or train the bundle again"
        ) from None
