"""The text header of a VCF: contigs, samples, and the few declarations a reader needs."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from genomed.errors import InputError

__all__ = ["VcfHeader", "decode_text", "parse_header", "spellings"]

FIXED_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_CONTIG = re.compile(r"##contig=<(.*)>\s*$")
_ID = re.compile(r"(?:^|,)\s*ID=([^,]*)")
_LENGTH = re.compile(r"(?:^|,)\s*length=(\d+)")


@dataclass(frozen=True)
class VcfHeader:
    """What the header says.

    samples : names in file order
    contigs : name -> length, or None where it is not given
    n_fixed : columns before the samples, 8 or 9
    n_lines : lines up to and with #CHROM
    notes   : leniency code -> times taken
    reference : what ##reference says, or ""
    text    : all of it, as it lies in the file
    """

    samples: list[str]
    contigs: dict[str, int | None]
    n_fixed: int
    n_lines: int
    reference: str = ""
    notes: dict[str, int] = field(default_factory=dict)
    text: bytes = field(default=b"", repr=False)


def decode_text(data: bytes, notes: dict[str, int]) -> str:
    """UTF-8, or with undecodable bytes as \\xNN and a note."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        notes["not_utf8"] = notes.get("not_utf8", 0) + 1
        return data.decode("utf-8", errors="backslashreplace")


def parse_header(data: bytes, path: str) -> VcfHeader:
    """Read all lines up to and with the #CHROM line.

    Raises InputError when a line is neither ## nor #CHROM, when the fixed columns are not the ones
    of the specification, or when a sample name is empty or comes twice.
    """
    notes: dict[str, int] = {}
    lines = decode_text(data, notes).split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines[0].startswith("##fileformat=VCF"):
        if not lines[0].startswith("#"):
            raise InputError(
                f"{path}, line 1: not a VCF: the first line is {lines[0][:40]!r}, "
                "not '##fileformat=VCFv4.x'"
            )
        notes["no_fileformat"] = 1
    contigs: dict[str, int | None] = {}
    reference = ""
    for line in lines[:-1]:
        match = _CONTIG.match(line)
        if match:
            name = _ID.search(match[1])
            length = _LENGTH.search(match[1])
            if name:
                contigs[name[1].strip()] = int(length[1]) if length else None
        elif line.startswith("##reference="):
            reference = line[len("##reference=") :].strip()
    last = lines[-1]
    if last.endswith("\r"):
        notes["crlf"] = 1
        last = last[:-1]
    n_fixed, samples = _columns(last.split("\t"), len(lines), path)
    return VcfHeader(samples, contigs, n_fixed, len(lines), reference, notes, data)


def _columns(columns: list[str], line: int, path: str) -> tuple[int, list[str]]:
    if tuple(columns[:8]) != FIXED_COLUMNS:
        odd = next((c for c, f in zip(columns, FIXED_COLUMNS, strict=False) if c != f), None)
        said = f"{odd[:40]!r}" if odd is not None else f"only {len(columns)} columns"
        raise InputError(
            f"{path}, line {line}: the column line is not '{' '.join(FIXED_COLUMNS)}' with tabs "
            f"between (found {said}); mend the header"
        )
    if len(columns) > 8 and columns[8] != "FORMAT":
        raise InputError(
            f"{path}, line {line}: column 9 is {columns[8][:40]!r}, not FORMAT; mend the header"
        )
    samples = columns[9:]
    for name, n in Counter(samples).items():
        if n > 1 or not name:
            what = f"sample {name[:80]!r} comes {n} times" if name else "a sample name is empty"
            raise InputError(
                f"{path}, line {line}: {what}; make names unique with `bcftools reheader -s`"
            )
    return (9 if len(columns) > 8 else 8), samples


def spellings(canonical: str) -> list[str]:
    """Every way a file may spell a canonical contig name (the inverse of canonical_contig)."""
    bare = {
        "MT": ["MT", "M", "26", "mt", "m"],
        "X": ["X", "23", "x", "XY", "25", "PAR1", "PAR2"],
        "Y": ["Y", "24", "y"],
    }.get(canonical, [canonical])
    return [prefix + name for prefix in ("", "chr", "Chr", "CHR") for name in bare]
