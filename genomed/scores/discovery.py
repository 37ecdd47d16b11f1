"""How far a person is from the people a score was made in, and what can be said about it.

The accuracy of a polygenic score falls, person by person and about linearly, with the distance from
the training population's centre on principal components (Ding et al. 2023, Nature,
doi:10.1038/s41586-023-06079-4). How steeply depends on the trait and on how the score was made,
which no scoring file tells: so the distance is given, and no accuracy is made up from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Discovery", "discovery_distance", "discovery_people"]

NEAR = 95.0  # percentile of the discovery ancestry's own people, within which one counts as near

# Words in descriptions of samples -> labels that panels of 1000 Genomes people use.
_WORDS = {
    "AFR": r"african|afro|yoruba|sub-saharan",
    "AMR": r"hispanic|latin|latino|latina|admixed american|native american",
    "EAS": r"east asians?|south-?east asians?|chinese|japanese|korean|vietnamese|han",
    "EUR": r"europeans?|caucasians?|white british|white|british|finnish|icelandic",
    "SAS": r"south asians?|indian|pakistani|bangladeshi|punjabi|gujarati",
    "MID": r"middle eastern",
    "OCE": r"oceanian|melanesian|polynesian",
}


def discovery_people(text: str | None, labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Reference people of the ancestries that a description of discovery samples names.

    text   : as the model file says it, or None
    labels : label -> bool (people,); populations and superpopulations alike
    returns: the labels named, or that its words stand for, where the reference has them
    """
    if not text:
        return {}
    plain = re.sub(r"non[- ]\w+", " ", text)
    found = {label for label in labels if re.search(rf"\b{re.escape(label)}\b", plain, re.I)}
    south_east = re.sub(r"south[- ]?east asian", "east asian", plain, flags=re.I)
    for label, words in _WORDS.items():
        if label in labels and re.search(rf"\b({words})\b", south_east, re.I):
            found.add(label)
    return {label: people for label, people in labels.items() if label in found and people.any()}


@dataclass(frozen=True)
class Discovery:
    """Distance from the nearest discovery ancestry.

    distance : float64 (samples,), 1 is the root mean square of its own people
    nearest  : object (samples,), its label
    near     : bool (samples,), within the 95th percentile of its own people
    """

    distance: np.ndarray
    nearest: np.ndarray
    near: np.ndarray

    def notes(self) -> list[str]:
        """One sentence per sample."""
        return [
            f"within the discovery ancestry ({label})"
            if near
            else f"{distance:.1f} times as far from the discovery ancestry ({label}) as its own "
            "people: expect less accuracy"
            for distance, label, near in zip(
                self.distance.tolist(), self.nearest.tolist(), self.near.tolist(), strict=True
            )
        ]


def discovery_distance(
    people: Mapping[str, np.ndarray], reference_pcs: np.ndarray, pcs: np.ndarray
) -> Discovery:
    """Distance of each sample from the centre of the nearest of some groups of reference people.

    people        : label -> bool (reference people,), at least one label
    reference_pcs : float64 (reference people, components); pcs : float64 (samples, components)
    """
    if not people:
        raise ValueError("no discovery ancestry to measure from")
    labels: Sequence[str] = list(people)
    relative = np.empty((len(labels), len(pcs)))
    limit = np.empty(len(labels))
    for i, label in enumerate(labels):
        own = reference_pcs[people[label]]
        centre = own.mean(axis=0)
        own_distance = np.linalg.norm(own - centre, axis=1)
        unit = float(np.sqrt((own_distance**2).mean())) or 1.0
        relative[i] = np.linalg.norm(pcs - centre, axis=1) / unit
        limit[i] = np.percentile(own_distance, NEAR) / unit
    nearest = relative.argmin(axis=0)
    at = np.arange(len(pcs))
    distance = relative[nearest, at]
    return Discovery(distance, np.array(labels, object)[nearest], distance <= limit[nearest])
