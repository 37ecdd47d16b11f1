"""numba loops over arrays: no files, no strings, no objects. Kernels trust; their callers check."""

import sys
from importlib import import_module
from pathlib import Path

__all__ = ["compiled", "load_numba"]


def load_numba() -> None:
    """Import numba's compiler without what it imports only on the off chance.

    That is scipy.linalg, to offer BLAS to kernels (none of ours calls it; a fifth of a second), and
    yaml, to look for a configuration file. Once numba is loaded this does nothing.
    """
    if "numba" in sys.modules:
        return
    hidden = [name for name in ("scipy", "yaml") if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # stands for "absent"
    try:
        import_module("numba.np.arraymath")
        target = import_module("numba.core.registry").cpu_target
        target.typing_context.refresh()  # what the first kernel would otherwise wait for
        target.target_context.refresh()
    finally:
        for name in hidden:
            del sys.modules[name]


def compiled(*names: str) -> bool:
    """Whether an earlier run has left compiled kernels, named as in ``scoring.add_missing``."""
    for name in names:
        module, _, function = name.partition(".")
        cache = getattr(import_module(f"genomed.kernels.{module}"), function)._cache
        if not any(Path(cache.cache_path).glob(f"{cache._impl.filename_base}*.nbi")):
            return False
    return True
