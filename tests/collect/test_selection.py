"""Which seeds a probe sends: those that were asked for, each of them once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.collect.harness import STREAM, Delivering, Probing, fake_inbox, smtp_route
from tests.fakes.imap_server import FakeImap
from tests.store.samples import seed_of
from toolkit.collect.probe import Selection
from toolkit.collect.tracker import LiveSeed, Tracker
from toolkit.model.placement import Handoff, HandoffStatus, Verdict
from toolkit.store.seeds import Observation, SeedStore

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
SECOND = {**STREAM, "name": "confirmation"}


def test_names_that_are_given_twice_count_once(tmp_path: Path) -> None:
    """As `--inbox two --inbox one --inbox two` asks for: two inboxes, in the order in which they were named."""
    with FakeImap() as server:
        inboxes = [fake_inbox(server, name) for name in ("one", "two", "three")]
    settings = Probing(tmp_path, [smtp_route(1)], inboxes, streams=[STREAM, SECOND]).settings
    chosen = Selection.of(settings, ["reminder", "reminder"], ["two", "one", "two"])
    triples = [(stream.name, inbox.name) for stream, _, inbox in chosen.triples]
    assert triples == [("reminder", "two"), ("reminder", "one")]
    assert len(Selection.of(settings).triples) == 6


def test_an_inbox_that_is_asked_for_twice_gets_one_message(tmp_path: Path) -> None:
    """One seed in the report, one message in the mailbox, and nothing left for the next probe."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")])
        probing.run(inboxes=["box", "box"], streams=["reminder", "reminder"])
        assert len(route.transactions) == 1
        assert len(box.folder("INBOX").messages) == 1
    report = probing.runs[0]
    assert [seed.placement.verdict for seed in report.seeds] == [Verdict.INBOX]
    assert report.notes == ()


# -- whoever asks for it, and however often --------------------------------------------------------------------------


@pytest.fixture
def tracked(tmp_path: Path) -> Iterator[tuple[Tracker, LiveSeed, SeedStore]]:
    """A tracker with one seed that is planned."""
    store = SeedStore.open(f"sqlite:///{tmp_path}/store.db", clock=lambda: NOW)
    run_id = store.begin_run()
    row = seed_of(run_id, created_at=NOW, deadline=NOW + timedelta(minutes=1))
    store.plan([row], since=NOW)
    tracker = Tracker(store, run_id, clock=lambda: NOW, timeout=timedelta(minutes=1))
    yield tracker, tracker.add(row, resumed=False), store
    store.close()


def once_more(tracker: Tracker, live: LiveSeed) -> LiveSeed:
    """The same seed as another sender would have it, which does not know how far it is."""
    return tracker.add(live.row, resumed=False)


def test_a_temporary_reply_lets_a_seed_be_sent_again(tracked: tuple[Tracker, LiveSeed, SeedStore]) -> None:
    """Planned, tried, tried again, committed: each in its turn is granted."""
    tracker, live, store = tracked
    assert tracker.sending(live, 1)
    tracker.handed(live, Handoff(HandoffStatus.DEFERRED, 451, None, "451 later", "mx", None, NOW), final=False)
    assert tracker.sending(live, 2)
    assert tracker.committing(live, "Subject: x")
    (row,) = store.load([live.row.seed_id])
    assert (row.state, row.attempts, row.sent_header) == ("committed", 2, "Subject: x")


@pytest.mark.parametrize("state", ["committed", "watching"])
def test_a_seed_that_may_be_out_is_not_sent_again(state: str, tracked: tuple[Tracker, LiveSeed, SeedStore]) -> None:
    """Once the final dot may have left, neither an attempt nor a second dot is granted; the store stays as it is."""
    tracker, live, store = tracked
    assert tracker.sending(live, 1)
    assert tracker.committing(live, "Subject: x")
    if state == "watching":
        tracker.handed(live, Handoff(HandoffStatus.ACCEPTED, 250, None, "250 ok", "mx", None, NOW), final=True)
    before = store.load([live.row.seed_id])
    assert before[0].state == state
    assert not tracker.sending(once_more(tracker, live), 2)
    assert not tracker.committing(once_more(tracker, live), "Subject: y")
    assert store.load([live.row.seed_id]) == before


def test_a_dot_needs_an_attempt_before_it(tracked: tuple[Tracker, LiveSeed, SeedStore]) -> None:
    """A seed that is planned, and that nobody said to be sending, is not committed."""
    tracker, live, store = tracked
    assert not tracker.committing(live, "Subject: x")
    assert store.load([live.row.seed_id])[0].state == "planned"


def test_a_step_from_another_state_keeps_nothing(tracked: tuple[Tracker, LiveSeed, SeedStore]) -> None:
    """Neither the row nor what was seen: the step did not take place."""
    _, live, store = tracked
    seen = [Observation("handoff", "mx", NOW, {"n": 1})]
    assert not store.advance(
        live.row.seed_id, live.row.owner, seen, expected=("sending", "committed"), state="watching"
    )
    assert store.advance(live.row.seed_id, live.row.owner, expected=("planned", "sending"), state="sending")
    assert store.load([live.row.seed_id])[0].state == "sending"
    assert store.evidence(live.row.seed_id) == []
