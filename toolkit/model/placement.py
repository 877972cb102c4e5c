"""A seed, what the receiving side said when it was handed over, and where it was found.

The names are those of the documents that mailwhy prints (`mailwhy/probe/1`).
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """Where a seed ended up."""

    INBOX = "inbox"
    TAB = "tab"  # a view of the inbox, as Gmail's
    SPAM = "spam"
    FOLDER = "folder"  # any other mailbox: by a rule of the owner, or by the provider (`Placement.sorted_by`)
    ARCHIVE = "archive"
    TRASH = "trash"
    REFUSED = "refused"  # a permanent reply to this recipient or message
    BOUNCED = "bounced"  # a DSN came back
    MISSING = "missing"  # every place was searched in time, and it is in none
    UNREADABLE = "unreadable"  # some place could not be searched
    UNSENT = "unsent"  # never handed over


DELIVERED = frozenset({Verdict.INBOX, Verdict.TAB, Verdict.SPAM, Verdict.FOLDER, Verdict.ARCHIVE, Verdict.TRASH})
"""The verdicts of a seed that was seen in its mailbox."""


class HandoffStatus(StrEnum):
    """What the next server made of the message."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"  # a temporary reply (4yz)
    REFUSED = "refused"  # a permanent reply (5yz) to the sender, the recipient or the message
    FAILED = "failed"  # no connection, no TLS, no login, or no reply


@dataclass(frozen=True, slots=True)
class ReplyLine:
    """One line of an SMTP or LMTP reply, as the server wrote it (RFC 5321, section 4.2)."""

    at: datetime
    phase: str  # greeting, helo, starttls, auth, mail, rcpt, data, content, quit
    code: int
    enhanced: str | None  # RFC 3463, such as "5.7.1"
    text: str  # the whole line, its code included, without line end


@dataclass(frozen=True, slots=True)
class Handoff:
    """How a seed was handed to the next server: the reply that decided, and every line that led there."""

    status: HandoffStatus
    code: int | None
    enhanced: str | None
    text: str  # the deciding reply, its lines joined by newlines; else what went wrong
    remote: str  # "name[address]" of the server, as far as known
    tls: str | None  # protocol version, such as "TLSv1.3"; None without TLS
    at: datetime
    cipher: str | None = None
    attempts: int = 1
    in_doubt: bool = False  # the message was sent, but no reply to it was seen
    replies: tuple[ReplyLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsearched:
    """A place that could not be searched, and why."""

    folder: str  # empty: the whole mailbox
    reason: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a seed was found, and what was looked into.

    `seconds` is the time to deliver: from the accepting reply to the arrival in the mailbox, in our own clock.
    """

    verdict: Verdict
    folder: str | None = None  # the server's full name, decoded
    also_in: tuple[str, ...] = ()
    sorted_by: str | None = None  # "provider" where the provider itself fills that folder
    tab: str | None = None  # promotions, social, updates, forums, …
    seen: bool = False  # marked read, with nobody reading
    flags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    unsearched: tuple[Unsearched, ...] = ()
    reason: str | None = None
    found_at: datetime | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class AuthResult:
    """One result of an Authentication-Results header (RFC 8601) that the receiving side wrote."""

    by: str  # the authserv-id, or the provider where it writes none
    method: str
    result: str
    domain: str | None


@dataclass(frozen=True, slots=True)
class FilterVerdict:
    """What a content filter of the receiving side said in a header of its own."""

    by: str  # spamassassin, rspamd, microsoft, gmx, …
    verdict: str  # spam, not-spam, user-rule, user-blocked, user-allowed, unknown
    score: float | None = None
    required: float | None = None
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hop:
    """One Received header (RFC 5321, section 4.4), in the order of travel.

    `seconds` is the delay since the hop before, by the clocks of two servers, and so never below zero.
    """

    from_: str | None
    by: str | None
    at: datetime | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Header:
    """A header field as found, its body unfolded and its bytes decoded."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class SeedReport:
    """All that is known of one seed."""

    seed_id: str
    stream: str
    route: str
    inbox: str
    provider: str
    address: str
    message_id: str  # without angle brackets
    placement: Placement
    handoff: Handoff | None  # None: it was never tried
    created_at: datetime
    subject: str = ""
    auth: tuple[AuthResult, ...] = ()
    filter: tuple[FilterVerdict, ...] = ()
    hops: tuple[Hop, ...] = ()
    headers: tuple[Header, ...] = ()  # those that the receiving side wrote, topmost first
    deliver_within: float | None = None  # seconds, the stream's or the inbox's target
    resumed: bool = False  # begun by an earlier run that did not end it


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What one run of `mailwhy probe` found."""

    run_id: str
    started_at: datetime
    finished_at: datetime
    seeds: tuple[SeedReport, ...]
    notes: tuple[str, ...] = field(default=())  # what else went wrong, in sentences
