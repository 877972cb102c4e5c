"""A stored message: its bytes, and what is looked up in them again and again, read once."""

import email.errors
import email.header
import itertools
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

_IDS = itertools.count(1_770_000_000_000_000_000)  # X-GM-MSGID: unsigned, 64 bits, unique
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")


def split_message(raw: bytes) -> tuple[bytes, bytes]:
    """The header block with the blank line that ends it, and the body."""
    if raw.startswith((b"\r\n", b"\n")):
        end = raw.index(b"\n") + 1
        return raw[:end], raw[end:]
    found = _BLANK_LINE.search(raw)
    return (raw[: found.end()], raw[found.end() :]) if found else (raw, b"")


def header_fields(block: bytes) -> list[tuple[str, bytes]]:
    """The fields of a header block: lower-case name, and the whole field as it stands, folds and line end included."""
    fields: list[tuple[str, bytes]] = []
    for line in block.splitlines(keepends=True):
        if line in (b"\r\n", b"\n"):
            break
        if line[:1] in (b" ", b"\t") and fields:
            name, so_far = fields[-1]
            fields[-1] = (name, so_far + line)
        else:
            name_part = line.split(b":", 1)[0].strip()
            fields.append((name_part.decode("ascii", "replace").lower(), line))
    return fields


def decoded(value: str) -> str:
    """A header value with its encoded words decoded (RFC 2047), as far as they can be."""
    if "=?" not in value:
        return value
    try:
        return str(email.header.make_header(email.header.decode_header(value)))
    except (email.errors.HeaderParseError, LookupError, ValueError):
        return value


@dataclass(eq=False, slots=True)
class Item:
    """A message of a mailbox. In Gmail's several folders show one item; elsewhere every copy is an item."""

    raw: bytes
    internal_date: datetime
    flags: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    categories: frozenset[str] = frozenset()
    searchable_at: float = 0.0  # of time.monotonic(): before, the search index does not know the message
    msgid: int = field(default_factory=lambda: next(_IDS))
    thrid: int = 0
    _headers: dict[str, list[str]] | None = None
    _message_id: str | None = None

    def __post_init__(self) -> None:
        self.thrid = self.thrid or self.msgid

    @property
    def headers(self) -> dict[str, list[str]]:
        """Decoded header values by lower-case name."""
        if self._headers is None:
            found: dict[str, list[str]] = {}
            for name, whole in header_fields(split_message(self.raw)[0]):
                value = _FOLD.sub(b" ", whole).partition(b":")[2].strip()
                found.setdefault(name, []).append(decoded(value.decode("utf-8", "replace")))
            self._headers = found
        return self._headers

    def header(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return next(iter(self.headers.get(name.lower(), ())), "")

    @property
    def message_id(self) -> str:
        """The Message-ID with its angle brackets, or nothing."""
        if self._message_id is None:
            self._message_id = self.header("message-id")
        return self._message_id

    @property
    def indexed(self) -> bool:
        """Whether the search index knows the message yet."""
        return not self.searchable_at or time.monotonic() >= self.searchable_at

    def copy(self) -> "Item":
        """Another item with the same bytes, date and flags (RFC 9051, section 6.4.7)."""
        return Item(self.raw, self.internal_date, set(self.flags) - {"\\Recent"}, searchable_at=self.searchable_at)


def now() -> datetime:
    """The time, in UTC, as INTERNALDATE keeps it: whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)
