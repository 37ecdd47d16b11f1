"""Which products of two or three columns the residual of a linear model asks for.

A net finds a product of three calls that explains one hundredth of a variance only by chance; a
score test of every product finds it at once, as there are few hubs. The tests are those of single
columns in a regression on the residual (Rao's score), so they hold for every family of traits.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

__all__ = ["Products", "multiply", "propose_products"]


MAX_COLUMNS = 160  # that are multiplied in threes: 669,920 products
BY_CHANCE = 0.1  # cohorts in which noise would be taken for a product


class Products(NamedTuple):
    """Products of columns.

    columns     : int64 (products, 3), the columns that are multiplied; -1 in the third place where
                  there are two
    coefficient : float64 (products, traits), of the centred products, fitted together
    mean        : float64 (products,), over the people with weight
    """

    columns: np.ndarray
    coefficient: np.ndarray
    mean: np.ndarray


def propose_products(
    values: np.ndarray,
    owner: np.ndarray,
    residual: np.ndarray,
    weight: np.ndarray,
    *,
    order: int = 3,
    most: int = 64,
    candidates: int = 512,
) -> Products:
    """Choose products one after another while the best is beyond what chance gives among all.

    values   : float32 (people, columns), standardised, finite
    owner    : int64 (columns,), columns of one owner are not multiplied with each other
    residual : float64 (people, traits), d log likelihood / d linear predictor, 0 where a person is
               not observed or left out
    weight   : float64 (people, traits), information, 0 there as well
    order    : 2 or 3 factors at most
    most     : products at most
    returns  : Products, the strongest first. A product is taken while its |z| is beyond what the
               largest of all those tested exceeds in one of ten cohorts by chance (Bonferroni)

    Raises ValueError for shapes that do not agree.
    """
    if residual.shape != weight.shape or len(residual) != len(values):
        raise ValueError(f"residual {residual.shape}, weight {weight.shape}, values {values.shape}")
    places, z, tested = _score_all(values, owner, residual, order)
    n_traits = residual.shape[1]
    if not tested:
        return Products(np.zeros((0, 3), np.int64), np.zeros((0, n_traits)), np.zeros(0))
    cut = NormalDist().inv_cdf(1 - BY_CHANCE / (2 * tested * n_traits))
    best = np.argsort(-z, kind="stable")[:candidates]
    best = best[z[best] > 0.999 * cut]  # decided below, in float64
    return _pursue(values, places[best], residual, weight, cut, most)


def multiply(values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The products: float64 (people, products), for `columns` of Products."""
    product = values[:, columns[:, 0]].astype(np.float64) * values[:, columns[:, 1]]
    third = np.where(columns[:, 2] < 0, 1.0, values[:, columns[:, 2]])
    return product * third


def _score_all(
    values: np.ndarray, owner: np.ndarray, residual: np.ndarray, order: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """The strongest |z| over traits of every product: places (m, 3), z (m,) and m.

    z of a product x is sum(r x) / sqrt(sum(r^2 x^2)). Beyond MAX_COLUMNS only the columns of the
    strongest pairs are multiplied in threes.
    """
    counted = np.any(residual != 0, axis=1)
    used, r = values[counted].astype(np.float32), residual[counted].astype(np.float32)
    first, second = np.triu_indices(values.shape[1], 1)
    apart = owner[first] != owner[second]
    first, second = first[apart], second[apart]
    pairs = [_score_pairs(used, r, i, second[first == i]) for i in np.unique(first)]
    if not pairs:
        return np.zeros((0, 3), np.int64), np.zeros(0), 0
    z = np.concatenate(pairs)
    places = [np.column_stack([first, second, np.full(len(first), -1)])]
    scores = [z]
    if order > 2:
        strength = np.zeros(values.shape[1])
        np.maximum.at(strength, first, z)
        np.maximum.at(strength, second, z)
        kept = np.sort(np.argsort(-strength, kind="stable")[:MAX_COLUMNS])
        for i in range(len(kept) - 2):
            found, z_three = _score_threes(used[:, kept], r, i, owner[kept])
            places.append(kept[found])
            scores.append(z_three)
    joined = np.concatenate(scores)
    return np.concatenate(places).astype(np.int64), joined, len(joined)


def _score_pairs(used: np.ndarray, r: np.ndarray, i: int, js: np.ndarray) -> np.ndarray:
    """|z| of column i with columns js, the strongest over traits: float32 (len(js),)."""
    product = used[:, [i]] * used[:, js]  # (people, pairs)
    return _z(r, product, product**2)


def _score_threes(
    used: np.ndarray, r: np.ndarray, i: int, owner: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Places (m, 3) and |z| (m,) of column i with all two behind it, by matrix products."""
    behind = np.arange(i + 1, used.shape[1])
    others = used[:, behind]  # (people, behind)
    pair = others * used[:, [i]]  # (people, behind)
    z = np.zeros((len(behind), len(behind)), np.float32)
    for t in range(r.shape[1]):
        sums = (pair * r[:, [t]]).T @ others  # (behind, behind)
        spread = (pair**2 * r[:, [t]] ** 2).T @ others**2  # (behind, behind)
        z = np.maximum(z, np.abs(sums) / np.sqrt(np.where(spread > 0, spread, np.inf)))
    who = owner[behind]
    apart = (who[:, None] != who) & (who != owner[i]) & (who[:, None] != owner[i])
    j, k = np.nonzero(np.triu(apart, 1))
    return np.column_stack([np.full(len(j), i), behind[j], behind[k]]), z[j, k]


def _z(residual: np.ndarray, product: np.ndarray, square: np.ndarray) -> np.ndarray:
    """The strongest |z| over traits: float64 (products,)."""
    sums = residual.T @ product  # (traits, products)
    spread = (residual**2).T @ square  # (traits, products)
    return (np.abs(sums) / np.sqrt(np.where(spread > 0, spread, np.inf))).max(axis=0)


def _pursue(
    values: np.ndarray,
    places: np.ndarray,
    residual: np.ndarray,
    weight: np.ndarray,
    cut: float,
    most: int,
) -> Products:
    """Orthogonal matching pursuit (Pati 1993) among the candidates, by the residual's own scale."""
    n_traits = residual.shape[1]
    design = multiply(values, places)  # (people, candidates)
    mean = design[np.any(weight > 0, axis=1)].mean(axis=0)
    design -= mean
    chosen: list[int] = []
    coefficient = np.zeros((0, n_traits))
    left = residual.copy()
    while len(chosen) < min(most, len(places)):
        z = _z(left, design, design**2)
        z[chosen] = 0
        best = int(np.argmax(z))
        if not z[best] > cut:
            break
        chosen.append(best)
        columns = design[:, chosen]
        coefficient = np.column_stack(
            [_fit(columns, residual[:, t], weight[:, t]) for t in range(n_traits)]
        )
        left = residual - weight * (columns @ coefficient)
    return Products(places[chosen], coefficient, mean[chosen])


def _fit(columns: np.ndarray, residual: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """One Newton step from zero, with a trace of a ridge against columns that say the same."""
    information = columns.T @ (columns * weight[:, None])
    ridge = 1e-3 * np.trace(information) / len(information) + 1e-12
    return np.linalg.solve(information + ridge * np.eye(len(information)), columns.T @ residual)
