"""FETCH (RFC 9051, section 6.4.5): the items that a client asks for, and their answers."""

from collections.abc import Callable
from dataclasses import dataclass

from toolkit.lab.gmail import GmailAccount
from toolkit.lab.imap.mime import Part, envelope, pick_fields, section, structure, take_apart
from toolkit.lab.imap.syntax import BadSyntaxError, Scanner, flags_out, internal_date, literal, name_out
from toolkit.lab.mailboxes import Account, Entry, Folder
from toolkit.lab.messages import split_message


@dataclass(frozen=True, slots=True)
class View:
    """What an item is read from."""

    account: Account
    folder: Folder
    entry: Entry
    recent: bool = False


@dataclass(frozen=True, slots=True)
class FetchItem:
    """One item: its name in the answer, how to write its value, and whether reading it marks the message read."""

    name: bytes
    write: Callable[[View], bytes]
    marks_seen: bool = False


_MACROS = {
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}


def shown_flags(entry: Entry, *, recent: bool) -> bytes:
    """The flags of a message as this session sees them."""
    return flags_out(entry.item.flags | {"\\Recent"} if recent else entry.item.flags)


def _labels(view: View) -> bytes:
    account = view.account
    if not isinstance(account, GmailAccount):  # pragma: no cover - the item is offered by Gmail alone
        return b"()"
    labels = account.labels_seen_from(view.folder, view.entry.item)
    out = [f'"\\{label}"'.encode() if label.startswith("\\") else name_out(label) for label in labels]
    return b"(" + b" ".join(out) + b")"


_ITEMS: dict[str, Callable[[View], bytes]] = {
    "UID": lambda view: str(view.entry.uid).encode(),
    "FLAGS": lambda view: shown_flags(view.entry, recent=view.recent),
    "INTERNALDATE": lambda view: internal_date(view.entry.item.internal_date),
    "RFC822.SIZE": lambda view: str(len(view.entry.item.raw)).encode(),
    "ENVELOPE": lambda view: envelope(split_message(view.entry.item.raw)[0]),
    "BODYSTRUCTURE": lambda view: structure(take_apart(view.entry.item.raw), extended=True),
    "BODY": lambda view: structure(take_apart(view.entry.item.raw), extended=False),
    "RFC822": lambda view: literal(view.entry.item.raw),
    "RFC822.HEADER": lambda view: literal(split_message(view.entry.item.raw)[0]),
    "RFC822.TEXT": lambda view: literal(split_message(view.entry.item.raw)[1]),
}
_GMAIL_ITEMS: dict[str, Callable[[View], bytes]] = {
    "X-GM-MSGID": lambda view: str(view.entry.item.msgid).encode(),
    "X-GM-THRID": lambda view: str(view.entry.item.thrid).encode(),
    "X-GM-LABELS": _labels,
}
_MARKING = {"RFC822", "RFC822.TEXT"}


def parse_items(scanner: Scanner, account: Account) -> list[FetchItem]:
    """Read a macro, an item or a list of items. Raises BadSyntaxError."""

    def read() -> FetchItem:
        return _item(scanner, account)

    if scanner.sees(b"("):
        return [item for item in scanner.list_of(read) if isinstance(item, FetchItem)]
    for macro, names in _MACROS.items():
        if scanner.rest.upper() == macro.encode():
            scanner.takes(scanner.rest)
            return [FetchItem(name.encode(), _ITEMS[name]) for name in names]
    return [read()]


def _item(scanner: Scanner, account: Account) -> FetchItem:
    head = scanner.rest[:10].upper()
    if head.startswith(b"BODY["):
        scanner.takes(scanner.rest[:5])
        return _body_item(scanner, marks_seen=True)
    if head.startswith(b"BODY.PEEK["):
        scanner.takes(scanner.rest[:10])
        return _body_item(scanner, marks_seen=False)
    name = scanner.word()
    write = _ITEMS.get(name) or (_GMAIL_ITEMS.get(name) if isinstance(account, GmailAccount) else None)
    if write is None:
        raise BadSyntaxError(f"unknown item {name}")
    return FetchItem(name.encode(), write, name in _MARKING)


def _body_item(scanner: Scanner, *, marks_seen: bool) -> FetchItem:
    """After `BODY[`: a section, its end, and perhaps a range of bytes."""
    numbers, what, fields, text = _section(scanner)
    scanner.expect(b"]")
    name = b"BODY[" + text + b"]"
    start, count = 0, None
    if scanner.takes(b"<"):
        start = scanner.number()
        scanner.expect(b".")
        count = scanner.number()
        scanner.expect(b">")
        name += b"<%d>" % start

    def write(view: View) -> bytes:
        data = _section_bytes(view.entry.item.raw, numbers, what, fields)
        if data is None:
            return b"NIL"
        return literal(data if count is None else data[start : start + count])

    return FetchItem(name, write, marks_seen)


def _section(scanner: Scanner) -> tuple[list[int], str, set[str], bytes]:
    """Part numbers, what of the part, field names, and how the answer repeats all this."""
    numbers: list[int] = []
    shown: list[str] = []
    while scanner.rest[:1].isdigit():
        numbers.append(scanner.number())
        shown.append(str(numbers[-1]))
        if not scanner.takes(b"."):
            return numbers, "", set(), ".".join(shown).encode()
    if scanner.sees(b"]"):
        if numbers:
            raise BadSyntaxError("a section ends with a dot")
        return numbers, "", set(), b""
    what = scanner.word()
    if what not in ("HEADER", "TEXT", "MIME", "HEADER.FIELDS", "HEADER.FIELDS.NOT") or (what == "MIME" and not numbers):
        raise BadSyntaxError(f"unknown section {what}")
    text = ".".join([*shown, what]).encode()
    if not what.startswith("HEADER.FIELDS"):
        return numbers, what, set(), text
    scanner.space()
    names = [bytes(name) for name in scanner.list_of(scanner.astring) if isinstance(name, bytes)]
    fields = {name.decode("ascii", "replace").lower() for name in names}
    return numbers, what, fields, text + b" (" + b" ".join(name.upper() for name in names) + b")"


def _section_bytes(raw: bytes, numbers: list[int], what: str, fields: set[str]) -> bytes | None:
    if not numbers:
        return _of_part(Part(*split_message(raw)), what, fields, whole=raw)
    part = section(take_apart(raw), numbers)
    if part is None:
        return None
    if what in ("", "MIME"):
        return part.body if what == "" else part.header
    if not part.is_message or not part.children:  # only a message has a header and a text of its own
        return None
    inner = part.children[0]
    return _of_part(inner, what, fields, whole=part.body)


def _of_part(part: Part, what: str, fields: set[str], whole: bytes) -> bytes:
    if what == "":
        return whole
    if what == "TEXT":
        return part.body
    if what == "HEADER":
        return part.header
    return pick_fields(part.header, fields, but=what.endswith(".NOT"))
