"""Who belongs to which group: samples with a population and perhaps a superpopulation."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from genomed.errors import InputError
from genomed.io.text_table import MISSING_TEXT, read_plain_bytes

__all__ = ["named_file", "read_labels"]

# Lower-case column names, the first one is ours.
_COLUMNS = {
    "sample": ("sample", "iid", "sample_id", "sample name", "individual"),
    "population": ("population", "pop", "group", "label", "population code"),
    "superpopulation": (
        "superpopulation", "super_pop", "superpop", "super_population", "superpopulation code",
    ),
}  # fmt: skip


def read_labels(path: Path, column: str | None = None) -> pl.DataFrame:
    """Read a table with a header: sample, population, superpopulation (null where not given).

    Known column names are those of this table, of .psam files and of the 1000 Genomes panel (whose
    header ends in empty names). People without a population are left out. An InputError names the
    line of a sample that occurs twice.

    column : name of the column of populations, where it is another one
    """
    text = read_plain_bytes(path).decode(errors="replace")
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("##")
    ]
    if not lines:
        raise InputError(f"{path}: is empty; it must name samples and their populations")
    separator = next((mark for mark in "\t," if mark in lines[0][1]), None)
    columns = _columns(path, *lines[0], separator, column)
    people: dict[str, tuple[str, str | None, str | None]] = {}
    for number, line in lines[1:]:
        cells = [cell.strip() for cell in line.split(separator)]
        sample, population, region = (_cell(path, number, cells, column) for column in columns)
        if sample is None or sample in people:
            what = "there is no sample name" if sample is None else f"{sample} occurs twice"
            raise InputError(f"{path}, line {number}: {what}; give every sample one line")
        people[sample] = (sample, population, region)
    schema = {name: pl.Utf8 for name in _COLUMNS}
    labels = pl.DataFrame(list(people.values()), schema=schema, orient="row")
    return labels.filter(pl.col("population").is_not_null())


def _columns(
    path: Path, number: int, line: str, separator: str | None, asked: str | None
) -> list[int | None]:
    """Places of the sample, the population and the superpopulation, by the header line."""
    names = [name.strip().lower() for name in line.lstrip("#").split(separator)]
    places = [
        next((names.index(name) for name in known if name in names), None)
        for known in _COLUMNS.values()
    ]
    if asked is not None:
        places[1] = names.index(asked.lower()) if asked.lower() in names else None
    elif places[1] is None:
        places[1] = places[2]
    if None in places[:2]:
        raise InputError(
            f"{path}, line {number}: none of the columns {', '.join(filter(None, names))} "
            f"is called {'sample' if places[0] is None else asked or 'population'}; name one so"
        )
    return places


def _cell(path: Path, number: int, cells: list[str], place: int | None) -> str | None:
    if place is None:
        return None
    if place >= len(cells):
        raise InputError(f"{path}, line {number}: has only {len(cells)} fields; complete it")
    return None if cells[place] in MISSING_TEXT else cells[place]


def named_file(given: str | None) -> Path | None:
    """The file of FILE or FILE:NAME; None where there is none."""
    if given is None:
        return None
    if Path(given).is_file():
        return Path(given)
    file = given.rpartition(":")[0]
    return Path(file) if file and Path(file).is_file() else None
