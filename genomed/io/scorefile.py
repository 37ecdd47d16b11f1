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
from genomed.io.text_table import TextTable, read_text_table
from genomed.ledger import REASONS
from genomed.regions import canonical_contig
from genomed.schema import ScoreModel

__all__ = ["read_frequencies", "read_models"]

_PLAIN_ALLELE = "^[ACGT]+$"
_YES = ["true", "t", "yes", "y", "1"]
_EFFECT_TYPES = ["additive", "dominant", "recessive", "dosage"]
_DOSAGE_WEIGHTS = [f"dosage_{copies}_weight" for copies in range(3)]
_RATIOS = ["or", "hr", "odds ratio", "hazard ratio", "odds_ratio", "hazard_ratio"]
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
    builds = _builds(path, header, parts)
    models = []
    for accession, rows in _by_accession(table, parts):
        loci = _loci(rows, parts, builds)
        variants = _variants(rows, parts, loci)
        duplicated = _same_as_another(variants, loci)
        columns = _weight_columns(table, parts)
        for column in columns:
            weighed = _weighed(path, rows, variants, parts, column, header, duplicated)
            label = _label(path, name, accession, header, column if len(columns) > 1 else None)
            trait = header.get("trait_reported") or header.get("trait_mapped") or label
            models.append(ScoreModel(label, trait, str(path), weighed, loci, header))
    return models


def _by_accession(table: TextTable, parts: Parts) -> Iterator[tuple[str | None, pl.DataFrame]]:
    """The rows with their line numbers; those of a long table score by score."""
    rows = table.frame.with_columns(pl.Series("source_line", table.source_line))
    accession = parts.get("accession")
    if accession is None:
        yield None, rows
        return
    for label in rows[accession].unique(maintain_order=True):
        yield label, rows.filter(pl.col(accession).eq_missing(label))


def _label(
    path: Path,
    name: str | None,
    accession: str | None,
    header: Mapping[str, str],
    column: str | None,
) -> str:
    if column is not None:
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


def _variants(rows: pl.DataFrame, parts: Parts, loci: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The model's frame but for effect_weight; `refused` says what is wrong whatever the weight."""
    frame = rows.select(
        "source_line",
        pl.coalesce(_text(parts, "variant_id"), _text(parts, "hm_variant_id")).alias("variant_id"),
        _upper(parts, "effect_allele").alias("effect_allele"),
        _other_allele(parts).alias("other_allele"),
        _effect_type(parts).alias("effect_type"),
        *(_number(parts, part).alias(part) for part in _DOSAGE_WEIGHTS),
        _number(parts, "frequency").alias("effect_allele_frequency"),
        _row_refusal(parts).alias("refused"),
    )
    positions = [locus["position"].is_not_null().alias(build) for build, locus in loci.items()]
    placed = pl.any_horizontal(pl.lit(False), *positions)
    effect, other = pl.col("effect_allele"), pl.col("other_allele")
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
        ).alias("refused")
    )


def _text(parts: Parts, part: str) -> pl.Expr:
    column = parts.get(part)
    return pl.lit(None, pl.Utf8) if column is None else pl.col(column)


def _upper(parts: Parts, part: str) -> pl.Expr:
    # A function of a missing column would no longer be taken for a scalar, hence the question.
    text = _text(parts, part)
    return text.str.to_uppercase() if parts.get(part) else text


def _number(parts: Parts, part: str) -> pl.Expr:
    if parts.get(part) is None:
        return pl.lit(None, pl.Float64)
    return _text(parts, part).cast(pl.Float64, strict=False)


def _is_set(parts: Parts, *names: str) -> pl.Expr:
    """Whether any of these yes-or-no columns says yes."""
    present = [_text(parts, part) for part in names if parts.get(part)]
    yes = (text.str.to_lowercase().is_in(_YES).fill_null(False) for text in present)
    return pl.any_horizontal(pl.lit(False), *yes)


def _is_filled(parts: Parts, *names: str) -> pl.Expr:
    """Whether any of these columns holds anything."""
    present = [_text(parts, part).is_not_null() for part in names if parts.get(part)]
    return pl.any_horizontal(pl.lit(False), *present)


def _other_allele(parts: Parts) -> pl.Expr:
    effect, other = _upper(parts, "effect_allele"), _upper(parts, "other_allele")
    if parts.get("other_allele") is None and parts.get("ref"):
        ref, alt = _upper(parts, "ref"), _upper(parts, "alt")
        single_alt = pl.when(~alt.str.contains(",", literal=True)).then(alt)
        other = pl.when(effect == ref).then(single_alt).otherwise(ref)
    if parts.get("hm_other_allele"):
        inferred = _upper(parts, "hm_other_allele")
        plain = inferred.str.contains(_PLAIN_ALLELE) & (inferred != effect)
        other = pl.coalesce(other, pl.when(plain).then(inferred))
    return other


def _effect_type(parts: Parts) -> pl.Expr:
    dominant, recessive = _is_set(parts, "is_dominant"), _is_set(parts, "is_recessive")
    named = _text(parts, "effect_type")
    if parts.get("effect_type"):
        named = named.str.to_lowercase()
    return (
        pl.when(dominant & recessive)
        .then(pl.lit("dominant and recessive"))
        .when(_is_filled(parts, *_DOSAGE_WEIGHTS))
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
        pl.when(_is_set(parts, "is_haplotype", "is_diplotype"))
        .then(pl.lit("haplotype"))
        .when(_is_set(parts, "is_interaction"))
        .then(pl.lit("interaction"))
        .when(_is_filled(parts, "inclusion_criteria"))
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


# ---------------------------------------------------------------- weights


def _weight_columns(table: TextTable, parts: Parts) -> list[str]:
    """Columns that hold weights; [""] for a file that has weights per dosage only.

    Columns of unknown names count where no name says weight, when they hold numbers.
    """
    if parts.weights:
        known = {column for column in parts.weights if column not in parts.others}
        return [c for c in parts.weights if c in known or _holds_numbers(table.frame[c])]
    for ratio in ("odds_ratio", "hazard_ratio"):
        if parts.get(ratio):
            return [parts.named[ratio]]
    if all(parts.get(part) for part in _DOSAGE_WEIGHTS):
        return [""]
    named = [column for column in parts.others if _holds_numbers(table.frame[column])]
    if not named:
        raise InputError(
            f"{table.path}, line {table.header_line}: no column of weights among: "
            f"{', '.join(table.frame.columns[:12])}; name it effect_weight, WEIGHT or BETA"
        )
    return named


def _holds_numbers(text: pl.Series) -> bool:
    return text.cast(pl.Float64, strict=False).is_finite().any()


def _weighed(
    path: Path,
    rows: pl.DataFrame,
    variants: pl.DataFrame,
    parts: Parts,
    column: str,
    header: Mapping[str, str],
    duplicated: pl.DataFrame,
) -> pl.DataFrame:
    """`variants` with the weights of one column, on the scale that is added up."""
    dosage = pl.col("effect_type") == "dosage"
    weight, *by_copies = _weights(path, rows, parts, column, header)
    frame = variants.with_columns(
        pl.when(~dosage).then(weight).alias("effect_weight"),
        *(series.alias(part) for part, series in zip(_DOSAGE_WEIGHTS, by_copies, strict=True)),
    )
    finite = pl.col("effect_weight").is_finite().fill_null(False)
    finite_by_copies = pl.all_horizontal(
        pl.col(part).is_finite().fill_null(False) for part in _DOSAGE_WEIGHTS
    )
    bad = pl.when(~pl.when(dosage).then(finite_by_copies).otherwise(finite))
    frame = frame.with_columns(pl.coalesce("refused", bad.then(pl.lit("bad_weight"))))
    repeated = _repeated_rows(frame["refused"], duplicated)
    if len(repeated):
        row = pl.int_range(len(frame))
        frame = frame.with_columns(
            pl.when(row.is_in(repeated.implode()))
            .then(pl.lit("duplicate_in_model"))
            .otherwise(pl.col("refused"))
            .alias("refused")
        )
    _check_some_usable(path, column, frame)
    return frame.select(
        "source_line",
        "variant_id",
        "effect_allele",
        "other_allele",
        "effect_weight",
        "effect_type",
        *_DOSAGE_WEIGHTS,
        "effect_allele_frequency",
        "refused",
    )


def _repeated_rows(refused: pl.Series, duplicated: pl.DataFrame) -> pl.Series:
    """Usable rows equal to a usable row above them."""
    usable = duplicated.filter(refused.gather(duplicated["row"]).is_null())
    return usable.filter(~usable["key"].is_first_distinct())["row"]


def _weights(
    path: Path, rows: pl.DataFrame, parts: Parts, column: str, header: Mapping[str, str]
) -> list[pl.Series]:
    """Weight and the three weights per dosage; logs where the file gives ratios."""
    numbers = rows.select(
        (pl.col(column) if column else pl.lit(None)).cast(pl.Float64, strict=False).alias("weight"),
        *(_number(parts, part).alias(part) for part in _DOSAGE_WEIGHTS),
    )
    if parts.get("weight_type"):
        is_ratio = _text(parts, "weight_type").str.to_lowercase().is_in(_RATIOS).fill_null(False)
        ratio = rows.select(is_ratio).to_series()
    else:
        ratio = pl.repeat(_all_are_ratios(path, rows, parts, column, header), len(rows), eager=True)
    if not ratio.any():
        return numbers.get_columns()
    return [
        pl.select(pl.when(~ratio).then(n).when(n > 0).then(n.log())).to_series()
        for n in numbers.get_columns()
    ]


def _all_are_ratios(
    path: Path, rows: pl.DataFrame, parts: Parts, column: str, header: Mapping[str, str]
) -> bool:
    """Whether the weights are odds or hazard ratios, to be turned into logs."""
    ratio_columns = [parts.get("odds_ratio"), parts.get("hazard_ratio")]
    if column in ratio_columns:
        return True
    if header.get("weight_type", "").strip().lower() not in _RATIOS:
        return False
    if not column:
        return True
    weight = rows[column].cast(pl.Float64, strict=False)
    given = [rows[c].cast(pl.Float64, strict=False) for c in ratio_columns if c]
    if given:  # the PGS Catalog adds effect_weight as the log of a ratio it was given
        return bool(((weight - given[0]).abs() < 1e-9 * given[0].abs()).any())
    not_above_zero = int((weight <= 0).sum())
    if 2 * not_above_zero > len(weight) - weight.null_count() > 1:
        raise InputError(
            f"{path}: the header says weight_type={header['weight_type']}, but {not_above_zero} of "
            f"{len(weight)} weights are not above 0; if they are logs already, say "
            f"#weight_type=log({header['weight_type']})"
        )
    return True


def _check_some_usable(path: Path, column: str, frame: pl.DataFrame) -> None:
    refused = frame["refused"]
    if refused.null_count():
        return
    reason, count = refused.value_counts(sort=True, name="rows").row(0)
    line = frame["source_line"][int(refused.index_of(reason) or 0)]
    where = f"{path}, column {column}" if column else f"{path}"
    raise InputError(
        f"{where}: none of {len(refused)} rows can be used; most ({count}, the first on line "
        f"{line}) because {REASONS[reason]}; correct the file, or give another"
    )


# ---------------------------------------------------------------- frequencies

_ALLELE_COLUMNS = {"effect_allele": "allele", "a1": "allele", "alt": "allele", "allele": "allele"}
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
        _text(parts, "contig").alias("contig"),
        _text(parts, "position").alias("position"),
        _text(parts, "variant_id").alias("variant_id"),
        pl.col(allele).str.to_uppercase().alias("allele"),
        _other_of(parts, allele).str.to_uppercase().alias("other_allele"),
        pl.col(frequency).alias("frequency"),
        pl.Series("source_line", table.source_line),
    )
    return _checked_frequencies(path, _one_row_per_alt(path, frame))


def _other_of(parts: Parts, allele: str) -> pl.Expr:
    part = "ref" if allele == parts.get("alt") else "other_allele"
    return _text(parts, part)


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
