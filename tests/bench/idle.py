"""What one poll of a mailbox costs while nothing has come: the seed is awaited, and is nowhere yet.

The inbox holds a letter, so that the first poll has opened it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tests.bench.mailboxes import now, plan, settings_for, track
from tests.bench.plain_reader import PlainReader
from tests.servers.account import Account
from tests.servers.latency import LatencyProcess, LatencyProxy
from tests.servers.letter import letter
from toolkit.collect.mailbox_reader import MailboxReader
from toolkit.store.seeds import SeedStore


@dataclass(frozen=True)
class PollCost:
    """The mean of some polls; `cpu` is that of the reading thread."""

    commands: float
    round_trips: float
    seconds: float
    cpu: float


class _Ahead:
    """A clock that can be put forward, so that every poll comes when it is due and nobody waits for it."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        return now() + self._ahead

    def skip(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


def our_idle_poll(folder: Path, account: Account, proxy: LatencyProxy | LatencyProcess, *, polls: int) -> PollCost:
    """Polls of ours after the first, which connects. Going back to IDLE is part of a poll."""
    account.append("INBOX", letter())
    settings = settings_for(folder, [account], proxy.port, ["inbox"])
    store = SeedStore.open(settings.store.url)
    run_id, rows = plan(store, settings)
    tracker, _ = track(store, settings, run_id, rows)
    clock = _Ahead()
    reader = MailboxReader(
        settings.inbox[0],
        tracker,
        clock=clock,
        poll=settings.probe.poll,
        settle=timedelta(0),
        takes_bounces=False,
        empty_handed=False,
    )
    try:
        clock.skip(reader.step())
        return _measured(proxy, polls, lambda: clock.skip(reader.step()))
    finally:
        reader.close()
        store.close()


def plain_idle_poll(folder: Path, account: Account, proxy: LatencyProxy | LatencyProcess, *, polls: int) -> PollCost:
    """Polls of the plain reader after it has logged in."""
    account.append("INBOX", letter())
    reader = PlainReader(settings_for(folder, [account], proxy.port, ["inbox"]).inbox[0])
    try:
        return _measured(proxy, polls, lambda: reader.poll(["nowhere@belmont.example"]))
    finally:
        reader.close()


def _measured(proxy: LatencyProxy | LatencyProcess, polls: int, poll: Callable[[], object]) -> PollCost:
    before, began, cpu = proxy.total(), time.monotonic(), time.thread_time()
    for _ in range(polls):
        poll()
    seconds, cpu = time.monotonic() - began, time.thread_time() - cpu
    spent = proxy.total() - before
    return PollCost(spent.command_count / polls, spent.round_trips / polls, seconds / polls, cpu / polls)
