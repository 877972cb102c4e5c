"""The grammar of IMAP commands and the spelling of its answers (RFC 9051, section 9; RFC 3501, section 9)."""

import base64
import binascii
import contextlib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime

_ATOM = re.compile(rb'[^\x00-\x1f\x7f-\xff(){ %*"\\\]]+')
_ASTRING = re.compile(rb'[^\x00-\x1f\x7f-\xff(){ %*"\\]+')
_LIST_ATOM = re.compile(rb'[^\x00-\x1f\x7f-\xff(){ "\\]+')
_FLAG = re.compile(rb'\\?[^\x00-\x1f\x7f-\xff(){ %*"\\\]]+')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n]|\\["\\])*)"')
_LITERAL = re.compile(rb"~?\{(\d{1,10})\+?\}\r\n")
_NUMBER = re.compile(rb"\d{1,10}")
_SET = re.compile(rb"(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?(?:,(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?)*")
_DATE = re.compile(rb"(\d{1,2})-([A-Za-z]{3})-(\d{4})")
_SAFE_QUOTED = re.compile(rb"[\x20-\x7e]{0,900}")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DEPTH = 30  # nested parentheses that are still read


class BadSyntaxError(Exception):
    """The command breaks the grammar: the answer is BAD."""


class Scanner:
    """Reads a whole command, its literals in place, from left to right. Every method raises BadSyntaxError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._depth = 0

    @property
    def rest(self) -> bytes:
        """What is not read yet."""
        return self._data[self._at :]

    @property
    def at_end(self) -> bool:
        """Whether all is read."""
        return self._at >= len(self._data)

    def end(self) -> None:
        """Nothing may follow."""
        if not self.at_end:
            raise BadSyntaxError("unexpected text at the end of the command")

    def sees(self, token: bytes) -> bool:
        """Whether `token` comes next."""
        return self._data.startswith(token, self._at)

    def takes(self, token: bytes) -> bool:
        """Read `token` where it comes next, and say whether it did."""
        if self.sees(token):
            self._at += len(token)
            return True
        return False

    def expect(self, token: bytes) -> None:
        """Read `token`."""
        if not self.takes(token):
            raise BadSyntaxError(f"expected {token.decode()!r}")

    def space(self) -> None:
        """One space."""
        self.expect(b" ")

    def _match(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        found = pattern.match(self._data, self._at)
        if found is None:
            raise BadSyntaxError(f"expected {what}")
        self._at = found.end()
        return found

    def word(self) -> str:
        """An atom in upper case, such as a command's name."""
        return self._match(_ATOM, "an atom")[0].decode().upper()

    def flag(self) -> str:
        """A flag or keyword, system flags in their usual spelling."""
        text = self._match(_FLAG, "a flag")[0].decode()
        return "\\" + text[1:].capitalize() if text.startswith("\\") else text

    def number(self) -> int:
        """A number."""
        return int(self._match(_NUMBER, "a number")[0])

    def sequence_set(self) -> bytes:
        """A set of numbers, such as 1:5,7,9:*."""
        return self._match(_SET, "a set of numbers")[0]

    def is_set(self) -> bool:
        """Whether a set of numbers comes next."""
        found = _SET.match(self._data, self._at)
        return found is not None and self._data[found.end() : found.end() + 1] in (b"", b" ", b")")

    def string(self) -> bytes:
        """A quoted string or a literal."""
        if self.sees(b'"'):
            return re.sub(rb"\\(.)", rb"\1", self._match(_QUOTED, "a quoted string")[1])
        size = int(self._match(_LITERAL, "a string")[1])
        value = self._data[self._at : self._at + size]
        self._at += size
        return value

    def astring(self, *, wildcards: bool = False) -> bytes:
        """An atom or a string. With `wildcards`, % and * may stand in it, as in LIST."""
        if self.sees(b'"') or self.sees(b"{") or self.sees(b"~{"):
            return self.string()
        return self._match(_LIST_ATOM if wildcards else _ASTRING, "a string")[0]

    def mailbox(self, *, wildcards: bool = False) -> str:
        """A mailbox's name, modified UTF-7 decoded."""
        return decode_name(self.astring(wildcards=wildcards))

    def list_of(self, read: Callable[[], object]) -> list[object]:
        """What stands between parentheses, each read by `read`."""
        self.expect(b"(")
        self._depth += 1
        if self._depth > _DEPTH:
            raise BadSyntaxError("too many parentheses")
        values: list[object] = []
        while not self.takes(b")"):
            if values:
                self.space()
            values.append(read())
        self._depth -= 1
        return values

    @contextlib.contextmanager
    def deeper(self) -> Iterator[None]:
        """One more level of a search's parentheses, NOT or OR, until it is left."""
        self._depth += 1
        if self._depth > _DEPTH:
            raise BadSyntaxError("nested too deeply")
        yield
        self._depth -= 1

    def date(self) -> date:
        """A date such as 1-Feb-2026, quoted or not."""
        quoted = self.takes(b'"')
        day, month, year = self._match(_DATE, "a date").groups()
        if quoted:
            self.expect(b'"')
        try:
            return date(int(year), MONTHS.index(month.decode().capitalize()) + 1, int(day))
        except ValueError as error:
            raise BadSyntaxError("no such date") from error

    def date_time(self) -> datetime:
        """The date and time of APPEND, such as " 1-Feb-2026 10:00:00 +0100"."""
        text = self.string().strip()
        try:
            found = datetime.strptime(text.decode(), "%d-%b-%Y %H:%M:%S %z")
        except ValueError as error:
            raise BadSyntaxError("no such date and time") from error
        return found


def decode_name(raw: bytes) -> str:
    """A mailbox's name from modified UTF-7 (RFC 3501, section 5.1.3). Raises BadSyntaxError."""

    def part(found: re.Match[str]) -> str:
        if not found[1]:
            return "&"
        text = found[1].replace(",", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("utf-16-be")

    try:
        return re.sub(r"&([^-]*)-", part, raw.decode("utf-8"))
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadSyntaxError("not a mailbox name") from error


def encode_name(name: str) -> bytes:
    """A mailbox's name in modified UTF-7."""

    def part(found: re.Match[str]) -> str:
        if found[0] == "&":
            return "&-"
        text = base64.b64encode(found[0].encode("utf-16-be")).decode()
        return "&" + text.rstrip("=").replace("/", ",") + "-"

    return re.sub(r"&|[^\x20-\x7e]+", part, name).encode("ascii")


def quoted(value: bytes) -> bytes:
    """A string as the answer writes it: quoted where that is possible, else a literal."""
    if _SAFE_QUOTED.fullmatch(value):
        return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return b"{%d}\r\n" % len(value) + value


def literal(value: bytes) -> bytes:
    """A string as a literal."""
    return b"{%d}\r\n" % len(value) + value


def nstring(value: bytes | None) -> bytes:
    """A string, or NIL."""
    return b"NIL" if value is None else quoted(value)


def name_out(name: str) -> bytes:
    """A mailbox's name as the answer writes it."""
    return quoted(encode_name(name))


def flags_out(flags: Iterable[str]) -> bytes:
    """A list of flags."""
    return b"(" + " ".join(sorted(flags)).encode("ascii", "replace") + b")"


def internal_date(at: datetime) -> bytes:
    """INTERNALDATE as the answer writes it."""
    return f'"{at.day:2d}-{MONTHS[at.month - 1]}-{at:%Y %H:%M:%S %z}"'.encode()


def numbers_in(text: bytes, known: list[int]) -> list[int]:
    """The members of the ascending list `known` that a set names. `*` is the largest.

    For message numbers, `known` is 1…n. Numbers beyond it name nothing, as with UIDs (RFC 9051, section 9, seq-range).
    """
    if not known:
        return []
    largest = known[-1]
    found: set[int] = set()
    for part in text.split(b","):
        ends = [largest if end == b"*" else int(end) for end in part.split(b":")]
        found.update(known[bisect_left(known, min(ends)) : bisect_right(known, max(ends))])
    return sorted(found)


def compact(numbers: list[int]) -> bytes:
    """An ascending list as a set: 1:3,7."""
    parts: list[str] = []
    start = previous = None
    for number in [*numbers, None]:
        if previous is not None and number != previous + 1:
            parts.append(str(start) if start == previous else f"{start}:{previous}")
            start = None
        if start is None:
            start = number
        previous = number
    return ",".join(parts).encode()
