"""Sockets of the lab: a connection that is read in bounded lines and can go over to TLS, and its listener.

asyncio's streams of Python 3.11 keep what a client wrote in clear before STARTTLS; here it is thrown away, as
RFC 3207, section 4.2 and RFC 9051, section 6.2.1 demand. Everything that a listener opened is closed by `stop`.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable

LOOPBACK = "127.0.0.1"
IDLE_LIMIT = 1800.0  # seconds without a byte from the client (RFC 9051, section 5.4)
_HIGH_WATER = 1 << 20  # bytes kept unread before the client has to wait
_log = logging.getLogger(__name__)


class LineTooLongError(Exception):
    """The client sent more than a line may hold. The rest of the line was read and dropped."""


class PeerGoneError(Exception):
    """The client closed the connection, vanished, or stayed silent for too long."""


class Connection(asyncio.Protocol):
    """One accepted connection. `serve` runs once for it, in a task of its own."""

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self._buffer = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False
        self._paused = False
        self._transport: asyncio.Transport | None = None
        self.gone = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.packets = 0  # pieces that arrived: with small commands, the client's round trips
        self.tls: ssl.SSLObject | None = None

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio accepted a connection."""
        self._transport = transport  # type: ignore[assignment]  # create_server gives full transports
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listener.connections.add(self)
        self.task = asyncio.get_running_loop().create_task(self._listener.run(self))

    def data_received(self, data: bytes) -> None:
        """Bytes came in, decrypted where the connection uses TLS."""
        self.packets += 1
        self._buffer += data
        if len(self._buffer) > _HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self.poke()

    def eof_received(self) -> None:
        """The client writes no more."""
        self._ended = True
        self.poke()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The connection is closed."""
        self._ended = True
        self._listener.connections.discard(self)
        self._writable.set()
        self.gone.set()
        self.poke()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client caught up."""
        self._writable.set()

    # what servers call

    def poke(self) -> None:
        """Wake the server's task where it waits in `wait`."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Until bytes come in, the client goes, or somebody calls `poke`."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(IDLE_LIMIT):
                await self._waiter
        except TimeoutError:
            self._ended = True
        finally:
            self._waiter = None

    @property
    def ended(self) -> bool:
        """Whether the client writes no more."""
        return self._ended

    @property
    def has_line(self) -> bool:
        """Whether a whole line is there to be read."""
        return b"\n" in self._buffer

    def _taken(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        if self._paused and len(self._buffer) < _HIGH_WATER // 2 and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def read_line(self, limit: int) -> bytes:
        """A line with its end. Raises LineTooLongError beyond `limit` bytes, PeerGoneError."""
        start = 0
        too_long = False
        while True:
            end = self._buffer.find(b"\n", start)
            if end >= 0:
                line = self._taken(end + 1)
                if too_long or len(line) > limit:
                    raise LineTooLongError
                return line
            start = len(self._buffer)
            if start > limit:
                too_long = True
                self._taken(start)
                start = 0
            if self._ended:
                raise PeerGoneError
            await self.wait()

    async def read_exactly(self, size: int) -> bytes:
        """Just `size` bytes. Raises PeerGoneError."""
        parts: list[bytes] = []
        missing = size
        while missing:
            if not self._buffer:
                if self._ended:
                    raise PeerGoneError
                await self.wait()
                continue
            part = self._taken(min(missing, len(self._buffer)))
            missing -= len(part)
            parts.append(part)
        return b"".join(parts)

    def write(self, data: bytes) -> None:
        """Send, as far as the client is still there."""
        if self._transport is not None and not self._transport.is_closing() and not self.gone.is_set():
            self._transport.write(data)

    async def drain(self) -> None:
        """Until the client has taken what was written. Raises PeerGoneError."""
        await self._writable.wait()
        if self.gone.is_set():
            raise PeerGoneError

    async def start_tls(self, context: ssl.SSLContext, announce: bytes = b"") -> None:
        """Drop what came in clear, write `announce`, and shake hands. Raises PeerGoneError where that fails."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise PeerGoneError
        transport.pause_reading()  # else the client's first TLS bytes could be taken for text
        self._buffer.clear()
        if announce:
            transport.write(announce)
        loop = asyncio.get_running_loop()
        try:
            upgraded = await loop.start_tls(transport, self, context, server_side=True, ssl_handshake_timeout=10.0)
        except (OSError, ssl.SSLError) as error:
            self.connection_lost(None)  # asyncio tells only of connections whose handshake was done
            raise PeerGoneError from error
        except asyncio.CancelledError:
            self.connection_lost(None)
            raise
        if upgraded is None:  # the client went while it shook hands
            self.connection_lost(None)
            raise PeerGoneError
        self._transport = upgraded
        self.tls = upgraded.get_extra_info("ssl_object")

    def close(self) -> None:
        """Send what is written, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once: what is not sent is lost."""
        if self._transport is not None:
            self._transport.abort()


class Listener:
    """A listening socket on loopback whose connections are each served by `serve`."""

    def __init__(
        self, serve: Callable[[Connection], Awaitable[None]], implicit_tls: Callable[[], ssl.SSLContext] | None = None
    ) -> None:
        self._serve = serve
        self._implicit_tls = implicit_tls
        self._server: asyncio.Server | None = None
        self.connections: set[Connection] = set()
        self.port = 0

    async def start(self, port: int = 0) -> int:
        """Listen. Returns the port. Raises OSError where it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), LOOPBACK, port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    @property
    def listening(self) -> bool:
        """Whether connections are accepted."""
        return self._server is not None

    async def run(self, connection: Connection) -> None:
        """Serve one connection to its end."""
        try:
            if self._implicit_tls is not None:
                await connection.start_tls(self._implicit_tls())
            await self._serve(connection)
        except PeerGoneError:
            pass
        except Exception:  # noqa: BLE001 - a fault of one connection must not end the lab; it is logged
            _log.exception("a connection of the lab ended with a fault")
        finally:
            connection.close()

    async def stop(self) -> None:
        """Close the socket and every connection. Listening again takes a new `start`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        open_now = list(self.connections)
        tasks = [c.task for c in open_now if c.task is not None and c.task is not asyncio.current_task()]
        for connection in open_now:
            connection.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in open_now:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await connection.gone.wait()
