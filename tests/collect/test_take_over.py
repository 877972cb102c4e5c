"""Seeds that pass from one probe to another: in the middle of their way, after a power cut, and too late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.collect.harness import STREAM, Delivering, Probing, fake_inbox, smtp_route
from tests.collect.runs import left_behind, prepared
from tests.collect.test_resume import in_box
from tests.fakes.imap_server import FakeImap
from tests.fakes.smtp_server import FakeSmtp
from toolkit.collect import probe
from toolkit.collect.tracker import Step
from toolkit.model.placement import SeedReport, Verdict
from toolkit.store.schema import run
from toolkit.store.seeds import SeedStore, StoredSeed

OTHER = {**STREAM, "name": "confirmation"}


@contextmanager
def living_run(probing: Probing, *rows: StoredSeed) -> Iterator[tuple[SeedStore, str]]:
    """A run that lives and owns these seeds, as another process would have them."""
    store = SeedStore.open(probing.settings.store.url)
    try:
        run_id = store.begin_run()
        store.plan([replace(row, owner=run_id, origin=run_id) for row in rows], since=datetime.now(UTC))
        yield store, run_id
    finally:
        store.close()


def seed_of(inbox: str, stream: str = "reminder", **more: Any) -> StoredSeed:
    """A planned seed that has a minute."""
    now = datetime.now(UTC)
    fields: dict[str, Any] = {
        "seed_id": f"old-{inbox}-{stream}", "stream": stream, "route": "main", "inbox": inbox, "provider": "generic",
        "address": f"{inbox}@faulty.example", "message_id": f"old.{inbox}.{stream}@belmont.example",
        "token": f"t-{inbox}-{stream}", "subject": "Ihr Termin", "envelope_sender": "termine@belmont.example",
        "deliver_within": 300.0, "created_at": now, "deadline": now + timedelta(minutes=1), "owner": "", "origin": "",
        "state": "planned",
    }  # fmt: skip
    return StoredSeed(**{**fields, **more})


def handed_over(store: SeedStore, owner: str, seed_id: str, state: str = "watching") -> None:
    """The owner sends the seed: as far as the final dot ("committed"), or to the reply ("watching")."""
    now = datetime.now(UTC)
    assert store.advance(seed_id, owner, state="sending", attempts=1)
    assert store.advance(seed_id, owner, state="committed", sent_header="Subject: x")
    if state == "watching":
        taken = {
            "status": "accepted", "code": 250, "enhanced": None, "text": "250 ok", "remote": "mx", "tls": None,
            "at": now.isoformat(),
        }  # fmt: skip
        assert store.advance(seed_id, owner, state=state, handoff=taken, deadline=now + timedelta(minutes=1))


# -- between a look at the row and the take-over -----------------------------------------------------------------------


@pytest.mark.parametrize("overdue", [False, True], ids=["in-time", "overdue"])
@pytest.mark.parametrize("state", ["committed", "watching"])
def test_an_owner_that_hands_over_and_leaves_while_we_look(state: str, overdue: bool, tmp_path: Path) -> None:
    """The row that was read says that the seed never left; it has left since. It is looked for, and not sent again."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")])
        row = seed_of("box", deadline=datetime.now(UTC) + timedelta(minutes=-1 if overdue else 1))
        if overdue:
            row = replace(row, created_at=row.created_at - timedelta(minutes=2))
        with living_run(probing, row) as (others, owner), prepared(probing) as (ours, store):
            ask = store.is_over

            def is_over(run_id: str) -> bool:
                """The moment between our look at the row and the take-over."""
                if run_id == owner and others.load([row.seed_id])[0].state == "planned":
                    handed_over(others, owner, row.seed_id, state)
                    in_box(box, row)
                    others.leave_run(owner)
                return ask(run_id)

            store.is_over = is_over  # type: ignore[method-assign]  # for this test
            report = ours.run()
        again = [one for one in route.transactions if row.message_id.encode() in one.content]
    verdicts = {seed.seed_id: seed.placement.verdict for seed in report.seeds}
    assert again == []
    assert verdicts[row.seed_id] is Verdict.INBOX
    assert len(verdicts) == len(report.seeds)


# -- after a power cut -----------------------------------------------------------------------------------------------


def after_a_power_cut(probing: Probing, row: StoredSeed) -> None:
    """The run that owned this seed had another boot of the machine."""
    store = SeedStore.open(probing.settings.store.url)
    with store.engine.begin() as connection:
        connection.execute(run.update().where(run.c.run_id == row.owner).values(boot="another boot/pid:[1]"))
    store.close()


@pytest.mark.parametrize("arrived", [True, False], ids=["arrived", "nowhere"])
def test_a_seed_that_was_being_sent_a_day_ago_is_looked_for_once(arrived: bool, tmp_path: Path) -> None:
    """The note that its final dot left may be lost with the machine: found, or in doubt, but never called unsent."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")])
        row = left_behind(probing, "box", "sending", age=timedelta(days=1))
        after_a_power_cut(probing, row)
        if arrived:
            in_box(box, row)
        probing.run()
        assert not any(row.message_id.encode() in one.content for one in route.transactions)
        assert len(route.transactions) == 1  # today's
    placed = {seed.seed_id: seed.placement for seed in probing.runs[0].seeds}
    old = placed.pop(row.seed_id)
    assert [new.verdict for new in placed.values()] == [Verdict.INBOX]
    assert old.verdict is (Verdict.INBOX if arrived else Verdict.UNREADABLE)
    if not arrived:
        assert "not known" in (old.reason or "")


# -- too late --------------------------------------------------------------------------------------------------------


def test_a_late_seed_that_the_first_look_could_not_end_is_one_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time for late seeds runs out before its mailbox is read: the same seed goes on, once, and is not sent."""
    monkeypatch.setattr(probe, "_OVERTIME", 0.0)
    planned: list[str] = []

    def notify(step: Step, row: StoredSeed, _report: SeedReport | None) -> None:
        if step == "planned":
            planned.append(row.seed_id)

    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")])
        row = left_behind(probing, "box", "watching", age=timedelta(days=1))
        in_box(box, row)
        with prepared(probing, notify) as (ours, _):
            report = ours.run()
        assert route.transactions == []
    assert planned == [row.seed_id]
    assert [(seed.seed_id, seed.placement.verdict) for seed in report.seeds] == [(row.seed_id, Verdict.INBOX)]


# -- in the middle of a probe ------------------------------------------------------------------------------------------


def test_an_orphan_is_looked_for_over_the_connection_that_is_there(tmp_path: Path) -> None:
    """Another probe leaves while we wait for a seed of our own in the same inbox: nobody logs in a second time."""
    with FakeImap() as box, FakeImap() as bounces, FakeSmtp() as route:
        probing = Probing(
            tmp_path,
            [smtp_route(route.port)],
            [fake_inbox(box, "box", timeout="5s")],
            streams=[STREAM, OTHER],
            collect=[fake_inbox(bounces, "bounces", timeout="5s")],
            timing={"timeout": "20s"},
        )
        orphan = seed_of("box", "confirmation")
        with living_run(probing, orphan) as (others, owner):
            handed_over(others, owner, orphan.seed_id)
            at_orphan: list[tuple[int, int]] = []

            def notify(step: Step, row: StoredSeed, _report: SeedReport | None) -> None:
                """Ours is on its way: the other run leaves. Its seed is ours: both arrive."""
                if step == "handed":
                    others.leave_run(owner)
                elif step == "planned" and row.seed_id == orphan.seed_id and row.owner != owner:
                    at_orphan.append((box.connections, bounces.connections))
                    in_box(box, row)
                    box.add("INBOX", route.transactions[0].content)

            with prepared(probing, notify) as (ours, _):
                report = ours.run()
        assert at_orphan == [(1, 1)]
        assert (box.connections, bounces.connections) == (1, 1)
        assert len(route.transactions) == 1
    assert {seed.stream: (seed.placement.verdict, seed.resumed) for seed in report.seeds} == {
        "reminder": (Verdict.INBOX, False), "confirmation": (Verdict.INBOX, True),
    }  # fmt: skip
    assert report.notes == ()
