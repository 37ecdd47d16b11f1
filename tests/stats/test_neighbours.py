"""Distances to reference people, and who lies outside."""

import numpy as np
import pytest

from genomed.stats.neighbours import (
    genetic_distance,
    nearest_people,
    others_near,
    steady_components,
    surroundings,
    typical_surroundings,
)


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    """Two dense groups, and a thin line from the first towards a third corner."""
    rng = np.random.default_rng(21)
    line = rng.uniform(0, 1, (60, 1)) * [[0.0, 1.0, 0.0]]
    centres = np.repeat([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], 300, axis=0)
    points = [rng.normal(0, 0.02, (600, 3)) + centres, line]
    return np.vstack(points) + rng.normal(0, 0.005, (660, 3))


def test_neighbours_are_those_of_the_definition(reference: np.ndarray) -> None:
    people = np.random.default_rng(22).uniform(-0.2, 1.2, (50, 3))
    found = nearest_people(reference, people, 7)
    distance = np.linalg.norm(people[:, None] - reference[None], axis=2)
    expected = np.argsort(distance, axis=1, kind="stable")[:, :7]
    np.testing.assert_array_equal(found.place, expected)
    np.testing.assert_allclose(found.distance, np.take_along_axis(distance, expected, axis=1))


def test_nobody_is_their_own_neighbour(reference: np.ndarray) -> None:
    found = nearest_people(reference, reference, 5, same=True)
    assert not (found.place == np.arange(len(reference))[:, None]).any()
    with pytest.raises(ValueError, match="3 neighbours cannot be had of 3 people"):
        nearest_people(reference[:3], reference[:3], 3, same=True)


def test_people_of_the_reference_are_left_out_of_their_own_neighbours(
    reference: np.ndarray,
) -> None:
    same = np.array([5, -1, 600])
    people = reference[[5, 17, 600]]
    found = others_near(reference, people, 9, same)
    whole = nearest_people(reference, people, 10)
    assert found.place[0].tolist() == whole.place[0, 1:].tolist()
    assert found.place[1].tolist() == whole.place[1, :9].tolist()
    assert found.place[2].tolist() == whole.place[2, 1:].tolist()
    np.testing.assert_array_equal(found.distance[0], whole.distance[0, 1:])
    none = others_near(reference, people, 9, np.full(3, -1))
    np.testing.assert_array_equal(none.place, whole.place[:, :9])


def test_a_gap_is_outside_and_a_thin_line_is_not(reference: np.ndarray) -> None:
    typical, limit = typical_surroundings(reference)
    people = np.array([[0.01, 0.01, 0], [1.0, 0.02, 0], [0.0, 0.5, 0], [0.5, 0, 0], [0, 0, 0.5]])
    found = surroundings(nearest_people(reference, people), typical, limit)
    assert found.outside.tolist() == [False, False, False, True, True]
    assert found.isolation[0] < 2


def test_a_person_without_scores_is_outside(reference: np.ndarray) -> None:
    typical, limit = typical_surroundings(reference)
    people = np.full((1, 3), np.nan)
    found = surroundings(nearest_people(reference, people), typical, limit)
    assert found.outside.tolist() == [True]
    assert np.isnan(found.distance).all()


def test_reference_people_are_inside(reference: np.ndarray) -> None:
    typical, limit = typical_surroundings(reference)
    near = nearest_people(reference, reference, same=True)
    assert surroundings(near, typical, limit).outside.mean() <= 0.002


def test_genetic_distance_is_euclidean() -> None:
    scores = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_array_equal(genetic_distance(scores, np.zeros(2)), [5.0, 0.0])


def test_components_that_shrink_much_are_left_out() -> None:
    assert steady_components(np.array([0.99, 0.9, 0.5, 0.8])) == 2
    assert steady_components(np.array([0.2])) == 1
    assert steady_components(np.array([0.9, 0.9])) == 2
