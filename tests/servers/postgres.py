"""PostgreSQL (Debian 12: 15) on a free port of 127.0.0.1, with durability off: it is quick, and a crash loses it."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path

import psycopg
from psycopg import sql

from tests.servers.process import Identity, Server, find_program, free_ports

USER = "mailwhy"
_FASTER = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
}


class Postgres(Server):
    """A cluster of our own. `port` is known once it runs; everyone on loopback is its superuser."""

    label = "postgres"

    def __init__(self) -> None:
        # Debian keeps the server's programs out of every PATH, in a folder for each version: the newest.
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
        folders = [str(path) for path in versions]
        self._initdb = find_program("initdb", "postgresql", folders=folders)
        self._postgres = find_program("postgres", "postgresql", folders=folders)
        super().__init__(Identity.unprivileged("postgres"))
        self._numbers = itertools.count(1)
        self.port = 0

    # A fast shutdown: it does not wait for clients that are still connected.
    stop_signal = signal.SIGINT

    def configure(self) -> None:
        """A fresh port; the cluster is made at the first try."""
        (self.port,) = free_ports(1)
        if not (self.home.path / "data").exists():
            place = ["-D", str(self.home.path / "data")]
            manner = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
            self.identity.run([self._initdb, *place, *manner], cwd=self.home.path, timeout=60)

    def arguments(self) -> list[str | Path]:
        """The server in the foreground."""
        settings = [part for name, value in _FASTER.items() for part in ("-c", f"{name}={value}")]
        return [self._postgres, "-D", self.home.path / "data", "-p", str(self.port), *settings]

    def ready(self) -> bool:
        """Whether it takes a connection."""
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str = "postgres") -> str:
        """SQLAlchemy's URL of a database."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """A fresh, empty database, and its URL."""
        name = f"test_{next(self._numbers)}"
        with self._connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database by its URL, whoever is still connected."""
        name = sql.Identifier(url.rpartition("/")[2])
        with self._connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, dbname="postgres", autocommit=True, connect_timeout=5
        )
