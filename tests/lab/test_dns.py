"""DNS answers as a resolver's would: what is there, what is not, and what went wrong on the way."""

import socket

import dns.exception
import dns.flags
import dns.rcode
import pytest

from tests.lab.clients import resolve
from toolkit.lab.dns_zones import Zones, quoted_text, reversed_address
from toolkit.lab.world import World


def _values(world: World, name: str, rtype: str, **how: bool) -> list[str]:
    return sorted(rdata.to_text() for rrset in resolve(world, name, rtype, **how).answer for rdata in rrset)


def test_the_healthy_sender_is_healthy_in_dns(lab: World) -> None:
    """SPF, DMARC, MX and forward-confirmed reverse DNS of belmont.example are there."""
    assert _values(lab, "belmont.example", "TXT") == ['"v=spf1 ip4:192.0.2.10 -all"']
    assert "p=reject" in _values(lab, "_dmarc.belmont.example", "TXT")[0]
    assert _values(lab, "belmont.example", "MX") == ["10 mail.belmont.example."]
    assert _values(lab, "10.2.0.192.in-addr.arpa", "PTR") == ["mail.belmont.example."]
    assert _values(lab, "mail.belmont.example", "A") == ["192.0.2.10"]


def test_a_long_key_record_is_cut_over_udp_without_edns_and_whole_over_tcp(lab: World) -> None:
    """A resolver that heeds the TC flag gets the whole RSA key."""
    name = "s1._domainkey.belmont.example"
    lab.change_dns(lambda zones: zones.add("long.belmont.example", "TXT", "x" * 700))
    cut = resolve(lab, "long.belmont.example", "TXT")
    assert cut.flags & dns.flags.TC
    assert not cut.answer
    (value,) = _values(lab, "long.belmont.example", "TXT", tcp=True)
    assert value.count("x") == 700
    assert "v=DKIM1" in _values(lab, name, "TXT", tcp=True)[0]


@pytest.mark.parametrize(
    ("name", "rtype", "rcode"),
    [
        ("nowhere.example", "A", dns.rcode.NXDOMAIN),
        ("belmont.example", "AAAA", dns.rcode.NOERROR),  # the name exists, that type does not
        ("_tcp.mail.belmont.example", "TXT", dns.rcode.NXDOMAIN),
        ("_tls.belmont.example", "A", dns.rcode.NOERROR),
        ("_smtp.belmont.example", "TXT", dns.rcode.NXDOMAIN),
        ("pool.example", "A", dns.rcode.NOERROR),  # exists through host77.pool.example alone (RFC 8020)
        ("entirely.elsewhere.test", "A", dns.rcode.NXDOMAIN),
    ],
)
def test_no_such_name_and_no_such_type_are_told_apart(lab: World, name: str, rtype: str, rcode: int) -> None:
    """NXDOMAIN and an empty answer mean different things, and both carry a SOA."""
    answer = resolve(lab, name, rtype)
    assert answer.rcode() == rcode
    assert not answer.answer
    assert [rrset.rdtype.name for rrset in answer.authority] == ["SOA"]


def test_aliases_are_followed(lab: World) -> None:
    """A question about an alias is answered with the alias and with what it leads to."""
    assert _values(lab, "www.belmont.example", "A") == ["192.0.2.80", "belmont.example."]


def test_a_wildcard_answers_below_itself_and_not_beside_what_exists(lab: World) -> None:
    """RFC 4592: the closest encloser decides."""
    lab.change_dns(lambda zones: zones.add("*.wild.example", "A", "192.0.2.77"))
    lab.change_dns(lambda zones: zones.add("known.wild.example", "TXT", "here"))
    assert _values(lab, "any.deep.wild.example", "A") == ["192.0.2.77"]
    assert resolve(lab, "known.wild.example", "A").rcode() == dns.rcode.NOERROR
    assert _values(lab, "known.wild.example", "A") == []
    assert resolve(lab, "below.known.wild.example", "A").rcode() == dns.rcode.NXDOMAIN


def test_the_block_list_names_the_listed_address_and_its_test_point(lab: World) -> None:
    """RFC 5782: 127.0.0.2 is listed, 127.0.0.1 is not, and TXT says where to read more."""
    assert _values(lab, "77.100.51.198.bl.lab.example", "A") == ["127.0.0.2"]
    assert "lists.lab.example/198.51.100.77" in _values(lab, "77.100.51.198.bl.lab.example", "TXT")[0]
    assert _values(lab, "2.0.0.127.bl.lab.example", "A") == ["127.0.0.2"]
    assert resolve(lab, "1.0.0.127.bl.lab.example", "A").rcode() == dns.rcode.NXDOMAIN
    assert resolve(lab, "10.2.0.192.bl.lab.example", "A").rcode() == dns.rcode.NXDOMAIN


def test_a_list_can_refuse_to_answer(lab: World) -> None:
    """What Spamhaus tells a public resolver is no listing: an error code for everything, the test point included."""

    def refuse(zones: Zones) -> None:
        zones.add_blocklist("closed.lab.example")
        zones.refuse_queries("closed.lab.example")

    lab.change_dns(refuse)
    assert _values(lab, "2.0.0.127.closed.lab.example", "A") == ["127.255.255.254"]
    assert _values(lab, "10.2.0.192.closed.lab.example", "A") == ["127.255.255.254"]


def test_ipv6_addresses_are_listed_by_nibbles() -> None:
    """RFC 5782, section 2.4."""
    assert reversed_address("2001:db8::1").startswith("1.0.0.0.0.0")
    assert reversed_address("2001:db8::1").endswith("8.b.d.0.1.0.0.2")
    assert reversed_address("192.0.2.10") == "10.2.0.192"


@pytest.mark.parametrize("kind", ["servfail", "refused", "nxdomain"])
def test_a_fault_gives_its_code(lab: World, kind: str) -> None:
    """A name can fail while its neighbours answer; healed, it answers again."""
    name = f"{kind}.belmont.example"
    lab.change_dns(lambda zones: zones.add(name, "A", "192.0.2.11"))
    lab.change_dns(lambda zones: zones.fault(name, kind))  # type: ignore[arg-type]  # the parameter's values
    assert dns.rcode.to_text(resolve(lab, name, "A").rcode()).lower() == kind
    assert _values(lab, "mail.belmont.example", "A") == ["192.0.2.10"]
    lab.change_dns(lambda zones: zones.heal(name))
    assert _values(lab, name, "A") == ["192.0.2.11"]


def test_a_dropped_question_gets_no_answer_and_is_in_the_log(lab: World) -> None:
    """A time-out can be told from an error."""
    lab.change_dns(lambda zones: zones.fault("silent.example", "drop"))
    with pytest.raises(dns.exception.Timeout):
        resolve(lab, "silent.example", "A", timeout=0.15)
    log = [query for query in lab.queries if query.name == "silent.example."]
    assert [(query.rtype, query.transport, query.result) for query in log] == [("A", "udp", "dropped")]


def test_a_delay_and_a_fault_of_one_type_alone(lab: World) -> None:
    """A fault may hit one type of record and leave the others."""
    lab.change_dns(lambda zones: zones.fault("belmont.example", "servfail", "CAA"))
    lab.change_dns(lambda zones: zones.fault("slow.belmont.example", "delay", seconds=0.1))
    assert resolve(lab, "belmont.example", "CAA").rcode() == dns.rcode.SERVFAIL
    assert resolve(lab, "belmont.example", "MX").rcode() == dns.rcode.NOERROR
    assert resolve(lab, "slow.belmont.example", "A").rcode() == dns.rcode.NXDOMAIN
    with pytest.raises(dns.exception.Timeout):
        resolve(lab, "slow.belmont.example", "A", timeout=0.03)


def test_a_fault_below_a_name(lab: World) -> None:
    """`*.zone` lets everything in it fail: a dead name server."""
    lab.change_dns(lambda zones: zones.fault("*.dead.example", "servfail"))
    assert resolve(lab, "any.dead.example", "A").rcode() == dns.rcode.SERVFAIL
    assert resolve(lab, "far.below.dead.example", "TXT").rcode() == dns.rcode.SERVFAIL
    assert resolve(lab, "dead.example", "A").rcode() == dns.rcode.NXDOMAIN


def test_an_unreadable_packet_harms_nobody(lab: World) -> None:
    """Rubbish on the port gets no answer, and the next question does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"\x00\x01rubbish", ("127.0.0.1", lab.dns_port))
    assert _values(lab, "mail.belmont.example", "A") == ["192.0.2.10"]


def test_records_can_be_replaced_and_taken_away(lab: World) -> None:
    """A test can change what a sender publishes."""
    lab.change_dns(lambda zones: zones.replace("changing.example", "TXT", "one", "two"))
    assert _values(lab, "changing.example", "TXT") == ['"one"', '"two"']
    lab.change_dns(lambda zones: zones.remove("changing.example"))
    assert resolve(lab, "changing.example", "TXT").rcode() == dns.rcode.NXDOMAIN
    with pytest.raises(ValueError, match=r"bad\.example"):
        lab.change_dns(lambda zones: zones.add("bad.example", "A", "not an address"))


def test_text_of_any_kind_fits_a_record() -> None:
    """Quotes, backslashes, umlauts and more than 255 bytes."""
    assert quoted_text('say "hi" \\') == '"say \\034hi\\034 \\092"'
    assert quoted_text("ä") == '"\\195\\164"'
    assert quoted_text("a" * 256).count('"') == 4
