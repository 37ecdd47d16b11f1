"""Headers of SAM, BAM and CRAM (SAMv1 section 1.3): contigs, read groups, samples, and their rules.

What decides a result is checked in every file. The other rules of the specification are checked in
SAM only: BAM and CRAM of many programs break them, and nothing here depends on them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from genomed.errors import InputError
from genomed.io.fasta import Fasta, Sequence

__all__ = ["AlignmentHeader", "contig_md5", "parse_header", "reference_problem"]

Fields = list[tuple[str, str]]

_PLATFORMS = {
    "CAPILLARY", "DNBSEQ", "ELEMENT", "HELICOS", "ILLUMINA", "IONTORRENT", "LS454", "ONT", "PACBIO",
    "SINGULAR", "SOLID", "ULTIMA",
}  # fmt: skip
_SORTED = {"unknown", "unsorted", "queryname", "coordinate"}
_NAME = re.compile(r"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*")
_PLACE = re.compile(rf"\*|{_NAME.pattern}(:\d+-\d+)?")
_DATE = re.compile(
    r"\d{4}-?\d\d-?\d\d([T ]\d\d(:?\d\d(:?\d\d([.,]\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?"
)
_VERSION = re.compile(r"\d+\.\d+")
_SUB_SORT = re.compile(r"(coordinate|queryname|unsorted)(:[A-Za-z0-9_-]+)+")
_MD5 = re.compile(r"[0-9A-Fa-f]{32}")
MAX_LENGTH = 2**31 - 1


class AlignmentHeader(NamedTuple):
    """What a header says.

    contigs     : names in order; lengths : int64 (contigs,), bases
    md5         : contig -> hex digest of its upper-case bases (M5), where given
    read_groups : read group ID -> sample, "" where the group names none
    sort_order  : SO of @HD, "unknown" without one
    records     : code of a line (HD, SQ, RG, PG) -> tag -> value of every such line
    """

    contigs: list[str]
    lengths: np.ndarray
    md5: dict[str, str]
    read_groups: dict[str, str]
    sort_order: str
    records: dict[str, list[dict[str, str]]]


def parse_header(
    text: str, path: str, binary: list[tuple[str, int]] | None = None
) -> AlignmentHeader:
    """Read the lines of a header; with `binary`, the contigs that a BAM lists beside them.

    Raises InputError that names the line. Without `binary` the file is SAM: all rules are checked.
    """
    records: dict[str, list[dict[str, str]]] = {"HD": [], "SQ": [], "RG": [], "PG": [], "CO": []}
    for number, line in enumerate(text.rstrip("\0\n").split("\n"), 1):
        line = line.rstrip("\r")
        if not line or line.startswith("@CO"):
            continue
        code, fields = _fields(line)
        problem = _problem(code, fields, records, number, strict=binary is None)
        if problem:
            raise InputError(f"{path}, header line {number}: {problem}; correct the header")
        records.setdefault(code, []).append(dict(fields))
    if binary is None:
        _check_programs(records["PG"], path)
        _check_other_names(records["SQ"], path)
        binary = [(one["SN"], int(one["LN"])) for one in records["SQ"]]
    names = [name for name, _ in binary]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path}: its header names contig {twice} twice; correct the header")
    return AlignmentHeader(
        names,
        np.array([length for _, length in binary], np.int64),
        {one["SN"]: one["M5"].lower() for one in records["SQ"] if "M5" in one and "SN" in one},
        {one["ID"]: one.get("SM", "") for one in records["RG"]},
        records["HD"][0].get("SO", "unknown") if records["HD"] else "unknown",
        records,
    )


def reference_problem(header: AlignmentHeader, fasta: Fasta, contigs: list[str]) -> str:
    """Why a FASTA is not what the alignments of these contigs were made with, or ""."""
    lengths = dict(zip(header.contigs, header.lengths.tolist(), strict=True))
    for name in contigs:
        sequence = fasta.sequence(name)
        if sequence is None:
            return f"it has no contig {name}"
        if sequence.length != lengths[name]:
            return f"its {name} has {sequence.length:,} bases, the alignments' {lengths[name]:,}"
        if (wanted := header.md5.get(name)) and contig_md5(sequence) != wanted:
            return f"the bases of its {name} have another MD5 than the alignments' header says"
    return ""


def contig_md5(sequence: Sequence) -> str:
    """Hex digest of the upper-case bases of a contig, as M5 of @SQ is defined."""
    digest = hashlib.md5(usedforsecurity=False)
    lines = 1 << 16
    for i in range(0, sequence.length, sequence.line_bases * lines):
        n = min(sequence.length - i, sequence.line_bases * lines)
        at = sequence.first + i // sequence.line_bases * sequence.line_bytes
        stop = at + (n - 1) // sequence.line_bases * sequence.line_bytes
        stop += (n - 1) % sequence.line_bases + 1
        digest.update(sequence.text[at:stop].tobytes().translate(None, b"\r\n ").upper())
    return digest.hexdigest()


def _fields(line: str) -> tuple[str, Fields]:
    code, *cells = line.split("\t")
    return code.removeprefix("@"), [(cell[:2], cell[3:]) for cell in cells if cell[2:3] == ":"]


def _problem(
    code: str,
    fields: Fields,
    records: dict[str, list[dict[str, str]]],
    number: int,
    *,
    strict: bool,
) -> str:
    """What is wrong with one line of a header, or ""."""
    tags = dict(fields)
    problem = ""
    if code == "RG":
        problem = _read_group(tags, records["RG"])
    elif code == "SQ":
        problem = _contig(tags)
    if problem or not strict:
        return problem
    if code != "PG" and len(tags) < len(fields):
        return f"@{code} has a tag twice"
    return _STRICT.get(code, lambda *_: "")(tags, records, number)


def _read_group(tags: dict[str, str], before: list[dict[str, str]]) -> str:
    if "ID" not in tags:
        return "a read group (@RG) without ID"
    if any(one["ID"] == tags["ID"] for one in before):
        return f"read group {tags['ID']!r} is there twice"
    return ""


def _contig(tags: dict[str, str]) -> str:
    name, length = tags.get("SN", ""), tags.get("LN", "")
    if not name:
        return "a contig (@SQ) without name (SN)"
    if not length.isdigit() or not 0 < int(length) <= MAX_LENGTH:
        return f"the length (LN) of contig {name} is {length!r}, not 1 to {MAX_LENGTH}"
    return ""


def _strict_head(tags: dict[str, str], records: dict[str, list[dict[str, str]]], n: int) -> str:
    if n > 1 or records["HD"]:
        return "@HD is not the first line"
    if not _VERSION.fullmatch(tags.get("VN", "")):
        return f"the version (VN) of @HD is {tags.get('VN', '')!r}, not two numbers and a point"
    if tags.get("SO", "unknown") not in _SORTED:
        return f"the sort order (SO) {tags['SO']!r} is none of {', '.join(sorted(_SORTED))}"
    if "SS" in tags and not _SUB_SORT.fullmatch(tags["SS"]):
        return f"the sub-sort (SS) {tags['SS']!r} does not begin with a sort order"
    if "GO" in tags and tags["GO"] not in {"none", "query", "reference"}:
        return f"the grouping (GO) {tags['GO']!r} is none of none, query, reference"
    return ""


def _strict_contig(tags: dict[str, str], records: dict[str, list[dict[str, str]]], n: int) -> str:
    if not _NAME.fullmatch(tags["SN"]):
        return f"contig name {tags['SN']!r} has a character that names may not have"
    if "M5" in tags and not _MD5.fullmatch(tags["M5"]):
        return f"the MD5 (M5) of {tags['SN']} is not 32 hexadecimal digits"
    if tags.get("TP", "linear") not in {"linear", "circular"}:
        return f"the topology (TP) {tags['TP']!r} is neither linear nor circular"
    if "AH" in tags and not _PLACE.fullmatch(tags["AH"]):
        return f"the locus (AH) {tags['AH']!r} is neither * nor a region"
    return ""


def _strict_group(tags: dict[str, str], records: dict[str, list[dict[str, str]]], n: int) -> str:
    if "DT" in tags and not _DATE.fullmatch(tags["DT"]):
        return f"the date (DT) {tags['DT']!r} is not written as 2026-01-31"
    if "PL" in tags and tags["PL"].upper() not in _PLATFORMS:
        return f"the platform (PL) {tags['PL']!r} is none that the specification knows"
    return ""


def _strict_program(tags: dict[str, str], records: dict[str, list[dict[str, str]]], n: int) -> str:
    if "ID" not in tags:
        return "a program (@PG) without ID"
    if any(one["ID"] == tags["ID"] for one in records["PG"]):
        return f"program {tags['ID']!r} is there twice"
    return ""


_STRICT: dict[str, Callable[[dict[str, str], dict[str, list[dict[str, str]]], int], str]] = {
    "HD": _strict_head,
    "SQ": _strict_contig,
    "RG": _strict_group,
    "PG": _strict_program,
}


def _check_programs(programs: list[dict[str, str]], path: str) -> None:
    known = {one["ID"] for one in programs}
    for one in programs:
        if one.get("PP", one["ID"]) not in known:
            raise InputError(
                f"{path}: program {one['ID']!r} of its header follows {one['PP']!r}, which is not "
                "there; correct the header"
            )


def _check_other_names(contigs: list[dict[str, str]], path: str) -> None:
    """Other names (AN) must not be those of another contig."""
    seen = {one["SN"]: one["SN"] for one in contigs}
    for one in contigs:
        for name in filter(None, one.get("AN", "").split(",")):
            if seen.setdefault(name, one["SN"]) != one["SN"]:
                raise InputError(
                    f"{path}: {name!r} names both contig {seen[name]} and {one['SN']} in its "
                    "header; correct the header"
                )
