"""What came in over SMTP and LMTP, one entry per recipient: for counting what was lost and what was doubled."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from toolkit.lab.judge import Judgement
from toolkit.lab.placing import Placed

Outcome = Literal["accepted", "deferred", "refused"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One recipient of one attempt. `message_id` is without brackets; both it and `raw` are empty before DATA."""

    at: datetime
    door: str
    seen_as: str
    helo: str
    sender: str
    recipient: str
    outcome: Outcome
    reply: str  # its lines joined by newlines
    message_id: str = ""
    raw: bytes = b""
    tls: str | None = None
    user: str | None = None  # who had logged in
    judgement: Judgement | None = None
    placed: Placed | None = None
    onward: bool = False  # handed on inside the lab, by its relay or by a forwarding mailbox


class Journal:
    """The entries in the order in which they came. May be read from any thread."""

    def __init__(self) -> None:
        self._entries: list[Arrival] = []
        self._changed = threading.Condition()

    def add(self, entry: Arrival) -> None:
        """Note an entry."""
        with self._changed:
            self._entries.append(entry)
            self._changed.notify_all()

    @property
    def entries(self) -> tuple[Arrival, ...]:
        """All entries so far."""
        with self._changed:
            return tuple(self._entries)

    def accepted(self, message_id: str | None = None, recipient: str | None = None) -> tuple[Arrival, ...]:
        """What was taken, of one message or recipient where these are given."""
        return tuple(
            entry
            for entry in self.entries
            if entry.outcome == "accepted"
            and message_id in (None, entry.message_id)
            and (recipient is None or recipient.lower() == entry.recipient.lower())
        )

    def handed_over(self, message_id: str | None = None, recipient: str | None = None) -> tuple[Arrival, ...]:
        """What clients from outside got a 2yz for: a message that is here twice was sent twice."""
        return tuple(entry for entry in self.accepted(message_id, recipient) if not entry.onward)

    def wait_for(self, test: Callable[[tuple[Arrival, ...]], bool], timeout: float = 5.0) -> bool:
        """Until `test` holds of all entries, `timeout` seconds at the most. Says whether it does."""
        with self._changed:
            return self._changed.wait_for(lambda: test(tuple(self._entries)), timeout)
