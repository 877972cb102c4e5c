"""The relay: everything is taken, and what cannot be delivered comes back as a real DSN."""

import email
import email.message
import smtplib
import time
from collections.abc import Iterator

import pytest

from tests.lab.clients import BOUNCES, build, imap, send, sign, trust, unique_id
from toolkit.lab.host import MailboxSpec
from toolkit.lab.placing import Rule
from toolkit.lab.relay import RelayTimes
from toolkit.lab.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A world whose relay is in a hurry."""
    times = RelayTimes(hold=0.0, retry=0.05, lifetime=0.0, warn_after=0.0)
    with World.start("full", mailboxes=["gmx-1", "full-1", "unknown-1", "bounces"], relay=times) as world:
        yield world


def _submit(world: World, to: str, message_id: str, sender: str = BOUNCES) -> None:
    spec = world.doors["relay"].spec
    with smtplib.SMTP("127.0.0.1", world.door_port("relay"), timeout=5) as client:
        client.starttls(context=trust(world))
        client.login(spec.username, spec.password)
        assert client.sendmail(sender, [to], sign(build(to, message_id=message_id))) == {}


def _wait_for_report(world: World, message_id: str, action: str = "failed") -> email.message.Message:
    """The DSN about a message, read over IMAP as mailwhy reads it."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with imap(world, "bounces") as client:
            client.select_folder("INBOX", readonly=True)
            for uid in client.search(["TEXT", message_id]):
                raw = client.fetch([uid], ["BODY.PEEK[]"])[uid][b"BODY[]"]
                if f"Action: {action}".encode() in raw:
                    return email.message_from_bytes(raw)
        time.sleep(0.02)
    raise AssertionError("no DSN came")


@pytest.mark.parametrize(
    ("address", "status", "remote", "words"),
    [
        ("voll@hoster.example", "5.2.2", "mx.hoster.example", "552 5.2.2"),
        ("niemand@gmx.example", "5.0.0", "mx-ha.gmx.net", "550-Requested action not taken: mailbox unavailable"),
        ("nobody@nowhere.example", "5.1.2", "unknown", "550 5.1.2"),
    ],
)
def test_a_refusal_comes_back_as_a_dsn(world: World, address: str, status: str, remote: str, words: str) -> None:
    """RFC 3464: who, why, in whose words, and the original message with its Message-ID."""
    message_id = unique_id("bounce")
    _submit(world, address, message_id)
    report = _wait_for_report(world, message_id)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert report["Return-Path"] == "<>"
    text, status_part, original = report.get_payload()
    assert address in text.get_payload()
    per_message, per_recipient = status_part.get_payload()
    assert per_message["Reporting-MTA"] == "dns; relay.lab.example"
    assert per_recipient["Final-Recipient"] == f"rfc822; {address}"
    assert per_recipient["Action"] == "failed"
    assert per_recipient["Status"] == status
    assert per_recipient["Remote-MTA"] == f"dns; {remote}"
    assert per_recipient["Diagnostic-Code"].replace("\n   ", "").startswith(f"smtp; {words}")
    assert original.get_payload(0)["Message-ID"] == f"<{message_id}>"


def test_what_the_relay_delivers_passes_and_shows_both_hops(world: World) -> None:
    """A signature survives the relay, and the chain of Received names it."""
    message_id = unique_id("relayed")
    _submit(world, "probe1@gmx.example", message_id)
    assert world.journal.wait_for(lambda all_: any(e.onward and e.message_id == message_id for e in all_))
    stored = next(m for m in world.mailbox("gmx-1").messages("INBOX") if m.message_id == message_id)
    hops = email.message_from_bytes(stored.raw).get_all("Received", [])
    assert "by mx-ha.gmx.net" in hops[0]
    assert "by relay.lab.example" in hops[1]
    judgement = world.journal.accepted(message_id)[-1].judgement
    assert judgement is not None
    assert judgement.dkim_passes
    assert len(world.journal.handed_over(message_id)) == 1


def test_a_deferral_is_tried_again_warned_of_and_given_up_in_the_end(world: World) -> None:
    """The remote's last words stand in the DSN."""
    box = world.add_mailbox(MailboxSpec("later", "hoster", "spaeter@hoster.example", security="none"))
    box.reception(full="soft")
    world.call(lambda: setattr(world._relay.times, "lifetime", 0.4))
    message_id = unique_id("deferred")
    _submit(world, box.address, message_id)
    assert "Action: delayed" in _wait_for_report(world, message_id, "delayed").as_string()
    report = _wait_for_report(world, message_id)
    world.call(lambda: setattr(world._relay.times, "lifetime", 0.0))
    assert report.get_payload(1).get_payload(1)["Status"] == "4.2.2"
    attempts = [e for e in world.journal.entries if e.recipient == box.address and e.outcome == "deferred"]
    assert len(attempts) > 3


def test_a_bounce_is_not_bounced(world: World) -> None:
    """The null sender gets no report (RFC 5321, section 4.5.5)."""
    message_id = unique_id("null")
    before = len(world.mailbox("bounces").messages())
    _submit(world, "voll@hoster.example", message_id, sender="")
    refused = world.journal.wait_for(lambda all_: sum(e.sender == "" and e.outcome == "refused" for e in all_) > 0)
    assert refused
    assert len(world.mailbox("bounces").messages()) == before


def test_a_hook_at_rcpt_hears_of_a_relayed_message_once(world: World) -> None:
    """Hooks stand at the doors: what the relay does afterwards does not call them again."""
    heard: list[str] = []
    off = world.on("smtp.rcpt", lambda moment: heard.append(moment.recipient))
    message_id = unique_id("once")
    _submit(world, "probe1@gmx.example", message_id)
    assert world.journal.wait_for(lambda all_: any(e.onward and e.message_id == message_id for e in all_))
    off()
    assert heard == ["probe1@gmx.example"]


def test_a_forwarding_mailbox_keeps_nothing_and_spf_breaks_on_the_way() -> None:
    """The target judges the forwarder's address: SPF fails there, and DKIM still holds."""
    with World.start("full", mailboxes=["rules-forward", "forward-target", "bounces"]) as forwarding:
        message_id = unique_id("forward")
        raw = sign(build("weiter@hoster.example", message_id=message_id))
        assert send(forwarding, raw, "weiter@hoster.example")[0] == 250
        assert forwarding.mailbox("rules-forward").messages() == []
        (arrival,) = [e for e in forwarding.journal.accepted(message_id) if e.onward]
        assert (arrival.seen_as, arrival.recipient) == ("203.0.113.25", "ziel@forward.example")
        assert arrival.judgement is not None
        assert (arrival.judgement.spf.result, arrival.judgement.dkim_passes) == ("fail", True)
        assert len(forwarding.journal.handed_over(message_id)) == 1
        assert [m.message_id for m in forwarding.mailbox("forward-target").messages()] == [message_id]


def test_two_mailboxes_that_forward_to_each_other_end_in_a_refusal(world: World) -> None:
    """A loop is broken by its hops, as everywhere."""
    one = MailboxSpec("loop-1", "hoster", "eins@hoster.example", rules=(Rule(redirect="zwei@hoster.example"),))
    two = MailboxSpec("loop-2", "hoster", "zwei@hoster.example", rules=(Rule(redirect="eins@hoster.example"),))
    boxes = [world.add_mailbox(spec) for spec in (one, two)]
    message_id = unique_id("loop")
    nobody = "a@nothing.example"  # without SPF, which a forwarder would break
    assert send(world, build(sender=nobody, message_id=message_id), one.address, sender=nobody)[0] == 250
    assert [box.messages() for box in boxes] == [[], []]
    entries = [e for e in world.journal.entries if e.message_id == message_id]
    assert entries[-1].reply == "554 5.4.6 Too many hops"
    assert 25 < len(entries) < 40
