"""Traits of the people of a store: numbers, cases and controls, or times to an event.

What a column is, is told by what is in it, unless the user says so. -9, NA and empty fields are
missing, as in plink; so is 0 in a column of 0, 1 and 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genomed.errors import InputError, UnknownNameError
from genomed.io.sample_table import ID_COLUMNS, StoreTable, read_numbers, read_store_table
from genomed.settings import TraitSettings

__all__ = [
    "KINDS",
    "SurvivalColumns",
    "Trait",
    "Traits",
    "check_trait",
    "is_missing_code",
    "read_traits",
]

KINDS = ("quantitative", "binary", "survival")
_WORDS = (  # of controls, and of cases
    (("control", "controls"), ("case", "cases")),
    (("no", "n"), ("yes", "y")),
    (("false", "f"), ("true", "t")),
    (("unaffected",), ("affected",)),
    (("negative", "neg"), ("positive", "pos")),
    (("absent",), ("present",)),
)
_LEAST = 1e-30  # of what a trait varies by: models are in single precision
_STATUS = {word for pair in _WORDS for words in pair for word in words}
_SUFFIXES = ("_time", "_event", "_entry")


class SurvivalColumns(NamedTuple):
    """Where a time to an event stands: columns of a table; without `entry` all enter at 0."""

    time: str
    event: str
    entry: str | None = None


@dataclass(frozen=True)
class Trait:
    """One trait of everybody of a store; NaN where it is missing.

    kind   : quantitative, binary or survival
    value  : float64 (samples,): the number; 1 for a case and 0 for a control; 1 for an event and 0
             for the end of observation without it
    time   : float64 (samples,), of the event or the end of observation, 0 or more, in the unit of
             the table; None but for survival
    entry  : float64 (samples,), when observation began, below `time`; None where it was at 0
    coding : how the column was read, in words
    columns : of a time to an event, where it stands
    """

    name: str
    kind: str
    value: np.ndarray
    time: np.ndarray | None = None
    entry: np.ndarray | None = None
    coding: str = ""
    columns: SurvivalColumns | None = None

    @property
    def observed(self) -> np.ndarray:
        """Who has a label: bool (samples,)."""
        return np.isfinite(self.value)

    @property
    def n_cases(self) -> int | None:
        """Cases, or events; None of a quantitative trait."""
        return None if self.kind == "quantitative" else int((self.value == 1).sum())


@dataclass(frozen=True)
class Traits:
    """What a table tells of a store's people.

    traits   : in the order they were asked for
    found    : bool (samples,), who is in the table
    columns  : all columns of the table that were read
    warnings : sentences; that there are few cases, check_trait says of those learned from
    """

    path: Path
    traits: tuple[Trait, ...]
    found: np.ndarray
    columns: frozenset[str]
    warnings: list[str] = field(default_factory=list)


def read_traits(
    path: Path,
    samples: Sequence[str],
    names: Sequence[str] = (),
    *,
    kinds: Mapping[str, str] | None = None,
    survival: Mapping[str, SurvivalColumns] | None = None,
    settings: TraitSettings | None = None,
    n_folds: int = 5,
    whole: str = "the store",
) -> Traits:
    """Read traits from a table, in the order of the samples of a store.

    path     : see genomed.io.sample_table
    names    : traits wanted; all but identities, parents and SEX by default
    kinds    : trait -> one of KINDS, where its content should not decide
    survival : trait -> columns. Of a trait T that is no column, T_time, T_event and T_entry are
               taken where they exist
    n_folds  : folds of cross-validation, each of which must have enough of everything
    whole    : what the samples are of, in words, where it is no store
    raises   : InputError for data that cannot be trained on, which names the file and the line;
               UnknownNameError for a trait or column that is not there
    """
    settings = settings or TraitSettings()
    kinds, survival = dict(kinds or {}), dict(survival or {})
    for name, kind in kinds.items():
        if kind not in KINDS:
            raise UnknownNameError(f"{name}: no kind called {kind!r}; known: {', '.join(KINDS)}")
    table = read_store_table(path, samples, whole=whole)
    survival |= _implied(table, [*names, *kinds], everything=not names, told=survival)
    wanted = list(names) or _all_traits(table, survival)
    if not wanted:
        raise InputError(f"{path}: has no column beside the samples' names; add the trait")
    warnings = list(table.warnings)
    traits: list[Trait] = []
    columns: set[str] = set()
    for name in dict.fromkeys(wanted):
        if name in survival:
            columns |= {column for column in survival[name] if column is not None}
            trait = _survival(table, name, survival[name], settings, warnings)
        else:
            columns.add(name)
            trait = _single(table, name, kinds.get(name), settings, warnings)
        check_trait(path, trait, table.found, settings, n_folds=n_folds)
        traits.append(trait)
    return Traits(path, tuple(traits), table.found, frozenset(columns), warnings)


def _implied(
    table: StoreTable, names: list[str], *, everything: bool, told: Mapping[str, SurvivalColumns]
) -> dict[str, SurvivalColumns]:
    """Traits whose columns T_time and T_event are there; T itself is not."""
    columns = set(table.frame.columns)
    if everything:
        names = names + [c.removesuffix("_time") for c in table.frame.columns if c[-5:] == "_time"]
    found = {}
    for name in names:
        time, event, entry = (name + suffix for suffix in _SUFFIXES)
        if name not in told and name not in columns and {time, event} <= columns:
            found[name] = SurvivalColumns(time, event, entry if entry in columns else None)
    return found


def _all_traits(table: StoreTable, survival: Mapping[str, SurvivalColumns]) -> list[str]:
    used = {column for columns in survival.values() for column in columns}
    people = ID_COLUMNS | {"sex"}
    single = [c for c in table.frame.columns if c not in used and c.lower() not in people]
    return [*survival, *single]


def _column(table: StoreTable, name: str) -> None:
    if name not in table.frame.columns:
        known = ", ".join(c for c in table.frame.columns if c.lower() not in ID_COLUMNS) or "none"
        raise UnknownNameError(f"{table.path}: has no column {name!r}; its columns: {known}")


def _single(
    table: StoreTable, name: str, kind: str | None, settings: TraitSettings, warnings: list[str]
) -> Trait:
    """A trait of one column."""
    _column(table, name)
    if kind == "survival":
        raise InputError(
            f"{table.path}: {name} is said to be a time to an event; name its columns of times and "
            f"events, or call them {name}_time and {name}_event"
        )
    if kind != "quantitative":
        worded = _worded(table, name)
        if worded is not None:
            return worded
    value, other = read_numbers(table, name)
    if other.size:
        words = table.frame[name]
        row = int(next((i for i in other if words[int(i)].lower() not in _STATUS), other[0]))
        raise InputError(
            f"{table.where(row)}: {words[row]!r} in column {name} is neither a number "
            "nor a word for case or control; write a number, 0 or 1, or NA"
        )
    _drop_missing_code(table, name, value, settings, warnings)
    levels = set(np.unique(value[np.isfinite(value)]).tolist())
    if kind != "quantitative" and levels and levels <= {0.0, 1.0, 2.0}:
        return _coded(table, name, value, levels, warnings)
    if kind == "binary" and levels:
        row = int(np.flatnonzero(np.isfinite(value) & ~np.isin(value, (0, 1, 2)))[0])
        raise InputError(
            f"{table.where(row)}: {value[row]:g} in column {name} is neither 0 nor 1; recode it, "
            "or let the trait be quantitative"
        )
    return Trait(name, "quantitative", value, coding="numbers")


def _worded(table: StoreTable, name: str) -> Trait | None:
    """A trait of cases and controls in words; None where it is not in words of one kind."""
    words = table.frame[name].str.to_lowercase()
    known = set(words.drop_nulls().unique().to_list()) - {"-9"}
    for controls, cases in _WORDS:
        if known and known <= {*controls, *cases}:
            status = dict.fromkeys(controls, 0.0) | dict.fromkeys(cases, 1.0)
            value = np.array([status.get(word or "", np.nan) for word in words.to_list()])
            return Trait(name, "binary", value, coding=f"{cases[0]} is a case, {controls[0]} not")
    return None


def _coded(
    table: StoreTable, name: str, value: np.ndarray, levels: set[float], warnings: list[str]
) -> Trait:
    """Cases and controls as 1 and 0, or, where there is a 2, as 2 and 1 with 0 for missing."""
    if 2.0 not in levels:
        return Trait(name, "binary", value, coding="1 is a case, 0 a control")
    n_unknown = int((value == 0).sum())
    if n_unknown:
        warnings.append(
            f"{table.path}: {name} is 0, 1 or 2 and was read as plink does, 2 for a case, 1 for a "
            f"control and 0 for missing ({n_unknown} samples); say that it is quantitative if "
            "these are amounts."
        )
    value = np.where(value == 0, np.nan, value - 1)
    return Trait(name, "binary", value, coding="2 is a case, 1 a control, 0 unknown")


def _drop_missing_code(
    table: StoreTable, name: str, value: np.ndarray, settings: TraitSettings, warnings: list[str]
) -> None:
    """Set to NaN, in place, what says that a number is missing."""
    if settings.missing_code is None:
        return
    coded = value == settings.missing_code
    if not coded.any():
        return
    value[coded] = np.nan
    if not is_missing_code(value, settings.missing_code):
        warnings.append(
            f"{table.path}: {int(coded.sum())} values of {settings.missing_code:g} in column "
            f"{name} were read as missing, though the others make it a possible value; write NA "
            "for missing and turn the code off if they are measurements."
        )


def is_missing_code(value: np.ndarray, code: float) -> bool:
    """Whether a code is outside what the other values make plausible.

    value : float64, NaN unknown; without the code itself
    """
    known = value[np.isfinite(value)]
    if not known.size or (known >= 0).all():
        return code < 0
    return bool(abs(code - known.mean()) > 5 * known.std())


def _survival(
    table: StoreTable,
    name: str,
    columns: SurvivalColumns,
    settings: TraitSettings,
    warnings: list[str],
) -> Trait:
    """A time to an event; who has no time, event or entry is missing."""
    read = {}
    for column in [c for c in columns if c is not None]:
        _column(table, column)
        worded = _worded(table, column) if column == columns.event else None
        if worded is not None:
            read[column] = worded.value
            continue
        value, other = read_numbers(table, column)
        if other.size:
            row = int(other[0])
            raise InputError(
                f"{table.where(row)}: {table.frame[column][row]!r} in column {column} is not a "
                "number; give times as numbers of one unit, and events as 0 or 1"
            )
        if settings.missing_code is not None:
            value[value == settings.missing_code] = np.nan
        read[column] = value
    time, event = read[columns.time], read[columns.event]
    entry = read[columns.entry] if columns.entry else None
    _check_times(table, columns, time, event, entry)
    parts = [time, event] if entry is None else [time, event, entry]
    unknown = np.isnan(parts).any(axis=0)
    incomplete = int((unknown & ~np.isnan(parts).all(axis=0)).sum())
    if incomplete:
        warnings.append(
            f"{table.path}: {incomplete} samples have only a part of {', '.join(read)}; "
            f"{name} is missing for them."
        )
    blank = [np.where(unknown, np.nan, part) for part in parts]
    coding = f"time in {columns.time}, event in {columns.event}"
    late = None if entry is None else blank[2]
    return Trait(name, "survival", blank[1], blank[0], late, coding, columns)


def _check_times(
    table: StoreTable,
    columns: SurvivalColumns,
    time: np.ndarray,
    event: np.ndarray,
    entry: np.ndarray | None,
) -> None:
    wrong = np.flatnonzero(~np.isnan(event) & ~np.isin(event, (0, 1)))
    if wrong.size:
        raise InputError(
            f"{table.where(wrong[0])}: {event[wrong[0]]:g} in column {columns.event} is neither 0 "
            "(no event) nor 1 (event); recode it"
        )
    for column, value in ((columns.time, time), (columns.entry or "", entry)):
        wrong = np.flatnonzero(value < 0) if value is not None else np.zeros(0, np.int64)
        if wrong.size:
            raise InputError(
                f"{table.where(wrong[0])}: the time {table.frame[column][int(wrong[0])]} in column "
                f"{column} is negative; count from birth or from the start of observation"
            )
    wrong = np.flatnonzero(entry >= time) if entry is not None else np.zeros(0, np.int64)
    if wrong.size:
        raise InputError(
            f"{table.where(wrong[0])}: observation ends at {time[wrong[0]]:g}, not after it began; "
            f"correct {columns.time} or {columns.entry}, or leave the sample out"
        )


def check_trait(
    path: Path,
    trait: Trait,
    used: np.ndarray,
    settings: TraitSettings | None = None,
    *,
    n_folds: int = 5,
) -> list[str]:
    """Refuse what nothing can be learned from; return what is to be warned of.

    path   : that the trait was read from
    used   : bool (samples,), who is to be learned from; n_folds : of cross-validation
    raises : InputError when all labels are missing or the same, or there are too few for the folds
    """
    settings = settings or TraitSettings()
    known = trait.value[used & trait.observed]
    where = f"{path}: {trait.name}"
    if not known.size:
        raise InputError(
            f"{where} is missing for all {int(used.sum())} samples that are in the table and to be "
            "learned from; fill the column, or ask for another trait"
        )
    if trait.kind == "quantitative":
        if (known == known[0]).all():
            raise InputError(
                f"{where} is {known[0]:g} for all {len(known)} samples to be learned from; ask for "
                "a trait that varies"
            )
        if np.abs(known - known.mean()).max() < _LEAST:
            raise InputError(
                f"{where} varies by less than {_LEAST:g}; give it in a unit in which it is larger"
            )
        _check_number(where, len(known), "known values", settings, n_folds)
        return []
    words = ("events", "people without the event")
    words = words if trait.kind == "survival" else ("cases", "controls")
    counts = (int((known == 1).sum()), int((known == 0).sum()))
    # That everybody has the event in the end is no fault of a time to an event.
    needed = words[: 1 if trait.kind == "survival" else 2]
    for word, n in zip(needed, counts, strict=False):
        if n == 0:
            raise InputError(
                f"{where} has one class only, no {word} among {len(known)} samples to be learned "
                f"from; check its coding ({trait.coding})"
            )
        _check_number(where, n, word, settings, n_folds)
    if min(counts[: len(needed)]) < settings.few:
        return [
            f"{where} has only {counts[0]} {words[0]} and {counts[1]} {words[1]}; expect wide "
            "intervals."
        ]
    return []


def _check_number(where: str, n: int, what: str, settings: TraitSettings, n_folds: int) -> None:
    least = n_folds * settings.min_per_fold
    if n < least:
        raise InputError(
            f"{where} has {n} {what} to be learned from, and {least} are needed for "
            f"{n_folds} folds; add samples, or use fewer folds"
        )
