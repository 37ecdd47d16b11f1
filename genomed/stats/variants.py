"""Genotype counts of each variant -> call rate, allele frequency, heterozygosity and HWE.

Rows are one per (position, REF, ALT). A call that holds another ALT of the same record is 0 copies
of this one, so it counts with REF here; plink2 on records that were not split keeps every allele
apart, so its frequency of this ALT is the same but its heterozygotes and its HWE table of a
multi-allelic record are not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genomed.kernels import qc_counts
from genomed.kernels.packed import keep_bits
from genomed.stats.hwe import exact, exact_x

__all__ = [
    "AUTOSOME",
    "MT",
    "OTHER",
    "PLACES",
    "PSEUDO_AUTOSOMAL",
    "Calls",
    "Strata",
    "VariantMeasures",
    "X",
    "Y",
    "hwe_within",
    "measure_variants",
]  # fmt: skip

# Where a variant lies decides how many alleles a call has.
PLACES = ("autosome", "pseudo_autosomal", "other", "X", "Y", "MT")
AUTOSOME, PSEUDO_AUTOSOMAL, OTHER, X, Y, MT = range(6)

MALE, FEMALE = 1, 2


class Calls(NamedTuple):
    """Samples by call, int64 (variants,) each: 0, 1 and 2 copies of ALT, and not called."""

    ref: np.ndarray
    het: np.ndarray
    alt: np.ndarray
    missing: np.ndarray

    def __add__(self, other: object) -> Calls:
        assert isinstance(other, Calls)
        return Calls(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def where(self, chosen: np.ndarray) -> Calls:
        """These calls at the variants chosen (bool), none elsewhere."""
        if chosen.all():
            return self
        return Calls(*(np.where(chosen, number, 0) for number in self))

    @property
    def called(self) -> np.ndarray:
        """Samples with a call."""
        return self.ref + self.het + self.alt


class Strata:
    """Disjoint groups of samples that every variant's calls are counted in.

    sex     : int8 (samples,), 1 male, 2 female, 0 unknown
    founder : bool (samples,), neither parent is named
    status  : int8 (samples,), 2 case, 1 control, 0 neither; None when nobody is either
    group   : int64 (samples,), of the Hardy-Weinberg test within groups, -1 for none
    raises  : ValueError when lengths differ
    """

    def __init__(
        self, sex: np.ndarray, founder: np.ndarray, status: np.ndarray | None = None,
        group: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        status = np.zeros(len(sex), np.int8) if status is None else status
        group = np.full(len(sex), -1) if group is None else group
        if not len(sex) == len(founder) == len(status) == len(group):
            raise ValueError("sex, founder, status and group need one value per sample each")
        self.n_samples = len(sex)
        keys = np.stack([sex, founder, status, group], axis=1).astype(np.int64)
        self._keys = np.unique(keys, axis=0) if len(keys) else np.zeros((0, 4), np.int64)
        members = [(keys == key).all(axis=1) for key in self._keys]
        self._sizes = np.array([m.sum() for m in members], np.int64)
        n_words = -(-self.n_samples // 32)
        masks = [keep_bits(m) for m in members]
        self._masks = np.array(masks, np.uint64).reshape(len(members), n_words)

    def count(self, words: np.ndarray) -> Counted:
        """Count packed calls, uint64 (variants, words), in every group."""
        if words.shape[1] != self._masks.shape[1]:
            raise ValueError(f"{words.shape[1]} words do not hold {self.n_samples} samples")
        out = np.empty((len(words), len(self._keys), 3), np.int32)
        qc_counts.count_groups(words, self._masks, out)
        return Counted(self._keys, self._sizes, out)


class Counted:
    """Calls of each variant in each group of samples."""

    def __init__(self, keys: np.ndarray, sizes: np.ndarray, counts: np.ndarray) -> None:
        self._keys, self._sizes, self._counts = keys, sizes, counts

    def of(
        self,
        sex: tuple[int, ...] | None = None,
        founder: bool | None = None,
        status: int | None = None,
        group: int | None = None,
    ) -> Calls:
        """Calls of samples of some sexes, of founders, of cases (2) or controls (1), of a group."""
        chosen = np.ones(len(self._keys), np.bool_)
        if sex is not None:
            chosen &= np.isin(self._keys[:, 0], sex)
        if founder is not None:
            chosen &= self._keys[:, 1] == founder
        if status is not None:
            chosen &= self._keys[:, 2] == status
        if group is not None:
            chosen &= self._keys[:, 3] == group
        het, alt, missing = self._counts[:, chosen].sum(axis=1, dtype=np.int64).T
        n = int(self._sizes[chosen].sum())
        return Calls(n - het - alt - missing, het, alt, missing)


class VariantMeasures(NamedTuple):
    """What is known of each variant, (variants,) each; int64 or float64, NaN where there is none.

    n_eligible     : samples that can have a call: all, but males only on Y
    n_called       : of these, samples with a call; het calls of haploids are calls
    n_hom_ref, n_het, n_hom_alt : diploid calls: everybody's, but not on Y and MT, nor males' on X
    n_hap_ref, n_hap_alt : haploid calls: males' on X and Y, everybody's on MT
    n_het_haploid  : heterozygous calls of haploids, which count nowhere else but in n_called
    alt_count, allele_number, alt_frequency : in founders, diploids' calls two alleles each
    het_observed, het_expected : share of heterozygotes among founders' diploid calls, and 2p(1 - p)
                     of these calls' own frequency p
    hwe_p, hwe_mid_p : of founders; on X of both sexes, whose unknown ones are left out
    """

    n_eligible: np.ndarray
    n_called: np.ndarray
    n_hom_ref: np.ndarray
    n_het: np.ndarray
    n_hom_alt: np.ndarray
    n_hap_ref: np.ndarray
    n_hap_alt: np.ndarray
    n_het_haploid: np.ndarray
    alt_count: np.ndarray
    allele_number: np.ndarray
    alt_frequency: np.ndarray
    het_observed: np.ndarray
    het_expected: np.ndarray
    hwe_p: np.ndarray
    hwe_mid_p: np.ndarray


def measure_variants(counted: Counted, place: np.ndarray) -> VariantMeasures:
    """Measure each variant from its counts.

    counted : what Strata.count returned
    place   : int8 (variants,), index into PLACES

    Founders and weights as plink2 has them, but for heterozygous haploid calls: those are in no
    frequency here, as in plink 1.9 (plink2 --freq counts half an allele of each kind).
    """
    diploid, haploid = _by_ploidy(counted, place, None)
    d, h = _by_ploidy(counted, place, True)
    alt_count = 2 * d.alt + d.het + h.alt
    allele_number = 2 * d.called + h.ref + h.alt
    p = _share(2 * d.alt + d.het, 2 * d.called)
    test = _hwe(counted, place, d)
    eligible = diploid.called + diploid.missing + haploid.called + haploid.missing
    return VariantMeasures(
        n_eligible=eligible,
        n_called=diploid.called + haploid.called,
        n_hom_ref=diploid.ref,
        n_het=diploid.het,
        n_hom_alt=diploid.alt,
        n_hap_ref=haploid.ref,
        n_hap_alt=haploid.alt,
        n_het_haploid=haploid.het,
        alt_count=alt_count,
        allele_number=allele_number,
        alt_frequency=_share(alt_count, allele_number),
        het_observed=_share(d.het, d.called),
        het_expected=2 * p * (1 - p),
        hwe_p=test[0],
        hwe_mid_p=test[1],
    )


def hwe_within(counted: Counted, place: np.ndarray, n_groups: int) -> np.ndarray:
    """Smallest P of the Hardy-Weinberg test of the founders of each group: float64 (variants,).

    Allele frequencies that differ between ancestries leave fewer heterozygotes than expected of all
    (Wahlund's effect), which is no fault of the calls; within a group that is not so. NaN as in
    VariantMeasures.hwe_p.
    """
    least = np.full(len(place), np.nan)
    for group in range(n_groups):
        p, _ = _hwe(counted, place, counted.of(founder=True, group=group), group)
        least = np.fmin(least, p)
    return least


def _by_ploidy(counted: Counted, place: np.ndarray, founder: bool | None) -> tuple[Calls, Calls]:
    """Calls of diploids, and of haploids; who can have no call is in neither."""
    everybody = counted.of(founder=founder)
    on_x, on_y, on_mt = place == X, place == Y, place == MT
    usual = place < X
    if usual.all():
        return everybody, everybody.where(~usual)
    males = counted.of((MALE,), founder)
    others = counted.of((0, FEMALE), founder)
    diploid = everybody.where(usual) + others.where(on_x)
    return diploid, males.where(on_x | on_y) + everybody.where(on_mt)


def _hwe(
    counted: Counted, place: np.ndarray, diploid: Calls, group: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """P and mid-P, NaN where nobody is called and on Y and MT."""
    n = len(place)
    p, mid_p = np.full(n, np.nan), np.full(n, np.nan)
    rows = np.flatnonzero((place < X) & (diploid.called > 0))
    test = exact(diploid.het[rows], diploid.ref[rows], diploid.alt[rows])
    p[rows], mid_p[rows] = test
    if (place == X).any():
        f, m = (counted.of((sex,), founder=True, group=group) for sex in (FEMALE, MALE))
        rows = np.flatnonzero((place == X) & (f.called + m.ref + m.alt > 0))
        tested = (f.het, f.ref, f.alt, m.ref, m.alt)
        p[rows], mid_p[rows] = exact_x(*(number[rows] for number in tested))
    return p, mid_p


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
