"""The process that is measured: it reads seeds back in one of three ways, and prints what that took as JSON.

    python -m tests.bench.worker WAY JOB

`JOB` is a JSON file: `settings`, as the configuration has them, and `run`, the run in their store that owns the seeds.
WAY is `ours`, the reading half of a probe; `plain` or `plain-threads`, the plain reader over one mailbox after the
other or over as many at once as ours; `probe`, a whole probe of ours, sending included, of seeds that it plans itself.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.bench.mailboxes import now, track
from tests.bench.plain_reader import PlainReader
from toolkit.collect.loop import ReadingLoop
from toolkit.collect.mailbox_reader import MailboxReader
from toolkit.collect.probe import ProbeRun, Selection
from toolkit.collect.tracker import Step
from toolkit.config.settings import Inbox, Settings
from toolkit.model.placement import SeedReport
from toolkit.store.seeds import SeedStore, StoredSeed


@dataclass
class Reading:
    """What it took. Times are in seconds from the start of the reading; no connection is open then."""

    located: float = 0.0  # when the last seed was located: its folder known, its headers read
    ended: float = 0.0  # when the last seed had its verdict, its second look included; the plain reader gives none
    found: dict[str, int] = field(default_factory=dict)  # seeds by folder
    cpu: float = 0.0  # seconds of this process, user and system, from start to end
    peak: float = 0.0  # megabytes: the most that was resident at once, in the process's whole life
    commits: int = 0
    in_store: float = 0.0  # seconds in the store, added up over the threads


class TimedStore(SeedStore):
    """The store, with the time spent in it."""

    def __init__(self, engine: sa.Engine, **details: Any) -> None:
        super().__init__(engine, **details)
        self.commits = 0
        self.seconds = 0.0
        self._count = threading.Lock()
        sa.event.listen(engine, "commit", self._committed)

    def _committed(self, _: sa.Connection) -> None:
        with self._count:
            self.commits += 1

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            with self._count:
                self.seconds += time.monotonic() - began

    def plan(self, *arguments: Any, **options: Any) -> list[StoredSeed]:
        """As the store's, timed."""
        with self._timed():
            return super().plan(*arguments, **options)

    def advance(self, *arguments: Any, **options: Any) -> bool:
        """As the store's, timed."""
        with self._timed():
            return super().advance(*arguments, **options)


def read_ours(settings: Settings, store: SeedStore, run_id: str) -> Reading:
    """All seeds, through readers, loop, tracker and store as a probe has them."""
    result, seen = Reading(), []

    def notice(step: Step, row: StoredSeed, report: SeedReport | None) -> None:  # noqa: ARG001 - the probe's signature
        if step == "seen":
            seen.append(time.monotonic())

    tracker, live = track(store, settings, run_id, store.under_way(), notice)
    began = time.monotonic()
    loop = ReadingLoop(concurrency=settings.probe.concurrency, stepped=lambda _: None)
    try:
        for inbox in settings.inbox:
            loop.add(
                MailboxReader(
                    inbox,
                    tracker,
                    clock=now,
                    poll=settings.probe.poll,
                    settle=settings.probe.second_look,
                    takes_bounces=False,
                    empty_handed=False,
                )
            )
        while tracker.busy():
            loop.turn(1.0)
        result.ended = time.monotonic() - began
    finally:
        loop.close()
    result.located = max(seen) - began
    result.found = dict(Counter(one.report.placement.folder for one in live.values() if one.report is not None))
    return result


def read_plain(settings: Settings, store: SeedStore, threads: int) -> Reading:
    """All seeds, by the plain reader; each mailbox's connection is opened, used for one poll, and closed."""
    wanted: dict[str, list[str]] = {}
    for row in store.under_way():
        wanted.setdefault(row.inbox, []).append(row.message_id)

    def one(inbox: Inbox) -> list[str]:
        reader = PlainReader(inbox)
        try:
            return [folder for folder, _ in reader.poll(wanted[inbox.name]).values()]
        finally:
            reader.close()

    result, began = Reading(), time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        result.found = dict(Counter(folder for folders in pool.map(one, settings.inbox) for folder in folders))
    result.located = result.ended = time.monotonic() - began
    return result


def whole_probe(settings: Settings, store: SeedStore) -> Reading:
    """Everything: a first look, sending, finding, the second look."""
    began = time.monotonic()
    report = ProbeRun(settings, Selection.of(settings), store).run()
    ended = time.monotonic() - began
    return Reading(
        ended, ended, dict(Counter(seed.placement.folder or seed.placement.verdict for seed in report.seeds))
    )


def main(way: str, job: str) -> None:
    """Read, and print what it took."""
    given = json.loads(Path(job).read_text())
    settings = Settings.model_validate(given["settings"])
    store = TimedStore.open(settings.store.url)
    assert isinstance(store, TimedStore)
    ways: dict[str, Callable[[], Reading]] = {
        "ours": lambda: read_ours(settings, store, given["run"]),
        "plain": lambda: read_plain(settings, store, 1),
        "plain-threads": lambda: read_plain(settings, store, settings.probe.concurrency),
        "probe": lambda: whole_probe(settings, store),
    }
    before = _cpu()
    result = ways[way]()
    result.cpu, result.peak = _cpu() - before, _peak()
    result.commits, result.in_store = store.commits, store.seconds
    store.close()
    print(json.dumps(asdict(result)))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak() -> float:
    # Not ru_maxrss: that begins with what the parent had when it started this process.
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
