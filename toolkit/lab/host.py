"""One mailbox of the lab: its provider's manner, its storage, its IMAP server, and how it receives."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from toolkit.lab.gmail import GmailAccount
from toolkit.lab.hooks import Hooks
from toolkit.lab.imap.server import ImapServer, Offer
from toolkit.lab.mailboxes import Account
from toolkit.lab.manners import Manner, manners
from toolkit.lab.messages import Item, now
from toolkit.lab.placing import Placed, Rule, Wishes
from toolkit.lab.sasl import Credentials


@dataclass(slots=True)
class Reception:
    """How a mailbox takes mail, beyond its provider's manner. May be changed while the lab runs."""

    greylist: float | None = None  # seconds until the second attempt of a sender is taken
    full: Literal["", "soft", "hard"] = ""  # over quota: 452 or 552
    unknown: bool = False  # the provider does not know the address
    refuse: str = ""  # a reply of its own to RCPT
    discard: bool = False  # taken, and never seen again
    delay: float = 0.0  # seconds from the 250 to the mailbox
    pop_after: float | None = None  # seconds until a POP client takes a message out of the INBOX
    search_lag: float = 0.0  # seconds until the search index knows a message
    clock_skew: float = 0.0  # seconds by which the provider's clock is ahead


@dataclass(frozen=True, slots=True)
class MailboxSpec:
    """A mailbox as it is asked for."""

    name: str
    manner: str
    address: str
    aliases: tuple[str, ...] = ()
    security: Literal["tls", "starttls", "none"] = "tls"
    login: Literal["password", "oauth"] = "password"
    username: str = ""  # left out: the address
    password: str = "lab password"  # noqa: S105 - a password of the lab, which holds nothing
    role: Literal["control", "rules"] = "control"
    folders: tuple[str, ...] = ()  # that the owner made
    rules: tuple[Rule, ...] = ()
    address_book: tuple[str, ...] = ()
    reception: Reception = field(default_factory=Reception)
    imap: Literal["up", "silent", "closed"] = "up"
    in_config: Literal["inbox", "collect", "no"] = "inbox"
    expect: dict[str, str] = field(default_factory=dict)  # stream: verdict that a probe over the direct route finds


class MailboxHost:
    """A running mailbox."""

    def __init__(self, spec: MailboxSpec, hooks: Hooks, offer: Offer | None = None) -> None:
        self.spec = spec
        self.manner: Manner = manners()[spec.manner]
        self.account: Account = _account(self.manner, spec)
        self.reception = replace(spec.reception)
        self.wishes = Wishes(list(spec.rules), set(spec.address_book), self._role("archive"), self._role("trash"))
        username = spec.username or spec.address
        with_password = spec.login == "password"
        self.credentials = Credentials(
            username,
            password=spec.password if with_password else None,
            token=None if with_password else f"lab-token-of-{spec.name}",
        )
        self.imap = ImapServer(
            spec.name,
            self.account,
            offer or self.manner.offer,
            credentials=self.credentials,
            security=spec.security,
            hooks=hooks,
        )
        self.imap.behaviour.terse_bye = self.manner.terse_bye
        self.imap.behaviour.silent = spec.imap == "silent"
        self._first_tries: dict[tuple[str, str], float] = {}

    def _role(self, role: str) -> str | None:
        return self.manner.folder(role)

    def addresses(self) -> tuple[str, ...]:
        """Every address that ends here, in lower case."""
        return tuple(address.lower() for address in (self.spec.address, *self.spec.aliases))

    # receiving

    def refusal(self, ip: str, sender: str) -> str | None:
        """The name of the reply that the recipient's state asks for at RCPT, or None."""
        reception = self.reception
        if reception.unknown:
            return "user_unknown"
        if reception.full:
            return "mailbox_full" if reception.full == "soft" else "mailbox_full_for_good"
        if reception.greylist is not None and not self._tried_before(ip, sender, reception.greylist):
            return "greylisted"
        return None

    def _tried_before(self, ip: str, sender: str, wait: float) -> bool:
        moment = time.monotonic()
        first = self._first_tries.setdefault((ip, sender.lower()), moment)
        return moment - first >= wait

    def now(self) -> datetime:
        """The time by the provider's own clock, in whole seconds."""
        return now() + timedelta(seconds=self.reception.clock_skew)

    def store(self, raw: bytes, item: Item, placed: Placed) -> str:
        """Put an accepted message where it belongs. Returns the folder's name, or nothing where it is in none."""
        if placed.folder is None or self.reception.discard:
            return ""
        item.raw = raw
        if placed.seen:
            item.flags.add("\\Seen")
        if self.reception.search_lag:
            item.searchable_at = time.monotonic() + self.reception.search_lag
        item.categories = placed.categories
        account = self.account
        if isinstance(account, GmailAccount):
            account.deliver_item(item, placed.folder)
        else:
            folder = account.folders.get(placed.folder) or account.create(placed.folder)
            account.add(folder, item)
        return placed.folder

    def fetch_by_pop(self, item: Item) -> None:
        """What a POP client does that leaves nothing on the server: the message is gone from the INBOX."""
        inbox = self.account.find("INBOX")
        for uid, entry in list(inbox.entries.items()):
            if entry.item is item:
                if isinstance(self.account, GmailAccount):
                    self.account.relabel(item, {"\\Trash"})
                else:
                    self.account.expunge(inbox, uid)

    # life

    async def start(self) -> None:
        """Listen. A server that shall be closed gets a port and closes it again."""
        await self.imap.start()
        if self.spec.imap == "closed":
            await self.imap.stop()

    async def stop(self) -> None:
        """Close the IMAP server."""
        await self.imap.stop()


def _account(manner: Manner, spec: MailboxSpec) -> Account:
    make: Callable[[str, str], Account] = GmailAccount if manner.gmail else Account
    account = make(manner.delimiter, manner.prefix)
    for folder in manner.folders:
        if folder.name in account.folders:
            account.folders[folder.name].attributes = folder.attributes
        else:
            account.create(folder.name, folder.attributes)
    for name in (*spec.folders, *(rule.folder for rule in spec.rules if rule.folder)):
        if name not in account.folders:
            account.create(name)
    return account
