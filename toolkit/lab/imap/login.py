"""Commands before and around the login: CAPABILITY, NOOP, LOGOUT, ID, STARTTLS, LOGIN, AUTHENTICATE, ENABLE."""

from toolkit.lab import sasl
from toolkit.lab.imap.registry import When, command
from toolkit.lab.imap.session import Command, EndError, NoError, Session
from toolkit.lab.imap.syntax import BadSyntaxError, nstring, quoted
from toolkit.lab.net import PeerGoneError


@command("CAPABILITY", When.ANY)
async def capability(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.1.1."""
    cmd.none()
    session.untagged("CAPABILITY " + " ".join(session.capabilities()))
    session.tagged(cmd, "OK", "Completed")


@command("NOOP", When.ANY)
async def noop(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.1.2."""
    cmd.none()
    session.report()
    session.tagged(cmd, "OK", "Completed")


@command("LOGOUT", When.ANY)
async def logout(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.1.3."""
    cmd.none()
    session.send(b"* BYE" if session.behaviour.terse_bye else b"* BYE Logging out")
    session.tagged(cmd, "OK", "Completed")
    raise EndError


@command("ID", When.ANY, "ID")
async def id_(session: Session, cmd: Command) -> None:
    """RFC 2971."""
    scanner = cmd.scanner()
    if scanner.sees(b"("):
        scanner.list_of(lambda: None if scanner.takes(b"NIL") or scanner.takes(b"nil") else scanner.string())
    elif scanner.word() != "NIL":
        raise BadSyntaxError("ID takes NIL or a list")
    scanner.end()
    name, vendor = session.server.identity
    fields = [quoted(b"name"), nstring(name.encode()), quoted(b"vendor"), nstring(vendor.encode())]
    session.send(b"* ID (" + b" ".join(fields) + b")")
    session.tagged(cmd, "OK", "Completed")


@command("STARTTLS", When.BEFORE, "STARTTLS")
async def starttls(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.2.1. What the client wrote before the handshake is thrown away."""
    cmd.none()
    announce = cmd.tag + b" OK Begin TLS negotiation now\r\n"
    await session.connection.start_tls(session.server.tls_context(), announce)


def _logged_in(session: Session, cmd: Command) -> None:
    session.authenticated = True
    session.server.counters.logins += 1
    code = "CAPABILITY " + " ".join(session.capabilities()) if session.server.login_shows_capabilities else ""
    session.tagged(cmd, "OK", "Logged in", code)


def _refuse_if_told(session: Session) -> None:
    if session.behaviour.reject_login:
        raise NoError(session.behaviour.reject_login, "AUTHENTICATIONFAILED")


@command("LOGIN", When.BEFORE)
async def login(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.2.3."""
    scanner = cmd.scanner()
    username = scanner.astring().decode("utf-8", "replace")
    scanner.space()
    password = scanner.astring().decode("utf-8", "replace")
    scanner.end()
    if session.has("LOGINDISABLED"):
        raise NoError("LOGIN is disabled", "PRIVACYREQUIRED" if session.connection.tls is None else "CANNOT")
    _refuse_if_told(session)
    if not session.server.credentials.allow_password(username, password):
        raise NoError(session.server.login_refused, "AUTHENTICATIONFAILED")
    _logged_in(session, cmd)


@command("AUTHENTICATE", When.BEFORE)
async def authenticate(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.2.2, with the initial response of RFC 4959 where it is offered."""
    scanner = cmd.scanner()
    mechanism = scanner.word()
    initial: bytes | None = None
    if not scanner.at_end:
        scanner.space()
        initial = scanner.rest
        if not session.has("SASL-IR"):
            raise BadSyntaxError("an initial response is not offered")
    if not session.has(f"AUTH={mechanism}"):
        raise NoError(f"mechanism {mechanism} is not offered", "CANNOT")
    try:
        allowed = await _exchange(session, mechanism, initial)
    except sasl.SaslError as error:
        raise BadSyntaxError(str(error)) from error
    _refuse_if_told(session)
    if not allowed:
        raise NoError(session.server.login_refused, "AUTHENTICATIONFAILED")
    _logged_in(session, cmd)


async def _exchange(session: Session, mechanism: str, initial: bytes | None) -> bool:
    credentials = session.server.credentials
    if mechanism == "LOGIN":
        username = await _answer(session, b"VXNlcm5hbWU6")
        password = await _answer(session, b"UGFzc3dvcmQ6")
        return credentials.allow_password(username.decode("utf-8", "replace"), password.decode("utf-8", "replace"))
    response = sasl.decode(initial) if initial is not None else await _answer(session, b"")
    if mechanism == "PLAIN":
        return credentials.allow_password(*sasl.plain(response))
    if credentials.allow_token(*sasl.bearer(response)):
        return True
    session.send(b"+ " + sasl.TOKEN_REFUSED)  # the client answers with nothing, then hears NO
    await session.read_continuation()
    return False


async def _answer(session: Session, challenge: bytes) -> bytes:
    session.send(b"+ " + challenge)
    line = await session.read_continuation()
    if line.strip() == b"*":
        raise sasl.SaslError("the client gave up")
    if not line:  # pragma: no cover - a line is never empty
        raise PeerGoneError
    return sasl.decode(line)


@command("ENABLE", When.AFTER, "ENABLE")
async def enable(session: Session, cmd: Command) -> None:
    """RFC 9051, section 6.3.1. There is nothing here that has to be enabled."""
    scanner = cmd.scanner()
    scanner.word()
    while not scanner.at_end:
        scanner.space()
        scanner.word()
    session.untagged("ENABLED")
    session.tagged(cmd, "OK", "Completed")
