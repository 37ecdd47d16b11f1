"""A flow of records as inline SVG: what comes in, what is left out at each step, what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from genomed.report.markup import Html, element, shortened
from genomed.report.svg import coordinate as n
from genomed.report.svg import drawing

__all__ = ["Loss", "Step", "sankey"]

WIDTH, BAR = 1060.0, 11.0
LABEL = 19.0  # a line of text and some air
HEADING = 40.0
SMALLEST = 1.2  # of anything above none
MOST_LOSSES = 7  # of a step that are drawn apart; the smallest of more are drawn together


class Loss(NamedTuple):
    """What leaves, or joins, at a step; `neutral` is what was set aside rather than lost."""

    reason: str
    n: int
    meaning: str
    neutral: bool = False


class Step(NamedTuple):
    """A step of the flow, n_in + gains - losses = n_out.

    name   : above the bar of what comes in: "convert"
    losses : what is left out; gains : what joins, such as rows of records that were split
    """

    name: str
    n_in: int
    losses: Sequence[Loss]
    gains: Sequence[Loss]
    n_out: int


def sankey(
    title: str, steps: Sequence[Step], last: str, unit: str, identity: str, tallest: float = 190.0
) -> Html:
    """Steps from left to right: the flow that goes on at the top, what is left out below it.

    last    : what the end of the flow is called; unit : "variants"
    tallest : height of what is most, in SVG units
    """
    most = max((max(s.n_in + sum(g.n for g in s.gains), s.n_out) for s in steps), default=0)
    if not most:
        return element("p", f"There are no {unit}.", class_="muted")
    scale = tallest / most
    span = (WIDTH - 130.0) / len(steps)
    parts: list[Html] = []
    texts: list[Html] = []
    lowest = HEADING + tallest
    for place, step in enumerate(steps):
        x = span * place
        own, words, bottom = _step(step, x, span, scale, unit)
        parts, texts, lowest = parts + own, texts + words, max(lowest, bottom)
    end = steps[-1].n_out
    x = span * len(steps)
    parts.append(_bar(x, HEADING, _size(end, scale), f"{last}: {end:,} {unit}", "node"))
    texts += _heading(last, end, x)
    told = "; ".join(_told(step, unit) for step in steps) + f"; {last}: {end:,} {unit}."
    return drawing(title, told, identity, [*parts, *texts], WIDTH, lowest + 12)


def _told(step: Step, unit: str) -> str:
    left = ", ".join(f"{loss.reason} {loss.n:,}" for loss in step.losses) or "nothing"
    return f"{step.name}: {step.n_in:,} {unit} come in, left out: {left}"


def _size(count: int, scale: float) -> float:
    return max(SMALLEST, count * scale) if count else 0.0


def _heading(name: str, count: int, x: float) -> list[Html]:
    return [
        element("text", shortened(name, 30), x=n(x), y="13", class_="t"),
        element("text", f"{count:,}", x=n(x), y="31", class_="t big"),
    ]


def _together(losses: Sequence[Loss]) -> list[Loss]:
    """The largest losses, and the others as one."""
    ordered = sorted(
        (loss for loss in losses if loss.n), key=lambda one: (one.neutral, -one.n, one.reason)
    )
    if len(ordered) <= MOST_LOSSES:
        return ordered
    rest = ordered[MOST_LOSSES - 1 :]
    names = ", ".join(loss.reason for loss in rest)
    total = sum(loss.n for loss in rest)
    return [*ordered[: MOST_LOSSES - 1], Loss(f"{len(rest)} more reasons", total, names)]


def _step(
    step: Step, x: float, span: float, scale: float, unit: str
) -> tuple[list[Html], list[Html], float]:
    """Marks and texts of one step, and how far down they reach."""
    right = x + span
    size = _size(step.n_in, scale)
    parts = [_bar(x, HEADING, size, f"{step.name}: {step.n_in:,} {unit}", "node")]
    texts = _heading(step.name, step.n_in, x)
    kept = step.n_out - sum(gain.n for gain in step.gains)
    through = _size(max(kept, 0), scale)
    parts.append(_ribbon(x + BAR, HEADING, right, HEADING, through, f"{kept:,} {unit}", "link"))
    start, y = HEADING + through, HEADING + _size(step.n_out, scale) + 26
    reach = x + BAR + 0.5 * (span - BAR)
    for gain in (g for g in step.gains if g.n):
        texts.append(_label(f"+{gain.n:,} {gain.reason}", reach - 6, y - 4, gain.meaning, "e"))
        own = _size(gain.n, scale)
        parts.append(
            _ribbon(reach, y - 8, right, HEADING + through, own, f"+{gain.n:,}: {gain.meaning}",
                    "link in")
        )  # fmt: skip
        y += LABEL + 2
    for loss in _together(step.losses):
        own = _size(loss.n, scale)
        tip = f"{loss.n:,} {unit}: {loss.meaning or loss.reason}"
        look = "aside" if loss.neutral else "out"
        parts.append(_ribbon(x + BAR, start, reach, y, own, tip, f"link {look}"))
        parts.append(_bar(reach, y, own, tip, f"node {look}", 4.0))
        texts.append(_label(f"{loss.n:,} {loss.reason}", reach + 9, y + own / 2 + 4, loss.meaning))
        start += own
        y += max(own + 6, LABEL)
    return parts, texts, y


def _label(text: str, x: float, y: float, meaning: str, look: str = "") -> Html:
    tip = element("title", meaning) if meaning else None
    return element("text", tip, shortened(text, 44), x=n(x), y=n(y), class_=f"t nl {look}".strip())


def _bar(x: float, y: float, height: float, tip: str, look: str, width: float = BAR) -> Html:
    return element(
        "rect", element("title", tip), x=n(x), y=n(y), width=n(width), height=f"{height:.2f}",
        class_=look,
    )  # fmt: skip


def _ribbon(x0: float, y0: float, x1: float, y1: float, height: float, tip: str, look: str) -> Html:
    if not height:
        return Html()
    middle = (x0 + x1) / 2
    top = f"M{n(x0)} {y0:.2f}C{n(middle)} {y0:.2f} {n(middle)} {y1:.2f} {n(x1)} {y1:.2f}"
    back = (
        f"L{n(x1)} {y1 + height:.2f}C{n(middle)} {y1 + height:.2f} {n(middle)} {y0 + height:.2f} "
        f"{n(x0)} {y0 + height:.2f}Z"
    )
    return element("path", element("title", tip), d=top + back, class_=look)
