"""Numbers -> short text, the same in the page and in the terminal; rows -> HTML tables.

A number is never rounded into a claim: a share below one is not shown as 100%, one above zero not
as 0%, and a share under a limit not as the limit. Unknown (None or NaN) is a word, never 0.
Hyphen-minus is used for negative numbers, so that what is copied from a page can be computed with.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from genomed.report.markup import Html, element, join

__all__ = [
    "NO_SCORE",
    "UNKNOWN",
    "Column",
    "definitions",
    "format_count",
    "format_fixed",
    "format_frequency",
    "format_memory",
    "format_percentile",
    "format_score",
    "format_seconds",
    "format_share",
    "format_signed",
    "html_table",
    "is_number",
    "score_decimals",
    "shares_apart",
]

NO_SCORE = "no score"
UNKNOWN = "—"


def is_number(x: object) -> bool:
    """Whether `x` is a finite number: neither None, NaN nor infinite."""
    return isinstance(x, int | float | np.number) and math.isfinite(x)


def score_decimals(scores: Sequence[float] | np.ndarray) -> int:
    """Decimals, 0 to 12, that show about three digits of the scores' standard deviation."""
    values = np.asarray(scores, float)
    values = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        spread = float(values.std()) if values.size > 1 else 0.0
    if spread < 1e-12:
        return 3
    if spread == math.inf:
        return 0
    return min(12, max(0, 2 - math.floor(math.log10(spread))))


def format_score(x: float | None, decimals: int | None = None) -> str:
    """A score, with `decimals` where a column wants them alike; "no score" for None and NaN."""
    if x is None or math.isnan(x):
        return NO_SCORE
    if not math.isfinite(x):
        return "infinite" if x > 0 else "-infinite"
    size = abs(x)
    if size >= 1e7 or (decimals is None and 0 < size < 0.01):
        return f"{x:.3e}"
    text = f"{x:,.{3 if decimals is None else decimals}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text


def format_signed(x: float | None, decimals: int = 2) -> str:
    """A difference or z-score with its sign; a dash where it is not known."""
    return f"{x:+,.{decimals}f}" if is_number(x) else UNKNOWN


def format_share(x: float | None, decimals: int = 1) -> str:
    """A share of one as a percentage, rounded towards the middle near 0% and 100%."""
    if not is_number(x):
        return UNKNOWN
    percent = 100 * float(x)  # type: ignore[arg-type]
    step = 10.0**-decimals
    if 0 < percent < step / 2:
        return f"<{step:.{decimals}f}%"
    if 100 - step / 2 <= percent < 100:
        return f">{100 - step:.{decimals}f}%"
    return f"{percent:.0f}%" if percent in (0, 100) else f"{percent:.{decimals}f}%"


def shares_apart(share: float, limit: float) -> tuple[str, str]:
    """Both as percentages, with as many decimals as it takes to tell `share` from `limit`."""
    for decimals in range(1, 7):
        texts = format_share(share, decimals), format_share(limit, decimals)
        if texts[0] != texts[1]:
            return texts
    return str(100 * share) + "%", str(100 * limit) + "%"


def format_percentile(x: float | None) -> str:
    """A percentile, 0 to 100, with one decimal; the highest of many is >99.9, not 100.0."""
    return format_share(x / 100).rstrip("%") if is_number(x) else UNKNOWN  # type: ignore[operator]


def format_count(n: float | None) -> str:
    """A whole number with separators."""
    return f"{int(n):,}" if is_number(n) else UNKNOWN  # type: ignore[arg-type]


def format_frequency(x: float | None) -> str:
    """An allele frequency: three decimals, or two digits of a rare one."""
    if not is_number(x):
        return UNKNOWN
    return f"{x:.3f}" if x in (0, 1) or x >= 0.001 else f"{x:.1e}"  # type: ignore[operator]


def format_fixed(x: float | None, decimals: int) -> str:
    """A number with so many decimals; a dash where it is not known."""
    return f"{x:,.{decimals}f}" if is_number(x) else UNKNOWN


def format_seconds(seconds: float | None) -> str:
    """A duration in the units that suit its size, to two or three digits."""
    if not is_number(seconds):
        return UNKNOWN
    if seconds < 9.95:  # type: ignore[operator]
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)  # type: ignore[arg-type]
    if minutes < 10:
        return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)  # type: ignore[operator]
    return f"{hours:,} h {minutes:02d} min" if hours else f"{minutes} min"


def format_memory(mib: float) -> str:
    """An amount of memory or of disc, given in MiB."""
    return f"{mib / 1024:,.1f} GiB" if mib >= 1000 else f"{mib:.0f} MiB"


class Column(NamedTuple):
    """Heading of a column, whether it holds numbers, and what the heading means."""

    heading: str
    numeric: bool = False
    meaning: str | None = None


def definitions(pairs: Iterable[tuple[object, object]], look: str) -> Html:
    """Terms and their values; look : "facts wide", or "facts keys" for numbers on the right."""
    items = [[element("dt", term), element("dd", value)] for term, value in pairs]
    return element("dl", items, class_=look)


def html_table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[object]],
    *,
    narrow: bool = False,
) -> Html:
    """A table that scrolls by keyboard where it is too wide; the first cell heads its row.

    caption : what the table holds; read aloud, not drawn
    rows    : cells as text (escaped) or Html
    narrow  : only as wide as its content
    """
    kinds = [' class="n"' if column.numeric else "" for column in columns]
    head = [
        element("th", c.heading, scope="col", class_="n" if c.numeric else None, title=c.meaning)
        for c in columns
    ]
    body = []
    for row in rows:
        cells = [f"<td{kind}>{join(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)]
        cells[0] = f'<th scope="row"{kinds[0]}>{join(row[0])}</th>'
        body.append(f"<tr>{''.join(cells)}</tr>")
    table = element(
        "table",
        element("caption", caption, class_="unseen"),
        element("thead", element("tr", head)),
        element("tbody", Html("".join(body))),
        class_="narrow" if narrow else None,
    )
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=caption)
