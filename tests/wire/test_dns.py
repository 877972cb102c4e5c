"""What a question to the DNS gives: records, "there is none", or the reason why nobody could say."""

import time
from collections.abc import Callable

import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.wire.nameserver import Answering, reply, serving, silent
from toolkit.model.attempt import Failed, Got
from toolkit.wire import dns as door
from toolkit.wire.dns import DnsAnswer, DnsClient, Presence

_SOA = ("example. 300 IN SOA ns.example. host.example. 1 2 3 4 60",)


def ask(answering: Answering, name: str = "belmont.example", rdtype: str = "TXT", timeout: float = 2.0) -> object:
    """What a client gets from one server."""
    with serving(answering) as server:
        return DnsClient([server.name], timeout).ask(name, rdtype)


def got(outcome: object) -> DnsAnswer:
    """The answer, where there is one."""
    assert isinstance(outcome, Got), outcome
    assert isinstance(outcome.value, DnsAnswer)
    return outcome.value


def test_records_come_as_a_zone_file_has_them() -> None:
    """Sorted, since their order means nothing, with the time to live and the server that said so."""
    answer = got(
        ask(
            lambda question, _: reply(
                question, "belmont.example. 60 IN MX 20 b.example.", "belmont.example. 60 IN MX 10 a.example."
            ),
            rdtype="MX",
        )
    )
    assert (answer.presence, answer.records, answer.ttl) == (Presence.FOUND, ("10 a.example.", "20 b.example."), 60)
    assert (answer.name, answer.rdtype, answer.canonical) == ("belmont.example", "MX", "belmont.example")
    assert answer.server.startswith("127.0.0.1:")


def test_the_strings_of_a_txt_record_are_joined() -> None:
    """SPF and DKIM records are cut into strings without a space between them (RFC 7208, section 3.3)."""
    text = r'belmont.example. 60 IN TXT "v=spf1 ip4:192.0" ".2.10 -all \195\188 \255"'
    assert got(ask(lambda question, _: reply(question, text))).records == ("v=spf1 ip4:192.0.2.10 -all ü \\xff",)


def test_an_alias_is_followed_to_its_end() -> None:
    """The records are those of the last name, and the shortest time to live counts."""
    answer = got(
        ask(
            lambda question, _: reply(
                question, "belmont.example. 30 IN CNAME x.example.", 'x.example. 60 IN TXT "v=spf1 -all"'
            )
        )
    )
    assert (answer.canonical, answer.records, answer.ttl) == ("x.example", ("v=spf1 -all",), 30)


@pytest.mark.parametrize(
    ("rcode", "records", "presence"),
    [
        (dns.rcode.NXDOMAIN, (), Presence.NO_NAME),
        (dns.rcode.NOERROR, (), Presence.NO_DATA),
        (dns.rcode.NXDOMAIN, ("belmont.example. 30 IN CNAME gone.example.",), Presence.NO_NAME),
        (dns.rcode.NOERROR, ("belmont.example. 30 IN CNAME bare.example.",), Presence.NO_DATA),
    ],
    ids=["no such name", "no such record", "alias to no name", "alias to no record"],
)
def test_that_there_is_none_is_an_answer(rcode: int, records: tuple[str, ...], presence: Presence) -> None:
    """With the time for which that holds, from the zone's SOA."""
    answer = got(ask(lambda question, _: reply(question, *records, rcode=rcode, authority=_SOA)))
    assert (answer.presence, answer.records) == (presence, ())
    assert answer.ttl is not None
    assert answer.ttl <= 60


def test_an_absence_without_an_soa_holds_for_no_known_time() -> None:
    """It is an answer nevertheless."""
    answer = got(ask(lambda question, _: reply(question, rcode=dns.rcode.NXDOMAIN)))
    assert (answer.presence, answer.ttl) == (Presence.NO_NAME, None)


def _garbled(question: dns.message.QueryMessage, _: str) -> bytes:
    return reply(question)[:14]


def _referral(question: dns.message.QueryMessage, _: str) -> bytes:
    return reply(question, authority=("example. 60 IN NS ns.example.",))


def _rcode(rcode: int) -> Answering:
    return lambda question, _: reply(question, rcode=rcode)


@pytest.mark.parametrize(
    ("answering", "reason"),
    [
        (_rcode(dns.rcode.SERVFAIL), "servfail"),
        (_rcode(dns.rcode.REFUSED), "refused"),
        (_rcode(dns.rcode.NOTIMP), "protocol"),
        (_garbled, "protocol"),
        (_referral, "servfail"),
        (lambda _question, _: None, "timeout"),
    ],
    ids=["SERVFAIL", "REFUSED", "NOTIMP", "garbled", "referral", "silence"],
)
def test_what_nobody_would_say_is_a_failure_with_its_reason(answering: Answering, reason: str) -> None:
    """And never "there is none"."""
    outcome = ask(answering, timeout=0.3)
    assert isinstance(outcome, Failed)
    assert outcome.reason == reason
    assert "127.0.0.1:" in outcome.detail


def test_a_port_where_nothing_listens_fails_in_time() -> None:
    """Whether the kernel says so or not."""
    with silent() as name:
        pass
    started = time.monotonic()
    outcome = DnsClient([name], 0.3).ask("belmont.example", "MX")
    assert isinstance(outcome, Failed)
    assert outcome.reason in ("timeout", "unreachable")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "a..example", "x." * 130 + "example", "\udcff.example"])
def test_a_name_that_cannot_be_asked_for_is_no_missing_name(name: str) -> None:
    """No packet leaves for it."""
    with serving(_rcode(dns.rcode.NXDOMAIN)) as server:
        outcome = DnsClient([server.name], 1).ask(name, "MX")
        assert isinstance(outcome, Failed)
        assert outcome.reason == "bad-name"
        assert server.asked == []


def test_an_answer_too_big_for_udp_comes_over_tcp() -> None:
    """Long DKIM keys and lists of addresses need that."""
    long = 'belmont.example. 60 IN TXT "' + "x" * 250 + '"'

    def answering(question: dns.message.QueryMessage, transport: str) -> bytes:
        if transport == "tcp":
            return reply(question, long)
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.TC
        return answer.to_wire()

    with serving(answering) as server:
        answer = got(DnsClient([server.name], 2).ask("belmont.example", "TXT"))
        assert answer.records == ("x" * 250,)
        assert [transport for transport, _ in server.asked] == ["udp", "tcp"]


def test_a_lost_packet_is_asked_again() -> None:
    """One drop on the way makes no failure."""
    seen = []

    def answering(question: dns.message.QueryMessage, _: str) -> bytes | None:
        seen.append(question)
        return reply(question, 'belmont.example. 60 IN TXT "x"') if len(seen) > 1 else None

    assert got(ask(answering, timeout=1.0)).records == ("x",)


@pytest.mark.parametrize("first", [_rcode(dns.rcode.SERVFAIL), _rcode(dns.rcode.REFUSED), _garbled])
def test_the_next_server_is_asked_where_one_fails(first: Answering) -> None:
    """The answer says which one gave it."""
    with serving(first) as broken, serving(lambda question, _: reply(question)) as sound:
        answer = got(DnsClient([broken.name, sound.name], 2).ask("belmont.example", "TXT"))
    assert answer.server == sound.name


def test_all_servers_together_keep_to_the_time() -> None:
    """Three that are silent take no longer than one; a server that said SERVFAIL names the reason."""
    with silent() as one, silent() as two, serving(_rcode(dns.rcode.SERVFAIL)) as three:
        started = time.monotonic()
        outcome = DnsClient([one, two, three.name], 0.6).ask("belmont.example", "TXT")
        assert time.monotonic() - started < 1.5
        assert len(three.asked) == 1, "it has said its word"
    assert isinstance(outcome, Failed)
    assert outcome.reason == "servfail"


def test_an_answer_that_was_validated_says_so() -> None:
    """The AD flag of a validating resolver."""

    def answering(question: dns.message.QueryMessage, _: str) -> bytes:
        answer = dns.message.from_wire(reply(question))
        answer.flags |= dns.flags.AD
        return answer.to_wire()

    assert got(ask(answering)).authentic
    assert not got(ask(lambda question, _: reply(question))).authentic


@pytest.mark.parametrize(("servers", "reason"), [((), "no-nameserver"), ((("127.0.0.1", 1),), None)])
def test_without_name_servers_the_systems_own_are_asked(
    monkeypatch: pytest.MonkeyPatch, servers: tuple[tuple[str, int], ...], reason: str | None
) -> None:
    """And a system without any is told apart from one whose servers are silent."""
    system: Callable[[], tuple[tuple[str, int], ...]] = lambda: servers  # noqa: E731 - a stand-in
    monkeypatch.setattr(door, "system_nameservers", system)
    outcome = DnsClient([], 0.2).ask("belmont.example", "TXT")
    assert isinstance(outcome, Failed)
    assert outcome.reason == reason if reason else outcome.reason in ("timeout", "unreachable")
