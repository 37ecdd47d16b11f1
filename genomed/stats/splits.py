"""Who is set aside for the test and who is held out together: folds that keep relatives together.

The parts are of equal size and alike in the strata (cases and controls of each ancestry). Chance
comes from a digest of the seed and the names, so that the order of the samples changes nothing, and
people who join or leave a cohort change as little as can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

__all__ = [
    "TEST",
    "UNUSED",
    "AcrossSets",
    "across_sets",
    "components",
    "folds",
    "pairs_of_groups",
    "strata",
]

TEST, UNUSED = -1, -2  # what `folds` says of people who are in no fold
_N_BINS = 5  # of a trait that is a number


class AcrossSets(NamedTuple):
    """Relatives on both sides of a split."""

    n_pairs: int
    n_people: int  # people of the test who have a relative among the others


def across_sets(fold: np.ndarray, relatives: np.ndarray) -> AcrossSets:
    """Count pairs of which one is in the test and the other in a fold.

    fold      : int8 (samples,), as `folds` gives it
    relatives : int64 (pairs, 2)
    """
    people = np.asarray(relatives, np.int64).reshape(-1, 2)
    pair = fold[people]
    across = (pair == TEST).any(axis=1) & (pair >= 0).any(axis=1)
    tested = people[across][pair[across] == TEST]
    return AcrossSets(int(across.sum()), len(np.unique(tested)))


def folds(
    samples: Sequence[str],
    *,
    n_folds: int = 5,
    test_fraction: float = 0.2,
    seed: int = 1,
    strata: np.ndarray | None = None,
    relatives: np.ndarray | None = None,
    test: np.ndarray | None = None,
    used: np.ndarray | None = None,
) -> np.ndarray:
    """Give everybody a fold, or to the test.

    samples       : names, each once
    n_folds       : at least 2
    test_fraction : share of those used who are set aside, 0 (nobody) to below 1
    strata        : int64 (samples,), what is to be alike in all parts; see `strata`
    relatives     : int64 (pairs, 2) of places in `samples`: whoever a chain of pairs joins is in
                    one part
    test          : bool (samples,), who is set aside; test_fraction is not looked at then, and
                    relatives may be on both sides: see across_sets
    used          : bool (samples,), all by default
    returns       : int8 (samples,): 0 to n_folds - 1; TEST; UNUSED
    raises        : ValueError when there are fewer people than parts, or numbers make no sense
    """
    n = len(samples)
    if not 2 <= n_folds <= 127 or not 0 <= test_fraction < 1:
        raise ValueError(f"{n_folds=} must be 2 to 127 and {test_fraction=} at least 0, below 1")
    if len(set(samples)) != n:
        raise ValueError("sample names must differ")
    if relatives is not None and not np.isin(relatives, np.arange(n)).all():
        raise ValueError(f"relatives must be places of the {n} samples")
    used = np.ones(n, np.bool_) if used is None else np.asarray(used, np.bool_)
    label = np.zeros(n, np.int64) if strata is None else np.asarray(strata, np.int64)
    pairs = np.array([] if relatives is None else relatives, np.int64).reshape(-1, 2)
    share = np.array([test_fraction, *[(1 - test_fraction) / n_folds] * n_folds])
    dealt = used
    if test is not None:
        test = np.asarray(test, np.bool_)
        dealt = used & ~test
        share = np.array([0, *[1 / n_folds] * n_folds])
    if dealt.sum() < n_folds + (share[0] > 0):
        raise ValueError(f"{int(dealt.sum())} people are too few for {n_folds} folds and a test")
    out = np.full(n, UNUSED, np.int8)
    people = np.flatnonzero(dealt)
    place = np.full(n, -1, np.int64)
    place[people] = np.arange(len(people))
    inside = place[pairs]
    family = components(len(people), inside[(inside >= 0).all(axis=1)])
    digest = np.array([_digest(samples[i], seed) for i in people.tolist()], np.uint64)
    _, code = np.unique(label[people], return_inverse=True)
    out[people] = _deal(family, digest, code.astype(np.int64), share) - 1
    if test is not None:
        out[used & test] = TEST
    return out


def _digest(name: str, seed: int) -> int:
    return int.from_bytes(blake2b(f"{seed}\t{name}".encode(), digest_size=8).digest(), "little")


def _deal(
    family: np.ndarray, digest: np.ndarray, code: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Part of everybody: int64 (people,), index into `share`."""
    total = np.bincount(code)
    goal = np.outer(share, total)  # (parts, strata)
    part = np.full(len(family), -1, np.int64)
    size = np.bincount(family)
    single = size[family] == 1
    given = _deal_families(family, digest, code, goal, part, ~single)
    order = np.lexsort((digest, code))
    order = order[single[order]]
    stops = np.cumsum(np.bincount(code[order], minlength=len(total)))
    owed = np.zeros(len(share))  # by how much each part is behind, over the strata so far
    # Strata with relatives first: there the parts may be out of balance.
    for stratum in np.argsort(-given.sum(axis=0), kind="stable"):
        members = order[stops[stratum - 1] if stratum else 0 : stops[stratum]]
        wanted = np.maximum(goal[:, stratum] - given[:, stratum], 0)
        counts = _whole(wanted, len(members), owed + (goal - given)[:, stratum])
        owed += goal[:, stratum] - given[:, stratum] - counts
        part[members] = np.repeat(np.arange(len(share)), counts)
    return part


def _deal_families(
    family: np.ndarray,
    digest: np.ndarray,
    code: np.ndarray,
    goal: np.ndarray,
    part: np.ndarray,
    member: np.ndarray,
) -> np.ndarray:
    """Give families, the largest first, to the part that lacks most of their strata.

    part    : int64 (people,), filled for members of families
    returns : float64 (parts, strata), people given
    """
    given = np.zeros_like(goal)
    open_parts = np.flatnonzero(goal.sum(axis=1) > 0).tolist()
    people = np.flatnonzero(member)
    people = people[np.lexsort((digest[people], family[people]))]
    groups = np.split(people, np.flatnonzero(np.diff(family[people])) + 1) if len(people) else []
    groups.sort(key=lambda group: (-len(group), int(digest[group[0]])))
    lack = np.where(goal > 0, 1.0, 0.0).tolist()  # share of the goal still to be given
    step = np.where(goal > 0, 1 / np.where(goal > 0, goal, 1), 0).tolist()
    for group in groups:
        members = code[group].tolist()
        scores = [round(sum(lack[p][stratum] for stratum in members), 9) for p in open_parts]
        chosen = open_parts[scores.index(max(scores))]
        for stratum in members:
            lack[chosen][stratum] -= step[chosen][stratum]
            given[chosen, stratum] += 1
        part[group] = chosen
    return given


def _whole(wanted: np.ndarray, n: int, owed: np.ndarray) -> np.ndarray:
    """Whole numbers with the sum n, in the proportions wanted; int64 (parts,).

    Whoever is owed most gets the next of what is left over.
    """
    total = wanted.sum()
    exact = wanted * (n / total) if total > 0 else np.where(wanted >= 0, n / len(wanted), 0)
    counts = np.floor(np.round(exact, 9)).astype(np.int64)
    left = n - int(counts.sum())
    order = np.lexsort((np.arange(len(wanted)), -np.round(owed - counts, 9)))
    order = order[wanted[order] > 0] if total > 0 else order
    counts[order[:left]] += 1
    return counts


def components(n_samples: int, pairs: np.ndarray) -> np.ndarray:
    """Label of the family of everybody, the smallest place in it: int64 (samples,).

    pairs : int64 (pairs, 2) of places
    """
    parent = list(range(n_samples))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for one, other in np.asarray(pairs, np.int64).reshape(-1, 2).tolist():
        if not (0 <= one < n_samples and 0 <= other < n_samples):
            raise ValueError(f"{one} and {other} are no pair of {n_samples} samples")
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return np.array([root(place) for place in range(n_samples)], np.int64)


def pairs_of_groups(groups: Sequence[str | None]) -> np.ndarray:
    """Pairs that join everybody of a group, as of a family: int64 (pairs, 2); None is in none."""
    first: dict[str, int] = {}
    pairs = [
        (first[group], place)
        for place, group in enumerate(groups)
        if group is not None and first.setdefault(group, place) != place
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def strata(
    value: np.ndarray, *, is_number: bool = False, groups: Sequence[str | None] | None = None
) -> np.ndarray:
    """What the parts of a split are to be alike in: int64 (samples,).

    value     : float64 (samples,), 0 and 1, NaN missing; or a number, which is cut into fifths
    is_number : which of the two
    groups    : ancestry of everybody, None unknown
    """
    value = np.asarray(value, np.float64)
    known = np.isfinite(value)
    level = np.full(len(value), -1, np.int64)
    if is_number and known.any():
        edges = np.quantile(value[known], np.arange(1, _N_BINS) / _N_BINS)
        level[known] = np.searchsorted(edges, value[known], side="right")
    else:
        level[known] = value[known].astype(np.int64)
    names = [""] * len(level) if groups is None else ["" if g is None else f"={g}" for g in groups]
    _, group = np.unique(np.array(names, dtype=np.str_), return_inverse=True)
    return group.astype(np.int64) * (_N_BINS + 2) + level + 1
