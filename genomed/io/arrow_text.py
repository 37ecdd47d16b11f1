"""Text columns for polars out of buffers that a kernel has filled, without a Python string.

Layout: https://arrow.apache.org/docs/format/CDataInterface.html, and "Variable-size Binary View
Layout" of Columnar.html there; handed over by the PyCapsule protocol (``__arrow_c_array__``).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

__all__ = ["text_column"]


def text_column(
    name: str, views: np.ndarray, texts: Sequence[bytes], valid: np.ndarray
) -> pl.Series:
    """A column of strings that lie in some texts, which are not copied and must be UTF-8.

    views : uint32 (rows, 4), as kernels.variant_rows.view_cells makes them; the third number of a
            string of more than 12 bytes is the place of its text in `texts`
    valid : bool (rows,), False for null
    """
    if not len(views):
        return pl.Series(name, dtype=pl.String)
    return pl.Series(_Views(views, texts, valid)).alias(name)


class _Schema(ctypes.Structure):
    """struct ArrowSchema."""


class _Array(ctypes.Structure):
    """struct ArrowArray."""


_ReleaseSchema = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Schema))
_ReleaseArray = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))

_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.c_void_p),
    ("dictionary", ctypes.c_void_p),
    ("release", _ReleaseSchema),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.c_void_p),
    ("children", ctypes.c_void_p),
    ("dictionary", ctypes.c_void_p),
    ("release", _ReleaseArray),
    ("private_data", ctypes.c_void_p),
]
_NULLABLE = 2  # a flag of a schema
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]

_lent: dict[int, Any] = {}  # what polars still reads, by the address of the table of buffers


@_ReleaseSchema
def _release_schema(schema: Any) -> None:
    schema.contents.release = _ReleaseSchema()


@_ReleaseArray
def _release_array(array: Any) -> None:
    _lent.pop(array.contents.private_data, None)
    array.contents.release = _ReleaseArray()


class _Views:
    """One column; polars asks for it once."""

    def __init__(self, views: np.ndarray, texts: Sequence[bytes], valid: np.ndarray) -> None:
        n_null = len(valid) - int(np.count_nonzero(valid))
        bits = np.packbits(valid, bitorder="little") if n_null else np.zeros(0, np.uint8)
        lengths = np.array([len(text) for text in texts], np.int64)
        arrays = [bits, views, *(np.frombuffer(text, np.uint8) for text in texts), lengths]
        places = [array.ctypes.data for array in arrays]
        buffers = (ctypes.c_void_p * len(arrays))(places[0] if n_null else None, *places[1:])
        address = ctypes.addressof(buffers)
        _lent[address] = arrays, buffers
        self._schema = _Schema(b"vu", b"", None, _NULLABLE, 0, None, None, _release_schema, None)
        self._array = _Array(
            len(views), n_null, 0, len(arrays), 0, address, None, None, _release_array, address
        )

    def __arrow_c_array__(self, requested: object = None) -> tuple[object, object]:
        return (
            _new_capsule(ctypes.addressof(self._schema), b"arrow_schema", None),
            _new_capsule(ctypes.addressof(self._array), b"arrow_array", None),
        )
