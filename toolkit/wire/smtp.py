"""The door to the next mail server: SMTP (RFC 5321) and LMTP (RFC 2033).

One session is one connection and one thread. Every reply line is kept. The content of a message leaves in two parts,
the message and then the line with the single dot that makes it the server's: a caller can write down between the two
that the point of no return is reached.
"""

import base64
import contextlib
import smtplib
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from toolkit.config.secret import SecretUnavailableError
from toolkit.config.settings import Route
from toolkit.model.placement import Handoff, HandoffStatus, ReplyLine
from toolkit.parse.smtp_reply import parse_smtp_line
from toolkit.wire.channel import Channel, FloodError, WireError, describe, tls_context

_MAX_REPLY_LINES = 100
_CONTENT_TIMEOUT = 600.0  # RFC 5321, section 4.5.3.2.6: a server may take ten minutes to answer the final dot
_PHASES = {
    "ehlo": "helo",
    "helo": "helo",
    "lhlo": "helo",
    "starttls": "starttls",
    "auth": "auth",
    "mail": "mail",
    "rcpt": "rcpt",
    "data": "data",
    "rset": "rset",
    "quit": "quit",
}


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


class RouteError(WireError):
    """The route took no message: no connection, no TLS, no login, or a refusal before any recipient was named.

    `temporary` says whether trying again may help. `lines` are the replies that were seen.
    """

    def __init__(self, error: WireError, lines: tuple[ReplyLine, ...], *, temporary: bool) -> None:
        super().__init__(error.reason, error.detail)
        self.lines = lines
        self.temporary = temporary


class _Client(smtplib.SMTP):
    """The standard library's client over a `Channel`: bounded replies, each line kept."""

    channel: Channel
    phase = "greeting"

    def __init__(self, helo: str, clock: Callable[[], datetime]) -> None:
        super().__init__(local_hostname=helo or "localhost")
        self._named = bool(helo)
        self.lines: list[ReplyLine] = []
        self._clock = clock

    def over(self, channel: Channel) -> None:
        self.channel = channel
        if not self._named:
            self.local_hostname = _own_name(channel.sock)
        self.sock = channel.sock
        self._reader = channel.reader()

    def send(self, s: Any) -> None:
        self.channel.send(s.encode("ascii") if isinstance(s, str) else bytes(s))

    def putcmd(self, cmd: str, args: str = "") -> None:
        self.phase = _PHASES.get(cmd.lower().split(" ", 1)[0], self.phase)
        self.channel.begin()
        super().putcmd(cmd, args)

    def getreply(self) -> tuple[int, bytes]:
        """One whole reply. Raises EOFError at the end of the connection, FloodError and WireError on nonsense."""
        texts = []
        for _ in range(_MAX_REPLY_LINES):
            raw = self._reader.readline(8192)
            if not raw:
                raise EOFError
            line = parse_smtp_line(raw)
            if line is None:
                raise WireError("protocol", f"{self.channel.peer} answered with what is no SMTP reply: {raw[:80]!r}")
            self.lines.append(ReplyLine(self._clock(), self.phase, line.code, line.enhanced, line.text))
            texts.append(line.text[4:])
            if line.last:
                return line.code, "\n".join(texts).encode()
        raise FloodError(f"sends a reply of more than {_MAX_REPLY_LINES} lines")

    def close(self) -> None:
        self.sock = None
        if hasattr(self, "channel"):
            self.channel.close()


class SmtpSession:
    """A connection to a route, ready to take messages after `connect`."""

    def __init__(self, route: Route, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.route = route
        self.sent = 0  # messages tried on this connection
        self._clock = clock
        self._client = _Client(route.helo, clock)
        self._opening: tuple[ReplyLine, ...] = ()  # the replies up to the login
        self._identity: tuple[str, str | None, str | None] = route.host, None, None  # remote, TLS version, cipher

    @property
    def capabilities(self) -> frozenset[str]:
        """The EHLO keywords, upper case, as last announced."""
        return frozenset(name.upper() for name in self._client.esmtp_features)

    @property
    def tls_version(self) -> str | None:
        """Such as "TLSv1.3"; None without TLS."""
        return self._client.channel.tls_version

    def connect(self) -> None:
        """Greeting, EHLO or LHLO, TLS as configured, login. Raises RouteError."""
        try:
            self._open()
        except RouteError:
            self.close()
            raise
        except SecretUnavailableError as error:
            self.close()
            raise RouteError(WireError("secret", str(error)), (), temporary=False) from None
        except (OSError, EOFError, ValueError, WireError, smtplib.SMTPException) as error:
            self.close()
            problem = describe(error, self.route.host, self.route.port)
            passing = problem.reason in ("timeout", "closed", "refused", "unreachable", "dns")
            raise RouteError(problem, tuple(self._client.lines), temporary=passing) from error
        self._opening = tuple(self._client.lines)
        channel = self._client.channel
        self._identity = channel.peer, channel.tls_version, channel.cipher

    def _open(self) -> None:
        client, route = self._client, self.route
        channel = Channel(route.host, route.port, route.timeout.total_seconds())
        client.over(channel)
        if route.security == "tls":
            self._start_tls()
        channel.begin()
        code, _ = client.getreply()
        if code != 220:
            raise self._refusal("greets with a refusal")
        self._hello()
        if route.security == "starttls":
            if not client.has_extn("starttls"):
                raise self._failure("tls", "does not offer STARTTLS, and the configuration asks for it")
            if client.docmd("STARTTLS")[0] != 220:
                raise self._refusal("refuses STARTTLS")
            self._start_tls()
            self._hello()
        if route.password is not None or route.oauth is not None:
            self._login()

    def _start_tls(self) -> None:
        self._client.channel.start_tls(tls_context(self.route.ca_file))
        self._client.over(self._client.channel)

    def _hello(self) -> None:
        client = self._client
        client.esmtp_features.clear()
        if self.route.protocol == "lmtp":
            client.ehlo_msg = "lhlo"
        code, _ = client.ehlo()
        if code != 250 and self.route.protocol == "smtp":
            code, _ = client.helo()
        if code != 250:
            raise self._refusal("refuses our greeting")

    def _login(self) -> None:
        client, route = self._client, self.route
        offered = client.esmtp_features.get("auth", "").upper().split()
        if not offered:
            raise self._failure("login", "offers no login (AUTH); is this the submission port, and does it want TLS?")
        if route.oauth is not None:
            self._auth_xoauth2(f"user={route.username}\x01auth=Bearer {route.oauth.access_token.reveal()}\x01\x01")
            return
        assert route.password is not None  # noqa: S101 - the caller looked
        password = route.password.reveal()
        if "PLAIN" in offered:
            self._auth("PLAIN", f"\0{route.username}\0{password}")
        elif "LOGIN" in offered:
            self._auth("LOGIN", route.username, password)
        else:
            raise self._failure("login", f"offers no login that mailwhy has (PLAIN, LOGIN), but {', '.join(offered)}")

    def _auth(self, mechanism: str, first: str, *more: str) -> None:
        """SASL with an initial response (RFC 4954, section 4), in UTF-8, which smtplib does not do."""
        client = self._client
        client.phase = "auth"
        code, _ = client.docmd("AUTH", f"{mechanism} {_encoded(first)}")
        for answer in more:
            if code == 334:
                code, _ = client.docmd(_encoded(answer))
        if code != 235:
            raise self._refusal("refuses the login", permanent=code >= 500)

    def _auth_xoauth2(self, answer: str) -> None:
        """SASL XOAUTH2 (Google, "OAuth 2.0 Mechanism"): a refusal comes as a challenge that wants an empty answer."""
        self._client.phase = "auth"
        code, _ = self._client.docmd("AUTH", f"XOAUTH2 {_encoded(answer)}")
        if code == 334:
            code, _ = self._client.docmd("")
        if code != 235:
            raise self._refusal("refuses the login", permanent=code >= 500)

    def _failure(self, reason: str, what: str) -> RouteError:
        where = f"{self.route.host}:{self.route.port}"
        return RouteError(WireError(reason, f"{where} {what}"), tuple(self._client.lines), temporary=False)

    def _refusal(self, what: str, *, permanent: bool | None = None) -> RouteError:
        last = self._client.lines[-1]
        if permanent is None:
            permanent = last.code >= 500
        error = WireError(
            "login" if last.phase == "auth" else "said-no",
            f"{self.route.host}:{self.route.port} {what}: {last.text}",
        )
        return RouteError(error, tuple(self._client.lines), temporary=not permanent)

    def send(self, message: bytes, sender: str, recipient: str, *, committing: Callable[[], bool]) -> Handoff:
        """Hand over one message for one recipient.

        `message` has CRLF line ends. `committing` is called when all has been said but the final dot; the dot follows
        only where it returns True. Returns what became of it; a connection that breaks after the dot leaves the
        handoff `in_doubt`. Where `committing` says False, the connection is closed and the handoff has failed.
        """
        client = self._client
        client.lines = []
        self.sent += 1
        committed = False
        try:
            for command, arguments in (
                ("mail", f"FROM:<{sender}>{self._parameters(message)}"),
                ("rcpt", f"TO:<{recipient}>"),
            ):
                code, _ = client.docmd(command, arguments)
                if code not in (250, 251, 252):
                    return self._replied(reset=True)
            if client.docmd("data")[0] != 354:
                return self._replied(reset=True)
            client.channel.begin(timeout=_CONTENT_TIMEOUT)
            client.phase = "content"
            client.channel.send(_stuffed(message))
            if not committing():
                self.close()
                return self._failed(WireError("closed", "given up before the message was complete"))
            committed = True
            client.channel.begin(timeout=_CONTENT_TIMEOUT)
            client.channel.send(b".\r\n")
            client.getreply()
            return self._replied(reset=False)
        except (OSError, EOFError, ValueError, WireError, smtplib.SMTPException) as error:
            self.close()
            return self._failed(describe(error, self.route.host, self.route.port), in_doubt=committed)

    def _parameters(self, message: bytes) -> str:
        parameters = f" SIZE={len(message)}" if self._client.has_extn("size") else ""
        return parameters + (" BODY=8BITMIME" if self._client.has_extn("8bitmime") and not message.isascii() else "")

    def _replied(self, *, reset: bool) -> Handoff:
        """The handoff that the last reply decided. After a refusal in mid-transaction the session is made clean."""
        lines = self._client.lines
        last = lines[-1]
        reply = [line for line in lines if line.phase == last.phase]
        handoff = self._handoff(
            HandoffStatus.ACCEPTED if last.code < 300 else
            HandoffStatus.DEFERRED if last.code < 500 else HandoffStatus.REFUSED,
            last.code,
            next((line.enhanced for line in reply if line.enhanced), None),
            "\n".join(line.text for line in reply),
        )  # fmt: skip
        if last.code == 421:
            self.close()
        elif reset:
            with contextlib.suppress(OSError, EOFError, WireError, smtplib.SMTPException):
                self._client.docmd("rset")
        return handoff

    def _failed(self, error: WireError, *, in_doubt: bool = False) -> Handoff:
        last = self._client.lines[-1] if self._client.lines else None
        if not in_doubt and last is not None and last.code == 421:
            return self._replied(reset=False)  # it said that it would close (RFC 5321, section 3.8)
        text = error.detail + (": whether it took the message is not known" if in_doubt else "")
        return self._handoff(HandoffStatus.FAILED, None, None, text, in_doubt=in_doubt)

    def _handoff(
        self, status: HandoffStatus, code: int | None, enhanced: str | None, text: str, *, in_doubt: bool = False
    ) -> Handoff:
        return Handoff(
            status=status,
            code=code,
            enhanced=enhanced,
            text=text,
            remote=self._identity[0],
            tls=self._identity[1],
            cipher=self._identity[2],
            at=self._client.lines[-1].at if code is not None else self._clock(),
            in_doubt=in_doubt,
            replies=(*self._opening, *self._client.lines),
        )

    @property
    def usable(self) -> bool:
        """Whether the connection can take another message."""
        return self._client.sock is not None

    def close(self) -> None:
        """Close without a word. Never raises."""
        self._client.close()

    def quit(self) -> None:
        """Say goodbye and close. Never raises."""
        if self.usable:
            with contextlib.suppress(OSError, EOFError, WireError, smtplib.SMTPException):
                self._client.docmd("quit")
        self.close()


def _own_name(sock: socket.socket) -> str:
    """What to say in EHLO: this machine's name where it is qualified, else the address (RFC 5321, section 4.1.4).

    Nothing is looked up: a slow resolver must not hold up a message.
    """
    name = socket.gethostname()
    if "." in name and name.isascii():
        return name
    address = sock.getsockname()[0].partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _stuffed(message: bytes) -> bytes:
    """The message with dots doubled at the start of lines (RFC 5321, section 4.5.2), ending in CRLF."""
    if not message.endswith(b"\r\n"):
        message += b"\r\n"
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed
