"""Readers, features, models and scores: found by name, imported when asked for.

A new one is a file, a line in BUILT_IN and a test; or, in another package, an entry point in the
group ``genomed.reader``, ``genomed.feature``, ``genomed.model`` or ``genomed.score``.
"""

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from genomed.errors import UnfitError, UnknownNameError

__all__ = ["BUILT_IN", "known", "load"]

BUILT_IN: dict[str, dict[str, str]] = {
    "reader": {
        "vcf": "genomed.io.vcf:VcfReader",
        "bcf": "genomed.io.bcf:BcfReader",
        "pgen": "genomed.io.pgen:PgenReader",
        "bed": "genomed.io.bed:BedReader",
        "bgen": "genomed.io.bgen:BgenReader",
    },
    "feature": {},
    "model": {},
    "score": {},
}


def known(kind: str) -> dict[str, str]:
    """Name -> ``module:attribute`` of everything of this kind; what is built in wins.

    raises : ValueError when there is no such kind
    """
    if kind not in BUILT_IN:
        raise ValueError(f"no kind called {kind!r}; known: {', '.join(BUILT_IN)}")
    installed = {point.name: point.value for point in entry_points(group=f"genomed.{kind}")}
    return installed | BUILT_IN[kind]


def load(kind: str, name: str) -> Any:
    """Return what is registered as `name`, as in ``load("reader", "vcf")``.

    raises : ValueError when there is no such kind, UnknownNameError when there is no such name,
             UnfitError when a package that it needs is not installed
    """
    if name in BUILT_IN.get(kind, {}):  # spares a search through everything installed
        target = BUILT_IN[kind][name]
    else:
        choices = known(kind)
        if name not in choices:
            names = ", ".join(sorted(choices)) or "none"
            raise UnknownNameError(f"no {kind} called {name!r}; known: {names}")
        target = choices[name]
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "genomed":
            raise
        raise UnfitError(
            f"the {kind} {name!r} needs the Python package {package!r}, which is not installed; "
            f"get it with `pip install {package}`"
        ) from error
