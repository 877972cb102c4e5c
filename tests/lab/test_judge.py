"""The lab judges for real: signatures, addresses and policies decide, against its own DNS."""

import dkim
import pytest

from tests.lab.clients import BOUNCES, build, send, sign, unique_id
from toolkit.lab.certs import dkim_key
from toolkit.lab.dns_zones import Zones
from toolkit.lab.judge import GTUBE, Judgement, author_domain
from toolkit.lab.world import Mailbox, World

_SHOP = "Shop <post@shop.example>"


def _judgement(world: World, raw: bytes, to: str, *, door: str = "direct", sender: str = BOUNCES) -> Judgement:
    send(world, raw, to, door=door, sender=sender)
    judgement = world.journal.entries[-1].judgement
    assert judgement is not None
    return judgement


def _publish(world: World, domain: str, **records: str) -> None:
    """Publish `spf`, `dmarc` and the lab's key of that name under the selector `k`."""

    def change(zones: Zones) -> None:
        if "spf" in records:
            zones.replace(domain, "TXT", records["spf"])
        if "dmarc" in records:
            zones.replace(f"_dmarc.{domain}", "TXT", records["dmarc"])
        zones.replace(f"k._domainkey.{domain}", "TXT", f"v=DKIM1; p={dkim_key('belmont.example').public_base64}")

    world.change_dns(change)


def _signed(raw: bytes, domain: str) -> bytes:
    signature: bytes = dkim.sign(raw, b"k", domain.encode(), dkim_key("belmont.example").private_pem.encode())
    return signature + raw


def test_a_truly_signed_message_passes_everything(lab: World, box: Mailbox) -> None:
    """SPF by the door's address, DKIM by the published key, DMARC by both."""
    judgement = _judgement(lab, sign(build(box.address)), box.address)
    assert (judgement.spf.result, judgement.spf.domain) == ("pass", "belmont.example")
    assert [(s.result, s.selector, s.bits) for s in judgement.dkim] == [("pass", "s1", 2048)]
    assert (judgement.dmarc.result, judgement.dmarc.policy) == ("pass", "reject")
    assert judgement.dmarc.spf_aligned
    assert judgement.dmarc.dkim_aligned
    assert judgement.ptr == "mail.belmont.example"
    assert judgement.listed == ()


def test_a_message_changed_after_signing_fails_dkim_and_still_passes_dmarc_by_spf(lab: World, box: Mailbox) -> None:
    """One changed word in the body breaks the signature, and nothing else."""
    raw = sign(build(box.address)).replace(b"Donnerstag", b"Freitag")
    judgement = _judgement(lab, raw, box.address)
    assert [(s.result, s.reason) for s in judgement.dkim] == [("fail", "body hash did not verify")]
    assert judgement.dmarc.result == "pass"
    assert not judgement.dmarc.dkim_aligned


def test_a_changed_subject_fails_dkim(lab: World, box: Mailbox) -> None:
    """A signed header counts as much as the body."""
    raw = sign(build(box.address, subject="Ihr Termin")).replace(b"Subject: Ihr", b"Subject: Kein")
    assert [s.reason for s in _judgement(lab, raw, box.address).dkim] == ["signature did not verify"]


def test_the_faulty_sender_fails_all_three(lab: World, box: Mailbox) -> None:
    """altstadt-optik.example: the address is not in SPF, and the published key is another."""
    raw = sign(build(box.address, sender="<rechnung@altstadt-optik.example>"), "altstadt-optik.example")
    judgement = _judgement(lab, raw, box.address, sender="bounces@altstadt-optik.example")
    assert judgement.spf.result == "fail"
    assert [s.result for s in judgement.dkim] == ["fail"]
    assert (judgement.dmarc.result, judgement.dmarc.disposition) == ("fail", "quarantine")


def test_a_missing_key_and_an_unanswered_one_are_told_apart(lab: World, box: Mailbox) -> None:
    """No key is a permanent error of the sender, no answer a passing one of the network."""
    raw = sign(build(box.address), selector="gone")
    assert [s.result for s in _judgement(lab, raw, box.address).dkim] == ["permerror"]
    lab.change_dns(lambda zones: zones.fault("gone._domainkey.belmont.example", "servfail"))
    assert [s.result for s in _judgement(lab, raw, box.address).dkim] == ["temperror"]
    lab.change_dns(lambda zones: zones.heal("gone._domainkey.belmont.example"))


def test_an_unanswered_spf_record_is_temperror(lab: World, box: Mailbox) -> None:
    """A silent name server is no failure of the sender."""
    lab.change_dns(lambda zones: zones.fault("belmont.example", "drop", "TXT"))
    try:
        assert _judgement(lab, sign(build(box.address)), box.address).spf.result == "temperror"
    finally:
        lab.change_dns(lambda zones: zones.heal("belmont.example"))


def test_the_door_decides_which_address_the_world_sees(lab: World, box: Mailbox) -> None:
    """The same message over the listed address: SPF fails, and the block list names it."""
    judgement = _judgement(lab, sign(build(box.address)), box.address, door="listed")
    assert judgement.ip == "198.51.100.77"
    assert judgement.spf.result == "fail"
    assert judgement.listed == ("bl.lab.example",)
    assert judgement.dmarc.result == "pass"  # by DKIM


@pytest.mark.parametrize(
    ("dmarc", "signer", "aligned"),
    [
        ("v=DMARC1; p=reject", "shop.example", True),
        ("v=DMARC1; p=reject", "mail.shop.example", True),  # relaxed: the same organisational domain
        ("v=DMARC1; p=reject; adkim=s", "mail.shop.example", False),
        ("v=DMARC1; p=reject", "belmont.example", False),
    ],
)
def test_dkim_alignment(lab: World, box: Mailbox, dmarc: str, signer: str, aligned: bool) -> None:
    """RFC 9989: relaxed alignment compares organisational domains, strict alignment the names themselves."""
    _publish(lab, "shop.example", dmarc=dmarc, spf="v=spf1 -all")
    _publish(lab, "mail.shop.example")
    _publish(lab, "belmont.example")
    judgement = _judgement(lab, _signed(build(box.address, sender=_SHOP), signer), box.address)
    assert [s.result for s in judgement.dkim] == ["pass"]
    assert judgement.dmarc.dkim_aligned is aligned
    assert judgement.dmarc.result == ("pass" if aligned else "fail")


@pytest.mark.parametrize(
    ("record", "disposition"),
    [
        ("v=DMARC1; p=reject", "reject"),
        ("v=DMARC1; p=reject; sp=quarantine", "quarantine"),
        ("v=DMARC1; p=reject; t=y", "quarantine"),  # testing: one level less
        ("v=DMARC1; p=none; sp=reject", "reject"),
        ("v=DMARC1; p=something", "none"),
    ],
)
def test_a_subdomain_follows_the_policy_of_its_organisation(
    lab: World, box: Mailbox, record: str, disposition: str
) -> None:
    """The tree walk finds the record above, and `sp` speaks for what is below it."""
    _publish(lab, "firm.example", dmarc=record, spf="v=spf1 -all")
    raw = build(box.address, sender="<a@deep.news.firm.example>")
    judgement = _judgement(lab, raw, box.address, sender="a@deep.news.firm.example")
    assert judgement.dmarc.organisational == "firm.example"
    assert (judgement.dmarc.result, judgement.dmarc.disposition) == ("fail", disposition)


def test_a_domain_without_a_record_has_no_dmarc(lab: World, box: Mailbox) -> None:
    """None is not fail."""
    raw = build(box.address, sender="<a@nothing.example>")
    judgement = _judgement(lab, raw, box.address, sender="a@nothing.example")
    assert (judgement.dmarc.result, judgement.dmarc.disposition) == ("none", "none")
    assert judgement.spf.result == "none"


def test_a_bounce_is_judged_by_its_helo_name(lab: World, box: Mailbox) -> None:
    """The null sender has no domain: SPF takes the HELO name (RFC 7208, section 2.4)."""
    judgement = _judgement(lab, sign(build(box.address)), box.address, sender="")
    assert (judgement.spf.result, judgement.spf.domain) == ("pass", "mail.belmont.example")


def test_the_test_pattern_of_spam_filters_is_spam(lab: World, box: Mailbox) -> None:
    """GTUBE ends in the spam folder whoever sends it."""
    message_id = unique_id("gtube")
    assert send(lab, sign(build(box.address, text=GTUBE.decode(), message_id=message_id)), box.address)[0] == 250
    assert [m.folder for m in box.messages() if m.message_id == message_id] == ["Junk"]


@pytest.mark.parametrize(
    ("header", "domain"),
    [
        (b"From: A <a@Belmont.Example>\r\n", "belmont.example"),
        (b"From: a@one.example, b@two.example\r\n", None),
        (b"From: a@one.example\r\nFrom: b@one.example\r\n", None),
        (b"Subject: nobody\r\n", None),
        (b"From: undisclosed\r\n", None),
    ],
)
def test_the_author_is_one_domain_or_nobody(header: bytes, domain: str | None) -> None:
    """A message of two authors, or of none, has no DMARC result (RFC 9989, section 5.3.1)."""
    assert author_domain(header + b"\r\nbody\r\n") == domain
