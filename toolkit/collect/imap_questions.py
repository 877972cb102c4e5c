"""What a reader asks of a mailbox that is open, as IMAP commands, and what the answers say of tabs.

All of it reads with PEEK and in bounded pieces: a message may have any size, and headers too.
"""

from collections.abc import Iterable, Sequence

from toolkit.collect.compose import TOKEN_HEADER
from toolkit.wire.imap import quoted
from toolkit.wire.imap_answers import Answer, read_esearch

FEW = 300
"""As many new messages are fetched by number; more are searched for."""

KEY_BYTES = 2048
HEADER_BYTES = 65536
REPORT_BYTES = 262144
"""What is read of the header that tells a seed, of a whole header, of a message that may be a bounce."""

CATEGORIES = ("social", "promotions", "updates", "forums", "primary", "reservations", "purchases")
"""Gmail's, those that hide a message first; the last two overlap with the others."""

_PER_SEARCH = 20  # seeds
_KEY_FIELDS = f"MESSAGE-ID {TOKEN_HEADER.upper()} FROM SUBJECT CONTENT-TYPE".encode()


def fetch_keys(start: int, end: int) -> bytes:
    """The fields by which seeds and bounces are known, of the messages from UID `start` to before `end`."""
    return b"UID FETCH %d:%d (UID BODY.PEEK[HEADER.FIELDS (%s)]<0.%d>)" % (start, end - 1, _KEY_FIELDS, KEY_BYTES)


def fetch_headers(uids: Sequence[int], *, gmail: bool) -> bytes:
    """All that a sighting keeps of these messages."""
    labels = b" X-GM-LABELS" if gmail else b""
    return b"UID FETCH %s (UID FLAGS INTERNALDATE%s BODY.PEEK[HEADER]<0.%d>)" % (_set(uids), labels, HEADER_BYTES)


def fetch_flags(uids: Sequence[int], *, gmail: bool) -> bytes:
    """What may have changed of these messages since they were first seen; those that have gone are not answered."""
    return b"UID FETCH %s (UID FLAGS%s)" % (_set(uids), b" X-GM-LABELS" if gmail else b"")


def fetch_reports(uids: Sequence[int]) -> bytes:
    """The beginnings of messages that may be bounces."""
    return b"UID FETCH %s (UID BODY.PEEK[]<0.%d>)" % (_set(uids), REPORT_BYTES)


def searches(seeds: Sequence[tuple[str, str]], start: int | None) -> list[bytes]:
    """SEARCH commands for seeds by (Message-ID, token), among the UIDs from `start` on.

    Both keys, since a relay may have given the message another Message-ID.
    """
    limit = b"UID %d:* " % start if start else b""
    commands = []
    for at in range(0, len(seeds), _PER_SEARCH):
        keys = []
        for message_id, token in seeds[at : at + _PER_SEARCH]:
            keys.append(b"HEADER MESSAGE-ID " + quoted(message_id.encode()))
            keys.append(b"HEADER " + TOKEN_HEADER.upper().encode() + b" " + quoted(token.encode()))
        commands.append(b"UID SEARCH " + limit + _any_of(keys))
    return commands


def tab_searches(uids: Sequence[int], *, esearch: bool) -> list[bytes]:
    """One SEARCH for each category: no label tells them (Gmail IMAP extensions, X-GM-RAW).

    With `esearch` (RFC 4731) each answer names its question, so that they may be asked together. Without it, answers
    of several searches that a server works on at once could not be told apart.
    """
    returns = b"RETURN (ALL) " if esearch else b""
    return [b'UID SEARCH %sUID %s X-GM-RAW "category:%s"' % (returns, _set(uids), name.encode()) for name in CATEGORIES]


def read_tabs(uids: Sequence[int], replies: Sequence[Answer], batch: Iterable[Answer]) -> dict[int, str]:
    """The category of each UID, from the answers to `tab_searches` asked together, and all answers of that batch.

    One that no search found is absent.
    """
    found = read_esearch(batch)
    tabs: dict[int, str] = {}
    for name, answer in zip(CATEGORIES, replies, strict=True):
        hits = found.get(answer.tag) if answer.ok else None
        for uid in uids:
            if hits is not None and uid in hits:
                tabs.setdefault(uid, name)
    return tabs


def _any_of(keys: Sequence[bytes]) -> bytes:
    """Search keys joined by OR, which takes two (RFC 9051, section 6.4.4): a balanced tree, lest it nests too deep."""
    if len(keys) == 1:
        return keys[0]
    middle = len(keys) // 2
    return b"OR (" + _any_of(keys[:middle]) + b") (" + _any_of(keys[middle:]) + b")"


def _set(uids: Sequence[int]) -> bytes:
    return b",".join(b"%d" % uid for uid in sorted(set(uids)))
