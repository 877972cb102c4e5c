"""The world as its data describes it: senders, streams, doors, mailboxes, profiles (`toolkit/data/lab/world.toml`)."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from toolkit.lab.host import MailboxSpec, Reception
from toolkit.lab.placing import Rule
from toolkit.lab.smtp_server import DoorSpec


@dataclass(frozen=True, slots=True)
class KeySpec:
    """A DKIM key of a sender domain. `published`: "own", "other" (a key that does not match) or "none"."""

    domain: str
    selector: str
    published: str


@dataclass(frozen=True, slots=True)
class Profile:
    """Which parts of the world run, and what the configuration says of patience."""

    name: str
    routes: tuple[str, ...]
    mailboxes: tuple[str, ...] | None  # None: all
    probe: dict[str, str]
    answer_timeout: str


@dataclass(frozen=True, slots=True)
class Scenery:
    """All of it."""

    zones: tuple[str, ...]
    blocklists: tuple[str, ...]
    listed: tuple[str, ...]
    sender: dict[str, Any]
    keys: tuple[KeySpec, ...]
    streams: tuple[dict[str, Any], ...]
    doors: tuple[dict[str, Any], ...]
    mailboxes: tuple[dict[str, Any], ...]
    profiles: dict[str, Profile]

    def profile(self, name: str) -> Profile:
        """The profile of that name. Raises ValueError."""
        try:
            return self.profiles[name]
        except KeyError:
            raise ValueError(f"no such profile: {name!r}; there are {', '.join(self.profiles)}") from None

    def door_specs(self) -> list[DoorSpec]:
        """Every door, as a specification of its own."""
        return [DoorSpec(**door) for door in self.doors]

    def mailbox_specs(self, profile: Profile) -> list[MailboxSpec]:
        """The mailboxes of a profile, each a specification of its own."""
        wanted = [m for m in self.mailboxes if profile.mailboxes is None or m["name"] in profile.mailboxes]
        return [_mailbox(mailbox) for mailbox in wanted]


def _mailbox(table: dict[str, Any]) -> MailboxSpec:
    table = dict(table)
    rules = tuple(Rule(**rule) for rule in table.pop("rules", ()))
    reception = Reception(**table.pop("reception", {}))
    for key in ("folders", "aliases", "address_book"):
        table[key] = tuple(table.get(key, ()))
    return MailboxSpec(rules=rules, reception=reception, **table)


def _profile(name: str, table: dict[str, Any]) -> Profile:
    names = table["mailboxes"]
    return Profile(
        name, tuple(table["routes"]), None if names == "all" else tuple(names), table["probe"], table["answer_timeout"]
    )


def zone_text(origin: str) -> str:
    """The zone file of a name."""
    return files("toolkit").joinpath(f"data/lab/zones/{origin}.zone").read_text(encoding="utf-8")


@cache
def scenery() -> Scenery:
    """The world of the data file."""
    table = tomllib.loads(files("toolkit").joinpath("data/lab/world.toml").read_text(encoding="utf-8"))
    return Scenery(
        zones=tuple(table["zones"]),
        blocklists=tuple(table["blocklists"]),
        listed=tuple(table["listed"]),
        sender=table["sender"],
        keys=tuple(KeySpec(**key) for key in table["key"]),
        streams=tuple(table["stream"]),
        doors=tuple(table["door"]),
        mailboxes=tuple(table["mailbox"]),
        profiles={name: _profile(name, value) for name, value in table["profile"].items()},
    )
