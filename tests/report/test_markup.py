"""Text from files becomes HTML that shows it and does nothing else."""

import html

from hypothesis import given
from hypothesis import strategies as st

from genomed.report.markup import Html, cited, element, escape, join, label, shortened, visible

any_text = st.text(st.characters(), max_size=40)  # surrogates included


@given(any_text)
def test_escape_is_that_of_the_standard_library(text):
    assert escape(text) == html.escape(text)


@given(any_text)
def test_visible_text_prints_encodes_and_keeps_what_was_printable(text):
    shown = visible(text)
    assert shown.isprintable()
    shown.encode()
    assert not text.isprintable() or shown == text


@given(any_text, any_text)
def test_an_element_gives_back_its_text_and_attribute_and_no_more(text, value):
    made = element("td", text, title=value)
    start, end = f'<td title="{escape(visible(value))}">', "</td>"
    assert made == start + escape(visible(text)) + end
    assert html.unescape(made[len(start) : -len(end)]) == visible(text)


def test_controls_bidi_and_stray_bytes_are_shown_as_symbols():
    assert visible("a\x1b[2Jb") == "a[U+001B][2Jb"
    assert visible("a\u202egpj.exe") == "a[U+202E]gpj.exe"
    assert visible("zero\u200bwidth") == "zero[U+200B]width"
    assert visible(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\\xe9"


def test_only_html_passes_unescaped():
    assert join(["<b>", Html("<i></i>"), None, 3]) == "&lt;b&gt;<i></i>3"
    assert type(join("<")) is Html


def test_absent_attributes_are_left_out_and_true_ones_stand_alone():
    assert element("td", class_=None, hidden=False, open=True) == '<td open=""></td>'
    assert element("svg", viewBox="0 0 1 1", aria_hidden="true") == (
        '<svg viewBox="0 0 1 1" aria-hidden="true"></svg>'
    )


def test_a_long_name_keeps_both_ends_and_has_a_tooltip_of_limited_length():
    name = "A" * 2000 + "middle" + "Z" * 2000
    assert len(shortened(name)) == 40
    assert shortened(name).startswith("AAAA")
    assert shortened(name).endswith("ZZZZ")
    assert "4,006 characters" in label(name)
    assert len(label(name)) < 600


def test_an_empty_name_is_called_so():
    assert "(no name)" in label("")
    assert "(no name)" in label(None)


def test_dois_become_links_and_nothing_else_does():
    made = cited("A <b> et al. doi:10.1093/jnci/djv036. See javascript:alert(1)")
    assert 'href="https://doi.org/10.1093/jnci/djv036"' in made
    assert made.count("<a ") == 1
    assert "&lt;b&gt;" in made
    assert "javascript:alert(1)" in made


def test_a_doi_cannot_close_its_attribute():
    made = cited('doi:10.1093/x"onclick="alert(1)')
    assert 'href="https://doi.org/10.1093/x"' in made
    assert "&quot;onclick=&quot;" in made
