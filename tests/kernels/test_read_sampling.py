"""A share of the fragments: as many as asked for, mates together, the same every time."""

import struct

import numpy as np
import pytest

from genomed.kernels.read_sampling import keep_fragments


def records(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """BAM records with a name and nothing else, and where they lie."""
    text, place = b"", []
    for name in names:
        place.append(len(text))
        head = struct.pack("<iiBBHHHiiii", 0, 1, len(name) + 1, 60, 0, 0, 0, 0, 0, 0, 0)
        text += head + name.encode() + b"\0"
    return np.frombuffer(text, np.uint8), np.array(place, np.int64)


def kept(names: list[str], share: float, seed: int) -> np.ndarray:
    data, place = records(names)
    keep = np.empty(len(place), bool)
    keep_fragments(data, place, np.uint64(seed), np.uint64(round(share * 2**32)), keep)
    return keep


@pytest.mark.parametrize("seed", [1, 0xCBF29CE484222325])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_so_many_are_kept(share: float, seed: int) -> None:
    names = [f"HWI:1:{i // 7}:{i}" for i in range(20_000)]
    assert kept(names, share, seed).mean() == pytest.approx(share, abs=0.015)


def test_all_or_none_are_kept_at_the_ends() -> None:
    names = [str(i) for i in range(100)]
    assert kept(names, 1.0, 3).all()
    assert not kept(names, 0.0, 3).any()


def test_mates_stay_together_and_another_seed_keeps_others() -> None:
    names = [f"r{i}" for i in range(500)]
    one = kept(names + names, 0.5, 7)
    assert (one[:500] == one[500:]).all()
    assert (one[:500] != kept(names, 0.5, 8)).any()
