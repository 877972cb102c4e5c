"""Commands on folders: LIST, LSUB, XLIST, NAMESPACE, STATUS, CREATE, DELETE, RENAME, SUBSCRIBE, QUOTA."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from toolkit.lab.imap.registry import When, command
from toolkit.lab.imap.session import Command, NoError, Session
from toolkit.lab.imap.syntax import BadSyntaxError, Scanner, decode_name, name_out
from toolkit.lab.mailboxes import Folder

_STATUS_ITEMS = ("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "SIZE", "DELETED")
_SPECIAL = {"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\Important"}
_XLIST = {"\\All": "\\AllMail", "\\Junk": "\\Spam", "\\Flagged": "\\Starred"}


@dataclass(slots=True)
class Wanted:
    """What a LIST command asks for."""

    patterns: list[str] = field(default_factory=list)
    select: set[str] = field(default_factory=set)
    give: set[str] = field(default_factory=set)
    status: list[str] = field(default_factory=list)


def _status_items(scanner: Scanner) -> list[str]:
    items = [str(item) for item in scanner.list_of(scanner.word)]
    unknown = [item for item in items if item not in _STATUS_ITEMS]
    if unknown or not items:
        raise BadSyntaxError(f"unknown status item {' '.join(unknown)}")
    return items


def _read_list(session: Session, cmd: Command) -> Wanted:
    scanner = cmd.scanner()
    extended = session.has("LIST-EXTENDED")
    special = extended or session.has("SPECIAL-USE")
    wanted = Wanted()
    if special and scanner.sees(b"("):
        wanted.select = {str(option) for option in scanner.list_of(scanner.word)}
        scanner.space()
    reference = scanner.mailbox()
    scanner.space()
    if extended and scanner.sees(b"("):
        wanted.patterns = [reference + str(p) for p in scanner.list_of(lambda: scanner.mailbox(wildcards=True))]
    else:
        wanted.patterns = [reference + decode_name(scanner.astring(wildcards=True))]
    if special and scanner.takes(b" RETURN ") or scanner.takes(b" return "):  # noqa: RUF021 - read from left to right
        _read_return(session, scanner, wanted)
    scanner.end()
    return wanted


def _read_return(session: Session, scanner: Scanner, wanted: Wanted) -> None:
    def option() -> str:
        name = scanner.word()
        if name == "STATUS":
            if not session.has("LIST-STATUS"):
                raise BadSyntaxError("STATUS is not offered as a return option")
            scanner.space()
            wanted.status = _status_items(scanner)
        elif name not in ("CHILDREN", "SUBSCRIBED", "SPECIAL-USE"):
            raise BadSyntaxError(f"unknown return option {name}")
        return name

    wanted.give = {str(name) for name in scanner.list_of(option)}


def _matcher(patterns: list[str], delimiter: str) -> re.Pattern[str]:
    inner = f"[^{re.escape(delimiter)}]*"
    alternatives = [
        "".join(".*" if char == "*" else inner if char == "%" else re.escape(char) for char in pattern)
        for pattern in patterns
    ]
    return re.compile("|".join(f"(?:{alternative})" for alternative in alternatives) + "$", re.DOTALL)


def _matching(session: Session, patterns: list[str]) -> Iterator[Folder]:
    account = session.account
    pattern = _matcher([p.upper() if p.upper() == "INBOX" else p for p in patterns], account.delimiter)
    return (folder for name, folder in sorted(account.folders.items(), key=_order) if pattern.fullmatch(name))


def _order(pair: tuple[str, Folder]) -> tuple[bool, str]:
    return pair[0] != "INBOX", pair[0]


def _attributes(session: Session, folder: Folder, *, asked: bool) -> list[str]:
    shown = [a for a in folder.attributes if a not in _SPECIAL or asked or session.server.lists_special_use]
    if session.has("CHILDREN"):
        shown.append("\\HasChildren" if session.account.children_of(folder.name) else "\\HasNoChildren")
    return shown


def _line(session: Session, word: str, folder: Folder, attributes: list[str]) -> bytes:
    start = f'* {word} ({" ".join(attributes)}) "{session.account.delimiter}" '.encode()
    if session.behaviour.malformed_list:
        return start[: start.index(b")")] + b' "" ' + name_out(folder.name)[1:]
    return start + name_out(folder.name)


@command("LIST", When.AFTER)
async def list_(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.3.9; RFC 5258, RFC 5819 and RFC 6154 as far as they are offered."""
    wanted = _read_list(session, cmd)
    if wanted.patterns == [""]:
        session.send(f'* LIST (\\Noselect) "{session.account.delimiter}" ""'.encode())
        session.tagged(cmd, "OK", "Completed")
        return
    asked = "SPECIAL-USE" in wanted.give | wanted.select
    for folder in _matching(session, wanted.patterns):
        if "SPECIAL-USE" in wanted.select and not set(folder.attributes) & _SPECIAL:
            continue
        if "SUBSCRIBED" in wanted.select and not folder.subscribed:
            continue
        attributes = _attributes(session, folder, asked=asked)
        if folder.subscribed and "SUBSCRIBED" in wanted.select | wanted.give:
            attributes.append("\\Subscribed")
        session.send(_line(session, "LIST", folder, attributes))
        if wanted.status and folder.selectable:
            session.send(_status_line(folder, wanted.status))
    session.report()
    session.tagged(cmd, "OK", "Completed")


async def _old_list(session: Session, cmd: Command, word: str, rename: dict[str, str]) -> None:
    scanner = cmd.scanner()
    reference = scanner.mailbox()
    scanner.space()
    pattern = decode_name(scanner.astring(wildcards=True))
    scanner.end()
    for folder in _matching(session, [reference + pattern]):
        if folder.subscribed:
            attributes = [rename.get(a, a) for a in _attributes(session, folder, asked=word == "XLIST")]
            session.send(_line(session, word, folder, attributes))
    session.tagged(cmd, "OK", "Completed")


@command("LSUB", When.AFTER)
async def lsub(session: Session, cmd: Command) -> None:
    """RFC 3501, section 6.3.9."""
    await _old_list(session, cmd, "LSUB", {})


@command("XLIST", When.AFTER, "XLIST")
async def xlist(session: Session, cmd: Command) -> None:
    """Gmail's forerunner of SPECIAL-USE, still answered."""
    await _old_list(session, cmd, "XLIST", _XLIST)


@command("NAMESPACE", When.AFTER, "NAMESPACE")
async def namespace(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.3.10."""
    cmd.none()
    account = session.account
    session.send(b"* NAMESPACE ((" + name_out(account.prefix) + f' "{account.delimiter}")) NIL NIL'.encode())
    session.tagged(cmd, "OK", "Completed")


def _status_line(folder: Folder, items: list[str]) -> bytes:
    entries = folder.entries.values()
    values: dict[str, Callable[[], int]] = {
        "MESSAGES": lambda: len(folder.entries),
        "RECENT": lambda: sum(entry.recent for entry in entries),
        "UIDNEXT": lambda: folder.uid_next,
        "UIDVALIDITY": lambda: folder.uid_validity,
        "UNSEEN": folder.unseen,
        "SIZE": folder.size,
        "DELETED": lambda: sum("\\Deleted" in entry.item.flags for entry in entries),
    }
    text = " ".join(f"{item} {values[item]()}" for item in items)
    return b"* STATUS " + name_out(folder.name) + f" ({text})".encode()


@command("STATUS", When.AFTER)
async def status(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.3.11."""
    scanner = cmd.scanner()
    folder = session.account.find(scanner.mailbox())
    scanner.space()
    items = _status_items(scanner)
    scanner.end()
    if not folder.selectable:
        raise NoError("Mailbox holds no messages", "CANNOT")
    session.send(_status_line(folder, items))
    session.report()
    session.tagged(cmd, "OK", "Completed")


def _one_name(cmd: Command) -> str:
    scanner = cmd.scanner()
    name = scanner.mailbox()
    scanner.end()
    return name


@command("CREATE", When.AFTER)
async def create(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.3.4."""
    session.account.create(_one_name(cmd))
    session.tagged(cmd, "OK", "Completed")


@command("DELETE", When.AFTER)
async def delete(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.3.5."""
    session.account.delete(_one_name(cmd))
    session.tagged(cmd, "OK", "Completed")


@command("RENAME", When.AFTER)
async def rename(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.3.6."""
    scanner = cmd.scanner()
    old = scanner.mailbox()
    scanner.space()
    new = scanner.mailbox()
    scanner.end()
    session.account.rename(old, new)
    session.tagged(cmd, "OK", "Completed")


@command("SUBSCRIBE", When.AFTER)
async def subscribe(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.3.7."""
    session.account.find(_one_name(cmd)).subscribed = True
    session.tagged(cmd, "OK", "Completed")


@command("UNSUBSCRIBE", When.AFTER)
async def unsubscribe(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.3.8."""
    session.account.find(_one_name(cmd)).subscribed = False
    session.tagged(cmd, "OK", "Completed")


def _quota_line(session: Session) -> str:
    limit = session.account.quota
    return f'QUOTA "" ({"" if limit is None else f"STORAGE {-(-session.account.used() // 1024)} {limit // 1024}"})'


@command("GETQUOTA", When.AFTER, "QUOTA")
async def getquota(session: Session, cmd: Command) -> None:
    """RFC 9208, section 4.2: one root, named "", in units of 1024 bytes."""
    if _one_name(cmd):
        raise NoError("No such quota root", "NONEXISTENT")
    session.untagged(_quota_line(session))
    session.tagged(cmd, "OK", "Completed")


@command("GETQUOTAROOT", When.AFTER, "QUOTA")
async def getquotaroot(session: Session, cmd: Command) -> None:
    """RFC 9208, section 4.3."""
    folder = session.account.find(_one_name(cmd))
    session.send(b"* QUOTAROOT " + name_out(folder.name) + b' ""')
    session.untagged(_quota_line(session))
    session.tagged(cmd, "OK", "Completed")
