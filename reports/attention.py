"""What to look at: the seeds that are not simply in the inbox, grouped by what became of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from reports.evidence import Badge, SeedView, badge
from reports.words import Words
from toolkit.model.placement import Verdict

_SHOWN = 8
"""How many seeds of a group stand open; the others are one click away."""


@dataclass(frozen=True, slots=True)
class Group:
    """Seeds that met the same fate, what that means, and who can do something first."""

    key: str
    badge: Badge
    title: str
    meaning: str
    who: str
    hint: str
    first: tuple[SeedView, ...]
    rest: tuple[SeedView, ...]
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
    def size(self) -> int:
        """How many seeds are in it."""
        return len(self.first) + len(self.rest)


# In the order in which they are read: what never reached the reader, what the reader has to look for, what came but
# not as it should, and at last what nobody could judge.
_ORDER: tuple[tuple[str, Verdict], ...] = (
    ("refused", Verdict.REFUSED),
    ("bounced", Verdict.BOUNCED),
    ("missing", Verdict.MISSING),
    ("spam", Verdict.SPAM),
    ("trash", Verdict.TRASH),
    ("folder", Verdict.FOLDER),
    ("provider-folder", Verdict.FOLDER),
    ("archive", Verdict.ARCHIVE),
    ("tab", Verdict.TAB),
    ("seen", Verdict.INBOX),
    ("late", Verdict.INBOX),
    ("by-owner", Verdict.FOLDER),
    ("unreadable", Verdict.UNREADABLE),
    ("unsent", Verdict.UNSENT),
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


def groups(seeds: Iterable[SeedView], words: Words) -> tuple[Group, ...]:
    """The groups that have seeds, the gravest first."""
    sorted_in: dict[str, list[SeedView]] = {}
    for seed in seeds:
        key = group_key(seed)
        if key:
            sorted_in.setdefault(key, []).append(seed)
    made = []
    for key, verdict in _ORDER:
        members = sorted_in.get(key, [])
        if members:
            left = len(members) - _SHOWN
            # One more line takes no more room than the line that would open it.
            cut = len(members) if left <= 1 else _SHOWN
            made.append(
                Group(
                    key=key,
                    badge=badge(verdict, words) if key != "by-owner" else _owner_badge(words),
                    title=words.count(f"group.{key}.title", len(members)),
                    meaning=words(f"group.{key}.meaning"),
                    who=words(f"group.{key}.who"),
                    hint=words(f"group.{key}.hint"),
                    first=tuple(members[:cut]),
                    rest=tuple(members[cut:]),
                    rest_title=words.count("look.rest", len(members) - cut),
                    judged=key not in ("unreadable", "unsent"),
                )
            )
    return tuple(made)


def _owner_badge(words: Words) -> Badge:
    return Badge("by-owner", "\N{RIGHTWARDS ARROW}", words("look.by_owner"), "aside")
