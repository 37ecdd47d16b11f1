"""How large a cohort is, told by its headers, its index and its first records: it is not read.

What is exact and what was estimated is kept apart. A .pgen, .bed and .bgen say how many variants
and samples they hold; the index of a VCF or BCF counts its records. Bytes of a record, ALTs, and
how many variants are common, are those of the first records of a VCF; a .pgen lists the length of
every record in its head, and a record of a rare variant is short.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from zlib_ng import zlib_ng

from genomed.errors import InputError
from genomed.io.bgzf import ZLIB_ERROR, check_end, stream_kind
from genomed.io.formats import cohort_format, index_paths
from genomed.io.index_counts import index_counts
from genomed.io.pgen_index import read_index
from genomed.io.plink_tables import companion_paths

__all__ = ["CohortSizes", "cohort_sizes"]

HEAD_TEXT = 16 << 20  # bytes of text looked at, beyond the header
MOST_HEAD = 64 << 20  # bytes of the file that are read for it
COMMON_MAF = 0.01
COMMON_BYTES = 0.035  # of a .pgen record per sample, from which on a variant is common
_BGEN_HEAD = 20  # offset, length of the header, variants, samples, and a magic number or zeros
_Inflater: Any = zlib_ng._GzipReader


@dataclass(frozen=True)
class CohortSizes:
    """What the cost of a command depends on.

    kind       : vcf, bcf, pgen, bed or bgen
    samples    : people
    variants   : rows of a store, one for each ALT
    common     : those of a minor allele frequency of 0.01 or more
    file_bytes : of the genotypes as they lie on disk; table_bytes of .pvar, .bim, .psam and .fam
    text_bytes : of a VCF or BCF when inflated; 0 for others
    estimated  : which of these are not exact
    """

    kind: str
    samples: int
    variants: int
    common: int
    file_bytes: int
    table_bytes: int = 0
    text_bytes: int = 0
    estimated: tuple[str, ...] = ()


def cohort_sizes(path: str) -> CohortSizes:
    """Sizes of a cohort of any format that genomed reads, but for standard input.

    Raises InputError where the file is absent, empty or cut, or its header is not of its format.
    """
    kind = cohort_format(path)
    if kind in ("pgen", "bed"):
        return _fileset_sizes(Path(path))
    if Path(path).is_dir():
        raise InputError(f"{path}: is a directory; name a file in it")
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give a cohort, or a configuration of the workflow")
    if not Path(path).stat().st_size:
        raise InputError(f"{path}: is empty; make it again")
    return _bgen_sizes(Path(path)) if kind == "bgen" else _text_sizes(path, kind)


def _fileset_sizes(path: Path) -> CohortSizes:
    genotypes, variants, people = companion_paths(path)
    size = genotypes.stat().st_size
    tables = variants.stat().st_size + people.stat().st_size
    if genotypes.suffix == ".bed":
        n_samples = sum(1 for line in people.read_bytes().splitlines() if line.strip())
        n_variants = max(0, size - 3) // max(1, -(-n_samples // 4))
        common = n_variants // 2
        return CohortSizes(
            "bed", n_samples, n_variants, common, size, tables, estimated=("common",)
        )
    index = read_index(genotypes, np.memmap(genotypes, np.uint8, "r"))
    is_whole = (index.kind & 7) < 4
    common = is_whole | (index.stop - index.start > COMMON_BYTES * index.n_samples)
    return CohortSizes(
        "pgen", index.n_samples, len(common), int(common.sum()), size, tables,
        estimated=("common",),
    )  # fmt: skip


def _bgen_sizes(path: Path) -> CohortSizes:
    with path.open("rb") as file:
        head = file.read(_BGEN_HEAD)
    if len(head) < _BGEN_HEAD or head[16:] not in (b"bgen", bytes(4)):
        raise InputError(f"{path}: is no BGEN file; give a .bgen")
    _, _, variants, samples = struct.unpack_from("<4I", head)
    return CohortSizes(
        "bgen", samples, variants, variants // 2, path.stat().st_size, estimated=("common",)
    )


def _text_sizes(path: str, kind: str) -> CohortSizes:
    """Of a VCF or BCF."""
    size = Path(path).stat().st_size
    text, taken = _inflated_head(Path(path))
    if text[:3] == b"BCF":
        kind = "bcf"
    first = _bcf_records(text, path) if kind == "bcf" else _vcf_records(text, path)
    exact = _indexed(path)
    head_share = max(1, taken) / max(1, len(text))
    body = max(0.0, size / head_share - first.header)
    if exact is None:
        records = len(first.alts) if taken >= size else body / first.length
    else:
        records, body = exact, exact * first.length if taken < size else len(text) - first.header
    variants = round(records * first.alts_each)
    guessed = ["common", "text_bytes"] + ["variants"] * (exact is None or first.alts_each != 1)
    return CohortSizes(
        kind, first.samples, variants, round(variants * first.common), size,
        text_bytes=round(body), estimated=tuple(guessed) if taken < size else (),
    )  # fmt: skip


@dataclass(frozen=True)
class _First:
    """The first records: bytes of the header, samples, ALTs of each record, and its bytes."""

    header: int
    samples: int
    alts: list[int]
    length: float
    common: float  # share of variants

    @property
    def alts_each(self) -> float:
        return sum(self.alts) / len(self.alts) if self.alts else 1.0


def _inflated_head(path: Path) -> tuple[bytes, int]:
    """The first bytes of the text, and how many bytes of the file hold them."""
    with path.open("rb") as file:
        kind = stream_kind(file.read(1 << 10))
        if kind == "plain":
            file.seek(0)
            text = file.read(HEAD_TEXT)
            return text, len(text)
        if kind == "bgzf":
            check_end(file, str(path))
        file.seek(0)
        parts, n_text = [], 0
        inflate = zlib_ng.decompressobj(31)
        try:
            while n_text < HEAD_TEXT and file.tell() < MOST_HEAD:
                data = inflate.unused_data if inflate.eof else b""
                if inflate.eof:
                    inflate = zlib_ng.decompressobj(31)
                more = data or file.read(1 << 16)
                if not more:
                    break
                parts.append(inflate.decompress(more))
                n_text += len(parts[-1])
        except ZLIB_ERROR as error:
            raise InputError(f"{path}: is damaged ({error}); copy it again") from None
        taken = file.tell() - len(inflate.unused_data)
    return b"".join(parts), taken


def _vcf_records(text: bytes, path: str) -> _First:
    start = 0 if text.startswith(b"#CHROM") else text.find(b"\n#CHROM") + 1
    stop = text.find(b"\n", start)
    if not text.startswith(b"#") or (start == 0 and not text.startswith(b"#CHROM")) or stop < 0:
        raise InputError(
            f"{path}: its first {len(text) >> 20} MiB have no line #CHROM, so it is no VCF; look "
            f"at it with `bcftools view -h {path}`"
        )
    samples = max(0, text.count(b"\t", start, stop) - 8)
    lines = text[stop + 1 :].split(b"\n")[:-1]
    alts = [max(1, line[:4096].split(b"\t", 5)[4].count(b",") + 1) for line in lines if line]
    length = (sum(map(len, lines)) + len(lines)) / len(lines) if lines else 1.0
    return _First(stop + 1, samples, alts, length, _share_common(lines, samples))


def _share_common(lines: list[bytes], samples: int) -> float:
    """Share of records where the rarer of REF and the other alleles has COMMON_MAF; 1 if untold."""
    if not lines or not samples:
        return 1.0
    common = 0
    for line in lines:
        cells = line.split(b"\t", 9)[-1]
        is_plain = len(cells) == 4 * samples - 1
        genotypes = cells if is_plain else b"\t".join(cell[:3] for cell in cells.split(b"\t"))
        reference = genotypes.count(b"0")
        called = max(1, len(genotypes) // 2 + 1 - genotypes.count(b"."))
        common += min(reference, called - reference) >= COMMON_MAF * called
    return common / len(lines)


def _bcf_records(text: bytes, path: str) -> _First:
    if text[:3] != b"BCF" or len(text) < 9:
        raise InputError(f"{path}: is no BCF; look at it with `bcftools view -h {path}`")
    (n_header,) = struct.unpack_from("<I", text, 5)
    at = header = 9 + n_header
    last = text[9:header].rstrip(b"\0\n").rpartition(b"\n")[2]
    samples = max(0, last.count(b"\t") - 8)
    alts: list[int] = []
    common = 0
    while at + 32 <= len(text):
        shared, individual = struct.unpack_from("<2I", text, at)
        end = at + 8 + shared + individual
        if end > len(text):
            break
        (alleles_info,) = struct.unpack_from("<I", text, at + 24)
        alts.append(max(1, (alleles_info >> 16) - 1))
        common += _is_common(text[end - 2 * samples : end], individual)
        at = end
    length = (at - header) / len(alts) if alts else 1.0
    return _First(header, samples, alts, length, common / max(1, len(alts)))


def _is_common(cells: bytes, individual: int) -> bool:
    """Whether diploid GT, int8, hold a rarer allele often enough; True where there is more."""
    if individual > len(cells) + 16:
        return True
    reference = cells.count(2) + cells.count(3)
    called = max(1, len(cells) - cells.count(0) - cells.count(1))
    return min(reference, called - reference) >= COMMON_MAF * called


def _indexed(path: str) -> int | None:
    """Records by the index beside a VCF or BCF; None without one that counts."""
    for index in index_paths(path):
        try:
            counts = index_counts(index)
        except ValueError:
            continue
        if counts is not None:
            return sum(counts)
    return None
