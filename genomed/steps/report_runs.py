"""Every run below a directory, found by its run.json, and the tables that a report wants of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from genomed.errors import InputError
from genomed.report.run_records import Need, RunRecord

__all__ = ["FoundRun", "RunsFound", "find_runs", "load_tables", "sample_names"]

# Commands in the order of the chain; any other comes after them.
CHAIN = (
    "convert", "qc", "structure", "reads qc", "reads features", "reads call", "reads score",
    "reads train", "train", "risk", "evaluate", "explain",
)  # fmt: skip
RECORD = "run.json"
READS = "files.parquet"
LARGEST_RECORD = 64 << 20  # bytes
# Where a command lists people: file -> columns. The first file that is there is enough.
PEOPLE: Mapping[str, Sequence[Mapping[str, Sequence[str]]]] = {
    "convert": [{"psam": ("IID",)}],
    "qc": [{"samples.parquet": ("sample",)}],
    "structure": [
        {"pcs.parquet": ("sample",)},
        {"kinship.parquet": ("sample1", "sample2")},
        {"roh_samples.parquet": ("sample",)},
        {"ancestry.parquet": ("sample",)},
    ],
    "reads qc": [
        {"files.parquet": ("sample",)},
        {"identity.parquet": ("best_match", "contaminant")},
        {"matches.parquet": ("match",)},
    ],
    "train": [{"predictions.tsv.gz": ("sample",)}],
    "risk": [{"risk.parquet": ("sample",)}],
    "explain": [{"people.parquet": ("sample",)}],
}

# What every run of a command has written: without it, the run is shown in part.
ALWAYS: Mapping[str, Sequence[str]] = {
    "qc": ("samples.parquet", "variants.parquet"),
    "reads qc": ("files.parquet",),
    "risk": ("risk.parquet", "models.tsv"),
    "evaluate": ("metrics.parquet",),
    "explain": ("people.parquet", "variants.parquet"),
}

# Columns that are text even where they look like numbers: a sample 001 is not 1.
_TEXTS = dict.fromkeys(
    ("sample", "sample1", "sample2", "contig", "id", "variant", "ref", "alt", "group"), pl.Utf8
)


class FoundRun(NamedTuple):
    """A run and where its files lie: file as the command calls it -> path."""

    record: RunRecord
    paths: Mapping[str, Path]


class RunsFound(NamedTuple):
    """Runs in the order of the chain, and sentences on what could not be read."""

    runs: list[FoundRun]
    warnings: list[str]


def find_runs(directory: Path, page: Path) -> RunsFound:
    """Look for run.json and PREFIX.run.json at any depth; hidden directories are passed over.

    page   : where the page will lie; paths of files are relative to it
    raises InputError when there is no such directory
    """
    if not directory.is_dir():
        raise InputError(f"{directory}: there is no such directory; name one with results in it")
    warnings: list[str] = []
    runs = []
    for path in sorted(_records(directory)):
        record = _read_record(path, warnings)
        if record is not None:
            run = _found(path, record, directory, page)
            lacking = [x for x in ALWAYS.get(run.record.command, ()) if x not in run.paths]
            if lacking:
                warnings.append(
                    f"{path}: shown in part, because {' and '.join(lacking)} beside it "
                    f"{'is' if len(lacking) == 1 else 'are'} missing; run it again."
                )
            runs.append(run)
    runs.sort(key=lambda run: (_rank(run.record.command), run.record.place, run.record.name))
    return RunsFound(runs, warnings)


def _records(directory: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if name == RECORD or (name.endswith(f".{RECORD}") and not name.startswith(".")):
                yield Path(place, name)


def _read_record(path: Path, warnings: list[str]) -> dict[str, Any] | None:
    """A record of genomed, or None with a warning where it is damaged; others are not ours."""
    try:
        if path.stat().st_size > LARGEST_RECORD:
            raise ValueError("it is too large")
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        warnings.append(f"{path}: not shown, because it cannot be read ({why}).")
        return None
    if not isinstance(record, dict) or record.get("program") != "genomed":
        warnings.append(f"{path}: not shown, because genomed did not write it.")
        return None
    if not isinstance(record.get("command"), str):
        warnings.append(f"{path}: not shown, because it does not say which command wrote it.")
        return None
    return record


def _found(path: Path, record: dict[str, Any], directory: Path, page: Path) -> FoundRun:
    prefix = path.name.removesuffix(RECORD)
    paths = {
        one.name.removeprefix(prefix): one
        for one in sorted(path.parent.iterdir())
        if one.is_file() and one.name.startswith(prefix) and not one.name.startswith(".")
    }
    name = prefix.rstrip(".") or path.parent.name.removesuffix(".training")
    place = path.parent.relative_to(directory).as_posix()
    files = {name: _relative(one, page.parent) for name, one in paths.items()}
    run = RunRecord(record["command"], name, "" if place == "." else place, files, record)
    return FoundRun(run, paths)


def _relative(path: Path, start: Path) -> str:
    return Path(os.path.relpath(path.resolve(), start.resolve())).as_posix()


def _rank(command: str) -> tuple[int, str]:
    return (CHAIN.index(command) if command in CHAIN else len(CHAIN), command)


def load_tables(found: FoundRun, needs: Sequence[Need]) -> RunRecord:
    """The run with the tables that are wanted of its command.

    raises InputError when a table cannot be read, lacks a column that is asked for, or is of
    another run
    """
    run = found.record
    tables = {}
    for need in needs:
        path = found.paths.get(need.file)
        if need.command != run.command or path is None:
            continue
        try:
            _check_origin(path, run.record)
            table = _scan(path)
            tables[need.key] = (need.query(table) if need.query else table).collect(
                engine="streaming"
            )
        except (pl.exceptions.PolarsError, OSError) as error:
            why = str(error).partition("\n")[0]
            raise InputError(
                f"{path}: cannot be read as the table of `genomed {run.command}` ({why}); run it "
                "again, or move its directory away"
            ) from None
    return RunRecord(run.command, run.name, run.place, run.files, run.record, tables)


def _check_origin(path: Path, record: Mapping[str, Any]) -> None:
    """A Parquet table says what made it, as run.json does; both must say the same."""
    if path.suffix != ".parquet":
        return
    told = json.loads(pl.read_parquet_metadata(path).get("genomed", "{}"))
    differing = [key for key, value in told.items() if record.get(key) != value]
    if differing:
        raise InputError(
            f"{path}: is of another run than its run.json, whose {' and '.join(differing)} "
            f"{'differs' if len(differing) == 1 else 'differ'}; run one of them again, or move it "
            "away"
        )


def _scan(path: Path) -> pl.LazyFrame:
    if path.suffix == ".parquet":
        return pl.scan_parquet(path)
    return pl.scan_csv(
        path, separator="\t", quote_char=None, infer_schema_length=None, schema_overrides=_TEXTS
    )


def sample_names(found: Sequence[FoundRun]) -> set[str]:
    """Every sample that any table of the runs names."""
    names: set[str] = set()
    for run in found:
        sample = run.record.record.get("sample")
        if isinstance(sample, str):
            names.add(sample)
        for wanted in PEOPLE.get(run.record.command, ()):
            for file, columns in wanted.items():
                if file in run.paths:
                    names |= _names_in(run.paths[file], columns)
    return names


def _names_in(path: Path, columns: Sequence[str]) -> set[str]:
    if path.suffix == ".psam":
        return set(_psam_names(path))
    try:
        whole = _scan(path)
        present = [c for c in columns if c in whole.collect_schema().names()]
        table = whole.select(pl.col(present).cast(pl.Utf8)).unique().collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        why = str(error).partition("\n")[0]
        raise InputError(
            f"{path}: its people cannot be read ({why}); run the command again"
        ) from None
    texts = {text for column in table.columns for text in table[column].drop_nulls().to_list()}
    if path.name == READS:  # the sample of a file, or several with commas between
        return {name for text in texts for name in text.split(",")}
    return texts


def _psam_names(path: Path) -> Iterator[str]:
    """IIDs of a .psam that genomed wrote: the first column, or the second beside #FID."""
    column = 0
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            words = line.rstrip("\n").split("\t")
            if line.startswith("#"):
                column = 1 if words[0] == "#FID" else 0
            elif words[0]:
                yield words[column]
