"""What a model eats: covariates, dated codes and genotypes as arrays without unknowns.

A feature is learned from some people and applied to others by the same numbers. Its contract:

    encode(table, settings, fit_mask) -> arrays of everybody, and an encoder: a dict that JSON can
                                         hold, made of the people of fit_mask alone
    apply(encoder, table)             -> the same arrays of anybody; of the people it was made of,
                                         the same bytes

design     covariates to a standardised matrix and categories
sequences  dated codes to padded whole numbers and times
leakage    covariates that tell the trait

call_sites is another kind: alignments to the candidate sites that a caller judges. It takes them
tile by tile (call_tiles), finds what reads hold beside the reference (call_candidates), allows for
errors that reads share (call_artefacts), and draws the reads themselves (read_matrix).
"""
