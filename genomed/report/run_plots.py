"""Figures of a report as inline SVG: people in a plane, counts by class, histograms, lines, flows.

Groups differ in the shape of their marks, or the dashes of their lines, as well as in colour.
Clouds of many people are thinned by drawing marks that would cover each other once. Styles are
classes of genomed.report.run_style.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genomed.report.figures import Tick, ticks
from genomed.report.markup import Html, element, label, shortened
from genomed.report.svg import coordinate as n
from genomed.report.svg import drawing, figure_of
from genomed.report.tables import format_count, format_share

__all__ = ["MOST_GROUPS", "Bar", "Cloud", "Line", "bars", "histogram", "lines", "scatter"]

MOST_GROUPS = 8
MOST_MARKS = 2000  # of one figure; beyond it marks are drawn on a coarser grid
MANY_MARKS = 400  # of one group, which are drawn smaller
KEY = 65536.0  # more than any figure is high
MARKS = (  # path of each group's mark about its place, and whether it is a filled dot
    ("h0", True),
    ("m-3.4-3.4l6.8 6.8m0-6.8l-6.8 6.8", False),  # cross
    ("m0-4.2l4 7h-8z", False),  # triangle
    ("m-3.2-3.2h6.4v6.4h-6.4z", False),  # square
    ("m0-4.4l4.2 4.4l-4.2 4.4l-4.2-4.4z", False),  # diamond
    ("m-4.2 0h8.4m-4.2-4.2v8.4", False),  # plus
    ("m0 4.2l4-7h-8z", False),  # triangle on its tip
    ("m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0", False),  # ring
)


class Cloud(NamedTuple):
    """Points of one group: float64 (n,) each, NaN where not known."""

    name: str
    x: np.ndarray
    y: np.ndarray


class Bar(NamedTuple):
    """A class and its count; `bad` classes are in the colour of what is lost."""

    name: str
    n: int
    bad: bool = False
    tip: str = ""


class Line(NamedTuple):
    """A curve: float64 (n,) each."""

    name: str
    x: np.ndarray
    y: np.ndarray


class Frame(NamedTuple):
    """Ranges of a figure and where they lie in it, in SVG units."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    width: float = 480.0
    height: float = 340.0
    left: float = 62.0
    right: float = 12.0
    top: float = 12.0
    bottom: float = 46.0

    def x(self, value: np.ndarray | float) -> np.ndarray | float:
        """Value -> place across."""
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.width - self.left - self.right)

    def y(self, value: np.ndarray | float) -> np.ndarray | float:
        """Value -> place down."""
        low, high = self.y_range
        base = self.height - self.bottom
        return base - (value - low) / (high - low) * (base - self.top)

    def axes(
        self,
        x_label: str,
        y_label: str,
        x_ticks: Sequence[Tick] | None = None,
        y_ticks: Sequence[Tick] | None = None,
    ) -> list[Html]:
        """Grid, axes, ticks and labels."""
        base, right = self.height - self.bottom, self.width - self.right
        parts = []
        for tick in ticks(*self.y_range, 5) if y_ticks is None else y_ticks:
            at = n(float(self.y(tick.value)))
            parts.append(element("path", d=f"M{n(self.left)} {at}H{n(right)}", class_="grid"))
            parts.append(element("text", tick.text, x=n(self.left - 7), y=at, class_="t e", dy="4"))
        marks = ticks(*self.x_range, 6) if x_ticks is None else x_ticks
        path = "".join(f"M{n(float(self.x(t.value)))} {n(base)}v5" for t in marks)
        path = f"M{n(self.left)} {n(base)}H{n(right)}{path}"
        parts.append(element("path", d=path, class_="ax"))
        parts += [
            element("text", t.text, x=n(float(self.x(t.value))), y=n(base + 18), class_="t m")
            for t in marks
        ]
        middle, turned = (self.left + right) / 2, (self.top + base) / 2
        parts.append(
            element("text", x_label, x=n(middle), y=n(self.height - 7), class_="t m strong")
        )
        place = f"rotate(-90 10 {n(turned)})"
        parts.append(
            element("text", y_label, x="10", y=n(turned), transform=place, class_="t m strong",
                    dy="4")
        )  # fmt: skip
        return parts


def scatter(
    title: str,
    labels: tuple[str, str],
    clouds: Sequence[Cloud],
    identity: str,
    *,
    limits: tuple[Sequence[float], Sequence[float]] = ((), ()),
    within: tuple[Sequence[float], Sequence[float]] = ((), ()),
    nameless: Sequence[str] | None = None,
    odd: int | None = None,
    y_ticks: Sequence[Tick] | None = None,
) -> Html:
    """People in a plane, group by group; a <figure> with a key where there are several groups.

    limits : values at which a dashed line stands, across and up
    within : values that the axes hold at least
    nameless : groups whose name is not written at their middle; None for all
    odd    : index of the cloud of those who stand out, drawn last and in another colour
    y_ticks : rows with names, where what is up is no number
    """
    clouds = [_known(cloud) for cloud in clouds]
    everything = [c for c in clouds if len(c.x)]
    if not everything:
        return element("p", "There is nobody to draw.", class_="muted")
    frame = Frame(
        _range(np.concatenate([*(c.x for c in everything), [*limits[0], *within[0]]])),
        _range(np.concatenate([*(c.y for c in everything), [*limits[1], *within[1]]])),
    )
    parts = frame.axes(*labels, y_ticks=y_ticks) + _limit_lines(frame, limits)
    step = _step(frame, everything)
    drawn = 0
    names, n_people = [], 0
    for rank, cloud in enumerate(clouds):
        places = _places(frame, cloud, step)
        drawn, n_people = drawn + len(places), n_people + len(cloud.x)
        if len(places):
            parts.append(_marks(places, rank, odd == rank))
        if nameless is not None and len(cloud.x) and cloud.name not in nameless:
            x, y = float(np.median(cloud.x)), float(np.median(cloud.y))
            names.append(
                element("text", shortened(cloud.name, 20), x=n(float(frame.x(x))),
                        y=n(float(frame.y(y))), class_="t m strong halo", dy="4")
            )  # fmt: skip
    told = "; ".join(f"{shortened(c.name)}: {len(c.x):,}" for c in clouds)
    figure = drawing(title, told, identity, [*parts, *names], frame.width, frame.height)
    thinned = drawn < n_people
    note = "Marks that would cover each other are drawn once." if thinned else ""
    return figure_of(figure, note, key=_key(clouds, odd))


def _known(cloud: Cloud) -> Cloud:
    x, y = np.asarray(cloud.x, float), np.asarray(cloud.y, float)
    seen = np.isfinite(x) & np.isfinite(y)
    return Cloud(cloud.name, x[seen], y[seen])


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.05 * (high - low) or 0.05 * max(abs(low), 0.1)
    return low - room, high + room


def _places(frame: Frame, cloud: Cloud, step: float) -> np.ndarray:
    """Places of a group's marks on a grid, each once: float64 (marks, 2)."""
    x, y = (np.rint(np.asarray(at) / step) for at in (frame.x(cloud.x), frame.y(cloud.y)))
    key = np.unique(x * KEY + y)  # exact: both are small whole numbers
    across = np.floor(key / KEY)
    return np.stack([across, key - across * KEY], axis=1) * step


def _step(frame: Frame, clouds: Sequence[Cloud]) -> float:
    """The finest grid on which there are at most MOST_MARKS marks."""
    for step in (0.5, 1.0, 1.5, 2.0, 3.0, 4.0):
        if sum(len(_places(frame, c, step)) for c in clouds) <= MOST_MARKS:
            return step
    return 5.0


def _marks(places: np.ndarray, rank: int, odd: bool) -> Html:
    shape, full = MARKS[rank % len(MARKS)]
    if odd:
        shape, full = MARKS[1]
    drawn = "h0" if full else shape
    path = "".join(f"M{n(x)} {n(y)}{drawn}" for x, y in places.tolist())
    look = "pt odd" if odd else f"pt h{rank % MOST_GROUPS}"
    look += " full" if full else ""
    look += " many" if len(places) > MANY_MARKS else ""
    return element("path", d=path, class_=look)


def _limit_lines(frame: Frame, limits: tuple[Sequence[float], Sequence[float]]) -> list[Html]:
    base, right = frame.height - frame.bottom, frame.width - frame.right
    paths = [f"M{n(float(frame.x(v)))} {n(frame.top)}V{n(base)}" for v in limits[0]]
    paths += [f"M{n(frame.left)} {n(float(frame.y(v)))}H{n(right)}" for v in limits[1]]
    return [element("path", d=path, class_="limit") for path in paths]


def _key(clouds: Sequence[Cloud], odd: int | None) -> Html | None:
    if len(clouds) < 2:
        return None
    lines = []
    for rank, cloud in enumerate(clouds):
        mark = element(
            "svg", _marks(np.array([[7.0, 6.0]]), rank, odd == rank), width="14", height="12",
            aria_hidden="true",
        )  # fmt: skip
        lines.append(element("li", mark, label(cloud.name), f" ({len(cloud.x):,})"))
    return element("ul", lines, class_="key")


def bars(title: str, rows: Sequence[Bar], identity: str, unit: str, *, shares: bool = True) -> Html:
    """Counts by class as horizontal bars with their numbers; a <figure>.

    unit   : what is counted: "variants"
    shares : give each class's share of all beside its number
    """
    total = sum(row.n for row in rows)
    most = max((row.n for row in rows), default=0)
    if not total:
        return element("p", f"There are no {unit}.", class_="muted")
    height, start, width, gap = 24.0, 132.0, 480.0, 104.0
    parts = []
    for place, row in enumerate(rows):
        y = 4 + height * place
        size = (width - start - gap) * row.n / most
        tip = element("title", row.tip or f"{row.name}: {row.n:,} {unit}")
        parts.append(
            element("text", shortened(row.name, 22), x=n(start - 8), y=n(y + 15), class_="t e")
        )
        if row.n:
            parts.append(
                element("rect", tip, x=n(start), y=n(y + 3), width=n(max(size, 1.5)), height="17",
                        rx="2", class_="hb bad" if row.bad else "hb")
            )  # fmt: skip
        share = format_share(row.n / total) if row.n and shares else ""
        small = element("tspan", f" {share}", class_="t") if share else None
        place_of = n(start + max(size, 1.5 if row.n else 0) + 6)
        number = element("text", format_count(row.n), small, x=place_of, y=n(y + 15),
                         class_="t strong")  # fmt: skip
        parts.append(number)
    told = "; ".join(f"{row.name}: {row.n:,}" for row in rows)
    return figure_of(drawing(title, told, identity, parts, width, 8 + height * len(rows)))


def histogram(
    title: str, values: np.ndarray, labels: tuple[str, str], identity: str, *, most_bins: int = 48,
    limits: Sequence[float] = (),
) -> Html:  # fmt: skip
    """Counts of values in equal bins; a <figure>."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if not len(values):
        return element("p", "There is nothing to draw.", class_="muted")
    low, high = _range(np.concatenate([values, np.array(limits, float)]))
    n_bins = int(min(most_bins, max(8, 2 * math.sqrt(len(values)))))
    counts, edges = np.histogram(values, n_bins, (low, high))
    frame = Frame((low, high), (0.0, max(4.0, float(counts.max()) * 1.05)))
    parts = frame.axes(*labels)
    for left, right, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(),
                                  strict=True):  # fmt: skip
        if count:
            a, b, top = float(frame.x(left)), float(frame.x(right)), float(frame.y(count))
            tip = element("title", f"{left:.4g} to {right:.4g}: {count:,}")
            size = frame.height - frame.bottom - top
            parts.append(
                element("rect", tip, x=n(a + 0.4), y=n(top), width=n(b - a - 0.8), height=n(size),
                        class_="hb")
            )  # fmt: skip
    parts += _limit_lines(frame, (limits, ()))
    told = f"{len(values):,} from {values.min():.4g} to {values.max():.4g}"
    return figure_of(drawing(title, told, identity, parts, frame.width, frame.height))


def lines(
    title: str,
    labels: tuple[str, str],
    curves: Sequence[Line],
    identity: str,
    *,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    diagonal: bool = False,
    points: bool = False,
) -> Html:
    """Curves, the first eight in colours and dashes of their own, the others thin; a <figure>.

    diagonal : draw the line of equality
    points   : mark the points rather than join them
    """
    known = [c for c in curves if len(c.x)]
    if not known:
        return element("p", "There is nothing to draw.", class_="muted")
    xs, ys = np.concatenate([c.x for c in known]), np.concatenate([c.y for c in known])
    frame = Frame(x_range or _range(xs), y_range or _range(ys))
    parts = frame.axes(*labels)
    if diagonal:
        low = max(frame.x_range[0], frame.y_range[0])
        high = min(frame.x_range[1], frame.y_range[1])
        path = f"M{_at(frame, low, low)}L{_at(frame, high, high)}"
        parts.append(element("path", d=path, class_="best"))
    for rank, one in reversed(list(enumerate(known))):
        look = rank % MOST_GROUPS
        path = "L".join(
            _at(frame, x, min(max(y, frame.y_range[0]), frame.y_range[1]))
            for x, y in zip(one.x.tolist(), one.y.tolist(), strict=True)
        )
        name = element("title", shortened(one.name))
        if points:
            dots = "".join(f"M{place}h0" for place in path.split("L"))
            parts.append(element("path", name, d=dots, class_=f"pt full h{look}"))
        else:
            parts.append(element("path", name, d=f"M{path}", class_=f"runline h{look} d{look}"))
    told = "; ".join(shortened(c.name) for c in known[:40])
    figure = drawing(title, told, identity, parts, frame.width, frame.height)
    return figure_of(figure, key=_line_key(known))


def _at(frame: Frame, x: float, y: float) -> str:
    return f"{n(float(frame.x(x)))} {n(float(frame.y(y)))}"


def _line_key(curves: Sequence[Line]) -> Html | None:
    if len(curves) < 2:
        return None
    items = []
    for rank, one in enumerate(curves[:MOST_GROUPS]):
        mark = element(
            "svg", element("path", d="M1 4H27", class_=f"runline h{rank} d{rank}"), width="28",
            height="8", aria_hidden="true",
        )  # fmt: skip
        items.append(element("li", mark, label(one.name, 30)))
    more = len(curves) - len(items)
    if more > 0:
        items.append(element("li", f"and {more:,} more in the same colours"))
    return element("ul", items, class_="key")
