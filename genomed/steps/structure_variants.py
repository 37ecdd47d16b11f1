"""Which variants each step of `structure` uses, and what becomes of every other one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.packed import PackedStore
from genomed.ledger import STRUCTURE
from genomed.regions import AUTOSOMES, canonical_contig
from genomed.settings import StructureSettings
from genomed.stats.ld import prune
from genomed.stats.long_range_ld import LONG_RANGE_LD

__all__ = [
    "Variants",
    "choose_variants",
    "leave_long_range_ld",
    "prune_variants",
]

FATES = list(STRUCTURE)
_NEARLY = 1 - 2.0**-44  # what differs by less is equal, as in plink2


@dataclass
class Variants:
    """Every variant of a store and its fate.

    fate             : int8 (variants,), place in the codes of genomed.ledger.STRUCTURE
    minor_frequency  : float64 (variants,), among founders; NaN where none was called or asked
    """

    store: PackedStore
    fate: np.ndarray
    minor_frequency: np.ndarray

    def rows(self, *fates: str) -> np.ndarray:
        """Rows of the store with one of these fates, in order: int64."""
        return np.flatnonzero(np.array([fate in fates for fate in FATES])[self.fate])

    @property
    def called(self) -> np.ndarray:
        """Rows for diversity."""
        return self.rows("kept", "low_maf", "long_range_ld", "in_ld")

    @property
    def common(self) -> np.ndarray:
        """Rows for kinship and runs of homozygosity."""
        return self.rows("kept", "long_range_ld", "in_ld")

    def drop(self, rows: np.ndarray, fate: str) -> None:
        """Give those of these rows a fate that have none."""
        still = rows[self.fate[rows] == 0]
        self.fate[still] = FATES.index(fate)

    def counts(self) -> dict[str, int]:
        """Variants of each fate; they add up to the store's."""
        tally = np.bincount(self.fate, minlength=len(FATES))
        return dict(zip(FATES, tally.tolist(), strict=True))

    def names(self, rows: np.ndarray) -> pl.Series:
        """A name for each row: its ID where all have one of their own, else contig:position:..."""
        ids = self.store.variants["id"].gather(rows)
        if ids.null_count() == 0 and ids.n_unique() == len(ids):
            return ids
        table = self.store.variants[rows]
        spelt = pl.concat_str("contig", "position", "ref", "alt", separator=":")
        return table.select(spelt.alias("id"))["id"]

    def table(self) -> pl.DataFrame:
        """One row per variant: TABLES["structure_variants"]."""
        fates = pl.Series("fate", FATES, dtype=pl.Utf8)
        return self.store.variants.drop("row").with_columns(
            pl.Series("minor_allele_frequency", self.minor_frequency, nan_to_null=True),
            fates[self.fate].alias("fate"),
        )


def choose_variants(
    store: PackedStore, settings: StructureSettings, founders: np.ndarray, *, threads: int = 1
) -> Variants:
    """Sort out by place, alleles, call rate and frequency; LD comes later.

    founders : bool (samples,), whose minor allele frequency counts
    """
    n = store.n_variants
    chosen = Variants(store, np.zeros(n, np.int8), np.full(n, np.nan))
    table = store.variants
    autosomal = table["contig"].is_in(_autosomes(table["contig"])).to_numpy()
    chosen.drop(np.flatnonzero(~autosomal), "not_autosomal")
    chosen.drop(np.flatnonzero(store.several_alts), "several_alts")
    _check_order(store, chosen.rows("kept"))
    chosen.drop(_repeated(table), "repeated")
    rows = chosen.rows("kept")
    counts = store.count(rows, threads=threads)
    n_called = store.n_samples - counts[:, 3]
    chosen.drop(rows[n_called < settings.min_call_rate * store.n_samples], "low_call_rate")
    chosen.drop(rows[n_called == 0], "low_call_rate")
    still = chosen.fate[rows] == 0
    rows, of_founders = rows[still], counts[still]
    if not founders.all():
        of_founders = store.count(rows, keep=founders, threads=threads)
    _, het, hom, missing = of_founders.T
    with np.errstate(invalid="ignore"):
        alt = (het + 2 * hom) / (2 * (founders.sum() - missing))
    minor = np.minimum(alt, 1 - alt)
    chosen.minor_frequency[rows] = minor
    if settings.min_maf > 0:
        chosen.drop(rows[~(minor >= settings.min_maf * _NEARLY)], "low_maf")
    return chosen


def leave_long_range_ld(variants: Variants, build: str) -> None:
    """Drop the variants in the regions of long-range LD of a build."""
    rows = variants.rows("kept")
    table = variants.store.variants[rows]
    contig = table["contig"].replace_strict(_canonical(table["contig"]), return_dtype=pl.Utf8)
    position = table["position"].to_numpy()
    inside = np.zeros(len(rows), np.bool_)
    for region in LONG_RANGE_LD[build]:
        here = (contig == region.contig).to_numpy()
        inside |= here & (position > region.start) & (position <= region.end)
    variants.drop(rows[inside], "long_range_ld")


def prune_variants(
    variants: Variants,
    settings: StructureSettings,
    founders: np.ndarray,
    *,
    threads: int = 1,
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Prune by LD; rows kept and rows dropped."""
    rows = variants.rows("kept")
    kept = prune(
        variants.store, rows, window=settings.prune_window, step=settings.prune_step,
        r2=settings.prune_r2, window_kb=settings.prune_kb, founders=founders, threads=threads,
        device=device,
    )  # fmt: skip
    variants.drop(rows[~kept], "in_ld")
    return rows[kept], rows[~kept]


def _canonical(contig: pl.Series) -> dict[str, str]:
    return {name: canonical_contig(name) for name in contig.unique().to_list()}


def _autosomes(contig: pl.Series) -> list[str]:
    return [name for name, plain in _canonical(contig).items() if plain in AUTOSOMES]


def _check_order(store: PackedStore, rows: np.ndarray) -> None:
    """Contigs in one piece each, positions rising: windows depend on it."""
    table = store.variants.select("contig", "position")
    table = table if len(rows) == table.height else table[rows]
    starts = table["contig"].rle().struct.field("value")
    if starts.n_unique() < len(starts):
        name = starts.filter(~starts.is_first_distinct())[0]
        raise InputError(
            f"{store.path}: the variants of contig {name} lie in several places; sort them with "
            "`plink2 --sort-vars`"
        )
    back = np.flatnonzero(np.diff(table["position"].to_numpy()) < 0) + 1
    inside = table["contig"].gather(back) == table["contig"].gather(back - 1)
    if inside.any():
        at = int(back[inside.arg_true()[0]])
        raise InputError(
            f"{store.path}: variant {int(rows[at]) + 1}, at {table['contig'][at]}:"
            f"{table['position'][at]}, lies before the one above it; sort them with "
            "`plink2 --sort-vars`"
        )


def _repeated(table: pl.DataFrame) -> np.ndarray:
    """Rows whose position and alleles a row before has already."""
    same = (table["position"] == table["position"].shift(1)) & (
        table["contig"] == table["contig"].shift(1)
    )
    crowded = (same | same.shift(-1).fill_null(False)).fill_null(False)
    rows = table.filter(crowded)
    again = rows.filter(~rows.select("contig", "position", "ref", "alt").is_unique())
    return again.filter(
        ~again.select(pl.struct("contig", "position", "ref", "alt").is_first_distinct()).to_series()
    )["row"].to_numpy()
