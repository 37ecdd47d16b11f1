"""Who the samples are: sex, family and phenotypes, read from .psam, .fam and plain tables.

Format: https://www.cog-genomics.org/plink/2.0/formats#psam. Written with a #FID column, since
regenie refuses a file that begins with #IID (https://github.com/rgcgithub/regenie/issues/666).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from genomed.errors import InputError

__all__ = [
    "PEOPLE",
    "merge_people",
    "psam_text",
    "read_people",
    "read_sample_file",
    "unknown_people",
]

# Of every table of people, before any phenotypes (text).
PEOPLE = {
    "sample": pl.Utf8,
    "family": pl.Utf8,
    "father": pl.Utf8,
    "mother": pl.Utf8,
    "sex": pl.Int8,  # 1 male, 2 female, null unknown
}
_SEX = {"1": 1, "2": 2, "M": 1, "F": 2, "MALE": 1, "FEMALE": 2}
_COLUMNS = {
    "IID": "sample",
    "FID": "family",
    "PAT": "father",
    "MAT": "mother",
    "SEX": "sex",
    "SID": "",
}
_FAM = ["family", "sample", "father", "mother", "sex", "PHENO1"]
_NOBODY = {"father", "mother", "family"}
_MISSING = {"NA", "-9", "nan", "NaN", "."}


def unknown_people(samples: Sequence[str]) -> pl.DataFrame:
    """Nothing is known of anybody."""
    nothing = {name: [None] * len(samples) for name in PEOPLE if name != "sample"}
    return pl.DataFrame({"sample": list(samples), **nothing}, schema=PEOPLE)


def read_people(path: Path, *, repeated: bool = False) -> pl.DataFrame:
    """Read a .psam, a .fam (no header), or a table of IID and SEX.

    repeated : IIDs may occur twice
    returns : columns of PEOPLE, null where unknown, then phenotypes as text, null where NA or -9
              and left out where nobody has one
    raises  : InputError when a row is short, an IID occurs twice, or nobody is named
    """
    try:
        text = path.read_bytes().decode(errors="backslashreplace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    lines = [(n, line) for n, line in lines if not line.startswith("##")]
    names = _header(lines[0][1] if lines else "")
    if names is not None:
        lines = lines[1:]
    elif lines:
        names = _layout(path, len(lines[0][1].split()))
    rows = []
    for number, line in lines:
        cells = line.split()
        if len(cells) < len(names or ()):
            raise InputError(
                f"{path}, line {number}: has {len(cells)} of {len(names or ())} columns; the file "
                "may be cut off, make it again"
            )
        rows.append(cells[: len(names or ())])
    if not rows or not names:
        raise InputError(f"{path}: names nobody; give a .psam, a .fam or a table of IID and SEX")
    return _people(path, names, rows, repeated)


def read_sample_file(path: Path) -> pl.DataFrame:
    """Read who is in the .sample file of a BGEN: ID_2 and, where there is such a column, sex.

    The layout has been checked by genomed.io.bgen.
    """
    lines = [line.split() for line in path.read_text(errors="backslashreplace").splitlines()]
    header = [cell.lower() for cell in lines[0]]
    rows = [row for row in lines[2:] if row]
    people = unknown_people([row[1] for row in rows])
    if "sex" not in header:
        return people
    sex = [_SEX.get(row[header.index("sex")].upper()) for row in rows]
    return people.with_columns(pl.Series("sex", sex, pl.Int8))


def _header(line: str) -> list[str] | None:
    """Column names of a line that begins with #FID, #IID, FID or IID; None of any other."""
    names = line.split()
    if not names or names[0].lstrip("#").upper() not in ("FID", "IID"):
        return None
    names[0] = names[0].lstrip("#")
    return [_COLUMNS.get(name.upper(), name) for name in names]


def _layout(path: Path, n: int) -> list[str]:
    if n == 2:
        return ["sample", "sex"]
    if n >= 5:
        return _FAM[:n] + [f"PHENO{i}" for i in range(2, n - 4)]
    raise InputError(
        f"{path}: has {n} columns and no header; give a .psam, a .fam or a table of IID and SEX"
    )


def _people(path: Path, names: list[str], rows: list[list[str]], repeated: bool) -> pl.DataFrame:
    if "sample" not in names:
        raise InputError(f"{path}: its header has no IID column; add one")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names) if name}
    twice, n = Counter(columns["sample"]).most_common(1)[0]
    if n > 1 and not repeated:
        raise InputError(f"{path}: {twice!r} occurs {n} times; name everybody once")
    table: dict[str, pl.Series] = {}
    for name, kind in PEOPLE.items():
        cells = columns.pop(name, [None] * len(rows))
        if name == "sex":
            known = [_SEX.get(cell.upper()) if cell else None for cell in cells]
            table[name] = pl.Series(name, known, kind)
        else:
            empty = {"0", "NA"} if name in _NOBODY else set()
            table[name] = pl.Series(name, [None if c in empty else c for c in cells], kind)
    for name, cells in columns.items():
        values = [None if cell in _MISSING else cell for cell in cells]
        if any(value is not None for value in values):
            table[name] = pl.Series(name, values, pl.Utf8)
    return pl.DataFrame(table)


def merge_people(
    people: pl.DataFrame, told: pl.DataFrame, path: Path
) -> tuple[pl.DataFrame, list[str]]:
    """Take what a file tells of people, matched by IID; it wins where it knows.

    returns : people in their order, and sentences on who is not in the file, or only there
    raises  : InputError when they have nobody in common
    """
    names, known = people["sample"], told["sample"]
    absent = names.filter(~names.is_in(known.implode()))
    extra = known.filter(~known.is_in(names.implode()))
    if len(absent) == len(names):
        raise InputError(
            f"{path}: names nobody of the cohort ({known[0]!r} there, {names[0]!r} in the cohort); "
            "use the same IIDs in both"
        )
    both = people.join(told, on="sample", how="left", suffix=" told", maintain_order="left")
    for name in told.columns[1:]:
        if f"{name} told" in both.columns:
            both = both.with_columns(pl.coalesce(f"{name} told", name).alias(name))
            both = both.drop(f"{name} told")
    said = []
    if len(absent):
        said.append(f"{path}: {len(absent)} of {len(names)} samples are not in it ({absent[0]}).")
    if len(extra):
        said.append(f"{path}: {len(extra)} people in it are not in the cohort ({extra[0]}).")
    return both, said


def psam_text(people: pl.DataFrame) -> str:
    """The .psam of people: #FID IID (PAT MAT) SEX and phenotypes; PAT and MAT if one is known."""
    shown = [pl.col("family").fill_null("0").alias("#FID"), pl.col("sample").alias("IID")]
    if people["father"].is_not_null().any() or people["mother"].is_not_null().any():
        shown += [pl.col("father").fill_null("0").alias("PAT")]
        shown += [pl.col("mother").fill_null("0").alias("MAT")]
    shown.append(pl.col("sex").cast(pl.Utf8).fill_null("NA").alias("SEX"))
    shown += [pl.col(name).fill_null("NA") for name in people.columns if name not in PEOPLE]
    return people.select(shown).write_csv(separator="\t", quote_style="never")
