"""The message of a seed: the stream's own mail, with a Message-ID of its own and a token to know it again.

A seed must be treated as the stream's real mail is, so nothing is added that a filter could take notice of but one
header and one short line in the body.
"""

import base64
import email
import email.message
import email.policy
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.utils import format_datetime, parseaddr
from pathlib import Path

import dkim

from toolkit.config.secret import SecretUnavailableError
from toolkit.config.settings import Dkim, Stream

TOKEN_HEADER = "X-Mailwhy-Seed"  # noqa: S105 - a header's name

_SIGNED = (
    b"from", b"to", b"subject", b"date", b"message-id", b"reply-to", b"cc", b"mime-version", b"content-type",
    b"content-transfer-encoding", b"list-unsubscribe", b"list-unsubscribe-post", TOKEN_HEADER.lower().encode(),
)  # fmt: skip
_OURS = (
    "from", "to", "cc", "bcc", "subject", "date", "message-id", "dkim-signature", "return-path", "received",
    TOKEN_HEADER.lower(),
)  # fmt: skip
_LONGEST_LINE = 998  # bytes without the line end (RFC 5322, section 2.1.1)
_SEALED = ("message/", "multipart/signed", "multipart/encrypted")  # a word more inside would be another mail

_POLICY = email.policy.SMTP.clone(cte_type="7bit", refold_source="none")


class ComposeError(Exception):
    """A stream's mail cannot be made. The message says what is wrong with what the configuration names."""


@dataclass(frozen=True, slots=True)
class SeedIdentity:
    """What makes one seed's message its own."""

    address: str
    message_id: str  # without angle brackets
    token: str
    created_at: datetime


def compose(stream: Stream, identity: SeedIdentity) -> bytes:
    """The whole message, signed where the stream says so, 7-bit clean, with CRLF line ends. Raises ComposeError."""
    try:
        message = _template(stream) if stream.template is not None else _plain(stream)
        for part in list(_text_parts(message)):
            _mark(part, identity.token)
        for part in message.walk():
            _make_sendable(part)
        # A name with a dot in it needs quotation marks (RFC 5322, section 3.2.5); the configuration does not.
        sender = Address(parseaddr(stream.from_)[0], addr_spec=stream.from_address)
        _no_controls("From", str(sender))
        _no_controls("Subject", stream.subject)
        message["From"] = sender
        message["To"] = identity.address
        message["Subject"] = stream.subject
        message["Date"] = format_datetime(identity.created_at)
        if "mime-version" not in message:
            message["MIME-Version"] = "1.0"
        raw = _written(_ours(identity, _unsubscribe(message, stream)), message)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ComposeError(f'stream "{stream.name}": the message cannot be made: {error}') from error
    return _sign(raw, stream.dkim, stream.name) + raw if stream.dkim is not None else raw


def sent_header(message: bytes) -> str:
    """The header block of a message as it was sent, for comparison with what arrived."""
    return message.partition(b"\r\n\r\n")[0].decode("latin-1")


def _template(stream: Stream) -> EmailMessage:
    assert stream.template is not None  # noqa: S101 - the caller looked
    try:
        raw = Path(stream.template).read_bytes()
    except OSError as error:
        raise ComposeError(
            f'stream "{stream.name}": template {stream.template} cannot be read: {error.strerror}'
        ) from error
    message = email.message_from_bytes(raw, policy=_POLICY)
    assert isinstance(message, EmailMessage)  # noqa: S101 - what this policy makes
    for name in _OURS:
        del message[name]
    return message


def _plain(stream: Stream) -> EmailMessage:
    message = EmailMessage(policy=_POLICY)
    if stream.text is not None:
        message.set_content(stream.text)
    if stream.html is not None:
        if stream.text is None:
            message.set_content(stream.html, subtype="html")
        else:
            message.add_alternative(stream.html, subtype="html")
    return message


def _text_parts(message: MIMEPart) -> Iterator[MIMEPart]:
    """The texts that a reader sees: neither attachments nor what is inside an attached or a signed message."""
    if message.get_content_type().startswith(_SEALED):
        return
    if message.is_multipart():
        for part in message.iter_parts():
            yield from _text_parts(part)
    elif message.get_content_type() in ("text/plain", "text/html") and not message.is_attachment():
        yield message


def _mark(part: MIMEPart, token: str) -> None:
    """The token as the last line of a text; in HTML as a comment. Every other byte of it stays as it is."""
    body = _decoded(part)
    charset = part.get_content_charset("us-ascii")
    try:
        text = body.decode(charset)
    except (LookupError, ValueError):
        charset = "latin-1"  # what cannot be read passes through: each byte is a sign, and back
        text = body.decode(charset)
    if part.get_content_subtype() == "html":
        ends = [found.start() for found in re.finditer(r"</body\s*>", text, re.IGNORECASE)]
        at = ends[-1] if ends else len(text)
        text = f"{text[:at]}<!-- {token} -->{text[at:]}"
    else:
        text = f"{text.rstrip()}\n\n{token}\n"
    _encode(part, text.encode(charset))


def _make_sendable(part: email.message.Message) -> None:
    """Header fields in ASCII, and a body of short lines of ASCII: what every server takes."""
    fields = list(part.raw_items())
    if any(not str(value).isascii() for _, value in fields):
        for name in part.keys():  # noqa: SIM118 - a message is no mapping
            del part[name]
        for name, value in fields:
            if str(value).isascii():
                part.set_raw(name, value)
            else:
                part[name] = re.sub(r"\r?\n(?=[ \t])", "", _repaired(str(value)))
    if part.get_content_maintype() == "multipart" and not part.is_multipart():
        raise ValueError("its multipart body has no parts")
    if not part.is_multipart() and not _is_sendable(_payload(part)):
        _encode(part, _decoded(part))


def _repaired(value: str) -> str:
    """The text of a header field that stands in the file in plain eight bits."""
    octets = value.encode("utf-8", "surrogateescape")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _decoded(part: email.message.Message) -> bytes:
    body = part.get_payload(decode=True)
    return body if isinstance(body, bytes) else b""


def _payload(part: email.message.Message) -> bytes:
    """The body as it would travel."""
    return str(part.get_payload()).encode("utf-8", "surrogateescape")


def _is_sendable(body: bytes) -> bool:
    return body.isascii() and all(len(line) <= _LONGEST_LINE for line in body.splitlines())


def _encode(part: email.message.Message, body: bytes) -> None:
    """Put a body into a part: in the part's own transfer encoding (RFC 2045, section 6) where that can carry it."""
    before = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    is_text = part.get_content_maintype() == "text"
    lines = re.split(rb"\r\n|\r|\n", body)
    if before == "base64" or (not is_text and not _is_sendable(body)):
        now, payload = "base64", base64.encodebytes(b"\r\n".join(lines) if is_text else body)
    elif before == "quoted-printable" or not _is_sendable(body):
        now, payload = "quoted-printable", quopri.encodestring(b"\n".join(lines))
    else:
        now, payload = "7bit", b"\n".join(lines)
    part.set_payload(payload.decode("ascii"))
    if now != (before or "7bit"):
        del part["Content-Transfer-Encoding"]
        part["Content-Transfer-Encoding"] = now


def _no_controls(name: str, value: str) -> None:
    """Encoded words may hold anything: decoded and written out again, a line break would begin another field."""
    decoded = str(_POLICY.header_factory(name, value))
    if any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in decoded):
        raise ValueError(f"{name} holds a control character in an encoded word")


def _written(first: bytes, message: EmailMessage) -> bytes:
    """The message as it will be sent, with these fields at its top, looked over once more. Raises ValueError."""
    raw = first + message.as_bytes(policy=_POLICY)
    if not raw.isascii():
        raise ValueError("it holds bytes beyond ASCII where they cannot be encoded")
    if longest := next((line for line in raw.split(b"\r\n") if len(line) > _LONGEST_LINE), None):
        start = longest[:40].decode("ascii")
        raise ValueError(f'the line "{start}…" has {len(longest)} bytes; RFC 5322 allows {_LONGEST_LINE}')
    return raw


def _ours(identity: SeedIdentity, more: list[str]) -> bytes:
    """Fields that are written out here: the library would cut a long one without blanks into encoded words."""
    fields = [f"Message-ID: <{identity.message_id}>", f"{TOKEN_HEADER}: {identity.token}", *more]
    if any("\n" in field.replace(",\r\n ", "") or "\r" in field.replace(",\r\n ", "") for field in fields):
        raise ValueError("a line break where none may be")
    return "".join(f"{field}\r\n" for field in fields).encode("ascii")


def _unsubscribe(message: EmailMessage, stream: Stream) -> list[str]:
    """RFC 2369, section 3.2, and RFC 8058, section 3.1: one click only where there is an https address."""
    ways = [f"<{way}>" for way in (stream.unsubscribe.https, stream.unsubscribe.mailto and _mailto(stream)) if way]
    if stream.kind != "marketing" or not ways or "list-unsubscribe" in message:
        return []
    fields = ["List-Unsubscribe: " + ",\r\n ".join(ways)]
    if stream.unsubscribe.https and "list-unsubscribe-post" not in message:
        fields.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    return fields


def _mailto(stream: Stream) -> str:
    address = stream.unsubscribe.mailto
    return address if address.startswith("mailto:") else f"mailto:{address}"


def _sign(message: bytes, key: Dkim, stream: str) -> bytes:
    """The DKIM-Signature field (RFC 6376; RFC 8463 for Ed25519), relaxed/relaxed."""
    try:
        secret = key.key.reveal()
        signature: bytes = dkim.sign(
            message,
            key.selector.encode(),
            key.domain.encode(),
            secret.strip().encode(),
            canonicalize=(b"relaxed", b"relaxed"),
            signature_algorithm=key.algorithm.encode(),
            include_headers=[name for name in _SIGNED if _has(message, name)],
        )
    except SecretUnavailableError as error:
        raise ComposeError(f'stream "{stream}": dkim.key: {error}') from None
    except Exception as error:  # noqa: BLE001 - dkimpy lets what its parsers raise through
        raise ComposeError(
            f'stream "{stream}": dkim.key is no {key.algorithm} key that can sign: {type(error).__name__}'
        ) from None
    return signature


def _has(message: bytes, name: bytes) -> bool:
    head = b"\r\n" + message.partition(b"\r\n\r\n")[0].lower()
    return b"\r\n" + name + b":" in head
