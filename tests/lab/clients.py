"""Real clients for the lab: smtplib, imapclient, dnspython and a raw socket, each closed after use."""

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.utils import formatdate
from itertools import count

import dkim
import dns.message
import dns.query
import imapclient

from toolkit.lab.certs import dkim_key
from toolkit.lab.world import World

SALON = "Salon Belmont <termine@belmont.example>"
BOUNCES = "bounces@belmont.example"
_NUMBERS = count(1)


def unique_id(prefix: str = "test") -> str:
    """A Message-ID without brackets that no other test uses."""
    return f"{prefix}-{next(_NUMBERS)}@belmont.example"


def build(
    to: str = "somebody@hoster.example",
    *,
    sender: str = SALON,
    subject: str = "Ihr Termin",
    message_id: str | None = None,
    text: str = "Guten Tag,\n\nbis Donnerstag.\n",
    **headers: str,
) -> bytes:
    """An unsigned message."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"], message["Message-ID"] = formatdate(), f"<{message_id or unique_id()}>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes(policy=message.policy.clone(linesep="\r\n"))


def sign(raw: bytes, domain: str = "belmont.example", selector: str = "s1") -> bytes:
    """The message with a DKIM signature of a sender domain of the lab."""
    key = dkim_key(domain).private_pem.encode()
    signature: bytes = dkim.sign(raw, selector.encode(), domain.encode(), key)
    return signature + raw


def send(world: World, raw: bytes, to: str, *, door: str = "direct", sender: str = BOUNCES) -> tuple[int, str]:
    """Hand a message over. Returns the code and the text that decided."""
    with smtplib.SMTP("127.0.0.1", world.door_port(door), timeout=5) as client:
        client.ehlo("mail.belmont.example")
        try:
            client.mail(sender)
            code, text = client.rcpt(to)
            if code == 250:
                code, text = client.data(raw)
        except smtplib.SMTPServerDisconnected as error:
            return 0, str(error)
        return code, text.decode()


def trust(world: World) -> ssl.SSLContext:
    """A client's TLS context that knows the lab's authority."""
    return ssl.create_default_context(cadata=world.ca_pem)


@contextlib.contextmanager
def imap(world: World, name: str, *, login: bool = True) -> Iterator[imapclient.IMAPClient]:
    """A client of a mailbox's IMAP server, logged in as that mailbox can be."""
    box = world.mailbox(name)
    security = box._host.spec.security
    timeout = imapclient.SocketTimeout(5, 5)
    client = imapclient.IMAPClient(
        "127.0.0.1", box.port, ssl=security == "tls", ssl_context=trust(world), timeout=timeout
    )
    client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # imaplib sends line ends apart
    try:
        if security == "starttls":
            client.starttls(trust(world))
        if login and box._host.credentials.token is not None:
            client.oauth2_login(box.username, box.secret)
        elif login:
            client.login(box.username, box.secret)
        yield client
    finally:
        try:
            client.logout()
        except Exception:  # noqa: BLE001 - whatever a faulty server did: close the socket
            with contextlib.suppress(OSError):
                client.shutdown()


class Raw:
    """A socket that speaks IMAP or SMTP by hand."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.settimeout(5)
        self._buffer = b""
        self.closed = False

    def send(self, data: bytes) -> None:
        """All of it, in one packet where it fits."""
        self.socket.sendall(data)

    def line(self) -> bytes:
        """The next line, without its end. Empty: the server closed."""
        while b"\n" not in self._buffer:
            data = self.socket.recv(65536)
            if not data:
                self.closed = True
                return b""
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def until(self, stop: Callable[[bytes], bool] | bytes) -> list[bytes]:
        """Lines up to and with the one that stops."""
        test = stop if callable(stop) else lambda line: line.startswith(stop)
        lines = [self.line()]
        while not self.closed and not test(lines[-1]):
            lines.append(self.line())
        return lines

    def ask(self, tag: str, command: str) -> list[bytes]:
        """One command: all lines up to its tagged answer."""
        self.send(f"{tag} {command}\r\n".encode())
        return self.until(f"{tag} ".encode())

    def close(self) -> None:
        """Vanish."""
        self.socket.close()


@contextlib.contextmanager
def raw_imap(world: World, name: str, *, login: bool = True) -> Iterator[Raw]:
    """A raw connection to a mailbox without TLS, the greeting read."""
    box = world.mailbox(name)
    connection = Raw(box.port)
    try:
        connection.line()
        if login:
            connection.ask("login", f'LOGIN "{box.username}" "{box.secret}"')
        yield connection
    finally:
        connection.close()


def resolve(world: World, name: str, rtype: str, *, tcp: bool = False, timeout: float = 2.0) -> dns.message.Message:
    """Ask the lab's DNS server."""
    query = dns.message.make_query(name, rtype)
    ask = dns.query.tcp if tcp else dns.query.udp
    return ask(query, "127.0.0.1", port=world.dns_port, timeout=timeout)
