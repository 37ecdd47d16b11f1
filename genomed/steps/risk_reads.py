"""`genomed risk --reads SAMPLE=BAM`: what reads show where the cohort has no record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from genomed.errors import InputError, UsageError
from genomed.features.call_candidates import LETTERS
from genomed.features.call_tiles import reference_window
from genomed.io.alignments import AlignmentReader
from genomed.io.bam_index import find_index
from genomed.io.fasta import Fasta
from genomed.ledger import USED
from genomed.provenance import file_fingerprint
from genomed.regions import Region
from genomed.schema import MISSING, VariantBatch
from genomed.scores.matching import Entries, RowMatches
from genomed.scores.read_lookup import LookupSites, SampleCalls, lookup_rows, lookup_sites
from genomed.settings import EvidenceSettings, RiskSettings
from genomed.stats.allele_evidence import allele_evidence, flat_alleles, genotype_loglik
from genomed.stats.read_identity import read_genotypes
from genomed.stats.read_proof import FOUND, HOM_REF, PRIOR_PHRED, VERDICTS, call_bases, judge
from genomed.stats.site_reads import SiteReads
from genomed.steps.risk_reads_sites import (
    clusters,
    gather,
    open_reads,
)
from genomed.tables import TABLES

__all__ = ["RiskReads"]

AROUND = 300  # bases beside insertions and deletions that are looked at
MOST_NOTED = 20_000  # calls of the cohort that the reads are compared with
LEAST_COMPARED, LEAST_AGREED = 30, 0.85  # of these, for reads to be the sample's own
SHOWS = 1.0  # a read shows an allele that is better than the other by so much, natural log

FLAGS = ("hom_ref_by_reads", "alternative_in_reads", "no_reads")  # words of a row of the risk table

_NUMBER = {base: i for i, base in enumerate("ACGT")}


class _Noted(NamedTuple):
    """Calls that the cohort has: columns contig, position, ref, alt; int8 (rows, samples)."""

    rows: pl.DataFrame
    copies: np.ndarray


class RiskReads:
    """The reads of some samples.

    given   : (sample, file of alignments)
    samples : the cohort's; fasta : the reference that the reads were aligned to
    table   : TABLES["risk_reads"], once `look` has been called
    shown   : bool (3, models, samples given): whether any variant of a model is, by the reads of a
              sample, proved hom-ref, another allele, or not known
    """

    def __init__(
        self,
        given: Sequence[tuple[str, Path]],
        n_models: int,
        samples: Sequence[str],
        fasta: Path,
        settings: RiskSettings,
        threads: int,
    ) -> None:
        names = [name for name, _ in given]
        for name in names:
            if name not in samples:
                raise UsageError(
                    f"--reads {name}=...: the cohort has no sample {name!r}; its samples begin "
                    f"with {', '.join(samples[:3]) or 'nobody'}"
                )
            if names.count(name) > 1:
                raise UsageError(f"--reads {name}=...: is given twice; merge the files")
        self.names, self._settings, self._threads = names, settings, threads
        self.places = np.array([list(samples).index(name) for name in names], np.int64)
        self._n_samples = len(samples)
        self._fasta = Fasta(fasta)
        self._readers = [open_reads(name, path, fasta, threads) for name, path in given]
        self._noted: list[_Noted] = []
        self._n_noted = 0
        self.warnings = [
            f"--reads {name}: the reads of {reader.path} are named "
            f"{', '.join(reader.samples)} in the file."
            for name, reader in zip(names, self._readers, strict=True)
            if reader.samples and name not in reader.samples
        ]
        self.table = pl.DataFrame(schema=_TABLE)
        self.shown = np.zeros((3, n_models, len(names)), bool)

    def note(self, rows: pl.DataFrame, batch: VariantBatch) -> None:
        """Remember calls of single bases, to tell whether the reads are the samples' own."""
        if self._n_noted >= MOST_NOTED:
            return
        single = (
            (rows["n_alts"] == 1)
            & rows["ref"].is_in(list("ACGT"))
            & rows["alt"].is_in(list("ACGT"))
            & ~rows["canonical"].is_in(["X", "Y", "MT"])
        ).to_numpy()
        at = np.flatnonzero(single)[: MOST_NOTED - self._n_noted]
        copies = batch.alt_count[np.ix_(at, self.places)]
        if (copies >= 0).any():
            places = rows[at].select(pl.col("canonical").alias("contig"), "position", "ref", "alt")
            self._noted.append(_Noted(places, copies))
            self._n_noted += len(at)

    def look(
        self, entries: Entries, absent: np.ndarray, fill: int, ref_is_other: np.ndarray
    ) -> Iterator[VariantBatch]:
        """Look model variants up that the cohort has no record of; yields rows that say what the
        reads prove, sorted by position.

        absent : int64, entries; fill : alt_count of samples without reads
        ref_is_other : bool (entries,), the model says that its other allele is the reference's
        Raises InputError when reads are another person's, or of another reference.
        """
        sites = lookup_sites(self._wanted(entries, absent, ref_is_other))
        self._check_contigs(sites)
        calls, tables = [], []
        for i, reader in enumerate(self._readers):
            called, table = self._look_up(i, reader, sites)
            calls.append(called)
            tables.append(table)
        if tables:
            self.table = pl.concat(tables)
        rows, copies, ploidy = lookup_rows(sites, calls)
        step = max(1, (16 << 20) // max(1, self._n_samples))
        first = 0
        while first < rows.height:
            stop = _end_of_position(rows, min(first + step, rows.height))
            part = slice(first, stop)
            alt_count = np.full((stop - first, self._n_samples), fill, np.int8)
            alt_count[:, self.places] = copies[part]
            one = np.repeat(ploidy[part, None], self._n_samples, axis=1)
            yield VariantBatch(rows[part], alt_count, one if (one == 1).any() else None)
            first = stop

    def take(self, entries: Entries, found: RowMatches, batch: VariantBatch) -> None:
        """Give entries that rows of `look` have decided the reasons of reads."""
        record = batch.variants["line"].rle_id().to_numpy()[found.row]
        calls = batch.alt_count[:, self.places]
        starts = np.flatnonzero(np.diff(batch.variants["line"].to_numpy(), prepend=1))
        other = np.maximum.reduceat(calls, starts)[record] > 0
        known = np.minimum.reduceat(calls, starts)[record] >= 0
        reason = entries.reason[found.entry]
        used = np.isin(reason.astype(str), USED)
        seen = np.where(other.any(axis=1), "reads_alternative", "reads_hom_ref")
        entries.reason[found.entry[used]] = seen[used].astype(object)
        none = reason == "monomorphic_no_call"
        entries.reason[found.entry[none]] = "reads_no_coverage"
        self._show(entries, found.entry[used], (known & ~other, known & other, ~known), used)

    def unproved(self, entries: Entries, absent: np.ndarray) -> np.ndarray:
        """Those of the absent entries that were looked up, but nothing was proved of anybody."""
        places = self.table.select("contig", "position").unique()
        here = entries.table[absent].select("contig", "position").with_row_index("at")
        looked = np.sort(here.join(places, on=["contig", "position"])["at"].to_numpy())
        nothing = np.zeros((len(looked), len(self.names)), bool)
        self._show(entries, absent[looked], (nothing, nothing, ~nothing), slice(None))
        return absent[looked]

    def _show(
        self, entries: Entries, entry: np.ndarray, kinds: tuple[np.ndarray, ...],
        used: np.ndarray | slice,
    ) -> None:  # fmt: skip
        for family in entries.families:
            mine = (entry >= family.rows.start) & (entry < family.rows.stop)
            for shown, kind in zip(self.shown, kinds, strict=True):
                shown[family.members] |= kind[used][mine].any(axis=0)

    def flags(self) -> pl.Series:
        """Text of each row of the risk table, models in order, samples in the cohort's."""
        words = np.full((self.shown.shape[1], self._n_samples), "", object)
        for m in range(len(words)):
            for i, place in enumerate(self.places.tolist()):
                said = (word for word, kind in zip(FLAGS, self.shown, strict=True) if kind[m, i])
                words[m, place] = ";".join(said)
        return pl.Series(words.reshape(-1).tolist(), dtype=pl.Utf8)

    def sentences(self) -> Iterator[str]:
        """What to warn of."""
        yield from self.warnings
        for name, rows in self.table.group_by("sample", maintain_order=True):
            n = dict(rows["verdict"].value_counts().iter_rows())
            none = n.get("no_coverage", 0) + n.get("unclear", 0)
            if n.get("alternative", 0):
                yield (
                    f"{name[0]}: reads show another allele than the reference's at "
                    f"{n['alternative']} of {rows.height} places of the models that have no record "
                    "(see reads.tsv); was every site called?"
                )
            if none:
                yield (
                    f"{name[0]}: reads prove nothing at {none} of {rows.height} places of the "
                    "models that have no record (see reads.tsv)."
                )

    def fingerprints(self) -> dict[str, dict[str, object]]:
        """Path -> what tells the file: its size, and the digest of its index."""
        found: dict[str, dict[str, object]] = {}
        for reader in self._readers:
            path = Path(reader.path)
            found[reader.path] = {"bytes": path.stat().st_size}
            if index := find_index(path, [".bai", ".csi", ".crai"]):
                found[reader.path]["sha256_of_its_index"] = file_fingerprint(index)["sha256"]
        return found

    def _wanted(
        self, entries: Entries, absent: np.ndarray, ref_is_other: np.ndarray
    ) -> pl.DataFrame:
        """Alleles of the entries, and the reference's text there."""
        rows = (
            entries.table[absent]
            .select(
                "contig",
                "position",
                "effect_allele",
                "other_allele",
                ref_is_other=ref_is_other[absent],
            )
            .drop_nulls(["contig", "position", "effect_allele"])
            .unique()
        )
        length = pl.max_horizontal(
            pl.col("effect_allele").str.len_chars(),
            pl.col("other_allele").str.len_chars().fill_null(1),
        )
        places = rows.select("contig", "position", length.alias("n"))
        reference: list[str | None] = [None] * rows.height
        for (contig,), group in places.with_row_index("at").group_by("contig"):
            sequence = self._fasta.sequence(str(contig))
            if sequence is None:
                continue
            for at, position, n in group.select("at", "position", "n").iter_rows():
                if 0 < position <= sequence.length:
                    _, codes = reference_window(
                        self._fasta, str(contig), position - 1, position - 1 + n
                    )
                    reference[at] = LETTERS[codes].tobytes().decode()
        return rows.with_columns(pl.Series("reference", reference, dtype=pl.Utf8))

    def _check_contigs(self, sites: LookupSites) -> None:
        contigs = {*sites.bases["contig"].to_list(), *sites.longer["contig"].to_list()}
        for reader in self._readers:
            places = [reader.names.place(name) for name in sorted(contigs)]
            here = [reader.contigs[at] for at in places if at is not None]
            if contigs and not here:
                raise InputError(
                    f"{reader.path}: has none of the contigs of the models "
                    f"({', '.join(sorted(contigs)[:3])}); give reads of the cohort's genome"
                )
            reader.check_reference(self._fasta, here)

    def _look_up(
        self, place: int, reader: AlignmentReader, sites: LookupSites
    ) -> tuple[SampleCalls, pl.DataFrame]:
        """What one file shows, and the rows of the table."""
        noted = self._noted_calls(place)
        asked = sites.bases.select("contig", "position")
        both = pl.concat([noted.rows.select("contig", "position"), asked])
        reads = gather(reader, both, self._settings.min_read_mapq, self._threads)
        n = noted.rows.height
        self._compare(place, reader, noted, reads.part(0, n))
        ref = sites.bases["ref"].replace_strict(_NUMBER, return_dtype=pl.UInt8).to_numpy()
        ploidy = np.where(np.isin(asked["contig"].to_numpy(), ("Y", "MT")), 1, 2).astype(np.int8)
        found = call_bases(
            reads.part(n, reads.n_sites), ref, ploidy,
            min_depth=self._settings.min_reads_depth,
            min_quality=self._settings.min_reads_quality,
            min_base_quality=self._settings.min_read_base_quality,
        )  # fmt: skip
        proved = np.isin(found.verdict, (HOM_REF, FOUND))
        genotype = np.where(proved[:, None], found.genotype, -1).astype(np.int8)
        longer = self._longer(reader, sites.longer)
        tables = [
            _bases_table(sites.bases, ref, ploidy, found.genotype, found.depth),
            sites.longer.select("contig", "position", "ref", "alt").hstack(longer.counts),
        ]
        verdict = np.concatenate([found.verdict, longer.verdict])
        table = pl.concat(tables).with_columns(
            sample=pl.lit(self.names[place]),
            quality=pl.Series(np.concatenate([found.quality, longer.quality])).round(1),
            verdict=pl.Series(np.array(VERDICTS, object)[verdict].tolist(), dtype=pl.Utf8),
        )
        keep = np.isin(longer.verdict, (HOM_REF, FOUND))
        copies = np.where(keep, longer.copies, MISSING).astype(np.int8)
        columns = [pl.col(name).cast(kind) for name, kind in _TABLE.items()]
        table = table.select(columns).sort("contig", "position", "ref", "alt")
        return SampleCalls(genotype, copies), table

    def _noted_calls(self, place: int) -> _Noted:
        """The cohort's calls of one of the samples."""
        if not self._noted:
            return _Noted(pl.DataFrame(schema=_PLACES), np.empty(0, np.int8))
        rows = pl.concat([noted.rows for noted in self._noted])
        copies = np.concatenate([noted.copies[:, place] for noted in self._noted])
        return _Noted(rows.filter(pl.Series(copies >= 0)), copies[copies >= 0])

    def _compare(
        self, place: int, reader: AlignmentReader, noted: _Noted, reads: SiteReads
    ) -> None:
        """Refuse reads that say other things than the cohort's calls."""
        ref, alt = (
            noted.rows[name].replace_strict(_NUMBER, return_dtype=pl.UInt8).to_numpy()
            for name in ("ref", "alt")
        )
        call = read_genotypes(reads, ref, alt, np.full(len(ref), 0.5)).call
        both = call >= 0
        n, agreed = int(both.sum()), int((call[both] == noted.copies[both]).sum())
        if n >= LEAST_COMPARED and agreed < LEAST_AGREED * n:
            raise InputError(
                f"{reader.path}: agrees with the calls of {self.names[place]} at {agreed} of {n} "
                "sites only, so the reads are another person's, or of another genome build; check "
                "--reads"
            )

    def _longer(self, reader: AlignmentReader, sites: pl.DataFrame) -> _Longer:
        """Insertions and deletions: reads are aligned anew to both alleles."""
        parts = []
        if sites.height:
            groups = sites.with_columns(clusters(sites, AROUND)).partition_by(
                "cluster", maintain_order=True
            )
            parts = [self._longer_near(reader, group) for group in groups]
        if not parts:
            return _Longer(
                np.empty(0, np.int8), np.empty(0), np.empty(0, np.int8), _counts(np.empty((0, 3)))
            )
        return _Longer(
            np.concatenate([p.copies for p in parts]), np.concatenate([p.quality for p in parts]),
            np.concatenate([p.verdict for p in parts]), pl.concat([p.counts for p in parts]),
        )  # fmt: skip

    def _longer_near(self, reader: AlignmentReader, sites: pl.DataFrame) -> _Longer:
        """Sites that lie near each other."""
        contig = str(sites["contig"][0])
        start = sites["position"].to_numpy() - 1
        end = int((start + sites["ref"].str.len_chars().to_numpy().astype(np.int64)).max())
        first, codes = reference_window(self._fasta, contig, int(start[0]) - AROUND, end + AROUND)
        settings = EvidenceSettings(min_mapq=self._settings.min_read_mapq)
        blocks: list[Any] = list(reader.blocks([Region(contig, int(start[0]), end)]))
        alleles = flat_alleles(list(zip(sites["ref"], sites["alt"], strict=True)))
        evidence = allele_evidence(blocks, start, alleles, LETTERS[codes], first, settings)
        total = genotype_loglik(evidence, alleles).astype(np.float64) * 10 / np.log(10)
        total[:, 0] += PRIOR_PHRED
        copies = total.argmax(axis=1)
        ordered = np.sort(total, axis=1)
        quality = ordered[:, 2] - ordered[:, 1]
        quality = np.where(copies == 0, quality - PRIOR_PHRED, quality).clip(0)
        shows = evidence.loglik[:, 1] - evidence.loglik[:, 0]
        site, counts = evidence.site, evidence.counts
        n = [
            np.bincount(site[counts & which], minlength=len(start))
            for which in (shows < -SHOWS, shows > SHOWS, np.abs(shows) <= SHOWS)
        ]
        verdict = judge(
            copies == 0, n[0], n[0] + n[1], quality, np.zeros(len(start), bool),
            self._settings.min_reads_depth, self._settings.min_reads_quality,
        )  # fmt: skip
        text = np.array(["0/0", "0/1", "1/1"], object)[copies]
        return _Longer(copies, quality, verdict, _counts(np.stack(n, axis=1), text))


class _Longer(NamedTuple):
    """copies (int8), quality, verdict (sites,), and columns n_ref n_alt n_other genotype."""

    copies: np.ndarray
    quality: np.ndarray
    verdict: np.ndarray
    counts: pl.DataFrame


_PLACES = {"contig": pl.Utf8, "position": pl.Int64, "ref": pl.Utf8, "alt": pl.Utf8}
_TABLE = {
    name: _PLACES.get(name, pl.Int64 if name.startswith("n_") else pl.Utf8)
    for name in TABLES["risk_reads"]
} | {"quality": pl.Float64}


def _end_of_position(rows: pl.DataFrame, stop: int) -> int:
    """The first row at or behind `stop` that begins another position."""
    while stop < rows.height and rows.row(stop)[:2] == rows.row(stop - 1)[:2]:
        stop += 1
    return stop


def _bases_table(
    sites: pl.DataFrame, ref: np.ndarray, ploidy: np.ndarray, genotype: np.ndarray,
    depth: np.ndarray,
) -> pl.DataFrame:  # fmt: skip
    """contig, position, ref, alt, n_ref, n_alt, n_other, genotype of single bases.

    `alt` is what the reads show most beside ref, where they show it in the genotype; else what the
    models have.
    """
    bases = np.array(list("ACGT"), object)
    n = len(ref)
    at = np.arange(n)
    shown = np.where(genotype[:, 1] != ref, genotype[:, 1], genotype[:, 0])
    own = (genotype[:, 0] >= 0) & (shown != ref)
    of_model = sites["alts"].list.first().fill_null(".").to_numpy()
    alt = np.where(own, bases[np.clip(shown, 0, 3)], of_model)
    number = np.array([_NUMBER.get(a, -1) for a in alt], np.int64)
    n_ref = depth[at, ref]
    n_alt = np.where(number >= 0, depth[at, np.clip(number, 0, 3)], 0)
    copies = (genotype == number[:, None]).sum(axis=1)
    second = (genotype != ref[:, None]).all(axis=1) & (genotype[:, 0] != genotype[:, 1])
    text = np.select(
        [genotype[:, 0] < 0, second, ploidy == 1, copies == 0, copies == 1],
        ["./.", "1/2", np.where(copies > 0, "1", "0"), "0/0", "0/1"], "1/1",
    )  # fmt: skip
    counts = np.stack([n_ref, n_alt, depth.sum(axis=1) - n_ref - n_alt], axis=1)
    return sites.select(
        "contig", "position", "ref", pl.Series("alt", alt.tolist(), dtype=pl.Utf8)
    ).hstack(_counts(counts, text))


def _counts(n: np.ndarray, genotype: np.ndarray | None = None) -> pl.DataFrame:
    text = [] if genotype is None else genotype.tolist()
    columns = {
        name: n[:, i].astype(np.int64) for i, name in enumerate(("n_ref", "n_alt", "n_other"))
    }
    return pl.DataFrame(columns).with_columns(pl.Series("genotype", text, dtype=pl.Utf8))
