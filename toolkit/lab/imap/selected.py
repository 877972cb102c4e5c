"""Commands on the messages of the selected folder: FETCH, SEARCH, STORE, COPY, MOVE, EXPUNGE, and APPEND."""

from collections.abc import Awaitable, Callable

from toolkit.lab.gmail import GmailAccount
from toolkit.lab.imap.fetch import FetchItem, View, parse_items
from toolkit.lab.imap.registry import When, command
from toolkit.lab.imap.search import CHARSETS, BadCharsetError, parse_search
from toolkit.lab.imap.session import Command, EndError, NoError, Session
from toolkit.lab.imap.syntax import BadSyntaxError, Scanner, compact, numbers_in
from toolkit.lab.mailboxes import Entry, Folder, MailboxError
from toolkit.lab.messages import Item, now

_CHUNK = 200  # messages that are answered before the client has to catch up
_RETURN = ("MIN", "MAX", "COUNT", "ALL")


def _uids(session: Session, scanner: Scanner, *, by_uid: bool) -> list[int]:
    """Read a set and give the UIDs that it names. Raises BadSyntaxError for message numbers that are not there."""
    text = scanner.sequence_set()
    if by_uid:
        return numbers_in(text, session.sequence)
    numbers = numbers_in(text, list(range(1, len(session.sequence) + 1)))
    if not numbers:
        raise BadSyntaxError("no such message number")
    return [session.sequence[number - 1] for number in numbers]


def _present(folder: Folder, uids: list[int]) -> list[Entry]:
    """The messages that are still there."""
    return [folder.entries[uid] for uid in uids if uid in folder.entries]


# FETCH


async def _fetch(session: Session, cmd: Command, scanner: Scanner, *, by_uid: bool) -> None:
    folder = session.selected()
    uids = _uids(session, scanner, by_uid=by_uid)
    scanner.space()
    items = parse_items(scanner, session.account)
    scanner.end()
    if by_uid and not any(item.name == b"UID" for item in items):
        items = [*parse_items(Scanner(b"UID"), session.account), *items]
    marks = any(item.marks_seen for item in items) and not session.read_only
    for start in range(0, len(uids), _CHUNK):
        for entry in _present(folder, uids[start : start + _CHUNK]):
            _send_items(session, folder, entry, items, marks=marks)
        await session.connection.drain()
    session.report(expunges=by_uid)
    session.tagged(cmd, "OK", "Completed")


def _send_items(session: Session, folder: Folder, entry: Entry, items: list[FetchItem], *, marks: bool) -> None:
    if marks and "\\Seen" not in entry.item.flags:
        session.account.set_flags(folder, entry, entry.item.flags | {"\\Seen"})
    view = View(session.account, folder, entry, entry.uid in session.recent)
    body = b" ".join(item.name + b" " + item.write(view) for item in items)
    line = b"* %d FETCH (" % session.number_of(entry.uid) + body + b")"
    limit = session.behaviour.drop_in_fetch
    if limit is not None and len(line) > limit:
        session.connection.write(line[:limit])
        raise EndError
    session.send(line)


# SEARCH


async def _search(session: Session, cmd: Command, scanner: Scanner, *, by_uid: bool) -> None:
    folder = session.selected()
    wanted: list[str] | None = None
    if session.has("ESEARCH") and (scanner.takes(b"RETURN ") or scanner.takes(b"return ")):
        wanted = [str(option) for option in scanner.list_of(scanner.word)] or ["ALL"]
        if any(option not in _RETURN for option in wanted):
            raise BadSyntaxError("unknown return option")
        scanner.space()
    try:
        narrow = parse_search(scanner, session.place())
    except BadCharsetError:
        raise NoError("The charset is not known", f"BADCHARSET ({' '.join(CHARSETS)})") from None
    if len(session.sequence) == len(folder.entries):
        candidates = list(folder.entries.values())
    else:
        candidates = _present(folder, session.sequence)
    found = [entry.uid for entry in narrow(candidates) if session.knows(entry.uid)]
    numbers = found if by_uid else [session.number_of(uid) for uid in found]
    if wanted is None:
        session.untagged(" ".join(["SEARCH", *map(str, numbers)]))
    else:
        session.send(_extended(cmd.tag, numbers, wanted, by_uid=by_uid))
    session.report(expunges=by_uid)
    session.tagged(cmd, "OK", "Completed")


def _extended(tag: bytes, numbers: list[int], wanted: list[str], *, by_uid: bool) -> bytes:
    """ESEARCH (RFC 4731, section 3.1)."""
    out = [b'* ESEARCH (TAG "' + tag + b'")']
    if by_uid:
        out.append(b"UID")
    if numbers:
        values = {"MIN": b"%d" % numbers[0], "MAX": b"%d" % numbers[-1], "ALL": compact(numbers)}
        out += [option.encode() + b" " + values[option] for option in wanted if option in values]
    if "COUNT" in wanted:
        out.append(b"COUNT %d" % len(numbers))
    return b" ".join(out)


# STORE


async def _store(session: Session, cmd: Command, scanner: Scanner, *, by_uid: bool) -> None:
    folder = session.writable()
    session.report(expunges=False)
    uids = _uids(session, scanner, by_uid=by_uid)
    scanner.space()
    sign = "+" if scanner.takes(b"+") else "-" if scanner.takes(b"-") else ""
    what, _, silent = scanner.word().partition(".")
    if silent not in ("", "SILENT"):
        raise BadSyntaxError("unknown store item")
    scanner.space()
    if what == "X-GM-LABELS" and isinstance(session.account, GmailAccount):
        _store_labels(session, session.account, _present(folder, uids), sign, _labels(scanner), silent=bool(silent))
    elif what == "FLAGS":
        flags = _flags(scanner)
        for entry in _present(folder, uids):
            before = entry.item.flags
            after = before | flags if sign == "+" else before - flags if sign == "-" else set(flags)
            session.account.set_flags(folder, entry, after)
            if not silent:
                session.send_flags(entry.uid, with_uid=by_uid)
    else:
        raise BadSyntaxError("unknown store item")
    session.flags_reported()
    session.report(expunges=by_uid)
    session.tagged(cmd, "OK", "Completed")


def _flags(scanner: Scanner) -> set[str]:
    if scanner.sees(b"("):
        flags = {str(flag) for flag in scanner.list_of(scanner.flag)}
    else:
        flags = {scanner.flag()}
        while scanner.takes(b" "):
            flags.add(scanner.flag())
    scanner.end()
    return flags - {"\\Recent"}


def _labels(scanner: Scanner) -> set[str]:
    def one() -> str:
        return scanner.flag() if scanner.sees(b"\\") else scanner.mailbox()

    labels = {str(label) for label in scanner.list_of(one)} if scanner.sees(b"(") else {one()}
    scanner.end()
    return labels


def _store_labels(
    session: Session, account: GmailAccount, entries: list[Entry], sign: str, labels: set[str], *, silent: bool
) -> None:
    folder = session.selected()
    for entry in entries:
        own = account.label_of(folder)
        before = set(entry.item.labels)
        replaced = labels | ({own} if own is not None and own in before else set())
        after = before | labels if sign == "+" else before - labels if sign == "-" else replaced
        account.relabel(entry.item, after)
        if not silent and entry.uid in folder.entries:
            item = parse_items(Scanner(b"X-GM-LABELS"), account)[0]
            shown = item.write(View(account, folder, entry))
            session.send(b"* %d FETCH (X-GM-LABELS " % session.number_of(entry.uid) + shown + b")")


# COPY, MOVE, EXPUNGE


def _target(session: Session, scanner: Scanner) -> Folder:
    name = scanner.mailbox()
    scanner.end()
    try:
        folder = session.account.find(name)
    except MailboxError as error:
        raise NoError(str(error), "TRYCREATE") from error
    if not folder.selectable:
        raise NoError("Mailbox holds no messages", "CANNOT")
    return folder


def _copy_code(session: Session, target: Folder, pairs: list[tuple[int, int]]) -> str:
    """COPYUID (RFC 4315, section 3)."""
    if not pairs or not session.has("UIDPLUS"):
        return ""
    sources, copies = compact([a for a, _ in pairs]).decode(), compact([b for _, b in pairs]).decode()
    return f"COPYUID {target.uid_validity} {sources} {copies}"


async def _copy(session: Session, cmd: Command, scanner: Scanner, *, by_uid: bool) -> None:
    folder = session.selected()
    uids = _uids(session, scanner, by_uid=by_uid)
    scanner.space()
    target = _target(session, scanner)
    pairs = [(entry.uid, session.account.copy(entry, target).uid) for entry in _present(folder, uids)]
    session.report(expunges=by_uid)
    session.tagged(cmd, "OK", "Completed", _copy_code(session, target, pairs))


async def _move(session: Session, cmd: Command, scanner: Scanner, *, by_uid: bool) -> None:
    """RFC 6851: COPYUID first, then the EXPUNGEs."""
    if not session.has("MOVE"):
        raise BadSyntaxError("Unknown command")
    folder = session.writable()
    uids = _uids(session, scanner, by_uid=by_uid)
    scanner.space()
    target = _target(session, scanner)
    pairs = [(entry.uid, session.account.move(entry, folder, target).uid) for entry in _present(folder, uids)]
    code = _copy_code(session, target, pairs)
    if code:
        session.untagged(f"OK [{code}] Moved")
    session.report()
    session.tagged(cmd, "OK", "Completed")


def _expunge_marked(session: Session, uids: list[int] | None) -> None:
    folder = session.writable()
    marked = [uid for uid, entry in folder.entries.items() if "\\Deleted" in entry.item.flags]
    for uid in marked:
        if uids is None or uid in uids:
            session.account.expunge(folder, uid)
    session.report()


@command("EXPUNGE", When.SELECTED)
async def expunge(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.4.3."""
    cmd.none()
    _expunge_marked(session, None)
    session.tagged(cmd, "OK", "Completed")


async def _uid_expunge(session: Session, cmd: Command, scanner: Scanner, *, by_uid: bool) -> None:
    """RFC 4315, section 2.1."""
    if not session.has("UIDPLUS"):
        raise BadSyntaxError("Unknown command")
    uids = _uids(session, scanner, by_uid=by_uid)
    scanner.end()
    _expunge_marked(session, uids)
    session.tagged(cmd, "OK", "Completed")


_Handler = Callable[..., Awaitable[None]]
_BOTH: dict[str, _Handler] = {"FETCH": _fetch, "SEARCH": _search, "STORE": _store, "COPY": _copy, "MOVE": _move}
_UID_ONLY: dict[str, _Handler] = {"EXPUNGE": _uid_expunge}


def _enter(name: str, run: _Handler) -> None:
    @command(name, When.SELECTED, "MOVE" if name == "MOVE" else "")
    async def plain(session: Session, cmd: Command) -> None:
        await run(session, cmd, cmd.scanner(), by_uid=False)


for _name, _run in _BOTH.items():
    _enter(_name, _run)


@command("UID", When.SELECTED)
async def uid_(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.4.9."""
    scanner = cmd.scanner()
    name = scanner.word()
    run = _BOTH.get(name) or _UID_ONLY.get(name)
    if run is None:
        raise BadSyntaxError("unknown UID command")
    session.server.counters.commands[f"UID {name}"] += 1
    scanner.space()
    await run(session, cmd, scanner, by_uid=True)


# APPEND


@command("APPEND", When.AFTER)
async def append(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.3.12, with APPENDUID (RFC 4315)."""
    scanner = cmd.scanner()
    name = scanner.mailbox()
    scanner.space()
    flags: set[str] = set()
    at = now()
    if scanner.sees(b"("):
        flags = {str(flag) for flag in scanner.list_of(scanner.flag)} - {"\\Recent"}
        scanner.space()
    if scanner.sees(b'"'):
        at = scanner.date_time()
        scanner.space()
    if not (scanner.sees(b"{") or scanner.sees(b"~{")):
        raise BadSyntaxError("APPEND takes a literal")
    raw = scanner.string()
    scanner.end()
    try:
        folder = session.account.find(name)
    except MailboxError as error:
        raise NoError(str(error), "TRYCREATE") from error
    if not folder.selectable or not raw:
        raise NoError("Nothing can be put there", "CANNOT")
    quota = session.account.quota
    if quota is not None and session.account.used() + len(raw) > quota:
        raise NoError("Quota exceeded", "OVERQUOTA")
    entry = session.account.add(folder, Item(raw, at, flags))
    session.report()
    code = f"APPENDUID {folder.uid_validity} {entry.uid}" if session.has("UIDPLUS") else ""
    session.tagged(cmd, "OK", "Completed", code)
