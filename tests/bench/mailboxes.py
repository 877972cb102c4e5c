"""The mailboxes and seeds of the bench: a real Dovecot, seeds as the probe composes them, a store that knows them."""

from __future__ import annotations

import secrets
import smtplib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.collect.harness import SENDER, inbox_of, lmtp_route
from tests.servers.account import HOST, Account
from tests.servers.dovecot import Dovecot
from toolkit.collect.compose import SeedIdentity, compose
from toolkit.collect.tracker import LiveSeed, Step, Tracker
from toolkit.config.settings import Settings
from toolkit.model.placement import Handoff, HandoffStatus, SeedReport
from toolkit.store.seeds import SeedStore, StoredSeed

NESTED = "Kunden/Termine"
FOLDERS = ("Entwürfe", "Gesendet", "Papierkorb", "Archiv", "Spam", "Kunden", NESTED)
"""What a mailbox has besides INBOX."""

PLACES: dict[str, str] = {"inbox": "INBOX", "nested": NESTED, "spam": "Spam"}
"""Where seeds are put, by the word for it in their subject."""

FIVE = ("inbox", "inbox", "inbox", "nested", "spam")
"""Where the five seeds of a mailbox end up."""

_RULES = 'require "fileinto"; ' + " ".join(
    f'if header :contains "subject" "({word})" {{ fileinto "{folder}"; }}'
    for word, folder in PLACES.items()
    if word != "inbox"
)
_ALL_BUT = "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE NAMESPACE UIDPLUS LIST-EXTENDED"

Notify = Callable[[Step, StoredSeed, SeedReport | None], None]


def add_mailbox(
    dovecot: Dovecot, *, folders: int | None = None, list_status: bool = True, idle: bool = True
) -> Account:
    """A mailbox whose rules file mail by its subject. `folders`: so many in all; left out, those of FOLDERS."""
    capability = _ALL_BUT + " LIST-STATUS" * list_status + " IDLE" * idle
    settings = {} if list_status and idle else {"imap_capability": capability}
    if folders is None:
        return dovecot.add_user(folders=FOLDERS, sieve=_RULES, settings=settings)
    return dovecot.add_user(folders=[f"Ordner {number}" for number in range(1, folders)], settings=settings)


def table_for(
    folder: Path, accounts: Sequence[Account], port: int, places: Iterable[str], **probe: object
) -> dict[str, Any]:
    """The configuration's table, with a stream for each of `places`; the mailboxes are reached through `port`."""
    return {
        "store": {"url": f"sqlite:///{folder}/{secrets.token_hex(4)}.db"},
        "stream": [_stream(number, place) for number, place in enumerate(places)],
        "route": [lmtp_route(accounts[0].server.lmtp_port)],
        "inbox": [inbox_of(one, f"box{number}", port=port, timeout="30s") for number, one in enumerate(accounts)],
        "probe": {"timeout": "5m", **probe},
    }


def settings_for(
    folder: Path, accounts: Sequence[Account], port: int, places: Iterable[str], **probe: object
) -> Settings:
    """As `table_for`, read."""
    return Settings.model_validate(table_for(folder, accounts, port, places, **probe))


def _stream(number: int, place: str) -> Mapping[str, str]:
    name = f"s{number}"
    return {"name": name, "kind": "transactional", "from": SENDER, "subject": f"Termin ({place})", "text": "Guten Tag"}


def plan(store: SeedStore, settings: Settings, *, state: str = "watching") -> tuple[str, list[StoredSeed]]:
    """A run, and a seed of its own for each stream and inbox; left to itself as if all had just been handed over."""
    run_id, moment = store.begin_run(), now()
    rows = []
    for inbox in settings.inbox:
        for stream in settings.stream:
            token = secrets.token_hex(8)
            rows.append(
                StoredSeed(
                    seed_id=f"{inbox.name}-{stream.name}-{token}",
                    stream=stream.name,
                    route=settings.route[0].name,
                    inbox=inbox.name,
                    provider=inbox.provider,
                    address=inbox.address,
                    message_id=f"probe.{token}@belmont.example",
                    token=token,
                    subject=stream.subject,
                    envelope_sender=stream.envelope_sender,
                    deliver_within=None,
                    created_at=moment,
                    deadline=moment + settings.probe.timeout,
                    owner=run_id,
                    origin=run_id,
                    state=state,
                )
            )
    return run_id, store.plan(rows, since=moment)


def track(
    store: SeedStore, settings: Settings, run_id: str, rows: Iterable[StoredSeed], notify: Notify = lambda *_: None
) -> tuple[Tracker, dict[str, LiveSeed]]:
    """The seeds as a probe holds them while it waits for them: accepted a moment ago. By seed id."""
    tracker = Tracker(store, run_id, clock=now, timeout=settings.probe.timeout, notify=notify)
    taken = Handoff(HandoffStatus.ACCEPTED, 250, "2.0.0", "250 2.0.0 OK", HOST, None, now())
    return tracker, {row.seed_id: tracker.add(row, resumed=False, handoff=taken) for row in rows}


def now() -> datetime:
    """The clock of the bench."""
    return datetime.now(UTC)


def message(settings: Settings, row: StoredSeed) -> bytes:
    """The seed's message, as a probe would send it."""
    stream = next(stream for stream in settings.stream if stream.name == row.stream)
    return compose(stream, SeedIdentity(row.address, row.message_id, row.token, row.created_at))


def deliver(dovecot: Dovecot, settings: Settings, rows: Sequence[StoredSeed], *, connections: int = 4) -> None:
    """Hand all of them over by LMTP. Raises smtplib.SMTPException where one is not taken."""

    def hand_over(share: Sequence[StoredSeed]) -> None:
        with smtplib.LMTP(HOST, dovecot.lmtp_port, timeout=30) as client:
            for row in share:
                client.sendmail(row.envelope_sender, [row.address], message(settings, row))

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(hand_over, [rows[start::connections] for start in range(min(connections, len(rows)))]))
