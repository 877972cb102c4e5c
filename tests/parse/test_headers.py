"""What can be read of a header section is read, whatever its state."""

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.model.placement import Header
from toolkit.parse.headers import decode_words, every, first, parse_headers


def pairs(raw: bytes, **options: int) -> list[tuple[str, str]]:
    """(name, body) of what is read."""
    return [(header.name, header.value) for header in parse_headers(raw, **options)]


def test_fields_come_topmost_first_and_unfolded() -> None:
    """A folded field is one line; the body of the message is not looked at."""
    raw = b"Received: from a\r\n\tby b;\r\n Mon\r\nSubject:Hallo \r\nX-Empty:\r\n\r\nTo: not a header\r\n"
    assert pairs(raw) == [("Received", "from a\tby b; Mon"), ("Subject", "Hallo"), ("X-Empty", "")]


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\r\r\n"])
def test_every_kind_of_line_end_is_one(end: bytes) -> None:
    """CR, LF, CR LF and the CR CR LF of some gateways."""
    raw = end.join([b"A: 1", b" 2", b"B: 3", b"", b"C: body"])
    assert pairs(raw) == [("A", "1 2"), ("B", "3")]


def test_line_ends_may_be_mixed() -> None:
    """A relay that writes LF between lines with CR LF."""
    assert pairs(b"A: 1\nB: 2\r\nC: 3\rD: 4\n\r\nE: 5") == [("A", "1"), ("B", "2"), ("C", "3"), ("D", "4")]


def test_eight_bit_bytes_are_utf8_or_else_latin1() -> None:
    """Raw umlauts are read in both encodings."""
    assert pairs("Subject: Grüße\n".encode()) == [("Subject", "Grüße")]
    assert pairs("Subject: Grüße\n".encode("latin-1")) == [("Subject", "Grüße")]


def test_an_mbox_line_and_garbage_are_skipped() -> None:
    """The fields around them are kept; a fold that belongs to garbage goes with it."""
    raw = b"From a@b.example Sat Nov 14 02:20:11 2026\nA: 1\nno field at all\n folded garbage\n: no name\nB : 2\n"
    assert pairs(raw) == [("A", "1"), ("B", "2")]


def test_empty_lines_on_top_do_not_hide_the_header() -> None:
    """Pasted messages begin with a blank line."""
    assert pairs(b"\r\n\nA: 1\n\nbody: x") == [("A", "1")]


def test_a_section_cut_off_is_read_as_far_as_it_goes() -> None:
    """Neither the end of the data nor the limit loses what stands before."""
    assert pairs(b"A: 1\nB: tw") == [("A", "1"), ("B", "tw")]
    assert pairs(b"A: 1\nB: " + b"x" * 100, limit=20) == [("A", "1"), ("B", "x" * 12)]


def test_nul_bytes_do_not_reach_the_database() -> None:
    """PostgreSQL refuses NUL in text."""
    assert pairs(b"A: x\0y") == [("A", "x\ufffdy")]


def test_encoded_words_stay_unless_asked_for() -> None:
    """The header is evidence as found; `decode_words` is for people."""
    (subject,) = parse_headers(b"Subject: =?utf-8?q?Ihre_Buchungsbest=C3=A4tigung?=\n")
    assert subject == Header("Subject", "=?utf-8?q?Ihre_Buchungsbest=C3=A4tigung?=")
    assert decode_words(subject.value) == "Ihre Buchungsbestätigung"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        ("=?utf-8?b?R3LDvMOf?= =?utf-8?b?ZQ==?=", "Grüße"),
        ("=?utf-8?q?=C3?=  =?utf-8?q?=BC?=", "ü"),  # one character over two words
        ("=?iso-8859-1?q?=FC?= =?utf-8?q?=C3=BC?=", "üü"),
        ("x =?utf-8*de?q?=C3=BC?= y =?utf-8?q?=C3=BC?= z", "x ü y ü z"),
        ("=?no-such-charset?q?=C3=BC?=", "ü"),
        ("=?unicode_escape?q?=5Cx41?=", "\\x41"),
        ("=?punycode?q?abc-?=", "abc-"),
        ("=?hex_codec?q?41?=", "41"),
        ("=?utf-8?b?!!!?= =?utf-8?q?a?=", "=?utf-8?b?!!!?= a"),  # nothing to decode
        ("=?utf-8?b?R3LDvMOfZ?=", "Grüß"),  # cut off
        ("=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        ("=?windows-1252?Q?=80?=", "€"),
        ("plain", "plain"),
    ],
)
def test_encoded_words_are_read_for_people(value: str, text: str) -> None:
    """Unknown charsets and broken words never raise."""
    assert decode_words(value) == text


def test_fields_are_found_by_name_in_any_case() -> None:
    """`first` is the topmost, `every` keeps the order."""
    headers = parse_headers(b"RECEIVED: 1\nTo: x\nreceived: 2\n")
    assert (first(headers, "Received"), every(headers, "received")) == ("1", ("1", "2"))
    assert (first(headers, "Cc"), every(headers, "Cc")) == (None, ())


@settings(deadline=None, derandomize=True)
@given(st.binary(max_size=400) | st.text(alphabet="aA:= \t\r\n?\0Bq.ü", max_size=400).map(str.encode))
def test_no_bytes_crash_it(raw: bytes) -> None:
    """Whatever comes, names are plain, bodies have no line ends, and everything can be stored."""
    for header in parse_headers(raw):
        assert header.name.isascii()
        assert ":" not in header.name
        assert not set(header.value) & set("\r\n\0")
        header.value.encode()
        decode_words(header.value).encode()


@settings(deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,10}", fullmatch=True), st.from_regex(r"[!-~]{0,20}", fullmatch=True)
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["\r\n", "\n", "\r"]),
)
def test_what_was_written_is_read_back(fields: list[tuple[str, str]], end: str) -> None:
    """A sound section comes back as it was, however its lines end and with a fold in every field."""
    raw = "".join(f"{name}:{end} {value}{end}" for name, value in fields) + end + "body: x"
    assert pairs(raw.encode()) == fields


HOSTILE = {
    "one long line": b"x" * 1_000_000,
    "folds": b"A:\n" + b" \n" * 400_000,
    "carriage returns": b"A: b" + b"\r" * 800_000,
    "fields": b"a:b\n" * 200_000,
    "words": b"A: " + b"=?x?q?a" * 100_000,
    "charsets": b"A: " + b" ".join(b"=?c%d?q?=C3?=" % i for i in range(60_000)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_sections_take_bounded_time(kind: str) -> None:
    """A quarter of a megabyte is looked at, in well under two seconds, whatever stands in it."""
    start = process_time()
    for header in parse_headers(HOSTILE[kind]):
        decode_words(header.value)
    assert process_time() - start < 2
