"""What a DSN says of a seed, and what its mailbox says: the mailbox is looked into before the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.exits import DONE, PART
from jobs.probe import status
from tests.collect.harness import Probing, fake_inbox, smtp_route
from tests.collect.runs import prepared
from tests.fakes.imap_faults import Closes, Refuses, RefusesLogin, Silent
from tests.fakes.imap_grammar import Token
from tests.fakes.imap_server import CAPABILITIES, FakeImap, Session
from tests.fakes.smtp_server import FakeSmtp
from toolkit.collect.bounces import bounces_in
from toolkit.collect.tracker import Step, Tracker
from toolkit.model.placement import ProbeReport, SeedReport, Verdict
from toolkit.model.sighting import Bounce
from toolkit.store.seeds import StoredSeed

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
LONG = {"timeout": "25s", "poll": "100ms", "settle": "100ms"}


def dsn(message_id: str, *recipients: tuple[str, str]) -> bytes:
    """A report that a message reached none of these recipients; each with the status of its failure."""
    groups = "".join(
        f"Final-Recipient: rfc822; {address}\r\nAction: failed\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; 550 {status} not here\r\n\r\n"
        for address, status in recipients
    )
    return (
        "From: MAILER-DAEMON@mx.example\r\nTo: termine@belmont.example\r\nSubject: Undelivered\r\n"
        "Message-ID: <dsn@mx.example>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        f"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n{groups}"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{message_id}>\r\n--b--\r\n"
    ).encode()


def test_the_seeds_own_recipient_counts_where_a_report_has_several() -> None:
    """The owner forwards a copy: what is said of that address is not said of the seed."""
    report = dsn("one@belmont.example", ("copy@elsewhere.example", "5.1.1"), ("Box@Faulty.example", "5.2.2"))
    addresses = {"one@belmont.example": "box@faulty.example", "two@belmont.example": "two@faulty.example"}
    ((message_id, bounce),) = bounces_in(report, addresses, at=NOW, mailbox="bounces: INBOX")
    assert message_id == "one@belmont.example"
    assert bounce.status == "5.2.2"
    assert "5.2.2" in bounce.diagnostic


def after_the_dsn(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Let something happen once a DSN has been read, before any mailbox is looked into again."""
    original = Tracker.bounced

    def bounced(self: Tracker, message_id: str, bounce: Bounce, raw: str) -> None:
        original(self, message_id, bounce, raw)
        happens()

    monkeypatch.setattr(Tracker, "bounced", bounced)


def probe(folder: Path, box: FakeImap, recipient: str, status: str = "5.1.1") -> tuple[SeedReport, ProbeReport, float]:
    """The seed of a probe whose message is taken, and whose DSN for `recipient` comes back; with the seconds."""
    with FakeImap() as bounces, FakeSmtp() as route:

        def notify(step: Step, row: StoredSeed, _report: SeedReport | None) -> None:
            if step == "handed":
                bounces.add("INBOX", dsn(row.message_id, (recipient, status)))

        probing = Probing(
            folder,
            [smtp_route(route.port)],
            [fake_inbox(box, "box")],
            collect=[fake_inbox(bounces, "bounces")],
            timing=LONG,
        )
        started = time.monotonic()
        with prepared(probing, notify) as (run, store):
            report = run.run()
            kinds = [seen.kind for seen in store.evidence(report.seeds[0].seed_id)]
        assert "dsn" in kinds
        return report.seeds[0], report, time.monotonic() - started


def test_a_forwarded_copy_that_bounces_does_not_hide_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The DSN for the copy is read first; the seed lies in the inbox, and that is the verdict."""
    with FakeImap() as box:
        after_the_dsn(monkeypatch, lambda: box.add("INBOX", arrived()) and None)
        with FakeImap() as bounces, FakeSmtp() as route:

            def arrived() -> bytes:
                return route.transactions[0].content

            def notify(step: Step, row: StoredSeed, _report: SeedReport | None) -> None:
                if step == "handed":
                    bounces.add("INBOX", dsn(row.message_id, ("copy@elsewhere.example", "5.1.1")))

            inboxes, collect = [fake_inbox(box, "box")], [fake_inbox(bounces, "bounces")]
            probing = Probing(tmp_path, [smtp_route(route.port)], inboxes, collect=collect, timing=LONG)
            with prepared(probing, notify) as (run, store):
                report = run.run()
                kinds = {seen.kind for seen in store.evidence(report.seeds[0].seed_id)}
    assert [seed.placement.verdict for seed in report.seeds] == [Verdict.INBOX]
    assert report.seeds[0].placement.folder == "INBOX"
    assert kinds >= {"dsn", "sighting", "verdict"}  # the DSN is kept all the same
    assert status(report) == DONE


def test_a_seed_that_bounced_and_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounced, in the DSN's words, long before its time is up; its mailbox was looked into after the DSN."""
    with FakeImap() as box:
        looks: list[int] = []
        after_the_dsn(monkeypatch, lambda: looks.append(len(box.log)))
        seed, report, seconds = probe(tmp_path, box, "box@faulty.example", "5.2.1")
        later = [line.partition(" ")[0] for line in box.log[looks[0] :]]
    assert seed.placement.verdict is Verdict.BOUNCED
    assert (seed.placement.reason or "").startswith("5.2.1")
    assert "INBOX" in seed.placement.searched
    assert {"LIST", "EXAMINE"} & set(later)
    assert seconds < 12
    assert status(report) == DONE


def test_a_seed_that_bounced_while_its_mailbox_cannot_be_read(tmp_path: Path) -> None:
    """The DSN for its own address is all that there is, and says enough."""
    with RefusesLogin() as box:
        seed, _, seconds = probe(tmp_path, box, "box@faulty.example")
    assert seed.placement.verdict is Verdict.BOUNCED
    assert "INBOX" not in seed.placement.searched
    assert seconds < 12


UNREADABLE: dict[str, tuple[Callable[[], FakeImap], str]] = {
    "refuses the password": (RefusesLogin, "refuses the login"),
    "drops every connection": (Closes, "closed the connection"),
    "never answers": (Silent, "did not answer in time"),
    "does not open": (lambda: Refuses("LIST"), "refuses"),
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_a_mailbox_for_bounces_that_cannot_be_read_is_told(fault: str, tmp_path: Path) -> None:
    """The seed is missing, but whether it bounced nobody knows: the report names the mailbox, and cron is told."""
    make, words = UNREADABLE[fault]
    with FakeImap() as box, make() as bounces, FakeSmtp() as route:
        probing = Probing(
            tmp_path,
            [smtp_route(route.port)],
            [fake_inbox(box, "box")],
            collect=[fake_inbox(bounces, "returns", timeout="200ms")],
            timing={"timeout": "600ms", "poll": "100ms"},
        )
        probing.run()
    (report,) = probing.runs
    assert [seed.placement.verdict for seed in report.seeds] == [Verdict.MISSING]
    (note,) = report.notes
    assert "returns" in note
    assert words in note
    assert status(report) == PART


class HangsOnceSent(FakeImap):
    """Answers every look until there is a message at the route: from then on it hangs, and the message is `found`."""

    def __init__(self, route: FakeSmtp, found: Callable[[bytes], object]) -> None:
        super().__init__(capabilities=[name for name in CAPABILITIES if name != "IDLE"])
        self._route = route
        self._found = found

    async def on_list(self, session: Session, tag: str, arguments: list[Token]) -> None:
        """As FakeImap, for a while."""
        if self._route.accepted:
            self._found(self._route.accepted[0].content)
            await session.wire.silence()
        await super().on_list(session, tag, arguments)


def test_a_mailbox_for_bounces_that_is_being_read_when_the_probe_ends(tmp_path: Path) -> None:
    """Its last look is broken off by us, which is no fault of its: nothing is noted, and cron is not alarmed."""
    with FakeImap() as box, FakeSmtp() as route, HangsOnceSent(route, lambda seed: box.add("INBOX", seed)) as bounces:
        probing = Probing(
            tmp_path,
            [smtp_route(route.port)],
            [fake_inbox(box, "box")],
            collect=[fake_inbox(bounces, "returns", timeout="20s")],
            timing=LONG,
        )
        probing.run()
    (report,) = probing.runs
    assert [seed.placement.verdict for seed in report.seeds] == [Verdict.INBOX]
    assert report.notes == ()
    assert status(report) == DONE


def test_a_mailbox_for_bounces_that_can_be_read_is_no_matter(tmp_path: Path) -> None:
    """The same without the fault: nothing to tell, nothing undone."""
    with FakeImap() as box, FakeImap() as bounces, FakeSmtp() as route:
        probing = Probing(
            tmp_path,
            [smtp_route(route.port)],
            [fake_inbox(box, "box")],
            collect=[fake_inbox(bounces, "returns")],
            timing={"timeout": "300ms", "poll": "100ms"},
        )
        probing.run()
    assert probing.runs[0].notes == ()
    assert status(probing.runs[0]) == DONE
