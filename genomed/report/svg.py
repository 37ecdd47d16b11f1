"""What every figure is drawn into: an SVG that says in words what it shows."""

from __future__ import annotations

from genomed.report.markup import Html, element, join

__all__ = ["coordinate", "drawing", "figure_of"]


def drawing(
    title: str, description: str, identity: str, parts: object, width: float, height: float
) -> Html:
    """An <svg> of its parts, named for readers of screens.

    identity      : unique on the page
    width, height : of the system of coordinates
    """
    return element(
        "svg",
        element("title", title, id=f"{identity}-t"),
        element("desc", description, id=f"{identity}-d"),
        join(parts),
        viewBox=f"0 0 {coordinate(width)} {coordinate(height)}",
        role="img",
        aria_labelledby=f"{identity}-t {identity}-d",
        class_="plot",
    )


def figure_of(
    plot: Html, caption: object = None, *, key: Html | None = None, broad: bool = False
) -> Html:
    """A <figure> of a drawing, which scrolls, by keyboard too, where there is no room for it."""
    look = "sheet broad" if broad else "sheet"
    return element(
        "figure",
        element("div", plot, class_=look, tabindex="0", role="group", aria_label="Figure"),
        key,
        element("figcaption", caption) if caption else None,
    )


def coordinate(x: float) -> str:
    """A coordinate with at most one decimal."""
    text = f"{x:.1f}"
    text = text[:-2] if text.endswith(".0") else text
    return "0" if text == "-0" else text
