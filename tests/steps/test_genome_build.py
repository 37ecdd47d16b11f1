"""The build of a cohort: contig lengths are believed, and what contradicts them is refused."""

import pytest

from genomed.errors import BuildError, InputError, UsageError
from genomed.steps.genome_build import choose_build

OLD, NEW = {"1": 249_250_621}, {"chr1": 248_956_422}


def test_lengths_tell_the_build() -> None:
    assert choose_build(OLD, None, "c.pgen") == (
        "GRCh37", "contig 1 is 249,250,621 bases long, as in GRCh37"
    )  # fmt: skip


def test_what_tells_nothing_leaves_the_build_open_unless_it_is_asked_for() -> None:
    assert choose_build({"1": None}, None, "c.pgen")[0] is None
    assert choose_build({"1": None}, "hg38", "c.pgen") == ("GRCh38", "--build hg38 was given")


def test_a_build_that_the_lengths_contradict_is_refused() -> None:
    with pytest.raises(BuildError, match=r"c\.pgen: --build says GRCh38, but contig 1 is 249,250"):
        choose_build(OLD, "GRCh38", "c.pgen")


def test_an_unknown_build_is_refused() -> None:
    with pytest.raises(UsageError, match="--build 'hg99' is not a genome build; known: NCBI36"):
        choose_build(NEW, "hg99", "c.pgen")


def test_lengths_of_two_builds_need_an_answer() -> None:
    both = {"1": 249_250_621, "2": 242_193_529}
    with pytest.raises(InputError, match=r"contradict each other.* with --build"):
        choose_build(both, None, "c.pgen")
    assert choose_build(both, "GRCh37", "c.pgen")[0] == "GRCh37"
