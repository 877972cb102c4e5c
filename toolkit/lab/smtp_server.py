"""A door into the lab: an SMTP or LMTP server (RFC 5321, RFC 2033) in front of every provider's receiving side.

On loopback every client comes from 127.0.0.1; a door says which public address the world sees instead.
"""

import contextlib
import re
import ssl
from dataclasses import dataclass
from typing import Literal

from toolkit.lab import sasl
from toolkit.lab.certs import FOREIGN_CA, LAB_CA, authority
from toolkit.lab.delivery import Attempt, PostOffice, Visit
from toolkit.lab.net import Connection, LineTooLongError, Listener
from toolkit.lab.relay import Relay
from toolkit.lab.sasl import Credentials

_LINE_LIMIT = 4_096  # of a command: more than RFC 5321, 4.5.3.1.4 asks, for AUTH
_TEXT_LIMIT = 1 << 20  # of a line of a message
_RECIPIENTS = 100  # RFC 5321, section 4.5.3.1.8
_BAD_LIMIT = 20
_PATH = re.compile(r"\s*<?([^<>\s]*)>?((?:\s+\S+)*)\s*$")


@dataclass(slots=True)
class DoorSpec:
    """A door as it is asked for. `greeting` and `silent` may be changed while the lab runs."""

    name: str
    seen_as: str
    protocol: Literal["smtp", "lmtp"] = "smtp"
    security: Literal["none", "starttls", "tls"] = "none"
    login: Literal["none", "password", "oauth"] = "none"
    username: str = "probe"
    password: str = "lab password"  # noqa: S105 - a password of the lab, which holds nothing
    relay: bool = False
    hostname: str = "mx.lab.example"
    size_limit: int = 36_700_160  # bytes
    greeting: str = ""  # a whole greeting line of its own, such as "554 5.3.2 no service"
    silent: bool = False
    foreign_certificate: bool = False

    @property
    def token(self) -> str:
        """The access token of a door with OAuth."""
        return f"lab-token-of-door-{self.name}"

    def credentials(self) -> Credentials | None:
        """Who may log in. None: no login is offered."""
        if self.login == "none":
            return None
        if self.login == "password":
            return Credentials(self.username, password=self.password)
        return Credentials(self.username, token=self.token)


class Door:
    """The server of a door."""

    def __init__(self, spec: DoorSpec, office: PostOffice, relay: Relay) -> None:
        self.spec = spec
        self.office = office
        self.relay = relay
        self.commands = 0
        self._listener = Listener(self._serve, self.tls_context if spec.security == "tls" else None)

    @property
    def port(self) -> int:
        """The port, also where the door is closed."""
        return self._listener.port

    def tls_context(self) -> ssl.SSLContext:
        """The certificate that this door shows."""
        return authority(FOREIGN_CA if self.spec.foreign_certificate else LAB_CA).server_context()

    async def start(self) -> None:
        """Listen, on the port of the time before where there was one."""
        if not self._listener.listening:
            await self._listener.start(self._listener.port)

    async def stop(self) -> None:
        """Close the port and every connection."""
        await self._listener.stop()

    async def _serve(self, connection: Connection) -> None:
        await _Dialogue(self, connection).run()


class _QuitError(Exception):
    """The dialogue is over."""


class _Dialogue:
    """One connection."""

    def __init__(self, door: Door, connection: Connection) -> None:
        self.door = door
        self.spec = door.spec
        self.connection = connection
        self.helo = ""
        self.extended = False
        self.user: str | None = None
        self.sender: str | None = None
        self.recipients: list[str] = []
        self._bad = 0

    # talking

    def reply(self, text: str) -> None:
        """A reply, its lines parted by newlines; lines without a code get the code of the first."""
        lines = text.split("\n")
        code = lines[0][:3]
        out = []
        for number, line in enumerate(lines):
            content = line[4:] if line[:3] == code else line
            out.append(f"{code}{' ' if number == len(lines) - 1 else '-'}{content}\r\n")
        self.connection.write("".join(out).encode("utf-8", "replace"))
        if code == "421":
            raise _QuitError

    async def run(self) -> None:
        """From the greeting to the end."""
        if self.spec.silent:
            await self.connection.gone.wait()
            return
        with contextlib.suppress(_QuitError):
            self.reply(self.spec.greeting or f"220 {self.spec.hostname} {self.spec.protocol.upper()} mailwhy lab")
            while not self.spec.greeting or self.spec.greeting.startswith("2"):
                await self._one()
                await self.connection.drain()

    async def _one(self) -> None:
        try:
            line = await self.connection.read_line(_LINE_LIMIT)
        except LineTooLongError:
            self._bad_command("500 5.5.6 Line too long")
            return
        self.door.commands += 1
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        verb, _, argument = text.partition(" ")
        run = _COMMANDS.get(verb.upper())
        if run is None:
            self._bad_command("500 5.5.2 Command not recognized")
            return
        await run(self, argument)

    def _bad_command(self, text: str) -> None:
        self._bad += 1
        self.reply("421 4.7.0 Too many errors" if self._bad > _BAD_LIMIT else text)

    @property
    def visit(self) -> Visit:
        """The client as the provider sees it."""
        tls = self.connection.tls
        lmtp = self.spec.protocol == "lmtp"
        protocol = "LMTP" if lmtp else "ESMTP" if self.extended else "SMTP"
        if self.extended:
            protocol += ("S" if tls is not None else "") + ("A" if self.user else "")
        cipher = tls.cipher() if tls is not None else None
        return Visit(
            self.spec.name, self.spec.seen_as, self.helo, protocol,
            tls.version() if tls is not None else None, cipher[0] if cipher else None, self.user,
        )  # fmt: skip

    # commands

    async def hello(self, argument: str) -> None:
        """EHLO and LHLO."""
        if not argument.strip():
            self.reply("501 5.5.4 Say who you are")
            return
        self._reset()
        self.helo, self.extended = argument.split(maxsplit=1)[0], True
        words = [self.spec.hostname, "PIPELINING", f"SIZE {self.spec.size_limit}", "8BITMIME", "ENHANCEDSTATUSCODES"]
        if self.spec.security == "starttls" and self.connection.tls is None:
            words.append("STARTTLS")
        elif self.spec.login == "password":
            words.append("AUTH PLAIN LOGIN")
        elif self.spec.login == "oauth":
            words.append("AUTH XOAUTH2 OAUTHBEARER")
        self.reply("\n".join(f"250 {word}" for word in words))

    async def ehlo(self, argument: str) -> None:
        """RFC 5321, section 4.1.1.1."""
        if self.spec.protocol == "lmtp":
            self._bad_command("500 5.5.1 This is LMTP: say LHLO")
        else:
            await self.hello(argument)

    async def lhlo(self, argument: str) -> None:
        """RFC 2033, section 4.1."""
        if self.spec.protocol == "lmtp":
            await self.hello(argument)
        else:
            self._bad_command("500 5.5.2 Command not recognized")

    async def helo_(self, argument: str) -> None:
        """RFC 5321, section 4.1.1.1."""
        if self.spec.protocol == "lmtp" or not argument.strip():
            self._bad_command("501 5.5.4 Say who you are")
            return
        self._reset()
        self.helo, self.extended = argument.split(maxsplit=1)[0], False
        self.reply(f"250 {self.spec.hostname}")

    async def starttls(self, _: str) -> None:
        """RFC 3207. All that was said before is forgotten."""
        if self.spec.security != "starttls" or self.connection.tls is not None:
            self.reply("503 5.5.1 TLS is not offered here")
            return
        await self.connection.start_tls(self.door.tls_context(), b"220 2.0.0 Ready to start TLS\r\n")
        self.helo, self.extended, self.user = "", False, None
        self._reset()

    async def auth(self, argument: str) -> None:
        """RFC 4954."""
        mechanism, _, initial = argument.strip().partition(" ")
        credentials = self.spec.credentials()
        mechanism = mechanism.upper()
        offered = {"password": ("PLAIN", "LOGIN"), "oauth": ("XOAUTH2", "OAUTHBEARER")}.get(self.spec.login, ())
        needs_tls = self.spec.security == "starttls" and self.connection.tls is None
        if credentials is None or mechanism not in offered or needs_tls:
            self.reply("538 5.7.11 Encryption required" if needs_tls else "504 5.5.4 Mechanism not offered")
            return
        if self.user is not None:
            self.reply("503 5.5.1 Already logged in")
            return
        try:
            allowed = await self._exchange(credentials, mechanism, initial)
        except sasl.SaslError as error:
            self.reply(f"501 5.5.2 {error}")
            return
        if allowed:
            self.user = credentials.username
            self.reply("235 2.7.0 Authentication succeeded")
        else:
            self.reply("535 5.7.8 Authentication credentials invalid")

    async def _exchange(self, credentials: Credentials, mechanism: str, initial: str) -> bool:
        if mechanism == "LOGIN":
            username = sasl.decode(initial.encode()) if initial else await self._answer("VXNlcm5hbWU6")
            password = await self._answer("UGFzc3dvcmQ6")
            return credentials.allow_password(username.decode("utf-8", "replace"), password.decode("utf-8", "replace"))
        response = sasl.decode(initial.encode()) if initial else await self._answer("")
        if mechanism == "PLAIN":
            return credentials.allow_password(*sasl.plain(response))
        if credentials.allow_token(*sasl.bearer(response)):
            return True
        await self._answer(sasl.TOKEN_REFUSED.decode(), ignore=True)
        return False

    async def _answer(self, challenge: str, *, ignore: bool = False) -> bytes:
        self.reply(f"334 {challenge}")
        try:
            line = await self.connection.read_line(_LINE_LIMIT)
        except LineTooLongError:
            raise sasl.SaslError("the answer is too long") from None
        if line.strip() == b"*" and not ignore:
            raise sasl.SaslError("the client gave up")
        return b"" if ignore else sasl.decode(line)

    async def mail(self, argument: str) -> None:
        """RFC 5321, section 4.1.1.2."""
        if not self.helo:
            self.reply("503 5.5.1 Say hello first")
            return
        if self.spec.login != "none" and self.user is None:
            self.reply("530 5.7.0 Authentication required")
            return
        if self.sender is not None:
            self.reply("503 5.5.1 A message is under way")
            return
        found = _PATH.match(argument[5:]) if argument.upper().startswith("FROM:") else None
        if found is None:
            self.reply("501 5.5.4 Syntax: MAIL FROM:<address>")
            return
        size = re.search(r"\bSIZE=(\d+)", found[2], re.IGNORECASE)
        if size and int(size[1]) > self.spec.size_limit:
            self.reply("552 5.3.4 Message too big")
            return
        self.sender = found[1]
        self.reply("250 2.1.0 Ok")

    async def rcpt(self, argument: str) -> None:
        """RFC 5321, section 4.1.1.3."""
        if self.sender is None:
            self.reply("503 5.5.1 MAIL first")
            return
        found = _PATH.match(argument[3:]) if argument.upper().startswith("TO:") else None
        if found is None or "@" not in found[1]:
            self.reply("501 5.1.3 Syntax: RCPT TO:<address>")
            return
        if len(self.recipients) >= _RECIPIENTS:
            self.reply("452 4.5.3 Too many recipients")
            return
        if self.spec.relay:
            answer = (
                await self.door.office.hooks.fire(
                    "smtp.rcpt", door=self.spec.name, mail_from=self.sender, recipient=found[1]
                )
                or "250 2.1.5 Ok"
            )
        else:
            answer = await self.door.office.recipient(self.visit, self.sender, found[1])
        self._drop_if_told(answer)
        if answer.startswith("2"):
            self.recipients.append(found[1])
        self.reply(answer)

    async def data(self, _: str) -> None:
        """RFC 5321, section 4.1.1.4."""
        if self.sender is None or not self.recipients:
            self.reply("503 5.5.1 RCPT first" if self.sender is not None else "503 5.5.1 MAIL first")
            return
        self.reply("354 End data with <CR><LF>.<CR><LF>")
        await self.connection.drain()
        raw = await self._read_text()
        sender, recipients = self.sender, self.recipients
        self._reset()
        if raw is None:
            replies = ["552 5.3.4 Message too big"] * len(recipients)
        else:
            replies = await self._decide(sender, recipients, raw)
        if self.spec.protocol == "lmtp":
            for answer in replies:
                self.reply(answer)
        else:
            taken = next((answer for answer in replies if answer.startswith("2")), None)
            if taken is not None and raw is not None:  # one reply stands for all: whom it does not fit gets a DSN
                for recipient, answer in zip(recipients, replies, strict=True):
                    if not answer.startswith("2"):
                        self.door.relay.bounce(self.visit, sender, recipient, raw, answer)
            self.reply(taken or replies[0])

    async def _read_text(self) -> bytes | None:
        """The message up to the lone dot, its dots unstuffed. None: too big."""
        lines: list[bytes] = []
        size = 0
        while True:
            try:
                line = await self.connection.read_line(_TEXT_LIMIT)
            except LineTooLongError:
                size = self.spec.size_limit + 1
                continue
            if line in (b".\r\n", b".\n"):
                break
            line = line.removeprefix(b".")
            size += len(line)
            if size <= self.spec.size_limit:
                lines.append(line)
        return b"".join(lines) if size <= self.spec.size_limit else None

    async def _decide(self, sender: str, recipients: list[str], raw: bytes) -> list[str]:
        office = self.door.office
        fields = {"door": self.spec.name, "mail_from": sender, "recipient": ", ".join(recipients), "raw": raw}
        answer = await office.hooks.fire("smtp.data", **fields)
        self._drop_if_told(answer)
        if answer is not None:
            for recipient in recipients:
                office.note(Attempt(self.visit, sender, recipient, raw), answer)
            return [answer] * len(recipients)
        if self.spec.relay:
            replies = [self.door.relay.take(self.visit, sender, recipients, raw)] * len(recipients)
        else:
            replies = await office.message(self.visit, sender, recipients, raw)
        if any(reply.startswith("2") for reply in replies):
            answer = await office.hooks.fire("smtp.accepted", **fields)
            self._drop_if_told(answer)
            if answer is not None:
                return [answer] * len(recipients)
        return replies

    def _drop_if_told(self, answer: str | None) -> None:
        if answer == "drop":
            self.connection.abort()
            raise _QuitError

    def _reset(self) -> None:
        self.sender, self.recipients = None, []

    async def rset(self, _: str) -> None:
        """RFC 5321, section 4.1.1.5."""
        self._reset()
        self.reply("250 2.0.0 Ok")

    async def noop(self, _: str) -> None:
        """RFC 5321, section 4.1.1.9."""
        self.reply("250 2.0.0 Ok")

    async def vrfy(self, _: str) -> None:
        """RFC 5321, section 3.5.3."""
        self.reply("252 2.1.5 Cannot verify, will try")

    async def quit(self, _: str) -> None:
        """RFC 5321, section 4.1.1.10."""
        self.reply("221 2.0.0 Bye")
        raise _QuitError


_COMMANDS = {
    "EHLO": _Dialogue.ehlo,
    "LHLO": _Dialogue.lhlo,
    "HELO": _Dialogue.helo_,
    "STARTTLS": _Dialogue.starttls,
    "AUTH": _Dialogue.auth,
    "MAIL": _Dialogue.mail,
    "RCPT": _Dialogue.rcpt,
    "DATA": _Dialogue.data,
    "RSET": _Dialogue.rset,
    "NOOP": _Dialogue.noop,
    "VRFY": _Dialogue.vrfy,
    "QUIT": _Dialogue.quit,
}
