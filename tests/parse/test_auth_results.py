"""Authentication-Results as providers write it, and what is believed of it for a seed."""

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.derive.authentication import auth_results
from toolkit.derive.trace import Trace
from toolkit.model.placement import AuthResult, Header
from toolkit.parse.auth_results import AuthenticationResults, MethodResult, parse_auth_results

GMAIL = (
    "mx.google.com; dkim=pass header.i=@shop.example header.s=s1 header.b=abc=;"
    " spf=pass (google.com: domain of a@shop.example designates 192.0.2.1 as permitted sender)"
    " smtp.mailfrom=a@shop.example;"
    " dmarc=fail (p=REJECT sp=REJECT dis=NONE) header.from=shop.example"
)
MICROSOFT = (
    "spf=pass (sender IP is 192.0.2.7) smtp.mailfrom=shop.example; dkim=pass (signature was verified)"
    " header.d=shop.example;dmarc=bestguesspass action=none header.from=shop.example;compauth=pass reason=109"
)
YAHOO = (
    "atlas-production.v2-mail-prod1-gq1.omega.yahoo.com; dkim=pass header.i=@shop.example header.s=2023"
    " arc_overridden_status=NOT_OVERRIDDEN; spf=pass smtp.mailfrom=shop.example arc_overridden_status=NOT_OVERRIDDEN;"
    " dmarc=pass(p=NONE,sp=QUARANTINE) header.from=shop.example arc_overridden_status=NOT_OVERRIDDEN;"
)
ICLOUD = (
    'bimi.icloud.com; bimi=skipped reason="insufficient dmarc"',
    "dmarc.icloud.com; dmarc=pass header.from=shop.example",
    "dkim-verifier.icloud.com; dkim=pass (2048-bit key) header.d=shop.example header.i=@shop.example header.b=Xy",
    "spf.icloud.com; spf=pass (spf.icloud.com: a@shop.example designates 192.0.2.1) smtp.mailfrom=a@shop.example",
)


def summary(value: str) -> tuple[str | None, list[tuple[str, str]]]:
    """Who speaks, and (method, result) in order."""
    found = parse_auth_results(value)
    return found.authserv_id, [(result.method, result.result) for result in found.results]


@pytest.mark.parametrize(
    ("value", "speaker", "results"),
    [
        (GMAIL, "mx.google.com", [("dkim", "pass"), ("spf", "pass"), ("dmarc", "fail")]),
        (MICROSOFT, None, [("spf", "pass"), ("dkim", "pass"), ("dmarc", "bestguesspass"), ("compauth", "pass")]),
        (
            YAHOO,
            "atlas-production.v2-mail-prod1-gq1.omega.yahoo.com",
            [("dkim", "pass"), ("spf", "pass"), ("dmarc", "pass")],
        ),
        (ICLOUD[0], "bimi.icloud.com", [("bimi", "skipped")]),
        ("mx.example 1; none", "mx.example", []),
        ("MX.Example.; DKIM=Pass", "mx.example", [("dkim", "pass")]),
        (
            "mx.example; dkim/1=pass; spf = fail smtp.mailfrom = a.example",
            "mx.example",
            [("dkim", "pass"), ("spf", "fail")],
        ),
        (
            "mx.example; spf=pass smtp.mailfrom=a dkim=fail header.d=b",
            "mx.example",
            [("spf", "pass"), ("dkim", "fail")],
        ),
        ("mx.example spf=pass", "mx.example", [("spf", "pass")]),
        (
            "mta1.mail.yahoo.example  from=a.example; domainkeys=neutral (no sig);  from=a.example; dkim=pass (ok)",
            "mta1.mail.yahoo.example",
            [("domainkeys", "neutral"), ("dkim", "pass")],
        ),
        (
            "mx1.messagingengine.com; x-csa=none; x-ptr=pass x-ptr-helo=a; iprev=pass",
            "mx1.messagingengine.com",
            [("x-csa", "none"), ("x-ptr", "pass"), ("iprev", "pass")],
        ),
        (
            "mx.example; spf=pass (a (b; c) d; e) smtp.mailfrom=x; dkim=none",
            "mx.example",
            [("spf", "pass"), ("dkim", "none")],
        ),
        ("", None, []),
        (";;;", None, []),
        ("mx.example", "mx.example", []),
    ],
)
def test_every_provider_is_understood(value: str, speaker: str | None, results: list[tuple[str, str]]) -> None:
    """Speakers and results, with each provider's deviations."""
    assert summary(value) == (speaker, results)


def test_reason_comment_and_properties_are_kept() -> None:
    """DMARC's policy stands in a comment at Gmail, compauth's code in a reason at Microsoft."""
    gmail = parse_auth_results(GMAIL).results
    assert gmail[0] == MethodResult(
        "dkim", "pass", properties=(("header.i", "@shop.example"), ("header.s", "s1"), ("header.b", "abc="))
    )
    assert gmail[2].comment == "p=REJECT sp=REJECT dis=NONE"
    microsoft = parse_auth_results(MICROSOFT).results
    assert (microsoft[2].get("action"), microsoft[3].reason) == ("none", "109")
    assert parse_auth_results(YAHOO).results[2].comment == "p=NONE,sp=QUARANTINE"
    assert parse_auth_results(ICLOUD[0]).results[0].reason == "insufficient dmarc"
    quoted = parse_auth_results('mx.example; spf=pass reason="a; b (c" smtp.mailfrom="x y"@a.example')
    assert quoted.results == (MethodResult("spf", "pass", "a; b (c", None, (("smtp.mailfrom", "x y@a.example"),)),)


def test_an_arc_set_says_its_instance() -> None:
    """The same grammar after "i=2;"."""
    found = parse_auth_results("i=2; mx.google.com; spf=fail smtp.mailfrom=a.example")
    assert (found.instance, found.authserv_id, found.results[0].result) == (2, "mx.google.com", "fail")


def above(*values: str, below: tuple[str, ...] = ()) -> Trace:
    """A trace with these Authentication-Results."""
    name = "Authentication-Results"
    return Trace(tuple(Header(name, value) for value in values), tuple(Header(name, value) for value in below))


def test_the_provider_speaks_for_itself_where_it_names_no_server() -> None:
    """Microsoft writes no authserv-id."""
    assert auth_results(above(MICROSOFT), "outlook") == (
        AuthResult("outlook", "spf", "pass", "shop.example"),
        AuthResult("outlook", "dkim", "pass", "shop.example"),
        AuthResult("outlook", "dmarc", "bestguesspass", "shop.example"),
        AuthResult("outlook", "compauth", "pass", None),
    )


def test_the_fields_of_one_provider_are_one_opinion() -> None:
    """ICloud writes a field per method; the first alone would show no DMARC."""
    found = auth_results(above(*ICLOUD), "icloud")
    assert {result.by for result in found} == {"icloud.com"}
    assert [(result.method, result.result, result.domain) for result in found] == [
        ("bimi", "skipped", None),
        ("dmarc", "pass", "shop.example"),
        ("dkim", "pass", "shop.example"),
        ("spf", "pass", "shop.example"),
    ]


def test_the_domain_comes_from_what_each_method_judged() -> None:
    """header.i, smtp.mailfrom and header.from, without local parts."""
    assert auth_results(above(GMAIL), "gmail") == (
        AuthResult("mx.google.com", "dkim", "pass", "shop.example"),
        AuthResult("mx.google.com", "spf", "pass", "shop.example"),
        AuthResult("mx.google.com", "dmarc", "fail", "shop.example"),
    )
    (empty,) = auth_results(above("mx.example; spf=pass smtp.mailfrom=<> smtp.helo=mail.shop.example"), "x")
    assert empty.domain == "mail.shop.example"


def test_a_relays_opinion_is_not_mixed_with_the_providers() -> None:
    """The topmost field is the last server's; another organisation's below it is not the receiver's."""
    relay = "relay.mimecast.com; spf=fail smtp.mailfrom=shop.example"
    assert auth_results(above(MICROSOFT, relay), "outlook") == auth_results(above(MICROSOFT), "outlook")
    assert auth_results(above(GMAIL, MICROSOFT, relay), "gmail") == auth_results(above(GMAIL), "gmail")


def test_what_stands_below_our_own_header_is_not_believed() -> None:
    """Anybody can write there. No field is no result."""
    assert auth_results(above(below=(GMAIL,)), "gmail") == ()
    assert auth_results(Trace((Header("ARC-Authentication-Results", "i=1; " + GMAIL),), ()), "gmail") == ()


@settings(deadline=None, derandomize=True)
@given(st.text(alphabet='ab=; .()"\\@dkimspf\t1', max_size=100) | st.text(max_size=100))
def test_no_text_crashes_it(value: str) -> None:
    """Whatever a server writes, results have names."""
    found = parse_auth_results(value)
    assert isinstance(found, AuthenticationResults)
    assert all(result.method for result in found.results)
    auth_results(above(value, GMAIL, value), "x")


@pytest.mark.parametrize("unit", ["a=b ", "a= ", "= ", "spf=", "spf=pass ", ";", "(", "()", '"', "a=(b)", "a", "a="])
def test_hostile_fields_take_linear_time(unit: str) -> None:
    """A quarter of a megabyte in under two seconds."""
    start = process_time()
    auth_results(above("mx.example; " + unit * (250_000 // len(unit))), "x")
    assert process_time() - start < 2
