"""What each mailbox of an account is for.

A server's own marks come first (RFC 6154, section 2; RFC 8457), read from a plain LIST whatever CAPABILITY says:
several providers send them without announcing them. A folder without a mark is known by its exact name, and only at
the top level or directly below a prefix that servers put there ("INBOX.", "[Gmail]/"): "Kunden/Archiv" belongs to
the owner. What the configuration says stands above both, because marks can mislead.
"""

import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from toolkit.model.mailbox import Folder, ListedFolder, Role

BY_ATTRIBUTE: tuple[tuple[str, Role], ...] = (
    ("\\inbox", Role.INBOX),  # XLIST
    ("\\junk", Role.SPAM),
    ("\\spam", Role.SPAM),  # XLIST
    ("\\trash", Role.TRASH),
    ("\\sent", Role.SENT),
    ("\\drafts", Role.DRAFTS),
    ("\\all", Role.ALL),  # before \Archive: where both stand, the messages lie in other mailboxes too
    ("\\allmail", Role.ALL),  # XLIST
    ("\\archive", Role.ARCHIVE),
    ("\\flagged", Role.VIEW),
    ("\\starred", Role.VIEW),  # XLIST
    ("\\important", Role.VIEW),
)
"""Roles by attribute, the telling one first where a mailbox carries several."""

PREFIXES = frozenset({"inbox", "[gmail]", "[google mail]"})
"""Top-level names that servers put before folders which are top-level to the owner. Casefolded."""

_NAMED_ROLES = (Role.SPAM, Role.TRASH, Role.ARCHIVE, Role.SENT, Role.DRAFTS, Role.ALL, Role.VIEW)
_PROVIDER_FILLED = "provider_filled"
_BY_PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class NameSet:
    """One set of folder names of `folders.toml`. Names, providers and prefixes are folded for comparison."""

    title: str
    providers: frozenset[str]  # empty: everybody
    below: frozenset[str]  # empty: the top level, or below a prefix
    roles: Mapping[str, Role]
    provider_filled: frozenset[str]
    source: str
    checked_on: str
    verified: bool


@lru_cache(maxsize=1)
def name_sets() -> tuple[NameSet, ...]:
    """The packaged table of folder names, in its order."""
    text = resources.files("toolkit").joinpath("data", "folders.toml").read_text(encoding="utf-8")
    return tuple(_name_set(entry) for entry in tomllib.loads(text)["names"])


def _name_set(entry: Mapping[str, Any]) -> NameSet:
    return NameSet(
        title=entry["title"],
        providers=frozenset(provider_key(name) for name in entry.get("providers", ())),
        below=frozenset(fold(name) for name in entry.get("below", ())),
        roles={fold(name): role for role in _NAMED_ROLES for name in entry.get(role.value, ())},
        provider_filled=frozenset(fold(name) for name in entry.get(_PROVIDER_FILLED, ())),
        source=entry["source"],
        checked_on=entry["checked_on"].isoformat(),
        verified=entry["verified"],
    )


def fold(name: str) -> str:
    """A name as it is compared: NFC, without case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def provider_key(provider: str) -> str:
    """A provider's name without case and punctuation: "WEB.DE", "web-de" and "webde" are one."""
    return "".join(character for character in provider.casefold() if character.isalnum())


def classify(
    listed: Sequence[ListedFolder], *, provider: str, configured: Mapping[str, str] | None = None
) -> tuple[Folder, ...]:
    """The mailboxes with their roles, in the order of `listed`, on which no role depends.

    `provider` chooses the names that only one provider uses. `configured` maps a role ("spam") to the name of the
    folder that has it, in full or its last segment: that folder gets the role, and other folders that had it by mark
    or name become plain ones. INBOX stays an inbox beside a configured one (RFC 9051, section 5.1).
    """
    wanted = {role: name for key, name in (configured or {}).items() if (role := _role(key)) is not None}
    chosen: dict[int, Role] = {}
    taken: set[Role] = set()
    for role in Role:  # a fixed order: two roles on one folder are settled the same way every time
        for index in _matches(listed, wanted[role]) if role in wanted else ():
            taken.add(role)
            chosen.setdefault(index, role)
    sets = [entry for entry in name_sets() if not entry.providers or provider_key(provider) in entry.providers]
    return tuple(
        Folder(folder, chosen[index]) if index in chosen else _classified(folder, sets, taken)
        for index, folder in enumerate(listed)
    )


def unmatched(listed: Sequence[ListedFolder], configured: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The (role, name) pairs of the configuration that no listed mailbox answers to, or whose role is unknown."""
    return tuple((key, name) for key, name in configured.items() if _role(key) is None or not _matches(listed, name))


def _role(key: str) -> Role | None:
    try:
        return Role(key.casefold())
    except ValueError:
        return None


def _classified(folder: ListedFolder, sets: Iterable[NameSet], taken: set[Role]) -> Folder:
    """A mailbox that the configuration does not name. `taken`: the roles that it gives to others."""
    if folder.name.casefold() == "inbox":
        return Folder(folder, Role.INBOX)
    for attribute, role in BY_ATTRIBUTE:
        if attribute in folder.attributes:
            return Folder(folder, Role.FOLDER if role in taken else role)
    top, name = _place(folder)
    if name is None:
        return Folder(folder, Role.FOLDER)
    for entry in sets:
        if entry.below and top not in entry.below:
            continue
        if name in entry.provider_filled:
            return Folder(folder, Role.FOLDER, sorted_by=_BY_PROVIDER)
        named = entry.roles.get(name)
        if named is not None:
            return Folder(folder, Role.FOLDER if named in taken else named)
    return Folder(folder, Role.FOLDER)


def _segments(folder: ListedFolder) -> list[str]:
    return folder.name.split(folder.delimiter) if folder.delimiter else [folder.name]


def _place(folder: ListedFolder) -> tuple[str, str | None]:
    """(prefix or "", name) of a mailbox at the owner's top level, folded; ("", None) for a deeper one."""
    segments = [fold(segment) for segment in _segments(folder)]
    if len(segments) == 1:
        return "", segments[0]
    if len(segments) == 2 and segments[0] in PREFIXES:
        return segments[0], segments[1]
    return "", None


def _matches(listed: Sequence[ListedFolder], wanted: str) -> tuple[int, ...]:
    """Which mailboxes a configured name means: exact before folded, the full name before the last segment.

    A last segment that stands at several depths means the mailboxes nearest the top.
    """
    exact = unicodedata.normalize("NFC", wanted)
    for same, target in ((_nfc, exact), (fold, fold(wanted))):
        full = tuple(index for index, folder in enumerate(listed) if same(folder.name) == target)
        if full:
            return full
        last = [(len(_segments(f)), index) for index, f in enumerate(listed) if same(_segments(f)[-1]) == target]
        if last:
            nearest = min(depth for depth, _ in last)
            return tuple(index for depth, index in last if depth == nearest)
    return ()


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)
