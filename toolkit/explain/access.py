"""What to do where a mailbox or route cannot be reached or logged in to.

Providers differ in what they want: an app password, OAuth alone, IMAP switched on in the web mailer first. The facts,
with source and date, are in `toolkit/data/providers.toml`.
"""

import ipaddress
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

_GENERIC = "generic"


@dataclass(frozen=True, slots=True)
class Access:
    """One way into a provider's mailboxes."""

    host: str
    port: int
    security: str  # tls, starttls
    suffixes: tuple[str, ...]  # a host that ends so is the provider's own too
    source: str
    verified: bool

    def is_host(self, host: str) -> bool:
        """Whether `host` is this one."""
        name = host.lower().removesuffix(".")
        return name == self.host or name.endswith(self.suffixes)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do at a failure."""

    on: frozenset[str]  # reasons
    when: tuple[str, ...]  # lower case; empty: whatever the server says
    text: str
    source: str
    verified: bool

    def fits(self, reason: str, text: str) -> bool:
        """Whether it is meant for this failure. `text` is in lower case."""
        return reason in self.on and (not self.when or any(words in text for words in self.when))


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit or manner of a provider's server: a number with its unit, or a sentence."""

    kind: str
    value: int | None
    text: str
    source: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Provider:
    """What is known of reaching one provider's mailboxes."""

    key: str
    name: str
    keys: frozenset[str]  # its own and its aliases, folded
    login_form: str  # address, local-part, any, other
    auth: tuple[str, ...]  # password, app-password, oauth
    access: tuple[Access, ...]
    advice: tuple[Advice, ...]
    limits: tuple[Limit, ...]
    checked_on: str  # ISO 8601


@lru_cache(maxsize=1)
def _data() -> Mapping[str, Any]:
    text = resources.files("toolkit").joinpath("data", "providers.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@lru_cache(maxsize=1)
def providers() -> tuple[Provider, ...]:
    """The packaged table, in its order."""
    return tuple(_provider(entry) for entry in _data()["provider"])


def _provider(entry: Mapping[str, Any]) -> Provider:
    return Provider(
        key=entry["key"],
        name=entry["name"],
        keys=frozenset(_fold(key) for key in (entry["key"], *entry["aliases"])),
        login_form=entry["login_form"],
        auth=tuple(entry["auth"]["methods"]),
        access=tuple(_access(item) for item in entry["imap"]),
        advice=_advice(entry.get("advice", ())),
        limits=tuple(_limit(item) for item in entry.get("limit", ())),
        checked_on=entry["checked_on"].isoformat(),
    )


def _access(item: Mapping[str, Any]) -> Access:
    suffixes = tuple(item.get("host_suffix", ()))
    return Access(item["host"], item["port"], item["security"], suffixes, item["source"], item["verified"])


def _limit(item: Mapping[str, Any]) -> Limit:
    value = item.get("value")
    text = item["text"] if value is None else f"{value} {item['unit']}"
    return Limit(item["kind"], value, text, item["source"], item["verified"])


def _advice(items: Iterable[Mapping[str, Any]]) -> tuple[Advice, ...]:
    return tuple(
        Advice(
            on=frozenset(item["on"]),
            when=tuple(words.lower() for words in item.get("when", ())),
            text=item["text"],
            source=item["source"],
            verified=item["verified"],
        )
        for item in items
    )


@lru_cache(maxsize=1)
def _general() -> tuple[Advice, ...]:
    return _advice(_data()["advice"])


def _fold(key: str) -> str:
    return "".join(sign for sign in key.casefold() if sign.isalnum())


def find_provider(key: str) -> Provider | None:
    """The provider that a configuration means: case and punctuation do not matter. None: not in the table."""
    folded = _fold(key)
    return next((provider for provider in providers() if folded in provider.keys), None)


def is_known(key: str) -> bool:
    """Whether `key` may stand as an inbox's provider without a remark: one of the table, or "generic"."""
    return _fold(key) == _GENERIC or find_provider(key) is not None


def access_advice(provider: str, reason: str, server_text: str) -> str:
    """What to do about a failed connection or login, in English; empty where nothing is known.

    `provider` is that of the configuration ("generic" for a route), `reason` the word that the door gave (dns,
    refused, unreachable, timeout, closed, tls, login, secret, said-no, protocol, flood), `server_text` what was said.

    What fits the server's own words is given alone: the usual suspects would only blur it. Then comes what the
    provider is known to want, and only for others what is true of every server.
    """
    said = server_text.lower()
    known = find_provider(provider)
    own = [advice for advice in known.advice if advice.fits(reason, said)] if known else []
    general = [advice for advice in _general() if advice.fits(reason, said)]
    worded = [advice.text for advice in (*own, *general) if advice.when]
    return " ".join(worded[:1] or [advice.text for advice in own] or [advice.text for advice in general[:1]])


def server_hints(provider: str, host: str, port: int, security: str, username: str) -> tuple[str, ...]:
    """Where a mailbox's settings differ from what its provider is known to want: worth a look after a failure.

    Nothing is said of a host on loopback (a lab or a bridge), or of a provider that is not in the table.
    """
    known = find_provider(provider)
    if known is None or _is_loopback(host):
        return ()
    hints = []
    same_host = [way for way in known.access if way.is_host(host)]
    usual = known.access[0]
    if not same_host:
        hints.append(
            f'host is "{host}", but the IMAP server of {known.name} is {usual.host}, port {usual.port}, '
            f'security = "{usual.security}"'
        )
    elif not any((way.port, way.security) == (port, security) for way in same_host):
        ways = " or ".join(f'port {way.port} with security = "{way.security}"' for way in same_host)
        hints.append(f'{host} takes {ways}, not port {port} with "{security}"')
    if known.login_form == "address" and "@" not in username:
        hints.append(f"the login name of {known.name} is the whole address")
    if known.login_form == "local-part" and "@" in username:
        hints.append(f"the login name of {known.name} is the part before the @ alone")
    return tuple(hints)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
