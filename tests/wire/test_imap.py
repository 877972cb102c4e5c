"""The door to a mailbox: how commands travel, what answers mean, and the parts of others that it stands on."""

from __future__ import annotations

import imaplib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import imapclient
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes.imap_grammar import Folder, Message, Token
from tests.fakes.imap_server import CAPABILITIES, PASSWORD, USERNAME, FakeImap, Session
from tests.servers.ca import Certificates
from tests.servers.process import wait_until
from toolkit.config.settings import Inbox
from toolkit.model.mailbox import FolderStatus
from toolkit.wire.channel import WireError
from toolkit.wire.imap import ImapSession, quoted
from toolkit.wire.imap_answers import Answer, folder_name, read_fetch, read_list, read_search, read_status

MAIL = b"Subject: Hallo\r\nMessage-ID: <1@belmont.example>\r\n\r\nGuten Tag\r\n"


def mailbox(server: FakeImap, **more: object) -> Inbox:
    """The settings of a mailbox there."""
    return Inbox.model_validate(
        {
            "name": "box", "address": "box@faulty.example", "host": "127.0.0.1", "port": server.port,
            "security": "none", "username": USERNAME, "password": {"value": PASSWORD}, "timeout": "3s", **more,
        }
    )  # fmt: skip


@contextmanager
def session(server: FakeImap, **more: object) -> Iterator[ImapSession]:
    """A connected session; the server runs as long."""
    with server:
        one = ImapSession(mailbox(server, **more))
        one.connect()
        try:
            yield one
        finally:
            one.close()


def raw(server: FakeImap, answer: bytes) -> FakeImap:
    """The server, whose LIST answers with these bytes."""

    async def listing(session: Session, *_: Any) -> None:
        await session.wire.send(answer)

    server.listing = listing  # type: ignore[method-assign]  # for one test
    return server


# -- what we stand on -------------------------------------------------------------------------------------------------


def test_the_private_parts_of_libraries_that_we_use_are_there() -> None:
    """An upgrade of Python or imapclient that moves one of them fails here, not at a customer's."""
    for name in ("_new_tag", "_get_response", "_check_bye", "_get_capabilities", "open", "read", "readline", "send", "shutdown"):  # fmt: skip  # noqa: E501
        assert callable(getattr(imaplib.IMAP4, name)), name
    assert list(inspect.signature(imaplib.IMAP4._new_tag).parameters) == ["self"]
    assert list(inspect.signature(imaplib.IMAP4.open).parameters) == ["self", "host", "port", "timeout"]
    source = inspect.getsource(imaplib.IMAP4)
    for attribute in ("tagged_commands", "untagged_responses", "_tls_established", "is_readonly", "capabilities"):
        assert f"self.{attribute} = " in source, attribute
    for name in ("_create_IMAP4", "login", "plain_login", "oauth2_login", "capabilities"):
        assert callable(getattr(imapclient.IMAPClient, name)), name
    assert "self._imap = self._create_IMAP4()" in inspect.getsource(imapclient.IMAPClient.__init__)


def test_the_engine_keeps_answers_as_we_read_them() -> None:
    """A tag as bytes, untagged lines by name, a literal as a tuple, a continuation as None."""
    with session(FakeImap()) as one:
        assert one._client is not None
        engine = one._client._imap
        lines = [
            b'* LIST () "/" {3}\r\n', b" X\r\n", b"+ go on\r\n", b"ABC1 NO [LIMIT] later\r\n", b"* 3 EXISTS\r\n",
        ]  # fmt: skip
        tag = engine._new_tag()
        assert isinstance(tag, bytes)
        lines[3] = tag + b" NO [LIMIT] later\r\n"
        answers, literals = iter(lines), iter([b'a"b'])
        engine.readline, engine.read = lambda: next(answers), lambda _size: next(literals)
        engine.untagged_responses.clear()
        assert engine._get_response() is not None
        assert engine._get_response() is None
        assert engine.tagged_commands[tag] is None
        engine._get_response()
        assert engine.tagged_commands[tag] == ("NO", [b"[LIMIT] later"])
        engine._get_response()
        assert engine.untagged_responses["LIST"] == [(b'() "/" {3}', b'a"b'), b" X"]
        assert engine.untagged_responses["EXISTS"] == [b"3"]


# -- logging in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["geheim ü", "日本語", 'back\\slash "quote"', " ", "a{3}"])
def test_any_password_gets_there(password: str) -> None:
    """ASCII by LOGIN, quoted; what is beyond it by SASL PLAIN, which carries UTF-8."""
    server = FakeImap(password=password)
    with session(server, password={"value": password}) as one:
        assert one.connected
    assert ("LOGIN" in server.log) == password.isascii()
    assert ("AUTHENTICATE" in server.log) == (not password.isascii())


class Offering(FakeImap):
    """Offers these words before the login, and no others."""

    words = ""

    def _offered(self, session: Session) -> str:
        return self.words if session.user is None else super()._offered(session)


def test_a_server_that_takes_no_password_says_what_it_takes() -> None:
    """LOGINDISABLED and no PLAIN: the password stays here, and the error names the ways that are offered."""
    server = Offering()
    server.words = "IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2 AUTH=OAUTHBEARER"
    with pytest.raises(WireError, match=r"takes no password here \(LOGINDISABLED\); it offers AUTH=OAUTHBEARER, AUTH=XOAUTH2") as caught, session(server):  # fmt: skip  # noqa: E501
        pass
    assert caught.value.reason == "login"
    assert PASSWORD not in str(caught.value)
    assert not {"LOGIN", "AUTHENTICATE"} & set(server.log)


def test_login_that_is_disabled_beside_plain() -> None:
    """Then PLAIN it is."""
    server = Offering()
    server.words = "IMAP4rev1 LOGINDISABLED AUTH=PLAIN"
    with session(server) as one:
        assert one.connected
    assert "AUTHENTICATE" in server.log
    assert "LOGIN" not in server.log


def test_a_refused_login_tells_the_servers_words_and_no_secret() -> None:
    """Whoever logs in is named; the password is not."""
    with (
        pytest.raises(
            WireError, match=r"refuses the login of probe@faulty\.example: .*Authentication failed"
        ) as caught,
        session(FakeImap(password="another")),
    ):
        pass
    assert caught.value.reason == "login"
    assert PASSWORD not in repr(caught.value)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_over_tls(security: str, certificates: Certificates) -> None:
    """From the first byte or by STARTTLS, verified; the login goes through it."""
    context = certificates.good.context()
    server = FakeImap(tls=context) if security == "tls" else FakeImap(starttls=context)
    with session(server, security=security, ca_file=certificates.ca_file) as one:
        assert one.channel is not None
        assert one.channel.tls_version == "TLSv1.3"
        assert one.list_folders().folders
    assert ("STARTTLS" in server.log) == (security == "starttls")


class Injecting(FakeImap):
    """Puts words of a man in the middle into the packet that ends the plain part."""

    async def on_starttls(self, session: Session, tag: str, _arguments: list[Token]) -> None:
        """As FakeImap, and more."""
        await session.wire.send(
            f"{tag} OK begin TLS\r\n* CAPABILITY IMAP4rev1 X-EVIL LOGINDISABLED\r\n* BYE evil\r\n".encode()
        )
        assert self.starttls is not None
        await session.wire.start_tls(self.starttls)


def test_what_was_said_before_tls_counts_no_more(certificates: Certificates) -> None:
    """Bytes that came with the answer to STARTTLS are not read as if they came through TLS (RFC 9051, 6.2.1)."""
    server = Injecting(starttls=certificates.good.context())
    try:
        with session(server, security="starttls", ca_file=certificates.ca_file) as one:
            assert "X-EVIL" not in one.capabilities
    except WireError as error:
        assert error.reason == "tls"  # noqa: PT017 - to end the conversation is right, too


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [b'() "/" 007', b'() "/" "007"', (b'() "/" {3}', b"007")])
def test_a_name_of_digits_is_a_name(line: Any) -> None:
    """As an atom, too: neither a number, nor a number without its zeros."""
    folders, broken = read_list([line, b""] if isinstance(line, tuple) else [line])
    assert [(folder.raw, folder.name) for folder in folders] == [(b"007", "007")]
    assert broken == ()


@pytest.mark.parametrize("name", [b"007", b'"007"', b"INBOX", b'"a b"', b"0"])
def test_the_status_of_any_name(name: bytes) -> None:
    """By the raw name under which LIST has the folder."""
    found = read_status([name + b" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)"])
    assert found == {name.strip(b'"'): FolderStatus(1, 2, 3)}


def test_folders_of_digits_from_list_to_fetch() -> None:
    """Listed, with status, opened and read."""
    server = FakeImap([Folder("INBOX"), Folder("007"), Folder("2026")])
    server.folder("007").add(Message(MAIL))
    with session(server) as one:
        listing = one.list_folders()
        assert [folder.name for folder in listing.folders] == ["INBOX", "007", "2026"]
        assert listing.status[b"007"].messages == 1
        ((opened, (found,)),) = one.examine_each([(b"007", [b"UID FETCH 1 (UID BODY.PEEK[HEADER])"])])
        assert opened.ok
        assert read_fetch(found)[0].text.startswith(b"Subject: Hallo")


def test_literals_in_list() -> None:
    """A name that no quoted string could hold comes as a literal; the lines after it are whole."""
    answer = (
        b'* LIST (\\HasNoChildren) "/" {7}\r\na"b\\c d\r\n* LIST () "/" {4}\r\nx {3\r\n* LIST (\\Junk) NIL Spam\r\n'
    )
    with session(raw(FakeImap(capabilities=["IMAP4rev1"]), answer)) as one:
        listing = one.list_folders()
    assert [folder.raw for folder in listing.folders] == [b'a"b\\c d', b"x {3", b"Spam"]
    assert listing.folders[2].delimiter is None
    assert listing.broken == ()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"() ", 0), (b"", 0), (b'(\\Junk "/" Spam', 0), (b'() "/" ""', 0), (b'() "/"', 0), (b'() "/" NIL', 0),
        (b'() "/" Spam', 1), (b'() "/" Spam ("CHILDINFO" ("SUBSCRIBED"))', 1),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_read_costs_that_line(line: bytes, told: int) -> None:
    """The others are read, and the broken one is kept as it came: it might have been the folder that matters."""
    folders, broken = read_list([b'() "/" INBOX', line, b'(\\Trash) "/" Papierkorb'])
    assert [folder.name for folder in folders] == ["INBOX", *["Spam"] * told, "Papierkorb"]
    assert len(broken) == 1 - told


_NAMES = st.binary(min_size=1, max_size=40).filter(lambda name: not set(name) & set(b"\r\n\0"))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(_NAMES, st.booleans())
@example(b"NIL", False)
@example(b'"', True)
@example(b"{3}", False)
@example(b"(x)", False)
def test_every_name_comes_back_as_it_was(name: bytes, literal: bool) -> None:
    """Quoted or as a literal: what LIST says is byte for byte what the next command repeats."""
    data: list[Any] = [(b'() "/" {%d}' % len(name), name), b""] if literal else [b'() "/" ' + quoted(name)]
    folders, broken = read_list(data)
    assert broken == ()
    assert [folder.raw for folder in folders] == [name]
    assert isinstance(folders[0].name, str)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"INBOX.B&APw-cher", "INBOX.Bücher"),
        (b"A &- B", "A & B"),
        (b"&ZeVnLIqe-", "日本語"),
        ("Bücher".encode(), "Bücher"),
        ("Bücher".encode("latin-1"), "Bücher"),
        (b"A&B", "A&B"),
        (b"&!!!-", "&!!!-"),
    ],
)
def test_names_are_shown_as_people_know_them(name: bytes, shown: str) -> None:
    """Modified UTF-7, and what servers write instead of it."""
    assert folder_name(name) == shown


@pytest.mark.parametrize("name", [b"a\r\nb", b"a\nb", b"a\0b"])
def test_a_name_cannot_bring_a_command_in(name: bytes) -> None:
    """What only a literal could carry is refused, not sent."""
    with pytest.raises(WireError):
        quoted(name)


# -- how commands travel ----------------------------------------------------------------------------------------------


def test_many_commands_take_one_round_trip() -> None:
    """EXAMINE and what is asked there, for each of many folders, answered in order; a refusal spoils no other."""
    server = FakeImap([Folder(f"Ordner {number}") for number in range(50)])
    for number in range(50):
        for _ in range(number % 3):
            server.folder(f"Ordner {number}").add(Message(MAIL))
    with session(server) as one:
        assert one.channel is not None
        names = [b"Ordner %d" % number for number in range(50)]
        names.insert(7, b"gibt es nicht")
        before, commands = one.channel.traffic.round_trips, one.commands
        results = one.examine_each((name, [b"UID SEARCH ALL", b"NOOP"]) for name in names)
        assert one.commands - commands == 3 * 51
        assert one.channel.traffic.round_trips - before <= 2  # one, where nothing cut the answers in two
    refused, (search, noop) = results.pop(7)
    assert (refused.ok, search.ok, noop.ok) == (False, False, True)
    with pytest.raises(WireError, match="refuses SEARCH"):
        read_search(search)
    found = [len(read_search(search)) for _, (search, _) in results]
    assert found == [number % 3 for number in range(50)]


def test_more_commands_than_the_buffers_hold() -> None:
    """A thousand go out in batches; nobody waits for the other for ever."""
    with session(FakeImap()) as one:
        results = one.examine_each([(b"INBOX", [b"UID SEARCH ALL"])] * 500)
        assert all(opened.ok and search.ok for opened, (search,) in results)


def test_nothing_that_we_ask_marks_a_message() -> None:
    """EXAMINE, never SELECT; BODY.PEEK, never BODY."""
    server = FakeImap()
    server.folder("INBOX").add(Message(MAIL))
    with session(server) as one:
        one.list_folders()
        ((_, (found,)),) = one.examine_each([(b"INBOX", [b"UID FETCH 1:* (UID FLAGS BODY.PEEK[])"])])
        assert read_fetch(found)[0].text == MAIL
    assert server.marked_read == 0
    assert not any(line.startswith(("SELECT", "STORE", "UID STORE")) for line in server.log)


def test_idling_tells_of_new_mail_and_ends_within_the_next_question() -> None:
    """New mail is known without asking; DONE and the next commands leave together: one round trip."""
    server = FakeImap()
    with session(server) as one:
        assert one.channel is not None
        assert one.idle(b"INBOX")
        assert one.idling
        assert one.idle(b"INBOX")
        assert not one.pending()
        server.add("INBOX", MAIL)
        wait_until(one.pending, seconds=5, what="the server to tell")
        before = one.channel.traffic.round_trips
        listing = one.list_folders()
        assert not one.idling
        assert listing.status[b"INBOX"].messages == 1
        assert one.channel.traffic.round_trips - before <= 2
        assert one.idle(b"INBOX")
        assert not one.pending()
    assert server.log.count("EXAMINE INBOX") >= 1


def test_a_server_that_refuses_to_idle_is_asked_once() -> None:
    """It is polled then; the session goes on."""

    class Refusing(FakeImap):
        async def on_idle(self, session: Session, tag: str, _arguments: list[Token]) -> None:
            await session.say(f"{tag} NO not today")

    server = Refusing()
    with session(server) as one:
        assert not one.idle(b"INBOX")
        assert not one.idle(b"INBOX")
        assert one.list_folders().folders
    assert server.log.count("IDLE") == 1


def test_a_connection_that_ends_while_idling_is_noticed() -> None:
    """Something waits to be read, and reading it tells what: no endless sleep, no busy loop."""
    server = FakeImap()
    with server:
        one = ImapSession(mailbox(server))
        one.connect()
        assert one.idle(b"INBOX")
        server.stop()
        wait_until(one.pending, seconds=5, what="the end of the connection")
        with pytest.raises(WireError, match="closed the connection"):
            one.list_folders()
        assert not one.connected
        with pytest.raises(WireError, match="no connection"):
            one.list_folders()
        one.close()


def test_a_server_without_list_status_is_asked_folder_by_folder() -> None:
    """In one round trip all the same; a folder that refuses is left out."""
    server = FakeImap(capabilities=[name for name in CAPABILITIES if name not in ("LIST-STATUS", "LIST-EXTENDED")])
    with session(server) as one:
        assert one.channel is not None
        assert not one.lists_status
        before = one.channel.traffic.round_trips
        listing = one.list_folders(also=[b"INBOX", b"Spamverdacht", b"gibt es nicht"])
        assert one.channel.traffic.round_trips - before <= 2
        assert set(listing.status) == {b"INBOX", b"Spamverdacht"}
        assert set(one.status([b"INBOX", b"gibt es nicht"])) == {b"INBOX"}
        assert one.status([]) == {}


# -- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "found"),
    [([b"1 2 3"], [1, 2, 3]), ([b"1", b"7 5"], [1, 7, 5]), ([None], []), ([b""], []), ([], [])],
)
def test_numbers_of_a_search(lines: list[Any], found: list[int]) -> None:
    """On one line, on several, or none."""
    assert read_search(Answer("OK", "", {"SEARCH": lines})) == found


def test_an_answer_to_search_that_is_none() -> None:
    """Nonsense is an error, never "not found"."""
    with pytest.raises(WireError, match="no list of numbers"):
        read_search(Answer("OK", "", {"SEARCH": [b"1 x 3"]}))
    with pytest.raises(WireError, match="refuses SEARCH: NO try later"):
        read_search(Answer("NO", "try later"))
    with pytest.raises(WireError, match="refuses FETCH"):
        read_fetch(Answer("BAD", "what?"))
