"""What a probe finds that earlier ones left: seeds on their way, seeds that never left, seeds that are too late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.collect.harness import STREAM, Delivering, Probing, fake_inbox, smtp_route
from tests.fakes.imap_grammar import Message
from tests.fakes.imap_server import FakeImap
from toolkit.model.placement import HandoffStatus, Verdict
from toolkit.store.schema import run, seed
from toolkit.store.seeds import SeedStore, StoredSeed


def left_behind(probing: Probing, inbox: str, state: str, *, age: timedelta, stream: str = "reminder") -> StoredSeed:
    """A seed that a probe left in this state and died, `age` ago; its time was a minute."""
    store = SeedStore.open(probing.settings.store.url)
    then = datetime.now(UTC) - age
    run_id = store.begin_run()
    row = StoredSeed(
        seed_id=f"old-{inbox}-{stream}", stream=stream, route="main", inbox=inbox, provider="generic",
        address=f"{inbox}@faulty.example", message_id=f"old.{inbox}.{stream}@belmont.example",
        token=f"t-{inbox}-{stream}", subject="Ihr Termin", envelope_sender="termine@belmont.example",
        deliver_within=300.0, created_at=then, deadline=then + timedelta(minutes=1), owner=run_id, origin=run_id,
        state="planned",
    )  # fmt: skip
    store.plan([row], since=then)
    store.advance(row.seed_id, run_id, state=state, attempts=0 if state == "planned" else 1)
    if state == "watching":
        handoff = {
            "status": "accepted", "code": 250, "enhanced": None, "text": "250 ok", "remote": "mx", "tls": None,
            "at": then.isoformat(),
        }  # fmt: skip
        store.advance(row.seed_id, run_id, handoff=handoff)
    store.leave_run(run_id)
    store.close()
    return row


def in_box(box: FakeImap, row: StoredSeed) -> None:
    """The seed has arrived meanwhile."""
    content = f"Message-ID: <{row.message_id}>\r\nX-Mailwhy-Seed: {row.token}\r\nSubject: x\r\n\r\ny\r\n"
    box.folder("INBOX").add(Message(content.encode()))


def test_a_seed_in_flight_is_looked_for_and_not_sent_again(tmp_path: Path) -> None:
    """It was handed over before the probe died: found by search, its kind not sent anew."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")])
        row = left_behind(probing, "box", "watching", age=timedelta(seconds=5))
        in_box(box, row)
        report = probing.run()["box"]
        assert route.transactions == []
    assert (report.seed_id, report.placement.verdict, report.resumed) == (row.seed_id, Verdict.INBOX, True)


def test_a_seed_in_doubt_that_arrived_was_taken(tmp_path: Path) -> None:
    """The probe died between the final dot and the reply; the message is there."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")])
        in_box(box, left_behind(probing, "box", "committed", age=timedelta(seconds=5)))
        report = probing.run()["box"]
        assert route.transactions == []
    assert report.placement.verdict is Verdict.INBOX
    assert report.handoff is not None
    assert (report.handoff.status, report.handoff.in_doubt) == (HandoffStatus.ACCEPTED, False)


def test_a_seed_in_doubt_that_did_not_arrive_stays_in_doubt(tmp_path: Path) -> None:
    """Neither missing nor unsent, and never sent again."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")])
        row = left_behind(probing, "box", "committed", age=timedelta(seconds=58))
        report = probing.run()["box"]
        assert route.transactions == []
    assert report.seed_id == row.seed_id
    assert report.placement.verdict is Verdict.UNREADABLE
    assert "not known" in (report.placement.reason or "")


@pytest.mark.parametrize("state", ["planned", "sending"])
def test_a_seed_that_never_left_is_sent(state: str, tmp_path: Path) -> None:
    """The same seed, with the Message-ID that it was given."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")])
        row = left_behind(probing, "box", state, age=timedelta(seconds=5))
        report = probing.run()["box"]
        assert [row.message_id.encode() in one.content for one in route.transactions] == [True]
    assert (report.seed_id, report.placement.verdict) == (row.seed_id, Verdict.INBOX)


def test_after_a_power_cut_a_seed_that_was_being_sent_is_in_doubt(tmp_path: Path) -> None:
    """The note before the final dot may be lost with the machine: such a seed is looked for, not sent again."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")])
        row = left_behind(probing, "box", "sending", age=timedelta(seconds=5))
        in_box(box, row)
        store = SeedStore.open(probing.settings.store.url)
        with store.engine.begin() as connection:
            connection.execute(run.update().values(boot="another boot/pid:[1]"))
        store.close()
        report = probing.run()["box"]
        assert route.transactions == []
    assert (report.seed_id, report.placement.verdict) == (row.seed_id, Verdict.INBOX)


def test_a_seed_whose_time_is_up_is_looked_for_once_and_makes_room(tmp_path: Path) -> None:
    """Yesterday's seed gets its verdict, and today's is sent."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")])
        row = left_behind(probing, "box", "watching", age=timedelta(days=1))
        in_box(box, row)
        probing.run()
        assert len(route.transactions) == 1
    by_id = {one.seed_id: one for one in probing.runs[0].seeds}
    assert len(by_id) == 2
    assert by_id[row.seed_id].placement.verdict is Verdict.INBOX


def test_an_old_seed_that_never_left_is_ended(tmp_path: Path) -> None:
    """It was never handed over, and is not handed over a day later."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")])
        row = left_behind(probing, "box", "planned", age=timedelta(days=1))
        probing.run()
        assert not any(row.message_id.encode() in one.content for one in route.transactions)
    by_id = {one.seed_id: one for one in probing.runs[0].seeds}
    assert by_id[row.seed_id].placement.verdict is Verdict.UNSENT


def test_what_another_probe_left_is_taken_up_whatever_is_asked(tmp_path: Path) -> None:
    """This probe sends to one inbox alone; a seed that is on its way to another one is judged all the same."""
    with (
        FakeImap() as box,
        FakeImap() as other,
        Delivering({"box@faulty.example": box, "other@faulty.example": other}) as route,
    ):
        inboxes = [fake_inbox(box, "box"), fake_inbox(other, "other")]
        probing = Probing(tmp_path, [smtp_route(route.port)], inboxes)
        row = left_behind(probing, "other", "watching", age=timedelta(seconds=5))
        in_box(other, row)
        seeds = probing.run(inboxes=["box"])
        assert len(route.transactions) == 1
    assert seeds["other"].placement.verdict is Verdict.INBOX
    assert seeds["box"].placement.verdict is Verdict.INBOX


def test_an_inbox_that_is_configured_no_more(tmp_path: Path) -> None:
    """Its open seeds are ended and stand in nobody's way."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")], streams=[STREAM])
        left_behind(probing, "gone", "watching", age=timedelta(seconds=5))
        seeds = probing.run()
    assert seeds["gone"].placement.verdict in (Verdict.UNREADABLE, Verdict.UNSENT)
    store = SeedStore.open(probing.settings.store.url)
    with store.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).where(seed.c.concluded_at.is_(None))).scalar() == 0
    store.close()
