"""A TCP proxy with the round trip of a far server, and a count of what passes through it.

Half the round trip is added each way; throughput is not limited. Opening a connection costs what it costs on a real
line: the server hears of a client one and a half round trips after the client began to connect, so that a greeting
is read after two. (The accept itself cannot be held back, which is why `connect()` alone returns at once.)

`LatencyProxy` runs in a thread of this process, good for tests. `LatencyProcess` runs in a process of its own, good
for benches: there it takes neither the interpreter lock nor memory from what is measured. Both are context managers:

    with LatencyProxy(dovecot.imap_port, round_trip=0.05) as proxy:
        before = proxy.total()
        poll("127.0.0.1", proxy.port)
        spent = proxy.total() - before      # spent.round_trips, spent.commands, spent.sent, spent.received
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

_TAGGED = re.compile(rb"[^\s+*{}()%\"\\]+ (UID )?([A-Za-z-]+)", re.IGNORECASE)
_LITERAL = re.compile(rb"\{(\d+)\+?\}$")
_TLS_HANDSHAKE = 0x16
_BACKLOG = 1024
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Traffic:
    """What passed through one connection, or through several together.

    round_trips: bursts of the client that began a connection's talk or followed data of the server, seen from the
        client's end. Several commands in one burst are one round trip; waiting for the greeting is none.
    commands: the IMAP commands sent (tagged lines; DONE and answers to a continuation are none), by name.
    sent, received: bytes from and to the client.
    opaque: TLS hid (part of) the talk: commands were counted up to STARTTLS alone, and the round trips contain the
        handshake's.
    """

    round_trips: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    received: int = 0
    opaque: bool = False
    client_port: int = 0

    @property
    def command_count(self) -> int:
        """How many IMAP commands were sent."""
        return self.commands.total()

    def __add__(self, other: Traffic) -> Traffic:
        return self._combined(other, 1)

    def __sub__(self, earlier: Traffic) -> Traffic:
        return self._combined(earlier, -1)

    def _combined(self, other: Traffic, sign: int) -> Traffic:
        commands = Counter(self.commands)
        for name, count in other.commands.items():
            commands[name] += sign * count
        return Traffic(
            round_trips=self.round_trips + sign * other.round_trips,
            commands=+commands,
            sent=self.sent + sign * other.sent,
            received=self.received + sign * other.received,
            opaque=self.opaque or other.opaque,
        )


class _Commands:
    """Reads the client's side of an IMAP session for its commands."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._rest = b""
        self._literal = 0
        self._continued = False

    def feed(self, data: bytes) -> None:
        if self._traffic.opaque:
            return
        if self._traffic.sent == 0 and data[0] == _TLS_HANDSHAKE:
            self._traffic.opaque = True
            return
        self._rest += data
        while self._rest:
            if self._literal:
                taken = min(self._literal, len(self._rest))
                self._rest = self._rest[taken:]
                self._literal -= taken
                continue
            line, end, rest = self._rest.partition(b"\r\n")
            if not end:
                return
            self._rest = rest
            self._line(line)

    def _line(self, line: bytes) -> None:
        match = None if self._continued else _TAGGED.match(line)
        if match:
            name = ((match[1] or b"") + match[2]).decode().upper()
            self._traffic.commands[name] += 1
            self._traffic.opaque = name == "STARTTLS"
        literal = _LITERAL.search(line)
        self._continued = literal is not None
        self._literal = int(literal[1]) if literal else 0


class _Delay:
    """Hands on what is put in, in order, each piece a given time after it came; `None` stands for the end."""

    def __init__(self, seconds: float, deliver: Callable[[bytes | None], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._deliver = deliver
        self._queue: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.open = False

    def put(self, piece: bytes | None) -> None:
        self._queue.append((self._loop.time() + self._seconds, piece))
        if self.open and self._timer is None:
            self.flush()

    def flush(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._queue and self._queue[0][0] <= now:
            self._deliver(self._queue.popleft()[1])
        if self._queue:
            self._timer = self._loop.call_at(self._queue[0][0], self.flush)

    def drop(self) -> None:
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _End(asyncio.Protocol):
    """One end of a connection: what it reads goes to `heard`, and it slows the other end when it cannot write."""

    def __init__(self, heard: Callable[[bytes | None], None], connected: Callable[[], None]) -> None:
        self._heard = heard
        self._connected = connected
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=1 << 20)
        self._connected()

    def data_received(self, data: bytes) -> None:
        self._heard(data)

    def eof_received(self) -> bool:
        self._heard(None)
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the protocol's signature
        self.transport = None
        self._heard(None)

    def pause_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.resume_reading()

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class _Connection:
    """A client, the server behind, and a delay each way. Either one's end ends both, once all is delivered."""

    def __init__(self, relay: _Relay) -> None:
        self._relay = relay
        self.traffic = Traffic()
        self._commands = _Commands(self.traffic)
        self._server_spoke = True  # so that the client's first burst counts, whoever speaks first
        half = relay.round_trip / 2
        self._up = _Delay(half, self._to_server)
        self._down = _Delay(half, self._to_client)
        self._down.open = True
        self.client = _End(self._from_client, self._accepted)
        self._server = _End(self._down.put, self._reached)
        self.client.other, self._server.other = self._server, self.client

    def _accepted(self) -> None:
        transport = self.client.transport
        if transport is not None:
            self.traffic.client_port = transport.get_extra_info("peername")[1]
        self._relay.connections.append(self)
        loop = asyncio.get_running_loop()
        loop.call_later(1.5 * self._relay.round_trip, lambda: self._relay.spawn(self._reach()))

    async def _reach(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self._server, *self._relay.target)
        except OSError:
            self.client.abort()

    def _reached(self) -> None:
        self._up.open = True
        self._up.flush()

    def _from_client(self, data: bytes | None) -> None:
        if data:
            if self._server_spoke:
                self.traffic.round_trips += 1
                self._server_spoke = False
            self._commands.feed(data)
            self.traffic.sent += len(data)
        self._up.put(data)

    def _to_server(self, data: bytes | None) -> None:
        if data is None:
            self._server.close()
        else:
            self._server.write(data)

    def _to_client(self, data: bytes | None) -> None:
        if data is None:
            self.client.close()
        else:
            self._server_spoke = True
            self.traffic.received += len(data)
            self.client.write(data)

    def abort(self) -> None:
        self._up.drop()
        self._down.drop()
        self.client.abort()
        self._server.abort()


class _Relay:
    """The proxy itself, inside an event loop."""

    def __init__(self, target: tuple[str, int], round_trip: float) -> None:
        self.target = target
        self.round_trip = round_trip
        self.connections: list[_Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def open(self) -> int:
        """Listen, and the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self).client, "127.0.0.1", 0, backlog=_BACKLOG)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self.connections:
            connection.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.sleep(0)  # aborted transports tell their protocols in the loop's next turn
        await asyncio.sleep(0)


class _Counts:
    """What both kinds of proxy answer."""

    port: int

    def connections(self) -> list[Traffic]:
        """The traffic of every connection so far, in the order in which they came."""
        raise NotImplementedError

    def total(self) -> Traffic:
        """The traffic of all connections so far. Take one before and one after: the difference is what it cost."""
        return sum(self.connections(), Traffic())


class LatencyProxy(_Counts):
    """A delaying proxy on a free `port` of 127.0.0.1, in a thread of this process. `round_trip` is in seconds."""

    def __init__(self, target_port: int, *, round_trip: float = 0.05, target_host: str = "127.0.0.1") -> None:
        self._relay = _Relay((target_host, target_port), round_trip)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="latency proxy", daemon=True)
        self.port = 0

    def connections(self) -> list[Traffic]:
        """As in `_Counts`; the values are copies."""
        return [replace(one.traffic, commands=Counter(one.traffic.commands)) for one in list(self._relay.connections)]

    def start(self) -> Self:
        """Listen."""
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._relay.open(), self._loop).result(10)
        return self

    def stop(self) -> None:
        """Cut every connection and stop listening."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._relay.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class LatencyProcess(_Counts):
    """The same in a process of its own; it ends when this one closes the pipe to it, or dies."""

    def __init__(self, target_port: int, *, round_trip: float = 0.05) -> None:
        self._command = [sys.executable, "-m", "tests.servers.latency", str(target_port), str(round_trip)]
        self._child: subprocess.Popen[str] | None = None
        self.port = 0

    def start(self) -> Self:
        """Start the process, and wait until it listens."""
        self._child = subprocess.Popen(
            self._command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._answer())
        return self

    def connections(self) -> list[Traffic]:
        """As in `_Counts`."""
        child = self._running()
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        rows = json.loads(self._answer())
        return [Traffic(**{**row, "commands": Counter(row["commands"])}) for row in rows]

    def stop(self) -> None:
        """End the process; harmless when it is not running."""
        if self._child is not None:
            self._child.communicate(timeout=10)
            self._child = None

    def _running(self) -> subprocess.Popen[str]:
        if self._child is None:
            raise RuntimeError("the proxy is not running")
        return self._child

    def _answer(self) -> str:
        child = self._running()
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            raise RuntimeError(f"the proxy ended with status {child.wait()}")
        return line

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def main(target_port: str, round_trip: str) -> None:
    """Run a proxy until standard input ends; each line on it is answered with the counts."""
    with LatencyProxy(int(target_port), round_trip=float(round_trip)) as proxy:
        print(proxy.port, flush=True)
        for _ in sys.stdin:
            print(json.dumps([_plain(one) for one in proxy.connections()]), flush=True)


def _plain(traffic: Traffic) -> dict[str, object]:
    return {**asdict(traffic), "commands": dict(traffic.commands)}


if __name__ == "__main__":
    main(*sys.argv[1:])
