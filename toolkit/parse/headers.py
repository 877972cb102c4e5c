"""The header section of a message, as found in a mailbox (RFC 5322, section 2.2; RFC 2047).

Real headers are broken in every way: mixed line ends, raw 8-bit bytes, an mbox line on top, an end in the middle of a
field. What can be read is read; the rest is skipped. Nothing raises.
"""

import re
from collections.abc import Iterable, Iterator

from toolkit.model.placement import Header
from toolkit.parse.text import decode_base64, decode_quoted, decode_text, printable

HEADER_LIMIT = 256 * 1024
"""How much of a message is looked at for its header section, in bytes."""

_LINE_END = re.compile(rb"\r{1,2}\n|\n|\r")  # CR CR LF is what some gateways make of CR LF
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")  # blanks before the colon: RFC 5322, section 4.5
_WORD = re.compile(r"=\?([\w.:+-]{1,40})(?:\*[\w-]{0,20})?\?([bBqQ])\?([^?\s]*)\?=")  # "*de": RFC 2231, section 5


def parse_headers(raw: bytes, *, limit: int = HEADER_LIMIT) -> tuple[Header, ...]:
    """The header fields of a message, topmost first.

    Names stand as written; bodies are unfolded, stripped, and decoded as UTF-8 or, where that fails, latin-1, with NUL
    replaced. Encoded words are left as they are (`decode_words`). Reading ends at the first empty line or after
    `limit` bytes; a field that is cut off there is kept as far as it goes. Lines that are no field are skipped.
    """
    fields: list[tuple[bytes, list[bytes]]] = []
    continued: list[bytes] | None = None  # the parts of the field that a folded line adds to
    for line in _section(raw[:limit]):
        if line[:1] in (b" ", b"\t"):
            if continued is not None:
                continued.append(line)
            continue
        match = _FIELD.match(line)
        if match is None:
            continued = None
            continue
        continued = [line[match.end() :]]
        fields.append((match[1], continued))
    return tuple(
        Header(name.decode("ascii"), decode_text(b"".join(parts).strip(b" \t"), "utf-8")) for name, parts in fields
    )


def _section(data: bytes) -> Iterator[bytes]:
    """The lines up to the first empty one, without their ends. Empty lines before the first field do not count."""
    start, begun = 0, False
    for end in _LINE_END.finditer(data):
        line = data[start : end.start()]
        start = end.end()
        if line:
            begun = True
            yield line
        elif begun:
            return
    if start < len(data):
        yield data[start:]


def every(headers: Iterable[Header], name: str) -> tuple[str, ...]:
    """The bodies of all fields of that name, whatever its case, topmost first."""
    folded = name.lower()
    return tuple(header.value for header in headers if header.name.lower() == folded)


def first(headers: Iterable[Header], name: str) -> str | None:
    """The body of the topmost field of that name, whatever its case; None where there is none."""
    folded = name.lower()
    return next((header.value for header in headers if header.name.lower() == folded), None)


def decode_words(value: str) -> str:
    """A field body with its encoded words (RFC 2047) decoded.

    White space between two encoded words goes; a character that is split over two of them is put together. A word
    with an unknown charset is read as UTF-8 or latin-1; one that cannot be decoded stays as it is.
    """
    pieces: list[str] = []
    pending: list[bytes] = []  # the bytes of neighbouring words in one charset
    charset = ""
    at = 0
    for match in _WORD.finditer(value):
        data = decode_base64(match[3]) if match[2] in "bB" else decode_quoted(match[3].replace("_", " "))
        between = value[at : match.start()]
        if data is None:
            continue
        at = match.end()
        if pending and (between.strip() or match[1].lower() != charset):
            pieces.append(decode_text(b"".join(pending), charset))
            pieces.append(between if between.strip() else "")
            pending = []
        elif not pending:
            pieces.append(between)
        charset = match[1].lower()
        pending.append(data)
    if pending:
        pieces.append(decode_text(b"".join(pending), charset))
    pieces.append(value[at:])
    return printable("".join(pieces))
