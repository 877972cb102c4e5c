"""Small messages for the servers' tests."""

from __future__ import annotations

import itertools
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime

_NUMBERS = itertools.count(1)


def letter(
    *,
    to: str = "reader@inbox.example",
    sender: str = "shop@origin.example",
    subject: str = "Ihre Bestellung",
    text: str = "Guten Tag!",
    message_id: str | None = None,
) -> bytes:
    """A plain message with CRLF line ends and, unless given one, a Message-ID of its own."""
    message = EmailMessage(policy=SMTP)
    message["From"] = f"Shop <{sender}>"
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = message_id or f"<{next(_NUMBERS)}.letter@origin.example>"
    message.set_content(text)
    return message.as_bytes()
