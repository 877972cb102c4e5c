"""What a stranger writes into a subject, a folder's name or a reply stays text, and hides nothing."""

import re
import sys
import unicodedata
from zoneinfo import ZoneInfo

import pytest

from reports.render import environment
from reports.text import clip, css_string, lines, visible
from reports.words import Words
from tests.reports import samples
from tests.reports.dom import Node, parse
from tests.reports.pages import page

EN = Words("en", ZoneInfo("UTC"))

# Line feeds and spaces of the template itself are all that may remain.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


@pytest.fixture(scope="module")
def html() -> str:
    """The page of a run in which every string is hostile."""
    return page(samples.hostile(), "en")


@pytest.fixture(scope="module")
def root(html: str) -> Node:
    """The same page, parsed."""
    return parse(html)


def test_no_markup_comes_from_outside(root: Node) -> None:
    """A subject with a script in it adds no element and no attribute to the page."""
    known = {
        *("html", "head", "meta", "title", "style", "body", "header", "main", "nav", "footer", "section", "div"),
        *("h1", "h2", "h3", "h4", "p", "a", "span", "b", "i", "bdi", "code", "pre", "ul", "li", "dl", "dt", "dd"),
        *("details", "summary", "table", "caption", "thead", "tbody", "tr", "th", "td"),
    }
    assert {node.tag for node in root} <= known
    for node in root:
        assert not [name for name in node.attributes if name.startswith("on")], node.tag
    assert "<script>alert(1)</script>" in root.text


def test_the_style_element_holds_our_style_alone(root: Node) -> None:
    """A title with </style> in it ends nothing: the printed header line is escaped the way CSS wants it."""
    (style,) = root.all("style")
    assert css_string('a"</style>\\ \n') == '"a\\22 \\3c \\2f style\\3e \\5c  \\240a "'
    assert len(style.children) == 1


def test_nothing_invisible_is_left(html: str) -> None:
    """NUL, escape sequences, bidirectional controls and half surrogates are spelled out."""
    assert not _CONTROL.search(html)
    assert "pay[U+202E]gpj.exe" in html
    assert "nul\u2400esc\u241b[31mred" in html
    assert "half [U+D83D] pair" in html
    html.encode("utf-8")


def test_every_hidden_character_of_unicode_is_made_visible() -> None:
    """Not just the famous ones: all control, format, surrogate and separator characters that Python knows."""
    hidden = [chr(code) for code in range(sys.maxunicode + 1)]
    hidden = [char for char in hidden if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert len(hidden) > 2000
    assert not [hex(ord(char)) for char in hidden if visible(char) == char]


def test_ordinary_text_is_left_alone() -> None:
    """Umlauts, Chinese, Arabic, Hebrew and emoji are no attack."""
    for text in ("Grüße aus Köln", "漢字", "مرحبا", "שלום", "🎉 ❤\ufe0f", "a\u00a0b"):
        assert visible(text) == text


def test_a_template_in_a_subject_is_not_run(html: str) -> None:
    """{{ 7*7 }} stays as it is."""
    assert "{{ 7*7 }}{% raw %}" in html
    assert ">49<" not in html


def test_long_text_is_shortened_and_says_so(html: str) -> None:
    """A subject of a megabyte neither bloats the page nor passes for a short one."""
    assert "… (shortened, 1,000,005 characters in all)" in html
    assert len(html) < 500_000


def test_a_line_break_in_a_value_is_shown_not_made(root: Node) -> None:
    """A Bcc that came in through a line break stays in its line."""
    assert any("a\u240d\u240aBcc: victim@mail.example" in node.text for node in root.all("dd"))


def test_clipping_counts_characters_as_they_came() -> None:
    """The note tells the length of the original, not of what it was turned into."""
    assert clip("abc", 3, EN) == "abc"
    assert clip("a\x00cd", 2, EN) == "a\u2400… (shortened, 4 characters in all)"


def test_replies_of_many_lines_keep_their_lines() -> None:
    """Line ends separate lines, whichever of the two; after the fortieth the rest is counted."""
    assert lines("250-a\r\n250 b", 10, EN) == ("250-a", "250 b")
    many = lines("\n".join("x" for _ in range(50)), 10, EN)
    assert len(many) == 41
    assert many[-1] == "… and 10 more lines"


def test_an_unknown_name_in_a_template_is_an_error() -> None:
    """A misspelt field never shows as an empty place."""
    made = environment()
    assert made.autoescape is True
    with pytest.raises(Exception, match="undefined"):
        made.from_string("{{ missing }}").render()
    assert made.from_string("{{ a }}").render(a="<\x00") == "&lt;\u2400"
