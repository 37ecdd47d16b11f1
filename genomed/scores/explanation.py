"""A model and a cohort, people a few at a time -> tables of what moves predictions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from genomed.features.design import Design
from genomed.features.sequences import PADDING, Sequences, code_names
from genomed.models.attribution import (
    Contributions,
    contributions,
    covariate_names,
    terms_of,
    variant_names,
)
from genomed.models.risk_model import RiskModel
from genomed.stats.contribution_sums import ContributionSums
from genomed.tables import TABLES

__all__ = ["PARTS", "Explanation", "explained_blocks"]

PARTS = ("linear", "ancestry", "pairs", "covariates", "net")
CALLS = 1 << 22  # worked on at once
CELLS = 1 << 20  # contributions of net inputs that members are compared by


def explained_blocks(
    model: RiskModel,
    words: np.ndarray,
    design: Design,
    *,
    dated: Sequences | None = None,
    group: np.ndarray | None = None,
    n_steps: int = 32,
    threads: int = 1,
) -> Iterator[tuple[slice, Contributions]]:
    """Contributions of people, a few at a time; how many depends on the model alone.

    words : uint64 (variants, words), rows as in the model
    group : int64 (n,), from AncestryPart.places
    """
    n = len(design.matrix)
    fitting = CALLS // max(len(model.variants), 1) // 32 * 32
    at_a_time = min(max(fitting, 32), 1024)
    for first in range(0, n, at_a_time):
        some = slice(first, min(first + at_a_time, n))
        part = np.ascontiguousarray(words[:, first // 32 : -(-some.stop // 32)])
        yield some, contributions(
            model, part, some.stop - first, design.matrix[some].astype(np.float64),
            categories=design.categories[some], levels=tuple(design.category_sizes),
            codes=None if dated is None else dated.codes[some],
            times=None if dated is None else dated.times[some],
            group=None if group is None else group[some], n_steps=n_steps, threads=threads,
        )  # fmt: skip


@dataclass
class Explanation:
    """What was added up of a cohort.

    samples     : names, in the order of the blocks
    reason      : of each of the model's variants, codes of genomed.ledger.REASONS
    gene_row, gene : variants and genes that belong together, in order of genes
    top         : terms told of each person
    whole       : people of whom every term is told
    dated       : their dated codes, where the net reads such
    """

    model: RiskModel
    design: Design
    samples: Sequence[str]
    reason: Sequence[str]
    gene_row: np.ndarray
    gene: Sequence[str]
    top: int = 10
    whole: Collection[str] = ()
    dated: Sequences | None = None
    base: float = float("nan")
    people: list[pl.DataFrame] = field(default_factory=list)
    told: list[pl.DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        n = len(self.model.variants)
        self._covariates = covariate_names(
            self.model, [*self.design.names, *self.design.category_names]
        )
        self._names = variant_names(self.model)
        self._terms = terms_of(self.model, self.design.names)
        self.variants, self.others = ContributionSums(n), ContributionSums(len(self._covariates))
        self.terms = ContributionSums(len(self._terms))
        self._code_names = [] if self.dated is None else code_names(self.dated.encoder)
        self.codes = ContributionSums(len(self._code_names))
        self.code_counts = np.zeros((2, len(self._code_names)), np.int64)  # people, records
        genes = np.array(self.gene, object)
        self._gene_starts = np.flatnonzero(genes[1:] != genes[:-1]) + 1 if len(genes) else genes
        self._gene_starts = np.r_[0, self._gene_starts][: len(genes)].astype(np.int64)
        self.genes = ContributionSums(len(self._gene_starts))
        self.parts = {part: np.zeros(n) for part in PARTS}
        self.other_parts = {part: np.zeros(len(self._covariates)) for part in PARTS}
        self.net_rows = np.zeros(0, np.int64)
        self.member_sums: np.ndarray | None = None
        self.cells: list[np.ndarray] = []
        self._n_cells = 0

    def add(self, some: slice, found: Contributions, predicted: np.ndarray) -> None:
        """Add a block of people.

        predicted : float64 (n,), the full predictors of all people by the model itself
        """
        self.base = found.base
        variants, others, eta = found.of_variants, found.of_covariates, found.predictor
        moved = eta - found.base
        self.variants.add(variants, moved, found.codes)
        self.others.add(others, moved)
        self.terms.add(found.terms, moved)
        for part in PARTS:
            for kept, given in ((self.parts, found.variants), (self.other_parts, found.covariates)):
                if part in given:
                    kept[part] += np.abs(given[part]).sum(axis=1)
        if len(self._gene_starts):
            summed = np.add.reduceat(variants[self.gene_row], self._gene_starts, axis=0)
            self.genes.add(summed, moved)
        added = self._add_codes(some, found, moved)
        self._add_members(found)
        self.people.append(self._people(some, found, predicted[some]))
        self.told.append(self._told(some, found, variants, others, added))

    def _add_codes(self, some: slice, found: Contributions, moved: np.ndarray) -> np.ndarray:
        """Add up dated codes; what all of a code's records add to each person: (codes, n)."""
        added = np.zeros((len(self._code_names), len(moved)))
        if self.dated is None or not len(found.dated):
            return added
        number = self.dated.codes[some]  # (n, length)
        person, place = np.nonzero(number != PADDING)
        code = number[person, place]
        np.add.at(added, (code, person), found.dated[person, place])
        n_records = np.zeros(added.shape, np.int64)
        np.add.at(n_records, (code, person), 1)
        self.code_counts += np.stack([(n_records > 0).sum(axis=1), n_records.sum(axis=1)])
        self.codes.add(added, moved)
        return added

    def _add_members(self, found: Contributions) -> None:
        if not len(found.members):
            return
        self.net_rows = found.net_rows
        size = np.abs(found.members).sum(axis=2)  # (members, r)
        self.member_sums = size if self.member_sums is None else self.member_sums + size
        each = np.concatenate([found.members, found.net_covariates], axis=1)
        if self._n_cells < CELLS:
            self.cells.append(each.reshape(len(each), -1))
            self._n_cells += self.cells[-1].shape[1]

    @property
    def member_cells(self) -> np.ndarray:
        """What members of the net say of the same inputs of the same people: (members, cells)."""
        return np.concatenate(self.cells, axis=1) if self.cells else np.zeros((0, 0))

    def _people(self, some: slice, found: Contributions, predicted: np.ndarray) -> pl.DataFrame:
        nothing = np.zeros(len(predicted))
        columns: dict[str, object] = {
            "sample": list(self.samples[some]), "full_predictor": predicted,
            "base_value": np.full(len(predicted), found.base),
        }  # fmt: skip
        for part in PARTS:
            both = (x[part].sum(axis=0) for x in (found.variants, found.covariates) if part in x)
            columns[part] = sum(both, nothing)
        columns["n_missing_calls"] = (found.codes > 2).sum(axis=0).astype(np.int64)
        columns["completeness_error"] = found.predictor - predicted
        return pl.DataFrame(columns).select(list(TABLES["explain_people"]))

    def _told(
        self,
        some: slice,
        found: Contributions,
        variants: np.ndarray,
        others: np.ndarray,
        added: np.ndarray,
    ) -> pl.DataFrame:
        """The largest terms of each person: TABLES["explain_person_terms"]."""
        samples = self.samples[some]
        single = np.concatenate([variants, others])
        rows = []
        for i, sample in enumerate(samples):
            most = None if sample in self.whole else self.top
            groups = ((single, self._single), (found.terms, self._joint), (added, self._dated_code))
            for value, tell in groups:
                order = _largest(np.abs(value[:, i]), most)
                for rank, at in enumerate(order.tolist(), 1):
                    if value[at, i] != 0:
                        kind, name, call = tell(at, found.codes[:, i])
                        rows.append((sample, kind, rank, name, call, float(value[at, i])))
        numbers = {"rank": pl.Int64(), "contribution": pl.Float64()}
        schema = {name: numbers.get(name, pl.Utf8()) for name in TABLES["explain_person_terms"]}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _single(self, at: int, codes: np.ndarray) -> tuple[str, str, str | None]:
        if at < len(codes):
            return "variant", self._names[at], _call(codes[at])
        return "covariate", self._covariates[at - len(codes)], None

    def _dated_code(self, at: int, codes: np.ndarray) -> tuple[str, str, str | None]:
        return "dated code", self._code_names[at], None

    def _joint(self, at: int, codes: np.ndarray) -> tuple[str, str, str | None]:
        term = self._terms[at]
        rows = [row for row in term.variants if row >= 0]
        call = ",".join(_call(codes[row]) or "." for row in rows)
        return term.kind, " x ".join(self._members(at)), call or None

    def _members(self, at: int) -> list[str]:
        term = self._terms[at]
        names = [self._names[row] for row in term.variants if row >= 0]
        if term.kind == "score x covariate":
            names = ["score"]
        return [*names, term.covariate] if term.covariate else names

    def variants_table(self) -> pl.DataFrame:
        """The variants that move most first: TABLES["explain_variants"]."""
        n = max(self.variants.n, 1)
        slope = self.variants.slope
        spread = np.full(len(self._names), np.nan)
        if self.member_sums is not None:
            spread[self.net_rows] = (self.member_sums / n).std(axis=0)
        direction = np.where(slope > 0, "raises", np.where(slope < 0, "lowers", ""))
        return _sorted(
            self.model.variants.with_columns(
                pl.Series("variant", self._names),
                pl.Series("reason", self.reason, dtype=pl.Utf8),
                pl.Series("n_called", self.variants.called[0].astype(np.int64)),
                *_of(self.variants),
                pl.Series("effect_per_copy", slope, nan_to_null=True),
                pl.Series("direction", direction.tolist(), dtype=pl.Utf8),
                *(pl.Series(part, self.parts[part] / n) for part in PARTS),
                pl.Series("net_sd", spread, nan_to_null=True),
            ),
            "explain_variants",
        )

    def pairs_table(self) -> pl.DataFrame:
        """Terms of two members: TABLES["explain_pairs"]."""
        members = [self._members(at) for at in range(len(self._terms))]
        table = pl.DataFrame(
            {
                "kind": [term.kind for term in self._terms],
                "first": [names[0] for names in members],
                "second": [names[1] for names in members],
            },
            schema=dict.fromkeys(("kind", "first", "second"), pl.Utf8),
        )
        return _sorted(table.with_columns(*_of(self.terms)), "explain_pairs")

    def covariates_table(self) -> pl.DataFrame:
        """Covariates: TABLES["explain_covariates"]."""
        n = max(self.others.n, 1)
        table = pl.DataFrame({"covariate": self._covariates}, schema={"covariate": pl.Utf8})
        parts = (
            pl.Series(part, self.other_parts[part] / n) for part in PARTS if part != "pairs"
        )  # fmt: skip
        return _sorted(table.with_columns(*_of(self.others), *parts), "explain_covariates")

    def codes_table(self) -> pl.DataFrame:
        """Dated codes that somebody has: TABLES["explain_codes"]."""
        people, records = self.code_counts
        mean = self.codes.total / np.maximum(people, 1)
        table = pl.DataFrame(
            {
                "code": self._code_names,
                "n_people": people,
                "n_records": records,
                "mean_contribution": mean,
            },
            schema_overrides={"code": pl.Utf8},
        )
        table = table.with_columns(*_of(self.codes)).filter(pl.col("n_people") > 0)
        return _sorted(table, "explain_codes")

    def genes_table(self) -> pl.DataFrame:
        """Genes: TABLES["explain_genes"]."""
        groups = np.split(self.gene_row, self._gene_starts[1:]) if len(self.gene_row) else []
        size = self.variants.absolute
        table = pl.DataFrame(
            {
                "gene": [self.gene[start] for start in self._gene_starts.tolist()],
                "n_variants": [len(rows) for rows in groups],
                "top_variant": [self._names[rows[np.argmax(size[rows])]] for rows in groups],
            },
            schema={"gene": pl.Utf8, "n_variants": pl.Int64, "top_variant": pl.Utf8},
        )
        return _sorted(table.with_columns(*_of(self.genes)), "explain_genes")

    def people_table(self) -> pl.DataFrame:
        """Everybody: TABLES["explain_people"]."""
        return pl.concat(self.people)

    def person_terms_table(self) -> pl.DataFrame:
        """What moves each person most: TABLES["explain_person_terms"]."""
        return pl.concat(self.told)


def _of(sums: ContributionSums) -> tuple[pl.Series, pl.Series]:
    return (
        pl.Series("mean_abs_contribution", sums.mean_absolute),
        pl.Series("share", sums.share, nan_to_null=True),
    )


def _sorted(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """The columns of a table, what moves most first."""
    ordered = table.sort("mean_abs_contribution", descending=True, maintain_order=True)
    return ordered.select(list(TABLES[name]))


def _call(code: int) -> str | None:
    return str(int(code)) if code < 3 else None


def _largest(size: np.ndarray, most: int | None) -> np.ndarray:
    """Places of the largest, the largest first, the first of equal ones first: int64."""
    places = np.arange(len(size))
    if most == 0:
        return places[:0]
    if most is not None and most < len(size):
        least = np.partition(size, len(size) - most)[len(size) - most]
        places = np.flatnonzero(size >= least)
    return places[np.argsort(-size[places], kind="stable")][:most]
