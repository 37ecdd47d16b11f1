"""Columns of the tables that `genomed reads` writes; see genomed.tables."""

__all__ = ["READS_FEATURES"]

# A row for each alternative allele of each call.
READS_FEATURES: dict[str, str] = {
    "contig": "sequence name as the VCF spells it",
    "position": "1-based position as in VCF",
    "ref": "reference allele, upper case",
    "alt": "alternative allele; a row for each that is spelt as bases",
    "depth": "fragments that overlap the site; mates count once",
    "ambiguous": "of these, those that fit no allele e^2 times better than the others",
    "low_mapping_quality": "of these, those of a mapping quality below 20",
    "overlapping_mates": "reads left out because their mate covers the site too",
    "alt_fraction": "of the fragments that fit one allele, the share that fits this ALT",
    "log_odds": "log10 likelihood of the best genotype with this ALT, less the best without",
    "ref_depth": "fragments that fit REF, each read aligned anew to every allele's haplotype",
    "alt_depth": "fragments that fit this ALT",
    **{
        f"{allele}_{name}": text.format(allele.upper())
        for name, text in (
            ("base_quality", "mean quality, phred, of their bases at the site: those of {}"),
            ("mapping_quality", "mean mapping quality of those of {}"),
            ("end_distance", "mean bases to the nearer end of the aligned read, those of {}"),
            ("mismatches", "mean mismatches and gaps within 15 bases, those of {}"),
            ("clipped", "share with a soft clip, of those of {}"),
            ("proper_pairs", "share in proper pairs, of those of {}"),
            ("fit", "mean log-likelihood, less that of a read without errors, of those of {}"),
            ("starts", "different 5' ends among those of {}"),
        )
        for allele in ("ref", "alt")
    },
    "ref_forward": "fragments of REF whose read is on the forward strand",
    "alt_forward": "the same of ALT",
    "fisher_phred": "strand bias: -10 log10 of Fisher's exact P",
    "odds_ratio": "strand bias: symmetric log odds ratio",
    "base_quality_z": "rank-sum z of base quality, ALT against REF",
    "mapping_quality_z": "rank-sum z of mapping quality, ALT against REF",
    "end_distance_z": "rank-sum z of the distance to the nearer end, ALT against REF",
    "homopolymer": "bases of the run of one base at the site",
    "repeat_period": "bases of the unit of the tandem repeat there, 0 for none",
    "repeat_length": "bases that the repeat takes",
    "gc": "share of G and C in the 101 bases around",
}
