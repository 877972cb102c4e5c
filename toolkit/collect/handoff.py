"""Seeds out through one route, over a few connections, with patience for temporary replies.

A temporary reply to a message is tried again, later and later, until the seed's time is up (RFC 5321, section
4.5.4.1). A route that cannot be reached is tried three times and then given up for all the seeds that wait for it: it
would treat each of them alike.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from toolkit.collect.compose import ComposeError, SeedIdentity, compose, sent_header
from toolkit.collect.tracker import LiveSeed, Tracker
from toolkit.config.settings import Route, Stream
from toolkit.model.placement import Handoff, HandoffStatus
from toolkit.wire.smtp import RouteError, SmtpSession

_CONNECT_ATTEMPTS = 3
_PER_CONNECTION = 50  # messages; servers close what goes on for longer
_LONGEST_PAUSE = 300.0  # seconds


@dataclass(order=True)
class _Job:
    due: float  # monotonic
    order: int
    live: LiveSeed = field(compare=False)
    attempt: int = field(compare=False, default=1)


class RouteSender:
    """The queue of one route and the threads that work on it."""

    def __init__(
        self,
        route: Route,
        streams: dict[str, Stream],
        tracker: Tracker,
        *,
        clock: Callable[[], datetime],
        pause: float,
    ) -> None:
        """`pause` is the time in seconds before the second attempt; each further one waits twice as long."""
        self._route = route
        self._streams = streams
        self._tracker = tracker
        self._clock = clock
        self._pause = pause
        self._jobs: list[_Job] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False
        self._idle = 0  # threads that wait for something to do
        self._speaking = 0  # threads that hand a message over
        self._down: RouteError | None = None  # the route was given up, and why
        self._failures = 0  # attempts in a row, each after a pause, to connect
        self._not_before = 0.0  # monotonic; when the route may be tried again
        self._threads: list[threading.Thread] = []

    def submit(self, live: LiveSeed) -> None:
        """Send this seed as soon as a connection is free."""
        with self._changed:
            heapq.heappush(self._jobs, _Job(time.monotonic(), next(self._order), live))
            if len(self._jobs) > self._idle and len(self._threads) < self._route.connections:
                thread = threading.Thread(target=self._work, name=f"route-{self._route.name}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify()

    def stop(self) -> None:
        """Begin nothing new."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def stopped(self, *, wait: float) -> bool:
        """Whether no message is being handed over any more, after at most so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._speaking == 0, wait)

    def _next(self) -> _Job | None:
        with self._changed:
            while not self._stopping:
                wait = max(self._jobs[0].due, self._not_before) - time.monotonic() if self._jobs else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._jobs)
                self._idle += 1
                self._changed.wait(wait)
                self._idle -= 1
        return None

    def _again(self, job: _Job, handoff: Handoff) -> None:
        """Try later if there is time, else let it be the last word."""
        pause = min(self._pause * 2 ** (job.attempt - 1), _LONGEST_PAUSE)
        left = (job.live.deadline - self._clock()).total_seconds()
        final = left <= pause
        self._tracker.handed(job.live, handoff, final=final)
        if not final:
            with self._changed:
                job.due, job.attempt = time.monotonic() + pause, job.attempt + 1
                heapq.heappush(self._jobs, job)
                self._changed.notify()

    def _work(self) -> None:
        try:
            self._serve()
        except Exception as error:  # noqa: BLE001 - the store failed, or we did: the run must end, and say so
            self._tracker.crash(error)

    def _serve(self) -> None:
        session: SmtpSession | None = None
        try:
            while (job := self._next()) is not None:
                if session is not None and (not session.usable or session.sent >= _PER_CONNECTION):
                    session.quit()
                    session = None
                if session is None:
                    session = self._connected(job)
                if session is not None:
                    self._send(session, job)
                if session is not None and not self._waiting():
                    session.quit()  # an idle connection is rude, and the server will drop it
                    session = None
            if session is not None:
                session.quit()
        finally:
            if session is not None:
                session.close()  # where something broke, perhaps in mid-message: without a word

    def _waiting(self) -> bool:
        with self._changed:
            return bool(self._jobs) and self._jobs[0].due <= time.monotonic()

    def _connected(self, job: _Job) -> SmtpSession | None:
        """A new connection, or None, the job then dealt with."""
        if self._down is None:
            session = SmtpSession(self._route, clock=self._clock)
            began = time.monotonic()
            try:
                session.connect()
            except RouteError as error:
                if not self._give_up(error, began):
                    self._again(job, self._failed(error, job.attempt))
                    return None
            else:
                with self._changed:
                    self._failures, self._not_before = 0, 0.0
                return session
        assert self._down is not None  # noqa: S101 - set just above
        self._tracker.handed(job.live, self._failed(self._down, job.attempt), final=True)
        return None

    def _give_up(self, error: RouteError, began: float) -> bool:
        """Hold the route off for a while, for all that waits for it, or give it up."""
        with self._changed:
            if began >= self._not_before:  # else another thread has found out the same at the same time
                self._failures += 1
                self._not_before = time.monotonic() + min(self._pause * 2.0 ** (self._failures - 1), _LONGEST_PAUSE)
            asked_to_wait = bool(error.lines) and error.reason == "said-no"
            if not error.temporary or (not asked_to_wait and self._failures >= _CONNECT_ATTEMPTS):
                self._down, self._not_before = error, 0.0
                self._changed.notify_all()
            return self._down is not None

    def _failed(self, error: RouteError, attempt: int) -> Handoff:
        """A route that took no message. Where it said so in a reply, that reply is what counts."""
        last = error.lines[-1] if error.lines else None
        status, code, enhanced, text = HandoffStatus.FAILED, None, None, error.detail
        if last is not None and error.reason == "said-no" and last.phase in ("greeting", "helo"):
            status = HandoffStatus.DEFERRED if error.temporary else HandoffStatus.REFUSED
            code, enhanced = last.code, last.enhanced
            text = "\n".join(line.text for line in error.lines if line.phase == last.phase)
        return Handoff(
            status=status,
            code=code,
            enhanced=enhanced,
            text=text,
            remote=f"{self._route.host}:{self._route.port}",
            tls=None,
            at=self._clock(),
            attempts=attempt,
            replies=error.lines,
        )

    def _send(self, session: SmtpSession, job: _Job) -> None:
        live, row = job.live, job.live.row
        with self._changed:
            if self._stopping:
                return
            self._speaking += 1
        try:
            if live.open and self._tracker.sending(live, row.attempts + job.attempt):
                self._hand_over(session, job)
        finally:
            with self._changed:
                self._speaking -= 1
                self._changed.notify_all()

    def _hand_over(self, session: SmtpSession, job: _Job) -> None:
        live, row = job.live, job.live.row
        try:
            identity = SeedIdentity(row.address, row.message_id, row.token, row.created_at)
            message = compose(self._streams[row.stream], identity)
        except ComposeError as error:
            self._tracker.handed(live, self._unmade(error), final=True)
            return
        header = sent_header(message)
        handoff = session.send(
            message, row.envelope_sender, row.address, committing=lambda: self._tracker.committing(live, header)
        )
        handoff = replace(handoff, attempts=row.attempts + job.attempt)
        passing = handoff.status is HandoffStatus.DEFERRED or (
            handoff.status is HandoffStatus.FAILED and not handoff.in_doubt
        )
        if passing and live.open:
            self._again(job, handoff)
        else:
            self._tracker.handed(live, handoff, final=True)

    def _unmade(self, error: ComposeError) -> Handoff:
        return Handoff(HandoffStatus.FAILED, None, None, str(error), "", None, self._clock())
