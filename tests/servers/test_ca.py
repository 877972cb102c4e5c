"""The test CA's certificates fail for the reasons that they are named after."""

from __future__ import annotations

import socket
import ssl

import pytest

from tests.fakes.imap_server import FakeImap
from tests.servers.account import HOST
from tests.servers.ca import Certificates


def handshake(port: int, context: ssl.SSLContext) -> bytes:
    """The first bytes that a server says inside TLS."""
    with (
        socket.create_connection((HOST, port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        return connection.recv(4)


def test_the_good_certificate_verifies(certificates: Certificates) -> None:
    """By address, and under the strict rules that newer Pythons apply."""
    context = certificates.client_context()
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with FakeImap(tls=certificates.good.context()) as server:
        assert handshake(server.port, context) == b"* OK"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("expired", "certificate has expired"),
        ("misnamed", "IP address mismatch"),
        ("foreign", "self-signed certificate in certificate chain"),
    ],
)
def test_each_bad_certificate_fails_for_its_own_reason(certificates: Certificates, name: str, reason: str) -> None:
    """Expired, made out to another name, signed by somebody else."""
    with (
        FakeImap(tls=getattr(certificates, name).context()) as server,
        pytest.raises(ssl.SSLCertVerificationError, match=reason),
    ):
        handshake(server.port, certificates.client_context())
