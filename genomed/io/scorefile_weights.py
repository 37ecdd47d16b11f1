"""The weights of a scoring file: which columns hold them, on which scale, and which are usable.

A file may hold hundreds of scores over the same variants, so what does not depend on a weight is
worked out once, and a column without a flaw costs no more than its own numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.scorefile_columns import Parts
from genomed.io.text_table import TextTable
from genomed.ledger import REASONS

__all__ = [
    "DOSAGE_WEIGHTS",
    "UnweighedVariants",
    "dosage_weights",
    "on_log_scale",
    "weight_numbers",
]

DOSAGE_WEIGHTS = tuple(f"dosage_{copies}_weight" for copies in range(3))

_RATIOS = ["or", "hr", "odds ratio", "hazard ratio", "odds_ratio", "hazard_ratio"]


def weight_numbers(table: TextTable, parts: Parts) -> pl.DataFrame:
    """The columns of weights as Float64, as the file gives them; null where one is no number.

    Where no name says weight, columns of unknown names count, if they hold numbers. A file that
    has weights per dosage only gives one column, called "", of nulls.
    Raises InputError when there is no column of weights.
    """
    named = parts.weights or tuple(_ratio_columns(parts)[:1])
    if not named and all(parts.get(part) for part in DOSAGE_WEIGHTS):
        return pl.DataFrame({"": pl.repeat(None, len(table.frame), dtype=pl.Float64, eager=True)})
    candidates = named or parts.others
    numbers = table.frame.select(pl.col(list(candidates)).cast(pl.Float64, strict=False))
    guessed = [column for column in candidates if column in parts.others]
    numbers = numbers.drop([c for c in guessed if not np.isfinite(numbers[c].to_numpy()).any()])
    if not numbers.width:
        raise InputError(
            f"{table.path}, line {table.header_line}: no column of weights among: "
            f"{', '.join(table.frame.columns[:12])}; name it effect_weight, WEIGHT or BETA"
        )
    return numbers


def dosage_weights(parts: Parts, header: Mapping[str, str]) -> list[pl.Expr]:
    """The three weights per dosage, on the scale that is added up."""
    ratio = _rows_of_ratios(parts)
    if ratio is None:
        ratio = pl.lit(_header_says_ratio(header))
    numbers = [parts.number(part) for part in DOSAGE_WEIGHTS]
    return [
        pl.when(~ratio).then(number).when(number > 0).then(number.log()).alias(part)
        for part, number in zip(DOSAGE_WEIGHTS, numbers, strict=True)
    ]


def on_log_scale(
    path: Path, rows: pl.DataFrame, weight: pl.Series, parts: Parts, header: Mapping[str, str]
) -> pl.Series:
    """The weights with odds and hazard ratios turned into logs; null where one is not above 0."""
    by_row = _rows_of_ratios(parts)
    if weight.name in _ratio_columns(parts):
        ratio = pl.lit(True)
    elif by_row is not None:
        ratio = by_row
    elif _all_are_ratios(path, rows, weight, parts, header):
        ratio = pl.lit(True)
    else:
        return weight
    log = pl.when(~ratio).then(weight).when(weight > 0).then(weight.log())
    return rows.select(log.alias(weight.name)).to_series()


def _ratio_columns(parts: Parts) -> list[str]:
    return [parts.named[part] for part in ("odds_ratio", "hazard_ratio") if part in parts.named]


def _rows_of_ratios(parts: Parts) -> pl.Expr | None:
    if parts.get("weight_type") is None:
        return None
    return parts.text("weight_type").str.to_lowercase().is_in(_RATIOS).fill_null(False)


def _header_says_ratio(header: Mapping[str, str]) -> bool:
    return header.get("weight_type", "").strip().lower() in _RATIOS


def _all_are_ratios(
    path: Path, rows: pl.DataFrame, weight: pl.Series, parts: Parts, header: Mapping[str, str]
) -> bool:
    if not weight.name or not _header_says_ratio(header):
        return False
    given = [rows[c].cast(pl.Float64, strict=False) for c in _ratio_columns(parts)]
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


@dataclass(frozen=True)
class UnweighedVariants:
    """The variants of a file before one of its scores gives them weights.

    variants     : the frame of a ScoreModel; effect_weight is null, and `refused` names what is
                   wrong whatever the weight
    duplicated   : row (index in `variants`) and key, one number per group of equal rows
    takes_weight : bool (rows,), rows with one weight, not one per dosage
    needs_weight : bool (rows,), those of them with nothing else wrong
    refused      : `variants["refused"]`, and repeated rows, if every weight is a finite number
    """

    variants: pl.DataFrame
    duplicated: pl.DataFrame
    takes_weight: np.ndarray
    needs_weight: np.ndarray
    refused: pl.Series

    @classmethod
    def of(cls, variants: pl.DataFrame, duplicated: pl.DataFrame) -> "UnweighedVariants":
        """Work out what all scores of the file share."""
        takes_weight = (variants["effect_type"] != "dosage").to_numpy()
        needs_weight = takes_weight & variants["refused"].is_null().to_numpy()
        refused = _with_repeats(variants["refused"], duplicated)
        return cls(variants, duplicated, takes_weight, needs_weight, refused)

    def weighed(self, path: Path, weight: pl.Series) -> pl.DataFrame:
        """The frame of a ScoreModel; InputError when none of its rows can be used.

        weight : Float64 (rows,), null or not finite where there is none; named as its column
        """
        number = weight.to_numpy()  # null becomes NaN
        finite = np.isfinite(number)
        flawed = self.needs_weight & ~finite
        refused = self.refused
        if flawed.any():
            bad = pl.select(
                pl.when(pl.Series(flawed))
                .then(pl.lit("bad_weight"))
                .otherwise(self.variants["refused"])
                .alias("refused")
            ).to_series()
            refused = _with_repeats(bad, self.duplicated)
        kept = finite & self.takes_weight
        if not kept.all():
            weight = pl.Series(weight.name, np.where(kept, number, np.nan)).fill_nan(None)
        _check_some_usable(path, weight.name, self.variants["source_line"], refused)
        frame = self.variants.clone()
        frame.replace_column(frame.get_column_index("effect_weight"), weight.alias("effect_weight"))
        frame.replace_column(frame.get_column_index("refused"), refused)
        return frame


def _with_repeats(refused: pl.Series, duplicated: pl.DataFrame) -> pl.Series:
    """Refuse usable rows that are equal to a usable row above them."""
    if not len(duplicated):
        return refused
    usable = duplicated.filter(refused.gather(duplicated["row"]).is_null())
    repeated = usable.filter(~usable["key"].is_first_distinct())["row"]
    return refused.clone().scatter(repeated, "duplicate_in_model") if len(repeated) else refused


def _check_some_usable(path: Path, column: str, lines: pl.Series, refused: pl.Series) -> None:
    if refused.null_count():
        return
    reason, count = refused.value_counts(sort=True, name="rows").row(0)
    line = lines[int(refused.index_of(reason) or 0)]
    where = f"{path}, column {column}" if column else f"{path}"
    raise InputError(
        f"{where}: none of {len(refused)} rows can be used; most ({count}, the first on line "
        f"{line}) because {REASONS[reason]}; correct the file, or give another"
    )
