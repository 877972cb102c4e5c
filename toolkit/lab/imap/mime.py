"""The parts of a message as IMAP names them: section numbers, ENVELOPE and BODYSTRUCTURE (RFC 9051, section 7.5.2).

Parts are slices of the bytes as received: nothing is re-encoded.
"""

import email.message
import email.parser
import email.policy
import email.utils
from dataclasses import dataclass, field

from toolkit.lab.imap.syntax import nstring, quoted
from toolkit.lab.messages import header_fields, split_message

_DEPTH = 20  # nested parts that are still taken apart
_POLICY = email.policy.compat32


@dataclass(slots=True)
class Part:
    """A MIME part: its header block (with the blank line), its body as transferred, and what is in it."""

    header: bytes
    body: bytes
    kind: str = "text"
    subtype: str = "plain"
    children: list["Part"] = field(default_factory=list)

    @property
    def fields(self) -> email.message.Message:
        """The header, parsed."""
        return email.parser.BytesHeaderParser(policy=_POLICY).parsebytes(self.header)

    @property
    def is_message(self) -> bool:
        """Whether it holds a message of its own."""
        return (self.kind, self.subtype) == ("message", "rfc822")


def take_apart(raw: bytes, depth: int = 0, default: str = "text/plain") -> Part:
    """The tree of parts of a message or of a part."""
    header, body = split_message(raw)
    part = Part(header, body)
    fields = part.fields
    content_type = fields.get_content_type() if fields["content-type"] else default
    part.kind, _, part.subtype = content_type.partition("/")
    if depth >= _DEPTH:
        return part
    boundary = fields.get_boundary()
    if part.kind == "multipart" and boundary:
        inner = "message/rfc822" if part.subtype == "digest" else "text/plain"
        part.children = [take_apart(piece, depth + 1, inner) for piece in _pieces(body, boundary)]
    elif part.is_message:
        part.children = [take_apart(body, depth + 1)]
    return part


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    """What stands between the boundary lines (RFC 2046, section 5.1.1)."""
    mark = b"--" + boundary.encode("utf-8", "replace")
    pieces: list[bytes] = []
    start: int | None = None
    at = 0
    for line in body.splitlines(keepends=True):
        bare = line.rstrip()
        if bare in (mark, mark + b"--"):
            if start is not None:
                pieces.append(_without_last_end(body[start:at]))
            start = at + len(line)
            if bare != mark:
                return pieces
        at += len(line)
    if start is not None:
        pieces.append(body[start:])
    return pieces


def _without_last_end(data: bytes) -> bytes:
    """The line end before a boundary belongs to the boundary."""
    return data[:-2] if data.endswith(b"\r\n") else data.removesuffix(b"\n")


def section(root: Part, numbers: list[int]) -> Part | None:
    """The part that a section number names. Part 1 of a message without parts is its body."""
    part = root
    for depth, number in enumerate(numbers):
        holder = part.children[0] if part.is_message and depth and part.children else part
        if holder.kind == "multipart":
            if not 1 <= number <= len(holder.children):
                return None
            part = holder.children[number - 1]
        elif number != 1:
            return None
        elif holder is not part:
            part = holder
    return part


def pick_fields(header: bytes, names: set[str], *, but: bool = False) -> bytes:
    """The fields of those names, or all others, with the blank line that ends a header."""
    kept = [whole for name, whole in header_fields(header) if (name in names) != but]
    return b"".join(kept) + b"\r\n"


# ENVELOPE


def _unfolded(fields: email.message.Message, name: str) -> bytes | None:
    value = fields[name]
    if value is None:
        return None
    return " ".join(str(value).split()).encode("utf-8", "surrogateescape")


def _addresses(fields: email.message.Message, name: str) -> bytes:
    values = [str(value) for value in fields.get_all(name, [])]
    found = [(person, address) for person, address in email.utils.getaddresses(values) if address]
    if not found:
        return b"NIL"
    out = []
    for person, address in found:
        local, _, host = address.rpartition("@")
        shown = nstring(person.encode("utf-8", "replace") if person else None)
        local_out = nstring((local or host).encode("utf-8", "replace"))
        out.append(b"(" + shown + b" NIL " + local_out + b" " + nstring(host.encode("utf-8", "replace")) + b")")
    return b"(" + b"".join(out) + b")"


def envelope(header: bytes) -> bytes:
    """ENVELOPE: date, subject, from, sender, reply-to, to, cc, bcc, in-reply-to, message-id."""
    fields = Part(header, b"").fields
    sender = [_addresses(fields, "from")]
    sender += [value if (value := _addresses(fields, name)) != b"NIL" else sender[0] for name in ("sender", "reply-to")]
    parts = [
        nstring(_unfolded(fields, "date")),
        nstring(_unfolded(fields, "subject")),
        *sender,
        *(_addresses(fields, name) for name in ("to", "cc", "bcc")),
        nstring(_unfolded(fields, "in-reply-to")),
        nstring(_unfolded(fields, "message-id")),
    ]
    return b"(" + b" ".join(parts) + b")"


# BODYSTRUCTURE


def _parameters(fields: email.message.Message, header: str) -> bytes:
    found = fields.get_params(header=header)
    pairs = [(str(k), v) for k, v in (found or [])[1:] if k]
    if not pairs:
        return b"NIL"
    out = []
    for key, value in pairs:
        text = value if isinstance(value, str) else email.utils.collapse_rfc2231_value(value)
        out += [quoted(key.encode("utf-8", "replace")), quoted(text.encode("utf-8", "replace"))]
    return b"(" + b" ".join(out) + b")"


def _disposition(fields: email.message.Message) -> bytes:
    kind = fields.get_content_disposition()
    if kind is None:
        return b"NIL"
    return b"(" + quoted(kind.encode()) + b" " + _parameters(fields, "content-disposition") + b")"


def structure(part: Part, *, extended: bool) -> bytes:
    """BODYSTRUCTURE, or BODY without its extension data."""
    fields = part.fields
    tail = [_disposition(fields), b"NIL", b"NIL"]
    if part.kind == "multipart" and part.children:
        out = b"".join(structure(child, extended=extended) for child in part.children)
        out += b" " + quoted(part.subtype.upper().encode())
        if extended:
            out += b" " + b" ".join([_parameters(fields, "content-type"), *tail])
        return b"(" + out + b")"
    items = [
        quoted(part.kind.upper().encode()),
        quoted(part.subtype.upper().encode()),
        _parameters(fields, "content-type"),
        nstring(_unfolded(fields, "content-id")),
        nstring(_unfolded(fields, "content-description")),
        quoted(str(fields["content-transfer-encoding"] or "7BIT").strip().upper().encode("ascii", "replace")),
        str(len(part.body)).encode(),
    ]
    lines = str(part.body.count(b"\n")).encode()
    if part.is_message and part.children:
        inner = part.children[0]
        items += [envelope(inner.header), structure(inner, extended=extended), lines]
    elif part.kind == "text":
        items.append(lines)
    if extended:
        items += [nstring(_unfolded(fields, "content-md5")), *tail]
    return b"(" + b" ".join(items) + b")"
