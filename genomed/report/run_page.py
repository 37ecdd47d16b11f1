"""Chapters of a run directory -> one page."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from genomed.report.run_records import Need, Part, ReportData

__all__ = ["CHAPTERS", "needs", "parts"]

# Modules of genomed.report, in the order of the page.
CHAPTERS = (
    "run_risk", "run_people_table", "run_models", "run_evaluate", "run_explain",
    "run_qc", "run_structure", "run_reads", "run_flow", "run_provenance",
)  # fmt: skip


def _modules() -> list[ModuleType]:
    names = [f"genomed.report.{name}" for name in CHAPTERS]
    return [import_module(name) for name in names if find_spec(name)]


def needs() -> list[Need]:
    """Every table that a chapter wants read."""
    return [need for module in _modules() for need in module.NEEDS]


def parts(data: ReportData) -> list[Part]:
    """The chapters that have something to show, in the order of the page."""
    made = [module.chapter(data) for module in _modules()]
    return [part for part in made if part is not None]
