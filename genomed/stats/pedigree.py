"""Kinship as a pedigree declares it, and whether the genotypes agree."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from genomed.tables import TABLES

__all__ = ["DEGREES", "compare_relations", "declared_relations"]

# Relation -> degree, as in TABLES["kinship"].
DEGREES = {
    "duplicate": 0,
    "parent_child": 1,
    "siblings": 1,
    "second_degree": 2,
    "third_degree": 3,
}
_LEAST = ((0.177, "siblings"), (0.0884, "second_degree"), (0.0442, "third_degree"))


def declared_relations(people: pl.DataFrame) -> pl.DataFrame:
    """Pairs of samples that a pedigree makes relatives of the third degree or nearer.

    people  : sample, father, mother (names, null unknown; a parent need not be a sample)
    returns : sample1 and sample2, in the order of `people`, kinship Float64, relation
    raises  : ValueError when somebody is an ancestor of themselves
    source  : kinship from parents to children, one generation after the other (Lange 2002,
              Mathematical and Statistical Methods for Genetic Analysis, chapter 5)
    """
    parents = {s: (f, m) for s, f, m in people.select("sample", "father", "mother").iter_rows()}
    order = {sample: place for place, sample in enumerate(parents)}
    found = []
    for family in _families(parents):
        names = _by_generation(family, parents)
        kinship = _kinship(names, parents)
        for i, j in zip(*np.nonzero(np.triu(kinship, 1) > _LEAST[-1][0]), strict=True):
            one, other = sorted((names[i], names[j]), key=lambda name: order.get(name, -1))
            if one in order:
                relation = _relation(one, other, parents, kinship[i, j])
                found.append((one, other, kinship[i, j], relation))
    found.sort(key=lambda row: (order[row[0]], order[row[1]]))
    schema = {"sample1": pl.Utf8, "sample2": pl.Utf8, "kinship": pl.Float64, "relation": pl.Utf8}
    return pl.DataFrame(found, schema=schema, orient="row")


def compare_relations(declared: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Every declared relation, and every found one to the second degree, with a verdict.

    declared : what `declared_relations` returns
    found    : sample1, sample2, kinship, relation, as in TABLES["kinship"]
    returns  : frame with the columns of TABLES["pedigree"]. Beyond the first degree a difference
               of one degree is agreement: chance in the passing on of chromosomes is as large
    """
    keyed = [
        table.with_columns(
            pl.min_horizontal("sample1", "sample2").alias("a"),
            pl.max_horizontal("sample1", "sample2").alias("b"),
        )
        for table in (declared, found)
    ]
    joined = keyed[0].join(keyed[1], on=["a", "b"], how="full", coalesce=True, suffix="_found")
    joined = joined.with_columns(
        pl.coalesce("sample1", "sample1_found").alias("sample1"),
        pl.coalesce("sample2", "sample2_found").alias("sample2"),
    )
    verdicts = [_verdict(*pair) for pair in joined.select("relation", "relation_found").iter_rows()]
    table = joined.rename(
        {
            "relation": "declared",
            "kinship": "declared_kinship",
            "relation_found": "found",
            "kinship_found": "found_kinship",
        }
    ).with_columns(pl.Series("verdict", verdicts, dtype=pl.Utf8))
    return (
        table.filter(pl.col("verdict").is_not_null())
        .select(list(TABLES["pedigree"]))
        .sort("sample1", "sample2")
    )


def _verdict(declared: str | None, found: str | None) -> str | None:
    if declared is None:
        return "undeclared" if DEGREES.get(str(found), 4) <= 2 else None
    expected = DEGREES[declared]
    degree = DEGREES.get(found or "", 4)
    if expected >= 2:
        return "agrees" if abs(degree - expected) <= 1 and degree > 0 else "disagrees"
    return "agrees" if declared == found else "disagrees"


def _families(parents: dict[str, tuple[str | None, str | None]]) -> Iterable[list[str]]:
    """People who are joined by parents, named parents who are no samples among them."""
    root: dict[str, str] = {}

    def top(name: str) -> str:
        root.setdefault(name, name)
        while root[name] != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    for child, both in parents.items():
        for parent in both:
            if parent is not None:
                root[top(parent)] = top(child)
    families: dict[str, list[str]] = {}
    for name in list(root):
        families.setdefault(top(name), []).append(name)
    return families.values()


def _by_generation(
    family: list[str], parents: dict[str, tuple[str | None, str | None]]
) -> list[str]:
    """The family, everybody behind their parents."""
    placed: dict[str, None] = {}
    waiting = family
    while waiting:
        ready = [
            name
            for name in waiting
            if all(p is None or p in placed for p in parents.get(name, (None, None)))
        ]
        if not ready:
            raise ValueError(f"{waiting[0]} or a relative is an ancestor of themselves")
        placed.update(dict.fromkeys(ready))
        waiting = [name for name in waiting if name not in placed]
    return list(placed)


def _kinship(names: list[str], parents: dict[str, tuple[str | None, str | None]]) -> np.ndarray:
    """Kinship of everybody with everybody: float64 (people, people)."""
    place = {name: i for i, name in enumerate(names)}
    kinship = np.zeros((len(names), len(names)))
    for i, name in enumerate(names):
        known = [place[p] for p in parents.get(name, (None, None)) if p is not None]
        kinship[i, :i] = kinship[:i, i] = kinship[known, :i].sum(axis=0) / 2
        inbreeding = kinship[known[0], known[1]] if len(known) == 2 else 0.0
        kinship[i, i] = (1 + inbreeding) / 2
    return kinship


def _relation(
    one: str, other: str, parents: dict[str, tuple[str | None, str | None]], kinship: float
) -> str:
    if one in parents.get(other, ()) or other in parents.get(one, ()):
        return "parent_child"
    return next(name for least, name in _LEAST if kinship > least)
