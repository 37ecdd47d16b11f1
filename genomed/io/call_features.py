"""Features of calls as INFO fields of their VCF."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from genomed.io.call_records import InfoField, number_texts

__all__ = ["FEATURE_FIELDS", "feature_info"]

# Field -> columns of TABLES["reads_features"] (for R: the reference's, then the ALT's), and digits.
_FIELDS = (
    (InfoField("RF_DP", "1", "Integer", "Fragments that overlap the site"), ("depth",), 0),
    (
        InfoField("RF_AMB", "1", "Integer", "Of these, fragments that fit no allele better"),
        ("ambiguous",),
        0,
    ),
    (
        InfoField("RF_AD", "R", "Integer", "Fragments that fit each allele, after realignment"),
        ("ref_depth", "alt_depth"),
        0,
    ),
    (
        InfoField("RF_ADF", "R", "Integer", "Of these, fragments on the forward strand"),
        ("ref_forward", "alt_forward"),
        0,
    ),
    (
        InfoField("RF_ST", "R", "Integer", "Different 5' ends of the reads that fit each allele"),
        ("ref_starts", "alt_starts"),
        0,
    ),
    (
        InfoField("RF_LOD", "A", "Float", "log10 likelihood of genotypes with the ALT to others"),
        ("log_odds",),
        2,
    ),
    (
        InfoField("RF_FS", "A", "Float", "Phred-scaled P of Fisher's exact test of strand bias"),
        ("fisher_phred",),
        2,
    ),
    (
        InfoField("RF_SOR", "A", "Float", "Symmetric log odds ratio of strand bias"),
        ("odds_ratio",),
        3,
    ),
    (
        InfoField("RF_BQ", "R", "Float", "Mean base quality of the reads that fit each allele"),
        ("ref_base_quality", "alt_base_quality"),
        1,
    ),
    (
        InfoField("RF_MQ", "R", "Float", "Mean mapping quality of the reads that fit each allele"),
        ("ref_mapping_quality", "alt_mapping_quality"),
        1,
    ),
    (
        InfoField("RF_END", "R", "Float", "Mean distance of the site to the nearer read end"),
        ("ref_end_distance", "alt_end_distance"),
        1,
    ),
    (
        InfoField("RF_MM", "R", "Float", "Mean mismatches and gaps near the site"),
        ("ref_mismatches", "alt_mismatches"),
        2,
    ),
    (
        InfoField("RF_CLIP", "R", "Float", "Share of reads with a soft clip"),
        ("ref_clipped", "alt_clipped"),
        3,
    ),
    (
        InfoField("RF_PP", "R", "Float", "Share of reads in proper pairs"),
        ("ref_proper_pairs", "alt_proper_pairs"),
        3,
    ),
    (
        InfoField("RF_BQZ", "A", "Float", "Rank-sum z of base quality, ALT against REF"),
        ("base_quality_z",),
        2,
    ),
    (
        InfoField("RF_MQZ", "A", "Float", "Rank-sum z of mapping quality, ALT against REF"),
        ("mapping_quality_z",),
        2,
    ),
    (
        InfoField("RF_ENDZ", "A", "Float", "Rank-sum z of the distance to the nearer read end"),
        ("end_distance_z",),
        2,
    ),
    (
        InfoField("RF_HP", "1", "Integer", "Bases of the homopolymer at the site"),
        ("homopolymer",),
        0,
    ),
    (
        InfoField("RF_STR", "1", "Integer", "Bases of the tandem repeat at the site"),
        ("repeat_length",),
        0,
    ),
    (
        InfoField("RF_GC", "1", "Float", "Share of G and C in the 101 bases around the site"),
        ("gc",),
        3,
    ),
)
FEATURE_FIELDS = tuple(field for field, _, _ in _FIELDS)


def feature_info(
    table: pl.DataFrame, n_alts: Sequence[int], chosen: Sequence[Sequence[int]]
) -> list[dict[str, str]]:
    """INFO of each record: name of the field -> text.

    table  : columns of TABLES["reads_features"], a row for each chosen ALT of each record
    n_alts : ALTs of each record
    chosen : which of them have rows; the others are "."
    """
    info: list[dict[str, str]] = [{} for _ in n_alts]
    for field, columns, digits in _FIELDS:
        texts = [number_texts(table[name], digits) for name in columns]
        row = 0
        for values, n, alts in zip(info, n_alts, chosen, strict=True):
            if not alts:
                values[field.name] = ""
                continue
            if field.number == "1":
                values[field.name] = texts[0][row]
            else:
                of_alts = ["."] * n
                for k, alt in enumerate(alts):
                    of_alts[alt] = texts[-1][row + k]
                if field.number == "R":
                    of_alts.insert(0, texts[0][row])
                values[field.name] = ",".join(of_alts)
            row += len(alts)
    return info
