"""Where the workflow lies: in the installed package, or in the repository beside it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from genomed.errors import InputError, UnfitError

__all__ = ["check_config", "workflow_checks", "workflow_directory"]


def workflow_directory() -> Path:
    """The directory of the Snakefile."""
    package = Path(__file__).parents[1]
    for place in (package / "workflow", package.parent):
        if (place / "Snakefile").is_file() and (place / "workflows").is_dir():
            return place
    raise UnfitError(f"{package} has no workflow; install genomed again, its files are gone")


def check_config(config: Mapping[str, Any], path: Path) -> None:
    """Raise an InputError that tells all that is wrong with a configuration and what it names.

    path : of the configuration, for the message; its own paths begin where we are
    """
    faults = workflow_checks().problems(config, Path.cwd())
    if faults:
        many = "faults, all of them" if len(faults) > 1 else "fault"
        listed = "".join(f"\n  {fault}" for fault in faults)
        raise InputError(f"{path} has {len(faults)} {many} to be corrected first:{listed}")


def workflow_checks() -> ModuleType:
    """The workflow's own module that knows what may be wrong with a configuration.

    Raises UnfitError where what it needs, and Snakemake brings, is not installed.
    """
    path = workflow_directory() / "workflows" / "checks.py"
    spec = importlib.util.spec_from_file_location("genomed_workflow_checks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise UnfitError(
            f"configurations of the workflow need {error.name}, which is not installed; "
            "pip install 'genomed[workflow]'"
        ) from None
    return module
