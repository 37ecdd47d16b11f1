"""Loops over arrays: no files, no strings, no objects. Kernels trust; their callers check."""

from importlib import import_module

__all__ = ["compiled"]


def compiled(*names: str) -> bool:
    """Whether an earlier run has left compiled kernels, named as in ``scoring.add_missing``."""
    for name in names:
        module, _, function = name.partition(".")
        if not getattr(import_module(f"genomed.kernels.{module}"), function).is_compiled():
            return False
    return True
