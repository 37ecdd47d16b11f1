"""Which columns of a matrix follow from those before them."""

from __future__ import annotations

import numpy as np

__all__ = ["dependent_columns"]

_ROWS = 1 << 16  # brought into the triangle at a time
_PART = 0.01  # of a column's length; who has less is not named as an origin


def dependent_columns(matrix: np.ndarray, tolerance: float) -> dict[int, list[int]]:
    """Columns of which the earlier ones, and a constant, leave next to nothing.

    matrix    : float64 (rows, columns), finite, none constant
    tolerance : share of a column's length about its mean, 0 to 1: with less left, it is dependent
    returns   : column -> the columns it follows from, those that matter most first, at most three
    source    : R of a QR decomposition keeps all lengths and angles (Golub and Van Loan, Matrix
                Computations, section 5.2); columns are then taken one after the other
    """
    n_rows, n_columns = matrix.shape
    triangle = np.zeros((0, n_columns + 1))
    for first in range(0, n_rows, _ROWS):
        rows = matrix[first : first + _ROWS]
        rows = np.concatenate([np.ones((len(rows), 1)), rows], axis=1)
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, rows]), mode="r"))
    basis = triangle[:, :1] / np.linalg.norm(triangle[:, 0])
    kept: list[int] = []
    found: dict[int, list[int]] = {}
    for column in range(n_columns):
        centred = triangle[:, column + 1]
        centred = centred - basis[:, :1] @ (basis[:, :1].T @ centred)
        left = centred
        for _ in range(
            2
        ):  # twice is enough (Giraud and others 2005, doi:10.1007/s00211-005-0615-4)
            left = left - basis @ (basis.T @ left)
        length = np.linalg.norm(centred)
        if np.linalg.norm(left) <= tolerance * length:
            found[column] = _origins(triangle, kept, centred / length)
        else:
            kept.append(column)
            basis = np.concatenate([basis, left[:, None] / np.linalg.norm(left)], axis=1)
    return found


def _origins(triangle: np.ndarray, kept: list[int], target: np.ndarray) -> list[int]:
    """The kept columns that make up a dependent one, by the size of their part."""
    design = triangle[:, [0, *(column + 1 for column in kept)]]
    weight = np.linalg.lstsq(design, target, rcond=None)[0][1:]
    part = np.abs(weight) * np.linalg.norm(design[:, 1:], axis=0)
    order = np.argsort(-part, kind="stable")[:3]
    return [kept[i] for i in order if part[i] > _PART]
