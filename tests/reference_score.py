"""A polygenic score computed the slow, obvious way: the definition that scores are compared with.

Each genotype is looked at on its own: is it called, how many copies of the effect allele, what does
that weigh. Where plink2 has an answer the definition is plink2's (2.00a3.5, measured):

* A haploid call counts twice (X of a male, --xchr-model 2), except on Y and MT, where every call
  is one allele: dosage = copies / ploidy x scale, with scale 2, or 1 on Y and MT.
* Frequency = copies / alleles over called samples; a missing call gets scale x frequency.
* dominant is min(dosage, 1), recessive max(dosage - 1, 0), of the effect allele, be it ALT or REF.
  A missing call gets the mean of the recoded genotypes here. plink2 gives it the frequency, for
  dominant and recessive alike; Rules(recoded_fill="frequency") does the same.

Matching, in this order: alleles as they stand, swapped, on the other strand, both; the first
record in the file where several fit. Only a model variant with both alleles can be on the other
strand. An effect allele that is REF of a multi-allelic record has ploidy - (copies of all its ALTs)
copies. A record of one base that is one of the model's two, but without the other one, proves the
calls there: no copy of an effect allele that it does not hold. Reference blocks are not part of it.
"""

from dataclasses import dataclass

from reference_vcf import MISSING, ReferenceCohort, ReferenceRow

from genomed.regions import canonical_contig

_COMPLEMENT = str.maketrans("ACGT", "TGCA")
ONE_COPY_CONTIGS = ("Y", "MT")
NO_ALT = (".", "<NON_REF>", "<*>")


@dataclass(frozen=True)
class ModelVariant:
    """One row of a model; `weight` per copy, or `dosage_weights` for 0, 1 and 2 copies."""

    contig: str
    position: int
    effect: str
    other: str | None
    weight: float
    effect_type: str = "additive"  # additive, dominant, recessive or dosage
    dosage_weights: tuple[float, float, float] | None = None
    reference_frequency: float | None = None  # of the effect allele


@dataclass(frozen=True)
class Rules:
    """missing: mean, reference-mean, drop or zero-dosage; ambiguous: drop or keep."""

    missing: str = "mean"
    ambiguous: str = "drop"
    recoded_fill: str = "mean"  # or "frequency", as plink2 does


@dataclass
class ReferenceScore:
    """Per sample: score and n_missing (matched variants without a call) and alleles counted."""

    score: list[float]
    n_missing: list[int]
    n_alleles: list[float]  # plink2's DENOM
    n_matched: int
    reasons: list[str]  # one per model variant, codes of genomed.ledger.REASONS


def reference_score(
    cohort: ReferenceCohort, model: list[ModelVariant], rules: Rules | None = None
) -> ReferenceScore:
    """Score every sample of `cohort`."""
    rules = rules or Rules()
    n = len(cohort.samples)
    result = ReferenceScore([0.0] * n, [0] * n, [0.0] * n, 0, [])
    seen = set()
    for variant in model:
        key = (canonical_contig(variant.contig), variant.position, variant.effect, variant.other)
        if key in seen:
            result.reasons.append("duplicate_in_model")
            continue
        seen.add(key)
        reason, allele, rows = find(cohort, variant, rules)
        if rows:
            copies = effect_copies(rows, allele)
            if all(c is None for c in copies):
                reason = "monomorphic_no_call"
            else:
                _add(result, variant, copies, rows[0], rules)
        result.reasons.append(reason)
    return result


def reverse_complement(allele: str) -> str:
    return allele.translate(_COMPLEMENT)[::-1]


def find(
    cohort: ReferenceCohort, variant: ModelVariant, rules: Rules
) -> tuple[str, str, list[ReferenceRow]]:
    """Reason, the cohort's name of the effect allele, and the rows of the record, [] if none."""
    here = [
        row
        for row in cohort.rows
        if row.position == variant.position
        and canonical_contig(row.contig) == canonical_contig(variant.contig)
    ]
    if not here:
        return "absent", "", []
    effect, other = variant.effect, variant.other
    flipped = reverse_complement(effect)
    flipped_other = None if other is None else reverse_complement(other)
    for reason, wanted, beside, side in (
        ("exact", effect, other, "alt"),
        ("swapped", effect, other, "ref"),
        ("flipped", flipped, flipped_other, "alt"),
        ("flipped_swapped", flipped, flipped_other, "ref"),
    ):
        for row in here:
            mine, its_other = (row.alt, row.ref) if side == "alt" else (row.ref, row.alt)
            if mine != wanted or its_other in (*NO_ALT, mine) or beside not in (None, its_other):
                continue
            if other is None and wanted != effect:
                continue
            if rules.ambiguous == "drop" and reverse_complement(mine) == its_other:
                return "ambiguous", "", []
            return reason, wanted, [r for r in here if r.line == row.line]
    for row in here:
        if proves_hom_ref(row, effect, other):
            if rules.ambiguous == "drop" and flipped == other:
                return "ambiguous", "", []
            return "hom_ref_called", effect, [r for r in here if r.line == row.line]
    return "alleles_differ", "", []


def proves_hom_ref(row: ReferenceRow, effect: str, other: str | None) -> bool:
    """Whether a record without the model's ALT tells how many copies of `effect` a call holds."""
    if len(row.ref) > 1 or len(effect) > 1:
        return False
    if other is None:
        return row.ref == effect and row.alt in NO_ALT
    return len(other) == 1 and row.ref in (effect, other)


def effect_copies(rows: list[ReferenceRow], allele: str) -> list[float | None]:
    """Copies of `allele` in each sample, None where not called; `rows` are one record's."""
    for row in rows:
        if row.alt == allele:
            return known_copies(row)
    if allele != rows[0].ref:
        return [None if c is None else 0 for c in known_copies(rows[0])]
    columns = zip(*(known_copies(row) for row in rows), strict=True)
    return [
        None if None in copies else ploidy - sum(copies)
        for copies, ploidy in zip(columns, rows[0].ploidy, strict=True)
    ]


def known_copies(row: ReferenceRow) -> list[float | None]:
    """Copies of this row's ALT: its dosage where dosages were asked for, else its count."""
    if row.dosage is not None:
        return list(row.dosage)
    return [None if count == MISSING else count for count in row.alt_count]


def _add(
    result: ReferenceScore,
    variant: ModelVariant,
    copies: list[float | None],
    row: ReferenceRow,
    rules: Rules,
) -> None:
    scale = 1 if canonical_contig(row.contig) in ONE_COPY_CONTIGS else 2
    called = [(c, p) for c, p in zip(copies, row.ploidy, strict=True) if c is not None]
    frequency = sum(c for c, _ in called) / sum(p for _, p in called)
    terms = [term(variant, c / p * scale) for c, p in called]
    fill = fill_term(variant, frequency, terms, scale, rules)
    result.n_matched += 1
    for sample, (c, p) in enumerate(zip(copies, row.ploidy, strict=True)):
        if c is not None:
            result.score[sample] += term(variant, c / p * scale)
            result.n_alleles[sample] += scale
        else:
            result.n_missing[sample] += 1
            result.score[sample] += fill
            result.n_alleles[sample] += 0 if rules.missing == "drop" else scale


def term(variant: ModelVariant, dosage: float) -> float:
    """What a dosage of the effect allele, 0 to 2, adds to a score."""
    if variant.effect_type == "additive":
        return variant.weight * dosage
    if variant.effect_type == "dominant":
        return variant.weight * min(dosage, 1)
    if variant.effect_type == "recessive":
        return variant.weight * max(dosage - 1, 0)
    none, one, two = variant.dosage_weights
    if dosage <= 1:
        return none + (one - none) * dosage
    return one + (two - one) * (dosage - 1)


def fill_term(
    variant: ModelVariant, frequency: float, called_terms: list[float], scale: int, rules: Rules
) -> float:
    """What a missing call adds to a score."""
    if rules.missing == "drop":
        return 0.0
    if rules.missing == "zero-dosage":
        return term(variant, 0)
    if rules.missing == "reference-mean" and variant.reference_frequency is not None:
        return hardy_weinberg_term(variant, variant.reference_frequency, scale)
    if variant.effect_type == "additive":
        return variant.weight * scale * frequency
    if variant.effect_type != "dosage" and rules.recoded_fill == "frequency":
        return variant.weight * frequency
    return sum(called_terms) / len(called_terms)


def hardy_weinberg_term(variant: ModelVariant, p: float, scale: int) -> float:
    """Expected term of a sample drawn at frequency `p`: two alleles, or one where scale is 1."""
    shares = [1 - p, p, 0] if scale == 1 else [(1 - p) ** 2, 2 * p * (1 - p), p**2]
    return sum(share * term(variant, copies) for copies, share in enumerate(shares))
