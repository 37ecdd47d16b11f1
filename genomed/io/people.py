"""The people of a .psam or .fam: family, parents, sex and phenotypes, beside their names."""

import polars as pl

from genomed.io.plink_tables import SampleTable

__all__ = ["read_people"]

_SEX = {"1": 1, "m": 1, "male": 1, "2": 2, "f": 2, "female": 2}
_KNOWN = {"#FID", "#IID", "IID", "SID", "PAT", "MAT", "SEX"}
_FAM = {"#FID": 0, "IID": 1, "PAT": 2, "MAT": 3, "SEX": 4, "PHENO1": 5}
_ABSENT = {"", "NA", "na", "NaN", "nan", "NONE", "None", "none", ".", "-9"}
_CASE_CONTROL = {"0", "1", "2"}  # 0 is missing where 1 is a control and 2 a case


def read_people(table: SampleTable) -> pl.DataFrame:
    """One row per sample, in the order of the file.

    Columns: sample, family, father, mother (null for "0"), sex (Int8: 1 male, 2 female, null
    unknown), then each phenotype: Float64 where all values are numbers, -9 and NA null (so is 0
    where no other value than 1 and 2 occurs); else text. Parents are named as samples are: by
    FID_IID where IIDs repeat.
    """
    columns = table.columns
    if "PHENO1" not in columns and "#FID" in columns and columns == _without_phenotype():
        columns = _FAM
    family = _cells(table, columns.get("#FID"))
    joined = table.renamed and any(family)
    people = {
        "sample": pl.Series(table.names, dtype=pl.String),
        "family": pl.Series(family, dtype=pl.String),
    }
    for parent, name in (("father", "PAT"), ("mother", "MAT")):
        cells = _cells(table, columns.get(name))
        if joined:
            pairs = zip(family, cells, strict=True)
            cells = [f"{fid or 0}_{iid}" if iid else None for fid, iid in pairs]
        people[parent] = pl.Series(cells, dtype=pl.String)
    sexes = [_SEX.get((cell or "").lower()) for cell in _cells(table, columns.get("SEX"))]
    people["sex"] = pl.Series(sexes, dtype=pl.Int8)
    for name, place in columns.items():
        if name not in _KNOWN and place < min(map(len, table.rows)):
            spelt = f"{name}_" if name in people else name
            people[spelt] = _phenotype([row[place] for row in table.rows])
    return pl.DataFrame(people)


def _without_phenotype() -> dict[str, int]:
    """Columns that read_samples knows of a file without a header."""
    return {"#FID": 0, "IID": 1, "SEX": 4}


def _cells(table: SampleTable, place: int | None) -> list[str | None]:
    """One column; None where it is absent, cut short or says 0."""
    if place is None:
        return [None] * len(table.rows)
    cells = [row[place] if place < len(row) else "0" for row in table.rows]
    return [None if cell == "0" else cell for cell in cells]


def _phenotype(cells: list[str]) -> pl.Series:
    known = [None if cell in _ABSENT else cell for cell in cells]
    values = {cell for cell in known if cell is not None}
    if values <= _CASE_CONTROL and values & {"1", "2"}:
        known = [None if cell == "0" else cell for cell in known]
    text = pl.Series(known, dtype=pl.String)
    numbers = text.cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == text.null_count() else text
