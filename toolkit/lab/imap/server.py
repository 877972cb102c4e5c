"""The IMAP server of one mailbox: what it offers, who may log in, how it misbehaves, and what it was asked."""

import ssl
from dataclasses import dataclass

from toolkit.lab.certs import FOREIGN_CA, LAB_CA, authority
from toolkit.lab.hooks import Hooks
from toolkit.lab.imap import folders, login, selected, selecting
from toolkit.lab.imap.registry import COMMANDS, When
from toolkit.lab.imap.session import Command, Counters, EndError, Session
from toolkit.lab.imap.syntax import BadSyntaxError
from toolkit.lab.mailboxes import Account
from toolkit.lab.net import Connection, Listener
from toolkit.lab.sasl import Credentials

__all__ = ["Behaviour", "ImapServer", "Offer", "folders", "login", "selected", "selecting"]

DEFAULT_APPEND_LIMIT = 35_651_584  # bytes, as Gmail's


@dataclass(slots=True)
class Behaviour:
    """What goes wrong on purpose. May be changed while the server runs."""

    silent: bool = False  # accepts connections and never says a word
    close_after_greeting: bool = False
    reject_login: str = ""  # the text of the NO that every login gets
    drop_in_fetch: int | None = None  # bytes of a FETCH answer after which the connection breaks
    flood: bool = False  # endless untagged answers
    malformed_list: bool = False
    bye: str | None = None  # BYE with this text at the next command; "" without text
    terse_bye: bool = False  # the BYE of a LOGOUT without text, as iCloud
    terse_ok: bool = False  # every tagged OK without text, as a server of iCloud was once seen to do
    delay: float = 0.0  # seconds before every answer
    most_sessions: int | None = None  # at once; one more is told BYE
    foreign_certificate: bool = False  # of an authority that the configuration does not name


@dataclass(frozen=True, slots=True)
class Offer:
    """What a provider's server offers before and after the login, and how it greets."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    greeting: str = "IMAP4rev1 ready"
    greets_with_capabilities: bool = False
    login_shows_capabilities: bool = False
    lists_special_use: bool = True  # in a plain LIST
    login_refused: str = "Authentication failed"
    name: str = "mailwhy lab"
    vendor: str = "mailwhy"


class ImapServer:
    """Serves `account`. `security`: "tls", "starttls" or "none"."""

    def __init__(
        self, mailbox: str, account: Account, offer: Offer, *, credentials: Credentials, security: str, hooks: Hooks
    ) -> None:
        self.mailbox = mailbox
        self.account = account
        self.offer = offer
        self.credentials = credentials
        self.security = security
        self.behaviour = Behaviour()
        self.counters = Counters()
        self._hooks = hooks
        self._listener = Listener(self._serve, self.tls_context if security == "tls" else None)
        self.append_limit = DEFAULT_APPEND_LIMIT

    # what sessions ask

    @property
    def greeting(self) -> str:
        """The text of the greeting."""
        return self.offer.greeting

    @property
    def greets_with_capabilities(self) -> bool:
        """Whether the greeting carries the capabilities."""
        return self.offer.greets_with_capabilities

    @property
    def login_shows_capabilities(self) -> bool:
        """Whether the answer to a login carries the capabilities."""
        return self.offer.login_shows_capabilities

    @property
    def lists_special_use(self) -> bool:
        """Whether a plain LIST shows special-use attributes."""
        return self.offer.lists_special_use

    @property
    def login_refused(self) -> str:
        """What a wrong password or token is told."""
        return self.offer.login_refused

    @property
    def identity(self) -> tuple[str, str]:
        """Name and vendor for ID."""
        return self.offer.name, self.offer.vendor

    @property
    def sessions(self) -> set[Connection]:
        """The connections that are open."""
        return self._listener.connections

    def capabilities(self, *, authenticated: bool, tls: bool) -> tuple[str, ...]:
        """What is offered in that state. Without TLS on a server that has STARTTLS, no login is."""
        if authenticated:
            return self.offer.after
        if self.security == "starttls" and not tls:
            without = tuple(c for c in self.offer.before if not c.startswith("AUTH=") and c != "LOGINDISABLED")
            return (*without, "STARTTLS", "LOGINDISABLED")
        return self.offer.before

    def tls_context(self) -> ssl.SSLContext:
        """The certificate that this server shows."""
        return authority(FOREIGN_CA if self.behaviour.foreign_certificate else LAB_CA).server_context()

    async def ask_hooks(self, connection: Connection, command: Command) -> str | None:
        """What a test's hook answers in our place. Raises EndError where it drops the connection."""
        if not self._hooks.wanted("imap.command"):
            return None
        answer = await self._hooks.fire(
            "imap.command", mailbox=self.mailbox, command=command.name, arguments=command.arguments
        )
        if answer == "drop":
            connection.abort()
            raise EndError
        return answer

    async def dispatch(self, session: Session, command: Command) -> None:
        """Do one command. Raises BadSyntaxError, NoError, MailboxError, EndError, PeerGoneError."""
        spec = COMMANDS.get(command.name)
        if spec is None or (spec.capability and not session.has(spec.capability)):
            raise BadSyntaxError("Unknown command")
        if spec.when is When.BEFORE and session.authenticated:
            raise BadSyntaxError("Already logged in")
        if spec.when in (When.AFTER, When.SELECTED) and not session.authenticated:
            raise BadSyntaxError("Log in first")
        if spec.when is When.SELECTED:
            session.selected()
        await spec.run(session, command)

    # life

    async def _serve(self, connection: Connection) -> None:
        await Session(self, connection).run()

    @property
    def port(self) -> int:
        """The port, also where the server is stopped."""
        return self._listener.port

    async def start(self) -> None:
        """Listen, on the port of the time before where there was one."""
        if not self._listener.listening:
            await self._listener.start(self._listener.port)

    async def stop(self) -> None:
        """Close the port and every connection."""
        await self._listener.stop()
