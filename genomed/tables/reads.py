"""Columns of the tables that `genomed reads` writes; see genomed.tables."""

__all__ = ["TABLES"]

TABLES: dict[str, dict[str, str]] = {
    "reads_qc": {
        "file": "file of alignments",
        "prefix": "how the files of its depth begin",
        "sample": "sample that its read groups name; several with a comma between; null for none",
        "n_alignments": "records of the file",
        "n_secondary": "secondary alignments (flag 256)",
        "n_supplementary": "supplementary alignments (flag 2048)",
        "n_reads": "the other records: one for each read; what follows is of these",
        "n_mapped": "mapped reads",
        "n_paired": "reads of pairs",
        "n_duplicates": "reads marked as duplicates",
        "n_failed": "reads marked as failing quality checks",
        "mapped_share": "mapped reads among all",
        "proper_share": "reads of pairs marked proper, among reads of pairs",
        "mate_elsewhere_share": "reads whose mate is on another contig, among reads of pairs",
        "duplicate_share": "duplicates among all reads",
        "mapq0_share": "reads of mapping quality 0 among mapped ones",
        "mean_mapq": "mean mapping quality of mapped reads; 255, not available, left out",
        "forward_share": "reads on the forward strand among mapped ones",
        "mean_read_length": "bases of a read",
        "mean_base_quality": "mean quality of bases, phred",
        "q20_share": "bases of quality 20 and more",
        "q30_share": "bases of quality 30 and more",
        "gc_share": "G and C among the bases A, C, G and T",
        "mismatch_rate": "sum of the tag NM over mapped bases; 0 where the file has no NM",
        "soft_clipped_share": "soft-clipped bases among all",
        "insert_median": "median size of inserts (TLEN) in the most frequent orientation, bases",
        "insert_mad": "median absolute deviation of these",
        "insert_mean": "mean of those up to the median plus 10 deviations",
        "insert_sd": "standard deviation of the same",
        "orientation": "most frequent orientation of mates: inward, outward or same",
        "mean_depth": "mean depth of the contigs that have alignments, or of --targets",
        "median_depth": "median of the same",
        "covered_share": "bases of these with a depth above 0",
        "callable_share": "bases whose depth is in the third class of --quantize; null with fewer",
        "at_dropout": "share of the depth missing from windows of 100 bases with up to 50 % GC; "
        "null without --reference",
        "gc_dropout": "the same of windows with more",
        "x_ratio": "mean depth of X over that of chromosomes 1 to 22; null where either has none",
        "y_ratio": "the same of Y",
        "mt_ratio": "the same of the mitochondrion",
        "sex": "male or female by these ratios, ambiguous, or null where nothing tells",
    },
    "reads_qc_contigs": {
        "file": "file of alignments",
        "contig": "sequence name as the file spells it",
        "length": "bases",
        "n_alignments": "alignments that count as depth",
        "mean_depth": "mean depth",
        "median_depth": "median depth",
        "min_depth": "least depth",
        "max_depth": "greatest depth",
        "covered_share": "bases with a depth above 0",
        "callable_share": "bases whose depth is in the third class of --quantize; null with fewer",
    },
    "reads_qc_distributions": {
        "file": "file of alignments",
        "measure": "mapq, base_quality, read_length, insert_size, cycle_quality, depth, gc_windows "
        "or gc_depth",
        "group": "orientation of mates (insert_size), 1 or 2 for the read of a pair "
        "(cycle_quality), else null",
        "key": "what is counted by: a quality, a length in bases, a cycle from 1, a depth, a "
        "percentage",
        "value": "reads (mapq, read_length), reads of pairs (insert_size), bases (base_quality, "
        "depth), mean quality (cycle_quality), windows of 100 bases (gc_windows), their mean depth "
        "over the mean of all (gc_depth)",
    },
    # A row for each alternative allele of each call.
    "reads_features": {
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
    },
    # A row for each alternative allele of each call.
    "reads_scores": {
        "contig": "sequence name as the VCF spells it",
        "position": "1-based position as in VCF",
        "ref": "reference allele, upper case",
        "alt": "alternative allele",
        "kind": "SNP (as many bases as REF) or INDEL; null for alleles that cannot be looked up",
        "log_odds": "natural log odds that the sample has this allele, the least of its changes'; "
        "null where there are no reads",
        "genotype_log_odds": "natural log odds that the record's genotype is right; null without "
        "GT or reads",
        "known": "whether all its changes are among the variants known to be true; false without "
        "them",
        "tranche": "FILTER of the record: PASS, CNN_KIND_FROM_TO in percent of the true ones, or "
        "empty where nothing was scored",
    },
    "reads_identity": {
        "file": "file of alignments",
        "sample": "sample that its read groups name; null where they name none or several",
        "n_sites": "sites of the panel with reads",
        "mean_depth": "reads of either allele at them; a fragment counts once",
        "n_called": "sites whose genotype is certain",
        "n_het": "heterozygous ones of these",
        "contamination": "share of the reads that are another person's, 0 to 0.5; null with few "
        "sites",
        "contamination_low": "lower end of its 95 % interval",
        "contamination_high": "upper end",
        "contamination_log_odds": "log likelihood of that share, less that of none",
        "contaminant": "person of --store whose the other reads are; null where nobody's",
        "base_error": "probability that a base is wrong, by bases that are neither allele",
        "best_match": "person of --store whose reads these are; null where nobody's",
        "identity": "confirmed, swapped (another person's of the store), not_own (not the named "
        "person's, nor another's), other_name (the name is not in the store), not_in_store, "
        "not_told (too few sites); null without --store",
    },
    "reads_pairs": {
        "file1": "file of alignments",
        "file2": "another",
        "sample1": "sample of the first",
        "sample2": "sample of the second",
        "n_sites": "sites of the panel at which something is known of both",
        "n_called": "of these, called in both; the counts that follow are of these",
        "ibs0": "opposite homozygotes",
        "ibs2": "equal genotypes",
        "n_het1": "heterozygous in the first",
        "n_het2": "heterozygous in the second",
        "n_het_shared": "heterozygous in both",
        "king": "KING-robust kinship of the calls; null with few",
        "kinship": "kinship by the likelihood of sharing alleles by descent, which few reads are "
        "enough for; null with few sites",
        "k0": "probability of sharing no allele by descent",
        "k1": "of sharing one",
        "k2": "of sharing two",
        "relation": 'see TABLES["kinship"], by king where it is known, else by kinship',
        "verdict": "as_named, same_person (under two names), different_people (under one name), or "
        "not_told",
    },
    "reads_matches": {
        "file": "file of alignments",
        "sample": "sample that its read groups name",
        "match": "person of --store: the most alike, and the one of that name",
        "rank": "1 is the most alike",
        "log_odds": "log of how much more probable the reads are if they are this person's than a "
        "stranger's",
        "n_compared": "sites with reads and a call in the store",
        "n_sites": "sites of the panel at which something is known of both",
        "n_called": "of these, called in both; the counts that follow are of these",
        "ibs0": "opposite homozygotes",
        "ibs2": "equal genotypes",
        "n_het1": "heterozygous in the first",
        "n_het2": "heterozygous in the second",
        "n_het_shared": "heterozygous in both",
        "king": "KING-robust kinship of the calls; null with few",
        "kinship": "kinship by the likelihood of sharing alleles by descent, which few reads are "
        "enough for; null with few sites",
        "k0": "probability of sharing no allele by descent",
        "k1": "of sharing one",
        "k2": "of sharing two",
        "relation": 'see TABLES["kinship"], by king where it is known, else by kinship',
    },
}
