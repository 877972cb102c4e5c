"""DSNs that come back for seeds: which messages may be one, and which seeds one speaks of."""

from collections.abc import Iterator, Mapping
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
    message: bytes, addresses: Mapping[str, str], *, at: datetime, mailbox: str
) -> Iterator[tuple[str, Bounce]]:
    """The seeds, by Message-ID, whose delivery `message` reports to have failed. A delay is no failure.

    `addresses` are those of the seeds, by Message-ID. Where a report tells of several recipients, as of one that the
    mailbox's owner forwards to, the seed's own counts.
    """
    report = read_dsn(message)
    if report is None or not report.failures:
        return
    for message_id in sorted(mentions(message, addresses)):
        address = addresses[message_id].casefold()
        own = (one for one in report.failures if address in (_folded(one.original), _folded(one.final)))
        failed = next(own, report.failures[0])
        recipient = failed.original or failed.final
        yield message_id, Bounce(at, mailbox, failed.status, failed.diagnostic or "", failed.remote_mta, recipient)


def _folded(address: str | None) -> str:
    return (address or "").casefold()
