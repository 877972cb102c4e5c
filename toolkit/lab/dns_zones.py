"""What the lab's DNS knows: zones, block lists, faults. Answers as a recursive resolver would give them (RFC 1034)."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.zone

FaultKind = Literal["servfail", "refused", "nxdomain", "drop", "delay", "truncate"]
_TTL = 60
_CHAIN = 8  # CNAMEs followed for one question
_SOA = "ns.lab.example. hostmaster.lab.example. 1 3600 600 86400 60"
_WILD = dns.name.from_text("*", None)
NAMESERVER_ERROR = "127.255.255.254"  # what Spamhaus answers to a resolver that it does not serve


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong when a name is asked for. `rtype` None: whatever the type. `seconds`: of a delay."""

    kind: FaultKind
    rtype: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Listing:
    """An entry of a block list."""

    codes: tuple[str, ...] = ("127.0.0.2",)
    text: str = ""


def name_of(text: str) -> dns.name.Name:
    """An absolute name, in lower case."""
    return dns.name.from_text(text.lower())


def reversed_address(address: str) -> str:
    """The labels under which a block list knows an address (RFC 5782, sections 2.1 and 2.4)."""
    found = ip_address(address)
    if found.version == 4:
        return ".".join(reversed(address.split(".")))
    return ".".join(f"{int(found):032x}"[::-1])


class Zones:
    """All names of the world. What is in no zone does not exist: NXDOMAIN."""

    def __init__(self) -> None:
        self._nodes: dict[dns.name.Name, dict[dns.rdatatype.RdataType, dns.rdataset.Rdataset]] = {}
        self._origins: set[dns.name.Name] = set()
        self._inner: dict[dns.name.Name, int] = {}  # names that exist through names below them
        self._faults: dict[dns.name.Name, list[Fault]] = {}
        self._lists: dict[str, set[str]] = {}  # zone of a block list: what is listed
        self._add_origin(dns.name.root)

    def _add_origin(self, origin: dns.name.Name) -> None:
        self._origins.add(origin)

    # filling

    def load(self, text: str, origin: str) -> None:
        """Take the records of a zone file (RFC 1035, section 5). Raises ValueError where it is not one."""
        try:
            zone = dns.zone.from_text(text, origin=origin, relativize=False, check_origin=False)
        except (dns.exception.DNSException, OSError) as error:
            raise ValueError(f"zone {origin}: {error}") from error
        self._add_origin(name_of(origin))
        for name, ttl, rdata in zone.iterate_rdatas():
            self._put(dns.name.from_text(str(name).lower()), ttl, rdata)

    def _put(self, name: dns.name.Name, ttl: int, rdata: dns.rdata.Rdata) -> None:
        node = self._nodes.get(name)
        if node is None:
            node = self._nodes[name] = {}
            self._count(name, 1)
        if rdata.rdtype not in node:
            node[rdata.rdtype] = dns.rdataset.Rdataset(rdata.rdclass, rdata.rdtype)
        node[rdata.rdtype].add(rdata, ttl)

    def _count(self, name: dns.name.Name, by: int) -> None:
        while name != dns.name.root:
            name = name.parent()
            self._inner[name] = self._inner.get(name, 0) + by

    def add(self, name: str, rtype: str, value: str, ttl: int = _TTL) -> None:
        """One more record. A TXT value is given as plain text of any length. Raises ValueError."""
        if rtype.upper() == "TXT":
            value = quoted_text(value)
        try:
            kind = dns.rdatatype.from_text(rtype)
            rdata = dns.rdata.from_text(dns.rdataclass.IN, kind, value, origin=dns.name.root, relativize=False)
        except dns.exception.DNSException as error:
            raise ValueError(f"{name} {rtype}: {error}") from error
        self._put(name_of(name), ttl, rdata)

    def remove(self, name: str, rtype: str | None = None) -> None:
        """Take away the records of that type, or the whole name."""
        key = name_of(name)
        node = self._nodes.get(key)
        if node is None:
            return
        if rtype is None:
            node.clear()
        else:
            node.pop(dns.rdatatype.from_text(rtype), None)
        if not node:
            del self._nodes[key]
            self._count(key, -1)

    def replace(self, name: str, rtype: str, *values: str) -> None:
        """These records of that type, and no others."""
        self.remove(name, rtype)
        for value in values:
            self.add(name, rtype, value)

    def fault(self, name: str, kind: FaultKind, rtype: str | None = None, seconds: float = 0.0) -> None:
        """Let something go wrong when `name`, or anything below `*.name`, is asked for."""
        self._faults.setdefault(name_of(name), []).append(Fault(kind, rtype and rtype.upper(), seconds))

    def heal(self, name: str | None = None) -> None:
        """Take away the faults of a name, or all of them."""
        if name is None:
            self._faults.clear()
        else:
            self._faults.pop(name_of(name), None)

    # block lists

    def add_blocklist(self, zone: str) -> None:
        """A DNS block list with the test points of RFC 5782, section 5: 127.0.0.2 is listed, 127.0.0.1 is not."""
        self._add_origin(name_of(zone))
        self._lists[zone.lower()] = set()
        self.add(zone, "NS", "ns.lab.example.")
        self.list_address(zone, "127.0.0.2", Listing(text="test point"))
        self.list_address(zone, "::ffff:7f00:2", Listing(text="test point"))

    @property
    def blocklists(self) -> tuple[str, ...]:
        """The zones of the block lists."""
        return tuple(self._lists)

    def list_address(self, zone: str, address: str, listing: Listing | None = None) -> None:
        """Put an address on a list."""
        listing = listing or Listing(text=f"https://lists.lab.example/{address}")
        name = f"{reversed_address(address)}.{zone}"
        self.replace(name, "A", *listing.codes)
        if listing.text:
            self.replace(name, "TXT", listing.text)
        self._lists[zone.lower()].add(address)

    def unlist_address(self, zone: str, address: str) -> None:
        """Take an address off a list."""
        self.remove(f"{reversed_address(address)}.{zone}")
        self._lists[zone.lower()].discard(address)

    def refuse_queries(self, zone: str) -> None:
        """Let a list answer everything with its error code, as to a public resolver."""
        for address in list(self._lists[zone.lower()]):
            self.unlist_address(zone, address)
        self.add(f"*.{zone}", "A", NAMESERVER_ERROR)

    # answering

    def fault_of(self, name: dns.name.Name, rtype: str) -> Fault | None:
        """The fault that a question meets: of the name itself, or of `*` above it."""
        if not self._faults:
            return None
        keys = [name]
        above = name
        while above != dns.name.root:
            above = above.parent()
            keys.append(_WILD.derelativize(above))
        for key in keys:
            for fault in self._faults.get(key, ()):
                if fault.rtype in (None, rtype):
                    return fault
        return None

    def _exists(self, name: dns.name.Name) -> bool:
        return name in self._nodes or self._inner.get(name, 0) > 0 or name in self._origins

    def _node(self, name: dns.name.Name) -> dict[dns.rdatatype.RdataType, dns.rdataset.Rdataset] | None:
        """The records at a name, those of a wildcard included (RFC 4592, section 3.3). None: NXDOMAIN."""
        if self._exists(name):
            return self._nodes.get(name, {})
        encloser = name
        while encloser != dns.name.root:
            encloser = encloser.parent()
            if self._exists(encloser):
                return self._nodes.get(_WILD.derelativize(encloser))
        return None

    def origin_of(self, name: dns.name.Name) -> dns.name.Name:
        """The zone that a name lies in."""
        while name not in self._origins:
            name = name.parent()
        return name

    def look_up(self, name: dns.name.Name, rtype: dns.rdatatype.RdataType) -> "Answer":
        """The answer without any fault, aliases followed (RFC 1034, section 4.3.2)."""
        sets: list[dns.rrset.RRset] = []
        for _ in range(_CHAIN):
            node = self._node(name)
            if node is None:
                return Answer(dns.rcode.NXDOMAIN, sets, self.origin_of(name))
            wanted = list(node) if rtype == dns.rdatatype.ANY else [t for t in (rtype,) if t in node]
            sets += [_rrset(name, node[kind]) for kind in wanted]
            alias = node.get(dns.rdatatype.CNAME)
            if wanted or alias is None:
                break
            sets.append(_rrset(name, alias))
            name = dns.name.from_text(str(alias[0].target).lower())
        return Answer(dns.rcode.NOERROR, sets, self.origin_of(name))


@dataclass(frozen=True, slots=True)
class Answer:
    """The sets that answer a question, and the zone whose SOA stands for an empty answer (RFC 2308)."""

    rcode: dns.rcode.Rcode
    sets: list[dns.rrset.RRset]
    origin: dns.name.Name

    def soa(self) -> dns.rrset.RRset:
        """The zone's SOA."""
        return dns.rrset.from_text(self.origin, _TTL, "IN", "SOA", _SOA)


def _rrset(name: dns.name.Name, found: dns.rdataset.Rdataset) -> dns.rrset.RRset:
    rrset = dns.rrset.RRset(name, found.rdclass, found.rdtype)
    for rdata in found:
        rrset.add(rdata, found.ttl)
    return rrset


def quoted_text(value: str) -> str:
    """Text as the quoted strings of a TXT record, 255 bytes each at the most (RFC 1035, section 3.3.14)."""
    raw = value.encode()
    parts = [raw[i : i + 255] for i in range(0, len(raw), 255)] or [b""]
    return " ".join('"' + "".join(chr(b) if 32 <= b < 127 and b not in (34, 92) else f"\\{b:03d}" for b in part) + '"'
                    for part in parts)  # fmt: skip
