"""Columns of the tables that `genomed risk` writes; see genomed.tables."""

__all__ = ["TABLES"]

TABLES: dict[str, dict[str, str]] = {
    "risk": {
        "sample": "sample name",
        "model": "model name",
        "trait": "what the model predicts",
        "score": "sum of weight x effect-allele dosage; null under the coverage limit",
        "average": "score / number of alleles counted, as plink2's SCORE_AVG",
        "cohort_z": "score minus the cohort's mean, over its standard deviation (n - 1)",
        "cohort_percentile": "share of the cohort with a lower score, ties counted half, 0 to 100",
        "n_matched": "model variants found in the cohort (or proved hom-ref)",
        "n_missing_calls": "of those, the ones without a call in this sample",
        "weighted_coverage": "share of sum(weight^2 x 2p(1-p)) that rests on a called genotype in "
        "this sample",
        "imputed_share": "share of sum(weight^2 x 2p(1-p)) that was filled in by the --missing "
        "rule",
        "flags": "semicolon-separated words, empty when there is nothing to say",
    },
    "risk_reference": {
        "most_similar_population": "population of the reference that this person's components fit "
        "best; null outside the reference",
        "population_probability": "how probable it is among the reference's populations, 0 to 1",
        "genetic_distance": 'see TABLES["ancestry"]',
        "adjusted_coverage": "share of sum(weight^2 x 2p(1-p)) found in the cohort and in the "
        "reference: what the columns that follow rest on",
        "z_norm1": "score, less what the components predict, over the standard deviation of the "
        "same among the reference people (Khera 2019; pgsc_calc's Z_norm1)",
        "z_norm2": "the same, over the standard deviation that the components predict (Khan 2022; "
        "pgsc_calc's Z_norm2)",
        "population_percentile": "rank of the score among the reference people of the most similar "
        "population, 0 to 100; those that equal it count by their mean rank, as in pgsc_calc",
        "neighbourhood_percentile": "the same of the nearest reference people (20 to 200, a tenth "
        "of them), whatever their label",
        "discovery_distance": "distance from the reference people of the score's discovery "
        "ancestry, over the root mean square of their own: 1 is typical of them; null where the "
        "model names none that the reference has",
        "accuracy_note": "what the distance means: a score's accuracy falls with the distance from "
        "the people it was trained on (Ding 2023, doi:10.1038/s41586-023-06079-4)",
    },
    "risk_reads": {
        "sample": "sample name",
        "contig": "canonical contig name",
        "position": "1-based position of a model variant that the cohort has no record of",
        "ref": "the reference's allele",
        "alt": "other allele that the reads show, else the model's; '.' where neither is known",
        "n_ref": "reads that show ref; a fragment counts once",
        "n_alt": "reads that show alt",
        "n_other": "reads that show anything else, or nothing certain",
        "genotype": "most likely alleles: 0 for ref, 1 for alt, 2 for a third one",
        "quality": "phred-scaled: that genotype against the next best",
        "verdict": "hom_ref (proved), alternative (seen), no_coverage (too few reads), unclear",
    },
    "risk_bundle": {
        "linear_predictor": "linear part of the bundle: intercept, covariates and genotypes; a "
        "call that was not made adds nothing, the mean of training",
        "full_predictor": "linear part, pairs, products with covariates and net together",
        "prediction": "calibrated probability (of the event by the last time of training for a "
        "time to an event), or value; null under the coverage limit",
        "prediction_low": "lower end of its interval; null where the bundle gives none",
        "prediction_high": "upper end of its interval",
        "net_spread": "standard deviation of the net's members in this person; null without a net",
        "expected_accuracy_share": "share of the variance of the predictor's genetic part, all "
        "parts together, that rests on calls made in this person, 0 to 1",
        "moved_most": "largest terms of the predictor against the mean of training: a variant with "
        "its copies of ALT, a covariate, a product or the net, and what it adds",
    },
    "absolute_risk": {
        "sample": "sample name",
        "model": "the bundle",
        "age": "years; the last age of a band of --incidence",
        "relative_risk": "against the mean of people like those of training, 1 at birth; of "
        "average age where the bundle has age as a covariate",
        "absolute_risk": "probability of the event from the first age of --incidence to this one, "
        "if nothing else takes the person away; null without a prediction",
        "population_risk": "the same of everybody together, from the incidence alone",
    },
    "ancestry": {
        "sample": "sample name",
        "most_similar_population": "population of the reference that fits best; null outside it",
        "population_probability": "its probability, 0 to 1",
        "genetic_distance": "mean distance from the 20 nearest reference people in components, "
        "over the same of those people themselves: about 1 inside the reference",
        "outside_reference": "whether the person lies outside the reference: nothing is adjusted",
        "projection_coverage": "share of the loadings' variance that rests on called genotypes",
        "PC1": "first component, in the units of the reference's; PC2 and so on follow",
        "probability_*": "probability of each population of the reference, one column each",
    },
    "models": {
        "model": "model name",
        "trait": "what the model predicts",
        "source": "file the model was read from",
        "build": "genome build of the positions used; null when the variants were matched by ID",
        "n_variants": "variants in the model",
        "n_matched": "variants found in the cohort (or proved hom-ref)",
        "n_exact": "matched with the effect allele as ALT",
        "n_swapped": "matched with the effect allele as REF",
        "n_flipped": "matched on the other strand",
        "n_hom_ref": "absent as a variant, proved hom-ref",
        "n_dropped": "not matched or refused, by any reason",
        "weighted_coverage": "share of sum(weight^2 x 2p(1-p)) of the matched variants",
        "score_mean": "mean score over the cohort",
        "score_sd": "standard deviation of the score over the cohort (n - 1)",
        "n_null": "samples whose score is null",
        "flags": "semicolon-separated words",
    },
    "ledger": {
        "model": "model name",
        "source_line": "1-based line in the model file",
        "variant_id": "the model's ID for the variant",
        "contig": "canonical contig name",
        "position": "1-based position in the build used",
        "effect_allele": "allele the weight counts",
        "other_allele": "the other allele",
        "effect_weight": "weight per copy, as used (log of an odds or hazard ratio)",
        "effect_type": "additive, dominant, recessive or dosage",
        "reason": "reason code, see genomed.ledger.REASONS",
        "record": "contig:position:ref:alt of the record matched",
        "record_line": "line (or record number) of that record in the cohort",
        "effect_allele_frequency": "of the effect allele among called genotypes of the cohort",
        "n_called": "samples with a call at the record",
        "share": "this variant's share of the model's sum(weight^2 x 2p(1-p))",
    },
}
