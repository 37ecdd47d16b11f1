"""numba loops over arrays: no files, no strings, no objects. Kernels trust; their callers check."""
