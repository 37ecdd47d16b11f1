"""Which reference people a model's description of its discovery samples means, and how far off."""

import numpy as np
import pytest

from genomed.scores.discovery import discovery_distance, discovery_people

LABELS = ("AFR", "AMR", "EAS", "EUR", "SAS", "FIN", "YRI")
GROUPS = {label: np.arange(len(LABELS)) == i for i, label in enumerate(LABELS)}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("European (UK Biobank)", ["EUR"]),
        ("European ('Caucasian', clinic- or autopsy-based studies)", ["EUR"]),
        ("EUR", ["EUR"]),
        ("fin", ["FIN"]),
        ("East Asian, European", ["EAS", "EUR"]),
        ("South-East Asian", ["EAS"]),
        ("South Asian", ["SAS"]),
        ("African American or Afro-Caribbean", ["AFR"]),
        ("Hispanic or Latin American", ["AMR"]),
        ("non-European", []),
        ("not stated in the abstract (8 pooled case-control studies)", []),
        ("Greater Middle Eastern", []),
        ("", []),
        (None, []),
    ],
)
def test_words_of_the_field_stand_for_labels_of_panels(text, labels):
    assert sorted(discovery_people(text, GROUPS)) == labels


def test_labels_with_odd_characters_are_plain_text():
    assert list(discovery_people("a(b", {"a(b": np.ones(1, bool)})) in ([], ["a(b"])


def test_one_is_the_root_mean_square_distance_of_the_discovery_people():
    rng = np.random.default_rng(1)
    reference = np.concatenate([rng.normal(size=(400, 2)), rng.normal([10, 0], size=(400, 2))])
    people = {"EUR": np.arange(800) < 400}
    own = discovery_distance(people, reference, reference[:400])
    assert np.sqrt((own.distance**2).mean()) == pytest.approx(1)
    assert own.near.mean() == pytest.approx(0.95, abs=0.01)
    far = discovery_distance(people, reference, reference[400:])
    assert far.distance.mean() == pytest.approx(10 / np.sqrt(2), rel=0.05)
    assert not far.near.any()
    assert far.notes()[0].startswith(f"{far.distance[0]:.1f} times as far from the discovery")


def test_the_nearest_of_several_discovery_ancestries_counts():
    reference = np.array([[0.0], [2.0], [10.0], [12.0]])
    people = {"A": np.array([True, True, False, False]), "B": np.array([False, False, True, True])}
    found = discovery_distance(people, reference, np.array([[1.0], [11.5]]))
    assert found.nearest.tolist() == ["A", "B"]
    assert found.distance.tolist() == [0, 0.5]
    assert found.notes() == [
        "within the discovery ancestry (A)",
        "within the discovery ancestry (B)",
    ]
