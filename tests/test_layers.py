"""The map of the package, kept: who may import whom, what stays pure, how large a module grows."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from datafiles import REPOSITORY

PACKAGE = REPOSITORY / "genomed"

# Imports point down this list; names on one line do not know each other.
LAYERS = [
    {"cli", "__main__"},
    {"steps"},
    {"report"},
    {"scores"},
    {"features", "models"},
    {"io", "stats"},
    {"assemblies"},
    {"regions", "ledger", "provenance", "plugins", "kernels", "tables"},
    {"errors", "settings", "schema", "panel"},
]
DEPTH = {name: depth for depth, names in enumerate(LAYERS) for name in names}

BOTTOM = LAYERS[-1]
LIGHT = ["__init__", "__main__", "errors", "settings", "regions", "ledger", "plugins", "cli"]
HEAVY = {
    "allel",
    "jinja2",
    "numba",
    "numpy",
    "pgenlib",
    "plotly",
    "polars",
    "pysam",
    "scipy",
    "sklearn",
    "torch",
}
DRAWERS = {"utils", "util", "common", "core", "base", "helpers", "misc"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    return path.relative_to(REPOSITORY).with_suffix("").as_posix()


def layer(path: Path) -> str:
    """The part of genomed a file belongs to: a package, or a module beside them."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def nodes(tree: ast.AST, *, inside_functions: bool = True) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    for child in ast.iter_child_nodes(tree):
        if for_types_only(child):
            continue
        if not inside_functions and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield child
        yield from nodes(child, inside_functions=inside_functions)


def imported(path: Path, *, inside_functions: bool = True) -> Iterator[str]:
    """Dotted names that a file imports: ``from genomed import plugins`` gives genomed.plugins."""
    for node in nodes(ast.parse(path.read_text()), inside_functions=inside_functions):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module_name(path)}, line {node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_layers(path: Path) -> set[str]:
    parts = (name.split(".") for name in imported(path))
    return {part[1] for part in parts if part[0] == "genomed"} - {"__version__"}


every_module = pytest.mark.parametrize("path", MODULES, ids=module_name)


@every_module
def test_every_module_has_a_place_on_the_map(path: Path) -> None:
    assert layer(path) in DEPTH or path == PACKAGE / "__init__.py"


@every_module
def test_imports_point_downwards(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        assert not list(imported(path))
        return
    own = layer(path)
    not_below = {
        other for other in imported_layers(path) - {own} if DEPTH.get(other, -1) <= DEPTH[own]
    }
    assert not (not_below - ({"cli"} if own == "__main__" else set()))


@every_module
def test_the_bottom_needs_the_standard_library_only(path: Path) -> None:
    if layer(path) not in BOTTOM:
        return
    packages = {name.partition(".")[0] for name in imported(path)}
    allowed = sys.stdlib_module_names | {"genomed", "__future__"}
    assert packages <= (allowed | {"numpy"} if layer(path) == "schema" else allowed)


@every_module
def test_what_help_loads_imports_nothing_heavy(path: Path) -> None:
    if layer(path) not in LIGHT:
        return
    packages = {name.partition(".")[0] for name in imported(path, inside_functions=False)}
    assert not packages & HEAVY


@pytest.mark.parametrize("path", sorted((PACKAGE / "kernels").glob("[!_]*.py")), ids=module_name)
def test_kernels_know_only_numpy_and_each_other(path: Path) -> None:
    assert imported_layers(path) <= {"kernels"}
    if path.stem != "native":  # which compiles and loads the others
        packages = {name.partition(".")[0] for name in imported(path)}
        assert packages <= {"__future__", "genomed", "math", "numpy"}


@every_module
def test_only_the_command_line_prints(path: Path) -> None:
    if layer(path) == "cli":
        return
    calls = [n for n in nodes(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    assert not [call.lineno for call in calls if ast.unparse(call.func) in {"print", "typer.echo"}]


@every_module
def test_modules_stay_small_and_are_named_after_what_they_know(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 600
    assert path.stem not in DRAWERS
    assert len(path.relative_to(PACKAGE).parts) <= 2
