"""Curves and intervals as inline SVG: ROC, calibration, tenths, one measure in many groups.

Series differ in dashes and marks as well as in colour. Styles are classes of `CURVE_CSS`, which a
page adds to its stylesheet; colours are those of genomed.report.stylesheet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genomed.report.figures import Tick, ticks
from genomed.report.markup import Html, element, label, shortened
from genomed.report.svg import coordinate as _n
from genomed.report.svg import drawing
from genomed.stats.curves import Curve

__all__ = ["CURVE_CSS", "MOST_SERIES", "Estimated", "Plot", "Series", "draw", "forest", "key"]

MOST_SERIES = 4
CURVE_CSS = """
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.c0{stroke:var(--found)}.c1{stroke:var(--mark);stroke-dasharray:7 4}
.c2{stroke:var(--ok);stroke-dasharray:2 3}.c3{stroke:var(--filled);stroke-dasharray:9 3 2 3}
.whisker{stroke-dasharray:none;stroke-width:1.3;fill:none}
.dot{stroke-dasharray:none;stroke-width:1.8;fill:var(--card)}
.best{stroke:var(--curve);stroke-dasharray:4 4;fill:none}
.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:26px 34px;align-items:start}
.pair .plot,.pair .sheet{min-width:0}
.pair h4{margin:0 0 .3rem}
@media screen and (max-width:820px){.pair{grid-template-columns:minmax(0,1fr)}}
"""
WIDTH, HEIGHT = 460.0, 350.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 16.0, 14.0, 50.0
ROW = 24.0
NAMES, NUMBERS, WIDE = 210.0, 170.0, 1020.0  # widths of a forest plot's columns, and its own


class Series(NamedTuple):
    """A curve, its name, and whether it is a line or points."""

    name: str
    curve: Curve
    points: bool = False


class Plot(NamedTuple):
    """What a figure shows: axis labels, ranges, and the line of what would be best or chance.

    reference : (x0, y0, x1, y1), or None
    """

    title: str
    description: str
    x_label: str
    y_label: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    reference: tuple[float, float, float, float] | None = None


class Estimated(NamedTuple):
    """A named number with its interval; NaN where it is not known.

    rank : of the series it belongs to, where several are drawn: its colour
    """

    name: str
    value: float
    low: float
    high: float
    note: str = ""
    rank: int = 0


class _Scale(NamedTuple):
    """Values -> coordinates."""

    low: float
    high: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)


def draw(plot: Plot, series: Sequence[Series], identity: str) -> Html:
    """One figure of up to four series.

    identity : prefix of the ids in the figure, unique in the page
    """
    x = _Scale(*plot.x_range, LEFT, WIDTH - RIGHT)
    y = _Scale(*plot.y_range, HEIGHT - BOTTOM, TOP)
    parts = _axes(plot, x, y)
    if plot.reference is not None:
        x0, y0, x1, y1 = plot.reference
        path = f"M{_n(x.at(x0))} {_n(y.at(y0))}L{_n(x.at(x1))} {_n(y.at(y1))}"
        parts.append(element("path", d=path, class_="best"))
    for rank, one in enumerate(series[:MOST_SERIES]):
        parts += _points(one, rank, x, y) if one.points else [_line(one, rank, x, y)]
    return drawing(plot.title, plot.description, identity, parts, WIDTH, HEIGHT)


def _axes(plot: Plot, x: _Scale, y: _Scale) -> list[Html]:
    parts = []
    for tick in _ticks(y, 5):
        at = _n(y.at(tick.value))
        parts.append(element("path", d=f"M{_n(x.start)} {at}H{_n(x.stop)}", class_="grid"))
        parts.append(element("text", tick.text, x=_n(x.start - 7), y=at, class_="t e", dy="4"))
    marks = _ticks(x, 6)
    path = "".join(f"M{_n(x.at(t.value))} {_n(y.start)}v5" for t in marks)
    parts.append(element("path", d=f"M{_n(x.start)} {_n(y.start)}H{_n(x.stop)}{path}", class_="ax"))
    parts += [
        element("text", t.text, x=_n(x.at(t.value)), y=_n(y.start + 19), class_="t m")
        for t in marks
    ]
    middle = (x.start + x.stop) / 2
    parts.append(element("text", plot.x_label, x=_n(middle), y=_n(HEIGHT - 9), class_="t m"))
    turned = (y.start + y.stop) / 2
    place = f"rotate(-90 13 {_n(turned)})"
    parts.append(
        element("text", plot.y_label, x="13", y=_n(turned), transform=place, class_="t m", dy="4")
    )
    return parts


def _ticks(scale: _Scale, wanted: int) -> list[Tick]:
    return ticks(scale.low, scale.high, wanted)


def _line(one: Series, rank: int, x: _Scale, y: _Scale) -> Html:
    points = zip(one.curve.x.tolist(), one.curve.y.tolist(), strict=True)
    inside = [(a, min(max(b, y.low), y.high)) for a, b in points if math.isfinite(b)]
    path = "L".join(f"{_n(x.at(a))} {_n(y.at(b))}" for a, b in inside)
    return element(
        "path", element("title", shortened(one.name)), d=f"M{path}", class_=f"line c{rank}"
    )


def _points(one: Series, rank: int, x: _Scale, y: _Scale) -> list[Html]:
    """Points with whiskers; series beside each other do not cover one another."""
    parts = []
    for a, b, low, high, n in zip(*(part.tolist() for part in one.curve), strict=True):
        if not x.low <= a <= x.high or not math.isfinite(b):
            continue
        at = x.at(a) + 4 * rank
        tip = f"{shortened(one.name)}: {_short(b)}"
        if math.isfinite(low):
            tip += f" ({_short(low)} to {_short(high)})"
            ends = (y.at(min(max(end, y.low), y.high)) for end in (low, high))
            bottom, top = ends
            parts.append(
                element("path", d=f"M{_n(at)} {_n(bottom)}V{_n(top)}", class_=f"whisker c{rank}")
            )
        tip += f", {n:,} people" if n else ""
        parts.append(
            element(
                "circle",
                element("title", tip),
                cx=_n(at),
                cy=_n(y.at(min(max(b, y.low), y.high))),
                r="3.6",
                class_=f"dot c{rank}",
            )
        )
    return parts


def forest(title: str, rows: Sequence[Estimated], whole: float, identity: str) -> Html:
    """One number in many groups, with intervals; a line where it is in everybody."""
    known = [v for row in rows for v in (row.value, row.low, row.high) if math.isfinite(v)]
    if math.isfinite(whole):
        known.append(whole)
    if not known:
        return element("p", "There is nothing to draw.", class_="muted")
    span = (max(known) - min(known)) or 0.1
    height = 40 + ROW * len(rows)
    x = _Scale(min(known) - 0.06 * span, max(known) + 0.06 * span, NAMES, WIDE - NUMBERS)
    parts: list[Html] = []
    bottom = height - 30
    for tick in _ticks(x, 6):
        at = _n(x.at(tick.value))
        parts.append(element("path", d=f"M{at} 4V{_n(bottom)}", class_="grid"))
        parts.append(element("text", tick.text, x=at, y=_n(height - 12), class_="t m"))
    if math.isfinite(whole):
        parts.append(element("path", d=f"M{_n(x.at(whole))} 4V{_n(bottom)}", class_="best"))
    for place, row in enumerate(rows):
        y = 18 + ROW * place
        parts.append(
            element("text", shortened(row.name, 28), x=_n(NAMES - 12), y=_n(y + 4), class_="t e")
        )
        if not math.isfinite(row.value):
            parts.append(element("text", row.note, x=_n(NAMES + 8), y=_n(y + 4), class_="t"))
            continue
        if math.isfinite(row.low):
            path = f"M{_n(x.at(row.low))} {_n(y)}H{_n(x.at(row.high))}"
            parts.append(element("path", d=path, class_=f"whisker c{row.rank}"))
        circle = f"dot c{row.rank}"
        parts.append(element("circle", cx=_n(x.at(row.value)), cy=_n(y), r="4", class_=circle))
        parts.append(
            element(
                "text",
                f"{_short(row.value)}  {row.note}",
                x=_n(WIDE - NUMBERS + 14),
                y=_n(y + 4),
                class_="t",
            )
        )
    told = "; ".join(f"{row.name}: {_short(row.value)}" for row in rows)
    return drawing(title, told, identity, parts, WIDE, height)


def key(names: Sequence[str]) -> Html | None:
    """What the series are, under a figure; nothing for one alone."""
    if len(names) < 2:
        return None
    lines = []
    for rank, name in enumerate(names[:MOST_SERIES]):
        mark = (
            '<svg width="28" height="8" aria-hidden="true">'
            f'<path d="M1 4H27" class="line c{rank}"></path></svg>'
        )
        lines.append(element("li", Html(mark), label(name)))
    return element("ul", lines, class_="key")


def _short(x: float) -> str:
    """Three digits."""
    if not math.isfinite(x):
        return "not known"
    return f"{x:.3f}" if abs(x) < 10 else f"{np.format_float_positional(x, 4, fractional=False)}"
