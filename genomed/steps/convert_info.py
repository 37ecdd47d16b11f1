"""INFO of the rows of a store: the fields asked for, split as the records were split."""

from __future__ import annotations

import re

import polars as pl

from genomed.errors import InputError

__all__ = ["InfoFields"]

_DECLARED = re.compile(r"##INFO=<ID=([^,>]+),Number=([^,>]+)")
RESERVED = "PR"  # plink2's mark of a provisional REF; a .pvar must not hold it for anything else


class InfoFields:
    """Keeps the INFO fields that were asked for.

    header : ``##`` lines of the input; a field of Number A, R or G holds one value per ALT, per
             allele or per genotype, and each row gets those of its own ALT, as `bcftools norm -m`
    fields : names, or ("all",)
    raises : InputError when no ``##INFO`` line declares a field
    """

    def __init__(self, header: list[str], fields: tuple[str, ...], path: str) -> None:
        declared = {m[1]: m[2] for line in header if (m := _DECLARED.match(line))}
        self._all = fields == ("all",)
        unknown = [] if self._all else [name for name in fields if name not in declared]
        if unknown:
            known = ", ".join(sorted(declared)) or "none"
            raise InputError(
                f"{path}: its header declares no INFO field {unknown[0]!r} (but: {known[:200]}); "
                "check --info"
            )
        names = set(declared) if self._all else set(fields)
        self.names = names - {RESERVED}
        self._split = {n: declared[n] for n in self.names if declared[n] in ("A", "R", "G")}

    def lines(self, header: list[str]) -> list[str]:
        """The header without the fields that are not kept."""
        declared = ((_DECLARED.match(line), line) for line in header)
        return [line for match, line in declared if match is None or match[1] in self.names]

    def keep(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows (info · n_alts · alt_number · position ...) with the INFO to be stored."""
        if "info" not in rows.columns:
            return rows
        key = pl.element().str.extract(r"^([^=]*)")
        chosen = key != RESERVED if self._all else key.is_in(sorted(self.names))
        parts = pl.col("info").str.split(";").list.eval(pl.element().filter(chosen))
        text = parts.list.join(";")
        rows = rows.with_columns(
            pl.when(text == "").then(pl.lit(".")).otherwise(text).alias("info")
        )
        several = rows["n_alts"].gt(1).arg_true()
        if not self._split or not len(several):
            return rows
        own = [
            self._own(info, n_alts, alt)
            for info, n_alts, alt in rows[several]
            .select("info", "n_alts", "alt_number")
            .iter_rows()
        ]
        return rows.with_columns(rows["info"].scatter(several, own))

    def _own(self, info: str, n_alts: int, alt: int) -> str:
        """INFO of one ALT (1-based) of a record; a value of another length stays as it is."""
        parts = []
        for part in info.split(";"):
            name, _, value = part.partition("=")
            values = value.split(",")
            number = self._split.get(name)
            if number == "A" and len(values) == n_alts:
                part = f"{name}={values[alt - 1]}"
            elif number == "R" and len(values) == n_alts + 1:
                part = f"{name}={values[0]},{values[alt]}"
            elif number == "G" and len(values) == (n_alts + 1) * (n_alts + 2) // 2:
                het = alt * (alt + 1) // 2
                part = f"{name}={values[0]},{values[het]},{values[het + alt]}"
            parts.append(part)
        return ";".join(parts)
