"""What `genomed train` learns from: calls, labels, covariates, and who is held out with whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from genomed.errors import InputError
from genomed.features.design import Design, encode
from genomed.features.sequences import Sequences
from genomed.features.sequences import encode as encode_codes
from genomed.io.covariates import Covariates, DatedCodes, read_covariates, read_dated_codes
from genomed.io.genes import read_genes
from genomed.io.labels import named_file
from genomed.io.packed import PackedStore, open_store
from genomed.io.plink_tables import companion_paths
from genomed.io.split_table import read_relatives, read_split
from genomed.io.traits import SurvivalColumns, Trait, Traits, check_trait, read_traits
from genomed.models.families import Binary, Family, Quantitative, Survival
from genomed.models.training_set import TrainingSet
from genomed.settings import DesignSettings, SplitSettings, StructureSettings, TrainSettings
from genomed.stats.kinship import king_table
from genomed.stats.kinship_error import kinship_error, least_kinship
from genomed.stats.splits import AcrossSets, across_sets, folds, strata
from genomed.steps.genome_build import choose_build
from genomed.steps.structure_parts import read_groups
from genomed.steps.structure_variants import Variants, choose_variants

__all__ = ["TrainData", "TrainInputs", "family_of", "read_train_data"]

KINSHIP_VARIANTS = 10_000  # enough to tell relatives of the second degree
KINSHIP_PEOPLE = 20_000  # more take long to compare: then a table of relatives is wanted


@dataclass(frozen=True)
class TrainInputs:
    """What a run reads.

    store      : a .pgen or .bed, or the prefix of the fileset
    traits     : table of traits; names : those to learn; kinds, survival : see read_traits
    covariates : table of covariates, and the columns to use (all by default)
    split      : table with a column `set`: develop or test
    groups     : FILE, FILE:COLUMN or COLUMN, for the report by ancestry
    relatives  : table with sample1, sample2, kinship, as `genomed structure` writes it
    samples    : names to keep; None for all
    codes      : table of dated codes, for the net
    genes      : BED, GFF3 or table of variants and genes, for the net's windows
    """

    store: str
    traits: Path
    names: tuple[str, ...]
    kinds: Mapping[str, str] = field(default_factory=dict)
    survival: Mapping[str, SurvivalColumns] = field(default_factory=dict)
    covariates: Path | None = None
    covariate_names: tuple[str, ...] = ()
    covariate_kinds: Mapping[str, str] = field(default_factory=dict)
    split: Path | None = None
    groups: str | None = None
    relatives: Path | None = None
    samples: tuple[str, ...] | None = None
    codes: Path | None = None
    genes: Path | None = None

    @property
    def files(self) -> list[Path]:
        """Files beside the store."""
        given = [self.traits, self.covariates, self.split, self.relatives, self.codes]
        given.append(self.genes)
        given.append(named_file(self.groups))
        return [path for path in given if path is not None]

    def check(self) -> None:
        """Raise InputError where a file is absent: soon told, before anything slow is loaded."""
        companion_paths(Path(self.store))
        for path in self.files:
            if not path.exists():
                raise InputError(f"{path}: no such file; check the path")


@dataclass(frozen=True)
class TrainData:
    """Everything in memory, people in the order of the store.

    store      : opened on the people of the run
    build      : of its positions
    variants   : every variant of the store and what became of it
    rows       : int64, rows of the store that are learned from
    words      : uint64 (rows, words), packed calls
    genes      : int64 (2, pairs), rows of `words` and numbers of the genes they lie in, or None
    fold       : int8 (samples,): 0 to n_folds - 1; -1 the test; -2 in no use
    group      : int64 (samples,), place in group_names, -1 for none
    of_trait   : name -> warnings of one trait alone; `warnings` are those of all
    """

    store: PackedStore
    build: str
    variants: Variants
    rows: np.ndarray
    words: np.ndarray
    traits: Traits
    covariates: Covariates | None
    fold: np.ndarray
    group: np.ndarray
    group_names: list[str]
    across: AcrossSets | None
    warnings: list[str]
    of_trait: dict[str, list[str]]
    codes: DatedCodes | None = None
    genes: np.ndarray | None = None

    @property
    def develop(self) -> np.ndarray:
        """Who is learned from: bool (samples,)."""
        return np.asarray(self.fold >= 0)

    def design(self, settings: DesignSettings) -> Design:
        """Covariates as numbers, told by those learned from; without any, no columns."""
        if self.covariates is not None and self.covariates.frame.width:
            return encode(self.covariates.frame, settings, self.develop)
        n = self.store.n_samples
        none = np.zeros((n, 0), np.float32)
        return Design(none, [], np.zeros((n, 0), np.int64), [], [], encoder={})

    def sequences(self, settings: DesignSettings) -> Sequences | None:
        """Dated codes as numbers, told by those learned from; None without any."""
        if self.codes is None:
            return None
        return encode_codes(self.codes.frame, self.store.n_samples, settings, self.develop)

    def training_set(self, design: Design) -> TrainingSet:
        """Calls and covariates, as the stages read them."""
        return TrainingSet(
            self.words, self.store.n_samples, self.store.variants[self.rows],
            design.matrix.astype(np.float64), self.fold, self.group, tuple(self.group_names),
        )  # fmt: skip

    def alt_allele_frequency(self) -> np.ndarray:
        """Among those learned from: float64 (rows,)."""
        counts = self.store.count(self.rows, keep=self.develop)
        called = counts[:, :3].sum(axis=1)
        return np.asarray((counts[:, 1] + 2 * counts[:, 2]) / np.maximum(2 * called, 1))


def read_train_data(inputs: TrainInputs, settings: TrainSettings, *, threads: int = 1) -> TrainData:
    """Read what a run needs, and decide who is held out with whom.

    Raises InputError, UsageError and UnknownNameError.
    """
    store = open_store(inputs.store, samples=inputs.samples or None)
    build, _ = choose_build(store.contigs, settings.build, store.path)
    if build is None:
        raise InputError(
            f"{store.path}: its genome build cannot be told from contig lengths; give --build"
        )
    traits = read_traits(
        inputs.traits, store.samples, inputs.names, kinds=inputs.kinds, survival=inputs.survival,
        settings=settings.traits, n_folds=settings.split.n_folds,
    )  # fmt: skip
    covariates = None
    if inputs.covariates is not None:
        covariates = read_covariates(
            inputs.covariates, store.samples, inputs.covariate_names,
            kinds=inputs.covariate_kinds, traits=traits.columns,
        )  # fmt: skip
    warnings = [*traits.warnings, *(covariates.warnings if covariates else ())]
    used = np.logical_or.reduce([trait.observed for trait in traits.traits])
    group, group_names = np.full(store.n_samples, -1), []
    if inputs.groups is not None:
        members, remarks = read_groups(store, inputs.groups)
        warnings += remarks
        group_names = list(members)
        for place, inside in enumerate(members.values()):
            group[inside] = place
    chosen = choose_variants(
        store, StructureSettings(min_maf=settings.min_maf, min_call_rate=settings.min_call_rate),
        used, threads=threads,
    )  # fmt: skip
    chosen.drop(_without_bases(store), "no_plain_alleles")
    rows = chosen.rows("kept")
    if not len(rows):
        raise InputError(
            f"{store.path}: no variant is left to learn from; lower --min-maf or --min-call-rate"
        )
    relatives = _relatives(inputs, store, rows, settings.split, threads, warnings)
    names = [group_names[g] if g >= 0 else None for g in group]
    fold = _deal(inputs, store, traits.traits, names, relatives, used, settings, warnings)
    of_trait = {
        trait.name: check_trait(
            inputs.traits, trait, fold >= 0, settings.traits, n_folds=settings.split.n_folds
        )
        for trait in traits.traits
    }
    across = None if relatives is None else across_sets(fold, relatives)
    if across is not None and across.n_pairs:
        warnings.append(
            f"{across.n_people} people of the test have a relative among those learned from "
            f"({across.n_pairs} pairs): its figures are optimistic."
        )
    codes = genes = None
    if inputs.codes is not None:
        codes = read_dated_codes(inputs.codes, store.samples)
        warnings += [
            *codes.warnings,
            f"{inputs.codes}: codes count whatever their date; give only those before the outcome.",
        ]
    if inputs.genes is not None:
        genes = _genes(inputs.genes, store.variants[rows].drop("row"), warnings)
    words = store.read(rows, threads)
    return TrainData(
        store, build, chosen, rows, words, traits, covariates, fold, group, group_names, across,
        warnings, of_trait, codes, genes,
    )  # fmt: skip


def _genes(path: Path, variants: pl.DataFrame, warnings: list[str]) -> np.ndarray:
    """Rows, and numbers of the genes they lie in: int64 (2, pairs)."""
    row, names = read_genes(path).of(variants)
    if not len(row):
        raise InputError(
            f"{path}: none of its genes holds a variant that is learned from; check the genome "
            "build, or the names of variants"
        )
    outside = len(variants) - len(np.unique(row))
    if outside:
        warnings.append(
            f"{path}: {outside:,} variants lie in no gene; the net's windows lack them."
        )
    return np.stack([row, np.unique(names, return_inverse=True)[1]])


def _without_bases(store: PackedStore) -> np.ndarray:
    """Rows with an allele that is not plain bases: another cohort spells it otherwise."""
    plain = pl.all_horizontal(pl.col("ref", "alt").str.contains("^[ACGTacgt]+$"))
    return store.variants.filter(~plain)["row"].to_numpy()


def _deal(
    inputs: TrainInputs,
    store: PackedStore,
    traits: tuple[Trait, ...],
    groups: list[str | None],
    relatives: np.ndarray | None,
    used: np.ndarray,
    settings: TrainSettings,
    warnings: list[str],
) -> np.ndarray:
    """Folds and the test, alike in cases and ancestry; int8 (samples,)."""
    first = traits[0]
    alike = strata(first.value, is_number=first.kind == "quantitative", groups=groups)
    test = None
    if inputs.split is not None:
        given = read_split(inputs.split, store.samples)
        test, used = given.test, used & given.used
        warnings += given.warnings
    try:
        return folds(
            store.samples, n_folds=settings.split.n_folds,
            test_fraction=settings.split.test_fraction, seed=settings.seed, strata=alike,
            relatives=relatives, test=test, used=used,
        )  # fmt: skip
    except ValueError as error:
        raise InputError(f"{inputs.traits}: {error}; add people or lower --folds") from None


def _relatives(
    inputs: TrainInputs,
    store: PackedStore,
    rows: np.ndarray,
    settings: SplitSettings,
    threads: int,
    warnings: list[str],
) -> np.ndarray | None:
    """Pairs of related people, int64 (pairs, 2); None where nobody looked."""
    if inputs.relatives is not None:
        found = read_relatives(inputs.relatives, store.samples, settings.min_kinship)
        warnings += found.warnings
        return found.pairs
    if store.n_samples > KINSHIP_PEOPLE:
        warnings.append(
            f"Relatives were not looked for among {store.n_samples:,} people: give the kinship "
            "table of `genomed structure` with --relatives, or the figures may be optimistic."
        )
        return None
    some = rows[np.unique(np.linspace(0, len(rows) - 1, KINSHIP_VARIANTS).astype(np.int64))]
    chance = least_kinship(kinship_error(store, some), store.n_samples)
    least = max(settings.min_kinship, chance)
    pairs = king_table(store, some, threads=threads, min_kinship=least)
    place = {name: i for i, name in enumerate(store.samples)}
    both = pairs.select("sample1", "sample2").iter_rows()
    return np.array([(place[a], place[b]) for a, b in both], np.int64).reshape(-1, 2)


def family_of(trait: Trait, develop: np.ndarray | None = None) -> Family:
    """The likelihood of a trait as it was read.

    develop : bool (samples,), whose events say how time is cut; everybody's by default
    """
    if trait.kind == "quantitative":
        return Quantitative(trait.value)
    if trait.kind == "binary":
        return Binary(trait.value)
    assert trait.time is not None  # read_traits has seen to it
    return Survival.from_times(trait.time, trait.value, entry=trait.entry, used=develop)
