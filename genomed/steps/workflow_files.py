"""Where the workflow lies, in the installed package or in the repository; and what it is told."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from genomed.errors import InputError, UnfitError

__all__ = ["read_config", "workflow_checks", "workflow_directory"]


def workflow_directory() -> Path:
    """The directory of the Snakefile."""
    package = Path(__file__).parents[1]
    for place in (package / "workflow", package.parent):
        if (place / "Snakefile").is_file() and (place / "workflows").is_dir():
            return place
    raise UnfitError(f"{package} has no workflow; install genomed again, its files are gone")


def read_config(path: Path) -> dict[str, Any]:
    """A configuration of the workflow, with the default of every key that it leaves out.

    path : its own paths begin where we are
    Raises InputError where it is no such file, or has faults (all are told), and UnfitError where
    what reads it is not installed.
    """
    checks = workflow_checks()
    yaml = checks.yaml  # comes with snakemake, which is optional
    if path.is_dir():
        raise InputError(f"{path}: is a directory; name the configuration of the workflow in it")
    if not path.is_file():
        raise InputError(f"{path}: no such file; name the configuration of the workflow")
    try:
        config = checks.read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({error}); correct it") from None
    if not isinstance(config, dict):
        raise InputError(f"{path}: is no configuration; see workflows/config/config.yaml")
    faults = checks.problems(config)
    if faults:
        many = "faults, all of them" if len(faults) > 1 else "fault"
        listed = "".join(f"\n  {fault}" for fault in faults)
        raise InputError(f"{path} has {len(faults)} {many} to be corrected first:{listed}")
    return dict(checks.with_defaults(config))


@functools.cache
def workflow_checks() -> ModuleType:
    """The workflow's own module that knows what may be wrong with a configuration.

    Raises UnfitError where what it needs, and Snakemake brings, is not installed.
    """
    path = workflow_directory() / "workflows" / "checks.py"
    spec = importlib.util.spec_from_file_location("genomed_workflow_checks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise UnfitError(
            f"configurations of the workflow need {error.name}, which is not installed; "
            "pip install 'genomed[workflow]'"
        ) from None
    return module
