"""The fixtures of the real servers; tests/servers/__init__.py tells how to use them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.servers.ca import Certificates
from tests.servers.dovecot import DOMAIN, Dovecot
from tests.servers.postfix import NextHop, Postfix
from tests.servers.postgres import Postgres
from tests.servers.process import ServerUnavailableError

SERVER_FIXTURES = frozenset({"dovecot", "postfix", "postgres", "postgres_url"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whatever uses a real server, so that `-m "not servers"` leaves it out."""
    for item in items:
        if SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)


def unavailable(reason: str) -> NoReturn:
    """Skip the test with the reason; where everything is to be installed (CI=true), fail it."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"in CI nothing is skipped: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A test CA with good and bad server certificates for loopback."""
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def dovecot(certificates: Certificates) -> Iterator[Dovecot]:
    """A running Dovecot; `add_user` gives a test its own mailbox."""
    try:
        server = Dovecot(certificates.good)
    except ServerUnavailableError as error:
        unavailable(str(error))
    with server:
        yield server


@pytest.fixture(scope="session")
def postfix(dovecot: Dovecot, certificates: Certificates) -> Iterator[Postfix]:
    """A running Postfix that hands inbox.example to `dovecot` by LMTP and knows no other domain."""
    try:
        server = Postfix({DOMAIN: NextHop("lmtp", dovecot.lmtp_port)}, certificate=certificates.good)
    except ServerUnavailableError as error:
        unavailable(str(error))
    with server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL."""
    try:
        server = Postgres()
    except ServerUnavailableError as error:
        unavailable(str(error))
    with server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of a fresh database, dropped afterwards."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)
