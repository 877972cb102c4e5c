"""SEARCH (RFC 9051, section 6.4.4; RFC 3501 for RECENT, NEW and OLD) over one folder.

A key narrows a list of candidates: keys are read into functions first, then run one after the other, so that a
Message-ID among ten thousand messages costs one look into an index.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from email.utils import parsedate_to_datetime

from toolkit.lab.gmail import GmailAccount
from toolkit.lab.imap.gmail_raw import raw_filter
from toolkit.lab.imap.syntax import BadSyntaxError, Scanner, numbers_in
from toolkit.lab.mailboxes import Account, Entry, Folder
from toolkit.lab.messages import Item, split_message

Narrow = Callable[[list[Entry]], list[Entry]]
Test = Callable[[Entry], bool]

CHARSETS = ("US-ASCII", "UTF-8")


class BadCharsetError(Exception):
    """The charset of the search is not known: NO [BADCHARSET]."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the search happens: the folder, and the UIDs in the order of the client's message numbers."""

    account: Account
    folder: Folder
    sequence: list[int]
    recent: frozenset[int] = frozenset()  # UIDs that are new to this session


def parse_search(scanner: Scanner, place: Place) -> Narrow:
    """Read a search program. Raises BadSyntaxError, BadCharsetError."""
    if scanner.takes(b"CHARSET ") or scanner.takes(b"charset "):
        charset = scanner.astring().decode("ascii", "replace").upper()
        if charset not in CHARSETS:
            raise BadCharsetError(charset)
        scanner.space()
    narrow = _all_keys(scanner, place, until=b"")
    scanner.end()
    return narrow


def _all_keys(scanner: Scanner, place: Place, until: bytes) -> Narrow:
    """Keys with spaces between them, up to the end or to a parenthesis: all must hold."""
    keys = [_key(scanner, place)]
    while not (scanner.sees(until) if until else scanner.at_end):
        scanner.space()
        keys.append(_key(scanner, place))

    def narrow(entries: list[Entry]) -> list[Entry]:
        for key in keys:
            if not entries:
                break
            entries = key(entries)
        return entries

    return narrow


def _key(scanner: Scanner, place: Place) -> Narrow:
    with scanner.deeper():
        return _key_here(scanner, place)


def _key_here(scanner: Scanner, place: Place) -> Narrow:
    if scanner.takes(b"("):
        inner = _all_keys(scanner, place, until=b")")
        scanner.expect(b")")
        return inner
    if scanner.is_set():
        wanted = numbers_in(scanner.sequence_set(), list(range(1, len(place.sequence) + 1)))
        return _of_uids({place.sequence[number - 1] for number in wanted})
    name = scanner.word()
    if name in _SIMPLE:
        return _test(_SIMPLE[name])
    if name in ("RECENT", "NEW", "OLD"):
        return _recent(name, place)
    if name not in _WITH_ARGUMENT:
        raise BadSyntaxError(f"unknown search key {name}")
    scanner.space()
    return _WITH_ARGUMENT[name](scanner, place)


def _test(test: Test) -> Narrow:
    return lambda entries: [entry for entry in entries if test(entry)]


def _of_uids(uids: Iterable[int]) -> Narrow:
    wanted = frozenset(uids)
    return lambda entries: [entry for entry in entries if entry.uid in wanted]


def _recent(name: str, place: Place) -> Narrow:
    if name == "OLD":
        return _test(lambda entry: entry.uid not in place.recent)
    unread_only = name == "NEW"
    return _test(lambda entry: entry.uid in place.recent and not (unread_only and "\\Seen" in entry.item.flags))


def _has(flag: str, *, not_: bool = False) -> Test:
    return lambda entry: (flag in entry.item.flags) != not_


_SIMPLE: dict[str, Test] = {
    "ALL": lambda _: True,
}
for _flag in ("Answered", "Deleted", "Draft", "Flagged", "Seen"):
    _SIMPLE[_flag.upper()] = _has("\\" + _flag)
    _SIMPLE["UN" + _flag.upper()] = _has("\\" + _flag, not_=True)


# keys with arguments


def _not(scanner: Scanner, place: Place) -> Narrow:
    inner = _key(scanner, place)

    def narrow(entries: list[Entry]) -> list[Entry]:
        out = {entry.uid for entry in inner(entries)}
        return [entry for entry in entries if entry.uid not in out]

    return narrow


def _or(scanner: Scanner, place: Place) -> Narrow:
    one = _key(scanner, place)
    scanner.space()
    other = _key(scanner, place)

    def narrow(entries: list[Entry]) -> list[Entry]:
        either = {entry.uid for entry in one(entries)} | {entry.uid for entry in other(entries)}
        return [entry for entry in entries if entry.uid in either]

    return narrow


def _uid(scanner: Scanner, place: Place) -> Narrow:
    return _of_uids(numbers_in(scanner.sequence_set(), place.sequence))


def _text(scanner: Scanner) -> str:
    return scanner.astring().decode("utf-8", "replace").lower()


def _header(scanner: Scanner, place: Place) -> Narrow:
    name = scanner.astring().decode("ascii", "replace").lower()
    scanner.space()
    wanted = _text(scanner)
    if name == "message-id" and wanted.startswith("<") and wanted.endswith(">"):
        return _by_message_id(place.folder, wanted)
    return _indexed(lambda item: _in_header(item, name, wanted))


def _by_message_id(folder: Folder, wanted: str) -> Narrow:
    """A whole Message-ID: one look into the folder's index."""

    def narrow(entries: list[Entry]) -> list[Entry]:
        uids = set(folder.by_message_id.get(wanted, ()))
        if not uids:
            return []
        if len(entries) == len(folder.entries):
            found = [folder.entries[uid] for uid in sorted(uids)]
        else:
            found = [entry for entry in entries if entry.uid in uids]
        return [entry for entry in found if entry.item.indexed]

    return narrow


def _in_header(item: Item, name: str, wanted: str) -> bool:
    if name == "message-id":
        return wanted in item.message_id.lower() and (bool(wanted) or name in item.headers)
    return any(wanted in value.lower() for value in item.headers.get(name, ()))


def _indexed(test: Callable[[Item], bool]) -> Narrow:
    """A test that the server's search index answers: it does not know the newest messages yet."""
    return lambda entries: [entry for entry in entries if entry.item.indexed and test(entry.item)]


def _field(name: str) -> Callable[[Scanner, Place], Narrow]:
    def read(scanner: Scanner, _: Place) -> Narrow:
        wanted = _text(scanner)
        return _indexed(lambda item: _in_header(item, name, wanted))

    return read


def _body(scanner: Scanner, _: Place) -> Narrow:
    wanted = _text(scanner)
    return _indexed(lambda item: wanted in split_message(item.raw)[1].decode("utf-8", "replace").lower())


def _anywhere(scanner: Scanner, _: Place) -> Narrow:
    wanted = _text(scanner)

    def test(item: Item) -> bool:
        in_header = any(wanted in value.lower() for values in item.headers.values() for value in values)
        return in_header or wanted in item.raw.decode("utf-8", "replace").lower()

    return _indexed(test)


def _keyword(*, not_: bool) -> Callable[[Scanner, Place], Narrow]:
    def read(scanner: Scanner, _: Place) -> Narrow:
        return _test(_has(scanner.flag(), not_=not_))

    return read


def _size(compare: Callable[[int, int], bool]) -> Callable[[Scanner, Place], Narrow]:
    def read(scanner: Scanner, _: Place) -> Narrow:
        limit = scanner.number()
        return _test(lambda entry: compare(len(entry.item.raw), limit))

    return read


def _sent_on(item: Item) -> date | None:
    try:
        return parsedate_to_datetime(item.header("date")).date()
    except ValueError:
        return None


def _day(
    of: Callable[[Item], date | None], compare: Callable[[date, date], bool]
) -> Callable[[Scanner, Place], Narrow]:
    def read(scanner: Scanner, _: Place) -> Narrow:
        wanted = scanner.date()

        def test(entry: Entry) -> bool:
            found = of(entry.item)
            return found is not None and compare(found, wanted)

        return _test(test)

    return read


def _received_on(item: Item) -> date:
    return item.internal_date.date()


def _within(*, younger: bool) -> Callable[[Scanner, Place], Narrow]:
    """OLDER and YOUNGER in seconds (RFC 5032)."""

    def read(scanner: Scanner, _: Place) -> Narrow:
        span = timedelta(seconds=scanner.number())

        def test(entry: Entry) -> bool:
            age = entry.item.internal_date.now(entry.item.internal_date.tzinfo) - entry.item.internal_date
            return (age <= span) == younger

        return _test(test)

    return read


def _gmail(read: Callable[[Scanner, GmailAccount, Folder], Narrow]) -> Callable[[Scanner, Place], Narrow]:
    def key(scanner: Scanner, place: Place) -> Narrow:
        if not isinstance(place.account, GmailAccount):
            raise BadSyntaxError("unknown search key")
        return read(scanner, place.account, place.folder)

    return key


def _gm_raw(scanner: Scanner, account: GmailAccount, folder: Folder) -> Narrow:
    test = raw_filter(scanner.astring().decode("utf-8", "replace"), account, folder)
    return _indexed(test)


def _gm_number(attribute: str) -> Callable[[Scanner, GmailAccount, Folder], Narrow]:
    def read(scanner: Scanner, _: GmailAccount, __: Folder) -> Narrow:
        text = scanner.astring()
        if not text.isdigit():
            raise BadSyntaxError("expected a number")
        wanted = int(text)
        return _test(lambda entry: getattr(entry.item, attribute) == wanted)

    return read


def _gm_labels(scanner: Scanner, account: GmailAccount, folder: Folder) -> Narrow:
    wanted = (scanner.flag() if scanner.sees(b"\\") else scanner.mailbox()).lower()
    return _test(lambda entry: wanted in (label.lower() for label in account.labels_seen_from(folder, entry.item)))


_WITH_ARGUMENT: dict[str, Callable[[Scanner, Place], Narrow]] = {
    "NOT": _not,
    "OR": _or,
    "UID": _uid,
    "HEADER": _header,
    "SUBJECT": _field("subject"),
    "FROM": _field("from"),
    "TO": _field("to"),
    "CC": _field("cc"),
    "BCC": _field("bcc"),
    "BODY": _body,
    "TEXT": _anywhere,
    "KEYWORD": _keyword(not_=False),
    "UNKEYWORD": _keyword(not_=True),
    "LARGER": _size(lambda size, limit: size > limit),
    "SMALLER": _size(lambda size, limit: size < limit),
    "SINCE": _day(_received_on, lambda found, wanted: found >= wanted),
    "BEFORE": _day(_received_on, lambda found, wanted: found < wanted),
    "ON": _day(_received_on, lambda found, wanted: found == wanted),
    "SENTSINCE": _day(_sent_on, lambda found, wanted: found >= wanted),
    "SENTBEFORE": _day(_sent_on, lambda found, wanted: found < wanted),
    "SENTON": _day(_sent_on, lambda found, wanted: found == wanted),
    "OLDER": _within(younger=False),
    "YOUNGER": _within(younger=True),
    "X-GM-RAW": _gmail(_gm_raw),
    "X-GM-MSGID": _gmail(_gm_number("msgid")),
    "X-GM-THRID": _gmail(_gm_number("thrid")),
    "X-GM-LABELS": _gmail(_gm_labels),
}
