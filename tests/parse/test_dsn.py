"""Which messages are bounces, of what, and why."""

import base64
import tracemalloc
from datetime import UTC, datetime
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.parse.dsn import Dsn, DsnKind, DsnRecipient, mentions, read_dsn

ID = "seed.1@shop.example"


def message(header: str, *parts: str, boundary: str = "=_b1") -> bytes:
    """A multipart message: its header fields, and its parts with theirs."""
    body = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f"{header}\n\nThis is MIME.\n{body}--{boundary}--\n".replace("\n", "\r\n").encode()


DAEMON = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.shop.example (Mail Delivery System)\nTo: a@shop.example\n"
REPORT = DAEMON + (
    "Subject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
    'Content-Type: multipart/report; report-type=delivery-status;\n\tboundary="=_b1"'
)
HUMAN = "Content-Type: text/plain; charset=us-ascii\n\nI'm sorry to have to inform you.\n"
STATUS = (
    "Content-Type: message/delivery-status\n\n"
    "Reporting-MTA: dns; mx.shop.example\nOriginal-Envelope-Id: env-7\n"
    "Arrival-Date: Mon, 16 Nov 2026 09:14:03 +0000 (UTC)\n\n"
    "Final-Recipient: rfc822; jutta@inbox.example\nOriginal-Recipient: rfc822;anna@shop.example\n"
    "Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.inbox.example\n"
    "Diagnostic-Code: smtp; 550 5.1.1 <jutta@inbox.example>: Recipient address rejected:\n    User unknown\n"
)
ORIGINAL = f"Content-Type: message/rfc822\n\nFrom: a@shop.example\nSubject: Termin\nMessage-ID: <{ID}>\n\nbody\n"
FAILED = DsnRecipient(
    final="jutta@inbox.example",
    original="anna@shop.example",
    action="failed",
    status="5.1.1",
    remote_mta="mx.inbox.example",
    diagnostic_type="smtp",
    diagnostic="550 5.1.1 <jutta@inbox.example>: Recipient address rejected: User unknown",
)


def read(raw: bytes) -> Dsn:
    """What must be read as a bounce."""
    found = read_dsn(raw)
    assert found is not None
    return found


def test_a_report_says_who_why_and_which_message() -> None:
    """RFC 3464 as Postfix writes it."""
    found = read(message(REPORT, HUMAN, STATUS, ORIGINAL))
    assert found == Dsn(
        kind=DsnKind.REPORT,
        recipients=(FAILED,),
        message_id=ID,
        reporting_mta="mx.shop.example",
        arrived_at=datetime(2026, 11, 16, 9, 14, 3, tzinfo=UTC),
        envelope_id="env-7",
    )
    assert found.failures == (FAILED,)
    assert FAILED.address == "anna@shop.example"


@pytest.mark.parametrize(
    "original",
    [
        ORIGINAL,
        f"Content-Type: text/rfc822-headers\n\nSubject: Termin\nMessage-Id: <{ID}>\n",
        f"Content-Type: message/global-headers\n\nMessage-ID:\n <{ID}>\n",
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(f"Message-ID: <{ID}>\n\nbody".encode()).decode(),
        f"Content-Type: text/plain\n\n----- headers -----\n> Message-ID: <{ID}>\n",
    ],
)
def test_the_original_is_known_however_it_is_returned(original: str) -> None:
    """Whole, its header alone, encoded, or quoted in text."""
    assert read(message(REPORT, original, STATUS)).message_id == ID


def test_the_original_may_be_known_only_by_what_the_report_answers() -> None:
    """Some servers return nothing but set References."""
    header = REPORT.replace("Subject:", f"References: <{ID}>\nSubject:")
    assert read(message(header, HUMAN, STATUS)).message_id == ID
    assert read(message(REPORT, HUMAN, STATUS)).message_id is None


@pytest.mark.parametrize(
    ("action", "status", "read_as"),
    [
        ("Action: failed", "5.1.1", "failed"),
        ("Action: delayed (will retry)", "4.4.1", "delayed"),
        ("Action: FAILED", "4.4.7", "failed"),
        ("Action: delivered", "2.1.5", "delivered"),
        ("Action: relayed (to non-DSN mailer)", "2.1.9", "relayed"),
        ("Action: expanded", "2.1.5", "expanded"),
        ("X-None: 1", "5.0.0", "failed"),
        ("X-None: 1", "4.2.2", "delayed"),
        ("Action: nonsense", "2.0.0", "delivered"),
    ],
)
def test_only_failed_is_a_failure(action: str, status: str, read_as: str) -> None:
    """A delay warning, a relay or a success is none."""
    text = STATUS.replace("Action: failed", action).replace("Status: 5.1.1", f"Status: {status} (text)")
    found = read(message(REPORT, HUMAN, text, ORIGINAL))
    assert [(recipient.action, recipient.status) for recipient in found.recipients] == [(read_as, status)]
    assert bool(found.failures) is (read_as == "failed")


def test_several_recipients_are_kept_apart_even_without_empty_lines() -> None:
    """Some servers forget the line between groups, or write too many."""
    tight = (
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx\nFinal-Recipient: rfc822; a@x.example\n"
        "Action: failed\nStatus: 5.1.1\nFinal-Recipient: rfc822; b@x.example\nAction: delayed\nStatus: 4.2.2\n\n \n\n"
        "Final-Recipient: c@x.example\nAction: delivered\nStatus: 2.0.0\n"
    )
    found = read(message(REPORT, HUMAN, tight))
    assert [(recipient.final, recipient.action) for recipient in found.recipients] == [
        ("a@x.example", "failed"),
        ("b@x.example", "delayed"),
        ("c@x.example", "delivered"),
    ]
    assert found.reporting_mta == "mx"


def test_internationalised_addresses_are_read() -> None:
    """RFC 6533: utf-8 addresses, escaped or not, in a message/global-delivery-status."""
    text = STATUS.replace("message/delivery-status", "message/global-delivery-status")
    text = text.replace("rfc822; jutta@", r"utf-8; j\x{FC}tta@").replace("rfc822;anna@", "utf-8;änna@")
    (recipient,) = read(message(REPORT, HUMAN, text)).recipients
    assert (recipient.final, recipient.original) == ("jütta@inbox.example", "änna@shop.example")


def test_a_report_wrapped_by_a_gateway_is_read_and_one_attached_by_a_person_is_not() -> None:
    """A forwarded bounce says nothing about the mail that carries it."""
    inner = message(REPORT.partition("MIME-Version: 1.0\n")[2], HUMAN, STATUS, ORIGINAL).decode().replace("\r\n", "\n")
    mixed = 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="outer"'
    gateway = message(DAEMON + mixed, inner, "Content-Type: text/plain\n\nfooter", boundary="outer")
    assert read(gateway).recipients == (FAILED,)
    person = "Return-Path: <b@shop.example>\nFrom: B <b@shop.example>\nSubject: Fwd: Undelivered Mail\n" + mixed
    assert read_dsn(message(person, HUMAN, inner, boundary="outer")) is None
    attached = "Content-Type: message/rfc822\n\n" + message(REPORT, HUMAN, STATUS).decode().replace("\r\n", "\n")
    assert read_dsn(message(person, HUMAN, attached, boundary="outer")) is None
    assert read_dsn(message(DAEMON + "Subject: x\n" + mixed, attached, boundary="outer")) is None


def pigeonhole(disposition: str, text: str, subject: str = "Rejected: Termin", automatic: str = "no") -> bytes:
    """A disposition notification, as Pigeonhole's reject writes it."""
    header = (
        "Return-Path: <>\nFrom: Postmaster <postmaster@inbox.example>\n"
        f"To: <a@shop.example>\nSubject: {subject}\nAuto-Submitted: {automatic}\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=disposition-notification;\r\n\tboundary="=_b1"'
    )
    machine = (
        "Content-Type: message/disposition-notification\n\n"
        "Reporting-UA: imap.inbox.example; Dovecot Mail Delivery Agent\n"
        "Original-Recipient: rfc822; anna@inbox.example\nFinal-Recipient: rfc822; anna@inbox.example\n"
        f"Original-Message-ID: <{ID}>\nDisposition: automatic-action/MDN-sent-automatically; {disposition}\n"
    )
    return message(header, f"Content-Type: text/plain; charset=utf-8\n\n{text}\n", machine, ORIGINAL)


def test_a_sieve_rejection_is_a_bounce_with_its_reason() -> None:
    """The owner's rule refused the message after the server had taken it."""
    found = read(
        pigeonhole("deleted", "Your message to <anna@inbox.example> was automatically rejected:\nKeine Werbung bitte.")
    )
    assert (found.kind, found.message_id, found.reporting_mta) == (DsnKind.REJECTION, ID, "imap.inbox.example")
    (recipient,) = found.failures
    assert recipient.final == recipient.original == "anna@inbox.example"
    assert (recipient.action, recipient.status) == ("failed", None)
    assert recipient.diagnostic == (
        "Your message to <anna@inbox.example> was automatically rejected: Keine Werbung bitte."
    )


def test_a_rejection_in_the_owners_own_words_is_one_too() -> None:
    """Subject and text are the owner's to set; Auto-Submitted says what it is."""
    raw = pigeonhole("deleted", "Nein danke.", "Termin", "auto-replied (rejected)")
    assert read(raw).kind is DsnKind.REJECTION
    assert read_dsn(pigeonhole("deleted", "Nein danke.", "Termin", "auto-replied")) is None


@pytest.mark.parametrize(
    ("disposition", "text", "subject"),
    [
        ("displayed", "Your message was displayed. This is no guarantee that it was read.", "Read: Termin"),
        ("deleted", "Your message was deleted without being read.", "Not read: Termin"),
        ("displayed", "Ihre Nachricht wurde gelesen, nicht abgelehnt.", "Gelesen: Termin"),
        ("dispatched", "rejected", "x"),
    ],
)
def test_a_read_receipt_is_no_bounce(disposition: str, text: str, subject: str) -> None:
    """Also the one that says: deleted without being read."""
    assert read_dsn(pigeonhole(disposition, text, subject)) is None


def test_a_complaint_is_no_bounce() -> None:
    """ARF has readers of its own."""
    header = REPORT.replace("delivery-status", "feedback-report")
    assert read_dsn(message(header, HUMAN, "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n")) is None


QMAIL = (
    "Return-Path: <>\nFrom: MAILER-DAEMON@mx.inbox.example\nTo: a@shop.example\nSubject: failure notice\n\n"
    "Hi. This is the qmail-send program at mx.inbox.example.\nI'm afraid I wasn't able to deliver your message to the"
    " following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"
    "<jutta@inbox.example>:\n192.0.2.25 does not like recipient.\nRemote host said: 550 5.1.1 no such user\n"
    "Giving up on 192.0.2.25.\n\n--- Below this line is a copy of the message.\n\n"
    f"Return-Path: <a@shop.example>\nReceived: from x by y; 16 Nov 2026 09:14:03 -0000\nMessage-ID: <{ID}>\n"
    "To: other@inbox.example\n\nbody\n"
)
EXIM = (
    "Return-path: <>\nX-Failed-Recipients: jutta@inbox.example, hans@inbox.example\nAuto-Submitted: auto-replied\n"
    "From: Mail Delivery System <Mailer-Daemon@mx.shop.example>\nTo: a@shop.example\n"
    "Subject: Mail delivery failed: returning message to sender\n\n"
    "A message that you sent could not be delivered to one or more of its recipients.\n\n  jutta@inbox.example\n"
    "    host mx.inbox.example [192.0.2.25]\n    SMTP error from remote mail server after RCPT TO:\n"
    "    550 Unrouteable\n"
)
EXIM_WARNING = (
    "Return-path: <>\nAuto-Submitted: auto-replied\nFrom: Mail Delivery System <Mailer-Daemon@mx.shop.example>\n"
    "To: a@shop.example\nSubject: Warning: message 1tCabc-0001Zz-0A delayed 24 hours\n\n"
    "This message was created automatically by mail delivery software.\nA message that you sent has not yet been"
    f" delivered to one or more of its recipients\nMessage-ID: <{ID}>\n  jutta@inbox.example\n"
    "No action is required on your part. Delivery attempts will continue for some time.\n"
)
GATEWAY = (
    "Return-Path: <>\nFrom: Mail Filter <noreply@inbox.example>\nTo: a@shop.example\nSubject: Nachricht abgewiesen\n"
    "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    + base64.encodebytes(
        f"<p>Nachricht an &lt;jutta@inbox.example&gt; wurde zurückgewiesen.</p>\nMessage-ID: &lt;{ID}&gt;\n".encode()
    ).decode()
)


def test_bounces_in_plain_text_are_read() -> None:
    """What qmail and Exim say to people."""
    qmail = read(QMAIL.encode())
    assert (qmail.kind, qmail.message_id) == (DsnKind.TEXT, ID)
    assert qmail.failures == (
        DsnRecipient("jutta@inbox.example", None, "failed", "5.1.1", None, "smtp", "550 5.1.1 no such user"),
    )
    exim = read(EXIM.encode())
    assert [recipient.final for recipient in exim.failures] == ["jutta@inbox.example", "hans@inbox.example"]
    assert exim.failures[0].diagnostic == "550 Unrouteable"


def test_a_delay_warning_in_plain_text_is_no_failure() -> None:
    """It is still on its way."""
    found = read(EXIM_WARNING.encode())
    assert ([recipient.action for recipient in found.recipients], found.message_id) == (["delayed"], ID)
    assert found.failures == ()


def test_a_filter_that_speaks_in_its_own_name_is_read() -> None:
    """HTML alone, encoded, quoting the Message-ID."""
    found = read(GATEWAY.encode())
    assert (found.message_id, [recipient.final for recipient in found.failures]) == (ID, ["jutta@inbox.example"])


@pytest.mark.parametrize(
    ("sender", "subject", "text"),
    [
        ("Return-Path: <>\nAuto-Submitted: auto-replied\nFrom: Anna <anna@inbox.example>", "Auto: Termin", "Bin weg."),
        ("Return-Path: <>\nFrom: Anna <anna@inbox.example>", "Automatische Antwort: Termin", "Tel. 0800 555 1234"),
        ("Return-Path: <>\nFrom: Anna <anna@inbox.example>", "Termin", "Tel. 0800 555 1234, 550 Euro"),
        ("Return-Path: <>\nFrom: Anna <anna@inbox.example>", "Out of office", "550 5.1.1 away"),
        ("Auto-Submitted: auto-replied\nFrom: Shop <info@x.example>", "Re: Termin", "Ticket. Message-ID: <x@y>"),
        ("From: Anna <anna@inbox.example>", "Undelivered Mail Returned to Sender", "550 5.1.1 was ist das?"),
        ("Return-Path: <postmaster@x.example>\nFrom: postmaster@x.example", "Re: 550", "550 5.7.1 heißt: gesperrt"),
        ("Return-Path: <>\nFrom: Anna <a@x.example>", "Re: undeliverable", "Die Mail kam zurück"),
    ],
)
def test_an_auto_reply_and_a_persons_mail_are_no_bounces(sender: str, subject: str, text: str) -> None:
    """They come from servers, or sound like one, but nothing was refused."""
    assert (
        read_dsn(f"{sender}\nTo: a@shop.example\nIn-Reply-To: <{ID}>\nSubject: {subject}\n\n{text}\n".encode()) is None
    )


def test_a_report_with_nothing_in_its_machine_part_is_read_as_text() -> None:
    """What it tells people still counts."""
    human = "Content-Type: text/plain\n\n<jutta@inbox.example>: 550 5.1.1 unknown\n"
    found = read(message(REPORT, human, "Content-Type: message/delivery-status\n\n", ORIGINAL))
    assert [(r.final, r.status) for r in found.failures] == [("jutta@inbox.example", "5.1.1")]
    assert read(message(REPORT, human, ORIGINAL)).failures[0].final == "jutta@inbox.example"


def test_a_report_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    """The last delimiter is missing."""
    raw = message(REPORT, HUMAN, STATUS, ORIGINAL)
    assert read(raw[: raw.index(b"\r\nbody")]) == read(raw)


def test_message_ids_are_found_wherever_they_stand() -> None:
    """In headers, text, quotes, and encoded parts; a piece of another is no mention."""
    encoded = (
        "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes(b"<c@x.example>").decode()
    )
    quoted = "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\nid d@x.exam=\nple.\n"
    raw = message(
        REPORT, HUMAN + "> Message-ID: <a@x.example>,\nid=b@x.example.", encoded, quoted, "\n(<e@[192.0.2.1]>)"
    )
    wanted = [
        "a@x.example",
        "b@x.example",
        "<c@x.example>",
        "d@x.example",
        "e@[192.0.2.1]",
        "x.example",
        "z@x.example",
        "",
    ]
    assert mentions(raw, wanted) == {"a@x.example", "b@x.example", "<c@x.example>", "d@x.example", "e@[192.0.2.1]"}


def test_a_huge_message_costs_no_more_than_its_beginning() -> None:
    """50 MB with a report on top: read, in bounded time and memory."""
    raw = message(REPORT, HUMAN, STATUS, ORIGINAL) + b"x" * 50_000_000
    tracemalloc.start()
    start = process_time()
    found = read(raw)
    named = mentions(raw, [ID])
    elapsed, (_, peak) = process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.recipients, named) == ((FAILED,), {ID})
    assert elapsed < 2
    assert peak < 20_000_000


HOSTILE = {
    "nested multiparts": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(8_000)
    ),
    "nested messages": b"Return-Path: <>\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * 15_000,
    "parts": b"Content-Type: multipart/report; boundary=b\r\n\r\n" + b"--b\r\n" * 100_000,
    "parameters": b"Content-Type: multipart/report" + b'; a="' * 100_000,
    "recipients": message(REPORT, "Content-Type: message/delivery-status\n\n" + "Final-Recipient: a\n\n" * 25_000),
    "blank lines": message(REPORT, "Content-Type: message/delivery-status\n\n" + "\n \t" * 150_000),
    "replies": DAEMON.encode() + b"Subject: x\r\n\r\n" + b"550 5.1.1 \n " * 50_000,
    "addresses": DAEMON.encode() + b"Subject: failure notice\r\n\r\n" + b"a.b-" * 120_000,
    "tags": DAEMON.encode() + b"Content-Type: text/html\r\nSubject: x\r\n\r\n" + b"<" * 500_000,
    "unknown charset": DAEMON.encode()
    + b"Content-Type: text/plain; charset=no-such\r\nSubject: failure\r\n\r\n\xff\xfe",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_messages_take_bounded_time(kind: str) -> None:
    """Deep, wide and broken MIME, each in well under two seconds."""
    start = process_time()
    read_dsn(HOSTILE[kind])
    mentions(HOSTILE[kind], [ID])
    assert process_time() - start < 2


PIECES = [
    REPORT,
    HUMAN,
    STATUS,
    ORIGINAL,
    QMAIL,
    EXIM,
    GATEWAY,
    "--=_b1\n",
    "--=_b1--\n",
    "\n\n",
    "Action: ",
    "\\x{FFFFFFF}",
]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=20), max_size=8).map("".join), st.binary(max_size=40))
def test_no_message_crashes_it(text: str, noise: bytes) -> None:
    """Whatever arrives in the mailbox for bounces, an answer can be stored."""
    raw = text.encode("utf-8", "replace") + noise + text.encode("latin-1", "replace")
    for found in (read_dsn(raw), read_dsn(noise)):
        if found is not None:
            assert repr(found).encode()
            assert all(
                recipient.action in {"failed", "delayed", "delivered", "relayed", "expanded"}
                for recipient in found.recipients
            )
    assert mentions(raw, [ID, "x"]) <= {ID, "x"}
