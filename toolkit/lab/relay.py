"""A relay: it takes everything with 250, tries to hand it on, and sends a DSN where it cannot."""

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from toolkit.lab.delivery import Attempt, PostOffice, Visit
from toolkit.lab.dsn import Report, report_message
from toolkit.lab.messages import Item, now
from toolkit.lab.placing import Placed

RELAY_NAME = "relay.lab.example"


@dataclass(frozen=True, slots=True)
class Queued:
    """A message in the relay's queue, for one recipient."""

    visit: Visit  # as the next server sees the relay
    sender: str
    recipient: str
    raw: bytes
    queue_id: str
    arrived_at: datetime


@dataclass(slots=True)
class RelayTimes:
    """Seconds between attempts, and until the relay gives up (or warns, where `warn_after` says when)."""

    hold: float = 0.1
    retry: float = 1.0
    lifetime: float = 8.0
    warn_after: float | None = None


class Relay:
    """The queue of a relaying door."""

    def __init__(self, office: PostOffice, times: RelayTimes) -> None:
        self._office = office
        self.times = times
        self._warned: set[str] = set()

    def take(self, visit: Visit, sender: str, recipients: list[str], raw: bytes) -> str:
        """Queue a message. Returns the reply."""
        queue_id = secrets.token_hex(5).upper()
        arrived_at = datetime.now(UTC)
        received = (
            f"Received: from {visit.helo} (unknown [10.0.0.7])\r\n by {RELAY_NAME} (Postfix) with {visit.protocol} id"
            f" {queue_id};\r\n {format_datetime(arrived_at)}\r\n"
        ).encode()
        onward = replace(
            visit,
            helo="mail.belmont.example",
            protocol="ESMTPS",
            tls="TLSv1.3",
            cipher="TLS_AES_256_GCM_SHA384",
            onward=True,
        )
        reply = f"250 2.0.0 Ok: queued as {queue_id}"
        message_id = Item(raw, arrived_at).message_id.strip("<>")
        for recipient in recipients:
            self._office.note(Attempt(visit, sender, recipient, raw, message_id), reply)
            self._later(self.times.hold, Queued(onward, sender, recipient, received + raw, queue_id, arrived_at))
        return reply

    def bounce(self, visit: Visit, sender: str, recipient: str, raw: bytes, reply: str) -> None:
        """Report a recipient who was refused after the message had been taken for others."""
        self._report(
            Queued(visit, sender, recipient, raw, secrets.token_hex(5).upper(), datetime.now(UTC)), reply, failed=True
        )

    def _later(self, seconds: float, queued: Queued) -> None:
        self._office.later(seconds, lambda: self._attempt(queued))

    async def _attempt(self, queued: Queued) -> None:
        reply = await self._office.recipient(queued.visit, queued.sender, queued.recipient)
        if reply.startswith("2"):
            (reply,) = await self._office.message(queued.visit, queued.sender, [queued.recipient], queued.raw)
        if reply.startswith("2"):
            return
        age = datetime.now(UTC) - queued.arrived_at
        if reply.startswith("4") and age < timedelta(seconds=self.times.lifetime):
            warn_after = self.times.warn_after
            if warn_after is not None and age.total_seconds() >= warn_after and queued.queue_id not in self._warned:
                self._warned.add(queued.queue_id)
                self._report(queued, reply, failed=False)
            self._later(self.times.retry, queued)
            return
        self._report(queued, reply, failed=True)

    def _report(self, queued: Queued, reply: str, *, failed: bool) -> None:
        """Put a DSN into the sender's mailbox. A bounce of a bounce is dropped (RFC 5321, section 4.5.5)."""
        host = self._office.hosts.get(queued.sender.lower())
        if host is None:
            return
        manner = self._office.manner_of(queued.recipient)
        report = Report(
            action="failed" if failed else "delayed",
            reporting_mta=RELAY_NAME,
            remote_mta=manner.mx if manner is not None else "unknown",
            sender=queued.sender,
            recipient=queued.recipient,
            reply=reply,
            queue_id=queued.queue_id,
            arrived_at=queued.arrived_at,
            at=datetime.now(UTC),
        )
        raw = report_message(report, queued.raw)
        host.store(raw, Item(raw, now()), Placed("INBOX"))
