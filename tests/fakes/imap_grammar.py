"""What the fake IMAP server stores, and the grammar that it reads and writes (RFC 3501 §9)."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from imapclient import imap_utf7

Token: TypeAlias = "str | list[Token]"
_TOKEN = re.compile(
    rb'\s*(?:(?P<open>\()|(?P<close>\))|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<atom>(?:[^\s()"\[]|\[[^\]]*\])+))'
)


@dataclass
class Message:
    """A stored message; `at` is its INTERNALDATE."""

    content: bytes
    at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    flags: tuple[str, ...] = ()
    uid: int = 0


@dataclass
class Folder:
    """A mailbox: its name in Unicode, its LIST attributes, what lies in it."""

    name: str
    attributes: tuple[str, ...] = ()
    messages: list[Message] = field(default_factory=list)
    uid_validity: int = 1

    @property
    def uid_next(self) -> int:
        """The UID of the next message."""
        return 1 + max((one.uid for one in self.messages), default=0)

    def add(self, message: Message) -> Message:
        """Store it under the next UID."""
        message.uid = self.uid_next
        self.messages.append(message)
        return message


def quoted(name: str) -> str:
    """A mailbox name as it stands in a reply: modified UTF-7 (RFC 3501 §5.1.3), quoted."""
    coded: str = imap_utf7.encode(name).decode("ascii")
    return '"' + coded.replace("\\", "\\\\").replace('"', '\\"') + '"'


def tokens(raw: bytes, literals: list[bytes]) -> list[Token]:
    """A command's words; lists are lists, quoting and literals are resolved."""
    stack: list[list[Token]] = [[]]
    waiting = iter(literals)
    for match in _TOKEN.finditer(raw):
        if match["open"]:
            stack.append([])
        elif match["close"]:
            if len(stack) > 1:
                inner = stack.pop()
                stack[-1].append(inner)
        elif match["quoted"] is not None:
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", match["quoted"]).decode("utf-8", "surrogateescape"))
        else:
            word = next(waiting) if match["atom"] == b"\x00" else match["atom"]
            stack[-1].append(word.decode("utf-8", "surrogateescape"))
    return stack[0]


def matches(name: str, pattern: str) -> bool:
    """Whether LIST's pattern means the folder `name`."""
    # fnmatch's "*" crosses levels as IMAP's does; "%" stays in its level.
    wanted = imap_utf7.decode(pattern.encode())
    if "%" in wanted and name.count("/") != wanted.count("/"):
        return False
    return fnmatch.fnmatchcase(name, wanted.replace("%", "*"))


def number_set(text: str, highest: int) -> set[int]:
    """The numbers of a sequence set like "1:3,7,9:*"; `highest` stands for the asterisk."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.replace("*", str(highest)).partition(":")
        low, high = sorted((int(first), int(last or first)))
        found.update(range(low, high + 1))
    return found


def section(item: str, content: bytes) -> tuple[str, bytes]:
    """The name under which a BODY section is returned, and its bytes."""
    name = re.sub(r"^BODY(\.PEEK)?", "BODY", item, flags=re.IGNORECASE)
    partial = re.search(r"<(\d+)\.(\d+)>$", name)
    inside = name[name.index("[") + 1 : name.index("]")].upper()
    head, blank, body = content.partition(b"\r\n\r\n")
    if inside == "":
        data = content
    elif inside == "TEXT":
        data = body
    elif inside.startswith("HEADER.FIELDS"):
        wanted = set(re.findall(r"[^\s()]+", inside)[1:])
        parsed = email.message_from_bytes(head + blank, policy=email.policy.compat32)
        lines = [f"{key}: {value}\r\n" for key, value in parsed.items() if key.upper() in wanted]
        data = "".join(lines).encode("utf-8", "surrogateescape") + b"\r\n"
    else:
        data = head + blank
    if partial:
        start, size = int(partial[1]), int(partial[2])
        return name[: partial.start()] + f"<{start}>", data[start : start + size]
    return name, data


def search_test(keys: list[Token], folder: Folder) -> Callable[[Message], bool]:
    """What a SEARCH asks for, as a test of one message. Keys follow each other, all must hold."""
    tests: list[Callable[[Message], bool]] = []
    while keys:
        tests.append(_search_key(keys, folder))
    return lambda message: all(test(message) for test in tests)


def _search_key(keys: list[Token], folder: Folder) -> Callable[[Message], bool]:
    key = keys.pop(0)
    if isinstance(key, list):
        return search_test(list(key), folder)
    name = key.upper()
    if name == "NOT":
        inner = _search_key(keys, folder)
        return lambda message: not inner(message)
    if name == "OR":
        one, other = _search_key(keys, folder), _search_key(keys, folder)
        return lambda message: one(message) or other(message)
    if name in {"SEEN", "UNSEEN"}:
        return lambda message: ("\\Seen" in message.flags) == (name == "SEEN")
    if name in {"SINCE", "BEFORE"}:
        day = dt.datetime.strptime(str(keys.pop(0)), "%d-%b-%Y").date()  # noqa: DTZ007  # a day, no time
        return lambda message: (message.at.date() >= day) == (name == "SINCE")
    if name == "UID":
        wanted = number_set(str(keys.pop(0)), folder.uid_next - 1)
        return lambda message: message.uid in wanted
    if name in {"TEXT", "BODY"}:
        part = str(keys.pop(0)).encode().lower()
        return lambda message: part in message.content.lower()
    if name in {"HEADER", "SUBJECT", "FROM", "TO"}:
        header = str(keys.pop(0)) if name == "HEADER" else name
        value = str(keys.pop(0)).lower()
        return lambda message: any(
            value in str(one).lower() for one in email.message_from_bytes(message.content).get_all(header, [])
        )
    if name != "ALL":
        raise ValueError(f"unknown search key {name}")
    return lambda _message: True
