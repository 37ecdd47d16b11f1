"""Lines of SAM, checked against SAMv1 sections 1.4 and 1.5 a chunk at a time.

htslib, which turns the lines into records, passes over much of what the specification forbids and
says "truncated file" of the rest. Here one regular expression eats whole chunks of good lines; only
a line that it does not eat is looked at field by field, to say what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

from genomed.errors import InputError
from genomed.io.bgzf import TextStream

__all__ = ["check_sam", "explain_sam"]

MAX_POSITION = 2**31 - 1
_CHARACTERS = rb"[ -~]*"
_U8 = rb"\+?0*(?:25[0-5]|2[0-4]\d|1\d\d|\d?\d)"
_U16 = rb"\+?0*(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|\d{1,4})"
_U32 = rb"\+?0*\d{1,10}"
_S8 = rb"(?:-0*(?:12[0-8]|1[01]\d|\d?\d)|\+?0*(?:12[0-7]|1[01]\d|\d?\d))"
_S16 = rb"(?:-0*32768|[-+]?0*(?:3276[0-7]|327[0-5]\d|32[0-6]\d\d|3[01]\d{3}|[12]\d{4}|\d{1,4}))"
_S32 = rb"[-+]?0*\d{1,10}"
_FLOAT = rb"[-+]?(?:\d*\.?\d+(?:[eE][-+]?\d+)?|\d+\.|inf(?:inity)?|nan)"
_ARRAYS = {b"c": _S8, b"C": _U8, b"s": _S16, b"S": _U16, b"i": _S32, b"I": _U32, b"f": _FLOAT}
_ARRAY = b"|".join(kind + rb"(?:," + one + rb")*" for kind, one in _ARRAYS.items())
_VALUE = (
    rb"(?:A:[!-~]|i:" + _S32 + rb"|f:" + _FLOAT + rb"|Z:" + _CHARACTERS
    + rb"|H:(?:[0-9A-Fa-f]{2})*|B:(?:" + _ARRAY + rb"))"
)  # fmt: skip
_CONTIG = rb"(?:\*|[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*)"
_CIGAR = rb"(?:\*|(?:\d+H)?(?:\d+S)?(?:\d+[MIDNP=X])*(?:\d+S)?(?:\d+H)?(?<=[MIDNSHP=X]))"

# Name, pattern, and what a value must be.
_FIELDS = (
    ("QNAME", rb"[!-?A-~][!-~]{0,253}", "1 to 254 characters without blanks"),
    ("FLAG", rb"(?:0x[0-9A-Fa-f]{1,4}|\d{1,5})", "a number to 65535"),
    ("RNAME", _CONTIG, "a contig name or *"),
    ("POS", rb"\d{1,10}", "a number from 0"),
    ("MAPQ", _U8, "a number from 0 to 255"),
    ("CIGAR", _CIGAR, "numbers with operations, clips at the ends only, or *"),
    ("RNEXT", rb"(?:=|" + _CONTIG + rb")", "a contig name, = or *"),
    ("PNEXT", rb"\d{1,10}", "a number from 0"),
    ("TLEN", rb"[-+]?\d{1,10}", "a whole number"),
    ("SEQ", rb"(?:\*|[A-Za-z=.]+)", "letters, or *"),
    ("QUAL", rb"[!-~]+", "printable characters, as many as bases, or *"),
)
_TAG = rb"\t([A-Za-z][A-Za-z0-9]):(?![^\n]*\t\1:)" + _VALUE
_LINES = re.compile(
    rb"(?:" + rb"\t".join(one for _, one, _ in _FIELDS) + rb"(?:" + _TAG + rb")*\r?\n)*"
)
_RNAMES = re.compile(rb"^[^\t\n]*\t[^\t\n]*\t([^\t\n]*)", re.MULTILINE)
_OPERATION = re.compile(rb"(\d+)([MIDNSHP=X])")


def check_sam(path: str, contigs: list[str] | None = None) -> str:
    """Check every line of a SAM (which may be compressed); return the text of its header.

    contigs : those that lines may name; None checks nothing but the header's place
    Raises InputError that names the line.
    """
    known = None if contigs is None else {b"*", *(name.encode() for name in contigs)}
    header: list[bytes] = []
    number = 0
    for text in _whole_lines(path):
        at = 0
        while text.startswith(b"@", at):
            stop = text.index(b"\n", at) + 1
            if number > len(header):
                raise InputError(f"{path}, line {number + 1}: a header line behind alignments")
            header.append(text[at:stop])
            number, at = number + 1, stop
        if known is None:
            if at < len(text):
                break
            continue
        found = _LINES.match(text, at)
        stop = found.end() if found else at
        number += text.count(b"\n", at, stop)
        if stop < len(text):
            line = text[stop : text.index(b"\n", stop)].rstrip(b"\r")
            raise InputError(f"{path}, line {number + 1}: {_problem(line)}; correct the line")
        strange = set(_RNAMES.findall(text, at)) - known
        if strange:
            raise InputError(
                f"{path}: alignments are on {sorted(strange)[0].decode()!r}, a contig that the "
                "header does not name; add its @SQ line"
            )
    return b"".join(header).decode("utf-8", "backslashreplace")


def explain_sam(path: str) -> str:
    """Why htslib refuses a SAM whose fields are each right: "line N: reason", or ""."""
    number = 0
    for text in _whole_lines(path):
        for line in text.split(b"\n")[:-1]:
            number += 1
            if not line.startswith(b"@") and (problem := _contradiction(line.rstrip(b"\r"))):
                return f"line {number}: {problem}"
    return ""


def _whole_lines(path: str) -> Iterator[bytes]:
    rest = b""
    with closing(TextStream(path)) as stream:
        for chunk in stream.chunks():
            buffer, n = chunk.fill()
            text = rest + bytes(memoryview(buffer)[:n])
            chunk.release(buffer)
            cut = text.rfind(b"\n") + 1
            rest = text[cut:]
            if cut:
                yield text[:cut]
    if rest:
        yield rest + b"\n"


def _problem(line: bytes) -> str:
    """What is wrong with a line that the pattern does not take."""
    cells = line.split(b"\t")
    if len(cells) < len(_FIELDS):
        return f"has {len(cells)} of the {len(_FIELDS)} fields of an alignment"
    for (name, pattern, meaning), cell in zip(_FIELDS, cells, strict=False):
        if not re.fullmatch(pattern, cell):
            return f"{name} is {_shown(cell)}, not {meaning}"
    seen = set()
    for cell in cells[len(_FIELDS) :]:
        tag = cell[:2]
        if not re.fullmatch(rb"[A-Za-z][A-Za-z0-9]:" + _VALUE, cell):
            return f"the tag {_shown(cell)} is not written as TAG:TYPE:VALUE, or its value is wrong"
        if tag in seen:
            return f"the tag {_shown(tag)} is there twice"
        seen.add(tag)
    return "is not an alignment"


def _contradiction(line: bytes) -> str:
    cells = line.split(b"\t")
    cigar, bases, qualities = cells[5], cells[9], cells[10]
    on_read = sum(int(n) for n, op in _OPERATION.findall(cigar) if op in b"MIS=X")
    if bases == b"*" and qualities != b"*":
        return "QUAL is given, but SEQ is not"
    if qualities != b"*" and len(qualities) != len(bases):
        return f"SEQ has {len(bases)} bases and QUAL {len(qualities)} qualities"
    if cigar != b"*" and bases != b"*" and on_read != len(bases):
        return f"CIGAR spans {on_read} bases of the read, SEQ has {len(bases)}"
    for (name, _, _), cell in zip(_FIELDS, cells, strict=False):
        if name in {"POS", "PNEXT"} and int(cell) > MAX_POSITION:
            return f"{name} is above {MAX_POSITION}"
    for cell in cells[11:]:
        if cell[3:4] == b"i" and not -(2**31) <= int(cell[5:]) < 2**32:
            return f"the number of the tag {_shown(cell)} does not fit into 32 bits"
    return ""


def _shown(cell: bytes) -> str:
    return repr(cell[:40].decode("latin-1"))
