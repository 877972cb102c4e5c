"""One mailbox, looked into again and again until every seed that was sent to it has been dealt with.

A poll asks for the status of all mailboxes at once and opens only those where something is new; there, the few new
messages are known by their headers, which needs no search index. Where it is not known what was there before, the
server searches. Two readings make a verdict: where the seed was first seen, and where it lies a little later.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from toolkit.collect import imap_questions as ask
from toolkit.collect.bounces import bounces_in, may_be_bounce
from toolkit.collect.compose import TOKEN_HEADER
from toolkit.collect.mailbox_places import News, Place, Places
from toolkit.collect.tabs import examine_with_tabs
from toolkit.collect.tracker import LiveSeed, Tracker
from toolkit.config.settings import Inbox, Mailbox
from toolkit.model.mailbox import FolderStatus
from toolkit.model.placement import Unsearched
from toolkit.model.sighting import Coverage, Sighting
from toolkit.parse.headers import first, parse_headers
from toolkit.wire.channel import WireError
from toolkit.wire.imap import ImapSession
from toolkit.wire.imap_answers import Answer, Fetched, read_fetch, read_search

_log = logging.getLogger(__name__)

_DSN_KEPT = 16384  # bytes of a DSN that are kept as evidence
_HOPELESS = frozenset({"login", "secret", "tls"})  # reasons that another try will not mend
_PASSING_LOGIN = ("unavailable", "inuse", "throttl", "too many", "try again", "temporar", "limit")
_LONGEST_PAUSE = 60.0
_LEAST_PATIENCE = 5.0  # seconds for one answer, however little time the seeds have left
_VAIN_WAKES = 5  # in a row, each with nothing new to read, until an idling server is not listened to any more


class MailboxReader:
    """Reads one test inbox, or a mailbox where bounces come back to. `step` is for one thread at a time."""

    def __init__(
        self,
        mailbox: Mailbox,
        tracker: Tracker,
        *,
        clock: Callable[[], datetime],
        poll: timedelta,
        settle: timedelta,
        takes_bounces: bool,
        empty_handed: bool,
    ) -> None:
        """`empty_handed`: no seed can be there yet, so that what is there now need not be searched."""
        self.mailbox = mailbox
        self.session = ImapSession(mailbox)
        self._tracker = tracker
        self._clock = clock
        self._poll = poll.total_seconds()
        self._settle = settle
        self._takes_bounces = takes_bounces
        self._fresh = empty_handed
        self._places = Places(
            provider=mailbox.provider if isinstance(mailbox, Inbox) else "generic",
            configured={role: name for role, name in mailbox.folders.items()},  # noqa: C416 - widens the keys' type
            bounces_alone=not isinstance(mailbox, Inbox),
        )
        self._trouble: WireError | None = None
        self._failures = 0
        self._looked_at: datetime | None = None  # the start of the last poll that went well
        self._aborted = False
        self._no_idle = False
        self._next_at: datetime | None = None  # when the next poll is due, if the server does not call for it
        self._vain_wakes = 0

    # -- the outside ----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The mailbox's name in the configuration."""
        return self.mailbox.name

    @property
    def done(self) -> bool:
        """Whether nothing is left to look for here."""
        return not self._wanted() and not (self._takes_bounces and self._tracker.busy())

    @property
    def trouble(self) -> WireError | None:
        """Why the mailbox could not be read the last time."""
        return self._trouble

    @property
    def hopeless(self) -> bool:
        """Whether the mailbox refuses us in a way that waiting does not mend."""
        return self._trouble is not None and self._trouble.reason in _HOPELESS and self._failures > 1

    def step(self) -> float:
        """One poll, with all that follows from it. Returns the seconds until the next; raises nothing of the wire."""
        started = self._clock()
        self.session.patience = max(_LEAST_PATIENCE, self._until_last_deadline())
        if not self.hopeless:
            self._attempt(started)
        self._fresh = False  # also where nothing was seen: the seeds go out now
        self._conclude(self._clock())
        if self.done:
            self.session.close()
            return 0.0
        if self._trouble is None:
            if self._next_at is not None and started < self._next_at:
                self._vain_wakes += 1
                self._no_idle = self._no_idle or self._vain_wakes >= _VAIN_WAKES
            self._idle()
            wait = max(0.0, min(self._poll, self._until_settled(started), self._until_deadline()))
            self._next_at = self._clock() + timedelta(seconds=wait)
            return wait
        pause: float = min(self._poll * 2.0 ** (self._failures - 1), _LONGEST_PAUSE)
        return min(pause, max(self._until_deadline(), 0.05))

    def _attempt(self, started: datetime) -> None:
        try:
            try:
                with self._contained():
                    self._look(started)
            except WireError as error:
                if error.reason != "closed" or self._looked_at is None or self._aborted:
                    raise
                with self._contained():
                    self._look(started)  # a server may drop a quiet connection at any time: that is no trouble yet
        except WireError as error:
            self._failures += 1
            self._note(error)
        else:
            self._trouble, self._failures = None, 0
            self._looked_at = started

    @contextmanager
    def _contained(self) -> Iterator[None]:
        """What one server says must not end the probe of all the others, whatever it makes of our code."""
        try:
            yield
        except (WireError, SQLAlchemyError):
            raise  # the store's trouble is the whole run's
        except Exception as error:
            _log.exception("reading the mailbox %s failed", self.name)
            self.session.close()
            what = f"{type(error).__name__}: {error}"
            raise WireError("protocol", f"{self.mailbox.host} answered with what is no IMAP: {what}") from error

    def _look(self, started: datetime) -> None:
        if self.session.connected:
            self._look_around()
        else:
            self._arrive()
        self._settle_found(started)

    def abort(self) -> None:
        """Break off a step that another thread is in."""
        self._aborted = True
        self.session.abort()

    def close(self) -> None:
        """Let the connection go."""
        self.session.close()

    # -- a poll ---------------------------------------------------------------------------------------------------

    def _arrive(self) -> None:
        self.session.connect()
        listing = self.session.list_folders()
        self._places.adopt(listing)
        status = listing.status
        if not self.session.lists_status:
            status = self.session.status([place.raw for place in self._to_search()])
        self._read_news(status)

    def _look_around(self) -> None:
        listing = self.session.list_folders(also=[place.raw for place in self._to_search()])
        self._places.adopt(listing)
        self._read_news(listing.status)

    def _to_search(self) -> list[Place]:
        return self._places.to_search(gmail=self.session.gmail)

    def _read_news(self, status: dict[bytes, FolderStatus]) -> None:
        news = self._places.news(
            status, gmail=self.session.gmail, empty_handed=self._fresh, recent_counts=self._takes_bounces
        )
        if news:
            self._vain_wakes = -1  # this one was not
            self._read(news)
        self._fresh = False

    def _read(self, news: Sequence[News]) -> None:
        """Open each place; fetch what is new there, or search where that is much or unknown."""
        asked = [(one.place.raw, self._questions(one)) for one in news]
        answers = self.session.examine_each(asked, budget=(1 << 20) + len(news) * ask.FEW * (ask.KEY_BYTES + 256))
        hits: list[tuple[Place, list[int], list[int]]] = []
        for one, (opened, replies) in zip(news, answers, strict=True):
            place = one.place
            if not opened.ok:
                place.trouble = f"it cannot be opened: {opened.text}"
                continue
            refusal = next((answer for answer in replies if not answer.ok), None)
            if refusal is not None:
                place.searched, place.trouble = False, f"it cannot be searched: {refusal.text}"
                continue
            seeds, reports = self._read_replies(one, replies)
            if one.end is not None:
                place.known_to, place.searched = one.end, True
            if seeds or reports:
                hits.append((place, seeds, reports))
        if hits:
            self._fetch(hits)

    def _questions(self, news: News) -> list[bytes]:
        if news.few and news.start is not None and news.end is not None:
            return [ask.fetch_keys(news.start, news.end)]
        return self._searches(self._wanted(), news.start)

    def _searches(self, wanted: Sequence[LiveSeed], start: int | None) -> list[bytes]:
        return ask.searches([(live.row.message_id, live.row.token) for live in wanted], start)

    def _read_replies(self, news: News, replies: list[Answer]) -> tuple[list[int], list[int]]:
        """The UIDs of seeds, and of what may be a bounce."""
        if not news.few:
            found = {uid for answer in replies for uid in read_search(answer) if uid >= (news.start or 1)}
            return sorted(found)[-ask.FEW :], []
        seeds, reports = [], []
        for message in read_fetch(replies[0]):
            if not (news.start or 1) <= message.uid < (news.end or 1):
                continue
            if self._seed_of(message.text) is not None:
                seeds.append(message.uid)
            elif self._takes_bounces and may_be_bounce(message.text):
                reports.append(message.uid)
        return seeds, reports

    def _fetch(self, hits: Sequence[tuple[Place, list[int], list[int]]]) -> None:
        asked = []
        for place, seeds, reports in hits:
            questions = []
            if seeds:
                questions.append(ask.fetch_headers(seeds, gmail=self.session.gmail))
            if reports:
                questions.append(ask.fetch_reports(reports))
            asked.append((place.raw, questions))
        size = sum(len(seeds) * ask.HEADER_BYTES + len(reports) * ask.REPORT_BYTES for _, seeds, reports in hits)
        seeds_there = [(place, seeds) for place, seeds, _ in hits]
        answers, tabs = examine_with_tabs(self.session, asked, seeds_there, budget=(4 << 20) + size)
        for (place, seeds, reports), (opened, replies) in zip(hits, answers, strict=True):
            opened.expect(f"to open {place.name} again")
            # Two FETCH in one mailbox may be answered together: Dovecot ends both after it has answered both.
            for message in [message for answer in replies for message in read_fetch(answer)]:
                if message.uid in seeds:
                    self._sight(place, message, tabs.get((place.raw, message.uid)))
                elif message.uid in reports:
                    self._bounce(place, message)

    # -- what was found -------------------------------------------------------------------------------------------

    def _wanted(self) -> list[LiveSeed]:
        if isinstance(self.mailbox, Inbox):
            return self._tracker.of_inbox(self.mailbox.name)
        return [live for live in self._tracker.all() if live.open]

    def _seed_of(self, header: bytes) -> LiveSeed | None:
        fields = parse_headers(header)
        message_id = (first(fields, "Message-ID") or "").strip().strip("<>")
        token = (first(fields, TOKEN_HEADER) or "").strip()
        return next(
            (live for live in self._wanted() if live.row.message_id == message_id or live.row.token == token), None
        )

    def _sight(self, place: Place, message: Fetched, tab: str | None) -> None:
        live = self._seed_of(message.text)
        if live is None or not isinstance(self.mailbox, Inbox):
            return
        before = live.sightings.get((place.name, message.uid))
        self._tracker.sighted(
            live,
            Sighting(
                folder=place.name,
                role=place.folder.role,
                uid=message.uid,
                at=before.at if before else self._clock(),
                absent_at=before.absent_at if before else self._looked_at,
                sorted_by=place.folder.sorted_by,
                flags=message.flags,
                labels=message.labels,
                gmail=self.session.gmail,
                tab=tab or (before.tab if before else None),
                internal_date=message.internal_date,
                header=message.text.decode("latin-1"),
            ),
        )

    def _bounce(self, place: Place, message: Fetched) -> None:
        addresses = {live.row.message_id: live.row.address for live in self._tracker.all() if live.open}
        where = f"{self.mailbox.name}: {place.name}"
        for message_id, bounce in bounces_in(message.text, addresses, at=self._clock(), mailbox=where):
            self._tracker.bounced(message_id, bounce, message.text[:_DSN_KEPT].decode("latin-1"))

    # -- the second reading, and the end ----------------------------------------------------------------------------

    def _unsettled(self, now: datetime) -> list[LiveSeed]:
        """Seeds that were seen a while ago and shall be looked at once more."""
        return [live for live in self._wanted() if live.sightings and now - _first_seen(live) >= self._settle]

    def _settle_found(self, started: datetime) -> None:
        if not isinstance(self.mailbox, Inbox):
            return
        by_place: dict[str, list[int]] = {}
        seeds = [live for live in self._unsettled(started) if live.in_flight]
        for live in seeds:
            for (folder, uid), seen in live.sightings.items():
                if seen.gone_at is None:
                    by_place.setdefault(folder, []).append(uid)
        self._look_again(by_place)
        for live in seeds:
            if _tab_is_known(live) or self._clock() >= live.deadline or self._clock() >= self._patience(live):
                self._tracker.conclude(live, self._coverage())

    def _patience(self, live: LiveSeed) -> datetime:
        """When a tab that no search tells is waited for no more: Gmail's index lags behind its mailboxes."""
        return _first_seen(live) + self._settle + 3 * max(self._settle, timedelta(seconds=self._poll))

    def _look_again(self, by_place: dict[str, list[int]]) -> None:
        """Are they still there, with which flags, labels and tab?"""
        places = [(place, uids) for name, uids in by_place.items() if (place := self._places.named(name))]
        if not places:
            return
        gmail = self.session.gmail
        asked = [(place.raw, [ask.fetch_flags(uids, gmail=gmail)]) for place, uids in places]
        answers, tabs = examine_with_tabs(self.session, asked, places, budget=4 << 20)
        for (place, uids), (opened, replies) in zip(places, answers, strict=True):
            if not opened.ok or not replies[0].ok:
                continue  # it was seen there; that it cannot be read now takes nothing back
            there = {message.uid: message for message in read_fetch(replies[0])}
            for live in self._wanted():
                for (folder, uid), seen in list(live.sightings.items()):
                    if folder == place.name and uid in uids:
                        now = there.get(uid)
                        again = (
                            replace(
                                seen, flags=now.flags, labels=now.labels, tab=tabs.get((place.raw, uid)) or seen.tab
                            )
                            if now
                            else replace(seen, gone_at=self._clock())
                        )
                        self._tracker.sighted(live, again)

    def _conclude(self, now: datetime) -> None:
        """Seeds whose time is up, or whose mailbox will not open, get their verdict."""
        if not isinstance(self.mailbox, Inbox):
            return
        due = [live for live in self._wanted() if live.in_flight and self._is_over(live, now)]
        if not due:
            return
        if self._trouble is None:
            try:
                with self._contained():
                    self._sweep([live for live in due if not live.sightings])
            except WireError as error:
                self._note(error)
        for live in due:
            if live.open:
                self._tracker.conclude(live, self._coverage())

    def _is_over(self, live: LiveSeed, now: datetime) -> bool:
        """Whether waiting longer would show nothing more of this seed."""
        if now >= live.deadline or self.hopeless:
            return True
        if live.bounce is None or live.sightings:
            return False
        # Its way ended in a DSN; all the same it may lie here, as when a copy was forwarded.
        looked = self._looked_at is not None and self._looked_at >= live.bounce.at + self._settle
        return looked or self._trouble is not None

    def _sweep(self, missing: Sequence[LiveSeed]) -> None:
        """Search every mailbox for what was not found: no status and no index is trusted any more."""
        places = self._to_search()
        if not missing or not places:
            return
        questions = self._searches(missing, None)
        answers = self.session.examine_each([(place.raw, questions) for place in places], budget=16 << 20)
        hits: list[tuple[Place, list[int], list[int]]] = []
        for place, (opened, replies) in zip(places, answers, strict=True):
            refusal = opened if not opened.ok else next((answer for answer in replies if not answer.ok), None)
            if refusal is not None:
                place.searched, place.trouble = False, f"it cannot be searched: {refusal.text}"
                continue
            place.searched, place.trouble = True, None
            uids = sorted({uid for answer in replies for uid in read_search(answer)})[-ask.FEW :]
            if uids:
                hits.append((place, uids, []))
        if hits:
            self._fetch(hits)

    def _coverage(self) -> Coverage:
        if self._trouble is not None:
            return Coverage((), (Unsearched("", self._trouble.detail),))
        return self._places.coverage(gmail=self.session.gmail)

    # -- between polls ----------------------------------------------------------------------------------------------

    def _idle(self) -> None:
        """Let the server tell of new mail while we wait; a server that cannot is polled alone."""
        if self._no_idle or not self.session.connected:
            return
        watched = self._places.watched(gmail=self.session.gmail)
        if watched is None:
            return
        try:
            with self._contained():
                self._no_idle = not self.session.idle(watched.raw)
        except WireError:
            self._no_idle = True

    def _note(self, error: WireError) -> None:
        if error.reason == "login" and any(word in error.detail.casefold() for word in _PASSING_LOGIN):
            error = WireError("busy", error.detail)
        self._trouble = error
        self._places.forget_searches()

    def _until_settled(self, started: datetime) -> float:
        """Seconds until the first second look that was not due at `started` yet: one that was waits for a poll."""
        if not isinstance(self.mailbox, Inbox):
            return self._poll
        now = self._clock()
        due = [_first_seen(live) + self._settle for live in self._wanted() if live.sightings]
        return min(((at - now).total_seconds() for at in due if at > started), default=self._poll)

    def _until_last_deadline(self) -> float:
        now = self._clock()
        return max(((live.deadline - now).total_seconds() for live in self._wanted()), default=0.0)

    def _until_deadline(self) -> float:
        """Seconds until the first seed here has had its time."""
        if not isinstance(self.mailbox, Inbox):
            return _LONGEST_PAUSE
        now = self._clock()
        waits = [(live.deadline - now).total_seconds() for live in self._wanted() if live.in_flight]
        return min(waits, default=_LONGEST_PAUSE)


def _first_seen(live: LiveSeed) -> datetime:
    return min(seen.at for seen in live.sightings.values())


def _tab_is_known(live: LiveSeed) -> bool:
    return all(
        seen.tab is not None or not seen.gmail or seen.gone_at is not None or "\\Inbox" not in seen.labels
        for seen in live.sightings.values()
    )
