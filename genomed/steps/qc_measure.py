"""One block of a `qc` run: calls in, rows of the table of variants out, samples' sums added to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from genomed.assemblies import PSEUDO_AUTOSOMAL as REGIONS
from genomed.ledger import QC_VARIANTS
from genomed.regions import AUTOSOMES, canonical_contig
from genomed.settings import QcSettings
from genomed.stats.mendel import MendelSums
from genomed.stats.missingness import MissingTest, test_missing
from genomed.stats.samples import KINDS, OTHER_KIND, TRANSITION, TRANSVERSION, SampleSums
from genomed.stats.variants import (
    AUTOSOME,
    MT,
    OTHER,
    PLACES,
    PSEUDO_AUTOSOMAL,
    Strata,
    VariantMeasures,
    X,
    Y,
    hwe_within,
    measure_variants,
)
from genomed.steps.qc_people import People

__all__ = ["VARIANT_SCHEMA", "Sums", "kinds", "measure_block", "places"]

_IN_BOTH = {"XY", "25", "PAR1", "PAR2"}  # names that mean a pseudo-autosomal region
_SUBSTITUTION = pl.Enum([a + b for a in "ACGT" for b in "ACGT" if a != b])
_KIND_OF = np.array(
    [
        TRANSITION if pair in ("AG", "GA", "CT", "TC") else TRANSVERSION
        for pair in _SUBSTITUTION.categories
    ],
    np.int8,
)

VARIANT_SCHEMA: dict[str, Any] = {
    "contig": pl.Utf8, "position": pl.Int64, "id": pl.Utf8, "ref": pl.Utf8, "alt": pl.Utf8,
    "place": pl.Enum(PLACES), "kind": pl.Enum(KINDS),
    "n_called": pl.Int32, "call_rate": pl.Float64, "n_hom_ref": pl.Int32, "n_het": pl.Int32,
    "n_hom_alt": pl.Int32, "n_hap_ref": pl.Int32, "n_hap_alt": pl.Int32, "n_het_haploid": pl.Int32,
    "alt_count": pl.Int32, "allele_number": pl.Int32, "alt_frequency": pl.Float64,
    "het_observed": pl.Float64, "het_expected": pl.Float64, "hwe_p": pl.Float64,
    "hwe_mid_p": pl.Float64, "hwe_group_p": pl.Float64, "n_mendel": pl.Int32,
    "missing_case": pl.Float64,
    "missing_control": pl.Float64, "missing_p": pl.Float64, "pass": pl.Boolean, "reason": pl.Utf8,
}  # fmt: skip


@dataclass
class Sums:
    """What one thread adds up; any order, and any division among threads, gives the same."""

    samples: SampleSums
    mendel: MendelSums
    n_rows: int = 0
    n_passed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)  # the first of each variant
    places: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, people: People) -> Sums:
        """Nothing added yet."""
        return cls(SampleSums(people.sex), MendelSums(people.trios))

    def merge(self, other: Sums) -> None:
        """Add another thread's sums."""
        self.samples.merge(other.samples)
        self.mendel.merge(other.mendel)
        self.n_rows += other.n_rows
        self.n_passed += other.n_passed
        for mine, theirs in (
            (self.reasons, other.reasons),
            (self.places, other.places),
            (self.kinds, other.kinds),
        ):
            mine.update(theirs)


def measure_block(
    variants: pl.DataFrame, words: np.ndarray, strata: Strata, people: People, build: str | None,
    settings: QcSettings, sums: Sums,
) -> pl.DataFrame:  # fmt: skip
    """Measure and judge the variants of a block: rows of VARIANT_SCHEMA.

    variants : columns contig, position, id, ref, alt
    words    : uint64 (variants, words), packed calls
    """
    place = places(variants["contig"], variants["position"].to_numpy(), build)
    kind = kinds(variants["ref"], variants["alt"])
    counted = strata.count(words)
    measures = measure_variants(counted, place)
    missing = test_missing(counted, place) if people.status is not None else None
    within = None
    if people.group is not None:
        within = hwe_within(counted, place, len(people.group_names))
    sums.samples.add(words, place, kind, measures)
    has_trios = len(people.trios.child) > 0
    errors = sums.mendel.add(words, place) if has_trios else None
    n_trios = len(people.trios.child)
    codes = _reasons(measures, within, missing, errors, n_trios, settings)
    _tally(sums, place, kind, codes)
    return _table(variants, place, kind, measures, within, missing, errors, codes)


def places(contig: pl.Series, position: np.ndarray, build: str | None) -> np.ndarray:
    """Where variants lie: int8 (variants,), index into PLACES.

    position : int64 (variants,), 1-based
    build    : tells the pseudo-autosomal regions; where it is None, none is known by position
    """
    if not len(contig):
        return np.zeros(0, np.int8)
    if (contig == contig[0]).all():
        found = np.full(len(contig), _place(contig[0]), np.int8)
    else:
        names = contig.unique(maintain_order=True).to_list()
        codes = contig.cast(pl.Enum(names)).to_physical().to_numpy()
        found = np.array([_place(name) for name in names], np.int8)[codes]
    for region in REGIONS.get(build or "", ()):
        on = X if region.contig == "X" else Y
        inside = (found == on) & (position > region.start) & (position <= region.end)
        found[inside] = PSEUDO_AUTOSOMAL
    return found


def _place(name: str) -> int:
    bare = name[3:] if name[:3].lower() == "chr" else name
    if bare.upper() in _IN_BOTH:
        return PSEUDO_AUTOSOMAL
    canonical = canonical_contig(name)
    if canonical in AUTOSOMES:
        return AUTOSOME
    return {"X": X, "Y": Y, "MT": MT}.get(canonical, OTHER)


def kinds(ref: pl.Series, alt: pl.Series) -> np.ndarray:
    """What variants change: int8 (variants,), index into KINDS."""
    codes = (ref + alt).cast(_SUBSTITUTION, strict=False).to_physical()
    known = codes.is_not_null() & (ref.str.len_bytes() == 1)
    found = _KIND_OF[codes.fill_null(0).to_numpy()]
    found[~known.to_numpy()] = OTHER_KIND
    return found


def _reasons(
    measures: VariantMeasures, within: np.ndarray | None, missing: MissingTest | None,
    errors: np.ndarray | None, n_trios: int, settings: QcSettings,
) -> np.ndarray:  # fmt: skip
    """Filters that each variant fails: bits in the order of QC_VARIANTS, int64 (variants,)."""
    f = measures.alt_frequency
    eligible, called = measures.n_eligible, measures.n_called
    no_calls = (eligible > 0) & (called == 0)
    failed = {
        "no_calls": no_calls,
        "low_call_rate": ~no_calls & (called < settings.min_call_rate * eligible),
        "hwe": (measures.hwe_p if within is None else within) < settings.hwe_p,
        "rare": np.minimum(f, 1 - f) < settings.min_maf,
    }
    if missing is not None:
        failed["differential_missingness"] = missing.p < settings.missing_p
    if errors is not None:
        failed["mendel"] = errors > settings.max_variant_mendel * n_trios
    codes = np.zeros(len(f), np.int64)
    for bit, code in enumerate(QC_VARIANTS):
        if code in failed:
            codes |= failed[code].astype(np.int64) << bit
    return codes


def _tally(sums: Sums, place: np.ndarray, kind: np.ndarray, codes: np.ndarray) -> None:
    sums.n_rows += len(codes)
    sums.n_passed += int((codes == 0).sum())
    first = np.bincount(_lowest_bit(codes[codes > 0]), minlength=len(QC_VARIANTS))
    sums.reasons.update(dict(zip(QC_VARIANTS, first.tolist(), strict=True)))
    for counter, names, values in ((sums.places, PLACES, place), (sums.kinds, KINDS, kind)):
        counts = np.bincount(values, minlength=len(names)).tolist()
        counter.update(dict(zip(names, counts, strict=True)))


def _lowest_bit(codes: np.ndarray) -> np.ndarray:
    return np.log2(codes & -codes).astype(np.int64)


def reason_texts(names: dict[str, str]) -> pl.Series:
    """The text of every combination of codes, by its bits."""
    codes = list(names)
    texts = [
        ";".join(code for bit, code in enumerate(codes) if value >> bit & 1)
        for value in range(1 << len(codes))
    ]
    return pl.Series(texts)


_TEXTS = reason_texts(QC_VARIANTS)
_PLACES = pl.Series(PLACES, dtype=VARIANT_SCHEMA["place"])
_KINDS = pl.Series(KINDS, dtype=VARIANT_SCHEMA["kind"])


def _table(
    variants: pl.DataFrame, place: np.ndarray, kind: np.ndarray, measures: VariantMeasures,
    within: np.ndarray | None, missing: MissingTest | None, errors: np.ndarray | None,
    codes: np.ndarray,
) -> pl.DataFrame:  # fmt: skip
    n = len(codes)
    columns: dict[str, Any] = {name: variants[name] for name in variants.columns}
    columns["place"] = _PLACES.gather(place)
    columns["kind"] = _KINDS.gather(kind)
    columns |= measures._asdict()
    eligible = columns.pop("n_eligible")
    rate = np.full(n, np.nan)
    columns["call_rate"] = np.divide(measures.n_called, eligible, out=rate, where=eligible > 0)
    columns["hwe_group_p"] = within
    told = (None,) * 3 if missing is None else missing
    columns |= dict(zip(("missing_case", "missing_control", "missing_p"), told, strict=True))
    columns["n_mendel"] = None
    if errors is not None:
        columns["n_mendel"] = pl.Series(errors).set(pl.Series(place > X), None)
    columns["pass"] = codes == 0
    columns["reason"] = _TEXTS.gather(codes)
    return pl.DataFrame(
        [_column(name, columns[name], kind, n) for name, kind in VARIANT_SCHEMA.items()]
    )


def _column(name: str, values: Any, kind: Any, n: int) -> pl.Series:
    """A column of its type; None is a column of nulls, and NaN is null."""
    if values is None:
        return pl.Series(name, [None], dtype=kind).new_from_index(0, n)
    if isinstance(values, pl.Series):
        return values.alias(name)
    if kind == pl.Float64:
        return pl.Series(name, values).fill_nan(None)
    return pl.Series(name, values.astype(np.int32) if kind == pl.Int32 else values)
