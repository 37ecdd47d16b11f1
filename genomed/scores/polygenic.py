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
from genomed.scores.features import (
    BLOCK,
    Calls,
    Features,
    Terms,
    blocks,
    model_groups,
    plain_calls,
)
from genomed.scores.matching import (
    FLIPPED,
    FLIPPED_SWAPPED,
    HOM_REF_CALLED,
    Entries,
    RowMatches,
    reference_blocks,
)

__all__ = ["MISSING_RULES", "ScoreSums", "filled_dosage"]

MISSING_RULES = ("mean", "reference-mean", "drop", "zero-dosage")
AMBIGUOUS_RULES = ("drop", "keep", "by-frequency")

STRIPE = 512  # samples worked on at a time: a block of features then stays in the cache
TELLING = 0.1  # a frequency this close to one half cannot tell a strand

_RECODE = {"additive": kernel.ADDITIVE, "dominant": kernel.DOMINANT, "recessive": kernel.RECESSIVE}


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


class ScoreSums:
    """Scores of every model and sample so far, and what was missing in them.

    entries             : what is matched; `reason` of an entry changes when it cannot be used
    reference_frequency : float64 (entries,), effect-allele frequency from a reference or the model
                          file, NaN unknown
    sums                : float64 (models, samples)
    n_missing           : int32 (models, samples), used entries without a call
    missing_share       : float64 (models, samples), their sum of weight^2 x 2p(1-p)
    missing_alleles     : float64 (models, samples), alleles they would have had
    unfilled_share, unfilled_alleles : float64 (models, samples), the parts of these that nothing
                          stands for, whatever the rule; zero unless has_unfilled
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
        self.unfilled_share = np.zeros((n_models, n_samples), np.float64)
        self.unfilled_alleles = np.zeros((n_models, n_samples), np.float64)
        self.has_unfilled = self._few_known = self._is_unfilled = False
        self._fills = True
        n = entries.table.height
        self.frequency = np.full(n, np.nan)
        self.n_called = np.full(n, -1, np.int64)
        self.spread = np.full(n, np.nan)
        self.alleles = np.zeros(n)
        table = entries.table
        self._model = table["model"].to_numpy()
        self._family = np.zeros(n, np.int64)  # number + 1 of families of several members
        self._shares: dict[int, _FamilyMissing] = {}
        self._unfilled: dict[int, _FamilyMissing] = {}
        for number, family in enumerate(entries.families, 1):
            if family.weights is not None:
                self._family[family.rows] = number
                for shares in (self._shares, self._unfilled):
                    shares[number] = _FamilyMissing.zeros(n_samples, len(family.members))
        self._slope = table["slope"].cast(float).fill_null(np.nan).to_numpy()
        self._weight = table["effect_weight"].cast(float).fill_null(np.nan).to_numpy()
        self._dosage_weights = np.stack(
            [table[f"dosage_{k}_weight"].cast(float).fill_null(np.nan).to_numpy() for k in range(3)]
        )
        recode = {kind: _RECODE.get(kind, -1) for kind in (*_RECODE, "dosage")}
        self._recode = (
            table["effect_type"]
            .replace_strict(recode, default=kernel.ADDITIVE, return_dtype=pl.Int8)
            .to_numpy()
        )

    def add(
        self,
        batch: VariantBatch,
        line: np.ndarray,
        canonical: np.ndarray,
        found: RowMatches,
        *,
        few_known: bool = False,
        fill: bool = True,
    ) -> None:
        """Add what was found in a batch.

        line      : int64 (variants,), equal for the rows of one record, which are neighbours
        canonical : str (variants,), contig name of each row
        few_known : calls are not those of a cohort: they tell neither frequency nor strand
        fill      : False when a missing call is nothing that the missing rule could fill: such a
                    sample stays as if there were no record (with a reference frequency, "reference-
                    mean" fills that, too)
        """
        self._few_known, self._fills = few_known, fill
        self.has_unfilled |= not fill
        if not len(found.entry):
            return
        calls = Calls(batch, line, canonical)
        f = calls.features(found.row, found.count.copy())
        keep = np.ones(len(found.entry), bool)
        doubtful = np.flatnonzero(found.ambiguous)
        if len(doubtful) and self.ambiguous != "keep":
            keep[doubtful], f.count[doubtful] = self._settle_strand(
                calls, f[doubtful], found.entry[doubtful], found.fit[doubtful]
            )
        frequency, _, n_called = self._summarise(calls, f)
        nobody = keep & (n_called == 0)
        if nobody.any():
            low = reference_blocks(batch.variants)[found.row[nobody]]
            reasons = np.array(["monomorphic_no_call", "low_quality_block"], object)
            self.entries.reason[found.entry[nobody]] = reasons[low.astype(int)]
        keep &= n_called > 0
        if not keep.any():
            return
        entry, f, frequency = found.entry[keep], f[keep], frequency[keep]
        self._record(entry, frequency, n_called[keep], f.scale)
        for number in np.unique(self._family[entry]):
            at = np.flatnonzero(self._family[entry] == number)
            if number:
                self._add_family_terms(calls, number, entry[at], f[at], frequency[at])
                for unfilled, mine in self._by_fill(entry[at]):
                    self._is_unfilled = unfilled
                    self._add_family_missing(calls, number, entry[at[mine]], f[at[mine]])
            else:
                self._add_terms(calls, entry[at], f[at], frequency[at])
                for unfilled, mine in self._by_fill(entry[at]):
                    self._is_unfilled = unfilled
                    self._add_missing(calls, entry[at[mine]], f[at[mine]])

    def finish(self) -> None:
        """Hand what families share out to their members; call it once, after the last batch."""
        for number, shared in self._shares.items():
            members, rest = self.entries.families[number - 1].members, self._unfilled[number]
            self.n_missing[members] = shared.n_missing + rest.n_missing
            self.missing_share[members] = shared.share.T
            self.missing_alleles[members] = shared.alleles
            if self.has_unfilled:
                self.unfilled_share[members] = rest.share.T
                self.unfilled_alleles[members] = rest.alleles
        self._shares = self._unfilled = {}
        if self.has_unfilled:
            self.missing_share += self.unfilled_share
            self.missing_alleles += self.unfilled_alleles

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
                constant[family.members] += family.weights_of(entry[at[i]]) * value[i]
            else:
                constant[self._model[entry[at[i]]]] += terms.weight[i] * value[i]
        self.sums += constant[:, None]
        self._record(entry, effect_copies, np.zeros(len(entry), np.int64), scale)

    def _record(
        self, entry: np.ndarray, frequency: np.ndarray, n_called: np.ndarray, alleles: np.ndarray
    ) -> None:
        known = self.reference_frequency[entry]
        p = np.where(np.isnan(known), frequency, known)
        self.frequency[entry], self.n_called[entry] = frequency, n_called
        self.alleles[entry] = alleles
        self.spread[entry] = 2 * p * (1 - p)
        if self._few_known:
            self._take_usual_spread(entry[np.isnan(known)])

    def _take_usual_spread(self, entry: np.ndarray) -> None:
        """Give entries whose frequency is not known the mean 2p(1-p) of their model so far."""
        self.spread[entry] = np.nan
        for family in self.entries.families:
            mine = entry[(entry >= family.rows.start) & (entry < family.rows.stop)]
            if len(mine):
                here = self.spread[family.rows]
                usual = np.nanmean(here) if not np.isnan(here).all() else 0.5
                self.spread[mine] = usual

    def _settle_strand(
        self, calls: Calls, f: Features, entry: np.ndarray, fit: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(keep, count) of A/T and C/G entries: frequencies tell whether to keep, flip or drop."""
        known = self.reference_frequency[entry]
        if self.ambiguous == "drop" or self._few_known:
            known = np.full(len(entry), np.nan)
        observed, _, _ = self._summarise(calls, f)
        with np.errstate(invalid="ignore"):
            tells = (np.abs(known - 0.5) >= TELLING) & (np.abs(observed - 0.5) >= TELLING)
            flip = tells & ((known > 0.5) != (observed > 0.5))
        hom_ref = fit >= HOM_REF_CALLED
        one_alt = f.record_stop - f.record_first == 1
        drop = ~tells | (flip & ~one_alt & ~hom_ref)
        self.entries.reason[entry[drop]] = "ambiguous"
        flip &= ~drop
        no_ref = np.where(hom_ref, kernel.COUNT_NONE, kernel.COUNT_ALT)
        turned = np.where(f.count == kernel.COUNT_REF, no_ref, kernel.COUNT_REF)
        count = np.where(flip, turned, f.count)
        names = np.where(turned == kernel.COUNT_ALT, FLIPPED, FLIPPED_SWAPPED)
        flip &= ~hom_ref  # proved hom-ref it stays, whichever strand the model is on
        self.entries.reason[entry[flip]] = np.array(["flipped", "flipped_swapped"], object)[
            names[flip] - FLIPPED
        ]
        return ~drop, count

    def _each_stripe(self, work: Callable[[int, int], None]) -> None:
        """Do `work` for every stripe of samples, first to stop, on whatever threads there are."""
        n = self.sums.shape[1]
        for _ in self._map(lambda first: work(first, min(first + STRIPE, n)), range(0, n, STRIPE)):
            pass

    def _summarise(self, calls: Calls, f: Features) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(frequency, mean, n_called) of each feature, computed once for equal ones."""
        _, first, inverse = np.unique(f.key(), return_index=True, return_inverse=True)
        u, n = f[first], len(first)
        frequency, mean, n_called = np.empty(n), np.empty(n), np.empty(n, np.int64)

        def work(at: int) -> None:
            kernel.summarise_features(
                *calls.arrays, *u.arrays, at, min(at + BLOCK, n), frequency, mean, n_called,
                *np.empty((2, calls.alt_count.shape[1])),
            )  # fmt: skip

        for _ in self._map(work, range(0, n, BLOCK)):
            pass
        return frequency[inverse], mean[inverse], n_called[inverse]

    def _terms(self, entry: np.ndarray) -> Terms:
        """The one to three terms of each entry.

        Weights per dosage are w0 + (w1 - w0) min(d, 1) + (w2 - w1) max(d - 1, 0).
        """
        recode = self._recode[entry]
        at = np.arange(len(entry))
        plain = at[recode >= 0]
        if len(plain) == len(at):
            return Terms(at, recode, self._weight[entry])
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
        return Terms(entry_at[order], recode[order], weight[order])

    def _add_terms(
        self, calls: Calls, entry: np.ndarray, f: Features, frequency: np.ndarray
    ) -> None:
        terms = self._terms(entry)
        at = terms.entry_at
        f, model = f[at].recoded(terms.recode), self._model[entry[at]]
        fill = self._fill(calls, f, entry[at], frequency[at])
        if plain_calls(calls, f):
            self._add_plain_terms(calls, f, fill, model, terms.weight)
            return
        _, fill_number = np.unique(fill, return_inverse=True)
        key = f.key() * (fill_number.max() + 1) + fill_number
        _, first, feature = np.unique(key, return_index=True, return_inverse=True)
        u, u_fill = f[first], fill[first]
        cut = blocks(u.row, feature, model, terms.weight)

        def work(sample: int, stop: int) -> None:
            x = np.empty((max(len(b.features) for b in cut), stop - sample))
            scratch = np.empty(stop - sample)
            for b in cut:
                kernel.fill_features(
                    *calls.arrays, *u[b.features].arrays, u_fill[b.features], sample, stop, x,
                    scratch,
                )  # fmt: skip
                kernel.add_scores(
                    x, b.term_feature, b.term_weight, b.model_first, b.model_stop, b.models, sample,
                    stop, self.sums,
                )  # fmt: skip

        self._each_stripe(work)

    def _add_plain_terms(
        self, calls: Calls, f: Features, fill: np.ndarray, model: np.ndarray, weight: np.ndarray
    ) -> None:
        """The same sums, straight from int8 calls: no other case needs the features laid out."""
        half = f.scale / 2
        is_ref = f.count == kernel.COUNT_REF
        offset, factor = np.where(is_ref, 2 * half, 0.0), np.where(is_ref, -half, half)
        order = np.argsort(model, kind="stable")
        models, first, stop = model_groups(model[order])
        terms = [a[order] for a in (f.row, offset, factor, fill, weight)]
        self._each_stripe(
            lambda sample, last: kernel.add_calls(
                calls.alt_count, *terms, first, stop, models, sample, last, self.sums
            )
        )

    def _add_family_terms(
        self, calls: Calls, number: int, entry: np.ndarray, f: Features, frequency: np.ndarray
    ) -> None:
        """One term per entry, with a weight for each member of the family."""
        family = self.entries.families[number - 1]
        f = f.recoded(self._recode[entry])
        fill = self._fill(calls, f, entry, frequency)
        weights = family.weights_of(entry)
        cuts = [slice(at, at + BLOCK) for at in range(0, len(entry), BLOCK)]
        pieces = [
            (f[cut], fill[cut], np.arange(len(entry[cut])), np.ascontiguousarray(weights[cut].T))
            for cut in cuts
        ]

        def work(sample: int, stop: int) -> None:
            x, scratch = np.empty((BLOCK, stop - sample)), np.empty(stop - sample)
            for some, its_fill, feature, weight in pieces:
                kernel.fill_features(
                    *calls.arrays, *some.arrays, its_fill, sample, stop, x, scratch
                )
                kernel.add_family(x, feature, weight, family.members, sample, stop, self.sums)

        self._each_stripe(work)

    def _fill(
        self, calls: Calls, f: Features, entry: np.ndarray, frequency: np.ndarray
    ) -> np.ndarray:
        """What stands for a call that was not made, float64 per term."""
        if self.missing == "drop":
            return np.zeros(len(entry))
        if self.missing == "zero-dosage":
            return np.where(f.recode == kernel.PRESENT, 1.0, 0.0)
        if (f.recode == kernel.ADDITIVE).all():
            mean = f.scale * frequency
        else:
            _, mean, _ = self._summarise(calls, f)
        if not self._fills:
            mean = np.zeros(len(entry))
        if self.missing == "mean":
            return mean
        known = self.reference_frequency[entry]
        expected = filled_dosage(f.recode, known, f.scale)
        return np.where(np.isnan(known), mean, expected)

    def _add_missing(self, calls: Calls, entry: np.ndarray, f: Features) -> None:
        """Count the entries that a sample has no call for; see kernel.add_missing."""
        some = self.n_called[entry] < self.sums.shape[1]
        if not some.any():
            return
        entry, f = entry[some], f[some]
        variance = self._slope[entry] ** 2 * self.spread[entry]
        model, needed = self._model[entry], f.needed()
        share, alleles = (
            (self.unfilled_share, self.unfilled_alleles)
            if self._is_unfilled
            else (self.missing_share, self.missing_alleles)
        )
        self._each_stripe(
            lambda sample, stop: kernel.add_missing(
                calls.alt_count, calls.call_dosage, calls.has_dosage, f.row, *needed, model,
                variance, f.scale, sample, stop, self.n_missing, share, alleles,
            )
        )  # fmt: skip

    def _by_fill(self, entry: np.ndarray) -> list[tuple[bool, np.ndarray | slice]]:
        """Whether nothing stands for a missing call, and which entries that is so for."""
        if self._fills:
            return [(False, slice(None))]
        if self.missing != "reference-mean":
            return [(True, slice(None))]
        known = ~np.isnan(self.reference_frequency[entry])
        return [(False, known), (True, ~known)]

    def _add_family_missing(
        self, calls: Calls, number: int, entry: np.ndarray, f: Features
    ) -> None:
        """The same for the members of a family at once; see kernel.add_family_missing."""
        shared = (self._unfilled if self._is_unfilled else self._shares)[number]
        family = self.entries.families[number - 1]
        some = self.n_called[entry] < self.sums.shape[1]
        entry, f = entry[some], f[some]
        variance = family.weights_of(entry) ** 2 * self.spread[entry][:, None]
        needed = f.needed()
        self._each_stripe(
            lambda sample, stop: kernel.add_family_missing(
                calls.alt_count, calls.call_dosage, calls.has_dosage, f.row, *needed, variance,
                f.scale, sample, stop, shared.n_missing, shared.share, shared.alleles,
            )
        )  # fmt: skip


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
