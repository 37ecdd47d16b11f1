"""Tables of any length: the first rows as they stand, all of them searched and paged by a script.

The rows are JSON inside the page; genomed.report.run_script shows some of them at a time, finds
words in them and sorts by a column. Without scripts the first rows stay, and where all are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from genomed.report.markup import Html, element, visible
from genomed.report.tables import UNKNOWN, Column, html_table

__all__ = ["Cell", "grid", "json_block"]

PAGE = 25  # rows shown at a time


class Cell(NamedTuple):
    """A cell in a colour, such as "pill usable" of the stylesheet."""

    text: str
    look: str


def grid(
    identity: str,
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str | Cell | None]],
    *,
    page: int = PAGE,
    details: Sequence[object] | None = None,
    render: str = "",
    rest: Html | str = "",
) -> Html:
    """A table that can be searched, sorted and paged.

    identity : id of the table, unique in the page, letters, digits and hyphens
    rows     : cells as text; None is not known. A numeric column is sorted by its numbers, which
               may have separators, signs, % and < before them
    page     : rows shown at a time, and without scripts
    details  : for each row, what `render` needs to show more of it (JSON); None in it for nothing
    render   : name of the function in ``genomed.details`` that fills an element: (detail, element)
    rest     : where all rows are, for those who read without scripts
    """
    numeric = [int(column.numeric) for column in columns]
    shown = [[_shown(cell) for cell in row] for row in rows[:page]]
    data = {"numeric": numeric, "rows": [[_plain(cell) for cell in row] for row in rows]}
    if details is not None:
        data |= {"details": list(details), "render": render}
    told = f"{len(rows):,} rows." if len(rows) <= page else f"The first {page} of {len(rows):,}."
    return element(
        "div",
        html_table(caption, columns, shown),
        element("p", told, " ", rest, class_="note rest"),
        json_block(data, class_="rows"),
        class_="long",
        id=identity,
        data_page=page,
        data_caption=caption,
    )


def json_block(content: object, **attributes: object) -> Html:
    """Data for a script: a <script> of a type that no browser runs, with no < in it."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return element(
        "script",
        Html(text.replace("<", "\\u003c").replace("\u2028", "\\u2028")),
        type="application/json",
        **attributes,
    )


def _plain(cell: str | Cell | None) -> object:
    if isinstance(cell, Cell):
        return [visible(cell.text), cell.look]
    return None if cell is None else visible(cell)


def _shown(cell: str | Cell | None) -> Html:
    if cell is None:
        return element("span", UNKNOWN)
    if isinstance(cell, Cell):
        return element("span", element("bdi", visible(cell.text)), class_=cell.look)
    return element("bdi", visible(cell))
