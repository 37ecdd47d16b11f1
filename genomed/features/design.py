"""Covariates to a standardised matrix and categories for embeddings.

Everything that is learned (means, levels, what is dropped) comes from the people of a mask. The
rules, in training and after:

number      (value - mean) / standard deviation; unknown is the mean, and a column tells it, if
            enough values are unknown to learn from
few levels  a column for each but the commonest; rare levels share one. Unknown has its own column,
            if common enough, else all its columns are at their mean. A level that was not met is a
            rare one; where none was rare, its columns are at their mean
many levels a whole number, see UNKNOWN_LEVEL; unknown has its own, if common enough

Columns that do not vary, or follow from others, are left out with a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from genomed.settings import DesignSettings
from genomed.stats.collinearity import dependent_columns

__all__ = ["UNKNOWN_LEVEL", "Design", "apply", "column_kinds", "encode"]

UNKNOWN_LEVEL = 0  # number of levels that are rare or new, and of unknown ones where these are rare
_NEW, _UNKNOWN = -1, -2  # instead of the place of a level
_AT_MEAN = -3  # instead of a part
_VERSION = 1
_LARGEST = 1e100  # of a number; what is beyond has no square


@dataclass(frozen=True)
class Design:
    """Covariates as a model eats them, one row per sample.

    matrix         : float32 (samples, columns), standardised, never NaN
    names          : of its columns: age, age=(missing), centre=B
    categories     : int64 (samples, categories), UNKNOWN_LEVEL or 1 to the size less 1
    category_names : of its columns
    category_sizes : whole numbers of each, UNKNOWN_LEVEL included
    encoder        : what `apply` needs; JSON can hold it
    warnings       : sentences
    """

    matrix: np.ndarray
    names: list[str]
    categories: np.ndarray
    category_names: list[str]
    category_sizes: list[int]
    encoder: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def encode(
    covariates: pl.DataFrame,
    settings: DesignSettings | None = None,
    fit_mask: np.ndarray | None = None,
) -> Design:
    """Learn an encoder from the people of a mask, and apply it to everybody.

    covariates : numbers (any numeric type) and categories (Utf8), null or NaN unknown
    fit_mask   : bool (samples,), whom to learn from; all by default
    raises     : ValueError for a column of another type, infinite numbers, or an empty mask
    """
    settings = settings or DesignSettings()
    n = covariates.height
    mask = np.ones(n, np.bool_) if fit_mask is None else np.asarray(fit_mask, np.bool_)
    if mask.shape != (n,) or not mask.any():
        raise ValueError(f"fit_mask must choose among {n} samples, and choose somebody")
    learned = covariates.filter(pl.Series(mask))
    columns = [_learn(series, settings) for series in learned.get_columns()]
    encoder = {"version": _VERSION, "max_sd": float(settings.max_sd), "columns": columns}
    warnings: list[str] = []
    for column in columns:
        if column["kind"] != "category":
            _learn_scale(column, learned[column["name"]], settings, warnings)
    _drop_dependent(encoder, learned, settings, warnings)
    return replace(_apply(encoder, covariates, "error", []), warnings=warnings)


def apply(encoder: Mapping[str, Any], covariates: pl.DataFrame, *, absent: str = "error") -> Design:
    """Encode anybody as the people of training were encoded.

    covariates : columns by name; those that the encoder does not know are passed over
    absent     : what a column that is missing altogether is: "error", or "mean": its columns are at
                 their mean (0), as is the column that tells of unknown values, and its categories
                 are UNKNOWN_LEVEL
    raises     : ValueError for a missing column, one of another type, or an unknown encoder
    """
    warnings: list[str] = []
    for column in encoder["columns"]:
        name = column["name"]
        if column["kind"] == "number" or name not in covariates.columns:
            continue
        new = covariates[name].filter(pl.Series(_codes(column, covariates[name]) == _NEW))
        if len(new):
            warnings.append(
                f"Covariate {name}: {len(new)} samples have levels that are rare or were not met "
                f"in training ({new[0]!r})."
            )
    return _apply(encoder, covariates, absent, warnings)


def _apply(
    encoder: Mapping[str, Any], covariates: pl.DataFrame, absent: str, warnings: list[str]
) -> Design:
    if encoder.get("version") != _VERSION:
        raise ValueError(f"an encoder of version {encoder.get('version')!r}, not {_VERSION}")
    n = covariates.height
    matrix: list[np.ndarray] = [np.zeros((n, 0), np.float32)]
    names: list[str] = []
    numbers: dict[str, np.ndarray] = {}
    sizes: list[int] = []
    for column in encoder["columns"]:
        name = column["name"]
        known = name in covariates.columns
        if not known and absent != "mean":
            raise ValueError(f"covariate {name} is missing; add its column")
        if not known:
            warnings.append(f"Covariate {name} is missing; everybody is taken to be average in it.")
        if column["kind"] == "category":
            level = _level_numbers(column, covariates[name]) if known else np.zeros(n, np.int64)
            numbers[name] = level
            sizes.append(1 + len(column["levels"]) + column["missing"])
            continue
        names += [column["parts"][i] for i in column["kept"]]
        if known:
            matrix.append(_scaled(column, covariates[name], encoder["max_sd"]))
        else:
            matrix.append(np.zeros((n, len(column["kept"])), np.float32))
    categories = [*numbers.values()]
    return Design(
        np.ascontiguousarray(np.concatenate(matrix, axis=1)),
        names,
        np.stack(categories, axis=1) if categories else np.zeros((n, 0), np.int64),
        list(numbers),
        sizes,
        dict(encoder),
        warnings,
    )


def column_kinds(encoder: Mapping[str, Any]) -> dict[str, str]:
    """Column -> numeric or categorical, as genomed.io.covariates must read it again."""
    return {
        column["name"]: "numeric" if column["kind"] == "number" else "categorical"
        for column in encoder.get("columns", ())
    }


def _learn(series: pl.Series, settings: DesignSettings) -> dict[str, Any]:
    """What is to be known of a column, but for means and standard deviations."""
    column: dict[str, Any] = {"name": series.name}
    if series.dtype != pl.Utf8:
        value = _numbers(series)
        known = value[~np.isnan(value)]
        missing = settings.min_level <= len(value) - len(known) < len(value)
        column |= {"kind": "number", "fill": float(known.mean()) if known.size else 0.0}
        parts = [series.name]
    else:
        levels, n_rare = _common_levels(series, settings.min_level)
        missing = settings.min_level <= series.null_count() < len(series)
        many = len(levels) > settings.max_one_hot
        column |= {"kind": "category" if many else "levels", "levels": levels}
        if many:
            return {**column, "missing": missing}
        column["rare"] = n_rare >= settings.min_level and bool(levels)
        parts = [f"{series.name}={level}" for level in levels[1:]]
        parts += [f"{series.name}=(rare)"] * column["rare"]
    parts += [f"{series.name}=(missing)"] * missing
    return {**column, "missing": missing, "parts": parts}


def _common_levels(series: pl.Series, least: int) -> tuple[list[str], int]:
    """Levels of at least so many people, the commonest first; and the number of others."""
    known = series.drop_nulls().rename("level")
    counts = known.value_counts(name="n").sort(["n", "level"], descending=[True, False])
    common = counts.filter(pl.col("n") >= least)
    return common["level"].to_list(), len(known) - int(common["n"].sum())


def _learn_scale(
    column: dict[str, Any], series: pl.Series, settings: DesignSettings, warnings: list[str]
) -> None:
    """Add means, standard deviations, and which parts vary."""
    raw = _raw(column, series)
    varies = (raw != raw[:1]).any(axis=0)
    column["means"] = raw.mean(axis=0).tolist()
    sds = np.where(varies, raw.std(axis=0), 0)
    column["sds"] = sds.tolist()
    least = 1e-12 * np.abs(raw).max(axis=0, initial=0)
    column["kept"] = np.flatnonzero(varies & (sds > least)).tolist()
    name = column["name"]
    if series.null_count() == len(series) or (
        series.dtype.is_float() and series.is_nan().fill_null(True).all()
    ):
        warnings.append(f"Covariate {name} is left out: it is unknown for everybody in training.")
    elif not column["kept"]:
        warnings.append(
            f"Covariate {name} is left out: it is the same for everybody in training, or no value "
            f"is that of {settings.min_level} people."
            if column["kind"] == "levels"
            else f"Covariate {name} is left out: it is the same for everybody in training."
        )
    if column["kind"] == "number" and 0 in column["kept"]:
        distance = np.abs(raw[:, 0] - column["means"][0]) / column["sds"][0]
        far = np.flatnonzero(distance > settings.max_sd)
        if far.size and len(np.unique(raw[:, 0])) > 2:
            warnings.append(
                f"Covariate {name}: {far.size} values are more than {settings.max_sd:g} standard "
                f"deviations from the mean ({raw[far[0], 0]:g}) and count as that far; is it a "
                "code for unknown?"
            )


def _drop_dependent(
    encoder: dict[str, Any], learned: pl.DataFrame, settings: DesignSettings, warnings: list[str]
) -> None:
    """Leave out columns that follow from earlier ones; those that tell of unknowns come last."""
    parts = [
        (column, place)
        for only_missing in (False, True)
        for column in encoder["columns"]
        for place in column.get("kept", ())
        if (column["missing"] and place == len(column["parts"]) - 1) == only_missing
    ]
    if not parts:
        return
    scaled = {
        column["name"]: _scaled(column, learned[column["name"]], encoder["max_sd"])
        for column, _ in parts
    }
    order = [(column, column["kept"].index(place), place) for column, place in parts]
    matrix = np.stack([scaled[column["name"]][:, at] for column, at, _ in order], axis=1)
    names = [column["parts"][place] for column, place in parts]
    for at, origins in dependent_columns(matrix.astype(np.float64), settings.collinear).items():
        column, place = parts[at]
        column["kept"].remove(place)
        said = ", ".join(names[origin] for origin in origins)
        warnings.append(f"Covariate {names[at]} is left out: it follows from {said}.")


def _scaled(column: Mapping[str, Any], series: pl.Series, max_sd: float) -> np.ndarray:
    """The parts of a column that are kept: float32 (samples, kept)."""
    kept = np.asarray(column["kept"], np.int64)
    means, sds = np.asarray(column["means"])[kept], np.asarray(column["sds"])[kept]
    scaled = (_raw(column, series)[:, kept] - means) / sds
    return np.clip(scaled, -max_sd, max_sd).astype(np.float32)


def _raw(column: Mapping[str, Any], series: pl.Series) -> np.ndarray:
    """The parts of a column before they are standardised: float64 (samples, parts)."""
    if column["kind"] == "number":
        value = _numbers(series)
        unknown = np.isnan(value)
        both = [np.where(unknown, column["fill"], value), unknown.astype(np.float64)]
        return np.stack(both[: len(column["parts"])], axis=1)
    code = _codes(column, series)
    n_parts, n_levels = len(column["parts"]), len(column["levels"])
    part = code - 1  # the commonest level has none
    part[code == _NEW] = n_levels - 1 if column["rare"] else (_AT_MEAN if n_levels else -1)
    part[code == _UNKNOWN] = n_parts - 1 if column["missing"] else _AT_MEAN
    raw = (part[:, None] == np.arange(n_parts)).astype(np.float64)
    at_mean = part == _AT_MEAN
    if at_mean.any():
        means = column.get("means")
        if means is None:  # while it is being learned
            means = raw[~at_mean].mean(axis=0) if not at_mean.all() else np.zeros(n_parts)
        raw[at_mean] = means
    return raw


def _level_numbers(column: Mapping[str, Any], series: pl.Series) -> np.ndarray:
    """UNKNOWN_LEVEL, or the place of the level + 1; unknown comes last: int64 (samples,)."""
    code = _codes(column, series)
    number = np.where(code >= 0, code + 1, UNKNOWN_LEVEL)
    number[code == _UNKNOWN] = len(column["levels"]) + 1 if column["missing"] else UNKNOWN_LEVEL
    return number


def _codes(column: Mapping[str, Any], series: pl.Series) -> np.ndarray:
    """Place among the levels, _NEW or _UNKNOWN: int64 (samples,)."""
    if series.dtype not in (pl.Utf8, pl.Null):
        raise ValueError(f"covariate {series.name} holds {series.dtype}, not text")
    levels = pl.DataFrame(
        {"level": column["levels"], "code": range(len(column["levels"]))},
        schema={"level": pl.Utf8, "code": pl.Int64},
    )
    cells = pl.DataFrame({"level": series.cast(pl.Utf8)})
    code = cells.join(levels, on="level", how="left", maintain_order="left")["code"]
    number = code.fill_null(_NEW).to_numpy().astype(np.int64)
    number[series.is_null().to_numpy()] = _UNKNOWN
    return number


def _numbers(series: pl.Series) -> np.ndarray:
    """float64 with NaN for unknown."""
    if not (series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null)):
        raise ValueError(f"covariate {series.name} holds {series.dtype}, not numbers")
    value = series.cast(pl.Float64).fill_null(np.nan).to_numpy().astype(np.float64)
    if np.isinf(value).any():
        raise ValueError(f"covariate {series.name} holds an infinite number")
    return np.clip(value, -_LARGEST, _LARGEST)
