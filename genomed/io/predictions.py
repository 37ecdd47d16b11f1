"""Predictions of people: a table with one row per person, or the risk.tsv of `genomed risk`, with
a row per person and model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError, UnknownNameError, UsageError
from genomed.io.sample_table import ID_COLUMNS, SAMPLE_COLUMNS
from genomed.io.text_table import MISSING_TEXT, read_text_table

__all__ = ["Predictions", "read_predictions"]

# The first of these that a table has is what is meant, unless the user says so.
_USUAL = (
    "probability", "prediction", "full", "full_predictor", "predicted", "risk", "score", "linear",
)  # fmt: skip
_ENDS = (("low", "high"), ("prediction_low", "prediction_high"))
_NO_PREDICTION = ID_COLUMNS | {"sex", "fold", "age", "low", "high", "model", "trait", "set"}
_SETS = ("test", "testing", "holdout")
_BY = re.compile(r"risk_by_(\d+(?:\.\d+)?)")
_LARGEST = 1e100


@dataclass(frozen=True)
class Predictions:
    """Predictions of the same people.

    values  : name -> float64 (people,), NaN where there is none
    columns : name -> the column it was read from
    low, high : float64 (people,), ends of the intervals of the first prediction, or None
    risk_by : time -> float64 (people,), probability of the event until then, as the model of the
              first prediction says
    frame   : all columns as text, one row per person
    """

    path: Path
    samples: list[str]
    values: dict[str, np.ndarray]
    columns: dict[str, str]
    low: np.ndarray | None
    high: np.ndarray | None
    risk_by: dict[float, np.ndarray]
    frame: pl.DataFrame
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Rows:
    """A table as it stands, all text, and where each row is."""

    path: Path
    frame: pl.DataFrame
    line: np.ndarray

    def where(self, row: int) -> str:
        return f"{self.path}, line {self.line[row]}" if len(self.line) else f"{self.path}"

    def keep(self, kept: np.ndarray) -> _Rows:
        line = self.line[kept] if len(self.line) else self.line
        return _Rows(self.path, self.frame.filter(pl.Series(kept)), line)


def read_predictions(path: Path, names: Sequence[str] = (), only: str | None = None) -> Predictions:
    """Read predictions; people and their order are those of the table.

    names  : columns, or models of a table with a column of models; the usual ones by default
    only   : the set whose people count; those of the test, where the table names one
    raises : InputError for a table that is none, which names the file and the line;
             UnknownNameError for a column or model that is not there
    """
    rows = _read(path)
    sample = _sample_column(rows)
    rows, warnings = _of_set(rows, only)
    spelt = {name.lower(): name for name in reversed(rows.frame.columns)}
    if "model" in spelt:
        return _by_model(rows, sample, spelt["model"], names, warnings)
    _check_once(rows, [sample])
    wanted = list(dict.fromkeys(names)) or _usual(rows)
    values = {name: _numbers(rows, name) for name in wanted}
    low, high = _ends(rows, wanted[0])
    risk_by = {
        float(found[1]): _numbers(rows, name)
        for name in rows.frame.columns
        if (found := _BY.fullmatch(name.lower()))
    }
    if wanted[0].lower().startswith("linear"):  # the full model's are not its
        risk_by = {}
    samples = rows.frame[sample].to_list()
    columns = {name: name for name in wanted}
    return Predictions(path, samples, values, columns, low, high, risk_by, rows.frame, warnings)


def _read(path: Path) -> _Rows:
    if path.suffix == ".parquet":
        try:
            frame = pl.read_parquet(path)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; check the path") from None
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{path}: cannot be read as Parquet ({reason}); make it again"
            ) from None
        plain = [name for name, kind in frame.schema.items() if not kind.is_nested()]
        frame = frame.select(pl.col(plain).cast(pl.Utf8, strict=False))
        return _Rows(path, _known(frame), np.zeros(0, np.int64))
    table = read_text_table(path, frozenset(ID_COLUMNS))
    return _Rows(path, _known(table.frame), table.source_line)


def _known(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.when(~pl.all().is_in(MISSING_TEXT)).then(pl.all()))


def _sample_column(rows: _Rows) -> str:
    """The column of sample names, none of them empty."""
    spelt = {name.lower(): name for name in reversed(rows.frame.columns)}
    sample = next((spelt[name] for name in SAMPLE_COLUMNS if name in spelt), None)
    if sample is None:
        raise InputError(
            f"{rows.path}: none of the columns {', '.join(rows.frame.columns[:8])} names the "
            "samples; call theirs sample"
        )
    if rows.frame[sample].null_count():
        row = int(np.flatnonzero(rows.frame[sample].is_null().to_numpy())[0])
        raise InputError(f"{rows.where(row)}: has no sample name; write it, or delete the line")
    return sample


def _of_set(rows: _Rows, only: str | None) -> tuple[_Rows, list[str]]:
    """The rows of the set asked for, or of the test where the table has one."""
    column = next((name for name in rows.frame.columns if name.lower() == "set"), None)
    if only == "all" or (column is None and only is None):
        return rows, []
    if column is None:
        raise InputError(f"{rows.path}: has no column set; leave --set away, or add the column")
    sets = rows.frame[column].str.to_lowercase()
    present = sets.drop_nulls().unique().sort().to_list()
    name = only.lower() if only else next((one for one in _SETS if one in present), None)
    if name is None:
        return rows, []
    if name not in present:
        raise UnknownNameError(f"{rows.path}: nobody is in the set {only!r}; sets: {present}")
    kept = (sets == name).fill_null(False).to_numpy()
    if kept.all():
        return rows, []
    said = f"{rows.path}: of {len(kept)} rows, the {int(kept.sum())} of the set {name} are used."
    return rows.keep(kept), [said]


def _check_once(rows: _Rows, keys: list[str]) -> None:
    """Everybody has one row, or one per model."""
    repeated = ~rows.frame.select(pl.struct(keys).is_first_distinct()).to_series().to_numpy()
    if not repeated.any():
        return
    row = int(np.flatnonzero(repeated)[0])
    name = rows.frame[keys[0]][row]
    of_model = f" of model {rows.frame[keys[1]][row]!r}" if len(keys) > 1 else ""
    raise InputError(
        f"{rows.where(row)}: sample {name!r}{of_model} was there before; give everybody one line"
    )


def _usual(rows: _Rows) -> list[str]:
    spelt = {name.lower(): name for name in reversed(rows.frame.columns)}
    found = next((spelt[name] for name in _USUAL if name in spelt), None)
    if found is not None:
        return [found]
    numeric = [
        name
        for name in rows.frame.columns
        if name.lower() not in _NO_PREDICTION and _is_numeric(rows.frame[name])
    ]
    if len(numeric) == 1:
        return numeric
    if not numeric:
        raise InputError(
            f"{rows.path}: none of its columns ({', '.join(rows.frame.columns[:8])}) holds "
            "numbers; add the predictions"
        )
    raise UsageError(
        f"{rows.path}: which of the columns {', '.join(numeric[:8])} is the prediction? name it "
        "with --prediction"
    )


def _usual_of(rows: _Rows, there: np.ndarray) -> str:
    """The usual column of one model: bundles and scoring files fill different ones."""
    own = rows.keep(there)
    filled = [name for name in rows.frame.columns if own.frame[name].is_not_null().any()]
    return _usual(_Rows(own.path, own.frame.select(filled), own.line))[0] if filled else "score"


def _ends(rows: _Rows, column: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Both ends of the intervals of a prediction, where the table has columns of them."""
    spelt = {name.lower(): name for name in reversed(rows.frame.columns)}
    for low, high in _ENDS:
        of = low.removesuffix("low").strip("_")  # of no one in particular, where it names none
        if low in spelt and high in spelt and of in ("", column.lower()):
            return _numbers(rows, spelt[low]), _numbers(rows, spelt[high])
    return None, None


def _is_numeric(column: pl.Series) -> bool:
    known = column.drop_nulls()
    return bool(len(known)) and known.cast(pl.Float64, strict=False).null_count() == 0


def _numbers(rows: _Rows, name: str) -> np.ndarray:
    """A column as numbers: float64, NaN where empty."""
    if name not in rows.frame.columns:
        known = [c for c in rows.frame.columns if c.lower() not in ID_COLUMNS]
        raise UnknownNameError(
            f"{rows.path}: has no column {name!r}; its columns: {', '.join(known)}"
        )
    text = rows.frame[name]
    numbers = text.cast(pl.Float64, strict=False)
    value = numbers.fill_null(np.nan).to_numpy().astype(np.float64)
    wrong = (numbers.is_null() & text.is_not_null()).to_numpy()
    wrong |= numbers.is_not_null().to_numpy() & ~(np.abs(value) < _LARGEST)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{rows.where(row)}: {text[row]!r} in column {name} is not a finite number; write NA "
            "where there is no prediction"
        )
    return value


def _by_model(
    rows: _Rows, sample: str, model: str, names: Sequence[str], warnings: list[str]
) -> Predictions:
    """One prediction per model; names are models, columns, or MODEL:COLUMN."""
    _check_once(rows, [sample, model])
    present = rows.frame[model].drop_nulls().unique(maintain_order=True).to_list()
    of = rows.frame[model].to_numpy()
    usual = {one: _usual_of(rows, of == one) for one in present}
    wanted: dict[str, tuple[str, str]] = {}
    for name in names or present:
        one, _, column = name.rpartition(":")
        if name in present:
            wanted[name] = (name, usual[name])
        elif one in present and column in rows.frame.columns:
            wanted[name] = (one, column)
        elif name in rows.frame.columns:
            wanted |= {f"{each}:{name}": (each, name) for each in present}
        else:
            raise UnknownNameError(
                f"{rows.path}: has no model {name!r}; its models: {', '.join(present[:20])}"
            )
    people = rows.frame[sample].unique(maintain_order=True)
    place = {name: at for at, name in enumerate(people.to_list())}
    at = np.array([place[name] for name in rows.frame[sample].to_list()], np.int64)
    values = {}
    for name, (one, column) in wanted.items():
        there = of == one
        values[name] = np.full(len(people), np.nan)
        values[name][at[there]] = _numbers(rows, column)[there]
    main, column = next(iter(wanted.values()))
    low, high = _ends(rows, column)
    if low is not None and high is not None and column.lower() in _USUAL[:2]:
        there = of == main
        ends = np.full((2, len(people)), np.nan)
        ends[:, at[there]] = low[there], high[there]
        low, high = ends
    else:
        low = high = None
    first = rows.frame.unique(subset=sample, keep="first", maintain_order=True)
    columns = {name: column for name, (_, column) in wanted.items()}
    return Predictions(rows.path, people.to_list(), values, columns, low, high, {}, first, warnings)
