"""A small IMAP server (RFC 3501) that behaves; tests/fakes/imap_faults.py makes it misbehave step by step.

It holds a few folders in memory and answers what a reader of mail needs: LOGIN, AUTHENTICATE PLAIN, STARTTLS, LIST
(with and without LIST-STATUS, RFC 5819), STATUS, SELECT and EXAMINE, UID SEARCH, UID FETCH, IDLE (RFC 2177), NOOP,
LOGOUT. It changes nothing: there is no STORE, and a FETCH of BODY[] without PEEK is recorded in `marked_read`.
"""

# ruff: noqa: D102  # an on_ method is the command that it is named after

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Sequence

from imapclient import imap_utf7

from tests.fakes.imap_grammar import Folder, Message, Token, matches, number_set, quoted, search_test, section, tokens
from tests.fakes.server import ConnectionEndedError, FakeServer, Wire

USERNAME = "probe@faulty.example"
PASSWORD = "open sesame"  # made up
CAPABILITIES = ("IMAP4rev1", "LITERAL+", "IDLE", "NAMESPACE", "UIDPLUS", "SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS")
_LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")
_IDLE_LOOK = 0.02


def default_folders() -> list[Folder]:
    """An inbox, a junk folder with its mark, drafts with an umlaut, and an archive two levels deep."""
    return [
        Folder("INBOX", ("\\HasNoChildren",)),
        Folder("Spamverdacht", ("\\HasNoChildren", "\\Junk")),
        Folder("Entwürfe", ("\\HasNoChildren", "\\Drafts")),
        Folder("Ablage", ("\\HasChildren",)),
        Folder("Ablage/2026", ("\\HasNoChildren",)),
    ]


class Session:
    """What the server knows of one client."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.user: str | None = None
        self.selected: Folder | None = None
        self.told = 0  # messages that the client knows of

    async def say(self, line: str | bytes) -> None:
        """One line."""
        await self.wire.send((line.encode() if isinstance(line, str) else line) + b"\r\n")

    async def command(self) -> tuple[str, str, list[Token]]:
        """Tag, name (with "UID " before it where it was) and arguments of the next command."""
        raw = b""
        literals: list[bytes] = []
        while True:
            line = await self.wire.line()
            literal = _LITERAL.search(line)
            if literal is None:
                raw += line
                break
            if not literal[2]:
                await self.say("+ go on")
            literals.append(await self.wire.exactly(int(literal[1])))
            raw += line[: literal.start()] + b"\x00"  # stands for the literal: NUL is in no command
        words = tokens(raw, literals)
        plain = [one for one in words[:3] if isinstance(one, str)]
        if len(plain) < 2:
            return (plain[0] if plain else "*", "", [])
        if plain[1].upper() == "UID" and len(plain) > 2:
            return plain[0], f"UID {plain[2].upper()}", words[3:]
        return plain[0], plain[1].upper(), words[2:]


class FakeImap(FakeServer):
    """The server. Subclasses override a step: `greet`, `execute` (every command), or one `on_...` method.

    log: the commands received, as "NAME arguments", passwords left out.
    marked_read: how often a client fetched a body without PEEK.
    """

    def __init__(
        self,
        folders: Sequence[Folder] | None = None,
        *,
        capabilities: Sequence[str] = CAPABILITIES,
        username: str = USERNAME,
        password: str = PASSWORD,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        pace: float = 0.0,
    ) -> None:
        super().__init__(tls=tls, pace=pace)
        self.folders = list(folders) if folders is not None else default_folders()
        self.capabilities = tuple(capabilities)
        self.username = username
        self.password = password
        self.starttls = starttls
        self.log: list[str] = []
        self.marked_read = 0

    def folder(self, name: str) -> Folder:
        """The folder of that name; `KeyError` when there is none."""
        for one in self.folders:
            if one.name == name or (name.upper() == "INBOX" and one.name.upper() == "INBOX"):
                return one
        raise KeyError(name)

    def add(self, name: str, content: bytes, **details: object) -> Message:
        """A message arrives in the folder `name` while the server runs; clients that idle there are told."""
        message = Message(content, **details)  # type: ignore[arg-type]  # Message checks its own fields' names
        self.call(lambda: self.folder(name).add(message))
        return message

    # --- the steps ---

    async def talk(self, wire: Wire) -> None:
        """A whole session."""
        session = Session(wire)
        await self.greet(session)
        while True:
            tag, name, arguments = await session.command()
            self.log.append(_logged(name, arguments))
            await self.execute(session, tag, name, arguments)

    async def greet(self, session: Session) -> None:
        """The first line."""
        await session.say(f"* OK [CAPABILITY {self._offered(session)}] ready")

    async def execute(self, session: Session, tag: str, name: str, arguments: list[Token]) -> None:
        """One command, through to its tagged line."""
        step = getattr(self, "on_" + name.lower().replace(" ", "_"), None)
        if step is None:
            await session.say(f"{tag} BAD unknown command {name}")
        elif session.user is None and name not in _BEFORE_LOGIN:
            await session.say(f"{tag} BAD log in first")
        else:
            await step(session, tag, arguments)

    async def done(self, session: Session, tag: str, text: str = "done") -> None:
        """The tagged OK, after the news of the selected folder."""
        await self._tell(session)
        await session.say(f"{tag} OK {text}")

    async def _tell(self, session: Session) -> None:
        if session.selected is not None and len(session.selected.messages) != session.told:
            session.told = len(session.selected.messages)
            await session.say(f"* {session.told} EXISTS")

    def _offered(self, session: Session) -> str:
        extra = []
        if self.starttls is not None and not session.wire.tls:
            extra.append("STARTTLS")
        if session.user is None:
            extra.append("AUTH=PLAIN")
        return " ".join([*self.capabilities, *extra])

    async def on_capability(self, session: Session, tag: str, _arguments: list[Token]) -> None:
        await session.say(f"* CAPABILITY {self._offered(session)}")
        await self.done(session, tag)

    async def on_starttls(self, session: Session, tag: str, _arguments: list[Token]) -> None:
        if self.starttls is None or session.wire.tls:
            await session.say(f"{tag} BAD no TLS here")
            return
        await session.say(f"{tag} OK begin TLS")
        await session.wire.start_tls(self.starttls)

    async def on_login(self, session: Session, tag: str, arguments: list[Token]) -> None:
        await self.admit(session, tag, str(arguments[0]), str(arguments[1]))

    async def on_authenticate(self, session: Session, tag: str, arguments: list[Token]) -> None:
        if str(arguments[0]).upper() != "PLAIN":
            await session.say(f"{tag} NO no such mechanism")
            return
        if len(arguments) > 1:
            answer = str(arguments[1]).encode()
        else:
            await session.say("+ ")
            answer = await session.wire.line()
        _who, username, password = base64.b64decode(answer).decode().split("\0")
        await self.admit(session, tag, username, password)

    async def admit(self, session: Session, tag: str, username: str, password: str) -> None:
        """Check the credentials."""
        if (username, password) != (self.username, self.password):
            await session.say(f"{tag} NO [AUTHENTICATIONFAILED] Authentication failed.")
            return
        session.user = username
        await self.done(session, tag, f"[CAPABILITY {self._offered(session)}] Logged in")

    async def on_id(self, session: Session, tag: str, _arguments: list[Token]) -> None:
        await session.say('* ID ("name" "fake")')
        await self.done(session, tag)

    async def on_namespace(self, session: Session, tag: str, _arguments: list[Token]) -> None:
        await session.say('* NAMESPACE (("" "/")) NIL NIL')
        await self.done(session, tag)

    async def on_list(self, session: Session, tag: str, arguments: list[Token]) -> None:
        selection = [str(one).upper() for one in arguments.pop(0)] if isinstance(arguments[0], list) else []
        patterns = arguments[1] if isinstance(arguments[1], list) else [arguments[1]]
        status: list[Token] = []
        if len(arguments) > 3 and str(arguments[2]).upper() == "RETURN":
            options = arguments[3]
            for place, option in enumerate(options):
                if str(option).upper() == "STATUS":
                    status = list(options[place + 1])
        if (selection or len(arguments) > 2) and "LIST-EXTENDED" not in self.capabilities:
            await session.say(f"{tag} BAD LIST takes two arguments here")
            return
        if status and "LIST-STATUS" not in self.capabilities:
            await session.say(f"{tag} BAD no LIST-STATUS here")
            return
        await self.listing(session, str(arguments[0]), [str(one) for one in patterns], selection, status)
        await self.done(session, tag)

    async def listing(
        self, session: Session, reference: str, patterns: list[str], selection: list[str], status: list[Token]
    ) -> None:
        """The untagged lines of a LIST."""
        if patterns == [""]:
            await session.say('* LIST (\\Noselect) "/" ""')
            return
        for folder in self.folders:
            if not any(matches(folder.name, reference + pattern) for pattern in patterns):
                continue
            if "SPECIAL-USE" in selection and not set(folder.attributes) & _MARKS:
                continue
            await session.say(f'* LIST ({" ".join(folder.attributes)}) "/" {quoted(folder.name)}')
            if status and "\\Noselect" not in folder.attributes:
                await self.status_line(session, folder, status)

    async def on_status(self, session: Session, tag: str, arguments: list[Token]) -> None:
        folder = await self._known(session, tag, arguments)
        if folder is not None:
            await self.status_line(session, folder, list(arguments[1]))
            await self.done(session, tag)

    async def status_line(self, session: Session, folder: Folder, items: list[Token]) -> None:
        """The untagged STATUS line of one folder."""
        values = {
            "MESSAGES": len(folder.messages),
            "UIDNEXT": folder.uid_next,
            "UIDVALIDITY": folder.uid_validity,
            "UNSEEN": sum("\\Seen" not in one.flags for one in folder.messages),
            "RECENT": 0,
        }
        shown = " ".join(f"{item} {values[str(item).upper()]}" for item in items if str(item).upper() in values)
        await session.say(f"* STATUS {quoted(folder.name)} ({shown})")

    async def on_select(self, session: Session, tag: str, arguments: list[Token]) -> None:
        await self.open(session, tag, arguments, "READ-WRITE")

    async def on_examine(self, session: Session, tag: str, arguments: list[Token]) -> None:
        await self.open(session, tag, arguments, "READ-ONLY")

    async def open(self, session: Session, tag: str, arguments: list[Token], mode: str) -> None:
        """SELECT and EXAMINE."""
        session.selected = None
        folder = await self._known(session, tag, arguments)
        if folder is None:
            return
        await session.say("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)")
        await session.say(f"* {len(folder.messages)} EXISTS")
        await session.say("* 0 RECENT")
        await session.say(f"* OK [UIDVALIDITY {folder.uid_validity}] valid")
        await session.say(f"* OK [UIDNEXT {folder.uid_next}] next")
        session.selected, session.told = folder, len(folder.messages)
        await self.done(session, tag, f"[{mode}] opened")

    async def on_unselect(self, session: Session, tag: str, _arguments: list[Token]) -> None:
        session.selected = None
        await self.done(session, tag)

    on_close = on_unselect

    async def on_uid_search(self, session: Session, tag: str, arguments: list[Token]) -> None:
        folder = await self._opened(session, tag)
        if folder is not None:
            keys = arguments[2:] if str(arguments[0]).upper() == "CHARSET" else arguments
            try:
                test = search_test(list(keys), folder)
            except ValueError as error:
                await session.say(f"{tag} BAD {error}")
                return
            found = [one.uid for one in folder.messages if test(one)]
            await session.say("* SEARCH" + "".join(f" {uid}" for uid in found))
            await self.done(session, tag)

    async def on_uid_fetch(self, session: Session, tag: str, arguments: list[Token]) -> None:
        folder = await self._opened(session, tag)
        if folder is None:
            return
        wanted = number_set(str(arguments[0]), folder.uid_next - 1)
        items = [str(one) for one in (arguments[1] if isinstance(arguments[1], list) else [arguments[1]])]
        for number, message in enumerate(folder.messages, start=1):
            if message.uid in wanted:
                await self.fetched(session, number, message, items)
        await self.done(session, tag)

    async def fetched(self, session: Session, number: int, message: Message, items: list[str]) -> None:
        """The untagged FETCH of one message."""
        parts = [b"UID %d" % message.uid]
        for item in items:
            name = item.upper()
            if name == "FLAGS":
                parts.append(f"FLAGS ({' '.join(message.flags)})".encode())
            elif name == "INTERNALDATE":
                parts.append(f'INTERNALDATE "{message.at:%d-%b-%Y %H:%M:%S %z}"'.encode())
            elif name == "RFC822.SIZE":
                parts.append(b"RFC822.SIZE %d" % len(message.content))
            elif name.startswith("BODY"):
                if not name.startswith("BODY.PEEK"):
                    self.marked_read += 1
                shown, data = section(item, message.content)
                parts.append(shown.encode() + b" {%d}\r\n" % len(data) + data)
        await session.say(b"* %d FETCH (" % number + b" ".join(parts) + b")")

    async def on_noop(self, session: Session, tag: str, _arguments: list[Token]) -> None:
        await self.done(session, tag)

    async def on_idle(self, session: Session, tag: str, _arguments: list[Token]) -> None:
        await session.say("+ idling")
        word = asyncio.ensure_future(session.wire.line())
        try:
            while not word.done():
                await self._tell(session)
                await asyncio.wait([word], timeout=_IDLE_LOOK)
            word.result()
        finally:
            word.cancel()
        await self.done(session, tag)

    async def on_logout(self, session: Session, tag: str, _arguments: list[Token]) -> None:
        await session.say("* BYE see you")
        await session.say(f"{tag} OK logged out")
        raise ConnectionEndedError

    async def _known(self, session: Session, tag: str, arguments: list[Token]) -> Folder | None:
        try:
            return self.folder(imap_utf7.decode(str(arguments[0]).encode()))
        except (KeyError, UnicodeError):
            await session.say(f"{tag} NO [NONEXISTENT] no such mailbox")
            return None

    async def _opened(self, session: Session, tag: str) -> Folder | None:
        if session.selected is None:
            await session.say(f"{tag} BAD select a mailbox first")
        return session.selected


_BEFORE_LOGIN = frozenset({"CAPABILITY", "STARTTLS", "LOGIN", "AUTHENTICATE", "ID", "NOOP", "LOGOUT"})
_MARKS = frozenset({"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash"})


def _logged(name: str, arguments: list[Token]) -> str:
    shown = [] if name in {"LOGIN", "AUTHENTICATE"} else [str(one) for one in arguments]
    return " ".join([name, *shown])
