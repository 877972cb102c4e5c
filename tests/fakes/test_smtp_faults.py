"""The fake SMTP server takes mail and records it, and each fault strikes where it says."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable

import pytest

from tests.fakes import smtp_faults
from tests.fakes.smtp_server import GOOD, Act, FakeSmtp
from tests.servers.ca import Certificates

HOST = "127.0.0.1"
SENDER = "shop@origin.example"
LETTER = b"Subject: Bestellung\r\n\r\n.\r\n..zwei Punkte\r\nGr\xc3\xbc\xc3\x9fe\r\n"
ONE, TWO, THREE = (f"{name}@there.example" for name in ("one", "two", "three"))


def client_of(server: FakeSmtp, timeout: float = 5.0) -> smtplib.SMTP:
    """A client, connected."""
    return smtplib.SMTP(HOST, server.port, local_hostname="origin.example", timeout=timeout)


def until(client: smtplib.SMTP, phase: str) -> tuple[int, bytes]:
    """Take a transaction up to a phase, and the reply there; the phases before it must go well."""

    def end() -> tuple[int, bytes]:
        client.send(LETTER.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return client.getreply()

    steps: dict[str, Callable[[], tuple[int, bytes]]] = {
        "EHLO": client.ehlo,
        "MAIL": lambda: client.mail(SENDER),
        "RCPT": lambda: client.rcpt(ONE),
        "DATA": lambda: client.docmd("DATA"),
        "END": end,
    }
    for name, step in steps.items():
        reply = step()
        if name == phase:
            return reply
        assert reply[0] < 400, (name, reply)
    raise AssertionError(phase)


def test_a_message_is_recorded_as_it_was_sent() -> None:
    """Envelope, options and bytes, dots unstuffed; two messages are two transactions."""
    with FakeSmtp() as server, client_of(server) as client:
        client.sendmail(SENDER, [ONE, TWO], LETTER, mail_options=["BODY=8BITMIME"])
        client.sendmail("", [ONE], b"Subject: x\r\n\r\n")
        first, second = server.accepted
    assert (first.helo, first.sender, first.recipients) == ("origin.example", SENDER, [ONE, TWO])
    assert first.options == f"size={len(LETTER)} BODY=8BITMIME"
    assert first.content == LETTER
    assert first.replies == ["250 2.0.0 ok: queued as 1"]
    assert (second.sender, second.tls, second.user) == ("", False, None)


def test_tls_and_credentials_are_recorded(certificates: Certificates) -> None:
    """STARTTLS, then PLAIN or LOGIN with the right password; a wrong one is refused."""
    with FakeSmtp(starttls=certificates.good.context(), auth=("PLAIN", "LOGIN")) as server:
        for mechanism in ("auth_plain", "auth_login"):
            with client_of(server) as client:
                client.starttls(context=certificates.client_context())
                client.ehlo()
                assert not client.has_extn("STARTTLS")
                client.user, client.password = server.credentials
                client.auth(mechanism.removeprefix("auth_").upper(), getattr(client, mechanism))
                client.sendmail(SENDER, [ONE], LETTER)
        assert [(one.tls, one.user) for one in server.accepted] == [(True, "probe")] * 2
        with client_of(server) as client, pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("probe", "wrong")
        assert not any("wrong" in line or "AHByb2Jl" in line for line in server.log)


def test_a_token_is_checked_and_its_refusal_explained_in_a_challenge() -> None:
    """XOAUTH2: 235 for the right one; 334 with the reason, and then 535, for another."""

    def answer(token: str) -> str:
        return f"user=probe\x01auth=Bearer {token}\x01\x01"

    with FakeSmtp(auth=("XOAUTH2",), token="fresh") as server:
        with client_of(server) as client:
            client.ehlo()
            assert client.auth("XOAUTH2", lambda _=None: answer("fresh"))[0] == 235
        with client_of(server) as client:
            client.ehlo()
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.auth("XOAUTH2", lambda challenge=None: answer("stale") if challenge is None else "")


def test_no_tls_is_offered_unless_asked_for() -> None:
    """The good server without a context: no STARTTLS in EHLO, and a refusal of the command."""
    with FakeSmtp() as server, client_of(server) as client:
        client.ehlo()
        assert not client.has_extn("STARTTLS")
        assert client.docmd("STARTTLS")[0] == 502


@pytest.mark.parametrize("phase", ["EHLO", "MAIL", "RCPT", "DATA", "END"])
def test_421_ends_the_connection_at_any_phase(phase: str) -> None:
    """421 and a close; the next connection, where it is to strike once, works."""
    with smtp_faults.shuts_down(phase, times=1) as server:
        client = client_of(server)
        assert until(client, phase)[0] == 421
        assert client.sock is not None
        assert client.sock.recv(1) == b""
        client.close()
        assert len(server.accepted) == 0
        with client_of(server) as client:
            client.sendmail(SENDER, [ONE], LETTER)
        assert len(server.accepted) == 1


def test_421_may_be_the_greeting() -> None:
    """The first line of all."""
    with smtp_faults.shuts_down("GREETING") as server, pytest.raises(smtplib.SMTPConnectError) as refusal:
        client_of(server)
    assert refusal.value.smtp_code == 421


@pytest.mark.parametrize("phase", ["MAIL", "END"])
def test_a_silent_server_answers_nothing_from_that_phase_on(phase: str) -> None:
    """The client's own time-out is all there is."""
    with smtp_faults.silent(phase) as server:
        client = client_of(server, timeout=0.3)
        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            until(client, phase)
        client.close()
        assert server.accepted == []


def test_a_server_may_be_silent_from_the_start() -> None:
    """It accepts, and there is no greeting."""
    with smtp_faults.silent() as server, pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        client_of(server, timeout=0.3)


@pytest.mark.parametrize("reset", [False, True])
def test_a_close_after_the_last_dot_leaves_the_message_in_doubt(reset: bool) -> None:
    """The server has the whole message, and said nothing: recorded, not accepted."""
    with smtp_faults.closes("END", reset=reset) as server:
        client = client_of(server)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            until(client, "END")
        client.close()
        (doubtful,) = server.transactions
    assert doubtful.content == LETTER
    assert (doubtful.replies, doubtful.accepted, server.accepted) == ([], False, [])


def test_greylisting_takes_the_message_at_the_second_try() -> None:
    """4xx once per server, then 250."""
    with smtp_faults.defers("RCPT") as server:
        for expected in (451, 250):
            with client_of(server) as client:
                assert until(client, "RCPT")[0] == expected


@pytest.mark.parametrize("phase", ["EHLO", "MAIL", "RCPT", "DATA", "END"])
def test_a_permanent_refusal_at_each_phase(phase: str) -> None:
    """The reply's words are the ones given, over several lines too, and the connection stays."""
    with smtp_faults.refuses(phase, "554-5.7.1 Go away\n554 5.7.1 https://there.example/why") as server:
        with client_of(server) as client:
            assert until(client, phase) == (554, b"5.7.1 Go away\n5.7.1 https://there.example/why")
            assert client.noop()[0] == 250
        assert server.accepted == []


@pytest.mark.parametrize("lines", [True, False])
def test_a_flood_goes_on_until_the_client_leaves(lines: bool) -> None:
    """Ten megabytes are no end of it."""
    with (
        smtp_faults.floods("EHLO", lines=lines) as server,
        socket.create_connection((HOST, server.port), timeout=5) as raw,
        raw.makefile("rwb") as wire,
    ):
        wire.readline()
        wire.write(b"EHLO x\r\n")
        wire.flush()
        said = wire.read(10_000_000)
    assert said.startswith(b"250-and" if lines else b"250 aaa")
    assert len(said) == 10_000_000


def test_auth_is_refused_with_the_right_password() -> None:
    """In the words given."""
    with (
        smtp_faults.refuses_auth("534 5.7.9 Application-specific password required") as server,
        client_of(server) as client,
        pytest.raises(smtplib.SMTPAuthenticationError, match="Application-specific"),
    ):
        client.login(*server.credentials)


def test_lmtp_answers_each_recipient_by_itself() -> None:
    """One is unknown at RCPT, one is full after the message, one has it."""
    with (
        smtp_faults.lmtp({ONE: "550 5.1.1 unknown"}, {TWO: "552 5.2.2 full"}) as server,
        smtplib.LMTP(HOST, server.port, timeout=5) as client,
    ):
        client.ehlo("origin.example")
        client.mail(SENDER)
        assert [client.rcpt(one)[0] for one in (ONE, TWO, THREE)] == [550, 250, 250]
        assert client.data(LETTER)[0] == 552
        assert client.getreply()[0] == 250
    (only,) = server.transactions
    assert only.recipients == [TWO, THREE]
    assert only.replies == ["552 5.2.2 full", f"250 2.0.0 <{THREE}> saved as 1"]


def test_lmtp_may_break_off_between_two_recipients() -> None:
    """The first one's reply is known, the second one's is in doubt."""
    with smtp_faults.lmtp(end={TWO: Act.CLOSE}) as server:
        client = smtplib.LMTP(HOST, server.port, timeout=5)
        client.ehlo("origin.example")
        client.mail(SENDER)
        client.rcpt(ONE)
        client.rcpt(TWO)
        assert client.data(LETTER)[0] == 250
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.getreply()
        client.close()
    assert len(server.transactions[0].replies) == 1


def test_steps_are_used_up_one_after_another() -> None:
    """A list may hold good answers between bad ones, for one recipient alone."""
    with FakeSmtp({("RCPT", ONE): ["450 4.2.0 wait", GOOD, "550 5.1.1 gone"]}) as server, client_of(server) as client:
        client.ehlo()
        client.mail(SENDER)
        assert [client.rcpt(ONE)[0] for _ in range(4)] == [450, 250, 550, 250]
        assert client.rcpt(TWO)[0] == 250
