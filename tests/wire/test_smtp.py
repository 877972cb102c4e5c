"""The door to the next server: every line kept, every byte of a message there, and no point of no return missed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes.server import Wire
from tests.fakes.smtp_server import EXTENSIONS, PASSWORD, USERNAME, Act, FakeSmtp
from tests.servers.ca import Certificates
from toolkit.config.settings import Route
from toolkit.model.placement import Handoff, HandoffStatus
from toolkit.wire.smtp import RouteError, SmtpSession

FROM, TO = "bounces@belmont.example", "probe@inbox.example"
MAIL = b"Subject: Hallo\r\n\r\nGuten Tag\r\n"


def route(port: int, **more: object) -> Route:
    """A route on loopback."""
    values = {"name": "main", "host": "127.0.0.1", "port": port, "security": "none", "timeout": "2s", "helo": "mail.belmont.example", **more}  # fmt: skip  # noqa: E501
    return Route.model_validate(values)


@contextmanager
def session(server: FakeSmtp, **more: object) -> Iterator[SmtpSession]:
    """A connected session; the server runs as long."""
    with server:
        one = SmtpSession(route(server.port, **more))
        one.connect()
        try:
            yield one
        finally:
            one.quit()


def send(one: SmtpSession, message: bytes = MAIL, to: str = TO) -> Handoff:
    """Hand a message over, whatever comes of it."""
    return one.send(message, FROM, to, committing=lambda: True)


def commands(server: FakeSmtp) -> list[str]:
    """The commands that the server got, without their arguments."""
    return [line.split(" ")[0].upper() for line in server.log]


def phases(handoff: Handoff) -> list[tuple[str, int]]:
    """The transcript, without its words."""
    return [(line.phase, line.code) for line in handoff.replies]


# -- the transcript ---------------------------------------------------------------------------------------------------


def test_every_reply_line_is_kept_with_what_it_answered() -> None:
    """From the greeting to the last dot, each line of a reply of several, with its enhanced code and time."""
    steps = {"RCPT": "250-2.1.5 one\n250 2.1.5 two", "END": "250 2.0.0 Ok: queued as 4XyZ"}
    with session(FakeSmtp(steps)) as one:
        handoff = send(one)
    assert [phase for phase, _ in phases(handoff)] == [
        "greeting", *["helo"] * (len(EXTENSIONS) + 1), "mail", "rcpt", "rcpt", "data", "content",
    ]  # fmt: skip
    assert [line.text for line in handoff.replies if line.phase == "rcpt"] == ["250-2.1.5 one", "250 2.1.5 two"]
    assert (handoff.status, handoff.code, handoff.enhanced) == (HandoffStatus.ACCEPTED, 250, "2.0.0")
    assert handoff.text == "250 2.0.0 Ok: queued as 4XyZ"
    assert handoff.remote == "127.0.0.1[127.0.0.1]"
    assert (handoff.tls, handoff.cipher) == (None, None)
    times = [line.at for line in handoff.replies]
    assert times == sorted(times)
    assert handoff.at == times[-1]


def test_each_message_of_a_connection_has_its_own_transcript() -> None:
    """The greeting and the login belong to all, the rest to one; a refusal in between does no harm."""
    server = FakeSmtp({("RCPT", "gone@inbox.example"): "550 5.1.1 no such user"})
    with session(server) as one:
        first, refused, third = send(one), send(one, to="gone@inbox.example"), send(one)
        assert one.sent == 3
        assert one.usable
    opening = ["greeting", *["helo"] * (len(EXTENSIONS) + 1)]
    assert [phase for phase, _ in phases(first)] == [*opening, "mail", "rcpt", "data", "content"]
    assert [phase for phase, _ in phases(refused)][-2:] == ["mail", "rcpt"]
    assert [phase for phase, _ in phases(third)] == [*opening, "mail", "rcpt", "data", "content"]
    assert (refused.status, refused.code, refused.enhanced) == (HandoffStatus.REFUSED, 550, "5.1.1")
    assert commands(server).count("RSET") == 1
    assert len(server.transactions) == 2
    assert commands(server)[-1] == "QUIT"


def test_the_reply_of_several_lines_that_decides() -> None:
    """All of its lines, and the first enhanced code among them."""
    reply = "550-This mail looks bad\n550-5.7.1 [192.0.2.10] see https://example.com\n550 5.7.1 gsmtp"
    with session(FakeSmtp({"END": reply})) as one:
        handoff = send(one)
    assert (handoff.status, handoff.code, handoff.enhanced, handoff.text) == (
        HandoffStatus.REFUSED,
        550,
        "5.7.1",
        reply,
    )


def test_over_tls_the_transcript_goes_on(certificates: Certificates) -> None:
    """STARTTLS, EHLO anew, the login: with version and cipher, and without the password."""
    server = FakeSmtp(starttls=certificates.good.context(), auth=["PLAIN"])
    login = {"username": USERNAME, "password": {"value": PASSWORD}, "ca_file": certificates.ca_file}
    with session(server, security="starttls", **login) as one:
        handoff = send(one)
        assert "STARTTLS" not in one.capabilities  # those of before are forgotten (RFC 3207, section 4.2)
        assert "8BITMIME" in one.capabilities
    order = list(dict.fromkeys(phase for phase, _ in phases(handoff)))
    assert order == ["greeting", "helo", "starttls", "auth", "mail", "rcpt", "data", "content"]
    assert handoff.tls == "TLSv1.3"
    assert handoff.cipher
    assert server.transactions[0].tls
    assert server.transactions[0].user == USERNAME
    assert PASSWORD not in repr(handoff)


# -- the message ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def open_session() -> Iterator[tuple[FakeSmtp, SmtpSession]]:
    """One connection for many messages."""
    server = FakeSmtp()
    with session(server) as one:
        yield server, one


_LINES = st.lists(
    st.one_of(st.sampled_from([b".", b"..", b".\t", b"", b"...a", b"From x", b"QUIT"]), st.binary(max_size=30)),
    max_size=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None, derandomize=True)
@given(_LINES)
@example([b"."])
@example([b".", b"", b"."])
@example([])
def test_what_arrives_is_what_was_sent(open_session: tuple[FakeSmtp, SmtpSession], lines: list[bytes]) -> None:
    """Dots at the start of lines, a dot alone, bytes beyond ASCII: all of it, and nothing ends a message early."""
    server, one = open_session
    clean = [line.replace(b"\r", b"").replace(b"\n", b"") for line in lines]
    message = b"".join(line + b"\r\n" for line in clean) or b"\r\n"
    before = len(server.transactions)
    assert send(one, message).status is HandoffStatus.ACCEPTED
    assert len(server.transactions) == before + 1
    assert server.transactions[-1].content == message


def test_a_message_without_a_last_line_end_gets_one() -> None:
    """Or the dot would stand in its last line."""
    server = FakeSmtp()
    with session(server) as one:
        assert send(one, b"Subject: x\r\n\r\nend.").status is HandoffStatus.ACCEPTED
    assert server.transactions[0].content == b"Subject: x\r\n\r\nend.\r\n"


@pytest.mark.parametrize(
    ("extensions", "message", "options"),
    [
        (["SIZE 1000", "8BITMIME"], MAIL, f"SIZE={len(MAIL)}"),
        (["SIZE", "8BITMIME"], MAIL + b"\xfc\r\n", f"SIZE={len(MAIL) + 3} BODY=8BITMIME"),
        (["8BITMIME"], MAIL, ""),
        (["SIZE 1000"], MAIL + b"\xfc\r\n", f"SIZE={len(MAIL) + 3}"),
        ([], MAIL, ""),
    ],
)
def test_parameters_are_named_where_the_server_knows_them(extensions: list[str], message: bytes, options: str) -> None:
    """SIZE (RFC 1870) and BODY=8BITMIME (RFC 6152), and neither where it was not offered."""
    server = FakeSmtp(extensions=extensions)
    with session(server) as one:
        send(one, message)
    assert server.transactions[0].options == options


def test_a_large_message_arrives_whole() -> None:
    """Ten megabytes through a small buffer."""
    server = FakeSmtp()
    message = MAIL + b"\r\n".join([b"." * 70] * 150_000) + b"\r\n"
    with session(server, timeout="10s") as one:
        assert send(one, message).status is HandoffStatus.ACCEPTED
    assert server.transactions[0].content == message


# -- the point of no return -------------------------------------------------------------------------------------------


def test_the_dot_leaves_only_when_it_may() -> None:
    """`committing` is asked when all but the dot has been said; a no ends the connection, and nothing was taken."""
    server = FakeSmtp()
    with session(server) as one:
        handoff = one.send(MAIL, FROM, TO, committing=lambda: False)
        assert not one.usable
    assert (handoff.status, handoff.in_doubt) == (HandoffStatus.FAILED, False)
    assert server.transactions == []


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA"])
def test_what_is_refused_before_the_dot_was_never_committed(phase: str) -> None:
    """The caller need not write down what did not happen."""
    asked: list[bool] = []
    with session(FakeSmtp({phase: "452 4.3.1 no room"})) as one:
        handoff = one.send(MAIL, FROM, TO, committing=lambda: not asked.append(True))
    assert handoff.status is HandoffStatus.DEFERRED
    assert asked == []


@pytest.mark.parametrize("act", [Act.CLOSE, Act.RESET])
@pytest.mark.parametrize(("phase", "in_doubt"), [("MAIL", False), ("DATA", False), ("END", True)])
def test_a_connection_that_breaks_is_in_doubt_after_the_dot_alone(act: Act, phase: str, in_doubt: bool) -> None:
    """Before it nothing can have been taken."""
    with session(FakeSmtp({phase: act})) as one:
        handoff = send(one)
        assert not one.usable
    assert (handoff.status, handoff.in_doubt, handoff.code) == (HandoffStatus.FAILED, in_doubt, None)
    assert ("whether it took the message is not known" in handoff.text) == in_doubt


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "END"])
def test_421_defers_and_ends_the_connection(phase: str) -> None:
    """The server said that it would close (RFC 5321, section 3.8): no doubt, and another connection."""
    with session(FakeSmtp({phase: "421 4.3.2 shutting down"})) as one:
        handoff = send(one)
        assert not one.usable
    assert (handoff.status, handoff.code, handoff.in_doubt) == (HandoffStatus.DEFERRED, 421, False)


# -- opening ----------------------------------------------------------------------------------------------------------


def test_a_server_that_knows_no_ehlo_is_greeted_the_old_way() -> None:
    """HELO, and then no extensions are used (RFC 5321, section 4.1.4)."""
    server = FakeSmtp({"EHLO": "502 5.5.1 not implemented"})
    with session(server) as one:
        assert one.capabilities == frozenset()
        handoff = send(one, MAIL + b"\xfc\r\n")
    assert handoff.status is HandoffStatus.ACCEPTED
    assert server.transactions[0].options == ""
    assert commands(server)[:2] == ["EHLO", "HELO"]
    assert {line.split(" ")[1] for line in server.log[:2]} == {"mail.belmont.example"}


def test_lmtp_says_lhlo_and_nothing_else() -> None:
    """RFC 2033, section 4.1: neither EHLO nor HELO; each recipient has its own reply."""
    server = FakeSmtp({("END", TO): "552 5.2.2 over quota"}, lmtp=True)
    with session(server, protocol="lmtp") as one:
        handoff = send(one)
    assert (handoff.status, handoff.enhanced) == (HandoffStatus.REFUSED, "5.2.2")
    assert commands(server) == ["LHLO", "MAIL", "RCPT", "DATA", "QUIT"]


def test_a_server_that_speaks_no_lmtp_is_told_apart() -> None:
    """LHLO is refused: the route cannot be used, and HELO is not tried."""
    server = FakeSmtp()
    with server, pytest.raises(RouteError, match=r"refuses our greeting: 500 5\.5\.1 this") as caught:
        SmtpSession(route(server.port, protocol="lmtp")).connect()
    assert not caught.value.temporary
    assert commands(server) == ["LHLO"]


@pytest.mark.parametrize(
    ("steps", "words", "temporary"),
    [
        ({"GREETING": "554 5.3.2 go away"}, "greets with a refusal: 554 5.3.2 go away", False),
        ({"GREETING": "421 4.3.2 busy"}, "greets with a refusal: 421 4.3.2 busy", True),
        ({"EHLO": "550 bad name", "HELO": "550 5.7.1 bad name"}, "refuses our greeting: 550 5.7.1 bad name", False),
        ({"GREETING": Act.CLOSE}, "closed the connection", True),
        ({"GREETING": Act.FLOOD}, "sends a reply of more than 100 lines", False),
        ({"EHLO": Act.FLOOD}, "sends a reply of more than 100 lines", False),
        ({"GREETING": "hello there"}, "answered with what is no SMTP reply: b'hello there", False),
    ],
)
def test_a_route_that_takes_nothing_says_why(steps: dict[str, str | Act], words: str, temporary: bool) -> None:
    """In the server's words, with the lines that were seen, and whether trying again may help."""
    server = FakeSmtp(steps)
    with server:
        one = SmtpSession(route(server.port))
        with pytest.raises(RouteError) as caught:
            one.connect()
    assert words in str(caught.value)
    assert caught.value.temporary is temporary
    assert not one.usable
    one.quit()


class Endless(FakeSmtp):
    """Drips a greeting, or sends a line without an end."""

    def __init__(self, piece: bytes, **more: float) -> None:
        super().__init__(**more)
        self.piece = piece

    async def talk(self, wire: Wire) -> None:
        """No word of SMTP."""
        await wire.flood(self.piece)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (lambda: Endless(b"220-x\r\n", pace=0.01), "timeout"),
        (lambda: Endless(b"2"), "protocol"),
        (lambda: Endless(b"220-" + b"x" * 8000 + b"\r\n"), "flood"),
    ],
    ids=["drips", "one endless line", "long lines"],
)
def test_a_server_gets_neither_all_our_time_nor_all_our_memory(server: object, reason: str) -> None:
    """One answer has a time and a number of bytes, whatever comes how slowly."""
    assert callable(server)
    with server() as fake:
        one = SmtpSession(route(fake.port, timeout="700ms"))
        started = time.monotonic()
        with pytest.raises(RouteError) as caught:
            one.connect()
        assert time.monotonic() - started < 3
        assert one._client.channel.traffic.received < 2 << 20
    assert caught.value.reason == reason


def test_the_login_mechanism_follows_what_is_offered(certificates: Certificates) -> None:
    """None is offered, or none that we have: said so before a password leaves."""
    login = {"username": USERNAME, "password": {"value": PASSWORD}, "ca_file": certificates.ca_file}
    for auth, words in (((), "offers no login"), (("CRAM-MD5",), r"offers no login that mailwhy has .*CRAM-MD5")):
        server = FakeSmtp(starttls=certificates.good.context(), auth=auth)
        with server, pytest.raises(RouteError, match=words) as caught:
            SmtpSession(route(server.port, security="starttls", **login)).connect()
        assert caught.value.reason == "login"
        assert "AUTH" not in commands(server)


def test_times_come_from_the_clock_that_is_given() -> None:
    """The caller's, so that a whole probe has one."""
    moment = datetime.fromisoformat("2026-11-22T08:00:00+00:00")
    with FakeSmtp() as server:
        one = SmtpSession(route(server.port), clock=lambda: moment)
        one.connect()
        handoff = send(one)
        one.quit()
    assert {line.at for line in handoff.replies} == {moment}
    assert handoff.at == moment
