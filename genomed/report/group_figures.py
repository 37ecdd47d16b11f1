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
from genomed.report.markup import Html, element, join, shortened
from genomed.report.tables import format_count, format_percentile, format_score, is_number

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
"""

WIDE = 760.0
NAMES, NUMBERS = 132.0, 168.0
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
) -> Html:
    """Distributions of everybody and of each group over one axis.

    everybody : float64 (people,), finite, at least one
    identity  : prefix of the ids in the figure, unique in the page
    """
    if not np.abs(everybody).max() < LARGEST:
        return element("p", "The values are too large to be drawn.", class_="muted")
    rows = [Group("Everybody", everybody), *groups[:MOST_GROUPS]]
    low, high = _range(everybody)
    height = 20 + (HILL + ROOM) * len(rows) + 44
    x0, x1 = NAMES, WIDE - NUMBERS

    def x(value: float) -> float:
        return x0 + (min(max(value, low), high) - low) / (high - low) * (x1 - x0)

    base = height - 40
    parts: list[Html] = []
    for tick in ticks(low, high, 6):
        at = _n(x(tick.value))
        parts.append(element("path", d=f"M{at} 16V{_n(base)}", class_="grid"))
        parts.append(element("text", tick.text, x=at, y=_n(base + 16), class_="t m"))
    parts.append(element("text", axis_label, x=_n((x0 + x1) / 2), y=_n(height - 6), class_="t m"))
    parts.append(element("text", "median (5 to 95%)", x=_n(x1 + 14), y="12", class_="t"))
    told = []
    for place, group in enumerate(rows):
        y = 20 + (HILL + ROOM) * place + HILL
        at = np.quantile(group.value, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist()
        said = (
            f"{format_score(at[2], decimals)} ({format_score(at[0], decimals)} to "
            f"{format_score(at[4], decimals)})"
        )
        told.append(f"{group.name}, {len(group.value):,} people: median {said}")
        parts += _names(group, y)
        parts.append(_hill(group.value, (low, high), x, y, place == 0))
        a, b, c, d, e = (x(q) for q in at)
        parts.append(element("path", d=f"M{_n(a)} {_n(y + 3)}H{_n(e)}", class_="tail"))
        parts.append(element("path", d=f"M{_n(b)} {_n(y + 3)}H{_n(d)}", class_="box"))
        parts.append(
            element("circle", element("title", told[-1]), cx=_n(c), cy=_n(y + 3), r="3.6",
                    class_="knot")
        )  # fmt: skip
        parts.append(element("text", said, x=_n(x1 + 14), y=_n(y + 2), class_="t"))
    return _svg(title, "; ".join(told) + ".", identity, parts, WIDE, height)


def _names(group: Group, y: float) -> list[Html]:
    n = f"{format_count(len(group.value))} people"
    return [
        element("text", shortened(group.name, 17), x=_n(NAMES - 12), y=_n(y - 12),
                class_="t e strong"),
        element("text", n, x=_n(NAMES - 12), y=_n(y + 2), class_="t e"),
    ]  # fmt: skip


def _range(values: np.ndarray) -> tuple[float, float]:
    """Where nearly everybody is: 0.2 to 99.8 %, and a little more."""
    low, high = np.quantile(values, (0.002, 0.998)).tolist()
    room = 0.03 * (high - low) or max(abs(low) * 0.1, 0.5)
    return low - room, high + room


def _hill(value: np.ndarray, ends: tuple[float, float], x, y: float, whole: bool) -> Html:  # type: ignore[no-untyped-def]
    """The shape of a distribution; of few people, a stroke for each."""
    if len(value) < MIN_HILL:
        strokes = "".join(f"M{_n(x(v))} {_n(y - 14)}v12" for v in np.sort(value).tolist())
        return element("path", d=strokes, class_="tail")
    edges = np.linspace(*ends, N_CELLS + 1)
    n = np.histogram(np.clip(value, *ends), edges)[0].astype(float)
    n = np.convolve(np.pad(n, 1, mode="edge"), (0.25, 0.5, 0.25), mode="valid")
    height = y - (HILL - 4) * n / n.max()
    middle = (edges[:-1] + edges[1:]) / 2
    points = "L".join(f"{_n(x(a))} {_n(b)}" for a, b in zip(middle.tolist(), height, strict=True))
    path = f"M{_n(x(middle[0]))} {_n(y)}L{points}L{_n(x(middle[-1]))} {_n(y)}Z"
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
    return _svg(title, told, identity, parts, width, 60.0)


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
    return _svg(title, told, identity, parts, WIDE, height)


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
    return _svg(title, told, identity, parts, WIDE, height)


def _svg(
    title: str, description: str, identity: str, parts: Sequence[Html], width: float, height: float
) -> Html:
    return element(
        "svg",
        element("title", title, id=f"{identity}-t"),
        element("desc", description, id=f"{identity}-d"),
        join(list(parts)),
        viewBox=f"0 0 {_n(width)} {_n(height)}",
        role="img",
        aria_labelledby=f"{identity}-t {identity}-d",
        class_="plot",
    )


def _n(x: float) -> str:
    """A coordinate with at most one decimal."""
    text = f"{x:.1f}"
    return text[:-2] if text.endswith(".0") else text
