"""A probe from settings to report in one call, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.imap_grammar import Message
from tests.fakes.imap_server import PASSWORD, USERNAME, FakeImap
from tests.fakes.server import ConnectionEndedError, Wire
from tests.fakes.smtp_server import FakeSmtp
from tests.servers.account import Account
from toolkit.collect.probe import ProbeRun, Selection
from toolkit.config.settings import Settings
from toolkit.model.placement import ProbeReport, SeedReport
from toolkit.store.seeds import SeedStore

SENDER = "Salon Belmont <termine@belmont.example>"
STREAM = {"name": "reminder", "kind": "transactional", "from": SENDER, "subject": "Ihr Termin", "text": "Guten Tag"}


def lmtp_route(port: int, **more: object) -> dict[str, Any]:
    """The route of most tests: straight to a Dovecot."""
    return {"name": "main", "protocol": "lmtp", "host": "127.0.0.1", "port": port, "security": "none", **more}


def inbox_of(account: Account, name: str, **more: object) -> dict[str, Any]:
    """A test inbox's table of the configuration."""
    return {
        "name": name,
        "address": account.address,
        "host": "127.0.0.1",
        "port": account.server.imap_port,
        "security": "none",
        "username": account.username,
        "password": {"value": account.password},
        "timeout": "5s",
        **more,
    }


@dataclass
class Probing:
    """A configuration and a store of its own; `run` probes once."""

    folder: Path
    routes: Sequence[Mapping[str, Any]]
    inboxes: Sequence[Mapping[str, Any]]
    streams: Sequence[Mapping[str, Any]] = (STREAM,)
    collect: Sequence[Mapping[str, Any]] = ()
    timing: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    runs: list[ProbeReport] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """The configuration, with short times."""
        return Settings.model_validate(
            {
                "store": {"url": self.url or f"sqlite:///{self.folder}/store.db"},
                "stream": list(self.streams),
                "route": list(self.routes),
                "inbox": list(self.inboxes),
                "collect": list(self.collect),
                "probe": {"timeout": "2s", "poll": "200ms", "settle": "200ms", **self.timing},
            }
        )

    def run(self, **selection: Iterable[str]) -> dict[str, SeedReport]:
        """Probe; the seeds by inbox, or by "inbox/stream" where there are several streams."""
        settings = self.settings
        store = SeedStore.open(settings.store.url)
        try:
            chosen = Selection.of(settings, **{key: list(value) for key, value in selection.items()})
            report = ProbeRun(settings, chosen, store).run()
        finally:
            store.close()
        self.runs.append(report)
        several = len({seed.stream for seed in report.seeds}) > 1
        return {f"{seed.inbox}/{seed.stream}" if several else seed.inbox: seed for seed in report.seeds}


class Delivering(FakeSmtp):
    """An SMTP server that puts what it accepts into the inboxes of faulty IMAP servers, by recipient."""

    def __init__(self, boxes: dict[str, FakeImap], **details: Any) -> None:
        super().__init__(**details)
        self.boxes = boxes

    async def answer(self, wire: Wire, phase: str, good: str, recipient: str | None = None, **details: Any) -> str:
        """As FakeSmtp; what it takes, or takes without a word, is in the mailbox."""
        try:
            reply = await super().answer(wire, phase, good, recipient, **details)
        except ConnectionEndedError:
            if phase == "END" and not self.transactions[-1].replies:
                self._deliver(recipient)
            raise
        if phase == "END" and reply.startswith("250"):
            self._deliver(recipient)
        return reply

    def _deliver(self, recipient: str | None) -> None:
        message = self.transactions[-1]
        for address in [recipient] if recipient else message.recipients:
            box = self.boxes.get(address)
            if box is not None:
                box.call(lambda box=box: box.folder("INBOX").add(Message(message.content)))


def fake_inbox(server: FakeImap, name: str, **more: object) -> dict[str, Any]:
    """The table of a test inbox on a faulty server; its address is `name`@faulty.example."""
    return {
        "name": name,
        "address": f"{name}@faulty.example",
        "host": "127.0.0.1",
        "port": server.port,
        "security": "none",
        "username": USERNAME,
        "password": {"value": PASSWORD},
        "timeout": "1s",
        **more,
    }


def smtp_route(port: int, **more: object) -> dict[str, Any]:
    """A plain SMTP route to a port of this machine."""
    return {"name": "main", "host": "127.0.0.1", "port": port, "security": "none", "timeout": "2s", **more}
