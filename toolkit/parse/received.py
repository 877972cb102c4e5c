"""One Received field (RFC 5321, section 4.4), in the dialects of the servers that write them.

The grammar is clauses (from, by, via, with, id, for), comments, and a date after the last semicolon. Dialects differ
in where the address of the client stands: Postfix and sendmail `from helo (name [address])`, Exim
`from name ([address] helo=name)` or `from [address] (helo=name)`, Microsoft `from name (address)`, qmail
`from unknown (HELO name) (address)`, Yahoo `from address (EHLO name)`, Gmail no client at all on inner hops.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from toolkit.parse.dates import parse_date
from toolkit.parse.lexer import Kind, Token, tokens

_CLAUSES = frozenset({"from", "by", "via", "with", "id", "for"})
_HELO = re.compile(r"\b(?:helo|ehlo)[=\s]\s{0,9}\[?([^\s\])]{1,255})\]?", re.IGNORECASE)
_BRACKETED = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f:.]{2,45})(?:%[\w.-]{1,32})?\]", re.IGNORECASE)
_BARE = re.compile(r"(?<![\w.:-])([0-9A-Fa-f:.]{2,45})(?![\w.-])")
_IPV4_PORT = re.compile(r"(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}")


@dataclass(frozen=True, slots=True)
class Received:
    """What one server wrote down when it took the message over. None: it did not say."""

    from_name: str | None  # what the client called itself, else its address
    from_address: str | None  # the client's address as the server saw it, in its shortest form
    by: str | None
    with_: str | None  # protocol, such as "ESMTPS"
    id: str | None
    for_: str | None  # without angle brackets
    at: datetime | None  # aware


def parse_received(value: str) -> Received | None:
    """The clauses of a Received field's body; None where there is neither a clause nor a date in it."""
    parsed = tokens(value)
    last = next((i for i in range(len(parsed) - 1, -1, -1) if parsed[i].kind is Kind.SEPARATOR), None)
    at = parse_date(value[parsed[last].end :]) if last is not None else None
    if at is None:  # a parenthesis that is never closed hides the semicolon, and some servers leave it out
        at = parse_date(value.rpartition(";")[2])
    clauses = _clauses(parsed if last is None else parsed[:last])
    if not clauses and at is None:
        return None
    origin = clauses.get("from", ([], []))
    return Received(
        from_name=_client_name(*origin),
        from_address=_client_address(*origin),
        by=_host(_word(clauses, "by")),
        with_=" ".join(clauses["with"][0]) or None if "with" in clauses else None,
        id=_word(clauses, "id"),
        for_=(_word(clauses, "for") or "").strip("<>") or None,
        at=at,
    )


def _clauses(parsed: tuple[Token, ...]) -> dict[str, tuple[list[str], list[str]]]:
    """(words, comments) by clause; the first of each counts. What stands before every clause is left out."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    current: tuple[list[str], list[str]] = ([], [])
    for token in parsed:
        if token.kind is Kind.COMMENT:
            current[1].append(token.text)
        elif token.kind is Kind.WORD:
            name = token.text.lower()
            if name in _CLAUSES and name not in found:
                current = found[name] = ([], [])
            elif (
                current is not found.get("with") or not current[1]
            ):  # Exim goes on after the comment: "tls" and a cipher
                current[0].append(token.text)
    return found


def _word(clauses: dict[str, tuple[list[str], list[str]]], name: str) -> str | None:
    words = clauses.get(name, ([], []))[0]
    return words[0] if words else None


def _host(name: str | None) -> str | None:
    return (name.rstrip(".") or None) if name else None


def _client_name(words: list[str], comments: list[str]) -> str | None:
    """The first word, or the HELO of a comment where the word names no host."""
    word = words[0] if words else ""
    if not word or word.lower() == "unknown" or _address(word.strip("[]")):
        for comment in comments:
            helo = _HELO.search(comment)
            if helo:
                return _host(helo[1])
    return _host(word.strip("[]"))


def _client_address(words: list[str], comments: list[str]) -> str | None:
    """Brackets in a comment are the server's own observation; the first word may be what the client claims."""
    seen = [_HELO.sub("", comment[:1000]) for comment in comments[:8]]
    for pattern in (_BRACKETED, _BARE):
        for text in seen:
            for match in pattern.finditer(text):
                address = _address(match[1])
                if address:
                    return address
    return _address(words[0].strip("[]").removeprefix("IPv6:")) if words else None


def _address(text: str) -> str | None:
    port = _IPV4_PORT.fullmatch(text)
    try:
        return str(ip_address(port[1] if port else text.rstrip(".")))
    except ValueError:
        return None
