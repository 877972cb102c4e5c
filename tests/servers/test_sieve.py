"""What Pigeonhole 0.5.19 does with a user's rules, as far as tests of placement build on it."""

from __future__ import annotations

import email
from collections.abc import Iterator
from email.message import Message

import pytest

from tests.fakes.smtp_server import FakeSmtp
from tests.servers.dovecot import Dovecot
from tests.servers.letter import letter


@pytest.fixture
def relay() -> Iterator[FakeSmtp]:
    """The way out of a mailbox."""
    with FakeSmtp() as server:
        yield server


def parts(content: bytes) -> list[Message]:
    """The parts of a multipart message."""
    payload = email.message_from_bytes(content).get_payload()
    assert isinstance(payload, list)
    return [part for part in payload if isinstance(part, Message)]


def test_a_rule_files_and_marks_as_read(dovecot: Dovecot) -> None:
    """With fileinto and imap4flags: filed under a name with an umlaut, read with nobody reading."""
    rule = 'require ["fileinto", "imap4flags"]; addflag "\\\\Seen"; fileinto "Bücher/Läden";'
    reader = dovecot.add_user(folders=["Bücher/Läden"], sieve=rule)
    assert reader.deliver(letter())[0] == 250
    assert reader.flags("Bücher/Läden") == [{"\\Seen"}]
    assert reader.messages() == []


def test_a_rule_names_folders_as_the_server_does(dovecot: Dovecot) -> None:
    """Under the prefix INBOX. a rule has to say it too; a folder that is not there leaves the mail in the inbox."""
    reader = dovecot.add_user(prefix="INBOX.", separator=".", folders=["Ablage"])
    reader.set_sieve('require "fileinto"; fileinto "INBOX.Ablage";')
    reader.deliver(letter())
    reader.set_sieve('require "fileinto"; fileinto "INBOX.Nirgends";')
    reader.deliver(letter())
    assert len(reader.messages("Ablage")) == 1
    assert len(reader.messages()) == 1


def test_a_discarded_message_is_accepted_and_nowhere(dovecot: Dovecot) -> None:
    """250, and then nothing: what a sender can only see as missing."""
    reader = dovecot.add_user(sieve="discard;")
    assert reader.deliver(letter())[0] == 250
    assert reader.messages() == []


def test_a_redirect_leaves_by_the_relay_under_the_same_envelope_sender(dovecot: Dovecot, relay: FakeSmtp) -> None:
    """The message goes on with X-Sieve-Redirected-From, and with :copy it stays as well."""
    target = ("127.0.0.1", relay.port)
    reader = dovecot.add_user(relay=target, sieve='redirect "elsewhere@there.example";')
    keeper = dovecot.add_user(relay=target, sieve='require "copy"; redirect :copy "elsewhere@there.example";')
    assert reader.deliver(letter(), sender="shop@origin.example")[0] == 250
    (gone,) = relay.accepted
    assert (gone.sender, gone.recipients) == ("shop@origin.example", ["elsewhere@there.example"])
    assert f"X-Sieve-Redirected-From: {reader.address}".encode() in gone.content
    assert reader.messages() == []
    assert keeper.deliver(letter())[0] == 250
    assert (len(keeper.messages()), len(relay.accepted)) == (1, 2)


def test_a_redirect_without_a_way_out_defers_the_message(dovecot: Dovecot) -> None:
    """Nothing leaves the machine by another door: the sender is told 451."""
    reader = dovecot.add_user(sieve='redirect "elsewhere@there.example";')
    code, text = reader.deliver(letter())
    assert code == 451
    assert "Execution of Sieve filters was aborted due to temporary failure" in text


def test_a_reject_is_accepted_and_then_answered_by_mail(dovecot: Dovecot, relay: FakeSmtp) -> None:
    """Over LMTP a reject is no 5xx: it is 250, and an MDN ("deleted", RFC 8098) to the envelope sender."""
    reader = dovecot.add_user(
        relay=("127.0.0.1", relay.port), sieve='require "reject"; reject "Bitte keine Werbung mehr.";'
    )
    message = letter(to=reader.address, message_id="<rejected@origin.example>")
    assert reader.deliver(message, sender="bounce@origin.example")[0] == 250
    assert reader.messages() == []
    (sent,) = relay.accepted
    assert (sent.sender, sent.recipients) == ("", ["bounce@origin.example"])
    answer = email.message_from_bytes(sent.content)
    assert answer.get_content_type() == "multipart/report"
    assert answer.get_param("report-type") == "disposition-notification"
    assert answer["Auto-Submitted"] == "auto-replied (rejected)"
    assert answer["Subject"] == "Rejected: Ihre Bestellung"
    told, notification, original = parts(sent.content)
    assert "Bitte keine Werbung mehr." in str(told.get_payload())
    assert notification.get_content_type() == "message/disposition-notification"
    assert "Disposition: automatic-action/MDN-sent-automatically; deleted" in notification.as_string()
    assert "Original-Message-ID: <rejected@origin.example>" in notification.as_string()
    assert original.get_content_type() == "message/rfc822"


def test_a_reject_that_cannot_be_sent_keeps_the_message(dovecot: Dovecot) -> None:
    """Without a relay Pigeonhole falls back to keeping: a test that forgets the relay sees the inbox."""
    reader = dovecot.add_user(sieve='require "reject"; reject "no";')
    assert reader.deliver(letter())[0] == 250
    assert len(reader.messages()) == 1


def test_a_reject_never_answers_a_bounce(dovecot: Dovecot, relay: FakeSmtp) -> None:
    """Mail from the null sender is dropped without a word."""
    reader = dovecot.add_user(relay=("127.0.0.1", relay.port), sieve='require "reject"; reject "no";')
    assert reader.deliver(letter(), sender="")[0] == 250
    assert (reader.messages(), relay.transactions) == ([], [])


def test_a_faulty_rule_is_told_when_it_is_set(dovecot: Dovecot) -> None:
    """The compiler's words reach the test; ereject, which this Pigeonhole does not know, is such a fault."""
    reader = dovecot.add_user()
    with pytest.raises(RuntimeError, match="unknown Sieve capability `ereject'"):
        reader.set_sieve('require "ereject"; ereject "no";')


def test_a_changed_rule_counts_for_the_next_message(dovecot: Dovecot) -> None:
    """Also within the same second, when the compiled form looks fresh."""
    reader = dovecot.add_user(folders=["A", "B"])
    for folder in ("A", "B", "A"):
        reader.set_sieve(f'require "fileinto"; fileinto "{folder}";')
        reader.deliver(letter())
    assert (len(reader.messages("A")), len(reader.messages("B"))) == (2, 1)
