"""Columns of the tables that `genomed structure` writes; see genomed.tables."""

__all__ = ["TABLES"]

TABLES: dict[str, dict[str, str]] = {
    "structure_variants": {
        "contig": "sequence name as the store spells it",
        "position": "1-based position as in VCF",
        "id": "variant ID, null where the store has '.'",
        "ref": "reference allele",
        "alt": "ALT allele; several with commas between",
        "minor_allele_frequency": "among founders; null for variants dropped before it was counted",
        "fate": "what became of it, see genomed.ledger.STRUCTURE",
    },
    "pcs": {
        "sample": "sample name",
        "projected": "whether the person was placed on components found without them, as relatives "
        "of others are",
        "PC1": "score on the first component: sqrt(eigenvalue) x unit eigenvector, so that squared "
        "distances are those of the relationship matrix; PC2 and so on follow",
    },
    "eigenvalues": {
        "component": "PC1 and so on",
        "eigenvalue": "of the relationship matrix, as plink2 --pca prints it",
        "shrinkage": "what projections of people without relatives here are to be divided by",
    },
    "loadings": {
        "contig": "sequence name as the store spells it",
        "position": "1-based position as in VCF",
        "id": "variant ID, null where the store has '.'",
        "ref": "reference allele",
        "alt": "the allele counted",
        "centre": "mean copies of ALT, 2p; null where nobody was called",
        "scale": "1 / sqrt(2p(1-p)); 0 where the variant does not vary",
        "PC1": "unit-length loading on the first component; PC2 and so on follow",
    },
    "structure_ancestry": {
        "sample": "sample name",
        "most_similar_population": "population of the reference that fits best; null outside it",
        "population_probability": "its probability, 0 to 1",
        "most_similar_superpopulation": "superpopulation that fits best; null outside it",
        "superpopulation_probability": "its probability, 0 to 1",
        "genetic_distance": "distance from the nearest reference people, in units of how far they "
        "are apart",
        "outside_reference": "whether the person lies outside the reference",
        "projection_coverage": "share of the loadings' squares that lies at called variants",
        "PC1": "first component, in the units of the reference's; PC2 and so on follow",
        "probability_*": "probability of each superpopulation and population, one column each",
    },
    "kinship": {
        "sample1": "sample name",
        "sample2": "name of a sample that comes later in the store",
        "n_snps": "variants called in both",
        "n_het_het": "variants where both are heterozygous",
        "n_ibs0": "variants where they are homozygous for different alleles",
        "n_het1_hom2": "variants where sample1 is heterozygous and sample2 homozygous",
        "n_hom1_het2": "variants where sample1 is homozygous and sample2 heterozygous",
        "kinship": "KING-robust kinship; null where one has no heterozygous call",
        "ibd0": "n_ibs0 over its expectation for unrelated people, sum(2p^2(1-p)^2)",
        "relation": "duplicate, parent_child, siblings, second_degree, third_degree, or unrelated; "
        "null without a kinship",
    },
    "pedigree": {
        "sample1": "sample name",
        "sample2": "sample name",
        "declared": "relation that the declared parents make; null where they make none up to the "
        "third degree",
        "declared_kinship": "its expected kinship",
        "found": "relation that the genotypes show; null where none up to the third degree",
        "found_kinship": "KING-robust kinship; null where below the least told",
        "verdict": "agrees, disagrees, or undeclared (found to the second degree)",
    },
    "roh": {
        "sample": "sample name",
        "contig": "sequence name as the store spells it",
        "first": "1-based position of the run's first variant",
        "last": "1-based position of its last variant",
        "length_kb": "kilobases from the first to the last, both included",
        "n_variants": "variants in the run",
        "n_het": "heterozygous calls among them",
        "n_missing": "missing calls among them",
    },
    "roh_samples": {
        "sample": "sample name",
        "n_runs": "runs of homozygosity",
        "length_kb": "kilobases in runs",
        "mean_kb": "mean length of a run, kilobases; null without runs",
        "longest_kb": "length of the longest run, kilobases; null without runs",
        "f_roh": "share, 0 to 1, of the autosomes between the first and last variant of each "
        "contig that lies in runs",
    },
    "structure_groups": {
        "sample": "sample name",
        "group": "group that --groups puts it in; null for none",
    },
    "diversity": {
        "group": "group name",
        "n_samples": "unrelated people of the group",
        "n_variants": "variants looked at in whom anybody of the group is called",
        "n_segregating": "variants with both alleles in the group",
        "n_private": "variants whose ALT, or REF, is in this group alone",
        "heterozygosity_observed": "mean over variants of the share of heterozygous calls",
        "heterozygosity_expected": "mean over variants of 2p(1-p)",
        "f_is": "1 - observed / expected heterozygosity",
        "pi": "mean pairwise differences per base of the windows",
        "theta_w": "Watterson's estimator per base of the windows",
        "tajima_d": "mean of Tajima's D over windows with at least 3 segregating variants",
    },
    "fst": {
        "group1": "group name",
        "group2": "group name; '*' for all groups together",
        "n_variants": "variants that vary among the two groups",
        "hudson": "F_ST of Hudson, a ratio of sums over variants; null for all groups together",
        "hudson_se": "its standard error from a jackknife over windows",
        "weir_cockerham": "F_ST of Weir and Cockerham, a ratio of sums over variants",
    },
    "diversity_windows": {
        "contig": "sequence name as the store spells it",
        "first": "1-based first position of the window",
        "last": "1-based last position of the window",
        "group": "group name, or two with a colon between for F_ST",
        "n_variants": "variants in the window",
        "pi": "mean pairwise differences per base; null for two groups",
        "tajima_d": "Tajima's D; null with fewer than 3 segregating variants or two groups",
        "fst": "F_ST of Hudson; null for one group",
    },
}
