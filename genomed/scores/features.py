"""What the terms of a score refer to: one row of dosages per counted allele of a record.

A batch's arrays, the features counted in it, and how features are cut into blocks that stay in a
processor's cache; `genomed.kernels.scoring` says what each array means.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from genomed.kernels import scoring as kernel
from genomed.schema import VariantBatch

__all__ = ["BLOCK", "Block", "Calls", "Features", "Terms", "blocks", "model_groups", "plain_calls"]

BLOCK = 256  # features at a time

_ONE_COPY_CONTIGS = ("Y", "MT")  # a call counts as one copy there, whatever its ploidy


@dataclass
class Terms:
    """weight x feature, for some entries: parallel arrays in the order of the sum.

    entry_at : int64, index into the entries; recode : int8; weight : float64
    """

    entry_at: np.ndarray
    recode: np.ndarray
    weight: np.ndarray


@dataclass
class Features:
    """Rows of numbers that terms refer to: arrays (features,), in the order of the kernels."""

    row: np.ndarray
    record_first: np.ndarray
    record_stop: np.ndarray
    count: np.ndarray
    recode: np.ndarray
    scale: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        return self.row, self.record_first, self.record_stop, self.count, self.recode, self.scale

    def __getitem__(self, index: np.ndarray | slice) -> Features:
        return Features(*(array[index] for array in self.arrays))

    def recoded(self, recode: np.ndarray) -> Features:
        """The same, recoded in another way."""
        return replace(self, recode=recode)

    def key(self) -> np.ndarray:
        """A number that equal features of one batch share, int64."""
        return (self.row * 3 + self.count) * 4 + self.recode

    def needed(self) -> tuple[np.ndarray, np.ndarray]:
        """First row and row after the last that must be called for a feature to be known, int64."""
        of_record = self.count == kernel.COUNT_REF
        first = np.where(of_record, self.record_first, self.row)
        return first, np.where(of_record, self.record_stop, self.row + 1)


class Calls:
    """The arrays of a batch as the kernels take them.

    line      : int64 (variants,), equal for the rows of one record, which are neighbours
    canonical : str (variants,), contig name of each row
    """

    def __init__(self, batch: VariantBatch, line: np.ndarray, canonical: np.ndarray) -> None:
        ploidy, dosage = batch.call_ploidy, batch.call_dosage
        self.alt_count = batch.alt_count
        self.has_ploidy, self.has_dosage = ploidy is not None, dosage is not None
        self.call_ploidy = np.zeros((0, 0), np.int8) if ploidy is None else ploidy
        self.call_dosage = np.zeros((0, 0), np.float32) if dosage is None else dosage
        self._record_first, self._record_stop = _record_bounds(line)
        self._scale = np.where(np.isin(canonical, _ONE_COPY_CONTIGS), 1.0, 2.0)

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, bool, np.ndarray, bool]:
        return self.alt_count, self.call_ploidy, self.has_ploidy, self.call_dosage, self.has_dosage

    def features(self, row: np.ndarray, count: np.ndarray) -> Features:
        """What is counted in some rows, not recoded."""
        first, stop = self._record_first[row], self._record_stop[row]
        additive = np.full(len(row), kernel.ADDITIVE, np.int8)
        return Features(row, first, stop, count, additive, self._scale[row])


def _record_bounds(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First row and row after the last of the record each row belongs to, int64."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(line)) + 1]).astype(np.int64)
    stops = np.concatenate([starts[1:], [len(line)]])
    number = np.repeat(np.arange(len(starts)), stops - starts)
    return starts[number], stops[number]


def plain_calls(calls: Calls, f: Features) -> bool:
    """Diploid calls, additive, one ALT a record, and few terms to a row: add_calls will do."""
    if calls.has_ploidy or calls.has_dosage or (f.recode != kernel.ADDITIVE).any():
        return False
    one_alt = f.record_stop - f.record_first == 1
    counted = (f.count == kernel.COUNT_ALT) | ((f.count == kernel.COUNT_REF) & one_alt)
    return bool(counted.all()) and len(f.row) <= 4 * len(np.unique(f.row))


@dataclass
class Block:
    """Neighbouring features and the terms over them, grouped by model.

    features                 : int64, index of each feature
    term_feature             : int64, index into `features`; term_weight : float64
    models                   : int64, whose terms are model_first to model_stop
    """

    features: np.ndarray
    term_feature: np.ndarray
    term_weight: np.ndarray
    models: np.ndarray
    model_first: np.ndarray
    model_stop: np.ndarray


def blocks(
    feature_row: np.ndarray, feature: np.ndarray, model: np.ndarray, weight: np.ndarray
) -> list[Block]:
    """Cut features into blocks, never inside a row, and sort their terms by model.

    feature_row            : int64 (features,), ascending
    feature, model, weight : (terms,), index of the term's feature, its model and its weight
    """
    starts = np.searchsorted(feature_row, feature_row, side="left")  # first feature of the same row
    block_of_feature = starts // BLOCK
    block = block_of_feature[feature]
    order = np.lexsort((np.arange(len(feature)), model, block))
    feature, model, weight, block = feature[order], model[order], weight[order], block[order]
    cut = []
    edges = np.flatnonzero(np.diff(block)) + 1
    for first, stop in zip([0, *edges], [*edges, len(block)], strict=True):
        members = np.flatnonzero(block_of_feature == block[first])
        own = np.ascontiguousarray(weight[first:stop])
        groups = model_groups(model[first:stop])
        cut.append(Block(members, feature[first:stop] - members[0], own, *groups))
    return cut


def model_groups(model: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(models, first, stop) of the runs of equal models in a sorted array, int64."""
    edges = np.flatnonzero(np.diff(model)) + 1
    first = np.concatenate([[0], edges])
    return model[first], first, np.concatenate([edges, [len(model)]])
