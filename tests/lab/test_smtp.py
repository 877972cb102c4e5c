"""The doors: what smtplib and a raw socket meet there, and whose words a refusal is in."""

import smtplib
import ssl
import time

import pytest

from tests.lab.clients import BOUNCES, Raw, build, resolve, send, sign, trust, unique_id
from toolkit.lab.hooks import Moment
from toolkit.lab.host import MailboxSpec
from toolkit.lab.smtp_server import DoorSpec
from toolkit.lab.world import Mailbox, World


def _smtp(world: World, door: str) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", world.door_port(door), timeout=5)


def test_ehlo_names_the_extensions(lab: World) -> None:
    """A client can rely on what it is told."""
    with _smtp(lab, "direct") as client:
        client.ehlo("mail.belmont.example")
        assert set(client.esmtp_features) == {"pipelining", "size", "8bitmime", "enhancedstatuscodes"}
        assert not client.has_extn("auth")
    with _smtp(lab, "relay") as client:
        client.ehlo("mail.belmont.example")
        assert client.has_extn("starttls")
        assert not client.has_extn("auth")  # not before TLS
        client.starttls(context=trust(lab))
        client.ehlo("mail.belmont.example")
        assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]


def test_starttls_is_verified_against_the_labs_authority_alone(lab: World) -> None:
    """A client without the lab's CA file must refuse the certificate."""
    with _smtp(lab, "relay") as client:
        client.ehlo("x")
        with pytest.raises(ssl.SSLCertVerificationError):
            client.starttls(context=ssl.create_default_context())


def test_a_door_can_show_a_foreign_certificate(lab: World) -> None:
    """The fault "certificate does not verify" can be played."""
    port = lab.add_door(DoorSpec("foreign", "192.0.2.10", security="tls", foreign_certificate=True))
    with pytest.raises(ssl.SSLCertVerificationError):
        smtplib.SMTP_SSL("127.0.0.1", port, context=trust(lab), timeout=5)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_password_lets_in_and_a_wrong_one_does_not(lab: World, box: Mailbox, mechanism: str) -> None:
    """AUTH PLAIN and LOGIN on the relay; without either nothing is taken."""
    spec = lab.doors["relay"].spec
    with _smtp(lab, "relay") as client:
        client.starttls(context=trust(lab))
        client.ehlo("x")
        client.user, client.password = spec.username, "wrong"
        assert client.docmd("MAIL FROM:<a@belmont.example>")[0] == 530
        auth = getattr(client, f"auth_{mechanism.lower()}")
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.auth(mechanism, auth)
        client.password = spec.password
        assert client.auth(mechanism, auth)[0] == 235
        assert client.sendmail(BOUNCES, [box.address], sign(build(box.address))) == {}
    assert lab.journal.handed_over(recipient=box.address)[-1].user == spec.username


def test_an_oauth_token_lets_in_and_a_wrong_one_does_not(lab: World, box: Mailbox) -> None:
    """XOAUTH2 over implicit TLS, with the error challenge before the refusal."""
    spec = lab.doors["submission"].spec

    def xoauth2(token: str) -> str:
        return f"user={spec.username}\x01auth=Bearer {token}\x01\x01"

    with smtplib.SMTP_SSL("127.0.0.1", lab.door_port("submission"), context=trust(lab), timeout=5) as client:
        client.ehlo("mail.belmont.example")
        assert "XOAUTH2" in client.esmtp_features["auth"]
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.auth("XOAUTH2", lambda challenge=None: "" if challenge else xoauth2("stale"))
        assert refused.value.smtp_code == 535
        assert client.auth("XOAUTH2", lambda challenge=None: xoauth2(spec.token))[0] == 235  # noqa: ARG005 - smtplib's
        client.sendmail(BOUNCES, [box.address], sign(build(box.address)))
    arrival = lab.journal.handed_over(recipient=box.address)[-1]
    assert (arrival.tls, arrival.door) == ("TLSv1.3", "submission")


def test_pipelined_commands_are_answered_in_order(lab: World, box: Mailbox) -> None:
    """A whole envelope in one packet (RFC 2920)."""
    raw = sign(build(box.address))
    client = Raw(lab.door_port("direct"))
    try:
        client.line()
        envelope = f"EHLO x\r\nMAIL FROM:<{BOUNCES}> SIZE={len(raw)}\r\nRCPT TO:<{box.address}>\r\nDATA\r\n"
        client.send(envelope.encode())
        client.until(b"250 ")
        assert [client.line()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
        client.send(raw + b".\r\nQUIT\r\n")
        assert [client.line()[:3] for _ in range(2)] == [b"250", b"221"]
        assert client.line() == b""
    finally:
        client.close()
    assert lab.journal.handed_over(recipient=box.address)[0].raw == raw


def test_lmtp_answers_once_per_recipient(lab: World, box: Mailbox) -> None:
    """RFC 2033: after the dot comes one reply for each recipient, and EHLO is not spoken."""
    full = lab.add_mailbox(MailboxSpec("lmtp-posteo", "posteo", "lmtp@posteo.example", security="none"))
    raw = build(box.address, sender="<a@altstadt-optik.example>")
    client = Raw(lab.door_port("lmtp"))
    try:
        assert b"LMTP" in client.line()
        client.send(b"EHLO x\r\n")
        assert client.line().startswith(b"500")
        client.send(b"LHLO x\r\nMAIL FROM:<a@altstadt-optik.example>\r\n")
        client.until(b"250 ")
        client.line()
        client.send(f"RCPT TO:<{box.address}>\r\nRCPT TO:<{full.address}>\r\nDATA\r\n".encode())
        assert [client.line()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
        client.send(raw + b".\r\n")
        assert client.line().startswith(b"250")
        assert client.line().startswith(b"550")
    finally:
        client.close()


def test_dots_are_unstuffed_and_bytes_stay_as_they_are(lab: World, box: Mailbox) -> None:
    """What arrives is what was sent, 8-bit bytes and lines of dots included."""
    raw = build(box.address) + b".\r\n..two\r\n\xe4\xff bytes\r\n"
    assert send(lab, raw, box.address)[0] == 250
    assert lab.journal.entries[-1].raw == raw


def test_a_message_beyond_the_announced_size_is_refused(lab: World, box: Mailbox) -> None:
    """By the SIZE parameter before, and by the bytes themselves after."""
    port = lab.add_door(DoorSpec("narrow", "192.0.2.10", size_limit=2000))
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        client.ehlo("x")
        assert client.mail(BOUNCES, ["SIZE=2001"])[0] == 552
        client.mail(BOUNCES)
        client.rcpt(box.address)
        assert client.data(build(text="x" * 70 + "\n") * 30)[0] == 552
        assert client.noop()[0] == 250
    assert not box.messages()


@pytest.mark.parametrize(
    ("manner", "domain", "words"),
    [
        ("gmail", "gmail.example", "does not exist"),
        ("outlook", "outlook.example", "mailbox unavailable"),
        ("gmx", "gmx.example", "postmaster.gmx.net"),
        ("yahoo", "yahoo.example", "This user doesn't have a yahoo.com account"),
        ("hoster", "hoster.example", "User unknown"),
    ],
)
def test_an_unknown_user_is_refused_in_the_providers_words(
    everything: World, manner: str, domain: str, words: str
) -> None:
    """The reply can be decoded per provider, as in the world."""
    code, text = send(everything, build(), f"no-such-person@{domain}")
    assert code in (550, 554), manner
    assert words in text


def test_t_online_refuses_an_address_that_it_does_not_know(everything: World) -> None:
    """554 with the reason in brackets; a listed address gets the other one."""
    address = everything.hosts["t-online-1"].spec.address
    code, text = send(everything, build(), address)
    assert code == 554
    assert text.startswith("IP=192.0.2.10 - None/bad reputation.")
    assert text.endswith("(NOWL)")
    assert send(everything, build(), address, door="listed")[1].endswith("(BL)")


def test_a_listed_address_is_refused_by_gmx_and_only_sorted_by_gmail(everything: World) -> None:
    """Each provider does with a listing what it does in the world."""
    raw = sign(build(message_id=unique_id("listed")))
    code, text = send(everything, raw, "probe1@gmx.example", door="listed")
    assert (code, "IP address is block listed" in text) == (554, True)
    code, text = send(everything, raw, "probe1@outlook.example", door="listed")
    assert (code, "(S3150)" in text) == (550, True)
    assert send(everything, raw, "probe1@gmail.example", door="listed")[0] == 250
    placed = everything.journal.entries[-1].placed
    assert placed is not None
    assert placed.folder == "[Gmail]/Spam"


def test_dmarc_reject_is_refused_in_the_providers_words(everything: World) -> None:
    """A message that only claims to be from belmont.example."""
    raw = build(sender="<chef@belmont.example>")
    for address, words in [
        ("probe1@gmail.example", "5.7.26 Unauthenticated email from belmont.example is not accepted"),
        ("probe1@outlook.example", "5.7.509 Access denied, sending domain belmont.example"),
        ("probe1@yahoo.example", "5.7.9 Message not accepted for policy reasons"),
        ("probe1@zoho.example", "5.7.1 Email rejected per DMARC policy for belmont.example"),
    ]:
        code, text = send(everything, raw, address, sender="a@nothing.example")
        assert 550 <= code <= 554
        assert words in text


def test_greylisting_defers_once_and_then_takes_it(lab: World) -> None:
    """451 first; after the wait the same sender is let in."""
    box = lab.add_mailbox(MailboxSpec("grey", "hoster", "grey@hoster.example", security="none"))
    box.reception(greylist=0.1)
    raw = sign(build(box.address))
    code, text = send(lab, raw, box.address)
    assert (code, text[:5]) == (451, "4.7.1")
    assert send(lab, raw, box.address)[0] == 451
    time.sleep(0.12)  # the wait that is tested
    assert send(lab, raw, box.address)[0] == 250
    assert [e.outcome for e in lab.journal.entries if e.recipient == box.address] == [
        "deferred", "deferred", "accepted",
    ]  # fmt: skip


@pytest.mark.parametrize(("full", "code", "status"), [("soft", 452, "4.2.2"), ("hard", 552, "5.2.2")])
def test_a_full_mailbox_says_so(lab: World, box: Mailbox, full: str, code: int, status: str) -> None:
    """For now, or for good."""
    box.reception(full=full)
    assert send(lab, build(), box.address)[:1] == (code,)
    assert send(lab, build(), box.address)[1].startswith(status)


def test_a_silent_discard_takes_the_message_and_nobody_ever_sees_it(lab: World, box: Mailbox) -> None:
    """250, and then nothing, in no folder."""
    box.reception(discard=True)
    assert send(lab, sign(build(box.address)), box.address)[0] == 250
    assert box.messages() == []


def test_an_address_outside_the_lab_is_refused(lab: World) -> None:
    """The lab delivers to nobody but its own."""
    code, text = send(lab, build(), "somebody@example.org")
    assert (code, text[:5]) == (550, "5.1.2")


def test_a_message_for_two_whose_fates_differ_gets_one_reply_and_a_dsn(lab: World, box: Mailbox) -> None:
    """SMTP has one reply to the dot: the refused recipient is reported to the sender."""
    strict = lab.add_mailbox(MailboxSpec("mixed-posteo", "posteo", "mixed@posteo.example", security="none"))
    raw = build(box.address, sender="<a@altstadt-optik.example>", message_id=unique_id("mixed"))
    with _smtp(lab, "direct") as client:
        client.ehlo("x")
        assert client.sendmail("bounces@altstadt-optik.example", [box.address, strict.address], raw) == {}
    reports = [m.raw for m in lab.mailbox("bounces").messages("INBOX")]
    assert any(b"Final-Recipient: rfc822; mixed@posteo.example" in report for report in reports)


# hooks: what a crash test needs


def test_a_hook_can_answer_a_moment_in_its_own_words(lab: World, box: Mailbox) -> None:
    """421 in the middle of a session, at RCPT or after the dot."""
    off = lab.on("smtp.rcpt", lambda moment: "421 4.3.2 closing" if moment.recipient == box.address else None)
    assert send(lab, build(), box.address) == (421, "4.3.2 closing")
    off()
    off = lab.on("smtp.data", lambda moment: "451 4.3.0 not now" if box.address in moment.recipient else None)
    assert send(lab, build(), box.address) == (451, "4.3.0 not now")
    off()
    assert send(lab, sign(build()), box.address)[0] == 250


def test_a_hook_can_break_the_connection_after_the_message_was_taken(lab: World, box: Mailbox) -> None:
    """The message is in the mailbox and in the journal, and the client never heard of it: in doubt."""
    seen: list[Moment] = []

    def drop(moment: Moment) -> str | None:
        if box.address not in moment.recipient:
            return None
        seen.append(moment)
        return "drop"

    off = lab.on("smtp.accepted", drop)
    message_id = unique_id("doubt")
    code, _ = send(lab, sign(build(box.address, message_id=message_id)), box.address)
    off()
    assert code == 0
    assert message_id.encode() in seen[0].raw
    assert len(lab.journal.handed_over(message_id)) == 1
    assert [m.message_id for m in box.messages("INBOX")] == [message_id]


def test_a_hook_for_a_moment_that_does_not_exist_is_refused(lab: World) -> None:
    """A typing error in a test does not pass unnoticed."""
    with pytest.raises(ValueError, match=r"smtp\.rctp"):
        lab.on("smtp.rctp", lambda _: None)


# robustness


def test_bad_commands_get_5xx_and_too_many_of_them_end_the_session(lab: World) -> None:
    """A client that talks nonsense is told so, and then left."""
    client = Raw(lab.door_port("direct"))
    try:
        client.line()
        for command in (b"NONSENSE\r\n", b"MAIL FROM:<a@b.example>\r\n", b"EHLO\r\n", b"RCPT TO:<x>\r\n", b"\xff\r\n"):
            client.send(command)
            assert client.line()[:1] == b"5"
        client.send(b"A" * 6000 + b"\r\n")
        assert client.line().startswith(b"500")
        client.send(b"WHAT\r\n" * 30)
        assert client.until(b"421")[-1].startswith(b"421")
        assert client.line() == b""
    finally:
        client.close()


def test_text_injected_before_starttls_is_thrown_away(lab: World) -> None:
    """RFC 3207, section 4.2: a command that came in clear behind STARTTLS is never done."""
    client = Raw(lab.door_port("relay"))
    try:
        client.line()
        client.send(b"EHLO x\r\n")
        client.until(b"250 ")
        client.send(b"STARTTLS\r\nEHLO injected\r\n")
        assert client.line().startswith(b"220")
        wrapped = trust(lab).wrap_socket(client.socket, server_hostname="127.0.0.1")
        client.socket = wrapped
        client.send(b"NOOP\r\n")
        assert client.line() == b"250 2.0.0 Ok"
    finally:
        client.close()


def test_a_client_that_vanishes_in_the_middle_leaves_nothing_behind(lab: World, box: Mailbox) -> None:
    """Half a message is no message, and the door is not held by the dead."""
    before = len(lab.journal.entries)
    client = Raw(lab.door_port("direct"))
    client.line()
    client.send(f"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<{box.address}>\r\nDATA\r\nSubject: half\r\n".encode())
    client.until(b"354")
    client.close()
    deadline = time.monotonic() + 3
    connections = lab.doors["direct"]._listener.connections
    while lab.call(lambda: len(connections)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert lab.call(lambda: len(connections)) == 0
    assert len(lab.journal.entries) == before
    assert box.messages() == []


@pytest.mark.parametrize("greeting", ["554 5.3.2 no service here", "421 4.3.2 too busy"])
def test_a_door_can_greet_with_a_refusal(lab: World, greeting: str) -> None:
    """T-Online's banner, and an overloaded server's."""
    name = f"greeting-{greeting[:3]}"
    lab.add_door(DoorSpec(name, "192.0.2.10", greeting=greeting))
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        _smtp(lab, name)
    assert refused.value.smtp_code == int(greeting[:3])


def test_a_door_can_be_silent_or_closed(lab: World) -> None:
    """A client with a time-out gets one, and a closed port refuses."""
    port = lab.add_door(DoorSpec("silent", "192.0.2.10", silent=True))
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        smtplib.SMTP("127.0.0.1", port, timeout=0.1)
    lab.close_door("silent")
    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP("127.0.0.1", port, timeout=1)
    lab.open_door("silent")
    assert lab.door_port("silent") == port


def test_the_mx_of_every_provider_is_in_dns(everything: World) -> None:
    """An address check finds a host for each mailbox's domain."""
    for host in everything.hosts.values():
        domain = host.spec.address.rpartition("@")[2]
        assert resolve(everything, domain, "MX").answer, domain
