"""What the store takes for a seed's whole life, step by step as a probe takes them, with nobody else writing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.bench.mailboxes import FIVE, now, plan, settings_for, track
from tests.bench.worker import TimedStore
from tests.servers.account import Account
from toolkit.model.mailbox import Role
from toolkit.model.placement import Handoff, HandoffStatus
from toolkit.model.sighting import Coverage, Sighting

_HEADER = "Received: from mx.origin.example by imap.inbox.example; Fri, 01 Nov 2024 12:00:00 +0000\r\n" * 50  # 4 KB


@dataclass(frozen=True)
class StoreCost:
    """Of one seed, the mean."""

    commits: float
    seconds: float


def store_cost(folder: Path, accounts: list[Account]) -> StoreCost:
    """Five seeds for each account: planned, sent, seen in the inbox, judged. Nothing is connected to."""
    settings = settings_for(folder, accounts, 1, FIVE)
    store = TimedStore.open(settings.store.url)
    assert isinstance(store, TimedStore)
    run_id, rows = plan(store, settings, state="planned")
    tracker, seeds = track(store, settings, run_id, rows)
    for live in seeds.values():
        tracker.sending(live, 1)
        tracker.committing(live, _HEADER)
        taken = Handoff(HandoffStatus.ACCEPTED, 250, "2.0.0", "250 2.0.0 OK", "mx", None, now())
        tracker.handed(live, taken, final=True)
        tracker.sighted(live, Sighting("INBOX", Role.INBOX, 1, now(), header=_HEADER))
        tracker.conclude(live, Coverage(("INBOX",)))
    assert all(live.report is not None for live in seeds.values())
    cost = StoreCost((store.commits - 1) / len(rows), store.seconds / len(rows))  # the run's own line is no seed's
    store.close()
    return cost
