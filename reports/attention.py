"""What to look at: the seeds that are not simply in the inbox, grouped by what became of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reports.entries import Entry, entries
from reports.evidence import SeedView
from reports.verdicts import Badge, badge
from reports.words import Words
from toolkit.model.placement import Verdict

_SHOWN = 3
"""How many lines of a group stand open; the others are one click away."""


@dataclass(frozen=True, slots=True)
class Group:
    """Seeds that met the same fate, what that means, and who can do something first."""

    key: str
    badge: Badge
    title: str
    meaning: str
    who: str
    hint: str
    first: tuple[Entry, ...]
    rest: tuple[Entry, ...]
    rest_title: str
    judged: bool  # whether these seeds say where mail ends up

    @property
    def anchor(self) -> str:
        """Where the page lists them."""
        return f"look-{self.key}"

    @property
    def tone(self) -> str:
        """The colour family: in the inbox, but not as it should be, is a family of its own."""
        return "late" if self.key in ("seen", "late") else self.badge.tone

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every line."""
        return self.first + self.rest

    @property
    def size(self) -> int:
        """How many seeds are in it."""
        return sum(len(entry.seeds) for entry in self.entries)


# What matters most to the sender first: mail that its reader does not get, then mail that comes, but not as it should;
# in each of the two the larger group first, and at a draw in this order. Then what nobody could judge, and at last
# what is meant to be so.
_ORDER: tuple[tuple[int, str, Verdict], ...] = (
    (0, "refused", Verdict.REFUSED),
    (0, "bounced", Verdict.BOUNCED),
    (0, "missing", Verdict.MISSING),
    (0, "spam", Verdict.SPAM),
    (0, "trash", Verdict.TRASH),
    (1, "folder", Verdict.FOLDER),
    (1, "provider-folder", Verdict.FOLDER),
    (1, "archive", Verdict.ARCHIVE),
    (1, "tab", Verdict.TAB),
    (1, "late", Verdict.INBOX),
    (1, "seen", Verdict.INBOX),
    (2, "unsent", Verdict.UNSENT),
    (2, "unreadable", Verdict.UNREADABLE),
    (3, "by-owner", Verdict.FOLDER),
)


def group_key(seed: SeedView) -> str | None:
    """The group of a seed; None where it is in the inbox, unread and in time."""
    verdict = seed.verdict
    if verdict in (Verdict.UNREADABLE, Verdict.UNSENT):
        return verdict.value
    if seed.by_owner and (verdict is not Verdict.INBOX or seed.seen):
        return "by-owner"
    if verdict is Verdict.FOLDER and seed.by_provider:
        return "provider-folder"
    if verdict is not Verdict.INBOX:
        return verdict.value
    if seed.seen:
        return "seen"
    return "late" if seed.late else None


def groups(seeds: Sequence[SeedView], words: Words) -> tuple[Group, ...]:
    """The groups that have seeds, the gravest first."""
    sent = Counter(seed.inbox for seed in seeds)
    sorted_in: dict[str, list[SeedView]] = {}
    for seed in seeds:
        key = group_key(seed)
        if key:
            sorted_in.setdefault(key, []).append(seed)
    there = [row for row in _ORDER if row[1] in sorted_in]
    there.sort(key=lambda row: (row[0], -len(sorted_in[row[1]])))
    return tuple(_group(key, verdict, sorted_in[key], sent, words) for _, key, verdict in there)


def _group(key: str, verdict: Verdict, members: Sequence[SeedView], sent: Counter[str], words: Words) -> Group:
    made = entries(members, sent, words)
    left = len(made) - _SHOWN
    # One more line takes no more room than the line that would open it; nobody has to look at what is meant to be so.
    shown = 0 if key == "by-owner" else len(made) if left <= 1 else _SHOWN
    rest = sum(len(entry.seeds) for entry in made[shown:])
    return Group(
        key=key,
        badge=badge(verdict, words) if key != "by-owner" else _owner_badge(words),
        title=_title(key, members, words),
        meaning=words(f"group.{key}.meaning"),
        who=words(f"group.{key}.who"),
        hint=words(f"group.{key}.hint"),
        first=made[:shown],
        rest=made[shown:],
        rest_title=words.count("look.rest" if shown else "look.every", rest),
        judged=key not in ("unreadable", "unsent"),
    )


def _title(key: str, members: Sequence[SeedView], words: Words) -> str:
    if key == "unreadable":
        inboxes = len({seed.inbox for seed in members})
        return words.count("group.unreadable.title", inboxes, messages=words.count("look.messages", len(members)))
    return words.count(f"group.{key}.title", len(members))


def _owner_badge(words: Words) -> Badge:
    return Badge("by-owner", "\N{RIGHTWARDS ARROW}", words("look.by_owner"), "aside")
