"""Messages that say what became of another one: delivery status notifications and their relatives.

Read are RFC 3464 reports with the internationalised forms of RFC 6533, in the multipart/report of RFC 6522 (once RFC
3462); the rejection of a Sieve script, a disposition notification "deleted" whose text says "rejected" (RFC 5429,
section 2.1.2, as Pigeonhole writes it); and bounces in plain text (`toolkit.parse.bounce_text`).

No bounce are: a read receipt, an auto-reply, a complaint, and a person's mail with a bounce attached.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from toolkit.model.placement import Header
from toolkit.parse.bounce_text import from_daemon, message_id_in, read_text_bounce, visible_text
from toolkit.parse.dates import parse_date
from toolkit.parse.headers import decode_words, every, first, parse_headers
from toolkit.parse.mime import Part, children, read_message, walk

READ_LIMIT = 512 * 1024
"""How much of a message is looked at, in bytes."""

ACTIONS = frozenset({"failed", "delayed", "delivered", "relayed", "expanded"})
"""RFC 3464, section 2.3.3."""

_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_DISPOSITION_TYPES = frozenset({"message/disposition-notification", "message/global-disposition-notification"})
_MESSAGE_TYPES = frozenset({"message/rfc822", "message/global"})
_HEADER_TYPES = frozenset({"text/rfc822-headers", "message/rfc822-headers", "message/global-headers"})
_BY_CLASS = {"5": "failed", "4": "delayed", "2": "delivered"}
_MAX_RECIPIENTS = 1000

_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\d|\.\d)")
_TYPED = re.compile(r"\s{0,9}([A-Za-z0-9][A-Za-z0-9_-]{0,40})\s{0,9};\s*")
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")  # RFC 6533, section 3
_BLANK_LINES = re.compile(rb"(?>\r{1,2}\n|\n|\r)(?>[ \t]*+(?>\r{1,2}\n|\n|\r))+")
_SEPARATORS = re.compile(r"""[\s<>"'()\[\],;]+""")
_MORE_SEPARATORS = re.compile(r"""[\s<>"'()\[\],;:=]+""")
_GONE = re.compile(r"\b(?:deleted|denied|failed|refused)\b", re.IGNORECASE)
_REJECTED = re.compile(r"\breject|\brefused\b|abgelehnt|abgewiesen|zurückgewiesen", re.IGNORECASE)


class DsnKind(StrEnum):
    """What form it came in."""

    REPORT = "report"  # RFC 3464
    REJECTION = "rejection"  # RFC 5429
    TEXT = "text"  # for people


@dataclass(frozen=True, slots=True)
class DsnRecipient:
    """What became of the message for one recipient. None: not said."""

    final: str | None
    original: str | None
    action: str  # one of ACTIONS
    status: str | None  # RFC 3463, such as "5.1.1"
    remote_mta: str | None = None
    diagnostic_type: str | None = None  # "smtp", "x-postfix", …
    diagnostic: str | None = None  # white space made even

    @property
    def address(self) -> str | None:
        """The address that the sender used, as far as it is known."""
        return self.original or self.final


@dataclass(frozen=True, slots=True)
class Dsn:
    """A notification about one message, which `message_id` names without angle brackets."""

    kind: DsnKind
    recipients: tuple[DsnRecipient, ...]
    message_id: str | None
    reporting_mta: str | None = None
    arrived_at: datetime | None = None  # when the reporting server took the original message over
    envelope_id: str | None = None

    @property
    def failures(self) -> tuple[DsnRecipient, ...]:
        """The recipients that it will not reach: a delay, a delivery or a relay is none."""
        return tuple(recipient for recipient in self.recipients if recipient.action == "failed")


def read_dsn(raw: bytes) -> Dsn | None:
    """What a message reports about another one; None where it reports nothing. Only READ_LIMIT bytes are read."""
    top = read_message(raw[:READ_LIMIT])
    report = _report(top)
    if report is None:
        return _text_bounce(top)
    parts = children(report)
    status = next((part for part in parts if part.type in _STATUS_TYPES), None)
    if status is not None:
        return _delivery_report(top, parts, status)
    disposition = next((part for part in parts if part.type in _DISPOSITION_TYPES), None)
    if disposition is not None:
        return _rejection(top, parts, disposition)
    return _text_bounce(top) if report.parameters.get("report-type", "").lower() == "delivery-status" else None


def mentions(raw: bytes, message_ids: Collection[str]) -> set[str]:
    """Which of the Message-IDs (with or without angle brackets) stand anywhere in the first READ_LIMIT bytes.

    Encoded parts are looked into. A Message-ID that is only a piece of a longer one does not count.
    """
    data = raw[:READ_LIMIT]
    wanted = {message_id.strip().strip("<>"): message_id for message_id in message_ids}
    wanted.pop("", None)
    found: set[str] = set()
    unusual = [name for name in wanted if _SEPARATORS.search(name)]  # such as a@[192.0.2.1]
    for text in _texts(data):
        found.update(name for name in unusual if name in text)
        for separators in (_SEPARATORS, _MORE_SEPARATORS):
            tokens = set(separators.split(text))
            tokens.update([token.rstrip(".:") for token in tokens if token.endswith((".", ":"))])
            found |= tokens & wanted.keys()
    return {wanted[name] for name in found}


def _texts(data: bytes) -> Iterator[str]:
    yield data.decode("utf-8", "replace")
    for part in walk(read_message(data)):
        if part.encoded:
            yield part.content.decode("utf-8", "replace")


def _report(top: Part) -> Part | None:
    """The multipart that holds the report: the message itself, or, if a server wrote it, a part of it.

    Gateways wrap reports in a multipart/mixed; a person who attaches one writes under a name of his own.
    """
    if top.type == "multipart/report":
        return top
    if not top.type.startswith("multipart/") or not from_daemon(top.headers):
        return None
    for part in walk(top, into_messages=False):
        if part.type.startswith("multipart/") and any(child.type in _STATUS_TYPES for child in children(part)):
            return part
    return None


def _delivery_report(top: Part, parts: Sequence[Part], status: Part) -> Dsn:
    message: dict[str, str] = {}
    recipients: list[DsnRecipient] = []
    for group in _groups(status.content):
        for fields in _by_recipient(group):
            if fields.keys() & {"final-recipient", "original-recipient", "action", "status"}:
                recipients.append(_recipient(fields))
            else:
                message.update({name: value for name, value in fields.items() if name not in message})
    if not recipients:  # the machine's part is empty or broken: what does it tell people?
        told = _text_bounce(top)
        recipients = list(told.recipients) if told else []
    return Dsn(
        kind=DsnKind.REPORT,
        recipients=tuple(recipients[:_MAX_RECIPIENTS]),
        message_id=_original_id(top, parts),
        reporting_mta=_value(message, "reporting-mta"),
        arrived_at=parse_date(message.get("arrival-date", "")),
        envelope_id=message.get("original-envelope-id") or None,
    )


def _groups(content: bytes) -> list[tuple[Header, ...]]:
    return [parse_headers(block) for block in _BLANK_LINES.split(content) if block.strip()]


def _by_recipient(group: Sequence[Header]) -> list[dict[str, str]]:
    """A group's fields by name. Servers that forget the empty line between groups repeat a field where one begins."""
    found: list[dict[str, str]] = [{}]
    for header in group:
        name = header.name.lower()
        begins = name in ("final-recipient", "original-recipient")
        about_message = "reporting-mta" in found[-1] or "arrival-date" in found[-1]
        if begins and (name in found[-1] or about_message):
            found.append({})
        found[-1].setdefault(name, header.value)
    return [fields for fields in found if fields]


def _recipient(fields: dict[str, str]) -> DsnRecipient:
    match = _STATUS.search(fields.get("status", ""))
    status = match[0] if match else None
    words = re.findall(r"[a-z]+", fields.get("action", "")[:100].lower())
    action = next((word for word in words if word in ACTIONS), None)
    kind, diagnostic = _typed(fields.get("diagnostic-code", ""))
    return DsnRecipient(
        final=_address(fields.get("final-recipient", "")),
        original=_address(fields.get("original-recipient", "")),
        action=action or _BY_CLASS.get((status or "5")[0], "failed"),
        status=status,
        remote_mta=_value(fields, "remote-mta"),
        diagnostic_type=kind,
        diagnostic=" ".join(diagnostic.split()) or None,
    )


def _typed(value: str) -> tuple[str | None, str]:
    """("smtp", "550 …") of "smtp; 550 …" (RFC 3464, section 2.1.2)."""
    match = _TYPED.match(value)
    return (match[1].lower(), value[match.end() :]) if match else (None, value)


def _value(fields: dict[str, str], name: str) -> str | None:
    return " ".join(_typed(fields.get(name, ""))[1].split()) or None


def _address(value: str) -> str | None:
    kind, address = _typed(value)
    if kind == "utf-8":
        address = _ESCAPED.sub(lambda match: _character(match[1]), address)
    return address.strip().strip("<>").strip() or None


def _character(digits: str) -> str:
    number = int(digits, 16)
    return chr(number) if 0 < number < 0xD800 or 0xDFFF < number <= 0x10FFFF else "\ufffd"


def _rejection(top: Part, parts: Sequence[Part], disposition: Part) -> Dsn | None:
    """A Sieve rejection; None for a read receipt, also for one that says "deleted without being read"."""
    fields = {header.name.lower(): header.value for header in reversed(parse_headers(disposition.content))}
    text = visible_text(parts)
    subject = decode_words(first(top.headers, "Subject") or "")
    outcome = fields.get("disposition", "").rpartition(";")[2]
    said = (subject, text[:4000], first(top.headers, "Auto-Submitted") or "")  # "auto-replied (rejected)": Pigeonhole
    if not _GONE.search(outcome) or not any(_REJECTED.search(words) for words in said):
        return None
    recipient = DsnRecipient(
        final=_address(fields.get("final-recipient", "")),
        original=_address(fields.get("original-recipient", "")),
        action="failed",
        status=None,
        diagnostic=" ".join(text[:2000].split()) or None,
    )
    original = fields.get("original-message-id", "").strip().strip("<>") or _original_id(top, parts)
    return Dsn(DsnKind.REJECTION, (recipient,), original, reporting_mta=_reporting_agent(fields))


def _reporting_agent(fields: dict[str, str]) -> str | None:
    return fields.get("reporting-ua", "").partition(";")[0].strip() or None


def _original_id(top: Part, parts: Sequence[Part]) -> str | None:
    """The original's Message-ID: from its copy, else quoted in the text, else from what the report answers."""
    for part in parts:
        headers: tuple[Header, ...] = ()
        if part.type in _MESSAGE_TYPES:
            headers = next((child.headers for child in children(part)), ())
        elif part.type in _HEADER_TYPES:
            headers = parse_headers(part.content)
        found = (first(headers, "Message-ID") or "").strip().strip("<>")
        if found:
            return found
    return message_id_in(visible_text(parts)) or _answered(top.headers)


def _answered(headers: Sequence[Header]) -> str | None:
    for value in (*every(headers, "In-Reply-To"), *every(headers, "References")):
        match = re.search(r"<([^<>\s]{1,900})>", value)
        if match:
            return match[1]
    return None


def _text_bounce(top: Part) -> Dsn | None:
    found = read_text_bounce(top)
    if found is None:
        return None
    recipients = tuple(
        DsnRecipient(
            final=address,
            original=None,
            action="delayed" if found.delayed else "failed",
            status=found.status,
            diagnostic_type="smtp" if found.reply else None,
            diagnostic=found.reply,
        )
        for address in (found.recipients or (None,))
    )
    return Dsn(DsnKind.TEXT, recipients, found.message_id or _answered(top.headers))
