"""One probe: a seed for each (stream, route, inbox), sent, looked for, judged.

A seed that is already under way is not sent again but joined: another run's, as long as that run lives, or taken over
where it has died. So a probe that was killed goes on when it is started again, and two at once share their work.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import TypeAdapter

from toolkit.collect.handoff import RouteSender
from toolkit.collect.loop import ReadingLoop
from toolkit.collect.mailbox_reader import MailboxReader
from toolkit.collect.tracker import LiveSeed, Step, Tracker
from toolkit.config.settings import Inbox, Route, Settings, Stream
from toolkit.model.placement import Handoff, HandoffStatus, ProbeReport, SeedReport
from toolkit.model.sighting import Coverage
from toolkit.store.seeds import SeedStore, StoredSeed

_HEARTBEAT = 5.0  # seconds
_FOLLOW = 0.5  # seconds between looks at seeds that another run works on
_LAST_WORDS = 30.0  # seconds for what is being said when a run ends
_OVERTIME = 120.0  # seconds beyond its time after which a run ends, whatever hangs

_Named = TypeVar("_Named", Stream, Inbox)

Notify = Callable[[Step, StoredSeed, SeedReport | None], None]


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which seeds a probe shall send; nothing named means all."""

    streams: tuple[Stream, ...]
    routes: tuple[Route, ...]
    inboxes: tuple[Inbox, ...]

    @classmethod
    def of(cls, settings: Settings, streams: Sequence[str] = (), inboxes: Sequence[str] = ()) -> "Selection":
        """The named ones. Raises ValueError, which lists the names that exist, where one does not."""
        return cls(
            _chosen("stream", settings.stream, streams),
            settings.route,
            _chosen("inbox", settings.inbox, inboxes),
        )

    @property
    def triples(self) -> list[tuple[Stream, Route, Inbox]]:
        """Each (stream, route, inbox), a stream's own choice of routes kept."""
        return [
            (stream, route, inbox)
            for stream in self.streams
            for route in self.routes
            if not stream.routes or route.name in stream.routes
            for inbox in self.inboxes
        ]


def _chosen(kind: str, known: Sequence[_Named], names: Sequence[str]) -> tuple[_Named, ...]:
    by_name = {one.name: one for one in known}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        there = ", ".join(by_name) or "none"
        raise ValueError(f"no {kind} is named {', '.join(unknown)}; the configuration has: {there}")
    return tuple(by_name[name] for name in dict.fromkeys(names)) or tuple(known)


class ProbeRun:
    """A probe from its first seed to its report. `run` is called once; `stop` from anywhere, at any time."""

    def __init__(
        self,
        settings: Settings,
        selection: Selection,
        store: SeedStore,
        *,
        clock: Callable[[], datetime] = _utc_now,
        notify: Notify = lambda *_: None,
    ) -> None:
        self._settings = settings
        self._selection = selection
        self._store = store
        self._clock = clock
        self._notify = notify
        self._stopping = False  # a plain value: a lock could not be taken again by a second signal
        self._notes: list[str] = []
        self._loop: ReadingLoop | None = None

    def stop(self) -> None:
        """End soon: what is being said is said to its end, what is open stays open for the next probe."""
        self._stopping = True
        if self._loop is not None:
            self._loop.wake()

    def run(self) -> ProbeReport:
        """Send, find and judge. Raises what the store raises."""
        started = self._clock()
        run_id = self._store.begin_run()
        left = True
        try:
            report = self._run(run_id, started)
            left = self._tracker.busy() or bool(self._followed)
            return report
        finally:
            (self._store.leave_run if left else self._store.finish_run)(run_id)

    # -- planning -----------------------------------------------------------------------------------------------------

    def _run(self, run_id: str, started: datetime) -> ProbeReport:
        self._tracker = Tracker(
            self._store,
            run_id,
            clock=self._clock,
            timeout=self._settings.probe.timeout,
            notify=self._notify,
        )
        self._run_id = run_id
        self._followed: list[LiveSeed] = []
        resumed = self._take_up()
        since = started - self._settings.probe.timeout
        planned = self._store.plan([self._planned(*triple) for triple in self._selection.triples], since=since)
        self._store.inherit([row for row in planned if row.concluded_at is not None], run_id)
        fresh = []
        here = {live.row.seed_id for live in self._tracker.all()}
        for row in planned:
            if row.owner == run_id and row.seed_id not in here:
                fresh.append(self._tracker.add(row, resumed=False))
            elif row.owner != run_id and (live := self._join(row)) is not None:
                resumed.append(live)
        self._work(fresh, resumed)
        seeds = [live.report for live in self._tracker.all() if live.report is not None]
        left = sum(live.report is None for live in self._tracker.all())
        if left:
            self._notes.append(f"{left} seeds are still open; the next probe takes them up")
        return ProbeReport(run_id, started, self._clock(), tuple(seeds), tuple(self._notes))

    def _planned(self, stream: Stream, route: Route, inbox: Inbox) -> StoredSeed:
        now = self._clock()
        token = secrets.token_hex(8)
        within = inbox.deliver_within or stream.deliver_within
        stamp = f"{now:%Y%m%dT%H%M%SZ}"
        return StoredSeed(
            seed_id=f"{stamp}-{inbox.name}-{stream.name}-{route.name}-{token[:8]}",
            stream=stream.name,
            route=route.name,
            inbox=inbox.name,
            provider=inbox.provider,
            address=inbox.address,
            message_id=f"probe.{now:%Y%m%d%H%M%S}.{token}@{stream.from_address.rpartition('@')[2]}",
            token=token,
            subject=stream.subject,
            envelope_sender=stream.envelope_sender,
            deliver_within=within.total_seconds(),
            created_at=now,
            deadline=now + self._settings.probe.timeout,
            owner=self._run_id,
            origin=self._run_id,
            state="planned",
        )

    def _take_up(self) -> list[LiveSeed]:
        """What dead runs left: seeds that may be out there are looked for, whatever this probe was asked to send.

        Those whose time is up are ended first, which makes room for new ones of their kind; the others are returned.
        One that never left is sent by the probe that selects its kind, while its time lasts.
        """
        settings = self._settings
        inboxes = {inbox.name: inbox for inbox in settings.inbox}
        routes, streams = {route.name for route in settings.route}, {stream.name for stream in settings.stream}
        waiting: list[LiveSeed] = []
        late: list[LiveSeed] = []
        for row in self._store.under_way():
            over = row.deadline <= self._clock()
            out = row.inbox in inboxes and (row.state in ("committed", "watching") or self._may_be_out(row))
            can_go = row.inbox in inboxes and row.route in routes and row.stream in streams
            if not (out or over or not can_go) or not self._store.is_over(row.owner):
                continue
            if (live := self._taken_over(row)) is None:
                continue
            if not live.in_flight or row.inbox not in inboxes:
                self._tracker.conclude(live, Coverage())
            else:
                (late if live.deadline <= self._clock() else waiting).append(live)
        if late:
            self._read_once(late, inboxes)
        return waiting + [live for live in late if live.open]

    def _may_be_out(self, row: StoredSeed) -> bool:
        """Whether the note that the final dot left may have been lost with the machine."""
        return row.state == "sending" and self._store.power_was_cut(row.owner)

    def _read_once(self, late: Sequence[LiveSeed], inboxes: dict[str, Inbox]) -> None:
        loop = self._loop = ReadingLoop(concurrency=self._settings.probe.concurrency, stepped=lambda _: None)
        try:
            for name in dict.fromkeys(live.row.inbox for live in late):
                loop.add(self._reader(inboxes[name], late, empty_handed=False))
            until = time.monotonic() + _OVERTIME
            while any(live.open for live in late) and time.monotonic() < until and not self._stopping:
                loop.turn(1.0)
                self._beat()
        finally:
            loop.close()
            self._loop = None

    def _join(self, row: StoredSeed) -> LiveSeed | None:
        """A seed that is under way: ours if its run has ended, else watched until that run has judged it."""
        if row.concluded_at is not None or not self._store.is_over(row.owner):
            live = self._tracker.add(row, resumed=False)
            live.lost = True
            self._followed.append(live)
            return None
        if (taken := self._taken_over(row)) is not None:
            return taken
        now = self._store.load([row.seed_id])
        return self._join(now[0]) if now else None

    def _taken_over(self, row: StoredSeed) -> LiveSeed | None:
        if not self._store.take_over(row, self._run_id):
            return None
        before, row = row, self._store.load([row.seed_id])[0]  # its owner may have got further since it was read
        in_doubt = row.state == "committed" or self._may_be_out(replace(row, owner=before.owner))
        return self._tracker.add(
            replace(row, owner=self._run_id), resumed=True, handoff=_handoff_so_far(row, in_doubt=in_doubt)
        )

    # -- working ------------------------------------------------------------------------------------------------------

    def _reader(self, inbox: Inbox, seeds: Sequence[LiveSeed], *, empty_handed: bool) -> MailboxReader:
        senders = {live.row.envelope_sender.casefold() for live in seeds}
        return MailboxReader(
            inbox,
            self._tracker,
            clock=self._clock,
            poll=self._settings.probe.poll,
            settle=self._settings.probe.second_look,
            takes_bounces=inbox.address.casefold() in senders,
            empty_handed=empty_handed,
        )

    def _work(self, fresh: Sequence[LiveSeed], resumed: Sequence[LiveSeed]) -> None:
        probe = self._settings.probe
        streams = {stream.name: stream for stream in self._settings.stream}
        self._senders = {
            route.name: RouteSender(
                route, streams, self._tracker, clock=self._clock, pause=max(probe.poll.total_seconds(), 0.1)
            )
            for route in self._settings.route
        }
        self._unsent: dict[str, list[LiveSeed]] = {}
        self._readers: dict[tuple[str, str], MailboxReader] = {}
        for live in [*fresh, *resumed]:
            if live.handoff is None or not live.in_flight:
                self._unsent.setdefault(live.row.inbox, []).append(live)
        self._loop = ReadingLoop(concurrency=probe.concurrency, stepped=self._stepped)
        try:
            self._read_and_wait(fresh, resumed)
        finally:
            self._stop_senders()
            self._notes += [  # before the connections are broken off
                f"{reader.name}: bounces could not be looked for: {reader.trouble.detail}"
                for reader in self._readers.values()
                if reader.trouble is not None and not isinstance(reader.mailbox, Inbox)
            ]
            self._loop.close()
            self._loop = None
        if self._tracker.crashed is not None:
            raise self._tracker.crashed

    def _stop_senders(self) -> None:
        """What is being said is said to its end; meanwhile nobody shall take us for dead."""
        for sender in self._senders.values():
            sender.stop()
        until = time.monotonic() + (0 if self._tracker.crashed else _LAST_WORDS)
        while not all(sender.stopped(wait=0.5) for sender in self._senders.values()) and time.monotonic() < until:
            self._beat()

    def _read_and_wait(self, fresh: Sequence[LiveSeed], resumed: Sequence[LiveSeed]) -> None:
        assert self._loop is not None  # noqa: S101 - the caller made it
        seeds = [*fresh, *resumed]
        self._add_readers(seeds)
        # Twice, since a seed may be handed over just before its time is up. By a clock that nobody can set.
        until = time.monotonic() + 2 * self._settings.probe.timeout.total_seconds() + _OVERTIME
        while (self._tracker.busy() or self._followed) and not self._stopping:
            self._loop.turn(min(_FOLLOW, 1.0) if self._followed else 1.0)
            self._beat()
            self._follow()
            if self._tracker.crashed is not None:
                return
            if time.monotonic() > until:
                self._notes.append("some servers hung; what was open when time was up stays open")
                return

    def _add_readers(self, seeds: Sequence[LiveSeed]) -> None:
        assert self._loop is not None  # noqa: S101 - as above
        inboxes = {inbox.name: inbox for inbox in self._settings.inbox}
        in_flight = {live.row.inbox for live in seeds if live.in_flight}
        for name in dict.fromkeys(live.row.inbox for live in seeds):
            if not self._wake(("inbox", name)):
                reader = self._reader(inboxes[name], seeds, empty_handed=name not in in_flight)
                self._readers["inbox", name] = reader
                self._loop.add(reader)
        if not seeds:
            return
        for mailbox in self._settings.collect:
            if not self._wake(("collect", mailbox.name)):
                self._readers["collect", mailbox.name] = reader = MailboxReader(
                    mailbox,
                    self._tracker,
                    clock=self._clock,
                    poll=self._settings.probe.poll,
                    settle=self._settings.probe.second_look,
                    takes_bounces=True,
                    empty_handed=not in_flight,
                )
                self._loop.add(reader)

    def _wake(self, key: tuple[str, str]) -> bool:
        """Let a mailbox that is being read be looked into now. False where none is."""
        reader = self._readers.get(key)
        return reader is not None and self._loop is not None and self._loop.hurry(reader)

    def _stepped(self, reader: MailboxReader) -> None:
        """After its first look a mailbox's seeds may go out: what is there now is known, or cannot be."""
        for live in self._unsent.pop(reader.name, []) if isinstance(reader.mailbox, Inbox) else []:
            self._senders[live.row.route].submit(live)

    def _beat(self) -> None:
        now = time.monotonic()
        if now - getattr(self, "_beaten", 0.0) >= _HEARTBEAT:
            self._beaten = now
            self._store.heartbeat(self._run_id)

    def _follow(self) -> None:
        """Seeds of another run: done there, or ours because it died."""
        if not self._followed:
            return
        rows = {row.seed_id: row for row in self._store.load([live.row.seed_id for live in self._followed])}
        orphans = []
        for live in list(self._followed):
            row = rows.get(live.row.seed_id)
            if row is None:
                self._followed.remove(live)
            elif row.concluded_at is not None:
                self._followed.remove(live)
                self._tracker.concluded_elsewhere(live, row)
            elif self._store.is_over(row.owner):
                self._followed.remove(live)
                if (taken := self._join(row)) is not None:
                    orphans.append(taken)
        if orphans:
            for live in orphans:
                if live.handoff is None or not live.in_flight:
                    self._unsent.setdefault(live.row.inbox, []).append(live)
            self._add_readers(orphans)


def _handoff_so_far(row: StoredSeed, *, in_doubt: bool) -> Handoff | None:
    """What an earlier run knew. Where it ended between the final dot and the reply, nobody knows."""
    if in_doubt:
        return Handoff(
            status=HandoffStatus.FAILED,
            code=None,
            enhanced=None,
            text="the probe ended before the server's reply was seen",
            remote="",
            tls=None,
            at=row.created_at,
            attempts=row.attempts,
            in_doubt=True,
        )
    if row.handoff is None:
        return None
    return TypeAdapter(Handoff).validate_python(row.handoff)
