"""What `genomed train` writes: the bundle, and beside it what the run saw."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genomed import __version__
from genomed.features.design import Design
from genomed.features.sequences import Sequences
from genomed.io.model_bundle import VARIANTS, write_model_bundle
from genomed.io.outputs import OutputDirectory
from genomed.io.traits import Trait
from genomed.models.adaptive import AdaptiveFit
from genomed.models.families import Survival
from genomed.models.risk_model import RiskModel
from genomed.models.verdicts import Verdict
from genomed.provenance import record
from genomed.report.model_card import model_card, verdict_sentence
from genomed.scores.absolute import spread_of
from genomed.settings import TrainSettings
from genomed.stats.calibration import Calibration
from genomed.steps.train_checkpoints import beside
from genomed.steps.train_data import TrainData
from genomed.steps.train_metrics import Said, by_group, compare_on_test, measure_on_test, say

__all__ = ["TrainedTrait", "file_names", "scoring_text", "training_directory", "write_trained"]

_UNFIT = re.compile(r"[^A-Za-z0-9._+-]+")


@dataclass(frozen=True)
class TrainedTrait:
    """A trait, its model and what was found of it.

    metrics     : the columns of TABLES["train_metrics"]
    predictions : one row per person in use: TABLES["train_predictions"]
    gain        : the main measure of the full and of the linear model on the test people
    spread      : of the predictor of an event, see genomed.scores.absolute.spread_of
    """

    trait: Trait
    fit: AdaptiveFit
    model: RiskModel
    metrics: pl.DataFrame
    predictions: pl.DataFrame
    gain: Mapping[str, Any] | None
    calibration: Calibration
    spread: list[dict[str, float]] | None = None

    @classmethod
    def make(
        cls,
        trait: Trait,
        fit: AdaptiveFit,
        model: RiskModel,
        data: TrainData,
        design: Design,
        settings: TrainSettings,
        threads: int,
    ) -> TrainedTrait:
        """Calibrate a fit on the people learned from, and measure it on those of the test."""
        test, develop = data.fold == -1, data.develop
        names = [data.group_names[g] if g >= 0 else None for g in data.group]
        before, after = fit.additive
        options: dict[str, Any] = {"level": settings.interval, "seed": settings.seed}
        linear = np.where(develop, before, after)
        full = np.where(develop, fit.out_of_fold, fit.whole)
        said = {
            "full": say(trait, fit.family, full, develop, names, **options),
            "linear": say(trait, fit.family, linear, develop, names, **options),
        }
        groups = by_group(data.group, data.group_names)
        metrics = measure_on_test(said, test, groups, seed=settings.seed, threads=threads)
        gain = compare_on_test(
            said["full"], said["linear"], test, seed=settings.seed, threads=threads
        )
        predictions = _predictions(said, data)
        spread = None
        if trait.kind != "quantitative":
            spread = spread_of(
                np.where(develop & fit.family.observed, full, np.nan), design, model.coefficients,
                trait.value if trait.kind == "binary" else None,
            )  # fmt: skip
        return cls(trait, fit, model, metrics, predictions, gain, said["full"].calibration, spread)

    @property
    def kept(self) -> list[str]:
        """Stages beyond the linear one that are part of the model."""
        return [stage for stage in self.fit.kept if stage != "linear"]

    @property
    def tells_people_apart(self) -> bool:
        """Whether calibrated predictions differ: a slope below 0, out of fold, counts as 0."""
        return self.predictions["prediction"].n_unique() > 1

    @property
    def verdict(self) -> str:
        """Whether anything beat the linear model."""
        return verdict_sentence(self.kept, self.gain)

    def facts(self) -> dict[str, Any]:
        """The run of this trait, for another program."""
        return {
            "trait": self.trait.name,
            "kind": self.trait.kind,
            "verdict": self.verdict,
            "stages": [_stage(verdict, self.fit.null) for verdict in self.fit.verdicts],
            "metrics": self.metrics.to_dicts(),
        }


def _stage(verdict: Verdict, null: float) -> dict[str, Any]:
    error = verdict.error / null if null > 0 else 0.0
    return verdict._asdict() | {"share_error": error}


def _predictions(said: Mapping[str, Said], data: TrainData) -> pl.DataFrame:
    """What the model says of everybody in use: TABLES["train_predictions"]."""
    used = np.flatnonzero(data.fold >= -1)
    develop = data.develop[used]
    found = said["full"].calibrated
    columns = {
        "sample": [data.store.samples[i] for i in used],
        "set": np.where(develop, "develop", "test"),
        "fold": pl.Series(np.where(develop, data.fold[used], -1)).cast(pl.Int64),
        "linear_predictor": said["linear"].eta[used],
        "full_predictor": said["full"].eta[used],
        "linear_prediction": said["linear"].calibrated.prediction[used],
        "prediction": found.prediction[used],
        "prediction_low": found.low[used],
        "prediction_high": found.high[used],
    }
    risks, family = said["full"].survival, said["full"].family
    if risks is not None and isinstance(family, Survival):
        for edge, stays in zip(family.edges[1:].tolist(), risks[used].T, strict=True):
            columns[f"risk_by_{np.format_float_positional(edge, trim='-')}"] = 1 - stays
    table = pl.DataFrame(columns, nan_to_null=True)
    return table.with_columns(pl.when(pl.col("fold") >= 0).then("fold"))


def file_names(traits: Sequence[str]) -> list[str]:
    """A name for the files of each trait: letters of ASCII, no two alike whatever their case."""
    found: list[str] = []
    for trait in traits:
        name = stem = _UNFIT.sub("_", trait).strip(".") or "trait"
        number = 1
        while name.lower() in {one.lower() for one in found}:
            number += 1
            name = f"{stem}_{number}"
        found.append(name)
    return found


def training_directory(out: Path) -> Path:
    """Where a run tells what it saw, beside the bundle."""
    return beside(out, "training")


def write_trained(
    out: Path,
    data: TrainData,
    design: Design,
    sequences: Sequences | None,
    trained: Sequence[TrainedTrait],
    settings: TrainSettings,
    digests: Mapping[str, Mapping[str, Any]],
    warnings: Sequence[str],
    command: str,
    started: str,
    config: str | None = None,
) -> dict[str, Path]:
    """Write what the run saw into ``OUT.training``, then the bundles.

    warnings : of all traits; data has those of one alone
    config   : text of config.toml
    returns  : name -> path of the bundles and files
    """
    provenance = record("train", settings, digests, seed=settings.seed)
    written: dict[str, Path] = {}
    names, several = file_names([one.trait.name for one in trained]), len(trained) > 1
    with OutputDirectory(training_directory(out)) as directory:
        if config is not None:
            directory.write_text("config.toml", config)
        for one, name in zip(trained, names, strict=True):
            start = f"{name}." if several else ""
            directory.write_tsv(f"{start}predictions.tsv.gz", one.predictions)
            directory.write_tsv(f"{start}metrics.tsv", one.metrics)
            directory.write_tsv(f"{start}path.tsv", one.fit.linear.cross.path)
            directory.write_tsv(f"{start}stages.tsv", _stages_table(one))
            if one.fit.pairs is not None:
                directory.write_tsv(f"{start}pairs.tsv", _pairs_table(one, data))
        facts = provenance | {
            "variants": data.variants.counts(),
            "people": {
                "develop": int(data.develop.sum()), "test": int((data.fold == -1).sum()),
                "not used": int((data.fold < -1).sum()),
            },
            "traits": [
                one.facts() | {"files": f"{name}." if several else ""}
                for one, name in zip(trained, names, strict=True)
            ],
            "warnings": [*warnings, *chain(*data.of_trait.values())],
            "run": {"command_line": command, "started": started},
        }  # fmt: skip
        directory.write_text("run.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        written |= directory.files()
    for one, name in zip(trained, names, strict=True):
        path = out / name if several else out
        told = [*warnings, *data.of_trait[one.trait.name]]
        _write_bundle(path, one, data, design, sequences, settings, provenance, told)
        written[f"model of {one.trait.name}"] = path
    return written


def _stages_table(one: TrainedTrait) -> pl.DataFrame:
    return pl.DataFrame([_stage(verdict, one.fit.null) for verdict in one.fit.verdicts]).select(
        "stage", "accepted", "gain", "error", "share", "share_error", "reason"
    )


def _pairs_table(one: TrainedTrait, data: TrainData) -> pl.DataFrame:
    """Pairs of the model by name."""
    assert one.fit.pairs is not None
    table = one.fit.pairs.table
    spelt = data.store.variants[data.rows].select(
        pl.concat_str("contig", "position", "ref", "alt", separator=":").alias("name")
    )["name"]
    return table.select(
        spelt.gather(table["row1"]).alias("variant1"),
        spelt.gather(table["row2"]).alias("variant2"),
        "z",
        "expected",
        "beta",
    )


def _write_bundle(
    path: Path,
    one: TrainedTrait,
    data: TrainData,
    design: Design,
    sequences: Sequences | None,
    settings: TrainSettings,
    provenance: Mapping[str, Any],
    warnings: Sequence[str],
) -> None:
    tensors, parts = one.model.to_parts()
    facts = {
        "name": one.trait.name,
        "version": __version__,
        "build": data.build,
        "trait": {
            "name": one.trait.name, "kind": one.trait.kind, "coding": one.trait.coding,
            "columns": None if one.trait.columns is None else one.trait.columns._asdict(),
        },
        "verdict": one.verdict,
        "stages": [_stage(verdict, one.fit.null) for verdict in one.fit.verdicts],
        "n_variants": len(one.model.variants),
        "variants_offered": len(data.rows),
        "people": _people(one, data),
        "covariates": {"names": design.names, "encoder": design.encoder},
        "codes": None if one.model.net is None or sequences is None
        else {"encoder": sequences.encoder, "times": data.codes.times if data.codes else None},
        "privacy": _privacy(one, settings),
        "parts": parts,
        "calibration": one.calibration.to_dict(),
        **({} if one.spread is None else {"spread": one.spread}),
        "metrics": one.metrics.to_dicts(),
        "settings": dataclasses.asdict(settings),
        "warnings": list(warnings),
        "provenance": dict(provenance),
    }  # fmt: skip
    write_model_bundle(
        path, variants=_variants(one.model), tensors=tensors, facts=facts,
        scoring_file=scoring_text(one.model, one.trait.name, data.build),
        card=model_card(facts, one.metrics),
    )  # fmt: skip


def _privacy(one: TrainedTrait, settings: TrainSettings) -> dict[str, Any] | None:
    """The ledger of a private net, or what became of it."""
    if settings.private_epsilon is None:
        return None
    ledger = None if one.model.net is None else one.model.net.head.privacy
    return {"asked_for": [settings.private_epsilon, settings.private_delta], "ledger": ledger}


def _people(one: TrainedTrait, data: TrainData) -> dict[str, Any]:
    observed = one.trait.observed & data.develop
    groups = {
        name: int((observed & (data.group == place)).sum())
        for place, name in enumerate(data.group_names)
    }
    return {
        "develop": int(observed.sum()),
        "test": int((one.trait.observed & (data.fold == -1)).sum()),
        "cases": None if one.trait.kind == "quantitative" else int(one.trait.value[observed].sum()),
        "groups": groups,
    }


def _variants(model: RiskModel) -> pl.DataFrame:
    """The variants of a bundle; weights are relative to no copies of ALT."""
    weights = model.genotype_weights[:, :3] - model.genotype_weights[:, :1]
    slope = weights[:, 2] / 2
    return model.variants.with_columns(
        pl.Series("effect_weight", slope),
        *(pl.Series(f"dosage_{k}_weight", weights[:, k]) for k in range(3)),
        pl.Series("used_by", model.used_by(), dtype=pl.Utf8),
    ).select(list(VARIANTS))


def scoring_text(model: RiskModel, name: str, build: str) -> str:
    """The linear part as a scoring file of the PGS Catalog (format 2.0).

    A model with dominance has a weight for each dosage in place of one weight per copy.
    """
    table = _variants(model).filter(pl.col("used_by").str.contains("linear"))
    plain = "".join(c if c.isprintable() else " " for c in name)
    weight_type = "beta" if model.kind == "quantitative" else "log(OR)"
    header = [
        "###PGS CATALOG SCORING FILE - format: https://www.pgscatalog.org/downloads/",
        "#format_version=2.0",
        f"#pgs_name={plain}",
        f"#trait_reported={plain}",
        f"#weight_type={weight_type}",
        f"#genome_build={build}",
        f"#variants_number={len(table)}",
    ]
    weights = [f"dosage_{k}_weight" for k in range(3)] if model.has_dominance else ["effect_weight"]
    rows = table.select(
        pl.col("id").alias("rsID"),
        pl.col("contig").alias("chr_name"),
        pl.col("position").alias("chr_position"),
        pl.col("alt").alias("effect_allele"),
        pl.col("ref").alias("other_allele"),
        *weights,
        pl.col("alt_allele_frequency").alias("allelefrequency_effect"),
    )
    return "\n".join(header) + "\n" + rows.write_csv(separator="\t")
