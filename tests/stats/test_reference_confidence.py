"""Confidence in the reference: about 3 for each read, less where reads say otherwise."""

import numpy as np

from genomed.kernels import pileup
from genomed.stats.reference_confidence import reference_quality


def counts_of(same: int, other: int = 0, gaps: int = 0, quality: int = 30) -> np.ndarray:
    row = np.zeros(pileup.N_COUNTS, np.int32)
    row[0], row[1] = same, other
    row[pileup.DELETION] = gaps
    row[pileup.REF_QUALITY], row[pileup.OTHER_QUALITY] = same * quality, other * quality
    row[pileup.MAPPING_QUALITY] = 60 * (same + other)
    row[pileup.READS] = same + other
    return row


def quality(*rows: np.ndarray, ref: int = 0) -> list[int]:
    gq, _ = reference_quality(np.stack(rows), np.full(len(rows), ref, np.uint8))
    return gq.tolist()


def test_each_read_adds_three_up_to_99() -> None:
    assert quality(counts_of(1), counts_of(2), counts_of(10), counts_of(50)) == [3, 6, 30, 99]


def test_reads_with_another_base_or_an_indel_take_confidence_away() -> None:
    clean, base, gap = quality(counts_of(20), counts_of(19, 1), counts_of(20, gaps=1))
    assert base < clean
    assert gap < clean
    assert quality(counts_of(10, 10)) == [0]


def test_nothing_is_sure_without_reads_or_without_a_reference_base() -> None:
    assert quality(counts_of(0)) == [0]
    assert quality(counts_of(30), ref=4) == [0]


def test_poor_bases_say_less() -> None:
    assert quality(counts_of(10, quality=5))[0] < quality(counts_of(10))[0]
