"""Polygenic scores: sum of weight x effect-allele dosage, for many models in one pass.

A score is a sum over a model's variants in the order of the cohort's records, in float64, one term
after the other. Threads share the samples, never the variants, so neither their number nor the
size of a batch, nor another model in the run, can change a bit of it.

A call that was not made never counts as 0/0 (unless "zero-dosage" asks for just that): it is
filled with the mean over called samples, or from a reference frequency, or left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from genomed.kernels import scoring as kernel
from genomed.schema import VariantBatch
from genomed.scores.matching import (
    FLIPPED,
    FLIPPED_SWAPPED,
    HOM_REF_CALLED,
    Entries,
    RowMatches,
    reference_blocks,
)

__all__ = ["MISSING_RULES", "ScoreSums", "additive_score", "filled_dosage"]

MISSING_RULES = ("mean", "reference-mean", "drop", "zero-dosage")
AMBIGUOUS_RULES = ("drop", "keep", "by-frequency")

STRIPE = 512  # samples worked on at a time: a block of features then stays in the cache
BLOCK = 256  # features at a time
TELLING = 0.1  # a frequency this close to one half cannot tell a strand

_ONE_COPY_CONTIGS = ("Y", "MT")  # a call counts as one copy there, whatever its ploidy
_RECODE = {"additive": kernel.ADDITIVE, "dominant": kernel.DOMINANT, "recessive": kernel.RECESSIVE}


def additive_score(dosage: np.ndarray, effect_weight: np.ndarray) -> np.ndarray:
    """Sum of weight x dosage over variants, per sample: the definition, for small arrays.

    dosage        : float (variants, samples), copies of the effect allele, 0..ploidy; NaN where
                    unknown, which counts as the variant's mean (one must be known)
    effect_weight : float (variants,), per copy
    returns       : float64 (samples,)
    """
    mean = np.nanmean(dosage, axis=1, keepdims=True)
    return effect_weight @ np.where(np.isnan(dosage), mean, dosage)


def filled_dosage(recode: np.ndarray, frequency: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Expected recoded dosage of an uncalled sample at Hardy-Weinberg proportions, float64.

    recode    : int8, kernel.ADDITIVE, DOMINANT, RECESSIVE or PRESENT
    frequency : float64, of the effect allele in the reference
    scale     : float64, 2, or 1 on Y and MT
    """
    carrier = np.where(scale == 2, 1 - (1 - frequency) ** 2, frequency)
    homozygote = np.where(scale == 2, frequency**2, 0.0)
    return np.select(
        [recode == kernel.ADDITIVE, recode == kernel.DOMINANT, recode == kernel.RECESSIVE],
        [scale * frequency, carrier, homozygote],
        1.0,
    )


@dataclass
class _Terms:
    """weight x feature, for some entries: parallel arrays in the order of the sum."""

    entry_at: np.ndarray  # index into the matches
    recode: np.ndarray
    weight: np.ndarray


@dataclass
class _Features:
    """Unique rows of numbers that terms refer to; see genomed.kernels.scoring."""

    row: np.ndarray
    count: np.ndarray
    recode: np.ndarray
    scale: np.ndarray


class ScoreSums:
    """Scores of every model and sample so far, and what was missing in them.

    entries             : what is matched; `reason` of an entry changes when it cannot be used
    reference_frequency : float64 (entries,), effect-allele frequency from a reference or the model
                          file, NaN unknown
    sums                : float64 (models, samples)
    n_missing           : int32 (models, samples), used entries without a call
    missing_share       : float64 (models, samples), their sum of weight^2 x 2p(1-p)
    missing_alleles     : float64 (models, samples), alleles they would have had
    frequency, n_called, spread, alleles : per entry, NaN, -1, NaN, 0 until it is used; spread is
                          2p(1-p) of a used entry
    """

    def __init__(
        self,
        entries: Entries,
        n_models: int,
        n_samples: int,
        reference_frequency: np.ndarray,
        *,
        missing: str = "mean",
        ambiguous: str = "by-frequency",
        map_fn: Callable[[Callable[[int], None], Iterable[int]], Iterable[None]] = map,
    ) -> None:
        if missing not in MISSING_RULES:
            raise ValueError(f"{missing=} is not one of {MISSING_RULES}")
        if ambiguous not in AMBIGUOUS_RULES:
            raise ValueError(f"{ambiguous=} is not one of {AMBIGUOUS_RULES}")
        self.entries = entries
        self.reference_frequency = reference_frequency
        self.missing, self.ambiguous, self._map = missing, ambiguous, map_fn
        self.sums = np.zeros((n_models, n_samples), np.float64)
        self.n_missing = np.zeros((n_models, n_samples), np.int32)
        self.missing_share = np.zeros((n_models, n_samples), np.float64)
        self.missing_alleles = np.zeros((n_models, n_samples), np.float64)
        n = entries.table.height
        self.frequency = np.full(n, np.nan)
        self.n_called = np.full(n, -1, np.int64)
        self.spread = np.full(n, np.nan)
        self.alleles = np.zeros(n)
        table = entries.table
        self._model = table["model"].to_numpy()
        self._family = np.zeros(n, np.int64)  # number of the family + 1 where it has several members
        self._shares: dict[int, _FamilyMissing] = {}
        for number, family in enumerate(entries.families, 1):
            if family.weights is not None:
                self._family[family.rows] = number
                self._shares[number] = _FamilyMissing.zeros(n_samples, len(family.members))
        self._slope = table["slope"].cast(float).fill_null(np.nan).to_numpy()
        self._weight = table["effect_weight"].cast(float).fill_null(np.nan).to_numpy()
        self._dosage_weights = np.stack(
            [table[f"dosage_{k}_weight"].cast(float).fill_null(np.nan).to_numpy() for k in range(3)]
        )
        self._recode = np.array(
            [_RECODE.get(t, -1) for t in ("additive", "dominant", "recessive", "dosage")], np.int8
        )[table["effect_type"].replace_strict(
            {"additive": 0, "dominant": 1, "recessive": 2, "dosage": 3}, default=0, return_dtype=pl.Int64
        ).to_numpy()]  # fmt: skip

    def add(
        self, batch: VariantBatch, line: np.ndarray, canonical: np.ndarray, found: RowMatches
    ) -> None:
        """Add what was found in a batch.

        line      : int64 (variants,), equal for the rows of one record, which are neighbours
        canonical : str (variants,), contig name of each row
        """
        if not len(found.entry):
            return
        data = _Calls(batch)
        record_first, record_stop = _record_bounds(line)
        scale = np.where(np.isin(canonical, _ONE_COPY_CONTIGS), 1.0, 2.0)

        def features(row: np.ndarray, count: np.ndarray, recode: np.ndarray) -> _Features:
            return _Features(row, count, recode, scale[row])

        count = found.count.copy()
        keep = np.ones(len(found.entry), bool)
        doubtful = np.flatnonzero(found.ambiguous)
        if len(doubtful) and self.ambiguous != "keep":
            self._settle_strand(
                data, features(found.row[doubtful], count[doubtful], np.zeros(len(doubtful), np.int8)),
                record_first, record_stop, found, doubtful, count, keep,
            )  # fmt: skip
        basic = features(found.row, count, np.zeros(len(count), np.int8))
        frequency, _, n_called = self._summarise(data, basic, record_first, record_stop)
        nobody = keep & (n_called == 0)
        if nobody.any():
            blocks = reference_blocks(batch.variants)[found.row[nobody]]
            reasons = np.array(["monomorphic_no_call", "low_quality_block"], object)
            self.entries.reason[found.entry[nobody]] = reasons[blocks.astype(int)]
        keep &= n_called > 0
        if not keep.any():
            return
        entry, row, count = found.entry[keep], found.row[keep], count[keep]
        self._record(entry, frequency[keep], n_called[keep], scale[row])
        self._add(data, entry, row, count, scale[row], frequency[keep], record_first, record_stop)

    def _add(
        self, data: _Calls, entry: np.ndarray, row: np.ndarray, count: np.ndarray, scale: np.ndarray,
        frequency: np.ndarray, record_first: np.ndarray, record_stop: np.ndarray,
    ) -> None:  # fmt: skip
        """Sums and missing calls of these entries, family by family."""
        of_record = count == kernel.COUNT_REF
        needed_first = np.where(of_record, record_first[row], row)
        needed_stop = np.where(of_record, record_stop[row], row + 1)
        for number in np.unique(self._family[entry]):
            at = np.flatnonzero(self._family[entry] == number)
            some = entry[at], row[at], count[at], scale[at]
            bounds = record_first, record_stop
            needed = needed_first[at], needed_stop[at]
            if number:
                self._add_family_terms(data, number, *some, frequency[at], *bounds)
                self._add_family_missing(data, number, some[0], some[1], *needed, some[3])
            else:
                terms = self._terms(some[0])
                self._add_terms(data, *some, frequency[at], terms, *bounds)
                self._add_missing(data, some[0], some[1], *needed, some[3])

    def finish(self) -> None:
        """Hand what families share out to their members; call it once, after the last batch."""
        for number, shared in self._shares.items():
            members = self.entries.families[number - 1].members
            self.n_missing[members] = shared.n_missing
            self.missing_share[members] = shared.share.T
            self.missing_alleles[members] = shared.alleles
        self._shares = {}

    def add_constant(self, entry: np.ndarray, effect_copies: np.ndarray, scale: np.ndarray) -> None:
        """Add the same dosage to every sample: proved or assumed elsewhere, or imputed.

        effect_copies : float64 (k,), expected share of effect alleles, 0 to 1
        """
        terms = self._terms(entry)
        at = terms.entry_at
        value = filled_dosage(terms.recode, effect_copies[at], scale[at])
        constant = np.zeros(len(self.sums))
        for i, number in enumerate(self._family[entry[at]]):
            if number:
                family = self.entries.families[number - 1]
                weights = family.weights[entry[at[i]] - family.rows.start]  # type: ignore[index]
                constant[family.members] += weights * value[i]
            else:
                constant[self._model[entry[at[i]]]] += terms.weight[i] * value[i]
        self.sums += constant[:, None]
        self._record(entry, effect_copies, np.zeros(len(entry), np.int64), scale)

    def _record(
        self, entry: np.ndarray, frequency: np.ndarray, n_called: np.ndarray, alleles: np.ndarray
    ) -> None:
        known = self.reference_frequency[entry]
        p = np.where(np.isnan(known), frequency, known)
        self.frequency[entry], self.n_called[entry], self.alleles[entry] = (
            frequency,
            n_called,
            alleles,
        )
        self.spread[entry] = 2 * p * (1 - p)

    def _settle_strand(
        self, data: _Calls, features: _Features, record_first: np.ndarray, record_stop: np.ndarray,
        found: RowMatches, doubtful: np.ndarray, count: np.ndarray, keep: np.ndarray,
    ) -> None:  # fmt: skip
        """Keep, flip or drop A/T and C/G entries by comparing frequencies; changes count and keep."""
        entry = found.entry[doubtful]
        known = self.reference_frequency[entry]
        if self.ambiguous == "drop":
            known = np.full(len(entry), np.nan)
        observed, _, _ = self._summarise(data, features, record_first, record_stop)
        with np.errstate(invalid="ignore"):
            tells = (np.abs(known - 0.5) >= TELLING) & (np.abs(observed - 0.5) >= TELLING)
            flip = tells & ((known > 0.5) != (observed > 0.5))
        hom_ref = found.fit[doubtful] >= HOM_REF_CALLED
        one_alt = (record_stop - record_first)[found.row[doubtful]] == 1
        drop = ~tells | (flip & ~one_alt & ~hom_ref)
        keep[doubtful[drop]] = False
        self.entries.reason[entry[drop]] = "ambiguous"
        flip &= ~drop
        no_ref = np.where(hom_ref, kernel.COUNT_NONE, kernel.COUNT_ALT)
        turned = np.where(count[doubtful] == kernel.COUNT_REF, no_ref, kernel.COUNT_REF)
        count[doubtful[flip]] = turned[flip]
        names = np.where(turned == kernel.COUNT_ALT, FLIPPED, FLIPPED_SWAPPED)
        flip &= ~hom_ref  # proved hom-ref it stays, whichever strand the model is on
        self.entries.reason[entry[flip]] = np.array(["flipped", "flipped_swapped"], object)[
            names[flip] - FLIPPED
        ]

    def _summarise(
        self, data: _Calls, f: _Features, record_first: np.ndarray, record_stop: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(frequency, mean, n_called) of each feature, computed once for equal ones."""
        key = (f.row * 3 + f.count) * 4 + f.recode
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        u = _Features(f.row[first], f.count[first], f.recode[first], f.scale[first])
        n = len(first)
        frequency, mean, n_called = np.empty(n), np.empty(n), np.empty(n, np.int64)

        def work(at: int) -> None:
            kernel.summarise_features(
                *data.arrays, u.row, record_first[u.row], record_stop[u.row], u.count, u.recode,
                u.scale, at, min(at + BLOCK, n), frequency, mean, n_called,
            )  # fmt: skip

        for _ in self._map(work, range(0, n, BLOCK)):
            pass
        return frequency[inverse], mean[inverse], n_called[inverse]

    def _terms(self, entry: np.ndarray) -> _Terms:
        """The one to three terms of each entry: a dosage weight is c0 + c1 min(d,1) + c2 max(d-1,0)."""
        recode = self._recode[entry]
        at = np.arange(len(entry))
        plain = at[recode >= 0]
        if len(plain) == len(at):
            return _Terms(at, recode, self._weight[entry])
        by_dosage = at[recode < 0]
        w0, w1, w2 = self._dosage_weights[:, entry[by_dosage]]
        pieces = [
            (plain, recode[plain], self._weight[entry[plain]]),
            (by_dosage, np.full(len(by_dosage), kernel.PRESENT, np.int8), w0),
            (by_dosage, np.full(len(by_dosage), kernel.DOMINANT, np.int8), w1 - w0),
            (by_dosage, np.full(len(by_dosage), kernel.RECESSIVE, np.int8), w2 - w1),
        ]
        entry_at, recode, weight = (np.concatenate(x) for x in zip(*pieces, strict=True))
        order = np.argsort(entry_at, kind="stable")
        return _Terms(entry_at[order], recode[order], weight[order])

    def _add_terms(
        self, data: _Calls, entry: np.ndarray, row: np.ndarray, count: np.ndarray, scale: np.ndarray,
        frequency: np.ndarray, terms: _Terms, record_first: np.ndarray, record_stop: np.ndarray,
    ) -> None:  # fmt: skip
        at = terms.entry_at
        f = _Features(row[at], count[at], terms.recode, scale[at])
        fill = self._fill(data, f, entry[at], frequency[at], record_first, record_stop)
        if _plain(data, f, record_first, record_stop):
            self._add_plain_terms(data, f, fill, self._model[entry[at]], terms.weight)
            return
        _, fill_number = np.unique(fill, return_inverse=True)
        key = ((f.row * 3 + f.count) * 4 + f.recode) * (fill_number.max() + 1) + fill_number
        _, first, feature = np.unique(key, return_index=True, return_inverse=True)
        u = _Features(f.row[first], f.count[first], f.recode[first], f.scale[first])
        u_fill = fill[first]
        blocks = _blocks(u.row, feature, self._model[entry[at]], terms.weight)
        n_samples = self.sums.shape[1]

        def work(sample: int) -> None:
            stop = min(sample + STRIPE, n_samples)
            x = np.empty((max(len(b.features) for b in blocks), stop - sample))
            for b in blocks:
                rows = u.row[b.features]
                kernel.fill_features(
                    *data.arrays, rows, record_first[rows], record_stop[rows], u.count[b.features],
                    u.recode[b.features], u.scale[b.features], u_fill[b.features], sample, stop, x,
                )  # fmt: skip
                kernel.add_scores(
                    x, b.term_feature, b.term_weight, b.model_first, b.model_stop, b.models, sample,
                    stop, self.sums,
                )  # fmt: skip

        for _ in self._map(work, range(0, n_samples, STRIPE)):
            pass

    def _add_family_terms(
        self, data: _Calls, number: int, entry: np.ndarray, row: np.ndarray, count: np.ndarray,
        scale: np.ndarray, frequency: np.ndarray, record_first: np.ndarray, record_stop: np.ndarray,
    ) -> None:  # fmt: skip
        """One term per entry, with a weight for each member of the family."""
        family = self.entries.families[number - 1]
        f = _Features(row, count, self._recode[entry], scale)
        fill = self._fill(data, f, entry, frequency, record_first, record_stop)
        weights = family.weights[entry - family.rows.start]  # type: ignore[index]
        cuts = [slice(at, at + BLOCK) for at in range(0, len(entry), BLOCK)]
        blocks = [(cut, np.arange(len(entry[cut])), np.ascontiguousarray(weights[cut].T)) for cut in cuts]
        n_samples = self.sums.shape[1]

        def work(sample: int) -> None:
            stop = min(sample + STRIPE, n_samples)
            x = np.empty((BLOCK, stop - sample))
            for cut, feature, weight in blocks:
                kernel.fill_features(
                    *data.arrays, f.row[cut], record_first[f.row[cut]], record_stop[f.row[cut]],
                    f.count[cut], f.recode[cut], f.scale[cut], fill[cut], sample, stop, x,
                )  # fmt: skip
                kernel.add_family(x, feature, weight, family.members, sample, stop, self.sums)

        for _ in self._map(work, range(0, n_samples, STRIPE)):
            pass

    def _add_family_missing(
        self, data: _Calls, number: int, entry: np.ndarray, row: np.ndarray, needed_first: np.ndarray,
        needed_stop: np.ndarray, alleles: np.ndarray,
    ) -> None:  # fmt: skip
        family, shared = self.entries.families[number - 1], self._shares[number]
        some = self.n_called[entry] < self.sums.shape[1]
        entry, row, alleles = entry[some], row[some], alleles[some]
        needed_first, needed_stop = needed_first[some], needed_stop[some]
        weights = family.weights[entry - family.rows.start]  # type: ignore[index]
        variance = weights**2 * self.spread[entry][:, None]
        n_samples = self.sums.shape[1]

        def work(sample: int) -> None:
            kernel.add_family_missing(
                data.alt_count, data.call_dosage, data.has_dosage, row, needed_first, needed_stop,
                variance, alleles, sample, min(sample + STRIPE, n_samples), shared.n_missing,
                shared.share, shared.alleles,
            )  # fmt: skip

        for _ in self._map(work, range(0, n_samples, STRIPE)):
            pass

    def _add_plain_terms(
        self, data: _Calls, f: _Features, fill: np.ndarray, model: np.ndarray, weight: np.ndarray
    ) -> None:
        """The same sums, straight from int8 calls: no other case needs the features laid out."""
        half = f.scale / 2
        is_ref = f.count == kernel.COUNT_REF
        offset, factor = np.where(is_ref, 2 * half, 0.0), np.where(is_ref, -half, half)
        order = np.argsort(model, kind="stable")
        edges = np.flatnonzero(np.diff(model[order])) + 1
        first = np.concatenate([[0], edges])
        stop = np.concatenate([edges, [len(order)]])
        terms = [a[order] for a in (f.row, offset, factor, fill, weight)]
        n_samples = self.sums.shape[1]

        def work(sample: int) -> None:
            kernel.add_calls(
                data.alt_count, *terms, first, stop, model[order][first], sample,
                min(sample + STRIPE, n_samples), self.sums,
            )  # fmt: skip

        for _ in self._map(work, range(0, n_samples, STRIPE)):
            pass

    def _fill(
        self,
        data: _Calls,
        f: _Features,
        entry: np.ndarray,
        frequency: np.ndarray,
        record_first: np.ndarray,
        record_stop: np.ndarray,
    ) -> np.ndarray:
        """What stands for a call that was not made, float64 per term."""
        if self.missing == "drop":
            return np.zeros(len(entry))
        if self.missing == "zero-dosage":
            return np.where(f.recode == kernel.PRESENT, 1.0, 0.0)
        if (f.recode == kernel.ADDITIVE).all():
            mean = f.scale * frequency
        else:
            _, mean, _ = self._summarise(data, f, record_first, record_stop)
        if self.missing == "mean":
            return mean
        known = self.reference_frequency[entry]
        expected = filled_dosage(f.recode, known, f.scale)
        return np.where(np.isnan(known), mean, expected)

    def _add_missing(
        self, data: _Calls, entry: np.ndarray, row: np.ndarray, needed_first: np.ndarray,
        needed_stop: np.ndarray, alleles: np.ndarray,
    ) -> None:  # fmt: skip
        """Entries of rows in which somebody is not called; needed_*: see kernel.add_missing."""
        some = self.n_called[entry] < self.sums.shape[1]
        if not some.any():
            return
        entry, row, alleles = entry[some], row[some], alleles[some]
        needed_first, needed_stop = needed_first[some], needed_stop[some]
        n_samples = self.sums.shape[1]

        def work(sample: int) -> None:
            kernel.add_missing(
                data.alt_count, data.call_dosage, data.has_dosage, row, needed_first, needed_stop,
                self._model[entry], self._slope[entry] ** 2 * self.spread[entry], alleles, sample,
                min(sample + STRIPE, n_samples), self.n_missing, self.missing_share,
                self.missing_alleles,
            )  # fmt: skip

        for _ in self._map(work, range(0, n_samples, STRIPE)):
            pass


@dataclass
class _FamilyMissing:
    """What is missing in the models of one family: n_missing and alleles (samples,), share
    (samples, members)."""

    n_missing: np.ndarray
    share: np.ndarray
    alleles: np.ndarray

    @classmethod
    def zeros(cls, n_samples: int, n_members: int) -> _FamilyMissing:
        return cls(
            np.zeros(n_samples, np.int32), np.zeros((n_samples, n_members)), np.zeros(n_samples)
        )


class _Calls:
    """The arrays of a batch as the kernels take them."""

    def __init__(self, batch: VariantBatch) -> None:
        self.alt_count = batch.alt_count
        self.has_ploidy = batch.call_ploidy is not None
        self.has_dosage = batch.call_dosage is not None
        self.call_ploidy = (
            batch.call_ploidy if batch.call_ploidy is not None else np.zeros((0, 0), np.int8)
        )
        self.call_dosage = (
            batch.call_dosage if batch.call_dosage is not None else np.zeros((0, 0), np.float32)
        )

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, bool, np.ndarray, bool]:
        return self.alt_count, self.call_ploidy, self.has_ploidy, self.call_dosage, self.has_dosage


def _plain(
    data: _Calls, f: _Features, record_first: np.ndarray, record_stop: np.ndarray
) -> bool:
    """Diploid calls, additive, one ALT a record, and few terms to a row: add_calls will do."""
    if data.has_ploidy or data.has_dosage or (f.recode != kernel.ADDITIVE).any():
        return False
    one_alt = (record_stop - record_first)[f.row] == 1
    counted = (f.count == kernel.COUNT_ALT) | ((f.count == kernel.COUNT_REF) & one_alt)
    return bool(counted.all()) and len(f.row) <= 4 * len(np.unique(f.row))


@dataclass
class _Block:
    """Neighbouring features and the terms over them, grouped by model."""

    features: np.ndarray
    term_feature: np.ndarray
    term_weight: np.ndarray
    models: np.ndarray
    model_first: np.ndarray
    model_stop: np.ndarray


def _blocks(
    feature_row: np.ndarray, feature: np.ndarray, model: np.ndarray, weight: np.ndarray
) -> list[_Block]:
    """Cut features (sorted by row) into blocks, never inside a row, and sort their terms by model."""
    starts = np.searchsorted(feature_row, feature_row, side="left")  # first feature of the same row
    block_of_feature = starts // BLOCK
    block = block_of_feature[feature]
    order = np.lexsort((np.arange(len(feature)), model, block))
    feature, model, weight, block = feature[order], model[order], weight[order], block[order]
    blocks = []
    cuts = np.flatnonzero(np.diff(block)) + 1
    for first, stop in zip([0, *cuts], [*cuts, len(block)], strict=True):
        members = np.flatnonzero(block_of_feature == block[first])
        m = model[first:stop]
        edges = np.flatnonzero(np.diff(m)) + 1
        blocks.append(
            _Block(
                members,
                feature[first:stop] - members[0],
                np.ascontiguousarray(weight[first:stop]),
                m[np.concatenate([[0], edges])],
                np.concatenate([[0], edges]),
                np.concatenate([edges, [stop - first]]),
            )  # fmt: skip
        )
    return blocks


def _record_bounds(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First row and row after the last of the record each row belongs to, int64."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(line)) + 1]).astype(np.int64)
    stops = np.concatenate([starts[1:], [len(line)]])
    number = np.repeat(np.arange(len(starts)), stops - starts)
    return starts[number], stops[number]
