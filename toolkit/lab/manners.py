"""The manners of mailbox providers, read from `toolkit/data/lab/manners.toml`."""

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from toolkit.lab.imap.server import Offer

Doing = Literal["refuse", "spam", "ignore"]

REPLIES = (
    "accepted",
    "user_unknown",
    "mailbox_full",
    "mailbox_full_for_good",
    "greylisted",
    "listed",
    "dmarc",
    "spf",
    "no_ptr",
    "content",
)


@dataclass(frozen=True, slots=True)
class FolderManner:
    """A folder that every mailbox of a provider has. `role`: spam, trash, archive, all, unknown, or empty."""

    name: str
    attributes: tuple[str, ...] = ()
    role: str = ""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a provider receives, judges and shows mail."""

    name: str
    provider: str  # as the configuration names it
    dialect: str
    mx: str
    offer: Offer
    replies: dict[str, str]
    folders: tuple[FolderManner, ...]
    authserv_id: str = ""
    delimiter: str = "/"
    prefix: str = ""
    gmail: bool = False
    terse_bye: bool = False
    three_way: bool = False
    known_ips: tuple[str, ...] | None = None  # None: any address may come
    on_listed: Doing = "refuse"
    on_spf_fail: Doing = "ignore"
    on_dmarc_reject: Doing = "refuse"
    on_dmarc_quarantine: Doing = "spam"
    on_no_ptr: Doing = "ignore"
    on_spam_content: Doing = "spam"
    checked_on: str = field(default="", compare=False)

    def folder(self, role: str) -> str | None:
        """The folder of a role, where this provider has one."""
        if role == "inbox":
            return "INBOX"
        return next((folder.name for folder in self.folders if folder.role == role), None)


def _offer(table: dict[str, Any]) -> Offer:
    table = dict(table)
    name, vendor = table.pop("identity", ("mailwhy lab", "mailwhy"))
    before, after = tuple(table.pop("before")), tuple(table.pop("after"))
    return Offer(before, after, name=name, vendor=vendor, **table)


def _manner(name: str, table: dict[str, Any], tables: dict[str, Any], checked_on: str) -> Manner:
    table = dict(table)
    like = tables.get(table.pop("like", ""), {})
    replies = {**like.get("replies", {}), **table.pop("replies", {})}
    missing = [key for key in REPLIES if key not in replies]
    if missing:
        raise ValueError(f"manners.toml: {name} lacks the replies {', '.join(missing)}")
    folders = tuple(
        FolderManner(f["name"], tuple(f.get("attributes", ())), f.get("role", "")) for f in table.pop("folders")
    )
    known = table.pop("known_ips", None)
    return Manner(
        name=name,
        offer=_offer({**like.get("imap", {}), **table.pop("imap", {})}),
        replies=replies,
        folders=folders,
        known_ips=None if known is None else tuple(known),
        checked_on=checked_on,
        **table.pop("names", {}),
        **table,
    )


@cache
def manners() -> dict[str, Manner]:
    """Every manner by its name. Raises ValueError where the data is incomplete."""
    text = files("toolkit").joinpath("data/lab/manners.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    checked_on = str(tables.pop("checked_on"))
    return {name: _manner(name, table, tables, checked_on) for name, table in tables.items()}
