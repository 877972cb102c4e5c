"""What threads tell of a seed, in whatever order, makes one report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from toolkit.collect.tracker import LiveSeed, Tracker
from toolkit.model.mailbox import Role
from toolkit.model.placement import Handoff, HandoffStatus, Verdict
from toolkit.model.sighting import Bounce, Coverage, Sighting
from toolkit.store.seeds import SeedStore, StoredSeed

NOW = datetime(2026, 11, 18, 5, 0, tzinfo=UTC)
TAKEN = Handoff(HandoffStatus.ACCEPTED, 250, None, "250 ok", "relay", None, NOW)


@pytest.fixture
def tracked(tmp_path: Path) -> Iterator[tuple[Tracker, LiveSeed, SeedStore]]:
    """A tracker with one seed that is planned."""
    store = SeedStore.open(f"sqlite:///{tmp_path}/store.db", clock=lambda: NOW)
    run_id = store.begin_run()
    row = StoredSeed(
        seed_id="one", stream="reminder", route="main", inbox="box", provider="generic", address="box@faulty.example",
        message_id="one@belmont.example", token="t", subject="x", envelope_sender="a@belmont.example",
        deliver_within=None, created_at=NOW, deadline=NOW + timedelta(minutes=1), owner=run_id, origin=run_id,
        state="planned",
    )  # fmt: skip
    store.plan([row], since=NOW)
    tracker = Tracker(store, run_id, clock=lambda: NOW, timeout=timedelta(minutes=1))
    yield tracker, tracker.add(row, resumed=False), store
    store.close()


def test_a_dsn_that_is_quicker_than_the_reply(tracked: tuple[Tracker, LiveSeed, SeedStore]) -> None:
    """A relay may bounce a message before its own 250 has been read: the report has both."""
    tracker, live, _ = tracked
    tracker.bounced("one@belmont.example", Bounce(NOW, "bounces: INBOX", "5.1.1", "unknown", "mx"), "raw")
    assert live.report is None
    tracker.handed(live, TAKEN, final=True)
    assert live.report is None  # what lies in the mailbox would outweigh it
    tracker.conclude(live, Coverage(("INBOX",)))
    assert live.report is not None
    assert live.report.placement.verdict is Verdict.BOUNCED
    assert live.report.handoff == TAKEN


def test_what_lies_in_the_mailbox_outweighs_a_dsn(tracked: tuple[Tracker, LiveSeed, SeedStore]) -> None:
    """Delivered, and reported as undeliverable all the same: it is in the inbox."""
    tracker, live, _ = tracked
    tracker.sighted(live, Sighting("INBOX", Role.INBOX, 1, NOW))
    tracker.bounced("one@belmont.example", Bounce(NOW, "bounces: INBOX", "5.1.1", "unknown", "mx"), "raw")
    tracker.handed(live, TAKEN, final=True)
    assert live.report is None
    tracker.conclude(live, Coverage(("INBOX",)))
    assert live.report is not None
    assert live.report.placement.verdict is Verdict.INBOX


def test_a_seed_that_another_run_took_over_is_let_go(tracked: tuple[Tracker, LiveSeed, SeedStore]) -> None:
    """A run that was taken for dead, and wakes up, must not send: the final dot does not leave."""
    tracker, live, store = tracked
    other = store.begin_run()
    assert store.take_over(live.row, other)
    assert not tracker.committing(live, "Subject: x")
    assert not live.open
    assert store.load(["one"])[0].state == "planned"
    assert store.evidence("one") == []
