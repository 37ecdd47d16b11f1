"""Columns of the tables that `genomed evaluate` writes; see genomed.tables."""

__all__ = ["TABLES"]

TABLES: dict[str, dict[str, str]] = {
    "evaluate_metrics": {
        "prediction": "name of the prediction: a column, or a model",
        "measure": "name of the measure, see genomed.stats.measures.MEASURES",
        "value": "the measure; null where it is undefined",
        "low": "lower end of its bootstrap interval; null without",
        "high": "upper end",
        "n": "people",
        "n_cases": "cases, or events; null of a quantitative trait",
        "reason": "why a number is null; empty where none is",
    },
    "evaluate_groups": {
        "by": "what people are grouped by",
        "group": "the group",
        "prediction": "name of the prediction",
        "measure": "name of the measure",
        "value": "the measure among the people of the group; null where it is undefined",
        "low": "lower end of its bootstrap interval",
        "high": "upper end",
        "n": "people of the group",
        "n_cases": "cases, or events, among them",
        "compared": "whether the group is large enough to be compared with others",
        "reason": "why a number is null; empty where none is",
    },
    "evaluate_gaps": {
        "by": "what people are grouped by",
        "prediction": "name of the prediction",
        "measure": "name of the measure",
        "lowest": "group in which it is lowest, of those large enough",
        "lowest_value": "the measure there",
        "highest": "group in which it is highest",
        "highest_value": "the measure there",
        "gap": "highest less lowest",
        "low": "lower end of the interval of this difference; among three groups or more it allows "
        "for these two having been picked as the farthest apart",
        "high": "upper end",
    },
    "evaluate_versus": {
        "prediction": "name of the prediction",
        "versus": "the prediction it is compared with, on the same people",
        "measure": "name of the measure; nri, nri_continuous and idi are of the change itself",
        "value": "the measure of the prediction; null for measures of the change",
        "versus_value": "the measure of the other one",
        "difference": "value less versus_value, or the measure of the change",
        "low": "lower end of the paired bootstrap interval of the difference",
        "high": "upper end",
        "reason": "why a number is null; empty where none is",
    },
    "evaluate_curves": {
        "prediction": "name of the prediction",
        "curve": "roc, precision_recall, calibration, tenths, net_benefit or treat_all",
        "x": "share of controls, recall, mean prediction, number of the tenth, or threshold",
        "y": "share of cases, precision, mean truth, or net benefit",
        "low": "lower end of the 95% interval of y; null where there is none",
        "high": "upper end",
        "n": "people of the point; null of a curve through everybody",
    },
}
