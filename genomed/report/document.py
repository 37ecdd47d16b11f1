"""The frame that every page has: one self-contained HTML document, its sections and warnings."""

import base64
import hashlib
from collections.abc import Mapping, Sequence

from genomed.report.markup import Html, element, label

__all__ = [
    "WARNING_CHARACTERS",
    "document",
    "head",
    "navigation",
    "pill",
    "section",
    "warning_list",
]

WARNING_CHARACTERS = 600
SYMBOLS = {"usable": "✓", "care": "!", "part": "!", "none": "✕", "told": "·"}


def document(title: str, body: Html, css: str, version: str, script: str = "") -> str:
    """A page that loads nothing from elsewhere: its policy forbids that, and scripts but this one.

    title   : of the window
    body    : the <body> element
    version : of genomed
    script  : JavaScript that is run before the body is read; none by default
    """
    policy = f"default-src 'none'; style-src 'sha256-{_digest(css)}'"
    if script:
        policy += f"; script-src 'sha256-{_digest(script)}'"
    policy += "; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=f"genomed {version}"),
        element("title", title),
        element("style", Html(css)),
        element("script", Html(script)) if script else None,
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def head(eyebrow: str, title: str, lead: str, *more: object) -> Html:
    """What a page begins with.

    eyebrow : the command that made it; lead : its content in a line; more : what stands below
    """
    return element(
        "header",
        element("p", eyebrow, class_="eyebrow"),
        element("h1", label(title, 120)),
        element("p", lead, class_="lead"),
        *more,
        class_="head",
    )


def navigation(places: Mapping[str, str]) -> Html:
    """Links to sections: identity -> what it is called."""
    links = [element("li", element("a", text, href=f"#{key}")) for key, text in places.items()]
    return element("nav", element("ul", links), class_="nav", aria_label="Sections")


def pill(look: str, word: str) -> Html:
    """A word in the colour of its look, with a symbol for those who do not see the colour."""
    symbol = element("span", f"{SYMBOLS[look]} ", aria_hidden="true")
    return element("span", symbol, word, class_=f"pill {look}")


def section(identity: str, heading: str, *parts: object) -> Html:
    """A section of the page with its heading."""
    title = element("h2", heading, id=f"{identity}-h")
    return element("section", title, *parts, id=identity, aria_labelledby=f"{identity}-h")


def warning_list(warnings: Sequence[str], most: int) -> Html | None:
    """The first warnings, and how many more there are; None without any."""
    if not warnings:
        return None
    shown = [element("li", label(text, WARNING_CHARACTERS)) for text in warnings[:most]]
    more = len(warnings) - len(shown)
    if more:
        shown.append(
            element(
                "li", f"and {more:,} more warning{'s' if more > 1 else ''}; run.json has them all"
            )
        )
    return element("ul", shown, class_="warn", aria_label="Warnings")
