"""The test Postfix carries mail to the test Dovecot, and tells the sender when it cannot."""

from __future__ import annotations

import email
import smtplib
from email.message import Message

import pytest

from tests.fakes import smtp_faults
from tests.fakes.smtp_server import FakeSmtp
from tests.servers.account import HOST
from tests.servers.ca import Certificates
from tests.servers.dovecot import DOMAIN, Dovecot
from tests.servers.letter import letter
from tests.servers.postfix import NextHop, Postfix
from tests.servers.process import wait_until


def report(content: bytes) -> dict[str, str]:
    """The fields of the one recipient in a DSN (RFC 3464)."""
    for part in email.message_from_bytes(content).walk():
        if part.get_content_type() == "message/delivery-status":
            blocks = part.get_payload()
            assert isinstance(blocks, list)
            last = blocks[-1]
            assert isinstance(last, Message)
            return {name: " ".join(str(value).split()) for name, value in last.items()}
    raise AssertionError("no delivery status in the message")


def send(postfix: Postfix, sender: str, recipient: str, message: bytes) -> None:
    """One message, submitted."""
    with smtplib.SMTP(HOST, postfix.port, timeout=10) as client:
        client.sendmail(sender, [recipient], message)


def test_mail_reaches_the_mailbox_by_starttls_and_lmtp(
    postfix: Postfix, dovecot: Dovecot, certificates: Certificates
) -> None:
    """The Received lines tell the way: TLS in, LMTP out."""
    reader = dovecot.add_user()
    with smtplib.SMTP(HOST, postfix.port, timeout=10) as client:
        client.starttls(context=certificates.client_context())
        client.sendmail("shop@origin.example", [reader.address], letter(to=reader.address))
    (found,) = wait_until(reader.messages, seconds=10, what="the message")
    received = email.message_from_bytes(found).get_all("Received") or []
    assert "with LMTP" in received[0]
    assert "with ESMTPS" in received[1]
    assert postfix.queued() == 0


def test_an_unknown_recipient_brings_the_sender_a_dsn(postfix: Postfix, dovecot: Dovecot) -> None:
    """The bounce is a real one, from the null sender, with Dovecot's words in it."""
    sender = dovecot.add_user()
    send(postfix, sender.address, f"nobody@{DOMAIN}", letter())
    (bounce,) = wait_until(sender.messages, seconds=10, what="the DSN")
    fields = report(bounce)
    assert (fields["Action"], fields["Status"]) == ("failed", "5.1.1")
    assert fields["Diagnostic-Code"] == f"smtp; 550 5.1.1 <nobody@{DOMAIN}> User doesn't exist: nobody@{DOMAIN}"
    assert email.message_from_bytes(bounce)["Return-Path"] == "<>"


def test_a_full_mailbox_brings_the_sender_a_dsn(postfix: Postfix, dovecot: Dovecot) -> None:
    """The quota's refusal comes after the data, when only a DSN can tell."""
    sender, full = dovecot.add_user(), dovecot.add_user(quota="1K")
    send(postfix, sender.address, full.address, letter(text="x\n" * 5_000))
    (bounce,) = wait_until(sender.messages, seconds=10, what="the DSN")
    assert report(bounce)["Status"] == "5.2.2"


def test_a_redirect_and_a_reject_leave_through_postfix(postfix: Postfix, dovecot: Dovecot) -> None:
    """A user's rule sends mail on to a second mailbox, or an answer back to the sender."""
    relay = (HOST, postfix.port)
    sender, second = dovecot.add_user(), dovecot.add_user()
    forwarder = dovecot.add_user(relay=relay, sieve=f'redirect "{second.address}";')
    rejecter = dovecot.add_user(relay=relay, sieve='require "reject"; reject "no";')
    send(postfix, sender.address, forwarder.address, letter())
    send(postfix, sender.address, rejecter.address, letter())
    assert wait_until(second.messages, seconds=10, what="the redirected message")
    (answer,) = wait_until(sender.messages, seconds=10, what="the rejection")
    assert email.message_from_bytes(answer).get_content_type() == "multipart/report"


def test_a_domain_without_a_route_is_refused(postfix: Postfix) -> None:
    """Nothing leaves for a host outside the test."""
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
        send(postfix, "shop@origin.example", "someone@elsewhere.example", letter())
    code, text = refusal.value.recipients["someone@elsewhere.example"]
    assert (code, text.startswith(b"5.4.4")) == (550, True)


def test_smtp_auth_knows_dovecots_users(dovecot: Dovecot, certificates: Certificates, postfix: Postfix) -> None:
    """PLAIN and XOAUTH2 are checked against the mailbox's own password and token; without them there is no relaying."""
    del postfix  # only its being available matters
    reader = dovecot.add_user()
    routes = {DOMAIN: NextHop("lmtp", dovecot.lmtp_port)}
    with Postfix(routes, certificate=certificates.good, auth=dovecot.auth_port) as server:
        with smtplib.SMTP(HOST, server.port, timeout=10) as client:
            client.starttls(context=certificates.client_context())
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail(reader.address, [reader.address], letter())
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login(reader.username, "wrong")
            client.login(reader.username, reader.password)
            client.sendmail(reader.address, [reader.address], letter())
        with smtplib.SMTP(HOST, server.port, timeout=10) as client:
            client.starttls(context=certificates.client_context())
            client.ehlo()
            token = reader.token()
            client.auth("XOAUTH2", lambda _=None: f"user={reader.username}\x01auth=Bearer {token}\x01\x01")
        assert wait_until(reader.messages, seconds=10, what="the message")


def test_a_greylisted_message_arrives_at_the_second_try(postfix: Postfix) -> None:
    """The deferral is in the log with the remote's words; the retry comes within seconds."""
    del postfix
    with smtp_faults.defers("RCPT") as remote, Postfix({"remote.example": NextHop("smtp", remote.port)}) as server:
        send(server, "shop@origin.example", "one@remote.example", letter())
        server.wait_for(r"status=deferred \(host .* said: 451 4\.7\.1 Greylisted")
        server.wait_for(r"status=sent \(250 2\.0\.0 ok: queued as 1\)")
        assert len(remote.accepted) == 1


def test_what_stays_deferred_expires_into_a_dsn(postfix: Postfix) -> None:
    """After the queue's lifetime the sender hears the last temporary reply, as a failure."""
    del postfix
    full = smtp_faults.refuses("RCPT", "452 4.2.2 Mailbox full")
    with full as remote, FakeSmtp() as home:
        routes = {"remote.example": NextHop("smtp", remote.port), "origin.example": NextHop("smtp", home.port)}
        with Postfix(routes, lifetime="2s") as server:
            send(server, "shop@origin.example", "one@remote.example", letter())
            (bounce,) = wait_until(lambda: home.accepted, seconds=15, what="the DSN")
    fields = report(bounce.content)
    assert (fields["Action"], fields["Status"]) == ("failed", "4.2.2")
    assert (bounce.sender, bounce.recipients) == ("", ["shop@origin.example"])
