"""Mailboxes that can be read in part: what can be read is read, what cannot is named, and nobody else pays for it."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.collect.harness import Delivering, Probing, fake_inbox, smtp_route
from tests.collect.test_resume import in_box, left_behind
from tests.fakes.imap_grammar import Folder, Message, Token
from tests.fakes.imap_server import FakeImap, Session
from tests.fakes.server import Wire
from tests.servers.ca import Certificates
from toolkit.collect.mailbox_places import Places
from toolkit.derive.placement import placement
from toolkit.model.mailbox import ListedFolder
from toolkit.model.placement import Handoff, HandoffStatus, SeedReport, Verdict
from toolkit.wire.imap import ImapSession
from toolkit.wire.imap_answers import Listing

OLD = b"Subject: old\r\n\r\nold\r\n"


class OneBadFolder(FakeImap):
    """Says NO to some commands in "Ablage", where a message lies; the others work."""

    def __init__(self, *commands: str, tells_status: bool = True) -> None:
        super().__init__()
        self._refused = commands
        self._tells_status = tells_status
        self.folder("Ablage").add(Message(OLD))

    async def execute(self, session: Session, tag: str, name: str, arguments: list[Token]) -> None:
        """As FakeImap."""
        if name in self._refused and session.selected is not None and session.selected.name == "Ablage":
            await session.say(f"{tag} NO [SERVERBUG] its index is broken")
        else:
            await super().execute(session, tag, name, arguments)

    async def status_line(self, session: Session, folder: Folder, items: list[Token]) -> None:
        """A folder whose status fails is listed without one (RFC 5819, section 2)."""
        if self._tells_status or folder.name != "Ablage":
            await super().status_line(session, folder, items)


# -- one folder that refuses -------------------------------------------------------------------------------------------


def resumed(folder: Path, box: FakeImap, *, arrived: bool) -> SeedReport:
    """The seed that an earlier probe handed over a minute ago; where it lies is not known and must be searched for."""
    with box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(folder, [smtp_route(route.port)], [fake_inbox(box, "box")])
        row = left_behind(probing, "box", "watching", age=timedelta(seconds=5 if arrived else 59))
        if arrived:
            in_box(box, row)
        report = probing.run()["box"]
    assert report.seed_id == row.seed_id
    return report


@pytest.mark.parametrize("tells_status", [True, False])
def test_a_folder_that_cannot_be_searched_hides_no_other(tells_status: bool, tmp_path: Path) -> None:
    """An archive refuses SEARCH; the seed lies in the inbox, and is found there."""
    seed = resumed(tmp_path, OneBadFolder("UID SEARCH", tells_status=tells_status), arrived=True)
    assert (seed.placement.verdict, seed.placement.folder) == (Verdict.INBOX, "INBOX")


@pytest.mark.parametrize("tells_status", [True, False])
def test_a_folder_that_cannot_be_searched_is_named(tells_status: bool, tmp_path: Path) -> None:
    """The seed is in no other folder, so it may be there: unreadable, with the folder and the server's words."""
    seed = resumed(tmp_path, OneBadFolder("UID SEARCH", tells_status=tells_status), arrived=False)
    assert seed.placement.verdict is Verdict.UNREADABLE
    assert [one.folder for one in seed.placement.unsearched] == ["Ablage"]
    assert "its index is broken" in seed.placement.unsearched[0].reason
    assert "Ablage" in (seed.placement.reason or "")
    assert "INBOX" in seed.placement.searched


def test_a_folder_that_does_not_show_its_news_hides_no_other(tmp_path: Path) -> None:
    """Other mail arrives together with the seed, in a folder that refuses FETCH: the seed in the inbox is found."""
    box = OneBadFolder("UID FETCH")

    class BesideOther(Delivering):
        """Something arrives in the bad folder, too, and before."""

        async def answer(self, wire: Wire, phase: str, *more: Any, **details: Any) -> str:
            """As Delivering."""
            if phase == "END":
                box.add("Ablage", OLD)
            return await super().answer(wire, phase, *more, **details)

    with box, BesideOther({"box@faulty.example": box}) as route:
        seed = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")]).run()["box"]
    assert (seed.placement.verdict, seed.placement.folder) == (Verdict.INBOX, "INBOX")


# -- a server that trips ---------------------------------------------------------------------------------------------


class CutsHandshakes(FakeImap):
    """Ends its first connections in the middle of the TLS handshake, as a server does that is being restarted."""

    def __init__(self, certificates: Certificates, times: int) -> None:
        super().__init__(starttls=certificates.good.context())
        self._left = times

    async def on_starttls(self, session: Session, tag: str, arguments: list[Token]) -> None:
        """As FakeImap, later."""
        if self._left:
            self._left -= 1
            await session.say(f"{tag} OK begin TLS")
            record = await session.wire.exactly(5)  # type, version and length (RFC 8446, section 5.1)
            await session.wire.exactly(int.from_bytes(record[3:], "big"))
            session.wire.close()
        else:
            await super().on_starttls(session, tag, arguments)


def test_handshakes_that_are_cut_are_tried_again(certificates: Certificates, tmp_path: Path) -> None:
    """Twice the connection ends in the handshake: no matter of trust. The third one finds the seed, and at once.

    What lies in the mailbox by then has come since the seed was sent.
    """
    with CutsHandshakes(certificates, 2) as box, Delivering({"box@faulty.example": box}) as route:
        secure = {"security": "starttls", "ca_file": certificates.ca_file, "timeout": "5s"}
        inboxes = [fake_inbox(box, "box", **secure)]
        timing = {"timeout": "15s", "poll": "100ms", "settle": "100ms"}
        started = time.monotonic()
        seed = Probing(tmp_path, [smtp_route(route.port)], inboxes, timing=timing).run()["box"]
        seconds = time.monotonic() - started
    assert seed.placement.verdict is Verdict.INBOX
    assert box.connections == 3
    assert seconds < 10


class StrangeDates(FakeImap):
    """Gives every message the same INTERNALDATE."""

    def __init__(self, date: str) -> None:
        super().__init__()
        self._date = date

    async def fetched(self, session: Session, number: int, message: Message, items: list[str]) -> None:
        """As FakeImap, save for that."""
        if "INTERNALDATE" not in items:
            await super().fetched(session, number, message, items)
            return
        head = message.content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        start = f'* {number} FETCH (UID {message.uid} FLAGS () INTERNALDATE "{self._date}" BODY[HEADER]<0> '
        await session.say(start.encode() + b"{%d}\r\n" % len(head) + head + b")")


@pytest.mark.parametrize(
    "date",
    [
        "01-Jan-0001 00:00:00 +1200", "31-Dec-9999 23:59:59 -1200", "31-Feb-2026 25:61:61 +0100",
        "22-Nov-2026 08:00:00 +9999",
    ],
)  # fmt: skip
def test_a_date_that_no_calendar_has_costs_the_date_alone(date: str, tmp_path: Path) -> None:
    """The seed is found and judged, in this probe and in the next one; so is the one in the other inbox."""
    with (
        StrangeDates(date) as odd,
        FakeImap() as good,
        Delivering({"odd@faulty.example": odd, "good@faulty.example": good}) as route,
    ):
        inboxes = [fake_inbox(odd, "odd"), fake_inbox(good, "good")]
        probing = Probing(
            tmp_path, [smtp_route(route.port)], inboxes, timing={"timeout": "5s", "poll": "50ms", "settle": "50ms"}
        )
        for _ in range(2):
            seeds = probing.run()
            assert {name: seed.placement.verdict for name, seed in seeds.items()} == {
                "odd": Verdict.INBOX, "good": Verdict.INBOX,
            }  # fmt: skip
            assert seeds["odd"].placement.found_at is not None
    assert [report.notes for report in probing.runs] == [(), ()]


@pytest.mark.parametrize("arrives", [True, False], ids=["arrives", "nowhere"])
@pytest.mark.parametrize("step", ["connect", "list_folders", "examine_each", "idle"])
def test_what_nobody_thought_of_costs_one_inbox(
    step: str, arrives: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading one inbox fails in a way that no rule foresees: it is unreadable, and the others get their verdicts."""
    original = getattr(ImapSession, step)

    def broken(self: ImapSession, *more: Any, **details: Any) -> Any:
        def fail() -> NoReturn:
            raise KeyError(b"what no server says")

        return fail() if self.mailbox.name == "bad" else original(self, *more, **details)

    monkeypatch.setattr(ImapSession, step, broken)
    with FakeImap() as bad, FakeImap() as good, FakeImap() as nowhere:
        boxes = {"bad@faulty.example": bad if arrives else nowhere, "good@faulty.example": good}
        with Delivering(boxes) as route:
            inboxes = [fake_inbox(bad, "bad"), fake_inbox(good, "good")]
            timing = {"timeout": "400ms", "poll": "50ms", "settle": "50ms"}
            probing = Probing(tmp_path, [smtp_route(route.port)], inboxes, timing=timing)
            seeds = probing.run()
    assert seeds["good"].placement.verdict is Verdict.INBOX
    honest = {Verdict.UNREADABLE}
    if step == "idle":  # all else works, and may have shown where it lies
        honest.add(Verdict.INBOX if arrives else Verdict.MISSING)
    assert seeds["bad"].placement.verdict in honest
    assert seeds["bad"].handoff is not None
    assert seeds["bad"].handoff.status is HandoffStatus.ACCEPTED


# -- what Gmail hides --------------------------------------------------------------------------------------------------

ALL_SHOWN = {"INBOX": "", "[Gmail]/All Mail": "\\all", "[Gmail]/Spam": "\\junk", "[Gmail]/Trash": "\\trash"}
TAKEN = Handoff(HandoffStatus.ACCEPTED, 250, None, "250 ok", "mx", None, datetime(2026, 11, 22, 8, tzinfo=UTC))


def gmail(*hidden: str) -> Places:
    """A Gmail account that has been searched wholly, these folders of it not shown over IMAP."""
    shown = [
        ListedFolder(name.encode(), name, "/", frozenset({mark} if mark else ()))
        for name, mark in ALL_SHOWN.items()
        if name not in hidden
    ]
    parent = ListedFolder(b"[Gmail]", "[Gmail]", "/", frozenset({"\\noselect"}))
    places = Places(provider="gmail", configured={}, bounces_alone=False)
    places.adopt(Listing((*shown, parent), {}, ()))
    for place in places.to_search(gmail=True):
        place.searched = True
    return places


@pytest.mark.parametrize(
    ("hidden", "words"),
    [("[Gmail]/Trash", "trash"), ("[Gmail]/Spam", "spam folder"), ("[Gmail]/All Mail", "All Mail")],
)
def test_what_gmail_does_not_show_is_not_searched(hidden: str, words: str) -> None:
    """The seed may lie there, thrown away by a filter of the owner: unreadable, and what to switch on."""
    coverage = gmail(hidden).coverage(gmail=True)
    assert not coverage.complete
    placed = placement([], TAKEN, None, coverage)
    assert placed.verdict is Verdict.UNREADABLE
    assert words in (placed.reason or "")
    assert "IMAP" in (placed.reason or "")
    in_doubt = dataclasses.replace(TAKEN, status=HandoffStatus.FAILED, in_doubt=True)
    assert placement([], in_doubt, None, coverage).verdict is Verdict.UNREADABLE


def test_where_gmail_shows_everything_a_seed_that_is_nowhere_is_missing() -> None:
    """All Mail, spam and trash together are all that there is."""
    coverage = gmail().coverage(gmail=True)
    assert coverage.complete
    assert placement([], TAKEN, None, coverage).verdict is Verdict.MISSING
