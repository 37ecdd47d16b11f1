"""Loops over arrays: no files, no strings, no objects. Kernels trust; their callers check."""

import os
from importlib import import_module
from pathlib import Path

__all__ = ["cache_directory", "compiled"]


def compiled(*names: str) -> bool:
    """Whether an earlier run has left compiled kernels, named as in ``scoring.add_missing``."""
    for name in names:
        module, _, function = name.partition(".")
        if not getattr(import_module(f"genomed.kernels.{module}"), function).is_compiled():
            return False
    return True


def cache_directory() -> Path:
    """Where machine code is kept: ``GENOMED_KERNEL_CACHE``, else beside the sources, else the
    user's cache directory."""
    if chosen := os.environ.get("GENOMED_KERNEL_CACHE"):
        return Path(chosen)
    beside = Path(__file__).parent
    if os.access(beside, os.W_OK):
        return beside / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "genomed" / "kernels"
