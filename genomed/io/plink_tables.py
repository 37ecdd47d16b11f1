"""The tables beside a PLINK genotype file: .psam and .fam name samples, .pvar and .bim variants.

Formats: https://www.cog-genomics.org/plink/2.0/formats and .../plink/1.9/formats.
A .bim's column 5 (A1) is read as ALT and column 6 (A2) as REF, as plink2 does.
"""

from __future__ import annotations

import io
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.formats import COMPANIONS
from genomed.io.selection import OrderWatch, RowSelector
from genomed.io.variant_frame import Cells, Records, find_cells, text_columns
from genomed.kernels import variant_rows
from genomed.schema import ReadCounts
from genomed.threads import in_order

__all__ = ["Companions", "SampleTable", "VariantTable", "companion_paths", "read_samples"]

T = TypeVar("T")

BLOCK_BYTES = 1 << 20  # read at a time: it stays in the cache between the kernels

_EXTENSIONS = {
    ".pgen": ((".pvar", ".pvar.zst", ".bim"), (".psam", ".fam")),
    ".bed": ((".bim", ".pvar", ".pvar.zst"), (".fam", ".psam")),
}
_MALE = {"1", "M", "m", "male", "Male", "MALE"}
_FIELDS = {"#CHROM": 0, "POS": 1, "ID": 2, "REF": 3, "ALT": 4}


class Companions(NamedTuple):
    """The three files of a PLINK fileset."""

    genotypes: Path
    variants: Path
    samples: Path


def companion_paths(path: Path, extensions: Sequence[str] = (".pgen", ".bed")) -> Companions:
    """Find the files of a fileset, given any of them or the prefix they share.

    A missing file, and one of another format, is an InputError that names it.
    """
    for ending, name in COMPANIONS.items():
        if path.name.endswith(ending):
            path = Path(str(path).removesuffix(ending) + "." + name)
    suffix = next((e for e in extensions if path.name.endswith(e) and path.name != e), None)
    prefix = str(path).removesuffix(suffix) if suffix else str(path)
    if suffix is None:
        suffix = next((e for e in extensions if Path(prefix + e).is_file()), None)
    if suffix is None and (path.is_file() or prefix == "-"):
        raise InputError(
            f"{path}: not a genotype store, which can be read many times; make one with "
            f"`genomed convert {shlex.quote(prefix)} --out PREFIX` and give PREFIX"
        )
    if suffix is None or not Path(prefix + suffix).is_file():
        tried = " or ".join(prefix + e for e in ([suffix] if suffix else extensions))
        raise InputError(f"{tried}: no such file; give a {' or '.join(extensions)} or its prefix")
    genotypes = Path(prefix + suffix)
    found = [_first_present(genotypes, prefix, choices) for choices in _EXTENSIONS[suffix]]
    return Companions(genotypes, *found)


def _first_present(genotypes: Path, prefix: str, extensions: Sequence[str]) -> Path:
    for extension in extensions:
        candidate = Path(prefix + extension)
        if candidate.is_file():
            return candidate
    raise InputError(
        f"{genotypes}: its companion {prefix}{extensions[0]} is missing; put it beside the "
        f"{genotypes.suffix} file under the same name"
    )


class SampleTable(NamedTuple):
    """Samples of a .psam or .fam, in its order.

    names   : IID; where IIDs repeat, FID_IID (IID_SID, FID_IID_SID) instead
    male    : bool (samples,)
    renamed : whether names are not the plain IIDs
    columns : name -> place of each column, as the header says; those of a .fam without one
    rows    : the cells of each sample
    """

    names: list[str]
    male: np.ndarray
    renamed: bool
    columns: dict[str, int]
    rows: list[list[str]]


def read_samples(path: Path) -> SampleTable:
    """Read a .psam (with its #FID or #IID header) or a .fam (without one).

    Raises InputError when there is no sample, a row is short, or names cannot be made unique.
    """
    columns = {"#FID": 0, "IID": 1, "SEX": 4}
    needed = 5
    rows: list[list[str]] = []
    text = path.read_bytes().decode(errors="backslashreplace")
    for number, line in enumerate(text.split("\n"), start=1):
        cells = line.split()
        if not cells or line.startswith("##"):
            continue
        if line.startswith(("#FID", "#IID")) and not rows:
            columns = {name: i for i, name in enumerate(cells)}
            needed = 1 + max(columns.get(c, 0) for c in ("#FID", "#IID", "IID", "SID", "SEX"))
            continue
        if len(cells) < needed:
            raise InputError(
                f"{path}, line {number}: has {len(cells)} columns, fewer than its layout needs; "
                "the file may be cut off, make it again from its source"
            )
        rows.append(cells)
    if not rows:
        raise InputError(f"{path}: names no samples; it does not belong to a genotype file")
    names, renamed = _unique_names(path, rows, columns)
    sex = columns.get("SEX")
    male = [sex is not None and row[sex] in _MALE for row in rows]
    return SampleTable(names, np.array(male, np.bool_), renamed, columns, rows)


def _unique_names(
    path: Path, rows: list[list[str]], columns: dict[str, int]
) -> tuple[list[str], bool]:
    """IIDs, or the shortest of FID_IID, IID_SID, FID_IID_SID under which no two samples agree."""
    iid = columns.get("IID", columns.get("#IID"))
    if iid is None:
        raise InputError(f"{path}: its header has no IID column; add one")
    fid, sid = columns.get("#FID"), columns.get("SID")
    for choice in ((iid,), (fid, iid), (iid, sid), (fid, iid, sid)):
        if None not in choice:
            names = ["_".join([row[i] for i in choice if i is not None]) for row in rows]
            if len(set(names)) == len(names):
                return names, choice != (iid,)
    twice = Counter(names).most_common(1)[0][0]
    raise InputError(f"{path}: sample {twice!r} occurs twice; give every sample a name of its own")


class VariantTable:
    """A .pvar, .pvar.zst or .bim, scanned in blocks so that memory does not grow with it.

    contigs : name -> length or None, as the ##contig lines of a .pvar declare them
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.contigs: dict[str, int | None] = {}
        self._field_of_column = self._read_layout()

    def iter_records(
        self, selector: RowSelector, counts: ReadCounts, most: int, *, threads: int = 1
    ) -> Iterator[Records]:
        """Yield the selected records of each block; count all of them.

        most : variants the genotype file has; one more, or one less at the end, is an InputError
        """
        scan = _Scan(self, selector, counts, most)
        for rows in self._in_threads(self._split, threads):
            yield scan.take(rows)
        scan.finish()

    def read_all(self, counts: ReadCounts, most: int, *, threads: int = 1) -> pl.DataFrame:
        """All variants: contig, position, id (null for "."), ref, alt (with its commas), n_alts.

        most : variants the genotype file has; any other number is an InputError
        """
        selector = RowSelector(None, None)
        scan = _Scan(self, selector, counts, most)
        codes, positions, cells = [], [], []
        for rows, own in self._in_threads(self._split_and_join, threads):
            codes.append(scan.see(rows))
            positions.append(rows.position)
            cells.append(own)
        scan.finish()
        if any(own.not_utf8 for own in cells):
            counts.notes["not_utf8"] = 1
        code = np.concatenate([np.zeros(0, np.int32), *codes])
        position = np.concatenate([np.zeros(0, np.int64), *positions])
        contig = pl.Series("contig", selector.contigs, dtype=pl.String).gather(code)
        n_alts = np.concatenate([np.zeros(0, np.int64), *(own.n_alts for own in cells)])
        numbers = pl.Series("position", position), pl.Series("n_alts", n_alts)
        return pl.DataFrame([contig, numbers[0], *text_columns(cells), numbers[1]])

    def survey(self) -> tuple[list[str], np.ndarray]:
        """Contig names in order of appearance, and the number of ALTs of every variant (int32)."""
        selector = RowSelector(None, None)
        scan = _Scan(self, selector, ReadCounts(), 2**62)
        alts = [np.zeros(0, np.int32)]
        for rows in self._in_threads(self._split, 1):
            scan.number(rows)
            alts.append(rows.row_alts)
        return selector.contigs, np.concatenate(alts)

    def _in_threads(self, work: Callable[[np.ndarray], T], threads: int) -> Iterator[T]:
        """Do something with each block, and yield what comes of it in the order of the file."""
        blocks = (block.copy() for block in self._iter_blocks())
        return in_order(blocks, work, max(1, threads), "rows", ahead=threads + 1)

    def _split(self, text: np.ndarray) -> _Rows:
        """Find the fields of a block's rows."""
        n = int(np.count_nonzero(text == variant_rows.NEWLINE))
        start = np.empty((n, variant_rows.N_FIELDS), np.int32)
        stop = np.empty_like(start)
        position, new_contig = np.empty(n, np.int64), np.empty(n, np.bool_)
        alts = np.empty(n, np.int32)
        n, faulty, n_crlf = variant_rows.split_rows(
            text, self._field_of_column, start, stop, position, new_contig, alts
        )
        return _Rows(
            text, start[:n], stop[:n], position[:n], new_contig[:n], alts[:n], faulty, n_crlf
        )

    def _split_and_join(self, text: np.ndarray) -> tuple[_Rows, Cells]:
        rows = self._split(text)
        return rows, find_cells(_join(rows, np.arange(len(rows.position))), len(rows.position))

    def _iter_blocks(self) -> Iterator[np.ndarray]:
        """Whole lines after the header, uint8, each ending with a line feed; buffers are reused."""
        with _open_table(self.path) as file:
            buffer = np.empty(BLOCK_BYTES, np.uint8)
            carried = 0
            in_header = True
            while True:
                if carried >= len(buffer) - 1:
                    buffer = np.concatenate([buffer, np.empty_like(buffer)])
                got = _read_into(self.path, file, buffer[carried:-1])
                filled = carried + got
                if not got and filled and buffer[filled - 1] != 10:
                    buffer[filled] = 10
                    filled += 1
                end = _last_line_end(buffer, filled)
                start = _header_end(buffer, end) if in_header else 0
                in_header = in_header and start == end
                if end > start:
                    yield buffer[start:end]
                carried = filled - end
                buffer[:carried] = buffer[end:filled].copy()
                if not got:
                    return

    def _read_layout(self) -> np.ndarray:
        """Read the header; which field each column holds: int8 (columns,), -1 for none."""
        first: list[str] = []
        with io.BufferedReader(_open_table(self.path)) as file:
            for raw in file:
                line = raw.decode(errors="backslashreplace").rstrip("\r\n")
                if line.startswith("##"):
                    self._declare_contig(line)
                elif line.split():
                    first = line.split()
                    break
        if first and first[0].startswith("#"):
            fields = [_FIELDS.get(name, -1) for name in first]
            missing = [name for name, i in _FIELDS.items() if i not in fields]
            if missing:
                raise InputError(
                    f"{self.path}: its header has no column {missing[0]}; a .pvar needs "
                    "#CHROM POS ID REF ALT"
                )
        else:  # .bim: contig, ID, centimorgans (may be left out), position, ALT, REF
            fields = [0, 2, 1, 4, 3] if len(first) == 5 else [0, 2, -1, 1, 4, 3]
        while fields[-1] < 0:
            fields.pop()
        return np.array(fields, np.int8)

    def _declare_contig(self, line: str) -> None:
        if not line.startswith("##contig=<"):
            return
        entries = dict(
            entry.partition("=")[::2] for entry in line[len("##contig=<") :].rstrip(">").split(",")
        )
        if "ID" in entries:
            length = entries.get("length", "")
            self.contigs[entries["ID"]] = int(length) if length.isdigit() else None


class _Rows(NamedTuple):
    """What split_rows found in one block."""

    text: np.ndarray
    field_start: np.ndarray
    field_stop: np.ndarray
    position: np.ndarray
    new_contig: np.ndarray
    row_alts: np.ndarray
    faulty: int
    n_crlf: int


class _Scan:
    """One pass over a variant table: what must be carried between blocks."""

    def __init__(
        self, table: VariantTable, selector: RowSelector, counts: ReadCounts, most: int
    ) -> None:
        self._table = table
        self._selector = selector
        self._counts = counts
        self._most = most
        self._n_rows = 0
        self._order = OrderWatch()

    def number(self, rows: _Rows) -> np.ndarray:
        """The contigs of the next rows: int32 codes of the selector."""
        if rows.faulty >= 0:
            self._refuse(rows.faulty)
        _note(self._counts, "crlf", rows.n_crlf)
        n = len(rows.position)
        codes = np.empty(n, np.int32)
        changes = np.flatnonzero(rows.new_contig)
        for first, stop in zip(changes, [*changes[1:], n], strict=True):
            name = bytes(rows.text[rows.field_start[first, 0] : rows.field_stop[first, 0]])
            codes[first:stop] = self._selector.code(name.decode(errors="backslashreplace"))
        self._n_rows += n
        return codes

    def take(self, rows: _Rows) -> Records:
        """Select and count the next rows."""
        before = self._n_rows
        codes = self.number(rows)
        self._check_number()
        n = len(codes)
        ref_length = rows.field_stop[:, variant_rows.REF] - rows.field_start[:, variant_rows.REF]
        chosen = self._selector.select(
            rows.text,
            codes,
            rows.position,
            rows.position + ref_length - 1,
            rows.field_start[:, variant_rows.ID],
            rows.field_stop[:, variant_rows.ID],
        )
        placed = chosen[rows.position[chosen] >= 0]
        self._count(rows, codes, len(chosen) - len(placed), n - len(chosen))
        return Records(
            placed + before + 1,
            codes[placed],
            rows.position[placed],
            np.zeros(len(placed), np.int64),
            _join(rows, placed),
            int(rows.row_alts[placed].sum()),
        )

    def see(self, rows: _Rows) -> np.ndarray:
        """Count the next rows, all of which are wanted; their contigs: int32 codes."""
        codes = self.number(rows)
        self._check_number()
        self._count(rows, codes, int(np.count_nonzero(rows.position < 0)), 0)
        return codes

    def finish(self) -> None:
        """Check the number of variants against the genotype file."""
        if self._n_rows != self._most:
            self._disagree(f"{self._n_rows}, not the {self._most}")

    def _check_number(self) -> None:
        if self._n_rows > self._most:
            self._disagree(f"more than the {self._most}")

    def _count(self, rows: _Rows, codes: np.ndarray, n_unplaced: int, n_passed_over: int) -> None:
        counts = self._counts
        n = len(codes)
        counts.n_records += n
        counts.n_passed_over += n_passed_over
        counts.n_emitted += n - n_passed_over - n_unplaced
        if n_unplaced:
            counts.refused["no_position"] = counts.refused.get("no_position", 0) + n_unplaced
        self._order.see(counts, codes, rows.position)

    def _refuse(self, row: int) -> None:
        raise InputError(
            f"{self._table.path}, variant {self._n_rows + row + 1}: has too few columns or a "
            "position that is not a number; the file may be damaged, make it again"
        )

    def _disagree(self, what: str) -> None:
        raise InputError(
            f"{self._table.path}: lists {what} variants of its genotype file; the two files do "
            "not belong together, take both from the same run"
        )


def _join(rows: _Rows, chosen: np.ndarray) -> bytes:
    if len(chosen) == len(rows.position):
        room = len(rows.text)  # a cell and what follows it were there already
    else:
        lengths = rows.field_stop[chosen, 2:] - rows.field_start[chosen, 2:]
        room = int(lengths.sum()) + 3 * len(chosen)
    out = np.empty(room, np.uint8)
    n = variant_rows.join_fields(rows.text, rows.field_start, rows.field_stop, chosen, out)
    return out[:n].tobytes()


def _note(counts: ReadCounts, code: str, times: int) -> None:
    if times:
        counts.notes[code] = counts.notes.get(code, 0) + times


def _open_table(path: Path) -> Any:
    """Open a plain or .zst table for unbuffered reading."""
    if path.suffix != ".zst":
        return path.open("rb", buffering=0)
    import zstandard  # noqa: PLC0415 - 20 ms that only compressed tables should pay

    return zstandard.ZstdDecompressor().stream_reader(
        path.open("rb"), read_across_frames=True, closefd=True
    )


def _read_into(path: Path, file: Any, buffer: np.ndarray) -> int:
    try:
        return file.readinto(buffer.data) or 0
    except Exception as error:
        if type(error).__name__ != "ZstdError":
            raise
        raise InputError(f"{path}: damaged zstandard data ({error}); make it again") from None


def _last_line_end(buffer: np.ndarray, filled: int) -> int:
    """One after the last line feed of buffer[:filled], 0 when there is none."""
    stop = filled
    while stop > 0:
        start = max(0, stop - 4096)
        found = np.flatnonzero(buffer[start:stop] == 10)
        if len(found):
            return start + int(found[-1]) + 1
        stop = start
    return 0


def _header_end(buffer: np.ndarray, end: int) -> int:
    """Where the lines that begin with # are over, in buffer[:end]."""
    text = buffer[:end].tobytes()
    start = 0
    while text.startswith(b"#", start):
        start = text.index(b"\n", start) + 1
    return start
