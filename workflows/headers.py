"""What the first bytes of a file tell: whose it is, on which contigs, whether it is whole.

Standard library only. None stands for "not told here", which is no fault: the command that reads
the file knows more.
"""

from __future__ import annotations

import csv
import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# The empty block at the end of every whole BGZF file (SAM specification, section 4.1.2).
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
SAMPLE_COLUMNS = (
    "iid", "sample", "samples", "sample_id", "sampleid", "sample name", "individual", "eid",
    "person_id", "id",
)  # fmt: skip
DAMAGED = (OSError, EOFError, ValueError, struct.error, zlib.error)
_COMPANIONS = {".pgen": ((".pvar", ".pvar.zst"), (".psam",)), ".bed": ((".bim",), (".fam",))}
_LONGEST_HEADER = 1 << 28  # bytes


class Table(NamedTuple):
    """Column names of a table of samples, and the names of its samples, in its order."""

    columns: list[str]
    samples: list[str]


class Alignments(NamedTuple):
    """Contigs of a BAM, and the samples of its read groups."""

    contigs: list[str]
    samples: list[str]


def fault_of(path: Path) -> str | None:
    """Why a file cannot be what its name says, with the remedy, as far as its ends show."""
    try:
        with path.open("rb") as file:
            start = file.read(18)
            file.seek(max(0, path.stat().st_size - len(BGZF_END)))
            end = file.read()
    except OSError as error:
        return f"cannot be read ({error.strerror}); check its permissions"
    if not start:
        return "is empty; copy or make it again"
    if start[:2] == b"\x1f\x8b" and start[12:14] == b"BC" and start[3] & 4 and end != BGZF_END:
        return "is truncated, the BGZF end block is missing; copy it again"
    expected = {".pgen": b"\x6c\x1b", ".bed": b"\x6c\x1b", ".cram": b"CRAM"}.get(path.suffix)
    if expected and not start.startswith(expected):
        return f"is no {path.suffix[1:].upper()}, as its first bytes show; name the right file"
    return _text_fault(path, start)


def _text_fault(path: Path, start: bytes) -> str | None:
    """The same of files whose first bytes are packed."""
    bare = path.name.lower().removesuffix(".gz").removesuffix(".bgz")
    kind = {"vcf": b"##fileformat=VCF", "bcf": b"BCF", "bam": b"BAM\1"}.get(bare.rpartition(".")[2])
    if kind is None:
        return None
    try:
        with opened(path) as file:
            first = file.read(len(kind))
    except DAMAGED:
        return "is damaged, it cannot be decompressed; copy it again"
    if first == kind:
        return None
    return f"does not begin as a {bare.rpartition('.')[2].upper()} does; name the right file"


def opened(path: Path) -> gzip.GzipFile:
    """The content of a gzip, BGZF or plain file, from its start."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def companions(path: str) -> list[Path]:
    """Files that belong to a fileset, beside the one that was named; missing ones too."""
    file = Path(path)
    found = []
    for endings in _COMPANIONS.get(file.suffix, ()):
        beside = [file.with_name(file.name.removesuffix(file.suffix) + end) for end in endings]
        found.append(next((one for one in beside if one.is_file()), beside[0]))
    return found


def people(path: Path) -> list[str] | None:
    """Names of the samples of a VCF, BCF, PGEN or BED."""
    try:
        if path.suffix in _COMPANIONS:
            return _fileset_people(path)
        line = next((x for x in _header_lines(path) if x.startswith("#CHROM")), None)
        return None if line is None else line.split("\t")[9:]
    except DAMAGED:
        return None


def _fileset_people(path: Path) -> list[str] | None:
    table = companions(str(path))[-1]
    lines = [x.split() for x in table.read_text().splitlines() if x and not x.startswith("##")]
    names = lines[0] if lines and lines[0][0].startswith("#") else ["FID", "IID"]
    at = next((i for i, name in enumerate(names) if name.lstrip("#") == "IID"), None)
    rows = lines[1:] if names is lines[0] else lines
    return None if at is None else [row[at] for row in rows]


def _header_lines(path: Path) -> Iterator[str]:
    """Lines of the header of a VCF or BCF, the one with the samples last."""
    with opened(path) as file:
        if path.suffix == ".bcf":
            _, length = struct.unpack("<5sI", file.read(9))
            if length <= _LONGEST_HEADER:
                yield from file.read(length).rstrip(b"\0").decode(errors="replace").splitlines()
            return
        for line in file:
            if not line.startswith(b"#"):
                return
            yield line.decode(errors="replace").rstrip("\r\n")


def index_beside(path: Path, *endings: str) -> Path | None:
    """The index of a file: FILE.ENDING, or with ENDING in place of the last suffix."""
    beside = [path.with_name(path.name + end) for end in endings]
    beside += [path.with_suffix(end) for end in endings]
    return next((one for one in beside if one.is_file()), None)


def contigs_with_records(path: Path) -> list[str]:
    """Contigs on which an indexed VCF or BCF has records, in the order of the index.

    Layouts: the Tabix and CSIv1 specifications. Raises ValueError, with the remedy, when there is
    no index, or none that can be read.
    """
    index = index_beside(path, ".csi", ".tbi")
    if index is None:
        raise ValueError("has no index, which scatter: contigs needs; make one with bcftools index")
    try:
        data = gzip.decompress(index.read_bytes())
        return [name for name, n_bins in _binned(path, data) if n_bins]
    except DAMAGED as error:
        raise ValueError(f"has an index that cannot be read ({error}); make it anew") from None


def _binned(path: Path, data: bytes) -> Iterator[tuple[str, int]]:
    """Name and number of bins of every contig of an index."""
    is_csi = data[:4] == b"CSI\1"
    if is_csi:
        (n_aux,) = struct.unpack_from("<i", data, 12)
        at, text = 16 + n_aux, data[44 : 16 + n_aux]
    elif data[:4] == b"TBI\1":
        (n_text,) = struct.unpack_from("<i", data, 32)
        at, text = 4, data[36 : 36 + n_text]
    else:
        raise ValueError("neither .tbi nor .csi")
    (n_contigs,) = struct.unpack_from("<i", data, at)
    at = at + 4 if is_csi else 36 + n_text
    names = text.decode().split("\0") if text else _bcf_contigs(path)
    for name in names[:n_contigs]:
        (n_bins,) = struct.unpack_from("<i", data, at)
        at += 4
        for _ in range(n_bins):
            (n_chunks,) = struct.unpack_from("<i", data, at + (12 if is_csi else 4))
            at += (16 if is_csi else 8) + 16 * n_chunks
        if not is_csi:
            at += 4 + 8 * struct.unpack_from("<i", data, at)[0]
        yield name, n_bins


def _bcf_contigs(path: Path) -> list[str]:
    """Contigs of a BCF's header, in the order of their numbers."""
    found: dict[int, str] = {}
    for line in _header_lines(path):
        name = re.match(r"##contig=<.*?\bID=([^,>]+)", line)
        if name:
            number = re.search(r"[<,]IDX=(\d+)", line)
            found[int(number[1]) if number else len(found)] = name[1]
    return [found.get(i, "") for i in range(max(found, default=-1) + 1)]


def alignments(path: Path) -> Alignments | None:
    """What the header of a BAM tells; None of a CRAM or SAM, and where it cannot be read."""
    if path.suffix != ".bam":
        return None
    try:
        with opened(path) as file:
            magic, length = struct.unpack("<4si", file.read(8))
            if magic != b"BAM\1" or not 0 <= length <= _LONGEST_HEADER:
                return None
            text = file.read(length).rstrip(b"\0").decode(errors="replace")
            contigs = []
            for _ in range(struct.unpack("<i", file.read(4))[0]):
                (n_name,) = struct.unpack("<i", file.read(4))
                contigs.append(file.read(n_name + 4)[: n_name - 1].decode())
    except DAMAGED:
        return None
    groups = [line.split("\t") for line in text.splitlines() if line.startswith("@RG\t")]
    samples = [field[3:] for fields in groups for field in fields if field.startswith("SM:")]
    return Alignments(contigs, list(dict.fromkeys(samples)))


def table(path: Path) -> Table | None:
    """A table of samples with a line of column names; None where it seems to have none."""
    try:
        with opened(path) as file:
            text = file.read().decode("utf-8-sig")
    except DAMAGED:
        return None
    lines = [x for x in text.splitlines() if x.strip() and not x.startswith("##")]
    while lines and lines[0].startswith("#") and _first_word(lines[0]) not in SAMPLE_COLUMNS:
        if _first_word(lines[0]) == "fid":
            break
        lines = lines[1:]
    rows = list(_cells(lines))
    if not rows:
        return None
    columns = [name.lstrip("#") if i == 0 else name for i, name in enumerate(rows[0])]
    spelt = [name.lower() for name in columns]
    at = next((spelt.index(name) for name in SAMPLE_COLUMNS if name in spelt), None)
    if at is None:
        return None
    return Table(columns, [row[at] for row in rows[1:] if at < len(row)])


def _first_word(line: str) -> str:
    return re.split(r"[\t, ]", line.lstrip("#").strip(), maxsplit=1)[0].strip('"').lower()


def _cells(lines: list[str]) -> Iterator[list[str]]:
    """Cells of the lines of a table, separated by tabs, commas or blanks as its first line is."""
    mark = next((mark for mark in "\t," if lines and mark in lines[0]), None)
    if mark is None:
        return (line.split() for line in lines)
    return ([cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark))
