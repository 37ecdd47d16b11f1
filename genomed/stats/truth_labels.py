"""Labels for training: the true genotype of every candidate site, whichever way it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from genomed.stats.normalise import align_alleles, reference_bases
from genomed.stats.truth_match import (
    MARGIN,
    Edit,
    SequenceOf,
    allele_rows,
    edits,
    group_edits,
    haplotype_pairs,
    inside_intervals,
)

__all__ = ["DIPLOTYPES", "UNKNOWN", "true_genotype"]

# Numbers of the site's first and second alternative allele -> index of the diplotype.
DIPLOTYPES = {(0, 0): 0, (1, 0): 1, (2, 0): 2, (0, 1): 3, (1, 1): 4, (0, 2): 5}
UNKNOWN = -1
BLUR = 10  # bases around an indel that no candidates explain, in which labels are unknown

_KEY = ["position", "ref", "alt"]


def true_genotype(
    sites: pl.DataFrame,
    truth: pl.DataFrame,
    sequence_of: SequenceOf,
    confident: pl.DataFrame | None = None,
) -> np.ndarray:
    """Genotype of the sample at candidate sites, int8 (sites,): 0 to 5 are 00 01 11 02 12 22.

    Alleles that are written as in the truth get its genotype. Truth that is left is explained by
    the fewest candidates around that make the same haplotypes; the rest are 0/0. Where neither
    works the label is -1, as it is outside the confident regions.

    sites       : contig, position (1-based), ref, alt1, alt2 ("" where there is one only)
    truth       : as genomed.stats.truth_match.CALLS
    sequence_of : contig -> its genomed.io.fasta.Sequence
    confident   : contig, start, end (0-based); default: the truth is known everywhere
    """
    copies = np.zeros((len(sites), 2), np.int8)
    unknown = np.zeros(len(sites), bool)
    alleles = _site_alleles(sites)
    known = allele_rows(truth, sequence_of)
    for (contig,), part in alleles.group_by("contig"):
        sequence = sequence_of(str(contig))
        if sequence is None:
            raise ValueError(f"contig {contig!r} is not in the reference")
        own = known.filter(pl.col("contig") == contig)
        _label_contig(_aligned(part, sequence), own, sequence, copies, unknown)
    if confident is not None:
        start = sites["position"].to_numpy() - 1
        end = start + sites["ref"].str.len_bytes().to_numpy()
        unknown |= ~inside_intervals(sites["contig"], start, end, confident)
    labels = np.array(
        [DIPLOTYPES.get((one, two), UNKNOWN) for one, two in copies.tolist()], np.int8
    )
    labels[unknown] = UNKNOWN
    return labels


def _site_alleles(sites: pl.DataFrame) -> pl.DataFrame:
    """One row per alternative allele: site, which (0 or 1), contig, position, ref, alt."""
    return (
        sites.select("contig", "position", "ref", "alt1", "alt2")
        .with_row_index("site")
        .unpivot(
            index=["site", "contig", "position", "ref"], variable_name="which", value_name="alt"
        )
        .with_columns((pl.col("which") == "alt2").cast(pl.Int8))
        .filter(pl.col("alt") != "")
    )


def _aligned(rows: pl.DataFrame, sequence: tuple[Any, ...]) -> pl.DataFrame:
    moved = align_alleles(rows["position"].to_numpy(), rows["ref"], rows["alt"], sequence)
    return rows.with_columns(
        written_position="position", written_ref="ref", written_alt="alt"
    ).with_columns(position=pl.Series(moved.position), ref=moved.ref, alt=moved.alt)


def _label_contig(
    alleles: pl.DataFrame,
    truth: pl.DataFrame,
    sequence: tuple[Any, ...],
    copies: np.ndarray,
    unknown: np.ndarray,
) -> None:
    """Fill copies (sites, 2) and unknown (sites,) of one contig."""
    numbered = truth.drop("contig").with_row_index("row")
    exact = alleles.join(numbered, on=_KEY, how="inner")
    copies[exact["site"], exact["which"]] = exact["copies"]
    missed = numbered.join(exact.select("row").unique(), on="row", how="anti")
    unexplained = alleles.join(exact.select("site"), on="site", how="anti")
    if not len(missed):
        return
    spare = (
        alleles.join(exact.select("site", "which"), on=["site", "which"], how="anti")
        .unique(_KEY, keep="first", maintain_order=True)
        .with_columns(copies=pl.lit(0, pl.Int8))
        .with_row_index("row")
    )
    near = _near(spare["position"].to_numpy(), missed["position"].to_numpy())
    chosen = [list(edits(missed, sequence)), list(edits(spare.filter(pl.Series(near)), sequence))]
    for truths, candidates in group_edits(chosen):
        if truths:
            rows, explained = _explanation(truths, candidates, sequence)
            for row in rows:
                copies[spare["site"][row], spare["which"][row]] += 1
            _blur([t for t in truths if t.row not in explained], unexplained, unknown)


def _near(position: np.ndarray, missed: np.ndarray) -> np.ndarray:
    """Which positions have truth within reach of any comparison, bool."""
    ordered = np.sort(missed)
    after = np.searchsorted(ordered, position)
    left = np.abs(position - ordered[np.maximum(after - 1, 0)])
    right = np.abs(position - ordered[np.minimum(after, len(ordered) - 1)])
    return np.minimum(left, right) <= 200


def _explanation(
    truths: list[Edit], candidates: list[Edit], sequence: tuple[Any, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Candidate rows, once per copy, that make what most of the truth makes; its rows."""
    if not candidates:
        return (), ()
    start = max(min(edit.start for edit in (*truths, *candidates)) - MARGIN, 0)
    end = max(edit.end for edit in (*truths, *candidates)) + MARGIN
    bases = reference_bases(sequence, start, end)
    wanted = haplotype_pairs(truths, bases, start)
    made = haplotype_pairs(candidates, bases, start, fewest=True)
    best = max((len(wanted[pair]), -len(made[pair]), pair) for pair in wanted.keys() & made.keys())[
        2
    ]
    return made[best], wanted[best]


def _blur(truths: list[Edit], alleles: pl.DataFrame, unknown: np.ndarray) -> None:
    """Labels near truth that nothing explains are unknown."""
    start = alleles["position"].to_numpy() - 1
    end = start + alleles["ref"].str.len_bytes().to_numpy()
    site = alleles["site"].to_numpy()
    for truth in truths:
        blur = 0 if len(truth.text) == truth.end - truth.start else BLUR
        hit = (start < truth.reach + blur) & (end > truth.start - blur)
        unknown[site[hit]] = True
