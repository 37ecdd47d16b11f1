"""Variants of models that a cohort has no record of, as sites to look up in reads, and back.

A site is a stretch of the reference with what the models have in its place. What is found comes
back as rows of a cohort, so that they are matched and scored as any other record.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

__all__ = ["LookupSites", "SampleCalls", "lookup_rows", "lookup_sites"]

BASES = np.array(list("ACGT"), object)
_COMPLEMENT = {"A": "T", "T": "A", "C": "G", "G": "C"}


class LookupSites(NamedTuple):
    """Where to look, sorted by contig and position.

    bases  : columns contig, position, ref (one base), alts (list, may be empty)
    longer : columns contig, position, ref, alt: insertions, deletions and the like
    """

    bases: pl.DataFrame
    longer: pl.DataFrame


class SampleCalls(NamedTuple):
    """What one sample's reads show.

    base_genotype : int8 (sites of `bases`, 2), 0 to 3 for A C G T; -1 where nothing is proved
    longer_copies : int8 (sites of `longer`,), copies of alt; -9 where nothing is proved
    """

    base_genotype: np.ndarray
    longer_copies: np.ndarray


def lookup_sites(wanted: pl.DataFrame) -> LookupSites:
    """Sites of model variants whose alleles fit the reference, on either strand.

    wanted : columns contig, position, effect_allele, other_allele (null unknown), ref_is_other
             (whether the model says which of the two is the reference's), reference (text from the
             position on, as long as the longer allele)
    """
    rows = wanted.filter(
        pl.col("effect_allele").str.contains("^[ACGT]+$")
        & pl.col("other_allele").str.contains("^[ACGT]+$").fill_null(True)
        & pl.col("reference").str.contains("^[ACGT]+$")
    )
    one = (pl.col("effect_allele").str.len_chars() == 1) & (
        pl.col("other_allele").str.len_chars().fill_null(1) == 1
    )
    return LookupSites(_base_sites(rows.filter(one)), _longer_sites(rows.filter(~one)))


def _base_sites(rows: pl.DataFrame) -> pl.DataFrame:
    effect, other, ref = pl.col("effect_allele"), pl.col("other_allele"), pl.col("reference")
    turned_effect, turned_other = (c.replace(_COMPLEMENT) for c in (effect, other))
    nothing = pl.lit(None, pl.Utf8)
    alt = (
        pl.when(other.is_null())
        .then(pl.when(effect != ref).then(effect))
        .when(effect == ref)
        .then(other)
        .when(other == ref)
        .then(effect)
        .when(turned_effect == ref)
        .then(turned_other)
        .when(turned_other == ref)
        .then(turned_effect)
        .otherwise(nothing)
    )
    fits = other.is_null() | alt.is_not_null()
    return (
        rows.with_columns(ref.alias("ref"), alt=alt)
        .filter(fits)
        .group_by("contig", "position", "ref")
        .agg(pl.col("alt").drop_nulls().unique().sort().alias("alts"))
        .sort("contig", "position")
    )


def _longer_sites(rows: pl.DataFrame) -> pl.DataFrame:
    """Only where it is certain which allele is the reference's.

    Where the longer allele agrees with the reference, so does the shorter one: it may be a
    deletion, or an insertion into a repeat, and only a model that tells its REF can be looked up.
    """
    rows = rows.filter(pl.col("other_allele").is_not_null())
    at = {
        name: pl.col("reference").str.starts_with(pl.col(f"{name}_allele"))
        for name in ("effect", "other")
    }
    at["effect"] &= ~pl.col("ref_is_other")
    return (
        rows.filter(at["effect"] != at["other"])
        .select(
            "contig",
            "position",
            ref=pl.when(at["effect"]).then("effect_allele").otherwise("other_allele"),
            alt=pl.when(at["effect"]).then("other_allele").otherwise("effect_allele"),
        )
        .unique(maintain_order=True)
        .sort("contig", "position", "ref", "alt")
    )


def lookup_rows(
    sites: LookupSites, calls: list[SampleCalls]
) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """What was found as rows of a cohort: those with anything proved in anybody.

    returns : the columns of TABLES["variants"], sorted; `line` is a negative number, one for each
              site. int8 (rows, samples), copies of alt, -9 where nothing is proved; and 1 or 2, the
              copies of the contig in a person
    """
    frames, copies = [], []
    if sites.bases.height and calls:
        frame, found = _base_rows(sites.bases, np.stack([c.base_genotype for c in calls], axis=1))
        frames.append(frame)
        copies.append(found)
    if sites.longer.height and calls:
        longer = sites.longer.select("contig", "position", "ref", "alt", n_alts=pl.lit(1, pl.Int64))
        found = np.stack([c.longer_copies for c in calls], axis=1)
        known = (found >= 0).any(axis=1)
        frames.append(longer.filter(pl.Series(known)))
        copies.append(found[known])
    if not frames or not sum(frame.height for frame in frames):
        return _NO_ROWS, np.empty((0, len(calls)), np.int8), np.empty(0, np.int8)
    rows = pl.concat(frames).with_row_index("at").sort("contig", "position", "ref", "at")
    order = rows["at"].to_numpy()
    rows = rows.with_columns(
        pl.lit(None, pl.Utf8).alias("id"),
        end_position=pl.col("position") + pl.col("ref").str.len_chars().cast(pl.Int64) - 1,
        line=-1 - pl.struct("contig", "position", "ref").rle_id().cast(pl.Int64),
    )
    ploidy = np.where(np.isin(rows["contig"].to_numpy(), ("Y", "MT")), 1, 2).astype(np.int8)
    found = np.concatenate(copies)[order]
    one_copy = (ploidy == 1)[:, None] & (found > 0)  # bases are told twice
    return rows.select(_NO_ROWS.columns), np.where(one_copy, 1, found).astype(np.int8), ploidy


_NO_ROWS = pl.DataFrame(
    schema={
        "contig": pl.Utf8, "position": pl.Int64, "id": pl.Utf8, "ref": pl.Utf8, "alt": pl.Utf8,
        "end_position": pl.Int64, "n_alts": pl.Int64, "line": pl.Int64,
    }
)  # fmt: skip


def _base_rows(sites: pl.DataFrame, genotype: np.ndarray) -> tuple[pl.DataFrame, np.ndarray]:
    """One row for each ALT that a model has or the reads show, or one without ALT.

    genotype : int8 (sites, samples, 2)
    """
    known = (genotype[:, :, 0] >= 0).any(axis=1)
    sites, genotype = sites.filter(pl.Series(known)), genotype[known]
    number = {base: i for i, base in enumerate("ACGT")}
    ref = sites["ref"].replace_strict(number, return_dtype=pl.Int8).to_numpy()
    is_alt = np.zeros((sites.height, 4), bool)
    listed = sites.with_row_index("site").explode("alts").drop_nulls("alts")
    of = listed["alts"].replace_strict(number, return_dtype=pl.Int8).to_numpy()
    is_alt[listed["site"].to_numpy(), of] = True
    for base in range(4):
        is_alt[:, base] |= (genotype == base).any(axis=(1, 2))
    is_alt[np.arange(sites.height), ref] = False
    site, alt = np.nonzero(is_alt)
    bare = np.flatnonzero(~is_alt.any(axis=1))
    site, alt = np.concatenate([site, bare]), np.concatenate([alt, np.full(len(bare), -1)])
    order = np.lexsort((alt, site))
    site, alt = site[order], alt[order]
    here = genotype[site]
    copies = np.where(
        here[:, :, 0] >= 0, (here == alt[:, None, None]).sum(axis=2), -9
    ).astype(np.int8)  # fmt: skip
    frame = sites[site].select("contig", "position", "ref").with_columns(
        alt=pl.Series([*BASES, "."], dtype=pl.Utf8)[np.where(alt < 0, 4, alt)],
        n_alts=np.maximum(is_alt.sum(axis=1), 1)[site].astype(np.int64),
    )  # fmt: skip
    return frame, copies
