"""The latency proxy delays as a far server does, and counts what a bench reports."""

from __future__ import annotations

import concurrent.futures
import socket
import threading
import time

import imapclient
import pytest

from tests.fakes.imap_server import FakeImap
from tests.servers.account import HOST
from tests.servers.ca import Certificates
from tests.servers.dovecot import Dovecot
from tests.servers.latency import LatencyProcess, LatencyProxy, Traffic

ROUND_TRIP = 0.1


def talk(port: int, *bursts: tuple[bytes, bytes]) -> list[float]:
    """The seconds until the greeting, and for each burst until a line that begins as given with it."""
    times = []
    with socket.create_connection((HOST, port), timeout=10) as connection, connection.makefile("rwb") as wire:
        for burst, end in ((b"", b"*"), *bursts):
            started = time.monotonic()
            wire.write(burst)
            wire.flush()
            while not (line := wire.readline()).startswith(end):
                assert line, "the server closed"
            times.append(time.monotonic() - started)
    return times


@pytest.mark.parametrize("proxy", [LatencyProxy, LatencyProcess])
def test_a_greeting_takes_two_round_trips_and_a_command_one(proxy: type[LatencyProxy | LatencyProcess]) -> None:
    """The delay is that of a line, to within a few milliseconds; five commands in one burst are one round trip."""
    with FakeImap() as server, proxy(server.port, round_trip=ROUND_TRIP) as between:
        together = b"".join(b"b%d CAPABILITY\r\n" % number for number in range(5))
        # The best of three: what the machine is busy with besides is not the proxy's delay.
        times = [talk(between.port, (b"a NOOP\r\n", b"a "), (together, b"b4 ")) for _ in range(3)]
        greeting, one, five = (min(each) for each in zip(*times, strict=True))
        assert 2 * ROUND_TRIP <= greeting < 2.5 * ROUND_TRIP
        assert ROUND_TRIP <= one < 1.5 * ROUND_TRIP
        assert ROUND_TRIP <= five < 1.5 * ROUND_TRIP
        traffic, *others = between.connections()
        assert traffic.round_trips == 2
        assert traffic.commands == {"NOOP": 1, "CAPABILITY": 5}
        assert traffic.command_count == 6
        assert traffic.sent == len(b"a NOOP\r\n") + 5 * len(b"b0 CAPABILITY\r\n")
        assert len(others) == 2
        assert traffic.received > 5 * len(b"* CAPABILITY IMAP4rev1\r\n")


def test_done_and_literals_are_no_commands() -> None:
    """Tagged lines alone count, whatever stands in a literal; the difference of two totals is what happened between."""
    with FakeImap() as server, LatencyProxy(server.port, round_trip=0.01) as proxy:
        login = b"a LOGIN {%d+}\r\n%s {%d+}\r\n%s\r\n" % (
            len(server.username),
            server.username.encode(),
            len(server.password),
            server.password.encode(),
        )
        before = proxy.total()
        talk(
            proxy.port,
            (login, b"a "),
            (b"b UID SEARCH HEADER Subject {9+}\r\nx1 NOOP\r\n\r\nb2 NOOP\r\n", b"b2 "),
            (b"c IDLE\r\n", b"+"),
            (b"DONE\r\nd NOOP\r\n", b"d "),
        )
        spent = proxy.total() - before
        assert spent.commands == {"LOGIN": 1, "UID SEARCH": 1, "NOOP": 2, "IDLE": 1}
        assert spent.round_trips == 4
        assert (proxy.total() - proxy.total()) == Traffic()


def test_tls_is_counted_in_round_trips_and_bytes_alone(certificates: Certificates) -> None:
    """What cannot be read is said to be opaque, and no command is made up from it."""
    with FakeImap(tls=certificates.good.context()) as server, LatencyProxy(server.port, round_trip=0.01) as proxy:
        context = certificates.client_context()
        plain = socket.create_connection((HOST, proxy.port), timeout=10)
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            assert connection.recv(100).startswith(b"* OK")
        total = proxy.total()
    assert total.opaque
    assert total.command_count == 0
    assert total.round_trips >= 1


def test_throughput_is_not_limited(dovecot: Dovecot) -> None:
    """Ten megabytes over a line of 100 ms arrive in about the time of three round trips, not of a window's many."""
    reader = dovecot.add_user()
    reader.append("INBOX", b"Subject: large\r\n\r\n" + b"x" * 76 + b"\r\n" + (b"y" * 76 + b"\r\n") * 130_000)
    with LatencyProxy(dovecot.imap_port, round_trip=ROUND_TRIP) as proxy, reader.connect(port=proxy.port) as client:
        client.select_folder("INBOX", readonly=True)
        started = time.monotonic()
        (found,) = client.fetch([1], ["BODY.PEEK[]"]).values()
        assert time.monotonic() - started < 5
        assert len(found[b"BODY[]"]) > 10_000_000


def test_four_hundred_connections_at_once(dovecot: Dovecot) -> None:
    """All are open together, all are served, each is counted by itself."""
    reader = dovecot.add_user()
    together = threading.Barrier(400, timeout=30)

    def session(_: int) -> None:
        client = imapclient.IMAPClient(HOST, port=proxy.port, ssl=False, timeout=30)
        client.login(reader.username, reader.password)
        together.wait()
        client.logout()

    with LatencyProcess(dovecot.imap_port, round_trip=0.02) as proxy:
        with concurrent.futures.ThreadPoolExecutor(400) as pool:
            list(pool.map(session, range(400)))
        connections = proxy.connections()
    assert len(connections) == 400
    assert {one.commands["LOGIN"] for one in connections} == {1}


def test_a_server_that_is_gone_shows_as_a_closed_connection() -> None:
    """The client is let go when nothing listens behind the proxy."""
    with FakeImap() as server:
        port = server.port
    with (
        LatencyProxy(port, round_trip=0.01) as proxy,
        socket.create_connection((HOST, proxy.port), timeout=5) as client,
    ):
        assert client.recv(1) == b""
