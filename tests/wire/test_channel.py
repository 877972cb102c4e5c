"""Connecting: all of it within one time-out, to the address that answers; and what a cut handshake is called."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.imap_server import PASSWORD, USERNAME
from tests.servers.ca import Certificates
from toolkit.config.settings import Inbox
from toolkit.wire.channel import Channel, WireError, describe, tls_context
from toolkit.wire.imap import ImapSession

Address = tuple[Any, ...]


@pytest.fixture
def sockets() -> Iterator[contextlib.ExitStack]:
    """Closes what the test has opened."""
    with contextlib.ExitStack() as stack:
        yield stack


def listening(sockets: contextlib.ExitStack, host: str = "127.0.0.1") -> Address:
    """An address, as getaddrinfo has it, where connections are taken."""
    server = sockets.enter_context(socket.create_server((host, 0), backlog=8))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", server.getsockname())


def silent(sockets: contextlib.ExitStack, host: str) -> Address:
    """An address that answers nothing to whoever connects, as behind a firewall: its queue is full (listen(2))."""
    server = sockets.enter_context(socket.socket())
    server.bind((host, 0))
    server.listen(0)
    sockets.enter_context(socket.create_connection(server.getsockname(), 5))
    assert select.select([server], [], [], 5)[0]  # that one waits to be accepted, and fills the queue
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", server.getsockname())


def refusing(sockets: contextlib.ExitStack) -> Address:
    """An address where nothing listens."""
    taken = sockets.enter_context(socket.socket())
    taken.bind(("127.0.0.1", 0))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", taken.getsockname())


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: Address) -> None:
    """The name mx.example has these addresses; every other one is asked of the system."""
    ask = socket.getaddrinfo

    def getaddrinfo(host: Any, *more: Any, **details: Any) -> Any:
        return list(addresses) if host == "mx.example" else ask(host, *more, **details)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_four_dead_addresses_take_one_time_out(sockets: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with many addresses of a network that is down: half a second was allowed, and no more is taken."""
    resolve_to(monkeypatch, *(silent(sockets, f"127.0.0.{number}") for number in range(11, 15)))
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        Channel("mx.example", 993, 0.5)
    assert 0.4 <= time.monotonic() - started < 1.4


@pytest.mark.parametrize("kind", ["silent", "refusing"])
def test_a_dead_address_leaves_time_for_the_next(
    kind: str, sockets: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where IPv6 is announced and goes nowhere: the second address answers, and the connection is made."""
    dead = silent(sockets, "127.0.0.11") if kind == "silent" else refusing(sockets)
    alive = listening(sockets)
    resolve_to(monkeypatch, dead, alive)
    started = time.monotonic()
    channel = Channel("mx.example", 993, 2.0)
    try:
        assert channel.sock.getpeername() == alive[4]
    finally:
        channel.close()
    assert time.monotonic() - started < 2.5


def test_where_nothing_listens_the_reason_is_told(
    sockets: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its addresses refuse: refused, and not a time-out."""
    resolve_to(monkeypatch, refusing(sockets), refusing(sockets))
    with pytest.raises(ConnectionRefusedError) as caught:
        Channel("mx.example", 993, 2.0)
    assert describe(caught.value, "mx.example", 993).reason == "refused"


def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver says that there is none."""

    def nothing(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    with pytest.raises(OSError) as caught:  # noqa: PT011 - which one it is, is described
        Channel("mx.example", 993, 2.0)
    error = describe(caught.value, "mx.example", 993)
    assert (error.reason, error.detail) == ("dns", "mx.example has no address: Name or service not known")


# -- TLS ---------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def cutting() -> Iterator[int]:
    """The port of a server that reads what a client begins TLS with, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as reader:
                    record = reader.read(5)  # type, version and length (RFC 8446, section 5.1)
                    reader.read(int.from_bytes(record[3:], "big"))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            thread.join(10)


def test_a_handshake_that_is_cut_is_a_closed_connection(certificates: Certificates) -> None:
    """A server that restarts says nothing about whom it can be taken for: a passing trouble, not one of TLS."""
    with cutting() as port:
        inbox = Inbox.model_validate(
            {
                "name": "box", "address": "box@faulty.example", "host": "127.0.0.1", "port": port, "security": "tls",
                "username": USERNAME, "password": {"value": PASSWORD}, "ca_file": certificates.ca_file,
                "timeout": "5s",
            }
        )  # fmt: skip
        with pytest.raises(WireError, match="closed the connection") as caught:
            ImapSession(inbox).connect()
    assert caught.value.reason == "closed"


@pytest.mark.parametrize("error", [ssl.SSLEOFError(8, "EOF occurred"), ssl.SSLZeroReturnError(6, "closed")])
def test_an_end_within_tls_is_a_closed_connection(error: ssl.SSLError) -> None:
    """With a close_notify or without one."""
    assert describe(error, "mx.example", 993).reason == "closed"


def test_what_tls_itself_finds_fault_with_stays_a_matter_of_tls(certificates: Certificates) -> None:
    """A certificate that does not verify, and a server that speaks something else, are no passing trouble."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"* OK this is no TLS\r\n")
        with pytest.raises(ssl.SSLError) as caught:
            tls_context(certificates.ca_file).wrap_socket(ours, server_hostname="localhost")
    assert describe(caught.value, "mx.example", 993).reason == "tls"
    distrust = ssl.SSLCertVerificationError(1, "certificate verify failed")
    distrust.verify_message = "self-signed certificate"
    assert describe(distrust, "mx.example", 993).reason == "tls"
