"""A public table with traits and covariates, from the file to the arrays."""

import numpy as np
from datafiles import shared_data

from genomed.features.design import encode
from genomed.features.leakage import find_leaks
from genomed.io.covariates import read_covariates
from genomed.io.traits import read_traits
from genomed.stats.splits import TEST, folds, strata

HIPSTER = "cohort/variantspark_hipster/hipster_labels_covariates.txt"


def test_the_score_that_a_label_was_cut_from_is_found_to_leak():
    path = shared_data(HIPSTER)
    samples = [line.partition(",")[0] for line in path.read_text().splitlines()[1:]]
    read = read_traits(path, samples, ["label"])
    label = read.traits[0]
    covariates = read_covariates(path, samples, ["score", "age", "PC0", "PC1", "PC2"])
    fold = folds(samples, strata=strata(label.value))
    design = encode(covariates.frame, fit_mask=fold != TEST)
    assert [leak.covariate for leak in find_leaks(design, [label], fold != TEST)] == ["score"]
    shares = [label.value[fold == part].mean() for part in range(TEST, 5)]
    assert np.ptp(shares) < 0.005
