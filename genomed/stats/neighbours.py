"""How far a person is from reference people, without labels: genetic distance and neighbourhood.

Genetic distance is the Euclidean distance from a centre in the space of principal components (Ding
et al. 2023, Nature 618:774-781, who show that the accuracy of a polygenic score falls with it, from
one person to the next, within populations too). Scores here are those of the relationship matrix,
so a squared distance between the centres of two populations is about four times their F_ST (Prive
et al. 2022, Bioinformatics 38:3477-3480: squared distances of components are proportional to F_ST).
"""

from typing import NamedTuple

import numpy as np

__all__ = [
    "Neighbours",
    "Surroundings",
    "genetic_distance",
    "nearest_people",
    "others_near",
    "steady_components",
    "surroundings",
    "typical_surroundings",
]

N_NEIGHBOURS = 20
MIN_SHRINKAGE = 0.7
OUTSIDE = 3.0  # at least; see typical_surroundings
NEW_PEOPLE = 1.25  # how much further out they fall than reference people, who made the components
CHUNK = 1 << 22  # distances at a time


class Neighbours(NamedTuple):
    """The nearest reference people of each person, nearest first.

    place    : int64 (people, neighbours), places among the reference people
    distance : float64 (people, neighbours), in the space of components
    """

    place: np.ndarray
    distance: np.ndarray


class Surroundings(NamedTuple):
    """How a person's distance to the nearest reference people compares with theirs.

    distance  : float64 (people,), mean distance to the nearest reference people; NaN where unknown
    isolation : float64 (people,), that, over the median of the same of those neighbours;
                about 1 inside the reference
    outside   : bool (people,), whether isolation is beyond the limit; True where unknown
    """

    distance: np.ndarray
    isolation: np.ndarray
    outside: np.ndarray


def steady_components(shrinkage: np.ndarray) -> int:
    """How many leading components place new people well: those that shrink by under 30%.

    shrinkage : float64 (k,), as Pca.shrinkage
    Further ones are largely noise of the people they were found in. At least 1.
    """
    weak = np.flatnonzero(np.asarray(shrinkage) < MIN_SHRINKAGE)
    return max(1, int(weak[0]) if len(weak) else len(shrinkage))


def genetic_distance(scores: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Euclidean distance of people from a centre, say of those a score was trained on: (people,).

    scores : float64 (people, k)
    centre : float64 (k,)
    """
    return np.asarray(np.linalg.norm(scores - centre, axis=1))


def nearest_people(
    reference: np.ndarray,
    people: np.ndarray,
    n_neighbours: int = N_NEIGHBOURS,
    *,
    same: bool = False,
) -> Neighbours:
    """Nearest reference people, ties by their order.

    reference : float64 (reference people, k)
    people    : float64 (people, k); NaN gives a distance of NaN
    same      : the people are the reference people, and nobody is their own neighbour
    Raises ValueError when there are fewer reference people than neighbours asked for.
    """
    if not 1 <= n_neighbours <= len(reference) - same:
        raise ValueError(f"{n_neighbours} neighbours cannot be had of {len(reference)} people")
    index = np.zeros((len(people), n_neighbours), np.int64)
    distance = np.empty((len(people), n_neighbours))
    step = max(1, CHUNK // len(reference))
    length = (reference**2).sum(axis=1)
    for first in range(0, len(people), step):
        part = people[first : first + step]
        squares = (part**2).sum(axis=1)[:, None] + length - 2 * part @ reference.T
        if same:
            squares[np.arange(len(part)), first + np.arange(len(part))] = np.inf
        near = np.argpartition(squares, n_neighbours - 1, axis=1)[:, :n_neighbours]
        near.sort(axis=1)
        near_squares = ((part[:, None, :] - reference[near]) ** 2).sum(axis=2)
        order = np.argsort(near_squares, axis=1, kind="stable")
        index[first : first + step] = np.take_along_axis(near, order, axis=1)
        distance[first : first + step] = np.sqrt(np.take_along_axis(near_squares, order, axis=1))
    return Neighbours(index, distance)


def others_near(
    reference: np.ndarray, people: np.ndarray, n_neighbours: int, same: np.ndarray | None
) -> Neighbours:
    """Nearest reference people, as nearest_people, of whom nobody is the person.

    same : int64 (people,), place among the reference people of those who are in it, else -1; None
           for nobody in it
    """
    n_neighbours = min(n_neighbours, len(reference) - 1)
    if same is None or (same < 0).all():
        return nearest_people(reference, people, n_neighbours)
    near = nearest_people(reference, people, n_neighbours + 1)
    other = near.place != same[:, None]
    other[other.all(axis=1), -1] = False
    shape = len(people), n_neighbours
    return Neighbours(near.place[other].reshape(shape), near.distance[other].reshape(shape))


def typical_surroundings(
    reference: np.ndarray, n_neighbours: int = N_NEIGHBOURS
) -> tuple[np.ndarray, float]:
    """Mean distance of each reference person to their nearest, and the limit of isolation.

    The limit is a quarter more than the isolation that one in a thousand reference people exceeds,
    each left out in turn, or than 3. One to four in a thousand new people of the 1000 Genomes'
    populations exceed it.
    """
    n_neighbours = min(n_neighbours, len(reference) - 1)
    near = nearest_people(reference, reference, n_neighbours, same=True)
    typical = near.distance.mean(axis=1)
    isolation = _isolation(typical, near.place, typical)
    return typical, NEW_PEOPLE * max(OUTSIDE, float(np.quantile(isolation, 0.999)))


def surroundings(
    near: Neighbours, typical: np.ndarray, limit: float
) -> Surroundings:  # fmt: skip
    """Whether people lie among the reference people.

    near           : their nearest reference people, as many as `typical` was made with
    typical, limit : from typical_surroundings
    The comparison is with the neighbours (as in the local outlier factor of Breunig 2000), so that
    a gap between two dense populations is outside, but a thinly sampled cline is not.
    """
    distance = near.distance.mean(axis=1)
    isolation = _isolation(distance, near.place, typical)
    return Surroundings(distance, isolation, ~(isolation <= limit))


def _isolation(distance: np.ndarray, index: np.ndarray, typical: np.ndarray) -> np.ndarray:
    around = np.median(typical[index], axis=1)
    return np.asarray(distance / np.maximum(around, 1e-300))
