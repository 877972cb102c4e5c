"""One IMAP connection: reads commands (pipelined or not), does them in order, and reports what changed meanwhile."""

import asyncio
import re
from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.lab.imap.fetch import shown_flags
from toolkit.lab.imap.search import Place
from toolkit.lab.imap.syntax import BadSyntaxError, Scanner
from toolkit.lab.mailboxes import Folder, MailboxError
from toolkit.lab.net import Connection, LineTooLongError, PeerGoneError

if TYPE_CHECKING:
    from toolkit.lab.imap.server import ImapServer

LINE_LIMIT = 65_536
_SMALL_LITERAL = 8_192  # of every command but APPEND
_LITERAL_MINUS = 4_096  # RFC 7888, section 5
_BAD_LIMIT = 50  # commands that make no sense, before the connection is closed
_LITERAL_END = re.compile(rb"~?\{(\d{1,10})(\+?)\}\r?\n\Z")
_COMMAND = re.compile(rb"([^\x00-\x20\x7f-\xff(){%*\"\\+]{1,64}) ([A-Za-z0-9-]{1,32})(?= |\r?\n)")


class NoError(Exception):
    """The command is understood and cannot be done: a tagged NO. `code` without brackets."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class EndError(Exception):
    """The connection ends after what is written."""


@dataclass(slots=True)
class Counters:
    """What a mailbox's server was asked to do."""

    connections: int = 0
    logins: int = 0
    packets: int = 0  # pieces read from the network: about the round trips of a client that pipelines
    commands: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """A command as read: tag, name in upper case, and all its bytes after the name, without the last line end."""

    tag: bytes
    name: str
    arguments: bytes

    def scanner(self) -> Scanner:
        """A reader of the arguments, the space before them read. Raises BadSyntaxError where there are none."""
        scanner = Scanner(self.arguments)
        scanner.space()
        return scanner

    def none(self) -> None:
        """The command takes no arguments. Raises BadSyntaxError where there are some."""
        if self.arguments.strip():
            raise BadSyntaxError(f"{self.name} takes no arguments")


class Session:
    """The state of a connection: who is logged in, what is selected, and what the client knows of it."""

    def __init__(self, server: "ImapServer", connection: Connection) -> None:
        self.server = server
        self.connection = connection
        self.account = server.account
        self.behaviour = server.behaviour
        self.authenticated = False
        self.folder: Folder | None = None
        self.read_only = True
        self.sequence: list[int] = []  # UIDs in the order of the client's message numbers
        self.recent: set[int] = set()
        self._known_uid = 0  # the largest UID that was reported
        self._known_version = 0
        self._known_flags = 0
        self._bad = 0
        self._packets = 0

    # talking

    def send(self, line: bytes) -> None:
        """A line of the answer."""
        self.connection.write(line + b"\r\n")

    def untagged(self, text: str) -> None:
        """An untagged answer in text."""
        self.send(b"* " + text.encode())

    def capabilities(self) -> tuple[str, ...]:
        """What is offered in this state."""
        return self.server.capabilities(authenticated=self.authenticated, tls=self.connection.tls is not None)

    def has(self, capability: str) -> bool:
        """Whether a capability is offered now."""
        return capability in self.capabilities()

    def tagged(self, command: Command, status: str, text: str, code: str = "") -> None:
        """The tagged answer."""
        words = [status]
        if code:
            words.append(f"[{code}]")
        if not self.behaviour.terse_ok or status != "OK":
            words.append(text)
        self.send(command.tag + b" " + " ".join(words).encode())

    # the loop

    async def run(self) -> None:
        """From the greeting to the end of the connection."""
        counters = self.server.counters
        counters.connections += 1
        counters.most_at_once = max(counters.most_at_once, len(self.server.sessions))
        try:
            await self._greet()
            while True:
                await self._one()
        except EndError:
            pass
        finally:
            self.unselect()
            self._count_packets()

    def _count_packets(self) -> None:
        self.server.counters.packets += self.connection.packets - self._packets
        self._packets = self.connection.packets

    async def _greet(self) -> None:
        if self.behaviour.silent:
            await self.connection.gone.wait()
            raise EndError
        most = self.behaviour.most_sessions
        if most is not None and len(self.server.sessions) > most:
            self.untagged("BYE [ALERT] Too many simultaneous connections. (Failure)")
            raise EndError
        listed = f"[CAPABILITY {' '.join(self.capabilities())}] " if self.server.greets_with_capabilities else ""
        self.untagged(f"OK {listed}{self.server.greeting}")
        if self.behaviour.close_after_greeting:
            raise EndError

    async def _one(self) -> None:
        """Read one command and answer it."""
        try:
            command = await self._read()
        except LineTooLongError:
            self.untagged("BAD Command line too long")
            self._tolerate()
            return
        if command is None:
            self._tolerate()
            return
        self._count_packets()
        self.server.counters.commands[command.name] += 1
        if self.behaviour.silent:  # it went dumb while the client was connected
            await self.connection.gone.wait()
            raise EndError
        await self._misbehave()
        answer = await self.server.ask_hooks(self.connection, command)
        if answer is not None:
            self.send(command.tag + b" " + answer.encode())
        else:
            await self._do(command)
        await self.connection.drain()

    def _tolerate(self) -> None:
        self._bad += 1
        if self._bad > _BAD_LIMIT:
            self.untagged("BYE Too many bad commands")
            raise EndError

    async def _misbehave(self) -> None:
        if self.behaviour.delay:
            await asyncio.sleep(self.behaviour.delay)
        if self.behaviour.bye is not None:
            self.send(b"* BYE " + self.behaviour.bye.encode() if self.behaviour.bye else b"* BYE")
            raise EndError
        while self.behaviour.flood:
            self.send(b"* OK " + b"still here " * 90)
            await self.connection.drain()
            await asyncio.sleep(0)

    async def _do(self, command: Command) -> None:
        try:
            await self.server.dispatch(self, command)
        except BadSyntaxError as error:
            self.tagged(command, "BAD", str(error))
            self._tolerate()
        except NoError as error:
            self.tagged(command, "NO", str(error), error.code)
        except MailboxError as error:
            self.tagged(command, "NO", str(error), error.code)

    async def _read(self) -> Command | None:
        """The next command with its literals. None: it was answered with BAD."""
        line = await self.connection.read_line(LINE_LIMIT)
        head = _COMMAND.match(line)
        if head is None:
            tag = line.split(b" ", 1)[0].strip()
            self.send((tag if re.fullmatch(rb"[A-Za-z0-9.]{1,64}", tag) else b"*") + b" BAD Unknown command")
            return None
        tag, name = head[1], head[2].decode().upper()
        parts = [line[head.end() :]]
        while found := _LITERAL_END.search(parts[-1]):
            if not await self._literal(tag, name, parts, int(found[1]), plus=bool(found[2])):
                return None
        data = b"".join(parts)
        return Command(tag, name, data[: -2 if data.endswith(b"\r\n") else -1])

    async def _literal(self, tag: bytes, name: str, parts: list[bytes], size: int, *, plus: bool) -> bool:
        """Take a literal and the rest of its line. False: it is too big, and was refused."""
        limit = self.server.append_limit if name == "APPEND" and self.authenticated else _SMALL_LITERAL
        if plus and not self._takes_plus(size):
            self.send(tag + b" BAD This literal has to wait for the continuation")
            raise EndError  # the bytes come anyway: nothing after them can be told apart
        if size > limit or sum(map(len, parts)) > limit + LINE_LIMIT:
            self.send(tag + b" NO [TOOBIG] Literal too big")
            if plus:
                raise EndError
            return False
        if not plus:
            self.send(b"+ OK")
        if not parts[-1].endswith(b"\r\n"):
            parts[-1] = parts[-1][:-1] + b"\r\n"
        parts.append(await self.connection.read_exactly(size))
        parts.append(await self.connection.read_line(LINE_LIMIT))
        return True

    def _takes_plus(self, size: int) -> bool:
        return self.has("LITERAL+") or (self.has("LITERAL-") and size <= _LITERAL_MINUS)

    # the selected folder

    def selected(self) -> Folder:
        """The selected folder. Raises BadSyntaxError where there is none."""
        if self.folder is None:
            raise BadSyntaxError("No mailbox selected")
        return self.folder

    def writable(self) -> Folder:
        """The selected folder, to be changed. Raises BadSyntaxError, NoError."""
        folder = self.selected()
        if self.read_only:
            raise NoError("Mailbox is read-only", "READ-ONLY")
        return folder

    def select(self, folder: Folder, *, read_only: bool) -> None:
        """Open a folder."""
        self.unselect()
        self.folder, self.read_only = folder, read_only
        self.sequence = list(folder.entries)
        self._known_uid = folder.uid_next - 1
        self._known_version = self._known_flags = folder.version
        self.recent = set()
        self._take_recent(self.sequence)
        folder.watchers.add(self.connection.poke)

    def _take_recent(self, uids: list[int]) -> None:
        """New messages are recent for the first session that opens the folder to write (RFC 3501, section 2.3.2)."""
        if self.folder is None:
            return
        for uid in uids:
            entry = self.folder.entries[uid]
            if entry.recent:
                self.recent.add(uid)
                entry.recent = self.read_only

    def unselect(self) -> None:
        """Close the folder without a change."""
        if self.folder is not None:
            self.folder.watchers.discard(self.connection.poke)
        self.folder, self.sequence = None, []

    def place(self) -> Place:
        """Where a search happens."""
        return Place(self.account, self.selected(), self.sequence, frozenset(self.recent))

    def number_of(self, uid: int) -> int:
        """The client's message number of a UID that it knows."""
        return bisect_left(self.sequence, uid) + 1

    def knows(self, uid: int) -> bool:
        """Whether the client was told of a UID."""
        at = bisect_left(self.sequence, uid)
        return at < len(self.sequence) and self.sequence[at] == uid

    def learn(self, uid: int) -> None:
        """The client is told of a UID."""
        if not self.knows(uid):
            insort(self.sequence, uid)

    def flags_reported(self) -> None:
        """The client was told of all changes of flags."""
        if self.folder is not None:
            self._known_flags = self.folder.version

    def report(self, *, expunges: bool = True) -> None:
        """Tell the client what changed in the selected folder (RFC 9051, section 7)."""
        folder = self.folder
        if folder is None or folder.version == self._known_version == self._known_flags:
            return
        if expunges:
            self._report_expunges(folder)
        self._report_new(folder)
        for uid, version in folder.changed.items():
            if version > self._known_flags and self.knows(uid):
                self.send_flags(uid)
        self._known_flags = folder.version
        if expunges:
            self._known_version = folder.version

    def _report_expunges(self, folder: Folder) -> None:
        if len(self.sequence) == len(folder.entries) and self._known_uid == folder.uid_next - 1:
            return
        for number in range(len(self.sequence), 0, -1):
            uid = self.sequence[number - 1]
            if uid not in folder.entries:
                self.untagged(f"{number} EXPUNGE")
                del self.sequence[number - 1]
                self.recent.discard(uid)

    def _report_new(self, folder: Folder) -> None:
        if self._known_uid == folder.uid_next - 1:
            return
        fresh = [uid for uid in folder.entries if uid > self._known_uid]
        self._known_uid = folder.uid_next - 1
        if fresh:
            self.sequence += fresh
            self._take_recent(fresh)
            self.untagged(f"{len(self.sequence)} EXISTS")
            self.untagged(f"{len(self.recent)} RECENT")

    def send_flags(self, uid: int, *, with_uid: bool = True) -> None:
        """An untagged FETCH with a message's flags."""
        folder = self.selected()
        entry = folder.entries.get(uid)
        if entry is not None:
            shown = b"FLAGS " + shown_flags(entry, recent=uid in self.recent)
            uid_part = b"UID %d " % uid if with_uid else b""
            self.send(b"* %d FETCH (" % self.number_of(uid) + uid_part + shown + b")")

    async def read_continuation(self) -> bytes:
        """A line that answers a `+`. Raises PeerGoneError; a line that is too long ends the connection."""
        try:
            return await self.connection.read_line(LINE_LIMIT)
        except LineTooLongError:
            raise PeerGoneError from None
