"""numba loops over arrays: no files, no strings, no objects. Kernels trust; their callers check."""

import sys
from pathlib import Path

__all__ = ["compiled", "load_numba"]


def load_numba() -> None:
    """Import numba's compiler without scipy, which it would import only to offer BLAS to kernels.

    None of ours calls BLAS, and scipy.linalg takes a fifth of a second. Once scipy is loaded, or
    numba has looked for it, this does nothing.
    """
    if "scipy" in sys.modules or "numba.np.arraymath" in sys.modules:
        return
    sys.modules["scipy"] = None  # type: ignore[assignment]
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules["scipy"]


def compiled() -> bool:
    """Whether an earlier run has left compiled kernels for this version of the sources."""
    load_numba()
    from genomed.kernels import scoring, vcf_text

    return all(
        any(Path(function._cache.cache_path).glob(f"{function._cache._impl.filename_base}*.nbi"))
        for function in (vcf_text.scan_lines, scoring.fill_features)
    )
