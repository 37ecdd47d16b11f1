"""The map of the package, kept: who may import whom, what stays pure, how large a module grows."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
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
    {"regions", "ledger", "provenance", "plugins", "kernels", "tables", "threads"},
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


def dotted(node: ast.AST) -> str:
    """A name such as ``typer.echo``; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and dotted(node.test).endswith("TYPE_CHECKING")


def nodes(tree: ast.AST, *, inside_functions: bool = True) -> Iterator[ast.AST]:
    """All nodes, in any order, but those that only a type checker reads."""
    waiting = [tree]
    while waiting:
        for child in ast.iter_child_nodes(waiting.pop()):
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            if not for_types_only(child) and (inside_functions or not function):
                yield child
                waiting.append(child)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imported(path: Path, *, inside_functions: bool = True) -> list[str]:
    """Dotted names that a file imports: ``from genomed import plugins`` gives genomed.plugins."""
    names = []
    for node in nodes(parsed(path), inside_functions=inside_functions):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module_name(path)}, line {node.lineno}: a relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def packages(path: Path, *, inside_functions: bool = True) -> set[str]:
    names = imported(path, inside_functions=inside_functions)
    return {name.partition(".")[0] for name in names}


def imported_layers(path: Path) -> set[str]:
    parts = (name.split(".") for name in imported(path))
    return {part[1] for part in parts if part[0] == "genomed"} - {"__version__"}


def test_every_module_has_a_place_on_the_map() -> None:
    outside = [path for path in MODULES if layer(path) not in DEPTH]
    assert outside == [PACKAGE / "__init__.py"]


def test_the_package_itself_imports_nothing() -> None:
    assert not imported(PACKAGE / "__init__.py")


def test_imports_point_downwards() -> None:
    upwards = []
    for path in MODULES:
        own = layer(path)
        allowed = {own} | ({"cli"} if own == "__main__" else set())
        for other in imported_layers(path) - allowed:
            if DEPTH.get(other, -1) <= DEPTH.get(own, -1):
                upwards.append(f"{module_name(path)} imports {other}")
    assert not upwards


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = {module_name(path).replace("/", ".").removesuffix(".__init__") for path in MODULES}
    needs = {
        name: {other if other in known else other.rpartition(".")[0] for other in others} & known
        for path in MODULES
        if (name := module_name(path).replace("/", ".")) in known
        and (others := [n for n in imported(path) if n.startswith("genomed.")])
    }
    while free := [name for name, others in needs.items() if not others & needs.keys()]:
        for name in free:
            del needs[name]
    assert not needs, "these are in a circle, or import from one"


def test_the_bottom_needs_the_standard_library_only() -> None:
    allowed = sys.stdlib_module_names | {"genomed", "__future__"}
    for path in MODULES:
        if layer(path) in BOTTOM:
            beyond = packages(path) - allowed - ({"numpy"} if layer(path) == "schema" else set())
            assert not beyond, module_name(path)


def test_what_help_loads_imports_nothing_heavy() -> None:
    for path in MODULES:
        if layer(path) in LIGHT:
            assert not packages(path, inside_functions=False) & HEAVY, module_name(path)


@pytest.mark.parametrize("path", sorted((PACKAGE / "kernels").glob("[!_]*.py")), ids=module_name)
def test_kernels_know_only_numpy_and_each_other(path: Path) -> None:
    assert imported_layers(path) <= {"kernels"}
    if path.stem != "native":  # which compiles and loads the others
        assert packages(path) <= {"__future__", "genomed", "math", "numpy"}


def test_only_the_command_line_prints() -> None:
    for path in MODULES:
        if layer(path) != "cli":
            calls = [node for node in nodes(parsed(path)) if isinstance(node, ast.Call)]
            printing = [n.lineno for n in calls if dotted(n.func) in {"print", "typer.echo"}]
            assert not printing, module_name(path)


def test_modules_stay_small_and_are_named_after_what_they_know() -> None:
    for path in MODULES:
        assert len(path.read_text().splitlines()) <= 600, module_name(path)
        assert path.stem not in DRAWERS, module_name(path)
        assert len(path.relative_to(PACKAGE).parts) <= 2, module_name(path)
