"""The door to the DNS.

That a name does not exist, or has no record of a type, is an answer. That nobody could be asked, or that a server
would not say, is a failure with its reason. The two are never mixed: a question that failed says nothing of a record.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rdtypes.txtbase
import dns.resolver
import dns.rrset

from toolkit.config.forms import parse_nameserver
from toolkit.model.attempt import Attempt, Failed, Got

_UDP_PAYLOAD: Final = 1232  # bytes that pass without fragments (DNS flag day 2020)
_ROUNDS: Final = (1, 2)  # shares of the time: a lost packet is asked again early, a slow server has the longer half


class Presence(StrEnum):
    """What a definite answer says of the records that were asked for."""

    FOUND = "found"
    NO_DATA = "no-data"  # the name exists, without a record of this type (RFC 2308, section 2.2)
    NO_NAME = "no-name"  # the name does not exist: NXDOMAIN (RFC 2308, section 2.1)


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """A definite answer to one question.

    `records` are in presentation format, as a zone file has them; those of a TXT record are its strings joined
    without a space (RFC 7208, section 3.3), bytes beyond UTF-8 escaped with a backslash. They are sorted, since their
    order means nothing.
    """

    name: str  # as asked, without the last dot
    rdtype: str  # such as "MX"
    presence: Presence
    records: tuple[str, ...]
    canonical: str  # the name at the end of the CNAME chain, without the last dot
    ttl: int | None  # seconds; None where nothing says for how long the absence holds
    server: str  # the name server that answered, as "address:port"
    authentic: bool = False  # the server says that it validated the answer (AD, RFC 4035, section 3.2.3)


class Resolver(Protocol):
    """Whoever answers questions to the DNS."""

    def ask(self, name: str, rdtype: str) -> Attempt[DnsAnswer]:
        """The answer, or why there is none: see `DnsClient.ask`."""
        ...


class DnsClient:
    """A resolver that puts questions to given name servers, or to the system's where none are given.

    `nameservers` are "address", "address:port" or "[v6]:port", asked in this order; `timeout` is the time in seconds
    that one question may take, over all of them. Safe to share between threads.
    """

    def __init__(self, nameservers: Sequence[str], timeout: float) -> None:
        self._given = tuple(parse_nameserver(text) for text in nameservers)
        self._timeout = timeout

    def ask(self, name: str, rdtype: str) -> Attempt[DnsAnswer]:
        """Ask for the records of a type. The name is absolute, its last dot may be left out.

        The reason of a failure is one of: timeout, servfail, refused (the server will not answer us), unreachable
        (nothing listens there, or no way leads there), protocol (an answer that is none), bad-name (it cannot be
        asked for), no-nameserver (the system has none). Where several servers failed, it is that of the one that
        came closest to an answer.
        """
        try:
            asked = dns.name.from_text(name)
            question = dns.message.make_query(asked, rdtype, use_edns=0, payload=_UDP_PAYLOAD)
        except (dns.exception.DNSException, UnicodeError, ValueError) as error:
            return Failed("bad-name", f"{name!r} cannot be asked for: {error}")
        question.flags |= dns.flags.AD  # asks for the flag in the answer (RFC 6840, section 5.7)
        servers = self._given or system_nameservers()
        if not servers:
            return Failed(
                "no-nameserver", "this system names no name server", "set [dns] nameservers, or fill /etc/resolv.conf"
            )
        deadline = time.monotonic() + self._timeout
        failures: dict[tuple[str, int], Failed] = {}
        turns = [(server, share) for share in _ROUNDS for server in servers]
        for turn, (server, share) in enumerate(turns):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            if server in failures and failures[server].reason != "timeout":
                continue  # it has said its word
            wait = left * share / sum(share for _, share in turns[turn:])
            outcome = _put(question, *server, wait)
            if isinstance(outcome, Got):
                return outcome
            failures[server] = outcome
        if not failures:
            return Failed("timeout", f"no time was left to ask for {name} {rdtype}")
        return min(failures.values(), key=lambda failed: _CLOSENESS.index(failed.reason))


_CLOSENESS: Final = ("servfail", "refused", "protocol", "timeout", "unreachable")


def system_nameservers() -> tuple[tuple[str, int], ...]:
    """The addresses and ports of the system's own name servers; none where its configuration names none."""
    try:
        system = dns.resolver.Resolver()
    except (dns.exception.DNSException, OSError):
        return ()
    return tuple((str(where), system.port) for where in system.nameservers)


def server_name(where: str, port: int) -> str:
    """A name server as text: "192.0.2.53:53", "[::1]:5353"."""
    return f"[{where}]:{port}" if ":" in where else f"{where}:{port}"


def _put(question: dns.message.QueryMessage, where: str, port: int, wait: float) -> Got[DnsAnswer] | Failed:
    """One question to one server, over UDP, and over TCP where the answer is too big for that."""
    server = server_name(where, port)
    end = time.monotonic() + wait
    try:
        try:
            reply = dns.query.udp(
                question, where, timeout=wait, port=port, ignore_unexpected=True, raise_on_truncation=True
            )
        except dns.message.Truncated:
            reply = dns.query.tcp(question, where, timeout=max(0.0, end - time.monotonic()), port=port)
    except dns.exception.Timeout:
        return Failed("timeout", f"{server} did not answer in time")
    except OSError as error:
        return Failed("unreachable", f"{server} cannot be reached: {error.strerror or error}")
    except (dns.exception.DNSException, EOFError, ValueError) as error:
        return Failed("protocol", f"{server} sent what is no answer: {error or type(error).__name__}")
    return _read(question, reply, server)


def _read(question: dns.message.QueryMessage, reply: dns.message.Message, server: str) -> Got[DnsAnswer] | Failed:
    asked = question.question[0]
    said = f"{server}, asked for {_text(asked.name)} {dns.rdatatype.to_text(asked.rdtype)}, says"
    match reply.rcode():
        case dns.rcode.NOERROR | dns.rcode.NXDOMAIN if isinstance(reply, dns.message.QueryMessage):
            return _definite(reply, asked, server, said)
        case dns.rcode.SERVFAIL:
            return Failed("servfail", f"{said} SERVFAIL: it could not find out")
        case dns.rcode.REFUSED:
            return Failed("refused", f"{said} REFUSED: it does not answer us")
        case other:
            return Failed("protocol", f"{said} {dns.rcode.to_text(other)}")


def _definite(
    reply: dns.message.QueryMessage, asked: dns.rrset.RRset, server: str, said: str
) -> Got[DnsAnswer] | Failed:
    try:
        chain = reply.resolve_chaining()
    except dns.exception.DNSException as error:
        return Failed("protocol", f"{said} what makes no sense: {error}")
    missing = reply.rcode() == dns.rcode.NXDOMAIN
    if chain.answer is None and not missing and not _authoritative(reply):
        return Failed("servfail", f"{said} neither an answer nor that there is none (a referral)")
    found = tuple(sorted(_record(rdata) for rdata in chain.answer)) if chain.answer is not None else ()
    presence = Presence.FOUND if found else Presence.NO_NAME if missing else Presence.NO_DATA
    soa = any(rrset.rdtype == dns.rdatatype.SOA for rrset in reply.authority)
    return Got(
        DnsAnswer(
            name=_text(asked.name),
            rdtype=dns.rdatatype.to_text(asked.rdtype),
            presence=presence,
            records=found,
            canonical=_text(chain.canonical_name),
            ttl=chain.minimum_ttl if found or soa else None,
            server=server,
            authentic=bool(reply.flags & dns.flags.AD),
        )
    )


def _authoritative(reply: dns.message.Message) -> bool:
    """Whether an answer without records says that there are none. A referral to other servers does not."""
    referral = any(rrset.rdtype == dns.rdatatype.NS for rrset in reply.authority)
    soa = any(rrset.rdtype == dns.rdatatype.SOA for rrset in reply.authority)
    return soa or not referral


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True)


def _record(rdata: dns.rdata.Rdata) -> str:
    if isinstance(rdata, dns.rdtypes.txtbase.TXTBase):
        return b"".join(rdata.strings).decode("utf-8", "backslashreplace")
    return str(rdata.to_text())
