"""The page's section on model bundles: what each is, what it predicts here, how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genomed.report.document import section
from genomed.report.figures import distribution
from genomed.report.markup import Html, cited, element, label, shortened
from genomed.report.svg import figure_of
from genomed.report.tables import definitions, format_count, format_share, score_decimals

__all__ = ["BundleDigest", "BundlesPart", "bundles_section"]

UNIT = {
    "quantitative": "predicted value",
    "binary": "predicted probability",
    "survival": "predicted probability of the event by the last time of training",
}
PARTS = {
    "linear": "a linear part",
    "ancestry": "linear parts of ancestry groups",
    "pairs": "pairs of variants",
    "covariates": "products with covariates",
    "net": "a net",
}


@dataclass(frozen=True)
class BundleDigest:
    """What the section shows of one bundle.

    verdict    : its card's sentence on whether anything beat the linear model
    parts      : linear, ancestry, pairs, covariates, net, as far as it has them
    n_variants, n_found : variants it reads, and those found
    prediction : float64, finite ones
    n_people, n_covariates_missing : people, and those who count as average in some covariate
    accuracy   : mean over people of expected_accuracy_share, NaN without people
    prevalence : that probabilities are told at, None for that of those learned from
    """

    name: str
    trait: str
    kind: str
    verdict: str
    parts: Sequence[str]
    n_variants: int
    n_found: int
    prediction: np.ndarray
    n_people: int
    n_covariates_missing: int
    accuracy: float
    prevalence: float | None = None


@dataclass(frozen=True)
class BundlesPart:
    """What the section shows.

    absolute : sentence on where absolute risks come from, None without them
    """

    bundles: Sequence[BundleDigest]
    absolute: str | None = None


def bundles_section(part: BundlesPart) -> Html:
    """The whole section, with its heading."""
    note = (
        "A prediction is what a model trained with `genomed train` says of a person with these "
        "calls and covariates; it is as good as its card says, for people like those it was "
        "trained on. It is no diagnosis. Expected accuracy is the share of the variance of the "
        "genetic part of its predictor that rests on calls made in this cohort."
    )
    return section(
        "bundles",
        "Predictions of trained models",
        element("p", note, class_="note"),
        element("p", cited(part.absolute), class_="note") if part.absolute else None,
        [_card(digest, i) for i, digest in enumerate(part.bundles, start=1)],
    )


def _card(digest: BundleDigest, index: int) -> Html:
    known = [PARTS[name] for name in digest.parts if name in PARTS]
    made_of = known[0] if len(known) == 1 else ", ".join(known[:-1]) + f" and {known[-1]}"
    accuracy = format_share(digest.accuracy) if np.isfinite(digest.accuracy) else "not known"
    rows = [
        ("What its card says", label(digest.verdict, 300)),
        ("Made of", made_of),
        ("Variants found", f"{format_count(digest.n_found)} of {format_count(digest.n_variants)}"),
        ("Expected accuracy", accuracy),
        ("Predicted", f"{len(digest.prediction):,} of {digest.n_people:,} people"),
    ]
    if digest.prevalence is not None:
        rows.append(("At a prevalence of", format_share(digest.prevalence)))
    if digest.n_covariates_missing:
        n = f"{digest.n_covariates_missing:,} people, who count as average in what is missing"
        rows.append(("Covariates missing", n))
    return element(
        "div",
        element("h3", label(digest.name, 60), " ", element("small", label(digest.trait, 90))),
        definitions(rows, "facts wide"),
        _figure(digest, index),
        class_="card",
    )


def _figure(digest: BundleDigest, index: int) -> Html:
    if not len(digest.prediction):
        return element("p", "Nobody has a prediction, so there is no distribution.", class_="muted")
    plot, caption = distribution(
        digest.prediction,
        [],
        title=f"Distribution of the predictions of {shortened(digest.name)}",
        axis_label=UNIT.get(digest.kind, "prediction"),
        identity=f"b{index}-plot",
        decimals=score_decimals(digest.prediction),
    )
    return figure_of(plot, caption)
