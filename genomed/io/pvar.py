"""Write a .pvar as plink2 and regenie read it, its columns settled only when all rows are known.

Format: https://www.cog-genomics.org/plink/2.0/formats#pvar. The first five columns are #CHROM POS
ID REF ALT, which regenie insists on; QUAL, FILTER and INFO follow where any variant has a value.
Human contigs lose ``chr``, as plink2 writes them by default (1 .. 22, X, Y, MT).
"""

from __future__ import annotations

import io
import re
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from genomed.regions import AUTOSOMES

__all__ = [
    "OPTIONAL",
    "PvarFields",
    "PvarPart",
    "contig_rank",
    "header_text",
    "merge_headers",
    "pvar_contig",
    "write_pvar",
]

OPTIONAL = ("qual", "filter", "info")
_FIXED = ("contig", "position", "id", "ref", "alt")
# Human contigs in the order of plink2 --sort-vars.
_HUMAN = {
    name: rank for rank, name in enumerate([*AUTOSOMES, "PAR1", "X", "PAR2", "XY", "Y", "MT"])
}
_ODD = {"M": "MT", "23": "X", "24": "Y", "25": "XY", "26": "MT"}
_TSV: dict[str, Any] = {
    "separator": "\t",
    "quote_style": "never",
    "null_value": ".",
    "include_header": False,
}
_KEYED = re.compile(r"##(contig|FILTER|INFO|ALT)=<(?:.*,)?ID=([^,>]+)")
_LEFT_OUT = ("##fileformat=", "##fileDate=", "##source=", "##FORMAT=")
COPY_BYTES = 1 << 20


def pvar_contig(name: str) -> str:
    """A contig as plink2 spells it: human ones bare (``chrM`` -> ``MT``), others as they are."""
    bare = name[3:] if name[:3].lower() == "chr" else name
    upper = bare.upper()
    known = _ODD.get(upper, upper)
    return known if known in _HUMAN else name


def contig_rank(name: str) -> tuple[int, str]:
    """What contigs are sorted by: 1 .. 22, X, Y, MT, then others by name."""
    spelt = pvar_contig(name)
    return _HUMAN.get(spelt, len(_HUMAN)), spelt


@dataclass
class PvarPart:
    """Rows of a .pvar without header, in a file of their own.

    segments : runs of lines with the same optional columns: [first byte, one after the last,
               names of the columns]; a column is left out of a run that has no value in it
    contigs  : contigs as spelt in the source, in order of appearance
    n_blanks : blanks in IDs, FILTER or INFO that became underscores, as .pvar has no quotes
    """

    path: Path
    segments: list[tuple[int, int, tuple[str, ...]]] = field(default_factory=list)
    contigs: list[str] = field(default_factory=list)
    n_rows: int = 0
    n_blanks: int = 0

    def append(self, rows: pl.DataFrame) -> None:
        """Write rows.

        rows : contig · position · id · ref · alt, and any of qual · filter · info: text, "." or
               null for none
        """
        if rows.is_empty():
            return
        names = rows["contig"].unique(maintain_order=True).to_list()
        self.contigs += [name for name in names if name not in self.contigs]
        present = tuple(c for c in OPTIONAL if c in rows.columns and (rows[c] != ".").any())
        text = _lines(rows, names, present)
        if b" " in text:
            text = _lines(self._without_blanks(rows, present), names, present)
        with self.path.open("ab") as file:
            start = file.tell()
            stop = start + file.write(text)
        if self.segments and self.segments[-1][2] == present:
            start, _, _ = self.segments.pop()
        self.segments.append((start, stop, present))
        self.n_rows += len(rows)

    def _without_blanks(self, rows: pl.DataFrame, present: Sequence[str]) -> pl.DataFrame:
        for name in ("id", *present):
            n_odd = int(rows[name].str.contains(" ", literal=True).sum())
            if n_odd:
                self.n_blanks += n_odd
                rows = rows.with_columns(pl.col(name).str.replace_all(" ", "_", literal=True))
        return rows


def _lines(rows: pl.DataFrame, contigs: Sequence[str], present: Sequence[str]) -> bytes:
    """Rows as text of a .pvar."""
    spelling = {name: pvar_contig(name) for name in contigs}
    contig = pl.col("contig")
    if any(name != spelt for name, spelt in spelling.items()):
        contig = contig.replace(spelling)
    return rows.select(contig, *_FIXED[1:], *present).write_csv(**_TSV).encode()


class PvarFields:
    """QUAL, FILTER and INFO of a .pvar, for rows that come in the order of the file.

    header  : ``##`` lines
    columns : those of OPTIONAL that the file has
    """

    def __init__(self, path: Path) -> None:
        self._lines = self._read(path)
        self.header: list[str] = []
        names: list[str] = []
        for line in self._lines:
            if not line.startswith("##"):
                names = line.lower().split()
                break
            self.header.append(line)
        self.columns = tuple(c for c in OPTIONAL if c in names)
        self._places = [names.index(c) for c in self.columns]
        self._n_read = 0

    def add(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows (line, rising) with their columns, and `alt_number` as the VCF readers give it."""
        if not self.columns:
            return rows
        line = rows["line"]
        cells = [self._cells(number) for number in line.unique(maintain_order=True)]
        table = pl.DataFrame(
            {c: [row[n] for row in cells] for n, c in enumerate(self.columns)},
            schema=dict.fromkeys(self.columns, pl.Utf8),
        ).with_columns(line.unique(maintain_order=True))
        number = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("line")
        return rows.join(table, on="line", how="left", maintain_order="left").with_columns(
            pl.when(pl.col("n_alts") > 0).then(number).otherwise(0).alias("alt_number")
        )

    def close(self) -> None:
        """Let go of the file."""
        self._lines.close()

    def _cells(self, number: int) -> list[str]:
        """The columns of variant `number` (from 1), which lies behind those asked for before."""
        while self._n_read < number:
            line = next(self._lines)
            self._n_read += bool(line.strip())
        cells = line.split()
        return [cells[place] for place in self._places]

    @staticmethod
    def _read(path: Path) -> Generator[str, None, None]:
        with open_text(path) as file:
            for raw in file:
                yield raw.decode(errors="backslashreplace").rstrip("\r\n")


def open_text(path: Path) -> Any:
    """Open a table, .zst or not, for reading line by line."""
    if path.suffix != ".zst":
        return path.open("rb")
    import zstandard  # noqa: PLC0415 - only compressed tables should pay for it

    stream = zstandard.ZstdDecompressor().stream_reader(
        path.open("rb"), read_across_frames=True, closefd=True
    )
    return io.BufferedReader(stream)


def write_pvar(path: Path, parts: Sequence[PvarPart], header: Sequence[str]) -> tuple[str, ...]:
    """Put parts one after the other below a header; a path ending in .zst is compressed.

    header  : ``##`` lines of the sources, see merge_headers
    returns : the optional columns
    raises  : OSError when there is no room
    """
    used = {c for part in parts for _, _, columns in part.segments for c in columns}
    columns = tuple(c for c in OPTIONAL if c in used)
    contigs = [c for part in parts for c in part.contigs]
    with _create(path) as out:
        out.write(header_text(header, contigs, columns).encode(errors="surrogateescape"))
        for part in parts:
            if part.n_rows:
                with part.path.open("rb") as source:
                    for start, stop, present in part.segments:
                        source.seek(start)
                        _copy(source, stop - start, out, present, columns)
    return columns


def merge_headers(headers: Iterable[Sequence[str]]) -> list[str]:
    """``##`` lines of several files: each once, and one per contig, FILTER, INFO and ALT."""
    merged: dict[Any, str] = {}
    for lines in headers:
        for line in lines:
            keyed = _KEYED.match(line)
            merged.setdefault(keyed.groups() if keyed else line, line)
    return list(merged.values())


def header_text(lines: Iterable[str], contigs: Sequence[str], columns: Sequence[str]) -> str:
    """The ``##`` lines that plink2 keeps on import, and the column line.

    Left out are lines about FORMAT and the file itself, contigs without a variant, FILTER and INFO
    without their column, and what plink2 cannot export again (``##key=<...>`` without an ID).
    """
    present = {pvar_contig(name) for name in contigs}
    kept = [line for line in lines if _is_kept(line, present, columns)]
    names = ("#CHROM", "POS", "ID", "REF", "ALT", *(c.upper() for c in columns))
    return "".join(f"{line}\n" for line in [*kept, "\t".join(names)])


def _is_kept(line: str, contigs: set[str], columns: Sequence[str]) -> bool:
    if not line.startswith("##") or line.startswith(_LEFT_OUT):
        return False
    keyed = _KEYED.match(line)
    if keyed is None:
        return not re.match(r"##[^=]+=<", line) or bool(re.match(r"##[^=]+=<(.*,)?ID=", line))
    kind, name = keyed.groups()
    if kind == "contig":
        return pvar_contig(name) in contigs
    if kind == "INFO":
        return "info" in columns and name != "PR"  # plink2 keeps PR for itself
    return kind != "FILTER" or "filter" in columns


def _create(path: Path) -> Any:
    """A new file, or one that compresses what is written to it."""
    if path.suffix != ".zst":
        return path.open("wb")
    import zstandard  # noqa: PLC0415 - only compressed tables should pay for it

    return zstandard.ZstdCompressor(level=3).stream_writer(path.open("wb"), closefd=True)


def _copy(
    source: BinaryIO, n: int, out: Any, present: Sequence[str], columns: Sequence[str]
) -> None:
    """Copy n bytes of lines, with a dot in each of `columns` that is not `present`."""
    if present == columns:
        while n > 0:
            block = source.read(min(n, COPY_BYTES))
            out.write(block)
            n -= len(block)
        return
    places = [5 + present.index(c) if c in present else None for c in columns]
    while n > 0:
        line = source.readline()
        n -= len(line)
        cells = line.rstrip(b"\n").split(b"\t")
        extra = [b"." if place is None else cells[place] for place in places]
        out.write(b"\t".join([*cells[:5], *extra]) + b"\n")
