"""The lab's DNS server: UDP and TCP on one port, with faults and a log of what was asked."""

import asyncio
import contextlib
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from spftrace import BaseResolver

from toolkit.lab.dns_zones import Fault, Zones
from toolkit.lab.net import LOOPBACK, Connection, Listener

_UDP_LIMIT = 512  # RFC 1035, section 4.2.1, without EDNS
_EDNS_LIMIT = 1232
_LOG_SIZE = 10_000
_PATIENCE = 2.0  # seconds that the receiving servers of the lab wait for an answer


@dataclass(frozen=True, slots=True)
class Query:
    """One question, and what was answered: an RCODE, or "dropped"."""

    at: datetime
    name: str
    rtype: str
    transport: str  # udp, tcp, or judge: the lab's own receiving servers
    result: str


class DnsServer:
    """Serves `zones`. A question meets the fault of its name first."""

    def __init__(self, zones: Zones) -> None:
        self.zones = zones
        self.log: deque[Query] = deque(maxlen=_LOG_SIZE)
        self.port = 0
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp = Listener(self._serve_tcp)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen on one free port for UDP and TCP. Returns it."""
        loop = asyncio.get_running_loop()
        for attempt in range(20):
            port = await self._tcp.start()
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self._on_datagram), local_addr=(LOOPBACK, port)
                )
            except OSError:  # taken for UDP by somebody else
                await self._tcp.stop()
                if attempt == 19:
                    raise
                continue
            self._udp = transport
            self.port = port
            break
        return self.port

    async def stop(self) -> None:
        """Close both sockets."""
        if self._udp is not None:
            self._udp.close()
            self._udp = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._tcp.stop()

    def record(self, name: str, rtype: str, transport: str, result: str) -> None:
        """Note a question in the log."""
        self.log.append(Query(datetime.now(UTC), name, rtype, transport, result))

    def _on_datagram(self, data: bytes, peer: tuple[str, int]) -> None:
        prepared = self._prepare(data, "udp")
        if prepared is None:
            return
        wire, wait = prepared
        if wait:
            task = asyncio.get_running_loop().create_task(self._send_later(wire, wait, peer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._send(wire, peer)

    def _send(self, wire: bytes, peer: tuple[str, int]) -> None:
        if self._udp is not None:
            self._udp.sendto(wire, peer)

    async def _send_later(self, wire: bytes, wait: float, peer: tuple[str, int]) -> None:
        await asyncio.sleep(wait)
        self._send(wire, peer)

    async def _serve_tcp(self, connection: Connection) -> None:
        while True:
            (size,) = struct.unpack("!H", await connection.read_exactly(2))
            prepared = self._prepare(await connection.read_exactly(size), "tcp")
            if prepared is None:
                continue
            wire, wait = prepared
            await asyncio.sleep(wait)
            connection.write(struct.pack("!H", len(wire)) + wire)
            await connection.drain()

    def _prepare(self, data: bytes, transport: str) -> tuple[bytes, float] | None:
        """The reply on the wire and the seconds to hold it back. None: say nothing."""
        try:
            query = dns.message.from_wire(data)
        except (dns.exception.DNSException, ValueError):
            return None
        if query.flags & dns.flags.QR or len(query.question) != 1:
            return None
        question = query.question[0]
        name = dns.name.from_text(str(question.name).lower())
        rtype = dns.rdatatype.to_text(question.rdtype)
        fault = self.zones.fault_of(name, rtype)
        if fault is not None and fault.kind == "drop":
            self.record(str(name), rtype, transport, "dropped")
            return None
        response = self._respond(query, name, fault)
        self.record(str(name), rtype, transport, dns.rcode.to_text(response.rcode()))
        if transport == "udp":
            truncate = fault is not None and fault.kind == "truncate"
            wire = _datagram(query, response, truncate=truncate)
        else:
            wire = response.to_wire(max_size=65535)
        return wire, fault.seconds if fault is not None else 0.0

    def _respond(self, query: dns.message.Message, name: dns.name.Name, fault: Fault | None) -> dns.message.Message:
        response = dns.message.make_response(query, recursion_available=True)
        forced = _RCODES.get(fault.kind) if fault is not None else None
        if forced is not None:
            response.set_rcode(forced)
            return response
        answer = self.zones.look_up(name, query.question[0].rdtype)
        response.set_rcode(answer.rcode)
        response.answer = list(answer.sets)
        if not answer.sets:
            response.authority = [answer.soa()]
        return response


_RCODES = {"servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED, "nxdomain": dns.rcode.NXDOMAIN}


def _datagram(query: dns.message.Message, response: dns.message.Message, *, truncate: bool) -> bytes:
    """The reply cut to what a datagram may hold, with the TC flag where it does not fit (RFC 2181, section 9)."""
    limit = min(max(query.payload, _UDP_LIMIT), _EDNS_LIMIT) if query.edns >= 0 else _UDP_LIMIT
    if not truncate:
        with contextlib.suppress(dns.exception.TooBig):
            return response.to_wire(max_size=limit)
    response.answer, response.authority = [], []
    response.flags |= dns.flags.TC
    return response.to_wire(max_size=limit)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._receive(data, cast(tuple[str, int], addr))


class JudgesResolver(BaseResolver):
    """The resolver of the lab's receiving servers: the same zones and the same faults, without a socket."""

    def __init__(self, server: DnsServer) -> None:
        self._server = server

    async def ask(self, name: str, rtype: str) -> tuple[str, list[str]]:
        """An RCODE or "TIMEOUT", and the values: text of TXT, names of MX and PTR, addresses."""
        try:
            key = dns.name.from_text(name.lower())
        except (dns.exception.DNSException, UnicodeError):
            return "NXDOMAIN", []
        fault = self._server.zones.fault_of(key, rtype)
        if fault is not None:
            if fault.kind == "drop" or fault.seconds >= _PATIENCE:
                self._server.record(str(key), rtype, "judge", "dropped")
                return "TIMEOUT", []
            await asyncio.sleep(fault.seconds)
            forced = _RCODES.get(fault.kind)
            if forced is not None:
                text = dns.rcode.to_text(forced)
                self._server.record(str(key), rtype, "judge", text)
                return ("NXDOMAIN" if text == "NXDOMAIN" else "SERVFAIL"), []
        kind = dns.rdatatype.from_text(rtype)
        answer = self._server.zones.look_up(key, kind)
        text = dns.rcode.to_text(answer.rcode)
        self._server.record(str(key), rtype, "judge", text)
        values = [_value(rdata) for rrset in answer.sets if rrset.rdtype == kind for rdata in rrset]
        return text, values

    async def _lookup(self, name: str, rtype: str) -> tuple[str, list[str]]:
        return await self.ask(name, rtype)


def _value(rdata: Any) -> str:
    if rdata.rdtype == dns.rdatatype.TXT:
        return b"".join(rdata.strings).decode("utf-8", "replace")
    if rdata.rdtype == dns.rdatatype.MX:
        return str(rdata.exchange).rstrip(".")
    if rdata.rdtype in (dns.rdatatype.PTR, dns.rdatatype.CNAME):
        return str(rdata.target).rstrip(".")
    return str(rdata.to_text())
