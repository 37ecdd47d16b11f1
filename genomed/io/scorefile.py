"""Read scoring files: PGS Catalog files of every age and plink-style weight tables.

`read_models` gives one ScoreModel per weight column (or per accession of a long table). Rows are
never dropped: one that cannot be used keeps its place and its line number, with the reason code
in `refused`. Only a file that is broken as a whole, or holds no usable row, is an error.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from genomed.errors import InputError
from genomed.io.scorefile_columns import (
    KNOWN_COLUMNS,
    Parts,
    check_parts,
    normalised_build,
    parts_of,
)
from genomed.io.scorefile_weights import (
    DOSAGE_WEIGHTS,
    UnweighedVariants,
    dosage_weights,
    on_log_scale,
    weight_numbers,
)
from genomed.io.text_table import read_text_table
from genomed.regions import canonical_contig
from genomed.schema import ScoreModel

__all__ = ["read_frequencies", "read_models"]

_PLAIN_ALLELE = "^[ACGT]+$"
_EFFECT_TYPES = ["additive", "dominant", "recessive", "dosage"]
_OLD_KEYS = {  # PGS Catalog format 1.0 -> 2.0
    "PGS ID": "pgs_id",
    "Reported Trait": "trait_reported",
    "Original Genome Build": "genome_build",
    "Number of Variants": "variants_number",
}
_LOCUS = {"contig": pl.Utf8, "position": pl.Int64}


def read_models(path: Path, *, name: str | None = None) -> list[ScoreModel]:
    """Read every score of a file: one per weight column, or per accession of a long table.

    name : overrides the model's name, which is otherwise the PGS Catalog accession, or the file's
           name without endings; of several weight columns each gives its own name (behind `name`
           and a dot)
    Raises InputError, with file and line, when the file is not such a table, is truncated, or
    holds no row that can be used.
    """
    table = read_text_table(path, KNOWN_COLUMNS)
    header = {_OLD_KEYS.get(key, key): text for key, text in table.header.items()}
    parts = parts_of(table.frame.columns)
    check_parts(path, table.header_line, table.frame.columns, parts)
    numbers = weight_numbers(table, parts)
    rows = table.frame.with_columns(pl.Series("source_line", table.source_line))
    builds = _builds(path, header, parts)
    models = []
    for accession, chosen in _by_accession(rows, parts):
        here = rows if chosen is None else rows.filter(chosen)
        loci = _loci(here, parts, builds)
        variants = _variants(here, parts, header, loci)
        unweighed = UnweighedVariants.of(variants, _same_as_another(variants, loci))
        for column in numbers if chosen is None else numbers.filter(chosen):
            weight = on_log_scale(path, here, column, parts, header)
            weighed = unweighed.weighed(path, weight)
            label = _label(path, name, accession, header, column.name if numbers.width > 1 else "")
            trait = header.get("trait_reported") or header.get("trait_mapped") or label
            models.append(ScoreModel(label, trait, str(path), weighed, loci, header))
    return models


def _by_accession(
    rows: pl.DataFrame, parts: Parts
) -> Iterator[tuple[str | None, pl.Series | None]]:
    """The scores of a long table and which rows are theirs; None for all the rows there are."""
    accession = parts.get("accession")
    labels = rows[accession].unique(maintain_order=True).to_list() if accession else [None]
    if accession is None or len(labels) == 1:
        yield labels[0], None
        return
    for label in labels:
        yield label, rows[accession].eq_missing(label)


def _label(
    path: Path,
    name: str | None,
    accession: str | None,
    header: Mapping[str, str],
    column: str,
) -> str:
    if column:
        return f"{name}.{column}" if name else column
    return name or accession or header.get("pgs_id") or _stem(path)


def _stem(path: Path) -> str:
    """File name without what says how it is packed, of what kind it is, and on which build."""
    bare = re.sub(r"\.(gz|bgz|zst)$", "", path.name)
    bare = re.sub(r"\.(txt|tsv|csv|tab|score|scorefile|weights)$", "", bare)
    return re.sub(r"_hmPOS_GRCh3[78]$", "", bare)


# ---------------------------------------------------------------- places


def _builds(path: Path, header: Mapping[str, str], parts: Parts) -> tuple[str, str]:
    """Builds of the columns as submitted and as harmonised; "" where nothing tells."""
    suffix = re.search(r"_hmPOS_(GRCh3[78])", path.name)
    harmonised = normalised_build(header.get("HmPOS_build", suffix[1] if suffix else ""))
    submitted = normalised_build(header.get("genome_build", ""))
    if not submitted and parts.get("hm_position") is None:
        submitted = harmonised  # a harmonised file whose columns were renamed
    return submitted, harmonised


def _loci(rows: pl.DataFrame, parts: Parts, builds: tuple[str, str]) -> dict[str, pl.DataFrame]:
    """Build -> (contig, position), row by row beside `rows`; without builds that place nothing."""
    submitted = _locus(rows, parts.get("contig"), parts.get("position"))
    harmonised = _locus(rows, parts.get("hm_contig"), parts.get("hm_position"))
    if harmonised is None:
        return {} if submitted is None else {builds[0]: submitted}
    loci = {builds[1]: harmonised}
    if submitted is not None and builds[0] == builds[1]:
        loci[builds[1]] = _first_known(harmonised, submitted)
    elif submitted is not None and builds[0]:
        loci[builds[0]] = submitted
    return loci


def _first_known(locus: pl.DataFrame, otherwise: pl.DataFrame) -> pl.DataFrame:
    both = pl.concat([locus, otherwise.rename(lambda c: f"{c}_2")], how="horizontal")
    known = pl.col("position").is_not_null()
    return both.select(
        pl.when(known).then(pl.col(c)).otherwise(pl.col(f"{c}_2")).alias(c) for c in _LOCUS
    )


def _locus(rows: pl.DataFrame, contig: str | None, position: str | None) -> pl.DataFrame | None:
    if contig is None or position is None:
        return None
    names = rows[contig].unique().drop_nulls().to_list()
    spelt = {name: canonical_contig(name) for name in names if name != "0"}
    frame = pl.DataFrame(
        {
            "contig": rows[contig].replace_strict(spelt, default=None, return_dtype=pl.Utf8),
            "position": _whole_numbers(rows[position]),
        }
    )
    placed = pl.all_horizontal(pl.col("contig").is_not_null(), pl.col("position") > 0)
    frame = frame.select(pl.when(placed).then(pl.col(c)).alias(c) for c in _LOCUS)
    return None if frame["position"].null_count() == len(frame) else frame


def _whole_numbers(text: pl.Series) -> pl.Series:
    """Int64, null where the text is no whole number; ``1e+05``, as R writes it, is one."""
    number = text.cast(pl.Int64, strict=False)
    if number.null_count() == text.null_count():
        return number
    real = text.cast(pl.Float64, strict=False)
    whole = pl.when((real.floor() == real) & (real.abs() < 2**53)).then(real)
    return number.fill_null(pl.select(whole.cast(pl.Int64, strict=False)).to_series())


# ---------------------------------------------------------------- variants


def _variants(
    rows: pl.DataFrame,
    parts: Parts,
    header: Mapping[str, str],
    loci: Mapping[str, pl.DataFrame],
) -> pl.DataFrame:
    """The model's frame; effect_weight is null, `refused` is what is wrong whatever the weight."""
    frame = rows.select(
        "source_line",
        pl.coalesce(parts.text("variant_id"), parts.text("hm_variant_id")).alias("variant_id"),
        parts.upper("effect_allele").alias("effect_allele"),
        _other_allele(parts).alias("other_allele"),
        pl.lit(None, pl.Float64).alias("effect_weight"),
        _effect_type(parts).alias("effect_type"),
        *dosage_weights(parts, header),
        parts.number("frequency").alias("effect_allele_frequency"),
        _row_refusal(parts).alias("refused"),
    )
    positions = [locus["position"].is_not_null().alias(build) for build, locus in loci.items()]
    placed = pl.any_horizontal(pl.lit(False), *positions)
    effect, other = pl.col("effect_allele"), pl.col("other_allele")
    complete = pl.all_horizontal(pl.col(w).is_finite().fill_null(False) for w in DOSAGE_WEIGHTS)
    # Cheap first: most alleles are one letter, and only the rest is worth a regular expression.
    plain = effect.is_in(list("ACGT")) | effect.str.contains(_PLAIN_ALLELE)
    other_plain = other.is_null() | other.is_in(list("ACGT")) | other.str.contains(_PLAIN_ALLELE)
    return frame.with_columns(
        pl.coalesce(
            "refused",
            pl.when(effect.is_null()).then(pl.lit("no_effect_allele")),
            pl.when(~(plain & other_plain) | (effect == other)).then(pl.lit("bad_alleles")),
            pl.when(~pl.col("effect_type").is_in(_EFFECT_TYPES)).then(pl.lit("bad_effect_type")),
            pl.when(pl.col("variant_id").is_null() & ~placed).then(pl.lit("no_position")),
            pl.when((pl.col("effect_type") == "dosage") & ~complete).then(pl.lit("bad_weight")),
        ).alias("refused")
    )


def _other_allele(parts: Parts) -> pl.Expr:
    effect, other = parts.upper("effect_allele"), parts.upper("other_allele")
    if parts.get("other_allele") is None and parts.get("ref"):
        ref, alt = parts.upper("ref"), parts.upper("alt")
        single_alt = pl.when(~alt.str.contains(",", literal=True)).then(alt)
        other = pl.when(effect == ref).then(single_alt).otherwise(ref)
    if parts.get("hm_other_allele"):
        inferred = parts.upper("hm_other_allele")
        plain = inferred.str.contains(_PLAIN_ALLELE) & (inferred != effect)
        other = pl.coalesce(other, pl.when(plain).then(inferred))
    return other


def _effect_type(parts: Parts) -> pl.Expr:
    dominant, recessive = parts.is_set("is_dominant"), parts.is_set("is_recessive")
    named = parts.text("effect_type")
    if parts.get("effect_type"):
        named = named.str.to_lowercase()
    return (
        pl.when(dominant & recessive)
        .then(pl.lit("dominant and recessive"))
        .when(parts.is_filled(*DOSAGE_WEIGHTS))
        .then(pl.lit("dosage"))
        .when(dominant)
        .then(pl.lit("dominant"))
        .when(recessive)
        .then(pl.lit("recessive"))
        .otherwise(pl.coalesce(named, pl.lit("additive")))
    )


def _row_refusal(parts: Parts) -> pl.Expr:
    """Reason for rows that are not about one variant, or hold only under a condition."""
    return (
        pl.when(parts.is_set("is_haplotype", "is_diplotype"))
        .then(pl.lit("haplotype"))
        .when(parts.is_set("is_interaction"))
        .then(pl.lit("interaction"))
        .when(parts.is_filled("inclusion_criteria"))
        .then(pl.lit("conditional"))
    )


def _same_as_another(variants: pl.DataFrame, loci: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Rows not refused so far that share place, alleles and effect type with another row.

    returns : row (index in `variants`) and key, one integer per group of equal rows
    """
    key = variants.select("effect_allele", "other_allele", "effect_type", "variant_id", "refused")
    build, contig, position = pl.lit(-1), pl.lit(None, pl.Utf8), pl.lit(None, pl.Int64)
    for i, locus in reversed(list(enumerate(loci.values()))):
        key = key.with_columns(locus["contig"].alias(f"c{i}"), locus["position"].alias(f"p{i}"))
        here = pl.col(f"p{i}").is_not_null()
        build = pl.when(here).then(pl.lit(i)).otherwise(build)
        contig = pl.when(here).then(pl.col(f"c{i}")).otherwise(contig)
        position = pl.when(here).then(pl.col(f"p{i}")).otherwise(position)
    key = key.with_row_index("row").filter(pl.col("refused").is_null())
    place = pl.when(build == -1).then(pl.col("variant_id")).otherwise(contig).alias("place")
    columns = ["build", "place", "position", "effect_allele", "other_allele", "effect_type"]
    key = key.with_columns(build.alias("build"), place, position.alias("position"))
    hashed = key.select("row", pl.struct(columns).hash().alias("key"))
    suspects = key.filter(hashed["key"].is_duplicated())  # equal rows, and chance collisions
    return suspects.select("row", pl.struct(columns).rank("dense").alias("key"))


# ---------------------------------------------------------------- frequencies

_ALLELE_COLUMNS = ["effect_allele", "a1", "alt", "allele"]
_FREQUENCY_COLUMNS = ["alt_freqs", "frequency", "maf", "effect_allele_frequency", "af", "freq"]


def read_frequencies(path: Path) -> pl.DataFrame:
    """Read allele frequencies: plink2's .afreq, plink 1.9's .frq, or a plain table.

    A plain table has contig and position (or an ID), effect_allele, other_allele and frequency.
    A multi-allelic row of an .afreq file gives one row per ALT. Rows of unknown frequency are
    left out.

    returns : polars frame contig Utf8? (canonical) · position Int64? · variant_id Utf8? ·
              allele Utf8 · other_allele Utf8? · frequency Float64 (of `allele`, 0 to 1)
    Raises InputError when a column is missing or a frequency is not between 0 and 1.
    """
    table = read_text_table(path, KNOWN_COLUMNS)
    spelt = {column.lower(): column for column in table.frame.columns}
    parts = parts_of(table.frame.columns)
    allele = next((spelt[name] for name in _ALLELE_COLUMNS if name in spelt), None)
    frequency = next((spelt[name] for name in _FREQUENCY_COLUMNS if name in spelt), None)
    place = parts.get("variant_id") or (parts.get("contig") and parts.get("position"))
    if not (allele and frequency and place):
        raise InputError(
            f"{path}, line {table.header_line}: no allele frequencies among the columns "
            f"{', '.join(table.frame.columns[:12])}; give a plink2 .afreq, a plink .frq, or a "
            "table with contig, position, effect_allele, other_allele and frequency"
        )
    frame = table.frame.select(
        parts.text("contig").alias("contig"),
        parts.text("position").alias("position"),
        parts.text("variant_id").alias("variant_id"),
        pl.col(allele).str.to_uppercase().alias("allele"),
        _other_of(parts, allele).str.to_uppercase().alias("other_allele"),
        pl.col(frequency).alias("frequency"),
        pl.Series("source_line", table.source_line),
    )
    return _checked_frequencies(path, _one_row_per_alt(path, frame))


def _other_of(parts: Parts, allele: str) -> pl.Expr:
    part = "ref" if allele == parts.get("alt") else "other_allele"
    return parts.text(part)


def _one_row_per_alt(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    known = frame.drop_nulls(["allele", "frequency"])
    lists = known.with_columns(pl.col("allele", "frequency").str.split(","))
    uneven = lists.filter(pl.col("allele").list.len() != pl.col("frequency").list.len())
    if len(uneven):
        raise InputError(
            f"{path}, line {uneven['source_line'][0]}: not as many frequencies as alleles; "
            "write the file again with `plink2 --freq`"
        )
    return lists.explode("allele", "frequency")


def _checked_frequencies(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    names = frame["contig"].unique().drop_nulls().to_list()
    spelt = {name: canonical_contig(name) for name in names if name != "0"}
    frequency = pl.col("frequency").cast(pl.Float64, strict=False)
    frame = frame.with_columns(
        frame["contig"].replace_strict(spelt, default=None, return_dtype=pl.Utf8),
        _whole_numbers(frame["position"]).alias("position"),
        frequency,
        (~frequency.is_between(0, 1).fill_null(False)).alias("wrong"),
    )
    wrong = frame.filter("wrong")
    if len(wrong):
        raise InputError(
            f"{path}, line {wrong['source_line'][0]}: an allele frequency is not a number from 0 "
            "to 1; correct it, or leave the field empty"
        )
    if not len(frame):
        raise InputError(f"{path}: no row gives an allele and its frequency; check the columns")
    return frame.drop("source_line", "wrong")
