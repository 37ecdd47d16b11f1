"""The frame that every page has: one self-contained HTML document, its sections and warnings."""

import base64
import hashlib
from collections.abc import Sequence

from genomed.report.markup import Html, element, label

__all__ = ["document", "section", "warning_list"]

WARNING_CHARACTERS = 600


def document(title: str, body: Html, css: str, version: str) -> str:
    """A page that loads nothing from elsewhere and runs no scripts: its policy forbids both.

    title   : of the window
    body    : the <body> element
    version : of genomed
    """
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=f"genomed {version}"),
        element("title", title),
        element("style", Html(css)),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


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
        shown.append(element("li", f"and {more:,} more warnings; run.json has them all"))
    return element("ul", shown, class_="warn", aria_label="Warnings")
