"""Places in a genome: the one module where 1-based text meets 0-based arithmetic."""

from collections.abc import Iterable
from typing import NamedTuple, Self

from genomed.errors import InputError

__all__ = ["AUTOSOMES", "ContigNames", "Region", "canonical_contig"]

AUTOSOMES = tuple(str(number) for number in range(1, 23))  # canonical names

_MITOCHONDRION = {"M", "MT"}
_PSEUDO_AUTOSOMAL = {"PAR1", "PAR2", "XY", "25"}
_NUMBERED = {"23": "X", "24": "Y", "26": "MT"}  # PLINK 1 codes


def canonical_contig(name: str) -> str:
    """Spell a contig name the one way used for comparison: ``chr1`` -> ``1``, ``chrM`` -> ``MT``.

    PLINK's numeric codes 23, 24 and 26 become X, Y and MT; what it calls XY or 25, and plink2 PAR1
    and PAR2, the pseudo-autosomal regions, are places of X. Anything else loses a leading ``chr``
    and nothing more.
    """
    bare = name[3:] if name[:3].lower() == "chr" else name
    upper = bare.upper()
    if upper in _MITOCHONDRION:
        return "MT"
    if upper in _PSEUDO_AUTOSOMAL:
        return "X"
    if upper in {"X", "Y"}:
        return upper
    return _NUMBERED.get(bare, bare)


class ContigNames:
    """Contigs in the order of a file, found under any of their usual spellings (chr1 or 1).

    A name as it is spelt comes before one that means the same, and the first of these before the
    others.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._spelt = {name: i for i, name in enumerate(names)}
        self._meant = {canonical_contig(name): i for name, i in reversed(self._spelt.items())}

    def place(self, name: str) -> int | None:
        """Which of the contigs it is, from 0 on; None where there is none of that name."""
        return self._spelt.get(name, self._meant.get(canonical_contig(name)))


class Region(NamedTuple):
    """Part of a contig: 0-based `start`, `end` not included; printed 1-based and inclusive."""

    contig: str
    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``contig``, ``contig:position``, ``contig:first-last`` or ``contig:first-``.

        Positions are 1-based and inclusive, thousands separators allowed, as samtools reads them.
        A contig named alone runs from its start to 2**31 - 1.
        """
        contig, colon, span = text.rpartition(":")
        if not colon:
            contig, span = text, "1-"
        first, dash, last = span.replace(",", "").partition("-")
        last = last if dash else first
        numeric = first.isdigit() and (last.isdigit() or not last)
        stop = int(last) if last.isdigit() else 2**31 - 1
        if not (contig and numeric and 0 < int(first) <= stop):
            raise InputError(f"{text!r} is not a region; write it as chr2:1001-2000")
        return cls(contig, int(first) - 1, stop)

    def __str__(self) -> str:
        return f"{self.contig}:{self.start + 1}-{self.end}"
