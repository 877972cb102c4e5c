"""A TCP server in a thread of its own, which the fakes build upon."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

_BACKLOG = 512
_LINE_LIMIT = 1 << 24
_FLOOD_PIECE = 1 << 16


class ConnectionEndedError(Exception):
    """The client is gone, or the script ends the connection here."""


class Wire:
    """One client's connection: lines in, bytes out."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pace: float) -> None:
        self._reader = reader
        self._writer = writer
        self._pace = pace
        self.tls = writer.get_extra_info("ssl_object") is not None

    async def line(self) -> bytes:
        """The next line without its end; `ConnectionEndedError` when there is none."""
        return (await self.raw_line()).removesuffix(b"\n").removesuffix(b"\r")

    async def raw_line(self) -> bytes:
        """The next line as it came, its end included."""
        try:
            return await self._reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
            raise ConnectionEndedError from error

    async def exactly(self, size: int) -> bytes:
        """The next `size` bytes."""
        try:
            return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ConnectionEndedError from error

    async def send(self, data: bytes) -> None:
        """All of `data`, at once or, where the server has a pace, a byte at a time."""
        pieces = [data] if not self._pace else [data[at : at + 1] for at in range(len(data))]
        for piece in pieces:
            if self._writer.is_closing():
                raise ConnectionEndedError
            self._writer.write(piece)
            try:
                await self._writer.drain()
            except OSError as error:
                raise ConnectionEndedError from error
            if self._pace:
                await asyncio.sleep(self._pace)

    async def flood(self, piece: bytes) -> None:
        """`piece` again and again, as fast as the client takes it, until it goes."""
        block = piece * max(1, _FLOOD_PIECE // len(piece))
        while True:
            await self.send(block)

    async def silence(self) -> None:
        """Read what comes, say nothing, until the client goes."""
        while True:
            with contextlib.suppress(asyncio.LimitOverrunError):
                if not await self._reader.read(_FLOOD_PIECE):
                    raise ConnectionEndedError

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Turn to TLS; a client that does not go along ends the connection."""
        try:
            await self._writer.start_tls(context)
        except (OSError, ssl.SSLError) as error:
            raise ConnectionEndedError from error
        self.tls = True

    def reset(self) -> None:
        """Drop the connection with a TCP reset, as a crashed machine or a firewall does."""
        plain = self._writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        """End it in order; what was sent arrives."""
        self._writer.close()


class FakeServer:
    """Listens on a free `port` of 127.0.0.1 and has `talk` speak with each client.

    tls: the context of a server that speaks TLS from the first byte.
    pace: seconds between two bytes sent; 0 for at once.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, pace: float = 0.0) -> None:
        self.port = 0
        self.connections = 0
        self.faults: list[str] = []  # errors of the fake itself: always a mistake, raised by `stop`
        self._tls = tls
        self._pace = pace
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=type(self).__name__, daemon=True)
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def talk(self, wire: Wire) -> None:
        """Speak with one client until `ConnectionEndedError`, or return to close."""
        raise NotImplementedError

    def start(self) -> Self:
        """Listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def stop(self) -> None:
        """Cut every connection and stop listening; harmless when done twice."""
        if self._loop.is_closed():
            return
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self._loop.close()
        if self.faults:
            raise AssertionError(f"{type(self).__name__} itself went wrong: {self.faults}")

    def call(self, action: Callable[[], object]) -> None:
        """Do something inside the server's loop, and wait until it is done."""
        done = threading.Event()

        def run() -> None:
            try:
                action()
            finally:
                done.set()

        self._loop.call_soon_threadsafe(run)
        if not done.wait(10):
            raise TimeoutError("the fake server's loop does not turn")

    async def _open(self) -> None:
        self._server = await asyncio.start_server(
            self._accepted, "127.0.0.1", 0, ssl=self._tls, backlog=_BACKLOG, limit=_LINE_LIMIT
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = self._loop.create_task(self._serve(Wire(reader, writer, self._pace)))
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)

    async def _serve(self, wire: Wire) -> None:
        try:
            await self.talk(wire)
        except ConnectionEndedError:
            pass
        except Exception as error:  # noqa: BLE001  # shown by stop(): a test must not pass because its fake broke
            self.faults.append(repr(error))
        finally:
            wire.close()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        talks = list(self._talks)
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
