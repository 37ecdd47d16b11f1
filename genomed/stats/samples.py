"""Packed calls of many variants -> what each sample's calls add up to."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from genomed.kernels import qc_counts
from genomed.kernels.packed import keep_bits
from genomed.stats.variants import AUTOSOME, MALE, MT, PLACES, VariantMeasures, X, Y

__all__ = [
    "KINDS", "OTHER_KIND", "TRANSITION", "TRANSVERSION", "Inbreeding", "SampleMeasures",
    "SampleSums", "outliers",
]  # fmt: skip

# What a variant changes: one base into the other of its chemical class, one base into another
# class, or anything else.
KINDS = ("transition", "transversion", "other")
TRANSITION, TRANSVERSION, OTHER_KIND = range(3)

FIXED_POINT = 36  # bits behind the point of summed expectations: integers add up in any order
MAD_TO_SD = 1.4826  # of normally distributed numbers


class Inbreeding(NamedTuple):
    """Homozygous calls against those expected; numbers of each sample, F NaN without calls.

    n, observed : int64 (samples,), genotypes and homozygous ones
    expected    : float64 (samples,), homozygous ones under Hardy-Weinberg equilibrium
    f           : (observed - expected) / (n - expected)
    """

    n: np.ndarray
    observed: np.ndarray
    expected: np.ndarray
    f: np.ndarray


class SampleMeasures(NamedTuple):
    """What is known of each sample, (samples,) each; int64, ratios float64 and NaN for x / 0.

    n_eligible   : variants it can have a call of: all, but none on Y where it is not male
    n_called     : of these, those with a call
    n_hom_ref, n_het, n_hom_alt : diploid calls: not on Y and MT, nor a male's on X
    n_hap_ref, n_hap_alt : haploid calls
    n_het_haploid : heterozygous calls where it is haploid, which count nowhere else but in n_called
    n_transition, n_transversion : its calls with ALT, of ploidy 1 or 2; 1/1 counts once
    n_singleton  : variants of which it alone has ALT, in one or two copies
    het_hom_ratio : n_het / n_hom_alt on autosomes only, so that men and women are alike
    inbreeding   : on autosomes
    x            : on X, where a male's calls are homozygous
    n_y, n_y_called : variants on Y, and calls there whatever the sex
    """

    n_eligible: np.ndarray
    n_called: np.ndarray
    n_hom_ref: np.ndarray
    n_het: np.ndarray
    n_hom_alt: np.ndarray
    n_hap_ref: np.ndarray
    n_hap_alt: np.ndarray
    n_het_haploid: np.ndarray
    n_transition: np.ndarray
    n_transversion: np.ndarray
    n_singleton: np.ndarray
    het_hom_ratio: np.ndarray
    inbreeding: Inbreeding
    x: Inbreeding
    n_y: int
    n_y_called: np.ndarray


class SampleSums:
    """Running sums of each sample; whole numbers only, so blocks may come in any order.

    sex : int8 (samples,), 1 male, 2 female, 0 unknown
    """

    def __init__(self, sex: np.ndarray) -> None:
        self.sex = sex
        self.n_samples = len(sex)
        n_words = -(-self.n_samples // 32)
        males = sex == MALE
        self._everybody = keep_bits(np.ones(self.n_samples, np.bool_))
        self._males, self._others = keep_bits(males), keep_bits(~males)
        self._lanes = np.zeros((3, 4, n_words), np.uint64)
        shape = (len(PLACES), len(KINDS), 2)
        self._n_rows = np.zeros(shape, np.int64)
        self._sums: dict[tuple[int, int, int], np.ndarray] = {}
        self._expected = [0, 0]  # on autosomes and on X, of all rows; fixed point
        self._not_expected = np.zeros((2, self.n_samples), np.int64)
        self._singletons = np.zeros(32 * n_words, np.int32)

    def add(
        self, words: np.ndarray, place: np.ndarray, kind: np.ndarray, measures: VariantMeasures
    ) -> None:
        """Add a block of variants.

        words    : uint64 (variants, words), packed calls
        place    : int8 (variants,), index into PLACES
        kind     : int8 (variants,), index into KINDS
        measures : what measure_variants says of them
        """
        f = measures.alt_frequency
        polymorphic = (f > 0) & (f < 1)
        group = ((place * len(KINDS) + kind) * 2 + polymorphic).astype(np.int8)
        order = np.argsort(group, kind="stable")
        edges = np.flatnonzero(np.diff(group[order], prepend=-1, append=-1))
        for rows in (order[a:b] for a, b in pairwise(edges)):
            self._add_group(words, rows, np.unravel_index(group[rows[0]], self._n_rows.shape))
        for which, where in enumerate((AUTOSOME, X)):
            self._expect(words, which, np.flatnonzero(polymorphic & (place == where)), f)
        carriers = measures.n_het + measures.n_hom_alt + measures.n_hap_alt
        self._add_singletons(words, np.flatnonzero(carriers == 1), place)

    def merge(self, other: SampleSums) -> None:
        """Add another one's sums to these."""
        self._n_rows += other._n_rows
        for key, sums in other._sums.items():
            self._sums[key] = self._sums.get(key, 0) + sums
        self._expected = [a + b for a, b in zip(self._expected, other._expected, strict=True)]
        self._not_expected += other._not_expected
        self._singletons += other._singletons

    def _add_group(self, words: np.ndarray, rows: np.ndarray, at: tuple) -> None:
        key = (int(at[0]), int(at[1]), int(at[2]))
        if key not in self._sums:
            self._sums[key] = np.zeros((3, len(self._singletons)), np.int32)
        self._n_rows[key] += len(rows)
        qc_counts.add_rows(words, rows, self._lanes, self._sums[key])

    def _expect(self, words: np.ndarray, which: int, rows: np.ndarray, f: np.ndarray) -> None:
        homozygous = 1 - 2 * f[rows] * (1 - f[rows])
        fixed = np.rint(np.ldexp(homozygous, FIXED_POINT)).astype(np.int64)
        self._expected[which] += int(fixed.sum())
        places = np.empty(words.shape[1], np.int64)
        out = self._not_expected[which]
        qc_counts.add_expected(words, rows, fixed, self._everybody, places, out)

    def _add_singletons(self, words: np.ndarray, rows: np.ndarray, place: np.ndarray) -> None:
        nobody = np.zeros_like(self._males)
        usual, on = self._everybody, place[rows]
        for chosen, het, hom in (
            (on < X, usual, usual),
            (on == X, self._others, usual),
            (on == Y, nobody, self._males),
            (on == MT, nobody, usual),
        ):
            if chosen.any():
                qc_counts.add_carriers(words, rows[chosen], het, hom, self._singletons)

    def measures(self) -> SampleMeasures:
        """What the sums come to."""
        n_words = len(self._singletons) // 32
        assert n_words == -(-self.n_samples // 32)
        male = self.sex == MALE
        every = [self._calls(place, None, None) for place in range(len(PLACES))]
        diploid = every[0] + every[1] + every[2] + np.where(male, 0, every[X])
        haploid = np.where(male, every[X] + every[Y], 0) + every[MT]
        eligible = self._n_rows.sum() - np.where(male, 0, self._n_rows[Y].sum())
        usual = every[AUTOSOME]
        return SampleMeasures(
            n_eligible=np.broadcast_to(eligible, male.shape).astype(np.int64),
            n_called=(diploid + haploid)[:3].sum(axis=0),
            n_hom_ref=diploid[0],
            n_het=diploid[1],
            n_hom_alt=diploid[2],
            n_hap_ref=haploid[0],
            n_hap_alt=haploid[2],
            n_het_haploid=haploid[1],
            n_transition=self._carried(TRANSITION, male),
            n_transversion=self._carried(TRANSVERSION, male),
            n_singleton=self._singletons[: self.n_samples].astype(np.int64),
            het_hom_ratio=_ratio(usual[1], usual[2]),
            inbreeding=self._inbreeding(0, AUTOSOME),
            x=self._inbreeding(1, X),
            n_y=int(self._n_rows[Y].sum()),
            n_y_called=every[Y][:3].sum(axis=0),
        )

    def _calls(self, place: int, kind: int | None, polymorphic: int | None) -> np.ndarray:
        """Calls of each sample: int64 (4, samples): 0, 1, 2 copies of ALT, not called."""
        n_rows, total = 0, np.zeros((3, len(self._singletons)), np.int64)
        for key, sums in self._sums.items():
            if key[0] == place and kind in (None, key[1]) and polymorphic in (None, key[2]):
                n_rows += int(self._n_rows[key])
                total += sums
        low, high, missing = total[:, : self.n_samples]
        return np.stack([n_rows - low - high + missing, low - missing, high - missing, missing])

    def _carried(self, kind: int, male: np.ndarray) -> np.ndarray:
        """Valid calls with ALT at variants of one kind."""
        every = [self._calls(place, kind, None) for place in range(len(PLACES))]
        both = sum(calls[1] + calls[2] for calls in every[:X])
        on_x = every[X][2] + np.where(male, 0, every[X][1])
        return both + on_x + np.where(male, every[Y][2], 0) + every[MT][2]

    def _inbreeding(self, which: int, place: int) -> Inbreeding:
        ref, het, alt, _ = self._calls(place, None, 1)
        n = ref + het + alt
        expected = np.ldexp(
            (self._expected[which] - self._not_expected[which]).astype(float), -FIXED_POINT
        )
        return Inbreeding(n, ref + alt, expected, _ratio(ref + alt - expected, n - expected))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where below is not positive."""
    return np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)


def outliers(
    values: np.ndarray, group: np.ndarray, n_mads: float, min_group: int
) -> tuple[np.ndarray, np.ndarray]:
    """Samples far from the median of their group.

    values    : float64 (samples,), NaN unknown
    group     : int64 (samples,), negative for samples that are compared with nobody
    n_mads    : distance, in median absolute deviations (x 1.4826, so standard deviations where
                values are normal) as in gnomAD's sample QC (broadinstitute/gnomad_methods)
    min_group : groups of fewer known values, or of a deviation of 0, have no outliers
    returns   : bool (samples,), and the distances, float64 (samples,), NaN where not judged
    """
    distance = np.full(len(values), np.nan)
    for one in np.unique(group[group >= 0]):
        members = np.flatnonzero((group == one) & np.isfinite(values))
        if len(members) < min_group:
            continue
        centre = np.median(values[members])
        spread = MAD_TO_SD * np.median(np.abs(values[members] - centre))
        if spread > 0:
            distance[members] = (values[members] - centre) / spread
    return np.abs(distance) > n_mads, distance
