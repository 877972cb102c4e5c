"""The mail of a seed: what every parser, server and DKIM verifier accepts, and nothing but the stream's own."""

from __future__ import annotations

import base64
import email
import email.policy
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from toolkit.collect.compose import TOKEN_HEADER, ComposeError, SeedIdentity, compose, sent_header
from toolkit.config.settings import Stream

TOKEN = "5eed5eed5eed5eed"
LONG_DOMAIN = ".".join(["x" * 60] * 3) + ".belmont.example"
IDENTITY = SeedIdentity("probe@inbox.example", f"probe.1.{TOKEN}@belmont.example", TOKEN, datetime(2026, 11, 22, 8, 0, tzinfo=UTC))  # fmt: skip  # noqa: E501 - one value
ONCE = ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", TOKEN_HEADER)


def stream(**more: object) -> Stream:
    """A transactional stream with a text of one line."""
    table: dict[str, object] = {
        "name": "reminder", "kind": "transactional", "from": "Salon <termine@belmont.example>",
        "subject": "Ihr Termin", "text": "Guten Tag",
    }  # fmt: skip
    return Stream.model_validate({key: value for key, value in {**table, **more}.items() if value is not None})


def templated(folder: Path, raw: bytes | str, **more: object) -> Stream:
    """A stream whose mail is this file."""
    path = folder / "template.eml"
    path.write_bytes(raw.encode() if isinstance(raw, str) else raw)
    return stream(text=None, template=str(path), **more)


def sound(raw: bytes) -> EmailMessage:
    """The message as a strict reader sees it, once its form is proven: ASCII, CRLF, short lines, each field once."""
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\0" not in raw
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects, part.defects
        assert not any(value.defects for value in part.values()), part.items()
    for name in ONCE:
        assert len(message.get_all(name, [])) == 1, name
    return message


def texts(message: EmailMessage) -> list[str]:
    """The decoded texts of a message, attachments left out."""
    return [
        words(part)
        for part in message.walk()
        if part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment"
    ]


def words(part: EmailMessage) -> str:
    """The decoded text of a part, its lines parted as Python does."""
    text: str = part.get_content()
    return text.replace("\r\n", "\n")


def octets(part: EmailMessage) -> bytes:
    """The decoded bytes of a text, its lines parted as Python does."""
    body = part.get_payload(decode=True)
    assert isinstance(body, bytes)
    return body.replace(b"\r\n", b"\n")


# -- header fields -----------------------------------------------------------------------------------------------------


def test_a_seed_carries_its_identity_and_the_streams_words() -> None:
    """From, To, Subject and Date as configured, one Message-ID, and the token in header and body."""
    message = sound(compose(stream(), IDENTITY))
    assert str(message["From"]) == "Salon <termine@belmont.example>"
    assert str(message["To"]) == "probe@inbox.example"
    assert str(message["Subject"]) == "Ihr Termin"
    assert message["Date"].datetime == IDENTITY.created_at
    assert message["Message-ID"].strip() == f"<{IDENTITY.message_id}>"
    assert message[TOKEN_HEADER] == TOKEN
    assert texts(message) == [f"Guten Tag\n\n{TOKEN}\n"]


def test_the_longest_addresses_stay_whole() -> None:
    """An address is never cut, folded in its middle, or written as an encoded word (RFC 2047, section 5)."""
    address = f"{'l' * 45}@{LONG_DOMAIN}"
    sender = f"Ein langer Name mit Umläuten, zum Beispiel äöü <{address}>".replace(",", "")
    identity = SeedIdentity(f"{'p' * 45}@{LONG_DOMAIN}", f"probe.1.{TOKEN}@{LONG_DOMAIN}", TOKEN, IDENTITY.created_at)
    raw = compose(stream(**{"from": sender}), identity)
    message = sound(raw)
    assert message["From"].addresses[0].addr_spec == address
    assert message["From"].addresses[0].display_name == "Ein langer Name mit Umläuten zum Beispiel äöü"
    assert message["To"].addresses[0].addr_spec == identity.address
    assert f"<{identity.message_id}>".encode() in raw
    assert f"<{address}>".encode() in raw


def _accepted(**fields: str) -> Stream | None:
    try:
        return stream(**fields)
    except ValidationError:
        return None


_LINES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=300)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(_LINES)
@example("x" * 1200)
@example("ä" * 500)
@example("=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
@example("=?utf-8?q?one?= =?x-klingon?q?two?= =?utf-8?b?!!!?=")
@example("Termin: morgen, 8 Uhr; \u202e\u200b\ufeff 💇")
@example(" leading and trailing ")
def test_every_subject_that_the_configuration_accepts_can_be_sent(subject: str) -> None:
    """One Subject, whole, whatever signs it holds."""
    accepted = _accepted(subject=subject)
    assume(accepted is not None)
    assert accepted is not None
    message = sound(compose(accepted, IDENTITY))
    if "=?" not in subject:
        assert "".join(str(message["Subject"]).split()) == "".join(subject.split())


@settings(max_examples=150, deadline=None, derandomize=True)
@given(_LINES.filter(lambda text: '"' not in text and "\\" not in text), st.booleans())
@example("Müller, Söhne & Co. (seit 1920) <nicht@dies.example>", True)
@example("Dr. Anna Müller", False)
@example("x" * 300, False)
@example("a@b.example", True)
@example(".", False)
def test_every_display_name_that_the_configuration_accepts_can_be_sent(name: str, in_quotes: bool) -> None:
    """One From with one address, and it is the configured one."""
    accepted = _accepted(**{"from": f'"{name}" <termine@belmont.example>' if in_quotes else f"{name} <termine@belmont.example>"})  # fmt: skip  # noqa: E501 - one call
    assume(accepted is not None)
    assert accepted is not None
    try:
        raw = compose(accepted, IDENTITY)
    except ComposeError:
        assert "=?" in name  # the one thing that may be refused: see the next test
        return
    message = sound(raw)
    assert [address.addr_spec for address in message["From"].addresses] == ["termine@belmont.example"]


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "=?utf-8?q?Termin=0D=0ABcc:_x@y.example?= morgen"},
        {"subject": "=?utf-8?b?VGVybWluDQpCY2M6IHhAeS5leGFtcGxl?="},
        {"subject": "=?utf-8?q?Termin=0A_folded?="},
        {"subject": "=?utf-8?q?Ter=00min?="},
        {"from": "=?utf-8?q?Salon=0D=0ABcc?= <termine@belmont.example>"},
        {"from": '"=?utf-8?q?Salon=0ABcc:_x@y.example?=" <termine@belmont.example>'},
    ],
)
def test_an_encoded_word_cannot_bring_a_line_break_in(fields: dict[str, str]) -> None:
    """Decoded and written out again it would be a header field of its own: such mail is not made, and it says why."""
    with pytest.raises(ComposeError, match='stream "reminder": the message cannot be made'):
        compose(stream(**fields), IDENTITY)


@pytest.mark.parametrize("field", ["subject", "from"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\0", "\x0b", "\x85", "\u2028"])
def test_a_line_break_does_not_get_past_the_configuration(field: str, end: str) -> None:
    """Not in a subject, and not in a name or an address."""
    with pytest.raises(ValidationError):
        stream(**{field: f"Salon{end}Bcc: x@y.example <termine@belmont.example>"})


@pytest.mark.parametrize("place", ["address", "message_id", "token"])
def test_a_line_break_in_an_identity_is_refused(place: str) -> None:
    """Nothing is sent that would smuggle a field in."""
    parts = {"address": IDENTITY.address, "message_id": IDENTITY.message_id, "token": TOKEN}
    parts[place] = f"{parts[place]}\r\nBcc: x@y.example"
    with pytest.raises(ComposeError):
        compose(stream(), SeedIdentity(**parts, created_at=IDENTITY.created_at))


# -- List-Unsubscribe --------------------------------------------------------------------------------------------------

HTTPS, MAILTO = "https://belmont.example/abmelden?" + "k" * 600, "mailto:abmelden@belmont.example?subject=leave"


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        ({"https": HTTPS, "mailto": MAILTO}, f"<{HTTPS}>, <{MAILTO}>"),
        ({"https": HTTPS}, f"<{HTTPS}>"),
        ({"mailto": MAILTO}, f"<{MAILTO}>"),
        ({"mailto": "abmelden@belmont.example"}, "<mailto:abmelden@belmont.example>"),
    ],
)
def test_a_marketing_stream_says_how_to_leave(ways: dict[str, str], expected: str) -> None:
    """Both ways in one field, the URL unbroken and no encoded word; one click only where it takes a POST (RFC 8058)."""
    raw = compose(stream(kind="marketing", unsubscribe=ways), IDENTITY)
    message = sound(raw)
    field = next(value for name, value in message.raw_items() if name == "List-Unsubscribe")
    assert str(field).replace("\r\n", "").replace("\n", "") == expected
    assert b"=?" not in raw
    one_click = message.get_all("List-Unsubscribe-Post", [])
    assert [str(value) for value in one_click] == (["List-Unsubscribe=One-Click"] if "https" in ways else [])


def test_other_mail_has_no_list_unsubscribe() -> None:
    """A transactional stream leaves it out even where the ways are known; a marketing one without ways, too."""
    for other in (stream(unsubscribe={"https": HTTPS}), stream(kind="marketing")):
        message = sound(compose(other, IDENTITY))
        assert "List-Unsubscribe" not in message
        assert "List-Unsubscribe-Post" not in message


def test_a_url_that_no_line_can_hold_is_refused() -> None:
    """A URL must not be folded, and a line has 998 bytes at most."""
    url = "https://belmont.example/" + "u" * 1000
    with pytest.raises(ComposeError, match="998"):
        compose(stream(kind="marketing", unsubscribe={"https": url}), IDENTITY)


# -- bodies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"text": "Grüße aus Köln\n"},
        {"text": "x" * 5000},
        {"text": "ä" * 5000},
        {"text": ".\n..\nFrom here\n"},
        {"text": "one\r\ntwo\rthree\n"},
        {"text": None, "html": "<html><body><p>Grüße</p></body></html>"},
        {"text": None, "html": "<p>" + "a" * 3000 + "</p>"},
        {"text": "Grüße", "html": "<p>Grüße</p>"},
    ],
    ids=["umlauts", "long line", "long line of umlauts", "dots", "line ends", "html", "long html", "both"],
)
def test_bodies_keep_their_words_and_get_the_token(body: dict[str, str | None]) -> None:
    """Each text ends with the token: in plain text a line of its own, in HTML a comment before the body's end."""
    message = sound(compose(stream(**body), IDENTITY))
    expected = [text for text in (body.get("text", "Guten Tag"), body.get("html")) if text is not None]
    found = texts(message)
    assert len(found) == len(expected)
    for text, original in zip(found, expected, strict=True):
        if "<" in original:
            assert text.count(f"<!-- {TOKEN} -->") == 1
            assert "".join(text.replace(f"<!-- {TOKEN} -->", "").split()) == "".join(original.split())
        else:
            lines = "\n".join(original.splitlines()).rstrip()
            assert text == f"{lines}\n\n{TOKEN}\n"
    if len(found) == 2:
        assert message.get_content_type() == "multipart/alternative"


@pytest.mark.parametrize("tag", ["</body>", "</BODY>", "</body >"])
def test_the_comment_stands_inside_the_body_of_html(tag: str) -> None:
    """Before its end, in whatever case it is written."""
    raw = compose(stream(text=None, html=f"<BODY>Hi{tag}</html>"), IDENTITY)
    assert f"Hi<!-- {TOKEN} -->{tag}" in texts(sound(raw))[0]


# -- templates ---------------------------------------------------------------------------------------------------------

WHOLE = """\
Received: from old.example by old.example; Mon, 1 Jan 2024 00:00:00 +0000
Return-Path: <old@old.example>
DKIM-Signature: v=1; a=rsa-sha256; d=old.example; s=x; h=from; bh=x; b=x
From: Old <old@old.example>
To: someone@old.example
Cc: other@old.example
Bcc: hidden@old.example
Subject: Old
Date: Mon, 1 Jan 2024 00:00:00 +0000
Message-ID: <old@old.example>
X-Mailwhy-Seed: 0123456789abcdef
Reply-To: hilfe@belmont.example
X-Campaign: autumn
List-Unsubscribe: <https://old.example/very/long/path/that/does/not/fit/into/one/line/of/seventy/eight>,
 <mailto:leave@old.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

--outer
Content-Type: multipart/alternative; boundary="inner"

--inner
Content-Type: text/plain; charset=utf-8; format=flowed
Content-Language: de
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe
--inner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PGh0bWw+PGJvZHk+R3LDvMOfZTwvYm9keT48L2h0bWw+
--inner--
--outer
Content-Type: text/plain; name="notes.txt"
Content-Disposition: attachment; filename="notes.txt"

attached words
--outer
Content-Type: application/pdf; name="invoice.pdf"
Content-Disposition: attachment; filename="invoice.pdf"
Content-Transfer-Encoding: base64

JVBERi0xLjQKJcOkw7zDtsOfCg==
--outer--
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_template_is_kept_but_for_what_makes_it_a_seed(end: str, tmp_path: Path) -> None:
    """Its headers, parts and attachments arrive as they are; sender, recipient, ids and the trace of old are ours."""
    message = sound(compose(templated(tmp_path, WHOLE.replace("\n", end), kind="marketing"), IDENTITY))
    assert str(message["From"]) == "Salon <termine@belmont.example>"
    assert str(message["Subject"]) == "Ihr Termin"
    for name in ("Received", "Return-Path", "DKIM-Signature", "Cc", "Bcc"):
        assert name not in message
    assert b"old@old.example" not in compose(templated(tmp_path, WHOLE), IDENTITY)
    assert (message["Reply-To"], message["X-Campaign"]) == ("hilfe@belmont.example", "autumn")
    plain, html, notes, pdf = (part for part in message.walk() if not part.is_multipart())
    assert words(plain) == f"Grüße\n\n{TOKEN}\n"
    assert plain["Content-Type"].params["format"] == "flowed"
    assert plain["Content-Language"] == "de"
    assert html.get_content().strip() == f"<html><body>Grüße<!-- {TOKEN} --></body></html>"
    assert html["Content-Transfer-Encoding"] == "base64"
    assert (notes.get_content().strip(), notes.get_filename()) == ("attached words", "notes.txt")
    assert (pdf.get_content(), pdf.get_filename()) == ("%PDF-1.4\n%äüöß\n".encode(), "invoice.pdf")


def test_a_templates_own_list_unsubscribe_stays(tmp_path: Path) -> None:
    """The configuration's ways are not put beside it: the field must stand once (RFC 2369, section 3)."""
    marketing = templated(tmp_path, WHOLE, kind="marketing", unsubscribe={"https": HTTPS})
    message = sound(compose(marketing, IDENTITY))
    assert [value.split(">")[0] for value in message.get_all("List-Unsubscribe")] == [
        "<https://old.example/very/long/path/that/does/not/fit/into/one/line/of/seventy/eight"
    ]


TEMPLATES: dict[str, tuple[bytes, Callable[[EmailMessage], Any], object]] = {
    "8-bit UTF-8": (
        "Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGrüße\n".encode(),
        words,
        f"Grüße\n\n{TOKEN}\n",
    ),
    "8-bit Latin-1": (
        b"Subject: x\nContent-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe\n",
        words,
        f"Grüße\n\n{TOKEN}\n",
    ),
    "8-bit without a charset": (
        "Subject: x\n\nGrüße\n".encode(),
        octets,
        f"Grüße\n\n{TOKEN}\n".encode(),
    ),
    "unknown charset": (
        b"Subject: x\nContent-Type: text/plain; charset=x-klingon\n\nGr\xfc\xdfe \xa4\n",
        octets,
        b"Gr\xfc\xdfe \xa4\n\n" + TOKEN.encode() + b"\n",
    ),
    "wrong charset": (
        "Subject: x\nContent-Type: text/plain; charset=us-ascii\n\nGrüße\n".encode(),
        octets,
        f"Grüße\n\n{TOKEN}\n".encode(),
    ),
    "no text at all": (
        b"Subject: x\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw==\n",
        lambda message: message.get_content(),
        b"\x89PNG",
    ),
    "8-bit attachment": (
        b"Subject: x\nContent-Type: application/pdf\nContent-Transfer-Encoding: 8bit\n\n%PDF\xe2\xe3\n",
        lambda message: message.get_content(),
        b"%PDF\xe2\xe3\n",
    ),
    "header only": (b"Subject: x\nX-Campaign: a", lambda message: words(message).strip(), TOKEN),
    "eight bits in a header": (
        "Subject: x\nReply-To: Jürgen <j@belmont.example>\nX-Note: Grüße,\n auch gefaltet\n\nHi\n".encode(),
        lambda message: (message["Reply-To"].addresses[0].display_name, message["X-Note"]),
        ("Jürgen", "Grüße, auch gefaltet"),
    ),
    "long line": (
        b"Subject: x\n\n" + b"z" * 3000 + b"\n",
        words,
        "z" * 3000 + f"\n\n{TOKEN}\n",
    ),
}


@pytest.mark.parametrize("kind", TEMPLATES)
def test_odd_templates_arrive_byte_for_byte(kind: str, tmp_path: Path) -> None:
    """Whatever can be carried in ASCII is carried so, and its reader gets the file's own bytes, with the token."""
    raw, read, expected = TEMPLATES[kind]
    assert read(sound(compose(templated(tmp_path, raw), IDENTITY))) == expected


@pytest.mark.parametrize("kind", ["message/rfc822", "multipart/signed; micalg=sha256; boundary=inner"])
def test_an_attached_and_a_signed_message_stay_untouched(kind: str, tmp_path: Path) -> None:
    """A word more inside would break the signature, or change what somebody else wrote."""
    inner = "--inner\n\nsigned words\n--inner\nContent-Type: application/pgp-signature\n\nsig\n--inner--"
    if kind == "message/rfc822":
        inner = "Subject: inner\n\nattached words"
    raw = (
        "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=outer\n\n"
        f"--outer\n\nOurs\n--outer\nContent-Type: {kind}\n\n{inner}\n--outer--\n"
    )
    composed = compose(templated(tmp_path, raw), IDENTITY)
    sound(composed)
    assert inner.replace("\n", "\r\n").encode() in composed
    assert composed.count(TOKEN.encode()) == 3  # Message-ID, header, our own text


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"Subject: x\nX-Long: " + b"z" * 2000 + b"\n\nhi\n", r'"X-Long: z+…" has 2008 bytes; RFC 5322 allows 998'),
        (None, "template .*/gone.eml cannot be read: No such file or directory"),
    ],
)
def test_a_template_that_cannot_be_sent_says_why(raw: bytes | None, words: str, tmp_path: Path) -> None:
    """The stream, the file and the fault."""
    broken = templated(tmp_path, raw) if raw else stream(text=None, template=str(tmp_path / "gone.eml"))
    with pytest.raises(ComposeError, match=f'stream "reminder": .*{words}'):
        compose(broken, IDENTITY)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(body=st.binary(max_size=2000), head=st.sampled_from(["", "Content-Type: text/html; charset=utf-8\n", "Content-Type: multipart/mixed; boundary=b\n", "Content-Type: application/x-thing\n", "Content-Transfer-Encoding: base64\n", "Content-Type: text/plain; charset=utf-16\n"]))  # fmt: skip  # noqa: E501
def test_any_file_makes_a_sendable_message_or_an_error(body: bytes, head: str, tmp_path_factory: pytest.TempPathFactory) -> None:  # fmt: skip  # noqa: E501
    """ASCII, CRLF, short lines and one of each field, or a ComposeError: no other exception, no other message."""
    path = tmp_path_factory.getbasetemp() / "any.eml"
    path.write_bytes(b"Subject: x\n" + head.encode() + b"\n" + body)
    try:
        raw = compose(stream(text=None, template=str(path)), IDENTITY)
    except ComposeError:
        return
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert all(len(message.get_all(name, [])) == 1 for name in ONCE)


# -- DKIM --------------------------------------------------------------------------------------------------------------


def rsa_key() -> tuple[str, bytes]:
    """A PEM key, and its record."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode(), b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


def ed25519_key() -> tuple[str, bytes]:
    """The base64 of 32 bytes, and its record (RFC 8463, section 4)."""
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    return base64.b64encode(key.private_bytes_raw()).decode(), b"v=DKIM1; k=ed25519; p=" + base64.b64encode(public)


def _verify(raw: bytes, record: bytes) -> bool:
    asked = []

    def answer(name: bytes, **_: object) -> bytes:
        asked.append(name)
        return record

    right: bool = dkim.verify(raw, dnsfunc=answer)
    assert asked == [b"s1._domainkey.belmont.example."]
    return right


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "ed25519-sha256"])
@pytest.mark.parametrize("kind", ["plain", "template"])
def test_signatures_verify(algorithm: str, kind: str, tmp_path: Path) -> None:
    """An independent verification passes, and fails once body, subject or unsubscribe address were changed."""
    secret, record = rsa_key() if algorithm == "rsa-sha256" else ed25519_key()
    key = {"selector": "s1", "domain": "belmont.example", "key": {"value": secret}, "algorithm": algorithm}
    more: dict[str, object] = {"dkim": key, "kind": "marketing", "unsubscribe": {"https": HTTPS, "mailto": MAILTO}}
    raw = compose(templated(tmp_path, WHOLE, **more) if kind == "template" else stream(**more), IDENTITY)
    sound(raw)
    assert raw.startswith(b"DKIM-Signature: ")
    assert _verify(raw, record)
    assert sent_header(raw).startswith("DKIM-Signature: ")
    assert TOKEN in sent_header(raw)
    for before, after in ((b"Subject: Ihr", b"Subject: Our"), (b"List-Unsubscribe: <https", b"List-Unsubscribe: <http"), (b"--outer--" if kind == "template" else b"Guten", b"x")):  # fmt: skip  # noqa: E501
        assert before in raw
        assert not _verify(raw.replace(before, after), record)


@pytest.mark.parametrize(
    ("algorithm", "secret"),
    [("rsa-sha256", "no key at all"), ("rsa-sha256", ""), ("ed25519-sha256", "c2hvcnQ="), ("ed25519-sha256", "!!!")],
)
def test_a_key_that_cannot_sign_says_so_without_showing_itself(algorithm: str, secret: str, tmp_path: Path) -> None:
    """The stream and the setting are named; what the key's file holds is not."""
    file = tmp_path / "key"
    file.write_text(secret)
    key = {"selector": "s1", "domain": "belmont.example", "key": {"file": str(file)}, "algorithm": algorithm}
    with pytest.raises(ComposeError, match=r'stream "reminder": dkim\.key') as caught:
        compose(stream(dkim=key), IDENTITY)
    assert not secret or secret not in str(caught.value)
