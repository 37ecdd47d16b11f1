"""What is registered can be found by name, and what is not is refused with the names known."""

from importlib.metadata import EntryPoint
from importlib.util import find_spec

import pytest

from genomed import plugins
from genomed.errors import UnfitError, UnknownNameError


def installed(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    points = [EntryPoint(name=name, value=value, group="genomed.score")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, table in plugins.BUILT_IN.items() for name in table]
)
def test_every_built_in_names_a_module_that_is_there(kind: str, name: str) -> None:
    module, _, attribute = plugins.BUILT_IN[kind][name].partition(":")

    assert attribute
    assert find_spec(module) is not None


def test_the_vcf_reader_is_found_by_name() -> None:
    assert plugins.load("reader", "vcf").__name__ == "VcfReader"


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="no reader called 'maf'; known: bcf, bed, bgen"):
        plugins.load("reader", "maf")


def test_an_unknown_kind_is_a_callers_mistake() -> None:
    with pytest.raises(ValueError, match="no kind called 'writer'"):
        plugins.load("writer", "vcf")


def test_another_package_adds_a_score_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "largest", "builtins:max")

    assert plugins.load("score", "largest") is max


def test_what_is_built_in_cannot_be_replaced_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint(name="vcf", value="builtins:max", group="genomed.reader")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points)

    assert plugins.known("reader")["vcf"] == "genomed.io.vcf:VcfReader"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "far", "package_that_is_not_there:score")

    with pytest.raises(UnfitError, match="'package_that_is_not_there', which is not installed"):
        plugins.load("score", "far")
