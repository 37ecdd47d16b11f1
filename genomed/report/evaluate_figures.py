"""The curves of evaluate.html."""

from __future__ import annotations

import math
from collections.abc import Sequence

from genomed.report.curves import MOST_SERIES, Plot, Series, draw, key
from genomed.report.document import section
from genomed.report.evaluate_content import EvaluatePage
from genomed.report.markup import Html, element
from genomed.stats.curves import Curve

__all__ = ["curve_figure", "curve_figures", "curve_section"]


KINDS = ("roc", "precision_recall", "calibration", "tenths", "net_benefit")


def curve_section(content: EvaluatePage) -> Html | None:
    """All kinds of curves that there are; nothing where there is none."""
    figures = curve_figures(content, "f")
    if figures is None:
        return None
    more = len(content.curves) - MOST_SERIES
    note = f"The first {MOST_SERIES} predictions are drawn; curves.tsv has all." if more > 0 else ""
    return section(
        "curves",
        "Curves",
        element("p", note, class_="note") if note else None,
        element("div", figures, class_="card"),
    )


def curve_figures(content: EvaluatePage, identity: str) -> Html | None:
    """Figures of all kinds of curves that there are, side by side; None where there is none.

    identity : prefix of the ids in the figures, unique in the page
    """
    figures = [curve_figure(content, kind, identity) for kind in KINDS]
    drawn = [figure for figure in figures if figure is not None]
    return element("div", drawn, class_="pair") if drawn else None


_TITLES = {
    "roc": ("ROC", "controls at or above", "cases at or above"),
    "precision_recall": ("Precision and recall", "recall", "precision"),
    "calibration": ("Calibration", "mean prediction", "share of cases"),
    "tenths": ("By tenth of the prediction", "tenth", "share of cases"),
    "net_benefit": ("Net benefit", "threshold", "net benefit"),
}
_NOTES = {
    "roc": "Dashed: a prediction that knows nothing.",
    "precision_recall": "Dashed: the share of cases, which no knowledge gives.",
    "calibration": "Bins of equal size, with 95% intervals. Dashed: perfect.",
    "tenths": "Tenths of the people, lowest to highest, with 95% intervals. Dashed: all.",
    "net_benefit": "Cases found less needless treatment, per person (Vickers and Elkin 2006). "
    "Dashed: treat nobody.",
}


def curve_figure(content: EvaluatePage, kind: str, identity: str) -> Html | None:
    """One kind of curve of all predictions that have it; None where none has."""
    own = [(name, c[kind]) for name, c in content.curves.items() if kind in c][:MOST_SERIES]
    if not own:
        return None
    points = kind in ("calibration", "tenths")
    series = [Series(name, curve, points) for name, curve in own]
    if kind == "net_benefit":
        first = content.curves[own[0][0]]["treat_all"]
        series = [*series[: MOST_SERIES - 1], Series("treat everybody", first)]
    title, x_label, y_label = _TITLES[kind]
    if content.kind == "quantitative":
        y_label = "mean of the trait"
    x_range, y_range, reference = _ranges(content, kind, [one.curve for one in series])
    said = f"{title} of {', '.join(name for name, _ in own)} for {content.trait}."
    plot = Plot(title, said, x_label, y_label, x_range, y_range, reference)
    return element(
        "figure",
        element("h4", title),
        draw(plot, series, f"{identity}-{kind}"),
        key([one.name for one in series]),
        element("figcaption", _NOTES[kind]),
    )


def _ranges(
    content: EvaluatePage, kind: str, curves: Sequence[Curve]
) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float, float, float] | None]:
    """Ranges of both axes, and the dashed line."""
    share = content.n_cases / content.n if content.n_cases is not None else math.nan
    if kind == "roc":
        return (0, 1), (0, 1), (0, 0, 1, 1)
    if kind == "precision_recall":
        return (0, 1), (0, 1), (0, share, 1, share)
    values = [
        v
        for c in curves
        for part in ((c.y, c.low, c.high) if kind != "net_benefit" else (c.y,))
        for v in part.tolist()
        if math.isfinite(v)
    ]
    top, bottom = max(values), min(values)
    if kind == "net_benefit":
        most = max(float(c.x[-1]) for c in curves)
        return (0, most), (-0.25 * top if top > 0 else bottom, 1.08 * top or 1.0), (0, 0, most, 0)
    if kind == "tenths":
        middle = share
        if content.kind == "quantitative":
            n = curves[0].n
            middle = float((curves[0].y * n).sum() / n.sum())
        floor = 0.0 if content.kind == "binary" else bottom - 0.05 * (top - bottom)
        count = max(len(c.x) for c in curves)
        return (
            (0.5, count + 0.5),
            (floor, top + 0.05 * (top - floor)),
            (0.5, middle, count + 0.5, middle),
        )
    seen = [v for c in curves for v in c.x.tolist()]
    low, high = min([bottom, *seen]), max([top, *seen])
    if content.kind == "binary":
        low = 0.0
    pad = 0.04 * ((high - low) or 1.0)
    both = (low if content.kind == "binary" else low - pad, high + pad)
    return both, both, (both[0], both[0], both[1], both[1])
