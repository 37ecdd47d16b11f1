"""Whose reads these are: contamination, and people compared with each other and with a cohort.

While a file of alignments is read, an `IdentityPanel.counter` takes its blocks; `identify` says
what the observations of all files mean.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.io.packed import PackedStore, open_store
from genomed.io.site_panel import SitePanel, read_site_panel
from genomed.regions import canonical_contig
from genomed.schema import MISSING
from genomed.settings import IdentitySettings
from genomed.stats.contamination import Contamination, contamination, other_genotypes
from genomed.stats.kinship import DUPLICATE, relations
from genomed.stats.read_identity import (
    Genotypes,
    Kinship,
    calls_of,
    certain_genotypes,
    kinship,
    log_odds_of_store,
    nearby_frequency,
    read_genotypes,
)
from genomed.stats.site_reads import SiteCounter, SiteReads
from genomed.tables import TABLES

__all__ = [
    "IdentityPanel",
    "IdentityResults",
    "Person",
    "identify",
    "open_panel",
]

SETTINGS = IdentitySettings()
LEAST_LOG_ODDS = float(np.log(1e6))  # for reads to be a certain person's
N_MATCHES = 3  # people of the store that are told for each file
LEAST_PEOPLE = 100  # of a store, for those like somebody to tell frequencies
LEAST_SHARED = 100  # sites of the panel that a store must have


class Person(NamedTuple):
    """The reads of one file at the sites of the panel.

    name : of the sample, as the read groups say it; None where they do not
    """

    file: str
    name: str | None
    reads: SiteReads


@dataclass(frozen=True)
class IdentityPanel:
    """Sites, and a cohort's calls at them.

    sites   : those on chromosomes 1 to 22, with frequencies of ALT
    store   : the cohort; None without one
    row     : int64 (sites,), row of the store, -1 where it has no such variant
    swapped : bool (sites,), the store's ALT is the panel's REF
    """

    sites: SitePanel
    store: PackedStore | None = None
    row: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    swapped: np.ndarray = field(default_factory=lambda: np.empty(0, bool))

    def check_contigs(self, path: str, contigs: Sequence[str]) -> None:
        """Raise InputError where none of a file's contigs has a site."""
        if len(contigs) and not self.counter(contigs).contig_sites:
            raise InputError(
                f"{self.sites.path}: has no site on a contig of {path}; take both from the same "
                "genome build"
            )

    def counter(self, contigs: Sequence[str]) -> SiteCounter:
        """What takes the blocks of one file: call `add` with each, in order, then `finish`."""
        least = SETTINGS.min_mapping_quality
        return SiteCounter(contigs, self.sites.contig, self.sites.start, min_mapping_quality=least)


class IdentityResults(NamedTuple):
    """What is known of whose reads these are.

    files    : TABLES["reads_identity"], a row per file
    pairs    : TABLES["reads_pairs"], a row per pair of files
    matches  : TABLES["reads_matches"], people of the store that are most alike, for each file
    warnings : sentences: contaminated files, and files that are not whom they are named after
    """

    files: pl.DataFrame
    pairs: pl.DataFrame
    matches: pl.DataFrame
    warnings: list[str]


def open_panel(
    sites: str | Path, store: str | Path | None = None, *, threads: int = 1
) -> IdentityPanel:
    """Read the sites, and find them in a cohort store, which also gives frequencies that the sites
    lack.

    Raises InputError where frequencies are not known, or the store has almost none of the sites.
    """
    panel = read_site_panel(sites, threads=threads)
    if store is None:
        if np.isnan(panel.frequency).all():
            raise InputError(
                f"{panel.path}: has no frequencies; add AF to INFO (`bcftools +fill-tags`), or "
                "give --store"
            )
        return IdentityPanel(panel)
    cohort = open_store(store, threads=threads)
    row, swapped = _rows_of(panel, cohort)
    shared = int((row >= 0).sum())
    if shared < min(LEAST_SHARED, panel.n_sites):
        raise InputError(
            f"{cohort.path}: has {shared} of the {panel.n_sites} sites of {panel.path}; take both "
            "from the same genome build"
        )
    frequency = panel.frequency.copy()
    lacking = np.flatnonzero(np.isnan(frequency) & (row >= 0))
    if len(lacking):
        counts = cohort.count(row[lacking], threads=threads)
        n_called = counts[:, :3].sum(axis=1)
        with np.errstate(invalid="ignore"):
            own = (counts[:, 1] + 2 * counts[:, 2]) / (2 * n_called)
        frequency[lacking] = np.where(swapped[lacking], 1 - own, own)
    sites_known = SitePanel(
        panel.path, panel.contig, panel.start, panel.ref, panel.alt, frequency, panel.n_left_out
    )
    return IdentityPanel(sites_known, cohort, row, swapped)


def _rows_of(panel: SitePanel, store: PackedStore) -> tuple[np.ndarray, np.ndarray]:
    """Row of the store at each site, -1 for none, and whether its alleles are exchanged."""
    names = {name: canonical_contig(name) for name in store.variants["contig"].unique()}
    listed = store.variants.select(
        "row", pl.col("contig").replace_strict(names, return_dtype=pl.Utf8), "position",
        a="ref", b="alt",
    )  # fmt: skip
    both = pl.concat(
        [
            listed.with_columns(swapped=pl.lit(False)),
            listed.rename({"a": "b", "b": "a"}).select(listed.columns).with_columns(
                swapped=pl.lit(True)
            ),
        ]
    ).unique(["contig", "position", "a", "b"], keep="first", maintain_order=True)  # fmt: skip
    found = panel.table().join(
        both, left_on=["contig", "position", "ref", "alt"],
        right_on=["contig", "position", "a", "b"], how="left", maintain_order="left",
    )  # fmt: skip
    return (
        found["row"].fill_null(-1).to_numpy().astype(np.int64),
        found["swapped"].fill_null(False).to_numpy(),
    )


def identify(people: Sequence[Person], panel: IdentityPanel) -> IdentityResults:
    """Contamination of each file, kinship of all pairs, and who in the store they are."""
    sites, least = panel.sites, SETTINGS.min_base_quality
    alleles = sites.ref, sites.alt, sites.frequency
    store = None if panel.store is None or not people else _Store.of(panel)
    known: list[Genotypes] = []
    files: list[dict[str, object]] = []
    warnings: list[str] = []
    for person in people:
        genotypes = read_genotypes(person.reads, *alleles, min_quality=least)
        mixed, other = _mixture(person.reads, genotypes, sites, store, least)
        if mixed.low > SETTINGS.max_contamination:
            of = "another person's" if other is None else f"those of {other} of the store"
            warnings.append(
                f"{person.file}: {mixed.share:.1%} of the reads ({mixed.low:.1%} to "
                f"{mixed.high:.1%}) are {of}."
            )
            genotypes = read_genotypes(
                person.reads, *alleles, other_share=mixed.share, min_quality=least
            )
        known.append(genotypes)
        files.append(
            {
                "file": person.file,
                "sample": person.name,
                "n_sites": mixed.n_sites,
                "mean_depth": mixed.mean_depth,
                "n_called": int((genotypes.call >= 0).sum()),
                "n_het": int((genotypes.call == 1).sum()),
                "contamination": mixed.share,
                "contamination_low": mixed.low,
                "contamination_high": mixed.high,
                "contamination_log_odds": mixed.log_odds,
                "contaminant": other,
                "base_error": mixed.error,
            }
        )
    pairs = _pairs(people, known, sites.frequency)
    matches = _matches(people, known, store)
    for facts, said in zip(files, _verdicts(people, matches), strict=True):
        facts |= {"best_match": said[1], "identity": said[0]}
    warnings += _sentences(files, pairs)
    return IdentityResults(
        _frame("reads_identity", files), pairs, matches, list(dict.fromkeys(warnings))
    )


def _frame(name: str, rows: list[dict[str, object]]) -> pl.DataFrame:
    """Rows as the columns of a table; NaN is null."""
    texts = {"file", "sample", "identity", "best_match", "file1", "file2", "sample1", "sample2"}
    texts |= {"relation", "verdict", "match", "contaminant"}
    schema = {
        column: pl.Utf8 if column in texts
        else pl.Int64 if column.startswith(("n_", "ibs")) or column == "rank"
        else pl.Float64
        for column in TABLES[name]
    }  # fmt: skip
    frame = pl.DataFrame(rows, schema=schema, orient="row", strict=False)
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None).round(6))


def _kinship_facts(found: Kinship) -> dict[str, object]:
    return {
        "n_sites": found.n_sites,
        "n_called": found.n_called,
        "ibs0": found.ibs0,
        "ibs2": found.ibs2,
        "n_het1": found.n_het1,
        "n_het2": found.n_het2,
        "n_het_shared": found.n_het_shared,
        "king": found.king,
        "kinship": found.kinship,
        "k0": found.k0,
        "k1": found.k1,
        "k2": found.k2,
        "relation": _relation(found),
    }


def _relation(found: Kinship) -> str | None:
    """Name of the relation; null with too few sites."""
    kin = None if np.isnan(found.best) else found.best
    return relations(pl.Series([kin], dtype=pl.Float64), pl.Series([found.k0])).to_list()[0]


def _pairs(
    people: Sequence[Person], genotypes: Sequence[Genotypes], frequency: np.ndarray
) -> pl.DataFrame:
    rows: list[dict[str, object]] = []
    for (a, one), (b, other) in itertools.combinations(zip(people, genotypes, strict=True), 2):
        found = kinship(one, other, frequency)
        same, named = found.best > DUPLICATE, a.name is not None and a.name == b.name
        verdict = "as_named"
        if np.isnan(found.best):
            verdict = "not_told"
        elif same != named and a.name is not None and b.name is not None:
            verdict = "same_person" if same else "different_people"
        rows.append(
            {"file1": a.file, "file2": b.file, "sample1": a.name, "sample2": b.name}
            | _kinship_facts(found)
            | {"verdict": verdict}
        )
    return _frame("reads_pairs", rows)


@dataclass(frozen=True)
class _Store:
    """The cohort at the sites that it has: `shared` of the panel; words with ALT as there."""

    samples: list[str]
    shared: np.ndarray
    words: np.ndarray
    frequency: np.ndarray

    @classmethod
    def of(cls, panel: IdentityPanel) -> _Store:
        assert panel.store is not None
        shared = panel.row >= 0
        words = panel.store.read(panel.row[shared])
        swapped = panel.swapped[shared]
        words[swapped] = _exchanged(words[swapped])
        return cls(panel.store.samples, shared, words, panel.sites.frequency[shared])

    def here(self, person: Genotypes) -> Genotypes:
        """Only the sites that the cohort has."""
        return Genotypes(*(array[self.shared] for array in person))

    def log_odds(self, person: Genotypes) -> tuple[np.ndarray, np.ndarray]:
        """See log_odds_of_store; of genotypes at the cohort's sites."""
        return log_odds_of_store(person, self.words, self.frequency, len(self.samples))

    def kinship(self, person: Genotypes, place: int) -> Kinship:
        """Of somebody and a person of the store."""
        certain = certain_genotypes(calls_of(self.words, place))
        return kinship(person, certain, self.frequency)

    def frequency_near(self, log_odds: np.ndarray, everywhere: np.ndarray) -> np.ndarray:
        """Frequencies among people of that kind; as they are at sites that the cohort lacks."""
        near = everywhere.copy()
        near[self.shared] = nearby_frequency(log_odds, self.words, self.frequency)
        return near


def _mixture(
    reads: SiteReads, person: Genotypes, sites: SitePanel, store: _Store | None, least: int
) -> tuple[Contamination, str | None]:
    """Contamination; with a store by frequencies of people like both, and who the other one is.

    Where the store is small, frequencies are the panel's.
    """
    alleles = sites.ref, sites.alt
    mixed = contamination(reads, *alleles, sites.frequency, min_quality=least)
    if store is None or not mixed.share > 0:
        return mixed, None
    enough = len(store.samples) >= LEAST_PEOPLE
    own = sites.frequency
    if enough:
        own = store.frequency_near(store.log_odds(store.here(person))[0], own)
    shown = other_genotypes(reads, *alleles, own, mixed.share, min_quality=least)
    nothing = np.full(len(shown), MISSING, np.int8)
    other = store.here(Genotypes(shown, nothing, np.zeros((len(shown), 2), np.int32)))
    log_odds, _ = store.log_odds(other)
    if enough:
        theirs = store.frequency_near(log_odds, sites.frequency)
        theirs = np.where(np.isnan(theirs), 0.5, theirs)
        mixed = contamination(reads, *alleles, own, other_frequency=theirs, min_quality=least)
    best = int(log_odds.argmax())
    found = store.kinship(other, best)
    same = log_odds[best] > LEAST_LOG_ODDS and found.best > DUPLICATE and mixed.low > 0
    return mixed, store.samples[best] if same else None


def _matches(
    people: Sequence[Person], genotypes: Sequence[Genotypes], store: _Store | None
) -> pl.DataFrame:
    """The people of the store that each file's reads are most like, and the one of its name."""
    rows: list[dict[str, object]] = []
    if store is None:
        return _frame("reads_matches", rows)
    for person, known in zip(people, genotypes, strict=True):
        here = store.here(known)
        log_odds, n_called = store.log_odds(here)
        ranked = np.argsort(-log_odds, kind="stable")
        told = ranked[:N_MATCHES].tolist()
        own = store.samples.index(person.name) if person.name in store.samples else None
        if own is not None and own not in told:
            told.append(own)
        rows += [
            {
                "file": person.file, "sample": person.name, "match": store.samples[place],
                "rank": int(np.flatnonzero(ranked == place)[0]) + 1,
                "log_odds": float(log_odds[place]),
                "n_compared": int(n_called[place]),
            }
            | _kinship_facts(store.kinship(here, place))
            for place in told
        ]  # fmt: skip
    return _frame("reads_matches", rows)


def _exchanged(words: np.ndarray) -> np.ndarray:
    """Packed calls with 0 and 2 copies exchanged; 1 and not called (3) stay."""
    low = words & np.uint64(0x5555555555555555)
    return np.asarray(words ^ ((low ^ np.uint64(0x5555555555555555)) << np.uint64(1)))


def _is_same(row: dict[str, object]) -> bool:
    """Whether a match is the very person."""
    return row["relation"] == "duplicate" and float(str(row["log_odds"])) > LEAST_LOG_ODDS


def _verdicts(
    people: Sequence[Person], matches: pl.DataFrame
) -> list[tuple[str | None, str | None]]:
    """Of each file: what its name is worth, and whom the reads are of."""
    verdicts: list[tuple[str | None, str | None]] = []
    for person in people:
        rows = matches.filter(pl.col("file") == person.file).sort("rank").to_dicts()
        if not rows:
            verdicts.append((None, None))
            continue
        same = [str(row["match"]) for row in rows if _is_same(row)]
        named = person.name in [row["match"] for row in rows]
        if person.name in same:
            verdicts.append(("confirmed", person.name))
        elif same:
            verdicts.append(("swapped" if named else "other_name", same[0]))
        elif rows[0]["relation"] is None:
            verdicts.append(("not_told", None))
        else:
            verdicts.append(("not_own" if named else "not_in_store", None))
    return verdicts


def _sentences(files: list[dict[str, object]], pairs: pl.DataFrame) -> list[str]:
    """Name those who are not whom they are said to be."""
    said = []
    is_of = {f["sample"]: f["best_match"] for f in files if f["identity"] == "swapped"}
    for f in files:
        name, match = f["sample"], f["best_match"]
        if f["identity"] == "swapped":
            back = is_of.get(match) == name
            said.append(
                f"{f['file']}: the reads named {name} are those of {match}"
                + (f", and those named {match} are {name}'s: the two are swapped." if back else ".")
            )
        elif f["identity"] == "not_own":
            said.append(
                f"{f['file']}: the reads named {name} are not those of {name} in the store."
            )
    for row in pairs.filter(pl.col("verdict") == "same_person").iter_rows(named=True):
        said.append(
            f"{row['file1']} and {row['file2']}: named {row['sample1']} and {row['sample2']}, but "
            f"of the same person (or twins), with a kinship of {_best(row):.2f}."
        )
    for row in pairs.filter(pl.col("verdict") == "different_people").iter_rows(named=True):
        said.append(
            f"{row['file1']} and {row['file2']}: both named {row['sample1']}, but of different "
            f"people, with a kinship of {_best(row):.2f}."
        )
    return said


def _best(row: dict[str, object]) -> float:
    return float(str(row["kinship"] if row["king"] is None else row["king"]))
