"""Which column of a weight table plays which part, in the dialects people write.

Names are compared in lower case. Sources: PGS Catalog scoring file format 2.0 (pgscatalog.org,
downloads), plink2 --score, --glm and --freq, BOLT-LMM, regenie, GCTB, GWAS-SSF. Dialects in which
the counted allele cannot be told from the column names are refused rather than guessed at.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from genomed.assemblies import normalise_build
from genomed.errors import InputError

__all__ = ["KNOWN_COLUMNS", "Parts", "check_parts", "normalised_build", "parts_of"]

# Part -> names, the most trusted first.
_NAMES = {
    "variant_id": "rsid hm_rsid rsids variant_id snp snpid markername markerid marker rs rs_id "
    "name id variant",
    "contig": "chr_name chrom chr chromosome contig",
    "position": "chr_position pos bp position base_pair_location base_pair_position genpos",
    "effect_allele": "effect_allele effectallele a1 allele1 ea tested_allele coded_allele",
    "other_allele": "other_allele otherallele reference_allele non_effect_allele "
    "noneffect_allele a2 allele0 a0 nea oa omitted",
    "ref": "ref",
    "alt": "alt",
    "frequency": "allelefrequency_effect effect_allele_frequency eaf a1freq a1_freq a1frq freq1 "
    "freq frq",
    "hm_variant_id": "hm_rsid",
    "hm_contig": "hm_chr",
    "hm_position": "hm_pos",
    "hm_other_allele": "hm_inferotherallele",
    "weight_type": "weight_type",
    "effect_type": "effect_type",
    "is_dominant": "is_dominant",
    "is_recessive": "is_recessive",
    "is_haplotype": "is_haplotype",
    "is_diplotype": "is_diplotype",
    "is_interaction": "is_interaction",
    "inclusion_criteria": "inclusion_criteria",
    "dosage_0_weight": "dosage_0_weight",
    "dosage_1_weight": "dosage_1_weight",
    "dosage_2_weight": "dosage_2_weight",
    "accession": "accession",
    "odds_ratio": "or odds_ratio oddsratio",
    "hazard_ratio": "hr hazard_ratio",
}

# A weight by its name, with nothing or a number or a word behind it: SCORE1, WEIGHT_PRScs.
_WEIGHT = re.compile(r"(effect_weight|weight|beta|score|a1effect|effect|b|log_?or|ln_?or)(.*)")
_NO_WEIGHT = re.compile(r"[_.]?(type|se|sd|p|pval\w*|stderr|n|allele.*|rank|source|desc\w*)")

# Numeric columns of summary statistics and catalogues that are no weights.
_ANNOTATION_NAMES = """
    se sd stderr standard_error p pval pvalue p_value p-value log10p mlog10p neg_log_10_p_value
    n n_eff neff obs_ct n_case n_cases n_control n_controls info genpos cm pip z zscore z_stat
    t_stat chisq chisq_linreg p_linreg chisq_bolt_lmm_inf p_bolt_lmm_inf chisq_bolt_lmm p_bolt_lmm
    maf a1_ct a2freq row_nr line index id locus_name is_duplicated variant_description
    imputation_method hm_source hm_match_chr hm_match_pos hm_code hm_strand test errcode
"""
_ANNOTATIONS = frozenset(_ANNOTATION_NAMES.split())

KNOWN_COLUMNS = frozenset(name for names in _NAMES.values() for name in names.split())

_YES = ["true", "t", "yes", "y", "1"]

_NOT_REPORTED = ("", "nr", "na", "unknown", "not reported")


@dataclass(frozen=True)
class Parts:
    """Column names as spelt in one file.

    named   : part (a key such as effect_allele or hm_contig) -> column
    weights : weight columns by name, in file order; empty when the names tell nothing
    others  : columns of no known meaning, which may be weights named after their score
    """

    named: dict[str, str]
    weights: tuple[str, ...]
    others: tuple[str, ...]

    def get(self, part: str) -> str | None:
        """The column that plays `part`, or None."""
        return self.named.get(part)

    def text(self, part: str) -> pl.Expr:
        """The column as it stands; a null where the file has none."""
        column = self.named.get(part)
        return pl.lit(None, pl.Utf8) if column is None else pl.col(column)

    def upper(self, part: str) -> pl.Expr:
        """The column in upper case; a null where the file has none."""
        # A function of a literal null would no longer be taken for a scalar, hence the question.
        return self.text(part).str.to_uppercase() if part in self.named else self.text(part)

    def number(self, part: str) -> pl.Expr:
        """The column as Float64, null where it is no number or the file has no such column."""
        if part not in self.named:
            return pl.lit(None, pl.Float64)
        return self.text(part).cast(pl.Float64, strict=False)

    def is_set(self, *parts: str) -> pl.Expr:
        """Whether any of these yes-or-no columns says yes."""
        present = [self.text(part) for part in parts if part in self.named]
        yes = (text.str.to_lowercase().is_in(_YES).fill_null(False) for text in present)
        return pl.any_horizontal(pl.lit(False), *yes)

    def is_filled(self, *parts: str) -> pl.Expr:
        """Whether any of these columns holds anything."""
        present = [self.text(part).is_not_null() for part in parts if part in self.named]
        return pl.any_horizontal(pl.lit(False), *present)


def parts_of(columns: Sequence[str]) -> Parts:
    """Tell the part of every column from its name.

    A table of nothing but an ID, one allele and further columns is the layout of plink's --score:
    there every further column is a weight, whatever it is called.
    """
    spelt = {column.lower(): column for column in reversed(columns)}
    named: dict[str, str] = {}
    for part, names in _NAMES.items():
        found = [name for name in names.split() if name in spelt]
        if part == "frequency" and not found:
            found = [name for name in spelt if name.startswith("allelefrequency_effect_")][:1]
        if found and found[0] not in (n.lower() for n in named.values()):
            named[part] = spelt[found[0]]
    taken = {column.lower() for column in named.values()}
    free = [column for column in columns if column.lower() not in taken]
    weights = tuple(column for column in free if _is_weight_name(column.lower()))
    known = KNOWN_COLUMNS | _ANNOTATIONS | {column.lower() for column in weights}
    others = tuple(c for c in free if c.lower() not in known and not _about_a_weight(c.lower()))
    annotated = any(c.lower() in _ANNOTATIONS or _about_a_weight(c.lower()) for c in free)
    if set(named) == {"variant_id", "effect_allele"} and not annotated:
        weights = tuple(column for column in free if column in weights or column in others)
    return Parts(named, weights, others)


def check_parts(path: Path, line: int, columns: list[str], parts: Parts) -> None:
    """Raise InputError, naming what was found and what is accepted, when a part is missing."""
    found = ", ".join(columns[:12]) + (", ..." if len(columns) > 12 else "")
    where = f"{path}, line {line}"
    counted = (parts.get("effect_allele") or "").lower()
    if counted == "allele1" and "allele2" in {column.lower() for column in columns}:
        raise InputError(
            f"{where}: Allele1 and Allele2 do not say which is counted (METAL and SAIGE differ); "
            "rename them to effect_allele and other_allele"
        )
    if parts.get("effect_allele") is None:
        raise InputError(
            f"{where}: no column of effect alleles among: {found}; name it effect_allele or A1 "
            "(a table without a line of column names needs one, such as 'ID A1 WEIGHT')"
        )
    located = parts.get("contig") and parts.get("position")
    harmonised = parts.get("hm_contig") and parts.get("hm_position")
    if not (parts.get("variant_id") or located or harmonised):
        raise InputError(
            f"{where}: no way to place a variant among: {found}; give a column rsID, ID or SNP, "
            "or chr_name and chr_position"
        )


def normalised_build(text: str) -> str:
    """Spell a genome build the one way used here: ``hg19`` -> ``GRCh37``; "" when not reported.

    A build of no known name is returned as it stands.
    """
    bare = text.strip()
    if bare.lower() in _NOT_REPORTED:
        return ""
    return normalise_build(bare) or bare


def _is_weight_name(name: str) -> bool:
    """Whether a column of this name holds weights: ``beta``, ``SCORE2``, ``weight_PRScs``."""
    match = _WEIGHT.fullmatch(name)
    if not match or name in KNOWN_COLUMNS | _ANNOTATIONS or _about_a_weight(name):
        return False
    return not match[2] or match[2][0] in "_.-" or match[2].isdigit()


def _about_a_weight(name: str) -> bool:
    """Whether a column describes a weight, as ``beta_se`` does."""
    match = _WEIGHT.fullmatch(name)
    return bool(match and _NO_WEIGHT.fullmatch(match[2]))
