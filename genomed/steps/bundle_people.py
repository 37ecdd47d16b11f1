"""People as a bundle needs to know them: covariates, dated codes and groups, as in its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError, UsageError
from genomed.features import sequences
from genomed.features.design import Design, apply, column_kinds
from genomed.features.sequences import Sequences
from genomed.io.covariates import read_covariates, read_dated_codes
from genomed.io.labels import named_file, read_labels
from genomed.io.model_bundle import ModelBundle
from genomed.io.sample_table import read_store_table

__all__ = ["BundlePeople", "average_design", "bundle_people", "group_names"]


@dataclass(frozen=True)
class BundlePeople:
    """What is known of everybody: missing, bool (samples,), says who lacks any covariate.

    sequences : dated codes; None for a bundle that reads none
    """

    design: Design
    missing: np.ndarray
    warnings: list[str]
    sequences: Sequences | None = None


def bundle_people(
    bundle: ModelBundle,
    samples: Sequence[str],
    covariates: Path | None,
    codes: Path | None = None,
) -> BundlePeople:
    """Covariates and dated codes as the bundle was trained with.

    Who is not told of in `covariates` counts as average; who has no row in `codes` has no codes.
    Raises InputError, and UsageError where a bundle reads dated codes and there is no table.
    """
    found = _covariates(bundle, samples, covariates)
    facts = bundle.facts.get("codes")
    if not facts:
        return found
    if codes is None:
        raise UsageError(
            f"{bundle.path}: reads dated codes, and to know of none is not to have none; give the "
            "table with --codes, or use its linear part alone (linear.txt)"
        )
    dated = read_dated_codes(codes, samples)
    if facts.get("times") not in (None, dated.times):
        raise InputError(
            f"{codes}: has {dated.times}, but {bundle.path} was trained with {facts['times']}; "
            "give these"
        )
    try:
        encoded = sequences.apply(facts["encoder"], dated.frame, len(samples))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{bundle.path}: its encoder of dated codes cannot be read ({error}); make the bundle "
            "again"
        ) from None
    with_codes = len(np.unique(dated.frame["sample"].to_numpy()))
    told = f"{len(samples) - with_codes} of {len(samples)} people have no dated code in {codes}."
    warnings = [*found.warnings, *dated.warnings, told]
    if with_codes == len(samples):
        warnings.pop()
    return replace(found, warnings=warnings, sequences=encoded)


def average_design(bundle: ModelBundle, n: int) -> Design:
    """Everybody average in every covariate."""
    encoder = bundle.facts["covariates"]["encoder"]
    nothing = pl.DataFrame({"": np.zeros(n, np.int64)})
    if not encoder:
        return Design(
            np.zeros((n, 0), np.float32), [], np.zeros((n, 0), np.int64), [], [], encoder={}
        )
    return replace(apply(encoder, nothing, absent="mean"), warnings=[])


def _covariates(bundle: ModelBundle, samples: Sequence[str], path: Path | None) -> BundlePeople:
    n = len(samples)
    average = average_design(bundle, n)
    encoder = average.encoder
    wanted = column_kinds(encoder) if encoder else {}
    everybody = np.ones(n, bool)
    if not wanted:
        return BundlePeople(average, ~everybody, [])
    if path is None or not n:
        return BundlePeople(average, everybody, [])
    present = [name for name in wanted if name in read_store_table(path, samples).frame.columns]
    absent = [name for name in wanted if name not in present]
    warnings = [f"{path} has no column {', '.join(absent)}."] if absent else []
    if not present:
        return BundlePeople(average, everybody, warnings)
    table = read_covariates(path, samples, present, kinds={name: wanted[name] for name in present})
    try:
        design = apply(encoder, table.frame, absent="mean")
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    design.matrix[~table.found] = 0
    design.categories[~table.found] = 0
    unknown = table.frame.select(pl.any_horizontal(pl.all().is_null())).to_series().to_numpy()
    missing = everybody if absent else unknown | ~table.found
    said = [text for text in design.warnings if not text.endswith("average in it.")]
    return BundlePeople(design, missing, [*warnings, *table.warnings, *said])


def group_names(given: str, samples: Sequence[str]) -> list[str | None]:
    """Ancestry of each person: from FILE or FILE:COLUMN."""
    file = named_file(given)
    whole = file is None or Path(given).is_file()
    labels = read_labels(file or Path(given), None if whole else given.rpartition(":")[2])
    of = dict(labels.select("sample", "population").iter_rows())
    found = [of.get(sample) for sample in samples]
    if samples and not any(found):
        raise InputError(f"{given}: names a group for nobody in the cohort; check the sample names")
    return found
