"""The running lab: started in one line, seen by others through its sockets, and by tests through this API.

    with World.start("small") as world:
        config = world.write_config(folder)
        ...
        assert world.journal.accepted(recipient="probe1@gmx.example")

All servers live on one asyncio loop in a thread of their own. Every method here may be called from any other thread.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from toolkit.lab import configure
from toolkit.lab.certs import LAB_CA, authority, dkim_key
from toolkit.lab.delivery import PostOffice
from toolkit.lab.dns_server import DnsServer, JudgesResolver, Query
from toolkit.lab.dns_zones import Zones
from toolkit.lab.hooks import Hook, Hooks
from toolkit.lab.host import MailboxHost, MailboxSpec
from toolkit.lab.imap.server import Behaviour, Offer
from toolkit.lab.imap.session import Counters
from toolkit.lab.journal import Journal
from toolkit.lab.judge import Judge
from toolkit.lab.mailboxes import Entry, Folder
from toolkit.lab.placing import Rule
from toolkit.lab.relay import Relay, RelayTimes
from toolkit.lab.scenery import Profile, scenery, zone_text
from toolkit.lab.smtp_server import Door, DoorSpec

T = TypeVar("T")
_PATIENCE = 30.0  # seconds for the lab's thread to do what it is asked


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as a folder shows it."""

    folder: str
    uid: int
    message_id: str  # without brackets
    raw: bytes
    flags: frozenset[str]
    labels: frozenset[str]
    categories: frozenset[str]


class World:
    """Use `World.start`."""

    def __init__(self, profile: Profile, mailboxes: Iterable[MailboxSpec], times: RelayTimes) -> None:
        self.profile = profile
        self.scenery = scenery()
        self.journal = Journal()
        self.hooks = Hooks()
        self.zones = Zones()
        self.doors: dict[str, Door] = {}
        self.hosts: dict[str, MailboxHost] = {}
        self._dns = DnsServer(self.zones)
        judge = Judge(JudgesResolver(self._dns), self.scenery.blocklists)
        self._office = PostOffice(judge, self.journal, self.hooks)
        self._relay = Relay(self._office, times)
        self._specs = list(mailboxes)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mailwhy-lab", daemon=True)
        self._stopped = False

    # life

    @classmethod
    def start(
        cls,
        profile: str = "demo",
        *,
        mailboxes: Iterable[str] | None = None,
        relay: RelayTimes | None = None,
        **probe: str,
    ) -> "World":
        """Start the lab on free ports. `mailboxes` names those of the profile that shall run, `probe` changes what
        the configuration says of the probe (`timeout="5s"`). Raises ValueError, OSError.
        """
        found = scenery().profile(profile)
        found = replace(found, probe={**found.probe, **probe})
        specs = scenery().mailbox_specs(found)
        if mailboxes is not None:
            wanted = set(mailboxes)
            unknown = wanted - {str(m["name"]) for m in scenery().mailboxes}
            if unknown:
                raise ValueError(f"no such mailbox: {', '.join(sorted(unknown))}")
            specs = scenery().mailbox_specs(replace(found, mailboxes=tuple(wanted)))
        world = cls(found, specs, relay or RelayTimes())
        world._thread.start()
        try:
            world._await(world._open())
        except BaseException:
            world.stop()
            raise
        return world

    async def _open(self) -> None:
        self._fill_dns()
        await self._dns.start()
        for door in self.scenery.door_specs():
            await self._add_door(door)
        for spec in self._specs:
            await self._add_host(spec)

    def _fill_dns(self) -> None:
        for origin in self.scenery.zones:
            self.zones.load(zone_text(origin), origin)
        for key in self.scenery.keys:
            if key.published != "none":
                found = dkim_key(key.domain if key.published == "own" else f"another key of {key.domain}")
                record = f"v=DKIM1; k=rsa; p={found.public_base64}"
                self.zones.add(f"{key.selector}._domainkey.{key.domain}", "TXT", record)
        for zone in self.scenery.blocklists:
            self.zones.add_blocklist(zone)
            for address in self.scenery.listed:
                self.zones.list_address(zone, address)

    def stop(self) -> None:
        """Close every socket and end the thread."""
        if self._stopped:
            return
        self._stopped = True
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(_PATIENCE)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_PATIENCE)
        self._loop.close()

    async def _close(self) -> None:
        await self._office.stop()
        for door in self.doors.values():
            await door.stop()
        for host in self.hosts.values():
            await host.stop()
        await self._dns.stop()
        await asyncio.sleep(0)  # closed transports say goodbye in the next round of the loop
        await asyncio.get_running_loop().shutdown_asyncgens()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # doing something in the lab's thread

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        if self._stopped or threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("the lab is stopped" if self._stopped else "a hook cannot wait for the lab's own thread")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    def call(self, work: Callable[[], T]) -> T:
        """Run a function in the lab's thread and give back what it returns."""

        async def run() -> T:
            return work()

        return self._await(run())

    # configuration

    def settings_toml(self) -> str:
        """`config.toml` for this world. Its paths are relative: `write_config` writes the files beside it."""
        return configure.settings_toml(self)

    def write_config(self, folder: Path) -> Path:
        """Write `config.toml`, the lab's CA and the signing keys. Returns the path of `config.toml`."""
        return configure.write_files(self, folder)

    @property
    def ca_pem(self) -> str:
        """The certificate of the lab's authority."""
        return authority(LAB_CA).ca_pem

    # DNS

    @property
    def dns_port(self) -> int:
        """The port of the DNS server, for UDP and TCP."""
        return self._dns.port

    @property
    def queries(self) -> tuple[Query, ...]:
        """What was asked of DNS, the lab's own judge included (`transport == "judge"`)."""
        return self.call(lambda: tuple(self._dns.log))

    def change_dns(self, change: Callable[[Zones], T]) -> T:
        """Change zones, lists and faults: `world.change_dns(lambda z: z.fault("x.example", "servfail"))`."""
        return self.call(lambda: change(self.zones))

    # doors

    async def _add_door(self, spec: DoorSpec) -> Door:
        if spec.name in self.doors:
            raise ValueError(f"there is a door {spec.name!r} already")
        door = Door(spec, self._office, self._relay)
        self.doors[spec.name] = door
        await door.start()
        return door

    def add_door(self, spec: DoorSpec) -> int:
        """Open one more door. Returns its port. Raises ValueError."""
        return self._await(self._add_door(spec)).port

    def door_port(self, name: str) -> int:
        """The port of a door."""
        return self.doors[name].port

    def close_door(self, name: str) -> None:
        """Close a door's port and its connections."""
        self._await(self.doors[name].stop())

    def open_door(self, name: str) -> None:
        """Open a closed door on the same port."""
        self._await(self.doors[name].start())

    # hooks

    def on(self, moment: str, hook: Hook) -> Callable[[], None]:
        """Call `hook` at a protocol moment; see `toolkit.lab.hooks`. Returns a function that ends this."""
        off = self.call(lambda: self.hooks.on(moment, hook))
        return lambda: self.call(off)

    # mailboxes

    async def _add_host(self, spec: MailboxSpec, offer: Offer | None = None) -> MailboxHost:
        if spec.name in self.hosts:
            raise ValueError(f"there is a mailbox {spec.name!r} already")
        host = MailboxHost(spec, self.hooks, offer)
        self._office.add(host)
        self.hosts[spec.name] = host
        await host.start()
        return host

    def add_mailbox(self, spec: MailboxSpec, offer: Offer | None = None) -> "Mailbox":
        """One more mailbox, with capabilities of its own where `offer` says so. Raises ValueError."""
        self._await(self._add_host(spec, offer))
        return Mailbox(self, spec.name)

    def mailbox(self, name: str) -> "Mailbox":
        """The mailbox of that name. Raises KeyError."""
        if name not in self.hosts:
            raise KeyError(name)
        return Mailbox(self, name)


class Mailbox:
    """A mailbox of a running world, for tests: look inside, put something in, change how it behaves."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self.name = name
        self._host = world.hosts[name]

    @property
    def address(self) -> str:
        """Its main address."""
        return self._host.spec.address

    @property
    def port(self) -> int:
        """The port of its IMAP server."""
        return self._host.imap.port

    @property
    def username(self) -> str:
        """The name to log in with."""
        return self._host.credentials.username

    @property
    def secret(self) -> str:
        """The password or the access token to log in with."""
        credentials = self._host.credentials
        return credentials.password or credentials.token or ""

    # inside

    def folders(self) -> list[str]:
        """The names of all folders."""
        return self._world.call(lambda: list(self._host.account.folders))

    def messages(self, folder: str | None = None) -> list[Stored]:
        """What a folder holds, or all folders."""
        account = self._host.account

        def collect() -> list[Stored]:
            if folder is None:
                return [_stored(found, entry) for found, entry in account.every_entry()]
            found = account.find(folder)
            return [_stored(found, entry) for entry in found.entries.values()]

        return self._world.call(collect)

    def deliver(self, raw: bytes, folder: str = "INBOX", flags: Iterable[str] = ()) -> int:
        """Put bytes into a folder past all judgement. Returns the UID."""
        return self._world.call(lambda: self._host.account.deliver(raw, folder, flags)).uid

    def deliver_many(self, messages: Iterable[bytes], folder: str = "INBOX") -> None:
        """Put many messages into a folder at once."""

        def put() -> None:
            for raw in messages:
                self._host.account.deliver(raw, folder)

        self._world.call(put)

    def create_folder(self, name: str, attributes: Iterable[str] = ()) -> None:
        """Make a folder. Raises MailboxError."""
        self._world.call(lambda: self._host.account.create(name, attributes))

    def counters(self) -> Counters:
        """What its IMAP server was asked so far: a copy."""

        def copy() -> Counters:
            counters = self._host.imap.counters
            return replace(counters, commands=Counter(counters.commands))

        return self._world.call(copy)

    # behaviour

    def imap(self, **changes: Any) -> Behaviour:
        """Change how the IMAP server behaves (`silent=True`, `drop_in_fetch=100`, …). Raises AttributeError."""
        return self._world.call(lambda: _changed(self._host.imap.behaviour, changes))

    def reception(self, **changes: Any) -> None:
        """Change how mail is received (`delay=2.0`, `full="hard"`, …). Raises AttributeError."""
        self._world.call(lambda: _changed(self._host.reception, changes))

    def rules(self, *rules: Rule) -> None:
        """Give the owner these rules and no others."""
        self._world.call(lambda: self._host.wishes.rules.__setitem__(slice(None), rules))

    def quota(self, limit: int | None) -> None:
        """How many bytes may be stored over IMAP."""
        self._world.call(lambda: setattr(self._host.account, "quota", limit))

    def stop_imap(self) -> None:
        """Close the IMAP port and its connections."""
        self._world._await(self._host.imap.stop())  # noqa: SLF001 - of one piece with World

    def start_imap(self) -> None:
        """Listen again on the same port."""
        self._world._await(self._host.imap.start())  # noqa: SLF001 - of one piece with World


def _changed(target: T, changes: dict[str, Any]) -> T:
    for name, value in changes.items():
        getattr(target, name)
        setattr(target, name, value)
    return target


def _stored(folder: Folder, entry: Entry) -> Stored:
    item = entry.item
    return Stored(
        folder.name, entry.uid, item.message_id.strip("<>"), item.raw, frozenset(item.flags), frozenset(item.labels),
        item.categories,
    )  # fmt: skip
