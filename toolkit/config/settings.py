"""The settings, frozen: what `config.toml` may say, with defaults and units.

`config.example.toml` explains each one to people; `toolkit.config.load` reads a file into these.
"""

from datetime import timedelta
from email.utils import parseaddr
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from toolkit.config.duration import parse_duration
from toolkit.config.secret import Secret


def _secret(value: object) -> object:
    """`{ env = "NAME" }`, `{ file = "path" }` or `{ value = "…" }`."""
    if isinstance(value, Secret):
        return value
    if isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - pydantic collects ValueError alone
            'a secret is named, not written out: use { env = "NAME" }, { file = "path" }, '
            'or for the lab and tests { value = "…" }'
        )
    if isinstance(value, dict) and len(value) == 1:
        ((kind, place),) = value.items()
        if kind in ("env", "file", "value") and isinstance(place, str) and place:
            return Secret(kind, place)
    raise ValueError('use exactly one of { env = "NAME" }, { file = "path" } and { value = "…" }')


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
SecretRef = Annotated[Secret, BeforeValidator(_secret)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Security = Literal["tls", "starttls", "none"]


class Section(BaseModel):
    """A table of the configuration: read once, never changed, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)


class Store(Section):
    """Where evidence is kept: an SQLAlchemy URL."""

    url: str = "sqlite:///mailwhy.db"


class Dns(Section):
    """The resolver. No `nameservers`: the system's own."""

    nameservers: tuple[str, ...] = ()  # "address" or "address:port"
    timeout: Duration = timedelta(seconds=3)


class Sender(Section):
    """Who we are."""

    name: str = ""
    domains: tuple[str, ...] = ()
    ips: tuple[IPv4Address | IPv6Address, ...] = ()
    own_addresses: tuple[str, ...] = ()
    contact: str = ""


class Dkim(Section):
    """A DKIM key that mailwhy signs with (RFC 6376, RFC 8463), where the route does not."""

    selector: str
    domain: str
    key: SecretRef  # PEM for RSA, base64 of 32 bytes for Ed25519
    algorithm: Literal["rsa-sha256", "ed25519-sha256"] = "rsa-sha256"


class Unsubscribe(Section):
    """Where a reader leaves a marketing stream (RFC 2369, RFC 8058)."""

    https: str = ""
    mailto: str = ""


class Stream(Section):
    """A kind of mail that we send."""

    name: Name
    kind: Literal["transactional", "marketing"]
    from_: str = Field(alias="from")
    envelope_from: str = ""  # left out: the address in `from`
    subject: str
    template: Path | None = None
    text: str | None = None
    html: str | None = None
    dkim: Dkim | None = None
    unsubscribe: Unsubscribe = Unsubscribe()
    deliver_within: Duration = timedelta(minutes=5)
    routes: tuple[Name, ...] = ()  # empty: every route

    @property
    def from_address(self) -> str:
        """The address in `from`, without the display name."""
        return parseaddr(self.from_)[1]

    @property
    def envelope_sender(self) -> str:
        """The address of MAIL FROM: where DSNs come back to."""
        return self.envelope_from or self.from_address


class OAuth(Section):
    """An OAuth 2 access token for SASL XOAUTH2."""

    access_token: SecretRef


class Server(Section):
    """What routes and mailboxes share: a host to connect to, and how to log in."""

    name: Name
    host: str
    port: Port
    security: Security
    username: str = ""
    password: SecretRef | None = None
    oauth: OAuth | None = None
    ca_file: Path | None = None
    timeout: Duration = timedelta(seconds=30)  # of one answer of this server

    @model_validator(mode="after")
    def _login(self) -> "Server":
        if self.password is not None and self.oauth is not None:
            raise ValueError("give a password or oauth, not both")
        if (self.password is not None or self.oauth is not None) and not self.username:
            raise ValueError("a password or oauth needs a username")
        return self


class Route(Server):
    """A way out: the next server that takes our mail."""

    protocol: Literal["smtp", "lmtp"] = "smtp"
    helo: str = ""  # left out: this machine's host name
    connections: Annotated[int, Field(ge=1, le=50)] = 4  # at once


class Mailbox(Server):
    """A mailbox that is read over IMAP."""

    folders: dict[Literal["inbox", "spam", "trash", "archive", "sent", "drafts", "all"], str] = {}


class Inbox(Mailbox):
    """A test inbox that seeds are sent to."""

    provider: Name = "generic"
    address: str
    role: Literal["control", "rules"] = "control"
    deliver_within: Duration | None = None  # where this mailbox has a target of its own


class Collect(Mailbox):
    """A mailbox where bounces come back to."""

    kinds: tuple[Literal["dsn"], ...] = ("dsn",)
    address: str = ""


class Reputation(Section):
    """DNS block lists to ask. None named: the built-in set."""

    lists: tuple[str, ...] | None = None
    keys: dict[str, SecretRef] = {}


class Ingest(Section):
    """How to read records that do not say all about themselves."""

    timezone: str = ""


class Probe(Section):
    """How seeds are sent and looked for."""

    timeout: Duration = timedelta(minutes=10)  # from handover to the verdict "missing"
    poll: Duration = timedelta(seconds=5)
    settle: Duration = timedelta(seconds=5)  # how long after the first sight the mailbox is looked at again
    concurrency: Annotated[int, Field(ge=1, le=512)] = 64


class Settings(Section):
    """The whole configuration. Paths are absolute, made so against the file's own folder."""

    store: Store = Store()
    dns: Dns = Dns()
    sender: Sender = Sender()
    stream: tuple[Stream, ...] = ()
    route: tuple[Route, ...] = ()
    inbox: tuple[Inbox, ...] = ()
    collect: tuple[Collect, ...] = ()
    reputation: Reputation = Reputation()
    ingest: Ingest = Ingest()
    probe: Probe = Probe()
