"""What most people would write with imapclient: at each poll LIST, SELECT every folder, SEARCH for each Message-ID.

Nothing is done to make it slow. It keeps its connection between polls, opens folders read-only, looks no further once
all is found, and sets TCP_NODELAY, which imapclient leaves unset at a cost of up to 40 ms a command.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable

import imapclient
from imapclient.exceptions import IMAPClientError

from toolkit.config.settings import Mailbox


class PlainReader:
    """One mailbox, looked through for messages by their Message-IDs."""

    def __init__(self, mailbox: Mailbox) -> None:
        assert mailbox.password is not None
        self._client = imapclient.IMAPClient(mailbox.host, port=mailbox.port, ssl=False, timeout=30)
        self._client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client.login(mailbox.username, mailbox.password.reveal())

    def poll(self, message_ids: Iterable[str]) -> dict[str, tuple[str, bytes]]:
        """Folder and headers of each message that is there, by its Message-ID (without angle brackets)."""
        found: dict[str, tuple[str, bytes]] = {}
        missing = list(message_ids)
        for flags, _delimiter, folder in self._client.list_folders():
            if b"\\Noselect" in flags:
                continue
            self._client.select_folder(folder, readonly=True)
            for message_id in missing:
                uids = self._client.search(["HEADER", "Message-ID", message_id])
                if uids:
                    fetched = self._client.fetch(uids[:1], ["FLAGS", "INTERNALDATE", "BODY.PEEK[HEADER]"])
                    found[message_id] = folder, fetched[uids[0]][b"BODY[HEADER]"]
            missing = [message_id for message_id in missing if message_id not in found]
            if not missing:
                break
        return found

    def close(self) -> None:
        """Log out."""
        with contextlib.suppress(OSError, IMAPClientError):
            self._client.logout()
