"""`--explain`: what happened to one variant, from the record to the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.errors import UsageError
from genomed.ledger import REASONS
from genomed.regions import canonical_contig
from genomed.schema import VariantBatch, Wanted

__all__ = ["Explainer", "Locus"]


class Locus(NamedTuple):
    """A variant as the user names it; ref and alt may be empty."""

    contig: str
    position: int
    ref: str
    alt: str

    @classmethod
    def parse(cls, text: str) -> Locus:
        """Read ``contig:position`` or ``contig:position:ref:alt``."""
        parts = text.split(":")
        if len(parts) in (2, 4) and parts[1].replace(",", "").isdigit():
            ref, alt = (parts[2].upper(), parts[3].upper()) if len(parts) == 4 else ("", "")
            return cls(canonical_contig(parts[0]), int(parts[1].replace(",", "")), ref, alt)
        raise UsageError(f"--explain {text!r} is not a variant; write it as 1:12345:A:G")

    def __str__(self) -> str:
        return ":".join(str(p) for p in self if p != "")


class Explainer:
    """Collects what a pass sees at the places asked for."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._loci = [Locus.parse(text) for text in texts]
        self._seen: dict[Locus, list[str]] = {locus: [] for locus in self._loci}
        self._tables: list[pl.DataFrame] = []

    def extend(self, wanted: Wanted) -> Wanted:
        """`wanted`, and the places to explain."""
        if not self._loci:
            return wanted
        positions = dict(wanted.positions)
        for locus in self._loci:
            here = positions.get(locus.contig, np.zeros(0, np.int64))
            positions[locus.contig] = np.union1d(here, [locus.position])
        return Wanted(positions, wanted.ids)

    def look(self, rows: pl.DataFrame, batch: VariantBatch) -> None:
        """Note the records of a batch that cover a place asked for."""
        for locus in self._loci:
            here = rows.filter(
                (pl.col("canonical") == locus.contig)
                & (pl.col("position") <= locus.position)
                & (pl.col("end_position") >= locus.position)
            )
            for row in here.iter_rows(named=True):
                calls = batch.alt_count[row["row"]]
                n = {copies: int((calls == copies).sum()) for copies in (0, 1, 2)}
                self._seen[locus].append(
                    f"line {row['line']}: "
                    f"{row['contig']}:{row['position']} {row['ref']}>{row['alt']}, "
                    f"{n[0]} calls without this ALT, {n[1]} with one copy, {n[2]} with two, "
                    f"{int((calls < 0).sum())} not called"
                )

    def hear(self, reads: pl.DataFrame) -> None:
        """Note what reads show at a place asked for: the columns of TABLES["risk_reads"]."""
        for locus in self._loci:
            here = reads.filter(
                (pl.col("contig") == locus.contig) & (pl.col("position") == locus.position)
            )
            for row in here.iter_rows(named=True):
                self._seen[locus].append(
                    f"reads of {row['sample']}: {row['ref']}>{row['alt']}, {row['n_ref']} show the "
                    f"first, {row['n_alt']} the second, {row['n_other']} neither: "
                    f"{row['genotype']} of quality {row['quality']:.0f}, {row['verdict']}"
                )

    def sentences(self) -> list[str]:
        """One paragraph per variant: the records seen, and its fate in each model."""
        return [self._paragraph(locus) for locus in self._loci]

    def note(self, ledger: pl.DataFrame) -> None:
        """Give the explainer the finished ledger."""
        self._tables = [ledger]

    def _paragraph(self, locus: Locus) -> str:
        lines = [f"{locus}:"]
        lines += [f"  {seen}" for seen in self._seen[locus]] or ["  no record covers this position"]
        fates = 0
        for table in self._tables:
            here = table.filter(
                (pl.col("contig") == locus.contig) & (pl.col("position") == locus.position)
            )
            for row in here.iter_rows(named=True):
                fates += 1
                alleles = f"{row['effect_allele']} (other {row['other_allele'] or 'not given'})"
                lines.append(
                    f"  {row['model']}, line {row['source_line']}: effect allele {alleles}, "
                    f"weight {row['effect_weight']}: {row['reason']} - {REASONS[row['reason']]}"
                )
        if not fates:
            lines.append("  no model has a variant here")
        return "\n".join(lines)
