"""Who the samples of a `qc` run are: sex, parents, cases and controls, groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError, UsageError
from genomed.io.psam import merge_people, read_people
from genomed.stats.mendel import Trios

__all__ = ["People", "gather_people"]

_STATUS = {"2": 2, "case": 2, "1": 1, "control": 1, "0": 0, "-9": 0, "na": 0, "nan": 0, ".": 0}


@dataclass(frozen=True)
class People:
    """Samples in the order of the calls.

    table   : columns sample, family, father, mother, sex, and phenotypes
    sex     : int8 (samples,), 1 male, 2 female, 0 unknown
    founder : bool (samples,), neither parent is named (one that is not in the data counts)
    status  : int8 (samples,), 2 case, 1 control, 0 neither; None without --pheno
    group   : int64 (samples,), index into group_names, -1 for none; None without --groups
    """

    table: pl.DataFrame
    sex: np.ndarray
    founder: np.ndarray
    trios: Trios
    status: np.ndarray | None = None
    group: np.ndarray | None = None
    group_names: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def samples(self) -> list[str]:
        """Their names."""
        return self.table["sample"].to_list()


def gather_people(
    known: pl.DataFrame, told: Path | None, pheno: str | None, groups: str | None
) -> People:
    """Put together what is known of everybody.

    known         : what the store says; columns as People.table
    told          : a .psam or .fam, which wins where it knows
    pheno, groups : path of a table of samples (``FILE`` or ``FILE:COLUMN``), or a column of `told`
                    or of the store
    """
    table = known
    warnings: list[str] = []
    if told is not None:
        table, warnings = merge_people(known, read_people(told), told)
    sex = table["sex"].fill_null(0).to_numpy().astype(np.int8)
    founder = (table["father"].is_null() & table["mother"].is_null()).to_numpy()
    parents = (table["father"].to_list(), table["mother"].to_list())
    status = group = None
    names: list[str] = []
    if pheno is not None:
        status = _status(_column("--pheno", pheno, table, warnings), pheno)
    if groups is not None:
        cells = _column("--groups", groups, table, warnings)
        names = sorted({cell for cell in cells if cell is not None})
        place = {name: i for i, name in enumerate(names)}
        group = np.array([-1 if cell is None else place[cell] for cell in cells], np.int64)
    trios = Trios.find(table["sample"].to_list(), *parents, sex)
    return People(table, sex, founder, trios, status, group, names, warnings)


def _column(option: str, spec: str, table: pl.DataFrame, warnings: list[str]) -> list[str | None]:
    """One value per sample: of a column of the table, or of a file."""
    if spec in table.columns[5:]:
        return table[spec].cast(pl.Utf8).to_list()
    path, _, name = spec.rpartition(":") if not Path(spec).is_file() else (spec, "", "")
    if not Path(path).is_file():
        columns = ", ".join(table.columns[5:]) or "none"
        raise UsageError(
            f"{option} {spec}: neither a file nor a column known of the samples ({columns}); "
            "give one of these"
        )
    values = _read_column(Path(path), name)
    samples = table["sample"].to_list()
    found = [values.get(sample) for sample in samples]
    absent = [s for s in samples if s not in values]
    if len(absent) == len(samples):
        raise InputError(
            f"{path}: names nobody of the cohort (there {next(iter(values), 'nobody')!r}, in the "
            f"cohort {samples[0]!r}); use the same sample names in both"
            if samples
            else f"{path}: the cohort has no samples"
        )
    if absent:
        warnings.append(
            f"{path}: {len(absent)} of {len(samples)} samples are not in it ({absent[0]})."
        )
    return found


def _read_column(path: Path, name: str) -> dict[str, str | None]:
    """Sample -> value, of a table whose header names IID or sample; or of one without a header,
    whose last two columns are taken."""
    lines = [
        line.split("\t") if "\t" in line else line.split()
        for line in path.read_text(encoding="utf-8", errors="backslashreplace").splitlines()
        if line.strip() and not line.startswith("##")
    ]
    if not lines:
        raise InputError(f"{path}: is empty; give a table of samples and values")
    header = [cell.strip().lstrip("#") for cell in lines[0]]
    keys = [i for i, cell in enumerate(header) if cell.upper() in ("IID", "SAMPLE")]
    if keys:
        key, lines = keys[0], lines[1:]
        others = [c for c in header if c.upper() not in ("IID", "SAMPLE", "FID", "SID")]
        name = name or (others[0] if others else "")
        if name not in header:
            raise InputError(f"{path}: has no column {name!r}; its columns: {', '.join(header)}")
        value = header.index(name)
    elif name or len(header) < 2:
        raise InputError(f"{path}: has no header with IID or sample; add one")
    else:
        key, value = len(header) - 2, len(header) - 1
    short = next((i for i, cells in enumerate(lines) if len(cells) <= max(key, value)), None)
    if short is not None:
        raise InputError(f"{path}, row {short + 1}: has too few columns; fill the table")
    cells = {row[key].strip(): row[value].strip() for row in lines}
    return {sample: cell if cell and cell != "NA" else None for sample, cell in cells.items()}


def _status(cells: list[str | None], spec: str) -> np.ndarray:
    """Cases and controls: 2 and 1, or those words; 0, -9 and NA are neither, as in plink."""
    words = [(cell or "na").lower().removesuffix(".0") for cell in cells]
    unknown = sorted({word for word in words if word not in _STATUS})
    if unknown:
        raise InputError(
            f"{spec}: {unknown[0]!r} is neither case (2) nor control (1); recode the column"
        )
    status = np.array([_STATUS[word] for word in words], np.int8)
    if "0" in words and not (status == 2).any():
        raise InputError(f"{spec}: has 0 and 1 only; recode controls as 1 and cases as 2")
    return status
