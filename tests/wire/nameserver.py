"""A name server on loopback that answers as a test says, over UDP and TCP on one port."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator

import dns.flags
import dns.message
import dns.rrset

Answering = Callable[[dns.message.QueryMessage, str], bytes | None]
"""(question, "udp" or "tcp") -> what goes back; None: silence."""


def reply(question: dns.message.Message, *records: str, rcode: int = 0, authority: tuple[str, ...] = ()) -> bytes:
    """An answer with records as "name ttl class type data"."""
    answer = dns.message.make_response(question)
    answer.flags |= dns.flags.RA
    answer.set_rcode(rcode)  # type: ignore[arg-type]  # dnspython takes the number
    for section, lines in ((answer.answer, records), (answer.authority, authority)):
        for line in lines:
            section.append(dns.rrset.from_text(*_fields(line)))
    return answer.to_wire()


def _fields(line: str) -> tuple[str, int, str, str, str]:
    name, ttl, rdclass, rdtype, data = line.split(" ", 4)
    return name, int(ttl), rdclass, rdtype, data


class NameServer:
    """Serves until it is closed. `asked` has the transport and the question of every packet."""

    def __init__(self, answering: Answering) -> None:
        self.asked: list[tuple[str, str]] = []

        def answer(data: bytes, transport: str) -> bytes | None:
            question = dns.message.from_wire(data)
            assert isinstance(question, dns.message.QueryMessage)
            self.asked.append((transport, str(question.question[0])))
            return answering(question, transport)

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                if out := answer(self.request[0], "udp"):
                    self.request[1].sendto(out, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                size = int.from_bytes(self.rfile.read(2))
                if out := answer(self.rfile.read(size), "tcp"):
                    self.wfile.write(len(out).to_bytes(2) + out)

        self._udp = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Datagram)
        self.port: int = self._udp.server_address[1]
        try:
            self._tcp = socketserver.ThreadingTCPServer(("127.0.0.1", self.port), Stream)
        except OSError:
            self._udp.server_close()
            raise
        self._servers = (self._udp, self._tcp)
        for server in self._servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def name(self) -> str:
        """As a configuration names it."""
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop to listen."""
        for server in self._servers:
            server.shutdown()
            server.server_close()


@contextlib.contextmanager
def serving(answering: Answering) -> Iterator[NameServer]:
    """A running server; another port is tried where TCP's is taken."""
    for attempt in range(20):
        try:
            server = NameServer(answering)
            break
        except OSError:
            if attempt == 19:
                raise
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """A name server that takes questions and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"
