"""What arrives may be anything: no message and no command of any shape brings a server of the lab down."""

import re
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lab.clients import Raw, raw_imap, send
from toolkit.lab.host import MailboxSpec
from toolkit.lab.imap.mime import Part, envelope, structure, take_apart
from toolkit.lab.imap.syntax import Scanner, compact, decode_name, encode_name, numbers_in, quoted
from toolkit.lab.world import World

_LINES = st.sampled_from(
    [
        b"From: a@b.example, <c@d>, group: e@f;, \xff\r\n",
        b"From\r\n",
        b"Subject: =?utf-8?q?=zz?= =?nonsense?b?!?=\r\n",
        b'To: "unclosed <a@b.example>\r\n',
        b"Content-Type: multipart/mixed; boundary=x\r\n",
        b"Content-Type: multipart/mixed\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: text/plain; charset*0*=x''%zz; name*=utf-99'de'%C3\r\n",
        b"Content-Type: ///;;;\r\n",
        b"Content-Disposition: attachment; filename*0=a; filename*1*=%00\r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=belmont.example; s=s1; h=from; bh=!!; b=!!\r\n",
        b"DKIM-Signature: d=..; s=\xff; =\r\n",
        b"DKIM-Signature: v=1; a=none; d=belmont.example; s=s1; h=; bh=; b=; x=0; t=z; i=@other.example\r\n",
        b"Message-ID: <a@b.example\r\n b>\r\n",
        b"Date: never\r\n",
        b"--x\r\n",
        b"--x--\r\n",
        b" folded\r\n",
        b"\r\n",
        b"\n",
        b"text\r\n",
        b"\x00\xff\r\n",
    ]
)
_MESSAGES = st.lists(_LINES, max_size=25).map(b"".join)
_MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_SOME = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_MANY
@given(_MESSAGES)
def test_any_message_has_a_structure_that_can_be_written(raw: bytes) -> None:
    """ENVELOPE and BODYSTRUCTURE are balanced, and the parts are slices of what came."""
    part = take_apart(raw)
    for written in (envelope(part.header), structure(part, extended=True), structure(part, extended=False)):
        bare = _without_strings(written)
        assert bare.count(b"(") == bare.count(b")") > 0
    assert all(piece.header + piece.body in raw for piece in _leaves(part))


def _without_strings(written: bytes) -> bytes:
    """An answer without its quoted strings and literals."""
    while found := re.search(rb"\{(\d+)\}\r\n", written):
        written = written[: found.start()] + written[found.end() + int(found[1]) :]
    return re.sub(rb'"(?:[^"\\]|\\.)*"', b"", written)


def _leaves(part: Part) -> list[Part]:
    return [leaf for child in part.children for leaf in _leaves(child)] or [part]


@_SOME
@given(_MESSAGES)
def test_any_message_is_taken_judged_and_fetched(lab: World, raw: bytes) -> None:
    """Through SMTP, the judge and IMAP: an answer to every command, whatever the message is."""
    if "hostile" not in lab.hosts:
        lab.add_mailbox(MailboxSpec("hostile", "hoster", "hostile@hoster.example", security="none"))
    box = lab.mailbox("hostile")
    assert send(lab, raw, box.address, sender="a@nothing.example")[0] == 250
    with raw_imap(lab, "hostile") as client:
        client.ask("a", "EXAMINE INBOX")
        for number, command in enumerate(
            (
                "UID FETCH * (ENVELOPE BODYSTRUCTURE BODY RFC822.SIZE INTERNALDATE)",
                "UID FETCH * (BODY.PEEK[1] BODY.PEEK[1.1.TEXT] BODY.PEEK[HEADER.FIELDS (From)] BODY.PEEK[2.MIME])",
                "UID SEARCH OR TEXT x OR SUBJECT y SENTBEFORE 1-Jan-2020",
            )
        ):
            assert client.ask(f"b{number}", command)[-1].startswith(f"b{number} OK".encode())


@_SOME
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60).map(lambda data: data.replace(b"{", b"(") + b"\r\n"),
            st.builds(
                lambda name, rest: b"a " + name + b" " + rest + b"\r\n",
                st.sampled_from([b"FETCH", b"UID FETCH", b"SEARCH", b"STORE", b"LIST", b"STATUS", b"APPEND", b"COPY"]),
                st.text('1:*,() "\\%[]<>.ABODYFLAGSx', max_size=40).map(str.encode),
            ),
        ),
        max_size=12,
    )
)
def test_any_bytes_on_the_wire_get_an_answer_or_a_goodbye(lab: World, lines: list[bytes]) -> None:
    """After whatever came, the server still answers; it never hangs and never falls."""
    if "wire" not in lab.hosts:
        lab.add_mailbox(MailboxSpec("wire", "hoster", "wire@hoster.example", security="none"))
    with raw_imap(lab, "wire") as client:
        client.ask("s", "SELECT INBOX")
        client.send(b"".join(lines) + b"\r\nlast NOOP\r\nDONE\r\nlast NOOP\r\n")
        assert client.until(b"last OK")[-1].startswith((b"last OK", b"* BYE")) or client.line() == b""


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=30))
def test_folder_names_survive_modified_utf_7(name: str) -> None:
    """Decoding gives back what was encoded, and nothing but printable ASCII is on the wire."""
    encoded = encode_name(name)
    assert all(32 <= byte < 127 for byte in encoded)
    assert decode_name(encoded) == name


@given(st.binary(max_size=80))
def test_strings_survive_their_spelling(value: bytes) -> None:
    """Quoted or literal, the reader gets the same bytes."""
    assert Scanner(quoted(value)).string() == value


@given(st.lists(st.integers(1, 60), unique=True).map(sorted))
def test_sets_survive_their_spelling(numbers: list[int]) -> None:
    """A compacted set names the same numbers."""
    if numbers:
        assert numbers_in(compact(numbers), list(range(1, 61))) == numbers


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_handshake_that_fails_leaves_nothing_behind(lab: World, security: Literal["tls", "starttls"]) -> None:
    """Rubbish instead of a ClientHello: the connection ends and is forgotten."""
    name = f"handshake-{security}"
    box = lab.add_mailbox(MailboxSpec(name, "hoster", f"{name}@hoster.example", security=security))
    client = Raw(box.port)
    if security == "starttls":
        client.line()
        client.ask("a", "STARTTLS")
    client.send(b"this is no ClientHello\r\n" * 3)
    while not client.closed:
        client.line()
    client.close()
    assert lab.call(lambda: len(box._host.imap.sessions)) == 0
