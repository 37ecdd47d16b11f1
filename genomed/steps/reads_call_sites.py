"""`genomed reads call --sites`: the alleles asked for."""

from __future__ import annotations

from collections import Counter

import polars as pl

from genomed.io.alignments import AlignmentReader
from genomed.io.fasta import Fasta
from genomed.kernels.normalise import BAD_REF
from genomed.stats.call_pieces import Piece
from genomed.stats.normalise import align_alleles

__all__ = ["asked_alleles"]


def asked_alleles(
    table: pl.DataFrame, reader: AlignmentReader, fasta: Fasta
) -> tuple[dict[str, list[Piece]], Counter[str]]:
    """Alleles by contig as the reads spell it, normalised; and how many were refused, by reason.

    table : contig, position, ref, alt
    """
    asked: dict[str, list[Piece]] = {}
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
            allele = None if fate >= BAD_REF else Piece.of(position, ref, alt)
            if allele is None:
                reason = "ref_mismatch" if fate >= BAD_REF else "complex_allele"
                refused[reason] += 1
            else:
                asked.setdefault(reader.contigs[at], []).append(allele)
    return asked, refused
