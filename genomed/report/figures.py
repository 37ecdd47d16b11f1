"""Figures as inline SVG: the distribution of a score, and bars of shares.

Each function returns one `<svg>` with a title and a description for those who do not see it.
Colours, fonts and the dark variant live in `stylesheet`; nothing here carries a style attribute,
so the page's content security policy can forbid them all. Widths are in SVG units; text is 12 high.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from genomed.report.markup import Html, element, shortened
from genomed.report.svg import coordinate as _n
from genomed.report.svg import drawing
from genomed.report.tables import format_count, format_score, format_share

__all__ = [
    "PATTERNS",
    "Figure",
    "Segment",
    "Tick",
    "distribution",
    "share_bar",
    "small_bar",
    "ticks",
]

WIDTH, HEIGHT = 680.0, 268.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 14.0, 62.0, 50.0
BASE = HEIGHT - BOTTOM
MAX_DISTINCT = 12  # scores with no more values than this are drawn one bar per value
MAX_BINS = 60
MIN_FOR_CURVE = 30  # samples
LARGEST = 1e100  # scores beyond this are not drawn; squaring them would overflow

# Fills that differ in texture as well as in colour; one copy per page, used through classes.
PATTERNS = Html(
    '<svg width="0" height="0" class="defs" aria-hidden="true" focusable="false"><defs>'
    '<pattern id="p-filled" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<rect width="6" height="6" class="p-filled"></rect>'
    '<circle cx="3" cy="3" r="1.3" class="p-dot"></circle></pattern>'
    '<pattern id="p-lost" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="6" height="6" class="p-lost"></rect>'
    '<rect width="2" height="6" class="p-line"></rect></pattern></defs></svg>'
)


class Tick(NamedTuple):
    """A place on an axis and its label."""

    value: float
    text: str


class Segment(NamedTuple):
    """Part of a bar: its class (colour), its share of the bar, and its description."""

    kind: str
    share: float
    text: str


def _step(span: float, wanted: int) -> float:
    """Round step, 1, 2 or 5 times a power of ten, that divides `span` in about `wanted` parts."""
    rough = span / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return power * next(m for m in (1.0, 2.0, 5.0, 10.0) if rough <= m * power * 1.0001)


def ticks(low: float, high: float, wanted: int = 6) -> list[Tick]:
    """Round values from `low` to `high`, both included where they are round."""
    step = _step(high - low, wanted)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [Tick(i * step, format_score(i * step, decimals)) for i in range(first, last + 1)]


class _Axes(NamedTuple):
    """Score -> x, samples -> y."""

    low: float
    high: float
    top: float

    def x(self, score: float) -> float:
        return LEFT + (score - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)

    def y(self, n: float) -> float:
        return BASE - n / self.top * (BASE - TOP)


def _frame(axes: _Axes, axis_label: str) -> list[Html]:
    """Grid, axes and their labels."""
    parts = []
    for tick in ticks(0, axes.top, 4):
        if tick.value != int(tick.value):
            continue
        y = _n(axes.y(tick.value))
        parts.append(element("path", d=f"M{_n(LEFT)} {y}H{_n(WIDTH - RIGHT)}", class_="grid"))
        parts.append(
            element("text", format_count(tick.value), x=_n(LEFT - 6), y=y, class_="t e", dy="4")
        )
    marks = ticks(axes.low, axes.high, 7)
    path = "".join(f"M{_n(axes.x(t.value))} {_n(BASE)}v5" for t in marks)
    parts.append(
        element("path", d=f"M{_n(LEFT)} {_n(BASE)}H{_n(WIDTH - RIGHT)}{path}", class_="ax")
    )
    parts += [
        element("text", t.text, x=_n(axes.x(t.value)), y=_n(BASE + 18), class_="t m") for t in marks
    ]
    middle = _n((LEFT + WIDTH - RIGHT) / 2)
    parts.append(element("text", axis_label, x=middle, y=_n(HEIGHT - 10), class_="t m"))
    parts.append(element("text", "samples", x="2", y=_n(TOP - 14), class_="t"))
    return parts


def _edges(score: np.ndarray) -> np.ndarray:
    """Round bin edges, near the width of Freedman and Diaconis (1981), at most MAX_BINS bins."""
    low, high = float(score.min()), float(score.max())
    quarter, three_quarters = np.quantile(score, (0.25, 0.75))
    width = 2 * float(three_quarters - quarter) * len(score) ** (-1 / 3)
    step = _step(high - low, MAX_BINS - 2)  # the finest there may be
    while step * 2 < width:
        step = _step(step * 1.5, 1)
    first = math.floor(low / step)
    n_bins = max(1, math.ceil(high / step + 1e-9) - first)
    return np.arange(first, first + n_bins + 1) * step


def _distinct(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values that differ by more than rounding errors of a sum, ascending, and their counts."""
    low, span = float(score.min()), float(np.ptp(score))
    if span <= 1e-12 * float(np.abs(score).max()):
        return score[:1], np.array([len(score)])
    _, first, n = np.unique(
        np.round((score - low) / span, 9), return_index=True, return_counts=True
    )
    return score[first], n


def _bar(left: float, right: float, y: float, tip: str) -> Html:
    """One bar from `y` down to the axis, with a tooltip."""
    place = f'x="{_n(left)}" y="{_n(y)}" width="{_n(right - left)}" height="{_n(BASE - y)}"'
    return Html(f'<rect class="bar" {place}>{element("title", tip)}</rect>')


def _bars(axes: _Axes, edges: np.ndarray, n: np.ndarray, decimals: int) -> list[Html]:
    bars = []
    for low, high, count in zip(edges[:-1].tolist(), edges[1:].tolist(), n.tolist(), strict=True):
        if count:
            left = axes.x(low) + 0.5
            tip = f"{format_score(low, decimals)} to {format_score(high, decimals)}: {count:,}"
            bars.append(_bar(left, max(axes.x(high) - 0.5, left + 1), axes.y(count), tip))
    return bars


def _normal_curve(axes: _Axes, mean: float, sd: float, area: float) -> Html:
    """Normal density of the same mean and standard deviation, over the same area as the bars."""
    grid = np.linspace(max(axes.low, mean - 4 * sd), min(axes.high, mean + 4 * sd), 61)
    height = area / (sd * math.sqrt(2 * math.pi)) * np.exp(-(((grid - mean) / sd) ** 2) / 2)
    points = zip(grid.tolist(), height.tolist(), strict=True)
    path = "L".join(f"{_n(axes.x(x))} {_n(axes.y(h))}" for x, h in points)
    return element("path", d=f"M{path}", class_="normal")


def _mean_line(axes: _Axes, mean: float, sd: float, decimals: int) -> list[Html]:
    """Mean as a dashed line, one standard deviation to each side as a rule under the axis."""
    x = axes.x(mean)
    parts = [element("path", d=f"M{_n(x)} {_n(TOP - 4)}V{_n(BASE)}", class_="mean")]
    if sd > 0:
        low, high = max(mean - sd, axes.low), min(mean + sd, axes.high)
        path = f"M{_n(axes.x(low))} {_n(BASE + 2.5)}H{_n(axes.x(high))}"
        parts.append(element("path", element("title", "mean ± 1 SD"), d=path, class_="sd"))
    text = f"mean {format_score(mean, decimals)}"
    parts.append(element("text", text, x=_n(x), y=_n(TOP - 10), class_="t m halo"))
    return parts


def _markers(axes: _Axes, highest: Sequence[tuple[str, float]], decimals: int) -> list[Html]:
    """Leader lines to the highest samples; labels step down, so that lines do not cross them."""
    parts = []
    for rank, (name, score) in enumerate(highest, start=1):
        x, y = axes.x(score), 14.0 * rank
        parts.append(
            element(
                "path",
                d=f"M{_n(x)} {_n(y - 8)}V{_n(BASE)}M{_n(x - 3.5)} {_n(BASE - 8)}h7l-3.5 8z",
                class_="mark",
            )
        )
        text = f"{rank}. {shortened(name, 22)} {format_score(score, decimals)}"
        parts.append(element("text", text, x=_n(x - 5), y=_n(y), class_="t e halo"))
    return parts


class Figure(NamedTuple):
    """An svg element and what its marks mean."""

    svg: Html
    caption: str


def distribution(
    score: np.ndarray,
    highest: Sequence[tuple[str, float]],
    *,
    title: str,
    axis_label: str,
    identity: str,
    decimals: int = 3,
) -> Figure:
    """Distribution of a score over a cohort, one bar per value where there are few values.

    score    : float64 (samples,), finite, at least one
    highest  : (name, score) of the samples to point out, highest first; pointed out in a histogram
    identity : prefix of the ids in the figure, unique in the page
    """
    if not np.abs(score).max() < LARGEST:
        return Figure(element("p", "The scores are too large to be drawn."), "")
    value, n = _distinct(score)
    mean, sd = float(score.mean()), float(score.std(ddof=1)) if len(score) > 1 else 0.0
    description = (
        f"{len(score):,} samples from {format_score(value[0], decimals)} to "
        f"{format_score(value[-1], decimals)}; mean {format_score(mean, decimals)}, "
        f"standard deviation {format_score(sd, decimals)}."
    )
    if len(value) <= MAX_DISTINCT:
        parts = _by_value(value, n, axis_label, decimals)
        caption = "One bar per score that occurs, with the number of samples above it."
        return Figure(drawing(title, description, identity, parts, WIDTH, HEIGHT), caption)
    parts, caption = _histogram(score, (mean, sd), axis_label, highest, decimals)
    return Figure(drawing(title, description, identity, parts, WIDTH, HEIGHT), caption)


def _histogram(
    score: np.ndarray,
    moments: tuple[float, float],
    axis_label: str,
    highest: Sequence[tuple[str, float]],
    decimals: int,
) -> tuple[list[Html], str]:
    """Bars, mean, standard deviation, normal curve and markers, and what they mean."""
    edges = _edges(score)
    n = np.histogram(score, edges)[0]
    axes = _Axes(float(edges[0]), float(edges[-1]), max(4.0, float(n.max()) * 1.04))
    parts = _frame(axes, axis_label) + _bars(axes, edges, n, decimals)
    caption = "Bars: samples. Dashed line: mean. Thick rule: mean ± 1 SD."
    if len(score) >= MIN_FOR_CURVE:
        area = len(score) * float(edges[1] - edges[0])
        parts.append(_normal_curve(axes, *moments, area))
        caption += " Curve: normal distribution of the same mean and SD; z-scores assume it."
    parts += _mean_line(axes, *moments, decimals) + _markers(axes, highest, decimals)
    return parts, f"{caption} Arrows: the highest samples."


def _by_value(value: np.ndarray, n: np.ndarray, axis_label: str, decimals: int) -> list[Html]:
    """One bar per distinct score, with the number of samples above it."""
    span = float(value[-1] - value[0]) or max(abs(float(value[0])), 1.0)
    axes = _Axes(
        float(value[0]) - 0.08 * span, float(value[-1]) + 0.08 * span, max(4.0, float(n.max()))
    )
    places = [axes.x(x) for x in value.tolist()]
    gaps = [b - a for a, b in pairwise(places)]
    half = min(18.0, max(1.5, 0.42 * min(gaps, default=40.0)))
    bars, labels, free = [], [], WIDTH
    for x, score, count in reversed(list(zip(places, value.tolist(), n.tolist(), strict=True))):
        tip = f"{format_score(score, decimals)}: {count:,} ({format_share(count / int(n.sum()))})"
        y, text = axes.y(count), f"{count:,}"
        bars.append(_bar(x - half, x + half, y, tip))
        if x + 4 * len(text) < free:
            labels.append(element("text", text, x=_n(x), y=_n(y - 5), class_="t m strong halo"))
            free = x - 4 * len(text)
    return _frame(axes, axis_label) + bars + labels


def share_bar(title: str, segments: Sequence[Segment], identity: str) -> Html:
    """One horizontal bar cut into shares; it is as wide as its place, and 22 high."""
    parts, start = [], 0.0
    for segment in segments:
        share = min(max(segment.share, 0.0), 1.0 - start)
        if share <= 0:
            continue
        parts.append(
            element(
                "rect",
                element("title", segment.text),
                x=f"{100 * start:.3f}%",
                width=f"{100 * share:.3f}%",
                height="22",
                class_=f"s {segment.kind}",
            )
        )
        start += share
    description = "; ".join(segment.text for segment in segments if segment.share > 0)
    return element(
        "svg",
        element("title", title, id=f"{identity}-t"),
        element("desc", description, id=f"{identity}-d"),
        *parts,
        role="img",
        aria_labelledby=f"{identity}-t {identity}-d",
        class_="shares",
        width="100%",
        height="22",
    )


def small_bar(share: float) -> Html:
    """A bar for a table cell, decoration beside the number; nothing where it is not known."""
    if not math.isfinite(share):
        return Html()
    width = _n(48 * min(max(share, 0.0), 1.0))
    return Html(
        '<svg width="48" height="7" class="small" aria-hidden="true">'
        '<rect width="48" height="7" rx="2" class="track"></rect>'
        f'<rect width="{width}" height="7" rx="2" class="fill"></rect></svg>'
    )
