"""Columns of the tables that `genomed train` writes; see genomed.tables."""

__all__ = ["TABLES"]

TABLES: dict[str, dict[str, str]] = {
    "train_predictions": {
        "sample": "sample name",
        "set": "develop for those learned from, test for those set aside",
        "fold": "held out with, 0 and up; null in the test",
        "linear_predictor": "additive model: of those learned from, by parts that did not see "
        "them; log odds (of the hazard of an interval), or the trait's unit",
        "full_predictor": "the same of the whole model",
        "linear_prediction": "the additive model's, calibrated",
        "prediction": "probability (of the event until the last time one was seen), or value",
        "prediction_low": "lower end of its interval",
        "prediction_high": "upper end; of times to an event columns risk_by_TIME follow, the "
        "probability of the event by each time",
    },
    "train_metrics": {
        "set": "test: those set aside",
        "group": "all, or a group of --groups",
        "model": "full, or linear: the additive model, fitted to the same people",
        "measure": "see the measures of evaluate; coverage is the share of people whose value "
        "their interval holds",
        "n": "people measured",
        "value": "the measure; null where it is not defined",
        "low": "lower end of the 95 % interval, by bootstrap over people (of coverage: Wilson's)",
        "high": "upper end",
    },
    "train_stages": {
        "stage": "linear, dominance, pairs, covariates, net and others, as they were tried",
        "accepted": "whether it is part of the model",
        "gain": "fall of the mean deviance of a person, out of fold; 0 where nothing was proposed",
        "error": "standard error of the gain, over people",
        "share": "gain over the deviance of the covariates alone",
        "share_error": "error over the same",
        "reason": "why, in words",
    },
    "train_pairs": {
        "variant1": "contig:position:ref:alt",
        "variant2": "the other",
        "z": "score of the product in everybody learned from, both variants partialled out",
        "expected": "pairs that chance gives such a score among all that were tested",
        "beta": "weight of the product per standard deviation",
    },
    "train_path": {
        "candidate": "way to weigh variants: elastic net of some l1_ratio, ridge, mixture",
        "l1_ratio": "share of the absolute penalty, 0 to 1",
        "penalty": "lambda: of a mean log likelihood; of the mixture, least variance of an effect",
        "deviance": "mean of a person, out of fold",
        "n_columns": "columns of a weight other than 0, mean over folds; null where all have one",
    },
}
