"""`genomed reads call --sites`: the alleles asked for, and where to look for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from genomed.features.given_alleles import GivenAllele
from genomed.io.alignments import AlignmentReader
from genomed.io.fasta import Fasta
from genomed.kernels.normalise import BAD_REF
from genomed.regions import Region
from genomed.stats.normalise import align_alleles

__all__ = ["asked_alleles", "regions_around"]

NEAR_BP = 5_000  # sites so close are looked for in one go
AROUND_BP = 1


def asked_alleles(
    table: pl.DataFrame, reader: AlignmentReader, fasta: Fasta
) -> tuple[dict[str, list[GivenAllele]], Counter[str]]:
    """Alleles by contig as the reads spell it, normalised; and how many were refused, by reason.

    table : contig, position, ref, alt
    """
    asked: dict[str, list[GivenAllele]] = {}
    refused: Counter[str] = Counter()
    for (name,), rows in table.group_by(["contig"], maintain_order=True):
        sequence = fasta.sequence(str(name))
        at = reader.names.place(str(name))
        if sequence is None or at is None:
            refused["contig_not_in_reference"] += len(rows)
            continue
        aligned = align_alleles(rows["position"].to_numpy(), rows["ref"], rows["alt"], sequence)
        for fate, position, ref, alt in zip(
            aligned.fate.tolist(), aligned.position.tolist(), aligned.ref, aligned.alt, strict=True
        ):
            allele = None if fate >= BAD_REF else GivenAllele.of(position, ref, alt)
            if allele is None:
                reason = "ref_mismatch" if fate >= BAD_REF else "complex_allele"
                refused[reason] += 1
            else:
                asked.setdefault(reader.contigs[at], []).append(allele)
    return asked, refused


def regions_around(asked: dict[str, list[GivenAllele]], order: Sequence[str]) -> Iterator[Region]:
    """Stretches that hold all alleles, contig after contig, neighbours together."""
    for contig in order:
        if contig not in asked:
            continue
        places = np.unique([allele.position for allele in asked[contig]])
        breaks = np.flatnonzero(np.diff(places) > NEAR_BP) + 1
        for some in np.split(places, breaks):
            yield Region(contig, int(some[0]), int(some[-1]) + AROUND_BP)
