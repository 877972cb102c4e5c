"""The seeds of one run, as its threads share them: in memory, and after every step in the store.

Senders, readers and the loop that waits for them meet here alone. A seed that the store says belongs to another run
is let go at once.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from toolkit.derive.authentication import auth_results
from toolkit.derive.hops import hops
from toolkit.derive.latency import arrival_stamps, time_to_deliver
from toolkit.derive.placement import placement
from toolkit.derive.trace import Trace, trace
from toolkit.model.document import report_from_document, seed_document
from toolkit.model.placement import DELIVERED, Handoff, HandoffStatus, Placement, SeedReport
from toolkit.model.sighting import Bounce, Coverage, Sighting
from toolkit.parse.headers import parse_headers
from toolkit.parse.verdict_headers import read_verdicts
from toolkit.store.seeds import Observation, SeedStore, StoredSeed

_log = logging.getLogger(__name__)

Step = Literal["planned", "handed", "seen", "concluded"]


@dataclass(slots=True)
class LiveSeed:
    """One seed under way. Changed by the tracker alone, under its lock."""

    row: StoredSeed
    resumed: bool
    handoff: Handoff | None = None
    sightings: dict[tuple[str, int], Sighting] = field(default_factory=dict)
    bounce: Bounce | None = None
    report: SeedReport | None = None
    lost: bool = False  # another run has it
    deadline: datetime = field(init=False)

    def __post_init__(self) -> None:
        """The deadline may move when the seed is handed over."""
        self.deadline = self.row.deadline

    @property
    def open(self) -> bool:
        """Whether this run still works on it."""
        return self.report is None and not self.lost

    @property
    def in_flight(self) -> bool:
        """Whether it may be in its mailbox, or on the way there."""
        return self.open and self.handoff is not None and (
            self.handoff.status is HandoffStatus.ACCEPTED or self.handoff.in_doubt
        )  # fmt: skip


class Tracker:
    """All seeds of a run. Every method may be called from any thread."""

    def __init__(
        self,
        store: SeedStore,
        run_id: str,
        *,
        clock: Callable[[], datetime],
        timeout: timedelta,
        notify: Callable[[Step, StoredSeed, SeedReport | None], None] = lambda *_: None,
    ) -> None:
        self._store = store
        self._run = run_id
        self._clock = clock
        self._timeout = timeout
        self._notify = notify
        self._lock = threading.RLock()
        self._seeds: dict[str, LiveSeed] = {}
        self._by_inbox: dict[str, list[LiveSeed]] = {}
        self.crashed: Exception | None = None  # why the run cannot go on

    def crash(self, error: Exception) -> None:
        """A thread cannot go on, and so the run cannot: the first reason counts."""
        self.crashed = self.crashed or error

    # -- who is here ---------------------------------------------------------------------------------------------

    def add(self, row: StoredSeed, *, resumed: bool, handoff: Handoff | None = None) -> LiveSeed:
        """Take a seed in; `handoff` is known where an earlier run got that far."""
        live = LiveSeed(row, resumed, handoff)
        with self._lock:
            self._seeds[row.seed_id] = live
            self._by_inbox.setdefault(row.inbox, []).append(live)
        self._notify("planned", row, None)
        return live

    def all(self) -> list[LiveSeed]:
        """Every seed, in the order in which they were added."""
        with self._lock:
            return list(self._seeds.values())

    def of_inbox(self, inbox: str) -> list[LiveSeed]:
        """The open seeds that were sent, or shall be, to this inbox."""
        with self._lock:
            return [live for live in self._by_inbox.get(inbox, ()) if live.open]

    def busy(self) -> bool:
        """Whether any seed is still open."""
        return any(live.open for live in self.all())

    # -- steps ---------------------------------------------------------------------------------------------------

    def sending(self, live: LiveSeed, attempt: int) -> bool:
        """An attempt to hand over begins. False where the seed is not ours any more, or on its way already."""
        return self._advance(live, expected=("planned", "sending"), state="sending", attempts=attempt)

    def committing(self, live: LiveSeed, header: str) -> bool:
        """The final dot is about to leave: from here on the seed is never sent again. False: do not send it.

        The moment between this mark and the dot is the one where a killed process leaves a seed that nobody will ever
        know of. Not to wait for the disk makes it short; the state "sending", which did wait, tells after a power cut.
        """
        if not self._advance(live, expected=("sending",), hasty=True, state="committed", sent_header=header):
            return False
        with self._lock:
            live.row = replace(live.row, state="committed", sent_header=header)
        return True

    def handed(self, live: LiveSeed, handoff: Handoff, *, final: bool) -> None:
        """The next server has answered, or failed to. `final`: it is not tried again."""
        taken = handoff.status is HandoffStatus.ACCEPTED or handoff.in_doubt
        deadline = handoff.at + self._timeout if taken else live.deadline
        seen = [Observation("handoff", handoff.remote, handoff.at, handoff)]
        state = "watching" if taken else "sending"
        if not self._advance(live, seen, state=state, handoff=handoff, deadline=deadline):
            return
        with self._lock:
            live.handoff, live.deadline = handoff, deadline
        self._notify("handed", live.row, None)
        if final and not taken:
            self.conclude(live, Coverage())

    def sighted(self, live: LiveSeed, sighting: Sighting) -> None:
        """A copy was seen, or seen again with other flags, labels or tab, or seen to have gone."""
        with self._lock:
            if not live.open:
                return
            before = live.sightings.get((sighting.folder, sighting.uid))
            if before == sighting:
                return
            live.sightings[(sighting.folder, sighting.uid)] = sighting
            first = len(live.sightings) == 1 and before is None
        # What lies in a mailbox can be seen again: the disk is not waited for.
        self._advance(live, [Observation("sighting", live.row.inbox, self._clock(), sighting)], hasty=True)
        if first:
            self._notify("seen", live.row, None)

    def bounced(self, message_id: str, bounce: Bounce, raw: str) -> None:
        """A DSN names this seed. What lies in its mailbox outweighs it, so that is looked into before the verdict."""
        for live in self.all():
            if live.row.message_id == message_id and live.open:
                self._advance(live, [Observation("dsn", bounce.mailbox, bounce.at, {"bounce": bounce, "raw": raw})])
                with self._lock:
                    live.bounce = live.bounce or bounce

    def conclude(self, live: LiveSeed, coverage: Coverage) -> None:
        """The verdict, from all that was seen, once for all."""
        with self._lock:
            if not live.open:
                return
            report = self._report(live, coverage)
        now = self._clock()
        seen = [Observation("verdict", live.row.inbox, now, report.placement)]
        if self._advance(live, seen, state="concluded", report=seed_document(report), concluded_at=now):
            with self._lock:
                live.report = report
            self._notify("concluded", live.row, report)

    def concluded_elsewhere(self, live: LiveSeed, row: StoredSeed) -> None:
        """The run that owned the seed has ended it."""
        if row.report is not None:
            report = report_from_document(row.report)
            with self._lock:
                live.report, live.lost = report, False
            self._notify("concluded", row, report)

    def _advance(
        self,
        live: LiveSeed,
        seen: Sequence[Observation] = (),
        *,
        expected: Sequence[str] = (),
        hasty: bool = False,
        **values: object,
    ) -> bool:
        if live.lost:
            return False
        if self._store.advance(live.row.seed_id, self._run, seen, expected=expected, hasty=hasty, **values):
            return True
        with self._lock:
            live.lost = True
        return False

    # -- what is known in the end -----------------------------------------------------------------------------------

    def _report(self, live: LiveSeed, coverage: Coverage) -> SeedReport:
        row, handoff = live.row, live.handoff
        judged = placement(list(live.sightings.values()), handoff, live.bounce, coverage)
        report = SeedReport(
            seed_id=row.seed_id,
            stream=row.stream,
            route=row.route,
            inbox=row.inbox,
            provider=row.provider,
            address=row.address,
            message_id=row.message_id,
            placement=judged,
            handoff=handoff,
            created_at=row.created_at,
            subject=row.subject,
            deliver_within=row.deliver_within,
            resumed=live.resumed,
        )
        if judged.verdict not in DELIVERED or handoff is None:
            return report
        seen = _chosen(live.sightings.values(), judged)
        if handoff.in_doubt:  # it lies there: it was taken
            handoff = replace(handoff, status=HandoffStatus.ACCEPTED, in_doubt=False)
        report = replace(report, handoff=handoff)
        try:
            return self._with_headers(report, seen, row)
        except Exception:  # noqa: BLE001 - whatever it is
            # What a stranger wrote into a header must not cost the verdict, nor stop every probe that meets it.
            _log.exception("the headers of seed %s cannot be read", row.seed_id)
            return report

    @staticmethod
    def _with_headers(report: SeedReport, seen: Sighting, row: StoredSeed) -> SeedReport:
        sent = parse_headers((row.sent_header or "").encode("latin-1", "replace"))
        found: Trace = trace(parse_headers(seen.header.encode("latin-1", "replace")), sent)
        travelled = hops(found)
        seconds = None
        if report.handoff is not None:
            stamps = arrival_stamps(travelled, seen.internal_date)
            seconds = round(time_to_deliver(report.handoff.at, seen.absent_at, seen.at, stamps).seconds, 1)
        return replace(
            report,
            placement=replace(report.placement, seconds=seconds),
            auth=auth_results(found, row.provider),
            filter=read_verdicts(found.added),
            hops=travelled,
            headers=found.added,
        )


def _chosen(sightings: Iterable[Sighting], judged: Placement) -> Sighting:
    """The copy that the verdict speaks of, else the first that was seen."""
    ordered = sorted(sightings, key=lambda one: (one.gone_at is not None, one.at))
    return next((one for one in ordered if one.folder == judged.folder), ordered[0])
