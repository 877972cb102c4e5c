"""What `mailwhy check` tries: one function for each kind of thing, each a value for everything that can go wrong."""

import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache, partial
from importlib import resources
from pathlib import Path
from typing import Final

from toolkit.collect.compose import ComposeError, SeedIdentity, compose
from toolkit.config.fault import Fault
from toolkit.config.forms import parse_nameserver, quoted
from toolkit.config.secrets_check import config_warnings, missing_secrets
from toolkit.config.settings import Inbox, Mailbox, Route, Server, Settings, Stream
from toolkit.derive.folders import classify, unmatched
from toolkit.explain.access import access_advice, is_known, server_hints
from toolkit.model.attempt import Got
from toolkit.model.mailbox import Folder, Role
from toolkit.store.engine import StoreError, open_engine
from toolkit.wire.channel import WireError
from toolkit.wire.dns import DnsClient, Presence, server_name, system_nameservers
from toolkit.wire.imap import ImapSession
from toolkit.wire.imap_answers import Listing
from toolkit.wire.smtp import SmtpSession

ANSWER: Final = timedelta(seconds=15)  # how long a check waits for one answer, whatever the configuration allows
_NAMED: Final = 3  # places that one warning names
_GENERIC: Final = "generic"
_SHOWN_ROLES: Final = (Role.INBOX, Role.SPAM, Role.TRASH, Role.ARCHIVE, Role.ALL)
_FEATURES: Final = {"IDLE": "IDLE", "LIST-STATUS": "LIST-STATUS", "X-GM-EXT-1": "Gmail's extension"}


class Usable(StrEnum):
    """Whether a thing can be used."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"  # usable, and something should be looked at
    FAIL = "fail"  # not usable
    UNKNOWN = "unknown"  # nobody could find out


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was tried."""

    kind: str  # configuration, store, resolver, stream, route, inbox, collect, reputation
    name: str
    verdict: Usable
    summary: str
    detail: str = ""  # what was seen, for those who look closer
    advice: str = ""  # what to do


@dataclass(frozen=True, slots=True)
class Task:
    """Something to try, which may take its time."""

    kind: str
    name: str
    run: Callable[[], Item]


def tasks(settings: Settings, path: Path | None) -> Iterator[Task]:
    """Everything that the configuration names, in its order. `path` is the file that it was read from."""
    yield Task("configuration", _shown_path(path), partial(check_configuration, settings, path))
    yield Task("store", "store", partial(check_store, settings.store.url))
    servers = [parse_nameserver(text) for text in settings.dns.nameservers] or list(system_nameservers())
    if not servers:
        yield Task("resolver", "system", _no_resolver)
    for where, port in servers:
        name = server_name(where, port)
        yield Task("resolver", name, partial(check_resolver, settings, where, name))
    for stream in settings.stream:
        yield Task("stream", stream.name, partial(check_stream, stream))
    for route in settings.route:
        yield Task("route", route.name, partial(check_route, route))
    for inbox in settings.inbox:
        yield Task("inbox", inbox.name, partial(check_mailbox, inbox, "inbox"))
    for mailbox in settings.collect:
        yield Task("collect", mailbox.name, partial(check_mailbox, mailbox, "collect"))
    if settings.reputation.keys:
        yield Task("reputation", "keys", partial(check_list_keys, settings))


def _shown_path(path: Path | None) -> str:
    return str(path) if path else "settings"


def check_configuration(settings: Settings, path: Path | None) -> Item:
    """The file itself was read without fault; this says what it holds, and what should not stay so."""
    counted = [(settings.stream, "stream"), (settings.route, "route"), (settings.inbox, "inbox")]
    summary = ", ".join(_count(len(entries), word) for entries, word in counted)
    warnings = _gathered(config_warnings(settings, path)) if path else []
    missing = [f"[[{word}]]" for entries, word in counted if not entries]
    if missing:
        warnings.append(f"without {' and '.join(missing)} there is nothing to probe")
    verdict = Usable.WARN if warnings else Usable.PASS
    return Item("configuration", _shown_path(path), verdict, summary, advice=_sentences(warnings))


def _gathered(faults: Sequence[Fault]) -> list[str]:
    """One sentence for each message, its places before it, a few of them by name."""
    places: dict[str, list[str]] = {}
    for fault in faults:
        places.setdefault(fault.message, []).append(fault.place)
    sentences = []
    for message, found in places.items():
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        sentences.append(f"{', '.join(found[:_NAMED])}{more}: {message}")
    return sentences


def _count(number: int, word: str) -> str:
    plural = word + ("es" if word.endswith("x") else "s")
    return f"{number} {word if number == 1 else plural}"


def _sentences(parts: list[str]) -> str:
    return ". ".join(part.rstrip(".") for part in parts if part) + ("." if any(parts) else "")


def check_store(url: str) -> Item:
    """Open the database and bring its schema up to date, as every other command would."""
    shown = _without_password(url)
    try:
        open_engine(url).dispose()
    except StoreError as error:
        advice = "Check the URL, that the server runs or the folder may be written to, and the rights of the user."
        return Item("store", "store", Usable.FAIL, str(error), shown, advice)
    return Item("store", "store", Usable.PASS, "opened, its schema is current", shown)


def _without_password(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    login, at, host = rest.rpartition("@")
    return f"{scheme}{mark}{login.partition(':')[0]}{at}{host}"


def _no_resolver() -> Item:
    advice = "Set [dns] nameservers, or name one in /etc/resolv.conf."
    return Item("resolver", "system", Usable.FAIL, "this system names no name server", advice=advice)


def check_resolver(settings: Settings, where: str, name: str) -> Item:
    """Put one question to one name server. Any definite answer will do: that a name is not there is one."""
    asked = settings.sender.domains[0] if settings.sender.domains else "."
    rdtype = "SOA" if asked == "." else "MX"
    outcome = DnsClient([name], settings.dns.timeout.total_seconds()).ask(asked, rdtype)
    if isinstance(outcome, Got):
        answer = outcome.value
        words = {Presence.FOUND: "there", Presence.NO_DATA: "no such record", Presence.NO_NAME: "no such name"}
        detail = f"asked for {asked} {rdtype}: {words[answer.presence]}"
        if operator := _public_resolvers().get(where):
            advice = "Use a resolver of your own: block lists do not answer questions that come through public ones."
            return Item("resolver", name, Usable.WARN, f"answers, and is public ({operator})", detail, advice)
        return Item("resolver", name, Usable.PASS, "answers", detail)
    detail = getattr(outcome, "detail", outcome.reason)
    advice = {
        "timeout": "Check the address and port, and that no firewall drops UDP and TCP to it.",
        "unreachable": "Check the address and the network of this machine.",
        "refused": "The server does not answer this machine: let its operator allow recursion for it, or take another.",
        "servfail": "The server could not find out; if that lasts, it has no way to other name servers.",
    }.get(outcome.reason, "Check that a DNS server listens there.")
    verdict = Usable.UNKNOWN if outcome.reason == "servfail" else Usable.FAIL
    return Item("resolver", name, verdict, f"gives no answer: {outcome.reason}", detail, advice)


@lru_cache(maxsize=1)
def _public_resolvers() -> dict[str, str]:
    text = resources.files("toolkit").joinpath("data", "resolvers.toml").read_text(encoding="utf-8")
    return {address: entry["name"] for entry in tomllib.loads(text)["resolver"] for address in entry["addresses"]}


def check_stream(stream: Stream) -> Item:
    """Make a message of the stream, signature and all, and throw it away."""
    identity = SeedIdentity("check@mailwhy.invalid", "check@mailwhy.invalid", "check", datetime.now(UTC))
    try:
        message = compose(stream, identity)
    except ComposeError as error:
        advice = "Correct the stream in the configuration; docs/configuration.md has each setting."
        summary = str(error).removeprefix(f'stream "{stream.name}": ')
        return Item("stream", stream.name, Usable.FAIL, summary, advice=advice)
    signed = f"signed as {stream.dkim.selector}._domainkey.{stream.dkim.domain}" if stream.dkim else "not signed here"
    summary = f"{stream.kind}, {len(message) / 1024:.1f} KiB, {signed}"
    if stream.kind == "marketing" and b"\nlist-unsubscribe-post:" not in message.partition(b"\r\n\r\n")[0].lower():
        advice = (
            "Gmail and Yahoo want one-click unsubscription for marketing mail (RFC 8058): "
            'give unsubscribe = { https = "…" }.'
        )
        return Item("stream", stream.name, Usable.WARN, f"{summary}, no one-click unsubscription", advice=advice)
    return Item("stream", stream.name, Usable.PASS, summary)


def _impatient(server: Server) -> timedelta:
    return min(server.timeout, ANSWER)


def _where(server: Server) -> str:
    return f"{server.host}:{server.port}"


def check_route(route: Route) -> Item:
    """Connect, TLS, EHLO and login as a probe would. No mail is sent."""
    session = SmtpSession(route.model_copy(update={"timeout": _impatient(route)}))
    try:
        session.connect()
        tls = session.tls_version
        detail = f"{_where(route)} announces {', '.join(sorted(session.capabilities)) or 'no extensions'}"
    except WireError as error:
        advice = access_advice(_GENERIC, error.reason, error.detail)
        return Item("route", route.name, Usable.FAIL, f"not usable: {error.reason}", error.detail, advice)
    finally:
        session.quit()
    login = f"logged in as {route.username}" if route.username else "no login"
    return Item("route", route.name, Usable.PASS, f"{tls or 'no TLS'}, {login}", detail)


def check_mailbox(mailbox: Mailbox, kind: str) -> Item:
    """Connect, TLS, login, list the folders, open the inbox read-only."""
    provider = mailbox.provider if isinstance(mailbox, Inbox) else _GENERIC
    configured = {str(role): name for role, name in mailbox.folders.items()}
    session = ImapSession(mailbox.model_copy(update={"timeout": _impatient(mailbox)}))
    try:
        session.connect()
        tls = session.channel.tls_version if session.channel else None
        listing = session.list_folders()
        folders = classify(listing.folders, provider=provider, configured=configured)
        inboxes = [folder for folder in folders if folder.role is Role.INBOX and folder.listed.selectable]
        opened = [answer for answer, _ in session.examine_each([(box.listed.raw, ()) for box in inboxes])]
        features = [word for name, word in _FEATURES.items() if name in session.capabilities]
    except WireError as error:
        hints = server_hints(provider, mailbox.host, mailbox.port, mailbox.security, mailbox.username)
        advice = [access_advice(provider, error.reason, error.detail), *hints]
        return Item(kind, mailbox.name, Usable.FAIL, f"not usable: {error.reason}", error.detail, _sentences(advice))
    finally:
        session.close()
    detail = f"{_where(mailbox)}: {_roles(folders)}; {', '.join(features) or 'neither IDLE nor LIST-STATUS'}"
    if not inboxes or not all(answer.ok for answer in opened):
        said = "; ".join(answer.text for answer in opened if not answer.ok) or "no folder is an inbox"
        advice = ["The account has no inbox that may be read: check it in another program, or set folders.inbox"]
        return Item(kind, mailbox.name, Usable.FAIL, f"logged in, but: {said}", detail, _sentences(advice))
    summary = f"{tls or 'no TLS'}, logged in, {_count(len(folders), 'folder')}"
    problems = list(_folder_problems(configured, listing, folders))
    if kind == "inbox":
        problems += _role_problems(configured, folders, gmail=session.gmail)
    if not is_known(provider):
        advice = ['No facts of this provider are used: correct its name, or write "generic"']
        problems.append((f"provider {quoted(provider)} is not known", _sentences(advice)))
    if problems:
        summary = f"{summary}; {'; '.join(problem for problem, _ in problems)}"
        return Item(kind, mailbox.name, Usable.WARN, summary, detail, _sentences([advice for _, advice in problems]))
    return Item(kind, mailbox.name, Usable.PASS, summary, detail)


def _roles(folders: tuple[Folder, ...]) -> str:
    named = [
        f"{folder.role}: {quoted(folder.name)}" for role in _SHOWN_ROLES for folder in folders if folder.role is role
    ]
    filled = [f"filled by the provider: {quoted(folder.name)}" for folder in folders if folder.sorted_by == "provider"]
    return ", ".join([*named, *filled]) or "no folder with a role"


def _folder_problems(
    configured: dict[str, str], listing: Listing, folders: tuple[Folder, ...]
) -> Iterator[tuple[str, str]]:
    """What is wrong with the list of folders, and what to do about it."""
    for role, name in unmatched(listing.folders, configured):
        known = ", ".join(quoted(folder.name) for folder in folders[:20])
        problem = f"folders.{role} = {quoted(name)} matches nothing"
        yield problem, f"Name one of the folders that the server lists ({known}), or remove the setting"
    if listing.broken:
        lines = _count(len(listing.broken), "line")
        yield f"{lines} of the folder list cannot be read", "Mail in those folders cannot be found"


def _role_problems(
    configured: dict[str, str], folders: tuple[Folder, ...], *, gmail: bool
) -> Iterator[tuple[str, str]]:
    """Which folders a test inbox should have and does not show."""
    roles = {folder.role for folder in folders if folder.listed.selectable}
    if Role.SPAM not in roles and Role.SPAM not in configured:
        advice = (
            'Name it in folders = { spam = "…" }; where the web mailer can hide folders from IMAP, show it there '
            "(a provider that refuses spam at SMTP may have none)"
        )
        yield "no spam folder found", advice
    if gmail and Role.ALL not in roles:
        advice = "Let Gmail show All Mail (Alle Nachrichten) in IMAP, in its label settings: tabs are read there"
        yield "All Mail is not listed", advice


def check_list_keys(settings: Settings) -> Item:
    """Whether the keys of block lists can be had."""
    faults = missing_secrets(settings, routes=(), inboxes=(), streams=(), collect=())
    if faults:
        advice = access_advice(_GENERIC, "secret", "")
        return Item(
            "reputation",
            "keys",
            Usable.FAIL,
            "; ".join(str(fault).removeprefix("reputation: keys.") for fault in faults),
            advice=advice,
        )
    return Item("reputation", "keys", Usable.PASS, f"{_count(len(settings.reputation.keys), 'key')} at hand")
