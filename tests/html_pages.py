"""An HTML page as tests look at it."""

import json
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "wbr"}


class Page(HTMLParser):
    """Tags, attributes, texts and data of a page; fails where tags are not balanced.

    attributes : tag, name, value; blocks : JSON of <script type="application/json">
    """

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.texts, self.blocks = [], [], [], [], []
        self._is_data = False
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        facts = dict(attrs)
        assert len(facts) == len(attrs)
        assert "style" not in facts
        assert not any(name.startswith("on") for name in facts)
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self._is_data = facts.get("type") == "application/json"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" in self.open:
            self.blocks += [json.loads(data)] if self._is_data else []
        elif "style" not in self.open:
            self.texts.append(data)

    def values(self, name):
        """Values of an attribute anywhere in the page."""
        return [value for _, key, value in self.attributes if key == name]

    @property
    def text(self):
        """All text, with single spaces."""
        return " ".join(" ".join(self.texts).split())
