"""What a reader sees at which of its polls, and how long it waits for the next, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bench.mailboxes import add_mailbox, deliver, now, plan, settings_for, track
from tests.collect.harness import fake_inbox, inbox_of
from tests.fakes.imap_grammar import Token
from tests.fakes.imap_server import FakeImap, Session
from tests.servers.account import Account
from tests.servers.dovecot import Dovecot
from tests.servers.process import wait_until
from toolkit.collect.mailbox_reader import MailboxReader
from toolkit.collect.tracker import LiveSeed, Tracker
from toolkit.config.settings import Collect, Inbox, Mailbox, Settings
from toolkit.model.placement import Verdict
from toolkit.store.seeds import SeedStore, StoredSeed
from toolkit.wire.imap import ImapSession

POLL = timedelta(seconds=60)


@dataclass
class Watch:
    """A reader whose steps the test takes, and the seeds that it waits for."""

    settings: Settings
    store: SeedStore
    rows: list[StoredSeed]
    tracker: Tracker
    seeds: list[LiveSeed]
    readers: list[MailboxReader] = field(default_factory=list)

    def reader(self, inbox: Mailbox | None = None, **options: Any) -> MailboxReader:
        """A reader of its inbox; polls are a minute apart."""
        given: dict[str, Any] = {"settle": POLL, "takes_bounces": False, "empty_handed": True, **options}
        made = MailboxReader(inbox or self.settings.inbox[0], self.tracker, clock=now, poll=POLL, **given)
        self.readers.append(made)
        return made


@pytest.fixture
def watches() -> Iterator[list[Watch]]:
    """What the test has opened, closed afterwards."""
    opened: list[Watch] = []
    yield opened
    for watch in opened:
        for reader in watch.readers:
            reader.close()
        watch.store.close()


def watch(opened: list[Watch], folder: Path, account: Account, seeds: int) -> Watch:
    """So many seeds on their way to the account's inbox."""
    settings = settings_for(folder, [account], account.server.imap_port, ["inbox"] * seeds)
    store = SeedStore.open(settings.store.url)
    run_id, rows = plan(store, settings)
    tracker, live = track(store, settings, run_id, rows)
    opened.append(Watch(settings, store, rows, tracker, list(live.values())))
    return opened[-1]


@pytest.mark.parametrize("idle", [True, False])
@pytest.mark.parametrize("list_status", [True, False])
def test_each_poll_sees_what_has_come_before_it(
    watches: list[Watch], dovecot: Dovecot, tmp_path: Path, list_status: bool, idle: bool
) -> None:
    """Also in the mailbox that is open, whose status a server may know as of the last look alone."""
    account = add_mailbox(dovecot, list_status=list_status, idle=idle)
    here = watch(watches, tmp_path, account, 3)
    reader = here.reader()
    reader.step()
    for row, live in zip(here.rows, here.seeds, strict=True):
        deliver(dovecot, here.settings, [row], connections=1)
        reader.step()
        assert live.sightings


def test_news_that_comes_together_with_idle_is_heard(dovecot: Dovecot, tmp_path: Path) -> None:
    """What has arrived since the last look is told in the breath that accepts IDLE, and must not wait for a poll."""
    account = add_mailbox(dovecot)
    settings = settings_for(tmp_path, [account], dovecot.imap_port, ["inbox"])
    session = ImapSession(settings.inbox[0])
    try:
        session.connect()
        session.examine_each([(b"INBOX", [])])
        assert not session.pending()
        account.append("INBOX", b"Subject: new\r\n\r\n")
        assert session.idle(b"INBOX")
        wait_until(session.pending, seconds=5, what="the news")
        session.list_folders()
        assert not session.pending()
    finally:
        session.close()


def test_a_seed_and_the_bounce_of_another_arrive_together(
    watches: list[Watch], dovecot: Dovecot, tmp_path: Path
) -> None:
    """Both are asked for in one breath, and the server answers both before it ends either."""
    account = add_mailbox(dovecot)
    here = watch(watches, tmp_path, account, 2)
    reader = here.reader(takes_bounces=True, settle=timedelta(microseconds=1))
    reader.step()
    deliver(dovecot, here.settings, here.rows[:1], connections=1)
    account.append("INBOX", bounce_of(here.rows[1]))
    reader.step()
    there, gone = here.seeds
    assert there.sightings
    assert gone.bounce is not None
    assert gone.open  # what lies in the mailbox would outweigh the DSN: it is looked into once more
    reader.step()
    assert gone.report is not None
    assert gone.report.placement.verdict is Verdict.BOUNCED


def test_a_seed_that_is_seen_before_its_handover_is_known_is_polled_for_at_leisure(
    watches: list[Watch], dovecot: Dovecot, tmp_path: Path
) -> None:
    """Its second look is long due, but nothing can be concluded yet: the next poll comes when polls come."""
    account = add_mailbox(dovecot)
    here = watch(watches, tmp_path, account, 1)
    here.seeds[0].handoff = None
    reader = here.reader(settle=timedelta(microseconds=1))
    reader.step()
    deliver(dovecot, here.settings, here.rows, connections=1)
    reader.step()
    assert here.seeds[0].sightings
    assert reader.step() == POLL.total_seconds()
    assert here.seeds[0].open


def test_a_mailbox_for_bounces_is_polled_at_leisure_whatever_its_seeds_wait_for(
    watches: list[Watch], dovecot: Dovecot, tmp_path: Path
) -> None:
    """A seed that is over its time somewhere else does not make it ask again and again."""
    account = add_mailbox(dovecot)
    here = watch(watches, tmp_path, account, 1)
    here.seeds[0].deadline = now() - timedelta(seconds=1)
    reader = here.reader(Collect.model_validate(inbox_of(account, "bounces")), takes_bounces=True)
    assert reader.step() == POLL.total_seconds()


class CriesWolf(FakeImap):
    """Tells of new mail whenever a client idles; there is none."""

    async def on_idle(self, session: Session, tag: str, arguments: list[Token]) -> None:
        """As it should be, with a lie before."""
        await session.say("* 99 EXISTS")
        await super().on_idle(session, tag, arguments)


def test_a_server_that_calls_for_nothing_is_not_listened_to_for_long(
    watches: list[Watch], dovecot: Dovecot, tmp_path: Path
) -> None:
    """After a few calls in vain it is polled alone: a mailbox that cries wolf takes nothing from the others."""
    here = watch(watches, tmp_path, add_mailbox(dovecot), 1)
    with CriesWolf() as server:
        inbox = Inbox.model_validate(fake_inbox(server, here.settings.inbox[0].name))
        reader = here.reader(inbox)
        calls = 0
        while calls < 20:
            reader.step()
            if not reader.session.pending():
                break
            calls += 1
        assert reader.session.connected
        assert not reader.session.idling
        assert calls == 5


def bounce_of(row: StoredSeed) -> bytes:
    """A DSN (RFC 3464) for this seed."""
    lines = [
        "From: MAILER-DAEMON@mx.example",
        f"To: {row.envelope_sender}",
        "Subject: Undelivered",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="cut"',
        "",
        "--cut",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.example",
        "",
        f"Final-Recipient: rfc822; {row.address}",
        "Action: failed",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp; 550 5.1.1 no such user",
        "",
        "--cut",
        "Content-Type: text/rfc822-headers",
        "",
        f"Message-ID: <{row.message_id}>",
        "",
        "--cut--",
        "",
    ]
    return "\r\n".join(lines).encode()
