"""Who goes to which set, and who is related to whom: tables that decide a split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.sample_table import read_store_table
from genomed.io.text_table import read_plain_bytes, read_text_table

__all__ = ["GivenSplit", "Relatives", "read_relatives", "read_split"]

_SETS = dict.fromkeys(
    ("develop", "development", "dev", "train", "training", "valid", "validation", "val", "tune"),
    "develop",
) | dict.fromkeys(("test", "testing", "holdout", "hold-out", "held-out", "heldout"), "test")
_SET_COLUMNS = ("set", "split", "fold", "subset", "partition")
# Lower-case names of the columns of both people, ours and those of plink2's .kin0; families first.
_PAIR_COLUMNS = (("", "sample1", "", "sample2"), ("fid1", "iid1", "fid2", "iid2"))


class GivenSplit(NamedTuple):
    """Who is to be learned from and who is set aside.

    test  : bool (samples,)
    used  : bool (samples,), in one of the two sets
    fold  : int64 (samples,), of those learned from, where the table says it; else -1
    """

    test: np.ndarray
    used: np.ndarray
    warnings: list[str]
    fold: np.ndarray


class Relatives(NamedTuple):
    """Pairs of places in a store: int64 (pairs, 2), the smaller first."""

    pairs: np.ndarray
    warnings: list[str]


def read_split(path: Path, samples: Sequence[str]) -> GivenSplit:
    """Read a table of sample and set: develop (or train, valid), or test (or holdout).

    Training and validation are one: folds are made within them. Whoever has no set is not used.
    """
    table = read_store_table(path, samples)
    spelt = {name.lower(): name for name in reversed(table.frame.columns)}
    column = next((spelt[name] for name in _SET_COLUMNS if name in spelt), None)
    if column is None:
        raise InputError(
            f"{path}: none of the columns {', '.join(table.frame.columns[:8]) or '(none)'} says "
            "the set; call it set"
        )
    cells = table.frame[column].str.to_lowercase().to_list()
    for row, cell in enumerate(cells):
        if cell is not None and cell not in _SETS:
            raise InputError(
                f"{table.where(row)}: no set is called {cell!r}; write develop, or test"
            )
    sets = np.array([_SETS.get(cell or "", "") for cell in cells], dtype=np.str_)
    for name in ("develop", "test"):
        if not (sets == name).any():
            raise InputError(f"{path}: nobody of the store is in the set {name}; add people to it")
    fold = np.full(len(sets), -1)
    if "fold" in spelt and column != spelt["fold"]:
        given = table.frame[spelt["fold"]].cast(pl.Int64, strict=False)
        fold = np.where(sets == "develop", given.fill_null(-1).to_numpy(), -1)
    return GivenSplit(sets == "test", sets != "", table.warnings, fold)


def read_relatives(path: Path, samples: Sequence[str], min_kinship: float) -> Relatives:
    """Read pairs with at least this kinship, of `genomed structure` (kinship.tsv or .parquet) or
    plink2 --make-king-table. A table without kinships names relatives only."""
    if path.suffix == ".parquet":
        table, lines = _read_parquet(path), None
    elif not read_plain_bytes(path).partition(b"\n")[2].strip():
        return Relatives(np.zeros((0, 2), np.int64), [])  # a line of column names: no relatives
    else:
        text = read_text_table(path, frozenset({"fid1", "iid1", "sample1"}))
        table, lines = text.frame, text.source_line
    spelt = {name.lower().lstrip("#"): name for name in reversed(table.columns)}
    layout = next((x for x in _PAIR_COLUMNS if x[1] in spelt and x[3] in spelt), None)
    if layout is None:
        raise InputError(
            f"{path}: none of the columns {', '.join(table.columns[:8])} is called sample1; give "
            "the kinship table of `genomed structure` or of plink2 --make-king-table"
        )
    if "kinship" in spelt:
        text_or_number = table[spelt["kinship"]]
        kinship = text_or_number.cast(pl.Float64, strict=False)
        wrong = np.flatnonzero((kinship.is_null() & text_or_number.is_not_null()).to_numpy())
        if wrong.size:
            where = f", line {lines[wrong[0]]}" if lines is not None else ""
            raise InputError(
                f"{path}{where}: the kinship {text_or_number[int(wrong[0])]!r} is not a number; "
                "make the table again"
            )
        table = table.filter(kinship.fill_null(np.nan).fill_nan(-1) >= min_kinship)
    return _places(path, table, [spelt.get(c, "") for c in layout], samples)


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be read as Parquet ({reason}); make it again") from None


def _places(
    path: Path, table: pl.DataFrame, columns: Sequence[str], samples: Sequence[str]
) -> Relatives:
    known = {sample: row for row, sample in enumerate(samples)}
    sides = []
    for fid, iid in (columns[:2], columns[2:]):
        names = table[iid].cast(pl.Utf8).to_list()
        families = table[fid].cast(pl.Utf8).to_list() if fid else [None] * len(names)
        sides.append(
            [
                known.get(name, known.get(f"{family}_{name}", -1))
                for family, name in zip(families, names, strict=True)
            ]
        )
    pairs = np.array(sides, np.int64).T.reshape(-1, 2)
    inside = (pairs >= 0).all(axis=1) & (pairs[:, 0] != pairs[:, 1])
    warnings = []
    if len(pairs) and not (pairs >= 0).any():
        raise InputError(
            f"{path}: names nobody of the store; use the same sample names in both, as "
            f"{samples[0] if samples else 'none'}"
        )
    if not inside.all():
        warnings.append(
            f"{path}: {int((~inside).sum())} of {len(pairs)} pairs are not of two people of the "
            "store; left out."
        )
    return Relatives(np.unique(np.sort(pairs[inside], axis=1), axis=0), warnings)
