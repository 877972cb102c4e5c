"""The settings, frozen: what `config.toml` may say, with defaults and units.

`config.example.toml` shows each one to people, `docs/configuration.md` lists them, `toolkit.config.load` reads a file
into these. A field here checks its own value; what hangs on several values, or on a file, is checked by
`toolkit.config.checks`.
"""

from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from toolkit.config import forms
from toolkit.config.duration import parse_duration
from toolkit.config.secret import Secret


def _from_folder(path: str, info: ValidationInfo) -> Path:
    """The path, made absolute against the folder of the configuration file where a file is being read."""
    folder = (info.context or {}).get("folder")
    return Path(folder, path) if folder else Path(path)


def _path(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    return _from_folder(forms.full_line(value), info)


def _store_url(url: str, info: ValidationInfo) -> str:
    scheme, _, rest = forms.store_url(url).partition(":///")
    if scheme != "sqlite" or rest.startswith("/"):
        return url
    path, mark, query = rest.partition("?")
    return f"sqlite:///{_from_folder(path, info)}{mark}{query}"


def _secret(value: object, info: ValidationInfo) -> object:
    """`{ env = "NAME" }`, `{ file = "path" }` or `{ value = "…" }`. No sentence here quotes what was written."""
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
            if kind != "value":
                forms.full_line(place)
            return Secret(kind, str(_from_folder(place, info)) if kind == "file" else place)
    raise ValueError('use exactly one of { env = "NAME" }, { file = "path" } and { value = "…" }')


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
SecretRef = Annotated[Secret, BeforeValidator(_secret)]
FilePath = Annotated[Path, BeforeValidator(_path)]
Name = Annotated[str, AfterValidator(forms.name)]
Line = Annotated[str, AfterValidator(forms.line)]
FullLine = Annotated[str, AfterValidator(forms.full_line)]
Paragraphs = Annotated[str, AfterValidator(forms.paragraphs)]
Domain = Annotated[str, AfterValidator(forms.domain)]
DnsName = Annotated[str, AfterValidator(forms.dns_name)]
Host = Annotated[str, AfterValidator(forms.host)]
Address = Annotated[str, AfterValidator(forms.address)]
AddressOrEmpty = Annotated[str, AfterValidator(forms.or_empty(forms.address))]
IpAddress = Annotated[forms.IpAddress, BeforeValidator(forms.ip_address)]
NameServer = Annotated[str, AfterValidator(forms.nameserver)]
Port = Annotated[int, BeforeValidator(forms.whole_number(1, 65535))]
Security = Literal["tls", "starttls", "none"]
FolderRole = Literal["inbox", "spam", "trash", "archive", "sent", "drafts", "all"]


class Section(BaseModel):
    """A table of the configuration: read once, never changed, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)


class Store(Section):
    """Where evidence is kept."""

    url: Annotated[str, AfterValidator(_store_url)] = Field(
        "sqlite:///mailwhy.db",
        repr=False,  # it may hold a password
        description="the database as an SQLAlchemy URL: sqlite:///… or postgresql+psycopg://…",
    )


class Dns(Section):
    """The resolver that every question goes to."""

    nameservers: tuple[NameServer, ...] = Field(
        (), description="name servers, asked in this order, each an address or address:port; none: the system's own"
    )
    timeout: Duration = Field(timedelta(seconds=3), description="how long one question may take, over all name servers")


class Sender(Section):
    """Who we are."""

    name: Line = Field("", description="the name that customers know us by")
    domains: tuple[Domain, ...] = Field((), description="the domains that we send from")
    ips: tuple[IpAddress, ...] = Field((), description="the addresses that our mail leaves from, IPv4 or IPv6")
    own_addresses: tuple[Address, ...] = Field((), description="our own mail addresses: never a customer's")
    contact: AddressOrEmpty = Field("", description="the address that customers and providers may write to")


class Dkim(Section):
    """A DKIM key that mailwhy signs with (RFC 6376, RFC 8463), where the route does not."""

    selector: DnsName = Field(description="the selector under which the public key is published")
    domain: Domain = Field(description="the domain that signs")
    key: SecretRef = Field(description="the private key: PEM for RSA, base64 of 32 bytes for Ed25519")
    algorithm: Literal["rsa-sha256", "ed25519-sha256"] = Field("rsa-sha256", description="the signature's algorithm")


class Unsubscribe(Section):
    """Where a reader leaves a marketing stream (RFC 2369, RFC 8058)."""

    https: Annotated[str, AfterValidator(forms.or_empty(forms.https_url))] = Field(
        "", description="the URL of List-Unsubscribe, which takes a POST (one click)"
    )
    mailto: Annotated[str, AfterValidator(forms.or_empty(forms.unsubscribe_address))] = Field(
        "", description="the address of List-Unsubscribe, or a mailto URL"
    )


class Stream(Section):
    """A kind of mail that we send."""

    name: Name = Field(description="what the stream is called in commands and reports")
    kind: Literal["transactional", "marketing"] = Field(description="whether a customer's doing or we cause this mail")
    from_: Annotated[str, AfterValidator(forms.sender_line)] = Field(
        alias="from", description='the From of its messages, such as "Name <name@domain.example>"'
    )
    envelope_from: AddressOrEmpty = Field(
        "", description="the envelope sender, where bounces come back to; empty: the address in `from`"
    )
    subject: FullLine = Field(description="the subject of its messages")
    template: FilePath | None = Field(
        None, description="a whole message (.eml) to send, its other headers kept; instead of text and html"
    )
    text: Paragraphs | None = Field(None, description="the body as plain text")
    html: Paragraphs | None = Field(None, description="the body as HTML, alone or beside text")
    dkim: Dkim | None = Field(None, description="the key to sign with, only where the route does not sign")
    unsubscribe: Unsubscribe = Field(Unsubscribe(), description="how to leave a marketing stream")
    deliver_within: Duration = Field(timedelta(minutes=5), description="the target from hand-over to mailbox")
    routes: tuple[Name, ...] = Field((), description="the names of the routes that it takes; none: every route")

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

    access_token: SecretRef = Field(description="the access token")


class Server(Section):
    """What routes and mailboxes share: a host to connect to, and how to log in."""

    name: Name = Field(description="what it is called in commands and reports")
    host: Host = Field(description="the server's host name or address")
    port: Port = Field(description="the server's port, from 1 to 65535")
    security: Security = Field(
        description='TLS from the first byte ("tls"), by STARTTLS, or none, which is allowed on loopback alone'
    )
    username: Line = Field("", description="the login name; empty: no login")
    password: SecretRef | None = Field(None, description="the password, or app password, of that login")
    oauth: OAuth | None = Field(None, description="OAuth 2 instead of a password")
    ca_file: FilePath | None = Field(
        None, description="PEM certificates that this server's must be signed by; left out: the system's"
    )
    timeout: Duration = Field(timedelta(seconds=30), description="how long one answer of this server may take")


class Route(Server):
    """A way out: the next server that takes our mail."""

    protocol: Literal["smtp", "lmtp"] = Field("smtp", description="the protocol to hand mail over with")
    helo: Annotated[str, AfterValidator(forms.or_empty(forms.helo_name))] = Field(
        "", description="what we call ourselves in EHLO; empty: this machine's host name"
    )
    connections: Annotated[int, BeforeValidator(forms.whole_number(1, 50))] = Field(
        4, description="connections at once, from 1 to 50"
    )


class Mailbox(Server):
    """A mailbox that is read over IMAP."""

    folders: dict[FolderRole, FullLine] = Field(
        {}, description="the server's folder for a role, only where its own marks mislead"
    )


class Inbox(Mailbox):
    """A test inbox that seeds are sent to."""

    provider: Name = Field("generic", description="whose mailbox it is: gmail, outlook, yahoo, icloud, gmx, webde, …")
    address: Address = Field(description="the address that seeds are sent to")
    role: Literal["control", "rules"] = Field(
        "control", description='"rules": a mailbox whose owner has rules for our mail'
    )
    deliver_within: Duration | None = Field(None, description="a target of this mailbox's own; left out: the stream's")


class Collect(Mailbox):
    """A mailbox where bounces come back to."""

    kinds: tuple[Literal["dsn"], ...] = Field(("dsn",), description="what is collected there")
    address: AddressOrEmpty = Field("", description="its address, where envelope senders name it")


class Reputation(Section):
    """DNS block lists to ask."""

    lists: tuple[DnsName, ...] | None = Field(None, description="zones of block lists; left out: the built-in set")
    keys: dict[DnsName, SecretRef] = Field({}, description="the key of a list that wants one, by its zone")


class Ingest(Section):
    """How to read records that do not say all about themselves."""

    timezone: Annotated[str, AfterValidator(forms.or_empty(forms.timezone))] = Field(
        "", description="the zone of time stamps that name none; empty: this machine's"
    )


class Probe(Section):
    """How seeds are sent and looked for."""

    timeout: Duration = Field(timedelta(minutes=10), description="from hand-over to the verdict missing")
    poll: Duration = Field(timedelta(seconds=5), description="between two looks into a mailbox")
    settle: Duration | None = Field(
        None, description="how long after the first sight the mailbox is looked at again; left out: as long as `poll`"
    )
    concurrency: Annotated[int, BeforeValidator(forms.whole_number(1, 512))] = Field(
        64, description="mailboxes read at once, from 1 to 512"
    )

    @property
    def second_look(self) -> timedelta:
        """How long after the first sight of a seed its mailbox is looked at again."""
        return self.poll if self.settle is None else self.settle


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
