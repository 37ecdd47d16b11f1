"""What other programs may rely on, written down: a change here is a change for users."""

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest
from datafiles import REPOSITORY

EXIT_CODES = {
    "BuildError": 3,
    "CoverageError": 4,
    "GapError": 9,
    "GenomedError": 1,
    "InputError": 3,
    "NetworkError": 8,
    "OutputError": 5,
    "UnfitError": 7,
    "UnknownNameError": 6,
    "UsageError": 2,
}
PUBLIC = {
    "genomed.cli": ["app", "main"],
    "genomed.errors": sorted(EXIT_CODES),
    "genomed.ledger": [
        "CONVERTED",
        "LENIENCIES",
        "QC_SAMPLES",
        "QC_VARIANTS",
        "REASONS",
        "STRUCTURE",
        "USED",
    ],
    "genomed.plugins": ["BUILT_IN", "known", "load"],
    "genomed.regions": ["AUTOSOMES", "ContigNames", "Region", "canonical_contig"],
    "genomed.schema": [
        "ARRAYS",
        "BUILDS",
        "MISSING",
        "AlignmentBlock",
        "AncestryModel",
        "ArraySpec",
        "Gaussians",
        "Packed",
        "PackedBlock",
        "Pca",
        "ReadCounts",
        "Reader",
        "ScoreModel",
        "VariantBatch",
        "Wanted",
    ],
    "genomed.tables": ["TABLES"],
}


def declared_names(path: Path) -> list[str] | None:
    """The literal `__all__` of a file, or None."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return None


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_the_foundation_offers_exactly_these_names(module: str) -> None:
    assert sorted(import_module(module).__all__) == sorted(PUBLIC[module])


@pytest.mark.parametrize(("name", "exit_code"), EXIT_CODES.items())
def test_every_error_keeps_its_exit_code(name: str, exit_code: int) -> None:
    assert getattr(import_module("genomed.errors"), name).exit_code == exit_code


def test_every_public_name_exists_and_every_public_function_is_explained() -> None:
    declaring = 0
    for path in sorted((REPOSITORY / "genomed").rglob("*.py")):
        if declared_names(path):
            declaring += 1
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            module = import_module(".".join(parts).removesuffix(".__init__"))
            for name in module.__all__:
                thing = getattr(module, name)
                if inspect.isfunction(thing) or inspect.isclass(thing):
                    assert inspect.getdoc(thing), f"{module.__name__}.{name} has no docstring"
    assert declaring > 100
