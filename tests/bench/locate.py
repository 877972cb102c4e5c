"""How many round trips after its arrival a seed is located: its place known, its headers read.

A seed has arrived when its sender has read the 250. Ours waits for it as a probe does, in the loop, and may be at any
point of a poll then; so the arrivals are spread over the time between two polls, and the worst counts. The plain
reader's poll begins with the arrival: the best case that it can have.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.mailboxes import deliver, now, plan, settings_for, track
from tests.bench.plain_reader import PlainReader
from tests.servers.account import Account
from tests.servers.latency import LatencyProxy, Traffic
from toolkit.collect.loop import ReadingLoop
from toolkit.collect.mailbox_reader import MailboxReader
from toolkit.collect.tracker import Step
from toolkit.model.placement import SeedReport
from toolkit.store.seeds import SeedStore, StoredSeed

_LONGEST = 30.0  # seconds until a seed that is not located is an error


@dataclass(frozen=True)
class Located:
    """One seed: what was spent, and the time that went by, from its arrival on."""

    commands: int
    round_trips: int
    seconds: float
    folder: str


def ours(
    folder: Path, account: Account, proxy: LatencyProxy, place: str, *, arrivals: int, poll: float
) -> list[Located]:
    """So many seeds one after the other, each with the mailbox to itself. `poll` is in seconds."""
    settings = settings_for(
        folder, [account], proxy.port, [place] * arrivals, poll=f"{poll * 1000:.0f}ms", settle="50ms"
    )
    seen: dict[str, tuple[Traffic, float]] = {}

    def notice(step: Step, row: StoredSeed, _: SeedReport | None) -> None:
        if step == "seen":  # in the reader's own thread: nothing further has been sent yet
            seen[row.seed_id] = proxy.total(), time.monotonic()

    store = SeedStore.open(settings.store.url)
    run_id, rows = plan(store, settings)
    tracker, live = track(store, settings, run_id, rows, notice)
    stepped: list[MailboxReader] = []
    loop = ReadingLoop(concurrency=2, stepped=stepped.append)
    results = []
    try:
        loop.add(
            MailboxReader(
                settings.inbox[0],
                tracker,
                clock=now,
                poll=settings.probe.poll,
                settle=settings.probe.second_look,
                takes_bounces=False,
                empty_handed=True,
            )
        )
        _turn(loop, lambda: bool(stepped))
        for number, row in enumerate(rows):
            phase = time.monotonic() + poll * number / arrivals
            _turn(loop, lambda phase=phase: time.monotonic() >= phase)
            deliver(account.server, settings, [row], connections=1)
            before, began = proxy.total(), time.monotonic()
            _turn(loop, lambda row=row: not live[row.seed_id].open)
            after, ended = seen[row.seed_id]
            report = live[row.seed_id].report
            assert report is not None
            assert report.placement.folder is not None, report.placement
            spent = after - before
            results.append(Located(spent.command_count, spent.round_trips, ended - began, report.placement.folder))
    finally:
        loop.close()
        store.close()
    return results


def plain(folder: Path, account: Account, proxy: LatencyProxy, place: str) -> Located:
    """One seed, looked for at once."""
    settings = settings_for(folder, [account], proxy.port, [place])
    store = SeedStore.open(settings.store.url)
    _, (row,) = plan(store, settings)
    store.close()
    reader = PlainReader(settings.inbox[0])
    try:
        deliver(account.server, settings, [row], connections=1)
        before, began = proxy.total(), time.monotonic()
        found = reader.poll([row.message_id])
        spent, seconds = proxy.total() - before, time.monotonic() - began
    finally:
        reader.close()
    return Located(spent.command_count, spent.round_trips, seconds, found[row.message_id][0])


def _turn(loop: ReadingLoop, until: Callable[[], bool]) -> None:
    end = time.monotonic() + _LONGEST
    while not until():
        loop.turn(0.02)
        if time.monotonic() > end:
            raise TimeoutError(f"not seen within {_LONGEST:g} s")
