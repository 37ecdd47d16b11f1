"""Calls against the truth, by haplotype: what was found, missed and made up.

One difference can be written in many ways (an indel in a repeat, two SNPs as one row), so rows that
do not agree as they stand are compared by the sequences that they make: small groups of neighbours
are put on two haplotypes in every phase, and the largest part of truth and calls that give the same
pair of haplotypes matches (the idea of Cleary et al. 2015, doi:10.1101/023754). Alleles are
normalised and counted one by one: a site with two alternative alleles counts twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from genomed.kernels.normalise import BAD_REF
from genomed.stats.normalise import align_alleles, reference_bases

__all__ = [
    "CALLS",
    "Edit",
    "Match",
    "SequenceOf",
    "allele_rows",
    "edits",
    "group_edits",
    "haplotype_pairs",
    "inside_intervals",
    "match_calls",
]

# A table of calls: one row per record of a VCF, for one sample.
CALLS = {
    "contig": pl.String(),
    "position": pl.Int64(),  # 1-based
    "ref": pl.String(),
    "alts": pl.List(pl.String()),
    "allele_1": pl.Int8(),  # index into ref and alts; negative: not called
    "allele_2": pl.Int8(),  # of a haploid call: the same as allele_1
    "score": pl.Float64(),  # the higher, the surer; NaN or null where there is none
}
NEAR = 25  # bases between neighbours that are compared together
MARGIN = 5  # reference bases around a group
MAX_ROWS = 8  # of truth, or of calls, in a group
MAX_ROLL = 1000  # bases over which an indel's other places are looked for

SequenceOf = Callable[[str], tuple[Any, ...] | None]
_KEY = ["contig", "position", "ref", "alt"]
_WRITTEN = ["written_position", "written_ref", "written_alt"]


class Match(NamedTuple):
    """Alleles of truth and calls, one per row, and what became of them.

    truth, calls : as `allele_rows`, with
        matched        : there is the like on the other side
        inside         : lies in the regions where the truth is known
        genotype_error : not matched, but the other side has this allele in another number
    """

    truth: pl.DataFrame
    calls: pl.DataFrame


class Edit(NamedTuple):
    """A change of the reference: bases start to end (0-based) become `text`.

    reach  : end of the stretch in which the same change can be written
    copies : haplotypes that have it, 1 or 2; 0 for any number
    row    : of the table that it came from
    """

    start: int
    end: int
    text: str
    reach: int
    copies: int
    row: int


def match_calls(
    truth: pl.DataFrame, calls: pl.DataFrame, sequence_of: SequenceOf, confident: pl.DataFrame
) -> Match:
    """Compare calls with the truth.

    truth, calls : tables as CALLS; rows without an alternative allele are passed over
    sequence_of  : contig -> its genomed.io.fasta.Sequence (Fasta.sequence)
    confident    : contig, start, end (0-based): where the truth is known
    raises       : ValueError where REF is not what the reference says
    """
    sides = [allele_rows(table, sequence_of) for table in (truth, calls)]
    exact = sides[0].join(sides[1], on=[*_KEY, "copies"], how="inner").select(_KEY)
    marked = [_mark(side, exact) for side in sides]
    for contig in marked[0]["contig"].unique(maintain_order=True):
        _match_contig(contig, marked, sequence_of)
    other = [marked[1], marked[0]]
    done = [_finish(side, against, confident) for side, against in zip(marked, other, strict=True)]
    return Match(*done)


def allele_rows(calls: pl.DataFrame, sequence_of: SequenceOf) -> pl.DataFrame:
    """Alternative alleles of a sample, trimmed and left-aligned, substitutions base by base.

    returns : contig, position, ref, alt, copies (int8, 1 or 2), score, record (row of `calls`),
              is_snp, and written_position, written_ref, written_alt as they came; each allele once
    """
    rows = (
        calls.select(list(CALLS))
        .with_row_index("record")
        .with_columns(index=pl.int_ranges(1, pl.col("alts").list.len() + 1))
        .explode("alts", "index")
        .with_columns(
            copies=(pl.col("allele_1") == pl.col("index")).cast(pl.Int8)
            + (pl.col("allele_2") == pl.col("index")).cast(pl.Int8)
        )
        .filter((pl.col("copies") > 0) & pl.col("alts").str.contains("^[ACGTNacgtn]+$"))
        .select(
            "record", "contig", "position", pl.col("ref").str.to_uppercase(),
            pl.col("alts").str.to_uppercase().alias("alt"), "copies", "score",
        )
        .filter(pl.col("ref") != pl.col("alt"))
    )  # fmt: skip
    parts = [_align(part, sequence_of) for part in rows.partition_by("contig", maintain_order=True)]
    aligned = pl.concat([_as_written(rows.clear()), *parts])
    return (
        _by_base(aligned)
        .group_by(_KEY, maintain_order=True)
        .agg(
            pl.col("copies").sum().clip(upper_bound=2).cast(pl.Int8),
            pl.col("score").max(),
            pl.col("record", *_WRITTEN).first(),
        )
        .with_columns(is_snp=pl.col("ref").str.len_bytes() == pl.col("alt").str.len_bytes())
    )


def _align(rows: pl.DataFrame, sequence_of: SequenceOf) -> pl.DataFrame:
    """Normalise the rows of one contig."""
    contig = str(rows["contig"][0])
    sequence = sequence_of(contig)
    if sequence is None:
        raise ValueError(f"contig {contig!r} is not in the reference")
    aligned = align_alleles(rows["position"].to_numpy(), rows["ref"], rows["alt"], sequence)
    wrong = np.flatnonzero(aligned.fate >= BAD_REF)
    if len(wrong):
        row = rows.row(int(wrong[0]), named=True)
        raise ValueError(
            f"{contig}:{row['position']}: REF {row['ref'][:20]} is not what the reference says"
        )
    return _as_written(rows).with_columns(
        position=pl.Series(aligned.position), ref=aligned.ref, alt=aligned.alt
    )


def _as_written(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.col(name).alias(written) for name, written in zip(_KEY[1:], _WRITTEN, strict=True)
    )


def _by_base(rows: pl.DataFrame) -> pl.DataFrame:
    """Substitutions of several bases as one row per base that differs."""
    n_ref = pl.col("ref").str.len_bytes()
    several = (n_ref == pl.col("alt").str.len_bytes()) & (n_ref > 1)
    split = (
        rows.filter(several)
        .with_columns(
            offset=pl.int_ranges(0, n_ref),
            ref=pl.col("ref").str.split(""),
            alt=pl.col("alt").str.split(""),
        )
        .explode("offset", "ref", "alt")
        .filter(pl.col("ref") != pl.col("alt"))
        .with_columns(position=pl.col("position") + pl.col("offset"))
        .select(rows.columns)
    )
    return pl.concat([rows.filter(~several), _as_written(split)])


def _mark(side: pl.DataFrame, exact: pl.DataFrame) -> pl.DataFrame:
    known = exact.with_columns(matched=True)
    return (
        side.join(known, on=_KEY, how="left", maintain_order="left")
        .with_columns(pl.col("matched").fill_null(value=False))
        .sort("contig", "position", maintain_order=True)
    )


def _match_contig(contig: str, marked: list[pl.DataFrame], sequence_of: SequenceOf) -> None:
    """Set `matched` of rows of a contig that agree by haplotype."""
    sequence = sequence_of(contig)
    assert sequence is not None
    rest: list[list[Edit]] = []
    for side in marked:
        numbered = side.with_row_index("row").filter(
            (pl.col("contig") == contig) & ~pl.col("matched")
        )
        rest.append(list(edits(numbered, sequence)))
    found: tuple[list[int], list[int]] = ([], [])
    for truth, calls in group_edits(rest):
        if truth and calls:
            for kept, rows in zip(found, _largest_match(truth, calls, sequence), strict=True):
                kept += rows
    for i, rows in enumerate(found):
        matched = marked[i]["matched"].to_numpy().copy()
        matched[rows] = True
        marked[i] = marked[i].with_columns(matched=pl.Series(matched))


def edits(rows: pl.DataFrame, sequence: tuple[Any, ...]) -> Iterator[Edit]:
    """Rows (row, copies, and alleles as written) of one contig as edits without shared bases.

    An indel stays where it was written: it may lie behind a substitution in its repeat.
    """
    columns = (rows[name].to_list() for name in ("row", *_WRITTEN, "copies"))
    for row, position, ref, alt, copies in zip(*columns, strict=True):
        right = _n_shared(ref[::-1], alt[::-1])
        left = _n_shared(ref[: len(ref) - right], alt[: len(alt) - right])
        start, end = position - 1 + left, position - 1 + len(ref) - right
        text = alt[left : len(alt) - right]
        moved = text if start == end else ("" if text else ref[left : len(ref) - right])
        yield Edit(start, end, text, end + _roll(end, moved, sequence), copies, row)


def _n_shared(one: str, two: str) -> int:
    """Letters that both begin with."""
    n = 0
    while n < min(len(one), len(two)) and one[n] == two[n]:
        n += 1
    return n


def _roll(end: int, moved: str, sequence: tuple[Any, ...]) -> int:
    """Bases by which an insertion or deletion of `moved` can go right."""
    n = 0
    while moved and n < MAX_ROLL:
        ahead = reference_bases(sequence, end + n, end + n + 64)
        for base in ahead:
            if base != moved[n % len(moved)]:
                return n
            n += 1
        if len(ahead) < 64:
            break
    return n


def group_edits(sides: Sequence[Sequence[Edit]]) -> Iterator[list[list[Edit]]]:
    """Put neighbours of one contig together, so few that all ways to combine them can be tried."""
    every = sorted((edit.start, i, edit) for i, side in enumerate(sides) for edit in side)
    group: list[tuple[int, int, Edit]] = []
    reach = -1
    for one in every:
        if group and one[0] > reach + NEAR:
            yield from _small_groups(group, len(sides))
            group = []
            reach = -1
        group.append(one)
        reach = max(reach, one[2].reach)
    if group:
        yield from _small_groups(group, len(sides))


def _small_groups(group: list[tuple[int, int, Edit]], n_sides: int) -> Iterator[list[list[Edit]]]:
    """Cut a group at its widest gaps until no side has more than MAX_ROWS."""
    parts = [[edit for _, i, edit in group if i == side] for side in range(n_sides)]
    if max(map(len, parts)) <= MAX_ROWS:
        yield parts
        return
    ends = list(itertools.accumulate((edit.end for *_, edit in group), max))
    cut = 1 + int(np.argmax([one[0] - end for one, end in zip(group[1:], ends, strict=False)]))
    yield from _small_groups(group[:cut], n_sides)
    yield from _small_groups(group[cut:], n_sides)


def _largest_match(
    truth: list[Edit], calls: list[Edit], sequence: tuple[Any, ...]
) -> tuple[list[int], list[int]]:
    """Rows of the largest parts of both sides that make the same pair of haplotypes."""
    start = max(min(edit.start for edit in (*truth, *calls)) - MARGIN, 0)
    end = max(edit.end for edit in (*truth, *calls)) + MARGIN
    bases = reference_bases(sequence, start, end)
    ours, theirs = (haplotype_pairs(side, bases, start) for side in (truth, calls))
    best = max(
        (len(ours[pair]) + len(theirs[pair]), len(ours[pair]), pair)
        for pair in ours.keys() & theirs.keys()
    )[2]
    return list(ours[best]), list(theirs[best])


def haplotype_pairs(
    side: list[Edit], bases: str, start: int, *, fewest: bool = False
) -> dict[tuple[str, str], tuple[int, ...]]:
    """All pairs of haplotypes that a part of the edits makes -> rows of the largest such part.

    An edit of copies 0 may be on one haplotype or on both: its row then comes once or twice.

    bases  : reference from `start` on; edits lie within
    fewest : keep the smallest part instead
    """
    made: dict[tuple[str, str], tuple[int, ...]] = {}
    ordered = sorted(side)

    def extend(i: int, one: str, two: str, at: tuple[int, int], rows: tuple[int, ...]) -> None:
        if i == len(ordered):
            first, second = one + bases[at[0] :], two + bases[at[1] :]
            pair = (first, second) if first <= second else (second, first)
            known = made.get(pair)
            if known is None or (len(rows) < len(known) if fewest else len(rows) > len(known)):
                made[pair] = rows
            return
        extend(i + 1, one, two, at, rows)
        edit = ordered[i]
        begin, end = edit.start - start, edit.end - start
        fits = begin >= at[0], begin >= at[1]
        longer = one + bases[at[0] : begin] + edit.text, two + bases[at[1] : begin] + edit.text
        if edit.copies != 2 and fits[0]:
            extend(i + 1, longer[0], two, (end, at[1]), (*rows, edit.row))
        if edit.copies != 2 and fits[1] and (one != two or at[0] != at[1]):
            extend(i + 1, one, longer[1], (at[0], end), (*rows, edit.row))
        if edit.copies != 1 and all(fits):
            twice = (edit.row,) if edit.copies else (edit.row, edit.row)
            extend(i + 1, *longer, (end, end), (*rows, *twice))

    extend(0, "", "", (0, 0), ())
    return made


def _finish(side: pl.DataFrame, other: pl.DataFrame, confident: pl.DataFrame) -> pl.DataFrame:
    """Add `inside` and `genotype_error`."""
    missed = other.filter(~pl.col("matched")).select(_KEY).unique().with_columns(there=True)
    return (
        side.with_columns(
            inside=pl.Series(
                inside_intervals(
                    side["contig"], side["position"].to_numpy() - 1,
                    side["position"].to_numpy() - 1 + side["ref"].str.len_bytes().to_numpy(),
                    confident,
                )
            )
        )
        .join(missed, on=_KEY, how="left", maintain_order="left")
        .with_columns(
            genotype_error=~pl.col("matched") & pl.col("there").fill_null(value=False)
        )
        .drop("there")
    )  # fmt: skip


def inside_intervals(
    contig: pl.Series, start: np.ndarray, end: np.ndarray, intervals: pl.DataFrame
) -> np.ndarray:
    """Whether each span (0-based) lies within one interval, bool (spans,).

    intervals : contig, start, end; those that touch or overlap are taken as one
    """
    inside = np.zeros(len(contig), bool)
    for (name,), part in intervals.group_by("contig"):
        at = np.flatnonzero((contig == name).to_numpy())
        ordered = part.sort("start")
        begins, ends = ordered["start"].to_numpy(), ordered["end"].to_numpy()
        reach = np.maximum.accumulate(ends)
        opens = np.concatenate([[True], begins[1:] > reach[:-1]])
        begins = begins[opens]
        stops = np.maximum.reduceat(reach, np.flatnonzero(opens))
        where = np.searchsorted(begins, start[at], side="right") - 1
        inside[at] = (where >= 0) & (end[at] <= stops[np.maximum(where, 0)])
    return inside
