"""What a conversion is asked for: inputs opened and compared, lists read, people known."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError, UsageError
from genomed.io.bgzf import TextStream
from genomed.io.cohort import open_cohort
from genomed.io.formats import cohort_format
from genomed.io.plink_tables import companion_paths, read_samples
from genomed.io.psam import (
    PEOPLE,
    merge_people,
    read_people,
    read_sample_file,
    unknown_people,
)
from genomed.io.pvar import PvarFields
from genomed.regions import canonical_contig
from genomed.schema import Reader, Wanted
from genomed.settings import ConvertSettings

__all__ = [
    "ConvertInputs",
    "Listed",
    "Source",
    "files_of",
    "first_of_everybody",
    "gather_people",
    "open_sources",
    "read_list",
]

PROVISIONAL = 2  # bits 6 and 7 of a .pgen's control byte: REF may be ALT; 3: of some variants


@dataclass(frozen=True)
class ConvertInputs:
    """What to convert; None and empty mean "not given".

    people  : .psam or .fam files, and tables of IID and SEX, later ones winning
    explain : variants, ``contig:position:ref:alt``
    """

    paths: Sequence[str]
    samples: Sequence[str] | None = None
    region: str | None = None
    variants: Path | None = None
    reference: Path | None = None
    people: Sequence[Path] = ()
    explain: Sequence[str] = ()

    @property
    def files(self) -> list[Path]:
        """Every file whose content decides the result."""
        beside = [p for p in (self.variants, self.reference, *self.people) if p is not None]
        return [file for path in self.paths for file in files_of(path)] + beside


@dataclass
class Source:
    """One input.

    people      : what is known of its samples
    provisional : whether REF may be ALT, as in a .bed
    table       : the .pvar, which holds QUAL, FILTER and INFO
    """

    path: str
    reader: Reader
    people: pl.DataFrame
    provisional: bool = False
    table: Path | None = None

    @property
    def header(self) -> list[str]:
        """``##`` lines of a VCF, BCF or .pvar; none of other formats."""
        if self.table is not None:
            with closing(PvarFields(self.table)) as fields:
                return fields.header
        text: bytes = getattr(self.reader, "header_text", b"")
        lines = text.decode(errors="backslashreplace").splitlines()
        return [line for line in lines if line.startswith("##")]

    @property
    def is_gvcf(self) -> bool:
        """Whether the header declares what reference blocks need."""
        marks = ("##ALT=<ID=NON_REF", "##ALT=<ID=*", "##GVCFBlock")
        return any(line.startswith(marks) for line in self.header)


@dataclass(frozen=True)
class Listed:
    """Variants named in a list.

    ids       : variant IDs
    positions : canonical contig -> position -> (ref, alt) pairs; none for any alleles
    """

    ids: frozenset[str] = frozenset()
    positions: dict[str, dict[int, set[tuple[str, str]]]] = field(default_factory=dict)

    def wanted(self) -> Wanted:
        """What a reader must not pass over."""
        places = {c: np.array(sorted(at), np.int64) for c, at in self.positions.items()}
        return Wanted(places, self.ids)

    def holds(self, rows: pl.DataFrame) -> np.ndarray:
        """Which rows (contig position id ref alt) are listed: bool (rows,)."""
        found = rows["id"].is_in(list(self.ids)).fill_null(False).to_numpy()
        columns = zip(
            *(rows[c].to_list() for c in ("contig", "position", "ref", "alt")), strict=True
        )
        for v, (contig, position, ref, alt) in enumerate(columns):
            at = self.positions.get(canonical_contig(contig), {})
            if not found[v] and position in at:
                found[v] = not at[position] or (ref, alt) in at[position]
        return found


def open_sources(
    inputs: ConvertInputs,
    settings: ConvertSettings,
    threads: int,
    max_batch_bytes: int,
    stream: TextStream | None = None,
) -> list[Source]:
    """Open every input and see that all have the same samples in the same order.

    stream : the first input, already opened and inflating
    raises : InputError that names the first difference
    """
    if not inputs.paths:
        raise UsageError("nothing to convert; name at least one file")
    if "-" in inputs.paths and len(inputs.paths) > 1:
        raise UsageError("standard input cannot be one of several inputs; save it to a file first")
    sources: list[Source] = []
    for path in inputs.paths:
        _check_options(path, settings)
        reader = open_cohort(
            path, samples=inputs.samples, threads=threads, dosage=settings.dosage,
            max_batch_bytes=max_batch_bytes, stream=stream if not sources else None,
            call_thresholds=(settings.min_dp, settings.min_gq), phase=settings.phase,
            fields=("qual", "filter", "info") if settings.info else ("qual", "filter"),
        )  # fmt: skip
        if not reader.samples:
            reader.close()
            raise InputError(f"{path}: has no samples; a store needs at least one")
        if len(inputs.paths) > 1 or settings.gvcf:
            reader.close()  # opened again when its turn comes
        sources.append(_source(path, reader))
        if not settings.gvcf:
            _compare(sources[0], sources[-1])
    return sources


def _check_options(path: str, settings: ConvertSettings) -> None:
    """Refuse options that a format cannot honour."""
    kind = cohort_format(path)
    asked: dict[str, object] = {
        "--min-gq": settings.min_gq,
        "--min-dp": settings.min_dp,
        "--gvcf": settings.gvcf,
    }
    if settings.gvcf and kind == "bcf" and (settings.min_block_depth or settings.min_block_quality):
        raise UsageError(
            f"{path}: depth and quality of reference blocks are not read from BCF; make it VCF.gz "
            "with `bcftools view -Oz`, or give --min-block-depth 0 --min-block-quality 0"
        )
    if kind in ("bed", "bgen"):
        asked |= {"--filter": settings.filters, "--info": settings.info}
    for option, value in asked.items():
        if value and kind not in ("vcf", "bcf"):
            raise UsageError(f"{path}: a {kind.upper()} has nothing for {option}; leave it out")


def _compare(first: Source, other: Source) -> None:
    here, there = first.reader.samples, other.reader.samples
    if here == there:
        return
    for number, (a, b) in enumerate(zip(here, there, strict=False), 1):
        if a != b:
            what = f"sample {number} is {b!r}, but in {first.path} it is {a!r}"
            break
    else:
        what = f"has {len(there)} samples, but {first.path} has {len(here)}"
    remedy = "`bcftools view -S` puts them so"
    if first.is_gvcf and other.is_gvcf:
        remedy = "gVCFs of different people are put side by side with --gvcf"
    raise InputError(
        f"{other.path}: {what}; the inputs of one store need the same samples in the same order "
        f"({remedy})"
    )


def _source(path: str, reader: Reader) -> Source:
    kind = cohort_format(path)
    people = unknown_people(reader.samples)
    if kind == "bgen" and (table := Path(path).with_suffix(".sample")).is_file():
        people, _ = merge_people(people, read_sample_file(table), table)
    if kind not in ("pgen", "bed"):
        return Source(path, reader, people)
    genotypes, variants, table = companion_paths(Path(path))
    told = read_people(table, repeated=True)
    told = told.with_columns(pl.Series("sample", read_samples(table).names))
    people, _ = merge_people(people, told, table)
    provisional = kind == "bed" or _is_provisional(genotypes)
    return Source(path, reader, people, provisional, None if kind == "bed" else variants)


def _is_provisional(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    return len(head) == 12 and head[11] >> 6 >= PROVISIONAL


def files_of(path: str) -> list[Path]:
    """The files that one input consists of; none for standard input."""
    if path == "-":
        return []
    kind = cohort_format(path)
    if kind in ("pgen", "bed"):
        return list(companion_paths(Path(path)))
    return [Path(path)]


def first_of_everybody(sources: Sequence[Source]) -> list[Source]:
    """Sources without those that are further parts of an earlier one: of the same samples."""
    first = {tuple(source.reader.samples): source for source in reversed(sources)}
    return [source for source in sources if first[tuple(source.reader.samples)] is source]


def gather_people(
    sources: Sequence[Source], files: Sequence[Path], side_by_side: bool = False
) -> tuple[pl.DataFrame, list[str]]:
    """Who the samples of a store are, and sentences on who was not found.

    side_by_side : the inputs are of different people, or parts by contig of the same
    returns : columns of genomed.io.psam.PEOPLE and phenotypes, in the order of the store
    raises  : InputError when a name cannot stand in a .psam
    """
    people, said = sources[0].people, []
    if side_by_side:
        parts = first_of_everybody(sources)
        people = pl.concat([source.people.select(list(PEOPLE)) for source in parts])
        twice = people.filter(people["sample"].is_duplicated())["sample"]
        if len(twice):
            raise InputError(
                f"sample {twice[0]!r} is in two of the inputs; give everybody's gVCF once"
            )
    for path in files:
        people, words = merge_people(people, read_people(path), path)
        said += words
    for name in people["sample"]:
        if name == "0" or name.split() != [name]:
            raise InputError(
                f"{sources[0].path}: sample {name!r} cannot be named in a .psam, where names have "
                "no blanks and 0 is nobody; rename it with `bcftools reheader -s`"
            )
    return people, said


def read_list(path: Path) -> Listed:
    """Read variants, one a line: an ID, contig:position, contig:position:ref:alt, or contig and
    position in columns of their own.

    raises : InputError when the file cannot be read or names nothing
    """
    try:
        text = path.read_text(errors="backslashreplace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    ids: set[str] = set()
    positions: dict[str, dict[int, set[tuple[str, str]]]] = {}
    for line in text.splitlines():
        cells = line.split()
        if not cells or line.startswith("#"):
            continue
        place = cells[0].split(":") if ":" in cells[0] else cells
        if len(place) >= 2 and place[1].isdigit():
            at = positions.setdefault(canonical_contig(place[0]), {})
            alleles = {(place[2].upper(), place[3].upper())} if len(place) == 4 else set()
            known = at.get(int(place[1]))
            at[int(place[1])] = alleles if known is None else known and alleles and known | alleles
        else:
            ids.add(cells[0])
    if not ids and not positions:
        raise InputError(f"{path}: names no variants; give IDs or contig:position, one a line")
    return Listed(frozenset(ids), positions)
