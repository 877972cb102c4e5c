"""A socket whose every wait has an end and whose every answer has a size.

A server may say nothing, drip a byte a minute, or never stop: the deadline of an exchange covers all of its reads
together, and so does its budget of bytes. Client libraries read through `Channel.reader()` and know nothing of it.
"""

import contextlib
import io
import select
import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class WireError(Exception):
    """A conversation with a server failed.

    `reason` is one of: dns, refused, unreachable, timeout, closed, tls, flood, protocol, login, secret, said-no.
    `detail` is a sentence for people and holds no secret.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class FloodError(OSError):
    """The server sent more than the exchange allows."""


@cache
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """A context that verifies certificate and host name, against the system's authorities or those in `ca_file`.

    Made once for each file: loading the system's authorities takes tens of milliseconds.
    """
    return ssl.create_default_context(cafile=ca_file)


def describe(error: BaseException, host: str, port: int) -> WireError:  # noqa: C901, PLR0911 - a table
    """The failure in the door's own words."""
    where = f"{host}:{port}"
    match error:
        case WireError():
            return error
        case FloodError():
            return WireError("flood", f"{where} {error}")
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():  # a server that restarts, not one that is not trusted
            return WireError("closed", f"{where} closed the connection")
        case ssl.SSLCertVerificationError():
            return WireError("tls", f"the certificate of {where} does not verify: {error.verify_message}")
        case ssl.SSLError():
            return WireError("tls", f"TLS with {where} failed: {error.reason or error}")
        case socket.gaierror():
            return WireError("dns", f"{host} has no address: {error.strerror}")
        case TimeoutError():
            return WireError("timeout", f"{where} did not answer in time")
        case ConnectionRefusedError():
            return WireError("refused", f"{where} refuses connections: nothing listens there")
        case ConnectionError() | EOFError():
            return WireError("closed", f"{where} closed the connection")
        case OSError():
            return WireError("unreachable", f"{where} cannot be reached: {error.strerror or error}")
        case _:
            return WireError("protocol", f"{where}: {error}")


@dataclass(slots=True)
class Traffic:
    """What went over one connection."""

    sent: int = 0  # bytes
    received: int = 0  # bytes
    round_trips: int = 0  # answers waited for


class Channel:
    """One connection, plain or TLS, with a deadline and a byte budget for each exchange."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        """Connect. Raises OSError; `describe` puts it into words."""
        self.host = host
        self.port = port
        self.timeout = timeout
        self.traffic = Traffic()
        self._deadline = time.monotonic() + timeout
        self._budget = 1 << 20
        self._waiting = True  # the greeting comes without a question
        self._reader: io.BufferedReader | None = None
        self._dry = False  # what was received already is all that may be read
        self.sock: socket.socket = self._connected()
        # Commands leave in packets of their own; without this each one may wait for the last one's acknowledgement.
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _connected(self) -> socket.socket:
        """A connection to the first address that answers, all within one deadline: each leaves time for the next."""
        problem: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
        found = socket.getaddrinfo(self.host, self.port, 0, socket.SOCK_STREAM)
        for left, (family, kind, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._left() / left)
                sock.connect(address)
            except OSError as error:
                sock.close()
                problem = error
            else:
                return sock
        raise problem

    def begin(self, *, timeout: float | None = None, budget: int = 1 << 20) -> None:
        """Start an exchange: all reads until the next one share `timeout` seconds and `budget` bytes."""
        self._deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        self._budget = budget

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Go over to TLS, the host's name verified. Raises ssl.SSLError and OSError."""
        self.sock.settimeout(self._left())
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host)

    def send(self, data: bytes) -> None:
        """Send all of `data` within the deadline."""
        self.sock.settimeout(self._left())
        self.sock.sendall(data)
        self.traffic.sent += len(data)
        self._waiting = True

    def reader(self) -> io.BufferedReader:
        """A buffered reader over the connection as it is now; make a new one after `start_tls`."""
        self._reader = io.BufferedReader(_Metered(self))
        return self._reader

    def pending(self) -> bool:
        """Whether something waits to be read: in the reader's buffer, in the TLS layer, or at the socket."""
        if self._reader is not None:
            self._dry = True
            try:
                if self._reader.peek(1):
                    return True
            finally:
                self._dry = False
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return True
        waiting = select.poll()
        waiting.register(self.sock, select.POLLIN)
        return bool(waiting.poll(0))

    def claim(self, size: int) -> None:
        """Ask for `size` bytes that the server announced. Raises FloodError before a byte of them is read."""
        if size > self._budget:
            raise FloodError(f"announced {size} bytes, more than it may send at once")

    @property
    def tls_version(self) -> str | None:
        """Such as "TLSv1.3"; None on a plain connection."""
        return self.sock.version() if isinstance(self.sock, ssl.SSLSocket) else None

    @property
    def cipher(self) -> str | None:
        """The name of the cipher suite; None on a plain connection."""
        cipher = self.sock.cipher() if isinstance(self.sock, ssl.SSLSocket) else None
        return cipher[0] if cipher else None

    @property
    def peer(self) -> str:
        """The server as "host[address]"."""
        try:
            return f"{self.host}[{self.sock.getpeername()[0]}]"
        except OSError:
            return self.host

    def abort(self) -> None:
        """End the conversation from another thread: whoever reads meets the end of it."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close, whatever state the connection is in."""
        self.sock.close()

    def receive_into(self, buffer: "WriteableBuffer") -> int | None:
        """Read what is there, within deadline and budget. 0 is the end; None is nothing (see `pending`)."""
        if self._dry:
            return None
        self.sock.settimeout(self._left())
        size = self.sock.recv_into(buffer)
        self.traffic.received += size
        if self._waiting and size:
            self._waiting = False
            self.traffic.round_trips += 1
        self._budget -= size
        if self._budget < 0:
            raise FloodError("sends more than it may at once")
        return size

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _Metered(io.RawIOBase):
    """The raw side of a buffered reader. Closing it leaves the connection open."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        return self._channel.receive_into(buffer)
