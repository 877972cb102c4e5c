"""From the SMTP dialogue to the mailbox: who is known, what is refused and in whose words, where a message ends up."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from toolkit.lab.hooks import Hooks
from toolkit.lab.host import MailboxHost
from toolkit.lab.journal import Arrival, Journal, Outcome
from toolkit.lab.judge import Judge, Judgement
from toolkit.lab.manners import Manner
from toolkit.lab.messages import Item, now
from toolkit.lab.placing import Placed, Refused, place
from toolkit.lab.stamps import Case, Transit, stamp

FORWARDING = "forwarding"  # the door of mail that a mailbox sends on
FORWARDER_IP = "203.0.113.25"  # where forwarded mail comes from: no SPF record of a sender names it
FORWARDER_HELO = "out.forward.example"
_HOPS = 30  # Received fields of a message that is still taken
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Visit:
    """A client as the provider sees it."""

    door: str
    seen_as: str
    helo: str = "localhost"
    protocol: str = "ESMTP"
    tls: str | None = None
    cipher: str | None = None
    user: str | None = None
    onward: bool = False  # the client is the lab's own relay, or a mailbox that forwards


def outcome_of(reply: str) -> Outcome:
    """What a reply means for the message."""
    return "accepted" if reply.startswith("2") else "deferred" if reply.startswith("4") else "refused"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One recipient of one message, as a provider meets it. Before DATA there are no bytes."""

    visit: Visit
    sender: str
    recipient: str
    raw: bytes = b""
    message_id: str = ""  # without brackets
    domain: str = ""  # of the From header
    queue_id: str = field(default_factory=lambda: secrets.token_hex(6).upper())

    def words(self, manner: Manner, reply: str) -> str:
        """One of the provider's replies, filled in."""
        return manner.replies[reply].format(
            ip=self.visit.seen_as,
            recipient=self.recipient,
            sender=self.sender,
            domain=self.domain or self.sender.rpartition("@")[2],
            message_id=self.message_id,
            queue_id=self.queue_id,
            size=len(self.raw),
            time=int(time.time()),
            host=manner.authserv_id,
            short=manner.authserv_id.split(".")[0],
        )


class PostOffice:
    """Every provider's receiving side."""

    def __init__(self, judge: Judge, journal: Journal, hooks: Hooks) -> None:
        self.judge = judge
        self.journal = journal
        self.hooks = hooks
        self.hosts: dict[str, MailboxHost] = {}  # by address
        self._domains: dict[str, Manner] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, host: MailboxHost) -> None:
        """Take mail for a mailbox, and know its domains. Raises ValueError where an address is taken."""
        for address in host.addresses():
            if address in self.hosts:
                raise ValueError(f"{address} is another mailbox's address")
            self.hosts[address] = host
            self._domains.setdefault(address.rpartition("@")[2], host.manner)

    def manner_of(self, recipient: str) -> Manner | None:
        """The manner of the provider behind an address."""
        return self._domains.get(recipient.lower().rpartition("@")[2])

    # RCPT

    async def recipient(self, visit: Visit, sender: str, recipient: str) -> str:
        """The reply to RCPT. Anything but 2yz is in the journal."""
        attempt = Attempt(visit, sender, recipient)
        reply = await self._recipient(attempt)
        if not reply.startswith("2") and reply != "drop":
            self.note(attempt, reply)
        return reply

    async def _recipient(self, attempt: Attempt) -> str:
        visit, recipient = attempt.visit, attempt.recipient
        if not visit.onward:
            answer = await self.hooks.fire("smtp.rcpt", door=visit.door, mail_from=attempt.sender, recipient=recipient)
            if answer is not None:
                return answer
        manner = self.manner_of(recipient)
        if manner is None:
            return f"550 5.1.2 <{recipient}>: Recipient address rejected: Domain not found"
        if manner.known_ips is not None and visit.seen_as not in manner.known_ips:
            listed = await self.judge.lists_naming(visit.seen_as)
            return attempt.words(manner, "listed" if listed else "unknown_ip")
        return self._state_of(attempt, manner)

    def _state_of(self, attempt: Attempt, manner: Manner) -> str:
        host = self.hosts.get(attempt.recipient.lower())
        if host is None:
            return attempt.words(manner, "user_unknown")
        if host.reception.refuse:
            return host.reception.refuse
        name = host.refusal(attempt.visit.seen_as, attempt.sender)
        return attempt.words(manner, name) if name else "250 2.1.5 Ok"

    # DATA

    async def message(self, visit: Visit, sender: str, recipients: list[str], raw: bytes) -> list[str]:
        """A whole message: one reply per recipient, in their order. All of it is in the journal."""
        return [await self._one(visit, sender, recipient, raw) for recipient in recipients]

    async def _one(self, visit: Visit, sender: str, recipient: str, raw: bytes) -> str:
        host = self.hosts.get(recipient.lower())
        item = Item(raw, host.now() if host is not None else now())
        attempt = Attempt(visit, sender, recipient, raw, item.message_id.strip("<>"))
        if host is None or len(item.headers.get("received", ())) > _HOPS:
            # it went between RCPT and DATA, or two mailboxes forward to each other (RFC 5321, section 6.3)
            reply = "451 4.3.0 Try again later" if host is None else "554 5.4.6 Too many hops"
            self.note(attempt, reply)
            return reply
        judgement = await self.judge.judge(visit.seen_as, visit.helo, sender, raw)
        attempt = replace(attempt, domain=judgement.dmarc.domain)
        fate = place(host.manner, host.wishes, judgement, item)
        if isinstance(fate, Refused):
            reply = attempt.words(host.manner, fate.reply)
            self.note(attempt, reply, judgement)
            return reply
        reply = attempt.words(host.manner, "accepted")
        self.note(attempt, reply, judgement, fate)
        transit = Transit(
            ip=visit.seen_as,
            helo=visit.helo,
            sender=sender,
            recipient=recipient,
            queue_id=attempt.queue_id,
            at=item.internal_date,
            protocol=visit.protocol,
            tls=visit.tls,
            cipher=visit.cipher,
        )
        stamped = stamp(Case(host.manner, transit, judgement, fate), raw)
        if host.reception.delay:
            self.later(host.reception.delay, lambda: self._store(host, stamped, item, fate, sender))
        else:
            await self._store(host, stamped, item, fate, sender)
        return reply

    async def _store(self, host: MailboxHost, stamped: bytes, item: Item, fate: Placed, sender: str) -> None:
        item.internal_date = host.now()
        folder = host.store(stamped, item, fate)
        if self.hooks.wanted("delivered"):
            message_id = item.message_id.strip("<>")
            await self.hooks.fire("delivered", mailbox=host.spec.name, folder=folder, message_id=message_id)
        if host.reception.pop_after is not None and folder == "INBOX":
            self.later(host.reception.pop_after, lambda: _done(lambda: host.fetch_by_pop(item)))
        if fate.redirect:
            await self._forward(stamped, fate.redirect, sender)

    async def _forward(self, raw: bytes, target: str, sender: str) -> None:
        """Send a message on, as providers do: same envelope sender, another address that it comes from."""
        visit = Visit(FORWARDING, FORWARDER_IP, FORWARDER_HELO, onward=True)
        if (await self.recipient(visit, sender, target)).startswith("2"):
            await self.message(visit, sender, [target], raw)

    def note(
        self, attempt: Attempt, reply: str, judgement: Judgement | None = None, placed: Placed | None = None
    ) -> None:
        """Write an attempt into the journal."""
        visit = attempt.visit
        self.journal.add(
            Arrival(
                at=datetime.now(UTC),
                door=visit.door,
                seen_as=visit.seen_as,
                helo=visit.helo,
                sender=attempt.sender,
                recipient=attempt.recipient,
                outcome=outcome_of(reply),
                reply=reply,
                message_id=attempt.message_id,
                raw=attempt.raw,
                tls=visit.tls,
                user=visit.user,
                judgement=judgement,
                placed=placed,
                onward=visit.onward,
            )
        )

    # later

    def later(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        """Do something after a while, unless the lab ends before."""

        async def wait() -> None:
            await asyncio.sleep(seconds)
            try:
                await do()
            except Exception:  # noqa: BLE001 - nobody waits for it; it is logged, and the lab goes on
                _log.exception("what was to be done later in the lab failed")

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Forget what was to be done later."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _done(work: Callable[[], None]) -> None:
    work()
