"""Ridge regression on all columns (GBLUP), for many penalties and several sets of people at once.

With relationships K = X diag(1/f) X' of the columns, weights W and covariates projected out by M,
the fit of every penalty is (M W^1/2 K W^1/2 M + lambda)^-1 applied to one and the same vector. So
one Krylov space serves all penalties: Lanczos' method turns the problem into a tridiagonal one
(Frommer and Maass 1999). K is never formed: each step multiplies with the packed columns once, for
all sets of people. Families that are not Gaussian take their quadratic approximation at the fit
without columns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genomed.models.columns import Products, from_slices, to_slices
from genomed.models.families import Family, fit_unpenalised, orthonormal

__all__ = ["RidgeFits", "ridge_fits"]


class RidgeFits(NamedTuple):
    """Fits of one set of people, for every penalty.

    genetic      : float64 (n, penalties), the columns' part of everybody's linear predictor
    coefficients : float64 (k, penalties), of the covariates
    dual         : float32 (n_slices, penalties); coefficients of the columns are X' dual / f
    family       : with its own parameters fitted
    residual     : float64 (penalties,), of the linear system, beside its right-hand side
    """

    genetic: np.ndarray
    coefficients: np.ndarray
    dual: np.ndarray
    family: Family
    residual: np.ndarray


class _System:
    """The linear system of one set of people, in slices, and its Krylov space."""

    def __init__(
        self, design: np.ndarray, family: Family, weight: np.ndarray, offset: np.ndarray, n: int
    ) -> None:
        self.design = design
        used = weight * family.observed
        null = fit_unpenalised(family, design, used, offset)
        self.family, self.coefficients = null.family, null.coefficients
        residual, information = self.family.working(offset + design @ self.coefficients)
        root = np.sqrt(used * information)
        self.transform = orthonormal(design, used * information)
        basis = (design @ self.transform) * root[:, None]
        self.basis = np.stack([to_slices(q, n, np.float64).ravel() for q in basis.T], 1) \
            if basis.shape[1] else np.empty((16 * n, 0))  # fmt: skip
        self.root = to_slices(root, n, np.float64).ravel()
        target = np.divide(used * residual, root, out=np.zeros_like(root), where=root > 0)
        self.target = to_slices(target, n, np.float64).ravel()
        start = self.project(self.target)
        self.size = float(np.linalg.norm(start))
        self.vectors = [start / self.size if self.size > 0 else start]
        self.images: list[np.ndarray] = []
        self.diagonal: list[float] = []
        self.beside: list[float] = []
        self.done = self.size == 0

    def project(self, vector: np.ndarray) -> np.ndarray:
        return np.asarray(vector - self.basis @ (self.basis.T @ vector))

    def extend(self, image: np.ndarray) -> None:
        """Take K W^1/2 times the last vector, and find the next one."""
        self.images.append(image.astype(np.float32))
        last = self.vectors[-1]
        following = self.project(self.root * image)
        self.diagonal.append(float(last @ following))
        for _ in range(2):
            for vector in self.vectors:
                following -= vector * (vector @ following)
        length = float(np.linalg.norm(following))
        self.beside.append(length)
        if length <= 1e-6 * max(self.diagonal):
            self.done = True
        else:
            self.vectors.append(following / length)

    def solve(self, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of the vectors (steps, shifts), and relative residuals (shifts,)."""
        m = len(self.diagonal)
        if m == 0:
            return np.zeros((0, len(shifts))), np.zeros(len(shifts))
        off = np.array(self.beside[: m - 1])
        values, vectors = np.linalg.eigh(
            np.diag(self.diagonal) + np.diag(off, 1) + np.diag(off, -1)
        )
        y = vectors @ (vectors[0][:, None] / (np.maximum(values, 0)[:, None] + shifts))
        return y * self.size, np.abs(y[-1]) * self.beside[-1]

    def finish(self, shifts: np.ndarray, n_samples: int) -> RidgeFits:
        y, residual = self.solve(shifts)
        m = len(y)
        shape = (len(self.root), len(shifts))
        image = np.stack(self.images, 1) @ y if m else np.zeros(shape)
        dual = np.stack(self.vectors[:m], 1) @ y if m else np.zeros(shape)
        rest = self.target[:, None] - self.root[:, None] * image
        coefficients = self.coefficients[:, None] + self.transform @ (self.basis.T @ rest)
        n = n_samples
        genetic = np.stack([from_slices(one.reshape(16, -1), n) for one in image.T], axis=1)
        dual = (self.root[:, None] * dual).astype(np.float32)
        return RidgeFits(genetic, coefficients, dual, self.family, residual)


def ridge_fits(
    products: Products,
    design: np.ndarray,
    family: Family,
    weights: Sequence[np.ndarray],
    penalties: np.ndarray,
    offset: np.ndarray,
    *,
    tolerance: float = 1e-3,
    max_steps: int = 100,
) -> list[RidgeFits]:
    """Fits for each set of weights (n,) and all penalties.

    penalties : float64, lambda of 1/(2W) sum w deviance + lambda/2 sum f beta^2
    tolerance : of the residual of the linear system, beside its right-hand side
    """
    n_halves, n = products.columns.halves.shape[1], products.columns.n_samples
    systems = [_System(design, family, weight, offset, n_halves) for weight in weights]
    shifts = [penalties * float((weight * family.observed).sum()) for weight in weights]
    for _ in range(max_steps):
        running = [k for k, system in enumerate(systems) if not system.done]
        if not running:
            break
        vectors = np.stack([systems[k].root * systems[k].vectors[-1] for k in running], axis=1)
        images = products.relate(vectors.astype(np.float32))
        for place, k in enumerate(running):
            systems[k].extend(images[:, place])
            if systems[k].solve(shifts[k])[1].max() <= tolerance:
                systems[k].done = True
    return [system.finish(shift, n) for system, shift in zip(systems, shifts, strict=True)]
