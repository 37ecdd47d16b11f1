"""gVCFs of different people to one store: the union of their variants, each call proved or missing.

A person's call at a variant that is not in their own file is 0 only where their file shows every
base of REF: by a reference block of enough depth and quality, by a record that is called 0/0, or,
for its first base, by a record there that is called otherwise. Anything else is missing: absence
proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.errors import InputError, UsageError
from genomed.io.cohort import open_cohort
from genomed.io.pvar import contig_rank, merge_headers, pvar_contig
from genomed.regions import Region
from genomed.schema import MISSING, Reader, VariantBatch
from genomed.settings import ConvertSettings
from genomed.steps.convert_inputs import ConvertInputs, Source, first_of_everybody
from genomed.steps.convert_pieces import Account

__all__ = ["GvcfSet"]

_KEY = ["contig", "position", "ref", "alt"]
_ANY = ("<NON_REF>", "<*>", ".")  # what stands for no ALT, or for every other one
_FRAME = {"contig": pl.Utf8, "position": pl.Int64, "ref": pl.Utf8, "alt": pl.Utf8, "id": pl.Utf8}
BLOCK_ROWS = 65536


class GvcfSet:
    """Several gVCFs, read twice: once for their variants, once for the calls at all variants.

    sources  : inputs whose samples differ, or are the same on other contigs
    folder   : where calls are kept, person by person, until all have been read
    accounts : of each input; `stored` counts the rows that went into the union
    """

    def __init__(
        self,
        inputs: ConvertInputs,
        settings: ConvertSettings,
        sources: Sequence[Source],
        folder: Path,
        threads: int,
    ) -> None:
        for option in ("phase", "dosage", "info", "filters"):
            if getattr(settings, option):
                raise UsageError(
                    f"--gvcf keeps no {option}: the inputs have rows of their own; leave it out"
                )
        self._inputs, self._settings, self._sources = inputs, settings, sources
        self._folder, self._threads = folder, threads
        self._region = Region.parse(inputs.region) if inputs.region else None
        self.accounts = [Account(source.path) for source in sources]
        self._slot: dict[tuple[str, ...], slice] = {}  # samples of an input -> where in the store
        self.samples: list[str] = []
        for source in first_of_everybody(sources):
            names = source.reader.samples
            self._slot[tuple(names)] = slice(len(self.samples), len(self.samples) + len(names))
            self.samples += names
        self.header = merge_headers(source.header for source in sources)
        self._spelt: dict[str, str] = {}  # contig as stored -> as its first file spells it

    def iter_batches(self, max_bytes: int) -> Iterator[VariantBatch]:
        """Rows of the union with the calls of everybody, in order."""
        sites = self._sites()
        path = self._folder / "calls"
        if not len(sites):
            return
        calls = np.memmap(path, np.int8, "w+", shape=(len(self.samples), len(sites)))
        calls[:] = MISSING
        for source in self._sources:
            self._fill(source, sites, calls[self._slot[tuple(source.reader.samples)]])
        step = max(1, min(BLOCK_ROWS, max_bytes // len(self.samples)))
        length = pl.col("ref").str.len_bytes().cast(pl.Int64)
        frame = sites.with_columns(
            pl.col("contig").replace(self._spelt),
            end_position=pl.col("position") + length - 1,
            n_alts=pl.lit(1, pl.Int64),
            line=pl.int_range(1, len(sites) + 1, dtype=pl.Int64),
        )
        for start in range(0, len(sites), step):
            yield VariantBatch(
                frame[start : start + step],
                np.ascontiguousarray(calls[:, start : start + step].T),
            )
        del calls
        path.unlink()

    def _sites(self) -> pl.DataFrame:
        """Every variant of any input once, by contig, position, REF and ALT."""
        found = pl.DataFrame(schema=_FRAME)
        read: dict[tuple[str, str], Source] = {}  # contig and sample -> input
        for source, account in zip(self._sources, self.accounts, strict=True):
            parts = [found]
            for batch in self._batches(source):
                rows = batch.variants
                self._read_once(source, rows["contig"].unique(), read)
                variants = rows.filter(~pl.col("alt").is_in(_ANY))
                account.rows += len(rows)
                account.stored += len(variants)
                parts.append(self._canonical(variants).select(list(_FRAME)))
            account.take(source.reader.counts)
            if account.rows > account.stored:
                account.dropped["reference_block"] = account.rows - account.stored
            found = pl.concat(parts).sort("id", nulls_last=True, maintain_order=True)
            found = found.unique(_KEY, keep="first", maintain_order=True)
        names = found["contig"].unique().to_list()
        rank = {name: n for n, name in enumerate(sorted(names, key=contig_rank))}
        order = found["contig"].replace_strict(rank, return_dtype=pl.Int64)
        found = found.with_columns(order.alias("rank")).sort("rank", "position", "ref", "alt")
        return found.drop("rank")

    def _read_once(
        self, source: Source, contigs: Iterable[str], read: dict[tuple[str, str], Source]
    ) -> None:
        """Note the contigs of an input's samples; InputError when another input has had one."""
        for contig in contigs:
            sample = source.reader.samples[0]
            other = read.setdefault((pvar_contig(contig), sample), source)
            if other is not source:
                raise InputError(
                    f"{source.path}: sample {sample!r} is in two of the inputs on contig {contig} "
                    f"(the other is {other.path}); give every part of everybody's gVCF once"
                )

    def _batches(self, source: Source) -> Iterator[VariantBatch]:
        with closing(self._open(source)) as reader:
            source.reader = reader
            yield from reader.iter_batches(self._region)

    def _open(self, source: Source) -> Reader:
        s = self._settings
        return open_cohort(
            source.path, samples=self._inputs.samples, threads=self._threads,
            block_thresholds=(s.min_block_depth, s.min_block_quality),
            call_thresholds=(s.min_dp, s.min_gq),
        )  # fmt: skip

    def _fill(self, source: Source, sites: pl.DataFrame, calls: np.ndarray) -> None:
        """Calls of one input's samples at all sites: int8 (samples, sites), missing till filled."""
        shown: dict[str, _Shown] = {}
        numbered = sites.select(*_KEY).with_row_index("site")
        for batch in self._batches(source):
            rows = self._canonical(batch.variants).with_row_index("row")
            alt_count = _as_stored(batch)
            own = rows.select("row", *_KEY).join(numbered, on=_KEY, how="inner")
            own = own.unique("site", keep="first", maintain_order=True)
            site, row = own["site"].to_numpy(), own["row"].to_numpy()
            calls[:, site] = np.where(calls[:, site] == MISSING, alt_count[row].T, calls[:, site])
            for contig, part in rows.partition_by("contig", as_dict=True).items():
                at = part["row"].to_numpy()
                known = shown.setdefault(str(contig[0]), _Shown(len(alt_count[0])))
                known.add(part, alt_count[at])
        position = sites["position"].to_numpy()
        last = position + sites["ref"].str.len_bytes().cast(pl.Int64).to_numpy() - 1
        contigs = sites["contig"].rle().struct.unnest()
        first = 0
        for n, contig in contigs.iter_rows():
            if contig in shown:
                span = slice(first, first + n)
                proved = shown[contig].covers(position[span], last[span])
                block = calls[:, span]
                block[(block == MISSING) & proved & ~shown[contig].uncalled(position[span])] = 0
            first += n

    def _canonical(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with contigs as they are stored; how they are spelt is kept."""
        names = {name: pvar_contig(name) for name in rows["contig"].unique()}
        for name, stored in names.items():
            self._spelt.setdefault(stored, name)
        return rows.with_columns(pl.col("contig").replace(names))


class _Runs(NamedTuple):
    """Stretches of bases that do not touch: first and last base, int64, rising."""

    first: np.ndarray
    last: np.ndarray

    def joined(self, first: np.ndarray, last: np.ndarray) -> _Runs:
        """With more stretches, which may overlap or touch."""
        first = np.concatenate([self.first, first])
        last = np.concatenate([self.last, last])
        order = np.argsort(first, kind="stable")
        first, reach = first[order], np.maximum.accumulate(last[order])
        new = np.concatenate([[True], first[1:] > reach[:-1] + 1])[: len(first)]
        begins = np.flatnonzero(new)
        ends = np.concatenate([begins[1:], [len(first)]])[: len(begins)] - 1
        return _Runs(first[begins], reach[ends])


_NOTHING = _Runs(np.zeros(0, np.int64), np.zeros(0, np.int64))


class _Shown:
    """What one input shows of one contig: bases whose alleles are known, by sample."""

    def __init__(self, n_samples: int) -> None:
        self._runs = [_NOTHING] * n_samples
        self._no_call: list[list[np.ndarray]] = [[] for _ in range(n_samples)]

    def add(self, rows: pl.DataFrame, alt_count: np.ndarray) -> None:
        """Note rows (position · end_position · line) and int8 (rows, samples) counts."""
        line = rows["line"].to_numpy()
        begins = np.flatnonzero(np.concatenate([[True], line[1:] != line[:-1]]))
        called = (alt_count != MISSING)[begins]
        carries = np.add.reduceat((alt_count > 0).astype(np.int32), begins, axis=0) > 0
        position = rows["position"].to_numpy()[begins]
        last = np.where(carries.T, position, rows["end_position"].to_numpy()[begins])
        variant = (rows["n_alts"].to_numpy()[begins] > 0) & ~(
            rows["alt"].is_in(_ANY).to_numpy()[begins]
        )
        for s in range(len(self._runs)):
            known = called[:, s]
            self._runs[s] = self._runs[s].joined(position[known], last[s][known])
            self._no_call[s].append(position[variant & ~known])

    def covers(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Whether every base from first to last is known: bool (samples, places)."""
        found = np.zeros((len(self._runs), len(first)), np.bool_)
        for s, runs in enumerate(self._runs):
            at = np.searchsorted(runs.first, first, side="right") - 1
            found[s] = (at >= 0) & (runs.last[at] >= last) if len(runs.last) else False
        return found

    def uncalled(self, position: np.ndarray) -> np.ndarray:
        """Whether a variant record of one's own begins there without a call."""
        none = [np.concatenate(parts) if parts else _NOTHING.first for parts in self._no_call]
        return np.stack([np.isin(position, places) for places in none])


def _as_stored(batch: VariantBatch) -> np.ndarray:
    """Counts with a haploid ALT as two copies."""
    if batch.call_ploidy is None:
        return batch.alt_count
    haploid = (batch.call_ploidy == 1) & (batch.alt_count > 0)
    return np.where(haploid, np.int8(2), batch.alt_count)
