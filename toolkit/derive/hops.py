"""The servers that a seed went through, and how long it stayed with each (RFC 5321, section 4.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from toolkit.derive.trace import Trace
from toolkit.model.placement import Hop
from toolkit.parse.headers import every
from toolkit.parse.received import parse_received


@dataclass(frozen=True, slots=True)
class Skew:
    """Two clocks that contradict each other: the later hop is stamped earlier.

    `seconds` is by how much at least the clock of `later` is behind that of `earlier`.
    """

    earlier: str | None
    later: str | None
    seconds: float


def hops(trace: Trace) -> tuple[Hop, ...]:
    """The Received fields of the receiving side as hops, in the order of travel.

    `seconds` is the difference to the hop before; zero where the clocks contradict (`skews`), None for the first hop
    and wherever one of the two stamps is missing. A field that cannot be read is a hop of which nothing is known.
    """
    found: list[Hop] = []
    for value in reversed(every(trace.added, "Received")):
        received = parse_received(value)
        if received is None:
            found.append(Hop(None, None, None, None))
            continue
        seconds = None
        if received.at is not None and found and found[-1].at is not None:
            seconds = max((received.at - found[-1].at).total_seconds(), 0.0)
        found.append(Hop(received.from_name or received.from_address, received.by, received.at, seconds))
    return tuple(found)


def skews(travelled: Sequence[Hop]) -> tuple[Skew, ...]:
    """The pairs of neighbouring hops whose clocks contradict each other, in the order of travel."""
    return tuple(
        Skew(before.by, after.by, (before.at - after.at).total_seconds())
        for before, after in pairwise(travelled)
        if before.at is not None and after.at is not None and after.at < before.at
    )
