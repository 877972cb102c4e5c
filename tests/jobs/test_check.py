"""What `mailwhy check` tells of each thing, and the exit status that a script gets."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import dns.rcode
import pytest

from jobs import check_items
from jobs.check import run
from jobs.check_items import Usable
from tests.jobs.scripted import imap, serving, silence, smtp
from tests.wire.nameserver import reply
from tests.wire.nameserver import serving as nameserver
from toolkit.config.load import load_settings
from toolkit.config.settings import Settings
from toolkit.lab.certs import authority

_FOLDERS = ('() "/" "INBOX"', '(\\Junk) "/" "Spamverdacht"', '(\\Trash) "/" "Gel&APY-scht"', '() "/" "Kunden"')


@pytest.fixture(autouse=True)
def _no_system_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks a name server that it did not start."""
    monkeypatch.setattr(check_items, "system_nameservers", tuple)


def settings(folder: Path, text: str) -> Settings:
    """Settings from a file in `folder`."""
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return load_settings(path)


def inbox(port: int, more: str = "", provider: str = "gmx", security: str = "none", name: str = "gmx-1") -> str:
    """An inbox on loopback."""
    return f"""
    [[inbox]]
    name = "{name}"
    provider = "{provider}"
    address = "probe1@gmx.example"
    host = "127.0.0.1"
    port = {port}
    security = "{security}"
    username = "probe1@gmx.example"
    password = {{ value = "top-secret" }}
    {more}
    """


def route(port: int, more: str = "") -> str:
    """A route on loopback."""
    return f"""
    [[route]]
    name = "main"
    host = "127.0.0.1"
    port = {port}
    security = "none"
    {more}
    """


def resolver(port: int) -> str:
    """A name server on loopback, and a short patience."""
    return f'[dns]\nnameservers = ["127.0.0.1:{port}"]\ntimeout = "300ms"\n[sender]\ndomains = ["belmont.example"]\n'


STREAM = """
[[stream]]
name = "reminder"
kind = "transactional"
from = "termine@belmont.example"
subject = "Ihr Termin"
text = "Guten Tag"
"""


def document(capsys: pytest.CaptureFixture[str], loaded: Settings, **options: Any) -> tuple[int, dict[str, Any]]:
    """The exit status, and the document's items by "kind name"."""
    status = run(loaded, as_json=True, **options)
    printed = json.loads(capsys.readouterr().out)
    assert printed["schema"] == "mailwhy/check/1"
    for item in printed["items"]:
        assert set(item) == {"kind", "name", "verdict", "summary", "detail", "advice"}
    return status, {f"{item['kind']} {item['name']}": item for item in printed["items"]}


def test_all_that_is_usable_is_told_with_status_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each thing, and what a probe will find there. The mailbox is only read, no mail is sent."""
    commands: list[str] = []
    verbs: list[str] = []
    features = "IMAP4rev1 IDLE LIST-STATUS LIST-EXTENDED SPECIAL-USE"
    with (
        nameserver(lambda question, _: reply(question, rcode=dns.rcode.NXDOMAIN)) as dns_server,
        serving(imap(_FOLDERS, capabilities=features, log=commands)) as imap_port,
        serving(smtp(log=verbs)) as smtp_port,
    ):
        login = 'username = "probe"\npassword = { value = "top-secret" }'
        collect = inbox(imap_port).replace("[[inbox]]", "[[collect]]").replace('provider = "gmx"', "")
        loaded = settings(
            tmp_path,
            resolver(dns_server.port) + STREAM + route(smtp_port, login) + inbox(imap_port, provider="webde") + collect,
        )
        status, items = document(capsys, loaded, path=tmp_path / "config.toml")
    assert {name: item["verdict"] for name, item in items.items()} == {
        f"configuration {tmp_path}/config.toml": "pass",
        "store store": "pass",
        f"resolver 127.0.0.1:{dns_server.port}": "pass",
        "stream reminder": "pass",
        "route main": "pass",
        "inbox gmx-1": "pass",
        "collect gmx-1": "pass",
    }
    assert status == 0
    assert items["route main"]["summary"] == "no TLS, logged in as probe"
    assert items["inbox gmx-1"]["summary"] == "no TLS, logged in, 4 folders"
    assert 'spam: "Spamverdacht", trash: "Gelöscht"; IDLE, LIST-STATUS' in items["inbox gmx-1"]["detail"]
    assert verbs == ["EHLO", "AUTH", "QUIT"]
    assert {command.split(" ")[0] for command in commands} <= {"CAPABILITY", "LOGIN", "LIST", "EXAMINE", "LOGOUT", "ID"}


@pytest.mark.parametrize(
    ("talk", "provider", "told"),
    [
        (imap([], login="NO [AUTHENTICATIONFAILED] wrong"), "gmx", ("not usable: login", "POP3/IMAP Abruf")),
        (imap([], login="NO [AUTHENTICATIONFAILED] wrong"), "generic", ("not usable: login", "username and password")),
        (
            imap([], capabilities="IMAP4rev1 LOGINDISABLED AUTH=XOAUTH2"),
            "outlook",
            ("not usable: login", "OAuth 2 only"),
        ),
        (imap(['() "/" "Kunden"']), "gmx", ("logged in, but: no folder is an inbox", "folders.inbox")),
        (imap(_FOLDERS, examine="NO quota"), "gmx", ("logged in, but: quota", "no inbox that may be read")),
        (lambda _read, write: write("* BYE go away"), "gmx", ("not usable: said-no", "The server's own words")),
        (lambda _read, write: write("HTTP/1.1 400 Bad Request"), "gmx", ("not usable: protocol", "expected protocol")),
    ],
    ids=["login", "login elsewhere", "LOGINDISABLED", "no inbox", "inbox barred", "BYE", "not IMAP"],
)
def test_a_mailbox_that_cannot_be_read_is_told_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], talk: Any, provider: str, told: tuple[str, str]
) -> None:
    """Status 1, the server's words in the detail, and what that provider wants. No password is shown."""
    with serving(talk) as port:
        status = run(settings(tmp_path, inbox(port, provider=provider)), as_json=True)
    printed = capsys.readouterr().out
    item = next(item for item in json.loads(printed)["items"] if item["kind"] == "inbox")
    assert status == 1
    assert (item["verdict"], item["summary"]) == ("fail", told[0])
    assert told[1] in item["advice"]
    assert "top-secret" not in printed


@pytest.mark.parametrize(
    ("folders", "more", "told"),
    [
        (_FOLDERS[:1], "", ("no spam folder found", 'folders = { spam = "…" }')),
        (_FOLDERS, 'folders = { spam = "Junk" }', ('folders.spam = "Junk" matches nothing', '"Spamverdacht"')),
    ],
    ids=["no spam folder", "configured folder"],
)
def test_folders_that_would_mislead_a_probe_are_warned_of(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    folders: tuple[str, ...],
    more: str,
    told: tuple[str, str],
) -> None:
    """The mailbox is usable, status 0, but some verdict would be wrong or unknown."""
    with serving(imap(folders)) as port, nameserver(lambda question, _: reply(question)) as server:
        status, items = document(capsys, settings(tmp_path, resolver(server.port) + inbox(port, more)))
    item = items["inbox gmx-1"]
    assert (status, item["verdict"]) == (0, "warn")
    assert told[0] in item["summary"]
    assert told[1] in item["advice"]


def test_gmail_without_all_mail_and_an_unknown_provider_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gmail's extension is known by what the server can, not by its name."""
    folders = ('() "/" "INBOX"', '(\\Junk) "/" "[Gmail]/Spam"')
    with serving(imap(folders, capabilities="IMAP4rev1 X-GM-EXT-1")) as port:
        _, items = document(capsys, settings(tmp_path, inbox(port, provider="gmial")))
    item = items["inbox gmx-1"]
    assert item["verdict"] == "warn"
    assert "All Mail is not listed" in item["summary"]
    assert 'provider "gmial" is not known' in item["summary"]
    assert "Gmail's extension" in item["detail"]


def test_a_certificate_of_an_unknown_authority_asks_for_ca_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And with it the same mailbox is usable, over TLS."""
    (tmp_path / "ca.pem").write_text(authority("mailwhy test CA").ca_pem)
    with serving(imap(_FOLDERS), tls=authority("mailwhy test CA").server_context()) as port:
        text = inbox(port, security="tls") + inbox(port, 'ca_file = "ca.pem"', security="tls", name="trusted")
        status, items = document(capsys, settings(tmp_path, text))
    assert status == 1
    assert items["inbox gmx-1"]["summary"] == "not usable: tls"
    assert "ca_file" in items["inbox gmx-1"]["advice"]
    assert items["inbox trusted"]["summary"].startswith("TLSv1.3, logged in")


@pytest.mark.parametrize(
    ("talk", "more", "words"),
    [
        (smtp(auth="535 5.7.8 wrong"), 'username = "u"\npassword = { value = "top-secret" }', "535 5.7.8 wrong"),
        (smtp(greeting="554 5.7.1 go away"), "", "554 5.7.1 go away"),
        (smtp(), 'username = "u"\npassword = { env = "MAILWHY_TEST_UNSET" }', "MAILWHY_TEST_UNSET is not set"),
    ],
    ids=["login", "greeting", "secret"],
)
def test_a_route_that_takes_no_mail_shows_the_servers_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], talk: Any, more: str, words: str
) -> None:
    """With advice beside them."""
    with serving(talk) as port:
        status, items = document(capsys, settings(tmp_path, route(port, more)))
    assert (status, items["route main"]["verdict"]) == (1, "fail")
    assert words in items["route main"]["detail"]
    assert items["route main"]["advice"]


@pytest.mark.parametrize(
    ("rcode", "verdict", "words"),
    [
        (dns.rcode.REFUSED, "fail", "allow recursion"),
        (dns.rcode.SERVFAIL, "unknown", "could not find out"),
        (None, "fail", "firewall"),
    ],
    ids=["REFUSED", "SERVFAIL", "silence"],
)
def test_a_resolver_that_gives_no_answer_is_told_apart_by_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rcode: int | None, verdict: str, words: str
) -> None:
    """Each has another remedy."""
    with nameserver(lambda question, _: None if rcode is None else reply(question, rcode=rcode)) as server:
        status, items = document(capsys, settings(tmp_path, resolver(server.port)))
    item = items[f"resolver 127.0.0.1:{server.port}"]
    assert (status, item["verdict"]) == (1, verdict)
    assert words in item["advice"]


def test_a_public_resolver_is_warned_of(tmp_path: Path) -> None:
    """Block lists do not answer questions that come through it."""
    with nameserver(lambda question, _: reply(question)) as server:
        item = check_items.check_resolver(settings(tmp_path, ""), "8.8.8.8", server.name)
    assert item.verdict is Usable.WARN
    assert "Google Public DNS" in item.summary


def test_a_stream_that_cannot_be_sent_is_told_before_it_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its key is tried; a marketing stream without one-click unsubscription is warned of."""
    key = 'dkim = { selector = "s1", domain = "belmont.example", key = { value = "top-secret" } }\n'
    other = STREAM.replace('"reminder"', '"news"').replace('"transactional"', '"marketing"')
    status, items = document(capsys, settings(tmp_path, STREAM + key + other))
    assert status == 1
    assert items["stream reminder"]["verdict"] == "fail"
    assert "dkim.key" in items["stream reminder"]["summary"]
    assert items["stream news"]["verdict"] == "warn"
    assert "RFC 8058" in items["stream news"]["advice"]


def test_a_store_that_cannot_be_opened_is_told_without_its_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder where the file should be, or a server that is not there."""
    (tmp_path / "mailwhy.db").mkdir()
    _, items = document(capsys, settings(tmp_path, ""))
    assert items["store store"]["verdict"] == "fail"
    url = "postgresql+psycopg://user:hunter2@127.0.0.1:1/d?connect_timeout=2"
    status, items = document(capsys, settings(tmp_path, f'[store]\nurl = "{url}"\n'))
    assert (status, items["store store"]["verdict"]) == (1, "fail")
    assert "hunter2" not in json.dumps(items)


def test_keys_of_block_lists_that_are_not_there_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the list that wants them."""
    text = '[reputation.keys]\n"zen.spamhaus.org" = { env = "MAILWHY_TEST_UNSET" }\n'
    _, items = document(capsys, settings(tmp_path, text))
    assert items["reputation keys"]["verdict"] == "fail"
    assert "zen.spamhaus.org" in items["reputation keys"]["summary"]


def test_one_that_hangs_holds_up_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After the time for everything it is given up as unknown; all others have their results."""
    with serving(silence) as mute, serving(imap(_FOLDERS)) as sound:
        text = inbox(mute, name="mute") + inbox(sound, name="sound")
        started = time.monotonic()
        status, items = document(capsys, settings(tmp_path, text), budget=2.0)
        assert time.monotonic() - started < 5
    assert status == 1
    assert items["inbox mute"]["verdict"] == "unknown"
    assert items["inbox mute"]["summary"] == "no result within 2 s"
    assert items["inbox sound"]["verdict"] == "pass"


def test_a_server_that_says_nothing_fails_in_its_own_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the time-out of the configuration where that is the shorter one."""
    with serving(silence) as port:
        _, items = document(capsys, settings(tmp_path, inbox(port, 'timeout = "300ms"')))
    assert items["inbox gmx-1"]["summary"] == "not usable: timeout"
    assert "993 and 465" in items["inbox gmx-1"]["advice"]


def test_everything_is_tried_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten mailboxes that all wait for each other get through only if none waits for its turn."""
    barrier = threading.Barrier(10, timeout=10)
    inner = imap(_FOLDERS)

    def talk(read: Any, write: Any) -> None:
        barrier.wait()
        inner(read, write)

    with serving(talk) as port:
        text = "".join(inbox(port, name=f"box-{number}") for number in range(10))
        _, items = document(capsys, settings(tmp_path, text))
    assert {item["verdict"] for name, item in items.items() if name.startswith("inbox")} == {"pass"}


def test_a_fault_of_a_check_spoils_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as unknown, and says whose fault it is."""

    def broken(_url: str) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(check_items, "check_store", broken)
    status, items = document(capsys, settings(tmp_path, STREAM))
    assert (status, items["store store"]["verdict"]) == (1, "unknown")
    assert "ZeroDivisionError" in items["store store"]["summary"]
    assert items["stream reminder"]["verdict"] == "pass"


def test_the_terminal_shows_a_symbol_and_a_word_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each thing, advice below what needs it, the sum at the end; progress goes elsewhere."""
    hostile = "NO [AUTHENTICATIONFAILED] \x1b[31m[bold]wrong"
    with serving(imap([], login=hostile)) as bad, serving(imap(_FOLDERS)) as good:
        text = inbox(bad, name="bad") + inbox(good, name="good")
        status = run(settings(tmp_path, text), as_json=False)
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert status == 1
    assert any(line.startswith("✕ fail    inbox bad: not usable: login") for line in lines)
    assert any(line.startswith("✓ pass    inbox good: no TLS, logged in, 4 folders") for line in lines)
    assert "→ IMAP must be permitted once" in printed.out
    assert "[bold]wrong" in printed.out
    assert "\x1b" not in printed.out
    assert lines[-1].endswith(" usable")
    assert printed.err.startswith("checking ")
