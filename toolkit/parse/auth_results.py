"""The Authentication-Results field (RFC 8601, section 2.2), as receivers really write it.

Deviations that are read: no authserv-id (Microsoft), no blank before a comment (Yahoo), methods without a semicolon
between them, blanks around "=", properties without a type ("action=none", "arc_overridden_status=…"), and the
"i=1;" that opens an ARC-Authentication-Results field (RFC 8617, section 4.1.1).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toolkit.parse.lexer import Kind, tokens

METHODS = frozenset(
    {"arc", "auth", "bimi", "compauth", "dkim", "dkim-adsp", "dkim-atps", "dmarc", "domainkeys", "iprev", "rrvs"}
    | {"sender-id", "smime", "spf", "vbr"}
)
"""Methods that are recognised even where no semicolon stands before them: IANA's and Microsoft's."""

_METHOD = re.compile(r"([a-z][a-z0-9_-]{0,40})(?:/\d{1,3})?", re.IGNORECASE)
_NO_METHODS = frozenset({"from", "reason", "action", "i"})  # properties that stand first in a segment of old servers


@dataclass(frozen=True, slots=True)
class MethodResult:
    """What one method found. `method`, `result` and the names of properties are in lower case."""

    method: str
    result: str
    reason: str | None = None
    comment: str | None = None  # all comments of this result, joined by blanks, without their parentheses
    properties: tuple[tuple[str, str], ...] = ()  # ("header.d", "example.com"), in order

    def get(self, name: str) -> str | None:
        """The first value of a property, None where it is missing or empty."""
        return next((value for key, value in self.properties if key == name and value), None)


@dataclass(frozen=True, slots=True)
class AuthenticationResults:
    """One field: who speaks (None: it does not say), and the results in order. No results: `none`, or unreadable."""

    authserv_id: str | None
    results: tuple[MethodResult, ...]
    instance: int | None = None  # of an ARC set


@dataclass(slots=True)
class _Draft:
    method: str
    result: str
    reason: str | None
    comments: list[str]
    properties: list[tuple[str, str]]

    def final(self) -> MethodResult:
        comment = " ".join(self.comments) or None
        return MethodResult(self.method, self.result, self.reason, comment, tuple(self.properties))


def parse_auth_results(value: str) -> AuthenticationResults:
    """Read the body of an Authentication-Results or ARC-Authentication-Results field."""
    authserv_id: str | None = None
    instance: int | None = None
    drafts: list[_Draft] = []
    for number, segment in enumerate(_segments(value)):
        words = [text for kind, text in segment if kind is Kind.WORD]
        if number == 0 and words and words[0].lower().startswith("i=") and words[0][2:].isdecimal():
            instance = int(words[0][2:5])
            continue
        opening = number == (0 if instance is None else 1)
        if opening and words and "=" not in words[0]:
            authserv_id = words[0].strip().rstrip(".").lower() or None
            segment = segment[segment.index((Kind.WORD, words[0])) + 1 :]  # noqa: PLW2901 - what is left of it
        drafts.extend(_results(segment, opening=opening and authserv_id is not None))
    return AuthenticationResults(authserv_id, tuple(draft.final() for draft in drafts), instance)


def _segments(value: str) -> Iterator[list[tuple[Kind, str]]]:
    """What stands between semicolons: words, "name=value" put together where blanks part them, and comments."""
    segment: list[tuple[Kind, str]] = []
    for token in tokens(value):
        if token.kind is Kind.SEPARATOR:
            yield segment
            segment = []
            continue
        before = segment[-1][1] if segment and segment[-1][0] is Kind.WORD else None
        if token.kind is Kind.WORD and before is not None and _continues(before, token.text):
            segment[-1] = (Kind.WORD, before + token.text)
        else:
            segment.append((token.kind, token.text))
    yield segment


def _continues(before: str, text: str) -> bool:
    """Whether two words are one "name=value" with blanks around the sign."""
    if text.startswith("="):
        return "=" not in before
    return before.endswith("=") and before.count("=") == 1 and "=" not in text


def _results(segment: Sequence[tuple[Kind, str]], *, opening: bool) -> Iterator[_Draft]:
    """The results in one segment. `opening`: the authserv-id stood here, so a method must be a known one."""
    draft: _Draft | None = None
    for kind, text in segment:
        if kind is Kind.COMMENT:
            if draft is not None and text:
                draft.comments.append(text)
            continue
        name, sign, found = text.partition("=")
        if not sign:
            continue
        match = _METHOD.fullmatch(name)
        method = match[1].lower() if match else ""
        if method in METHODS or (draft is None and method and method not in _NO_METHODS and not opening):
            if draft is not None:
                yield draft
            draft = _Draft(method, found.lower(), None, [], [])
        elif draft is not None and method == "reason":
            draft.reason = found or None
        elif draft is not None:
            draft.properties.append((name.lower(), found))
    if draft is not None:
        yield draft
