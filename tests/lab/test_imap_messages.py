"""Messages over IMAP: fetched, searched, stored, copied, moved, appended and expunged by a real client."""

import time
from datetime import date, datetime, timedelta, timezone

import pytest
from imapclient import DELETED, FLAGGED, SEEN
from imapclient.exceptions import IMAPClientError

from tests.lab.clients import build, imap, raw_imap, unique_id
from toolkit.lab.world import Mailbox, World

_NESTED = (
    b"From: Anna =?utf-8?q?M=C3=BCller?= <anna@belmont.example>\r\n"
    b'To: a@b.example, "B, C" <c@d.example>\r\n'
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n"
    b"Message-ID: <nested@belmont.example>\r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0100\r\n"
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="out"\r\n'
    b"\r\n"
    b"preamble\r\n"
    b"--out\r\n"
    b"Content-Type: multipart/alternative; boundary=in\r\n"
    b"\r\n"
    b"--in\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"\r\n"
    b"plain part\r\n"
    b"--in\r\n"
    b"Content-Type: text/html\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n"
    b"\r\n"
    b"<p>html part</p>\r\n"
    b"--in--\r\n"
    b"--out\r\n"
    b"Content-Type: message/rfc822\r\n"
    b"Content-Disposition: attachment; filename=inner.eml\r\n"
    b"\r\n"
    b"Subject: inner\r\n"
    b"Message-ID: <inner@belmont.example>\r\n"
    b"\r\n"
    b"inner body\r\n"
    b"--out--\r\n"
)


def test_a_message_is_fetched_whole_and_in_parts(lab: World, box: Mailbox) -> None:
    """Section numbers, headers and ranges are slices of the bytes as received."""
    uid = box.deliver(_NESTED)
    with imap(lab, box.name) as client:
        client.select_folder("INBOX", readonly=True)

        def part(section: str) -> bytes:
            answer = client.fetch([uid], [f"BODY.PEEK[{section}]"])[uid]
            (value,) = (v for k, v in answer.items() if k.startswith(b"BODY"))
            return bytes(value)

        assert part("") == _NESTED
        assert part("HEADER") + part("TEXT") == _NESTED
        assert part("1.1") == b"plain part"
        assert part("1.2") == b"<p>html part</p>"
        assert part("1.2.MIME").startswith(b"Content-Type: text/html\r\n")
        assert part("2").startswith(b"Subject: inner\r\n")
        assert part("2.HEADER") == b"Subject: inner\r\nMessage-ID: <inner@belmont.example>\r\n\r\n"
        assert part("2.TEXT") == b"inner body"
        assert part("2.1") == b"inner body"
        assert part("HEADER.FIELDS (Subject MESSAGE-ID)") == (
            b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nMessage-ID: <nested@belmont.example>\r\n\r\n"
        )
        assert b"Subject" not in part("HEADER.FIELDS.NOT (Subject)")
        answer = client.fetch([uid], ["BODY.PEEK[]<6.4>", "RFC822.SIZE"])[uid]
        assert answer[b"BODY[]<6>"] == b"Anna"
        assert answer[b"RFC822.SIZE"] == len(_NESTED)
        assert client.fetch([uid], ["BODY.PEEK[9]"])[uid][b"BODY[9]"] is None


def test_envelope_and_structure(lab: World, box: Mailbox) -> None:
    """What a client shows in its list, without reading the message."""
    uid = box.deliver(_NESTED)
    with imap(lab, box.name) as client:
        client.select_folder("INBOX", readonly=True)
        answer = client.fetch([uid], ["ENVELOPE", "BODYSTRUCTURE", "INTERNALDATE"])[uid]
    envelope = answer[b"ENVELOPE"]
    assert envelope.subject == b"=?utf-8?b?R3LDvMOfZQ==?="
    assert [str(address) for address in envelope.to] == ["a@b.example", '"B, C" <c@d.example>']
    assert envelope.sender == envelope.from_
    assert envelope.message_id == b"<nested@belmont.example>"
    structure = answer[b"BODYSTRUCTURE"]
    assert structure.is_multipart
    alternatives, attached = structure[0]
    assert (alternatives[1], alternatives[0][1][:2]) == (b"ALTERNATIVE", (b"TEXT", b"HTML"))
    assert attached[:2] == (b"MESSAGE", b"RFC822")
    assert attached[7][1] == b"inner"  # the inner ENVELOPE


def test_reading_marks_read_and_peeking_or_examining_does_not(lab: World, box: Mailbox) -> None:
    r"""\Seen comes from BODY[] in a folder that is open to write, and from nothing else."""
    uid = box.deliver(build())
    with imap(lab, box.name) as client:
        client.select_folder("INBOX", readonly=True)
        client.fetch([uid], ["BODY[]", "RFC822"])
        client.select_folder("INBOX")
        client.fetch([uid], ["BODY.PEEK[]", "ENVELOPE", "BODYSTRUCTURE", "RFC822.HEADER"])
        assert "\\Seen" not in box.messages("INBOX")[0].flags
        assert SEEN in client.fetch([uid], ["BODY[TEXT]", "FLAGS"])[uid][b"FLAGS"]
    assert "\\Seen" in box.messages("INBOX")[0].flags


def test_a_folder_open_to_read_refuses_every_change(lab: World, box: Mailbox) -> None:
    """EXAMINE: no STORE, no MOVE, no EXPUNGE; a COPY elsewhere is no change here."""
    uid = box.deliver(build())
    with imap(lab, box.name) as client:
        client.select_folder("INBOX", readonly=True)
        for change in (
            lambda: client.add_flags([uid], [SEEN]),
            lambda: client.move([uid], "Trash"),
            client.expunge,
            lambda: client.uid_expunge([uid]),
        ):
            with pytest.raises(IMAPClientError):
                change()
        client.copy([uid], "Archiv")
        client.close_folder()
    assert [m.folder for m in box.messages()] == ["INBOX", "Archiv"]


@pytest.fixture
def searchable(lab: World, box: Mailbox) -> Mailbox:
    """Five messages that differ."""
    long_ago = datetime(2026, 1, 5, 12, tzinfo=timezone(timedelta(hours=1)))
    box.deliver(build("a@x.example", subject="Erinnerung", message_id="one@belmont.example", X_Token="t-1"))
    box.deliver(build("b@x.example", subject="Grüße", text="Umsatz: 40 €"), flags=["\\Seen"])
    box.deliver(build("c@x.example", subject="Rechnung", text="x" * 5000), flags=["\\Flagged", "Wichtig"])
    box.deliver(build("d@x.example", sender="<wer@anders.example>", subject="Termin verschoben"), flags=["\\Answered"])
    lab.call(lambda: lab.hosts[box.name].account.deliver(build(subject="Alt"), at=long_ago))
    return box


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        (["ALL"], [1, 2, 3, 4, 5]),
        (["SEEN"], [2]),
        (["UNSEEN"], [1, 3, 4, 5]),
        (["FLAGGED"], [3]),
        (["UNFLAGGED", "UNANSWERED"], [1, 2, 5]),
        (["KEYWORD", "Wichtig"], [3]),
        (["UNKEYWORD", "Wichtig", "NOT", "SEEN"], [1, 4, 5]),
        (["SUBJECT", "erinner"], [1]),
        (["FROM", "anders.example"], [4]),
        (["TO", "B@X.example"], [2]),
        (["HEADER", "X-Token", "T-1"], [1]),
        (["HEADER", "X-Token", ""], [1]),
        (["HEADER", "Message-ID", "<one@belmont.example>"], [1]),
        (["HEADER", "Message-ID", "one@belmont"], [1]),
        (["HEADER", "Message-ID", "<nobody@belmont.example>"], []),
        (["TEXT", "Termin verschoben"], [4]),
        (["BODY", "Termin verschoben"], []),
        (["LARGER", 3000], [3]),
        (["SMALLER", 3000, "SEEN"], [2]),
        (["UID", "2:3"], [2, 3]),
        (["2:3"], [2, 3]),
        (["5:*"], [5]),
        (["9:*"], [5]),
        (["BEFORE", date(2026, 2, 1)], [5]),
        (["ON", date(2026, 1, 5)], [5]),
        (["SINCE", date(2026, 2, 1)], [1, 2, 3, 4]),
        (["SENTSINCE", date(2026, 1, 6)], [1, 2, 3, 4, 5]),
        (["OR", "SEEN", "FLAGGED"], [2, 3]),
        (["OR", ["SEEN", "FLAGGED"], ["SUBJECT", "Alt"]], [5]),
        (["NOT", ["OR", "SEEN", "FLAGGED"]], [1, 4, 5]),
        (["YOUNGER", 3600], [1, 2, 3, 4]),
        (["OLDER", 3600], [5]),
        (["RECENT"], [1, 2, 3, 4, 5]),
        (["NEW", "FROM", "termine"], [1, 3, 5]),
        (["OLD"], []),
    ],
)
def test_search(lab: World, searchable: Mailbox, criteria: list[object], found: list[int]) -> None:
    """Every key narrows as RFC 3501 says, in any case of letters."""
    with imap(lab, searchable.name) as client:
        client.select_folder("INBOX", readonly=True)
        assert client.search(criteria) == found


def test_search_in_utf_8(lab: World, searchable: Mailbox) -> None:
    """An umlaut in a literal finds the encoded word and the encoded body; an unknown charset is named."""
    with imap(lab, searchable.name) as client:
        client.select_folder("INBOX", readonly=True)
        assert client.search(["SUBJECT", "grüße"], charset="UTF-8") == [2]
        with pytest.raises(IMAPClientError, match="BADCHARSET"):
            client.search(["SUBJECT", "x"], charset="KOI8-R")


def test_extended_search_gives_counts_and_ends(lab: World, searchable: Mailbox) -> None:
    """ESEARCH (RFC 4731), where it is offered."""
    with raw_imap(lab, searchable.name) as client:
        client.ask("s", "EXAMINE INBOX")
        assert client.ask("a", "UID SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN")[0] == (
            b'* ESEARCH (TAG "a") UID MIN 1 MAX 5 ALL 1,3:5 COUNT 4'
        )
        assert client.ask("b", "SEARCH RETURN () SEEN")[0] == b'* ESEARCH (TAG "b") ALL 2'
        assert client.ask("c", "SEARCH RETURN (COUNT) SUBJECT nirgends")[0] == b'* ESEARCH (TAG "c") COUNT 0'


def test_flags_are_set_added_and_taken_away(lab: World, box: Mailbox) -> None:
    r"""With the answer or silently; \Recent cannot be set."""
    uid = box.deliver(build())
    with imap(lab, box.name) as client:
        client.select_folder("INBOX")
        assert set(client.add_flags([uid], [SEEN, b"\\Recent", b"Projekt"])[uid]) == {b"\\Recent", SEEN, b"Projekt"}
        assert client.remove_flags([uid], [SEEN], silent=True) is None
        client.set_flags([uid], [FLAGGED])
    assert box.messages("INBOX")[0].flags == {"\\Flagged"}


def test_copy_move_and_append_tell_the_new_uids(lab: World, box: Mailbox) -> None:
    """UIDPLUS: COPYUID and APPENDUID; MOVE takes the message away here."""
    first, second = box.deliver(build()), box.deliver(build())
    with imap(lab, box.name) as client:
        client.select_folder("INBOX")
        client.copy([first, second], "Archiv")
        client.move([second], "Trash")
        assert client.search() == [first]
        at = datetime(2026, 5, 1, 8, 30, tzinfo=timezone(timedelta(hours=2)))
        appended = client.append("Archiv", build(), [SEEN], at)
        assert b"APPENDUID" in appended
        with pytest.raises(IMAPClientError, match="TRYCREATE"):
            client.append("Nirgends", build())
        client.select_folder("Archiv", readonly=True)
        assert client.fetch([3], ["INTERNALDATE", "FLAGS"])[3][b"FLAGS"][-1] == SEEN
    assert [(m.folder, m.uid) for m in box.messages()] == [("INBOX", 1), ("Archiv", 1), ("Archiv", 2), ("Archiv", 3),
                                                            ("Trash", 1)]  # fmt: skip


def test_the_answers_to_copy_and_move_carry_the_uids(lab: World, box: Mailbox) -> None:
    """COPYUID in the tagged answer to COPY, and before the EXPUNGEs of a MOVE (RFC 4315, RFC 6851)."""
    for _ in range(3):
        box.deliver(build())
    validity = lab.call(lambda: lab.hosts[box.name].account.find("Archiv").uid_validity)
    with raw_imap(lab, box.name) as client:
        client.ask("s", "SELECT INBOX")
        assert client.ask("a", "COPY 1,3 Archiv") == [b"a OK [COPYUID %d 1,3 1:2] Completed" % validity]
        assert client.ask("b", "UID MOVE 2:3 Archiv") == [
            b"* OK [COPYUID %d 2:3 3:4] Moved" % validity,
            b"* 3 EXPUNGE",
            b"* 2 EXPUNGE",
            b"b OK Completed",
        ]


def test_expunge_and_uid_expunge(lab: World, box: Mailbox) -> None:
    """UID EXPUNGE takes the named ones alone, CLOSE the rest."""
    uids = [box.deliver(build()) for _ in range(4)]
    with imap(lab, box.name) as client:
        client.select_folder("INBOX")
        client.delete_messages(uids[:3], silent=True)
        client.uid_expunge([uids[0]])
        assert client.search() == uids[1:]
        client.close_folder()
        assert [m.uid for m in box.messages("INBOX")] == [4]
        client.select_folder("INBOX")
        client.add_flags([4], [DELETED])
        _, untagged = client.expunge()
        assert [(number, word) for number, word in untagged if word == b"EXPUNGE"] == [(1, b"EXPUNGE")]


def test_another_sessions_changes_are_reported(lab: World, box: Mailbox) -> None:
    """New messages, flags and removals of others are told at the next command; message numbers stay right."""
    first, second = box.deliver(build()), box.deliver(build())
    with raw_imap(lab, box.name) as one, raw_imap(lab, box.name) as two:
        one.ask("a", "SELECT INBOX")
        two.ask("a", "SELECT INBOX")
        two.ask("b", f"UID STORE {first} +FLAGS (\\Deleted)")
        two.ask("c", "EXPUNGE")
        box.deliver(build())
        two.ask("d", f"UID STORE {second} +FLAGS.SILENT (\\Flagged)")
        # no EXPUNGE may come in a FETCH by message number (RFC 9051, section 7.5.1)
        fetched = one.ask("b", "FETCH 1:2 (UID)")
        assert not any(b"EXPUNGE" in line for line in fetched)
        assert b"* 2 FETCH (UID 2)" in fetched
        noop = one.ask("c", "NOOP")
        assert b"* 1 EXPUNGE" in noop
        assert one.ask("d", "FETCH 1:* (UID)")[:-1] == [b"* 1 FETCH (UID 2)", b"* 2 FETCH (UID 3)"]
        assert b"* 3 EXISTS" in fetched


def test_ten_thousand_messages_are_searched_in_about_a_millisecond(lab: World, box: Mailbox) -> None:
    """A Message-ID among 10,000: the server's own time, generously bounded."""
    wanted = unique_id("needle")
    filler = [build(message_id=f"filler-{n}@belmont.example") for n in range(50)]
    many = [raw.replace(b"@belmont", b"-%d@belmont" % n) for n in range(200) for raw in filler]
    box.deliver_many([*many[:5000], build(message_id=wanted), *many[5000:-1]])
    with imap(lab, box.name) as client:
        assert client.select_folder("INBOX", readonly=True)[b"EXISTS"] == 10_000
        best = 9.0
        for _ in range(5):
            before = time.perf_counter()
            assert client.search(["HEADER", "Message-ID", f"<{wanted}>"]) == [5001]
            best = min(best, time.perf_counter() - before)
        assert best < 0.05
        before = time.perf_counter()
        assert client.search(["UID", "9990:*", "HEADER", "Message-ID", wanted]) == []
        assert time.perf_counter() - before < 0.2
