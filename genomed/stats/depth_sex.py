"""Sex by depth: how deep X, Y and the mitochondrion are beside chromosomes 1 to 22."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from genomed.regions import AUTOSOMES, canonical_contig

__all__ = ["DepthRatios", "depth_ratios"]

# One copy of X is half as deep as two of an autosome; reads of X that map to Y in a woman are a
# hundredth. Much of Y is unknown (N) or like X, so one copy is a fifth of the autosomes over its
# whole length, and up to a half over its known bases.
MAX_MALE_X = 0.75
MIN_MALE_Y = 0.08
MIN_DEPTH = 0.01  # of autosomes; less tells nothing


class DepthRatios(NamedTuple):
    """Mean depth over that of autosomes (None where unknown), and the sex that they tell."""

    x: float | None
    y: float | None
    mt: float | None
    sex: str | None


def depth_ratios(depth: Mapping[str, tuple[int, int]]) -> DepthRatios:
    """Compare the depth of contigs.

    depth : contig, as spelt -> sum of depths, bases; only contigs that were looked at
    """
    by_name: dict[str, tuple[int, int]] = {}
    for contig, one in depth.items():
        by_name.setdefault(canonical_contig(contig), one)
    total = sum(by_name[name][0] for name in by_name.keys() & AUTOSOMES)
    length = sum(by_name[name][1] for name in by_name.keys() & AUTOSOMES)
    if not length or total / length < MIN_DEPTH:
        return DepthRatios(None, None, None, None)
    mean = total / length
    x, y, mt = (
        by_name[name][0] / by_name[name][1] / mean if by_name.get(name, (0, 0))[1] else None
        for name in ("X", "Y", "MT")
    )
    return DepthRatios(x, y, mt, _sex(x, y))


def _sex(x: float | None, y: float | None) -> str | None:
    """Male where X is as of one copy and Y is there; female where neither."""
    if x is None or y is None or (x == 0 and y == 0):
        return None
    one_x, has_y = x < MAX_MALE_X, y > MIN_MALE_Y
    if one_x != has_y:
        return "ambiguous"
    return "male" if one_x else "female"
