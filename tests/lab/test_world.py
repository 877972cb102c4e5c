"""A world starts, describes itself in a configuration that holds, and leaves nothing behind."""

import email
import socket
import stat
import threading
import time
import tomllib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.lab.clients import BOUNCES, build, imap, send, sign, unique_id
from toolkit.config.settings import Settings
from toolkit.lab.hooks import Moment
from toolkit.lab.host import MailboxSpec
from toolkit.lab.scenery import scenery
from toolkit.lab.world import World


def _stream(name: str) -> dict[str, str]:
    return next(stream for stream in scenery().streams if stream["name"] == name)


@pytest.mark.parametrize("profile", ["demo", "full", "small", "bare"])
def test_the_written_configuration_validates(profile: str, tmp_path: Path) -> None:
    """`mailwhy -c` of that file finds no fault: every route, inbox, key and CA file is there."""
    with World.start(profile) as world:
        config = world.write_config(tmp_path / "lab")
    table = tomllib.loads(config.read_text(encoding="utf-8"))
    settings = Settings.model_validate(table)
    assert {stream.name for stream in settings.stream} == {"reminder", "newsletter", "invoice"}
    assert settings.dns.nameservers[0].startswith("127.0.0.1:")
    assert [box.address for box in settings.collect] == [BOUNCES]
    for server in (*settings.inbox, *settings.route, *settings.collect):
        assert server.ca_file is None or (config.parent / server.ca_file).exists()
        assert (server.security == "none") == (server.ca_file is None)
    for stream in settings.stream:
        assert stream.dkim is not None
        key = config.parent / stream.dkim.key.place
        assert "PRIVATE KEY" in key.read_text(encoding="ascii")
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_demo_has_all_the_situations(tmp_path: Path) -> None:
    """TLS, STARTTLS, OAuth, rules, and every verdict that a probe can give are in the demo's world."""
    with World.start("demo") as world:
        table = tomllib.loads(world.write_config(tmp_path).read_text(encoding="utf-8"))
    inboxes = table["inbox"]
    assert {inbox["security"] for inbox in inboxes} == {"tls", "starttls"}
    assert any("oauth" in inbox for inbox in inboxes)
    assert {inbox["role"] for inbox in inboxes} == {"control", "rules"}
    verdicts = {verdict for mailbox in scenery().mailboxes for verdict in mailbox.get("expect", {}).values()}
    assert verdicts == {"inbox", "tab", "spam", "folder", "archive", "trash", "refused", "missing", "unreadable"}


def test_a_start_takes_well_under_a_second_and_a_stop_leaves_nothing(tmp_path: Path) -> None:
    """Ports are free again, the thread is gone, and a second stop does no harm."""
    before = time.perf_counter()
    world = World.start("demo")
    assert time.perf_counter() - before < 2.0  # 0.1 to 0.3 s on two busy cores
    port = world.mailbox("gmx-1").port
    world.stop()
    world.stop()
    assert not any(thread.name == "mailwhy-lab" and thread is world._thread for thread in threading.enumerate())
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", port))
    with pytest.raises(RuntimeError, match="stopped"):
        world.call(lambda: None)
    assert not list(tmp_path.iterdir())


_ANSWERS_AT_ONCE = [
    mailbox["name"]
    for mailbox in scenery().mailboxes
    if mailbox.get("in_config", "inbox") == "inbox" and mailbox["name"] not in ("greylist-1", "slow-1")
]
_ROLES = {"folder": ("unknown", ""), "spam": ("spam",), "trash": ("trash",), "archive": ("archive",)}


@pytest.mark.parametrize("name", _ANSWERS_AT_ONCE)
@pytest.mark.parametrize("stream", ["reminder", "newsletter", "invoice"])
def test_each_mailbox_does_with_each_stream_what_its_data_promises(everything: World, name: str, stream: str) -> None:
    """What the data file calls the expected verdict is where the message really ends up."""
    host = everything.hosts[name]
    description = _stream(stream)
    message_id = unique_id(stream)
    raw = build(
        host.spec.address,
        sender=description["from"],
        subject=description["subject"],
        message_id=message_id,
        **({"List_Unsubscribe": "<https://belmont.example/abmelden>"} if stream == "newsletter" else {}),
    )
    code, _ = send(everything, sign(raw, description["key"]), host.spec.address, sender=description["envelope_from"])
    expected = host.spec.expect[stream]
    if expected == "refused":
        assert code >= 500
        return
    assert code == 250
    if expected == "missing":
        assert _folders(everything, name, message_id) == {}
        return
    found = _folders(everything, name, message_id)
    assert found
    if expected == "unreadable":
        return
    if host.account.gmail:
        every = host.manner.folder("all")
        found.pop(every, None)
    (folder,) = found
    if expected in ("inbox", "tab"):
        assert folder == "INBOX"
        assert bool(found[folder]) == (expected == "tab")
    elif expected == "folder":
        roles = {manner.name: manner.role for manner in host.manner.folders}
        assert folder != "INBOX"
        assert roles.get(folder, "") in _ROLES["folder"]
    else:
        assert folder == host.manner.folder(expected)


def _folders(world: World, name: str, message_id: str) -> dict[str, frozenset[str]]:
    """Where a message is, and Gmail's categories of it."""
    return {m.folder: m.categories for m in world.mailbox(name).messages() if m.message_id == message_id}


def test_a_pop_client_takes_mail_out_of_the_inbox(lab: World) -> None:
    """A message is there at first, and gone a moment later, from every folder."""
    box = lab.add_mailbox(MailboxSpec("pop", "hoster", "pop@hoster.example", security="none"))
    box.reception(pop_after=0.1)
    box.deliver(build(), "Archiv")
    assert send(lab, sign(build(box.address)), box.address)[0] == 250
    assert [m.folder for m in box.messages()] == ["INBOX", "Archiv"]
    deadline = time.monotonic() + 3
    while box.messages("INBOX") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [m.folder for m in box.messages()] == ["Archiv"]


def test_a_hook_cannot_wait_for_the_thread_it_runs_in(lab: World) -> None:
    """A test that would stop the lab for ever is told so."""
    box = lab.add_mailbox(MailboxSpec("hooked", "hoster", "hooked@hoster.example", security="none"))
    faults: list[RuntimeError] = []

    def look(_: Moment) -> None:
        try:
            box.messages()
        except RuntimeError as error:
            faults.append(error)

    off = lab.on("smtp.accepted", look)
    send(lab, sign(build(box.address)), box.address)
    off()
    assert [str(fault) for fault in faults] == ["a hook cannot wait for the lab's own thread"]


def test_slow_mail_is_there_later(lab: World) -> None:
    """The 250 comes at once, the message after the delay: `seconds` of a placement can be tested."""
    box = lab.add_mailbox(MailboxSpec("slow", "hoster", "slow@hoster.example", security="none"))
    box.reception(delay=0.15)
    before = time.monotonic()
    assert send(lab, sign(build(box.address)), box.address)[0] == 250
    assert not box.messages()
    while not box.messages() and time.monotonic() < before + 3:
        time.sleep(0.01)
    assert len(box.messages("INBOX")) == 1
    assert time.monotonic() - before >= 0.15


def test_a_providers_clock_may_be_wrong(lab: World) -> None:
    """Received and INTERNALDATE show the provider's own time: what `seconds` must not be taken from."""
    box = lab.add_mailbox(MailboxSpec("skewed", "hoster", "skewed@hoster.example", security="none"))
    box.reception(clock_skew=-3600.0)
    assert send(lab, sign(build(box.address)), box.address)[0] == 250
    with imap(lab, "skewed") as client:
        client.normalise_times = False
        client.select_folder("INBOX", readonly=True)
        answer = client.fetch([1], ["INTERNALDATE", "BODY.PEEK[HEADER]"])[1]
    received = email.message_from_bytes(answer[b"BODY[HEADER]"])["Received"].rpartition(";")[2]
    for shown in (answer[b"INTERNALDATE"], parsedate_to_datetime(received)):
        assert 3590 < (datetime.now(UTC) - shown).total_seconds() < 3630


def test_a_stopped_imap_server_refuses_and_comes_back_on_its_port(lab: World) -> None:
    """A test can let a server die and live again, as after a restart."""
    box = lab.add_mailbox(MailboxSpec("restart", "hoster", "restart@hoster.example", security="tls"))
    port = box.port
    box.stop_imap()
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", port))
    box.start_imap()
    with imap(lab, "restart") as client:
        assert client.list_folders()
    assert box.port == port


def test_wrong_names_are_refused_with_what_there_is() -> None:
    """A typing error in a test names the choices."""
    with pytest.raises(ValueError, match="no such profile: 'demmo'; there are demo"):
        World.start("demmo")
    with pytest.raises(ValueError, match="no such mailbox: gmail-9"):
        World.start("small", mailboxes=["gmail-9"])


def test_a_second_mailbox_cannot_take_an_address(lab: World) -> None:
    """Two mailboxes with one address would make every count wrong."""
    lab.add_mailbox(MailboxSpec("first", "hoster", "same@hoster.example", security="none"))
    with pytest.raises(ValueError, match=r"same@hoster\.example"):
        lab.add_mailbox(MailboxSpec("second", "hoster", "Same@hoster.example", security="none"))


def test_the_journal_counts_what_was_handed_over_twice(lab: World) -> None:
    """A doubled message is two entries under one Message-ID."""
    box = lab.add_mailbox(MailboxSpec("twice", "hoster", "twice@hoster.example", security="none"))
    message_id = unique_id("twice")
    raw = sign(build(box.address, message_id=message_id))
    for _ in range(2):
        assert send(lab, raw, box.address)[0] == 250
    entries = lab.journal.handed_over(message_id)
    assert len(entries) == 2
    assert entries[0].raw == raw
    assert (entries[0].door, entries[0].seen_as, entries[0].sender) == ("direct", "192.0.2.10", BOUNCES)
    assert entries[0].judgement is not None
    assert entries[0].judgement.dmarc.result == "pass"
    assert lab.journal.wait_for(lambda all_: any(entry.message_id == message_id for entry in all_), timeout=0.1)
