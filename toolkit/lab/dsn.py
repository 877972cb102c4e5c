"""Delivery status notifications, as the lab's relay sends them (RFC 3461, RFC 3464, RFC 6522)."""

import re
import textwrap
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Literal

from toolkit.lab.messages import split_message

_ENHANCED = re.compile(r"^[245]\d\d[ -]([245]\.\d{1,3}\.\d{1,3})\b")


@dataclass(frozen=True, slots=True)
class Report:
    """What is reported about one recipient. `reply` is the remote server's, its lines joined by newlines."""

    action: Literal["failed", "delayed"]
    reporting_mta: str
    remote_mta: str
    sender: str  # who gets the report
    recipient: str
    reply: str
    queue_id: str
    arrived_at: datetime
    at: datetime

    @property
    def status(self) -> str:
        """The enhanced status code of the reply; where it has none, the class of its code (RFC 3464, section 2.3.4)."""
        found = _ENHANCED.match(self.reply)
        if found:
            return found[1]
        return {"5": "5.0.0", "4": "4.0.0"}.get(self.reply[:1], "5.0.0")


def report_message(report: Report, original: bytes) -> bytes:
    """The whole DSN: text, delivery status, and the original message."""
    boundary = f"{report.queue_id}.report/{report.reporting_mta}"
    one_line = " ".join(line.strip() for line in report.reply.split("\n"))
    failed = report.action == "failed"
    subject = "Undelivered Mail Returned to Sender" if failed else "Delayed Mail (still being retried)"
    what = "could not be delivered to one or more recipients" if failed else "could not be delivered yet; it is retried"
    text = (
        f"This is the mail system at host {report.reporting_mta}.\n\n"
        f"Your message {what}.\n\n"
        f"<{report.recipient}>: host {report.remote_mta} said:\n"
        + "\n".join(
            textwrap.wrap(
                one_line,
                72,
                break_long_words=False,
                break_on_hyphens=False,
                initial_indent="    ",
                subsequent_indent="    ",
            )
        )
        + "\n"
    )
    diagnostic = "\n".join(
        textwrap.wrap(
            f"Diagnostic-Code: smtp; {one_line}",
            76,
            break_long_words=False,
            break_on_hyphens=False,
            subsequent_indent="    ",
        )
    )
    status = (
        f"Reporting-MTA: dns; {report.reporting_mta}\n"
        f"X-Postfix-Queue-ID: {report.queue_id}\n"
        f"X-Postfix-Sender: rfc822; {report.sender}\n"
        f"Arrival-Date: {format_datetime(report.arrived_at)}\n\n"
        f"Final-Recipient: rfc822; {report.recipient}\n"
        f"Original-Recipient: rfc822;{report.recipient}\n"
        f"Action: {report.action}\n"
        f"Status: {report.status}\n"
        f"Remote-MTA: dns; {report.remote_mta}\n"
        f"{diagnostic}\n"
    )
    header = (
        f"Return-Path: <>\n"
        f"Date: {format_datetime(report.at)}\n"
        f"From: MAILER-DAEMON@{report.reporting_mta} (Mail Delivery System)\n"
        f"Subject: {subject}\n"
        f"To: {report.sender}\n"
        f"Auto-Submitted: auto-replied\n"
        f"Message-ID: <{report.queue_id}.{report.action}@{report.reporting_mta}>\n"
        f"MIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type=delivery-status;\n boundary="{boundary}"\n\n'
        f"This is a MIME-encapsulated message.\n\n"
    )
    kind = "message/rfc822" if failed else "text/rfc822-headers"
    returned = original if failed else split_message(original)[0]
    if any(byte > 127 for byte in returned):
        kind += "\nContent-Transfer-Encoding: 8bit"
    head = (
        f"{header}--{boundary}\nContent-Description: Notification\n"
        f"Content-Type: text/plain; charset=us-ascii\n\n{text}\n"
        f"--{boundary}\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n\n{status}\n"
        f"--{boundary}\nContent-Description: Undelivered Message\nContent-Type: {kind}\n\n"
    )
    crlf = head.replace("\n", "\r\n").encode("utf-8", "replace")
    return crlf + returned + f"\r\n--{boundary}--\r\n".encode()
