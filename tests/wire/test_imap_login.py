"""Any user name and any password reach an IMAP server as they are, or nothing of them leaves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.imap_server import PASSWORD, FakeImap
from toolkit.config.settings import Inbox
from toolkit.wire.channel import WireError
from toolkit.wire.imap import ImapSession


class Heard(FakeImap):
    """Keeps what it is logged in with."""

    def __init__(self, **details: Any) -> None:
        super().__init__(**details)
        self.logins: list[tuple[str, str]] = []

    async def admit(self, session: Any, tag: str, username: str, password: str) -> None:
        """As FakeImap."""
        self.logins.append((username, password))
        await super().admit(session, tag, username, password)


def mailbox(server: FakeImap, username: str, password: str) -> Inbox:
    """The settings of a mailbox there; a user name that the configuration would refuse, too."""
    plain = Inbox.model_validate(
        {
            "name": "box", "address": "box@faulty.example", "host": "127.0.0.1", "port": server.port,
            "security": "none", "username": "probe", "password": {"value": password}, "timeout": "3s",
        }
    )  # fmt: skip
    return plain.model_copy(update={"username": username})


def log_in(server: Heard, username: str, password: str) -> None:
    """Connect and leave."""
    session = ImapSession(mailbox(server, username, password))
    try:
        session.connect()
    finally:
        session.close()


@pytest.mark.parametrize(
    "username",
    [
        "probe@faulty.example", "Max Muster", " blank ", "DOMAIN\\max", 'a"b', '"quoted"', "(list)", "a{3}", "a%*",
        "NIL", "ende\\", "müller@faulty.example", "日本 語",
    ],
)  # fmt: skip
def test_any_user_name_gets_there(username: str) -> None:
    """Blanks, quotation marks, backslashes, braces, other alphabets: the server hears the very name."""
    with Heard(username=username) as server:
        log_in(server, username, PASSWORD)
    assert server.logins == [(username, PASSWORD)]


@pytest.mark.parametrize("password", ['ge"heim', "back\\slash", "a b", "(x)", "ende\\", "ü x"])
def test_name_and_password_do_not_mix(password: str) -> None:
    """Both need quoting, and both come as they are."""
    username = 'DOMAIN\\max "muster"'
    with Heard(username=username, password=password) as server:
        log_in(server, username, password)
    assert server.logins == [(username, password)]


@pytest.mark.parametrize("sign", ["\r\n", "\n", "\r", "\0"])
@pytest.mark.parametrize("where", ["username", "password"])
@pytest.mark.parametrize("letters", ["geheim", "geheimü"])
def test_a_line_break_does_not_leave(letters: str, where: str, sign: str) -> None:
    """It would end the command and begin another: refused before anything of it is sent, and not shown."""
    broken = f"{letters}{sign}A1 LOGOUT"
    username, password = (broken, PASSWORD) if where == "username" else ("probe", broken)
    with Heard() as server:
        with pytest.raises(WireError) as caught:
            log_in(server, username, password)
        assert not {"LOGIN", "AUTHENTICATE", "LOGOUT"} & {line.partition(" ")[0] for line in server.log}
    assert server.logins == []
    assert caught.value.reason == "secret"
    assert "geheim" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
