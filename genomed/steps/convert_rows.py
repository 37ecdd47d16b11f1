"""From the rows of a reader to the rows of a store: filters, the reference, and their ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.fasta import Fasta
from genomed.io.formats import cohort_format
from genomed.io.pvar import pvar_contig
from genomed.kernels import normalise as codes
from genomed.regions import canonical_contig
from genomed.schema import MISSING, VariantBatch
from genomed.settings import ConvertSettings
from genomed.stats.normalise import WINDOW, align_alleles, reference_bases, sort_window
from genomed.steps.convert_inputs import Listed
from genomed.steps.convert_pieces import Account
from genomed.tables import TABLES

__all__ = ["Passage", "Rows", "join_batches", "take_rows"]

_LEDGER = tuple(TABLES["convert_ledger"])
_PLACE = ("contig", "position", "id", "ref", "alt", "line")


def take_rows(batch: VariantBatch, rows: np.ndarray) -> VariantBatch:
    """Some rows of a batch, int64 indices or bool."""
    if rows.dtype == np.bool_:
        rows = np.flatnonzero(rows)
    return VariantBatch(
        batch.variants[rows],
        batch.alt_count[rows],
        None if batch.call_ploidy is None else batch.call_ploidy[rows],
        None if batch.call_dosage is None else batch.call_dosage[rows],
        None if batch.call_phase is None else batch.call_phase[rows],
    )


def join_batches(first: VariantBatch, second: VariantBatch) -> VariantBatch:
    """Rows of two batches of the same samples, one after the other."""
    return VariantBatch(
        pl.concat([first.variants, second.variants], how="vertical_relaxed"),
        np.concatenate([first.alt_count, second.alt_count]),
        _joined(first, second, "call_ploidy", 2),
        _joined(first, second, "call_dosage", np.nan),
        _joined(first, second, "call_phase", 0),
    )


def _joined(
    first: VariantBatch, second: VariantBatch, name: str, filling: float
) -> np.ndarray | None:
    arrays = [getattr(batch, name) for batch in (first, second)]
    kinds = [array.dtype for array in arrays if array is not None]
    if not kinds:
        return None
    filled = [
        np.full(batch.alt_count.shape, filling, kinds[0]) if array is None else array
        for array, batch in zip(arrays, (first, second), strict=True)
    ]
    return np.concatenate(filled)


class Rows:
    """The ledger of one input: writes the fate of every row that is not stored as it stood."""

    def __init__(self, path: Path, account: Account, watched: frozenset[str]) -> None:
        self._path = path
        self._account = account
        self._watched = watched
        self.seen: dict[str, list[str]] = {name: [] for name in sorted(watched)}

    def add(self, rows: pl.DataFrame, fate: str, stored: pl.DataFrame | None = None) -> None:
        """Note the fate of rows; `stored` holds position, ref and alt of those that are stored."""
        tally = self._account.dropped if stored is None else self._account.changed
        tally[fate] = tally.get(fate, 0) + len(rows)
        named = rows.select(_PLACE).with_columns(
            pl.lit(self._account.input).alias("input"), pl.lit(fate).alias("fate")
        )
        place = pl.Series("stored", [None] * len(rows), pl.Utf8)
        if stored is not None:
            joined = pl.concat_str("position", "ref", "alt", separator=":").alias("stored")
            place = stored.select(joined)["stored"]
        table = named.with_columns(place).select(_LEDGER)
        with self._path.open("ab") as file:
            table.write_csv(
                file, separator="\t", quote_style="never", null_value="", include_header=False
            )
        for name, row in self._of_interest(table):
            where = f", as {row['stored']}" if row["stored"] else ""
            self.seen[name].append(f"{fate}{where}\t{row['line']}")

    def look(self, batch: VariantBatch) -> None:
        """Note the watched variants among the rows that came in."""
        if self._watched:
            table = batch.variants.with_row_index("row")
            for name, row in self._of_interest(table):
                calls = batch.alt_count[row["row"]]
                called = calls[calls != MISSING]
                self.seen[name].append(f"in\t{row['line']}\t{len(called)}\t{int(called.sum())}")

    def _of_interest(self, table: pl.DataFrame) -> Iterator[tuple[str, dict]]:
        if not self._watched:
            return
        positions = [int(name.split(":")[1]) for name in self._watched]
        for row in table.filter(pl.col("position").is_in(positions)).iter_rows(named=True):
            name = f"{canonical_contig(row['contig'])}:{row['position']}:{row['ref']}:{row['alt']}"
            if name in self._watched:
                yield name, row


class Passage:
    """What every row goes through on its way into a store."""

    def __init__(
        self,
        settings: ConvertSettings,
        ledger: Rows,
        *,
        path: str,
        listed: Listed | None,
        reference: Fasta | None,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._path = path
        self._listed = listed
        self._straightener = None
        if reference is not None:
            self._straightener = _Straightener(reference, settings.ref_mismatch, ledger, path)
        self._contigs: list[str] = []
        self._exchange = settings.bgen_ref == "last" and cohort_format(path) == "bgen"

    def take(self, batch: VariantBatch) -> Iterator[VariantBatch]:
        """Rows that are ready to be stored."""
        if self._settings.dosage is None and batch.call_dosage is not None:
            batch = replace(batch, call_dosage=None)
        if self._exchange:
            batch = self._exchanged(batch)
        self._ledger.look(batch)
        self._see_contigs(batch.variants["contig"])
        batch = self._filtered(batch)
        if self._straightener is not None:
            batch = self._straightener.take(batch)
        if batch.n_variants:
            yield batch

    def rest(self) -> Iterator[VariantBatch]:
        """Rows that were held back."""
        if self._straightener is not None and (last := self._straightener.rest()):
            yield last

    def _exchanged(self, batch: VariantBatch) -> VariantBatch:
        """REF and ALT in place of each other, for a BGEN whose REF is last."""
        several = (batch.variants["n_alts"] > 1).arg_true()
        if len(several):
            raise InputError(
                f"{self._path}, record {batch.variants['line'][several[0]]}: has several ALTs, of "
                "which none can be told for REF; leave out --bgen-ref last"
            )
        exchange_calls(batch, np.flatnonzero(batch.variants["n_alts"].to_numpy() == 1))
        exchanged = batch.variants.with_columns(
            pl.col("alt").alias("ref"), pl.col("ref").alias("alt")
        )
        return replace(batch, variants=exchanged)

    def _see_contigs(self, contig: pl.Series) -> None:
        for name in contig.rle().struct.field("value"):
            spelling = pvar_contig(name)
            if self._contigs and spelling == self._contigs[-1]:
                continue
            if spelling in self._contigs:
                raise InputError(
                    f"{self._path}: contig {name} comes in several places, which plink2 refuses; "
                    "sort the file with `bcftools sort`"
                )
            self._contigs.append(spelling)

    def _filtered(self, batch: VariantBatch) -> VariantBatch:
        s = self._settings
        keep = np.ones(batch.n_variants, np.bool_)
        if self._listed is not None:
            self._drop(batch, keep, ~self._listed.holds(batch.variants), "not_listed")
        if s.filters and "filter" in batch.variants.columns:
            self._drop(batch, keep, _filtered_out(batch.variants, s.filters), "filter")
        if s.max_alleles:
            many = (batch.variants["n_alts"] + 1 > s.max_alleles).to_numpy()
            self._drop(batch, keep, many, "too_many_alleles")
        if s.max_missing < 1:
            unknown = batch.alt_count == MISSING
            if batch.call_dosage is not None:
                unknown = np.isnan(batch.call_dosage)
            n_missing = unknown.sum(axis=1)
            most = s.max_missing * batch.alt_count.shape[1]
            self._drop(batch, keep, n_missing > most + 1e-9, "missing")
        if s.min_ac:
            copies = np.maximum(batch.alt_count, 0).sum(axis=1, dtype=np.int64)
            self._drop(batch, keep, copies < s.min_ac, "few_copies")
        return batch if keep.all() else take_rows(batch, keep)

    def _drop(self, batch: VariantBatch, keep: np.ndarray, out: np.ndarray, fate: str) -> None:
        out = out & keep
        if out.any():
            self._ledger.add(batch.variants.filter(pl.Series(out)), fate)
            keep &= ~out


def _filtered_out(variants: pl.DataFrame, words: tuple[str, ...]) -> np.ndarray:
    """Rows with a word in FILTER that was not asked for; "." counts as PASS."""
    given = variants["filter"].replace(".", "PASS").str.split(";")
    return (~given.list.eval(pl.element().is_in(list(words))).list.all()).to_numpy()


class _Straightener:
    """Checks REF, moves variants to the left, and puts them in order again."""

    def __init__(self, reference: Fasta, mismatch: str, ledger: Rows, path: str) -> None:
        self._reference = reference
        self._mismatch = mismatch
        self._ledger = ledger
        self._path = path
        self._held: VariantBatch | None = None
        self._contigs: dict[str, int] = {}

    def take(self, batch: VariantBatch) -> VariantBatch:
        """The rows of this batch and those held back that can be stored now."""
        return self._ordered(self._straight(batch), finish=False)

    def rest(self) -> VariantBatch | None:
        """Everything that was held back."""
        if self._held is None:
            return None
        nothing = take_rows(self._held, np.zeros(0, np.int64))
        return self._ordered(nothing, finish=True)

    def _straight(self, batch: VariantBatch) -> VariantBatch:
        keep = np.ones(batch.n_variants, np.bool_)
        parts = []
        first = 0
        for run in batch.variants["contig"].rle().to_frame("run").unnest("run").iter_rows():
            n, contig = run
            rows = np.arange(first, first + n)
            parts.append(self._straight_run(batch, contig, rows, keep))
            first += n
        if not parts:
            return batch
        batch = VariantBatch(
            pl.concat(parts),
            batch.alt_count,
            batch.call_ploidy,
            batch.call_dosage,
            batch.call_phase,
        )
        return batch if keep.all() else take_rows(batch, keep)

    def _straight_run(
        self, batch: VariantBatch, contig: str, rows: np.ndarray, keep: np.ndarray
    ) -> pl.DataFrame:
        """Rows of one contig, at their new places; `keep` and swapped calls are set in place."""
        table = batch.variants[rows]
        sequence = self._reference.sequence(contig)
        if sequence is None:
            self._without_contig(contig, table, keep, rows)
            return table
        position = table["position"].to_numpy()
        found = align_alleles(position, table["ref"], table["alt"], sequence)
        wrong = (found.fate == codes.BAD_REF) | (found.fate == codes.ALT_IS_REF)
        if wrong.any():
            wrong_rows = np.flatnonzero(wrong)
            if self._mismatch == "error":
                self._refuse(table, int(wrong_rows[0]), sequence)
            elif self._mismatch == "warn":
                self._ledger.add(table[wrong_rows], "ref_mismatch_kept", table[wrong_rows])
            elif self._mismatch == "drop":
                self._ledger.add(table[wrong_rows], "ref_mismatch")
                keep[rows[wrong_rows]] = False
            else:
                return self._swapped(batch, table, rows, keep, found.fate, sequence)
        moved = table.with_columns(
            pl.Series("position", found.position), found.ref.alias("ref"), found.alt.alias("alt")
        )
        changed = np.flatnonzero(found.fate == codes.ALIGNED)
        if len(changed):
            self._ledger.add(table[changed], "aligned", moved[changed])
        return moved

    def _swapped(
        self,
        batch: VariantBatch,
        table: pl.DataFrame,
        rows: np.ndarray,
        keep: np.ndarray,
        fate: np.ndarray,
        sequence: tuple,
    ) -> pl.DataFrame:
        """Exchange REF and ALT where ALT is what the reference has; drop other mismatches."""
        alone = (table["n_alts"] == 1).to_numpy()
        swap = (fate == codes.ALT_IS_REF) & alone
        lost = np.flatnonzero(((fate == codes.BAD_REF) | (fate == codes.ALT_IS_REF)) & ~swap)
        if len(lost):
            self._ledger.add(table[lost], "ref_mismatch")
            keep[rows[lost]] = False
        swapped = pl.Series(swap)
        turned = table.with_columns(
            pl.when(swapped).then("alt").otherwise("ref").alias("ref"),
            pl.when(swapped).then("ref").otherwise("alt").alias("alt"),
        )
        exchange_calls(batch, rows[swap])
        found = align_alleles(table["position"].to_numpy(), turned["ref"], turned["alt"], sequence)
        moved = turned.with_columns(
            pl.Series("position", found.position), found.ref.alias("ref"), found.alt.alias("alt")
        )
        places = np.flatnonzero(swap)
        if len(places):
            self._ledger.add(table[places], "ref_alt_swapped", moved[places])
        changed = np.flatnonzero((found.fate == codes.ALIGNED) & ~swap & keep[rows])
        if len(changed):
            self._ledger.add(table[changed], "aligned", moved[changed])
        return moved

    def _without_contig(
        self, contig: str, table: pl.DataFrame, keep: np.ndarray, rows: np.ndarray
    ) -> None:
        if self._mismatch == "error":
            raise InputError(
                f"{self._path}: contig {contig} is not in {self._reference.path}; give the "
                "reference the variants were called on, or --ref-mismatch drop"
            )
        if self._mismatch == "warn":
            self._ledger.add(table, "ref_mismatch_kept", table)
        else:
            self._ledger.add(table, "contig_not_in_reference")
            keep[rows] = False

    def _refuse(self, table: pl.DataFrame, row: int, sequence: tuple) -> None:
        one = table.row(row, named=True)
        start = one["position"] - 1
        there = reference_bases(sequence, max(start, 0), start + len(one["ref"])) or "nothing"
        raise InputError(
            f"{self._path}, line {one['line']}: REF at {one['contig']}:{one['position']} is "
            f"{one['ref'][:40]}, but {self._reference.path} has {there[:40]} there; give the right "
            "reference, or --ref-mismatch warn, drop or swap"
        )

    def _ordered(self, batch: VariantBatch, *, finish: bool) -> VariantBatch:
        n_held = 0
        if self._held is not None:
            n_held = self._held.n_variants
            batch = join_batches(self._held, batch)
        names = batch.variants["contig"]
        codes_of = {
            name: self._contigs.setdefault(name, len(self._contigs))
            for name in names.unique(maintain_order=True)
        }
        contig = names.replace_strict(codes_of, return_dtype=pl.Int32).to_numpy()
        position = batch.variants["position"].to_numpy()
        order = np.empty(len(position), np.int64)
        n = sort_window(n_held, contig, position, WINDOW, finish, order)
        self._held = None
        if n < len(order):
            self._held = take_rows(batch, order[n:])
        return take_rows(batch, order[:n])


def exchange_calls(batch: VariantBatch, rows: np.ndarray) -> None:
    """Count the other allele in some rows, in place."""
    for row in rows:
        ploidy = 2 if batch.call_ploidy is None else batch.call_ploidy[row]
        counts = batch.alt_count[row]
        batch.alt_count[row] = np.where(counts == MISSING, MISSING, ploidy - counts)
        if batch.call_dosage is not None:
            batch.call_dosage[row] = ploidy - batch.call_dosage[row]
        if batch.call_phase is not None:
            phase = batch.call_phase[row]
            batch.call_phase[row] = np.where(phase == 0, 0, 3 - phase)
