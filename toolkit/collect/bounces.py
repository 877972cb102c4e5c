"""DSNs that come back for seeds: which messages may be one, and which seeds one speaks of."""

from collections.abc import Collection, Iterator
from datetime import datetime

from toolkit.model.sighting import Bounce
from toolkit.parse.dsn import mentions, read_dsn
from toolkit.parse.headers import first, parse_headers

_SENDERS = ("mailer-daemon", "postmaster", "mail delivery", "double-bounce")


def may_be_bounce(header: bytes) -> bool:
    """Whether a message with this header is worth reading whole: a report, or mail from a mail system."""
    fields = parse_headers(header)
    kind = (first(fields, "Content-Type") or "").casefold()
    sender = (first(fields, "From") or "").casefold()
    return kind.startswith("multipart/report") or not sender or any(name in sender for name in _SENDERS)


def bounces_in(
    message: bytes, message_ids: Collection[str], *, at: datetime, mailbox: str
) -> Iterator[tuple[str, Bounce]]:
    """The seeds, by Message-ID, whose delivery `message` reports to have failed. A delay is no failure."""
    report = read_dsn(message)
    if report is None or not report.failures:
        return
    failed = report.failures[0]  # a seed has one recipient
    bounce = Bounce(at, mailbox, failed.status, failed.diagnostic or "", failed.remote_mta)
    for message_id in sorted(mentions(message, message_ids)):
        yield message_id, bounce
