"""One mailbox, looked into again and again until every seed that was sent to it has been dealt with.

A poll asks for the status of all mailboxes at once and opens only those where something is new; there, the few new
messages are known by their headers, which needs no search index. Where it is not known what was there before, the
server searches. Two readings make a verdict: where the seed was first seen, and where it lies a little later.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from toolkit.collect.bounces import bounces_in, may_be_bounce
from toolkit.collect.compose import TOKEN_HEADER
from toolkit.collect.tracker import LiveSeed, Tracker
from toolkit.config.settings import Inbox, Mailbox
from toolkit.derive.folders import classify
from toolkit.model.mailbox import Folder, FolderStatus, Role
from toolkit.model.placement import Unsearched
from toolkit.model.sighting import Coverage, Sighting
from toolkit.parse.headers import first, parse_headers
from toolkit.wire.channel import WireError
from toolkit.wire.imap import ImapSession, quoted
from toolkit.wire.imap_answers import Answer, Fetched, Listing, read_fetch, read_search

_FEW = 300  # new messages that are fetched by number; more are searched for
_PER_SEARCH = 20  # seeds in one SEARCH
_KEY_BYTES = 2048  # of the headers that tell a seed
_HEADER_BYTES = 65536
_DSN_BYTES = 262144
_DSN_KEPT = 16384
_CATEGORIES = ("social", "promotions", "updates", "forums", "primary", "reservations", "purchases")
"""Those that hide a message first; the last two overlap with the others."""
_HOPELESS = frozenset({"login", "secret", "tls"})  # reasons that another try will not mend
_PASSING_LOGIN = ("unavailable", "inuse", "throttl", "too many", "try again", "temporar", "limit")
_LONGEST_PAUSE = 60.0
_LEAST_PATIENCE = 5.0  # seconds for one answer, however little time the seeds have left
_VAIN_WAKES = 5  # in a row, each with nothing new to read, until an idling server is not listened to any more


@dataclass(slots=True)
class _Place:
    """A mailbox of the account and how far it has been read."""

    folder: Folder
    known_to: int | None = None  # messages below this UID are known not to be ours; None: nothing is known
    validity: int | None = None
    trouble: str | None = None  # why it could not be searched
    searched: bool = False


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
        self._places: dict[bytes, _Place] = {}
        self._broken: tuple[str, ...] = ()  # lines of the list that could not be read
        self._trouble: WireError | None = None
        self._failures = 0
        self._looked_at: datetime | None = None  # the start of the last poll that went well
        self._polls = 0
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
    def hopeless(self) -> bool:
        """Whether the mailbox refuses us in a way that waiting does not mend."""
        return self._trouble is not None and self._trouble.reason in _HOPELESS and self._failures > 1

    def step(self) -> float:
        """One poll, with all that follows from it. Returns the seconds until the next; raises nothing of the wire."""
        started = self._clock()
        self.session.patience = max(_LEAST_PATIENCE, self._until_last_deadline())
        if not self.hopeless:
            self._attempt(started)
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
                self._look(started)
            except WireError as error:
                if error.reason != "closed" or self._looked_at is None:
                    raise
                self._look(started)  # a server may drop a quiet connection at any time: that is no trouble yet
        except WireError as error:
            self._failures += 1
            self._note(error)
        else:
            self._trouble, self._failures = None, 0
            self._looked_at = started

    def _look(self, started: datetime) -> None:
        if self.session.connected:
            self._look_around()
        else:
            self._arrive()
        self._settle_found(started)

    def abort(self) -> None:
        """Break off a step that another thread is in."""
        self.session.abort()

    def close(self) -> None:
        """Let the connection go."""
        self.session.close()

    # -- a poll ---------------------------------------------------------------------------------------------------

    def _arrive(self) -> None:
        self.session.connect()
        listing = self.session.list_folders()
        self._adopt(listing)
        status = listing.status
        if not self.session.lists_status:
            status = self.session.status([place.folder.listed.raw for place in self._to_search()])
        self._read_news(status)

    def _look_around(self) -> None:
        listing = self.session.list_folders(also=[place.folder.listed.raw for place in self._to_search()])
        self._adopt(listing)
        self._read_news(listing.status)

    def _adopt(self, listing: Listing) -> None:
        provider = self.mailbox.provider if isinstance(self.mailbox, Inbox) else "generic"
        first_time = not self._places
        places = {}
        for folder in classify(listing.folders, provider=provider, configured=dict(self.mailbox.folders.items())):
            raw = folder.listed.raw
            place = self._places.get(raw)
            # A folder that appears while we look is new altogether: all in it is news.
            places[raw] = replace(place, folder=folder) if place else _Place(folder, None if first_time else 1)
        self._places = places
        self._broken = listing.broken

    def _to_search(self) -> list[_Place]:
        """The mailboxes that together hold every message, each message once where the server has views."""
        selectable = [place for place in self._places.values() if place.folder.listed.selectable]
        if self.session.gmail and (everything := [p for p in selectable if p.folder.role is Role.ALL]):
            apart = [p for p in selectable if p.folder.role in (Role.SPAM, Role.TRASH)]
            return everything + apart
        if self._takes_bounces and not isinstance(self.mailbox, Inbox):
            return [place for place in selectable if place.folder.role not in (Role.VIEW, Role.ALL)]
        return [place for place in selectable if place.folder.role is not Role.VIEW]

    def _read_news(self, status: dict[bytes, FolderStatus]) -> None:
        self._polls += 1
        news: list[tuple[_Place, int | None, int | None]] = []
        for place in self._to_search():
            now = status.get(place.folder.listed.raw)
            if now is None:
                if self._polls == 1:
                    news.append((place, None, None))  # it tells no status: open it to know whether it can be read
                continue
            place.trouble = None
            if place.validity not in (None, now.uid_validity):
                place.known_to = None  # the numbers start anew (RFC 9051, section 2.3.1.1)
            place.validity = now.uid_validity
            if place.known_to is None and self._takes_bounces and not self._fresh:
                place.known_to = max(1, now.uid_next - _FEW)  # a DSN cannot be searched for: read what is recent
            if place.known_to is None and (now.messages == 0 or (self._fresh and self._polls == 1)):
                place.known_to, place.searched = now.uid_next, True
            elif place.known_to is None or now.uid_next > place.known_to:
                news.append((place, place.known_to, now.uid_next))
        if news:
            self._vain_wakes = -1  # this one was not
            self._read(news)
        self._fresh = False

    def _read(self, news: Sequence[tuple[_Place, int | None, int | None]]) -> None:
        """Open each place; fetch what is new there, or search where that is much or unknown."""
        asked = [(place.folder.listed.raw, self._questions(start, end)) for place, start, end in news]
        answers = self.session.examine_each(asked, budget=(1 << 20) + len(news) * _FEW * (_KEY_BYTES + 256))
        hits: list[tuple[_Place, list[int], list[int]]] = []
        for (place, start, end), (opened, replies) in zip(news, answers, strict=True):
            if not opened.ok:
                place.trouble = f"it cannot be opened: {opened.text}"
                continue
            seeds, reports = self._read_replies(start, end, replies)
            if start is not None or end is not None:
                place.known_to, place.searched = end, True
            if seeds or reports:
                hits.append((place, seeds, reports))
        if hits:
            self._fetch(hits)

    def _questions(self, start: int | None, end: int | None) -> list[bytes]:
        if start is not None and end is not None and end - start <= _FEW:
            keys = f"MESSAGE-ID {TOKEN_HEADER.upper()} FROM SUBJECT CONTENT-TYPE".encode()
            fields = b"(UID BODY.PEEK[HEADER.FIELDS (" + keys + b")]<0." + str(_KEY_BYTES).encode() + b">)"
            return [b"UID FETCH %d:%d " % (start, end - 1) + fields]
        return self._searches(self._wanted(), start)

    def _searches(self, wanted: Sequence[LiveSeed], start: int | None) -> list[bytes]:
        limit = b"UID %d:* " % start if start else b""
        questions = []
        for at in range(0, len(wanted), _PER_SEARCH):
            keys = []
            for live in wanted[at : at + _PER_SEARCH]:
                keys.append(b"HEADER MESSAGE-ID " + quoted(live.row.message_id.encode()))
                keys.append(b"HEADER " + TOKEN_HEADER.upper().encode() + b" " + quoted(live.row.token.encode()))
            questions.append(b"UID SEARCH " + limit + _any_of(keys))
        return questions

    def _read_replies(self, start: int | None, end: int | None, replies: list[Answer]) -> tuple[list[int], list[int]]:
        """The UIDs of seeds, and of what may be a bounce."""
        if start is None or end is None or end - start > _FEW:
            found = {uid for answer in replies for uid in read_search(answer) if uid >= (start or 1)}
            return sorted(found)[-_FEW:], []
        seeds, reports = [], []
        for message in read_fetch(replies[0]):
            if not start <= message.uid < end:
                continue
            if self._seed_of(message.text) is not None:
                seeds.append(message.uid)
            elif self._takes_bounces and may_be_bounce(message.text):
                reports.append(message.uid)
        return seeds, reports

    def _fetch(self, hits: Sequence[tuple[_Place, list[int], list[int]]]) -> None:
        asked = []
        for place, seeds, reports in hits:
            questions = []
            if seeds:
                questions.append(_fetch_headers(seeds, gmail=self.session.gmail))
                questions += self._tab_questions(place, seeds)
            if reports:
                questions.append(b"UID FETCH %s (UID BODY.PEEK[]<0.%d>)" % (_set(reports), _DSN_BYTES))
            asked.append((place.folder.listed.raw, questions))
        size = sum(len(seeds) * _HEADER_BYTES + len(reports) * _DSN_BYTES for _, seeds, reports in hits)
        answers = self.session.examine_each(asked, budget=(4 << 20) + size)
        for (place, seeds, reports), (opened, replies) in zip(hits, answers, strict=True):
            opened.expect(f"to open {place.folder.name} again")
            tabs = self._tabs(replies[1 : 1 + len(_CATEGORIES)]) if seeds and self._has_tabs(place) else {}
            # Two FETCH in one mailbox may be answered together: Dovecot ends both after it has answered both.
            fetches = [replies[0]] if not (seeds and reports) else [replies[0], replies[-1]]
            for message in [message for answer in fetches for message in read_fetch(answer)]:
                if message.uid in seeds:
                    self._sight(place, message, tabs.get(message.uid))
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

    def _sight(self, place: _Place, message: Fetched, tab: str | None) -> None:
        live = self._seed_of(message.text)
        if live is None or not isinstance(self.mailbox, Inbox):
            return
        before = live.sightings.get((place.folder.name, message.uid))
        self._tracker.sighted(
            live,
            Sighting(
                folder=place.folder.name,
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

    def _bounce(self, place: _Place, message: Fetched) -> None:
        ids = {live.row.message_id for live in self._tracker.all() if live.open}
        where = f"{self.mailbox.name}: {place.folder.name}"
        for message_id, bounce in bounces_in(message.text, ids, at=self._clock(), mailbox=where):
            self._tracker.bounced(message_id, bounce, message.text[:_DSN_KEPT].decode("latin-1"))

    def _has_tabs(self, place: _Place) -> bool:
        return self.session.gmail and place.folder.role in (Role.ALL, Role.INBOX)

    def _tab_questions(self, place: _Place, uids: Sequence[int]) -> list[bytes]:
        """Categories are no labels: only a search tells them (Gmail IMAP extensions; X-GM-RAW)."""
        if not self._has_tabs(place):
            return []
        return [b'UID SEARCH UID %s X-GM-RAW "category:%s"' % (_set(uids), name.encode()) for name in _CATEGORIES]

    @staticmethod
    def _tabs(replies: Iterable[Answer]) -> dict[int, str]:
        tabs: dict[int, str] = {}
        for name, answer in zip(_CATEGORIES, replies, strict=True):
            if answer.ok:
                for uid in read_search(answer):
                    tabs.setdefault(uid, name)
        return tabs

    # -- the second reading, and the end ----------------------------------------------------------------------------

    def _unsettled(self, now: datetime) -> list[LiveSeed]:
        """Seeds that were seen a while ago and shall be looked at once more."""
        return [live for live in self._wanted() if live.sightings and now - _first_seen(live) >= self._settle]

    def _settle_found(self, started: datetime) -> None:
        if not isinstance(self.mailbox, Inbox):
            return
        by_place: dict[bytes, list[int]] = {}
        names = {place.folder.name: raw for raw, place in self._places.items()}
        seeds = [live for live in self._unsettled(started) if live.in_flight]
        for live in seeds:
            for (folder, uid), seen in live.sightings.items():
                if seen.gone_at is None and folder in names:
                    by_place.setdefault(names[folder], []).append(uid)
        if by_place:
            self._look_again(by_place)
        for live in seeds:
            if _tab_is_known(live) or self._clock() >= live.deadline or self._clock() >= self._patience(live):
                self._tracker.conclude(live, self._coverage())

    def _patience(self, live: LiveSeed) -> datetime:
        """When a tab that no search tells is waited for no more: Gmail's index lags behind its mailboxes."""
        return _first_seen(live) + self._settle + 3 * max(self._settle, timedelta(seconds=self._poll))

    def _look_again(self, by_place: dict[bytes, list[int]]) -> None:
        asked = []
        for raw, uids in by_place.items():
            place = self._places[raw]
            items = b"(UID FLAGS X-GM-LABELS)" if self.session.gmail else b"(UID FLAGS)"
            asked.append((raw, [b"UID FETCH %s %s" % (_set(uids), items), *self._tab_questions(place, uids)]))
        answers = self.session.examine_each(asked)
        for (raw, uids), (opened, replies) in zip(by_place.items(), answers, strict=True):
            place = self._places[raw]
            if not opened.ok:
                continue  # it was seen there; that it cannot be opened now takes nothing back
            there = {message.uid: message for message in read_fetch(replies[0])}
            tabs = self._tabs(replies[1:]) if self._has_tabs(place) else {}
            for live in self._wanted():
                for (folder, uid), seen in list(live.sightings.items()):
                    if folder == place.folder.name and uid in uids:
                        now = there.get(uid)
                        again = (
                            replace(seen, flags=now.flags, labels=now.labels, tab=tabs.get(uid) or seen.tab)
                            if now
                            else replace(seen, gone_at=self._clock())
                        )
                        self._tracker.sighted(live, again)

    def _conclude(self, now: datetime) -> None:
        """Seeds whose time is up, or whose mailbox will not open, get their verdict."""
        if not isinstance(self.mailbox, Inbox):
            return
        due = [live for live in self._wanted() if live.in_flight and (now >= live.deadline or self.hopeless)]
        if not due:
            return
        if self._trouble is None:
            try:
                self._sweep([live for live in due if not live.sightings])
            except WireError as error:
                self._note(error)
        for live in due:
            if live.open:
                self._tracker.conclude(live, self._coverage())

    def _sweep(self, missing: Sequence[LiveSeed]) -> None:
        """Search every mailbox for what was not found: no status and no index is trusted any more."""
        places = self._to_search()
        if not missing or not places:
            return
        questions = self._searches(missing, None)
        answers = self.session.examine_each([(p.folder.listed.raw, questions) for p in places], budget=16 << 20)
        hits: list[tuple[_Place, list[int], list[int]]] = []
        for place, (opened, replies) in zip(places, answers, strict=True):
            refusal = opened if not opened.ok else next((answer for answer in replies if not answer.ok), None)
            if refusal is not None:
                place.searched, place.trouble = False, f"it cannot be searched: {refusal.text}"
                continue
            place.searched, place.trouble = True, None
            uids = sorted({uid for answer in replies for uid in read_search(answer)})[-_FEW:]
            if uids:
                hits.append((place, uids, []))
        if hits:
            self._fetch(hits)

    def _coverage(self) -> Coverage:
        unsearched = []
        if self._trouble is not None:
            unsearched.append(Unsearched("", self._trouble.detail))
            return Coverage((), tuple(unsearched))
        places = self._to_search()
        names = [place.folder.name for place in places if place.searched and place.trouble is None]
        unsearched += [
            Unsearched(place.folder.name, place.trouble or "it told nothing of itself")
            for place in places
            if not place.searched or place.trouble
        ]
        unsearched += [Unsearched("", f"a line of the folder list cannot be read: {line}") for line in self._broken]
        if self.session.gmail:
            roles = {place.folder.role for place in self._places.values()}
            if Role.ALL in roles:
                names.insert(0, "INBOX")  # seen through All Mail
            unsearched += [
                Unsearched("", f"{title} is not shown over IMAP; switch it on under Labels in Gmail's settings")
                for role, title in ((Role.ALL, "All Mail"), (Role.SPAM, "the spam folder"))
                if role not in roles
            ]
        return Coverage(tuple(names), tuple(unsearched))

    # -- between polls ----------------------------------------------------------------------------------------------

    def _idle(self) -> None:
        """Let the server tell of new mail while we wait; a server that cannot is polled alone."""
        if self._no_idle or not self.session.connected:
            return
        places = self._to_search()
        watched = next(
            (p for role in (Role.ALL, Role.INBOX) for p in places if p.folder.role is role and not p.trouble), None
        )
        if watched is None:
            return
        try:
            self._no_idle = not self.session.idle(watched.folder.listed.raw)
        except WireError:
            self._no_idle = True

    def _note(self, error: WireError) -> None:
        if error.reason == "login" and any(word in error.detail.casefold() for word in _PASSING_LOGIN):
            error = WireError("busy", error.detail)
        self._trouble = error
        for place in self._places.values():
            place.searched = False

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


def _any_of(keys: Sequence[bytes]) -> bytes:
    """Search keys joined by OR, which takes two (RFC 9051, section 6.4.4): a balanced tree, lest it nests too deep."""
    if len(keys) == 1:
        return keys[0]
    middle = len(keys) // 2
    return b"OR (" + _any_of(keys[:middle]) + b") (" + _any_of(keys[middle:]) + b")"


def _set(uids: Sequence[int]) -> bytes:
    return b",".join(b"%d" % uid for uid in sorted(set(uids)))


def _fetch_headers(uids: Sequence[int], *, gmail: bool) -> bytes:
    labels = b" X-GM-LABELS" if gmail else b""
    return b"UID FETCH %s (UID FLAGS INTERNALDATE%s BODY.PEEK[HEADER]<0.%d>)" % (_set(uids), labels, _HEADER_BYTES)
