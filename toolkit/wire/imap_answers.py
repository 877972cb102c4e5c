"""IMAP answers as values: LIST, STATUS, SEARCH and FETCH responses as imaplib collects them.

A line of a list that cannot be read costs that line; anything else that cannot be read is a WireError.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from imapclient.exceptions import IMAPClientError
from imapclient.imap_utf7 import decode as decode_utf7
from imapclient.response_parser import parse_fetch_response, parse_response

from toolkit.model.mailbox import FolderStatus, ListedFolder
from toolkit.wire.channel import WireError

_ESEARCH_TAG = re.compile(rb'TAG "?([^")]+)')
_ESEARCH_ALL = re.compile(rb"\bALL ([0-9:,]+)")
_NONSENSE = (IMAPClientError, ValueError, TypeError, IndexError, KeyError)


@dataclass(slots=True)
class Answer:
    """What came back for one command of a batch."""

    status: str  # OK, NO, BAD
    text: str
    untagged: dict[str, list[Any]] = field(default_factory=dict)  # by response name, as imaplib keeps them
    tag: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether the server did what was asked."""
        return self.status == "OK"

    def expect(self, what: str) -> "Answer":
        """Itself, where the server said OK. Raises WireError."""
        if not self.ok:
            raise WireError("said-no", f"the server refuses {what}: {self.status} {self.text}")
        return self


@dataclass(frozen=True, slots=True)
class UidSet:
    """A set of UIDs as a server wrote it (RFC 9051, section 9: sequence-set), not spelt out: it may name billions."""

    ranges: tuple[tuple[int, int], ...]

    def __contains__(self, uid: int) -> bool:
        return any(min(low, high) <= uid <= max(low, high) for low, high in self.ranges)


@dataclass(frozen=True, slots=True)
class Listing:
    """The mailboxes of a server, and those lines of its list that could not be read."""

    folders: tuple[ListedFolder, ...]
    status: dict[bytes, FolderStatus]  # by raw name; a folder that gave no answer is absent
    broken: tuple[str, ...]  # lines as they came


@dataclass(frozen=True, slots=True)
class Fetched:
    """One FETCH response; what was not asked for is empty."""

    uid: int
    flags: tuple[str, ...] = ()
    internal_date: datetime | None = None
    text: bytes = b""  # the one body section that was asked for
    labels: tuple[str, ...] = ()  # Gmail's, decoded


def folder_name(raw: bytes) -> str:
    """The name for people: modified UTF-7 (RFC 3501, section 5.1.3) decoded, else UTF-8, else Latin-1."""
    try:
        name = decode_utf7(raw)
        if raw.isascii() and isinstance(name, str) and name.isprintable():
            return name
    except _NONSENSE:
        pass
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def read_list(data: Sequence[Any]) -> tuple[tuple[ListedFolder, ...], tuple[str, ...]]:
    """The folders of LIST responses, each once, and the lines that could not be read."""
    folders: dict[bytes, ListedFolder] = {}
    broken = []
    for item in _items(data):
        try:
            attributes, delimiter, raw, *_ = parse_response(item)
            name = str(raw).encode() if isinstance(raw, int) else raw
            if (
                not isinstance(name, bytes)
                or not name
                or set(name) & set(b"\r\n\0")
                or not isinstance(attributes, tuple)
            ):
                raise ValueError
            folders.setdefault(
                name,
                ListedFolder(
                    raw=name,
                    name=folder_name(name),
                    delimiter=delimiter.decode("latin-1") if isinstance(delimiter, bytes) and delimiter else None,
                    attributes=frozenset(a.decode("ascii", "replace").lower() for a in attributes),
                ),
            )
        except (*_NONSENSE, AttributeError):
            broken.append(repr(item)[:200])
    return tuple(folders.values()), tuple(broken)


def read_status(data: Sequence[Any]) -> dict[bytes, FolderStatus]:
    """STATUS responses by raw name. Those that cannot be read, or lack an item, are left out."""
    found = {}
    for item in _items(data):
        try:
            raw, pairs = parse_response(item)
            name = item[0].split(b" ", 1)[0] if isinstance(raw, int) else bytes(raw)
            values = dict(zip(pairs[::2], pairs[1::2], strict=True))
            found[name] = FolderStatus(
                messages=int(values[b"MESSAGES"]),
                uid_next=int(values[b"UIDNEXT"]),
                uid_validity=int(values[b"UIDVALIDITY"]),
            )
        except (*_NONSENSE, AttributeError):
            continue
    return found


def read_search(answer: Answer) -> list[int]:
    """The numbers of SEARCH responses. Raises WireError where the server refused or answered nonsense."""
    answer.expect("SEARCH")
    try:
        return [int(word) for line in answer.untagged.get("SEARCH", []) for word in (line or b"").split()]
    except (ValueError, AttributeError, TypeError):
        raise WireError("protocol", "the answer to SEARCH is no list of numbers") from None


def read_esearch(answers: Iterable[Answer]) -> dict[bytes, UidSet]:
    """What SEARCH with RETURN (ALL) found, by the tag of its command (RFC 4731), wherever in the batch it stands.

    A search that found nothing is absent, and so is a line that cannot be read.
    """
    found = {}
    for line in (line for answer in answers for line in answer.untagged.get("ESEARCH", [])):
        text = line if isinstance(line, bytes) else b""
        tag, numbers = _ESEARCH_TAG.search(text), _ESEARCH_ALL.search(text)
        if tag and numbers:
            ranges = (part.partition(b":") for part in numbers[1].split(b","))
            found[tag[1]] = UidSet(tuple((int(low), int(high or low)) for low, _, high in ranges if low))
    return found


def read_fetch(answer: Answer) -> list[Fetched]:
    """FETCH responses that have a UID. Raises WireError where the server refused or answered nonsense."""
    answer.expect("FETCH")
    try:
        parsed = parse_fetch_response(answer.untagged.get("FETCH", [None]), normalise_times=False, uid_is_key=True)
    except (*_NONSENSE, AttributeError):
        raise WireError("protocol", "the answer to FETCH cannot be read") from None
    messages = []
    for uid, values in parsed.items():
        text = next((value for key, value in values.items() if key.startswith((b"BODY[", b"RFC822"))), None)
        date = values.get(b"INTERNALDATE")
        messages.append(
            Fetched(
                uid=uid,
                flags=tuple(_word(flag) for flag in values.get(b"FLAGS", ())),
                internal_date=_in_utc(date),
                text=text if isinstance(text, bytes) else b"",
                labels=tuple(folder_name(_bytes(label)) for label in values.get(b"X-GM-LABELS", ())),
            )
        )
    return messages


def _in_utc(date: object) -> datetime | None:
    """A time that can be kept; a server may name one that no calendar has."""
    try:
        return date.astimezone(UTC) if isinstance(date, datetime) and date.tzinfo else None
    except (OverflowError, ValueError):
        return None


def _items(data: Sequence[Any]) -> list[list[Any]]:
    """Untagged responses one by one: imaplib gives a literal as a tuple, followed by the rest of its line."""
    items: list[list[Any]] = []
    open_item = False
    for part in data:
        if open_item:
            items[-1].append(part)
        else:
            items.append([part])
        open_item = isinstance(part, tuple)
    return items


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _word(value: object) -> str:
    return _bytes(value).decode("latin-1")
