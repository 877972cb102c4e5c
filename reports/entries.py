"""Messages that met the same fate for the same reason, told in one line.

Forty refusals are seldom forty stories: one mail is refused by every mailbox of a provider, or one mailbox refuses
every mail. A line names the inbox and its mails, or the mail and its inboxes, whichever makes fewer lines; at a draw
the mail, which is the sender's to change.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reports.evidence import SeedView
from reports.sayings import Said
from reports.verdicts import Badge
from reports.words import Words
from toolkit.model.placement import Verdict

_LINKS = 12
"""How many messages a line links to by name; the matrix has them all."""

_REPLY_LINES = 4
"""How much of a reply a line shows; the evidence has all of it."""

# What differs from message to message in replies that say the same: addresses, queue numbers and case numbers.
_VARIES = re.compile(
    r"[\w.+=-]+@[\w.-]+|\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){3,}|\b(?=\w*\d)\w{6,}\b"
)


@dataclass(frozen=True, slots=True)
class Link:
    """One message of a line: what it is called there, and where its evidence is."""

    text: str
    anchor: str
    late: str = ""  # the time to deliver, where it was too long
    after: str = ""  # what parts it from the next one


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `head` names what its messages have in common; empty where the one link says it all."""

    head: str
    links: tuple[Link, ...]  # one that stands for all, where no message to this inbox is left out
    more: str
    seeds: tuple[SeedView, ...]
    reply: tuple[str, ...]  # the one that decided, its first lines; none where no reply did
    note: str = ""  # how the replies differ of which the first is shown

    @property
    def first(self) -> SeedView:
        """The message that stands for all."""
        return self.seeds[0]

    @property
    def badge(self) -> Badge:
        """The verdict that they share."""
        return self.first.badge

    @property
    def where(self) -> str:
        """The folder or tab that they share, where it says more than the verdict."""
        return "" if _place_is_no_news(self.first) else self.first.where

    @property
    def notes(self) -> tuple[str, ...]:
        """What else they share."""
        return self.first.notes

    @property
    def reasons(self) -> tuple[Said, ...]:
        """Why, as far as the reply does not say it."""
        return self.first.reasons

    @property
    def names(self) -> str:
        """The messages on one line, as a terminal shows them."""
        told = "".join(link.text + (f" ({link.late})" if link.late else "") + link.after for link in self.links)
        return f"{self.head}: {told}{self.more}" if self.head else told + self.more


def _place_is_no_news(seed: SeedView) -> bool:
    return seed.verdict in (Verdict.SPAM, Verdict.TRASH) and not seed.by_owner


def _alike(text: str) -> str:
    return _VARIES.sub("#", text)


def _fate(seed: SeedView) -> tuple[object, ...]:
    """What two messages must share to be told in one line."""
    if seed.verdict is Verdict.UNREADABLE:
        return (seed.inbox, seed.reasons)
    return (
        seed.verdict,
        "" if _place_is_no_news(seed) else seed.where,
        seed.notes,
        _alike("\n".join(seed.reply)) if seed.decided_by_reply else "",
        _alike("\n".join(said.plain for said in seed.reasons)),
    )


def _collected(seeds: Iterable[SeedView], key: Callable[[SeedView], tuple[object, ...] | str]) -> list[list[SeedView]]:
    made: dict[object, list[SeedView]] = {}
    for seed in seeds:
        made.setdefault(key(seed), []).append(seed)
    return list(made.values())


def _inbox(seed: SeedView) -> str:
    return seed.inbox


def _lane(seed: SeedView) -> str:
    return seed.lane


def entries(seeds: Sequence[SeedView], sent: Mapping[str, int], words: Words) -> tuple[Entry, ...]:
    """The lines of a group, those with the most messages first.

    Args:
        seeds: the messages of the group, in the order of the page.
        sent: how many messages the run has for each inbox and each lane.
        words: of the page.
    """
    made = []
    for fate in _collected(seeds, _fate):
        by_inbox, by_lane = _collected(fate, _inbox), _collected(fate, _lane)
        if len(by_inbox) < len(by_lane):
            made += [_entry(members, _inbox, sent, words) for members in by_inbox]
        else:
            made += [_entry(members, _lane, sent, words) for members in by_lane]
    return tuple(sorted(made, key=lambda entry: -len(entry.seeds)))


def _entry(
    members: Sequence[SeedView],
    head: Callable[[SeedView], str],
    sent: Mapping[str, int],
    words: Words,
) -> Entry:
    first = members[0]
    left = len(members) - _LINKS
    shown = members if left <= 1 else members[:_LINKS]
    if len(members) == 1:
        links = [Link(first.path, first.anchor, _late(first))]
    elif head is _inbox and len(members) == sent[first.inbox] and not any(seed.late for seed in members):
        links, left = [Link(words.count("look.all_of_inbox", len(members)), first.anchor)], 0
    elif head is _inbox:
        links = _by_route(shown)
    else:
        links = [Link(seed.inbox, seed.anchor, _late(seed), ", ") for seed in shown[:-1]]
        links.append(Link(shown[-1].inbox, shown[-1].anchor, _late(shown[-1])))
    return Entry(
        head=head(first) if len(members) > 1 else "",
        links=tuple(links),
        more=words.count("clip.items", left) if left > 1 else "",
        seeds=tuple(members),
        reply=_reply(first, words),
        note=_note(members, words),
    )


def _late(seed: SeedView) -> str:
    return seed.time if seed.late else ""


def _by_route(seeds: Sequence[SeedView]) -> list[Link]:
    """The mails of one inbox, the route said once for those that share it."""
    links = []
    parts = _collected(seeds, lambda seed: seed.route)
    for part in parts:
        for seed in part:
            last = seed is part[-1]
            after = ", " if not last else "; " if part is not parts[-1] else ""
            links.append(Link(seed.lane if last else seed.stream, seed.anchor, _late(seed), after))
    return links


def _reply(seed: SeedView, words: Words) -> tuple[str, ...]:
    reply = seed.reply if seed.decided_by_reply else ()
    left = len(reply) - _REPLY_LINES
    return reply if left <= 1 else (*reply[:_REPLY_LINES], words.count("clip.lines", left))


def _note(members: Sequence[SeedView], words: Words) -> str:
    told = {seed.reply if seed.decided_by_reply else tuple(said.plain for said in seed.reasons) for seed in members}
    return words("look.alike", n=words.number(len(members))) if len(told) > 1 else ""
