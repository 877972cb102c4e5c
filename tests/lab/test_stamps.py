"""The headers that each provider writes, in its layout and at its place."""

import email
import email.policy
import re

import dkim
import pytest

from tests.lab.clients import build, send, sign, unique_id
from toolkit.lab.certs import dkim_key
from toolkit.lab.world import World


def _delivered(world: World, mailbox: str, raw: bytes, message_id: str) -> list[tuple[str, str]]:
    """The header fields of a delivered message in their order, unfolded."""
    return _fields(_stored(world, mailbox, raw, message_id))


def _stored(world: World, mailbox: str, raw: bytes, message_id: str) -> bytes:
    address = world.hosts[mailbox].spec.address
    sender = "bounces@altstadt-optik.example" if b"altstadt" in raw else "bounces@belmont.example"
    assert send(world, raw, address, sender=sender)[0] == 250
    return next(m.raw for m in world.mailbox(mailbox).messages() if m.message_id == message_id)


def _fields(raw: bytes) -> list[tuple[str, str]]:
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    return [(name.lower(), re.sub(r"\s+", " ", str(value))) for name, value in message.items()]


def _results(fields: list[tuple[str, str]]) -> list[str]:
    return [value for name, value in fields if name == "authentication-results"]


def _good() -> tuple[bytes, str]:
    message_id = unique_id("stamp")
    return sign(build(message_id=message_id)), message_id


def _bad() -> tuple[bytes, str]:
    message_id = unique_id("stamp")
    raw = build(message_id=message_id, sender="<rechnung@altstadt-optik.example>", subject="Rechnung")
    return sign(raw, "altstadt-optik.example"), message_id


def test_gmail_writes_one_header_with_all_methods(everything: World) -> None:
    """mx.google.com; policy and disposition stand in the comment of DMARC."""
    (line,) = _results(_delivered(everything, "gmail-1", *_good()))
    assert line.startswith("mx.google.com; dkim=pass header.i=@belmont.example header.s=s1 header.b=")
    assert "spf=pass (google.com: domain of bounces@belmont.example designates 192.0.2.10 as permitted sender)" in line
    assert line.endswith("dmarc=pass (p=REJECT sp=REJECT dis=NONE) header.from=belmont.example")
    (line,) = _results(_delivered(everything, "gmail-1", *_bad()))
    assert "dmarc=fail (p=QUARANTINE sp=QUARANTINE dis=QUARANTINE) header.from=altstadt-optik.example" in line


def test_microsoft_writes_no_authserv_id_and_its_verdict_below(everything: World) -> None:
    """Composite authentication above, X-Forefront-Antispam-Report below the sender's own headers."""
    fields = _delivered(everything, "outlook-1", *_good())
    (line,) = _results(fields)
    assert line.startswith("spf=pass (sender IP is 192.0.2.10) smtp.mailfrom=belmont.example; dkim=pass")
    assert line.endswith("dmarc=pass action=none header.from=belmont.example;compauth=pass reason=100")
    names = [name for name, _ in fields]
    assert names.index("x-forefront-antispam-report") > names.index("subject")
    report = dict(fields)["x-forefront-antispam-report"]
    assert "CIP:192.0.2.10;" in report
    assert "SCL:1;" in report
    assert "SFV:NSPM;" in report
    assert "dest:I;" in dict(fields)["x-microsoft-antispam-mailbox-delivery"]


def test_microsoft_junks_what_fails(everything: World) -> None:
    """compauth=fail reason=000, SCL 5, destination J."""
    fields = _delivered(everything, "outlook-1", *_bad())
    assert _results(fields)[0].endswith(
        "dmarc=fail action=quarantine header.from=altstadt-optik.example;compauth=fail reason=000"
    )
    assert "SCL:5;" in dict(fields)["x-forefront-antispam-report"]
    assert "dest:J;" in dict(fields)["x-microsoft-antispam-mailbox-delivery"]


def test_yahoo_glues_the_policy_to_the_result(everything: World) -> None:
    """`dmarc=pass(p=…`, without a blank, and a property of its own after every method."""
    fields = _delivered(everything, "yahoo-1", *_good())
    assert "dmarc=pass(p=REJECT,sp=REJECT) header.from=belmont.example" in _results(fields)[0]
    assert _results(fields)[0].count("arc_overridden_status=NOT_OVERRIDDEN") == 3
    assert "x-ymailisg" in dict(fields)


def test_icloud_writes_one_header_per_method(everything: World) -> None:
    """BIMI comes first, so a reader of one header alone finds no DMARC."""
    lines = _results(_delivered(everything, "icloud-1", *_good()))
    assert [line.split(";")[0] for line in lines] == [
        "bimi.icloud.com", "dmarc.icloud.com", "dkim-verifier.icloud.com", "spf.icloud.com",
    ]  # fmt: skip


def test_gmx_and_webde_write_dkim_alone_and_a_verdict_of_their_own(everything: World) -> None:
    """UI-InboundReport: not junk; unknown for WEB.DE's third folder; junk in the spam folder."""
    fields = _delivered(everything, "gmx-1", *_good())
    assert _results(fields) == ["gmx.net; dkim=pass header.i=@belmont.example"]
    assert dict(fields)["ui-inboundreport"].startswith("notjunk:1;")
    fields = _delivered(everything, "webde-1", *_good())
    assert _results(fields)[0].startswith("web.de; dkim=pass")
    assert dict(fields)["ui-inboundreport"].startswith("unknown:2;")


def test_rspamd_and_spamassassin_show_their_scores_on_the_right_side(everything: World) -> None:
    """The score is below the limit in the inbox, and at or above it in the spam folder."""
    fields = dict(_delivered(everything, "rules-folder", *_bad()))
    assert fields["x-rspamd-action"] == "add header"
    found = re.match(r"default: False \[([\d.]+) / 15\.00\]; R_SPF_FAIL\(2\.00\)", fields["x-spamd-result"])
    assert found is not None
    assert float(found[1]) >= 6.0
    fields = dict(_delivered(everything, "zoho-1", *_good()))
    found = re.match(r"No, score=(-?[\d.]+) required=5\.0 tests=SPF_PASS,DKIM_VALID", fields["x-spam-status"])
    assert found is not None
    assert float(found[1]) < 5.0
    assert dict(_delivered(everything, "zoho-1", *_bad()))["x-spam-flag"] == "YES"


@pytest.mark.parametrize("mailbox", ["gmail-1", "outlook-1", "yahoo-1", "icloud-1", "gmx-1", "posteo-1", "zoho-1"])
def test_the_topmost_received_is_the_providers_and_the_signature_still_holds(everything: World, mailbox: str) -> None:
    """What a provider writes does not break what the sender signed."""
    raw, message_id = _good()
    stored = _stored(everything, mailbox, raw, message_id)
    received = [value for name, value in _fields(stored) if name == "received"]
    assert any(everything.hosts[mailbox].manner.mx in hop or "192.0.2.10" in hop for hop in received[:2])
    assert all("relay.lab.example" not in hop for hop in received)
    record = f"v=DKIM1; p={dkim_key('belmont.example').public_base64}".encode()
    assert dkim.verify(stored, dnsfunc=lambda _name, timeout=5: record)  # noqa: ARG005 - dkimpy's signature
    assert stored.count(f"Message-ID: <{message_id}>".encode()) == 1


def test_a_forged_result_of_the_provider_itself_is_dropped(everything: World) -> None:
    """RFC 8601, section 5; another server's results are kept, and stand below."""
    message_id = unique_id("forged")
    raw = b"Authentication-Results: mx.google.com; dmarc=pass header.from=bank.example\r\n" + sign(
        build(message_id=message_id, Authentication_Results="other.example; spf=pass smtp.mailfrom=a.example")
    )
    lines = _results(_delivered(everything, "gmail-1", raw, message_id))
    assert len(lines) == 2
    assert "bank.example" not in " ".join(lines)
    assert lines[1].startswith("other.example")
