"""The fake IMAP server serves a good session, and each fault strikes where it says and nowhere else."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import time
from collections.abc import Callable, Iterator
from typing import Self

import imapclient
import pytest
from imapclient.exceptions import IMAPClientError, LoginError

from tests.fakes import imap_faults
from tests.fakes.imap_grammar import Folder
from tests.fakes.imap_server import CAPABILITIES, PASSWORD, FakeImap
from tests.servers.ca import Certificates

HOST = "127.0.0.1"
LETTER = (
    b"From: shop@origin.example\r\nSubject: Ihre Bestellung\r\nMessage-ID: <1@origin.example>\r\n"
    b"X-Seed: abc\r\n\r\nGuten Tag!\r\n"
)


@contextlib.contextmanager
def client_of(server: FakeImap, *, login: bool = True, timeout: float = 5.0) -> Iterator[imapclient.IMAPClient]:
    """A client, logged in, closed whatever happens."""
    client = imapclient.IMAPClient(HOST, port=server.port, ssl=False, timeout=timeout)
    try:
        if login:
            client.login(server.username, server.password)
        yield client
    finally:
        with contextlib.suppress(OSError, IMAPClientError):
            client.shutdown()


class Raw:
    """A client that sends bytes and reads lines."""

    def __init__(self, server: FakeImap, timeout: float = 5.0) -> None:
        self._socket = socket.create_connection((HOST, server.port), timeout=timeout)
        self._file = self._socket.makefile("rb")
        self._login = f'z LOGIN {server.username} "{server.password}"'.encode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def line(self) -> bytes:
        """The next line, b"" at the end."""
        return self._file.readline()

    def take(self, size: int) -> bytes:
        """The next bytes."""
        return self._file.read(size)

    def say(self, command: bytes) -> None:
        """A command, its answer left to read."""
        self._socket.sendall(command + b"\r\n")

    def ask(self, command: bytes) -> list[bytes]:
        """A command, and the lines up to its tagged one or to the end of the connection."""
        self.say(command)
        tag = command.split(b" ")[0]
        lines = []
        while line := self.line():
            lines.append(line)
            if line.startswith(tag + b" "):
                break
        return lines

    def login(self) -> None:
        """Past the greeting and in."""
        assert self.line().startswith(b"* OK")
        assert self.ask(self._login)[-1].startswith(b"z OK")


# --- the good session ---


def test_a_reader_finds_a_message_and_marks_nothing() -> None:
    """Log in, list, look at the status, open read-only, search, fetch, leave: the whole way of a reader."""
    with FakeImap() as server:
        server.add("Spamverdacht", LETTER)
        with client_of(server) as client:
            folders = {name: flags for flags, _, name in client.list_folders()}
            assert set(folders) == {"INBOX", "Spamverdacht", "Entwürfe", "Ablage", "Ablage/2026"}
            assert b"\\Junk" in folders["Spamverdacht"]
            assert client.folder_status("Spamverdacht", ["MESSAGES", "UIDNEXT"]) == {b"MESSAGES": 1, b"UIDNEXT": 2}
            client.select_folder("Spamverdacht", readonly=True)
            assert client.search(["HEADER", "Message-ID", "<1@origin.example>"]) == [1]
            assert client.search(["HEADER", "Message-ID", "<2@origin.example>"]) == []
            assert client.search(["OR", "SUBJECT", "nothing", "UID", "1:*"]) == [1]
            found = client.fetch([1], ["BODY.PEEK[]", "FLAGS", "INTERNALDATE", "RFC822.SIZE"])[1]
            assert found[b"BODY[]"] == LETTER
            assert found[b"RFC822.SIZE"] == len(LETTER)
            header = client.fetch([1], ["BODY.PEEK[HEADER.FIELDS (X-SEED)]"])[1]
            assert list(header.values())[-1].strip() == b"X-Seed: abc"
            client.logout()
        assert server.marked_read == 0
        assert "EXAMINE Spamverdacht" in server.log


def test_list_with_status_tells_of_every_folder_in_one_command() -> None:
    """RFC 5819 where it is offered; where it is not, the longer LIST is a BAD command."""
    with FakeImap() as server, Raw(server) as raw:
        server.add("Ablage/2026", LETTER)
        raw.login()
        lines = raw.ask(b'a LIST "" "*" RETURN (SPECIAL-USE STATUS (MESSAGES UIDNEXT UIDVALIDITY))')
        assert b'* STATUS "Ablage/2026" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1)\r\n' in lines
        assert sum(line.startswith(b"* STATUS") for line in lines) == 5
    plain = [one for one in CAPABILITIES if not one.startswith("LIST-")]
    with FakeImap(capabilities=plain) as server, Raw(server) as raw:
        raw.login()
        assert raw.ask(b'a LIST "" "*" RETURN (STATUS (MESSAGES))')[-1].startswith(b"a BAD")
        assert len(raw.ask(b'b LIST "" "%"')) == 5


def test_an_idling_client_is_told_of_a_message_that_arrives() -> None:
    """IDLE tells at once, NOOP as well."""
    with FakeImap() as server, client_of(server) as client:
        client.select_folder("INBOX", readonly=True)
        client.idle()
        server.add("INBOX", LETTER)
        assert (1, b"EXISTS") in client.idle_check(timeout=2)
        client.idle_done()
        server.add("INBOX", LETTER)
        assert (2, b"EXISTS") in client.noop()[1]


def test_starttls_and_a_login_by_sasl(certificates: Certificates) -> None:
    """TLS begins where it is offered, and AUTHENTICATE PLAIN is as good as LOGIN."""
    with FakeImap(starttls=certificates.good.context()) as server, client_of(server, login=False) as client:
        assert client.has_capability("STARTTLS")
        client.starttls(certificates.client_context())
        client.plain_login(server.username, server.password)
        assert client.folder_exists("INBOX")
        assert not client.has_capability("STARTTLS")


def test_literals_quotes_and_wrong_commands_are_understood() -> None:
    """Both kinds of literal, escaped quotes, and BAD for what it does not know."""
    with FakeImap(password='a"b\\c') as server, Raw(server) as raw:
        raw.line()
        assert raw.ask(b'a LIST "" *')[-1] == b"a BAD log in first\r\n"
        raw.say(b"b LOGIN {%d}" % len(server.username))
        assert raw.line().startswith(b"+")
        raw.say(server.username.encode() + b' "a\\"b\\\\c"')
        assert raw.line().startswith(b"b OK")
        assert raw.ask(b'c STATUS {8+}\r\nEntw&APw ("')[-1].startswith(b"c NO")
        assert raw.ask(b"d XYZZY")[-1].startswith(b"d BAD")


# --- the faults ---


@pytest.mark.parametrize("at", ["GREETING", "LOGIN", "LIST", "EXAMINE", "UID SEARCH"])
def test_a_silent_server_answers_nothing_from_that_step_on(at: str) -> None:
    """The client waits until its own time-out; until there everything works."""

    def session(raw: Raw) -> None:
        raw.login()
        raw.ask(b'a LIST "" *')
        raw.ask(b"b EXAMINE INBOX")
        raw.ask(b"c UID SEARCH ALL")

    with imap_faults.Silent(at) as server, Raw(server, timeout=0.3) as raw:
        with pytest.raises(TimeoutError):
            session(raw)
        assert server.struck == 1
        assert at == "GREETING" or server.log[-1].startswith(at)


def test_a_connection_is_closed_before_or_after_the_greeting() -> None:
    """Without a word, with a reset, or right after the first line."""
    with imap_faults.Closes() as server, Raw(server) as raw:
        assert raw.line() == b""
    with imap_faults.Closes(reset=True) as server, Raw(server) as raw, pytest.raises(ConnectionResetError):
        raw.line()
    with imap_faults.ClosesAfterGreeting() as polite, Raw(polite) as raw:
        assert raw.line().startswith(b"* OK")
        assert raw.line() == b""


@pytest.mark.parametrize(("text", "line"), [("Too busy", b"* BYE Too busy\r\n"), (None, b"* BYE\r\n")])
def test_bye_with_and_without_text_first_or_later(text: str | None, line: bytes) -> None:
    """At the greeting, and in mid-session."""
    with imap_faults.SaysBye(text=text) as server, Raw(server) as raw:
        assert [raw.line(), raw.line()] == [line, b""]
    with imap_faults.SaysBye("NOOP", text=text) as server, Raw(server) as raw:
        raw.login()
        assert raw.ask(b"a NOOP") == [line]


def test_a_login_is_refused_in_the_given_words() -> None:
    """The right password is no help; a wrong one is refused by the good server too."""
    words = "[ALERT] Application-specific password required"
    for server, password, said in (
        (imap_faults.RefusesLogin(words), PASSWORD, "Application-specific"),
        (FakeImap(), "wrong", "AUTHENTICATIONFAILED"),
    ):
        with server, client_of(server, login=False) as client, pytest.raises(LoginError, match=said):
            client.login(server.username, password)


def test_a_dripping_server_sends_a_byte_at_a_time() -> None:
    """Each byte comes by itself, a pace apart."""
    with imap_faults.Drips(pace=0.05) as server, Raw(server) as raw:
        started = time.monotonic()
        assert raw.take(6) == b"* OK ["
        assert 0.2 < time.monotonic() - started < 2


def test_a_fetch_breaks_off_in_the_middle_of_a_body() -> None:
    """More bytes are announced than come; the message fetched before arrives whole."""
    with imap_faults.DropsInFetch(nth=2, sent=50, reset=False) as server, Raw(server) as raw:
        server.add("INBOX", LETTER)
        server.add("INBOX", LETTER)
        raw.login()
        raw.ask(b"a EXAMINE INBOX")
        said = b"".join(raw.ask(b"b UID FETCH 1:2 (BODY.PEEK[])"))
        assert LETTER in said
        announced = b"* 2 FETCH (UID 2 BODY[] {%d}\r\n" % len(LETTER)
        assert said.endswith(announced + LETTER[:50])


@pytest.mark.parametrize(
    "flood",
    [imap_faults.FloodsLines, imap_faults.FloodsFolders, imap_faults.EndlessLine],
    ids=lambda flood: flood.__name__,
)
def test_a_flood_goes_on_until_the_client_leaves(flood: Callable[[], imap_faults.FloodsLines]) -> None:
    """Twenty megabytes are no end of it, and the server stops cleanly under it."""
    with flood() as server, Raw(server) as raw:
        raw.login()
        raw.say(b'a LIST "" *')
        assert len(raw.take(20_000_000)) == 20_000_000


def test_a_literal_of_ten_gigabytes_is_announced() -> None:
    """And is sent, or is not."""
    with imap_faults.EnormousLiteral() as server, Raw(server) as raw:
        server.add("INBOX", LETTER)
        raw.login()
        raw.ask(b"a EXAMINE INBOX")
        raw.say(b"b UID FETCH 1 (BODY.PEEK[])")
        assert raw.line() == b"* 1 FETCH (UID 1 BODY[] {10737418240}\r\n"
        assert len(raw.take(5_000_000)) == 5_000_000
    with imap_faults.EnormousLiteral("LIST", silent=True) as server, Raw(server, timeout=0.3) as raw:
        raw.login()
        raw.say(b'a LIST "" *')
        assert raw.line() == b'* LIST () "/" {10737418240}\r\n'
        with pytest.raises(TimeoutError):
            raw.take(1)


def test_odd_list_lines_stand_among_the_good_ones() -> None:
    """All kinds by default, or those that are asked for; the good folders are all there."""
    with imap_faults.OddListLines() as server, Raw(server) as raw:
        raw.login()
        said = b"".join(raw.ask(b'a LIST "" *'))
        assert all(line in said for line in imap_faults.ODD_LIST_LINES.values())
        assert all(name in said for name in (b'"INBOX"', b'"Spamverdacht"', b'"Ablage/2026"'))
    with imap_faults.OddListLines(["raw UTF-8"]) as server, Raw(server) as raw:
        raw.login()
        assert len(raw.ask(b'a LIST "" *')) == 1 + 5 + 1


@pytest.mark.parametrize(("space", "line"), [(False, b"a OK\r\n"), (True, b"a OK \r\n")])
def test_a_bare_ok_has_no_text(space: bool, line: bytes) -> None:
    """After the tag there is OK and nothing."""
    with imap_faults.BareOk(space=space) as server, Raw(server) as raw:
        raw.line()
        assert raw.ask(b"a NOOP") == [line]


def test_one_folder_refuses_and_the_others_do_not() -> None:
    """NO to STATUS, or to SELECT and EXAMINE, of one folder."""
    with imap_faults.Refuses("STATUS", folder="Entwürfe") as server, client_of(server) as client:
        assert client.folder_status("INBOX", ["MESSAGES"]) == {b"MESSAGES": 0}
        with pytest.raises(IMAPClientError, match="NOPERM"):
            client.folder_status("Entwürfe", ["MESSAGES"])
    with imap_faults.Refuses("STATUS", folder="Entwürfe") as server, Raw(server) as raw:
        raw.login()
        lines = raw.ask(b'a LIST "" "*" RETURN (STATUS (MESSAGES))')
        assert sum(line.startswith(b"* LIST") for line in lines) == 5
        assert sum(line.startswith(b"* STATUS") for line in lines) == 4
    for step in ("SELECT", "EXAMINE"):
        with imap_faults.Refuses(step, folder="Spamverdacht") as server, client_of(server) as client:
            client.select_folder("INBOX", readonly=True)
            for readonly in (True, False):
                with pytest.raises(IMAPClientError, match="NOPERM"):
                    client.select_folder("Spamverdacht", readonly=readonly)


def test_idle_never_begins_or_tells_nothing() -> None:
    """Two ways in which IDLE is offered and is no use."""
    with imap_faults.IdleNeverStarts() as server, Raw(server, timeout=0.3) as raw:
        raw.login()
        raw.say(b"a IDLE")
        with pytest.raises(TimeoutError):
            raw.line()
    with imap_faults.IdleTellsNothing() as mute, client_of(mute) as client:
        client.select_folder("INBOX", readonly=True)
        client.idle()
        mute.add("INBOX", LETTER)
        assert client.idle_check(timeout=0.2) == []
        client.idle_done()
        assert client.search() == [1]


def test_a_clock_that_is_off_dates_messages_years_away() -> None:
    """INTERNALDATE is off, and SINCE with it; the message is found by its Message-ID."""
    with imap_faults.ClockOff(dt.timedelta(days=-3650)) as server, client_of(server) as client:
        server.add("INBOX", LETTER)
        client.select_folder("INBOX", readonly=True)
        found = client.fetch([1], ["INTERNALDATE"])[1][b"INTERNALDATE"]
        assert found.year in {dt.datetime.now(dt.UTC).year - 10, dt.datetime.now(dt.UTC).year - 9}
        assert client.search(["SINCE", dt.date.today()]) == []  # noqa: DTZ011  # a day as IMAP has it
        assert client.search(["HEADER", "Message-ID", "<1@origin.example>"]) == [1]


def test_a_search_index_may_lag() -> None:
    """The message is there from the start, and found at the third asking."""
    with imap_faults.SearchLags(times=2) as server, client_of(server) as client:
        server.add("INBOX", LETTER)
        client.select_folder("INBOX", readonly=True)
        assert [client.search() for _ in range(3)] == [[], [], [1]]


def test_a_mistake_of_the_fake_itself_fails_the_test() -> None:
    """A fake that breaks must not look like a fault that was asked for."""

    class Broken(FakeImap):
        async def listing(self, *_: object) -> None:
            raise KeyError("oops")

    server = Broken([Folder("INBOX")]).start()
    with Raw(server) as raw:
        raw.login()
        assert raw.ask(b'a LIST "" *') == []
    with pytest.raises(AssertionError, match="oops"):
        server.stop()
