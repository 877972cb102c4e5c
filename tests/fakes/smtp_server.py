"""An SMTP or LMTP server that records what it is given and answers as it is told to, step by step.

`steps` says where it departs from the good answer. A key is a phase, or a phase and a recipient:

    GREETING EHLO STARTTLS AUTH MAIL RCPT DATA END (after the message's last dot) RSET NOOP QUIT
    ("RCPT", "one@there.example")   ("END", "one@there.example")   the second for LMTP, where each recipient has a reply

A value is a reply ("550 5.1.1 no such user"; a line feed parts several lines), an `Act`, or a list of these, which
are used up one after another over all connections; after its end, and where it says GOOD, the good answer follows.
A reply of 421 ends the connection.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from tests.fakes.server import ConnectionEndedError, FakeServer, Wire

USERNAME = "probe"
PASSWORD = "open sesame"  # made up
EXTENSIONS = ("PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
GOOD: Final = None
_PATH = re.compile(r"^(?:FROM|TO):\s*<([^>]*)>\s*(.*)$", re.IGNORECASE)
_XOAUTH2_FAILED = base64.b64encode(b'{"status":"401","schemes":"bearer"}').decode()


class Act(Enum):
    """What a server may do instead of answering."""

    CLOSE = "closes the connection in order"
    RESET = "drops it with a TCP reset"
    SILENCE = "reads on and says nothing"
    FLOOD = "answers with a reply that never ends, in lines"
    ENDLESS_LINE = "answers with a line that never ends"


Step: TypeAlias = "str | Act | None"
Key: TypeAlias = "str | tuple[str, str]"


@dataclass
class Transaction:
    """One message as the server got it.

    sender, recipients: of the envelope; recipients that were refused at RCPT are not among them.
    options: what followed the sender's address in MAIL ("SIZE=…", "BODY=8BITMIME").
    content: the message's bytes, dot-unstuffed.
    replies: what was said after the last dot: one reply, or with LMTP one for each recipient. Empty where the server
        took the message and said nothing: in doubt for the client.
    """

    helo: str
    tls: bool
    user: str | None
    sender: str
    recipients: list[str]
    options: str
    content: bytes
    replies: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether some recipient was told 250."""
        return any(reply.startswith("250") for reply in self.replies)


@dataclass
class _Envelope:
    sender: str | None = None
    options: str = ""
    recipients: list[str] = field(default_factory=list)


class FakeSmtp(FakeServer):
    """The server.

    transactions: every message that came as far as its last dot, answered or not.
    log: every command line, and what AUTH carried left out.
    tls: speak TLS from the first byte; starttls: offer STARTTLS; auth: mechanisms to offer.
    """

    def __init__(
        self,
        steps: Mapping[Key, Step | Sequence[Step]] | None = None,
        *,
        lmtp: bool = False,
        extensions: Sequence[str] = EXTENSIONS,
        auth: Sequence[str] = (),
        username: str = USERNAME,
        password: str = PASSWORD,
        token: str = "",
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        pace: float = 0.0,
    ) -> None:
        super().__init__(tls=tls, pace=pace)
        self._always: dict[Key, Step] = {}
        self._once: dict[Key, list[Step]] = {}
        for key, value in (steps or {}).items():
            if value is None or isinstance(value, str | Act):
                self._always[key] = value
            else:
                self._once[key] = list(value)
        self.lmtp = lmtp
        self.extensions = tuple(extensions)
        self.auth = tuple(auth)
        self.credentials = (username, password)
        self.token = token
        self.starttls = starttls
        self.transactions: list[Transaction] = []
        self.log: list[str] = []

    @property
    def accepted(self) -> list[Transaction]:
        """The transactions that ended with 250 for somebody."""
        return [one for one in self.transactions if one.accepted]

    def _step(self, phase: str, recipient: str | None = None) -> Step:
        keys: list[Key] = [(phase, recipient), phase] if recipient else [phase]
        for key in keys:
            if self._once.get(key):
                return self._once[key].pop(0)
            if key in self._always:
                return self._always[key]
        return GOOD

    async def talk(self, wire: Wire) -> None:
        """One session."""
        await _Session(self, wire).run()

    async def answer(
        self, wire: Wire, phase: str, good: str, recipient: str | None = None, *, record: list[str] | None = None
    ) -> str:
        """Take the step of this phase, and what was replied. Steps that end the connection do not return.

        The reply goes into `record` before it goes out: who has read it finds it recorded.
        """
        step = self._step(phase, recipient)
        reply = good if step is None else step
        if isinstance(reply, Act):
            await _act(wire, reply)
            raise ConnectionEndedError
        if record is not None:
            record.append(reply)
        await wire.send(reply.replace("\n", "\r\n").encode() + b"\r\n")
        if reply.startswith("421"):
            raise ConnectionEndedError
        return reply


class _Session:
    """One client of the server."""

    def __init__(self, server: FakeSmtp, wire: Wire) -> None:
        self._server = server
        self._wire = wire
        self._name = ""
        self._user: str | None = None
        self._envelope = _Envelope()

    async def run(self) -> None:
        await self._server.answer(
            self._wire, "GREETING", f"220 fake.example {'LMTP' if self._server.lmtp else 'ESMTP'}"
        )
        while True:
            line = (await self._wire.line()).decode("utf-8", "surrogateescape")
            name, _, rest = line.partition(" ")
            name = name.upper()
            self._server.log.append(f"AUTH {rest.split(' ')[0]}" if name == "AUTH" else line)
            step = getattr(self, "_" + name.lower(), None) if name in _COMMANDS else None
            if step is None:
                await self._wire.send(b"500 5.5.2 unknown command\r\n")
            else:
                await step(rest)

    async def _ehlo(self, rest: str) -> None:
        self._name = rest
        self._envelope = _Envelope()
        lines = ["fake.example", *self._server.extensions]
        if self._server.starttls is not None and not self._wire.tls:
            lines.append("STARTTLS")
        if self._server.auth:
            lines.append("AUTH " + " ".join(self._server.auth))
        good = "\n".join(f"250-{line}" for line in lines[:-1]) + f"\n250 {lines[-1]}"
        await self._server.answer(self._wire, "EHLO", good.lstrip("\n"))

    async def _lhlo(self, rest: str) -> None:
        if not self._server.lmtp:
            await self._wire.send(b"500 5.5.1 this is SMTP\r\n")
            return
        await self._ehlo(rest)

    async def _helo(self, rest: str) -> None:
        self._name = rest
        await self._server.answer(self._wire, "HELO", "250 fake.example")

    async def _starttls(self, _rest: str) -> None:
        if self._server.starttls is None or self._wire.tls:
            await self._wire.send(b"502 5.5.1 no TLS here\r\n")
            return
        reply = await self._server.answer(self._wire, "STARTTLS", "220 2.0.0 begin TLS")
        if reply.startswith("220"):
            await self._wire.start_tls(self._server.starttls)
            self._envelope = _Envelope()

    async def _auth(self, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        mechanism = mechanism.upper()
        if mechanism not in self._server.auth:
            await self._wire.send(b"504 5.5.4 no such mechanism\r\n")
            return
        try:
            user = await self._login(mechanism, initial)
        except (binascii.Error, ValueError):
            await self._wire.send(b"501 5.5.2 cannot decode that\r\n")
            return
        good = "235 2.7.0 welcome" if user else "535 5.7.8 Authentication credentials invalid"
        if (await self._server.answer(self._wire, "AUTH", good)).startswith("235"):
            self._user = user

    async def _login(self, mechanism: str, initial: str) -> str | None:
        """The user, where the credentials are right."""
        if mechanism == "LOGIN":
            username = _decoded(initial) if initial else await self._asked("Username:")
            given = (username, await self._asked("Password:"))
            return username if given == self._server.credentials else None
        text = _decoded(initial) if initial else await self._asked("")
        if mechanism == "PLAIN":
            _who, username, password = text.split("\0")
            return username if (username, password) == self._server.credentials else None
        fields = dict(part.partition("=")[::2] for part in text.split("\x01") if part)
        if self._server.token and fields.get("auth") == f"Bearer {self._server.token}":
            return fields.get("user")
        # XOAUTH2 tells why in a challenge that the client answers with an empty line.
        await self._wire.send(f"334 {_XOAUTH2_FAILED}\r\n".encode())
        await self._wire.line()
        return None

    async def _asked(self, prompt: str) -> str:
        await self._wire.send(f"334 {base64.b64encode(prompt.encode()).decode()}\r\n".encode())
        return _decoded((await self._wire.line()).decode())

    async def _mail(self, rest: str) -> None:
        match = _PATH.match(rest)
        if match is None:
            await self._wire.send(b"501 5.5.4 MAIL FROM:<address>\r\n")
            return
        reply = await self._server.answer(self._wire, "MAIL", "250 2.1.0 sender ok", match[1] or None)
        self._envelope = _Envelope(match[1], match[2]) if reply.startswith("250") else _Envelope()

    async def _rcpt(self, rest: str) -> None:
        match = _PATH.match(rest)
        if match is None:
            await self._wire.send(b"501 5.5.4 RCPT TO:<address>\r\n")
        elif self._envelope.sender is None:
            await self._wire.send(b"503 5.5.1 MAIL first\r\n")
        elif (await self._server.answer(self._wire, "RCPT", "250 2.1.5 recipient ok", match[1])).startswith("25"):
            self._envelope.recipients.append(match[1])

    async def _data(self, _rest: str) -> None:
        envelope = self._envelope
        if not envelope.recipients or envelope.sender is None:
            await self._wire.send(b"503 5.5.1 no valid recipients\r\n")
            return
        reply = await self._server.answer(self._wire, "DATA", "354 go ahead")
        if not reply.startswith("354"):
            return
        lines: list[bytes] = []
        while (line := await self._wire.raw_line()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        transaction = Transaction(
            self._name,
            self._wire.tls,
            self._user,
            envelope.sender,
            envelope.recipients,
            envelope.options,
            b"".join(lines),
        )
        self._server.transactions.append(transaction)
        self._envelope = _Envelope()
        number = len(self._server.transactions)
        if self._server.lmtp:
            for recipient in transaction.recipients:
                good = f"250 2.0.0 <{recipient}> saved as {number}"
                await self._server.answer(self._wire, "END", good, recipient, record=transaction.replies)
        else:
            good = f"250 2.0.0 ok: queued as {number}"
            await self._server.answer(self._wire, "END", good, record=transaction.replies)

    async def _rset(self, _rest: str) -> None:
        self._envelope = _Envelope()
        await self._server.answer(self._wire, "RSET", "250 2.0.0 forgotten")

    async def _noop(self, _rest: str) -> None:
        await self._server.answer(self._wire, "NOOP", "250 2.0.0 nothing done")

    async def _quit(self, _rest: str) -> None:
        await self._server.answer(self._wire, "QUIT", "221 2.0.0 bye")
        raise ConnectionEndedError


_COMMANDS = frozenset({"EHLO", "LHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT"})


def _decoded(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()


async def _act(wire: Wire, act: Act) -> None:
    if act is Act.RESET:
        wire.reset()
    elif act is Act.SILENCE:
        await wire.silence()
    elif act is Act.FLOOD:
        await wire.flood(b"250-and another line\r\n")
    elif act is Act.ENDLESS_LINE:
        await wire.send(b"250 ")
        await wire.flood(b"a")
