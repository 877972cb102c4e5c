"""Received fields of the servers that write them."""

import itertools
from datetime import UTC, datetime, timedelta, timezone
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.parse.dates import parse_date
from toolkit.parse.lexer import Kind, tokens
from toolkit.parse.received import Received, parse_received

AT = datetime(2026, 11, 18, 8, 12, 40, tzinfo=UTC)
DATE = "Wed, 18 Nov 2026 08:12:40 +0000"

DIALECTS = {
    "postfix": (
        (
            "from shop.example (unknown [192.0.2.10]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
            " key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)"
            " (No client certificate requested) by mx.inbox.example (Postfix) with ESMTPS id 4jTvV02Tsyz216"
            f" for <anna@inbox.example>; {DATE} (UTC)"
        ),
        Received(
            "shop.example", "192.0.2.10", "mx.inbox.example", "ESMTPS", "4jTvV02Tsyz216", "anna@inbox.example", AT
        ),
    ),
    "postfix, own": (
        f"by mx.inbox.example (Postfix, from userid 1000) id 4jShxl15; {DATE}",
        Received(None, None, "mx.inbox.example", None, "4jShxl15", None, AT),
    ),
    "postfix, helo with another address": (
        f"from [10.0.0.5] (host.example [IPv6:2001:db8::1]) by mx.inbox.example with ESMTP id 1; {DATE}",
        Received("10.0.0.5", "2001:db8::1", "mx.inbox.example", "ESMTP", "1", None, AT),
    ),
    "exim, name known": (
        (
            "from mail.shop.example ([192.0.2.10]:51234 helo=helo.shop.example) by mx.inbox.example with esmtps"
            " (TLS1.3) tls TLS_AES_256_GCM_SHA384 (Exim 4.96) (envelope-from <a@shop.example>) id 1tCabc-0001Zz-0AbC"
            f" for anna@inbox.example; {DATE}"
        ),
        Received(
            "mail.shop.example",
            "192.0.2.10",
            "mx.inbox.example",
            "esmtps",
            "1tCabc-0001Zz-0AbC",
            "anna@inbox.example",
            AT,
        ),
    ),
    "exim, name unknown": (
        f"from [192.0.2.10] (port=4711 helo=[10.1.1.1]) by mx.inbox.example with esmtp (Exim 4.96) id 1t-0; {DATE}",
        Received("10.1.1.1", "192.0.2.10", "mx.inbox.example", "esmtp", "1t-0", None, AT),
    ),
    "gmail, inside": (
        "by 2002:a05:6402:5189:b0:64a:3f21:9c11 with SMTP id q9csp812345edd; Wed, 18 Nov 2026 00:12:40 -0800 (PST)",
        Received(None, None, "2002:a05:6402:5189:b0:64a:3f21:9c11", "SMTP", "q9csp812345edd", None, AT),
    ),
    "gmail, border": (
        (
            "from mail.shop.example (mail.shop.example. [192.0.2.10]) by mx.google.com with ESMTPS id 4fb4d7f45d1cf"
            " for <anna@gmail.example> (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);"
            " Wed, 18 Nov 2026 00:12:40 -0800 (PST)"
        ),
        Received(
            "mail.shop.example", "192.0.2.10", "mx.google.com", "ESMTPS", "4fb4d7f45d1cf", "anna@gmail.example", AT
        ),
    ),
    "microsoft": (
        (
            "from AM0PR05MB4531.eurprd05.prod.outlook.com (2603:10a6:208:bf::12) by"
            " DB9PR05MB9876.eurprd05.prod.outlook.com (2603:10a6:10:1::2) with Microsoft SMTP Server (cipher=X) id"
            f" 15.20.9343.9 via Frontend Transport; {DATE}"
        ),
        Received(
            "AM0PR05MB4531.eurprd05.prod.outlook.com",
            "2603:10a6:208:bf::12",
            "DB9PR05MB9876.eurprd05.prod.outlook.com",
            "Microsoft SMTP Server",
            "15.20.9343.9",
            None,
            AT,
        ),
    ),
    "microsoft, mapi": (
        f"from A.outlook.com ([fe80::1:2:3%4]) by A.outlook.com ([fe80::1:2:3%4]) with mapi id 15.20.1; {DATE}",
        Received("A.outlook.com", "fe80::1:2:3", "A.outlook.com", "mapi", "15.20.1", None, AT),
    ),
    "qmail, network": (
        (
            "from unknown (HELO mail.shop.example) (user@192.0.2.10) by mx.inbox.example with ESMTPS;"
            " 18 Nov 2026 08:12:40 -0000"
        ),
        Received("mail.shop.example", "192.0.2.10", "mx.inbox.example", "ESMTPS", None, None, AT),
    ),
    "qmail, local": (
        "(qmail 12345 invoked by uid 89); 18 Nov 2026 08:12:40 -0000",
        Received(None, None, None, None, None, None, AT),
    ),
    "dovecot lmtp": (
        (
            "from mx.inbox.example ([127.0.0.1]) by imap.inbox.example with LMTP id 8KcKJ3yFHGcB (envelope-from"
            f" <a@shop.example>) for <anna@inbox.example>; {DATE}"
        ),
        Received(
            "mx.inbox.example", "127.0.0.1", "imap.inbox.example", "LMTP", "8KcKJ3yFHGcB", "anna@inbox.example", AT
        ),
    ),
    "sendmail": (
        (
            "from helo.example (IDENT:u@rdns.example [192.0.2.10] (may be forged)) by mx.inbox.example (8.17.1/8.17.1)"
            " with ESMTPS id 5AI8Cabc012345 (version=TLSv1.3 cipher=X bits=256 verify=NO) for <anna@inbox.example>;"
            " Wed, 18 Nov 2026 09:12:40 +0100"
        ),
        Received(
            "helo.example", "192.0.2.10", "mx.inbox.example", "ESMTPS", "5AI8Cabc012345", "anna@inbox.example", AT
        ),
    ),
    "kundenserver": (
        (
            "from mail.shop.example ([192.0.2.10]) by mx.kundenserver.de (mxeue102 [212.227.17.8]) with ESMTPS"
            f" (Nemesis) id 1MrPyJ-1tX2Ab3Cd-00oWXY for <anna@inbox.example>; {DATE}"
        ),
        Received(
            "mail.shop.example",
            "192.0.2.10",
            "mx.kundenserver.de",
            "ESMTPS",
            "1MrPyJ-1tX2Ab3Cd-00oWXY",
            "anna@inbox.example",
            AT,
        ),
    ),
    "yahoo": (
        (f"from 192.0.2.10 (EHLO mail.shop.example) by 10.217.150.1 with SMTPs (version=TLS1_3 cipher=X); {DATE}"),
        Received("mail.shop.example", "192.0.2.10", "10.217.150.1", "SMTPs", None, None, AT),
    ),
    "yahoo, older": (
        f"from 127.0.0.1  (EHLO mail.shop.example) (192.0.2.10) by mta1.mail.bf1.yahoo.com with SMTPS; {DATE}",
        Received("mail.shop.example", "192.0.2.10", "mta1.mail.bf1.yahoo.com", "SMTPS", None, None, AT),
    ),
    "amazon": (
        (
            "from a1-2.smtp-out.eu-west-1.amazonses.com (a1-2.smtp-out.eu-west-1.amazonses.com [54.240.1.2]) by"
            " inbound-smtp.eu-west-1.amazonaws.com with SMTP id o1u2i3 for anna@inbox.example;"
            " Wed, 18 Nov 2026 08:12:40 +0000 (UTC)"
        ),
        Received(
            "a1-2.smtp-out.eu-west-1.amazonses.com",
            "54.240.1.2",
            "inbound-smtp.eu-west-1.amazonaws.com",
            "SMTP",
            "o1u2i3",
            "anna@inbox.example",
            AT,
        ),
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_is_understood(dialect: str) -> None:
    """Who handed it over, from where, to whom, when."""
    value, expected = DIALECTS[dialect]
    found = parse_received(value)
    assert found is not None
    assert found.from_address is None or "%" not in found.from_address
    assert found == expected


def test_a_semicolon_in_a_comment_is_not_the_date() -> None:
    """Comments nest and may hold anything."""
    found = parse_received(f"from a (b; (c; d)) by e (f; g); {DATE}")
    assert found is not None
    assert (found.from_name, found.by, found.at) == ("a", "e", AT)


@pytest.mark.parametrize("value", [f"from a (never closed by b; {DATE}", f'from "a by b; {DATE}'])
def test_a_parenthesis_that_is_never_closed_loses_no_date(value: str) -> None:
    """Relays cut long fields."""
    found = parse_received(value)
    assert found is not None
    assert (found.by, found.at) == ("b", AT)


@pytest.mark.parametrize("value", ["", ";", "hello", "(comment)", ";;;", "from"])
def test_what_is_no_received_field_gives_nothing_to_believe(value: str) -> None:
    """No clause and no date: no hop is made up."""
    found = parse_received(value)
    assert found is None or set(vars_of(found)) == {None}


def vars_of(found: Received) -> list[object]:
    """The field values."""
    return [getattr(found, name) for name in found.__dataclass_fields__]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wed, 18 Nov 2026 08:12:40 +0000", AT),
        ("18 Nov 26 8:12:40 GMT", AT),
        ("Wed, 18 Nov 2026 09:12:40 +0100 (CET)", AT),
        ("Wed, 18 Nov 2026 00:12:40 PST", AT),
        ("Wed, 18-Nov-2026 08:12:40 -0000", AT),
        ("18 Nov 2026 08:12:40.2154 (UTC)", AT + timedelta(microseconds=215400)),
        ("Wed Nov 18 08:12:40 UTC 2026", AT),
        ("Wed, 18 Nov 2026 13:57:40 +0545", AT),
        ("Wed, 18 Nov 2026 08:12:60 +0000", AT.replace(second=59)),
        ("Wed, 18 Nov 2026 08:12 +0000", AT.replace(second=0)),
        ("18 Nov 2036 08:12:40 +0000", AT.replace(year=2036)),
        ("Wed, 18 Nov 2026 08:12:40", None),  # no zone: no time
        ("Wed, 18 Nov 2026 08:12:40 XYZ", None),
        ("Wed, 31 Feb 2026 08:12:40 +0000", None),
        ("Wed, 18 Foo 2026 08:12:40 +0000", None),
        ("Wed, 18 Nov 2026 08:12:40 +9900", None),
        ("18 Nov 0001 08:12:40 +0000", None),
        ("", None),
    ],
)
def test_dates_are_aware_or_none(text: str, expected: datetime | None) -> None:
    """The zone counts; a stamp that cannot be placed in time is missing."""
    assert parse_date(text) == expected


def test_the_zone_is_kept_as_written() -> None:
    """The evidence shows the server's own wall clock."""
    found = parse_date("Wed, 18 Nov 2026 09:12:40 +0100")
    assert found is not None
    assert found.tzinfo == timezone(timedelta(hours=1))


def test_the_lexer_keeps_comments_and_quoted_strings_together() -> None:
    """Escapes, nesting and glued comments."""
    found = [(token.kind, token.text) for token in tokens(r'a=pass(p=NONE; (x\)y)) "b; \"c\""@d;e "(" f')]
    assert found == [
        (Kind.WORD, "a=pass"),
        (Kind.COMMENT, r"p=NONE; (x\)y)"),
        (Kind.WORD, 'b; "c"@d'),
        (Kind.SEPARATOR, ";"),
        (Kind.WORD, "e"),
        (Kind.WORD, "("),
        (Kind.WORD, "f"),
    ]


@settings(deadline=None, derandomize=True)
@given(st.text(alphabet='ab()"\\; \t[]:.<>0fromby', max_size=120) | st.text(max_size=200))
def test_no_text_crashes_it(value: str) -> None:
    """Whatever a server writes."""
    found = parse_received(value)
    assert found is None or found.at is None or found.at.tzinfo is not None
    parsed = tokens(value)
    assert all(one.end <= two.start for one, two in itertools.pairwise(parsed))
    parse_date(value)


FIRST, LAST = (datetime.fromisoformat(day) for day in ("1970-01-02", "9998-12-30"))  # naive: a zone is drawn too


@settings(deadline=None, derandomize=True)
@given(st.datetimes(min_value=FIRST, max_value=LAST), st.integers(-1439, 1439))
def test_every_date_is_read_back(moment: datetime, minutes: int) -> None:
    """All dates with all zones that RFC 5322 can write."""
    zone = timezone(timedelta(minutes=minutes))
    stamp = moment.replace(microsecond=0, tzinfo=zone)
    sign = "-" if minutes < 0 else "+"
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][stamp.month - 1]
    text = f"{stamp.day} {month} {stamp.year:04} {stamp:%H:%M:%S} {sign}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    assert parse_date(text) == stamp


@pytest.mark.parametrize(
    "unit", ["(", ")", '"', "\\", "(a) ", "from by ", "[1.2.3.4 ", "; ", "(helo=", "[", '"(', "a:"]
)
def test_hostile_fields_take_linear_time(unit: str) -> None:
    """A quarter of a megabyte of one piece of the grammar in under two seconds: no step looks at the whole again."""
    start = process_time()
    parse_received("from a " + unit * (250_000 // len(unit)))
    assert process_time() - start < 2
