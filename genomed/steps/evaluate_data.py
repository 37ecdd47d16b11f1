"""What `genomed evaluate` compares: predictions and truth of the same people, and their groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from genomed.errors import InputError, UsageError
from genomed.io.labels import named_file
from genomed.io.predictions import Predictions, read_predictions
from genomed.io.sample_table import StoreTable, read_store_table
from genomed.io.split_table import read_relatives
from genomed.io.traits import Trait, read_traits
from genomed.settings import EvaluateSettings, TraitSettings
from genomed.stats.splits import components
from genomed.steps.evaluate_groups import ANCESTRY, WHOLE, EvaluateInputs, factors, group_people

__all__ = ["EvaluateInputs", "Evaluated", "read_evaluated"]

MIN_KINSHIP = 0.0442  # the border of the third degree
_LOGITS = ("linear", "full", "logit", "eta", "log_odds", "linear_predictor", "full_predictor")


@dataclass(frozen=True)
class Evaluated:
    """People with a truth and with every prediction.

    trait    : of these people
    values   : prediction -> float64 (people,)
    scales   : prediction -> probability, logit or score; value or score; risk
    versus   : the prediction that the others are compared with, among `values`
    low, high : float64 (people,), intervals of the first prediction, or None
    survival : float64 (people, times) and the times, of the first prediction, or None
    groups   : factor -> level -> bool (people,)
    families : int64 (people,), or None
    """

    samples: list[str]
    trait: Trait
    values: dict[str, np.ndarray]
    scales: dict[str, str]
    versus: str | None
    low: np.ndarray | None
    high: np.ndarray | None
    survival: tuple[np.ndarray, np.ndarray] | None
    groups: dict[str, dict[str, np.ndarray]]
    families: np.ndarray | None
    files: list[Path]
    warnings: list[str] = field(default_factory=list)


def read_evaluated(inputs: EvaluateInputs, settings: EvaluateSettings) -> Evaluated:
    """Read all tables and keep the people that every comparison can be made on."""
    found, versus, files = _predictions(inputs)
    warnings = list(found.warnings)
    trait = _trait(inputs, found.samples, warnings)
    used = trait.observed.copy()
    n_known = int(used.sum())
    _say_left_out(inputs, used, found.samples, warnings)
    for name, value in found.values.items():
        missing = used & ~np.isfinite(value)
        if missing.any():
            warnings.append(
                f"{found.path}: {int(missing.sum())} people with a known {trait.name} have no "
                f"{name}; they are left out of every comparison."
            )
        used &= np.isfinite(value)
    kept = np.flatnonzero(used)
    trait = _part(trait, kept)
    if len(kept) < 2 <= n_known:
        raise InputError(
            f"{found.path}: {len(kept)} of the {n_known} people whose {trait.name} is known have "
            "a prediction; predict for them first"
        )
    _check(inputs, trait, len(kept))
    values = {name: value[kept] for name, value in found.values.items()}
    scales = {
        name: _scale(found, name, value, trait.kind, settings.scale, warnings)
        for name, value in values.items()
    }
    groups = {name: group_people(inputs, found, name, settings) for name in factors(inputs)}
    relatives = _families(inputs, found.samples, warnings)
    low, high = _ends(found, kept, warnings)
    files += [
        x for x in (inputs.traits, inputs.relatives, named_file(inputs.groups)) if x is not None
    ]
    return Evaluated(
        samples=[found.samples[i] for i in kept.tolist()],
        trait=trait,
        values=values,
        scales=scales,
        versus=versus,
        low=low,
        high=high,
        survival=_survival(found, kept) if trait.kind == "survival" else None,
        groups={
            name: {level: there[kept] for level, there in levels.items() if there[kept].any()}
            for name, levels in groups.items()
        },
        families=None if relatives is None else relatives[kept],
        files=files,
        warnings=warnings,
    )


def _predictions(inputs: EvaluateInputs) -> tuple[Predictions, str | None, list[Path]]:
    """All predictions, the one to compare with last; its name; the files."""
    names, versus = list(inputs.prediction), inputs.versus
    files = [inputs.predictions]
    path, name = None, None
    if versus is not None:
        path, name = named_file(versus), versus
        if path is not None:
            name = None if Path(versus).is_file() else versus.rpartition(":")[2]
    found = read_predictions(inputs.predictions, names, inputs.only)
    if versus is None:
        return found, None, files
    if path is None:
        if name not in found.values:
            found = read_predictions(inputs.predictions, [*found.values, str(name)], inputs.only)
        if len(found.values) < 2:
            raise UsageError(f"--versus {versus} is the prediction itself; name another one")
        return found, name, files
    other = read_predictions(path, [name] if name else [], inputs.only)
    if len(other.values) != 1:
        raise UsageError(
            f"--versus {versus} has the models {', '.join(other.values)}; name one as {path}:MODEL"
        )
    told, value = next(iter(other.values.items()))
    place = {sample: at for at, sample in enumerate(other.samples)}
    at = np.array([place.get(sample, -1) for sample in found.samples], np.int64)
    if not (at >= 0).any():
        raise InputError(f"{path}: names nobody of {found.path}; use the same sample names")
    versus = f"{path.name}:{told}"
    found.values[versus] = np.where(at >= 0, value[at], np.nan)
    found.columns[versus] = other.columns[told]
    return found, versus, [*files, path]


def _trait(inputs: EvaluateInputs, samples: Sequence[str], warnings: list[str]) -> Trait:
    """The trait that was asked for, or the only one."""
    name = inputs.trait
    survival = {}
    if inputs.survival is not None:
        name = name or inputs.survival.event
        survival = {name: inputs.survival}
    kinds = {name: inputs.kind} if name and inputs.kind else None
    few = TraitSettings(min_per_fold=0, few=0)
    table = read_store_table(inputs.traits, samples, whole=WHOLE)
    if name is None:
        name = _only_trait(inputs, table)
    found = read_traits(
        inputs.traits, samples, [name], kinds=kinds, survival=survival, settings=few, whole=WHOLE
    )
    warnings += found.warnings
    return found.traits[0]


def _only_trait(inputs: EvaluateInputs, table: StoreTable) -> str:
    by = {name.lower() for name in inputs.by} | {"sex", "age", *ANCESTRY, "set", "fold"}
    names = [c for c in table.frame.columns if c.lower() not in by]
    times = [c.removesuffix("_time") for c in names if c.endswith("_time")]
    times = [t for t in times if f"{t}_event" in names]
    names = [c for c in names if not any(c.startswith(f"{t}_") for t in times)] + times
    if len(names) == 1:
        return names[0]
    if not names:
        raise InputError(f"{inputs.traits}: has no column that could be a trait; add it")
    raise UsageError(
        f"{inputs.traits}: which of {', '.join(names[:8])} was predicted? name it with --trait"
    )


def _say_left_out(
    inputs: EvaluateInputs, observed: np.ndarray, samples: Sequence[str], warnings: list[str]
) -> None:
    n = len(samples) - int(observed.sum())
    if n and not any(str(inputs.traits) in text and "are not in it" in text for text in warnings):
        warnings.append(
            f"{inputs.traits}: the truth of {n} of {len(samples)} people of the predictions is "
            "not known; they are left out."
        )


def _part(trait: Trait, kept: np.ndarray) -> Trait:
    return Trait(
        trait.name,
        trait.kind,
        trait.value[kept],
        None if trait.time is None else trait.time[kept],
        None if trait.entry is None else trait.entry[kept],
        trait.coding,
    )


def _check(inputs: EvaluateInputs, trait: Trait, n: int) -> None:
    """Refuse what nothing can be measured on."""
    if n < 2:
        raise InputError(
            f"{inputs.traits}: {n} people have both a known {trait.name} and a prediction; use "
            "the same sample names in both"
        )
    kinds = {"binary": ("cases", "controls"), "survival": ("events",)}
    for word, wanted in zip(kinds.get(trait.kind, ()), (1.0, 0.0), strict=False):
        if not (trait.value == wanted).any():
            raise InputError(
                f"{inputs.traits}: {trait.name} has no {word} among the {n} people with a "
                f"prediction; check its coding ({trait.coding}), or add people"
            )
    if trait.kind == "quantitative" and np.ptp(trait.value) == 0:
        raise InputError(
            f"{inputs.traits}: {trait.name} is {trait.value[0]:g} for all {n} people with a "
            "prediction; ask for a trait that varies"
        )


def _scale(
    found: Predictions, name: str, value: np.ndarray, kind: str, asked: str, warnings: list[str]
) -> str:
    """What a prediction is in: told by its column and by what is in it, unless asked for."""
    column = found.columns[name].lower()
    inside = bool(((value >= 0) & (value <= 1)).all())
    if kind == "survival":
        return "risk"
    if kind == "quantitative":
        if asked not in ("auto", "value", "score"):
            raise UsageError(f"--scale {asked} is not of a quantitative trait; value or score")
        return asked if asked != "auto" else "score" if column == "score" else "value"
    if asked not in ("auto", "probability", "logit", "score"):
        raise UsageError(f"--scale {asked} is not of a binary trait; probability, logit or score")
    if asked == "probability" or (asked == "auto" and column == "probability"):
        if not inside:
            worst = value[(value < 0) | (value > 1)][0]
            raise InputError(
                f"{found.path}: {worst:g} in {name} is no probability; give --scale logit, or score"
            )
        return "probability"
    if asked != "auto":
        return asked
    if column in _LOGITS:
        return "logit"
    told = "probability" if inside and column != "score" else "score"
    if told == "probability" and column in ("prediction", "predicted", "risk"):
        return told
    warnings.append(
        f"{found.path}: {name} is taken for a {told}"
        + (", as all its values lie between 0 and 1" if told == "probability" else " of no scale")
        + "; --scale says otherwise."
    )
    return told


def _families(
    inputs: EvaluateInputs, samples: Sequence[str], warnings: list[str]
) -> np.ndarray | None:
    if inputs.relatives is None:
        return None
    found = read_relatives(inputs.relatives, samples, MIN_KINSHIP)
    warnings += found.warnings
    return components(len(samples), found.pairs)


def _ends(
    found: Predictions, kept: np.ndarray, warnings: list[str]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    if found.low is None or found.high is None:
        return None, None
    low, high = found.low[kept], found.high[kept]
    if not (np.isfinite(low) & np.isfinite(high)).all():
        warnings.append(f"{found.path}: not everybody has both low and high; they are not judged.")
        return None, None
    if (low > high).any():
        raise InputError(
            f"{found.path}: low is above high for {int((low > high).sum())} people; exchange them"
        )
    return low, high


def _survival(found: Predictions, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Probabilities of no event until each time, where the table has columns risk_by_TIME."""
    risk: Mapping[float, np.ndarray] = found.risk_by
    if not risk:
        return None
    times = sorted(risk)
    survival = 1 - np.stack([risk[time][kept] for time in times], axis=1)
    if not ((survival >= 0) & (survival <= 1)).all():
        raise InputError(
            f"{found.path}: a column risk_by_TIME holds what is no probability; everybody needs "
            "one between 0 and 1"
        )
    return survival, np.array(times)
