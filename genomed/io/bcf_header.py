"""The header of a BCF: the text of a VCF header, and the numbers its records use for names."""

from __future__ import annotations

import re
from typing import NamedTuple

from genomed.errors import InputError
from genomed.io.vcf_header import parse_header

__all__ = ["MAGIC", "BcfHeader", "parse_bcf_header"]

MAGIC = b"BCF\x02"
_DECLARATION = re.compile(r"##(contig|FILTER|INFO|FORMAT)=<(.*)>\s*$")
_ID = re.compile(r"(?:^|,)\s*ID=([^,]*)")
_INDEX = re.compile(r"(?:^|,)\s*IDX=(\d+)")


class BcfHeader(NamedTuple):
    """What the records of a BCF refer to.

    samples : names in file order
    contigs : name -> length or None
    names   : contig name by its number in records; "" for a number without a name
    keys    : number of each FILTER, INFO and FORMAT name
    notes   : leniency code -> times taken
    text    : of the header, without the IDX numbers
    """

    samples: list[str]
    contigs: dict[str, int | None]
    names: list[str]
    keys: dict[str, int]
    notes: dict[str, int]
    text: bytes


def parse_bcf_header(text: bytes, path: str) -> BcfHeader:
    """Read the header text; numbers follow VCF 4.3 section 6.2.1 (implicit PASS, IDX=)."""
    text = text.rstrip(b"\0")
    start = text.rfind(b"\n#CHROM")
    if start < 0:
        raise InputError(
            f"{path}: its header has no #CHROM line; the file is damaged, make it again"
        )
    stop = text.find(b"\n", start + 1)
    header = parse_header(text if stop < 0 else text[: stop + 1], path)
    keys = {"PASS": 0}
    contigs: dict[int, str] = {}
    for line in text[:start].decode(errors="backslashreplace").split("\n"):
        found = _DECLARATION.match(line.rstrip("\r"))
        name = found and _ID.search(found[2])
        if not found or not name:
            continue
        index = _INDEX.search(found[2])
        if found[1] == "contig":
            contigs[int(index[1]) if index else len(contigs)] = name[1].strip()
        elif name[1] not in keys:
            keys[name[1]] = int(index[1]) if index else len(keys)
    names = [contigs.get(i, "") for i in range(max(contigs, default=-1) + 1)]
    return BcfHeader(
        header.samples, header.contigs, names, keys, header.notes, _without_numbers(header.text)
    )


def _without_numbers(text: bytes) -> bytes:
    """The header as a VCF has it."""
    return re.sub(rb",IDX=\d+(?=>\r?$)", b"", text, flags=re.MULTILINE).replace(b"\r\n", b"\n")
