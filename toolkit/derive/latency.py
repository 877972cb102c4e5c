"""How long a seed took from the accepting reply to its mailbox, with clocks that disagree in mind.

Two clocks tell of it. Ours saw the reply, the last poll without the message and the first poll with it: an interval
that is certain, and as wide as the polls are apart. The provider's stamps are finer, and their difference does not
care what time the provider thinks it is; but they may come from several machines. So the stamps choose a point within
our interval, and can never leave it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from toolkit.model.placement import Hop

_RESOLUTION = 1.0  # seconds: what Received and INTERNALDATE are written to


@dataclass(frozen=True, slots=True)
class Stamps:
    """When the message arrived, by the provider's own clocks."""

    first: datetime | None = None  # the first server that stamped it after our reply
    last: datetime | None = None  # the last one
    internal: datetime | None = None  # INTERNALDATE (RFC 9051, section 2.3.3)


@dataclass(frozen=True, slots=True)
class Latency:
    """Time to deliver, in seconds.

    `lower` and `upper` are what our own clock proves; `seconds` lies between them. `skew` is how far the provider's
    clock is ahead of ours, as far as its first stamp tells: None without one.
    """

    seconds: float
    lower: float
    upper: float
    skew: float | None


def arrival_stamps(travelled: Sequence[Hop], internal: datetime | None = None) -> Stamps:
    """The first and the last stamp of the hops, in the order of travel, beside INTERNALDATE."""
    stamps = [hop.at for hop in travelled if hop.at is not None]
    return Stamps(first=stamps[0], last=stamps[-1], internal=internal) if stamps else Stamps(internal=internal)


def time_to_deliver(
    accepted_at: datetime, last_not_seen: datetime | None, first_seen: datetime, stamps: Stamps
) -> Latency:
    """The time from the accepting reply to the arrival in the mailbox.

    `accepted_at`, `last_not_seen` (the start of the last poll that did not show it; None: no such poll) and
    `first_seen` are our own clock's. The estimate is INTERNALDATE, or the last stamp, minus the first stamp; the first
    of the two that lies within our interval (by a second, the stamps' resolution) is taken. Where both lie outside,
    the bound that is nearer to the nearest of them; where there is none, the upper bound.
    """
    lower = max(_seconds(accepted_at, last_not_seen), 0.0) if last_not_seen is not None else 0.0
    upper = max(_seconds(accepted_at, first_seen), lower)
    estimates = [
        _seconds(stamps.first, arrived)
        for arrived in (stamps.internal, stamps.last)
        if arrived is not None and stamps.first is not None
    ]
    within = (estimate for estimate in estimates if lower - _RESOLUTION <= estimate <= upper + _RESOLUTION)
    chosen = next(within, None)
    if chosen is None:
        chosen = min(estimates, key=lambda estimate: max(lower - estimate, estimate - upper), default=upper)
    skew = None if stamps.first is None else _seconds(accepted_at, stamps.first)
    return Latency(min(max(chosen, lower), upper), lower, upper, skew)


def _seconds(start: datetime, end: datetime) -> float:
    return (_aware(end) - _aware(start)).total_seconds()


def _aware(moment: datetime) -> datetime:
    """A time without a zone is taken for UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
