"""IMAP servers that go wrong, each in one way; everything else about them works as in `FakeImap`.

Where a fault takes `at`, that is the step where it strikes: "GREETING", or a command ("LOGIN", "LIST", "STATUS",
"EXAMINE", "UID SEARCH", "UID FETCH", "IDLE", "NOOP", "LOGOUT", …).
"""

# ruff: noqa: D102  # the class says what its step does

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from tests.fakes.imap_grammar import Folder, Message, Token, quoted
from tests.fakes.imap_server import FakeImap, Session
from tests.fakes.server import ConnectionEndedError

GREETING = "GREETING"
ENORMOUS = 10 * 2**30

# Lines of a LIST reply that are wrong, or right but unusual, by what is the matter with them.
ODD_LIST_LINES: dict[str, bytes] = {
    "no delimiter": b"* LIST (\\HasNoChildren) Ohne-Trenner",
    "no name": b'* LIST (\\HasNoChildren) "/"',
    "nothing at all": b"* LIST",
    "unbalanced quotes": b'* LIST (\\HasNoChildren) "/" "offen',
    "unbalanced parenthesis": b'* LIST (\\HasNoChildren "/" "Klammer"',
    "modified UTF-7 cut off": b'* LIST (\\HasNoChildren) "/" "Entw&APw-rfe &AOQ"',
    "modified UTF-7 with foreign letters": b'* LIST (\\HasNoChildren) "/" "&*!?-kaputt"',
    "lone surrogate": b'* LIST (\\HasNoChildren) "/" "&2AA-allein"',
    "raw UTF-8": '* LIST (\\HasNoChildren) "/" "Gelöscht"'.encode(),
    "raw Latin-1": '* LIST (\\HasNoChildren) "/" "Müll"'.encode("latin-1"),
    "markup": b'* LIST (\\HasNoChildren) "/" "<script>alert(1)</script>"',
    "control characters": b'* LIST (\\HasNoChildren) "/" "a\x07b\x1b[31mrot"',
    "name as a literal": b'* LIST (\\HasNoChildren) "/" {9}\r\nWortlaut!',
    "CRLF inside a literal name": b'* LIST (\\HasNoChildren) "/" {10}\r\nzwei\r\nteil',
    "no hierarchy": b'* LIST (\\HasNoChildren) NIL "Flach"',
    "unquoted name": b'* LIST (\\HasNoChildren) "/" Nackt',
}


class _At(FakeImap):
    """A fault that strikes at one step."""

    def __init__(self, at: str, **details: Any) -> None:
        super().__init__(**details)
        self.at = at.upper()
        self.struck = 0

    async def strike(self, session: Session, tag: str) -> None:
        """Go wrong. Where this returns, the step is over."""
        raise NotImplementedError

    async def greet(self, session: Session) -> None:
        if self.at == GREETING:
            self.struck += 1
            await self.strike(session, "*")
        else:
            await super().greet(session)

    async def execute(self, session: Session, tag: str, name: str, arguments: list[Token]) -> None:
        if self.at == name:
            self.struck += 1
            await self.strike(session, tag)
        else:
            await super().execute(session, tag, name, arguments)


class Silent(_At):
    """Accepts, reads, and never answers."""

    def __init__(self, at: str = GREETING, **details: Any) -> None:
        super().__init__(at, **details)

    async def strike(self, session: Session, tag: str) -> None:  # noqa: ARG002
        await session.wire.silence()


class Closes(_At):
    """Closes the connection instead of answering: in order, or with a TCP reset."""

    def __init__(self, at: str = GREETING, *, reset: bool = False, **details: Any) -> None:
        super().__init__(at, **details)
        self._reset = reset

    async def strike(self, session: Session, tag: str) -> None:  # noqa: ARG002
        if self._reset:
            session.wire.reset()
        raise ConnectionEndedError


class ClosesAfterGreeting(FakeImap):
    """Greets, and closes at once."""

    async def greet(self, session: Session) -> None:
        await super().greet(session)
        raise ConnectionEndedError


class SaysBye(_At):
    """BYE instead of an answer, and closes: at the greeting, or in mid-session; with a text or without one."""

    def __init__(self, at: str = GREETING, *, text: str | None = "Too many connections", **details: Any) -> None:
        super().__init__(at, **details)
        self._text = text

    async def strike(self, session: Session, tag: str) -> None:  # noqa: ARG002
        await session.say("* BYE" if self._text is None else f"* BYE {self._text}")
        raise ConnectionEndedError


class RefusesLogin(FakeImap):
    """NO to every LOGIN and AUTHENTICATE, in the provider's words."""

    def __init__(self, text: str = "[AUTHENTICATIONFAILED] Authentication failed.", **details: Any) -> None:
        super().__init__(**details)
        self._text = text

    async def admit(self, session: Session, tag: str, username: str, password: str) -> None:  # noqa: ARG002
        await session.say(f"{tag} NO {self._text}")


class Refuses(_At):
    """NO to a command; with `folder`, only where it names that folder ("SELECT" and "EXAMINE" are one step here)."""

    def __init__(
        self, at: str, *, folder: str | None = None, text: str = "[NOPERM] Permission denied", **details: Any
    ) -> None:
        super().__init__(at, **details)
        self._folder = folder
        self._text = text

    async def execute(self, session: Session, tag: str, name: str, arguments: list[Token]) -> None:
        step = {"SELECT": "EXAMINE"}.get(name, name)
        meant = {"SELECT": "EXAMINE"}.get(self.at, self.at) == step
        if meant and (self._folder is None or f'"{arguments[0]}"' == quoted(self._folder)):
            self.struck += 1
            await session.say(f"{tag} NO {self._text}")
        else:
            await FakeImap.execute(self, session, tag, name, arguments)

    async def status_line(self, session: Session, folder: Folder, items: list[Token]) -> None:
        # With LIST-STATUS a folder whose STATUS fails is listed without one (RFC 5819 §2).
        if self.at != "STATUS" or folder.name != self._folder:
            await super().status_line(session, folder, items)


class Drips(FakeImap):
    """Sends everything a byte at a time, one a second."""

    def __init__(self, pace: float = 1.0, **details: Any) -> None:
        super().__init__(pace=pace, **details)


class DropsInFetch(FakeImap):
    """Announces a body, sends the first part of it, and drops the connection; the `nth` FETCH, the others work."""

    def __init__(self, *, sent: int = 100, nth: int = 1, reset: bool = True, **details: Any) -> None:
        super().__init__(**details)
        self._sent = sent
        self._reset = reset
        self._left = nth

    async def fetched(self, session: Session, number: int, message: Message, items: list[str]) -> None:
        self._left -= 1
        if self._left:
            await super().fetched(session, number, message, items)
            return
        start = b"* %d FETCH (UID %d BODY[] {%d}\r\n" % (number, message.uid, max(len(message.content), self._sent * 2))
        await session.wire.send(start + message.content[: self._sent].ljust(self._sent, b"x"))
        if self._reset:
            session.wire.reset()
        raise ConnectionEndedError


class FloodsLines(_At):
    """Untagged lines without end."""

    def __init__(self, at: str = "LIST", *, line: bytes = b"* OK and another thing\r\n", **details: Any) -> None:
        super().__init__(at, **details)
        self._line = line

    async def strike(self, session: Session, tag: str) -> None:  # noqa: ARG002
        await session.wire.flood(self._line)


class FloodsFolders(_At):
    """A LIST reply without end: good lines, each with a name of its own."""

    def __init__(self, at: str = "LIST", **details: Any) -> None:
        super().__init__(at, **details)

    async def strike(self, session: Session, tag: str) -> None:  # noqa: ARG002
        first = 0
        while True:
            lines = (b'* LIST (\\HasNoChildren) "/" "F%d"\r\n' % number for number in range(first, first + 1000))
            await session.wire.send(b"".join(lines))
            first += 1000


class EndlessLine(_At):
    """One line that never ends."""

    def __init__(self, at: str = "LIST", **details: Any) -> None:
        super().__init__(at, **details)

    async def strike(self, session: Session, tag: str) -> None:  # noqa: ARG002
        await session.wire.send(b"* OK ")
        await session.wire.flood(b"a")


class EnormousLiteral(_At):
    """Announces a literal of 10 GB and sends until the client has had enough (or, with `silent`, sends none of it)."""

    def __init__(self, at: str = "UID FETCH", *, silent: bool = False, **details: Any) -> None:
        super().__init__(at, **details)
        self._silent = silent

    async def strike(self, session: Session, tag: str) -> None:  # noqa: ARG002
        start = b'* LIST () "/" {%d}\r\n' if self.at == "LIST" else b"* 1 FETCH (UID 1 BODY[] {%d}\r\n"
        await session.wire.send(start % ENORMOUS)
        if self._silent:
            await session.wire.silence()
        await session.wire.flood(b"0123456789abcde\n")


class OddListLines(FakeImap):
    """Odd lines among the good ones of a LIST: all of ODD_LIST_LINES, or those of the given kinds."""

    def __init__(self, kinds: Iterable[str] = tuple(ODD_LIST_LINES), **details: Any) -> None:
        super().__init__(**details)
        self._lines = [ODD_LIST_LINES[kind] for kind in kinds]

    async def listing(
        self, session: Session, reference: str, patterns: list[str], selection: list[str], status: list[Token]
    ) -> None:
        if patterns == [""]:
            await super().listing(session, reference, patterns, selection, status)
            return
        half = len(self._lines) // 2
        for line in self._lines[:half]:
            await session.say(line)
        await super().listing(session, reference, patterns, selection, status)
        for line in self._lines[half:]:
            await session.say(line)


class BareOk(FakeImap):
    """The tagged OK has no text; with `space`, a blank stands after it. (RFC 3501 asks for a text; some send none.)"""

    def __init__(self, *, space: bool = False, **details: Any) -> None:
        super().__init__(**details)
        self._end = " " if space else ""

    async def done(self, session: Session, tag: str, text: str = "done") -> None:  # noqa: ARG002
        await self._tell(session)
        await session.say(f"{tag} OK{self._end}")


class IdleNeverStarts(_At):
    """Offers IDLE, and never sends the continuation."""

    def __init__(self, **details: Any) -> None:
        super().__init__("IDLE", **details)

    async def strike(self, session: Session, tag: str) -> None:  # noqa: ARG002
        await session.wire.silence()


class IdleTellsNothing(FakeImap):
    """IDLE begins and ends as it should, but nothing is told in it: new mail shows at the next command."""

    async def on_idle(self, session: Session, tag: str, arguments: list[Token]) -> None:  # noqa: ARG002
        await session.say("+ idling")
        await session.wire.line()
        await self.done(session, tag)


class ClockOff(FakeImap):
    """A server whose clock is off: every INTERNALDATE by `by`."""

    def __init__(self, by: dt.timedelta = dt.timedelta(days=-3650), **details: Any) -> None:
        super().__init__(**details)
        self._by = by

    def add(self, name: str, content: bytes, **details: object) -> Message:
        at = details.pop("at", None)
        now = at if isinstance(at, dt.datetime) else dt.datetime.now(dt.UTC)
        return super().add(name, content, at=now + self._by, **details)


class SearchLags(FakeImap):
    """SEARCH finds a message only when it was asked `times` times, as with an index that is built late."""

    def __init__(self, times: int = 2, **details: Any) -> None:
        super().__init__(**details)
        self._left = times

    async def on_uid_search(self, session: Session, tag: str, arguments: list[Token]) -> None:
        if self._left > 0:
            self._left -= 1
            await session.say("* SEARCH")
            await self.done(session, tag)
        else:
            await super().on_uid_search(session, tag, arguments)
