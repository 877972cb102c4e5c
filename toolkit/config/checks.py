"""What no single value can tell: rules over several values of the file, and over the files that it names.

They look at the file as it was parsed, so that one wrong value hides no other fault. A value of the wrong type is
none of their business; `toolkit.config.wording` reports it.
"""

import ssl
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any, Final, NamedTuple

from toolkit.config.duration import parse_duration, write_duration
from toolkit.config.fault import Fault, entry_place
from toolkit.config.forms import is_loopback, quoted, suggestion
from toolkit.config.settings import Probe

MAX_TEMPLATE: Final = 25 * 1024 * 1024  # bytes; no large provider takes more (RFC 1870 lets each say its own limit)

Table = dict[str, Any]


class Found(NamedTuple):
    """A fault, and the keys that it belongs to, for its order among others."""

    keys: tuple[int | str, ...]
    fault: Fault


def check_file(raw: Table, folder: Path) -> Iterator[Found]:
    """Every fault that shows only where values or files are seen together. Relative paths start at `folder`."""
    for kind in ("stream", "route", "inbox", "collect"):
        yield from _duplicates(kind, raw)
    for index, entry in _entries(raw, "stream"):
        for key, message in (*_body(entry, folder), *_routes(entry, raw)):
            yield _found("stream", index, entry, key, message)
    for kind in ("route", "inbox", "collect"):
        for index, entry in _entries(raw, kind):
            for key, message in (*_login(entry, kind), *_security(entry), *_ca_file(entry, folder)):
                yield _found(kind, index, entry, key, message)
    yield from _probe(raw)
    yield from _reputation(raw)


def _entries(raw: Table, kind: str) -> Iterator[tuple[int, Table]]:
    entries = raw.get(kind)
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield index, entry


def _found(kind: str, index: int, entry: Table, key: str, message: str) -> Found:
    place = entry_place(kind, index, entry)
    return Found((kind, index, key), Fault(f"{place}: {key}" if key else place, message))


def _duplicates(kind: str, raw: Table) -> Iterator[Found]:
    seen: dict[str, int] = {}
    for index, entry in _entries(raw, kind):
        name = entry.get("name")
        if not isinstance(name, str):
            continue
        if name in seen:
            message = f"entries {seen[name] + 1} and {index + 1} of [[{kind}]] have the same name: rename one"
            yield _found(kind, index, entry, "name", message)
        else:
            seen[name] = index


def _body(stream: Table, folder: Path) -> Iterator[tuple[str, str]]:
    template = stream.get("template")
    written = [key for key in ("text", "html") if key in stream]
    if "template" in stream and written:
        yield "template", f"stands beside {' and '.join(written)}: give either a template, or text and html"
    elif "template" not in stream and not written:
        yield "", "has no body: give template, or text, or html, or text and html"
    if isinstance(template, str) and template.isprintable() and template.strip():
        fault = _template_fault(folder / template)
        if fault:
            yield "template", fault


def _template_fault(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEMPLATE + 1)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if len(data) > MAX_TEMPLATE:
        return f"{path} is larger than {MAX_TEMPLATE // 1024**2} MiB: no large provider takes such a message"
    try:
        message = message_from_bytes(data)
        defect = _defect(message)
    except RecursionError:
        return f"{path} is a broken message: its parts stand too deep in each other"
    if not message.keys():
        return f'{path} is not a message: it must begin with header lines, such as "Subject: …"'
    return f"{path} is a broken message: {defect}" if defect else None


def _defect(message: Message) -> str | None:
    for part in message.walk():
        for defect in part.defects:
            summary = (type(defect).__doc__ or type(defect).__name__).strip().splitlines()[0]
            return summary[:1].lower() + summary[1:].rstrip(".")
    return None


def _routes(stream: Table, raw: Table) -> Iterator[tuple[str, str]]:
    names = stream.get("routes")
    known = [entry["name"] for _, entry in _entries(raw, "route") if isinstance(entry.get("name"), str)]
    for name in names if isinstance(names, list) else []:
        if isinstance(name, str) and name not in known:
            meant = suggestion(name, known)
            hint = f"did you mean {quoted(meant)}?" if meant else f"there are {', '.join(map(quoted, known)) or 'none'}"
            yield "routes", f"no [[route]] is named {quoted(name)}: {hint}"


def _login(server: Table, kind: str) -> Iterator[tuple[str, str]]:
    has_name = bool(server.get("username"))
    ways = [key for key in ("password", "oauth") if key in server]
    if len(ways) == 2:
        yield "oauth", "stands beside a password: give one of them"
    if ways and not has_name:
        yield "username", f"missing: {ways[0]} needs a login name"
    elif has_name and not ways:
        yield "password", "missing: the login needs a password or oauth"
    elif kind != "route" and not ways:
        yield "username", "missing: a mailbox is read with a username and a password or oauth"


def _security(server: Table) -> Iterator[tuple[str, str]]:
    host = server.get("host")
    if server.get("security") == "none" and isinstance(host, str) and not is_loopback(host):
        message = (
            f'"none" would send passwords and mail unprotected to {quoted(host)}: write "tls" or "starttls" '
            '("none" is for 127.0.0.0/8, ::1 and localhost)'
        )
        yield "security", message


def _ca_file(server: Table, folder: Path) -> Iterator[tuple[str, str]]:
    written = server.get("ca_file")
    if not isinstance(written, str) or not written.isprintable() or not written.strip():
        return
    path = folder / written
    try:
        with path.open("rb") as file:
            file.read(1)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        yield "ca_file", f"{path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    except OSError as error:
        yield "ca_file", f"{path} cannot be read: {error.strerror}"


def _probe(raw: Table) -> Iterator[Found]:
    probe = raw.get("probe")
    if not isinstance(probe, dict):
        return
    timeout = _span(probe.get("timeout", Probe().timeout))
    poll = _span(probe.get("poll", Probe().poll))
    if timeout is not None and poll is not None and timeout <= poll:
        message = f"must be longer than poll ({write_duration(poll)}), or no mailbox is looked into twice"
        yield Found(("probe", "timeout"), Fault("probe: timeout", message))


def _span(value: object) -> timedelta | None:
    try:
        return parse_duration(value)
    except ValueError:
        return None


def _reputation(raw: Table) -> Iterator[Found]:
    reputation = raw.get("reputation")
    if not isinstance(reputation, dict):
        return
    lists, keys = reputation.get("lists"), reputation.get("keys")
    if not isinstance(lists, list) or not isinstance(keys, dict):
        return
    known = [zone for zone in lists if isinstance(zone, str)]
    for zone in keys:
        if zone not in known:
            meant = suggestion(zone, known)
            hint = f"did you mean {quoted(meant)}?" if meant else "add it there, or remove its key"
            message = f"{quoted(zone)} is not among lists: {hint}"
            yield Found(("reputation", "keys"), Fault("reputation: keys", message))
