"""Calls that stay as they are written: the lines of a VCF, to be given back with more INFO."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pysam

from genomed.errors import InputError
from genomed.io.bgzf import TextStream
from genomed.io.vcf_header import VcfHeader, parse_header

__all__ = ["CallBatch", "CallRecords", "InfoField", "annotated", "extended_header", "number_texts"]

MAX_RECORDS = 2000  # of a batch
MAX_SPAN_BP = 200_000
MAX_GAP_BP = 10_000  # between records of a batch
_PLAIN = re.compile(r"[ACGTNacgtn]+")
_MAX_CONTIG_BP = 1 << 31


@dataclass
class CallBatch:
    """Records of one contig that lie near each other, in order.

    lines  : lines of the file, without line end; first_line: number of the first, 1-based
    start  : 0-based place of the first base of REF
    ref    : capital letters
    alts   : as written, capital letters; none where the file has "."
    plain  : of each record, which ALTs are spelt as bases: not "*", "<DEL>" or a breakend
    """

    contig: str
    lines: list[str] = field(default_factory=list)
    first_line: int = 0
    start: list[int] = field(default_factory=list)
    ref: list[str] = field(default_factory=list)
    alts: list[list[str]] = field(default_factory=list)
    plain: list[list[int]] = field(default_factory=list)

    def add(self, line: str, start: int, ref: str, alts: list[str]) -> None:
        """Put a record behind the others."""
        self.lines.append(line)
        self.start.append(start)
        self.ref.append(ref)
        self.alts.append(alts)
        fits = bool(_PLAIN.fullmatch(ref))
        self.plain.append(
            [k for k, alt in enumerate(alts) if fits and alt != ref and _PLAIN.fullmatch(alt)]
        )

    def end(self) -> int:
        """End of the last base of any REF."""
        return max(start + len(ref) for start, ref in zip(self.start, self.ref, strict=True))


class CallRecords:
    """Reads a VCF, compressed or not, or a BCF, sorted by position.

    header  : what its header says; text: the header's lines without line ends
    """

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        self._stream = TextStream(self.path)
        self._is_bcf = self._stream.starts_with_bcf()
        self._lines = self._binary_lines() if self._is_bcf else self._text_lines()
        self.text: list[str] = []
        try:
            self.header: VcfHeader = self._read_header()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._lines.close()
        self._stream.close()

    def batches(self) -> Iterator[CallBatch]:
        """Yield all records.

        Raises InputError for a line that is not a record, and for records out of order.
        """
        batch: CallBatch | None = None
        seen: set[str] = set()
        number = len(self.text)
        for line in self._lines:
            number += 1
            line = line.rstrip("\r")
            if not line:
                continue
            contig, start, ref, alts = self._fields(line, number)
            if batch is None or self._is_apart(batch, contig, start):
                if batch is not None:
                    yield batch
                if batch is None or batch.contig != contig:
                    if contig in seen:
                        raise self._unsorted(number)
                    seen.add(contig)
                elif start < batch.start[-1]:
                    raise self._unsorted(number)
                batch = CallBatch(contig, first_line=number)
            elif start < batch.start[-1]:
                raise self._unsorted(number)
            batch.add(line, start, ref, alts)
        if batch is not None:
            yield batch

    def _read_header(self) -> VcfHeader:
        for line in self._lines:
            self.text.append(line.rstrip("\r"))
            if not line.startswith("##"):
                break
        if not self.text:
            raise InputError(f"{self.path}: is empty; give a VCF or BCF")
        text = "".join(f"{line}\n" for line in self.text)
        return parse_header(text.encode(errors="surrogateescape"), self.path)

    def _is_apart(self, batch: CallBatch, contig: str, start: int) -> bool:
        return (
            batch.contig != contig
            or len(batch.lines) >= MAX_RECORDS
            or start - batch.start[0] > MAX_SPAN_BP
            or start - batch.start[-1] > MAX_GAP_BP
        )

    def _fields(self, line: str, number: int) -> tuple[str, int, str, list[str]]:
        parts = line.split("\t", 8)
        if len(parts) < 8:
            raise InputError(
                f"{self.path}, line {number}: has {len(parts)} columns, not 8 or more; the file "
                "is damaged or not a VCF"
            )
        if not (parts[1].isascii() and parts[1].isdigit() and int(parts[1]) < _MAX_CONTIG_BP):
            raise InputError(
                f"{self.path}, line {number}: POS {parts[1][:20]!r} is not a position; mend or "
                "remove the line"
            )
        alts = [] if parts[4] in (".", "") else parts[4].upper().split(",")
        return parts[0], int(parts[1]) - 1, parts[3].upper(), alts

    def _unsorted(self, number: int) -> InputError:
        return InputError(
            f"{self.path}, line {number}: lies before the record above it; sort the file with "
            "`bcftools sort`"
        )

    def _text_lines(self) -> Generator[str, None, None]:
        rest = b""
        for chunk in self._stream.chunks():
            buffer, n = chunk.fill()
            text = rest + bytes(memoryview(buffer)[:n])
            chunk.release(buffer)
            *lines, rest = text.split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "surrogateescape")
        if rest:
            yield rest.decode("utf-8", "surrogateescape")

    def _binary_lines(self) -> Generator[str, None, None]:
        try:
            with pysam.VariantFile(self.path) as file:
                yield from str(file.header).rstrip("\n").split("\n")
                for record in file:
                    yield str(record).rstrip("\n")
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: cannot be read as BCF ({error})") from None


class InfoField(NamedTuple):
    """One INFO field; number is 1, A (one per ALT) or R (one per allele)."""

    name: str
    number: str
    kind: str
    description: str


def extended_header(
    text: Sequence[str], fields: Sequence[InfoField], facts: Sequence[str] = ()
) -> str:
    """A header with more INFO fields, which replace those of the same name; with its line ends.

    facts : more header lines, without ##
    """
    names = {one.name for one in fields}
    new = {f"##{fact}" for fact in facts}
    kept = [line for line in text[:-1] if _declared(line) not in names and line not in new]
    added = [
        f"##INFO=<ID={one.name},Number={one.number},Type={one.kind},"
        f'Description="{one.description}">'
        for one in fields
    ]
    added += [f"##{fact}" for fact in facts]
    return "\n".join([*kept, *added, text[-1]]) + "\n"


def annotated(line: str, values: Mapping[str, str]) -> str:
    """A record with more INFO, in place of fields of the same names.

    values : name -> text; an empty text leaves the field out
    """
    parts = line.split("\t", 8)
    old = [] if parts[7] in (".", "") else parts[7].split(";")
    old = [one for one in old if one.partition("=")[0] not in values]
    new = [f"{name}={text}" for name, text in values.items() if text]
    parts[7] = ";".join(old + new) or "."
    return "\t".join(parts)


def _declared(line: str) -> str:
    """Name of the INFO field that a header line declares, or nothing."""
    match = re.match(r"##INFO=<ID=([^,>]*)", line)
    return match[1] if match else ""


def number_texts(values: pl.Series, digits: int) -> list[str]:
    """Numbers for a VCF, with so many digits behind the point at most; "." for null."""
    if values.dtype.is_float():
        rounded = values.fill_nan(None).round(digits).cast(pl.Utf8)
        texts = rounded.replace("-0.0", "0.0").str.strip_suffix(".0")
    else:
        texts = values.cast(pl.Utf8)
    return texts.fill_null(".").to_list()
