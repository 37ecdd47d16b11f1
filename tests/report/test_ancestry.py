"""The page's section on ancestry: figures that are valid, escaped and told in words."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from genomed.report.ancestry import AncestryPart, Spread, ancestry_section

FIVE = [-1.6, -0.7, 0.0, 0.7, 1.6]


def part(**changes: object) -> AncestryPart:
    rng = np.random.default_rng(1)
    names = ["AFR", "EUR"]
    made = AncestryPart(
        reference="three<b>",
        build="GRCh38",
        n_reference=40,
        populations=names,
        reference_pcs=rng.normal(size=(40, 2)),
        reference_population=np.repeat([0, 1], 20),
        cohort_pcs=rng.normal(size=(12, 2)),
        cohort_population=np.array([0] * 5 + [1] * 4 + [-1] * 3),
        n_variants=1000,
        n_found=900,
        coverage=0.9,
        n_low_coverage=1,
        spreads=[Spread("PGS<1>", {n: FIVE for n in names}, {"AFR": FIVE}, {"AFR": 5, "EUR": 4})],
    )
    return replace(made, **changes)


def tree(section: str) -> ElementTree.Element:
    return ElementTree.fromstring(section.replace("&nbsp;", " "))


def test_the_section_counts_everybody_once():
    text = "".join(tree(ancestry_section(part())).itertext())
    assert "9 of 12 people lie inside the reference three<b>" in text
    assert "2 lie outside it and 1 have too few called genotypes" in text
    assert "900 of 1,000 variants" in text


def test_names_are_escaped():
    section = ancestry_section(part(populations=["<script>", 'a"b']))
    assert "<script>" not in section
    assert "PGS<1>" not in section
    tree(section)


def test_every_figure_has_a_title_and_a_description_and_no_style():
    root = tree(ancestry_section(part()))
    figures = [e for e in root.iter("svg") if e.get("role") == "img"]
    assert len(figures) == 2
    for svg in figures:
        title, described = svg.get("aria-labelledby").split()
        assert svg.find("title").get("id") == title
        assert svg.find("desc").get("id") == described
        assert svg.find("desc").text
    assert not any("style" in e.attrib for e in root.iter())
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))


def test_crosses_mark_who_is_not_adjusted_and_nobody_unplaced_is_drawn():
    pcs = np.array(part().cohort_pcs)
    pcs[-1] = np.nan
    root = tree(ancestry_section(part(cohort_pcs=pcs)))
    (cross,) = [e for e in root.iter("path") if e.get("class") == "cross"]
    assert cross.get("d").count("l") == 4  # two strokes each, of two people


@pytest.mark.parametrize("n", [0, 1])
def test_small_cohorts_make_a_section(n):
    small = part(
        cohort_pcs=np.zeros((n, 2)), cohort_population=np.full(n, -1), n_low_coverage=0, spreads=[]
    )
    tree(ancestry_section(small))


def test_a_reference_in_one_place_can_be_drawn():
    tree(ancestry_section(part(reference_pcs=np.zeros((40, 2)), cohort_pcs=np.zeros((12, 2)))))


def test_a_large_cohort_makes_no_large_figure():
    rng = np.random.default_rng(2)
    many = part(cohort_pcs=rng.normal(size=(100_000, 2)), cohort_population=np.zeros(100_000, int))
    assert len(ancestry_section(many)) < 1_500_000
