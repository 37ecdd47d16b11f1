"""What is declared agrees with what is there: dependencies, package data, versions, commands."""

import ast
import importlib.metadata
import importlib.resources
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from datafiles import REPOSITORY

import genomed

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
# PyPI name -> conda name; PyPI name -> module, where they differ.
CONDA_NAMES = {"torch": "pytorch", "zlib-ng": "python-zlib-ng"}
IMPORT_NAMES = {"scikit-allel": "allel", "zlib-ng": "zlib_ng"}

REQUIREMENT = re.compile(r"([A-Za-z0-9_.-]+)\s*(.*)")


def bounds(requirements: list[str]) -> dict[str, str]:
    """Package -> version bounds, without spaces."""
    parts = (REQUIREMENT.fullmatch(text) for text in requirements)
    return {part[1]: part[2].replace(" ", "") for part in parts if part}


CORE = bounds(PROJECT["dependencies"])


def conda_requirements() -> dict[str, str]:
    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    return bounds([entry for entry in environment["dependencies"] if isinstance(entry, str)])


def imported_packages() -> set[str]:
    """Every third-party module that any file of genomed imports, wherever in the file."""
    names = set()
    for path in (REPOSITORY / "genomed").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"genomed"}


def test_conda_and_pip_ask_for_the_same() -> None:
    conda = conda_requirements()
    python = conda.pop("python")
    conda.pop("pip")

    assert conda == {CONDA_NAMES.get(name, name): bound for name, bound in CORE.items()}
    assert python == PROJECT["requires-python"]


def test_every_import_is_declared() -> None:
    extras = [text for texts in PROJECT["optional-dependencies"].values() for text in texts]
    declared = {IMPORT_NAMES.get(name, name) for name in CORE | bounds(extras)}

    assert imported_packages() <= declared


def test_every_core_dependency_is_used() -> None:
    used = imported_packages()

    assert not [name for name in CORE if IMPORT_NAMES.get(name, name) not in used]


def test_every_dependency_has_a_lower_bound() -> None:
    extras = [text for texts in PROJECT["optional-dependencies"].values() for text in texts]
    everything = CORE | bounds(extras)

    assert not [name for name, bound in everything.items() if not bound.startswith((">=", "=="))]


def test_the_package_has_one_version() -> None:
    assert importlib.metadata.version("genomed") == genomed.__version__
    assert "version" in PROJECT["dynamic"]


def test_the_changelog_has_an_entry_for_this_version() -> None:
    assert f"## {genomed.__version__}" in (REPOSITORY / "CHANGELOG.md").read_text()


def test_the_bundled_panel_is_package_data() -> None:
    panel = importlib.resources.files("genomed") / "panel"

    assert [entry.name for entry in panel.iterdir() if entry.name.endswith(".txt")]


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, REPOSITORY],
        check=True,
    )
    (wheel,) = tmp_path.glob("genomed-*.whl")
    tracked = subprocess.run(
        ["git", "ls-files", "genomed"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split("\n")

    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in tracked if name} <= held
    workflow = {"Snakefile", "workflows/checks.py", "workflows/profiles/slurm/config.yaml"}
    assert {f"genomed/workflow/{name}" for name in workflow} <= held  # for `genomed run`
