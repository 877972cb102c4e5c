"""Worlds for the tests of this folder."""

from collections.abc import Iterator
from itertools import count

import pytest

from toolkit.lab.host import MailboxSpec
from toolkit.lab.world import Mailbox, World

_NUMBERS = count(1)


@pytest.fixture(scope="module")
def lab() -> Iterator[World]:
    """Doors, DNS and the bounce mailbox; shared by a module, whose tests add mailboxes of their own."""
    with World.start("bare") as world:
        yield world


@pytest.fixture(scope="session")
def everything() -> Iterator[World]:
    """Every mailbox and every door, shared by all tests that leave it as they found it."""
    with World.start("full") as world:
        yield world


@pytest.fixture
def box(lab: World, request: pytest.FixtureRequest) -> Mailbox:
    """A mailbox of the test's own at a hoster, without TLS."""
    return lab.add_mailbox(plain_box(request.node.originalname))


@pytest.fixture
def gmail(lab: World, request: pytest.FixtureRequest) -> Mailbox:
    """A Gmail mailbox of the test's own, without TLS."""
    return lab.add_mailbox(plain_box(request.node.originalname, manner="gmail", domain="gmail.example"))


def plain_box(test: str, manner: str = "hoster", domain: str = "hoster.example") -> MailboxSpec:
    """A mailbox named after a test."""
    name = "".join(char if char.isalnum() else "-" for char in test)[:40] + f"-{next(_NUMBERS)}"
    return MailboxSpec(name, manner, f"{name.lower()}@{domain}", security="none")


@pytest.fixture(autouse=True)
def no_faults(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No connection of the lab may end with an exception that nobody expected."""
    yield
    faults = [record for record in caplog.records if record.name.startswith("toolkit.lab")]
    assert not faults, faults[0].getMessage()
