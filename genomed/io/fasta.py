"""A reference genome: any stretch of it, without holding it in memory."""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genomed.errors import InputError
from genomed.regions import ContigNames

__all__ = ["Fasta", "Sequence"]

COPY_BYTES = 1 << 22


class Sequence(NamedTuple):
    """Where the bases of one contig lie.

    Base i (0-based) is text[first + i // line_bases * line_bytes + i % line_bases].

    text : uint8, letters of either case, with line ends between
    """

    text: np.ndarray
    first: int
    length: int
    line_bases: int
    line_bytes: int


class Fasta:
    """A FASTA file, plain or compressed, with or without a .fai beside it.

    A plain file is mapped; a compressed one is inflated into a temporary file first. Without an
    index the file is read once to make one, in memory only.

    contigs : name as spelt -> length
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with _inflated(path) if _is_gzip(path) else path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(
                f"{path}: cannot be read as a FASTA ({error}); give the reference genome"
            ) from None
        if self._map[:1] != b">":
            raise InputError(f"{path}: does not begin with '>'; give a FASTA")
        self._text = np.frombuffer(self._map, np.uint8)
        index = path.with_name(path.name + ".fai")
        self._places = _read_index(index) if index.is_file() else self._survey()
        self._check(index)
        self.contigs = {name: place[1] for name, place in self._places.items()}
        self._names, self._bounds = ContigNames(self._places), list(self._places.values())

    def sequence(self, contig: str) -> Sequence | None:
        """The contig under any of its usual spellings (chr1 or 1), or None."""
        at = self._names.place(contig)
        return None if at is None else Sequence(self._text, *self._bounds[at])

    def _check(self, index: Path) -> None:
        for name, (first, length, line_bases, line_bytes) in self._places.items():
            last = first + max(length - 1, 0) // line_bases * line_bytes
            if last + (max(length - 1, 0)) % line_bases >= len(self._text) or first < 1:
                raise InputError(
                    f"{index}: does not fit {self.path} (contig {name}); make it again with "
                    "`samtools faidx`"
                )

    def _survey(self) -> dict[str, tuple[int, int, int, int]]:
        """Name -> first base, length, bases and bytes of a line, by reading all headers."""
        places: dict[str, tuple[int, int, int, int]] = {}
        at = 0
        while at >= 0:
            stop = self._map.find(b"\n", at)
            if stop < 0:
                break
            name = self._map[at + 1 : stop].split()[:1]
            following = self._map.find(b"\n>", stop)
            end = len(self._map) if following < 0 else following
            if name and name[0].decode(errors="backslashreplace") not in places:
                places[name[0].decode(errors="backslashreplace")] = self._lines(stop + 1, end)
            at = following + 1 if following >= 0 else -1
        return places

    def _lines(self, first: int, end: int) -> tuple[int, int, int, int]:
        """Measure the lines text[first:end] of one contig; all but the last must be as long."""
        stop = self._map.find(b"\n", first, end)
        if stop < 0:  # one line
            text = self._map[first:end].rstrip()
            return first, len(text), max(len(text), 1), max(len(text), 1) + 1
        line_bytes = stop + 1 - first
        line_bases = len(self._map[first:stop].rstrip(b"\r"))
        while end > first and self._map[end - 1 : end] in (b"\n", b"\r"):
            end -= 1
        n_whole, rest = divmod(end - first, line_bytes)
        ends = self._text[first + line_bytes - 1 : end : line_bytes]
        breaks = int((self._text[first:end] == 10).sum()) if n_whole else 0
        if not line_bases or (ends != 10).any() or breaks != len(ends):
            raise InputError(
                f"{self.path}: lines of one contig differ in length near byte {first}; write it "
                "again with `samtools faidx` or `seqkit seq -w 60`"
            )
        return first, n_whole * line_bases + min(rest, line_bases), line_bases, line_bytes


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _inflated(path: Path) -> Any:
    from zlib_ng import gzip_ng  # noqa: PLC0415 - few references are compressed

    plain = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with gzip_ng.open(path) as source:
        while block := source.read(COPY_BYTES):
            plain.write(block)
    plain.flush()
    return plain


def _read_index(path: Path) -> dict[str, tuple[int, int, int, int]]:
    """A .fai: name, length, first byte, bases and bytes of a line (samtools faidx)."""
    places = {}
    for number, line in enumerate(path.read_text(errors="backslashreplace").splitlines(), 1):
        cells = line.split("\t")
        if len(cells) < 5 or not all(cell.isdigit() for cell in cells[1:5]):
            raise InputError(
                f"{path}, line {number}: not a line of a FASTA index; make it again with "
                "`samtools faidx`"
            )
        length, first, line_bases, line_bytes = map(int, cells[1:5])
        places[cells[0]] = (first, length, max(line_bases, 1), max(line_bytes, 1))
    return places
