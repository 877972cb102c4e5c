"""Servers on loopback that speak as much IMAP and SMTP as a check needs, with manners that a test chooses."""

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence

Talk = Callable[[Callable[[], bytes], Callable[[str], None]], None]
"""A whole conversation: read a line, write a line."""


@contextlib.contextmanager
def serving(talk: Talk, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server that has this conversation with everybody."""

    class Handler(socketserver.StreamRequestHandler):
        def setup(self) -> None:
            if tls is not None:
                self.request = tls.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
            super().setup()

        def finish(self) -> None:
            with contextlib.suppress(OSError):
                super().finish()
            self.request.close()

        def handle(self) -> None:
            def write(line: str) -> None:
                self.wfile.write(line.encode() + b"\r\n")

            talk(self.rfile.readline, write)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that leaves is no news."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def imap(
    folders: Sequence[str],
    *,
    capabilities: str = "IMAP4rev1 IDLE",
    login: str = "OK logged in",
    examine: str = "OK [READ-ONLY] there",
    log: list[str] | None = None,
) -> Talk:
    """A mailbox. `folders` are the bodies of LIST responses: attributes, separator, name."""

    def talk(read: Callable[[], bytes], write: Callable[[str], None]) -> None:
        write(f"* OK [CAPABILITY {capabilities}] ready")
        while line := read().decode().strip():
            tag, command, *rest = line.split(" ")
            if log is not None:
                log.append(" ".join([command, *rest]))
            match command.upper():
                case "CAPABILITY":
                    write(f"* CAPABILITY {capabilities}")
                    write(f"{tag} OK done")
                case "LOGIN":
                    write(f"{tag} {login}")
                case "LIST":
                    for folder in folders:
                        write(f"* LIST {folder}")
                    write(f"{tag} OK done")
                case "EXAMINE":
                    write(f"{tag} {examine}")
                case "LOGOUT":
                    write("* BYE")
                    write(f"{tag} OK bye")
                    return
                case _:
                    write(f"{tag} BAD unknown")

    return talk


def smtp(*, auth: str = "235 2.7.0 welcome", greeting: str = "220 lab", log: list[str] | None = None) -> Talk:
    """A route."""

    def talk(read: Callable[[], bytes], write: Callable[[str], None]) -> None:
        write(greeting)
        while line := read().decode().strip():
            verb = line.split(" ")[0].upper()
            if log is not None:
                log.append(verb)
            match verb:
                case "EHLO":
                    write("250-lab")
                    write("250-SIZE 1000000")
                    write("250 AUTH PLAIN")
                case "AUTH":
                    write(auth)
                case "QUIT":
                    write("221 bye")
                    return
                case _:
                    write("250 ok")

    return talk


def silence(read: Callable[[], bytes], write: Callable[[str], None]) -> None:
    """A server that takes the connection and says nothing."""
    del write
    read()
