"""Dated codes of records to padded whole numbers and times, for models that read in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from genomed.settings import DesignSettings

__all__ = ["PADDING", "UNKNOWN_CODE", "Sequences", "apply", "code_names", "encode"]

PADDING, UNKNOWN_CODE = 0, 1
_VERSION = 1


class Sequences(NamedTuple):
    """Codes of everybody, the earliest first, then padding.

    codes   : int64 (samples, length): PADDING, UNKNOWN_CODE, or a code of the vocabulary, from 2 on
    times   : float32 (samples, length), years less their mean, over their standard deviation; 0
              where padded
    n_codes : whole numbers there are, PADDING and UNKNOWN_CODE included
    encoder : what `apply` needs; JSON can hold it
    """

    codes: np.ndarray
    times: np.ndarray
    n_codes: int
    encoder: dict[str, Any]


def encode(
    dated: pl.DataFrame,
    n_samples: int,
    settings: DesignSettings | None = None,
    fit_mask: np.ndarray | None = None,
    *,
    before: np.ndarray | None = None,
) -> Sequences:
    """Learn the vocabulary from the people of a mask, and apply it to everybody.

    dated    : sample (place, Int64), code (Utf8), time (Float64, years), as
               genomed.io.covariates.read_dated_codes gives them
    fit_mask : bool (samples,), whom to learn from; all by default
    before   : float64 (samples,), years; only what is earlier is used, lest the record tell the
               event that is to be predicted. NaN sets no limit
    """
    settings = settings or DesignSettings()
    mask = np.ones(n_samples, np.bool_) if fit_mask is None else np.asarray(fit_mask, np.bool_)
    if mask.shape != (n_samples,) or not mask.any():
        raise ValueError(f"fit_mask must choose among {n_samples} samples, and choose somebody")
    learned = _earlier(dated, n_samples, before)
    learned = learned.filter(pl.Series(mask[learned["sample"].to_numpy()], dtype=pl.Boolean))
    people = learned.group_by("code").agg(pl.col("sample").n_unique().alias("n"))
    common = people.filter(pl.col("n") >= settings.min_code)
    codes = common.sort(["n", "code"], descending=[True, False])["code"].to_list()
    time = learned["time"].to_numpy()
    encoder = {
        "version": _VERSION,
        "codes": codes,
        "mean": float(time.mean()) if len(time) else 0.0,
        "sd": float(time.std()) or 1.0 if len(time) else 1.0,
        "max_sd": float(settings.max_sd),
        "length": settings.max_codes,
    }
    return apply(encoder, dated, n_samples, before=before)


def apply(
    encoder: Mapping[str, Any],
    dated: pl.DataFrame,
    n_samples: int,
    *,
    before: np.ndarray | None = None,
) -> Sequences:
    """Encode the codes of anybody as those of training were; arguments as of `encode`.

    Of people with more codes than fit, the latest stay. The length is that of the longest record.
    """
    if encoder.get("version") != _VERSION:
        raise ValueError(f"an encoder of version {encoder.get('version')!r}, not {_VERSION}")
    n_codes = len(encoder["codes"]) + 2
    vocabulary = pl.DataFrame(
        {"code": encoder["codes"], "number": range(2, n_codes)},
        schema={"code": pl.Utf8, "number": pl.Int64},
    )
    rows = _earlier(dated, n_samples, before).sort("sample", "time", "code")
    rows = rows.join(vocabulary, on="code", how="left", maintain_order="left")
    sample = rows["sample"].to_numpy().astype(np.int64)
    total = np.bincount(sample, minlength=n_samples)
    place = np.arange(len(sample)) - (np.cumsum(total) - total)[sample]  # in a person's record
    place -= np.maximum(total - encoder["length"], 0)[sample]
    kept = place >= 0
    shape = (n_samples, min(int(total.max(initial=0)), encoder["length"]))
    codes, times = np.full(shape, PADDING, np.int64), np.zeros(shape, np.float32)
    number = rows["number"].fill_null(UNKNOWN_CODE).to_numpy()
    codes[sample[kept], place[kept]] = number[kept]
    scaled = (rows["time"].to_numpy() - encoder["mean"]) / encoder["sd"]
    scaled = np.clip(scaled, -encoder["max_sd"], encoder["max_sd"])
    times[sample[kept], place[kept]] = scaled[kept]
    return Sequences(codes, times, n_codes, dict(encoder))


def code_names(encoder: Mapping[str, Any]) -> list[str]:
    """What each whole number stands for."""
    return ["", "rare or unknown", *encoder["codes"]]


def _earlier(dated: pl.DataFrame, n_samples: int, before: np.ndarray | None) -> pl.DataFrame:
    """Rows before the limits; ValueError for samples there are not."""
    sample = dated["sample"].to_numpy()
    if len(sample) and not (sample.min() >= 0 and sample.max() < n_samples):
        raise ValueError(f"dated codes name samples outside the {n_samples} there are")
    if before is None:
        return dated
    limit = np.asarray(before, np.float64)[sample]
    return dated.filter(pl.Series(np.isnan(limit) | (dated["time"].to_numpy() < limit)))
