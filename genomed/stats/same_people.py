"""Finding people who are in two sets, by their genotypes, without comparing every pair.

Some hundred loci are cut into bands of 16. The same person has the same calls in at least one band,
unless most calls are wrong; others share one about once in a million. Pairs that share a band are
compared at all the loci: KING-robust kinship (Manichaikul et al. 2010) above 0.354, half way
between the same person (or a twin) and a brother or sister, on a scale of powers of two.
"""

from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["informative_loci", "same_people"]

N_LOCI = 1024
LEAST_MAF = 0.1
BAND = 16
LEAST_COMMON = 200  # loci called in both, for a kinship to tell siblings from the same person
SAME_KINSHIP = 0.354
LEAST_NAMED, SAME_CALLS = 20, 0.95  # loci, and share of equal calls, where names are equal too
FIRST = 3  # reference people of equal calls in a band that are looked at


def informative_loci(frequency: np.ndarray) -> np.ndarray:
    """Places of loci that tell people apart, at most 1,024 spread evenly: int64, rising.

    frequency : float64 (loci,), of either allele; NaN where nobody was called
    """
    with np.errstate(invalid="ignore"):
        common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= LEAST_MAF)
    if len(common) <= N_LOCI:
        return common
    return common[np.linspace(0, len(common) - 1, N_LOCI).astype(np.int64)]


def same_people(
    people: np.ndarray,
    reference: np.ndarray,
    names: Sequence[str] = (),
    reference_names: Sequence[str] = (),
) -> np.ndarray:
    """Which reference person each person is: int64 (people,), -1 where none.

    people, reference : int8 (loci, people), copies of the same allele of the same loci, -9 where
                        not called
    names, reference_names : of them. With few loci, only those of equal name can be told to be the
                        same person: those with equal calls
    """
    found = np.full(people.shape[1], -1, np.int64)
    if not people.size or not reference.size:
        return found
    pairs = [_candidates(*band) for band in _bands(people, reference)]
    for mine, theirs in pairs:
        new = found[mine] < 0
        mine, theirs = mine[new], theirs[new]
        kinship, n_both, _ = _compared(people[:, mine], reference[:, theirs])
        same = (n_both >= LEAST_COMMON) & (kinship > SAME_KINSHIP)
        found[mine[same][::-1]] = theirs[same][::-1]  # the first of several
    place = {name: i for i, name in enumerate(reference_names)}
    named = [(i, place[x]) for i, x in enumerate(names) if found[i] < 0 and x in place]
    if named:
        mine, theirs = np.array(named, np.int64).T
        _, n_both, equal = _compared(people[:, mine], reference[:, theirs])
        same = (n_both >= LEAST_NAMED) & (equal >= SAME_CALLS)
        found[mine[same]] = theirs[same]
    return found


def _bands(people: np.ndarray, reference: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Calls of a band's loci as one number, uint32, of both; 0xFFFFFFFF where one is missing."""
    n_bands = len(people) // BAND
    for band in range(n_bands):
        here = slice(band, n_bands * BAND, n_bands)  # far apart, for LD
        yield _packed(people[here]), _packed(reference[here])


def _packed(calls: np.ndarray) -> np.ndarray:
    pairs = calls.view(np.uint8) & np.uint8(3)
    quarters = [
        pairs[i] | (pairs[i + 1] << 2) | (pairs[i + 2] << 4) | (pairs[i + 3] << 6)
        for i in range(0, BAND, 4)
    ]
    number = np.stack(quarters, axis=1).view(np.uint32)[:, 0]
    number[(calls < 0).any(axis=0)] = np.uint32(0xFFFFFFFF)
    return np.asarray(number)


def _candidates(people: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of equal numbers, some of the first of each: int64 (pairs,) twice."""
    order = np.argsort(reference, kind="stable")
    at = reference[order]
    first = np.searchsorted(at, people, side="left")
    mine, theirs = [], []
    for more in range(FIRST):
        place = np.minimum(first + more, len(at) - 1)
        hit = (first + more < len(at)) & (at[place] == people) & (people != 0xFFFFFFFF)
        mine.append(np.flatnonzero(hit))
        theirs.append(order[place[hit]])
    return np.concatenate(mine), np.concatenate(theirs).astype(np.int64)


def _compared(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kinship of pairs, loci called in both, and the share of equal calls: (pairs,) each."""
    both = (a >= 0) & (b >= 0)
    n_both = both.sum(axis=0)
    apart = np.where(both, a - b, 0).astype(np.int16)
    fewest = np.minimum(((a == 1) & both).sum(axis=0), ((b == 1) & both).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        kinship = 0.5 - (apart**2).sum(axis=0) / (4 * fewest)
        equal = 1 - (apart != 0).sum(axis=0) / n_both
    return kinship, n_both, equal
