"""HTML that is safe by construction: plain text is escaped, only `element` makes markup.

Names of samples, models and variants come from files that anybody may have written, so there is
no way to put a `str` into a page unescaped: `element` escapes everything that is not `Html`, and
`Html` is made here alone. Characters that cannot be seen, or that change the order in which text
is read (controls, bidirectional overrides, zero-width, stray bytes), are shown as their codes.
"""

import re

__all__ = ["Html", "cited", "element", "join", "label", "plain", "shortened", "visible"]

NO_TRACE = "noreferrer noopener"
NOT_PLAIN = re.compile(r"""[^ -~]|[&<>"']""").search
NAMES: dict[str, str] = {}  # keyword argument -> attribute name, as they are met
VOID = frozenset({"meta", "br", "hr", "wbr"})
TAG = re.compile(r"<[^>]*>")  # text has no bare < or >: both are escaped
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#x27;", "'"), ("&amp;", "&"))
TITLE_LIMIT = 400  # characters of a long name that its tooltip keeps
DOI = re.compile(r"\b(?:doi:\s*|https?://(?:dx\.)?doi\.org/)?(10\.\d{4,9}/[A-Za-z0-9._;()/-]+)")


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def escape(text: str) -> str:
    """Replace the five characters that mean something in HTML; `html.escape` without its import."""
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("'", "&#x27;")
    )


def plain(text: str) -> str:
    """Text of what may be markup, for places that are no page."""
    if not isinstance(text, Html):
        return text
    bare = TAG.sub("", text)
    for code, character in _ENTITIES:
        bare = bare.replace(code, character)
    return bare


def _safe(text: str) -> str:
    """Escaped and visible form of text; most text is plain and comes back as it is."""
    return escape(visible(text)) if NOT_PLAIN(text) else text


def _symbol(character: str) -> str:
    """Stand-in for a character that cannot be seen: its code point, or its byte if not UTF-8."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # as "surrogateescape" decodes a stray byte
        return f"\\x{code - 0xDC00:02x}"
    return f"[U+{code:04X}]"


def visible(text: str) -> str:
    """Show what cannot be seen: controls, bidi overrides, zero-width characters, stray bytes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _symbol(c) for c in text)


def shortened(text: str, limit: int = 40) -> str:
    """Visible form of `text`, its middle left out where it has more than `limit` characters."""
    if len(text) <= limit:
        return visible(text)
    tail = limit // 4
    return f"{visible(text[: limit - tail - 1])}…{visible(text[-tail:])}"


def join(parts: object) -> Html:
    """Put elements, texts and lists of them in a row; texts are escaped, None is skipped."""
    if isinstance(parts, Html):
        return parts
    return Html(_joined(parts))


def _joined(parts: object) -> str:
    if isinstance(parts, Html):
        return parts
    if isinstance(parts, str):
        return _safe(parts)
    if isinstance(parts, list | tuple):
        return "".join([_joined(part) for part in parts])
    return "" if parts is None else _safe(str(parts))


def _attribute(key: str, value: object) -> str:
    name = NAMES.get(key) or NAMES.setdefault(key, key.rstrip("_").replace("_", "-"))
    if value is None or value is False:
        return ""
    return f' {name}=""' if value is True else f' {name}="{_safe(str(value))}"'


def element(tag: str, *children: object, **attributes: object) -> Html:
    """One element with escaped children and attributes.

    children   : Html as it is; anything else as escaped text; None is skipped; lists are laid out
    attributes : a trailing underscore is dropped (class_), other underscores become hyphens;
                 None and False are skipped, True stands without a value
    """
    start = tag
    for key, value in attributes.items():
        start += _attribute(key, value)
    if tag in VOID:
        return Html(f"<{start}>")
    return Html(f"<{start}>{_joined(children)}</{tag}>")


def label(text: str | None, limit: int = 40) -> Html:
    """An untrusted name: isolated from the text around it, shortened, in full as a tooltip."""
    if not text:
        return element("span", "(no name)", class_="muted")
    title = None
    if len(text) > limit:
        title = shortened(text, TITLE_LIMIT)
        if len(text) > TITLE_LIMIT:
            title = f"{title} ({len(text):,} characters)"
    return element("bdi", shortened(text, limit), title=title)


def cited(text: str, limit: int = 400) -> Html:
    """An untrusted citation, with the DOIs in it as links."""
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    parts: list[object] = []
    end = 0
    for found in DOI.finditer(text):
        doi = found[1].rstrip(".;" if "(" in found[1] else ".;)")
        stop = found.start(1) + len(doi)
        link = element("a", text[found.start() : stop], href=f"https://doi.org/{doi}", rel=NO_TRACE)
        parts += [text[end : found.start()], link]
        end = stop
    return element("bdi", *parts, text[end:])
