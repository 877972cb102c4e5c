"""The forms of single values: a function each, from what was written to what is meant.

Each raises ValueError with a sentence for people that says what is expected. The sentences quote what was written
only where it cannot be a secret, and cut it short.
"""

import ipaddress
import re
import zoneinfo
from collections.abc import Callable
from difflib import get_close_matches
from email.utils import parseaddr
from typing import Final
from urllib.parse import urlsplit

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

DNS_PORT: Final = 53
MAX_ADDRESS: Final = 254  # octets of a path without its angle brackets (RFC 5321, section 4.5.3.1.3)
MAX_LOCAL_PART: Final = 64  # octets (RFC 5321, section 4.5.3.1.1)

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_DNS_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*")
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf'{_ATEXT}(?:\.{_ATEXT})*|"(?:[ !#-\[\]-~]|\\[ -~])*"')
_MAILBOX = re.compile(r'(?P<phrase>"(?:[^"\\]|\\.)*"|[^"<>@,;:\\()\[\]]*)\s*<(?P<address>[^<>]*)>')
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_QUOTED_LENGTH: Final = 60


def quoted(value: object) -> str:
    """The value in double quotes, printable and at most a line long."""
    text = value if isinstance(value, str) else str(value)
    text = text if len(text) <= _QUOTED_LENGTH else text[: _QUOTED_LENGTH - 1] + "…"
    return '"' + "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text) + '"'


def suggestion(word: str, known: tuple[str, ...] | list[str], *, likeness: float = 0.6) -> str | None:
    """The known word that was most likely meant; None where none is as like as that, of 1."""
    lowered = {item.lower(): item for item in reversed(known)}
    found = get_close_matches(word.lower()[:100], lowered, n=1, cutoff=likeness)
    return lowered[found[0]] if found else None


def _controls(text: str, *, allowed: str = "") -> bool:
    return any(
        (ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0 or sign in "\u2028\u2029") for sign in text if sign not in allowed
    )


def line(text: str) -> str:
    """Text that stays on one line: it goes into a header, a command or a log."""
    if _controls(text):
        raise ValueError("must be one line without control characters (a line break or tab is among them)")
    return text


def full_line(text: str) -> str:
    """A line that is not empty."""
    if not text.strip():
        raise ValueError("must not be empty")
    return line(text)


def paragraphs(text: str) -> str:
    """Text of any number of lines."""
    if not text.strip():
        raise ValueError("must not be empty")
    if _controls(text, allowed="\t\r\n"):
        raise ValueError("must not contain control characters other than line breaks and tabs")
    return text


def name(text: str) -> str:
    """What an entry is called, in this file and in reports."""
    if not _NAME.fullmatch(text):
        raise ValueError(
            "a name has 1 to 64 letters a-z, digits, dots, hyphens or underscores, a letter or digit first"
        )
    return text


def whole_number(lowest: int, highest: int) -> Callable[[object], int]:
    """A whole number from `lowest` to `highest`, both allowed."""

    def check(value: object) -> int:
        if isinstance(value, str) and value.strip().isdecimal():
            raise ValueError(f"must be a whole number from {lowest} to {highest}, without quotes")
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return value

    return check


def _ascii_form(text: str) -> str:
    """How a name with letters beyond ASCII is to be written, where it has such a form; else nothing."""
    try:
        return f": write {quoted(text.encode('idna').decode('ascii'))}"
    except UnicodeError:
        return ""


def _domain_fault(text: str) -> str | None:
    if not text.isascii():
        return f"must be in its ASCII form{_ascii_form(text)}"
    if len(text) > 253 or not _DOMAIN.fullmatch(text) or text.rpartition(".")[2].isdigit():
        return "is not a domain name"
    return None


def domain(text: str) -> str:
    """A domain of the public DNS, such as "belmont.example"; in ASCII, without the last dot."""
    line(text)
    if fault := _domain_fault(text):
        raise ValueError(f"{quoted(text)} {fault}")
    if "." not in text:
        raise ValueError(f'{quoted(text)} is not a whole domain name, such as "belmont.example"')
    return text


def dns_name(text: str) -> str:
    """A name in the DNS that may have underscores: a selector, or the zone of a block list."""
    if len(text) > 253 or not _DNS_NAME.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not a name in the DNS: letters, digits, hyphens, underscores and dots")
    return text


def address(text: str) -> str:
    """One mail address without a display name (RFC 5321, section 4.1.2), its domain in ASCII."""
    line(text)
    local, at, host = text.rpartition("@")
    if not at or not local or not host or "<" in text or " " in host:
        raise ValueError(f'{quoted(text)} is not an address: write one as "name@domain.example"')
    if fault := _domain_fault(host):
        raise ValueError(f"{quoted(text)}: the part after the @ {fault}")
    if not _LOCAL_PART.fullmatch(local):
        raise ValueError(f"{quoted(text)}: the part before the @ may not be written so (RFC 5321)")
    if len(local) > MAX_LOCAL_PART or len(text) > MAX_ADDRESS:
        raise ValueError(f"{quoted(text)} is too long: {MAX_LOCAL_PART} signs before the @, {MAX_ADDRESS} in all")
    return text


def sender_line(text: str) -> str:
    """The From of a message: an address, with a display name or without (RFC 5322, section 3.4)."""
    full_line(text)
    match = _MAILBOX.fullmatch(text.strip())
    if match is None and ("<" in text or "," in text or " " in text.strip()):
        raise ValueError(
            f'{quoted(text)} is not one sender: write "Name <name@domain.example>", '
            "a name with signs such as , : @ in quotation marks of its own"
        )
    inner = match["address"] if match else text.strip()
    address(inner)
    if parseaddr(text)[1] != inner:
        raise ValueError(f'{quoted(text)} is not one sender: write "Name <name@domain.example>"')
    return text


def ip_address(value: object) -> IpAddress:
    """An IPv4 or IPv6 address."""
    if isinstance(value, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return value
    try:
        if isinstance(value, str):
            return ipaddress.ip_address(value)
    except ValueError:
        pass
    raise ValueError(f'{quoted(value)} is not an IP address, such as "192.0.2.10" or "2001:db8::10"')


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def host(text: str) -> str:
    """The name or address of a server, without port, scheme or brackets."""
    full_line(text)
    if _is_ip(text):
        return text
    if "://" in text:
        raise ValueError(f"{quoted(text)} is a URL: give the host name alone")
    if text.startswith("["):
        raise ValueError(f"{quoted(text)}: write an IPv6 address without brackets")
    before, colon, after = text.partition(":")
    if colon and after.isdecimal():
        raise ValueError(f"{quoted(text)} holds a port: write host = {quoted(before)} and port = {after[:5]}")
    if not text.isascii():
        raise ValueError(f"{quoted(text)} must be in its ASCII form{_ascii_form(text)}")
    bare = text.removesuffix(".")
    if not _DNS_NAME.fullmatch(bare) or len(bare) > 253 or bare.rpartition(".")[2].isdigit():
        raise ValueError(f"{quoted(text)} is neither a host name nor an IP address")
    return text


def helo_name(text: str) -> str:
    """What a client calls itself in EHLO: a host name, or an address in brackets (RFC 5321, section 4.1.3)."""
    literal = re.fullmatch(r"\[(?:IPv6:)?(.+)\]", text)
    if literal and _is_ip(literal[1]):
        return text
    return host(text)


def is_loopback(text: str) -> bool:
    """Whether a host is this machine itself: 127.0.0.0/8, ::1 or localhost."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return text.lower().removesuffix(".") == "localhost"
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def parse_nameserver(text: str) -> tuple[str, int]:
    """The address and port that "address", "address:port" or "[v6]:port" names; port 53 where none is given."""
    where, port = text, str(DNS_PORT)
    if not _is_ip(text):
        match = re.fullmatch(r"\[(?P<v6>[^\]]+)\](?::(?P<port6>.*))?|(?P<v4>[^:]+):(?P<port4>.*)", text, re.DOTALL)
        if match:
            where = match["v6"] or match["v4"]
            port = match["port6"] or match["port4"] or port
    if not _is_ip(where):
        raise ValueError(
            f"{quoted(text)} is not a name server: give an IP address, with a port or without, "
            'such as "192.0.2.53", "127.0.0.1:5353" or "[::1]:5353"'
        )
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise ValueError(f"{quoted(text)}: the port must be a whole number from 1 to 65535")
    return where, int(port)


def nameserver(text: str) -> str:
    """A name server as `parse_nameserver` reads it, left as it was written."""
    parse_nameserver(text)
    return text


def store_url(text: str) -> str:
    """The URL of a database of a kind that mailwhy knows. It may hold a password, and is never quoted."""
    line(text)
    forms = '"sqlite:///file.db" or "postgresql+psycopg://user@host/database"'
    scheme, _, rest = text.partition("://")
    if scheme == "sqlite":
        path = rest.partition("?")[0]
        if not path.startswith("/") or path in ("/", "/:memory:"):
            raise ValueError('SQLite needs a file: write "sqlite:///file.db", with four slashes for an absolute path')
        return text
    if scheme != "postgresql+psycopg":
        hint = ", with +psycopg in its name" if scheme.startswith("postgres") else ""
        raise ValueError(f"is not a URL of a known database{hint}: write {forms}")
    try:
        parts = urlsplit(text)
        named = parts.port != 0 and len(parts.path) > 1
    except ValueError:
        named = False
    if not named:
        raise ValueError('must name host and database, such as "postgresql+psycopg://user@host/database"')
    return text


def https_url(text: str) -> str:
    """An https URL that may stand between angle brackets in a header."""
    line(text)
    try:
        parts = urlsplit(text)
        right = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right or not text.isascii() or re.search(r'[\s<>"\\^`{|}]', text):
        raise ValueError(f'{quoted(text)} is not an https URL: write "https://host/path", without spaces, in ASCII')
    return text


def unsubscribe_address(text: str) -> str:
    """Where a reader writes to leave: an address, or a mailto URL (RFC 6068) with more than that."""
    line(text)
    bare, mark, query = text.removeprefix("mailto:").partition("?")
    address(bare)
    if mark and (not text.startswith("mailto:") or not re.fullmatch(r"[!-;=?-~]+", query)):
        raise ValueError(f'{quoted(text)} is not a mailto URL: write "mailto:name@domain.example?subject=leave"')
    return text


def timezone(text: str) -> str:
    """The name of a time zone in this machine's database."""
    line(text)
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = sorted(zoneinfo.available_timezones())
        if not known:
            raise ValueError("this machine has no time zone database: install the package tzdata") from None
        meant = suggestion(text, known, likeness=0.8)
        hint = f"did you mean {quoted(meant)}?" if meant else 'write one as "Europe/Berlin"'
        raise ValueError(f"{quoted(text)} is not a time zone: {hint}") from None
    return text


def or_empty(form: Callable[[str], str]) -> Callable[[str], str]:
    """The form, or nothing at all where the setting may be left empty."""
    return lambda text: form(text) if text else text
