"""The message of a seed: the stream's own mail, with a Message-ID of its own and a token to know it again.

A seed must be treated as the stream's real mail is, so nothing is added that a filter could take notice of but one
header and one short line in the body.
"""

import email
import email.message
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import dkim

from toolkit.config.secret import SecretUnavailableError
from toolkit.config.settings import Dkim, Stream

TOKEN_HEADER = "X-Mailwhy-Seed"  # noqa: S105 - a header's name

_SIGNED = (
    b"from", b"to", b"subject", b"date", b"message-id", b"reply-to", b"cc", b"mime-version", b"content-type",
    b"content-transfer-encoding", b"list-unsubscribe", b"list-unsubscribe-post", TOKEN_HEADER.lower().encode(),
)  # fmt: skip
_OURS = ("from", "to", "cc", "bcc", "subject", "date", "message-id", "dkim-signature", "return-path", "received")

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
        _mark_body(message, identity.token)
        message["From"] = stream.from_
        message["To"] = identity.address
        message["Subject"] = stream.subject
        message["Date"] = format_datetime(identity.created_at)
        if "mime-version" not in message:
            message["MIME-Version"] = "1.0"
        raw = _ours(identity, _unsubscribe(message, stream)) + message.as_bytes(policy=_POLICY)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
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


def _text_parts(message: EmailMessage) -> Iterator[EmailMessage]:
    for part in message.walk():
        if (
            isinstance(part, EmailMessage)
            and part.get_content_type() in ("text/plain", "text/html")
            and not part.is_attachment()
        ):
            yield part


def _mark_body(message: EmailMessage, token: str) -> None:
    """The token as the last line of each text; in HTML as a comment."""
    for part in list(_text_parts(message)):
        text = part.get_content()
        kept = [
            (name, str(part[name])) for name in ("Content-ID", "Content-Language", "Content-Disposition") if part[name]
        ]
        if part.get_content_subtype() == "html":
            mark = f"<!-- {token} -->"
            head, closing, tail = text.rpartition("</body>")
            text = head + mark + closing + tail if closing else tail + mark
            part.set_content(text, subtype="html")
        else:
            part.set_content(f"{text.rstrip()}\n\n{token}\n")
        for name, value in kept:
            del part[name]
            part[name] = value


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
    if stream.unsubscribe.https:
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
