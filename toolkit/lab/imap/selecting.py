"""Commands that open and close a folder, and those that wait: SELECT, EXAMINE, CLOSE, UNSELECT, CHECK, IDLE."""

from toolkit.lab.imap.registry import When, command
from toolkit.lab.imap.session import Command, NoError, Session
from toolkit.lab.imap.syntax import BadSyntaxError
from toolkit.lab.mailboxes import SYSTEM_FLAGS
from toolkit.lab.net import PeerGoneError


async def _open(session: Session, cmd: Command, *, read_only: bool) -> None:
    scanner = cmd.scanner()
    name = scanner.mailbox()
    scanner.end()
    session.unselect()  # a SELECT that fails leaves nothing selected (RFC 9051, section 6.3.2)
    folder = session.account.find(name)
    if not folder.selectable:
        raise NoError("Mailbox holds no messages", "CANNOT")
    session.select(folder, read_only=read_only)
    keywords = sorted({flag for entry in folder.entries.values() for flag in entry.item.flags} - set(SYSTEM_FLAGS))
    flags = " ".join([*SYSTEM_FLAGS, *keywords])
    session.untagged(f"FLAGS ({flags})")
    session.untagged(f"OK [PERMANENTFLAGS ({'' if read_only else flags + ' ' + chr(92) + '*'})] Flags")
    session.untagged(f"{len(session.sequence)} EXISTS")
    session.untagged(f"{len(session.recent)} RECENT")
    unseen = next(
        (n for n, uid in enumerate(session.sequence, 1) if "\\Seen" not in folder.entries[uid].item.flags), None
    )
    if unseen is not None:
        session.untagged(f"OK [UNSEEN {unseen}] First unseen")
    session.untagged(f"OK [UIDVALIDITY {folder.uid_validity}] UIDs valid")
    session.untagged(f"OK [UIDNEXT {folder.uid_next}] Predicted next UID")
    session.tagged(cmd, "OK", "Completed", "READ-ONLY" if read_only else "READ-WRITE")


@command("SELECT", When.AFTER)
async def select(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.3.2; RECENT and UNSEEN as in RFC 3501, section 6.3.1."""
    await _open(session, cmd, read_only=False)


@command("EXAMINE", When.AFTER)
async def examine(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.3.3."""
    await _open(session, cmd, read_only=True)


@command("CLOSE", When.SELECTED)
async def close(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.4.1: expunges without a word, where the folder is open to write."""
    cmd.none()
    folder = session.selected()
    if not session.read_only:
        for uid in [uid for uid, entry in folder.entries.items() if "\\Deleted" in entry.item.flags]:
            session.account.expunge(folder, uid)
    session.unselect()
    session.tagged(cmd, "OK", "Completed")


@command("UNSELECT", When.SELECTED, "UNSELECT")
async def unselect(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.4.2."""
    cmd.none()
    session.unselect()
    session.tagged(cmd, "OK", "Completed")


@command("CHECK", When.SELECTED)
async def check(session: Session, cmd: Command) -> None:
    """RFC 3501, section 6.4.1."""
    await _flush(session, cmd)


async def _flush(session: Session, cmd: Command) -> None:
    cmd.none()
    session.report()
    session.tagged(cmd, "OK", "Completed")


@command("IDLE", When.AFTER, "IDLE")
async def idle(session: Session, cmd: Command) -> None:
    """RFC 2177. Commands may follow DONE in the same packet."""
    cmd.none()
    session.send(b"+ idling")
    while not session.connection.has_line:
        session.report()
        if session.connection.ended:
            raise PeerGoneError
        await session.connection.wait()
    line = await session.read_continuation()
    if line.strip().upper() != b"DONE":
        raise BadSyntaxError("expected DONE")
    session.report()
    session.tagged(cmd, "OK", "Idle ended")
