"""What the way to the mailbox added to a seed, and on which side of the trust boundary it stands.

Servers put their trace fields on top (RFC 5321, section 4.4; RFC 8601, section 4). A sender can forge every field
below them, but of a seed we know what we sent: what is not ours was written on the way. Our topmost own field is the
boundary. Above it stands what receivers prepended; below it, only what they inserted or appended, as Microsoft, GMX,
Rspamd and SpamAssassin do with their verdicts.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.model.placement import Header


@dataclass(frozen=True, slots=True)
class Trace:
    """The fields that were not in what we sent, in the order found, topmost first.

    `above` stands over our topmost own field, `below` under it. `notes` says, in words of a log, which of our own
    fields did not arrive as they were sent: a changed one counts as added.
    """

    above: tuple[Header, ...]
    below: tuple[Header, ...]
    notes: tuple[str, ...] = ()

    @property
    def added(self) -> tuple[Header, ...]:
        """All of them, topmost first."""
        return self.above + self.below


def receiving_side(found: Sequence[Header], sent: Sequence[Header]) -> tuple[Header, ...]:
    """The header fields in `found` that are not in `sent`, topmost first: written on the receiving side."""
    return trace(found, sent).added


def trace(found: Sequence[Header], sent: Sequence[Header]) -> Trace:
    """Split the header section of a seed, as found in its mailbox, against the one that was sent.

    Fields are the same where name (without case) and body (white space aside) are; each sent field answers for one
    found field, the lowest first, because servers add on top. Where no field of ours arrived unchanged, the topmost
    changed one is the boundary; where none can be told, everything counts as below it.
    """
    left = Counter(_key(header) for header in sent)
    ours: set[int] = set()
    for index in range(len(found) - 1, -1, -1):
        key = _key(found[index])
        if left[key] > 0:
            left[key] -= 1
            ours.add(index)
    lost = Counter[str]()
    for (name, _), count in left.items():
        lost[name] += max(count, 0)
    changed: set[int] = set()
    for index in range(len(found) - 1, -1, -1):
        name = found[index].name.lower()
        if index not in ours and lost[name] > 0:
            lost[name] -= 1
            changed.add(index)
    boundary = min(ours or changed, default=0)
    return Trace(
        above=tuple(header for index, header in enumerate(found) if index < boundary and index not in ours),
        below=tuple(header for index, header in enumerate(found) if index >= boundary and index not in ours),
        notes=(
            *(f"{found[index].name}: changed on the way" for index in sorted(changed)),
            *(f"{name}: removed on the way" for name in _names_of(sent, +lost)),
        ),
    )


def _key(header: Header) -> tuple[str, str]:
    return header.name.lower(), " ".join(header.value.split())


def _names_of(sent: Sequence[Header], lost: Counter[str]) -> list[str]:
    """The lost names as we wrote them, once each, in our order."""
    names = {header.name.lower(): header.name for header in reversed(sent) if lost[header.name.lower()] > 0}
    return [names[name] for name in dict.fromkeys(header.name.lower() for header in sent) if name in names]
