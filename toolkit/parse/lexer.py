"""Structured header bodies as words, comments and separators (RFC 5322, sections 3.2.1 to 3.2.4).

Comments nest, and may hold semicolons; quoted strings may hold parentheses. A parenthesis or quote that is never
closed is an ordinary character. One pass over the text, however it is nested.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a token is."""

    WORD = "word"  # without white space; quoted parts taken out of their quotes
    COMMENT = "comment"  # without the outer parentheses
    SEPARATOR = "separator"  # a semicolon


@dataclass(frozen=True, slots=True)
class Token:
    """One token, where it starts and ends in the text."""

    kind: Kind
    text: str
    start: int
    end: int


_INTEREST = re.compile(r'[()"\\]')
_PART = re.compile(r"\s+|;|[^\s;]+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def tokens(text: str) -> tuple[Token, ...]:
    """The tokens of a field body, in order."""
    return tuple(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    word: list[str] = []
    word_start = 0
    for kind, start, end in _spans(text):
        if kind == "quoted":
            word_start = word_start if word else start
            word.append(_ESCAPE.sub(r"\1", text[start + 1 : end - 1]))
            continue
        if kind == "comment":
            if word:
                yield Token(Kind.WORD, "".join(word), word_start, start)
                word = []
            yield Token(Kind.COMMENT, " ".join(text[start + 1 : end - 1].split()), start, end)
            continue
        for part in _PART.finditer(text, start, end):
            if part[0] != ";" and not part[0].isspace():
                word_start = word_start if word else part.start()
                word.append(part[0])
                continue
            if word:
                yield Token(Kind.WORD, "".join(word), word_start, part.start())
                word = []
            if part[0] == ";":
                yield Token(Kind.SEPARATOR, ";", part.start(), part.end())
    if word:
        yield Token(Kind.WORD, "".join(word), word_start, len(text))


def _spans(text: str) -> Iterator[tuple[str, int, int]]:
    """("plain" | "comment" | "quoted", start, end) over the whole text."""
    at = 0
    for kind, start, end in _closed(text):
        if at < start:
            yield "plain", at, start
        yield kind, start, end
        at = end
    if at < len(text):
        yield "plain", at, len(text)


def _closed(text: str) -> list[tuple[str, int, int]]:
    """The outermost closed comments and quoted strings, in order."""
    found: list[tuple[str, int, int]] = []
    opened: list[int] = []  # open parentheses
    quote = -1  # where an open quoted string began
    skip = -1  # the index of an escaped character
    for match in _INTEREST.finditer(text):
        index, character = match.start(), match[0]
        if index == skip:
            continue
        if character == "\\":
            skip = index + 1 if quote >= 0 or opened else -1
        elif quote >= 0:
            if character == '"':
                found.append(("quoted", quote, index + 1))
                quote = -1
        elif character == '"' and not opened:
            quote = index
        elif character == "(":
            opened.append(index)
        elif character == ")" and opened:
            found.append(("comment", opened.pop(), index + 1))
    if quote >= 0:  # never closed: what follows it was not looked into
        tail = _closed_comments(text, quote + 1)
        found.extend(tail)
    return _outermost(found)


def _closed_comments(text: str, start: int) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    opened: list[int] = []
    for match in _INTEREST.finditer(text, start):
        if match[0] == "(":
            opened.append(match.start())
        elif match[0] == ")" and opened:
            found.append(("comment", opened.pop(), match.end()))
    return found


def _outermost(spans: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    kept: list[tuple[str, int, int]] = []
    for span in sorted(spans, key=lambda item: (item[1], -item[2])):
        if not kept or span[1] >= kept[-1][2]:
            kept.append(span)
    return kept
