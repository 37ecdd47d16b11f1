"""Declared relations: kinship along a pedigree, and its comparison with what was found."""

import polars as pl
import pytest

from genomed.stats.pedigree import compare_relations, declared_relations
from genomed.tables import TABLES


def pedigree(*people: tuple[str, str | None, str | None]) -> pl.DataFrame:
    schema = {"sample": pl.Utf8, "father": pl.Utf8, "mother": pl.Utf8}
    return pl.DataFrame(list(people), schema=schema, orient="row")


def found(*pairs: tuple[str, str, float, str]) -> pl.DataFrame:
    schema = {"sample1": pl.Utf8, "sample2": pl.Utf8, "kinship": pl.Float64, "relation": pl.Utf8}
    return pl.DataFrame(list(pairs), schema=schema, orient="row")


THREE_GENERATIONS = pedigree(
    ("grandfather", None, None),
    ("grandmother", None, None),
    ("mother", "grandfather", "grandmother"),
    ("aunt", "grandfather", "grandmother"),
    ("stranger", None, None),
    ("father", None, None),
    ("child", "father", "mother"),
    ("cousin", "stranger", "aunt"),
)


@pytest.mark.parametrize(
    ("one", "other", "kinship", "relation"),
    [
        ("grandfather", "mother", 1 / 4, "parent_child"),
        ("mother", "aunt", 1 / 4, "siblings"),
        ("grandfather", "child", 1 / 8, "second_degree"),
        ("aunt", "child", 1 / 8, "second_degree"),
        ("child", "cousin", 1 / 16, "third_degree"),
    ],
)
def test_kinship_follows_the_generations(one, other, kinship, relation):
    table = declared_relations(THREE_GENERATIONS)
    row = table.filter(pl.col("sample1") == one, pl.col("sample2") == other)
    assert row["kinship"].to_list() == [kinship]
    assert row["relation"].to_list() == [relation]


def test_people_without_common_ancestors_are_not_told():
    table = declared_relations(THREE_GENERATIONS)
    pairs = set(table.select("sample1", "sample2").iter_rows())
    assert ("grandfather", "grandmother") not in pairs
    assert not any("stranger" in pair and "child" in pair for pair in pairs)


def test_siblings_are_told_though_their_parents_are_no_samples():
    table = declared_relations(pedigree(("a", "f", "m"), ("b", "f", "m"), ("c", "f", None)))
    assert table.rows() == [
        ("a", "b", 0.25, "siblings"),
        ("a", "c", 0.125, "second_degree"),
        ("b", "c", 0.125, "second_degree"),
    ]


def test_the_order_of_the_table_does_not_matter():
    shuffled = THREE_GENERATIONS.reverse()
    there = {frozenset(r[:2]): r[2:] for r in declared_relations(THREE_GENERATIONS).iter_rows()}
    here = {frozenset(r[:2]): r[2:] for r in declared_relations(shuffled).iter_rows()}
    assert here == there


def test_an_ancestor_of_themselves_is_refused():
    with pytest.raises(ValueError, match="ancestor of themselves"):
        declared_relations(pedigree(("a", "b", None), ("b", "a", None)))


def test_verdicts():
    declared = declared_relations(THREE_GENERATIONS)
    table = compare_relations(
        declared,
        found(
            ("grandfather", "mother", 0.24, "parent_child"),
            ("mother", "grandmother", 0.25, "siblings"),
            ("child", "aunt", 0.07, "third_degree"),
            ("grandfather", "child", 0.26, "parent_child"),
            ("stranger", "father", 0.13, "second_degree"),
            ("stranger", "child", 0.05, "third_degree"),
        ),
    )
    assert table.columns == list(TABLES["pedigree"])
    verdict = {frozenset(r[:2]): r[-1] for r in table.iter_rows()}
    assert verdict[frozenset({"grandfather", "mother"})] == "agrees"
    assert verdict[frozenset({"mother", "grandmother"})] == "disagrees"  # not as siblings
    assert verdict[frozenset({"child", "aunt"})] == "agrees"  # one degree off
    assert verdict[frozenset({"grandfather", "child"})] == "agrees"
    assert verdict[frozenset({"mother", "aunt"})] == "disagrees"  # not found
    assert verdict[frozenset({"stranger", "father"})] == "undeclared"
    assert frozenset({"stranger", "child"}) not in verdict


def test_no_pedigree_and_nobody_related_is_an_empty_table():
    assert compare_relations(declared_relations(pedigree(("a", None, None))), found()).height == 0
