"""A mailbox on the test Dovecot, seen by its owner, by its sender, and by someone with access to its disk."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING

import imapclient
from imapclient import imap_utf7

if TYPE_CHECKING:
    from tests.servers.dovecot import Dovecot

HOST = "127.0.0.1"
_MAILDIR = ("cur", "new", "tmp")
_FILL_START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_MINUTE = dt.timedelta(minutes=1)


@dataclass(frozen=True)
class Account:
    """The credentials of a mailbox, and hands to work in it.

    Folders are named in Unicode with levels parted by "/" and without the namespace's prefix ("Ablage/Rechnungen");
    `name` gives the server's own name for one.
    """

    server: Dovecot = field(repr=False)
    address: str
    password: str
    prefix: str = ""
    separator: str = "/"

    @property
    def username(self) -> str:
        """What to log in with: the address."""
        return self.address

    @property
    def home(self) -> Path:
        """The user's folder on disk."""
        return self.server.home.path / "mail" / self.address

    def name(self, folder: str) -> str:
        """The server's name of `folder`, decoded: "Ablage/2024" is "INBOX.Ablage.2024" under the prefix "INBOX."."""
        if folder.upper() == "INBOX":
            return "INBOX"
        return self.prefix + folder.replace("/", self.separator)

    # --- over IMAP ---

    @contextlib.contextmanager
    def connect(
        self, *, port: int | None = None, context: ssl.SSLContext | None = None
    ) -> Iterator[imapclient.IMAPClient]:
        """A logged-in client, by default on the plain port; with a TLS `context`, by STARTTLS."""
        client = imapclient.IMAPClient(HOST, port=port or self.server.imap_port, ssl=False, timeout=30)
        try:
            if context is not None:
                client.starttls(context)
            client.login(self.username, self.password)
            yield client
        finally:
            with contextlib.suppress(OSError, imapclient.exceptions.IMAPClientError):
                client.logout()
            with contextlib.suppress(OSError):
                client.shutdown()

    def folders(self) -> dict[str, set[str]]:
        """The server's names of all folders, each with its LIST attributes."""
        with self.connect() as client:
            return {name: {_text(flag) for flag in flags} for flags, _separator, name in client.list_folders()}

    def append(self, folder: str, message: bytes, *, flags: Sequence[str] = (), at: dt.datetime | None = None) -> None:
        """Put a message there, past every rule; `at` is its INTERNALDATE."""
        with self.connect() as client:
            client.append(self.name(folder), message, flags, at)

    def messages(self, folder: str = "INBOX") -> list[bytes]:
        """All messages of a folder as they are stored, oldest first; their flags stay as they are."""
        return [content for content, _flags in self._read(folder)]

    def flags(self, folder: str = "INBOX") -> list[set[str]]:
        r"""The flags of all its messages, oldest first, \Recent apart."""
        return [flags for _content, flags in self._read(folder)]

    def _read(self, folder: str) -> list[tuple[bytes, set[str]]]:
        with self.connect() as client:
            client.select_folder(self.name(folder), readonly=True)
            found = client.fetch(client.search(), ["BODY.PEEK[]", "FLAGS"])
            return [
                (one[b"BODY[]"], {_text(flag) for flag in one[b"FLAGS"]} - {"\\Recent"})
                for _uid, one in sorted(found.items())
            ]

    # --- from outside ---

    def deliver(self, message: bytes, *, sender: str = "sender@origin.example") -> tuple[int, str]:
        """Hand the message over by LMTP, through the owner's rules and quota; the last reply, code and text."""
        return self.server.lmtp(message, self.address, sender=sender)[self.address]

    def set_sieve(self, script: str) -> None:
        """The owner's rules, compiled; `RuntimeError` with the compiler's words when they are faulty."""
        where = f"mail/{self.address}"
        # The compiled form counts as fresh within the same second: it has to go first.
        (self.home / "active.svbin").unlink(missing_ok=True)
        self.server.compile_sieve(self.server.home.write(f"{where}/active.sieve", script))

    def token(self, *, seconds: float = 3600.0) -> str:
        """An OAuth 2 access token for this user; stale with negative `seconds`."""
        return self.server.token(self.address, seconds=seconds)

    # --- on disk ---

    def maildir(self, folder: str) -> Path:
        """Where `folder` lies."""
        parts = ["INBOX"] if folder.upper() == "INBOX" else [_on_disk(part) for part in folder.split("/")]
        return self.home.joinpath("mail", *parts)

    def make_folders(self, *folders: str) -> None:
        """Create folders on disk, where 300 of them take milliseconds."""
        for folder in folders:
            path = self.maildir(folder).relative_to(self.server.home.path)
            for part in _MAILDIR:
                self.server.home.folder(f"{path}/{part}")

    def fill(
        self,
        folder: str,
        count: int,
        *,
        message: Callable[[int], bytes] | None = None,
        index: bool = True,
    ) -> None:
        """Put `count` messages there, written as files: 20,000 take a few seconds.

        message: makes the n-th (from 0); left out, small letters with the Message-ID of `filler_id(n)`.
        index: let the server read the folder once, so that its first reader does not pay for that.
        """
        self.make_folders(folder)
        current = self.maildir(folder) / "cur"
        make = message or filler
        identity = self.server.identity
        owner = (identity.uid, identity.gid) if os.geteuid() == 0 else None
        stamp = time.time_ns()
        where = os.open(current, os.O_RDONLY)
        try:
            for number in range(count):
                name = f"{(stamp // 10**9)}.M{stamp % 10**9:09d}N{number:06d}.fill:2,S"
                file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=where)
                try:
                    os.write(file, make(number).replace(b"\r\n", b"\n"))
                    if owner:
                        os.fchown(file, *owner)
                    arrived = (_FILL_START + number * _MINUTE).timestamp()  # a full mailbox is mostly old mail
                    os.utime(file, (arrived, arrived))
                finally:
                    os.close(file)
        finally:
            os.close(where)
        if index:
            with self.connect() as client:
                client.select_folder(self.name(folder), readonly=True)


def filler_id(number: int) -> str:
    """The Message-ID of the n-th message that `Account.fill` writes."""
    return f"<{number}.fill@origin.example>"


def filler(number: int) -> bytes:
    """The n-th message that `Account.fill` writes."""
    at = _FILL_START + number * _MINUTE
    return (
        f"Return-Path: <news@origin.example>\n"
        f"From: News <news@origin.example>\nTo: reader@inbox.example\nSubject: Letter {number}\n"
        f"Date: {format_datetime(at)}\nMessage-ID: {filler_id(number)}\n\nLetter number {number}.\n"
    ).encode()


def _on_disk(part: str) -> str:
    coded: str = imap_utf7.encode(part).decode("ascii")
    return coded


def _text(flag: bytes | str) -> str:
    return flag.decode() if isinstance(flag, bytes) else flag
