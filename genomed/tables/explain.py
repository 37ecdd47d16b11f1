"""Columns of the tables that `genomed explain` writes; see genomed.tables."""

__all__ = ["TABLES"]

TABLES: dict[str, dict[str, str]] = {
    "explain_variants": {
        "variant": "ID, or contig:position:ref:alt of a variant without one",
        "contig": "sequence name, without chr",
        "position": "1-based position as in VCF",
        "id": "variant ID, null where there is none",
        "ref": "reference allele of the bundle",
        "alt": "ALT of the bundle, the allele counted",
        "alt_allele_frequency": "of ALT among those learned from",
        "reason": "whether it was found in the store, see genomed.ledger.REASONS",
        "n_called": "people with a call",
        "mean_abs_contribution": "mean over people of the size of what it adds to the linear "
        "predictor, its halves of products included, in units of the predictor",
        "share": "share of the predictor's variance: covariance of what it adds with the "
        "predictor, over the predictor's variance; variants and covariates add up to 1",
        "effect_per_copy": "slope of what it adds on copies of ALT; null where calls do not vary",
        "direction": "raises or lowers: what a copy of ALT does on the whole; empty if neither",
        "linear": "mean size of what it adds in the linear part",
        "ancestry": "the same in linear parts of ancestry groups, beyond the former",
        "pairs": "the same in products of two variants, of which each has half",
        "covariates": "the same in products with covariates, of which the covariate has half",
        "net": "the same in the net, by integrated gradients",
        "net_sd": "standard deviation of the last over the members of the net; null of variants "
        "that it does not read",
    },
    "explain_pairs": {
        "kind": "pair, variant x covariate, or score x covariate",
        "first": "variant, or score: the genetic part of the linear predictor",
        "second": "variant or covariate",
        "mean_abs_contribution": "mean over people of the size of the whole product; its members' "
        "contributions hold it already",
        "share": 'see TABLES["explain_variants"]',
    },
    "explain_covariates": {
        "covariate": "column as the model reads it: a number, a level, or a category; dated codes "
        "together; the ancestry group, by the intercept of its linear part",
        "mean_abs_contribution": 'see TABLES["explain_variants"]',
        "share": 'see TABLES["explain_variants"]',
        "linear": "mean size of what it adds in the linear part",
        "ancestry": "the same in linear parts of ancestry groups, beyond the former",
        "covariates": "the same in products with variants or the score, of which it has half",
        "net": "the same in the net, by integrated gradients",
    },
    "explain_codes": {
        "code": "dated code; rare or unknown: all that the bundle has no place for",
        "n_people": "people with the code",
        "n_records": "its records; those count that fit into a person's record",
        "mean_contribution": "mean over people with the code of what its records add to the "
        "linear predictor, by integrated gradients of the net",
        "mean_abs_contribution": "mean over all people of the size of that; codes are within "
        "dated codes, the covariate, already",
        "share": 'see TABLES["explain_variants"]',
    },
    "explain_genes": {
        "gene": "gene as the file names it",
        "n_variants": "the model's variants in it",
        "mean_abs_contribution": "mean over people of the size of the sum of its variants' "
        "contributions; a variant in two genes counts in both",
        "share": 'see TABLES["explain_variants"]',
        "top_variant": "its variant that moves most",
    },
    "explain_people": {
        "sample": "sample name",
        "full_predictor": "linear predictor of all parts, as `genomed risk` gives it",
        "base_value": "predictor of the mean of those learned from: what contributions start from",
        "linear": "what the linear part adds to it: genotypes and covariates",
        "ancestry": "what the linear part of the person's ancestry group adds beyond that",
        "pairs": "what products of two variants add",
        "covariates": "what products with covariates add",
        "net": "what the net adds, by integrated gradients",
        "n_missing_calls": "the model's variants without a call in this person",
        "completeness_error": "base value and contributions together, less the full predictor",
    },
    "explain_person_terms": {
        "sample": "sample name",
        "kind": "variant and covariate: these add up to the predictor; pair, variant x covariate "
        "and score x covariate: products, and dated code: all of these are among the former "
        "already",
        "rank": "1 moves most; products and dated codes are counted apart",
        "term": "variant, covariate, or members of the product",
        "call": "copies of ALT, with commas between those of a product; null where not called",
        "contribution": "what it adds to the linear predictor, against the base value",
    },
    "explain_shuffles": {
        "run": "0 for the bundle, then one for each training on permuted labels",
        "stages": "stages kept, with commas between",
        "n_variants": "variants that any part reads",
        "n_pairs": "products of two variants",
        "gain": "share of the deviance of the covariates alone that is saved out of fold",
        "predictor_sd": "standard deviation of the predictor over people",
        "largest_variant": "mean size of what the variant adds that moves most",
        "largest_pair": "the same of pairs; 0 without any",
    },
}
