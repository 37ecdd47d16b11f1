"""Which record of the cohort is which variant of a model, and on which strand.

A model variant is compared with the records at its position (or of its ID), in this order:
alleles as they stand, swapped, on the other strand, both. The first position at which any record
fits decides; of its records the best fit, then the first in the file. A record without the wanted
ALT, or a reference block, can prove that a call holds no copy of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from genomed.kernels.scoring import COUNT_ALT, COUNT_NONE, COUNT_REF
from genomed.schema import ScoreModel, Wanted

__all__ = ["NO_ALT", "Entries", "RowMatches", "reference_blocks", "reverse_complement"]

NO_ALT = (".", "<NON_REF>", "<*>")

# Reasons in order of preference; the number is what is compared.
EXACT, SWAPPED, FLIPPED, FLIPPED_SWAPPED, HOM_REF_CALLED, HOM_REF_BLOCK = range(6)
FITS = ("exact", "swapped", "flipped", "flipped_swapped", "hom_ref_called", "hom_ref_block")
_COMPLEMENT = str.maketrans("ACGT", "TGCA")


def reverse_complement(alleles: pl.Series) -> pl.Series:
    """The same alleles read from the other strand."""
    if not (alleles.str.len_chars() > 1).any():
        return alleles.replace({"A": "T", "T": "A", "C": "G", "G": "C"})
    return pl.Series(
        alleles.name,
        [None if a is None else a.translate(_COMPLEMENT)[::-1] for a in alleles],
        dtype=pl.Utf8,
    )


def reference_blocks(rows: pl.DataFrame) -> np.ndarray:
    """Rows that are a gVCF reference block of several positions, bool (rows,)."""
    return rows.select(
        pl.col("alt").is_in(NO_ALT)
        & (pl.col("n_alts") <= 1)
        & (pl.col("end_position") > pl.col("position"))
    )["alt"].to_numpy()


@dataclass(frozen=True)
class RowMatches:
    """Model variants found in some rows, one per entry, in the order of the rows.

    entry : int64, index into the entries          row   : int64, row of the batch
    fit   : int8, index into FITS                  count : int8, COUNT_ALT, COUNT_REF or COUNT_NONE
    ambiguous : bool, the alleles are A/T or C/G, so that they fit on either strand
    """

    entry: np.ndarray
    row: np.ndarray
    fit: np.ndarray
    count: np.ndarray
    ambiguous: np.ndarray

    def some(self, mask: np.ndarray) -> RowMatches:
        """Those chosen by a bool mask."""
        arrays = (self.entry, self.row, self.fit, self.count, self.ambiguous)
        return RowMatches(*(array[mask] for array in arrays))


@dataclass(frozen=True)
class Family:
    """Models of one file that share every variant and differ in their weights only.

    members : int64 (k,), the models; rows : their entries in the table
    weights : float64 (entries, k), contiguous; None for a family of one
    label   : what the ledger calls them
    """

    members: np.ndarray
    rows: slice
    weights: np.ndarray | None
    label: str

    def weights_of(self, entry: np.ndarray) -> np.ndarray:
        """Weights of some of its entries, float64 (k, members), in a family of several."""
        assert self.weights is not None
        return self.weights[entry - self.rows.start]


@dataclass
class Entries:
    """Every variant of every model in a run, in one table, and what became of each.

    Models that share their variants (see Family) share their entries too, under the first of them.

    families  : in the order of the table
    taken     : decided; seen : a record was there; in_block : inside a reference block, but which
                base is the reference was not known
    n_conflicts : entries proved hom-ref by a block that later met a record of their own
    table     : one row per entry: model (index), variant (row of its model), contig, position,
                variant_id, effect_allele, other_allele, effect_weight, effect_type,
                dosage_0_weight .., effect_allele_frequency, source_line, and the computed
                slope (weight per copy), ambiguous (false without an other allele: the record
                tells then, see RowMatches)
    reason    : object (entries,), reason code, None while undecided
    """

    table: pl.DataFrame
    reason: np.ndarray
    taken: np.ndarray
    seen: np.ndarray
    in_block: np.ndarray
    by_position: pl.DataFrame = field(repr=False)
    by_id: pl.DataFrame = field(repr=False)
    families: list[Family] = field(default_factory=list, repr=False)
    n_conflicts: int = 0

    @classmethod
    def make(cls, models: Sequence[ScoreModel], builds: Sequence[str | None]) -> Entries:
        """Lay the models' variants out in one table; builds[i] chooses the loci, None means IDs."""
        frames = []
        families = _families(models, builds)
        for family in families:
            index = int(family.members[0])
            model, build = models[index], builds[index]
            locus = (
                model.loci[build].select("contig", "position")
                if build is not None
                else pl.DataFrame(
                    {
                        "contig": [None] * model.variants.height,
                        "position": [None] * model.variants.height,
                    },
                    schema={"contig": pl.Utf8, "position": pl.Int64},
                )
            )
            frames.append(
                model.variants.hstack(locus).select(
                    pl.lit(index, pl.Int64).alias("model"),
                    pl.int_range(pl.len(), dtype=pl.Int64).alias("variant"),
                    pl.lit(build is None).alias("id_only"),
                    "contig",
                    "position",
                    "variant_id",
                    "effect_allele",
                    "other_allele",
                    "effect_weight",
                    "effect_type",
                    "dosage_0_weight",
                    "dosage_1_weight",
                    "dosage_2_weight",
                    "effect_allele_frequency",
                    "source_line",
                    "refused",
                )
            )
        table = (
            pl.concat(frames).with_row_index("entry").with_columns(pl.col("entry").cast(pl.Int64))
        )
        table = table.with_columns(
            refused=pl.when(pl.col("refused").is_not_null())
            .then("refused")
            .when(~pl.col("id_only") & (pl.col("position").is_null() | pl.col("contig").is_null()))
            .then(pl.lit("no_position"))
            .when(pl.col("id_only") & pl.col("variant_id").is_null())
            .then(pl.lit("no_position")),
            slope=pl.when(pl.col("effect_type") == "dosage")
            .then((pl.col("dosage_2_weight") - pl.col("dosage_0_weight")) / 2)
            .otherwise("effect_weight"),
            flipped_effect=reverse_complement(table["effect_allele"]),
            flipped_other=reverse_complement(table["other_allele"]),
        ).with_columns(ambiguous=pl.col("flipped_effect") == pl.col("other_allele"))
        usable = table.filter(pl.col("refused").is_null()).select(
            "entry", "id_only", "contig", "position", "variant_id", "effect_allele", "other_allele",
            "flipped_effect", "flipped_other",
        )  # fmt: skip
        return cls(
            table,
            table["refused"].to_numpy(allow_copy=True).astype(object),
            np.zeros(table.height, bool),
            np.zeros(table.height, bool),
            np.zeros(table.height, bool),
            usable.filter(~pl.col("id_only")).drop("id_only", "variant_id"),
            usable.filter("id_only").drop("id_only", "contig", "position"),
            families,
        )

    def wanted(self) -> Wanted:
        """What a reader has to look for."""
        positions = {
            str(contig): np.unique(group["position"].to_numpy())
            for (contig,), group in self.by_position.group_by("contig")
        }
        return Wanted(positions, frozenset(self.by_id["variant_id"].to_list()))

    def match(self, rows: pl.DataFrame, reference: pl.DataFrame | None = None) -> RowMatches:
        """Find the entries that these rows decide, and remember the decision.

        rows      : the batch's `variants` with `row` (Int64) and `canonical` (contig) added; rows
                    of one position are never spread over two calls
        reference : entry -> ref (Utf8): reference base at entries inside reference blocks, null
                    where it is not known
        """
        pairs = self._pairs(rows, reference)
        self.seen[pairs["entry"].to_numpy()] = True
        self._mark_covered(rows)
        fit = pairs.filter(pl.col("fit").is_not_null())
        own = fit.filter(pl.col("fit") < HOM_REF_CALLED)["entry"].unique().to_numpy()
        fit = fit.filter(pl.lit(~self.taken[fit["entry"].to_numpy()]))
        runs = _runs(rows)
        fit = fit.with_columns(run=runs[fit["row"].to_numpy()])
        fit = fit.sort("entry", "run", "fit", "row").unique(
            "entry", keep="first", maintain_order=True
        )
        fit = fit.sort("row", "entry")
        entry = fit["entry"].to_numpy()
        self.taken[entry] = True
        kind = fit["fit"].to_numpy().astype(np.int8)
        self.reason[entry] = np.array(FITS, dtype=object)[kind]
        self.n_conflicts += int((self.reason[own] == "hom_ref_block").sum())
        return RowMatches(
            entry.astype(np.int64), fit["row"].to_numpy().astype(np.int64), kind,
            fit["count"].to_numpy().astype(np.int8), fit["ambiguous"].to_numpy().astype(bool),
        )  # fmt: skip

    def _pairs(self, rows: pl.DataFrame, reference: pl.DataFrame | None) -> pl.DataFrame:
        """Every (entry, row) that meet, with fit (null: alleles differ), count and ambiguous."""
        columns: list[str | pl.Expr] = [
            "row",
            "ref",
            "alt",
            "n_alts",
            pl.lit(False).alias("trimmed"),
        ]
        pieces = []
        if self.by_position.height:
            here = rows.select(*columns, pl.col("canonical").alias("contig"), "position")
            here = pl.concat([here, *_trimmed(rows)])
            pieces.append(
                here.join(self.by_position, on=["contig", "position"]).drop("contig", "position")
            )
        if self.by_id.height:
            ids = rows.select(*columns, pl.col("id").alias("variant_id")).drop_nulls("variant_id")
            if ids["variant_id"].str.contains(";", literal=True).any():
                parts = ids.with_columns(pl.col("variant_id").str.split(";")).explode("variant_id")
                ids = pl.concat([ids, parts]).unique(maintain_order=True)
            pieces.append(ids.join(self.by_id, on="variant_id").drop("variant_id"))
        pairs = pl.concat(pieces, how="diagonal") if pieces else _NO_PAIRS
        pairs = _fitted(pairs)
        blocks = self._inside_blocks(rows, reference)
        return pl.concat([pairs, blocks]) if blocks is not None else pairs

    def _mark_covered(self, rows: pl.DataFrame) -> None:
        """Entries inside a longer record, a deletion say, are not absent: their base is unsure."""
        longer = rows.filter(pl.col("end_position") > pl.col("position"))
        if longer.height and self.by_position.height:
            for _, loci, index, _ in self._inside(longer):
                self.seen[loci["entry"].to_numpy()[index]] = True

    def _inside(
        self, spans: pl.DataFrame
    ) -> Iterator[tuple[pl.DataFrame, pl.DataFrame, np.ndarray, np.ndarray]]:
        """Per contig: the spans, its entries by position, and index pairs (entry, span) of those
        strictly behind a span's first position."""
        for (contig,), group in spans.group_by("canonical", maintain_order=True):
            loci = self.by_position.filter(pl.col("contig") == contig).sort("position", "entry")
            positions = loci["position"].to_numpy()
            low = np.searchsorted(positions, group["position"].to_numpy(), side="right")
            high = np.searchsorted(positions, group["end_position"].to_numpy(), side="right")
            n = np.maximum(high - low, 0)
            before = np.concatenate([[0], np.cumsum(n)[:-1]])
            index = np.repeat(low - before, n) + np.arange(n.sum())
            yield group, loci, index, np.repeat(np.arange(len(n)), n)

    def _inside_blocks(
        self, rows: pl.DataFrame, reference: pl.DataFrame | None
    ) -> pl.DataFrame | None:
        """Entries strictly inside a reference block; the reference base must come from outside."""
        blocks = rows.filter(pl.Series(reference_blocks(rows)))
        if not blocks.height or not self.by_position.height:
            return None
        found = [
            loci[index]
            .select("entry", "effect_allele", "other_allele", "flipped_effect")
            .with_columns(row=group["row"][span])
            for group, loci, index, span in self._inside(blocks)
        ]
        inside = pl.concat(found)
        if reference is None:
            self.in_block[inside["entry"].to_numpy()] = True
            return inside.select(
                "entry",
                "row",
                fit=pl.lit(None, pl.Int8),
                count=pl.lit(None, pl.Int8),
                ambiguous=pl.lit(False),
            )
        is_ref = pl.col("effect_allele") == pl.col("ref")
        is_alt = pl.col("other_allele") == pl.col("ref")
        inside = inside.join(reference, on="entry", how="left")
        self.in_block[inside.filter(pl.col("ref").is_null())["entry"].to_numpy()] = True
        return inside.select(
            "entry",
            "row",
            fit=pl.when(is_ref | is_alt).then(pl.lit(HOM_REF_BLOCK, pl.Int8)),
            count=pl.when(is_ref)
            .then(pl.lit(COUNT_REF, pl.Int8))
            .when(is_alt)
            .then(pl.lit(COUNT_NONE, pl.Int8)),
            ambiguous=(pl.col("flipped_effect") == pl.col("other_allele")).fill_null(False),
        )


def _families(models: Sequence[ScoreModel], builds: Sequence[str | None]) -> list[Family]:
    """Neighbouring models that share their variants, together."""
    families: list[Family] = []
    first = at = 0
    while first < len(models):
        stop = first + 1
        while stop < len(models) and builds[stop] == builds[first]:
            if not _same_variants(models[first], models[stop]):
                break
            stop += 1
        model, n = models[first], models[first].variants.height
        label, weights = model.name, None
        if stop - first > 1:
            columns = [m.variants["effect_weight"].to_numpy() for m in models[first:stop]]
            weights = np.ascontiguousarray(np.stack(columns, axis=1))
            file = model.source.replace("\\", "/").rsplit("/", 1)[-1]
            on_build = f", {builds[first]}" if builds[first] else ""
            label = f"{file} ({stop - first} scores{on_build})"
        families.append(
            Family(np.arange(first, stop, dtype=np.int64), slice(at, at + n), weights, label)
        )
        first, at = stop, at + n
    return families


def _same_variants(a: ScoreModel, b: ScoreModel) -> bool:
    """Columns of one file, with weights in the same rows, one weight a row."""
    return (
        a.loci is b.loci
        and a.source == b.source
        and a.variants.height == b.variants.height
        and a.variants["source_line"].equals(b.variants["source_line"])
        and a.variants["refused"].equals(b.variants["refused"])
        and not (a.variants["effect_type"] == "dosage").any()
    )


_NO_PAIRS = pl.DataFrame(
    schema={
        "row": pl.Int64, "ref": pl.Utf8, "alt": pl.Utf8, "n_alts": pl.Int32, "trimmed": pl.Boolean,
        "entry": pl.Int64, "effect_allele": pl.Utf8, "other_allele": pl.Utf8,
        "flipped_effect": pl.Utf8, "flipped_other": pl.Utf8,
    }
)  # fmt: skip


def _fitted(pairs: pl.DataFrame) -> pl.DataFrame:
    """entry, row, fit, count and ambiguous of pairs that share a position or an ID.

    Only a record as it stands proves hom-ref: a trimmed one may be followed by the variant itself.
    """
    ref, alt = pl.col("ref"), pl.col("alt")
    effect, other = pl.col("effect_allele"), pl.col("other_allele")
    no_alt = alt.is_in(NO_ALT)
    one_base = ~pl.col("trimmed") & (ref.str.len_chars() == 1) & (effect.str.len_chars() == 1)
    fit = (
        pl.when((effect == alt) & ((other == ref) | other.is_null()))
        .then(EXACT)
        .when((effect == ref) & ((other == alt) | (other.is_null() & ~no_alt)))
        .then(SWAPPED)
        .when((pl.col("flipped_effect") == alt) & (pl.col("flipped_other") == ref))
        .then(FLIPPED)
        .when((pl.col("flipped_effect") == ref) & (pl.col("flipped_other") == alt))
        .then(FLIPPED_SWAPPED)
        .when(one_base & ((effect == ref) | (other == ref)) & (other.str.len_chars() == 1))
        .then(HOM_REF_CALLED)
        .when(one_base & no_alt & other.is_null() & (effect == ref))
        .then(HOM_REF_CALLED)
    )
    holds_ref = pl.col("fit").is_in([SWAPPED, FLIPPED_SWAPPED]) | (
        (pl.col("fit") == HOM_REF_CALLED) & (effect == ref)
    )
    count = (
        pl.when(pl.col("fit").is_in([EXACT, FLIPPED]))
        .then(COUNT_ALT)
        .when(holds_ref)
        .then(COUNT_REF)
        .when(pl.col("fit") == HOM_REF_CALLED)
        .then(COUNT_NONE)
    )
    # The other allele is the record's where the effect allele was found in it, else the model's.
    beside = pl.when(pl.col("fit") == EXACT).then(ref).when(pl.col("fit") == SWAPPED).then(alt)
    ambiguous = (pl.col("flipped_effect") == beside.otherwise(other)).fill_null(False)
    return pairs.with_columns(fit=fit.cast(pl.Int8)).select(
        pl.col("entry").cast(pl.Int64),
        pl.col("row").cast(pl.Int64),
        "fit",
        count.cast(pl.Int8).alias("count"),
        ambiguous.alias("ambiguous"),
    )


def _trimmed(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Rows whose REF and ALT share bases at an end, again, without them (as Tan 2015 trims)."""
    padded = rows.filter(
        (pl.col("ref").str.len_chars() > 1)
        & (pl.col("alt").str.len_chars() > 1)
        & ~pl.col("alt").str.starts_with("<")
    )
    if not padded.height:
        return []
    trimmed = [_minimal(*r) for r in padded.select("position", "ref", "alt").iter_rows()]
    frame = padded.with_columns(
        position=pl.Series([t[0] for t in trimmed], dtype=pl.Int64),
        ref=pl.Series([t[1] for t in trimmed], dtype=pl.Utf8),
        alt=pl.Series([t[2] for t in trimmed], dtype=pl.Utf8),
    )
    changed = frame.filter(
        (frame["ref"] != padded["ref"]) | (frame["position"] != padded["position"])
    )
    return [
        changed.select(
            "row",
            "ref",
            "alt",
            "n_alts",
            pl.lit(True).alias("trimmed"),
            pl.col("canonical").alias("contig"),
            "position",
        )
    ]


def _minimal(position: int, ref: str, alt: str) -> tuple[int, str, str]:
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        position, ref, alt = position + 1, ref[1:], alt[1:]
    return position, ref, alt


def _runs(rows: pl.DataFrame) -> np.ndarray:
    """Number of the run of equal (contig, position) that each row lies in, int64."""
    position = rows["position"].to_numpy()
    contig = rows["canonical"].rle_id().to_numpy()
    new = np.ones(len(position), bool)
    new[1:] = (position[1:] != position[:-1]) | (contig[1:] != contig[:-1])
    return np.cumsum(new)
