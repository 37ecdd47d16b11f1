"""Figures that set groups, models or terms beside each other: inline SVG, no style attributes.

ridges        one distribution per group over one axis, with median and middle half
scale_bar     where one person lies among everybody, from 0 to 100
pushes        what moves a prediction up and down, a bar each
gains         what stages of a model added, with two standard errors
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genomed.report.figures import LARGEST, ticks
from genomed.report.markup import Html, element, shortened
from genomed.report.svg import coordinate as _n
from genomed.report.svg import drawing
from genomed.report.tables import (
    format_count,
    format_percentile,
    format_score,
    format_share,
    is_number,
)

__all__ = ["GROUP_CSS", "Gain", "Group", "Push", "gains", "pushes", "ridges", "scale_bar"]

GROUP_CSS = """
.hill{fill:var(--bar);fill-opacity:.75;stroke:var(--found);stroke-width:1}
.hill.all{fill:var(--lost);stroke:var(--hatch)}
.box{fill:none;stroke:var(--ink);stroke-width:3.4}
.tail{stroke:var(--ink);stroke-width:1;fill:none}
.knot{fill:var(--card);stroke:var(--ink);stroke-width:2}
.up{fill:var(--mark)}.down{fill:var(--found)}
.zero{stroke:var(--soft);stroke-width:1;fill:none}
.left{stroke:var(--hatch);stroke-dasharray:none;stroke-width:1.3;fill:none}
.kept{fill:var(--ok);stroke:var(--ok)}
.here{fill:var(--ink)}
.band{fill:var(--bar)}
.half .plot{min-width:0}
.stages td:last-child{min-width:17rem}
@media screen and (max-width:820px){
.sheet.broad>.plot{min-width:620px}}
.card>h4:not(:first-child){margin-top:1.5rem}
"""

WIDE = 780.0
NAMES, NUMBERS = 132.0, 194.0
RIGHT_EDGE = WIDE - NUMBERS  # of the axis of ridges
ODDS_ENDS = (0.0005, 0.9995)  # probabilities beyond are drawn at the ends
ODDS_TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
FINER_TICKS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99,
    0.995,
)  # fmt: skip
HILL, ROOM = 34.0, 12.0  # height of a hill, and the room between two
N_CELLS = 56
MIN_HILL = 20  # people; fewer are drawn one by one
MOST_GROUPS = 12


class Group(NamedTuple):
    """A group of people and their values, finite; at least one."""

    name: str
    value: np.ndarray


class Push(NamedTuple):
    """A term, what it holds in words, and what it adds to the predictor."""

    term: str
    held: str
    size: float


class Gain(NamedTuple):
    """A stage of training, whether it was kept, its gain and the standard error of that."""

    stage: str
    kept: bool
    gain: float
    error: float


def ridges(
    everybody: np.ndarray,
    groups: Sequence[Group],
    *,
    title: str,
    axis_label: str,
    identity: str,
    decimals: int = 2,
    probability: bool = False,
    mark: tuple[str, float] | None = None,
) -> Html:
    """Distributions of everybody and of each group over one axis.

    everybody   : float64 (people,), finite, at least one
    identity    : prefix of the ids in the figure, unique in the page
    probability : the values are probabilities: the axis is their log odds, 0.05% to 99.95%
    mark        : name and value of one person, drawn across all rows
    """
    if not np.abs(everybody).max() < LARGEST:
        return element("p", "The values are too large to be drawn.", class_="muted")
    axis = _odds_axis(everybody) if probability else _plain_axis(everybody)
    if probability and len(axis.ticks) < 3:  # everybody is alike: no need of odds
        plain = _plain_axis(everybody)
        axis = plain._replace(ticks=[(p, f"{100 * p:.3g}%") for p, _ in plain.ticks])
    rows = [Group("Everybody", everybody), *groups[:MOST_GROUPS]]
    top = 36.0 if mark else 20.0
    height = top + (HILL + ROOM) * len(rows) + 44
    base = height - 40
    parts = _scale(axis, axis_label, top - 4, base, height)
    parts.append(element("text", "median (5 to 95%)", x=_n(RIGHT_EDGE + 14), y="12", class_="t"))
    told = []
    for place, group in enumerate(rows):
        y = top + (HILL + ROOM) * place + HILL
        said = _five(group.value, decimals, probability)
        told.append(f"{group.name}, {len(group.value):,} people: median {said}")
        parts += _names(group, y)
        parts.append(_hill(group.value, axis, y, place == 0))
        parts += _quantiles(group.value, axis, y, told[-1])
        parts.append(element("text", said, x=_n(RIGHT_EDGE + 14), y=_n(y + 2), class_="t"))
    if mark:
        parts += _mark(mark, axis, base, decimals, probability)
        told.append(f"{mark[0]}: {_value(mark[1], decimals, probability)}")
    return drawing(title, "; ".join(told) + ".", identity, parts, WIDE, height)


class _Axis(NamedTuple):
    """Values -> x, through the log odds of probabilities; ticks as value and text."""

    low: float
    high: float
    ticks: list[tuple[float, str]]
    odds: bool = False

    def at(self, value: np.ndarray) -> np.ndarray:
        """Values in the unit of the axis, no further than its ends."""
        if self.odds:
            p = np.clip(value, *ODDS_ENDS)
            value = np.log(p / (1 - p))
        return np.clip(value, self.low, self.high)

    def x(self, value: float) -> float:
        share = (float(self.at(np.array(value))) - self.low) / (self.high - self.low)
        return NAMES + share * (RIGHT_EDGE - NAMES)


def _plain_axis(values: np.ndarray) -> _Axis:
    """Where nearly everybody is: 0.2 to 99.8 %, and a little more."""
    low, high = np.quantile(values, (0.002, 0.998)).tolist()
    room = 0.03 * (high - low) or max(abs(low) * 0.1, 0.5)
    low, high = low - room, high + room
    return _Axis(low, high, [(t.value, t.text) for t in ticks(low, high, 6)])


def _odds_axis(values: np.ndarray) -> _Axis:
    """Log odds of probabilities, as far as there are any."""
    seen = np.clip(np.quantile(values, (0.002, 0.998)), *ODDS_ENDS)
    low, high = np.log(seen / (1 - seen)).tolist()
    low, high = low - 0.4, high + 0.4
    wanted = ODDS_TICKS if high - low > 6 else FINER_TICKS
    marks = [(p, f"{100 * p:g}%") for p in wanted if low <= math.log(p / (1 - p)) <= high]
    return _Axis(low, high, marks, odds=True)


def _scale(axis: _Axis, axis_label: str, top: float, base: float, height: float) -> list[Html]:
    parts = []
    for value, text in axis.ticks:
        at = _n(axis.x(value))
        parts.append(element("path", d=f"M{at} {_n(top)}V{_n(base)}", class_="grid"))
        parts.append(element("text", text, x=at, y=_n(base + 16), class_="t m"))
    middle = (NAMES + RIGHT_EDGE) / 2
    parts.append(element("text", axis_label, x=_n(middle), y=_n(height - 6), class_="t m"))
    return parts


def _value(x: float, decimals: int, probability: bool) -> str:
    return format_share(x) if probability else format_score(x, decimals)


def _five(value: np.ndarray, decimals: int, probability: bool) -> str:
    """Median, and where nine in ten are."""
    low, middle, high = (
        _value(q, decimals, probability) for q in np.quantile(value, (0.05, 0.5, 0.95)).tolist()
    )
    return f"{middle} ({low} to {high})"


def _quantiles(value: np.ndarray, axis: _Axis, y: float, tip: str) -> list[Html]:
    """Nine in ten as a thin rule, half as a thick one, the median as a ring."""
    a, b, c, d, e = (axis.x(q) for q in np.quantile(value, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist())
    return [
        element("path", d=f"M{_n(a)} {_n(y + 3)}H{_n(e)}", class_="tail"),
        element("path", d=f"M{_n(b)} {_n(y + 3)}H{_n(d)}", class_="box"),
        element("circle", element("title", tip), cx=_n(c), cy=_n(y + 3), r="3.6", class_="knot"),
    ]


def _mark(
    mark: tuple[str, float], axis: _Axis, base: float, decimals: int, probability: bool
) -> list[Html]:
    """A line through all rows where one person is, with the name above it."""
    x = axis.x(mark[1])
    side = "e" if x > (NAMES + RIGHT_EDGE) / 2 else ""
    text = f"{shortened(mark[0], 24)} {_value(mark[1], decimals, probability)}"
    start = x + (-7 if side else 7)
    return [
        element("path", d=f"M{_n(x)} 20V{_n(base)}M{_n(x - 4)} 16h8l-4 8z", class_="mark"),
        element("text", text, x=_n(start), y="22", class_=f"t {side} halo".replace("  ", " ")),
    ]


def _names(group: Group, y: float) -> list[Html]:
    n = f"{format_count(len(group.value))} people"
    return [
        element("text", shortened(group.name, 17), x=_n(NAMES - 12), y=_n(y - 12),
                class_="t e strong"),
        element("text", n, x=_n(NAMES - 12), y=_n(y + 2), class_="t e"),
    ]  # fmt: skip


def _hill(value: np.ndarray, axis: _Axis, y: float, whole: bool) -> Html:
    """The shape of a distribution; of few people, a stroke for each."""
    if len(value) < MIN_HILL:
        strokes = "".join(f"M{_n(axis.x(v))} {_n(y - 14)}v12" for v in np.sort(value).tolist())
        return element("path", d=strokes, class_="tail")
    edges = np.linspace(axis.low, axis.high, N_CELLS + 1)
    n = np.histogram(axis.at(value), edges)[0].astype(float)
    n = np.convolve(np.pad(n, 1, mode="edge"), (0.25, 0.5, 0.25), mode="valid")
    height = y - (HILL - 4) * n / n.max()
    step = (RIGHT_EDGE - NAMES) / N_CELLS
    middle = [NAMES + step * (i + 0.5) for i in range(N_CELLS)]
    points = "L".join(f"{_n(a)} {_n(b)}" for a, b in zip(middle, height.tolist(), strict=True))
    path = f"M{_n(middle[0])} {_n(y)}L{points}L{_n(middle[-1])} {_n(y)}Z"
    return element("path", d=path, class_="hill all" if whole else "hill")


def scale_bar(percentile: float, title: str, identity: str) -> Html:
    """A person's place from 0 to 100, with the middle half marked."""
    width, left = 420.0, 12.0
    span = width - 2 * left

    def x(p: float) -> float:
        return left + p / 100 * span

    at = _n(x(min(max(percentile, 0.0), 100.0)))
    parts = [
        element("rect", x=_n(left), y="26", width=_n(span), height="10", rx="5", class_="track"),
        element("rect", x=_n(x(25)), y="26", width=_n(span / 2), height="10", class_="band"),
        element("path", d=f"M{at} 22v18M{at} 22l-5 -8h10z", class_="here tail"),
        *(element("text", str(p), x=_n(x(p)), y="54", class_="t m") for p in (0, 25, 50, 75, 100)),
    ]
    told = f"Percentile {format_percentile(percentile)} of 100; the middle half is 25 to 75."
    return drawing(title, told, identity, parts, width, 60.0)


def pushes(rows: Sequence[Push], title: str, identity: str) -> Html:
    """Terms that raise and lower a prediction, as bars to both sides of zero."""
    known = [row for row in rows if math.isfinite(row.size)]
    if not known:
        return element("p", "Nothing is known to move it.", class_="muted")
    row_height, names, held, numbers = 24.0, 190.0, 96.0, 66.0
    most = max(abs(row.size) for row in known) or 1.0
    x0, x1 = names + held, WIDE - numbers
    middle = (x0 + x1) / 2
    height = row_height * len(known) + 30
    parts = [
        element("text", "lowers", x=_n(x0), y="13", class_="t"),
        element("text", "raises", x=_n(x1), y="13", class_="t e"),
        element("path", d=f"M{_n(middle)} 18V{_n(height - 4)}", class_="zero"),
    ]
    for place, row in enumerate(known):
        y = 22 + row_height * place
        length = abs(row.size) / most * (x1 - x0) / 2
        start = middle if row.size >= 0 else middle - length
        parts += [
            element("text", shortened(row.term, 26), x=_n(names - 8), y=_n(y + 14),
                    class_="t e strong"),
            element("text", shortened(row.held, 14), x=_n(names), y=_n(y + 14), class_="t"),
            element("rect", x=_n(start), y=_n(y + 3), width=_n(max(length, 0.6)), height="14",
                    class_="up" if row.size >= 0 else "down"),
            element("text", f"{row.size:+.3g}", x=_n(WIDE), y=_n(y + 14), class_="t e"),
        ]  # fmt: skip
    told = "; ".join(f"{row.term} {row.held} {row.size:+.3g}" for row in known)
    return drawing(title, told, identity, parts, WIDE, height)


def gains(rows: Sequence[Gain], title: str, axis_label: str, identity: str) -> Html:
    """What each stage added, with two standard errors to both sides."""
    row_height, names, words = 30.0, 120.0, 96.0
    ends = [v for r in rows for v in (r.gain - 2 * r.error, r.gain + 2 * r.error) if is_number(v)]
    if not ends:
        return element("p", "There is nothing to draw.", class_="muted")
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = 0.05 * (high - low) or 0.01
    low, high = low - room, high + room
    x0, x1, height = names, WIDE - words, row_height * len(rows) + 48

    def x(value: float) -> float:
        return x0 + (value - low) / (high - low) * (x1 - x0)

    base = height - 40
    parts: list[Html] = []
    for tick in ticks(low, high, 6):
        at = _n(x(tick.value))
        parts.append(element("path", d=f"M{at} 6V{_n(base)}", class_="grid"))
        parts.append(element("text", tick.text, x=at, y=_n(base + 16), class_="t m"))
    parts.append(element("path", d=f"M{_n(x(0))} 6V{_n(base)}", class_="zero"))
    parts.append(element("text", axis_label, x=_n((x0 + x1) / 2), y=_n(height - 6), class_="t m"))
    for place, row in enumerate(rows):
        y = 6 + row_height * (place + 0.5)
        kind, word = ("kept", "✓ kept") if row.kept else ("left", "left out")
        parts.append(
            element("text", shortened(row.stage, 16), x=_n(names - 10), y=_n(y + 4),
                    class_="t e strong")
        )  # fmt: skip
        if row.error > 0:
            d = f"M{_n(x(row.gain - 2 * row.error))} {_n(y)}H{_n(x(row.gain + 2 * row.error))}"
            parts.append(element("path", d=d, class_=f"tail {kind}"))
        tip = element("title", f"{row.stage}: {row.gain:+.4f}, standard error {row.error:.4f}")
        circle = "dot kept" if row.kept else "dot left"
        parts.append(element("circle", tip, cx=_n(x(row.gain)), cy=_n(y), r="4.5", class_=circle))
        parts.append(element("text", word, x=_n(x1 + 12), y=_n(y + 4), class_="t"))
    told = "; ".join(f"{r.stage} {r.gain:+.4f}, {'kept' if r.kept else 'left out'}" for r in rows)
    return drawing(title, told, identity, parts, WIDE, height)
