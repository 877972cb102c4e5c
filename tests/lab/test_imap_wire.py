"""What goes over the wire: pipelining, literals, IDLE, TLS, and what happens to those who break the rules."""

import ssl
import threading
import time

import imapclient
import pytest
from imapclient.exceptions import LoginError

from tests.lab.clients import Raw, build, imap, raw_imap, send, sign, trust
from toolkit.lab.hooks import Moment
from toolkit.lab.host import MailboxSpec
from toolkit.lab.world import Mailbox, World


def test_commands_in_one_packet_are_done_in_order(lab: World, box: Mailbox) -> None:
    """Five commands, one packet, five answers; the counters see one piece."""
    box.deliver(build())
    with raw_imap(lab, box.name) as client:
        packets = box.counters().packets
        client.send(
            b'a1 NOOP\r\na2 LIST "" "*"\r\na3 EXAMINE INBOX\r\na4 UID SEARCH ALL\r\na5 UID FETCH 1:* (FLAGS)\r\n'
        )
        lines = client.until(b"a5 ")
        counters = box.counters()
    tagged = [line[:5] for line in lines if not line.startswith(b"*")]
    assert tagged == [b"a1 OK", b"a2 OK", b"a3 OK", b"a4 OK", b"a5 OK"]
    assert b"* SEARCH 1" in lines
    assert counters.packets - packets == 1
    assert counters.commands["UID SEARCH"] == counters.commands["EXAMINE"] == 1


def test_a_search_after_a_select_that_fails_is_refused(lab: World, box: Mailbox) -> None:
    """A pipelined SELECT and SEARCH never answer for the folder before."""
    with raw_imap(lab, box.name) as client:
        client.send(b"a EXAMINE INBOX\r\nb EXAMINE Nirgends\r\nc UID SEARCH ALL\r\n")
        lines = client.until(b"c ")
    assert [line[:4] for line in lines if not line.startswith(b"*")] == [b"a OK", b"b NO", b"c BA"]


def test_idle_pushes_a_new_message_and_its_end_may_be_followed_by_commands(lab: World, box: Mailbox) -> None:
    """The push comes without a question; DONE and two commands go in one packet."""
    with raw_imap(lab, box.name) as client:
        client.ask("a", "SELECT INBOX")
        client.send(b"b IDLE\r\n")
        assert client.line() == b"+ idling"
        before = time.monotonic()
        assert send(lab, sign(build(box.address)), box.address)[0] == 250
        assert client.line() == b"* 1 EXISTS"
        assert time.monotonic() - before < 2
        assert client.line() == b"* 1 RECENT"
        client.send(b"DONE\r\nc UID SEARCH ALL\r\nd NOOP\r\n")
        assert client.until(b"d ") == [b"b OK Idle ended", b"* SEARCH 1", b"c OK Completed", b"d OK Completed"]


def test_idle_pushes_flags_and_removals(lab: World, box: Mailbox) -> None:
    """What another client does is seen at once, through a real client too."""
    box.deliver(build())
    with imap(lab, box.name) as idle, imap(lab, box.name) as other:
        idle.select_folder("INBOX", readonly=True)
        other.select_folder("INBOX")
        idle.idle()
        other.add_flags([1], [b"\\Flagged"])
        assert idle.idle_check(timeout=3)[0][:2] == (1, b"FETCH")
        other.delete_messages([1])
        other.expunge()
        seen = []
        deadline = time.monotonic() + 3
        while (1, b"EXPUNGE") not in seen and time.monotonic() < deadline:
            seen += idle.idle_check(timeout=0.2)
        assert (1, b"EXPUNGE") in seen
        idle.idle_done()


def test_idle_without_done_is_an_error(lab: World, box: Mailbox) -> None:
    """A client that forgets DONE hears BAD, and can go on."""
    with raw_imap(lab, box.name) as client:
        client.send(b"a IDLE\r\n")
        client.line()
        client.send(b"b NOOP\r\n")
        assert client.line() == b"a BAD expected DONE"
        assert client.ask("c", "NOOP")[-1].startswith(b"c OK")


def test_literals_wait_or_do_not_as_they_are_announced(lab: World, box: Mailbox) -> None:
    """{n} waits for the continuation, {n+} does not, where LITERAL+ is offered."""
    raw = build()
    with raw_imap(lab, box.name, login=False) as client:
        client.send(b"a LOGIN {%d+}\r\n" % len(box.username) + box.username.encode() + b" {12}\r\n")
        assert client.line() == b"+ OK"
        client.send(b"lab password\r\n")
        assert client.line().startswith(b"a OK")
        client.send(b"b APPEND INBOX (\\Seen) {%d+}\r\n" % len(raw) + raw + b"\r\nc NOOP\r\n")
        assert client.line().startswith(b"b OK [APPENDUID")
        assert client.line().startswith(b"c OK")
    assert box.messages("INBOX")[0].raw == raw


def test_a_big_literal_without_waiting_is_refused_where_only_literal_minus_is_offered(
    lab: World, gmail: Mailbox
) -> None:
    """RFC 7888: 4096 bytes at the most. The connection ends, since the bytes come anyway."""
    with raw_imap(lab, gmail.name) as client:
        client.send(b"a APPEND INBOX {4097+}\r\n" + b"x" * 4097 + b"\r\n")
        assert client.line().startswith(b"a BAD")
        assert client.line() == b""


@pytest.mark.parametrize(
    "command",
    [
        b"a LOGIN {999999999}\r\n",
        b"a APPEND INBOX {99999999999}\r\n",
        b"a SELECT {8193}\r\n",
    ],
)
def test_literals_are_bounded(lab: World, box: Mailbox, command: bytes) -> None:
    """Nobody makes the server hold a gigabyte."""
    with raw_imap(lab, box.name) as client:
        client.send(command)
        assert client.line()[:4] in (b"a NO", b"a BA")
        client.send(b"b NOOP\r\n")
        assert client.line().startswith(b"b OK")


@pytest.mark.parametrize(
    "command",
    [
        "FETCH 1 (FLAGS",
        "FETCH 0 FLAGS EXTRA",
        "FETCH 1 (NOSUCHITEM)",
        "FETCH 99 FLAGS",
        "FETCH 1 BODY[1.",
        "FETCH 1 BODY[]<0>",
        "SEARCH",
        "SEARCH SINCE gestern",
        "SEARCH " + "NOT " * 80 + "ALL",
        "SEARCH " + "(" * 80 + "ALL" + ")" * 80,
        "STORE 1 FLAGS",
        "STORE 1 COLOURS (red)",
        "UID",
        "UID NOOP",
        "UID FETCH",
        "SELECT",
        "SELECT &AA-",
        "STATUS INBOX ()",
        "STATUS INBOX (NOTHING)",
        "LIST",
        "NOOP extra",
        "APPEND INBOX notaliteral",
        "XYZZY",
        "ID (name)",
        "LOGIN again again",
    ],
)
def test_what_breaks_the_grammar_is_bad_and_the_session_goes_on(lab: World, box: Mailbox, command: str) -> None:
    """BAD with the command's tag, and the next command is answered."""
    box.deliver(build())
    with raw_imap(lab, box.name) as client:
        client.ask("s", "SELECT INBOX")
        assert client.ask("a", command)[-1].startswith(b"a BAD")
        assert client.ask("b", "NOOP")[-1].startswith(b"b OK")


def test_rubbish_without_a_tag_and_endless_lines(lab: World, box: Mailbox) -> None:
    """Lines are bounded, and a client that never makes sense is left in the end."""
    with raw_imap(lab, box.name) as client:
        client.send(b"\x00\xff\r\n")
        assert client.line() == b"* BAD Unknown command"
        client.send(b"a SEARCH " + b"x" * 200_000 + b"\r\n")
        assert client.line() == b"* BAD Command line too long"
        client.send(b"\r\n" * 60)
        assert client.until(b"* BYE")[-1].startswith(b"* BYE")
        assert client.line() == b""


@pytest.mark.parametrize("command", ["SELECT INBOX", 'LIST "" "*"', "UID FETCH 1 FLAGS", "IDLE", "CLOSE"])
def test_nothing_is_done_before_the_login(lab: World, box: Mailbox, command: str) -> None:
    """No command but those of the first state."""
    with raw_imap(lab, box.name, login=False) as client:
        assert client.ask("a", command)[-1].startswith(b"a BAD")
        assert client.ask("b", "CAPABILITY")[-1].startswith(b"b OK")


def test_text_injected_before_starttls_is_thrown_away(everything: World) -> None:
    """A command that came in clear behind STARTTLS is never done (RFC 9051, section 6.2.1)."""
    client = Raw(everything.mailbox("gmx-1").port)
    try:
        client.line()
        client.send(b"a STARTTLS\r\nb LOGIN evil evil\r\n")
        assert client.line().startswith(b"a OK")
        client.socket = trust(everything).wrap_socket(client.socket, server_hostname="127.0.0.1")
        assert client.ask("c", "NOOP") == [b"c OK Completed"]
    finally:
        client.close()


def test_the_certificate_is_verified_against_the_labs_authority_alone(everything: World, lab: World) -> None:
    """A client without the CA file refuses, and a foreign certificate is refused with it."""
    port = everything.mailbox("gmail-1").port
    with pytest.raises(ssl.SSLCertVerificationError):
        imapclient.IMAPClient("127.0.0.1", port, timeout=5)
    box = lab.add_mailbox(MailboxSpec("foreign", "hoster", "foreign@hoster.example"))
    box.imap(foreign_certificate=True)
    with pytest.raises(ssl.SSLCertVerificationError):
        imapclient.IMAPClient("127.0.0.1", box.port, ssl_context=trust(lab), timeout=5)


# behaviour that is faulty on purpose


def test_a_dead_server_accepts_and_never_says_a_word(everything: World) -> None:
    """The client's time-out is all that ends it."""
    client = Raw(everything.mailbox("dead-1").port)
    client.socket = trust(everything).wrap_socket(client.socket, server_hostname="127.0.0.1")
    client.socket.settimeout(0.1)
    try:
        with pytest.raises(TimeoutError):
            client.line()
    finally:
        client.close()


def test_a_server_can_go_silent_while_a_client_is_connected(lab: World, box: Mailbox) -> None:
    """The next command gets no answer."""
    with raw_imap(lab, box.name) as client:
        box.imap(silent=True)
        client.send(b"a NOOP\r\n")
        client.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.line()


def test_closing_after_the_greeting(box: Mailbox) -> None:
    """The connection is gone before a login."""
    box.imap(close_after_greeting=True)
    client = Raw(box.port)
    assert client.line().startswith(b"* OK")
    assert client.line() == b""
    client.close()


def test_a_login_that_is_refused_for_all(box: Mailbox) -> None:
    """IMAP switched off in the web mailer, say."""
    box.imap(reject_login="IMAP access is disabled for your domain")
    with imap_plain(box) as client, pytest.raises(LoginError, match="IMAP access is disabled"):
        client.login(box.username, box.secret)


def imap_plain(box: Mailbox) -> imapclient.IMAPClient:
    """A client without TLS, not logged in."""
    return imapclient.IMAPClient("127.0.0.1", box.port, ssl=False, timeout=5)


def test_a_connection_that_breaks_in_the_middle_of_a_fetch(lab: World, box: Mailbox) -> None:
    """Half a literal, then nothing."""
    uid = box.deliver(build(text="x" * 500))
    box.imap(drop_in_fetch=200)
    with raw_imap(lab, box.name) as client:
        client.ask("s", "EXAMINE INBOX")
        client.send(f"a UID FETCH {uid} BODY.PEEK[]\r\n".encode())
        assert b"BODY[] {" in client.line()
        assert client.until(b"a ")[-1] == b""


def test_a_flood_a_malformed_list_and_a_bye_without_text(lab: World, box: Mailbox) -> None:
    """Each is what some server did once."""
    with raw_imap(lab, box.name) as client:
        box.imap(malformed_list=True)
        assert client.ask("a", 'LIST "" "*"')[0].count(b"(") > client.ask("b", 'LIST "" "*"')[0].count(b")")
        box.imap(malformed_list=False, flood=True)
        client.send(b"c NOOP\r\n")
        size = sum(len(client.line()) for _ in range(500))
        assert size > 100_000
        box.imap(flood=False, bye="")
        client.send(b"d NOOP\r\n")
        assert client.until(b"* BYE")[-1] == b"* BYE"


def test_a_terse_server_leaves_the_text_out(everything: World, box: Mailbox) -> None:
    """ICloud says `* BYE` and no more; a server that leaves the text out everywhere breaks strict parsers."""
    with imap(everything, "icloud-1") as client:
        assert client.logout() == b""
    box.imap(terse_bye=True, terse_ok=True)
    with raw_imap(box._world, box.name) as raw:
        assert raw.ask("a", "NOOP") == [b"a OK"]
        assert raw.ask("b", "LOGOUT") == [b"* BYE", b"b OK"]


def test_a_slow_server(lab: World, box: Mailbox) -> None:
    """Every answer waits."""
    with raw_imap(lab, box.name) as client:
        box.imap(delay=0.1)
        before = time.monotonic()
        client.ask("a", "NOOP")
        assert time.monotonic() - before >= 0.1


def test_hooks_on_commands(lab: World, box: Mailbox) -> None:
    """A test can watch, answer in the server's place, or break the connection at a certain command."""
    seen: list[Moment] = []

    def hook(moment: Moment) -> str | None:
        if moment.mailbox != box.name:
            return None
        seen.append(moment)
        return {"STATUS": "NO [LIMIT] slow down", "CHECK": "drop"}.get(moment.command)

    off = lab.on("imap.command", hook)
    with raw_imap(lab, box.name) as client:
        assert client.ask("a", "STATUS INBOX (MESSAGES)") == [b"a NO [LIMIT] slow down"]
        client.ask("b", "SELECT INBOX")
        client.send(b"c CHECK\r\n")
        assert client.line() == b""
    off()
    assert [moment.command for moment in seen] == ["LOGIN", "STATUS", "SELECT", "CHECK"]


def test_changes_from_other_threads_reach_an_idling_client(lab: World, box: Mailbox) -> None:
    """The API may be called from any thread while clients are served."""
    with raw_imap(lab, box.name) as client:
        client.ask("a", "SELECT INBOX")
        client.send(b"b IDLE\r\n")
        client.line()
        threads = [threading.Thread(target=lambda: box.deliver(build())) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.until(b"* 5 EXISTS")[-1] == b"* 5 EXISTS"


def test_a_client_that_vanishes_leaves_nothing_behind(lab: World, box: Mailbox) -> None:
    """No session, no watcher of the folder."""
    with raw_imap(lab, box.name) as client:
        client.ask("a", "SELECT INBOX")
        client.send(b"b IDLE\r\n")
        client.line()
    host = lab.hosts[box.name]
    deadline = time.monotonic() + 3
    while lab.call(lambda: len(host.imap.sessions)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert lab.call(lambda: len(host.imap.sessions)) == 0
    assert lab.call(lambda: len(host.account.find("INBOX").watchers)) == 0


def test_many_clients_at_once(box: Mailbox) -> None:
    """Thirty sessions on one mailbox: nobody waits for nobody, and the counters know how many there were."""
    box.deliver(build())
    clients = [imap_plain(box) for _ in range(30)]
    for client in clients:
        client.login(box.username, box.secret)
        assert client.select_folder("INBOX", readonly=True)[b"EXISTS"] == 1
    for client in clients:
        client.logout()
    counters = box.counters()
    assert (counters.connections, counters.logins) == (30, 30)
    assert counters.most_at_once == 30


def test_one_session_too_many_is_sent_away(box: Mailbox) -> None:
    """A provider's limit of connections: the next one hears BYE, and after a LOGOUT there is room again."""
    box.imap(most_sessions=1)
    with imap_plain(box) as first:
        extra = Raw(box.port)
        assert extra.line().startswith(b"* BYE [ALERT] Too many simultaneous connections")
        extra.close()
        first.login(box.username, box.secret)
    deadline = time.monotonic() + 3
    while box._world.call(lambda: len(box._host.imap.sessions)) and time.monotonic() < deadline:
        time.sleep(0.01)
    with imap_plain(box) as again:
        again.login(box.username, box.secret)
