"""What every figure is drawn into: an SVG that says in words what it shows."""

from __future__ import annotations

from genomed.report.markup import Html, element, join

__all__ = ["coordinate", "drawing"]


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


def coordinate(x: float) -> str:
    """A coordinate with at most one decimal."""
    text = f"{x:.1f}"
    text = text[:-2] if text.endswith(".0") else text
    return "0" if text == "-0" else text
