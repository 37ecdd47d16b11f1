"""Calls as VCF or gVCF: text compressed in blocks, with an index beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl
import pysam

from genomed.errors import OutputError

__all__ = ["CallVcf", "block_lines", "call_header", "call_lines", "trimmed"]

_HEADER = (
    '##FILTER=<ID=PASS,Description="All filters passed">',
    '##INFO=<ID=END,Number=1,Type=Integer,Description="Last position of the block">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Phred-scaled probability that the '
    'genotype is wrong">',
    '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Fragments that overlap the site">',
    '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Fragments that fit each allele better '
    'than the others, after realignment">',
    '##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Phred-scaled likelihoods of the '
    'genotypes">',
    '##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description="Least depth of the block">',
)
_ANY = '##ALT=<ID=*,Description="Any alternative allele: the block is like the reference">'


class CallVcf:
    """Writes a .vcf.gz and, at the end, its .tbi (.csi for contigs too long for that).

    Used in a `with` block; records must come in order.
    """

    def __init__(self, path: Path, header: str, longest: int = 0) -> None:
        self.path = path
        self._longest = longest
        try:
            self._file = pysam.BGZFile(str(path), "wb")
            self._file.write(header.encode(errors="surrogateescape"))
        except OSError as error:
            raise self._failed(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
        except OSError as problem:
            if kind is None:
                raise self._failed(problem) from None
        if kind is None:
            try:
                pysam.tabix_index(
                    str(self.path), preset="vcf", force=True, csi=self._longest >= 1 << 29
                )
            except OSError as problem:
                raise self._failed(problem) from None

    def index(self) -> Path:
        """Where the index lies, or will lie."""
        suffix = ".csi" if self._longest >= 1 << 29 else ".tbi"
        return self.path.with_name(self.path.name + suffix)

    def add(self, lines: Iterable[str]) -> None:
        """Write records, each without its line end."""
        text = "\n".join(lines)
        if text:
            try:
                self._file.write((text + "\n").encode(errors="surrogateescape"))
            except OSError as error:
                raise self._failed(error) from None

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"{self.path}: cannot be written ({error}); make room or choose --out")


def call_header(
    contigs: Sequence[str], lengths: Sequence[int], sample: str, facts: Sequence[str], gvcf: bool
) -> str:
    """The header, with its line end.

    facts : more header lines, as ``key=value``
    """
    lines = ["##fileformat=VCFv4.3", *(f"##{fact}" for fact in facts), *_HEADER]
    lines += [_ANY] if gvcf else []
    lines += [
        f"##contig=<ID={contig},length={length}>"
        for contig, length in zip(contigs, lengths, strict=True)
    ]
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO",
                            "FORMAT", sample]))  # fmt: skip
    return "\n".join(lines) + "\n"


def call_lines(
    table: pl.DataFrame,
    genotype: np.ndarray,
    gq: np.ndarray,
    qual: np.ndarray,
    pl_values: np.ndarray,
    depth: np.ndarray,
    allele_depth: np.ndarray,
    asked: np.ndarray,
) -> list[str]:
    """Records of sites; alternative alleles that the genotype lacks are left out, unless asked for.

    table        : contig, position, ref, alt1, alt2 ("" for none)
    genotype     : int8 (sites, 2); gq : int (sites,); qual : float (sites,)
    pl_values    : int (sites, 6), of 00 01 11 02 12 22; depth : int (sites,)
    allele_depth : int (sites, 3). A site without reads has no genotype
    asked        : bool (sites, 2), whether to write alt1 and alt2 in any case
    """
    lines = []
    columns = [table[name].to_list() for name in ("contig", "position", "ref", "alt1", "alt2")]
    numbers = (genotype, gq, qual, pl_values, depth, allele_depth, asked)
    for contig, position, ref, *alts, (a, b), q, quality, pls, dp, ad, always in zip(
        *columns, *(array.tolist() for array in numbers), strict=True
    ):
        wanted = {k for k, is_asked in enumerate(always, 1) if is_asked}
        kept = sorted({a, b, *wanted} - {0}) or [1]
        ref_text, alt_texts = trimmed(ref, [alts[k - 1] for k in kept])
        order = [0, *kept]
        of = {allele: k for k, allele in enumerate(order)}
        pairs = [(low, high) for k, high in enumerate(order) for low in order[: k + 1]]
        likelihoods = [pls[high * (high + 1) // 2 + low] for low, high in pairs]
        least = min(likelihoods)
        called = f"{of[a]}/{of[b]}" if dp else "./."
        lines.append(
            f"{contig}\t{position}\t.\t{ref_text}\t{','.join(alt_texts)}\t{quality:.2f}\t"
            f"PASS\t.\tGT:GQ:DP:AD:PL\t{called}:{q}:{dp}:{','.join(str(ad[k]) for k in order)}:"
            f"{','.join(str(x - least) for x in likelihoods)}"
        )
    return lines


def trimmed(ref: str, alts: Sequence[str]) -> tuple[str, list[str]]:
    """Take off the last bases that all alleles share, so that each keeps one at least."""
    cut = 0
    shortest = min(len(ref), *(len(alt) for alt in alts))
    while cut < shortest - 1 and all(alt[-1 - cut] == ref[-1 - cut] for alt in alts):
        cut += 1
    return ref[: len(ref) - cut], [alt[: len(alt) - cut] for alt in alts]


def block_lines(
    contig: str, ref: str, start: int, gq: np.ndarray, depth: np.ndarray, is_call: np.ndarray
) -> list[str]:
    """Blocks of positions like the reference, each of one class of GQ (a width of 10).

    ref     : letters of the positions from the 0-based `start` on
    gq, depth : int (positions,)
    is_call : bool (positions,), those that a record of calls covers; no block has them
    """
    if not len(gq):
        return []
    classes = np.where(depth == 0, -1, gq // 10)
    classes[is_call] = -2
    cuts = np.flatnonzero(np.diff(classes)) + 1
    first = np.concatenate([[0], cuts])
    least = np.minimum.reduceat(gq, first).tolist()
    shallow = np.minimum.reduceat(depth, first).tolist()
    ends = np.concatenate([cuts, [len(gq)]]).tolist()
    lines = []
    for at, end, q, dp in zip(first.tolist(), ends, least, shallow, strict=True):
        if classes[at] != -2:
            genotype = "0/0" if dp else "./."
            lines.append(
                f"{contig}\t{start + at + 1}\t.\t{ref[at]}\t<*>\t.\t.\tEND={start + end}\t"
                f"GT:GQ:MIN_DP\t{genotype}:{q}:{dp}"
            )
    return lines
