"""A mailbox as its server stores it: folders, messages, flags, UIDs (RFC 9051, section 2.3).

Everything here belongs to the lab's thread; `toolkit.lab.world` is the door for others.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from toolkit.lab.messages import Item, now

_VALIDITY = itertools.count(1_700_000_001)
SYSTEM_FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")


class MailboxError(Exception):
    """A command on folders that cannot be done. `code` is the response code of RFC 9051, section 7.1, or empty."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


@dataclass(eq=False, slots=True)
class Entry:
    """A message as one folder shows it."""

    uid: int
    item: Item
    recent: bool = True


@dataclass(eq=False, slots=True)
class Folder:
    """A folder. `version` grows with every change, `changed` says at which version a UID's flags last did."""

    name: str
    attributes: tuple[str, ...] = ()
    uid_validity: int = field(default_factory=lambda: next(_VALIDITY))
    uid_next: int = 1
    entries: dict[int, Entry] = field(default_factory=dict)  # by UID, ascending
    version: int = 0
    changed: dict[int, int] = field(default_factory=dict)
    watchers: set[Callable[[], None]] = field(default_factory=set)
    subscribed: bool = True
    by_message_id: dict[str, list[int]] = field(default_factory=dict)

    @property
    def selectable(self) -> bool:
        """Whether it holds messages."""
        return "\\Noselect" not in self.attributes

    def touch(self, uid: int | None = None) -> None:
        """Something changed: the flags of `uid`, or what the folder holds."""
        self.version += 1
        if uid is not None:
            self.changed[uid] = self.version
        for watcher in list(self.watchers):
            watcher()

    def put(self, item: Item) -> Entry:
        """The item as the newest message of this folder."""
        entry = Entry(self.uid_next, item)
        self.uid_next += 1
        self.entries[entry.uid] = entry
        self.by_message_id.setdefault(item.message_id.lower(), []).append(entry.uid)
        self.touch()
        return entry

    def drop(self, uid: int) -> None:
        """Take a message out."""
        entry = self.entries.pop(uid, None)
        if entry is None:
            return
        self.changed.pop(uid, None)
        key = entry.item.message_id.lower()
        uids = self.by_message_id.get(key, [])
        if uid in uids:
            uids.remove(uid)
        if not uids:
            self.by_message_id.pop(key, None)
        self.touch()

    def unseen(self) -> int:
        """How many messages are not marked read."""
        return sum("\\Seen" not in entry.item.flags for entry in self.entries.values())

    def size(self) -> int:
        """The bytes of all messages."""
        return sum(len(entry.item.raw) for entry in self.entries.values())


class Account:
    """The folders of one person's mailbox, by their full name. The INBOX is always there."""

    gmail = False

    def __init__(self, delimiter: str = "/", prefix: str = "") -> None:
        self.delimiter = delimiter
        self.prefix = prefix  # personal namespace, such as "INBOX."
        self.folders: dict[str, Folder] = {"INBOX": Folder("INBOX")}
        self.quota: int | None = None  # bytes

    # folders

    def find(self, name: str) -> Folder:
        """The folder of that name; INBOX in any case. Raises MailboxError."""
        if name.upper() == "INBOX":
            name = "INBOX"
        try:
            return self.folders[name]
        except KeyError:
            raise MailboxError("Mailbox does not exist", "NONEXISTENT") from None

    def create(self, name: str, attributes: Iterable[str] = ()) -> Folder:
        """A new folder, and those above it. Raises MailboxError where it exists or may not be."""
        name = name.rstrip(self.delimiter)
        if not name or name.upper() == "INBOX" or name in self.folders:
            raise MailboxError("Mailbox already exists", "ALREADYEXISTS")
        if self.prefix and not name.startswith(self.prefix):
            raise MailboxError(f"Mailboxes begin with {self.prefix}", "CANNOT")
        self._create_above(name)
        self.folders[name] = folder = Folder(name, tuple(attributes))
        return folder

    def _create_above(self, name: str) -> None:
        parts = name.split(self.delimiter)
        for depth in range(1, len(parts)):
            above = self.delimiter.join(parts[:depth])
            if above not in self.folders and above.upper() != "INBOX":
                self.folders[above] = Folder(above)

    def delete(self, name: str) -> None:
        """Take a folder away. Raises MailboxError."""
        folder = self.find(name)
        if folder.name == "INBOX" or folder.attributes:
            raise MailboxError("Mailbox cannot be deleted", "CANNOT")
        for uid in list(folder.entries):
            self.expunge(folder, uid)
        del self.folders[folder.name]

    def rename(self, old: str, new: str) -> None:
        """Another name for a folder and those below it. Raises MailboxError."""
        folder = self.find(old)
        new = new.rstrip(self.delimiter)
        if new in self.folders:
            raise MailboxError("Mailbox already exists", "ALREADYEXISTS")
        if folder.name == "INBOX" or folder.attributes or new.startswith(folder.name + self.delimiter):
            raise MailboxError("Mailbox cannot be renamed", "CANNOT")
        self._create_above(new)
        for name in [n for n in self.folders if n == old or n.startswith(old + self.delimiter)]:
            moved = self.folders.pop(name)
            moved.name = new + name[len(old) :]
            moved.uid_validity = next(_VALIDITY)
            self.folders[moved.name] = moved
            self._renamed(name, moved)

    def _renamed(self, old: str, folder: Folder) -> None:
        """What else hangs on a folder's name."""

    def children_of(self, name: str) -> bool:
        """Whether there are folders below that one."""
        return any(other.startswith(name + self.delimiter) for other in self.folders)

    # messages

    def add(self, folder: Folder, item: Item) -> Entry:
        """Put a new message into a folder."""
        return folder.put(item)

    def copy(self, entry: Entry, target: Folder) -> Entry:
        """The message in another folder too."""
        return target.put(entry.item.copy())

    def move(self, entry: Entry, source: Folder, target: Folder) -> Entry:
        """The message in another folder instead."""
        moved = self.copy(entry, target)
        self.expunge(source, entry.uid)
        return moved

    def expunge(self, folder: Folder, uid: int) -> None:
        """Take a message out of a folder for good."""
        folder.drop(uid)

    def set_flags(self, folder: Folder, entry: Entry, flags: set[str]) -> None:
        """These flags and no others."""
        if entry.item.flags != flags:
            entry.item.flags = flags
            self._flags_changed(folder, entry)

    def _flags_changed(self, folder: Folder, entry: Entry) -> None:
        folder.touch(entry.uid)

    def every_entry(self) -> Iterator[tuple[Folder, Entry]]:
        """All messages with their folders."""
        for folder in list(self.folders.values()):
            for entry in list(folder.entries.values()):
                yield folder, entry

    def used(self) -> int:
        """Bytes stored."""
        return sum(folder.size() for folder in self.folders.values())

    def deliver(
        self, raw: bytes, folder: str = "INBOX", flags: Iterable[str] = (), at: datetime | None = None
    ) -> Entry:
        """Put bytes into a folder, which is made where it is missing."""
        found = self.folders.get(folder) or (self.find(folder) if folder.upper() == "INBOX" else self.create(folder))
        return self.add(found, Item(raw, at or now(), set(flags)))
