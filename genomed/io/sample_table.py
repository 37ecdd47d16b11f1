"""Tables with one row per sample, put into the order of a store.

Read are: tables with a header, separated by tabs, commas or blanks; .psam files; phenotype files of
plink (FID IID and values, with or without a header); .fam files. Names of samples are text, so that
001 is not 1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.text_table import TextTable, read_plain_bytes, read_text_table

__all__ = [
    "ID_COLUMNS",
    "SAMPLE_COLUMNS",
    "StoreTable",
    "match_names",
    "read_numbers",
    "read_store_table",
    "say_names",
    "sole_header",
]

# Lower-case names of the column of samples; the first of them that a table has is taken.
SAMPLE_COLUMNS = (
    "iid", "sample", "samples", "sample_id", "sampleid", "sample name", "individual", "eid",
    "person_id", "id",
)  # fmt: skip
# Lower-case names of columns that say who somebody is, and are no measurement.
ID_COLUMNS = frozenset({*SAMPLE_COLUMNS, "fid", "sid", "pat", "mat"})
_LARGEST = 1e30  # of a number: models are in single precision, which ends at 3e38
_FAM = ["FID", "IID", "PAT", "MAT", "SEX", "PHENO1"]
# What read_text_table leaves, in other spellings.
_UNKNOWN = ["na", "nan", "n/a", "#n/a", "<na>", "null"]


@dataclass(frozen=True)
class StoreTable:
    """A table in the order of a store.

    frame    : one row per sample of the store, all Utf8 without the column of samples; null where
               unknown, and where the table does not name the sample
    found    : bool (samples,), the table names the sample
    line     : int64 (samples,), its 1-based line, 0 where it is not named
    warnings : sentences on who is only in the one or the other
    """

    path: Path
    frame: pl.DataFrame
    found: np.ndarray
    line: np.ndarray
    warnings: list[str] = field(default_factory=list)

    def where(self, row: int | np.integer) -> str:
        """File and line of a sample's row, as errors begin."""
        return f"{self.path}, line {self.line[row]}"


def read_store_table(path: Path, samples: Sequence[str], *, whole: str = "the store") -> StoreTable:
    """Read a table of samples and bring it into the order of the store's.

    whole  : what the samples are of, in words, where it is no store
    raises : InputError when no column names the samples, one is named twice or not at all, or the
             table and the store have nobody in common
    """
    known = {sample: row for row, sample in enumerate(samples)}
    table = read_text_table(path, frozenset(ID_COLUMNS), sole_header(path, known))
    names, used = _names(table, known)
    at, line = match_names(path, names, table.source_line, known, whole=whole)
    row_of = np.full(len(samples), -1, np.int64)
    row_of[at[at >= 0]] = np.flatnonzero(at >= 0)
    found = row_of >= 0
    values = table.frame.drop(used)
    values = values.with_columns(
        pl.when(~pl.all().str.to_lowercase().is_in(_UNKNOWN)).then(pl.all())
    )
    frame = values[np.maximum(row_of, 0)].with_columns(pl.when(pl.Series(found)).then(pl.all()))
    warnings = _who_is_where(path, names, at, samples, found, whole)
    return StoreTable(path, frame, found, np.where(found, line[row_of], 0), warnings)


def sole_header(path: Path, known: Collection[str]) -> list[str] | None:
    """Column names of a file without a line of them (a .fam, or plink's phenotypes); else None.

    A first line that has no known name of a column of samples, but names a sample of the store,
    is no line of column names.
    """
    text = read_plain_bytes(path)[:100_000].decode(errors="replace")
    line = next((x for x in text.splitlines() if x.strip() and not x.startswith("#")), "")
    if text.lstrip("\ufeff").lstrip().lower().startswith(("#fid", "#iid")) or not line:
        return None
    separator = next((mark for mark in "\t," if mark in line), None)
    cells = [cell.strip().strip('"') for cell in line.split(separator)]
    if any(cell.lower() in SAMPLE_COLUMNS for cell in cells):
        return None
    if len(cells) == 6 and path.name.removesuffix(".gz").endswith(".fam"):
        return _FAM
    if len(cells) > 1 and cells[1] in known and (cells[0] not in known or cells[0] == cells[1]):
        return ["FID", "IID", *(f"PHENO{i}" for i in range(1, len(cells) - 1))]
    if cells[0] in known:
        return ["IID", *(f"PHENO{i}" for i in range(1, len(cells)))]
    return None


def _names(table: TextTable, known: dict[str, int]) -> tuple[pl.Series, list[str]]:
    """The names of samples in the table, and the columns they were made of.

    Where IIDs repeat or none is known, FID_IID is tried: so does plink call its samples in a VCF.
    """
    spelt = {name.lower(): name for name in reversed(table.frame.columns)}
    column = next((spelt[name] for name in SAMPLE_COLUMNS if name in spelt), None)
    if column is None:
        column = table.frame.columns[0]
        if not table.frame[column].is_in(list(known)).any():
            remedy = "call theirs IID or sample"
            if ";" in column:
                remedy = "separate columns by tabs or commas, not by semicolons"
            raise InputError(
                f"{table.path}, line {table.header_line}: none of the columns "
                f"{', '.join(table.frame.columns[:8])} names the samples; {remedy}"
            )
    names = table.frame[column]
    used = [column]
    if "fid" in spelt and spelt["fid"] != column:
        used.append(spelt["fid"])
        joined = table.frame.select(pl.concat_str([spelt["fid"], column], separator="_"))
        pairs = joined.to_series()
        unclear = names.is_duplicated().any() or not names.is_in(list(known)).any()
        if unclear and pairs.is_in(list(known)).any():
            names = pairs
    return names, used


def match_names(
    path: Path,
    names: pl.Series,
    line: np.ndarray,
    known: dict[str, int],
    *,
    repeated: bool = False,
    whole: str = "the store",
) -> tuple[np.ndarray, np.ndarray]:
    """Row of the store of each name, -1 where it has none: int64 (rows,), and the lines.

    repeated : a name may stand there more than once
    raises   : InputError when a name is empty or repeated, or none is known
    """
    if names.null_count():
        row = int(np.flatnonzero(names.is_null().to_numpy())[0])
        raise InputError(
            f"{path}, line {line[row]}: has no sample name; write it, or delete the line"
        )
    if not repeated and names.is_duplicated().any():
        row = int(np.flatnonzero(~names.is_first_distinct().to_numpy())[0])
        first = line[int(np.flatnonzero((names == names[row]).to_numpy())[0])]
        raise InputError(
            f"{path}, line {line[row]}: sample {names[row]!r} was already on line {first}; "
            "give every sample one line"
        )
    at = np.array([known.get(name, -1) for name in names.to_list()], np.int64)
    if not (at >= 0).any():
        raise InputError(
            f"{path}: names nobody of {whole} ({names[0]!r} there, "
            f"{next(iter(known), 'nobody')!r} in {whole}){_lost_zeros(names, known)}; use the "
            "same sample names in both"
        )
    return at, line


def _lost_zeros(names: pl.Series, known: dict[str, int]) -> str:
    """A hint where names agree as numbers only."""
    bare = {name.lstrip("0") for name in known if name.isdigit()}
    if names.str.strip_chars_start("0").is_in(list(bare)).any():
        return ", though some agree but for leading zeros, which a spreadsheet may have taken away"
    return ""


def _who_is_where(
    path: Path,
    names: pl.Series,
    at: np.ndarray,
    samples: Sequence[str],
    found: np.ndarray,
    whole: str,
) -> list[str]:
    said = []
    strangers = names.filter(pl.Series(at < 0)).to_list()
    if strangers:
        said.append(
            f"{path}: {len(strangers)} of {len(names)} samples in it are not in {whole} "
            f"({say_names(strangers)}); they are left out."
        )
    absent = [samples[row] for row in np.flatnonzero(~found)[:4]]
    if absent:
        said.append(
            f"{path}: {int((~found).sum())} of {len(samples)} samples of {whole} are not in it "
            f"({say_names(absent)}); what it tells is missing for them."
        )
    return said


def say_names(names: Sequence[str], most: int = 3) -> str:
    """The first names, and dots when there are more."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def read_numbers(table: StoreTable, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of one column, NaN where unknown; and the rows that hold other text: int64.

    raises : InputError for a number that is infinite, or not below 1e30
    """
    text = table.frame[column]
    numbers = text.cast(pl.Float64, strict=False)
    other = np.flatnonzero((numbers.is_null() & text.is_not_null()).to_numpy())
    value = numbers.fill_null(np.nan).to_numpy().astype(np.float64)
    infinite = np.flatnonzero(~(np.abs(value) < _LARGEST) & numbers.is_not_null().to_numpy())
    if infinite.size:
        row = infinite[0]
        raise InputError(
            f"{table.where(row)}: {text[int(row)]!r} in column {column} is not a finite number "
            f"below {_LARGEST:g}; write NA where the value is unknown, or choose a larger unit"
        )
    return value, other
