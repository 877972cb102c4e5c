"""The parts of a message (RFC 2045, RFC 2046), read as far as they can be read.

Nesting and number of parts are bounded, so that a hostile message costs no more than a few passes over its bytes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.model.placement import Header
from toolkit.parse.headers import first, parse_headers
from toolkit.parse.text import decode_base64, decode_quoted, decode_text

MAX_DEPTH = 6
MAX_PARTS = 100

_EMPTY_LINE = re.compile(rb"(?>\r{1,2}\n|\n|\r){2}")
_LINE_END_FIRST = re.compile(rb"(?>\r{1,2}\n|\n|\r)")
_LINE_END_LAST = re.compile(rb"(?:\r\n|\n|\r)\Z")
_PARAMETER = re.compile(r';\s*([^\s=;"]{1,60})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))', re.DOTALL)
_BODIES = frozenset({"message/rfc822", "message/global", "message/news"})


@dataclass(frozen=True, slots=True)
class Part:
    """A message, or a part of one: its header, its type in lower case, and its body as it stands there."""

    headers: tuple[Header, ...]
    type: str
    parameters: dict[str, str]  # names in lower case
    body: bytes

    @property
    def content(self) -> bytes:
        """The body without its transfer encoding."""
        encoding = (first(self.headers, "Content-Transfer-Encoding") or "").strip().lower()
        if encoding == "base64":
            return decode_base64(self.body) or b""
        return decode_quoted(self.body) if encoding == "quoted-printable" else self.body

    @property
    def text(self) -> str:
        """The content as text, by its charset or what fits."""
        return decode_text(self.content, self.parameters.get("charset"))

    @property
    def encoded(self) -> bool:
        """Whether content and body differ."""
        encoding = (first(self.headers, "Content-Transfer-Encoding") or "").strip().lower()
        return encoding in ("base64", "quoted-printable")


def read_message(raw: bytes) -> Part:
    """A whole message. Empty lines before its header do not count."""
    return _part(raw.lstrip(b"\r\n"))


def children(part: Part) -> tuple[Part, ...]:
    """The parts of a multipart, or the message in a message/rfc822; none for anything else."""
    if part.type in _BODIES:
        return (read_message(part.content),)
    boundary = part.parameters.get("boundary", "")
    if not part.type.startswith("multipart/") or not 0 < len(boundary) <= 200:
        return ()
    delimiter = re.compile(
        rb"(?:\A|(?<=[\r\n]))--"
        + re.escape(boundary.encode("utf-8", "replace"))
        + rb"(--)?[ \t]*(?:\r{1,2}\n|[\r\n]|\Z)"
    )
    found: list[Part] = []
    start: int | None = None
    for match in delimiter.finditer(part.body):
        if start is not None:
            found.append(_part(_LINE_END_LAST.sub(b"", part.body[start : match.start()])))
        start = None if match[1] else match.end()
        if match[1] or len(found) >= MAX_PARTS:
            break
    if start is not None and len(found) < MAX_PARTS:  # cut off before its last delimiter
        found.append(_part(part.body[start:]))
    return tuple(found)


def walk(part: Part, *, into_messages: bool = True) -> Iterator[Part]:
    """The part and everything below it, depth first; at most MAX_PARTS, MAX_DEPTH deep."""
    stack = [(part, 0)]
    for _ in range(MAX_PARTS):
        if not stack:
            return
        current, depth = stack.pop()
        yield current
        if depth < MAX_DEPTH and (into_messages or current.type not in _BODIES):
            stack.extend((child, depth + 1) for child in reversed(children(current)))


def _part(raw: bytes) -> Part:
    """A part whose header may be empty: then it begins with an empty line (RFC 2046, section 5.1)."""
    headers: tuple[Header, ...] = ()
    headless = _LINE_END_FIRST.match(raw)
    if headless:
        body = raw[headless.end() :]
    else:
        end = _EMPTY_LINE.search(raw)
        headers = parse_headers(raw[: end.start()] if end else raw)
        body = raw[end.end() :] if end else b""
    value = first(headers, "Content-Type") or "text/plain"
    value = value[:4000]
    name = re.split(r"[;\s]", value.strip(), maxsplit=1)[0].lower()
    parameters: dict[str, str] = {}
    for match in _PARAMETER.finditer(value):
        found = re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
        parameters.setdefault(match[1].lower(), found)
    return Part(headers, name if "/" in name else "text/plain", parameters, body)
